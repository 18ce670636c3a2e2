#!/usr/bin/python3
"""flapping.py LEDGER LOG BOARD BREAKER NAME=JOURNAL...: rows against the journals
of providers, the access log ("$ai_request_id $request_uri") and what the board
was told (a log of debug_mutex, for replay.py; BREAKER is what is configured).

One JSON object: how many there were of what, "by" model and provider what rows
have of what the board counts, "board" what it must say of itself, and "wrong": {what: [count, an example]}.  Every attempt of a row
is one request of a provider's journal; it is two where a kept connection was
closed behind the request, and may be none where the connection came to nothing
or the client left at once.
"""

import collections
import glob
import json
import sys

import replay

AGAIN = ('fin', 'rst', 'half')      # closed before a head: nginx repeats it on
                                    # another connection if this was a kept one


class Wrong:
    def __init__(self):
        self.found = {}

    def add(self, what, example):
        n, first = self.found.get(what, (0, example))
        self.found[what] = (n + 1, first)


def journals(args):
    """{id: [(provider, fate, status, nth, end), ...]}; few tuples differ."""
    out, n, same = {}, collections.Counter(), {}
    for arg in args:
        name, _, path = arg.partition('=')
        with open(path) as f:
            for line in f:
                e = json.loads(line)
                n[name] += 1
                t = (name, e['fate'], e['status'], min(e['nth'], 2), e['end'])
                out.setdefault(e['id'], []).append(same.setdefault(t, t))
    return out, n


def count(row, a, by):
    """What the board counts of an attempt; one cut behind its head is none."""
    c = by.setdefault('%s %s' % (row['model'], a['provider']),
                      collections.Counter())
    c['attempts'] += 1
    c['limited'] += a['status'] == 429
    c['failed'] += ((a['status'] or 0) >= 500
                    or a['status'] is None and a['reason'] != 'abort')


def outcome(a):
    """What the board has to be told of an attempt."""
    s = a['status']
    if s is None:
        return 'gone' if a['reason'] == 'abort' else 'failed'
    if s == 429:
        return 'limited'
    if s in (408, 409):
        return 'other'
    return 'failed' if s >= 500 else 'ok'


def compare(row, told, wrong, n):
    """The board was told of each attempt, in order, but for those of last
    resort: its target rested.  Of one with several keys it is told the last."""
    want = []
    for a in row['attempts']:
        if a.get('chosen') == 'key' and want:
            want.pop()
        want.append((a['provider'], outcome(a)))

    left = [e for e in told if e[1] != 'resting']
    for i, w in enumerate(want):
        if left and left[0] == w:
            left.pop(0)
        elif i == len(want) - 1 and ((w[0], 'resting') in told):
            n['last resorts'] += 1
        else:
            wrong.add('the board was told something else', [row, told])
            return

    # one that was not sent, for its client had gone

    if left and left[0][1] != 'gone':
        wrong.add('the board was told of more', [row, told])


def look_at(row, asked, wrong, n, by):
    tried = row['attempts']
    n[row['state']] += 1

    for i, a in enumerate(tried):
        last = i == len(tried) - 1
        n['attempts'] += 1
        n['to ' + a['provider']] += 1
        count(row, a, by)
        if not last and a['status'] in (200, 400):
            wrong.add('went on behind an answer', row)
        if not last and a['reason'] == 'abort':
            wrong.add('went on without a client', row)

    if not tried and row['state'] not in ('refused', 'failed'):
        wrong.add('no attempt', row)

    for name in {e[0] for e in asked} | {a['provider'] for a in tried}:
        mine = [a for a in tried if a['provider'] == name]
        entries = [e for e in asked if e[0] == name]
        again = [e for e in entries if e[1] in AGAIN and e[3] > 1]
        real = len(entries) - len(again)
        n['again'] += len(again)

        # a client that leaves takes the repetition with it

        silent = sum(a['status'] is None
                     and a['reason'] in ('connect', 'abort', 'timeout')
                     for a in mine)

        if real > len(mine):
            wrong.add('asked more often than tried', [row, name, entries])
        elif real < len(mine) - silent:
            wrong.add('tried more often than asked', [row, name, entries])

        told = collections.Counter(e[2] for e in entries)
        for a in mine:
            if a['status'] is not None:
                told[a['status']] -= 1
                if told[a['status']] < 0:
                    wrong.add('a status that was not told',
                              [row, name, entries])

    if row['state'] == 'final' and row['http_status'] == 200:
        if not any(e[0] == row['provider'] and e[2] == 200
                   and (e[4] != 'cut' or row['client_aborted'])
                   for e in asked):
            wrong.add('final, but not answered', [row, asked])


def main():
    asked, served = journals(sys.argv[5:])
    wrong, n, rows, by = Wrong(), collections.Counter(), set(), {}
    board = replay.replay(sys.argv[3], sys.argv[4], wrong, n)
    told = board.ended

    for path in glob.glob(sys.argv[1] + '/usage*.jsonl*'):
        with open(path) as f:
            for line in f:
                row = json.loads(line)
                if row['id'] in rows:
                    wrong.add('a row twice', row)
                rows.add(row['id'])
                look_at(row, asked.pop(row['id'], []), wrong, n, by)
                compare(row, told.pop(bytes.fromhex(
                    row['id'].replace('-', '')), ()), wrong, n)

    with open(sys.argv[2]) as f:
        for line in f:
            i, _, uri = line.partition(' ')
            if uri.startswith('/v1/chat/'):
                n['logged'] += 1
                if i not in rows:
                    wrong.add('logged, but no row', line)

    for i in asked:
        wrong.add('no row', [i, asked[i]])
    for i in told:
        if any(e[1] not in ('resting', 'gone') for e in told[i]):
            wrong.add('told of no row', [i.hex(), told[i]])

    n['rows'] = len(rows)
    n['asked'] = sum(served.values())
    print(json.dumps({'n': n, 'by': by, 'board': board.figures(),
                      'wrong': wrong.found}))


main()
