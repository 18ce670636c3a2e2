#!/usr/bin/perl

# The script of the leases: grants, sums, order, starts, epochs, clocks, slots.

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

my @w = (kind => 'w', limit => 100);
my ($r, $before);

# grants

$s->fresh('a', 'b');

is($s->ask('a', @w, want => 30, need => 5), '30 70 -1', 'granted');
is($s->ask('b', @w, want => 90, need => 5), '70 0 -1', 'what is left');
is($s->ask('a', @w, sum => 30, want => 5, need => 1), '0 0 -1', 'nothing left');
is($s->hash($s->key('k'))->{leased}, 100, 'leased');

is($s->ask('b', @w, sum => 68, want => 5, need => 3), '0 2 -1',
    'no less than what is needed');
is($s->ask('b', @w, sum => 68, want => 5, need => 2), '2 0 -1',
    'no more than what is left');
is($s->ask('b', @w, sum => 60), '0 10 -1', 'nothing is wanted');
is($s->ask('b', @w, sum => 60, need => 4), '4 6 -1', 'a need is wanted');

# all or none

$s->fresh('a', 'b');
$s->ask('b', @w, key => 'small', want => 95);

$r = $s->op('a', cells => [
    { kind => 'w', key => 'large', limit => 1000, sum => 7, want => 50,
      need => 10 },
    { @w, key => 'small', want => 50, need => 10 },
    { kind => 's', key => 'slots', limit => 4, want => 1, need => 1 } ]);

is_deeply([ map { $_->{granted} } @{ $r->{cells} } ], [ 0, 0, 0 ],
    'one need is too much: nothing');
is_deeply([ map { $_->{left} } @{ $r->{cells} } ], [ 993, 5, 4 ],
    'what is left of each');
is($s->entry('large', 'a'), 7, 'the sum counts');
is($s->hash($s->key('large'))->{leased}, 7, 'and nothing else');

$r = $s->op('a', cells => [
    { kind => 'w', key => 'large', limit => 1000, sum => 7, want => 50,
      need => 10 },
    { @w, key => 'small', want => 50, need => 3 },
    { kind => 'w', key => 'less', limit => 5, sum => 9 } ]);

is_deeply([ map { $_->{granted} } @{ $r->{cells} } ], [ 50, 5, 0 ],
    'each need fits: all');
is($r->{cells}[2]{left}, -4, 'a limit that was lowered is no need');

# sums are absolute

$s->fresh('a', 'b');

is($s->ask('a', @w, want => 30), '30 70 -1', 'a reply that is lost');
is($s->ask('a', @w, want => 30), '30 70 -1', 'is made good by the next sum');
is($s->ask('a', @w, sum => 12, want => 8), '8 80 -1', 'spent and unspent');
is($s->ask('a', @w, sum => 20), '0 80 -1', 'the same sum changes nothing');
is($s->ask('a', @w, sum => 25), '0 75 -1', 'more was spent than was leased');
is($s->ask('a', @w, sum => 0), '0 100 -1', 'all is given back');

# order, by cell

$s->fresh('a', 'b');
$s->op('a', seq => 20, cells => [ { @w, want => 10 } ]);
$before = $s->dump;

for my $seq (19, 20) {
    $r = $s->op('a', seq => $seq, cells => [
        { @w, key => 'other', want => 1 }, { @w, sum => 0 } ]);

    is($r->{status}, 'late', "operation $seq after 20");
    is_deeply($r->{cells}, [], 'no credit');
    is($s->dump, $before, 'nothing is done');
}

is($s->op('a', seq => 15, cells => [ { @w, key => 'other', want => 1 } ])
    ->{cells}[0]{granted}, 1, 'another limit may be late');
is($s->op('a', seq => 21, cells => [ { @w, sum => 10, want => 1 } ])
    ->{cells}[0]{granted}, 1, 'a greater one');

# starts

$s->fresh('a', 'b');
$s->ask('a', @w, want => 30);
$s->ask('a', @w, key => 'other', want => 40);
$s->ask('b', @w, want => 10);

$r = $s->op('a', start => 2, seq => 1);
is($r->{status}, 'ok', 'a start');
is("$r->{heard} $r->{seeded}", '1 1', 'of a node that was heard in this epoch');

$before = $s->dump;
is($s->op('a', start => 1, seq => 99, cells => [ { @w, sum => 0 } ])->{status},
    'fence', 'the start before is fenced off');
is($s->op('a', start => 1, seq => 99, flags => 'rdh')->{status}, 'fence',
    'from the shard, too');
is($s->dump, $before, 'nothing is done');

is($s->ask('a', @w, start => 2, sum => 5, want => 2), '2 53 -1',
    'the old total goes on counting');
is($s->ask('a', @w, start => 2, sum => 7), '0 53 -1', 'and is not doubled');
is($s->ask('a', @w, start => 3, sum => 6), '0 47 -1', 'that of two starts');
is($s->ask('b', @w, sum => 10), '0 47 -1', 'for all nodes');
is($s->hash($s->key('k'))->{ 'o:' . AI::Script::uuid('a') }, 37, 'as "o:"');
is($s->ask('a', @w, start => 3, sum => 6, flags => 'rh'), '0 47 -1',
    'also when the start has reported');
is($s->ask('a', @w, start => 3, sum => 6, flags => 'd'), '0 84 -1',
    'until all rows of the old ones are counted');
ok(!exists $s->hash($s->key('k'))->{ 'o:' . AI::Script::uuid('a') },
    'it is gone');
is($s->ask('a', @w, start => 3, key => 'other', sum => 1, flags => 'd'),
    '0 99 -1', 'a limit in which the old one is the last');

# what a start has counted of older rows is in their total already

$s->fresh('a', 'b');
$s->ask('a', @w, want => 30);
is($s->ask('a', @w, start => 2, sum => 25, mine => 20, want => 2),
    '2 63 -1', 'rows of an older start are not taken twice');
is($s->hash($s->key('k'))->{leased}, 37, 'its total and what is new');
is($s->ask('a', @w, start => 2, sum => 35, mine => 28), '0 63 -1',
    'one more of them has ended');
is($s->ask('a', @w, start => 3, sum => 40, mine => 35), '0 58 -1',
    'nor by the start behind that');
is($s->ask('a', @w, start => 3, sum => 50, mine => 45), '0 50 -1',
    'no more than the total is part of it');
is($s->ask('a', @w, start => 3, sum => 50, mine => 45, flags => 'd'),
    '0 50 -1', 'all is in the sum');
is($s->ask('a', @w, start => 3, sum => 50, mine => 45), '0 50 -1',
    'and no older start is left');
is($s->ask('b', @w, sum => 9, mine => 9), '0 41 -1', 'without an older total');

# epochs

$s->fresh;

$r = $s->op('a', fresh => 'a' x 16);
is("$r->{status} $r->{epoch} $r->{seeded} $r->{heard} $r->{nodes} $r->{n}",
    'epoch 1-' . 'a' x 16 . ' 0 0 0 0', 'an empty store begins an epoch');

$r = $s->op('b', flags => 'rdh', cells => [ { @w, want => 1 } ]);
is("$r->{status} $r->{epoch} $r->{heard} $r->{n}",
    'epoch 1-' . 'a' x 16 . ' 0 0', 'an operation of an unknown one');
is(join(' ', sort keys %{ $s->hash('ai:{7}') }), 'epoch seen time token',
    'is not heard');

$r = $s->op('a', flags => 'rdh', cells => [ { @w, want => 9, sum => 3 } ]);
is("$r->{status} $r->{heard} $r->{seeded} $r->{cells}[0]{granted}", 'ok 1 0 0',
    'one of two nodes: nothing is granted');
is($r->{cells}[0]{left}, 97, 'but counted');


# an older start may have spent what the report does not say

for my $flags ('', 'h', 'r', 'd', 'rh', 'dh', 'd', 'r') {
    $r = $s->op('b', flags => $flags);
    is("$r->{status} $r->{heard} $r->{seeded}", 'ok 0 0',
        "a node that said \"$flags\"");
}

$r = $s->op('a', cells => [ { kind => 'b', limit => 9, key => 'b', per_tick => 1,
    tick => 1000, want => 9 }, { kind => 's', key => 's', limit => 3,
    want => 1 } ]);
is(join(' ', map { $_->{granted} } @{ $r->{cells} }), '0 0',
    'rates are not granted either');

$r = $s->op('b', flags => 'rdh', cells => [ { @w, sum => 5, want => 4 } ]);
is("$r->{heard} $r->{seeded} $r->{cells}[0]{granted} $r->{cells}[0]{left}",
    '1 1 4 88', 'all have reported');

$s->cli('FLUSHALL');
$r = $s->op('a', fresh => 'b' x 16, cells => [ { @w, sum => 3, want => 1 } ]);
is("$r->{status} $r->{epoch} $r->{n}", 'epoch 2-' . 'b' x 16 . ' 0',
    'a store that was emptied counts on');
is($s->op('b', cells => [ { @w, want => 1 } ])->{status}, 'epoch',
    'and takes nothing of the epoch before');
is(join(' ', $s->{redis}->keys), 'ai:{7} clock', 'no limit is there');

$s->fresh('a', 'b');
$s->ask('a', @w, want => 1);
$s->{node}{$_}{epoch} = $s->epoch for qw(a b);

for my $case ([ token => 'run2:repl', 'another server' ],
              [ epoch => '9-' . '0' x 16, 'a later epoch' ])
{
    my ($word, $value, $name) = @$case;
    my $old = $s->epoch;

    $r = $s->op('a', $word => $value, flags => 'rdh', fresh => 'c' x 16,
        cells => [ { @w, want => 1 } ]);

    my ($count) = $r->{epoch} =~ /^(\d+)-c{16}$/;

    is($r->{status}, 'epoch', $name);
    is($count, $word eq 'epoch' ? 10 : 1 + ($old =~ /^(\d+)/)[0],
        'both counts, and one');
    is(join(' ', sort keys %{ $s->hash('ai:{7}') }), 'epoch seen time token',
        'nobody is heard');
    is($s->op('b', epoch => $old)->{status}, 'epoch', 'the old one is over');

    $s->fresh('a', 'b');
}

# the same count from two servers

$s->fresh;
$s->op('a', fresh => '5' . '0' x 15);
$r = $s->op('a', epoch => '1-4' . 'f' x 15, fresh => 'd' x 16);
is("$r->{status} $r->{epoch}", 'epoch 1-5' . '0' x 15, 'lesser random');
$r = $s->op('a', epoch => '1-5' . '0' x 14 . '1', fresh => 'd' x 16);
is("$r->{status} $r->{epoch}", 'epoch 2-' . 'd' x 16, 'greater random');

# seeded by N, whoever they are

$s->fresh('a', 'b');
is($s->ask('a', @w, want => 5, n => 3), '0 100 -1', 'two of three');
is($s->op('c')->{seeded}, 1, 'two of two');
$s->op('c', flags => 'rdh');
is($s->ask('a', @w, want => 5, n => 3), '5 95 -1', 'three of three');

# clocks

$s->fresh('a', 'b');
$s->ask('a', @w, want => 5);

for my $off (-1001, 1001, 3_600_000, -86_400_000) {
    $before = $s->dump;
    $r = $s->op('a', now => $s->{time} + $off, flags => 'rdh', token => 'other',
        cells => [ { @w, want => 1 } ]);

    is("$r->{status} $r->{n} $r->{time}", "clock 0 $s->{time}",
        "a clock that is $off ms off");
    is($s->dump, $before, 'nothing is done');
}

$s->op('c', epoch => '', now => $s->{time} + 5000);
is($s->op('a', now => $s->{time} + $_)->{status}, 'ok', "$_ ms off")
    for -1000, 1000;

# its own time: never back, no leap, and it goes on

sub time_of { return $s->hash('ai:{7}')->{time} }

my $t = time_of();

$s->pass(700)->op('a');
is(time_of() - $t, 700, 'time passes');
$s->pass(-400)->op('a');
is(time_of() - $t, 700, 'not back');
$s->pass(500)->op('a');
is(time_of() - $t, 800, 'on from where it was');
$s->pass(3_600_000)->op('a');
is(time_of() - $t, 4000, 'an hour at once is hold_ms');
$s->pass(-7_200_000)->op('a');
is(time_of() - $t, 4000, 'two hours back are nothing');
$s->pass(250)->op('a');
is(time_of() - $t, 4250, 'and it goes on');

# who is there: who said so

$s->fresh('a', 'b');
is($s->op('a')->{nodes}, 2, 'both nodes');
$s->pass(3199);
is($s->op('a')->{nodes}, 2, 'just yet');
$s->pass(1);
is($s->op('a', flags => 'rd', cells => [ { @w, want => 1 } ])->{nodes}, 0,
    'silent for hold_ms, whatever else they say');
$r = $s->op('b', flags => 'h');
is("$r->{nodes} $r->{heard} $r->{seeded}", '1 1 1',
    'not on its own; it was heard all the time');
$s->pass(3199);
is($s->op('a', flags => 'h')->{nodes}, 2, 'the other one');
$s->pass(1);
is($s->op('b')->{nodes}, 1, 'each for itself');

# a node that was never there

$s->fresh('a', 'b');
$r = $s->op('c', epoch => $s->epoch, flags => 'rd');
is("$r->{heard} $r->{nodes}", '1 2', 'heard, and on its own');
is($s->hash('ai:{7}')->{ 'n:' . AI::Script::uuid('c') }, '0000000001 1 0',
    'never said otherwise');
$r = $s->op('d', epoch => $s->epoch, flags => 'h');
is("$r->{heard} $r->{nodes}", '0 3', 'there, and not heard');

# slots

my @s = (kind => 's', key => 's', limit => 10);

$s->fresh('a', 'b');
is($s->ask('a', @s, want => 4, need => 1), '4 6 -1', 'slots');
is($s->ask('b', @s, sum => 2, want => 9, need => 1), '4 0 -1', 'of both nodes');
is($s->ask('b', @s, sum => 6, want => 1, need => 1), '0 0 -1', 'no more');
is($s->ask('a', @s, sum => 3), '0 1 -1', 'given back');
$s->beat(7500, 'a', 'b');
is($s->ask('b', @s, sum => 6), '0 1 -1', 'streams that stay open keep theirs');
$s->beat(3199, 'b');
is($s->ask('a', @s, sum => 3), '0 1 -1', 'an operation');
is($s->ask('b', @s, sum => 6), '0 1 -1', 'just yet');
$s->beat(1, 'b');
is($s->ask('b', @s, sum => 6), '0 4 -1', 'silent for hold_ms: they are free');
is($s->entry('s', 'a'), 3, 'not forgotten');
is($s->ask('b', @s, sum => 6, want => 9, need => 1), '4 0 -1', 'for others');
is($s->ask('a', @s, sum => 3), '0 -3 -1', 'its own count for itself');
is($s->ask('b', @s, sum => 10), '0 0 -1', 'an operation says nothing');
$s->op('a', flags => 'h');
is($s->ask('b', @s, sum => 10), '0 -3 -1', 'back, with those that are open');

# slots of a start before

is($s->ask('a', @s, start => 2, sum => 1), '0 -4 -1', 'a new start');
is($s->ask('b', @s, sum => 5), '0 1 -1', 'the old one has its slots')
    for 1 .. 2;
is($s->ask('a', @s, start => 2, sum => 1, flags => 'd'), '0 4 -1',
    'until no old worker lives');
is($s->ask('a', @s, start => 3, sum => 2), '0 2 -1', 'one more');
$s->beat(3200, 'b');
is($s->ask('b', @s, sum => 5), '0 5 -1', 'both are free when it is silent');
$s->op('a', flags => 'h');
is($s->ask('b', @s, sum => 5), '0 2 -1', 'and both are back');
$s->cli('HDEL', 'ai:{7}', 'n:' . AI::Script::uuid('a'));
is($s->ask('b', @s, sum => 5), '0 5 -1', 'a node that nobody knows any more');
is(join(' ', keys %{ $s->hash($s->key('s')) }), 'n:' . AI::Script::uuid('b'),
    'is forgotten');

# the share of nodes that are silent

$s->{n} = 3;
$s->fresh('a', 'b', 'c');
@s = (@s, local => 1, limit => 11);
is($s->ask('a', @s), '0 11 -1', 'all are there');
$s->beat(3200, 'a', 'b');
is($s->ask('a', @s, want => 9, need => 1), '7 0 -1', 'two of three');
is($s->ask('a', @s, sum => 7, local => 0), '0 4 -1', 'a limit without shares');
$s->op('c', flags => 'rd');
is($s->ask('a', @s, sum => 7), '0 0 -1', 'one comes back, on its own still');
$s->op('c', flags => 'h');
is($s->ask('a', @s, sum => 7), '0 4 -1', 'no more');
$s->{n} = 2;
is($s->ask('a', @s, sum => 7), '0 4 -1', 'more nodes than N');

# nobody could be heard while the store was away: no slots are forgotten

@s = (kind => 's', key => 's', limit => 10);
$s->fresh('a', 'b');
is($s->ask('a', @s, want => 4, need => 1), '4 6 -1', 'slots');
$s->pass(60000);
is($s->ask('b', @s), '0 6 -1', 'the store was away');
$s->beat(3100, 'b');
is($s->ask('b', @s), '0 6 -1', 'just yet');
$s->beat(200, 'b');
is($s->ask('b', @s), '0 10 -1', 'one that stays silent');

# amounts beyond 2^53

my $big = '9223372036854775807';

$s->fresh('a', 'b');
is($s->ask('a', kind => 'w', limit => $big, sum => '9007199254740993'),
    '0 9214364837600034814 -1', 'exact');
is($s->ask('b', kind => 'w', limit => $big, want => $big,
    need => '9214364837600034814'), '9214364837600034814 0 -1', 'to the end');
is($s->ask('b', kind => 'w', limit => $big, sum => '9214364837600034814',
    need => 1), '0 0 -1', 'and not one more');
is($s->ask('a', kind => 'w', limit => $big, sum => '9007199254740992',
    need => 2), '0 1 -1', 'one');
is($s->ask('a', kind => 'w', limit => 5, sum => '9007199254740992'),
    '0 -9223372036854775801 -1', 'far below zero');
is($s->ask('a', kind => 'w', limit => -5, key => 'less', want => 1, need => 1),
    '0 -5 -1', 'a balance below zero');

# a sum that would pass int64

$before = $s->dump;
like($s->ask('a', kind => 'w', limit => $big, sum => '9007199254740994'),
    qr/^AIDATA ai:\{7\}/, 'overflow');
like($s->ask('a', kind => 'w', limit => -$_, key => 'less', sum => $big),
    qr/^AIDATA/, 'of what is left') for 9;
is($s->dump, $before, 'nothing is done');

# expiry

$s->fresh('a', 'b');

for my $kind (qw(w b s)) {
    my $cell = { kind => $kind, key => $kind, limit => 9, want => 1 };
    my $key = $s->key($kind);

    $s->op('a', cells => [ { %$cell, ttl => 1000 } ]);
    my $ttl = $s->cli('TTL', $key);
    ok($ttl == 1000 || $ttl == 999, "$kind: expires");

    $s->op('a', cells => [ { %$cell, ttl => 5000 } ]);
    $ttl = $s->cli('TTL', $key);
    ok($kind eq 'w' ? $ttl <= 1000 : $ttl > 4000,
        "$kind: " . ($kind eq 'w' ? 'at its end' : 'later when it is used'));

    $s->op('a', cells => [ { %$cell, ttl => 100 } ]);
    ok($s->cli('TTL', $key) > 900, "$kind: not sooner");

    $s->op('a', cells => [ { %$cell, key => "${kind}0" } ]);
    is($s->cli('TTL', $s->key("${kind}0")), -1, "$kind: stays");
}

# a total never ends: its key stays as long as somebody says it now and then

{
    my @total = (kind => 'w', key => 'total', limit => 9);

    $s->ask('a', @total, ttl => 34_560_000);
    $s->cli('EXPIRE', $s->key('total'), 34_000_000);
    $s->ask('a', @total, ttl => 34_560_000);
    $r = $s->cli('TTL', $s->key('total'));
    ok($r > 34_559_000, 'a total: later when it is said') or diag($r);
    $s->cli('PERSIST', $s->key('total'));
    $s->ask('a', @total, ttl => 34_560_000);
    $r = $s->cli('TTL', $s->key('total'));
    ok($r > 34_559_000, 'also one that stayed for ever') or diag($r);
}

# a bucket that is not full, as long as one node alone needs to refill it

my @slow = (kind => 'b', per_tick => 1, tick => 1_000_000, ttl => 9);

$s->ask('a', @slow, key => 'slow', local => 2, mine => 1_000_000);
$r = $s->cli('TTL', $s->key('slow'));
ok($r > 2_086_390 && $r <= 2_086_403, 'a debt, and a day') or diag($r);
$s->ask('a', @slow, key => 'none', local => 2, mine => 9, ttl => 0);
is($s->cli('TTL', $s->key('none')), -1, 'stays');
$s->ask('a', @slow, key => 'huge', local => 2, mine => '9' x 18);
$r = $s->cli('TTL', $s->key('huge'));
ok($r > 999_999_900 && $r <= 1e9, 'as good as for ever');

# the shard goes first

$s->cli('FLUSHALL');
$s->op('a');
$r = $s->cli('TTL', 'ai:{7}');
ok($r == 43200 || $r == 43199, 'as it begins');
$s->op('a');

$s->cli('PERSIST', 'ai:{7}');
$s->ask('a', @slow);
is($s->cli('TTL', 'ai:{7}'), -1, 'the shard stays');
$s->op('a');
$r = $s->cli('TTL', 'ai:{7}');
ok($r == 43200 || $r == 43199, 'for half a day after a heartbeat');

# nodes that come and go

$s->fresh('a', 'b');

for my $node ('A' .. 'Z', 'c' .. 'z', 0 .. 9) {
    $s->op($node);
    $s->op($node, flags => 'h');
}

$s->pass(3000);
$s->op('b', flags => 'h');
$s->op($_, flags => 'h') for '!', '!', '"';
is(grep(/^n:/, keys %{ $s->hash('ai:{7}') }), 63, 'so many nodes');
is($s->op('"', flags => 'h')->{status}, 'ok', 'one more');
$before = $s->dump;
$s->op('#');
like($s->op('#')->{error}, qr/^AINODES/, 'not one more of those that live');
is($s->dump, $before, 'nothing is done');
$s->pass(200);
is($s->op('#')->{status}, 'ok', 'in the place of a silent one');
is(grep(/^n:/, keys %{ $s->hash('ai:{7}') }), 64, 'as many as before');
is($s->op('b', n => 1)->{seeded}, 1, 'others stay');

# at random, against arithmetic without bounds

my $seed = $ENV{AI_SEED} // time;

diag("seed $seed") if $ENV{AI_SEED};
srand $seed;
$s->fresh('a', 'b');

my (%total, $wrong);

for my $n (1 .. 400) {
    my $node = (qw(a b))[ rand 2 ];
    my $limit = Math::BigInt->new(amount());
    my ($sum, $want, $need) = map { Math::BigInt->new($_) }
        map { rand() < 0.3 ? 0 : rand() < 0.5 ? amount() : int rand 20 } 1 .. 3;

    my $others = $total{ $node eq 'a' ? 'b' : 'a' } || 0;
    my $leased = $sum + $others;
    my $left = $limit - $leased;

    $want = $need if $need > $want;

    my $granted = $need > 0 && $left < $need || $left < 0
        ? Math::BigInt->new(0) : $want < $left ? $want : $left;

    my $got = $s->ask($node, kind => 'w', limit => $limit, sum => $sum,
        want => $want, need => $need);

    if ($leased + $granted > $big || $left > $big) {
        $wrong ||= "$n: not refused: $got" if $got !~ /^AIDATA/;
        next;
    }

    $total{$node} = $sum + $granted;

    my $want_reply = $granted . ' ' . ($left - $granted) . ' -1';
    my $want_leased = $leased + $granted;

    $wrong ||= "$n: got $got, not $want_reply" if $got ne $want_reply;
    $wrong ||= "$n: leased" if $s->hash($s->key('k'))->{leased} ne $want_leased;
}

is($wrong, undef, "400 operations of any size (seed $seed)");


sub amount {
    my $digits = 1 + int rand 18;

    return join '', 1 + int rand 9, map { int rand 10 } 2 .. $digits;
}


# what the module gives to Redis

my $lua = AI::Script::slurp("$FindBin::Bin/../src/event/lease.lua");
my $text = join "\n", grep { !/^--/ && length } map { s/^\s+|\s+$//gr }
    split /\n/, $lua;

is(AI::Script::embedded(), "$text\n", 'the header is made of the script');

is(() = $text =~ /tonumber/g, 3, 'numbers are made in few places');
like($text, qr/\Q and tonumber(s)\E/, 'of small ones');
like($text, qr/\Qtonumber(t[1]) * 1000 + floor(tonumber(t[2])\E/, 'of TIME');
unlike($text, qr/^(?:\w+\.)*(?:sum|want|need|limit|taken|leased)\s*[*+-]/m,
    'no arithmetic on amounts');

done_testing();
