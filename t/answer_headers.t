#!/usr/bin/perl

# The provider's own limits, ids, cookies and traces stay behind; the tenant's
# limits and the gateway's id take their place.

use strict;
use warnings;

use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use AI::Gateway;

my $t = AI::Gateway->new;

$t->provider(8081);

$t->run(gateway_conf(
    plan => <<'EOC',
    ai_plan usual {
        models  *;
        limit   requests 100/h;
        limit   requests 1000/day;
        limit   tokens 500000/month;
        limit   output_tokens 70000/h;
        limit   cost 5.00/month;
    }
EOC
    tenants => <<'EOC',
    ai_tenant acme {
        plan  usual;
        key   %%KEY_acme%% name=prod;
        key   %%KEY_tight%% name=tight;
    }
    ai_plan free {
        models  *;
    }
    ai_tenant free {
        plan  free;
        key   %%KEY_free%% name=prod;
    }
EOC
));

my %foreign = (
    'X-RateLimit-Limit-Requests'      => '7',
    'X-RateLimit-Remaining-Tokens'    => '7',
    'x-ratelimit-limit-images'        => '7',
    'anthropic-ratelimit-tokens-limit' => '7',
    'anthropic-priority-input-tokens-limit' => '7',
    'anthropic-fast-input-tokens-limit' => '7',
    'ratelimitbysize-limit'           => '7',
    'X-Request-Id'                    => 'req_provider',
    'Request-Id'                      => 'req_provider',
    'OpenAI-Organization'             => 'org-operator',
    'OpenAI-Project'                  => 'proj-operator',
    'anthropic-organization-id'       => 'org-operator',
    'Set-Cookie'                      => [ 'a=b', '__cf_bm=c' ],
    'CF-Ray'                          => 'abc-FRA',
    'cf-cache-status'                 => 'DYNAMIC',
    'x-ms-region'                     => 'westeurope',
    'apim-request-id'                 => 'apim',
    'azureml-model-session'           => 'd1',
    'x-envoy-upstream-service-time'   => '7',
    'Via'                             => '1.1 google',
    'Alt-Svc'                         => 'h3=":443"',
    'Server-Timing'                   => 'gfet4t7; dur=7',
    'Strict-Transport-Security'       => 'max-age=1',
);

my %kept = (
    'openai-processing-ms' => '42',
    'openai-version'       => '2020-10-01',
    'content-language'     => 'en',
    'x-content-type-options' => 'nosniff',
);

my $r = $t->chat(undef, mock => { headers => { %foreign, %kept } });

is($r->status, 200, 'plain answer');

for my $name (sort keys %foreign) {
    next if $name =~ /^(x-)?request-id$/i
        || $name =~ /^x-ratelimit-(limit-requests|remaining-tokens)$/i;

    ok(!defined $r->header($name), "$name stays behind");
}

for my $name (sort keys %kept) {
    is($r->header($name), $kept{$name}, "$name passes");
}

like($r->id, qr/^[0-9a-f-]{36}$/, 'own x-request-id, once');
is($r->header('request-id'), $r->id, 'own request-id, once');
is($t->waitrow($r->id)->{id}, $r->id, 'which is the id of the row');

# OpenAI: the bucket before the window, durations as Go writes them

is($r->header('x-ratelimit-limit-requests'), 100, 'limit of requests');
is($r->header('x-ratelimit-remaining-requests'), 99, 'requests left');
like($r->header('x-ratelimit-reset-requests'), qr/^(\d+ms|[\d.]+s)$/,
    'requests are back soon');
is($r->header('x-ratelimit-limit-tokens'), 500000, 'limit of tokens');
like($r->header('x-ratelimit-reset-tokens'), qr/^\d+h\d+m[\d.]+s$/,
    'tokens are back at the end of the month');
ok(!grep({ /cost|output/ } $r->{raw_head} // ''), 'no other limits');

my $left = $t->chat->header('x-ratelimit-remaining-tokens');

ok($left < 500000, 'tokens were used');

# Anthropic

$r = $t->post('/v1/messages', {
    model => 'claude-sonnet-4-6', max_tokens => 8,
    messages => [ { role => 'user', content => 'Hello' } ]
}, auth => 'x-api-key');

is($r->status, 200, 'Anthropic: answer');
is($r->header('anthropic-ratelimit-requests-limit'), 100,
    'Anthropic: requests');
is($r->header('anthropic-ratelimit-output-tokens-limit'), 70000,
    'Anthropic: output tokens');
ok(!defined $r->header('anthropic-ratelimit-input-tokens-limit'),
    'Anthropic: no limit, no header');
like($r->header('anthropic-ratelimit-tokens-reset'),
    qr/^\d{4}-\d\d-01T00:00:00Z$/, 'Anthropic: a window ends with its month');
ok(!defined $r->header('x-ratelimit-limit-requests'),
    'Anthropic: none of the other dialect');

# Gemini has none

$r = $t->post('/v1beta/models/gemini-2.5-flash:generateContent', {
    contents => [ { parts => [ { text => 'Hello' } ] } ]
}, auth => 'x-goog-api-key');

is($r->status, 200, 'Gemini: answer');
ok(!grep({ /ratelimit/ } keys %{ $r->{headers} }), 'Gemini: no limits');

# no limits, no headers

$r = $t->chat(undef, key => 'free', mock => { headers => \%foreign });

is($r->status, 200, 'tenant without limits');
ok(!grep({ /ratelimit/ } keys %{ $r->{headers} }), 'and without headers');

# a provider's error passes in its own words, without its headers

$r = $t->chat(undef, mock => {
    status => 429, body => '{"error":{"message":"theirs"}}',
    headers => { %foreign, 'Retry-After' => 7 }
});

is($r->status, 429, 'error of the provider');
is($r->json->{error}{message}, 'theirs', 'in its own words');
is($r->header('retry-after'), 7, 'its retry-after passes');
ok(!defined $r->header('set-cookie'), 'its cookies do not');

$t->done;
