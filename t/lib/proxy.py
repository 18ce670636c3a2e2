#!/usr/bin/env python3
"""A TCP proxy that misbehaves on request.

    proxy.py LISTEN TARGET CONTROL

Each is HOST:PORT; LISTEN and TARGET may be /a/socket, too.  CONTROL takes one
command a line and answers "ok ..." to each:

    delay MS          each chunk waits so long, both ways (0: none)
    split N           chunks of at most N bytes, each in a segment (0: as come)
    cut N up|down     the next connection ends after N bytes to the server (up)
                      or to the client (down); once
    pause up|down|all takes no more bytes; the peer's window fills
    resume            all go on
    reset             RST to both ends of all connections
    close             FIN to both ends of all connections
    refuse            stops listening (accept: listens again)
    accept
    stat              ok accepted=N open=N up=BYTES down=BYTES
"""

import asyncio
import socket
import struct
import sys


class Proxy:

    def __init__(self, listen, target):
        self.listen = listen
        self.target = target
        self.delay = 0
        self.split = 0
        self.cut = None
        self.running = {'up': asyncio.Event(), 'down': asyncio.Event()}
        self.open = set()
        self.accepted = 0
        self.bytes = {'up': 0, 'down': 0}
        self.server = None

        for event in self.running.values():
            event.set()

    async def start(self):
        if self.listen.startswith('/'):
            self.server = await asyncio.start_unix_server(
                self.client, self.listen, limit=16384)
        else:
            host, port = self.listen.rsplit(':', 1)
            self.server = await asyncio.start_server(
                self.client, host, int(port), limit=16384,
                reuse_address=True)

    async def client(self, reader, writer):
        self.accepted += 1
        cut, self.cut = self.cut, None

        try:
            if self.target.startswith('/'):
                up = await asyncio.open_unix_connection(self.target,
                                                        limit=16384)
            else:
                host, port = self.target.rsplit(':', 1)
                up = await asyncio.open_connection(host, int(port),
                                                   limit=16384)
        except OSError:
            writer.transport.abort()
            return

        pair = (writer, up[1])
        self.open.add(pair)

        for w in pair:
            s = w.get_extra_info('socket')
            if s.family != socket.AF_UNIX:
                s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            w.transport.set_write_buffer_limits(high=0)

        jobs = [asyncio.ensure_future(self.pump('up', reader, up[1], cut)),
                asyncio.ensure_future(self.pump('down', up[0], writer, cut))]

        await asyncio.wait(jobs, return_when=asyncio.FIRST_COMPLETED)

        # what is on its way to the other side still arrives
        await asyncio.wait(jobs, timeout=0.2)

        for job in jobs:
            job.cancel()

        self.open.discard(pair)

        for w in pair:
            w.close()

    async def pump(self, way, reader, writer, cut):
        left = cut[0] if cut and cut[1] == way else None

        try:
            while True:
                await self.running[way].wait()
                data = await reader.read(16384)
                await self.running[way].wait()

                if not data:
                    return

                if left is not None:
                    data = data[:left]
                    left -= len(data)

                await self.write(way, writer, data)

                if left == 0:
                    return

        except (OSError, asyncio.CancelledError):
            return

    async def write(self, way, writer, data):
        step = self.split or len(data)

        for i in range(0, len(data), max(step, 1)):
            if self.delay:
                await asyncio.sleep(self.delay / 1000)

            piece = data[i:i + step]
            writer.write(piece)
            self.bytes[way] += len(piece)
            await writer.drain()

            if self.split:
                await asyncio.sleep(0)

    def finish(self, rst):
        for pair in list(self.open):
            for w in pair:
                if rst:
                    w.get_extra_info('socket').setsockopt(
                        socket.SOL_SOCKET, socket.SO_LINGER,
                        struct.pack('ii', 1, 0))
                    w.transport.abort()
                else:
                    w.close()

    async def command(self, words):
        name, args = words[0], words[1:]

        if name in ('delay', 'split'):
            setattr(self, name, int(args[0]))
        elif name == 'cut':
            self.cut = (int(args[0]), args[1])
        elif name == 'pause':
            for way, event in self.running.items():
                if args[0] in (way, 'all'):
                    event.clear()
        elif name == 'resume':
            for event in self.running.values():
                event.set()
        elif name in ('reset', 'close'):
            self.finish(name == 'reset')
        elif name == 'refuse':
            self.server.close()
            await self.server.wait_closed()
        elif name == 'accept':
            await self.start()
        elif name == 'stat':
            return 'ok accepted=%d open=%d up=%d down=%d' % (
                self.accepted, len(self.open), self.bytes['up'],
                self.bytes['down'])
        else:
            return 'unknown command'

        return 'ok'

    async def control(self, reader, writer):
        while True:
            line = await reader.readline()

            if not line:
                break

            try:
                answer = await self.command(line.decode().split())
            except (OSError, ValueError, IndexError) as e:
                answer = 'failed: %s' % e

            writer.write((answer + '\n').encode())
            await writer.drain()

        writer.close()


async def main():
    proxy = Proxy(sys.argv[1], sys.argv[2])
    await proxy.start()

    host, port = sys.argv[3].rsplit(':', 1)
    control = await asyncio.start_server(proxy.control, host, int(port))

    await control.serve_forever()


asyncio.run(main())
