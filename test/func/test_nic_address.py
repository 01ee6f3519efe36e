# SPDX-License-Identifier: BSD-3-Clause
"""IP addresses of an interface as a whole: who may lease which, and that what a network asks
of one comes to its holder, as long as that lives and whatever becomes of reeve."""
import os
import signal
import socket
import struct

import pytest

import mtl
from nic import datagrams, leases
from test_cli import REEVE, table
from test_nic_native import Socket, acquire

RED, BLUE = 1001, 1002
ARP, ICMP, ICMPV6, UDP = 0x0806, 1, 58, 17
SOLICITATION, ECHO = 135, 8
WHOLE, WHOLE6 = "10.9.1.9", "fd09:1::9"
GROUP = "33:33:ff:00:00:09"
CONF = f"""
tenant "red" {{
	uids = {{ "{RED}" }}
	nics = {{ "eth1" }}
	addresses = {{ "10.9.1.0/24", "fd09:1::/64" }}
}}
tenant "blue" {{
	uids = {{ "{BLUE}" }}
	nics = {{ "eth1" }}
	addresses = {{ "10.9.1.0/28", "192.0.2.1" }}
}}
tenant "none" {{
	uids = {{ "1003" }}
	nics = {{ "eth1" }}
}}
"""


def who_has(nic, address):
    """An ARP request from the other end."""
    return nic.ethernet(ARP, struct.pack(">HHBBH6s4s6s4s", 1, 0x0800, 6, 4, 1, b"\x02\0\0\0\0\x09",
                                         socket.inet_aton(nic.theirs), bytes(6),
                                         socket.inet_aton(address)))


def solicit(nic, address):
    body = struct.pack(">BBHI16s", SOLICITATION, 0, 0, 0,
                       socket.inet_pton(socket.AF_INET6, address))
    return nic.ipv6(ICMPV6, body)


def echo(nic, address):
    return nic.ipv4(ICMP, struct.pack(">BBHI", ECHO, 0, 0xf7ff, 0), dst=address)


def connect(reeved, lab, uid):
    peer = lab.house.peer(uid=uid, gid=uid)
    return peer, reeved.connect_native(peer)


def lease_address(native, nic, address, **more):
    return native.call("AcquireAddress", nic=nic.name, address=address, **more)["lease"]


def of_addresses(reeved):
    return [each for each in leases(reeved) if each.startswith("address")]


def groups(nic):
    return nic.ip("maddress", "show", "dev", nic.name)


class Holder:
    """A tenant's client with a queue, a socket on it and addresses."""

    def __init__(self, reeved, lab, nic, *addresses, uid=RED):
        self.peer, self.native = connect(reeved, lab, uid)
        self.lease, = acquire(self.native, nic)
        self.sock = Socket(self.native, self.lease)
        self.addresses = [lease_address(self.native, nic, each)["lease"] for each in addresses]
        self.nic = nic

    def gets(self, *frames):
        """These and no others, in this order."""
        for frame in frames:
            self.nic.send(1, frame)
        assert self.sock.receive(len(frames)) == list(frames)
        assert self.sock.waiting() == 0

    def gets_all_of(self, address):
        nic = self.nic
        self.gets(who_has(nic, address), echo(nic, address), nic.udp(5000, dst=address),
                  nic.ipv4(UDP, b"first of two", fragment=0x2000, dst=address))


@pytest.fixture
def red(lab):
    reeved, nic = lab.start(CONF), lab.nic()
    reeved.core_may_die = True
    holder = Holder(reeved, lab, nic, WHOLE)
    yield reeved, nic, holder
    holder.native.close()


def test_what_is_asked_of_an_address_comes_to_its_holder(red):
    _, nic, holder = red
    holder.gets_all_of(WHOLE)
    assert leases_of(holder.native) == [f"address {WHOLE} of if {nic.ifindex}"]


def leases_of(native):
    return [lease["resource"] for lease in native.leases() if lease["kind"] == "address"]


def test_the_hosts_own_traffic_goes_on(red):
    _, nic, holder = red
    kernel = nic.listen(5000)
    for frame in (who_has(nic, nic.ours), echo(nic, nic.ours), nic.udp(5000)):
        nic.send(1, frame)
    datagrams(kernel, 1)
    assert holder.sock.waiting() == 0


def test_a_port_that_is_on_goes_first_and_is_counted(red):
    _, nic, holder = red
    holder.native.call("AddPort", nic=nic.name, port=5000)
    holder.gets(nic.udp(5000, dst=WHOLE), nic.udp(5000), nic.udp(5001, dst=WHOLE))
    port, = holder.native.all("ListPorts")
    assert port["packets"] == 2


def test_another_tenant_is_refused_and_its_queues_get_nothing(red, lab):
    reeved, nic, holder = red
    _, blue = connect(reeved, lab, BLUE)
    refused = blue.refused("AcquireAddress", nic=nic.name, address=WHOLE)
    assert refused.short == "Taken"
    lease, = acquire(blue, nic)
    sock = Socket(blue, lease)
    lease_address(blue, nic, "10.9.1.10")
    nic.send(2, who_has(nic, WHOLE))
    nic.send(2, who_has(nic, "10.9.1.10"))
    assert sock.receive(1) == [who_has(nic, "10.9.1.10")]
    assert sock.waiting() == holder.sock.waiting() == 0
    with reeved.connect_native() as native:
        native.stream()
        refusal = native.wait_event(lambda event: event["type"] == "refuse")
    assert refusal["resource"] == f"address {WHOLE} of if {nic.ifindex}"
    assert (refusal["tenant"], refusal["error"]) == ("blue", "taken")


@pytest.mark.parametrize("uid, address, error", [
    (RED, "10.9.2.1", "Denied"),        # not of its networks
    (RED, "fd09:2::1", "Denied"),
    (BLUE, "10.9.1.16", "Denied"),      # one beyond
    (1003, WHOLE, "Denied"),            # a tenant with no networks
    (4711, WHOLE, "Denied"),            # the tenant default
    (0, "0.0.0.0", "InvalidParameter"),  # never anybody's
    (0, "127.0.0.1", "InvalidParameter"),
    (0, "224.0.0.1", "InvalidParameter"),
    (0, "255.255.255.255", "InvalidParameter"),
    (0, "::1", "InvalidParameter"),
    (0, "ff02::1", "InvalidParameter"),
    (0, "::ffff:10.9.1.9", "InvalidParameter"),
    (0, "10.9.1.1", "Taken"),           # the kernel's
    (0, "fd09:1::1", "Taken"),
    (0, "10.9.1.255", "Taken"),         # its broadcast address
    (0, "ten", "InvalidParameter")])
def test_what_nobody_may_lease(lab, uid, address, error):
    reeved, nic = lab.start(CONF), lab.nic()
    peer, native = connect(reeved, lab, uid)
    refused = native.refused("AcquireAddress", nic=nic.name, address=address)
    assert refused.short == error, refused
    if error == "Taken":
        assert "AddPort" in refused.parameters["why"]
    assert not of_addresses(reeved)
    native.close()


def test_ipv6_and_its_group(lab):
    reeved, nic = lab.start(CONF), lab.nic()
    holder = Holder(reeved, lab, nic, WHOLE6)
    assert GROUP in groups(nic)
    holder.gets(solicit(nic, WHOLE6))
    nic.send(1, solicit(nic, nic.ours6))
    holder.gets(solicit(nic, WHOLE6))
    assert leases_of(holder.native) == [f"address {WHOLE6} of if {nic.ifindex}"]
    holder.native.call("Release", lease=holder.addresses[0])
    assert GROUP not in groups(nic)
    assert leases_of(holder.native) == []
    lease_address(holder.native, nic, WHOLE6)
    assert GROUP in groups(nic)
    holder.native.close()
    mtl.poll_until(lambda: GROUP not in groups(nic), "the group is left")


def test_release_ends_it(red, lab):
    reeved, nic, holder = red
    holder.native.call("Release", lease=holder.addresses[0])
    nic.send(1, who_has(nic, WHOLE))
    assert holder.sock.waiting() == 0
    _, blue = connect(reeved, lab, BLUE)
    lease_address(blue, nic, WHOLE)


def test_the_end_of_the_process_ends_it(red, lab):
    reeved, nic, holder = red
    holder.peer.kill()
    mtl.poll_until(lambda: not leases(reeved), "its leases end")
    _, blue = connect(reeved, lab, BLUE)
    lease_address(blue, nic, WHOLE)


def test_a_core_that_is_killed_takes_no_address_along(lab):
    reeved, nic = lab.start(CONF), lab.nic()
    reeved.core_may_die = True
    holder = Holder(reeved, lab, nic, WHOLE, WHOLE6)
    since = reeved.mark()
    core = reeved.core_pid()
    os.kill(core, signal.SIGSTOP)
    holder.gets_all_of(WHOLE)
    os.kill(core, signal.SIGKILL)
    reeved.wait_log("ready again", since)
    holder.gets_all_of(WHOLE)
    holder.gets(solicit(nic, WHOLE6))
    assert GROUP in groups(nic)
    assert sorted(leases_of(holder.native)) == [f"address {WHOLE} of if {nic.ifindex}",
                                                f"address {WHOLE6} of if {nic.ifindex}"]
    _, blue = connect(reeved, lab, BLUE)
    assert blue.refused("AcquireAddress", nic=nic.name, address=WHOLE).short == "Taken"
    holder.native.call("Release", lease=holder.addresses[1])
    assert GROUP not in groups(nic)


def test_a_reeved_that_is_killed_takes_no_address_along(lab):
    first, nic = lab.start(CONF), lab.nic()
    holder = Holder(first, lab, nic, WHOLE, WHOLE6)
    first.kill()
    holder.gets_all_of(WHOLE)
    second = lab.start(CONF)
    holder.gets_all_of(WHOLE)
    holder.gets(solicit(nic, WHOLE6))
    assert GROUP in groups(nic)
    _, blue = connect(second, lab, BLUE)
    assert blue.refused("AcquireAddress", nic=nic.name, address=WHOLE).short == "Taken"
    holder.peer.kill()
    mtl.poll_until(lambda: not of_addresses(second), "the orphan's leases end")
    lease_address(blue, nic, WHOLE)


def test_an_upgrade_takes_no_address_along(lab):
    reeved, nic = lab.start(CONF), lab.nic()
    holder = Holder(reeved, lab, nic, WHOLE, WHOLE6)
    core, before = reeved.core_pid(), of_addresses(reeved)
    assert len(before) == 2
    with reeved.connect_native() as admin:
        admin.call("Upgrade")
    assert reeved.core_pid() != core
    holder.gets_all_of(WHOLE)
    holder.gets(solicit(nic, WHOLE6))
    assert GROUP in groups(nic)
    assert of_addresses(reeved) == before
    _, blue = connect(reeved, lab, BLUE)
    assert blue.refused("AcquireAddress", nic=nic.name, address=WHOLE).short == "Taken"
    holder.native.call("Release", lease=holder.addresses[1])
    assert GROUP not in groups(nic)
    lease_address(holder.native, nic, WHOLE6)
    holder.gets(solicit(nic, WHOLE6))


def test_the_form_follows_who_needs_it(lab):
    """The tenant system alone: by default another XDP program could share the NIC."""
    reeved, nic = lab.start(), lab.nic()
    with reeved.connect_native() as native:
        lease_address(native, nic, WHOLE)
        one, = [each for each in native.call("ListNics")["nics"] if each["name"] == nic.name]
        assert one["form"] == "single"


def test_the_command_holds_and_lists(lab):
    reeved, nic = lab.start(CONF), lab.nic()
    done = lab.house.run(REEVE, "address", "add", nic.name, WHOLE, WHOLE6, "--",
                         REEVE, "address", "list")
    assert done.returncode == 0, done.stderr
    rows = [(row["NIC"], row["ADDRESS"], row["TENANT"]) for row in table(done.stdout)]
    assert sorted(rows) == [(nic.name, WHOLE, "system"), (nic.name, WHOLE6, "system")]
    done = lab.house.run(REEVE, "address", "add", nic.name, nic.ours)
    assert done.returncode != 0 and "AddPort" in done.stderr
    assert of_addresses(reeved) == []


@pytest.mark.parametrize("words", [[], ["eth1"], ["eth1", "--name"], ["--", "true"]], ids=" ".join)
def test_usage_of_the_command(house, words):
    done = house.run(REEVE, "address", "add", *words)
    assert done.returncode == 2 and done.stdout == ""
