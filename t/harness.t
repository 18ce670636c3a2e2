#!/usr/bin/perl

# The harness and the stand-in provider, through nginx without a gateway:
# what every other test relies on.

use strict;
use warnings;

use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use AI::Gateway;

use constant CHAT => '/v1/chat/completions';

my $t = AI::Gateway->new;
my $p = $t->provider(8081);

$t->run(<<'EOC');
%%MAIN%%
events {}
http {
%%HTTP%%
    upstream mock {
        server 127.0.0.1:%%PORT_8081%%;
        keepalive 4;
    }

    server {
        listen 127.0.0.1:%%PORT_8080%%;
        listen 127.0.0.1:%%PORT_8082%% http2;

        location / {
            proxy_pass           http://mock;
            proxy_http_version   1.1;
            proxy_set_header     Connection "";
            proxy_set_header     X-Request-Id $http_x_test_id;
            proxy_buffering      off;
            proxy_read_timeout   2s;
        }
    }
}
EOC

my $r = $t->chat;

is($r->status, 200, 'plain answer');
ok($r->complete, 'plain answer is whole');
is($r->json->{choices}[0]{message}{content}, 'tok ' x 8, 'generated text');
is_deeply($r->json->{usage},
    { prompt_tokens => 11, completion_tokens => 8, total_tokens => 19 },
    'exact usage');

$r = $t->chat({ max_tokens => 3 });
is($r->json->{usage}{completion_tokens}, 3, 'provider respects the cap');
is($r->json->{choices}[0]{finish_reason}, 'length', 'and tells so');

# streams

$r = $t->chat({ stream => \1, stream_options => { include_usage => \1 } },
    mock => { events => 5 }, headers => { 'X-Test-Id' => 'five' });

is(join('', map { $_->{choices}[0]{delta}{content} // '' } $r->chunks),
    'tok ' x 5, 'streamed text');
is(($r->chunks)[-1]{usage}{completion_tokens}, 5, 'usage at the end');
is(($r->events)[-1][1], '[DONE]', 'ends with [DONE]');

my ($e) = $p->entries('five');

is($e->{words}, 5, 'journal has the words');
is($e->{end}, 'completed', 'journal has the end');
is($e->{output}, 5, 'journal has the tokens');

my $whole = $r->body;

for my $split ('byte', [ 1, 7, 100 ], { seed => 7, pieces => 20 }) {
    $r = $t->chat({ stream => \1, stream_options => { include_usage => \1 } },
        mock => { events => 5, split => $split });

    is($r->body, $whole, 'same bytes, split otherwise');
}

# cuts

for my $how (qw(fin rst)) {
    my $c = $t->start_chat({ stream => \1 },
        mock => { events => 20, cut_event => 4, delay => 0.005, how => $how },
        headers => { 'X-Test-Id' => "cut-$how" });

    $r = $c->finish;

    ok(!$r->complete, "answer cut by $how is not whole");
    is($r->events, 4, "events until $how");
    is(($p->entries("cut-$how"))[0]{end}, 'cut', "journal has cut by $how");
}

$r = $t->chat({}, mock => { cut => 40 });
is($r->complete, 0, 'answer shorter than its length');
is(length $r->body, 40, 'bytes until the cut');

$r = $t->chat({}, mock => { close => 'request' });
is($r->status, 502, 'no answer');

$r = $t->chat({}, mock => { hang => 1 });
is($r->status, 504, 'never an answer');

# one event at a time, and the client leaves

my $c = $t->start_chat({ stream => \1 }, mock => { events => 100,
    delay => 0.05 }, headers => { 'X-Test-Id' => 'left' });

ok($c->read_events(2), 'events come as they are sent');
is($p->open_streams, 1, 'one open stream');

$c->reset;

ok(waitfor { $p->open_streams == 0 }, 'provider sees the abort');
is(($p->entries('left'))[0]{end}, 'aborted', 'journal has the abort');

# other dialects

$r = $t->post('/v1/messages', { model => 'm', max_tokens => 9,
    messages => [], stream => \1 });
is(($r->events)[-1][0], 'message_stop', 'Anthropic stream');

$r = $t->post('/v1beta/models/g:streamGenerateContent?alt=sse', {});
is(($r->chunks)[-1]{usageMetadata}{candidatesTokenCount}, 8, 'Gemini stream');

$r = $t->post('/v1beta/models/g:streamGenerateContent', {});
is(scalar @{ $r->json }, 9, 'Gemini array');

$r = $t->post('/v1/responses', { model => 'm', stream => \1 });
is(($r->chunks)[-1]{response}{usage}{output_tokens}, 8, 'Responses stream');

$r = $t->chat({}, mock => { file => 'anthropic_error_529.json' });
is($r->status, 529, 'status of a fixture');

# what reaches the provider

$r = $t->post(CHAT, '{"a": 1}', mock => { echo => 1 },
    headers => { 'X-Api-Key' => 'k' });
is($r->json->{body64}, 'eyJhIjogMX0=', 'echo of the body');
ok(grep({ $_->[0] eq 'X-Api-Key' } @{ $r->json->{headers} }),
    'echo of headers');

$r = $t->post(CHAT, "4\r\nabcd\r\n0\r\n\r\n", mock => { echo => 1 },
    headers => { 'Transfer-Encoding' => 'chunked' });
is($r->json->{body64}, 'YWJjZA==', 'chunked request');

is($t->h2('POST', CHAT, { model => 'm' }, port => 8082)->status, 200,
    'HTTP/2');

like($t->raw("GET / HTTP/1.1\r\n\r\n"), qr/^HTTP\/1.1 400 /, 'raw bytes');

# misbehaviour

$p->behave({ status => 503, times => 2 });
is(join(' ', map { $t->chat->status } 1 .. 3), '503 503 200',
    'behaviour for some requests');
$p->behave;

$p->behave({ close => 'accept', times => 1 });
is(AI::Client->new(peer => "127.0.0.1:$p->{port}")->drain, '',
    'closed at accept');
$p->behave;

is($t->chat({}, mock => { gzip => 1 })->header('Content-Encoding'), 'gzip',
    'gzip');
is($t->chat({}, mock => { length => 5000 })->complete, 0, 'wrong length');

# workers

my ($w) = $t->workers;

$t->kill_worker('KILL');
isnt(($t->workers)[0], $w, 'another worker');
is($t->chat->status, 200, 'it serves');

($w) = $t->workers;
ok($t->reload(undef, old => 1), 'reload');
isnt(($t->workers)[0], $w, 'another worker after reload');

# the oracles can fail

my $log = "$t->{dir}/error.log";

open my $f, '>>', $log or die;
print $f "2026/11/21 00:00:00 [alert] 1#1: planted\n",
    "a.c:1:2: runtime error: planted\n";
close $f;

is(scalar $t->alerts, 1, 'an alert is noticed');
is(scalar(grep { /planted/ } $t->sanitizer_lines), 1,
    'a sanitizer is noticed');
truncate $log, 0;

my $open = $t->start_chat({ stream => \1 },
    mock => { events => 50, delay => 0.1 });
$open->read_events(1);
like(join("\n", $t->leaks), qr/socket: \d+ -> \d+/,
    'an open socket is noticed');
$open->close;

# shape of keys, by an independent reckoning of the checksum

is(make_key('acme'), make_key('acme'), 'keys are stable');
like(make_key('acme'), qr/^sk_ai_[0-9A-Za-z]{38}$/, 'shape of a key');
is(AI::Gateway::crc32('123456789'), 0xcbf43926, 'check value of CRC-32');

$t->done;
