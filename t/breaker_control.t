#!/usr/bin/perl

# /ai/control: targets as the operator sees them; weights and breakers set at
# run time, which survive reloads; commands that are wrong change nothing.

use strict;
use warnings;

use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use AI::Gateway;

my $t = AI::Gateway->new(workers => 2);

$t->write_file('second.key', "sk-provider-second-0123456789\n");
$t->provider(8081);
$t->run(conf(weight => 5));

# the list

my $list = control('');

is(scalar(@$list), 5, 'all targets');
is_deeply([ map { "$_->{target} $_->{kind} $_->{provider}" } @$list[0 .. 2] ],
    [ 'openai target openai', 'azure target azure', 'spare fallback spare' ],
    'targets in order, then fallbacks');

my $azure = azure();

is($azure->{model}, 'gpt-4.1', 'model');
is($azure->{provider_model}, 'gpt-41-prod', 'name of the model there');
is($azure->{state}, 'ready', 'state');
is($azure->{weight}, 5, 'weight');
is_deeply($azure->{breaker}, { mode => 'auto', open => \0, half_open => \0,
    next_probe_ms => 0, failures => 0, window => 0, window_failed => 0,
    opened => 0 }, 'breaker')
    or diag explain $azure->{breaker};
is_deeply($azure->{quota}, { requests => undef, tokens => undef },
    'nothing was announced');
is_deeply($azure->{keys}, { configured => 2, resting => 0 }, 'keys');
is($azure->{gate}, undef, 'no capacity of its own');
is($azure->{provider_gate}{capacity}, 200, 'capacity of the provider');
is($list->[0]{provider_gate}, undef, 'a provider without a capacity');

is(scalar(@{ control('?model=gpt-4.1') }), 3, 'those of a model');
is(scalar(@{ control('?model=gpt-4') }), 3, 'of an alias');
is(scalar(@{ control('?model=gpt-4.1&target=azure') }), 1, 'one of them');

# a weight, for all workers, through a reload

my $set = post('?model=gpt-4.1&target=azure&weight=0');

is($set->status, 200, 'a weight is set');
is($set->json->{targets}[0]{weight}, 0, 'it answers with the target');
is($set->json->{targets}[0]{configured_weight}, 5, 'and what is configured');
like($t->log, qr/\[notice\].* ai\ target\ "azure"\ of\ model\ "gpt-4\.1":
    \ weight\ 5\ to\ 0,\ set\ by\ 127\.0\.0\.1/x, 'the log says who');

is_deeply([ map { azure()->{weight} } 1 .. 10 ], [ (0) x 10 ],
    'all workers know');

$t->reload;
is(azure()->{weight}, 0, 'a reload keeps it');

$t->kill_worker('KILL', $_) for $t->workers;
ok(waitfor { $t->workers == 2 }, 'workers are killed');
is(azure()->{weight}, 0, 'killed workers keep it');

$t->reload(conf(weight => 7));
is(azure()->{weight}, 7, 'the configuration has another weight: that holds');

# a breaker

is(post('?model=gpt-4.1&target=azure&breaker=open&weight=9')->status, 200,
    'a breaker and a weight');
like($t->log, qr/weight 7 to 9, breaker auto to open, set by/, 'one line');

$azure = azure();
is($azure->{state}, 'open', 'opened by hand');
is($azure->{breaker}{mode}, 'open', 'mode');
is($azure->{weight}, 9, 'and weighed');

$t->reload(conf(weight => 7));
is(azure()->{state}, 'open', 'a reload keeps it');

my $m = $t->metrics;

is($m->{'ai_target_open{model="gpt-4.1",target="azure"}'}, 1, 'metric');
is($m->{'ai_target_weight{model="gpt-4.1",target="azure"}'}, 9, 'weight');
is($m->{'ai_target_attempts_total{model="gpt-4.1",target="azure"}'}, 0,
    'attempts');
is($m->{'ai_gate_capacity{provider="azure"}'}, 200, 'capacity');
is($m->{'ai_gate_taken{provider="azure"}'}, 0, 'taken');
is($m->{'ai_provider_keys_resting{provider="azure"}'}, 0, 'keys');

is_deeply([ map { "$_->{target} $_->{state}" } @{ $t->status->{targets} } ],
    [ 'openai ready', 'azure open', 'spare ready', 'openai ready',
      'azure ready' ], 'status has them');

is(post('?model=gpt-4.1&target=azure&breaker=close')->status, 200,
    'closed by hand');
is(azure()->{breaker}{mode}, 'close', 'mode');
is(azure()->{state}, 'ready', 'ready');
is(post('?model=gpt-4.1&target=azure&breaker=auto')->status, 200, 'automatic');
is(azure()->{breaker}{mode}, 'auto', 'mode');

is(post('?model=gpt-4.1%2Dmini&target=azure&weight=100')->status, 200,
    'escaped');

# what is wrong changes nothing, and is named

my $before = control('');
my $a = 'model=gpt-4.1&target=azure';

wrong('?model=gpt-4.1&weight=1', 'target', 'missing argument');
wrong('?target=azure&weight=1', 'model', 'missing argument');
wrong('', 'model', 'missing argument');
wrong("?$a", undef, '"weight" or "breaker" is missing');
wrong('?model=none&target=azure&weight=1', 'model', 'no such model');
wrong('?model=gpt-4.1&target=none&weight=1', 'target',
    'the model has no such target');
wrong("?$a&weigth=1", 'weigth=1', 'unknown argument');
wrong("?$a&weight=1&weight=2", 'weight=2', 'duplicate argument');
wrong("?$a&weight=", 'weight=', 'invalid value');
wrong("?$a&weight", 'weight', 'invalid value');
wrong("?$a&weight=" . '1' x 300, qr/^weight=1+$/, 'invalid value');
wrong("?$a&weight=$_", 'weight', 'a weight must be 0 to 65535')
    for qw(-1 1.5 65536 one 0x1 %00 1%00);
wrong("?$a&breaker=$_", 'breaker', 'a breaker is set to open, close or auto')
    for qw(closed OPEN 1);
wrong("?$a&weight=3&breaker=shut", 'breaker', qr/^a breaker is set/);
wrong("?$a&breaker=open&weight=x", 'weight', qr/^a weight must be/);
wrong('?model=gpt-4.1&target=spare&weight=1', 'weight',
    'a fallback has no weight');
wrong("?$a&%22%01=1", '%22%01=1', 'unknown argument');

# reading never changes

my $r = $t->get("/ai/control?$a&weight=3", key => undef);

is($r->status, 400, 'GET of a change');
is($r->json->{error}{message}, 'changes are made by POST', 'says so');
is($t->request('HEAD', '/ai/control', undef, key => undef)->status, 200,
    'HEAD');
is($t->request('PUT', "/ai/control?$a&weight=3", '', key => undef)->status,
    405, 'PUT');
is($t->post("/ai/control?$a&weight=3", 'x' x 100000, key => undef)->status,
    200, 'a body is not looked at');

post("?$a&weight=9");
is_deeply(control(''), $before, 'nothing was changed');

# who may is the location's affair

is($t->get('/denied', key => undef)->status, 403, 'not for everybody');
is($t->post("/denied?$a&weight=3", '', key => undef)->status, 403,
    'nor a change');
is(azure()->{weight}, 9, 'which did nothing');

unlike($t->get('/ai/control', key => undef)->body, qr/sk-|sk_ai_|sha256/,
    'no secrets');

$t->allow(qr/exited on signal 9/);
# the new workers have written rows, and read them

$t->waitrow($_->id) for map { $t->chat({}) } 1 .. 8;
$t->mark;

$t->done;


sub conf {
    my (%o) = @_;

    my $provider = sub { AI::Conf::provider(@_) };

    return gateway_conf(
        providers => $provider->('openai')
            . $provider->('openai', name => 'spare')
            . $provider->('azure', extra => 'capacity 200 queue=10; '
                . 'key file:%%DIR%%/second.key;'),
        models => <<"EOF", server => 'location = /denied { ai_control; deny all; }');
    ai_model gpt-4.1 {
        price     input=2.00 output=8.00;
        fallback  spare model=gpt-4.1;
        target    openai weight=95;
        target    azure weight=$o{weight} model=gpt-41-prod;
    }

    ai_model gpt-4.1-mini {
        price     input=2.00 output=8.00;
        target    openai;
        target    azure;
    }

    ai_alias gpt-4 gpt-4.1;
EOF
}


sub control {
    my ($args) = @_;

    my $r = $t->get("/ai/control$args", key => undef);

    $r->status == 200 or die 'control: ' . $r->status . "\n";

    return $r->json->{targets};
}


sub azure {
    return (grep { $_->{model} eq 'gpt-4.1' && $_->{target} eq 'azure' }
        @{ control('') })[0];
}


sub post { return $t->post("/ai/control$_[0]", '', key => undef) }


sub wrong {
    my ($args, $param, $text) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $r = post($args);
    my $e = $r->json->{error};
    my $ok = $r->status == 400
        && (ref $text ? $e->{message} =~ $text : $e->{message} eq $text)
        && (ref $param ? $e->{param} =~ $param
            : ($e->{param} // '') eq ($param // ''));

    ok($ok, "wrong: $args") or diag($r->status . ' ' . $r->body);
}
