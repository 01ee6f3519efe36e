# SPDX-License-Identifier: BSD-3-Clause
"""Interfaces that are not fit, or change under the daemon's hands: a clear answer,
and everything as before."""
import contextlib
import os

import pytest

import mtl
from nic import Foreign, datagrams, leases

PORT, OTHER = 5000, 5001
NO_QUEUE = (mtl.QUEUE_ID, -1)


def ifindex(house, name):
    return int(house.run("cat", f"/sys/class/net/{name}/ifindex").stdout)


def refused(reeved, number, why):
    """Every request about that interface, and the reason in the log."""
    since = reeved.mark()
    with reeved.connect_mtl() as client:
        assert client.register(ifindexes=[number]) == -1
        assert client.ask(mtl.interface(mtl.GET_QUEUE, number)) == NO_QUEUE
        assert client.response(mtl.udp_filter(mtl.ADD_UDP_FILTER, number, PORT)) == -1
        client.send(mtl.interface(mtl.XSK_MAP_FD, number))
        assert client.read_descriptor() == (b"\x20", "/dev/null")
    reeved.wait_log(why, since)
    assert leases(reeved) == []


def test_loopback(lab):
    reeved = lab.start()
    refused(reeved, ifindex(lab.house, "lo"), "loopback")
    shown = lab.house.run("ip", "-d", "link", "show", "lo").stdout
    assert "xdp" not in shown
    with reeved.connect_native() as native:
        assert "lo" not in [n["name"] for n in native.call("ListNics")["nics"]]
        assert native.refused("AcquireQueues", nic="lo").short in ("NoSuchResource", "Unsupported")


@pytest.mark.parametrize("number", [0, 99999, 0x7FFFFFFF, 0xFFFFFFFF])
def test_no_such_interface(lab, number):
    refused(lab.start(), number, "no such interface")


def test_an_interface_of_another_namespace(lab):
    """Numbers and names mean those of the daemon's own namespace, whoever asks."""
    reeved = lab.start()
    lab.outside.run("ip", "link", "add", "dev", "there", "index", "777", "type", "veth")
    refused(reeved, 777, "no such interface")
    with reeved.connect_native() as native:
        assert native.refused("AcquireQueues", nic="there").short == "NoSuchResource"
    assert "xdp" not in lab.outside.run("ip", "-d", "link", "show", "there").stdout


def test_a_veth_with_one_queue(lab):
    """Its only queue is the system's, unless the config gives it away."""
    reeved, nic = lab.start(), lab.nic(queues=1)
    refused(reeved, nic.ifindex, "1 of 1 queues kept for the system")
    assert nic.xdp() is None


def test_an_interface_that_is_down(lab):
    reeved, nic = lab.start(), lab.nic()
    nic.ip("link", "set", nic.name, "down")
    with reeved.connect_mtl() as client:
        before = client.register(ifindexes=[nic.ifindex])
        assert before in (0, -1)
    mtl.poll_until(lambda: lab.bare(nic), "nothing is attached")
    nic.ip("link", "set", nic.name, "up")
    client = lab.client()
    queue = client.attach(nic, [PORT])
    nic.send(queue, nic.udp(PORT), 2)
    assert client.ports(2) == {PORT: 2}


def test_every_port_there_is(lab):
    """65,535 ports of one client, then once more; port 0 is none."""
    reeved, nic = lab.start(), lab.nic()
    client = lab.client()
    queue = client.attach(nic)
    with reeved.connect_mtl() as many:
        assert many.register(ifindexes=[nic.ifindex]) == 0
        assert many.response(mtl.udp_filter(mtl.ADD_UDP_FILTER, nic.ifindex, 0)) == -1
        for begin in range(1, 65536, 1000):
            ports = range(begin, min(begin + 1000, 65536))
            many.send(b"".join(mtl.udp_filter(mtl.ADD_UDP_FILTER, nic.ifindex, port)
                               for port in ports))
            answers = [many.reply()[1] for _ in ports]
            if set(answers) != {0}:
                break
        # The ledger has room for 65,536 leases of all kinds; whoever is at its end is told.
        refused_from = begin + answers.index(-1) if -1 in answers else None
        assert refused_from is None or refused_from > 65_000
        assert client.order("port", nic.name, PORT) in ((0,) if refused_from is None else (0, -1))
    mtl.poll_until(lambda: len(leases(reeved)) <= 3, "the ports are back")
    if refused_from is not None:
        client.order("port", nic.name, PORT)
    nic.send(queue, nic.udp(PORT), 2)
    assert client.ports(2) == {PORT: 2}


def test_flows_where_there_are_none(lab):
    """A veth has no flow rules, and software flows are not on: EOPNOTSUPP."""
    reeved, nic, client = lab.start(), lab.nic(), lab.client()
    queue = client.attach(nic, [PORT])
    since = reeved.mark()
    assert client.order("flow", nic.name, queue, "-", "239.1.1.1", PORT) == -1
    reeved.wait_log("no flow rules", since)
    assert client.order("unflow", nic.name, 1) == -1
    with reeved.connect_native() as native:
        native.call("AcquireQueues", nic=nic.name, count=1)
        error = native.refused("AddFlow", nic=nic.name, queue=2, destination_port=PORT)
        assert error.short == "Unsupported"
    nic.send(queue, nic.udp(PORT), 2)
    assert client.ports(2) == {PORT: 2}


def test_queues_that_are_in_use(lab):
    reeved, nic, holder = lab.start(), lab.nic(), lab.client()
    assert holder.attach(nic, [PORT], queues=2) == [1, 2]
    with reeved.connect_native() as native:
        assert native.refused("AcquireQueues", nic=nic.name, queues="2").short == "Taken"
        assert native.refused("AcquireQueues", nic=nic.name, queues="2-3").short == "Taken"
        assert native.refused("AcquireQueues", nic=nic.name, queues="0").short == "NoSuchResource"
        assert native.refused("AcquireQueues", nic=nic.name, queues="4").short == "NoSuchResource"
        assert native.refused("AcquireQueues", nic=nic.name, count=2).short == "NotEnough"
        before = leases(reeved)
        assert native.call("AcquireQueues", nic=nic.name, queues="3")["queues"] == "3"
        assert native.refused("AcquireQueues", nic=nic.name).short == "NotEnough"
    mtl.poll_until(lambda: not any("queue 3" in name for name in leases(reeved)), "it is back")
    assert len(before) == len(leases(reeved)) + before.count(f"xdp of if {nic.ifindex}") - 1
    nic.send(1, nic.udp(PORT), 2)
    assert holder.ports(2) == {PORT: 2}


def test_an_interface_that_goes_while_it_is_in_use(lab):
    """And comes back under its name, with another number, and under its number."""
    reeved, nic, client = lab.start(), lab.nic(), lab.client()
    client.attach(nic, [PORT], queues=3)
    with reeved.connect_mtl() as other:
        assert other.register(ifindexes=[nic.ifindex]) == 0
        for again in range(3):
            gone = nic.ifindex
            nic.delete()
            mtl.poll_until(lambda: leases(reeved) == [], "the leases have ended")
            mtl.poll_until(lambda: not lab.pins(), "nothing is pinned")
            assert other.ask(mtl.interface(mtl.GET_QUEUE, gone)) == NO_QUEUE
            nic.create(4)
            # A connection that was on the old one has to ask for the new one like any other.
            assert other.ask(mtl.interface(mtl.GET_QUEUE, nic.ifindex)) == (mtl.QUEUE_ID, 1)
    fresh = lab.client()
    mtl.poll_until(lambda: leases(reeved) == [], "the leases have ended")
    queue = fresh.attach(nic, [PORT])
    nic.send(queue, nic.udp(PORT), 3)
    assert fresh.ports(3) == {PORT: 3}


@pytest.mark.parametrize("requests", [1, 4, 30])
def test_an_interface_that_goes_in_mid_transaction(lab, requests):
    """Requests on their way when it goes are all answered, and none leaves a lease."""
    reeved = lab.start()
    for _ in range(5):
        nic = lab.nic(f"gone{len(lab.nics)}")
        client = reeved.connect_mtl()
        burst = [mtl.register(ifindexes=[nic.ifindex])]
        burst += [mtl.interface(mtl.GET_QUEUE, nic.ifindex),
                  mtl.udp_filter(mtl.ADD_UDP_FILTER, nic.ifindex, PORT)] * requests
        client.send(b"".join(burst))
        nic.delete()
        for _ in burst:
            client.reply()
        mtl.poll_until(lambda: leases(reeved) == [], "no lease is left")
        mtl.poll_until(lambda: not lab.pins(), "nothing is pinned")
        assert [client.register(), client.get(70), client.put(70)] == [0, 0, 0]
        client.close()


def test_a_renamed_interface(lab):
    reeved, nic, client = lab.start(), lab.nic(), lab.client()
    queue = client.attach(nic, [PORT])
    nic.ip("link", "set", nic.name, "down")
    nic.ip("link", "set", nic.name, "name", "other1")
    nic.name = "other1"
    nic.ip("link", "set", nic.name, "up")
    nic.send(queue, nic.udp(PORT), 3)
    assert client.ports(3) == {PORT: 3}
    with reeved.connect_native() as native:
        assert "other1" in [n["name"] for n in native.call("ListNics")["nics"]]
    second = lab.client()
    assert second.attach(nic, [PORT]) == 2
    for one in (client, second):
        one.kill()
    mtl.poll_until(lambda: lab.bare(nic), "the program is detached")


@contextlib.contextmanager
def bpffs(lab, command):
    assert lab.house.run("sh", "-c", command).returncode == 0
    yield
    assert lab.house.run("sh", "-c", "umount /sys/fs/bpf; mount -t bpf bpf /sys/fs/bpf"
                         ).returncode == 0


@pytest.mark.parametrize("state", ["not mounted", "read-only"])
def test_without_a_bpf_file_system(lab, state):
    """A clear answer, or it works without; then all is well when it is there."""
    nic = lab.nic()
    command = {"not mounted": "umount /sys/fs/bpf",
               "read-only": "mount -o remount,ro /sys/fs/bpf"}[state]
    with bpffs(lab, command):
        reeved = lab.start()
        refused(reeved, nic.ifindex, r"/sys/fs/bpf")
        assert nic.xdp() is None
    client = lab.client()
    queue = client.attach(nic, [PORT])
    nic.send(queue, nic.udp(PORT), 3)
    assert client.ports(3) == {PORT: 3}


def test_a_foreign_program_is_left_alone_and_named(lab):
    reeved, nic = lab.start(), lab.nic()
    with Foreign(lab.house, nic) as other:
        assert other.attach()
        before = nic.xdp()
        refused(reeved, nic.ifindex, rf"foreign.*{before[1]}|{before[1]}.*foreign")
        assert nic.xdp() == before
        assert not lab.pins()
        with reeved.connect_native() as native:
            shown, = [n for n in native.call("ListNics")["nics"] if n["name"] == nic.name]
            assert (shown["foreign"], shown["program"]) == (True, before[1])
    client = lab.client()
    mtl.poll_until(lambda: nic.xdp() is None, "the other's program is gone")
    queue = client.attach(nic, [PORT])
    nic.send(queue, nic.udp(PORT), 3)
    assert client.ports(3) == {PORT: 3}


def test_a_foreign_program_attached_by_netlink_is_left_alone(lab):
    """The other way to attach one; it stays until somebody takes it away."""
    reeved, nic = lab.start(), lab.nic()
    with Foreign(lab.house, nic) as other:
        assert other.attach()
        program = nic.xdp()[1]
        pin = lab.house.run("bpftool", "prog", "pin", "id", program, "/sys/fs/bpf/foreign")
        assert pin.returncode == 0, pin.stderr
    nic.ip("link", "set", nic.name, "xdpdrv", "pinned", "/sys/fs/bpf/foreign")
    before = nic.xdp()
    refused(reeved, nic.ifindex, f"{before[1]}")
    assert nic.xdp() == before and lab.pins() == ["/foreign"]
    nic.ip("link", "set", nic.name, "xdpdrv", "off")
    lab.house.run("rm", "/sys/fs/bpf/foreign")


def test_a_foreign_program_that_comes_between(lab):
    """Somebody attaches and detaches all the time: whoever was first has it, and
    neither is touched by the other."""
    reeved, nic = lab.start(), lab.nic()
    with Foreign(lab.house, nic) as other:
        for turn in range(30):
            client = reeved.connect_mtl()
            client.send(mtl.register(ifindexes=[nic.ifindex]))
            mtl.wait_io([client.sock.fileno()], limit=turn * 0.001)
            attached = other.attach()
            assert client.reply() == (mtl.RESPONSE, -1 if attached else 0)
            assert nic.xdp()[1] == other.program or not attached
            client.close()
            other.detach()
            mtl.poll_until(lambda: lab.bare(nic), "nothing is attached")


def test_channels_lowered_while_leased(lab):
    reeved, nic, client = lab.start(), lab.nic(), lab.client()
    assert [client.order("queue", nic.name) for _ in range(3)] == [1, 2, 3]

    def leased():
        return [name for name in leases(reeved) if name.startswith("queue")]

    for left in (2, 1):
        nic.channels(left)
        mtl.poll_until(lambda: leased() == [f"queue 1 of if {nic.ifindex}"] * (left - 1),
                       "leases over queues that are gone end")
    assert [client.order("putqueue", nic.name, queue) for queue in (1, 2, 3)] == [-1] * 3
    assert client.order("queue", nic.name) == -1
    nic.channels(4)
    queue = client.attach(nic, [PORT])
    nic.send(queue, nic.udp(PORT), 3)
    assert client.ports(3) == {PORT: 3}


def test_a_client_that_never_reads_its_descriptors(lab):
    """Each waiting reply holds one: it gets few, and holds nobody up."""
    reeved, nic = lab.start(), lab.nic()
    deaf = reeved.connect_mtl()
    assert deaf.register(ifindexes=[nic.ifindex]) == 0
    before = len(os.listdir(f"/proc/{reeved.core_pid()}/fd"))
    deaf.sock.setblocking(False)
    request = mtl.interface(mtl.XSK_MAP_FD, nic.ifindex) * 100
    other = lab.client()
    other.attach(nic, [PORT])
    sent = 0
    with contextlib.suppress(BlockingIOError, BrokenPipeError, ConnectionResetError):
        while sent < 10_000_000:
            sent += deaf.sock.send(request)
            assert other.order("port", nic.name, OTHER) == 0
            assert other.order("unport", nic.name, OTHER) == 0
    assert sent < 10_000_000, "the daemon swallows whatever is sent"
    assert len(os.listdir(f"/proc/{reeved.core_pid()}/fd")) < before + 20
    deaf.close()
    assert other.order("port", nic.name, OTHER) == 0


def test_many_clients_on_one_interface(lab):
    """More clients than queues: each is on it, those without a queue get no frames."""
    reeved, nic = lab.start(), lab.nic(queues=16)
    crowd = [reeved.connect_mtl() for _ in range(200)]
    for client in crowd:
        client.send(mtl.register(ifindexes=[nic.ifindex]) +
                    mtl.interface(mtl.GET_QUEUE, nic.ifindex) +
                    mtl.udp_filter(mtl.ADD_UDP_FILTER, nic.ifindex, PORT))
    answers = [[client.reply() for _ in range(3)] for client in crowd]
    assert {a[0] for a in answers} == {(mtl.RESPONSE, 0)}
    queues = [a[1][1] for a in answers]
    assert sorted(queue for queue in queues if queue > 0) == list(range(1, 16))
    assert queues.count(-1) == 185
    assert {a[2] for a in answers} == {(mtl.RESPONSE, 0)}
    for client in crowd:
        client.close()
    mtl.poll_until(lambda: lab.bare(nic), "the program is detached")


def test_300_failing_registrations_leak_nothing(lab):
    reeved = lab.start()
    lab.house.run("ip", "link", "add", "dev", "none", "type", "bridge")
    number = ifindex(lab.house, "none")

    def files():
        return [len(os.listdir(f"/proc/{pid}/fd")) for pid in (reeved.pid, reeved.core_pid())]

    with reeved.connect_mtl() as stays:  # what is kept for this process is kept once
        assert stays.register() == 0
        before = files()
        for _ in range(300):
            with reeved.connect_mtl() as client:
                assert client.register(ifindexes=[number]) == -1
        mtl.poll_until(lambda: files() == before, "all closed")


@contextlib.contextmanager
def memory_cgroup():
    """(path, name of the limit's file), for a process to be put into."""
    for folder, limit in (("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
                          ("/sys/fs/cgroup", "memory.max")):
        path = f"{folder}/reeve-test-{os.getpid()}"
        with contextlib.suppress(OSError):
            os.mkdir(path)
            try:
                if os.path.exists(f"{path}/{limit}"):
                    yield path, limit
                    return
            finally:
                mtl.poll_until(lambda: not open(f"{path}/cgroup.procs").read(), "it is empty")
                os.rmdir(path)
    pytest.skip("no memory cgroup can be made here")


def test_memory_for_maps_is_exhausted(lab):
    """Who comes too late is told; who has what it needs goes on."""
    with memory_cgroup() as (path, limit):
        reeved, nic, first = lab.start(), lab.nic(queues=64), lab.client()
        queue = first.attach(nic, [PORT])
        for name, value in (("cgroup.procs", reeved.pid), (limit, 6 << 20)):
            with open(f"{path}/{name}", "w") as file:
                file.write(str(value))
        crowd = []
        while not crowd or granted:
            assert len(crowd) < 30
            crowd.append(reeved.connect_mtl())
            granted = crowd[-1].register(ifindexes=[nic.ifindex]) == 0
            if granted:
                assert crowd[-1].ask(mtl.interface(mtl.GET_QUEUE, nic.ifindex))[1] > 0
                assert crowd[-1].response(
                    mtl.udp_filter(mtl.ADD_UDP_FILTER, nic.ifindex, PORT)) == 0
        nic.send(queue, nic.udp(PORT), 3)
        assert first.ports(3) == {PORT: 3}
        assert len([name for name in leases(reeved) if name.startswith("queue")]) == len(crowd)
        for client in crowd:
            client.close()
        mtl.poll_until(lambda: len(leases(reeved)) == 3, "the others' leases are back")
        # What was theirs is replaced by the next ones', so there has to be room for one more.
        with open(f"{path}/{limit}", "w") as file:
            file.write(str(12 << 20))
        with reeved.connect_mtl() as late:
            assert late.ask(mtl.interface(mtl.GET_QUEUE, nic.ifindex)) == (mtl.QUEUE_ID, 2)
        assert reeved.stop() == 0


def test_kill_9_of_reeved_and_a_new_start(lab):
    first, nic, client = lab.start(), lab.nic(), lab.client()
    client.attach(nic, [PORT])
    first.kill()
    client.kill()
    second = lab.start()
    mtl.poll_until(lambda: lab.bare(nic), "the next start cleans up")
    fresh = lab.client()
    queue = fresh.attach(nic, [PORT])
    nic.send(queue, nic.udp(PORT), 3)
    assert fresh.ports(3) == {PORT: 3}
    assert second.stop() == 0
    kernel = nic.listen(PORT)
    nic.send(queue, nic.udp(PORT), 2)
    datagrams(kernel, 2)


def test_kill_9_and_an_interface_that_went_meanwhile(lab):
    first, nic, client = lab.start(), lab.nic(), lab.client()
    client.attach(nic, [PORT])
    first.kill()
    client.kill()
    nic.delete()
    nic.create(4)
    lab.start()
    mtl.poll_until(lambda: lab.bare(nic), "the next start cleans up")
    fresh = lab.client()
    queue = fresh.attach(nic, [PORT])
    nic.send(queue, nic.udp(PORT), 3)
    assert fresh.ports(3) == {PORT: 3}
