#!/usr/bin/perl

# What plans and tenants get of a full provider where it is harder to share than
# in t/capacity_shares.t: clients that come and go, requests that hold their
# places for unequal times, and one tenant with a hundred times the connections
# of each other one of its plan.  See `make shares`.

use strict;
use warnings;

use Test::More;
use List::Util qw(max min sum);
use POSIX ();

use FindBin;
use lib "$FindBin::Bin/../lib";

use AI::Counter;
use AI::Gateway;
use AI::Load;

my $capacity = 22;
my $seconds = $ENV{AI_SHARES} || 10;
my @modest = map { "modest$_" } 1 .. 10;
my @crowd = ('greedy', @modest);

my $t = AI::Gateway->new(workers => 2);
my $p = AI::Counter->new($t);

$t->run(gateway_conf(
    providers => AI::Conf::provider('openai', extra => "identify on;
        capacity $capacity queue=300 timeout=60s;"),
    models => <<'EOC',
    ai_model dear {
        price   input=100 output=1000;
        target  openai;
    }
EOC
    plan => <<'EOC',
    ai_plan gold   { models *; priority dedicated share=50; }
    ai_plan silver { models *; priority guaranteed share=30; }
    ai_plan bronze { models *; priority best_effort; }
EOC
    tenants => join '', map { my $plan = /^(gold|silver|bronze)/ ? $1 : 'bronze';
        "ai_tenant $_ { plan $plan; key %%KEY_$_%%; }\n" }
        qw(gold silver bronze), @crowd));

my @pids;


# so many clients of each tenant, whose requests last so long (ms, and a quarter
# more or less), for so many seconds, beginning a while later

sub clients {
    my ($seconds, $later, %of) = @_;

    my $load = AI::Load->new;

    for my $tenant (keys %of) {
        my ($n, $ms) = @{ $of{$tenant} };

        $load->add(peer => '127.0.0.1:' . $t->port(8080), tenant => $tenant,
            key => make_key($tenant), gap => [ 0, 1 ], limit => 60,
            delay => int($ms * (0.75 + rand 0.5))) for 1 .. $n;
    }

    my $pid = fork() // die "fork: $!\n";

    if ($pid == 0) {
        select undef, undef, undef, $later;
        $load->run($seconds);
        POSIX::_exit(0);
    }

    push @pids, $pid;
}


# percent of the capacity that each tenant had from half a second on

sub measure {
    $p->take('');

    my $begin = AI::Load::now() + 0.5;

    select undef, undef, undef, $seconds + 0.5;

    my $end = AI::Load::now();
    my $all = $p->take('');
    my %part;

    kill 'TERM', @pids;
    waitpid $_, 0 for @pids;
    @pids = ();

    for my $tenant (keys %$all) {
        my $sum = 0;

        for my $e (@{ $all->{$tenant} }) {
            my $from = max($e->{begin}, $begin);
            my $to = $e->{how} ne 'open' ? min($e->{end}, $end) : $end;

            $sum += $to - $from if $to > $from;
        }

        $part{$tenant} = 100 * $sum / ($end - $begin) / $capacity;
    }

    (waitfor { $t->status->{targets}[0]{provider_gate}{taken} == 0 } 30)
        or die "places are not given back\n";

    return \%part;
}


# of what was in use, as places are empty for a while between two requests

sub compare {
    my ($name, $promised, $got, $most) = @_;

    my @who = sort { $promised->{$b} <=> $promised->{$a} || $a cmp $b }
        keys %$promised;
    my $sum = sum(map { $got->{$_} || 0 } @who) / 100;

    note(sprintf '%-34s %4.1f %% in use: %s', $name, $sum * 100, join ', ',
        map { sprintf '%s %.1f -> %.1f', $_, $promised->{$_},
        ($got->{$_} || 0) / $sum } @who);

    for my $tenant (@who) {
        cmp_ok(abs(($got->{$tenant} || 0) / $sum - $promised->{$tenant}), '<=',
            $promised->{$tenant} * $most + 1, "$name: $tenant has its part");
    }
}


my %three = (gold => 50, silver => 30, bronze => 20);

note("capacity $capacity; promised -> got, percent of the places in use");

# come and go: some of each stay, waves of others come on top

clients(600, 0, gold => [ 18, 100 ], silver => [ 18, 100 ],
    bronze => [ 18, 100 ]);

for my $n (1 .. $seconds) {
    my $who = (qw(gold silver bronze))[rand 3];

    clients(0.3 + rand 1, $n - 1 + rand 1, $who => [ 60, 100 ]);
}

compare('clients come and go', \%three, measure(), 0.12);

# unequal times

clients(600, 0, gold => [ 30, 400 ], silver => [ 30, 50 ],
    bronze => [ 30, 1000 ]);
compare('400 ms, 50 ms, 1 s', \%three, measure(), 0.12);

clients(600, 0, gold => [ 30, 40 ], silver => [ 30, 1500 ],
    bronze => [ 30, 100 ]);
compare('40 ms, 1.5 s, 100 ms', \%three, measure(), 0.12);

# a tenant with a hundred times the connections, alone in its plan and next to
# the others; dedicated places that nobody asks for stay free

clients(600, 0, greedy => [ 300, 100 ], map { $_ => [ 3, 100 ] } @modest);
compare('greedy: 300 to 3 connections', { map { $_ => 100 / 11 } @crowd },
    measure(), 0.15);

clients(600, 0, greedy => [ 300, 100 ], gold => [ 30, 100 ],
    silver => [ 30, 100 ], map { $_ => [ 3, 100 ] } @modest);
my $got = measure();
compare('the same, gold, silver', { gold => 50, silver => 30,
    map { $_ => 20 / 11 } @crowd }, $got, 0.25);

$p->stop;
$t->done;
