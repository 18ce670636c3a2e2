#!/usr/bin/perl

# The layers and the habits of the source that a machine can check: includes
# point http -> event -> core, src/core is pure, functions stay readable.

use strict;
use warnings;

use Test::More;
use File::Basename qw(basename dirname);
use FindBin;

chdir "$FindBin::Bin/.." or die;

my %rank = (core => 0, event => 1, http => 2);

my @files = glob 'src/*/*.[ch]';
my @all = (@files, 'ngx_http_ai_tenant_module.c', glob('t/unit/*.c'),
    glob('t/fuzz/*.c'), glob('t/bench/*.c'));

sub slurp {
    open my $f, '<', $_[0] or die "$_[0]: $!\n";
    local $/;
    return scalar <$f>;
}


# comments and strings blanked, line numbers kept

sub code_of {
    my ($text) = @_;

    $text =~ s{(/\*.*?\*/|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])+')}
              { my $s = $1; my $q = substr($s, 0, 1);
                $s =~ s/[^\n]/ /g;
                $q eq '/' ? $s : $q . substr($s, 2) . $q }gsex;

    return $text;
}


my (%bad, %text, %code);

for my $file (@all) {
    $text{$file} = slurp($file);
    $code{$file} = code_of($text{$file});
}

# includes

for my $file (@files) {
    my $layer = basename(dirname($file));

    for ($text{$file} =~ /^#include\s+(\S+)/mg) {
        my $to;

        if (m{"(?:\.\./(\w+)/)?([^/"]+)"}) {
            $to = $1 || $layer;

            push @{ $bad{include} }, "$file: $_ is not there"
                if !-f "src/$to/$2";

            push @{ $bad{include} }, "$file: $_ points up"
                if $rank{$to} > $rank{$layer};

        } elsif (/<ngx_http/ && $layer ne 'http') {
            push @{ $bad{include} }, "$file: $_";

        } elsif (/<ngx_/ && $layer eq 'core') {
            push @{ $bad{include} }, "$file: $_";

        } elsif ($layer eq 'core' && !m{<(?:stddef|stdint|strings?|limits|stdbool
            |stdarg|(?:emm|nmm|imm)intrin|openssl/(?:sha|evp))\.h>}x)
        {
            push @{ $bad{include} }, "$file: $_ is not pure";
        }
    }
}

# what src/core must not call

my $impure = qr/\b(?:malloc|calloc|realloc|free|time|clock|clock_gettime
    |gettimeofday|gmtime(?:_r)?|localtime(?:_r)?|rand|random|getenv|abort
    |exit|assert|open|close|read|write|mmap|fopen|printf|fprintf|sprintf
    |snprintf|puts|getrandom|RAND_bytes|ngx_\w+)\s*\(/x;

for my $file (grep { m{^src/core/} } @files) {
    my $n = 0;

    for (split /\n/, $code{$file}) {
        $n++;
        push @{ $bad{core} }, "$file:$n: $1" if /($impure)/ && !/^#define/;
    }
}

# no file of other layers gives up on bad luck

for my $file (grep { !m{^src/core/} } @files) {
    my $n = 0;

    for (split /\n/, $code{$file}) {
        $n++;
        push @{ $bad{abort} }, "$file:$n" if /\b(?:abort|assert|exit)\s*\(/;
    }
}

# lines and functions; tables of tests may be wider, and as long as they are

for my $file (@all) {
    my ($n, $start) = (0, 0);

    my @code = split /\n/, $code{$file};

    for my $line (split /\n/, $text{$file}) {
        my $code = $code[$n++] // '';

        push @{ $bad{long} }, "$file:$n"
            if length $line > ($file =~ m{^t/} ? 120 : 80);
        push @{ $bad{blank} }, "$file:$n" if $line =~ /[ \t]$|\t/;
        push @{ $bad{comment} }, "$file:$n" if $code =~ m{//};

        $start = $n if $code =~ /^\{/;

        if ($code =~ /^\}/ && $start) {
            my $lines = $n - $start - 1;
            push @{ $bad{function} }, "$file:$start: $lines lines"
                if $lines > 100 && $file !~ m{^t/};
            $start = 0;
        }
    }
}

for my $file (@files) {
    push @{ $bad{name} }, $file
        if $file =~ /(?:util|common|helper|manager|misc)/;
}

# config names every file

{
    my $config = do { local (@ARGV, $/) = 'config'; <> };

    for my $file (@files) {
        my ($word) = $file =~ m{^src/(?:core/ai_|event/ngx_ai_|http/ngx_http_ai_)
            (\w+)\.c$}x;
        ($word) = $file =~ m{^src/(.*)\.h$} if !defined $word;

        push @{ $bad{config} }, $file
            if $config !~ m{(?<![\w/])\Q$word\E(?![\w/])};
    }
}

sub none {
    my ($kind, $name) = @_;

    is(join("\n", @{ $bad{$kind} || [] }), '', $name);
}

none('include', 'includes point from http to event to core');
none('core', 'src/core is pure');
none('abort', 'no assert or abort in event and http');
none('function', 'no function longer than 100 lines');
none('long', 'lines of 80 columns');
none('blank', 'no tabs or trailing blanks');
none('comment', 'no // comments');
none('name', 'files are named after their noun');
none('config', 'config names every file');

SKIP: {
    skip 'no uncrustify', 1 if system('command -v uncrustify >/dev/null');

    my $out = `tools/format --check @files 2>&1`;

    is($out, '', 'layout, see `make format`');
}

done_testing();
