#!/usr/bin/perl

# Rows in PostgreSQL: soon, once, and again after it was away, after a reload
# and after a kill; what it has leaves the ledger's directory.

use strict;
use warnings;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";

use Time::HiRes qw(time);

use AI::Gateway;
use AI::Postgres;

my $t = AI::Gateway->new(workers => 2);
my $pg = AI::Postgres->new($t);

$t->provider(8081);
$t->run(gateway_conf(http => $pg->conf(timeout => '2s'),
    ledger => '%%DIR%%/ledger segment=256k rotate=64k'));

# what dies is what the test kills

$t->allow(qr/\[(crit|error|alert)\].*ai (ledger|postgres)/);

my (%ids, @ms);

chats(1);
ok(waitfor { in_pg() == 1 }, 'the first row');

for (2 .. 10) {
    my $at = time();
    chats(1);
    my $n = $_;
    waitfor { in_pg() == $n };
    push @ms, int(1000 * (time() - $at));
}

diag("ms to the database: @ms");

like($t->read_file('ledger/node.id'), qr/^[0-9a-f-]{36}$/, 'node.id');
is($pg->value('SELECT DISTINCT node FROM ai.usage_logs') . "\n",
    $t->read_file('ledger/node.id'), 'rows carry it');

# away, while requests go on

$pg->stop('immediate');
chats(200);
ok($t->waitlog(qr/\[error\].*the database does not answer/), 'said once');
my @lines = $t->log =~ /(the database does not answer)/g;
is(scalar @lines, 1, 'and not again');
$pg->start;
ok(waitfor { in_pg() == keys %ids }, 'all rows when it is back');
ok($t->waitlog(qr/\[notice\].*takes rows again/), 'said, too');

ok(waitfor { !glob "$t->{dir}/ledger/usage-*.jsonl" }, 'no file is left');
cmp_ok(-s "$t->{dir}/ledger/shipped.sum", '>', 0, 'their sums are');

# frozen

my $silent = () = $t->log =~ /the database does not answer/g;
$pg->signal('STOP');
chats(20);
ok(waitfor { (() = $t->log =~ /the database does not answer/g) > $silent },
    'a frozen server is told');
$pg->signal('CONT');
ok(waitfor { in_pg() == keys %ids }, 'all rows after a frozen server');

# refused, for a reason that is not the rows'

$pg->psql('REVOKE EXECUTE ON FUNCTION ai.ship(uuid, bytea) FROM ai_gateway');
chats(5);
ok($t->waitlog(qr/\[error\].*refuses rows: 42501/), 'a refusal is told');
$pg->psql('GRANT EXECUTE ON FUNCTION ai.ship(uuid, bytea) TO ai_gateway');
ok(waitfor { in_pg() == keys %ids }, 'all rows when it is mended');

# reloads and kills of workers

for (1 .. 4) {
    chats(10);
    $t->reload;
    chats(10);
    $t->kill_worker('KILL');
    chats(10);
}

ok(waitfor { in_pg() == keys %ids }, 'all rows after reloads and kills');

$t->crash;
$t->run;
chats(5);
ok(waitfor { in_pg() == keys %ids }, 'all rows after a start');
$t->mark;

my %rows = map { $_->[0] => 1 } $pg->rows('SELECT id FROM ai.usage_logs');

is(scalar(grep { !$rows{$_} } keys %ids), 0, 'each request has its row');
is($pg->value('SELECT count(*) FROM ai.quarantine'), 0, 'none is odd');
is($pg->value('SELECT sum(requests) FROM ai.usage_hourly'), scalar keys %ids,
    'each is counted once');

$t->done;


sub chats {
    my ($n) = @_;

    for (1 .. $n) {
        my $r = $t->chat({ max_tokens => 8 });
        $ids{ $r->id } = 1 if $r->status == 200;
    }
}


sub in_pg { return $pg->value('SELECT count(*) FROM ai.usage_logs') }
