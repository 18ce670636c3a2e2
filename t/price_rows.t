#!/usr/bin/perl

# What rows cost, against exact fractions: classes, thresholds, dates, tiers,
# units, other models, rounding half up once a request.

use strict;
use warnings;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP;
use Math::BigInt;
use Math::BigRat;

use AI::Gateway;

my $json = JSON::PP->new->canonical;

srand(20261121);

# prices of a model's lines, USD per million tokens, as in nginx.conf

my %prices = (
    plain => [ { input => '2.00', cache_read => '0.50', output => '8.00' } ],

    # every class its own price, with all nine places
    classes => [ {
        input => '2.123456789', input_audio => '10.000000001',
        cache_read => '0.333333333', cache_write => '2.654321009',
        cache_write_1h => '4.246913579', cache_write_30m => '3.1',
        output => '8.000000007', output_audio => '20.987654321',
    } ],

    # one token is half a nano-dollar
    halves => [ { input => '0.0005', output => '0.0015' } ],

    steps => [
        { input => '1', output => '2' },
        { input => '3', output => '5', above => 1000 },
        { input => '7', output => '11', above => 100000 },
        { input => '13', output => '17', from => '2020-01-01' },
        { input => '19', output => '23', above => 1000, from => '2021-06-30' },
        { input => '29', output => '31', from => '2022-02-28' },
        { input => '1000', output => '1000', from => '2099-01-01' },
        { input => '2000', output => '2000', above => 1000,
          from => '2099-01-01' },
    ],

    tiers => [
        { input => '10', output => '20' },
        { input => '5', output => '9', tier => 'flex' },
        { input => '17', output => '33', tier => 'priority' },
        { input => '1', output => '2', tier => 'batch' },
        { input => '100', output => '200', tier => 'fast' },
        { input => '4', output => '8', tier => 'flex', above => 500 },
    ],

    dear => [ { input => '75', output => '375' } ],
    free => [ { input => '0', output => '0' } ],
);

my %units = (
    unit => { web_search => '0.01', web_fetch => '0.000000001',
              request => '0.002' },
);

$prices{unit} = [ { input => '1', output => '1' } ];
$prices{claude} = $prices{classes};
$prices{claudetier} = $prices{tiers};
$prices{gem} = $prices{classes};

my %provider = (claude => 'anthropic', claudetier => 'anthropic',
    gem => 'gemini');

my $models = '';

for my $name (sort keys %prices) {
    my $lines = join '', map {
        my $l = $_;
        '        price ' . join(' ', map { "$_=$l->{$_}" } sort keys %$l)
            . ";\n"
    } @{ $prices{$name} };

    $lines .= '        unit ' . join(' ', map { "$_=$units{$name}{$_}" }
        sort keys %{ $units{$name} }) . ";\n" if $units{$name};

    $models .= "    ai_model $name {\n$lines"
        . "        target " . ($provider{$name} || 'openai') . ";\n    }\n";
}

my $t = AI::Gateway->new;

$t->provider(8081);

$t->run(gateway_conf(models => $models . <<'EOC'));
    ai_model speech {
        price   input=1;
        unit    character=0.000015;
        target  openai;
    }
    ai_model pictures {
        price   input=5 input_image=10 output_image=40;
        unit    image=0.04;
        target  openai;
    }
    ai_model whisper {
        price   input=0;
        unit    audio_second=0.0001;
        target  openai;
    }
    ai_alias other-name plain;
EOC


# ---- the oracle ----

# the line that holds today: of the tier, else the standard one; the highest
# threshold that the input passes, the latest date of those

sub line {
    my ($model, $input, $tier) = @_;

    my @lines = grep { ($_->{tier} || '') eq $tier
        && $input > ($_->{above} || -1)
        && ($_->{from} || '') lt '2026' } @{ $prices{$model} };

    return line($model, $input, '') if !@lines && $tier;

    @lines = sort { ($b->{above} || 0) <=> ($a->{above} || 0)
        || ($b->{from} || '') cmp ($a->{from} || '') } @lines;

    return $lines[0];
}


sub price_of {
    my ($l, $class) = @_;

    my @order = ($class);

    push @order, 'cache_write' if $class =~ /^cache_write_/;
    push @order, $class =~ /^output/ ? 'output' : 'input';

    for (@order) {
        return Math::BigRat->new($l->{$_}) if defined $l->{$_};
    }

    return Math::BigRat->new(0);
}


# millionths of a dollar of tokens by class

sub tokens {
    my ($model, $classes, $tier) = @_;

    my $input = 0;
    $input += $classes->{$_} for grep { !/^output/ } keys %$classes;

    my $l = line($model, $input, $tier || '');
    my $sum = Math::BigRat->new(0);

    $sum += price_of($l, $_) * $classes->{$_} for keys %$classes;

    return $sum;
}


# USD in nine places, half up

sub usd {
    my ($millionths) = @_;

    my $nanos = ($millionths * 1000 + Math::BigRat->new('1/2'))->bfloor;
    my $s = sprintf '%010s', $nanos->numify;

    $s =~ s/ /0/g;

    return substr($s, 0, -9) . '.' . substr($s, -9);
}


sub some { return int rand(rand() < .3 ? 3 : rand() < .5 ? 2000 : 3_000_000) }

sub cost_of {
    my ($r, $name) = @_;

    is($r->status, 200, "$name: answer") or diag($r->body);

    my $row = $t->waitrow($r->id);

    return $row->{cost_usd};
}

my %want;
my $sent = 0;

sub same {
    my ($r, $want) = @_;

    $want{ $r->id // 'none' } = $want;
    $sent++;
}

sub all_same {
    my ($name) = @_;

    my $n = keys %want;
    my @wrong;

    for my $row ($t->waitrows($sent, 10)) {
        my $want = delete $want{ $row->{id} };

        next if !defined $want || $row->{usage_source} eq 'final'
            && $row->{cost_usd} eq $want;

        push @wrong, "not $want: " . $json->encode($row);
    }

    is(scalar(keys %want), 0, "$n x $name: rows");
    is(join("\n", splice @wrong, 0, 3), '', "$n x $name: cost");
}


# ---- random usages ----

my @tiers = (undef, 'default', 'auto', 'flex', 'priority', 'batch', 'fast',
    'scale', 'nobody-knows');
my %tier = (flex => 'flex', priority => 'priority', batch => 'batch',
    fast => 'fast');

for (1 .. 250) {
    my @m = qw(plain classes halves steps tiers dear free);
    my $model = $m[rand @m];
    my $tier = $tiers[rand @tiers];

    my ($in, $ia, $cr, $cw, $out, $oa) = map { some() } 1 .. 6;

    my $r = $t->chat({ model => $model }, mock => { body => $json->encode({
        object => 'chat.completion', model => $model,
        choices => [ { index => 0, finish_reason => 'stop',
            message => { content => 'x' } } ],
        defined $tier ? (service_tier => $tier) : (),
        usage => {
            prompt_tokens => $in + $ia + $cr + $cw,
            completion_tokens => $out + $oa,
            prompt_tokens_details => { cached_tokens => $cr,
                audio_tokens => $ia, cache_write_tokens => $cw },
            completion_tokens_details => { audio_tokens => $oa },
            total_tokens => $in + $ia + $cr + $cw + $out + $oa,
        },
    }) });

    same($r, usd(tokens($model, { input => $in, input_audio => $ia,
        cache_read => $cr, cache_write_other => $cw, output => $out,
        output_audio => $oa }, $tier{ $tier // '' })));
}

all_same('chat');

for (1 .. 100) {
    my $model = rand() < .5 ? 'claude' : 'claudetier';
    my ($in, $w5, $w1, $cr, $out) = map { some() } 1 .. 5;
    my $tier = (qw(standard priority batch))[rand 3];

    my $r = $t->post('/v1/messages', { model => $model, max_tokens => 10,
        messages => [ { role => 'user', content => 'x' } ] },
        mock => { usage => {
            input_tokens => $in, cache_read_input_tokens => $cr,
            cache_creation_input_tokens => $w5 + $w1,
            cache_creation => { ephemeral_5m_input_tokens => $w5,
                ephemeral_1h_input_tokens => $w1 },
            output_tokens => $out, service_tier => $tier,
        } });

    same($r, usd(tokens($model, { input => $in, cache_read => $cr,
        cache_write_5m => $w5, cache_write_1h => $w1, output => $out },
        $tier{$tier})));
}

all_same('messages');

for (1 .. 50) {
    my ($in, $cr, $out, $thought) = map { some() } 1 .. 4;

    my $r = $t->post('/v1beta/models/gem:generateContent', { contents =>
        [ { parts => [ { text => 'x' } ] } ] }, auth => 'x-goog-api-key',
        mock => { usage => {
            promptTokenCount => $in + $cr, cachedContentTokenCount => $cr,
            candidatesTokenCount => $out, thoughtsTokenCount => $thought,
            totalTokenCount => $in + $cr + $out + $thought,
        } });

    same($r, usd(tokens('gem', { input => $in, cache_read => $cr,
        output => $out + $thought })));
}

all_same('generateContent');


# ---- halves ----

sub chat_cost {
    my ($model, $in, $out, %more) = @_;

    my $served = delete $more{served} || $model;

    return cost_of($t->chat({ model => $model }, mock => {
        served_model => $served, usage => { prompt_tokens => $in,
            completion_tokens => $out, total_tokens => $in + $out } }),
        "$model $in $out");
}

is(chat_cost('halves', 1, 0), '0.000000001', 'half a nano-dollar is one');
is(chat_cost('halves', 2, 0), '0.000000001', 'one is one');
is(chat_cost('halves', 1, 1), '0.000000002', 'two halves are rounded once');
is(chat_cost('halves', 0, 0), '0.000000000', 'nothing');


# ---- the model that served ----

is(chat_cost('plain', 100, 10, served => 'dear'), '0.011250000',
    'the price of the model that served');
is(chat_cost('plain', 100, 10, served => 'never-heard-of'), '0.000280000',
    'of the one asked for, when that is not known');
is(chat_cost('other-name', 100, 10, served => 'other-name'), '0.000280000',
    'of the model that an alias names');


# ---- other models within a request ----

my $r = $t->post('/v1/messages', { model => 'claude', max_tokens => 10,
    messages => [ { role => 'user', content => 'x' } ] },
    mock => { usage => {
        input_tokens => 1000, output_tokens => 100, iterations => [
            { type => 'message', input_tokens => 1000, output_tokens => 100 },
            { type => 'advisor_message', model => 'claudetier',
              input_tokens => 501, output_tokens => 33 },
            { type => 'compaction', input_tokens => 77, output_tokens => 5,
              cache_read_input_tokens => 9 },
        ],
    } });

is(cost_of($r, 'advisor'), usd(
    tokens('claude', { input => 1000, output => 100 })
    + tokens('claudetier', { input => 501, output => 33 })
    + tokens('claude', { input => 77, output => 5, cache_read => 9 })),
    'each at its own price, rounded once');

$r = $t->post('/v1/responses', { model => 'plain', input => 'x',
    tools => [ { type => 'image_generation', model => 'pictures' } ] },
    mock => { body => $json->encode({
        object => 'response', status => 'completed', model => 'plain',
        output => [], tools => [ { type => 'image_generation',
            model => 'pictures' } ],
        usage => { input_tokens => 10, output_tokens => 20,
            total_tokens => 30 },
        tool_usage => { image_gen => { input_tokens => 60,
            input_tokens_details => { text_tokens => 40,
                image_tokens => 20 },
            output_tokens => 1056, total_tokens => 1116 } },
    }) });

is(cost_of($r, 'image tool'), usd(tokens('plain', { input => 10,
    output => 20 }) + 40 * 5 + 20 * 10 + 1056 * 40), 'a tool at its model\'s');


# ---- units ----

$r = $t->post('/v1/responses', { model => 'unit', input => 'x',
    tools => [ { type => 'web_search' } ] },
    mock => { body => $json->encode({
        object => 'response', status => 'completed', model => 'unit',
        output => [], usage => { input_tokens => 10, output_tokens => 20,
            total_tokens => 30 },
        tool_usage => { web_search => { num_requests => 3 } },
    }) });

is(cost_of($r, 'searches'), '0.032030000', 'searches and the request itself');

$r = $t->post('/v1/audio/speech', { model => 'speech', voice => 'alloy',
    input => "\x{e9}" x 1000 . 'x' x 17 });

is(cost_of($r, 'speech'), usd(15 * 1017 + 255), 'characters, not bytes');

$r = $t->post('/v1/images/generations', { model => 'pictures', prompt => 'x',
    n => 3 }, mock => { body => $json->encode({ created => 1,
        data => [ map { { b64_json => 'aGVsbG8=' } } 1 .. 3 ] }) });

is(cost_of($r, 'images'), '0.120000000', 'images by the piece');

$r = $t->post('/v1/images/generations', { model => 'pictures', prompt => 'x',
    n => 3 }, mock => { body => $json->encode({ created => 1,
        data => [ { b64_json => 'aGVsbG8=' } ] }) });

is(cost_of($r, 'images'), '0.040000000', 'those that came');

my $form = join "\r\n", '--b', 'Content-Disposition: form-data; name="model"',
    '', 'whisper', '--b', 'Content-Disposition: form-data; name="file"; '
    . 'filename="a.mp3"', '', 'abc', '--b--', '';

$r = $t->post('/v1/audio/transcriptions', $form,
    headers => { 'Content-Type' => 'multipart/form-data; boundary=b' },
    mock => { body => '{"text":"x","usage":{"type":"duration",'
        . '"seconds":13.5}}' });

is(cost_of($r, 'seconds'), '0.001350000', 'seconds of audio');


# ---- the version of the prices ----

my %version = map { $_->{model} => $_->{price_version} } $t->rows;

ok(!grep({ !defined } values %version), 'rows tell the version of prices');
isnt($version{plain}, $version{dear}, 'which differs by model');

$t->done;
