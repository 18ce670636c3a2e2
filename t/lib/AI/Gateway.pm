package AI::Gateway;

# The harness of t/*.t: one object is one nginx in a directory of its own,
# with the stand-in providers next to it.
#
#   my $t = AI::Gateway->new;
#
#   $t->provider(8081);
#   $t->run(gateway_conf());
#
#   my $r = $t->chat({ model => 'gpt-4.1', messages => [ ... ] });
#
#   is($r->status, 200, 'plain answer');
#   is($t->waitrow($r->id)->{state}, 'final', 'row is final');
#
#   $t->done;
#
# done() stops nginx by QUIT and adds what every file must show: it left in
# time, no alerts, no sanitizer's or valgrind's line, no core, no descriptor
# left open.  A file that dies before is cleaned up all the same.
#
# The master runs as who runs the test.  For root that means workers of
# "nobody", as in production, so that a file which only root could open is
# noticed; the directory belongs to nobody then.
#
# Environment:
#   AI_NGINX           binary, /usr/sbin/nginx
#   AI_MODULE          the module; build/ngx_http_ai_tenant_module.so
#   AI_PRELOAD         LD_PRELOAD of nginx: the sanitizers' libraries
#   AI_VALGRIND        1: nginx under valgrind
#   AI_TIMEOUT_FACTOR  stretches every deadline
#   AI_LOG             level of error.log; info
#   AI_LEAVE           1: the directory stays after the test

use strict;
use warnings;

use Cwd qw(abs_path);
use Digest::SHA qw(sha256_hex sha256);
use Exporter 'import';
use File::Basename qw(dirname);
use File::Path qw(rmtree);
use File::Temp qw(tempdir);
use IO::Socket::INET;
use JSON::PP ();
use POSIX qw(:sys_wait_h);
use Test::More ();
use Time::HiRes qw(time sleep);

use AI::Client;
use AI::Conf;
use AI::Provider;

our @EXPORT = qw(waitfor gateway_conf make_key digest_of);

our $top = abs_path(dirname(__FILE__) . '/../../..');
our $factor = $ENV{AI_TIMEOUT_FACTOR} || 1;

my $json = JSON::PP->new->utf8->canonical;
my @alive;


# ---- waiting ----

# polls until the block is true; returns its value, or undef when time is up

sub waitfor (&;$) {
    my ($code, $seconds) = @_;

    my $end = time() + ($seconds || 10) * $factor;

    for ( ;; ) {
        my $v = $code->();

        return $v if $v;
        return undef if time() > $end;

        sleep 0.02;
    }
}


# ---- keys ----

# the key of a name: valid in shape and checksum, the same in each run

sub make_key {
    my ($name) = @_;

    my @digits = ('0' .. '9', 'A' .. 'Z', 'a' .. 'z');
    my $random = join '', map { $digits[$_ % 62] } unpack 'C32', sha256($name);
    my $crc = crc32($random);
    my $sum = '';

    for (1 .. 6) {
        $sum = $digits[$crc % 62] . $sum;
        $crc = int($crc / 62);
    }

    return "sk_ai_$random$sum";
}


sub crc32 {
    my ($data) = @_;

    my $crc = 0xffffffff;

    for my $byte (unpack 'C*', $data) {
        $crc ^= $byte;
        $crc = ($crc >> 1) ^ ($crc & 1 ? 0xedb88320 : 0) for 1 .. 8;
    }

    return $crc ^ 0xffffffff;
}


sub digest_of { return 'sha256:' . sha256_hex($_[0]) }

sub gateway_conf { return AI::Conf::gateway(@_) }


# ---- the object ----

# workers => n, host => ADDRESS that it listens on, netns => NAME of the network
# namespace it runs in, clock => 1: $t->{clock} sets the time of its processes
# (the configuration needs "env AI_CLOCK;")

sub new {
    my ($class, %o) = @_;

    my $dir = abs_path(tempdir('ai-gw-XXXXXXXX', TMPDIR => 1));

    chmod 0755, $dir;

    my $self = bless {
        dir       => $dir,
        pid       => $$,
        ports     => {},
        providers => {},
        daemons   => [],
        allowed   => [],
        stores    => {},
        mounts    => [],
        killed    => {},
        workers   => $o{workers} || 1,
        host      => $o{host} || '127.0.0.1',
        netns     => $o{netns},
    }, $class;

    mkdir "$dir/tmp";

    if ($o{clock}) {
        require AI::Clock;
        $self->{clock} = AI::Clock->new($dir);
    }

    give_away($dir, "$dir/tmp");

    # a canary, for tests that look for leaked secrets
    $self->write_file('provider.key', provider_key() . "\n");
    chmod 0600, "$dir/provider.key";

    push @alive, $self;

    return $self;
}


sub provider_key { return 'sk-provider-canary-0123456789abcdef' }

sub dir { return $_[0]{dir} }


# hands files to the user of the workers, when that is another one

sub give_away {
    my (@files) = @_;

    return if $>;

    my ($uid, $gid) = (getpwnam 'nobody')[2, 3];

    chown $uid, $gid, @files;
}


sub write_file {
    my ($self, $name, $text) = @_;

    open my $f, '>', "$self->{dir}/$name" or die "$self->{dir}/$name: $!\n";
    binmode $f;
    print $f $self->expand($text);
    close $f;

    return "$self->{dir}/$name";
}


sub read_file {
    my ($self, $name) = @_;

    open my $f, '<', "$self->{dir}/$name" or return '';
    binmode $f;
    local $/;

    return scalar <$f> // '';
}


# ---- ports ----

# The port of a name (8080 ... are names): free now, and kept from the other
# tests of this machine by a UDP socket bound to the same number; outside of
# the range that clients' sockets get.

sub port {
    my ($self, $name) = @_;

    my $p = $self->{ports}{$name};

    return $p->{port} if $p;

    for (1 .. 500) {
        my $port = 10240 + int rand 20000;

        my $lock = IO::Socket::INET->new(Proto => 'udp',
            LocalAddr => "127.0.0.1:$port") or next;

        my $try = IO::Socket::INET->new(Proto => 'tcp', Listen => 1,
            LocalAddr => "127.0.0.1:$port", ReuseAddr => 1) or next;

        close $try;

        $self->{ports}{$name} = { port => $port, lock => $lock };

        return $port;
    }

    die "no free port\n";
}


sub expand {
    my ($self, $text) = @_;

    $text =~ s/%%MAIN%%/AI::Conf::main($self->{workers})/ge;
    $text =~ s/%%HTTP%%/AI::Conf::http()/ge;
    $text =~ s/%%MODULES%%/modules()/ge;
    $text =~ s/%%PORT_(\w+)%%/$self->port($1)/ge;
    $text =~ s/%%KEY_(\w+)%%/digest_of(make_key($1))/ge;
    $text =~ s/%%DIR%%/$self->{dir}/g;
    $text =~ s/%%TOP%%/$top/g;

    return $text;
}


sub modules {
    my $so = $ENV{AI_MODULE} || "$top/build/ngx_http_ai_tenant_module.so";

    -f $so or die "$so: not built\n";

    return 'load_module ' . abs_path($so) . ';';
}


# ---- nginx ----

sub nginx_args {
    my ($self) = @_;

    return ($ENV{AI_NGINX} || '/usr/sbin/nginx', '-p', "$self->{dir}/",
        '-c', "$self->{dir}/nginx.conf", '-e', "$self->{dir}/error.log");
}


# nginx -t with a configuration: (whether it passed, what it said)

sub test_conf {
    my ($self, $conf) = @_;

    $self->write_file('nginx.conf', $conf) if defined $conf;

    my $pid = open my $f, '-|';

    if (!$pid) {
        set_env();
        open STDERR, '>&', \*STDOUT;
        exec($self->nginx_args, '-t') or POSIX::_exit(127);
    }

    local $/;
    my $out = <$f> // '';
    close $f;

    return ($? == 0, $out);
}


sub set_env {
    my ($self) = @_;

    my %env = $self && $self->{clock} ? $self->{clock}->env : ();

    $ENV{AI_CLOCK} = $env{AI_CLOCK} if $env{AI_CLOCK};

    my $all = join ' ', grep { $_ } $ENV{AI_PRELOAD}, $env{LD_PRELOAD};

    $ENV{LD_PRELOAD} = $all if $all;
}


sub command {
    my ($self) = @_;

    my @cmd = ($self->nginx_args, '-g', 'daemon off;');

    if ($ENV{AI_VALGRIND}) {
        unshift @cmd, 'valgrind', '-q', '--num-callers=30',
            '--leak-check=full', '--show-leak-kinds=definite',
            '--errors-for-leak-kinds=definite',
            "--suppressions=$top/t/lib/nginx.supp",
            "--log-file=$self->{dir}/valgrind.%p.log";
    }

    unshift @cmd, 'nsenter', "--net=/run/netns/$self->{netns}"
        if $self->{netns};

    return @cmd;
}


sub run {
    my ($self, $conf) = @_;

    $self->write_file('nginx.conf', $conf) if defined $conf;

    my $pid = fork();

    die "fork: $!\n" unless defined $pid;

    if ($pid == 0) {
        $self->set_env;
        open STDIN, '<', '/dev/null';
        open STDOUT, '>>', "$self->{dir}/stderr.log";
        open STDERR, '>&', \*STDOUT;

        # a group of its own, so that nothing outlives the test
        setpgrp(0, 0);
        exec($self->command) or POSIX::_exit(127);
    }

    $self->{master} = $pid;

    my $up = waitfor {
        return 1 if proc_state($pid) eq 'Z';

        return -s "$self->{dir}/nginx.pid"
            && $self->workers == $self->{workers};
    } 30;

    if (!$up || proc_state($pid) eq 'Z') {
        die "nginx did not start:\n" . $self->read_file('stderr.log')
            . $self->log;
    }

    $self->mark;

    return $self;
}


# pids of the workers that accept, oldest first

sub workers {
    my ($self) = @_;

    my %other = map { $_ => 1 } $self->cache_processes;

    return grep { !$other{$_} && !proc_leaving($_) } $self->children;
}


# valgrind hides the titles that tell nginx's cache processes from workers

sub cache_processes {
    my ($self) = @_;

    my $log = $ENV{AI_VALGRIND} ? $self->log : '';
    my @pids = $log =~ /start cache (?:manager|loader) process (\d+)/g;

    return @pids;
}


sub children {
    my ($self) = @_;

    return unless $self->{master};

    my @pids;

    for my $file (glob "/proc/$self->{master}/task/*/children") {
        open my $f, '<', $file or next;
        push @pids, split ' ', <$f> // '';
    }

    return sort { $a <=> $b } grep { proc_state($_) ne 'Z' } @pids;
}


sub proc_leaving {
    my ($pid) = @_;

    open my $f, '<', "/proc/$pid/cmdline" or return 1;

    return (<$f> // '') =~ /shutting down|cache (?:manager|loader)/;
}


# one letter, as ps shows it; Z also for a process that is gone

sub proc_state {
    my ($pid) = @_;

    open my $f, '<', "/proc/$pid/stat" or return 'Z';

    return ((<$f> // '') =~ /\) (\S)/)[0] || 'Z';
}


# HUP; true once a new set of workers serves.  old => 1 also waits until the
# former ones are gone.

sub reload {
    my ($self, $conf, %o) = @_;

    my %old = map { $_ => 1 } $self->workers;

    $self->write_file('nginx.conf', $conf) if defined $conf;

    kill 'HUP', $self->{master};

    my $new = waitfor {
        my @w = $self->workers;
        return @w == $self->{workers} && !grep { $old{$_} } @w;
    };

    if ($new && $o{old}) {
        $new = waitfor {
            my @c = $self->children;
            return !grep { $old{$_} } @c;
        };
    }

    $self->mark if $new;

    return $new;
}


# sends a signal to a worker, by default KILL to the first, and waits for the
# one that replaces it; returns the pid that was signalled

sub kill_worker {
    my ($self, $signal, $pid) = @_;

    $signal ||= 'KILL';
    ($pid) = $self->workers unless $pid;

    kill $signal, $pid or die "kill $pid: $!\n";

    return $pid if $signal =~ /^(?:STOP|CONT)$/;

    $self->{killed}{$pid} = 1;

    waitfor {
        my @w = $self->workers;
        return @w == $self->{workers} && !grep { $_ == $pid } @w;
    } or die "worker $pid was not replaced\n";

    $self->mark;

    return $pid;
}


# stops nginx by a signal; true when it left in time, with all its workers

sub stop {
    my ($self, $signal, $seconds) = @_;

    my $master = $self->{master} or return 1;
    my @children = $self->children;

    kill $signal || 'QUIT', $master;

    my $left = waitfor { waitpid($master, WNOHANG) == $master }
        $seconds || 15;

    if (!$left) {
        kill 'KILL', $master, @children;
        waitpid $master, 0;
    }

    delete $self->{master};

    return 0 unless $left;

    return 1 if waitfor { !grep { proc_state($_) ne 'Z' } @children } 5;

    kill 'KILL', @children;

    return 0;
}


# kill -9 of the master and of its workers at once, as when a node dies

sub crash {
    my ($self) = @_;

    my @children = $self->children;

    $self->{killed}{$_} = 1 for @children;

    kill 'KILL', $self->{master}, @children;
    waitpid $self->{master}, 0;
    delete $self->{master};

    waitfor { !grep { proc_state($_) ne 'Z' } @children };

    unlink "$self->{dir}/nginx.pid";
}


# kill -9 of the master alone; its workers serve on and are returned

sub orphan_workers {
    my ($self) = @_;

    my @children = $self->children;

    kill 'KILL', $self->{master};
    waitpid $self->{master}, 0;
    delete $self->{master};

    push @{ $self->{orphans} }, @children;
    unlink "$self->{dir}/nginx.pid";

    return @children;
}


# ---- other processes ----

sub provider {
    my ($self, $name, %o) = @_;

    return $self->{providers}{$name} = AI::Provider->new($self, $name, %o);
}


# several, which start side by side; in the order of their names

sub provide {
    my ($self, $names, %o) = @_;

    my @p = map { $self->provider($_, %o, later => 1) } @$names;

    $_->wait for @p;

    return @p;
}


# runs a program until done(); its output goes to <name>.log

sub daemon {
    my ($self, $name, @cmd) = @_;

    my $pid = fork();

    die "fork: $!\n" unless defined $pid;

    if ($pid == 0) {
        open STDIN, '<', '/dev/null';
        open STDOUT, '>>', "$self->{dir}/$name.log";
        open STDERR, '>&', \*STDOUT;
        exec(@cmd) or POSIX::_exit(127);
    }

    push @{ $self->{daemons} }, $pid;

    return $pid;
}


sub waitforport {
    my ($self, $name, $host) = @_;

    my $peer = ($host || '127.0.0.1') . ':' . $self->port($name);

    return waitfor {
        IO::Socket::INET->new(Proto => 'tcp', PeerAddr => $peer);
    } 15;
}


# ---- requests ----

# words of all that follow:
#
#   key => NAME or a whole key; undef for none; acme
#   auth => HEADER, Authorization
#   headers => { }, a list as value repeats the field
#   mock => { }, what the stand-in provider does: t/lib/provider.py
#   port => NAME, 8080; ssl => 1; rcvbuf => BYTES; timeout => SECONDS

sub connect {
    my ($self, %o) = @_;

    my $port = $self->port($o{port} || 8080);

    return AI::Client->new(%o, peer => "$self->{host}:$port");
}


# sends a request and returns the connection; the answer is still to be read

sub start {
    my ($self, $method, $uri, $body, %o) = @_;

    my $c = $self->connect(%o);

    $c->request($method, $uri, $body, headers(%o));

    return $c;
}


sub headers {
    my (%o) = @_;

    my %h = %{ $o{headers} || {} };
    my $key = exists $o{key} ? $o{key} : 'acme';

    if (defined $key) {
        $key = make_key($key) if $key !~ /^sk/;
        my $name = $o{auth} || 'Authorization';
        $h{$name} = $name eq 'Authorization' ? "Bearer $key" : $key;
    }

    if (defined $o{mock}) {
        $h{'X-Mock'} = JSON::PP->new->ascii->canonical->encode($o{mock});
    }

    return \%h;
}


sub request {
    my ($self, $method, $uri, $body, %o) = @_;

    return $self->start($method, $uri, $body, %o)->finish;
}


sub get { my ($s, $uri, %o) = @_; return $s->request('GET', $uri, undef, %o) }

sub post {
    my ($self, $uri, $body, %o) = @_;

    return $self->request('POST', $uri, $body, %o);
}


# chat completions; members of the body replace or add to a short one's

sub chat {
    my ($self, $body, %o) = @_;

    return $self->start_chat($body, %o)->finish;
}


sub start_chat {
    my ($self, $body, %o) = @_;

    if (!defined $body || ref $body) {
        $body = {
            model    => 'gpt-4.1',
            messages => [ { role => 'user', content => 'Hello' } ],
            %{ $body || {} },
        };
    }

    return $self->start('POST', '/v1/chat/completions', $body, %o);
}


# bytes as they are on a connection of their own; what came until it closed

sub raw {
    my ($self, $bytes, %o) = @_;

    my $c = $self->connect(%o);

    $c->send($bytes);
    $c->half_close if $o{half_close};

    return $c->drain;
}


# over HTTP/2 (prior knowledge), by curl

sub h2 { my $self = shift; return finish_h2($self->start_h2(@_)) }


# the same in two steps, for several at once

sub start_h2 {
    my ($self, $method, $uri, $body, %o) = @_;

    my $h = headers(%o);
    my $port = $self->port($o{port} || 8080);

    my @cmd = ('curl', '-sS', '--http2-prior-knowledge', '-i', '-N',
        '--max-time', ($o{timeout} || 20) * $factor, '-X', $method);

    if (defined $body) {
        $body = $json->encode($body) if ref $body;

        my $name = 'h2.body.' . ++$self->{h2};

        open my $f, '>', "$self->{dir}/$name" or die "$name: $!\n";
        binmode $f;
        print $f $body;
        close $f;

        push @cmd, '--data-binary', "\@$self->{dir}/$name",
            '-H', 'Content-Type: application/json';
    }

    push @cmd, map { ('-H', "$_: $h->{$_}") } sort keys %$h;

    open my $f, '-|', @cmd, "http://$self->{host}:$port$uri"
        or die "curl: $!\n";
    binmode $f;

    return $f;
}


sub finish_h2 {
    my ($f) = @_;

    my $out = do { local $/; <$f> // '' };
    close $f;
    my $rc = $? >> 8;

    $out =~ s{\AHTTP/2 1\d\d.*?\r\n\r\n}{}s;

    my ($head, $rest) = split /\r\n\r\n/, $out, 2;

    my $r = $head ? AI::Client::parse_head($head)
                  : { status => 0, headers => {} };

    return AI::Response->new({
        %$r, body => $rest // '', complete => !$rc, curl => $rc
    });
}


# ---- the ledger and the figures ----

# every row of usage.jsonl, those of its rotated files first

sub rows {
    my ($self, %o) = @_;

    my $dir = $o{dir} || "$self->{dir}/ledger";
    my @rows;

    for my $file (sort { (-M $b) <=> (-M $a) } glob "$dir/usage*.jsonl*") {
        open my $f, '<', $file or next;

        while (my $line = <$f>) {
            last if $line !~ /\n\z/;        # it is being written
            push @rows, $json->decode($line);
        }
    }

    return @rows;
}


# the row of a request; dies when there are two

sub row {
    my ($self, $id, %o) = @_;

    my @rows = grep { $_->{id} eq $id } $self->rows(%o);

    die "two rows of $id\n" if @rows > 1;

    return $rows[0];
}


# the row of an id as soon as it is there, else an empty one

sub waitrow {
    my ($self, $id, $seconds) = @_;

    return {} unless defined $id;

    return (waitfor { $self->row($id) } $seconds || 5) || {};
}


# all rows, once there are n of them or time is up

sub waitrows {
    my ($self, $n, $seconds) = @_;

    my @rows;

    waitfor { @rows = $self->rows; return @rows >= $n } $seconds || 5;

    return @rows;
}


# /ai/metrics: { 'name{label="x"}' => value }

sub metrics {
    my ($self) = @_;

    my %m;

    for (split /\n/, $self->get('/ai/metrics', key => undef)->body) {
        $m{$1} = $2 if /^([a-z_]+(?:\{.*\})?) (\S+)/;
    }

    return \%m;
}


sub status { return $_[0]->get('/ai/status', key => undef)->json }

sub log { return $_[0]->read_file('error.log') }


# true once error.log has a line that matches

sub waitlog {
    my ($self, $regex, $seconds) = @_;

    return waitfor { $self->log =~ $regex } $seconds || 5;
}


# lines of error.log that a test provokes, so that done() does not count them

sub allow {
    my ($self, @regex) = @_;

    push @{ $self->{allowed} }, @regex;
}


# A server that workers connect to when they must: the one that becomes the
# ledger's sink later than mark() may hold so many sockets to its port.

sub store {
    my ($self, $port, $connections) = @_;

    $self->{stores}{"connection to port $port"} = $connections;
}


# a file system of its own size for a directory of the test; false when that
# is not possible, as for another user than root

sub mount {
    my ($self, $name, $size) = @_;

    my $dir = "$self->{dir}/$name";

    mkdir $dir;

    return 0 if $> || system("mount -t tmpfs -o size=$size none $dir "
        . '2>/dev/null') != 0;

    push @{ $self->{mounts} }, $dir;

    return 1;
}


# nothing more can be written there, until unfill()

sub fill {
    my ($self, $name) = @_;

    # first in large steps, then to the last byte
    system("for n in 64k 1k; do dd if=/dev/zero of=$self->{dir}/$name/fill.\$n "
        . 'bs=$n 2>/dev/null; done; true');
}


sub unfill {
    my ($self, $name) = @_;

    unlink glob "$self->{dir}/$name/fill.*";
}


# ---- what every test shows at its end ----

# what each worker holds open: { pid => { socket => n, "/a/file" => n } }; a
# socket to a store is named by the store's port

sub descriptors {
    my ($self) = @_;

    my %all;
    my $store = $self->store_sockets;

    for my $pid ($self->workers) {
        my %n;

        for my $fd (glob "/proc/$pid/fd/*") {
            my $name = readlink $fd;

            next unless defined $name;

            $name = $store->{$1} || 'socket' if $name =~ /^socket:\[(\d+)/;
            $n{$name}++;
        }

        $all{$pid} = \%n;
    }

    return \%all;
}


# inode of a socket => the store that it is connected to

sub store_sockets {
    my ($self) = @_;

    my %name;

    return \%name unless %{ $self->{stores} };

    open my $f, '<', "/proc/$self->{master}/net/tcp" or return \%name;

    while (<$f>) {
        my ($port, $inode)
            = /^ *\d+: \S+ [0-9A-F]{8}:([0-9A-F]{4}) (?:\S+ +){6}(\d+)/
            ? (hex $1, $2) : next;
        my $store = "connection to port $port";

        $name{$inode} = $store if $self->{stores}{$store};
    }

    return \%name;
}


# takes what is open now for what may be open at the end; called when workers
# have started, and by tests that warm up more (a store's connections)

sub mark {
    my ($self) = @_;

    my ($last, $same) = ('', 0);

    # a worker is listed before it has opened all of its own
    waitfor {
        my $all = $self->descriptors;
        my $now = $json->encode($all);

        $same = $now eq $last ? $same + 1 : 0;
        $last = $now;

        return $same >= 3
            && !grep { !grep { /eventpoll/ } keys %$_ } values %$all;
    } 5;

    $self->{base} = $self->descriptors;
}


sub leaks {
    my ($self) = @_;

    my $now = $self->descriptors;
    my @leaks;

    for my $pid (sort keys %$now) {
        my $base = $self->{base}{$pid} or next;

        for my $name (sort keys %{ $now->{$pid} }) {
            my $had = $base->{$name} || 0;
            my $may = $self->{stores}{$name} || 0;
            my $has = $now->{$pid}{$name};

            # a file may be opened late, but once, also by the name that a
            # segment is made under; segments and the file of rows are also
            # read, by a descriptor for the time being
            $had ||= $name =~ m{^/}
                && $name !~ / \(deleted\)$/ || $name =~ m{/\d+\.new };
            $had = $may if $had < $may;
            $had = 2 if $had == 1 && $name =~ m{/(?:usage\.jsonl|\d+\.seg)$};

            # a slow worker hears late of nginx's cache processes
            $had += $self->cache_processes if $name eq 'socket';

            push @leaks, "worker $pid: $name: $had -> $has" if $has > $had;
        }
    }

    return @leaks;
}


sub alerts {
    my ($self) = @_;

    return grep {
        /\[(?:alert|emerg|crit)\]|open socket/ && !$self->is_allowed($_)
    } split /\n/, $self->log;
}


sub is_allowed {
    my ($self, $line) = @_;

    # it may have held the mutex of a zone, which nginx unlocks and tells

    if ($line =~ /process (\d+) exited on signal \d/
        || $line =~ /shared memory zone .* was locked by (\d+)/)
    {
        return 1 if $self->{killed}{$1};
    }

    return scalar grep { $line =~ $_ } @{ $self->{allowed} };
}


sub sanitizer_lines {
    my ($self) = @_;

    my @lines;

    for my $file (glob "$self->{dir}/{error.log,stderr.log,asan*}") {
        open my $f, '<', $file or next;

        push @lines, grep {
            /runtime error:|Sanitizer|stack smashing|malloc\(\): /
        } <$f>;
    }

    for my $file (glob "$self->{dir}/valgrind.*.log") {
        open my $f, '<', $file or next;

        push @lines, grep { /\S/ } <$f>;
    }

    chomp @lines;

    return @lines;
}


sub done {
    my ($self) = @_;

    return if $self->{done}++;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    # the connections kept to providers close first
    $_->stop for values %{ $self->{providers} };

    my @leaks;

    waitfor { @leaks = $self->leaks; return !@leaks } 5 if $self->{master};

    Test::More::is(join("\n", @leaks), '', 'no descriptor left open');
    Test::More::ok($self->stop, 'quits in time');
    Test::More::is(join("\n", $self->alerts), '', 'no alerts');
    Test::More::is(join("\n", $self->sanitizer_lines), '',
        'nothing from sanitizers');
    Test::More::is(join(' ', glob "$self->{dir}/core*"), '', 'no core');

    $self->cleanup;
}


sub cleanup {
    my ($self) = @_;

    $_->stop for values %{ $self->{providers} };

    if (my $master = delete $self->{master}) {
        kill 'KILL', -$master;
        waitpid $master, 0;
    }

    kill 'KILL', @{ $self->{orphans} } if $self->{orphans};

    for my $pid (splice @{ $self->{daemons} }) {
        kill 'TERM', $pid;

        next if waitfor { waitpid($pid, WNOHANG) == $pid } 3;

        kill 'KILL', $pid;
        waitpid $pid, 0;
    }

    if ($ENV{AI_LEAVE}) {
        Test::More::diag("left: $self->{dir}");
        return;
    }

    system("umount -l $_") for splice @{ $self->{mounts} };
    rmtree($self->{dir});
}


END {
    my $rc = $?;

    for my $t (@alive) {
        next if $t->{done} || $t->{pid} != $$;

        my @lines = split /\n/, $t->log;

        splice @lines, 0, -20 if @lines > 20;

        Test::More::diag("the test ended early; last lines of error.log:\n"
            . join "\n", @lines);

        $t->cleanup;
        $rc ||= 1;
    }

    # spares the tests a done_testing() of their own

    if (@alive && !$rc && !Test::More->builder->has_plan) {
        Test::More::done_testing();
    }

    $? = $rc;
}

1;
