#!/usr/bin/perl

# Calls of a script over a connection to Redis: what comes back, errors, who may
# log in, which server is taken, and how a worker leaves.

use strict;
use warnings;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";

use AI::Gateway;
use AI::Redis;
use AI::RedisTest;
use Time::HiRes qw(time sleep);

my $t = AI::Gateway->new;
my $r = AI::Redis->new($t, socket => 1);

sub conf { return redis_conf($r, @_) }

# a restart of nginx with another configuration

sub with {
    my (%o) = @_;

    my $mark = length $t->log;

    $t->reload(conf(%o));

    return $mark;
}

sub since { return substr $t->log, $_[0] }

$t->run(conf());

# what comes back

my $token = join ':', @{ $r->info }{qw(run_id master_replid)};

is(stat_of($t)->{connects}, 0, 'connected when it is needed');
is(call($t, 'k', 'echo', 'a', 'TOKEN', "b\tc", '', 'd'),
    "200 echo|a|$token|b\tc||d", 'arguments and the token');
is(call($t, [ 'k1', 'k2', 'k3' ], 'keys'), '200 k1|k2|k3', 'keys');
is(call($t, 'k', 'big', 60000), '200 ' . 'x' x 60000, 'a large reply');
is(call($t, 'k', 'list', 1024), '200 ' . join('|', ('e') x 1024),
    'a long reply');
is(call($t, 'k', 'list', 0), '200 ', 'an empty reply');
is(call($t, 'k', 'get', 'z' x 200_000), '200 -', 'a large call');

is(stat_of($t)->{state}, 'ready', 'state');
is(stat_of($t)->{connects}, 1, 'one connection');
is(stat_of($t)->{ready}, 1, 'ready');
is(stat_of($t)->{servers}, 1, 'servers');
is(stat_of($t)->{evicts}, 0, 'nothing is evicted');
like($r->cli('CLIENT', 'LIST'), qr/name=nginx-ai-gateway /, 'has a name');

# pipelined, each gets its own

my @c = map { start($t, 'n', 'incr', "own-$_") } 1 .. 200;
my @got = map { (words($_) =~ /^200 \d+\|(.*)$/)[0] // 'none' } @c;

undef @c;
is_deeply(\@got, [ map { "own-$_" } 1 .. 200 ], 'replies are not mixed up');
is($r->cli('GET', 'n'), 200, 'each was executed once');

# errors

like(call($t, 'k', 'fail', 'OOM command not allowed'),
    qr/^400 OOM OOM command not allowed$/, 'an error');
like(call($t, 'k', 'fail', 'LONGWORD of'), qr/^400 LONGW LONGWORD of$/,
    'a long word');
like(call($t, 'k', 'fail', "ODD \x01\x7f\xc3\xa4 text"),
    qr/^400 ODD ODD      text$/, 'bytes that are not for a log');
unlike(call($t, 'k', 'fail', q{ERR unknown command 'X', with args beginning }
    . q{with: 'secret'}), qr/secret/, 'arguments are left out');
is(length call($t, 'k', 'fail', 'LONG ' . 'x' x 5000), 4 + 5 + 127,
    'a long error');
$r->cli('SET', 'string', 'x');
like(call($t, 'string', 'push'), qr/^400 WRONG /, 'WRONGTYPE');
is(stat_of($t)->{errors}, 6, 'errors are counted');
is(stat_of($t)->{lost}, 0, 'the connection stays');

# the script is forgotten: once more with its text, executed once

my $calls = stat_of($t)->{calls};

$r->cli('DEL', 'n');
$r->script_flush;
is(call($t, 'n', 'incr', 'x'), '200 1|x', 'NOSCRIPT');
is(stat_of($t)->{calls}, $calls + 2, 'two round trips');
is(call($t, 'n', 'incr', 'x'), '200 2|x', 'and then it is known');
is(stat_of($t)->{calls}, $calls + 3, 'one');

for my $i (1 .. 200) {
    $r->script_flush;
    push @c, start($t, 'n', 'incr', $i);
}

is((scalar grep { words($_) =~ /^200 / } @c), 200, 'flushed all the time');
undef @c;
is($r->cli('GET', 'n'), 202, 'none was executed twice');

# an error that says NOSCRIPT to EVAL, too, ends

is(call($t, 'k', 'fail', 'NOSCRIPT never'), '400 NOSCR NOSCRIPT never',
    'EVAL is tried once');

# settings

$r->set('maxmemory-policy', 'allkeys-lru');
is(stat_of($t)->{evicts}, 0, 'a change that was not asked for');
is(check($t), '200 ok', 'check');
is(stat_of($t)->{evicts}, 1, 'is seen when it is');
$r->set('maxmemory-policy', 'noeviction');
is(check($t), '200 ok', 'check');
is(stat_of($t)->{evicts}, 0, 'and changed back');

# out of memory

$r->set('maxmemory', 1000);
like(call($t, 'n', 'incr', 'x'), qr/^400 OOM /, 'OOM');
$r->set('maxmemory', 0);
like(call($t, 'n', 'incr', 'x'), qr/^200 /, 'and not');

# the role changes under a connection

my $other = AI::Redis->new($t, port => 'other');

$r->replicaof($other);
ok($r->waitsync, 'it is a replica now');
like(call($t, 'n', 'incr', 'x'), qr/^400 READO /, 'READONLY');
ok((waitfor { call($t, 'k', 'echo') =~ /^503 DECLINED / }), 'refused');
like($t->log, qr/connection lost \(READONLY: is a replica\)/, 'its reason');
ok((waitfor {
    call($t, 'k', 'echo');
    $t->log =~ /cannot connect \(is a replica\)/
}), 'and then');
$r->promote;
comes_back($t, 'a master again');
is(call($t, 'k', 'echo', 'TOKEN') =~ s/^200 echo\|//r,
    join(':', @{ $r->info }{qw(run_id master_replid)}), 'another token');
isnt($r->info->{master_replid}, (split /:/, $token)[1], 'it is another one');

# what a check finds

$r->replicaof($other);
$r->waitsync;
like(check($t), qr/^504 ABORT is a replica$/, 'check of a replica');
$r->promote;
comes_back($t, 'promoted');
$r->replicaof($other);
$r->waitsync;
$r->promote;
like(check($t), qr/^504 ABORT its replication id has changed$/,
    'check of one that was a replica');
comes_back($t, 'with its token');

# a unix socket

my $mark = with(server => $r->unix);

is(call($t, 'k', 'echo', 'unix'), '200 echo|unix', 'unix socket');
like(since($mark), qr/connected to unix:/, 'as the log says');

# a replica is not taken, whatever the order

my $replica = AI::Redis->new($t, port => 'replica', replica_of => $r);

$replica->waitsync or die 'no replica';

$mark = with(server => join ' ', $replica->addr, $r->addr);
comes_back($t, 'behind a replica');
like(since($mark), qr/cannot connect \(is a replica\), \S+, trying the next/,
    'the replica was asked');
like(since($mark), qr/connected to \Q${\ $r->addr}\E$/m, 'the master is taken');

with(server => $replica->addr);
like(call($t, 'k', 'echo'), qr/^503 DECLINED is a replica$/, 'only a replica');

# the first of several masters, by each worker

$t->{workers} = 2;
$mark = with(server => join(' ', $r->addr, $other->addr), args => 'keep');
ok((waitfor { (() = since($mark) =~ /connected to \Q${\ $r->addr}\E$/mg) == 2 }),
    'the first master is taken by both workers');
unlike(since($mark), qr/connected to \Q${\ $other->addr}\E$/m,
    'nobody takes the second one');
$t->{workers} = 1;

# connected without calls

$mark = with(args => 'keep');
ok((waitfor { stat_of($t)->{ready} }), 'kept');

# who may log in

my $acl = AI::Redis->new($t, port => 'acl', users => {
    gw => '>p4ss-canary ~* +@all',
    narrow => '>p4ss-canary ~* -@all +evalsha +eval +info +auth +incr',
    blind => '>p4ss-canary ~* +@all -info',
    mute => '>p4ss-canary ~* +@all -eval -evalsha',
    few => '>p4ss-canary ~other:* +@all',
});

sub login {
    my ($user, $password, @args) = @_;

    my $m = with(server => $acl->addr, args =>
        ($user ? "user=$user " : '')
        . (defined $password ? "password=$password" : ''));

    return (call($t, 'n', @args ? @args : ('incr', 'x')), since($m));
}

my ($said, $log) = login('gw', 'p4ss-canary');

like($said, qr/^200 \d+\|x$/, 'user and password');

($said) = login('gw', 'p4ss-wrong');
is($said, '503 DECLINED AUTH: WRONGPASS: the server knows no such user and '
    . 'password', 'wrong password');

($said) = login('nobody', 'p4ss-canary');
like($said, qr/^503 DECLINED AUTH: WRONGPASS/, 'no such user');

($said) = login(undef, undef);
like($said, qr/NOAUTH: the server asks for a password$/, 'no password');

$acl->cli('DEL', 'n');
($said) = login('narrow', 'p4ss-canary');
is($said, '200 1|x', 'a user without CLIENT and SCRIPT');
$acl->script_flush;
is(call($t, 'n', 'incr', 'x'), '200 2|x', 'who sends the text when needed');

($said) = login('blind', 'p4ss-canary');
like($said, qr/^503 DECLINED INFO: NOPERM/, 'a user without INFO');

($said) = login('mute', 'p4ss-canary');
like($said, qr/^400 NOPER NOPERM/, 'a user without EVALSHA');
is(stat_of($t)->{lost}, 0, 'the connection stays');

($said) = login('few', 'p4ss-canary');
like($said, qr/^400 NOPER NOPERM/, 'a key of others');

# an account that ends, and one whose password changes

($said) = login('gw', 'p4ss-canary');
$acl->cli('ACL', 'SETUSER', 'gw', 'off');
$acl->cli('CLIENT', 'KILL', 'USER', 'gw');
ok((waitfor { call($t, 'n', 'incr') =~ /WRONGPASS/ }), 'switched off');
$acl->cli('ACL', 'SETUSER', 'gw', 'on');
comes_back($t, 'switched on');

$r->cli('CONFIG', 'SET', 'requirepass', '');
with(args => 'password=p4ss-canary');
is(call($t, 'k', 'echo'), '503 DECLINED AUTH: the server has no password',
    'a password for nobody');

unlike($t->log, qr/p4ss/, 'no password in the log');

# too many clients

$r->set('maxclients', 1);
with();
like(call($t, 'k', 'echo'), qr/max number of clients/, 'too many clients');
$r->set('maxclients', 1000);
comes_back($t, 'not any more');

# a name that the operator took away

my $renamed = AI::Redis->new($t, port => 'renamed', options => {
    'rename-command CLIENT' => '""', 'rename-command SCRIPT' => '""',
    'rename-command AUTH' => '""' });

with(server => $renamed->addr);
is(call($t, 'n', 'incr', 'x'), '200 1|x', 'without CLIENT and SCRIPT');
with(server => $renamed->addr, args => 'password=p4ss-canary');
is(call($t, 'k', 'echo'), '503 DECLINED AUTH: refused', 'without AUTH');
unlike($t->log, qr/p4ss/, 'no password in the log');

# how workers leave: idle, with a call under way, and when time is up

with();
comes_back($t, 'before it leaves');

my ($pid) = $t->workers;

$t->reload(conf());
ok((waitfor { !kill 0, $pid }), 'an idle worker leaves');

for my $i (1 .. 20) {
    @c = map { start($t, 'n', 'incr', $_) } 1 .. 5;
    $t->reload(conf(), old => 1);
    push @got, grep { !/^200 / } map { words($_) } @c;
    undef @c;
}

is_deeply([ grep { !/^own-/ } @got ], [], 'reloaded 20 times under calls');
ok((waitfor { () = $t->workers; scalar(my @w = $t->workers) == 1 }),
    'old workers have left');

comes_back($t, 'before it is frozen');
$r->stop;
@c = map { start($t, 'n', 'incr', 'x') } 1 .. 5;
sleep 0.2;
($pid) = $t->workers;
$t->reload(conf(), old => 1);
is(join(' ', map { (words($_) =~ /^(\d+)/)[0] } @c), '504 504 504 504 504',
    'a worker waits for its calls');
undef @c;
ok((waitfor { !kill 0, $pid }), 'and leaves after them');
$r->cont;

$mark = with(args => 'timeout=30s', main => 'worker_shutdown_timeout 500ms;');
comes_back($t, 'before time is up');
$r->stop;

my $c = start($t, 'n', 'incr', 'x');

sleep 0.2;
($pid) = $t->workers;
$t->reload(conf(), old => 1);
ok((waitfor { !kill 0, $pid }), 'worker_shutdown_timeout');
undef $c;
$r->cont;

# clients that go away: calls in flight keep their order

comes_back($t, 'before aborts');
$r->cli('DEL', 'n');
$r->stop;
start($t, 'n', 'incr', 'gone') for 1 .. 10;
$c = start($t, 'n', 'incr', 'here');
sleep 0.1;
$r->cont;
is(words($c), '200 11|here', 'replies for those who have gone are skipped');
undef $c;

$t->done;
