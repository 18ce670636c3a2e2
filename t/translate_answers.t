#!/usr/bin/perl

# Answers of Anthropic and Gemini to requests of OpenAI's: every sample body
# whole, split at every byte and at random, and what goes wrong.

use strict;
use warnings;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP;

use AI::Gateway;

my $dir = "$FindBin::Bin/data/fixtures";
my $manifest = decode_json(slurp("$dir/manifest.json"));

my @fixtures = grep {
    $_->{api} =~ /^(anthropic\.messages|gemini\.(g|streamG)enerateContent)$/
    && $_->{file} !~ /json_array/ } @{ $manifest->{fixtures} };

my $t = AI::Gateway->new;

$t->provider(8081);
$t->run(gateway_conf(plan_extra => 'on_abort drain;',
    server => 'listen 127.0.0.1:%%PORT_8082%% http2;',
    models => join '', map { model($_) } qw(anthropic gemini)));

for my $f (@fixtures) {
    for my $split (undef, 'byte', { seed => 1, pieces => 7 }) {
        try($f, $split);
    }
}

# usage that nobody asked for; a cut; an error in the middle; an answer that is
# of no dialect; an event without end

my $stream = 'anthropic_stream_basic.sse';

my $r = ask('anthropic', stream => JSON::PP::true, mock => {
    file => $stream });
unlike($r->body, qr/usage/, 'no usage');
like($r->body, qr/\n\ndata: \[DONE\]\n\n\z/, 'but an end');

$r = ask('anthropic', stream => JSON::PP::true, mock => {
    file => $stream, cut => length(slurp("$dir/$stream")) - 200 });
like($r->body, qr/"content":"Bon"/, 'text of a cut stream');
unlike($r->body, qr/DONE/, 'a cut stream has no end');

$r = ask('gemini', stream => JSON::PP::true, mock => {
    type => 'text/event-stream', body => <<'EOF_BODY' });
data: {"candidates":[{"content":{"parts":[{"text":"a"}]}}]}

data: {"error":{"code":503,"message":"busy","status":"UNAVAILABLE"}}

EOF_BODY
like($r->body, qr/"content":"a".*"message":"busy".*"server_is_overloaded"/s,
    'an error in a stream');
unlike($r->body, qr/DONE/, 'is no end');

for my $api (qw(anthropic gemini)) {
    $r = ask($api, mock => { status => 400, type => 'text/html',
        body => '<html>no</html>' });
    is($r->status, 400, "$api page status");
    is($r->header('content-type'), 'application/json', "$api page type");
    is($r->json->{error}{type}, 'invalid_request_error', "$api page error");

    $r = ask($api, mock => { type => 'text/html', body => '<html>' });
    is($r->status, 502, "$api no dialect");
    is($r->json->{error}{code}, 'upstream_error', "$api no dialect, code");
}

$t->allow(qr/cannot be translated/);

# the head of a JSON answer waits for the body: what is none is no success

my $overloaded = '{"type":"error","error":{"type":"overloaded_error",'
    . '"message":"busy"}}';

for my $api (qw(anthropic gemini)) {
    for my $stream (0, 1) {
        my @json = (type => 'application/json');
        my $name = $api . ($stream ? ', streamed' : '');

        bad($name, 'no dialect', 502, 'upstream_error', @json,
            body => '{"a":1}');
        bad($name, 'no JSON', 502, 'upstream_error', @json, body => '{"a"');
        bad($name, 'empty', 502, 'upstream_error', @json, body => '');
        bad($name, 'cut', 502, 'upstream_error', @json, cut => 9,
            body => '{"content":[],"candidates":[]}');
        bad($name, 'elsewhere', 502, 'upstream_error', status => 302,
            headers => { Location => 'http://127.0.0.1/' }, body => '');
        bad($name, 'nothing', 502, 'upstream_error', status => 204,
            body => '');
        bad($name, 'gzip', 502, 'upstream_error', gzip => 1);
        bad($name, 'a success', 529, 'server_is_overloaded', @json,
            body => $overloaded);
        bad($name, 'in pieces', 529, 'server_is_overloaded', @json,
            body => $overloaded, split => 'byte', status => 529);

        my $e = bad($name, 'a wait', 429, 'rate_limit_exceeded', @json,
            status => 429, headers => { 'Retry-After' => 7 },
            body => '{"error":{"message":"slow"}}');
        is($e->header('retry-after'), 7, "$name, a wait, kept");
    }
}

$r = bad('gemini', 'a wait', 429, 'rate_limit_exceeded', status => 429,
    type => 'application/json', body => '{"error":{"code":429,"message":"q",'
    . '"status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/'
    . 'google.rpc.RetryInfo","retryDelay":"3.5s"}]}}');
is($r->header('retry-after'), 4, 'gemini, a wait, from the body');

$t->allow(qr/no answer of its dialect/);

# HTTP/2

for my $api (qw(anthropic gemini)) {
    for my $stream (0, 1) {
        my $body = { model => "a-$api", messages => [ { role => 'user',
            content => 'Hello' } ], $stream ? (stream => JSON::PP::true) : () };

        $r = $t->h2('POST', '/v1/chat/completions', $body, port => 8082);
        is($r->status, 200, "$api, HTTP/2, $stream");
        like($r->body, $stream ? qr/"content":"tok ".*\n\ndata: \[DONE\]\n\n\z/s
            : qr/"content":"(tok ){8}"/, "$api, HTTP/2, $stream, text");

        $r = $t->h2('POST', '/v1/chat/completions', $body, port => 8082,
            mock => { cut => 20, type => 'application/json' });
        is($r->status, 502, "$api, HTTP/2, $stream, cut");
    }
}

$r = ask('gemini', stream => JSON::PP::true, mock => {
    type => 'text/event-stream',
    body => qq(data: {"candidates":[{"content":{"parts":[{"text":"a"}]}}]}\n\n)
            . 'data: {"x":"' . 'y' x 1200000 });
unlike($r->body, qr/DONE|y{10}/, 'an event without end');
$t->allow(qr/in one piece/);

# clients that leave, reading before or not: the rest is read for its usage

for my $api (qw(anthropic gemini)) {
    for my $text ('tok ', 'tok ' x 1500) {
        my $c = $t->start('POST', '/v1/chat/completions',
            { model => "a-$api", stream => JSON::PP::true,
              messages => [ { role => 'user', content => 'Hello' } ] },
            rcvbuf => 4096,
            mock => { events => 1000, uncapped => JSON::PP::true,
                      text => $text, delay => 0.0005 });

        $c->read_events(3);
        my ($id) = $c->head->{headers}{'x-request-id'};
        $c->reset;

        my $row = $t->waitrow($id);
        is("$row->{usage_source} $row->{output_tokens}", 'final 1000',
            "$api, client gone, " . length $text);
    }
}

# a client that does not read: the gateway does not read on for it

my ($worker) = $t->workers;
my $most = $ENV{AI_PRELOAD} || $ENV{AI_VALGRIND} ? 65536 : 4096;
my $before = memory($worker);
my $n = 60000;

my $c = $t->start('POST', '/v1/chat/completions',
    { model => 'a-anthropic', stream => JSON::PP::true,
      messages => [ { role => 'user', content => 'Hello' } ] },
    mock => { events => $n, uncapped => JSON::PP::true });

my ($last, $same) = (0, 0);

waitfor {
    my $now = memory($worker);
    $same = ($now == $last && $now > 0) ? $same + 1 : 0;
    $last = $now;
    select undef, undef, undef, 0.1;
    $same > 10
};

cmp_ok(memory($worker) - $before, '<', $most, 'memory for a late client, KB');

$r = $c->finish;
$c->close;
my $tokens = () = $r->body =~ /"content":"tok "/g;

is($tokens, $n, 'a late client has it all');
like($r->body, qr/\n\ndata: \[DONE\]\n\n\z/, 'to the end');
cmp_ok(memory($worker) - $before, '<', $most, 'memory afterwards, KB');

$t->done;


# of a process, in KB, at its most

sub memory {
    my ($pid) = @_;

    return slurp("/proc/$pid/status") =~ /^VmHWM:\s+(\d+)/m ? $1 : 0;
}


# an answer that becomes an error, whole and with its length

sub bad {
    my ($name, $what, $status, $code, %mock) = @_;

    my ($api, $streamed) = split /, /, $name;
    my $r = ask($api, $streamed ? (stream => JSON::PP::true) : (),
        mock => \%mock);

    is($r->status, $status, "$name, $what, status");
    is($r->json->{error}{code}, $code, "$name, $what, code");
    is($r->header('content-type'), 'application/json', "$name, $what, type");
    is($r->header('content-length'), length $r->body, "$name, $what, length");

    my $row = $t->waitrow($r->id);
    is("$row->{http_status} $row->{state}", "$status failed",
        "$name, $what, row");

    return $r;
}


sub ask {
    my ($api, %o) = @_;

    my $mock = delete $o{mock};

    return $t->post('/v1/chat/completions',
        { model => "a-$api", messages => [ { role => 'user',
          content => 'Hello' } ], %o }, mock => $mock);
}


sub try {
    my ($f, $split) = @_;

    my ($api) = $f->{api} =~ /^(\w+)/;
    my $name = "$f->{file} " . (!defined $split ? '' : ref $split ? 'split'
        : 'by byte');

    my $r = ask($api, $f->{stream} ? (stream => JSON::PP::true,
            stream_options => { include_usage => JSON::PP::true }) : (),
        mock => { file => $f->{file}, defined $split ? (split => $split)
                                                     : () });

    is($r->status, $f->{http_status}, "$name status");

    my ($text, $usage) = ('', undef);

    if ($f->{stream}) {
        is($r->header('content-type'), 'text/event-stream; charset=utf-8',
            "$name type");
        like($r->body, qr/\n\ndata: \[DONE\]\n\n\z/, "$name end");

        for my $chunk ($r->chunks) {
            $text .= $_->{delta}{content} // '' for @{ $chunk->{choices} };
            $usage = $chunk->{usage} // $usage;
        }

    } else {
        is($r->header('content-type'), 'application/json', "$name type");

        if ($f->{http_status} >= 400) {
            ok($r->json->{error}{message}, "$name error");
            return;
        }

        $text .= $_->{message}{content} // '' for @{ $r->json->{choices} };
        $usage = $r->json->{usage};
    }

    my $e = $f->{expected};

    is(length $text, $f->{expected_text}{codepoints}, "$name text");
    my $in = $usage ? $usage->{prompt_tokens} : undef;
    my $out = $usage ? $usage->{completion_tokens} : undef;

    is($in, $e->{'gen_ai.usage.input_tokens'},
        "$name input");
    is($out, $e->{'gen_ai.usage.output_tokens'},
        "$name output");

    my $row = $t->waitrow($r->id);

    is($row->{input_tokens}, $in, "$name row")
        if $row->{usage_source} eq 'final';
}


sub model {
    my ($api) = @_;

    return <<EOF_MODEL;
    ai_model a-$api {
        price       input=1.00 output=4.00;
        max_output  4096;
        target      $api model=of-$api;
    }
EOF_MODEL
}


sub slurp {
    my ($path) = @_;

    open my $f, '<:raw', $path or die "$path: $!\n";
    local $/;

    return scalar <$f>;
}
