# SPDX-License-Identifier: BSD-3-Clause
"""Peers on the network that do wrong by an application's channel. Each is a UDP socket of
the kernel's at the other end of the wire, and speaks Machnet's protocol by hand."""
import socket
import struct

import pytest

from channel import MSS, App, back, ip, pattern, stack_of, wait_until
from channel import Flow as Tuple
from netd import OURS, THEIRS, NetLab
from nic import network_of

PORT = 7000
DATA, SYN, ACK, SYN_ACK, RST = 0x00, 0x01, 0x02, 0x03, 0x80
FIRST, MORE, LAST = 0x01, 0x02, 0x04
WINDOW = 32


class Gone(Exception):
    """The other side ended it."""


class Remote:
    """One connection. It acknowledges, and sends what it is told, packet by packet."""

    HEAD = ">HBBII"

    def __init__(self, lab, to=PORT):
        with network_of(lab.outside.pid):
            self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind((THEIRS, 0))
        self.sock.connect((OURS, to))
        self.sock.settimeout(10)
        self.next = self.acked = 0
        self.put(SYN, 0, 0)
        kind, _, seq, ack, _ = self.get()
        assert (kind, seq, ack) == (SYN_ACK, 0, 1)
        self.next = self.acked = 1
        self.put(ACK, 0, 1)

    def put(self, kind, flags, ack, data=b""):
        self.sock.send(struct.pack(self.HEAD, 0x4E53, kind, flags, self.next, ack) + bytes(42) + data)

    def get(self):
        packet = self.sock.recv(2048)
        magic, kind, flags, seq, ack = struct.unpack(self.HEAD, packet[:12])
        assert magic == 0x4E53
        if kind == RST:
            raise Gone
        return kind, flags, seq, ack, packet[54:]

    def data(self, flags, data):
        """One packet, acknowledged before this returns if too many are under way."""
        self.put(DATA, flags, 0xFFFFFFFF, data)
        self.next += 1
        while self.next - self.acked > WINDOW // 2:
            self.hear()

    def hear(self):
        kind, _, _, ack, _ = self.get()
        if kind == ACK:
            self.acked = max(self.acked, ack)

    def message(self, data, upto=None):
        """Its first `upto` packets, or all."""
        pieces = [data[at:at + MSS] for at in range(0, len(data), MSS)]
        for i, piece in enumerate(pieces[:upto]):
            self.data((FIRST if i == 0 else 0) | (LAST if i + 1 == len(pieces) else MORE), piece)

    def settle(self):
        """All is acknowledged."""
        while self.acked != self.next:
            self.hear()

    @property
    def flow(self):
        return Tuple(ip(THEIRS), ip(OURS), self.sock.getsockname()[1], PORT)

    def close(self):
        self.sock.close()


class Server(NetLab):
    """netd and an application that listens."""

    def __init__(self, house):
        super().__init__(house)
        self.netd = self.start()
        self.app = App(lambda: house.connect("/run/machnet/machnet_ctrl.sock"))
        self.channel = self.app.attach()
        assert self.channel.listen(OURS, PORT).status == 0
        self.remotes = []

    def remote(self):
        self.remotes.append(Remote(self))
        return self.remotes[-1]

    def close(self):
        for remote in self.remotes:
            remote.close()
        try:
            super().close()
        finally:
            self.app.close()


@pytest.fixture
def server(house):
    server = Server(house)
    yield server
    server.close()


def test_a_message_by_hand(server):
    remote = server.remote()
    remote.message(pattern(10_000))
    assert server.channel.receive() == (remote.flow, pattern(10_000))
    server.channel.send_all(back(remote.flow), b"an answer")
    while (got := remote.get())[0] != DATA:
        pass
    assert got[1:2] + got[4:] == (FIRST | LAST, b"an answer")


def test_a_peer_that_stops_within_a_large_message(server):
    """Others' large messages do not wait for the rest of it."""
    slow, other = server.remote(), server.remote()
    slow.message(pattern(1 << 20), upto=100)
    slow.settle()
    other.message(pattern(200_000, 1))
    assert server.channel.receive() == (other.flow, pattern(200_000, 1))


def test_many_peers_that_stop_within_a_large_message(server):
    """Their parts fill the pool; it is not theirs for ever."""
    slow = [server.remote() for _ in range(6)]
    for remote in slow:
        try:
            remote.sock.settimeout(0.5)
            remote.message(pattern(4 << 20), upto=2900)
        except (TimeoutError, Gone):
            pass
    other = server.remote()
    other.sock.settimeout(30)
    other.message(pattern(200_000, 1))
    assert server.channel.receive() == (other.flow, pattern(200_000, 1))


def test_a_message_that_is_too_long(server):
    """Its flow ends, and its buffers are nobody's again."""
    remote = server.remote()
    with pytest.raises((Gone, ConnectionRefusedError)):
        for i in range(6000):
            remote.data(MORE if i else FIRST | MORE, bytes(MSS))
    free = server.channel.free
    wait_until(lambda: free.count() >= free.capacity - 64, "buffers are back")
    assert stack_of(server.netd)["flows"] == 0
    other = server.remote()
    other.message(b"x")
    assert server.channel.receive() == (other.flow, b"x")


def test_a_peer_that_goes_within_a_message(server):
    remote = server.remote()
    for _ in range(50):
        remote.message(pattern(100_000), upto=40)
        remote.settle()
        remote.put(RST, 0, 1)
        wait_until(lambda: stack_of(server.netd)["flows"] == 0, "it is gone")
        remote = server.remote()
    free = server.channel.free
    remote.message(pattern(8_000_000))
    assert server.channel.receive() == (remote.flow, pattern(8_000_000))
    wait_until(lambda: free.count() >= free.capacity - 64, "buffers are back")


def test_what_was_delivered_stays_when_its_flow_ends(server):
    remote = server.remote()
    remote.message(pattern(10_000))
    remote.settle()
    remote.put(RST, 0, 1)
    wait_until(lambda: stack_of(server.netd)["flows"] == 0, "it is gone")
    assert server.channel.receive() == (remote.flow, pattern(10_000))


@pytest.mark.parametrize("flags", [MORE, LAST, 0, FIRST | 0x80, FIRST | MORE | LAST, 0xFF])
def test_flags_that_make_no_message(server, flags):
    remote = server.remote()
    try:
        remote.data(flags, b"x")
        remote.settle()
    except (Gone, TimeoutError, ConnectionRefusedError):
        pass
    other = server.remote()
    other.message(b"y")
    while (got := server.channel.receive()) != (other.flow, b"y"):
        assert got[0] == remote.flow


def test_c1_acknowledgements_of_nothing(server):
    remote = server.remote()
    for _ in range(10):
        remote.put(ACK, 0, 1)
    remote.message(b"still there")
    assert server.channel.receive() == (remote.flow, b"still there")


def test_c2_a_packet_that_is_shorter_than_its_header(server):
    remote = server.remote()
    remote.sock.send(struct.pack(Remote.HEAD, 0x4E53, DATA, FIRST | LAST, 1, 0))
    remote.message(b"still there")
    assert server.channel.receive() == (remote.flow, b"still there")
