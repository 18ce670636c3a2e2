#!/usr/bin/perl

# An old answer where no provider has one, and equal requests that wait for
# one answer: both are hits, and billed as such.

use strict;
use warnings;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";

use Time::HiRes qw(time sleep);

use AI::Gateway;

my $t = AI::Gateway->new;
my $p = $t->provider(8081);

open my $f, '<', "$FindBin::Bin/../conf.example/ai_cache.conf" or die;
my $cache = do { local $/; <$f> };

$cache =~ s/(use_stale\s+)off/$1error timeout http_500 http_503 updating/;
$cache =~ s/(cache_lock\s+)off/$1on/;

$t->run(gateway_conf(
    http => 'proxy_cache_path %%DIR%%/cache keys_zone=ai_cache:1m '
        . 'levels=1:2 use_temp_path=off;',
    plan => 'ai_plan usual { models *; cache on price=50% ttl=1s; '
        . 'limit concurrency 4; limit requests 1000/day; }',
    models => AI::Conf::models() . <<'EOC',
    ai_model two {
        price     input=2.00 output=8.00;
        target    openai   model=one;
        fallback  openai   model=other;
    }
EOC
    providers => AI::Conf::provider('openai', extra => 'capacity 4; '
        . 'breaker failures=4 window=60s cooldown=60s;')
        . join('', map { AI::Conf::provider($_) } qw(anthropic gemini azure)),
    tenants => AI::Conf::tenants(), location => $cache));


my ($n, $r);

# an answer that has had its time

my $old = $t->chat(undef, mock => { text => 'old ' });
is($t->chat->header('x-ai-cache'), 'hit', 'ttl=1s: a hit at first');

for my $how ([ 500, 'status', status => 500 ], [ 503, 'status',
    status => 503 ], [ undef, 'connect', close => 'request' ])
{
    my ($status, $reason, %mock) = @$how;

    sleep 2.1;

    my $n = $p->requests;
    my $r = $t->chat(undef, mock => \%mock);

    is($p->requests, $n + 1, "$reason: the provider was asked");
    is($r->status, 200, "$reason: an old answer");
    is($r->header('x-ai-cache'), 'hit', "$reason: is a hit");
    is($r->body, $old->body, "$reason: the old bytes");

    my $row = $t->waitrow($r->id);

    is($row->{state}, 'final', "$reason: state");
    is($row->{cost_usd}, '0.000043000', "$reason: cost");
    is_deeply([ map { [ @$_{qw(provider status reason)} ] }
        @{ $row->{attempts} } ], [ [ 'openai', $status, $reason ],
        [ 'cache', 200, undef ] ], "$reason: attempts");
}

my $new = $t->chat(undef, mock => { text => 'new ' });
is($new->header('x-ai-cache'), 'miss', 'after its time it is asked for anew');
is($t->chat->body, $new->body, 'and the new one is kept');

is($t->metrics->{'ai_provider_open{provider="openai"}'}, 0,
    'no attempt is left open');


# another target is better than an old answer

$t->chat({ model => 'two' });
sleep 2.1;
$n = $p->requests;
$p->behave({ status => 500, times => 1 });
$r = $t->chat({ model => 'two' });
is($r->header('x-ai-cache'), 'miss', 'another target is asked');
is($p->requests, $n + 2, 'in place of an old answer');
$p->behave({});


# at one time

$n = $p->requests;

my @c = map { $t->start_chat({ seed => 1 }, mock => { wait => 0.7 }) } 1 .. 3;
my @r = map { $_->finish } @c;

is($p->requests, $n + 1, 'the provider is asked once');
is(join(' ', sort map { $_->header('x-ai-cache') } @r), 'hit hit miss',
    'the others wait');
is($r[$_]->body, $r[0]->body, 'for the same bytes') for 1, 2;

# one that leaves, and one whose answer is not kept

$n = $p->requests;

my $first = $t->start_chat({ seed => 2 }, mock => { wait => 20 });
ok(waitfor { $p->requests == $n + 1 }, 'one asks');
my $second = $t->start_chat({ seed => 2 });
my $third = $t->start_chat({ seed => 2 });
sleep 0.3;
$third->close;
$first->close;

$r = $second->finish;
is($r->status, 200, 'who waited asks when the first one has left');
is($r->header('x-ai-cache'), 'miss', 'as if it were the first');

ok(waitfor { $t->get('/v1/usage')->json && !grep { $_->{used} }
    grep { $_->{resource} eq 'concurrency' }
    @{ $t->get('/v1/usage')->json->{limits} || [] } }, 'no slot is left taken');

# hits hold no place of a provider, though nobody reads them

$p->behave({ events => 3000, text => 'x' x 4000 });
$t->chat({ seed => 3 });
$p->behave({});

my @slow = map { $t->start_chat({ seed => 3 }, rcvbuf => 4096) } 1 .. 3;
ok(waitfor { $t->status->{zone}{holds} == 3 }, 'slow clients');

my @live = map { $t->start_chat({ seed => 4 + $_ }, key => 'other',
    mock => { wait => 0.5 }) } 1 .. 4;
is(join(' ', map { $_->finish->status } @live), '200 200 200 200',
    'others have all places');

# the breaker sees what old answers hide

$_->close for @slow;
sleep 2.1;

$t->chat(undef, mock => { close => "request" }) for 1 .. 4;
is($t->chat(undef)->status, 503, 'it opens');

$_->close for @c, $second, @live;

$t->done;
