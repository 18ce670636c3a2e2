#!/usr/bin/perl

# A plan's queue: requests without a slot wait for one, in order, as many as
# the plan says and as long as it says.

use strict;
use warnings;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";

use AI::Gateway;

use Time::HiRes qw(time);

my $t = AI::Gateway->new;
my $p = $t->provider(8081);

my $conf = gateway_conf(
    server => 'listen 127.0.0.1:%%PORT_h2%% http2;',
    plan => <<'EOC',
    ai_plan two {
        limit   concurrency 2;
        models  *;
        queue   3;
    }
    ai_plan quick {
        limit   concurrency 1;
        models  *;
        queue   1 timeout=300ms;
    }
    ai_plan none {
        limit   concurrency 1;
        models  *;
    }
    ai_plan keys {
        limit   concurrency 1 per=key;
        models  *;
        queue   5 timeout=10s;
    }
    ai_plan long {
        limit   concurrency 1;
        models  *;
        queue   50 timeout=60s;
    }
EOC
    tenants => <<'EOC',
    ai_tenant acme   { plan two; key %%KEY_acme%%; }
    ai_tenant quick  { plan quick; key %%KEY_quick%%; }
    ai_tenant none   { plan none; key %%KEY_none%%; }
    ai_tenant keys   { plan keys; key %%KEY_one%% name=one;
                                  key %%KEY_two%% name=two; }
    ai_tenant long   { plan long; key %%KEY_long%%; }
    ai_tenant other  { plan long; key %%KEY_other%%; }
EOC
);

$t->run($conf);


# a stream that holds its slot until its client goes

sub hold {
    my ($key) = @_;

    my $c = begin($key);

    $c->read_events(1) or die "no stream of $key\n";

    return $c;
}


sub begin {
    my ($key) = @_;

    return $t->start_chat({ stream => \1 }, key => $key,
        mock => { events => 2000, delay => 0.05 });
}


sub queue { return $t->status->{queue} }

# one more that waits, once it does

sub waiter {
    my ($key) = @_;

    my $before = queue()->{queued};
    my $c = begin($key);

    waitfor { queue()->{queued} == $before + 1 } or die "$key does not wait\n";

    return $c;
}


sub open_of {
    my ($name) = @_;

    my ($tenant) = grep { $_->{name} eq $name } @{ $t->status->{tenants} };

    return $tenant ? $tenant->{open} : 0;
}


sub idle {
    my ($name) = @_;

    return waitfor { open_of($name) == 0 };
}


# ---- order, and how many

{
    my @hold = map { hold('acme') } 1 .. 2;
    my @wait = map { waiter('acme') } 1 .. 3;
    my $sent = $p->requests;
    my $r = $t->chat({}, key => 'acme');

    is($r->status, 429, 'more than the queue takes is refused at once');
    is($r->json->{error}{code}, 'rate_limit_exceeded', 'by concurrency');
    like($r->json->{error}{message}, qr/concurrent requests/, 'which it says');
    ok($r->{time} < 1, 'without waiting');
    is(open_of('acme'), 2, 'those that wait hold nothing');
    is($p->requests, $sent, 'and went nowhere');

    my $begun = time();

    $hold[0]->close;
    ok($wait[0]->read_events(1), 'the first one is next');
    ok(time() - $begun < 1, 'at once');
    is($p->requests, $sent + 1, 'and nobody else');

    $hold[1]->close;
    ok($wait[1]->read_events(1), 'then the second');
    is($p->requests, $sent + 2, 'alone');

    $wait[0]->close;
    ok($wait[2]->read_events(1), 'then the third');

    is(open_of('acme'), 2, 'as many as may run');

    $_->close for @wait;
    ok(idle('acme'), 'all have ended');
    is(queue()->{queued_out}, 0, 'everyone had a slot');
}


# ---- time

{
    my $hold = hold('quick');
    my $begun = time();
    my $r = $t->chat({}, key => 'quick');
    my $took = time() - $begun;

    is($r->status, 429, 'its time is over');
    is($r->json->{error}{code}, 'rate_limit_exceeded', 'no slot was free');
    is($r->header('retry-after'), 1, 'retry-after');
    ok($took > .25 && $took < 2 * $AI::Gateway::factor, "after $took s");
    is(queue()->{queued_out}, 1, 'counted');
    like($t->read_file('access.log'), qr/^429 /m, 'and logged');

    $r = $t->chat({}, key => 'none');
    is($r->status, 200, 'a plan without a queue');

    my $none = hold('none');

    $begun = time();
    is($t->chat({}, key => 'none')->status, 429, 'refuses');
    ok(time() - $begun < 1, 'at once');

    # what waits at the end of its time takes a slot that is free by then

    $_->close for $hold, $none;
    ok(idle('quick'), 'all have ended');
    is($t->chat({}, key => 'quick')->status, 200, 'then one passes');
}


# ---- a client that goes away gives its place back

{
    my $hold = hold('quick');

    for my $how (qw(close reset)) {
        my $out = queue()->{queued_out};
        my $c = waiter('quick');

        $c->$how;

        ok(waitfor { queue()->{queued_out} == $out + 1 }, "$how is counted");
    }

    my $c = waiter('quick');

    $hold->close;

    ok($c->read_events(1), 'the place was free, then the slot');

    $c->close;
    ok(idle('quick'), 'all have ended');

    # the first of several: the next one moves up

    $hold = hold('long');

    my @wait = map { waiter('long') } 1 .. 3;

    $wait[0]->close;
    $hold->close;

    ok($wait[1]->read_events(1), 'the second has moved up');
    $wait[1]->reset;
    ok($wait[2]->read_events(1), 'and the third');
    $wait[2]->close;
    ok(idle('long'), 'all have ended');
}


# ---- a slot that comes free is taken at once, not when the timer looks, each
# four milliseconds or later

{
    my $best = 9;

    for (1 .. 5) {
        my $hold = hold('long');
        my $before = queue()->{queued};
        my @c = map { $t->start_chat({}, key => 'long') } 1 .. 40;

        waitfor { queue()->{queued} == $before + 40 };

        my $begun = time();

        $hold->close;
        $_->finish for @c;

        my $took = time() - $begun;

        $best = $took if $took < $best;
        idle('long');
    }

    ok($best < 40 * .004 * $AI::Gateway::factor, "forty in $best s");
}


# ---- HTTP/2

{
    my $hold = hold('long');
    my $out = queue()->{queued_out};
    my $r = $t->h2('POST', '/v1/chat/completions', { model => 'gpt-4.1',
        messages => [ { role => 'user', content => 'Hello' } ] },
        key => 'long', port => 'h2', timeout => .5);

    ok(waitfor { queue()->{queued_out} == $out + 1 }, 'HTTP/2: gone');

    # released from outside while curl waits

    my $n = queue()->{queued};
    my $pid = fork();

    if ($pid == 0) {
        waitfor { queue()->{queued} > $n };
        shutdown $hold->{s}, 2;
        POSIX::_exit(0);
    }

    $r = $t->h2('POST', '/v1/chat/completions', { model => 'gpt-4.1',
        messages => [ { role => 'user', content => 'Hello' } ] },
        key => 'long', port => 'h2');

    waitpid $pid, 0;
    $hold->close;

    is($r->status, 200, 'HTTP/2: served after a wait');
    ok(idle('long'), 'all have ended');
}


# ---- parties

{
    my @hold = map { hold($_) } qw(long other one);
    my @wait = map { [ $_, waiter($_) ] } qw(long long other other one);

    is($t->chat({}, key => 'two')->status, 200, 'another key has its own');

    # of two tenants nobody waits for the other

    $hold[1]->close;
    ok($wait[2][1]->read_events(1), 'a tenant\'s own slot');
    $hold[2]->close;
    ok($wait[4][1]->read_events(1), 'a key\'s own slot');
    $hold[0]->close;
    ok($wait[0][1]->read_events(1), 'the other tenant\'s slot');

    $_->[1]->close for @wait;
    ok(idle($_), "$_: all have ended") for qw(long other keys);
}


# ---- reload: who waits is served by the old worker

{
    my $hold = hold('long');
    my @wait = map { waiter('long') } 1 .. 2;

    ok($t->reload, 'reload');

    $hold->close;
    ok($wait[0]->read_events(1), 'the old worker serves on');
    $wait[0]->close;
    ok($wait[1]->read_events(1), 'all of them');

    # for a slot that is held in the other worker

    my $new = waiter('long');

    $wait[1]->close;
    ok($new->read_events(1), 'slots of an old worker come free');
    $new->close;
    ok(idle('long'), 'all have ended');
}

$t->done;


# ---- two workers: lines of their own, one queue

$t = AI::Gateway->new(workers => 2);
$p = $t->provider(8081);
$t->run($conf);

{
    my $hold = hold('long');
    my $before = queue()->{queued};

    my @c = map { $t->start_chat({}, key => 'long', mock => { wait => .02 }) }
        1 .. 40;

    ok((waitfor { queue()->{queued} == $before + 40 }), 'all wait');
    is(open_of('long'), 1, 'one runs');

    # the queue is one for all workers

    my @more = map { $t->start_chat({}, key => 'long') } 1 .. 20;
    my %got;

    ok((waitfor { queue()->{queued} == $before + 50 }), 'up to fifty');

    $hold->close;

    $got{ $_->finish->status }++ for @c, @more;

    is_deeply(\%got, { 200 => 50, 429 => 10 }, 'all of them are served');

    ok(idle('long'), 'all have ended');
}

# a worker that is killed takes its waiters' places with it

for my $i (1 .. 3) {
    my @hold = map { hold('long') } 1;
    my $before = queue()->{queued};
    my @c = map { begin('long') } 1 .. 50;

    waitfor { queue()->{queued} == $before + 50 } or die "not all wait\n";

    $t->kill_worker('KILL', $_) for $t->workers;

    ok(idle('long'), "killed: nothing is held, $i");

    # all fifty places are free again

    $_->close for @hold, @c;
    $hold[0] = waitfor { eval { hold('long') } };
    $before = queue()->{queued};
    @c = map { begin('long') } 1 .. 50;

    ok((waitfor { queue()->{queued} == $before + 50 }), "nor any place, $i");

    $_->close for @c, @hold;
    ok(idle('long'), 'all have ended');
}

$t->allow(qr/exited on signal 9/);
$t->done;
