#!/usr/bin/perl

# Tokens: what is held is a bound, what rates take is a guess that learns, and
# settlement puts both right.

use strict;
use warnings;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP;

use AI::Gateway;

my $t = AI::Gateway->new;

my $p = $t->provider(8081);

my %limits = (
    rate => [ 'limit tokens 3000/h;' ],
    debt => [ 'limit tokens 1000/h;' ],
    answers => [ 'limit output_tokens 100/h;' ],
    input => [ 'limit input_tokens 100/h;' ],
    day => [ 'limit tokens 300/day;' ],
    money => [ 'limit cost 100/month;' ],
    open => [ 'limit cost 100/month;', 'unbounded allow;' ],
    strict => [ 'unbounded refuse;' ],
    clamp => [ 'max_output 100;' ],
    acme => [ '' ],
);

$t->run(gateway_conf(
    models => AI::Conf::models() . <<'EOC',
    ai_model gpt-claude {
        price   input=1 output=1;
        target  anthropic;
    }
    ai_model dear {
        price   input=100 output=100;
        target  anthropic;
    }
    ai_model pictures {
        price       input=1 output=1;
        max_output  5000;
        target      openai;
    }
    ai_model nocap {
        price   input=1 output=1;
        target  openai;
    }
EOC
    plan => join('', map {
        "    ai_plan $_ { models *; @{ $limits{$_} } }\n" } keys %limits),
    tenants => join('', map { <<EOC } keys %limits)));
    ai_tenant $_ {
        plan  $_;
        key   %%KEY_$_%% name=prod;
    }
EOC

sub usage { return $t->get('/v1/usage', key => $_[0])->json }

sub limit { return usage($_[0])->{limits}[0] }

sub told {
    my ($in, $out) = @_;

    return { usage => { prompt_tokens => $in, completion_tokens => $out,
        total_tokens => $in + $out } };
}


# ---- a tenant is not refused for a bound that it never reaches ----

# 2000 bytes and an answer of up to 30000 tokens, in truth 50 and 8; a guess
# begins at four bytes a token

my $text = { messages => [ { role => 'user', content => 'x' x 2000 } ],
    max_tokens => 30000 };

my @status = map {
    $t->chat($text, key => 'rate', mock => told(50, 8))->status } 1 .. 20;

is("@status", join(' ', (200) x 20), 'no bound refuses');

my $l = limit('rate');

ok($l->{used} <= 20 * 58 && $l->{used} > 20 * 58 - 30,
    "what was used is taken: $l->{used}");


# ---- deficits ----

is($t->chat(undef, key => 'debt', mock => told(5000, 8))->status, 200,
    'more than was guessed');

$l = limit('debt');

cmp_ok($l->{used}, '>', 4990, 'is charged');
is($l->{remaining}, 0, 'nothing is left');

my $r = $t->chat(undef, key => 'debt');

is($r->status, 429, 'debt is paid by waiting');
is($r->json->{error}{code}, 'rate_limit_exceeded', 'as a rate');
is($r->header('retry-after'), 60, 'longer than a client waits');
is($r->header('retry-after-ms'), undef, 'and not in milliseconds');
like($r->json->{error}{message}, qr/tokens are limited to 1000 per hour/,
    'which limit');


# ---- a guess at the answer refuses nobody for ever ----

is($t->chat(undef, key => 'answers', mock => told(11, 8))->status, 200,
    'a bucket smaller than an answer was so far');
is($t->chat({ model => 'gpt-4.1-mini', messages => [ { role => 'user',
    content => 'x' x 2000 } ] }, key => 'input')->status, 429, 'but a body that does not fit never passes');


# ---- windows take bounds ----

$r = $t->chat({ max_tokens => 300 }, key => 'day');

is($r->status, 429, 'a bound above the window');
is($r->json->{error}{code}, 'insufficient_quota', 'is no quota');
is($t->chat({ max_tokens => 50 }, key => 'day')->status, 200, 'one below');
is(limit('day')->{used}, 19, 'what was used');
is(limit('day')->{held}, 0, 'nothing is held after');


# ---- what is held ----

sub held {
    my ($uri, $body, %o) = @_;

    my $c = $t->start('POST', $uri, $body, key => 'acme',
        mock => { wait => 30 }, %o);
    my $held;

    waitfor { $held = usage('acme'); $held->{concurrency} };

    $c->close;
    waitfor { !usage('acme')->{concurrency} };

    return $held->{held};
}

my $chat = '/v1/chat/completions';
my @hello = (messages => [ { role => 'user', content => 'Hello' } ]);

sub out { return held(@_)->{output_tokens} }

is(out($chat, { model => 'gpt-4.1', @hello, max_tokens => 10 }), 10,
    'the cap');
is(out($chat, { model => 'gpt-4.1', @hello, max_completion_tokens => 7,
    n => 3 }), 21, 'the cap times n');
is(out($chat, { model => 'gpt-4.1', @hello }), 32768, 'the model\'s cap');
is(out('/v1/completions', { model => 'gpt-4.1', prompt => 'x',
    max_tokens => 5, n => 2, best_of => 4 }), 20, 'the cap times best_of');
is(out('/v1/completions', { model => 'gpt-4.1', prompt => [ 'a', 'b', 'c' ],
    max_tokens => 5, n => 2 }), 30, 'the cap times prompts and n');
is(out('/v1/completions', { model => 'gpt-4.1', prompt => [ 1, 2, 3 ],
    max_tokens => 5 }), 5, 'a prompt of tokens is one');
is(out('/v1/completions', { model => 'gpt-4.1', prompt => [ [ 1, 2 ], [ 3 ] ],
    max_tokens => 5 }), 10, 'two of them are two');
is(out('/v1/completions', { model => 'gpt-4.1', prompt => 'x' }), 16,
    'a legacy completion has a cap of its own');
is(out('/v1/responses', { model => 'gpt-4.1', input => 'x',
    max_output_tokens => 20 }), 20, 'Responses');
is(out('/v1/messages', { model => 'claude-sonnet-4-6', @hello,
    max_tokens => 9 }), 9, 'Messages');
is(out('/v1beta/models/gemini-2.5-flash:generateContent', { contents =>
    [ { parts => [ { text => 'x' } ] } ], generationConfig =>
    { maxOutputTokens => 6, candidateCount => 3 } },
    auth => 'x-goog-api-key'), 18, 'candidates');
is(out('/v1/embeddings', { model => 'text-embedding-3-small', input => 'x' }),
    0, 'embeddings have no output');

my $body = encode_json({ model => 'gpt-4.1', @hello, max_tokens => 1 });

is(held($chat, $body)->{input_tokens}, length $body, 'a token is a byte');

# models that may run beside the one asked for

my %cost = map { $_ => held('/v1/messages', { model => 'gpt-claude', @hello,
    max_tokens => 1000, $_ ? (fallbacks => [ { model => 'dear' } ]) : () }
    )->{cost_usd} } 0, 1;

cmp_ok($cost{1}, '>', $cost{0} + 0.1 * 0.99, 'a fallback at its own price');

is(out('/v1/images/generations', { model => 'pictures', prompt => 'x',
    n => 4 }), 20000, 'each image of several');

# a small picture may be many tokens

for ([ 'an image', $chat, { model => 'gpt-4.1', messages => [ {
        role => 'user', content => [ { type => 'image_url', image_url => {
            url => 'data:image/png;base64,AAAA' } } ] } ] } ],
    [ 'an image of Responses', '/v1/responses', { model => 'gpt-4.1',
        input => [ { role => 'user', content => [ { type => 'input_image',
            image_url => 'data:image/png;base64,AAAA' } ] } ] } ],
    [ 'an image of Messages', '/v1/messages', { model => 'claude-sonnet-4-6',
        max_tokens => 5, messages => [ { role => 'user', content => [ {
            type => 'image', source => { type => 'base64',
                media_type => 'image/png', data => 'AAAA' } } ] } ] } ],
    [ 'an image of Gemini',
        '/v1beta/models/gemini-2.5-flash:generateContent', { contents =>
        [ { parts => [ { inlineData => { mimeType => 'image/png',
            data => 'AAAA' } } ] } ] } ])
{
    my ($name, $uri, $b) = @$_;

    cmp_ok(held($uri, $b)->{input_tokens}, '>', 16384, $name);
}

# and a large one is few: its base64 is no text

is($t->chat({ messages => [ { role => 'user', content => [ {
    type => 'image_url', image_url => { url => 'data:image/png;base64,'
        . 'A' x 200000 } } ] } ] }, key => 'rate')->status, 200,
    'base64 is not guessed as text');


# ---- clamped and injected caps ----

sub cap_sent {
    my ($uri, $b, @path) = @_;

    my $v = $t->post($uri, $b, key => 'clamp', mock => { echo => 1 })->json;

    require MIME::Base64;
    $v = decode_json(MIME::Base64::decode_base64($v->{body64}));
    $v = $v->{$_} for @path;

    return $v;
}

is(cap_sent($chat, { model => 'gpt-4.1', @hello }, 'max_completion_tokens'),
    100, 'a cap is put in');
is(cap_sent($chat, { model => 'gpt-4.1', @hello, max_tokens => 5000 },
    'max_tokens'), 100, 'one that is too high is lowered');
is(cap_sent($chat, { model => 'gpt-4.1', @hello, max_tokens => 50 },
    'max_tokens'), 50, 'a lower one stays');
is(cap_sent('/v1/responses', { model => 'gpt-4.1', input => 'x' },
    'max_output_tokens'), 100, 'Responses');
is(cap_sent('/v1/messages', { model => 'claude-sonnet-4-6', @hello,
    max_tokens => 101 }, 'max_tokens'), 100, 'Messages');
is(cap_sent('/v1beta/models/gemini-2.5-flash:generateContent', { contents =>
    [ { parts => [ { text => 'x' } ] } ] }, 'generationConfig',
    'maxOutputTokens'), 100, 'Gemini');


# ---- what has no bound ----

my @unbounded = (
    [ 'an image by URL', $chat, { model => 'gpt-4.1', max_tokens => 5,
        messages => [ { role => 'user', content => [ { type => 'image_url',
            image_url => { url => 'https://a.test/b.png' } } ] } ] } ],
    [ 'a file by URL', '/v1/responses', { model => 'gpt-4.1',
        input => [ { role => 'user', content => [ { type => 'input_file',
            file_url => 'https://a.test/b.pdf' } ] } ] } ],
    [ 'a search', '/v1/responses', { model => 'gpt-4.1', input => 'x',
        tools => [ { type => 'web_search' } ] } ],
    [ 'a search of Messages', '/v1/messages', {
        model => 'claude-sonnet-4-6', @hello, max_tokens => 5,
        tools => [ { type => 'web_search_20250305',
            name => 'web_search' } ] } ],
    [ 'grounding', '/v1beta/models/gemini-2.5-flash:generateContent',
        { contents => [ { parts => [ { text => 'x' } ] } ],
          tools => [ { googleSearch => {} } ] } ],
    [ 'no cap', $chat, { model => 'nocap', @hello } ],
);

for (@unbounded) {
    my ($name, $uri, $b) = @$_;

    is($t->post($uri, $b, key => 'money')->status, 400,
        "$name is refused where money is limited");
    is($t->post($uri, $b, key => 'strict')->status, 400,
        "$name is refused where the plan says so");
    is($t->post($uri, $b, key => 'open')->status, 200,
        "$name passes where the plan says so");
    is($t->post($uri, $b, key => 'acme')->status, 200,
        "$name passes where money is not limited");
}

is($t->chat({ model => 'nocap', max_tokens => 5 }, key => 'money')->status,
    200, 'the client\'s own cap is one');
is(usage('money')->{held}{cost_usd}, '0.000000000', 'refusals hold nothing');

$t->done;
