package AI::Proxy;

# A TCP proxy that misbehaves on request, between nginx and a server.
#
#   my $x = AI::Proxy->new($t, "127.0.0.1:$pg->{port}");
#   $x->command('cut 100 down');
#   $x->port
#
# The commands are in t/lib/proxy.py.

use strict;
use warnings;

use IO::Socket::INET;

my $n = 0;


sub new {
    my ($class, $t, $target) = @_;

    $n++;

    my $self = bless { t => $t, port => $t->port("proxy$n"),
        control => "control$n" }, $class;

    $t->daemon("proxy$n", 'python3', "$AI::Gateway::top/t/lib/proxy.py",
        "127.0.0.1:$self->{port}", $target,
        '127.0.0.1:' . $t->port($self->{control}));

    $t->waitforport($self->{control}) or die "the proxy did not start\n";

    return $self;
}


sub port { return $_[0]{port} }


sub command {
    my ($self, $line) = @_;

    my $s = IO::Socket::INET->new(Proto => 'tcp', Timeout => 10,
        PeerAddr => '127.0.0.1:' . $self->{t}->port($self->{control}))
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
