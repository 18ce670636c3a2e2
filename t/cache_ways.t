#!/usr/bin/perl

# A cache over HTTP/2, with threads that read and write its files, with small
# buffers: the same bytes and the same numbers.

use strict;
use warnings;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";

use AI::Gateway;

my $t = AI::Gateway->new(workers => 2);
my $p = $t->provider(8081);

my %ways = (
    8082 => [ 'HTTP/2', 'http2', '' ],
    8083 => [ 'threads', '', 'aio threads; aio_write on;' ],
    8084 => [ 'small buffers', '', 'proxy_buffering on; proxy_buffers 4 1k; '
        . 'proxy_buffer_size 2k; proxy_busy_buffers_size 2k; '
        . 'output_buffers 1 1k;' ],
);

my $http = <<'EOC';
    proxy_cache_path  %%DIR%%/cache keys_zone=ai_cache:1m levels=1:2
                      use_temp_path=off;
    proxy_cache_path  %%DIR%%/other keys_zone=other:1m;
EOC

for my $port (sort keys %ways) {
    my (undef, $listen, $conf) = @{ $ways{$port} };

    $http .= <<"EOC";
    server {
        listen   127.0.0.1:%%PORT_$port%% $listen;
        include  %%TOP%%/conf.example/ai_proxy.conf;

        location / {
            ai_gateway  on;
            proxy_pass  \$ai_pass;
            include     %%TOP%%/conf.example/ai_cache.conf;
            $conf
        }
    }
EOC
}

$t->run(gateway_conf(http => $http, plan_extra => 'cache on;',
    location => do {
        open my $f, '<', "$FindBin::Bin/../conf.example/ai_cache.conf" or die;
        local $/;
        <$f> =~ s/ ai_cache;/ other;/r;
    }));

my $seed = 0;

for my $port (8080, sort keys %ways) {
    my $name = $port == 8080 ? 'another zone' : $ways{$port}[0];

    for my $stream (0, 1) {
        for my $events (1, 400) {
            for my $split (undef, { seed => 3, pieces => 40 }) {
                way($port, "$name, " . ($stream ? 'stream' : 'JSON')
                    . " of $events", $stream, $events, $split);
            }
        }
    }
}

$t->done;


sub way {
    my ($port, $name, $stream, $events, $split) = @_;

    my @args = ('POST', '/v1/chat/completions', { model => 'gpt-4.1',
        seed => ++$seed, $stream ? (stream => \1) : (),
        messages => [ { role => 'user', content => 'Hello' } ] });
    my %mock = (mock => { events => $events, text => 'word ',
        $split ? (split => $split) : () });

    my (@r, @rows);

    # an answer is kept a moment after its client has it: before its row

    for (1 .. 2) {
        push @r, $port == 8082 ? $t->h2(@args, %mock, port => $port)
                               : $t->request(@args, %mock, port => $port);
        push @rows, $t->waitrow($r[-1]->id);
    }

    is($r[0]->header('x-ai-cache'), 'miss', "$name: miss");
    is($r[1]->header('x-ai-cache'), 'hit', "$name: hit");
    ok($r[1]->complete, "$name: whole");
    ok($r[1]->body eq $r[0]->body, "$name: the same bytes");
    is(() = $r[1]->body =~ /word /g, $events, "$name: all words");

    is($rows[1]{output_tokens}, $events, "$name: tokens");
    is($rows[1]{cost_usd} * 1e9, int($rows[0]{cost_usd} * 1e8 + 0.5),
        "$name: a tenth");
}
