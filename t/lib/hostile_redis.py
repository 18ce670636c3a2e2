#!/usr/bin/env python3
"""A Redis that answers as it is told to.

    hostile_redis.py LISTEN CONTROL

CONTROL takes one command a line and answers each with a line.  A NAME is what
a command is called: auth, name, info, load, call, slots, asking.

    say NAME HEX [WORD=N ...]   these bytes are its reply; in order: repeat=N
                                times; then x=N bytes "x" (-1: without end);
                                split=N bytes at a time, each delay=MS after
                                the one before; then close=1
    usual                       all answer as a Redis does
    push HEX                    these bytes to all connections at once
    cluster                     INFO says so from now on
    stat                        {"accepted": n, "open": n, "said": {NAME: n}}
"""

import asyncio
import hashlib
import json
import socket
import sys


def bulk(text):
    data = text if isinstance(text, bytes) else text.encode()
    return b'$%d\r\n%s\r\n' % (len(data), data)


def name_of(words):
    word = words[0].upper()
    return {b'AUTH': 'auth', b'CLIENT': 'name', b'INFO': 'info',
            b'SCRIPT': 'load', b'EVAL': 'call', b'EVALSHA': 'call',
            b'CLUSTER': 'slots', b'ASKING': 'asking'}.get(word, 'other')


class Server:

    def __init__(self, port):
        self.port = port
        self.told = {}
        self.said = {}
        self.open = set()
        self.accepted = 0
        self.cluster = 0

    def usual(self, name, words):
        if name == 'info':
            return bulk('# Server\r\nredis_version:7.0.15\r\nrun_id:%s\r\n'
                        'loading:0\r\nrole:master\r\nmaster_replid:%s\r\n'
                        'maxmemory_policy:noeviction\r\ncluster_enabled:%d\r\n'
                        % ('a' * 40, 'b' * 40, self.cluster))
        if name == 'load':
            return bulk(hashlib.sha1(words[2]).hexdigest())
        if name == 'call':
            args = words[3 + int(words[2]):]
            return b'*%d\r\n' % len(args) + b''.join(bulk(a) for a in args)
        if name == 'slots':
            return (b'*1\r\n*3\r\n:0\r\n:16383\r\n*3\r\n%s:%d\r\n%s'
                    % (bulk('127.0.0.1'), self.port, bulk('c' * 40)))
        return b'+OK\r\n'

    async def reply(self, writer, name, words):
        self.said[name] = self.said.get(name, 0) + 1

        told = self.told.get(name)
        if not told:
            writer.write(self.usual(name, words))
            await writer.drain()
            return True

        data, o = told
        data *= o.get('repeat', 1)

        if o.get('split'):
            for i in range(0, len(data), o['split']):
                writer.write(data[i:i + o['split']])
                await writer.drain()
                await asyncio.sleep(o.get('delay', 0) / 1000)
        else:
            await asyncio.sleep(o.get('delay', 0) / 1000)
            writer.write(data)
            await writer.drain()

        left = o.get('x', 0)
        while left:
            n = 65536 if left < 0 else min(left, 65536)
            writer.write(b'x' * n)
            await writer.drain()
            left -= n if left > 0 else 0

        return not o.get('close')

    async def client(self, reader, writer):
        self.accepted += 1
        self.open.add(writer)
        sock = writer.get_extra_info('socket')
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            while True:
                line = await reader.readline()
                if not line.startswith(b'*'):
                    break
                words = []
                for _ in range(int(line[1:])):
                    size = int((await reader.readline())[1:])
                    words.append((await reader.readexactly(size + 2))[:-2])
                if not await self.reply(writer, name_of(words), words):
                    break
        except (ConnectionError, asyncio.IncompleteReadError, ValueError):
            pass
        finally:
            self.open.discard(writer)
            writer.close()

    async def control(self, reader, writer):
        while True:
            line = (await reader.readline()).decode().split()
            if not line:
                break
            answer = 'ok'
            if line[0] == 'say':
                data = '' if line[2] == '-' else line[2]
                self.told[line[1]] = (
                    bytes.fromhex(data),
                    {k: int(v) for k, v in (w.split('=') for w in line[3:])})
            elif line[0] == 'usual':
                self.told = {}
            elif line[0] == 'push':
                for w in list(self.open):
                    w.write(bytes.fromhex(line[1]))
            elif line[0] == 'cluster':
                self.cluster = 1
            elif line[0] == 'stat':
                answer = json.dumps({'accepted': self.accepted,
                                     'open': len(self.open),
                                     'said': self.said})
            else:
                answer = 'unknown'
            writer.write(answer.encode() + b'\n')
            await writer.drain()
        writer.close()


async def main():
    host, port = sys.argv[1].rsplit(':', 1)
    server = Server(int(port))
    await asyncio.start_server(server.client, host, int(port), limit=2 ** 24)
    host, port = sys.argv[2].rsplit(':', 1)
    await asyncio.start_server(server.control, host, int(port), limit=2 ** 24)
    await asyncio.Event().wait()


asyncio.run(main())
