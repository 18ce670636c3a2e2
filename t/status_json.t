#!/usr/bin/perl

# /ai/status: the operator's view, whole and bounded.

use strict;
use warnings;

use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use AI::Gateway;

my $t = AI::Gateway->new(workers => 2);
my $p = $t->provider(8081);

$t->run(gateway_conf());

my $s;

# a worker is there once it has opened the zone

ok(waitfor { $s = $t->status; @{ $s->{workers} } == 2 }, 'both workers');

like($s->{version}, qr/^\d+\.\d+\.\d+$/, 'version');
is_deeply([ sort map { $_->{pid} } @{ $s->{workers} } ],
    [ sort $t->workers ], 'workers');
ok($s->{zone}{size} > $s->{zone}{used}, 'zone');
is($s->{ledger}{state}, 'open', 'ledger');
is_deeply($s->{queue}, { queued => 0, queued_out => 0 }, 'queue');
ok(exists $s->{redis} && !defined $s->{redis}, 'no redis');
is($s->{totals}{tenants}, 2, 'tenants configured');
is_deeply($s->{tenants}, [], 'none of them seen');
is_deeply([ map { "$_->{name} $_->{api}" } @{ $s->{providers} } ],
    [ 'openai openai', 'anthropic anthropic', 'gemini gemini',
      'azure azure' ], 'providers');

# figures

is($t->chat->status, 200, 'a request');
is($t->chat({ model => 'gpt-4.1-mini' }, key => 'other',
    mock => { status => 500, body => '{}' })->status, 500, 'one that fails');

ok(waitfor { @{ $t->status->{tenants} } == 2 }, 'tenants are seen');

$s = $t->status;

my %tenant = map { $_->{name} => $_ } @{ $s->{tenants} };

is($tenant{acme}{requests}, 1, 'requests of a tenant');
is($tenant{acme}{input_tokens}, 11, 'input tokens');
is($tenant{acme}{output_tokens}, 8, 'output tokens');
is($tenant{acme}{cost_usd}, '0.000086000', 'cost');
is($tenant{acme}{open}, 0, 'nothing open');
is($s->{tenants_listed}, 2, 'listed');
ok(!defined $s->{tenants_after}, 'no more');

my ($openai) = grep { $_->{name} eq 'openai' } @{ $s->{providers} };

is($openai->{requests}, 2, 'requests of a provider');
is($openai->{errors}{server_error}, 1, 'its errors');
is($openai->{open}, 0, 'nothing open there');
is($openai->{cost_usd}, '0.000086000', 'its cost');

# a reload forgets nothing

$t->reload;

($openai) = grep { $_->{name} eq 'openai' } @{ $t->status->{providers} };

is($openai->{requests}, 2, 'requests after a reload');
is($openai->{errors}{server_error}, 1, 'errors after a reload');

# a filter, and a cursor

$s = $t->get('/ai/status?tenant=other', key => undef)->json;
is_deeply([ map { $_->{name} } @{ $s->{tenants} } ], ['other'], 'one tenant');

$s = $t->get('/ai/status?after=acme', key => undef)->json;
is_deeply([ map { $_->{name} } @{ $s->{tenants} } ], ['other'],
    'those behind one');

for my $name ('nobody', '%00', '%', 'x' x 1000) {
    $s = $t->get("/ai/status?tenant=$name", key => undef)->json;
    is_deeply($s->{tenants}, [], 'an unknown name');
}

# a killed worker leaves nothing open behind

my $c = $t->start_chat({ stream => \1 }, mock => { events => 8, delay => 30 });

$c->read_events(1);

ok(waitfor { (grep { $_->{name} eq 'openai' } @{ $t->status->{providers} })[0]
    {open} == 1 }, 'a stream is open');

$t->kill_worker('KILL', $_) for $t->workers;
$c->close;

ok(waitfor { (grep { $_->{name} eq 'openai' } @{ $t->status->{providers} })[0]
    {open} == 0 }, 'killed streams are not open');

# methods

is($t->request('HEAD', '/ai/status', undef, key => undef)->status, 200,
    'HEAD');
is($t->post('/ai/status', '{}', key => undef)->status, 405, 'POST');

unlike($t->get('/ai/status', key => undef)->body, qr/canary|sk_ai_|sha256/,
    'no secrets');

$t->allow(qr/exited on signal 9/);
$t->done;
