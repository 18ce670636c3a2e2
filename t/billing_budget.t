#!/usr/bin/perl

# Money that two nodes share through PostgreSQL: what one has used the other
# knows once it was shipped; on one node nothing is overspent, whatever dies.

use strict;
use warnings;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";

use Time::HiRes qw(time);

use AI::Gateway;
use AI::Nodes;

my $n = AI::Nodes->new(workers => 2);
my ($t, $other) = $n->t;
my $pg = $n->pg;

$n->allow(qr/\[(crit|error)\].*ai (ledger|postgres|directory)/);

$n->admin(q{create_plan('pro', models => '{*}')});
$n->admin(q{create_tenant('warm', 'pro')});
$n->run;

my %keys;

tenant('warm');
$n->warm($keys{warm});

# 100 bytes at 2 dollars and 8 tokens at 8, a million: what is held; used is
# a third of it

my $price = 0.000086;

shared();
late();
alone();
prepaid();
dialects();
killed();
restarted();
top_up_again();

# the workers that were killed had connections, too

for my $gateway ($n->t) {
    $gateway->mark;
    is($gateway->status->{zone}{holds}, 0, 'no hold is left');
}

is($pg->value('SELECT sum(amount_nanos) FROM ai.billing_entries'), 0,
    'the books balance');
is($pg->value('SELECT count(*) FROM ai.quarantine'), 0, 'no row is odd');

$n->done;


sub tenant {
    my ($name, @words) = @_;

    $n->admin("create_tenant(" . join(', ', "'$name'", "'pro'", @words) . ')')
        if $name ne 'warm';
    $keys{$name} = $n->key($name, 'one');
    $n->everywhere(sub { $_[0]->get('/v1/models',
        key => $keys{$name})->status == 200 }) or die "no tenant $name\n";
}


sub chat { return $_[0]->chat({ max_tokens => 8 }, key => $keys{ $_[1] }) }

sub used {
    my ($name) = @_;

    return $pg->value("SELECT coalesce(sum(cost_usd), 0) FROM ai.usage_logs
        WHERE tenant = '$name'");
}

# waits until all that was admitted is in PostgreSQL

sub settled {
    my ($name, $rows) = @_;

    my $count;

    ok((waitfor {
        $count = $pg->value("SELECT count(*) FROM ai.usage_logs
            WHERE tenant = '$name'");
        return $count >= $rows;
    } 20), "$name: $rows rows") or diag("$count rows");

    return used($name);
}

sub alerts_are {
    my ($name, $spent, $limit) = @_;

    my $want = join ' ', grep { $spent * 100 >= $limit * $_ } 50, 80, 100;
    my $have;

    waitfor {
        $have = join ' ', map { $_->[0] } $pg->rows("SELECT share FROM ai.alerts
            WHERE tenant = '$name' ORDER BY share");
        return $have eq $want;
    } 5;

    is($have, $want, "$name: alerts, once each");
}


# ---- a budget of two nodes

sub shared {
    my $limit = 0.02;

    tenant('shared');
    $n->admin("set_limit('cost', $limit, 'month', tenant => 'shared')");
    ok($n->everywhere(sub { limited($_[0], 'shared') }), 'shared: a limit');

    # quietly: one request on the one, and the other knows of it

    chat($t, 'shared');

    my $from = time();

    ok((waitfor { remaining($other, 'shared') < $limit - $price / 2 } 5),
        'shared: one node knows what the other used');
    cmp_ok(time() - $from, '<', 2.5 * $AI::Gateway::factor,
        'shared: about a second later');
    note(sprintf 'shared: known to the other node after %d ms',
        1000 * (time() - $from));

    # as fast as it goes, on both, until both refuse

    my ($ok, $refused) = (1, 0);

    $from = time();

    while ($refused < 20 && $ok < 5000) {
        my @c = map { $_->start_chat({ max_tokens => 8 },
            key => $keys{shared}) } ($n->t) x 10;
        my @status = map { $_->finish->status } @c;

        $ok += grep { $_ == 200 } @status;
        $refused = grep { $_ == 429 } @status;
    }

    my $rate = $ok / (time() - $from);
    my $spent = settled('shared', $ok);

    note(sprintf 'shared: %.6f of %.6f dollars, %.0f%% over, at %d requests a '
        . 'second', $spent, $limit, 100 * ($spent / $limit - 1), $rate);

    # each holds to the limit by itself, so that two never use it three times

    cmp_ok($spent, '<=', 2 * $limit, 'shared: not more than each alone might');
    ok($n->everywhere(sub { chat($_[0], 'shared')->status == 429 }),
        'shared: used up on both');
    alerts_are('shared', $spent, $limit);
}


sub remaining { return left(@_, 'cost') }

sub limited { return remaining(@_) != -1 }


# ---- a limit that is set when there is something used already

sub late {
    tenant('late');
    tenant('later');
    chat($t, $_)->status == 200 or die for ('late') x 20, ('later') x 20;
    settled($_, 20) for 'late', 'later';

    # let it be read by the other, who has no use for it

    waitfor { my $heard = $other->status->{postgres}{heard};
        waitfor { $other->status->{postgres}{heard} ne $heard } 5 } 5;

    $n->admin(q{set_limit('requests', 50, 'month', tenant => 'late')});
    ok($n->everywhere(sub { left($_[0], 'late', 'requests') == 30 }, 3),
        'late: a limit counts what one node has used, on both');

    $n->admin(q{top_up('later', 0.01, 'later')});
    $n->admin(q{set_tenant('later', prepaid => true)});
    ok($n->everywhere(sub {
        abs(left($_[0], 'later', 'cost') - 0.01 + 20 * $price) < 1e-9 }, 3),
        'late: so does a balance');

    # by another plan

    tenant('plan');
    chat($t, 'plan') for 1 .. 5;
    settled('plan', 5);
    $n->admin(q{create_plan('small', models => '{*}')});
    $n->admin(q{set_limit('requests', 40, 'day', plan => 'small')});
    $n->admin(q{set_tenant('plan', plan => 'small')});
    ok($n->everywhere(sub { left($_[0], 'plan', 'requests') == 35 }, 3),
        'late: so does another plan');
    $n->admin(q{drop_limit('requests', 'day', plan => 'small')});
    $n->admin(q{set_limit('requests', 30, 'month', plan => 'small',
        per_key => true)});


    # a node does not count its own use of a key that has no limit

    ok((waitfor { left($other, 'plan', 'requests') == 25 } 3),
        'late: and one of each key, of what others used');
}


sub left {
    my ($gateway, $name, $resource) = @_;

    my ($limit) = grep { $_->{resource} eq $resource }
        @{ $gateway->get('/v1/usage', key => $keys{$name})->json->{limits} };

    return $limit ? $limit->{remaining} : -1;
}


# ---- one node: exact

sub alone {
    my $limit = 0.005;

    tenant('alone');
    $n->admin("set_limit('cost', $limit, 'day', tenant => 'alone')");
    ok((waitfor { limited($t, 'alone') }), 'alone: a limit');

    my ($ok, $odd) = crowd($t, 'alone');
    my $spent = settled('alone', $ok);

    is($odd, 0, 'alone: nothing but 200 and 429');
    cmp_ok($spent, '<=', $limit, 'alone: not overspent');
    cmp_ok($spent, '>', $limit * 0.9, 'alone: but spent');
    alerts_are('alone', $spent, $limit);
}


# 200 at once, until all are refused; how many were served, and what was else

sub crowd {
    my ($gateway, $name, %o) = @_;

    my ($ok, $odd) = (0, 0);

    for (1 .. 20) {
        my @c = map { $gateway->start_chat({ max_tokens => 8 },
            key => $keys{$name}, mock => { wait => 0.2 }) } 1 .. 200;

        my @kill = ($gateway->workers)[0];

        $gateway->kill_worker('KILL', @kill) if $o{kill} && $_ <= 3;

        my @status = map { $_->finish->status } @c;
        my $served = grep { $_ == 200 } @status;

        $odd += grep { $_ != 200 && $_ != 429 && !($_ == 0 && $o{kill}) }
            @status;
        $ok += $served;

        return ($ok, $odd) if !$served && !grep { $_ == 0 } @status;
    }

    fail("$name: never used up");

    return ($ok, $odd);
}


# ---- paid before

sub prepaid {
    tenant('paid', 'prepaid => true');
    is(chat($_, 'paid')->status, 429, 'prepaid: nothing yet') for $n->t;

    my $from = time();

    $n->admin(q{top_up('paid', 0.005, 'first')});
    ok($n->everywhere(sub { chat($_[0], 'paid')->status == 200 }, 2),
        'prepaid: credit is usable');
    cmp_ok(time() - $from, '<', 1 * $AI::Gateway::factor,
        'prepaid: within a second');
    settled('paid', 2);

    # known to the one that goes on

    ok((waitfor { remaining($t, 'paid') < 0.005 - 1.5 * $price }),
        'prepaid: of both');

    my ($ok, $odd) = crowd($t, 'paid');
    my $spent = settled('paid', $ok + 2);

    is($odd, 0, 'prepaid: nothing but 200 and 429');
    cmp_ok($spent, '<=', 0.005, 'prepaid: not overspent');
    is($pg->value(q{SELECT sum(balance_nanos) FROM ai.balances
        WHERE tenant = 'paid'}) + 0, sprintf('%.0f', (0.005 - $spent) * 1e9),
        'prepaid: the balance is what is left');
    ok((waitfor { chat($other, 'paid')->status == 429 } 3),
        'prepaid: nor has the other node anything');
    alerts_are('paid', $spent, 0.005);
}


sub dialects {
    my @hello = (messages => [ { role => 'user', content => 'Hello' } ]);

    for my $case (
        [ '/v1/chat/completions', { model => 'gpt-4.1', @hello },
            sub { $_[0]{error}{code} eq 'insufficient_quota' } ],
        [ '/v1/responses', { model => 'gpt-4.1', input => 'x' },
            sub { $_[0]{error}{code} eq 'insufficient_quota' } ],
        [ '/v1/messages', { model => 'claude-sonnet-4-6', max_tokens => 8,
            @hello }, sub { $_[0]{error}{type} eq 'rate_limit_error' } ],
        [ '/v1beta/models/gemini-2.5-flash:generateContent',
            { contents => [ { parts => [ { text => 'x' } ] } ] },
            sub { $_[0]{error}{status} eq 'RESOURCE_EXHAUSTED' } ])
    {
        my ($uri, $body, $is) = @$case;
        my $r = $t->post($uri, $body, key => $keys{paid});

        is($r->status, 429, "$uri: used up");
        ok($is->($r->json), "$uri: in its words") or diag($r->body);
        is($r->header('x-should-retry'), 'false', "$uri: not again");
    }
}


# ---- workers that die

sub killed {
    my $credit = 0.02;

    tenant('killed', 'prepaid => true');
    $n->admin("top_up('killed', $credit, 'first')");
    ok((waitfor { chat($t, 'killed')->status == 200 }), 'killed: credit');

    my ($ok, $odd) = crowd($t, 'killed', kill => 1);
    my $spent = settled('killed', $ok + 1);

    is($odd, 0, 'killed: nothing but 200, 429 and what broke');
    cmp_ok($spent, '<=', $credit, 'killed: not overspent');
    note(sprintf 'killed: %.6f of %.6f dollars', $spent, $credit);
}


# ---- a zone made anew, while PostgreSQL is away

sub restarted {
    tenant('again', 'prepaid => true');
    $n->admin(q{top_up('again', 0.004, 'first')});
    ok($n->everywhere(sub { chat($_[0], 'again')->status == 200 }),
        'again: credit');

    my $rows = 2;

    chat($t, 'again')->status == 200 && $rows++ for 1 .. 5;
    settled('again', $rows);
    ok((waitfor { abs(remaining($t, 'again') - 0.004 + used('again')) < 1e-9 }),
        'again: what is left, of both nodes');

    # all of that is in a snapshot that a later change is in, too

    my $key = $n->key('again', 'later');

    ok((waitfor { $t->get('/v1/models', key => $key)->status == 200 }),
        'again: a change');

    my $file = $t->dir . '/ledger/directory.snapshot';
    my $now = time();

    ok((waitfor { (Time::HiRes::stat($file))[9] > $now } 10),
        'again: a snapshot');

    $pg->stop('immediate');
    $n->forget;
    chat($t, 'again')->status == 200 && $rows++ for 1 .. 5;
    $t->crash;
    $t->run;

    ok(abs(remaining($t, 'again') - 0.004 + $rows * $price) < 1e-9,
        'again: and after a start without a database')
        or diag(remaining($t, 'again'));

    my ($ok, $odd) = crowd($t, 'again');

    is($odd, 0, 'again: nothing but 200 and 429');
    $pg->start;

    my $spent = settled('again', $rows + $ok);

    cmp_ok($spent, '<=', 0.004, 'again: not overspent');
    cmp_ok($spent, '>', 0.0035, 'again: but spent');
}


sub top_up_again {
    for my $name ('paid', 'killed', 'again') {
        $n->admin("top_up('$name', 0.01, 'second')");
        is($n->admin("top_up('$name', 0.01, 'second')")->{entered} ? 1 : 0, 0,
            "$name: the same payment counts once");
        ok($n->everywhere(sub { chat($_[0], $name)->status == 200 }, 10),
            "$name: goes on");
    }
}
