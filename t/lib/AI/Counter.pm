package AI::Counter;

# The counting stand-in provider, t/lib/counter.py.
#
#   my $p = AI::Counter->new($t, host => '10.77.0.254');
#
#   $p->take('acme');       # { acme => [ { begin, end, mark, ... } ] }

use strict;
use warnings;

use IO::Socket::INET;
use JSON::PP ();

use AI::Client;

my @fields = qw(begin end mark id tokens how open);


sub new {
    my ($class, $t, %o) = @_;

    my $host = $o{host} || '127.0.0.1';
    my $port = $t->port($o{port} || 8081);
    my $self = bless { peer => "$host:$port" }, $class;

    $self->{pid} = $t->daemon('counter', '/usr/bin/python3',
        "$AI::Gateway::top/t/lib/counter.py", $self->{peer});

    $t->waitforport($o{port} || 8081, $host)
        or die "the provider did not start\n";

    return $self;
}


sub peer { return $_[0]{peer} }

sub stop { return kill 'TERM', $_[0]{pid} }


sub ask {
    my ($self, $uri) = @_;

    my $c = $self->{c} ||= AI::Client->new(peer => $self->{peer});

    $c->request('GET', $uri);

    return JSON::PP->new->allow_nonref->decode($c->finish->body);
}


sub open { return $_[0]->ask('/_open') }


# what came for tenants whose names begin so, in the order of arrival; it is
# told once

sub take {
    my ($self, $prefix) = @_;

    my $all = $self->ask("/_take?$prefix");

    for my $list (values %$all) {
        for my $entry (@$list) {
            my %e;

            @e{@fields} = @$entry;
            $entry = \%e;
        }
    }

    return $all;
}

1;
