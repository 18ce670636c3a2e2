#!/usr/bin/perl

# Each kind of refusal in each dialect: status, words and headers.

use strict;
use warnings;
no warnings 'redundant';

use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use AI::Gateway;

my $t = AI::Gateway->new;

$t->provider(8081);
$t->port(8083);                 # nobody listens there

$t->run(gateway_conf(
    plan => <<'EOC' . join('', map { <<EOT } qw(rate day money wide)),
    ai_plan usual {
        models  gpt-4.1 claude-sonnet-4-6 gemini-2.5-flash gpt-4o-prod down-*;
    }
EOC
    ai_plan $_ {
        models  *;
        @{[ { rate => 'limit requests 1/h;', day => 'limit requests 0/day;',
              money => 'limit cost 0/month;',
              wide => 'limit concurrency 0;' }->{$_} ]}
    }
    ai_tenant $_ { plan $_; key %%KEY_$_%% name=prod; }
EOT
    providers => AI::Conf::providers() . join('', map {
        AI::Conf::provider($_, name => "down-$_", port => 8083,
            upstream => 'down') } qw(openai anthropic gemini azure)),
    tenants => 'ai_tenant acme { plan usual; key %%KEY_acme%% name=prod; }',
    http => join("\n", 'upstream down { server 127.0.0.1:%%PORT_8083%%; }',
        map({ "ai_model down-$_ { price input=1 output=1; max_output 9; "
            . "target down-$_; }" } qw(openai anthropic gemini azure)),
        'ai_model dear { price input=9 output=9; max_output 9; '
            . 'target openai; target anthropic; target gemini; target azure; }'),
));

my %uri = (
    openai => '/v1/chat/completions',
    anthropic => '/v1/messages',
    gemini => '/v1beta/models/%s:generateContent',
    azure => '/openai/deployments/%s/chat/completions?api-version=2024-10-21',
);

my %model = (openai => 'gpt-4.1', anthropic => 'claude-sonnet-4-6',
    gemini => 'gemini-2.5-flash', azure => 'gpt-4o-prod');

my %auth = (openai => 'Authorization', anthropic => 'x-api-key',
    gemini => 'x-goog-api-key', azure => 'api-key');

sub ask {
    my ($api, %o) = @_;

    my $model = $o{model} || $model{$api};
    my $messages = '"messages":[{"role":"user","content":"x"}]';

    my $body = $o{body} // {
        openai => qq({"model":"$model",$messages}),
        anthropic => qq({"model":"$model","max_tokens":5,$messages}),
        gemini => '{"contents":[]}',
        azure => "{$messages}",
    }->{$api};

    return $t->request($o{method} || 'POST',
        ($o{prefix} || '') . sprintf($uri{$api}, $model) . ($o{suffix} || ''),
        $body, auth => $auth{$api}, key => exists $o{key} ? $o{key} : 'acme',
        headers => { %{ $o{headers} || {} } });
}

# name, what is asked, status, and then the type and code of OpenAI, the type
# of Anthropic, the status word of Google, x-should-retry, retry-after

my @cases = (
    [ 'no key', { key => undef }, 401, 'invalid_request_error',
        'invalid_api_key', 'authentication_error', 'INVALID_ARGUMENT',
        'false', 0 ],
    [ 'unknown key', { key => 'nobody' }, 401, 'invalid_request_error',
        'invalid_api_key', 'authentication_error', 'INVALID_ARGUMENT',
        'false', 0 ],
    [ 'misspelt key', { key => 'sk_ai_' . 'x' x 38 }, 401,
        'invalid_request_error', 'invalid_api_key', 'authentication_error',
        'INVALID_ARGUMENT', 'false', 0 ],
    [ 'two keys', { headers => { 'X-Other' => 1, 'X-Api-Key' => 'y' },
        two => 1 }, 400, 'invalid_request_error', 'invalid_request_error',
        'invalid_request_error', 'INVALID_ARGUMENT', 'false', 0 ],
    [ 'unknown model', { model => 'none' }, 404, 'invalid_request_error',
        'model_not_found', 'not_found_error', 'NOT_FOUND', 'false', 0 ],
    [ 'model of others', { model => 'dear' }, 403, 'invalid_request_error',
        'model_not_allowed', 'permission_error', 'PERMISSION_DENIED',
        'false', 0 ],
    [ 'no JSON', { body => '{' }, 400, 'invalid_request_error',
        'invalid_request_error', 'invalid_request_error', 'INVALID_ARGUMENT',
        'false', 0 ],
    [ 'coded', { headers => { 'Content-Encoding' => 'gzip' } }, 415,
        'invalid_request_error', 'invalid_request_error',
        'invalid_request_error', 'INVALID_ARGUMENT', 'false', 0 ],
    [ 'another type', { headers => { 'Content-Type' => 'text/plain' } }, 415,
        'invalid_request_error', 'invalid_request_error',
        'invalid_request_error', 'INVALID_ARGUMENT', 'false', 0 ],
    [ 'too large', { headers => { 'Content-Length' => 99999999 } }, 413,
        'invalid_request_error', 'invalid_request_error', 'request_too_large',
        'INVALID_ARGUMENT', undef, 0 ],
    [ 'method', { method => 'PUT' }, 405, 'invalid_request_error',
        'method_not_supported', 'invalid_request_error', 'INVALID_ARGUMENT',
        'false', 0 ],
    [ 'day', { key => 'day' }, 429, 'insufficient_quota',
        'insufficient_quota', 'rate_limit_error', 'RESOURCE_EXHAUSTED',
        'false', 0 ],
    [ 'money', { key => 'money' }, 429, 'insufficient_quota',
        'insufficient_quota', 'rate_limit_error', 'RESOURCE_EXHAUSTED',
        'false', 0 ],
    [ 'concurrency', { key => 'wide' }, 429, 'requests',
        'rate_limit_exceeded', 'rate_limit_error', 'RESOURCE_EXHAUSTED',
        undef, 1 ],
    [ 'rate', { key => 'rate' }, 429, 'requests', 'rate_limit_exceeded',
        'rate_limit_error', 'RESOURCE_EXHAUSTED', undef, 1 ],
    [ 'provider gone', { down => 1 }, 502, 'server_error', 'upstream_error',
        'api_error', 'UNAVAILABLE', undef, 0 ],
);

is(ask('openai', key => 'rate')->status, 200, 'the only one of an hour');

for my $case (@cases) {
    my ($what, $o, $status, $type, $code, $anthropic, $google, $retry,
        $after) = @$case;

    for my $api (qw(openai anthropic gemini azure)) {
        my %o = %$o;
        my $name = "$what, $api";
        my $want = $status;

        if (delete $o{two}) {
            $o{headers}{ $api eq 'anthropic' ? 'api-key' : 'x-api-key' } = 'y';
            delete $o{headers}{'X-Api-Key'};
        }

        $o{model} = "down-$api" if delete $o{down};
        $want = 400 if $api eq 'gemini' && $status == 401;

        my $r = ask($api, %o);
        my $e = $r->json;

        is($r->status, $want, "$name: status") or diag($r->body);
        is($r->header('content-type'), 'application/json', "$name: JSON");
        is($r->header('content-length'), length $r->body, "$name: length");
        like($r->id // '', qr/^[0-9a-f-]{36}$/, "$name: id");
        is($r->header('request-id'), $r->id, "$name: the same id");
        ok(length $e->{error}{message} > 10, "$name: says why");
        unlike($r->body, qr/127\.0|mock|down\b.*:|upstream [^u]|sk_ai|sk-prov/,
            "$name: nothing of the inside");
        is($r->header('x-should-retry'), $retry, "$name: x-should-retry");
        is($r->header('retry-after') // 0 ? 1 : 0, $after,
            "$name: retry-after");
        ok(($r->header('retry-after') // 0) <= 60, "$name: not for long");
        is($r->header('allow'), $status == 405 ? 'POST' : undef,
            "$name: allow");

        if ($api eq 'anthropic') {
            is($e->{type}, 'error', "$name: shape");
            is($e->{error}{type}, $anthropic, "$name: type");
            is($e->{request_id}, $r->id, "$name: id in the body");
            is(join(' ', sort keys %$e), 'error request_id type',
                "$name: members");

        } elsif ($api eq 'gemini') {
            is($e->{error}{code}, $want, "$name: code");
            is($e->{error}{status}, $google, "$name: status word");

            my ($info) = grep { $_->{'@type'} =~ /RetryInfo/ }
                @{ $e->{error}{details} || [] };

            is($info ? 1 : 0, $after, "$name: RetryInfo");

        } else {
            is(join(' ', sort keys %{ $e->{error} }), 'code message param type',
                "$name: members");
            is($e->{error}{type}, $type, "$name: type");
            is($e->{error}{code}, $code, "$name: code");
        }
    }
}

# names of models come back as they were, and harmless

for my $model ("<script>", 'a"b', "\xc3\xa9", 'x' x 128) {
    my $r = $t->chat({ model => $model });

    is($r->status, 404, 'odd name of a model');
    ok($r->json, 'in JSON');
    is($r->header('x-content-type-options') // 'nosniff', 'nosniff',
        'and as nothing else');
}

$t->done;
