#!/usr/bin/perl

# Requests with members at random to providers of other dialects, and their
# answers: both are of the official SDKs' own types.  AI_BODIES: how many for
# each dialect (150); AI_SEED: which ones.

use strict;
use warnings;

use Test::More;

use FindBin;
use JSON::PP ();

use lib "$FindBin::Bin/lib";

use AI::Gateway;

my $top = "$FindBin::Bin/..";
my $n = $ENV{AI_BODIES} || 150;

plan skip_all => 'no SDKs, see `make deps`'
    if !-e "$top/build/venv/.installed";

my $t = AI::Gateway->new;
my $p = $t->provider(8081, full => 1);

$t->run(gateway_conf(models => join '', map { <<"EOC" } qw(anthropic gemini)));
    ai_model at-$_ {
        price       input=1.00 output=5.00;
        max_output  64000;
        target      $_;
    }
EOC

open my $f, '-|', "$top/build/venv/bin/python",
    "$top/t/sdk/translate_types.py", 'http://127.0.0.1:' . $t->port(8080),
    make_key('acme'), $p->{journal}, $n, $ENV{AI_SEED} || 1 or die "$!\n";
my $got = eval { JSON::PP->new->utf8->decode(do { local $/; <$f> }) } || {};
close $f;

for my $model (qw(at-anthropic at-gemini)) {
    my $m = $got->{$model};

    is($m->{sent} + $m->{declined}, $n, "$model, all were asked");
    cmp_ok($m->{sent}, '>', $n / 4, "$model, many are translated");
    note("$model: $m->{sent} sent, $m->{declined} declined");
}

is(join("\n", @{ $got->{problems} // [ 'none' ] }), '', 'no body is strange');

$t->done;
