#!/usr/bin/perl

# Starts without PostgreSQL, or with one that is not as it should be: who is
# known is served, who is not is told to come again, and nobody is a 401 for
# a fault of the database.

use strict;
use warnings;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";

use Time::HiRes qw(time);

use AI::Gateway;
use AI::Nodes;

my $n = AI::Nodes->new(nodes => 1, postgres => { timeout => '2s' });
my ($t) = $n->t;
my $pg = $n->pg;

$t->allow(qr/\[(crit|error)\].*ai (ledger|postgres|directory|snapshot)/);

$n->admin(q{create_plan('pro', models => '{*}')});
$n->admin(q{create_tenant('sql', 'pro')});
$n->admin(q{create_tenant('paid', 'pro', prepaid => true)});
$n->admin(q{create_tenant('tight', 'pro')});
$n->admin(q{set_limit('requests', 5, 'month', tenant => 'tight')});
$n->admin(q{top_up('paid', 0.001, 'first')});
$n->run;

my %keys = map { ($_ => $n->key($_, 'one')) } 'sql', 'paid', 'tight';
my $gone = $n->key('sql', 'gone');

ok((waitfor { status($gone) == 200 }), 'keys');
$n->warm($keys{sql});
chat('paid') for 1 .. 2;
is(chat('tight'), 200, 'a budget') for 1 .. 3;
$n->admin(q{revoke_key(tenant => 'sql', name => 'gone')});
ok((waitfor { status($gone) == 401 }), 'a revoked key');

my $balance = left('paid');

cmp_ok($balance, '>', 0, 'a balance');
cmp_ok($balance, '<', 0.001, 'that was used');

with_snapshot();
frozen();
without_snapshot();
corrupted();
schema();
clashes();
unregistered();
small();
failover();

$n->done;


sub status { return $t->get('/v1/models', key => $_[0])->status }

sub chat {
    my ($who) = @_;

    return $t->chat({ max_tokens => 8 }, key => $keys{$who})->status;
}


# what a prepaid tenant has left, as it is told

sub left {
    my ($who) = @_;

    my $usage = $t->get('/v1/usage', key => $keys{$who})->json;
    my ($limit) = grep { $_->{resource} eq 'cost' } @{ $usage->{limits} };

    return $limit ? $limit->{remaining} : -1;
}


# all that a start must know without asking anybody

sub knows {
    my ($name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    is(chat('sql'), 200, "$name: a key of SQL");
    is($t->chat->status, 200, "$name: a key of nginx.conf");

    # which may have come since, so that nobody can say that it is none

    is(status($gone), 503, "$name: a revoked key");
    is(status(make_key('nobody')), 503, "$name: an unknown key");
    is(left('paid'), $balance, "$name: a balance");
    is(chat('tight'), 200, "$name: a budget that has room") for 1 .. 2;
    is(chat('tight'), 429, "$name: and then none");
}


sub nobody_waits {
    my ($name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $from = time();

    is($t->chat->status, 200, "$name: a key of nginx.conf");

    for my $key ($keys{sql}, make_key('nobody')) {
        my $r = $t->get('/v1/models', key => $key);

        is($r->status, 503, "$name: a key that may be one");
        is($r->json->{error}{code}, 'gateway_unavailable', "$name: code");
        is($r->header('retry-after'), 1, "$name: in a second");
    }

    cmp_ok(time() - $from, '<', 1 * $AI::Gateway::factor,
        "$name: nobody waits");
}


# ---- a start without a database

sub with_snapshot {

    # revoked just before the end, which the snapshot has to know

    my $late = $n->key('sql', 'late');

    ok((waitfor { status($late) == 200 }), 'snapshot: a late key');
    $n->admin(q{revoke_key(tenant => 'sql', name => 'late')});
    ok((waitfor { status($late) == 401 }), 'snapshot: is revoked');

    ok($t->stop, 'snapshot: stops');
    $pg->stop('immediate');
    $n->forget;
    $t->run;

    is(status($late), 503, 'snapshot: is not let in');
    knows('snapshot');

    # what was used meanwhile counts when it is back, once

    $pg->start;
    ok((waitfor { $pg->value(q{SELECT sum(requests) FROM ai.spend
        WHERE tenant = 'tight' AND key = ''}) == 5 }), 'snapshot: shipped');
    is(chat('tight'), 429, 'snapshot: the budget is used up');

    my $key = $n->key('sql', 'new');

    ok((waitfor { status($key) == 200 }), 'snapshot: changes come again');

    for my $key ($gone, $late) {
        ok((waitfor { status($key) == 401 }),
            'snapshot: and a revoked key is one, when all has come');
    }
    $n->admin(q{set_limit('requests', 7, 'month', tenant => 'tight')});
    ok((waitfor { chat('tight') == 200 }), 'snapshot: so do limits');
    is(chat('tight'), 200, 'snapshot: as much');
    is(chat('tight'), 429, 'snapshot: as was raised');
    $n->admin(q{set_limit('requests', 9, 'month', tenant => 'tight')});
    ok((waitfor { $t->get('/v1/usage', key => $keys{tight})->json->{limits}[0]
        {remaining} == 2 }), 'snapshot: raised again');
}


# a server that answers nothing

sub frozen {
    ok($t->stop, 'frozen: stops');
    $pg->signal('STOP');

    my $from = time();

    $t->run;
    is(chat('sql'), 200, 'frozen: a key of SQL');
    is(chat('tight'), 200, 'frozen: a budget');
    is(left('paid'), $balance, 'frozen: a balance');
    is($t->get('/v1/usage?from=2026-01-01', timeout => 8)->status, 503,
        'frozen: history is away');

    ok($t->stop, 'frozen: stops again');
    unlink $t->dir . '/ledger/directory.snapshot';
    $t->run;
    nobody_waits('frozen');
    $pg->signal('CONT');
    ok((waitfor { chat('sql') == 200 }), 'frozen: goes on');
    $n->forget;
}


sub without_snapshot {
    ok($t->stop, 'none: stops');
    unlink $t->dir . '/ledger/directory.snapshot';
    $pg->stop('immediate');
    $t->run;
    nobody_waits('none');
    $pg->start;
    ok((waitfor { chat('sql') == 200 }), 'none: loaded later');
    ok((waitfor { status(make_key('nobody')) == 401 }), 'none: and all of it');
    is(left('paid'), $balance, 'none: a balance');
    $n->forget;
}


sub corrupted {
    my $whole = $t->read_file('ledger/directory.snapshot');

    for my $case ([ 'cut', sub { substr $_[0], 0, length($_[0]) / 2 } ],
                  [ 'empty', sub { '' } ],
                  [ 'noise', sub { join '', map { chr int rand 256 }
                      1 .. 10000 } ],
                  [ 'a bit', sub { my $s = $_[0];
                      vec($s, 4 * length $s, 1) ^= 1; return $s } ])
    {
        my ($name, $change) = @$case;

        ok((waitfor { -s $t->dir . '/ledger/directory.snapshot' }),
            "$name: a snapshot");
        $whole = $t->read_file('ledger/directory.snapshot');
        $t->stop;
        $pg->stop('immediate');
        $t->write_file('ledger/directory.snapshot', '');
        open my $f, '>', $t->dir . '/ledger/directory.snapshot' or die;
        binmode $f;
        print $f $change->($whole);
        close $f;

        $t->run;
        ok($t->waitlog(qr/\[warn\].*directory\.snapshot is \w.*passed over/),
            "$name: is told");
        nobody_waits($name);
        $pg->start;
        ok((waitfor { chat('sql') == 200 }), "$name: loaded");
        ok((waitfor { length $t->read_file('ledger/directory.snapshot')
            >= length($whole) / 2 } 10), "$name: and written again");
    }

    $n->forget;
}


# ---- a database that is not as it should be

sub schema {
    $t->stop;
    unlink $t->dir . '/ledger/directory.snapshot';

    my $from = length $t->log;

    $pg->psql('ALTER DATABASE ai RENAME TO good', db => 'postgres');
    $pg->psql('CREATE DATABASE ai', db => 'postgres');
    $t->run;

    ok($t->waitlog(qr/\[error\].*ai directory: ai\.hello\(\) failed: 3F000/),
        'schema: none');
    nobody_waits('schema');

    # an older one

    $pg->psql(q{CREATE SCHEMA ai; CREATE FUNCTION ai.hello(uuid, text, text,
        int) RETURNS void LANGUAGE plpgsql AS $$ BEGIN RAISE 'the schema of
        this database is version 1' USING ERRCODE = 'AI001'; END $$;
        GRANT USAGE ON SCHEMA ai TO ai_gateway});
    ok($t->waitlog(qr/\[error\].*ai\.hello\(\) failed: AI001: the schema/),
        'schema: another');
    $pg->psql('DROP SCHEMA ai CASCADE');

    my @lines = substr($t->log, $from) =~ /ai\.hello\(\) failed: (?:AI001)/g;

    is(scalar @lines, 1, 'schema: told once');

    # a new one has no tenants

    $pg->migrate;
    ok((waitfor { status($keys{sql}) == 401 } 15), 'schema: works');
    ok($t->waitlog(qr/\[notice\].*ai\.hello\(\) works/), 'schema: is told');

    # the other one comes back: as a failover to other data

    $pg->psql('ALTER DATABASE ai RENAME TO other', db => 'postgres',
        error => \my $error);
    $t->stop;
    $pg->restart;
    $pg->psql('DROP DATABASE ai; ', db => 'postgres') if $error;
    $pg->psql('DROP DATABASE other', db => 'postgres') if !$error;
    $pg->psql('ALTER DATABASE good RENAME TO ai', db => 'postgres');
    $t->run;
    ok((waitfor { chat('sql') == 200 }), 'schema: the old data');
    is(left('paid'), $balance, 'schema: its balances');
    $n->forget;
}


# ---- one name or key in both places

sub clashes {
    my $digest = (digest_of(make_key('acme')) =~ /:(.*)/)[0];

    # a key of nginx.conf, and a tenant, a plan and a model that it has later

    $n->admin("import_key('sql', 'clash', '$digest')");
    $n->admin(q{create_tenant('both', 'pro')});
    $n->admin(q{create_plan('double', models => '{none}')});

    my $key = $n->key('both', 'one');

    ok((waitfor { status($key) == 200 }), 'clash: a tenant of SQL');

    my $conf = $n->conf =~ s/(\n *ai_tenant acme)/
    ai_plan double { models *; }
    ai_tenant both { plan double; key %%KEY_both%% name=one; }$1/r;

    ok($t->reload($conf, old => 1), 'clash: reload');
    ok($t->waitlog(qr/\[warn\].*ai directory: tenant both is in SQL too/),
        'clash: a tenant');
    like($t->log, qr/\[warn\].*ai directory: plan double is in SQL too/,
        'clash: a plan');
    like($t->log, qr/\[warn\].*ai directory: key \w{8}\.\.\. of tenant acme is in SQL for tenant sql/,
        'clash: a key');
    unlike($t->log, qr/\Q$digest\E/, 'clash: no digest in the log');

    my $alerts = q{SELECT count(*), count(DISTINCT subject) FROM ai.alerts
        WHERE kind = 'clash'};

    is($pg->value($alerts), '3|3', 'clash: alerts');

    # nginx.conf wins

    is($t->chat(undef, key => 'both')->status, 200, 'clash: by nginx.conf');
    is(status($key), 401, 'clash: its key in SQL') or diag status($key);

    my $r = $t->chat(undef, key => 'acme');

    is($r->status, 200, 'clash: the key of both');
    is($t->waitrow($r->id)->{tenant} // $pg->value("SELECT tenant
        FROM ai.usage_logs WHERE id = '" . $r->id . "'"), 'acme',
        'clash: is the tenant of nginx.conf');

    $t->reload($conf, old => 1);
    ok((waitfor { (() = $t->log =~ /tenant both is in SQL/g) == 2 }),
        'clash: told at each start');
    is($pg->value($alerts), '3|3', 'clash: but no alert again');

    ok($t->reload($n->conf, old => 1), 'clash: removed');
    ok((waitfor { status($key) == 200 }), 'clash: SQL has it again');
}


# what nginx.conf has cannot be told: tenants of SQL do not mind

sub unregistered {
    $pg->psql('REVOKE EXECUTE ON FUNCTION ai.register(uuid, text)
        FROM ai_gateway');
    $t->reload($n->conf, old => 1);
    ok($t->waitlog(qr/\[error\].*ai\.register\(\) failed: 42501/),
        'register: refused');

    my $key = $n->key('sql', 'meanwhile');

    ok((waitfor { status($key) == 200 } 5), 'register: keys come');
    $n->admin(q{revoke_key(tenant => 'sql', name => 'meanwhile')});
    ok((waitfor { status($key) == 401 } 5), 'register: and go');
    $pg->psql('GRANT EXECUTE ON FUNCTION ai.register(uuid, text)
        TO ai_gateway');
}


# ---- a directory with too little room

sub small {
    $pg->psql(q{SELECT ai.import_key('sql', 'k' || i,
        encode(sha256(('many' || i)::bytea), 'hex'))
        FROM generate_series(1, 3000) i}, role => 'ai_admin');
    $t->stop;
    unlink $t->dir . '/ledger/directory.snapshot';

    my $o = $n->{options}{postgres};
    my $from = length $t->log;

    $o->{directory} = '256k';
    $t->run($n->conf);
    ok((waitfor { $t->status->{directory}{refused} > 0 } 20),
        'small: records are refused') or return;

    my @lines = substr($t->log, $from) =~ /\[error\].*is full, records are/g;

    is(scalar @lines, 1, 'small: one line')
        or diag(scalar @lines);
    is(status(make_key('nobody')), 503, 'small: unknown keys');
    is($t->chat->status, 200, 'small: nginx.conf');
    like($t->get('/ai/metrics')->body, qr/^ai_directory_complete\S* 0$/m,
        'small: a metric');
    like($t->get('/ai/metrics')->body, qr/^ai_directory_refused\S* [1-9]/m,
        'small: and how many');

    $o->{directory} = '4m';
    ok($t->reload($n->conf, old => 1), 'small: more room');
    ok((waitfor { $t->status->{directory}{complete} } 20), 'small: heals');
    is($t->status->{directory}{refused}, 0, 'small: nothing is missing');
    is(status(make_key('nobody')), 401, 'small: unknown keys are, again');
    is(chat('sql'), 200, 'small: known ones');

    my $version = $t->status->{directory}{version};

    ok($t->reload($n->conf, old => 1), 'a reload');
    is(chat('sql'), 200, 'keeps all');
    cmp_ok($t->status->{directory}{version}, '>=', $version, 'as it was');
    ok($t->status->{directory}{complete}, 'and complete');
}


# ---- another server with other data in the place of this one

sub failover {
    my $spare = AI::Postgres->new;

    # another history than that of the template

    $spare->psql('DROP DATABASE ai', db => 'postgres');
    $spare->psql('CREATE DATABASE ai', db => 'postgres');
    $spare->migrate;

    $n->forget;
    $pg->stop('immediate');

    for my $sql (q{SELECT ai.create_plan('pro', models => '{*}')},
        q{SELECT ai.create_tenant('sql', 'pro')},
        q{SELECT ai.create_tenant('moved', 'pro')})
    {
        $spare->psql($sql, role => 'ai_admin');
    }

    my ($key) = $spare->psql(q{SELECT ai.create_key('moved', 'one')},
        role => 'ai_admin') =~ /(sk_ai_\w+)/;

    is(chat('sql'), 200, 'failover: keys of the old one');

    $spare->stop;
    $spare->{port} = $pg->{port};
    $spare->configure;
    $spare->start;

    ok((waitfor { status($key) == 200 } 15), 'failover: a key of the new one');
    ok((waitfor { status($keys{sql}) == 401 }),
        'failover: what it has not is gone');
    ok((waitfor { $t->status->{directory}{records}{keys} == 1 }),
        'failover: one key is left');

    $t->mark;
    $t->stop;
    $spare->cleanup;
}
