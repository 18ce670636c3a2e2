#!/usr/bin/perl

# The script of the leases: keys that somebody has set by hand, and operations
# that no node sends: an error or no credit, never more.

use strict;
use warnings;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";

use AI::Redis;
use AI::Script;

plan skip_all => 'no redis-server' unless AI::Redis::found();

my $s = AI::Script->new;
my $a = AI::Script::uuid('a');
my $b = AI::Script::uuid('b');

my %cell = (
    w => { kind => 'w', limit => 100 },
    b => { kind => 'b', limit => 100, per_tick => 1, tick => 1000 },
    s => { kind => 's', limit => 100 },
);

my @garbage = ('', ' ', 'nil', 'x', '1.5', '1e3', '0x10', '-1', '+5', ' 5',
    '5 ', "5\n", "5\0", '9223372036854775808', '18446744073709551617',
    '99999999999999999999999999', 'inf', 'nan', "\xff\xfe", '1' x 100_000);

# nodes that have spent nearly all

sub begin {
    my ($kind) = @_;

    $s->fresh('a', 'b');
    $s->ask('a', %{ $cell{$kind} }, need => 40);
    $s->ask('b', %{ $cell{$kind} }, need => 55);
    $s->ask('a', %{ $cell{$kind} }, start => 2, sum => 1) if $kind ne 'b';

    return $s->key('k');
}

# no more than there is, and nothing is written when it is an error

sub refused {
    my ($kind, $name) = @_;

    my $before = $s->dump;
    my $wrong;

    for my $start (1, 2) {
        my $r = $s->op('a', start => $start, cells => [
            { %{ $cell{$kind} }, key => 'other', need => 1 },
            { %{ $cell{$kind} }, sum => 1, want => 50, need => 10 } ]);

        if ($r->{error}) {
            $wrong .= "start $start: written " if $s->dump ne $before;
            next;
        }

        $wrong .= "start $start: $_->{granted} granted "
            for grep { $_->{granted} ne '0' } @{ $r->{cells} };
    }

    return $wrong;
}

my %field = (
    w => [ 'leased', "n:$a", "o:$a" ],
    b => [ 'taken', 'at', "n:$a", "n:$b" ],
    s => [ "n:$a", "n:$b", "o:$a" ],
);

for my $kind (qw(w b s)) {
    my $key = begin($kind);

    for my $type ([ 'SET', 1 ], [ 'LPUSH', 1 ], [ 'SADD', 1 ], [ 'SET', '' ]) {
        my ($cmd, $value) = @$type;

        $s->cli('DEL', $key);
        $s->cli($cmd, $key, $value);
        like($s->ask('a', %{ $cell{$kind} }, need => 1), qr/WRONGTYPE/,
            "$kind: of $cmd");
        is(refused($kind), undef, 'no credit, nothing is written');
    }

    for my $field (@{ $field{$kind} }) {
        my @bad;

        for my $value (@garbage, '0000000001.0000000000000001',
            '0000000001.0000000000000001 -5', '1.1 1', '0000000001.0000000000'
            . '000001 1 1', '0000000001.0000000000000001 1 1 1 1')
        {
            begin($kind);
            $s->cli('HSET', $key = $s->key('k'), $field, $value);

            # these two are what a node may have written

            next if $kind eq 's' && $field eq "n:$a" && $value =~ /^0+1\.0+1 1$/;

            my $wrong = refused($kind);

            push @bad, substr($value, 0, 40) . ": $wrong" if $wrong;
        }

        is("@bad", '', "$kind: garbage in $field");
    }

    for my $field (grep { /^\w+$/ } @{ $field{$kind} }) {
        $key = begin($kind);
        $s->cli('HDEL', $key, $field);
        is(refused($kind), undef, "$kind: $field is gone");
        like($s->ask('a', %{ $cell{$kind} }, start => 3, need => 1), qr/^AIDATA/,
            'an error');
    }
}

# fields that nobody writes

begin('w');
$s->cli('HSET', $s->key('k'), 'x', 'y', 'n:', 'z', '', '');
is($s->ask('a', %{ $cell{w} }, start => 2, sum => 1, need => 5), '0 4 -1',
    'other fields do not matter');

# less than the node's own total

begin('w');
$s->cli('HSET', $s->key('k'), 'leased', 30);
is(refused('w'), undef, 'leased is less than this node has');

# the shard: nothing is known, then

for my $case ([ epoch => @garbage, '1', '1-', '-' . '0' x 16, '1-' . '0' x 15,
                '1-' . 'G' x 16, '1e3-' . '0' x 16, '-1-' . '0' x 16 ],
              [ token => grep { $_ ne 'run:repl' } @garbage ],
              [ time => grep { $_ ne '5' } @garbage ],
              [ seen => @garbage ],
              [ "n:$a" => @garbage, '0000000001 3 5', '0000000001 1 x', '1 1 1',
                '0000000001 1 -5', '0000000001 1 99999999999999999' ],
              [ "n:$b" => @garbage ], [ 'n:' => @garbage ])
{
    my ($field, @values) = @$case;
    my @bad;

    for my $value (@values) {
        begin('w');
        $s->cli('HSET', 'ai:{7}', $field, $value);

        my $r = $s->op('a', start => 2, cells => [
            { %{ $cell{w} }, sum => 1, want => 9, need => 1 } ]);

        push @bad, $value if $r->{status} ne 'epoch' || $s->op('a', start => 2,
            flags => 'rdh')->{seeded};
    }

    is("@bad", '', "garbage in $field begins an epoch");
}

for my $type ([ 'SET', 1 ], [ 'LPUSH', 1 ], [ 'SADD', 1 ]) {
    begin('w');
    $s->cli('DEL', 'ai:{7}');
    $s->cli($type->[0], 'ai:{7}', $type->[1]);
    like($s->ask('a', %{ $cell{w} }, need => 1), qr/WRONGTYPE/,
        "the shard is of $type->[0]");
    is(refused('w'), undef, 'no credit');
}

# operations that no node sends

begin('w');

my $before = $s->dump;

for my $case ([ op => '', '1', '0000000002.0000000000000999 ', 'x' x 27,
                '0000000002-0000000000000999', '000000002.00000000000000999' ],
              [ node => '', "a\n", 'a b', '*', "\0" ],
              [ epoch => '1', 'x-' . '0' x 16, '1-0', '1-' . 'A' x 16 ],
              [ fresh => '', 'x' x 16, '0' x 15, '0' x 17 ],
              [ token => '' ],
              [ now => @garbage ], [ tolerance => @garbage ],
              [ hold => @garbage ], [ n => '0', @garbage ])
{
    my ($word, @values) = @$case;
    my @bad;

    for my $value (@values) {
        my $r = $s->op('a', start => 2, $word => $value,
            cells => [ { %{ $cell{w} }, sum => 1, need => 1 } ]);

        push @bad, "$value: $r->{status}" if ($r->{error} || $r->{status})
            !~ ($word =~ /now|tolerance|hold/ ? qr/^(?:AIARGS|clock)/
                : qr/^AIARGS/);
    }

    is("@bad", '', "refused: $word");
}

for my $case ([ kind => '', 'x', 'ww', 'W' ],
              [ local => 8, '01', '-1', @garbage ],
              map { my $word = $_; [ $word => @garbage ] }
                  qw(limit per_tick tick sum unspent mine want need ttl))
{
    my ($word, @values) = @$case;
    my @bad;

    for my $value (@values) {
        next if $word eq 'limit' && $value eq '-1';

        my $r = $s->op('a', start => 2, cells => [ { %{ $cell{b} },
            key => 'other', need => 1 }, { %{ $cell{w} }, sum => 1, need => 1,
            $word => $value } ]);

        push @bad, $value if ($r->{error} // '') !~ /^AIARGS/;
    }

    is("@bad", '', "refused: $word");
}

like($s->ask('a', kind => 'b', limit => 5, per_tick => 1, tick => 0),
    qr/^AIARGS/, 'ticks of no length');
like($s->op('a', cells => [ $cell{w}, $cell{w} ])->{error}, qr/^AIARGS/,
    'a limit twice');
like($s->op('a', cells => [ map { { %{ $cell{w} }, key => $_ } } 1 .. 65 ])
    ->{error}, qr/^AIARGS/, 'more limits than a request has');
like($s->op('a', args => [ (0) x $_ ])->{error}, qr/AIARGS|user_script/,
    "$_ words") for 0, 5, 9, 10, 11, 30;
is($s->dump, $before, 'nothing is done');
is($s->op('a', start => 2, cells => [ map { { %{ $cell{w} }, key => $_,
    need => 1 } } 1 .. 64 ])->{n}, 64, 'as many as a request has');

# no memory

begin('w');
$before = $s->dump;

my $r = $s->op('a', start => 2, full => 1, cells => [
    { %{ $cell{w} }, key => 'other', need => 1 }, { %{ $cell{w} }, sum => 1 } ]);

like($r->{error}, qr/OOM/, 'no memory');
is($s->dump, $before, 'nothing is written');

done_testing();
