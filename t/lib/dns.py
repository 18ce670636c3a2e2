#!/usr/bin/env python3
"""A name server of A records: dns.py HOST:PORT ZONE

ZONE is read at each query: "name address address ..." a line; an address of
"-" is no answer at all; a name that is not there is NXDOMAIN.
"""

import socket
import struct
import sys


def lookup(path, name):
    with open(path) as f:
        for line in f:
            words = line.split()
            if words and words[0] == name:
                return words[1:]
    return None


def answer(query, path):
    labels, i = [], 12

    while query[i]:
        labels.append(query[i + 1:i + 1 + query[i]].decode())
        i += query[i] + 1

    question = query[12:i + 5]
    kind = struct.unpack('>H', query[i + 1:i + 3])[0]
    found = lookup(path, '.'.join(labels).lower())

    if found == ['-']:
        return None

    records = found if found and kind == 1 else []
    flags = 0x8180 if found is not None else 0x8183

    out = query[:2] + struct.pack('>HHHHH', flags, 1, len(records), 0, 0)
    out += question

    for address in records:
        out += struct.pack('>HHHIH', 0xc00c, 1, 1, 1, 4)
        out += socket.inet_aton(address)

    return out


host, port = sys.argv[1].rsplit(':', 1)
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
sock.bind((host, int(port)))
print('ready', flush=True)

while True:
    data, peer = sock.recvfrom(512)
    reply = answer(data, sys.argv[2])

    if reply:
        sock.sendto(reply, peer)
