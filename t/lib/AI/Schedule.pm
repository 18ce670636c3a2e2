package AI::Schedule;

# Random faults between nodes and Redis while clients ask for more than limits
# allow; then all is mended, and what came to the provider is counted.
#
#   my $s = AI::Schedule->new(schedules => 8);
#
#   my $r = $s->play(1);        # the first; its tenants are fresh
#   $r->{over}                  # [ 'what was over-admitted' ]
#
# Each schedule follows from its seed, srand(SEED, N); AI_FAULT names the only
# fault.

use strict;
use warnings;

use JSON::PP ();
use POSIX ();
use Test::More;
use Time::HiRes qw(sleep);

use AI::Cluster;
use AI::Gateway;
use AI::Load;

my $nanos_input = 100_000;
my $nanos_output = 1_000_000;
my $input = 11;


# ---- what is limited ----

# Each kind of tenant: its plan, what a request asks of the provider, and a
# check of what came there.  Windows are all used up in the end.  What one who
# hangs up has used is known to the gateway where its plan drains.

my %kinds = (
    day => {
        limits => 'limit requests 60/day;',
        window => 60,
        over => sub { beyond('requests', scalar @{ $_[0] }, 60) },
    },

    key => {
        limits => 'limit requests 60/day; limit requests 25/day per=key;',
        keys => 3,
        window => 60,
        over => sub {
            my %n;

            $n{ $_->{mark} }++ for @{ $_[0] };

            return (beyond('requests', scalar @{ $_[0] }, 60),
                map { beyond("requests of $_", $n{$_}, 25) } sort keys %n);
        },
    },

    money => {
        limits => 'limit cost 1.00/month; on_abort drain;',
        load => { tokens => 0 },
        over => sub {
            my $sum = 0;

            $sum += cost($_) for @{ $_[0] };

            return beyond('nano-dollars', $sum, 1_000_000_000);
        },
        row => sub { POSIX::floor(($_[0]{cost_usd} || 0) * 1e9 + 0.5) },
        window => 1_000_000_000,
        request => 30_000_000,
    },

    tokens => {
        limits => 'limit tokens 5000/day; on_abort drain;',
        load => { tokens => 0 },
        over => sub {
            my $sum = 0;

            $sum += $input + $_->{tokens} for @{ $_[0] };

            return beyond('tokens', $sum, 5000);
        },
        row => sub {
            ($_[0]{input_tokens} || 0) + ($_[0]{output_tokens} || 0)
        },
        window => 5000,
        request => 200,
    },

    rate => {
        limits => 'limit requests 100/m burst=20;',
        over => sub { faster(@_, 20, 100 / 60) },
    },

    closed => {
        limits => 'limit requests 20/s burst=10; on_store_loss closed;',
        over => sub { faster(@_, 10, 20) },
    },

    slots => {
        limits => 'limit concurrency 5;',
        load => { delay => 80, abort => 0.1 },
        over => sub { beyond('at once', most_open($_[0]), 5) },
        calm => sub { most_open($_[0]) == 5 },
    },
);


sub cost {
    my ($e) = @_;

    return $input * $nanos_input + $e->{tokens} * $nanos_output;
}


sub beyond {
    my ($what, $n, $limit) = @_;

    return $n > $limit ? "$n $what of $limit" : ();
}


# no more than burst + rate * time at any moment, from before the first one

sub faster {
    my ($entries, $s, $burst, $rate) = @_;

    my $n = 0;
    my $worst = 0;

    for my $e (@$entries) {
        my $over = ++$n - $burst - $rate * ($e->{begin} - $s->{began}
            + ($s->{skew} || 0));

        $worst = $over if $over > $worst;
    }

    return $worst > 1e-6
        ? sprintf('%.2f requests over %s + %.2f/s', $worst, $burst, $rate) : ();
}


# A request that was given up is open here until its connection's end is seen,
# a little after the gateway has forgotten it.

sub most_open {
    my ($entries) = @_;

    my $grace = 0.1 * $AI::Gateway::factor;
    my @events;

    for my $e (@$entries) {
        my $end = $e->{end} // 1e18;

        $end -= $grace if $e->{how} eq 'aborted';

        next if $end <= $e->{begin};

        push @events, [ $e->{begin}, 1 ], [ $end, -1 ];
    }

    my ($n, $most) = (0, 0);

    for my $e (sort { $a->[0] <=> $b->[0] || $a->[1] <=> $b->[1] } @events) {
        $n += $e->[1];
        $most = $n if $n > $most;
    }

    return $most;
}


# ---- faults ----

# Each is begun, and ended after some time by what beginning it returned.

my %faults = (
    'worker killed' => sub {
        my ($s, $i) = @_;
        my $t = $s->{c}->node($i);
        my @w = $t->workers or return;
        my $pid = $w[rand @w];

        $t->{killed}{$pid} = 1;
        kill 'KILL', $pid;

        return sub { };
    },

    'worker frozen' => sub {
        my ($s, $i) = @_;
        my @w = $s->{c}->node($i)->workers or return;
        my $pid = $w[rand @w];

        kill 'STOP', $pid;

        return sub { kill 'CONT', $pid };
    },

    'all workers of a node frozen' => sub {
        my ($s, $i) = @_;
        my @w = $s->{c}->node($i)->workers or return;

        kill 'STOP', @w;

        return sub { kill 'CONT', @w };
    },

    # they serve on beside those of the next one

    'master killed' => sub {
        my ($s, $i) = @_;
        my $t = $s->{c}->node($i);

        $t->{master} or return;

        my @w = $t->orphan_workers;

        return sub {
            $t->{killed}{$_} = 1 for @w;
            kill 'KILL', @w;
            $t->{orphans} = [];
            waitfor { !grep { AI::Gateway::proc_state($_) ne 'Z' } @w };
            $t->run;
        };
    },

    'node killed' => sub {
        my ($s, $i) = @_;
        my $t = $s->{c}->node($i);

        $t->{master} or return;
        $t->crash;

        return sub { $t->run };
    },

    'node leaves' => sub {
        my ($s, $i) = @_;
        my $t = $s->{c}->node($i);

        $t->{master} or return;
        $t->stop('QUIT') or die "node $i did not leave\n";
        unlink "$t->{dir}/nginx.pid";

        return sub { $t->run };
    },

    'reload' => sub {
        my ($s, $i) = @_;
        my $t = $s->{c}->node($i);

        $t->{master} or return;
        kill 'HUP', $t->{master};

        return sub { };
    },

    'clock of a node' => sub {
        my ($s, $i) = @_;
        my $t = $s->{c}->node($i);

        $t->{clock} && $t->{master} or return;
        $t->{shifted} = 1;
        $t->{clock}->set(jump());

        # it goes by the new one when it starts

        if (rand() < 0.7) {
            $t->crash;
            $t->run;
        }

        return sub { };
    },

    'partition' => sub {
        my ($s, $i) = @_;

        $s->{c}->cut($i);

        return sub { $s->{c}->mend };
    },

    'partition, no reply comes' => sub {
        my ($s, $i) = @_;

        $s->{c}->cut($i, 'out');

        return sub { $s->{c}->mend };
    },

    'partition, no request goes' => sub {
        my ($s, $i) = @_;

        $s->{c}->cut($i, 'in');

        return sub { $s->{c}->mend };
    },

    'partition of two' => sub {
        my ($s, $i) = @_;

        $s->{c}->cut($_) for grep { $_ != $i } 0 .. 2;

        return sub { $s->{c}->mend };
    },

    'Redis frozen' => sub {
        my ($s) = @_;
        my $r = $s->{c}->master;

        $r->stop or return;

        return sub { $r->cont };
    },

    'Redis killed, empty' => sub {
        my ($s) = @_;
        my $r = $s->{c}->master;

        $r->{pid} or return;
        $r->kill;
        $r->wipe;

        return sub { $r->start if !$r->{pid} };
    },

    'Redis killed, keeps its data' => sub {
        my ($s) = @_;
        my $r = $s->{c}->master;

        $r->{pid} or return;
        $r->kill;

        return sub { $r->start if !$r->{pid} };
    },

    'Redis killed, old data' => sub {
        my ($s) = @_;

        $s->{c}->master->{pid} or return;
        $s->{c}->keep_copy;

        return sub { $s->{c}->restore_copy };
    },

    'FLUSHALL' => sub {
        my ($s) = @_;

        $s->{c}->master->flushall;

        return sub { };
    },

    'SCRIPT FLUSH' => sub {
        my ($s) = @_;

        $s->{c}->master->script_flush;

        return sub { };
    },

    'failover to a replica that lags' => sub {
        my ($s, $i, $seconds) = @_;

        $s->{c}->failover($seconds < 1 ? $seconds : 1) or return;

        return sub { };
    },

    'two masters' => sub {
        my ($s, $i) = @_;

        $s->{c}->split($i) or return;

        return sub { $s->{c}->mend };
    },

    'clock of Redis' => sub {
        my ($s) = @_;
        my $r = $s->{c}->master;
        my $jump = jump();

        $r->{clock} or return;
        $r->shift_clock($jump);

        # less than a second either way is believed

        $s->{skew} += 1;

        return sub { $r->shift_clock(0) };
    },

    'slow network' => sub {
        my ($s) = @_;

        $s->{c}->proxies('delay ' . (5 + int rand 100));

        return sub { $s->{c}->proxies('delay 0') };
    },

    'connections reset' => sub {
        my ($s) = @_;

        $s->{c}->proxies('reset');

        return sub { };
    },

    'reply cut' => sub {
        my ($s) = @_;

        $s->{c}->proxies('cut ' . int(rand 3000) . ' down');

        return sub { $s->{c}->proxies('cut 0 down') };
    },
);


sub jump {
    my @jumps = (0.4, 0.9, 2, 61, 3600, 86400, 31 * 86400, 365 * 86400);

    return (rand() < 0.5 ? 1 : -1) * $jumps[rand @jumps];
}


sub names { return sort keys %faults }


# ---- the scene ----

# schedules => how many are to be played at most; told, kinds => [ ] of tenants;
# all other words are those of AI::Cluster

sub new {
    my ($class, %o) = @_;

    my $n = delete $o{schedules} || 1;
    my $self = bless { kinds => delete $o{kinds} || [ sort keys %kinds ],
        seed => delete $o{seed} // 1, began => AI::Load::now() }, $class;

    my ($plans, $tenants) = ('', '');

    for my $kind (@{ $self->{kinds} }) {
        $plans .= "    ai_plan $kind {\n        models *;\n"
            . "        $kinds{$kind}{limits}\n    }\n";

        for my $i (1 .. $n) {
            $tenants .= "    ai_tenant s$i-$kind {\n        plan $kind;\n";
            $tenants .= "        key %%KEY_s$i$kind$_%% name=k$_;\n"
                for 1 .. $kinds{$kind}{keys} || 1;
            $tenants .= "    }\n";
        }
    }

    $self->{c} = AI::Cluster->new(plans => $plans, tenants => $tenants, %o);
    $self->{c}->run;

    return $self;
}


sub cluster { return $_[0]{c} }


# what clients do to the tenants of a schedule; so many on each node

sub load {
    my ($self, $n, $clients, %o) = @_;

    my $l = AI::Load->new;

    for my $kind (@{ $self->{kinds} }) {
        my $keys = $kinds{$kind}{keys} || 1;

        for my $i (0 .. $self->{c}->t - 1) {
            for my $j (1 .. ($clients > $keys ? $clients : $keys)) {
                my $k = 1 + ($j - 1) % $keys;

                $l->add(peer => $self->{c}->peer($i), node => $i,
                    tenant => "s$n-$kind", key => make_key("s$n$kind$k"),
                    mark => "k$k", %{ $kinds{$kind}{load} || {} }, %o);
            }
        }
    }

    return $l;
}


# One schedule.  seconds => of load, faults => as draw() has them, during => sub
# that is called instead, while clients run.  { over => [ ], faults => [ ], stranded => { }, ... }

sub play {
    my ($self, $n, %o) = @_;

    my $c = $self->{c};
    my $seconds = $o{seconds} || 1.2 + srand_for($self->{seed}, $n);
    my @plan = $o{faults} || $o{during} ? @{ $o{faults} || [] }
        : draw($seconds);

    local $self->{skew} = 0;
    local $self->{began} = AI::Load::now();

    my $file = $c->node(0)->dir . "/notes.$n";
    my $pid = $self->load($n, 2)->start($file, $seconds);

    my @done = $o{during} ? $o{during}->($pid) : $self->faults(@plan);

    waitpid $pid, 0;

    my $r = { n => $n, faults => \@done, notes => [ AI::Load::notes($file) ] };

    unlink $file;
    $c->heal;
    $r->{healed} = AI::Load::now();
    $self->calm($n, $r);
    $self->count($n, $r);

    return $r;
}


sub srand_for {
    my ($seed, $n) = @_;

    srand($seed * 1_000_003 + $n);

    return rand();
}


# [ at, name, node, seconds ], 1 to 4 of them

sub draw {
    my ($seconds) = @_;

    my @names = grep { !$ENV{AI_FAULT} || $_ eq $ENV{AI_FAULT} } names();

    return sort { $a->[0] <=> $b->[0] } map {
        [ 0.1 + rand($seconds - 0.3), $names[rand @names], int rand 3,
            0.05 + rand(1.8) ]
    } 1 .. 1 + int rand 4;
}


# begins and ends them at their times; those that were possible

sub faults {
    my ($self, @plan) = @_;

    my @todo = map { [ $self->{began} + $_->[0], $_ ] } @plan;
    my @done;

    while (@todo) {
        @todo = sort { $a->[0] <=> $b->[0] } @todo;

        my ($at, $what) = @{ shift @todo };
        my $left = $at - AI::Load::now();

        sleep $left if $left > 0;

        if (ref $what eq 'CODE') {
            eval { $what->(); 1 } or note("end of a fault: $@");
            next;
        }

        my (undef, $name, $node, $seconds) = @$what;
        my $end = eval { $faults{$name}->($self, $node, $seconds) };

        note("$name: $@") if $@;

        next if !$end;

        push @done, $name;
        push @todo, [ AI::Load::now() + $seconds, $end ];
    }

    return @done;
}


# All nodes up, and no fault: windows can be used up, all slots at once.

sub calm {
    my ($self, $n, $r) = @_;

    my $l = $self->load($n, 2, gap => [ 20, 60 ], abort => 0);
    my $from = 0;
    my (%told, %streak);

    # nobody was let in for longer than a lease, and every node has said of
    # every key meanwhile that it is used up

    $r->{calm} = $l->run(60 * $AI::Gateway::factor, sub {
        my ($notes) = @_;

        for my $note (@$notes[$from .. $#$notes]) {
            my ($at, $tenant, $node, $mark, $code) = @$note;

            $told{$tenant}{"$mark $node"} = $at
                if $code eq '429 insufficient_quota';
            $streak{$tenant} = $at if $code eq '200' || !$streak{$tenant};
        }

        $from = @$notes;

        for my $kind (grep { $kinds{$_}{window} } @{ $self->{kinds} }) {
            my $t = "s$n-$kind";

            my $since = $streak{$t} or return 0;
            my $all = $self->{c}->t * ($kinds{$kind}{keys} || 1);

            return 0 if AI::Load::now() - $since < 1.2
                || grep({ $_ > $since } values %{ $told{$t} }) < $all;
        }

        return 1;
    });

    push @{ $r->{notes} }, @{ $l->{notes} };
    $r->{calm_notes} = $l->{notes};
    $r->{calmed} = AI::Load::now();
}


sub count {
    my ($self, $n, $r) = @_;

    waitfor { $self->{c}->provider->open == 0 };

    my $came = $self->{c}->provider->take("s$n-");
    my (%rows, %seen);

    $r->{over} = [];
    $r->{came} = 0;

    for my $tenant (keys %$came) {
        $seen{ $_->{id} }++ for @{ $came->{$tenant} };
    }

    # rows are written within a moment

    waitfor {
        %rows = ();
        push @{ $rows{ $_->{tenant} } }, $_ for $self->rows("s$n-");

        my %has = map { $_->{id} => 1 } map { @$_ } values %rows;

        return !grep { !$has{$_} } keys %seen;
    } 10 or push @{ $r->{over} }, 'a request without a row';

    push @{ $r->{over} }, map { "$_ came $seen{$_} times" }
        grep { $seen{$_} > 1 } keys %seen;

    for my $kind (@{ $self->{kinds} }) {
        my $tenant = "s$n-$kind";
        my $k = $kinds{$kind};
        my $entries = $came->{$tenant} || [];

        $r->{came} += @$entries;
        my @over = map { "$kind: $_" } $k->{over}->($entries, $self);

        push @{ $r->{over} }, @over;
        differ($entries, $rows{$tenant}) if @over;

        if ($k->{calm}) {
            my @calm = grep { $_->{begin} > $r->{healed} } @$entries;

            $r->{unused}{$kind} = 'not all at once' if !$k->{calm}->(\@calm);
        }

        next if !$k->{window};

        # what the ledgers have is what was used: a request that died before
        # it was sent counts as well where it may have been

        my $used = 0;

        for my $row (grep { $_->{state} ne 'refused' } @{ $rows{$tenant} }) {
            $used += $k->{row} ? $k->{row}->($row) : 1;
        }

        my $left = $k->{window} - $used;

        $r->{used}{$kind} = $used;
        $r->{stranded}{$kind} = $left if $left >= ($k->{request} || 1);
    }

    $r->{codes} = codes($r->{notes});
    $r->{calm_codes} = codes($r->{calm_notes});
}


# of what was too much: where a row tells of fewer tokens than the provider,
# which has answered one who was gone

sub differ {
    my ($entries, $rows) = @_;

    my %row = map { $_->{id} => $_ } @$rows;

    for my $e (@$entries) {
        my $row = $row{ $e->{id} } or next;
        my $n = $row->{output_tokens} || 0;

        diag("$e->{id}: $e->{tokens} tokens $e->{how}, $n in the row: "
            . "$row->{state}, $row->{usage_source}") if $n != $e->{tokens};
    }
}


# the rows of tenants whose names begin so, in all ledgers

sub rows {
    my ($self, $prefix) = @_;

    my @lines;

    for my $t ($self->{c}->t) {
        for my $file (glob "$t->{dir}/ledger/usage*.jsonl*") {
            open my $f, '<', $file or next;
            push @lines, grep { /"tenant": *"\Q$prefix\E/ && /\n\z/ } <$f>;
        }
    }

    return map { JSON::PP::decode_json($_) } @lines;
}


sub codes {
    my ($notes) = @_;

    my %n;

    $n{ $_->[4] }++ for @$notes;

    return join ', ', map { "$n{$_} x $_" } sort keys %n;
}


sub done { $_[0]{c}->done }

1;
