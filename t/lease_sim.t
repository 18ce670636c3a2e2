#!/usr/bin/perl

# Nodes that share limits, under random faults in simulated time: no schedule
# admits too much, what is left can be used when faults end, and without one of
# the rules some schedule admits too much.  AI_SEED is the first schedule;
# `make lease-sim SEEDS=10000` runs more of them.

use strict;
use warnings;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";

use AI::Redis;

my $top = "$FindBin::Bin/..";
my $sim = "$top/build/sim/lease";

plan skip_all => 'no redis-server' unless AI::Redis::found();
plan skip_all => 'no hiredis' unless -e '/usr/include/hiredis/hiredis.h';

is(system("make -s -C '$top' build/sim/lease"), 0, 'built');

my %mutant = (
    forget  => 'a store that lost its memory grants',
    partial => 'it grants when all nodes but one have reported',
    token   => 'a replica that lags is believed',
    late    => 'an operation is executed after a newer one',
    shift   => 'an answer is taken for that to another operation',
    refund  => 'credit that was given back is taken again on a time-out',
    window  => 'credit outlives its window',
    edge    => 'a node forgets the window before as it begins one',
    ledger  => 'a node forgets what it spent when it starts again',
    orphan  => 'a start reports while old workers spend',
    dead    => 'a start takes the place of the one before',
    clock   => 'rows have the time of a clock that was set back',
    twice   => 'rows of older starts are taken twice',
    silent  => 'slots of others do not count',
    mine    => 'what was taken of a bucket is not told to an empty store',
);

my $seed = $ENV{AI_SEED} // 1;
my $out = run(300, $seed, '');

like($out, qr/^lease-sim: 300 schedules, .* 0 failed/m, 'nothing too much');
diag($out =~ /^(lease-sim: .*)/m);
diag($out) if $out !~ / 0 failed/;

for my $name (sort keys %mutant) {
    $out = run(1500, $seed, $name);

    like($out, qr/^seed \d+, \d+ ms: .*(?:admitted|open|over the burst|are leased)/,
        "caught: $mutant{$name}");
}

done_testing();


sub run {
    my ($n, $first, $name) = @_;

    return scalar `'$sim' $n $first $name 2>&1`;
}
