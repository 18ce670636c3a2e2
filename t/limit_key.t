#!/usr/bin/perl

# Limits of keys beside those of their tenant: a request takes all of them, or
# none.

use strict;
use warnings;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";

use AI::Gateway;

my $t = AI::Gateway->new;

my $p = $t->provider(8081);

$t->run(gateway_conf(
    plan => <<'EOC',
    ai_plan usual {
        models  *;
        limit   requests 5/day per=key;
    }
    ai_plan plain {
        models  *;
    }
EOC
    tenants => <<'EOC'));
    ai_tenant acme {
        plan   usual;
        key    %%KEY_prod%% name=prod;
        key    %%KEY_ci%% name=ci;
        key    %%KEY_low%% name=low;
        limit  requests 12/day;
        limit  requests 2/day key=low;
    }
    ai_tenant other {
        plan   plain;
        key    %%KEY_wide%% name=wide;
        key    %%KEY_narrow%% name=narrow;
        key    %%KEY_slow%% name=slow;
        limit  requests 100/m;
        limit  tokens 100000/h;
        limit  cost 1/month;
        limit  concurrency 3;
        limit  concurrency 1 key=narrow;
        limit  tokens 0/day key=slow;
    }
    ai_tenant shut {
        plan   plain;
        key    %%KEY_shut%% name=prod;
        limit  requests 0/m;
        limit  requests 100/h per=key;
        limit  tokens 1000/day per=key;
    }
EOC

sub usage { return $t->get('/v1/usage', key => $_[0])->json }

sub used {
    my ($key, $scope) = @_;

    return map { $_->{used} } grep { $_->{scope} eq $scope }
        @{ usage($key)->{limits} };
}

sub passes {
    my ($key, $max) = @_;

    my $n = 0;

    $n++ while $n < ($max || 20) && $t->chat(undef, key => $key)->status == 200;

    return $n;
}

# each key has its own, and all share the tenant's

is(passes('low'), 2, 'a key of its own limit');
is(passes('prod'), 5, 'a key of the plan\'s limit for each');
is(passes('ci', 4), 4, 'another key has its own');
is(passes('ci'), 1, 'which ends as well');
is(join(' ', used('ci', 'tenant')), 12, 'all count for the tenant');
is(join(' ', used('ci', 'key')), 5, 'and each for its key');
is(join(' ', used('low', 'key')), 2, 'a single key\'s');

# the tenant's is used up now: no key takes anything

my $r = $t->chat(undef, key => 'low');

is($r->status, 429, 'all are refused');
is(join(' ', used('low', 'key')), 2, 'and take nothing');

$r = $t->chat(undef, key => 'prod');

like($r->json->{error}{message}, qr/limited to \d+ per day/, 'which limit');
unlike($r->json->{error}{message}, qr/acme|prod|low/, 'names nobody');

# refused by the key: the tenant takes nothing

my @before = used('slow', 'tenant');

is($t->chat(undef, key => 'slow')->status, 429, 'refused by a key\'s limit');

like($t->chat(undef, key => 'slow')->json->{error}{message}, qr/of this key/,
    'which is told');
is(join(' ', map { int $_ } used('slow', 'tenant')),
    join(' ', map { int $_ } @before), 'the tenant takes nothing');
is(usage('slow')->{held}{cost_usd}, '0.000000000', 'nor does it hold');
is(usage('slow')->{concurrency}, 0, 'nor is anything under way');

# refused by the tenant: the key takes nothing

is($t->chat(undef, key => 'shut')->status, 429, 'refused by the tenant');
is(join(' ', used('shut', 'key')), '0 0', 'the key takes nothing');
is(usage('shut')->{held}{tokens}, 0, 'nor does it hold');

# concurrency of a key inside the tenant's

my @c = $t->start_chat(undef, key => 'narrow', mock => { wait => 30 });

waitfor { $p->state->{open} == 1 } or diag('it did not start');

is($t->chat(undef, key => 'narrow')->status, 429, 'one at a time');
is($t->chat(undef, key => 'wide')->status, 200, 'others are not held up');

push @c, map { $t->start_chat(undef, key => 'wide', mock => { wait => 30 }) }
    1 .. 2;

waitfor { $p->state->{open} == 3 } or diag('they did not start');

is($t->chat(undef, key => 'wide')->status, 429, 'the tenant\'s are taken');
is(usage('wide')->{concurrency}, 3, 'three are under way');

$c[0]->close;

ok(waitfor { $t->chat(undef, key => 'narrow')->status == 200 },
    'one comes back to both');

$_->close for @c;

ok(waitfor { usage('wide')->{concurrency} == 0 }, 'all come back');
is(usage('wide')->{held}{cost_usd}, '0.000000000', 'nothing is held');

$t->done;
