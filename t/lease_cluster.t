#!/usr/bin/perl

# A Redis Cluster of three masters: slots of tenants move to and fro under
# load, and no limit is passed meanwhile.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use AI::Netns;

use Test::More;
use POSIX ();
use Time::HiRes qw(sleep);

use AI::Redis;
use AI::Schedule;

plan(skip_all => 'no redis-server') if !AI::Redis->found;

srand($ENV{SEED} // 1);

my $rounds = $ENV{SCHEDULES} || 4;
my $s = AI::Schedule->new(cluster => 1, schedules => $rounds);
my $c = $s->cluster->redis_cluster;
my ($moves, $keys, $came, $asked, $lost) = (0, 0, 0, 0, 0);
my (@over, @stuck, %refused);

for my $i (1 .. $rounds) {
    my $r = $s->play($i, seconds => 2, during => \&move_slots);

    $came += $r->{came};
    push @over, map { "round $i: $_" } @{ $r->{over} };
    push @stuck, map { "round $i: $r->{stranded}{$_} of $_" }
        sort keys %{ $r->{stranded} };
    push @stuck, "round $i: not calm ($r->{calm_codes})" if !$r->{calm};

    for my $note (grep { $_->[0] < $r->{healed} } @{ $r->{notes} }) {
        $asked++;
        $lost++ if $note->[4] =~ /^503/;
    }

    note("round $i: $r->{codes}");
}

diag("$moves moves of slots, $keys keys with them; $asked requests meanwhile, "
    . "$lost of them got 503; $came came to the provider");

cmp_ok($moves, '>', 3 * $rounds, 'slots moved');
cmp_ok($keys, '>', 10 * $rounds, 'with keys in them');
cmp_ok($came, '>', 20 * $rounds, 'there was load');
is(join("\n", @over), '', 'no limit was passed');
is(join("\n", @stuck), '', 'all of each window was used in the end');

my %has = map { $_ => scalar $c->node($_)->keys('ai:*') } 0 .. 2;

is(scalar(grep { !$has{$_} } keys %has), 0, 'every master has some');

$s->done;


# any slot that has an owner's key, as long as there is load

sub move_slots {
    my ($pid) = @_;

    while (waitpid($pid, POSIX::WNOHANG) == 0) {
        my @keys = $c->keys('ai:{*}:*');
        my $slot = @keys && $c->slot($keys[rand @keys]);
        my $to = $c->node(int rand 3);

        if (@keys && $c->owner($slot) != $to) {
            $keys += $c->move($slot, $to, pause => 0.002);
            $moves++;
        }

        sleep 0.005;
    }

    return 'moves';
}
