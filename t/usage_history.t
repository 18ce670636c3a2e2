#!/usr/bin/perl

# GET /v1/usage with from, to and group_by: the database's answer, its refusals
# and its absence.  The function in the database is a stand-in that says what
# it was asked, so that what is seen here is the gateway's part.

use strict;
use warnings;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP ();
use Time::HiRes qw(time);

use AI::Gateway;
use AI::Postgres;

my $t = AI::Gateway->new;

$t->provider(8081);

# ---- no database

$t->run(gateway_conf());

my $r = $t->get('/v1/usage?from=2026-11-01');

is($r->status, 400, 'no history without ai_postgres');
is($r->json->{error}{type}, 'invalid_request_error', 'its type');
like($r->json->{error}{message}, qr/need a gateway with ai_postgres/,
    'and its text');
is($t->get('/v1/usage')->status, 200, 'plain answer');
is($t->get('/v1/usage?day=1')->json->{object}, 'usage', 'unknown argument');

# ---- one that answers

my $pg = AI::Postgres->new($t, schema => 0);

$pg->psql(<<'EOC');
CREATE SCHEMA ai;
CREATE ROLE ai_gateway LOGIN;

CREATE FUNCTION ai.usage_report(t text, a text, b text, g text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    CASE split_part(g, ':', 1)
    WHEN 'sleep' THEN PERFORM pg_sleep(split_part(g, ':', 2)::float);
    WHEN 'bad' THEN
        RAISE 'group_by knows no "%", only "day"', a USING ERRCODE = '22023';
    WHEN 'cast' THEN RETURN 'secret'::int;
    WHEN 'broken' THEN RAISE 'relation "inner" is broken';
    WHEN 'big' THEN
        RETURN '"' || repeat('x', split_part(g, ':', 2)::int - 2) || '"';
    WHEN 'null' THEN RETURN NULL;
    ELSE NULL;
    END CASE;

    RETURN json_build_object('tenant', t, 'from', a, 'to', b, 'group_by', g);
END $$;

GRANT USAGE ON SCHEMA ai TO ai_gateway;
GRANT EXECUTE ON FUNCTION ai.usage_report TO ai_gateway;
EOC

$t->reload(gateway_conf(http => $pg->conf,
    server => 'listen 127.0.0.1:%%PORT_8082%% http2;'), old => 1);

sub history { return $t->get("/v1/usage?$_[0]", @_[1 .. $#_]) }

$r = history('from=2026-11-01T00%3A00%3A00%2B01:00&to=2026-12-01'
    . '&group_by=day,label%3Ateam%20%C3%A9');

is($r->status, 200, 'history');
is($r->header('content-type'), 'application/json', 'is JSON');
is_deeply($r->json, { tenant => 'acme', from => '2026-11-01T00:00:00+01:00',
    to => '2026-12-01', group_by => "day,label:team \x{e9}" },
    'arguments are decoded');
is($r->header('x-request-id'), $r->header('request-id'), 'with its id');

is_deeply(history('to=&from=2026-11-01', key => 'other')->json,
    { tenant => 'other', from => '2026-11-01', to => undef,
    group_by => undef }, 'another tenant, and what is not said is NULL');
is($t->h2('GET', '/v1/usage?group_by=model', undef,
    port => 8082)->json->{group_by}, 'model', 'over HTTP/2');
is(history('group_by=null')->body, "null\n", 'nothing is null');
is(length(history('group_by=big:4194304')->body), 4194305, 'a large answer');

$r = $t->request('GET', '/v1/usage?group_by=day', '{"a":1}');
is($r->status, 200, 'with a body that nobody wants');

# ---- refusals

$r = history('group_by=bad&from=%22%3Cx%3E');

is($r->status, 400, 'bad argument');
is($r->json->{error}{message}, 'group_by knows no ""<x>", only "day"',
    'in the words of the database');
is($r->json->{error}{code}, 'invalid_request_error', 'with the code of ours');

$r = history('group_by=bad', headers => { 'anthropic-version' => '2023-06-01' });
is($r->status, 400, 'to whoever speaks Anthropic');
is($r->json->{error}{type}, 'invalid_request_error', 'in that dialect or not');

$r = history('group_by=cast');
is($r->status, 400, 'bad data');
unlike($r->body, qr/secret|integer/, 'without the words of the database');

$r = history('group_by=broken');
is($r->status, 503, 'a fault of the database');
is($r->json->{error}{code}, 'gateway_unavailable', 'is the gateway\'s');
is($r->header('retry-after'), 1, 'for a second');
unlike($r->body, qr/relation|inner/, 'and stays inside');
ok($t->waitlog(qr/\[error\] .*ai usage report failed: relation "inner" is broken \(SQLSTATE P0001\)/),
    'but for the log');

$r = history('group_by=big:4194305');
is($r->status, 400, 'too large an answer');
like($r->json->{error}{message}, qr/larger than 4 MB/, 'is told');

for my $bad ('from=%00', 'to=' . 'x' x 513, 'group_by=a%00b') {
    my ($name) = $bad =~ /^(\w+)/;

    $r = history($bad);
    is($r->status, 400, "impossible $name");
    is($r->json->{error}{param}, $name, 'is named');
}

is(history('from=%FF')->status, 400, 'no UTF-8');

# whoever is not known may be so in the database alone

sub stranger {
    my ($how) = @_;

    like(history('group_by=day', key => 'nobody')->status, qr/^(?:401|503)$/,
        "$how: an unknown key stays out");
}

stranger('connected');

# ---- one at a time, and no longer than two seconds

my $began = time;
my $slow = $t->start('GET', '/v1/usage?group_by=sleep:30');

ok(waitfor { $pg->value(q{SELECT count(*) FROM pg_stat_activity
    WHERE wait_event = 'PgSleep'}) == 1 }, 'a slow report');

$r = history('group_by=day');
is($r->status, 429, 'another one of the same tenant');
is($r->json->{error}{code}, 'rate_limit_exceeded', 'has to wait');
is($r->header('retry-after'), 1, 'a second');
is($t->get('/v1/usage')->status, 200, 'plain answer meanwhile');
is($t->chat->status, 200, 'and work goes on');

$r = $slow->finish;
is($r->status, 503, 'the slow one ends');
cmp_ok(time - $began, '<', 5 * $AI::Gateway::factor, 'in time');
cmp_ok(time - $began, '>', 1.8, 'but not at once');
ok(waitfor { history('group_by=day')->status == 200 }, 'and again');

# ---- clients that leave

for my $how (qw(close reset)) {
    my $c = $t->start('GET', '/v1/usage?group_by=sleep:0.3');

    ok(waitfor { $pg->value(q{SELECT count(*) FROM pg_stat_activity
        WHERE wait_event = 'PgSleep'}) == 1 }, "another slow one");
    $c->$how;

    ok(waitfor { history('group_by=day')->status == 200 }, "$how is noticed");
}

# ---- a reload under a request that waits

$slow = $t->start('GET', '/v1/usage?group_by=sleep:1');

ok(waitfor { $pg->value(q{SELECT count(*) FROM pg_stat_activity
    WHERE wait_event = 'PgSleep'}) == 1 }, 'a request waits');
ok($t->reload, 'a reload');
is($slow->finish->status, 200, 'is waited for');

# ---- no database

sub away {
    my ($how) = @_;

    my $began = time;
    my $r = history('group_by=day');

    is($r->status, 503, "$how: no history");
    is($r->json->{error}{code}, 'gateway_unavailable', "$how: its code");
    is($r->header('retry-after'), 1, "$how: to be tried again");
    cmp_ok(time - $began, '<', 5 * $AI::Gateway::factor, "$how: told in time");
    is($t->get('/v1/usage')->status, 200, "$how: plain answer");
    is($t->chat->status, 200, "$how: work goes on");
    stranger($how);
}

is(history('group_by=day')->status, 200, 'connected');
$pg->signal('STOP');
away('frozen');
$pg->signal('CONT');
ok(waitfor { history('group_by=day')->status == 200 }, 'thawed');

$pg->stop('immediate');
away('stopped');
$pg->start;
ok((waitfor { history('group_by=day')->status == 200 } 15), 'started');

$pg->psql('REVOKE EXECUTE ON FUNCTION ai.usage_report FROM ai_gateway, PUBLIC');
is(history('group_by=day')->status, 503, 'no permission is a fault, too');
$t->mark;

# ---- nobody pays

my @rows = $t->waitrows(3);

is_deeply([ grep { $_->{model} ne 'gpt-4.1' } @rows ], [],
    'no rows but those of the chat');
is(scalar @rows, 3, 'of all the chats');

$t->done;
