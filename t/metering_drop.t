#!/usr/bin/perl

# The usage chunk that the gateway has asked for does not reach a client who
# has not; all other bytes do, as they are, however they were cut.

use strict;
use warnings;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";

use MIME::Base64;

use AI::Gateway;

my $t = AI::Gateway->new;
my $p = $t->provider(8081);

open my $f, '<', "$FindBin::Bin/../conf.example/ai_proxy.conf" or die;
my $proxy = do { local $/; <$f> };

$t->write_file('buffered.conf',
    $proxy =~ s/proxy_buffering\s+off/proxy_buffering  on/r);
$t->write_file('small.conf', $proxy =~ s/^(proxy_buffer_size\s+)16k/${1}1k/mr
    =~ s/^(proxy_buffers\s+)8 16k/${1}8 1k/mr);

$t->run(gateway_conf(http => <<'EOC'));
    server {
        listen  127.0.0.1:%%PORT_8082%% http2;

        location / {
            ai_gateway  on;
            proxy_pass  $ai_pass;
            include     %%TOP%%/conf.example/ai_proxy.conf;
        }
    }

    server {
        listen  127.0.0.1:%%PORT_8083%%;

        location / {
            ai_gateway  on;
            proxy_pass  $ai_pass;
            include     %%DIR%%/buffered.conf;
        }
    }

    server {
        listen  127.0.0.1:%%PORT_8084%%;

        location / {
            ai_gateway  on;
            proxy_pass  $ai_pass;
            include     %%DIR%%/small.conf;
        }
    }
EOC

my $usage = '"usage":{"prompt_tokens":11,"completion_tokens":2,'
    . '"total_tokens":13}';
my $drop = "data: {\"id\":\"a\",\"choices\":[],$usage}\n\n";

# whole streams; what is to be left out stands between << and >>

my %streams = (
    plain => event('{"content":"tok "}') . event('{"content":"tok "}')
        . "<<$drop>>data: [DONE]\n\n",

    # every chunk has "usage", all but one are null

    null => "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"tok \"}"
        . "}],\"usage\":null}\n\n<<$drop>>data: [DONE]\n\n",

    # vLLM: no id, blanks, a last empty choice before it

    vllm => event('{"content":"tok tok "}')
        . "data: {\"choices\": [{\"index\": 0, \"delta\": {\"content\": \"\"},"
        . " \"finish_reason\": \"stop\"}]}\n\n"
        . "<<data: {\"object\": \"chat.completion.chunk\", \"choices\": [ ], "
        . "\"usage\": {\"prompt_tokens\": 11, \"total_tokens\": 13, "
        . "\"completion_tokens\": 2}}\n\n>>data: [DONE]\n\n",

    # DeepSeek: usage in the last chunk, which has a choice and stays

    deepseek => event('{"content":"tok tok "}')
        . "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\"},"
        . "\"finish_reason\":\"stop\"}],$usage}\n\ndata: [DONE]\n\n",

    # OpenRouter: comments, and an empty delta beside the usage

    openrouter => ": OPENROUTER PROCESSING\n\n: OPENROUTER PROCESSING\n\n"
        . event('{"content":"tok tok "}')
        . "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\","
        . "\"content\":\"\"},\"finish_reason\":null}],$usage}\n\n"
        . "data: [DONE]\n\n",

    comments => ": a\n\n" . event('{"content":"tok tok "}')
        . "<<: b\nid: 7\n$drop>>: c\n\ndata: [DONE]\n\n",

    bom => "\xef\xbb\xbf" . event('{"content":"tok tok "}')
        . "<<$drop>>data: [DONE]\n\n",

    lines => event('{"content":"tok tok "}')
        . "<<data: {\"choices\":[],\ndata: $usage}\n\n>>data: [DONE]\n\n",

    # the last line end is often left out

    open => event('{"content":"tok tok "}') . "<<$drop>>data: [DONE]",

    # nothing behind it

    end => event('{"content":"tok tok "}') . "<<$drop>>",

    # more than one

    twice => event('{"content":"tok tok "}') . "<<$drop$drop>>data: [DONE]\n\n",

    # Azure's first chunk has no choices and is no usage

    azure => "data: {\"choices\":[],\"prompt_filter_results\":[]}\n\n"
        . event('{"content":"tok tok "}') . "<<$drop>>data: [DONE]\n\n",

    # looks like it in the text of the model

    text => event('{"content":"data: {\\"choices\\":[],\\"usage\\":{}}"}')
        . event('{"content":"tok "}') . "<<$drop>>data: [DONE]\n\n",

    # longer than what is held back, before it and as it

    long => event('{"content":"' . 'tok ' x 3000 . '"}')
        . "<<$drop>>data: [DONE]\n\n",
);

my %rows;
my %ends = (LF => "\n", CRLF => "\r\n", CR => "\r");

for my $name (sort keys %streams) {
    for my $end (sort keys %ends) {
        my $text = $streams{$name} =~ s/\n/$ends{$end}/gr;

        whole($name, $end, $text);
    }
}

my %row = map { $_->{id} => $_ } $t->waitrows(scalar keys %rows);

for my $id (keys %rows) {
    is($row{$id}{usage_source}, 'final', "$rows{$id}: usage");
    is($row{$id}{output_tokens}, 2, "$rows{$id}: tokens");
}

every_cut();
kept_alive();
slow();
aborted();

$t->done;


sub event {
    return "data: {\"id\":\"a\",\"choices\":[{\"index\":0,\"delta\":$_[0],"
        . "\"finish_reason\":null}]}\n\n";
}


sub split_text {
    my ($text) = @_;

    return ($text =~ s/<<|>>//gr, $text =~ s/<<.*?>>//gsr);
}


sub whole {
    my ($name, $end, $text) = @_;

    my ($sent, $want) = split_text($text);
    my @splits = (undef, { seed => 1, pieces => 9 }, { seed => 2,
        pieces => 60 }, length $sent < 2000 ? 'byte' : ());

    for my $split (@splits) {
        my $how = !defined $split ? 'whole' : ref $split ? "seed $split->{seed}"
                                                         : 'by byte';

        for my $port (8080, 8082, 8083, 8084) {
            answer($sent,
                defined $split ? (split => $split) : ());

            my $r = ask($port);

            ok($r->body eq $want, "$name $end $how $port")
                or diag(explain([ $want, $r->body ]));
            ok($r->complete, "$name $end $how $port: complete");

            $rows{ $r->id } = "$name $end $how $port";
        }
    }
}


sub answer {
    my ($sent, %o) = @_;

    $p->behave({ body64 => encode_base64($sent, ''),
        type => 'text/event-stream', %o });
}


sub ask {
    my ($port, %o) = @_;

    my $body = { model => 'gpt-4.1', stream => \1,
        messages => [ { role => 'user', content => 'Hello' } ] };

    return $t->h2('POST', '/v1/chat/completions', $body, port => $port, %o)
        if $port == 8082;

    return $t->chat($body, port => $port, %o);
}


# each place of the stream's second half

sub every_cut {
    for my $end (sort keys %ends) {
        my ($sent, $want) = split_text($streams{plain} =~ s/\n/$ends{$end}/gr);
        my $bad = 0;

        for my $at (index($sent, '"choices":[]') - 20 .. length($sent) - 1) {
            answer($sent,
                split => [ $at ], delay => 0.002);
            $bad++ if ask(8080)->body ne $want;
        }

        is($bad, 0, "every cut of $end");
    }
}


sub kept_alive {
    my ($sent, $want) = split_text($streams{plain});
    my $c = $t->connect;

    answer($sent);

    my $accepted = $p->state->{accepted};

    for (1 .. 20) {
        $c->request('POST', '/v1/chat/completions', { model => 'gpt-4.1',
            stream => \1, messages => [ { role => 'user', content => 'x' } ] },
            AI::Gateway::headers());
        is($c->finish->body, $want, 'on one connection');
    }

    cmp_ok($p->state->{accepted} - $accepted, '<=', 2,
        'one connection to the provider too');
}


# much more than the buffers hold, read late and in small pieces

sub slow {
    my ($sent, $want) = split_text(
        event('{"content":"' . 'tok ' x 500 . '"}') x 2000
        . "<<$drop>>data: [DONE]\n\n");

    $p->behave({ file => $t->write_file('slow', $sent),
        type => 'text/event-stream' });
    chmod 0644, "$t->{dir}/slow";

    for my $port (8080, 8083, 8084) {
        my $c = $t->start_chat({ stream => \1 }, port => $port,
            rcvbuf => 4096, timeout => 30);
        my $got = '';

        $c->head;

        while (defined(my $piece = $c->read_body)) {
            $got .= $piece;
            $c->{body} = '';
            select undef, undef, undef, 0.002 if length($got) < 500000;
        }

        ok($got eq $want, "a slow reader at $port");
        my $row = $t->waitrow($c->{head}{headers}{'x-request-id'}, 10);

        is($row->{output_tokens}, 2, "a slow reader at $port: tokens");
    }
}


# an event that is held when the provider cuts, or the client leaves

sub aborted {
    my ($sent, $want) = split_text($streams{plain});
    my $at = index($sent, '"choices":[]') + 5;

    answer($sent, cut => $at);

    my $r = ask(8080);

    ok(!$r->complete, 'cut within the dropped event');
    is($r->body, substr($sent, 0, length $r->body), 'nothing is made up');
    is($t->waitrow($r->id)->{state}, 'interrupted', 'interrupted');
}
