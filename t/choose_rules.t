#!/usr/bin/perl

# Rules of a model: what they look at, the first that holds, and what stands
# behind their targets.

use strict;
use warnings;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";

use AI::Gateway;

my $t = AI::Gateway->new;

$t->provider(8081);

my $tenants = AI::Conf::tenants();

$t->run(gateway_conf(models => <<'EOC', tenants => <<"EOT"));
    ai_model m {
        price     input=1.00 output=1.00;
        target    openai weight=1 model=usual;
        target    openai weight=0 model=label  name=label;
        target    openai weight=0 model=vision name=vision;
        target    openai weight=0 model=tools  name=tools;
        target    openai weight=0 model=stream name=stream;
        target    openai weight=0 model=beta   name=beta;
        target    openai weight=0 model=long   name=long;
        target    openai weight=0 model=short  name=short;
        fallback  openai model=last name=last;
        route     header=X-Route:beta* stream=off to=beta;
        route     header=X-Route:last to=last;
        route     header=X-Any:* to=short;
        route     label=team:search to=label;
        route     tools=on to=tools;
        route     images=on to=vision;
        route     stream=on to=stream;
        route     body_min=4k body_max=8k to=long;
    }
    ai_model several {
        price     input=1.00 output=1.00;
        target    openai weight=1 model=usual;
        target    openai weight=3 model=a name=a;
        target    openai weight=1 model=b name=b;
        target    openai weight=0 model=off name=off;
        target    openai canary=0 model=x name=x;
        route     header=X-Route:two to=b,off,a;
        route     header=X-Route:none to=off,x;
        route     header=X-Route:canary to=x;
        sticky    $http_x_user;
    }
    ai_model claude {
        price     input=1.00 output=1.00;
        target    anthropic model=usual;
        target    anthropic weight=0 model=tools name=tools;
        target    anthropic weight=0 model=vision name=vision;
        route     tools=on images=off to=tools;
        route     images=on to=vision;
    }
    ai_model gem {
        price     input=1.00 output=1.00;
        target    gemini model=usual;
        target    gemini weight=0 model=tools name=tools;
        target    gemini weight=0 model=vision name=vision;
        route     tools=on images=off to=tools;
        route     images=on to=vision;
    }
EOC
$tenants
    ai_tenant labelled {
        plan   usual;
        key    %%KEY_labelled%%;
        label  site=x "note=a \\"quote\\"" team=search;
    }
    ai_tenant tricky {
        plan   usual;
        key    %%KEY_tricky%%;
        label  "note=\\"team\\":\\"search\\"" team=searching;
    }
EOT

sub served {
    my ($body, %o) = @_;

    my $r = $t->chat({ model => 'm', max_tokens => 1, %{ $body || {} } },
        key => 'other', %o);

    return 'status ' . $r->status if $r->status != 200;

    return $r->body =~ /"model": ?"(\w+)"/ ? $1 : 'none';
}


sub header { return (headers => { @_ }) }

my $tool = { type => 'function', function => { name => 'f' } };
my $image = [ { role => 'user', content => [
    { type => 'image_url', image_url => { url => 'data:image/png;base64,AA' } }
] } ];

is(served(), 'usual', 'no rule holds');

is(served(undef, header('X-Route' => 'beta')), 'beta', 'a header');
is(served(undef, header('x-route' => 'beta-2')), 'beta', 'its beginning');
is(served(undef, header('X-Route' => 'Beta')), 'usual', 'its case');
is(served(undef, header('X-Route' => 'last1')), 'usual', 'all of it');
is(served(undef, header('X-Route' => [ 'no', 'beta' ])), 'beta',
    'any of several');
is(served({ stream => \1 }, header('X-Route' => 'beta')), 'stream',
    'all conditions must hold');
is(served(undef, header('X-Any' => 'x')), 'short', 'any value of a header');
is(served(undef, header('X-Any' => '')), 'short', 'an empty one');
is(served(undef, header('X-Route' => 'last')), 'last', 'to a fallback');

is(served({ tools => [ $tool ] }), 'tools', 'tools');
is(served({ tools => [] }), 'usual', 'no tools');
is(served({ messages => $image }), 'vision', 'an image');
is(served({ messages => $image, tools => [ $tool ] }), 'tools',
    'the first rule that holds');
is(served({ stream => \1 }), 'stream', 'a stream');
is(served({ stream => \0 }), 'usual', 'no stream');

is(served({ user => 'x' x 5000 }), 'long', 'a long body');
is(served({ user => 'x' x 9000 }), 'usual', 'one that is too long');

is(served(undef, key => 'labelled'), 'label', 'a label');
is(served(undef, key => 'tricky'), 'usual', 'not in the text of another');

# several targets: by weight among them

my %n;

$n{served({ model => 'several' },
    header('X-Route' => 'two', 'X-User' => "u$_"))}++ for 1 .. 100;

is(join(' ', sort keys %n), 'a b', 'several targets, none without a weight');
cmp_ok($n{a}, '>', $n{b} + 20, 'by their weights');

is(served({ model => 'several' }, header('X-Route' => 'none')), 'off',
    'in their order where none has a weight');
is(served({ model => 'several' }, header('X-Route' => 'canary')), 'x',
    'to a canary, whatever its percent is');

# other dialects

sub claude {
    my ($body) = @_;

    my $r = $t->post('/v1/messages', { model => 'claude', max_tokens => 1,
        messages => [ { role => 'user', content => 'Hi' } ], %$body },
        auth => 'x-api-key',
        headers => { 'anthropic-version' => '2023-06-01' });

    return $r->status == 200 ? $r->json->{model} : $r->body;
}

is(claude({}), 'usual', 'messages');
is(claude({ tools => [ { name => 'f', input_schema => {} } ] }), 'tools',
    'messages with tools');
is(claude({ messages => [ { role => 'user', content => [ { type => 'image',
    source => { type => 'base64', media_type => 'image/png', data => 'AA' } }
    ] } ] }), 'vision', 'messages with an image');

sub gem {
    my ($body) = @_;

    my $r = $t->post('/v1beta/models/gem:generateContent', { contents => [ {
        parts => [ { text => 'Hi' } ] } ], %$body }, auth => 'x-goog-api-key');

    return $r->status == 200 ? $r->json->{modelVersion} : $r->body;
}

is(gem({}), 'usual', 'generateContent');
is(gem({ tools => [ { functionDeclarations => [ { name => 'f' } ] } ] }),
    'tools', 'generateContent with tools');
is(gem({ contents => [ { parts => [ { inlineData => {
    mimeType => 'image/png', data => 'AA' } } ] } ] }), 'vision',
    'generateContent with an image');

# the row

my $r = $t->chat({ model => 'm', tools => [ $tool ] }, key => 'other');

is($t->waitrow($r->id)->{attempts}[0]{chosen}, 'rule', 'the row says so');

# no rule's header reaches a provider by itself; X-AI-* never does

$r = $t->chat({ model => 'm' }, key => 'other', mock => { echo => 1 },
    headers => { 'X-AI-Max-Cost' => 1, 'X-AI-Task' => 'x', 'X-Route' => 'q' });

my %h = map { lc $_->[0] => 1 } @{ $r->json->{headers} };

ok(!$h{'x-ai-max-cost'} && !$h{'x-ai-task'}, 'our headers stay here');
ok($h{'x-route'}, 'others pass');

$t->done;
