#!/usr/bin/perl

# A provider, or a target, that is full: refused in each dialect when nothing
# may wait, and another target is tried before.

use strict;
use warnings;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";

use AI::Gateway;

my $t = AI::Gateway->new;
my $p = $t->provider(8081);

my $models = AI::Conf::models();
my $providers = join '', map { AI::Conf::provider($_, extra => 'capacity 2;') }
    qw(openai anthropic gemini azure);
my $spare = AI::Conf::provider('openai', name => 'spare',
    extra => 'capacity 1;');

$t->run(gateway_conf(providers => "$providers$spare", models => <<"EOC"));
    $models
    ai_model narrow {
        price   input=1.00 output=1.00;
        target  openai model=narrow capacity=1;
    }
    ai_model two {
        price     input=1.00 output=1.00;
        target    openai model=first;
        fallback  spare model=second;
    }
EOC


# a stream that holds its place until its client goes

sub hold {
    my ($model) = @_;

    my $c = $t->start_chat({ model => $model, stream => \1 },
        mock => { events => 2000, delay => 0.05 });

    $c->read_events(1) or die "no stream of $model\n";

    return $c;
}


sub gate {
    my ($model, $name) = @_;

    my ($target) = grep { $_->{model} eq $model } @{ $t->status->{targets} };

    return $target->{ $name || 'provider_gate' };
}


sub idle {
    my ($model) = @_;

    return waitfor { gate($model)->{taken} == 0 };
}


# ---- OpenAI

{
    my @hold = map { hold('gpt-4.1') } 1 .. 2;
    my $sent = $p->requests;

    is(gate('gpt-4.1')->{taken}, 2, 'both places are taken');

    my $r = $t->chat({ model => 'gpt-4.1-mini' });

    is($r->status, 429, 'another model of the provider is refused');
    is($r->json->{error}{code}, 'capacity_exceeded', 'by the capacity');
    is($p->requests, $sent, 'and was not sent');

    my $row = $t->waitrow($r->id);

    is($row->{state}, 'refused', 'its row');
    is($row->{usage_source}, 'none', 'costs nothing');
    is(scalar @{ $row->{attempts} }, 0, 'nothing was tried');

    $r = $t->chat({ model => 'two' });
    is($r->status, 200, 'the other target is not full');
    is($r->json->{model}, 'second', 'and was asked');

    push @hold, hold('two');
    is($t->chat({ model => 'two' })->status, 429, 'until it is');

    $_->close for @hold;
    ok(idle('gpt-4.1'), 'ended: all places are free');

    is($t->chat({ model => 'gpt-4.1' })->status, 200, 'and can be had');
    ok(idle('gpt-4.1'), 'again');
}


# ---- a target's own

{
    my $hold = hold('narrow');

    is(gate('narrow', 'gate')->{taken}, 1, 'a place of the target');
    is(gate('narrow')->{taken}, 1, 'and one of its provider');

    my $r = $t->chat({ model => 'narrow' });

    is($r->status, 429, 'the target is full');
    is($r->json->{error}{code}, 'capacity_exceeded', 'which it says');
    is(gate('narrow')->{taken}, 1, 'nothing is left at the provider');

    my $other = hold('gpt-4.1');

    $hold->close;
    ok(waitfor { gate('narrow', 'gate')->{taken} == 0 }, 'it ends');

    my $more = hold('gpt-4.1');

    is($t->chat({ model => 'narrow' })->status, 429, 'the provider is full');
    is(gate('narrow', 'gate')->{taken}, 0, 'nothing is left at the target');

    $_->close for $other, $more;
    ok(idle('narrow'), 'all have ended');
}


# ---- the other dialects

{
    my @message = (messages => [ { role => 'user', content => 'Hello' } ]);
    my $mock = { mock => { events => 2000, delay => 0.05 } };
    my @hold;

    for (1 .. 2) {
        my $c = $t->start('POST', '/v1/messages', { @message,
            model => 'claude-sonnet-4-6', max_tokens => 10, stream => \1 },
            %$mock);

        $c->read_events(1) or die "no stream\n";
        push @hold, $c;
    }

    my $r = $t->post('/v1/messages', { @message,
        model => 'claude-sonnet-4-6', max_tokens => 10 });

    is($r->status, 429, 'Anthropic');
    is($r->json->{error}{type}, 'rate_limit_error', 'in its words');

    $_->close for @hold;
    @hold = ();

    my $uri = '/v1beta/models/gemini-2.5-flash';
    my $body = { contents => [ { parts => [ { text => 'Hello' } ] } ] };

    for (1 .. 2) {
        my $c = $t->start('POST', "$uri:streamGenerateContent?alt=sse", $body,
            %$mock);

        $c->read_events(1) or die "no stream\n";
        push @hold, $c;
    }

    $r = $t->post("$uri:generateContent", $body);

    is($r->status, 429, 'Gemini');
    is($r->json->{error}{status}, 'RESOURCE_EXHAUSTED', 'in its words');

    $_->close for @hold;
    ok(idle('gemini-2.5-flash'), 'all have ended');
}

$t->done;
