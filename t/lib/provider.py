#!/usr/bin/python3
"""A stand-in provider for tests: HTTP/1.1 with keep-alive, every dialect.

What it answers is chosen by the request's X-Mock header, a JSON object; else
by what POST /_behave or --behave set; else it is a usual answer of the
dialect.  Members:

  at        {NAME: {members}}: of the stand-in of that --name alone, before the
            others; so one request finds several stand-ins each in its own mood
  keyed     {TEXT: {members}}: of requests whose credential has this text in it
  file      a fixture of t/data/fixtures, or an absolute path: its bytes, with
            the status and type that manifest.json names
  body      the answer's text; body64: its bytes
  raw64     the bytes of the whole answer, head included
  echo      answers with the request as it came: {method, target, headers,
            body64}, headers as a list of [name, value]
  tool      a call of the first tool of the request
  events    number of words generated (8), one event each when streamed;
            never more than the request's cap, except with "uncapped"
  text      the word ("tok ")
  input     input tokens told (11); output: output tokens told, not counted
  usage     the usage object itself, or null for none
  id, served_model, finish    of the answer

  status, type, headers       of the answer's head, {name: value or [values]}
  length    a Content-Length of this value; framing: chunked | length | close
  gzip      the body gzipped, with Content-Encoding
  extra     text sent behind the end of the answer
  split     "byte", [offsets], or {"seed": n, "pieces": k}: of the body
  delay     seconds between pieces, or between events
  wait      seconds before the head
  body_wait seconds between the head and the body
  cut       the connection ends after so many bytes of the body; cut_event:
            after so many events; how: fin | rst
  error_event   after so many events comes an error in the dialect's words, and
            no other
  context   the dialect's answer to a request that is too long, status 400
  flap      [{members}, ...]: one of them at random for each request, the same
            ones in each run of a "seed" (1)
  close     "accept": at once; "request": after the request; with how
  hang      no answer at all
  early     answers before the request's body was read
  times     holds only for the first n requests of a /_behave

A journal gets one JSON line per request at its end, in one write, O_APPEND
(with --sync O_DSYNC): id (X-Request-Id), model, path, tokens and events that
went out, bytes, end = completed | cut | aborted (by the peer), the names of
the headers that carry keys, SHA-256 of the request's body, the server name of
TLS, nth: which request of its connection it was, when it began and ended.  With
--full also the body and what the headers that carry keys say: {name: value}.

GET /_state, GET /_journal, POST /_behave steer it; these are not journalled.
"""

import argparse
import asyncio
import base64
import gzip
import hashlib
import json
import os
import random
import socket
import ssl
import struct
import sys
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FIXTURES = os.path.join(TOP, 'data', 'fixtures')
KEY_HEADERS = ('authorization', 'x-api-key', 'api-key', 'x-goog-api-key',
               'proxy-authorization', 'cookie')


class Lost(Exception):
    """The peer closed the connection."""


class Cut(Exception):
    """The answer was cut on purpose."""


class State:
    def __init__(self):
        self.requests = 0
        self.open = 0
        self.open_streams = 0
        self.connections = 0
        self.accepted = 0
        self.behave = {}
        self.used = 0
        self.journal = None
        self.full = False
        self.name = ''
        self.path = None
        self.manifest = None
        self.flaps = {}


STATE = State()


def fixture(name):
    """Bytes, status and type of a fixture."""
    if os.path.isabs(name):
        with open(name, 'rb') as f:
            return f.read(), 200, 'application/json'

    if STATE.manifest is None:
        with open(os.path.join(FIXTURES, 'manifest.json')) as f:
            STATE.manifest = {x['file']: x for x in json.load(f)['fixtures']}

    entry = STATE.manifest.get(name, {})

    with open(os.path.join(FIXTURES, os.path.basename(name)), 'rb') as f:
        return (f.read(), entry.get('http_status', 200),
                entry.get('content_type', 'application/json'))


class Connection(asyncio.Protocol):
    """One connection: bytes in, awaitable writes out."""

    def connection_made(self, transport):
        self.transport = transport
        self.sock = transport.get_extra_info('socket')
        self.buf = bytearray()
        self.data = asyncio.Event()
        self.room = asyncio.Event()
        self.room.set()
        self.lost = False
        self.served = 0
        tls = transport.get_extra_info('ssl_object')
        self.sni = getattr(tls, 'server_name_seen', None)
        STATE.connections += 1
        STATE.accepted += 1

        if STATE.behave.get('close') == 'accept' and use_behave():
            self.end(STATE.behave.get('how'))
            self.task = None
            return

        self.task = asyncio.ensure_future(self.serve())

    def data_received(self, data):
        self.buf += data
        self.data.set()

    def eof_received(self):
        return False

    def connection_lost(self, exc):
        self.lost = True
        self.data.set()
        self.room.set()
        STATE.connections -= 1

    def pause_writing(self):
        self.room.clear()

    def resume_writing(self):
        self.room.set()

    async def more(self):
        """Waits until bytes have come."""
        if self.lost:
            raise Lost
        self.data.clear()
        await self.data.wait()
        if self.lost:
            raise Lost

    async def gone(self):
        """Waits until the peer closes."""
        while not self.lost:
            self.data.clear()
            await self.data.wait()
        raise Lost

    async def pause(self, seconds):
        """Sleeps; raises Lost at once when the peer leaves."""
        try:
            await asyncio.wait_for(self.gone(), seconds)
        except asyncio.TimeoutError:
            pass

    async def write(self, data):
        if self.lost:
            raise Lost
        self.transport.write(data)
        await self.room.wait()
        if self.lost:
            raise Lost

    async def flush(self):
        """Waits until the kernel has all that was written."""
        while not self.lost and self.transport.get_write_buffer_size():
            await asyncio.sleep(0.001)

    def end(self, how):
        if how == 'rst':
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                 struct.pack('ii', 1, 0))
            self.transport.abort()
        else:
            self.transport.close()

    async def serve(self):
        try:
            while await Exchange(self).run():
                pass
            await self.flush()
        except Lost:
            pass
        self.transport.close()


def use_behave():
    """Whether /_behave still holds; counts down its "times"."""
    times = STATE.behave.get('times')
    STATE.used += 1
    return times is None or STATE.used <= times


class Exchange:
    """One request and its answer."""

    def __init__(self, conn):
        self.c = conn
        self.body = b''
        self.sent = 0           # bytes of the answer's body
        self.events = 0         # events that went out whole
        self.words = 0          # generated words that went out
        self.tokens = None      # (input, output) told
        self.status = 0
        self.stream = False
        self.model = None
        self.keep = True

    async def run(self):
        """Serves one request; whether the connection may take another."""
        if not await self.read_head():
            return False

        if self.path.startswith('/_'):
            await self.read_body()
            return await self.control()

        self.mock = self.choose()
        self.c.served += 1
        STATE.requests += 1
        STATE.open += 1
        end = 'completed'

        try:
            if not self.mock.get('early'):
                await self.read_body()
            await self.answer()
            await self.c.flush()
        except Cut:
            end = 'cut'
            self.keep = False
        except Lost:
            end = 'aborted'
            self.keep = False
        except Exception as e:      # a bug of the stand-in is the test's news
            end = 'error'
            self.keep = False
            print('provider: %r' % e, file=sys.stderr, flush=True)
            raise
        finally:
            STATE.open -= 1
            if self.stream:
                STATE.open_streams -= 1
            self.log(end)

        return self.keep and not self.c.lost

    # ---- the request ----

    async def read_head(self):
        while b'\r\n\r\n' not in self.c.buf:
            try:
                await self.c.more()
            except Lost:
                return False

        self.began = time.time()
        end = self.c.buf.index(b'\r\n\r\n')
        lines = bytes(self.c.buf[:end]).decode('latin-1').split('\r\n')
        del self.c.buf[:end + 4]

        self.method, self.target, _ = lines[0].split(' ', 2)
        self.path, _, self.query = self.target.partition('?')
        self.headers = [tuple(x.strip() for x in line.split(':', 1))
                        for line in lines[1:]]
        self.h = {k.lower(): v for k, v in self.headers}
        self.keep = self.h.get('connection', '').lower() != 'close'

        if self.h.get('expect', '').lower() == '100-continue':
            await self.c.write(b'HTTP/1.1 100 Continue\r\n\r\n')

        return True

    async def read_body(self):
        if self.h.get('transfer-encoding', '').lower() == 'chunked':
            self.body = await self.read_chunks()
            return

        n = int(self.h.get('content-length', 0))
        while len(self.c.buf) < n:
            await self.c.more()

        self.body = bytes(self.c.buf[:n])
        del self.c.buf[:n]

    async def read_chunks(self):
        out = b''
        while True:
            while b'\r\n' not in self.c.buf:
                await self.c.more()
            line, _, _ = bytes(self.c.buf).partition(b'\r\n')
            n = int(line.split(b';')[0], 16)
            end = len(line) + 2 + n + 2
            while len(self.c.buf) < end:
                await self.c.more()
            out += bytes(self.c.buf[len(line) + 2:end - 2])
            del self.c.buf[:end]
            if n == 0:
                return out

    def choose(self):
        m = {}
        if 'x-mock' in self.h:
            m = json.loads(self.h['x-mock'])
        elif STATE.behave and use_behave():
            m = STATE.behave

        m = dict(m, **m.get('at', {}).get(STATE.name, {}))

        for text, members in m.get('keyed', {}).items():
            if any(text in self.h.get(k, '') for k in KEY_HEADERS):
                m = dict(m, **members)

        if 'flap' in m:
            seed = m.get('seed', 1)
            rnd = STATE.flaps.setdefault(seed, random.Random(seed))
            m = dict(m, **rnd.choice(m['flap']))

        return m

    def json(self):
        try:
            v = json.loads(self.body)
        except ValueError:
            return {}
        return v if isinstance(v, dict) else {}

    # ---- control ----

    async def control(self):
        out = b'{}'
        if self.path == '/_behave':
            STATE.behave = json.loads(self.body or b'{}')
            STATE.used = 0
        elif self.path == '/_journal':
            with open(STATE.path, 'rb') as f:
                out = f.read()
        else:
            out = json.dumps({
                'requests': STATE.requests, 'open': STATE.open,
                'open_streams': STATE.open_streams,
                'connections': STATE.connections - 1,
                'accepted': STATE.accepted - 1}).encode()

        await self.c.write(
            b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n'
            b'Content-Length: %d\r\n\r\n' % len(out) + out)

        if self.path != '/_behave':
            STATE.accepted -= 1

        return self.keep

    def log(self, end):
        if not STATE.journal:
            return

        entry = {
            'id': self.h.get('x-request-id'),
            'tenant': self.h.get('x-tenant-id'),
            'method': self.method, 'path': self.path, 'query': self.query,
            'host': self.h.get('host'), 'model': self.model,
            'status': self.status, 'end': end, 'stream': self.stream,
            'input': self.tokens[0] if self.tokens else None,
            'output': self.tokens[1] if self.tokens else None,
            'words': self.words, 'tokens': self.words,
            'events': self.events, 'bytes': self.sent,
            'body_bytes': len(self.body),
            'body_sha256': hashlib.sha256(self.body).hexdigest(),
            'keys': sorted(k.lower() for k, _ in self.headers
                           if k.lower() in KEY_HEADERS),
            'headers': sorted(k.lower() for k, _ in self.headers),
            'sni': self.c.sni, 'nth': self.c.served, 'began': self.began,
            'time': time.time(),
        }
        if STATE.full:
            entry['body'] = self.body.decode('latin-1')
            entry['secrets'] = {k.lower(): v for k, v in self.headers
                                if k.lower() in KEY_HEADERS}
        os.write(STATE.journal, json.dumps(entry).encode() + b'\n')

    # ---- the answer ----

    async def answer(self):
        m = self.mock
        req = self.json()
        self.model = model_of(self.path, req)
        self.stream = False

        if m.get('close') == 'request':
            self.c.end(m.get('how'))
            raise Cut

        if m.get('hang'):
            await self.c.gone()

        if m.get('wait'):
            await self.c.pause(m['wait'])

        if 'raw64' in m:
            self.status = m.get('status', 0)
            await self.send_body([base64.b64decode(m['raw64'])])
            self.c.end(m.get('how'))
            raise Cut

        pieces, status, ctype, streamed = self.make(req)
        self.status = m.get('status', status)
        ctype = m.get('type', ctype)

        if streamed:
            self.stream = True
            STATE.open_streams += 1

        if m.get('gzip'):
            pieces = [gzip.compress(b''.join(p for p, _ in pieces))]
            pieces = [(pieces[0], 0)]

        await self.send_head(ctype, pieces, streamed)

        if m.get('body_wait'):
            await self.c.pause(m['body_wait'])

        await self.send_body(pieces)

        if self.framing == 'chunked':
            await self.c.write(b'0\r\n\r\n')

        if 'extra' in m:
            await self.c.write(m['extra'].encode())

        if self.framing == 'close' or 'length' in m:
            await self.c.flush()
            self.c.end('fin')
            self.keep = False

    async def send_head(self, ctype, pieces, streamed):
        m = self.mock
        total = sum(len(p) for p, _ in pieces)
        self.framing = m.get('framing', 'chunked' if streamed else 'length')

        fields = [('Content-Type', ctype), ('Date', 'Sat, 21 Nov 2026 00:00:00'
                                                    ' GMT')]
        if m.get('gzip'):
            fields.append(('Content-Encoding', 'gzip'))
        if 'length' in m:
            self.framing = 'length'
            fields.append(('Content-Length', str(m['length'])))
        elif self.framing == 'length':
            fields.append(('Content-Length', str(total)))
        elif self.framing == 'chunked':
            fields.append(('Transfer-Encoding', 'chunked'))
        else:
            fields.append(('Connection', 'close'))

        for name, value in m.get('headers', {}).items():
            fields = [f for f in fields if f[0].lower() != name.lower()]
            for v in value if isinstance(value, list) else [value]:
                fields.append((name, v))

        head = 'HTTP/1.1 %d %s\r\n' % (self.status, 'Mock')
        head += ''.join('%s: %s\r\n' % f for f in fields)

        await self.c.write(head.encode('latin-1') + b'\r\n')

    async def send_body(self, pieces):
        """Pieces of (bytes, words in them), split and cut as asked."""
        m = self.mock
        pieces = [p if isinstance(p, tuple) else (p, 0) for p in pieces]

        if 'split' in m:
            whole = b''.join(p for p, _ in pieces)
            words = sum(w for _, w in pieces)
            parts = split(whole, m['split'])
            pieces = [(p, 0) for p in parts[:-1]] + [(parts[-1], words)]

        for i, (piece, words) in enumerate(pieces):
            if i and m.get('delay'):
                await self.c.pause(m['delay'])
            elif i and 'split' in m:
                await asyncio.sleep(0)

            left = m['cut'] - self.sent if 'cut' in m else len(piece)

            if left < len(piece):
                await self.piece(piece[:left])
                await self.cut()

            await self.piece(piece)
            self.words += words
            self.events += 1

            if self.events == m.get('cut_event'):
                await self.cut()

            if self.events == m.get('error_event'):
                await self.piece(self.error_event())
                return

        if 'cut' in m and self.sent <= m['cut']:
            await self.cut()

    async def piece(self, data):
        if not data:
            return
        self.sent += len(data)
        if getattr(self, 'framing', '') == 'chunked':
            data = b'%x\r\n%s\r\n' % (len(data), data)
        await self.c.write(data)

    async def cut(self):
        await self.c.flush()

        # a RST must not overtake what the peer has yet to read
        if self.mock.get('how') == 'rst':
            await asyncio.sleep(0.05)
        self.c.end(self.mock.get('how'))
        raise Cut

    def make(self, req):
        """(pieces, status, type, streamed) of the answer."""
        m = self.mock

        if m.get('echo'):
            out = json.dumps({
                'method': self.method, 'target': self.target,
                'headers': self.headers,
                'body64': base64.b64encode(self.body).decode()})
            return [(out.encode(), 0)], 200, 'application/json', False

        if 'file' in m:
            data, status, ctype = fixture(m['file'])
            streamed = 'event-stream' in ctype
            parts = by_event(data) if streamed else [data]
            return [(p, 0) for p in parts], status, ctype, streamed

        if 'body' in m or 'body64' in m:
            data = (m['body'].encode() if 'body' in m
                    else base64.b64decode(m['body64']))
            streamed = 'event-stream' in m.get('type', '')
            parts = by_event(data) if streamed else [data]
            return [(p, 0) for p in parts], 200, 'application/json', streamed

        if m.get('context'):
            return self.too_long()

        if m.get('status', 200) >= 400:
            return self.error(m['status'])

        return Answer(self, req).make()

    def too_long(self):
        e = {
            'openai': {'error': {
                'message': "This model's maximum context length is 8192 "
                           'tokens. However, your messages resulted in 9000 '
                           'tokens. Please reduce the length of the messages.',
                'type': 'invalid_request_error', 'param': 'messages',
                'code': 'context_length_exceeded'}},
            'anthropic': {'type': 'error', 'error': {
                'type': 'invalid_request_error',
                'message': 'prompt is too long: 210000 tokens > 200000 '
                           'maximum'}, 'request_id': 'req_1'},
            'gemini': {'error': {
                'code': 400, 'status': 'INVALID_ARGUMENT',
                'message': 'The input token count (1200000) exceeds the '
                           'maximum number of tokens allowed (1048576).'}},
        }[dialect_of(self.path)]
        return [(json.dumps(e).encode(), 0)], 400, 'application/json', False

    def error_event(self):
        kind = dialect_of(self.path)
        if kind == 'anthropic':
            return (b'event: error\ndata: {"type":"error","error":{"type":'
                    b'"overloaded_error","message":"Overloaded"}}\n\n')
        if kind == 'gemini':
            return (b'data: {"error":{"code":503,"message":"overloaded",'
                    b'"status":"UNAVAILABLE"}}\r\n\r\n')
        return (b'data: {"error":{"message":"overloaded","type":'
                b'"server_error","param":null,"code":null}}\n\n')

    def error(self, status):
        kind = dialect_of(self.path)
        text = 'mock error %d' % status
        if kind == 'anthropic':
            e = {'type': 'error', 'error': {
                'type': 'api_error', 'message': text}, 'request_id': 'req_1'}
        elif kind == 'gemini':
            e = {'error': {'code': status, 'message': text,
                           'status': 'UNAVAILABLE'}}
        else:
            e = {'error': {'message': text, 'type': 'server_error',
                           'param': None, 'code': None}}
        return ([(json.dumps(e).encode(), 0)], status, 'application/json',
                False)


def dialect_of(path):
    if '/messages' in path:
        return 'anthropic'
    if '/models/' in path and ':' in path:
        return 'gemini'
    return 'openai'


def model_of(path, req):
    if '/models/' in path and ':' in path:
        return path.split('/models/', 1)[1].rsplit(':', 1)[0]
    if '/deployments/' in path:
        return path.split('/deployments/', 1)[1].split('/', 1)[0]
    return req.get('model')


def by_event(data):
    """A stream in pieces that end with an empty line."""
    out, rest = [], data
    while rest:
        ends = [(rest.find(s), len(s)) for s in
                (b'\r\n\r\n', b'\n\n', b'\r\r') if s in rest]
        if not ends:
            out.append(rest)
            break
        at, n = min(ends)
        out.append(rest[:at + n])
        rest = rest[at + n:]
    return out


def split(data, how):
    if how == 'byte':
        return [data[i:i + 1] for i in range(len(data))] or [b'']
    if isinstance(how, dict):
        rnd = random.Random(how.get('seed', 1))
        n = min(how.get('pieces', 8), max(len(data) - 1, 0))
        how = rnd.sample(range(1, len(data)), n) if n else []
    at = [0] + sorted(x for x in set(how) if 0 < x < len(data)) + [len(data)]
    return [data[a:b] for a, b in zip(at, at[1:])]


class Answer:
    """A usual answer of an endpoint, with exact usage."""

    def __init__(self, x, req):
        self.x = x
        self.m = x.mock
        self.req = req
        self.model = self.m.get('served_model', x.model or 'mock-model')
        self.word = self.m.get('text', 'tok ')
        self.input = self.m.get('input', 11)
        self.n = req.get('n') if isinstance(req.get('n'), int) else 1
        self.created = 1763683200

        words = self.m.get('events', 8)
        cap = self.cap()
        self.capped = (cap is not None and words > cap
                       and not self.m.get('uncapped'))
        self.words = cap if self.capped else words
        self.output = self.m.get('output', self.words * self.n)

    def cap(self):
        r = self.req
        g = r.get('generationConfig') or {}
        for v in (r.get('max_completion_tokens'), r.get('max_tokens'),
                  r.get('max_output_tokens'), g.get('maxOutputTokens'),
                  g.get('max_output_tokens')):
            if isinstance(v, int):
                return v
        return None

    def told(self):
        self.x.tokens = (self.input, self.output)

    def usage(self, names):
        """The usage object, or what X-Mock gave instead."""
        if 'usage' in self.m:
            return self.m['usage']
        self.told()
        i, o = self.input, self.output
        return {
            'chat': {'prompt_tokens': i, 'completion_tokens': o,
                     'total_tokens': i + o},
            'embed': {'prompt_tokens': i, 'total_tokens': i},
            'responses': {
                'input_tokens': i,
                'input_tokens_details': {'cached_tokens': 0},
                'output_tokens': o,
                'output_tokens_details': {'reasoning_tokens': 0},
                'total_tokens': i + o},
            'anthropic': {
                'input_tokens': i, 'cache_creation_input_tokens': 0,
                'cache_read_input_tokens': 0, 'output_tokens': o,
                'service_tier': 'standard'},
            'gemini': {'promptTokenCount': i, 'candidatesTokenCount': o,
                       'totalTokenCount': i + o},
            'images': {
                'input_tokens': i, 'input_tokens_details': {
                    'text_tokens': i, 'image_tokens': 0},
                'output_tokens': o, 'total_tokens': i + o},
            'audio': {'type': 'tokens', 'input_tokens': i,
                      'input_token_details': {'audio_tokens': i,
                                              'text_tokens': 0},
                      'output_tokens': o, 'total_tokens': i + o},
        }[names]

    def make(self):
        path = self.x.path

        for end, method in (
                ('/chat/completions', self.chat),
                ('/completions', self.completions),
                ('/responses', self.responses),
                ('/embeddings', self.embeddings),
                ('/moderations', self.moderations),
                ('/images/generations', self.images),
                ('/audio/transcriptions', self.transcription),
                ('/audio/translations', self.transcription),
                ('/audio/speech', self.speech),
                ('/messages', self.messages),
                ('/messages/count_tokens', self.count),
                (':generateContent', self.gemini),
                (':streamGenerateContent', self.gemini_stream),
                (':embedContent', self.gemini_embed),
                (':batchEmbedContents', self.gemini_batch_embed),
                (':countTokens', self.gemini_count)):
            if path.endswith(end):
                return method()

        return self.x.error(404)

    def plain(self, obj, ctype='application/json'):
        self.x.words = self.words
        return [(json.dumps(obj).encode(), 0)], 200, ctype, False

    def text(self):
        return self.word * self.words

    def finish(self, usual, capped):
        return self.m.get('finish', capped if self.capped else usual)

    def sse(self, events, end=b''):
        """Events of (name, object, words), as a stream."""
        out = []
        for name, obj, words in events:
            head = b'event: %s\n' % name.encode() if name else b''
            out.append((head + b'data: ' + json.dumps(obj).encode() + b'\n\n',
                        words))
        if end:
            out.append((end, 0))
        return out, 200, 'text/event-stream', True

    # ---- OpenAI ----

    def chat(self):
        if self.req.get('stream') is True:
            return self.chat_stream()

        if self.m.get('tool') and self.req.get('tools'):
            message = {'role': 'assistant', 'content': None,
                       'tool_calls': [self.call()]}
            finish = 'tool_calls'
        else:
            message = {'role': 'assistant', 'content': self.text()}
            finish = self.finish('stop', 'length')

        out = {
            'id': self.m.get('id', 'chatcmpl-mock'),
            'object': 'chat.completion', 'created': self.created,
            'model': self.model,
            'choices': [{'index': i, 'message': message, 'logprobs': None,
                         'finish_reason': finish} for i in range(self.n)],
        }
        usage = self.usage('chat')
        if usage is not None:
            out['usage'] = usage
        return self.plain(out)

    def call(self):
        f = self.req['tools'][0].get('function', {})
        return {'id': 'call_mock1', 'type': 'function', 'function': {
            'name': f.get('name'), 'arguments': '{"city": "Paris"}'}}

    def chunk(self, choices, usage=False):
        out = {'id': self.m.get('id', 'chatcmpl-mock'),
               'object': 'chat.completion.chunk', 'created': self.created,
               'model': self.model, 'choices': choices}
        if usage is not False:
            out['usage'] = usage
        return out

    def chat_stream(self):
        asked = (self.req.get('stream_options') or {}).get('include_usage')
        none = None if asked else False
        ev = []

        def delta(i, d, finish=None, words=0):
            ev.append((None, self.chunk(
                [{'index': i, 'delta': d, 'finish_reason': finish}], none),
                words))

        for i in range(self.n):
            delta(i, {'role': 'assistant', 'content': ''})

        if self.m.get('tool') and self.req.get('tools'):
            call = self.call()
            args = call['function']['arguments']
            call['function']['arguments'] = ''
            delta(0, {'tool_calls': [dict(call, index=0)]})
            for a in (args[:6], args[6:]):
                delta(0, {'tool_calls': [{'index': 0,
                                          'function': {'arguments': a}}]})
            delta(0, {}, 'tool_calls')
        else:
            for _ in range(self.words):
                for i in range(self.n):
                    delta(i, {'content': self.word}, None, 1)
            for i in range(self.n):
                delta(i, {}, self.finish('stop', 'length'))

        if asked:
            usage = self.usage('chat')
            if usage is not None:
                ev.append((None, self.chunk([], usage), 0))

        # counted even where nothing tells it: the oracle of estimates
        self.told()

        return self.sse(ev, b'data: [DONE]\n\n')

    def completions(self):
        def obj(text, finish):
            return {'id': 'cmpl-mock', 'object': 'text_completion',
                    'created': self.created, 'model': self.model,
                    'choices': [{'index': 0, 'text': text, 'logprobs': None,
                                 'finish_reason': finish}]}

        finish = self.finish('stop', 'length')

        if self.req.get('stream') is not True:
            return self.plain(dict(obj(self.text(), finish),
                                   usage=self.usage('chat')))

        ev = [(None, obj(self.word, None), 1) for _ in range(self.words)]
        ev.append((None, obj('', finish), 0))
        if (self.req.get('stream_options') or {}).get('include_usage'):
            ev.append((None, dict(obj('', None), choices=[],
                                  usage=self.usage('chat')), 0))
        self.told()
        return self.sse(ev, b'data: [DONE]\n\n')

    def response(self, status, output, usage):
        return {'id': 'resp_mock', 'object': 'response',
                'created_at': self.created, 'status': status,
                'error': None, 'incomplete_details': None,
                'instructions': None, 'metadata': {}, 'model': self.model,
                'output': output, 'parallel_tool_calls': True,
                'temperature': 1.0, 'tool_choice': 'auto', 'tools': [],
                'top_p': 1.0, 'usage': usage}

    def output_item(self):
        if self.m.get('tool') and self.req.get('tools'):
            t = self.req['tools'][0]
            return {'id': 'fc_mock', 'type': 'function_call',
                    'status': 'completed', 'call_id': 'call_mock1',
                    'name': t.get('name'), 'arguments': '{"city": "Paris"}'}
        return {'id': 'msg_mock', 'type': 'message', 'status': 'completed',
                'role': 'assistant', 'content': [
                    {'type': 'output_text', 'text': self.text(),
                     'annotations': []}]}

    def responses(self):
        item = self.output_item()

        if self.req.get('stream') is not True:
            return self.plain(self.response('completed', [item],
                                            self.usage('responses')))

        ev = []

        def add(name, words=0, **fields):
            ev.append((name, dict(fields, type=name,
                                  sequence_number=len(ev)), words))

        add('response.created', response=self.response(
            'in_progress', [], None))
        add('response.output_item.added', output_index=0,
            item=dict(item, status='in_progress', **(
                {'content': []} if 'content' in item else {})))

        if item['type'] == 'message':
            where = {'item_id': item['id'], 'output_index': 0,
                     'content_index': 0}
            add('response.content_part.added', part={
                'type': 'output_text', 'text': '', 'annotations': []},
                **where)
            for _ in range(self.words):
                add('response.output_text.delta', 1, delta=self.word,
                    logprobs=[], **where)
            add('response.output_text.done', text=self.text(), logprobs=[],
                **where)
            add('response.content_part.done', part=item['content'][0],
                **where)
        else:
            where = {'item_id': item['id'], 'output_index': 0}
            add('response.function_call_arguments.delta',
                delta=item['arguments'], **where)
            add('response.function_call_arguments.done',
                arguments=item['arguments'], name=item['name'], **where)

        add('response.output_item.done', output_index=0, item=item)
        add('response.completed', response=self.response(
            'completed', [item], self.usage('responses')))
        self.told()
        return self.sse(ev)

    def embeddings(self):
        values = [0.125, -0.5, 0.25]
        if self.req.get('encoding_format') == 'base64':
            values = base64.b64encode(struct.pack('<3f', *values)).decode()
        self.output = self.words = 0
        return self.plain({
            'object': 'list', 'model': self.model, 'data': [
                {'object': 'embedding', 'index': 0, 'embedding': values}],
            'usage': self.usage('embed')})

    def moderations(self):
        self.input = self.output = self.words = 0
        self.told()
        return self.plain({'id': 'modr-mock', 'model': self.model, 'results': [
            {'flagged': False, 'categories': {}, 'category_scores': {}}]})

    def images(self):
        return self.plain({'created': self.created, 'data': [
            {'b64_json': 'aGVsbG8='}], 'usage': self.usage('images')})

    def transcription(self):
        return self.plain({'text': self.text(), 'usage': self.usage('audio')})

    def speech(self):
        self.input = self.output = 0
        return [(b'\xff\xfb\x90\x00' * 256, 0)], 200, 'audio/mpeg', False

    # ---- Anthropic ----

    def message(self, content, usage, stop):
        return {'id': self.m.get('id', 'msg_mock'), 'type': 'message',
                'role': 'assistant', 'model': self.model, 'content': content,
                'stop_reason': stop, 'stop_sequence': None, 'usage': usage}

    def messages(self):
        tool = self.m.get('tool') and self.req.get('tools')
        stop = ('tool_use' if tool
                else self.finish('end_turn', 'max_tokens'))

        if self.req.get('stream') is True:
            return self.messages_stream(tool, stop)

        if tool:
            content = [{'type': 'tool_use', 'id': 'toolu_mock1',
                        'name': self.req['tools'][0].get('name'),
                        'input': {'city': 'Paris'}}]
        else:
            content = [{'type': 'text', 'text': self.text()}]
        return self.plain(self.message(content, self.usage('anthropic'), stop))

    def messages_stream(self, tool, stop):
        usage = self.usage('anthropic')
        start = dict(usage, output_tokens=1) if isinstance(usage, dict) else {
            'input_tokens': self.input, 'output_tokens': 1}
        ev = []

        def add(name, words=0, **fields):
            ev.append((name, dict({'type': name}, **fields), words))

        add('message_start', message=self.message([], start, None))

        if tool:
            add('content_block_start', index=0, content_block={
                'type': 'tool_use', 'id': 'toolu_mock1',
                'name': self.req['tools'][0].get('name'), 'input': {}})
            for part in ('{"city":', ' "Paris"}'):
                add('content_block_delta', index=0, delta={
                    'type': 'input_json_delta', 'partial_json': part})
        else:
            add('content_block_start', index=0, content_block={
                'type': 'text', 'text': ''})
            add('ping')
            for _ in range(self.words):
                add('content_block_delta', 1, index=0, delta={
                    'type': 'text_delta', 'text': self.word})

        add('content_block_stop', index=0)
        add('message_delta', delta={'stop_reason': stop,
                                    'stop_sequence': None}, usage=usage)
        add('message_stop')
        return self.sse(ev)

    def count(self):
        self.output = self.words = 0
        self.told()
        return self.plain({'input_tokens': self.input})

    # ---- Gemini ----

    def candidate(self, parts, finish, usage):
        c = {'content': {'parts': parts, 'role': 'model'}, 'index': 0}
        if finish:
            c['finishReason'] = finish
        out = {'candidates': [c], 'modelVersion': self.model,
               'responseId': 'mock'}
        if usage is not None:
            out['usageMetadata'] = usage
        return out

    def parts(self):
        tools = self.req.get('tools')
        if self.m.get('tool') and tools:
            f = tools[0].get('functionDeclarations', [{}])[0]
            return [{'functionCall': {'name': f.get('name'),
                                      'args': {'city': 'Paris'}}}]
        return [{'text': self.text()}]

    def gemini(self):
        return self.plain(
            self.candidate(self.parts(), self.finish('STOP', 'MAX_TOKENS'),
                           self.usage('gemini')),
            'application/json; charset=UTF-8')

    def gemini_stream(self):
        usage = self.usage('gemini')
        finish = self.finish('STOP', 'MAX_TOKENS')
        parts = self.parts()
        objs = []

        if 'text' in parts[0]:
            for i in range(self.words):
                u = usage
                if 'usage' not in self.m:
                    u = dict(usage, candidatesTokenCount=i + 1,
                             totalTokenCount=self.input + i + 1)
                objs.append((self.candidate([{'text': self.word}], None, u),
                             1))
            objs.append((self.candidate([{'text': ''}], finish, usage), 0))
        else:
            objs.append((self.candidate(parts, finish, usage), 0))

        if 'alt=sse' in self.x.query.split('&'):
            out = [(b'data: ' + json.dumps(o).encode() + b'\r\n\r\n', w)
                   for o, w in objs]
            return out, 200, 'text/event-stream', True

        out = [((b'[' if i == 0 else b',\r\n') + json.dumps(o).encode()
                + b'\n', w) for i, (o, w) in enumerate(objs)]
        return (out + [(b']', 0)], 200, 'application/json; charset=UTF-8',
                True)

    def gemini_embed(self):
        self.output = self.words = 0
        self.told()
        return self.plain({'embedding': {'values': [0.125, -0.5]},
                           'usageMetadata': {'promptTokenCount': self.input,
                                             'totalTokenCount': self.input}})

    def gemini_batch_embed(self):
        self.output = self.words = 0
        self.told()
        return self.plain({'embeddings': [
            {'values': [0.125, -0.5]} for _ in self.req.get('requests', [])],
            'usageMetadata': {'promptTokenCount': self.input}})

    def gemini_count(self):
        self.output = self.words = 0
        self.told()
        return self.plain({'totalTokens': self.input})


def note_name(tls, name, context):
    tls.server_name_seen = name


async def main():
    ap = argparse.ArgumentParser()
    ap.add_argument('--port', type=int, required=True)
    ap.add_argument('--journal')
    ap.add_argument('--sync', action='store_true')
    ap.add_argument('--cert')
    ap.add_argument('--key')
    ap.add_argument('--name', default='')
    ap.add_argument('--behave', default='{}')
    ap.add_argument('--full', action='store_true')
    args = ap.parse_args()

    STATE.name = args.name
    STATE.behave = json.loads(args.behave)
    STATE.full = args.full

    if args.journal:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        if args.sync:
            flags |= os.O_DSYNC
        STATE.path = args.journal
        STATE.journal = os.open(args.journal, flags, 0o644)

    tls = None
    if args.cert:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(args.cert, args.key)
        tls.sni_callback = note_name

    loop = asyncio.get_running_loop()
    server = await loop.create_server(Connection, '127.0.0.1', args.port,
                                      ssl=tls, backlog=4096)
    await server.serve_forever()


if __name__ == '__main__':
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        pass
