#!/usr/bin/perl

# What plans of three priorities get of a provider at capacity, by real requests
# over two workers: the places that each had, as the provider saw it.
# "make shares" prints the table; AI_SHARES is the seconds of each row (3).

use strict;
use warnings;

use Test::More;
use List::Util qw(sum);

use FindBin;
use lib "$FindBin::Bin/lib";

use AI::Counter;
use AI::Gateway;
use AI::Load;

my $capacity = 20;
my $seconds = $ENV{AI_SHARES} || 3;

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
    tenants => <<'EOC',
    ai_tenant gold   { plan gold;   key %%KEY_gold%%; }
    ai_tenant silver { plan silver; key %%KEY_silver%%; }
    ai_tenant bronze { plan bronze; key %%KEY_bronze%%; }
    ai_tenant bright { plan bronze; key %%KEY_bright%%; }
EOC
));

my %ms = (gold => 100, silver => 200, bronze => 150, bright => 150);


# percent of the capacity that each tenant had, while these asked for more
# than there is

sub measure {
    my @tenants = @_;

    my $load = AI::Load->new;

    for my $tenant (@tenants) {
        $load->add(peer => '127.0.0.1:' . $t->port(8080),
            key => make_key($tenant), tenant => $tenant, gap => [ 0, 1 ],
            delay => int($ms{$tenant} * (0.75 + $_ / 80))) for 1 .. 40;
    }

    $p->take('');

    # those of before are done by now

    my $begin = AI::Load::now() + 0.5;

    $load->run($seconds + 0.5);

    my $end = AI::Load::now();
    my $all = $p->take('');
    my %part;

    for my $tenant (keys %ms) {
        my $sum = 0;

        for my $e (@{ $all->{$tenant} || [] }) {
            my $from = $e->{begin} > $begin ? $e->{begin} : $begin;
            my $to = $e->{how} ne 'open' && $e->{end} < $end ? $e->{end}
                : $end;

            $sum += $to - $from if $to > $from;
        }

        $part{$tenant} = 100 * $sum / ($end - $begin) / $capacity;
    }

    waitfor {
        my ($target) = @{ $t->status->{targets} };

        $target->{provider_gate}{taken} == 0;
    } or die "places are not given back\n";

    return \%part;
}


# ask: the tenants that want all; then what each is promised, in percent

my @rows = (
    { gold => 50, silver => 30, bronze => 20 },
    { gold => 50, silver => 30, bronze => 10, bright => 10 },
    { gold => 500 / 7, bronze => 200 / 7 },
    { silver => 30, bronze => 20 },
    { bronze => 50 },
);

my @order = qw(gold silver bronze bright);

note(sprintf 'capacity %d; promised -> got, percent', $capacity);
note(sprintf '%-18s %-18s %-16s %-16s', 'dedicated 50 %', 'guaranteed 30 %',
    'best effort', 'best effort');

for my $row (@rows) {
    my @ask = grep { $row->{$_} } @order;
    my $got = measure(@ask);

    note(join '  ', map { sprintf '%-16s', $row->{$_} ? sprintf('%4.1f -> %4.1f',
        $row->{$_}, $got->{$_}) : '' } @order);

    # rounds of polling and of the provider stand between two requests: on a
    # busy machine places are empty for longer, and all get less

    my $promised = sum(map { $row->{$_} } @ask);
    my $sum = sum(map { $got->{$_} } @ask);

    cmp_ok($sum, '>', $promised / 2, "@ask: the places are used");
    cmp_ok($sum, '<=', $promised * 1.02 + 1, "@ask: and no more of them");

    for my $tenant (@ask) {
        my $part = $got->{$tenant} * $promised / $sum;

        cmp_ok(abs($part - $row->{$tenant}), '<=', $row->{$tenant} * 0.12 + 1,
            "@ask: $tenant has its part");
    }
}

$p->stop;         # and its connections, which are kept
$t->done;
