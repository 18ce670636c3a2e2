#!/usr/bin/perl

# ai.ship(): every line once, with its money, and a batch fails as a whole when
# that is not the fault of its lines.

use strict;
use warnings;

use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use AI::Gateway;
use AI::Postgres;
use AI::Rows;
use AI::Session;

my $pg = AI::Postgres->new;
my $rows = AI::Rows->new;
my $error;

sub ship { return AI::Rows::ship($pg, @_) }
sub logged { return $pg->value('SELECT count(*) FROM ai.usage_logs') }


# ---- once ----

my @lines = map { $rows->line(cost => $_ * 1000, key => "k$_") } 1 .. 5;

is(ship(1, @lines), '5|0|0', 'a batch');
is(ship(1, @lines), '0|5|0', 'the same batch again');
is(ship(1, @lines[3, 4], $rows->line(cost => 0)), '1|2|0', 'half of it is new');
is(ship(1), '0|0|0', 'an empty batch');
is($pg->value("SELECT count(*) FROM ai.ship('@{[ AI::Rows::node(1) ]}', NULL)"),
    1, 'no batch at all');

my $line = $rows->line(cost => 7);

is(ship(1, $line, $rows->line(cost => 0), $line), '2|1|0',
    'a line twice in a batch');
is(logged(), 8, 'rows');

is($pg->value("SELECT to_jsonb(u) - 'content' - 'shipped_at'
                 FROM ai.usage_logs u WHERE cost_usd = 0.000000007"),
    $pg->value("SELECT jsonb_set(jsonb_set(jsonb_set(l, '{cost_usd}',
            to_jsonb((l ->> 'cost_usd')::numeric)), '{time}',
            to_jsonb((l ->> 'time')::timestamptz)), '{hold_usd}',
            to_jsonb((l ->> 'hold_usd')::numeric)) || jsonb_build_object('node',
            '@{[ AI::Rows::node(1) ]}') FROM (SELECT '$line'::jsonb AS l) x"),
    'a row says what its line said');

is(ship(1, $rows->line(usage_source => 'none', state => 'refused',
    provider => undef, plan => undef, model => undef, served_model => undef,
    api => undef, http_status => undef, attempts => [])), '1|0|0',
    'a row of nothing');

is($pg->psql("SELECT sum(requests), sum(cost_nanos) FROM ai.spend
               WHERE key = ''"), '8|15007', 'refused is no request');


# ---- other content ----

my $other = $line =~ s/"duration_ms":352/"duration_ms":353/r;

isnt($other, $line, 'the same id says something else');
is(ship(1, $other), '0|0|1', 'it goes to quarantine');
is(ship(1, $other), '0|0|1', 'and is there once');
is($pg->psql('SELECT count(*), bool_and(id IS NOT NULL) FROM ai.quarantine'),
    '1|t', 'by its id');
is($pg->value("SELECT duration_ms FROM ai.usage_logs
                WHERE cost_usd = 0.000000007"), 352, 'the row stays');
is($pg->psql("SELECT kind, subject, detail ->> 'lines' FROM ai.alerts"),
    'quarantine|' . AI::Rows::node(1) . '|1', 'and somebody is told');

my $first = $rows->line(cost => 3);

is(ship(1, $first, $first =~ s/"pro"/"max"/r), '1|0|1',
    'two contents in one batch');


# ---- money ----

is($pg->psql(<<'EOS'), '', 'entries of each transaction sum to zero');
SELECT transaction FROM ai.billing_entries GROUP BY 1 HAVING sum(amount_nanos) <> 0
EOS
is($pg->value('SELECT (sum(cost_usd) * 1000000000)::bigint FROM ai.usage_logs'),
    $pg->value('SELECT -sum(balance_nanos) FROM ai.balances'),
    'balance is the sum of the rows');

my $before = $pg->value('SELECT count(*) FROM ai.billing_transactions');

ship(1, $rows->line(cost => 0), $rows->line(cost => 0, tenant => 'globex'));
is($pg->value('SELECT count(*) FROM ai.billing_transactions'), $before,
    'nothing to pay, no transaction');

ship(1, map { $rows->line(cost => 5, tenant => $_) } qw(acme globex acme));
is($pg->psql("SELECT tenant, e.account, e.amount_nanos
                FROM ai.billing_transactions t JOIN ai.billing_entries e
                     USING (tenant) WHERE e.transaction = t.id AND t.id > $before
                 AND t.at = (SELECT max(at) FROM ai.billing_transactions)
               ORDER BY 1, 2"),
    "acme|revenue|10\nacme|tenant|-10\nglobex|revenue|5\nglobex|tenant|-5",
    'one transaction for each tenant of a batch');


# ---- partitions ----

my $part = 'ai.usage_logs_'
    . $pg->value("SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYYMM')");

cmp_ok($pg->value("SELECT count(*) FROM pg_inherits
    WHERE inhparent = 'ai.usage_logs'::regclass"), '>=', 3, 'months ahead');

$pg->psql("DROP TABLE $part");
is(ship(1, $rows->line, $rows->line), '2|0|0', 'a missing month is made');
is($pg->value("SELECT count(*) FROM $part"), 2, 'and has the rows');

my $old = (time - 300 * 86400) * 1000;

is(ship(1, $rows->line(ms => $old), $rows->line), '2|0|0', 'an old month too');

my ($edge) = map { $_ * 1000 } $pg->value("SELECT extract(epoch FROM
    date_trunc('month', now(), 'UTC'))::bigint");

is(ship(1, $rows->line(ms => $edge), $rows->line(ms => $edge - 1)), '2|0|0',
    'the edge of a month');
is($pg->value("SELECT count(*) FROM $part"), 4, 'falls to the right side');

is($pg->value("SELECT ai.partitions_drop('200 days')"), 1, 'an old one is dropped');
is(ship(1, $rows->line(ms => $old)), '0|0|1', 'its rows never come again');

$pg->psql("SELECT ai.partitions_drop('2 days')", error => \$error);
like($error, qr/keep must be/, 'not what is new');

is($pg->psql('SELECT ai.maintain()', role => 'ai_gateway', error => \$error),
    '', 'maintenance');
is($error, '', 'by a gateway');


# ---- what is not the lines' fault ----

my @kept = ($rows->line, $rows->line);
my $n = logged();
my $q = $pg->value('SELECT count(*) FROM ai.quarantine');

for (
    [ 'a column with another name',
        'ALTER TABLE ai.usage_logs RENAME plan TO plan2',
        'ALTER TABLE ai.usage_logs RENAME plan2 TO plan', qr/column "plan"/ ],
    [ 'no right to a table',
        'REVOKE INSERT ON ai.usage_logs FROM ai_owner',
        'GRANT INSERT ON ai.usage_logs TO ai_owner', qr/permission denied/ ],
    [ 'row-level security refuses',
        'ALTER POLICY owner ON ai.usage_logs USING (true) WITH CHECK (false)',
        'ALTER POLICY owner ON ai.usage_logs USING (true) WITH CHECK (true)',
        qr/row-level security/ ],
    [ 'no table of sums', 'ALTER TABLE ai.spend RENAME TO spend2',
        'ALTER TABLE ai.spend2 RENAME TO spend', qr/"spend" does not exist/ ],
    [ 'a month that cannot be made',
        "ALTER TABLE ai.usage_logs DETACH PARTITION $part",
        "ALTER TABLE ai.usage_logs ATTACH PARTITION $part FOR VALUES FROM (
            '@{[ bound(0) ]}') TO ('@{[ bound(1) ]}')", qr/already exists/ ],
    [ 'no right to the function',
        'REVOKE EXECUTE ON FUNCTION ai.ship FROM ai_gateway',
        'GRANT EXECUTE ON FUNCTION ai.ship TO ai_gateway',
        qr/permission denied/ ],
    [ 'a read-only server', 'ALTER DATABASE ai SET default_transaction_read_only = on',
        'SET default_transaction_read_only = off;
         ALTER DATABASE ai RESET default_transaction_read_only', qr/read-only/ ],
) {
    my ($name, $break, $mend, $says) = @$_;

    $pg->psql($break);
    $pg->psql(AI::Rows::batch_sql(1, @kept, '{'), role => 'ai_gateway',
        error => \$error);
    like($error, $says, "$name fails the batch");
    $pg->psql($mend);
    is(logged() . ' ' . $pg->value('SELECT count(*) FROM ai.quarantine'),
        "$n $q", 'and nothing is half done');
}

is(ship(1, @kept), '2|0|0', 'the batch comes again');


# ---- two at once ----

my $a = AI::Session->new($pg, role => 'ai_gateway');
my $b = AI::Session->new($pg, role => 'ai_gateway');

my @mine = map { $rows->line(cost => 10) } 1 .. 20;
my @theirs = map { $rows->line(cost => 10) } 1 .. 20;

$a->do('BEGIN');
is($a->do(AI::Rows::batch_sql(1, @mine)), '20|0|0', 'a node has not committed');
is($b->do(AI::Rows::batch_sql(2, @theirs)), '20|0|0', 'another does not wait');
$a->do('COMMIT');

# the outcome of a COMMIT is not known, and the batch comes by another connection

@mine = map { $rows->line(cost => 10) } 1 .. 20;

$a->do('BEGIN');
$a->do(AI::Rows::batch_sql(1, @mine));
$b->send(AI::Rows::batch_sql(1, reverse @mine));
ok(waitfor { $b->waits }, 'the same rows wait');
$a->do('COMMIT');
is($b->answer, '0|20|0', 'for their outcome, committed');

@mine = map { $rows->line(cost => 10) } 1 .. 20;

$a->do('BEGIN');
$a->do(AI::Rows::batch_sql(1, @mine));
$b->send(AI::Rows::batch_sql(1, @mine));
waitfor { $b->waits };
$a->do('ROLLBACK');
is($b->answer, '20|0|0', 'or rolled back');

# a month is made while others ship

$pg->psql("DROP TABLE $part");
$a->do('BEGIN');
is($a->do(AI::Rows::batch_sql(1, $rows->line)), '1|0|0', 'a node made a month');
$b->send(AI::Rows::batch_sql(2, $rows->line));
waitfor { $b->waits };
$a->do('COMMIT');
is($b->answer, '1|0|0', 'another wanted it too');

# 40001

$n = logged();
@mine = ($rows->line, $rows->line);
$a->do('BEGIN ISOLATION LEVEL REPEATABLE READ');
$a->do('SELECT 1');
ship(1, @mine);
$a->do(AI::Rows::batch_sql(1, @mine));
is($a->state, '40001', 'a serialization failure is an error');
$a->do('ROLLBACK');
is($a->do(AI::Rows::batch_sql(1, @mine)), '0|2|0', 'and the batch comes again');

# 40P01: the batch waits for a balance, whose holder waits for its sums

my $su = AI::Session->new($pg);

@mine = ($rows->line, $rows->line, 'no row');
$q = $pg->value('SELECT count(*) FROM ai.quarantine');
$su->do("SET deadlock_timeout = '60s'");
$su->do('BEGIN');
$su->do('UPDATE ai.balances SET balance_nanos = balance_nanos');
$b->send(AI::Rows::batch_sql(1, @mine));
waitfor { $b->waits };
$su->send('UPDATE ai.spend SET requests = requests');
$b->answer;
is($b->state, '40P01', 'a deadlock is an error');
$su->answer;
$su->do('COMMIT');
is($pg->value('SELECT count(*) FROM ai.quarantine'), $q, 'quarantines nothing');
is($b->do(AI::Rows::batch_sql(1, @mine)), '2|0|1', 'and the batch comes again');

# 55P03, 57014

for ([ 'lock_timeout', '55P03' ], [ 'statement_timeout', '57014' ]) {
    my ($setting, $state) = @$_;

    @mine = ($rows->line, $rows->line);
    $su->do('BEGIN');
    $su->do('UPDATE ai.balances SET balance_nanos = balance_nanos');
    $b->do("SET $setting = '200ms'");
    $b->do(AI::Rows::batch_sql(1, @mine));
    is($b->state, $state, "$setting fails the batch");
    $su->do('ROLLBACK');
    $b->do("RESET $setting");
    is($b->do(AI::Rows::batch_sql(1, @mine)), '2|0|0', 'and it comes again');
}

is($pg->value(<<'EOS'), 0, 'money sums to zero after all');
SELECT sum(amount_nanos) FROM ai.billing_entries
EOS

done_testing();


sub bound {
    my ($months) = @_;

    return $pg->value("SELECT ai.uuid_floor(date_trunc('month', now(), 'UTC')
        + $months * interval '1 month')");
}
