package AI::Session;

# A connection to PostgreSQL that stays, for tests of two at once.
#
#   my $s = AI::Session->new($pg, role => 'ai_gateway');
#
#   $s->do('BEGIN');
#   $s->send('SELECT ...');             # does not wait
#   waitfor { $s->waits } or die;       # it stands at a lock
#   is($s->answer, '1|2', 'rows');      # waits for it; $s->state is SQLSTATE

use strict;
use warnings;

use IPC::Open2;


sub new {
    my ($class, $pg, %o) = @_;

    my $self = bless { pg => $pg, n => 0 }, $class;
    my ($bin) = reverse sort glob '/usr/lib/postgresql/*/bin';

    # errors are told by SQLSTATE

    $self->{child} = open2($self->{out}, $self->{in}, 'sh', '-c',
        'exec "$@" 2> /dev/null', 'sh', "$bin/psql", '-X', '-q', '-A', '-t',
        $pg->dsn($o{role}));
    $self->{in}->autoflush;
    $self->{pid} = $self->do('SELECT pg_backend_pid()');

    return $self;
}


sub send {
    my ($self, $sql) = @_;

    $self->{n}++;
    print { $self->{in} } "$sql;\n\\echo =$self->{n} :SQLSTATE\n";
}


sub answer {
    my ($self) = @_;

    my @rows;

    while (defined(my $line = readline $self->{out})) {
        chomp $line;

        if ($line =~ /^=(\d+) (\w+)$/ && $1 == $self->{n}) {
            $self->{state} = $2;

            return join "\n", @rows;
        }

        push @rows, $line;
    }

    die "psql has ended\n";
}


sub do {
    my ($self, $sql) = @_;

    $self->send($sql);

    return $self->answer;
}


sub state { return $_[0]{state} }


sub waits {
    my ($self) = @_;

    return $self->{pg}->value("SELECT count(*) FROM pg_locks
        WHERE pid = $self->{pid} AND NOT granted");
}


sub DESTROY {
    my ($self) = @_;

    local ($?, $!);

    close $self->{in};
    close $self->{out};
    waitpid $self->{child}, 0;
}

1;
