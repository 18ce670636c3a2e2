package AI::PgTest;

# nginx with the PostgreSQL client under the directives of t/module.

use strict;
use warnings;

use Cwd qw(abs_path);
use Exporter 'import';
use File::Basename qw(dirname);

use AI::Gateway;

our @EXPORT = qw(pg_conf query sql stat_of waitstate);


# words: server (default the cluster's port), args, http, main, workers

sub pg_conf {
    my ($pg, %o) = @_;

    my $so = dirname($ENV{AI_MODULE} || "$AI::Gateway::top/build/x")
        . '/module/ngx_http_pg_test_module.so';

    -f $so or die "$so: not built, see `make test-module`\n";

    $so = abs_path($so);

    my $server = $o{server} || "127.0.0.1:$pg->{port}";
    my $args = $o{args} || '';
    my $http = $o{http} || '';
    my $main = $o{main} || '';

    $args .= ' user=postgres' if $args !~ /user=/;
    $args .= ' database=ai' if $args !~ /database=/;

    return <<EOF;
%%MAIN%%
load_module $so;
$main

events {
    worker_connections  512;
}

http {
%%HTTP%%
    client_max_body_size     16m;
    client_body_buffer_size  16m;

    $http
    pg_test $server $args;

    server {
        listen  127.0.0.1:%%PORT_8080%%;

        location = /query { pg_test_query; }
        location = /stat  { pg_test_stat; }
    }
}
EOF
}


# POST of a statement; body => the binary \$1, p => text, timeout => ms

sub start {
    my ($t, $sql, %o) = @_;

    my @args;
    my $body = $sql;

    if (defined $o{body}) {
        $body = $o{body};
        push @args, 'sql=' . escape($sql);
    }

    push @args, 'p=' . escape($o{p}) if defined $o{p};
    push @args, "timeout=$o{timeout}" if $o{timeout};

    return $t->start('POST', '/query?' . join('&', @args), $body,
        key => undef, timeout => 60);
}


sub escape {
    my ($s) = @_;

    $s =~ s/([^A-Za-z0-9_.-])/sprintf '%%%02X', ord $1/ge;

    return $s;
}


sub query { return start(@_)->finish }


# status and body in one line, for like()

sub sql {
    my $r = query(@_);

    return $r->status . ' ' . $r->body;
}


sub stat_of { return $_[0]->get('/stat', key => undef)->json }


sub waitstate {
    my ($t, $state, $seconds) = @_;

    return waitfor { stat_of($t)->{state} eq $state } $seconds || 10;
}

1;
