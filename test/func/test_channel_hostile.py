# SPDX-License-Identifier: BSD-3-Clause
"""Applications that write what they like into their channels, or say what they like on the
control socket. Each harms itself; what Machnet's daemon died of is here by its number in
docs/machnet-compat.md."""
import os
import random
import signal
import socket
import struct

import pytest

import mtl
from channel import (CONNECT, FIRST, LAST, LISTEN, MORE, MSS, NONE, App, Control, Pair, Refused, Ring,
                     back, echo, ip, message, pattern, register, req_channel, stack_of, wait_until)
from netd import OURS, THEIRS
from stream import lingering

NOBODY = 65534
GARBAGE = (0, 1, 2, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)


@pytest.fixture
def pair(house):
    pair = Pair(house)
    yield pair
    pair.close()


@pytest.fixture
def bystander(pair):
    """Two applications that must notice nothing."""
    talk = pair.talk(7999)
    echo(*talk, b"before")
    yield talk
    for i in range(20):
        echo(*talk, pattern(20_000, i))


@pytest.fixture
def enemy(pair, bystander):
    """Here, with a flow to an application there that is none."""
    near, far, flow = pair.talk(7000)
    echo(near, far, flow, b"so far, so good")
    return near, far, flow


# --- what Machnet's daemon died of -------------------------------------------------------------------


def test_c3_an_application_that_does_not_read(pair, bystander):
    """Its peer waits; when it reads at last, all is there."""
    near, far, flow = pair.talk(7000)
    sent = 0
    while sent < 400:
        sent += near.send(flow, pattern(100, sent))
    wait_until(lambda: far.rx.count() == far.rx.capacity, "its ring is full")
    echo(*bystander, b"meanwhile")
    for i in range(400):
        assert far.receive() == (flow, pattern(100, i))


def test_c3_an_application_that_reads_nothing_of_a_large_message(pair, bystander):
    """Its pool is full before the message is whole: it can only lose its flow."""
    far = pair.channel(far=True, rings=True, buffers=256)
    near, _, flow = pair.talk(7000, far=far)
    near.send_all(flow, pattern(1 << 20))
    wait_until(lambda: stack_of(pair.far)["flows"] == 1, "that flow is ended")
    again = near.connect(OURS, THEIRS, 7000)
    assert again.status == 0
    echo(near, far, again.flow, pattern(50_000))


def test_c4_a_wrong_offset_in_the_context(pair, enemy):
    near, far, flow = enemy
    for at in range(384, 460, 4):
        for value in (0xFFFFFFFF, 0x41414141, 0):
            near.memory.set_word(at, value)
            echo(near, far, flow, b"it does not matter")


def test_c4_garbage_all_over_the_context(pair, enemy):
    near, far, flow = enemy
    noise = random.Random(4)
    for _ in range(50):
        near.memory.map[0:832] = noise.randbytes(832)
        echo(near, far, flow, b"it does not matter")


def test_c5_more_messages_than_the_ring_takes(pair, bystander):
    """Those that are not taken leave their buffers where they were."""
    near, far, flow = pair.talk(7000)
    sent = sum(near.send(flow, pattern(100)) for _ in range(5000))
    assert sent >= 255
    for _ in range(sent):
        assert far.receive()[1] == pattern(100)
    for channel in near, far:
        wait_until(lambda: channel.free.count() >= channel.free.capacity - 64, "all are back")


# --- rings that lie ------------------------------------------------------------------------------------


RINGS = ["sq", "cq", "rx", "tx", "free"]


@pytest.mark.parametrize("which", [Ring.PROD, Ring.CONS])
@pytest.mark.parametrize("name", RINGS)
def test_a_ring_whose_ends_lie(pair, enemy, name, which):
    near, far, flow = enemy
    ring = getattr(near, name)
    for head in GARBAGE:
        for tail in GARBAGE:
            ring.lie(which, head, tail)
            far.send(back(flow), b"poke")


@pytest.mark.parametrize("name", RINGS)
def test_a_ring_whose_sizes_lie(pair, enemy, name):
    """Ours are those that it was made with."""
    near, far, flow = enemy
    at = getattr(near, name).at
    for value in GARBAGE:
        near.memory.set("4I", at, *[value] * 4)
        for place in (72, 200):
            near.memory.set_word(at + place, value)
        echo(near, far, flow, b"it does not matter")


@pytest.mark.parametrize("which", [Ring.PROD, Ring.CONS])
def test_an_application_that_stopped_between_head_and_tail(pair, enemy, which):
    """It has reserved, and publishes much later. Until then all others go on."""
    near, far, flow = enemy
    index, = near.free.take_numbers()
    head = near.free.reserve(which, 1)
    for i in range(50):
        far.send_all(back(flow), pattern(6000, i))
    wait_until(lambda: far.tx.count() == 0 or near.rx.count(), "something is under way")
    assert stack_of(pair.near)["flows"] >= 1, "it answers"
    if which == Ring.PROD:
        near.memory.set("I", near.free.slot(head), index)
    near.free.publish(which, head, 1)
    for i in range(50):
        assert near.receive() == (back(flow), pattern(6000, i))


def test_an_application_that_is_stopped(pair, bystander):
    """By SIGSTOP, wherever it is just then, again and again."""
    far = pair.channel(far=True)
    assert far.listen(THEIRS, 7000).status == 0

    def work(say):
        app = App(pair.connect)
        channel = app.attach()
        flow = channel.connect(OURS, THEIRS, 7000).flow
        say(b"begins")
        for i in range(300):
            channel.send_all(flow, pattern(5000, i))

    child = pair.child(work)
    assert child.hear() == b"begins"
    for i in range(300):
        if i % 20 == 0:
            os.kill(child.pid, signal.SIGSTOP)
            os.waitpid(child.pid, os.WUNTRACED)
            echo(*bystander, b"meanwhile")
            os.kill(child.pid, signal.SIGCONT)
        assert far.receive()[1] == pattern(5000, i)


def test_an_application_that_is_killed_with_full_rings(pair, bystander):
    far = pair.channel(far=True)
    assert far.listen(THEIRS, 7000).status == 0
    before = stack_of(pair.near)["flows"]

    def work(_):
        app = App(pair.connect)
        channel = app.attach()
        flow = channel.connect(OURS, THEIRS, 7000).flow
        for _ in range(3000):
            channel.send(flow, pattern(4000))
        channel.free.reserve(Ring.PROD, 1)

    for _ in range(5):
        child = pair.child(work)
        assert child.hear() == b"."
        child.end()
        echo(*bystander, b"meanwhile")
    mtl.poll_until(lambda: stack_of(pair.near)["flows"] == before, "its flows are gone", 10)


# --- messages that lie -------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [8191, 8192, 0x7FFFFFFF, 0xFFFFFFFF])
def test_a_number_of_no_buffer(pair, enemy, number):
    near, _, _ = enemy
    for _ in range(600):
        near.tx.put_numbers([number])
    assert stack_of(pair.near)["flows"] >= 1, "it answers"


def test_the_same_buffer_many_times(pair, enemy):
    near, far, flow = enemy
    index, = near.free.take_numbers()
    near.write(flow, b"again", [index])
    for _ in range(200):
        near.tx.put_numbers([index])
    assert far.receive() == (flow, b"again")


FLAGS, MSG_LEN, DATA_LEN, DATA_OFS, NEXT, LAST_BUF = 24, 40, 44, 48, 52, 56
LIES = {
    "msg_len": [(0, MSG_LEN, "I", v) for v in (0, 1, 2999, 3001, 9 << 20, 0xFFFFFFFF)],
    "data_len": [(i, DATA_LEN, "I", v) for i in range(3)
                 for v in (0, 163, 1419, 1547, 0x7FFFFFFF, 0xFFFFFFFF)],
    "data_ofs": [(i, DATA_OFS, "I", v) for i in range(3)
                 for v in (0, 1985, 1546, 0x7FFFFFFF, 0xFFFFFFC0)],
    "next": [(i, NEXT, "I", v) for i in range(2) for v in (8192, 0x7FFFFFFF, NONE)],
    "flags": [(i, FLAGS, "B", v) for i in range(3) for v in (0, FIRST, MORE, LAST, 0x08, 0xFF)],
    "last": [(0, LAST_BUF, "I", v) for v in (8192, NONE)],
    "magic": [(i, 0, "I", 0) for i in range(3)],
    "index": [(i, 4, "I", 0xFFFFFFFF) for i in range(3)],
}


@pytest.mark.parametrize("what", LIES)
def test_a_message_whose_headers_lie(pair, enemy, what):
    """Refused, or its flow ended, or what it can only mean. The channel goes on with the
    next flow, and no buffer is lost or found."""
    near, far, _ = enemy
    ours = near.memory.map[near.pool_at:]
    for lie in LIES[what]:
        flow = near.connect(OURS, THEIRS, 7000).flow
        place, offset, form, value = lie
        indices = near.free.take_numbers(3)
        near.write(flow, pattern(3000), indices)
        near.memory.set(form, near.buf(indices[place]) + offset, value)
        near.tx.put_numbers(indices[:1])
        wait_until(lambda: near.tx.count() == 0, f"{lie}: it is taken")
        after = near.connect(OURS, THEIRS, 7000).flow
        near.send_all(after, b"the end")
        while (got := far.receive()) != (after, b"the end"):
            assert got[0] == flow and (len(got[1]) <= 3000), lie
            assert set(got[1]) <= set(ours), lie


@pytest.mark.parametrize("to", [0, 1, 2])
def test_a_chain_that_leads_back(pair, enemy, to):
    """It ends. What it named many times may be given back many times: its own loss."""
    near, far, flow = enemy
    indices = near.free.take_numbers(3)
    near.write(flow, pattern(3 * MSS), indices)
    near.memory.set("B", near.buf(indices[2]) + FLAGS, MORE)
    near.memory.set("I", near.buf(indices[2]) + NEXT, indices[to])
    near.memory.set("I", near.buf(indices[0]) + MSG_LEN, 8 << 20)
    near.tx.put_numbers(indices[:1])
    wait_until(lambda: near.tx.count() == 0, "it is taken")
    done = near.connect(OURS, THEIRS, 7000)
    assert done.status == 0
    near.send_all(done.flow, b"the next")
    while far.receive() != (done.flow, b"the next"):
        pass


def test_a_flow_of_another_channel_can_not_be_used(pair, bystander):
    _, far, flow = bystander
    channel = pair.channel()
    drops = channel.stats()[0]
    for _ in range(10):
        channel.send_all(flow, b"forged")
    wait_until(lambda: channel.stats()[0] == drops + 10, "they are counted as dropped")
    assert far.recv() is None


def test_disconnecting_anothers_flow(pair, bystander):
    _, _, flow = bystander
    channel = pair.channel(rings=True)
    assert channel.request(2, struct.pack("=IIHH", *flow)).status == 1


@pytest.mark.parametrize("seed", range(6))
def test_memory_that_changes_under_traffic(pair, enemy, seed):
    """Anywhere, at any time, of either end."""
    near, far, flow = enemy
    noise = random.Random(seed)
    for channel in near, far:
        channel.regions = [(0, 832), (832, 64), *[(r.at, 384) for r in (channel.sq, channel.cq, channel.rx,
                                                                       channel.tx, channel.free)],
                           (channel.pool_at, 64 * channel.buf_size)]
    for step in range(3000):
        channel = near if noise.random() < 0.5 else far
        start, length = noise.choice(channel.regions)
        at = start + noise.randrange(length // 4) * 4
        value = noise.choice([*GARBAGE, noise.getrandbits(32), noise.randrange(8192),
                              (channel.memory.word(at) + noise.choice([1, -1, 2, 255])) & 0xFFFFFFFF])
        channel.memory.set_word(at, value)
        if step % 3 == 0:
            # Not by the rings' rules, which may not hold any more.
            tail = channel.tx.end(Ring.PROD)[1]
            channel.memory.set("I", channel.tx.slot(tail), noise.randrange(64))
            channel.write(flow, pattern(2000), [noise.randrange(64), noise.randrange(64)])
            channel.tx.lie(Ring.PROD, tail + 1, tail + 1)
    for netd in pair.near, pair.far:
        assert netd.process.poll() is None
        netd.status()


# --- requests ------------------------------------------------------------------------------------------


def test_requests_without_end_and_nobody_reads_the_answers(pair, bystander):
    channel = pair.channel()
    for i in range(5000):
        op, body = random.Random(i).choice([
            (CONNECT, struct.pack("=IIHH", ip(OURS), ip(THEIRS), 0, 7998)),
            (LISTEN, struct.pack("=IHH", ip(OURS), 7100 + i % 50, 0)), (99, b"")])
        channel.sq.put([struct.pack("=QIHH", i, op, 0, 0) + body.ljust(16, b"\0")])
    echo(*bystander, b"meanwhile")


def test_listeners_have_an_end_that_others_do_not_feel(pair, bystander):
    greedy = pair.channel()
    statuses = []
    for port in range(10_000, 30_000):
        statuses.append(greedy.listen(OURS, port).status)
        if statuses[-1]:
            break
    assert statuses[-1], "one channel may listen on every port"
    assert pair.channel(of=pair.house.peer(uid=NOBODY, gid=NOBODY)).listen(OURS, 9000).status == 0


# --- the control socket ------------------------------------------------------------------------------


def test_random_bytes(pair, bystander):
    noise = random.Random(7)
    for _ in range(200):
        with Control(pair.connect()) as control:
            control.sock.sendall(noise.randbytes(noise.randrange(1, 1000)))


def test_random_messages(pair, bystander):
    noise = random.Random(8)
    ids = [noise.randbytes(16) for _ in range(3)]
    for _ in range(100):
        with Control(pair.connect()) as control:
            for _ in range(5):
                answer = control.ask(message(noise.choice([1, 2, 1, 2, noise.getrandbits(16)]),
                                             noise.getrandbits(32), noise.choice(ids),
                                             noise.choice(ids) + noise.randbytes(100)))
                for fd in answer.fds:
                    os.close(fd)


def test_half_a_message_holds_nobody_up(pair, bystander):
    halves = []
    for cut in range(1, 64):
        halves.append(Control(pair.connect()))
        halves[-1].sock.sendall(register(os.urandom(16))[:cut])
    with pair.app() as app:
        app.attach()
    for half in halves:
        half.close()


def test_one_user_takes_all_connections(pair, bystander):
    """All that there are for it; another finds room."""
    taken = []
    for _ in range(3000):
        try:
            taken.append(Control(pair.connect(of=None)))
            taken[-1].sock.sendall(b"\1")
        except (BlockingIOError, ConnectionResetError, BrokenPipeError):
            break
    other = pair.house.peer(uid=NOBODY, gid=NOBODY)
    with pair.app(of=other) as app:
        app.attach()
    for control in taken:
        control.close()


def test_one_user_takes_all_channels(pair, bystander):
    greedy = pair.app(of=pair.house.peer(uid=NOBODY, gid=NOBODY))
    with pytest.raises(Refused):
        for _ in range(2000):
            control = Control(greedy.connect())
            answer = control.ask(req_channel(greedy.id, os.urandom(16)))
            control.close()
            if not answer or answer.status:
                raise Refused(answer)
            for fd in answer.fds:
                os.close(fd)
    pair.channel()


def test_who_does_not_read_answers(pair, bystander):
    """It is not answered for ever, and nobody waits for it."""
    control = Control(pair.connect())
    control.sock.setblocking(False)
    try:
        for i in range(100_000):
            control.sock.send(message(0x77, i))
    except (BlockingIOError, BrokenPipeError, ConnectionResetError):
        pass
    with pair.app() as app:
        app.attach()
    control.close()


def passed(sock, data, stopped):
    """A socket that lingers goes along with it, and is the receiver's alone; `stopped` is
    whoever is to be stopped until it has gone."""
    sender, receiver = lingering()
    os.kill(stopped, signal.SIGSTOP)
    try:
        socket.send_fds(sock, [data], [sender.fileno()] * 3)
    except PermissionError:  # from Linux 6.16 on the kernel refuses for us
        receiver.close()  # or we would be the one who waits
    os.close(sender.detach())
    os.kill(stopped, signal.SIGCONT)
    return receiver


def test_descriptors_that_are_passed(pair, bystander):
    """They are neither kept nor closed where closing waits."""
    with pair.app() as app:
        app.attach()
    fds = pair.near.fds()
    for data in register(os.urandom(16)), register(os.urandom(16))[:7]:
        with Control(pair.connect()) as control:
            receiver = passed(control.sock, data, pair.near.pid)
        with pair.app() as app:
            app.attach()
        receiver.close()
    mtl.poll_until(lambda: pair.near.fds() <= fds, "none is kept", 10)


def test_descriptors_that_are_passed_over_a_doorbell(pair, bystander):
    """Who waits then would be an engine, and all its channels."""
    fds = pair.near.fds()
    app = pair.app()
    channel = app.attach(rings=True)
    receiver = passed(channel.control.sock, b"!", pair.near.pid)
    echo(*bystander, b"meanwhile")
    app.close()
    echo(*bystander, b"and then")
    receiver.close()
    mtl.poll_until(lambda: pair.near.fds() <= fds, "none is kept", 10)


def test_refusals_do_not_fill_the_log(pair):
    app = pair.app()
    with Control(pair.connect()) as control:
        for _ in range(5000):
            assert control.ask(register(app.id)).status == -1
    assert pair.near.stop() == 0
    assert pair.near.text.count("\n") < 100
