#!/usr/bin/perl

# A PostgreSQL that means harm.  Whatever it answers: tenants of nginx.conf are
# served, memory and time stay bounded, the log has a few lines, and all rows
# are there when it answers as it should.

use strict;
use warnings;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";

use AI::Gateway;
use AI::Hostile;
use Time::HiRes qw(time sleep);

my $t = AI::Gateway->new(workers => 1);
my $pg = AI::Hostile->new($t);

# MB; an answer is of 64 MB at most, which libpq makes 4 times of, and a worker
# has up to four connections; a sanitizer keeps what was freed
my $most = ($ENV{AI_PRELOAD} || '') =~ /asan/ ? 3000 : 1200;

$t->provider(8081);

$t->run(gateway_conf(http => $pg->conf, server => <<'EOC'));
        location /ai/admin {
            ai_admin  key=%%KEY_ops%% name=ops;
        }
EOC

my $admin = make_key('ops');
my $sent = 0;

sub chat {
    my $start = time();
    my $r = $t->chat;

    $sent++ if $r->status == 200;

    return $r->status == 200 && time() - $start < 2 * $AI::Gateway::factor;
}

sub resident {
    my ($pid) = $t->workers;

    open my $f, '<', "/proc/$pid/status" or return 0;

    return (join('', <$f>) =~ /^VmRSS:\s+(\d+)/m)[0] / 1024;
}

# those of requests are not meant

sub lines {
    my ($from) = @_;

    return grep { / \[(?:warn|error|crit|alert|emerg)\] \d+#\d+: ai / }
        split /\n/, substr $t->log, $from;
}


ok((waitfor { $pg->answered('directory', 'ok') > 1 }), 'all is well');
ok(chat(), 'a request');
ok((waitfor { $pg->stat->{rows} == $sent } 10), 'its row');


# each word a number of times, under requests; workers are new, for one that
# has lost its connection often waits long

my $worst = 0;

sub under {
    my ($name, $times, %words) = @_;

    my %want = map { $_ => $words{$_} =~ s/:.*//r } keys %words;

    my $bad = 0;
    my $was = $pg->stat->{counts};

    $pg->set(%words);
    $t->reload(undef, old => 1);

    my $from = length $t->log;

    my $reached = waitfor {
        $bad++ unless chat();

        my $now = resident();

        $worst = $now if $now > $worst;
        sleep 0.03;

        my $c = $pg->stat->{counts};

        return !grep {
            ($c->{$_}{ $want{$_} } || 0) - ($was->{$_}{ $want{$_} } || 0)
                < $times
        } keys %want;
    } 30;

    # what comes without an end is taken until its limit, or its time

    if ($reached && $name =~ /^without end/) {
        my $end = time() + 1.2;

        while (time() < $end) {
            $bad++ unless chat();

            my $now = resident();

            $worst = $now if $now > $worst;
        }
    }

    my @lines = lines($from);

    ok($reached, "$name: was answered");
    is($bad, 0, "$name: requests pass");
    cmp_ok(scalar @lines, '<=', 14, "$name: the log")
        or diag(join "\n", grep { defined } @lines[0 .. 20]);

    $pg->set();
}

for my $word (qw(garbage fuzz null none nothing empty copy wrong range close
    error long:XX000))
{
    under($word, 2, ship => $word, directory => $word);
    under("$word, others", 2, spend_others => $word);
}

under("registered: $_", 1, register => $_) for qw(null none range error);

under('flapping', 30, ship => 'flap', directory => 'flap');
under('others fail', 8, spend_others => 'error:42883', directory => 'ok');
under('odd others', 8, spend_others => 'range', directory => 'ok');
under('wrapped sum', 2, ship => 'wrap');
under('names that clash', 1, register => 'lines');
under('absurd documents', 3, directory => 'absurd');
under('pages without end', 100, directory => 'pages');
under('the same pages', 3, directory => 'circle');
under('all anew', 10, directory => 'again');
under('farewells', 2, ship => 'fatal', hello => 'fatal');
under('notifications', 3, directory => 'changes');

for my $word (qw(close garbage fuzz notices params hang fatal)) {
    under("login: $word", 2, login => $word);
}

for my $word (qw(hang huge field endless notices notify params)) {
    under("without end: $word", 1, ship => $word, directory => $word);
    under("without end, others: $word", 1, spend_others => $word);
}

# a usage report and an administrator's call, each over its own connection

$t->reload(undef, old => 1);

ok((waitfor {
    $t->get('/v1/usage?group_by=day')->status == 200
        && $t->request('POST', '/ai/admin/list', '{}', key => $admin)->status
        == 200;
}), 'both are answered');
$t->mark;

for my $word (qw(garbage null none nothing empty copy wrong range close long
    long:22023 error:22023 huge field notices params endless))
{
    $pg->set(usage_report => $word, admin => $word);

    my $r = $t->get('/v1/usage?group_by=day');

    ok($r->status != 401 && $r->status < 600, "history: $word")
        or diag($r->status);
    cmp_ok(length $r->body, '<', 8192, "history: $word: its size");

    $r = $t->request('POST', '/ai/admin/list', '{}', key => $admin);
    ok($r->status != 401 && $r->status < 600, "admin: $word")
        or diag($r->status);
    cmp_ok(length $r->body, '<', 8192, "admin: $word: its size");

    ok(chat(), "$word: a request") or diag($word);
    my $now = resident();
    $worst = $now if $now > $worst;
}

# a tenant who asks for what fails does not fill the log

my $from = length $t->log;
my $start = time();

$pg->set(usage_report => 'error:XX000');
$t->get('/v1/usage?group_by=day') for 1 .. 100;
cmp_ok(scalar(grep { /usage report failed/ } split /\n/, substr $t->log, $from),
    '<=', time() - $start + 2, 'a hundred failed reports: the log');

# quarantine is told, but not for each batch

$from = length $t->log;
$pg->set(ship => 'quarantine');

ok((waitfor { chat(); sleep 0.05;
    $pg->answered('ship', 'quarantine') >= 10 } 30), 'quarantine');
cmp_ok(scalar(grep { /quarantine/ } lines($from)), '<=', 2,
    'is told, once');
like(join("\n", lines($from)), qr/rows? went to ai.quarantine/, 'it is told');

# well again

$pg->set();
ok(chat(), 'one more');
ok((waitfor { $pg->stat->{rows} == $sent } 30), 'no row was lost')
    or diag($pg->stat->{rows} . " of $sent");

cmp_ok($worst, '<', $most, 'memory is bounded');
note("resident: $worst MB");

unlike($t->log, qr/[\x00-\x09\x0b-\x1f\x7f]/, 'nothing odd in the log');
is($t->read_file('stderr.log') || '', '', 'nothing on stderr');

$t->allow(qr/went to ai.quarantine/);
$t->done;
