#!/usr/bin/perl

# Notifications: delivered while idle and while a statement runs; a new
# connection, or more of them than fit, says that some may have been missed.

use strict;
use warnings;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";

use AI::Gateway;
use AI::PgTest;
use AI::Postgres;

my $t = AI::Gateway->new;
my $pg = AI::Postgres->new($t, schema => 0);

$t->run(pg_conf($pg, args => 'listen=changes'));

ok((waitfor { stat_of($t)->{missed} == 1 }), 'a connection says so');
$t->mark;

$pg->psql("NOTIFY changes, 'one'");
ok((waitfor { stat_of($t)->{notes} == 1 }), 'while idle');
is(stat_of($t)->{note}, 'one', 'payload');
$pg->psql("NOTIFY others, 'two'");

my $c = AI::PgTest::start($t, 'SELECT pg_sleep(1)');

$pg->psql("NOTIFY changes, 'three'") for 1 .. 2;
is($c->finish->status, 200, 'a statement meanwhile');
undef $c;
ok((waitfor { stat_of($t)->{notes} == 3 }), 'those of its time come, too');

is(sql($t, "SELECT pg_notify('changes', 'self')"), "200 \n", 'own');
ok((waitfor { stat_of($t)->{note} eq 'self' }), 'comes back');

# a flood at once

$pg->psql(join '', 'BEGIN;', map({ "NOTIFY changes, '$_';" } 1 .. 500),
    'COMMIT');
ok((waitfor { my $s = stat_of($t); $s->{missed} > 1 || $s->{notes} == 504 }),
    'a flood');

# a new connection

my $missed = stat_of($t)->{missed};

$pg->restart('immediate');
ok((waitfor { stat_of($t)->{missed} > $missed } 20), 'a restart');
$missed = stat_of($t)->{notes};
$pg->psql("NOTIFY changes, 'again'");
ok((waitfor { stat_of($t)->{note} eq 'again' }), 'listens again');

$t->done;
