#!/usr/bin/perl

# A key that is revoked, a tenant that is suspended, a budget that is lowered:
# what runs is ended in the way that it can be, within a second, and billed with
# what was delivered; on_revoke finish lets it run on.

use strict;
use warnings;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";

use AI::Feed;
use AI::Gateway;
use Time::HiRes qw(time);

my $t = AI::Gateway->new(workers => 2);
my $feed = AI::Feed->new($t);
my $p = $t->provider(8081);

$t->write_file('buffered.conf', buffered());

$t->run(gateway_conf(http => $feed->conf . <<'EOF'));
    ai_plan own {
        models     *;
        on_revoke  finish;
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
EOF

my $body = {
    model => 'gpt-4.1', max_tokens => 100,
    messages => [ { role => 'user', content => 'Hello' } ],
};

my %slow = (mock => { events => 80, delay => 0.1 });
my $word = 'tok ';

$feed->plan('cut', 'models *');
$feed->plan('drains', 'models *', 'on_abort drain');
$feed->plan('slot', 'models *', 'limit concurrency - 1 0', 'queue 5 20000');
$feed->plan('finish', 'models *', 'on_revoke finish');
reset_feed();

# learned by now: four bytes a token

$t->chat($body, key => 'one') for 1 .. 30;

for my $port (8080, 8083) {
    my $how = $port == 8083 ? 'buffered' : 'streamed';

    stream("$how, revoked", $port, sub { $feed->key('one') });
    stream("$how, suspended", $port,
        sub { $feed->tenant('sql', 'plan cut', 'state suspended') });
    stream("$how, expired", $port,
        sub { $feed->key('one', 'tenant sql', 'expires 1000000000') });
    stream("$how, lowered", $port, sub {
        $feed->tenant('sql', 'plan cut', 'state active',
            'limit requests day 1 0') });
}

plain();
http10();
waiting();
queued();
body_read();
h2_stream();
h2_waiting();
h2_both();
drained();
finishes($_) for 'finish', 'own';
untouched();
crowd();

is($t->status->{zone}{holds}, 0, 'no hold is left');
ok(waitfor { $p->state->{open} == 0 }, 'no request is left open');

$t->done;


sub buffered {
    open my $f, '<', "$FindBin::Bin/../conf.example/ai_proxy.conf" or die;
    local $/;

    return <$f> =~ s/proxy_buffering\s+off/proxy_buffering  on/r;
}


sub reset_feed {
    $feed->tenant('sql', 'plan cut', 'state active');
    $feed->key('one', 'tenant sql');
    $feed->key('two', 'tenant sql');
    $feed->put;
}


# a stream is broken off: no end of its own, a row for what came

sub stream {
    my ($name, $port, $change) = @_;

    my $c = $t->start_chat({ %$body, stream => \1 }, key => 'one',
        port => $port, %slow);

    $c->read_events(3);
    $change->();

    my $from = time();

    $feed->put;

    my $r = $c->finish;
    my $took = time() - $from;

    ok(!$r->complete, "$name: cut");
    unlike($r->body, qr/\[DONE\]/, "$name: without an end");
    cmp_ok($took, '<', 1 * $AI::Gateway::factor, "$name: within a second");

    cut_row($name, $r);
    reset_feed();
}


sub cut_row {
    my ($name, $r, %o) = @_;

    my $row = $t->waitrow($r->id);
    my $got = () = $r->body =~ /$word/g;

    is($row->{state}, 'interrupted', "$name: state");
    is($row->{status}, 'REVOKED', "$name: status");
    is($row->{attempts}[0]{reason}, 'revoked', "$name: reason");
    is($row->{http_status}, 200, "$name: what the client was told");
    ok(!$row->{client_aborted}, "$name: nobody's abort");
    cmp_ok($row->{output_tokens}, '>=', $got, "$name: bills what came");
    cmp_ok($row->{output_tokens}, '<', 60, "$name: and not the rest");
    cmp_ok($row->{cost_usd}, '>', 0, "$name: at its price");
    ok(waitfor { $p->state->{open} == 0 }, "$name: the provider is left");
}


# an answer with a length, of which a part was sent

sub plain {
    my $c = $t->start_chat($body, key => 'one', mock => { split => [ 20 ],
        delay => 8 });

    ok($c->read_until(qr/./), 'plain: begins');
    $feed->key('one')->put;

    my $r = $c->finish;

    ok(!$r->complete, 'plain: cut');
    is($t->waitrow($r->id)->{status}, 'REVOKED', 'plain: status');
    reset_feed();
}


# the end of the connection would be the end of the answer

sub http10 {
    my $c = $t->connect;
    my $text = AI::Client::format_request('POST', '/v1/chat/completions',
        { %$body, stream => \1 },
        AI::Gateway::headers(key => 'one', %slow)) =~ s{HTTP/1\.1}{HTTP/1.0}r;

    $c->send($text);
    $c->{method} = 'POST';
    $c->read_events(3);
    $feed->key('one')->put;

    my $r = $c->finish;

    ok($r->{reset}, 'HTTP/1.0: reset');
    is($t->waitrow($r->id)->{status}, 'REVOKED', 'HTTP/1.0: status');
    reset_feed();
}


# nothing was sent yet: a refusal, and the connection stays

sub waiting {
    for my $case ([ 'revoked', 401, 'invalid_api_key', sub {
                      $feed->key('one') } ],
                  [ 'suspended', 403, 'tenant_suspended', sub {
                      $feed->tenant('sql', 'plan cut', 'state suspended') } ],
                  [ 'lowered', 429, 'insufficient_quota', sub {
                      $feed->tenant('sql', 'plan cut', 'state active',
                          'limit requests month 1 0') } ])
    {
        my ($name, $status, $code, $change) = @$case;

        my $c = $t->start_chat($body, key => 'one', mock => { wait => 30 });

        waitfor { $p->state->{open} == 1 } or diag('request did not come');

        $change->();
        $feed->put;

        my $r = $c->finish;

        is($r->status, $status, "waiting, $name: refused");
        is($r->json->{error}{code}, $code, "waiting, $name: code");
        ok($r->complete, "waiting, $name: in whole");

        my $row = $t->waitrow($r->id);

        is($row->{state}, 'interrupted', "waiting, $name: state");
        like($row->{status}, qr/^REJECTED_(KEY|BUDGET)$/,
            "waiting, $name: status");
        is($row->{http_status}, $status, "waiting, $name: http_status");
        is($row->{attempts}[0]{reason}, 'revoked', "waiting, $name: reason");
        is($row->{usage_source}, 'none', "waiting, $name: nothing came");
        ok(waitfor { $p->state->{open} == 0 },
            "waiting, $name: the provider is left");

        reset_feed();

        $c->request('GET', '/v1/models', undef,
            AI::Gateway::headers(key => 'one'));
        is($c->finish->status, 200, "waiting, $name: the connection stays");
    }
}


# not admitted yet: refused, no row

sub body_read {
    my $rows = () = $t->rows;
    my $c = $t->connect;
    my $text = AI::Client::format_request('POST', '/v1/chat/completions',
        { %$body, user => 'x' x 100000 }, AI::Gateway::headers(key => 'one'));

    $c->send(substr $text, 0, length($text) / 2);
    $c->{method} = 'POST';

    # nothing tells when the head was read, so the provider is asked meanwhile

    is($t->chat($body, key => 'two')->status, 200, 'body: begun');
    $rows++;
    $t->waitrows($rows);

    $feed->key('one')->put;

    my $r = $c->finish;

    is($r->status, 401, 'body: refused');
    is($r->json->{error}{code}, 'invalid_api_key', 'body: code');
    $c->close;

    is(scalar(() = $t->rows), $rows, 'body: no row');
    reset_feed();
}


# curl runs aside; this changes the directory once the provider is asked

sub h2_stream {
    later(sub { $feed->key('one') }, 3);

    my $r = $t->h2('POST', '/v1/chat/completions', { %$body, stream => \1 },
        key => 'one', port => 8082, timeout => 10, %slow);

    wait;
    is($r->{curl}, 92, 'HTTP/2: reset');
    cut_row('HTTP/2', $r);
    reset_feed();
}


# in the queue of a plan, where it has no row yet

sub queued {
    for my $case ([ 'revoked', 401, 'invalid_api_key', sub {
                      $feed->key('one') } ],
                  [ 'suspended', 403, 'tenant_suspended', sub {
                      $feed->tenant('sql', 'plan slot', 'state suspended') } ])
    {
        my ($name, $status, $code, $change) = @$case;

        $feed->tenant('sql', 'plan slot', 'state active');
        $feed->key('one', 'tenant sql');
        $feed->key('two', 'tenant sql');
        $feed->put;
        waitfor { $t->get('/v1/models', key => 'two')->status == 200 };

        my $hold = $t->start_chat({ %$body, stream => \1 }, key => 'two', %slow);
        my $before = $t->status->{queue}{queued};

        $hold->read_events(1);

        my $c = $t->start_chat($body, key => 'one');

        ok((waitfor { $t->status->{queue}{queued} == $before + 1 }),
            "queued, $name: it waits");

        my $begun = time();

        $change->();
        $feed->put;

        my $r = $c->finish;

        is($r->status, $status, "queued, $name: refused");
        is($r->json->{error}{code}, $code, "queued, $name: code");
        ok(time() - $begun < 3 * $AI::Gateway::factor,
            "queued, $name: before its time is over");

        $hold->close;
        ok((waitfor { $t->status->{zone}{holds} == 0 }),
            "queued, $name: nothing is held");
        $feed->key('two');
        reset_feed();
        $feed->put;
    }
}


sub h2_waiting {
    later(sub { $feed->key('one') });

    my $r = $t->h2('POST', '/v1/chat/completions', $body, key => 'one',
        port => 8082, timeout => 10, mock => { wait => 30 });

    wait;
    is($r->status, 401, 'HTTP/2, waiting: refused');
    is($t->waitrow($r->id)->{status}, 'REJECTED_KEY', 'HTTP/2, waiting: row');
    reset_feed();
}


sub later {
    my ($change) = @_;

    my $pid = fork() // die "fork: $!\n";

    if ($pid) {
        $feed->{serial}++;
        return;
    }

    waitfor { $p->state->{open} >= 1 };
    select undef, undef, undef, 0.5;
    $change->();
    $feed->put;
    POSIX::_exit(0);
}


# two streams of one connection: each is reset by a frame of its own

sub h2_both {
    my $cmd = join ' ', 'nghttp', '-nv', '-m2', '--no-dep', map({ "'$_'" }
        map({ "-H$_" }
            'content-type: application/json', ':method: POST',
            'authorization: Bearer ' . make_key('one'),
            'x-mock: {"events":80,"delay":0.1}'),
        '-d', $t->write_file('h2.json', AI::Feed::encode({ %$body,
            stream => \1 })),
        'http://127.0.0.1:' . $t->port(8082) . '/v1/chat/completions');

    later(sub { $feed->key('one') });

    my $out = `timeout 20 $cmd 2>&1`;

    wait;
    is(scalar(() = $out =~ /recv RST_STREAM frame/g), 2,
        'HTTP/2: both streams of a connection are reset');
    unlike($out, qr/recv DATA frame <length=\d+, flags=0x01/,
        'HTTP/2: neither ends');
    reset_feed();
}


# a client that has left, and whose answer is read to the end for its usage

sub drained {
    $feed->tenant('sql', 'plan drains', 'state active')->put;

    my $c = $t->start_chat({ %$body, stream => \1 }, key => 'one', %slow);

    $c->read_events(2);
    my $id = $c->head->{headers}{'x-request-id'};
    $c->reset;

    select undef, undef, undef, 0.3;
    $feed->key('one')->put;

    my $row = $t->waitrow($id);

    is($row->{state}, 'interrupted', 'drained: ended');
    is($row->{status}, 'REVOKED', 'drained: status');
    ok(waitfor { $p->state->{open} == 0 }, 'drained: the provider is left');
    reset_feed();
}


sub finishes {
    my ($plan) = @_;

    $feed->tenant('sql', "plan $plan", 'state active')->put;

    my $c = $t->start_chat({ %$body, stream => \1 }, key => 'one',
        mock => { events => 12, delay => 0.1 });

    $c->read_events(2);
    $feed->key('one')->put;

    my $r = $c->finish;

    ok($r->complete, "$plan: runs on");
    is($t->waitrow($r->id)->{state}, 'final', "$plan: to its end");
    is($t->chat($body, key => 'one')->status, 401, "$plan: for the last time");
    reset_feed();
}


# others are left alone: other keys, nginx.conf's, and budgets that were raised

sub untouched {
    my @c = map { $t->start_chat({ %$body, stream => \1 }, key => $_,
        mock => { events => 12, delay => 0.1 }) } 'two', 'acme';

    $_->read_events(2) for @c;

    $feed->key('one');
    $feed->tenant('sql', 'plan cut', 'state active',
        'limit requests day 100000 0');
    $feed->put;

    $t->reload;

    ok($_->finish->complete, 'others run on') for @c;
    reset_feed();
}


# more than are looked at in one go

sub crowd {
    my @c = map { $t->start_chat({ %$body, stream => \1 }, key => 'two',
        %slow) } 1 .. 300;

    $_->read_events(1) for @c;

    my $from = time();

    $feed->key('two')->put;

    my @r = map { $_->finish } @c;

    cmp_ok(time() - $from, '<', 2 * $AI::Gateway::factor, '300 at once');
    is(scalar(grep { !$_->complete } @r), 300, 'all are cut');
    reset_feed();
}
