# SPDX-License-Identifier: BSD-3-Clause
"""Faults of the original manager that need no network interface: for each, one
test showing that reeve does not have it. The first line of a test's description
says what the original does."""
import os
import signal
import socket

import pytest

import mtl
from daemon import comm

NOBODY = 65534


@pytest.fixture
def native(reeved):
    with reeved.connect_native() as client:
        yield client


def wait_ended(native, pid):
    """Until the daemon has seen the end of this process' or connection's instance."""
    native.stream()
    return native.wait_event(lambda e: e["type"] == "instance-end" and e["pid"] == pid)


def registered(reeved, of=None, name=b"host"):
    client = reeved.connect_mtl(of)
    assert client.register(hostname=name, pid=4711) == 0
    return client


def test_row_01_request_and_close_does_not_kill(reeved, house):
    """A client that is gone before its reply is written kills the root daemon
    (SIGPIPE)."""
    pids = reeved.pid, reeved.core_pid()
    for _ in range(300):
        client = reeved.connect_mtl()
        client.send(mtl.register() + mtl.get_lcore(5) * 3)
        client.close()
    for _ in range(20):
        peer = house.peer()
        client = reeved.connect_mtl(peer)
        client.sock.shutdown(socket.SHUT_RD)
        client.send(mtl.register() + mtl.heartbeat() * 50)
        peer.kill()
        client.close()
    with registered(reeved) as client:
        assert client.get(5) == 0
    assert (reeved.pid, reeved.core_pid()) == pids


def test_row_03_a_stranger_gets_cores_within_a_quota_and_nothing_else(reeved, house):
    """Nothing is authorised: any uid, registered or not, may do everything."""
    stranger = registered(reeved, house.peer(uid=NOBODY, gid=NOBODY))
    with reeved.connect_native() as native:
        default, = [t for t in native.call("ListTenants")["tenants"] if t["name"] == "default"]
    quota = default["quota"]["lcore"]
    assert 0 < quota <= 32
    # Channels are for programs of Machnet's, and had of reeve-netd: there is no other way to one.
    assert all(amount == 0 for kind, amount in default["quota"].items()
               if kind not in ("lcore", "channel"))
    # Ids from 64 on are names here, no CPUs: as many as one likes could be asked for.
    answers = [stranger.get(lcore) for lcore in range(64, 64 + quota + 8)]
    assert answers == [0] * quota + [-1] * 8
    for kind in (mtl.ADD_UDP_FILTER, mtl.DEL_UDP_FILTER):
        assert stranger.response(mtl.udp_filter(kind, 1, 5000)) == -1
    for kind, answer in ((mtl.GET_QUEUE, mtl.QUEUE_ID), (mtl.PUT_QUEUE, mtl.RESPONSE),
                         (mtl.ADD_FLOW, mtl.FLOW_ID), (mtl.DEL_FLOW, mtl.RESPONSE)):
        assert stranger.ask(mtl.interface(kind, 1, 1)) == (answer, -1)
    stranger.send(mtl.interface(mtl.XSK_MAP_FD, 1))
    assert stranger.read_descriptor() == (b"\x20", "/dev/null")


def test_row_08_the_socket_of_a_living_manager_is_not_taken(reeved, house):
    """A second manager takes the socket's path; both go on and lease the same cores."""
    client = registered(reeved)
    assert client.get(5) == 0
    second = house.start(ready=False, args=["--runtime-dir", "/run/other"])
    assert second.wait() == 1
    assert "another program serves /var/run/imtl/mtl_manager.sock" in second.stderr()
    assert registered(reeved).get(5) == -1
    assert client.put(5) == 0


def test_row_09_only_the_owner_frees_an_lcore(reeved, native):
    """A stranger may free an lcore, and the old owner's death frees it again under
    the new one: two owners."""
    a, b, c = (registered(reeved) for _ in range(3))
    assert a.get(50) == 0
    assert b.put(50) == -1
    assert b.get(50) == -1
    assert a.put(50) == 0
    assert b.get(50) == 0
    a.close()
    wait_ended(native, os.getpid())
    assert c.get(50) == -1
    assert b.put(50) == 0
    assert c.get(50) == 0


def test_row_10_a_client_that_never_reads_stops_nobody(reeved):
    """About 280 replies that are not read block the one thread in send(): nobody is
    served any more and SIGINT does nothing."""
    deaf = registered(reeved)
    assert deaf.get(9) == 0
    deaf.sock.setblocking(False)
    request = mtl.heartbeat() * 100
    sent, other = 0, registered(reeved)
    try:
        while sent < 50_000_000:
            sent += deaf.sock.send(request)
            assert other.response(mtl.heartbeat()) == 0
    except (BlockingIOError, BrokenPipeError, ConnectionResetError):
        pass
    assert sent > 280 * mtl.FRAME
    assert sent < 50_000_000, "the daemon swallows whatever is sent"
    assert [other.get(8), other.put(8)] * 20 == [0, 0] * 20
    assert reeved.stop(signal.SIGINT) == 0


def test_row_11_out_of_descriptors_is_quiet_and_recovers(house):
    """With no descriptor left, accept() fails in a busy loop: 23 MB of log in 9 s."""
    reeved = house.start(nofile=200)
    first = registered(reeved)
    waiting = []
    for _ in range(400):
        client = reeved.connect_mtl()
        waiting.append(client)
        try:
            client.send(mtl.register())
        except BrokenPipeError:
            pass
    cpu = cpu_ticks(reeved.pid)
    assert first.get(70) == 0
    for _ in range(3000):
        assert first.response(mtl.heartbeat()) == 0
    assert len([line for line in reeved.log() if "instance-start" not in line]) < 20
    assert cpu_ticks(reeved.pid) - cpu < 10, "reeved is busy with nothing"
    # Each was told: served, or turned away by a clean close.
    answers = [client.read() for client in waiting]
    assert {answer and mtl.decode(answer) for answer in answers} == {(mtl.RESPONSE, 0), b""}
    assert answers.count(b"") < 350
    for client in waiting:
        client.close()
    reeved.wait_log("turned away")
    with registered(reeved) as late:
        assert late.get(5) == 0


def cpu_ticks(pid):
    """User and system time of a process, in 1/100 s."""
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def run_time(pid):
    """Time on a processor, in ns."""
    return int(open(f"/proc/{pid}/schedstat").read().split()[0])


def test_row_12_replies_leak_nothing(reeved):
    """Bytes 16 to 117 of a reply are the root process' stack."""
    with registered(reeved) as client:
        for request in (mtl.register(), mtl.get_lcore(5), mtl.put_lcore(5), mtl.put_lcore(5),
                        mtl.heartbeat(), mtl.frame(250), mtl.interface(mtl.GET_QUEUE, 1),
                        mtl.interface(mtl.ADD_FLOW, 1), mtl.register(ifindexes=[1])):
            client.send(request)
            assert client.read()[16:] == bytes(102)


REQUESTS = {
    "get_lcore": mtl.get_lcore(5),
    "put_lcore": mtl.put_lcore(5),
    "heartbeat": mtl.heartbeat(7),
    "type_1": mtl.frame(1),
    "type_99": mtl.frame(99),
    "type_112": mtl.frame(112),
    "type_199": mtl.frame(199),
    "type_204": mtl.frame(204),
    "type_0x7fffffff": mtl.frame(0x7FFFFFFF),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_row_13_every_request_is_answered(reeved, name):
    """Requests of an unregistered client, heartbeats, unknown types and a failed
    IF_XSK_MAP_FD get no answer: libmtl waits for ever."""
    client = reeved.connect_mtl()
    assert client.ask(REQUESTS[name]) == (mtl.RESPONSE, -1)
    client.send(mtl.interface(mtl.XSK_MAP_FD, 1))
    assert client.read_descriptor() == (b"\x20", "/dev/null")
    client.assert_silent()


@pytest.mark.parametrize("kind", [0, 100, 200, 201, 202, 203, 0x80000000, 0xFFFFFFFF])
def test_row_13_what_is_no_request_gets_no_answer(reeved, kind):
    """The other side of row 13: answering an answer could go round for ever."""
    client = registered(reeved)
    client.send(mtl.frame(kind))
    client.assert_silent()


@pytest.mark.parametrize("cut", [1, 4, 12, 59, 117])
def test_row_14_a_split_message_is_put_together(reeved, cut):
    """A request that arrives in two parts is dropped, both parts of it."""
    client = registered(reeved)
    request = mtl.get_lcore(7)
    client.send(request[:cut])
    client.wait_taken()
    client.send(request[cut:])
    assert client.reply() == (mtl.RESPONSE, 0)
    client.assert_silent()


def test_row_14_no_message_of_a_burst_is_lost(reeved):
    """Of requests that arrive together all but the first are lost: two threads of one
    libmtl process lose one within 40,000 calls."""
    client = registered(reeved)
    burst = b"".join(mtl.get_lcore(n) + mtl.put_lcore(n) for n in range(100)) * 100
    replies = b""
    at = 0
    client.sock.setblocking(False)
    while len(replies) < len(burst):
        fd = [client.sock.fileno()]
        readable, writable = mtl.wait_io(fd, fd if burst[at:] else [])
        assert readable or writable, f"{len(burst) - len(replies)} bytes of replies are missing"
        if readable:
            replies += client.sock.recv(1 << 20)
        if writable:
            at += client.sock.send(burst[at:at + 1009])
    answers = {replies[i:i + mtl.FRAME] for i in range(0, len(replies), mtl.FRAME)}
    assert {mtl.decode(answer) for answer in answers} == {(mtl.RESPONSE, 0)}


@pytest.mark.parametrize("num_if", [9, 42, 65535])
def test_row_15_the_number_of_interfaces_is_bounded(reeved, num_if):
    """num_if is believed: the manager reads past the message and its buffer."""
    client = reeved.connect_mtl()
    assert client.register(num_if=num_if) == -1
    assert client.get(5) == -1, "the client counts as registered"
    assert client.register() == 0


def test_row_16_a_hostname_can_not_forge_log_lines(house):
    """64 raw bytes of the client are in every log line: NULs, and new lines that look
    like the manager's own."""
    reeved = house.start(args=["--log-level", "debug"])
    forged = b"x\n2030-01-01T00:00:00.000Z info grant tenant=system\r\x1b[2J\0\xff\x80"
    for name in (forged, b"\n" * 64, bytes(range(1, 65)), b"y" * 64):
        client = registered(reeved, name=name)
        assert client.get(5) == 0
        client.close()
    with reeved.connect_native() as native:
        native.stream()
        native.wait_event(lambda e: e["type"] == "instance-end")
    assert reeved.stop() == 0
    for line in reeved.log():
        assert line.isprintable(), line
        assert not line.startswith("2030"), line


def test_row_24_idle_clients_cost_the_others_nothing(reeved, house):
    """Every event looks through all clients, in one thread."""
    other = house.start(conf='mtl {\n\tsocket = "/run/imtl/crowded.sock"\n}\n',
                        args=["--runtime-dir", "/run/crowded"])
    crowd = [mtl.Client(house.connect("/run/imtl/crowded.sock")) for _ in range(3000)]
    assert all(client.register() == 0 for client in crowd)
    busy = {reeved.core_pid(): registered(reeved), other.core_pid(): crowd[-1]}
    costs = {core: [] for core in busy}

    def are_alike():
        """The least processor time that each core ever took for as many requests, by turns:
        what else the host does only adds to it."""
        for _ in range(25):
            for core, client in busy.items():
                begun = run_time(core)
                for _ in range(100):
                    client.response(mtl.heartbeat())
                costs[core].append(run_time(core) - begun)
        alone, crowded = (min(times) for times in costs.values())
        return crowded < 4 * alone

    mtl.poll_until(are_alike, "idle clients cost the others nothing")


def test_row_25_a_reset_connection_is_a_dead_client(reeved, native):
    """An error of recv() leaves the dead client registered, with all it holds."""
    client = registered(reeved)
    assert client.get(5) == 0
    # Closing with unread replies makes the other side's recv() fail with ECONNRESET.
    client.send(mtl.heartbeat() * 10)
    client.wait_taken()
    client.sock.recv(1, socket.MSG_PEEK)
    client.close()
    wait_ended(native, os.getpid())
    with registered(reeved) as other:
        assert other.get(5) == 0


def test_row_26_ids_that_are_no_cpus_stand_for_what_the_process_may_use(reeved, house, cpus):
    """lcore ids are taken for CPU numbers, though newer DPDK counts them from 0 in each
    process: disjoint processes collide, and those on one CPU are not noticed."""
    if len(cpus) < 2:
        pytest.skip("needs two CPUs")
    one = registered(reeved, house.peer(cpus={cpus[0]}))
    two = registered(reeved, house.peer(cpus={cpus[1]}))
    assert one.get(0) == 0
    assert two.get(0) == 0, "they run on different CPUs"
    with reeved.connect_native() as native:
        assert set(native.lcores()) == {f"lcore {cpus[0]}", f"lcore {cpus[1]}"}
    reeved.wait_log(r"remapped ids")
    assert two.put(0) == 0
    assert registered(reeved, house.peer(cpus={cpus[1]})).get(0) == 0


def test_row_27_a_burst_of_clients_finds_room(reeved):
    """The listening socket has room for 10, and connect() fails for the rest."""
    os.kill(reeved.pid, signal.SIGSTOP)
    try:
        clients = []
        for _ in range(1000):
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            sock.setblocking(False)
            sock.connect(reeved.house.path(mtl.PATH))
            clients.append(mtl.Client(sock))
    finally:
        os.kill(reeved.pid, signal.SIGCONT)
    assert {client.register() for client in clients} == {0}
    assert comm(reeved.core_pid()) == "reeve-core"
