#!/usr/bin/perl

# Two nodes and one PostgreSQL: what is changed in SQL holds on both within a
# second, for requests that come and for streams that run.

use strict;
use warnings;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";

use Time::HiRes qw(time sleep);

use AI::Gateway;
use AI::Nodes;

my $second = 1 * $AI::Gateway::factor;
my $rounds = $ENV{AI_ROUNDS} || 30;

my $n = AI::Nodes->new(conf => {
    server => 'listen 127.0.0.1:%%PORT_8082%% http2;' });

my ($t) = $n->t;
my $pg = $n->pg;

$n->admin(q{create_plan('cut', models => '{gpt-4.1}')});
$n->admin(q{create_plan('finish', models => '{*}', on_revoke => 'finish')});
$n->admin(q{create_tenant('sql', 'cut')});
$n->admin(q{create_tenant('polite', 'finish')});
$n->run;

my %slow = (mock => { events => 80, delay => 0.1 });

# learned by now: four bytes a token

my $warm = $n->key('sql', 'warm');

works($warm, 'a key');
$n->everywhere(sub { $_[0]->chat({ max_tokens => 50 }, key => $warm) })
    for 1 .. 30;
$n->warm($warm);

measured('notified', $rounds);
changes();
expires();
streams();
neighbour();

# without notifications

$n->{options}{postgres} = { notify => 'off' };
$_->reload($n->conf, old => 1) for $n->t;

my $polled = $n->key('sql', 'polled');

works($polled, 'polled: a key');
$n->warm($polled);
measured('polled', $rounds > 30 ? $rounds : 8);
stream('polled: revoked', 'sql', sub { revoke($_[0]) });

$n->done;


sub status { return $_[0]->get('/v1/models', key => $_[1])->status }

sub revoke { return $n->admin("revoke_key(tenant => 'sql', name => '$_[0]')") }


# a change that has been made is there, on all nodes, within a second

sub soon {
    my ($name, $code) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    ok($n->everywhere($code, 1), $name);
}

sub works {
    my ($key, $name, $status) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    soon($name, sub { status($_[0], $key) == ($status || 200) });
}


# ---- the time from the statement's start to the last node's first refusal

sub measured {
    my ($name, $rounds) = @_;

    my %keys = map { ("$name$_" => $n->key('sql', "$name$_")) } 1 .. $rounds;
    my @ms;

    works($keys{"$name$rounds"}, "$name: the last one of $rounds keys");

    my $lost = grep { my $k = $_; grep { status($_, $k) != 200 } $n->t }
        values %keys;

    is($lost, 0, "$name: and the others");

    for my $i (1 .. $rounds) {
        my $key = $keys{"$name$i"};

        # at any moment of the polls' second

        sleep rand 0.3;

        my $from = time();

        revoke("$name$i");

        my @left = $n->t;
        my $status;

        while (@left && time() - $from < 10 * $second) {
            @left = grep {
                $status = status($_, $key);
                die "$name: status $status\n" if $status !~ /^(200|401)$/;
                $status == 200;
            } @left;
        }

        push @ms, 1000 * (time() - $from);
    }

    @ms = sort { $a <=> $b } @ms;

    note(sprintf "%s: revoked %d times, seen by both nodes in ms: "
        . "median %d, slowest %d", $name, $rounds, $ms[ @ms / 2 ], $ms[-1]);
    cmp_ok($ms[-1], '<', 1000 * $second, "$name: the slowest");
}


# ---- what else can be changed

sub changes {
    my $key = $n->key('sql', 'one');

    works($key, 'key is made');

    $n->admin(q{suspend_tenant('sql')});
    works($key, 'suspended', 403);
    $n->admin(q{resume_tenant('sql')});
    works($key, 'resumed');

    # of two keys of a name both work, for as long as was said

    my $new = $n->admin(q{rotate_key('sql', 'one', overlap => '3 s')})->{key};
    my $until = time() + 3;

    works($new, 'rotated: the new one');
    is(status($_, $key), 200, 'rotated: the old one') for $n->t;

    ok($n->everywhere(sub { status($_[0], $key) == 401 }, 4),
        'rotated: the old one no more');
    cmp_ok(time(), '>', $until - 1, 'rotated: not too early');
    is(status($_, $new), 200, 'rotated: the new one goes on') for $n->t;

    my $next = $n->admin(q{rotate_key('sql', 'one', overlap => '0')})->{key};

    works($new, 'rotated at once: the old one', 401);
    works($next, 'rotated at once: the new one');

    # plans

    my $mini = sub {
        $_[0]->chat({ model => 'gpt-4.1-mini' }, key => $next)->status
    };

    is($mini->($t), 403, 'plan: another model');
    $n->admin(q{set_plan('cut', models => '{gpt-4.1,gpt-4.1-*}')});
    soon('plan: a model more', sub { $mini->($_[0]) == 200 });
    $n->admin(q{set_plan('cut', models => '{gpt-4.1}')});
    soon('plan: a model less', sub { $mini->($_[0]) == 403 });

    $n->admin(q{set_limit('requests', 0, 'h', plan => 'cut', burst => 1)});
    soon('plan: a limit', sub { chat($_[0], $next) == 429 });
    $n->admin(q{drop_limit('requests', 'h', plan => 'cut')});
    soon('plan: no limit', sub { chat($_[0], $next) == 200 });

    $n->admin(q{set_tenant('sql', plan => 'finish')});
    soon('tenant: another plan', sub { $mini->($_[0]) == 200 });
    $n->admin(q{set_tenant('sql', plan => 'cut')});
    soon('tenant: its old plan', sub { $mini->($_[0]) == 403 });

    # less than what was used

    $n->admin(q{set_limit('requests', 1000, 'month', tenant => 'sql')});
    soon('budget', sub { chat($_[0], $next) == 200
        && $_[0]->get('/v1/usage', key => $next)->body =~ /1000/ });
    $n->admin(q{set_limit('requests', 3, 'month', tenant => 'sql')});
    soon('budget: lowered', sub { chat($_[0], $next) == 429 });
    $n->admin(q{drop_limit('requests', 'month', tenant => 'sql')});
    soon('budget: dropped', sub { chat($_[0], $next) == 200 });
}


sub chat { return $_[0]->chat({ max_tokens => 8 }, key => $_[1])->status }


# ---- a date that passes: nobody tells

sub expires {
    my ($at) = $pg->value(q{SELECT extract(epoch FROM
        date_trunc('second', now() + interval '2.5 s'))}) =~ /^(\d+)/;
    my $key = $n->key('sql', 'short', "expires_at => to_timestamp($at)");

    works($key, 'expires: not yet');

    my @c = map { $_->start_chat({ max_tokens => 100, stream => \1 },
        key => $key, %slow) } $n->t;

    ok($_->read_events(3), 'expires: a stream') for @c;
    ok($n->everywhere(sub { status($_[0], $key) == 401 }, 5),
        'expires: refused');
    cmp_ok(time() - $at, '<', $second, 'expires: within a second');

    for my $i (0 .. $#c) {
        my $r = $c[$i]->finish;

        ok(!$r->complete, 'expires: the stream is cut');
        cmp_ok(time() - $at, '<', $second, 'expires: within a second, too');
        cut_row('expires', ($n->t)[$i], $r);
    }

    # others see to theirs

    my $later = $n->key('sql', 'later', "expires_at => now() + '1 h'");

    works($later, 'expires: later');

    my $c = $t->start_chat({ max_tokens => 30, stream => \1 }, key => $later,
        mock => { events => 10, delay => 0.1 });

    ok($c->finish->complete, 'expires: later, runs on');
}


# ---- streams that run

sub streams {
    stream('revoked', 'sql', sub { revoke($_[0]) });

    stream('suspended', 'sql', sub { $n->admin(q{suspend_tenant('sql')}) });
    $n->admin(q{resume_tenant('sql')});
    works($warm, 'resumed again');

    stream('rotated', 'sql', sub {
        $n->admin("rotate_key('sql', '$_[0]', overlap => '0')") });

    stream('lowered', 'sql', sub {
        $n->admin(q{set_limit('requests', 1, 'day', tenant => 'sql')}) });
    $n->admin(q{drop_limit('requests', 'day', tenant => 'sql')});
    soon('raised again', sub { chat($_[0], $warm) == 200 });

    # on_revoke finish

    my $key = $n->key('polite', 'one');

    works($key, 'finish: a key');

    my @c = map { $_->start_chat({ max_tokens => 30, stream => \1 },
        key => $key, mock => { events => 15, delay => 0.1 }) } $n->t;

    $_->read_events(2) for @c;
    $n->admin(q{revoke_key(tenant => 'polite', name => 'one')});
    works($key, 'finish: is refused', 401);

    for my $c (@c) {
        my $r = $c->finish;

        ok($r->complete, 'finish: runs on');
        row_of('finish', $r, 'final', 'PASSED');
    }
}


my $made;

sub stream {
    my ($name, $tenant, $change) = @_;

    my $title = 'stream' . ++$made;
    my $key = $n->key($tenant, $title);

    works($key, "$name: a key");

    my @c = map { $_->start_chat({ max_tokens => 100, stream => \1 },
        key => $key, %slow) } $n->t;

    $_->read_events(3) for @c;

    my $from = time();

    $change->($title);

    my @r = map { $_->finish } @c;

    cmp_ok(time() - $from, '<', $second, "$name: within a second");

    cut_row($name, ($n->t)[$_], $r[$_]) for 0 .. $#r;
}


sub cut_row {
    my ($name, $gateway, $r) = @_;

    ok(!$r->complete, "$name: cut");
    unlike($r->body, qr/\[DONE\]/, "$name: without an end");

    my $got = () = $r->body =~ /tok /g;
    my $row = row_of($name, $r, 'interrupted', 'REVOKED');

    cmp_ok($row->[0], '>=', $got, "$name: bills what came");
    cmp_ok($row->[0], '<', 60, "$name: and not the rest");
    cmp_ok($row->[1], '>', 0, "$name: at its price");
}


# the row in PostgreSQL

sub row_of {
    my ($name, $r, $state, $status) = @_;

    my $row = waitfor { ($pg->rows('SELECT output_tokens, cost_usd, state,
        status FROM ai.usage_logs WHERE id = ' . "'" . $r->id . "'"))[0] };

    $row ||= [ 0, 0, '', '' ];

    is("$row->[2] $row->[3]", "$state $status", "$name: row");

    return $row;
}


# ---- two keys on one connection of HTTP/2, told apart by ?key=

sub neighbour {
    my %keys = map { ($_ => $n->key('sql', $_)) } 'goes', 'stays';

    works($keys{$_}, "HTTP/2: $_") for sort keys %keys;

    my $body = $t->write_file('h2.json', '{"model": "gpt-4.1", "stream": true,
        "max_tokens": 100, "messages": [{"role": "user", "content": "Hi"}]}');
    my $url = 'http://127.0.0.1:' . $t->port(8082) . '/v1/chat/completions';

    my @cmd = ('timeout', 20, 'nghttp', '-nv', '--no-dep', '-d', $body,
        '-H:method: POST', '-Hcontent-type: application/json',
        '-Hx-mock: {"events": 25, "delay": 0.1}',
        map { "$url?key=$keys{$_}" } 'goes', 'stays');

    open my $f, "@{[ map { quotemeta } @cmd ]} 2>&1 |" or die "nghttp: $!\n";

    waitfor { $n->provider->state->{open} == 2 } or diag('no streams');
    sleep 0.3;
    revoke('goes');

    my $text = join '', <$f>;

    close $f;

    my @ids = $text =~ /send HEADERS frame <[^>]*stream_id=(\d+)>/g;
    my @reset = $text =~ /recv RST_STREAM frame <[^>]*stream_id=(\d+)>/g;
    my @ended = $text
        =~ /recv DATA frame <length=\d+, flags=0x01, stream_id=(\d+)>/g;

    is(scalar @ids, 2, 'HTTP/2: two streams of a connection');
    is("@reset", $ids[0] // '', 'HTTP/2: the one is reset');
    is("@ended", $ids[1] // '', 'HTTP/2: its neighbour comes to its end');
    ok($text =~ /recv RST_STREAM.*flags=0x01/s, 'HTTP/2: and that is later');
}
