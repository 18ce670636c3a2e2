#!/usr/bin/perl

# The official OpenAI SDKs against providers of other dialects: they cannot
# tell the difference.

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

my $models = join '', map { <<"EOC" } qw(anthropic gemini);
    ai_model at-$_ {
        price       input=1.00 output=5.00;
        max_output  64000;
        target      $_;
    }
EOC

$t->provider(8081);
$t->run(gateway_conf(models => $models));

my $url = 'http://127.0.0.1:' . $t->port(8080);
my $text = 'tok ' x 8;
my $call = [ 'weather', { city => 'Paris' } ];

my %want = (
    plain => [ $text, 8, 19, 'assistant', 'stop', 'chat.completion' ],
    stream => [ $text, 'stop', 0 ],
    stream_usage => [ $text, 'stop', 8 ],
    tool => [ @$call, 'tool_calls', undef ],
    tool_stream => [ @$call, 'tool_calls' ],
    image => $text,
    length => [ 'tok tok ', 'length' ],
    error => [ 'RateLimitError', 429, 'rate_limit_exceeded' ],
    page => [ 'BadRequestError', 400, undef ],
    broken => [ 'tok ', 'server_is_overloaded' ],
);

for my $language (qw(Python Node)) {
    for my $api (qw(anthropic gemini)) {
        my $got = run_sdk($language, "at-$api");

        for my $case (sort keys %want) {
            is($json->encode($got->{$case}), $json->encode($want{$case}),
                "$language, $api, $case");
        }
    }
}

$t->done;


sub run_sdk {
    my ($language, $model) = @_;

    my @cmd = ($python, "$top/t/sdk/openai_translated.py");

    if ($language eq 'Node') {

        # modules are looked for next to the script
        my $script = "$top/build/node/openai_translated.mjs";

        copy("$top/t/sdk/openai_translated.mjs", $script)
            or die "$script: $!\n";
        @cmd = ($node, $script);
    }

    open my $f, '-|', 'timeout', '120', @cmd, $url, make_key('acme'), $model
        or die "$!\n";
    my $out = do { local $/; <$f> // '' };
    close $f;

    return eval { $json->decode($out) } || {};
}
