#!/usr/bin/perl

# Reasoning that was shown is billed as output when a stream was cut.

use strict;
use warnings;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP;

use AI::Gateway;

my $t = AI::Gateway->new;

my $p = $t->provider(8081);

$t->run(gateway_conf());

sub stream {
    my ($member, $n) = @_;

    return join '', map { 'data: ' . encode_json({
        object => 'chat.completion.chunk', model => 'gpt-4.1',
        choices => [ { index => 0, delta => { $member => 'abcd' } } ],
    }) . "\n\n" } 1 .. $n;
}

sub cut {
    my ($body) = @_;

    $p->behave({ body => $body, type => 'text/event-stream',
        cut => length $body });

    my $r = $t->chat({ stream => \1, max_tokens => 1000 });

    return $t->waitrow($r->id);
}

# four bytes a token is where learning begins

my $row = cut(stream('content', 100));

is($row->{usage_source}, 'estimated', 'a cut stream is estimated');
is($row->{output_tokens}, 100, 'by the text');

$row = cut(stream('reasoning_content', 100));

is($row->{usage_source}, 'estimated', 'so is one cut while it reasons');
is($row->{output_tokens}, 100, 'by what was shown');

$row = cut(stream('reasoning_content', 60) . stream('content', 40));

is($row->{output_tokens}, 100, 'and by both');

# hidden reasoning takes tokens but no bytes: it teaches nothing about text

for (1 .. 40) {
    $t->chat(undef, mock => { body => encode_json({
        object => 'chat.completion', model => 'gpt-4.1', choices => [ {
            index => 0, finish_reason => 'stop',
            message => { content => 'abcd' x 100 } } ],
        usage => { prompt_tokens => 11, completion_tokens => 1100,
            completion_tokens_details => { reasoning_tokens => 1000 },
            total_tokens => 1111 },
    }) });
}

$row = cut(stream('content', 100));

is($row->{output_tokens}, 100, 'thoughts unseen do not change the text\'s');

$t->done;
