package AI::Feed;

# Tenants, keys, plans and prices of the directory, as a test wants them, with
# no database: see t/lib/feed.c.
#
#   my $feed = AI::Feed->new($t);           # before $t->run
#
#   $feed->plan('std', 'models *');
#   $feed->tenant('acme', 'plan std');
#   $feed->key('prod', 'tenant acme');
#   $t->run(gateway_conf(http => $feed->conf));
#   $feed->put;                             # and it is so, when it returns
#
# $feed->conf is the ai_postgres block; nobody listens there.

use strict;
use warnings;

use AI::Gateway;
use Digest::SHA qw(sha256_hex);
use JSON::PP ();

my @core = qw(core crc32 crc32c date digits dir dir_put journal);


sub new {
    my ($class, $t) = @_;

    my $top = $AI::Gateway::top;
    my $shim = $t->dir . '/feed.so';
    my $nginx = '/usr/share/nginx/src/src';

    system('cc', '-shared', '-fPIC', '-O1', '-w', '-D_GNU_SOURCE',
        (map { "-I$nginx/$_" } qw(core event event/modules os/unix)),
        "-I$top/build/nginx", '-I/usr/include/postgresql', "-I$top/src",
        '-o', $shim, "$top/t/lib/feed.c",
        (map { "$top/src/core/ai_$_.c" } @core),
        '-ldl', '-Wl,--unresolved-symbols=ignore-all') == 0
        or die "no compiler\n";

    my $self = bless {
        t => $t, path => $t->dir . '/feed', serial => 0, loaded => 1,
        docs => {},
    }, $class;

    $ENV{AI_PRELOAD} = join ' ', grep { length } $ENV{AI_PRELOAD} // '', $shim;
    $ENV{AI_FEED} = $self->{path};

    return $self;
}


sub conf {
    return <<'EOF';
    ai_postgres {
        server    127.0.0.1:%%PORT_8432%%;
        database  ai;
        user      ai_gateway;
    }
EOF
}


# lines of a document; none: the record is gone

sub doc {
    my ($self, $name, @lines) = @_;

    delete $self->{docs}{$name};
    $self->{docs}{$name} = [ @lines ] if @lines;

    return $self;
}


sub plan { my ($s, $name, @l) = @_; return $s->doc("p $name", @l) }
sub tenant { my ($s, $name, @l) = @_; return $s->doc("t $name", @l) }
sub price { my ($s, $model, @l) = @_; return $s->doc("m $model", @l) }


# by the name that the test's requests give as key =>, which is its name too

sub key {
    my ($self, $name, @lines) = @_;

    return $self->doc('k ' . sha256_hex(make_key($name)),
        @lines ? ("name $name", @lines) : ());
}


sub encode { return JSON::PP->new->utf8->canonical->encode($_[0]) }


# whether the file says that it is all there is

sub loaded { $_[0]{loaded} = $_[1]; return $_[0] }


# writes the file; waits until the gateway, where it runs, has read it

sub put {
    my ($self) = @_;

    my $serial = ++$self->{serial};
    my $docs = $self->{docs};

    my $text = join '', "$serial\n", ($self->{loaded} ? "loaded\n" : ''),
        map { ("$_\n", map { "\t$_\n" } @{ $docs->{$_} }) } sort keys %$docs;

    my $new = $self->{t}->write_file('feed.new', $text);

    rename $new, $self->{path} or die "$self->{path}: $!\n";

    return unless $self->{t}->workers;

    waitfor {
        ($self->{t}->read_file('feed.done') || 0) == $serial
    } or die "the feed was not read\n";
}

1;
