#!/usr/bin/perl

# Rates: each resource by each period, depth and refill; a client that waits
# as long as it was told passes.

use strict;
use warnings;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";

use Time::HiRes qw(time sleep);

use AI::Gateway;

my $t = AI::Gateway->new;

$t->provider(8081);

# what a request takes: 11 input and 8 output tokens, 0.000086 USD; its guess
# and its bound are kept near by the cap and a short body

my $body = { model => 'gpt-4.1', max_tokens => 8,
    messages => [ { role => 'user', content => 'Hello' } ] };

# name => [ limit, how many pass at once (undef: some), the code refused with ]

my $rate = 'rate_limit_exceeded';
my $quota = 'insufficient_quota';

my %limits = (
    rs => [ 'requests 2/s', 2, $rate ],
    rm => [ 'requests 120/m burst=3', 3, $rate ],
    rh => [ 'requests 7200/h burst=2', 2, $rate ],
    rdeep => [ 'requests 4/s burst=9', 9, $rate ],
    ts => [ 'tokens 100/s', undef, $rate ],
    tm => [ 'tokens 3000/m burst=100', undef, $rate ],
    th => [ 'tokens 180000/h burst=100', undef, $rate ],
    is => [ 'input_tokens 100/s', undef, $rate ],
    im => [ 'input_tokens 3000/m burst=100', undef, $rate ],
    ih => [ 'input_tokens 180000/h burst=100', undef, $rate ],
    os => [ 'output_tokens 40/s', 5, $rate ],
    om => [ 'output_tokens 1200/m burst=40', 5, $rate ],
    oh => [ 'output_tokens 72000/h burst=40', 5, $rate ],
    cs => [ 'cost 0.0004/s', undef, $quota ],
    cm => [ 'cost 0.024/m burst=0.0004', undef, $quota ],
    ch => [ 'cost 1.44/h burst=0.0004', undef, $quota ],
    zs => [ 'requests 0/s', 0, $rate ],
    zc => [ 'cost 0/m', 0, $quota ],
    zt => [ 'tokens 0/h', 0, $rate ],
    zi => [ 'input_tokens 0/day', 0, $quota ],
    zz => [ 'concurrency 0', 0, $rate ],
    none => [ '', 60, '' ],
);

$t->run(gateway_conf(tenants => join '', map { <<EOC } sort keys %limits));
    ai_tenant $_ {
        plan   usual;
        key    %%KEY_$_%% name=prod;
        @{[ $limits{$_}[0] ? "limit $limits{$_}[0];" : '' ]}
    }
EOC

for my $name (sort keys %limits) {
    my ($limit, $want, $code) = @{ $limits{$name} };

    my ($n, $r) = (0);
    my $begun = time();

    for (1 .. 60) {
        $r = $t->chat($body, key => $name);
        last if $r->status != 200;
        $n++;
    }

    my $took = time() - $begun;

    if ($name eq 'none') {
        is($n, 60, 'no limit refuses nothing');
        next;
    }

    is($r->status, 429, "$limit: refused in the end");
    is($r->json->{error}{code}, $code, "$limit: in its own words");

    # a slow machine lets a few more through while it asks

    if (defined $want) {
        my $more = $want ? 1 + int 10 * $took : 0;

        ok($n >= $want && $n <= $want + $more,
            "$limit: $n pass at once");

    } else {
        ok($n >= 1 && $n < 40, "$limit: some pass at once");
    }

    if (!$want && defined $want) {
        is($r->header('x-should-retry'), 'false',
            "$limit: waiting does not help") if $name ne 'zz';
        next;
    }

    if ($code eq $quota) {
        is($r->header('x-should-retry'), 'false', "$limit: a budget");
        is($r->header('retry-after'), undef, "$limit: is not waited for");

        my ($wait) = $r->json->{error}{message} =~ /try again in ([\d.]+m?s)/;

        like($wait // '', qr/^[\d.]+m?s$/, "$limit: but says how long");

        $wait = $wait =~ /(.*)ms$/ ? $1 / 1000 : $wait =~ s/s$//r;

        cmp_ok($wait, '<=', 1, "$limit: not long");
        sleep $wait;
        is($t->chat($body, key => $name)->status, 200, "$limit: which holds");
        next;
    }

    my $ms = $r->header('retry-after-ms');

    ok($ms && $ms >= 1 && $ms <= 1000, "$limit: wait for $ms ms");
    is($r->header('retry-after'), 1, "$limit: in whole seconds");

    sleep $ms / 1000;

    is($t->chat($body, key => $name)->status, 200, "$limit: which is true");
}

# in the words of the other dialects

my $anthropic = { model => 'claude-sonnet-4-6', max_tokens => 8,
    messages => [ { role => 'user', content => 'Hello' } ] };

my $r;

for (1 .. 5) {
    $r = $t->post('/v1/messages', $anthropic, key => 'rh');
    last if $r->status != 200;
}

is($r->status, 429, 'Anthropic: refused');
is($r->json->{error}{type}, 'rate_limit_error', 'Anthropic: type');
ok($r->header('retry-after'), 'Anthropic: retry-after');

$r = $t->post('/v1/messages', $anthropic, key => 'zc');

is($r->json->{error}{type}, 'rate_limit_error', 'Anthropic: a budget too');
is($r->header('x-should-retry'), 'false', 'Anthropic: not to be retried');

for (1 .. 5) {
    $r = $t->post('/v1beta/models/gemini-2.5-flash:generateContent',
        { contents => [ { parts => [ { text => 'x' } ] } ] }, key => 'rh',
        auth => 'x-goog-api-key');
    last if $r->status != 200;
}

is($r->json->{error}{status}, 'RESOURCE_EXHAUSTED', 'Gemini: status');
like($r->json->{error}{details}[0]{retryDelay}, qr/^[\d.]+s$/,
    'Gemini: how long');

# nothing of what was refused reached a provider, or was counted

is($t->get('/v1/usage', key => 'zs')->json->{month}{requests}, 0,
    'refused requests are not counted');

for ([ zs => 'rate' ], [ zc => 'budget' ], [ zz => 'concurrency' ]) {
    my ($name, $reason) = @$_;

    cmp_ok($t->metrics->{qq(ai_tenant_refused_total{tenant="$name",)
        . qq(reason="$reason"})} // 0, '>', 0, "refused by $reason, counted");
}

# concurrency

my $p = $t->{providers}{8081};

$t->reload(gateway_conf(tenants => <<'EOC'));
    ai_tenant two {
        plan   usual;
        key    %%KEY_two%% name=prod;
        limit  concurrency 2;
    }
EOC

my @c = map { $t->start_chat($body, key => 'two', mock => { wait => 20 }) }
    1 .. 2;

waitfor { $p->state->{open} == 2 } or diag('requests did not start');

$r = $t->chat($body, key => 'two');

is($r->status, 429, 'a third at the same time');
is($r->json->{error}{code}, $rate, 'is a rate');
is($r->header('retry-after'), 1, 'to be tried again');

$c[0]->close;

ok(waitfor { $t->chat($body, key => 'two')->status == 200 },
    'passes when one has ended');

$_->close for @c;

$t->done;
