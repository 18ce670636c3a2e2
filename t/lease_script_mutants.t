#!/usr/bin/perl

# The tests of the script can fail: without any one of its rules they do.  The
# test that is known to find a mutant runs first, two of them at a time.

use strict;
use warnings;

use Test::More;

use FindBin;
use POSIX ();
use lib "$FindBin::Bin/lib";

use AI::Redis;
use AI::Script;

plan skip_all => 'no redis-server' unless AI::Redis::found();

my @names = @ARGV ? @ARGV : AI::Script::mutants();
my %found;

# each child has every second one

my @pipes = map {
    my $i = $_;

    pipe my $in, my $out or die "pipe: $!\n";

    if (!fork) {
        close $in;

        for (grep { $_ % 2 == $i } 0 .. $#names) {
            syswrite $out, join("\t", $names[$_], try($names[$_])) . "\n";
        }

        # nothing of the parent's is to be ended here

        POSIX::_exit(0);
    }

    close $out;
    $in;
} 0, 1;

for my $in (@pipes) {
    while (<$in>) {
        chomp;
        my ($name, $what) = split /\t/;
        $found{$name} = $what;
    }
}

1 while wait != -1;

ok($found{$_}, "without \"$_\": " . ($found{$_} // 'nothing fails')) for @names;

done_testing();


# the first failure; '': none

sub try {
    my ($name) = @_;

    for my $test (AI::Script::finders($name)) {
        my $out = `AI_LEASE_MUTANT=$name $^X '$FindBin::Bin/$test.t' 2>&1`;
        my $code = $? >> 8;

        if ($code == 99) {
            return $out =~ /^not ok \d+ - (.*)/m ? $1 : '';
        }

        if ($code) {
            warn "$name: $out\n";
            return '';
        }
    }

    return '';
}
