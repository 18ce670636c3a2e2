#!/usr/bin/perl

# Keys that are not in nginx.conf are looked for in the directory: who is let
# in, as whom, and what everybody else is told in each dialect.  What the
# directory does not know for sure is a 503, never a 401.

use strict;
use warnings;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";

use AI::Feed;
use AI::Gateway;

my $t = AI::Gateway->new(workers => 2);
my $feed = AI::Feed->new($t);

$t->provider(8081);
$t->run(gateway_conf(http => $feed->conf));

my $body = {
    model => 'gpt-4.1', max_tokens => 8,
    messages => [ { role => 'user', content => 'Hello' } ],
};

$feed->plan('std', 'models gpt-4.1 claude-*', 'max_output 100');
$feed->tenant('sql', 'plan std', 'state active', 'labels {"team":"search"}');
$feed->tenant('late', 'plan std', 'state suspended');
$feed->tenant('mixed', 'plan usual', 'state active');
$feed->tenant('lost', 'plan nowhere', 'state active');
$feed->tenant('other', 'plan std', 'state active');

$feed->key('one', 'tenant sql');
$feed->key('old', 'tenant sql', 'expires 1000000000');
$feed->key('narrow', 'tenant sql', 'models claude-*');
$feed->key('late', 'tenant late');
$feed->key('mixed', 'tenant mixed');
$feed->key('lost', 'tenant lost');
$feed->key('orphan', 'tenant nobody');
$feed->key('acme', 'tenant sql');       # nginx.conf has this digest
$feed->key('thief', 'tenant other');
$feed->key('second', 'tenant acme');    # and this tenant

# nothing is loaded yet

my $r = $t->chat($body, key => 'one');

is($r->status, 503, 'before the first load: no refusal for the key');
is($r->json->{error}{code}, 'gateway_unavailable', 'but unavailable');
is($r->header('retry-after'), 1, 'to be tried again soon');
is($t->chat($body, key => 'acme')->status, 200, 'nginx.conf goes on');

$feed->loaded(0)->put;

is($t->chat($body, key => 'one')->status, 200, 'what is there passes');
is($t->chat($body, key => 'stranger')->status, 503,
    'what is not there may come yet');

$feed->loaded(1)->put;

$r = $t->chat($body, key => 'stranger');

is($r->status, 401, 'unknown in all there is');
is($r->json->{error}{code}, 'invalid_api_key', 'is a bad key');

# who it is

$r = $t->chat($body, key => 'one');
my $row = $t->waitrow($r->id);

is($r->status, 200, 'a key of the directory');
is($row->{tenant}, 'sql', 'its tenant');
is($row->{key}, 'one', 'its name');
is($row->{plan}, 'std', 'its plan');
is_deeply($row->{labels}, { team => 'search' }, 'its labels');
is($row->{state}, 'final', 'its row');

is($t->chat({ %$body, model => 'gemini-2.5-flash' }, key => 'one')->status,
    403, 'a model that the plan has not');
is($t->chat($body, key => 'narrow')->status, 403,
    'a model that the key has not');

my @ids = map { $_->{id} }
    @{ $t->get('/v1/models', key => 'narrow')->json->{data} };

ok(@ids && !grep({ !/^claude-/ } @ids), 'a list of its own');

$row = $t->waitrow($t->chat($body, key => 'mixed')->id);

is($row->{plan}, 'usual', 'a plan of nginx.conf serves too');

# nginx.conf wins

$row = $t->waitrow($t->chat($body, key => 'acme')->id);

is($row->{tenant}, 'acme', 'a digest of nginx.conf is its tenant\'s');
is($t->chat($body, key => 'second')->status, 401,
    'no key joins a tenant of nginx.conf');

# who is not let in

is($t->chat($body, key => 'old')->status, 401, 'expired');
is($t->chat($body, key => 'orphan')->status, 503, 'no such tenant');
is($t->chat($body, key => 'lost')->status, 503, 'no such plan') for 1 .. 3;

like($t->log, qr/\[error\].*ai directory has no plan "nowhere"/, 'is logged');

$r = $t->chat($body, key => 'late');

is($r->status, 403, 'suspended');
is($r->json->{error}{code}, 'tenant_suspended', 'by its own code');
is($r->header('x-should-retry'), 'false', 'not to be tried again');

$r = $t->post('/v1/messages', { %$body, model => 'claude-sonnet-4-5' },
    key => 'late', headers => { 'anthropic-version' => '2023-06-01' });

is($r->status, 403, 'suspended, Anthropic');
is($r->json->{error}{type}, 'permission_error', 'its type');

$r = $t->post('/v1beta/models/gemini-2.5-flash:generateContent',
    { contents => [ { parts => [ { text => 'Hello' } ] } ] }, key => 'late');

is($r->status, 403, 'suspended, Gemini');
is($r->json->{error}{status}, 'PERMISSION_DENIED', 'its status');

# changes hold at once

$feed->tenant('late', 'plan std', 'state active')->put;
is($t->chat($body, key => 'late')->status, 200, 'resumed');

$feed->key('one')->put;
is($t->chat($body, key => 'one')->status, 401, 'revoked');

# for the operator

my $d = $t->status->{directory};

ok($d->{complete}, 'status: complete');
is($d->{records}{keys}, 9, 'status: keys');
is($d->{records}{tenants}, 5, 'status: tenants');
is($d->{records}{plans}, 1, 'status: plans');
cmp_ok($d->{used}, '<=', $d->{size}, 'status: bytes');

like($t->get('/ai/metrics', key => undef)->body,
    qr/^ai_directory_records\{kind="keys"\} 9$/m, 'metrics');

# a reload keeps it, and what is under way

my $c = $t->start_chat($body, key => 'mixed', mock => { wait => 1 });

$t->reload;

is($t->chat($body, key => 'mixed')->status, 200, 'after a reload');
is($c->finish->status, 200, 'a request of before');
undef $c;

$t->done;
