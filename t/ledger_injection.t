#!/usr/bin/perl

# Whatever a client or a provider writes, a row is one line of JSON and a log
# entry one line.

use strict;
use warnings;

use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use AI::Gateway;

use MIME::Base64 ();

my $t = AI::Gateway->new;
my $p = $t->provider(8081);

$t->run(gateway_conf(http => <<'EOC'));
    log_format  ai  '"$ai_status" "$ai_model" "$ai_served_model" '
                    '"$ai_finish_reason" "$ai_request_id" "$http_user_agent"';
    access_log  %%DIR%%/ai.log ai;
EOC

my @odd = (
    'a\nb', 'a\r\nHTTP/1.1 200 OK\r\n\r\n', '\u0000', '\u001b[31mred',
    '\"},{\"id\":\"forged\"}', '\\\\', '\u2028', '\ud83d\ude00', '\u00e9',
    '\u0085', '%s%n%V', '{}', '", "x', 'x' x 1000, '\u0001' x 100,
);

# not valid UTF-8 at all
push @odd, "\xff\xfe", "\xc0\xaf", "\xed\xa0\x80", "a\xe2\x82";

my ($n, %id) = (0);

for my $x (@odd) {
    for my $stream (0, 1) {
        my $usage = '"usage":{"prompt_tokens":3,"completion_tokens":2,'
            . '"total_tokens":5}';
        my $chunk = qq({"id":"$x","object":"chat.completion","model":"$x",)
            . qq("service_tier":"$x","choices":[{"index":0,"delta":)
            . qq({"content":"$x"},"finish_reason":"$x"}],$usage});

        $chunk = "data: $chunk\n\ndata: [DONE]\n\n" if $stream;

        my $bytes = $chunk =~ /[\x80-\xff]/ ? 1 : 0;
        my $r = $t->chat({ stream => $stream ? \1 : \0 },
            headers => { 'User-Agent' => $bytes ? $x : 'agent' },
            mock => { $bytes ? (body64 => MIME::Base64::encode_base64($chunk, ''))
                             : (body => $chunk),
                type => $stream ? 'text/event-stream' : 'application/json' });

        $n++;
        $id{ $r->id } = $x;
    }
}

ok(waitfor { (() = $t->read_file('ledger/usage.jsonl') =~ /\n/g) >= $n },
    'a line for each');

my @lines = split /\n/, $t->read_file('ledger/usage.jsonl');
my $strict = JSON::PP->new->utf8;
my @bad = grep { !eval { $strict->decode($_) } } @lines;

is(scalar @lines, $n, 'and no more');
is(join("\n", @bad), '', 'each is JSON in UTF-8');

for my $row (map { $strict->decode($_) } @lines) {
    ok(exists $id{ $row->{id} }, 'of a request that was made')
        or diag($row->{id});
    is($row->{tenant}, 'acme', 'of its tenant');
    is($row->{model}, 'gpt-4.1', 'of its model');
}

my @log = split /\n/, $t->read_file('ai.log');

is(scalar @log, $n, 'a line of the access log for each');
is(scalar(grep { !/^"PASSED" "gpt-4\.1" "[^"]*" "[^"]*" "[0-9a-f-]{36}" "[^"]*"$/ }
    @log), 0, 'each of its form');
is(scalar(grep { /[^\x20-\x7e]/ } @log), 0, 'in printable characters');
is(scalar(grep { /[^\x20-\x7e]/ && !/^\d{4}\// } split /\n/, $t->log), 0,
    'so is the error log');

# the figures stay well formed

ok($t->status, 'status is JSON');
unlike($t->get('/ai/metrics', key => undef)->body, qr/forged|\x1b|HTTP\/1/,
    'metrics hold nothing of it');

$t->done;
