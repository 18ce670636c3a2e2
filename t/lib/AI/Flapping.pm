package AI::Flapping;

# Requests over providers that flap (build/standin -f), some of them given up:
# what the rows say is what the providers have seen, and nothing is left held,
# open or leaked.

use strict;
use warnings;

use Exporter 'import';
use JSON::PP ();
use POSIX ();
use Test::More;
use Time::HiRes qw(time);

use AI::Gateway;
use AI::Load;

our @EXPORT = qw(flap_under_load);

my @names = qw(a b c d e);
my $breaker = $ENV{AI_BREAKER}
    || 'failures=5 errors=50 requests=20 window=2000 cooldown=100';


# requests => N, clients => N of each load, loads => N processes, seed => N,
# stride => ms at most between a client's requests, workers => N

sub flap_under_load {
    my (%o) = @_;

    my $standin = "$AI::Gateway::top/build/standin";

    system('make', '-s', '-C', $AI::Gateway::top, 'build/standin') == 0
        or die "build/standin is not built\n";

    my $t = AI::Gateway->new(workers => $o{workers} || 2);

    my @standins;

    for my $name (@names) {
        push @standins, $t->daemon("standin-$name", $standin, '-e', 6,
            '-i', 2, '-j', "$t->{dir}/journal-$name", '-f', $o{seed} * 100 + ord $name,
            $t->port($name));
        $t->waitforport($name);
    }

    $t->run(conf());

    my $started = time();
    my @load = map { load($t, $_, %o) } 1 .. $o{loads};
    my (@rss, $due);

    while (grep { waitpid($_, POSIX::WNOHANG()) == 0 } @load) {
        Time::HiRes::sleep(0.2);

        next if time() < ($due // 0);

        push @rss, rss($t);
        $due = time() + $o{requests} / 20000;
    }

    my $seconds = time() - $started;
    my %n = counted($t, $o{loads});

    diag(sprintf 'seed %d, %d s: %s', $o{seed}, $seconds,
        join ', ', map { "$n{$_} x $_" } sort keys %n);

    settle($t);
    check($t, \%n);
    flat(@rss) if $o{requests} >= 100000;

    is($t->status->{zone}{holds}, 0, 'no hold is left');
    idle($t);

    # the connections kept to them close first

    kill 'TERM', @standins;

    $t->done;
}


sub conf {
    my $words = $breaker =~ s/(errors=\d+)/$1%/r =~ s/(window|cooldown)=\d+\K/ms/gr;
    my $providers = join '', map { <<EOC } @names;
    ai_provider $_ {
        api       openai;
        base      http://127.0.0.1:%%PORT_$_%%;
        upstream  $_;
        key       file:%%DIR%%/provider.key;
        key       env:AI_SECOND_KEY;
        breaker   $words;
        capacity  60;
    }
EOC

    $ENV{AI_SECOND_KEY} = 'sk-provider-second-0123456789';

    return gateway_conf(
        main => "env AI_SECOND_KEY;\nerror_log %%DIR%%/board.log debug_mutex;",
        zone => 'zone=ai:16m',
        ledger => '%%DIR%%/ledger segment=64m sync=1s',
        plan_extra => 'limit concurrency 500; limit cost 1000000/day;
            limit tokens 1000000000/m;',
        http => "log_format flap '\$ai_request_id \$request_uri';\n"
            . "access_log %%DIR%%/flap.log flap buffer=64k flush=1s;\n"
            . join('', map { "upstream $_ { server 127.0.0.1:%%PORT_$_%%; "
            . "keepalive 32; }\n" } @names),
        providers => $providers,
        models => <<'EOC');
    ai_model spread {
        price       input=2.00 output=8.00;
        max_output  1000;
        target    a weight=50 first_byte=100ms timeout=1s;
        target    b weight=50 first_byte=100ms timeout=1s;
        fallback  c first_byte=100ms timeout=1s;
        fallback  d first_byte=100ms timeout=1s;
    }

    ai_model chain {
        price       input=2.00 output=8.00;
        max_output  1000;
        target    c first_byte=100ms timeout=1s;
        fallback  d first_byte=100ms timeout=1s;
        fallback  e first_byte=100ms timeout=1s total=2s;
        fallback  a first_byte=100ms timeout=1s;
        fallback  b first_byte=100ms timeout=1s;
        attempts  5;
        total     400ms;
    }

    ai_model short {
        price       input=2.00 output=8.00;
        max_output  1000;
        target    e first_byte=100ms timeout=1s;
        fallback  b first_byte=100ms timeout=1s;
        attempts  2;
    }
EOC
}


sub load {
    my ($t, $n, %o) = @_;

    my $l = AI::Load->new(count => $o{requests} / $o{loads});

    for my $i (1 .. $o{clients}) {
        my $tenant = $i % 2 ? 'acme' : 'other';

        $l->add(peer => '127.0.0.1:' . $t->port(8080), tenant => $tenant,
            key => make_key($tenant), gap => [ 0, $o{stride} // 10 ],
            model => (qw(spread chain short))[$i % 3], stream => $i % 4 == 0,
            abort => $i % 5 == 0 ? 0.5 : 0.02, hang => $i % 3 ? 3 : 30);
    }

    srand($o{seed} + $n);

    return $l->start("$t->{dir}/load.$n", 36000);
}


sub counted {
    my ($t, $loads) = @_;

    my %n;

    for my $i (1 .. $loads) {
        $n{ $_->[0] } += $_->[1] for AI::Load::notes("$t->{dir}/load.$i");
    }

    return %n;
}


# all requests have ended, and their rows are written

sub settle {
    my ($t) = @_;

    my ($last, $same) = (-1, 0);

    ok((waitfor { $t->status->{zone}{holds} == 0 } 60),
        'all of them have ended');

    # what is buffered is written within a second

    waitfor {
        my $n = size($t);

        $same = $n == $last ? $same + 1 : 0;
        $last = $n;

        return $same > 70;
    } 60;
}


sub size {
    my ($t) = @_;

    my $n = 0;

    $n += -s $_ || 0
        for glob "$t->{dir}/{flap.log,ledger/usage*.jsonl*}";

    return $n;
}


sub check {
    my ($t, $n) = @_;

    my @journals = map { "$_=$t->{dir}/journal-$_" } @names;
    my $out = `/usr/bin/python3 $AI::Gateway::top/t/lib/flapping.py \\
        $t->{dir}/ledger $t->{dir}/flap.log $t->{dir}/board.log \\
        '$breaker' @journals`;

    is($?, 0, 'looked at');

    my $got = JSON::PP->new->utf8->decode($out || '{}');
    my %got = %{ $got->{n} || {} };

    diag(join ', ', map { "$_ $got{$_}" } sort keys %got);

    is(join("\n", map { "$_: $got->{wrong}{$_}[0] x, as in "
        . JSON::PP->new->canonical->encode($got->{wrong}{$_}[1]) }
        sort keys %{ $got->{wrong} }), '', 'rows are as providers have seen');

    # the board's figures are those that it was told, and those of the rows, but
    # for last resorts and for clients that have left, which it does not count

    my (@wrong, %board);

    for my $b (@{ $t->status->{targets} }) {
        my $r = $got->{by}{"$b->{model} $b->{provider}"} || {};

        push @wrong, "$b->{model} $b->{provider}: "
            . JSON::PP->new->canonical->encode([ $b, $r ])
            if $b->{attempts} > ($r->{attempts} || 0)
            || $b->{failed} > ($r->{failed} || 0)
            || $b->{limited} > ($r->{limited} || 0);

        $board{"$b->{model} $b->{target}"} = [ @$b{qw(attempts failed limited)},
            $b->{breaker}{opened}, $b->{breaker}{open} ? 1 : 0 ]
            if $b->{attempts};
    }

    is_deeply(\%board, $got->{board} || {}, 'the board has what it was told');
    is(join("\n", @wrong), '', 'the board counts no more than there was');

    # no client was refused before it was admitted

    cmp_ok($got{logged} || 0, '>', 0, 'nginx has logged');
    is($got{rows}, $got{logged}, 'a row for each request');

    cmp_ok($n->{200} || 0, '>', 0, 'some were answered');
    cmp_ok($n->{aborted} || 0, '>', 0, 'some were given up');
    cmp_ok($got{attempts} || 0, '>', ($got{rows} || 0) - ($got{refused} || 0),
        'some were tried again');
    cmp_ok($got{again} || 0, '>', 0, 'some found a closed connection');
    cmp_ok($got{failed} || 0, '>', 0, 'some failed everywhere');
}


# KB of each worker

sub rss {
    my ($t) = @_;

    my $sum = 0;

    for my $pid ($t->workers) {
        open my $f, '<', "/proc/$pid/status" or next;
        /^RssAnon:\s+(\d+)/ and $sum += $1 for <$f>;
    }

    return $sum;
}


# what grows with each request grows by megabytes in so many

sub flat {
    my (@rss) = @_;

    my $n = @rss / 4;
    my ($early) = sort { $b <=> $a } @rss[$n .. 2 * $n];
    my ($late) = sort { $b <=> $a } @rss[3 * $n .. $#rss];

    diag(sprintf 'memory of the workers: %d KB, later %d KB', $early, $late);

    cmp_ok($late, '<', $early * 1.1 + 4096, 'memory is flat');
}


# nothing is open or waits

sub idle {
    my ($t) = @_;

    my $s = $t->status;

    is(join(' ', map { "$_->{name}: $_->{open}" } grep { $_->{open} }
        @{ $s->{tenants} }), '', 'nothing is open');

    my @held = grep {
        $_->{provider_gate}{taken} || $_->{provider_gate}{waiting}
    } @{ $s->{targets} };

    is(scalar(@{ $s->{targets} }), 11, 'all targets are told');
    is(join(' ', map { "$_->{provider}: $_->{provider_gate}{taken}" } @held),
        '', 'no place is taken');
}

1;
