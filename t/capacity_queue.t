#!/usr/bin/perl

# A full provider's line: in order, as many as it says and as long as it says,
# over two workers; who leaves, and workers that die, give their places back.

use strict;
use warnings;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";

use AI::Gateway;

use Time::HiRes qw(time);

my $t = AI::Gateway->new(workers => 2);
my $p = $t->provider(8081);

my $providers = AI::Conf::provider('openai',
        extra => 'capacity 2 queue=4 timeout=20s;')
    . AI::Conf::provider('openai', name => 'quick',
        extra => 'capacity 1 queue=1 timeout=300ms;')
    . AI::Conf::provider('openai', name => 'both',
        extra => 'capacity 1 queue=2 timeout=20s;');

$t->run(gateway_conf(providers => $providers, models => <<'EOC'));
    ai_model gpt-4.1 {
        price   input=1.00 output=1.00;
        target  openai;
    }
    ai_model quick {
        price   input=1.00 output=1.00;
        target  quick;
    }
    ai_model narrow {
        price   input=1.00 output=1.00;
        target  both model=narrow capacity=1;
    }
    ai_model wide {
        price   input=1.00 output=1.00;
        target  both model=wide;
    }
EOC


sub begin {
    my ($model) = @_;

    return $t->start_chat({ model => $model || 'gpt-4.1', stream => \1 },
        mock => { events => 2000, delay => 0.05 });
}


sub hold {
    my $c = begin(@_);

    $c->read_events(1) or die "no stream\n";

    return $c;
}


sub gate {
    my ($model, $name) = @_;

    $model ||= 'gpt-4.1';

    my ($target) = grep { $_->{model} eq $model } @{ $t->status->{targets} };

    return $target->{ $name || 'provider_gate' };
}


# one more that waits, once it does

sub waiter {
    my ($model, $name) = @_;

    my $before = gate($model, $name)->{waiting};
    my $c = begin($model);

    waitfor { gate($model, $name)->{waiting} == $before + 1 }
        or die "it does not wait\n";

    return $c;
}


sub idle {
    my ($model) = @_;

    return waitfor { gate($model)->{taken} == 0 };
}


# ---- order, and how many

{
    my @hold = map { hold() } 1 .. 2;
    my @wait = map { waiter() } 1 .. 4;
    my $sent = $p->requests;
    my $begun = time();
    my $r = $t->chat({});

    is($r->status, 429, 'more than the queue takes is refused');
    is($r->json->{error}{code}, 'capacity_exceeded', 'by the capacity');
    ok(time() - $begun < 1, 'at once');
    is(gate()->{taken}, 2, 'those that wait have no place');
    is($p->requests, $sent, 'and went nowhere');

    shift(@hold)->close;
    ok($wait[0]->read_events(1), 'the first one is next');
    is($p->requests, $sent + 1, 'and nobody else');

    shift(@hold)->close;
    ok($wait[1]->read_events(1), 'then the second');
    is($p->requests, $sent + 2, 'alone');

    # who leaves the line is not let in

    my $waiting = gate()->{waiting};

    $wait[2]->reset;
    ok(waitfor { gate()->{waiting} == $waiting - 1 }, 'the third leaves');

    my $row;

    waitfor { ($row) = grep { $_->{http_status} == 499 } $t->rows };

    is($row->{state}, 'refused', 'its row: nothing was sent');
    is($row->{client_aborted}, 1, 'it says who ended it');
    is($row->{status}, 'PASSED', 'which no gateway has failed');

    $wait[0]->close;
    ok($wait[3]->read_events(1), 'the fourth has moved up');
    is($p->requests, $sent + 3, 'alone');

    $_->close for @wait;
    ok(idle(), 'all have ended');
    is(gate()->{waiting}, 0, 'nobody waits');
}


# ---- time

{
    my $hold = hold('quick');
    my $begun = time();
    my $r = $t->chat({ model => 'quick' });
    my $took = time() - $begun;

    is($r->status, 429, 'its time is over');
    is($r->json->{error}{code}, 'capacity_exceeded', 'no place was free');
    ok($took > .25 && $took < 2 * $AI::Gateway::factor, "after $took s");
    is($t->waitrow($r->id)->{state}, 'refused', 'its row');

    $hold->close;
    ok(idle('quick'), 'it ends');
    is($t->chat({ model => 'quick' })->status, 200, 'then one passes');
}


# ---- both gates: the target's first

{
    my $wide = hold('wide');
    my $first = waiter('narrow');

    is(gate('narrow', 'gate')->{taken}, 1, 'it has a place of the target');

    my $second = waiter('narrow', 'gate');

    $wide->close;
    ok($first->read_events(1), 'then one of the provider');
    is(gate('narrow', 'gate')->{waiting}, 1, 'the second waits at the target');

    $first->close;
    ok($second->read_events(1), 'and has both');

    $second->close;
    ok(idle('narrow'), 'all have ended');
    is(gate('narrow', 'gate')->{taken}, 0, 'at the target, too');

    # one that leaves with the target's place in hand

    $wide = hold('wide');
    $first = waiter('narrow');
    $first->close;
    ok(waitfor { gate('narrow', 'gate')->{taken} == 0 }, 'it gives it back');

    $wide->close;
    ok(idle('narrow'), 'all have ended');
}


# ---- workers that die

{
    my @hold = map { hold() } 1 .. 2;
    my @wait = map { waiter() } 1 .. 4;

    is(gate()->{taken}, 2, 'all is taken');

    $t->kill_worker('KILL', $_) for $t->workers;
    $_->close for @hold, @wait;

    ok(idle(), 'their places are free');
    ok(waitfor { gate()->{waiting} == 0 }, 'nobody waits');

    @hold = map { hold() } 1 .. 2;
    is(gate()->{taken}, 2, 'all of them');
    is(scalar(grep { $_->status == 200 } map { $_->close; $t->chat({}) }
        @hold), 2, 'and can be had');
    ok(idle(), 'all have ended');
}


# ---- a reload: who waits goes on to wait, and is served

{
    my @hold = map { hold() } 1 .. 2;
    my $wait = waiter();

    ok($t->reload, 'reload');
    is(gate()->{taken}, 2, 'places stay taken');

    $hold[0]->close;
    ok($wait->read_events(1), 'who waited in an old worker is served');

    $_->close for $hold[1], $wait;
    ok(idle(), 'all have ended');
}


# the new workers have written rows, and read them

$t->waitrow($_->id) for map { $t->chat({}) } 1 .. 8;
$t->mark;

$t->done;
