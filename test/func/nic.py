# SPDX-License-Identifier: BSD-3-Clause
"""Interfaces with several receive queues and somebody at the other end of the
wire: a veth pair from the house to a network of its own, and a sender that puts
a frame into whichever queue it likes. Independent of reeve's C code."""
import contextlib
import ctypes
import errno
import json
import mmap
import os
import shutil
import socket
import struct
import subprocess

import mtl
from peer import LIBC

CLONE_NEWNET = 0x40000000
AF_XDP, SOL_XDP = 44, 283
XDP_MMAP_OFFSETS, XDP_TX_RING, XDP_UMEM_REG, XDP_UMEM_FILL, XDP_UMEM_COMPLETION = 1, 3, 4, 5, 6
XDP_COPY = 2
TX_PLACE, COMPLETION_PLACE = 0x80000000, 0x180000000
ETH_IPV4, ETH_IPV6, ETH_VLAN = 0x0800, 0x86DD, 0x8100
TCP, UDP, FRAGMENT = 6, 17, 44
PATIENCE = 10.0


@contextlib.contextmanager
def network_of(pid):
    """Sockets made meanwhile belong to that process' network."""
    with open("/proc/thread-self/ns/net") as here, open(f"/proc/{pid}/ns/net") as there:
        assert LIBC.setns(there.fileno(), CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
        try:
            yield
        finally:
            assert LIBC.setns(here.fileno(), CLONE_NEWNET) == 0


class Outside:
    """A network namespace, for as long as the object is there."""

    def __init__(self):
        self.holder = subprocess.Popen(["unshare", "--net", "sh", "-c", "echo ready; exec cat"],
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                       start_new_session=True)
        assert self.holder.stdout.readline() == b"ready\n", "no network namespace"
        self.pid = self.holder.pid

    def run(self, *words):
        return subprocess.run(["nsenter", f"--net=/proc/{self.pid}/ns/net", "--",
                               *map(str, words)], capture_output=True, text=True, check=True)

    def close(self):
        self.holder.stdin.close()
        self.holder.wait(PATIENCE)
        self.holder.stdout.close()


class Queue:
    """An AF_XDP socket that only sends, from one transmit queue: on a veth that
    is the receive queue of the other end, whatever CPU this runs on."""

    FRAMES, SIZE = 64, 2048

    def __init__(self, ifindex, queue):
        self.sock = socket.socket(AF_XDP, socket.SOCK_RAW, 0)
        # Shared, or a fork of this process would get the frames.
        self.memory = mmap.mmap(-1, self.FRAMES * self.SIZE)
        address = ctypes.addressof(ctypes.c_char.from_buffer(self.memory))
        self._set(XDP_UMEM_REG, struct.pack("QQIIII", address, len(self.memory), self.SIZE,
                                            0, 0, 0))
        for ring in (XDP_UMEM_FILL, XDP_UMEM_COMPLETION, XDP_TX_RING):
            self._set(ring, struct.pack("I", self.FRAMES))
        places = struct.unpack("16Q", self.sock.getsockopt(SOL_XDP, XDP_MMAP_OFFSETS, 128))
        self.tx = Ring(self.sock, places[4:8], 16 * self.FRAMES, TX_PLACE)
        self.done = Ring(self.sock, places[12:16], 8 * self.FRAMES, COMPLETION_PLACE)
        to = struct.pack("HHIII", AF_XDP, XDP_COPY, ifindex, queue, 0)
        if LIBC.bind(self.sock.fileno(), to, len(to)) < 0:
            raise OSError(ctypes.get_errno(), f"bind to queue {queue}")

    def _set(self, option, value):
        self.sock.setsockopt(SOL_XDP, option, value)

    def send(self, frame):
        at = self.tx.producer
        slot = at % self.FRAMES
        self.memory[slot * self.SIZE:slot * self.SIZE + len(frame)] = frame
        struct.pack_into("QII", self.tx.map, self.tx.entries + 16 * slot,
                         slot * self.SIZE, len(frame), 0)
        self.tx.producer = at + 1
        while self.tx.consumer != at + 1:
            self._kick()
        self.done.consumer = self.done.producer

    def _kick(self):
        if LIBC.sendto(self.sock.fileno(), None, 0, socket.MSG_DONTWAIT, None, 0) < 0:
            number = ctypes.get_errno()
            if number not in (errno.EAGAIN, errno.ENOBUFS):
                raise OSError(number, os.strerror(number))

    def close(self):
        self.sock.close()


class Ring:
    def __init__(self, sock, places, size, offset):
        self.producer_at, self.consumer_at, self.entries, _ = places
        self.map = mmap.mmap(sock.fileno(), self.entries + size, offset=offset)

    def _word(at):
        return property(
            lambda self: struct.unpack_from("I", self.map, getattr(self, at))[0],
            lambda self, value: struct.pack_into("I", self.map, getattr(self, at), value))

    producer = _word("producer_at")
    consumer = _word("consumer_at")


class Nic:
    """A veth: `name` in the house, its other end outside."""

    def __init__(self, house, outside, name="eth1", queues=4, net=1, far_queues=None):
        self.house, self.outside, self.name, self.net = house, outside, name, net
        self.far = f"far{net}"
        self.senders = {}
        self.listeners = []
        self.ours, self.theirs = f"10.9.{net}.1", f"10.9.{net}.2"
        self.ours6, self.theirs6 = f"fd09:{net}::1", f"fd09:{net}::2"
        self.create(queues, far_queues or queues)

    def create(self, queues, far_queues=None):
        near, far = (["numrxqueues", count, "numtxqueues", count]
                     for count in (queues, far_queues or queues))
        self.queues = queues
        self.ip("link", "add", self.name, *near, "type", "veth", "peer", "name", self.far, *far,
                "netns", self.outside.pid)
        # A link-local address would make the kernel send frames of its own.
        self.ip("link", "set", self.name, "addrgenmode", "none")
        self.outside.run("ip", "link", "set", self.far, "addrgenmode", "none")
        self.ip("address", "add", f"{self.ours}/24", "dev", self.name)
        self.ip("address", "add", f"{self.ours6}/64", "dev", self.name, "nodad")
        self.ip("link", "set", self.name, "up")
        self.outside.run("ip", "link", "set", self.far, "up")
        self.ifindex = self.link()["ifindex"]
        far, = json.loads(self.outside.run("ip", "-j", "link", "show", self.far).stdout)
        self.far_ifindex = far["ifindex"]
        self.mac = bytes.fromhex(self.link()["address"].replace(":", ""))

    def ip(self, *words):
        done = self.house.run("ip", *words)
        assert done.returncode == 0, f"ip {words}: {done.stderr}"
        return done.stdout

    def channels(self, count):
        """On both ends: a program in native mode wants no more over there than here. The
        kernel refuses to take a queue away that an AF_XDP socket is bound to."""
        far = lambda: self.outside.run("ethtool", "-L", self.far, "tx", count)  # noqa: E731
        near = lambda: self.ethtool("-L", self.name, "rx", count)  # noqa: E731
        for end in (far, near) if count < self.queues else (near, far):
            end()
        self.queues = count

    def ethtool(self, *words):
        done = self.house.run("ethtool", *words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def delete(self):
        self.close()
        self.ip("link", "delete", self.name)

    def exists(self):
        return self.house.run("ip", "link", "show", self.name).returncode == 0

    def link(self):
        link, = json.loads(self.ip("-j", "-d", "link", "show", self.name))
        return link

    def xdp(self):
        """("native" or "generic", id of the program); None without one."""
        attached = self.link().get("xdp")
        if not attached or not attached.get("prog"):
            return None
        return {1: "native", 2: "generic"}[attached["mode"]], attached["prog"]["id"]

    # --- frames ---

    def udp(self, port, payload=b"reeve", src_port=4000, **more):
        return self.ipv4(UDP, udp(src_port, port, payload), **more)

    def ipv4(self, protocol, payload, vlan=None, fragment=0, options=b"", dst=None):
        length = 20 + len(options) + len(payload)
        head = struct.pack(">BBHHHBBH4s4s", 0x40 | (20 + len(options)) // 4, 0, length, 7, fragment,
                           64, protocol, 0, socket.inet_aton(self.theirs),
                           socket.inet_aton(dst or self.ours)) + options
        head = head[:10] + struct.pack(">H", checksum(head)) + head[12:]
        return self.ethernet(ETH_IPV4, head + payload, vlan)

    def udp6(self, port, payload=b"reeve", src_port=4000, vlan=None):
        datagram = udp(src_port, port, payload)
        pseudo = self.addresses6() + struct.pack(">II", len(datagram), UDP) + datagram
        datagram = datagram[:6] + struct.pack(">H", checksum(pseudo) or 0xFFFF) + datagram[8:]
        return self.ipv6(UDP, datagram, vlan)

    def ipv6(self, protocol, payload, vlan=None):
        head = struct.pack(">IHBB", 6 << 28, len(payload), protocol, 64)
        return self.ethernet(ETH_IPV6, head + self.addresses6() + payload, vlan)

    def addresses6(self):
        return (socket.inet_pton(socket.AF_INET6, self.theirs6) +
                socket.inet_pton(socket.AF_INET6, self.ours6))

    def ethernet(self, kind, payload, vlan=None):
        tags = b"" if vlan is None else struct.pack(">HH", ETH_VLAN, vlan)
        return self.mac + b"\x02\0\0\0\0\x09" + tags + struct.pack(">H", kind) + payload

    def send(self, queue, frame, count=1):
        """From the other end of the wire, into a receive queue of this one. A veth hands
        frames to a generic program with the sender's queue, which means one less there:
        the highest is out of reach."""
        attached = self.xdp()
        if attached and attached[0] == "generic":
            queue += 1
        if queue not in self.senders:
            with network_of(self.outside.pid):
                self.senders[queue] = Queue(self.far_ifindex, queue)
        for _ in range(count):
            self.senders[queue].send(frame)

    # --- what the kernel gets ---

    def listen(self, port, family=socket.AF_INET):
        """A UDP socket of the kernel's, in the house."""
        with network_of(self.house.holder.pid):
            sock = socket.socket(family, socket.SOCK_DGRAM)
        sock.bind(("", port))
        sock.settimeout(PATIENCE)
        self.listeners.append(sock)
        return sock

    def close(self):
        for one in (*self.senders.values(), *self.listeners):
            one.close()
        self.senders, self.listeners = {}, []


def udp(src_port, dst_port, payload):
    return struct.pack(">HHHH", src_port, dst_port, 8 + len(payload), 0) + payload


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def datagrams(sock, count):
    """Exactly so many have come, and no more."""
    came = [sock.recv(2048) for _ in range(count)]
    sock.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        came.append(sock.recv(2048))
    sock.settimeout(PATIENCE)
    assert len(came) == count, f"{len(came)} datagrams instead of {count}"
    return came


def leases(reeved):
    """Names of what is leased now."""
    with reeved.connect_native() as native:
        return sorted(lease["resource"] for lease in native.leases())


class XskClient:
    """test/fake/xsk_client in the house, told what to do."""

    def __init__(self, house, program, uid=0, caps="net_raw"):
        inside = house.path("/run/xsk_client")
        if not os.path.exists(inside):
            shutil.copyfile(program, inside)
            os.chmod(inside, 0o755)
        become = []
        if uid:
            become = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"]
            if caps:
                become += [f"--inh-caps=+{caps}", f"--ambient-caps=+{caps}"]
        self.process = subprocess.Popen(house.command(*become, "/run/xsk_client"), bufsize=0,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        start_new_session=True)
        self.pid = self.process.pid

    def start(self, *words):
        self.process.stdin.write(" ".join(map(str, words)).encode() + b"\n")

    def answer(self):
        line = b""
        while not line.endswith(b"\n"):
            readable, _ = mtl.wait_io([self.process.stdout.fileno()], limit=PATIENCE)
            assert readable, f"no answer after {line!r}"
            data = os.read(self.process.stdout.fileno(), 4096)
            assert data, f"the client has ended after {line!r}"
            line += data
        return line.decode().split(": ", 1)[1].strip()

    def text(self, *words):
        self.start(*words)
        return self.answer()

    def order(self, *words):
        return int(self.text(*words).split()[0])

    def attach(self, nic, ports=(), queues=1):
        """As libmtl starts: register, a queue, a socket, its place in the map, ports.
        Returns the queue, or all of them."""
        assert self.order("register", f"on-{nic.name}", nic.name) == 0
        got = []
        for _ in range(queues):
            queue = self.order("queue", nic.name)
            assert queue >= 0, "no queue"
            sock = self.order("open", nic.name, queue)
            assert sock >= 0, os.strerror(-sock)
            number, kind = self.text("map", nic.name).split(" ", 1)
            assert kind == "anon_inode:bpf-map", kind
            assert self.order("insert", sock, queue) == 0
            got.append(queue)
        for port in ports:
            assert self.order("port", nic.name, port) == 0
        return got[0] if queues == 1 else got

    def receive(self, count, ms=8000):
        """{(socket, src port, dst port, length): how often} of what came."""
        total, *kinds = self.text("recv", count, ms).split()
        came = {}
        for kind in kinds:
            key, times = kind.split("*")
            sock, rest = key.split(":")
            src, rest = rest.split(">")
            dst, length = rest.split("/")
            came[int(sock), int(src), int(dst), int(length)] = int(times)
        assert sum(came.values()) == int(total)
        return came

    def ports(self, count, ms=8000):
        """{destination port: how often}"""
        came = {}
        for (_, _, dst, _), times in self.receive(count, ms).items():
            came[dst] = came.get(dst, 0) + times
        return came

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


# Attaches a program that lets everything pass (r0 = XDP_PASS; exit), and takes it away.
FOREIGN = """
import ctypes, os, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
def bpf(command, *attr):
    attr = b"".join(attr).ljust(128, b"\\0")
    return libc.syscall(321, command, attr, len(attr))
def text(data):
    return ctypes.create_string_buffer(data)
code, licence = text(bytes.fromhex("b700000002000000" "9500000000000000")), text(b"GPL")
program = bpf(5, struct.pack("<IIQQIIQII16s", 6, 2, ctypes.addressof(code),
                             ctypes.addressof(licence), 0, 0, 0, 0, 0, b"foreign"))
assert program >= 0, os.strerror(ctypes.get_errno())
info = ctypes.create_string_buffer(256)
bpf(15, struct.pack("<IIQ", program, len(info), ctypes.addressof(info)))
print(struct.unpack_from("<I", info, 4)[0], flush=True)
link = -1
for line in sys.stdin:
    if link >= 0:
        os.close(link)
        link = -1
    if line == "attach\\n":
        link = bpf(28, struct.pack("<IIII", program, int(sys.argv[1]), 37, 0))
    print(int(link >= 0), flush=True)
"""


class Foreign:
    """Somebody else with an XDP program, attached by a link."""

    def __init__(self, house, nic):
        self.process = subprocess.Popen(
            house.command("/usr/bin/python3", "-c", FOREIGN, nic.ifindex), bufsize=0,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.program = int(self.process.stdout.readline())

    def _order(self, word):
        self.process.stdin.write(word + b"\n")
        return self.process.stdout.readline() == b"1\n"

    def attach(self):
        """False: something else is attached."""
        return self._order(b"attach")

    def detach(self):
        self._order(b"detach")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(PATIENCE)
        self.process.stdout.close()


class Lab:
    """A house with a wire, and all that a test makes in it."""

    def __init__(self, house, program):
        self.house, self.program = house, program
        self.outside = Outside()
        self.nics, self.clients = [], []
        self.foreign = False  # a program that is not reeve's is left attached

    def start(self, conf="", **more):
        return self.house.start(conf=conf, **more)

    def nic(self, name="eth1", queues=4, **more):
        self.nics.append(Nic(self.house, self.outside, name, queues, net=len(self.nics) + 1,
                             **more))
        return self.nics[-1]

    def client(self, **identity):
        self.clients.append(XskClient(self.house, self.program, **identity))
        return self.clients[-1]

    def pins(self):
        """What is pinned in the house."""
        root = self.house.path("/sys/fs/bpf")
        return [os.path.join(folder, name)[len(root):] for folder, _, names in os.walk(root)
                for name in names if not name.endswith(".debug")]

    def bare(self, nic):
        """Nothing of reeve's is on it any more."""
        return nic.xdp() is None and not self.pins()

    def close(self):
        """However a test left it: when reeved has ended, nothing of it is there."""
        try:
            for client in self.clients:
                client.kill()
            self.house.finish()
            assert not self.pins()
            for nic in self.nics:
                assert self.foreign or not nic.exists() or nic.xdp() is None
        finally:
            for nic in self.nics:
                nic.close()
            self.outside.close()
