#!/usr/bin/perl

# $ai_pass is the URL of an admitted request in its own location, and of nobody
# else: mirrors, and locations that a request comes to afterwards, get nowhere.

use strict;
use warnings;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";

use AI::Gateway;

my $t = AI::Gateway->new;
my $p = $t->provider(8081);

my $gateway = "ai_gateway on;\n            proxy_pass \$ai_pass;";

$t->run(gateway_conf(location => <<'EOC', server => <<EOS));
            try_files  $uri$http_x_try @other;
EOC
        location = /mirror {
            internal;
            $gateway
        }

        location = /mirror/plain {
            internal;
            proxy_pass  \$ai_pass;
        }

        location \@other {
            proxy_pass  \$ai_pass;
        }

        location = /v1/chat/completions {
            $gateway
            mirror  /mirror;
            mirror  /mirror/plain;
        }
EOS

# a location with the mirrors, whose request goes to a provider

my $r = $t->chat({});

is($r->status, 200, 'the request');
is($t->waitrow($r->id)->{state}, 'final', 'its row');

ok(waitfor { 2 == (() = $t->log =~ /invalid URL prefix/g) },
    'both mirrors got no URL');
is($p->requests, 1, 'and nothing went there but the request');

# one that leaves its location after it was admitted

$r = $t->post('/v1/responses', { model => 'gpt-4.1', input => 'hi' });

is($r->status, 500, 'another location is no way out');
is($p->requests, 1, 'nothing was sent');

$t->allow(qr/invalid URL prefix/);
$t->done;
