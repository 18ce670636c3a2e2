#!/usr/bin/perl

# The lease protocol as a model, searched whole: the true one admits no more
# than the limit in any order of faults, and each mutant, which lacks one rule,
# is caught.  AI_MODEL=large takes more nodes, credit and faults.

use strict;
use warnings;

use Test::More;
use FindBin;

my $large = ($ENV{AI_MODEL} // '') eq 'large';
my $top = "$FindBin::Bin/..";
my $model = "$FindBin::Bin/model/lease.pml";
my $dir = "$top/build/model";

plan skip_all => 'no spin' if system('command -v spin >/dev/null');

# every rule that can be left out, and the size that shows it soonest

my %mutant = (
    FORGET  => 'an empty store counts from zero',
    REPLICA => 'a replica that lags is believed',
    PARTIAL => 'reseeded with one node silent',
    STALE   => 'a master that was replaced still grants',
    TIE     => 'epochs that two stores may share',
    EPOCH   => 'a node forgets its epoch when it restarts',
    LEDGER  => 'a node forgets what it spent when it restarts',
    ORPHAN  => 'a new master reports while old workers spend',
    DEAD    => 'the lease of a dead node is given back at its end',
    WINDOW  => 'credit outlives its window',
    REFUND  => 'credit given back is taken again on a time-out',
    SHIFT   => 'a reply is taken for that of another operation',
    ORDER   => 'an operation is executed after a newer one',
);

my @true = $large
    ? ('N=3 L=3 B=2 LIVES=2 ROLLS=0 CRASHES=0',
       'N=3 L=2 B=1 LIVES=2 ROLLS=0 CRASHES=1',
       'N=3 L=2 B=1 LIVES=2 ROLLS=1 CRASHES=0',
       'N=2 L=3 B=2 LIVES=2 ROLLS=1 CRASHES=1',
       'N=2 L=4 B=3 LIVES=2 ROLLS=0 CRASHES=1',
       'N=2 L=2 B=1 LIVES=3 ROLLS=0 CRASHES=1 CALM',
       'N=2 L=3 B=2 LIVES=2 ROLLS=0 CRASHES=1 CALM')
    : ('N=2 L=2 B=1 LIVES=2 ROLLS=1 CRASHES=1',
       'N=2 L=3 B=2 LIVES=2 ROLLS=0 CRASHES=0 CALM');

system('mkdir', '-p', $dir) == 0 or die;

for my $size (@true) {
    my $res = search($size);

    is($res->{errors}, 0, "holds: $size");
    is($res->{whole}, 1, 'searched whole');
    diag("$size: $res->{states} states, depth $res->{depth}");
}

for my $name (sort keys %mutant) {
    my $lives = $name =~ /^(?:WINDOW|ORDER|SHIFT|REFUND|DEAD|LEDGER)$/ ? 1 : 3;
    my $res = search("N=2 L=2 B=1 LIVES=$lives ROLLS="
                     . ($name eq 'WINDOW' ? 1 : 0)
                     . " CRASHES=1 MUTANT M_$name");

    like($res->{out}, qr/assertion violated \(admitted/,
         "caught: $mutant{$name}");
}

done_testing();


sub search {
    my ($size) = @_;
    my @def = map { "-D$_" } split ' ', $size;
    my $work = "$dir/" . ($size =~ tr/ =/_/dr);

    my $opt = $size =~ /MUTANT/ ? '-O0' : '-O2';
    my $limit = $large ? '-DMEMLIM=2000' : '-DMEMLIM=1500';

    my $out = `set -e; rm -rf '$work'; mkdir -p '$work'; cd '$work'
        spin @def -a '$model'
        gcc $opt -w -DSAFETY -DCOLLAPSE $limit -o pan pan.c
        ./pan -m1000000 -w22 2>&1`;

    my %res = (out => $out);
    ($res{errors}) = $out =~ /errors: (\d+)/;
    ($res{depth}) = $out =~ /depth reached (\d+)/;
    ($res{states}) = $out =~ /(\S+) states, stored/;
    $res{whole} = $out =~ /Search not completed|too small|out of memory/
        ? 0 : 1;

    return \%res;
}
