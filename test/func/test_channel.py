# SPDX-License-Identifier: BSD-3-Clause
"""Channels of netd with applications that do as Machnet's do: what the memory looks like,
what is said on the control socket, messages of every size, and what each end means."""
import fcntl
import os
import random
import re
import resource
import signal
import struct
import time

import pytest

import mtl
from channel import (DISCONNECT, FAR_PATH, MESSAGE, MESSAGE_MAX, MSS, RESPONSE, UNLISTEN, App, Control,
                     Pair, Refused, echo, ip, message, pattern, register, req_channel, stack_of,
                     wait_until)
from conftest import ROOT
from netd import OURS, THEIRS

NOBODY = 65534
A_SECOND = 1.0
ABSENT = "10.5.0.77"  # nobody on the link has it


@pytest.fixture
def pair(house):
    pair = Pair(house)
    yield pair
    pair.close()


# --- the control socket ----------------------------------------------------------------------------


def test_the_socket_is_everybodys(pair):
    path = pair.house.path("/run/machnet/machnet_ctrl.sock")
    assert os.stat(path).st_mode & 0o777 == 0o777
    with pair.app(of=pair.house.peer(uid=NOBODY, gid=NOBODY)) as app:
        app.attach()


def test_an_answer_has_nothing_that_was_not_asked_for(pair):
    app, channel = os.urandom(16), os.urandom(16)
    registered = Control(pair.connect())
    first = registered.ask(register(app, number=7))
    with Control(pair.connect()) as asking:
        second = asking.ask(req_channel(app, channel, number=9))
        os.close(second.fds[0])
    for answer, number in ((first, 7), (second, 9)):
        assert answer[:5] == (RESPONSE, number, app, 0, bytes(128))
    assert first.fds == []
    registered.close()


@pytest.mark.parametrize("kind", [0, 3, 4, 5, 0x10, 0xFFFF])
def test_what_is_no_request_is_refused(pair, kind):
    """Machnet's daemon says nothing, and its client waits for ever."""
    with Control(pair.connect()) as control:
        answer = control.ask(message(kind, number=3))
        assert answer[:4] == (RESPONSE, 3, bytes(16), -1) and answer.fds == []
        assert control.ask(register(os.urandom(16))).status == 0


def test_a_message_in_pieces(pair):
    for cut in (1, 2, 6, 77, MESSAGE - 1):
        with Control(pair.connect()) as control:
            data = register(os.urandom(16))
            control.sock.sendall(data[:cut])
            mtl.poll_until(lambda: not mtl.unread(control.sock), "the first piece is read")
            assert control.ask(data[cut:]).status == 0


def test_several_messages_in_one_piece(pair):
    app = os.urandom(16)
    with Control(pair.connect()) as control:
        control.sock.sendall(register(app, number=1) + message(0x77, 2) + register(app, number=3))
        answers = [control.answer() for _ in range(3)]
        assert [(a.number, a.status) for a in answers] == [(1, 0), (2, -1), (3, -1)]


def test_a_uuid_is_registered_once(pair):
    app = os.urandom(16)
    with Control(pair.connect()) as first, Control(pair.connect()) as second:
        assert first.ask(register(app)).status == 0
        assert second.ask(register(app)).status == -1
        assert first.ask(register(os.urandom(16))).status == -1, "one application a connection"
        assert second.ask(register(os.urandom(16))).status == 0


def test_a_uuid_is_free_again_after_the_end(pair):
    app = os.urandom(16)
    for _ in range(20):
        with Control(pair.connect()) as control:
            mtl.poll_until(lambda: control.ask(register(app)).status == 0, "it is free again", A_SECOND)


def test_a_channel_is_for_who_is_registered(pair):
    with Control(pair.connect()) as control:
        answer = control.ask(req_channel(os.urandom(16), os.urandom(16)))
        assert answer.status == -1 and answer.fds == []


def test_a_channels_uuid_is_used_once(pair):
    app, channel = pair.app(), os.urandom(16)
    with Control(pair.connect()) as control:
        answer = control.ask(req_channel(app.id, channel))
        assert answer.status == 0
        os.close(answer.fds[0])
        assert control.ask(req_channel(app.id, channel)).status == -1
        with Control(pair.connect()) as other:
            assert other.ask(req_channel(app.id, channel)).status == -1


def test_another_user_can_not_use_an_applications_uuid(pair):
    app = pair.app()
    stranger = pair.house.peer(uid=NOBODY, gid=NOBODY)
    with Control(pair.connect(of=stranger)) as control:
        answer = control.ask(req_channel(app.id, os.urandom(16)))
        assert answer.status == -1 and answer.fds == []
    app.attach()


@pytest.mark.parametrize("buffers", [0, 1, 3, 255, 300, 16384, 0xFFFFFFFF])
def test_a_number_of_buffers_that_can_not_be(pair, buffers):
    """Refused, or made one that can be: never what was asked for."""
    app = pair.app()
    try:
        channel = app.attach(rings=True, buffers=buffers)
        assert channel.free.size in (256, 512, 8192)
    except Refused:
        pass
    app.attach(rings=True, buffers=256)


# --- memory -----------------------------------------------------------------------------------------


def recorded(name):
    """Of `hexdump -C`, with its folded lines."""
    data, last = bytearray(), b""
    for line in (ROOT / "test/data/machnet" / name).read_text().splitlines():
        found = re.match(r"([0-9a-f]{8})  ((?:[0-9a-f]{2} +){1,16})", line)
        if not found:
            continue
        at = int(found[1], 16)
        while len(data) < at:
            data += last
        last = bytes.fromhex(found[2])
        data += last
    return bytes(data)


def masked(data, ring):
    """Without what depends on use and place: the size of it all, its name, the counter of
    requests, where the pool is, and the ends and entries of rings."""
    data = bytearray(data)
    for start, end in ((8, 272), (320, 328), (440, 448), (512, 516), (516, 772)):
        data[start:end] = bytes(end - start)
    for at, entries in ring:
        for end in (64, 192):
            data[at + end:at + end + 8] = bytes(8)
        data[at + 320:at + 320 + entries] = bytes(entries)
    return bytes(data)


def test_the_memory_is_machnets(pair):
    """Byte for byte up to the free buffers, for as many buffers as Machnet has."""
    channel = pair.channel(rings=True, buffers=4096)
    real = recorded("channel.txt")
    rings = [(896, 64), (1280, 64), (1664, 1024), (3008, 1024)]
    upto = 4352
    ours = bytearray(channel.memory.map[:upto])
    struct.pack_into("=Q", ours, 832 + 24, 0)  # of the statistics, what Machnet has not
    struct.pack_into("=I", ours, 832 + 32, 0)
    assert masked(ours, rings) == masked(real[:upto], rings)
    numbers = struct.unpack_from("=4I", channel.memory.map, upto)
    assert numbers == struct.unpack_from("=4I", real, upto) == (4096, 4095, 4095, 4)
    assert channel.memory.get("I", upto + 72) == channel.memory.get("I", upto + 200) == (0,)
    assert channel.memory.get("4095I", upto + 320) == tuple(range(4095))
    assert channel.table_at == 21056 and channel.pool_at % 4096 == 0
    assert channel.memory.size == channel.memory.get("Q", 8)[0] == channel.pool_at + 4096 * 2048


@pytest.mark.parametrize("more", [{}, {"rings": True, "buffers": 256}])
def test_every_buffer_is_as_machnets(pair, more):
    channel = pair.channel(**more)
    count = channel.free.size
    assert (channel.buf_size, channel.mss, channel.pool_mask) == (2048, 1418, count - 1)
    for index in range(count):
        at = channel.buf(index)
        assert channel.memory.get("3I", at) == (0xB6B6B6B6, index, 1546)
        assert channel.memory.get("I", at + 48) == (128,)
        assert channel.memory.get("2I", at + 52) == (0xFFFFFFFF,) * 2
    if not more:
        assert (count - 1 - 2 * 64) * MSS >= MESSAGE_MAX


def test_the_memory_can_not_be_cut(pair):
    channel = pair.channel()
    for size in (0, 4096, channel.memory.size + 4096):
        with pytest.raises(PermissionError):
            os.ftruncate(channel.fd, size)
    seals = fcntl.fcntl(channel.fd, fcntl.F_GET_SEALS)
    assert seals == fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
    assert os.fstat(channel.fd).st_blksize == 4096, "Machnet's library would map huge pages"


# --- requests -----------------------------------------------------------------------------------------


def test_listening(pair):
    here, there = pair.channel(), pair.channel()
    assert here.listen(OURS, 7000).status == 0
    assert here.listen(OURS, 7000).status == 1, "by the same"
    assert there.listen(OURS, 7000).status == 1, "by another"
    assert here.listen(THEIRS, 7001).status == 1, "not an address of this host"
    assert here.listen("0.0.0.0", 7001).status == 1
    assert there.listen(OURS, 7001).status == 0


@pytest.mark.parametrize("local, remote", [(THEIRS, OURS), ("0.0.0.0", THEIRS), (OURS, "0.0.0.0"),
                                           (OURS, "224.0.0.1"), (OURS, "255.255.255.255")])
def test_connecting_where_nobody_can_be(pair, local, remote):
    assert pair.channel().connect(local, remote, 1).status == 1


@pytest.mark.parametrize("remote", [ABSENT, THEIRS])
def test_connecting_to_who_does_not_answer(pair, remote):
    """Machnet's library gives up after 11 seconds, and stumbles over what comes later."""
    channel = pair.channel()
    begun = time.monotonic()
    done = channel.connect(OURS, remote, 1)
    assert done.status == 1 and time.monotonic() - begun < 11
    assert channel.listen(OURS, 7000).status == 0


def test_nonsense_as_a_request(pair):
    channel = pair.channel()
    for op in (0, 4, 6, 0xFFFFFFFF):
        assert channel.request(op, os.urandom(16)).status == 1
    assert channel.listen(OURS, 7000).status == 0


def test_the_tuple_of_a_connection(pair):
    near, far, flow = pair.talk(7000)
    assert (flow.src_ip, flow.dst_ip, flow.dst_port) == (ip(OURS), ip(THEIRS), 7000)
    assert flow.src_port >= 1024
    assert near.connect(OURS, THEIRS, 7000).flow.src_port != flow.src_port
    echo(near, far, flow, b"x")


def test_disconnecting(pair):
    near, far, flow = pair.talk(7000, near=pair.channel(rings=True))
    echo(near, far, flow, b"x")
    body = struct.pack("=IIHH", *flow)
    assert near.request(DISCONNECT, body).status == 0
    wait_until(lambda: stack_of(pair.far)["flows"] == 0, "the peer knows")
    assert near.request(DISCONNECT, body).status == 1
    drops = near.stats()[0]
    near.send_all(flow, b"y")
    wait_until(lambda: near.stats()[0] == drops + 1, "it is counted as dropped")


def test_what_was_sent_before_disconnecting_comes(pair):
    near, far, flow = pair.talk(7000, near=pair.channel(rings=True))
    data = pattern(300_000)
    near.send_all(flow, data)
    wait_until(lambda: near.tx.count() == 0, "it is taken")
    assert near.request(DISCONNECT, struct.pack("=IIHH", *flow)).status == 0
    assert far.receive() == (flow, data)


def test_unlistening(pair):
    channel = pair.channel(rings=True)
    for _ in range(3):
        assert channel.listen(OURS, 7000).status == 0
        assert channel.listen(OURS, 7000, UNLISTEN).status == 0
        assert channel.listen(OURS, 7000, UNLISTEN).status == 1
    other = pair.channel(rings=True)
    assert channel.listen(OURS, 7000).status == 0
    assert other.listen(OURS, 7000, UNLISTEN).status == 1, "it is another's"


# --- messages -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 8, MSS - 1, MSS, MSS + 1, 2 * MSS, 65536, 1 << 20, MESSAGE_MAX])
def test_a_message_of_this_size(pair, size):
    near, far, flow = pair.talk(7000)
    echo(near, far, flow, pattern(size))
    assert near.stats() == (0, 1, size)


def test_messages_of_any_size_in_order(pair):
    near, far, flow = pair.talk(7000)
    noise = random.Random(1)
    sizes = [noise.choice([noise.randrange(1, 100), noise.randrange(1, 6000), noise.randrange(1, 60000)])
             for _ in range(200)]
    sent = received = 0
    while received < len(sizes):
        if sent < len(sizes) and near.send(flow, pattern(sizes[sent], sent)):
            sent += 1
        got = far.recv()
        if got:
            assert got == (flow, pattern(sizes[received], received))
            received += 1


def test_flows_do_not_mix(pair):
    near, far, first = pair.talk(7000)
    second = near.connect(OURS, THEIRS, 7000).flow
    third_near = pair.channel()
    third = third_near.connect(OURS, THEIRS, 7000).flow
    for i in range(50):
        for channel, flow, tag in ((near, first, 1), (near, second, 2), (third_near, third, 3)):
            channel.send_all(flow, pattern(3000, tag + i))
    seen = {}
    for _ in range(150):
        flow, data = far.receive()
        tag = {first: 1, second: 2, third: 3}[flow]
        assert data == pattern(3000, tag + seen.get(flow, 0))
        seen[flow] = seen.get(flow, 0) + 1


def test_buffers_come_back(pair):
    """All but those that the daemon keeps ready for itself."""
    near, far, flow = pair.talk(7000)
    for _ in range(100):
        echo(near, far, flow, pattern(100_000))
    for channel in near, far:
        wait_until(lambda: channel.free.count() >= channel.free.capacity - 64, "they are back")


def test_several_large_messages_at_once_into_a_small_pool(pair):
    """Each alone fits; all of them together, in part, would fill it."""
    far = pair.channel(far=True, rings=True, buffers=256)
    near, _, _ = pair.talk(7000, far=far)
    flows = [near.connect(OURS, THEIRS, 7000).flow for _ in range(6)]
    for round_ in range(3):
        for i, flow in enumerate(flows):
            near.send_all(flow, pattern(150 * MSS, i + round_))
    got = [far.receive() for _ in range(18)]
    for i, flow in enumerate(flows):
        assert [data for f, data in got if f == flow] == \
            [pattern(150 * MSS, i + round_) for round_ in range(3)]


# --- doorbells ------------------------------------------------------------------------------------------


def waits(channel):
    channel.memory.set_word(channel.stats_at + 36, 1)


def test_a_channel_says_whether_it_has_doorbells(pair):
    assert pair.channel(rings=True, buffers=256).memory.get("Q", 832 + 24) == (0x72765201,)
    assert pair.channel().memory.get("Q", 832 + 24) == (0,)


def test_who_waits_is_told(pair):
    near, far, flow = pair.talk(7000, far=pair.channel(far=True, rings=True))
    waits(far)
    near.send_all(flow, b"ring")
    readable, _ = mtl.wait_io([far.control.sock.fileno()])
    assert readable and far.control.sock.recv(100)
    assert far.receive() == (flow, b"ring")


def test_a_daemon_that_sleeps_is_woken(pair):
    """By one byte for each time, and no more."""
    near, far, flow = pair.talk(7000, near=pair.channel(rings=True), far=pair.channel(far=True, rings=True))
    asleep = near.stats_at + 32
    for i in range(20):
        wait_until(lambda: near.memory.word(asleep), "the daemon sleeps")
        near.send_all(flow, b"%d" % i)
        assert far.receive() == (flow, b"%d" % i)


def cpu_of_a_second(netd):
    before, end = netd.ticks(), time.monotonic() + A_SECOND
    while (left := end - time.monotonic()) > 0:
        signal.sigtimedwait([], left)
    return netd.ticks() - before


def test_idle_with_doorbells_it_takes_no_time(pair):
    near, far, flow = pair.talk(7000, near=pair.channel(rings=True), far=pair.channel(far=True, rings=True))
    echo(near, far, flow, b"x")
    assert cpu_of_a_second(pair.near) <= 1


def test_idle_without_doorbells_it_takes_little_time(pair):
    near, far, flow = pair.talk(7000)
    echo(near, far, flow, b"x")
    assert cpu_of_a_second(pair.near) <= os.sysconf("SC_CLK_TCK") // 4


# --- ends -----------------------------------------------------------------------------------------------


def nothing_is_left(netd):
    stack = stack_of(netd)
    return not (stack["flows"] or stack["listeners"])


def test_the_end_of_an_application_is_its_channels(pair):
    """Flows, listeners and ports are free, the peer is told, descriptors are closed."""
    far = pair.channel(far=True)
    with pair.app() as first:
        first.attach()  # what is made at first use is made
    fds = pair.near.fds()
    app = pair.app()
    near = app.attach()
    pair.talk(7000, near=near, far=far)
    assert near.listen(OURS, 7001).status == 0
    app.control.close()
    mtl.poll_until(lambda: nothing_is_left(pair.near), "it is all gone", 5)
    mtl.poll_until(lambda: stack_of(pair.far)["flows"] == 0, "the peer is told", 5)
    near.control.close()
    mtl.poll_until(lambda: pair.near.fds() <= fds, "descriptors are closed", 5)
    assert pair.channel().listen(OURS, 7001).status == 0


def test_a_channels_connection_may_be_closed(pair):
    """Machnet's library keeps it, others need not."""
    near, far, flow = pair.talk(7000)
    near.control.close()
    for _ in range(10):
        echo(near, far, flow, b"still")


def test_with_doorbells_a_channels_connection_is_its_life(pair):
    app = pair.app()
    kept = app.attach(rings=True)
    gone = app.attach(rings=True)
    assert kept.listen(OURS, 7000).status == gone.listen(OURS, 7001).status == 0
    gone.control.close()
    mtl.poll_until(lambda: stack_of(pair.near)["listeners"] == 1, "its listener is gone", 5)
    assert kept.listen(OURS, 7001).status == 0


def test_an_application_that_exits_in_a_fork(pair):
    """A child has copies of all of it; its end is nobody else's."""
    near, far, flow = pair.talk(7000)
    child = os.fork()
    if child == 0:
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    echo(near, far, flow, b"x")


def test_a_message_is_sent_though_its_application_exits(pair):
    far = pair.channel(far=True)
    assert far.listen(THEIRS, 7000).status == 0

    def work(_):
        app = App(pair.connect)
        channel = app.attach()
        channel.send_all(channel.connect(OURS, THEIRS, 7000).flow, b"Hello World!")
        wait_until(lambda: channel.tx.count() == 0, "it is taken")
        os._exit(0)

    pair.child(work)
    assert far.receive()[1] == b"Hello World!"


def test_the_daemon_is_killed_and_comes_again(pair):
    """A peer that has the old flow lets the new one in, from the same ports."""
    near, far, flow = pair.talk(7000)
    echo(near, far, flow, b"before")
    pair.near.stop(signal.SIGKILL)
    assert pair.netds.pop(0) is pair.near
    wait_until(lambda: hung_up(near.control), "applications can see it")
    pair.near = pair.start_near()
    again = pair.channel()
    flow = again.connect(OURS, THEIRS, 7000).flow
    echo(again, far, flow, b"after")
    assert again.listen(OURS, 7001).status == 0


def hung_up(control):
    readable, _ = mtl.wait_io([control.sock.fileno()], limit=0)
    return bool(readable) and not control.sock.recv(1)


def test_two_on_one_control_socket(pair):
    second = pair.start(run="/run/netd2", ready=False,
                        args=("--logtostderr", "--ctrl_socket", FAR_PATH))
    assert second.finish() == 1
    assert FAR_PATH in second.text
    pair.channel(far=True)


def test_its_socket_goes_and_the_directory_stays(pair):
    assert pair.near.stop() == 0
    assert os.listdir(pair.house.path("/run/machnet")) == []
    pair.near = pair.start_near()
    pair.channel()


# --- many -----------------------------------------------------------------------------------------------


def test_a_thousand_channels(pair):
    """And the last is as good as the first."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert hard >= 4096, "this process may not have so many descriptors"
    app = pair.app()
    channels = [app.attach(rings=True, buffers=256) for _ in range(1000)]
    for i in (0, 500, 999):
        near, far, flow = pair.talk(7000 + i, near=channels[i])
        echo(near, far, flow, pattern(10_000))
    assert channels[998].listen(OURS, 7000).status == 0
    app.control.close()
    mtl.poll_until(lambda: nothing_is_left(pair.near), "all are gone", 10)


def test_one_that_sends_without_end_stops_nobody(pair):
    sink = pair.channel(far=True)
    assert sink.listen(THEIRS, 7000).status == 0

    def flood(say):
        app = App(pair.connect)
        channel = app.attach()
        flow = channel.connect(OURS, THEIRS, 7000).flow
        data = pattern(50_000)
        say(b"begins")
        while True:
            channel.send(flow, data)

    greedy = pair.child(flood)
    assert greedy.hear() == b"begins"
    near, far, flow = pair.talk(7001)
    for i in range(200):
        echo(near, far, flow, pattern(1000, i))
        sink.recv()
