#!/usr/bin/perl

# What the tests of leases stand on: Redis that forgets, lags and moves slots
# when told to, and networks that lose what they are to lose.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use AI::Netns;

use Test::More;
use Time::HiRes qw(sleep time);

use AI::Cluster;
use AI::Gateway;
use AI::Redis;

plan(skip_all => 'no redis-server') if !AI::Redis->found;

my $top = $AI::Gateway::top;

# ---- one, alone ----

{
    my $r = AI::Redis->new(appendonly => 1, socket => 1, clock => 1,
        users => { gateway => '>secret ~ai:* +@all' });

    my $id = $r->info('server')->{run_id};

    $r->cli('SET', 'ai:a', "b\r\nc");
    $r->restart;
    is($r->cli('GET', 'ai:a'), "b\r\nc", 'keeps what it has');
    isnt($r->info('server')->{run_id}, $id, 'is another run');
    $r->restart(empty => 1);
    is($r->cli('GET', 'ai:a'), undef, 'has nothing');

    my $c = AI::Resp->new($r->unix);

    ok(!eval { $c->cli('PING'); 1 }, 'nobody without a password');
    like($@, qr/^NOAUTH/, 'told so');
    is($c->cli('AUTH', 'gateway', 'secret'), 'OK', 'a user');
    ok(!eval { $c->cli('GET', 'other'); 1 }, 'with keys of its own');

    for my $shift (-3600.5, 0.25, 86400) {
        $r->shift_clock($shift);

        my $at = $r->cli('EVAL', 'return redis.call("TIME")', 0);

        cmp_ok(abs($at->[0] + $at->[1] / 1e6 - time() - $shift), '<', 0.1,
            "clock shifted by $shift");
    }

    $r->stop;
    ok(!eval { AI::Resp->new($r->unix, timeout => 0.2)->cli('PING'); 1 },
        'frozen');
    $r->cont;
    is(AI::Resp->new($r->unix)->cli('AUTH', 'gateway', 'secret'), 'OK',
        'goes on');
}

# ---- a replica ----

{
    my $m = AI::Redis->new;
    my $r = AI::Redis->new(replica_of => $m);

    ok($r->waitsync, 'in step');
    $m->cli('SET', 'a', 1);
    ok((waitfor { ($r->cli('GET', 'a') // '') eq '1' }), 'has what its master '
        . 'has');

    my $id = $r->info('replication')->{master_replid};

    $r->stop;
    $m->cli('SET', 'a', 2);
    $m->kill;
    $r->cont;
    $r->promote;
    is($r->info('replication')->{role}, 'master', 'promoted');
    isnt($r->info('replication')->{master_replid}, $id, 'under another name');
}

# ---- a cluster ----

{
    my $t = AI::Gateway->new;
    my $c = AI::Redis->cluster($t);
    my $slot = $c->slot('ai:{17}');
    my $from = $c->owner($slot);
    my ($to) = grep { $_ != $from } $c->nodes;

    $from->cli('SET', "ai:{17}:$_", $_) for 1 .. 20;

    is($c->move($slot, $to), 20, 'keys moved');
    is($to->cli('GET', 'ai:{17}:7'), 7, 'and are there');
    is($c->owner($slot), $to, 'the slot has a new owner');
    ok(!eval { $from->cli('GET', 'ai:{17}:7'); 1 }, 'the old one has not');
    like($@, qr/^MOVED $slot \Q@{[ $to->addr ]}\E/, 'and says where');
    is(scalar($c->keys), 20, 'none is lost');

    $c->cleanup;
    $t->{done} = 1;
    $t->cleanup;
}

# ---- networks ----

for my $kind ($ENV{AI_NETNS} ? ('proxies', 'namespaces') : 'proxies') {
    local $ENV{AI_NETNS} = 'off' if $kind eq 'proxies';

    my $c = AI::Cluster->new(clocks => 0, tenants => '');
    my $r = $c->master;

    is(from($c, 0, 'PING'), 'PONG', "$kind: a node reaches Redis");

    $c->cut(1);
    is(from($c, 1, 'SET', 'x', 1), undef, 'a cut: no answer');
    is($r->cli('GET', 'x'), undef, 'and nothing came');
    is(from($c, 0, 'PING'), 'PONG', 'others are not meant');
    $c->mend;
    is(from($c, 1, 'PING'), 'PONG', 'mended');

    $c->cut(1, 'out');
    is(from($c, 1, 'SET', 'x', 2), undef, 'replies are lost');

    # who cannot connect sends nothing; one that was there before does

    if ($kind eq 'namespaces') {
        $c->mend;

        my $child = background($c, 1, 0.6, 'SET', 'x', 2);

        sleep 0.3;
        $c->cut(1, 'out');
        is(finish($child), undef, 'also on a connection that was there');
    }

    ok((waitfor { ($r->cli('GET', 'x') // '') eq '2' }),
        'but what was asked is done');

    $c->mend;
    $c->proxies('delay 100');

    my $t0 = time();

    is(from($c, 2, 'PING'), 'PONG', 'slow');
    cmp_ok(time() - $t0, '>', 0.2, 'as said');
    $c->mend;

    ok((waitfor { $c->redis(1)->waitsync }), 'the second one follows');
    ok($c->failover(0.1), 'failover');
    is($c->master, $c->redis(1), 'to it');
    is($c->redis(0)->pid, undef, 'the first one is gone');
    $c->heal_redis;
    is($c->redis(0)->info('replication')->{role}, 'slave', 'and follows now');

    ok($c->redis(0)->waitsync, 'in step');
    ok($c->split(2), 'two masters');
    is($_->info('replication')->{role}, 'master', 'one of them')
        for $c->redis(0), $c->redis(1);
    is(from($c, 2, 'PING', server => 0), 'PONG', 'a node sees the new one');
    is(from($c, 2, 'PING', server => 1), undef, 'and not the old one');
    is(from($c, 0, 'PING', server => 1), 'PONG', 'the others see that');
    $c->heal_redis;
    is($c->redis(1)->info('replication')->{role}, 'slave', 'which follows');

    $c->keep_copy;
    $c->master->cli('SET', 'new', 1);
    $c->restore_copy;
    is($c->master->cli('GET', 'new'), undef, 'old data');

    $c->provider->stop;

    for my $t ($c->t) {
        $t->{done} = 1;
        $t->cleanup;
    }
}

done_testing();


# what a node would be answered

sub from {
    my ($c, $i, @words) = @_;

    return finish(background($c, $i, 0, @words));
}


# server => N at the end; waits between connecting and asking

sub background {
    my ($c, $i, $wait, @words) = @_;

    my $j = @words > 2 && $words[-2] eq 'server' ? (splice @words, -2)[1]
        : $c->{master};

    my $ns = $c->t > $i && $c->node($i)->{netns};
    my $addr = $c->{x}[$i][$j]->addr;

    open my $f, '-|', $ns ? ('nsenter', "--net=/run/netns/$ns") : (), $^X,
        "-I$top/t/lib", '-MAI::Resp', '-e', 'close STDERR;
            my ($a, $wait, @w) = @ARGV;
            my $c = AI::Resp->new($a, timeout => 0.4);
            select undef, undef, undef, $wait; print $c->cli(@w);',
        $addr, $wait, @words or die "fork: $!\n";

    return $f;
}


sub finish {
    my ($f) = @_;

    my $answer = do { local $/; <$f> };

    close $f;

    return defined $answer && length $answer ? $answer : undef;
}
