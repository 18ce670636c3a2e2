#!/usr/bin/perl

# Rows that a provider, or somebody with a text editor, tries to stop the others
# with: what is no row is set aside and told, and all others come through.

use strict;
use warnings;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";

use AI::Gateway;
use AI::Postgres;
use AI::Rows;

my $t = AI::Gateway->new(workers => 2);
my $pg = AI::Postgres->new($t);

$t->provider(8081);
$t->run(gateway_conf(http => $pg->conf(timeout => '5s')));
$t->allow(qr/\[crit\].*ai ledger: \d+ rows went to ai\.quarantine/,
    qr/\[alert\].*ai ledger: .*lines that are no rows/);

my %ids;


# ---- what a provider may answer ----

my $digits = '9' x 1_000_000;

my %hostile = (
    'NUL in the model' => answer(model => '"gpt\u0000-4.1"'),
    'NUL in the reason' => answer(finish => '"st\u0000op"'),
    'half a surrogate' => answer(model => '"gpt\ud800"', finish => '"\udc00"'),
    'invalid UTF-8' => answer(model => "\"gpt\xff\xc0\xaf\"",
        finish => "\"\xfe\xed\xa0\x80\""),
    'bytes of no text' => answer(model => "\"a\x01\x7f\x1b[31m\\n\\r\"",
        finish => '"\u2028\u0007\b"'),
    'SQL' => answer(model => q{"'); DROP TABLE ai.usage_logs; --"},
        finish => q{"\\\\'; --"}),
    'a megabyte of digits' => answer(
        usage => "{\"prompt_tokens\":$digits,\"completion_tokens\":$digits}"),
    'a megabyte of a fraction' => answer(
        usage => "{\"prompt_tokens\":1.$digits,\"completion_tokens\":1e$digits}"),
    'a megabyte of a model' => answer(model => '"' . 'm' x 1_000_000 . '"',
        finish => '"' . '\u0000' x 100_000 . '"'),
    'the most that counts' => answer(usage =>
        '{"prompt_tokens":4503599627370496,"completion_tokens":4503599627370496}'),
    'all of a long at once' => answer(usage => '{"prompt_tokens":'
        . '9223372036854775807,"completion_tokens":18446744073709551615}'),
    'negative' => answer(usage =>
        '{"prompt_tokens":-9223372036854775808,"completion_tokens":-1}'),
);

for my $name (sort keys %hostile) {
    my $r = $t->chat({}, mock => hand_over($name, $hostile{$name}));

    ok($r->id, "served: $name");
    $ids{ $r->id } = $name if $r->id;
    good();
}

ok((waitfor { !missing() }), 'each has its row, and so have all others')
    or diag('missing: ' . join ', ', missing());
is(quarantined(), 0, 'none had to be set aside');


# ---- what is written into usage.jsonl by hand ----

my $forge = AI::Rows->new;
my ($known) = grep { $ids{ $_->{id} } } $t->rows;
my $changed = $forge->line(id => $known->{id}, time => $known->{time},
    tenant => 'acme', cost => 999_000_000_000);

my %lines = (
    'garbage' => 'this is no row' . ' at all' x 100,
    'a short line' => '{}',
    'another content of a known id' => $changed,
    'NUL bytes' => '{"id":"' . "\0" x 500 . '"}',
    'half of a row' => substr($forge->line, 0, 400),
    'a row of the future' => $forge->line(ms => 1000 * (time() + 86400 * 90)),
    'a row of a thousand dollars less' => $forge->line(
        cost_usd => '-1000.000000000'),
    'three megabytes' => 'x' x 3_000_000,
);

my $n = 0;

for my $name (sort keys %lines) {
    good();
    forge("$lines{$name}\n");
    good();

    ok((waitfor { quarantined() > $n && !missing() } 15),
        "set aside, the others flow: $name");
    $n = quarantined();
}

# no line end: nobody's row is glued to it, and it is cut or set aside

forge('{"id":"half');
good() for 1 .. 3;
ok((waitfor { !missing() }), 'half a line without its end');

# empty lines are nothing

forge("\n\n\n");
good();
ok((waitfor { !missing() }), 'empty lines');

# while the database is away

$pg->stop('immediate');
good() for 1 .. 3;
forge("nonsense" . ' ' x 400 . "\n");
good() for 1 .. 3;

$pg->start;
ok((waitfor { !missing() && quarantined() > $n } 20), 'after an outage');

ok($t->waitlog(qr/\[crit\].*\d+ rows went to ai\.quarantine, they are not/),
    'error.log tells it');
is($pg->value("SELECT count(*) > 0 FROM ai.alerts WHERE kind = 'quarantine'"),
    't', 'so does an alert');
is($pg->value("SELECT count(*) FROM ai.quarantine WHERE id = '$known->{id}'
    AND reason = 'the id is there with other content'"), 1,
    'the changed row is there, with its reason');
is($pg->value("SELECT cost_usd FROM ai.usage_logs WHERE id = '$known->{id}'"),
    $known->{cost_usd}, 'and the row is what it was');
is($pg->value('SELECT sum(requests) FROM ai.usage_hourly'), scalar keys %ids,
    'each request is counted once');
is($pg->value('SELECT coalesce(sum(amount_nanos), 0) FROM ai.billing_entries'),
    0, 'money sums to zero');
ok((waitfor { ($t->status->{postgres}{shipping}{behind} // 1) == 0 }),
    'nothing is behind');

$t->done;


sub answer {
    my (%o) = @_;

    my $model = $o{model} // '"gpt-4.1"';
    my $finish = $o{finish} // '"stop"';
    my $usage = $o{usage} // '{"prompt_tokens":5,"completion_tokens":2}';

    return "{\"model\":$model,\"choices\":[{\"index\":0,\"message\":"
        . '{"role":"assistant","content":"tok tok "},"finish_reason":'
        . "$finish}],\"usage\":$usage}";
}


# the stand-in reads it from a file: it is too much for a header

sub hand_over {
    my ($name, $body) = @_;

    my $file = $t->write_file('answer.' . ($name =~ tr/ /-/r), $body);

    return { file => $file };
}


sub good {
    my $r = $t->chat;

    $ids{ $r->id } = 'usual' if $r->status == 200;
}


sub forge {
    my ($text) = @_;

    open my $f, '>>', "$t->{dir}/ledger/usage.jsonl" or die "usage.jsonl: $!\n";
    binmode $f;
    syswrite $f, $text;
    close $f;
}


sub missing {
    my %rows = map { $_->[0] => 1 } $pg->rows('SELECT id FROM ai.usage_logs');

    return map { "$_ ($ids{$_})" } grep { !$rows{$_} } keys %ids;
}


sub quarantined { return $pg->value('SELECT count(*) FROM ai.quarantine') }

