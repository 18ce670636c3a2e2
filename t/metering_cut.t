#!/usr/bin/perl

# A provider that cuts its answer, behind each event and within one, by FIN
# and by RST: the client sees a cut and never a made up end, the row is
# interrupted and has no less than what was delivered.

use strict;
use warnings;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";

use AI::Gateway;

my %requests = (
    openai => [ '/v1/chat/completions', { model => 'gpt-4.1', stream => \1,
        messages => [ { role => 'user', content => 'Hello' } ] } ],
    responses => [ '/v1/responses', { model => 'gpt-4.1', stream => \1,
        input => 'Hello' } ],
    anthropic => [ '/v1/messages', { model => 'claude-sonnet-4-6',
        max_tokens => 100, stream => \1,
        messages => [ { role => 'user', content => 'Hello' } ] } ],
    gemini => [ '/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse',
        { contents => [ { parts => [ { text => 'Hello' } ] } ] } ],
    array => [ '/v1beta/models/gemini-2.5-flash:streamGenerateContent',
        { contents => [ { parts => [ { text => 'Hello' } ] } ] } ],
);

# events of a whole answer of four words, and the one that has its final usage;
# Gemini's streams end with the connection alone

my %events = (openai => 8, responses => 11, anthropic => 10, gemini => 5,
    array => 5);
my %final = (openai => 7, responses => 11, anthropic => 9, gemini => 6,
    array => 6);

my $t = AI::Gateway->new;
my $p = $t->provider(8081);

$t->run(gateway_conf());

# what a token of each model is worth

for my $api (sort keys %requests) {
    post($api, events => 4) for 1 .. 30;
}

for my $api (sort keys %requests) {
    for my $how ('fin', 'rst') {
        for my $k (0 .. $events{$api}) {
            event($api, $how, $k);
        }
    }

    within($api);
}

# an answer that is not a stream

for my $how ('fin', 'rst') {
    for my $cut (0, 1, 150) {
        my $r = $t->chat(undef, mock => { cut => $cut, how => $how });
        my $row = $t->waitrow($r->id);

        ok(!$r->complete, "JSON $how $cut is cut");
        is($row->{state}, 'interrupted', "JSON $how $cut state");
    }
}

# the same requests do not come again

my %seen;
$seen{ $_->{id} }++ for $p->journal;
is((grep { $_ > 1 } values %seen), 0, 'nothing is sent twice');

$t->done;


sub post {
    my ($api, %mock) = @_;

    my ($uri, $body) = @{ $requests{$api} };

    return $t->post($uri, $body, mock => \%mock);
}


sub event {
    my ($api, $how, $k) = @_;

    my $r = post($api, events => 4, cut_event => $k, how => $how,
        $k ? () : (cut => 0));

    my $row = $t->waitrow($r->id);
    my $words = words($api, $r);
    my $name = "$api $how after $k";

    ok(!$r->complete, "$name: cut for the client too");
    unlike($r->body, qr/\[DONE\]/, "$name: no end was made up")
        if $k < $events{$api};

    cmp_ok($row->{output_tokens}, '>=', $words, "$name: tokens");
    cmp_ok($row->{output_tokens}, '<=', 4, "$name: and no more");

    if ($k < $final{$api}) {
        is($row->{state}, 'interrupted', "$name: state");
        isnt($row->{usage_source}, 'final', "$name: source");
        ok(!$row->{stream_complete}, "$name: not complete");
        is($row->{attempts}[0]{reason}, 'cut', "$name: reason");

    } else {
        is($row->{usage_source}, 'final', "$name: source");
        is($row->{output_tokens}, 4, "$name: the provider's number");
    }
}


# at each third byte of the second half

sub within {
    my ($api) = @_;

    my $whole = length post($api, events => 4)->body;

    for (my $cut = int($whole / 2); $cut < $whole - 8; $cut += 31) {
        my $r = post($api, events => 4, cut => $cut);
        my $row = $t->waitrow($r->id);
        my $words = words($api, $r);

        ok(!$r->complete, "$api at $cut: cut");
        cmp_ok($row->{output_tokens}, '>=', $words, "$api at $cut: tokens");
    }
}


# words of whole events: no client makes anything of the rest

sub words {
    my ($api, $r) = @_;

    my $text = $api eq 'array' ? join '', $r->body =~ /.*\n/g
                               : join '', map { $_->[1] } $r->events;
    my $n = () = $text =~ /tok /g;

    # Responses repeat the whole text at the end

    return $n > 4 ? 4 : $n;
}
