#!/usr/bin/perl

# The ledger's disk is full, gone, or has lost bytes: nothing is proxied that
# could not be billed, and no row that was written is lost or comes twice.

use strict;
use warnings;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";

use AI::Gateway;

my $t = AI::Gateway->new;
my $p = $t->provider(8081);
my $dir = "$t->{dir}/ledger";
my $small = gateway_conf(ledger => '%%DIR%%/ledger segment=64k sync=1s');

SKIP: {
    skip 'only root can mount', 1 if $> || !mounted('256k');

    full_before();
    full_behind();
    umount();
}

END { my $rc = $?; umount(); $? = $rc }

sub umount { system("umount -l $dir 2>/dev/null") if $dir && !$> }

$t->stop;
system("rm -rf $dir");
$t->allow(qr/ai ledger: segment \d+ was removed/,
    qr/ai ledger: .*(?:damaged|set aside)/);
$t->run($small);

removed();
replaced();
damaged();
torn();

$t->done;


sub mounted {
    my ($size) = @_;

    mkdir $dir;

    return system("mount -t tmpfs -o size=$size none $dir 2>/dev/null") == 0;
}


sub resize { system("mount -o remount,size=$_[0] $dir") == 0 or die }


# no room for a single slot

sub full_before {
    $t->allow(qr/ai ledger: no slot in/, qr/write\(\) to usage\.jsonl failed/);
    $t->run(gateway_conf(ledger => '%%DIR%%/ledger segment=1m sync=1s'));

    for my $stream (0, 1) {
        my $r = $t->chat({ $stream ? (stream => \1) : () });

        is($r->status, 503, 'full: refused');
        is($r->json->{error}{code}, 'gateway_unavailable', 'full: code');
        is($r->header('retry-after'), 1, 'full: when to come back');
    }

    my $r = $t->post('/v1/messages', { model => 'claude-sonnet-4-6',
        max_tokens => 9, messages => [ { role => 'user', content => 'x' } ] });

    is($r->status, 503, 'full: refused in any dialect');
    is($p->requests, 0, 'full: nothing was proxied');
    is($t->get('/v1/models')->status, 200, 'full: the rest goes on');
    ok($t->waitlog(qr/\[crit\].*ai ledger: no slot in.*28/), 'full: told');
    is(scalar(() = $t->log =~ /no slot in/g), 1, 'full: told once');

    resize('16m');

    ok((waitfor { $t->chat->status == 200 } 5), 'room again: admitted');
    like($t->log, qr/requests are admitted/, 'room again: told');

    $t->stop;
}


# room for slots but not for rows

sub full_behind {
    $t->run($small);
    $t->chat;
    $t->waitrows(2);

    my @c = map { $t->start_chat({ stream => \1 },
        mock => { events => 5, delay => 0.2 }) } 1 .. 3;

    waitfor { $p->open_streams == 3 } or diag('streams did not start');

    system("dd if=/dev/zero of=$dir/fill bs=64k 2>/dev/null");

    # streams that were admitted before go on

    my @ids;

    for my $c (@c) {
        my $r = $c->finish;

        ok($r->complete, 'full while running: streams go on');
        push @ids, $r->id;
    }

    my $passed = 0;

    # ... slots are used up, one by one

    for (1 .. 400) {
        my $r = $t->chat;

        last if $r->status != 200;

        $passed++;
        push @ids, $r->id;
    }

    # a last row may have found room and freed a slot, or a segment that was
    # no longer needed has made room for many

    my ($n, $refused);

    waitfor {
        system("dd if=/dev/zero bs=4k >> $dir/fill 2>/dev/null");

        $n = $p->requests;
        my $r = $t->chat;

        push @ids, $r->id if $r->status == 200;
        $refused = $r->status == 503;
    } 60;

    ok($refused, "full while running: refused after $passed");
    is($p->requests, $n, 'full while running: not proxied');

    # a crash meanwhile loses none of them

    $t->crash;
    unlink "$dir/fill";
    $t->run;

    ok((waitfor { $t->chat->status == 200 } 5), 'room again: admitted');

    my %rows;

    waitfor {
        undef %rows;
        $rows{ $_->{id} }++ for $t->rows;
        !grep { !$rows{$_} } @ids;
    } 10;

    is((grep { !$rows{$_} } @ids), 0, 'room again: no row is lost');
    is((grep { $_ > 1 } values %rows), 0, 'room again: none is there twice');

    $t->stop;
}


# the directory is gone, and comes back

sub removed {
    $t->chat;
    $t->waitrows(1);

    system("rm -rf $dir");

    $t->allow(qr/ai ledger: could not open its directory/);

    ok((waitfor { $t->chat->status == 503 } 5), 'removed: refused');

    my $n = $p->requests;

    is($t->chat->status, 503, 'removed: and stays so');
    is($p->requests, $n, 'removed: not proxied');
    ok($t->waitlog(qr/was removed/), 'removed: told');

    mkdir $dir, 0700;
    AI::Gateway::give_away($dir);

    ok((waitfor { $t->chat->status == 200 } 5), 'back: admitted');

    my $r = $t->chat;

    is($t->waitrow($r->id)->{state}, 'final', 'back: with rows');
}


# another directory in its place, and one that nobody may write to

sub replaced {
    rename $dir, "$dir.old" or die;
    mkdir $dir, 0500;
    AI::Gateway::give_away($dir);

    # slots that are mapped still have their file; their rows are not lost

    my $r = $t->chat;

    chmod 0700, $dir;

    if ($r->status == 200) {
        my $row = $t->waitrow($r->id, 2);
        $row = $t->row($r->id, dir => "$dir.old") if !$row->{id};

        ok($row, 'replaced: a row in one of the two');
    }

    ok((waitfor { my $r = $t->chat; $r->status == 200
        && $t->waitrow($r->id, 1)->{id} } 10), 'replaced: rows go to the new');
}


# bytes of slots and of a header are changed while nothing runs

sub damaged {
    my @c = map { $t->start_chat({ stream => \1 },
        mock => { events => 20, delay => 0.2 }) } 1 .. 6;

    $_->read_events(2) for @c;

    my @ids = map { $_->head->{headers}{'x-request-id'} } @c;

    $t->crash;

    # the id of the first one: no row can be made of it

    my $bad = $ids[0] =~ s/-//gr;

    for my $file (glob "$dir/*.seg") {
        open my $f, '+<:raw', $file or die "$file: $!\n";
        my $data = do { local $/; <$f> };
        my $at = index($data, pack 'H*', $bad);

        next if $at < 0;

        # any other byte: the third one is the time's, and now and then 0xff
        seek $f, $at + 3, 0;
        print $f substr($data, $at + 3, 1) ^ "\xff";
    }

    open my $f, '>', "$dir/00009999.seg" or die;
    print $f "no segment\n" x 1000;
    close $f;

    open $f, '>', "$dir/00009998.seg" or die;
    close $f;

    AI::Gateway::give_away(glob "$dir/0000999*.seg");

    $t->run;

    for my $id (@ids[1 .. 5]) {
        is($t->waitrow($id)->{state}, 'interrupted', 'damaged: others are read');
    }

    ok($t->waitlog(qr/is damaged, set aside/), 'damaged: told');
    ok($t->waitlog(qr/"00009999\.seg" is no segment/), 'a strange file: told');
    ok(-s "$dir/damaged.bin", 'damaged: kept');
    is($t->row($ids[0]), undef, 'damaged: no row');

    is($t->chat->status, 200, 'damaged: goes on');
    ok(waitfor { $t->status->{zone}{holds} == 0 }, 'damaged: no hold is left');
}


# the last line of usage.jsonl was written in part

sub torn {
    my $r = $t->chat;

    $t->waitrow($r->id);
    $t->crash;

    my @before = $t->rows;

    open my $f, '>>', "$dir/usage.jsonl" or die;
    print $f '{"id":"01234567-89ab-7def-8123-456789abcdef","time":"2026-11-2';
    close $f;

    $t->run;

    $r = $t->chat;

    is($t->waitrow($r->id)->{state}, 'final', 'torn line: rows go on');
    is(scalar($t->rows), @before + 1, 'torn line: no row more or less');
}
