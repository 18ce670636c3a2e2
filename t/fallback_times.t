#!/usr/bin/perl

# Each target's own times, and those of all attempts together.

use strict;
use warnings;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";

use MIME::Base64;

use AI::Chain;
use AI::Gateway;

my $t = AI::Gateway->new;
my $c = AI::Chain->new($t, [ qw(a b c d deaf) ]);

$t->run(gateway_conf($c->conf(models => join('',

    # name, first target and its words, behind it b
    map({ my ($name, @targets) = @$_; $c->model($name, @targets) }
        [ 'connect', 'deaf connect=300ms first_byte=9s', 'b' ],
        [ 'connecting', 'deaf connect=9s first_byte=300ms', 'b' ],
        [ 'first', 'a first_byte=300ms timeout=9s', 'b' ],
        [ 'between', 'a timeout=700ms', 'b' ],
        [ 'shorter', 'a first_byte=300ms timeout=100ms', 'b' ],
        [ 'total', 'a total=400ms', 'b' ],
        [ 'few', 'a', 'b', 'c', 'd', \'attempts 2;' ],
        [ 'one', 'a', 'b', \'attempts 1;' ],
        [ 'together', map({ "$_ first_byte=300ms" } qw(a b c d)),
            \'total 500ms;' ],
        [ 'soon', map({ "$_ first_byte=9s timeout=9s" } qw(a b)),
            \'total 300ms;' ],
        [ 'again', 'a', 'b', \'retry 500ms;' ],
        [ 'refuses', 'a', 'b', \'retry 0;' ])))));

my %at = (a => { wait => 4 });

# from the start of connecting, in whichever state the attempt is

is_deeply(tried('connect'), [ 'deaf - timeout', 'b 200 -' ], 'connect=');
took(0, 300, 'connect=');

is_deeply(tried('connecting'), [ 'deaf - timeout', 'b 200 -' ],
    'first_byte= while connecting');
took(0, 300, 'first_byte= while connecting');

is_deeply(tried('first', at => \%at), [ 'a - timeout', 'b 200 -' ],
    'first_byte= while waiting');
took(0, 300, 'first_byte= while waiting');

# bytes of a head are no first byte

my $head = encode_base64("HTTP/1.1 200 OK\r\n" . "X-Slow: yes\r\n" x 40, '');

is_deeply(tried('first', at => { a => { raw64 => $head, split => 'byte',
    delay => 0.05 } }), [ 'a - timeout', 'b 200 -' ], 'a head in drops');
took(0, 300, 'a head in drops');

is_deeply(tried('first', at => { a => { wait => 0.1 } }), [ 'a 200 -' ],
    'in time');

# behind the head only reads are timed

my $r = stream('first', { events => 6, delay => 0.1 });

is($r->status, 200, 'slower in all: status');
ok($r->complete, 'slower in all: whole');

# between reads, before and behind the head

is_deeply(tried('between', at => \%at), [ 'a - timeout', 'b 200 -' ],
    'timeout= before the head');
took(0, 700, 'timeout= before the head');

# how close reads may be, it is not cut short

$r = stream('between', { events => 8, delay => 0.6 });

ok($r->complete, 'timeout= in a stream: none is that long');

$r = stream('between', { events => 4, delay => 2 });

ok(!$r->complete, 'timeout= in a stream: cut');
is_deeply(of($r), [ 'a 200 cut' ], 'timeout= in a stream: attempts');
took(0, 700, 'timeout= in a stream', 300);

$r = stream('between', { wait => 0.25, body_wait => 3, events => 4 });

ok(!$r->complete, 'timeout= behind a head: cut');
is_deeply(of($r), [ 'a 200 cut' ], 'timeout= behind a head: attempts');
took(0, 950, 'timeout= behind a head', 300);

is_deeply(tried('shorter', at => \%at), [ 'a - timeout', 'b 200 -' ],
    'the shorter one of the two');
took(0, 100, 'the shorter one of the two');

# of one attempt

is_deeply(tried('total', at => \%at), [ 'a - timeout', 'b 200 -' ],
    'total= before the head');
took(0, 400, 'total= before the head');

$r = stream('total', { events => 30, delay => 0.05 });

is($r->status, 200, 'total= in a stream: status');
ok(!$r->complete, 'total= in a stream: cut');
is_deeply(of($r), [ 'a 200 cut' ], 'total= in a stream: attempts');
took(0, 400, 'total= in a stream');

# all attempts together

my %no = map { $_ => { status => 503, body => "no of $_" } } qw(a b c d);

is_deeply(tried('few', at => \%no), [ 'a 503 status', 'b 503 status' ],
    'attempts: no more');
is($r->body, 'no of b', 'attempts: the last one\'s words');

is_deeply(tried('one', at => \%no), [ 'a 503 status' ], 'attempts: one');
is($r->body, 'no of a', 'attempts: its words');

my %late = map { $_ => { wait => 4 } } qw(a b c d);

is_deeply(tried('together', at => \%late), [ 'a - timeout', 'b - timeout' ],
    'total: no more');
is($r->status, 504, 'total: status');
is($r->json->{error}{code}, 'upstream_error', 'total: our words');
took(0, 300, 'total: the first');
took(1, 200, 'total: the rest');

is_deeply(tried('soon', at => \%late), [ 'a - timeout' ], 'total: only one');
took(0, 300, 'total: only one');

$r = stream('together', { events => 10, delay => 0.08 });

ok($r->complete, 'total: an answer that has begun goes on');

# 429: its time is waited for where the next target would take longer

for my $name (qw(again refuses)) {
    my %slow = (a => { status => 503 }, b => { wait => 0.4 });

    tried($name, at => \%slow) for 1 .. 3;

    waited($name, 'retry-after-ms' => 100, $name eq 'again');
    waited($name, 'retry-after' => 1, 0);
    waited($name, 'retry-after-ms' => 450, 0);
}

ok((waitfor { $t->status->{zone}{holds} == 0 }), 'no hold is left');

$t->done;


sub body {
    my ($model) = @_;

    return { model => $model,
        messages => [ { role => 'user', content => 'x' } ] };
}


sub tried {
    my ($model, %mock) = @_;

    $r = $t->post('/v1/chat/completions', body($model), mock => \%mock);

    return of($r);
}


sub stream {
    my ($model, $mock) = @_;

    return $r = $t->post('/v1/chat/completions',
        { %{ body($model) }, stream => \1 }, mock => { at => { a => $mock } });
}


sub of {
    my ($r) = @_;

    $t->waitrow($r->id);
    $c->read;

    return $c->tried($r->id);
}


# of an attempt of the last request

sub took {
    my ($n, $ms, $name, $late) = @_;

    my $got = $c->row($r->id)->{attempts}[$n]{ms} // -1;
    my $factor = $AI::Gateway::factor;

    my $most = $ms + ($late // 0) + 250 * $factor;

    ok($got >= $ms - 5 && $got < $most, "$name: time")
        or diag("$got ms, not $ms");
}


sub waited {
    my ($model, $header, $value, $yes) = @_;

    # it rests while it was asked to

    waitfor { tried($model)->[0] eq 'a 200 -' };

    $c->provider('a')->behave({ status => 429, times => 1,
        headers => { $header => $value } });

    $r = $t->post('/v1/chat/completions', body($model),
        headers => {}, mock => undef);

    my @tried = @{ of($r) };
    my $name = "$model: $header: $value";

    is($r->status, 200, "$name: status");
    is_deeply(\@tried, [ 'a 429 status', $yes ? 'a 200 -' : 'b 200 -' ],
        "$name: attempts");
    is($c->row($r->id)->{attempts}[1]{chosen},
        $yes ? 'retry' : 'fallback', "$name: why");
}
