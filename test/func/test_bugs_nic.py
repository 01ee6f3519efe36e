# SPDX-License-Identifier: BSD-3-Clause
"""Faults of the original manager that show on a network interface; the others are
in test_bugs.py. The first line of a test's description says what the original does."""
import os
import re
import signal
import time
from pathlib import Path

import pytest

import mtl
from nic import Foreign, datagrams, leases

ROOT = Path(__file__).resolve().parents[2]
NOBODY = 65534
PORT, OTHER = 5000, 5001
# Clients are kept apart by this form only; the other one has a map for all.
SINGLE = 'nic "*" {\n\txdp = "single"\n}\n'


def test_every_row_has_a_test():
    """The table of docs/mtl-compat.md, against the tests here and in test_bugs.py."""
    table = (ROOT / "docs/mtl-compat.md").read_text().split("## Faults of the original")[1]
    tests = "".join(path.read_text() for path in Path(__file__).parent.glob("test_bugs*.py"))
    rows = re.findall(r"^\| (\d\d) \|", table, re.M)
    assert rows == [f"{row:02}" for row in range(1, 28)]
    assert set(re.findall(r"^def test_row_(\d\d)_", tests, re.M)) == set(rows)


def files(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def test_row_02_a_veth_without_combined_channels(lab):
    """A veth has no combined channels: one request of anybody about one kills the
    manager and leaves its program attached."""
    reeved, nic, client = lab.start(), lab.nic(), lab.client()
    assert "Combined:\tn/a" in lab.house.run("ethtool", "-l", nic.name).stdout
    assert client.order("queue", nic.name) == 1, "its receive queues are what counts"
    client.kill()
    mtl.poll_until(lambda: lab.bare(nic), "the program is detached")
    made = 0
    for name, *how in (("bridge", "link", "add", "type", "bridge"), ("ifb", "link", "add", "type",
                       "ifb"), ("tap", "tuntap", "add", "mode", "tap")):
        if lab.house.run("ip", *how[:2], "dev", name, *how[2:]).returncode == 0:
            made += 1
            other = lab.client()
            assert other.order("register", "x", name) == -1
            assert other.order("queue", name) == -1
            assert "xdp" not in nic.ip("-d", "link", "show", name)
    assert made, "this kernel has no other interface without channels"
    assert leases(reeved) == []


def test_row_03_a_stranger_gets_nothing_of_an_interface(lab):
    """A stranger loads XDP on any interface, gets the map, any queue, any filter."""
    reeved, nic = lab.start(), lab.nic()
    stranger = lab.client(uid=NOBODY)
    assert stranger.order("register", "stranger", nic.name) == -1
    assert stranger.order("queue", nic.name) == -1
    assert stranger.order("port", nic.name, PORT) == -1
    assert stranger.order("flow", nic.name, 1, "-", nic.ours, PORT) == -1
    assert stranger.text("map", nic.name).endswith(" /dev/null")
    assert nic.xdp() is None and leases(reeved) == []


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
def test_row_04_a_manager_that_ends_with_clients_breaks_nobody_after_it(lab, end):
    """After SIGTERM with a client attached the old program stays first in the chain: no
    frame reaches anybody until it is unloaded by hand."""
    first, nic, orphan = lab.start(), lab.nic(), lab.client()
    queue = orphan.attach(nic, [PORT])
    first.send_signal(end)
    first.process.wait(10)
    assert lab.bare(nic)
    second, client = lab.start(), lab.client()
    orphan.kill()
    assert client.attach(nic, [OTHER]) == queue
    nic.send(queue, nic.udp(OTHER), 7)
    assert client.ports(7) == {OTHER: 7}
    kernel = nic.listen(PORT)
    nic.send(queue, nic.udp(PORT), 2)
    datagrams(kernel, 2)
    assert second.stop() == 0


def test_row_04_kill_9_and_a_new_start_bring_frames_on_a_new_port(lab):
    """0 frames for a new port after kill -9 and a restart, and 0 after another one, until
    the old program is unloaded by hand."""
    reeved, nic, old = lab.start(), lab.nic(), lab.client()
    queue = old.attach(nic, [PORT])
    for port in (OTHER, OTHER + 1):
        reeved.kill()
        reeved, client = lab.start(), lab.client()
        its = client.attach(nic, [port])
        assert its != queue
        nic.send(its, nic.udp(port), 7)
        assert client.ports(7) == {port: 7}
        nic.send(queue, nic.udp(PORT), 3)
        assert old.ports(3) == {PORT: 3}, "whoever had frames has them still"


def test_row_05_generic_mode_works_and_is_left_again(lab):
    """Where native mode is refused the fallback never works, and what it attached
    stays for ever."""
    lab.start('nic "*" {\n\tmode = "generic"\n}\n')
    nic = lab.nic()
    for _ in range(3):
        client = lab.client()
        queue = client.attach(nic, [PORT])
        assert nic.xdp()[0] == "generic"
        nic.send(queue, nic.udp(PORT), 4)
        assert client.ports(4) == {PORT: 4}
        client.kill()
        mtl.poll_until(lambda: lab.bare(nic), "the program is detached")


def test_row_05_where_the_driver_refuses_native_mode_generic_is_taken(lab):
    """As above: native mode is refused on a veth with fewer queues than its peer."""
    lab.start()
    nic = lab.nic(queues=2, far_queues=4)
    client = lab.client()
    queue = client.attach(nic, [PORT])
    assert nic.xdp()[0] == "generic"
    nic.send(queue, nic.udp(PORT), 4)
    assert client.ports(4) == {PORT: 4}
    client.kill()
    mtl.poll_until(lambda: lab.bare(nic), "the program is detached")


def test_row_06_nothing_stays_attached(lab):
    """The second program is never removed, at the interface's end nor at the exit."""
    reeved, nic = lab.start(), lab.nic()
    before = nic.link()
    for _ in range(5):
        client = lab.client()
        client.attach(nic, [PORT])
        assert nic.xdp()
        client.kill()
        mtl.poll_until(lambda: lab.bare(nic), "the program is detached")
    lab.client().attach(nic, [PORT])
    assert reeved.stop() == 0
    after = nic.link()
    assert {k: v for k, v in after.items() if k != "xdp"} == before


def test_row_07_no_descriptor_is_lost(lab):
    """13 descriptors are lost with each interface that comes and goes, 3 with each
    that fails: after 75 of the one no request about an interface works any more."""
    reeved, nic = lab.start(), lab.nic()
    both = reeved.pid, reeved.core_pid()

    def cycle():
        with reeved.connect_mtl() as client:
            assert client.register(ifindexes=[nic.ifindex]) == 0
            assert client.ask(mtl.interface(mtl.GET_QUEUE, nic.ifindex)) == (mtl.QUEUE_ID, 1)
            client.send(mtl.interface(mtl.XSK_MAP_FD, nic.ifindex))
            assert client.read_descriptor() == (b"\x20", "anon_inode:bpf-map")
            assert client.response(mtl.udp_filter(mtl.ADD_UDP_FILTER, nic.ifindex, PORT)) == 0
        mtl.poll_until(lambda: not native.leases(), "the leases are back")

    with reeved.connect_native() as native:
        native.call("Status")
        before = [files(pid) for pid in both]
        for _ in range(40):
            cycle()
        mtl.poll_until(lambda: lab.bare(nic), "the program is detached")
        with Foreign(lab.house, nic) as other, reeved.connect_mtl() as failing:
            assert other.attach()
            for _ in range(60):
                assert failing.register(ifindexes=[nic.ifindex]) == -1
        mtl.poll_until(lambda: [files(pid) for pid in both] == before, "all are closed")


def test_row_08_a_queue_is_not_handed_out_twice(lab):
    """After a restart queue 1 is handed out again, though its client still has a socket
    there. (Lcores: test_upgrade.py.)"""
    first, nic, old = lab.start(), lab.nic(), lab.client()
    queue = old.attach(nic, [PORT])
    first.kill()
    second, new = lab.start(), lab.client()
    assert new.order("register", "new", nic.name) == 0
    assert new.order("queue", nic.name) != queue
    since = second.mark()
    old.kill()
    second.wait_log("instance-end", since)
    assert new.order("queue", nic.name) == queue


def test_row_15_more_interfaces_than_a_message_holds(lab):
    """num_if is believed: what lies behind the message is read as interfaces."""
    reeved, nic = lab.start(), lab.nic()
    with reeved.connect_mtl() as client:
        for num_if in (9, 42, 65535):
            assert client.register(ifindexes=[nic.ifindex] * 8, num_if=num_if) == -1
        assert nic.xdp() is None
        assert client.register(ifindexes=[nic.ifindex] * 8) == 0
    mtl.poll_until(lambda: lab.bare(nic), "the program is detached")


def test_row_17_the_ports_of_a_dead_client_are_given_back(lab):
    """Filters of a client that died stay while another one has the interface."""
    reeved, nic = lab.start(), lab.nic()
    dead, other = lab.client(), lab.client()
    queue = dead.attach(nic, [PORT])
    assert other.attach(nic, [OTHER]) == 2
    dead.kill()
    mtl.poll_until(lambda: not any(str(PORT) in name for name in leases(reeved)), "it is back")
    kernel = nic.listen(PORT)
    for to in (queue, 2):
        nic.send(to, nic.udp(PORT), 3)
    datagrams(kernel, 6)


def test_row_18_a_refused_port_is_not_there_the_second_time(lab):
    """A port that did not fit into the map is answered with 0 when asked for again,
    and is not in it."""
    reeved, nic = lab.start('tenant "few" {\n\tuids = { "1001" }\n\tnics = { "eth1" }\n'
                            '\tquota {\n\t\tudp_port = 2\n\t}\n}\n'), lab.nic()
    client = lab.client(uid=1001)
    queue = client.attach(nic, [1, 2])
    for _ in range(3):
        assert client.order("port", nic.name, PORT) == -1
    kernel = nic.listen(PORT)
    nic.send(queue, nic.udp(PORT), 2)
    datagrams(kernel, 2)
    assert client.order("unport", nic.name, 1) == 0
    assert client.order("port", nic.name, PORT) == 0
    nic.send(queue, nic.udp(PORT), 2)
    assert client.ports(2) == {PORT: 2}
    assert len(leases(reeved)) == 4


def test_row_19_uses_of_a_port_are_counted_for_each_client(lab):
    """The count may go below zero, and a client's removal takes another one's port."""
    lab.start(SINGLE)
    nic = lab.nic()
    one, two = lab.client(), lab.client()
    queues = one.attach(nic, [PORT, PORT]), two.attach(nic, [PORT])
    assert one.order("unport", nic.name, OTHER) == -1, "it never asked for it"
    assert [one.order("unport", nic.name, PORT) for _ in range(4)] == [0, 0, -1, -1]
    kernel = nic.listen(PORT)
    for queue in queues:
        nic.send(queue, nic.udp(PORT), 3)
    assert two.ports(3) == {PORT: 3}
    datagrams(kernel, 3)
    assert one.order("port", nic.name, PORT) == 0
    nic.send(queues[0], nic.udp(PORT), 2)
    assert one.ports(2) == {PORT: 2}


def test_row_20_ports_may_come_and_go_for_ever(lab):
    """Keys are never deleted from a map of 256: the 257th port is refused for good."""
    reeved, nic = lab.start(), lab.nic()
    with reeved.connect_mtl() as client:
        assert client.register(ifindexes=[nic.ifindex]) == 0

        def filters(kind, ports):
            burst = b"".join(mtl.udp_filter(kind, nic.ifindex, port) for port in ports)
            client.send(burst)
            return [client.reply() for _ in ports]

        for begin in range(10_000, 13_000, 300):
            ports = range(begin, begin + 300)
            assert set(filters(mtl.ADD_UDP_FILTER, ports)) == {(mtl.RESPONSE, 0)}
            assert set(filters(mtl.DEL_UDP_FILTER, ports)) == {(mtl.RESPONSE, 0)}
        assert len(leases(reeved)) == 1


def test_row_21_only_its_owner_puts_a_queue(lab):
    """Any client puts anybody's queue, and queue 0; it is then handed out."""
    lab.start()
    nic = lab.nic()
    owner, thief = lab.client(), lab.client()
    assert owner.attach(nic, [PORT]) == 1
    assert thief.order("register", "thief", nic.name) == 0
    for queue in (0, 1, 2, 255, 256, 65535):
        assert thief.order("putqueue", nic.name, queue) == -1
    assert [thief.order("queue", nic.name) for _ in range(3)] == [2, 3, -1]
    nic.send(1, nic.udp(PORT), 2)
    assert owner.ports(2) == {PORT: 2}
    # libmtl puts every slot at its end, also those that never held a queue.
    assert [owner.order("putqueue", nic.name, queue) for queue in (0, 1, 1)] == [-1, 0, -1]


def test_row_22_flows_have_owners(lab):
    """Any client deletes any rule, and a first use deletes all of the interface. What
    a NIC with rules does is in test/unit/mech/test_ntuple.c; here, those of XDP."""
    reeved = lab.start('nic "eth1" {\n\tsoft-flows = true\n}\n')
    nic = lab.nic()
    owner, thief = lab.client(), lab.client()
    queue = owner.attach(nic, [PORT])
    thief.attach(nic)
    rule = owner.order("flow", nic.name, queue, "-", nic.ours, PORT)
    assert rule > 0
    assert thief.order("unflow", nic.name, rule) == -1
    assert thief.order("unflow", nic.name, 0) == -1
    nic.send(queue, nic.udp(PORT), 2)
    assert owner.ports(2) == {PORT: 2}
    assert any("flow" in name for name in leases(reeved)), leases(reeved)
    assert [owner.order("unflow", nic.name, rule) for _ in range(2)] == [0, -1]


def test_row_23_an_interface_that_goes_and_comes_back(lab):
    """An interface that is gone is never forgotten: the next one of that number or
    name is not given a program."""
    reeved, nic, client = lab.start(), lab.nic(), lab.client()
    client.attach(nic, [PORT])
    nic.delete()
    mtl.poll_until(lambda: leases(reeved) == [], "its leases have ended")
    mtl.poll_until(lambda: not lab.pins(), "nothing is pinned")
    nic.create(4)
    fresh = lab.client()
    queue = fresh.attach(nic, [PORT])
    nic.send(queue, nic.udp(PORT), 3)
    assert fresh.ports(3) == {PORT: 3}


def test_row_23_a_change_of_channels_is_seen(lab):
    """`ethtool -L` is not noticed: queues that are gone are handed out."""
    reeved, nic, client, other = lab.start(), lab.nic(), lab.client(), lab.client()
    assert client.attach(nic, [PORT]) == 1
    assert [other.order("queue", nic.name) for _ in range(2)] == [2, 3]
    nic.channels(2)
    mtl.poll_until(lambda: f"queue 2 of if {nic.ifindex}" not in leases(reeved) and
                   f"queue 3 of if {nic.ifindex}" not in leases(reeved), "their leases have ended")
    assert other.order("queue", nic.name) == -1
    nic.send(1, nic.udp(PORT), 3)
    assert client.ports(3) == {PORT: 3}
    nic.channels(4)
    assert [other.order("queue", nic.name) for _ in range(3)] == [2, 3, -1]


def test_row_24_attaching_holds_nobody_up(lab):
    """While a program is loaded, in the one thread, nobody's lcore is granted."""
    reeved, nic = lab.start(), lab.nic()
    with reeved.connect_mtl() as other, reeved.connect_mtl() as client:
        assert other.register() == 0
        client.send(mtl.register(ifindexes=[nic.ifindex]))
        answered = 0
        begun = time.monotonic()
        while not mtl.wait_io([client.sock.fileno()], limit=0)[0]:
            assert [other.get(70), other.put(70)] == [0, 0]
            answered += 1
            assert time.monotonic() - begun < 10
        assert client.reply() == (mtl.RESPONSE, 0)
        assert answered > 5, "nobody was served meanwhile"
