#!/usr/bin/perl

# Which target a request goes to by weights and canaries: shares, and always
# the same for the same name.

use strict;
use warnings;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";

use AI::Gateway;

my $t = AI::Gateway->new;

$t->provider(8081);

# the provider tells the model that it got: each target has one of its own

my $models = AI::Conf::models();

$t->run(gateway_conf(models => <<"EOC"));
    $models
    ai_model spread {
        price   input=1.00 output=1.00;
        target  openai weight=3 model=a;
        target  openai weight=1 model=b;
        target  openai weight=0 model=never;
        sticky  \$http_x_user;
    }
    ai_model tried {
        price   input=1.00 output=1.00;
        target  openai model=a;
        target  openai model=new canary=20;
        target  openai model=off canary=0;
        sticky  \$http_x_user;
    }
    ai_model by-tenant {
        price   input=1.00 output=1.00;
        target  openai weight=1 model=a;
        target  openai weight=1 model=b;
    }
EOC

# what served a user

sub served {
    my ($model, $user, %o) = @_;

    my $r = $t->chat({ model => $model, max_tokens => 1 }, %o,
        headers => defined $user ? { 'X-User' => $user } : {});

    return $r->status == 200 ? $r->json->{model} : 'status ' . $r->status;
}


sub counts {
    my ($model) = @_;

    my %n;

    $n{served($model, "user-$_")}++ for 1 .. 300;

    return \%n;
}

# 300 users, a binomial's deviation of 7.5: four of them either way

my $n = counts('spread');

is(join(' ', sort keys %$n), 'a b', 'those with a weight');
cmp_ok(abs($n->{a} - 225), '<', 30, 'three of four go to the heavier one');

$n = counts('tried');

is(join(' ', sort keys %$n), 'a new', 'the canary and the rest');
cmp_ok(abs($n->{new} - 60), '<', 28, 'one of five is in the canary');

# the same name, the same target

my %target = map { $_ => served('spread', "user-$_") } 1 .. 10;
my @moved = grep { served('spread', "user-$_") ne $target{$_} } 1 .. 10;

is("@moved", '', 'users stay where they are');

is(scalar(keys %{ { map { served('by-tenant', "user-$_") => 1 } 1 .. 10 } }),
    1, 'a tenant stays where it is, whatever its users are called');
is(served('by-tenant', undef, key => 'other'),
    served('by-tenant', 'x', key => 'other'), 'so does another one');

is(served('spread'), served('spread', ''), 'by tenant where sticky is empty');

# rows

my $r = $t->chat({ model => 'spread' }, headers => { 'X-User' => 'user-1' });

is($t->waitrow($r->id)->{attempts}[0]{chosen}, 'weight',
    'the row says by weight');

my ($in) = grep { served('tried', "user-$_") eq 'new' } 1 .. 300;

$r = $t->chat({ model => 'tried' }, headers => { 'X-User' => "user-$in" });

is($t->waitrow($r->id)->{attempts}[0]{chosen}, 'canary',
    'the row says canary');

$r = $t->chat;

ok(!exists $t->waitrow($r->id)->{attempts}[0]{chosen},
    'nothing where there was no choice');

# a canary that is raised keeps those that it has

my $conf = $t->read_file('nginx.conf');
my %was = map { $_ => served('tried', "user-$_") } 1 .. 100;

$conf =~ s/canary=20/canary=50/;

ok($t->reload($conf, old => 1), 'reload with a larger canary');

my @left = grep { $was{$_} eq 'new' && served('tried', "user-$_") ne 'new' }
    1 .. 100;
my @came = grep { $was{$_} eq 'a' && served('tried', "user-$_") eq 'new' }
    1 .. 100;

is("@left", '', 'nobody has left the canary');
cmp_ok(scalar(@came), '>', 10, 'and some have come');

$t->done;
