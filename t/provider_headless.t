#!/usr/bin/perl

# Bytes without a head are no answer: nginx would pass them on as HTTP/0.9.

use strict;
use warnings;

use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use AI::Gateway;

use MIME::Base64;

my $t = AI::Gateway->new;
my $p = $t->provider(8081);

$t->run(gateway_conf(server => 'listen 127.0.0.1:%%PORT_8082%% http2;'));

for my $bytes ("hello\r\n\r\n", '{"choices":[]}', "data: {}\n\n", 'HTTPS',
    "SSH-2.0-OpenSSH\r\n", "HTTP/9 200 OK\r\n\r\n", "HTTP/7.7x\r\n\r\n",
    'x' x 3000)
{
    my $mock = { raw64 => encode_base64($bytes, '') };
    my $name = substr($bytes, 0, 8) =~ s/\W+/ /gr;

    my $c = $t->start_chat(undef, mock => $mock);
    my $r = $c->finish;

    is($r->status, 502, "$name: status") or diag($r->body);
    is($r->json->{error}{code}, 'upstream_error', "$name: code");
    is($r->header('content-type'), 'application/json', "$name: JSON");
    unlike($r->body, qr/\Q$bytes\E/, "$name: not passed on");

    my $row = $t->waitrow($r->id);

    is($row->{state}, 'failed', "$name: state of the row");
    ok(!$row->{output_tokens}, "$name: no tokens");

    # the connection stays in step
    $c->request('GET', '/v1/models', undef, AI::Gateway::headers())
        if ($r->header('connection') // '') ne 'close';
    is($c->finish->status, 200, "$name: next answer")
        if ($r->header('connection') // '') ne 'close';
    $c->close;

    $r = $t->h2('POST', '/v1/chat/completions', { model => 'gpt-4.1',
        messages => [] }, port => 8082, mock => $mock);

    is($r->status, 502, "$name: HTTP/2");
}

$t->done;
