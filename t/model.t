#!/usr/bin/perl

# The lease protocol as models, searched whole: the true ones admit no more than
# they may in any order of faults, and each mutant, which lacks one rule, is
# caught.  AI_MODEL=large takes more nodes, credit and faults.

use strict;
use warnings;

use Test::More;
use FindBin;

my $large = ($ENV{AI_MODEL} // '') eq 'large';
my $top = "$FindBin::Bin/..";
my $dir = "$top/build/model";

plan skip_all => 'no spin' if system('command -v spin >/dev/null');

# every rule that can be left out, and a size that shows it

my $one = 'N=2 L=2 B=1 LIVES=1 ROLLS=0 RESTARTS=0 MUTANT';
my $split = 'N=2 L=1 B=1 LIVES=2 ROLLS=0 RESTARTS=0 MUTANT';
my $again = 'N=2 L=2 B=1 LIVES=1 ROLLS=0 RESTARTS=1 MUTANT';
my $edge = "$split EDGE";
my $both = 'N=2 L=1 B=1 LIVES=2 ROLLS=0 RESTARTS=1 MUTANT';

my @lease = (
    [FORGET => $split, 'an empty store counts from zero'],
    [REPLICA => $split, 'a replica that lags is believed'],
    [PARTIAL => $split, 'reseeded with one node silent'],
    [STALE => $split, 'a master that was replaced still grants'],
    [TIE => $split, 'epochs that two stores may share'],
    [OVERTAKE => $split, 'a reply of an older epoch is taken'],
    [EPOCH => $both, 'a node forgets its epoch when it restarts'],
    [ORPHAN => $both, 'a new start reports while old workers spend'],
    [SOON => $both, 'a report that began before all rows were counted'],
    [LEDGER => $again, 'a node forgets what it spent when it restarts'],
    [FENCE => $again, 'operations of an older start are executed'],
    [DROP_EARLY => $again, 'the old total goes while old workers spend'],
    [UNCOUNTED => $again, 'the old total goes before its rows are counted'],
    [DEAD => $one, 'the lease of a dead node is given back at its end'],
    [WINDOW => $one =~ s/ROLLS=0/ROLLS=1/r, 'credit outlives its window'],
    [FORMER => $edge, 'a book forgets the window before as it begins one'],
    [REFUND => $one, 'credit given back is taken again on a time-out'],
    [SHIFT => $one, 'a reply is taken for that of another operation'],
    [ORDER => $one, 'an operation is executed after a newer one'],
    [BUSY => $one, 'the answer of one that was given up is taken'],
);

my @share = (
    [EARLY => 'SHARE=1', 'alone at once after a loss'],
    [LATE => 'SHARE=1 TOL=2', 'alone while an operation is on its way'],
    [SILENT => 'SHARE=1 SLOW=0', 'back without a report'],
    [BOTH => 'SHARE=1 SLOW=0', 'the share is used until the store has answered'],
    [PROBE => 'SHARE=1 SLOW=0', 'operations of one that is alone'],
    [REPORT => 'SHARE=1 SLOW=0 LOST=1', 'an old report of one that is alone'],
    [OUT => 'SHARE=1 SLOW=0 LEASE=2 HOLD=2', 'refilled over leased credit'],
    [LARGE => 'SHARE=1 SLOW=0 LEASE=2 HOLD=2 B=2', 'more than a share renewed'],
    [FULL => 'SHARE=2 SLOW=0', 'refilled fully with quiet nodes'],
    [LAZY => 'SHARE=2 B=2 LEASE=2 HOLD=2 SLOW=0',
        'refilled for the time that credit stood in the way'],
    [CAP => 'SHARE=1 SLOW=0', 'full, and shares of quiet nodes beside it'],
    [BACK => 'SHARE=1 SLOW=0', 'a node that was quiet gets its share back'],
    [LOST => 'SHARE=1 SLOW=0 LEASE=2 HOLD=2',
        'what was granted and not answered is given back'],
    [TWICE => 'SHARE=1 SLOW=0', 'ended credit is given back after its refill'],
);

my @lease_true = $large
    ? ('N=3 L=2 B=1 LIVES=1 ROLLS=1 RESTARTS=1 CALM',
       'N=2 L=1 B=1 LIVES=2 ROLLS=1 RESTARTS=1',
       'N=2 L=2 B=1 LIVES=1 ROLLS=0 RESTARTS=2 CALM',
       'N=2 L=1 B=1 LIVES=3 ROLLS=0 RESTARTS=0',
       'N=2 L=3 B=2 LIVES=2 ROLLS=0 RESTARTS=0 CALM',
       'N=2 L=4 B=3 LIVES=1 ROLLS=1 RESTARTS=1 CALM',
       'N=2 L=2 B=1 LIVES=2 ROLLS=0 RESTARTS=0 EDGE CALM',
       'N=2 L=1 B=1 LIVES=1 ROLLS=1 RESTARTS=1 EDGE CALM')
    : ('N=2 L=1 B=1 LIVES=2 ROLLS=0 RESTARTS=1',
       'N=2 L=2 B=1 LIVES=2 ROLLS=1 RESTARTS=0 CALM',
       'N=2 L=3 B=2 LIVES=1 ROLLS=1 RESTARTS=1 CALM',
       'N=2 L=1 B=1 LIVES=2 ROLLS=0 RESTARTS=0 EDGE',
       'N=2 L=1 B=1 LIVES=1 ROLLS=1 RESTARTS=1 EDGE CALM');

my @share_true = $large
    ? ('N=2 SHARE=1',
       'N=2 SHARE=2 B=2 NEED=0',
       'N=2 SHARE=3 B=3 LEASE=2 HOLD=3 SLOW=0',
       'N=2 SHARE=1 TOL=2 NEED=0',
       'N=2 SHARE=1 LOST=1 NEED=0',
       'N=2 SHARE=2 B=2 LOST=1 SLOW=0',
       'N=3 SHARE=1 SLOW=0')
    : ('N=2 SHARE=1 NEED=0',
       'N=2 SHARE=2 B=2 LEASE=2 HOLD=2 SLOW=0',
       'N=2 SHARE=1 LOST=1 SLOW=0');

system('mkdir', '-p', $dir) == 0 or die;

holds('lease', $_) for @lease_true;
holds('share', $_) for @share_true;

caught('lease', 'admitted', @$_) for @lease;
caught('share', 'may', @$_) for @share;

done_testing();


sub holds {
    my ($model, $size) = @_;
    my $res = search($model, $size);

    is($res->{errors}, 0, "$model holds: $size");
    is($res->{whole}, 1, 'searched whole');
    diag("$model $size: $res->{states} states, depth $res->{depth}");
}


sub caught {
    my ($model, $word, $name, $size, $what) = @_;
    my $res = search($model, "$size M_$name");

    like($res->{out}, qr/assertion violated \($word/, "caught: $what");
}


sub search {
    my ($model, $size) = @_;
    my @def = map { "-D$_" } split ' ', $size;
    my $work = "$dir/$model\_" . ($size =~ tr/ =/_/dr);

    my $opt = $size =~ /M_/ ? '-O0' : '-O2';
    my $limit = $large ? '-DMEMLIM=3000 -DCOLLAPSE' : '-DMEMLIM=1500';

    my $out = `set -e; rm -rf '$work'; mkdir -p '$work'; cd '$work'
        spin @def -a '$top/t/model/$model.pml'
        gcc $opt -w -DSAFETY -DNOREDUCE $limit -o pan pan.c
        ./pan -m1000000 -w22 2>&1`;

    my %res = (out => $out);
    ($res{errors}) = $out =~ /errors: (\d+)/;
    ($res{depth}) = $out =~ /depth reached (\d+)/;
    ($res{states}) = $out =~ /(\S+) states, stored/;
    $res{whole} = $out =~ /Search not completed|too small|out of memory/
        ? 0 : 1;

    return \%res;
}
