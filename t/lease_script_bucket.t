#!/usr/bin/perl

# The script of the leases: buckets, their refill, what is out, the shares.

use strict;
use warnings;

use Test::More;
use Math::BigInt;

use FindBin;
use lib "$FindBin::Bin/lib";

use AI::Redis;
use AI::Script;

plan skip_all => 'no redis-server' unless AI::Redis::found();

my $s = AI::Script->new;

# 10 a second, 50 at once

my @b = (kind => 'b', limit => 50, per_tick => 1, tick => 100_000);

$s->fresh('a', 'b');
is($s->ask('a', @b, want => 20, need => 20), '20 30 -1', 'a full one');
is($s->ask('b', @b, want => 40, need => 1), '30 0 -1', 'what is left');
is($s->ask('a', @b, sum => 20, want => 9, need => 1), '0 0 100', 'empty');
$s->pass(99);
is($s->ask('a', @b, sum => 20, need => 1), '0 0 1', 'a ms before the tick');
$s->pass(1);
is($s->ask('a', @b, sum => 20, need => 1), '1 0 -1', 'a tick');
$s->pass(950);
is($s->ask('a', @b, sum => 21, need => 15), '0 9 550', 'nine');
$s->pass(550);
is($s->ask('a', @b, sum => 21, need => 15), '15 0 -1', 'as it was said');
is($s->ask('a', @b, sum => 36, need => 51), '0 0 -1', 'more than a burst');
is($s->ask('a', @b, per_tick => 0, tick => 0, sum => 36, need => 1),
    '0 0 -1', 'no refill');
$s->pass(300);
is($s->ask('a', @b, limit => 0, per_tick => 0, tick => 0, sum => 36),
    '0 -50 -1', 'a report');
is($s->ask('a', @b, sum => 36), '0 3 -1', 'takes no time from it');
is($s->ask('a', @b, sum => 30), '0 9 -1', 'a surplus');
is($s->ask('a', @b, sum => 100), '0 -61 6100', 'a debt');
is($s->ask('a', @b, sum => 100, need => 1), '0 -61 6200', 'and longer for a need');
is($s->ask('a', @b, sum => 100, limit => 20, need => 1), '0 -91 9200',
    'a limit that was lowered');

# never more than full

$s->fresh('a', 'b');
$s->ask('a', @b, need => 5);
$s->pass(3000);
is($s->ask('a', @b, sum => 5), '0 50 -1', 'full');
is($s->ask('a', @b, sum => 0), '0 50 -1', 'a surplus is lost there');
$s->ask('a', @b, need => 5);
$s->pass(40);
is($s->ask('b', @b), '0 45 -1', 'not yet');
$s->pass(60);
is($s->ask('b', @b), '0 46 -1', 'no part of a tick from when it was full');

# whole ticks, against integers, in steps of any length; ticks as the book
# makes them

for my $case ([ '7/m', 1, 8_571_429, 7 ], [ '1/h', 1, 3_600_000_000, 3 ],
              [ '1/s', 1, 1_000_000, 1 ], [ '1000/s', 1, 1000, 1000 ],
              [ '1000000/m', 17, 1020, 1_000_000 ],
              [ '2500000000/h', 694, 1000, '2500000000' ],
              [ '2^52/s', '4503599627370', 1000, '4503599627370496' ],
              [ 'large ticks', '9007199254740993', 777_777,
                '9223372036854775807' ])
{
    my ($name, $per_tick, $tick, $burst) = @$case;
    my ($per, $wrong) = Math::BigInt->new($per_tick);

    my @c = (kind => 'b', limit => $burst, per_tick => $per_tick,
        tick => $tick);

    $s->fresh('a', 'b');
    $s->ask('a', @c, want => $burst, need => $burst);

    my ($at, $now) = (0, 0);
    my $taken = Math::BigInt->new($burst);

    for my $n (1 .. 60) {
        my $ms = int rand(rand() < 0.5 ? 30 : 3000);

        $s->pass($ms);
        $now += $ms * 1000;

        my $ticks = int(($now - $at) / $tick);

        $taken -= $per * $ticks;
        $at += $ticks * $tick;
        ($taken, $at) = (0, $now) if $taken <= 0;

        my $left = Math::BigInt->new($burst) - $taken;
        my $got = $s->ask('a', @c, sum => $burst);

        $wrong ||= "$n: $got, not $left left" if $got ne "0 $left -1";
    }

    is($wrong, undef, "$name: whole ticks");
}

# nearly a year without a word, of one limit only: heartbeats go on

$s->fresh('a', 'b');
$s->ask('a', kind => 'b', limit => '9000000000000000', per_tick => 1,
    tick => 1, need => '9000000000000000');

for (1 .. 1000) {
    $s->pass(2000);
    $s->op($_) for 'a', 'b';
}

is($s->ask('a', kind => 'b', limit => '9000000000000000', per_tick => 3,
    tick => 1, sum => '9000000000000000'), '0 6000000000 -1', 'many ticks');

# what is out is not refilled

$s->fresh('a', 'b');
is($s->ask('a', @b, want => 50), '50 0 -1', 'all is out');
is($s->entry('k', 'a') =~ s/ \d+$//r, '50 50', 'not spent yet');
$s->pass(1000);
is($s->ask('b', @b, need => 1), '0 0 100', 'no burst on top of it');
is($s->ask('a', @b, sum => 50, unspent => 30), '0 0 -1', 'some is spent');
$s->pass(500);
is($s->ask('b', @b, need => 6), '0 5 100', 'and refilled');
$s->pass(2000);
is($s->ask('b', @b), '0 20 -1', 'to what is out');
$s->pass(699);
is($s->ask('b', @b), '0 20 -1', 'just yet');
$s->pass(1);
is($s->ask('b', @b), '0 20 -1', 'its end');
$s->pass(100);
is($s->ask('b', @b), '0 21 -1', 'from which on it is refilled');
is($s->ask('a', @b, sum => 20), '0 21 -1', 'burnt: it is not given back');
is($s->ask('a', @b, sum => 15), '0 26 -1', 'what was spent less is');
$s->pass(3000);
is($s->ask('a', @b, sum => 15), '0 50 -1', 'full');

# given back in time

$s->fresh('a', 'b');
$s->ask('a', @b, want => 50);
$s->pass(3199);
is($s->ask('a', @b, sum => 20), '0 30 -1', 'unspent credit in time');
is($s->entry('k', 'a') =~ s/ \d+$//r, '20 0', 'none is out');

# what was needed is spent at once: a bucket of one gives one each second

my @one = (kind => 'b', limit => 1, per_tick => 1, tick => 1_000_000);

$s->fresh('a', 'b');

for my $n (0 .. 3) {
    is($s->ask('a', @one, sum => $n, need => 1), '1 0 -1', "second $n");
    $s->pass(1000);
}

is($s->ask('a', @b, key => 'need', want => 12, need => 5), '12 38 -1',
    'more than was needed');
is($s->entry('need', 'a') =~ s/ \d+$//r, '12 7', 'is out');

# unspent credit of all nodes

$s->fresh('a', 'b');
$s->ask('a', @b, sum => 0, unspent => 0, want => 10);
$s->ask('b', @b, sum => 0, unspent => 0, want => 10);
$s->pass(1500);
is($s->ask('a', @b, sum => 10), '0 30 -1', 'two are out');
$s->pass(1500);
is($s->ask('a', @b, sum => 10), '0 40 -1', 'one is');
is($s->ask('a', @b, sum => 10, unspent => 45), '0 -5 500',
    'what is out counts in any case');

# at first sight

$s->fresh('a', 'b');
is($s->ask('a', @b, sum => 1000, unspent => 7, mine => 20, want => 2),
    '2 21 -1', 'what its share misses, and what it may spend');
is($s->ask('a', @b, sum => 1002, unspent => 9, mine => 20), '0 21 -1',
    'and then its sum');
is($s->ask('b', @b, sum => 500, mine => 4), '0 17 -1', 'each for itself');

# a sum that begins anew in the same start

is($s->ask('b', @b, local => 2, sum => 6, unspent => 2, mine => 1), '0 14 -1',
    'is not less than the one before');
is($s->ask('b', @b, local => 3, sum => 3, mine => 0), '0 14 -1',
    'nor when it is nothing');
is($s->ask('b', @b, local => 0, sum => 0), '0 17 -1', 'and goes on from there');

# a start: what was taken stays, its number is forgotten

is($s->ask('a', @b, start => 2, sum => 3, mine => 3), '0 14 -1', 'a start');
is($s->ask('a', @b, start => 2, sum => 5, mine => 3), '0 12 -1',
    'has numbers of its own');
ok(!exists $s->hash($s->key('k'))->{ 'o:' . AI::Script::uuid('a') },
    'no old ones');

# on its own: it is charged what its share misses, or what it took

my @l = (@b, local => 1);

$s->fresh('a', 'b');
$s->ask($_, @l, need => 20) for 'a', 'b';

for (1 .. 4) {
    $s->pass(1000);
    $s->op('a');
}

# a share is taken from the whole time since somebody asked

is($s->ask('a', @l, sum => 20), '0 30 -1', 'half of four seconds');
is($s->ask('b', @l, sum => 120, mine => 13), '0 17 -1', 'its share');
is($s->op('b')->{heard}, 0, 'it goes on reporting');
is($s->ask('b', @l, sum => 122, mine => 15), '0 15 -1', 'what it took since');
is($s->ask('b', @l, sum => 121, mine => 15), '0 16 -1', 'or gave back');
$s->pass(1000);
is($s->ask('a', @l, sum => 20), '0 21 -1', 'still half');
is($s->ask('a', @b, sum => 20), '0 21 -1', 'a tick is a tick');
$s->op('b', flags => 'h');
$s->pass(1000);
is($s->ask('a', @l, sum => 20), '0 31 -1', 'the whole');
is($s->ask('b', @l, sum => 140, mine => 2), '0 12 -1', 'it is heard: its sum');

# a share without a tick of its own; slow ones

$s->fresh('a', 'b', 'c');
@l = (kind => 'b', local => 1, n => 3, limit => 7, per_tick => 1,
    tick => 8_571_429);
$s->ask('a', @l, need => 7);

sub wait_for {
    my ($ms, @alive) = @_;

    for (1 .. $ms / 100) {
        $s->pass(100);
        $s->op($_, n => 3) for @alive;
    }
}

wait_for(8500, 'a', 'b', 'c');
is($s->ask('a', @l, sum => 7, need => 1), '0 0 72', '7/m');
wait_for(100, 'a', 'b', 'c');
is($s->ask('a', @l, sum => 7), '0 1 -1', 'one');
wait_for(2500, 'a', 'b');
is($s->ask('a', @l, sum => 8, need => 1), '0 0 10329', 'two of three');
wait_for(10200, 'a', 'b');
is($s->ask('a', @l, sum => 8, need => 1), '0 0 129', 'slower');
$s->pass(128);
is($s->ask('a', @l, sum => 8, need => 1), '0 0 1', 'just yet');
$s->pass(1);
is($s->ask('a', @l, sum => 8, need => 1), '1 0 -1', 'one more');
is($s->ask('a', @l, sum => 9, need => 1, local => 0), '0 0 8572',
    'where no one has a share');

# nobody has reported: nothing is refilled, and it does not count later

$s->fresh('a', 'b');
@l = (@b, local => 1);
$s->ask('a', @l, need => 50);
$s->pass(10_000);
is($s->ask('a', @l, local => 3, sum => 50), '0 0 -1', 'nobody is there');
$s->op($_, flags => 'h') for 'a', 'b';
$s->pass(100);
is($s->ask('a', @l, sum => 50), '0 1 -1', 'from then on');

# those who have not reported to an empty store refill their shares themselves

$s->fresh('a');
$s->op('b') for 1 .. 2;
is($s->ask('a', @b, mine => 40), '0 10 -1', 'one of two has reported');
$s->pass(1000);
is($s->ask('b', @b, mine => 10), '0 5 -1', 'half of it');
$s->op('b', flags => 'h');
$s->pass(1000);
is($s->ask('a', @b), '0 15 -1', 'the whole');

# a clock that is set gives hold_ms, and time that stands gives nothing

$s->fresh('a', 'b');
$s->ask('a', @b, need => 50);
$s->pass(86_400_000);
is($s->ask('a', @b, sum => 50), '0 32 -1', 'a day at once');
$s->pass(-86_400_000);
is($s->ask('a', @b, sum => 50), '0 32 -1', 'and back');
$s->pass(1000);
is($s->ask('a', @b, sum => 50), '0 42 -1', 'it goes on');

# fields of nodes that nobody knows any more go

$s->fresh('a', 'b');
$s->ask('b', @b, need => 1);
$s->cli('HDEL', 'ai:{7}', 'n:' . AI::Script::uuid('b'));
$s->ask('a', @b, need => 1);
isnt($s->entry('k', 'b'), undef, 'not before its end');
$s->pass(3200);
$s->ask('a', @b, sum => 1);
is($s->entry('k', 'b'), undef, 'fields of an unknown node go');

# beyond 2^53

my $big = '9223372036854775807';

$s->fresh('a', 'b');
is($s->ask('a', kind => 'b', limit => $big, per_tick => 1, tick => 1000,
    need => '9007199254740993'), '9007199254740993 9214364837600034814 -1',
    'exact');
$s->pass(3);
is($s->ask('a', kind => 'b', limit => $big, per_tick => 1, tick => 1000,
    sum => '9007199254740993'), '0 9214364837600034817 -1', 'ticks');
is($s->ask('a', kind => 'b', limit => $big, per_tick => 1, tick => 1000,
    sum => '9007199254740993', need => '9214364837600034819'),
    '0 9214364837600034817 2', 'and its wait');

my $before = $s->dump;

like($s->ask('b', kind => 'b', limit => $big, mine => $big), qr/^AIDATA/,
    'a sum that passes int64');
is($s->dump, $before, 'nothing is done');

done_testing();
