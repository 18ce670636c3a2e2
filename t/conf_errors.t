#!/usr/bin/perl

# Broken configurations: each fails `nginx -t` with its own words and the line
# at fault, which is the one marked "#!".  And a few that are right.

use strict;
use warnings;

use Test::More;
use File::Temp qw(tempdir);
use FindBin;

my $module = $ENV{AI_MODULE}
    || "$FindBin::Bin/../build/ngx_http_ai_tenant_module.so";
my $nginx = $ENV{TEST_NGINX_BINARY} || 'nginx';

$nginx = "LD_PRELOAD='$ENV{AI_PRELOAD}' $nginx" if $ENV{AI_PRELOAD};

plan skip_all => "no $module" unless -e $module;

my $dir = tempdir(CLEANUP => 1);

my $secret = 'sk-canary-0123456789';
my $hex = '5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8';
(my $hex2 = $hex) =~ tr/5/6/;

$ENV{AI_TEST_KEY} = $secret;
$ENV{AI_TEST_EMPTY} = '';
$ENV{AI_TEST_ODD} = "$secret\nX-Evil: 1";
$ENV{AI_TEST_LONG} = 'x' x 4097;
delete $ENV{AI_TEST_UNSET};

file('key', "  $secret\n");
file('blank', " \n\t\n");
file('long', 'x' x 4097);
file('max', 'x' x 4096);
file('odd', "sk-\x01\n");
file('secret', "$secret\n");
file('open', "$secret\n");
file('empty', "\n");
file('lines', "a\nb\n");
chmod 0600, "$dir/secret";
chmod 0644, "$dir/open";


# ---- flat directives

bad('zone without its name', 'invalid parameter "ai:16m"',
    top => 'ai_zone ai:16m; #!');
bad('zone without a size', 'invalid zone size "zone=ai"',
    top => 'ai_zone zone=ai; #!');
bad('zone of another size', 'invalid zone size "zone=ai:16x"',
    top => 'ai_zone zone=ai:16x; #!');
bad('zone too small', 'zone "zone=ai:1k" is too small',
    top => 'ai_zone zone=ai:1k; #!');
bad('zone twice', '"ai_zone" directive is duplicate',
    top => "ai_zone zone=ai:16m;\nai_zone zone=ai:16m; #!");
bad('ledger twice', '"ai_ledger" directive is duplicate',
    top => "ai_ledger a;\nai_ledger b; #!");
bad('ledger segment too small', 'invalid parameter "segment=1k"',
    top => 'ai_ledger a segment=1k; #!');
bad('ledger sync', 'invalid parameter "sync=soon"',
    top => 'ai_ledger a sync=soon; #!');
bad('ledger parameter', 'invalid parameter "size=1m"',
    top => 'ai_ledger a size=1m; #!');
bad('redis twice', '"ai_redis" directive is duplicate',
    top => "ai_redis { server 127.0.0.1; }\nai_redis { #!\n}");
bad('postgres twice', '"ai_postgres" directive is duplicate',
    top => pg_block() . "\nai_postgres { #!\n}");
bad('alias without a model', 'invalid number of arguments in "ai_alias"',
    top => 'ai_alias a; #!');
bad('alias of nothing', 'no ai_model "none" for ai_alias "a"',
    top => 'ai_alias a none; #!');
bad('alias of an alias', 'no ai_model "b" for ai_alias "a"',
    top => "ai_alias b m;\nai_alias a b; #!");
bad('alias twice', 'duplicate ai_alias "a"',
    top => "ai_alias a m;\nai_alias a m; #!");
bad('alias with a model\'s name', 'ai_alias "m" has the name of an ai_model',
    top => 'ai_alias m m; #!');
bad('block in a server', '"ai_plan" directive is not allowed here',
    server => "ai_plan x { #!\n}");


# ---- redis

redis('unknown word', 'unknown directive "host"', 'host h; #!');
redis('word twice', '"user" directive is duplicate', "user u;\nuser u; #!");

for my $word (qw(server cluster user password_file prefix connect_timeout
    timeout lease nodes))
{
    redis("$word without a value",
        qq(invalid number of arguments in "$word"), "$word; #!");
    redis("$word twice", qq("$word" directive is duplicate),
        redis_word($word) . "\n" . redis_word($word) . ' #!')
        if $word ne 'server';
}

bad('redis with a name', 'invalid number of arguments in "ai_redis"',
    top => 'ai_redis main { #!');
bad('redis in a server', '"ai_redis" directive is not allowed here',
    server => 'ai_redis { #!');
bad('redis without a server', qr/"server" is missing in ai_redis(?= in)/,
    top => "ai_redis { #!\nnodes 2;\n}");

redis('no such host', 'host not found in "server" "nowhere.invalid"',
    'server nowhere.invalid; #!');
redis('no host', 'no host in "server" ":6379"', 'server :6379; #!');
redis('odd port', 'invalid port in "server" "127.0.0.1:70000"',
    'server 127.0.0.1:70000; #!');
redis('socket without a path', 'no path in the unix domain socket in',
    'server unix:; #!');
redis('relative socket', 'relative path in "server" "unix:run"',
    'server unix:run; #!');
redis('long path of a socket', 'too long path in the unix domain socket in',
    'server unix:/' . 'x' x 108 . '; #!');
redis('cluster', 'invalid value "yes" in "cluster"', 'cluster yes; #!');
redis('empty user', 'invalid value "" in "user"', 'user ""; #!');
redis('user of two words', 'invalid value "a b" in "user"', 'user "a b"; #!');
redis('long user', 'in "user" directive', 'user ' . 'x' x 129 . '; #!');
redis('missing password', qr/open\(\) "\S+none" failed \(2: No such file/,
    "password_file $dir/none; #!");
redis('empty password', qr/password in "\S+empty" is empty/,
    "password_file $dir/empty; #!");
redis('long password', qr/file "\S+long" is too long for a password/,
    "password_file $dir/long; #!");
redis('password of two lines', qr/password in "\S+lines" is not one line/,
    "password_file $dir/lines; #!");
redis("prefix $_", 'in "prefix" directive', qq(prefix "$_"; #!))
    for '{a}', 'a b', 'x' x 33, 'a/b';
redis("nodes $_", qq(invalid value "$_" in "nodes"), "nodes $_; #!")
    for 0, -1, 65, 'two';

for my $word (qw(connect_timeout timeout lease)) {
    for my $value (qw(0 -1 soon 60d)) {
        redis("$word $value", qq(invalid value "$value" in "$word"),
            "$word $value; #!");
    }
}

redis("lease $_", '"lease" directive must be between 100ms and 60s',
    "lease $_; #!") for '99ms', '61s';

redis_end('user without a password', '"user" needs "password_file"',
    'user u;');
redis_end('cluster of a socket', '"cluster" is not for a unix domain socket',
    'server unix:/run/redis.sock; cluster on;');
redis_end('short lease', '"lease" is shorter than 4 times "timeout"',
    'lease 199ms;');
redis_end('long timeout', '"lease" is shorter than 4 times "timeout"',
    'timeout 501ms;');

good('redis', top => 'ai_redis { server 127.0.0.1; }');
good('redis, all words', top => "ai_redis { server 127.0.0.1:7000;
    server localhost:7001; server [::1]:7002; cluster on; user u;
    password_file $dir/secret; prefix 'a.B_9:-'; connect_timeout 1s;
    timeout 25ms; lease 100ms; nodes 64; }");
good('redis, the other ends', top => "ai_redis { server unix:/run/r.sock;
    password_file $dir/secret; prefix ''; lease 60s; timeout 15s; nodes 1; }");

like(scalar test(top => 'ai_redis { server 192.0.2.1; }'),
    qr/\[warn\].* go to "192.0.2.1:6379" of ai_redis without TLS in .*:\d+/,
    'a server far away');
unlike(scalar test(top => 'ai_redis { server 10.1.2.3; server [fd00::1]; }'),
    qr/\[warn\]/, 'private addresses');
unlike(scalar test('-T' => 1, top => "ai_redis { server 127.0.0.1;
    password_file $dir/secret; }"), qr/\Q$secret\E/, 'password in no dump');


# ---- postgres

postgres('unknown word', 'unknown directive "host"', 'host h; #!');
postgres('word twice', '"user" directive is duplicate', 'user u; #!');
postgres('server without a value', 'invalid number of arguments in "server"',
    'server; #!');

bad('postgres with a name', 'invalid number of arguments in "ai_postgres"',
    top => 'ai_postgres main { #!');
bad('postgres in a server', '"ai_postgres" directive is not allowed here',
    server => 'ai_postgres { #!');

for my $word (qw(server database user)) {
    (my $rest = 'server 127.0.0.1; database d; user u;') =~ s/$word [^;]+;//;

    bad("postgres without $word", qr/"$word" is missing in ai_postgres(?= in)/,
        top => "ai_postgres { #!\n$rest\n}");
}

pg_server('no such host', 'host not found in "server" "nowhere.invalid"',
    'nowhere.invalid');
pg_server('no host', 'no host in "server" ":5432"', ':5432');
pg_server('odd host', 'invalid host in "server" "a\\b"', 'a\\b');
pg_server('variable', 'invalid host in "server" "$db"', '$db resolve');
pg_server('host with a path', 'invalid host in "server" "h/x"', 'h/x');
pg_server('odd port', 'invalid port in "server" "127.0.0.1:70000"',
    '127.0.0.1:70000');
pg_server('parameter', 'invalid parameter "weight=1"', '127.0.0.1 weight=1');
pg_server('address that is resolved', 'an address is not resolved in',
    '127.0.0.1 resolve');
pg_server('socket that is resolved', 'a socket is not resolved in',
    'unix:/run/postgresql resolve');
pg_server('socket without a path', 'no path of a directory in', 'unix:');
pg_server('relative socket', 'no path of a directory in', 'unix:run');
pg_server('odd port of a socket', 'invalid port in', 'unix:/run:0');
pg_server('file of a socket', "a socket's own path in place of its directory",
    'unix:/run/postgresql/.s.PGSQL.5432');
pg_server('long path of a socket', 'too long path in',
    'unix:/' . 'x' x 92);

bad('no resolver', 'no resolver defined to resolve "db.example" of ai_postgres',
    top => "ai_postgres { #!\nserver db.example resolve; database d; user u;\n}");
bad('resolver of a server alone',
    'no resolver defined to resolve "db.example" of ai_postgres',
    top => "ai_postgres { #!\nserver db.example resolve; database d; user u;\n}",
    server => 'resolver 127.0.0.1;');

postgres('empty admin', 'invalid value "" in "admin_user"',
    'admin_user ""; #!');
postgres('long admin', 'in "admin_user" directive',
    'admin_user ' . 'x' x 64 . '; #!');
postgres('missing password', qr/open\(\) "\S+none" failed \(2: No such file/,
    "password_file $dir/none; #!");
postgres('password in a directory', qr/read\(\) "\S+" failed \(21: /,
    "password_file $dir; #!");
postgres('empty password', qr/password in "\S+empty" is empty/,
    "password_file $dir/empty; #!");
postgres('long password', qr/file "\S+long" is too long for a password/,
    "password_file $dir/long; #!");
postgres('password of two lines', qr/password in "\S+lines" is not one line/,
    "password_file $dir/lines; #!");
postgres('ssl', 'invalid value "prefer" in "ssl" directive', 'ssl prefer; #!');
postgres('missing certificate', qr/open\(\) "\S+none" failed \(2: No such/,
    "ssl_trusted_certificate $dir/none; #!");
postgres('no certificate', qr/no certificate in "\S+key"/,
    "ssl_trusted_certificate $dir/key; #!");

for my $word (qw(connect_timeout timeout poll)) {
    for my $value (qw(0 -1 soon 60d)) {
        postgres("$word $value", qq(invalid value "$value" in "$word"),
            "$word $value; #!");
    }
}

postgres('notify', 'invalid value "yes" in "notify" directive',
    'notify yes; #!');
postgres('directory', 'invalid value "big" in "directory" directive',
    'directory big; #!');
postgres('small directory', qr/directory "4k" is too small, it needs \d+k/,
    'directory 4k; #!');

my $ca = '/etc/ssl/certs/ca-certificates.crt';

pg_end('password of no admin', '"admin_password_file" needs "admin_user"',
    '127.0.0.1', "admin_password_file $dir/secret;");
pg_end('certificate without verify-full', '"ssl_trusted_certificate" needs '
    . '"ssl verify-full"', 'localhost',
    "ssl require; ssl_trusted_certificate $ca;");
pg_end('verify-full without a certificate',
    '"ssl verify-full" needs "ssl_trusted_certificate"', 'localhost',
    'ssl verify-full;');
pg_end('verify-full of an address', '"ssl verify-full" needs a name',
    '127.0.0.1', "ssl verify-full; ssl_trusted_certificate $ca;");
pg_end('ssl of a socket', '"ssl" is not for a unix domain socket',
    'unix:/run/postgresql', 'ssl require;');


# ---- providers

provider('unknown word', 'unknown directive "keys"',
    'api openai; base https://h;', 'keys env:AI_TEST_KEY; #!');
provider('word twice', '"base" directive is duplicate',
    'api openai; base https://h;', 'base https://h; #!');
provider('too many arguments', 'invalid number of arguments in "api"',
    'api openai x; #!');
provider('nested block', 'unexpected "{"', 'api { #!', '}');
provider('unknown api', 'invalid value "cohere" in "api" directive',
    'api cohere; #!');
provider('base without a scheme', 'no "http://" or "https://" in "base"',
    'base api.example.com; #!');
provider('base with a user', 'invalid host in "base"',
    "base https://$secret\@h/; #!");
provider('base without a host', 'invalid host in "base"',
    'base https:///v1; #!');
provider('base with a bad port', 'invalid port in "base"',
    'base https://h:70000; #!');
provider('base with arguments', 'invalid path in "base"',
    'base https://h/v1?a=b; #!');
provider('base with a variable port', 'invalid port in "base"',
    'base https://h:$port; #!');
provider('key in the file itself', '"key" directive must be "env:NAME" or '
    . '"file:/path"', "key $secret; #!");
provider('key behind env:', 'invalid name of an environment variable',
    "key env:$secret; #!");
provider('unset variable', 'environment variable "AI_TEST_UNSET" is empty or '
    . 'not set', 'key env:AI_TEST_UNSET; #!');
provider('empty variable', 'environment variable "AI_TEST_EMPTY" is empty',
    'key env:AI_TEST_EMPTY; #!');
provider('long variable', 'environment variable "AI_TEST_LONG" is too long',
    'key env:AI_TEST_LONG; #!');
provider('variable with a line feed', 'key "env:AI_TEST_ODD" holds characters',
    'key env:AI_TEST_ODD; #!');
provider('missing key file', qr/open\(\) "\S+none" failed \(2: No such file/,
    "key file:$dir/none; #!");
provider('key file that is a directory', qr/read\(\) "\S+" failed \(21: /,
    "key file:$dir; #!");
provider('relative key file', 'path "key" of a key is not absolute',
    'key file:key; #!');
provider('blank key file', qr/key "file:\S+blank" is empty/,
    "key file:$dir/blank; #!");
provider('long key file', qr/file "\S+long" is too long for a key/,
    "key file:$dir/long; #!");
provider('control character in a key file', qr/key "file:\S+odd" holds/,
    "key file:$dir/odd; #!");
provider('breaker', 'invalid parameter "failures=0"',
    'breaker failures=0; #!');
provider('breaker window', 'invalid parameter "window=0"',
    'breaker window=0; #!');
provider("breaker errors $_", qq(invalid parameter "errors=$_"),
    "breaker errors=$_; #!")
    for 1, '0%', '101%', '%', '-1%', '1.5%', 'none', '';
provider('breaker requests', 'invalid parameter "requests=0"',
    'breaker requests=0; #!');
provider('breaker parameter', 'invalid parameter "probes=1"',
    'breaker failures=1 probes=1; #!');
provider('capacity', 'invalid number "-1" in "capacity" directive',
    'capacity -1; #!');
provider("capacity with a queue $_", qq(invalid parameter "queue=$_"),
    "capacity 1 queue=$_; #!")
    for -1, 1025, 'long', '';
provider('capacity with a timeout', 'invalid parameter "timeout=0"',
    'capacity 1 queue=1 timeout=0; #!');
provider('capacity parameter', 'invalid parameter "burst=1"',
    'capacity 1 burst=1; #!');
provider('a queue without a capacity', '"capacity" directive with "queue" '
    . 'needs a number above 0', 'capacity 0 queue=1; #!');
provider('a timeout without a queue', '"capacity" directive with "timeout" '
    . 'needs "queue"', 'capacity 1 timeout=1s; #!');
provider('cap_field', 'invalid value "max" in "cap_field" directive',
    'cap_field max; #!');
provider('identify', 'invalid value "yes" in "identify" directive',
    'identify yes; #!');
provider('upstream with a port', 'invalid name "h:8000" in "upstream"',
    'upstream h:8000; #!');

bad('provider without api', '"api" is missing in ai_provider "p"',
    provider => "ai_provider p { #!\n base https://h;\n}");
bad('provider without base', '"base" is missing in ai_provider "p"',
    provider => "ai_provider p { #!\n api openai;\n}");
bad('port without upstream', '"upstream" is missing in ai_provider "p" whose',
    provider => "ai_provider p { #!\n api openai; base https://h:8443;\n}");
bad('IPv6 without upstream', '"upstream" is missing in ai_provider "p" whose',
    provider => "ai_provider p { #!\n api openai; base https://[::1];\n}");
bad('api_version of another api', '"api_version" needs "api azure" in',
    provider => "ai_provider p { #!\n api openai; base https://h;\n"
        . "api_version 2024-10-21;\n}");
bad('provider twice', 'duplicate ai_provider "p"',
    top => 'ai_provider p { #!');
bad('provider name', 'invalid name "a/b"', top => 'ai_provider a/b { #!');
bad('no upstream group', 'no upstream "other" for ai_provider "p"',
    provider => "ai_provider p { #!\n api openai; base https://other;\n}");
bad('upstream group only by proxy_pass',
    'no upstream "127.0.0.1" for ai_provider "p"',
    provider => "ai_provider p { #!\n api openai; base http://127.0.0.1;\n}",
    server => 'location /x { proxy_pass http://127.0.0.1; }');


# ---- models

model('unknown word', 'unknown directive "prices"', 'prices input=1; #!');
model('price without a value', 'invalid parameter "input"', 'price input; #!');
model('price of no class', 'invalid parameter "inputs=1"',
    'price inputs=1; #!');
model('negative price', 'invalid parameter "input=-1"', 'price input=-1; #!');
model('price below a nano-dollar', 'invalid parameter "input=0.0000000001"',
    'price input=0.0000000001; #!');
model('price without input and output', '"price" directive names neither',
    'price cache_read=1; #!');
model('class twice', 'invalid parameter "input=2"',
    'price input=1 input=2; #!');
model('cache_write twice', 'invalid parameter "cache_write=2"',
    'price input=1 cache_write=1 cache_write=2; #!');
model('no such day', 'invalid parameter "from=2027-02-29"',
    'price input=1 from=2027-02-29; #!');
model('no such tier', 'invalid parameter "tier=cheap"',
    'price input=1 tier=cheap; #!');
model('threshold of nothing', 'invalid parameter "above=0"',
    'price input=1 above=0; #!');
model('price twice', '"price" directive is duplicate: another one',
    "price input=1;\nprice input=2; #!");
model('unknown unit', 'invalid parameter "pages=1"', 'unit pages=1; #!');
model('unit twice', 'invalid parameter "image=2"',
    "unit image=1;\nunit image=2; #!");
model('context', 'invalid number "0" in "context" directive', 'context 0; #!');
model('max_output', 'invalid number "1k" in "max_output"',
    'max_output 1k; #!');
model('weight below nothing', 'invalid parameter "weight=-1"',
    'target p weight=-1; #!');
model('weight past all', 'invalid parameter "weight=65536"',
    'target p weight=65536; #!');
model('weight of a fallback', 'invalid parameter "weight=5"',
    'fallback p weight=5; #!');
model('timeout of nothing', 'invalid parameter "timeout=0"',
    'target p timeout=0; #!');
model('timeout past all timers', 'invalid parameter "timeout=60d"',
    'target p timeout=60d; #!');
model('target parameter', 'invalid parameter "retry=1"',
    'target p retry=1; #!');
model('target\'s model', qr/invalid name "a b", it must be 1 to 128/,
    'target p "model=a b"; #!');

bad('model without price', '"price" is missing in ai_model "m"',
    model => "ai_model m { #!\n target p;\n}");
bad('model without target', '"target" is missing in ai_model "m"',
    model => "ai_model m { #!\n price input=1; fallback p;\n}");
bad('units without a price', '"unit" without "price" in ai_model "m"',
    model => "ai_model m { #!\n unit request=0.01; target p;\n}");
bad('only a price yet to come', 'holds today in ai_model "m"',
    model => "ai_model m { #!\n price input=1 from=2999-01-01; target p;\n}");
bad('only a price of a tier', 'holds today in ai_model "m"',
    model => "ai_model m { #!\n price input=1 tier=flex; target p;\n}");
bad('a tier only above a threshold', 'for each tier in ai_model "m"',
    model => "ai_model m { #!\n price input=1;\n"
        . "price input=1 tier=flex above=9; target p;\n}");
bad('target of no provider', 'no ai_provider "q" for target of ai_model "m"',
    model => "ai_model m { #!\n price input=1; target q;\n}");
bad('fallback to no provider', 'no ai_provider "q" for fallback of',
    model => "ai_model m { #!\n price input=1; target p; fallback q;\n}");
bad('model twice', 'duplicate ai_model "m"', top => 'ai_model m { #!');


# ---- targets, and which of them a request goes to

model("target parameter $_", qq(invalid parameter "$_"), "target p $_; #!")
    for qw(capacity=0 capacity=65536 capacity=x context=0 context=1k
        canary=101 canary=-1 canary=x canary=% model= weight= total=0);
model("name of a target $_", qq(invalid name "$_"), "target p name=$_; #!")
    for '', 'a/b', 'a,b', 'x' x 65;
model("canary with $_", qq(invalid parameter "$_"),
    "target p canary=5 $_; #!")
    for qw(errors=0 errors=101% errors=x% p99=0 p99=soon window=0 window=999ms
        requests=0);
model("$_ without a canary", '"target" directive has a parameter that needs '
    . '"canary="', "target p $_; #!")
    for qw(errors=5% p99=2s window=1m requests=20);
model('weight of a canary', '"target" directive has both "weight=" and '
    . '"canary="', "target p $_; #!") for 'weight=5 canary=5',
    'canary=5 weight=5';
model("fallback with $_", qq(invalid parameter "$_"), "fallback p $_; #!")
    for qw(weight=1 canary=5 errors=5%);

targets('two targets of one name', 'duplicate target "a" in ai_model "m"',
    'target p name=a; target p name=a model=x;');
targets('the same target twice',
    'duplicate target of model "m" at ai_provider "p" in ai_model "m"',
    'target p; fallback p name=again;');
targets('nothing but canaries', 'no "target" with a weight, nor a fallback',
    'target p canary=5;');
targets('no weight at all', 'no "target" with a weight, nor a fallback',
    'target p weight=0; target p model=x weight=0;');
targets('canaries of more than all', 'canaries of more than 100 percent',
    'target p; target p model=x canary=60; target p model=y canary=41;');

model("route without $_->[0]", qq("route" directive has no $_->[1]),
    "route $_->[2]; #!") for
    [ 'targets', '"to="', 'stream=on' ],
    [ 'a condition', 'condition', 'to=p' ];
model("route $_", qq(invalid parameter "$_"), "route to=p $_; #!")
    for qw(to=q header= header=x header=x: header=:y label= label=a label=a:
        label=:b body_min=0 body_min=x body_max=0 body_max= stream=yes
        tools=1 images= when=x header=x-api-key:a header=AUTHORIZATION:*
        header=a.b:c);
model("route with two of $_", qq(invalid parameter "$_"),
    "route $_ $_ to=p; #!")
    for qw(header=a:b label=a:b body_min=1 body_max=1 stream=on tools=off
        images=on);
model("route to $_", qq(invalid parameter "to=$_"), "route tools=on to=$_; #!")
    for '', ',', 'a,', ',a', 'a,,b', 'a,a';
model('route of no size', '"route" directive has a "body_min" above its '
    . '"body_max"', 'route body_min=2k body_max=1k to=p; #!');
bad('route to no target', 'no target "q" for "route" in ai_model "m"',
    model => "ai_model m { price input=1; target p;\nroute tools=on to=p,q; #!"
        . "\n}");

model("prefer $_", qq(invalid value "$_" in "prefer"), "prefer $_; #!")
    for qw(speed weights);
model('sticky of nothing', '"sticky" directive has an empty value',
    'sticky ""; #!');
like(test(model => 'ai_model m { price input=1; target p; '
    . 'sticky $nothing; }'), qr/\[emerg\].* unknown "nothing" variable/,
    'sticky by an unknown variable');
model("attempts $_", qq(invalid number "$_" in "attempts"), "attempts $_; #!")
    for qw(0 -1 x);
model('attempts past the row', '"attempts" directive must be between 1 and 8',
    'attempts 9; #!');
model("total $_", '"total" directive has an invalid time', "total $_; #!")
    for qw(0 x 60d);
model("retry $_", '"retry" directive has an invalid time', "retry $_; #!")
    for qw(x 60d -1s);
model("failover $_", qq(invalid status "$_" in "failover"),
    "failover 503 $_; #!") for qw(399 600 5xx);
model("failover $_", qq(status "$_" never fails over), "failover $_ 503; #!")
    for qw(400 401 403 404 413 422);

for my $word ('prefer cost', 'sticky x', 'attempts 2', 'total 1s', 'retry 1s',
    'failover 500')
{
    my ($name) = $word =~ /^(\w+)/;

    model("$name twice", qq("$name" directive is duplicate),
        "$word;\n$word; #!");
    model("$name without a value", qq(invalid number of arguments in "$name"),
        "$name; #!");
}

model('task without a model', 'invalid number of arguments in "task"',
    'task code; #!');
model('task twice', 'duplicate task "code"',
    "task code a;\ntask code b; #!");
model('default twice', '"default" directive is duplicate',
    "default a;\ndefault b; #!");
model('name of a task', 'invalid name "a b"', 'task "a b" m; #!');

for my $word ('price input=1', 'unit image=1', 'target p', 'fallback p',
    'context 5', 'max_output 5', 'prefer cost', 'route tools=on to=p')
{
    my ($name) = $word =~ /^(\w+)/;

    bad("virtual model with $name", qq("$name" beside "task" or "default" in )
        . 'ai_model "v"', top => "ai_model v { #!\n$word; default m;\n}");
}

bad('task of no model', 'no ai_model "none" for ai_model "v"',
    top => "ai_model v { #!\ntask code none; default m;\n}");
bad('virtual model of a virtual one', 'virtual ai_model "w" in ai_model "v"',
    top => "ai_model v { #!\ndefault w;\n}\nai_model w { default m; }");
bad('virtual model of itself', 'virtual ai_model "v" in ai_model "v"',
    top => "ai_model v { #!\ndefault v;\n}");

good('all words of choosing', top => 'ai_alias other m; '
    . 'ai_model v { task code m; task a.b-c other; default m; }',
    model => 'ai_model m { price input=2; context 1000; target p weight=5 '
    . 'capacity=3 context=65536; target p model=x weight=0 name=drained; '
    . 'target p model=y canary=5 errors=5% p99=2s window=1m requests=20; '
    . 'target p model=z canary=95% name=late; fallback p model=w context=9; '
    . 'route header=X-Route:a* label=team:search body_min=1k body_max=1m '
    . 'stream=on tools=off images=on to=p,p/y,p/w; '
    . 'route header=x_b:*:c to=drained; prefer latency; '
    . 'sticky $http_x_user$arg_user; attempts 8; total 30s; retry 0; '
    . 'failover 418 451 599; }');
good('a fallback in place of a weight',
    model => 'ai_model m { price input=2; target p weight=0; '
    . 'fallback p model=x; }');
good('64 targets', model => 'ai_model m { price input=2; '
    . join(' ', map { "target p model=t$_;" } 1 .. 64) . ' }');
model('65 targets', '"target" directive is one too many',
    join("\n", map { "target p model=t$_;" . ($_ == 65 ? ' #!' : '') }
        1 .. 65));
bad('long model name', 'it must be 1 to 128 characters',
    top => 'ai_model ' . 'm' x 129 . ' { #!');


# ---- plans

plan_('unknown word', 'unknown directive "quota"', 'quota 1; #!');
plan_('unknown resource', 'unknown resource "dollars"',
    'limit dollars 1/m; #!');
plan_('limit without a period', 'invalid limit "100" of "requests"',
    'limit requests 100; #!');
plan_('unknown period', 'invalid limit "100/week" of "requests"',
    'limit requests 100/week; #!');
plan_('negative limit', 'invalid limit "-1/m"', 'limit requests -1/m; #!');
plan_('fraction of a request', 'invalid limit "1.5/m" of "requests"',
    'limit requests 1.5/m; #!');
plan_('limit past all numbers', 'invalid limit "99999999999999999999/m"',
    'limit tokens 99999999999999999999/m; #!');
plan_('limit past the maximum', 'invalid limit "4503600/month" of "cost"',
    'limit cost 4503600/month; #!');
plan_('period of concurrency', 'invalid limit "5/m" of "concurrency"',
    'limit concurrency 5/m; #!');
plan_('burst of a window', 'invalid parameter "burst=5"',
    'limit requests 5/day burst=5; #!');
plan_('burst of nothing', 'invalid parameter "burst=0"',
    'limit requests 5/m burst=0; #!');
plan_('burst of concurrency', 'invalid parameter "burst=5"',
    'limit concurrency 5 burst=5; #!');
plan_('limit parameter', 'invalid parameter "per=user"',
    'limit requests 5/m per=user; #!');
plan_('limit twice', 'duplicate limit of "requests/m"',
    "limit requests 5/m;\nlimit requests 6/m; #!");
plan_('concurrency twice', 'duplicate limit of "concurrency"',
    "limit concurrency 5;\nlimit concurrency 6; #!");
plan_('limit of one key', '"limit" directive takes "key=" only in ai_tenant',
    'limit requests 5/m key=a; #!');
plan_('pattern', 'invalid name "gpt?"', 'models m gpt?; #!');
plan_("queue $_", qq(invalid number "$_" in "queue" directive),
    "queue $_; #!") for 0, -1, 10001, 'many';
plan_("queue with $_", qq(invalid parameter "$_"), "queue 5 $_; #!")
    for 'timeout=0', 'timeout=61s', 'timeout=', 'wait=2s', 'timeout=soon';
plan_('queue twice', '"queue" directive is duplicate', "queue 1;\nqueue 2; #!");
plan_('on_store_loss', 'invalid value "pass" in "on_store_loss"',
    'on_store_loss pass; #!');
plan_('unbounded', 'invalid value "on" in "unbounded"', 'unbounded on; #!');
plan_('on_abort', 'invalid value "kill" in "on_abort"', 'on_abort kill; #!');
plan_('on_revoke', 'invalid value "kill" in "on_revoke"',
    'on_revoke kill; #!');
plan_('priority', 'invalid value "high" in "priority"', 'priority high; #!');
plan_('share', 'invalid parameter "share=101"',
    'priority dedicated share=101; #!');
plan_('priority without a share', '"priority" directive needs "share="',
    'priority guaranteed; #!');
plan_('a share of best effort',
    '"priority" directive takes no "share=" for best_effort',
    'priority best_effort share=5; #!');
plan_('word twice', '"max_output" directive is duplicate',
    "max_output 5;\nmax_output 5; #!");
bad('plan twice', 'duplicate ai_plan "pro"', top => 'ai_plan pro { #!');


# ---- tenants

tenant('unknown word', 'unknown directive "budget"', 'budget 5; #!');
tenant('plan twice', '"plan" directive is duplicate', 'plan pro; #!');
tenant('key in the clear', '"key" directive must be "sha256:" and 64',
    "key $secret; #!");
tenant('short digest', '"key" directive must be "sha256:" and 64',
    'key sha256:5e88; #!');
tenant('digest of other digits', '"key" directive must be "sha256:" and 64',
    'key sha256:' . 'g' x 64 . '; #!');
tenant('key name', 'invalid name "a/b"', "key sha256:$hex2 name=a/b; #!");
tenant('empty key name', 'invalid name ""', "key sha256:$hex2 name=; #!");
tenant('expiry', 'invalid parameter "expires=2027-1-1"',
    "key sha256:$hex2 expires=2027-1-1; #!");
tenant('time of expiry', 'invalid parameter "expires=2027-01-01T24:00:00Z"',
    "key sha256:$hex2 expires=2027-01-01T24:00:00Z; #!");
tenant('empty pattern of a key', 'invalid name ""',
    "key sha256:$hex2 models=a,,b; #!");
tenant('key parameter', 'invalid parameter "scope=all"',
    "key sha256:$hex2 scope=all; #!");
tenant('limit of no key', 'no key "ci" in ai_tenant "acme"',
    'limit requests 5/m key=ci; #!');
tenant('limit of a key and of each', '"per=key" and "key=" exclude',
    'limit requests 5/m key=prod per=key; #!');
tenant('limit twice', 'duplicate limit of "tokens/day"',
    "limit tokens 5/day;\nlimit tokens 6/day; #!");
tenant('label without a value', 'invalid parameter "team"', 'label team; #!');
tenant('label twice', 'duplicate label "team"',
    "label team=a;\nlabel team=b; #!");

bad('tenant without plan', '"plan" is missing in ai_tenant "acme"',
    tenant => "ai_tenant acme { #!\n key sha256:$hex;\n}");
bad('tenant of no plan', 'no ai_plan "free" for ai_tenant "acme"',
    tenant => "ai_tenant acme { #!\n plan free;\n}");
bad('long labels', 'labels of ai_tenant "acme" are longer than 256 bytes',
    tenant => "ai_tenant acme { #!\n plan pro; label a=" . 'x' x 250 . ";\n}");
bad('key names twice', 'duplicate key name "a" in ai_tenant "acme"',
    tenant => "ai_tenant acme { #!\n plan pro; key sha256:$hex name=a;\n"
        . "key sha256:$hex2 name=a;\n}");
bad('digest twice', 'key "sha256:5e884898..." of ai_tenant "beta" is '
    . 'duplicate, "acme" has it too',
    top => "ai_tenant beta { #!\n plan pro; key sha256:\U$hex;\n}",
    tenant_first => 1);
bad('tenant twice', 'duplicate ai_tenant "acme"',
    top => 'ai_tenant acme { #!', tenant_first => 1);
bad('tenant name', 'invalid name "a b"', top => 'ai_tenant "a b" { #!');
bad('open block', 'unexpected end of file, expecting "}"',
    bare => 'ai_tenant zeta { plan pro;');


# ---- locations

bad('gateway flag', 'invalid value "yes" in "ai_gateway" directive',
    server => 'ai_gateway yes; #!');
bad('gateway twice', '"ai_gateway" directive is duplicate',
    server => "ai_gateway on;\nai_gateway on; #!");
bad('gateway without proxy_pass',
    '"ai_gateway" needs "proxy_pass $ai_pass" in location "/x"',
    server => "location /x {\nai_gateway on; #!\n}");
bad('gateway with another proxy_pass',
    '"ai_gateway" needs "proxy_pass $ai_pass" in location "/x"',
    server => "location /x {\nai_gateway on; #!\nproxy_pass http://h;\n}");
bad('inherited gateway with another proxy_pass',
    '"ai_gateway" needs "proxy_pass $ai_pass" in location "/x"',
    server => "ai_gateway on; #!\nlocation /x {\nproxy_pass http://h;\n}");
bad('small body buffer', '"client_body_buffer_size" 16384 is smaller than '
    . '"client_max_body_size" 33554432 in location "/"',
    server => 'client_body_buffer_size 16k;');
bad('body without a limit', '"client_max_body_size" 0 (unlimited) in',
    server => 'client_max_body_size 0;');

for my $what (qw(body headers)) {
    bad("without the $what", "\"ai_gateway\" needs \"proxy_pass_request_$what "
        . 'on" in location "/"', server => "proxy_pass_request_$what off;");
}

bad('ssl_verify off', 'ai_provider "p" needs "proxy_ssl_verify on" in '
    . 'location "/"', ssl => 'proxy_ssl_server_name on;');
bad('ssl_server_name off', 'ai_provider "p" needs "proxy_ssl_server_name on"',
    ssl => 'proxy_ssl_verify on; proxy_ssl_trusted_certificate '
        . '/etc/ssl/certs/ca-certificates.crt;');
bad('ssl_name of a group', 'needs "proxy_ssl_name $ai_host" in location "/"',
    provider => 'ai_provider p { api openai; base https://h:8443; upstream '
        . 'h; }');
bad('status behind the gateway', '"ai_status" directive is incompatible with',
    server => "location /s {\nai_gateway on;\nai_status; #!\n}");
bad('status twice', '"ai_status" directive is duplicate',
    server => "location /s {\nai_status;\nai_status; #!\n}");
bad('control behind the gateway',
    '"ai_control" directive is incompatible with',
    server => "location /s {\nai_gateway on;\nai_control; #!\n}");
bad('control twice', '"ai_control" directive is duplicate',
    server => "location /s {\nai_control;\nai_control; #!\n}");
bad('control in a server', '"ai_control" directive is not allowed here',
    server => 'ai_control; #!');
bad('control with an argument', 'invalid number of arguments in "ai_control"',
    server => "location /s {\nai_control on; #!\n}");
bad('status in a server', '"ai_status" directive is not allowed here',
    server => 'ai_status; #!');

admin('key in the clear', '"ai_admin" directive must have "key=sha256:" and',
    "key=$secret name=ops");
admin('short digest', '"ai_admin" directive must have "key=sha256:" and',
    'key=sha256:5e88 name=ops');
admin('parameter', 'invalid parameter "role=root"',
    "key=sha256:$hex role=root");
admin('no name', '"ai_admin" directive needs "key=" and "name="',
    "key=sha256:$hex expires=2030-01-01");
admin('no key', '"ai_admin" directive needs "key=" and "name="',
    'name=ops expires=2030-01-01');
admin('two keys', '"ai_admin" directive has two "key="',
    "key=sha256:$hex key=sha256:$hex2");
admin('empty name', 'invalid name ""', "key=sha256:$hex name=");
admin('two names', 'invalid parameter "name=b"', 'name=a name=b');
admin('odd name', 'invalid name "a/b"', "key=sha256:$hex name=a/b");
admin('expiry', 'invalid parameter "expires=soon"',
    "key=sha256:$hex name=a expires=soon");
admin('duplicate key', 'duplicate key in "ai_admin", "a" has it too',
    "key=sha256:$hex name=b", "ai_admin key=sha256:$hex name=a;");
admin('duplicate name', 'duplicate name "a" in "ai_admin"',
    "key=sha256:$hex2 name=a", "ai_admin key=sha256:$hex name=a;");
admin('gateway', '"ai_admin" directive is incompatible with "ai_gateway on"',
    "key=sha256:$hex2 name=a", 'ai_gateway on;');

bad('admin without postgres', '"ai_admin" needs "ai_postgres" with '
    . '"admin_user"',
    server => "location /a {\nai_admin key=sha256:$hex name=a; #!\n}");
bad('admin without its user', '"ai_admin" needs "ai_postgres" with '
    . '"admin_user"', top => pg_block(),
    server => "location /a {\nai_admin key=sha256:$hex name=a; #!\n}");
bad('admin in a server', '"ai_admin" directive is not allowed here',
    server => "ai_admin key=sha256:$hex name=a; #!");


# ---- configurations that are right

good('administration', top => pg_block(undef, 'admin_user a;'),
    server => "location /a { ai_admin key=sha256:$hex name=a; "
    . "ai_admin name=b key=sha256:$hex2 expires=2030-01-01; }");
good('administration without a gateway', gateway => 'off',
    top => pg_block(undef, 'admin_user a;'),
    server => "location /a { ai_admin key=sha256:$hex name=a; }");

good('all parts');
good('nothing but the module', bare => '');
good('no gateway at all', gateway => 'off');
good('key from a file', provider => "ai_provider p { api anthropic; "
    . "base https://h; key file:$dir/key; key env:AI_TEST_KEY; }");
good('key of the longest length', provider => "ai_provider p { api gemini; "
    . "base https://h; key file:$dir/max; }");
good('https to loopback needs no verification', ssl => '', provider =>
    'ai_provider p { api openai; base https://127.0.0.1:8443; upstream h; }');
good('name of a group with proxy_ssl_name', provider =>
    'ai_provider p { api openai; base https://h:8443; upstream h; }',
    server => 'proxy_ssl_name $ai_host;');
for ("queue 5;\nlimit concurrency 2;", "queue 10000 timeout=60s;\n"
    . 'limit concurrency 2 per=key;')
{
    unlike(scalar test(plan => "ai_plan pro { models m; $_ }"), qr/\[warn\]/,
        'queue with a limit of concurrency');
}

unlike(scalar test(plan => 'ai_plan pro { models m; queue 5; }',
    tenant => "ai_tenant acme { plan pro; limit concurrency 2;
    key sha256:$hex; }"), qr/\[warn\]/, 'queue with one of a tenant');
unlike(scalar test(plan => 'ai_plan pro { models m; queue 5; }',
    tenant => "ai_tenant acme { plan pro; key sha256:$hex name=a;
    limit concurrency 2 key=a; }"), qr/\[warn\]/, 'queue with one of a key');
unlike(scalar test(plan => 'ai_plan pro { models m; queue 5; }',
    top => pg_block()), qr/\[warn\]/, 'queue for tenants of the directory');
like(scalar test(plan => 'ai_plan pro { models m; queue 5; }'),
    qr/\[warn\].*"queue" of ai_plan "pro" has no effect .* in .*:\d+$/m,
    'queue without a limit of concurrency');

good('control below a gateway', server => 'location = /s { ai_control; }');
good('breakers and capacities', provider => 'ai_provider p { api openai; '
    . 'base https://h; breaker failures=1 errors=100% requests=1 window=1ms '
    . 'cooldown=1ms; capacity 1 queue=1024 timeout=1ms; }');
good('no rate of errors, no capacity', provider => 'ai_provider p { '
    . 'api openai; base https://h; breaker errors=off; capacity 0 queue=0; }');
good('status below a gateway', server => 'location = /s { ai_status; }');
good('location without the gateway', server =>
    'location /x { ai_gateway off; proxy_pass http://h; }');
good('zero and no limits', plan => 'ai_plan pro { limit requests 0/m; }');
good('the largest limit',
    plan => 'ai_plan pro { limit tokens 4503599627370496/month; }');
good('limits of the same resource in two scopes', plan => 'ai_plan pro { '
    . 'limit cost 5/m burst=0.000000001; limit cost 5/m per=key; '
    . 'limit cost 5/h; models *; }');
good('limits of one key, named further below', tenant => 'ai_tenant acme { '
    . "plan pro; limit requests 1/s key=b; key sha256:$hex name=a; "
    . "key sha256:$hex2 name=b expires=2027-01-01T12:00:00Z models=m,x*; "
    . 'limit tokens 1/day per=key; label a=b c=d; }');
good('all words of a price', model => 'ai_model m { price input=2 '
    . 'input_audio=1 input_image=1 cache_read=0.5 cache_write=1 '
    . 'cache_write_5m=1 cache_write_1h=1 output=8 output_audio=9; '
    . 'price output=1 above=200000 from=2020-01-01 tier=fast; '
    . 'price output=1 tier=fast; unit image=0.01 request=1; target p '
    . 'weight=65535 model=a/b+c connect=1ms first_byte=1s timeout=1m total=1h; '
    . 'fallback p timeout=5; }');
good('words from another file', provider => "ai_provider p { "
    . "include $dir/words; }");
good('an alias in a plan', top => 'ai_alias other m;',
    plan => 'ai_plan pro { models other; }');

good('all words of postgres', top => pg_block('localhost:5433', <<"EOC"));
    password_file $dir/secret; admin_user a; admin_password_file $dir/secret;
    ssl verify-full; ssl_trusted_certificate $ca;
    connect_timeout 500ms; timeout 5s; poll 1s; notify off; directory 32m;
EOC
good('postgres over a socket', top => pg_block('unix:/run/postgresql:5433'));
good('postgres of a resolver further below', top =>
    pg_block('db.example:5432 resolve') . ' resolver 127.0.0.1;');

unlike(test(top => pg_block('10.0.0.1', "password_file $dir/secret;")),
    qr/\[warn\]/, 'postgres in a private network');
like(test(top => pg_block('192.0.2.1')), qr/\[warn\]\ .*\ go\ to\ "192\.0\.2\.1"\ of
    \ ai_postgres\ without\ ssl\ in\ .*test\ is\ successful/sx,
    'postgres in the open warned of');
unlike(test(top => pg_block('192.0.2.1', 'ssl require;')), qr/\[warn\]/,
    'but not with ssl');
like(test(top => pg_block('127.0.0.1', "password_file $dir/open;")),
    qr/\[warn\]\ .*password\ file\ "\S+open"\ may\ be\ read\ by
    .*test\ is\ successful/sx, 'password file of others warned of');
unlike(test('-T' => 1, top => pg_block('127.0.0.1',
    "password_file $dir/open;")), qr/$secret/, 'password not in the dump');

like(test(provider => 'ai_provider p { api openai; base http://h; }'),
    qr/\[warn\].*ai_provider "p" over plain http in .*test is successful/s,
    'plain http warned of');
unlike(test(provider => 'ai_provider p { api openai; base http://10.0.0.1; '
    . 'upstream h; }'), qr/\[warn\]/, 'plain http in a private network');
unlike(test('-T' => 1), qr/$secret/, 'key not in the dump');

example();

done_testing();


# the files of conf.example, with what only a real machine has replaced

sub example {
    my $from = "$FindBin::Bin/../conf.example";

    for my $name ('nginx.conf', 'ai_proxy.conf', 'ai_log.conf') {
        open my $f, '<', "$from/$name" or die "$name: $!\n";
        my $text = do { local $/; <$f> };

        $text =~ s/^(load_module) \S+;/$1 $module;/m;
        $text =~ s/^(pid\s+)\S+;/$1$dir\/nginx.pid;/m;
        $text =~ s/\/var\/log\/nginx\/[\w.]+/stderr/;
        $text =~ s/\/var\/log\/nginx\/[\w.]+/$dir\/log/g;
        $text =~ s/\/etc\/nginx\/ai\/\w+\.key/$dir\/key/g;
        $text =~ s/\/etc\/nginx\/ai/$dir/g;
        $text =~ s/(\bserver\s+)[^\s;{]+(:\d+;)/${1}127.0.0.1$2/g;
        $text =~ s/(\blisten\s+)[^\s;]+;/${1}unix:$dir\/s;/g;
        $text =~ s/^http \{/http { client_body_temp_path $dir\/tmp;
            proxy_temp_path $dir\/tmp; fastcgi_temp_path $dir\/tmp;
            uwsgi_temp_path $dir\/tmp; scgi_temp_path $dir\/tmp;/m;

        file($name eq 'nginx.conf' ? 'example.conf' : $name, $text);
    }

    my $out = `$nginx -t -p $dir -e stderr -c $dir/example.conf 2>&1`;

    like($out, qr/test is successful/, 'conf.example') or diag($out);
    is_deeply([ grep { !example_has($_) } words() ], [],
        'conf.example has every word of the module');
    unlike($out, qr/\[warn\]/, 'conf.example without a warning') or diag($out);
}


sub example_has {
    my ($word) = @_;

    open my $f, '<', "$dir/example.conf" or die "example.conf: $!\n";
    my $text = do { local $/; <$f> };

    return $text =~ /(?<![\w=])\Q$word\E/;
}


# names of directives, in blocks and out of them, and parameters

sub words {
    my %word;

    for my $name (glob("$FindBin::Bin/../src/http/*conf*.c"),
        "$FindBin::Bin/../ngx_http_ai_tenant_module.c")
    {
        open my $f, '<', $name or die "$name: $!\n";
        my $text = do { local $/; <$f> };

        $word{$_} = 1 for $text =~ /\{ ngx_string\("(\w+)"\),\s+[\dN]/g,
            $text =~ /"(\w+=)"/g;
    }

    return sort keys %word;
}


sub file {
    my ($name, $text) = @_;

    open my $f, '>', "$dir/$name" or die "$name: $!\n";
    print $f $text;
    close $f;
}


sub provider {
    my ($title, $text, @lines) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    bad("provider: $title", $text,
        provider => join("\n", 'ai_provider p {', @lines, '}'));
}


sub pg_block {
    my ($server, $words) = @_;

    $server //= '127.0.0.1';
    $words //= '';

    return "ai_postgres { server $server; database d; user u; $words }";
}


sub postgres {
    my ($title, $text, $line) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    bad("postgres: $title", $text, top => pg_block(undef, "\n$line\n"));
}


sub pg_server {
    my ($title, $text, $server) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    bad("postgres server: $title", $text,
        top => "ai_postgres {\nserver $server; #!\n}");
}


# what is seen when the block ends

sub pg_end {
    my ($title, $text, $server, $words) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    bad("postgres: $title", $text, top => "ai_postgres { #!\n"
        . "server $server; database d; user u; $words\n}");
}


sub redis_word {
    my ($word) = @_;

    my %value = (cluster => 'off', user => 'u', password_file => "$dir/secret",
        prefix => 'ai:', nodes => 2, lease => '2s');

    return "$word " . ($value{$word} // '50ms') . ';';
}


sub redis {
    my ($title, $text, $line) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    bad("redis: $title", $text,
        top => "ai_redis {\nserver 127.0.0.1;\n$line\n}");
}


sub redis_end {
    my ($title, $text, $words) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    bad("redis: $title", $text,
        top => "ai_redis { #!\nserver 127.0.0.1; $words\n}");
}


sub admin {
    my ($title, $text, $words, $before) = @_;

    $before //= '';

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    bad("admin: $title", $text, top => pg_block(undef, 'admin_user a;'),
        server => "location /a {\n$before\nai_admin $words; #!\n}");
}


sub model {
    my ($title, $text, $line) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    bad("model: $title", $text, model => "ai_model m {\n$line\n}");
}


# what is seen when the block of a model ends

sub targets {
    my ($title, $text, $words) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    bad("model: $title", $text,
        model => "ai_model m { #!\nprice input=1; $words\n}");
}


sub plan_ {
    my ($title, $text, $line) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    bad("plan: $title", $text, plan => "ai_plan pro {\n$line\n}");
}


sub tenant {
    my ($title, $text, $line) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    bad("tenant: $title", $text, tenant => "ai_tenant acme {\nplan pro;\n"
        . "key sha256:$hex name=prod;\n$line\n}");
}


sub bad {
    my ($title, $text, %part) = @_;
    my ($out, $conf) = test(%part);

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my @lines = split /\n/, $conf, -1;
    my ($line) = grep { $lines[$_ - 1] =~ /#!/ } 1 .. @lines;
    my $where = $line ? qr/ in \Q$dir\E\/nginx\.conf:$line$/m : qr/ in [^\n]+/;

    $text = ref $text ? $text : qr/\Q$text\E/;

    # one [emerg] line only: nginx stops at the first

    my @emerg = $out =~ /^(.*\[emerg\].*)$/mg;

    like(join("\n", @emerg), qr/\A[^\n]*$text[^\n]*$where\z/, $title)
        or diag($out);

    fail("$title: shows the secret") if $out =~ /\Q$secret\E/;
}


sub good {
    my ($title, %part) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my ($out) = test(%part);
    like($out, qr/test is successful/, $title) or diag($out);
}


# what nginx -t says about a configuration of parts, each with a default

sub test {
    my (%part) = @_;

    my %default = (
        top => '',
        provider => 'ai_provider p { api openai; base https://h; '
            . 'key env:AI_TEST_KEY; }',
        model => 'ai_model m { price input=1 output=2; target p; }',
        plan => 'ai_plan pro { limit requests 5/m; models m; }',
        tenant => "ai_tenant acme { plan pro; key sha256:$hex; }",
        gateway => 'on',
        server => '',
        ssl => 'proxy_ssl_verify on; proxy_ssl_server_name on; '
            . 'proxy_ssl_trusted_certificate '
            . '/etc/ssl/certs/ca-certificates.crt;',
    );

    my %p = (%default, %part);
    my ($one, $two) = $p{tenant_first} ? ($p{tenant}, '') : ('', $p{tenant});
    my $size = 'client_max_body_size 32m;';
    my $buffer = 'client_body_buffer_size 32m;';

    my $mark = (grep { /#!/ } values %part) ? '' : '#!';

    $size = '' if $p{server} =~ /client_max_body_size/;
    $buffer = '' if $p{server} =~ /client_body_buffer_size/;

    my $http = <<"EOC";
    $one
    $p{provider}
    $p{model}
    $p{plan}
    $p{top}
    $two
    upstream h { server 127.0.0.1:1; }
    server {
        listen 127.0.0.1:1;
        $size
        $buffer
        $p{ssl}
        $p{server}
        location / {
            ai_gateway $p{gateway}; $mark
            proxy_pass \$ai_pass;
        }
    }
EOC

    $http = $p{bare} if defined $p{bare};

    my $conf = <<"EOC";
load_module $module;
error_log stderr;
pid $dir/nginx.pid;
events {}
http {
    access_log off;
    client_body_temp_path $dir/tmp;
    proxy_temp_path $dir/tmp;
    fastcgi_temp_path $dir/tmp;
    uwsgi_temp_path $dir/tmp;
    scgi_temp_path $dir/tmp;
$http
}
EOC

    file('words', "api openai;\nbase https://h;\n");
    file('nginx.conf', $conf);

    my $flag = $p{'-T'} ? '-T' : '-t';
    my $out = `$nginx $flag -p $dir -e stderr -c $dir/nginx.conf 2>&1`;

    return wantarray ? ($out, $conf) : $out;
}
