package AI::Outages;

# What t/billing_faults.t does to PostgreSQL, to what stands in between, and to
# the workers that ship: a table of faults, each of which is over when its
# function returns.
#
# A function takes the scene: nodes (AI::Gateway, the first one ships through
# the proxy, the second one through pgbouncer), pg, proxy, pooler, and seconds,
# how long an outage lasts.

use strict;
use warnings;

use Exporter 'import';
use Time::HiRes qw(sleep);

use AI::Gateway;

our @EXPORT = qw(%faults %long possible sink_of);

my $month = q{'usage_logs_' || to_char(now() AT TIME ZONE 'UTC', 'YYYYMM')};


our %faults = (

    # ---- the server ----

    'backend killed' => sub {
        my ($s) = @_;
        my @b = $s->{pg}->backends('ai_gateway');
        kill 'KILL', $b[rand @b] if @b;
        $s->{pg}->ensure;
    },

    'server killed' => sub {
        my ($s) = @_;
        $s->{pg}->signal('KILL');
        $s->{pg}->start;
    },

    'server stopped' => sub {
        my ($s) = @_;
        $s->{pg}->stop('immediate');
        sleep $s->{seconds};
        $s->{pg}->start;
    },

    'server restarted' => sub { $_[0]{pg}->restart('fast') },

    'server frozen' => sub {
        my ($s) = @_;
        $s->{pg}->signal('STOP');
        sleep $s->{seconds};
        $s->{pg}->signal('CONT');
    },

    'backends frozen, then killed' => sub {
        my ($s) = @_;
        my @b = $s->{pg}->backends('ai_gateway');

        kill 'STOP', @b;
        sleep 0.2;
        kill 'KILL', @b;
        $s->{pg}->ensure;
    },

    'disk full' => sub {
        my ($s) = @_;
        $s->{nodes}[0]->fill('pg/data');
        sleep $s->{seconds};
        $s->{nodes}[0]->unfill('pg/data');
        $s->{pg}->ensure;
    },

    # the server ends by itself, for it cannot go on without

    'disk full of WAL' => sub {
        my ($s) = @_;
        my ($pg, $error) = $s->{pg};

        $s->{nodes}[0]->fill('pg/data');

        for (1 .. 40) {
            $pg->psql('SELECT txid_current(); SELECT pg_switch_wal()',
                db => 'postgres', error => \$error);
            last if $error;
        }

        $s->{wal_full}++ if $error;
        sleep $s->{seconds};
        $s->{nodes}[0]->unfill('pg/data');
        $pg->ensure;
    },

    # ---- its answers ----

    # rows are in, and the network fails before the answer is through

    'commit without answer' => sub {
        my ($s) = @_;
        my $count = 'SELECT count(*) FROM ai.usage_logs WHERE node = \''
            . node_id($s->{nodes}[0]) . "'";

        quiet($s);

        my $n = $s->{pg}->value($count);

        $s->{proxy}->command('pause down');
        $s->{unanswered}++ if waitfor { $s->{pg}->value($count) > $n } 3;
        $s->{proxy}->command('reset');
        $s->{proxy}->command('resume');
    },

    'cut in a batch' => sub {
        my ($s) = @_;
        $s->{proxy}->command('cut ' . (500 + int rand 20000) . ' up');
        $s->{proxy}->command('reset');
        sleep 0.5;
        $s->{proxy}->command('cut 0 down');
        $s->{proxy}->command('reset');
    },

    'serialization failure' => sub {
        my ($s) = @_;

        $s->{pg}->psql(q{
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
        $s->{pg}->psql('DROP TRIGGER fail_some ON ai.billing_transactions;
            DROP FUNCTION ai.fail_some()');
    },

    # where each transaction sees less, and others write to its rows

    'serializable transactions' => sub {
        my ($s) = @_;
        my $pg = $s->{pg};

        $pg->psql('ALTER ROLE ai_gateway SET default_transaction_isolation
            = serializable', db => 'postgres');
        hang_up($pg);

        for (1 .. 10) {
            $pg->psql('BEGIN; UPDATE ai.spend SET requests = requests;
                SELECT pg_sleep(0.1); COMMIT');
        }

        $pg->psql('ALTER ROLE ai_gateway RESET default_transaction_isolation',
            db => 'postgres');
        hang_up($pg);
    },

    # ship() comes to balances behind spend; its backend is the one to give way

    'deadlock' => sub {
        my ($s) = @_;
        my $error;

        $s->{pg}->psql("BEGIN; SET LOCAL deadlock_timeout = '20s';
            SET LOCAL lock_timeout = '5s';
            SELECT FROM ai.balances FOR UPDATE; SELECT pg_sleep(0.5);
            SELECT FROM ai.spend FOR UPDATE; COMMIT", error => \$error);
    },

    # ---- what operators do ----

    'column renamed' => sub {
        my ($s) = @_;
        $s->{pg}->psql('ALTER TABLE ai.usage_logs RENAME COLUMN api TO dialect');
        sleep $s->{seconds};
        $s->{pg}->psql('ALTER TABLE ai.usage_logs RENAME COLUMN dialect TO api');
    },

    # its table is there, so that rows wait for it

    'partition detached' => sub {
        my ($s) = @_;

        $s->{pg}->psql("DO \$\$ BEGIN EXECUTE format('ALTER TABLE ai.usage_logs
            DETACH PARTITION ai.%I', $month); END \$\$");
        sleep $s->{seconds};
        $s->{pg}->psql("DO \$\$ BEGIN EXECUTE format('ALTER TABLE ai.usage_logs
            ATTACH PARTITION ai.%I FOR VALUES FROM (%L) TO (%L)', $month,
            ai.uuid_floor(date_trunc('month', now(), 'UTC')),
            ai.uuid_floor(date_trunc('month', now() AT TIME ZONE 'UTC')
                AT TIME ZONE 'UTC' + interval '1 month')); END \$\$");
    },

    # and here it is gone: the next batch makes it anew

    'partition missing' => sub {
        my ($s) = @_;

        quiet($s);
        $s->{pg}->psql("DO \$\$ BEGIN EXECUTE format('ALTER TABLE ai.usage_logs
            DETACH PARTITION ai.%I', $month);
            EXECUTE format('ALTER TABLE ai.%I RENAME TO kept', $month);
            END \$\$");

        waitfor { $s->{pg}->value('SELECT count(*) FROM ai.usage_logs') }
            or die "no row came without a partition\n";

        $s->{pg}->psql('BEGIN; LOCK ai.usage_logs;
            INSERT INTO ai.usage_logs SELECT * FROM ai.kept;
            DROP TABLE ai.kept; COMMIT');
    },

    'logins refused' => sub {
        my ($s) = @_;
        $s->{pg}->psql('ALTER ROLE ai_gateway NOLOGIN', db => 'postgres');
        hang_up($s->{pg});
        sleep $s->{seconds};
        $s->{pg}->psql('ALTER ROLE ai_gateway LOGIN', db => 'postgres');
    },

    'another password' => sub {
        my ($s) = @_;
        $s->{pg}->psql("ALTER ROLE ai_gateway PASSWORD 'other'",
            db => 'postgres');
        hang_up($s->{pg});
        sleep $s->{seconds};
        $s->{pg}->psql("ALTER ROLE ai_gateway PASSWORD 'ai_gateway'",
            db => 'postgres');
    },

    'connection limit of the role' => sub {
        my ($s) = @_;
        $s->{pg}->psql('ALTER ROLE ai_gateway CONNECTION LIMIT 0',
            db => 'postgres');
        hang_up($s->{pg});
        sleep $s->{seconds};
        $s->{pg}->psql('ALTER ROLE ai_gateway CONNECTION LIMIT -1',
            db => 'postgres');
    },

    'connections used up' => sub {
        my ($s) = @_;
        my @taken = $s->{pg}->occupy;

        hang_up($s->{pg});
        push @taken, $s->{pg}->occupy;
        sleep $s->{seconds};
    },

    # ---- pgbouncer ----

    'pgbouncer killed' => sub {
        my ($s) = @_;
        $s->{pooler}->signal('KILL');
        sleep $s->{seconds};
        $s->{pooler}->start;
    },

    'pgbouncer frozen' => sub {
        my ($s) = @_;
        $s->{pooler}->signal('STOP');
        sleep $s->{seconds};
        $s->{pooler}->signal('CONT');
    },

    # ---- nginx ----

    'worker killed' => sub {
        my ($s) = @_;
        my $t = one_of($s);
        my @w = $t->workers;
        $t->kill_worker('KILL', $w[rand @w]);
    },

    'shipping worker killed' => sub {
        my ($s) = @_;
        kill_sink(one_of($s));
    },

    'shipping worker killed, batch in flight' => sub {
        my ($s) = @_;
        my $t = one_of($s);
        in_flight($s, sub { kill_sink($t) });
    },

    'shipping worker frozen' => sub {
        my ($s) = @_;
        my $pid = sink_of(one_of($s)) or return;

        kill 'STOP', $pid;
        sleep $s->{seconds};
        kill 'CONT', $pid;
    },

    'master and workers killed' => sub {
        my ($s) = @_;
        my $t = one_of($s);
        $t->crash;
        $t->run;
    },

    # they ship on without it, until they go too

    'master killed, then its workers' => sub {
        my ($s) = @_;
        my $t = one_of($s);
        my @w = $t->orphan_workers;

        sleep 0.5;
        $t->{killed}{$_} = 1 for @w;
        kill 'KILL', @w;
        waitfor { !grep { AI::Gateway::proc_state($_) ne 'Z' } @w };
        $t->run;
    },

    'reload' => sub { one_of($_[0])->reload },

    'reload, batch in flight' => sub {
        my ($s) = @_;
        my $t = one_of($s);
        in_flight($s, sub { $t->reload });
    },

    'quit and start, batch in flight' => sub {
        my ($s) = @_;
        my $t = one_of($s);
        in_flight($s, sub { leave($t, 'QUIT') });
    },

    'fast stop and start, batch in flight' => sub {
        my ($s) = @_;
        my $t = one_of($s);
        in_flight($s, sub { leave($t, 'TERM') });
    },

    'ledger\'s disk full, server away' => sub {
        my ($s) = @_;
        my $t = $s->{nodes}[0];

        $s->{pg}->stop('immediate');
        $t->fill('ledger');
        sleep $s->{seconds};
        $t->unfill('ledger');
        $s->{pg}->start;
    },
);


# what a long run does as well, once

our %long = (
    'server frozen for 30 s' => sub {
        my ($s) = @_;
        $faults{'server frozen'}->({ %$s, seconds => 30 });
    },

    'server stopped for two minutes' => sub {
        my ($s) = @_;
        $faults{'server stopped'}->({ %$s, seconds => 120 });
    },
);


# names of the faults that this scene can have

sub possible {
    my ($s) = @_;

    return grep {
        !(/^disk full/ && !$s->{pg}{disk})
            && !(/^ledger's disk/ && !$s->{disk})
            && !(/^pgbouncer/ && !$s->{pooler})
    } sort keys %faults;
}


sub one_of { my @n = @{ $_[0]{nodes} }; return $n[rand @n] }


# every connection of the gateways; they come back as new ones

sub hang_up { kill 'TERM', $_[0]->backends('ai_gateway') }


# leaves and begins again; old workers may wait for their requests

sub leave {
    my ($t, $signal) = @_;

    $t->stop($signal) or die "nginx did not leave at $signal\n";
    unlink "$t->{dir}/nginx.pid";
    $t->run;
}


sub node_id {
    my ($t) = @_;

    my ($id) = $t->read_file('ledger/node.id') =~ /^(\S+)/;

    return $id;
}


# the worker that has the ledger's lock

sub sink_of {
    my ($t) = @_;

    my $inode = (stat "$t->{dir}/ledger/sink.lock")[1] or return;
    my %workers = map { $_ => 1 } $t->children;

    open my $f, '<', '/proc/locks' or return;

    while (<$f>) {
        return $1 if /FLOCK +ADVISORY +WRITE (\d+) \S+:$inode /
            && $workers{$1};
    }

    return;
}


sub kill_sink {
    my ($t) = @_;

    my $pid = waitfor { sink_of($t) } 5 or return;

    $t->kill_worker('KILL', $pid);
}


# no batch is on its way, nor will one be for a moment whose end is unknown

sub quiet {
    my ($s) = @_;

    waitfor { !grep { ($_->status->{postgres}{shipping}{failing} // 1) }
        @{ $s->{nodes} } } 20;
}


# runs what is to happen while a batch waits for a lock in the server

sub in_flight {
    my ($s, $code) = @_;

    my $holder = $s->{pg}->background('BEGIN;
        LOCK TABLE ai.billing_transactions IN EXCLUSIVE MODE;
        SELECT pg_sleep(1.2); COMMIT');

    $s->{held}++ if waitfor { $s->{pg}->value("SELECT count(*)
        FROM pg_stat_activity WHERE usename = 'ai_gateway'
        AND wait_event_type = 'Lock'") } 3;

    $code->();
    waitpid $holder, 0;
}

1;
