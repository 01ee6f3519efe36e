# SPDX-License-Identifier: BSD-3-Clause
"""What Machnet's library says to the control socket, and the channel that comes of it."""
import contextlib
import mmap
import os
import socket
import struct
import uuid

SIZE = 154
REGISTER, REQ_CHANNEL, RESPONSE = 1, 2, 0x10
RINGS = 0x72765201
PATIENCE = 10.0


def message(kind, app, number=7, body=b""):
    return struct.pack("=HI16si128s", kind, number, app, 0, body)


def channel_body(channel, rings=1024, buffers=4096):
    return struct.pack("=16sII", channel, rings, buffers)


def new_id():
    return uuid.uuid4().bytes


class Connection:
    def __init__(self, sock):
        self.sock = sock
        sock.settimeout(PATIENCE)

    def read(self):
        """(status, descriptors) of the next answer; None at the end."""
        data, fds = b"", []
        while len(data) < SIZE:
            part, more, _, _ = socket.recv_fds(self.sock, SIZE - len(data), 4)
            fds += more
            if not part:
                assert not data
                return None
            data += part
        kind, number, _, status, rest = struct.unpack("=HI16si128s", data)
        assert (kind, rest) == (RESPONSE, bytes(128))
        self.number = number
        return status, fds

    def ask(self, data):
        self.sock.sendall(data)
        return self.read()

    def is_closed(self):
        """Waits for the end."""
        with contextlib.suppress(ConnectionError):
            while self.sock.recv(4096):
                pass
        return True

    def close(self):
        self.sock.close()


class Channel:
    """Its memory. `conn`: the connection that it came over."""

    def __init__(self, conn, fd):
        self.conn, self.fd = conn, fd
        self.memory = mmap.mmap(fd, os.fstat(fd).st_size)

    def word(self, offset):
        return struct.unpack_from("=Q", self.memory, offset)[0]

    def ring(self, which):
        """Where it is: "sq", "cq", "rx", "tx" or "free"."""
        return self.word(392 + 8 * ("sq", "cq", "rx", "tx", "free").index(which))

    def end(self, which, end, *values):
        """Sets head and tail of an end, "prod" or "cons"; or tells them."""
        at = self.ring(which) + (64 if end == "prod" else 192)
        if values:
            struct.pack_into("=II", self.memory, at, *values)
        return struct.unpack_from("=II", self.memory, at)

    def request(self, op, ip, port, number=1):
        """Posts it, and rings if netd says that it sleeps."""
        head, _ = self.end("sq", "prod")
        struct.pack_into("=QIHHIHHII", self.memory, self.ring("sq") + 320 + 32 * (head % 2),
                         number, op, 0, 0, ip, port, 0, 0, 0)
        self.end("sq", "prod", head + 1, head + 1)
        self.ring_bell()

    def sleeps(self):
        return bool(struct.unpack_from("=I", self.memory, 832 + 32)[0])

    def ring_bell(self):
        if self.sleeps():
            self.conn.sock.send(b"!")

    def answer(self):
        head, _ = self.end("cq", "cons")
        if self.end("cq", "prod")[1] == head:
            return None
        fields = struct.unpack_from("=QIHH12sI", self.memory,
                                    self.ring("cq") + 320 + 32 * (head % 2))
        self.end("cq", "cons", head + 1, head + 1)
        return fields[0], fields[2], fields[5]

    def close(self):
        self.memory.close()
        os.close(self.fd)
        self.conn.close()


def register(connect, app=None):
    conn = Connection(connect())
    app = app or new_id()
    assert conn.ask(message(REGISTER, app, body=b"test")) == (0, [])
    return conn, app


def attach(connect, app, **more):
    conn = Connection(connect())
    status, fds = conn.ask(message(REQ_CHANNEL, app, body=channel_body(new_id(), **more)))
    assert (status, len(fds)) == (0, 1)
    return Channel(conn, fds[0])
