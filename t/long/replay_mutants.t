#!/usr/bin/perl

# The replay of breakers notices what it is for: mutants of the board, each with
# one rule of it broken, in a copy of the sources; see `make flapping-mutants`.
#
#   MUTANT=REGEX: those only;  AI_REQUESTS=N (12000) for each

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Path qw(make_path);
use FindBin;
use Test::More;

my $top = abs_path("$FindBin::Bin/../..");
my $copy = "$top/build/mutants/tree";
my $only = $ENV{MUTANT} // '';

# slowly, as what providers do changes with time, and with words of which all are
# needed

$ENV{AI_REQUESTS} ||= 12000;

my $row = 'failures=2 errors=50 requests=20 window=2000 cooldown=40';
my $rate = 'failures=40 errors=25 requests=8 window=600 cooldown=60';

# name, file, what stands there, what is put there, what has to be noticed

my @mutants = (
    [ 'none', '', '', '', undef ],

    [ 'a failure more', 'ai_board_breaker.c', 't->row >= t->conf.failures',
        't->row > t->conf.failures', 'breaker opened was due, and None' ],
    [ 'a failure less', 'ai_board_breaker.c', 't->row >= t->conf.failures',
        't->row + 1 >= t->conf.failures', 'None was due, and breaker opened' ],
    [ 'an answer does not end a row', 'ai_board_breaker.c',
        't->row_saved = t->row;
            t->row = 0;', 't->row_saved = 0;', 'None was due, and breaker opened' ],
    [ 'the window never ends', 'ai_board_window.c', 'if (p->tick < tick)',
        'if (p->tick == 0)', 'was due, and' ],
    [ 'a window that is half as long', 'ai_board_window.c',
        'now_ms / (t->conf.window_ms / AI_BOARD_PARTS)',
        'now_ms / (t->conf.window_ms / AI_BOARD_PARTS / 2)', 'was due, and' ],
    [ 'half as many in the window', 'ai_board_breaker.c',
        'n >= t->conf.requests', 'n >= t->conf.requests / 2',
        'None was due, and breaker opened' ],
    [ 'more than the share', 'ai_board_breaker.c',
        'failed * 100 >= (uint64_t) t->conf.errors * n',
        'failed * 100 > (uint64_t) (t->conf.errors + 5) * n',
        'breaker opened was due, and None' ],
    [ 'no jitter', 'ai_board_breaker.c',
        'random % (t->conf.cooldown_ms / 5 + 1)', '0 * random',
        'cool-downs are not spread' ],
    [ 'half of the jitter', 'ai_board_breaker.c',
        'random % (t->conf.cooldown_ms / 5 + 1)',
        'random % (t->conf.cooldown_ms / 10 + 1)',
        'cool-downs are not spread' ],
    [ 'a cool-down too long', 'ai_board_breaker.c',
        'random % (t->conf.cooldown_ms / 5 + 1)',
        't->conf.cooldown_ms / 5 + 1 + 0 * random',
        'a cool-down out of bounds' ],
    [ 'a cool-down too short', 'ai_board_breaker.c',
        'now_ms + t->conf.cooldown_ms
                 + random % (t->conf.cooldown_ms / 5 + 1)',
        'now_ms + t->conf.cooldown_ms - 1 - random % 2',
        'a cool-down out of bounds' ],
    [ 'two probes', 'ai_board_breaker.c', 'wait == 0 && t->probe',
        'wait == 0 && 0', 'let through next to a probe' ],
    [ 'probes that are not marked', 'ai_board_breaker.c',
        '*probe = t->probe;', '*probe = 0;',
        'let through an open breaker, and is no probe' ],
    [ 'a probe that gave way is believed', 'ai_board_breaker.c',
        'probe && probe == t->probe', 'probe && t->open', 'was due, and' ],
    [ 'all answers close', 'ai_board_breaker.c',
        'if (probe && probe == t->probe)', 'if (t->open)',
        'None was due, and breaker closed' ],
    [ 'a probe that fails closes', 'ai_board_breaker.c',
        'case AI_OUTCOME_OK:
        ai_board_breaker_clear(t);',
        'case AI_OUTCOME_FAILED:
    case AI_OUTCOME_OK:
        ai_board_breaker_clear(t);', 'probe failed was due, and breaker closed',
        'case AI_OUTCOME_FAILED:
        t->row +=', 'case AI_OUTCOME_LIMITED:
        t->row +=' ],
    [ 'a row that goes on through a probe', 'ai_board_breaker.c',
        't->probe = 0;
    t->row = 0;', 't->probe = 0;', 'None was due, and breaker opened' ],
    [ 'a change that is not told', 'ai_board_breaker.c',
        'return AI_BOARD_REOPENED;', 'return AI_BOARD_SAME;',
        'probe failed was due, and None' ],
    [ 'a rest that is told again', 'ai_board_breaker.c',
        'rested ? AI_BOARD_SAME : AI_BOARD_RESTS', 'AI_BOARD_RESTS',
        'None was due, and rate limited' ],
    [ 'a rest too long', 'ai_board_breaker.c', 'until > t->rest_ms',
        '++until > t->rest_ms', 'rests, and should not, or for longer' ],
    [ 'a conflict is a failure', 'ai_failover.c',
        'return status >= 500 &&', 'return (status >= 500 || status == 409) &&', 'the board was told something else' ],
);


sub slurp {
    my ($file) = @_;

    open my $f, '<', $file or die "$file: $!\n";
    local $/;

    return scalar <$f>;
}


sub spew {
    my ($file, $text) = @_;

    open my $f, '>', $file or die "$file: $!\n";
    print $f $text;
    close $f;
}


# what is to be put where, from => to; each stands there once

sub mutate {
    my ($file, %to) = @_;

    my $text = slurp("$top/src/core/$file");

    for my $from (keys %to) {
        my $n = () = $text =~ /\Q$from\E/g;

        die "$file: $n x $from\n" if $n != 1;
        $text =~ s/\Q$from\E/$to{$from}/;
    }

    spew("$copy/src/core/$file", $text);
}


# what was built before is good, save what was a mutant's

make_path($copy);

system("cp -rp $top/config $top/*.c $top/src $top/tools $copy") == 0
    or die "no copy\n";

utime undef, undef, map { "$copy/src/core/$_->[1]" } grep { $_->[1] } @mutants;

for my $m (@mutants) {
    my ($name, $file, $from, $to, $notice, @more) = @$m;

    next if $name !~ /$only/;

    mutate($file, $from, $to, @more) if $file;

    system("$copy/tools/build", "$copy/build") == 0 or die "$name: no build\n";

    local $ENV{AI_BREAKER} = $name =~ /window|share/ ? $rate
        : $name =~ /gave way/ ? $row =~ s/cooldown=\K.*/10/r : $row;
    local $ENV{AI_STRIDE} = $name =~ /told again/ ? 10 : 80;

    local $ENV{AI_MODULE} = "$copy/build/ngx_http_ai_tenant_module.so";

    my $out = `$^X $FindBin::Bin/flapping.t 2>&1`;

    if ($notice) {
        like($out, qr/^not ok.*?\Q$notice\E/ms, $name)
            or diag(join "\n", grep { length } $out =~ /^(not ok.*|#.*)$/mg);

    } else {
        unlike($out, qr/^not ok/m, 'no mutant') or diag($out);
    }

    system('cp', "$top/src/core/$file", "$copy/src/core/$file") if $file;
}

done_testing();
