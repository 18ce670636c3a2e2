#!/usr/bin/perl

# The official SDKs through the gateway, unchanged: answers, streams, tool
# calls, and refusals as the SDK's own typed errors.

use strict;
use warnings;

use Test::More;
use File::Copy qw(copy);
use FindBin;
use JSON::PP ();
use lib "$FindBin::Bin/lib";
use AI::Gateway;

my $top = "$FindBin::Bin/..";
my $python = "$top/build/venv/bin/python";
my ($node) = (glob("$top/build/node/node_modules/node-linux-*/bin/node"),
    'node');

plan skip_all => 'no SDKs, see `make deps`'
    if !-e "$top/build/venv/.installed" || !-e "$top/build/node/.installed";

my $json = JSON::PP->new->utf8->canonical->allow_nonref;
my $t = AI::Gateway->new;

my $models = AI::Conf::models() . <<'EOC';
    ai_model claude-haiku-4-5 {
        price       input=1.00 output=5.00;
        max_output  64000;
        target      anthropic;
    }

    ai_model gemini-2.5-flash-lite {
        price       input=0.10 output=0.40;
        max_output  65535;
        target      gemini;
    }
EOC

my $plans = <<'EOC';
    ai_plan usual  { models *; }
    ai_plan narrow { models gpt-4.1-mini claude-haiku-* *-lite; }
    ai_plan slow   { models *; limit requests 1/h; }
    ai_plan poor   { models *; limit cost 0.000001/day; }
EOC

my $tenants = '';

# slow ones are of one SDK each, so that the order of the SDKs is free

for my $tenant (qw(acme narrow poor), map { "slow$_" } 1 .. 6) {
    my ($plan) = $tenant =~ /^([a-z]+)/;
    $plan = 'usual' if $plan eq 'acme';

    $tenants .= "    ai_tenant $tenant { plan $plan; "
        . "key %%KEY_$tenant%% name=sdk; }\n";
}

$t->provider(8081);
$t->run(gateway_conf(models => $models, plan => $plans,
    tenants => $tenants));

my $url = 'http://127.0.0.1:' . $t->port(8080);
my $text = 'tok ' x 8;
my $call = [ 'weather', { city => 'Paris' } ];

my %want = (
    openai => {
        plain => [ $text, 8 ],
        stream => [ $text, 0 ],
        stream_usage => 8,
        tool => [ @$call, 'tool_calls' ],
        tool_stream => $call,
        responses => [ $text, 8 ],
        responses_stream => [ $text, 'response.completed', 8 ],
        embeddings => [ 0.125, -0.5, 0.25 ],
        bad_key => [ 'AuthenticationError', 401, 'invalid_api_key', \1 ],
        unknown_model => [ 'NotFoundError', 404, 'model_not_found', \1 ],
        denied_model => [ 'PermissionDeniedError', 403, 'model_not_allowed',
            \1 ],
        rate => [ 'RateLimitError', 429, 'rate_limit_exceeded', \1 ],
        budget => [ 'RateLimitError', 429, 'insufficient_quota', \1 ],
    },
    anthropic => {
        plain => [ $text, 8 ],
        stream => [ $text, 8, 'end_turn' ],
        tool => [ @$call, 'tool_use' ],
        tool_stream => $call,
        count => 11,
        bad_key => [ 'AuthenticationError', 401, 'authentication_error', \1 ],
        unknown_model => [ 'NotFoundError', 404, 'not_found_error', \1 ],
        denied_model => [ 'PermissionDeniedError', 403, 'permission_error',
            \1 ],
        rate => [ 'RateLimitError', 429, 'rate_limit_error', \1 ],
        budget => [ 'RateLimitError', 429, 'rate_limit_error', \1 ],
    },
    genai => {
        plain => [ $text, 8 ],
        stream => [ $text, 8 ],
        tool => $call,
        tool_stream => $call,
        count => 11,
        bad_key => [ 'ApiError', 400, 'INVALID_ARGUMENT' ],
        unknown_model => [ 'ApiError', 404, 'NOT_FOUND' ],
        denied_model => [ 'ApiError', 403, 'PERMISSION_DENIED' ],
        rate => [ 'ApiError', 429, 'RESOURCE_EXHAUSTED' ],
        budget => [ 'ApiError', 429, 'RESOURCE_EXHAUSTED' ],
    },
);

my %own = (openai => 'gpt-4.1-mini', anthropic => 'claude-haiku-4-5',
    genai => 'models/gemini-2.5-flash-lite');

my $slow = 0;

for my $sdk (qw(openai anthropic genai)) {
    for my $language (qw(Python Node)) {
        my $name = "$sdk for $language";
        my $got = run_sdk($sdk, $language, 'slow' . ++$slow);
        my $models = delete $got->{models} || [];

        for my $case (sort keys %{ $want{$sdk} }) {
            my $want = $want{$sdk}{$case};

            # the Python one names its errors otherwise
            $want = [ 'ClientError', @$want[1, 2] ]
                if $language eq 'Python' && ref $want eq 'ARRAY'
                && $want->[0] eq 'ApiError';

            is($json->encode($got->{$case}), $json->encode($want),
                "$name, $case");
        }

        ok(scalar grep({ $_ eq $own{$sdk} } @$models), "$name, own models");
        is(join(' ', grep { /sonnet|gpt-4.1$|flash$/ } @$models), '',
            "$name, no other models");
    }
}

# the refusals of budgets are told to be final: no SDK has tried again

my @poor = grep { /"POST [^"]*" -$/ && /^429/ }
    split /\n/, $t->read_file('access.log');

is(scalar @poor, 12, 'one request per refusal');

# and all that was served has a row

my @served = grep { $_->{status} == 200 } $t->{providers}{8081}->journal;
my @rows = $t->waitrows(scalar @served);

is(scalar @rows, scalar @served, 'rows are as many as answers');
is(join(' ', grep { $_->{state} ne 'final' } @rows), '', 'all are final');

$t->done;


sub run_sdk {
    my ($sdk, $language, $tenant) = @_;

    my $keys = $json->encode({ (map { $_ => make_key($_) }
        qw(acme narrow poor wrong)), slow => make_key($tenant) });

    my @cmd = ($python, "$top/t/sdk/${sdk}_sdk.py");

    if ($language eq 'Node') {

        # modules are looked for next to the script
        my $script = "$top/build/node/${sdk}_sdk.mjs";

        copy("$top/t/sdk/${sdk}_sdk.mjs", $script) or die "$script: $!\n";
        @cmd = ($node, $script);
    }

    open my $f, '-|', 'timeout', '120', @cmd, $url, $keys or die "$!\n";
    my $out = do { local $/; <$f> // '' };
    close $f;

    return eval { $json->decode($out) } || {};
}
