#!/usr/bin/perl

# A server that is another one than before: a backup of some time ago.  What
# came since is not in it, and the gateway cannot know; its tenants are those of
# the backup at once, new rows flow, and rows that are still in the ledger's
# directory can be sent again.

use strict;
use warnings;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";

use AI::Faults qw(books_balance);
use AI::Gateway;
use AI::Postgres;
use AI::Proxy;

my $t = AI::Gateway->new;
my $pg = AI::Postgres->new($t);
my $x = AI::Proxy->new($t, "127.0.0.1:$pg->{port}");
my %ids;

$t->provider(8081);
admin(q{create_plan('pro', models => '{*}')});
admin(q{create_tenant('before', 'pro')});

my $before = key_of('before');

$t->run(gateway_conf(http => $pg->conf(timeout => '2s', poll => '200ms',
    server => '127.0.0.1:' . $x->port)));

chats(5);
ok((waitfor { in_pg() == 5 }), 'rows before the backup');
$pg->backup('backup');

admin(q{create_tenant('since', 'pro')});

my $since = key_of('since');

ok((waitfor { status($since) == 200 }), 'a tenant since then');
chats(10);
ok((waitfor { in_pg() == 15 }), 'rows since then');

# restored out of the gateway's sight, and busy before it comes back, so that
# its transactions are past those that the gateway has seen

$x->command('refuse');
$x->command('close');
$pg->restore('backup');
is(in_pg(), 5, 'the backup has the first rows');
$pg->psql('SELECT txid_current();' x 2000);
chats(3);
$x->command('accept');

ok((waitfor { status($since) == 401 } 15),
    'who is not in the backup is not let in');
is(status($before), 200, 'who is in it is');
ok((waitfor { in_pg() == 8 } 15), 'new rows flow');
is(quarantined(), 0, 'none is odd');

# the rest, as far as the ledger's directory has it

ok($t->stop, 'nginx leaves');
unlink "$t->{dir}/ledger/ship.cursor";
unlink "$t->{dir}/nginx.pid";
$t->run;

ok((waitfor { in_pg() == keys %ids } 15), 'without its cursor all is sent again');
is(quarantined(), 0, 'and known where it was');

my %rows = map { $_->[0] => 1 } $pg->rows('SELECT id FROM ai.usage_logs');

is(scalar(grep { !$rows{$_} } keys %ids), 0, 'each request has its row');
books_balance($pg);

$t->done;


sub admin { return $pg->psql("SELECT ai.$_[0]", role => 'ai_admin') }

sub key_of {
    my ($tenant) = @_;

    my ($key) = admin("create_key('$tenant', 'prod')") =~ /(sk_ai_\w+)/
        or die "no key\n";

    return $key;
}


sub status { return $t->get('/v1/usage', key => $_[0])->status }

sub in_pg { return $pg->value('SELECT count(*) FROM ai.usage_logs') }

sub quarantined { return $pg->value('SELECT count(*) FROM ai.quarantine') }

sub chats {
    my ($n) = @_;

    for (1 .. $n) {
        my $r = $t->chat;
        $ids{ $r->id } = 1 if $r->status == 200;
    }
}
