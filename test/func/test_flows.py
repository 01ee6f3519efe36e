# SPDX-License-Identifier: BSD-3-Clause
"""Software flows: where the NIC takes no rules, XDP chooses among the sockets of
the receive queue. With them a client of libmtl's kind gets a flow id and frames on
an interface with one queue."""
import pytest

import mtl
from nic import datagrams

PORT, OTHER = 5000, 5001
ONE_QUEUE = """
nic "eth1" {
	soft-flows = true
	channels = 1
	system-queues = 0
}
"""


@pytest.fixture
def one(lab):
    """(reeved, interface, client on its only queue)"""
    reeved, nic, client = lab.start(ONE_QUEUE), lab.nic(queues=1), lab.client()
    assert client.attach(nic) == 0
    return reeved, nic, client


def test_a_libmtl_session_on_one_queue(one):
    """What libmtl does for a session: a flow, then the port; and back at its end."""
    reeved, nic, client = one
    rule = client.order("flow", nic.name, 0, nic.theirs, nic.ours, PORT)
    assert rule > 0, "libmtl takes 0 for none"
    assert client.order("port", nic.name, PORT) == 0
    kernel = nic.listen(OTHER)
    nic.send(0, nic.udp(PORT), 10)
    nic.send(0, nic.udp(OTHER), 2)
    assert client.ports(10) == {PORT: 10}
    datagrams(kernel, 2)
    with reeved.connect_native() as native:
        flow, = native.all("ListFlows")
    assert (flow["rule"], flow["by"], flow["queue"]) == (rule, "software", 0)
    assert (flow["source"], flow["source_port"]) == (nic.theirs, 0)
    assert (flow["destination"], flow["destination_port"]) == (nic.ours, PORT)
    assert client.order("unport", nic.name, PORT) == 0
    assert client.order("unflow", nic.name, rule) == 0
    assert client.order("putqueue", nic.name, 0) == 0
    kernel = nic.listen(PORT)
    nic.send(0, nic.udp(PORT), 2)
    datagrams(kernel, 2)


def test_the_flow_may_come_after_the_port(one):
    _, nic, client = one
    assert client.order("port", nic.name, PORT) == 0
    nic.send(0, nic.udp(PORT), 2)
    assert client.ports(2) == {PORT: 2}, "without flows a port is for every address"
    rule = client.order("flow", nic.name, 0, "-", "239.1.1.1", PORT)
    assert rule > 0
    kernel = nic.listen(PORT)
    nic.send(0, nic.udp(PORT), 3)
    datagrams(kernel, 3)
    nic.send(0, nic.udp(PORT, dst="239.1.1.1"), 4)
    assert client.ports(4) == {PORT: 4}
    assert client.order("unflow", nic.name, rule) == 0
    nic.send(0, nic.udp(PORT), 5)
    assert client.ports(5) == {PORT: 5}


def test_two_sockets_on_one_queue(one):
    """Sockets that share their memory, each in a slot of its own; flows choose."""
    _, nic, client = one
    second = client.order("open", nic.name, 0, 0)
    assert second == 1
    assert client.order("insert", second, 1) == 0
    for port, slot in ((PORT, 0), (OTHER, 1)):
        assert client.order("flow", nic.name, slot, "-", nic.ours, port) > 0
        assert client.order("port", nic.name, port) == 0
    nic.send(0, nic.udp(PORT), 5)
    nic.send(0, nic.udp(OTHER), 7)
    assert client.receive(12) == {(0, 4000, PORT, 47): 5, (1, 4000, OTHER, 47): 7}
    # Two flows of one port.
    assert client.order("flow", nic.name, 1, "-", "239.1.1.1", PORT) > 0
    nic.send(0, nic.udp(PORT), 5)
    nic.send(0, nic.udp(PORT, dst="239.1.1.1"), 7)
    assert client.receive(12) == {(0, 4000, PORT, 47): 5, (1, 4000, PORT, 47): 7}


def test_the_closest_flow_wins(one):
    _, nic, client = one
    for slot in (1, 2):
        assert client.order("open", nic.name, 0, 0) == slot
        assert client.order("insert", slot, slot) == 0
    assert client.order("port", nic.name, PORT) == 0
    assert client.order("flow", nic.name, 0, "-", "0.0.0.0", PORT) > 0
    assert client.order("flow", nic.name, 1, "-", nic.ours, PORT) > 0
    assert client.order("flow", nic.name, 2, nic.theirs, nic.ours, PORT) > 0
    nic.send(0, nic.udp(PORT), 3)
    nic.send(0, nic.udp(PORT, dst="239.1.1.1"), 4)
    assert client.receive(7) == {(2, 4000, PORT, 47): 3, (0, 4000, PORT, 47): 4}


def test_a_slot_without_a_socket(one):
    """The frames go to the socket of the queue itself."""
    _, nic, client = one
    assert client.order("port", nic.name, PORT) == 0
    assert client.order("flow", nic.name, 200, "-", nic.ours, PORT) > 0
    nic.send(0, nic.udp(PORT), 3)
    assert client.ports(3) == {PORT: 3}


def test_the_same_flow_twice(one):
    reeved, nic, client = one
    rules = [client.order("flow", nic.name, 0, "-", nic.ours, PORT) for _ in range(2)]
    assert rules[0] > 0 and rules[1] == -1
    assert client.order("flow", nic.name, 0, "-", nic.ours, 0) == -1, "no port"
    with reeved.connect_native() as native:
        assert len(native.all("ListFlows")) == 1


def test_flows_end_with_their_client(one):
    reeved, nic, client = one
    lab_client_rule = client.order("flow", nic.name, 0, "-", nic.ours, PORT)
    assert lab_client_rule > 0 and client.order("port", nic.name, PORT) == 0
    client.kill()
    with reeved.connect_native() as native:
        mtl.poll_until(lambda: not native.leases(), "all is back")
        assert native.all("ListFlows") == []
    mtl.poll_until(lambda: nic.xdp() is None, "the program is detached")


def test_more_flows_than_fit(one):
    """The map holds 4,096, and a tenant may have as many of them as are left for everybody:
    what does not fit is refused, and its lease with it."""
    reeved, nic, client = one
    with reeved.connect_mtl() as many:
        assert many.register(ifindexes=[nic.ifindex]) == 0
        assert client.order("putqueue", nic.name, 0) == 0
        assert many.ask(mtl.interface(mtl.GET_QUEUE, nic.ifindex)) == (mtl.QUEUE_ID, 0)
        answers = []
        for begin in range(0, 2400, 300):
            many.send(b"".join(mtl.flow(nic.ifindex, 0, dst=f"239.0.{n >> 8}.{n & 255}", port=PORT)
                               for n in range(begin, begin + 300)))
            answers += [many.reply() for _ in range(300)]
        granted = [value for kind, value in answers if value > 0]
        assert {kind for kind, _ in answers} == {mtl.FLOW_ID}
        assert len(set(granted)) == len(granted) == 2048
        assert answers[2048:] == [(mtl.FLOW_ID, -1)] * 352
        with reeved.connect_native() as native:
            kinds = [lease["kind"] for lease in native.leases()]
        assert kinds.count("flow") == 2048
        assert many.response(mtl.interface(mtl.DEL_FLOW, nic.ifindex, flow_id=granted[7])) == 0
        many.send(mtl.flow(nic.ifindex, 0, dst="239.1.1.1", port=PORT))
        assert many.reply()[1] > 0


def test_only_udp_over_ipv4_by_this_protocol(one):
    reeved, nic, _ = one
    with reeved.connect_mtl() as client:
        assert client.register(ifindexes=[nic.ifindex]) == 0
        for flow_type in (0, 1, 3, 6, 0xFFFFFFFF):
            client.send(mtl.flow(nic.ifindex, 0, dst="239.1.1.1", port=PORT, flow_type=flow_type))
            assert client.reply() == (mtl.FLOW_ID, -1)


def test_native_clients_may_have_ipv6_flows(lab):
    reeved, nic = lab.start(ONE_QUEUE), lab.nic(queues=1)
    with reeved.connect_native() as native:
        queue = native.call("AcquireQueues", nic=nic.name)
        assert queue["queues"] == "0"
        got = native.call("AddFlow", nic=nic.name, queue=0, destination=nic.ours6,
                          source=nic.theirs6, destination_port=PORT)
        assert got["rule"] > 0 and got["by"] == "software"
        flow, = native.all("ListFlows")
        assert (flow["source"], flow["destination"]) == (nic.theirs6, nic.ours6)
        for bad in ({"source": nic.theirs}, {"source_port": 1}, {"source": nic.theirs,
                                                                "destination": nic.ours6}):
            assert native.refused("AddFlow", nic=nic.name, queue=0, **bad).name
        assert native.refused("AddFlow", nic=nic.name, queue=1, destination_port=PORT).short
        native.call("Release", lease=got["lease"]["lease"])
        assert native.all("ListFlows") == []


def test_the_dispatcher_form_has_none(lab):
    """That form can't keep sockets of one queue apart: the config is refused."""
    text = 'nic "eth1" {\n\txdp = "dispatcher"\n\tsoft-flows = true\n}\n'
    lab.house.dir.joinpath("bad.conf").write_text(text)
    lab.house.dir.joinpath("bad.conf").chmod(0o644)
    done = lab.house.run("/run/stage/usr/sbin/reeved", "--check", "--config",
                         lab.house.dir / "bad.conf")
    assert done.returncode == 2 and "soft" in done.stderr, done.stderr
