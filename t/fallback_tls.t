#!/usr/bin/perl

# Over TLS each target is asked by its own name and proves it: a name, a
# certificate or a session of one attempt is never another's.

use strict;
use warnings;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";

use IO::Socket::INET;

use AI::Chain;
use AI::Gateway;

plan(skip_all => 'no openssl') if system('openssl version > /dev/null') != 0;

my $t = AI::Gateway->new;
my $dir = $t->dir;

authority('ca');
authority('other');

# "wrong" shows another name, "foreign" an unknown authority's, "old" is past

certificate($_, $_) for qw(a b);
certificate('wrong', 'a');
certificate('foreign', 'foreign', ca => 'other');
certificate('old', 'old', days => -1);

my @names = qw(a b wrong foreign old);
my $c = AI::Chain->new($t, [ @names, 'mute' ], scheme => 'https',
    special => [ 'mute' ], how => { map { $_ => { ssl => {
        cert => "$dir/$_.pem", key => "$dir/$_.key" } } } @names });

# accepts, and says nothing

my $mute = IO::Socket::INET->new(Proto => 'tcp', Listen => 64, ReuseAddr => 1,
    LocalAddr => '127.0.0.1:' . $t->port('mute')) or die "listen: $!\n";

$t->run(gateway_conf($c->conf(
    models => join('',
        $c->model('m', 'a', 'b'),
        map({ $c->model($_, $_, 'b') } qw(wrong foreign old)),
        $c->model('connecting', 'mute connect=300ms first_byte=9s', 'b'),
        $c->model('first', 'mute connect=9s first_byte=300ms', 'b'),
        $c->model('total', 'mute connect=9s total=300ms', 'b'),
        $c->model('last', 'a', 'wrong')),
    server => 'listen 127.0.0.1:%%PORT_8082%% http2;',
    location => 'proxy_ssl_trusted_certificate %%DIR%%/ca.pem;')));

my %down = (a => { status => 503 });

# connections of both are kept, and none of them carries another's name

for my $n (1 .. 4) {
    for my $proto (qw(h1 h2)) {
        my $r = chat('m', $proto, $n % 2 ? %down : ());
        my @to = $n % 2 ? qw(a b) : 'a';

        is($r->status, 200, "$proto, $n: status");
        is_deeply($c->asked($r->id), \@to, "$proto, $n: asked");
        is(join(' ', map { $_->{sni} } $c->entries($r->id)),
            join(' ', map { "$_.provider.test" } @to), "$proto, $n: names");
        is(join(' ', map { $_->{host} } $c->entries($r->id)),
            join(' ', map { $c->host($_) } @to), "$proto, $n: hosts");
    }
}

cmp_ok((sort { $b <=> $a } map { $_->{nth} } $c->provider('b')->journal)[0],
    '>', 1, 'connections are kept');

# a certificate that is not good ends the attempt, before the key is shown

for my $name (qw(wrong foreign old)) {
    my $r = chat($name);

    is($r->status, 200, "$name: status");
    is_deeply($c->tried($r->id), [ "$name - connect", 'b 200 -' ],
        "$name: attempts");
    is($c->provider($name)->journal, 0, "$name: got nothing");
}

# the hand-shake takes part of the time

for my $name (qw(connecting first total)) {
    my $r = chat($name);
    my $ms = $c->row($r->id)->{attempts}[0]{ms} // -1;

    is_deeply($c->tried($r->id), [ 'mute - timeout', 'b 200 -' ],
        "$name: attempts");
    cmp_ok($ms, '>=', 295, "$name: not before");
    cmp_ok($ms, '<', 800 * $AI::Gateway::factor, "$name: not much later");
}

# when it is the last one, the client learns no more than that

my $r = chat('last', 'h1', %down);

is($r->status, 502, 'last: status');
is($r->json->{error}{code}, 'upstream_error', 'last: code');
unlike($r->body, qr/certif|ssl|provider\.test/i, 'last: no reason is named');

$t->done;


sub chat {
    my ($model, $proto, %at) = @_;

    my @request = ('POST', '/v1/chat/completions', { model => $model,
        messages => [ { role => 'user', content => 'x' } ] });
    my %o = (mock => { at => \%at });
    my $r = ($proto // 'h1') eq 'h2' ? $t->h2(@request, %o, port => 8082)
                                     : $t->request(@request, %o);

    $t->waitrow($r->id);
    $c->read;

    return $r;
}


sub openssl {
    system("cd $dir && openssl $_[0] 2>> $dir/openssl.log") == 0
        or die $t->read_file('openssl.log');
}


sub authority {
    my ($name) = @_;

    openssl("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 "
        . "-nodes -keyout $name.key -out $name.pem -days 30 -subj /CN=$name");
}


sub certificate {
    my ($file, $name, %o) = @_;

    my $ca = $o{ca} || 'ca';

    $t->write_file("$file.ext", "subjectAltName=DNS:$name.provider.test\n");

    openssl("req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes "
        . "-keyout $file.key -out $file.csr -subj /CN=$name");

    openssl("x509 -req -in $file.csr -CA $ca.pem -CAkey $ca.key "
        . '-CAcreateserial -days ' . ($o{days} || 30)
        . " -extfile $file.ext -out $file.pem");
}
