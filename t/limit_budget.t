#!/usr/bin/perl

# A budget for exactly k requests under many concurrent ones is never overrun,
# and everything held comes back.

use strict;
use warnings;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";

use AI::Gateway;

my $k = 7;
my $clients = 500;

my $t = AI::Gateway->new(workers => 2);

my $p = $t->provider(8081);

# a request of these is held at its bound and settled at what the stand-in
# tells: 11 input and 8 output tokens, 0.000086 USD

my $body = {
    model => 'gpt-4.1', max_tokens => 8,
    messages => [ { role => 'user', content => 'Hello' } ],
};

$t->run(gateway_conf(
    tenants => <<'EOF' . join('', map { <<EOT } 1 .. 2),
    ai_tenant acme {
        plan  usual;
        key   %%KEY_acme%% name=prod;
    }
    ai_tenant daily {
        plan   usual;
        key    %%KEY_daily%% name=prod;
        limit  requests 7/day;
    }
    ai_tenant money {
        plan   usual;
        key    %%KEY_money%% name=prod;
        limit  cost 0.000602/month;
    }
    ai_tenant narrow {
        plan   usual;
        key    %%KEY_narrow%% name=prod;
        limit  concurrency 3;
    }
    ai_tenant zero {
        plan   usual;
        key    %%KEY_zero%% name=prod;
        limit  requests 0/m;
    }
EOF
    ai_tenant more$_ {
        plan   usual;
        key    %%KEY_more$_%% name=prod;
    }
EOT
));

# all at once: the answers come late, so that every hold overlaps

my @c = map { $t->start_chat($body, key => 'daily', mock => { wait => 1 }) }
    1 .. $clients;
my %n;
$n{ $_->finish->status }++ for @c;

is($n{200}, $k, "$k of $clients pass a budget of $k requests");
is($n{429}, $clients - $k, 'all others are refused');

my $r = $t->chat($body, key => 'daily');

is($r->status, 429, 'the budget stays used up');
is($r->json->{error}{code}, 'insufficient_quota', 'as a quota');
is($r->header('x-should-retry'), 'false', 'which is not to be retried');

# money: never past the budget, whatever is held meanwhile

%n = ();
my $passed = 0;

for (1 .. 30) {
    @c = map { $t->start_chat($body, key => 'money') } 1 .. 20;
    $n{ $_->finish->status }++ for @c;
}

ok($n{200} >= 1 && $n{200} <= $k, "money for $k requests: $n{200} pass");

my @rows = grep { $_->{tenant} eq 'money' } $t->waitrows($k + $n{200});
my $sum = 0;
$sum += $_->{cost_usd} for @rows;

cmp_ok($sum, '<=', 0.000602 + 1e-12, 'and cost no more than it');

# concurrency

@c = map { $t->start_chat($body, key => 'narrow', mock => { wait => 1 }) }
    1 .. 20;
%n = ();
$n{ $_->finish->status }++ for @c;

is($n{200}, 3, 'three at a time');
is($t->chat($body, key => 'narrow')->status, 200, 'and again after those');

is($t->chat($body, key => 'zero')->status, 429, 'zero is not unlimited');

# aborts give back what they took

@c = map { $t->start_chat({ %$body, stream => \1 }, key => 'narrow',
    mock => { events => 50, delay => 0.2 }) } 1 .. 3;

waitfor { $p->open_streams == 3 } or diag('streams did not start');

is($t->chat($body, key => 'narrow')->status, 429, 'slots are taken');

$_->reset for @c;

ok(waitfor { $t->chat($body, key => 'narrow')->status == 200 },
    'aborted streams free their slots');

# so do killed workers

@c = map { $t->start_chat({ %$body, stream => \1 }, key => 'narrow',
    mock => { events => 50, delay => 0.2 }) } 1 .. 3;

waitfor { $p->open_streams == 3 } or diag('streams did not start');

$t->kill_worker('KILL', $_) for $t->workers;

ok(waitfor { $t->chat($body, key => 'narrow')->status == 200 },
    'killed workers free their slots');

# reload keeps the counters; a restart reads them from the ledger

$t->reload;
is($t->chat($body, key => 'daily')->status, 429, 'reload keeps a budget');

ok($t->stop, 'stops');
$t->run;
is($t->chat($body, key => 'daily')->status, 429, 'a restart keeps a budget');

my $usage = $t->get('/v1/usage', key => 'daily')->json;

is($usage->{today}{requests}, $k, 'and its count');

$t->done;
