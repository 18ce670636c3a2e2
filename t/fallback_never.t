#!/usr/bin/perl

# What is never tried elsewhere: a client's own mistake, an answer that has
# begun, a request whose client has left.

use strict;
use warnings;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";

use AI::Chain;
use AI::Gateway;

my $t = AI::Gateway->new;
my $c = AI::Chain->new($t, [ qw(a b c d) ]);

my $text = '{"error":{"message":"its own words","type":"x","code":"y"}}';

$t->run(gateway_conf($c->conf(
    models => $c->model('m', map { "$_ first_byte=10s timeout=10s" }
        qw(a b c d)),
    plan_extra => 'limit concurrency 30;',
    server => 'listen 127.0.0.1:%%PORT_8082%% http2;')));

my (%r, @ids);
my $n = 0;

# a client's mistake, at the first target and behind one that failed

for my $status (400, 401, 403, 404, 413, 422, 402, 405, 418) {
    for my $first ('a', 'b') {
        for my $stream (0, 1) {
            my %at = ($first => { status => $status, body => $text,
                headers => { 'X-Own' => 'yes', 'Retry-After' => 1 } });

            $at{a} //= { status => 503 };

            my $r = chat($stream, \%at);

            is($r->status, $status, "$status at $first: status");
            is($r->body, $text, "$status at $first: its words");
            is($r->header('x-own'), 'yes', "$status at $first: its headers");

            expect($r->id, "$status at $first",
                $first eq 'a' ? () : 'a 503 status', "$first $status status");
        }
    }
}

# an answer that has begun: cut behind each of its events, or with an error

for my $events (1 .. 5) {
    for my $how (qw(fin rst error)) {
        my $r = chat(1, { b => $how eq 'error' ? { error_event => $events }
            : { cut_event => $events, how => $how }, a => { status => 503 } });
        my $name = "$how after $events events";

        is($r->status, 200, "$name: status");

        # an error comes whole, with the end of the stream behind it

        is($r->complete, $how eq 'error' ? 1 : 0, "$name: cut, as it was");
        unlike($r->body, qr/DONE/, "$name: no end is made up");

        expect($r->id, $name, 'a 503 status', 'b 200 cut');
    }
}

# the same without a stream; only a part of the body came

my $r = chat(0, { a => { cut => 20 } });

is($r->status, 200, 'cut body: status');
ok(!$r->complete, 'cut body: cut');
expect($r->id, 'cut body', 'a 200 cut');

# before the answer began: each attempt is given up with its client

for my $k (0 .. 3) {
    for my $how (qw(close reset)) {
        my @names = qw(a b c d);
        my %at = map { $names[$_] => { status => 503 } } 0 .. $k - 1;

        $at{ $names[$k] } = { hang => 1 };

        my $n = $c->provider($names[$k])->requests;
        my $conn = $t->start('POST', '/v1/chat/completions', body(0),
            mock => { at => \%at });

        ok((waitfor { $c->provider($names[$k])->requests > $n }),
            "left in attempt $k: it runs");

        $conn->$how;

        my $left = waitfor { $c->provider($names[$k])->state->{open} == 0 };

        ok($left, "left in attempt $k: it ends at once");

        push @ids, [ $k, $how ];
    }
}

ok((waitfor { $t->status->{zone}{holds} == 0 }), 'no hold is left');

$c->read($n + @ids);

check(@$_) for values %r;

my @gone = grep { !$r{ $_->{id} } } values %{ $c->{row} };

is(@gone, @ids, 'one row for each that left');

for my $row (@gone) {
    my $tried = $c->tried($row->{id});
    my $k = $#$tried;
    my @want = map { "$_ 503 status" } (qw(a b c d))[0 .. $k - 1];

    is_deeply($tried, [ @want, (qw(a b c d))[$k] . ' - abort' ],
        "left in attempt $k: attempts");
    is_deeply($c->asked($row->{id}), [ (qw(a b c d))[0 .. $k] ],
        "left in attempt $k: nobody else is asked");
    is($row->{state}, 'interrupted', "left in attempt $k: state");
    is($row->{client_aborted}, JSON::PP::true, "left in attempt $k: who left");
}

is(join(' ', sort map { scalar @{ $_->{attempts} } } @gone),
    '1 1 2 2 3 3 4 4', 'each of them');

$t->done;


sub body {
    my ($stream) = @_;

    return { model => 'm', max_tokens => 9,
        messages => [ { role => 'user', content => 'x' } ],
        $stream ? (stream => \1, stream_options => { include_usage => \1 })
                : () };
}


sub chat {
    my ($stream, $at) = @_;

    return $t->post('/v1/chat/completions', body($stream),
        mock => { at => $at });
}


# to be looked at when all rows are there

sub expect {
    my ($id, $name, @tried) = @_;

    $n++;
    $r{$id} = [ $id, $name, @tried ];
}


sub check {
    my ($id, $name, @tried) = @_;

    is_deeply($c->tried($id), \@tried, "$name: attempts");
    is_deeply($c->asked($id), [ map { (split)[0] } @tried ], "$name: asked");
}
