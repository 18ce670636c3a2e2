#!/usr/bin/perl

# A provider that refuses, is late, closes or says no: the client gets the
# right error in its dialect or the provider's own words, the row costs
# nothing, what was held comes back, and nothing is billed twice.

use strict;
use warnings;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";

use IO::Socket::INET;
use Socket qw(SOL_SOCKET SO_LINGER);

use AI::Gateway;

my $t = AI::Gateway->new;
my $p = $t->provider(8081);

# a listener that accepts nothing once its backlog is full

my $deaf = IO::Socket::INET->new(Proto => 'tcp', Listen => 0,
    LocalAddr => '127.0.0.1:' . $t->port(8090), ReuseAddr => 1)
    or die "listen: $!\n";
my @fill = map { IO::Socket::INET->new(Proto => 'tcp', Blocking => 0,
    PeerAddr => '127.0.0.1:' . $t->port(8090)) } 1 .. 3;

# the group's name, a provider of each dialect there, and its models

my $conf = '';

for my $n ('closed', 'deaf', 'late') {
    my %port = (closed => 8091, deaf => 8090, late => 8081);

    $conf .= <<EOF;
    upstream $n { server 127.0.0.1:%%PORT_$port{$n}%%; keepalive 4; }

    ai_provider $n {
        api       openai;
        base      http://127.0.0.1:%%PORT_$port{$n}%%;
        upstream  $n;
        key       file:%%DIR%%/provider.key;
        breaker   failures=100000 window=10s cooldown=1s;
    }

    ai_model $n {
        price       input=2.00 output=8.00;
        max_output  100;
        target      $n connect=300ms first_byte=500ms timeout=800ms;
    }
EOF
}

$t->run(gateway_conf(
    providers => join('', map { AI::Conf::provider($_,
        extra => 'breaker failures=100000 window=10s cooldown=1s;') }
        qw(openai anthropic gemini azure)),
    http => $conf,
    plan_extra => 'limit cost 1.00/day; limit concurrency 2;'));

my $spent = spent();

fails('refused', 'closed', {}, 502);
fails('no connection', 'deaf', {}, 504);
fails('no first byte', 'late', { wait => 3 }, 504);
fails('no answer', 'late', { hang => 1 }, 504);
fails("closed by $_", 'late', { close => 'request', how => $_ }, 502)
    for 'fin', 'rst';

is(spent(), $spent, 'none of them cost anything');

# the time-out between reads holds behind the first byte

my $r = $t->chat({ model => 'late', stream => \1 },
    mock => { events => 30, delay => 0.1 });

is($r->status, 200, 'slower than first_byte in all');
ok($r->complete, 'but never idle');

$r = $t->chat({ model => 'late', stream => \1 },
    mock => { events => 4, delay => 1.5 });
my $row = $t->waitrow($r->id);

is($r->status, 200, 'idle: status');
ok(!$r->complete, 'idle: cut');
unlike($r->body, qr/DONE/, 'idle: no end is made up');
is($row->{state}, 'interrupted', 'idle: state');
is($row->{attempts}[0]{reason}, 'cut', 'idle: reason');

# the provider's own words, with its time to wait

my $text = '{"error":{"message":"its own words","type":"x","code":"y"}}';

for my $status (408, 409, 429, 500, 502, 503, 504, 529) {
    $spent = spent();

    $r = $t->chat(undef, mock => { status => $status, body => $text,
        headers => { 'Retry-After' => 7 } });
    $row = $t->waitrow($r->id);

    is($r->status, $status, "$status passes");
    is($r->body, $text, "$status in the provider's words");
    is($r->header('retry-after'), 7, "$status with its retry-after")
        if $status == 429;
    is($row->{state}, 'failed', "$status: state");
    is($row->{status}, 'FAILED_UPSTREAM', "$status: status");
    is($row->{cost_usd}, undef, "$status: costs nothing");
    is(spent(), $spent, "$status: what was held comes back");
}

for my $status (400, 401, 403, 404, 413, 422) {
    $r = $t->chat(undef, mock => { status => $status, body => $text });
    $row = $t->waitrow($r->id);

    is($r->body, $text, "$status in the provider's words");
    is($row->{state}, 'final', "$status: state");
    is($row->{cost_usd}, undef, "$status: costs nothing");
}

# the other dialects' errors

$r = $t->post('/v1/messages', { model => 'claude-sonnet-4-6', max_tokens => 9,
    messages => [ { role => 'user', content => 'x' } ] },
    mock => { close => 'request' });

is($r->status, 502, 'Anthropic: status');
is($r->json->{type}, 'error', 'Anthropic: its shape');
ok($r->json->{request_id}, 'Anthropic: with an id');

$r = $t->post('/v1beta/models/gemini-2.5-flash:generateContent',
    { contents => [ { parts => [ { text => 'x' } ] } ] },
    mock => { close => 'request' });

is($r->status, 502, 'Gemini: status');
is($r->json->{error}{code}, 502, 'Gemini: its shape');

unlike($r->body, qr/127\.0\.0\.1|mock/, 'no host is named');

# a connection that was kept and closed meanwhile: tried again, billed once

$t->chat for 1 .. 3;

my $n = $p->requests;

$p->behave({ close => 'request', times => 1 });

$r = $t->chat;
$row = $t->waitrow($r->id);

is($r->status, 200, 'stale connection: served');
is($p->requests, $n + 2, 'stale connection: sent twice');
is($row->{state}, 'final', 'stale connection: state');
is($row->{output_tokens}, 8, 'stale connection: tokens');
is(@{ $row->{attempts} }, 1, 'stale connection: not a failure');

# but a fresh one is not

$p->behave({ close => 'request' });

$t->chat;
$n = $p->requests;
$r = $t->chat;

is($r->status, 502, 'fresh connection: an error');
is($p->requests, $n + 1, 'fresh connection: sent once');

# and it is over when the provider is well again

$p->behave({});
is($t->chat->status, 200, 'goes on');

is($t->status->{zone}{holds}, 0, 'no hold is left');

close $_ for grep { $_ } @fill;

$t->done;


sub fails {
    my ($name, $model, $mock, $status) = @_;

    for my $stream (0, 1) {
        my $r = $t->chat({ model => $model, $stream ? (stream => \1) : () },
            mock => $mock);
        my $row = $t->waitrow($r->id);

        is($r->status, $status, "$name: status");
        is($r->json->{error}{code}, 'upstream_error', "$name: code");
        unlike($r->body, qr/127\.0\.0\.1|closed|deaf/, "$name: no host named");
        is($row->{state}, 'failed', "$name: state");
        is($row->{http_status}, $status, "$name: in the row");
        is($row->{cost_usd}, undef, "$name: costs nothing");
        is($row->{usage_source}, 'none', "$name: source");
        is($row->{attempts}[0]{reason},
            $status == 504 ? 'timeout' : 'connect', "$name: reason");
    }
}


# of the day, as the client is told

sub spent { return $t->get('/v1/usage')->json->{today}{cost_usd} }
