package AI::Cluster;

# Nodes that share their limits: gateways with a ledger and workers each, two
# Redis (the second one a replica of the first), and one provider that counts.
# Each node and each Redis has a network namespace where these are to be had
# (`use AI::Netns` first), else a proxy between each of them.
#
#   my $c = AI::Cluster->new(tenants => <<'EOC');
#     ai_tenant acme { ... }
#   EOC
#
#   $c->run;
#   $c->cut(0, 'out');                          # node 0 gets no replies
#   $c->heal;
#   $c->done;
#
#   nodes => N, workers => N                    3, 2
#   told => N            "nodes" of ai_redis, when that is not their number
#   redis => { }         words of ai_redis
#   options => { }       of redis.conf
#   plans, tenants       text of the configuration
#   conf => { }          more of gateway_conf()
#   single => 1          one Redis
#   cluster => 1         a Redis Cluster of three masters instead; then what is
#                        said of Redis below is not to be had
#   clocks => 0          nodes and Redis have the machine's clock
#
# The model is "dear": 100 and 1000 USD per million tokens, 10 at most.

use strict;
use warnings;

use IO::Socket::INET;
use Time::HiRes qw(sleep);

use AI::Counter;
use AI::Gateway;
use AI::Netns ();
use AI::Proxy;
use AI::Redis;


sub new {
    my ($class, %o) = @_;

    my $self = bless { options => \%o, here => AI::Netns::here(),
        told => $o{told} || $o{nodes} || 3, state => {} }, $class;

    my $clocks = $o{clocks} // !$ENV{AI_VALGRIND};

    for my $i (1 .. $o{nodes} || 3) {
        push @{ $self->{t} }, AI::Gateway->new(workers => $o{workers} || 2,
            clock => $clocks, $self->place("node$i", $i));
    }

    my $t = $self->{t}[0];

    # the provider, where requests come from, too

    $self->{p} = AI::Counter->new($t,
        $self->{here} ? (host => $AI::Netns::hub) : ());

    if ($o{cluster}) {
        $self->{cluster} = AI::Redis->cluster($t, clock => $clocks, place =>
            sub { $self->place('redis' . ($_[0] + 1), 11 + $_[0]) });

        return $self;
    }

    for my $j (1 .. ($o{single} ? 1 : 2)) {
        push @{ $self->{r} }, AI::Redis->new($t, port => "redis$j",
            clock => $clocks, appendonly => 1, patience => 1, options => {
                appendfsync => 'no', 'repl-timeout' => 5,
                %{ $o{options} || {} } },
            $self->place("redis$j", 10 + $j));
    }

    $self->{master} = 0;
    $self->follow;

    for my $j (0 .. $#{ $self->{r} }) {
        my $addr = $self->{r}[$j]->addr;

        if ($self->{here}) {
            my $x = AI::Proxy->new($t, $addr,
                $self->place('redis' . ($j + 1), 11 + $j));

            $self->{x}[$_][$j] = $x for 0 .. $#{ $self->{t} };

        } else {
            $self->{x}[$_][$j] = AI::Proxy->new($t, $addr)
                for 0 .. $#{ $self->{t} };
        }
    }

    return $self;
}


# where something runs

sub place {
    my ($self, $name, $n) = @_;

    return unless $self->{here};

    my $host = "10.77.0.$n";

    AI::Netns::add($name, $host);

    return (netns => $name, host => $host);
}


sub how { return $_[0]{here} ? 'network namespaces' : 'proxies' }

sub t { return @{ $_[0]{t} } }

sub node { return $_[0]{t}[$_[1]] }

sub redis { return $_[0]{r}[$_[1]] }

# the one that nodes should talk to

sub master { return $_[0]{r}[ $_[0]{master} ] }

sub redis_cluster { return $_[0]{cluster} }

sub provider { return $_[0]{p} }

sub peer { return $_[0]{t}[$_[1]]{host} . ':' . $_[0]{t}[$_[1]]->port(8080) }


sub conf {
    my ($self, $i) = @_;

    my $o = $self->{options};
    my $t = $self->{t}[$i];
    my %words = (lease => '300ms', timeout => '50ms',
        connect_timeout => '100ms', nodes => $self->{told},
        %{ $o->{redis} || {} });

    my $redis = $self->{cluster} ? "        cluster on;\n" : '';

    for my $x ($self->{cluster} ? $self->{cluster}->nodes
        : @{ $self->{x}[$i] })
    {
        $redis .= '        server ' . $x->addr . ";\n";
        $t->store($x->port, 1);
    }

    $redis .= "        $_ $words{$_};\n" for sort keys %words;

    my %conf = (
        zone => 'zone=ai:16m',
        listen => "$t->{host}:%%PORT_8080%%",
        upstream => 'server ' . $self->{p}->peer . '; keepalive 32;',
        main => ($t->{clock} ? 'env AI_CLOCK;' : ''),
        providers => <<EOC,
    ai_provider mock {
        api       openai;
        base      http://@{[ $self->{p}->peer ]};
        upstream  mock;
        key       file:%%DIR%%/provider.key;
        identify  on;
        breaker   failures=1000 window=1s cooldown=1s;
    }
EOC
        models => <<'EOC',
    ai_model dear {
        price       input=100 output=1000;
        max_output  10;
        target      mock;
    }
EOC
        plan => $o->{plans} || "    ai_plan usual {\n        models *;\n    }\n",
        tenants => $o->{tenants},
        %{ $o->{conf} || {} },
    );

    $conf{http} = "    ai_redis {\n$redis    }\n" . ($conf{http} // '');

    return gateway_conf(%conf);
}


sub run {
    my ($self) = @_;

    $self->{t}[$_]->run($self->conf($_)) for 0 .. $#{ $self->{t} };

    return $self;
}


# ---- the network ----

# What goes between a node and Redis is lost: "in" what it sends, "out" what
# it is answered, both if none is named.

sub cut {
    my ($self, $i, @ways) = @_;

    @ways = ('in', 'out') if !@ways;

    for my $j (0 .. $#{ $self->{r} }) {
        if ($self->{here}) {
            AI::Netns::cut('redis' . ($j + 1), $self->{t}[$i]{host}, @ways);
            next;
        }

        $self->{x}[$i][$j]->command('pause ' . ($_ eq 'in' ? 'up' : 'down'))
            for @ways;
    }
}


# a word to the proxies before a Redis

sub proxies {
    my ($self, $command) = @_;

    my %seen;

    for my $x (map { @$_ } @{ $self->{x} }) {
        $x->command($command) unless $seen{$x}++;
    }
}


sub mend {
    my ($self) = @_;

    return if $self->{cluster};

    if ($self->{here}) {
        AI::Netns::heal("redis$_") for 1 .. @{ $self->{r} };
    }

    $self->proxies($_) for 'delay 0', 'split 0', 'resume';
}


# ---- Redis ----

# the others are replicas of the master

sub follow {
    my ($self) = @_;

    return if $self->{cluster};

    my $master = $self->master;

    for my $r (@{ $self->{r} }) {
        my $role = $r->info('replication')->{role};

        if ($r == $master) {
            $r->promote if $role ne 'master';

        } elsif ($role ne 'slave' || $r->info('replication')->{master_port}
            != $master->port)
        {
            $r->replicaof($master);
        }

        delete $r->{options}{replica_of};
    }
}


# The master dies, and a replica that has heard nothing for some seconds is
# promoted; the old one is gone until heal().

sub failover {
    my ($self, $seconds) = @_;

    my ($new) = grep { $_ != $self->{master} } 0 .. $#{ $self->{r} };
    my ($old, $r) = ($self->master, $self->{r}[$new]);

    $r->{pid} or return 0;
    $r->stop;
    sleep $seconds;
    $old->kill;
    $r->cont;
    $r->promote;
    $self->{master} = $new;

    return 1;
}


# Two masters: the replica is promoted, and the nodes named hear of that one
# alone, the others of the old one.  It is the new one that stays.

sub split {
    my ($self, @nodes) = @_;

    my ($new) = grep { $_ != $self->{master} } 0 .. $#{ $self->{r} };

    $self->{r}[$new]{pid} or return 0;
    $self->{r}[$new]->promote;

    for my $i (0 .. $#{ $self->{t} }) {
        my $lost = (grep { $_ == $i } @nodes) ? $self->{master} : $new;

        if ($self->{here}) {
            AI::Netns::cut('redis' . ($lost + 1), $self->{t}[$i]{host}, 'in',
                'out');

        } else {
            $self->{x}[$i][$lost]->command('pause all');
        }
    }

    $self->{master} = $new;

    return 1;
}


# a copy of what Redis keeps, and its return: it forgets what was since

sub keep_copy {
    my ($self) = @_;

    my $dir = $self->master->{dir};

    system("rm -rf $dir/copy && cp -a $dir/appendonlydir $dir/copy");
    $self->{copied} = $dir;
}


sub restore_copy {
    my ($self) = @_;

    my $r = $self->master;
    my $dir = delete $self->{copied} || '';

    $r->kill;

    if ($dir eq $r->{dir}) {
        system("rm -rf $dir/appendonlydir && mv $dir/copy $dir/appendonlydir");
    }

    $r->start;
}


# ---- after all faults ----

sub heal_redis {
    my ($self) = @_;

    for my $r (@{ $self->{r} }) {
        $r->shift_clock(0) if $r->{clock};
        $r->cont;
        $r->start if !$r->{pid};
    }

    $self->mend;
    $self->follow;
}


sub heal {
    my ($self) = @_;

    $self->heal_redis;

    for my $t ($self->t) {
        kill 'CONT', $t->children;

        # a calendar is set when nginx starts

        if ($t->{clock} && delete $t->{shifted}) {
            $t->{clock}->set(0);
            $t->crash if $t->{master};
        }

        $t->run if !$t->{master};
    }
}


sub done {
    my ($self) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    # connections that are kept to it close first

    $self->{p}->stop;
    $_->done for reverse $self->t;
}

1;
