#!/usr/bin/perl

# nginx's own error pages reach the client as JSON in its dialect, whoever
# gave up and however early.

use strict;
use warnings;

use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use AI::Gateway;

use constant CHAT => '/v1/chat/completions';

my $t = AI::Gateway->new;

$t->port(8081);                 # nobody listens there

$t->run(gateway_conf(
    http => <<'EOC',
    limit_req_zone  $http_x_limited  zone=once:1m rate=1r/m;

    large_client_header_buffers  2 2k;
EOC
    server => <<'EOC',
        listen  127.0.0.1:%%PORT_8082%% http2;

        location = /v1/embeddings {
            ai_gateway               on;
            proxy_pass               $ai_pass;
            client_max_body_size     4k;
            client_body_buffer_size  4k;
        }

        location = /v1/messages/count_tokens {
            ai_gateway               on;
            proxy_pass               $ai_pass;
            client_max_body_size     4k;
            client_body_buffer_size  4k;
        }
EOC
    location => <<'EOC',
            limit_req  zone=once;

            if ($http_x_denied) {
                return 403;
            }
EOC
));

sub page {
    my ($r, $status, $name) = @_;

    is($r->status, $status, "$name: status");
    is($r->header('content-type'), 'application/json', "$name: is JSON");
    is($r->header('content-length'), length $r->body, "$name: length");
    ok($r->id, "$name: id");
    unlike($r->body, qr/<html|nginx/i, "$name: nothing of nginx's page");

    return $r->json;
}

sub raw {
    my ($bytes) = @_;

    my ($head, $body) = split /\r\n\r\n/, $t->raw($bytes), 2;

    return AI::Response->new({
        %{ AI::Client::parse_head($head) }, body => $body // ''
    });
}

# a provider that is not there

my $e = page($t->chat, 502, 'refused connection');

is($e->{error}{code}, 'upstream_error', 'refused connection: code');
unlike($e->{error}{message}, qr/127\.0\.0\.1|mock/,
    'refused connection: no internal host');

$e = page($t->post('/v1/messages', {
    model => 'claude-sonnet-4-6', max_tokens => 8,
    messages => [ { role => 'user', content => 'Hello' } ]
}, auth => 'x-api-key'), 502, 'Anthropic');

is($e->{type}, 'error', 'Anthropic: shape');

$e = page($t->post('/v1beta/models/gemini-2.5-flash:generateContent', {
    contents => [ { parts => [ { text => 'Hello' } ] } ]
}, auth => 'x-goog-api-key'), 502, 'Gemini');

is($e->{error}{code}, 502, 'Gemini: shape');

# an operator's rules

page($t->chat(undef, headers => { 'X-Denied' => 1 }), 403, 'return 403');

page($t->chat(undef, headers => { 'X-Limited' => 1 }), 502, 'limit: first');

my $r = $t->chat(undef, headers => { 'X-Limited' => 1 });

$e = page($r, 503, 'limit_req');
is($e->{error}{code}, 'gateway_unavailable', 'limit_req: code');
is($r->header('retry-after'), 1, 'limit_req: retry');

# sizes

$e = page($t->post('/v1/embeddings', { input => 'x' x 5000 }), 413,
    'large body');

is($e->{error}{type}, 'invalid_request_error', 'large body: type');

$e = page($t->post('/v1/messages/count_tokens', { model => 'x' x 5000 },
    auth => 'x-api-key'), 413, 'large body of Anthropic');

is($e->{error}{type}, 'request_too_large', 'large body of Anthropic: type');

$e = page($t->get('/v1/messages/' . 'x' x 3000), 414, 'long line');

is($e->{type}, 'error', 'long line: dialect by what was read of it');

page($t->chat(undef, headers => { 'X-Long' => 'x' x 3000 }), 400,
    'long header');

# what nginx cannot read

page(raw("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"), 400, 'two hosts');
page(raw("GET / HTTP/1.1\r\n\r\n"), 400, 'no host');
page(raw("G<T / HTTP/1.1\r\n\r\n"), 400, 'no method');
page(raw("\x16\x03\x01\x00\x01\r\n"), 400, 'no HTTP');
page(raw("GET / HTTP/7.1\r\n\r\n"), 505, 'no version');
page(raw("POST " . CHAT . " HTTP/1.1\r\nHost: a\r\n"
    . "Transfer-Encoding: x\r\n\r\n"), 501, 'unknown coding');

# HEAD has the head alone

$r = $t->request('HEAD', '/v1/models', undef,
    headers => { 'X-Denied' => 1 });

is($r->status, 403, 'HEAD: status');
is($r->header('content-type'), 'application/json', 'HEAD: type');
is($r->body, '', 'HEAD: no body');

# HTTP/2

page($t->h2('GET', '/v1/models', undef, port => 8082,
    headers => { 'X-Denied' => 1 }), 403, 'HTTP/2');

# the connection lives on where nginx lets it

my $c = $t->connect;

for my $name (qw(first second)) {
    $c->request('GET', '/v1/models', undef, {
        'Authorization' => 'Bearer ' . make_key('acme'), 'X-Denied' => 1
    });

    page($c->finish, 403, "$name of one connection");
}

$c->close;

$t->done;
