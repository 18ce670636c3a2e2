#!/usr/bin/perl

# Bodies on which parsers disagree are refused before a provider sees them;
# of all others the provider gets each byte, save those that must change.

use strict;
use warnings;

use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use AI::Gateway;

use JSON::PP ();
use MIME::Base64;

use constant CHAT => '/v1/chat/completions';

my $t = AI::Gateway->new;
my $p = $t->provider(8081);

$t->run(gateway_conf(
    plan => <<'EOC',
    ai_plan usual {
        models  gpt-4.1 cheap kept gemini-2.5-flash claude-sonnet-4-6 whisper
                image speech text-embedding-3-small;
        limit   cost 1000/month;
    }
    ai_plan narrow {
        models      gpt-4.1 gemini-2.5-flash claude-sonnet-4-6;
        max_output  100;
    }
EOC
    tenants => <<'EOC',
    ai_tenant acme { plan usual; key %%KEY_acme%% name=prod; }
    ai_tenant narrow { plan narrow; key %%KEY_narrow%% name=prod; }
EOC
    http => <<'EOC',
    ai_model cheap {
        price  input=0.1 output=0.1;
        max_output  1000;
        target openai model=cheap-2026-01-01;
    }
    ai_model kept { price input=0.1 output=0.1; target openai; }
    ai_model dear { price input=100 output=100; target openai; }
    ai_model whisper { price input=1 output=1; max_output 1000; target openai; }
    ai_model image { price input=1 output=1; max_output 1000;
                     unit image=0.01; target openai; }
    ai_model speech { price input=1 output=1; max_output 1000;
                      unit character=0.00001; target openai; }
    ai_alias friendly cheap;
EOC
    server => 'listen 127.0.0.1:%%PORT_8082%% http2;',
));

my $sent = 0;

# a request whose body is refused, and never leaves

sub refused {
    my ($name, $uri, $body, %o) = @_;

    my $status = delete $o{status} || 400;
    my $r = $t->post($uri, $body, %o);

    is($r->status, $status, "refused: $name") or diag($r->body);
    ok(ref $r->json->{error}, "in JSON: $name");
    is($p->requests, $sent, "stays here: $name");

    $sent = $p->requests;
}

# what the provider got

sub sent {
    my ($uri, $body, %o) = @_;

    my $r = $t->post($uri, $body, %o, mock => { echo => 1 });

    $sent++;

    return "status " . $r->status . ": " . $r->body if $r->status != 200;
    return decode_base64($r->json->{body64});
}

sub utf16 { my ($s, $end) = @_; return pack("${end}*", unpack 'C*', $s) }

my $m = '"messages":[{"role":"user","content":"x"}]';
my $c = '"max_tokens":5';

# ---- one name, several readings ----

refused('model twice', CHAT,
    qq({"model":"cheap","model":"dear",$c,$m}));
refused('model twice, same', CHAT,
    qq({"model":"cheap","model":"cheap",$c,$m}));
refused('model twice, escaped name', CHAT,
    qq({"model":"cheap","mod\\u0065l":"dear",$c,$m}));
refused('model twice, by case', CHAT,
    qq({"model":"cheap","Model":"dear",$c,$m}));
refused('model by case only', CHAT, qq({"MODEL":"cheap",$c,$m}));
refused('model far behind', CHAT,
    qq({"model":"cheap",$c,$m,"x":"@{[ 'y' x 100000 ]}","model":"dear"}));
refused('stream twice', CHAT,
    qq({"model":"cheap","stream":false,"stream":true,$c,$m}));
refused('max_tokens twice', CHAT,
    qq({"model":"cheap",$c,"max_tokens":50000,$m}));
refused('both caps', CHAT,
    qq({"model":"cheap",$c,"max_completion_tokens":6,$m}));
refused('n twice', CHAT, qq({"model":"cheap","n":1,"n":9,$c,$m}));
refused('n by case', CHAT, qq({"model":"cheap","n":1,"N":9,$c,$m}));
refused('stream_options twice', CHAT, qq({"model":"cheap","stream":true,)
    . qq("stream_options":{},"stream_options":{"include_usage":false},$c,$m}));
refused('include_usage twice', CHAT, qq({"model":"cheap","stream":true,)
    . qq("stream_options":{"include_usage":true,"include_usage":false},$c,$m}));

# ---- not JSON in UTF-8 ----

my $plain = qq({"model":"cheap",$c,$m});

refused('empty', CHAT, '');
refused('blank', CHAT, "  \n");
refused('array', CHAT, "[$plain]");
refused('string', CHAT, '"x"');
refused('null', CHAT, 'null');
refused('byte order mark', CHAT, "\xef\xbb\xbf$plain");
refused('UTF-16 LE', CHAT, utf16($plain, 'v'));
refused('UTF-16 BE', CHAT, utf16($plain, 'n'));
refused('UTF-16 with mark', CHAT, "\xff\xfe" . utf16($plain, 'v'));
refused('UTF-32', CHAT, utf16($plain, 'V'));
refused('second value', CHAT, qq(${plain}{"model":"dear"}));
refused('garbage behind', CHAT, "$plain x");
refused('NUL behind', CHAT, "$plain\0");
refused('cut', CHAT, substr($plain, 0, -1));
refused('comment', CHAT, qq({/* */"model":"cheap",$c,$m}));
refused('trailing comma', CHAT, qq({"model":"cheap",$c,$m,}));
refused('single quotes', CHAT, qq({'model':'cheap',$c,$m}));
refused('NaN', CHAT, qq({"model":"cheap","temperature":NaN,$c,$m}));
refused('Infinity', CHAT, qq({"model":"cheap","temperature":-Infinity,$c,$m}));
refused('hex number', CHAT, qq({"model":"cheap","seed":0x10,$c,$m}));
refused('leading zero', CHAT, qq({"model":"cheap","seed":010,$c,$m}));
refused('overlong UTF-8', CHAT, qq({"model":"cheap","user":"\xc0\xaf",$c,$m}));
refused('cut UTF-8', CHAT, qq({"model":"cheap","user":"\xe2\x82",$c,$m}));
refused('surrogate in UTF-8', CHAT,
    qq({"model":"cheap","user":"\xed\xa0\x80",$c,$m}));
refused('control character', CHAT, qq({"model":"cheap","user":"a\nb",$c,$m}));
refused('unknown escape', CHAT, qq({"model":"cheap","user":"\\x41",$c,$m}));
refused('nesting', CHAT,
    qq({"model":"cheap","x":@{[ '[' x 100000 ]}@{[ ']' x 100000 ]},$c,$m}));
refused('nesting, open', CHAT, '{"x":' . '{"x":' x 200000);

# ---- the type of the body ----

for my $type ('text/plain', 'application/x-www-form-urlencoded', 'text/json',
    'application/json; charset=utf-16', 'application/json;charset=latin1',
    'application/jsonp', 'application/json, text/plain',
    'multipart/form-data; boundary=x')
{
    refused("as $type", CHAT, $plain, status => 415,
        headers => { 'Content-Type' => $type });
}

for my $coding ('gzip', 'deflate', 'br', 'zstd', 'identity, gzip', 'x') {
    refused("as $coding", CHAT, $plain, status => 415,
        headers => { 'Content-Encoding' => $coding });
}

refused('coded twice', CHAT, $plain, status => 415,
    headers => { 'Content-Encoding' => [ 'gzip', 'identity' ] });

# ---- names of models ----

refused('model a number', CHAT, qq({"model":1,$c,$m}));
refused('model null', CHAT, qq({"model":null,$c,$m}));
refused('model a list', CHAT, qq({"model":["cheap"],$c,$m}));
refused('model an object', CHAT, qq({"model":{"id":"cheap"},$c,$m}));
refused('no model', CHAT, qq({$c,$m}));
refused('empty model', CHAT, qq({"model":"",$c,$m}));
refused('NUL in the name', CHAT, qq({"model":"cheap\\u0000",$c,$m}));
refused('surrogate in the name', CHAT, qq({"model":"cheap\\ud800",$c,$m}));
refused('line end in the name', CHAT, qq({"model":"cheap\\r\\n",$c,$m}));
refused('long name', CHAT, qq({"model":"@{[ 'x' x 5000 ]}",$c,$m}));

for my $name ('cheap ', ' cheap', 'Cheap', 'models/cheap', 'cheap@2026',
    'cheap:floor', 'openai/cheap', "che\xcc\x81ap", 'cheap/../dear', '*', 'c*')
{
    refused("model '$name'", CHAT, qq({"model":"$name",$c,$m}), status => 404);
}

refused('model of no plan', CHAT, qq({"model":"dear",$c,$m}), status => 403);

# ---- numbers ----

for my $n ('1e400', '-1', '1.5', '1e2', '"5"', 'true', '[5]',
    '99999999999999999999999999', '16384.0', '0x5')
{
    refused("max_tokens $n", CHAT, qq({"model":"cheap","max_tokens":$n,$m}));
    refused("n $n", CHAT, qq({"model":"cheap","n":$n,$c,$m}));
}

refused('n 0', CHAT, qq({"model":"cheap","n":0,$c,$m}));
refused('best_of', '/v1/completions',
    qq({"model":"cheap","best_of":1e9,$c,"prompt":"x"}));
refused('stream a string', CHAT, qq({"model":"cheap","stream":"true",$c,$m}));
refused('stream 1', CHAT, qq({"model":"cheap","stream":1,$c,$m}));

# ---- other places of a model ----

refused('models[]', CHAT, qq({"model":"cheap","models":["dear"],$c,$m}),
    status => 403);
refused('fallbacks', '/v1/messages', qq({"model":"claude-sonnet-4-6",$c,$m,)
    . '"fallbacks":[{"model":"dear"}]}', status => 403);
refused('fallbacks default', '/v1/messages',
    qq({"model":"claude-sonnet-4-6",$c,$m,"fallbacks":"default"}));
refused('advisor', '/v1/messages', qq({"model":"claude-sonnet-4-6",$c,$m,)
    . '"tools":[{"type":"advisor_20260301","name":"a","model":"dear"}]}',
    status => 403);
refused('image tool', '/v1/responses', '{"model":"cheap","input":"x",'
    . '"max_output_tokens":5,"tools":[{"type":"image_generation",'
    . '"model":"dear"}]}', status => 403);
refused('model in the body beside the path',
    '/v1beta/models/gemini-2.5-flash:generateContent',
    '{"model":"models/dear","contents":[]}');
refused('batch of another model',
    '/v1beta/models/gemini-2.5-flash:batchEmbedContents',
    '{"requests":[{"model":"models/gemini-2.5-flash","content":{}},'
    . '{"model":"models/dear","content":{}}]}');
refused('count of another model',
    '/v1beta/models/gemini-2.5-flash:countTokens',
    '{"generateContentRequest":{"model":"models/dear","contents":[]}}');

# ---- state at the provider ----

for my $x ('"previous_response_id":"resp_1"', '"conversation":"conv_1"',
    '"conversation":{"id":"conv_1"}', '"prompt":{"id":"pmpt_1"}',
    '"background":true', '"previous_respons\u0065_id":"resp_1"')
{
    refused($x, '/v1/responses',
        qq({"model":"cheap","input":"x","max_output_tokens":5,$x}));
}

refused('file id', '/v1/responses', '{"model":"cheap","max_output_tokens":5,'
    . '"input":[{"role":"user","content":[{"type":"input_file",'
    . '"file_id":"file-1"}]}]}');
refused('container', '/v1/messages',
    qq({"model":"claude-sonnet-4-6",$c,$m,"container":"container_1"}));
refused('payer', '/v1/messages',
    qq({"model":"claude-sonnet-4-6",$c,$m,"billing_policy":"x"}));
refused('cached content', '/v1beta/models/gemini-2.5-flash:generateContent',
    '{"contents":[],"cachedContent":"cachedContents/1"}');
refused('cached_content', '/v1beta/models/gemini-2.5-flash:generateContent',
    '{"contents":[],"cached_content":"cachedContents/1"}');
refused('file uri', '/v1beta/models/gemini-2.5-flash:generateContent',
    '{"contents":[{"parts":[{"fileData":{"fileUri":'
    . '"https://generativelanguage.googleapis.com/v1beta/files/1"}}]}]}');
refused('both spellings', '/v1beta/models/gemini-2.5-flash:generateContent',
    '{"contents":[],"generationConfig":{"maxOutputTokens":5},'
    . '"generation_config":{"max_output_tokens":50000}}');
refused('both spellings inside',
    '/v1beta/models/gemini-2.5-flash:generateContent',
    '{"contents":[],"generationConfig":{"maxOutputTokens":5,'
    . '"max_output_tokens":50000}}');

# ---- what has no bound, of a tenant with a budget ----

for my $x ('"tools":[{"type":"web_search"}]', '"tools":[{"type":"mcp"}]',
    '"tools":[{"type":"code_interpreter","container":{"type":"auto"}}]',
    '"tools":[{"type":"openrouter:anything"}]',
    '"tools":[{"type":"never_heard_of"}]')
{
    refused("unbounded $x", '/v1/responses',
        qq({"model":"cheap","input":"x","max_output_tokens":5,$x}));
}

refused('hosted tool of Gemini',
    '/v1beta/models/gemini-2.5-flash:generateContent',
    '{"contents":[],"tools":[{"google_search":{}}]}');
refused('no cap anywhere', CHAT, qq({"model":"kept",$m}));

# ---- multipart ----

my @form = (headers => { 'Content-Type' => 'multipart/form-data; boundary=B' });

sub form {
    my ($boundary, @parts) = @_;

    return join('', map {
        "--$boundary\r\nContent-Disposition: form-data; $_->[0]\r\n\r\n"
        . "$_->[1]\r\n" } @parts) . "--$boundary--\r\n";
}

my @file = ('name="file"; filename="a.mp3"', 'AUDIO');

use constant SPEECH => '/v1/audio/transcriptions';

refused('form: two models', SPEECH, form('B', [ 'name="model"', 'whisper' ],
    [ 'name="model"', 'dear' ], \@file), @form);
refused('form: a model in a file', SPEECH, form('B',
    [ 'name="model"; filename="m"', 'whisper' ], \@file), @form);
refused('form: no model', SPEECH, form('B', \@file), @form);
refused('form: another name', SPEECH, form('B', [ 'name="model"', 'whisper' ],
    [ "name*=utf-8''model", 'dear' ], \@file), @form);
refused('form: not closed', SPEECH,
    substr(form('B', [ 'name="model"', 'whisper' ], \@file), 0, -6), @form);
refused('form: dear', SPEECH, form('B', [ 'name="model"', 'dear' ], \@file),
    @form, status => 403);

for my $type ('multipart/form-data', 'multipart/form-data; boundary=',
    'multipart/form-data; boundary="B', 'multipart/mixed; boundary=B',
    'multipart/form-data; boundary=A; boundary=B',
    'multipart/form-data; boundary=B; boundary=B',
    'multipart/form-data; boundary=B; boundary=A',
    "multipart/form-data; boundary=B; boundary*=utf-8''A",
    'multipart/form-data; boundary="A\"B"',
    'multipart/form-data; xboundary=B',
    'multipart/form-dataX; boundary=B',
    'multipart/form-data, multipart/form-data; boundary=B')
{
    refused("form: $type", SPEECH,
        form('B', [ 'name="model"', 'whisper' ], \@file), status => 415,
        headers => { 'Content-Type' => $type });
}

# a second type would let the provider read another form than we did

my $smuggled = form('B', [ 'name="model"', 'whisper' ], \@file);
my $r = $t->post(SPEECH, $smuggled, mock => { echo => 1 }, headers => {
    'Content-Type' => [ 'multipart/form-data; boundary=B',
                        'multipart/form-data; boundary=A' ] });

$sent++ if $r->status == 200;

my @types = grep { lc $_->[0] eq 'content-type' } @{ $r->json->{headers} || [] };

ok($r->status == 400 || $r->status == 415 || @types == 1,
    'one type of a form reaches the provider');

$r = $t->post(CHAT, $plain, mock => { echo => 1 }, headers => {
    'Content-Type' => [ 'application/json', 'text/plain' ] });

$sent++ if $r->status == 200;
@types = grep { lc $_->[0] eq 'content-type' } @{ $r->json->{headers} || [] };

ok($r->status == 400 || $r->status == 415 || @types == 1,
    'one type of JSON reaches the provider');

# ---- what passes, byte for byte ----

my $odd = " \r\n\t{ \"x\" : [ 1e5,-0.0, 1E+2 ] ,\"messages\":[ {\"role\":"
    . "\"user\",\"content\":\"\\u0041\\ud83d\\ude00 \\/ \xe2\x82\xac "
    . "\\\"model\\\":\\\"dear\\\"\"} ],\"model\" : \"%s\" ,\n\"max_tokens\": 7 } \n";

my $want = sprintf $odd, 'cheap-2026-01-01';

is(sent(CHAT, sprintf($odd, 'cheap')), $want, 'only the name changes');
is(sent(CHAT, sprintf($odd, 'friendly')), $want, 'of an alias');
is(sent(CHAT, sprintf($odd, 'ch\u0065ap')), $want, 'of an escaped one');

is(sent(CHAT, qq({"model":"kept",$c,$m})), qq({"model":"kept",$c,$m}),
    'nothing changes');
is(sent(CHAT, qq({"model":"cheap","max_tokens":5000,$m})),
    qq({"model":"cheap-2026-01-01","max_tokens":1000,$m}), 'a cap is clamped');
is(sent(CHAT, qq({"model":"cheap","max_tokens":null,$m})),
    qq({"model":"cheap-2026-01-01","max_tokens":1000,$m}), 'also none at all');
is(sent(CHAT, qq({"model":"gpt-4.1",$m}), key => 'narrow'),
    qq({"max_completion_tokens":100,"model":"gpt-4.1",$m}), 'a cap is put in');
is(sent(CHAT, qq({"model":"gpt-4.1",$c,"stream":true,$m})),
    qq({"stream_options":{"include_usage":true},"model":"gpt-4.1",$c,)
    . qq("stream":true,$m}), 'usage is asked for');
is(sent(CHAT, qq({"model":"gpt-4.1",$c,"stream":true,)
    . qq("stream_options":{"include_usage":false},$m})),
    qq({"model":"gpt-4.1",$c,"stream":true,)
    . qq("stream_options":{"include_usage":true},$m}), 'even when denied');
is(sent(CHAT, qq({"model":"gpt-4.1",$c,"stream":true,"stream_options":{},$m})),
    qq({"model":"gpt-4.1",$c,"stream":true,)
    . qq("stream_options":{"include_usage":true},$m}), 'or not said');
is(sent(CHAT, qq({"model":"gpt-4.1",$c,"stream":true,"stream_options":null,$m})),
    qq({"model":"gpt-4.1",$c,"stream":true,)
    . qq("stream_options":{"include_usage":true},$m}), 'or null');
is(sent('/v1/messages', qq({"model":"claude-sonnet-4-6","max_tokens":500,$m}),
    key => 'narrow'),
    qq({"model":"claude-sonnet-4-6","max_tokens":100,$m}), 'Anthropic: clamp');
is(sent('/v1beta/models/gemini-2.5-flash:generateContent',
    '{"contents":[],"generation_config":{"max_output_tokens":500}}',
    key => 'narrow'),
    '{"contents":[],"generation_config":{"max_output_tokens":100}}',
    'Gemini: clamp in snake case');
is(sent('/v1beta/models/gemini-2.5-flash:generateContent', '{"contents":[]}',
    key => 'narrow'),
    '{"generationConfig":{"maxOutputTokens":100},"contents":[]}',
    'Gemini: a cap is put in');

my $f = form('B', [ 'name="model"', 'whisper' ], \@file);
is(sent(SPEECH, $f, @form), $f, 'a form');
is(sent(SPEECH, form('a b', [ 'name="model"', 'whisper' ], \@file),
    headers => { 'Content-Type' => 'Multipart/Form-Data; charset=utf-8; '
        . 'Boundary="a b"' }),
    form('a b', [ 'name="model"', 'whisper' ], \@file), 'a quoted boundary');

# ---- however it comes ----

my $key = AI::Gateway::make_key('acme');
my $mock = JSON::PP->new->canonical->encode({ echo => 1 });
my $big = sprintf $odd, 'cheap';
my $big_want = $want;

s/"user","/"user","pad":"@{[ 'z' x 70000 ]}","/ for $big, $big_want;

sub head {
    my (@lines) = @_;

    return join("\r\n", 'POST ' . CHAT . ' HTTP/1.1', 'Host: x',
        "Authorization: Bearer $key", 'Content-Type: application/json',
        "X-Mock: $mock", @lines) . "\r\n\r\n";
}

sub got {
    my ($c) = @_;

    my $r = $c->finish;
    $sent++;

    return $r->status == 200 ? decode_base64($r->json->{body64})
        : "status " . $r->status . ": " . $r->body;
}

sub chunks {
    my ($body, $size) = @_;

    my $out = '';

    while (length $body) {
        my $piece = substr $body, 0, $size, '';
        $out .= sprintf "%x;ext=\"a;b\"\r\n%s\r\n", length $piece, $piece;
    }

    return "${out}0\r\nX-Api-Key: trailer\r\nContent-Length: 1\r\n\r\n";
}

for my $size (1, 7, 1000) {
    my $body = $size == 1 ? sprintf($odd, 'cheap') : $big;

    my $c = $t->connect;
    $c->send(head('Transfer-Encoding: chunked') . chunks($body, $size));
    is(got($c), $size == 1 ? $want : $big_want, "in chunks of $size");
}

my $slow = $t->connect;
$slow->send($_) for split /(?<=\G.{40})/s,
    head('Content-Length: ' . length $want =~ s/-2026-01-01//r)
    . sprintf $odd, 'cheap';
is(got($slow), $want, 'in small pieces');

my $wait = $t->connect;
$wait->send(head('Expect: 100-continue', 'Content-Length: ' . length $big));
$wait->fill;
like($wait->{buf}, qr{^HTTP/1.1 100}, '100 Continue');
$wait->send($big);
is(got($wait), $big_want, 'and the body after it');

my $bad = $t->connect;
$bad->send(head('Expect: 100-continue', 'Content-Length: 10')
    =~ s/Bearer sk_ai_\w+/Bearer sk_ai_nobody/r);
is($bad->finish->status, 401, 'nobody is asked for a body in vain');

for my $body (sprintf($odd, 'cheap'), $big) {
    my $r = $t->h2('POST', CHAT, $body, port => 8082, mock => { echo => 1 });
    $sent++;
    is($r->status == 200 ? decode_base64($r->json->{body64}) : $r->body,
        $body eq $big ? $big_want : $want, 'over HTTP/2');
}

$_->close for $slow, $wait, $bad;

# one of each that went up, and no more

is($p->requests, $sent, 'no other request went up');
is(scalar $t->waitrows($sent), $sent, 'each has its row');
is_deeply([ sort map { $_->{id} } $t->rows ],
    [ sort map { $_->{id} } $p->waitentries($sent) ], 'of its id');

$t->done;
