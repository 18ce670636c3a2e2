package AI::Faults;

# PostgreSQL fails in every way that it has, and so do the workers that ship to
# it, while requests run: in the end its rows are the provider's journal, each
# once, and the books balance.

use strict;
use warnings;

use Exporter 'import';
use Test::More;
use Time::HiRes qw(time sleep);

use AI::Gateway;
use AI::Kills ();
use AI::Outages;
use AI::Pooler;
use AI::Postgres;
use AI::Proxy;

our @EXPORT = qw(faults_under_load books_balance);


# rounds => of every fault, seconds => that an outage lasts, clients => of each
# node; minutes => ends after so many, whatever is left of the rounds, and has
# the long ones, too.  AI_FAULT names the only fault.

sub faults_under_load {
    my (%o) = @_;

    my $seed = $ENV{AI_SEED} || 1;

    srand($seed);

    my $s = scene(%o);
    my ($pg, @nodes) = ($s->{pg}, @{ $s->{nodes} });
    my @names = grep { !$ENV{AI_FAULT} || $_ eq $ENV{AI_FAULT} } possible($s);
    my @clients;

    for my $t (@nodes) {
        push @clients, map { AI::Kills::client($t, $_) } 1 .. $o{clients};
    }

    my $started = time();
    my %done;

    for my $name ($o{minutes} && !$ENV{AI_FAULT} ? sort keys %long : ()) {
        $long{$name}->($s);
        $done{$name}++;
    }

    ROUND: for my $round (1 .. $o{rounds}) {
        for my $name (sort { $a->[0] <=> $b->[0] } map { [ rand(), $_ ] } @names)
        {
            sleep(0.2 + rand(0.5));
            note(sprintf '%.1f s: %s', time() - $started, $name->[1]);
            $faults{ $name->[1] }->($s);
            $done{ $name->[1] }++;

            last ROUND if $o{minutes} && time() - $started > 60 * $o{minutes};
        }
    }

    # each fault ends, and rows come without another one's help

    sleep 1;

    kill 'TERM', @clients;
    waitpid($_, 0) for @clients;

    diag(sprintf 'seed %d, %d faults in %d s: %s', $seed, total(\%done),
        time() - $started, join ', ', map { "$done{$_} x $_" } sort keys %done);
    diag(sprintf 'commits whose answer was swallowed: %d, batches held in '
        . 'flight: %d, ends by a full WAL: %d',
        map { $s->{$_} || 0 } qw(unanswered held wal_full));
    diag('errors of the server: ' . errors_of($pg));

    shipped_all($pg, @nodes);
    books_balance($pg);

    $_->done for @nodes;
}


sub total { my ($n) = @_; my $sum = 0; $sum += $_ for values %$n; return $sum }


# SQLSTATEs that the gateways were answered, and how often

sub errors_of {
    my ($pg) = @_;

    my $log = $pg->log;
    my %n;

    $n{$1}++ while $log =~ / ai_gateway (\S{5}) (?:ERROR|FATAL|PANIC): /g;

    return join ', ', map { "$n{$_} x $_" } sort keys %n;
}


# two nodes at one database: the first one through a proxy that cuts, with a
# disk of its own for the ledger, the second one through pgbouncer

sub scene {
    my (%o) = @_;

    my @nodes = map { AI::Gateway->new(workers => 2) } 1 .. 2;
    my $pg = AI::Postgres->new($nodes[0], fsync => 1, auth => 'scram-sha-256',
        disk => '500m', settings => {
            restart_after_crash => 'on', max_connections => 24,
            log_line_prefix => "'%m %u %e '", deadlock_timeout => "'1s'", max_wal_size => "'64MB'",
            min_wal_size => "'32MB'" });
    my $proxy = AI::Proxy->new($nodes[0], "127.0.0.1:$pg->{port}");
    my $pooler = AI::Pooler->found && AI::Pooler->new($nodes[1], $pg,
        users => { ai_gateway => 'ai_gateway' });
    my $disk = $nodes[0]->mount('ledger', '48m');

    for my $t (@nodes) {
        $t->provider(8081);

        # the rest of what is lost and found has lines of lower levels
        $t->allow(qr/ai ledger: .*(?:No space left on device|no slot in)/);
    }

    $nodes[0]->run(gateway_conf(http => $pg->conf(timeout => '2s',
        server => '127.0.0.1:' . $proxy->port)));

    $nodes[1]->run(gateway_conf(http => $pg->conf(timeout => '2s',
        gateway => $nodes[1], notify => 'off', $pooler
            ? (server => '127.0.0.1:' . $pooler->port) : ())));

    for my $t (@nodes) {
        $t->chat for 1 .. 5;
    }

    return { nodes => \@nodes, pg => $pg, proxy => $proxy, pooler => $pooler,
        disk => $disk, seconds => $o{seconds} };
}


# the providers' journals and the table: the same requests, once each

sub shipped_all {
    my ($pg, @nodes) = @_;

    my (%served, %got, %rows, %n, @lost);

    for my $t (@nodes) {
        my ($p) = values %{ $t->{providers} };

        waitfor { $p->state->{open} == 0 };
        $served{ $_->{id} } = $_ for $p->journal;
        %got = (%got, %{ AI::Kills::received($t) });
    }

    waitfor {
        %rows = map { $_->[0] => $_ } $pg->rows('SELECT id, state,
            input_tokens, output_tokens FROM ai.usage_logs');
        @lost = grep { !$rows{$_} } keys %served, keys %got;
        return !@lost;
    } 60;

    ok((waitfor { !grep { $_->status->{postgres}{shipping}{behind} } @nodes }
        20), 'no node is behind');

    $n{ $_->[1] }++ for values %rows;

    my $wrong = grep {
        my ($row, $s) = ($rows{$_}, $served{$_});

        $row->[1] eq 'final' && $s && ($row->[2] != $s->{input}
            || $row->[3] != $s->{output});
    } keys %rows;

    my $short = grep { $rows{$_} && ($rows{$_}[3] || 0) < $got{$_} } keys %got;

    diag(sprintf '%d requests reached the provider, %d answers were seen, '
        . '%d rows in PostgreSQL (%s)', scalar keys %served, scalar keys %got,
        scalar keys %rows, join ', ', map { "$n{$_} $_" } sort keys %n);

    cmp_ok(scalar keys %served, '>', 0, 'there was load');
    is(scalar @lost, 0, 'no row lost');
    is($wrong, 0, 'final rows have the provider\'s numbers');
    is($short, 0, 'no row has less than what was delivered');
    is($pg->value('SELECT count(*) - count(DISTINCT id) FROM ai.usage_logs'),
        0, 'no row twice');
    is($pg->value('SELECT count(*) FROM ai.quarantine'), 0,
        'none in quarantine');
}


sub books_balance {
    my ($pg) = @_;

    is($pg->value('SELECT coalesce(sum(amount_nanos), 0)
        FROM ai.billing_entries'), 0, 'entries sum to zero');

    is($pg->value('SELECT count(*) FROM (SELECT transaction
        FROM ai.billing_entries GROUP BY 1 HAVING sum(amount_nanos) <> 0) x'),
        0, 'in each transaction');

    my $nanos = $pg->value('SELECT coalesce(sum(cost_usd), 0)::numeric(30,9)
        * 1000000000 FROM ai.usage_logs');

    is($pg->value("SELECT coalesce(-sum(amount_nanos), 0) = $nanos
        FROM ai.billing_entries WHERE account = 'tenant'"), 't',
        'tenants owe the sum of the rows');

    is($pg->value("SELECT coalesce(-sum(balance_nanos), 0) = $nanos
        FROM ai.balances"), 't', 'so do the balances');

    is($pg->value("SELECT coalesce(sum(cost_nanos), 0) = $nanos
        FROM ai.usage_hourly"), 't', 'hourly sums are those of the rows');

    is($pg->value("SELECT coalesce(sum(cost_nanos), 0) = $nanos
        FROM ai.spend WHERE key = ''"), 't', 'and daily ones');

    is($pg->value("SELECT sum(requests) = (SELECT count(*) FROM ai.usage_logs
        WHERE state <> 'refused') FROM ai.usage_hourly"), 't',
        'hourly requests are the rows');
}

1;
