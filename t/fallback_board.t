#!/usr/bin/perl

# Each attempt is told to the board as its own target's, and holds its own
# target's place; breakers open and close by that, and skip what is open.

use strict;
use warnings;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";

use AI::Chain;
use AI::Gateway;

my $t = AI::Gateway->new;
my $c = AI::Chain->new($t, [ qw(a b c) ], words => { '*' => 'capacity 10;' },
    breaker => 'failures=3 errors=off window=60s cooldown=1s');

$t->run(gateway_conf($c->conf(models => join '',
    map { $c->model($_, qw(a b c)) } qw(counts places skips))));

my $r;

# 503 of a, then b answers; then 408, which does not count; then cut behind the
# head, which does not either: it has answered

chat('counts', a => { status => 503 }) for 1 .. 2;
chat('counts');
chat('counts', a => { status => 408 });
chat('counts', a => { status => 503 }, b => { status => 500 });
chat('counts', a => { close => 'request' }, b => { cut => 5 });

is(figures('counts', 'a'), '6 attempts, 4 failed, 2 in a row, ready',
    'figures of the first');
is(figures('counts', 'b'), '5 attempts, 1 failed, 0 in a row, ready',
    'figures of the second');
is(figures('counts', 'c'), '1 attempts, 0 failed, 0 in a row, ready',
    'figures of the third');

# the place of a failed attempt is free while the next one runs

for my $k (0 .. 2) {
    my @names = qw(a b c);
    my %at = map { $names[$_] => { status => 503 } } 0 .. $k - 1;
    my $n = $c->provider($names[$k])->requests;
    my $conn = $t->start_chat({ model => 'places' },
        mock => { at => { %at, $names[$k] => { wait => 1 } } });

    waitfor { $c->provider($names[$k])->requests > $n };

    is(join(' ', map { taken($_) } @names),
        join(' ', map { $_ == $k ? 1 : 0 } 0 .. 2), "attempt $k: its place");

    is($conn->finish->status, 200, "attempt $k: status");
    $conn->close;
}

ok((waitfor { !grep { taken($_) } qw(a b c) }), 'all places are free');

# open: not asked, until one probe went well

chat('skips', a => { status => 503 }) for 1 .. 3;

is(seen('skips', 'a')->{state}, 'open', 'three failures open it');

my $n = $c->provider('a')->requests;

chat('skips');
is_deeply($c->tried($r->id), [ 'b 200 -' ], 'it is skipped');
is($c->provider('a')->requests, $n, 'and gets nothing');

waitfor { seen('skips', 'a')->{state} eq 'half_open' } 5;

# one of them is the probe, the others go on without it

my @open = map { $t->start_chat({ model => 'skips' },
    mock => { at => { a => { wait => 0.5 } } }) } 1 .. 4;

my @id = map { $_->finish->id } @open;

$_->close for @open;

$t->waitrow($_) for @id;
$c->read;

is(join(' ', sort map { $c->row($_)->{provider} } @id), 'a b b b', 'one probe');
is(seen('skips', 'a')->{state}, 'ready', 'which closes it');

my @lines = grep { /ai target/ && /skips/ } split /\n/, $t->log;

cmp_ok(scalar(@lines), '>=', 2, 'each change is a line in the log');
cmp_ok(scalar(@lines), '<=', 4, 'and none else') or diag(join "\n", @lines);

$t->done;


sub chat {
    my ($model, %at) = @_;

    $r = $t->chat({ model => $model }, mock => { at => \%at });

    $t->waitrow($r->id);
    $c->read;
}


sub seen {
    my ($model, $name) = @_;

    my ($s) = grep { $_->{model} eq $model && $_->{target} eq $name }
        @{ $t->status->{targets} };

    return $s;
}


sub figures {
    my $s = seen(@_);

    return "$s->{attempts} attempts, $s->{failed} failed, "
        . "$s->{breaker}{failures} in a row, $s->{state}";
}


sub taken { return seen('places', $_[0])->{provider_gate}{taken} }
