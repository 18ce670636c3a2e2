#!/usr/bin/perl

# Who a request belongs to: its own key, in whichever way it is presented, and
# nothing else on its connection.

use strict;
use warnings;

use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use AI::Gateway;

use JSON::PP ();

use constant CHAT => '/v1/chat/completions';
use constant MESSAGES => '/v1/messages';
use constant GENERATE => '/v1beta/models/gemini-2.5-flash:generateContent';

my $t = AI::Gateway->new;
my $p = $t->provider(8081);

my $foreign = 'AbCd.foreign-key/from+elsewhere=';
my $soon = time() + 3;

my @tm = gmtime $soon;
my $expires = sprintf '%04d-%02d-%02dT%02d:%02d:%02dZ', $tm[5] + 1900,
    $tm[4] + 1, @tm[3, 2, 1, 0];

$t->run(gateway_conf(
    tenants => AI::Conf::tenants() . <<"EOC" . join('', map { <<EOT } 0 .. 9),
    ai_tenant third {
        plan  usual;
        key   %%KEY_third%% name=prod;
        key   %%KEY_narrow%% name=narrow models=gpt-4.1,claude-*;
        key   %%KEY_expired%% name=expired expires=2020-01-01;
        key   %%KEY_later%% name=later expires=2099-01-01;
        key   %%KEY_soon%% name=soon expires=$expires;
        key   @{[ digest_of($foreign) ]} name=foreign;
        key   @{[ digest_of('sk_ai_short') ]} name=short;
    }
EOC
    ai_tenant many$_ { plan usual; key %%KEY_many$_%% name=prod; }
EOT
    plan => 'ai_plan usual { models *; }',
    server => <<'EOC',
        listen  127.0.0.1:%%PORT_8082%% http2;

        location /app {
            proxy_pass  http://mock;
        }

        location /moved/ {
            proxy_pass  http://mock/app/;
        }
EOC
));

my $k = AI::Gateway::make_key('acme');
my $other = AI::Gateway::make_key('other');

my %body = (
    CHAT, { model => 'gpt-4.1', max_tokens => 4, messages => [] },
    MESSAGES, { model => 'claude-sonnet-4-6', max_tokens => 4,
        messages => [] },
    GENERATE, { contents => [] },
);

# name => sub (key): (query, headers)

my %way = (
    Bearer => sub { ('', { Authorization => "Bearer $_[0]" }) },
    bearer => sub { ('', { authorization => "bearer   $_[0]" }) },
    'x-api-key' => sub { ('', { 'X-API-Key' => $_[0] }) },
    'api-key' => sub { ('', { 'api-key' => $_[0] }) },
    'x-goog-api-key' => sub { ('', { 'X-Goog-Api-Key' => $_[0] }) },
    'key=' => sub { ("?key=$_[0]", {}) },
    'key= behind' => sub { ("?alt=sse&key=$_[0]&x=y", {}) },
    'key= by another name' => sub { ("?%4bE%79=$_[0]", {}) },
    'key= escaped' => sub {
        ('?key=' . join('', map { sprintf '%%%02x', ord } split //, $_[0]), {})
    },
);

sub ask {
    my ($uri, $headers) = @_;

    my ($path) = $uri =~ /^([^?]*)/;

    return $t->post($uri, $body{$path}, key => undef, headers => $headers);
}

# ---- each way, in each dialect ----

for my $uri (CHAT, MESSAGES, GENERATE) {
    for my $name (sort keys %way) {
        my ($query, $headers) = $way{$name}->($k);
        my $r = ask("$uri$query", $headers);

        is($r->status, 200, "$uri: $name") or diag($r->body);
        is($t->waitrow($r->id)->{tenant}, 'acme', "$uri: $name: whose");

        ($query, $headers) = $way{$name}->($k =~ s/.$/substr $k, 6, 1/er);
        $r = ask("$uri$query", $headers);

        isnt($r->status, 200, "$uri: $name, wrong");
        is($r->status, $uri eq GENERATE ? 400 : 401, "$uri: $name, status")
            if $uri ne MESSAGES;
    }
}

# ---- pairs ----

my @ways = ('Bearer', 'x-api-key', 'api-key', 'x-goog-api-key', 'key=');

for my $a (@ways) {
    for my $b (@ways) {
        next if $a eq $b;

        my ($qa, $ha) = $way{$a}->($k);
        my ($qb, $hb) = $way{$b}->($k);
        my $r = ask(CHAT . "$qa$qb", { %$ha, %$hb });

        is($r->status, 200, "$a and $b, the same");

        for my $second ($other, 'x', "${k}x", "$k ", lc $k) {
            next if $second eq "$k ";

            ($qb, $hb) = $way{$b}->($second);
            $r = ask(CHAT . "$qa$qb", { %$ha, %$hb });

            is($r->status, 400, "$a and $b, '"
                . substr($second, -3) . "' beside it");
        }
    }
}

for my $name ('X-Api-Key', 'api-key', 'x-goog-api-key') {
    is(ask(CHAT, { $name => [ $k, $k ] })->status, 200, "$name twice");
    is(ask(CHAT, { $name => [ $k, $other ] })->status, 400,
        "$name, two different ones");
    is(ask(CHAT, { $name => [ $other, $k ] })->status, 400,
        "$name, the other way round");
}

is(ask(CHAT, { Authorization => [ "Bearer $k", "Bearer $other" ] })->status,
    400, 'Authorization twice');
is(ask(CHAT . "?key=$k&key=$other", {})->status, 400, 'key= twice');
is(ask(CHAT . "?key=$k&KEY=$other", {})->status, 400, 'KEY= beside it');

# the error speaks the dialect of the route

my %two = ('x-api-key' => $k, 'api-key' => $other);

is(ask(CHAT, \%two)->json->{error}{type}, 'invalid_request_error',
    'two, OpenAI');
is(ask(MESSAGES, \%two)->json->{type}, 'error', 'two, Anthropic');
is(ask(GENERATE, \%two)->json->{error}{status}, 'INVALID_ARGUMENT',
    'two, Gemini');

# ---- what is no key ----

my $requests = $p->requests;

for my $x ('', ' ', 'Bearer', 'Bearer ', "Basic $k", "Bearer $k x",
    "Bearer Bearer $k", "Token $k", "Bearer '$k'", "Bearer $k,",
    "Bearer \xff\xfe", 'Bearer ' . 'x' x 4000, 'Bearer ' . $k x 30)
{
    is(ask(CHAT, { Authorization => $x })->status, 401,
        "no key: '" . substr($x, 0, 20) . "'");
}

my @wrong = (uc $k, lc $k, substr($k, 0, -1), "${k}0", 'sk_ai_',
    AI::Gateway::make_key('nobody'), digest_of($k), "$k\t", '*' x length $k);

# each single letter of it replaced

push @wrong, map { my $w = $k; substr($w, $_, 1) =~ tr/A-Za-z0-9/B-ZAb-za1-90/;
    $w } 6 .. length($k) - 1;

my %status;
my $c = $t->connect;

for my $w (@wrong) {
    next if $w =~ /\t/;

    $c->request('POST', CHAT, $body{+CHAT}, { Authorization => "Bearer $w" });
    $status{ $c->finish->status }++;
}

$c->close;

is_deeply([ keys %status ], [ 401 ], 'wrong in any place');
is(ask(CHAT, {})->status, 401, 'none at all');
is(ask(CHAT, { Cookie => "key=$k" })->status, 401, 'in a cookie');
is(ask(CHAT, { 'X-Tenant-Id' => 'acme' })->status, 401, 'by name');
is(ask(CHAT, { 'Proxy-Authorization' => "Bearer $k" })->status, 401,
    'for a proxy');
is(ask(CHAT . "?api_key=$k&token=$k&mykey=$k&key", {})->status, 401,
    'in other arguments');
is(ask(CHAT . "#?key=$k", {})->status, 401, 'in a fragment');
is($p->requests, $requests, 'none of these reaches the provider');

# ---- keys of other shapes, limits of keys ----

is(ask(CHAT, { Authorization => "Bearer $foreign" })->status, 200,
    'a key from elsewhere');
is(ask(CHAT, { 'x-api-key' => "${foreign}x" })->status, 401, 'and not more');
is(ask(CHAT . '?key=AbCd.foreign-key%2Ffrom%2Belsewhere%3D', {})->status, 200,
    'escaped');
is(ask(CHAT, { Authorization => 'Bearer sk_ai_short' })->status, 401,
    'our prefix in a wrong shape');

my $r = $t->chat(undef, key => 'narrow');
is($r->status, 200, 'model of the key');
is($t->waitrow($r->id)->{key}, 'narrow', 'and its name in the row');
is($t->chat({ model => 'gpt-4.1-mini' }, key => 'narrow')->status, 403,
    'model of the plan, not of the key');
is($t->post(MESSAGES, $body{+MESSAGES}, key => 'narrow')->status, 200,
    'by a pattern');
is($t->post(GENERATE, $body{+GENERATE}, key => 'narrow')->status, 403,
    'by path');

is($t->chat(undef, key => 'later')->status, 200, 'not yet expired');

my $expired = $t->chat(undef, key => 'expired');
my $unknown = $t->chat(undef, key => 'nobody');

is($expired->status, 401, 'expired');
is($expired->body, $unknown->body, 'which says no more than of an unknown key');

ok(waitfor { $t->chat(undef, key => 'soon')->status == 401 },
    'expires while we serve');

# ---- one connection, several tenants ----

$c = $t->connect;

my @who = qw(acme other third acme nobody other);

for my $name (@who) {
    $c->request('POST', CHAT, $body{+CHAT}, AI::Gateway::headers(key => $name));
    $r = $c->finish;

    if ($name eq 'nobody') {
        is($r->status, 401, 'nobody in between');
        next;
    }

    is($t->waitrow($r->id)->{tenant}, $name, "kept connection: $name");
}

$c->request('POST', CHAT, $body{+CHAT}, {});
is($c->finish->status, 401, 'no key is left over from before');
$c->close;

# 100 in one write; each answer says whose it was by its text

my $bytes = '';
my @order;

for my $i (0 .. 99) {
    my $name = 'many' . ($i * 7 % 10);
    my $bad = $i % 13 == 5;

    push @order, $bad ? undef : $name;

    $bytes .= AI::Client::format_request('POST', CHAT, $body{+CHAT},
        AI::Gateway::headers(key => $bad ? 'nobody' : $name,
            mock => { echo => 1 },
            headers => { 'X-Probe' => "probe-$i" }));
}

$c = $t->connect;
$c->send($bytes);

my ($right, $rows) = (0, 0);
my %tenant;

for my $i (0 .. 99) {
    $r = $c->finish;

    if (!defined $order[$i]) {
        $right += $r->status == 401;
        next;
    }

    $right++ if $r->status == 200 && $r->body =~ /"probe-$i"/;
    $tenant{ $r->id } = $order[$i];
}

is($right, 100, 'pipelined: each answer in its place');
$c->close;

for my $id (keys %tenant) {
    $rows++ if $t->waitrow($id)->{tenant} eq $tenant{$id};
}

is($rows, scalar keys %tenant, 'pipelined: each billed to its tenant');

# requests inside of bodies are bodies

my $inner = AI::Client::format_request('POST', CHAT, $body{+CHAT},
    AI::Gateway::headers(key => 'other'));

$requests = $p->requests;

for my $first (401, 404, 400, 415) {
    $c = $t->connect;
    $c->request('POST', $first == 404 ? '/nothing' : CHAT, $inner, {
        %{ AI::Gateway::headers(key => $first == 401 ? 'nobody' : 'acme') },
        'Content-Type' => $first == 415 ? 'text/plain' : 'application/json',
    });

    is($c->finish->status, $first, "a request in the body of a $first");

    $c->request('GET', '/v1/models', undef, AI::Gateway::headers());
    my $next = $c->finish;

    ok($next->status == 200 || $next->status == 0,
        "nothing of it is left after $first");
    $c->close;
}

is($p->requests, $requests, 'none of them ran');

# other locations of the server keep their own arguments and headers

for my $path ('/app/x', '/moved/x') {
    for my $args ("key=$k", 'a=b&KEY=c&key=d', 'key=%41') {
        for my $how (qw(get h2)) {
            my @o = (mock => { echo => 1 }, headers => { 'X-Api-Key' => 'own' });

            $r = $how eq 'get' ? $t->get("$path?$args", @o)
                : $t->h2('GET', "$path?$args", undef, @o, port => 8082);

            is($r->json->{target}, "/app/x?$args", "$how $path?"
                . substr $args, 0, 8);
            like($r->body, qr/"own"/, 'and its headers');
        }
    }
}

# over HTTP/2

for my $name (sort keys %way) {
    my ($query, $headers) = $way{$name}->($k);

    is($t->h2('POST', CHAT . $query, $body{+CHAT}, port => 8082, key => undef,
        headers => $headers)->status, 200, "HTTP/2: $name");
}

# no body: a client may take the early end of a stream for a failure

is($t->h2('POST', CHAT, undef, port => 8082, key => undef,
    headers => \%two)->status, 400, 'HTTP/2: two');

$t->done;
