package AI::RedisCluster;

# A Redis Cluster of a test: masters, each with a part of the slots.
#
#   my $c = AI::Redis->cluster($t);             # three
#
#   $t->run(gateway_conf(http => $c->conf));
#   $c->move($c->slot('ai:{17}'), $c->node(1));
#
#   masters => N
#   place => sub { my ($i) = @_; ... }  words of AI::Redis for one, from 0
#   all other words are those of AI::Redis

use strict;
use warnings;

use Time::HiRes qw(sleep);

use AI::Redis;


sub new {
    my ($class, $t, %o) = @_;

    my $n = delete $o{masters} || 3;
    my $place = delete $o{place} || sub { };
    my $name = delete $o{port} || 7000;

    my $self = bless { t => $t, nodes => [ map {
        AI::Redis->new($t, %o, port => $name . "_$_", cluster => 1,
            $place->($_ - 1))
    } 1 .. $n ] }, $class;

    my @nodes = $self->nodes;
    my $step = 16384 / $n;

    for my $i (0 .. $#nodes) {
        $nodes[$i]->cli('CLUSTER', 'SET-CONFIG-EPOCH', $i + 1);
        $nodes[$i]->cli('CLUSTER', 'ADDSLOTSRANGE', int($step * $i),
            int($step * ($i + 1)) - 1);
    }

    $nodes[0]->cli('CLUSTER', 'MEET', $_->{host}, $_->port, $_->{bus})
        for @nodes[1 .. $#nodes];

    $self->waitok or die "the cluster does not come up\n";

    return $self;
}


sub nodes { return @{ $_[0]{nodes} } }

sub node { return $_[0]{nodes}[$_[1]] }


# all know of all slots and of all nodes

sub waitok {
    my ($self) = @_;

    my $n = $self->nodes;

    TRY: for (1 .. 750) {
        for my $node ($self->nodes) {
            my $i = eval { $node->cli('CLUSTER', 'INFO') } || '';

            if ($i !~ /cluster_state:ok/ || $i !~ /cluster_size:$n\b/
                || $i !~ /cluster_known_nodes:$n\b/)
            {
                sleep 0.02;
                next TRY;
            }
        }

        return 1;
    }

    return 0;
}


sub slot { return $_[0]->node(0)->cli('CLUSTER', 'KEYSLOT', $_[1]) }


sub id { return $_[1]{id} ||= $_[1]->cli('CLUSTER', 'MYID') }


# the node that has a slot, by its own word

sub owner {
    my ($self, $slot) = @_;

    for my $node ($self->nodes) {
        for my $range (@{ $node->cli('CLUSTER', 'SLOTS') }) {
            my ($first, $last, $master) = @$range;

            return $node if $first <= $slot && $slot <= $last
                && $master->[2] eq $self->id($node);
        }
    }

    die "nobody has slot $slot\n";
}


# Moves a slot with its keys to a node; pause => SECONDS between two keys, so
# that some requests meet it half moved.  Number of keys moved.

sub move {
    my ($self, $slot, $to, %o) = @_;

    my $from = $self->owner($slot);
    my ($n, $pause) = (0, $o{pause} || 0);

    return 0 if $from == $to;

    $to->cli('CLUSTER', 'SETSLOT', $slot, 'IMPORTING', $self->id($from));
    $from->cli('CLUSTER', 'SETSLOT', $slot, 'MIGRATING', $self->id($to));

    for ( ;; ) {
        my $keys = $from->cli('CLUSTER', 'GETKEYSINSLOT', $slot, 1);

        last if !@$keys;

        $from->cli('MIGRATE', $to->{host}, $to->port, '', 0, 5000, 'KEYS',
            @$keys);
        $n++;
        sleep $pause if $pause;
    }

    # the one that gets it first, or it would be nobody's

    $_->cli('CLUSTER', 'SETSLOT', $slot, 'NODE', $self->id($to))
        for $to, grep { $_ != $to } $self->nodes;

    return $n;
}


# the block for nginx.conf, as of AI::Redis; all are seeds

sub conf {
    my ($self, %o) = @_;

    return $self->node(0)->conf(
        server => [ map { $_->addr } $self->nodes ], cluster => 'on', %o);
}


# all keys, of all nodes

sub keys { my ($self, @o) = @_; return map { $_->keys(@o) } $self->nodes }

sub flushall { $_->flushall for $_[0]->nodes }

sub cleanup { $_->cleanup for $_[0]->nodes }

1;
