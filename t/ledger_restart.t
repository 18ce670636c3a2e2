#!/usr/bin/perl

# Master and workers die and nginx is started again, also while workers of the
# dead master still serve: every row is there once, and what was used of a
# day, a month and of money is still used.

use strict;
use warnings;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";

use AI::Gateway;

my $t = AI::Gateway->new(workers => 2);
my $p = $t->provider(8081);

$t->run(gateway_conf(
    listen => '127.0.0.1:%%PORT_8080%% reuseport',
    ledger => '%%DIR%%/ledger segment=256k sync=1s rotate=64k',
    plan_extra => 'limit requests 1000/day; limit tokens 1000000/month;
        limit cost 1.000000/month; limit concurrency 50;'));

my $body = { max_tokens => 8 };
my %ids;

# enough rows for rotated files

for (1 .. 150) {
    my $r = $t->chat($body);
    $ids{ $r->id } = 'final';
}

ok(waitfor { () = glob "$t->{dir}/ledger/usage-*.jsonl" }, 'files are rotated');

used(150);

# all at once, with open streams

my @c = streams(6);

$t->crash;
$t->run;
used(156);

# an end in order

ok($t->stop, 'stops');
$t->run;
used(156);

# the segments are lost before their rows were shipped: no, they are read

@c = streams(4);
$t->crash;
unlink glob "$t->{dir}/ledger/*.sum";
$t->run;
used(160);

# the master alone: its workers go on beside those of the next one

@c = streams(4, 12);

my @orphans = $t->orphan_workers;

$t->run;

is(scalar(grep { AI::Gateway::proc_state($_) ne 'Z' } @orphans), 2,
    'workers outlive their master');

for my $c (@c) {
    my $r = $c->finish;

    ok($r->complete, 'its streams go on');
    $ids{ $r->id } = 'final';
}

kill 'QUIT', @orphans;

ok((waitfor { !grep { AI::Gateway::proc_state($_) ne 'Z' } @orphans } 10),
    'and leave');

used(164);

# killed workers, then the new master's nginx

@c = streams(4);
$t->kill_worker('KILL', $_) for $t->workers;
used(168);

my %rows;

waitfor {
    undef %rows;
    push @{ $rows{ $_->{id} } }, $_ for $t->rows;
    !grep { !$rows{$_} } keys %ids;
};

is((grep { !$rows{$_} } keys %ids), 0, 'no row is lost');
is((grep { @$_ > 1 } values %rows), 0, 'none is there twice');
is((grep { $rows{$_} && $rows{$_}[0]{state} ne $ids{$_} } keys %ids), 0,
    'of the right state');
is(scalar(keys %rows), scalar(keys %ids), 'and no other');

ok(waitfor { $t->status->{zone}{holds} == 0 }, 'no hold is left');

$t->done;


# n streams that have begun

sub streams {
    my ($n, $events) = @_;

    my @c = map { $t->start_chat({ stream => \1, max_tokens => 200 },
        mock => { events => $events || 100, delay => 0.1 }) } 1 .. $n;

    for my $c (@c) {
        $c->read_events(2);
        $ids{ $c->head->{headers}{'x-request-id'} } = 'interrupted';
    }

    return @c;
}


# requests, tokens and money of the month, as the rows have them

sub used {
    my ($n) = @_;

    my ($use, %sum, $same);

    $same = waitfor {
        %sum = (requests => 0, tokens => 0, cost => 0);

        for my $row ($t->rows) {
            $sum{requests}++;
            $sum{tokens} += ($row->{input_tokens} // 0)
                + ($row->{output_tokens} // 0);
            $sum{cost} += $row->{cost_usd} // 0;
        }

        $use = $t->get('/v1/usage')->json;

        return $sum{requests} == $n
            && $use->{today}{requests} == $n
            && $use->{month}{requests} == $n
            && $use->{month}{tokens} == $sum{tokens}
            && abs($use->{month}{cost_usd} - $sum{cost}) < 1e-8;
    };

    ok($same, "$n requests are used")
        or diag(explain({ rows => \%sum, usage => $use }));
}
