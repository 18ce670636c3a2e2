#!/usr/bin/perl

# Fallbacks in every dialect: the model's name is where the dialect has it, in
# the body or in the path, and an error of ours is in its shape.

use strict;
use warnings;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";

use AI::Chain;
use AI::Gateway;

my %api = (o => 'openai', a => 'anthropic', g => 'gemini', z => 'azure');

my $t = AI::Gateway->new;
my $c = AI::Chain->new($t, [ 'refused', map { ("${_}1", "${_}2") } keys %api ],
    api => { map { ("${_}1" => $api{$_}, "${_}2" => $api{$_}) } keys %api });

# a provider without a listener speaks the dialect of its model's others

my $gone = join '', map { <<EOC } sort keys %api;
    ai_provider gone-$_ {
        api       $api{$_};
        base      http://gone.provider.test:%%PORT_refused%%;
        upstream  refused;
        key       file:%%DIR%%/provider.key;
    }
EOC

my %conf = $c->conf(models => join('', map {
    $c->model($_, "${_}1", "${_}2"),
    $c->model("$_-none", "${_}1", "gone-$_")
} sort keys %api));

$conf{providers} .= $gone;

$t->run(gateway_conf(%conf));

my %key = (o => 'authorization', a => 'x-api-key', g => 'x-goog-api-key',
    z => 'api-key');

for my $d (sort keys %api) {
    for my $stream (0, 1) {
        my $r = ask($d, $d, $stream, "${d}1" => { status => 503 });
        my $name = $api{$d} . ($stream ? ', streamed' : '');
        my @e = $c->entries($r->id);

        is($r->status, 200, "$name: status");
        ok($r->complete, "$name: whole");
        like($r->body, qr/tok /, "$name: text");
        is_deeply($c->tried($r->id), [ "${d}1 503 status", "${d}2 200 -" ],
            "$name: attempts");
        is(join(' ', map { $_->{model} } @e), "$d-at-${d}1 $d-at-${d}2",
            "$name: models");
        is(join(' ', map { $_->{host} } @e),
            join(' ', map { $c->host("$d$_") } 1, 2), "$name: hosts");
        is(join(' ', map { join ',', sort keys %{ $_->{secrets} } } @e),
            "$key{$d} $key{$d}", "$name: one credential each");
        is(join(' ', map { $_->{secrets}{ $key{$d} } =~ s/^Bearer //r } @e),
            join(' ', map { $c->key("$d$_") } 1, 2), "$name: their keys");
        is($c->row($r->id)->{output_tokens}, 8, "$name: tokens");

        # the last one does not listen

        $r = ask($d, "$d-none", $stream, "${d}1" => { status => 503 });

        my $json = $r->json // {};
        my $e = $json->{error};

        is($r->status, 502, "$name: all fail");
        is($d eq 'a' ? $json->{type} . $e->{type} : $e->{code},
            $d eq 'a' ? 'errorapi_error' : $d eq 'g' ? 502 : 'upstream_error',
            "$name: all fail, its shape");
    }
}

ok((waitfor { $t->status->{zone}{holds} == 0 }), 'no hold is left');

$t->done;


sub ask {
    my ($d, $model, $stream, %at) = @_;

    my %o = (mock => { at => \%at });
    my $r;

    if ($d eq 'g') {
        my $verb = $stream ? 'streamGenerateContent?alt=sse'
                           : 'generateContent';

        $r = $t->post("/v1beta/models/$model:$verb", { contents => [
            { role => 'user', parts => [ { text => 'x' } ] } ] }, %o);

    } else {
        my $uri = $d eq 'a' ? '/v1/messages' : '/v1/chat/completions';

        $r = $t->post($uri, { model => $model, max_tokens => 9,
            messages => [ { role => 'user', content => 'x' } ],
            $stream ? (stream => \1) : () }, %o);
    }

    $t->waitrow($r->id);
    $c->read;

    return $r;
}
