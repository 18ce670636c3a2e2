package AI::Resp;

# A client of Redis for tests: one object is one connection.
#
#   my $c = AI::Resp->new('127.0.0.1:6379');
#
#   $c->cli('HGET', 'key', 'field');
#
# A reply is a string, undef for nil, a list reference for an array; an error
# dies with the server's words, unless it is inside of an array, where it is a
# reference to them.

use strict;
use warnings;

use IO::Socket::INET;
use IO::Socket::UNIX;
use Socket qw(IPPROTO_TCP TCP_NODELAY);


# address: HOST:PORT or unix:/path; timeout => SECONDS that a reply may take

sub new {
    my ($class, $address, %o) = @_;

    my $s = $address =~ /^unix:(.*)/
        ? IO::Socket::UNIX->new(Peer => $1)
        : IO::Socket::INET->new(Proto => 'tcp', PeerAddr => $address,
            Timeout => $o{timeout} || 10);

    die "connect to $address: $!\n" unless $s;

    binmode $s;
    setsockopt($s, IPPROTO_TCP, TCP_NODELAY, 1) if $address !~ /^unix/;

    return bless { s => $s, buf => '', timeout => $o{timeout} || 10 }, $class;
}


sub cli {
    my ($self, @words) = @_;

    $self->send(@words);

    my $r = $self->reply;

    die "$$r\n" if ref $r eq 'SCALAR';

    return $r;
}


# several may be sent before their replies are read

sub send {
    my ($self, @words) = @_;

    local $SIG{PIPE} = 'IGNORE';

    my $out = '*' . @words . "\r\n";

    for my $word (@words) {
        my $bytes = "$word";

        utf8::encode($bytes) if utf8::is_utf8($bytes);
        $out .= '$' . length($bytes) . "\r\n$bytes\r\n";
    }

    while (length $out) {
        my $n = syswrite($self->{s}, $out) // die "write to redis: $!\n";

        substr($out, 0, $n, '');
    }
}


sub reply {
    my ($self) = @_;

    my $line = $self->line;
    my $kind = substr($line, 0, 1, '');

    return $line if $kind eq '+' || $kind eq ':';
    return \$line if $kind eq '-';

    if ($kind eq '$') {
        return undef if $line < 0;

        $self->fill while length $self->{buf} < $line + 2;

        my $text = substr($self->{buf}, 0, $line, '');

        substr($self->{buf}, 0, 2, '');

        return $text;
    }

    if ($kind eq '*') {
        return $line < 0 ? undef : [ map { $self->reply } 1 .. $line ];
    }

    die "redis said: $kind$line\n";
}


sub line {
    my ($self) = @_;

    my $at;

    $self->fill while ($at = index $self->{buf}, "\r\n") < 0;

    my $line = substr($self->{buf}, 0, $at, '');

    substr($self->{buf}, 0, 2, '');

    return $line;
}


sub fill {
    my ($self) = @_;

    my $rin = '';

    vec($rin, fileno($self->{s}), 1) = 1;

    select($rin, undef, undef, $self->{timeout})
        or die "redis did not answer in $self->{timeout} s\n";

    sysread($self->{s}, $self->{buf}, 65536, length $self->{buf})
        or die "redis closed the connection\n";
}

1;
