#!/usr/bin/perl

# The feed of the directory: documents, marks, pages, and that no change is
# missed, however transactions overlap.

use strict;
use warnings;

use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";

use Digest::SHA qw(sha256_hex);
use Time::HiRes qw(time);

use AI::Postgres;
use AI::Rows;
use AI::Session;

my $pg = AI::Postgres->new;
my $gw = AI::Session->new($pg, role => 'ai_gateway');

# one page, as [kind, name, doc, mark]

sub page {
    my ($s, $mark, $after, $max) = @_;

    my $out = $s->do("SELECT kind || '|' || name || '|'
            || coalesce(replace(doc, E'\\n', ';'), '-') || '|' || mark
        FROM ai.directory('$mark', '$after', $max)");

    is($s->state, '00000', 'page') if $s->state ne '00000';

    return map { [ split /\|/, $_, -1 ] } split /\n/, $out;
}

# a whole pass: what it told by kind and name, the last row, and the names

sub feed {
    my ($mark, %o) = @_;

    my ($after, %docs, @names) = ('');

    for my $n (1 .. 10000) {
        my @rows = page($o{session} || $gw, $mark, $after, $o{max} || 1000);

        cmp_ok(scalar @rows, '<=', $o{max}, 'page is no longer')
            if $o{max} && @rows > $o{max};

        for my $row (@rows) {
            if ($row->[0] eq 'end') {
                return { docs => \%docs, end => $row, names => \@names };
            }

            my $name = "$row->[0] $row->[1]";

            fail("$name twice in a pass") if exists $docs{$name};

            $docs{$name} = $row->[2];
            push @names, $name;
        }

        last if !@rows;

        $after = "$rows[-1][0]\t$rows[-1][1]";
        $o{between}->($n) if $o{between};
    }

    die "pass without an end\n";
}

sub admin { return $pg->psql("SELECT ai.$_[0]", role => 'ai_admin') }

sub digest_of {
    my ($name) = @_;

    return $pg->value("SELECT encode(digest, 'hex') FROM ai.api_keys
        WHERE name = '$name' ORDER BY id DESC");
}


# ---- documents ----

my $empty = feed('');

is_deeply($empty->{docs}, {}, 'nothing there');
is($empty->{end}[2], 'full', 'told in full');

admin(q{create_plan('pro', models => '{gpt-*,claude-x}', max_output => 4096,
    unbounded => 'allow', on_revoke => 'finish', share => 30, queue => 50,
    priority => 'dedicated', cache => true, cache_price => 0,
    cache_ttl => 60)});
admin(q{set_limit('cost', 500.5, 'month', plan => 'pro')});
admin(q{set_limit('requests', 10, 'm', plan => 'pro', per_key => true)});
admin(q{create_tenant('acme', 'pro', labels => '{"team": "a b"}',
    prepaid => true)});
admin(q{set_limit('concurrency', 5, tenant => 'acme')});
admin(q{set_limit('tokens', 1000, 'h', burst => 7, tenant => 'acme',
    per_key => true)});
admin(q{top_up('acme', 12.5, 'a')});
admin(q{adjust('acme', -2, 'why', 'b')});
admin(q{create_key('acme', 'prod')});
admin(q{create_key('acme', 'ci', models => '{gpt-4.1,o*}',
    expires_at => '2099-01-01T00:00:00Z')});
admin(q{set_limit('input_tokens', 9, 'day', tenant => 'acme', key => 'ci')});
admin(q{add_price('gpt-4.1', '{"input": 2.000000001, "output": 8}')});
admin(q{add_price('gpt-4.1', '{"input": 1, "cache_write": 0}',
    tier => 'flex', valid_from => '2020-01-01T00:00:01Z')});
admin(q{add_price('gpt-4.1', '{"input": 9}', list => 'list')});
admin(q{set_unit_price('gpt-4.1', 'web_search', 0.01)});

my $all = feed('', max => 2);
my %docs = (
    'p pro' => 'models gpt-* claude-x;max_output 4096;on_store_loss local;'
        . 'unbounded allow;on_abort cancel;on_revoke finish;'
        . 'priority dedicated;share 30;queue 50 2000;cache 0 60;'
        . 'limit cost month 500500000000 0;'
        . 'key_limit requests m 10 10;',
    't acme' => 'plan pro;state active;labels {"team": "a b"};'
        . 'limit concurrency - 5 0;key_limit tokens h 1000 7;'
        . 'credit 10500000000;',
    'm gpt-4.1' => 'price standard 0 0 input=2000000001 output=8000000000;'
        . 'price flex 0 1577836801 input=1000000000 cache_write=0;'
        . 'unit web_search=10000000;',
    'k ' . digest_of('prod') => 'tenant acme;name prod;',
    'k ' . digest_of('ci') => 'tenant acme;name ci;expires 4070908800;'
        . 'models gpt-4.1 o*;limit input_tokens day 9 0;',
);

is_deeply($all->{docs}, \%docs, 'documents, in pages of two');
is_deeply(feed('')->{docs}, \%docs, 'and in one');
cmp_ok(length $all->{end}[3], '<=', 63, 'a mark is short enough');

my $mark = $all->{end}[3];
my $next = feed($mark);

is($next->{end}[2], 'changes', 'changes only');


# ---- what is told of each change ----

sub changed {
    my ($what, $change, @want) = @_;

    my $from = feed($mark)->{end}[3];

    $pg->psql($change);

    my $f = feed($from);

    $mark = $f->{end}[3];
    is_deeply([sort grep { !/^end/ } keys %{ $f->{docs} }], [sort @want],
        $what) or diag explain $f;
    is_deeply(feed($mark)->{docs}, {}, "$what, once");

    return $f->{docs};
}

my $ci = digest_of('ci');

changed('plan', "SELECT ai.set_plan('pro', max_output => 5)", 'p pro');
changed('plan again as it is', "UPDATE ai.plans SET name = name");
changed('limit of a plan', "SELECT ai.set_limit('tokens', 1, 'm',
    plan => 'pro')", 'p pro');
changed('limit of a tenant', "SELECT ai.set_limit('tokens', 1, 'm',
    tenant => 'acme')", 't acme');
changed('limit of a key', "SELECT ai.set_limit('tokens', 1, 'm',
    tenant => 'acme', key => 'ci')", "k $ci");
changed('credit', "SELECT ai.top_up('acme', 1, 'c')", 't acme');
like(changed('suspension', "SELECT ai.suspend_tenant('acme')", 't acme')
    ->{'t acme'}, qr/state suspended/, 'is told');
is(changed('revocation', "SELECT ai.revoke_key(tenant => 'acme',
    name => 'ci')", "k $ci")->{"k $ci"}, '-', 'a revoked key is gone');
changed('price', "SELECT ai.add_price('m2', '{\"input\": 1}')", 'm m2');
is(changed('price that is dropped', "DELETE FROM ai.prices
    WHERE model = 'm2'", 'm m2')->{'m m2'}, '-', 'is gone');
changed('price of another list', "SELECT ai.add_price('m2', '{\"input\": 1}',
    list => 'list')");
changed('plan\'s cache', "SELECT ai.set_plan('pro', cache_ttl => 0)", 'p pro');
like(feed('')->{docs}{'p pro'}, qr/;cache 0 0;/, 'cache as nginx.conf says');
changed('plan that is dropped', "SELECT ai.create_plan('p2');
    SELECT ai.drop_plan('p2')", 'p p2');
changed('names of nginx.conf', "SELECT ai.register('" . AI::Rows::node(1)
    . "', E'p c\\nt conf c\\n')");
changed('adoption', "SELECT ai.adopt('tenant', 'conf')", 't conf');

ok(!exists feed('')->{docs}{"k $ci"}, 'a revoked key is in no full load');

admin(q{create_key('acme', 'brief', expires_at => now() + interval '1 h')});

my $brief = digest_of('brief');

ok(exists feed('')->{docs}{"k $brief"}, 'a key that expires');
$pg->psql("UPDATE ai.api_keys SET expires_at = now() - interval '25 h'
    WHERE name = 'brief'");
ok(!exists feed('')->{docs}{"k $brief"}, 'a key that expired long ago');


# ---- transactions that overlap ----

# number before, commit after: what was numbered first must not be passed by

$mark = feed('')->{end}[3];

my ($early, $late) = map { AI::Session->new($pg) } 1, 2;

$early->do('BEGIN');
$early->do("SELECT ai.create_tenant('early', 'pro')");
$late->do("SELECT ai.create_tenant('late', 'pro')");

my $seen = feed($mark);

ok(exists $seen->{docs}{'t late'} && !exists $seen->{docs}{'t early'},
    'what is committed is told');

$mark = $seen->{end}[3];
$early->do('COMMIT');
$seen = feed($mark);
ok(exists $seen->{docs}{'t early'}, 'what was numbered before is told after');

# commits between two pages, before and behind the place of the reader

for my $whole (1, 0) {
    my %want;

    $mark = $whole ? '' : feed('')->{end}[3];

    $pg->psql("SELECT ai.create_tenant('n$whole-' || i, 'pro')
        FROM generate_series(1, 12) i");
    $early->do('BEGIN');
    $early->do("SELECT ai.create_tenant('a$whole-early', 'pro')");

    my $f = feed($mark, max => 3, between => sub {
        my ($n) = @_;

        $late->do("SELECT ai.create_tenant('$_$whole-$n', 'pro')"),
            $want{"t $_$whole-$n"} = 1 for 'a', 'z';
        $early->do('COMMIT') if $n == 4;
    });

    my %told = (%{ $f->{docs} }, %{ feed($f->{end}[3])->{docs} });

    is(join(' ', grep { !exists $told{$_} } sort(keys %want),
        "t a$whole-early"), '', 'nothing between pages is missed'
        . ($whole ? ', full' : ', changes'));
    cmp_ok(scalar(keys %want), '>', 6, 'there were pages');
}

# at random: transactions that stay open for a while, a reader that follows,
# in pages; in the end it has what is there

my (%has, @open);

srand 20261121;

sub follow {
    my $f = feed($mark, max => 1 + int rand 9);

    %has = () if $f->{end}[2] eq 'full';

    for my $name (keys %{ $f->{docs} }) {
        if ($f->{docs}{$name} eq '-') {
            delete $has{$name};

        } else {
            $has{$name} = $f->{docs}{$name};
        }
    }

    $mark = $f->{end}[3];
}

$mark = '';
follow();

$pg->psql("SELECT ai.create_key('acme', 'r' || i)
    FROM generate_series(1, 30) i");

for (1 .. 400) {
    my $s = $open[rand 4] //= AI::Session->new($pg);

    if (!$s->{begun}) {
        $s->do('BEGIN');
        $s->do("SET LOCAL lock_timeout = '1ms'");
        $s->{begun} = 1;
        next;
    }

    my $n = 1 + int rand 30;
    my $what = int rand 6;

    if ($what == 0) {
        $s->do(rand() < 0.3 ? 'ROLLBACK' : 'COMMIT');
        $s->{begun} = 0;

    } elsif ($what == 1) {
        follow();

    } else {
        $s->do('SAVEPOINT s');
        $s->do($what == 2 ? "UPDATE ai.api_keys SET expires_at = now()
                   + interval '1 h' * random() WHERE name = 'r$n'"
             : $what == 3 ? "UPDATE ai.api_keys SET revoked_at = CASE
                   WHEN revoked_at IS NULL THEN now() END WHERE name = 'r$n'"
             : $what == 4 ? "INSERT INTO ai.tenants (name, plan)
                   VALUES ('r' || nextval('pg_temp.n'), 'pro')"
             : "UPDATE ai.tenants SET labels = jsonb_build_object('x',
                   random()::text) WHERE name = 'n1-" . (1 + $n % 12) . "'");
        $s->do('ROLLBACK TO s') if $s->state ne '00000';
    }
}

$_->do('COMMIT') for grep { $_ } @open;
follow();
is_deeply(\%has, feed('')->{docs}, 'a reader at random has all there is');


# ---- marks ----

my @parts = split m{/}, $mark;

is(feed($_)->{end}[2], 'full', "mark '$_' is of no use here")
    for 'x', '1/2', $parts[0], "$parts[0]/" . 'f' x length $parts[1],
        "$parts[0]/$parts[1]7", "9999999999/$parts[1]";

admin(q{set_plan('pro', max_output => 77)});
$pg->psql('DELETE FROM ai.changes');
is(feed($mark)->{end}[2], 'full', 'lines that were needed are thrown away');
$mark = feed('')->{end}[3];
is(feed($mark)->{end}[2], 'changes', 'lines that nobody needs');

$pg->psql("UPDATE ai.tenants SET labels = '{\"y\": \"z\"}'");

my @first = page($gw, $mark, '', 3);

$pg->psql('DELETE FROM ai.feed_pages');

my $after = "$first[-1][0]\t$first[-1][1]";
my @rest = page($gw, $mark, $after, 1000);

is($rest[-1][3], '', 'a pass whose beginning is lost is done again');

my $bad;

$pg->psql("SELECT * FROM ai.directory('', E'k\\tx', 5)", role => 'ai_gateway',
    error => \$bad);
like($bad, qr/bad "after"/, 'a place that is none');


# ---- notification ----

my $listener = AI::Session->new($pg, role => 'ai_gateway');

$listener->do('LISTEN ai_changes');
admin(q{set_plan('pro', max_output => 9)});

my $heard = '';

for (1 .. 200) {
    $heard .= $listener->do('SELECT 1');
    last if $heard =~ /notification/;
}

like($heard, qr/"ai_changes" with payload "plan"/, 'notified');


# ---- what others spent ----

sub others {
    my ($node, $mark) = @_;

    my @rows = split /\n/, $gw->do("SELECT tenant, key, d_requests, d_cost,
            m_requests, m_input, m_cost, t_cost, mark
        FROM ai.spend_others('" . AI::Rows::node($node) . "', '$mark')");
    my $end = (split /\|/, pop @rows)[8];

    return ($end, map { s/\|$//r } sort @rows);
}


$pg->psql("INSERT INTO ai.plans (name) VALUES ('bare')");
admin(q{create_tenant('free', 'bare')});

my $rows = AI::Rows->new(seed => 1);

AI::Rows::ship($pg, 1, map { $rows->line(tenant => $_, cost => 1000) }
    'acme', 'free', 'elsewhere');
AI::Rows::ship($pg, 2, $rows->line(cost => 30), $rows->line(cost => 4,
    key => 'ci'));

my ($m, @rows) = others(1, '');

is_deeply(\@rows, ['acme|ci|1|4|1|100|4|0', 'acme||2|34|2|200|34|34'],
    'other nodes, tenants and keys with budgets only');
is_deeply([(others(2, ''))[1]], ['acme||1|1000|1|100|1000|1000'],
    'not its own');
is_deeply([(others(1, $m))[1]], [undef], 'once');
admin(q{set_limit('cost', 5, 'day', tenant => 'acme', per_key => true)});
AI::Rows::ship($pg, 2, $rows->line(cost => 100, key => 'ci'));
($m, @rows) = others(1, $m);
is_deeply(\@rows, ['acme|ci|2|104|2|200|104|0', 'acme|prod|1|30|1|100|30|0',
    'acme||3|134|3|300|134|134'],
    'what changed since, whole sums, also of keys that have a limit now');


# ---- gateways ----

for (1, 2) {
    $gw->do("SELECT ai.hello('" . AI::Rows::node(1) . "', 'h', 'v$_', 9)");
    is($gw->state, '00000', 'hello');
}

is($pg->psql('SELECT host, version FROM ai.nodes'), 'h|v2', 'nodes');
$gw->do("SELECT ai.hello('" . AI::Rows::node(1) . "', 'h', 'v', 1000)");
is($gw->state, 'AI001', 'a gateway that needs a newer schema');


# ---- many ----

my $started = time();

$pg->psql(q{
BEGIN;
INSERT INTO ai.tenants (name, plan)
    SELECT 'many' || i, 'pro' FROM generate_series(1, 20000) i;
INSERT INTO ai.api_keys (tenant, name, digest, prefix)
    SELECT 'many' || i, 'prod', sha256(i::text::bytea), 'sk_ai_xxxx'
    FROM generate_series(1, 20000) i;
COMMIT;
});

note sprintf '20000 tenants and keys entered in %.2f s', time() - $started;

$started = time();

my $many = feed($mark, max => 2000);

is($many->{end}[2], 'full', 'many changes are told in full');
is(scalar(grep { /^t many/ } @{ $many->{names} }), 20000, 'tenants');
is($many->{docs}{'k ' . sha256_hex('777')}, 'tenant many777;name prod;',
    'a key of many');
is_deeply(feed($many->{end}[3])->{docs}, {}, 'the next mark is of the start');
cmp_ok(time() - $started, '<', 30, 'in a time that does not grow with its '
    . 'square');
note sprintf '%d rows told in %.2f s', scalar @{ $many->{names} },
    time() - $started;

undef $gw;
undef $_ for $early, $late, $listener;
@open = ();

done_testing();
