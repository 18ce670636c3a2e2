#!/usr/bin/perl

# A breaker through its states: opens after failures in a row, keeps requests
# off, lets one probe through, opens again or closes; by hand; what is known of
# it is one for all workers, and survives a reload and a worker's death.

use strict;
use warnings;

use Test::More;
use Time::HiRes qw(time sleep);
use FindBin;
use lib "$FindBin::Bin/lib";
use AI::Gateway;

my $t = AI::Gateway->new(workers => 2);
my $bad = $t->provider(8081);
my $good = $t->provider(8082);

$t->run(conf());

my $error = { status => 500, body => '{"error":{"message":"no"}}' };

# five failures in a row, each of them answered by the fallback

$bad->behave($error);

for my $n (1 .. 5) {
    my $r = chat();

    is($r->status, 200, "failure $n goes elsewhere");
    is_deeply([ map { [ @$_{qw(provider chosen status)} ] }
        @{ $t->waitrow($r->id)->{attempts} } ],
        [ [ 'primary', undef, 500 ], [ 'spare', 'fallback', 200 ] ],
        'and the row says so')
        if $n == 1;
}

is($bad->requests, 5, 'five attempts');
is(target('primary')->{failed}, 5, 'five failures');
is(target('spare')->{attempts}, 5, 'and as many elsewhere');
is(target('spare')->{failed}, 0, 'which failed not');
is(target('primary')->{state}, 'open', 'open');
is(target('primary')->{breaker}{opened}, 1, 'once');
like($t->log, qr/\[error\].* ai\ target\ "primary"\ of\ model\ "gpt-4\.1":
    \ breaker\ opened\ after\ 5\ failures,\ next\ probe\ in\ [34]s/x,
    'the log says so');

is(chat()->status, 200, 'a request') for 1 .. 6;
is($bad->requests, 5, 'none goes there');

# through a reload and the death of all workers

$t->reload;
is(chat()->status, 200, 'a request after a reload');
$t->kill_worker('KILL', $_) for $t->workers;
ok(waitfor { $t->workers == 2 }, 'workers are killed');
ok(waitfor { chat()->status == 200 }, 'a request after that');
is($bad->requests, 5, 'none goes there');
is(target('primary')->{breaker}{failures}, 5, 'nothing is forgotten');

# half open: one probe, which fails

ok(waitfor { target('primary')->{state} eq 'half_open' }, 'half open');

$bad->behave({ %$error, wait => 0.6 });

my @many = map { $t->start_chat({ model => 'gpt-4.1' }) } 1 .. 8;

ok(waitfor { $bad->requests == 6 }, 'a probe');
is(scalar(grep { $_->finish->status == 200 } @many), 8, 'all are answered');
$_->close for @many;
is($bad->requests, 6, 'by one probe, and the fallback');
ok($t->waitlog(qr/\[warn\].*"primary".*: probe failed, breaker opened again/),
    'the log says so');
is(target('primary')->{breaker}{opened}, 2, 'open again');

# a probe whose client leaves says nothing: another one goes

ok(waitfor { target('primary')->{state} eq 'half_open' }, 'half open');

$bad->behave({ wait => 60 });

my $c = $t->start_chat({ model => 'gpt-4.1' });

ok(waitfor { $bad->requests == 7 }, 'a probe');
is(target('primary')->{state}, 'open', 'under way');
$c->close;

ok(waitfor { target('primary')->{state} eq 'half_open' }, 'its client left');

# the next one goes well

$bad->behave({});

is(chat()->status, 200, 'a probe that goes well');
is($bad->requests, 8, 'went there');
is(target('primary')->{state}, 'ready', 'closed');
like($t->log, qr/\[notice\].* "primary" of model "gpt-4\.1": breaker closed/,
    'the log says so');
is(chat()->status, 200, 'a request') for 1 .. 3;
is($bad->requests, 11, 'all go there');

# a success ends a row

for my $n (1 .. 3) {
    $bad->behave($error);
    chat() for 1 .. 4;
    $bad->behave({});
    chat();
}

is(target('primary')->{state}, 'ready', 'no five in a row');

# what does not count, and what rests

my $before = $bad->requests;

$bad->behave({ status => 400, body => '{"error":{"message":"you"}}' });
is(chat()->status, 400, 'a fault of the client') for 1 .. 6;
is(target('primary')->{breaker}{failures}, 0, 'is no failure');

$bad->behave({ status => 429, headers => { 'retry-after' => 2 },
    body => '{"error":{"message":"slow"}}' });
is(chat()->status, 200, 'a limit goes elsewhere');
is(target('primary')->{state}, 'resting', 'and the target rests');
is(target('primary')->{breaker}{failures}, 0, 'that is no failure');
like($t->log, qr/\[warn\].*"primary".* rate limited by the provider, rests/,
    'the log says so');

$before = $bad->requests;
is(chat()->status, 200, 'a request') for 1 .. 4;
is($bad->requests, $before, 'none goes there');

$bad->behave({});
ok(waitfor { target('primary')->{state} eq 'ready' }, 'until it is over');
chat();
is($bad->requests, $before + 1, 'then they do');

# by hand

control('primary', 'breaker=open');
$before = $bad->requests;
is(chat()->status, 200, 'a request') for 1 .. 4;
is($bad->requests, $before, 'opened by hand: none goes there');

control('spare', 'breaker=open');

my $r = chat();

is($r->status, 503, 'all are open');
is($r->json->{error}{code}, 'upstream_error', 'code');
is($r->json->{error}{type}, 'server_error', 'type');
ok($r->header('retry-after'), 'when to come back');

control('spare', 'breaker=auto');
control('primary', 'breaker=close');
$bad->behave($error);
is(chat()->status, 200, 'a request') for 1 .. 8;
is($bad->requests, $before + 8, 'closed by hand: all go there');
is(target('primary')->{state}, 'ready', 'and it never opens');

$bad->behave({ status => 429, headers => { 'retry-after' => 500 },
    body => '{"error":{"message":"much too slow"}}' });
is(chat()->status, 200, 'a long rest');
is(target('primary')->{state}, 'resting', 'begins');
control('primary', 'breaker=auto');
is(target('primary')->{state}, 'ready', 'and ends by hand');

# metrics

my $m = $t->metrics;
my $labels = '{model="gpt-4.1",target="primary"}';

is($m->{"ai_breaker_opened_total$labels"}, 2, 'openings');
is($m->{"ai_target_limited_total$labels"}, 2, 'limits');
is($m->{"ai_target_attempts_total$labels"}, $bad->requests, 'attempts');
ok($m->{"ai_target_failed_total$labels"} >= 26, 'failures');
is($m->{"ai_target_open$labels"}, 0, 'state');
like($m->{"ai_target_first_byte_seconds$labels"}, qr/^\d\.\d{9}$/, 'seconds');
cmp_ok($m->{"ai_target_first_byte_seconds$labels"}, '==',
    target('primary')->{first_byte_ms} / 1000, 'as ai_status says');

$t->allow(qr/exited on signal 9/);
$t->done;


sub conf {
    my $breaker = 'breaker failures=5 window=10s cooldown=3s errors=off;';

    return gateway_conf(
        providers => AI::Conf::provider('openai', name => 'primary',
            upstream => 'one', extra => $breaker)
            . AI::Conf::provider('openai', name => 'spare', port => 8082,
            upstream => 'two', extra => $breaker),
        models => <<'EOC', http => <<'EOH');
    ai_model gpt-4.1 {
        price       input=2.00 output=8.00;
        max_output  100;
        target      primary;
        fallback    spare;
    }
EOC
    upstream one { server 127.0.0.1:%%PORT_8081%%; keepalive 4; }
    upstream two { server 127.0.0.1:%%PORT_8082%%; keepalive 4; }
EOH
}


sub chat { return $t->chat({ model => 'gpt-4.1' }) }


sub target {
    my ($name) = @_;

    my $list = $t->get('/ai/control', key => undef)->json->{targets};

    return (grep { $_->{target} eq $name } @$list)[0];
}


sub control {
    my ($name, $change) = @_;

    is($t->post("/ai/control?model=gpt-4.1&target=$name&$change", '',
        key => undef)->status, 200, "$name: $change");
}
