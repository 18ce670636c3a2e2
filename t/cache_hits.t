#!/usr/bin/perl

# Plans with "cache on": the same request of the same tenant is answered out of
# the cache, byte for byte, streams too; the row says so and costs the cache's
# price.

use strict;
use warnings;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";

use AI::Gateway;

my $t = AI::Gateway->new;
my $p = $t->provider(8081);

$t->run(gateway_conf(
    http => 'proxy_cache_path %%DIR%%/cache keys_zone=ai_cache:1m '
        . 'levels=1:2 use_temp_path=off;',
    plan => <<'EOC',
    ai_alias gpt-latest  gpt-4.1;

    ai_plan usual {
        models  *;
        cache   on;
    }

    ai_plan free {
        models  *;
        cache   on price=0%;
    }

    ai_plan plain {
        models  *;
    }
EOC
    tenants => <<'EOC',
    ai_tenant acme  { plan usual; key %%KEY_acme%% name=prod; }
    ai_tenant other { plan usual; key %%KEY_other%% name=prod; }
    ai_tenant poor  { plan free;  key %%KEY_poor%% name=prod; }
    ai_tenant none  { plan plain; key %%KEY_none%% name=prod; }
EOC
    server => <<'EOC',
        add_header X-Key $ai_cache_key;
        add_header X-Provider $ai_provider;
EOC
    location => 'include %%TOP%%/conf.example/ai_cache.conf;'));


# a plain answer

my $r = $t->chat(undef, mock => { text => 'one ' });
my $h = $t->chat(undef, mock => { text => 'two ' });

is($r->header('x-ai-cache'), 'miss', 'first request is a miss');
is($h->header('x-ai-cache'), 'hit', 'second one is a hit');
is($h->body, $r->body, 'same bytes');
is($p->requests, 1, 'the provider was asked once');
isnt($h->id, $r->id, 'a hit has its own id');
is($h->header('content-type'), $r->header('content-type'), 'type');
like($h->header('x-key'), qr/^[0-9a-f]{64}$/, 'key');
is($h->header('x-provider'), 'cache', '$ai_provider');

my $m = $t->waitrow($r->id);
my $c = $t->waitrow($h->id);

is($c->{state}, 'final', 'state of a hit');
is($c->{provider}, 'cache', 'provider of a hit');
is_deeply($c->{attempts}, [ { provider => 'cache', model => 'gpt-4.1',
    status => 200, ms => $c->{attempts}[0]{ms}, reason => undef,
    chosen => 'cache' } ], 'attempts of a hit');
is($c->{usage_source}, 'final', 'usage of a hit');
is($c->{output_tokens}, $m->{output_tokens}, 'tokens of a hit');
ok(defined $c->{first_byte_ms}, 'first byte of a hit');

# 11 and 8 tokens at 2 and 8 dollars

is($m->{cost_usd}, '0.000086000', 'a miss costs what it costs');
is($c->{cost_usd}, '0.000008600', 'a hit a tenth of it');


# a stream, whose usage chunk the client has not asked for

my $s = { stream => \1 };

$r = $t->chat($s, mock => { events => 3, text => 'a ' });
$h = $t->chat($s, mock => { events => 5, text => 'b ' });

is($h->header('x-ai-cache'), 'hit', 'a stream is a hit');
is($h->body, $r->body, 'same events');
like($h->body, qr/data: \[DONE\]/, 'whole');
unlike($h->body, qr/"usage": \{/, 'the injected chunk is dropped from a hit');
is($p->requests, 2, 'the provider was asked once more');

$c = $t->waitrow($h->id);
is($c->{output_tokens}, 3, 'tokens of a hit of a stream');
is($c->{cost_usd}, '0.000004600', 'its cost');
ok($c->{stream_complete}, 'it is complete');

# one who asks for it gets it: another key

$r = $t->chat({ %$s, stream_options => { include_usage => \1 } },
    mock => { events => 3, text => 'a ' });
is($r->header('x-ai-cache'), 'miss', 'usage asked for: another key');
like($r->body, qr/"usage": \{/, 'usage');

$h = $t->chat({ %$s, stream_options => { include_usage => \1 } });
is($h->header('x-ai-cache'), 'hit', 'and a hit');
is($h->body, $r->body, 'with its usage');


# tenants are apart; a plan without a cache has none

my $n = $p->requests;

$r = $t->chat(undef, key => 'other');
is($r->header('x-ai-cache'), 'miss', 'another tenant');
is($p->requests, $n + 1, 'asks the provider');

$r = $t->chat(undef, key => 'none') for 1 .. 2;
is($r->header('x-ai-cache'), undef, 'a plan without a cache');
is($r->header('x-key'), undef, 'has no key');
is($p->requests, $n + 3, 'and always asks');

$t->chat(undef, key => 'poor');
$h = $t->chat(undef, key => 'poor');
is($t->waitrow($h->id)->{cost_usd}, '0.000000000', 'price=0%');


# what is the same request

my $text = '{"model":"gpt-4.1","messages":[{"role":"user","content":"a  b"}]}';
my $wide = "{ \"model\" :\t\"gpt-latest\" ,\r\n \"messages\": [ { \"role\": "
    . "\"user\",\n\"content\" :\"a  b\" } ] }\n";

same($text, $text, 1, 'itself');
same($text, $wide, 1, 'white space, and an alias');
same($text, $text =~ s/a  b/a b/r, 0, 'white space in a string');
same($text, $text =~ s/}\]}/}],"max_tokens":9}/r, 0, 'max_tokens');
same($text, $text =~ s/gpt-4.1/gpt-4.1-mini/r, 0, 'another model');
same($text, $text =~ s/}\]}/}],"seed":1}/r, 0, 'another member');

$t->post('/v1/chat/completions', $text);
$r = $t->post('/v1/chat/completions', $text,
    headers => { 'OpenAI-Beta' => 'x=1' });
is($r->header('x-ai-cache'), 'miss', 'a header of a vendor');


# what the client says

$n = $p->requests;
$r = $t->chat(undef, mock => { text => 'new ' },
    headers => { 'Cache-Control' => 'no-cache' });
is($r->header('x-ai-cache'), 'bypass', 'no-cache');
like($r->body, qr/new /, 'a fresh answer');
is($p->requests, $n + 1, 'of the provider');

$h = $t->chat;
is($h->header('x-ai-cache'), 'hit', 'which is kept in place of the old one');
is($h->body, $r->body, 'from then on');

$r = $t->chat({ seed => 7 }, headers => { 'Cache-Control' => 'max-age=0, '
    . 'No-Store' });
is($r->header('x-ai-cache'), undef, 'no-store');
is($t->chat({ seed => 7 })->header('x-ai-cache'), 'miss', 'stores nothing');

$t->chat({ seed => 8, store => \1 });
is($t->chat({ seed => 8, store => \1 })->header('x-ai-cache'), undef,
    'store: true is not kept');

# conditions and ranges are no way to a part of an answer

$h = $t->chat(undef, headers => { 'Range' => 'bytes=0-9',
    'If-None-Match' => '*', 'If-Modified-Since' =>
    'Sat, 21 Nov 2026 00:00:00 GMT' });
is($h->status, 200, 'conditions');
is($h->header('x-ai-cache'), 'hit', 'of a hit');
like($h->body, qr/"usage"/, 'whole');

# other endpoints

for my $api ([ '/v1/embeddings', { model => 'text-embedding-3-small',
        input => 'Hello' } ],
    [ '/v1/messages', { model => 'claude-sonnet-4-6', max_tokens => 100,
        messages => [ { role => 'user', content => 'Hello' } ] } ],
    [ '/v1/messages', { model => 'claude-sonnet-4-6', max_tokens => 100,
        stream => \1,
        messages => [ { role => 'user', content => 'Hello' } ] } ],
    [ '/v1/responses', { model => 'gpt-4.1', input => 'Hello' } ],
    [ '/v1/responses', { model => 'gpt-4.1', input => 'Hello',
        stream => \1 } ],
    [ '/v1beta/models/gemini-2.5-flash:generateContent',
        { contents => [ { parts => [ { text => 'Hello' } ] } ] } ],
    [ '/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse',
        { contents => [ { parts => [ { text => 'Hello' } ] } ] } ],
    [ '/v1beta/models/gemini-2.5-flash:streamGenerateContent',
        { contents => [ { parts => [ { text => 'Hello' } ] } ] } ])
{
    my ($uri, $body) = @$api;

    $r = $t->post($uri, $body);
    $h = $t->post($uri, $body);

    is($r->header('x-ai-cache'), 'miss', "$uri: miss");
    is($h->header('x-ai-cache'), 'hit', "$uri: hit");
    is($h->body, $r->body, "$uri: same bytes");
    is($t->waitrow($h->id)->{usage_source}, 'final', "$uri: usage");
}

my $free = $t->post('/v1/messages/count_tokens', { model => 'claude-sonnet-4-6',
    messages => [ { role => 'user', content => 'Hello' } ] });
is($free->header('x-ai-cache'), undef, 'what is free is not kept');

my $metrics = $t->metrics;
cmp_ok($metrics->{'ai_cache_total{result="hit"}'}, '>', 10, 'hits');
cmp_ok($metrics->{'ai_cache_total{result="stored"}'}, '>', 10, 'stored');

# reload: the cache stays

$t->reload;
$n = $p->requests;
is($t->chat->header('x-ai-cache'), 'hit', 'a hit after a reload');
is($p->requests, $n, 'and nobody was asked');

$t->done;


sub same {
    my ($one, $two, $same, $name) = @_;

    my @r = map { $t->post('/v1/chat/completions', $_,
        headers => { 'Cache-Control' => 'no-cache' }) } $one, $two;

    my $method = $same ? \&is : \&isnt;

    $method->($r[0]->header('x-key'), $r[1]->header('x-key'), $name);
}
