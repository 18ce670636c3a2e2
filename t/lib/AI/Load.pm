package AI::Load;

# Many clients in one process: each has a connection that is kept, sends a
# request, notes what came, waits a little and sends the next.
#
#   my $l = AI::Load->new;
#
#   $l->add(peer => '127.0.0.1:8080', key => $key, tenant => 'acme');
#   my $pid = $l->start($file, 2.5);            # in the background; as run()
#   my @notes = AI::Load::notes($file);         # after waitpid
#
#   $l->run(2.5, sub { enough(@_) });           # or here; ends by the block
#
# A client:
#
#   peer, key, tenant
#   node => N            for the notes
#   mark, delay, tokens  told to the counting provider, t/lib/counter.py:
#                        '-', ms (0), output tokens (1; 0: any number to the
#                        cap)
#   cap => N             max_tokens, 10
#   gap => [ MIN, MAX ]  ms between requests; 10, 60
#   abort => P           hangs up so often, 0 to 60 ms after the request, or to
#                        hang => MS
#   model => NAME        dear; stream => 1
#
# With new(count => N) notes are only counted, by code, and it ends after so many
# requests: { code => n }.
#
# A note: [time, tenant, node, mark, code, ms]; code is the status, with the
# error's code behind a 4xx or 5xx: 200, "429 insufficient_quota", or "broken",
# "aborted", "refused" (no connection), "timeout".

use strict;
use warnings;

use IO::Socket::INET;
use POSIX ();
use Socket qw(IPPROTO_TCP TCP_NODELAY);
use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC);


sub new {
    my ($class, %o) = @_;

    return bless { clients => [], notes => [], n => {}, all => 0,
        count => $o{count} }, $class;
}


sub now { return clock_gettime(CLOCK_MONOTONIC) }


sub add {
    my ($self, %o) = @_;

    my $cap = $o{cap} || 10;
    my $c = { mark => '-', delay => 0, tokens => 1, gap => [ 10, 60 ],
        node => 0, abort => 0, limit => 10, model => 'dear',
        hang => 60, %o, cap => $cap };

    my $body = qq({"model":"$c->{model}","max_tokens":$cap)
        . ($c->{stream} ? ',"stream":true' : '')
        . ',"messages":[{"role":"user","content":"Hello"}]}';

    $c->{head} = "POST /v1/chat/completions HTTP/1.1\r\nHost: gateway.test\r\n"
        . "Authorization: Bearer $c->{key}\r\n"
        . "Content-Type: application/json\r\nContent-Length: "
        . length($body) . "\r\nX-Load: $c->{mark} $c->{delay} ";
    $c->{body} = "\r\n\r\n$body";
    $c->{due} = 0;

    push @{ $self->{clients} }, $c;

    return $c;
}


sub start {
    my ($self, $file, $seconds, $enough) = @_;

    my $pid = fork() // die "fork: $!\n";

    return $pid if $pid;

    my $out = eval {
        srand($$ ^ time);
        $self->run($seconds, $enough);

        open my $f, '>', $file or die "$file: $!\n";
        print $f join("\t", @$_), "\n" for @{ $self->{notes} };
        print $f "$_\t$self->{n}{$_}\n" for sort keys %{ $self->{n} };
        close $f;
    };

    warn $@ if !$out;
    POSIX::_exit($out ? 0 : 1);
}


sub notes {
    my ($file) = @_;

    open my $f, '<', $file or die "$file: $!\n";

    return map { chomp; [ split /\t/ ] } <$f>;
}


# the block is called every 50 ms with the notes so far, and ends it when true

sub run {
    my ($self, $seconds, $enough) = @_;

    local $SIG{PIPE} = 'IGNORE';
    my $end = now() + $seconds;
    my $look = now() + 0.05;
    my $done = 0;

    # each begins at a moment of its own

    $_->{due} = now() + rand($_->{gap}[1]) / 1000 for @{ $self->{clients} };

    while (!$done && now() < $end) {
        $self->turn($look < $end ? $look : $end);

        last if $self->{count} && $self->{all} >= $self->{count};

        next if now() < $look;

        $look = now() + 0.05;
        $done = $enough && $enough->($self->{notes});
    }

    $_->{s} && close $_->{s} for @{ $self->{clients} };
    delete $_->{s} for @{ $self->{clients} };

    return $done;
}


sub turn {
    my ($self, $until) = @_;

    my $now = now();
    my $wake = $until;
    my $bits = '';

    for my $c (@{ $self->{clients} }) {
        $self->step($c, $now) if $c->{due} <= $now;

        $wake = $c->{due} if $c->{due} < $wake;
        vec($bits, fileno $c->{s}, 1) = 1 if $c->{sent};
    }

    my $left = $wake - now();
    my $n = select($bits, undef, undef, $left > 0 ? $left : 0);

    return if $n < 1;

    for my $c (@{ $self->{clients} }) {
        $self->take($c) if $c->{sent} && vec($bits, fileno $c->{s}, 1);
    }
}


# its time has come: to send, to hang up, or to wait no longer

sub step {
    my ($self, $c, $now) = @_;

    if ($c->{sent}) {
        return $self->broken($c, $c->{gives_up} ? 'aborted' : 'timeout');
    }

    $c->{s} ||= IO::Socket::INET->new(Proto => 'tcp', PeerAddr => $c->{peer},
        Timeout => 2);

    return $self->broken($c, 'refused') if !$c->{s};

    my $tokens = $c->{tokens} || 1 + int rand $c->{cap};

    $c->{sent} = $now;
    $c->{buf} = '';
    $c->{gives_up} = $c->{abort} && rand() < $c->{abort};
    $c->{due} = $now + ($c->{gives_up} ? rand($c->{hang}) / 1000 : $c->{limit});

    defined syswrite($c->{s}, $c->{head} . $tokens . $c->{body})
        or $self->broken($c, 'broken');
}


sub take {
    my ($self, $c) = @_;

    my $n = sysread($c->{s}, $c->{buf}, 65536, length $c->{buf});

    return $self->broken($c, 'broken') if !$n;

    my $head = index $c->{buf}, "\r\n\r\n";

    return if $head < 0;

    my ($status) = $c->{buf} =~ m{\AHTTP/1\.1 (\d+)};

    if ($c->{buf} =~ /^content-length: *(\d+)/im) {
        return if length $c->{buf} < $head + 4 + $1;

    } elsif ($c->{buf} !~ /\r\n0\r\n\r\n\z/) {
        return;
    }

    $status .= " $1" if $status >= 400 && $c->{buf} =~ /"code":\s*"(\w+)"/;

    $self->note($c, $status);

    close delete $c->{s} if $c->{buf} =~ /^connection: *close/im;
}


sub broken {
    my ($self, $c, $code) = @_;

    $self->note($c, $code);
    close delete $c->{s} if $c->{s};
    delete $c->{s};

    # a node that is not there is not asked at once

    $c->{due} += 0.05 if $code eq 'refused';
}


sub note {
    my ($self, $c, $code) = @_;

    my $now = now();
    my ($min, $max) = @{ $c->{gap} };

    if ($self->{count}) {
        $self->{n}{$code}++;
        $self->{all}++;

    } else {
        push @{ $self->{notes} }, [ $now, $c->{tenant}, $c->{node}, $c->{mark},
            $code, int(1000 * ($now - ($c->{sent} || $now))) ];
    }

    $c->{sent} = 0;
    $c->{due} = $now + ($min + rand($max - $min)) / 1000;
}

1;
