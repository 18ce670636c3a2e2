#!/usr/bin/perl

# Whatever a target fails by, and wherever it stands in the chain: the next one
# is asked as if it had been the first, and the client sees one answer.  When
# all fail, it gets the last one's own words, or ours where it had none.

use strict;
use warnings;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";

use AI::Chain;
use AI::Gateway;

use MIME::Base64;

my $t = AI::Gateway->new;
my $c = AI::Chain->new($t, [ qw(a b c d refused deaf closing) ]);

my $half = encode_base64("HTTP/1.1 200 OK\r\nContent-Ty", '');
my $noise = encode_base64("\x16\x03\x01 hello\r\n\r\n", '');
my $text = '{"error":{"message":"its own words","type":"x","code":"y"}}';

my %leak = ('X-Failed' => 'yes', 'Retry-After' => 1,
    'WWW-Authenticate' => 'Bearer', 'X-Amzn-Trace' => 'failed');

# what the failing target does, or that it is one which fails by itself; the
# attempt's status and reason, and what nginx tells in $upstream_status

my %kinds = (
    refused => { at => 'refused', is => '- connect', us => 502 },
    deaf => { at => 'deaf', is => '- timeout', us => 504 },
    closing => { at => 'closing', is => '- connect', us => 502 },
    fin => { mock => { close => 'request' }, is => '- connect', us => 502 },
    rst => { mock => { close => 'request', how => 'rst' },
        is => '- connect', us => 502 },
    half => { mock => { raw64 => $half }, is => '- connect', us => 502 },
    noise => { mock => { raw64 => $noise, status => 1 }, is => '- connect',
        us => 502 },
    late => { mock => { wait => 5 }, is => '- timeout', us => 504 },

    # its body is not waited for
    endless => { mock => { status => 503, headers => \%leak, body_wait => 5 },
        is => '503 status', us => 503 },
);

for my $status (408, 409, 429, 500, 502, 503, 504, 529) {
    $kinds{"s$status"} = { mock => { status => $status, body => $text,
        headers => \%leak }, is => "$status status", us => $status };
}

# a model of its own for each case, so that no target rests for another's sake

my @cases;

for my $kind (sort keys %kinds) {
    for my $n (0, 1, 3) {
        for my $proto (qw(h1 h2)) {
            for my $stream (0, 1) {
                push @cases, { %{ $kinds{$kind} }, kind => $kind, n => $n,
                    last => $n == 3, proto => $proto, stream => $stream,
                    name => join('-', $kind, (qw(first middle . last))[$n],
                        $proto, $stream ? 'stream' : 'plain') };
            }
        }
    }
}

for (@cases) {
    my @chain = qw(a b c d);

    $_->{at} //= $chain[ $_->{n} ];
    $chain[ $_->{n} ] = $_->{at};
    $_->{chain} = \@chain;
}

$t->run(gateway_conf($c->conf(
    models => join('', map { $c->model($_->{name},
        map({ "$_ connect=200ms first_byte=300ms timeout=500ms" }
            @{ $_->{chain} })) } @cases),
    server => 'listen 127.0.0.1:%%PORT_8082%% http2;')));

# a few at a time, since some wait

my @left = @cases;

while (my @some = splice @left, 0, 24) {
    begin($_) for @some;
    end($_) for @some;
}

$c->read(scalar @cases);

check($_) for @cases;

is($t->status->{zone}{holds}, 0, 'no hold is left');

$t->done;


# fields that are not to be touched, in no serializer's form

sub body_of {
    my ($case) = @_;

    my $more = $case->{stream}
        ? ', "stream" : true,"stream_options":{"include_usage":true}' : '';

    return '{ "messages":[{"role":"user","content":"\u0048i \"x\""} ],'
        . qq{"model" : "$case->{name}" , "max_tokens":5 ,"seed":1.0e0$more }
        . "}\n";
}


# those before the one in question answer 503, the next one 200

sub begin {
    my ($case) = @_;

    my %at;

    for my $i (0 .. 3) {
        $at{ $case->{chain}[$i] } = $i < $case->{n}
            ? { status => 503, body => 'no', headers => \%leak }
            : { headers => { 'X-Own' => $case->{chain}[$i] } };
    }

    $at{ $case->{at} } = $case->{mock} if $case->{mock};

    my @request = ('POST', '/v1/chat/completions', body_of($case));

    if ($case->{proto} eq 'h2') {
        $case->{f} = $t->start_h2(@request, port => 8082,
            mock => { at => \%at });

    } else {
        $case->{c} = $t->start(@request, mock => { at => \%at });
    }
}


sub end {
    my ($case) = @_;

    if ($case->{f}) {
        $case->{r} = AI::Gateway::finish_h2(delete $case->{f});
        return;
    }

    my $conn = delete $case->{c};

    $case->{r} = $conn->finish;

    return if !$case->{r}->complete;

    # it stays in step

    $conn->request('GET', '/v1/models', undef, AI::Gateway::headers());
    $case->{next} = $conn->finish->status;
}


sub check {
    my ($case) = @_;

    my $r = $case->{r};
    my $name = "$case->{name}:";
    my $row = $c->row($r->id);
    my @chain = @{ $case->{chain} };

    my @tried = map { "$chain[$_] 503 status" } 0 .. $case->{n} - 1;
    my @status = map { 503 } @tried;

    push @tried, "$case->{at} $case->{is}";
    push @status, $case->{us};

    if (!$case->{last}) {
        push @tried, "$chain[$case->{n} + 1] 200 -";
        push @status, 200;
    }

    is_deeply($c->tried($r->id), \@tried, "$name attempts")
        or diag("status " . $r->status . ' ' . substr $r->body, 0, 200);
    is(join(' ', grep { $_ ne $c->name($case->{name}, $chain[0]) }
        map { $_->{model} =~ s/-at-.*/-at-$chain[0]/r }
        @{ $row->{attempts} }), '', "$name models of the attempts");
    is(scalar(grep { $_->{ms} !~ /^\d+$/ || $_->{ms} > 3000 }
        @{ $row->{attempts} }), 0, "$name times of the attempts");

    is(join(' ', map { $_->{chosen} // '-' } @{ $row->{attempts} }),
        join(' ', '-', ('fallback') x $#tried), "$name why they were made");

    # what each of them was asked

    my @asked = grep { !/^(?:refused|deaf|closing)$/ }
        map { (split)[0] } @tried;

    is_deeply($c->asked($r->id), \@asked, "$name asked");
    is(join("\n", map { $c->wrong($_, $case->{name}, body_of($case)) }
        $c->entries($r->id)), '', "$name in their own words");

    # one request for the client and in the log

    is($c->lines($r->id), join(' ', $r->status, join ' : ', @status),
        "$name in the access log");
    is($row->{http_status}, $r->status, "$name status in the row");
    is($case->{next}, 200, "$name connection goes on")
        if $case->{proto} eq 'h1' && $r->complete;

    return $case->{last} ? failed($case, $r, $row, $name)
                         : answered($case, $r, $row, $name);
}


sub answered {
    my ($case, $r, $row, $name) = @_;

    my $by = $case->{chain}[ $case->{n} + 1 ];

    is($r->status, 200, "$name status");
    ok($r->complete, "$name whole");
    is($r->header('x-own'), $by, "$name from the one that answered");
    is(leaked($r), '', "$name no header of those that failed");
    is(text_of($r, $case->{stream}), 'tok ' x 5, "$name text");
    is($row->{state}, 'final', "$name state");
    is($row->{provider}, $by, "$name provider");
    is($row->{output_tokens}, 5, "$name tokens");
}


sub failed {
    my ($case, $r, $row, $name) = @_;

    my ($status) = $case->{is} =~ /^(\d+)/;

    is($row->{state}, 'failed', "$name state");
    is($row->{status}, 'FAILED_UPSTREAM', "$name status of the row");
    is($row->{provider}, $case->{at}, "$name provider");
    is($row->{cost_usd}, undef, "$name costs nothing");
    is($r->status, $status // $case->{us}, "$name status");

    if (!$status) {
        is($r->json && $r->json->{error}{code}, 'upstream_error',
            "$name our words");
        is($r->header('content-type'), 'application/json', "$name JSON");
        is(leaked($r), '', "$name no header of those that failed");
        unlike($r->body, qr/127\.0\.0\.1|provider\.test|refused|deaf/,
            "$name no host is named");
        return;
    }

    is($r->header('x-failed'), 'yes', "$name its headers");

    if ($case->{kind} eq 'endless') {
        ok(!$r->complete, "$name cut, as it was");
        return;
    }

    is($r->body, $text, "$name its words");
    is($r->header('retry-after'), 1, "$name its time") if $status == 429;
}


sub leaked {
    my ($r) = @_;

    return join ' ', grep { defined $r->header($_) } sort keys %leak;
}


sub text_of {
    my ($r, $stream) = @_;

    return $r->json && $r->json->{choices}[0]{message}{content} if !$stream;

    return join '', map { $_->{choices}[0]{delta}{content} // '' } $r->chunks;
}
