#!/usr/bin/perl

# What /ai/status and /ai/metrics say of PostgreSQL: the connections of the
# worker that answers, and sums over all workers.

use strict;
use warnings;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";

use AI::Gateway;
use AI::Postgres;

my $t = AI::Gateway->new(workers => 2);

$t->run(gateway_conf());

my $s = $t->status;

ok(exists $s->{postgres} && !defined $s->{postgres}, 'no ai_postgres: null');
is_deeply([ grep { /ai_postgres|ai_ship|ai_directory/ } keys %{ $t->metrics } ],
    [], 'and no metrics');

my $pg = AI::Postgres->new($t, schema => 0);

$pg->psql(<<'EOC');
CREATE SCHEMA ai;
CREATE ROLE ai_gateway LOGIN;

CREATE FUNCTION ai.usage_report(t text, a text, b text, g text) RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
    IF g = 'bad' THEN RAISE 'no' USING ERRCODE = '22023'; END IF;
    RETURN '{}';
END $$;

GRANT USAGE ON SCHEMA ai TO ai_gateway;
EOC

$t->reload(gateway_conf(http => $pg->conf), old => 1);

# a connection of its own is made by each worker that is asked

my %connected;

sub look {
    $t->get('/v1/usage?group_by=' . ($_[0] // 'day'));

    my $s = $t->status;
    my ($usage) = grep { $_->{name} eq 'usage' }
        @{ $s->{postgres}{connections} };

    $connected{ $s->{pid} } = $usage if $usage;

    return $s;
}

ok((waitfor { look(); keys %connected == 2 }), 'both workers have asked');

for my $usage (values %connected) {
    is($usage->{state}, 'ready', 'a connection is ready');
    is($usage->{connects}, 1, 'made once');
    is($usage->{lost}, 0, 'never lost');
}

$s = look('bad');
$t->mark;

like($s->{postgres}{server}, qr/^127\.0\.0\.1:\d+$/, 'the server');
is_deeply([ map { $s->{postgres}{shipping}{$_} } qw(rows duplicates
    quarantined) ], [ 0, 0, 0 ], 'nothing was shipped');
ok(exists $s->{postgres}{shipping}{$_}, "shipping: $_")
    for qw(retries behind committed failing);
ok(exists $s->{postgres}{heard}, 'when the feed was heard');

# the sums of both

my $sent = 0;

ok((waitfor {
    my $m = $t->metrics;
    my $queries = $m->{'ai_postgres_queries_total{connection="usage"}'};

    $sent = $queries if defined $queries;

    return $queries && $queries > 2
        && $m->{'ai_postgres_connects_total{connection="usage"}'} == 2
        && $m->{'ai_postgres_errors_total{connection="usage"}'} == 1;
}), 'metrics are of all workers') or diag("$sent statements");

my $m = $t->metrics;

is($m->{'ai_postgres_queries_total{connection="admin"}'}, 0,
    'nobody administers');
ok(defined $m->{$_}, $_) for qw(ai_ship_rows_total ai_ship_behind_bytes
    ai_ship_failing ai_ship_committed_timestamp_seconds
    ai_directory_heard_timestamp_seconds);

# a connection that is lost

$pg->stop('immediate');

ok((waitfor {
    $t->metrics->{'ai_postgres_lost_total{connection="usage"}'} >= 2;
}), 'connections are lost');

ok((waitfor {
    my ($usage) = grep { $_->{name} eq 'usage' }
        @{ $t->status->{postgres}{connections} };

    $usage && $usage->{state} ne 'ready' && $usage->{lost} >= 1;
}), 'and seen to be');

# sums outlive the workers

my $lost = $t->metrics->{'ai_postgres_queries_total{connection="usage"}'};

ok($t->reload(undef, old => 1), 'reload');
cmp_ok($t->metrics->{'ai_postgres_queries_total{connection="usage"}'}, '>=',
    $lost, 'sums stay');

$t->done;
