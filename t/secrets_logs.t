#!/usr/bin/perl

# No key, prompt or answer is left behind: in logs, the ledger, figures, the
# configuration's dump, or a worker's core.

use strict;
use warnings;

use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use AI::Gateway;

use MIME::Base64;

use constant CHAT => '/v1/chat/completions';
use constant GENERATE => '/v1beta/models/gemini-2.5-flash:generateContent';

# 64 bytes each

my %canary = (
    tenant => 'Tnnt0' . '7Qx' x 19 . 'zz',
    file => 'PrvF1' . 'k9W' x 19 . 'zz',
    env => 'PrvE2' . 'm4V' x 19 . 'zz',
    prompt => 'Prmt3' . 'h2S' x 19 . 'zz',
    answer => 'Nswr4' . 'b6R' x 19 . 'zz',
);

sub forms {
    my ($s) = @_;

    my $url = join '', map { sprintf '%%%02x', ord } split //, $s;

    # inner characters: a piece of it is a leak, too
    my @forms = (substr($s, 8, 40), unpack('H*', $s), uc unpack('H*', $s),
        $url, uc $url);

    for my $phase (0 .. 2) {
        push @forms, substr(encode_base64('x' x $phase . $s, ''), 8, 48);
    }

    return @forms;
}

sub leaks {
    my ($name, $text) = @_;

    return grep { index($text, $_) >= 0 } forms($canary{$name});
}

sub clean {
    my ($where, $text, @names) = @_;

    @names = sort keys %canary unless @names;

    for my $name (@names) {
        my @found = leaks($name, $text);

        is("@found", '', "$where: nothing of $name");

        my ($line) = grep { leaks($name, $_) } split /\n/, $text;

        diag(substr $line, 0, 600) if @found;
    }
}

# the environment of nginx: of its master, and what it leaves to workers

$ENV{AI_TEST_KEY} = $canary{env};

my $t = AI::Gateway->new;
my $p = $t->provider(8081);

$t->write_file('file.key', "$canary{file}\n");
chmod 0600, $t->dir . '/file.key';

sub conf {
    my ($level) = @_;

    my $log = join ' ', map { "\"\$$_\"" } qw(request request_uri args
        query_string arg_key uri is_args http_referer http_authorization
        http_x_api_key http_api_key http_x_goog_api_key request_body
        proxy_add_x_forwarded_for upstream_addr
        ai_tenant ai_key ai_model ai_request_id ai_status ai_cost ai_pass);

    return gateway_conf(
        main => "env AI_TEST_KEY; error_log %%DIR%%/error.log $level;",
        providers => join('',
            map({ AI::Conf::provider($_) =~ s/provider\.key/file.key/r }
                qw(openai anthropic gemini azure)),
            AI::Conf::provider('openai', name => 'envy')
                =~ s/file:[^;]+/env:AI_TEST_KEY/r,
            AI::Conf::provider('gemini', name => 'down', port => 8083,
                upstream => 'down') =~ s/provider\.key/file.key/r),
        tenants => <<"EOC",
    ai_tenant acme {
        plan  usual;
        key   %%KEY_acme%% name=prod;
        key   @{[ digest_of($canary{tenant}) ]} name=canary;
    }
EOC
        http => <<"EOC",
    ai_model envy { price input=1 output=1; max_output 9; target envy; }
    ai_model down { price input=1 output=1; max_output 9; target down; }

    upstream down { server 127.0.0.1:%%PORT_8083%%; }

    log_format  all  '$log';
    access_log  %%DIR%%/all.log all;
    limit_req_zone  \$http_x_limited  zone=once:1m rate=1r/m;
EOC
        server => <<'EOC',
        listen 127.0.0.1:%%PORT_8082%% http2;
        large_client_header_buffers  4 4k;

        location = /v1/embeddings {
            ai_gateway               on;
            proxy_pass               $ai_pass;
            client_max_body_size     4k;
            client_body_buffer_size  4k;
        }
EOC
        location => <<'EOC',
            limit_req  zone=once;

            if ($http_x_denied) {
                return 403;
            }
EOC
    );
}

$t->port(8083);                 # nobody listens there
$t->run(conf('info'));

my $k = $canary{tenant};
my $escaped = join '', map { sprintf '%%%02x', ord } split //, $k;

my @ways = (
    [ '', { Authorization => "Bearer $k" } ], [ '', { 'x-api-key' => $k } ],
    [ '', { 'api-key' => $k } ], [ '', { 'x-goog-api-key' => $k } ],
    [ "?key=$k", {} ], [ "?alt=sse&key=$k&key=$k", {} ], [ "?KEY=$k", {} ],
    [ "?key=$escaped", {} ], [ "?%6bey=$k", {} ], [ "?k%65y=$k", {} ],
    [ "?x=y#&key=$k", {} ], [ "#?key=$k", {} ],
);

my %chat = (model => 'gpt-4.1', max_tokens => 9,
    messages => [ { role => 'user', content => $canary{prompt} } ]);
my %gen = (contents => [ { parts => [ { text => $canary{prompt} } ] } ]);

sub traffic {
    for my $way (@ways) {
        my ($args, $h) = @$way;
        my @o = (key => undef, headers => $h);
        my @denied = (key => undef, headers => { %$h, 'X-Denied' => 1 });
        my @mock = (mock => { text => "$canary{answer} " });

        $t->post(CHAT . $args, \%chat, @o, @mock);
        $t->post(CHAT . $args, { %chat, stream => \1 }, @o, @mock);
        $t->post(CHAT . $args, { %chat, model => 'envy' }, @o, @mock);
        $t->post(GENERATE . $args, \%gen, @o, @mock);
        $t->post("/v1beta/models/down:generateContent$args", \%gen, @o);
        $t->post("/v1/nothing$args", \%chat, @o);
        $t->post(CHAT . $args, { %chat, model => $canary{prompt} }, @o);
        $t->post(CHAT . $args, "{\"$canary{prompt}", @o);
        $t->get("/v1/models$args", @o);

        # refused before anything of ours runs
        $t->post(CHAT . $args, \%chat, @denied);
        $t->post(CHAT . $args, \%chat, key => undef,
            headers => { %$h, 'X-Limited' => 1 }) for 1 .. 2;
        $t->post("/v1/embeddings$args", 'x' x 5000, @o);
        $t->get("/ai/status$args", key => undef);

        # a hostile provider
        $t->post(CHAT . $args, \%chat, @o, mock => {
            body => "{\"error\":\"$canary{answer}", status => 500 });
        $t->post(CHAT . $args, \%chat, @o, mock => { raw64 =>
            encode_base64("$canary{answer}\r\n\r\n", '') });
        $t->post(CHAT . $args, { %chat, stream => \1 }, @o, mock => {
            body => "data: {\"x\":\"$canary{answer}\n\ndata: [1,$canary{answer}",
            type => 'text/event-stream' });
        $t->post(CHAT . $args, \%chat, @o, mock => { length => 9999,
            body => $canary{answer} });

        # gone in the middle
        my $c = $t->start('POST', CHAT . $args, { %chat, stream => \1 }, @o,
            mock => { events => 50, delay => 0.05,
                text => "$canary{answer} " });
        $c->read_events(1);
        $c->reset;
    }

    # nginx's own refusals
    for my $x ("POST @{[ CHAT ]}?key=$k HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "POST @{[ CHAT ]}?key=$k HTTP/1.1\r\n\r\n",
        "POST @{[ CHAT ]}?key=$k HTTP/1.1\r\nHost: a\r\nX: @{[ 'x' x 5000 ]}",
        "POST @{[ CHAT ]}?key=$k HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
        "POST @{[ CHAT ]}?key=$k HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: x\r\n\r\n",
        "TRACE @{[ CHAT ]}?key=$k HTTP/1.1\r\nHost: a\r\n\r\n")
    {
        $t->raw($x, half_close => 1);
    }

    $t->h2('POST', CHAT . "?key=$k", \%chat, port => 8082, key => undef);
}

traffic();

my @rows = $t->waitrows(scalar grep { $_->{end} } $p->journal);

ok(@rows > 60, 'rows are there');

# nginx reads the request line on its own before any module may: what it says
# about a head that it refuses itself, at the level "info", holds the line

my $log = $t->log;
my @own = grep { /client sent|\[info\].*reading client request/ }
    split /\n/, $log;

$log = join "\n", grep { my $l = $_; !grep { $_ eq $l } @own } split /\n/, $log;

clean('error.log', $log);
clean('access log', $t->read_file('access.log'));

my $all = $t->read_file('all.log');

# $request_body is the operator's own wish
s/$canary{prompt}//g for $all;

clean('access log with all', $all);

my $rows = '';
$rows .= $t->read_file(s{^.*?/(?=ledger/)}{}r)
    for glob $t->dir . '/ledger/*';

ok(length $rows > 10000, 'ledger is there');
clean('ledger', $rows);
clean('status', $t->get('/ai/status')->body);
clean('metrics', $t->get('/ai/metrics')->body);
clean('usage', $t->get('/v1/usage', key => $k =~ /^sk/ ? $k : 'acme')->body);
clean('stderr', $t->read_file('stderr.log'));
clean('configuration', $t->read_file('nginx.conf'));

# nginx -T

my $pid = open my $f, '-|';

if (!$pid) {
    AI::Gateway::set_env();
    exec($t->nginx_args, '-T', '-q') or POSIX::_exit(127);
}

my $dump = do { local $/; <$f> };
close $f;

like($dump, qr/ai_tenant acme/, 'dump of the configuration');
clean('nginx -T', $dump);

# processes: nothing in their arguments; no provider's key from a file in
# their environment

for my $pid ($t->{master}, $t->workers) {
    for my $name (qw(cmdline environ)) {
        open my $f, '<', "/proc/$pid/$name" or next;
        local $/;
        clean("$name of $pid", scalar <$f>,
            $name eq 'environ' ? qw(tenant file prompt answer) : ());
    }
}

# a worker's core has no provider's key of a file, and no tenant's

SKIP: {
    skip 'no gcore', 1 if ! -x '/usr/bin/gcore' || $ENV{AI_PRELOAD}
        || $ENV{AI_VALGRIND};

    my ($worker) = $t->workers;
    my $out = $t->dir . '/dump';

    system("gcore -o $out $worker >$out.log 2>&1");

    skip 'gcore fails', 1 if ! -s "$out.$worker";

    my $core = $t->read_file("dump.$worker");

    ok(index($core, 'ai_request_scan') >= 0 || length $core > 1 << 20,
        'core is there');

    # base64 etc. are not looked for in megabytes
    for my $name (qw(file tenant)) {
        is(index($core, $canary{$name}), -1, "core: no $name");
    }

    unlink "$out.$worker";
}

# at debug, too, the provider's keys are not written; the client's head is
# nginx's own to print there

$t->reload(conf('debug'), old => 1);
traffic();

clean('error.log at debug', $t->log, qw(file env));

$t->done;
