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

# credit that ended is burnt once

$s->fresh('a', 'b');
$s->ask('a', @b, want => 20);
$s->beat(3200, 'a', 'b');
$s->beat(2000, 'a', 'b');
is($s->ask('b', @b, want => 50), '50 0 -1', 'refilled when it ended');
is($s->ask('a', @b, sum => 0), '0 0 -1', 'not given back again');
is($s->ask('a', @b, sum => 0), '0 0 -1', 'nor by the next sum');
is($s->ask('b', @b, sum => 44), '0 6 -1', 'what did not end is');

$s->fresh('a', 'b');
$s->ask('a', @b, want => 20);
$s->beat(5200, 'a', 'b');
$s->ask('b', @b, need => 40);
is($s->ask('b', @b, sum => 40), '0 10 -1', 'refilled from its end on');
is($s->ask('a', @b, sum => 18, unspent => 12), '0 -2 200',
    'a late word that it is unspent: it is charged');
is($s->ask('a', @b, sum => 18, unspent => 12), '0 -2 200', 'once');

$s->fresh('a', 'b');
$s->ask('a', @b, want => 20, need => 8);
$s->beat(5200, 'a', 'b');
$s->ask('b', @b, need => 50);
is($s->ask('a', @b, sum => 0), '0 8 -1', 'what was needed is given back');

# what was out until then was not refilled meanwhile: it is, from its end on

$s->fresh('a', 'b');
$s->ask('a', @b, want => 50);
$s->beat(3200, 'a', 'b');
is($s->ask('b', @b, need => 1), '0 0 100', 'what has ended just now');
$s->beat(300, 'a', 'b');
is($s->ask('b', @b), '0 3 -1', 'from then on');

$s->fresh('a', 'b');
$s->ask('a', @b, want => 50);
$s->beat(5000, 'a', 'b');
is($s->ask('b', @b), '0 18 -1', 'a while ago');

$s->fresh('a', 'b');
$s->ask('a', @b, want => 20);
$s->beat(1000, 'b');
$s->ask('b', @b, want => 20);
$s->beat(3500, 'a', 'b');
is($s->ask('a', @b, sum => 20), '0 13 -1', 'of two, the later end');
$s->beat(100, 'a', 'b');
is($s->ask('a', @b, sum => 20), '0 14 -1', 'once');

$s->fresh('a', 'b');
$s->ask('a', @b, want => 10);
$s->ask('b', @b, need => 30);
$s->beat(4200, 'a', 'b');
is($s->ask('b', @b, sum => 30), '0 50 -1', 'what was taken beside it');

$s->fresh('a', 'b');
$s->ask('a', @b, want => 40);
$s->pass(1000);
is($s->ask('a', @b, start => 2, flags => 'd'), '0 10 -1',
    'of older workers, until they are dead');
$s->beat(1000, 'a', 'b');
is($s->ask('b', @b), '0 20 -1', 'and then');

$s->fresh('a', 'b');
$s->ask('a', @b, want => 20);
$s->beat(3000, 'a', 'b');
$s->ask('b', @b, want => 20);
$s->beat(700, 'a', 'b');
is($s->ask('b', @b, sum => 20, unspent => 20), '0 15 -1',
    'what is out still stood there, too');

$s->fresh('a', 'b');
$s->ask('a', @b, want => 20);
$s->ask('a', @b, start => 2);
$s->pass(2000);
is($s->ask('b', @b, flags => 'd'), '0 30 -1', 'another one');
$s->pass(1000);
is($s->ask('b', @b), '0 30 -1', 'knows nothing of it');

$s->fresh('a', 'b');
$s->ask('a', @b, want => 40);
$s->pass(1000);
$s->ask('a', @b, start => 2);
$s->beat(2700, 'a', 'b');
is($s->ask('b', @b), '0 15 -1', 'or its end');

# a grant that was needed and not heard of was refilled since: it is not given
# back as well

my @two = (kind => 'b', limit => 2, per_tick => 1, tick => 1_000_000);

$s->fresh('a', 'b');
is($s->ask('a', @two, need => 1, lost => 1), '1 1 -1', 'an answer is lost');
$s->beat(1000, 'a', 'b');
is($s->ask('b', @two, want => 2, need => 2), '2 0 -1', 'refilled');
is($s->ask('a', @two, local => 4, sum => 0, need => 1), '0 0 1000',
    'not given back');
is($s->ask('a', @two, sum => 0, need => 1), '0 0 1000', 'nor by the next');
$s->beat(1000, 'a', 'b');
is($s->ask('a', @two, local => 6, sum => 7), '0 1 -1', 'a sum that begins anew');
is($s->ask('a', @two, local => 4, sum => 8), '0 0 -1', 'more is more');

$s->fresh('a', 'b');
$s->ask('a', @b, want => 30, need => 10);
$s->beat(5200, 'a', 'b');
is($s->ask('b', @b, need => 50), '50 0 -1', 'after its end');
is($s->ask('a', @b, local => 5, sum => 0), '0 0 -1', 'neither');

# the same where shares are nobody's, of a node that was away

$s->fresh('a', 'b');
$s->ask('a', @b, want => 20);
$s->beat(5200, 'b');
is($s->ask('b', @b, want => 50), '50 0 -1', 'refilled when it ended');
is($s->ask('a', @b, sum => 0), '0 0 -1', 'not given back again');
$s->beat(6400, 'b');
is($s->ask('a', @b, sum => 1000, mine => 7), '0 25 -1',
    'what was let pass unjudged: as far as it is missing');

# at first sight: the store knows nothing, and the node says that by "fresh"

$s->fresh('a', 'b');
is($s->ask('a', @b, local => 2, sum => 1000, unspent => 7, mine => 20,
    want => 2), '2 21 -1', 'what its share misses, and what it may spend');
is($s->ask('a', @b, sum => 1002, unspent => 9, mine => 20), '0 21 -1',
    'and then its sum');
is($s->ask('b', @b, local => 2, sum => 500, mine => 4), '0 17 -1',
    'each for itself');
is($s->ask('b', @b, local => 2, sum => 6, unspent => 2, mine => 1), '0 14 -1',
    'a sum that begins anew is not less than the one before');
is($s->ask('b', @b, local => 3, sum => 3, mine => 0), '0 14 -1',
    'nor when it is nothing');
is($s->ask('b', @b, local => 0, sum => 0), '0 17 -1', 'and goes on from there');

# a node that was heard has reported all: a limit it says nothing of is new

is($s->ask('b', @b, key => 'new', sum => 1000, unspent => 7, mine => 20),
    '0 43 -1', 'what it may spend');
$s->ask('b', @b, key => 'new', sum => 1000);
is($s->ask('a', @b, key => 'new', sum => 5, unspent => 5, mine => 20),
    '0 38 -1', 'beside what was spent');

# one that was not says what it misses: once, and when it was quiet again

$s->fresh('a', 'b');
$s->op('c');
is($s->ask('c', @b, sum => 100, mine => 12), '0 38 -1', 'a node not heard');
is($s->ask('c', @b, sum => 101, mine => 13), '0 37 -1', 'its sum');
$s->beat(3200, 'a', 'b', 'c');
is($s->ask('c', @b, sum => 105, mine => 13), '0 46 -1', 'the same');
$s->beat(3200, 'a', 'b');
is($s->ask('c', @b, local => 1, sum => 205, mine => 13), '0 37 -1',
    'quiet: what it misses');
$s->beat(3200, 'a', 'b');
is($s->ask('c', @b, sum => 205, mine => 5), '0 45 -1', 'shared or not');
$s->op('c', flags => 'rdh');
$s->beat(1300, 'a', 'b');
is($s->ask('c', @b, key => 'new', sum => 205, mine => 13), '0 50 -1',
    'heard: all was reported');

# one that says it again, as it was not answered, empties a bucket at most

$s->fresh('a', 'b');
$s->op('c');
is($s->ask('c', @b, local => 2, sum => 1, mine => 30, lost => 1), '0 20 -1',
    'what a sum that begins anew misses');
is($s->ask('c', @b, local => 6, sum => 1, mine => 30, lost => 1), '0 0 -1',
    'again: no more than all');
is($s->ask('c', @b, local => 6, sum => 1, unspent => 2, mine => 30), '0 0 -1',
    'and again');
is($s->ask('b', @b, local => 2, mine => 70), '0 -20 2000', 'a debt');
is($s->ask('a', @b, local => 2, mine => 60), '0 -20 2000', 'a lesser one');
is($s->ask('b', @b, sum => 5), '0 -25 2500', 'what is used is charged');
$s->fresh('a', 'b');
$s->op('c');
$s->ask('c', @b, limit => 0, local => 2, mine => 30) for 1 .. 2;
is($s->ask('a', @b), '0 -10 1000', 'where it is not known what is all');

# a start: what was taken stays, and what may be spent of it until its end

$s->fresh('a', 'b');
$s->ask('a', @b, want => 30, need => 10);
my $ends = $s->{time} + 3200;
is($s->ask('a', @b, start => 2, sum => 3, mine => 3), '0 20 -1', 'a start');
is($s->hash($s->key('k'))->{ 'o:' . AI::Script::uuid('a') }, "20 $ends",
    'what is out of the one before');
is($s->ask('a', @b, start => 2, sum => 5, mine => 3), '0 18 -1',
    'has numbers of its own');
$s->beat(2900, 'a', 'b');
is($s->ask('b', @b), '0 30 -1', 'is not refilled');
is($s->ask('a', @b, start => 2, sum => 10, unspent => 5), '0 25 -1',
    'nor what the new one has');
$s->beat(299, 'a', 'b');
is($s->ask('b', @b), '0 25 -1', 'just yet');
$s->pass(1)->op('a');
$s->ask('b', @b);
ok(!exists $s->hash($s->key('k'))->{ 'o:' . AI::Script::uuid('a') },
    'gone at its end');
$s->beat(1000, 'a', 'b');
is($s->ask('b', @b), '0 35 -1', 'refilled');

$s->fresh('a', 'b');
$s->ask('a', @b, want => 20);
$s->pass(1000);
$s->ask('a', @b, start => 2, want => 20);
$s->ask('a', @b, start => 3);
is($s->hash($s->key('k'))->{ 'o:' . AI::Script::uuid('a') },
    '40 ' . ($s->{time} + 3200), 'of two starts');
$s->pass(2000);
is($s->ask('b', @b, need => 11), '0 10 100', 'neither is refilled');
is($s->ask('a', @b, start => 3, flags => 'd'), '0 10 -1', 'rows are counted');
ok(!exists $s->hash($s->key('k'))->{ 'o:' . AI::Script::uuid('a') },
    'nothing is out');
$s->pass(1000);
is($s->ask('b', @b), '0 20 -1', 'refilled');

$s->fresh('a', 'b');
$s->ask('a', @b, want => 20);
$s->pass(1000);
$s->ask('a', @b, start => 2, want => 10);
$s->pass(2200);
$s->ask('a', @b, start => 3);
is($s->hash($s->key('k'))->{ 'o:' . AI::Script::uuid('a') },
    '10 ' . ($s->{time} + 1000), 'of the one that has not ended');

$s->fresh('a', 'b');
$s->ask('a', @b, want => 20);
is($s->ask('a', @b, start => 2, flags => 'd'), '0 30 -1', 'at first sight');
ok(!exists $s->hash($s->key('k'))->{ 'o:' . AI::Script::uuid('a') },
    'nothing is kept');
$s->pass(500);
is($s->ask('b', @b), '0 35 -1', 'refilled');

# a node that is quiet has its share: of the depth, and of the refill

my @l = (@b, local => 1);

$s->fresh('a', 'b');
is($s->ask('a', @l, need => 10), '10 40 -1', 'both are there');
$s->beat(3199, 'a');
is($s->ask('a', @l, sum => 10), '0 50 -1', 'just yet');
$s->beat(1, 'a');
is($s->ask('a', @l, sum => 10), '0 25 -1', 'half of the depth is held');
is($s->ask('a', @l, key => 'new', local => 3), '0 25 -1', 'of a new sum, too');
is($s->ask('a', @b, sum => 10), '0 25 -1', 'a limit without shares');
is($s->ask('a', @b, key => 'other', need => 50), '50 0 -1', 'has none held');
is($s->ask('a', @l, sum => 10, need => 20), '20 5 -1', 'the rest is there');
$s->beat(1000, 'a');
is($s->ask('a', @l, sum => 30, need => 12), '0 10 400', 'half of the refill');
is($s->ask('a', @b, key => 'other', sum => 50), '0 10 -1', 'or all of it');
$s->beat(400, 'a');
is($s->ask('a', @l, sum => 30, need => 12), '12 0 -1', 'as it was said');
$s->beat(6000, 'a');
is($s->ask('a', @l, sum => 42), '0 25 -1', 'as much as there is');

# it is not quiet in a bucket of which it may still spend something

$s->fresh('a', 'b');
$s->beat(1600, 'a');
is($s->ask('b', @l, want => 4), '4 46 -1', 'a lease');
$s->beat(3199, 'a');
is($s->ask('a', @l), '0 46 -1', 'just yet');
$s->beat(1, 'a');
is($s->ask('a', @l), '0 25 -1', 'its end');

# it comes back: what it took by its share was not the store's

is($s->ask('b', @l, sum => 500, mine => 25), '0 25 -1', 'its share was held');
is(($s->entry('k', 'b') =~ /^(\d+) 0 /)[0], 500, 'its sum is known');
is($s->ask('b', @l, sum => 502), '0 23 -1', 'from which it goes on');
$s->beat(1000, 'a', 'b');
is($s->ask('a', @l), '0 33 -1', 'all of the refill');

# also where nobody asked meanwhile

$s->fresh('a', 'b');
$s->ask($_, @l) for 'a', 'b';
$s->beat(3200, 'a');
is($s->ask('b', @l, sum => 25, mine => 25), '0 25 -1', 'a share that was used');
is($s->ask('b', @l, sum => 25, mine => 25), '0 25 -1', 'and again');
$s->fresh('a', 'b');
$s->beat(3200, 'a');
is($s->ask('b', @l, sum => 25, mine => 25), '0 25 -1', 'in a new bucket');
is($s->ask('b', @l, key => 'now', flags => 'h'), '0 25 -1',
    'with the word that it is back');
is($s->ask('b', @l, key => 'then'), '0 50 -1', 'after it');

# and its sum begins anew by that

$s->fresh('a', 'b');
$s->ask($_, @l) for 'a', 'b';
$s->beat(3200, 'a');
is($s->ask('b', @l, local => 3, sum => 500, unspent => 3, mine => 25),
    '0 22 -1', 'what was held for it is not charged once more');
$s->fresh('a', 'b');
$s->beat(3200, 'a');
is($s->ask('b', @l, start => 2, local => 3, sum => 20, mine => 20), '0 25 -1',
    'nor at a start');

# what others took of all of it is not given to it

$s->fresh('a', 'b');
$s->ask('b', @l);
$s->ask('a', @l, need => 50);
$s->beat(3200, 'a');
$s->ask('a', @l, sum => 50, need => 16);
is($s->ask('b', @l, sum => 0, want => 50), '0 0 -1', 'a share that was spent');
$s->beat(3200, 'a');
is($s->ask('b', @l, sum => 4, unspent => 4), '0 12 -1',
    'what it may spend is charged');

# a report that does not say the limit: what the share misses

$s->fresh('a', 'b');
$s->ask($_, @l) for 'a', 'b';
$s->beat(3200, 'a');
is($s->ask('b', @l, limit => 0, sum => 5, mine => 20), '0 -20 2000',
    'no share is known');
is($s->ask('a', @l), '0 30 -1', 'and what was used of it is missing');

# of three nodes; a share is rounded down, and no one's is more

$s->{n} = 3;
$s->fresh('a', 'b', 'c');
$s->beat(3200, 'a', 'b');
is($s->ask('a', @l), '0 34 -1', 'one is quiet: 16');
$s->beat(3200, 'a');
is($s->ask('a', @l), '0 18 -1', 'two');
is($s->ask('b', @l), '0 18 -1', 'one comes back');
$s->pass(100);
is($s->ask('a', @l), '0 18 -1', 'at its share');
$s->pass(50);
is($s->ask('a', @l), '0 19 -1', 'from which on it is refilled');
$s->op($_, epoch => $s->epoch, flags => 'h') for 'd', 'e';
$s->beat(3200, 'a', 'd', 'e');
is($s->ask('a', @l), '0 50 -1', 'enough nodes are there');
is($s->ask('a', @l, key => 'big', limit => '9223372036854775807'),
    '0 9223372036854775807 -1', 'no share');
$s->{node}{$_}{epoch} = $s->epoch for 'd', 'e';
$s->beat(3200, 'a');
is($s->ask('a', @l, key => 'big', limit => '9223372036854775807'),
    '0 3074457345618258603 -1', 'two shares, exact');
$s->{n} = 2;

# nor is the refill more

$s->fresh('a', 'b');
$s->op($_, epoch => $s->epoch, flags => 'h') for 'd', 'e';
$s->ask('a', @l, need => 50);
$s->pass(1000);
is($s->ask('a', @l, sum => 50, need => 11), '0 10 100', 'more nodes than N');

# before all are heard: those that are have a share, others say what they miss

$s->fresh;
$s->op($_) for 'a', 'b', 'c';
$s->op('b', flags => 'rd');
$s->op('a', flags => 'rdh', n => 3);
is($s->ask('a', @l, n => 3), '0 34 -1', 'one is heard and quiet');
is($s->ask('c', @l, n => 3, mine => 9), '0 25 -1', 'another says it');
$s->pass(1500);
is($s->ask('a', @l, n => 3), '0 34 -1', 'two parts of the refill');

# N is 1: the bucket is the node's own

$s->{n} = 1;

my @d = (flags => 'd');

$s->fresh('a');
is($s->ask('a', @l, @d, mine => 20, want => 5), '5 25 -1', 'as it says');
is($s->ask('a', @l, @d, sum => 5, unspent => 5, mine => 20), '0 25 -1', 'again');
is($s->ask('a', @l, @d, sum => 9, mine => 24), '0 26 -1', 'whatever its sum');
is($s->ask('a', @b, @d, sum => 9, mine => 0), '0 50 -1', 'less');
is($s->ask('a', @b, @d, sum => 9, mine => 70), '0 -20 2000', 'more');
$s->pass(10_000);
is($s->ask('a', @l, @d, sum => 900, mine => 50, need => 1), '0 0 100',
    'after it was on its own');
is($s->ask('a', @l, @d, sum => 900, mine => 49, need => 1), '1 0 -1',
    'and on');
is($s->ask('a', @l, @d, start => 2, mine => 30), '0 20 -1', 'a start');

# what its older starts still hold it does not know

$s->fresh('a');
$s->ask('a', @b, @d, sum => 30, unspent => 10, mine => 20);
is($s->ask('a', @b, start => 2, mine => 28), '0 12 -1',
    'what an older start has out is held beside it');
is($s->ask('a', @b, start => 2, mine => 5, need => 3), '3 9 -1',
    'nothing is forgotten');
is($s->ask('a', @b, start => 2, sum => 3, mine => 8), '0 9 -1', 'nor doubled');
is($s->ask('a', @b, start => 2, sum => 9, mine => 14), '0 3 -1',
    'what it spends comes on top');
is($s->ask('a', @b, @d, start => 2, sum => 9, mine => 14), '0 36 -1',
    'until no older one lives');
$s->{n} = 2;

# a share without a tick of its own; slow ones

$s->{n} = 3;
$s->fresh('a', 'b', 'c');
@l = (kind => 'b', local => 1, limit => 7, per_tick => 1, tick => 8_571_429);
$s->ask('a', @l, need => 7);
$s->beat(8500, 'a', 'b', 'c');
is($s->ask('a', @l, sum => 7, need => 1), '0 0 72', '7/m');
$s->beat(100, 'a', 'b', 'c');
is($s->ask('a', @l, sum => 7), '0 1 -1', 'one');
$s->beat(3200, 'a', 'b');
is($s->ask('a', @l, sum => 8, need => 1), '0 0 9629', 'two of three');
$s->beat(9600, 'a', 'b');
is($s->ask('a', @l, sum => 8, need => 1), '0 0 29', 'slower');
$s->pass(28);
is($s->ask('a', @l, sum => 8, need => 1), '0 0 1', 'just yet');
$s->pass(1);
is($s->ask('a', @l, sum => 8, need => 1), '1 0 -1', 'one more');
is($s->ask('a', @l, sum => 9, need => 1, local => 0), '0 0 8572',
    'where no one has a share');
$s->{n} = 2;

# all are quiet: nothing is refilled, and it does not count later

$s->fresh('a', 'b');
@l = (@b, local => 1);
$s->ask('a', @l, need => 50);
$s->pass(10_000);
is($s->ask('a', @l, sum => 50), '0 0 -1', 'nobody is there');
$s->op($_, flags => 'h') for 'a', 'b';
$s->pass(100);
is($s->ask('a', @l, sum => 50), '0 1 -1', 'from then on');

$s->fresh('a', 'b');
$s->pass(10_000);
is($s->ask('a', @l, mine => 25), '0 0 -1', 'all shares are held');
is($s->ask('a', @l, key => 'none', per_tick => 0, tick => 0), '0 0 -1',
    'also where nothing is refilled');
is($s->ask('b', @l, mine => 25), '0 0 -1', 'until they are back');
$s->beat(1000, 'a', 'b');
is($s->ask('a', @l), '0 10 -1', 'and it is refilled');

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

$s->ask('b', kind => 'b', limit => $big);

my $before = $s->dump;

like($s->ask('b', kind => 'b', limit => $big, sum => $big), qr/^AIDATA/,
    'a sum that passes int64');
is($s->dump, $before, 'nothing is done');

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

done_testing();
