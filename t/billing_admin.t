#!/usr/bin/perl

# ai_admin and the history of /v1/usage over the functions of sql/, as they
# are, on two nodes; and what is said of a connection that was lost later.

use strict;
use warnings;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";

use AI::Gateway;
use AI::Nodes;

my $n = AI::Nodes->new(conf => { server => <<'EOC' });
        location /ai/admin {
            ai_admin  key=%%KEY_ops%% name=ops;
        }
EOC

my ($t, $other) = $n->t;
my $pg = $n->pg;

$n->allow(qr/\[(crit|error)\].*ai (ledger|postgres|directory|admin)/);
$n->run;

sub call {
    my ($call, $args) = @_;

    return $t->post("/ai/admin/$call", $args, key => 'ops');
}

# ---- a plan, a tenant and a key

for my $case ([ 'create_plan', { name => 'pro', models => [ '*' ] } ],
              [ 'create_tenant', { name => 'http', plan => 'pro',
                  labels => { team => 'search' } } ],
              [ 'set_limit', { resource => 'cost', amount => 1,
                  period => 'month', tenant => 'http' } ])
{
    my $r = call(@$case);

    is($r->status, 200, $case->[0]) or diag($r->body);
}

my $r = call('create_key', { tenant => 'http', name => 'one' });
my $key = $r->json->{key};

like($key, qr/^sk_ai_/, 'create_key');
ok($n->everywhere(sub { $_[0]->chat({ max_tokens => 8 },
    key => $key)->status == 200 }, 1), 'works on both within a second');

is($pg->value(q{SELECT string_agg(DISTINCT actor, ',') FROM ai.audit}), 'ops',
    'audit names who called');

# ---- refusals

for my $case ([ 'create_tenant', { name => 'http', plan => 'pro' }, 409 ],
              [ 'create_tenant', { name => 'x', plan => 'none' }, 404 ],
              [ 'create_tenant', { name => '!', plan => 'pro' }, 400 ],
              [ 'create_tenant', { nam => 'x' }, 400 ],
              [ 'top_up', { tenant => 'http', amount => -1,
                  reference => 'a' }, 400 ],
              [ 'audit_add', {}, 404 ])
{
    my ($call, $args, $status) = @$case;

    is(call($call, $args)->status, $status, "$call: $status");
}

# ---- the tenant's history

ok((waitfor { $pg->value(q{SELECT count(*) FROM ai.usage_logs
    WHERE tenant = 'http'}) >= 2 }), 'rows of both nodes');

my $rows = $pg->value(q{SELECT count(*) FROM ai.usage_logs
    WHERE tenant = 'http'});

for my $gateway ($n->t) {
    my $history = $gateway->get('/v1/usage?group_by=model,key',
        key => $key);

    is($history->status, 200, 'history');
    like($history->body, qr/"requests" ?: ?$rows\b/, 'of both nodes')
        or diag($history->body);
    is($gateway->get('/v1/usage?group_by=x',
        key => $key)->status, 400, 'a bad argument');
    unlike($gateway->get('/v1/usage?group_by=label:team',
        key => 'acme')->body, qr/search/, 'nothing of another tenant');
}

# ---- the server leaves: what it had refused before is no reason

my $from = length $t->log;

is(call('create_tenant', { name => '!', plan => 'pro' })->status, 400,
    'refused, and the connection stays');
is(call('list_plans', {})->status, 200, 'it serves on');
is($t->status->{postgres}{connections}[-1]{lost}, 0, 'nothing is lost');
is(call('create_tenant', { name => '!', plan => 'pro' })->status, 400,
    'refused again');
$t->mark;

# without a good-bye

$n->forget;
kill 'KILL', $pg->backends('ai_admin');
ok($t->waitlog(qr/ai postgres "admin": connection lost/), 'is lost now');

my ($reason) = substr($t->log, $from)
    =~ /ai postgres "admin": connection lost \((.*?)\)/;

unlike($reason, qr/ERROR|is not a name/, "its reason: $reason");

ok((waitfor { call('list_plans', {})->status == 200 } 15), 'and back');

# ---- revoked over HTTP

is(call('revoke_key', { tenant => 'http', name => 'one' })->status, 200,
    'revoke_key');
ok($n->everywhere(sub { $_[0]->get('/v1/models', key => $key)->status == 401 },
    1), 'holds on both within a second');

$_->mark for $n->t;
$n->done;
