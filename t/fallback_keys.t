#!/usr/bin/perl

# A provider's keys take turns; one that was refused or limited rests, and the
# request goes on with another of them.

use strict;
use warnings;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";

use AI::Chain;
use AI::Gateway;

my $t = AI::Gateway->new;
my $c = AI::Chain->new($t, [ qw(turns bad rate back all gone one dry alone b) ],
    keys => { alone => 2,
        map { $_ => 3 } qw(turns bad rate back all gone dry) });

$t->run(gateway_conf($c->conf(models => join('',
    $c->model('alone', 'alone'),
    map { $c->model($_, $_, 'b') }
        qw(turns bad rate back all gone one dry)))));

my $r;

# in turn

is(join(' ', map { keys_of(chat('turns')) } 1 .. 9),
    join(' ', qw(1 2 3) x 3), 'in turn');

# 401 to one of them: tried again with the next, and no more for a while

my %second = (keyed => { 'sk-bad-2-' => { status => 401, body => 'bad key' } });

my @got = map { keys_of(chat('bad', %second)) } 1 .. 7;

is("@got", '1 2,3 1 3 1 3 1', '401: another key, and it rests');

$r = (grep { @{ $_->{attempts} } == 2 } $t->rows)[0];

is_deeply($c->tried($r->{id}), [ 'bad 401 status', 'bad 200 -' ],
    '401: attempts');
is($r->{attempts}[1]{chosen}, 'key', '401: why');
is($r->{state}, 'final', '401: state');

my @lines = grep { /ai provider "bad"/ } split /\n/, $t->log;

is(@lines, 1, '401: one line in the log');
like($lines[0], qr/answered 401 to its key 2 of 3/,
    '401: which key it was');

# 429 is the key's, not the target's

my %first = (keyed => { 'sk-rate-1-' => { status => 429, body => 'slow',
    headers => { 'retry-after-ms' => 60000 } } });

@got = map { keys_of(chat('rate', %first)) } 1 .. 5;

is("@got", '1,2 3 2 3 2', '429: another key, and it rests');
is($r->status, 200, '429: the client does not see it');

# until its time is over

my %short = (keyed => { 'sk-back-1-' => { status => 429, body => 'slow',
    headers => { 'retry-after-ms' => 2000 * $AI::Gateway::factor } } });

is(join(' ', map { keys_of(chat('back', %short)) } 1 .. 3), '1,2 3 2',
    'it rests for its time');

ok((waitfor { keys_of(chat('back')) eq '1' } 5), 'and is back then');

# none is left: 401 is passed on, never tried elsewhere; 429 is

chat('all', at => { all => { status => 401, body => 'bad key' } });

is($r->status, 401, 'all refused: status');
is($r->body, 'bad key', 'all refused: its words');
is_deeply($c->tried($r->id), [ ('all 401 status') x 3 ],
    'all refused: attempts');
is(keys_of($r), '1,2,3', 'all refused: each once');

chat('gone', at => { gone => { status => 429, body => 'slow',
    headers => { 'retry-after' => 60 } } });

is($r->status, 200, 'all limited: status');
is_deeply($c->tried($r->id), [ ('gone 429 status') x 3, 'b 200 -' ],
    'all limited: attempts');

# a single key

chat('one', at => { one => { status => 401, body => 'bad key' } });

is($r->status, 401, 'a single key: status');
is($r->body, 'bad key', 'a single key: its words');
is_deeply($c->tried($r->id), [ 'one 401 status' ], 'a single key: attempts');

chat('one');
is_deeply($c->tried($r->id), [ 'one 200 -' ], 'a single key does not rest');

# what an answer announces is the key's: one without anything left is the last
# to be tried, and the target whose keys are all so

my %dry = map { my $n = $_; ("sk-dry-$n-" => { headers => {
    'x-ratelimit-remaining-requests' => 0,
    'x-ratelimit-reset-requests' => '60s' } }) } 1 .. 3;

@got = map { keys_of(chat('dry', keyed => { 'sk-dry-2-' =>
    $dry{'sk-dry-2-'} })) } 1 .. 7;

is("@got", '1 2 3 1 3 1 3', 'used up: not its turn any more');

@got = map { keys_of(chat('dry', keyed => \%dry)) } 1 .. 3;

is(join(' ', sort @got[0 .. 1]), '1 3', 'used up: the others');
is($c->tried($r->id)->[0], 'b 200 -', 'all used up: another target');

is(keys_of(chat('alone', keyed => { 'sk-alone-1-' => { headers => {
    'anthropic-ratelimit-requests-remaining' => 0,
    'anthropic-ratelimit-requests-reset' => '2099-01-01T00:00:00Z' } } })), 1,
    'no other target: a key');
is(join(' ', map { keys_of(chat('alone')) } 1 .. 3), '2 2 2',
    'no other target: the other key');
is(keys_of(chat('alone', keyed => { 'sk-alone-2-' => { headers => {
    'x-ratelimit-remaining-requests' => 0,
    'x-ratelimit-reset-requests' => '5s' } } })), 2,
    'no other target: its last');
is(keys_of(chat('alone')), 2, 'no other target: the one that is back first');
is($r->status, 200, 'no other target: it is asked all the same');

# what rests is not forgotten with the configuration

ok($t->reload, 'reloaded');
is(join(' ', map { keys_of(chat('bad', %second)) } 1 .. 4) =~ s/^3 //r
    =~ s/^(\S \S \S)$/$1 */r, '1 3 1 *', 'rests through a reload')
    or diag($t->log =~ s/(?s).*reconfiguring//r);

unlike($t->log, qr/0123456789abcdef/, 'no key in the log');

$t->done;


sub chat {
    my ($model, %mock) = @_;

    $r = $t->chat({ model => $model }, mock => \%mock);

    $t->waitrow($r->id);
    $c->read;

    return $r;
}


# the numbers of the keys that were sent

sub keys_of {
    my ($r) = @_;

    return join ',', map { $_->{secrets}{authorization} =~ /-(\d)-/ }
        $c->entries($r->id);
}
