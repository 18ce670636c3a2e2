#!/usr/bin/perl

# Through pgbouncer in transaction mode: parameters, errors, its restart, and
# what it says of its own.

use strict;
use warnings;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";

use AI::Gateway;
use AI::PgTest;
use AI::Postgres;

my ($bouncer) = grep { -x } '/usr/sbin/pgbouncer', '/usr/bin/pgbouncer';

plan(skip_all => 'no pgbouncer') unless $bouncer;

my $t = AI::Gateway->new(workers => 2);
my $pg = AI::Postgres->new($t, schema => 0);
my $d = $t->dir;

mkdir "$d/pool";
$t->write_file('pool/users.txt', qq("postgres" ""\n));
$t->write_file('pool/ini', <<EOF);
[databases]
ai = host=127.0.0.1 port=$pg->{port} dbname=ai

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %%PORT_6432%%
unix_socket_dir =
auth_type = trust
auth_file = $d/pool/users.txt
pool_mode = transaction
default_pool_size = 3
max_client_conn = 50
pidfile = $d/pool/pid
logfile = $d/pool/log
query_wait_timeout = 2
server_login_retry = 1
EOF

AI::Postgres::own($pg, "$d/pool", glob "$d/pool/*");

my $pid = start_pooler();

$t->run(pg_conf($pg, server => '127.0.0.1:' . $t->port(6432),
    args => 'timeout=5s'));

is(sql($t, 'SELECT 1'), "200 1\n", 'a statement');

my @c = map { AI::PgTest::start($t, 'SELECT length($1::bytea)',
    body => 'b' x (1000 * $_)) } 1 .. 20;

is(join(' ', map { $_->finish->body =~ s/\n//r } @c),
    join(' ', map { 1000 * $_ } 1 .. 20), 'with parameters, twenty at a time');
undef @c;

is(scalar(split /\n/, query($t, 'SELECT generate_series(1, 5000)')->body),
    5000, '5000 rows');
like(sql($t, 'SELECT 1/0'), qr/^400 22012/, 'an error');
is(sql($t, 'SELECT 1'), "200 1\n", 'and on');

# the server behind it goes away under a statement, and comes back

my $c = AI::PgTest::start($t, 'SELECT pg_sleep(20)');

waitfor { $pg->value("SELECT count(*) FROM pg_stat_activity
    WHERE state = 'active' AND query LIKE 'SELECT pg_sleep%'") };
$pg->stop('immediate');
like($c->finish->body, qr/^ABORT /, 'the server behind it ends');
undef $c;
like(sql($t, 'SELECT 1'), qr/^50[34] /, 'while it is away');
$pg->start;
ok((waitfor { sql($t, 'SELECT 1') eq "200 1\n" } 20), 'comes back');

# no connection of the pool is free in time

my @busy = map { AI::PgTest::start($t, 'SELECT pg_sleep(4)') } 1 .. 2;

ok((waitfor { sql($t, 'SELECT 1', timeout => 1000) } 10), 'a full pool');
$_->finish for @busy;
undef @busy;
ok((waitfor { sql($t, 'SELECT 1') eq "200 1\n" } 20), 'and an empty one');

# pgbouncer itself

kill 'KILL', $pid;
waitpid $pid, 0;
like(sql($t, 'SELECT 1'), qr/^50[34] /, 'pgbouncer dies') for 1 .. 3;
$pid = start_pooler();
ok((waitfor { sql($t, 'SELECT 1') eq "200 1\n" } 20), 'and is back');

ok($t->reload(undef, old => 1), 'reload');

$t->done;


sub start_pooler {
    my @cmd = ($bouncer, "$d/pool/ini");

    @cmd = AI::Postgres::as_server(@cmd);

    # runuser stays between: its child is what is to be killed
    @cmd = ('setpriv', '--reuid=postgres', '--regid=postgres',
        '--clear-groups', $bouncer, "$d/pool/ini") if !$>;

    my $p = $t->daemon('pgbouncer', @cmd);

    $t->waitforport(6432) or die 'pgbouncer did not start: '
        . $t->read_file('pgbouncer.log');

    return $p;
}
