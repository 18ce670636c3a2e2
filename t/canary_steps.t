#!/usr/bin/perl

# A canary in steps: the operator raises it, each user stays where it was, and it
# steps back by itself when it errs too often or is too slow, which no client
# sees.

use strict;
use warnings;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";

use AI::Chain;
use AI::Gateway;

my $t = AI::Gateway->new;
my $c = AI::Chain->new($t, [ qw(old new slow) ]);

$t->run(gateway_conf($c->conf(
    models => <<'EOC',
    ai_model errs {
        price   input=1.00 output=1.00;
        target  old;
        target  new canary=5 errors=20% requests=20 window=1m;
        sticky  $http_x_user;
    }
    ai_model late {
        price   input=1.00 output=1.00;
        target  old;
        target  slow canary=50 p99=100ms requests=20 window=1m;
        sticky  $http_x_user;
    }
EOC
    location => 'ai_route_header on;')));

my @users = map { "user-$_" } 1 .. 400;

# each step adds users to the canary and takes none of them away

my %before;

for my $step (5, 15, 30, 50, 100) {
    is($t->post("/ai/control?model=errs&target=new&weight=$step", '')->status,
        200, "weight $step");

    my %now = map { $_ => served('errs', $_) } @users;
    my $share = 100 * grep({ $_ eq 'new' } values %now) / @users;

    # three and a half standard deviations

    cmp_ok(abs($share - $step), '<=', 3.5 * sqrt($step * (100 - $step) / @users),
        "at $step% it gets $share%");
    is(scalar(grep { $now{$_} ne 'new' } keys %before), 0, 'and loses nobody');

    %before = map { $_ => 1 } grep { $now{$_} eq 'new' } keys %now;
}

is($t->post('/ai/control?model=errs&target=new&weight=15', '')->status, 200,
    'back to 15');

my ($canary) = grep { served('errs', $_) eq 'new' } @users;

is(served('errs', $canary), 'new', 'a user of it') for 1 .. 3;

# it fails: every request is answered by the other target, and it steps back

$c->provider('new')->behave({ status => 500 });

for my $step (5, 0) {
    ok((waitfor {
        served('errs', $_) for @users;
        target('errs', 'new')->{weight} == $step;
    } 20), "steps back to $step%");
    ok($t->waitlog(qr/canary stepped back .*to $step%/), 'the log says so');
}

$c->provider('new')->behave({});

is(scalar(grep { served('errs', $_) eq 'new' } @users[0 .. 99]), 0,
    'nobody is left there');

# too slow a first byte does the same

$c->provider('slow')->behave({ wait => 0.15 });

my $asked = 0;

ok((waitfor {
    served('late', $users[$asked++ % @users]);
    target('late', 'slow')->{weight} == 30;
} 20), 'a slow one steps back');

$t->done;


# the provider that served a user; no request may fail

sub served {
    my ($model, $user) = @_;

    my $r = $t->chat({ model => $model, max_tokens => 1 },
        headers => { 'X-User' => $user });

    fail("$model for $user: " . $r->status) if $r->status != 200;

    return $r->header('x-ai-route') =~ m{^(\w+)/} ? $1 : '';
}


sub target {
    my ($model, $name) = @_;

    my ($found) = grep { $_->{target} eq $name }
        @{ $t->get("/ai/control?model=$model")->json->{targets} };

    return $found;
}
