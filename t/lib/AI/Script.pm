package AI::Script;

# The script of the leases as the module has it, in a redis-server of its own
# whose time is the test's, so that milliseconds count.
#
#   my $s = AI::Script->new;
#
#   $s->fresh('a', 'b');        # an epoch in which these nodes are heard
#
#   my $r = $s->op('a', cells => [ { kind => 'w', limit => 10, want => 3 } ]);
#
#   $r->{status}; $r->{cells}[0]{granted};
#
#   $s->pass(500);              # ms
#
# A node is one letter.  It knows the epoch it was last told, and each operation
# has the next number; words of op() say otherwise:
#
#   start, seq, epoch, fresh, token, now (ms), hold, n, flags
#   lost => 1                   the reply never comes: the epoch is not learned
#   full => 1                   the server has no memory left
#
# Cells: kind w (window), b (bucket), s (slots); key: the end of the key's name.
#
# AI_LEASE_MUTANT=NAME: the script lacks that rule, see mutants(), and the test
# ends at its first failure, with 99.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use Test::Builder;

use AI::Redis;

my $top = abs_path(dirname(__FILE__) . '/../../..');

if ($ENV{AI_LEASE_MUTANT}) {
    my $ok = \&Test::Builder::ok;

    no warnings 'redefine';
    *Test::Builder::ok = sub { $ok->(@_) || exit 99 };
}

my @words = qw(kind local limit per_tick tick sum unspent mine want need ttl);


# text that the module gives to Redis

sub embedded {
    my $h = slurp("$top/src/event/ngx_ai_lease_lua.h");
    my $text = join '', $h =~ /^    "(.*)"/mg;

    $text =~ s/\\(.)/$1 eq 'n' ? "\n" : $1/ge;

    return $text;
}


sub slurp {
    open my $f, '<', $_[0] or die "$_[0]: $!\n";
    local $/;

    return scalar <$f>;
}


sub new {
    my ($class, %o) = @_;

    my $self = bless {
        redis => AI::Redis->new(options => { databases => 1 }),
        n => $o{n} || 2,
        time => 1_800_000_000_000,
    }, $class;

    my $text = mutated(embedded(), $ENV{AI_LEASE_MUTANT});

    $text =~ s/redis\.call\('TIME'\)/redis.call('HMGET', 'clock', 's', 'us')/
        or die "no TIME in the script\n";

    $self->{sha} = $self->cli('SCRIPT', 'LOAD', $text);

    return $self;
}


sub cli { my ($self, @words) = @_; return $self->{redis}->cli(@words) }

sub hash { return $_[0]{redis}->hash($_[1]) }


# ---- time ----

# it is the nodes' time as well; they may be told another

sub pass { $_[0]{time} += $_[1]; return $_[0] }


# ---- nodes ----

# everything is gone; the nodes say that they have reported all

sub fresh {
    my ($self, @nodes) = @_;

    $self->cli('FLUSHALL');
    $self->{node} = {};

    for my $node (@nodes) {
        $self->op($node);
        my $r = $self->op($node, flags => 'h');
        $r->{status} eq 'ok' && $r->{heard}
            or die "$node is not heard: $r->{status}\n";
    }

    return $self;
}


sub uuid { return sprintf '%08d-0000-4000-8000-%s', 1, unpack('H2', $_[0]) x 6 }

sub shard { return 'ai:{7}' }

sub epoch { return $_[0]->hash(shard())->{epoch} }

sub key {
    my ($self, $name) = @_;

    return shard() . ':' . $self->epoch . ":$name";
}


# a node's field in a cell, without its first word
sub entry {
    my ($self, $name, $node) = @_;

    my $value = $self->hash($self->key($name))->{ 'n:' . uuid($node) };

    return defined $value ? $value =~ s/^\S+ //r : undef;
}


sub op {
    my ($self, $node, %o) = @_;

    my $me = $self->{node}{$node} ||= { start => 1, seq => 0, epoch => '' };

    $me->{start} = $o{start} if $o{start};
    $me->{seq} = $o{seq} // $me->{seq} + 1;

    my @cells = @{ $o{cells} || [] };
    my $epoch = $o{epoch} // $me->{epoch};
    my $op = $o{op} // sprintf '%010d.%016d', $o{start} || $me->{start},
        $me->{seq};

    my @keys = (shard(), map { shard() . ":$epoch:" . ($_->{key} // 'k') }
        @cells);
    my @args = ($op, $o{node} // uuid($node), $epoch,
        $o{fresh} // sprintf('%016x', 1 + $self->{fresh}++),
        $o{token} // 'run:repl', $o{now} // $self->{time},
        $o{tolerance} // 1000, $o{hold} // 3200, $o{n} // $self->{n},
        $o{flags} // '');

    for my $cell (@cells) {
        my %c = (local => 0, limit => 0, per_tick => 0, tick => 0, sum => 0,
            unspent => 0, mine => 0, want => 0, need => 0, ttl => 0, %$cell);

        push @args, @c{@words};
    }

    $self->cli('HSET', 'clock', 's', int($self->{time} / 1000),
        'us', $self->{time} % 1000 * 1000);

    $self->cli('CONFIG', 'SET', 'maxmemory', 1) if $o{full};

    my $r = eval { $self->cli('EVALSHA', $self->{sha}, scalar @keys, @keys,
        $o{args} ? @{ $o{args} } : @args) };
    my $error = $@;

    $self->cli('CONFIG', 'SET', 'maxmemory', 0) if $o{full};

    return { error => $error, status => 'error' } if $error;

    my %r;

    @r{qw(op status epoch time seeded heard nodes n)} = splice @$r, 0, 8;
    $r{cells} = [ map { my %c; @c{qw(granted left wait)} = splice @$r, 0, 3;
        \%c } 1 .. $r{n} ];

    die "words behind the reply: @$r\n" if @$r;

    $me->{epoch} = $r{epoch} if $r{epoch} ne '' && !$o{lost};

    return \%r;
}


# what one cell was granted, left and has to wait, as text

sub ask {
    my ($self, $node, %cell) = @_;

    my %o;

    $cell{$_} && ($o{$_} = delete $cell{$_}) for qw(flags start lost hold n);

    my $r = $self->op($node, %o, cells => [ \%cell ]);

    return $r->{error} || $r->{status} if $r->{status} ne 'ok';

    return join ' ', @{ $r->{cells}[0] }{qw(granted left wait)};
}


# all that is stored as text, to see that nothing was written

sub dump {
    my ($self) = @_;

    return join '', map {
        my $of = $self->cli('TYPE', $_) eq 'hash' ? $self->hash($_) : {};
        join("\0", $_, map { ($_, $of->{$_}) } sort keys %$of) . "\n"
    } grep { $_ ne 'clock' } $self->{redis}->keys;
}


# ---- mutants ----

# of each: what is replaced, and by what

my %mutant = (
    clock     => ['math.abs(time_ms - sent) > tolerance', 'false'],
    forget    => ['if not shard or', 'shard = shard or {epoch = known, '
                  . 'random = random, count = count, token = token, '
                  . 'time = time_ms, seen = time_ms, nodes = {}, n = 0}' . "\n"
                  . 'if not shard or'],
    token     => ['shard.token ~= token', 'false'],
    stale     => ['shard.count < count', 'false'],
    tie       => ['shard.random < random', 'false'],
    epoch     => ['shard.epoch ~= known', 'false'],
    fence     => ['start < shard.nodes[node].start', 'false'],
    late      => ['op <= c.own.op', 'false'],
    late_same => ['op <= c.own.op', 'op < c.own.op'],
    seeded    => ['local all = seeded == 1', 'local all = true'],
    partial   => ['heard >= N', 'heard + 1 >= N'],
    heard     => ["if match(flags, 'h') then", 'if true then'],
    needs     => ['all = all and not', 'all = not'],
    need      => ['less(c.left, c.need))', 'false)'],
    whole     => ['larger(smaller(c.want, c.left), zero)', 'c.want'],
    relative  => ['add(minus(c.leased, c.total), c.sum)',
                  'add(c.leased, c.sum)'],
    keep      => ['add(minus(c.leased, c.total), c.sum)',
                  'larger(c.leased, add(minus(c.leased, c.total), c.sum))'],
    older     => ['c.older = add(c.older, c.own.total)',
                  'c.total = c.own.total'],
    older_one => ['c.older = add(c.older, c.own.total)',
                  'c.older = c.own.total'],
    orphan    => ["match(flags, 'd') ~= nil", 'true'],
    alive     => ["match(flags, 'd') ~= nil", 'false'],
    garbage   => ["match(s or '', '^(%-?)(%d+)\$')",
                  "match(s or '', '^(%-?)(%d+)')"],
    negative  => ['a and a[1] >= 0 and a or nil', 'a'],
    missing   => ["redis.call('HLEN', c.key) == 0", 'true'],
    less_own  => ['c.leased and cell_own(c, v[2], v[3])',
                  'c.leased and cell_own(c, v[2], v[3]) or c.leased'],
    rounded   => ['return pieces(a[1] + b[1], a[2] + b[2])',
                  'return pieces(0, a[1] * E9 + a[2] + b[1] * E9 + b[2])'],
    carry     => ['return { above + carry, below - carry * E9 }',
                  'return { above, below - carry * E9 }'],
    overflow  => ['if less(most, c.leased) or', 'if'],
    leap      => ['max(0, min(past, hold))', 'max(0, past)'],
    back      => ['max(0, min(past, hold))', 'min(past, hold)'],
    stuck     => ['past > 0 or past < -tolerance', 'past > 0'],
    floor     => ['bucket_refill(c, add(out, own))', 'bucket_refill(c, zero)'],
    floor_own => ['bucket_refill(c, add(out, own))', 'bucket_refill(c, out)'],
    floor_end => ['if e.ends > now then', 'if true then'],
    out_need  => ['add(c.unspent, minus(c.granted, smaller(c.granted, c.need)))',
                  'add(c.unspent, c.granted)'],
    out_none  => ['add(c.unspent, minus(c.granted, smaller(c.granted, c.need)))',
                  'zero'],
    burnt     => ['own.ends <= now and smaller(add(n, own.out), zero) or n',
                  'n'],
    below     => ['c.taken = larger(c.taken, add(out, c.unspent))',
                  'c.taken = c.taken'],
    ticks     => ["c.at = c.at - floor(-n * c.tick * N / part)\n",
                  "c.at = now * 1000\n"],
    part      => ["c.at = c.at - floor(-n * c.tick * N / part)\n",
                  "c.at = c.at\n"],
    full      => ["rest = smaller(c.taken, out)\nc.at = now * 1000",
                  'rest = smaller(c.taken, out)'],
    mine      => ['local whole = add(c.mine, c.unspent)',
                  'local whole = c.unspent'],
    anew      => ['if not own or c.fresh or', 'if not own or'],
    unspent   => ['local whole = add(c.mine, c.unspent)',
                  'local whole = c.mine'],
    local_one => ["match(ARGV[at + 2], '^[13]\$')", "ARGV[at + 2] == '1'"],
    returning => ['returning and smaller(n, whole) or n', 'n'],
    always    => ['returning and smaller(n, whole) or n', 'smaller(n, whole)'],
    share     => ['return (c.shared or seeded == 0) and present or N',
                  'return seeded == 0 and present or N'],
    sharing   => ['return (c.shared or seeded == 0) and present or N',
                  'return present'],
    unseeded  => ['return (c.shared or seeded == 0) and present or N',
                  'return c.shared and present or N'],
    outage    => ['if step >= silent then', 'if false then'],
    outage_at => ['n.at = n.at + step', ''],
    times     => ['if a[1] * n + a[2] / E9 * n > 1e10', 'if n > 1e5'],
    silent    => ['if n and now - n.at < hold then', 'if n then'],
    silenced  => ['if n and now - n.at < hold then', 'if false then'],
    slots     => ['if c.shared and present < N then', 'if false then'],
    ended     => ['n.heard == 1 and now - n.at < silent', 'n.heard == 1'],
    restarts  => ['me.start < start or', ''],
    expire    => ['if c.ttl > 0', 'if false'],
    extend    => ["(c.new or c.kind ~= 'w')", 'c.new'],
    twice     => ['or seen[c.key] then', 'then'],
    many      => ['if shard.n >= NODES then', 'if false then'],
    evict     => ['gone, at = nil, now - hold + 1', 'gone, at = nil, now + 1'],
    wait      => ['return max(1, min(', 'return max(100, min('],
);

sub mutants { return sort keys %mutant }

sub mutated {
    my ($text, $name) = @_;

    return $text unless $name;

    my ($from, $to) = @{ $mutant{$name} or die "no mutant $name\n" };
    my $at = index $text, $from;

    die "mutant $name: no \"$from\"\n" if $at < 0;
    die "mutant $name: more than one \"$from\"\n"
        if index($text, $from, $at + 1) >= 0;

    substr($text, $at, length $from, $to);

    return $text;
}

1;
