package AI::RedisTest;

# nginx with the Redis client under the directives of t/module.

use strict;
use warnings;

use Cwd qw(abs_path);
use Exporter 'import';
use File::Basename qw(dirname);
use Time::HiRes qw(time);

use AI::Gateway;

our @EXPORT = qw(redis_conf start call words stat_of check waitstate
    comes_back stable);

# what the first argument names

our $script = <<'EOL';
local what = ARGV[1]
if what == "echo" then return ARGV end
if what == "keys" then return KEYS end
if what == "incr" then
    return {tostring(redis.call("incr", KEYS[1])), ARGV[2] or ""}
end
if what == "get" then return {redis.call("get", KEYS[1]) or "-"} end
if what == "fail" then return redis.error_reply(ARGV[2]) end
if what == "big" then return {string.rep("x", tonumber(ARGV[2]))} end
if what == "list" then
    local t = {}
    for i = 1, tonumber(ARGV[2]) do t[i] = "e" end
    return t
end
if what == "number" then return 42 end
if what == "numbers" then return {1, 2} end
if what == "nested" then return {{"a"}} end
if what == "nothing" then return false end
if what == "hole" then return {"a", false, "b"} end
if what == "spin" then
    while true do end
end
return {what, tostring(redis.call("lpush", KEYS[1], what))}
EOL


# words: server (default the server's, or all of the cluster), args, script,
# main, http

sub redis_conf {
    my ($redis, %o) = @_;

    my $so = dirname($ENV{AI_MODULE} || "$AI::Gateway::top/build/x")
        . '/module/ngx_http_redis_test_module.so';

    -f $so or die "$so: not built, see `make test-module`\n";

    $so = abs_path($so);

    my $server = $o{server} || $redis->addr;
    my $args = $o{args} || '';
    my $http = $o{http} || '';
    my $main = $o{main} || '';
    my $lua = $o{script} || $script;

    # connections that come and go are no leak

    my $t = $redis->{t};

    $t->store($_, $args =~ /\bcluster\b/ ? 2 : 1)
        for $server =~ /:(\d+)/g;

    # the delays of a machine under load are not meant

    my $s = int($AI::Gateway::factor) || 1;

    $args .= " timeout=${s}s" if $args !~ /(?<!connect_)timeout=/;
    $args .= " connect_timeout=${s}s" if $args !~ /connect_timeout=/;

    return <<EOF;
%%MAIN%%
load_module $so;
$main

events {
    worker_connections  512;
}

http {
%%HTTP%%
    client_max_body_size     1m;
    client_body_buffer_size  1m;

    $http
    redis_test $server $args;
    redis_test_script '$lua';

    server {
        listen  127.0.0.1:%%PORT_8080%%;

        location = /call  { redis_test_call; }
        location = /check { redis_test_check; }
        location = /stat  { redis_test_stat; }
    }
}
EOF
}


# keys is a word or a list; then the arguments

sub start {
    my ($t, $keys, @args) = @_;

    return $t->start('POST', '/call', join("\n",
        ref $keys ? join(' ', @$keys) : $keys, @args) . "\n",
        key => undef, timeout => 60);
}


# status and body in one line, for like()

sub words {
    my ($c) = @_;

    my $r = $c->finish;

    return $r->status . ' ' . $r->body;
}

sub call { return words(start(@_)) }


sub stat_of {
    my ($t, $key) = @_;

    return $t->get('/stat' . (defined $key ? "?key=$key" : ''),
        key => undef)->json;
}


sub check {
    my ($t, $key) = @_;

    my $r = $t->get('/check' . (defined $key ? "?key=$key" : ''),
        key => undef, timeout => 60);

    return $r->status . ' ' . $r->body;
}


sub waitstate {
    my ($t, $state, $seconds) = @_;

    return waitfor { stat_of($t)->{state} eq $state } $seconds || 10;
}


# a call works again; nothing else has to be done for that

sub comes_back {
    my ($t, $what, $seconds) = @_;

    Test::More::ok((waitfor { call($t, 'k', 'echo', 'on') eq '200 echo|on' }
        $seconds || 15), "comes back: $what");
}


# a connection that has been good for five seconds

sub stable {
    my ($t) = @_;

    comes_back($t, 'before');

    my $n = stat_of($t)->{connects};
    my $since = time();

    waitfor {
        call($t, 'k', 'echo');

        my $now = stat_of($t)->{connects};

        $since = time() if $now != $n;
        $n = $now;

        return time() - $since > 5.5;
    } 30;
}

1;
