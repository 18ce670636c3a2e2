#!/usr/bin/perl

# Answers that no provider should give: absurd usage, errors in the wrong
# place, wrong types, codings and lengths.  Bytes pass, a row is written, no
# number is absurd, nothing is followed, and nothing grows.

use strict;
use warnings;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP;
use MIME::Base64;

use AI::Gateway;

my $t = AI::Gateway->new;
my $p = $t->provider(8081);

$t->run(gateway_conf());

$t->chat for 1 .. 20;

errors();
usage();
types();
heads();
lengths();
raw();
big();

# an answer of one tenant never is the next one's

my $r = $t->chat({}, key => 'other');

is($r->status, 200, 'goes on');
is($t->waitrow($r->id)->{output_tokens}, 8, 'with the right numbers');

$t->done;


# ---- usage ----

sub usage {
    my %odd = (
        negative => '{"prompt_tokens": -1, "completion_tokens": -5}',
        huge => '{"prompt_tokens": 9223372036854775808,'
            . ' "completion_tokens": 18446744073709551616}',
        'beyond the digits of a double' => '{"prompt_tokens":'
            . ' 9007199254740993, "completion_tokens": 4294967296000000}',
        exponent => '{"prompt_tokens": 1e400, "completion_tokens": 1e9}',
        float => '{"prompt_tokens": 1.5, "completion_tokens": 0.1}',
        string => '{"prompt_tokens": "12", "completion_tokens": "1000000"}',
        null => '{"prompt_tokens": null, "completion_tokens": null}',
        nested => '{"prompt_tokens": {"a": 7}, "completion_tokens": [8]}',
        empty => '{}',
        number => '7',
        array => '[]',
        none => 'null',
        bool => '{"prompt_tokens": true, "completion_tokens": false}',
    );

    for my $name (sort keys %odd) {
        for my $stream (0, 1) {
            my $text = $stream
                ? "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":"
                    . "\"tok tok \"}}]}\n\ndata: {\"choices\":[],"
                    . "\"usage\":$odd{$name}}\n\ndata: [DONE]\n\n"
                : '{"model":"gpt-4.1","choices":[{"index":0,"message":'
                    . '{"role":"assistant","content":"tok tok "},'
                    . "\"finish_reason\":\"stop\"}],\"usage\":$odd{$name}}";

            my $r = $t->chat({ $stream ? (stream => \1, stream_options =>
                { include_usage => \1 }) : () }, mock => { body => $text,
                $stream ? (type => 'text/event-stream') : () });

            my $row = row($r, "usage $name $stream", body => $text);

            cmp_ok($row->{input_tokens} // 0, '<=', 1 << 40,
                "usage $name $stream: input");
            cmp_ok($row->{output_tokens} // 0, '<=', 1 << 40,
                "usage $name $stream: output");
            cmp_ok($row->{output_tokens} // 0, '>=', 2,
                "usage $name $stream: text is worth something")
                if $name !~ /negative|huge|float|exponent|digits/;
        }
    }
}


# ---- errors ----

sub errors {
    my $error = '{"error":{"message":"overloaded","type":"server_error",'
        . '"code":null}}';

    my $r = $t->chat(undef, mock => { body => $error });
    my $row = row($r, '200 with an error', body => $error);

    is($row->{usage_source}, 'none', '200 with an error: costs nothing');
    is($row->{cost_usd}, undef, '200 with an error: no cost');

    my $text = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":"
        . "\"tok tok tok \"}}]}\n\ndata: $error\n\n";

    $r = $t->chat({ stream => \1 },
        mock => { body => $text, type => 'text/event-stream' });
    $row = row($r, 'error in a stream', body => $text);

    is($row->{usage_source}, 'estimated', 'error in a stream: source');
    is($row->{output_tokens}, 3, 'error in a stream: what was delivered');
    is($row->{state}, 'interrupted', 'error in a stream: state');

    $r = $t->chat({ stream => \1 },
        mock => { body => "data: $error\n\n", type => 'text/event-stream' });
    $row = row($r, 'error as a stream', body => "data: $error\n\n");

    is($row->{usage_source}, 'none', 'error as a stream: costs nothing');

    my $event = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":"
        . "\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n";

    $r = $t->post('/v1/messages', { model => 'claude-sonnet-4-6',
        max_tokens => 9, stream => \1,
        messages => [ { role => 'user', content => 'x' } ] },
        mock => { body => $event, type => 'text/event-stream' });
    $row = row($r, 'error event', body => $event);

    is($row->{usage_source}, 'none', 'error event: costs nothing');

    for my $status (400, 401, 403, 404, 413, 422, 429, 500, 503, 529) {
        $r = $t->chat(undef, mock => { status => $status });
        $row = row($r, "status $status", status => $status);

        is($row->{cost_usd}, undef, "status $status: costs nothing");
        is($row->{http_status}, $status, "status $status: row's status");

        # what looks like usage in an error's text is none

        $r = $t->chat(undef, mock => { status => $status,
            type => 'text/html', body => '{"usage": {"prompt_tokens": 5' });
        $row = row($r, "status $status of text", status => $status);

        is($row->{cost_usd}, undef, "status $status of text: costs nothing");
    }
}


# ---- types and codings ----

sub types {
    my $html = '<html><body>maintenance "usage": {"prompt_tokens": 7}</body>';

    for my $type ('text/html', 'application/json', 'text/event-stream', '',
        'application/octet-stream')
    {
        for my $stream (0, 1) {
            my $r = $t->chat({ $stream ? (stream => \1) : () },
                mock => { body => $html, type => $type });
            my $row = row($r, "HTML as '$type' $stream", body => $html);

            isnt($row->{usage_source}, 'final', "HTML as '$type' $stream");
            cmp_ok($row->{input_tokens} // 0, '!=', 7,
                "HTML as '$type' $stream: no usage");
        }
    }

    my $r = $t->chat(undef, mock => { gzip => 1 });
    my $row = row($r, 'gzip');

    is($r->header('content-encoding'), 'gzip', 'gzip: coding passes');
    is($row->{usage_source}, 'estimated', 'gzip: source');

    $r = $t->chat({ stream => \1 }, mock => { gzip => 1 });
    $row = row($r, 'gzip stream');

    is($row->{usage_source}, 'estimated', 'gzip stream: source');

    # a coding that is none

    $r = $t->chat(undef, mock => { headers => { 'Content-Encoding' => 'br' } });
    row($r, 'br that is JSON');

    $r = $t->chat(undef,
        mock => { headers => { 'Content-Encoding' => 'identity' } });
    is(row($r, 'identity')->{usage_source}, 'final', 'identity: source');

    # the other kind than was asked for

    $r = $t->chat({ stream => \1 }, mock => { body => '{"choices":[{"message":'
        . '{"content":"tok"}}],"usage":{"prompt_tokens":3,'
        . '"completion_tokens":4}}', type => 'application/json' });
    $row = row($r, 'JSON instead of a stream');

    is($row->{usage_source}, 'final', 'JSON instead of a stream: source');
    is($row->{output_tokens}, 4, 'JSON instead of a stream: tokens');
    is($row->{state}, 'final', 'JSON instead of a stream: state');

    my $text = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,"
        . "\"completion_tokens\":4}}\n\ndata: [DONE]\n\n";

    $r = $t->chat(undef, mock => { body => $text,
        type => 'Text/Event-Stream; charset=utf-8' });
    $row = row($r, 'a stream instead of JSON', body => $text);

    is($row->{output_tokens}, 4, 'a stream instead of JSON: tokens');
}


# ---- heads ----

sub heads {
    my $before = $p->requests;

    for my $status (301, 302, 303, 307, 308) {
        my $r = $t->chat(undef, mock => { status => $status, body => 'moved',
            headers => { Location => 'http://127.0.0.1:1/v1/elsewhere' } });
        my $row = row($r, "redirect $status", status => $status);

        is($row->{cost_usd}, undef, "redirect $status: costs nothing");
    }

    is($p->requests, $before + 5, 'no redirect is followed');

    my $r = $t->chat(undef, mock => { status => 204, body => '' ,
        framing => 'none' });
    my $row = row($r, 'no content', status => 204);

    is($row->{output_tokens} // 0, 0, 'no content: no output');

    # nginx's own behaviour is not the provider's to choose

    $r = $t->chat(undef, mock => { headers => {
        'X-Accel-Redirect' => '/ai/status', 'X-Accel-Limit-Rate' => '1',
        'X-Accel-Expires' => '3600' } });
    is(row($r, 'X-Accel')->{usage_source}, 'final', 'X-Accel: its own answer');

    $p->behave({ times => 1, headers => {
        map { ("X-H-$_" => 'x' x 100) } 1 .. 300 } });
    row($t->chat, 'a head of 32 KB', status => 502, state => 'failed');
}


# ---- lengths ----

sub lengths {
    my $r = $t->chat(undef, mock => { length => 5000 });
    my $row = row($r, 'too short');

    ok(!$r->complete, 'too short: cut for the client');
    is($row->{state}, 'interrupted', 'too short: state');

    $r = $t->chat(undef, mock => { length => 40 });
    $row = row($r, 'too long');

    is(length $r->body, 40, 'too long: no more than was promised');

    $r = $t->chat(undef, mock => { extra => "HTTP/1.1 200 OK\r\nContent-Length:"
        . " 9\r\n\r\n{\"evil\":1" });
    row($r, 'extra');

    is($t->chat({}, key => 'other')->json->{choices}[0]{message}{content},
        'tok ' x 8, 'extra: not the next answer');

    $r = $t->chat({ stream => \1 }, mock => { extra => "HTTP/1.1 200 OK\r\n\r\n"
        . "evil" });
    row($r, 'extra behind a stream');
    unlike($r->body, qr/evil/, 'extra behind a stream: is not sent');

    unlike($t->chat({}, key => 'other')->body, qr/evil/,
        'extra behind a stream: not the next answer');

    # before the body was sent

    $r = $t->chat({ user => 'x' x 8000000 },
        mock => { early => 1, status => 413 });
    $row = row($r, 'early', status => 413);
    is($row->{cost_usd}, undef, 'early: costs nothing');

    $r = $t->chat({ user => 'x' x 8000000 }, mock => { early => 1 });
    row($r, 'early 200');
}


# ---- whole answers, byte by byte ours ----

sub raw {
    my $ok = '{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1}}';
    my $n = length $ok;

    my %answers = (
        'an interim answer' =>
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n"
            . "Content-Length: $n\r\n\r\n$ok",
        'early hints' => "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
            . "HTTP/1.1 200 OK\r\nContent-Length: $n\r\n\r\n$ok",
        'switching protocols' => "HTTP/1.1 101 Switching Protocols\r\n"
            . "Upgrade: x\r\nConnection: upgrade\r\n\r\nhello",
        'no head' => $ok,
        'HTTP/0.9' => 'hello',
        'HTTP/2' => "HTTP/2 200\r\n\r\n$ok",
        'half a head' => "HTTP/1.1 200 OK\r\nContent-Ty",
        'a status of letters' => "HTTP/1.1 abc OK\r\n\r\n",
        'a status of 1000' => "HTTP/1.1 1000 OK\r\nContent-Length: 0\r\n\r\n",
        'a status of 99' => "HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n",
        'two lengths' => "HTTP/1.1 200 OK\r\nContent-Length: $n\r\n"
            . "Content-Length: 5\r\n\r\n$ok",
        'length and chunks' => "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n"
            . "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        'a negative length' => "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        'a huge length' => "HTTP/1.1 200 OK\r\nContent-Length: "
            . "99999999999999999999\r\n\r\n",
        'a bad chunk' => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
            . "\r\nzz\r\nhello\r\n0\r\n\r\n",
        'a huge chunk' => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
            . "\r\nffffffffffffffff\r\nhello\r\n0\r\n\r\n",
        'a NUL' => "HTTP/1.1 200 OK\r\nX-A: a\0b\r\nContent-Length: 0\r\n\r\n",
        'a split' => "HTTP/1.1 200 OK\r\nX-A: a\nX-B: b\r\n"
            . "Content-Length: $n\r\n\r\n$ok",
        'nothing' => '',
        'a head of 1 MB' => "HTTP/1.1 200 OK\r\nX-A: " . ('a' x 1000000)
            . "\r\n\r\n",
        'to the end' => "HTTP/1.0 200 OK\r\n\r\n$ok",
    );

    my %names;

    for my $name (sort keys %answers) {
        for my $stream (0, 1) {
            ok($p->behave({ raw64 => encode_base64($answers{$name}, ''),
                times => 1 }), "$name: to be sent");

            my $r = $t->chat({ $stream ? (stream => \1) : () });
            my $id = ($p->journal)[-1]{id};
            my $row = $t->waitrow($id);

            $names{$id} = $name;

            like($row->{state}, qr/^(final|interrupted|failed)$/,
                "$name: one row, $row->{state} $r->{status}");

            cmp_ok($row->{output_tokens} // 0, '<=', 64, "$name: tokens");

            $p->behave({});
            is($t->chat({}, key => 'other')->status, 200, "$name: goes on");
        }
    }

    # a kept connection may have been closed before the request came to it

    my %seen;
    $seen{ $_->{id} }++ for $p->journal;

    is_deeply({ map { $names{$_} // $_ => $seen{$_} }
        grep { $seen{$_} > 1 } keys %seen },
        { nothing => 2, 'half a head' => 2 },
        'nothing else is sent twice');
}


# ---- sizes ----

# 50 MB in one line, or in one string

sub big {
    my %answers = (
        'a line' => [ 'text/event-stream', 'data: ' . 'x' x 50_000_000 ],
        'a comment' => [ 'text/event-stream', ':' . 'x' x 50_000_000 ],
        'an event' => [ 'text/event-stream', "data: {\"choices\":[{\"delta\":"
            . '{"content":"' . 'x' x 50_000_000 . "\"}}]}\n\n" ],
        'a string' => [ 'application/json', '{"choices":[{"message":'
            . '{"content":"' . 'x' x 50_000_000 . '"}}]}' ],
        'a key' => [ 'application/json', '{"' . 'x' x 50_000_000 . '":1}' ],
        'brackets' => [ 'application/json', '{"a":' . '[' x 50_000_000 ],
        'text' => [ 'text/plain', 'x' x 50_000_000 ],
    );

    my ($worker) = $t->workers;

    for my $name (sort keys %answers) {
        my ($type, $text) = @{ $answers{$name} };
        my $file = $t->write_file('big', $text);

        chmod 0644, $file;

        my $before = rss($worker);
        my $top = 0;
        my $c = $t->start_chat({ stream => \1 },
            mock => { file => $file, type => $type });
        my $n = 0;

        if ($c->head) {
            for (my $i = 0; defined(my $piece = $c->read_body); $i++) {
                $n += length $piece;
                $c->{body} = '';
                $c->{trace} = [];

                if ($i % 200 == 0) {
                    my $now = rss($worker);
                    $top = $now if $now > $top;
                }
            }
        }

        is($n, length $text, "$name of 50 MB passes");
        cmp_ok($top - $before, '<', 512, "$name of 50 MB: memory");

        my $row = $t->waitrow($c->{head}{headers}{'x-request-id'}, 10);

        like($row->{state} // '', qr/^(final|interrupted)$/,
            "$name of 50 MB: a row");
    }
}


# KB, shared memory left out

sub rss {
    my ($pid) = @_;

    open my $f, '<', "/proc/$pid/status" or die "worker $pid: $!\n";

    return (join('', <$f>) =~ /RssAnon:\s+(\d+)/)[0];
}


# an answer of this status and, if given, these bytes, with its row

sub row {
    my ($r, $name, %o) = @_;

    is($r->status, $o{status} || 200, "$name: status");
    is($r->body, $o{body}, "$name: bytes") if defined $o{body};

    my $row = $t->waitrow($r->id);

    ok($row->{id}, "$name: row");

    my $status = $o{status} || 200;
    my $state = $o{state} || ($status == 429 || $status >= 500 ? 'failed'
                                                               : undef);

    is($row->{state}, $state, "$name: state") if $state;

    return $row;
}
