package AI::Postgres;

# A real PostgreSQL of a test, in the test's directory, with the schema of sql/.
#
#   my $t = AI::Gateway->new;
#   my $pg = AI::Postgres->new($t);
#
#   $t->run(gateway_conf(http => $pg->conf));
#   is($pg->value('SELECT count(*) FROM ai.usage_logs'), 1, 'row is there');
#
# Without a gateway: AI::Postgres->new.  The cluster is a copy of one that was
# made once for this state of sql/ (build/pg-*), so that a test begins quickly.
#
#   port => NAME         of the harness; 5432
#   schema => 0          an empty database
#   fsync => 1           as in production; a test's cluster does without
#   settings => { }      of postgresql.conf
#   auth => 'scram-sha-256'   for TCP; the passwords are ai_gateway, ai_admin
#
# The superuser "postgres" and every role come in by the socket without one.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use File::Path qw(rmtree);
use File::Temp qw(tempdir);
use Fcntl qw(:flock);
use IO::Socket::INET;
use POSIX ();
use Time::HiRes qw(sleep);

my $top = abs_path(dirname(__FILE__) . '/../../..');
my ($bin) = reverse sort { ($a =~ m{/(\d+)/})[0] <=> ($b =~ m{/(\d+)/})[0] }
    glob '/usr/lib/postgresql/*/bin';
my @alive;


sub new {
    my ($class, @o) = @_;

    my $t = @o && ref $o[0] ? shift @o : undef;
    my %o = @o;

    defined $bin or die "no PostgreSQL server is installed\n";

    my $dir = $t ? "$t->{dir}/pg" : abs_path(tempdir('ai-pg-XXXXXXXX',
        TMPDIR => 1));

    mkdir $dir;

    my $self = bless {
        dir => $dir,
        t => $t,
        owner => $$,
        port => $t ? $t->port($o{port} || 5432) : free_port(),
        options => \%o,
    }, $class;

    chmod 0755, $dir;
    mkdir "$dir/socket";
    $self->own($dir, "$dir/socket");

    my $template = template(exists $o{schema} ? $o{schema} : 1);

    run('cp', '-a', $template, "$dir/data");
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


# the server refuses to run as root

sub server_user { return $> ? undef : 'postgres' }

sub own {
    my ($self, @files) = @_;

    my $user = server_user() or return;
    my ($uid, $gid) = (getpwnam $user)[2, 3];

    chown $uid, $gid, @files;
}


sub run {
    my (@cmd) = @_;

    system(@cmd) == 0 or die "@cmd: failed ($?)\n";
}


sub as_server {
    my (@cmd) = @_;

    my $user = server_user();

    return $user ? ('runuser', '-u', $user, '--', @cmd) : @cmd;
}


# ---- the copy that others begin with ----

sub template {
    my ($schema) = @_;

    my $sum = substr `cat $top/sql/*.sql $top/tools/db | sha256sum`, 0, 16;
    my $name = $schema ? "pg-$sum" : 'pg-empty';
    my $dir = "$top/build/$name";

    mkdir "$top/build";

    open my $lock, '>', "$dir.lock" or die "$dir.lock: $!\n";
    flock $lock, LOCK_EX or die "flock: $!\n";

    return $dir if -f "$dir/made";

    rmtree($dir);

    my $self = bless { dir => tempdir('ai-pg-XXXXXXXX', TMPDIR => 1),
        port => free_port(), options => {} };

    chmod 0755, $self->{dir};
    mkdir "$self->{dir}/socket";
    $self->own($self->{dir}, "$self->{dir}/socket");

    my $out = join ' ', as_server("$bin/initdb", '-D', "$self->{dir}/data",
        '-U', 'postgres', '-E', 'UTF8', '--locale=C.UTF-8', '-A', 'trust',
        '-N', '--no-instructions');

    `cd / && $out 2>&1`;
    $? == 0 or die "initdb failed\n";

    $self->configure;
    $self->start;
    $self->psql('CREATE DATABASE ai', db => 'postgres');
    $self->migrate if $schema;
    $self->stop;

    run('cp', '-a', "$self->{dir}/data", $dir);
    open my $made, '>', "$dir/made" or die "$dir/made: $!\n";
    rmtree($self->{dir});

    return $dir;
}


sub configure {
    my ($self) = @_;

    my $o = $self->{options};

    my %set = (
        port => $self->{port},
        listen_addresses => "'127.0.0.1'",
        unix_socket_directories => "'$self->{dir}/socket'",
        fsync => $o->{fsync} ? 'on' : 'off',
        shared_buffers => "'32MB'",
        max_connections => 60,
        log_min_duration_statement => -1,
        logging_collector => 'off',
        autovacuum_naptime => "'10s'",
        %{ $o->{settings} || {} },
    );

    open my $f, '>', "$self->{dir}/data/postgresql.auto.conf"
        or die "postgresql.auto.conf: $!\n";
    print $f "$_ = $set{$_}\n" for sort keys %set;
    close $f;

    my $auth = $o->{auth} || 'trust';

    open $f, '>', "$self->{dir}/data/pg_hba.conf" or die "pg_hba.conf: $!\n";
    print $f "local all all trust\nhost all all 127.0.0.1/32 $auth\n";
    close $f;

    $self->own("$self->{dir}/data/postgresql.auto.conf",
        "$self->{dir}/data/pg_hba.conf");
}


sub migrate {
    my ($self) = @_;

    local $ENV{DB_QUIET} = 1;

    run("$top/tools/db", 'migrate', '-h', "$self->{dir}/socket",
        '-p', $self->{port}, '-U', 'postgres', '-d', 'ai');

    $self->psql("ALTER ROLE ai_gateway LOGIN PASSWORD 'ai_gateway';
        ALTER ROLE ai_admin LOGIN PASSWORD 'ai_admin'");
}


# ---- the server ----

sub start {
    my ($self) = @_;

    my $pid = fork();

    die "fork: $!\n" unless defined $pid;

    if ($pid == 0) {
        open STDIN, '<', '/dev/null';
        open STDOUT, '>>', "$self->{dir}/server.log";
        open STDERR, '>&', \*STDOUT;
        chdir '/';
        POSIX::setpgid(0, 0);
        exec(as_server("$bin/postgres", '-D', "$self->{dir}/data"))
            or POSIX::_exit(127);
    }

    $self->{runner} = $pid;

    for (1 .. 1500) {
        waitpid($pid, POSIX::WNOHANG) == $pid
            and die "PostgreSQL ended at once:\n" . $self->log;

        return $self if $self->ready;

        sleep 0.02;
    }

    die "PostgreSQL did not start:\n" . $self->log;
}


sub ready {
    my ($self) = @_;

    return system("$bin/pg_isready", '-q', '-h', "$self->{dir}/socket",
        '-p', $self->{port}) == 0;
}


sub postmaster {
    my ($self) = @_;

    open my $f, '<', "$self->{dir}/data/postmaster.pid" or return;

    my $pid = <$f>;

    chomp $pid;

    return $pid;
}


# the processes of the server; backends only: those of clients, which pass
# a filter on their titles if one is given ("ai_gateway")

sub backends {
    my ($self, $like) = @_;

    my $parent = $self->postmaster or return;
    my @pids;

    for my $stat (glob '/proc/[0-9]*/stat') {
        open my $f, '<', $stat or next;

        my $line = <$f> // next;
        my ($pid, $ppid) = $line =~ /^(\d+) \(.*\) \S (\d+)/ or next;

        next if $ppid != $parent;

        open my $c, '<', "/proc/$pid/cmdline" or next;

        my $title = <$c> // '';

        push @pids, $pid
            if $title =~ /^postgres: \S+ \S+ (?:\[local\]|[\d.]+\()/
            && (!defined $like || index($title, $like) >= 0);
    }

    return @pids;
}


# signal('STOP'): all of the server freezes; signal('KILL') ends it for good

sub signal {
    my ($self, $name) = @_;

    my $pid = $self->postmaster or return;
    my @all = ($pid);

    for my $stat (glob '/proc/[0-9]*/stat') {
        open my $f, '<', $stat or next;

        my ($p, $parent) = (<$f> // '') =~ /^(\d+) \(.*\) \S (\d+)/ or next;

        push @all, $p if $parent == $pid;
    }

    kill $name, @all;

    # runuser stops itself along with its child

    kill 'CONT', $self->{runner} if $name eq 'CONT' && $self->{runner};

    if ($name eq 'KILL') {
        $self->reap;
    }
}


# mode: fast, immediate, smart

sub stop {
    my ($self, $mode) = @_;

    my $pid = $self->postmaster;
    my %signals = (smart => 'TERM', fast => 'INT', immediate => 'QUIT');

    kill $signals{ $mode || 'fast' }, $pid if $pid && $self->{runner};
    $self->reap;
}


sub reap {
    my ($self) = @_;

    my $pid = delete $self->{runner} or return;

    for (1 .. 500) {
        return if waitpid($pid, POSIX::WNOHANG) != 0;

        sleep 0.02;
    }

    kill 'KILL', -$pid;
    waitpid $pid, 0;
}


sub restart {
    my ($self, $mode) = @_;

    $self->stop($mode);
    $self->start;
}


sub log {
    my ($self) = @_;

    open my $f, '<', "$self->{dir}/server.log" or return '';
    local $/;

    return scalar <$f> // '';
}


# ---- statements ----

# Output of psql, unaligned.  role => 'ai_gateway', db => 'postgres';
# dies with the server's words, unless error => \my $text takes them.

sub psql {
    my ($self, $sql, %o) = @_;

    my @cmd = ("$bin/psql", '-X', '-q', '-A', '-t', '-v', 'ON_ERROR_STOP=1',
        '-h', "$self->{dir}/socket", '-p', $self->{port},
        '-U', $o{role} || 'postgres', '-d', $o{db} || 'ai', '-f', '-');

    my $in = File::Temp->new;
    my $err = File::Temp->new;

    binmode $in;
    utf8::encode($sql) if utf8::is_utf8($sql);
    print $in $sql;
    close $in;

    my $cmd = join ' ', map { quotemeta } @cmd;
    my ($out, $text);

    # a server that recovers from a kill is waited for

    for (1 .. 300) {
        $out = `$cmd < $in 2> $err`;
        last if $? == 0;

        open my $f, '<', "$err" or die "$err: $!\n";
        $text = do { local $/; <$f> } // '';

        last if $text !~ /in recovery|starting up|shutting|not yet accepting/;
        sleep 0.1;
    }

    if ($?) {
        die "psql: $text" unless $o{error};
        ${ $o{error} } = $text;

        return;
    }

    ${ $o{error} } = '' if $o{error};
    chomp $out;

    return $out;
}


sub value { my $s = shift; return (split /\n/, $s->psql(@_) // '', 2)[0] }

# rows as lists of columns

sub rows {
    my $self = shift;

    return map { [ split /\|/, $_, -1 ] } split /\n/, $self->psql(@_) // '';
}


sub dsn {
    my ($self, $role) = @_;

    $role ||= 'postgres';

    return "host=$self->{dir}/socket port=$self->{port} dbname=ai user=$role";
}


# the block for nginx.conf; words replace or add directives

sub conf {
    my ($self, %o) = @_;

    my %c = (
        server => "127.0.0.1:$self->{port}",
        database => 'ai',
        user => 'ai_gateway',
        admin_user => 'ai_admin',
        %o,
    );

    for my $role ('ai_gateway', 'ai_admin') {
        my $file = "$self->{dir}/$role.pass";

        open my $f, '>', $file or die "$file: $!\n";
        print $f "$role\n";
        close $f;
        chmod 0600, $file;
    }

    $c{password_file} //= "$self->{dir}/ai_gateway.pass";
    $c{admin_password_file} //= "$self->{dir}/ai_admin.pass";

    return "    ai_postgres {\n" . join('', map { "        $_  $c{$_};\n" }
        grep { defined $c{$_} } sort keys %c) . "    }\n";
}


sub cleanup {
    my ($self) = @_;

    return if $self->{cleaned}++ || $self->{owner} != $$;

    $self->signal('CONT');
    $self->stop('immediate');
    rmtree($self->{dir}) unless $ENV{AI_LEAVE};
}


sub DESTROY { my ($self) = @_; $self->cleanup if $self->{owner} }

END {
    my $rc = $?;

    $_->cleanup for grep { $_ && $_->{owner} == $$ } @alive;
    $? = $rc;
}

1;
