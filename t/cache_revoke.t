#!/usr/bin/perl

# Keys of the database in plans of nginx.conf: what waits for another one's
# answer, and what is being stored, is ended when the key is revoked; a hit is
# not to be had with it.

use strict;
use warnings;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";

use AI::Feed;
use AI::Gateway;
use Time::HiRes qw(time sleep);

my $t = AI::Gateway->new(workers => 2);
my $feed = AI::Feed->new($t);
my $p = $t->provider(8081);

open my $f, '<', "$FindBin::Bin/../conf.example/ai_cache.conf" or die;
my $cache = do { local $/; <$f> };

$cache =~ s/(cache_lock\s+)off/$1on/;

$t->run(gateway_conf(http => $feed->conf . <<'EOC', location => $cache));
    ai_plan kept {
        models  *;
        cache   on;
    }

    proxy_cache_path  %%DIR%%/cache keys_zone=ai_cache:1m levels=1:2
                      use_temp_path=off;
EOC

for my $name (qw(sql two)) {
    $feed->tenant($name, 'plan kept', 'state active');
    $feed->key($name, "tenant $name");
}

$feed->key('sql2', 'tenant sql');
$feed->put;

ok(waitfor { $t->chat({ seed => 0 }, key => 'sql2')->status == 200 }, 'fed');
is($t->chat({ seed => 0 }, key => 'sql')->header('x-ai-cache'), 'hit',
    'another key of the tenant has its cache');
is($t->chat({ seed => 0 }, key => 'two')->header('x-ai-cache'), 'miss',
    'another tenant has not');

# one asks, another key of the tenant waits for that answer

my $n = $p->requests;
my $one = $t->start_chat({ seed => 1 }, key => 'sql2', mock => { wait => 2.5 });

ok(waitfor { $p->requests == $n + 1 }, 'one asks');

my $two = $t->start_chat({ seed => 1 }, key => 'sql',
    headers => { Connection => 'close' });
my $three = $t->start_chat({ seed => 1 }, key => 'sql');
sleep 0.4;

my $began = time;
$feed->key('sql');
$feed->put;

my $r = $two->finish;

is($r->status, 401, 'who waits is refused');
ok((waitfor { $two->closed }), 'and its connection closed');
is($three->finish->status, 401, 'the other one, too');
cmp_ok(time - $began, '<', 1 * $AI::Gateway::factor, 'at once');
is($one->finish->status, 200, 'who asked goes on');

my $row = $t->waitrow($r->id);
is($row->{state}, 'refused', 'its row');
ok(!$row->{cost_usd} || $row->{cost_usd} == 0, 'costs nothing');

is($t->chat({ seed => 1 }, key => 'sql2')->header('x-ai-cache'), 'hit',
    'the answer was stored');
is($t->chat({ seed => 1 }, key => 'sql')->status, 401, 'no hit without a key');

# a stream that is being stored

$one = $t->start_chat({ seed => 2, stream => \1 }, key => 'sql2',
    mock => { events => 30, delay => 0.1 });
$one->read_events(2);
$feed->key('sql2');
$feed->put;

$r = $one->finish;
ok(!$r->complete, 'a stream is cut');
is($t->waitrow($r->id)->{attempts}[0]{reason}, 'revoked', 'by the revocation');

$feed->key('sql2', 'tenant sql');
$feed->put;

ok(waitfor { $t->chat({ seed => 0 }, key => 'sql2')->status == 200 }, 'again');
is($t->chat({ seed => 2, stream => \1 }, key => 'sql2')->header('x-ai-cache'),
    'miss', 'and was not kept');

ok(waitfor { !grep { /\.\d+$/ } glob $t->dir . '/cache/*/*/*' },
    'no half file is left');
is($t->status->{zone}{holds}, 0, 'no hold is left');

$_->close for $one, $two, $three;

$t->done;
