#!/usr/bin/perl

# PostgreSQL stops, freezes, dies or hangs up: operations end in time with the
# right word, and the connection comes back by itself.

use strict;
use warnings;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";

use AI::Gateway;
use AI::PgTest;
use AI::Postgres;
use AI::Proxy;
use Time::HiRes qw(time);

my $t = AI::Gateway->new;
my $pg = AI::Postgres->new($t, schema => 0);
my $x = AI::Proxy->new($t, "127.0.0.1:$pg->{port}");

# down at the start

$pg->stop;

$t->run(pg_conf($pg, server => '127.0.0.1:' . $x->port,
    args => 'timeout=2s connect_timeout=500ms'));

like(sql($t, 'SELECT 1'), qr/^503 DECLINED /, 'down at the start');
is(stat_of($t)->{state}, 'down', 'state');

$pg->start;
comes_back('started');
$t->mark;

# a statement that takes too long

my $start = time();

like(sql($t, 'SELECT pg_sleep(30)', timeout => 300),
    qr/^504 ABORT no reply in 300ms$/, 'slow statement');
cmp_ok(time() - $start, '<', 2 * $AI::Gateway::factor, 'ends at its deadline');
is(stat_of($t)->{timeouts}, 1, 'counted');
comes_back('after a deadline');

# those behind it: sent when the connection is there again

stable();

my @c = (AI::PgTest::start($t, 'SELECT pg_sleep(30)', timeout => 500),
    map { AI::PgTest::start($t, "SELECT $_") } 1 .. 3);

is(join(' ', map { $_->finish->status } @c), '504 200 200 200',
    'what was not sent survives a lost connection');
undef @c;

# its own deadline, before its turn

@c = (AI::PgTest::start($t, 'SELECT pg_sleep(1)'),
    AI::PgTest::start($t, 'SELECT 1', timeout => 200));

is($c[1]->finish->body, 'DECLINED timed out before it was sent',
    'a turn that does not come');
is($c[0]->finish->status, 200, 'the one before it is not disturbed');
undef @c;

# the backend is killed under a statement, and when nothing happens

my $c = AI::PgTest::start($t, 'SELECT pg_sleep(30)');

running();
$pg->psql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE query LIKE 'SELECT pg_sleep%'");
like($c->finish->body, qr/^ABORT 57P01: terminating connection/,
    'terminated under a statement');
undef $c;
comes_back('after that');

$c = AI::PgTest::start($t, 'SELECT pg_sleep(30)');
running();
kill 'KILL', $pg->value("SELECT pid FROM pg_stat_activity
    WHERE query LIKE 'SELECT pg_sleep%'");
like($c->finish->body, qr/^ABORT /, 'kill -9 of the backend');
undef $c;
comes_back('after a crash of the server', 30);

my $lost = stat_of($t)->{lost};

$pg->psql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE application_name = 'nginx ai gateway'");
ok((waitfor { stat_of($t)->{lost} == $lost + 1 }),
    'an idle connection that the server closes is noticed');
$t->waitlog(qr/connection lost \(57P01: terminating connection due to admin/);
like($t->log, qr/connection lost \(57P01: terminating/, 'with its reason');
comes_back('after that');

# frozen

$pg->signal('STOP');
like(sql($t, 'SELECT 1', timeout => 400), qr/^504 ABORT/, 'frozen');
like(sql($t, 'SELECT 1', timeout => 300), qr/^503 DECLINED/,
    'then it is not asked any more');
$pg->signal('CONT');
comes_back('thawed');

# restart with work

stable();
@c = map { AI::PgTest::start($t, 'SELECT pg_sleep(0.1)') } 1 .. 20;
$pg->restart('immediate');

my %n;

$n{ $_->finish->status }++ for @c;
undef @c;

ok(!grep({ !/^(?:200|503|504)$/ } keys %n), 'restart under load')
    or diag(explain(\%n));
comes_back('restarted');

# the network

for my $cut ([ 60, 'down' ], [ 10, 'down' ], [ 30, 'up' ]) {
    $x->command("cut @$cut");
    $x->command('close');
    sql($t, 'SELECT 1') for 1 .. 2;
    comes_back("cut after $cut->[0] bytes $cut->[1]");
}

$x->command('reset');
comes_back('reset');

$x->command('split 1');
$x->command('reset');
comes_back('a server that sends byte by byte');
is(length query($t, "SELECT repeat('q', 3000) FROM generate_series(1, 4)",
    timeout => 20000)->body, 12004, 'rows byte by byte');
$x->command('split 0');

$x->command('pause up');
like(sql($t, 'SELECT length($1::bytea)', body => 'p' x 2_000_000,
    timeout => 500), qr/^504 ABORT/, 'a server that does not read');
$x->command('resume');
comes_back('reads again');

# both ways full at once: a large statement while notices come

is(sql($t, 'SELECT length($1::bytea), length(repeat($2, 2000000))',
    body => 'p' x 2_000_000, p => 'x'), "200 2000000|2000000\n",
    'large both ways');

# connections that are refused, and those that nobody answers

$x->command('refuse');
$x->command('close');
ok(waitfor { sql($t, 'SELECT 1') =~ /Connection refused/ }, 'refused');

my $queries = stat_of($t)->{queries};

sql($t, 'SELECT 1') for 1 .. 100;
is(stat_of($t)->{queries}, $queries, 'nothing is sent while down');
$x->command('accept');
comes_back('accepted');

$x->command('pause all');
$x->command('close');
ok(waitfor { sql($t, 'SELECT 1') =~ /^503 DECLINED timed out$/ },
    'no answer to a connection');
$x->command('resume');
comes_back('answered');

# clients that go away

for (1 .. 20) {
    AI::PgTest::start($t, 'SELECT pg_sleep(0.3)') for 1 .. 2;
}

ok((waitfor { stat_of($t)->{waiting} == 0 }),
    'what no client waits for is not sent');
comes_back('after aborts');

cmp_ok(scalar(() = $t->log =~ /\[error\].*postgres/g), '<', 40,
    'one line for a change, none for a statement');

$t->done;


# a statement works again; nothing else has to be done for that

sub comes_back {
    my ($what, $seconds) = @_;

    ok((waitfor { sql($t, 'SELECT 42') eq "200 42\n" } $seconds || 15),
        "comes back: $what");
}


# a connection that has been good for five seconds

sub stable {
    comes_back('before');

    my $n = stat_of($t)->{connects};
    my $since = time();

    waitfor {
        sql($t, 'SELECT 1');

        my $now = stat_of($t)->{connects};

        $since = time() if $now != $n;
        $n = $now;

        return time() - $since > 5.5;
    } 30;
}


sub running {
    waitfor { $pg->value("SELECT count(*) FROM pg_stat_activity
        WHERE state = 'active' AND query LIKE 'SELECT pg_sleep%'") }
        or die 'the statement does not run';
}
