#!/usr/bin/perl

# A database of an older version is migrated: plans whose priority and share
# contradicted each other become what gateways took them for.

use strict;
use warnings;

use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";

use File::Basename qw(basename);
use File::Copy qw(copy);

use AI::Postgres;

my $top = "$FindBin::Bin/..";
my $pg = AI::Postgres->new(schema => 0);

migrate(11);

$pg->psql("SELECT ai.create_plan('none', priority => 'guaranteed');
    SELECT ai.create_plan('effort', share => 30);
    SELECT ai.create_plan('own', priority => 'dedicated', share => 50);
    SELECT ai.create_plan('usual', models => '{gpt-*}', queue => 5);
    SELECT ai.create_tenant('acme', 'none');");

my $mark = $pg->value("SELECT mark FROM ai.directory('', '', 1000)
    WHERE kind = 'end'");

migrate(12);

is($pg->value("SELECT string_agg(concat_ws(' ', name, priority, share, cache,
    cache_price, cache_ttl), ', ' ORDER BY name) FROM ai.plans"),
    'effort best_effort f 10, none best_effort f 10, own dedicated 50 f 10, '
    . 'usual best_effort f 10', 'plans');
is($pg->value("SELECT string_agg(arguments ->> 'name', ' ' ORDER BY id)
    FROM ai.audit WHERE arguments ->> 'share' = '0'"), 'none effort',
    'the audit names those that changed');

# gateways of the version before are told of them, and know every word

is($pg->value("SELECT string_agg(name, ' ') FROM ai.directory('$mark', '', 99)
    WHERE kind = 'p'"), 'effort none', 'gateways are told');
is($pg->value("SELECT count(*) FROM ai.directory('', '', 99)
    WHERE kind = 'p' AND doc LIKE '%cache%'"), 0, 'of no word that is new');
is($pg->value("SELECT count(*) FROM ai.hello(gen_random_uuid(), 'old', '1',
    11)"), 1, 'and are served');

$pg->psql("SELECT ai.set_plan('usual', cache => true)", role => 'ai_admin');
is($pg->value("SELECT doc LIKE E'%\\nqueue 5 2000\\ncache 10 0\\n%'
    FROM ai.feed_plans WHERE name = 'usual'"), 't', 'a plan with a cache');

done_testing();


# all migrations up to one

sub migrate {
    my ($last) = @_;

    my $dir = "$pg->{dir}/upgrade";

    mkdir $_ for $dir, "$dir/sql", "$dir/tools";

    for (glob "$top/sql/*.sql") {
        copy($_, "$dir/sql/") if substr(basename($_), 0, 3) <= $last;
    }

    copy("$top/tools/db", "$dir/tools/");

    local $ENV{DB_QUIET} = 1;

    system('bash', "$dir/tools/db", 'migrate', '-h', "$pg->{dir}/socket",
        '-p', $pg->{port}, '-U', 'postgres', '-d', 'ai') == 0
        or die "migration failed\n";
}
