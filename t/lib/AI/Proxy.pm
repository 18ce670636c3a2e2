package AI::Proxy;

# A TCP proxy that misbehaves on request, between nginx and a server.
#
#   my $x = AI::Proxy->new($t, "127.0.0.1:$pg->{port}");
#   $x->command('cut 100 down');
#   $x->port
#
#   host => ADDRESS      that it listens on
#   netns => NAME        the network namespace it runs in
#
# The commands are in t/lib/proxy.py.

use strict;
use warnings;

use IO::Socket::INET;

my $n = 0;


sub new {
    my ($class, $t, $target, %o) = @_;

    $n++;

    my $host = $o{host} || '127.0.0.1';
    my $self = bless { t => $t, host => $host, port => $t->port("proxy$n"),
        control => "$host:" . $t->port("control$n") }, $class;

    $t->daemon("proxy$n",
        $o{netns} ? ('nsenter', "--net=/run/netns/$o{netns}") : (),
        'python3', "$AI::Gateway::top/t/lib/proxy.py", $self->addr, $target,
        $self->{control});

    $t->waitforport("control$n", $host) or die "the proxy did not start\n";

    return $self;
}


sub port { return $_[0]{port} }

sub addr { return "$_[0]{host}:$_[0]{port}" }


sub command {
    my ($self, $line) = @_;

    my $s = IO::Socket::INET->new(Proto => 'tcp', Timeout => 10,
        PeerAddr => $self->{control})
        or die "proxy: $!\n";

    print $s "$line\n";
    my $answer = <$s> // 'no answer';
    chomp $answer;

    die "proxy: $line: $answer\n" if $answer !~ /^ok/;

    return $answer;
}


# { accepted => n, open => n, up => bytes, down => bytes }

sub stat { return { $_[0]->command('stat') =~ /(\w+)=(\d+)/g } }

1;
