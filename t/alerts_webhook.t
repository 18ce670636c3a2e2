#!/usr/bin/perl

# tools/alerts: each alert reaches the webhook, signed, until it is taken.

use strict;
use warnings;

use Digest::SHA qw(hmac_sha256_hex);
use FindBin;
use IO::Socket::INET;
use JSON::PP ();
use Test::More;

use lib "$FindBin::Bin/lib";

use AI::Postgres;

my $pg = AI::Postgres->new;

my $listen = IO::Socket::INET->new(Listen => 5, LocalAddr => '127.0.0.1',
    ReuseAddr => 1) or die "listen: $!\n";

my $url = 'http://127.0.0.1:' . $listen->sockport . '/hook';

open my $f, '>', "$pg->{dir}/secret" or die;
print $f "a secret of the test\n";
close $f;


# one run of the tool, its webhook answering with these statuses; what it got

sub run_once {
    my (@statuses) = @_;

    my $pid = fork() // die "fork: $!\n";

    if ($pid == 0) {
        open STDERR, '>', '/dev/null';
        exec "$FindBin::Bin/../tools/alerts", '--once', '--url', $url,
            '--secret', "$pg->{dir}/secret", '--db', $pg->dsn('ai_admin');
    }

    my @got;

    for my $status (@statuses) {
        my $c = $listen->accept;
        my ($head, $body) = ('', '');

        $head .= $_ while defined($_ = <$c>) && $_ ne "\r\n";
        $head =~ /content-length: (\d+)/i and read $c, $body, $1;
        print $c "HTTP/1.0 $status x\r\nContent-Length: 0\r\n\r\n";
        close $c;
        push @got, { head => $head, body => $body,
            json => JSON::PP::decode_json($body) };
    }

    waitpid $pid, 0;

    return ($?, @got);
}


$pg->psql(q{INSERT INTO ai.alerts (tenant, kind, subject, period, share)
    VALUES ('acme', 'budget', 'cost/month', '2026-11', 50),
           ('acme', 'budget', 'cost/month', '2026-11', 80)});

my ($rc, @got) = run_once(500);

isnt($rc, 0, 'a webhook that fails is an error');
is($pg->value('SELECT count(*) FROM ai.alerts WHERE delivered_at IS NULL'),
    2, 'both wait');

($rc, @got) = run_once(200, 204);

is($rc, 0, 'delivered');
is_deeply([ map { $_->{json}{share} } @got ], [ 50, 80 ], 'oldest first');
is($got[0]{json}{tenant}, 'acme', 'whose');

my ($sign) = $got[0]{head} =~ /x-ai-signature: sha256=(\w+)/i;

is($sign, hmac_sha256_hex($got[0]{body}, 'a secret of the test'), 'signed');

($rc, @got) = run_once();

is($rc, 0, 'nothing is sent twice');
is($pg->value('SELECT count(*) FROM ai.alerts WHERE delivered_at IS NULL'),
    0, 'none waits');

open $f, '>', "$pg->{dir}/secret" or die;
close $f;

($rc) = run_once();

isnt($rc, 0, 'an empty secret is refused');

done_testing();
