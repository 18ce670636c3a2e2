#!/usr/bin/perl

# A request goes through nginx's phases once, however many targets it needs:
# the operator's limits, checks, mirrors, variables and logs see one.

use strict;
use warnings;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";

use AI::Chain;
use AI::Gateway;

my $t = AI::Gateway->new;
my $c = AI::Chain->new($t, [ qw(a b c) ]);

my ($auth, $mirror) = $t->provide([ qw(auth mirror) ],
    behave => { body => '{}' });

$t->run(gateway_conf($c->conf(
    models => $c->model('m', qw(a b c)),
    http => <<'EOC',
    log_format  once  '$ai_request_id $status "$runs" "$inner" $ai_attempts '
                      '$request_completion';
    limit_req_zone   $http_x_who  zone=req:1m  rate=1r/m;
    limit_conn_zone  $http_x_one  zone=conn:1m;
EOC
    server => <<'EOC',
        listen 127.0.0.1:%%PORT_8082%% http2;

        location = /auth {
            internal;
            proxy_pass               http://127.0.0.1:%%PORT_auth%%;
            proxy_pass_request_body  off;
            proxy_set_header         Content-Length "";
            proxy_set_header         X-Mock "";
        }

        location = /mirror {
            internal;
            proxy_pass        http://127.0.0.1:%%PORT_mirror%%;
            proxy_set_header  X-Mock "";
        }

        location = /busy { internal; return 429 "the operator's own\n"; }
EOC
    location => <<'EOC')));
            set           $runs "${runs}r";
            access_log    %%DIR%%/once.log once;
            access_log    %%DIR%%/chain.log chain;
            auth_request  /auth;
            mirror        /mirror;
            limit_req     zone=req burst=3 nodelay;
            limit_conn    conn 1;
            error_page    503 =429 /busy;

            if ($http_x_inner) {
                set  $inner "${inner}i";
            }
EOC

my %down = map { $_ => { status => 503 } } qw(a b);
my %all = map { $_ => { status => 503, body => 'down' } } qw(a b c);

my @cases = (
    [ 'no attempt fails', {}, 200, 1 ],
    [ 'two fail', \%down, 200, 3 ],
    [ 'two fail, inside of "if"', \%down, 200, 3, 'X-Inner' => 1 ],
    [ 'all fail', \%all, 503, 3 ],
    [ 'all fail, inside of "if"', \%all, 503, 3, 'X-Inner' => 1 ],
);

my $rows = 0;

for my $proto (qw(h1 h2)) {
    for my $case (@cases) {
        my ($name, $at, $status, $tries, @headers) = @$case;

        once("$proto: $name", $proto, $at, $status, $tries, @headers);
    }
}

# limit_req lets four pass, not a fourth of four

my @status = map { chat('h1', \%down, 'X-Who' => 'one')->status } 1 .. 5;

is("@status", '200 200 200 200 429', 'limit_req counts requests');

$rows += 4;

my $r = chat('h1', {}, 'X-Who' => 'one');

is($r->body, "the operator's own\n", 'and its refusal is the operator\'s');

# limit_conn: the only place is its own through all attempts

$r = chat('h1', \%down, 'X-One' => 'one');
is($r->status, 200, 'limit_conn counts requests');

$r = chat('h1', \%down, 'X-One' => 'one');
is($r->status, 200, 'and gives the place back');

$rows += 2;

my $n = $c->provider('c')->requests;
my $busy = $t->start_chat({ model => 'm' }, headers => { 'X-One' => 'one' },
    mock => { at => { %down, c => { hang => 1 } } });

waitfor { $c->provider('c')->requests > $n };

$r = chat('h1', {}, 'X-One' => 'one');
is($r->status, 429, 'while a third attempt runs it is taken');

$busy->close;
$rows++;

ok((waitfor { chat('h1', {}, 'X-One' => 'one')->status == 200 }),
    'and free when its client has left');

ok((waitfor { $t->status->{zone}{holds} == 0 }), 'no hold is left');

$t->done;


sub chat {
    my ($proto, $at, %headers) = @_;

    my @request = ('POST', '/v1/chat/completions', { model => 'm',
        messages => [ { role => 'user', content => 'x' } ] });
    my %o = (mock => { at => $at }, headers => \%headers);

    return $proto eq 'h2' ? $t->h2(@request, %o, port => 8082)
                          : $t->request(@request, %o);
}


sub once {
    my ($name, $proto, $at, $status, $tries, %headers) = @_;

    my @n = map { $_->requests } $auth, $mirror;
    my $r = chat($proto, $at, %headers);

    is($r->status, $status, "$name: status");

    # a mirror is of no hurry

    waitfor { $mirror->requests > $n[1] } 2;

    my @after = map { $_->requests } $auth, $mirror;

    is($after[0] - $n[0], 1, "$name: auth_request once");
    is($after[1] - $n[1], 1, "$name: mirror once");

    $rows++;
    $c->read($rows);

    is(@{ $c->row($r->id)->{attempts} // [] }, $tries, "$name: attempts");

    my @lines = grep { s/^\Q@{[ $r->id ]}\E // }
        split /\n/, $t->read_file('once.log');
    my $inner = $headers{'X-Inner'} ? 'i' : '';

    is(join('|', @lines), qq($status "r" "$inner" $tries OK),
        "$name: set, access log");
    is($c->lines($r->id), join(' ', $status,
        join ' : ', (503) x ($tries - 1), $status), "$name: \$upstream_status");
}
