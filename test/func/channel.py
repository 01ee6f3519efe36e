# SPDX-License-Identifier: BSD-3-Clause
"""Machnet's channels as an application without a library sees them. Written from a
description of Machnet's layout, not from our headers, so that the two can be held against
each other."""
import collections
import contextlib
import ctypes
import mmap
import os
import signal
import socket
import struct
import time
import traceback

from netd import MAC, OURS, RUN, THEIRS, Netd, NetLab
from peer import keep_only
from stream import Stream

PATIENCE = 30.0
DEFAULT_PATH = "/var/run/machnet/machnet_ctrl.sock"
FAR_PATH = "/run/far/ctrl.sock"
FAR_MAC = "02:00:00:00:02:01"

# --- the control socket ------------------------------------------------------------------

MESSAGE = 154
REGISTER, REQ_CHANNEL, RESPONSE = 0x01, 0x02, 0x10
RINGS = 0x72765201  # instead of a ring's size: the application knows of doorbells

Answer = collections.namedtuple("Answer", "kind number app status rest fds")


def message(kind, number=0, app=bytes(16), rest=b"", status=0):
    return struct.pack("=HI16si", kind, number, app, status) + rest.ljust(128, b"\0")


def register(app, name=b"test", number=0):
    return message(REGISTER, number, app, name)


def req_channel(app, channel, rings=1024, buffers=4096, number=0):
    return message(REQ_CHANNEL, number, app, struct.pack("=16sII", channel, rings, buffers))


class Control(Stream):
    """A connection to the control socket."""

    def ask(self, data):
        self.sock.sendall(data)
        return self.answer()

    def answer(self):
        """None if it hangs up instead."""
        data, fds = b"", []
        while len(data) < MESSAGE:
            try:
                more, new, _, _ = socket.recv_fds(self.sock, MESSAGE - len(data), 4)
            except ConnectionResetError:
                more, new = b"", []
            fds += new
            if not more:
                assert not data, "an answer is cut"
                return None
            data += more
        return Answer(*struct.unpack("=HI16si", data[:26]), data[26:], fds)


class Refused(Exception):
    pass


class App:
    """Registered for as long as its connection lasts. `connect` makes a connection."""

    def __init__(self, connect, name=b"test"):
        self.connect, self.id = connect, os.urandom(16)
        self.control = Control(connect())
        self.channels = []
        answer = self.control.ask(register(self.id, name))
        if not answer or answer.status:
            self.control.close()
            raise Refused(answer)

    def attach(self, rings=False, buffers=4096):
        control = Control(self.connect())
        answer = control.ask(req_channel(self.id, os.urandom(16), RINGS if rings else 1024, buffers))
        if not answer or answer.status:
            control.close()
            raise Refused(answer)
        fd, = answer.fds
        channel = Channel(fd, control, rings)
        self.channels.append(channel)
        return channel

    def close(self):
        self.control.close()
        while self.channels:
            self.channels.pop().close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


# --- memory ------------------------------------------------------------------------------------

SEQ_CST = 5
ATOMIC = ctypes.CDLL("libatomic.so.1")
LOAD, STORE, SWAP = (ATOMIC[f"__atomic_{name}_4"] for name in ("load", "store", "compare_exchange"))
LOAD.argtypes, LOAD.restype = [ctypes.c_void_p, ctypes.c_int], ctypes.c_uint32
STORE.argtypes, STORE.restype = [ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int], None
SWAP.argtypes = [ctypes.c_void_p, ctypes.POINTER(ctypes.c_uint32), ctypes.c_uint32, ctypes.c_int,
                 ctypes.c_int]
SWAP.restype = ctypes.c_bool


class Memory:
    """The whole of a file, shared."""

    def __init__(self, fd):
        self.size = os.fstat(fd).st_size
        self.map = mmap.mmap(fd, self.size)
        self.first = ctypes.c_char.from_buffer(self.map)
        self.address = ctypes.addressof(self.first)

    def close(self):
        del self.first
        self.map.close()

    def word(self, at):
        return LOAD(self.address + at, SEQ_CST)

    def set_word(self, at, value):
        STORE(self.address + at, value & 0xFFFFFFFF, SEQ_CST)

    def swap_word(self, at, old, new):
        """Whether it was `old`, and is `new` now."""
        return SWAP(self.address + at, ctypes.c_uint32(old), new & 0xFFFFFFFF, SEQ_CST, SEQ_CST)

    def get(self, form, at):
        return struct.unpack_from("=" + form, self.map, at)

    def set(self, form, at, *values):
        struct.pack_into("=" + form, self.map, at, *values)


def wait_until(true, what, limit=PATIENCE):
    """Polls as Machnet's applications do; gives way to the daemon."""
    deadline = time.monotonic() + limit
    while not (result := true()):
        assert time.monotonic() < deadline, f"not within {limit} s: {what}"
        os.sched_yield()
    return result


class Ring:
    """Head and tail of both ends run freely. Always in the way of many threads: where one
    alone is expected, that is the same."""

    PROD, CONS, SLOTS = 64, 192, 320

    def __init__(self, memory, at):
        self.memory, self.at = memory, at
        self.size, self.mask, self.capacity, self.entry = memory.get("4I", at)

    def end(self, which):
        """(head, tail)"""
        return self.memory.word(self.at + which), self.memory.word(self.at + which + 4)

    def lie(self, which, head, tail):
        self.memory.set_word(self.at + which, head)
        self.memory.set_word(self.at + which + 4, tail)

    def count(self):
        return (self.end(self.PROD)[1] - self.end(self.CONS)[0]) & 0xFFFFFFFF

    def reserve(self, which, n):
        """Where it is, or None: there is not so much."""
        while True:
            head, _ = self.end(which)
            other = self.end(self.CONS if which == self.PROD else self.PROD)[1]
            room = (other - head + (self.capacity if which == self.PROD else 0)) & 0xFFFFFFFF
            if room < n:
                return None
            if self.memory.swap_word(self.at + which, head, head + n):
                return head

    def publish(self, which, head, n):
        wait_until(lambda: self.end(which)[1] == head & 0xFFFFFFFF, "those before us are done")
        self.memory.set_word(self.at + which + 4, head + n)

    def slot(self, at):
        return self.at + self.SLOTS + (at & self.mask) * self.entry

    def put(self, entries):
        """All of them, or False."""
        head = self.reserve(self.PROD, len(entries))
        if head is None:
            return False
        for i, entry in enumerate(entries):
            at = self.slot(head + i)
            self.memory.map[at:at + self.entry] = entry
        self.publish(self.PROD, head, len(entries))
        return True

    def take(self, n=1):
        """n of them, or None."""
        head = self.reserve(self.CONS, n)
        if head is None:
            return None
        slots = [self.slot(head + i) for i in range(n)]
        entries = [self.memory.map[at:at + self.entry] for at in slots]
        self.publish(self.CONS, head, n)
        return entries

    def put_numbers(self, numbers):
        return self.put([struct.pack("=I", number) for number in numbers])

    def take_numbers(self, n=1):
        entries = self.take(n)
        return entries and [struct.unpack("=I", entry)[0] for entry in entries]


# --- a channel ---------------------------------------------------------------------------------

CONNECT, DISCONNECT, LISTEN, STATUS, UNLISTEN = 1, 2, 3, 4, 5
FIRST, MORE, LAST, NOTIFY = 0x01, 0x02, 0x04, 0x80
HEADER, HEADROOM, MSS, NONE = 64, 128, 1418, 0xFFFFFFFF
MESSAGE_MAX = 8 << 20

Flow = collections.namedtuple("Flow", "src_ip dst_ip src_port dst_port")
Done = collections.namedtuple("Done", "number op status flow error")


def ip(text):
    return struct.unpack(">I", socket.inet_aton(text))[0]


def back(flow):
    return Flow(flow.dst_ip, flow.src_ip, flow.dst_port, flow.src_port)


class Channel:
    """What an application does with its memory, which it may spoil, too."""

    def __init__(self, fd, control, rings=False):
        self.fd, self.control, self.rings = fd, control, rings
        self.memory = m = Memory(fd)
        (self.stats_at, sq, cq, rx, tx, free, self.table_at, self.pool_at,
         self.pool_mask) = m.get("9Q", 384)
        self.buf_size, self.mss = m.get("2I", 456)
        self.sq, self.cq, self.rx, self.tx, self.free = (Ring(m, at) for at in (sq, cq, rx, tx, free))
        self.next_id = 0

    def close(self):
        self.memory.close()
        os.close(self.fd)
        self.control.close()

    def ring(self):
        """The doorbell, if there is one and the daemon sleeps."""
        if self.rings and self.memory.word(self.stats_at + 32):
            with contextlib.suppress(BlockingIOError, BrokenPipeError, ConnectionResetError):
                self.control.sock.send(b"!", socket.MSG_DONTWAIT)

    # --- requests ---

    def post(self, op, body, number=None):
        if number is None:
            number = self.next_id = self.next_id + 1
        assert self.sq.put([struct.pack("=QIHH", number, op, 0, 0) + body.ljust(16, b"\0")])
        self.ring()
        return number

    def completion(self):
        """One, or None."""
        taken = self.cq.take()
        if not taken:
            return None
        number, op, status, _ = struct.unpack("=QIHH", taken[0][:16])
        return Done(number, op, status, Flow(*struct.unpack("=IIHH", taken[0][16:28])),
                    struct.unpack("=I", taken[0][28:])[0])

    def request(self, op, body):
        number = self.post(op, body)
        done = wait_until(self.completion, f"request {op} is answered")
        assert (done.number, done.op) == (number, STATUS)
        return done

    def listen(self, address, port, op=LISTEN):
        return self.request(op, struct.pack("=IHH", ip(address), port, 0))

    def connect(self, local, remote, port):
        return self.request(CONNECT, struct.pack("=IIHH", ip(local), ip(remote), 0, port))

    # --- messages ---

    def buf(self, index):
        return self.pool_at + index * self.buf_size

    def fill(self, index, flow, data, flags, total, following, last):
        """A buffer's header and payload."""
        at = self.buf(index)
        self.memory.set("B", at + 24, flags)
        self.memory.set("IIHHIIIII", at + 28, *flow, total, len(data), HEADROOM, following, last)
        self.memory.map[at + HEADER + HEADROOM:at + HEADER + HEADROOM + len(data)] = data

    def write(self, flow, data, indices):
        """A message that is as it should be, in these buffers."""
        for i, index in enumerate(indices):
            more = i + 1 < len(indices)
            flags = (0 if i else FIRST) | (MORE if more else LAST)
            self.fill(index, flow, data[i * MSS:(i + 1) * MSS], flags, 0 if i else len(data),
                      indices[i + 1] if more else NONE, NONE if i else indices[-1])

    def send(self, flow, data):
        """False: there is no room now."""
        indices = self.free.take_numbers(-(-len(data) // MSS))
        if indices is None:
            return False
        self.write(flow, data, indices)
        if self.tx.put_numbers(indices[:1]):
            self.ring()
            return True
        assert self.free.put_numbers(indices)
        return False

    def recv(self):
        """(flow, bytes), or None: nothing is there."""
        taken = self.rx.take_numbers()
        if not taken:
            return None
        index, = taken
        flow = Flow(*self.memory.get("IIHH", self.buf(index) + 28))
        pieces, indices = [], []
        while True:
            at = self.buf(index)
            magic, number = self.memory.get("II", at)
            assert (magic, number) == (0xB6B6B6B6, index)
            flags, = self.memory.get("B", at + 24)
            length, offset, following = self.memory.get("III", at + 44)
            assert bool(flags & FIRST) == (not pieces) and offset >= HEADROOM and length <= MSS
            pieces.append(self.memory.map[at + HEADER + offset:at + HEADER + offset + length])
            indices.append(index)
            if not flags & MORE:
                assert flags & LAST
                break
            index = following
        assert self.free.put_numbers(indices)
        return flow, b"".join(pieces)

    def send_all(self, flow, data):
        wait_until(lambda: self.send(flow, data), "there is room for a message")

    def receive(self):
        return wait_until(self.recv, "a message comes")

    def stats(self):
        """drops, messages, bytes: of sending"""
        return self.memory.get("3Q", self.stats_at)


# --- who has them ------------------------------------------------------------------------------


class Child:
    """A process that does `work(say)`, and then waits for its end: work() returned when it
    has said so, or the end is the test's."""

    def __init__(self, work):
        read, write = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                keep_only(write)
                work(lambda word: os.write(write, word))
                os.write(write, b".")
                while True:
                    signal.pause()
            except Exception:
                traceback.print_exc()
            finally:
                os._exit(1)
        os.close(write)
        self.words = read

    def hear(self):
        """What it says next, b"." at the end of its work."""
        word = os.read(self.words, 64)
        assert word, "the child failed"
        return word

    def end(self):
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            os.close(self.words)
            self.pid = 0


class Far:
    """The same house, seen from the other end of the wire."""

    def __init__(self, lab):
        self.house, self.pid, self.dir = lab.house, lab.outside.pid, lab.house.dir

    def command(self, *words):
        return self.house.command("nsenter", f"--net=/proc/{self.pid}/ns/net", "--", *words)

    def connect(self, path):
        return self.house.connect(path)


class Pair(NetLab):
    """A netd at each end of the wire: `near` with OURS on the usual socket, `far` with THEIRS."""

    def __init__(self, house):
        super().__init__(house)
        out = self.outside.run
        out("ip", "address", "flush", "dev", self.wire.far)
        out("ip", "link", "set", self.wire.far, "address", FAR_MAC)
        self.apps, self.children = [], []
        self.near, self.far = self.start_near(), self.start_far()

    def start_near(self, *args):
        return self._started(Netd(self.house, {MAC: {"ifname": "eth1", "ip": [f"{OURS}/24"]}},
                                  args=("--logtostderr", *args)))

    def start_far(self, *args):
        return self._started(Netd(Far(self), {FAR_MAC: {"ifname": self.wire.far, "ip": [f"{THEIRS}/24"]}},
                                  args=("--logtostderr", "--ctrl_socket", FAR_PATH, *args),
                                  run=f"{RUN}-far"))

    def _started(self, netd):
        self.netds.append(netd)
        return netd

    def connect(self, far=False, of=None):
        path = FAR_PATH if far else DEFAULT_PATH
        return of.connect(path) if of else self.house.connect(path)

    def app(self, far=False, of=None, **more):
        app = App(lambda: self.connect(far, of), **more)
        self.apps.append(app)
        return app

    def channel(self, far=False, of=None, **more):
        """Of an application of its own."""
        return self.app(far, of).attach(**more)

    def talk(self, port, near=None, far=None):
        """(channel here, channel there, the flow as it is sent by from here)"""
        near, far = near or self.channel(), far or self.channel(far=True)
        assert far.listen(THEIRS, port).status == 0
        done = near.connect(OURS, THEIRS, port)
        assert done.status == 0, done
        return near, far, done.flow

    def child(self, work):
        child = Child(work)
        self.children.append(child)
        return child

    def close(self):
        for child in self.children:
            child.end()
        try:
            super().close()
        finally:
            for app in self.apps:
                with contextlib.suppress(OSError):
                    app.close()


def stack_of(netd):
    """What its only engine counts."""
    engine, = netd.status()["engines"]
    return engine["stack"]


def pattern(length, seed=0):
    """Bytes that no other place has."""
    unit = bytes((i * 7 + (i >> 8) * 13 + seed) & 0xFF for i in range(min(length, 65536)))
    return (unit * (length // len(unit) + 1))[:length] if length else b""


def echo(near, far, flow, data):
    """There and back, by way of an application there."""
    near.send_all(flow, data)
    came, at_far = far.receive()
    assert at_far == data and came == flow
    far.send_all(back(came), at_far)
    came, again = near.receive()
    assert again == data and back(came) == flow
