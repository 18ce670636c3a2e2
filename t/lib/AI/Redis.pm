package AI::Redis;

# A real redis-server of a test, in the test's directory.
#
#   my $t = AI::Gateway->new;
#   my $r = AI::Redis->new($t);
#
#   $t->run(gateway_conf(http => $r->conf(nodes => 2)));
#   is($r->cli('DBSIZE'), 0, 'nothing is there');
#
# Without a gateway: AI::Redis->new.  What else runs on this machine, Debian's
# own server on 6379 for one, does not matter.
#
#   port => NAME         of the harness; 6379
#   host => ADDRESS      that it listens on; 127.0.0.1
#   socket => 1          listens on a unix socket, too
#   options => { }       of redis.conf
#   users => { NAME => RULES }   of its ACL; then "default" is off unless named
#   appendonly => 1      keeps what it has over restarts, each write synced
#   replica_of => REDIS
#   clock => 1           its clock can be set
#   cluster => 1         a member of a cluster, see AI::RedisCluster
#   netns => NAME        the network namespace it runs in
#   patience => SECONDS  that a reply to the test may take; 10

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use File::Path qw(rmtree);
use File::Temp qw(tempdir);
use IO::Socket::INET;
use POSIX ();
use Time::HiRes qw(sleep);

use AI::Clock;
use AI::Resp;

my ($program) = grep { -x } '/usr/bin/redis-server', '/usr/sbin/redis-server',
    '/usr/local/bin/redis-server';
my @alive;


sub found { return $program }


sub new {
    my ($class, @o) = @_;

    my $t = @o && ref $o[0] ? shift @o : undef;
    my %o = @o;

    defined $program or die "no redis-server is installed\n";

    my $name = $o{port} || 6379;
    my $dir = $t ? "$t->{dir}/redis-$name" : abs_path(tempdir(
        'ai-redis-XXXXXXXX', TMPDIR => 1));

    mkdir $dir;

    my $self = bless {
        dir => $dir,
        t => $t,
        owner => $$,
        host => $o{host} || '127.0.0.1',
        port => $t ? $t->port($name) : free_port(),
        options => \%o,
    }, $class;

    # names, so that they are kept from others

    $self->{bus} = $t ? $t->port("$name-bus") : free_port() if $o{cluster};

    $self->{clock} = AI::Clock->new($dir) if $o{clock};
    $self->configure;
    push @alive, $self;
    $self->start;

    return $self;
}


sub free_port {
    for (1 .. 500) {
        my $port = 10240 + int rand 20000;
        my $s = IO::Socket::INET->new(Proto => 'tcp', Listen => 1,
            LocalAddr => "127.0.0.1:$port", ReuseAddr => 1) or next;

        close $s;

        return $port;
    }

    die "no free port\n";
}


sub configure {
    my ($self) = @_;

    my $o = $self->{options};

    my %set = (
        port => $self->{port},
        bind => $self->{host},
        'protected-mode' => 'no',
        dir => $self->{dir},
        save => '""',
        appendonly => $o->{appendonly} ? 'yes' : 'no',
        appendfsync => 'always',
        'repl-diskless-sync' => 'yes',
        'repl-diskless-sync-delay' => 0,
        'repl-ping-replica-period' => 1,
        $o->{socket} ? (unixsocket => "$self->{dir}/socket",
            unixsocketperm => 777) : (),
        $o->{replica_of} ? (replicaof => "$o->{replica_of}{host} "
            . $o->{replica_of}->port) : (),
        $o->{cluster} ? ('cluster-enabled' => 'yes',
            'cluster-port' => $self->{bus},
            'cluster-node-timeout' => 2000) : (),
        %{ $o->{options} || {} },
    );

    open my $f, '>', "$self->{dir}/redis.conf" or die "redis.conf: $!\n";
    print $f "$_ $set{$_}\n" for sort { $a cmp $b } CORE::keys %set;

    if (my $users = $o->{users}) {
        print $f "user default off\n" unless $users->{default};
        print $f "user tester on nopass ~* &* +\@all\n";
        print $f "user $_ on $users->{$_}\n"
            for sort { $a cmp $b } CORE::keys %$users;
    }

    close $f;
}


# ---- the server ----

sub start {
    my ($self) = @_;

    my $pid = fork() // die "fork: $!\n";

    if ($pid == 0) {
        open STDIN, '<', '/dev/null';
        open STDOUT, '>>', "$self->{dir}/server.log";
        open STDERR, '>&', \*STDOUT;
        $self->{clock}->preload if $self->{clock};
        chdir '/';
        POSIX::setpgid(0, 0);
        exec($self->command) or POSIX::_exit(127);
    }

    $self->{pid} = $pid;
    delete $self->{conn};

    for (1 .. 750) {
        waitpid($pid, POSIX::WNOHANG) == $pid
            and die "redis-server ended at once:\n" . $self->log;

        return $self if $self->ready;

        sleep 0.02;
    }

    die "redis-server did not start:\n" . $self->log;
}


sub command {
    my ($self) = @_;

    my $ns = $self->{options}{netns};

    return ($ns ? ('nsenter', "--net=/run/netns/$ns") : (), $program,
        "$self->{dir}/redis.conf");
}


# it answers, and has read what it kept

sub ready { return eval { $_[0]->cli('PING') eq 'PONG' } }


sub pid { return $_[0]{pid} }

sub port { return $_[0]{port} }

# as a "server" line has it

sub addr { return "$_[0]{host}:$_[0]{port}" }

sub unix { return "unix:$_[0]{dir}/socket" }


sub signal { return $_[0]{pid} && kill $_[1], $_[0]{pid} }

sub stop { return $_[0]->signal('STOP') }

sub cont { return $_[0]->signal('CONT') }


# kill -9

sub kill {
    my ($self) = @_;

    my $pid = delete $self->{pid} or return;

    delete $self->{conn};
    CORE::kill 'KILL', $pid;
    waitpid $pid, 0;
}


# On the same port: with what it kept, which is nothing without appendonly;
# empty => 1: with nothing in any case.

sub restart {
    my ($self, %o) = @_;

    $self->kill;
    $self->wipe if $o{empty};

    return $self->start;
}


sub wipe {
    my ($self) = @_;

    unlink "$self->{dir}/dump.rdb";
    rmtree("$self->{dir}/appendonlydir");
}


sub log {
    my ($self) = @_;

    open my $f, '<', "$self->{dir}/server.log" or return '';
    local $/;

    return scalar <$f> // '';
}


# ---- commands ----

# over a connection that stays, and is made anew when it broke

sub cli {
    my ($self, @words) = @_;

    my $c = $self->{conn} ||= $self->connect;
    my $r = eval { $c->send(@words); $c->reply };

    if ($@) {
        delete $self->{conn};
        die $@;
    }

    die "$$r\n" if ref $r eq 'SCALAR';

    return $r;
}


sub connect {
    my ($self, %o) = @_;

    my $c = AI::Resp->new($self->addr,
        timeout => $self->{options}{patience}, %o);

    $c->cli('AUTH', 'tester', '') if $self->{options}{users};

    return $c;
}


sub flushall { return $_[0]->cli('FLUSHALL') }

sub script_flush { return $_[0]->cli('SCRIPT', 'FLUSH') }

sub set { my ($s, @words) = @_; return $s->cli('CONFIG', 'SET', @words) }


# { name => value } of one section, or of all

sub info {
    my ($self, $section) = @_;

    my $text = $self->cli('INFO', $section || 'all');

    return { map { /^(\w+):(.*?)\r?$/ ? ($1, $2) : () } split /\n/, $text };
}


sub keys {
    my ($self, $pattern) = @_;

    my @keys = sort @{ $self->cli('KEYS', $pattern // '*') };

    return @keys;
}


sub hash {
    my ($self, $key) = @_;

    return { @{ $self->cli('HGETALL', $key) } };
}


# ---- replication ----

sub replicaof {
    my ($self, $master) = @_;

    return $self->cli('REPLICAOF', $master->{host}, $master->port);
}


sub promote { return $_[0]->cli('REPLICAOF', 'NO', 'ONE') }


# a replica that has all that its master has

sub waitsync {
    my ($self) = @_;

    for (1 .. 500) {
        my $i = $self->info('replication');

        return 1 if $i->{role} eq 'slave'
            && $i->{master_link_status} eq 'up';

        sleep 0.02;
    }

    return 0;
}


# ---- its clock ----

# so many seconds from the true time, decimals too; 0: right again

sub shift_clock {
    my ($self, $seconds) = @_;

    $self->{clock} or die "this server has no clock of its own\n";
    $self->{clock}->set($seconds);
}


# ---- the gateway's side ----

# the block for nginx.conf; words replace or add directives; a list repeats one

sub conf {
    my ($self, %o) = @_;

    my $t = delete $o{gateway} || $self->{t};

    my %c = (server => $self->addr, %o);
    my $out = '';

    for my $name (sort { $a cmp $b } CORE::keys %c) {
        next unless defined $c{$name};

        for my $v (ref $c{$name} ? @{ $c{$name} } : $c{$name}) {
            $out .= "        $name  $v;\n";

            $t->store($1, 1) if $t && $name eq 'server' && $v =~ /:(\d+)$/;
        }
    }

    return "    ai_redis {\n$out    }\n";
}


sub cluster {
    my ($class, @o) = @_;

    require AI::RedisCluster;

    return AI::RedisCluster->new(@o);
}


sub cleanup {
    my ($self) = @_;

    return if $self->{cleaned}++ || $self->{owner} != $$;

    $self->kill;
    rmtree($self->{dir}) unless $ENV{AI_LEAVE} || $self->{t};
}


sub DESTROY { my ($self) = @_; $self->cleanup if $self->{owner} }

END {
    my $rc = $?;

    $_->cleanup for grep { $_ && $_->{owner} == $$ } @alive;
    $? = $rc;
}

1;
