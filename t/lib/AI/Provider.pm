package AI::Provider;

# A stand-in provider (t/lib/provider.py) of a test.

use strict;
use warnings;

use IO::Socket::INET;
use JSON::PP ();
use POSIX qw(:sys_wait_h);

use AI::Client;

my $json = JSON::PP->new->utf8;


# name: of the port; sync => 1: the journal is written through to the disk;
# full => 1: it also has bodies and keys; behave => { } from the start on;
# later => 1: wait() will be called; ssl => { cert => FILE, key => FILE }

sub new {
    my ($class, $t, $name, %o) = @_;

    my $self = bless {
        name    => $name,
        port    => $t->port($name),
        journal => "$t->{dir}/journal-$name.jsonl",
        log     => "$t->{dir}/provider-$name.log",
        options => \%o,
    }, $class;

    $self->start;

    return $self;
}


sub start {
    my ($self) = @_;

    my $o = $self->{options};

    my @cmd = ('/usr/bin/python3', "$AI::Gateway::top/t/lib/provider.py",
        '--port', $self->{port}, '--journal', $self->{journal},
        '--name', $self->{name});

    push @cmd, '--sync' if $o->{sync};
    push @cmd, '--full' if $o->{full};
    push @cmd, '--behave', $json->encode($o->{behave}) if $o->{behave};
    push @cmd, '--cert', $o->{ssl}{cert}, '--key', $o->{ssl}{key} if $o->{ssl};

    my $pid = fork();

    die "fork: $!\n" unless defined $pid;

    if ($pid == 0) {
        open STDIN, '<', '/dev/null';
        open STDOUT, '>>', $self->{log};
        open STDERR, '>&', \*STDOUT;
        exec(@cmd) or POSIX::_exit(127);
    }

    $self->{pid} = $pid;
    $self->wait unless $o->{later};
}


# until it serves

sub wait {
    my ($self) = @_;

    my $pid = $self->{pid};

    my $up = AI::Gateway::waitfor(sub {
        die "provider ended at once, see $self->{log}\n"
            if waitpid($pid, WNOHANG) == $pid;

        return IO::Socket::INET->new(Proto => 'tcp',
            PeerAddr => "127.0.0.1:$self->{port}");
    }, 15);

    die "provider did not start\n" unless $up;
}


# kill -9: every connection breaks

sub stop {
    my ($self) = @_;

    my $pid = delete $self->{pid} or return;

    kill 'KILL', $pid;
    waitpid $pid, 0;
}


sub signal { return kill $_[1], $_[0]{pid} }


# one entry per request, in the order of their ends

sub journal {
    my ($self) = @_;

    open my $f, '<', $self->{journal} or return;

    return map { $json->decode($_) } grep { /\n\z/ } <$f>;
}


# those of one request id, several when it was tried again; without an id all

sub entries {
    my ($self, $id) = @_;

    return $self->journal if @_ == 1;

    return grep { ($_->{id} // '') eq ($id // '') } $self->journal;
}


# all entries, once there are n of them or time is up

sub waitentries {
    my ($self, $n, $seconds) = @_;

    my @e;

    AI::Gateway::waitfor(sub { @e = $self->journal; @e >= $n }, $seconds || 5);

    return @e;
}


sub ask {
    my ($self, $method, $uri, $body) = @_;

    my $c = AI::Client->new(peer => "127.0.0.1:$self->{port}",
        ssl => $self->{options}{ssl} ? 1 : 0);

    $c->request($method, $uri, $body, { Connection => 'close' });

    return $c->finish;
}


# figures of this moment: requests, open, open_streams, connections

sub state { return $_[0]->ask('GET', '/_state')->json }

sub open_streams { return $_[0]->state->{open_streams} }

sub requests { return $_[0]->state->{requests} }


# what a request gets that brings no X-Mock of its own; undef: the usual

sub behave { return $_[0]->ask('POST', '/_behave', $_[1] || {})->status == 200 }

1;
