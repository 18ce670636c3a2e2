#!/usr/bin/perl

# A client that leaves, at each phase of a request, by FIN and by RST, over
# HTTP/1.1 and HTTP/2: one row or none, of the right class; a plan that drains
# pays what the provider tells, the others what was delivered.

use strict;
use warnings;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";

use AI::Gateway;

my $words = 6;

my $t = AI::Gateway->new;
my $p = $t->provider(8081);

$t->write_file('buffered.conf', buffered());

$t->run(gateway_conf(
    http => <<'EOC',
    ai_plan drains {
        models    *;
        on_abort  drain;
    }

    ai_tenant patient {
        plan   drains;
        key    %%KEY_patient%% name=prod;
        limit  concurrency 1;
    }

    server {
        listen  127.0.0.1:%%PORT_8082%% http2;

        location / {
            ai_gateway  on;
            proxy_pass  $ai_pass;
            include     %%TOP%%/conf.example/ai_proxy.conf;
        }
    }

    server {
        listen  127.0.0.1:%%PORT_8083%%;

        location / {
            ai_gateway  on;
            proxy_pass  $ai_pass;
            include     %%DIR%%/buffered.conf;
        }
    }
EOC
));

my $body = {
    model => 'gpt-4.1', stream => \1,
    messages => [ { role => 'user', content => 'Hello' } ],
};

$t->chat($body) for 1 .. 30;
$t->chat($body, key => 'patient') for 1 .. 5;

my $rows = $t->waitrows(35);

is($rows, 35, 'rows of the warm-up');

my %leave = (
    fin => sub { $_[0]->close },
    rst => sub { $_[0]->reset },
);

for my $how ('fin', 'rst') {
    for my $key ('acme', 'patient') {
        head($how, $key);
        body($how, $key);
        waiting($how, $key);
        events($how, $key, $_) for 1 .. $words + 2;
    }
}

h2($_) for 'acme', 'patient';
half_close();
stalled($_) for 'fin', 'rst';

is($t->status->{zone}{holds}, 0, 'no hold is left');
is($p->state->{open}, 0, 'no request is left open');

$t->done;


# the shipped settings, but for one

sub buffered {
    open my $f, '<', "$FindBin::Bin/../conf.example/ai_proxy.conf" or die;
    local $/;

    return <$f> =~ s/proxy_buffering\s+off/proxy_buffering  on/r;
}


# in the head and in the body: nothing was admitted

sub head {
    my ($how, $key) = @_;

    my $c = $t->connect;

    $c->send("POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nAuthor");
    $leave{$how}->($c);

    none("$how $key in the head");
}


sub body {
    my ($how, $key) = @_;

    my $c = $t->connect;
    my $text = AI::Client::format_request('POST', '/v1/chat/completions',
        { %$body, user => 'x' x 100000 }, AI::Gateway::headers(key => $key));

    $c->send(substr $text, 0, length($text) / 2);
    $leave{$how}->($c);

    none("$how $key in the body");
}


# the next request is served and has its row, and there is none but that

sub none {
    my ($name) = @_;

    my $r = $t->chat($body);

    is($t->waitrow($r->id)->{state}, 'final', "$name: goes on");
    $rows++;

    is(scalar($t->rows), $rows, "$name: no row");
}


# before the provider's head

sub waiting {
    my ($how, $key) = @_;

    my $name = "$how $key while waiting";
    my $c = $t->start_chat($body, key => $key, mock => { wait => 0.4 });

    waitfor { $p->state->{open} == 1 } or diag('request did not come');

    $leave{$how}->($c);

    my $row = next_row($name);

    if ($key eq 'patient') {
        is($row->{state}, 'final', "$name: state");
        is($row->{output_tokens}, 8, "$name: tokens");

    } else {
        is($row->{state}, 'interrupted', "$name: state");
        is($row->{http_status}, 499, "$name: status");
        is($row->{attempts}[0]{reason}, 'abort', "$name: reason");
        is($row->{usage_source}, 'none', "$name: nothing was delivered");
        ok($row->{client_aborted}, "$name: aborted");
    }
}


# the pieces come one by one, so that a client can leave between them

sub events {
    my ($how, $key, $k) = @_;

    my $name = "$how $key after $k events";
    my $c = $t->start_chat($body, key => $key,
        mock => { events => $words, delay => 0.03 });

    $c->read_events($k);
    $leave{$how}->($c);

    my $row = next_row($name);
    my ($e) = grep { $_->{id} eq $row->{id} } $p->journal;
    my $got = () = $c->{body} =~ /tok /g;

    ok($row->{client_aborted}, "$name: aborted") if $k <= $words;

    if ($key eq 'patient') {
        is($row->{state}, 'final', "$name: state");
        is($row->{usage_source}, 'final', "$name: source");
        is($row->{output_tokens}, $words, "$name: tokens");
        is($e->{end}, 'completed', "$name: the provider was let finish");
        return;
    }

    cmp_ok($row->{output_tokens}, '>=', $got, "$name: tokens");
    cmp_ok($row->{output_tokens}, '<=', $words, "$name: and no more");

    if ($k <= $words) {
        is($row->{state}, 'interrupted', "$name: state");
        is($row->{attempts}[0]{reason}, 'abort', "$name: reason");
        is($e->{end}, 'aborted', "$name: the provider was told");
    }
}


sub next_row {
    my ($name) = @_;

    my @all = $t->waitrows(++$rows);

    is(scalar(@all), $rows, "$name: one row");

    waitfor { $p->state->{open} == 0 };

    return $all[-1];
}


# curl leaves when its time is up; it closes the connection

sub h2 {
    my ($key) = @_;

    my $r = $t->h2('POST', '/v1/chat/completions', $body, key => $key,
        port => 8082, timeout => 0.3 / $AI::Gateway::factor,
        mock => { events => 10, delay => 0.06 });

    is($r->{curl}, 28, "$key over HTTP/2: left");

    my $row = next_row("$key over HTTP/2");
    my $got = () = $r->body =~ /tok /g;

    is($row->{id}, $r->id, "$key over HTTP/2: its row");
    ok($row->{client_aborted}, "$key over HTTP/2: aborted");

    if ($key eq 'patient') {
        is($row->{state}, 'final', "$key over HTTP/2: state");
        is($row->{output_tokens}, 10, "$key over HTTP/2: tokens");

    } else {
        is($row->{state}, 'interrupted', "$key over HTTP/2: state");
        cmp_ok($row->{output_tokens}, '>=', $got, "$key over HTTP/2: tokens");
    }
}


# FIN behind the request: a client that has said all still listens

sub half_close {
    my $c = $t->start_chat($body, key => 'patient',
        mock => { events => $words, delay => 0.03 });

    $c->half_close;

    my $r = $c->finish;
    my $row = next_row('half close');

    is($row->{state}, 'final', 'half close: state');
    is($row->{output_tokens}, $words, 'half close: tokens');
}


# a client that has stopped to read when it leaves: what waits for it must not
# hold up what drains

sub stalled {
    my ($how) = @_;

    for my $port (8080, 8083) {
        my $name = "stalled $how $port";
        my $c = $t->start_chat($body, key => 'patient', port => $port,
            rcvbuf => 4096, mock => { events => 1500, text => 'tok ' x 1500 });

        $c->read_events(1);

        waitfor { $p->state->{open} == 1 } or diag("$name: all was sent");

        $leave{$how}->($c);

        my $row = next_row($name);

        is($row->{state}, 'final', "$name: state");
        is($row->{output_tokens}, 1500, "$name: tokens");
        ok($row->{client_aborted}, "$name: aborted");
    }
}
