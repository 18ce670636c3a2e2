#!/usr/bin/perl

# Whatever comes in whatever order, from three nodes at once, twice and with
# rubbish between: the sums are those of the lines, by a count kept here.

use strict;
use warnings;

use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use AI::Postgres;
use AI::Rows;

use constant BATCHES => $ENV{AI_BATCHES} || 40;

my $seed = $ENV{AI_SEED} // time;

srand $seed;
diag "AI_SEED=$seed";

my $pg = AI::Postgres->new;
my $now = time * 1000;
my (%spend, %hourly, %balance, $lines, $bad);
my @children;

$pg->psql(<<'EOS');
INSERT INTO ai.plans (name) VALUES ('pro');
INSERT INTO ai.tenants (name, plan) SELECT 't' || n, 'pro'
    FROM generate_series(0, 5) n;
INSERT INTO ai.rate_limits (plan, resource, period, amount)
    VALUES ('pro', 'cost', 'day', 2000000000), ('pro', 'cost', 'month', 1);
EOS

$lines = $bad = 0;

for my $node (1 .. 3) {
    my @batches = map { batch($node, $_) } 1 .. BATCHES;
    my $pid = fork() // die "fork: $!\n";

    if ($pid == 0) {
        my $failed = 0;

        # each batch, and now and then one that came before

        for my $i (0 .. $#batches) {
            for ($batches[$i], rand() < 0.3 ? $batches[rand $i + 1] : ()) {
                my $got = AI::Rows::ship($pg, $node, @{ $_->{lines} });
                my @n = split /\|/, $got // '';

                $failed++ if @n != 3 || $n[2] != $_->{bad}
                    || $n[0] + $n[1] + $n[2] != @{ $_->{lines} };
            }
        }

        require POSIX;
        POSIX::_exit($failed ? 1 : 0);
    }

    push @children, $pid;
}

for (@children) {
    waitpid $_, 0;
    is($?, 0, 'a node shipped everything');
}

is($pg->value('SELECT count(*) FROM ai.usage_logs'), $lines, 'rows');
is($pg->value('SELECT count(*) FROM ai.quarantine'), $bad, 'quarantine');

is_deeply({ table('SELECT tenant, key, day, node, requests, input_tokens,
    output_tokens, cost_nanos FROM ai.spend', 4) }, \%spend, 'spend');

is_deeply({ table("SELECT to_char(hour AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24'),
    tenant, key, model, provider, labels, node, requests, input_tokens,
    output_tokens, cost_nanos FROM ai.usage_hourly", 7) }, \%hourly, 'by hour');

is_deeply({ table('SELECT tenant, node, balance_nanos FROM ai.balances', 2) },
    \%balance, 'balances');

is($pg->psql(<<'EOS'), '', 'balances are the entries');
SELECT tenant, b.n, e.n
  FROM (SELECT tenant, sum(balance_nanos) AS n FROM ai.balances GROUP BY 1) b
  FULL JOIN (SELECT tenant, sum(amount_nanos) AS n FROM ai.billing_entries
              WHERE account = 'tenant' GROUP BY 1) e USING (tenant)
 WHERE b.n IS DISTINCT FROM e.n
EOS

is($pg->psql(<<'EOS'), '', 'each bill is the rows of its batch');
SELECT t.id FROM ai.billing_transactions t
  JOIN ai.billing_entries e ON e.transaction = t.id AND account = 'revenue'
  LEFT JOIN LATERAL (SELECT sum(cost_usd) * 1000000000 AS nanos
                       FROM ai.usage_logs u
                      WHERE u.tenant = t.tenant AND u.node::text = t.reference
                        AND u.shipped_at = t.at) u ON true
 WHERE u.nanos IS DISTINCT FROM e.amount_nanos
EOS

is($pg->value('SELECT sum(amount_nanos) FROM ai.billing_entries'), 0,
    'all money sums to zero');

$pg->psql('SELECT ai.maintain()', role => 'ai_gateway');

is($pg->psql(<<'EOS'), '', 'alerts are those that the sums call for');
WITH due AS (
    SELECT DISTINCT tenant, period, share
      FROM (SELECT tenant, day::text AS period, sum(cost_nanos) AS n,
                   2000000000::bigint AS amount FROM ai.spend WHERE key = '' GROUP BY 1, 2
             UNION ALL
            SELECT tenant, to_char(day, 'YYYY-MM'), sum(cost_nanos), 1
              FROM ai.spend WHERE key = '' GROUP BY 1, 2) s,
           unnest('{50,80,100}'::int[]) AS share
     WHERE n > 0 AND n * 100 >= amount * share AND tenant ~ '^t[0-5]$'
)
SELECT * FROM due FULL JOIN (SELECT tenant, period, share, kind FROM ai.alerts
    WHERE kind = 'budget') a USING (tenant, period, share)
 WHERE due.tenant IS NULL OR a.tenant IS NULL
EOS

done_testing();


sub pick { return $_[rand @_] }

# a batch, and what it adds to the sums; its lines may come twice

sub batch {
    my ($node, $n) = @_;

    my $rows = AI::Rows->new(seed => $node * 4096 + $n);
    my %b = (lines => [], bad => 0);

    for (1 .. 1 + rand 60) {
        if (rand() < 0.01) {
            push @{ $b{lines} }, "rubbish $node $n " . rand;
            $b{bad}++;
            $bad++;
            next;
        }

        my $none = rand() < 0.1;
        my $cost = $none ? 0 : int rand(rand() < 0.1 ? 5e8 : 1e6);

        my %row = (
            ms => $now - int rand 3 * 86400_000,
            tenant => 't' . int(rand 7), key => 'k' . int(rand 3),
            model => pick('gpt-4.1', 'claude', undef), labels =>
                pick({}, { team => 'a' }, { team => "b\"\\" }),
            state => pick('final', 'interrupted', 'refused', 'failed'),
            input_tokens => $none ? undef : int(rand 1e5),
            output_tokens => $none ? undef : int(rand 1e4), cost => $cost,
        );

        $row{usage_source} = 'none' if $none;

        my $line = $rows->line(%row);

        push @{ $b{lines} }, $line;
        $lines++;
        count(AI::Rows::node($node), $cost, %row);
        push @{ $b{lines} }, $line if rand() < 0.02;
    }

    return \%b;
}


sub count {
    my ($node, $cost, %row) = @_;

    my ($hour) = AI::Rows::time_text($row{ms}) =~ /^(.{13})/;
    my $day = substr $hour, 0, 10;
    my @n = ($row{state} eq 'refused' ? 0 : 1, $row{input_tokens} // 0,
        $row{output_tokens} // 0, $cost);

    my $labels = !%{ $row{labels} } ? '{}'
        : $row{labels}{team} eq 'a' ? '{"team": "a"}' : '{"team": "b\\"\\\\"}';

    add($spend{"$row{tenant}|$_|$day|$node"} ||= [], @n) for '', $row{key};
    add($hourly{join '|', $hour, $row{tenant}, $row{key}, $row{model} // '',
        'openai', $labels, $node} ||= [], @n);
    add($balance{"$row{tenant}|$node"} ||= [], -$cost) if $cost;
}


sub add {
    my ($sum, @n) = @_;

    $sum->[$_] = ($sum->[$_] || 0) + $n[$_] for 0 .. $#n;
}


# rows by their first columns

sub table {
    my ($sql, $n) = @_;

    return map { join('|', @$_[0 .. $n - 1]) => [ @$_[$n .. $#$_] ] }
        $pg->rows($sql);
}
