#!/usr/bin/perl

# A client that asks for the connection to be closed and leaves that to nginx,
# which lingers: the request ends with its answer all the same.

use strict;
use warnings;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";

use AI::Gateway;

my $t = AI::Gateway->new;
my $p = $t->provider(8081);

$t->run(gateway_conf(plan_extra => 'limit concurrency 1;',
    server => 'lingering_close always; lingering_timeout 60s;
        lingering_time 60s;'));

my @open;

for my $mock ({}, { status => 500 }, { close => 'request' }, { usage => undef })
{
    for my $stream (0, 1) {
        my $c = $t->start_chat({ $stream ? (stream => \1) : () },
            headers => { Connection => 'close' }, mock => $mock);

        push @open, $c;

        my $id = $c->finish->id;
        my $row = $t->waitrow($id, 3);

        ok($row->{id}, 'row is there at once');
        cmp_ok($row->{duration_ms} // 9999, '<', 2000, 'with its true length');
        is($t->status->{zone}{holds}, 0, 'no hold is left');
    }
}

$_->close for @open;

$t->done;
