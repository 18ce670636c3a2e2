-- The store's half of limits that several nodes share: one script, through
-- which everything goes.  The protocol is proven in t/model/lease.pml; what
-- the nodes do is src/core/ai_lease.h.
--
--
-- KEYS
--
-- [1]    PREFIX{SHARD}, a hash: epoch, token, time (ms; its own, which never
--        goes back), seen (ms; the last TIME), grace (ms; after a leap of
--        TIME no slots are forgotten until then), and for each node
--            "n:NODE" = "START HEARD AT_MS"
--        START: the greatest seen; HEARD: 1, it has reported in this epoch;
--        AT_MS: when it last said that it is not on its own
-- [1+i]  PREFIX{SHARD}:EPOCH:OWNER:R:P:WINDOW, a hash: the limit i ("cell")
--            window:  leased, the sum of all totals
--            bucket:  taken, missing from full; at (us), refilled until then
--            slots:   nothing else
--            "n:NODE" = "OP TOTAL", of a bucket "OP TOTAL OUT UNTIL_MS"
--            "o:NODE" = of older starts: the totals, of a bucket "OUT UNTIL_MS"
--
-- ARGV
--
-- 1 op "SSSSSSSSSS.QQQQQQQQQQQQQQQQ" (start, sequence), 2 node, 3 epoch ("",
-- or "COUNT-16 hex"), 4 fresh (16 hex), 5 token of the server, 6 now_ms of the
-- node, 7 tolerance ms, 8 hold_ms, 9 N, 10 flags ("r": all that the node has in
-- this epoch was reported; "d": all rows of its older starts are counted in
-- its sums; "h": it is not on its own); then for each cell: kind (w, b, s),
-- local (1: silent nodes keep their shares of it; of a bucket + 2: the sum
-- begins anew; + 4: the answer to what was said before was not heard), limit,
-- per_tick, tick_us, sum, unspent, mine, want, need, ttl_s (0: none; of more
-- than a year: from now on)
--
-- REPLY
--
-- op, status (ok, epoch, fence, late, clock), epoch ("": none), TIME in ms,
-- seeded, heard (this node), nodes (heard within hold_ms), n; and for each of
-- n cells granted, left, wait_ms (-1: not by waiting).  An error: no credit.
--
-- RULES
--
-- A node says its sum, absolutely: what it spent and what it may still spend.
-- The store keeps that as the node's total and adds what it grants.
--
-- 1. TIME and the node's clock differ by more than the tolerance: "clock".  So
--    an operation is executed soon after it was sent, or not at all.
-- 2. No shard, or another token (the server may have lost something), or the
--    operation knows a later epoch: a new epoch begins, in which nobody is
--    heard.  Cells have the epoch in their names.
-- 3. The operation's epoch is not the shard's: "epoch".
-- 4. A lesser start of the node than the greatest seen: "fence".
-- 5. Not greater than the node's last one in some cell: "late".
-- 6. The sums become the totals.  A greater start: the old total goes on
--    counting as "o:NODE" until "d"; what is taken from buckets stays.  What
--    the new one has counted of older rows (of a window "mine") is part of
--    that, as far as that goes, and not taken twice.
-- 7. N nodes are heard: each need is granted, or nothing is.  A node is heard
--    by "r" and "d" together: an older start may have spent what its report
--    does not say.
--
-- The shard's time follows TIME but makes no leap: all nodes say something
-- every quarter of a lease, so more than hold_ms at once is a clock that was
-- set, or a store that was away; and where TIME was set back it goes on.
--
-- A bucket is refilled by whole ticks, never below what nodes may still spend
-- of it ("out", until its end): else a burst would come on top of that.  What
-- was needed is spent at once and is not out; so it has been refilled since, and
-- where its grant was not heard of it is not given back as well.  What was out
-- when it ended is burnt: the refill pays for it from then on, it is not given
-- back again.
--
-- A node that has not said "h" for hold_ms, and whose credit in a bucket has
-- ended, may be on its own: it is quiet.  It uses its share, one Nth of the
-- refill and of the depth, which nobody else gets meanwhile (local); what it
-- took of that was never this store's.  A node that is not heard may have taken
-- more than that: it says what its share misses ("mine"), instead of holding a
-- share; said again and again that empties a bucket, and makes no debt.  A
-- bucket of one node (N is 1) is what that node says it is, once no older
-- start of it lives.
--
-- Slots of a node that has not said "h" for hold_ms count as free, and with
-- local its share is left to it.
--
-- AMOUNTS are int64 as decimal text.  No amount is ever a number of Lua, which
-- would round it above 2^53: it is added in two pieces, of nine digits and the
-- rest.  So every check, that of overflows as well, comes before the first
-- write, and a cell is written by one HSET.  Times, ticks and counts are
-- numbers below 2^53.

local CELLS, NODES, WORDS = 64, 64, 11

-- the shard goes before any of its cells that matters: where the clock is set
-- far ahead it must not outlive what it vouches for
local SHARD_S, DAY_S, YEAR_S, AGE_S = 43200, 86400, 31536000, 1e9

local E6, E9 = 1000000, 1000000000

local floor, min, max = math.floor, math.min, math.max
local match, sub, format = string.match, string.sub, string.format

local op, node, known, fresh, token = unpack(ARGV, 1, 5)

local ncells = #KEYS - 1
local start = match(op, '^(%d%d%d%d%d%d%d%d%d%d)%.%d+$')
local mine, older = 'n:' .. node, 'o:' .. node

local shard, now, time_ms
local present, nodes, seeded = 0, 0, 0


-- small numbers, nil: it is none; and as text

local function number(s)
  local n = match(s or '', '^%d+$') and tonumber(s)
  return n and n < 2^53 and n or nil
end

local function plain(n)
  return format('%.0f', n)
end

local sent, tolerance = number(ARGV[6]), number(ARGV[7])
local hold, N, flags = number(ARGV[8]), number(ARGV[9]), ARGV[10]


-- amounts: {above, below}, the value is above * 10^9 + below

local function pieces(above, below)
  local carry = floor(below / E9)
  return { above + carry, below - carry * E9 }
end

local zero = pieces(0, 0)
local most = pieces(9223372036, 854775807)

local function add(a, b)
  return pieces(a[1] + b[1], a[2] + b[2])
end

local function minus(a, b)
  return pieces(a[1] - b[1], a[2] - b[2])
end

local function less(a, b)
  return a[1] < b[1] or a[1] == b[1] and a[2] < b[2]
end

local function smaller(a, b)
  return less(b, a) and b or a
end

local function larger(a, b)
  return less(a, b) and b or a
end

-- of an amount that is not negative, n times; "most" where that is more

local function times(a, n)
  n = min(n, E6 * E6)
  if a[1] * n + a[2] / E9 * n > 1e10 then
    return most
  end
  local some = n % E6
  local many = a[2] * ((n - some) / E6)
  local low = many % 1000
  return smaller(most, pieces(a[1] * n + (many - low) / 1000,
                              low * E6 + a[2] * some))
end

-- from text; nil: it is none

local function amount(s)
  local sign, digits = match(s or '', '^(%-?)(%d+)$')
  if not digits or #digits > 19 then
    return nil
  end
  local a = pieces(number(sub(digits, 1, -10)) or 0,
                   number(sub(digits, -9)))
  if less(most, a) then
    return nil
  end
  return sign == '' and a or minus(zero, a)
end

local function natural(s)
  local a = amount(s)
  return a and a[1] >= 0 and a or nil
end

local function text(a)
  if a[1] < 0 then
    return '-' .. text(minus(zero, a))
  end
  if a[1] == 0 then
    return format('%.0f', a[2])
  end
  return format('%.0f%09.0f', a[1], a[2])
end


-- an error, which is no credit: its first word says what kind

local function fault(what, key)
  return redis.error_reply(what .. ' ' .. key)
end

-- count and random of an epoch; nil: it is none

local function epoch_of(s)
  local count, random = match(s or '', '^(%d+)%-([0-9a-f]+)$')
  count = number(count)
  if count and #random == 16 then
    return count, random
  end
end


-- the shard's hash; nil: there is none, or it is not what was written

local function shard_read()
  local all = redis.call('HGETALL', KEYS[1])
  local sh = { nodes = {}, n = 0 }
  for i = 1, #all, 2 do
    local name, value = all[i], all[i + 1]
    local id = match(name, '^n:(.*)$')
    if id then
      local first, heard, at = match(value, '^(%d+) ([01]) (%d+)$')
      at = number(at)
      if not at or #first ~= 10 then
        return nil
      end
      sh.nodes[id] = { start = first, heard = number(heard), at = at }
      sh.n = sh.n + 1
    else
      sh[name] = value
    end
  end
  sh.count, sh.random = epoch_of(sh.epoch)
  sh.time, sh.seen = number(sh.time), number(sh.seen)
  return sh.count and sh.time and sh.seen and sh or nil
end

-- how many have reported, and how many are not on their own

local function shard_count()
  local heard = 0
  nodes = 0
  for _, n in pairs(shard.nodes) do
    heard = heard + n.heard
    if now - n.at < hold then
      nodes = nodes + 1
    end
  end
  present = min(nodes, N)
  seeded = heard >= N and 1 or 0
end

local function reply(status, cells)
  local me = shard and shard.nodes[node]
  if now then
    shard_count()
  end
  local r = { op, status, shard and shard.epoch or '', plain(time_ms),
              plain(seeded), me and me.heard == 1 and '1' or '0',
              plain(nodes), plain(#cells) }
  for i = 1, #cells do
    local c = cells[i]
    r[#r + 1] = text(c.granted)
    r[#r + 1] = text(c.left)
    r[#r + 1] = plain(c.wait or -1)
  end
  return r
end

local function epoch_begin(count)
  count = max(count, shard and shard.count or 0) + 1
  shard = { epoch = plain(count) .. '-' .. fresh, nodes = {} }
  redis.call('DEL', KEYS[1])
  redis.call('HSET', KEYS[1], 'epoch', shard.epoch, 'token', token,
             'time', plain(time_ms), 'seen', plain(time_ms))
  redis.call('EXPIRE', KEYS[1], SHARD_S)
  return reply('epoch', {})
end

-- the shard's time: never back, no leap

local function clock_read()
  local past = time_ms - shard.seen
  now = shard.time + max(0, min(past, hold))
  shard.grace = number(shard.grace) or 0
  if past >= hold then
    shard.grace = now + hold
  end
  if past > 0 or past < -tolerance then
    shard.seen = time_ms
  end
end

-- this node in the shard; nil: too many nodes, and all of them alive

local function node_enter()
  local me = shard.nodes[node]
  if not me then
    if shard.n >= NODES then
      local gone, at = nil, now - hold + 1
      for id, n in pairs(shard.nodes) do
        if n.at < at then
          gone, at = id, n.at
        end
      end
      if not gone then
        return nil
      end
      shard.nodes[gone] = nil
      shard.gone = 'n:' .. gone
    end
    me = { heard = 0, at = 0 }
    shard.nodes[node] = me
  end
  me.start = start
  return me
end


-- a cell's words; nil: they are no cell's

local function cell_args(i)
  local at = 10 + (i - 1) * WORDS
  local c = {
    key = KEYS[1 + i],
    kind = ARGV[at + 1],
    shared = match(ARGV[at + 2], '^[1357]$'),
    fresh = match(ARGV[at + 2], '^[2367]$'),
    lost = match(ARGV[at + 2], '^[4567]$'),
    limit = amount(ARGV[at + 3]),
    per_tick = natural(ARGV[at + 4]),
    tick = number(ARGV[at + 5]),
    sum = natural(ARGV[at + 6]),
    unspent = natural(ARGV[at + 7]),
    mine = natural(ARGV[at + 8]),
    want = natural(ARGV[at + 9]),
    need = natural(ARGV[at + 10]),
    ttl = number(ARGV[at + 11]),
    total = zero,
    older = zero,
    past = zero,
    drop = {},
  }
  if not match(c.kind, '^[wbs]$') or not match(ARGV[at + 2], '^[0-7]$')
     or not c.limit or not c.per_tick or not c.tick or not c.sum
     or not c.unspent or not c.mine or not c.want or not c.need
     or not c.ttl or c.tick == 0 and less(zero, c.per_tick)
  then
    return nil
  end
  c.want = larger(c.want, c.need)
  return c
end

-- a node's field in a cell

local function entry_of(c, value)
  local last, total, rest = match(value, '^(%d+%.%d+) (%d+)(.*)$')
  total = natural(total)
  if not total or #last ~= #op then
    return nil
  end
  local e = { op = last, total = total }
  if c.kind == 'b' then
    local out, ends = match(rest, '^ (%d+) (%d+)$')
    e.out, e.ends = natural(out), number(ends)
    if not e.out or not e.ends then
      return nil
    end
  elseif rest ~= '' then
    return nil
  end
  return e
end

-- what an older start has left in a bucket

local function out_of(value)
  local out, ends = match(value, '^(%d+) (%d+)$')
  local e = { out = natural(out), ends = number(ends) }
  return e.out and e.ends and e or nil
end

-- this node's own; false: it is garbage

local function cell_own(c, value, older_value)
  if older_value and c.kind ~= 'b' then
    c.older = natural(older_value)
    c.had_older = true
  end
  if value then
    c.own = entry_of(c, value)
  end
  return c.older and (c.own or not value)
end

local function window_read(c)
  local v = redis.call('HMGET', c.key, 'leased', mine, older)
  if not v[1] then
    c.new = true
    c.leased = zero
    return redis.call('HLEN', c.key) == 0
  end
  c.leased = natural(v[1])
  return c.leased and cell_own(c, v[2], v[3])
         and not less(c.leased, add(c.own and c.own.total or zero, c.older))
end

-- of buckets and slots, with the other nodes' fields

local function hash_read(c)
  local all = redis.call('HGETALL', c.key)
  local of = { n = {}, o = {} }
  c.new = #all == 0
  for i = 1, #all, 2 do
    local kind, id = match(all[i], '^([no]):(.*)$')
    if kind then
      of[kind][id] = all[i + 1]
    else
      of[all[i]] = all[i + 1]
    end
  end
  if not cell_own(c, of.n[node], of.o[node]) then
    return false
  end
  of.n[node] = nil
  if c.kind ~= 'b' then
    of.o[node] = nil
  end
  c.others, c.others_older = {}, {}
  for id, value in pairs(of.n) do
    c.others[id] = entry_of(c, value)
    if not c.others[id] then
      return false
    end
  end
  local read = c.kind == 'b' and out_of or natural
  for id, value in pairs(of.o) do
    c.others_older[id] = read(value)
    if not c.others_older[id] then
      return false
    end
  end
  if c.kind == 'b' then
    c.taken = c.new and zero or natural(of.taken)
    c.at = c.new and now * 1000 or number(of.at)
    return c.taken and c.at
  end
  return true
end


-- what the node said becomes its total; what is left then

local function total_move(c)
  if c.own and sub(c.own.op, 1, 10) == start then
    c.total = c.own.total
  elseif c.own then
    c.older = add(c.older, c.own.total)
  end
end

local function window_sum(c, dead)
  total_move(c)
  if not dead then
    c.sum = minus(c.sum, smaller(smaller(c.mine, c.older), c.sum))
  end
  c.leased = add(minus(c.leased, c.total), c.sum)
  if dead then
    c.leased = minus(c.leased, c.older)
    c.older = zero
  end
  c.left = minus(c.limit, c.leased)
end

local function slots_sum(c, dead)
  local all = c.sum
  total_move(c)
  if dead then
    c.older = zero
  end
  all = add(all, c.older)
  for _, kind in ipairs({ 'n:', 'o:' }) do
    for id, e in pairs(kind == 'n:' and c.others or c.others_older) do
      local n = shard.nodes[id]
      if not n then
        c.drop[#c.drop + 1] = kind .. id
      elseif now - n.at < hold or now < shard.grace then
        all = add(all, kind == 'n:' and e.total or e)
      end
    end
  end
  if c.shared and present < N then
    local n = c.limit[1] * E9 + c.limit[2]
    local odd = n % N
    n = (n - odd) / N * present + floor(odd * present / N)
    c.limit = pieces(0, n)
  end
  c.left = minus(c.limit, all)
end

-- one Nth of a limit, by long division

local function share_of(c)
  local all = larger(c.limit, zero)
  local odd = all[1] % N
  return pieces((all[1] - odd) / N, floor((odd * E9 + all[2]) / N))
end

-- whole ticks since "at"; a full bucket keeps no part of one

local function bucket_refill(c, least, till)
  local part = c.part
  if c.per_tick[1] == 0 and c.per_tick[2] == 0 then
    return
  end
  if part == 0 or c.at > till * 1000 then
    c.at = till * 1000
    return
  end
  c.at = max(c.at, till * 1000 - 1e13)
  local n = floor((till * 1000 - c.at) * part / (c.tick * N))
  local rest = minus(c.taken, times(c.per_tick, n))
  c.at = c.at - floor(-n * c.tick * N / part)
  if not less(least, rest) then
    rest = least
    c.at = till * 1000
  end
  c.taken = rest
end

-- what the node misses, where the difference of its sums does not say it; what
-- was not answered is said again, and leaves no less than an empty bucket

local function bucket_whole(c)
  local whole = add(c.mine, c.unspent)
  if not less(zero, c.limit) then
    return whole
  end
  local most = larger(larger(c.limit, c.taken), whole)
  return smaller(whole, minus(most, c.taken))
end

-- what the node's sum changes.  Where the limit is not said its share was not
-- held; what was let pass unjudged is charged as far as its share misses it

local function bucket_change(c, own, me, quiet)
  if me.heard == 1 and quiet and c.shared and less(zero, c.limit) then
    return c.unspent
  end
  if c.fresh or quiet and c.shared
     or me.heard == 0 and (quiet or not c.own)
  then
    return bucket_whole(c)
  end
  if not own then
    return c.unspent
  end
  local n = minus(c.sum, own.total)
  if c.lost then
    n = larger(n, zero)
  end
  if own.ends > now then
    return n
  end
  if quiet then
    n = smaller(n, c.mine)
  end
  if less(zero, c.unspent) then
    return add(c.unspent, larger(n, zero))
  end
  return n[1] < 0 and smaller(add(n, own.out), zero) or n
end

-- of one node it is what that says, but what its older starts hold it does not
-- know: until none lives nothing is forgotten

local function bucket_charge(c, own, me, quiet, dead)
  if N > 1 then
    return bucket_change(c, own, me, quiet)
  end
  local whole = minus(add(c.mine, c.unspent), c.taken)
  if dead or c.new then
    return whole
  end
  local elder = c.others_older[node]
  if elder and elder.ends > now then
    whole = add(whole, elder.out)
  end
  if c.fresh or quiet or not own then
    return larger(whole, zero)
  end
  local n = minus(c.sum, own.total)
  return larger(whole, c.lost and larger(n, zero) or n)
end

-- what may still be spent; until it ended it stood in the way of the refill

local function out_left(c, e, ends)
  if ends > now then
    return e.out
  end
  if ends * 1000 > c.at and less(zero, e.out) then
    c.past = add(c.past, e.out)
    c.past_ends = max(c.past_ends or 0, ends)
  end
  return zero
end

-- what others may still spend, and this node's older starts

local function bucket_out(c, own, dead)
  local out = zero
  for id, e in pairs(c.others) do
    out = add(out, out_left(c, e, e.ends))
    if e.ends <= now and not shard.nodes[id] then
      c.drop[#c.drop + 1] = 'n:' .. id
    end
  end
  if c.own and not own and less(zero, out_left(c, c.own, c.own.ends)) then
    local e = c.others_older[node] or { out = zero, ends = 0 }
    c.left_out = {
      out = add(c.own.out, out_left(c, e, e.ends)),
      ends = max(c.own.ends, e.ends),
    }
    c.others_older[node] = c.left_out
  end
  for id, e in pairs(c.others_older) do
    local ends = id == node and dead and min(e.ends, now) or e.ends
    out = add(out, out_left(c, e, ends))
    if ends <= now then
      c.drop[#c.drop + 1] = 'o:' .. id
    end
  end
  return out
end

-- how many others are not quiet, and how many are and were heard

local function bucket_others(c)
  local here, heard = 0, 0
  for _, e in pairs(c.others) do
    here = here + (e.ends > now and 1 or 0)
  end
  for id, n in pairs(shard.nodes) do
    local e = c.others[id]
    if id ~= node and not (e and e.ends > now) then
      if now - n.at < hold then
        here = here + 1
      else
        heard = heard + n.heard
      end
    end
  end
  return here, heard
end

-- the shares of quiet nodes: what is held of the depth; and the refill's part

local function bucket_shares(c, here, heard)
  local quiet = c.shared and max(0, N - here) or 0
  c.part = N - quiet
  return times(share_of(c), min(quiet, heard))
end

local function bucket_sum(c, me, dead)
  local own = c.own and sub(c.own.op, 1, 10) == start and c.own or nil
  local quiet = now - me.at >= hold and not (c.own and c.own.ends > now)
  local out = bucket_out(c, own, dead)
  local here, heard = bucket_others(c)
  local least = add(out, own and out_left(c, own, own.ends) or zero)
  least = add(least, quiet and bucket_shares(c, here, heard + me.heard)
                     or bucket_shares(c, here + 1, heard))
  if c.past_ends then
    bucket_refill(c, smaller(c.taken, add(least, c.past)), c.past_ends)
  end
  bucket_refill(c, least, now)
  c.taken = larger(c.taken, least)
  c.taken = add(c.taken, bucket_charge(c, own, me, quiet, dead))
  least = add(add(out, c.unspent), bucket_shares(c, here + 1, heard))
  c.taken = larger(c.taken, least)
  c.left = minus(c.limit, c.taken)
end

-- a bucket stays until it is full again, by the refill of one node, and longer
-- than the shard

local function bucket_keep(c)
  local tick = c.per_tick[1] * E9 + c.per_tick[2]
  if tick == 0 then
    return c.ttl
  end
  local us = (c.taken[1] * E9 + c.taken[2]) / tick * c.tick * N
  local s = floor((us / 1000 + hold) / 1000)
  return max(c.ttl, min(s + DAY_S, AGE_S))
end

-- ms until a bucket's need is refilled; an estimate: the division is Lua's

local function bucket_wait(c)
  local part = c.part
  local lack = minus(c.need, c.left)
  local tick = c.per_tick[1] * E9 + c.per_tick[2]
  if lack[1] < 0 or lack[1] == 0 and lack[2] == 0 then
    return -1
  end
  if less(c.limit, c.need) or tick == 0 or part == 0 then
    return -1
  end
  local n = -floor(-(lack[1] * E9 + lack[2]) / tick)
  local us = c.at + n * c.tick * N / part - now * 1000
  return max(1, min(-floor(-us / 1000), 1e15))
end


-- everything or nothing

local function grant(cells)
  local all = seeded == 1
  for _, c in ipairs(cells) do
    local needs = c.need[1] > 0 or c.need[2] > 0
    all = all and not (needs and less(c.left, c.need))
    c.granted = zero
  end
  for _, c in ipairs(cells) do
    if c.kind == 'b' then
      c.wait = bucket_wait(c)
    end
    if all then
      c.granted = larger(smaller(c.want, c.left), zero)
      c.left = minus(c.left, c.granted)
    end
  end
end

local function cell_write(c)
  local total = add(c.sum, c.granted)
  local entry = op .. ' ' .. text(total)
  if less(most, total) then
    return false
  end
  if c.kind == 'w' then
    c.leased = add(c.leased, c.granted)
    if less(most, c.leased) or less(c.leased, zero) then
      return false
    end
    c.set = { 'leased', text(c.leased), mine, entry }
  elseif c.kind == 's' then
    c.set = { mine, entry }
  else
    c.taken = add(c.taken, c.granted)
    local out = add(c.unspent, minus(c.granted, smaller(c.granted, c.need)))
    if less(most, c.taken) or less(most, out) then
      return false
    end
    c.set = { 'taken', text(c.taken), 'at', plain(c.at), mine,
              entry .. ' ' .. text(out) .. ' ' .. plain(now + hold) }
    c.ttl = c.ttl > 0 and bucket_keep(c) or 0
  end
  if c.left_out then
    c.set[#c.set + 1] = older
    local e = c.left_out
    c.set[#c.set + 1] = text(e.out) .. ' ' .. plain(e.ends)
  elseif c.older[1] > 0 or c.older[2] > 0 then
    c.set[#c.set + 1] = older
    c.set[#c.set + 1] = text(c.older)
  elseif c.had_older then
    c.drop[#c.drop + 1] = older
  end
  return not less(most, c.older)
         and not less(most, c.left) and not less(most, minus(zero, c.left))
end

local function write(cells, me)
  redis.call('HSET', KEYS[1], 'time', plain(now),
             'seen', plain(shard.seen), 'grace', plain(shard.grace),
             mine, format('%s %d %.0f', me.start, me.heard, me.at))
  if shard.gone then
    redis.call('HDEL', KEYS[1], shard.gone)
  end
  if #cells == 0 then
    redis.call('EXPIRE', KEYS[1], SHARD_S)
  end
  for _, c in ipairs(cells) do
    redis.call('HSET', c.key, unpack(c.set))
    if #c.drop > 0 then
      redis.call('HDEL', c.key, unpack(c.drop))
    end
    if c.ttl > 0 and (c.new or c.kind ~= 'w' or c.ttl > YEAR_S)
       and redis.call('TTL', c.key) < c.ttl
    then
      redis.call('EXPIRE', c.key, plain(c.ttl))
    end
  end
end


-- the operation

local count, random = 0, ''

if known ~= '' then
  count, random = epoch_of(known)
end

if not start or #op ~= 27 or not count or #fresh ~= 16
   or not match(fresh, '^[0-9a-f]+$') or not match(node, '^[%w-]+$')
   or token == '' or not sent or not tolerance or not hold
   or not N or N < 1
   or ncells > CELLS or #ARGV ~= 10 + ncells * WORDS
then
  return fault('AIARGS', 'operation')
end

local t = redis.call('TIME')

time_ms = tonumber(t[1]) * 1000 + floor(tonumber(t[2]) / 1000)
shard = shard_read()

if math.abs(time_ms - sent) > tolerance then
  return reply('clock', {})
end

if not shard or shard.token ~= token or shard.count < count
   or shard.count == count and shard.random < random
then
  return epoch_begin(count)
end

clock_read()

if shard.epoch ~= known then
  return reply('epoch', {})
end

if shard.nodes[node] and start < shard.nodes[node].start then
  return reply('fence', {})
end

local me = node_enter()

if not me then
  return fault('AINODES', KEYS[1])
end

-- every cell is read before anything is written

local cells, seen = {}, {}

for i = 1, ncells do
  local c = cell_args(i)
  if not c or seen[c.key] then
    return fault('AIARGS', KEYS[1 + i])
  end
  seen[c.key] = true
  local read = c.kind == 'w' and window_read or hash_read
  if not read(c) then
    return fault('AIDATA', c.key)
  end
  cells[i] = c
end

for _, c in ipairs(cells) do
  if c.own and op <= c.own.op then
    return reply('late', {})
  end
end

local dead = match(flags, 'd') ~= nil

shard_count()

for _, c in ipairs(cells) do
  if c.kind == 'w' then
    window_sum(c, dead)
  elseif c.kind == 's' then
    slots_sum(c, dead)
  else
    bucket_sum(c, me, dead)
  end
end

if match(flags, 'h') then
  me.at = now
end

if match(flags, 'r') and dead then
  me.heard = 1
end

shard_count()

grant(cells)

for _, c in ipairs(cells) do
  if not cell_write(c) then
    return fault('AIDATA', c.key)
  end
end

write(cells, me)

return reply('ok', cells)
