#!/usr/bin/perl

# ai_admin: who may call, what is called, and what becomes of the database's
# answers and of their absence.  The function in the database is a stand-in:
# what is seen here is the gateway's part.

use strict;
use warnings;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP ();

use AI::Gateway;
use AI::Postgres;

my $t = AI::Gateway->new;

$t->provider(8081);

my $pg = AI::Postgres->new($t, schema => 0);

$pg->psql(<<'EOC');
CREATE SCHEMA ai;
CREATE ROLE ai_gateway LOGIN;
CREATE ROLE ai_admin LOGIN;
CREATE TABLE ai.done (call text, n int);

CREATE FUNCTION ai.admin(actor text, call text, args jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    CASE call
    WHEN 'echo' THEN NULL;
    WHEN 'fail' THEN
        RAISE '%', args->>'text' USING ERRCODE = args->>'code';
    WHEN 'sleep' THEN
        PERFORM pg_sleep((args->>'s')::float);
        INSERT INTO ai.done VALUES (call, (args->>'n')::int);
    WHEN 'big' THEN RETURN to_jsonb(repeat('x', (args->>'n')::int - 2));
    WHEN 'create_key' THEN
        RETURN '{"key": "sk_ai_ShownOnceShownOnceShownOnceShown0000000"}';
    WHEN 'nothing' THEN RETURN NULL;
    ELSE RAISE 'no call "%"', call USING ERRCODE = 'AI404';
    END CASE;

    RETURN jsonb_build_object('actor', actor, 'user', session_user,
        'call', call, 'args', args);
END $$;

REVOKE EXECUTE ON FUNCTION ai.admin FROM PUBLIC;
GRANT USAGE ON SCHEMA ai TO ai_gateway, ai_admin;
GRANT EXECUTE ON FUNCTION ai.admin TO ai_admin;
EOC

my $admins = <<'EOC';
        location /ai/admin {
            ai_admin  key=%%KEY_ops%% name=ops;
            ai_admin  key=%%KEY_ci%% name=ci expires=2999-01-01;
            ai_admin  key=%%KEY_old%% name=old expires=2026-01-01;
        }

        location /closed/ {
            ai_admin  key=%%KEY_ops%% name=ops;
            deny      all;
        }

        location /any/ {
            ai_admin  key=%%KEY_ops%% name=ops;
            satisfy   any;
            allow     all;
        }

        location ~ ^/v\d+/admin/ {
            ai_admin  key=%%KEY_ops%% name=ops;
        }

        location /next/ {
            auth_request  /any/echo;
            ai_admin  key=%%KEY_ops%% name=ops;
        }
EOC

my $conf = gateway_conf(http => $pg->conf . <<'EOC', server => $admins
    log_format  keys  '$http_authorization $http_x_api_key $args $request';
EOC
    . 'access_log %%DIR%%/keys.log keys;'
    . 'listen 127.0.0.1:%%PORT_8082%% http2;');

$conf =~ s/auth_request[^;]+;// if `/usr/sbin/nginx -V 2>&1` !~ /auth_request/;

$t->run($conf);

sub call {
    my ($call, $args, %o) = @_;

    return $t->post("/ai/admin/$call", $args, key => 'ops', %o);
}

sub error_is {
    my ($r, $status, $code, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $e = ($r->json || {})->{error} || {};

    is($r->status . ' ' . ($e->{code} // 'no code'), "$status $code", $name)
        or diag($r->body);
    is($r->header('cache-control'), 'no-store', "$name: is not kept");
}

# ---- calls

my $r = call('echo', { name => "acm\x{e9}", n => 1 });

is($r->status, 200, 'a call');
is_deeply($r->json, { actor => 'ops', user => 'ai_admin', call => 'echo',
    args => { name => "acm\x{e9}", n => 1 } }, 'with its arguments');
is($r->header('content-type'), 'application/json', 'JSON');
is($r->header('cache-control'), 'no-store', 'not kept');
ok($r->id, 'with an id');

is_deeply(call('echo', undef)->json->{args}, {}, 'no body');
is_deeply(call('echo', " \r\n\t")->json->{args}, {}, 'white space');
is_deeply(call('echo', '  {"a": [1, {"b": null}]} ')->json->{args},
    { a => [ 1, { b => undef } ] }, 'white space around');
is(call('echo', undef, key => 'ci')->json->{actor}, 'ci', 'another actor');
is_deeply($t->h2('POST', '/ai/admin/echo', { a => 1 }, key => 'ops',
    port => 8082)->json->{args}, { a => 1 }, 'over HTTP/2');

my $long = 'x' x (65536 - length '{"a":""}');

is(call('echo', qq({"a":"$long"}))->json->{args}{a}, $long,
    'the largest body, in a file');
is(call('nothing', {})->body, "null\n", 'nothing is null');
is(length(call('big', { n => 16777216 })->body), 16777217, 'a large answer');
error_is(call('big', { n => 16777217 }), 500, 'answer_too_large',
    'too large an answer');

# ---- who may

for my $case ([ undef, 'no key' ], [ 'nobody', 'unknown key' ],
    [ 'old', 'expired key' ], [ 'acme', 'key of a tenant' ])
{
    $r = call('echo', {}, key => $case->[0]);
    error_is($r, 401, 'invalid_admin_key', $case->[1]);
    is($r->header('www-authenticate'), 'Bearer', "$case->[1]: how");
}

error_is(call('echo', {}, auth => 'x-api-key'), 401, 'invalid_admin_key',
    'key in another header');
error_is($t->post('/ai/admin/echo?key=' . make_key('ops'), {}, key => undef),
    401, 'invalid_admin_key', 'key in an argument');
error_is(call('echo', {}, key => undef, headers => {
    Authorization => 'Basic ' . make_key('ops') }), 401, 'invalid_admin_key',
    'key of another scheme');
error_is(call('echo', {}, key => 'sk' . 'x' x 4000), 401, 'invalid_admin_key',
    'long key');
like($t->chat(undef, key => 'ops')->status, qr/^(?:401|503)$/, 'no tenant');

is($t->post('/closed/echo', {}, key => 'ops')->status, 403,
    'other rules of the operator');
is($t->post('/any/echo', {}, key => 'ops')->status, 200, 'satisfy any');
error_is($t->post('/any/echo', {}, key => 'nobody'), 401, 'invalid_admin_key',
    'and no way around');
is($t->post('/v7/admin/echo', {}, key => 'ops')->json->{call}, 'echo',
    'location by a regex');
is($t->post('/next/echo', {}, key => 'ops')->status, 403,
    'not as a subrequest');

# ---- what is no call

for my $path ('/ai/admin', '/ai/admin/', '/ai/admin/Echo', '/ai/admin/a-b',
    '/ai/admin/' . 'x' x 64, '/ai/admin/a/echo', '/ai/adminecho',
    '/ai/admin/%00', '/ai/admin/a%27b')
{
    $r = $t->post($path, {}, key => 'ops');
    error_is($r, 404, 'unknown_call', $path) if $path !~ /%00/;
    is($r->status, 400, $path) if $path =~ /%00/;
}

error_is(call('drop_all', {}), 404, 'not_found', 'a call that nobody knows');
like(call('drop_all', {})->json->{error}{message}, qr/^no call "drop_all"$/,
    'as the database says');

for my $method (qw(GET PUT DELETE OPTIONS)) {
    $r = $t->request($method, '/ai/admin/echo', undef, key => 'ops');
    error_is($r, 405, 'method_not_supported', $method);
    is($r->header('allow'), 'POST', "$method: what else");
}

error_is(call('echo', 'a=b', headers => {
    'Content-Type' => 'application/x-www-form-urlencoded' }), 415,
    'unsupported_media_type', 'a form');
error_is(call('echo', qq({"a":"x$long"})), 413, 'request_too_large',
    'a large body');

my $chunked = sprintf "%x\r\n%s\r\n0\r\n\r\n", 65537, '{' . 'x' x 65536;

like($t->raw("POST /ai/admin/echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
    . 'Authorization: Bearer ' . make_key('ops') . "\r\n"
    . "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    . $chunked), qr/^HTTP\/1.1 413 .*"request_too_large"/s, 'in chunks');
like($t->raw("POST /ai/admin/echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
    . 'Authorization: Bearer ' . make_key('ops') . "\r\n"
    . "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    . "3\r\n{\"a\r\n4\r\n\":1}\r\n0\r\n\r\n"),
    qr/^HTTP\/1.1 200 .*"args": \{"a": 1\}/s, 'a small one in chunks');

for my $bad ('[]', '"a"', 'null', '{', '{"a":}', "{\"a\":\"\xff\"}",
    '{"a":"\u0000"}', "{}\0", "{\"a\":\0}", '{} {}')
{
    (my $name = $bad) =~ s/[^ -~]/?/g;
    error_is(call('echo', $bad), 400, 'invalid_json', "body $name");
}

# ---- refusals of the database

$r = call('fail', { code => '22023', text => 'limit "x" is odd' });
error_is($r, 400, 'invalid_argument', 'bad argument');
is($r->json->{error}{message}, 'limit "x" is odd', 'in the words of the call');
is($r->json->{error}{type}, 'invalid_request_error', 'of this type');

error_is(call('fail', { code => 'AI404', text => 'no tenant' }), 404,
    'not_found', 'no object');
error_is(call('fail', { code => 'AI409', text => 'is there' }), 409,
    'conflict', 'conflict');

$r = call('fail', { code => '22003', text => 'inner words' });
error_is($r, 400, 'invalid_argument', 'number out of range');
unlike($r->body, qr/inner/, 'in words of ours');

for my $code (qw(40001 40P01 55P03 53100 57014)) {
    $r = call('fail', { code => $code, text => 'inner words' });
    error_is($r, 503, 'database_busy', "SQLSTATE $code");
    is($r->header('retry-after'), 1, "SQLSTATE $code: again");
    unlike($r->body, qr/inner/, "SQLSTATE $code: in words of ours");
}

$r = call('fail', { code => 'XX000', text => "deep\ninside" });
error_is($r, 500, 'internal_error', 'any other');
unlike($r->body, qr/deep/, 'stays inside');
ok($t->waitlog(qr/\[error\] .*ai admin call failed: deep inside \(SQLSTATE XX000\)/),
    'but for the log, in one line');

# ---- clients that leave

my $c = $t->start('POST', '/ai/admin/sleep', { s => 0.5, n => 1 },
    key => 'ops');

ok(waitfor { $pg->value(q{SELECT count(*) FROM pg_stat_activity
    WHERE wait_event = 'PgSleep'}) == 1 }, 'a slow call');
$c->close;
is(call('echo', {})->status, 200, 'its client leaves, another one is served');
is($pg->value('SELECT count(*) FROM ai.done WHERE n = 1'), 1,
    'what was begun is done');

$c = $t->start('POST', '/ai/admin/sleep', { s => 1, n => 2 }, key => 'ops');
ok(waitfor { $pg->value(q{SELECT count(*) FROM pg_stat_activity
    WHERE wait_event = 'PgSleep'}) == 1 }, 'another one');
ok($t->reload, 'a reload');
is($c->finish->status, 200, 'waits for it');

# ---- a key is shown once

is(call('create_key', {})->json->{key},
    'sk_ai_ShownOnceShownOnceShownOnceShown0000000', 'a new key');

# ---- no database

$c = $t->start('POST', '/ai/admin/sleep', { s => 20, n => 3 }, key => 'ops');
ok(waitfor { $pg->value(q{SELECT count(*) FROM pg_stat_activity
    WHERE wait_event = 'PgSleep'}) == 1 }, 'a call under way');
$pg->stop('immediate');

$r = $c->finish;
error_is($r, 502, 'outcome_unknown', 'its answer is lost');
like($r->json->{error}{message}, qr/may have been done or not/, 'is said so');

$r = call('echo', {});
error_is($r, 503, 'database_unavailable', 'no database');
like($r->json->{error}{message}, qr/nothing was done/, 'is said so, too');
is($r->header('retry-after'), 1, 'again');
is($t->chat->status, 200, 'tenants do not mind');
error_is(call('echo', {}, key => 'nobody'), 401, 'invalid_admin_key',
    'an unknown key is one');

$pg->start;
ok((waitfor { call('echo', {})->status == 200 } 15), 'is there again');
$t->mark;

# ---- what the logs know

ok($t->stop, 'stops');

my $logs = $t->log . $t->read_file('access.log') . $t->read_file('keys.log');

for my $name (qw(ops ci old)) {
    my $key = make_key($name);

    unlike($logs, qr/\Q$key\E/, "key of $name is in no log");
}

unlike($logs, qr/ShownOnce/, 'nor is the one that was made');
like($logs, qr/\*{20}/, 'but its place');
is_deeply([ $t->waitrows(1) ]->[0]{model}, 'gpt-4.1', 'calls cost nothing');
is(scalar(() = $t->rows), 1, 'at all');

$t->done;
