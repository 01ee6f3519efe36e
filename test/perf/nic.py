# SPDX-License-Identifier: BSD-3-Clause
"""Figures about interfaces: how long it takes to get onto one, to add and remove
a port, and what the program costs a frame."""
import contextlib
import json
import os
import socket
import statistics
import struct
import subprocess
import time

import guest
from server import Failed, Reeve

SETUPS = 15
PORTS = 2000
CLOSED_S = 10.0
REGISTER, ADD_PORT, DEL_PORT = 101, 105, 106


class NicReeve(Reeve):
    """With a veth pair of four queues, ifindex 2, in native mode, and a bpffs."""

    def prepare(self):
        for line in ("mount -t bpf bpf /sys/fs/bpf",
                     "ip link add peer index 3 type veth peer name nic index 2 "
                     "numrxqueues 4 numtxqueues 4",
                     "ethtool -L nic rx 4 tx 4", "ip link set nic up", "ip link set peer up"):
            subprocess.run(line.split(), check=True, stdout=subprocess.DEVNULL)

    def pins(self):
        try:
            return os.listdir(f"/proc/{self.pid}/root/sys/fs/bpf/reeve")
        except FileNotFoundError:
            return []


def request(kind, *fields):
    """118 bytes; each field is (offset, struct format, value)."""
    frame = bytearray(118)
    struct.pack_into(">4sI", frame, 0, b"IMTL", kind)
    for offset, form, value in fields:
        struct.pack_into(">" + form, frame, offset, value)
    return bytes(frame)


class Client:
    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(path)

    def ask(self, frame):
        """Microseconds until the answer, which must be 0."""
        begin = time.perf_counter_ns()
        self.sock.send(frame)
        answer = self.sock.recv(118, socket.MSG_WAITALL)
        took = time.perf_counter_ns() - begin
        if struct.unpack_from(">i", answer, 12)[0] != 0:
            raise Failed("a request about the interface was refused")
        return took / 1e3

    def close(self):
        self.sock.close()


@contextlib.contextmanager
def on_one_cpu(cpu):
    """The client here, as the server: see bench.py."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {cpu})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def wait_closed(server):
    """The interface is put back after the last client; its pins go last."""
    until = time.monotonic() + CLOSED_S
    while server.pins():
        if time.monotonic() > until:
            raise Failed("the interface was not put back")
        os.sched_yield()


def setup_times(server):
    join = request(REGISTER, (84, "H", 1), (86, "I", 2))
    for _ in range(SETUPS):
        client = Client(server.path)
        yield client.ask(join) / 1e3
        client.close()
        wait_closed(server)


def port_times(server):
    client = Client(server.path)
    client.ask(request(REGISTER, (84, "H", 1), (86, "I", 2)))
    adds, removes = [], []
    for number in range(PORTS):
        port = (12, "I", 2), (16, "H", 1024 + number)
        adds.append(client.ask(request(ADD_PORT, *port)))
    for number in range(PORTS):
        port = (12, "I", 2), (16, "H", 1024 + number)
        removes.append(client.ask(request(DEL_PORT, *port)))
    client.close()
    return adds, removes


def frames(bench):
    """ns a frame, as `xdp` has measured them by turns; see xdp.c."""
    done = subprocess.run([os.path.join(os.path.dirname(bench.load), "xdp")], text=True,
                          capture_output=True, check=False)
    if done.returncode != 0:
        raise Failed(f"xdp: {done.stderr.strip()}")
    return {line["name"]: line["ns"] for line in map(json.loads, done.stdout.splitlines())}


def host_rows(bench):
    """Time, of this kernel: it has no dispatcher."""
    cost = frames(bench)
    for name, bare, single in (("frame, single form", "bare", "single"),
                               ("frame to its socket, single form", "bare live", "single live")):
        if single in cost:
            bench.row(name, cost[single], "ns", ("<=", 1.3), ("bare redirect", cost[bare]))


def guest_rows(bench):
    """Instructions, told as time: they repeat, but are no measure of what a cache costs."""
    cost = guest.frames(bench.build, os.path.join(bench.out, "vm"))
    if cost is None:
        raise Failed("the guest gave no figures")
    bench.row("frame in a guest, single form", cost["single"], "ns", None,
              ("bare redirect", cost["bare"]))
    bench.row("frame in a guest, single form", cost["single"], "ns", ("<=", 1),
              ("dispatcher", cost["dispatcher"]))
    for form in "single", "dispatcher":
        bench.row(f"frame in a guest, {form}, 10,000 ports", cost[f"{form} 10000"], "ns",
                  ("<=", 1.02), ("1 port", cost[form]))


def measure(bench):
    with bench.running(NicReeve, bench.reeved, bench.log) as server, on_one_cpu(bench.cpu):
        server.pin(bench.cpu)
        setups = list(setup_times(server))
        adds, removes = port_times(server)
    bench.row("interface setup, native", statistics.median(setups), "ms", ("<", 50))
    bench.row("port added", statistics.median(adds), "us", ("<", 200))
    bench.row("port removed", statistics.median(removes), "us", ("<", 200))
    host_rows(bench)
    guest_rows(bench)
