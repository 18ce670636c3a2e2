#!/usr/bin/perl

# PostgreSQL is away for AI_SECONDS (60) at full rate: what the spool grows by a
# request, and how soon all of it is in the database again.  `make build` and
# build/standin first.

use strict;
use warnings;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/../lib";

use AI::Faults qw(books_balance);
use AI::Gateway;
use AI::Postgres;
use JSON::PP ();
use Time::HiRes qw(time sleep);

plan(skip_all => 'no wrk') if system('which wrk > /dev/null') != 0;

my $seconds = $ENV{AI_SECONDS} || 60;
my $t = AI::Gateway->new;
my $pg = AI::Postgres->new($t, fsync => 1, settings => {
    shared_buffers => "'256MB'", max_wal_size => "'2GB'" });
my $top = $AI::Gateway::top;

my $standin = $t->daemon('standin', "$top/build/standin", '-j', "$t->{dir}/journal",
    $t->port(8081));
$t->waitforport(8081);
$t->run(gateway_conf(http => $pg->conf . '    access_log off;',
    upstream => 'server 127.0.0.1:%%PORT_8081%%; keepalive 64;
        keepalive_requests 1000000;',
    ledger => '%%DIR%%/ledger'));

$t->write_file('body', '{"model":"gpt-4.1","max_tokens":64,"messages":'
    . '[{"role":"user","content":"Hello"}]}');
$t->write_file('keys', make_key('acme') . "\n");

load(2);
waitfor { behind() == 0 } 60;

my $rows = $pg->value('SELECT count(*) FROM ai.usage_logs');

$pg->stop('fast');

my $away = load($seconds);

# the last rows are written within a second

my $behind = -1;

waitfor {
    my $was = $behind;

    sleep 1;
    $behind = behind();

    return $behind == $was;
};

my $n = $away->{requests};

$pg->start;

my $start = time();

ok((waitfor { behind() == 0 } 20 * $seconds), 'all of it is in the database');

my $drain = time() - $start;
my $count = $pg->value('SELECT count(*) FROM ai.usage_logs');
my $served = `grep -c '"' $t->{dir}/journal`;

diag(sprintf '%d requests in %d s without a database (%d a second), p99 %.1f '
    . 'ms, %d bytes in the spool, %d a request', $n, $away->{seconds},
    $n / $away->{seconds}, $away->{p99} / 1000, $behind,
    $behind / ($count - $rows));
diag(sprintf 'drained in %.1f s: %d rows a second, %.1f times as quick as they '
    . 'came', $drain, ($count - $rows) / $drain,
    $away->{seconds} / $drain);

chomp $served;
diag("$served requests reached the provider, $count rows");
cmp_ok($count, '>=', $served, 'none is lost');
is($pg->value('SELECT count(*) FROM ai.quarantine'), 0, 'none is odd');
books_balance($pg);

# the connections kept to it close first

kill 'TERM', $standin;
$t->done;


sub behind { return $t->status->{postgres}{shipping}{behind} }

sub load {
    my ($s) = @_;

    my $out = `wrk -t1 -c32 -d${s}s --latency -s $top/t/bench/post.lua \\
        http://127.0.0.1:@{[ $t->port(8080) ]}/v1/chat/completions \\
        -- $t->{dir}/body $t->{dir}/keys`;

    my ($json) = $out =~ /^(\{.*\})$/m or die "wrk: $out\n";

    return JSON::PP->new->decode($json);
}
