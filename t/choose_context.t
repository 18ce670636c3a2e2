#!/usr/bin/perl

# Targets whose context is too short for the likely input are left out when
# another's is not, and so are those that speak another dialect.

use strict;
use warnings;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";

use AI::Gateway;

my $t = AI::Gateway->new;

$t->provider(8081);

$t->run(gateway_conf(models => <<'EOC'));
    ai_model large {
        price    input=1.00 output=1.00;
        context  100000;
        target   openai;
    }
    ai_model m {
        price     input=1.00 output=1.00;
        context   1000;
        target    openai model=usual;
        fallback  openai model=large;
        fallback  openai model=own context=4000 name=own;
    }
    ai_model short {
        price     input=1.00 output=1.00;
        context   10;
        target    openai model=first context=20;
        fallback  openai model=second;
    }
    ai_model unknown {
        price     input=1.00 output=1.00;
        target    openai model=first context=10;
        fallback  openai model=second;
    }
    ai_model claude {
        price     input=1.00 output=1.00;
        target    anthropic;
    }
    ai_model mixed {
        price     input=1.00 output=1.00;
        target    gemini model=gem;
        target    openai model=gpt;
        fallback  anthropic model=claude;
    }
EOC

sub ask {
    my ($model, $bytes) = @_;

    return $t->chat({ model => $model, max_tokens => 1, messages => [
        { role => 'user', content => 'x ' x ($bytes / 2) } ] });
}

sub chosen {
    my $r = ask(@_);
    my $row = $t->waitrow($r->id);

    return $r->json->{model} . ' '
        . ($row->{attempts}[0]{chosen} // 'only');
}

is(chosen('m', 500), 'usual only', 'it fits');
is(chosen('m', 40_000), 'large context',
    'the first whose context is long enough, here its model\'s own');
is(chosen('m', 8_000_000), 'usual only',
    'all are too short: the provider is to say so');
is(chosen('short', 500), 'first only', 'all are too short, as configured');
is(chosen('unknown', 500), 'second context',
    'one whose context is not known may be long enough');

# dialects: the next that speaks this one is the first

for my $key (qw(acme other)) {
    my $r = $t->post('/v1/responses', { model => 'mixed', input => 'Hi' },
        key => $key);

    is($r->json->{model}, 'gpt', 'one that speaks the dialect');
}

my $r = $t->post('/v1beta/models/mixed:generateContent',
    { contents => [ { parts => [ { text => 'Hi' } ] } ] },
    auth => 'x-goog-api-key');

is($r->json->{modelVersion}, 'gem', 'of another request another one');

$r = $t->post('/v1/messages', { model => 'mixed', max_tokens => 1,
    messages => [ { role => 'user', content => 'Hi' } ] },
    auth => 'x-api-key', headers => { 'anthropic-version' => '2023-06-01' });

is($r->json->{model}, 'claude', 'a fallback alone');
is($t->waitrow($r->id)->{attempts}[0]{chosen}, 'fallback', 'and says so');

# what cannot be translated is left out, or refused in words

for my $key (qw(acme other)) {
    $r = $t->chat({ model => 'mixed', logprobs => \1 }, key => $key);
    is($r->json->{model}, 'gpt', 'a request that only one target can serve');
}

$r = $t->chat({ model => 'claude', logprobs => \1 });

is($r->status, 400, 'one that none can');
is($r->json->{error}{param}, 'logprobs', 'the member is named');

is($t->post('/v1/embeddings', { model => 'mixed', input => 'x' })->status, 200,
    'embeddings');

$r = $t->post('/v1beta/models/m:generateContent',
    { contents => [ { parts => [ { text => 'Hi' } ] } ] },
    auth => 'x-goog-api-key');

is($r->status, 404, 'none speaks it');

$t->done;
