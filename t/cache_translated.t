#!/usr/bin/perl

# The cache and answers of another dialect: the provider's own bytes are kept,
# apart for each dialect, and translated for each hit, which is metered by them.

use strict;
use warnings;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";

use AI::Gateway;

my $t = AI::Gateway->new;
my %port = (openai => 8081, anthropic => 8082, gemini => 8083);
my %p = map { $_ => $t->provider($port{$_}) } keys %port;

my %fixture = (
    anthropic => [ undef, 'anthropic_stream_basic.sse' ],
    gemini => [ 'gemini_generate_full.json', 'gemini_stream_sse_crlf.sse' ],
);

$t->run(gateway_conf(
    http => 'proxy_cache_path %%DIR%%/cache keys_zone=ai_cache:1m '
        . 'levels=1:2 use_temp_path=off;' . join('', map { <<EOC } keys %port),
    upstream at-$_ { server 127.0.0.1:%%PORT_$port{$_}%%; keepalive 4; }
EOC
    providers => join('', map { AI::Conf::provider($_, port => $port{$_},
        upstream => "at-$_") } keys %port),
    models => join('', map { <<EOC } qw(openai anthropic gemini)) . <<'EOC',
    ai_model m-$_ {
        price       input=1.00 output=4.00;
        max_output  4096;
        target      $_ model=of-$_;
    }
EOC
    ai_model m-all {
        price       input=1.00 output=4.00;
        max_output  4096;
        target      openai model=of-openai;
        fallback    anthropic model=of-anthropic;
        fallback    gemini model=of-gemini;
    }
EOC
    plan_extra => 'cache on;',
    location => 'include %%TOP%%/conf.example/ai_cache.conf;'));

for my $api (qw(anthropic gemini)) {
    for my $stream (0, 1) {
        both($api, $stream, undef, { text => 'one ' });
        both($api, $stream, 'one byte', { text => 'two ', split => 'byte' });
        both($api, $stream, 'calls', { tool => JSON::PP::true },
            tools => [ { type => 'function', function => {
                name => 'weather' } } ]);

        my $file = $fixture{$api}[$stream];

        both($api, $stream, $file, { file => $file }) if $file;
    }

    # the usage chunk is there for who asks for it, out of the same stream

    my @m = (messages => [ { role => 'user', content => 'usage' } ]);

    my $r = ask($api, 1, {}, @m);
    my $u = ask($api, 1, {}, @m, stream_options => {
        include_usage => JSON::PP::true });
    my $h = ask($api, 1, {}, @m, stream_options => {
        include_usage => JSON::PP::true });

    is(seen($u, $h), 'miss hit', "$api, usage asked for");
    like($h->body, qr/"choices":\[\],"usage":\{"prompt_tokens":/,
        "$api, usage in a hit");
    unlike($r->body, qr/"usage"/, "$api, none where it was not");

    # a long answer comes from the file in pieces

    @m = (messages => [ { role => 'user', content => 'long' } ]);

    for my $stream (0, 1) {
        my $mock = { events => 3000, text => 'long text ',
            uncapped => JSON::PP::true };

        $r = ask($api, $stream, $mock, @m);
        $h = ask($api, $stream, {}, @m);

        is(seen($r, $h), 'miss hit', "$api, long");
        is(plain($h), plain($r), "$api, long, the same");
        cmp_ok(length $h->body, '>', 30000, "$api, long indeed");
    }

    # what is not kept: errors, halves, nonsense

    for my $mock ({ status => 400, type => 'application/json',
            body => '{"error":{"message":"no"}}' },
        { status => 200, type => 'application/json',
            body => '{"error":{"message":"no"}}' },
        { cut => 40 })
    {
        @m = (messages => [ { role => 'user', content => "bad $mock" } ]);

        ask($api, 0, $mock, @m);
        is(seen(ask($api, 0, {}, @m)), 'miss', "$api, nothing bad is kept");
    }

    @m = (messages => [ { role => 'user', content => 'cut' } ]);

    ask($api, 1, { events => 9, cut => 400 }, @m);
    is(seen(ask($api, 1, {}, @m)), 'miss', "$api, no half stream is kept");
}

# one request, three dialects in turn: each has its own, and gets no other's

my @all = qw(openai anthropic gemini);

for my $stream (0, 1) {
    for my $n (2, 1, 0) {
        my $first;

        for my $want ('miss', 'hit') {
            my $name = "$all[$n], " . ($stream ? 'stream' : 'JSON');
            my %at = map { $port{$_} => { status => 503 } }
                @all[0 .. $n - 1];

            my $r = ask('all', $stream, { at => \%at, text => "$all[$n]-" },
                messages => [ { role => 'user', content => 'which' } ]);

            my $text = $stream ? join('', map { $_->{choices}[0]{delta}{content}
                // '' } grep { @{ $_->{choices} } } $r->chunks)
                : $r->json->{choices}[0]{message}{content};

            is($text, "$all[$n]-" x 8, "$name, text");
            is(seen($r), $want, "$name, $want");
            is(plain($r), $first, "$name, the same") if $first;
            $first = plain($r);
        }
    }
}

$t->allow(qr/cannot be translated|no answer of its dialect/);
$t->done;


sub ask {
    my ($api, $stream, $mock, %body) = @_;

    return $t->post('/v1/chat/completions', { model => "m-$api",
        messages => [ { role => 'user', content => 'Hello' } ], %body,
        $stream ? (stream => JSON::PP::true) : () }, mock => $mock);
}


sub seen { return join ' ', map { $_->header('x-ai-cache') // '-' } @_ }


# without what belongs to the one request

sub plain {
    my ($r) = @_;

    return $r->body =~ s/"created": ?\d+/"created":0/gr
        =~ s/call_[0-9a-f]{32}/call_/gr =~ s/chatcmpl-[0-9a-f-]{36}/chatcmpl/gr;
}


sub both {
    my ($api, $stream, $what, $mock, %more) = @_;

    my $name = "$api, " . ($stream ? 'stream' : 'JSON') . ($what ? ", $what"
        : '');
    my @m = (messages => [ { role => 'user', content => $name } ], %more);
    my $n = $p{$api}->requests;

    my $r = ask($api, $stream, $mock, @m);
    my $h = ask($api, $stream, { text => 'wrong ' }, @m);

    is(seen($r, $h), 'miss hit', "$name: a hit");
    is($p{$api}->requests, $n + 1, "$name: asked once");
    is(plain($h), plain($r), "$name: the same");
    is($h->header('content-type'), $r->header('content-type'),
        "$name: its type");
    like($h->body, $stream ? qr/\n\ndata: \[DONE\]\n\n\z/
        : qr/^\{"id":"chatcmpl-.*\}\z/s, "$name: whole");

    my ($m, $c) = map { $t->waitrow($_->id) } $r, $h;

    is($c->{provider}, 'cache', "$name: its row");
    is("$c->{state} $c->{usage_source}", 'final final', "$name: its state");
    is($c->{$_}, $m->{$_}, "$name: $_")
        for qw(input_tokens output_tokens reasoning_tokens finish_reason
            cache_read_tokens served_model);

    # a tenth, rounded half up to a nano-dollar

    is(0 + ($c->{cost_usd} =~ s/\.//r), int(($m->{cost_usd} =~ s/\.//r) / 10 + 0.5),
        "$name: its cost") if $m->{cost_usd} > 0;
}
