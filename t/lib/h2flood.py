#!/usr/bin/python3
"""HTTP/2 misused, for tests: h2flood.py PORT KEY MODE N

  reset         N whole requests, each reset at once
  reset-late    N requests, reset after their answers have begun
  made          N whole requests, each with a frame that makes the server
                reset it: more data behind its end
  zero          N requests with a window of 0: no answer can be sent
  open          N heads whose bodies never come
  continuation  one head, in N frames that never end

Prints what came of it: answers by status, and how the connection ended.
"""

import collections
import json
import socket
import sys
import time

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.settings

BODY = json.dumps({'model': 'gpt-4.1', 'max_tokens': 8, 'stream': True,
                   'messages': []}).encode()


def frame(kind, flags, stream, payload):
    return (len(payload).to_bytes(3, 'big') + bytes([kind, flags])
            + stream.to_bytes(4, 'big') + payload)


class Flood:
    def __init__(self, port, key):
        self.key = key
        self.sock = socket.create_connection(('127.0.0.1', port), 5)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.c = h2.connection.H2Connection(
            h2.config.H2Configuration(header_encoding='utf-8'))
        self.status = collections.Counter()
        self.end = 'open'

    def start(self, window=65535):
        self.c.initiate_connection()
        self.c.update_settings(
            {h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: window})
        self.flush()

    def flush(self, extra=b''):
        data = self.c.data_to_send() + extra
        try:
            self.sock.sendall(data)
        except OSError:
            self.end = 'closed'

    def read(self, seconds):
        """Takes what comes within that time."""
        end = time.time() + seconds
        while self.end == 'open' and time.time() < end:
            self.sock.settimeout(max(end - time.time(), 0.001))
            try:
                data = self.sock.recv(65536)
            except socket.timeout:
                return
            except OSError:
                data = b''
            if not data:
                self.end = 'closed'
                return
            try:
                events = self.c.receive_data(data)
            except h2.exceptions.ProtocolError:
                continue
            for e in events:
                if isinstance(e, h2.events.ResponseReceived):
                    self.status[dict(e.headers)[':status']] += 1
                elif isinstance(e, h2.events.StreamReset):
                    self.status['reset'] += 1
                elif isinstance(e, h2.events.ConnectionTerminated):
                    self.end = 'goaway'
            self.flush()

    def request(self, body=BODY):
        s = self.c.get_next_available_stream_id()
        self.c.send_headers(s, [
            (':method', 'POST'), (':scheme', 'http'),
            (':path', '/v1/chat/completions'), (':authority', 'x'),
            ('authorization', 'Bearer ' + self.key),
            ('content-type', 'application/json'),
            ('x-mock', '{"events":20,"delay":0.02}')])
        if body is not None:
            self.c.send_data(s, body, end_stream=True)
        return s


def main():
    port, key, mode, n = int(sys.argv[1]), sys.argv[2], sys.argv[3], \
        int(sys.argv[4])
    f = Flood(port, key)
    f.start(0 if mode == 'zero' else 65535)

    if mode == 'continuation':
        f.flush(frame(1, 0, 1, b'\x82') + b''.join(
            frame(9, 0, 1, b'\x00\x01a\x01b' * 100) for _ in range(n)))
        f.read(1)

    for _ in range(0 if mode == 'continuation' else n):
        if f.end != 'open':
            break
        try:
            s = f.request(None if mode == 'open' else BODY)
        except h2.exceptions.ProtocolError:     # too many at once
            f.read(0.05)
            continue
        extra = b''
        if mode == 'reset':
            f.c.reset_stream(s, h2.errors.ErrorCodes.CANCEL)
        elif mode == 'made':
            extra = frame(0, 0, s, b'more')
        f.flush(extra)
        if mode == 'reset-late':
            f.read(0.03)
            try:
                f.c.reset_stream(s, h2.errors.ErrorCodes.CANCEL)
            except h2.exceptions.ProtocolError:
                pass
            f.flush()

    f.read(1)
    print(json.dumps({'status': f.status, 'end': f.end}))


main()
