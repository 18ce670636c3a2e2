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
use AI::Postgres;

our @EXPORT = qw(faults_under_load shipped_all books_balance);


# name of a fault => what it does to ($t, $pg, seconds)

our %faults = (
    'backend killed' => sub {
        my ($t, $pg) = @_;
        my @b = $pg->backends('ai_gateway');
        kill 'KILL', $b[rand @b] if @b;
    },

    # the postmaster restarts all by itself after a backend's death, or not
    'server killed' => sub {
        my ($t, $pg) = @_;
        $pg->signal('KILL');
        $pg->start;
    },

    'server stopped' => sub {
        my ($t, $pg, $seconds) = @_;
        $pg->stop('immediate');
        sleep $seconds;
        $pg->start;
    },

    'server frozen' => sub {
        my ($t, $pg, $seconds) = @_;
        $pg->signal('STOP');
        sleep $seconds;
        $pg->signal('CONT');
    },

    # all of a batch is in, and its answer never comes
    'commit without answer' => sub {
        my ($t, $pg, $seconds) = @_;
        my @b = $pg->backends('ai_gateway');

        kill 'STOP', @b;
        sleep 0.2;
        kill 'KILL', @b;
    },

    'serialization failure' => sub {
        my ($t, $pg) = @_;

        $pg->psql(q{
            CREATE OR REPLACE FUNCTION ai.fail_some() RETURNS trigger
            LANGUAGE plpgsql AS $$
            BEGIN
                IF random() < 0.3 THEN
                    RAISE EXCEPTION 'could not serialize access'
                        USING ERRCODE = '40001';
                END IF;
                RETURN NULL;
            END $$;
            GRANT EXECUTE ON FUNCTION ai.fail_some() TO PUBLIC;
            CREATE TRIGGER fail_some AFTER INSERT ON ai.billing_transactions
                FOR EACH STATEMENT EXECUTE FUNCTION ai.fail_some();
        });
        sleep 1;
        $pg->psql('DROP TRIGGER fail_some ON ai.billing_transactions;
            DROP FUNCTION ai.fail_some()');
    },

    'column renamed' => sub {
        my ($t, $pg, $seconds) = @_;
        $pg->psql('ALTER TABLE ai.usage_logs RENAME COLUMN api TO dialect');
        sleep $seconds;
        $pg->psql('ALTER TABLE ai.usage_logs RENAME COLUMN dialect TO api');
    },

    'connections refused' => sub {
        my ($t, $pg, $seconds) = @_;
        $pg->psql('ALTER ROLE ai_gateway NOLOGIN', db => 'postgres');
        kill 'TERM', $pg->backends('ai_gateway');
        sleep $seconds;
        $pg->psql('ALTER ROLE ai_gateway LOGIN', db => 'postgres');
    },

    'worker killed' => sub {
        my ($t) = @_;
        my @w = $t->workers;
        $t->kill_worker('KILL', $w[rand @w]);
    },

    'master and workers killed' => sub {
        my ($t) = @_;
        $t->crash;
        $t->run;
    },

    'reload' => sub { $_[0]->reload },
);


# rounds of every fault; seconds that an outage lasts; clients

sub faults_under_load {
    my (%o) = @_;

    my $seed = $ENV{AI_SEED} || 1;

    srand($seed);

    my $t = AI::Gateway->new(workers => 2);
    my $pg = AI::Postgres->new($t, fsync => 1,
        settings => { restart_after_crash => 'on' });
    my $p = $t->provider(8081);
    my %done;

    $t->run(gateway_conf(http => $pg->conf(timeout => '2s')));

    # what dies and what is lost is what the test does
    $t->allow(qr/\[(crit|error|alert)\].*ai (ledger|postgres|directory)/);

    $t->chat for 1 .. 5;

    my @clients = map { AI::Kills::client($t, $_) } 1 .. $o{clients};
    my $started = time();

    for my $round (1 .. $o{rounds}) {
        for my $name (sort { rand() <=> 0.5 } sort keys %faults) {
            sleep(0.2 + rand(0.5));
            $faults{$name}->($t, $pg, $o{seconds});
            $done{$name}++;
        }

        note("$round rounds after ", int(time() - $started), ' s');
    }

    kill 'TERM', @clients;
    waitpid($_, 0) for @clients;
    waitfor { $p->state->{open} == 0 };

    diag("seed $seed: " . join ', ', map { "$done{$_} x $_" } sort keys %done);

    shipped_all($t, $pg, $p);
    books_balance($pg);

    $t->done;
}


# the provider's journal and the table: the same requests, once each

sub shipped_all {
    my ($t, $pg, $p) = @_;

    my %served = map { $_->{id} => $_ } $p->journal;
    my (%rows, @lost);

    waitfor {
        %rows = map { $_->[0] => $_ } $pg->rows('SELECT id, state,
            input_tokens, output_tokens FROM ai.usage_logs');
        @lost = grep { !$rows{$_} } keys %served;
        return !@lost;
    } 60;

    my $wrong = grep {
        my ($row, $s) = ($rows{$_}, $served{$_});

        $row->[1] eq 'final' && $s && ($row->[2] != $s->{input}
            || $row->[3] != $s->{output});
    } keys %rows;

    diag(sprintf '%d requests reached the provider, %d rows in PostgreSQL',
        scalar keys %served, scalar keys %rows);

    cmp_ok(scalar keys %served, '>', 0, 'there was load');
    is(scalar @lost, 0, 'no row lost');
    is($wrong, 0, 'final rows have the provider\'s numbers');
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

    is($pg->value('SELECT sum(requests) = (SELECT count(*) FROM ai.usage_logs)
        FROM ai.usage_hourly'), 't', 'hourly requests are the rows');
}

1;
