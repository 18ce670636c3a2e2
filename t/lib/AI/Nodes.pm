package AI::Nodes;

# Gateways that share one PostgreSQL, as nodes do: each with a ledger directory
# and a stand-in provider of its own.  Tenants come from the SQL functions.
#
#   my $n = AI::Nodes->new;                     # two, of one worker
#
#   $n->admin(q{create_plan('pro', models => '{*}')});
#   $n->admin(q{create_tenant('acme', 'pro')});
#   $n->run;
#
#   my $key = $n->key('acme', 'prod');
#
#   ok($n->everywhere(sub { works($_[0], $key) }), 'works on every node');
#   $n->done;
#
#   nodes => N, workers => N
#   pg => { }        of AI::Postgres
#   postgres => { }  words of the ai_postgres block
#   conf => { }      of gateway_conf()

use strict;
use warnings;

use JSON::PP ();

use AI::Gateway;
use AI::Postgres;
use AI::Session;


sub new {
    my ($class, %o) = @_;

    my @t = map { AI::Gateway->new(workers => $o{workers} || 1) }
        1 .. $o{nodes} || 2;

    my $self = bless {
        t => \@t, options => \%o,
        pg => AI::Postgres->new($t[0], %{ $o{pg} || {} }),
    }, $class;

    $self->{p} = [ map { $_->provider(8081) } @t ];

    return $self;
}


sub t { return @{ $_[0]{t} } }

sub pg { return $_[0]{pg} }

sub provider { return $_[0]{p}[ $_[1] || 0 ] }

sub allow { my ($self, @re) = @_; $_->allow(@re) for $self->t }


sub conf {
    my ($self) = @_;

    my $o = $self->{options};
    my %c = %{ $o->{conf} || {} };

    $c{http} = $self->{pg}->conf(%{ $o->{postgres} || {} })
        . ($c{http} // '');

    return gateway_conf(%c);
}


sub run {
    my ($self) = @_;

    $_->run($self->conf) for $self->t;

    return $self;
}


# one call as ai_admin, over a connection that stays; what it answers, decoded

sub admin {
    my ($self, $call) = @_;

    my $s = $self->{session} ||= AI::Session->new($self->{pg},
        role => 'ai_admin');

    my $text = $s->do("SELECT ai.$call");

    die "ai.$call: SQLSTATE $s->{state}\n" if $s->{state} ne '00000';

    return JSON::PP->new->decode($text);
}


# after the server was away

sub forget { delete $_[0]{session} }


sub key {
    my ($self, $tenant, $name, $more) = @_;

    return $self->admin("create_key('$tenant', '$name'"
        . ($more ? ", $more" : '') . ')')->{key};
}


# one request on each, until its row is in PostgreSQL: all the connections that
# are kept are there

sub warm {
    my ($self, $key) = @_;

    my @ids = map { $_->chat({ max_tokens => 8 }, key => $key)->id } $self->t;

    $self->shipped($_) for @ids;
    $_->mark for $self->t;
}


# waits for the row of an id

sub shipped {
    my ($self, $id) = @_;

    return waitfor {
        $self->{pg}->value("SELECT count(*) FROM ai.usage_logs
            WHERE id = '$id'");
    };
}


# true once the code, called with each gateway in turn, was true for all

sub everywhere {
    my ($self, $code, $seconds) = @_;

    my @left = $self->t;

    return waitfor {
        @left = grep { !$code->($_) } @left;
        return !@left;
    } $seconds;
}


sub done {
    my ($self) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    delete $self->{session};
    $_->done for reverse $self->t;
}

1;
