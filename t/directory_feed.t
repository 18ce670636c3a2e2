#!/usr/bin/perl

# The feed: tenants and keys made in SQL are served a moment later, what other
# nodes used counts, and a database that is gone changes nothing.

use strict;
use warnings;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP ();

use AI::Gateway;
use AI::Postgres;

my $t = AI::Gateway->new;
my $pg = AI::Postgres->new($t);

$t->provider(8081);

sub admin { return $pg->psql("SELECT ai.$_[0]", role => 'ai_admin') }

sub key_of {
    my ($name) = @_;

    my $text = admin("create_key('sql', '$name')");
    my ($key) = $text =~ /(sk_ai_\w+)/ or die "no key in: $text\n";

    return $key;
}

sub status { return $t->get('/v1/usage', key => $_[0])->status }

admin(q{create_plan('pro', models => '{*}')});
admin(q{create_tenant('sql', 'pro')});

my $first = key_of('first');

$t->run(gateway_conf(http => $pg->conf(poll => '200ms')));

ok((waitfor { status($first) == 200 } 10), 'a key that was there');

my $second = key_of('second');

ok((waitfor { status($second) == 200 } 5), 'a key made while serving');
is(status('sk_ai_none'), 401, 'an unknown key');

admin(q{set_limit('tokens', 1000, 'day', tenant => 'sql')});

ok((waitfor { $t->get('/v1/usage', key => $first)->body =~ /1000/ } 5),
    'a limit');

# another node's spending

$pg->psql(<<'EOC');
INSERT INTO ai.spend (tenant, key, node, day, requests, input_tokens,
    output_tokens, cost_nanos)
    VALUES ('sql', '', '11111111-1111-1111-1111-111111111111',
        (now() AT TIME ZONE 'UTC')::date, 3, 600, 390, 5000);
EOC

ok((waitfor { $t->get('/v1/usage', key => $first)->body =~ /990/ } 5),
    'what another node used') or diag $t->get('/v1/usage', key => $first)->body;

# no database: all goes on; what changed meanwhile comes with it

$pg->stop('immediate');
is(status($second), 200, 'without a database');
$pg->start;

my $third = key_of('third');

ok((waitfor { status($third) == 200 } 10), 'a key made after it came back');

$pg->psql(q{SELECT ai.revoke_key(id) FROM ai.api_keys WHERE name = 'second'},
    role => 'ai_admin');
ok((waitfor { status($second) == 401 } 5), 'a key that was revoked');

# a worker that dies: the next sink goes on from the marks

$t->allow(qr/exited on signal 9/);
$t->kill_worker('KILL');

my $fourth = key_of('fourth');

ok((waitfor { status($fourth) == 200 } 10), 'after a worker that died');
is(status($first), 200, 'the others');
like($t->get('/v1/usage', key => $first)->body, qr/990/,
    'and what another node used');

$t->done;
