# SPDX-License-Identifier: BSD-3-Clause
"""Bad input and bad neighbours. Each gets an answer or a clean close and changes
nothing for anybody else."""
import os
import random
import re
import resource
import signal
import socket
import struct
import time

import pytest

import mtl
import varlink
from daemon import status_of
from stream import lingering

NOBODY = 65534
A_SECOND = 1.0


@pytest.fixture
def bystander(reeved):
    """A well-behaved client that must notice nothing."""
    client = reeved.connect_mtl()
    assert client.register(hostname=b"bystander") == 0
    assert client.get(70) == 0
    yield client
    assert client.get(71) == 0
    assert client.put(71) == 0
    assert client.get(70) == -1, "the bystander's lease is gone"
    assert client.put(70) == 0


def until_granted(client, lcore, limit=A_SECOND):
    """Asks until the lcore is free again; fails after the limit."""
    mtl.poll_until(lambda: client.get(lcore) == 0, f"lcore {lcore} came back", limit)


def serves(reeved):
    with reeved.connect_mtl() as client:
        assert client.register() == 0
        assert [client.get(99), client.put(99)] == [0, 0]
    with reeved.connect_native() as native:
        native.call("Status")


def push(client, data):
    """Sends all the daemon takes; whatever it answers is thrown away."""
    client.sock.setblocking(False)
    view = memoryview(data)
    while view:
        fd = [client.sock.fileno()]
        readable, writable = mtl.wait_io(fd, fd)
        assert readable or writable, "neither read nor answered"
        try:
            if readable and not client.sock.recv(1 << 20):
                return
            if writable:
                view = view[client.sock.send(view):]
        except BlockingIOError:
            pass
        except (BrokenPipeError, ConnectionResetError):
            return


@pytest.mark.parametrize("seed", range(4))
def test_random_bytes(reeved, bystander, seed):
    noise = random.Random(seed)
    for _ in range(50):
        client = reeved.connect_mtl()
        push(client, noise.randbytes(noise.randrange(1, 40_000)))
        client.close()
    serves(reeved)


@pytest.mark.parametrize("seed", range(4))
def test_random_requests(reeved, bystander, seed):
    """Sound frames around random bodies, half of them registered before."""
    noise = random.Random(seed)
    for _ in range(40):
        client = reeved.connect_mtl()
        if noise.random() < 0.5:
            client.register()
        push(client, b"".join(mtl.frame(noise.choice([*range(99, 114), 0, noise.getrandbits(32)]),
                                        noise.randbytes(106)) for _ in range(100)))
        client.close()
    serves(reeved)


@pytest.mark.parametrize("seed", range(2))
def test_random_bytes_on_the_native_socket(reeved, bystander, seed):
    noise = random.Random(seed)
    for _ in range(50):
        client = reeved.connect_native()
        push(client, noise.randbytes(noise.randrange(1, 100_000)))
        client.close()
    serves(reeved)


def test_wrong_magic_is_skipped(reeved, bystander):
    client = reeved.connect_mtl()
    client.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    client.send(mtl.frame(mtl.REGISTER, magic=0x4D544C49))
    client.wait_taken()
    assert client.register() == 0


def test_half_a_message_holds_nobody_up(reeved, bystander):
    halves = [reeved.connect_mtl() for _ in range(100)]
    for cut, client in enumerate(halves):
        client.send(mtl.register()[:cut + 1])
    serves(reeved)
    for client in halves:
        client.close()


def test_ten_thousand_connections(house):
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 20_000:
        pytest.skip(f"the hard limit of open files is {hard}; 20,000 are needed here")
    reeved = house.start()
    clients = []
    register = mtl.register()
    for _ in range(10_000):
        clients.append(reeved.connect_mtl())
        clients[-1].send(register)
    assert all(client.reply() == (mtl.RESPONSE, 0) for client in clients)
    with reeved.connect_native() as native:
        assert native.call("Status")["clients"] >= 10_000
    assert clients[0].get(5) == 0
    assert clients[-1].get(5) == -1
    for client in clients:
        client.close()
    last = reeved.connect_mtl()
    assert last.register() == 0
    until_granted(last, 5, limit=5)


def test_a_client_that_never_reads(reeved, bystander):
    deaf = reeved.connect_mtl()
    deaf.sock.setblocking(False)
    try:
        for _ in range(100_000):
            deaf.sock.send(mtl.heartbeat() * 100)
    except (BlockingIOError, BrokenPipeError, ConnectionResetError):
        pass
    else:
        raise AssertionError("the daemon swallows whatever is sent")
    for _ in range(100):
        assert bystander.response(mtl.heartbeat()) == 0
    serves(reeved)


def test_a_native_client_that_never_reads(reeved, bystander):
    deaf = reeved.connect_native()
    deaf.sock.setblocking(False)
    try:
        for _ in range(100_000):
            deaf.send("DescribeHost")
    except (BlockingIOError, BrokenPipeError, ConnectionResetError):
        pass
    else:
        raise AssertionError("the daemon swallows whatever is sent")
    serves(reeved)


def test_an_event_stream_that_is_not_read(reeved, bystander):
    """It may lose events or its connection; the others must not lose time."""
    deaf = reeved.connect_native()
    deaf.stream()
    client = reeved.connect_mtl()
    client.register()
    for _ in range(5000):
        assert [client.get(80), client.put(80)] == [0, 0]
    serves(reeved)


def test_death_between_request_and_reply(reeved, house, bystander):
    for _ in range(30):
        peer = house.peer()
        client = reeved.connect_mtl(peer)
        client.send(mtl.register() + mtl.get_lcore(72))
        peer.kill()
        client.close()
    until_granted(bystander, 72)
    assert bystander.put(72) == 0


@pytest.mark.parametrize("lcore", [128, 4096, 65535])
def test_an_lcore_no_host_has(reeved, bystander, lcore):
    if lcore < os.cpu_count():
        pytest.skip(f"this host has a CPU {lcore}")
    client = reeved.connect_mtl()
    assert client.register() == 0
    assert [client.get(lcore), client.put(lcore)] == [-1, -1]


def test_someone_elses_lease(reeved, house, bystander):
    stranger = reeved.connect_mtl(house.peer(uid=NOBODY))
    assert stranger.register() == 0
    assert stranger.put(70) == -1
    assert stranger.get(70) == -1


def test_someone_elses_native_lease(reeved, house):
    with reeved.connect_native() as owner:
        (lease, *_), _ = owner.acquire(1)
        thief = reeved.connect_native(house.peer(uid=NOBODY))
        assert thief.refused("Release", lease=lease).short in ("NotYours", "NoSuchLease")
        assert thief.refused("Release", lease=1 << 40).short == "NoSuchLease"
        assert [held["lease"] for held in owner.leases()] == [lease]


def test_the_lease_ends_with_the_process_though_its_socket_lives(reeved, house, bystander):
    """A fork keeps the socket open while the registered process is killed."""
    peer = house.peer()
    orphan = reeved.connect_mtl(peer)
    assert orphan.register() == 0
    assert orphan.get(73) == 0
    peer.kill()
    until_granted(bystander, 73)
    assert bystander.put(73) == 0
    # The connection is not the dead process' to pass on.
    assert orphan.wait_closed() == []


def test_the_native_lease_ends_with_the_process_too(reeved, house, bystander):
    peer = house.peer()
    orphan = reeved.connect_native(peer)
    (lease, *_), _ = orphan.acquire(1)
    with reeved.connect_native() as native:
        native.stream()
        native.wait_event(lambda e: e["type"] == "grant" and e["lease"] == lease)
        peer.kill()
        killed = time.monotonic()
        native.wait_event(lambda e: e["type"] == "release" and e["lease"] == lease)
        assert time.monotonic() - killed < A_SECOND


def test_descriptors_a_client_sends_do_no_harm(reeved, house, bystander):
    """A kernel that can refuse them does; else the connection ends."""
    core = reeved.core_pid()
    before = len(os.listdir(f"/proc/{core}/fd"))
    null = os.open("/dev/null", os.O_RDONLY)
    for _ in range(50):
        client = reeved.connect_mtl()
        try:
            socket.send_fds(client.sock, [mtl.heartbeat()], [null] * 50)
        except PermissionError:
            assert client.register() == 0, "the connection stays"
        else:
            assert client.sock.recv(1) == b""
        client.close()
    os.close(null)
    mtl.poll_until(lambda: len(os.listdir(f"/proc/{core}/fd")) <= before + 2, "all are gone")


def test_a_socket_that_lingers_makes_nobody_wait(reeved):
    """Passed, it is closed by whoever throws it away; there may be no way to pass it."""
    for stopped in (False, True):
        sender, receiver = lingering()
        core = reeved.core_pid()
        client = reeved.connect_mtl()
        if stopped:  # then it is unread when the client has gone
            os.kill(core, signal.SIGSTOP)
        try:
            socket.send_fds(client.sock, [mtl.heartbeat()], [sender.fileno()])
        except PermissionError:
            receiver.close()  # or we would be the one who waits
        os.close(sender.detach())
        client.close()
        os.kill(core, signal.SIGCONT)
        begun = time.monotonic()
        assert reeved.connect_mtl().register() == 0
        assert reeved.connect_mtl().register() == 0
        assert time.monotonic() - begun < 5
        receiver.close()


def test_full_disk(house):
    """stdout is a file on a full disk."""
    with open("/dev/full", "w") as full:
        reeved = house.start(stdout=full.fileno())
    for _ in range(200):
        serves(reeved)
    assert reeved.stop() == 0


def test_blocked_log_reader(house):
    """stdout is a pipe that nobody reads."""
    reader, writer = os.pipe()
    reeved = house.start(stdout=writer, args=["--log-level", "debug"])
    os.close(writer)
    client = reeved.connect_mtl()
    client.register()
    for _ in range(5000):
        assert [client.get(80), client.put(80)] == [0, 0]
    assert reeved.stop() == 0
    os.close(reader)


def test_log_reader_that_went_away(house):
    """stdout is a pipe whose other end was closed."""
    reader, writer = os.pipe()
    reeved = house.start(stdout=writer)
    os.close(writer)
    os.close(reader)
    for _ in range(20):
        serves(reeved)
    assert reeved.stop() == 0


def test_refusals_do_not_flood_the_log(reeved, bystander):
    client = reeved.connect_mtl()
    client.register()
    for _ in range(5000):
        assert client.get(65535) == -1
    before = len(reeved.log())
    assert before < 1000, "a client can fill the disk with log lines"


def test_refusals_hide_no_decision(reeved, house):
    """Neither a grant of who makes them, nor a line of another uid in the same tenant."""
    loud, other = (reeved.connect_mtl(house.peer(uid=uid, gid=uid)) for uid in (1001, 1002))
    loud.register()
    for _ in range(100):
        loud.send(mtl.get_lcore(65535) * 32)
        assert [loud.reply() for _ in range(32)] == [(mtl.RESPONSE, -1)] * 32
    other.register()
    assert other.get(65535) == -1
    assert other.get(80) == 0
    reeved.wait_log(r"refuse .*uid=1002\b")
    reeved.wait_log(r"grant .*uid=1002\b")
    assert loud.get(81) == 0
    reeved.wait_log(r"grant .*uid=1001\b")
    refused = [line for line in reeved.log() if re.search(r"refuse .*uid=1001\b", line)]
    assert len(refused) < 1000


def test_looks_of_one_uid_are_its_own(reeved, house, cpus):
    """One uid has its processes looked at until it may not; another's still are."""
    if len(cpus) < 2:
        pytest.skip("needs two CPUs")
    clients = []

    def told():
        client = reeved.connect_mtl(house.peer(uid=1001, gid=1001, cpus={cpus[-1]}))
        clients.append(client)
        client.register()
        client.get(0)
        return any("not looked up" in line for line in reeved.log())

    mtl.poll_until(told, "one look too many")
    line = reeved.wait_log("lcore id not looked up")
    assert "uid=1001" in line and "pid=" in line and "lcore=0" in line
    other = reeved.connect_mtl(house.peer(uid=1002, gid=1002, cpus={cpus[-1]}))
    other.register()
    other.get(0)
    reeved.wait_log(rf"lcore id resolved .*uid=1002\b.* cpu={cpus[-1]}\b")
    guesses = [client for client in clients if client.put(0) == 0]
    assert guesses, "a lease by a guess is found again"


def test_one_uid_can_not_take_all_connections(house):
    """When there is room for a few hundred, one user's greed leaves some for others."""
    reeved = house.start(nofile=400)
    greedy = house.peer(uid=NOBODY, gid=NOBODY)
    held = []
    for _ in range(600):
        client = reeved.connect_mtl(greedy)
        client.sock.setblocking(False)
        try:
            client.sock.send(mtl.register())
        except BrokenPipeError:
            pass
        held.append(client)
    serves(reeved)
    other = reeved.connect_mtl(house.peer(uid=1234, gid=1234))
    assert other.register() == 0
    for client in held:
        client.close()
    serves(reeved)


def open_files(pid):
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            yield os.readlink(f"/proc/{pid}/fd/{fd}")
        except FileNotFoundError:  # closed while we looked
            pass


def test_no_descriptor_is_left_behind(reeved, house):
    """Neither in reeved nor in the core, however a client ended."""
    pids = reeved.pid, reeved.core_pid()

    def files():
        return [sorted(name.split(":")[0] for name in open_files(pid)) for pid in pids]

    def visit(times):
        """Clients that come and go; then what is open while one more is there."""
        for n in range(times):
            peer = house.peer(uid=NOBODY)
            client = reeved.connect_mtl(peer)
            client.send(mtl.register() if n % 2 else mtl.register()[:50])
            native = reeved.connect_native(peer)
            if n % 3:
                peer.kill()
            client.close()
            native.close()
            peer.kill()
        # Sockets of reeved: two doors, the core, ethtool, one client; of the core: reeved,
        # two of netlink, the client. Others, of reeved: the loop, signals, two timers, the core
        # as a process; of the core: the loop, two timers, the client as a process.
        with reeved.connect_native() as native:
            native.call("Status")
            mtl.poll_until(lambda: [[names.count(kind) for kind in ("socket", "anon_inode")]
                                    for names in files()] == [[5, 5], [4, 4]],
                           "what was opened for them is closed")
            return files()

    first = visit(3)
    assert visit(60) == first


def test_a_huge_native_message_ends_the_connection(reeved, bystander):
    client = reeved.connect_native()
    push(client, b"x" * 10_000_000)
    serves(reeved)
    assert int(status_of(reeved.core_pid())["VmRSS"].split()[0]) < 64 * 1024


def test_abrupt_close_with_linger(reeved, bystander):
    for _ in range(200):
        client = reeved.connect_mtl()
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.send(mtl.register() + mtl.get_lcore(75) + mtl.heartbeat() * 20)
        client.close()
    until_granted(bystander, 75)
    assert bystander.put(75) == 0


def test_two_sockets_of_one_process_are_two_owners(reeved, bystander):
    one, two = reeved.connect_mtl(), reeved.connect_mtl()
    assert [one.register(), two.register()] == [0, 0]
    assert one.get(76) == 0
    assert [two.get(76), two.put(76)] == [-1, -1]
    one.close()
    until_granted(two, 76)


def test_plain_text_on_the_native_socket(reeved):
    client = reeved.connect_native()
    client.send_text("hello")
    with pytest.raises(varlink.Closed):
        client.read()
    reeved.wait_log(r".")
