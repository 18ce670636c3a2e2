package AI::Rows;

# Lines of usage.jsonl as ai_slot_row() writes them, for tests that ship
# without a gateway.
#
#   my $rows = AI::Rows->new(seed => 7);
#   my $line = $rows->line(tenant => 'acme', cost => 1_500_000_000);
#
#   is(AI::Rows::ship($pg, 1, $line), '1|0|0', 'inserted, none twice, none bad');
#
# A line is text without its line end.  Words: those of the row; cost is in
# nano-dollars, ms the time of the admission (now by default).

use strict;
use warnings;

use JSON::PP ();
use POSIX qw(floor strftime);
use Time::HiRes ();

my $json = JSON::PP->new->allow_nonref->utf8;


sub new {
    my ($class, %o) = @_;

    return bless { n => 0, seed => $o{seed} // int rand 2 ** 31 }, $class;
}


# UUIDv7 of a time; the rest counts up, so that ids of one object differ

sub id {
    my ($self, $ms) = @_;

    $self->{n}++;

    return sprintf '%08x-%04x-7%03x-8%03x-%04x%08x', floor($ms / 65536),
        $ms % 65536, $self->{seed} >> 12 & 0xfff, $self->{seed} & 0xfff,
        floor($self->{n} / 2 ** 32), $self->{n} % 2 ** 32;
}


sub time_text {
    my ($ms) = @_;

    return strftime('%Y-%m-%dT%H:%M:%S', gmtime floor($ms / 1000))
        . sprintf '.%03dZ', $ms % 1000;
}


sub usd {
    my ($nanos) = @_;

    return sprintf '%d.%09d', floor($nanos / 1e9), $nanos % 1e9;
}


sub line {
    my ($self, %o) = @_;

    my $ms = $o{ms} // floor(Time::HiRes::time() * 1000);
    my $none = ($o{usage_source} // '') eq 'none';
    my $cost = $o{cost} // 1_234_567;

    my %v = (
        id => $self->id($ms), time => time_text($ms), tenant => 'acme',
        key => 'prod', plan => 'pro', labels => {},
        api => 'openai.chat.completions', model => 'gpt-4.1',
        served_model => 'gpt-4.1-2025-04-14', provider => 'openai',
        attempts => \('[{"provider":"openai","model":"gpt-4.1","status":200,'
            . '"ms":352,"reason":null}]'),
        stream => \'true', status => 'PASSED', http_status => \200,
        state => 'final', usage_source => 'final', stream_complete => \'true',
        client_aborted => \'false',
        input_tokens => \100, cache_read_tokens => \40,
        cache_write_tokens => \0, output_tokens => \8, reasoning_tokens => \3,
        classes => \'{"input":60,"cache_read":40,"output":8}', units => {},
        sub => [], cost_usd => usd($cost), price_version => '0badcafe',
        hold_usd => '1.500000000', finish_reason => 'stop',
        first_byte_ms => \50, duration_ms => \352, request_bytes => \1024,
        response_bytes => \2048,
    );

    if ($none) {
        $v{$_} = undef for qw(input_tokens cache_read_tokens cost_usd
            cache_write_tokens output_tokens reasoning_tokens finish_reason
            first_byte_ms);
        $v{classes} = {};
        $v{stream_complete} = \'false';
    }

    for (grep { !/^(?:ms|cost)$/ } keys %o) {
        $v{$_} = defined $o{$_} && !ref $o{$_} && /_tokens$|_ms$|_bytes$|^http/
            ? \"$o{$_}" : $o{$_};
    }

    return '{' . join(',', map { "\"$_\":" . text($v{$_}) }
        grep { exists $v{$_} } columns()) . '}';
}


# A batch as a gateway sends it; the node is a small number.

sub batch_sql {
    my ($node, @lines) = @_;

    my $hex = unpack 'H*', join '', map { "$_\n" } @lines;

    return sprintf "SELECT * FROM ai.ship('%s', '\\x%s')", node($node), $hex;
}


sub ship {
    my ($pg, @batch) = @_;

    return $pg->psql(batch_sql(@batch), role => 'ai_gateway');
}


sub node { return sprintf '00000000-0000-4000-8000-%012d', $_[0] }


# a reference to a scalar is JSON already

sub text { my ($v) = @_; return ref $v eq 'SCALAR' ? $$v : $json->encode($v) }


sub columns {
    return qw(id time tenant key plan labels api model served_model provider
        attempts stream status http_status state usage_source stream_complete
        client_aborted input_tokens cache_read_tokens cache_write_tokens
        output_tokens reasoning_tokens classes units sub cost_usd price_version
        hold_usd finish_reason first_byte_ms duration_ms request_bytes
        response_bytes);
}

1;
