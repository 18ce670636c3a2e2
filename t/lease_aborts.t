#!/usr/bin/perl

# Clients that hang up at any moment, while they wait for Redis, for a slot or
# for the provider; workers killed and reloads between: nothing of it is held,
# open, queued or leased in the end.
#
#   ABORTS=100000, `make aborts` for more; SEED=N

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use AI::Netns;

use Test::More;
use POSIX ();
use Time::HiRes qw(sleep time);

use AI::Cluster;
use AI::Gateway;
use AI::Load;
use AI::Redis;

plan(skip_all => 'no redis-server') if !AI::Redis->found;

srand($ENV{SEED} // 1);

my $count = $ENV{ABORTS} || 2000;
my $places = 8;

my $c = AI::Cluster->new(nodes => 2, single => 1, clocks => 0,
    plans => <<"EOC", tenants => <<'EOC');
    ai_plan usual {
        models *;
        limit  concurrency 4;
        limit  requests 1000000/day;
        limit  tokens 100000000/m;
        limit  cost 1000000/month;
        queue  $places timeout=1s;
    }
    ai_plan rates {
        models *;
        limit  requests 200/s burst=20;
        limit  concurrency 3;
    }
EOC
    ai_tenant waits {
        plan   usual;
        key    %%KEY_waits%% name=prod;
    }
    ai_tenant shared {
        plan   usual;
        key    %%KEY_shared1%% name=k1;
        key    %%KEY_shared2%% name=k2;
        limit  concurrency 2 key=k1;
    }
    ai_tenant quick {
        plan   rates;
        key    %%KEY_quick%% name=prod;
    }
EOC

my @keys = ([ waits => 'waits' ], [ shared => 'shared1' ],
    [ shared => 'shared2' ], [ quick => 'quick' ]);

$c->run;

my $l = AI::Load->new;

for my $i (0, 1) {
    for my $key (@keys) {
        $l->add(peer => $c->peer($i), node => $i, tenant => $key->[0],
            key => make_key($key->[1]), delay => 20, gap => [ 20, 150 ],
            abort => 0.6) for 1 .. 6;
    }
}

my $started = time();
my $file = $c->node(0)->dir . '/notes';
my $pid = $l->start($file, 36000, sub { @{ $_[0] } >= $count });
my ($killed, $reloads, $slow, $seen) = (0, 0, 0, 0);
my @turns = qw(reload kill slow kill);

while (waitpid($pid, POSIX::WNOHANG) == 0) {
    my $t = $c->node(int rand 2);

    sleep 0.1 + rand 0.2;

    $seen++ if slots($c->master) ne '';

    push @turns, my $turn = shift @turns;

    if ($turn eq 'reload') {
        kill 'HUP', $t->{master};
        $reloads++;

    } elsif ($turn eq 'kill') {
        my @w = $t->workers or next;
        my $pid = $w[rand @w];

        $t->{killed}{$pid} = 1;
        kill 'KILL', $pid;
        $killed++;

    } else {
        $c->proxies('delay ' . int rand 40);
        sleep 0.1;
        $c->proxies('delay 0');
        $slow++;
    }
}

my %n;

$n{ $_->[4] }++ for AI::Load::notes($file);

diag(sprintf '%s in %d s; %d workers killed, %d reloads, %d times slow',
    join(', ', map { "$n{$_} x $_" } sort keys %n), time() - $started,
    $killed, $reloads, $slow);

cmp_ok($n{aborted}, '>', $count / 10, 'clients hung up');
cmp_ok($n{200}, '>', $count / 20, 'others were answered');
cmp_ok($killed, '>', 0, 'workers were killed');
cmp_ok($reloads, '>', 0, 'and reloaded');
cmp_ok($seen, '>', 0, 'Redis knew of slots');

waitfor { $c->provider->open == 0 };

for my $t ($c->t) {
    waitfor { 2 == grep { 1 } $t->children } 30;
    $t->mark;
}

for my $i (0, 1) {
    my $t = $c->node($i);

    ok((waitfor { $t->status->{zone}{holds} == 0 }), 'no hold is left');
    is(join(' ', map { "$_->{name}: $_->{open}" } grep { $_->{open} }
        @{ $t->status->{tenants} }), '', 'nothing is open');
}

# a lease of 300 ms, and what a node may be silent for

my $held = '';

ok((waitfor { ($held = slots($c->master)) eq '' } 4), 'no slot in Redis')
    or diag($held);

# all of it can be used again: slots, and the places of those who wait

my $p = $c->provider;
my @status;

# once more when Redis did not answer in time

waitfor {
    $p->take('');

    my @wait = map { $c->node(0)->start_chat(
        { model => 'dear', max_tokens => 5 }, key => 'waits', timeout => 20,
        headers => { 'X-Load' => '- 300 1' }) } 1 .. 4 + $places;

    @status = map { $_->finish->status } @wait;

    return !grep { $_ == 503 } @status;
} 30;

is(scalar(grep { $_ == 200 } @status), 4 + $places, 'all slots and places')
    or diag(join ' ', @status);

my ($most) = sort { $b <=> $a } map { $_->{open} }
    @{ $p->take('')->{waits} };

is($most, 4, 'no more than that at once');

$c->done;


# slots that nodes have by the word of Redis: "n:NODE" = "OP TOTAL" and "o:NODE"
# = "TOTAL"

sub slots {
    my ($r) = @_;

    my @held;

    for my $key ($r->keys('ai:{*}:*')) {
        my $cell = $r->hash($key);

        # a cell of slots has no "leased" and no "taken"
        next if exists $cell->{leased} || exists $cell->{taken};

        for my $field (grep { /^[no]:/ } sort keys %$cell) {
            my ($total) = $cell->{$field} =~ /(?:^| )(\d+)$/;

            push @held, "$key $field: $cell->{$field}" if $total;
        }
    }

    return join "\n", @held;
}
