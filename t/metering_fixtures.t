#!/usr/bin/perl

# Every sample body of t/data/fixtures through a real nginx, whole, split at
# every byte and at random: the client gets the provider's bytes, the row says
# what manifest.json expects.

use strict;
use warnings;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP;

use AI::Gateway;

my $dir = "$FindBin::Bin/data/fixtures";
my $manifest = decode_json(slurp("$dir/manifest.json"));

my @fixtures = grep { $_->{api} =~ /^(openai|azure|anthropic|gemini)\./
                      && $_->{api} !~ /batch\.output/ }
    @{ $manifest->{fixtures} };

my %models = map { model_of($_) => provider($_) } @fixtures;

my $t = AI::Gateway->new;

$t->provider(8081);
$t->run(gateway_conf(models => join '', map { model($_) } sort keys %models));

for my $f (@fixtures) {
    for my $split (undef, 'byte', { seed => 1, pieces => 7 },
        { seed => 2, pieces => 40 })
    {
        try($f, $split);
    }
}

$t->done;


sub try {
    my ($f, $split) = @_;

    my $bytes = slurp("$dir/$f->{file}");
    my ($uri, $body, %headers) = request($f);

    my $r = $t->post($uri, $body, headers => \%headers,
        mock => { file => $f->{file}, defined $split ? (split => $split) : () });

    my $name = $f->{file} . (!defined $split ? ''
        : ref $split ? " split $split->{seed}" : ' by byte');

    is($r->status, $f->{http_status}, "$name status");
    ok($r->body eq $bytes, "$name bytes");

    my $row = $t->waitrow($r->id);

    is_deeply(actual($row, $f), expected($f), "$name row");
}


# the parts of a row that manifest.json speaks of

sub actual {
    my ($row, $f) = @_;

    my %have = map { $_ => $row->{$_} } qw(api usage_source stream_complete
        served_model finish_reason);

    if (($row->{usage_source} || '') =~ /^(final|partial)$/) {
        $have{$_} = $row->{$_} for qw(input_tokens output_tokens
            cache_read_tokens cache_write_tokens reasoning_tokens classes
            units sub);
    }

    return \%have;
}


sub expected {
    my ($f) = @_;

    my $e = $f->{expected};
    my $reasons = $e->{'gen_ai.response.finish_reasons'} || [];

    my %want = (
        api => $f->{api} =~ s/^gemini\.openai/openai/r,
        usage_source => $e->{usage_source},
        stream_complete => $e->{stream_complete},
        served_model => $e->{'gen_ai.response.model'} // $f->{request_model},
        finish_reason => @$reasons ? join(',', @$reasons) : undef,
    );

    if ($e->{usage_source} eq 'none') {

        # what was delivered without numbers is estimated

        my $free = $f->{api} =~ /moderations/;
        my $failed = $e->{error} && !$f->{expected_text}{utf8_bytes};

        $want{usage_source} = 'estimated' if !$free && !$failed;

        return \%want;
    }

    my %names = (
        input_tokens => 'input_tokens',
        output_tokens => 'output_tokens',
        cache_read_tokens => 'cache_read.input_tokens',
        cache_write_tokens => 'cache_creation.input_tokens',
        reasoning_tokens => 'reasoning.output_tokens',
    );

    $want{$_} = $e->{"gen_ai.usage.$names{$_}"} // 0 for keys %names;
    $want{classes} = nonzero($e->{classes});
    $want{units} = nonzero($e->{units});
    $want{sub} = [ map { { %$_, classes => nonzero($_->{classes}) } }
                   @{ $e->{sub} } ];

    return \%want;
}


sub nonzero {
    my ($h) = @_;

    return { map { $_ => $h->{$_} } grep { $h->{$_} } keys %$h };
}


sub provider {
    my ($f) = @_;

    return 'gemini' if $f->{api} =~ /^gemini\.(?!openai)/;
    return $1 if $f->{api} =~ /^(anthropic|azure)/;
    return 'openai';
}


# one fixture has a Gemini model behind the OpenAI dialect

sub model_of {
    my ($f) = @_;

    return $f->{request_model}
        . ($f->{api} =~ /^gemini\.openai/ ? '-compat' : '');
}


sub model {
    my ($name) = @_;

    my $served = $name =~ s/-compat$//r;

    return <<EOF;
    ai_model $name {
        price       input=1.00 output=4.00;
        max_output  4096;
        target      $models{$name} model=$served;
    }
EOF
}


# the request that would be answered so

sub request {
    my ($f) = @_;

    my $model = model_of($f);
    my @stream = $f->{stream} ? (stream => JSON::PP::true) : ();
    my @usage = $f->{stream}
        ? (stream_options => { include_usage => JSON::PP::true }) : ();
    my @user = (messages => [ { role => 'user', content => 'Hello' } ]);
    my ($api) = $f->{api} =~ /^(?:gemini\.(?=openai))?(.*)/;

    if ($api =~ /^openai\.chat/) {
        return ('/v1/chat/completions',
            { model => $model, @user, @stream, @usage });
    }

    if ($api =~ /^azure/) {
        return ("/openai/deployments/$model/chat/completions"
            . '?api-version=2024-10-21', { @user, @stream, @usage });
    }

    if ($api eq 'openai.completions') {
        return ('/v1/completions',
            { model => $model, prompt => 'Hello', @stream, @usage });
    }

    if ($api eq 'openai.responses') {
        return ('/v1/responses', { model => $model, input => 'Hello', @stream });
    }

    if ($api =~ /^openai\.(embeddings|moderations)/) {
        return ("/v1/$1", { model => $model, input => 'Hello' });
    }

    if ($api eq 'openai.images') {
        return ('/v1/images/generations',
            { model => $model, prompt => 'a cat', @stream });
    }

    if ($api eq 'openai.audio.speech') {
        return ('/v1/audio/speech', { model => $model, input => 'Hello',
            voice => 'alloy', stream_format => 'sse' });
    }

    if ($api eq 'openai.audio.transcriptions') {
        my $form = form(model => $model,
            $f->{stream} ? (stream => 'true') : ());
        return ('/v1/audio/transcriptions', $form,
            'Content-Type' => 'multipart/form-data; boundary=xyz');
    }

    if ($api eq 'anthropic.messages') {
        return ('/v1/messages',
            { model => $model, max_tokens => 100, @user, @stream },
            'anthropic-version' => '2023-06-01');
    }

    my ($verb) = $api =~ /^gemini\.(\w+)/ or die "$f->{api}\n";
    my $sse = $f->{content_type} =~ /event-stream/ ? '?alt=sse' : '';

    my @contents = (contents => [ { parts => [ { text => 'Hello' } ] } ]);

    @contents = (requests => [ { model => "models/$model",
        content => { parts => [ { text => 'Hello' } ] } } ])
        if $verb eq 'batchEmbedContents';

    return ("/v1beta/models/$model:$verb$sse", { @contents });
}


sub form {
    my (%fields) = @_;

    my $body = '';

    for my $name (sort keys %fields) {
        $body .= "--xyz\r\nContent-Disposition: form-data; name=\"$name\""
            . "\r\n\r\n$fields{$name}\r\n";
    }

    return $body . "--xyz\r\nContent-Disposition: form-data; name=\"file\";"
        . " filename=\"a.wav\"\r\nContent-Type: audio/wav\r\n\r\n"
        . ('x' x 2000) . "\r\n--xyz--\r\n";
}


sub slurp {
    my ($file) = @_;

    open my $fh, '<:raw', $file or die "$file: $!\n";
    local $/;
    return scalar <$fh>;
}
