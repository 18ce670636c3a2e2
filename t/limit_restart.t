#!/usr/bin/perl

# Counters of budgets after a reload, a restart and kill -9 of everything.

use strict;
use warnings;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";

use AI::Gateway;

my $t = AI::Gateway->new(workers => 2);

$t->provider(8081);

# each request costs 0.000086 USD and may cost up to 0.0003

my $body = {
    model => 'gpt-4.1', max_tokens => 8,
    messages => [ { role => 'user', content => 'Hello' } ],
};

my @budgets = (
    [ 'day' => 'requests 3/day' ],
    [ 'month' => 'requests 3/month' ],
    [ 'tokens' => 'tokens 57/day' ],
    [ 'money' => 'cost 0.000258/month' ],
    [ 'hour' => 'cost 0.000258/h' ],
    [ 'keyday' => 'requests 3/day per=key' ],
    [ 'keyhour' => 'cost 0.000258/h per=key' ],
    [ 'named' => 'cost 0.000258/h key=prod' ],
);

# budgets are exact: room for the bound of the last one is bought by "more"

my $tenants = join '', map {
    my ($name, $limit) = @$_;
    my $wide = $limit;

    $wide =~ s/0\.000258/0.000560/;
    $wide =~ s/tokens 57/tokens 200/;

    <<EOT;
    ai_tenant $name {
        plan   usual;
        key    %%KEY_$name%% name=prod;
        key    %%KEY_${name}2%% name=ci;
        limit  $wide;
    }
EOT
} @budgets;

$t->run(gateway_conf(tenants => $tenants));

sub spend {
    my ($name) = @_;

    my $n = 0;

    for (1 .. 40) {
        my $r = $t->chat($body, key => $name);

        last if $r->status == 429;

        is($r->status, 200, "$name: a request") or last;
        $n++;
    }

    return $n;
}

sub limit { return $t->get('/v1/usage', key => $_[0])->json->{limits}[0] }

my (%passed, %used);

for (@budgets) {
    my ($name) = @$_;

    $passed{$name} = spend($name);

    ok($passed{$name} >= 3, "$name: $passed{$name} pass");
    $used{$name} = limit($name)->{used};
}

my $n = 0;
$n += $_ for values %passed;

is(scalar($t->waitrows($n)), $n, 'all have rows');

# as numbers: a bucket refills a little all the time

sub kept {
    my ($how) = @_;

    for (@budgets) {
        my ($name, $limit) = @$_;
        my $l = limit($name);

        if ($limit =~ m{/h}) {
            cmp_ok($l->{used}, '>', 0.85 * $used{$name}, "$name: $how keeps it");
            cmp_ok($l->{used}, '<=', $used{$name}, "$name: and no more");

        } else {
            is($l->{used}, $used{$name}, "$name: $how keeps it");
        }

        is($l->{held} + 0, 0, "$name: nothing is held");
        is($t->chat($body, key => $name)->status, 429,
            "$name: still used up after $how");

        next if $limit !~ /key/;

        is($t->chat($body, key => "${name}2")->status,
            200, "$name: another key has its own") if $how eq 'reload';
    }
}

$t->reload;
kept('reload');

ok($t->stop, 'stops');
$t->run;
kept('a restart');

$t->crash;
$t->run;
kept('kill -9 of all');

# one owner for each tenant, and one for each key that has limits

is($t->status->{zone}{owners}, @budgets + 5, 'owners are those with limits');

$t->done;
