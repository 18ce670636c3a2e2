#!/usr/bin/perl

# A connection that was kept, and that the provider has closed meanwhile, is no
# failure of the target: the same request goes there once more.

use strict;
use warnings;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";

use AI::Chain;
use AI::Gateway;

# one failure would open the breaker

my $t = AI::Gateway->new;
my $c = AI::Chain->new($t, [ qw(a b) ],
    breaker => 'failures=1 window=60s cooldown=60s');

$t->run(gateway_conf($c->conf(models =>
    $c->model('m', 'a', 'b') . $c->model('n', 'a', 'b'))));

my ($a, $b) = map { $c->provider($_) } qw(a b);

for my $how (qw(fin rst)) {
    for my $stream (0, 1) {
        my $name = "$how, " . ($stream ? 'streamed' : 'plain');

        chat('m');

        my $n = $a->requests;

        $a->behave({ close => 'request', how => $how, times => 1 });

        my $r = chat('m', $stream);

        is($r->status, 200, "$name: status");
        ok($r->complete, "$name: whole");
        is($a->requests, $n + 2, "$name: sent twice");
        is_deeply($c->tried($r->id), [ 'a 200 -' ], "$name: one attempt");
        is(join(' ', map { $_->{secrets}{authorization} }
            $c->entries($r->id)), join(' ', ('Bearer ' . $c->key('a')) x 2),
            "$name: with its key");
        is(scalar(keys %{ { map { $_->{body} => 1 } $c->entries($r->id) } }),
            1, "$name: the same body");
    }
}

# several connections were kept, all of them are closed

my @open = map { $t->start_chat({ model => 'm' }, mock => { wait => 0.3 }) }
    1 .. 4;

$_->finish for @open;
$_->close for @open;

$a->behave({ close => 'request', times => 4 });

my $r = chat('m');

is($r->status, 200, 'all that were kept: status');
is_deeply($c->tried($r->id), [ 'a 200 -' ], 'all that were kept: one attempt');

# the provider was started anew

$a->stop;
$a->start;

$r = chat('m');

is($r->status, 200, 'a new start: status');
is_deeply($c->tried($r->id), [ 'a 200 -' ], 'a new start: one attempt');

# of the second target, behind one that failed; its breaker opens

chat('n') for 1 .. 2;

$t->chat({ model => 'n' }, mock => { at => { a => { status => 503 } } });
$b->behave({ close => 'request', times => 1 });

my $m = $b->requests;

$r = chat('n');

is($r->status, 200, 'the second target: status');
is($b->requests, $m + 2, 'the second target: sent twice');
is_deeply($c->tried($r->id), [ 'b 200 -' ], 'the second target: one attempt');

# a fresh connection is another matter

$b->stop;
$b->start;
$b->behave({ close => 'request' });
$r = chat('n');

is($r->status, 502, 'fresh connection: status');
is_deeply($c->tried($r->id), [ 'b - connect' ], 'fresh connection: failed');

$r = chat('m');

is($r->status, 200, 'the other model goes on');

$t->done;


sub chat {
    my ($model, $stream) = @_;

    my $r = $t->chat({ model => $model, $stream ? (stream => \1) : () },
        mock => undef);

    $t->waitrow($r->id);
    $c->read;

    return $r;
}
