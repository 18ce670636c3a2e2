package AI::Conf;

# The text of a usual gateway's nginx.conf, so that a test states only what is
# special about it.

use strict;
use warnings;


# what stands in for %%MAIN%% and %%HTTP%%

sub main {
    my ($workers) = @_;

    my $user = $> ? '' : 'user nobody nogroup;';
    my $level = $ENV{AI_LOG} || 'info';

    return <<EOF;
%%MODULES%%
$user
pid               %%DIR%%/nginx.pid;
error_log         %%DIR%%/error.log $level;
working_directory %%DIR%%;
worker_processes  $workers;
EOF
}


sub http {
    return <<'EOF';
    log_format  t  '$status "$request_completion" "$request" $upstream_status';
    access_log  %%DIR%%/access.log t;

    client_body_temp_path  %%DIR%%/tmp/body;
    proxy_temp_path        %%DIR%%/tmp/proxy;
    fastcgi_temp_path      %%DIR%%/tmp/fastcgi;
    uwsgi_temp_path        %%DIR%%/tmp/uwsgi;
    scgi_temp_path         %%DIR%%/tmp/scgi;
EOF
}


# The whole nginx.conf.  Words:
#
#   zone, ledger             arguments of the two directives
#   listen, upstream         of the server and of upstream mock {}
#   providers, models, plan, tenants    text in place of the usual blocks
#   plan_extra               lines added to the usual plan
#   main, events, http, server, location    text added there; the settings of
#                            the proxy stand in server, a location may differ

sub gateway {
    my (%o) = @_;

    my %c = (
        zone => 'zone=ai:8m',
        ledger => '%%DIR%%/ledger segment=1m sync=1s',
        listen => '127.0.0.1:%%PORT_8080%%',
        upstream => 'server 127.0.0.1:%%PORT_8081%%; keepalive 16;',
        providers => providers(),
        models => models(),
        tenants => tenants(),
        plan => undef,
        plan_extra => '',
        main => '', events => '', http => '', server => '', location => '',
        %o,
    );

    for my $word (keys %o) {
        die "gateway_conf: unknown word $word\n"
            if !grep { $word eq $_ } qw(zone ledger listen upstream providers
                models tenants plan plan_extra main events http server
                location);
    }

    $c{plan} //= <<EOF;
    ai_plan usual {
        models  *;
        $c{plan_extra}
    }
EOF

    return <<EOF;
%%MAIN%%
$c{main}
events {
    worker_connections  4096;
    $c{events}
}

http {
%%HTTP%%
    ai_zone    $c{zone};
    ai_ledger  $c{ledger};

$c{providers}
$c{models}
$c{plan}
$c{tenants}
    upstream mock {
        $c{upstream}
    }

    $c{http}

    server {
        listen   $c{listen};
        include  %%TOP%%/conf.example/ai_proxy.conf;
        $c{server}

        location / {
            ai_gateway  on;
            proxy_pass  \$ai_pass;
            $c{location}
        }

        location = /ai/metrics {
            ai_metrics;
        }

        location = /ai/status {
            ai_status;
        }

        location = /ai/control {
            ai_control;
        }
    }
}
EOF
}


# one provider of each dialect, named like it, all at the stand-in

sub providers {
    return join '', map { provider($_) } qw(openai anthropic gemini azure);
}


sub provider {
    my ($api, %o) = @_;

    my $name = $o{name} || $api;
    my $port = $o{port} || 8081;
    my $upstream = $o{upstream} || 'mock';
    my $extra = $o{extra} || '';

    # a provider that fails on purpose is asked again all the same

    $extra .= ' breaker failures=1000000 errors=off;' if $extra !~ /\bbreaker\b/;

    return <<EOF;
    ai_provider $name {
        api       $api;
        base      http://127.0.0.1:%%PORT_$port%%;
        upstream  $upstream;
        key       file:%%DIR%%/provider.key;
        $extra
    }
EOF
}


sub models {
    return <<'EOF';
    ai_model gpt-4.1 {
        price       input=2.00 cache_read=0.50 output=8.00;
        context     1047576;
        max_output  32768;
        target      openai;
    }

    ai_model gpt-4.1-mini {
        price       input=0.40 cache_read=0.10 output=1.60;
        max_output  32768;
        target      openai;
    }

    ai_model text-embedding-3-small {
        price       input=0.02;
        target      openai;
    }

    ai_model claude-sonnet-4-6 {
        price       input=3.00 cache_read=0.30 cache_write_5m=3.75
                    cache_write_1h=6.00 output=15.00;
        max_output  64000;
        target      anthropic;
    }

    ai_model gemini-2.5-flash {
        price       input=0.30 cache_read=0.03 output=2.50;
        max_output  65535;
        target      gemini;
    }

    ai_model gpt-4o-prod {
        price       input=2.50 cache_read=1.25 output=10.00;
        max_output  16384;
        target      azure;
    }
EOF
}


sub tenants {
    return <<'EOF';
    ai_tenant acme {
        plan   usual;
        key    %%KEY_acme%% name=prod;
        label  team=search;
    }

    ai_tenant other {
        plan   usual;
        key    %%KEY_other%% name=prod;
    }
EOF
}

1;
