#!/usr/bin/perl

# Administration in SQL: what the functions do, what they refuse, and the trail
# that they leave.

use strict;
use warnings;

use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";

use Compress::Raw::Zlib qw(crc32);
use Digest::SHA qw(sha256_hex);
use JSON::PP;

use AI::Postgres;
use AI::Session;

my $pg = AI::Postgres->new;
my $json = JSON::PP->new->allow_nonref->canonical;
my $error;

# a call as the endpoint makes it: the answer, or SQLSTATE and text

sub admin {
    my ($call, %args) = @_;

    my $args = $json->encode(\%args);
    my $out = $pg->psql("\\set VERBOSITY verbose\nSELECT ai.admin('tester',
        '$call', \$args\$$args\$args\$)", role => 'ai_admin',
        error => \$error);

    return $json->decode($out) if defined $out;

    return $error =~ /ERROR:\s+(\w{5}): ([^\n]*)/ ? "$1 $2" : $error;
}

sub refused {
    my ($like, $what, $call, %args) = @_;

    my $got = admin($call, %args);

    ref $got ? fail("$what: not refused") : like($got, $like, $what);
}

sub checksum {
    my ($text) = @_;

    my @digits = (0 .. 9, 'A' .. 'Z', 'a' .. 'z');
    my $n = crc32($text);
    my $out = '';

    for (1 .. 6) {
        $out = $digits[$n % 62] . $out;
        $n = int $n / 62;
    }

    return $out;
}


# ---- plans and tenants ----

is(admin('create_plan', name => 'pro', models => ['gpt-*', 'claude-x'],
    max_output => 4096, priority => 'guaranteed', share => 30)->{name}, 'pro',
    'plan');
is(admin('set_plan', name => 'pro', max_output => 0, on_revoke => 'finish',
    share => undef)->{on_revoke}, 'finish', 'changed plan');
is($pg->value("SELECT max_output IS NULL, share, array_to_string(models, ' ')
    FROM ai.plans"), 't|30|gpt-* claude-x', 'what was not given stays');

admin('set_plan', name => 'pro', queue => 50, queue_timeout => 300);
is($pg->value("SELECT queue, queue_timeout FROM ai.plans"), '50|300', 'queue');
admin('set_plan', name => 'pro', queue => 0);
is($pg->value("SELECT queue IS NULL, queue_timeout FROM ai.plans"), 't|300',
    'no queue');
refused(qr/^22023 queue must be 1 to 10000/, 'long queue',
    set_plan => name => 'pro', queue => 10001);
refused(qr/^22023 queue_timeout must be 1 to 60000/, 'timeout of 0',
    set_plan => name => 'pro', queue_timeout => 0);

admin('set_plan', name => 'pro', cache => JSON::PP::true, cache_price => 0,
    cache_ttl => 60);
is($pg->value("SELECT cache, cache_price, cache_ttl FROM ai.plans"), 't|0|60',
    'cache');
admin('set_plan', name => 'pro', cache_price => 25, cache_ttl => 0);
is($pg->value("SELECT cache, cache_price, cache_ttl IS NULL FROM ai.plans"),
    't|25|t', 'cache for as long as nginx.conf says');
refused(qr/^22023 cache_price must be 0 to 100/, 'price of a hit',
    set_plan => name => 'pro', cache_price => 101);
refused(qr/^22023 cache_ttl must not be negative/, 'ttl of the past',
    set_plan => name => 'pro', cache_ttl => -1);
refused(qr/^22023 "cache" must be a boolean/, 'cache that is a word',
    set_plan => name => 'pro', cache => 'on');

refused(qr/^22023 priority dedicated needs a share/, 'priority without a share',
    create_plan => name => 'p2', priority => 'dedicated');
refused(qr/^22023 priority guaranteed needs a share/, 'share that goes',
    set_plan => name => 'pro', share => 0);
refused(qr/^22023 priority best_effort takes no share/, 'share of best effort',
    create_plan => name => 'p2', share => 30);
refused(qr/^22023 priority best_effort takes no share/, 'the same, given',
    set_plan => name => 'pro', priority => 'best_effort', share => 30);
is(admin('set_plan', name => 'pro', priority => 'best_effort')->{share}, undef,
    'best effort takes the share away');
admin('set_plan', name => 'pro', priority => 'guaranteed', share => 30);

for my $bad ("priority = 'best_effort'", 'share = NULL', 'cache_price = 101',
    'cache_price = -1', 'cache_price = NULL', 'cache_ttl = 0',
    'cache = NULL')
{
    $pg->psql("UPDATE ai.plans SET $bad WHERE name = 'pro'",
        error => \$error);
    like($error, qr/violates (check|not-null) constraint/, "table: $bad");
}

is(admin('create_plan', name => 'wide',
    models => ['meta/llama+tools*', 'm' x 128])->{name}, 'wide',
    'patterns of every name');
admin('drop_plan', name => 'wide');
refused(qr/^22023 models/, 'pattern that is too long', create_plan =>
    name => 'p2', models => ['m' x 129]);

admin('create_tenant', name => 'acme', plan => 'pro',
    labels => { team => 'search' }, alert_shares => [90, 50, 90]);
is($pg->value("SELECT alert_shares, labels FROM ai.tenants"),
    '{50,90}|{"team": "search"}', 'tenant');
is(admin('suspend_tenant', name => 'acme')->{state}, 'suspended', 'suspended');
is(admin('resume_tenant', name => 'acme')->{state}, 'active', 'resumed');

refused(qr/^AI409 .*already/, 'plan twice', create_plan => name => 'pro');
refused(qr/^22023 models/, 'pattern', create_plan => name => 'p2',
    models => ['a b']);
refused(qr/^22023 on_abort must be one of cancel, drain/, 'word',
    create_plan => name => 'p2', on_abort => 'maybe');
is($pg->value("SELECT count(*) FROM ai.plans"), 1, 'a refused call did nothing');
refused(qr/^AI404 no plan/, 'plan of a tenant', create_tenant => name => 'x',
    plan => 'none');
refused(qr/^AI409 .*used by 1/, 'plan in use', drop_plan => name => 'pro');
refused(qr/^AI404 no tenant 'beta'/, 'tenant', suspend_tenant =>
    name => 'beta');
refused(qr/^22023 tenant .* is not a name/, 'name', create_tenant =>
    name => "a'; DROP SCHEMA ai --", plan => 'pro');
refused(qr/^22023 labels/, 'labels', set_tenant => name => 'acme',
    labels => { x => 'y' x 300 });
refused(qr/^22023 label x must be a string/, 'label', set_tenant =>
    name => 'acme', labels => { x => 1 });

refused(qr/^22023 create_tenant has no argument "nam"/, 'unknown argument',
    create_tenant => nam => 'x', plan => 'pro');
refused(qr/^22023 create_tenant needs "plan"/, 'missing argument',
    create_tenant => name => 'x');
refused(qr/^22023 "name" must be a string/, 'type of an argument',
    create_tenant => name => 7, plan => 'pro');
refused(qr/^22023 invalid input syntax/, 'text of an argument',
    usage => from => 'a week ago or so');
refused(qr/^AI404 no call/, 'a function that is no call', refuse => code => 1);
refused(qr/^AI404 no call/, 'a name that is none',
    "x''); DROP TABLE ai.plans --");


# ---- keys ----

my %seen;

for my $n (1 .. 20) {
    my $key = admin('create_key', tenant => 'acme', name => "k$n")->{key};

    like($key, qr/^sk_ai_[0-9A-Za-z]{38}$/, 'form of a key') or last;
    is(substr($key, 38), checksum(substr $key, 6, 32), 'its checksum');
    is($pg->value("SELECT count(*) FROM ai.api_keys WHERE name = 'k$n'
        AND digest = '\\x" . sha256_hex($key) . "'
        AND prefix = '" . substr($key, 0, 10) . "'"), 1, 'its digest');

    $seen{$_}++ for split //, substr $key, 6, 32;
}

# of 62 characters each is as likely: 640 draws miss one of them once in 500

cmp_ok(scalar keys %seen, '>=', 60, 'all characters come');
is($pg->value("SELECT ai.key_checksum('DemoDemoDemoDemoDemoDemoDemoDemo')"),
    '4SFPVU', 'checksum of the known key');

refused(qr/^AI409 .*has a key k1 already|AI409 .*key 'k1' already/, 'key twice',
    create_key => tenant => 'acme', name => 'k1');

my $made = admin('rotate_key', tenant => 'acme', name => 'k1',
    overlap => '1 hour');

is($pg->value("SELECT count(*), count(rotated_to), bool_or(expires_at
    BETWEEN now() + interval '59 min' AND now() + interval '61 min')
    FROM ai.api_keys WHERE name = 'k1' AND revoked_at IS NULL"), '2|1|t',
    'rotated: the old one stays for the overlap');
is(admin('revoke_key', tenant => 'acme', name => 'k1')->{revoked}, 2,
    'revoked by name');
is(admin('revoke_key', id => $made->{id})->{revoked}, 0, 'once');
refused(qr/^AI404/, 'no such key', revoke_key => id => 999_999);
refused(qr/^22023 give either/, 'key of nobody', revoke_key => name => 'k2');
refused(qr/^AI404/, 'rotation of a revoked one', rotate_key =>
    tenant => 'acme', name => 'k1');
admin('rotate_key', tenant => 'acme', name => 'k2', overlap => '0');
is($pg->value("SELECT count(revoked_at) FROM ai.api_keys WHERE name = 'k2'"),
    1, 'no overlap: the old one ends at once');

my $brought = 'some-key-of-another-gateway';
my $digest = sha256_hex($brought);

admin('import_key', tenant => 'acme', name => 'old', digest => $digest,
    prefix => 'some-key');
refused(qr/^AI409 there is such a key/, 'digest twice', import_key =>
    tenant => 'acme', name => 'old2', digest => uc $digest);
refused(qr/^22023 digest must be 64/, 'a key in place of its digest',
    import_key => tenant => 'acme', name => 'old3', digest => $brought);
unlike($error, qr/\Q$brought/, 'which is not quoted');

is(scalar(grep { exists $_->{digest} }
    @{ admin('list_keys', tenant => 'acme')->{data} }), 0,
    'no list has digests');


# ---- limits ----

admin('set_limit', resource => 'cost', amount => '500.000000001',
    period => 'month', plan => 'pro');
admin('set_limit', resource => 'requests', amount => 100, period => 'm',
    burst => 20, tenant => 'acme');
admin('set_limit', resource => 'requests', amount => 50, period => 'm',
    tenant => 'acme');
is($pg->psql("SELECT resource, period, amount, burst FROM ai.rate_limits
    ORDER BY id"), "cost|month|500000000001|\nrequests|m|50|",
    'limits, one of a kind');

refused(qr/^22023 amount has more than nine/, 'decimals', set_limit =>
    resource => 'cost', amount => '1.0000000001', period => 'day',
    plan => 'pro');
refused(qr/^22023 amount must be a whole/, 'half a request', set_limit =>
    resource => 'requests', amount => 1.5, period => 'day', plan => 'pro');
refused(qr/^22023 concurrency has no period/, 'period', set_limit =>
    resource => 'concurrency', amount => 1, period => 'day', plan => 'pro');
refused(qr/^22023 period must be one of/, 'no period', set_limit =>
    resource => 'tokens', amount => 1, plan => 'pro');
refused(qr/^22023 burst goes/, 'burst of a window', set_limit =>
    resource => 'tokens', amount => 1, period => 'day', burst => 5,
    plan => 'pro');
refused(qr/^22023 give either/, 'two owners', set_limit =>
    resource => 'tokens', amount => 1, period => 'day', plan => 'pro',
    tenant => 'acme');
refused(qr/^AI404 tenant 'acme' has no key/, 'key', set_limit =>
    resource => 'tokens', amount => 1, period => 'day', tenant => 'acme',
    key => 'none');
is(admin('drop_limit', resource => 'requests', period => 'm',
    tenant => 'acme')->{dropped}, 1, 'dropped');
refused(qr/^AI404 no such limit/, 'once', drop_limit => resource =>
    'requests', period => 'm', tenant => 'acme');


# ---- prices ----

admin('add_price', model => 'gpt-4.1', classes => { input => 2,
    cache_read => '0.50', output => '8.000' });
is($pg->value("SELECT classes FROM ai.prices"),
    '{"input": 2, "output": 8, "cache_read": 0.5}', 'price');
refused(qr/^AI409 .*another price/, 'another price of the same date',
    add_price => model => 'gpt-4.1', classes => { input => 3 });
ok(ref admin('add_price', model => 'gpt-4.1', classes => { input => 3,
    output => 8 }, replace => JSON::PP::true), 'corrected');
is($pg->value("SELECT classes ->> 'input' FROM ai.price_changes"), 2,
    'what it was is kept');
refused(qr/^22023 a class of tokens must be one of/, 'class', add_price =>
    model => 'm', classes => { inputs => 3 });
refused(qr/^22023 the price of input/, 'negative', add_price => model => 'm',
    classes => { input => -1 });
refused(qr/^22023 classes must name input or output/, 'neither', add_price =>
    model => 'm', classes => { cache_read => 1 });
refused(qr/^AI409 .*no price today/, 'begins tomorrow', add_price =>
    model => 'm', classes => { input => 1 }, valid_from =>
    '2099-01-01T00:00:00Z');
refused(qr/^AI409 .*without above/, 'a tier with a threshold only',
    add_price => model => 'gpt-4.1', classes => { input => 1 },
    tier => 'flex', above => 1000);
refused(qr/^AI409 .*no price today/, 'the only price', drop_price =>
    model => 'gpt-4.1') if ref admin('add_price', model => 'gpt-4.1',
    classes => { input => 1 }, above => 200000);
is(admin('set_unit_price', model => 'gpt-4.1', unit => 'web_search',
    usd => '0.01')->{valid_from}, '-infinity', 'unit price');


# ---- credit ----

is(admin('top_up', tenant => 'acme', amount => '25.5', reference => 'inv 1')
    ->{balance_usd}, '25.500000000', 'credit');
ok(!admin('top_up', tenant => 'acme', amount => 25.5, reference => 'inv 1')
    ->{entered}, 'the same payment again is not entered');
refused(qr/^AI409 reference 'inv 1' was entered before/,
    'another amount of that payment', top_up => tenant => 'acme',
    amount => 26, reference => 'inv 1');
refused(qr/^22023 amount must be more/, 'negative payment', top_up =>
    tenant => 'acme', amount => -1, reference => 'inv 2');
is(admin('adjust', tenant => 'acme', amount => -5, reason => 'refunded',
    reference => 'r1')->{balance_usd}, '20.500000000', 'adjusted');
is($pg->psql("SELECT account, sum(amount_nanos) FROM ai.billing_entries
    GROUP BY 1 ORDER BY 1"), "adjustment|5000000000\ncash|-25500000000\n"
    . 'tenant|20500000000', 'double entry');

my @two = map { AI::Session->new($pg, role => 'ai_admin') } 1, 2;

$two[0]->do('BEGIN');
$two[0]->do("SELECT ai.top_up('acme', 1, 'both')");
$two[1]->send("SELECT ai.top_up('acme', 1, 'both') ->> 'entered'");

for (1 .. 500) {
    last if $two[1]->waits;
    select undef, undef, undef, 0.01;
}

$two[0]->do('COMMIT');
is($two[1]->answer, 'false', 'a payment entered by two at once counts once');
is($pg->value("SELECT sum(balance_nanos) FROM ai.balances"), '21500000000',
    'balance');


# ---- nginx.conf ----

my $node = '00000000-0000-4000-8000-000000000001';
my $names = "p pro\\np base\\nt conf base\\nt acme base\\nk conf prod "
    . 'ab' x 32 . "\\nk conf ci $digest\\nm gpt-4.1\\nm other\\n";

my $clashes = "key @{[ substr $digest, 0, 8 ]}... of tenant conf is in SQL for "
    . "tenant acme\nmodel gpt-4.1 has prices in SQL too\nplan pro is in SQL too\n"
    . "tenant acme is in SQL too";

for (1, 2) {
    is($pg->psql("SELECT ai.register('$node', E'$names')",
        role => 'ai_gateway') =~ s/\n+$//r, $clashes, 'clashes');
}

is($pg->value("SELECT count(*) FROM ai.alerts WHERE kind = 'clash'"), 4,
    'each is one alert');
is($pg->psql("SELECT name, plan, origin FROM ai.tenants ORDER BY 1"),
    "acme|pro|sql\nconf|base|conf", 'names of nginx.conf are registered');

for ([set_plan => name => 'base'], [drop_plan => name => 'base'],
    [set_tenant => name => 'conf'], [suspend_tenant => name => 'conf'],
    [create_key => tenant => 'conf', name => 'x'],
    [create_user => tenant => 'conf', name => 'x'],
    [set_limit => tenant => 'conf', resource => 'tokens', amount => 1,
     period => 'day'],
    [set_limit => plan => 'base', resource => 'tokens', amount => 1,
     period => 'day'])
{
    my ($call, %args) = @$_;

    refused(qr/^AI409 .*is in nginx.conf/, "$call of nginx.conf's", $call,
        %args);
}

refused(qr/^AI409 .*in nginx.conf/, 'tenant of nginx.conf', create_tenant =>
    name => 'conf', plan => 'pro');
ok(ref admin('adopt', kind => 'tenant', name => 'conf'), 'adopted');
ok(ref admin('create_key', tenant => 'conf', name => 'x'), 'is of SQL now');
like($pg->psql("SELECT ai.register('$node', 'k acme')", role => 'ai_gateway',
    error => \$error) // $error, qr/bad line of ai.register/, 'bad line');

admin('set_retention', keep => '13 months');
is($pg->value('SELECT keep FROM ai.housekeeping'), '1 year 1 mon',
    'rows are kept for so long');
refused(qr/^22023 .*32 days/, 'not for less', set_retention =>
    keep => '31 days');


# ---- trail ----

is($pg->value("SELECT count(*) FROM ai.audit WHERE actor <> 'tester'
    AND actor <> 'ai_admin'"), 0, 'who did it');
is($pg->value("SELECT count(*) FROM ai.audit WHERE action = 'top_up'"), 4,
    'one line for each call that did something');

my $trail = $pg->psql('SELECT to_jsonb(a) FROM ai.audit a');

unlike($trail, qr/sk_ai_|[0-9a-f]{64}/i, 'neither keys nor digests');
unlike($trail, qr/"digest"/, 'not even their name');

for my $role ('ai_gateway') {
    $pg->psql("SELECT ai.admin('x', 'list_plans', '{}')", role => $role,
        error => \$error);
    like($error, qr/permission denied/, "$role administers nothing");
}

is($pg->value("SELECT string_agg(p.proname, ' ') FROM pg_proc p
    WHERE p.pronamespace = 'ai'::regnamespace AND p.prosecdef
    AND NOT coalesce(p.proconfig @> '{\"search_path=ai, pg_catalog, pg_temp\"}',
                     false)") // '', '', 'search_path of all that is definer');
is($pg->value("SELECT count(*) FROM pg_proc p
    WHERE p.pronamespace = 'ai'::regnamespace
    AND has_function_privilege('public', p.oid, 'EXECUTE')"), 0,
    'nothing is for everybody');

undef @two;

done_testing();
