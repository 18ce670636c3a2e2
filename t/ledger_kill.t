#!/usr/bin/perl

# Workers and the master are killed under load: no admitted request loses its
# row and none has two, by the stand-in provider's own journal.
#
#   AI_KILLS  how many workers are killed (20); each tenth kill is of the master

use strict;
use warnings;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";

use IO::Select;
use Time::HiRes qw(time sleep);

use AI::Gateway;

my $kills = $ENV{AI_KILLS} || 20;

srand($ENV{AI_SEED} || 1);

my $t = AI::Gateway->new(workers => 2);
my $p = $t->provider(8081);

$t->run(gateway_conf());

my @clients = map { client($_) } 1 .. 4;

my $masters = 0;

for my $n (1 .. $kills) {
    sleep(0.05 + rand(0.25));

    if ($n % 10 == 0) {
        $masters++;
        $t->crash;
        $t->run;

    } else {
        $t->kill_worker('KILL');
        waitfor { $t->workers == 2 } or diag('worker did not come back');
    }
}

kill 'TERM', @clients;
waitpid($_, 0) for @clients;

waitfor { $p->state->{open} == 0 };

my %served = map { $_->{id} => $_ } $p->journal;

my @rows;
waitfor { @rows = $t->rows; my %r = map { $_->{id} => 1 } @rows;
          !grep { !$r{$_} } keys %served } 15;

my %rows;
$rows{ $_->{id} }++ for @rows;

my @lost = grep { !$rows{$_} } keys %served;
my @twice = grep { $rows{$_} > 1 } keys %rows;

note("$kills kills, $masters of them of the master; ", scalar(keys %served),
    ' requests served, ', scalar(@rows), ' rows');

cmp_ok(scalar(keys %served), '>', $kills, 'there was load');
is(scalar(@lost), 0, 'no row lost');
is(scalar(@twice), 0, 'no row twice');

# an answer that the provider gave to the end is billed at its numbers, a cut
# one at no less than what was delivered

my ($short, $interrupted) = (0, 0);

for my $row (@rows) {
    my $s = $served{ $row->{id} } or next;

    $interrupted++ if $row->{state} eq 'interrupted';

    $short++ if $row->{state} eq 'final'
        && $row->{output_tokens} != ($s->{output} // -1);
}

is($short, 0, 'final rows have the provider\'s numbers');
cmp_ok($interrupted, '>', 0, 'killed requests are interrupted');

ok(waitfor { holds($t->status) == 0 }, 'no hold is left');

$t->done;


sub holds {
    my ($status) = @_;

    return $status->{zone}{holds};
}


# plain and streamed requests without end; what dies with a worker is expected

sub client {
    my ($n) = @_;

    my $pid = fork() // die "fork: $!\n";

    return $pid if $pid;

    local $SIG{TERM} = sub { POSIX::_exit(0) };

    for (my $i = 0; ; $i++) {
        eval {
            $t->chat($i % 2 ? { stream => \1 } : {}, timeout => 10,
                mock => { events => 10, $i % 2 ? (delay => 0.01) : () });
        };

        sleep 0.05 if $@;
    }
}
