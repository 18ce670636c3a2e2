#!/usr/bin/perl

# Credit leased from a real Redis by the two workers of a node: no more than
# the limit passes, whatever becomes of Redis, and nobody waits long for it;
# what is left is given back when the node quits.

use strict;
use warnings;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";

use AI::Gateway;
use AI::Redis;

use Digest::SHA qw(sha256_hex);
use Time::HiRes qw(time);

plan skip_all => 'no redis-server' unless AI::Redis::found();

my %limit = (
    ten => 'limit requests 10/m;',
    many => 'limit requests 1000/m;',
    slots => 'limit concurrency 2;',
    money => 'limit cost 0.002/month;',
    day => 'limit requests 10/day;',
    week => 'limit requests 100/day;',
    fresh => 'limit requests 10/day;',
    closed => 'limit requests 10/h; on_store_loss closed;',
    local => 'limit requests 3600/h burst=20; on_store_loss local;',
    open => 'limit requests 10/h; on_store_loss open;',
);

my $t = AI::Gateway->new(workers => 2);
my $r = AI::Redis->new($t);

my $conf = gateway_conf(
    http => $r->conf(lease => '4s', timeout => '200ms'),
    plan => join('', map { "ai_plan $_ { models *; $limit{$_} }\n" }
        sort keys %limit),
    tenants => join('', map { "ai_tenant $_ { plan $_; key %%KEY_$_%%; }\n" }
        sort keys %limit),
);

$t->provider(8081);
$t->run($conf);
$t->allow(qr/ai redis|ai lease/);


sub redis { return $t->status->{redis} }

sub seeded {
    return waitfor {
        my $s = redis();
        $s->{shards}{usable} && $s->{shards}{seeded} && !$s->{shards}{local};
    };
}

sub fire {
    my ($n, $key) = @_;

    my %got;
    my @c = map { $t->start_chat({ max_tokens => 8 }, key => $key) } 1 .. $n;

    $got{ $_->finish->status }++ for @c;

    return \%got;
}

sub chat { return $t->chat({ max_tokens => 8 }, key => $_[0])->status }

# a tenant's requests of the day, as Redis has them

sub day_of {
    my ($tenant) = @_;

    my $owner = substr sha256_hex($tenant), 0, 32;

    return map { $r->hash($_) } $r->keys("ai:*:$owner:0:3:*");
}

sub leased { return join ' ', map { $_->{leased} // '-' } day_of($_[0]) }


# ---- no more than the limit

ok(seeded(), 'Redis leases');

is_deeply(fire(40, 'ten'), { 200 => 10, 429 => 30 }, 'ten of forty');
is_deeply(fire(40, 'day'), { 200 => 10, 429 => 30 }, 'of a day');

{
    my $calls = redis()->{leases}{asked} + redis()->{leases}{ahead};
    my $begun = time();
    my $passed = 0;
    my $bad = 0;

    for (1 .. 24) {
        my $got = fire(50, 'many');

        $passed += delete $got->{200} || 0;
        delete $got->{429};
        $bad += $_ for values %$got;
    }

    my $most = 1000 + 1 + (time() - $begun) * 1000 / 60;

    $calls = redis()->{leases}{asked} + redis()->{leases}{ahead} - $calls;

    ok($passed >= 1000 && $passed <= $most,
        "a thousand of twelve hundred: $passed");
    is($bad, 0, 'nobody is lost');
    ok($calls < 600, "most need no round trip: $calls");
}

{
    my @hold = map { $t->start_chat({ stream => \1 }, key => 'slots',
        mock => { events => 2000, delay => .05 }) } 1 .. 2;

    $_->read_events(1) for @hold;

    is(chat('slots'), 429, 'two slots, and no third');

    $_->close for @hold;

    ok((waitfor { chat('slots') == 200 }), 'they come free');
}

{
    my $got = fire(64, 'money');

    ok($got->{200} && $got->{429} && keys %$got == 2,
        "a budget: $got->{200} pass");

    my $spent = 0;

    ok((waitfor { $t->rows >= 10 }), 'rows are there');
    waitfor { !grep { $_->{open} } @{ $t->status->{tenants} } };

    $spent = (grep { $_->{name} eq 'money' } @{ $t->status->{tenants} })[0]
        {month}{cost_usd};
    cmp_ok($spent, '<=', 0.002, 'and it is not overrun');
}


# ---- a frozen Redis

{
    my (@took, %got);

    $r->stop;

    for (1 .. 30) {
        my $begun = time();

        $got{ chat('fresh') }++;
        push @took, time() - $begun;
    }

    my @sorted = sort { $a <=> $b } @took;

    is_deeply([ keys %got ], [ 503 ], 'frozen: no budget')
        or diag(explain(\%got));
    cmp_ok($sorted[-1], '<', .5 * $AI::Gateway::factor, 'nobody waits long');
    cmp_ok($sorted[15], '<', .02 * $AI::Gateway::factor, 'most at once');

    ok((waitfor { chat('open') == 200 }), 'a plan that is open then');
    is(chat('closed'), 503, 'one that is closed');
    ok((waitfor { chat('local') == 200 }), 'one that goes on by itself');
    ok((waitfor { redis()->{shards}{local} == 1 }), 'the node is on its own');

    # it begins with what is leased, and not with another burst

    my $passed = fire(60, 'local')->{200} || 0;

    cmp_ok($passed, '<=', 4, "by its share: $passed");

    $r->cont;
}

ok(seeded(), 'it wakes');
is_deeply(fire(20, 'day'), { 429 => 20 }, 'what was used is used');
ok((waitfor { chat('closed') == 200 }), 'and rates are leased');


# ---- a Redis that has forgotten

{
    my ($before) = map { $_->{epoch} } $r->hash('ai:{0}');

    $r->flushall;

    ok((waitfor { ($r->hash('ai:{0}')->{epoch} // $before) ne $before }),
        'FLUSHALL: another epoch');
    ok(seeded(), 'it is told again');
    is_deeply(fire(20, 'day'), { 429 => 20 }, 'a budget does not come back');

    my $got = fire(40, 'ten');

    cmp_ok($got->{200} || 0, '<=', 3, 'nor does a bucket');
}

{
    my ($epoch) = $r->hash('ai:{0}')->{epoch} =~ /^(\d+)/;

    $r->kill;
    ok((waitfor { chat('fresh') == 503 }), 'killed: no budget');
    $r->start;

    ok((waitfor { ($r->hash('ai:{0}')->{epoch} // '') =~ /^(\d+)/
        && $1 > $epoch }), 'started, and empty: a later epoch than it had');
    ok(seeded(), 'it is told again');
    is_deeply(fire(20, 'day'), { 429 => 20 }, 'and the budget is spent');
}


# ---- credit goes back

# what has passed, by the answers: rows come later

my $spent = 0;

sub lease {
    ok((waitfor { $spent++ if chat('week') == 200; leased('week') > $spent }),
        'more is leased than is spent');
}

lease();

ok((waitfor { leased('week') == $spent } 15),
    'at the end of the lease it goes back');

lease();

ok($t->stop('QUIT'), 'it quits');
is(leased('week'), $spent, 'and back when the node does');
is(leased('day'), 10, 'what is spent stays');


# ---- the next start

my ($node) = map { substr $_, 2 } grep { /^n:/ } keys %{ $r->hash('ai:{0}') };

sub start_of {
    return ($r->hash('ai:{0}')->{"n:$node"} // '') =~ /^0*(\d+) 1 / ? $1 : 0;
}

sub older {
    return grep { exists $_->{"o:$node"} } day_of('week'), day_of('day');
}

is(start_of(), 1, 'the first start');

$t->run($conf);

ok((waitfor { start_of() == 2 }), 'the second one');
ok(seeded(), 'leases again');
is(leased('day'), 10, 'what was spent counts once');
is(chat('day'), 429, 'a budget is spent');
is(chat('week'), 200, 'another is not');
$spent++;

# killed with credit in its hands: the next start gives it back

lease();

$t->crash;
$t->run($conf);

ok((waitfor { start_of() == 3 }), 'killed: the third one');
ok(seeded(), 'leases again');
ok((waitfor { leased('week') == $spent && !older() }),
    'what was spent counts, and nothing else')
    or diag(explain([ $spent, day_of('week') ]));

$t->done;

done_testing();
