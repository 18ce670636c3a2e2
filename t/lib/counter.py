#!/usr/bin/python3
"""A stand-in provider that counts: which tenant, when, how many at once.

    counter.py HOST:PORT

Every POST is answered as a chat completion.  The tenant is X-Tenant-Id's;
X-Load is "MARK DELAY_MS TOKENS": what the request is counted under beside the
tenant, when it is answered, and the output tokens told.

    GET /_take?PREFIX   a JSON object of the tenants whose names begin so, each
                        a list of [BEGIN, END, MARK, ID, TOKENS, HOW, OPEN],
                        which are forgotten; times of CLOCK_MONOTONIC in
                        seconds, HOW answered | aborted | open, OPEN how many
                        the tenant had with this one
    GET /_open          number of requests being answered
"""

import asyncio
import json
import sys
import time

TENANTS = {}
OPEN = {}
INPUT = 11

HEAD = (b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n'
        b'Content-Length: %d\r\n\r\n')


class Connection(asyncio.Protocol):

    def connection_made(self, transport):
        self.transport = transport
        self.buf = b''
        self.entry = None
        self.timer = None

    def data_received(self, data):
        self.buf += data

        while self.entry is None:
            end = self.buf.find(b'\r\n\r\n')

            if end < 0:
                return

            head = self.buf[:end].decode('latin-1').split('\r\n')
            fields = {}

            for line in head[1:]:
                name, _, value = line.partition(':')
                fields[name.lower()] = value.strip()

            size = end + 4 + int(fields.get('content-length', 0))

            if len(self.buf) < size:
                return

            self.buf = self.buf[size:]
            self.request(head[0].split(' '), fields)

    def request(self, line, fields):
        if line[0] == 'GET':
            self.control(line[1])
            return

        tenant = fields.get('x-tenant-id', '')
        mark, delay, tokens = fields.get('x-load', '- 0 1').split(' ')
        n = OPEN[tenant] = OPEN.get(tenant, 0) + 1

        self.tenant = tenant
        self.entry = [time.monotonic(), None, mark,
                      fields.get('x-request-id', ''), int(tokens), 'open', n]
        TENANTS.setdefault(tenant, []).append(self.entry)

        if delay == '0':
            self.answer()
        else:
            self.timer = asyncio.get_running_loop().call_later(
                int(delay) / 1000, self.answer)

    def end(self, how):
        self.entry[1] = time.monotonic()
        self.entry[5] = how
        self.entry = None
        OPEN[self.tenant] -= 1

    def answer(self):
        tokens = self.entry[4]
        rid = self.entry[3]
        self.timer = None
        self.end('answered')
        self.write({
            'id': 'chatcmpl-' + rid, 'object': 'chat.completion',
            'created': 1, 'model': 'mock',
            'choices': [{'index': 0, 'finish_reason': 'stop', 'message': {
                'role': 'assistant', 'content': 'tok ' * tokens}}],
            'usage': {'prompt_tokens': INPUT, 'completion_tokens': tokens,
                      'total_tokens': INPUT + tokens}})

        if self.buf:
            asyncio.get_running_loop().call_soon(self.data_received, b'')

    def control(self, target):
        if target == '/_open':
            self.write(sum(OPEN.values()))
            return

        prefix = target.partition('?')[2]
        self.write({name: TENANTS.pop(name) for name in list(TENANTS)
                    if name.startswith(prefix)})

    def write(self, what):
        body = json.dumps(what).encode()
        self.transport.write(HEAD % len(body) + body)

    def connection_lost(self, exc):
        if self.timer is not None:
            self.timer.cancel()
            self.end('aborted')


async def main():
    host, port = sys.argv[1].rsplit(':', 1)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Connection, host, int(port),
                                      backlog=1024, reuse_address=True)
    await server.serve_forever()


asyncio.run(main())
