package AI::Pooler;

# pgbouncer in transaction mode in front of a test's PostgreSQL.
#
#   my $pool = AI::Pooler->new($t, $pg, users => { ai_gateway => 'ai_gateway' });
#
#   $pool->port; $pool->signal('KILL'); $pool->start;
#
# settings is text that is added to its configuration.

use strict;
use warnings;

use AI::Postgres;

my ($program) = grep { -x } '/usr/sbin/pgbouncer', '/usr/bin/pgbouncer';


sub found { return $program }


sub new {
    my ($class, $t, $pg, %o) = @_;

    my $self = bless { t => $t, dir => "$t->{dir}/pool" }, $class;
    my $extra = $o{settings} // '';

    mkdir $self->{dir};
    $t->write_file('pool/users.txt', join '', map {
        qq("$_" "$o{users}{$_}"\n) } sort keys %{ $o{users} });
    $t->write_file('pool/ini', <<EOF);
[databases]
ai = host=127.0.0.1 port=$pg->{port} dbname=ai

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %%PORT_6432%%
unix_socket_dir =
auth_type = trust
auth_file = $self->{dir}/users.txt
pool_mode = transaction
default_pool_size = 3
max_client_conn = 50
pidfile = $self->{dir}/pid
logfile = $self->{dir}/log
query_wait_timeout = 2
server_login_retry = 1
$extra
EOF

    AI::Postgres::own($pg, $self->{dir}, glob "$self->{dir}/*");

    return $self->start;
}


sub port { return $_[0]{t}->port(6432) }


sub start {
    my ($self) = @_;

    my @cmd = ($program, "$self->{dir}/ini");

    # runuser stays between: its child is what signals are for

    @cmd = ('setpriv', '--reuid=postgres', '--regid=postgres',
        '--clear-groups', @cmd) if !$>;

    unlink "$self->{dir}/pid";
    $self->{pid} = $self->{t}->daemon('pgbouncer', @cmd);

    $self->{t}->waitforport(6432) or die 'pgbouncer did not start: '
        . $self->{t}->read_file('pgbouncer.log');

    return $self;
}


sub signal {
    my ($self, $name) = @_;

    kill $name, $self->{pid};

    return if $name ne 'KILL';

    waitpid $self->{pid}, 0;

    my $daemons = $self->{t}{daemons};

    @$daemons = grep { $_ != $self->{pid} } @$daemons;
}

1;
