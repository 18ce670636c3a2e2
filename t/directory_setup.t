#!/usr/bin/perl

# A database that was not made ready: one line of the log says what is wrong
# and what to do, and tenants of nginx.conf are served.

use strict;
use warnings;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";

use AI::Gateway;
use AI::Postgres;

my $t = AI::Gateway->new;

$t->provider(8081);

my $pg = AI::Postgres->new($t, schema => 0);

$pg->psql('CREATE ROLE ai_gateway LOGIN; CREATE ROLE ai_admin LOGIN');

$t->run(gateway_conf(http => $pg->conf));

ok(told('3F000: schema "ai" does not exist '
    . '(has "tools/db migrate" been run?)'), 'no schema');
is($t->chat->status, 200, 'requests without a schema');

$pg->migrate;

ok($t->waitlog(qr/\[notice\].*ai directory: ai\.hello\(\) works/, 15),
    'migrated under it');

$pg->psql('CREATE ROLE stranger LOGIN');
$t->reload(gateway_conf(http => $pg->conf(user => 'stranger')), old => 1);

ok(told('42501: permission denied for schema ai '
    . '(the "user" of ai_postgres needs the rights of ai_gateway)'),
    'a user without rights');
is($t->chat->status, 200, 'requests without rights');

$t->mark;
$t->done;


sub told {
    my ($text) = @_;

    return $t->waitlog(qr/\[error\].*ai\.hello\(\) failed: \Q$text\E/);
}
