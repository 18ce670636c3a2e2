#!/usr/bin/perl

# Money under fire: 500 requests at a time of random sizes, plain and
# streamed, some given up by their client, workers killed meanwhile.  What was
# used and held is never over the budget, and what was held comes back.

use strict;
use warnings;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";

use AI::Gateway;

srand(20261121);

my $t = AI::Gateway->new(workers => 2);

my $p = $t->provider(8081);

my %budget = (month => '0.05', day => '0.02', hour => '0.02',
    key => '0.03');

my %limit = (
    month => 'cost 0.05/month', day => 'cost 0.02/day',
    hour => 'cost 0.02/h', key => 'cost 0.03/month per=key',
);

$t->run(gateway_conf(
    zone => 'zone=ai:16m',
    tenants => join '', map { <<EOC } sort keys %limit));
    ai_tenant $_ {
        plan   usual;
        key    %%KEY_$_%% name=prod;
        limit  $limit{$_};
    }
EOC

my @names = sort keys %limit;
my %status;
my @over;

# used and held, as the gateway tells

sub look {
    for my $name (@names) {
        my $r = eval { $t->get('/v1/usage', key => $name) } or next;
        my $u = $r->json or next;
        my $l = $u->{limits}[0];

        # an hour's bucket refills by 1/180 of itself in 20 s

        push @over, "$name: $l->{used} + $l->{held}"
            if $l->{used} + $l->{held} > $budget{$name} + 1e-12;
    }
}


sub fire {
    my ($n, $kill) = @_;

    my @c;

    for my $i (1 .. $n) {
        my $name = $names[rand @names];
        my $stream = rand() < .5;
        my $words = 1 + int rand 12;

        push @c, eval { [ rand(), $t->start_chat({
            messages => [ { role => 'user',
                content => 'x' x int rand 400 } ],
            max_tokens => $words + int rand 10,
            $stream ? (stream => \1) : (),
        }, key => $name, mock => { events => $words,
            input => 1 + int rand 60, $stream && rand() < .5
                ? (delay => 0.02) : (wait => rand() * .3) }) ] };

        look() if $i % 100 == 0;
        $t->kill_worker('KILL') if $kill && $i == int $n / 2;
    }

    for (sort { $a->[0] <=> $b->[0] } grep { $_ } @c) {
        my ($dice, $c) = @$_;

        if ($dice < .2) {
            $dice < .1 ? $c->reset : $c->close;
            next;
        }

        my $r = eval { $c->finish };
        $status{ $r ? $r->status : 0 }++;
        look() if rand() < .02;
    }
}

fire(500, 0);
fire(500, 1);
fire(300, 1);

ok($status{200} > 20, "$status{200} pass");
ok($status{429} > 100, "$status{429} are refused");
is(join("\n", splice @over, 0, 5), '', 'used and held never pass a budget');

# all comes back, and what is counted is what the rows say

for my $name (@names) {
    ok(waitfor {
        my $u = $t->get('/v1/usage', key => $name)->json;
        $u->{concurrency} == 0 && $u->{held}{cost_usd} == 0
            && $u->{held}{tokens} == 0
    }, "$name: nothing is held in the end");
}

my $open = waitfor { !grep { $_->{open} } @{ $t->status->{tenants} } };

ok($open, 'nothing is under way');

sub nanos { return $_[0] =~ s/\.//r + 0 }

my (%sum, %requests, $last);

waitfor {
    my @rows = $t->rows;
    my $same = defined $last && $last == @rows;

    $last = @rows;

    return $same && $t->status->{ledger}{waiting} == 0;
};

my %ids;

for ($t->rows) {
    $sum{ $_->{tenant} } += nanos($_->{cost_usd} // '0');
    $requests{ $_->{tenant} } += $_->{state} ne 'refused';
    $ids{ $_->{id} }++;
}

is(scalar(grep { $_ > 1 } values %ids), 0, 'no row twice');

for my $name (@names) {
    my $u = $t->get('/v1/usage', key => $name)->json;

    cmp_ok($sum{$name}, '<=', $budget{$name} * 1e9,
        "$name: rows cost no more than its budget") if $name ne 'hour';
    is(nanos($u->{month}{cost_usd}), $sum{$name},
        "$name: what is counted is what rows cost");
    is($u->{month}{requests}, $requests{$name}, "$name: and how many");
}

# the provider's own count, of what ended in order

my %told = map { $_->{id} => $_ } grep { $_->{end} eq 'completed' }
    $p->journal;
my @differ = grep { my $e = $told{ $_->{id} };
    $e && $_->{usage_source} eq 'final' && ($e->{input}
        != $_->{input_tokens} || $e->{output} != $_->{output_tokens}) }
    $t->rows;

is(scalar @differ, 0, 'rows have the provider\'s numbers');

$t->done;
