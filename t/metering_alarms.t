#!/usr/bin/perl

# What the operator should look at is counted: units and tiers that nobody
# priced, odd numbers, a cost above the hold.

use strict;
use warnings;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP;

use AI::Gateway;

my $t = AI::Gateway->new;

$t->provider(8081);

$t->run(gateway_conf(plan_extra => 'unbounded allow;'));

my %seen = map { $_ => 0 } qw(unpriced_unit unpriced_tier odd_usage
    above_hold);

# the alarms that a request raised: those of /ai/metrics, as /ai/status has it

sub alarms {
    my ($r) = @_;

    $t->waitrow($r->id);

    my $m = $t->metrics;
    my ($p) = grep { $_->{name} eq 'openai' } @{ $t->status->{providers} };
    my @new;

    for (sort keys %seen) {
        my $n = $m->{qq(ai_provider_alarms_total{provider="openai",)
            . qq(reason="$_"})};

        push @new, $_ if $n != $seen{$_};
        push @new, "$_ differs in status" if $n != $p->{alarms}{$_};

        $seen{$_} = $n;
    }

    return "@new";
}


sub chat {
    my ($usage, %more) = @_;

    return $t->chat({ max_tokens => 8 }, mock => { body => encode_json({
        object => 'chat.completion', model => 'gpt-4.1', choices => [ {
            index => 0, finish_reason => 'stop',
            message => { content => 'x' } } ],
        usage => $usage, %more,
    }) });
}

my $usage = { prompt_tokens => 11, completion_tokens => 8,
    total_tokens => 19 };

is(alarms(chat($usage)), '', 'a usual answer raises none');
is(alarms(chat($usage, service_tier => 'default')), '', 'nor a usual tier');
is(alarms(chat($usage, service_tier => 'flex')), 'unpriced_tier',
    'a tier without a price');
is(alarms(chat($usage, service_tier => 'golden')), 'unpriced_tier',
    'a tier that nobody knows');

my $r = chat($usage, service_tier => 'flex');

is($t->waitrow($r->id)->{cost_usd}, '0.000086000', 'at the base price');
alarms($r);

is(alarms(chat({ %$usage, prompt_tokens_details =>
    { cached_tokens => 5, cache_write_tokens => 12 } })), 'odd_usage',
    'parts that are more than the whole');

is(alarms(chat({ prompt_tokens => 11, completion_tokens => 999,
    total_tokens => 1010 })), 'above_hold', 'more than the cap allowed');

my $body = encode_json({
    object => 'response', status => 'completed', model => 'gpt-4.1',
    output => [], usage => { input_tokens => 10, output_tokens => 20,
        total_tokens => 30 },
    tool_usage => { web_search => { num_requests => 3 } },
});

$r = $t->post('/v1/responses', { model => 'gpt-4.1', input => 'x',
    tools => [ { type => 'web_search' } ] }, mock => { body => $body });

is(alarms($r), 'unpriced_unit', 'searches that nobody priced');
is($t->waitrow($r->id)->{cost_usd}, '0.000180000', 'cost nothing');

# what has no bound may cost what it likes

$r = $t->post('/v1/responses', { model => 'gpt-4.1', input => 'x',
    max_output_tokens => 20, tools => [ { type => 'web_search' } ] },
    mock => { usage => { input_tokens => 100000, output_tokens => 20,
        total_tokens => 100020 } });

is(alarms($r), '', 'no hold, no alarm');

# a refusal by the provider raises none

is(alarms($t->chat(undef, mock => { status => 500 })), '', 'an error');

$t->done;
