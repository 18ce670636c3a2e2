#!/usr/bin/perl

# Reloads and stops with open streams: none is cut that may go on, each has
# the price and the rights it was admitted with, counters stay, nothing leaks.

use strict;
use warnings;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";

use AI::Gateway;

my $t = AI::Gateway->new;
my $p = $t->provider(8081);

my $limits = 'limit requests 1000/day; limit cost 5.00/month;';
my $usual = gateway_conf(plan_extra => $limits);
my $impatient = gateway_conf(plan_extra => $limits,
    main => 'worker_shutdown_timeout 500ms;');

$t->run($usual);
$t->chat({ max_tokens => 8 }) for 1 .. 20;

my $used = 20;

rounds();
prices();
rights();
broken();
timeout();
stops();

$t->done;


sub streams {
    my ($n, $events, %o) = @_;

    my @c = map { $t->start_chat({ stream => \1, max_tokens => 300 }, %o,
        mock => { events => $events, delay => 0.05 }) } 1 .. $n;

    for my $c (@c) {
        $c->read_events(3);
        is($c->head->{status}, 200, 'admitted');
    }

    $used += $n;

    return @c;
}


# many times, with streams that are older than all of them

sub rounds {
    my @c = streams(5, 100);
    my ($memory, $files);

    for my $n (1 .. 15) {
        ok($t->reload, "reload $n");

        my $r = $t->chat({ max_tokens => 8 });

        $used++;
        is($r->status, 200, "reload $n: served");

        next if $n != 5 && $n != 15;

        my ($m, $f) = (size('RssAnon'), files());

        if ($n == 15) {
            # sanitizers keep what was freed

            cmp_ok($m - $memory, '<', 1024, 'memory of the master')
                unless $ENV{AI_PRELOAD} || $ENV{AI_VALGRIND};
            is($f, $files, 'files of the master');
        }

        ($memory, $files) = ($m, $f);
    }

    for my $c (@c) {
        my $r = $c->finish;
        my $row = $t->waitrow($r->id);

        ok($r->complete, 'a stream goes on');
        is(scalar(() = $r->body =~ /tok /g), 100, 'with all its words');
        is($row->{state}, 'final', 'and is final');
        is($row->{output_tokens}, 100, 'with all its tokens');
    }

    ok((waitfor { my @c = $t->children; @c == 1 } 10), 'old workers leave');
    is(today(), $used, 'nothing is forgotten');
    ok(waitfor { $t->status->{zone}{holds} == 0 }, 'no hold is left');
}


# of the master

sub size {
    my ($name) = @_;

    open my $f, '<', "/proc/$t->{master}/status" or die;

    return (join('', <$f>) =~ /$name:\s+(\d+)/)[0];
}


sub files { return scalar(() = glob "/proc/$t->{master}/fd/*") }

sub today { return $t->get('/v1/usage')->json->{today}{requests} }


# a request is priced by what held when it was admitted

sub prices {
    my ($c) = streams(1, 30);

    my $dear = AI::Conf::models() =~ s/input=2\.00 /input=20.00 /r
        =~ s/output=8\.00/output=80.00/r;

    ok($t->reload(gateway_conf(plan_extra => $limits, models => $dear)),
        'other prices');

    my $old = $t->waitrow($c->finish->id);
    my $new = $t->waitrow($t->chat({ max_tokens => 30 },
        mock => { events => 30 })->id);

    $used++;

    is($old->{cost_usd}, '0.000262000', 'price at admission');
    is($new->{cost_usd}, '0.002620000', 'price of the next one');
    isnt($old->{price_version}, $new->{price_version}, 'versions differ');
}


# keys and limits hold at once, what was used stays used

sub rights {
    my ($c) = streams(1, 30, key => 'other');

    $used--;

    ok($t->reload(gateway_conf(plan_extra => "limit requests $used/day;",
        tenants => AI::Conf::tenants() =~ s/%%KEY_other%%/%%KEY_new%%/r)),
        'other keys and limits');

    is($t->chat({}, key => 'other')->status, 401, 'the old key is refused');
    is($t->chat({}, key => 'new')->status, 200, 'the new one is not');
    is($t->chat->status, 429, 'a lower limit is used up');

    my $r = $c->finish;

    ok($r->complete, 'its stream goes on');
    is($t->waitrow($r->id)->{key}, 'prod', 'and is billed');

    ok($t->reload($usual), 'back');
    is($t->chat({ max_tokens => 8 })->status, 200, 'a higher one is not');

    $used++;
    is(today(), $used, 'nothing is forgotten');
}


# the running configuration stays

sub broken {
    my ($c) = streams(1, 20);
    my @w = $t->workers;

    $t->allow(qr/unknown directive "nonsense"/);
    $t->write_file('nginx.conf', $usual . "nonsense;\n");
    kill 'HUP', $t->{master};

    ok($t->waitlog(qr/unknown directive "nonsense"/), 'a broken one is told');
    is_deeply([ $t->workers ], \@w, 'the workers stay');
    ok($c->finish->complete, 'and their streams');

    $t->write_file('nginx.conf', $usual);
}


# worker_shutdown_timeout: what was delivered is billed

sub timeout {
    ok($t->reload($impatient), 'impatient');

    my $events = 200 * $AI::Gateway::factor;
    my @c = streams(4, $events);

    ok($t->reload(undef, old => 1), 'old workers are gone in time');

    for my $c (@c) {
        my $r = $c->finish;
        my $row = $t->waitrow($r->id);
        my $words = () = $r->body =~ /tok /g;

        ok(!$r->complete, 'cut');
        unlike($r->body, qr/DONE/, 'no end is made up');
        is($row->{state}, 'interrupted', 'interrupted');
        cmp_ok($row->{output_tokens}, '>=', $words, 'what was delivered');
        cmp_ok($row->{output_tokens}, '<', $events / 2, 'and not much more');
    }

    ok(waitfor { $t->status->{zone}{holds} == 0 }, 'no hold is left');
}


# QUIT waits for streams; TERM and KILL do not, and their rows come all the same

sub stops {
    ok($t->reload($usual, old => 1), 'patient again');

    my @c = streams(3, 30);

    kill 'QUIT', $t->{master};

    for my $c (@c) {
        my $r = $c->finish;

        ok($r->complete, 'QUIT: a stream goes on');
        is($t->waitrow($r->id)->{state}, 'final', 'QUIT: final');
    }

    ok($t->stop('QUIT'), 'QUIT: leaves');

    for my $signal ('TERM', 'INT') {
        $t->run($usual);

        @c = streams(3, 300);

        ok($t->stop($signal), "$signal: leaves");

        my @r = map { $_->finish } @c;

        $t->run;

        for my $r (@r) {
            my $row = $t->waitrow($r->id);
            my $words = () = $r->body =~ /tok /g;

            is($row->{state}, 'interrupted', "$signal: interrupted");
            cmp_ok($row->{output_tokens}, '>=', $words,
                "$signal: what was delivered");
        }

        is(today(), $used, "$signal: nothing is forgotten");
        $t->stop;
    }

    $t->run;
}
