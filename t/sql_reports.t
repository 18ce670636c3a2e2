#!/usr/bin/perl

# Reports, statements and re-rating, against sums and prices worked out here in
# exact integers.

use strict;
use warnings;

use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP;
use Math::BigInt;
use POSIX qw(floor);
use Time::HiRes qw(time);
use Time::Local qw(timegm);

use AI::Postgres;
use AI::Rows;

my $pg = AI::Postgres->new;
my $json = JSON::PP->new->canonical;
my $seed = $ENV{AI_SEED} || 20261121;
my $error;

srand $seed;

my @classes = qw(input input_audio input_image cache_read cache_write_5m
    cache_write_30m cache_write_1h cache_write_12h cache_write_other
    output output_audio output_image);
my %unit_of = (web_searches => 'web_search', audio_seconds => 'audio_second',
    requests => 'request');
my $now = floor(time());


# ---- prices, in nano-dollars ----

# model -> list of { tier, above, from, price => { class => nanos } }

my (%lines, %units);

sub pick { return $_[rand @_] }

sub random_price {
    my $n = int(rand() ** 3 * 20e9);

    return rand() < 0.1 ? 0 : $n - ($n % pick(1, 1, 1000, 1_000_000));
}

sub random_prices {
    my %p = (input => random_price(), output => random_price());

    for (@classes, 'cache_write') {
        $p{$_} = random_price() if rand() < 0.15;
    }

    delete $p{input} if rand() < 0.05;

    return \%p;
}

sub enter {
    my ($model, $l) = @_;

    my $from = $l->{from} ? "to_timestamp($l->{from})" : "'-infinity'";
    my $classes = join ', ', map { "\"$_\": " . AI::Rows::usd($l->{price}{$_}) }
        sort keys %{ $l->{price} };

    return "SELECT ai.add_price('$model', '{$classes}', $from, '$l->{tier}',
        $l->{above}, replace => true);\n";
}

sub line_add {
    my ($model, $tier, $above, $from) = @_;

    my ($l) = grep { $_->{tier} eq $tier && $_->{above} == $above
        && $_->{from} == $from } @{ $lines{$model} };

    if (!$l) {
        $l = { tier => $tier, above => $above, from => $from };
        push @{ $lines{$model} }, $l;
    }

    $l->{price} = random_prices();

    return enter($model, $l);
}

sub price_of {
    my ($p, $class) = @_;

    return $p->{$class} if exists $p->{$class};
    return $p->{output} // 0 if $class =~ /^output/;
    return $p->{cache_write} if $class =~ /^cache_write/
        && exists $p->{cache_write};

    return $p->{input} // 0;
}

sub line_of {
    my ($model, $tier, $input, $at) = @_;

    for my $t ($tier, 'standard') {
        my ($l) = sort { $b->{above} <=> $a->{above}
                || $b->{from} <=> $a->{from} }
            grep { $_->{tier} eq $t && $_->{from} <= $at
                && ($_->{above} == 0 || $input > $_->{above}) }
            @{ $lines{$model} };

        return $l if $l;
    }

    return;
}

sub sum_classes {
    my ($model, $tier, $input, $at, $classes) = @_;

    my $l = line_of($model, $tier, $input, $at) or return Math::BigInt->new(0);
    my $sum = Math::BigInt->new(0);

    $sum += Math::BigInt->new($classes->{$_}) * price_of($l->{price}, $_)
        for keys %$classes;

    return $sum;
}

# nano-dollars, rounded half up once

sub cost_of {
    my ($r) = @_;

    my $model = $lines{ $r->{served} } ? $r->{served} : $r->{model};
    my $at = floor($r->{ms} / 1000);
    my $sum = Math::BigInt->new(0);

    $sum += sum_classes($model, $r->{tier}, $r->{input}, $at, $r->{classes})
        unless grep { $_->{kind} =~ /message$/ && $_->{kind} !~ /^advisor/ }
            @{ $r->{sub} };

    for (keys %{ $r->{units} }) {
        $sum += Math::BigInt->new($r->{units}{$_} * 1_000_000)
            * ($units{$model}{ $unit_of{$_} } // 0);
    }

    for my $s (@{ $r->{sub} }) {
        my $m = defined $s->{model} && $lines{ $s->{model} } ? $s->{model}
            : $model;
        my $input = 0;

        $input += $s->{classes}{$_} for grep { !/^output/ }
            keys %{ $s->{classes} };
        $sum += sum_classes($m, $r->{tier}, $input, $at, $s->{classes});
    }

    return ($sum + 500_000) / 1_000_000;
}


# ---- first prices ----

my $setup = "SELECT ai.create_plan('pro', models => '{*}');\n";

$setup .= "SELECT ai.create_tenant('t$_', 'pro');\n" for 1 .. 3;

# plain: one line; dates and thresholds; tiers

for my $m ('plain', 'plain2') {
    $setup .= line_add($m, 'standard', 0, 0);
}

for my $m ('steps', 'tiers', 'tiers2') {
    my @tiers = $m eq 'steps' ? 'standard' : ('standard', 'flex', 'batch');

    for my $tier (@tiers) {
        $setup .= line_add($m, $tier, 0, 0);
        $setup .= line_add($m, $tier, 1000, 0);
        $setup .= line_add($m, $tier, 0, $now - 86400 * 8);
        $setup .= line_add($m, $tier, 1000, $now - 86400 * 5 + 7);
    }
}

for my $m ('plain', 'tiers') {
    for my $u (values %unit_of) {
        $units{$m}{$u} = random_price() % 100_000_000;
        $setup .= "SELECT ai.set_unit_price('$m', '$u', "
            . AI::Rows::usd($units{$m}{$u}) . ");\n";
    }
}

$setup .= "SELECT ai.register('" . AI::Rows::node(9) . "', E'm bynginx\\n');";

$pg->psql($setup);


# ---- rows ----

my $maker = AI::Rows->new(seed => $seed);
my @rows;

sub random_classes {
    my %c = (input => 1 + int rand 3000, output => 1 + int rand 500);

    for (@classes) {
        $c{$_} = int(rand() ** 4 * 1e6) + 1 if rand() < 0.15;
    }

    return \%c;
}

sub input_of {
    my ($c) = @_;

    my $n = 0;

    $n += $c->{$_} for grep { !/^output/ } keys %$c;

    return $n;
}

for my $n (1 .. 600) {
    my $r = {
        ms => floor(1000 * ($now - 20 * 86400 * rand())) - 60_000,
        tenant => 't' . (1 + int rand 3), key => pick('prod', 'ci'),
        model => pick(sort keys %lines), labels => {}, sub => [], units => {},
        classes => random_classes(), tier => 'standard',
        provider => pick('openai', 'azure'),
    };

    $r->{labels} = { team => pick('a', 'b c', '"q"') } if rand() < 0.7;
    $r->{served} = pick("$r->{model}-2026-01-01", $r->{model}, 'tiers2');
    $r->{input} = input_of($r->{classes});

    my $main = $lines{ $r->{served} } ? $r->{served} : $r->{model};

    $r->{tier} = pick('standard', 'flex', 'batch') if $main =~ /^tiers/;

    if ($units{$main} && rand() < 0.5) {
        $r->{units} = { web_searches => 1 + int rand 5,
            audio_seconds => (1 + int rand 1000) / 8 };
    }

    if (rand() < 0.2) {
        push @{ $r->{sub} }, { kind => pick('compaction', 'message',
                'image_generation'),
            model => pick(undef, 'plain', 'nobody', 'steps'),
            classes => random_classes() } for 1 .. 1 + rand 2;
    }

    if ($n % 50 == 0) {
        $r->{model} = $r->{served} = $n % 100 ? 'bynginx' : 'unpriced';
        $r->{tier} = 'standard';
        $r->{sub} = [];
        $r->{units} = {};
        $r->{cost} = Math::BigInt->new(1 + int rand 1e9);
        $r->{fixed} = 1;
    }

    $r->{cost} //= cost_of($r);

    my $out = 0;

    $out += $r->{classes}{$_} for grep { /^output/ } keys %{ $r->{classes} };

    $r->{output} = $out;
    $r->{line} = $maker->line(ms => $r->{ms}, tenant => $r->{tenant},
        key => $r->{key}, model => $r->{model}, served_model => $r->{served},
        provider => $r->{provider}, labels => $r->{labels},
        input_tokens => $r->{input}, output_tokens => $out,
        cache_read_tokens => $r->{classes}{cache_read} // 0,
        classes => $r->{classes}, units => $r->{units}, sub => $r->{sub},
        cost_usd => usd_text($r->{cost}));
    ($r->{id}) = $r->{line} =~ /"id":"([^"]+)"/;
    push @rows, $r;
}

sub usd_text {
    my $s = sprintf '%010s', $_[0];

    $s =~ s/^ +/0 x length $&/e;

    return substr($s, 0, -9) . '.' . substr($s, -9);
}

# two nodes ship; refused ones and those without numbers cost nothing

my @idle = (
    $maker->line(tenant => 't1', state => 'refused', usage_source => 'none',
        model => undef, served_model => undef, provider => undef,
        attempts => []),
    $maker->line(tenant => 't1', state => 'failed', usage_source => 'none'),
);

is(AI::Rows::ship($pg, 1, map { $_->{line} } @rows[0 .. 299]), '300|0|0',
    'first node');
is(AI::Rows::ship($pg, 2, @idle, map { $_->{line} } @rows[300 .. 599]),
    '302|0|0', 'second node');


# ---- sums agree ----

sub total {
    my (@some) = @_;

    my $sum = Math::BigInt->new(0);

    $sum += $_->{cost} for @some;

    return $sum;
}

sub books {
    my ($what) = @_;

    my $want = total(@rows);
    my %got = map { @$_ } $pg->rows("
        SELECT 'rows', (SELECT sum(rated_usd) * 1000000000
                        FROM ai.usage_rated)::bigint UNION ALL
        SELECT 'hourly', (SELECT sum(cost_nanos) FROM ai.usage_hourly)
        UNION ALL
        SELECT 'spend', (SELECT sum(cost_nanos) FROM ai.spend
                         WHERE key = '') UNION ALL
        SELECT 'keys', (SELECT sum(cost_nanos) FROM ai.spend
                        WHERE key <> '') UNION ALL
        SELECT 'owed', (SELECT -sum(balance_nanos) FROM ai.balances)
        UNION ALL
        SELECT 'entries', (SELECT -sum(amount_nanos) FROM ai.billing_entries
                           WHERE account = 'tenant') UNION ALL
        SELECT 'zero', (SELECT sum(amount_nanos) FROM ai.billing_entries)
               + $want");

    is_deeply(\%got, { map { $_ => "$want" } keys %got }, "$what: books");
}

books('as billed');


# ---- re-rating ----

sub rerate {
    my ($args) = @_;

    return $json->decode($pg->value("SELECT ai.rerate('$args->{reason}', "
        . ($args->{model} ? "'$args->{model}'" : 'NULL')
        . ", now() - interval '30 days', now() + interval '1 hour'"
        . ($args->{tenant} ? ", tenant => '$args->{tenant}'" : '')
        . ", dry_run => " . ($args->{dry} ? 'true' : 'false') . ')',
        role => 'ai_admin'));
}

is(rerate({ reason => 'nothing' })->{changed}, 0,
    'the prices that were billed change nothing');
is($pg->value('SELECT count(*) FROM ai.rerates'), 0, 'and leave nothing');

# corrected lines, and lines that were forgotten

my $corrections = '';

for my $m (sort keys %lines) {
    for my $l (@{ $lines{$m} }) {
        next if rand() < 0.4;

        $l->{price} = random_prices();
        $corrections .= enter($m, $l);
    }
}

$corrections .= line_add('plain', 'standard', 0, $now - 86400 * 3);
$corrections .= line_add('steps', 'standard', 100_000, 0);
$corrections .= line_add('tiers', 'flex', 0, $now - 86400 * 2);
$corrections .= line_add('plain2', 'standard', 500, $now - 86400 * 15);
$pg->psql($corrections);

my ($changed, $delta) = (0, Math::BigInt->new(0));
my %was = map { $_->{id} => $_->{cost} } @rows;

sub reprice {
    my ($like) = @_;

    $changed = 0;
    $delta = Math::BigInt->new(0);

    for my $r (grep { !$_->{fixed} && $like->($_) } @rows) {
        my $cost = cost_of($r);

        $changed++ if $cost != $r->{cost};
        $delta += $cost - $r->{cost};
        $r->{cost} = $cost;
    }
}

sub usd_signed {
    my ($n) = @_;

    return $n < 0 ? '-' . usd_text(-$n) : usd_text($n);
}

sub same_rows {
    my ($what) = @_;

    my %got = map { @$_ } $pg->rows('SELECT id, rated_usd FROM ai.usage_rated
        WHERE cost_usd IS NOT NULL');
    my @bad = grep { $got{ $_->{id} } ne usd_text($_->{cost}) } @rows;

    is(scalar @bad, 0, "$what: each row (seed $seed)") or diag explain [
        map { { got => $got{ $_->{id} }, want => usd_text($_->{cost}),
            was => usd_text($was{ $_->{id} }), row => $_->{line},
            tier => $_->{tier} } } @bad[0 .. 2]];
}

reprice(sub { 1 });

my $dry = rerate({ reason => 'try', dry => 1 });

is($dry->{changed}, $changed, 'dry run: rows');
is($dry->{delta_usd}, usd_signed($delta), 'dry run: dollars');
is($pg->value('SELECT count(*) FROM ai.usage_corrections'), 0,
    'dry run: nothing written');

my $run = rerate({ reason => 'wrong list' });

cmp_ok($changed, '>', 300, 'many rows cost something else');
is($run->{changed}, $changed, 'rows');
is($run->{delta_usd}, usd_signed($delta), 'dollars');
is_deeply([map { "$_->{model}: $_->{why}: $_->{rows}" }
    @{ $run->{untouched} }], ['bynginx: priced by nginx.conf: 6',
    'unpriced: no price: 6'], 'models without a price here are told');
same_rows('corrected');
books('corrected');
is($pg->value("SELECT count(*) FROM ai.billing_transactions
    WHERE kind = 'rerate'"), 3, 'one transaction a tenant');
is($pg->value('SELECT count(*) FROM ai.usage_corrections c
    JOIN ai.usage_logs u USING (id) WHERE c.old_usd <> u.cost_usd'), 0,
    'the trail says what was billed');
is(rerate({ reason => 'again' })->{changed}, 0, 'twice changes nothing');

# one model, one tenant, a second correction of the same rows

$pg->psql(line_add('tiers', 'standard', 0, 0)
    . line_add('plain', 'standard', 0, 0));

my $of = sub {
    my ($r) = @_;

    return $r->{tenant} eq 't2' && ($r->{model} eq 'tiers'
        || $r->{served} eq 'tiers'
        || grep { ($_->{model} // '') eq 'tiers' } @{ $r->{sub} });
};

reprice($of);
is(rerate({ reason => 'one', model => 'tiers', tenant => 't2' })->{changed},
    $changed, 'of one model and tenant');
same_rows('corrected twice');
books('corrected twice');
reprice(sub { 1 });
rerate({ reason => 'the rest' });
same_rows('the rest');
books('the rest');

$pg->psql("SELECT ai.rerate('', NULL, now() - interval '1 day', now())",
    role => 'ai_admin', error => \$error);
like($error, qr/reason is missing/, 'no reason');


# ---- usage ----

sub stamp { return AI::Rows::time_text($_[0]) }

sub field {
    my ($r, $f) = @_;

    my $t = stamp($r->{ms});

    return $f eq 'day' ? substr $t, 0, 10 : $f eq 'month' ? substr $t, 0, 7
        : $f eq 'hour' ? substr($t, 0, 13) . ':00:00Z'
        : $f =~ /^label:(.*)/ ? $r->{labels}{$1} // '' : $r->{$f};
}

for my $fields ('', 'day', 'model', 'month,key', 'provider,label:team',
    'hour,model', 'label:team,day,label:none', 'key')
{
    for (1 .. 4) {
        my ($from, $to) = sort { $a <=> $b } map { floor(1000 * ($now
            - 22 * 86400 * rand())) } 1, 2;

        # also whole hours, and spans inside of one

        $from -= $from % 3_600_000 if rand() < 0.3;
        $to -= $to % 3_600_000 if rand() < 0.3;
        $from = $to - 1000 * int rand 5000 if rand() < 0.2;
        next if $from >= $to;

        my %want;

        for my $r (grep { $_->{tenant} eq 't1' && $_->{ms} >= $from
            && $_->{ms} < $to } @rows)
        {
            my $g = join '|', map { field($r, $_) } split /,/, $fields;
            my $w = $want{$g} //= [0, 0, 0, Math::BigInt->new(0)];

            $w->[0]++;
            $w->[1] += $r->{input};
            $w->[2] += $r->{output};
            $w->[3] += $r->{cost};
        }

        my $got = $json->decode($pg->value(sprintf("SELECT ai.usage_report(
            't1', '%s', '%s', '%s')", stamp($from), stamp($to), $fields),
            role => 'ai_gateway'));

        my %got = map {
            my $d = $_;

            (join('|', map { $d->{$_} } split /,/, $fields) =>
                [@$d{qw(requests input_tokens output_tokens cost_usd)}])
        } @{ $got->{data} };

        $_->[3] = usd_text($_->[3]) for values %want;

        # nothing grouped, nothing used: no line

        is_deeply(\%got, \%want, "usage by '$fields' " . stamp($from) . ' '
            . stamp($to));
    }
}

my $report = $json->decode($pg->value("SELECT ai.usage_report('t1', '', '',
    'model')", role => 'ai_gateway'));

is($report->{object}, 'usage_report', 'object');
is($report->{total}{cost_usd}, usd_text(total(grep { $_->{tenant} eq 't1'
    && substr(stamp($_->{ms}), 0, 7) eq substr(stamp($now * 1000), 0, 7) }
    @rows)), 'by default this month');

for (['2026-13-01', '', '', qr/"from" is no such day/],
    ['x', '', '', qr/"from" must be a date/],
    ['2026-11-02', '2026-11-01', '', qr/"from" must be before/],
    ['2024-01-01', '2026-01-01', '', qr/400 days/],
    ['', '', 'day,tenant', qr/unknown field 'tenant'/],
    ['', '', 'day,day', qr/day twice/],
    ["'", '', '', qr/"from" must be a date/])
{
    my ($from, $to, $by, $like) = @$_;

    $pg->psql("SELECT ai.usage_report('t1', \$\$$from\$\$, '$to', '$by')",
        role => 'ai_gateway', error => \$error);
    like($error, $like, "refused: $from $to $by");
}


# ---- nobody else's ----

is($pg->psql("BEGIN; SET LOCAL ROLE ai_tenant; SET LOCAL ai.tenant = 't2';
    SELECT DISTINCT tenant FROM ai.usage_sums(NULL, now() - interval '30 d',
        now(), '{tenant}'); SELECT DISTINCT tenant FROM ai.usage_rated"),
    "t2\nt2", 'a tenant sums its own, whoever it asks for');
is($pg->psql("BEGIN; SELECT length(ai.usage_report('t1', '', '', '')) > 0;
    SELECT coalesce(current_setting('ai.tenant', true), '')",
    role => 'ai_gateway'), "t\n", 'the setting does not outlive the report')
    or note 'setting';
is($pg->psql("SELECT sum(cost_usd) * 1000000000 FROM ai.usage(
    now() - interval '30 days', now(), group_by => '{tenant,model}')",
    role => 'ai_admin') + 0, total(@rows) + 0, 'an administrator sums all');


# ---- statement ----

sub statement {
    my ($tenant, $month) = @_;

    return $json->decode($pg->value("SELECT ai.statement('$tenant',
        $month)", role => 'ai_admin'));
}

sub nanos {
    my ($usd) = @_;

    my ($sign, $n) = $usd =~ /^(-?)(.*)$/;

    $n =~ s/\.//;

    return Math::BigInt->new("$sign$n");
}

sub adds_up {
    my ($s, $what) = @_;

    my $used = nanos($s->{usage_of_other_months_usd});
    my $moved = Math::BigInt->new(0);

    $used += nanos($_->{cost_usd}) for @{ $s->{usage} };
    $moved += nanos($_->{amount_usd}) for @{ $s->{movements} };

    is($used, nanos($s->{usage_usd}), "$what: models sum to what was billed");
    is(nanos($s->{opening_usd}) - $used + $moved, nanos($s->{closing_usd}),
        "$what: opening and movements sum to closing");
}

$pg->psql("SELECT ai.top_up('t1', 1000, 'p1')", role => 'ai_admin');

my $s = statement('t1', 'current_date');

adds_up($s, 'this month');
is($s->{usage_of_other_months_usd}, '0.000000000', 'by the rows themselves');
is($s->{closing_usd}, usd_signed(1000_000_000_000
    - total(grep { $_->{tenant} eq 't1' } @rows)), 'closing is the balance');
is(scalar(grep { $_->{kind} eq 'rerate' } @{ $s->{movements} }),
    $pg->value("SELECT count(*) FROM ai.billing_transactions
        WHERE kind = 'rerate' AND tenant = 't1'"), 'corrections are lines');
is(statement('t1', "(current_date + interval '1 month')::date")
    ->{opening_usd}, $s->{closing_usd}, 'the next month opens with it');

$pg->psql("SELECT ai.statement('nobody', '2026-11-01')", role => 'ai_admin',
    error => \$error);
like($error, qr/no tenant 'nobody'/, 'statement of nobody');


# ---- savings ----

$pg->psql("SELECT ai.add_price('plain', '{\"input\": 100, \"output\": 200}',
    list => 'list')");

my %list;

for my $r (grep { $_->{model} eq 'plain' } @rows) {
    my $classes = { %{ $r->{classes} } };
    my $v = $list{ $r->{tenant} } //= Math::BigInt->new(0);
    my $whole = !grep { $_->{kind} eq 'message' } @{ $r->{sub} };

    for my $c ($whole ? $classes : (), map { $_->{classes} } @{ $r->{sub} }) {
        $v += Math::BigInt->new($c->{$_}) * (/^output/ ? 200_000 : 100_000)
            for keys %$c;
    }

    $list{ $r->{tenant} } = $v;
}

is_deeply({ map { @$_ } $pg->rows("SELECT tenant,
        (sum(list_usd) * 1000000000)::bigint FROM ai.savings
        WHERE model = 'plain' AND list_usd IS NOT NULL GROUP BY 1",
        role => 'ai_admin') },
    { map { $_ => "$list{$_}" } keys %list },
    'list price of what was used');

my ($saved) = $pg->rows("SELECT sum(billed_usd - list_usd + saved_usd),
    sum(unlisted) > 0 FROM ai.savings WHERE unlisted = 0",
    role => 'ai_admin');

is($saved->[0] + 0, 0, 'what was saved is the difference');


# ---- reconciliation ----

my $dir = $pg->{dir};

sub tool {
    my (@args) = @_;

    my @dsn = $pg->dsn('ai_admin');
    my $cmd = join ' ', map { quotemeta } "$FindBin::Bin/../tools/reconcile",
        @args, grep({ $_ eq '--dry-run' } @args) ? () : ('--', @dsn);
    my $out = `$cmd 2>&1`;

    return ($? >> 8, $out);
}

sub file {
    my ($name, $text) = @_;

    open my $f, '>', "$dir/$name" or die "$name: $!\n";
    print $f $text;
    close $f;

    return "$dir/$name";
}

my %there;

for my $r (grep { $_->{provider} eq 'openai' } @rows) {
    my $t = $there{ field($r, 'day') . ",$r->{served}" } //= [0, 0, 0,
        Math::BigInt->new(0)];

    $t->[0]++;
    $t->[1] += $r->{input};
    $t->[2] += $r->{output};
    $t->[3] += $r->{cost};
}

sub csv {
    my ($more) = @_;

    return "day,model,requests,input_tokens,output_tokens,cost_usd\n"
        . join('', map { my $t = $there{$_};
            "$_,$t->[0],$t->[1],$t->[2]," . usd_text($t->[3]) . "\n" }
            sort keys %there) . ($more // '');
}

my ($rc, $out) = tool('openai', file('a.csv', csv()));

is($rc, 0, 'the same numbers');
like($out, qr/^0 of \d+ lines differ/m, 'nothing differs') or diag $out;

my ($one, $two) = (sort keys %there)[3, 7];

$there{$one}[1] += 5;
$there{$one}[0] -= 1;

my ($two_day, $two_model) = split /,/, $two;

$pg->psql("DELETE FROM ai.provider_usage WHERE day = '$two_day'
    AND model = '$two_model'");
delete $there{$two};

my ($day) = split /,/, $one;

($rc, $out) = tool('openai', file('b.csv', csv("$day,strange,1,2,3,0.5\n")));
is($rc, 1, 'other numbers');
like($out, qr/^3 of/m, 'three lines differ') or diag $out;
like($out, qr/\+1 requests, -5 input tokens$/m, 'named');
like($out, qr/^$two_day\s+\Q$two_model\E .*only in the ledger$/m, 'only here');
like($out, qr/^$day\s+strange .*only at the provider$/m, 'only there');

my $openai = '{"object":"page","data":[{"object":"bucket","start_time":1730419200,
 "end_time":1730505600,"results":[{"object":
 "organization.usage.completions.result","input_tokens":1000,"output_tokens":500,
 "input_cached_tokens":800,"num_model_requests":5,"api_key_id":"key_1",
 "model":"gpt-4.1-2025-04-14"},{"object":"organization.costs.result",
 "amount":{"value":0.06,"currency":"usd"},"line_item":"gpt-4.1-2025-04-14, input"
 }]}],"has_more":false,"next_page":null}';

($rc, $out) = tool('openai', '--dry-run', '--key', 'key_1=prod',
    file('o.json', $openai));
is($out, '{"day": "2024-11-01", "model": "gpt-4.1-2025-04-14", "key": "", '
    . '"cost_usd": "0.06"}' . "\n" . '{"day": "2024-11-01", "model": '
    . '"gpt-4.1-2025-04-14", "key": "prod", "requests": "5", "input_tokens": '
    . '"1000", "output_tokens": "500"}' . "\n", 'pages of OpenAI');

my $anthropic = '{"data":[{"starting_at":"2025-08-01T00:00:00Z","ending_at":
 "2025-08-02T00:00:00Z","results":[{"uncached_input_tokens":1500,
 "cache_creation":{"ephemeral_1h_input_tokens":1000,
 "ephemeral_5m_input_tokens":500},"cache_read_input_tokens":200,
 "output_tokens":500,"server_tool_use":{"web_search_requests":10},
 "api_key_id":null,"model":"claude-x"},{"currency":"USD","amount":"123.78912",
 "model":"claude-x","cost_type":"tokens"}]}],"has_more":false}';

($rc, $out) = tool('anthropic', '--dry-run', file('n.json',
    $anthropic =~ s/\n//gr . "\n" . '{"data":[]}' . "\n"));
is($out, '{"day": "2025-08-01", "model": "claude-x", "key": "", '
    . '"input_tokens": "3200", "output_tokens": "500", "cost_usd": '
    . '"1.2378912"}' . "\n", 'pages of Anthropic');

($rc, $out) = tool('openai', '--dry-run', file('bad.csv', "a,b\n1,2\n"));
is($rc, 2, 'a file of another kind');
like($out, qr/bad.csv: the first line must name/, 'told');

done_testing();
