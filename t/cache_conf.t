#!/usr/bin/perl

# Wrong configurations of the cache: each is refused where it stands.

use strict;
use warnings;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";

use AI::Gateway;

my $t = AI::Gateway->new;

open my $f, '<', "$FindBin::Bin/../conf.example/ai_cache.conf" or die;
my $cache = do { local $/; <$f> };

my $path = 'proxy_cache_path %%DIR%%/cache keys_zone=ai_cache:1m;';

good('as shipped', $cache);
good('off', $cache =~ s/ai_cache;/off;/r, '');
good('another zone', $cache, 'cache on price=100% ttl=1d;');
good('no plan uses it', $cache, '');

word('cache', 'invalid number of arguments in "cache"');
word('cache maybe', 'invalid value "maybe" in "cache" directive');
word('cache off price=1%', 'invalid parameter "price=1%"');

for my $bad (qw(price=10 price=% price=101% price=-1% price=1.5% price=
    ttl=0 ttl=x ttl= ttl=-1s size=1))
{
    word("cache on $bad", qq(invalid parameter "$bad"));
}

word("cache on;\ncache on", '"cache" directive is duplicate');

needs('no key', 'proxy_cache_key $ai_cache_key',
    $cache =~ s/proxy_cache_key.*//r);
needs('another key', 'proxy_cache_key $ai_cache_key',
    $cache =~ s/\$ai_cache_key/\$request_uri/r);
needs('more than the key', 'proxy_cache_key $ai_cache_key',
    $cache =~ s/\$ai_cache_key/\$ai_cache_key\$request_uri/r);
needs('no POST', 'proxy_cache_methods POST',
    $cache =~ s/proxy_cache_methods.*//r);
needs('no bypass', 'proxy_cache_bypass $ai_no_cache',
    $cache =~ s/proxy_cache_bypass.*//r);
needs('another bypass', 'proxy_cache_bypass $ai_no_cache',
    $cache =~ s/\$ai_no_cache/\$http_x/r);
needs('no time', 'proxy_cache_valid 200 TIME',
    $cache =~ s/proxy_cache_valid.*//r);
needs('errors', 'proxy_cache_valid 200 TIME', "$cache proxy_cache_valid any 1m;");
needs('one error', 'proxy_cache_valid 200 TIME',
    "$cache proxy_cache_valid 502 1m;");
needs('redirections', 'proxy_cache_valid 200 TIME',
    $cache =~ s/200 1h/1h/r);
needs('updates in the background', 'proxy_cache_background_update off',
    $cache =~ s/(background_update\s+)off/$1on/r);
needs('a variable', 'a zone that is no variable',
    $cache =~ s/ ai_cache;/ \$http_x;/r);
needs('headers of the provider', 'proxy_ignore_headers',
    "$cache proxy_ignore_headers Expires;");

# of the location's parents, too

bad('inherited', qr/"proxy_cache" needs "proxy_cache_key \$ai_cache_key"/, '', 'cache on;', $cache =~ s/proxy_cache_key.*//r);
good('a key from above', $cache =~ s/proxy_cache_key.*//r, undef,
    'proxy_cache_key $ai_cache_key;');
bad('overridden', qr/"proxy_cache" needs "proxy_cache_key/,
    $cache =~ s/\$ai_cache_key/x/r, 'cache on;',
    'proxy_cache_key $ai_cache_key;');

bad('no proxy_cache', qr/"cache on" of ai_plan "usual" needs a "proxy_cache"/, '');

my $out = test('', '', '', providers => AI::Conf::providers()
    . AI::Conf::provider('openai', name => 'cache'));
like($out, qr/ai_provider must not be named "cache"/, 'a provider cache');

$t->allow(qr/\[emerg\]/);

# who has no gateway has no rules

my $plain = 'location /plain { proxy_pass http://mock; '
    . 'proxy_cache ai_cache; }';
like(test('', '', $plain), qr/test is successful/, 'other locations are free');

$t->done;


sub test {
    my ($location, $plan, $server, %o) = @_;

    my (undef, $out) = $t->test_conf(gateway_conf(http => $path,
        plan_extra => $plan // 'cache on;', location => $location,
        server => $server // '', %o));

    return $out;
}


sub good { my $name = shift; like(test(@_), qr/test is successful/, $name) }

sub bad { my ($name, $re, @c) = @_; like(test(@c), $re, $name) }

sub word {
    my ($word, $text) = @_;

    like(test($cache, "$word;"), qr/\Q$text\E/, $word =~ s/\n/ /r);
}


sub needs {
    my ($name, $what, $conf) = @_;

    like(test($conf), qr{\[emerg\].*"proxy_cache"\ needs\ "\Q$what\E.*
        \ in\ location\ "/"}x, $name);
}
