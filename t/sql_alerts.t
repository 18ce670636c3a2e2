#!/usr/bin/perl

# Alerts at shares of budgets and of prepaid credit: once each, in the table and
# by NOTIFY, and none is missed when nodes ship at the same time.

use strict;
use warnings;

use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use AI::Postgres;
use AI::Rows;
use AI::Session;

my $pg = AI::Postgres->new;
my $rows = AI::Rows->new;

# the same day for the whole test, and a day of the same month before it

my $ms = (time - 60) * 1000;
my ($today, $month) = map { @$_ } $pg->rows("SELECT t::date, to_char(t, 'YYYY-MM')
    FROM (SELECT to_timestamp($ms / 1000) AT TIME ZONE 'UTC' AS t) x");

sub ship {
    my ($node, $cost, %o) = @_;

    return AI::Rows::ship($pg, $node, $rows->line(ms => $ms, cost => $cost, %o));
}

sub alerts {
    my ($where) = @_;

    return $pg->psql("SELECT key, subject, period, share FROM ai.alerts
        WHERE $where ORDER BY key, subject, period, share");
}

$pg->psql(<<'EOS');
INSERT INTO ai.plans (name) VALUES ('pro'), ('keys');
INSERT INTO ai.tenants (name, plan) VALUES ('acme', 'pro'), ('globex', 'pro'),
    ('initech', 'keys'), ('late', 'pro'), ('race', 'pro'), ('umbrella', 'pro');
INSERT INTO ai.tenants (name, plan, origin)
    VALUES ('configured', 'pro', 'conf');
INSERT INTO ai.tenants (name, plan, prepaid, alert_shares)
    VALUES ('prepaid', 'keys', true, '{75,90}');
INSERT INTO ai.rate_limits (plan, resource, period, amount) VALUES
    ('pro', 'cost', 'month', 1000), ('pro', 'requests', 'day', 1);
INSERT INTO ai.rate_limits (tenant, resource, period, amount) VALUES
    ('globex', 'cost', 'month', 5000), ('globex', 'cost', 'day', 100);
INSERT INTO ai.rate_limits (plan, per_key, resource, period, amount)
    VALUES ('keys', true, 'cost', 'day', 1000);
INSERT INTO ai.rate_limits (tenant, key, resource, period, amount)
    VALUES ('initech', 'small', 'cost', 'day', 10);
EOS


# ---- shares ----

my $listener = AI::Session->new($pg);

$listener->do('LISTEN ai_alerts');

ship(1, 499);
is(alerts("tenant = 'acme'"), '', 'below the first share');

ship(1, 1);
is(alerts("tenant = 'acme'"), "|cost/month|$month|50", 'half of a month');
like($listener->do('SELECT 1'),
    qr/"ai_alerts" with payload "\{.*"tenant" : "acme".*"share" : 50/,
    'told by NOTIFY');

ship(1, 100);
is(alerts("tenant = 'acme'"), "|cost/month|$month|50", 'once');
unlike($listener->do('SELECT 1'), qr/acme/, 'and told once');

ship(1, 5000);
is(alerts("tenant = 'acme'"), join("\n",
    map { "|cost/month|$month|$_" } 50, 80, 100), 'two at once');
is($pg->value("SELECT detail FROM ai.alerts WHERE share = 80"),
    '{"limit_nanos": 1000, "spent_nanos": 5600}', 'with its figures');

ship(1, 100, tenant => 'globex');
is(alerts("tenant = 'globex'"), join("\n", map { "|cost/day|$today|$_" }
    50, 80, 100), 'its own limit stands over the plan\'s');

ship(1, 9, tenant => 'initech', key => 'small');
ship(1, 499, tenant => 'initech', key => 'big');
is(alerts("tenant = 'initech'"), "small|cost/day|$today|50\n"
    . "small|cost/day|$today|80", 'a key\'s own limit');

ship(1, 1, tenant => 'initech', key => 'big');
is(alerts("tenant = 'initech' AND key = 'big'"), "big|cost/day|$today|50",
    'each key\'s limit of the plan');

ship(1, 10000, tenant => 'configured');
ship(1, 10000, tenant => 'unheard-of');
is(alerts("tenant IN ('configured', 'unheard-of')"), '',
    'no limits of SQL, no alerts');

# rows that come late are judged by their own day

my $past = $ms - 40 * 86400_000;
my $then = $pg->value("SELECT to_char(to_timestamp($past / 1000)
    AT TIME ZONE 'UTC', 'YYYY-MM')");

AI::Rows::ship($pg, 1, $rows->line(ms => $past, tenant => 'late', cost => 600),
    $rows->line(ms => $ms, tenant => 'late', cost => 499));
is(alerts("tenant = 'late'"), "|cost/month|$then|50", 'a month that is over');


# ---- prepaid ----

credit(1000);
ship(2, 749, tenant => 'prepaid');
is(alerts("kind = 'prepaid'"), '', 'prepaid, below');

ship(3, 1, tenant => 'prepaid');

my $first = $pg->value('SELECT max(id) FROM ai.credits');

is(alerts("kind = 'prepaid'"), "|balance|$first|75", 'three quarters of it');

credit(1000);
ship(2, 1000, tenant => 'prepaid');
is(alerts("kind = 'prepaid' AND period <> '$first'"),
    '|balance|' . $pg->value('SELECT max(id) FROM ai.credits') . '|75',
    'of what was added too');


# ---- two nodes at once ----

my $a = AI::Session->new($pg, role => 'ai_gateway');

$a->do('BEGIN');
$a->do(AI::Rows::batch_sql(1, $rows->line(ms => $ms, tenant => 'race',
    cost => 450)));
ship(2, 450, tenant => 'race');
$a->do('COMMIT');

is(alerts("tenant = 'race'"), '', 'neither sees the other\'s');
$pg->psql('SELECT ai.maintain()', role => 'ai_gateway');
is(alerts("tenant = 'race'"), join("\n", map { "|cost/month|$month|$_" } 50, 80),
    'maintenance does');

# one that commits after maintenance looked

$a->do('BEGIN');
$a->do(AI::Rows::batch_sql(1, $rows->line(ms => $ms, tenant => 'umbrella',
    cost => 450)));
ship(2, 450, tenant => 'umbrella');
$pg->psql('SELECT ai.maintain()', role => 'ai_gateway');
is(alerts("tenant = 'umbrella'"), '', 'not yet committed');
$a->do('COMMIT');
$pg->psql('SELECT ai.maintain()', role => 'ai_gateway');
is(alerts("tenant = 'umbrella'"), join("\n",
    map { "|cost/month|$month|$_" } 50, 80), 'looked at once more');

my $count = $pg->value('SELECT count(*) FROM ai.alerts');

$pg->psql('SELECT ai.maintain()', role => 'ai_gateway') for 1 .. 3;
is($pg->value('SELECT count(*) FROM ai.alerts'), $count, 'nothing twice');

# the same alert by two at once: the later waits and has nothing to add

my $b = AI::Session->new($pg, role => 'ai_gateway');

$pg->psql("INSERT INTO ai.tenants (name, plan) VALUES ('both', 'pro')");
$a->do('BEGIN');
$a->do(AI::Rows::batch_sql(1, $rows->line(ms => $ms, tenant => 'both',
    cost => 500)));
$b->send(AI::Rows::batch_sql(2, $rows->line(ms => $ms, tenant => 'both',
    cost => 500)));
$a->do('COMMIT');
is($b->answer, '1|0|0', 'both ship');
$pg->psql('SELECT ai.maintain()', role => 'ai_gateway');
is(alerts("tenant = 'both'"), join("\n", map { "|cost/month|$month|$_" }
    50, 80, 100), 'and each alert is there once');

# several at once maintain

$a->do('BEGIN');
$a->do('SELECT ai.maintain()');
$b->do("SET statement_timeout = '2s'");
$b->do('SELECT ai.maintain()');
is($b->state, '00000', 'maintenance by two does not wait');
$a->do('ROLLBACK');

$pg->psql("INSERT INTO ai.changes (kind, name, at)
    VALUES ('plan', 'x', now() - interval '8 days'), ('plan', 'y', now());
    SELECT ai.maintain()");
is($pg->psql("SELECT name FROM ai.changes WHERE name IN ('x', 'y')"), 'y',
    'old changes are forgotten');

done_testing();


sub credit {
    my ($nanos) = @_;

    $pg->psql(<<EOS);
BEGIN;
INSERT INTO ai.billing_transactions (tenant, kind) VALUES ('prepaid', 'credit')
    RETURNING id AS t \\gset
INSERT INTO ai.billing_entries VALUES (:t, 'prepaid', 'tenant', $nanos),
    (:t, 'prepaid', 'cash', -$nanos);
INSERT INTO ai.credits (tenant, amount_nanos, reference, transaction)
    VALUES ('prepaid', $nanos, 'payment ' || :t, :t);
INSERT INTO ai.balances AS b VALUES ('prepaid',
    '00000000-0000-0000-0000-000000000000', $nanos)
    ON CONFLICT (tenant, node) DO UPDATE SET
        balance_nanos = b.balance_nanos + excluded.balance_nanos;
COMMIT;
EOS
}
