#!/usr/bin/python3
"""Breakers and rests of targets, replayed from a log of level debug_mutex.

Each call of the board is a line: its place in the order of all calls for the
target, when it was, for which request, and what was told or answered.  The model
here is made from what the README says of breakers, not from the module; it is
fed in that order, and says what had to be answered and which changes were due.
Changes are the operator's lines: each stands behind the call that caused it, in
the log of the same worker.

Nothing is allowed for concurrency: the order of calls is exact, and so are the
times that they were given.  Open is only where within its last tenth the window
begins, and how much of a fifth each cool-down is longer, though not how these
spread.
"""

import collections
import re
import sys

CALL = re.compile(r'\[debug\] (\d+)#\d+: (?:\*(\d+) )?ai board (\d+) (\d+) (\S+) '
                  r'"([^"]*)" "([^"]*)" (\w+) (\d+) (-?\d+)')
CHANGE = re.compile(r'\[(\w+)\] (\d+)#\d+: (?:\*(\d+) )?ai target "([^"]*)" of '
                    r'model "([^"]*)": (breaker opened|probe failed|'
                    r'breaker closed|rate limited)(.*)')
AFTER = re.compile(r' after (\d+) failures, next probe in (\d+)s')
RATE = re.compile(r', (\d+) of (\d+) attempts failed, next probe in (\d+)s')
NEXT = re.compile(r'next probe in (\d+)s')
RESTS = re.compile(r'rests for (\d+)ms')
ASKED = ('ready', 'open', 'resting', 'dry')


class Conf:
    failures, errors, requests, window, cooldown = 5, 50, 20, 10000, 30000

    def __init__(self, text):
        for word in text.split():
            name, value = word.split('=')
            setattr(self, name, int(value))


class Window:
    """Counts by millisecond, and the sums behind two moving edges."""

    def __init__(self, conf):
        self.span = conf.window
        self.tenth = conf.window // 10
        self.clear()

    def clear(self):
        self.ms = {}
        self.edges = [[None, 0, 0], [None, 0, 0]]

    def add(self, t, failed):
        c = self.ms.setdefault(t, [0, 0])
        c[0] += 1
        c[1] += failed
        for e in self.edges:
            if e[0] is not None and t >= e[0]:
                e[1] += 1
                e[2] += failed

    def move(self, e, to):
        if e[0] is None or abs(to - e[0]) > 2 * self.span:
            e[0], e[1], e[2] = to, 0, 0
            for t, c in self.ms.items():
                if t >= to:
                    e[1] += c[0]
                    e[2] += c[1]
        while e[0] < to:
            n, failed = self.ms.get(e[0], (0, 0))
            e[0] += 1
            e[1] -= n
            e[2] -= failed
        while e[0] > to:
            e[0] -= 1
            n, failed = self.ms.get(e[0], (0, 0))
            e[1] += n
            e[2] += failed
        return e

    def judge(self, t, conf):
        """(it may open, it must), and the sums that there may be."""
        lo, hi = t - self.span + 1, t - self.span + self.tenth
        _, n, failed = self.move(self.edges[0], hi)
        _, most, most_failed = self.move(self.edges[1], lo)

        if len(self.ms) > 4 * self.span:
            old = t - 2 * self.span
            self.ms = {k: v for k, v in self.ms.items() if k > old}

        if most < conf.requests or most_failed * 100 < conf.errors * (
                n + most_failed - failed) and (
                n + most_failed - failed >= conf.requests):
            return False, False, ()

        over = []
        sums = []
        for edge in range(hi, lo - 1, -1):
            if edge != hi:
                a, b = self.ms.get(edge, (0, 0))
                if a == 0:
                    continue
                n += a
                failed += b
            sums.append((failed, n))
            over.append(n >= conf.requests and failed * 100 >= conf.errors * n)
        return any(over), all(over), sums


class Target:
    def __init__(self, name, conf, wrong, n):
        self.name, self.conf, self.wrong, self.n = name, conf, wrong, n
        self.calls = 0
        self.waiting = {}               # calls whose turn has not come
        self.window = Window(conf)
        self.row = 0
        self.opened = None              # when
        self.until = None               # it may be probed, as far as is known
        self.probe, self.probe_at = 0, 0
        self.rest = 0
        self.limits = 0
        self.waits = []                 # of each cool-down, where it was told
        self.told = collections.Counter()

    def bad(self, what, call):
        self.wrong.add(what, [self.name, call, {
            'opened': self.opened, 'until': self.until, 'probe': self.probe,
            'probe at': self.probe_at, 'row': self.row, 'rest': self.rest}])

    def take(self, nth, call):
        self.waiting[nth] = call
        while self.calls + 1 in self.waiting:
            self.calls += 1
            call = self.waiting.pop(self.calls)
            if call[2] in ASKED:
                self.asked(call)
            else:
                self.ended(call)

    # ---- what is asked ----

    def asked(self, call):
        t, _, what, probe, wait, _ = call
        self.n['asked, ' + what] += 1
        self.told['attempts'] += what == 'ready'

        if what == 'dry':
            return self.bad('nobody has announced a quota', call)
        if what == 'open':
            return self.refused(t, wait, call)
        if self.opened is not None and not self.may_probe(t, call):
            return
        if what == 'resting':
            if self.rest - t != wait or wait <= 0:
                self.bad('rests, and should not, or for longer', call)
            return
        if self.rest > t:
            self.bad('let through while it rests', call)
        if self.opened is None:
            if probe:
                self.bad('a probe of a closed breaker', call)
            return
        if probe == 0 or probe == self.probe:
            self.bad('let through an open breaker, and is no probe', call)
        if self.probe:
            self.n['probes that gave way'] += 1
        self.n['probes'] += 1
        self.probe, self.probe_at = probe, t

    def refused(self, t, wait, call):
        c = self.conf.cooldown
        if self.opened is None:
            return self.bad('refused by a closed breaker', call)
        if wait <= 0:
            return self.bad('refused for no time', call)
        if self.probe and t + wait == self.probe_at + c:
            return
        if self.until is None:
            if not c <= t + wait - self.opened <= c + c // 5:
                self.bad('a cool-down out of bounds', call)
            self.until = t + wait
            self.waits.append((self.until - self.opened - c) / (c / 5))
        if t + wait != self.until:
            self.bad('refused for another time', call)

    def may_probe(self, t, call):
        if t < (self.until or self.opened + self.conf.cooldown):
            self.bad('let through before its cool-down is over', call)
            return False
        if self.probe and t < self.probe_at + self.conf.cooldown:
            self.bad('let through next to a probe', call)
            return False
        return True

    # ---- what has ended ----

    def ended(self, call):
        t, _, what, probe, ms, change = call
        self.n['ended, ' + what] += 1
        self.told['failed'] += what == 'failed'
        self.told['limited'] += what == 'limited'

        if what == 'broke':
            return self.bad('no canary', call)
        if what == 'ok' and t >= self.rest:
            self.limits = 0

        due, cause = self.breaker(t, what, probe)
        if due is None and what == 'limited':
            due = self.limited(t, ms)

        self.compare(due, cause, change, call)

    def breaker(self, t, what, probe):
        failed = what == 'failed'
        if self.opened is not None:
            if not probe or probe != self.probe:
                return None, None
            self.probe = 0
            if what == 'ok':
                self.opened = self.until = None
                self.row = 0
                self.window.clear()
                return 'breaker closed', None
            if failed:
                self.open(t)
                return 'probe failed', None
            return None, None
        if what not in ('ok', 'failed'):
            return None, None
        self.row = self.row + 1 if failed else 0
        self.window.add(t, failed)
        if self.row >= self.conf.failures:
            self.open(t)
            return 'breaker opened', ('after', self.row)
        may, must, sums = self.window.judge(t, self.conf)
        if may:
            return ('breaker opened' if must else 'may open'), ('of', sums)
        return None, None

    def open(self, t):
        self.opened, self.until, self.probe = t, None, 0

    def limited(self, t, ms):
        rested = self.rest > t
        if ms > 0:
            for_ms = min(ms, 600000)
        elif rested:
            return None
        else:
            for_ms = min(1000 << min(self.limits, 6), 60000)
            self.limits += 1
        self.rest = max(self.rest, t + for_ms)
        return None if rested else 'rate limited'

    def compare(self, due, cause, change, call):
        got = change and change[0]
        if due == 'may open':
            self.n['within the tenth'] += 1
            due = got
        if due == 'breaker opened' and cause[0] == 'of':
            self.open(call[0])
        if due != got:
            self.bad('%s was due, and %s logged' % (due, got), call)
        if got is None:
            return
        self.n[got] += 1
        self.told['opened'] += got in ('breaker opened', 'probe failed')
        self.said(got, cause, change[1], call)

    def said(self, got, cause, text, call):
        if got == 'breaker opened':
            m = AFTER.match(text)
            if cause is None or (m is not None) != (cause[0] == 'after'):
                return self.bad('opened for another cause', call)
            if m and int(m.group(1)) != cause[1]:
                return self.bad('another number of failures', call)
            m = RATE.match(text)
            if m and (int(m.group(1)), int(m.group(2))) not in cause[1]:
                return self.bad('another rate of failures', call)
        if got in ('breaker opened', 'probe failed'):
            s = int(NEXT.search(text).group(1))
            if not 1 <= s <= -(-self.conf.cooldown * 6 // 5000):
                self.bad('another time of the next probe', call)
        if got == 'rate limited':
            if int(RESTS.search(text).group(1)) > self.rest - call[0]:
                self.bad('another rest', call)


class Replay:
    """What was wrong is added to "wrong", what there was to "n"; "ended" is by
    request what the board was told of it, and which targets rested."""

    def __init__(self, conf, wrong, n):
        self.conf, self.wrong, self.n = conf, wrong, n
        self.targets = {}
        self.last = {}                  # by worker: the call before
        self.ended = {}
        self.same = {}

    def target(self, model, name):
        t = self.targets.get((model, name))
        if t is None:
            t = Target('%s of %s' % (name, model), self.conf, self.wrong,
                       self.n)
            self.targets[model, name] = t
        return t

    def flush(self, pid):
        call = self.last.pop(pid, None)
        if call:
            self.target(*call[0]).take(call[1], call[2])

    def line(self, text):
        m = CALL.search(text)
        if m:
            return self.call(m)
        m = CHANGE.search(text)
        if m:
            return self.change(m, text)

    def call(self, m):
        pid, conn, nth, t, i, model, name, what, probe, ms = m.groups()
        self.flush(pid)
        self.last[pid] = ((model, name), int(nth),
                          [int(t), i, what, int(probe), int(ms), None], conn)
        if what not in ('open', 'dry'):
            key = bytes.fromhex(i.replace('-', ''))
            old = self.ended.get(key, ())
            if what != 'ready':
                new = old + ((name, what),)
                self.ended[key] = self.same.setdefault(new, new)

    def change(self, m, text):
        level, pid, conn, name, model, what, rest = m.groups()
        call = self.last.get(pid)
        if (call is None or call[0] != (model, name) or call[3] != conn
                or call[2][5] is not None):
            return self.wrong.add('a change without a call', text)
        call[2][5] = (what, rest)

    def done(self):
        for pid in list(self.last):
            self.flush(pid)

        waits = []
        for t in self.targets.values():
            if t.waiting:
                t.bad('a call is missing', t.calls + 1)
            waits += t.waits
        self.spread(waits)

    def figures(self):
        """As the status has them."""
        return {' '.join(k): [t.told['attempts'], t.told['failed'],
                              t.told['limited'], t.told['opened'],
                              int(t.opened is not None)]
                for k, t in self.targets.items()}

    def spread(self, waits):
        """A cool-down has as often one part of the fifth as another.  By chance
        one run in 10^5 would not look so."""
        parts = collections.Counter(min(int(w * 4), 3) for w in waits)
        if len(waits) >= 40 and max(waits) - min(waits) < 0.7 or (
                len(waits) >= 400
                and min(parts[i] for i in range(4)) < len(waits) / 8):
            self.wrong.add('cool-downs are not spread', dict(parts))


def replay(path, conf, wrong, n):
    r = Replay(Conf(conf), wrong, n)
    with open(path, errors='replace') as f:
        for line in f:
            if ' ai ' in line:
                r.line(line)
    r.done()
    return r
