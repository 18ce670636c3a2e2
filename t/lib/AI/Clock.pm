package AI::Clock;

# The clock of a process, set by a test: t/lib/clock.c, preloaded.
#
#   my $clock = AI::Clock->new($dir);
#
#   $clock->preload;        # in the child, before exec
#   $clock->set(-3600);     # from now on

use strict;
use warnings;

use Cwd qw(abs_path);
use Fcntl qw(:flock);
use File::Basename qw(dirname);

my $top = abs_path(dirname(__FILE__) . '/../../..');


sub new {
    my ($class, $dir) = @_;

    my $self = bless { file => "$dir/clock", shim => shim() }, $class;

    $self->set(0);
    chmod 0644, $self->{file};

    return $self;
}


# compiled once for its state

sub shim {
    my $source = "$top/t/lib/clock.c";
    my $shim = "$top/build/clock.so";

    mkdir "$top/build";

    open my $lock, '>', "$shim.lock" or die "$shim.lock: $!\n";
    flock $lock, LOCK_EX or die "flock: $!\n";

    return $shim if -f $shim && -M $shim <= -M $source;

    system('gcc', '-shared', '-fPIC', '-O2', '-o', $shim, $source, '-ldl') == 0
        or die "no compiler\n";

    return $shim;
}


sub env { return (LD_PRELOAD => $_[0]{shim}, AI_CLOCK => $_[0]{file}) }

sub preload { my %env = $_[0]->env; @ENV{ keys %env } = values %env }


# seconds from the true time, and of the time since boot

sub set {
    my ($self, $wall, $boot) = @_;

    my $new = "$self->{file}.new";

    open my $f, '>', $new or die "$new: $!\n";
    printf $f "%.3f %.3f\n", $wall, $boot || 0;
    close $f;
    rename $new, $self->{file} or die "$self->{file}: $!\n";
}

1;
