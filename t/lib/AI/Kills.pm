package AI::Kills;

# Workers and the master are killed under load: no admitted request loses its
# row and none has two, by the stand-in provider's journal and by what clients
# have received.

use strict;
use warnings;

use Exporter 'import';
use JSON::PP ();
use Test::More;
use Time::HiRes qw(time sleep);

use AI::Gateway;

our @EXPORT = qw(kill_under_load);


# kills => n, each tenth of the master and all its workers; clients => n

sub kill_under_load {
    my (%o) = @_;

    srand($ENV{AI_SEED} || 1);

    my $t = AI::Gateway->new(workers => 2);
    my $p = $t->provider(8081);

    # a ratio that is learned already makes estimates exact: four bytes a token

    $t->run(gateway_conf());
    $t->chat for 1 .. 20;

    my @clients = map { client($t, $_) } 1 .. $o{clients};
    my $masters = 0;
    my $started = time();

    for my $n (1 .. $o{kills}) {
        sleep(0.05 + rand(0.25));

        if ($n % 10 == 0) {
            $masters++;
            $t->crash;
            $t->run;

        } else {
            my @w = $t->workers;
            $t->kill_worker('KILL', $w[rand @w]);
        }

        note("$n kills after ", int(time() - $started), ' s') if $n % 100 == 0;
    }

    my $seconds = time() - $started;

    kill 'TERM', @clients;
    waitpid($_, 0) for @clients;

    waitfor { $p->state->{open} == 0 };

    check($t, $p, %o, masters => $masters, seconds => $seconds);

    ok(waitfor { $t->status->{zone}{holds} == 0 }, 'no hold is left');

    $t->done;
}


sub check {
    my ($t, $p, %o) = @_;

    my %served = map { $_->{id} => $_ } $p->journal;
    my (%rows, %n);

    waitfor {
        %rows = ();
        push @{ $rows{ $_->{id} } }, $_ for $t->rows;
        !grep { !$rows{$_} } keys %served;
    } 15;

    my @lost = grep { !$rows{$_} } keys %served;
    my @twice = grep { @{ $rows{$_} } > 1 } keys %rows;

    my ($wrong, $short, $client_lost) = (0, 0, 0);

    for my $id (keys %rows) {
        my $row = $rows{$id}[0];
        my $s = $served{$id};

        $n{ $row->{state} }++;

        # told to the end: billed at the provider's numbers

        $wrong++ if $row->{state} eq 'final' && $s
            && ($row->{input_tokens} != $s->{input}
                || $row->{output_tokens} != $s->{output});
    }

    # whatever a client got was metered before

    my $got = received($t);

    for my $id (keys %$got) {
        my $row = $rows{$id} ? $rows{$id}[0] : undef;

        $client_lost++ if !$row;
        $short++ if $row && ($row->{output_tokens} // 0) < $got->{$id};
    }

    diag(sprintf '%d kills, %d of them of the master, in %d s: %d requests '
        . 'reached the provider, %d rows (%s), %d answers seen by clients',
        $o{kills}, $o{masters}, $o{seconds}, scalar(keys %served),
        scalar(keys %rows), join(', ', map { "$n{$_} $_" } sort keys %n),
        scalar(keys %$got));

    cmp_ok(scalar(keys %served), '>', $o{kills}, 'there was load');
    is(scalar(@lost), 0, 'no row lost');
    is($client_lost, 0, 'none that a client saw either');
    is(scalar(@twice), 0, 'no row twice');
    is($wrong, 0, 'final rows have the provider\'s numbers');
    is($short, 0, 'no row has less than what was delivered');
    cmp_ok($n{interrupted} || 0, '>', 0, 'killed requests are interrupted');
}


# tokens that clients have received, by request

sub received {
    my ($t) = @_;

    my %got;

    for my $file (glob "$t->{dir}/client.*") {
        open my $f, '<', $file or die "$file: $!\n";

        while (<$f>) {
            my ($id, $tokens) = /^(\S+) (\d+)\n/ or next;
            $got{$id} = $tokens;
        }
    }

    return \%got;
}


# plain and streamed requests without end; what dies with a worker is expected

sub client {
    my ($t, $n) = @_;

    my $parent = $$;
    my $pid = fork() // die "fork: $!\n";

    return $pid if $pid;

    local $SIG{TERM} = sub { POSIX::_exit(0) };

    open my $log, '>', "$t->{dir}/client.$n" or POSIX::_exit(1);
    $log->autoflush(1);

    # not for longer than the test, whose reader waits for our end, too

    for (my $i = 0; getppid() == $parent; $i++) {
        my $r = eval {
            $t->chat($i % 2 ? { stream => \1 } : {}, timeout => 10,
                mock => { events => 10, $i % 2 ? (delay => 0.01) : () });
        };

        if ($r && $r->id) {
            my $tokens = () = $r->body =~ /tok /g;
            print $log $r->id, " $tokens\n";
        }

        sleep 0.05 if !$r || !$r->complete;
    }

    POSIX::_exit(0);
}

1;
