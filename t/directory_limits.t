#!/usr/bin/perl

# Limits of the directory: the tenant's stand above the plan's, a key's above
# the tenant's and the plan's for keys; a prepaid balance is never overdrawn.

use strict;
use warnings;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";

use AI::Feed;
use AI::Gateway;

my $t = AI::Gateway->new(workers => 2);
my $feed = AI::Feed->new($t);

$t->provider(8081);
$t->run(gateway_conf(http => $feed->conf));

# a request of these is held at its bound and settled at 0.000086 USD

my $body = {
    model => 'gpt-4.1', max_tokens => 8,
    messages => [ { role => 'user', content => 'Hello' } ],
};

$feed->plan('std', 'models *', 'limit requests day 4 0',
    'limit concurrency - 300 0', 'key_limit requests day 3 0');
$feed->plan('free', 'models *');
$feed->tenant('plain', 'plan std');
$feed->tenant('more', 'plan std', 'limit requests day 6 0',
    'key_limit requests day 5 0');
$feed->tenant('paid', 'plan free', 'credit 602000');
$feed->tenant('owing', 'plan free', 'credit 0');

$feed->key('plain', 'tenant plain');
$feed->key('plain2', 'tenant plain');
$feed->key('more', 'tenant more');
$feed->key('more2', 'tenant more', 'limit requests day 1 0');
$feed->key('paid', 'tenant paid');
$feed->key('owing', 'tenant owing');
$feed->put;

is(passed('plain', 6), 3, 'the plan\'s limit of each key');
is(passed('plain2', 6), 1, 'the plan\'s limit of the tenant');
is(passed('more2', 3), 1, 'a key\'s own limit');
is(passed('more', 8), 5, 'the tenant\'s limit of each key');

my $u = $t->get('/v1/usage', key => 'more')->json;
my %scope = map { ("$_->{scope} $_->{resource}" => $_) } @{ $u->{limits} };

is($u->{plan}, 'std', 'usage: plan');
is($u->{balance}, undef, 'usage: no balance');
is($scope{'tenant requests'}{limit}, 6, 'usage: the tenant\'s limit');
is($scope{'tenant requests'}{used}, 6, 'usage: of all its keys');
is($scope{'key requests'}{used}, 5, 'usage: of this key');

# money: never past the credit, whatever is held meanwhile

is(passed('owing', 3), 0, 'nothing without credit');

my @c = map { $t->start_chat($body, key => 'paid', mock => { wait => 0.5 }) }
    1 .. 200;
my %n;
$n{ $_->finish->status }++ for @c;
@c = ();

cmp_ok($n{200}, '>=', 1, "200 at once: $n{200} pass");
is($n{200} + $n{429}, 200, 'all others are refused');

$n{200} += passed('paid', 20);

cmp_ok($n{200}, '<=', 7, 'money for seven at most');

my @rows = grep { $_->{tenant} eq 'paid' }
    $t->waitrows(3 + 1 + 1 + 5 + $n{200});
my $sum = 0;

$sum += $_->{cost_usd} for @rows;

is(@rows, $n{200}, 'as many rows');
cmp_ok($sum, '<=', 0.000602 + 1e-12, 'for no more than was paid');

my $b = $t->get('/v1/usage', key => 'paid')->json->{balance};

is($b->{credit}, '0.000602000', 'balance: credit');
is(sprintf('%.9f', $b->{used}), sprintf('%.9f', $sum), 'balance: used');
is(sprintf('%.9f', $b->{left}), sprintf('%.9f', 0.000602 - $sum),
    'balance: left');

my $r = $t->chat($body, key => 'paid');

is($r->json->{error}{code}, 'insufficient_quota', 'used up');
is($r->header('x-should-retry'), 'false', 'not to be tried again');

# a payment is worth something at once

$feed->tenant('paid', 'plan free', 'credit 1204000')->put;
is($t->chat($body, key => 'paid')->status, 200, 'paid again');

is($t->status->{zone}{holds}, 0, 'no hold is left');

$t->done;


sub passed {
    my ($key, $n) = @_;

    return scalar grep { $t->chat($body, key => $key)->status == 200 } 1 .. $n;
}
