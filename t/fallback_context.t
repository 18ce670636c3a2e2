#!/usr/bin/perl

# A prompt that is too long for a target goes to one with a longer context: by
# the provider's own words, in each dialect, however its body comes.

use strict;
use warnings;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";

use MIME::Base64 qw(encode_base64);

use AI::Chain;
use AI::Gateway;

my %api = (o => 'openai', a => 'anthropic', g => 'gemini', z => 'azure');

my $t = AI::Gateway->new;
my $c = AI::Chain->new($t, [ map { ("${_}1", "${_}2", "${_}3") } keys %api ],
    api => { map { my $d = $_; map { ("$d$_" => $api{$d}) } 1 .. 3 }
        keys %api });

# the second is as short, the third is longer; "flat": none is

$t->run(gateway_conf($c->conf(models => join('', map {
        $c->model($_, "${_}1 context=8192", "${_}2 context=8192",
            "${_}3 context=200000"),
        $c->model("$_-flat", "${_}1 context=8192", "${_}2 context=8192")
    } sort keys %api),
    server => 'listen 127.0.0.1:%%PORT_8082%% http2;')));

my %bodies = (
    length => {},
    chunked => { framing => 'chunked' },
    bytes => { split => 'byte' },
    'chunked bytes' => { framing => 'chunked', split => 'byte' },
    late => { body_wait => 0.2 },
    'chunked late' => { framing => 'chunked', body_wait => 0.2 },
    closed => { framing => 'close' },
    'closed bytes' => { framing => 'close', split => 'byte' },
    'closed late' => { framing => 'close', body_wait => 0.2 },
);

for my $d (sort keys %api) {
    for my $body (sort keys %bodies) {
        for my $stream (0, 1) {
            my $name = "$api{$d}, $body" . ($stream ? ', streamed' : '');
            my $r = ask($d, $stream, "${d}1" => { context => 1,
                %{ $bodies{$body} } });

            is($r->status, 200, "$name: status");
            is_deeply($c->tried($r->id), [ "${d}1 400 status", "${d}3 200 -" ],
                "$name: attempts");
            is($c->row($r->id)->{attempts}[1]{chosen}, 'context',
                "$name: why");
            is(join(' ', map { $_->{model} } $c->entries($r->id)),
                "$d-at-${d}1 $d-at-${d}3", "$name: models");
        }
    }

    my $r = ask("$d-flat", 0, "${d}1" => { context => 1 });

    is($r->status, 400, "$api{$d}: none is longer");
    like($r->body, qr/context|too long|maximum number/,
        "$api{$d}: its own words");
    is_deeply($c->tried($r->id), [ "${d}1 400 status" ],
        "$api{$d}: none is longer, attempts");

    # another 400 is the client's mistake

    $r = ask($d, 0, "${d}1" => { status => 400, body => '{"error":"no"}' });

    is($r->body, '{"error":"no"}', "$api{$d}: another 400 passes");
    is_deeply($c->tried($r->id), [ "${d}1 400 status" ],
        "$api{$d}: another 400, attempts");

    for my $body ($d eq 'o' ? sort keys %bodies : 'closed late') {
        $r = ask($d, 0, "${d}1" => { status => 400, body => '{"error":"no"}',
            %{ $bodies{$body} } });

        is($r->body, '{"error":"no"}', "$api{$d}: another 400, $body");
        is_deeply($c->tried($r->id), [ "${d}1 400 status" ],
            "$api{$d}: another 400, $body, attempts");
    }

    # too long for the last one, too

    $r = ask($d, 0, "${d}1" => { context => 1 }, "${d}3" => { context => 1,
        headers => { 'X-Own' => 3 } });

    is($r->status, 400, "$api{$d}: too long for all");
    is($r->header('x-own'), 3, "$api{$d}: in the last one's words");
}

# behind a target that failed, by the status 413, and over HTTP/2

my $r = ask('o', 0, o1 => { status => 503 }, o2 => { context => 1 });

is_deeply($c->tried($r->id), [ 'o1 503 status', 'o2 400 status', 'o3 200 -' ],
    'behind a failure');

$r = ask('o', 0, o1 => { context => 1, status => 413 });

is_deeply($c->tried($r->id), [ 'o1 413 status', 'o3 200 -' ], 'by a 413');

$r = $t->h2('POST', '/v1/chat/completions', { model => 'o',
    messages => [ { role => 'user', content => 'x' } ] }, port => 8082,
    mock => { at => { o1 => { context => 1 } } });

is($r->status, 200, 'HTTP/2');

# the end of a body is where its framing says

my $over = "0;last\r\nX-Sum: 1\r\n\r\n";

$r = ask('o', 0, o1 => raw("c;a=b\r\nprompt is to\r\n6\r\no long\r\n$over"));
is_deeply($c->tried($r->id), [ 'o1 400 status', 'o3 200 -' ],
    'chunks with extensions and trailers');

$r = ask('o', 0, o1 => raw("a;a=b\r\n{\"no\":\"1\"}\r\n$over"));
is($r->body, '{"no":"1"}', 'another 400 in such chunks');
is_deeply($c->tried($r->id), [ 'o1 400 status' ],
    'another 400 in such chunks, attempts');

# one that does not end is passed on as it comes, and a long one before its end

my $text = '{"error":"' . 'no ' x 2000 . '"}';

for my $where ([ 8 ], [ 5000 ], [ 8, 5000 ]) {
    $r = ask('o', 0, o1 => { status => 400, framing => 'close', body => $text,
        split => $where, delay => @$where > 1 ? 0.5 : 2.5 });

    is($r->body, $text, "a body that stops at @$where");
    is_deeply($c->tried($r->id), [ 'o1 400 status' ],
        "a body that stops at @$where, attempts");
    cmp_ok($c->row($r->id)->{first_byte_ms}, '<', 2000,
        "a body that stops at @$where is not waited for");
}

$r = ask('o', 0, o1 => { status => 400, framing => 'close', body => '' });
is($r->status, 400, 'no body');
is($r->body, '', 'no body is none');
is_deeply($c->tried($r->id), [ 'o1 400 status' ], 'no body, attempts');

# a body that is waited for, and breaks off, was no answer; whoever could not go
# elsewhere has what came of it

my %short = (status => 400, length => 1000, body => '{"error"');

$r = ask('o', 0, o1 => \%short);

is($r->status, 200, 'a body that breaks off: status');
is_deeply($c->tried($r->id), [ 'o1 - connect', 'o2 200 -' ],
    'a body that breaks off: attempts');

$r = ask('o-flat', 0, o1 => \%short);

is($r->status, 400, 'a body that breaks off, none is longer: status');
ok(!$r->complete, 'a body that breaks off, none is longer: cut');

ok((waitfor { $t->status->{zone}{holds} == 0 }), 'no hold is left');

$t->done;


# a 400 in chunks

sub raw {
    return { raw64 => encode_base64("HTTP/1.1 400 Bad\r\n"
        . "Content-Type: application/json\r\n"
        . "Transfer-Encoding: chunked\r\n\r\n$_[0]", '') };
}


sub ask {
    my ($model, $stream, %at) = @_;

    my $d = substr $model, 0, 1;
    my %o = (mock => { at => \%at });
    my $r;

    if ($d eq 'g') {
        my $verb = $stream ? 'streamGenerateContent?alt=sse'
                           : 'generateContent';

        $r = $t->post("/v1beta/models/$model:$verb", { contents => [
            { role => 'user', parts => [ { text => 'x' } ] } ] }, %o);

    } else {
        my $uri = $d eq 'a' ? '/v1/messages' : '/v1/chat/completions';

        $r = $t->post($uri, { model => $model, max_tokens => 9,
            messages => [ { role => 'user', content => 'x' } ],
            $stream ? (stream => \1) : () }, %o);
    }

    $t->waitrow($r->id);
    $c->read;

    return $r;
}
