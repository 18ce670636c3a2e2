#!/usr/bin/perl

# Limits that are shared by a real Redis: as many pass as the limit says, over
# workers and over nodes; who waits for Redis, and what happens without it.

use strict;
use warnings;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";

use AI::Gateway;
use AI::Redis;

use Time::HiRes qw(time);

plan skip_all => 'no redis-server' unless AI::Redis::found();

my @limits = (
    ten => 'limit requests 10/day;',
    open => 'limit requests 10/day;',
    rate => 'limit requests 10/h; on_store_loss closed;',
    local => 'limit requests 3600/h burst=10; on_store_loss local;',
    loose => 'limit requests 10/h; on_store_loss open;',
    slots => 'limit concurrency 2; queue 50 timeout=20s;',
    money => 'limit cost 0.002/month;',
);


sub conf {
    my ($redis, %o) = @_;

    my %limit = @limits;

    return gateway_conf(
        http => $redis . 'log_format st "$status $ai_status $request_time";',
        server => 'access_log %%DIR%%/ai.log st;'
            . 'listen 127.0.0.1:%%PORT_h2%% http2;',
        plan => join('', map { "ai_plan $_ { models *; $limit{$_} }\n" }
            sort keys %limit),
        tenants => join('', map { "ai_tenant $_ { plan $_; key %%KEY_$_%%; }\n" }
            sort keys %limit),
        %o,
    );
}


sub redis { return $_[0]->status->{redis} }

sub ready {
    my (@t) = @_;

    for my $t (@t) {
        waitfor { redis($t)->{shards}{seeded} == 1 }
            or diag(explain(redis($t)), $t->log), return 0;
    }

    return 1;
}


# statuses of n requests at a time, spread over gateways

sub fire {
    my ($n, $key, @t) = @_;

    my @c = map { $t[$_ % @t]->start_chat({ max_tokens => 8 }, key => $key) }
        1 .. $n;
    my %got;

    $got{ $_->finish->status }++ for @c;

    return \%got;
}


# ---- one node of two workers

my $t = AI::Gateway->new(workers => 2);
my $r = AI::Redis->new($t);

$t->provider(8081);
$t->run(conf($r->conf));

ok(ready($t), 'Redis is there');
waitfor { redis($t)->{nodes}{seen} };

my $s = redis($t);

is($s->{server}, '127.0.0.1:' . $r->port, 'its address');
is_deeply($s->{nodes}, { configured => 1, seen => 1 }, 'nodes');
is($s->{evicts}, JSON::PP::false, 'it keeps what it has');

is_deeply(fire(64, 'ten', $t), { 200 => 10, 429 => 54 },
    'ten of sixty-four, two workers');
is_deeply(fire(8, 'ten', $t), { 429 => 8 }, 'and no more');
is_deeply(fire(64, 'rate', $t), { 200 => 10, 429 => 54 }, 'of a bucket, too');

$s = redis($t)->{leases};
ok($s->{asked} > 0, 'Redis was asked');
ok($s->{waited} > 0, 'and waited for');
is($s->{lost}, 0, 'nobody was lost');

ok((waitfor { redis($t)->{calls} > 0 }), 'calls are told');

my $m = $t->metrics;

ok($m->{ai_lease_asked_total} > 0, 'metrics of leases');
ok($m->{ai_redis_calls_total} > 0, 'and of calls');
is($m->{ai_redis_shards_seeded}, 1, 'and of shards');
is($m->{ai_redis_nodes}, 1, 'and of nodes');

# a money budget: never overrun

{
    my $got = fire(64, 'money', $t);

    ok($got->{200} && $got->{429}, "budget: $got->{200} pass")
        or diag(explain($got));
    ok(!$got->{503}, 'nobody lost');
}

# Redis is frozen: who has no credit waits, no longer than the timeout

$r->stop;

my $begun = time();
my $a = $t->chat({}, key => 'open');

is($a->status, 503, 'frozen: nobody vouches for a budget');
is($a->json->{error}{code}, 'gateway_unavailable', 'its code');
is($a->header('retry-after'), 1, 'retry-after');
ok(time() - $begun < 1 * $AI::Gateway::factor, 'at once');
ok((waitfor { $t->read_file('ai.log') =~ /^503 REJECTED_BUDGET /m }),
    'its status');
ok(redis($t)->{leases}{lost} > 0, 'it is counted');

$r->kill;

ok((waitfor { $t->chat({}, key => 'loose')->status == 200 }),
    'gone: a plan that is open then');
is($t->chat({}, key => 'rate')->status, 503, 'one that is closed');
ok((waitfor { $t->read_file('ai.log') =~ /^503 REJECTED_RATE /m }),
    'its status');
ok((waitfor { $t->chat({}, key => 'local')->status == 200 }),
    'one that goes on by itself');
ok((waitfor { $t->metrics->{ai_redis_shards_local} == 1 }), 'is told');

$r->start;

ok((waitfor { $t->chat({}, key => 'open')->status == 200 }), 'back again');
is_deeply(fire(16, 'ten', $t), { 429 => 16 }, 'what was used still counts');

$t->allow(qr/ai redis|ai lease/);
$t->done;


# ---- two nodes

my @t = map { AI::Gateway->new(workers => 1) } 1 .. 2;

$r = AI::Redis->new($t[0]);

for my $node (@t) {
    $node->provider(8081);
    $node->run(conf($r->conf(nodes => 2, gateway => $node)));
}

ok(ready(@t), 'two nodes');
ok((waitfor { redis($t[0])->{nodes}{seen} == 2 }), 'see each other');

is_deeply(fire(64, 'ten', @t), { 200 => 10, 429 => 54 },
    'ten of sixty-four, two nodes');
is_deeply(fire(64, 'rate', @t), { 200 => 10, 429 => 54 }, 'of a bucket, too');

# slots: who waits on one node gets what the other one gives back

{
    my @hold = map { $t[0]->start_chat({ stream => \1 }, key => 'slots',
        mock => { events => 2000, delay => .05 }) } 1 .. 2;

    $_->read_events(1) for @hold;

    my @c = map { $t[1]->start_chat({}, key => 'slots') } 1 .. 10;

    ok((waitfor { $t[1]->status->{queue}{queued} == 10 }),
        'slots of another node are waited for');

    $_->close for @hold;

    my %got;
    $got{ $_->finish->status }++ for @c;

    is_deeply(\%got, { 200 => 10 }, 'and come free there');
}

$_->done for reverse @t;


# ---- clients that leave while they wait for Redis

$t = AI::Gateway->new;
$r = AI::Redis->new($t);

$t->provider(8081);
$t->run(conf($r->conf(timeout => '15s', lease => '60s')));

ok(ready($t), 'a long timeout');

$r->stop;

{
    my @c = map { $t->start_chat({}, key => 'ten') } 1 .. 20;

    ok((waitfor { redis($t)->{leases}{waited} == 20 }), 'they wait');

    $_->close for @c[0 .. 9];
    $_->reset for @c[10 .. 18];

    ok((waitfor { (() = $t->read_file('ai.log') =~ /^499 /mg) == 19 }),
        'those that left are ended');

    my $h2 = $t->h2('POST', '/v1/chat/completions', { model => 'gpt-4.1',
        messages => [] }, key => 'ten', port => 'h2', timeout => .5);

    ok((waitfor { (() = $t->read_file('ai.log') =~ /^499 /mg) == 20 }),
        'also over HTTP/2');

    $r->cont;

    # an operation that Redis comes to after a second counts for nothing

    my $stayed = $c[19]->finish->status;

    like($stayed, qr/^(?:200|503)$/, 'who stayed is answered');
    ok((waitfor { $t->chat({}, key => 'loose')->status == 200 }),
        'and whoever comes next');

    my $rows = $stayed == 200 ? 2 : 1;

    ok((waitfor { $t->rows == $rows }), 'those that left have no row');
    ok(!(grep { $_->{open} } @{ $t->status->{tenants} }), 'nothing is held');
}

$t->done;
