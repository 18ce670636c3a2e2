#!/usr/bin/perl

# Who may do what in schema ai: the catalogue, each table and verb as the wrong
# tenant, money that only grows.

use strict;
use warnings;

use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use AI::Postgres;
use AI::Rows;

use constant NODE => '11111111-1111-1111-1111-111111111111';

# tables with nothing of a tenant
my %common = map { $_ => 1 } qw(plans prices unit_prices nodes provider_usage
    migrations housekeeping);

# what a tenant may read of itself
my @readable = qw(tenants users api_keys rate_limits usage_logs usage_hourly
    spend billing_transactions billing_entries balances credits
    usage_corrections alerts);

my $pg = AI::Postgres->new;
my $rows = AI::Rows->new;

fill($_) for qw(acme other);


# ---- the catalogue ----

my @tables = map { $_->[0] } $pg->rows(<<'EOS');
SELECT relname FROM pg_class WHERE relnamespace = 'ai'::regnamespace
   AND relkind IN ('r', 'p') ORDER BY 1
EOS

my @open = map { $_->[0] } $pg->rows(<<'EOS');
SELECT relname FROM pg_class WHERE relnamespace = 'ai'::regnamespace
   AND relkind IN ('r', 'p') AND NOT (relrowsecurity AND relforcerowsecurity)
EOS

cmp_ok(scalar @tables, '>', 25, 'tables of the schema');
is_deeply([ grep { !$common{$_} } @open ], [],
    'row-level security is forced on every table of tenants');

is($pg->psql(<<'EOS'), '', 'nothing belongs to another role');
SELECT relname FROM pg_class WHERE relnamespace = 'ai'::regnamespace
   AND relowner <> 'ai_owner'::regrole
EOS

is($pg->psql(<<'EOS'), '', 'the owner is nobody special');
SELECT rolname FROM pg_roles WHERE rolname ~ '^ai_'
   AND (rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb)
EOS

is($pg->psql(<<'EOS'), '', 'PUBLIC may execute nothing');
SELECT oid::regprocedure FROM pg_proc
 WHERE pronamespace = 'ai'::regnamespace
   AND has_function_privilege('public', oid, 'EXECUTE')
EOS

is($pg->psql(<<'EOS'), '', 'PUBLIC may read nothing');
SELECT relname FROM pg_class WHERE relnamespace = 'ai'::regnamespace
   AND relkind IN ('r', 'p', 'v', 'm')
   AND (has_table_privilege('public', oid, 'SELECT')
        OR has_any_column_privilege('public', oid, 'SELECT'))
EOS

is($pg->psql(<<'EOS'), '', 'every definer function has a path of its own');
SELECT oid::regprocedure FROM pg_proc
 WHERE pronamespace = 'ai'::regnamespace AND prosecdef
   AND NOT 'search_path=ai, pg_catalog, pg_temp' = ANY (coalesce(proconfig, '{}'))
EOS

my %called = map { $_ => 1 } qw(ship maintain directory spend_others hello
    register usage_report);

is_deeply([ grep { !$called{$_} } map { $_->[0] } $pg->rows(<<'EOS') ], [],
SELECT proname FROM pg_proc WHERE pronamespace = 'ai'::regnamespace
   AND has_function_privilege('ai_gateway', oid, 'EXECUTE')
EOS
    'the gateway executes what it calls and no more');

is($pg->psql(<<'EOS'), '', 'nor has it a right to a table');
SELECT relname FROM pg_class WHERE relnamespace = 'ai'::regnamespace
   AND relkind IN ('r', 'p', 'v', 'm')
   AND has_any_column_privilege('ai_gateway', oid,
                                'SELECT, INSERT, UPDATE, REFERENCES')
EOS


# ---- table, verb, wrong tenant ----

my @verbs = (
    [ SELECT => 'SELECT 1 FROM TABLE' ],
    [ INSERT => 'INSERT INTO TABLE DEFAULT VALUES' ],
    [ UPDATE => 'UPDATE TABLE SET COLUMN = NULL' ],
    [ DELETE => 'DELETE FROM TABLE' ],
    [ TRUNCATE => 'TRUNCATE TABLE CASCADE' ],
);

my %settings = (
    unset => '',
    empty => "SET LOCAL ai.tenant = '';",
    'another tenant' => "SET LOCAL ai.tenant = 'nobody';",
    'SQL text' => "SET LOCAL ai.tenant = ''' OR true --';",
    'a pattern' => "SET LOCAL ai.tenant = '%';",
    'another role' => "SET LOCAL ai.tenant = 'acme'; SET LOCAL role = none;"
        . " SET LOCAL ROLE ai_gateway;",
);

my %may_read = map { $_ => 1 } @readable;

for my $role (qw(ai_tenant ai_gateway)) {
    for my $name (sort keys %settings) {
        my %got = matrix($role, $settings{$name});
        my (@refused, @wrong);

        for my $cell (sort keys %got) {
            my ($state, $n) = @{ $got{$cell} };
            my ($table, $verb) = split / /, $cell;

            # of what it may read, another tenant has nothing; anything else
            # and an unset tenant are errors

            my $none = $role eq 'ai_tenant' && $verb eq 'SELECT'
                && $may_read{$table} && $name =~ /another tenant|SQL|pattern/;

            push @refused, $cell if $state eq '42501';
            push @wrong, "$cell: $state $n rows" unless $none
                ? $state eq '00000' && $n == 0 : $state eq '42501';
        }

        is_deeply(\@wrong, [], sprintf '%s, %s: %d statements, %d are errors',
            $role, $name, scalar keys %got, scalar @refused);
    }
}

my %mine = matrix('ai_tenant', "SET LOCAL ai.tenant = 'acme';");

for my $table (@readable) {
    my $column = $table eq 'tenants' ? 'name' : 'tenant';
    my $n = $pg->value("SELECT count(*) FROM ai.$table
                         WHERE $column = 'acme'");

    cmp_ok($n, '>', 0, "$table has rows of the tenant");
    is_deeply($mine{"$table SELECT"}, [ '00000', $n ], "it sees them, $table");
}

is_deeply([ grep { $mine{$_}[0] ne '42501' && !/SELECT/ } sort keys %mine ], [],
    'a tenant changes nothing of its own');

is((as('ai_tenant', "SET LOCAL ai.tenant = 'acme';",
    'SELECT digest FROM ai.api_keys'))[0], '42501', 'no digest for a tenant');

like(run_as('ai_gateway', 'SET ROLE ai_owner'), qr/permission denied/,
    'a gateway may not');
like(run_as('ai_admin', 'SET ROLE ai_owner'), qr/permission denied/,
    'nor an administrator');

my %admin = matrix('ai_admin', '');

is_deeply([ grep { my $verb = (split)[1]; my $state = $admin{$_}[0];
        $verb eq 'SELECT' ? $state ne '00000' && !/_\d{6} / : $state ne '42501'
    } sort keys %admin ], [], 'an administrator reads tables, writes none');

# a setting is the transaction's

$pg->psql(<<'EOS', error => \my $error);
SET ROLE ai_tenant;
BEGIN; SET LOCAL ai.tenant = 'acme'; SELECT count(*) FROM ai.tenants; COMMIT;
SELECT count(*) FROM ai.tenants;
EOS
like($error, qr/ai\.tenant is not set/, 'no tenant is left for the next');

# a role of nobody's

$pg->psql('CREATE ROLE passer_by');

for my $sql ('SELECT 1 FROM ai.tenants', 'SELECT ai.maintain()',
    "SELECT * FROM ai.ship('" . NODE . "', '')")
{
    is((as('passer_by', '', $sql))[0], '42501', "a passer-by: $sql");
}

# the owner's function answers with the owner's objects

like(run_as('ai_gateway', 'CREATE TABLE ai.tenants2 ()'), qr/permission denied/,
    'a gateway makes nothing in the schema');
unlike(run_as('ai_gateway', <<'EOS'), qr/./, 'a temporary table misleads nobody');
CREATE TEMP TABLE housekeeping (usage_floor text, keep text);
CREATE TEMP TABLE usage_logs (id int);
SELECT ai.maintain();
EOS


# ---- append only ----

for my $table (qw(billing_transactions billing_entries credits
    usage_corrections audit))
{
    for my $sql ("UPDATE ai.$table SET tenant = tenant",
        "DELETE FROM ai.$table", "TRUNCATE ai.$table CASCADE")
    {
        for my $role ('postgres', 'ai_owner') {
            $pg->psql("SET ROLE $role; $sql", error => \$error);
            like($error, qr/append only/, "$role: $sql");
        }
    }

    $pg->psql("SET session_replication_role = replica; DELETE FROM ai.$table",
        error => \$error);
    like($error, qr/append only/, "$table of a replica role");
}


# ---- double entry ----

my %bad = (
    'no entry' => '',
    'one entry' => "INSERT INTO ai.billing_entries
        VALUES (:t, 'acme', 'tenant', 5)",
    'a sum' => "INSERT INTO ai.billing_entries
        VALUES (:t, 'acme', 'tenant', 5), (:t, 'acme', 'cash', -4)",
    'zero entries' => "INSERT INTO ai.billing_entries
        VALUES (:t, 'acme', 'tenant', 0), (:t, 'acme', 'cash', 0)",
    'two tenants' => "INSERT INTO ai.billing_entries
        VALUES (:t, 'acme', 'tenant', 5), (:t, 'other', 'cash', -5)",
    'another tenant' => "INSERT INTO ai.billing_entries
        VALUES (:t, 'other', 'tenant', 5), (:t, 'other', 'cash', -5)",
    'no transaction' => "INSERT INTO ai.billing_entries
        VALUES (99999, 'acme', 'tenant', 5), (99999, 'acme', 'cash', -5)",
    'a third entry' => "INSERT INTO ai.billing_entries
        VALUES (:t, 'acme', 'tenant', 5), (:t, 'acme', 'cash', -5);
        SET CONSTRAINTS ALL IMMEDIATE;
        INSERT INTO ai.billing_entries VALUES (:t, 'acme', 'adjustment', 1)",
    'a second pair' => "INSERT INTO ai.billing_entries
        VALUES (:t, 'acme', 'tenant', 5), (:t, 'acme', 'cash', -5);
        INSERT INTO ai.billing_entries
        VALUES (:t, 'acme', 'adjustment', 1), (:t, 'acme', 'revenue', -1)",
);

my $before = $pg->value('SELECT count(*) FROM ai.billing_transactions');

for my $name (sort keys %bad) {
    $pg->psql(transaction('acme', $bad{$name}), error => \$error);
    like($error, qr/not balanced|no entries|violates check/, "refused: $name");
}

is($pg->value('SELECT count(*) FROM ai.billing_transactions'), $before,
    'none of them is there');

$pg->psql(transaction('acme', "INSERT INTO ai.billing_entries
    VALUES (:t, 'acme', 'tenant', 5), (:t, 'acme', 'cash', -2),
           (:t, 'acme', 'adjustment', -3)"), error => \$error);
is($error, '', 'three entries that sum to zero');

done_testing();


# every table of the schema has a row of the tenant

sub fill {
    my ($tenant) = @_;

    my $lines = unpack 'H*', $rows->line(tenant => $tenant) . "\n";

    $pg->psql(<<EOS);
INSERT INTO ai.plans (name) VALUES ('pro') ON CONFLICT DO NOTHING;
INSERT INTO ai.tenants (name, plan) VALUES ('$tenant', 'pro');
INSERT INTO ai.users (tenant, name) VALUES ('$tenant', 'kim');
INSERT INTO ai.api_keys (tenant, name, digest, prefix)
    VALUES ('$tenant', 'prod', sha256('$tenant'), 'sk_ai_');
INSERT INTO ai.rate_limits (tenant, resource, period, amount)
    VALUES ('$tenant', 'cost', 'day', 1000);
INSERT INTO ai.owned_resources VALUES ('openai', 'file', '$tenant', '$tenant');
SELECT * FROM ai.ship('${\NODE}', '\\x$lines');
INSERT INTO ai.quarantine (node, line, reason)
    VALUES ('${\NODE}', '$tenant', 'test');
INSERT INTO ai.credits (tenant, amount_nanos, reference, transaction)
    SELECT '$tenant', 5, 'r', min(id) FROM ai.billing_transactions
     WHERE tenant = '$tenant';
INSERT INTO ai.rerates (reason, from_time, to_time) VALUES ('test', now(), now());
INSERT INTO ai.usage_corrections
    SELECT max(id), gen_random_uuid(), '$tenant', 1, 2 FROM ai.rerates;
INSERT INTO ai.changes (kind, name) VALUES ('tenant', '$tenant');
INSERT INTO ai.audit (actor, action, tenant) VALUES ('test', 'test', '$tenant');
EOS
}


# (SQLSTATE, rows) of each "TABLE VERB"

sub matrix {
    my ($role, $setting) = @_;

    my %column = map { @$_ } $pg->rows(<<'EOS');
SELECT c.relname, a.attname FROM pg_class c JOIN pg_attribute a
    ON a.attrelid = c.oid AND attnum = 2
 WHERE relnamespace = 'ai'::regnamespace AND relkind IN ('r', 'p')
EOS

    my $script = "\\set ON_ERROR_STOP 0\n";

    for my $table (@tables) {
        for (@verbs) {
            my ($verb, $sql) = @$_;

            $sql =~ s/TABLE/ai.$table/;
            $sql =~ s/COLUMN/$column{$table}/;

            $script .= "BEGIN; SET LOCAL ROLE $role; $setting\n$sql"
                . "\n\\g /dev/null\n\\echo $table $verb :SQLSTATE :ROW_COUNT\n"
                . "ROLLBACK;\n";
        }
    }

    return map { my ($t, $v, $state, $n) = split / /; ("$t $v" => [ $state, $n ]) }
        split /\n/, $pg->psql($script, error => \my $ignored);
}


sub as {
    my ($role, $setting, $sql) = @_;

    my ($last) = reverse split /\n/, $pg->psql("\\set ON_ERROR_STOP 0\n"
        . "BEGIN; SET LOCAL ROLE $role; $setting\n$sql\n\\g /dev/null\n"
        . "\\echo :SQLSTATE :ROW_COUNT\nROLLBACK;\n");

    return split / /, $last;
}


sub run_as {
    my ($role, $sql) = @_;

    $pg->psql($sql, role => $role, error => \my $text);

    return $text;
}


sub transaction {
    my ($tenant, $entries) = @_;

    return <<EOS;
BEGIN;
INSERT INTO ai.billing_transactions (tenant, kind) VALUES ('$tenant', 'credit')
    RETURNING id AS t \\gset
$entries;
COMMIT;
EOS
}
