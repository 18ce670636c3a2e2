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
#   $s->beat(5000, 'a');        # ms in which this one says "h"
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

# the same, in which these nodes say that they are not on their own

sub beat {
    my ($self, $ms, @nodes) = @_;

    for (my $step; $ms > 0; $ms -= $step) {
        $step = $ms < 800 ? $ms : 800;
        $self->pass($step);
        $self->op($_, flags => 'h') for @nodes;
    }

    return $self;
}


# ---- nodes ----

# everything is gone; the nodes say that they have reported all

sub fresh {
    my ($self, @nodes) = @_;

    $self->cli('FLUSHALL');
    $self->{node} = {};

    for my $node (@nodes) {
        $self->op($node);
        my $r = $self->op($node, flags => 'rdh');
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
    heard     => ["if match(flags, 'r') and dead then", 'if true then'],
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
    alive     => ["if dead then\nc.leased", "if false then\nc.leased"],
    alive_s   => ["if dead then\nc.older", "if false then\nc.older"],
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
    floor     => ['local least = add(out, own and out_left(c, own, own.ends) '
                  . 'or zero)', 'local least = zero'],
    floor_own => ['local least = add(out, own and out_left(c, own, own.ends) '
                  . 'or zero)', 'local least = out'],
    floor_end => ["if ends > now then\nreturn e.out", "if true then\n"
                  . 'return e.out'],
    lazy      => ['if c.past_ends then', 'if false then'],
    lazy_sum  => ['add(least, c.past)', 'c.past'],
    lazy_out  => ['add(least, c.past)', 'least'],
    lazy_more => ['smaller(c.taken, add(least, c.past))',
                  'add(least, c.past)'],
    lazy_end  => ['max(c.past_ends or 0, ends)', 'ends'],
    lazy_now  => ['add(least, c.past)), c.past_ends)',
                  'add(least, c.past)), now)'],
    lazy_ago  => ['if ends * 1000 > c.at and', 'if'],
    lazy_d    => ["if ends <= now then\nc.drop",
                  "if e.ends <= now then\nc.drop"],
    out_need  => ['add(c.unspent, minus(c.granted, smaller(c.granted, c.need)))',
                  'add(c.unspent, c.granted)'],
    out_none  => ['add(c.unspent, minus(c.granted, smaller(c.granted, c.need)))',
                  'zero'],
    burnt     => ['return n[1] < 0 and smaller(add(n, own.out), zero) or n',
                  'return n'],
    burnt_all => ['smaller(add(n, own.out), zero)', 'zero'],
    ended_own => ['if own.ends > now then', 'if true then'],
    late_out  => ['add(c.unspent, larger(n, zero))', 'n'],
    late_less => ['add(c.unspent, larger(n, zero))', 'add(c.unspent, n)'],
    below     => ["c.unspent), bucket_shares(c, here + 1, heard))\n"
                  . 'c.taken = larger(c.taken, least)',
                  "c.unspent), bucket_shares(c, here + 1, heard))\n"],
    below_out => ['least = add(add(out, c.unspent),', 'least = add(c.unspent,'],
    below_own => ['least = add(add(out, c.unspent),', 'least = add(out,'],
    below_now => ["c.taken = larger(c.taken, least)\nc.taken = add(",
                  'c.taken = add('],
    ticks     => ["c.at = c.at - floor(-n * c.tick * N / part)\n",
                  "c.at = now * 1000\n"],
    part      => ["c.at = c.at - floor(-n * c.tick * N / part)\n",
                  "c.at = c.at\n"],
    full      => ["rest = least\nc.at = till * 1000", 'rest = least'],
    mine      => ['local whole = add(c.mine, c.unspent)',
                  'local whole = c.unspent'],
    anew      => ['if c.fresh or quiet and', 'if quiet and'],
    unheard   => ['me.heard == 0 and (quiet or not c.own)', 'false'],
    unheard_q => ['(quiet or not c.own)', '(not c.own)'],
    unheard_a => ['me.heard == 0 and (quiet or not c.own)', 'me.heard == 0'],
    sight     => ['me.heard == 0 and (quiet or not c.own)',
                  '(me.heard == 0 and quiet or not c.own)'],
    unlimited => ["or quiet and c.shared\n", "\n"],
    alone     => ['if N > 1 then', 'if true then'],
    alone_add => ['minus(add(c.mine, c.unspent), c.taken)',
        'add(c.mine, c.unspent)'],
    elder     => ['whole = add(whole, elder.out)', ''],
    elder_new => ['if dead or c.new then', 'if true then'],
    covered   => ['smaller(smaller(c.mine, c.older), c.sum)', 'zero'],
    cover_all => ['smaller(smaller(c.mine, c.older), c.sum)',
        'smaller(c.mine, c.sum)'],
    quiet     => ['if me.heard == 1 and quiet', 'if false and quiet'],
    quiet_new => ['if me.heard == 1 and quiet',
                  'if N > 1 and me.heard == 1 and not c.fresh and quiet'],
    quiet_un  => ['if me.heard == 1 and quiet',
                  'if N > 1 and quiet'],
    quiet_add => ["and less(zero, c.limit) then\nreturn c.unspent",
                  "and less(zero, c.limit) then\nreturn zero"],
    new_add   => ["if not own then\nreturn c.unspent",
                  "if not own then\nreturn zero"],
    lost      => ['if c.lost then', 'if false then'],
    lost_one  => ["lost = match(ARGV[at + 2], '^[4567]\$')",
                  "lost = ARGV[at + 2] == '4'"],
    lost_all  => ["n = larger(n, zero)\nend", "n = zero\nend"],
    again     => ['return smaller(whole, minus(most, c.taken))',
                  'return whole'],
    again_0   => ["if not less(zero, c.limit) then\nreturn whole",
                  "if false then\nreturn whole"],
    again_ded => ['larger(larger(c.limit, c.taken), whole)',
                  'larger(c.limit, c.taken)'],
    again_les => ['larger(larger(c.limit, c.taken), whole)',
                  'larger(c.limit, whole)'],
    quiet_out => ['return times(share_of(c), min(quiet, heard))',
                  'return zero'],
    quiet_all => ['min(quiet, heard)', 'quiet'],
    quiet_max => ['min(quiet, heard)', 'heard'],
    quiet_own => ['heard + me.heard)', 'heard)'],
    quiet_h   => ["now - me.at >= hold and not (", "not match(flags, 'h') and "
                  . "now - me.at >= hold and not ("],
    quiet_out2 => ['>= hold and not (c.own and c.own.ends > now)', '>= hold'],
    quiet_one => ['here = here + (e.ends > now and 1 or 0)', ''],
    refill    => ['c.part = N - quiet', 'c.part = N'],
    share_all => ["local quiet = c.shared and max", "local quiet = max"],
    above_n   => ['c.shared and max(0, N - here)', 'c.shared and N - here'],
    division  => ['floor((odd * E9 + all[2]) / N)', 'floor(all[2] / N)'],
    open      => ['n = smaller(n, c.mine)', 'n = n'],
    at_any    => ["if match(flags, 'h') then", 'if true then'],
    at_report => ["if match(flags, 'h') then", "if match(flags, '[hr]') then"],
    at_never  => ["if match(flags, 'h') then", 'if false then'],
    heard_h   => ["if match(flags, 'r') and dead then",
                  "if match(flags, '[rh]') and dead then"],
    heard_r   => ["if match(flags, 'r') and dead then",
                  "if match(flags, 'r') then"],
    heard_d   => ["if match(flags, 'r') and dead then", 'if dead then'],
    older_out => ['if c.own and not own and less(', 'if false and less('],
    older_sum => ['out = add(c.own.out, out_left(c, e, e.ends)),',
                  'out = c.own.out,'],
    older_old => ['out = add(c.own.out, out_left(c, e, e.ends)),',
                  'out = add(c.own.out, e.out),'],
    older_d   => ['id == node and dead and min(e.ends, now) or e.ends',
                  'e.ends'],
    older_all => ['id == node and dead and', 'dead and'],
    unspent   => ['local whole = add(c.mine, c.unspent)',
                  'local whole = c.mine'],
    local_one => ["match(ARGV[at + 2], '^[1357]\$')", "ARGV[at + 2] == '1'"],
    fresh_one => ["match(ARGV[at + 2], '^[2367]\$')", "ARGV[at + 2] == '2'"],
    times     => ['if a[1] * n + a[2] / E9 * n > 1e10', 'if n > 1e5'],
    silent    => ["elseif now - n.at < hold or now < shard.grace then\nall", "else\nall"],
    silenced  => ["elseif now - n.at < hold or now < shard.grace then\nall",
                  "elseif false then\nall"],
    grace     => ['if past >= hold then', 'if false then'],
    grace_end => ['shard.grace = now + hold', 'shard.grace = now + 10 * hold'],
    silent_go => ["if not n then\nc.drop",
                  "if not n or now - n.at >= hold then\nc.drop"],
    unknown   => ["c.drop[#c.drop + 1] = kind .. id", ''],
    slots     => ['if c.shared and present < N then', 'if false then'],
    expire    => ['if c.ttl > 0', 'if false'],
    extend    => ["(c.new or c.kind ~= 'w' or c.ttl > YEAR_S)", 'c.new'],
    extend_w  => [" or c.ttl > YEAR_S)", ')'],
    extend_a  => ["(c.new or c.kind ~= 'w' or c.ttl > YEAR_S)", 'true'],
    shard_new => ["redis.call('EXPIRE', KEYS[1], SHARD_S)\nreturn reply(",
                  'return reply('],
    shorten   => ["redis.call('TTL', c.key) < c.ttl", 'true'],
    debts     => ['c.ttl > 0 and bucket_keep(c) or 0', 'c.ttl'],
    debts_any => ['c.ttl > 0 and bucket_keep(c) or 0', 'bucket_keep(c)'],
    debts_age => ['min(s + DAY_S, AGE_S)', 's + DAY_S'],
    shard_age => ["if #cells == 0 then", 'if false then'],
    twice     => ['or seen[c.key] then', 'then'],
    many      => ['if shard.n >= NODES then', 'if false then'],
    evict     => ['gone, at = nil, now - hold + 1', 'gone, at = nil, now + 1'],
    wait      => ['return max(1, min(', 'return max(100, min('],
);

sub mutants { return sort keys %mutant }


# the tests that find a mutant, the likely one first

my %finder = (
    (map { ($_ => 'lease_script_bucket') } qw(
        above_n again again_0 again_ded again_les alone alone_add below
        below_now below_out below_own burnt burnt_all division elder elder_new
        ended_own floor floor_end floor_own fresh_one full late_less late_out lazy lazy_ago
        lazy_d lazy_end lazy_more lazy_now lazy_out lazy_sum local_one lost
        lost_all lost_one new_add older_all older_d older_old older_out
        older_sum open out_need out_none part quiet quiet_add quiet_all
        quiet_h quiet_max quiet_new quiet_one quiet_out quiet_out2 quiet_own
        quiet_un refill share_all sight ticks times unheard unheard_a unheard_q
        unlimited unspent wait
    )),
    (map { ($_ => 'lease_script_hostile') } qw(
        garbage less_own missing negative twice
    )),
);

sub finders {
    my ($name) = @_;

    my $first = $finder{$name} // 'lease_script';

    return $first, grep { $_ ne $first }
        qw(lease_script lease_script_bucket lease_script_hostile);
}


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
