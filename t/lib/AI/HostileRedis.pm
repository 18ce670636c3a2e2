package AI::HostileRedis;

# A Redis that answers as it is told to: t/lib/hostile_redis.py.
#
#   my $h = AI::HostileRedis->new($t);
#   $t->run(redis_conf($h));
#   $h->say(call => "*1000000000\r\n", close => 1);
#   $h->usual;

use strict;
use warnings;

use IO::Socket::INET;
use JSON::PP ();

use AI::Gateway;

my $n = 0;


sub new {
    my ($class, $t) = @_;

    $n++;

    my $self = bless { t => $t, port => $t->port("hostile$n"),
        control => "hostile_control$n" }, $class;

    $t->daemon("hostile$n", 'python3', "$AI::Gateway::top/t/lib/"
        . 'hostile_redis.py', $self->addr,
        '127.0.0.1:' . $t->port($self->{control}));

    $t->waitforport($self->{control}) or die "the stand-in did not start\n";

    return $self;
}


sub port { return $_[0]{port} }

sub addr { return "127.0.0.1:$_[0]{port}" }


sub command {
    my ($self, $line) = @_;

    my $s = $self->{s} ||= IO::Socket::INET->new(Proto => 'tcp', Timeout => 10,
        PeerAddr => '127.0.0.1:' . $self->{t}->port($self->{control}))
        or die "stand-in: $!\n";

    print $s "$line\n";
    $s->flush;

    my $answer = <$s> // die "stand-in: no answer\n";

    $answer !~ /^unknown/ or die "stand-in: $line\n";

    return $answer;
}


sub say {
    my ($self, $name, $bytes, %o) = @_;

    my $hex = length $bytes ? unpack('H*', $bytes) : '-';

    $self->command(join ' ', 'say', $name, $hex,
        map { "$_=$o{$_}" } sort keys %o);
}


sub usual { return $_[0]->command('usual') }

sub push { return $_[0]->command('push ' . unpack 'H*', $_[1]) }

sub cluster { return $_[0]->command('cluster') }

sub stat { return JSON::PP::decode_json($_[0]->command('stat')) }

1;
