#!/usr/bin/perl

# A gate of one place, many workers that are killed at any moment, reloads that
# change capacities, lines, breakers, names and order, and clients that leave
# while they wait: in the end nothing is held, and what a provider gets at once
# is what is configured.
#
#   AI_WORKERS=N (12)  SEED=N

use strict;
use warnings;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";

use AI::Counter;
use AI::Gateway;
use AI::Load;

my $workers = $ENV{AI_WORKERS} || 12;

srand($ENV{SEED} || 1);

my $t = AI::Gateway->new(workers => $workers);
my $p = AI::Counter->new($t);

# capacity, line, other providers before and behind it, breaker

my @confs = (
    [ 1, 6, 0, 0, 'failures=5' ],
    [ 3, 20, 1, 0, 'failures=5' ],
    [ 1, 1, 0, 2, 'failures=2 window=100ms cooldown=50ms' ],
    [ 20, 40, 3, 1, 'errors=off' ],
    [ 1, 0, 2, 0, 'failures=5 window=1h' ],
    [ 2, 6, 0, 3, 'requests=1 errors=1% cooldown=20ms' ],
    [ 1, 6, 1, 1, 'failures=5' ],
);

$t->run(conf(@{ $confs[0] }));

my @pids = map { load($_) } 0 .. 1;

for my $conf (@confs[1 .. $#confs]) {
    for (1 .. 3) {
        select undef, undef, undef, rand 0.1;

        my @w = $t->workers;

        $t->kill_worker('KILL', $w[rand @w]);
    }

    ok($t->reload(conf(@$conf)), "capacity $conf->[0], line $conf->[1]");
}

ok((waitfor { (my @c = $t->children) == $workers } 30),
    'old workers are gone');

$p->take('');
select undef, undef, undef, 2;

my @answered = grep { $_->{how} eq 'answered' }
    map { @$_ } values %{ $p->take('') };

cmp_ok(scalar(@answered), '>', 10, 'requests are answered');
is(at_once(@answered), 1, 'one at once');

kill 'TERM', @pids;
waitpid $_, 0 for @pids;

my $gate;

ok((waitfor {
    $gate = $t->status->{targets}[0]{provider_gate};
    $gate->{taken} == 0 && $gate->{waiting} == 0;
} 20), 'no place is taken, and nobody waits') or diag explain $gate;

ok((waitfor { $t->status->{zone}{holds} == 0 }), 'no hold is left');
is($t->chat({ model => 'dear' }, key => make_key('gold'))->status, 200,
    'a request');

$p->stop;
$t->allow(qr/exited on signal 9/);
$t->mark;
$t->done;


sub load {
    my ($n) = @_;

    my $load = AI::Load->new;

    for my $i (0 .. 17) {
        my $tenant = (qw(gold silver bronze))[$i % 3];

        $load->add(peer => '127.0.0.1:' . $t->port(8080), gap => [ 0, 20 ],
            key => make_key($tenant), tenant => $tenant, limit => 5,
            delay => 5 + $i, abort => $i % 2 ? 0.4 : 0.02, hang => 100);
    }

    return $load->start("$t->{dir}/load.$n", 600);
}


# an end and a begin at the same time do not overlap

sub at_once {
    my ($n, $most) = (0, 0);

    my @ends = map { [ $_->{begin}, 1 ], [ $_->{end}, -1 ] } @_;

    for my $e (sort { $a->[0] <=> $b->[0] || $a->[1] <=> $b->[1] } @ends) {
        $n += $e->[1];
        $most = $n if $n > $most;
    }

    return $most;
}


sub others {
    my ($n, $name) = @_;

    return join '', map { AI::Conf::provider('openai', name => "$name$_",
        extra => "capacity $_ queue=$_;") } 1 .. $n;
}


sub conf {
    my ($capacity, $queue, $before, $behind, $breaker) = @_;
    my $line = $queue ? "queue=$queue timeout=300ms" : '';

    return gateway_conf(
        providers => others($before, 'before')
            . AI::Conf::provider('openai', extra => "identify on;
                breaker $breaker;
                capacity $capacity $line;")
            . others($behind, 'behind'),
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
        tenants => <<'EOC');
    ai_tenant gold   { plan gold;   key %%KEY_gold%%; }
    ai_tenant silver { plan silver; key %%KEY_silver%%; }
    ai_tenant bronze { plan bronze; key %%KEY_bronze%%; }
EOC
}
