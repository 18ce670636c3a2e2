#!/usr/bin/perl

# GET /v1/usage: the caller's own figures, and nobody else's.

use strict;
use warnings;

use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use AI::Gateway;

my $t = AI::Gateway->new;

$t->provider(8081);

$t->run(gateway_conf(
    plan_extra => <<'EOC',
        limit  requests 100/m burst=20;
        limit  tokens 100000/day;
        limit  cost 5.00/month;
        limit  concurrency 3;
EOC
    tenants => <<'EOC',
    ai_tenant acme {
        plan   usual;
        key    %%KEY_acme%% name=prod;
        key    %%KEY_ci%% name=ci;
    }
    ai_tenant other {
        plan   usual;
        key    %%KEY_other%% name=prod;
    }
EOC
));

sub usage { return $t->get('/v1/usage', key => $_[0])->json }

sub limit {
    my ($u, $resource, $period) = @_;

    my ($l) = grep { $_->{resource} eq $resource
        && ($_->{period} // '') eq $period } @{ $u->{limits} };

    return $l || {};
}

my $u = usage('acme');

is($u->{tenant}, 'acme', 'tenant');
is($u->{plan}, 'usual', 'plan');
is($u->{key}, 'prod', 'key');
is_deeply($u->{month}, { requests => 0, tokens => 0, input_tokens => 0,
    output_tokens => 0, cost_usd => '0.000000000' }, 'nothing used yet');
is(scalar @{ $u->{limits} }, 4, 'limits');
is(limit($u, 'tokens', 'day')->{remaining}, 100000, 'all tokens are left');

# 11 tokens in at 2.00, 8 out at 8.00 a million: 86 millionths

is($t->chat(undef, key => 'ci')->status, 200, 'a request');

waitfor { usage('acme')->{today}{requests} };

$u = usage('acme');

is_deeply($u->{today}, { requests => 1, tokens => 19, input_tokens => 11,
    output_tokens => 8, cost_usd => '0.000086000' }, 'today');
is_deeply($u->{month}, $u->{today}, 'month');
is_deeply($u->{held}, { requests => 0, tokens => 0, input_tokens => 0,
    output_tokens => 0, cost_usd => '0.000000000' }, 'nothing is held');

my $l = limit($u, 'tokens', 'day');

is($l->{scope}, 'tenant', 'scope');
is($l->{limit}, 100000, 'limit');
is($l->{used}, 19, 'used');
is($l->{remaining}, 99981, 'remaining');
like($l->{resets_at}, qr/T00:00:00\.000Z$/, 'a day ends at midnight');
ok($l->{reset_ms} > 0 && $l->{reset_ms} <= 86400000, 'within a day');

$l = limit($u, 'cost', 'month');

is($l->{limit}, '5.000000000', 'money is a string');
is($l->{used}, '0.000086000', 'money used');
is($l->{remaining}, '4.999914000', 'money left');

# under way

my $c = $t->start_chat({ stream => \1 }, mock => { events => 8, delay => 30 });

$c->read_events(1);

$u = usage('acme');

is($u->{concurrency}, 1, 'one request under way');
is($u->{held}{requests}, 1, 'is held');
is(limit($u, 'concurrency', '')->{remaining}, 2, 'two more may come');
ok(limit($u, 'cost', 'month')->{held} > 0, 'its bound is held');

$c->close;

ok(waitfor { usage('acme')->{concurrency} == 0 }, 'and given back');

# nobody else's

$u = usage('other');

is($u->{tenant}, 'other', 'another tenant');
is($u->{month}{requests}, 0, 'has used nothing');
unlike($t->get('/v1/usage', key => 'other')->body, qr/acme/,
    'and learns nothing');
unlike($t->get('/v1/usage?tenant=acme', key => 'other')->body, qr/acme/,
    'whatever it asks');
is($t->get('/v1/usage', key => undef)->status, 401, 'no key, no figures');
is($t->post('/v1/usage', '{}')->status, 405, 'GET only');

$t->done;
