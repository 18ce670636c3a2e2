#!/usr/bin/perl

# What README.md says of each member of a translated request is what the table
# of the code says.

use strict;
use warnings;

use Test::More;

use FindBin;

chdir "$FindBin::Bin/.." or die;

sub slurp {
    open my $f, '<', $_[0] or die "$_[0]: $!\n";
    local $/;
    return scalar <$f>;
}

my ($rows) = slurp('src/core/ai_translate_request.c')
    =~ /ai_tr_rows\[\] = \{\n(.*?)^\};/ms;
my ($chapter) = slurp('README.md') =~ /^## Translation\n(.*?)^## /ms;

my (%code, %text);

while ($rows =~ /ai_string\("(\w+)"\),\s+AI_TR_(\w+),\s+AI_TR_(\w+),/g) {
    $code{$1} = [$2, $3];
}

sub meaning {
    my ($cell) = @_;

    return $cell =~ /^(?:dropped|the target's)/ ? 'DROP'
        : $cell =~ /^declined/ ? 'REFUSE'
        : 'SEND';
}

for ($chapter =~ /^\| (`.*) \|$/mg) {
    my ($names, @cells) = split / \| /;

    for my $name ($names =~ /`(\w+)`/g) {
        ok(!$text{$name}, "$name is there once");
        $text{$name} = [map { meaning($_) } @cells];
    }
}

cmp_ok(scalar keys %code, '>', 30, 'the table is read');
is_deeply([sort keys %text], [sort keys %code], 'the same members');

is_deeply($text{$_}, $code{$_}, $_) for sort keys %code;

done_testing();
