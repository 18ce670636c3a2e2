package AI::Client;

# A tiny HTTP/1.1 client for tests: one object is one connection.  It reads
# what comes byte by byte if asked to, tells a whole answer from a cut one,
# and sends whatever the test wants, right or wrong.

use strict;
use warnings;

use IO::Socket::INET;
use JSON::PP ();
use Socket qw(SOL_SOCKET SO_LINGER SO_RCVBUF IPPROTO_TCP TCP_NODELAY);
use Time::HiRes qw(time);

our $factor = $ENV{AI_TIMEOUT_FACTOR} || 1;
our $timeout = 10;


# peer => 'host:port', ssl => 1, rcvbuf => bytes, timeout => seconds

sub new {
    my ($class, %o) = @_;

    my $self = bless {
        buf     => '',
        eof     => 0,
        timeout => ($o{timeout} || $timeout) * $factor,
        trace   => [],
    }, $class;

    my $s = IO::Socket::INET->new(Proto => 'tcp')
        or die "socket: $!\n";

    if ($o{rcvbuf}) {
        setsockopt($s, SOL_SOCKET, SO_RCVBUF, $o{rcvbuf});
    }

    my ($host, $port) = split /:/, $o{peer};

    connect($s, Socket::pack_sockaddr_in($port, Socket::inet_aton($host)))
        or die "connect to $o{peer}: $!\n";

    setsockopt($s, IPPROTO_TCP, TCP_NODELAY, 1);

    if ($o{ssl}) {
        require IO::Socket::SSL;

        IO::Socket::SSL->start_SSL($s,
            SSL_verify_mode => IO::Socket::SSL::SSL_VERIFY_NONE())
            or die 'ssl: ' . IO::Socket::SSL::errstr() . "\n";
    }

    $self->{s} = $s;
    $self->{started} = time();

    return $self;
}


sub send {
    my ($self, $data) = @_;

    local $SIG{PIPE} = 'IGNORE';

    while (length $data) {
        my $n = syswrite($self->{s}, $data);

        return 0 unless defined $n;

        substr($data, 0, $n, '');
    }

    return 1;
}


# the bytes of a request; body: text, or a structure that becomes JSON

sub format_request {
    my ($method, $uri, $body, $headers) = @_;

    my %h = %{ $headers || {} };
    my $out = "$method $uri HTTP/1.1\r\n";

    my %have = map { lc $_ => 1 } keys %h;

    $body = JSON::PP->new->utf8->canonical->encode($body) if ref $body;

    $h{Host} = 'gateway.test' unless $have{host};

    if (defined $body) {
        $h{'Content-Type'} = 'application/json' unless $have{'content-type'};

        if (!$have{'content-length'} && !$have{'transfer-encoding'}) {
            $h{'Content-Length'} = length $body;
        }
    }

    for my $name (sort keys %h) {
        next unless defined $h{$name};

        for my $v (ref $h{$name} ? @{ $h{$name} } : $h{$name}) {
            $out .= "$name: $v\r\n";
        }
    }

    return $out . "\r\n" . (defined $body ? $body : '');
}


sub request {
    my ($self, $method, $uri, $body, $headers) = @_;

    $self->{method} = $method;
    delete $self->{head};
    $self->{started} = time();

    return $self->send(format_request($method, $uri, $body, $headers));
}


# waits for more bytes; undef at the end of file, dies when time is up

sub fill {
    my ($self, $size) = @_;

    return undef if $self->{eof};

    my $pending = ref $self->{s} eq 'IO::Socket::SSL' && $self->{s}->pending;

    if (!$pending) {
        my $rin = '';
        vec($rin, fileno($self->{s}), 1) = 1;

        my $n = select($rin, undef, undef, $self->{timeout});

        die "timed out waiting for an answer; got so far: "
            . substr($self->{buf}, 0, 400) . "\n"
            if !$n;
    }

    my $n = sysread($self->{s}, my $piece, $size || 65536);

    if (!$n) {
        $self->{reset} = 1 if !defined $n;
        $self->{eof} = 1;
        return undef;
    }

    $self->{buf} .= $piece;
    push @{ $self->{trace} }, [ time() - $self->{started}, $n ];

    return $n;
}


# whether the peer has closed, looked at without waiting

sub closed {
    my ($self) = @_;

    my $rin = '';
    vec($rin, fileno($self->{s}), 1) = 1;

    $self->fill while !$self->{eof} && select(my $r = $rin, undef, undef, 0);

    return $self->{eof};
}


# the head of the next answer; 1xx are passed over and kept in {interim}

sub head {
    my ($self) = @_;

    return $self->{head} if $self->{head};

    for ( ;; ) {
        if ($self->{buf} =~ /\r\n\r\n/) {
            my $head = substr($self->{buf}, 0, $+[0], '');
            my $r = parse_head($head);

            if ($r->{status} >= 100 && $r->{status} < 200) {
                push @{ $self->{interim} }, $r;
                next;
            }

            $r->{first_byte} = time() - $self->{started};

            $self->{left} = $r->{headers}{'content-length'};
            $self->{chunked} =
                ($r->{headers}{'transfer-encoding'} || '') =~ /chunked/i;

            if (($self->{method} || '') eq 'HEAD'
                || $r->{status} == 204 || $r->{status} == 304)
            {
                $self->{left} = 0;
                $self->{chunked} = 0;
            }

            $self->{complete} = 0;
            $self->{body} = '';

            return $self->{head} = $r;
        }

        return undef unless defined $self->fill;
    }
}


sub parse_head {
    my ($head) = @_;

    my ($line, @fields) = split /\r\n/, $head;
    my ($proto, $status, $reason) = $line =~ m{^(HTTP/\S+) (\d+) ?(.*)}
        or die "not an HTTP answer: $line\n";

    my %h;

    for (@fields) {
        my ($name, $value) = /^([^:]+):\s*(.*?)\s*$/ or next;

        $name = lc $name;
        $h{$name} = exists $h{$name} ? "$h{$name}, $value" : $value;
    }

    return {
        proto => $proto, status => $status, reason => $reason,
        headers => \%h, raw_head => $head,
    };
}


# the next decoded piece of the body; undef at its end, whole or cut

sub read_body {
    my ($self) = @_;

    $self->head or return undef;

    return undef if $self->{complete};

    my $piece = $self->{chunked} ? $self->read_chunk : $self->read_plain;

    $self->{body} .= $piece if defined $piece;

    return $piece;
}


sub read_plain {
    my ($self) = @_;

    if (defined $self->{left} && $self->{left} == 0) {
        $self->{complete} = 1;
        return undef;
    }

    if ($self->{buf} eq '' && !defined $self->fill) {
        $self->{complete} = 1 if !defined $self->{left} && !$self->{reset};
        return undef;
    }

    my $n = length $self->{buf};
    $n = $self->{left} if defined $self->{left} && $self->{left} < $n;

    $self->{left} -= $n if defined $self->{left};

    return substr($self->{buf}, 0, $n, '');
}


sub read_chunk {
    my ($self) = @_;

    my ($size, $skip);

    for ( ;; ) {
        if ($self->{buf} =~ /^([0-9a-fA-F]+)[^\r\n]*\r\n/) {
            ($size, $skip) = (hex $1, $+[0]);
            last;
        }

        die "bad chunk: " . substr($self->{buf}, 0, 40) . "\n"
            if length $self->{buf} > 1024;

        return undef unless defined $self->fill;
    }

    if ($size == 0) {
        my $end = qr/\A0+[^\r\n]*\r\n(?:[^\r\n]+\r\n)*\r\n/;

        while ($self->{buf} !~ $end) {
            return undef unless defined $self->fill;
        }

        $self->{buf} =~ s/$end//;
        $self->{complete} = 1;
        return undef;
    }

    while (length $self->{buf} < $skip + $size + 2) {
        return undef unless defined $self->fill;
    }

    my $data = substr($self->{buf}, $skip, $size);
    substr($self->{buf}, 0, $skip + $size + 2, '');

    return $data;
}


# reads on until the decoded body matches; false when it ended before

sub read_until {
    my ($self, $regex) = @_;

    $self->head or return 0;

    until ($self->{body} =~ $regex) {
        return 0 unless defined $self->read_body;
    }

    return 1;
}


# reads until n whole events of a stream are there

sub read_events {
    my ($self, $n) = @_;

    $self->head or return 0;

    while (events($self->{body}) < $n) {
        return 0 unless defined $self->read_body;
    }

    return 1;
}


# the rest of the answer, as a response

sub finish {
    my ($self) = @_;

    my $head = $self->head;

    if (!$head) {
        return AI::Response->new({
            status => 0, headers => {}, body => '', complete => 0,
            reset => $self->{reset},
        });
    }

    1 while defined $self->read_body;

    my $r = AI::Response->new({
        %$head, body => $self->{body}, complete => $self->{complete},
        time => time() - $self->{started}, reset => $self->{reset},
    });

    delete $self->{head};

    return $r;
}


# everything until the peer closes, undecoded

sub drain {
    my ($self) = @_;

    1 while defined $self->fill;

    return $self->{buf};
}


# events of a stream: [name, data] of each block that ends in an empty line

sub events {
    my ($text) = @_;

    my @events;

    $text =~ s/\r\n?/\n/g;

    while ($text =~ /\G((?:[^\n]+\n)*)\n/gc) {
        my ($name, @data);

        for (split /\n/, $1) {
            $name = $1 if /^event: ?(.*)/;
            push @data, $1 if /^data: ?(.*)/;
        }

        push @events, [ $name, join("\n", @data) ] if @data;
    }

    return @events;
}


sub half_close { shutdown($_[0]{s}, 1) }


sub close {
    my ($self) = @_;

    CORE::close($self->{s}) if $self->{s};
    $self->{s} = undef;
}


# closes with RST

sub reset {
    my ($self) = @_;

    setsockopt($self->{s}, SOL_SOCKET, SO_LINGER, pack('ii', 1, 0));
    $self->close;
}


sub DESTROY { $_[0]->close }


package AI::Response;

use strict;
use warnings;

sub new { return bless $_[1], $_[0] }

sub status { return $_[0]{status} }
sub body { return $_[0]{body} }
sub complete { return $_[0]{complete} }
sub header { return $_[0]{headers}{ lc $_[1] } }
sub id { return $_[0]{headers}{'x-request-id'} }

sub json {
    my ($self) = @_;

    my $v = eval { JSON::PP->new->utf8->decode($self->{body}) };

    return $v;
}

sub events { return AI::Client::events($_[0]{body}) }


# the objects in the data of a stream's events, [DONE] left out

sub chunks {
    my ($self) = @_;

    return map { JSON::PP->new->utf8->decode($_->[1]) }
        grep { $_->[1] ne '[DONE]' } $self->events;
}

1;
