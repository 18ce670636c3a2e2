#!/usr/bin/perl

# However a request is framed, torn or mutilated: what the provider runs was
# admitted, and has its row; nothing else runs.

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
    http => 'client_header_timeout 2s; client_body_timeout 2s;',
));

my $k = AI::Gateway::make_key('acme');
my $body = '{"model":"gpt-4.1","max_tokens":4,"messages":[]}';
my $len = length $body;
my $hex = sprintf '%x', $len;

my $line = 'POST ' . CHAT . ' HTTP/1.1';
my $host = 'Host: gateway.test';
my $auth = "Authorization: Bearer $k";
my $json = 'Content-Type: application/json';
my $cl = "Content-Length: $len";
my $te = 'Transfer-Encoding: chunked';
my $inner = join("\r\n", $line, $host, "Authorization: Bearer "
    . AI::Gateway::make_key('other'), $json, $cl, '', $body);

sub lines { return join("\r\n", @_) . "\r\n\r\n" }

# name, bytes, how many of the requests in them may run

my @corpus = (
    [ 'plain', lines($line, $host, $auth, $json, $cl) . $body, 1 ],
    [ 'chunked', lines($line, $host, $auth, $json, $te)
        . "$hex\r\n$body\r\n0\r\n\r\n", 1 ],
    [ 'CL and TE', lines($line, $host, $auth, $json, $cl, $te)
        . "0\r\n\r\n$inner", 0 ],
    [ 'TE and CL', lines($line, $host, $auth, $json, $te, 'Content-Length: 4')
        . "$hex\r\n$body\r\n0\r\n\r\n$inner", 0 ],
    [ 'two CL, equal', lines($line, $host, $auth, $json, $cl, $cl) . $body, 0 ],
    [ 'two CL', lines($line, $host, $auth, $json, 'Content-Length: 0', $cl)
        . $body, 0 ],
    [ 'two TE', lines($line, $host, $auth, $json, $te, 'Transfer-Encoding: x')
        . "0\r\n\r\n$inner", 0 ],
    map({ [ "CL '$_'", lines($line, $host, $auth, $json, "Content-Length: $_")
        . $body, 0 ] } "+$len", "-$len", "0x$hex", "$len,$len", "$len $len",
        "${len}a", '1e2', '9' x 30, '', "'$len'", "$len;"),
    map({ [ "TE '$_'", lines($line, $host, $auth, $json,
        "Transfer-Encoding: $_") . "0\r\n\r\n$inner", 0 ] } 'x', 'identity',
        'gzip, chunked', 'chunked, identity', 'chunkedx', 'chunked;q=1',
        '"chunked"', "chunked\x0b", ''),
    map({ [ "field '" . s/\W/ /gr . "'", lines($line, $host, $auth, $json, $cl, $_)
        . $body, -1 ] } "Transfer-Encoding : chunked",
        "Transfer_Encoding: chunked", "X: y\nTransfer-Encoding: chunked",
        "X: y\rTransfer-Encoding: chunked", " Transfer-Encoding: chunked",
        "\tContent-Length: 0", "X: a\r\n b", "Content-Length\x00: 0", ": x",
        "X", "X\x00: y", "X: \x00", "X: \x7f", "Content-Length\xa0: 0",
        "Host: other", "Authorization: Bearer x"),
    [ 'bare LF', "$line\n$host\n$auth\n$json\n$cl\n\n$body", 1 ],
    [ 'space in the line', lines("POST  " . CHAT . "  HTTP/1.1", $host, $auth,
        $json, $cl) . $body, -1 ],
    [ 'HTTP/1.0', lines('POST ' . CHAT . ' HTTP/1.0', $auth, $json, $cl)
        . $body, 1 ],
    [ 'HTTP/1.0 chunked', lines('POST ' . CHAT . ' HTTP/1.0', $host, $auth,
        $json, $te) . "$hex\r\n$body\r\n0\r\n\r\n", 0 ],
    [ 'HTTP/0.9', "POST @{[ CHAT ]}\r\n", 0 ],
    [ 'HTTP/2.0', lines('POST ' . CHAT . ' HTTP/2.0', $host, $auth, $json, $cl)
        . $body, 0 ],
    [ 'preface of HTTP/2', "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n$inner", -1 ],
    [ 'upgrade to h2c', lines($line, $host, $auth, $json, $cl,
        'Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c',
        'HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA') . $body, 1 ],
    [ 'websocket', lines('GET /v1/realtime HTTP/1.1', $host, $auth,
        'Connection: Upgrade', 'Upgrade: websocket') . $inner, -1 ],
    [ 'body of a GET', lines('GET /v1/models HTTP/1.1', $host, $auth,
        'Content-Length: ' . length $inner) . $inner, 0 ],
    [ 'body of a HEAD', lines('HEAD /v1/models HTTP/1.1', $host, $auth,
        'Content-Length: ' . length $inner) . $inner, 0 ],
    [ 'chunks of a GET', lines('GET /v1/models HTTP/1.1', $host, $auth, $te)
        . sprintf("%x\r\n%s\r\n0\r\n\r\n", length $inner, $inner), 0 ],
    [ 'body of a 404', lines('POST /x HTTP/1.1', $host, $auth,
        'Content-Length: ' . length $inner) . $inner, 0 ],
    [ 'body of a 401', lines($line, $host, $json,
        'Content-Length: ' . length $inner) . $inner, 0 ],
    [ 'too long a body, then another', lines($line, $host, $auth, $json,
        'Content-Length: 999999999') . $inner, 0 ],
    [ 'cut body', lines($line, $host, $auth, $json, "Content-Length: 9999")
        . $body, 0 ],
    [ 'pipelined', $inner x 3, 3 ],
    map({ [ "chunks '" . substr(s/\W/ /gr, 0, 20) . "'",
        lines($line, $host, $auth, $json, $te) . $_ . $inner, -1 ] }
        "$hex;" . 'x' x 5000 . "\r\n$body\r\n0\r\n\r\n",
        "$hex\n$body\n0\n\n", "0$hex\r\n$body\r\n0\r\n\r\n",
        "0x$hex\r\n$body\r\n0\r\n\r\n", "-1\r\n$body\r\n0\r\n\r\n",
        "+$hex\r\n$body\r\n0\r\n\r\n", " $hex\r\n$body\r\n0\r\n\r\n",
        "$hex \r\n$body\r\n0\r\n\r\n", "ffffffffffffffff\r\n$body",
        "7fffffffffffffff\r\n$body", "10000000000000000$hex\r\n$body",
        "$hex\r\n${body}X\r\n0\r\n\r\n", "$hex\r\n${body}0\r\n\r\n",
        "$hex\r\n$body\r\n0\r\nX: y\r\n\r\n", "$hex\r\n$body\r\n0\r\n$inner",
        "$hex\r\n$body\r\n00\r\n\r\n", "g\r\n", "\r\n", "$hex\r$body\r0\r\r",
        "$hex\r\n$body\r\n0;\r\n\r\n"),
    map({ [ "expect $_", lines($line, $host, $auth, $json, $cl, "Expect: $_")
        . $body, 1 ] } '100-continue', '100-Continue, x', 'nonsense'),
    [ 'expect, too large', lines($line, $host, $auth, $json,
        'Content-Length: 99999999', 'Expect: 100-continue'), 0 ],
    map({ [ "target $_", lines("POST $_ HTTP/1.1", $host, $auth, $json, $cl)
        . $body, -1 ] } CHAT . "\x01", CHAT . "\x80", CHAT . "\t",
        'http://gateway.test' . CHAT, 'https://x@y' . CHAT,
        '//gateway.test' . CHAT, CHAT . ' x', "\\v1\\chat\\completions"),
);

# Sends all of them, each on a connection of its own, and returns what came.
# A connection is closed for sending only once nothing more comes: to nginx the
# end of what a client sends is its leave.

sub ask {
    my (@bytes) = @_;

    my @c = map { my $c = $t->connect(timeout => 5); $c->send($_); $c } @bytes;
    my ($size, $quiet) = (-1, 0);

    waitfor {
        $_->closed for @c;

        my $now = 0;
        $now += length $_->{buf} for @c;

        $quiet = $now == $size && $p->state->{open} == 0 ? $quiet + 1 : 0;
        $size = $now;

        return $quiet >= 5;
    };

    $_->half_close for @c;

    my @out = map { eval { $_->drain } // '' } @c;
    $_->close for @c;

    return @out;
}

# ids of the answers that a provider gave

sub ran { return $_[0] =~ m{HTTP/1\.1 200 Mock.*?^x-request-id: (\S+)}msg }

my %answered;
my @out = ask(map { $_->[1] } @corpus);

for my $case (@corpus) {
    my ($name, undef, $may) = @$case;
    my $out = shift @out;
    my @ran = ran($out);

    $answered{$_}++ for @ran;

    is(scalar @ran, $may, "$name: $may run") or diag(substr $out, 0, 300)
        if $may >= 0;

    ok($out eq '' || $out =~ m{^(?:HTTP/1\.1 |\{)}, "$name: an answer")
        or diag(substr $out, 0, 300);

    unlike($out, qr/<html/i, "$name: no HTML");
}

# ---- mutilated at random ----

srand 20261121;

my @seeds = map { $_->[1] } @corpus[0, 1, 2, 30, -5], [ '', $inner x 2 ];
my @bits = ("\r\n", "\n", "\r", "\0", ' ', ':', "\r\n\r\n", '0', '%', '?', '&',
    "$te\r\n", "Content-Length: 5\r\n", "$hex\r\n", $inner, '{', '"', "\xff",
    "X-Tenant-Id: other\r\n", "x-api-key: $k\r\n", 'key=', '/..', '//');

sub mutilate {
    my ($bytes) = @_;

    for (0 .. rand 4) {
        my $at = int rand length $bytes;
        my $op = int rand 5;

        if ($op == 0) {
            substr $bytes, $at, 1, chr rand 256;

        } elsif ($op == 1) {
            substr $bytes, $at, 1 + rand 8, '';

        } elsif ($op == 2) {
            substr $bytes, $at, 0, $bits[rand @bits];

        } elsif ($op == 3) {
            $bytes = substr $bytes, 0, $at;

        } else {
            substr $bytes, $at, 0, substr $bytes, rand $at, rand 60;
        }

        $bytes = 'POST' if $bytes eq '';
    }

    return $bytes;
}

my $html = 0;

for (1 .. 30) {
    for my $out (ask(map { mutilate($seeds[rand @seeds]) } 1 .. 100)) {
        $answered{$_}++ for ran($out);
        $html++ if $out =~ /<html/i;
    }
}

is($html, 0, 'no HTML');

# ---- the books agree ----

my $all = $p->requests;

ok($all > 100, "$all requests ran");

my @journal = $p->waitentries($all);
my @rows = $t->waitrows($all);

is(join(' ', sort map { $_->{id} } @rows),
    join(' ', sort map { $_->{id} } @journal),
    'rows are those of the requests that ran');
is(join(' ', sort keys %answered), join(' ', sort map { $_->{id} } @journal),
    'and of those that were answered');

# nobody's request was billed to another

my %by = map { $_->{id} => $_ } @rows;
my @strange = grep { my $r = $by{ $_->{id} };
    !$r || $r->{tenant} !~ /^(?:acme|other)$/ } @journal;

is(scalar @strange, 0, 'all of tenants that asked');

ok(waitfor { $p->state->{open} == 0 }, 'nothing is left open');
is($t->chat->status, 200, 'and it serves on');

$t->done;
