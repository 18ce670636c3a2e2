#!/usr/bin/perl

# The tenant's own limits in response headers, in the dialect's format, in
# place of the provider's.

use strict;
use warnings;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";

use Time::HiRes qw(sleep);
use Time::Local qw(timegm);

use AI::Gateway;

my $t = AI::Gateway->new;

$t->provider(8081);

$t->run(gateway_conf(tenants => <<'EOC'));
    ai_tenant acme {
        plan   usual;
        key    %%KEY_acme%% name=prod;
        key    %%KEY_tight%% name=tight;
        limit  requests 60/m burst=5;
        limit  requests 1000/day;
        limit  tokens 6000/m;
        limit  input_tokens 4000/m;
        limit  output_tokens 3000/h;
        limit  cost 5/month;
        limit  requests 60/m burst=3 key=tight;
    }
    ai_tenant windows {
        plan   usual;
        key    %%KEY_windows%% name=prod;
        limit  requests 10/day;
        limit  tokens 1000000/month;
    }
    ai_tenant none {
        plan   usual;
        key    %%KEY_none%% name=prod;
    }
EOC

my $foreign = { headers => {
    'x-ratelimit-limit-requests' => 777777, 'x-ratelimit-remaining-tokens' => 777777,
    'x-ratelimit-reset-requests' => '777777s', 'retry-after' => '777777',
    
    'anthropic-ratelimit-requests-limit' => 777777,
    'anthropic-ratelimit-tokens-reset' => '2031-01-01T00:00:00Z',
    'x-request-id' => 'req_777777', 'openai-organization' => 'org-777777',
    'anthropic-organization-id' => 'org-777777' } };

sub limits {
    my ($r) = @_;

    return join ' ', map { s/^.*ratelimit-//r } sort
        grep { /ratelimit/ } keys %{ $r->{headers} };
}

sub h { return $_[0]->header($_[1]) // 'none' }

sub seconds {
    my ($text) = @_;

    return undef if $text !~
        /^(?:(\d+)h)?(?:(\d+)m(?!s))?(?:([\d.]+)(ms|s))?$/;

    return ($1 || 0) * 3600 + ($2 || 0) * 60
        + ($3 || 0) / (($4 || '') eq 'ms' ? 1000 : 1);
}

# ---- OpenAI ----

my $r = $t->chat(undef, mock => $foreign);

is(limits($r), 'limit-requests limit-tokens remaining-requests '
    . 'remaining-tokens reset-requests reset-tokens', 'OpenAI: names');
is(h($r, 'x-ratelimit-limit-requests'), 60, 'OpenAI: the rate');
is(h($r, 'x-ratelimit-remaining-requests'), 4, 'OpenAI: what is left of it');
is(h($r, 'x-ratelimit-limit-tokens'), 6000, 'OpenAI: tokens');

my $left = h($r, 'x-ratelimit-remaining-tokens');

ok($left < 6000 && $left > 5000, "OpenAI: $left tokens are left");

my $reset = seconds(h($r, 'x-ratelimit-reset-requests'));

ok($reset > 0 && $reset <= 1, "OpenAI: whole again in $reset s");
isnt($r->id, 'req_777777', 'the id is ours');
unlike($r->{raw_head}, qr/777777|2031/, 'nothing of the provider\'s');

# the figures are true: as many pass as are left, and after the time that is
# told all of them are back

my $n = 0;

$r = $t->chat(undef, key => 'tight');
$left = h($r, 'x-ratelimit-remaining-requests');
$reset = seconds(h($r, 'x-ratelimit-reset-requests'));

is($left, 2, 'the tighter limit, of the key, is told');

$n++ while $n < 10 && ($r = $t->chat(undef, key => 'tight'))->status == 200;

ok($n >= $left && $n <= $left + 1, "of $left left $n pass");
is($r->status, 429, 'then none');
is(h($r, 'x-ratelimit-remaining-requests'), 0, 'and none is told');

$reset = seconds(h($r, 'x-ratelimit-reset-requests'));
ok($reset > 1 && $reset <= 5, "all are back in $reset s");
sleep $reset;

$r = $t->get('/v1/models', key => 'tight');

is(h($r, 'x-ratelimit-remaining-requests'), 3, 'after which they are');

# streams, and answers of the gateway itself

$r = $t->chat({ stream => \1 }, mock => $foreign);
like(limits($r), qr/remaining-requests/, 'a stream has them');
unlike($r->{raw_head}, qr/777777/, 'and not the provider\'s');

$r = $t->chat({ model => 'nope' });
is($r->status, 404, 'a refusal');
like(limits($r), qr/remaining-requests/, 'has them');

$r = $t->chat(undef, mock => { status => 500, %$foreign });
like(limits($r), qr/remaining-requests/, 'an error has them');
unlike($r->{raw_head}, qr/req_777777|ratelimit\S*: 777777/,
    'and not the provider\'s');
is(h($r, 'retry-after'), 777777, 'but its word when to come again');

# ---- Anthropic ----

$r = $t->post('/v1/messages', { model => 'claude-sonnet-4-6',
    max_tokens => 8, messages => [ { role => 'user', content => 'x' } ] },
    auth => 'x-api-key', mock => $foreign);

is($r->status, 200, 'Anthropic');
is(limits($r), join(' ', map { my $x = $_;
    map { "$x-$_" } qw(limit remaining reset) }
    qw(input-tokens output-tokens requests tokens)), 'Anthropic: names');
is(h($r, 'anthropic-ratelimit-requests-limit'), 60, 'Anthropic: the rate');
is(h($r, 'anthropic-ratelimit-output-tokens-limit'), 3000,
    'Anthropic: output tokens');
unlike($r->{raw_head}, qr/777777|2031/, 'Anthropic: nothing of the provider\'s');

my $date = h($r, 'anthropic-ratelimit-tokens-reset');

like($date, qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/, 'Anthropic: a date');

my ($y, $mon, $d, $hour, $min, $sec) = $date =~ /\d+/g;
my $in = timegm($sec, $min, $hour, $d, $mon - 1, $y) - time();

ok($in >= 0 && $in <= 61, 'Anthropic: within its minute');

# ---- Gemini has none ----

$r = $t->post('/v1beta/models/gemini-2.5-flash:generateContent',
    { contents => [ { parts => [ { text => 'x' } ] } ] },
    auth => 'x-goog-api-key', mock => $foreign);

is($r->status, 200, 'Gemini');
is(limits($r), '', 'Gemini: none');
unlike($r->{raw_head}, qr/777777|2031/, 'Gemini: nothing of the provider\'s');

# ---- windows, and no limits ----

$r = $t->chat(undef, key => 'windows');

is(h($r, 'x-ratelimit-limit-requests'), 10, 'a window, where there is no rate');
is(h($r, 'x-ratelimit-remaining-requests'), 9, 'what is left of it');

$reset = seconds(h($r, 'x-ratelimit-reset-requests'));
my $midnight = 86400 - time() % 86400;

ok(abs($reset - $midnight) <= 2, 'until midnight');

$r = $t->chat(undef, key => 'none', mock => $foreign);

is(limits($r), '', 'no limits, no headers');
unlike($r->{raw_head}, qr/777777/, 'not even the provider\'s');

$t->done;
