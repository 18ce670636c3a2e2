#!/usr/bin/env python3

"""A PostgreSQL that means harm: it accepts a login, and then answers each of
the gateway's functions as it is told to.

    hostile_pg.py HOST:PORT CONTROL_HOST:PORT

A line on the control port, one answer line:

    set NAME=WORD ...   how NAME is answered: login, listen, or a function of
                        schema ai (ship, directory, ...); "all" is for each
                        of the functions.  WORD is a method "do_WORD" below.
    stat                JSON: how many statements of each name were answered
                        by each word, connections, unique rows, bytes sent
"""

import json
import os
import random
import re
import socket
import struct
import sys
import threading
import time

lock = threading.Lock()
words = {}
counts = {}
rows = set()
state = {"connections": 0, "sent": 0, "open": 0}

CHUNK = 64 * 1024
OFTEN = 1 << 31


def message(kind, body=b""):
    return kind + struct.pack(">I", len(body) + 4) + body


def columns(names):
    body = struct.pack(">H", len(names))
    for name in names:
        body += name.encode() + b"\0" + struct.pack(">IHIHIH", 0, 0, 25,
                                                    0xffff, 0xffffffff, 0)
    return message(b"T", body)


def row(values):
    body = struct.pack(">H", len(values))
    for v in values:
        if v is None:
            body += struct.pack(">i", -1)
        else:
            v = v if isinstance(v, bytes) else str(v).encode()
            body += struct.pack(">i", len(v)) + v
    return message(b"D", body)


def fields(kind, severity, code, text):
    body = b""
    for f, v in ((b"S", severity), (b"V", severity), (b"C", code),
                 (b"M", text)):
        body += f + (v if isinstance(v, bytes) else v.encode()) + b"\0"
    return message(kind, body + b"\0")


READY = message(b"Z", b"I")
BOUND = message(b"1") + message(b"2")

NAMES = {
    "ship": ["inserted", "duplicates", "quarantined"],
    "directory": ["kind", "name", "doc", "mark"],
    "spend_others": ["tenant", "key", "day", "month", "d_requests", "d_input",
                     "d_output", "d_cost", "m_requests", "m_input", "m_output",
                     "m_cost", "t_cost", "mark"],
}


class Session:
    def __init__(self, sock):
        self.s = sock
        self.f = sock.makefile("rb")
        self.name = ""
        self.args = []
        self.turn = 0

    def send(self, data):
        self.s.sendall(data)
        with lock:
            state["sent"] += len(data)

    def flood(self, data, most=OFTEN):
        """the same again and again, in large pieces"""
        data = data * max(1, CHUNK // len(data))
        sent = 0
        while sent < most:
            self.send(data)
            sent += len(data)

    # ---- the protocol

    def startup(self):
        while True:
            n, code = struct.unpack(">II", self.f.read(8))
            self.f.read(n - 8)
            if code in (80877103, 80877104):
                self.send(b"N")
                continue
            return code == 196608

    def answer(self, name):
        with lock:
            word = words.get(name) or (
                words.get("all") if name not in ("login", "listen")
                else None) or "ok"
        arg = None
        if ":" in word:
            word, arg = word.split(":", 1)
        self.arg = arg
        self.name = name
        with lock:
            c = counts.setdefault(name, {})
            c[word] = c.get(word, 0) + 1
        getattr(self, "do_" + word)()

    def run(self):
        if not self.startup():
            return
        self.answer("login")
        sql = ""
        while True:
            kind = self.f.read(1)
            if not kind or kind == b"X":
                return
            n = struct.unpack(">I", self.f.read(4))[0]
            body = self.f.read(n - 4)
            if kind == b"Q":
                self.answer("listen")
            elif kind == b"P":
                sql = body.split(b"\0")[1].decode()
            elif kind == b"B":
                self.args = self.parameters(body)
            elif kind == b"S":
                m = re.search(r"\bai\.(\w+)", sql)
                self.answer(m.group(1) if m else "listen")

    @staticmethod
    def parameters(body):
        body = body.split(b"\0", 2)[2]
        n = struct.unpack(">H", body[:2])[0]
        at = 2 + 2 * n
        n = struct.unpack(">H", body[at:at + 2])[0]
        at += 2
        args = []
        for _ in range(n):
            size = struct.unpack(">i", body[at:at + 4])[0]
            at += 4
            args.append(None if size < 0 else body[at:at + size])
            at += max(size, 0)
        return args

    def table(self, values, names=None, end=True):
        names = names or NAMES.get(self.name) or [self.name]
        self.send(BOUND + columns(names) + b"".join(row(v) for v in values)
                  + (message(b"C", b"SELECT %d\0" % len(values)) + READY
                     if end else b""))

    # ---- as it should be

    def do_ok(self):
        if self.name == "login":
            out = message(b"R", struct.pack(">I", 0))
            for k, v in (("client_encoding", "UTF8"),
                         ("server_version", "16.0"),
                         ("standard_conforming_strings", "on")):
                out += message(b"S", k.encode() + b"\0" + v.encode() + b"\0")
            out += message(b"K", struct.pack(">II", 1, 1)) + READY
            self.send(out)
        elif self.name == "listen":
            self.send(BOUND + message(b"n") + message(b"C", b"LISTEN\0")
                      + READY)
        elif self.name == "ship":
            ids = re.findall(rb'^\{"id":"([0-9a-f-]{36})"', self.args[1], re.M)
            with lock:
                new = set(ids) - rows
                rows.update(new)
            self.table([[len(new), len(ids) - len(new), 0]])
        elif self.name == "directory":
            full = not self.args[0]
            self.table([["end", "1", "full" if full else "changes", "mark1"]])
        elif self.name == "spend_others":
            self.table([[None] * 13 + ["mark1"]])
        else:
            self.table([["{}" if self.name in ("admin", "usage_report")
                         else ""]])

    # ---- as it should not

    def do_hang(self):
        time.sleep(3600)

    def do_close(self):
        self.send(BOUND + columns(["a", "b"])[:9])
        self.s.shutdown(socket.SHUT_RDWR)
        raise ConnectionError

    def do_garbage(self):
        r = random.Random(self.arg or None)
        self.send(bytes(r.randrange(256) for _ in range(5000)))

    def do_fuzz(self):
        """messages with right heads and random bodies"""
        r = random.Random()
        for _ in range(200):
            body = bytes(r.randrange(256) for _ in range(r.randrange(60)))
            self.send(message(r.choice([b"T", b"D", b"C", b"E", b"N", b"A",
                                        b"S", b"t", b"n", b"1", b"2", b"3",
                                        b"I", b"s", b"Z", b"R", b"K", b"G",
                                        b"H", b"W", b"d", b"c", b"v"]), body))

    def do_huge(self):
        """a message of 2 GB, and what it is of"""
        self.send(BOUND + columns(["a"]) + b"D" + struct.pack(">I", OFTEN - 9))
        self.flood(b"x" * CHUNK)

    def do_field(self):
        """one column of 1 GB"""
        n = 1 << 30
        self.send(BOUND + columns(NAMES.get(self.name) or ["a"]) + b"D"
                  + struct.pack(">IHi", n + 10, 1, n))
        self.flood(b"x" * CHUNK)

    def do_endless(self):
        """rows without an end"""
        names = NAMES.get(self.name) or ["a"]
        self.send(BOUND + columns(names))
        self.flood(row(["1"] * len(names)))

    def do_notices(self):
        self.flood(fields(b"N", "WARNING", "01000", "of no use " * 20))

    def do_notify(self):
        self.flood(message(b"A", struct.pack(">I", 1) + b"ai_changes\0"
                           + b"p" * 60 + b"\0"))

    def do_changes(self):
        """notifications for some seconds, between two statements"""
        self.do_ok()
        self.flood(message(b"A", struct.pack(">I", 1) + b"ai_changes\0p\0"),
                   8 * 1024 * 1024)

    def do_params(self):
        i = 0
        while True:
            out = b""
            for _ in range(500):
                i += 1
                out += message(b"S", b"name_%d\0value\0" % i)
            self.send(out)

    def do_null(self):
        names = NAMES.get(self.name) or ["a"]
        self.table([[None] * len(names)])

    def do_none(self):
        self.table([])

    def do_nothing(self):
        self.send(READY)

    def do_empty(self):
        self.send(BOUND + message(b"n") + message(b"I") + READY)

    def do_copy(self):
        self.send(BOUND + message(b"H", b"\0\0\0"))

    def do_wrong(self):
        self.table([["what", "is", "this"]], ["a", "b", "c"])

    def do_range(self):
        names = NAMES.get(self.name) or ["a"]
        self.table([["99999999999999999999999"] * len(names),
                    ["-9223372036854775808"] * len(names),
                    [None] * (len(names) - 1) + ["m"]])

    def do_wrap(self):
        """three numbers whose sum is right in 64 bits"""
        n = len(re.findall(rb"^.", self.args[1], re.M))
        most = (1 << 63) - 1
        self.table([[most, most, n + 2]])

    def do_quarantine(self):
        ids = re.findall(rb'^\{"id":"([0-9a-f-]{36})"', self.args[1], re.M)
        with lock:
            rows.update(ids)
        self.table([[0, 0, len(ids)]])

    def do_error(self):
        self.send(fields(b"E", "ERROR", self.arg or "XX000",
                         b"no\r\n\x1b[31m \xff" + b"z" * 3000) + READY)

    def do_long(self):
        """an error whose text is of 8 MB"""
        self.send(fields(b"E", "ERROR", self.arg or "22023",
                         "l" * (8 << 20)) + READY)

    def do_fatal(self):
        self.send(fields(b"E", "FATAL", "57P01", "bye\n\x1b[31m"))
        self.s.shutdown(socket.SHUT_RDWR)
        raise ConnectionError

    def do_flap(self):
        """one of two statements is refused, by chance: in turns, those that
        ask in turns, too, would be refused always or never"""
        if random.random() < 0.5:
            self.send(fields(b"E", "ERROR", "40001", "try again") + READY)
        else:
            self.do_ok()

    # ---- the directory's, and those of the registration

    def do_lines(self):
        """register: names that clash, without end"""
        self.table([[b"\x1b[31mclash\n" * 200000]])

    def do_absurd(self):
        """a page of documents that are none"""
        docs = [b"plan \xff\n" * 3, b"limit cost month 99999999999999999999 1",
                b"limit " * 1000, b"models " + b"* " * 20000,
                b"credit -9223372036854775808", b"state maybe\nstate maybe",
                b"plan " + b"x" * 300, b"x" * (1 << 20),
                b"expires 99999999999999999999", b"\n" * 5000,
                b"labels {\"a\":", b"price std -1 0 input=-1",
                b"max_output 99999999999999", b""]
        values = []
        for i in range(499):
            kind = "ptkm"[i % 4]
            name = "%064x" % i if kind == "k" else "name%d" % i
            values.append([kind, name, docs[(i * 7 + i // 4) % len(docs)], ""])
        self.table(values + [["end", "1", "full", "mark1"]])

    def do_pages(self):
        """pages that never end"""
        self.turn += 1
        self.table([["t", "t%09d" % (self.turn * 1000 + i), "plan p\n", ""]
                    for i in range(500)])

    def do_circle(self):
        """two pages, for ever"""
        self.turn += 1
        self.table([["t", "t%d" % (self.turn % 2), "plan p\n", ""]])

    def do_again(self):
        """all is to be read anew, each time"""
        self.table([["end", "1", "full", ""]])


def serve(sock):
    with lock:
        state["connections"] += 1
        state["open"] += 1
    try:
        Session(sock).run()
    except (OSError, ValueError, struct.error):
        pass
    finally:
        with lock:
            state["open"] -= 1
        sock.close()


def control(sock):
    f = sock.makefile("rwb")
    for line in f:
        part = line.decode().split()
        if part and part[0] == "set":
            with lock:
                words.clear()
                words.update(p.split("=", 1) for p in part[1:])
            f.write(b"ok\n")
        else:
            with lock:
                s = dict(state, counts=counts, rows=len(rows))
                f.write(json.dumps(s).encode() + b"\n")
        f.flush()
    sock.close()


def listen(address, each):
    host, port = address.rsplit(":", 1)
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((host, int(port)))
    s.listen(128)

    def accept():
        while True:
            c, _ = s.accept()
            threading.Thread(target=each, args=(c,), daemon=True).start()

    return threading.Thread(target=accept)


threads = [listen(sys.argv[1], serve), listen(sys.argv[2], control)]

for t in threads:
    t.start()

for t in threads:
    t.join()
