#!/usr/bin/perl

# Workers that quit: idle connections never hold one, a statement in flight
# does until its reply or deadline; reloads leave nothing behind.

use strict;
use warnings;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";

use AI::Gateway;
use AI::PgTest;
use AI::Postgres;
use Time::HiRes qw(time);

my $t = AI::Gateway->new(workers => 2);

# else the server goes on with statements whose client has gone
my $pg = AI::Postgres->new($t, schema => 0,
    settings => { client_connection_check_interval => 200 });

my $conf = pg_conf($pg, args => 'listen=changes timeout=5s');

$t->run($conf);

# a listener is connected without being asked

ok((waitfor { backends() == 2 }), 'each worker listens');
$t->mark;

my $sockets = sockets();

# quit with idle connections

ok($t->reload(undef, old => 1), 'reload with idle connections');
ok((waitfor { backends() == 2 }), 'and one connection each again');

# quit with a statement in flight

my $c = AI::PgTest::start($t, "SELECT pg_sleep(2), 'slow'");

running();
my $start = time();
$t->reload;
is($c->finish->body, "|slow\n", 'a statement in flight is waited for');
undef $c;
ok((waitfor { children() == 2 } 5), 'the worker leaves after it');

# ... with those behind it

my @c = map { AI::PgTest::start($t, "SELECT pg_sleep(0.2), '$_'") } 1 .. 6;

running();
$t->reload;
is(join('', map { $_->finish->body } @c), join('', map { "|$_\n" } 1 .. 6),
    'also those that were still waiting');
undef @c;
ok((waitfor { children() == 2 } 5), 'the workers leave after them');

# ... that never ends

$c = AI::PgTest::start($t, 'SELECT pg_sleep(60)', timeout => 1500);
running();
$t->reload;
like($c->finish->body, qr/^ABORT/, 'the deadline is the limit');
undef $c;
ok((waitfor { children() == 2 } 5), 'and no longer');

# ... whose client has gone

$c = AI::PgTest::start($t, 'SELECT pg_sleep(60)', timeout => 1500);
running();
undef $c;
ok($t->reload(undef, old => 1), 'nobody waits for it');

# many reloads under traffic

my %bad;
my $n = 0;

for (1 .. 20) {
    my @r = map { AI::PgTest::start($t, 'SELECT pg_sleep(0.02)') } 1 .. 8;

    $t->reload;

    for my $r (@r) {
        my $s = $r->finish->status;

        $n++;
        $bad{$s}++ if $s != 200;
    }
}

is(join(' ', %bad), '', "no failure of $n in 20 reloads");
ok((waitfor { children() == 2 }), 'two workers');
ok((waitfor { backends() == 2 }), 'two connections');
$t->mark;
is(sockets(), $sockets, 'no more sockets than at the start');

# the server is away while workers come and go

$pg->stop;
ok($t->reload(undef, old => 1), 'reload while it is down');
$pg->start;
ok((waitfor { backends() == 2 } 15), 'listeners come back by themselves');

# worker_shutdown_timeout

$conf = pg_conf($pg, args => 'listen=changes timeout=30s',
    main => 'worker_shutdown_timeout 1s;');
$t->reload($conf, old => 1);
$t->reload(undef, old => 1);

$c = AI::PgTest::start($t, 'SELECT pg_sleep(60)');
running();
$start = time();
ok($t->reload(undef, old => 1), 'worker_shutdown_timeout');
cmp_ok(time() - $start, '<', 6 * $AI::Gateway::factor, 'ends the worker');
undef $c;

# a worker is killed, and stopped at once

$t->kill_worker;
$t->kill_worker('TERM');
ok((waitfor { backends() == 2 }), 'killed workers leave no connection');

$c = AI::PgTest::start($t, 'SELECT pg_sleep(60)');
running();
ok($t->stop('TERM'), 'TERM with a statement in flight');
undef $c;
$t->run;
is(sql($t, 'SELECT 1'), "200 1\n", 'starts again');

# no more descriptors

$t->done;


sub children {
    my @c = $t->children;

    return scalar @c;
}


sub sockets { return join ' ', map { $_->{socket} } values %{ $t->{base} } }


sub backends {
    return $pg->value("SELECT count(*) FROM pg_stat_activity
        WHERE application_name = 'nginx ai gateway'");
}


sub running {
    waitfor { $pg->value("SELECT count(*) FROM pg_stat_activity
        WHERE state = 'active' AND query LIKE 'SELECT pg_sleep%'") }
        or die 'the statement does not run';
}
