# SPDX-License-Identifier: BSD-3-Clause
"""The MTL Manager protocol as its clients see it: 118-byte frames over a stream
socket, big endian. Written from the protocol's description, not from our C code,
so that the two can be held against each other."""
import array
import contextlib
import os
import select
import socket
import struct
import time

from stream import PATIENCE, Stream

PATH = "/var/run/imtl/mtl_manager.sock"
FRAME = 118
MAGIC = 0x494D544C

REGISTER, HEARTBEAT, GET_LCORE, PUT_LCORE = 101, 102, 103, 104
ADD_UDP_FILTER, DEL_UDP_FILTER = 105, 106
XSK_MAP_FD, GET_QUEUE, PUT_QUEUE, ADD_FLOW, DEL_FLOW = 107, 108, 109, 110, 111
RESPONSE, QUEUE_ID, FLOW_ID = 201, 202, 203
UDP_V4 = 2  # a flow's type

# body_len as libmtl fills it in: host order for two of them.
BODY_LEN = {REGISTER: 0x6A000000, PUT_LCORE: 0x02000000, GET_LCORE: 2, HEARTBEAT: 4,
            ADD_UDP_FILTER: 6, DEL_UDP_FILTER: 6}


def frame(kind, body=b"", magic=MAGIC):
    head = struct.pack(">III", magic, kind & 0xFFFFFFFF, BODY_LEN.get(kind, 26))
    return (head + body).ljust(FRAME, b"\0")


def register(pid=0, uid=0, hostname=b"host", ifindexes=(), num_if=None):
    if num_if is None:
        num_if = len(ifindexes)
    slots = [*ifindexes, *[0] * 8][:8]
    return frame(REGISTER, struct.pack(">II64sH8I", pid, uid, hostname, num_if, *slots))


def get_lcore(lcore):
    return frame(GET_LCORE, struct.pack(">H", lcore))


def put_lcore(lcore):
    return frame(PUT_LCORE, struct.pack(">H", lcore))


def heartbeat(seq=0):
    return frame(HEARTBEAT, struct.pack(">I", seq))


def udp_filter(kind, ifindex, port):
    return frame(kind, struct.pack(">IH", ifindex, port))


def interface(kind, ifindex, queue=0, flow_id=0, flow_type=0):
    return frame(kind, struct.pack(">IHII", ifindex, queue, flow_id, flow_type))


def flow(ifindex, queue, dst, port, src="0.0.0.0", flow_type=UDP_V4):
    """ADD_FLOW; addresses travel with their bytes reversed, as libmtl sends them."""
    addresses = (socket.inet_aton(address)[::-1] for address in (src, dst))
    return frame(ADD_FLOW, struct.pack(">IHII4s4sHH", ifindex, queue, 0, flow_type, *addresses,
                                       0, port))


def decode(reply):
    """(type, value); anything but a sound reply is an AssertionError."""
    assert len(reply) == FRAME, f"a reply of {len(reply)} bytes: {reply!r}"
    magic, kind, body_len, value = struct.unpack(">IIIi", reply[:16])
    assert magic == MAGIC and body_len == 4, reply[:16].hex()
    assert kind in (RESPONSE, QUEUE_ID, FLOW_ID), kind
    assert reply[16:] == bytes(FRAME - 16), "unused bytes are not zero"
    return kind, value


def descriptor_file(fd):
    """Closes fd and says what it was."""
    try:
        return os.readlink(f"/proc/self/fd/{fd}")
    finally:
        os.close(fd)


class Client(Stream):
    def send(self, data):
        self.sock.sendall(data)

    def read(self):
        """The next whole reply as raw bytes; b"" when the daemon closed."""
        while len(self.buffer) < FRAME:
            if not self.fill():
                assert not self.buffer, f"closed in the middle of a reply: {self.buffer!r}"
                return b""
        reply, self.buffer = self.buffer[:FRAME], self.buffer[FRAME:]
        return reply

    def reply(self):
        return decode(self.read())

    def ask(self, data):
        self.send(data)
        return self.reply()

    def response(self, data):
        """The value of a 201 answer."""
        kind, value = self.ask(data)
        assert kind == RESPONSE, kind
        return value

    def register(self, **claims):
        return self.response(register(**claims))

    def get(self, lcore):
        return self.response(get_lcore(lcore))

    def put(self, lcore):
        return self.response(put_lcore(lcore))

    def read_descriptor(self):
        """The answer to XSK_MAP_FD: the bytes, and what file the descriptor is."""
        data, control, _, _ = self.sock.recvmsg(4, socket.CMSG_LEN(4))
        fds = array.array("i")
        for level, kind, payload in control:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                fds.frombytes(payload)
        assert len(fds) == 1, f"{data!r} with {len(fds)} descriptors"
        return data, descriptor_file(fds[0])

    def assert_silent(self):
        """Nothing is on its way: the next thing answered is what is asked now."""
        assert not self.buffer, self.buffer[:16].hex()
        self.send(interface(GET_QUEUE, 0xFFFFFFF0))
        assert self.reply() == (QUEUE_ID, -1)

    def wait_taken(self):
        """Until the daemon has read every byte that was sent."""
        poll_until(lambda: unread(self.sock) == 0, "the daemon read what was sent")

    def wait_closed(self):
        """Reads on until the daemon hangs up; what came before it."""
        came = []
        while reply := self.read():
            came.append(decode(reply))
        return came


def wait_io(readers=(), writers=(), limit=PATIENCE):
    """select() without its limit of 1024 descriptors: those that are ready."""
    poller = select.poll()
    for fd in {*readers, *writers}:
        poller.register(fd, (fd in readers and select.POLLIN) | (fd in writers and select.POLLOUT))
    ready = poller.poll(max(0, limit) * 1000)
    broken = select.POLLHUP | select.POLLERR
    return ([fd for fd, events in ready if fd in readers and events & (select.POLLIN | broken)],
            [fd for fd, events in ready if fd in writers and events & (select.POLLOUT | broken)])


def unread(sock):
    """Bytes sent on a unix socket that the other side has not read yet."""
    import fcntl
    import termios
    return struct.unpack("i", fcntl.ioctl(sock, termios.TIOCOUTQ, bytes(4)))[0]


def links(folder):
    """What the links in it lead to; those that go meanwhile are not there."""
    found = []
    for name in os.listdir(folder):
        with contextlib.suppress(FileNotFoundError):
            found.append(os.readlink(f"{folder}/{name}"))
    return found


def poll_until(true, what, limit=PATIENCE):
    """For what only the kernel's own state tells: looks again until it holds."""
    deadline = time.monotonic() + limit
    while not true():
        assert time.monotonic() < deadline, f"not within {limit} s: {what}"
        wait_io(limit=0.002)
