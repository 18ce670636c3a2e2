#!/usr/bin/perl

# Each endpoint reaches its provider under the path that this one knows it by;
# any other spelling, method or endpoint gets no further than here.

use strict;
use warnings;
no warnings 'redundant';

use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use AI::Gateway;

my $t = AI::Gateway->new;
my $p = $t->provider(8081);

# a provider and a model of each base

my @bases = (
    [ 'openai', 'plain', '' ], [ 'openai', 'v1', '/v1' ],
    [ 'openai', 'below', '/openai/v1' ], [ 'openai', 'v4', '/api/paas/v4' ],
    [ 'openai', 'compatible', '/v1beta/openai' ],
    [ 'openai', 'prefix', '/deep/down' ],
    [ 'anthropic', 'claude', '' ], [ 'anthropic', 'claude-v1', '/v1' ],
    [ 'anthropic', 'claude-below', '/anthropic' ],
    [ 'gemini', 'gemini', '' ], [ 'gemini', 'gemini-beta', '/v1beta' ],
    [ 'azure', 'azure', '' ], [ 'azure', 'azure-v1', '/openai/v1' ],
);

my ($providers, $models) = ('', '');

for my $b (@bases) {
    my ($api, $name, $path) = @$b;
    my $version = $api eq 'azure' ? 'api_version 2024-10-21;' : '';

    $providers .= <<EOC;
    ai_provider $name {
        api       $api;
        base      http://127.0.0.1:%%PORT_8081%%$path;
        upstream  mock;
        key       file:%%DIR%%/provider.key;
        $version
    }
EOC
    $models .= <<EOC;
    ai_model $name { price input=1 output=1; max_output 1000; target $name; }
EOC
}

$models .= <<'EOC';
    ai_model omni-moderation-latest { price input=0 output=0; target plain; }
    ai_model "odd+name/x:y" { price input=1 output=1; max_output 9;
                              target azure; }
    ai_model "tuned" { price input=1 output=1; max_output 9;
                       target gemini model=models/tuned+1; }
EOC

$t->run(gateway_conf(
    providers => $providers,
    models => $models,
    server => 'merge_slashes off; listen 127.0.0.1:%%PORT_8082%% http2;',
));

my $msg = '"messages":[{"role":"user","content":"x"}]';
my $sent = 0;
my $form = "--B\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\n"
    . "%s\r\n--B\r\nContent-Disposition: form-data; name=\"file\"; "
    . "filename=\"a.mp3\"\r\n\r\nx\r\n--B--\r\n";

sub target {
    my ($uri, $body, %o) = @_;

    my %h = %{ $o{headers} || {} };

    $h{'Content-Type'} = 'multipart/form-data; boundary=B' if $body =~ /^--B/;

    my $r = $t->post($uri, $body, %o, headers => \%h, mock => { echo => 1 });

    $sent++ if $r->status == 200;

    return $r->status == 200 ? $r->json->{method} . ' ' . $r->json->{target}
        : $r->status . ' ' . $r->body;
}

# ---- OpenAI, and what is compatible with it ----

my %openai = (
    '/chat/completions' => qq({"model":"%s",$msg}),
    '/completions' => '{"model":"%s","prompt":"x"}',
    '/responses' => '{"model":"%s","input":"x"}',
    '/embeddings' => '{"model":"%s","input":"x"}',
    '/moderations' => '{"model":"%s","input":"x"}',
    '/images/generations' => '{"model":"%s","prompt":"x"}',
    '/audio/speech' => '{"model":"%s","input":"x","voice":"a"}',
    '/audio/transcriptions' => $form,
    '/audio/translations' => $form,
);

my %prefix = (plain => '/v1', v1 => '/v1', below => '/openai/v1',
    v4 => '/api/paas/v4', compatible => '/v1beta/openai',
    prefix => '/deep/down/v1');

for my $name (sort keys %prefix) {
    for my $path (sort keys %openai) {
        is(target("/v1$path", sprintf $openai{$path}, $name),
            "POST $prefix{$name}$path", "$name: $path");
    }
}

is(target('/v1/moderations', '{"input":"x"}'), 'POST /v1/moderations',
    'moderations without a model');

# no argument of the client goes along

for my $args ('?', '?a=b', '?model=dear&key=&api-version=1', '?%00', '?#x',
    '?stream=true&api-version=2020-01-01/../..')
{
    is(target("/v1/chat/completions$args", qq({"model":"plain",$msg})),
        'POST /v1/chat/completions', "arguments stay here: $args");
}

# ---- Anthropic ----

my $claude = qq({"model":"%s","max_tokens":5,$msg});

for my $x ([ 'claude', '/v1' ], [ 'claude-v1', '/v1' ],
    [ 'claude-below', '/anthropic/v1' ])
{
    my ($name, $base) = @$x;

    is(target('/v1/messages', sprintf $claude, $name), "POST $base/messages",
        "$name: messages");
    is(target('/v1/messages?beta=true', sprintf $claude, $name),
        "POST $base/messages?beta=true", "$name: beta");
    is(target('/v1/messages?beta=true&x=y', sprintf $claude, $name),
        "POST $base/messages?beta=true", "$name: beta alone");
    is(target('/v1/messages/count_tokens',
        qq({"model":"$name",$msg})), "POST $base/messages/count_tokens",
        "$name: count");
}

# ---- Gemini ----

my %verbs = (
    'generateContent' => '{"contents":[]}',
    'streamGenerateContent' => '{"contents":[]}',
    'embedContent' => '{"content":{"parts":[{"text":"x"}]}}',
    'batchEmbedContents' => '{"requests":[{"model":"models/%s","content":{}}]}',
    'countTokens' => '{"contents":[]}',
);

for my $verb (sort keys %verbs) {
    for my $version ('v1', 'v1beta', 'v1alpha') {
        my $to = "POST /$version/models/gemini:$verb";

        is(target("/$version/models/gemini:$verb",
            sprintf $verbs{$verb}, 'gemini'), $to, "$version, $verb");
        is(target("/$version/models/gemini:$verb?alt=sse&fields=x&\$alt=json",
            sprintf $verbs{$verb}, 'gemini'),
            $verb =~ /^stream/ ? "$to?alt=sse" : $to, "$version, $verb, sse");
    }

    is(target("/v1/models/gemini-beta:$verb",
        sprintf $verbs{$verb}, 'gemini-beta'),
        "POST /v1beta/models/gemini-beta:$verb", "base with version, $verb");
}

is(target('/v1beta/models/%67emin%69:generateContent', '{"contents":[]}'),
    'POST /v1beta/models/gemini:generateContent', 'escaped model');
is(target('/v1beta/models/tuned:generateContent', '{"contents":[]}'),
    'POST /v1beta/models/tuned%2B1:generateContent', 'escaped on its way');

# ---- Azure ----

for my $path ('/chat/completions', '/completions', '/embeddings',
    '/images/generations', '/audio/speech', '/audio/transcriptions')
{
    my $body = sprintf $openai{$path}, 'azure';

    is(target("/openai/deployments/azure$path?api-version=2025-01-01-preview",
        $body), "POST /openai/deployments/azure$path"
        . '?api-version=2025-01-01-preview', "Azure, dated: $path");
    is(target("/openai/deployments/azure$path", $body),
        "POST /openai/deployments/azure$path?api-version=2024-10-21",
        "Azure, version of the provider: $path");
    is(target("/openai/v1$path", $body),
        "POST /openai/deployments/azure$path?api-version=2024-10-21",
        "Azure, undated to dated: $path");
    is(target("/openai/v1$path", sprintf $openai{$path}, 'azure-v1'),
        "POST /openai/v1$path", "Azure, undated: $path");
    is(target("/openai/deployments/azure-v1$path?api-version=2024-10-21",
        sprintf $openai{$path}, 'azure-v1'),
        "POST /openai/v1$path", "Azure, dated to undated: $path");
}

for my $version ('2024/..', '2024%26x=y', 'a' x 33, '', '2024 HTTP/1.1') {
    next if $version =~ / /;

    is(target("/openai/deployments/azure/chat/completions?api-version=$version",
        qq({$msg})), 'POST /openai/deployments/azure/chat/completions'
        . '?api-version=2024-10-21', "Azure, odd version '$version'");
}

is(target('/openai/v1/chat/completions', qq({"model":"odd+name/x:y",$msg})),
    'POST /openai/deployments/odd%2Bname%2Fx%3Ay/chat/completions'
    . '?api-version=2024-10-21', 'Azure, escaped model');

# a model of another dialect is not reached by this one's endpoint, but by chat
# completions, which are translated

my $r = $t->post('/v1/chat/completions', qq({"model":"claude",$msg}));
my ($e) = reverse $p->waitentries(++$sent);

is($r->json->{object}, 'chat.completion', 'translated: the answer');
is($e->{path}, '/v1/messages', 'and the path');

for my $x ([ '/v1/embeddings', '{"model":"claude","input":"x"}' ],
    [ '/v1/messages', sprintf $claude, 'plain' ],
    [ '/v1beta/models/plain:generateContent', '{"contents":[]}' ],
    [ '/v1/responses', '{"model":"gemini","input":"x"}' ])
{
    like(target(@$x), qr/^404 \{"/, "$x->[0]: another dialect's model");
}

is($p->requests, $sent, 'as many as were told');

# ---- what is no endpoint ----

my $chat = qq({"model":"plain",$msg});
my @odd = (
    # finding: location matching and providers disagree about these
    '//v1/chat/completions', '/v1//chat/completions', '/v1/chat//completions',
    '/v1/x/../chat/completions', '/v1/./chat/completions',
    '/v1/chat/./completions', '/../v1/chat/completions',
    '/v1/chat%2fcompletions', '/v1/chat%2Fcompletions',
    '/%76%31/chat/completions', '/v1/%63hat/completions',
    '/v1/chat/completions%00', '/v1/chat/completions%20',
    '/v1/chat/completions%23', '/v1/chat/completions%3f',
    '/v1/chat/completions/', '/v1/chat/completions/.',
    '/v1/chat/completions/..', '/v1/chat/completions;x',
    '/v1/chat;x/completions', '/V1/chat/completions', '/v1/Chat/Completions',
    '/v1\\chat/completions', '/v1/chat\\completions',
    '/v1/chat/completions.', '/v1/chat/completions,', '/v1/chat/completions&',
    '/v1/chat/completions#f', '/v1/chat/completions%0a',
    '/v1/chat/completions%c0%af', '/v1/chat/completions/x',
    '/x/v1/chat/completions', '/v2/chat/completions', '/chat/completions',
    '/v1', '/v1/', '/', '/v1/chat', '/v1/chat/', '/v1/complete', '/v1/engines',
    '/v1/%2e%2e/v1/chat/completions', '/v1/chat/%2e/completions',
    # models in a path
    '/v1beta/models/gemini%2F..%2Fx:generateContent',
    '/v1beta/models/..:generateContent', '/v1beta/models/%2e%2e:generateContent',
    '/v1beta/models/.:generateContent', '/v1beta/models/:generateContent',
    '/v1beta/models/gemini:generateContent/', '/v1beta/models/a/b:generateContent',
    '/v1beta/models/gemini:generateContent%3F',
    '/v1beta/models/gemini%3AgenerateContent', '/v1beta/models/gemini:GenerateContent',
    '/v1beta/models/gemini;x:generateContent', '/v1beta/models/gemini%00:generateContent',
    '/v1beta/models/gemini%0d%0aX:generateContent',
    '/v1beta/models/gemini%zz:generateContent', '/v1beta/models/gemini%2:generateContent',
    '/v1beta/models/' . 'x' x 200 . ':generateContent',
    '/v1beta/models/gemini%ff:generateContent',
    '/v1beta/models/gemini:generateContent:generateContent',
    '/v1beta/models/gemini:anything', '/v1beta/gemini:generateContent',
    '/v1beta/tunedModels/x:generateContent', '/v1beta2/models/gemini:generateContent',
    '/openai/deployments/azure%2F..%2Fx/chat/completions',
    '/openai/deployments/../chat/completions',
    '/openai/deployments//chat/completions', '/openai/deployments/azure',
    '/openai/deployments/azure/chat/completions/',
    '/openai/deployments/azure/responses', '/openai/chat/completions',
    '/openai/v1/models/gemini:generateContent',
    # what keeps state at the provider, and what nobody meters
    map({ ("/v1/$_", "/v1/$_/x", "/openai/v1/$_") } qw(files batches
        assistants threads uploads vector_stores fine_tuning/jobs containers
        conversations evals videos realtime/sessions chatkit/sessions
        organization/usage/completions skills images/edits images/variations
        audio/voices responses/resp_1 responses/resp_1/cancel
        responses/compact responses/input_tokens chat/completions/chatcmpl-1
        )),
    '/v1/messages/batches', '/v1/messages/batches/b/results', '/v1/complete',
    '/v1/realtime', '/v1/realtime?model=gpt-4o', '/v1/models/gemini:predict',
    '/v1beta/cachedContents', '/v1beta/files', '/upload/v1beta/files',
    '/v1beta/models/gemini:batchGenerateContent', '/v1beta/batches/x',
    '/v1beta/interactions', '/v1beta/models/veo:predictLongRunning',
    '/api/chat', '/api/generate', '/api/pull', '/metrics', '/health', '/docs',
    '/openapi.json', '/v1/load_lora_adapter', '/tokenize', '/invocations',
    '/ai', '/ai/', '/v1/usage/x',
);

my $c = $t->connect;

for my $uri (@odd) {
    for my $method ('POST', 'GET') {
        my $body = $method eq 'POST' ? $chat : undef;

        $c->request($method, $uri, $body, AI::Gateway::headers());

        my $r = $c->finish;

        # nginx refuses some itself; a model may have any name
        my $status = $method eq 'GET' && $r->status == 405 ? 405
            : $r->status == 400 && $uri =~ m{%00|%zz|%2:|\.\./|:gen.*:gen}
            ? 400 : 404;

        $status = 405 if $method eq 'POST' && $uri =~ /gemini%3A/;

        is($r->status, $status, "$method $uri");
        ok(ref $r->json->{error}, "$method $uri: JSON")
            or diag($r->body);
        is($r->header('content-type'), 'application/json',
            "$method $uri: type");

        $c = $t->connect if ($r->header('connection') // '') eq 'close';
    }
}

is($p->requests, $sent, 'none of these reaches the provider');

# ---- methods ----

for my $method (qw(GET HEAD PUT PATCH DELETE OPTIONS PROPFIND FOO)) {
    my $r = $t->request($method, '/v1/chat/completions', undef);

    is($r->status, 405, "$method: status");
    is($r->header('allow'), 'POST', "$method: Allow");
    is($r->header('content-type'), 'application/json', "$method: JSON");
}

for my $uri ('/v1/models', '/v1/models/plain', '/v1/usage', '/v1beta/models',
    '/openai/v1/models')
{
    for my $method (qw(POST PUT DELETE)) {
        my $r = $t->request($method, $uri, '{}');

        is($r->status, 405, "$method $uri: status");
        is($r->header('allow'), 'GET', "$method $uri: Allow");
    }

    is($t->request('HEAD', $uri)->status, 200, "HEAD $uri");
    is($t->get($uri)->status, 200, "GET $uri");
}

for my $method (qw(TRACE CONNECT)) {
    my $r = $t->request($method, '/v1/chat/completions', undef);

    is($r->status, 405, "$method: status");
    is($r->header('content-type'), 'application/json', "$method: JSON");
}

# an absolute target, of whatever host, is the same path

my $key = AI::Gateway::make_key('acme');

for my $host ('gateway.test', 'evil.test:1', '127.0.0.1') {
    is(target("http://$host/v1/chat/completions", $chat),
        'POST /v1/chat/completions', "absolute target, $host");
}

for my $uri ('http://x//v1/chat/completions', 'http:///v1/chat/completions',
    '*', 'v1/chat/completions', 'http://x', 'http://x?/v1/chat/completions')
{
    my $r = $t->post($uri, $chat);

    ok($r->status == 404 || $r->status == 400, "odd target $uri");
    is($r->header('content-type'), 'application/json', "odd target $uri: JSON");
}

# ---- at random: whatever is not the very path goes nowhere ----

srand 20261121;

my @parts = ('/v1', '/v1beta', '/openai', '/models', '/gemini', '/chat',
    '/completions', '/messages', '/responses', ':generateContent', '/', '//',
    '/.', '/..', '%2f', '%2e', '%00', ';', '?', '#', '%', '\\', ':', '@', 'x',
    '/deployments', '/azure', '/embeddings', '*', '&', '=', '%0d%0a', '~');

my %known = map { $_ => 1 } '/v1/chat/completions', '/v1/completions',
    '/v1/responses', '/v1/embeddings', '/v1/messages', '/openai/v1/responses',
    '/openai/v1/chat/completions', '/openai/v1/completions',
    '/openai/v1/embeddings', map({ ("/$_/models/gemini:generateContent") }
        qw(v1 v1beta)), map({ "/openai/deployments/azure$_" }
        '/chat/completions', '/completions', '/embeddings');

my ($probes, $before) = (0, $p->requests);

$c = $t->connect;

while ($probes < 3000) {
    my $uri = join '', map { $parts[rand @parts] } 1 .. 1 + rand 6;

    $uri = "/$uri" if $uri !~ m{^/};
    my ($path) = $uri =~ /^([^?]*)/;

    next if $known{$path};

    $probes++;
    $c->request('POST', $uri, $chat, AI::Gateway::headers());

    my $r = $c->finish;

    fail("$uri: " . $r->status . ' ' . $r->body)
        if $r->status !~ /^(?:400|404|405)$/
        || ($r->header('content-type') // '') ne 'application/json';

    $c = $t->connect if ($r->header('connection') // '') eq 'close'
        || !$r->status;
}

is($p->requests, $before, "none of $probes odd paths reaches the provider");
$c->close;

my @rows = $t->waitrows($before);

is(scalar @rows, $before, 'as many rows as requests of the provider');

$t->done;
