package AI::Netns;

# Network namespaces for the nodes of a test: the test itself moves into one
# of its own, "the hub", whose bridge joins the others.  They end with the
# test, however it ends.
#
#   use AI::Netns;          # first: the test begins anew in there
#
#   AI::Netns::add('n1', '10.77.0.1') if AI::Netns::here();
#
# Where they are not to be had (another user than root, no nft), or with
# AI_NETNS=off, the test runs without.

use strict;
use warnings;

our $hub = '10.77.0.254';

my $bridge = <<"EOF";
mount --make-rprivate /
mkdir -p /run/netns
mount -t tmpfs none /run/netns
ip link set lo up
ip link add ai0 type bridge
ip link set ai0 up
ip addr add $hub/24 dev ai0
EOF


sub here { return ($ENV{AI_NETNS} || '') eq 'inside' }


sub import {
    return if $ENV{AI_NETNS} || !possible();

    $ENV{AI_NETNS} = 'inside';

    exec('unshare', '--net', '--mount', 'sh', '-ec', $bridge . 'exec "$@"',
        'sh', $^X, (map { "-I$_" } @INC), $0, @ARGV)
        or die "unshare: $!\n";
}


# tried once in full

sub possible {
    return 0 if $>;

    my $try = $bridge . node('try', '10.77.0.1', 9) . 'nsenter '
        . '--net=/run/netns/try nft add table inet ai';

    return system('unshare', '--net', '--mount', 'sh', '-ec',
        "exec > /dev/null 2>&1\n$try") == 0;
}


sub node {
    my ($name, $address, $n) = @_;

    return <<"EOF";
ip netns add $name
ip link add v$n type veth peer name eth0 netns $name
ip link set v$n master ai0 up
ip -n $name addr add $address/24 dev eth0
ip -n $name link set eth0 up
ip -n $name link set lo up
EOF
}


my %made;

# a namespace with an address, joined to the bridge; stays

sub add {
    my ($name, $address) = @_;

    return if $made{$name}++;

    sh(node($name, $address, scalar keys %made));
    nft($name, <<'EOF');
table inet ai {
    set in { type ipv4_addr; }
    set out { type ipv4_addr; }
    chain input { type filter hook input priority 0; ip saddr @in drop; }
    chain output { type filter hook output priority 0; ip daddr @out drop; }
}
EOF
}


# what an address sends to this namespace is lost, "in", or what it is sent,
# "out"

sub cut {
    my ($name, $address, @ways) = @_;

    nft($name, join '', map { "add element inet ai $_ { $address }\n" } @ways);
}


sub heal {
    my ($name) = @_;

    nft($name, "flush set inet ai in\nflush set inet ai out\n");
}


sub sh { system('sh', '-ec', $_[0]) == 0 or die "failed: $_[0]\n" }


sub nft {
    my ($name, $text) = @_;

    open my $f, '|-', 'nsenter', "--net=/run/netns/$name", 'nft', '-f', '-'
        or die "nft: $!\n";
    print $f $text;
    close $f or die "nft: failed: $text\n";
}

1;
