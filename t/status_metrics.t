#!/usr/bin/perl

# /ai/metrics: Prometheus' text format, and figures that agree with the status
# page.

use strict;
use warnings;

use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use AI::Gateway;

my $t = AI::Gateway->new;

$t->provider(8081);
# a gateway that is on for the whole server is off for its metrics

$t->run(gateway_conf(server => q(ai_gateway on;)));

is($t->chat->status, 200, 'a request');
is($t->chat({ model => 'nope' })->status, 404, 'a refused one');

ok(waitfor { ($t->metrics->{'ai_tenant_requests_total{tenant="acme"}'} || 0)
    == 1 }, 'requests of a tenant');

my $m = $t->metrics;

is($m->{'ai_tenant_tokens_total{tenant="acme",kind="input"}'}, 11,
    'input tokens');
is($m->{'ai_tenant_tokens_total{tenant="acme",kind="output"}'}, 8,
    'output tokens');
is($m->{'ai_tenant_cost_usd_total{tenant="acme"}'}, '0.000086000', 'cost');
is($m->{'ai_tenant_refused_total{tenant="acme",reason="model"}'}, 1,
    'refusals of a tenant');
is($m->{'ai_refused_total{reason="model"}'}, 1, 'refusals');
is($m->{'ai_provider_requests_total{provider="openai"}'}, 1,
    'requests of a provider');
is($m->{'ai_provider_open{provider="openai"}'}, 0, 'nothing open');
is($m->{ai_ledger_open}, 1, 'ledger');
is($m->{ai_queue_queued_total}, 0, 'nobody waited for a slot');
is($m->{ai_queue_out_total}, 0, 'or in vain');
is(scalar(grep { /^ai_(?:redis|lease)_/ } keys %$m), 0, 'no Redis');
is($m->{ai_workers}, 1, 'workers');

# the format: families stand together, each after its type

my $r = $t->get('/ai/metrics', key => undef);

like($r->header('content-type'), qr{^text/plain; version=0\.0\.4},
    'type of the answer');

my (%type, $family);
my $wrong = '';

for my $line (split /\n/, $r->body) {

    if ($line =~ /^# TYPE (\S+) (counter|gauge)$/) {
        $wrong .= "$line\n" if $type{$1}++;
        $family = $1;

    } elsif ($line !~ /^# HELP \S+ \S/
             && ($line !~ /^([a-z_]+)(\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")?\})?
                           \ \d+(\.\d+)?$/x
                 || $1 ne $family))
    {
        $wrong .= "$line\n";
    }
}

is($wrong, '', 'every line is of the format');
ok(keys %type > 15, 'families');
is(substr($r->body, -1), "\n", 'the last line is ended');
unlike($r->body, qr/canary|sk_ai_|sha256/, 'no secrets');

is($t->post('/ai/metrics', '', key => undef)->status, 405, 'GET only');

$t->done;
