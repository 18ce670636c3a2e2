#!/usr/bin/perl

# HTTP/2 misused: each stream is one admission at most, pays for itself and
# gives back what it held.

use strict;
use warnings;

use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use AI::Gateway;

plan skip_all => 'python3-h2 is not there'
    if system('/usr/bin/python3 -c "import h2" 2>/dev/null');

my $t = AI::Gateway->new;
my $p = $t->provider(8081);

$t->run(gateway_conf(
    server => 'listen 127.0.0.1:%%PORT_8082%% http2;',
    tenants => <<'EOC',
    ai_tenant acme { plan usual; key %%KEY_acme%% name=prod; }
    ai_tenant narrow {
        plan   usual;
        key    %%KEY_narrow%% name=prod;
        limit  concurrency 3;
    }
    ai_tenant daily {
        plan   usual;
        key    %%KEY_daily%% name=prod;
        limit  requests 40/day;
    }
EOC
));

sub memory {
    my ($worker) = $t->workers;

    open my $f, '<', "/proc/$worker/statm" or return 0;
    return (split ' ', <$f>)[1] * 4096;
}

sub flood {
    my ($name, $mode, $n) = @_;

    open my $f, '-|', '/usr/bin/python3', "$FindBin::Bin/lib/h2flood.py",
        $t->port(8082), AI::Gateway::make_key($name), $mode, $n or die;
    local $/;

    my $out = <$f>;
    close $f;

    return JSON::PP->new->decode($out || '{"end":"died"}');
}

my $before = memory();

for my $mode (qw(reset reset-late made zero open continuation)) {
    my $n = $mode eq 'reset-late' ? 30 : $mode eq 'zero' ? 100 : 500;
    my $was = $p->requests;

    for my $name (qw(narrow acme)) {
        my $r = flood($name, $mode, $n);

        isnt($r->{end}, 'died', "$mode, $name: ran")
    }

    ok(waitfor { $p->state->{open} == 0 }, "$mode: nothing is left open");

    my $ran = $p->requests - $was;

    cmp_ok($ran, '<=', 2 * $n, "$mode: $ran requests ran");
    is($ran, 0, "$mode: none ran") if $mode =~ /open|continuation/;

    is($t->chat(undef, key => 'narrow')->status, 200, "$mode: slots are free");
}

flood('daily', 'reset', 300);

my $usage = $t->get('/v1/usage', key => 'daily')->json;

cmp_ok($usage->{today}{requests}, '<=', 40, 'a storm ends at its own budget');

my $all = $p->requests;
my @journal = $p->waitentries($all);
my %row = map { $_->{id} => $_ } $t->waitrows($all);

is(scalar(grep { !$row{ $_->{id} } } @journal), 0,
    'each request that ran has its row');

# what was reset before it went up is refused, and costs nothing

my %ran = map { $_->{id} => 1 } @journal;
my @idle = grep { !$ran{ $_->{id} } } values %row;

is(join(' ', map { "$_->{id} $_->{state}" }
    grep { $_->{cost_usd} && $_->{cost_usd} > 0 } @idle), '',
    'what did not run costs nothing');

SKIP: {
    skip 'a sanitizer keeps what was freed', 1
        if $ENV{AI_PRELOAD} || $ENV{AI_VALGRIND};

    cmp_ok(memory() - $before, '<', 32 << 20, 'memory stays');
}

is($t->chat->status, 200, 'and it serves on');

$t->done;
