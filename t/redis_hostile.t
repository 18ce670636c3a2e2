#!/usr/bin/perl

# A Redis that means harm, or is something else.  Whatever it says: no worker
# dies, memory stays bounded, the connection is closed, no call gets what is
# another's, and all is well when it speaks properly again.

use strict;
use warnings;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";

use AI::Gateway;
use AI::HostileRedis;
use AI::RedisTest;
use Time::HiRes qw(time sleep);

my $t = AI::Gateway->new;
my $h = AI::HostileRedis->new($t);

my $args = 'timeout=300ms connect_timeout=300ms';

$t->run(redis_conf($h, args => $args));

sub resident {
    my ($pid) = $t->workers;

    open my $f, '<', "/proc/$pid/status" or return 0;

    return (join('', <$f>) =~ /^VmRSS:\s+(\d+)/m)[0];
}

# a new worker, which has not lost a connection yet

sub fresh {
    $h->usual;
    $t->reload;
}

is(call($t, 'k', 'echo', 'a'), '200 echo|a', 'the stand-in is a Redis');

my $base = resident();
my $worst = 0;

# what a call gets, what the log says of the connection; undef: it is kept

sub hostile {
    my ($name, $bytes, $status, $reason, %o) = @_;

    fresh();
    call($t, 'k', 'echo') eq '200 echo' or die 'not ready';

    my ($pid) = $t->workers;
    my $mark = length $t->log;
    my $lost = 0;

    $h->say(call => $bytes, %o);

    my $got = call($t, 'k', 'echo', 'mine');

    $h->usual;
    like($got, $status, $name) or return;

    if ($reason) {
        waitfor { $lost = stat_of($t)->{lost} };
        like(substr($t->log, $mark), qr/connection lost \(.*$reason/,
            "$name: closed") if $lost;
    }

    is($lost ? 1 : stat_of($t)->{lost}, $reason ? 1 : 0,
        "$name: " . ($reason ? 'lost' : 'the connection stays'));

    is(($t->workers)[0], $pid, "$name: the worker lives");

    my $now = resident() - $base;

    $worst = $now if $now > $worst;

    # whether closed or not, what comes next is one's own

    ok((waitfor { call($t, 'k', 'echo', 'next') eq '200 echo|next' }),
        "$name: and then");
}

my $abort = qr/^504 ABORT /;
my $large = 'a reply that is too large';
my $odd = 'an odd reply';
my $protocol = 'Protocol error|Bad |out of range|No support';

# lengths

hostile('2 GB', "\$2147483648\r\n", $abort, $large, x => -1);
hostile('1 TB', "\$1099511627776\r\n", $abort, $large, x => 200_000);
hostile('2^63 - 1', "\$9223372036854775807\r\n", $abort, $large,
    x => 200_000);
hostile('2^63', "\$9223372036854775808\r\n", $abort, $protocol);
hostile('too many digits', '$' . '9' x 100 . "\r\n", $abort, $protocol);
hostile('2 GB and silence', "\$2147483648\r\n", $abort, 'no reply in 300ms');
hostile('65537 bytes', "*1\r\n\$65537\r\n", $abort, $large, x => 65537);
hostile('100 kB in 100 strings', "*100\r\n" . ("\$1000\r\n" . 'x' x 1000
    . "\r\n") x 100, $abort, $large);
hostile('length -2', "\$-2\r\n", $abort, $protocol);
hostile('length -1', "\$-1\r\n", $abort, $odd);
hostile('length of letters', "\$abc\r\n", $abort, $protocol);
hostile('no length', "\$\r\n", $abort, $protocol);
hostile('a longer string', "*1\r\n\$3\r\nabcde\r\n", $abort,
    'a string without its end');
hostile('a shorter string', "*1\r\n\$9\r\nabc\r\n\$1\r\nx\r\n", $abort,
    'a string without its end|no reply');

# arrays

hostile('10^9 elements', "*1000000000\r\n", $abort, $large);
hostile('2^31 - 1 elements', "*2147483647\r\n", $abort, $large);
hostile('2^31 elements', "*2147483648\r\n", $abort, "$protocol|$large");
hostile('2^64 elements', "*18446744073709551616\r\n", $abort, $protocol);
hostile('1025 elements', "*1025\r\n", $abort, $large);
hostile('-2 elements', "*-2\r\n", $abort, $protocol);
hostile('-1 elements', "*-1\r\n", $abort, $odd);
hostile('an array in an array', "*1\r\n*1\r\n\$1\r\na\r\n", $abort,
    'too many levels');
hostile('an empty one in an array', "*1\r\n*0\r\n", $abort, 'too many levels');
hostile('deep', "*1\r\n", $abort, 'too many levels', repeat => 100_000);
hostile('wide and deep', "*1024\r\n", $abort, 'too many levels',
    repeat => 1000);
hostile('a nil in it', "*2\r\n\$1\r\na\r\n\$-1\r\n", $abort, $odd);
hostile('a number in it', "*1\r\n:1\r\n", $abort, $odd);
hostile('an error in it', "*1\r\n-ERR inside\r\n", $abort, $odd);
hostile('a status in it', "*1\r\n+OK\r\n", $abort, $odd);
hostile('too few', "*3\r\n\$1\r\na\r\n", $abort, 'no reply in 300ms');

# other kinds

hostile('a number', ":1\r\n", $abort, $odd);
hostile('a status', "+OK\r\n", $abort, $odd);
hostile('a string', "\$2\r\nab\r\n", $abort, $odd);
hostile('a push', ">2\r\n\$7\r\nmessage\r\n\$1\r\na\r\n", $abort, $protocol);
hostile('a map', "%1\r\n\$1\r\na\r\n\$1\r\na\r\n", $abort, $protocol);
hostile('a null', "_\r\n", $abort, $protocol);
hostile('a message', "*3\r\n\$7\r\nmessage\r\n\$1\r\na\r\n\$1\r\nb\r\n",
    qr/^200 message\|a\|b$/);
hostile('HTTP', "HTTP/1.1 400 Bad Request\r\n\r\n", $abort, $protocol);
hostile('TLS', "\x15\x03\x01\x00\x02\x02\x50", $abort, $protocol);
hostile('zeros', "\0" x 1000, $abort, $protocol);
hostile('lines', "\r\n" x 1000, $abort, $protocol);
hostile('an endless line', '+', $abort, $large, x => -1);
hostile('an endless error', '-ERR ', $abort, $large, x => -1);
hostile('a line feed alone', "+OK\n", $abort, 'no reply in 300ms');
hostile('nothing', '', $abort, 'no reply in 300ms');
hostile('a farewell', '', $abort, 'Server closed the connection', close => 1);
hostile('a reply and a farewell', "*1\r\n\$1\r\na\r\n", qr/^200 a$/,
    'Server closed the connection', close => 1);

# errors

hostile('no text', "-\r\n", qr/^400  an error$/);
hostile('a blank', "- \r\n", qr/^400   $/);
hostile('a zero', "-\0\r\n", qr/^400   $/);
hostile('bytes for a terminal', "-ERR \e[31m\x9b\r\n", qr/^400 ERR ERR  \[31m $/);
hostile('60 kB', '-ERR ' . 'x' x 60_000 . "\r\n", qr/^400 ERR ERR x{123}$/);
hostile('always NOSCRIPT', "-NOSCRIPT none\r\n", qr/^400 NOSCR NOSCRIPT none$/);
hostile('MOVED', "-MOVED 1 127.0.0.1:1\r\n", qr/^400 MOVED /);
hostile('ASK', "-ASK 1 127.0.0.1:1\r\n", qr/^400 ASK /);
hostile('READONLY', "-READONLY no\r\n", qr/^400 READO /, 'READONLY');
hostile('LOADING', "-LOADING it\r\n", qr/^400 LOADI /, 'LOADING');
hostile('MASTERDOWN', "-MASTERDOWN it\r\n", qr/^400 MASTE /, 'MASTERDOWN');
hostile('NOAUTH', "-NOAUTH it\r\n", qr/^400 NOAUT /, 'NOAUTH');
hostile('MISCONF', "-MISCONF no disk\r\n", qr/^400 MISCO /);
hostile('READONLYX', "-READONLYX no\r\n", qr/^400 READO READONLYX no$/);

# more than was asked for

hostile('two replies', "*1\r\n\$1\r\na\r\n*1\r\n\$1\r\nb\r\n", qr/^200 a$/,
    'nobody has asked for');
hostile('an error behind', "*1\r\n\$1\r\na\r\n-ERR you\r\n", qr/^200 a$/,
    'nobody has asked for');
hostile('the begin of another', "*1\r\n\$1\r\na\r\n*", qr/^200 a$/,
    'nobody has asked for');
hostile('a thousand replies', "*1\r\n\$1\r\na\r\n", qr/^200 a$/,
    'nobody has asked for', repeat => 1000);

# slowly

my $whole = "*2\r\n\$4\r\necho\r\n\$4\r\nmine\r\n";

hostile('byte by byte', $whole, qr/^200 echo\|mine$/, undef, split => 1,
    delay => 2);
hostile('too slowly', $whole, $abort, 'no reply in 300ms', split => 1,
    delay => 30);

# cut at each byte, and a farewell

for my $n (0 .. length($whole) - 1) {
    fresh();
    $h->say(call => substr($whole, 0, $n), close => 1);

    my $got = call($t, 'k', 'echo', 'mine');

    $got =~ $abort or fail("cut after $n bytes: $got");
}

pass('cut after each byte');

# each byte is another one

srand 1;

my %seen;

for my $n (0 .. length($whole) - 1) {
    my $bad = $whole;

    substr($bad, $n, 1) = chr int rand 256;
    fresh();
    $h->say(call => $bad);

    my $got = call($t, 'k', 'echo', 'mine');

    $got =~ /^(?:504 ABORT|200 |400 )/ or fail("byte $n: $got");
}

pass('each byte is another one');

for my $n (1 .. 60) {
    my $bytes = join '', map { chr int rand 256 } 1 .. 1 + rand 3000;

    fresh();
    $h->say(call => ('*', '$', '+', '-', ':')[$n % 5] . $bytes);
    call($t, 'k', 'echo', 'mine') =~ /^(?:504 ABORT|400 )/
        or fail('garbage is an answer');
}

pass('garbage');

# unasked, while nothing happens

for my $bytes ("+OK\r\n", ":1\r\n", '+', '$', "\$5\r\n", "-ERR bye\r\n", 'x',
    "*0\r\n", "*3\r\n", "*1000000000\r\n", ">1\r\n+a\r\n", "\0", "\r\n")
{
    fresh();
    call($t, 'k', 'echo') eq '200 echo' or die 'not ready';

    $h->push($bytes);

    ok((waitfor { stat_of($t)->{lost} == 1 }), 'unasked: '
        . $bytes =~ s/([^!-~])/sprintf '\\%02x', ord $1/ger);
    ok((waitfor { call($t, 'k', 'echo') eq '200 echo' }), 'and then');
}

# the handshake

sub bulk { return '$' . length($_[0]) . "\r\n$_[0]\r\n" }

sub info {
    my (%o) = @_;

    my %i = (redis_version => '7.0.15', run_id => 'a' x 40, role => 'master',
        master_replid => 'b' x 40, loading => 0,
        maxmemory_policy => 'noeviction', %o);

    return bulk(join '', map { defined $i{$_} ? "$_:$i{$_}\r\n" : () }
        sort keys %i);
}

sub greeting {
    my ($name, $reason, %say) = @_;

    $h->usual;
    $h->say($_ => ref $say{$_} ? @{ $say{$_} } : $say{$_}) for keys %say;
    $t->reload(redis_conf($h, args => "$args password=p4ss-canary"));

    my $got = call($t, 'k', 'echo', 'mine');

    like($got, qr/^503 DECLINED .*(?:$reason)/, "greeting: $name");

    my $now = resident() - $base;

    $worst = $now if $now > $worst;
}

for my $name (qw(auth name info load)) {
    greeting("$name: nothing", 'timed out|odd|no master', $name => '');
    greeting("$name: closed", 'Server closed', $name => [ '', close => 1 ]);
    greeting("$name: garbage", $protocol, $name => "\x16\x03\x01" x 100);
    greeting("$name: a number", $odd, $name => ":1\r\n");
    greeting("$name: nil", $odd, $name => "\$-1\r\n");
    greeting("$name: 10^9 elements", $large, $name => "*1000000000\r\n");
    greeting("$name: 2 GB", $large, $name => [ "\$2147483648\r\n", x => -1 ]);
    greeting("$name: an empty array", $odd, $name => "*0\r\n");
    greeting("$name: shifted", "$odd|odd|nobody", $name => "+QUEUED\r\n");
}

greeting('two for one', "odd|nobody|INFO", auth => "+OK\r\n+OK\r\n");
greeting('one is missing', 'odd|timed out', name => '');
greeting('another script', 'SCRIPT LOAD: an odd reply', load => bulk('0' x 40));
greeting('AUTH says what was sent', 'AUTH: refused', auth =>
    "-ERR unknown command 'AUTH', with args beginning with: 'p4ss-canary'\r\n");
greeting('a name with what was sent', 'CLIENT SETNAME: an error', name =>
    "-ODD p4ss-canary\r\n");
greeting('a replica', 'is a replica', info => info(role => 'slave'));
greeting('a sentinel', 'is no master', info => info(role => 'sentinel'));
greeting('no role', 'is no master', info => info(role => undef));
greeting('loading', 'loads its data', info => info(loading => 1));
greeting('an old one', 'version 5', info => info(redis_version => '4.0.14'));
greeting('no version', 'version 5', info => info(redis_version => undef));
greeting('an odd version', 'version 5', info => info(redis_version => 'x.y'));
greeting('no run_id', 'no run_id', info => info(run_id => undef));
greeting('an empty run_id', 'no run_id', info => info(run_id => ''));
greeting('a long run_id', 'no run_id', info => info(run_id => 'a' x 5000));
greeting('an odd run_id', 'no run_id', info => info(run_id => "a\x01b"));
greeting('a long replid', 'no run_id', info => info(master_replid => 'b' x 65));
greeting('an empty INFO', 'is no master', info => bulk(''));
greeting('INFO without colons', 'is no master', info => bulk("role\r\n" x 999));
greeting('INFO of 100 kB', $large, info => bulk("x:y\r\n" x 20_000));
greeting('INFO of a cluster', 'is not set', info => info(cluster_enabled => 1));

$h->usual;
$t->reload;
is(call($t, 'k', 'echo', 'a'), '200 echo|a', 'a greeting as usual');

# INFO without a policy, and with the longest ids

$h->say(info => info(maxmemory_policy => undef, run_id => 'a' x 64,
    master_replid => 'b' x 64));
$t->reload;
is(call($t, 'k', 'echo', 'TOKEN'), '200 echo|' . 'a' x 64 . ':' . 'b' x 64,
    'long ids');
is(stat_of($t)->{evicts}, 1, 'a policy that is not told');

# a check gets something odd

for my $case ([ info(role => 'slave'), qr/^504 ABORT is a replica$/ ],
    [ info(run_id => 'c' x 40), qr/^504 ABORT its replication id/ ],
    [ "-ERR no\r\n", qr/^400 ERR ERR no$/ ], [ "+OK\r\n", $abort ],
    [ bulk(''), $abort ])
{
    fresh();
    call($t, 'k', 'echo') eq '200 echo' or die 'not ready';
    $h->say(info => $case->[0]);
    like(check($t), $case->[1], 'a check');
}

# a cluster that leads astray

$h->usual;
$h->cluster;
$t->reload(redis_conf($h, args => "$args cluster"));
is(call($t, 'k', 'echo', 'a'), '200 echo|a', 'a cluster of one');
ok((waitfor { stat_of($t)->{servers} == 1 }), 'its map');

my $port = $h->port;

for my $case ([ "-MOVED 1 127.0.0.1:$port\r\n", 'MOVED' ],
    [ "-MOVED 1 :$port\r\n", 'MOVED' ], [ "-ASK 1 127.0.0.1:$port\r\n", 'ASK' ],
    [ "-MOVED\r\n", 'MOVED' ], [ "-MOVED \r\n", 'MOVED' ],
    [ "-MOVED 1\r\n", 'MOVED' ], [ "-MOVED 1 \r\n", 'MOVED' ],
    [ "-MOVED 16384 127.0.0.1:1\r\n", 'MOVED' ],
    [ "-MOVED -1 127.0.0.1:1\r\n", 'MOVED' ],
    [ "-MOVED 1 127.0.0.1:0\r\n", 'MOVED' ],
    [ "-MOVED 1 127.0.0.1:65536\r\n", 'MOVED' ],
    [ "-MOVED 1 127.0.0.1\r\n", 'MOVED' ], [ "-MOVED 1 :\r\n", 'MOVED' ],
    [ "-MOVED 1 redis.example:6379\r\n", 'MOVED' ],
    [ "-MOVED x 127.0.0.1:1\r\n", 'MOVED' ], [ "-ASK 1\r\n", 'ASK' ])
{
    $h->say(call => $case->[0]);
    like(call($t, 'k', 'echo'), qr/^400 $case->[1] /,
        'not followed: ' . $case->[0] =~ s/[\r\n]//gr);
}

is((() = $t->log =~ /announced by names/g), 1, 'names are logged once');

# to nowhere; to many places

$h->say(call => "-MOVED 1 127.0.0.1:1\r\n");
like(call($t, 'k', 'echo'), qr/^503 DECLINED Connection refused/,
    'to a closed port');

my %ends;

for my $i (1 .. 300) {
    $h->say(call => "-MOVED $i 127.0.0.1:" . ($i + 1) . "\r\n");
    $ends{ (call($t, 'k', 'echo') =~ /^(\d+ \w+)/)[0] }++;
}

is_deeply([ sort keys %ends ], [ '400 MOVED', '503 DECLINED' ],
    'to many places') or diag(explain(\%ends));

cmp_ok(stat_of($t)->{servers}, '<=', 64, 'servers are bounded');
$h->usual;
ok((waitfor { call($t, 'k', 'echo') eq '200 echo' }), 'and then');

# maps

sub slots {
    my ($first, $last, $host, $p) = @_;

    return "*3\r\n:$first\r\n:$last\r\n*2\r\n"
        . (defined $host ? bulk($host) : "\$-1\r\n") . ":$p\r\n";
}

for my $case (
    [ 'no list', ":1\r\n" ], [ 'a flat list', "*1\r\n:1\r\n" ],
    [ 'too short', "*1\r\n*2\r\n:1\r\n:2\r\n" ],
    [ 'empty', "*0\r\n" ], [ 'an error', "-ERR no\r\n" ],
    [ 'slot 16384', "*1\r\n" . slots(0, 16384, '127.0.0.1', $port) ],
    [ 'slot -1', "*1\r\n" . slots(-1, 1, '127.0.0.1', $port) ],
    [ 'backwards', "*1\r\n" . slots(9, 1, '127.0.0.1', $port) ],
    [ '2^40', "*1\r\n" . slots(0, 2 ** 40, '127.0.0.1', $port) ],
    [ 'no server', "*1\r\n*3\r\n:1\r\n:2\r\n*0\r\n" ],
    [ 'an odd host', "*1\r\n*3\r\n:1\r\n:2\r\n*2\r\n:1\r\n:1\r\n" ],
    [ 'a name', "*1\r\n" . slots(0, 16383, 'redis.example', $port) ],
    [ 'port 0', "*1\r\n" . slots(0, 16383, '127.0.0.1', 0) ],
    [ 'a million', "*1000000\r\n" ],
    [ 'wide', "*1\r\n*60000\r\n*60000\r\n" ],
    [ 'deep', "*1\r\n" x 6 ], [ 'deeper', "*1\r\n" x 5000 ],
    [ 'long', "*16000\r\n" . slots(0, 0, 'x' x 5000, 1) x 500 ],
)
{
    my ($name, $bytes) = @$case;

    $h->usual;
    $h->say(slots => $bytes);
    $t->reload;
    $t->reload(redis_conf($h, args => "$args cluster keep"));

    my $before = $h->stat->{said}{slots} || 0;

    ok((waitfor {
        call($t, 'k', 'echo') =~ /^(?:200|50[34]) / or die 'an odd answer';
        ($h->stat->{said}{slots} || 0) > $before;
    }), "map: $name");

    $h->usual;
    ok((waitfor { call($t, 'k', 'echo') eq '200 echo' }), 'and then');

    my $now = resident() - $base;

    $worst = $now if $now > $worst;
}

# a map without the host's name means who says it

$h->say(slots => "*1\r\n" . slots(0, 16383, undef, $port));
$t->reload;
is(call($t, 'k', 'echo', 'a'), '200 echo|a', 'no host');
ok((waitfor { stat_of($t)->{ready} }), 'is who answers');

# 200 servers

$h->say(slots => "*200\r\n" . join '', map {
    slots($_ * 80, $_ * 80 + 79, '127.0.0.1', $_ + 1)
} 0 .. 199);
$t->reload;
call($t, 'k', 'echo');
ok((waitfor { stat_of($t)->{servers} == 64 }), 'the first 64 of 200 servers');

cmp_ok($worst, '<', ($ENV{AI_PRELOAD} || '') =~ /asan/ ? 200_000 : 8_000,
    'memory is bounded') or diag("$worst kB");
diag("$worst kB more than at the start") if $ENV{AI_LEAVE};

unlike($t->log, qr/p4ss/, 'no password in the log');

$t->done;
