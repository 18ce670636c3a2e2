#!/usr/bin/perl

# Redis is down, freezes, dies, loads, is busy, or hangs up: calls end in time
# with the right word, and the connection comes back by itself.

use strict;
use warnings;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";

use AI::Gateway;
use AI::Proxy;
use AI::Redis;
use AI::RedisTest;
use POSIX ();
use Time::HiRes qw(time sleep);

my $t = AI::Gateway->new;
my $r = AI::Redis->new($t, options => { 'busy-reply-threshold' => 100,
    'enable-debug-command' => 'yes' });
my $x = AI::Proxy->new($t, $r->addr);
my $factor = $AI::Gateway::factor;

# down at the start

$r->kill;

$t->run(redis_conf($r, server => '127.0.0.1:' . $x->port,
    args => 'timeout=300ms connect_timeout=500ms'));

like(call($t, 'k', 'echo'), qr/^503 DECLINED /, 'down at the start');
is(stat_of($t)->{state}, 'down', 'state');
is(stat_of($t)->{ready}, 0, 'not ready');
is(stat_of($t)->{evicts}, 1, 'nobody knows whether it evicts');

$r->start;
comes_back($t, 'started');
$t->mark;

# a call that takes too long, and those in flight behind it

stable($t);

my $start = time();
my @c = (start($t, 'k', 'spin'), map { start($t, 'n', 'incr', $_) } 1 .. 20);
my @got = map { words($_) } @c;

undef @c;
is($got[0], '504 ABORT no reply in 300ms', 'an endless script');
is((scalar grep { $_ eq '504 ABORT no reply in 300ms' } @got[1 .. 20]), 20,
    'and what was sent behind it');
cmp_ok(time() - $start, '<', 2 * $factor, 'end at the deadline');

# it is busy now, until somebody helps it

ok((waitfor { call($t, 'k', 'echo') =~ /^503 DECLINED CLIENT SETNAME: BUSY / }),
    'a server that is busy');
$r->cli('SCRIPT', 'KILL');
comes_back($t, 'not busy any more');
cmp_ok($r->cli('GET', 'n') // 0, '<=', 20,
    'it may have executed them later, once');

# busy for others: the connection stays

stable($t);

my $lost = stat_of($t)->{lost};
my $busy = $r->connect;

$busy->send('EVAL', 'while true do end', 0);
sleep 0.2;
like(call($t, 'k', 'echo'), qr/^400 BUSY BUSY /, 'BUSY');
is(stat_of($t)->{lost}, $lost, 'the connection stays');
$r->cli('SCRIPT', 'KILL');
comes_back($t, 'after that');
unlike(join(' ', %{ $r->info('commandstats') }), qr/cmdstat_script\|kill.*calls=[3-9]/,
    'nobody else has helped');

# frozen: late replies are nobody's

stable($t);
$r->stop;

$start = time();
@c = map { start($t, 'n', 'incr', "frozen-$_") } 1 .. 10;
is((scalar grep { words($_) =~ /^504 ABORT/ } @c), 10, 'frozen');
undef @c;
cmp_ok(time() - $start, '<', 2 * $factor, 'at the deadline');
ok((waitfor { call($t, 'k', 'echo') =~ /^503 DECLINED/ }),
    'then it is not asked any more');

my $calls = stat_of($t)->{calls};

$start = time();
call($t, 'k', 'echo') for 1 .. 20;
is(stat_of($t)->{calls}, $calls, 'nothing is sent while it is down');
$r->cont;
comes_back($t, 'thawed');

for my $i (1 .. 50) {
    call($t, 'n', 'incr', "new-$i") =~ /^200 \d+\|new-$i$/ or die 'a late one';
}

pass('no late reply was given to another call');

# killed with calls under way; what was not sent is, later

stable($t);
@c = map { start($t, 'n', 'incr', $_) } 1 .. 100;
$r->kill;

my %n;

$n{ (words($_) =~ /^(\d+)/)[0] }++ for @c;
undef @c;
ok(!grep({ !/^(?:200|503|504)$/ } keys %n), 'killed under load')
    or diag(explain(\%n));
$r->start;
comes_back($t, 'started again');
stable($t);

my $pid = fork() // die "fork: $!\n";

if ($pid == 0) {
    sleep 0.05;
    kill 'KILL', $r->pid;
    POSIX::_exit(0);
}

%n = ();

for (1 .. 200) {
    $n{ (call($t, 'n', 'incr', 'x') =~ /^(\d+)/)[0] }++;
}

waitpid $pid, 0;
ok(!grep({ !/^(?:200|503|504)$/ } keys %n), 'killed under calls')
    or diag(explain(\%n));
waitpid $r->pid, 0;
delete $r->{pid};
$r->start;
comes_back($t, 'and again');

# it loads what it has kept

$r->cli('SET', "kept$_", 'x' x 100) for 1 .. 400;
$r->cli('SAVE');
$r->{options}{options}{'key-load-delay'} = 5000;
$r->{options}{options}{'loading-process-events-interval-bytes'} = 1024;
$r->configure;
$r->kill;

{
    no warnings 'redefine';
    local *AI::Redis::ready = sub { 1 };
    $r->start;
}

ok((waitfor { call($t, 'k', 'echo') =~ /^503 DECLINED loads its data$/ }),
    'loading');
comes_back($t, 'loaded', 30);
is($r->cli('DBSIZE') >= 400, 1, 'all of it');
delete $r->{options}{options}{'key-load-delay'};

# the server hangs up when nothing happens

stable($t);
$lost = stat_of($t)->{lost};
$r->cli('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
ok((waitfor { stat_of($t)->{lost} == $lost + 1 }),
    'an idle connection that the server closes is noticed');
like($t->log, qr/connection lost \(Server closed the connection\)/, 'logged');
comes_back($t, 'after that');

# the network

for my $cut ([ 0, 'down' ], [ 3, 'down' ], [ 60, 'down' ], [ 3000, 'down' ],
    [ 10, 'up' ], [ 400, 'up' ])
{
    $x->command("cut @$cut");
    $x->command('close');
    call($t, 'k', 'echo') for 1 .. 2;
    comes_back($t, "cut after $cut->[0] bytes $cut->[1]");
}

$x->command('reset');
comes_back($t, 'reset');

$x->command('refuse');
$x->command('close');
ok((waitfor { call($t, 'k', 'echo') =~ /Connection refused|closed the conn/ }),
    'refused');
$x->command('accept');
comes_back($t, 'accepted');

$x->command('pause all');
$x->command('close');
ok((waitfor { call($t, 'k', 'echo') =~ /^503 DECLINED timed out$/ }),
    'no answer to a connection');
$x->command('resume');
comes_back($t, 'answered');

# a server that does not read: more than its socket takes

$t->reload(redis_conf($r, server => '127.0.0.1:' . $x->port,
    args => 'timeout=5s connect_timeout=2s'), old => 1);
comes_back($t, 'longer deadlines');
$x->command('pause up');
@c = map { start($t, 'none', 'get', 'z' x 500_000) } 1 .. 10;
sleep 0.3;
$x->command('resume');
is((scalar grep { words($_) eq '200 -' } @c), 10,
    'a server that reads slowly');
undef @c;

$x->command('split 1');
$x->command('reset');
comes_back($t, 'byte by byte', 30);
is(call($t, 'k', 'echo', 'a' x 300), '200 echo|' . 'a' x 300,
    'a reply byte by byte');
$x->command('split 0');

# clients that go away

for (1 .. 20) {
    start($t, 'n', 'incr', 'gone') for 1 .. 3;
}

ok((waitfor { stat_of($t)->{waiting} == 0 }), 'nothing is left');
comes_back($t, 'after aborts');

# connections that are refused for long: one at a time

$r->kill;

my $accepted = $x->stat->{accepted};

for (1 .. 100) {
    call($t, 'k', 'echo');
    sleep 0.01;
}

cmp_ok($x->stat->{accepted} - $accepted, '<', 40, 'attempts back off');
$r->start;
comes_back($t, 'the last time');

cmp_ok(scalar(() = $t->log =~ /\[error\].*ai redis/g), '<', 60,
    'one line for a change, none for a call');

$t->done;
