#!/usr/bin/perl

# Connecting: refused logins, sockets, addresses, names; no file of a home
# directory is looked at and no password is told.

use strict;
use warnings;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";

use AI::Gateway;
use AI::PgTest;
use AI::Postgres;
use AI::Proxy;

my $t = AI::Gateway->new;
my $pg = AI::Postgres->new($t, schema => 0, auth => 'scram-sha-256');

$pg->psql("CREATE ROLE gw LOGIN PASSWORD 'right-s3cret'");

# a wrong password

$t->run(pg_conf($pg, args => 'user=gw password=wrong-s3cret listen=x'));

ok($t->waitlog(qr/cannot connect \(FATAL:  password authentication failed/),
    'a wrong password is told');
waitfor { () = $pg->log =~ /password authentication failed/g; $pg->log =~ 
    /(?:password authentication failed.*){3}/s } 15;

my @lines = $t->log =~ /^(.*password authentication failed.*)$/mg;

is(scalar(grep { /\[error\]/ } @lines), 1, 'once');
cmp_ok(scalar(@lines), '<', 12, 'and is not tried in a loop');
like(sql($t, 'SELECT 1'), qr/^503 DECLINED/, 'statements are refused');

$t->reload(pg_conf($pg, args => 'user=gw password=right-s3cret'), old => 1);
is(sql($t, 'SELECT current_user'), "200 gw\n", 'the right one');
$t->mark;

$t->reload(pg_conf($pg, args => 'user=gw'), old => 1);
like(sql($t, 'SELECT 1'), qr/^503 DECLINED .*no password supplied/, 'none');

$t->reload(pg_conf($pg, args => 'user=gw password=right-s3cret database=no'),
    old => 1);
like(sql($t, 'SELECT 1'), qr/^503 DECLINED FATAL:  database "no" does not/,
    'a database that is not there');

unlike($t->log, qr/s3cret/, 'no password in the log');

# what libpq would read by itself

SKIP: {
    skip 'needs strace', 1 if system('command -v strace >/dev/null') || $>;
    skip 'not here', 1 if $ENV{AI_VALGRIND} || $ENV{AI_PRELOAD};

    my ($pid) = $t->workers;
    my $s = $t->daemon('strace', 'strace', '-p', $pid, '-e',
        'trace=open,openat,stat,newfstatat,access', '-o',
        "$t->{dir}/strace.out");

    waitfor { $t->read_file('strace.log') =~ /attached/ };
    sql($t, 'SELECT 1') for 1 .. 3;
    kill 'INT', $s;
    waitpid $s, 0;

    my %files = map { $_ => 1 } $t->read_file('strace.out') =~ /"([^"]+)"/g;

    delete @files{ '/dev/null/none', '' };
    is(join(' ', grep { !m{^/proc|^/dev} } sort keys %files), '',
        'no file is looked at');
}

# a socket

$t->reload(pg_conf($pg, server =>
    "unix:$pg->{dir}/socket/.s.PGSQL.$pg->{port}", args => 'user=gw'),
    old => 1);
is(sql($t, 'SELECT inet_client_addr()'), "200 \\N\n", 'a socket');

$t->reload(pg_conf($pg, server => "unix:$t->{dir}/no/.s.PGSQL.5432",
    args => 'user=gw'), old => 1);
like(sql($t, 'SELECT 1'), qr/^503 DECLINED No such file or directory/,
    'a socket that is not there');

# several addresses: the first refuses, the second does not answer

my $x = AI::Proxy->new($t, "127.0.0.1:$pg->{port}");

$x->command('pause all');
$t->reload(pg_conf($pg, server => join(' ', '127.0.0.1:' . $t->port('none'),
    '127.0.0.1:' . $x->port, "127.0.0.1:$pg->{port}"),
    args => 'user=gw password=right-s3cret connect_timeout=300ms timeout=9s'),
    old => 1);
is(sql($t, 'SELECT 1'), "200 1\n", 'the third address');

# names

my $zone = $t->write_file('zone', "db.example.test 127.0.0.1\n");
my $dns = $t->port('dns');

# the name server's own, now: a UDP socket keeps the port for it
delete $t->{ports}{dns}{lock};

$t->daemon('dns', 'python3', "$AI::Gateway::top/t/lib/dns.py",
    "127.0.0.1:$dns", $zone);
waitfor { $t->read_file('dns.log') =~ /ready/ } or die 'no name server';

my %named = (server => "db.example.test:$pg->{port}",
    http => "resolver 127.0.0.1:$dns valid=1s ipv6=off; resolver_timeout 1s;",
    args => 'resolve user=gw password=right-s3cret');

$t->reload(pg_conf($pg, %named), old => 1);
is(sql($t, 'SELECT 1'), "200 1\n", 'a name');

# the name server has gone: the last good addresses serve

$t->write_file('zone', "db.example.test -\n");
hang_up() for 1 .. 2;
select undef, undef, undef, 2.1;
hang_up();
ok((waitfor { sql($t, 'SELECT 1') eq "200 1\n" } 20),
    'the last good address of a name that nobody knows any more');

$t->reload(undef, old => 1);
like(sql($t, 'SELECT 1'), qr/^503 DECLINED "db.example.test" could not be/,
    'a name that was never known');

$t->write_file('zone', "db.example.test 127.0.0.9 127.0.0.1\n");
ok((waitfor { sql($t, 'SELECT 1') eq "200 1\n" } 20), 'comes to be known');

$t->mark;
$t->done;


sub hang_up {
    $pg->psql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE application_name = 'nginx ai gateway'");
    waitfor { sql($t, 'SELECT 1') eq "200 1\n" } 20;
}
