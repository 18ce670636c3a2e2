#!/usr/bin/perl

# What is known at run time: the target that answers first is preferred, and
# weights that the operator has set hold.

use strict;
use warnings;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";

use AI::Gateway;

my $t = AI::Gateway->new;

my %p = (one => $t->provider(8081), two => $t->provider(8082));

my $providers = AI::Conf::provider('openai', name => 'one')
    . AI::Conf::provider('openai', name => 'two', port => 8082,
        upstream => 'other');

$t->run(gateway_conf(providers => $providers, models => <<'EOC',
    ai_model m {
        price   input=1.00 output=1.00;
        target  one model=one;
        target  two model=two;
        prefer  latency;
    }
    ai_model weighted {
        price   input=1.00 output=1.00;
        target  one model=a name=a;
        target  one model=b name=b weight=0;
        target  one model=c name=c canary=0;
    }
    ai_model alone {
        price   input=1.00 output=1.00;
        target  one;
    }
    ai_model backed {
        price     input=1.00 output=1.00;
        target    one;
        fallback  one model=last name=last;
    }
EOC
    http => 'upstream other { server 127.0.0.1:%%PORT_8082%%; }'));

sub ask { return $t->chat({ model => $_[0], max_tokens => 1 }) }

sub served {
    my $r = ask(@_);

    return $r->status == 200 ? $r->json->{model} : 'status ' . $r->status;
}

sub counts {
    my ($times) = @_;

    my %n = (one => 0, two => 0);

    $n{served('m')}++ for 1 .. $times;

    return \%n;
}

# both become known, though one is much slower

my %slow = (wait => 0.1);

$p{one}->behave(\%slow);

my %seen;

waitfor { $seen{served('m')}++; return keys %seen == 2 } 60;

is(join(' ', sort keys %seen), 'one two', 'each is tried');

my $n = counts(80);

cmp_ok($n->{two}, '>', 60, 'the faster one is preferred')
    or diag(explain($n));

my ($row) = grep { ($_->{attempts}[0]{chosen} // '') eq 'latency' }
    $t->waitrows(81);

is($row->{attempts}[0]{model}, 'two', 'the row says by latency');

# they change places

$p{one}->behave({});
$p{two}->behave({ wait => 0.3 });

my $left = waitfor { counts(8)->{one} >= 6 } 60;

ok($left, 'what became slow is left');

# weights at run time

sub control {
    my ($model, $target, $weight) = @_;

    return $t->post("/ai/control?model=$model&target=$target&weight=$weight",
        '', key => undef)->status == 200;
}

is(served('weighted'), 'a', 'the one with a weight');

ok(control('weighted', 'b', 65535) && control('weighted', 'a', 0),
    'weights are set');
is(served('weighted'), 'b', 'and hold');

ok(control('weighted', 'c', 100), 'a canary of all');
is(served('weighted'), 'c', 'takes all');
ok(control('weighted', 'c', 0), 'and steps back');
is(served('weighted'), 'b', 'and takes none');

is(served('alone'), 'alone', 'one target');
ok(control('alone', 'one', 0), 'it is drained');

my $r = ask('alone');

is($r->status, 503, 'and no other is there');
is($r->json->{error}{code}, 'upstream_error', 'code');

ok(control('alone', 'one', 1), 'it comes back');
is(served('alone'), 'alone', 'and serves');

ok(control('backed', 'one', 0), 'one with a fallback is drained');

$r = ask('backed');

is($r->json->{model}, 'last', 'the fallback serves');
is($t->waitrow($r->id)->{attempts}[0]{chosen}, 'fallback', 'and says so');

$t->done;
