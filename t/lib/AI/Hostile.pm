package AI::Hostile;

# A PostgreSQL that answers as it is told to: t/lib/hostile_pg.py.
#
#   my $pg = AI::Hostile->new($t);
#   $t->run(gateway_conf(http => $pg->conf));
#   $pg->set(ship => 'endless', login => 'close');   # all others: as it should
#   $pg->answered('ship', 'endless')

use strict;
use warnings;

use IO::Socket::INET;
use JSON::PP ();

use AI::Gateway;


sub new {
    my ($class, $t) = @_;

    my $self = bless { t => $t, port => $t->port('hostile') }, $class;

    $t->daemon('hostile', 'python3', "$AI::Gateway::top/t/lib/hostile_pg.py",
        "127.0.0.1:$self->{port}", '127.0.0.1:' . $t->port('hostile_control'));

    $t->waitforport('hostile_control') or die "the stand-in did not start\n";

    return $self;
}


sub command {
    my ($self, $line) = @_;

    my $s = IO::Socket::INET->new(Proto => 'tcp', Timeout => 10,
        PeerAddr => '127.0.0.1:' . $self->{t}->port('hostile_control'))
        or die "stand-in: $!\n";

    print $s "$line\n";

    return scalar <$s> // die "stand-in: no answer\n";
}


sub set {
    my ($self, %w) = @_;

    $self->command(join ' ', 'set', map { "$_=$w{$_}" } sort keys %w);
}


sub stat { return JSON::PP::decode_json($_[0]->command('stat')) }


# how many statements of a name were answered by a word

sub answered {
    my ($self, $name, $word) = @_;

    return $self->stat->{counts}{$name}{$word} || 0;
}


sub conf {
    my ($self, %o) = @_;

    my %c = (
        server => "127.0.0.1:$self->{port}", database => 'ai',
        user => 'ai_gateway', admin_user => 'ai_admin',
        timeout => '1s', poll => '100ms', connect_timeout => '1s',
        %o,
    );

    return "    ai_postgres {\n" . join('', map { "        $_  $c{$_};\n" }
        sort keys %c) . "    }\n";
}

1;
