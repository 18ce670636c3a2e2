#!/usr/bin/perl

# A newcomer's half hour: the chapter of README.md on PostgreSQL, word by word,
# save for ports and directories of the test's own.

use strict;
use warnings;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";

use File::Temp qw(tempdir);
use IPC::Open2;
use IO::Socket::INET;

use AI::Gateway;
use AI::Postgres;

my $top = "$FindBin::Bin/..";
my $dir = tempdir('ai-new-XXXXXXXX', TMPDIR => 1, CLEANUP => 1);
my $port = ports(3);

chmod 0755, $dir;

$ENV{DB_DIR} = "$dir/db";
$ENV{DB_PORT} = AI::Postgres::free_port();
$ENV{DEMO_DIR} = "$dir/demo";
$ENV{PORT} = $port;

delete @ENV{qw(OPENAI_API_KEY ANTHROPIC_API_KEY GEMINI_API_KEY)};

my ($shell_out, $shell_in, $gateway);
my ($db, $make, $traffic, $bill, $usage, $revoke, $refused, @more) = blocks();

is(scalar @more, 0, 'the chapter has the blocks that are known here');
is($db, "make db\nmake run\n", 'what starts it');

# ---- the first terminal ----

chdir $top or die "$top: $!\n";
open my $log, '>', "$dir/run.log" or die "run.log: $!\n";

my $made = `make -s db 2>&1`;

is($?, 0, 'make db') or diag($made);
like($made, qr/applied 011_limits/, 'it has the schema');
like(scalar `make -s db 2>&1`, qr/nothing to apply/, 'once');

$gateway = fork();
die "fork: $!\n" unless defined $gateway;

if ($gateway == 0) {
    setpgrp;
    open STDOUT, '>&', $log;
    open STDERR, '>&', $log;
    exec 'make', '-s', 'run' or die;
}

ok((waitfor { heard() } 60), 'make run') or diag(run_log());

# ---- the second one ----

$shell_out = undef;
my $shell = open2($shell_out, $shell_in, 'bash', '--norc');

my $out = paste($make);

like($out, qr/"name": "acme"/, 'a tenant is made');
like($out, qr/^(sk_ai_[0-9A-Za-z]{38}) (sk_ai_[0-9A-Za-z]{38})$/m,
    'keys are shown');

my ($acme, $globex) = $out =~ /^(sk_ai_\w+) (sk_ai_\w+)$/m;

ok((waitfor { status($acme) == 200 && status($globex) == 200 }),
    'keys are good');

$out = paste($traffic);

like($out, qr/"object": "chat\.completion"/, 'an answer of OpenAI');
like($out, qr/"type": "message"/, 'an answer of Anthropic');

ok((waitfor {
    sql('SELECT count(*) FROM ai.usage_logs') eq '2';
}), 'rows are in the database') or diag(run_log());

$out = paste($bill);

like($out, qr/"usage_usd": "0\.000029600"/, 'the statement');
$out =~ s/[ ]+//g;
like($out, qr/^acme\|[\d-]+\|gpt-4\.1-mini\|1\|14\|15\|0\.000029600$/m,
    'usage by day and model');
like($out, qr/^globex\|[\d-]+\|claude-haiku-4-5\|1\|/m, 'of all tenants');

$out = paste($usage);

like($out, qr/"tenant" : "acme".*"cost_usd" : "0\.000029600"/s,
    'what the tenant sees');
unlike($out, qr/globex|claude/, 'is its own');

like(paste($revoke), qr/"revoked": 1/, 'revocation');
ok((waitfor { status($globex) == 401 }), 'the key is refused');
like(paste($refused), qr/^HTTP\/1\.1 401 /m, 'as the text says');
is(status($acme), 200, 'the other one is not');

# the last words: without the database requests go on

my ($stop) = chapter() =~ /`(tools\/db stop)`/;

paste("$stop\n");
like(paste($traffic), qr/"object": "chat\.completion"/,
    'requests without a database');
`make -s db`;
ok((waitfor { sql('SELECT count(*) FROM ai.usage_logs') eq '3' } 30),
    'are shipped later') or diag(run_log());

# Google's SDK asks for either version

for my $version (qw(v1 v1beta)) {
    like(paste("curl -s \$GW/$version/models/gemini-2.5-flash:generateContent"
        . " -H 'x-goog-api-key: sk_ai_" . 'Demo' x 8 . "4SFPVU'"
        . " -H 'Content-Type: application/json'"
        . qq( -d '{"contents": [{"parts": [{"text": "Hello"}]}]}'\n)),
        qr/"usageMetadata"/, "the demo's Gemini, $version");
}

done_testing();


sub chapter {
    open my $f, '<', "$top/README.md" or die "README.md: $!\n";
    local $/;

    my ($text) = <$f> =~ /^## Tenants and the bill in PostgreSQL\n(.*?)^## /ms;

    return $text // die "README.md has no such chapter\n";
}


sub blocks {
    my @blocks = chapter() =~ /^```\n(.*?)^```$/msg;

    s/127\.0\.0\.1:8080/127.0.0.1:$port/g for @blocks;

    return @blocks;
}


# what the commands print, once all of them have ended

sub paste {
    my ($commands) = @_;

    my $text = '';

    print $shell_in "{\n$commands} 2>&1\necho; echo pasted\n";
    $shell_in->flush;

    local $SIG{ALRM} = sub { die "a pasted command does not end:\n$text" };
    alarm 60 * $AI::Gateway::factor;

    while (defined(my $line = <$shell_out>)) {
        last if $line eq "pasted\n";
        $text .= $line;
    }

    alarm 0;

    return $text;
}


sub status {
    my ($key) = @_;

    return `curl -s -o /dev/null -w '%{http_code}' -H 'x-api-key: $key' \\
        http://127.0.0.1:$port/v1/models` || 0;
}


sub heard {
    return run_log() =~ /"directory": connected/;
}


sub sql { my $v = `tools/db psql -Atc '$_[0]'`; chomp $v; return $v }


sub run_log {
    open my $f, '<', "$dir/run.log" or return '';
    local $/;

    return scalar <$f> // '';
}


# so many free ones in a row

sub ports {
    my ($n) = @_;

    for (1 .. 500) {
        my $first = 10240 + int rand 20000;
        my @s = grep { $_ } map { IO::Socket::INET->new(Proto => 'tcp',
            Listen => 1, LocalAddr => "127.0.0.1:$_") }
            $first .. $first + $n - 1;

        return $first if @s == $n;
    }

    die "no free ports\n";
}


END {
    my $rc = $?;

    if ($gateway) {
        kill 'TERM', -$gateway;
        waitpid $gateway, 0;
    }

    close $shell_in if $shell_in;
    system "$top/tools/db stop > /dev/null 2>&1" if -d "$dir/db";
    $? = $rc;
}
