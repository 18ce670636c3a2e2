#!/usr/bin/perl

# Workers are killed (-9) at random moments under load, half of it streams;
# afterwards every request that the provider saw has exactly one row, and every
# row that is final has the provider's own count of tokens.
#
# AI_KILLS (1000) is how often; AI_SEED makes a run repeatable as far as load
# is.  No failure in n kills bounds the chance of one by 3/n (95 %).

use strict;
use warnings;

use Test::More;
use FindBin;
use JSON::PP ();
use POSIX qw(:sys_wait_h);
use Time::HiRes qw(sleep time);
use lib "$FindBin::Bin/../lib";
use AI::Gateway;

my $kills = $ENV{AI_KILLS} || 1000;
my $seed = $ENV{AI_SEED} || time() ^ $$;
my $bin = "$FindBin::Bin/../../build";
my $events = 20;

srand $seed;
diag("$kills kills, seed $seed");

plan skip_all => 'build/standin is not there, see `make kill-test`'
    unless -x "$bin/standin" && -x "$bin/streams";

my $t = AI::Gateway->new(workers => 2);
my $journal = "$t->{dir}/journal.jsonl";

$t->daemon('standin', "$bin/standin", '-e', $events, '-i', 20, '-j', $journal,
    $t->port(8081));
$t->waitforport(8081) or die "standin did not start\n";

$t->run(gateway_conf(
    ledger => '%%DIR%%/ledger segment=4m sync=1s',
    plan_extra => <<'EOC'));
        limit  requests     100000000/m;
        limit  tokens       9000000000/day;
        limit  cost         1000000.00/month;
        limit  concurrency  10000;
EOC

my $port = $t->port(8080);
my $key = make_key('acme');
my @load;

sub load {
    my (@cmd) = @_;

    my $pid = fork();

    die "fork: $!\n" unless defined $pid;

    if ($pid == 0) {
        open STDOUT, '>', '/dev/null';
        open STDERR, '>&', \*STDOUT;
        exec(@cmd) or POSIX::_exit(127);
    }

    return $pid;
}

my $plain = load('wrk', '-t1', '-c16', '-d7200s', '-s',
    "$FindBin::Bin/load.lua", "http://127.0.0.1:$port/v1/chat/completions",
    '--', $key);

my $streams = 0;

for my $n (1 .. $kills) {
    sleep(0.05 + rand 0.45);

    if (!$streams || waitpid($streams, WNOHANG) == $streams) {
        $streams = load("$bin/streams", '-n', 400, '-r', 150, '-k', $key,
            $port);
    }

    my @workers = $t->workers;
    my $pid = $workers[rand @workers] or next;

    $t->{killed}{$pid} = 1;
    kill 'KILL', $pid;

    waitfor { my @w = $t->workers; @w == 2 && !grep { $_ == $pid } @w }
        or BAIL_OUT("worker $pid was not replaced");

    diag("$n kills") if $n % 100 == 0;
}

# the last streams end by themselves

sleep 1;
kill 'KILL', $plain;
waitpid $plain, 0;

waitfor { waitpid($streams, WNOHANG) == $streams } 30;

my $json = JSON::PP->new->utf8;
my (%seen, %row, @twice);

sub read_journal {
    open my $f, '<', $journal or die "$journal: $!\n";

    while (<$f>) {
        next unless /\n\z/;

        my $e = $json->decode($_);
        my $known = $seen{$e->{id}};

        # a connection that died is tried again with the same id
        $seen{$e->{id}} = $e
            if !$known || $known->{end} ne 'completed';
    }
}

read_journal();

waitfor {
    %row = map { $_->{id} => 1 } $t->rows;
    return !grep { !$row{$_} } keys %seen;
} 20;

%row = ();

for my $r ($t->rows) {
    push @twice, $r->{id} if $row{$r->{id}};
    $row{$r->{id}} = $r;
}

delete $seen{''};       # the harness's own look at the port

my @lost = grep { !$row{$_} } keys %seen;
my @open = grep { !/^(?:final|interrupted|failed|refused)$/ }
    map { $_->{state} } values %row;
my (@wrong, %states);

for my $id (keys %row) {
    my $r = $row{$id};
    my $e = $seen{$id};

    $states{$r->{state}}++;

    if ($r->{state} eq 'final' && $r->{usage_source} eq 'final') {
        push @wrong, "$id: $r->{output_tokens}, provider: "
            . ($e ? $e->{output} : 'unseen')
            if !$e || $r->{output_tokens} != $e->{output};
    }

    push @wrong, "$id: final, but never sent"
        if $r->{state} eq 'final' && !$e;

    push @wrong, "$id: interrupted with $r->{output_tokens} tokens, sent "
        . $e->{output}
        if $r->{state} eq 'interrupted' && $e
        && ($r->{output_tokens} // 0) > $e->{output} * 12;
}

diag(scalar(keys %seen), " requests at the provider, rows: ",
    join ', ', map { "$states{$_} $_" } sort keys %states);

cmp_ok(scalar keys %seen, '>', $kills, 'there was load');
cmp_ok($states{interrupted} || 0, '>', $kills / 20, 'kills have hit requests');
is(join("\n", @lost), '', 'no row lost');
is(join("\n", @twice), '', 'no row twice');
is(join("\n", @open), '', 'every row has ended');
is(join("\n", @wrong), '', 'tokens are those of the provider');

# what dead workers held was given back

my $usage;

waitfor {
    $usage = $t->get('/v1/usage')->json;
    return $usage && $usage->{concurrency} == 0;
} 10;

is($usage->{concurrency}, 0, 'no place of concurrency is left taken');
is($usage->{held}{tokens}, 0, 'no tokens are left held');

$t->done;
