# SPDX-License-Identifier: BSD-3-Clause
"""Who may use an interface, how much of it, and what tenants see of one another
there: nothing."""
import os

import pytest

import mtl
from nic import datagrams, leases

NOBODY = 65534
PORT, OTHER = 5000, 5001

# Two tenants on eth1, the second within narrow quotas; nobody else.
TWO = """
tenant "red" {
	uids = { "1001" }
	nics = { "eth1" }
}
tenant "blue" {
	uids = { "1002" }
	nics = { "eth1", "eth9" }
	quota {
		queue = 1
		udp_port = 2
		flow = 1
	}
}
nic "eth1" {
	soft-flows = true
}
"""
RED, BLUE = 1001, 1002


def refusals(client, ifindex):
    """What a client gets that may not use an interface."""
    assert client.register(ifindexes=[ifindex]) == -1
    for kind, answer in ((mtl.GET_QUEUE, mtl.QUEUE_ID), (mtl.PUT_QUEUE, mtl.RESPONSE),
                         (mtl.ADD_FLOW, mtl.FLOW_ID), (mtl.DEL_FLOW, mtl.RESPONSE)):
        assert client.ask(mtl.interface(kind, ifindex, 1)) == (answer, -1)
    for kind in (mtl.ADD_UDP_FILTER, mtl.DEL_UDP_FILTER):
        assert client.ask(mtl.udp_filter(kind, ifindex, PORT)) == (mtl.RESPONSE, -1)
    client.send(mtl.interface(mtl.XSK_MAP_FD, ifindex))
    assert client.read_descriptor() == (b"\x20", "/dev/null")


@pytest.mark.parametrize("registered", [False, True])
def test_the_default_tenant_is_refused_in_a_way_libmtl_survives(lab, registered):
    reeved, nic = lab.start(), lab.nic()
    client = reeved.connect_mtl(lab.house.peer(uid=NOBODY, gid=NOBODY))
    if registered:
        assert client.register() == 0
    refusals(client, nic.ifindex)
    assert nic.xdp() is None and not lab.pins() and leases(reeved) == []
    if registered:
        assert [client.get(70), client.put(70)] == [0, 0], "its lcores are its own business"


def test_a_tenant_is_refused_on_other_interfaces(lab):
    reeved = lab.start(TWO)
    lab.nic("eth1")
    other = lab.nic("eth2")
    refusals(reeved.connect_mtl(lab.house.peer(uid=RED, gid=RED)), other.ifindex)
    assert other.xdp() is None


def test_reeve_keeps_off_interfaces_that_the_config_does_not_name(lab):
    reeved = lab.start('nics = { "data*" }\n')
    office, data = lab.nic("office1"), lab.nic("data1")
    refusals(reeved.connect_mtl(), office.ifindex)
    assert reeved.connect_mtl().register(ifindexes=[data.ifindex]) == 0
    assert office.xdp() is None


def test_no_interface_at_all(lab):
    reeved = lab.start("nics = {}\n")
    nic = lab.nic()
    refusals(reeved.connect_mtl(), nic.ifindex)


def test_two_tenants_get_only_their_frames(lab):
    reeved, nic = lab.start(TWO), lab.nic()
    red, blue = lab.client(uid=RED), lab.client(uid=BLUE)
    # One port is wanted by both: each gets the frames on its own queue.
    queues = red.attach(nic, [PORT, 6000]), blue.attach(nic, [PORT, 7000])
    kernel = nic.listen(6000), nic.listen(7000)
    for queue in queues:
        for port in (PORT, 6000, 7000):
            nic.send(queue, nic.udp(port), 5)
    assert red.ports(10) == {PORT: 5, 6000: 5}
    assert blue.ports(10) == {PORT: 5, 7000: 5}
    for sock in kernel:
        datagrams(sock, 5)
    with reeved.connect_native() as native:
        counted = {(p["tenant"], p["port"]): p["packets"]
                   for p in native.all("ListPorts")}
    assert counted == {("red", PORT): 5, ("red", 6000): 5, ("blue", PORT): 5, ("blue", 7000): 5}
    with reeved.connect_native(lab.house.peer(uid=RED, gid=RED)) as native:
        assert {p["tenant"] for p in native.all("ListPorts")} == {"red"}
        assert native.all("ListPorts", tenant="blue") == []


def test_quotas(lab):
    reeved, nic = lab.start(TWO), lab.nic()
    blue, second = lab.client(uid=BLUE), lab.client(uid=BLUE)
    queue = blue.attach(nic, [PORT, OTHER])
    assert blue.order("queue", nic.name) == -1
    assert blue.order("port", nic.name, 6000) == -1
    assert blue.order("port", nic.name, PORT) == 0, "it has this one"
    assert blue.order("flow", nic.name, queue, "-", nic.ours, PORT) > 0
    assert blue.order("flow", nic.name, queue, "-", nic.ours, OTHER) == -1
    # A quota is the tenant's, not the connection's.
    assert second.order("register", "second", nic.name) == 0
    assert second.order("queue", nic.name) == -1
    assert second.order("port", nic.name, 6000) == -1
    before = leases(reeved)
    red = lab.client(uid=RED)
    red.attach(nic, range(6000, 6100), queues=2)
    red.kill()
    mtl.poll_until(lambda: leases(reeved) == before, "red's leases are back")
    assert blue.order("putqueue", nic.name, queue) == 0
    assert second.order("queue", nic.name) == queue


def test_a_tenant_changes_nothing_of_another_ones(lab):
    lab.start(TWO)
    nic = lab.nic()
    red, blue = lab.client(uid=RED), lab.client(uid=BLUE)
    ours, theirs = red.attach(nic, [PORT]), blue.attach(nic, [PORT])
    rule = red.order("flow", nic.name, ours, "-", nic.ours, PORT)
    assert rule > 0
    for queue in (0, ours):
        assert blue.order("putqueue", nic.name, queue) == -1
    assert blue.order("unflow", nic.name, rule) == -1
    assert blue.order("unport", nic.name, PORT) == 0
    assert blue.order("unport", nic.name, PORT) == -1
    nic.send(ours, nic.udp(PORT), 4)
    nic.send(theirs, nic.udp(PORT), 4)
    assert red.ports(4) == {PORT: 4}
    assert blue.receive(0, 0) == {}


def test_a_tenant_steers_nothing_to_a_queue_it_does_not_have(lab):
    """The number of the queue is a place in the asker's own map: it leads nowhere else."""
    lab.start(TWO)
    nic = lab.nic()
    red, blue = lab.client(uid=RED), lab.client(uid=BLUE)
    ours, theirs = red.attach(nic, [PORT]), blue.attach(nic, [PORT])
    blue.order("flow", nic.name, ours, "-", nic.ours, PORT)
    nic.send(ours, nic.udp(PORT), 4)
    nic.send(theirs, nic.udp(PORT), 4)
    assert red.ports(4) == {PORT: 4}
    assert {key[0] for key in blue.receive(4)} == {0}, "its own frames come to its own socket"


def test_a_map_is_its_clients_own(lab):
    """A client may write what it likes into the map that it got: nobody else's socket
    moves, and no frame of another's queue comes to its own."""
    lab.start(TWO)
    nic = lab.nic()
    red, blue = lab.client(uid=RED), lab.client(uid=BLUE)
    ours = red.attach(nic, [PORT])
    blue.attach(nic, [PORT])
    for slot in range(256):
        assert blue.order("delete", 0, slot) in (0, -2)
        assert blue.order("insert", 0, slot) == 0
    nic.send(ours, nic.udp(PORT), 4)
    assert red.ports(4) == {PORT: 4}
    assert blue.receive(0, 0) == {}


def test_without_a_socket_in_the_map_the_kernel_has_the_frames(lab):
    lab.start(TWO)
    nic, client = lab.nic(), lab.client(uid=RED)
    queue = client.attach(nic, [PORT])
    kernel = nic.listen(PORT)
    assert client.order("delete", 0, queue) == 0
    nic.send(queue, nic.udp(PORT), 2)
    datagrams(kernel, 2)
    assert client.order("insert", 0, queue) == 0
    nic.send(queue, nic.udp(PORT), 2)
    assert client.ports(2) == {PORT: 2}


def test_a_client_without_a_capability_fails_cleanly(lab):
    """AF_XDP sockets take CAP_NET_RAW; who has none is better off with OpenSocket."""
    lab.start(TWO)
    nic, client = lab.nic(), lab.client(uid=RED, caps=None)
    assert client.order("register", "red", nic.name) == 0
    queue = client.order("queue", nic.name)
    assert queue == 1
    assert client.order("open", nic.name, queue) == -1, os.strerror(1)


def test_a_reload_that_takes_an_interface_away(lab):
    reeved, nic = lab.start(TWO), lab.nic()
    red = lab.client(uid=RED)
    queue = red.attach(nic, [PORT])
    reeved.sighup(TWO.replace('nics = { "eth1" }', 'nics = { "eth8" }'))
    nic.send(queue, nic.udp(PORT), 4)
    assert red.ports(4) == {PORT: 4}, "what is leased stays leased"
    late = lab.client(uid=RED)
    assert late.order("register", "late", nic.name) == -1
    red.kill()
    mtl.poll_until(lambda: lab.bare(nic), "the program is detached")
