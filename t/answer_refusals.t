#!/usr/bin/perl

# Refusals: status, body and headers that official clients obey, in the
# dialect of the route, over both protocols.

use strict;
use warnings;

use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use AI::Gateway;

use constant CHAT => '/v1/chat/completions';

my $uuid = qr/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-
              [0-9a-f]{12}$/x;

my $t = AI::Gateway->new;
my $p = $t->provider(8081);

$t->run(gateway_conf(
    plan => <<'EOC',
    ai_plan usual {
        models  gpt-4.1 claude-* gemini-*;
    }
    ai_plan slow {
        models  *;
        limit   requests 1/m;
    }
    ai_plan poor {
        models  *;
        limit   requests 1/day;
    }
EOC
    tenants => <<'EOC',
    ai_tenant acme { plan usual; key %%KEY_acme%% name=prod; }
    ai_tenant slow { plan slow; key %%KEY_slow%% name=prod; }
    ai_tenant poor { plan poor; key %%KEY_poor%% name=prod; }
EOC
    server => 'listen 127.0.0.1:%%PORT_8082%% http2;',
));

sub refused {
    my ($r, $status, $code, $name) = @_;

    is($r->status, $status, "$name: status");
    is($r->header('content-type'), 'application/json', "$name: is JSON");
    is($r->header('content-length'), length $r->body, "$name: length");
    like($r->header('x-request-id') // '', $uuid, "$name: id");
    is($r->header('request-id'), $r->header('x-request-id'), "$name: ids");

    my $e = $r->json->{error};

    is(join(' ', sort keys %$e), 'code message param type', "$name: members");
    is($e->{code}, $code, "$name: code");
}

# OpenAI

my $r = $t->chat(undef, key => undef);

refused($r, 401, 'invalid_api_key', 'no key');
is($r->header('x-should-retry'), 'false', 'no key: no retry');
ok(!defined $r->header('x-ratelimit-limit-requests'), 'no key: no limits');
ok(!defined $r->header('www-authenticate'), 'no key: no challenge');

$r = $t->chat(undef, key => 'nobody');
refused($r, 401, 'invalid_api_key', 'unknown key');

$r = $t->chat({ model => 'gpt-9' });
refused($r, 404, 'model_not_found', 'unknown model');
is($r->header('x-should-retry'), 'false', 'unknown model: no retry');

$r = $t->chat({ model => 'gpt-4.1-mini' });
refused($r, 403, 'model_not_allowed', 'model of another plan');

$r = $t->get(CHAT);
is($r->status, 405, 'method: status');
is($r->header('allow'), 'POST', 'method: allowed one');

$r = $t->post('/v1/files', '{}');
is($r->status, 404, 'stateful endpoint: status');
ok($r->json->{error}{message}, 'stateful endpoint: message');

# limits

is($t->chat(undef, key => 'slow')->status, 200, 'rate: first passes');

$r = $t->chat(undef, key => 'slow');
refused($r, 429, 'rate_limit_exceeded', 'rate');

my $wait = $r->header('retry-after');
my $ms = $r->header('retry-after-ms');

like($wait, qr/^\d+$/, 'rate: whole seconds');
ok($wait >= 1 && $wait <= 60, 'rate: at most a minute');
ok($ms > 0 && $ms <= 60000, 'rate: milliseconds');
ok($wait == int(($ms + 999) / 1000), 'rate: seconds are rounded up');
isnt($r->header('x-should-retry') // '', 'false', 'rate: retry is allowed');
is($r->header('x-ratelimit-limit-requests'), 1, 'rate: limit');
is($r->header('x-ratelimit-remaining-requests'), 0, 'rate: nothing is left');
like($r->json->{error}{message}, qr/requests are limited to 1 per minute/,
    'rate: message names the limit');

is($t->chat(undef, key => 'poor')->status, 200, 'budget: first passes');

$r = $t->chat(undef, key => 'poor');
refused($r, 429, 'insufficient_quota', 'budget');
is($r->header('x-should-retry'), 'false', 'budget: no retry');
ok(!defined $r->header('retry-after'), 'budget: no wait');
like($r->json->{error}{message}, qr/resets at \d{4}-\d\d-\d\dT00:00:00Z/,
    'budget: message says when it comes back');

# Anthropic

my %msg = (model => 'claude-sonnet-4-6', max_tokens => 8,
    messages => [ { role => 'user', content => 'Hello' } ]);

$r = $t->post('/v1/messages', \%msg, key => 'nobody', auth => 'x-api-key');

is($r->status, 401, 'Anthropic: status');
is($r->json->{type}, 'error', 'Anthropic: outer type');
is($r->json->{error}{type}, 'authentication_error', 'Anthropic: type');
is($r->json->{request_id}, $r->header('request-id'), 'Anthropic: id');

$r = $t->post('/v1/messages', \%msg, key => 'poor', auth => 'x-api-key');

is($r->status, 429, 'Anthropic: budget');
is($r->json->{error}{type}, 'rate_limit_error', 'Anthropic: budget type');
is($r->header('anthropic-ratelimit-requests-remaining'), 0,
    'Anthropic: nothing is left');
like($r->header('anthropic-ratelimit-requests-reset'),
    qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/, 'Anthropic: reset is a time');

# Gemini

my %gen = (contents => [ { parts => [ { text => 'Hello' } ] } ]);

$r = $t->post('/v1beta/models/gemini-2.5-flash:generateContent', \%gen,
    key => 'nobody', auth => 'x-goog-api-key');

is($r->status, 400, 'Gemini: bad key is 400');
is($r->json->{error}{code}, 400, 'Gemini: code is the status');
is($r->json->{error}{status}, 'INVALID_ARGUMENT', 'Gemini: status word');
is($r->json->{error}{details}[0]{reason}, 'API_KEY_INVALID',
    'Gemini: reason');

# connections and methods

my $c = $t->connect;

for my $name (qw(first second third)) {
    $c->request('POST', CHAT, 'x' x 5000, {
        Authorization => 'Bearer ' . make_key('nobody')
    });

    $r = $c->finish;
    is($r->status, 401, "$name of one connection");
}

$c->close;

$r = $t->request('HEAD', CHAT, undef, key => 'nobody');

ok($r->status >= 400, 'HEAD is refused');
is($r->body, '', 'HEAD has no body');
ok($r->header('content-length') > 0, 'HEAD has the length');

$r = $t->h2('POST', CHAT, { model => 'gpt-9' }, port => 8082);

refused($r, 404, 'model_not_found', 'HTTP/2');

# nothing of this went to a provider, nor has it a row

is($p->requests, 2, 'refused requests reach no provider');
is(scalar $t->waitrows(2), 2, 'refused requests have no row');

# but it is counted

my $s = $t->status;

ok($s->{totals}{refused}{key} >= 7, 'keys refused');
is($s->{totals}{refused}{model}, 3, 'models refused');
is($s->{totals}{refused}{rate}, 1, 'rates refused');
is($s->{totals}{refused}{budget}, 2, 'budgets refused');

my %tenant = map { $_->{name} => $_ } @{ $s->{tenants} };

is($tenant{poor}{refused}{budget}, 2, 'budgets refused by tenant');
is($tenant{poor}{refused}{rate}, 0, 'and no rate there');

$t->done;
