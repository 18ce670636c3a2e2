#!/usr/bin/perl

# 100 000 tenants in the configuration: read in seconds, with little memory.
# Anything quadratic would take minutes.

use strict;
use warnings;

use Test::More;
use Digest::SHA qw(sha256_hex);
use File::Temp qw(tempdir);
use FindBin;
use Time::HiRes qw(time);

my $module = $ENV{AI_MODULE}
    || "$FindBin::Bin/../build/ngx_http_ai_tenant_module.so";
my $nginx = $ENV{TEST_NGINX_BINARY} || 'nginx';

$nginx = "LD_PRELOAD='$ENV{AI_PRELOAD}' $nginx" if $ENV{AI_PRELOAD};
my $n = $ENV{AI_TENANTS} || 100_000;

plan skip_all => "no $module" unless -e $module;

my $dir = tempdir(CLEANUP => 1);

check('one key each', sub {
    my ($f) = @_;

    for my $i (1 .. $n) {
        printf $f "ai_tenant tenant-%06d { plan pro; key sha256:%s; }\n",
            $i, sha256_hex($i);
    }
});

check('all keys of one tenant, each with a limit', sub {
    my ($f) = @_;

    print $f "ai_tenant acme { plan pro;\n";

    for my $i (1 .. $n) {
        printf $f "key sha256:%s name=k%06d; limit requests 1/m key=k%06d;\n",
            sha256_hex($i), $i, $n + 1 - $i;
    }

    print $f "}\n";
});

done_testing();


sub check {
    my ($title, $write) = @_;

    open my $f, '>', "$dir/nginx.conf" or die "$dir: $!\n";

    print $f "load_module $module;\nerror_log stderr;\npid $dir/pid;\n"
        . "events {}\nhttp {\naccess_log off;\n"
        . join('', map { "${_}_temp_path $dir/tmp;\n" }
            qw(client_body proxy fastcgi uwsgi scgi))
        . "ai_plan pro { limit requests 5/m; models *; }\n";
    $write->($f);
    print $f "}\n";
    close $f or die "$dir: $!\n";

    my $begun = time;
    my $out = `$nginx -t -p $dir -e stderr -c $dir/nginx.conf 2>&1`;
    my $took = time - $begun;

    like($out, qr/test is successful/, $title) or diag(substr $out, 0, 2000);

    # the goal is 2 s on an idle machine
    cmp_ok($took, '<', 10, "$title: in seconds");
    diag(sprintf '%s: %.2f s', $title, $took);
}
