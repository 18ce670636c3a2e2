#!/usr/bin/perl

# No endpoint passes a limit by, and no request costs more than it held, in
# whichever way it multiplies its output.

use strict;
use warnings;
no warnings 'redundant';

use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use AI::Gateway;

my $t = AI::Gateway->new;
my $p = $t->provider(8081);

$t->run(gateway_conf(
    models => join('', map { <<EOC } qw(openai anthropic gemini azure)),
    ai_model m-$_ {
        price  input=1.00 output=100.00;
        unit   image=0.05 character=0.0001 request=0.001;
        max_output 1000;
        target $_;
    }
EOC
    tenants => <<'EOC',
    ai_tenant acme  { plan usual; key %%KEY_acme%% name=prod; }
    ai_tenant zero  { plan usual; key %%KEY_zero%% name=prod;
                      limit requests 0/day; }
    ai_tenant poor  { plan usual; key %%KEY_poor%% name=prod;
                      limit cost 0.000001/month; }
    ai_tenant rich  { plan usual; key %%KEY_rich%% name=prod;
                      limit cost 1000000/month; }
EOC
    plan => 'ai_plan usual { models *; on_abort drain; }',
));

my $form = "--B\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\n"
    . "m-openai\r\n--B\r\nContent-Disposition: form-data; name=\"file\"; "
    . "filename=\"a.mp3\"\r\n\r\nx\r\n--B--\r\n";
my $m = '"messages":[{"role":"user","content":"x"}]';
my $g = '/v1beta/models/m-gemini';
my $a = '/openai/deployments/m-azure';

my @endpoints = (
    [ '/v1/chat/completions', qq({"model":"m-openai",$m}) ],
    [ '/v1/chat/completions', qq({"model":"m-openai","stream":true,$m}) ],
    [ '/v1/completions', '{"model":"m-openai","prompt":"x"}' ],
    [ '/v1/responses', '{"model":"m-openai","input":"x"}' ],
    [ '/v1/embeddings', '{"model":"m-openai","input":"x"}' ],
    [ '/v1/moderations', '{"model":"m-openai","input":"x"}' ],
    [ '/v1/images/generations', '{"model":"m-openai","prompt":"x"}' ],
    [ '/v1/audio/speech', '{"model":"m-openai","input":"x","voice":"a"}' ],
    [ '/v1/audio/transcriptions', $form ],
    [ '/v1/audio/translations', $form ],
    [ '/v1/messages', qq({"model":"m-anthropic","max_tokens":9,$m}) ],
    [ '/v1/messages/count_tokens', qq({"model":"m-anthropic",$m}) ],
    [ "$g:generateContent", '{"contents":[]}' ],
    [ "$g:streamGenerateContent", '{"contents":[]}' ],
    [ "$g:streamGenerateContent?alt=sse", '{"contents":[]}' ],
    [ "$g:embedContent", '{"content":{}}' ],
    [ "$g:batchEmbedContents", '{"requests":[]}' ],
    [ "$g:countTokens", '{"contents":[]}' ],
    [ "$a/chat/completions?api-version=2024-10-21", "{$m}" ],
    [ "$a/completions?api-version=2024-10-21", '{"prompt":"x"}' ],
    [ "$a/embeddings?api-version=2024-10-21", '{"input":"x"}' ],
    [ '/openai/v1/responses', '{"model":"m-azure","input":"x"}' ],
);

sub ask {
    my ($uri, $body, %o) = @_;

    $o{headers} = { 'Content-Type' => 'multipart/form-data; boundary=B' }
        if $body =~ /^--/;

    return $t->post($uri, $body, %o);
}

for my $e (@endpoints) {
    is(ask(@$e, key => 'zero')->status, 429, "$e->[0]: limit of requests");
    is(ask(@$e, key => 'poor')->status, 429, "$e->[0]: budget of money");
}

is($p->requests, 0, 'none of them ran');

for my $e (@endpoints) {
    my $r = ask(@$e, key => 'rich');
    my $usage = $r->status == 200 ? $t->waitrow($r->id) : {};

    is($r->status, 200, "$e->[0]: passes with money") or diag($r->body);
    is($usage->{state}, 'final', "$e->[0]: has its row");
}

# ---- the hold is a bound ----

srand 20261121;

# the provider uses all that the request lets it: a token for each byte, each
# choice to its cap

sub greedy {
    my ($uri, $body, $output, %o) = @_;

    return ask($uri, $body, key => 'rich', %o, mock => {
        input => length $body, output => $output, events => 1, uncapped => 1 });
}

my @over;
my $n = 0;

for (1 .. 150) {
    my $cap = int rand 2000;
    my $choices = 1 + int rand 9;
    my $prompts = 1 + int rand 4;
    my $real = $cap < 1000 ? $cap : 1000;
    my $stream = rand 2 < 1 ? 'true' : 'false';
    my $prompt = '[' . join(',', ('"x"') x $prompts) . ']';
    my $best = $choices + int rand 3;

    my @try = (
        [ '/v1/chat/completions', qq({"model":"m-openai","n":$choices,)
            . qq("stream":$stream,"max_tokens":$cap,$m}), $real * $choices ],
        [ '/v1/completions', qq({"model":"m-openai","n":$choices,)
            . qq("max_tokens":$cap,"prompt":$prompt}),
            $real * $choices * $prompts ],
        [ '/v1/completions', qq({"model":"m-openai","n":$choices,)
            . qq("best_of":$best,"max_tokens":$cap,"prompt":"x"}),
            $real * $best ],
        [ '/v1/responses', qq({"model":"m-openai","input":"x",)
            . qq("stream":$stream,"max_output_tokens":@{[ $cap + 16 ]}}),
            $cap + 16 < 1000 ? $cap + 16 : 1000 ],
        [ '/v1/messages', qq({"model":"m-anthropic","stream":$stream,)
            . qq("max_tokens":@{[ $cap + 1 ]},$m}),
            $cap + 1 < 1000 ? $cap + 1 : 1000 ],
        [ "$g:generateContent", qq({"contents":[],"generationConfig":)
            . qq({"maxOutputTokens":$cap,"candidateCount":$choices}}),
            $real * $choices ],
        [ "$g:generateContent", qq({"contents":[],"generation_config":)
            . qq({"max_output_tokens":$cap,"candidate_count":$choices}}),
            $real * $choices ],
        [ '/v1/embeddings', qq({"model":"m-openai","input":$prompt}), 0 ],
    );

    my $try = $try[rand @try];
    my $r = greedy(@$try);

    if ($r->status != 200) {
        fail("$try->[0] $try->[1]: " . $r->status . ' ' . $r->body);
        next;
    }

    my $row = $t->waitrow($r->id);

    $n++;
    push @over, "$try->[1]: held $row->{hold_usd}, cost $row->{cost_usd}"
        if $row->{cost_usd} > $row->{hold_usd};
    push @over, "$try->[1]: output $row->{output_tokens}, not $try->[2]"
        if ($row->{output_tokens} // 0) != $try->[2] && $try->[0] !~ /embed/;
}

is(join("\n", @over), '', "none of $n requests costs more than it held");

my $usage = $t->get('/v1/usage', key => 'rich')->body;

unlike($usage, qr/"held":[1-9]/, 'nothing is held at the end');

$t->done;
