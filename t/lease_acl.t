#!/usr/bin/perl

# The user that README tells to make may do all that is needed, and no more
# than touch the gateway's keys.

use strict;
use warnings;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";

use AI::Gateway;
use AI::Redis;

plan skip_all => 'no redis-server' unless AI::Redis::found();

my $t = AI::Gateway->new;
my $r = AI::Redis->new($t);

open my $f, '<', "$FindBin::Bin/../README.md" or die "README.md: $!\n";
my ($acl) = do { local $/; <$f> } =~ /^(ACL SETUSER gateway .*?)^```/ms;
close $f;

my @words = split ' ', $acl;

s/^>PASSWORD$/>secret-of-redis/ for @words;

is($r->cli(@words), 'OK', 'the user is made');

my $pass = $t->dir . '/redis.pass';

open $f, '>', $pass or die "$pass: $!\n";
print $f "secret-of-redis\n";
close $f;
chmod 0600, $pass;

$t->provider(8081);
$t->run(gateway_conf(
    http => $r->conf(user => 'gateway', password_file => $pass),
    plan => "ai_plan ten { models *; limit requests 10/day;\n"
        . "    limit tokens 100000/m; limit concurrency 20; }\n",
    tenants => "ai_tenant ten { plan ten; key %%KEY_ten%%; }\n"));

ok((waitfor { $t->status->{redis}{shards}{seeded} }), 'Redis leases');

is($t->chat({ max_tokens => 8 }, key => 'ten')->status, 200, 'ten')
    for 1 .. 10;
is($t->chat({ max_tokens => 8 }, key => 'ten')->status, 429, 'no more');

# INFO is asked again after two seconds, an idle lease ends, the script is gone

$r->script_flush;
select undef, undef, undef, 2.5;

my $s = $t->status->{redis};

is($s->{errors}, 0, 'nothing was refused');
is($s->{state}, 'ready', 'the connection stands');

my $log = $t->log;

unlike($log, qr/NOPERM|no permission|secret-of-redis/i,
    'and nobody complains');

$t->done;

done_testing();
