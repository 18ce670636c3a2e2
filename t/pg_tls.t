#!/usr/bin/perl

# TLS to PostgreSQL: what "require" and "verify-full" accept and refuse, and
# results larger than a record.

use strict;
use warnings;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";

use AI::Gateway;
use AI::PgTest;
use AI::Postgres;

my $t = AI::Gateway->new;
my $d = $t->dir;

authority('ca');
authority('other');
certificate('good', 'ca', 'db.example.test', 30);
certificate('number', 'ca', 'IP:127.0.0.1', 30);
certificate('name', 'ca', 'elsewhere.example.test', 30);
certificate('old', 'ca', 'db.example.test', -1);
certificate('unknown', 'other', 'db.example.test', 30);

my $pg = AI::Postgres->new($t, schema => 0);

# a server without TLS

$t->run(pg_conf($pg, args => 'ssl=require'));
like(sql($t, 'SELECT 1'), qr/^503 DECLINED server does not support SSL/,
    'no fall back to plain text');

$pg->{options}{settings} = { ssl => 'on',
    ssl_cert_file => "'$d/good.crt'", ssl_key_file => "'$d/good.key'" };
$pg->configure;
$pg->restart;

my $ssl = 'SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()';

$t->reload(pg_conf($pg), old => 1);
is(sql($t, $ssl), "200 f\n", 'off');

$t->reload(pg_conf($pg, args => 'ssl=require'), old => 1);
is(sql($t, $ssl), "200 t\n", 'require');

# records hold up to 16 KB, which libpq does not read at once

for my $n (789, 5000) {
    my $r = query($t, "SELECT i, repeat('x', 100)
        FROM generate_series(1, $n) i");

    is(scalar(split /\n/, $r->body), $n, "$n rows");
}

is(length query($t, "SELECT repeat('y', $_)")->body, $_ + 1, "$_ bytes")
    for 8000, 16000, 24000, 100_000, 3_000_000;

is(sql($t, 'SELECT length($1::bytea), length(repeat($2, 2000000))',
    body => 'p' x 2_000_000, p => 'x'), "200 2000000|2000000\n",
    'large both ways');

like(sql($t, 'SELECT pg_sleep(9)', timeout => 300), qr/^504 ABORT/,
    'a deadline');

# verify-full

my $verify = "ssl=verify-full ca=$d/ca.crt";

serve('good');
$t->reload(pg_conf($pg, args => "$verify host=db.example.test"), old => 1);
is(sql($t, $ssl), "200 t\n", 'verify-full');
$t->mark;

serve('name');
like(again(), qr/"elsewhere.example.test" does not match host name "db.ex/, 'another name');

serve('old');
like(again(), qr/^503 DECLINED .*certificate verify failed/, 'expired');

serve('unknown');
like(again(), qr/^503 DECLINED .*certificate verify failed/,
    'of an authority that is not trusted');

serve('good');
ok((waitfor { again() eq "200 t\n" }), 'the right one again');

serve('number');
like(again(), qr/^503 DECLINED/, 'a number for a name');
$t->reload(pg_conf($pg, args => $verify), old => 1);
is(sql($t, $ssl), "200 t\n", 'a number for a number');

$t->reload(pg_conf($pg, args => "ssl=verify-full ca=$d/none.crt"), old => 1);
like(sql($t, 'SELECT 1'), qr/^503 DECLINED .*root certificate file/,
    'no authorities');

# require asks for no authority, also when a file of them is there

serve('unknown');
$t->reload(pg_conf($pg, args => "ssl=require ca=$d/ca.crt"), old => 1);
is(sql($t, $ssl), "200 t\n", 'require takes any certificate');
$t->mark;

$t->done;


# with the server's certificate of now

sub serve {
    my ($name) = @_;

    $pg->{options}{settings}{ssl_cert_file} = "'$d/$name.crt'";
    $pg->{options}{settings}{ssl_key_file} = "'$d/$name.key'";
    $pg->configure;
    $pg->restart;
}


# the first answer that comes from an attempt, not from the back-off

sub again {
    my $last = '';

    waitfor {
        $last = sql($t, $ssl);

        return $last !~ /store is down|refused|starting up|^504/;
    };

    return $last;
}


sub openssl {
    system("openssl @_ >> '$d/openssl.log' 2>&1") == 0
        or die "openssl @_ failed\n" . $t->read_file('openssl.log');
}


sub authority {
    my ($name) = @_;

    openssl("req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=$name",
        "-keyout $d/$name.key -out $d/$name.crt");
}


sub certificate {
    my ($name, $ca, $host, $days) = @_;

    my $alt = $host =~ /:/ ? $host : "DNS:$host";

    $host =~ s/^IP://;
    $t->write_file("$name.ext", "subjectAltName = $alt\n");
    openssl("req -newkey rsa:2048 -nodes -subj /CN=$host",
        "-keyout $d/$name.key -out $d/$name.csr");
    openssl("x509 -req -in $d/$name.csr -CA $d/$ca.crt -CAkey $d/$ca.key",
        "-set_serial 7 -days $days -extfile $d/$name.ext -out $d/$name.crt");

    chmod 0600, "$d/$name.key";

    my $user = AI::Postgres::server_user();

    chown +(getpwnam $user)[2, 3], "$d/$name.key", "$d/$name.crt" if $user;
}
