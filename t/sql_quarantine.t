#!/usr/bin/perl

# Lines that cannot become rows: each kind goes to quarantine, and its
# neighbours become rows.

use strict;
use warnings;

use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use AI::Postgres;
use AI::Rows;

my $pg = AI::Postgres->new;
my $rows = AI::Rows->new;
my $error;

sub ship { return AI::Rows::ship($pg, @_) }
sub line { return $rows->line(@_) }

sub edit {
    my ($from, $to) = @_;

    my $line = $rows->line;

    $line =~ s/$from/$to/ or die "no $from in a line\n";

    return $line;
}

my $now = time * 1000;
my $day = 86400 * 1000;

my %bad = (
    'no JSON' => 'hello',
    'half a line' => substr(line(), 0, 300),
    'two objects' => '{},{}',
    'two lines in one' => line() . line(),
    'a list' => '[]',
    'null' => 'null',
    'a string' => '"x"',
    'an empty object' => '{}',
    'a bracket' => ']',
    'a carriage return' => "\r",
    'a raw NUL' => edit(qr/gpt-4.1"/, "gpt\0\""),
    'an escaped NUL' => edit(qr/gpt-4.1"/, 'gpt\u0000"'),
    'an escaped NUL in labels' => line(labels => \'{"a":"\u0000"}'),
    'half a surrogate' => edit(qr/gpt-4.1"/, 'gpt\ud800"'),
    'invalid UTF-8' => edit(qr/gpt-4.1"/, "gpt\xff\""),
    'overlong UTF-8' => edit(qr/gpt-4.1"/, "gpt\xc0\xaf\""),
    'backslashes and bytes' => edit(qr/gpt-4.1"/, "\\\\x41\\\\\xfe\""),
    'deep nesting' => line(labels => \('{"a":' . '[' x 7000 . ']' x 7000 . '}')),
    'deepest nesting' => '[' x 500_000,
    'a long line' => line(model => 'x' x 17000),
    'no id' => edit(qr/"id"/, '"di"'),
    'id null' => line(id => undef),
    'id of another kind' => line(id => '0190a1b2-0000-4000-8000-000000000000'),
    'id of another variant' => edit(qr/-8(?=...-)/, '-c'),
    'id zero' => line(id => '00000000-0000-0000-0000-000000000000'),
    'id all ones' => line(id => 'ffffffff-ffff-7fff-bfff-ffffffffffff'),
    'id with text' => line(id => "1'; DROP TABLE ai.usage_logs; --"),
    'too old' => line(ms => $now - 401 * $day),
    'too far ahead' => line(ms => $now + 3 * $day),
    'time of another day' => line(time => AI::Rows::time_text($now - 3 * $day)),
    'time for ever' => line(time => 'infinity'),
    'time of nobody' => line(time => '2026-13-45T99:99:99Z'),
    'no time' => line(time => undef),
    'no tenant' => line(tenant => undef),
    'empty tenant' => line(tenant => ''),
    'no key' => line(key => undef),
    'labels a list' => line(labels => []),
    'attempts an object' => line(attempts => {}),
    'stream a word' => line(stream => 'maybe'),
    'a negative count' => line(input_tokens => -1),
    'a count with a part' => line(output_tokens => '1.5'),
    'a count out of range' => line(input_tokens => '9223372036854775808'),
    'a count out of reason' => line(input_tokens => '4503599627370497'),
    'an exponent' => line(input_tokens => '1e400'),
    'a status out of range' => line(http_status => 70000),
    'no cost' => line(cost_usd => undef),
    'a cost that is none' => line(cost_usd => 'NaN'),
    'a cost for ever' => line(cost_usd => 'Infinity'),
    'a negative cost' => line(cost_usd => '-0.000000001'),
    'a cost out of range' => line(cost_usd => '99999999999.000000000'),
    'a cost of text' => line(cost_usd => '1; --'),
    'a hold that is none' => line(hold_usd => 'NaN'),
    'duration missing' => edit(qr/"duration_ms":352,/, ''),
);

my ($n, $q) = (0, 0);

for my $name (sort keys %bad) {
    my $got = ship(1, line(), $bad{$name}, line());

    $n += 2;
    $q++;
    is($got, '2|0|1', $name);
}

is($pg->value('SELECT count(*) FROM ai.usage_logs'), $n, 'every neighbour');
is($pg->value('SELECT count(*) FROM ai.quarantine'), $q, 'every bad line');
is($pg->value("SELECT count(*) FROM ai.quarantine WHERE reason = ''"), 0,
    'with a reason');

my %kept = map { pack('H*', $_) => 1 } split /\n/,
    $pg->psql("SELECT encode(line, 'hex') FROM ai.quarantine");

is(scalar(grep { $kept{$_} } values %bad), scalar keys %bad, 'byte by byte');

is(ship(1, values %bad), "0|0|$q", 'all at once, again');
is($pg->value('SELECT count(*) FROM ai.quarantine'), $q, 'each is there once');
is($pg->value("SELECT count(*) FROM ai.alerts WHERE kind = 'quarantine'"), 1,
    'one alert for a node and an hour');
is(ship(2, 'x'), '0|0|1', 'another node');
is($pg->value("SELECT count(*) FROM ai.alerts WHERE kind = 'quarantine'"), 2,
    'has one of its own');

# lines that only look bad

my %odd = (
    'SQL in every name' => line(map { $_ => q{'); DROP TABLE ai.spend; --\\} }
        qw(tenant key plan model served_model provider finish_reason)),
    'an empty key' => line(key => ''),
    'unknown members' => edit(qr/\{"id"/, '{"node":"x","content":[1],"id"'),
    'a name of many bytes' => line(model => "\x{1f600}" x 200),
    'the longest name' => line(tenant => 't' x 896),
    'the dearest' => line(cost_usd => '4503599.627370496'),
    'labels' => line(labels => { "a'b\"c" => "\x{e9}\\" }),
    'an hour ahead' => line(ms => $now + 3600_000),
    'percent and dollar' => line(model => '%s$1$$%'),
);

for my $name (sort keys %odd) {
    is(ship(1, $odd{$name}), '1|0|0', $name);
}

is($pg->value(q{SELECT model FROM ai.usage_logs WHERE tenant ~ 'DROP'}),
    q{'); DROP TABLE ai.spend; --\\}, 'a name is a name');

is($pg->value("SELECT count(*) FROM ai.spend s WHERE key = '' AND requests <>
    (SELECT count(*) FROM ai.usage_logs u WHERE u.tenant = s.tenant
        AND u.state <> 'refused')"), 0, 'an empty key is counted once');

# a constraint that somebody added

$pg->psql("ALTER TABLE ai.usage_logs ADD CONSTRAINT no_such
    CHECK (model <> 'no-such') NOT VALID");

my $refused = line(model => 'no-such', cost => 77);

is(ship(1, (map { line() } 1 .. 20), $refused, line()), '21|0|1',
    'a row against a constraint of theirs');

my ($number) = $pg->value("SELECT n FROM ai.quarantine WHERE reason ~ 'no_such'");

ok($number, 'its reason names it');

$pg->psql("SELECT ai.quarantine_ship($number)", role => 'ai_admin',
    error => \$error);
like($error, qr/no_such/, 'it does not go while the constraint stands');

$pg->psql('ALTER TABLE ai.usage_logs DROP CONSTRAINT no_such');
$pg->psql("SELECT ai.quarantine_ship($number)", role => 'ai_admin');
is($pg->value('SELECT count(*) FROM ai.usage_logs WHERE cost_usd = 0.000000077'),
    1, 'and goes when it is gone');
is($pg->value("SELECT count(*) FROM ai.audit
    WHERE action = 'quarantine_ship' AND actor = 'ai_admin'"), 1, 'on record');

$pg->psql("SELECT ai.quarantine_ship($number)", role => 'ai_admin',
    error => \$error);
like($error, qr/no line $number/, 'once');

$pg->psql('SELECT ai.quarantine_ship(1)', role => 'ai_gateway',
    error => \$error);
like($error, qr/permission denied/, 'not by a gateway');

is($pg->value('SELECT coalesce(sum(amount_nanos), 0) FROM ai.billing_entries'), 0,
    'money sums to zero');

done_testing();
