#!/usr/bin/perl

# Days and months by a clock that the test sets: a step of the wall clock opens
# no window, time that passes does, and a restart goes by the wall clock again.

use strict;
use warnings;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";

use POSIX qw(strftime);

use AI::Gateway;

plan(skip_all => 'sanitizers come first') if $ENV{AI_PRELOAD};

my $t = AI::Gateway->new;

my $shim = $t->dir . '/clock.so';

system('cc', '-shared', '-fPIC', '-O1', '-o', $shim,
    "$FindBin::Bin/lib/clock.c", '-ldl') == 0 or die "no compiler\n";

$ENV{AI_PRELOAD} = $shim;
$ENV{AI_CLOCK} = $t->dir . '/clock';

# noon of the 15th, two years ahead: no midnight comes by itself

my $start = POSIX::mktime(0, 0, 12, 15, 5, 128);
my $wall = $start - time();
my $boot = 0;

sub set {
    my ($w, $b) = @_;

    ($wall, $boot) = ($wall + $w, $boot + $b);

    # in one step, so that nobody reads half of it
    $t->write_file('clock.new', "$wall $boot\n");
    rename $t->dir . '/clock.new', $t->dir . '/clock' or die $!;
}

set(0, 0);

$t->provider(8081);

my $conf = gateway_conf(
    main => 'env AI_CLOCK;',
    tenants => join '', map { <<EOC }
    ai_tenant $_->[0] {
        plan   usual;
        key    %%KEY_$_->[0]%% name=prod;
        limit  $_->[1];
    }
EOC
        [ day => 'requests 3/day' ], [ month => 'requests 4/month' ],
        [ money => 'cost 0.000700/day' ], [ rate => 'requests 5/h' ]);

$t->run($conf);

my $day = 86400;

sub passes {
    my ($key) = @_;

    my $n = 0;

    $n++ while $n < 20 && $t->chat({ max_tokens => 8 }, key => $key)->status
        == 200;

    return $n;
}

sub all_pass { return join ' ', map { passes($_) } qw(day month money rate) }

my $r = $t->chat(undef, key => 'day');

is($r->status, 200, 'the clock is set');

my $u = $t->get('/v1/usage', key => 'day')->json;

like($u->{time}, qr/^2028-06-15/, 'to another day');
is($u->{limits}[0]{resets_at}, '2028-06-16T00:00:00.000Z',
    'which ends at midnight, UTC');
is($t->get('/v1/usage', key => 'month')->json->{limits}[0]{resets_at},
    '2028-07-01T00:00:00.000Z', 'a month at its end');

is(passes('day'), 2, 'a day');
is(passes('month'), 4, 'a month');

my $money = passes('money');

ok($money > 1, "money of a day: $money pass");
is(passes('rate'), 5, 'a rate');
is(all_pass(), '0 0 0 0', 'all are used up');

# the wall clock steps, by seconds and by years, forth and back: nothing is
# admitted

for (1, -1, 60, 3600, $day, 40 * $day, 366 * $day, -366 * $day, -40 * $day,
    -$day, -7200)
{
    set($_, 0);
    is(all_pass(), '0 0 0 0', "a step of $_ s admits nothing");
    set(-$_, 0);
}

is(all_pass(), '0 0 0 0', 'nor does the way back');
ok($t->waitlog(qr/ai clock: the wall clock stepped/), 'steps are told');

# time that passes opens windows

set(0, 1800);
is(passes('rate'), 2, 'half an hour refills half a rate');
is(passes('day'), 0, 'but no day');

set(0, $day);
is(all_pass(), "3 0 $money 5", 'a day later');

set(0, 16 * $day);
is(all_pass(), "3 4 $money 5", 'a month later');

is($t->get('/v1/usage', key => 'month')->json->{month}{requests}, 4,
    'a month counts its own');

# a request belongs to the day in which it was admitted

set(0, $day);

my $c = $t->start_chat(undef, key => 'day', mock => { wait => 1 });

waitfor { $t->get('/v1/usage', key => 'day')->json->{concurrency} };

set(0, $day);
is($c->finish->status, 200, 'a request over midnight');
is($t->get('/v1/usage', key => 'day')->json->{today}{requests}, 0,
    'is not of the next day');
is($t->get('/v1/usage', key => 'day')->json->{held}{requests}, 0,
    'and is held no more');
is(passes('day'), 3, 'which is whole');

# rows of the other days are not counted by a restart

$t->waitrows(1);
ok($t->stop, 'stops');
$t->run;
is(join(' ', map { passes($_) } qw(day month)), '0 0', 'a restart keeps both');

ok($t->stop, 'stops');
set(0, $day);
$t->run;
is(passes('day'), 3, 'a restart on the next day begins a new one');
is(passes('month'), 0, 'and keeps the month');

# one that comes too early counts for what it is

ok($t->stop, 'stops');
set(-3 * $day, 0);
$t->run;
is(passes('day'), 0, 'a clock set back admits nothing extra');

$t->done;
