#!/usr/bin/perl

# Only whole answers are kept: streams that their protocol ended, without an
# error; whatever the framing says, and whatever the client does meanwhile.

use strict;
use warnings;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";

use Time::HiRes qw(time sleep);

use AI::Gateway;

my $t = AI::Gateway->new;
my $p = $t->provider(8081);

$t->run(gateway_conf(
    http => 'proxy_cache_path %%DIR%%/cache keys_zone=ai_cache:1m '
        . 'levels=1:2 use_temp_path=off;',
    plan => <<'EOC',
    ai_plan cancel { models *; cache on; on_abort cancel; }
    ai_plan drain  { models *; cache on; on_abort drain; }
EOC
    tenants => <<'EOC',
    ai_tenant acme  { plan cancel; key %%KEY_acme%% name=prod; }
    ai_tenant other { plan drain;  key %%KEY_other%% name=prod; }
EOC
    location => <<'EOC'));
            include      %%TOP%%/conf.example/ai_cache.conf;
            send_timeout 60s;
EOC

my $seed = 0;
my $event = 'data: {"choices":[{"index":0,"delta":{"content":"tok "},'
    . '"finish_reason":null}]}' . "\n\n";
my $usage = 'data: {"choices":[],"usage":{"prompt_tokens":11,'
    . '"completion_tokens":1,"total_tokens":12}}' . "\n\n";
my $done = "data: [DONE]\n\n";
my $error = 'data: {"error":{"message":"m","code":502}}' . "\n\n";
my $sse = 'text/event-stream';

# streams; all of them end as HTTP has it

kept('whole', 1, 1, body => "$event$usage$done", type => $sse);
kept('no end', 1, 0, body => "$event$usage", type => $sse);
kept('half an event', 1, 0, body => $event . substr($usage, 0, 40),
    type => $sse);
kept('no usage', 1, 0, body => "$event$done", type => $sse);
kept('an error', 1, 0, body => "$event$error", type => $sse);
kept('an error, and an end', 1, 0, body => "$event$error$usage$done",
    type => $sse);
kept('an error at once', 1, 0, body => "$error$done", type => $sse);
kept('nothing', 1, 0, body => '', type => $sse);
kept('in bytes', 1, 1, body => "$event$usage$done", type => $sse,
    split => 'byte');
kept('compressed', 1, 0, gzip => \1);
kept('by the end of the connection', 1, 0, framing => 'close');
kept('by length', 1, 0, framing => 'length');
kept('JSON for a stream', 1, 0, body => '{"choices":[],"usage":'
    . '{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}');
kept('cut', 1, 0, cut_event => 4);
kept('reset', 1, 0, cut_event => 4, how => 'rst');

# answers in one piece

kept('JSON', 0, 1);
kept('JSON in chunks', 0, 1, framing => 'chunked');
kept('JSON by the end of the connection', 0, 0, framing => 'close');
kept('half of it', 0, 0, body => '{"choices":[{"message":{"content":"x"}}],'
    . '"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}');
kept('an error in a 200', 0, 0, body => '{"error":{"message":"m","code":"x"}}');
kept('no numbers', 0, 0, usage => undef);
kept('400', 0, 0, status => 400);
kept('429', 0, 0, status => 429);
kept('500', 0, 0, status => 500);
kept('201', 0, 0, status => 201);
kept('shorter than it says', 0, 0, length => 9999);
kept('a provider that forbids it', 0, 1,
    headers => { 'Cache-Control' => 'no-store', 'Set-Cookie' => 'a=b',
        'Vary' => '*', 'X-Accel-Expires' => '0' });


# a fresh answer that is none leaves the old one, and nothing else

$t->chat({ stream => \1, seed => ++$seed });
$t->chat({ stream => \1, seed => $seed }, mock => { body => $event,
    type => $sse }, headers => { 'Cache-Control' => 'no-cache' });
like($t->chat({ stream => \1, seed => $seed })->body, qr/DONE/, 'the old one');
ok(waitfor { !grep { /\.\d+$/ } files() }, 'no half file is left of it');


# a stream that is stored is sent on as it comes

my $c = $t->start_chat({ stream => \1, seed => ++$seed },
    mock => { events => 4, delay => 0.4 });
my $began = time;
$c->read_events(2);
cmp_ok(time - $began, '<', 1.0, 'events at once');
is($p->open_streams, 1, 'while the provider speaks');
my $r = $c->finish;
is($r->header('x-ai-cache'), 'miss', 'it is stored');
is($t->chat({ stream => \1, seed => $seed })->body, $r->body,
    'and given again');


# clients that leave: as the plan says, with a cache as without

for my $who ([ 'acme', 'aborted', 'miss' ], [ 'other', 'completed', 'hit' ]) {
    my ($tenant, $end, $then) = @$who;

    $seed++;
    $c = $t->start_chat({ stream => \1, seed => $seed }, key => $tenant,
        mock => { events => 8, delay => 0.1, text => "$tenant " });
    $c->read_events(2);
    $c->close;

    ok(waitfor { $p->open_streams == 0 }, "$tenant: the provider ends");
    is(($p->journal)[-1]{end}, $end, "$tenant: $end");

    $r = $t->chat({ stream => \1, seed => $seed }, key => $tenant);
    is($r->header('x-ai-cache'), $then, "$tenant: $then");
}


# a client that reads nothing holds back neither the store nor others

$p->behave({ events => 3000, text => 'x' x 4000 });
$seed++;
my $stored = stored();
$c = $t->start_chat({ stream => \1, seed => $seed }, rcvbuf => 4096);

ok(waitfor { stored() > $stored }, 'stored while nobody reads');

my $h = $t->chat({ stream => \1, seed => $seed });
is($h->header('x-ai-cache'), 'hit', 'a hit meanwhile');
$r = $c->finish;
is(length $r->body, length $h->body, 'as long as the slow one');
ok($r->body eq $h->body, 'and the same');
$c->close;
is($t->waitrow($r->id)->{output_tokens}, 3000, 'the slow one is metered');
is($t->waitrow($h->id)->{output_tokens}, 3000, 'the fast one is, too');

# longer than what is kept

$p->behave({ events => 3000, text => 'x' x 7000 });
$seed++;
$r = $t->chat({ stream => \1, seed => $seed });
is($r->header('x-ai-cache'), 'miss', 'a long answer');
is($t->waitrow($r->id)->{output_tokens}, 3000, 'is whole');
like($r->body, qr/\[DONE\]/, 'to its end');
$p->behave({});
is($t->chat({ stream => \1, seed => $seed })->header('x-ai-cache'), 'miss',
    'and not kept');

ok(waitfor { !grep { /\.\d+$/ } files() }, 'no half file is left');

$t->done;


# asks twice

sub kept {
    my ($name, $stream, $kept, %mock) = @_;

    my $body = { seed => ++$seed, $stream ? (stream => \1) : () };

    my $r = $t->chat($body, mock => \%mock);
    my $h = $t->chat($body);

    is($h->header('x-ai-cache'), $kept ? 'hit' : 'miss', "$name: "
        . ($kept ? 'kept' : 'not kept'));
    is($h->body, $r->body, "$name: as it was") if $kept;
}


sub stored { return $t->metrics->{'ai_cache_total{result="stored"}'} }

sub files { return glob $t->dir . '/cache/*/*/*' }
