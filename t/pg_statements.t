#!/usr/bin/perl

# Statements through the PostgreSQL client: parameters, results of all sizes,
# errors, and no trace of values in the log.

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

$t->run(pg_conf($pg));

is(stat_of($t)->{state}, 'down', 'connects on demand');
is(sql($t, 'SELECT 1'), "200 1\n", 'one row');
is(stat_of($t)->{state}, 'ready', 'stays connected');
$t->mark;

is(sql($t, "SELECT 1, NULL, ''"), "200 1|\\N|\n", 'NULL is not empty');
is(sql($t, 'SELECT 1 WHERE false'), '200 ', 'no rows');
is(sql($t, 'CREATE TABLE x (a int PRIMARY KEY)'), '200 ', 'a command');

is(sql($t, 'SELECT $1::text', body => 'tenant'), "200 tenant\n", 'text');
is(sql($t, 'SELECT length($1::bytea)', body => "\0\1\xff" x 100), "200 300\n",
    'binary');
is(sql($t, 'SELECT length($1::bytea), $2::text', body => '', p => ''),
    "200 0|\n", 'empty parameters are not NULL');

for my $n (789, 5000) {
    my $r = query($t, "SELECT i, repeat('x', 100)
        FROM generate_series(1, $n) i");

    is(scalar(split /\n/, $r->body), $n, "$n rows");
}

is(length query($t, "SELECT repeat('y', 3000000)")->body, 3000001,
    'a value of 3 MB');

is(sql($t, 'SELECT md5($1::bytea)', body => 'z' x 2_000_000) =~ /^200 \w{32}$/,
    1, 'a parameter of 2 MB');

# many at a time: one connection, in order

my @c = map { AI::PgTest::start($t, "SELECT $_") } 1 .. 50;

is(join(' ', map { $_->finish->body =~ s/\n//r } @c), join(' ', 1 .. 50),
    'fifty at a time');

is(stat_of($t)->{connects}, 1, 'over one connection');

# more than may wait

@c = (AI::PgTest::start($t, 'SELECT pg_sleep(0.5)'),
    map { AI::PgTest::start($t, 'SELECT 7') } 1 .. 80);

my %n;

$n{ $_->finish->status }++ for @c;
undef @c;

is($n{200}, 65, 'the queue is bounded');
is($n{503}, 16, 'what is over it is refused');

# errors

like(sql($t, 'SELECT 1/0'), qr/^400 22012 division by zero$/, 'an error');
like(sql($t, 'nonsense'), qr/^400 42601 syntax error at or near "nonsense"$/,
    'a syntax error');
like(sql($t, 'SELECT $1::uuid', body => 'x' x 16), qr/^200/, 'binary uuid');
is(sql($t, 'SELECT $2::text::uuid, $1::bytea', body => '', p => 'sec"ret1'),
    '400 22P02 invalid input syntax for type uuid: "..."',
    'no value in the text');
like(sql($t, 'SELECT $2::text::int, $1::bytea', body => '',
    p => "a\nb\x07" . 'w' x 2000), qr/^400 22P02 [^\x00-\x1f]{1,256}$/,
    'a long value');
sql($t, 'INSERT INTO x VALUES (1)');
is(sql($t, 'INSERT INTO x VALUES (1)'), '400 23505 duplicate key value '
    . 'violates unique constraint "..."', 'a violation');
is(sql($t, 'SELECT 1; SELECT 2') =~ /^400 42601/, 1, 'one statement only');
like(sql($t, ''), qr/^400 /, 'an empty statement');

# what a client should not be asked

like(sql($t, 'COPY x FROM STDIN'), qr/^504 ABORT COPY is not spoken here$/,
    'COPY ends the connection');
ok(waitfor { sql($t, 'SELECT 2') eq "200 2\n" }, 'which comes back');

is(sql($t, "DO \$\$ BEGIN RAISE WARNING 'w' ; END \$\$"), '200 ', 'a warning');

unlike($t->log, qr/sec"ret1|wwwww/, 'no parameter in the log');
is($t->read_file('stderr.log'), '', 'libpq writes nothing');

$t->done;
