#!/usr/bin/perl

# Money and the choice of a target: the cheapest first, a ceiling of the
# client's, a hold that bounds whichever serves, and the price of the one that
# did.

use strict;
use warnings;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";

use AI::Gateway;

my $t = AI::Gateway->new;

$t->provider(8081);

$t->run(gateway_conf(models => <<'EOC', tenants => <<'EOT'));
    ai_model cheap {
        price   input=1.00 output=1.00;
        target  openai;
    }
    ai_model middle {
        price   input=2.00 output=2.00;
        target  openai;
    }
    ai_model dear {
        price   input=100.00 output=300.00;
        unit    request=0.01;
        target  openai;
    }
    ai_model reader {
        price   input=0.10 output=1000.00;
        target  openai;
    }

    ai_model thrifty {
        price     input=5.00 output=5.00;
        target    openai model=dear   weight=1000;
        target    openai model=middle;
        target    openai model=cheap;
        fallback  openai model=reader;
        prefer    cost;
    }
    ai_model canaried {
        price     input=5.00 output=5.00;
        target    openai model=middle;
        target    openai model=cheap;
        target    openai model=dear canary=100;
        prefer    cost;
    }
    ai_model safe {
        price     input=1.00 output=1.00;
        target    openai model=unknown-there;
        fallback  openai model=dear;
    }
    ai_model plain {
        price     input=1.00 output=1.00;
        target    openai model=unknown-there;
        fallback  openai model=cheap;
    }
    ai_model borrowed {
        price     input=1.00 output=1.00;
        target    openai model=dear;
    }
EOC
    ai_tenant acme {
        plan   usual;
        key    %%KEY_acme%% name=prod;
    }
    ai_tenant poor {
        plan   usual;
        key    %%KEY_poor%% name=prod;
        limit  cost 0.05/month;
    }
EOT

sub ask {
    my ($model, $max, %o) = @_;

    $o{headers} = { 'X-AI-Max-Cost' => $max } if defined $max;

    return $t->chat({ model => $model, max_tokens => 100 }, %o);
}


sub served {
    my $r = ask(@_);

    return $r->status == 200 ? $r->json->{model} : 'status ' . $r->status;
}


sub row { return $t->waitrow($_[0]->id) }

# the cheapest for what the request is guessed to use

my $r = ask('thrifty');

is($r->json->{model}, 'cheap', 'the cheapest, against all weights');
is(row($r)->{attempts}[0]{chosen}, 'cost', 'the row says by cost');

$r = ask('canaried');

is($r->json->{model}, 'dear', 'a canary before the cheapest');
is(row($r)->{attempts}[0]{chosen}, 'canary', 'and says so');

# a ceiling

is(served('thrifty', '1'), 'cheap', 'a high ceiling');
is(served('canaried', '0.005'), 'cheap',
    'what is above the ceiling is left out');

$r = ask('canaried', '0.000001');

is($r->status, 400, 'nothing below the ceiling');
is($r->json->{error}{code}, 'invalid_request_error', 'code');
like($r->json->{error}{message}, qr/estimated at \$0\.000\d{6},/,
    'the cheapest estimate is named');

my ($least) = $r->json->{error}{message} =~ /\$([\d.]+),/;

is(served('canaried', $least), 'cheap', 'that much is enough');
is(served('canaried', sprintf('%.9f', $least - 1e-9)), 'status 400',
    'and less is not');
is(served('cheap', '0'), 'status 400', 'nothing for nothing');

is(served('canaried', [ '1', $least, '1' ]), 'cheap', 'of several the least');
is(served('cheap', [ '1', '0' ]), 'status 400', 'wherever it stands');
is(served('cheap', [ '1', 'x' ]), 'status 400', 'and all must be readable');

for my $odd ('', 'x', '-1', '1e3', '0,5', '$1', '1.0000000001', '1 2') {
    $r = ask('thrifty', $odd);

    is($r->status, 400, "a ceiling of \"$odd\"");
    like($r->json->{error}{message}, qr/^X-AI-Max-Cost must be/, 'says so');
}

# the hold bounds whichever candidate serves

my %hold = map { $_ => row(ask($_))->{hold_usd} } qw(cheap plain dear safe);

cmp_ok($hold{plain}, '<', $hold{cheap} * 1.1, 'a fallback of the same price');
cmp_ok(abs($hold{safe} - $hold{dear}), '<', $hold{dear} * 0.01,
    'a dear fallback is within the hold');
cmp_ok($hold{dear}, '>', 0.01 + 100 * 300e-6, 'with its units');

# what a ceiling leaves out is not held either

$r = $t->chat({ model => 'safe', max_tokens => 100 },
    headers => { 'X-AI-Max-Cost' => '0.001' });

cmp_ok(row($r)->{hold_usd}, '<', $hold{safe} / 10,
    'what cannot serve is not held');

# a budget that the fallback would overrun

is(served('plain', undef, key => 'poor'), 'unknown-there',
    'a budget is enough for it');

$r = ask('safe', undef, key => 'poor');
is($r->status, 200, 'and for a dear fallback once') or diag($r->body);

$r = $t->chat({ model => 'safe', max_tokens => 1000 }, key => 'poor');

is($r->status, 429, 'not for more of it');
is($r->json->{error}{code}, 'insufficient_quota', 'for the budget');

# settled by the model that served: by its own name, or else the target's

my $usage = { prompt_tokens => 20, completion_tokens => 100,
    total_tokens => 120 };

sub cost {
    my ($model, $name) = @_;

    my $row = row(ask($model, undef, mock => { usage => $usage,
        defined $name ? (served_model => $name) : () }));

    return $row->{cost_usd};
}

is(cost('cheap'), '0.000120000', 'a model of its own');
is(cost('borrowed'), '0.042000000', 'the target\'s model, which answers');
is(cost('borrowed', 'dear-2026-01-01'), '0.042000000',
    'by a name that nobody has configured');
is(cost('borrowed', 'middle'), '0.000240000', 'by another configured one');
is(cost('safe'), '0.000120000', 'a target\'s model that is not configured');
is(cost('safe', 'what'), '0.000120000', 'by whatever name');

$r = ask('borrowed', undef, mock => { usage => $usage });
cmp_ok(row($r)->{hold_usd}, '>', 0.04, 'a hold by the target\'s prices');

my $m = $t->metrics;

is(join(' ', grep { /hold/ && $m->{$_} } grep { /alarm/ } sort keys %$m), '',
    'no answer was dearer than its hold');

$t->done;
