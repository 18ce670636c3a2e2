#!/usr/bin/perl

# A model without a price in nginx.conf has the directory's, as it is when the
# request is admitted; without any, it is not served.

use strict;
use warnings;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";

use AI::Feed;
use AI::Gateway;

my $t = AI::Gateway->new;
my $feed = AI::Feed->new($t);

$t->provider(8081);

# 11 input and 8 output tokens each

my $body = {
    max_tokens => 8, messages => [ { role => 'user', content => 'Hello' } ],
};

$t->run(gateway_conf(http => $feed->conf, models => AI::Conf::models() . <<'EOF'));
    ai_model listed   { target openai; }
    ai_model variant  { target openai; }
    ai_model nowhere  { target openai; }
    ai_model later    { target openai; }
    ai_alias short    listed;
EOF

$feed->price('listed', 'price standard 0 0 input=1000000000 output=3000000000');
$feed->price('variant', 'price standard 0 0 input=9000000000 output=9000000000');
$feed->price('later',
    'price standard 0 4102444800 input=1000000000 output=3000000000');
$feed->price('gpt-4.1', 'price standard 0 0 input=1 output=1');
$feed->put;

is(cost('listed'), '0.000035000', 'by the directory');
is(cost('short'), '0.000035000', 'by an alias');
is(cost('gpt-4.1'), '0.000086000', 'nginx.conf wins');
is(cost('listed', served_model => 'variant'), '0.000171000',
    'by the model that served');
is(cost('listed', served_model => 'nowhere'), '0.000035000',
    'which has a price');

for my $model ('nowhere', 'later') {
    my $r = $t->chat({ %$body, model => $model });

    is($r->status, 503, "$model: not served");
    is($r->json->{error}{code}, 'gateway_unavailable', "$model: for now");
    $t->chat({ %$body, model => $model });
}

my @lines = $t->log =~ /\[error\].*no price that holds now for ai_model "(\w+)"/g;

is_deeply([ sort @lines ], [ 'later', 'nowhere' ], 'one line for each');

# a new price while a request runs

my $c = $t->start_chat({ %$body, model => 'listed' }, mock => { wait => 0.6 });

waitfor { $t->status->{zone}{holds} == 1 } or diag('request did not start');

$feed->price('listed', 'price standard 0 0 input=2000000000 output=6000000000');
$feed->put;

my $old = $t->waitrow($c->finish->id);
my $new = $t->waitrow($t->chat({ %$body, model => 'listed' })->id);

is($old->{cost_usd}, '0.000035000', 'a request keeps the price it came for');
is($new->{cost_usd}, '0.000070000', 'the next one has the new one');
isnt($old->{price_version}, $new->{price_version}, 'which has a version');

# one line cannot be read: the price is gone, not guessed

$feed->price('listed', 'price standard 0 0 input=cheap')->put;
is($t->chat({ %$body, model => 'listed' })->status, 503, 'damaged');

undef $c;

$t->done;


sub cost {
    my ($model, %mock) = @_;

    my $r = $t->chat({ %$body, model => $model }, mock => \%mock);

    return $t->waitrow($r->id)->{cost_usd};
}
