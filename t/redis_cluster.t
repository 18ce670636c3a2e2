#!/usr/bin/perl

# A Redis Cluster of three masters: each call reaches the server of its slot,
# while slots move, servers die and are replaced.

use strict;
use warnings;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";

use AI::Gateway;
use AI::Redis;
use AI::RedisCluster;
use AI::RedisTest;
use POSIX ();
use Time::HiRes qw(time sleep);

my $t = AI::Gateway->new;
my $c = AI::Redis->cluster($t, options => {
    'cluster-require-full-coverage' => 'no' });
my @nodes = $c->nodes;

sub conf {
    my (%o) = @_;

    return redis_conf($nodes[0], server => join(' ', map { $_->addr } @nodes),
        %o, args => 'cluster ' . ($o{args} || ''));
}

sub redirects { return stat_of($t)->{redirects} }

# a key of each server

my %key;

for (my $i = 0; keys %key < 3; $i++) {
    my $owner = $c->owner($c->slot("key$i"));

    $key{ $owner->port } ||= "key$i";
}

my @keys = map { $key{ $_->port } } @nodes;

$t->run(conf());

# slots

for my $key ('a', 'foo', '123456789', 'ai:{17}', 'ai:{17}:x', '{', '}', '{}x',
    '{}{a}', 'a{b', 'a}b{c}', '{a}{b}', 'x{{a}}')
{
    my $slot = $c->slot($key);

    is(stat_of($t, $key)->{slot}, $slot, "slot of \"$key\"");
}

# the first calls do not know who has what

is(stat_of($t)->{servers}, 0, 'no server is known');
is(stat_of($t, $keys[0])->{ready}, 0, 'not ready');

is(call($t, $_, 'incr', 'first'), '200 1|first', "key $_") for @keys;
ok((waitfor { stat_of($t)->{servers} == 3 }), 'then the map is read');

my $before = redirects();

is(call($t, $_, 'incr', 'second'), '200 2|second', "key $_") for @keys;
is(redirects(), $before, 'nothing is moved any more');
is($nodes[$_]->cli('GET', $keys[$_]), 2, "server $_ has it") for 0 .. 2;
is(stat_of($t, $keys[0])->{ready}, 1, 'ready');

like(call($t, [ @keys[0, 1] ], 'keys'), qr/^400 (?:CROSS|ERR) /,
    'keys of two servers');

# connected to all without calls

$t->reload(conf(args => 'keep'), old => 1);
ok((waitfor {
    !grep { !stat_of($t, $_)->{ready} } @keys;
}), 'all servers are kept');
is(stat_of($t)->{state}, 'ready', 'state');
$t->mark;
is(call($t, $_, 'incr', 'x'), '200 3|x', 'a call') for @keys;
is(redirects(), 0, 'none was moved');
is(check($t, $_), '200 ok', 'check') for @keys;
is(stat_of($t, $keys[1])->{evicts}, 0, 'evicts');
$nodes[1]->set('maxmemory-policy', 'allkeys-lru');
check($t, $_) for @keys;
is(join(' ', map { stat_of($t, $_)->{evicts} } @keys), '0 1 0',
    'of the server that was asked');
$nodes[1]->set('maxmemory-policy', 'noeviction');

ok((waitfor {
    my $n = () = $nodes[0]->cli('CLIENT', 'LIST') =~ /name=nginx-ai-gateway/g;
    $n == 1;
}), 'the connection to the seed is closed') or diag $nodes[0]->cli('CLIENT', 'LIST');

# one seed is enough

$t->reload(conf(args => 'keep', server => $nodes[2]->addr), old => 1);
ok((waitfor { !grep { !stat_of($t, $_)->{ready} } @keys }), 'from one seed');

# a slot that has moved

my $slot = $c->slot($keys[0]);

$c->move($slot, $nodes[1]);
is(call($t, $keys[0], 'incr', 'x'), '200 4|x', 'MOVED');
is(redirects(), 1, 'was followed');
is(call($t, $keys[0], 'incr', 'x'), '200 5|x', 'and is known');
is(redirects(), 1, 'from then on');
is($nodes[1]->cli('GET', $keys[0]), 5, 'it is there');

# a slot that is moving: keys that are there already are asked for

my $tag = $keys[2];
my $from = $nodes[2];
my $to = $nodes[0];

$slot = $c->slot($tag);
is(call($t, "{$tag}$_", 'incr', 'x'), '200 1|x', "key $_") for 1 .. 4;

$to->cli('CLUSTER', 'SETSLOT', $slot, 'IMPORTING', $c->id($from));
$from->cli('CLUSTER', 'SETSLOT', $slot, 'MIGRATING', $c->id($to));
$from->cli('MIGRATE', $to->{host}, $to->port, '', 0, 5000, 'KEYS', "{$tag}1");

is(call($t, "{$tag}1", 'incr', 'x'), '200 2|x', 'ASK');
is(redirects(), 2, 'was followed');
is(call($t, "{$tag}1", 'incr', 'x'), '200 3|x', 'ASK again');
is(redirects(), 3, 'it is for one call');
is(call($t, "{$tag}2", 'incr', 'x'), '200 2|x', 'a key that is still here');
is(call($t, "{$tag}new", 'incr', 'x'), '200 1|x', 'a new key');
is(redirects(), 4, 'begins there');
like(call($t, [ "{$tag}1", "{$tag}2" ], 'keys'), qr/^400 TRYAG TRYAGAIN /,
    'one here, one there');
$to->script_flush;
is(call($t, "{$tag}1", 'incr', 'x'), '200 4|x', 'ASK, and NOSCRIPT there');

$from->cli('MIGRATE', $to->{host}, $to->port, '', 0, 5000, 'KEYS', "{$tag}$_")
    for 2 .. 4;
$from->cli('MIGRATE', $to->{host}, $to->port, '', 0, 5000, 'KEYS', $tag);
$_->cli('CLUSTER', 'SETSLOT', $slot, 'NODE', $c->id($to)) for $to, $from,
    $nodes[1];
is(call($t, "{$tag}2", 'incr', 'x'), '200 3|x', 'all of it has moved');

# slots move all the time under calls: each call is executed once

my $pid = fork() // die "fork: $!\n";

if ($pid == 0) {
    my $n = 0;
    my $end = time() + 4;

    delete $_->{conn} for @nodes;

    while (time() < $end) {
        $c->move($slot, $nodes[++$n % 3], pause => 0.01);
    }

    POSIX::_exit(0);
}

my ($ok, %bad) = (0);

$before = redirects();

while (waitpid($pid, POSIX::WNOHANG()) == 0) {
    my @all = map { start($t, "{$tag}" . ($_ % 4 + 1), 'incr', "m$_") } 1 .. 8;

    for (@all) {
        my $got = words($_);

        $got =~ /^200 \d+\|m\d$/ ? $ok++ : $bad{$got}++;
    }
}

delete $_->{conn} for @nodes;

# it has moved on once more before the call came there: refused, not executed

my $refused = 0;

$refused += delete $bad{$_} for grep { /^400 (?:ASK|MOVED) / } keys %bad;

is_deeply(\%bad, {}, 'all calls while slots move');
cmp_ok($refused, '<=', $ok / 500, 'hardly any is sent round')
    or diag("$refused of $ok");
cmp_ok($ok, '>', 100, 'many');
cmp_ok(redirects() - $before, '>', 20, 'redirected often');

my $owner = $c->owner($slot);
my $sum = 0;

$sum += $owner->cli('GET', "{$tag}$_") for 1 .. 4;
is($sum, $ok + 4 + 3 + 1 + 1, 'each was executed once');

# a slot that nobody has; the map has settled before

sleep 2.5;
$slot = $c->slot('orphan');
$_->cli('CLUSTER', 'DELSLOTS', $slot) for @nodes;
like(call($t, 'orphan', 'incr', 'x'), qr/^400 CLUST CLUSTERDOWN /,
    'CLUSTERDOWN');
ok((waitfor {
    call($t, 'orphan', 'incr', 'x');
    stat_of($t, 'orphan')->{ready} == 0;
}), 'it is not on the map any more');
$nodes[0]->cli('CLUSTER', 'ADDSLOTS', $slot);
ok((waitfor { call($t, 'orphan', 'incr', 'x') =~ /^200 / }),
    'somebody has it again');

# a server dies: the others' slots are served

my $victim = $c->owner($c->slot($keys[1]));
my ($alive) = grep { $c->owner($c->slot($_)) != $victim }
    map { "other$_" } 1 .. 50;

$victim->stop;
like(call($t, $keys[1], 'incr', 'x'), qr/^504 ABORT /, 'a frozen server');
like(call($t, $alive, 'incr', 'x'), qr/^200 /, 'the others serve');
ok((waitfor { stat_of($t)->{state} ne 'ready' }), 'the worst state is shown');
$victim->cont;
ok((waitfor { call($t, $keys[1], 'incr', 'x') =~ /^200 / } 20), 'thawed');

# a replica takes over

my $replica = AI::Redis->new($t, port => 'replica', cluster => 1,
    options => { 'cluster-require-full-coverage' => 'no' });

$replica->cli('CLUSTER', 'MEET', $victim->{host}, $victim->port,
    $victim->{bus});
ok((waitfor {
    eval { $replica->cli('CLUSTER', 'REPLICATE', $c->id($victim)) };
} 30), 'a replica');
$replica->waitsync;

$t->store($replica->port, 2);

# all masters have to know it first

my $asked = 0;

ok((waitfor {
    if (time() - $asked > 6) {
        $asked = time();
        $replica->cli('CLUSTER', 'FAILOVER');
    }

    $replica->info('replication')->{role} eq 'master';
} 30), 'takes over');
like(call($t, $keys[1], 'incr', 'x'), qr/^200 |^400 (?:READO|CLUST) /,
    'right then');
ok((waitfor { call($t, $keys[1], 'incr', 'x') =~ /^200 / } 20), 'then');
like($t->log, qr/connected to \Q${\ $replica->addr}\E/, 'from the replica');
ok((waitfor { stat_of($t)->{servers} == 3 } 10), 'three servers');

# a map that was read of a server which did not know yet: the next call tells

ok((waitfor {
    call($t, $keys[1], 'incr', 'x');
    $victim->cli('CLIENT', 'LIST') !~ /name=nginx-ai-gateway/;
} 20), 'the one before is left');

# and it dies for good, the next takes over by itself

$victim->waitsync;
sleep 1;
$replica->kill;
ok((waitfor { call($t, $keys[1], 'incr', 'x') =~ /^200 / } 40),
    'the first one is master again');
ok((waitfor { stat_of($t, $keys[1])->{ready} } 10), 'and connected');

# all are gone, and come back

$_->kill for @nodes;
like(call($t, $_, 'incr', 'x'), qr/^50[34] /, 'all are gone') for @keys;
$_->start for @nodes;
ok((waitfor {
    !grep { call($t, $_, 'incr', 'x') !~ /^200 / } @keys
} 40), 'and back');

# a server of a cluster without the word, and the reverse

$t->reload(redis_conf($nodes[0]), old => 1);
is(call($t, $keys[0], 'incr', 'x'),
    '503 DECLINED is a member of a cluster, but "cluster" is not set',
    'without "cluster"');

my $alone = AI::Redis->new($t, port => 'alone');

$t->reload(redis_conf($alone, args => 'cluster'), old => 1);
is(call($t, 'k', 'incr', 'x'),
    '503 DECLINED is no member of a cluster, but "cluster" is set',
    'with "cluster"');

$t->done;
