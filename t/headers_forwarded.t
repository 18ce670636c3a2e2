#!/usr/bin/perl

# What of a client's head reaches a provider, and what of a provider's head
# reaches a tenant.

use strict;
use warnings;

use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use AI::Gateway;

use constant CHAT => '/v1/chat/completions';

my $t = AI::Gateway->new;
my $p = $t->provider(8081);

$t->run(gateway_conf(
    providers => join('',
        map({ AI::Conf::provider($_) } qw(openai anthropic gemini azure)),
        AI::Conf::provider('openai', name => 'known',
            extra => 'identify on;')),
    http => <<'EOC',
    underscores_in_headers  on;

    ai_model known {
        price  input=1 output=1;
        max_output  100;
        target known;
    }
EOC
    server => 'listen 127.0.0.1:%%PORT_8082%% http2;',
));

# the head that the provider got: { name => [values] }

sub seen {
    my ($r) = @_;

    my %h;

    push @{ $h{ lc $_->[0] } }, $_->[1] for @{ $r->json->{headers} || [] };

    return \%h;
}

# headers that choose an account, a tenant, a method, a path or a price, and
# those which cut the usage out of an answer

my @dropped = qw(
    X-Tenant-Id X-Tenant-Plan X-Tenant X-Tenant-Anything X-AI-Tenant
    X-Request-Id Request-Id
    OpenAI-Organization OpenAI-Project ChatGPT-Account-Id
    anthropic-workspace-id anthropic-organization-id
    x-goog-user-project X-Goog-FieldMask x-goog-quota-user
    X-Vertex-AI-LLM-Request-Type X-Vertex-AI-LLM-Shared-Request-Type
    x-ms-oai-image-generation-deployment azureml-model-deployment
    ocp-apim-subscription-key X_Api_Key Api_Key X_Goog_Api_Key
    Cookie Proxy-Authorization Proxy-Connection
    Forwarded X-Forwarded-For X-Forwarded-Host X-Forwarded-Proto X-Real-IP Via
    X-HTTP-Method X-HTTP-Method-Override X-Method-Override
    X-Original-URL X-Original-URI X-Rewrite-URL
    Idempotency-Key x-should-retry
    Trailer TE Upgrade Keep-Alive
    If-None-Match If-Match If-Modified-Since If-Unmodified-Since If-Range Range
    X-Accel-Redirect
);

for my $to (map { s/-/_/gr } grep { /-/ && !/^(?:If|Keep)/ } @dropped) {
    push @dropped, $to;
}

my %usual = map { $_ => 1 } qw(host content-type content-length
    authorization x-request-id accept-encoding x-mock);

my $r = $t->chat(undef, mock => { echo => 1 }, headers => {
    map({ $_ => 'canary' } @dropped),
    'uPGRADE-Insecure-Requests' => 1,
    'OpenAI-Beta' => 'assistants=v2',
    'X-Stainless-Lang' => 'js',
    'User-Agent' => 'sdk/1',
    'Accept-Encoding' => 'gzip, br',
    'If-Modified-Since' => 'Sat, 21 Nov 2026 00:00:00 GMT',
});

is($r->status, 200, 'answer');

my $h = seen($r);
my @foreign = grep { !$usual{$_} && "@{ $h->{$_} }" =~ /canary/ } keys %$h;

is(join(' ', sort @foreign), '', 'nothing of these reaches the provider');
unlike($r->body, qr/canary"/, 'in no other place either');
is_deeply($h->{'x-request-id'}, [ $r->id ], 'the only id is ours');
is_deeply($h->{'accept-encoding'}, [ 'identity' ], 'no compression is asked');
is_deeply($h->{'openai-beta'}, [ 'assistants=v2' ], 'others pass');
is_deeply($h->{'x-stainless-lang'}, [ 'js' ], 'as they are');
is_deeply($h->{'user-agent'}, [ 'sdk/1' ], 'client\'s name passes');
is_deeply($h->{host}, [ '127.0.0.1:' . $t->port(8081) ],
    'Host is the provider\'s');
is_deeply($h->{authorization}, [ 'Bearer ' . AI::Gateway::provider_key() ],
    'one credential, the provider\'s');

# conditions are not for answers of models: they would hide what was used

for my $name ('If-None-Match', 'If-Match', 'If-Modified-Since',
    'If-Unmodified-Since', 'If-Range', 'Range')
{
    my $value = $name =~ /Since/ ? 'Sat, 21 Nov 2020 00:00:00 GMT'
              : $name eq 'Range' ? 'bytes=0-0' : '*';

    for my $stream (0, 1) {
        $r = $t->chat({ stream => $stream ? \1 : \0 },
            headers => { $name => $value },
            mock => { headers => { ETag => '"a"', 'Accept-Ranges' => 'bytes',
                'Last-Modified' => 'Sat, 21 Nov 2020 00:00:00 GMT' } });

        is($r->status, 200, "$name: the answer comes");
        ok(length $r->body > 100, "$name: whole");
        is($t->waitrow($r->id)->{output_tokens}, 8, "$name: and is billed");
    }
}

$r = $t->chat(undef, headers => { 'If-Match' => '"none"' });

is($r->status, 200, 'If-Match without an ETag: the answer comes');
is($t->waitrow($r->id)->{output_tokens}, 8, 'and is billed');

# a provider of our own is told who asks, whatever the client claims

$r = $t->chat({ model => 'known' }, mock => { echo => 1 }, headers => {
    'X-Tenant-Id' => [ 'other', 'third' ], 'x-tenant-plan' => 'gold',
    'X_Tenant_Id' => 'other'
});

$h = seen($r);

is_deeply($h->{'x-tenant-id'}, [ 'acme' ], 'tenant is ours');
is_deeply($h->{'x-tenant-plan'}, [ 'usual' ], 'plan is ours');
ok(!defined $h->{x_tenant_id}, 'nor by an underscore');

# the same over HTTP/2

$r = $t->h2('POST', CHAT, { model => 'known', max_tokens => 4, messages => [] },
    port => 8082, mock => { echo => 1 }, headers => {
        'X-Tenant-Id' => 'other', Cookie => 'a=b', 'x-goog-fieldmask' => 'a',
        'TE' => 'trailers', 'Content-Type' => 'application/json'
    });

is($r->status, 200, 'HTTP/2: answer');
$h = seen($r);
is_deeply($h->{'x-tenant-id'}, [ 'acme' ], 'HTTP/2: tenant is ours');
ok(!defined $h->{$_}, "HTTP/2: no $_") for qw(cookie x-goog-fieldmask te);

# each way to present a key, each way that a provider wants one

my $key = AI::Gateway::make_key('acme');
my $theirs = AI::Gateway::provider_key();

my @routes = (
    [ 'openai', CHAT, { model => 'gpt-4.1', messages => [] },
        'authorization', "Bearer $theirs" ],
    [ 'anthropic', '/v1/messages', { model => 'claude-sonnet-4-6',
        max_tokens => 4, messages => [] }, 'x-api-key', $theirs ],
    [ 'gemini', '/v1beta/models/gemini-2.5-flash:generateContent',
        { contents => [] }, 'x-goog-api-key', $theirs ],
    [ 'azure', '/openai/deployments/gpt-4o-prod/chat/completions'
        . '?api-version=2024-10-21', { messages => [] },
        'api-key', $theirs ],
);

for my $route (@routes) {
    my ($name, $uri, $body, $header, $value) = @$route;

    for my $auth ('Authorization', 'x-api-key', 'api-key', 'x-goog-api-key',
        '?key=', 'all')
    {
        my $path = $uri;
        my %o = (key => 'acme', auth => $auth);

        if ($auth eq '?key=' || $auth eq 'all') {
            $path .= ($uri =~ /\?/ ? '&' : '?') . "key=$key";
            %o = (key => undef);
        }

        if ($auth eq 'all') {
            $o{headers} = {
                'Authorization' => "Bearer $key", 'x-api-key' => $key,
                'api-key' => $key, 'x-goog-api-key' => $key
            };
        }

        $r = $t->post($path, $body, %o, mock => { echo => 1 });

        is($r->status, 200, "$name, $auth: answer")
            or diag($r->body);
        unlike($r->body, qr/\Q$key\E/, "$name, $auth: key stays here");

        $h = seen($r);
        my @have = grep { $h->{$_} } qw(authorization x-api-key api-key
            x-goog-api-key cookie);

        is("@have", $header, "$name, $auth: one credential");
        is_deeply($h->{$header}, [ $value ], "$name, $auth: the provider's");
        unlike($r->json->{target} // '', qr/key=/, "$name, $auth: no key in URL");
    }
}

# providers cannot steer nginx, nor send tenants elsewhere

my $requests = $p->requests;

for my $status (301, 302, 303, 307, 308) {
    $r = $t->chat(undef, mock => { status => $status, body => '{}', headers => {
        Location => 'http://127.0.0.1:' . $t->port(8081) . CHAT,
        Refresh => '0; url=http://internal.test/' } });

    is($r->status, $status, "redirect $status passes");
    ok(!defined $r->header('location'), "but not where to ($status)");
    ok(!defined $r->header('refresh'), "nor by Refresh ($status)");
}

$r = $t->chat(undef, mock => { status => 307, body => '{}',
    headers => { Location => CHAT } });

ok(!defined $r->header('location'), 'relative ones do not, either');
is($p->requests, $requests + 6, 'no redirect is followed');

$r = $t->chat(undef, mock => { headers => {
    'X-Accel-Redirect' => '/ai/status', 'X-Accel-Limit-Rate' => '1',
    'X-Accel-Buffering' => 'yes', 'X-Accel-Charset' => 'utf-16',
    'X-Accel-Expires' => '1' } });

is($r->status, 200, 'X-Accel-*: answer');
like($r->body, qr/chat\.completion/, 'X-Accel-*: the provider\'s own');
ok(!grep({ /accel/ } keys %{ $r->{headers} }), 'X-Accel-*: none passes');

$r = $t->chat(undef, mock => { headers => {
    'WWW-Authenticate' => 'Bearer realm="internal.test"',
    'Proxy-Authenticate' => 'Basic', 'Authorization' => "Bearer $theirs",
    'X-Api-Key' => $theirs, 'api-key' => $theirs, 'X-Goog-Api-Key' => $theirs,
    'X-Mock' => 'yes' }, status => 200, body => '{}' });

unlike($r->{raw_head} // join(' ', %{ $r->{headers} }), qr/\Q$theirs\E/,
    'provider\'s key does not come back in its head');
ok(!defined $r->header('www-authenticate'), 'its challenge is not the tenant\'s');
is($r->header('x-mock'), 'yes', 'others pass');

$t->done;
