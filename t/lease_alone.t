#!/usr/bin/perl

# Who is on its own, and when: not before the store may have forgotten what was
# sent last, also where nobody lives who had sent it; and, while old workers
# keep a node from being heard, for good.

use strict;
use warnings;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";

use AI::Gateway;
use AI::Proxy;
use AI::Redis;

use Time::HiRes qw(time sleep);

plan skip_all => 'no redis-server' unless AI::Redis::found();

my $factor = $AI::Gateway::factor;


sub conf {
    my ($redis) = @_;

    return gateway_conf(
        http => $redis,
        listen => '127.0.0.1:%%PORT_8080%% reuseport',
        plan => "ai_plan local { models *; limit requests 3600000/h burst=1000;
            on_store_loss local; }\nai_plan day { models *;
            limit requests 100/day; }\n",
        tenants => "ai_tenant local { plan local; key %%KEY_local%%; }\n"
            . "ai_tenant day { plan day; key %%KEY_day%%; }\n",
    );
}


sub redis { return $_[0]->status->{redis} }


# ---- a worker is killed with an operation under way

my @t = map { AI::Gateway->new } 1 .. 2;
my $r = AI::Redis->new($t[0]);
my $x = AI::Proxy->new($t[0], $r->addr);

$_->provider(8081) for @t;
$t[0]->run(conf($r->conf(nodes => 2, server => '127.0.0.1:' . $x->port,
    timeout => '1s', lease => '6s')));
$t[1]->run(conf($r->conf(nodes => 2, gateway => $t[1], lease => '6s')));

for (@t) {
    my $node = $_;
    ok((waitfor { redis($node)->{shards}{seeded} == 1 }), 'heard');
}

# the next heartbeat is due in most of a second

my $calls = redis($t[0])->{calls};

waitfor { redis($t[0])->{calls} > $calls };
sleep 1.1;
$x->command('pause down');

my $sent = time();
my $c = $t[0]->start_chat({}, key => 'day');

ok((waitfor { redis($t[0])->{leases}{asked} > 0 }), 'it is asked');
$x->command('refuse');
$t[0]->kill_worker;
$x->command('close');
undef $c;

ok((waitfor { redis($t[0])->{shards}{local} == 1 } 20 * $factor),
    'on its own, without an answer');
cmp_ok(time() - $sent, '>', 8.65, 'not before another may have its share');

$x->command('resume');
$x->command('accept');
$_->allow(qr/exited on signal 9/) for @t;
$_->done for reverse @t;


# ---- old workers live, and the store was emptied

my $t = AI::Gateway->new;

$r = AI::Redis->new($t);
$t->provider(8081);
$t->run(conf($r->conf(nodes => 2, lease => '200ms')));

ok((waitfor { redis($t)->{shards}{local} == 1 } 20 * $factor), 'alone');
ok((waitfor { $t->chat({}, key => 'local')->status == 200 }), 'its share');

$c = $t->start_chat({ stream => \1, max_tokens => 2000 }, key => 'local',
    mock => { events => 400, delay => 0.1 });
is($c->head->{status}, 200, 'it is served');
$c->read_events(2);

my @old = $t->orphan_workers;

kill 'QUIT', @old;
$t->run(conf($r->conf(nodes => 2, lease => '200ms')));
$r->cli('FLUSHALL');
ok((waitfor { ($r->hash('ai:{0}')->{epoch} // '') =~ /^2-/ }),
    'the store begins anew');

ok((waitfor { redis($t)->{shards}{local} == 1 } 20 * $factor),
    'a start that is not heard: on its own');
ok((waitfor { $t->chat({}, key => 'local')->status == 200 }), 'its share');

my %got;

for (1 .. 100) {
    $got{ $t->chat({}, key => 'local')->status }++;
    sleep 0.03;
}

is_deeply(\%got, { 200 => 100 }, 'for good');

my $lines = () = $t->log =~ /this node is on its own/g;

cmp_ok($lines, '<=', 2, 'and says so once');
kill 'KILL', @old;
ok((waitfor { redis($t)->{leases}{reported} > 0 } 20 * $factor),
    'no old worker lives: it reports');
ok((waitfor { join(' ', %{ $r->hash('ai:{0}') }) =~ / 1 \d+( |$)/ }),
    'and is heard');
$t->done;

done_testing();
