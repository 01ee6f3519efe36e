# SPDX-License-Identifier: BSD-3-Clause
"""Frames over a wire into a leased queue: which of them a client gets, which the
kernel, what is counted, and what is left afterwards."""
import json
import os
import socket
import struct

import pytest

import mtl
import nic as net
from nic import datagrams

A_SECOND = 1.0
PORT, OTHER = 5000, 5001


@pytest.fixture(params=["native", "generic"])
def mode(request):
    return request.param


def conf(mode):
    return f'nic "*" {{\n\tmode = "{mode}"\n}}\n'


def ports_of(reeved):
    """{(interface, port): (packets, bytes)} as the daemon counts."""
    with reeved.connect_native() as native:
        return {(p["nic"], p["port"]): (p["packets"], p["bytes"])
                for p in native.all("ListPorts")}


def test_frames_of_a_registered_port_arrive(lab, mode):
    reeved, nic, client = lab.start(conf(mode)), lab.nic(), lab.client()
    queue = client.attach(nic, [PORT])
    assert queue == 1, "queue 0 is the system's"
    assert nic.xdp()[0] == mode
    kernel = nic.listen(OTHER)
    nic.send(queue, nic.udp(PORT), 100)
    nic.send(queue, nic.udp(OTHER), 3)
    assert client.receive(100) == {(0, 4000, PORT, 47): 100}
    datagrams(kernel, 3)
    assert client.receive(0, 0) == {}
    assert ports_of(reeved) == {(nic.name, PORT): (100, 4700)}


def test_other_queues_are_the_kernels(lab, mode):
    lab.start(conf(mode))
    nic, client = lab.nic(), lab.client()
    queue = client.attach(nic, [PORT])
    kernel = nic.listen(PORT)
    for other in (0, 2):
        nic.send(other, nic.udp(PORT), 5)
    datagrams(kernel, 10)
    nic.send(queue, nic.udp(PORT))
    assert client.ports(1) == {PORT: 1}
    datagrams(kernel, 0)


def test_several_queues_and_ports(lab):
    lab.start()
    nic, client = lab.nic(), lab.client()
    assert client.attach(nic, [PORT, OTHER, 65535, 1], queues=3) == [1, 2, 3]
    for queue in (1, 2, 3):
        for port in (PORT, OTHER, 65535, 1):
            nic.send(queue, nic.udp(port), queue)
    assert client.receive(24) == {(queue - 1, 4000, port, 47): queue for queue in (1, 2, 3)
                                  for port in (PORT, OTHER, 65535, 1)}


def test_ipv6_and_vlan(lab, mode):
    lab.start(conf(mode))
    nic, client = lab.nic(), lab.client()
    queue = client.attach(nic, [PORT])
    kernel = nic.listen(OTHER, socket.AF_INET6)
    nic.send(queue, nic.udp6(PORT), 2)
    nic.send(queue, nic.udp6(OTHER), 3)
    assert client.receive(2) == {(0, 4000, PORT, 67): 2}
    datagrams(kernel, 3)
    nic.send(queue, nic.udp(PORT, vlan=7), 4)
    nic.send(queue, nic.udp6(PORT, vlan=7), 5)
    assert client.receive(9) == {(0, 4000, PORT, 51): 4, (0, 4000, PORT, 71): 5}
    nic.send(queue, nic.ipv4(net.UDP, net.udp(4000, PORT, b"reeve"), options=b"\x01" * 8), 6)
    assert client.receive(6) == {(0, 4000, PORT, 55): 6}


def test_fragments_are_the_kernels(lab, mode):
    """Only the first one has a port; the kernel gets them all and puts them together."""
    lab.start(conf(mode))
    nic, client = lab.nic(), lab.client()
    queue = client.attach(nic, [PORT])
    kernel = nic.listen(PORT)
    datagram = net.udp(4000, PORT, b"x" * 24)
    nic.send(queue, nic.ipv4(net.UDP, datagram[:16], fragment=0x2000))
    nic.send(queue, nic.ipv4(net.UDP, datagram[16:], fragment=2))
    assert datagrams(kernel, 1) == [b"x" * 24]
    # What looks like a whole datagram in them is none.
    whole = net.udp(4000, PORT, b"reeve")
    for fragment in (0x2000, 0x2001, 1, 0x1FFF):
        nic.send(queue, nic.ipv4(net.UDP, whole, fragment=fragment))
    for offset in (0, 1, 8):
        nic.send(queue, nic.ipv6(net.FRAGMENT, struct.pack(">BBHI", net.UDP, 0, offset, 7) + whole))
    nic.send(queue, nic.ipv4(net.UDP, whole, fragment=0x4000))  # "do not fragment"
    assert client.receive(1) == {(0, 4000, PORT, 47): 1}


def test_tcp_and_what_is_cut_short_is_the_kernels(lab, mode):
    reeved = lab.start(conf(mode))
    nic, client = lab.nic(), lab.client()
    queue = client.attach(nic, [PORT])
    with net.network_of(lab.house.holder.pid):
        raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)
    raw.settimeout(10)
    syn = struct.pack(">HHIIBBHHH", 4000, PORT, 1, 0, 0x50, 2, 1000, 0, 0)
    nic.send(queue, nic.ipv4(net.TCP, syn))
    assert struct.unpack(">HH", raw.recv(2048)[20:24]) == (4000, PORT)
    raw.close()
    whole = nic.udp(PORT)
    for length in (14, 20, 34, 36, 41, len(whole) - 1):
        nic.send(queue, whole[:length])
    nic.send(queue, nic.ethernet(0x1234, b"\0" * 50))
    nic.send(queue, whole)
    assert client.receive(1) == {(0, 4000, PORT, 47): 1}
    assert ports_of(reeved) == {(nic.name, PORT): (1, 47)}


def test_frames_that_fill_the_mtu(lab, mode):
    lab.start(conf(mode))
    nic, client = lab.nic(), lab.client()
    queue = client.attach(nic, [PORT])
    nic.send(queue, nic.udp(PORT, b"m" * (1500 - 28)), 3)
    assert client.receive(3) == {(0, 4000, PORT, 1514): 3}


def test_a_removed_port_is_the_kernels_again(lab, mode):
    lab.start(conf(mode))
    nic, client = lab.nic(), lab.client()
    queue = client.attach(nic, [PORT, OTHER])
    kernel = nic.listen(PORT)
    nic.send(queue, nic.udp(PORT), 2)
    assert client.ports(2) == {PORT: 2}
    assert client.order("unport", nic.name, PORT) == 0
    nic.send(queue, nic.udp(PORT), 3)
    nic.send(queue, nic.udp(OTHER))
    datagrams(kernel, 3)
    assert client.ports(1) == {OTHER: 1}
    assert client.order("port", nic.name, PORT) == 0
    nic.send(queue, nic.udp(PORT), 4)
    assert client.ports(4) == {PORT: 4}
    datagrams(kernel, 0)


def test_a_port_counts_from_when_it_was_asked_for(lab):
    reeved, nic, client = lab.start(), lab.nic(), lab.client()
    queue = client.attach(nic, [PORT])
    for times in (1, 10):
        nic.send(queue, nic.udp(PORT, b"0" * times), times)
    assert client.ports(11) == {PORT: 11}
    assert ports_of(reeved) == {(nic.name, PORT): (11, 43 + 10 * 52)}
    assert client.order("port", nic.name, PORT) == 0
    assert ports_of(reeved)[nic.name, PORT][0] == 11, "asking again changes nothing"
    for _ in range(2):
        assert client.order("unport", nic.name, PORT) == 0
    assert ports_of(reeved) == {}
    assert client.order("port", nic.name, PORT) == 0
    assert ports_of(reeved) == {(nic.name, PORT): (0, 0)}


def test_the_command_line_tells_what_sits_where(lab):
    lab.start()
    nic, client = lab.nic(), lab.client()
    queue = client.attach(nic, [PORT, OTHER])
    nic.send(queue, nic.udp(PORT), 7)
    assert client.ports(7) == {PORT: 7}
    shown = lab.house.run("/run/stage/usr/bin/reeve", "--json", "xdp")
    assert shown.returncode == 0, shown.stderr
    shown = json.loads(shown.stdout)
    row, = [row for row in shown["nics"] if row["name"] == nic.name]
    assert (row["program"], row["mode"], row["users"]) == (nic.xdp()[1], "native", 1)
    assert {p["port"]: (p["packets"], p["bytes"]) for p in shown["ports"]} == \
        {PORT: (7, 7 * 47), OTHER: (0, 0)}
    for words in (["xdp"], ["nic", "list"], ["queue", "list"], ["port", "list"], ["host"]):
        said = lab.house.run("/run/stage/usr/bin/reeve", *words)
        assert said.returncode == 0 and nic.name in said.stdout, said


def test_a_queue_that_is_put_back_is_the_kernels(lab):
    lab.start()
    nic, client = lab.nic(), lab.client()
    assert client.attach(nic, [PORT], queues=2) == [1, 2]
    kernel = nic.listen(PORT)
    assert client.order("putqueue", nic.name, 1) == 0
    nic.send(1, nic.udp(PORT), 3)
    nic.send(2, nic.udp(PORT), 4)
    datagrams(kernel, 3)
    assert client.receive(4) == {(1, 4000, PORT, 47): 4}


@pytest.mark.parametrize("end", ["killed", "hung up"])
def test_all_is_back_within_a_second_of_a_clients_end(lab, mode, end):
    reeved, nic, client = lab.start(conf(mode)), lab.nic(), lab.client()
    client.attach(nic, [PORT, OTHER], queues=2)
    program = nic.xdp()[1]
    assert lab.pins()
    with reeved.connect_native() as native:
        assert len(native.leases()) == 5
        if end == "killed":
            client.kill()
        else:
            client.process.stdin.close()
        mtl.poll_until(lambda: not native.leases(), "the leases are back", A_SECOND)
        mtl.poll_until(lambda: lab.bare(nic), "the program is detached", A_SECOND)
    mtl.poll_until(lambda: not program_is_there(lab, program), "the program is unloaded")
    kernel = nic.listen(PORT)
    nic.send(1, nic.udp(PORT), 2)
    datagrams(kernel, 2)


def program_is_there(lab, program):
    return lab.house.run("bpftool", "prog", "show", "id", program).returncode == 0


def test_the_program_stays_for_who_is_left(lab):
    reeved, nic = lab.start(), lab.nic()
    first, second = lab.client(), lab.client()
    assert first.attach(nic, [PORT]) == 1
    assert second.attach(nic, [PORT]) == 2
    program = nic.xdp()
    first.kill()
    with reeved.connect_native() as native:
        mtl.poll_until(lambda: len(native.leases()) == 3, "the first one's leases are back")
    assert nic.xdp() == program
    kernel = nic.listen(PORT)
    nic.send(1, nic.udp(PORT), 2)
    nic.send(2, nic.udp(PORT), 3)
    datagrams(kernel, 2)
    assert second.ports(3) == {PORT: 3}
    third = lab.client()
    assert third.attach(nic, [PORT]) == 1
    nic.send(1, nic.udp(PORT), 4)
    assert third.ports(4) == {PORT: 4}


def test_two_interfaces(lab):
    lab.start()
    one, two, client = lab.nic("eth1"), lab.nic("eth2"), lab.client()
    assert client.order("register", "both", one.name, two.name) == 0
    assert one.xdp() and two.xdp() and one.xdp() != two.xdp()
    assert client.attach(one, [PORT]) == 1
    assert client.attach(two, [OTHER]) == 1
    kernel = one.listen(OTHER)
    one.send(1, one.udp(OTHER), 2)
    two.send(1, two.udp(OTHER), 3)
    one.send(1, one.udp(PORT), 4)
    datagrams(kernel, 2)
    assert client.receive(7) == {(0, 4000, PORT, 47): 4, (1, 4000, OTHER, 47): 3}


def test_stopping_with_clients_attached_leaves_nothing(lab, mode):
    reeved, nic = lab.start(conf(mode)), lab.nic()
    clients = [lab.client() for _ in range(3)]
    for client in clients:
        client.attach(nic, [PORT])
    assert reeved.stop() == 0
    assert lab.bare(nic)
    kernel = nic.listen(PORT)
    nic.send(1, nic.udp(PORT), 2)
    datagrams(kernel, 2)


def test_a_core_that_is_killed_is_nothing_to_frames(lab):
    reeved, nic, client = lab.start(), lab.nic(), lab.client()
    queue = client.attach(nic, [PORT])
    program = nic.xdp()
    reeved.core_may_die = True
    os.kill(reeved.core_pid(), 9)
    nic.send(queue, nic.udp(PORT), 3)
    assert client.ports(3) == {PORT: 3}
    reeved.wait_log("ready again")
    assert nic.xdp() == program
    assert client.order("port", nic.name, OTHER) == 0
    nic.send(queue, nic.udp(OTHER), 3)
    assert client.ports(3) == {OTHER: 3}
    fresh = lab.client()
    assert fresh.attach(nic, [PORT]) != queue
    client.kill()
    fresh.kill()
    mtl.poll_until(lambda: lab.bare(nic), "the program is detached")


def test_settings_are_put_back(lab):
    """Channels are set while the interface is in use."""
    lab.start('nic "eth1" {\n\tchannels = 2\n}\n')
    nic, client = lab.nic(), lab.client()

    def channels():
        return lab.house.run("ethtool", "-l", nic.name).stdout.split("Current")[1].split()[3:6:2]

    before = channels()
    queue = client.attach(nic, [PORT])
    assert channels() != before
    nic.send(queue, nic.udp(PORT), 2)
    assert client.ports(2) == {PORT: 2}
    assert client.order("queue", nic.name) == -1, "two channels, one of them the system's"
    client.kill()
    mtl.poll_until(lambda: channels() == before and lab.bare(nic), "the channels are back")
