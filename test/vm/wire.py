# SPDX-License-Identifier: BSD-3-Clause
"""The guest's two NICs as suites use them: eth0, with four queues, here; eth1 in
the network namespace `sender`, at the other end of the wire. Which queue of eth0 a
flow comes to is the host's choice, by a hash of its own: so flows are sent from
many ports, and each frame tells by its source port which flow it is of."""
import contextlib
import ctypes
import json
import os
import re
import socket
import subprocess
from pathlib import Path

from scene import BUILD, PATIENCE, Skip, mtl
from nic import XskClient
from peer import LIBC

CLONE_NEWNET = 0x40000000
SO_RCVBUFFORCE = 33
HERE, THERE = "10.77.0.1", "10.77.0.2"
SOURCES = range(20000, 20064)  # nearly sure to come to every queue
PINS = Path("/sys/fs/bpf")
# Programs that come with libxdp and xdp-tools: somebody else's, to reeve.
FOREIGN = Path("/usr/lib/x86_64-linux-gnu/bpf")


def run(*command):
    done = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=PATIENCE * 3)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


@contextlib.contextmanager
def network(path):
    """Sockets made meanwhile belong to that network namespace."""
    with open("/proc/thread-self/ns/net") as here, open(path) as there:
        if LIBC.setns(there.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"setns {path}")
        try:
            yield
        finally:
            assert LIBC.setns(here.fileno(), CLONE_NEWNET) == 0


class Eth0:
    """The NIC under test. `name` is what clients of the MTL protocol need."""

    name = "eth0"

    def __init__(self):
        self.listeners = []
        self.up()

    def up(self):
        """Addresses and nothing that would make the kernel send by itself."""
        inside = ["ip", "-netns", "sender"]
        for ip, name, address in (["ip"], "eth0", HERE), (inside, "eth1", THERE):
            run(*ip, "link", "set", name, "addrgenmode", "none", "up")
            run(*ip, "address", "replace", f"{address}/24", "dev", name)
        run(*inside, "neighbour", "replace", HERE, "lladdr", self.link()["address"],
            "nud", "permanent", "dev", "eth1")
        mtl.poll_until(lambda: self.link()["operstate"] == "UP", "eth0 is up")

    def link(self):
        link, = json.loads(run("ip", "-j", "-d", "link", "show", self.name))
        return link

    @property
    def ifindex(self):
        return socket.if_nametoindex(self.name)

    def channels(self, count=None):
        """How many there are, after setting them so."""
        if count:
            run("ethtool", "-L", self.name, "combined", count)
        now = run("ethtool", "-l", self.name).split("Current")[1]
        return int(re.search(r"Combined:\s+(\d+)", now)[1])

    def need_queues(self, count=4):
        if self.channels() < count:
            raise Skip(f"eth0 has {self.channels()} queues here, not {count}")

    def xdp(self):
        """("native" or "generic", id of the first program); None without one."""
        attached = self.link().get("xdp") or {}
        if not attached.get("prog"):
            return None
        return {1: "native", 2: "generic"}[attached["mode"]], attached["prog"]["id"]

    def chain(self):
        """What xdp-loader says of it: [(program, priority, mode, chain actions)]."""
        rows, ours = [], False
        for line in run("xdp-loader", "status").splitlines():
            words = line.split()
            ours = words[:1] == [self.name] or (ours and words[:1] == ["=>"])
            if not ours or "<No" in words:
                continue
            if words[0] == "=>":
                rows.append((words[2], int(words[1]), None, " ".join(words[5:])))
            else:
                rows.append((words[1], None, words[2], None))
        return rows

    # --- frames ---

    def send(self, port, sources=SOURCES, payload=b"reeve"):
        """One frame of each flow."""
        for source in sources:
            with network("/run/netns/sender"):
                sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            with sock:
                sock.bind((THERE, source))
                sock.sendto(payload, (HERE, port))

    def listen(self, port):
        """A UDP socket of the kernel's."""
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        # A frame that was in XDP's hands takes a whole page of it.
        sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 20)
        sock.bind((HERE, port))
        self.listeners.append(sock)
        return sock

    def close(self):
        for sock in self.listeners:
            sock.close()


class Here:
    """For XskClient: it wants to know where its programs run."""

    @staticmethod
    def path(inside):
        return inside

    @staticmethod
    def command(*words):
        return [str(word) for word in words]


class Client(XskClient):
    """test/fake/xsk_client in the guest."""

    def __init__(self, **identity):
        super().__init__(Here, BUILD / "test/fake/xsk_client", **identity)

    def flows(self, port):
        """{socket: {source ports}} of what has come, which is all for that port."""
        came = {}
        for (sock, source, to, _), times in self.receive(0, 0).items():
            assert to == port, f"a frame for port {to}"
            assert times == 1, "a frame came twice"
            came.setdefault(sock, set()).add(source)
        return came


def heard(sock):
    """{source ports} of the datagrams that the kernel's socket has."""
    sources = []
    sock.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            sources.append(sock.recvfrom(2048)[1][1])
    assert len(set(sources)) == len(sources), "a frame came twice"
    return set(sources)


class Reader:
    """Frames that a program of its own prints: lines of "ADDRESS:SOURCE to port PORT, N bytes"."""

    def __init__(self, stream):
        self.fd, self.text = stream.fileno(), b""
        os.set_blocking(self.fd, False)

    def flows(self, port):
        with contextlib.suppress(BlockingIOError):
            self.text += os.read(self.fd, 65536)
        *lines, self.text = self.text.split(b"\n")
        told = [re.fullmatch(r"[\d.]+:(\d+) to port (\d+), 47 bytes", line.decode())
                for line in lines]
        assert all(one and int(one[2]) == port for one in told), lines
        return {0: {int(one[1]) for one in told}} if told else {}


def everybody_got(port, clients, kernel, wanted=SOURCES):
    """Who got which flows, once each has come to somebody: one {socket: {source ports}}
    for each client, then {source ports} for the kernel."""
    got, rest = [{} for _ in clients], set()

    def total():
        return len(rest) + sum(len(sources) for has in got for sources in has.values())

    def look():
        for client, has in zip(clients, got):
            for sock, sources in client.flows(port).items():
                has.setdefault(sock, set()).update(sources)
        rest.update(heard(kernel))
        return total() >= len(wanted)
    try:
        mtl.poll_until(look, f"every frame for port {port} came")
    except AssertionError as error:
        raise AssertionError(f"{error}: {got} {rest}") from None
    assert set().union(rest, *(s for has in got for s in has.values())) == set(wanted)
    assert total() == len(wanted), f"a frame came twice: {got} {rest}"
    return *got, rest


def pins():
    return [path for path in PINS.rglob("*") if not path.is_dir() and path.suffix != ".debug"]


def clear(eth0):
    subprocess.run(["xdp-loader", "unload", eth0.name, "--all"], check=False)
    for kind in "xdpgeneric", "xdpdrv":
        subprocess.run(["ip", "link", "set", eth0.name, kind, "off"], check=False)
    for pin in pins():
        pin.unlink()


def set_up(scene):
    """eth0 for a test; after it nobody's program is on it and nothing is pinned."""
    eth0 = Eth0()
    scene.open.callback(eth0.close)

    def is_bare():
        found = eth0.chain(), eth0.xdp(), pins()
        if found != ([], None, []):
            clear(eth0)  # or every test after this one fails too
            raise AssertionError(f"left behind: {found}")
    scene.after.callback(is_bare)
    return eth0


def client(scene, **identity):
    made = Client(**identity)
    scene.open.callback(made.kill)
    return made
