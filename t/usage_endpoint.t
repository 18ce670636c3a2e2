#!/usr/bin/perl

# GET /v1/usage against the rows: every request of a tenant, by whatever
# endpoint, is in its sums, and in those of nobody else.

use strict;
use warnings;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";

use AI::Gateway;

srand(20261121);

my $t = AI::Gateway->new(workers => 2);

$t->provider(8081);

my $tenants = join '', map { <<EOC } qw(one two);
    ai_tenant $_ {
        plan   usual;
        key    %%KEY_${_}a%% name=a;
        key    %%KEY_${_}b%% name=b;
        limit  requests 100000/day;
        limit  tokens 100000000/day;
        limit  tokens 100000000/month;
        limit  input_tokens 100000000/month;
        limit  output_tokens 100000000/day;
        limit  cost 1000/day;
        limit  cost 1000/month;
        limit  requests 100000/month per=key;
        limit  cost 1000/month per=key;
    }
EOC

$t->run(gateway_conf(tenants => $tenants));

my @hello = (messages => [ { role => 'user', content => 'Hello' } ]);

my @uses = (
    sub { [ '/v1/chat/completions', { model => 'gpt-4.1', @hello,
        max_tokens => 50 } ] },
    sub { [ '/v1/chat/completions', { model => 'gpt-4.1-mini', @hello,
        max_tokens => 50, stream => \1 } ] },
    sub { [ '/v1/responses', { model => 'gpt-4.1', input => 'x',
        max_output_tokens => 50, stream => \1 } ] },
    sub { [ '/v1/completions', { model => 'gpt-4.1', prompt => 'x',
        max_tokens => 50 } ] },
    sub { [ '/v1/embeddings', { model => 'text-embedding-3-small',
        input => 'x' } ] },
    sub { [ '/v1/messages', { model => 'claude-sonnet-4-6', @hello,
        max_tokens => 50, stream => \1 } ] },
    sub { [ '/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse',
        { contents => [ { parts => [ { text => 'x' } ] } ] } ] },
);

my @endings = ({}, {}, {}, { status => 500 }, { cut_event => 3 },
    { close => 'request' });

my $sent = 0;

for (1 .. 150) {
    my ($uri, $body) = @{ $uses[rand @uses]->() };
    my $key = (qw(onea oneb twoa twob))[rand 4];

    my $c = $t->start('POST', $uri, $body, key => $key, mock => {
        events => 1 + int rand 20, input => int rand 5000,
        %{ $endings[rand @endings] } });

    rand() < .1 ? $c->close : $c->finish;
    $sent++;
}

# a request that left before it was read has no row

my @rows;

ok(waitfor {
    my $n = 0;

    @rows = grep { $_->{state} ne 'refused' } $t->rows;

    for (@{ $t->status->{tenants} }) {
        return 0 if $_->{open};
        $n += $_->{requests};
    }

    return $n == @rows;
}, 'as many rows as requests');

cmp_ok(scalar @rows, '>', $sent * .8, @rows . ' of them');

sub nanos { return ($_[0] // '0') =~ s/\.//r + 0 }

sub sums {
    my (@of) = @_;

    my %s = map { $_ => 0 } qw(requests tokens input_tokens output_tokens
        cost_usd);

    for (@of) {
        $s{requests} += $_->{state} ne 'refused';
        $s{input_tokens} += $_->{input_tokens} // 0;
        $s{output_tokens} += $_->{output_tokens} // 0;
        $s{cost_usd} += nanos($_->{cost_usd});
    }

    $s{tokens} = $s{input_tokens} + $s{output_tokens};

    return \%s;
}

sub in_nanos { return { %{ $_[0] }, cost_usd => nanos($_[0]{cost_usd}) } }

sub check {
    my ($how) = @_;

    for my $tenant (qw(one two)) {
        my $all = sums(grep { $_->{tenant} eq $tenant } @rows);

        for my $name (qw(a b)) {
            my $u = $t->get('/v1/usage', key => "$tenant$name")->json;
            my $key = sums(grep { $_->{tenant} eq $tenant
                && $_->{key} eq $name } @rows);

            is_deeply(in_nanos($u->{today}), $all, "$how: $tenant today");
            is_deeply(in_nanos($u->{month}), $all, "$how: $tenant this month");

            my @wrong;

            for my $l (@{ $u->{limits} }) {
                my $of = $l->{scope} eq 'key' ? $key : $all;
                my $money = $l->{resource} eq 'cost';
                my $want = $of->{ $money ? 'cost_usd' : $l->{resource} };
                my ($used, $left, $limit) = map {
                    $money ? nanos($l->{$_}) : $l->{$_} }
                    qw(used remaining limit);

                push @wrong, "$l->{scope} $l->{resource}: $used, not $want"
                    if $used != $want || $left != $limit - $used;
            }

            is("@wrong", '', "$how: limits of $tenant and its key $name");
            is(scalar @{ $u->{limits} }, 9, "$how: all of them");
        }
    }
}

check('served');

# the same in /ai/status

for my $s (@{ $t->status->{tenants} }) {
    is_deeply(in_nanos($s->{month}), sums(grep {
        $_->{tenant} eq $s->{name} } @rows), "status of $s->{name}");
}

$t->reload;
check('reloaded');

ok($t->stop, 'stops');
$t->run;
check('started again');

$t->done;
