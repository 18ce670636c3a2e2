package AI::Chain;

# Several stand-in providers behind one gateway, each with a host, a key and a
# journal of its own, and models that go from one to the next.
#
#   my $c = AI::Chain->new($t, [ qw(a b c) ]);
#
#   $t->run(gateway_conf($c->conf(models => $c->model('m', 'a', 'b', 'c'))));
#   my $r = $t->chat({ model => 'm' },
#       mock => { at => { a => { status => 503 } } });
#
#   $c->read(1);
#   is_deeply($c->tried($r->id), [ 'a 503 status', 'b 200 -' ], 'row');
#   is_deeply($c->asked($r->id), [ 'a', 'b' ], 'by their journals');
#
# Names that are special: "refused" has no listener, "deaf" lets nobody connect,
# "closing" closes what it has accepted.

use strict;
use warnings;

use IO::Socket::INET;

use AI::Gateway;

my %special = map { $_ => 1 } qw(refused deaf closing);


# api => { NAME => DIALECT }, openai; keys => { NAME => N }; words => { NAME =>
# text }: of the provider's block, '*' for those not named; breaker => text in place of one
# that never opens, '' for the module's own; how => { }: of the stand-ins

sub new {
    my ($class, $t, $names, %o) = @_;

    my $self = bless {
        t       => $t,
        names   => $names,
        api     => $o{api} || {},
        scheme  => $o{scheme} || 'http',
        keys    => $o{keys} || {},
        words   => $o{words} || {},
        breaker => $o{breaker} // 'failures=1000000 errors=off',
    }, $class;

    my %none = (%special, map { $_ => 1 } @{ $o{special} || [] });

    for my $name (grep { !$none{$_} } @$names) {
        my $how = $o{how}{$name} || $o{how}{'*'} || {};

        $self->{p}{$name} = $t->provider($name, full => 1, later => 1, %$how);
    }

    $_->wait for values %{ $self->{p} };

    for my $name (@$names) {
        $self->{p}{$name} = $t->provider($name, behave => { close => 'accept' })
            if $name eq 'closing';

        $self->deafen($name) if $name eq 'deaf';

        $t->write_file($self->key_file($name, $_), $self->key($name, $_) . "\n")
            for 1 .. $self->keys_of($name);
    }

    return $self;
}


# a listener that accepts nothing, and whose backlog is full

sub deafen {
    my ($self, $name) = @_;

    my $peer = '127.0.0.1:' . $self->{t}->port($name);

    my $s = IO::Socket::INET->new(Proto => 'tcp', Listen => 1, ReuseAddr => 1,
        LocalAddr => $peer) or die "listen: $!\n";

    push @{ $self->{deaf} }, $s, grep { $_ } map { IO::Socket::INET->new(
        Proto => 'tcp', Blocking => 0, PeerAddr => $peer) } 1 .. 4;
}


sub keys_of { return $_[0]{keys}{ $_[1] } || 1 }

sub key_file { return "$_[1].$_[2].key" }

sub key { return sprintf 'sk-%s-%d-0123456789abcdef', $_[1], $_[2] || 1 }

sub host { return "$_[1].provider.test:" . $_[0]{t}->port($_[1]) }

sub provider { return $_[0]{p}{ $_[1] } }


# words of gateway_conf(): those given, and the blocks of the providers

sub conf {
    my ($self, %o) = @_;

    my $providers = '';
    my $http = <<'EOC';
    log_format  chain  '$ai_request_id $status $upstream_status';
    access_log  %%DIR%%/chain.log chain;
EOC

    for my $name (@{ $self->{names} }) {
        my $keys = join "\n        ", map {
            "key       file:%%DIR%%/" . $self->key_file($name, $_) . ';'
        } 1 .. $self->keys_of($name);

        my $api = $self->{api}{$name} || 'openai';
        my $breaker = $self->{breaker} ? "breaker   $self->{breaker};" : '';
        my $words = $self->{words}{$name} // $self->{words}{'*'} // '';

        $http .= "    upstream $name { server 127.0.0.1:%%PORT_$name%%; "
            . "keepalive 16; }\n";

        $providers .= <<EOC;
    ai_provider $name {
        api       $api;
        base      $self->{scheme}://$name.provider.test:%%PORT_$name%%;
        upstream  $name;
        $keys
        $breaker
        $words
    }
EOC
    }

    return (%o, providers => $providers, http => $http . ($o{http} // ''));
}


# An ai_model whose first target is the first of the list, all others its
# fallbacks in this order.  A target is "PROVIDER words"; its name there is
# "MODEL-at-PROVIDER" unless it has a model=.  A reference to text at the end:
# other words of the block.

sub model {
    my ($self, $model, @targets) = @_;

    my $words = ref $targets[-1] ? ${ pop @targets } : '';
    my $kind = 'target';
    my $text = '';

    for my $target (@targets) {
        my ($name) = $target =~ /^(\S+)/;
        my $there = $target =~ / model=/ ? ''
            : ' model=' . $self->name($model, $name);

        $text .= "        $kind  $target$there;\n";
        $kind = 'fallback';
    }

    return <<EOC;
    ai_model $model {
        price       input=2.00 output=8.00;
        max_output  1000;
        $words
$text    }
EOC
}


sub name { return "$_[1]-at-$_[2]" }


# ---- what happened ----

# takes the rows, journals and logs as they are, once there are so many rows

sub read {
    my ($self, $rows) = @_;

    my (%row, %asked, %line);

    for my $row ($self->{t}->waitrows($rows || 0)) {
        die "two rows of $row->{id}\n" if $row{ $row->{id} };
        $row{ $row->{id} } = $row;
    }

    for my $name (sort keys %{ $self->{p} }) {
        for my $e ($self->{p}{$name}->journal) {
            push @{ $asked{ $e->{id} // '' } }, { %$e, at => $name };
        }
    }

    for my $list (values %asked) {
        @$list = sort { $a->{began} <=> $b->{began} } @$list;
    }

    for (split /\n/, $self->{t}->read_file('chain.log')) {
        my ($id, $rest) = split / /, $_, 2;
        push @{ $line{$id} }, $rest;
    }

    @$self{qw(row journal line)} = (\%row, \%asked, \%line);
}


sub row { return $_[0]{row}{ $_[1] // '' } || {} }


# entries of the journals, in their order

sub entries { return @{ $_[0]{journal}{ $_[1] // '' } || [] } }


# "$status $upstream_status" of the access log, the lines of a request joined
# by |; what was repeated since a cached connection had been closed is left out

sub lines {
    my ($self, $id) = @_;

    return join '|',
        map { s/\b502, //gr } @{ $self->{line}{ $id // '' } || [] };
}


# [ 'PROVIDER STATUS REASON', ... ] of the row

sub tried {
    my ($self, $id) = @_;

    return [ map { join ' ', $_->{provider}, $_->{status} || '-',
        $_->{reason} // '-' } @{ $self->row($id)->{attempts} || [] } ];
}


# [ PROVIDER, ... ] by the journals; what was closed behind another request of
# its connection came once more, and is left out

sub asked {
    my ($self, $id) = @_;

    return [ map { $_->{at} } grep { !stale($_) } $self->entries($id) ];
}


# a journal's entry whose connection looked as if it had been closed before

sub stale {
    my ($e) = @_;

    return $e->{nth} > 1 && $e->{end} eq 'cut' && !$e->{status};
}


# what a provider got that was not meant for it: the client's body with the
# model's name alone changed, its own host, path and key

sub wrong {
    my ($self, $e, $model, $body) = @_;

    my $there = $self->name($model, $e->{at});
    my $got = join ' ', map { "$_: $e->{secrets}{$_}" }
        sort keys %{ $e->{secrets} };

    (my $want = $body) =~ s/("model"\s*:\s*)"[^"]*"/$1"$there"/;

    my @wrong;

    push @wrong, "body $e->{body}" if $e->{body} ne $want;
    push @wrong, "host $e->{host}" if $e->{host} ne $self->host($e->{at});
    push @wrong, "path $e->{path}" if $e->{path} ne '/v1/chat/completions';
    push @wrong, "keys $got"
        if $got ne 'authorization: Bearer ' . $self->key($e->{at});

    return @wrong;
}

1;
