# SPDX-License-Identifier: BSD-3-Clause
"""Machnet's control socket: who may register what, and what goes with whom. And channels whose
applications are hostile, stand still or die. Nothing here sleeps: what is waited for is an
answer, an end or what netd tells of itself."""
import contextlib
import ctypes
import json
import os
import resource
import select
import signal
import socket
import struct
import time

import pytest

from machnet import (REGISTER, REQ_CHANNEL, RINGS, Connection, attach, channel_body, message,
                     new_id, register)
from netd import OURS, NetLab

PATH = "/run/netd/ctrl.sock"
PATIENCE = 10.0
LISTEN = 3
IP = int.from_bytes(map(int, OURS.split(".")), "big")


@pytest.fixture
def net(house):
    net = NetLab(house)
    net.start(args=("--logtostderr", f"--ctrl_socket={PATH}"))
    yield net
    net.close()


@pytest.fixture
def netd(net):
    return net.netds[0]


@pytest.fixture
def connect(house, netd):
    return lambda: house.connect(PATH)


def channels(netd):
    rows, after = [], {}
    while True:
        page = netd.call("ListChannels", **after)
        rows += page["channels"]
        if "next" not in page:
            return rows
        after = {"after": page["next"]}


def wait_for(what):
    deadline = time.monotonic() + PATIENCE
    while not (found := what()):
        assert time.monotonic() < deadline, "it does not come"
    return found


def listen(channel, port=888):
    channel.request(LISTEN, IP, port)
    return wait_for(channel.answer)[1:]


# --- messages ----------------------------------------------------------------------------------


def test_split_and_joined(connect):
    conn, app = Connection(connect()), new_id()
    whole = message(REGISTER, app, number=1) + message(REQ_CHANNEL, app, number=2,
                                                       body=channel_body(new_id()))
    for at in range(0, 100, 10):
        conn.sock.sendall(whole[at:at + 10])
    conn.sock.sendall(whole[100:])
    assert conn.read() == (0, [])
    assert conn.number == 1
    status, (fd,) = conn.read()
    assert (status, conn.number) == (0, 2)
    os.close(fd)


def test_unknown_types_are_answered(connect):
    conn = Connection(connect())
    for kind in (0, 3, 4, 0x10, 0xffff):
        assert conn.ask(message(kind, new_id())) == (-1, [])


def test_one_application_for_each_connection(connect):
    conn, app = register(connect)
    assert conn.ask(message(REGISTER, app)) == (-1, [])
    assert conn.ask(message(REGISTER, new_id())) == (-1, [])
    assert Connection(connect()).ask(message(REGISTER, app)) == (-1, [])


def test_channels_of_nobody_and_of_two(connect):
    conn, app = register(connect)
    other = Connection(connect())
    body = channel_body(new_id())
    assert other.ask(message(REQ_CHANNEL, new_id(), body=body)) == (-1, [])
    status, (fd,) = other.ask(message(REQ_CHANNEL, app, body=body))
    assert status == 0
    os.close(fd)
    assert other.ask(message(REQ_CHANNEL, app, body=body)) == (-1, [])
    for buffers in (0, 1, 128, 1000, 16384, 2**31):
        body = channel_body(new_id(), RINGS, buffers)
        assert Connection(connect()).ask(message(REQ_CHANNEL, app, body=body)) == (-1, [])
    conn.close()


def test_another_users_application(house, netd, connect):
    """The id alone is worth nothing."""
    _, app = register(connect)
    peer = house.peer(uid=65534, gid=65534)
    body = channel_body(new_id())
    stranger = Connection(peer.connect(PATH))
    assert stranger.ask(message(REQ_CHANNEL, app, body=body)) == (-1, [])
    conn, theirs = register(lambda: peer.connect(PATH))
    assert Connection(connect()).ask(message(REQ_CHANNEL, theirs, body=body)) == (-1, [])
    channel = attach(lambda: peer.connect(PATH), theirs)
    row, = channels(netd)
    assert (row["uid"], row["name"], row["rings"], row["state"]) == (65534, "test", False, "open")
    assert row["pid"] == peer.pid
    channel.close()
    conn.close()


def test_who_says_nothing_or_half_makes_room(connect, netd):
    """More connections than there are places: the next is served."""
    idle = []
    for i in range(200):
        idle.append(connect())
        idle[-1].sendall(message(REGISTER, new_id())[:i % 154])
    conn, _ = register(connect)
    conn.close()
    for sock in idle:
        sock.close()


def lingering():
    """A socket that makes its last closer wait."""
    server = socket.create_server(("127.0.0.1", 0))
    sock = socket.create_connection(server.getsockname())
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 1000))
    sock.setblocking(False)
    try:
        while True:
            sock.send(bytes(1 << 20))
    except BlockingIOError:
        return server, sock


@pytest.mark.parametrize("bell", [False, True], ids=["asking", "bell"])
def test_descriptors_that_nobody_wants(connect, netd, bell):
    """Where the kernel can't refuse them (before Linux 6.16) who sends them is hung up on, and
    whoever has to wait for their end is none of us."""
    conn, app = register(connect)
    before = netd.fds()
    for _ in range(20):
        server, sock = lingering()
        bad = attach(connect, app, rings=RINGS, buffers=256).conn if bell else Connection(connect())
        try:
            socket.send_fds(bad.sock, [b"x"], [sock.fileno()])
            assert bad.is_closed()
        except PermissionError:
            assert netd.call("Status")
        server.close()
        sock.close()
        bad.close()
    wait_for(lambda: not channels(netd))
    wait_for(lambda: netd.fds() <= before)
    other, _ = register(connect)
    other.close()
    conn.close()


def passes(sock):
    """Whether it can pass a descriptor."""
    read, write = os.pipe()
    try:
        socket.send_fds(sock, [b"x"], [read])
        return True
    except PermissionError:
        return False
    finally:
        os.close(read)
        os.close(write)


def refuses_descriptors():
    """Whether this kernel can have a socket do so: SO_PASSRIGHTS."""
    one, two = socket.socketpair()
    with one, two:
        try:
            one.setsockopt(socket.SOL_SOCKET, 83, 0)
        except OSError:
            return False
        return not passes(two)


def connect_at_once(house, path):
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        with contextlib.suppress(FileNotFoundError, ConnectionRefusedError):
            return house.connect(path)
    raise AssertionError("there is no socket")


@pytest.mark.skipif(not refuses_descriptors(), reason="this kernel lets all pass descriptors")
def test_who_comes_first_can_pass_no_descriptor(house):
    """It connects as soon as it finds the socket."""
    net = NetLab(house)
    try:
        for _ in range(10):
            netd = net.start(args=("--logtostderr", f"--ctrl_socket={PATH}"), ready=False)
            with connect_at_once(house, PATH) as sock:
                assert not passes(sock)
            netd.wait_log("ready")
            assert netd.stop() == 0
    finally:
        net.close()


# --- what goes with whom ------------------------------------------------------------------------


def test_all_goes_with_the_registration(connect, netd):
    conn, app = register(connect)
    channel = attach(connect, app)
    assert listen(channel) == (0, 0)
    conn.close()
    wait_for(lambda: not channels(netd))
    assert netd.status()["engines"][0]["stack"]["listeners"] == 0
    conn, app = register(connect, app)
    channel = attach(connect, app)
    assert listen(channel) == (0, 0)


def test_a_channel_that_rings_goes_with_its_connection(connect, netd):
    conn, app = register(connect)
    ringing, polling = attach(connect, app, rings=RINGS, buffers=256), attach(connect, app)
    assert [row["rings"] for row in channels(netd)] == [False, True]
    polling.conn.close()
    ringing.conn.close()
    wait_for(lambda: len(channels(netd)) == 1)
    assert listen(polling) == (0, 0)
    ringing = attach(connect, app, rings=RINGS, buffers=256)
    conn.close()
    assert ringing.conn.is_closed()


def test_a_child_that_has_the_connection(connect, netd):
    """It is the application's as long as any process has it."""
    conn, app = register(connect)
    channel = attach(connect, app)
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(write)
        os.read(read, 1)
        os._exit(0)
    os.close(read)
    conn.close()
    assert listen(channel) == (0, 0)
    os.close(write)
    os.waitpid(child, 0)
    wait_for(lambda: not channels(netd))


def test_a_thousand_channels(connect, netd):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert soft >= 4096
    conn, app = register(connect)
    all_of_them = [attach(connect, app, rings=RINGS, buffers=256) for _ in range(1000)]
    rows = channels(netd)
    assert len(rows) == len({row["channel"] for row in rows}) == 1000
    assert listen(all_of_them[0], 700) == (0, 0)
    assert listen(all_of_them[-1], 701) == (0, 0)
    idle_from = netd.ticks()
    netd.call("Status")
    for channel in all_of_them:
        channel.close()
    conn.close()
    wait_for(lambda: not channels(netd))
    assert netd.ticks() - idle_from < 1000


def test_more_memory_than_its_share(connect, netd):
    """An error, not the end of anybody; and what others have stays."""
    conn, app = register(connect)
    kept = []
    while True:
        asked = Connection(connect())
        status, fds = asked.ask(message(REQ_CHANNEL, app, body=channel_body(new_id())))
        if status:
            break
        kept.append((asked, fds[0]))
        assert len(kept) < 2048
    assert (status, fds) == (-1, [])
    assert kept
    for asked, fd in kept:
        asked.close()
        os.close(fd)
    conn.close()
    wait_for(lambda: not channels(netd))


def test_netd_again_after_it_was_killed(net, netd, connect, house):
    _, app = register(connect)
    ringing = attach(connect, app, rings=RINGS, buffers=256)
    assert listen(ringing) == (0, 0)
    netd.stop(signal.SIGKILL)
    assert ringing.conn.is_closed()
    net.netds.remove(netd)
    net.start(args=("--logtostderr", f"--ctrl_socket={PATH}"))
    _, app = register(connect, app)
    assert listen(attach(connect, app)) == (0, 0)


# --- hostile memory -----------------------------------------------------------------------------


def test_it_can_not_be_cut_short(connect, netd):
    """Else netd would die of SIGBUS."""
    _, app = register(connect)
    channel = attach(connect, app)
    for size in (0, 4096, 1 << 30):
        with pytest.raises(PermissionError):
            os.ftruncate(channel.fd, size)
    assert listen(channel) == (0, 0)


def test_offsets_are_not_believed(connect, netd):
    """C4 of the reference: one wrong offset, by anybody, and its daemon is gone."""
    _, app = register(connect)
    channel = attach(connect, app)
    sq = channel.ring("sq"), channel.ring("cq")
    for offset in range(384, 464, 8):
        struct.pack_into("=Q", channel.memory, offset, 1 << 60)
    struct.pack_into("=QIHHIHHII", channel.memory, sq[0] + 320, 5, LISTEN, 0, 0, IP, 800, 0, 0, 0)
    struct.pack_into("=II", channel.memory, sq[0] + 64, 1, 1)
    wait_for(lambda: struct.unpack_from("=I", channel.memory, sq[1] + 68)[0] == 1)
    assert struct.unpack_from("=QIH", channel.memory, sq[1] + 320) == (5, 4, 0)
    netd.call("Status")


@pytest.mark.parametrize("ring, end", [("sq", "prod"), ("tx", "prod"), ("free", "prod")])
def test_ends_of_rings_that_make_no_sense(connect, netd, ring, end):
    """That channel is lost; the application's others go on."""
    _, app = register(connect)
    bad, good = attach(connect, app, rings=RINGS, buffers=256), attach(connect, app)
    bad.end(ring, end, 100000, 100000)
    if ring != "free":
        bad.conn.sock.send(b"!")
        assert bad.conn.is_closed()
        netd.wait_log("channel broken")
        assert len(channels(netd)) == 1
    assert listen(good) == (0, 0)


def test_holes_punched_into_it(connect, netd):
    """Its pages can go, its size can't."""
    _, app = register(connect)
    channel = attach(connect, app)
    size = len(channel.memory)
    libc = ctypes.CDLL(None, use_errno=True)
    libc.fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_long, ctypes.c_long]
    assert libc.fallocate(channel.fd, 3, 0, size) == 0
    other = attach(connect, app)
    assert listen(other) == (0, 0)
    netd.call("Status")


# --- what is told -------------------------------------------------------------------------------


def test_reeve_net_channels(net, connect):
    conn = Connection(connect())
    app = new_id()
    conn.ask(message(REGISTER, app, body=b"na\xffme\n"))
    channel = attach(connect, app, rings=RINGS, buffers=512)
    assert listen(channel) == (0, 0)
    row, = json.loads(net.reeve("net", "channels", "--json").stdout)["channels"]
    assert (row["name"], row["buffers"], row["listeners"], row["flows"]) == ("na\\xffme\\x0a", 511,
                                                                            1, 0)
    assert (row["interface"], row["stalled"], row["free"]) == ("eth1", False, 511)
    assert (row["queued"], row["held"], row["without_segment"]) == (0, 0, 0)
    text = net.reeve("net", "channels").stdout
    assert "CHANNEL" in text and row["channel"] in text


def test_idle_channels_that_ring_cost_nothing(connect, netd):
    conn, app = register(connect)
    kept = [attach(connect, app, rings=RINGS, buffers=256) for _ in range(20)]
    assert listen(kept[0]) == (0, 0)
    wait_for(lambda: all(c.sleeps() for c in kept))
    before = netd.ticks()
    select.select([], [], [], 1.0)
    assert netd.ticks() - before <= 5
    conn.close()
