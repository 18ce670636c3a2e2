#!/usr/bin/perl

# The tests of the script can fail: without any one of its rules they do.

use strict;
use warnings;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";

use AI::Redis;
use AI::Script;

plan skip_all => 'no redis-server' unless AI::Redis::found();

my @tests = map { "$FindBin::Bin/$_.t" }
    qw(lease_script lease_script_bucket lease_script_hostile);

for my $name (@ARGV ? @ARGV : AI::Script::mutants()) {
    my $caught;

    for my $test (@tests) {
        my $out = `AI_LEASE_MUTANT=$name $^X '$test' 2>&1`;

        if ($? >> 8 == 99) {
            ($caught) = $out =~ /^not ok \d+ - (.*)/m;
            last;
        }

        if ($?) {
            diag("$name: $out");
            last;
        }
    }

    ok(defined $caught, "without \"$name\": " . ($caught // 'nothing fails'));
}

done_testing();
