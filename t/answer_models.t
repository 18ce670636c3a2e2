#!/usr/bin/perl

# The caller's own list of models, in the caller's dialect.

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
        models  gpt-4.1 claude-* gemini-2.5-flash;
    }
    ai_plan none {
    }
EOC
    tenants => <<'EOC',
    ai_tenant acme {
        plan  usual;
        key   %%KEY_acme%% name=prod;
        key   %%KEY_narrow%% name=narrow models=claude-*;
    }
    ai_tenant none {
        plan  none;
        key   %%KEY_none%% name=prod;
    }
EOC
    http => <<'EOC',
    ai_alias  gpt-4      gpt-4.1;
    ai_alias  zz-secret  gpt-4.1-mini;
EOC
));

my %anthropic = (headers => { 'anthropic-version' => '2023-06-01' },
    auth => 'x-api-key');
my %gemini = (auth => 'x-goog-api-key');

# OpenAI

my $r = $t->get('/v1/models');

is($r->status, 200, 'list');
is($r->header('content-type'), 'application/json', 'list is JSON');
is($r->json->{object}, 'list', 'object');
is_deeply([ map { $_->{id} } @{ $r->json->{data} } ],
    [qw(claude-sonnet-4-6 gemini-2.5-flash gpt-4 gpt-4.1)],
    'allowed models and aliases, sorted');
is_deeply($r->json->{data}[3],
    { id => 'gpt-4.1', object => 'model', created => 0,
      owned_by => 'organization-owner' }, 'a model');
unlike($r->body, qr/mock|127\.0|price|target/, 'nothing of the inside');

$r = $t->get('/v1/models/gpt-4');

is($r->json->{id}, 'gpt-4', 'an alias has its own name');

my $denied = $t->get('/v1/models/gpt-4.1-mini');
my $unknown = $t->get('/v1/models/gpt-9.9-mini');

is($denied->status, 404, 'a model of others');
is($denied->json->{error}{code}, 'model_not_found', 'is not found');
is($denied->body =~ s/gpt-4\.1-mini/X/r, $unknown->body =~ s/gpt-9\.9-mini/X/r,
    'and looks like one that does not exist');
is($t->get('/v1/models/zz-secret')->status, 404,
    'an alias is judged by its model');

is_deeply([ map { $_->{id} } @{ $t->get('/v1/models', key => 'narrow')
    ->json->{data} } ], ['claude-sonnet-4-6'], 'a narrower key');
is_deeply($t->get('/v1/models', key => 'none')->json->{data}, [],
    'a plan without models');
is($t->get('/v1/models', key => undef)->status, 401, 'no key, no list');

# Anthropic

$r = $t->get('/v1/models', %anthropic);

is_deeply($r->json->{data}[0],
    { type => 'model', id => 'claude-sonnet-4-6',
      display_name => 'claude-sonnet-4-6',
      created_at => '1970-01-01T00:00:00Z' }, 'Anthropic: a model');
is($r->json->{first_id}, 'claude-sonnet-4-6', 'Anthropic: first');
is($r->json->{last_id}, 'gpt-4.1', 'Anthropic: last');
ok(!$r->json->{has_more}, 'Anthropic: no more');

my @seen;
my $after = '';

for my $page (1 .. 9) {
    $r = $t->get("/v1/models?limit=3$after", %anthropic);

    push @seen, map { $_->{id} } @{ $r->json->{data} };
    last unless $r->json->{has_more};
    $after = '&after_id=' . $r->json->{last_id};
}

is_deeply(\@seen, [qw(claude-sonnet-4-6 gemini-2.5-flash gpt-4 gpt-4.1)],
    'Anthropic: pages');

$r = $t->get('/v1/models?limit=1&before_id=gpt-4', %anthropic);

is($r->json->{data}[0]{id}, 'gemini-2.5-flash', 'Anthropic: page before');
ok($r->json->{has_more}, 'Anthropic: and more before it');

for my $limit (qw(0 -1 x 1e9 99999999999999999999 %00)) {
    is(scalar @{ $t->get("/v1/models?limit=$limit", %anthropic)
        ->json->{data} }, 4, "Anthropic: limit $limit is no limit");
}

is($t->get('/v1/models/nope', %anthropic)->json->{error}{type},
    'not_found_error', 'Anthropic: not found');

# Gemini

$r = $t->get('/v1beta/models', %gemini);

my %model = map { $_->{name} => $_ } @{ $r->json->{models} };

is_deeply([ sort keys %model ], [ map { "models/$_" }
    qw(claude-sonnet-4-6 gemini-2.5-flash gpt-4 gpt-4.1) ], 'Gemini: names');

my $m = $model{'models/gpt-4.1'};

is($m->{inputTokenLimit}, 1047576, 'Gemini: context');
is($m->{outputTokenLimit}, 32768, 'Gemini: output');
ok(grep({ $_ eq 'generateContent' } @{ $m->{supportedGenerationMethods} }),
    'Gemini: methods');

is($t->get('/v1beta/models/gpt-4', %gemini)->json->{name}, 'models/gpt-4',
    'Gemini: one');
is($t->get('/v1beta/models/nope', %gemini)->json->{error}{status},
    'NOT_FOUND', 'Gemini: not found');

is($p->requests, 0, 'no provider was asked');

$t->done;
