#!/usr/bin/perl

# Plans of the directory with a cache: as of nginx.conf, and none of nonsense.

use strict;
use warnings;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";

use AI::Feed;
use AI::Gateway;

my $t = AI::Gateway->new;
my $feed = AI::Feed->new($t);
my $p = $t->provider(8081);

$t->run(gateway_conf(
    http => $feed->conf
        . 'proxy_cache_path %%DIR%%/cache keys_zone=ai_cache:1m '
        . 'levels=1:2 use_temp_path=off;',
    location => 'include %%TOP%%/conf.example/ai_cache.conf;'));

$feed->plan('tenth', 'models *', 'cache 10 0');
$feed->plan('free', 'models *', 'cache 0 3600');
$feed->plan('brief', 'models *', 'cache 50 1');
$feed->plan('none', 'models *');

for my $name (qw(tenth free brief none)) {
    $feed->tenant($name, "plan $name");
    $feed->key($name, "tenant $name");
}

$feed->put;

# 11 and 8 tokens at 2 and 8 dollars

my %cost = (tenth => '0.000008600', free => '0.000000000',
    brief => '0.000043000');

for my $name (qw(tenth free brief)) {
    my $n = $p->requests;
    my ($r, $h) = map { $t->chat(undef, key => $name) } 1, 2;

    is($r->header('x-ai-cache'), 'miss', "$name: first request is a miss");
    is($h->header('x-ai-cache'), 'hit', "$name: second one is a hit");
    is($h->body, $r->body, "$name: same bytes");
    is($p->requests, $n + 1, "$name: the provider was asked once");
    is($t->waitrow($h->id)->{cost_usd}, $cost{$name}, "$name: price of a hit");
}

my $n = $p->requests;

$t->chat(undef, key => 'none') for 1 .. 2;
is($p->requests, $n + 2, 'a plan without a cache always asks');

ok((waitfor { $t->chat(undef, key => 'brief')->header('x-ai-cache') eq 'miss' }
    10), 'the plan\'s ttl');
is($t->chat(undef, key => 'tenth')->header('x-ai-cache'), 'hit',
    'another plan\'s is its own');

# the plan is changed while it is used

$feed->plan('tenth', 'models *');
$feed->put;
is($t->chat(undef, key => 'tenth')->header('x-ai-cache'), undef,
    'a cache that was taken away');

$t->done;
