#!/usr/bin/perl

# Virtual models: the one that stands behind a task is asked, judged, billed.

use strict;
use warnings;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";

use AI::Gateway;

my $t = AI::Gateway->new;

$t->provider(8081);

my $models = AI::Conf::models();

$t->run(gateway_conf(models => <<"EOC", plan => <<'EOP', tenants => <<'EOT'));
    $models
    ai_model auto {
        task     summarize gpt-4.1-mini;
        task     code claude-sonnet-4-6;
        task     quick mini;
        default  gpt-4.1;
    }
    ai_model strict {
        task     summarize gpt-4.1-mini;
        task     code claude-sonnet-4-6;
    }
    ai_alias mini  gpt-4.1-mini;
    ai_alias best  auto;
EOC
    ai_plan usual {
        models  *;
    }
    ai_plan narrow {
        models  auto gpt-4.1;
    }
    ai_plan without {
        models  gpt-4.1 gpt-4.1-mini;
    }
EOP
    ai_tenant acme {
        plan   usual;
        key    %%KEY_acme%% name=prod;
        key    %%KEY_small%% name=small models=auto,gpt-4.1-mini;
    }
    ai_tenant narrow {
        plan   narrow;
        key    %%KEY_narrow%%;
    }
    ai_tenant without {
        plan   without;
        key    %%KEY_without%%;
    }
EOT

sub ask {
    my ($model, $task, %o) = @_;

    return $t->chat({ model => $model, max_tokens => 5 }, %o,
        defined $task ? (headers => { 'X-AI-Task' => $task }) : ());
}


sub served {
    my $r = ask(@_);

    return $r->status == 200 ? $r->json->{model}
        : $r->status . ' ' . $r->json->{error}{code};
}

is(served('auto', 'summarize'), 'gpt-4.1-mini', 'a task');
is(served('auto', 'quick'), 'gpt-4.1-mini', 'a task of an alias');
is(served('auto'), 'gpt-4.1', 'no task');
is(served('auto', 'none'), 'gpt-4.1', 'a task that nobody knows');
is(served('auto', ''), 'gpt-4.1', 'an empty one');
is(served('best', 'summarize'), 'gpt-4.1-mini', 'by an alias');
is(served('strict', 'summarize'), 'gpt-4.1-mini', 'without a default');

my $r = ask('strict', 'none');

is($r->status, 400, 'unknown without a default');
is($r->json->{error}{message},
    'This model needs the header X-AI-Task, one of: summarize, code',
    'tells the tasks');
is(ask('strict')->status, 400, 'none without a default');

# another dialect's

$r = $t->post('/v1/embeddings', { model => 'auto', input => 'x' },
    headers => { 'X-AI-Task' => 'code' });

is($r->json->{error}{code}, 'model_not_found',
    'a model that does not speak this endpoint');

$r = $t->post('/v1/messages', { model => 'auto', max_tokens => 5,
    messages => [ { role => 'user', content => 'Hi' } ] },
    auth => 'x-api-key', headers => { 'anthropic-version' => '2023-06-01',
        'X-AI-Task' => 'code' });

is($r->json->{model}, 'claude-sonnet-4-6', 'and one that does');

# both must be allowed

is(served('auto', undef, key => 'narrow'), 'gpt-4.1', 'both in the plan');
is(served('auto', 'summarize', key => 'narrow'), '403 model_not_allowed',
    'the real one is not in the plan');
is(served('strict', 'summarize', key => 'narrow'), '403 model_not_allowed',
    'the virtual one is not');
is(served('auto', 'summarize', key => 'small'), 'gpt-4.1-mini',
    'both in the key\'s list');
is(served('auto', undef, key => 'small'), '403 model_not_allowed',
    'the real one is not in the key\'s list');
is(served('auto', undef, key => 'without'), '403 model_not_allowed',
    'the virtual one is not in the plan');

# named for the provider's own use there is no such model

$r = $t->chat({ model => 'gpt-4.1', models => [ 'auto' ] });

is($r->status, 404, 'a provider is never told of it');

# rows and lists

$r = ask('auto', 'summarize');

my $row = $t->waitrow($r->id);

is($row->{model}, 'gpt-4.1-mini', 'the row has the real one');
is($row->{cost_usd}, sprintf('%.9f', (11 * 0.4 + 5 * 1.6) / 1e6),
    'at its price');

sub listed {
    my ($uri, %o) = @_;

    my $j = $t->get($uri, %o)->json;

    return join ' ', sort map { $_->{id} // $_->{name} }
        @{ $j->{data} || $j->{models} };
}

is(listed('/v1/models', key => 'narrow'), 'auto best gpt-4.1',
    'it is listed, and its alias');
is(listed('/v1/models', key => 'without'), 'gpt-4.1 gpt-4.1-mini mini',
    'where it is allowed');
is(listed('/v1beta/models', key => 'narrow', auth => 'x-goog-api-key'),
    'models/auto models/best models/gpt-4.1', 'in another dialect');
is($t->get('/v1/models/auto')->json->{id}, 'auto', 'alone');
is($t->get('/v1beta/models/auto', auth => 'x-goog-api-key')->json->{name},
    'models/auto', 'alone in another dialect');

# names of a provider never make one of it

$r = $t->chat({ model => 'gpt-4.1' }, mock => { served_model => 'auto' });

is($t->waitrow($r->id)->{cost_usd} > 0 ? 'priced' : '', 'priced',
    'an answer that names it is at the price of the target');

unlike($t->log, qr/no price/, 'nobody asks for its price');

$t->done;
