# SPDX-License-Identifier: BSD-3-Clause
"""reeve-netd as reeved's tenant: what it leases, who it runs as, and what the end of each
of the three processes means to the other two."""
import json
import os
import signal
import time

import pytest

import mtl
import varlink
from apps import LINE, Host, total
from daemon import status_of
from netd import MAC, OURS, OURS6, PATIENCE, RUN, NetLab

REEVE_NET_UID = 61996
NEAR, FAR = "10.8.0.1", "10.8.0.2"
NEAR_MAC, FAR_MAC = "02:00:00:00:02:01", "02:00:00:00:02:02"
PORTS = ["888", "40000-40003"]
CONF = """
planes = {%s}
nic "*" { channels = %d system-queues = 0 }
stack { config = "%s" }
"""


class Tenant(NetLab):
    """A reeved that runs a netd on the wire."""

    def __init__(self, house):
        super().__init__(house)
        self.machnet = house.dir / "machnet.json"
        self.pids, self.channels = set(), 1

    def write(self, **more):
        self.machnet.write_text(json.dumps({"machnet_config": {
            MAC: {"ifname": "eth1", "ip": f"{OURS}/24", **more}}}))
        self.machnet.chmod(0o600)

    def start_reeved(self, **more):
        reeved = self.house.start(conf=self.conf(), **more)
        self.reeved = reeved
        return reeved

    def conf(self, planes='"stack"'):
        return CONF % (planes, self.channels, self.machnet)

    def up(self, since=0):
        """The pid of the netd that is ready."""
        self.reeved.wait_log("ready.*pid.*[0-9]+", since)
        return self.pid()

    def pid(self):
        with varlink.Client(self.house.connect("/run/reeve/netd.sock")) as client:
            pid = client.call("io.reeve.net.Status")["pid"]
        self.pids.add(pid)
        return pid

    def leases(self):
        with self.reeved.connect_native() as native:
            return sorted(lease["resource"] for lease in native.all("ListLeases"))

    def close(self):
        for pid in self.pids:
            try:
                with open(f"/proc/{pid}/comm") as comm:
                    if comm.read().strip() == "reeve-netd":
                        os.kill(pid, signal.SIGKILL)
            except (FileNotFoundError, ProcessLookupError):
                pass
        super().close()


@pytest.fixture
def net(house):
    lab = Tenant(house)
    lab.wire.ip("address", "add", f"{OURS}/24", "dev", "eth1")
    lab.wire.ip("link", "set", "eth1", "up")
    lab.write(ports=PORTS)
    yield lab
    house.finish()
    lab.close()


def wait_until(true):
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline
        mtl.wait_io(limit=0.01)


def test_what_it_leases(net):
    net.start_reeved()
    net.up()
    ifindex = int(net.house.run("cat", "/sys/class/net/eth1/ifindex").stdout)
    ports = [888, 40000, 40001, 40002, 40003]
    leases = [lease for lease in net.leases() if not lease.startswith("lcore")]
    assert leases == sorted([f"queue 0 of if {ifindex}", f"xdp of if {ifindex}"] +
                            [f"udp_port {port} of if {ifindex}" for port in ports])
    assert net.wire.xdp()


@pytest.fixture
def whole(net):
    """Addresses that the kernel does not have."""
    net.wire.ip("address", "flush", "dev", "eth1")
    net.write(ip=[f"{OURS}/24", f"{OURS6}/64"])
    return net


@pytest.mark.parametrize("to", [OURS, OURS6])
def test_it_answers_for_addresses_of_its_own(whole, to):
    whole.start_reeved()
    whole.up()
    assert " 0% packet loss" in whole.wire.ping(to, 50)
    assert [lease for lease in whole.leases() if lease.startswith(f"address {to} of if")]


def test_it_answers_whoever_dies(whole):
    first = whole.start_reeved()
    first.core_may_die = True
    pid = whole.up()
    os.kill(first.core_pid(), signal.SIGKILL)
    assert " 0% packet loss" in whole.wire.ping(OURS, 20)
    first.wait_log("ready again")
    first.process.kill()
    first.wait()
    assert " 0% packet loss" in whole.wire.ping(OURS, 20)
    second = whole.start_reeved()
    second.wait_log(f"the message stack goes on.*pid {pid}")
    assert " 0% packet loss" in whole.wire.ping(OURS6, 20)
    os.kill(pid, signal.SIGKILL)
    whole.up()
    assert " 0% packet loss" in whole.wire.ping(OURS, 20)


@pytest.fixture
def hosts(net, stage, build):
    """Applications of reeved's netd, and of one by itself at the other end of a wire."""
    net.wire.ip("link", "add", "eth2", "address", NEAR_MAC, "type", "veth", "peer", "name", "eth3",
                "address", FAR_MAC)
    for name in "eth2", "eth3":
        net.wire.ip("link", "set", name, "addrgenmode", "none")
        net.wire.ip("link", "set", name, "up")
    net.machnet.write_text(json.dumps({"machnet_config": {
        NEAR_MAC: {"ifname": "eth2", "ip": f"{NEAR}/24"}}}))
    net.start({FAR_MAC: {"ifname": "eth3", "ip": f"{FAR}/24"}}, run="/run/far",
              args=("--logtostderr", "--ctrl_socket", "/run/far.sock"))
    inside = net.house.command()
    both = [Host(stage, build, "/var/run/machnet/machnet_ctrl.sock", inside),
            Host(stage, build, "/run/far.sock", inside)]
    yield both
    for host in both:
        host.close()


def test_applications(net, hosts):
    """They talk on while the core and reeved are killed."""
    near, far = hosts
    first = net.start_reeved()
    first.core_may_die = True
    pid = net.up()
    far.msg_gen_server(FAR)
    asks = near.msg_gen("--local_ip", NEAR, "--remote_ip", FAR, "--verify", "--duration", 3)
    asks.wait_line(LINE.pattern)
    os.kill(first.core_pid(), signal.SIGKILL)
    first.wait_log("ready again")
    first.process.kill()
    first.wait()
    net.start_reeved().wait_log(f"the message stack goes on.*pid {pid}")
    status, _, err = asks.finish()
    assert status == 0, err
    sent, _, drops, received, _ = total(err)
    assert received and sent - received <= 8 and not drops
    listener = near.hello("--local", NEAR)
    listener.wait_line("Waiting for messages")
    assert far.hello("--local", FAR, "--remote", NEAR).finish()[0] == 0
    listener.wait_line("Received message: Hello World!")


def test_a_nic_with_more_queues(whole):
    whole.channels = 4
    reeved = whole.start_reeved()
    whole.up()
    assert reeved.wait_log("eth1 spreads frames over 4, of which 1 are leased here")


def test_an_address_that_somebody_has_leased(whole):
    reeved = whole.house.start(conf=whole.conf(planes=""))
    whole.reeved = reeved
    with reeved.connect_native() as other:
        other.call("AcquireAddress", nic="eth1", address=OURS)
        reeved.sighup(whole.conf())
        reeved.wait_log(f"can't start.*{OURS}")
    whole.up()


def test_who_it_runs_as(net):
    net.start_reeved()
    pid = net.up()
    for task in os.listdir(f"/proc/{pid}/task"):
        status = status_of(f"{pid}/task/{task}")
        assert set(status["Uid"].split()) == {str(REEVE_NET_UID)}
        assert set(status["Gid"].split()) == {str(REEVE_NET_UID)}
        assert status["Groups"] == ""
        assert status["NoNewPrivs"] == "1"
        for kind in "CapPrm", "CapEff", "CapBnd", "CapInh", "CapAmb":
            assert int(status[kind], 16) == 0, (kind, status[kind])


def test_the_core_dies(net):
    reeved = net.start_reeved()
    reeved.core_may_die = True
    pid, before = net.up(), net.leases()
    since = reeved.mark()
    os.kill(reeved.core_pid(), signal.SIGKILL)
    reeved.wait_log("ready again", since)
    assert net.leases() == before
    assert net.pid() == pid


def test_reeved_dies(net):
    first = net.start_reeved()
    pid, before, program = net.up(), net.leases(), net.wire.xdp()
    first.process.kill()
    first.wait()
    assert net.pid() == pid, "it answers on"
    net.start_reeved().wait_log(f"the message stack goes on.*pid {pid}")
    wait_until(lambda: net.leases() == before)
    assert net.wire.xdp() == program
    # What it leases from now on it leases from the new one.
    os.kill(pid, signal.SIGTERM)
    assert net.up() != pid
    wait_until(lambda: net.leases() == before)


def test_it_dies(net):
    reeved = net.start_reeved()
    pid, before = net.up(), net.leases()
    since = reeved.mark()
    os.kill(pid, signal.SIGKILL)
    reeved.wait_log("the message stack ended.*signal 9", since)
    assert net.up(since) != pid
    assert net.leases() == before


def test_the_plane_is_closed(net):
    reeved = net.start_reeved()
    pid = net.up()
    reeved.sighup("")
    reeved.wait_log("the message stack ended.*exit status 0")
    wait_until(lambda: not net.leases())
    assert not os.path.exists(net.house.path("/run/reeve/netd.sock"))
    assert not os.path.exists(f"/proc/{pid}")
    since = reeved.mark()
    reeved.sighup(net.conf())
    net.up(since)


def test_it_ends_with_reeved(net):
    reeved = net.start_reeved()
    pid = net.up()
    assert reeved.stop() == 0
    assert not os.path.exists(f"/proc/{pid}")
    assert net.wire.xdp() is None
    assert not os.path.exists(net.house.path("/run/reeve/netd.sock"))


def test_a_config_that_is_wrong(net):
    net.machnet.write_text("{")
    reeved = net.start_reeved()
    reeved.wait_log("the message stack ended.*exit status 2; its config is wrong")
    assert [line for line in reeved.log() if "-:1:" in line], reeved.log()
    net.write(ports=PORTS)
    since = reeved.mark()
    reeved.sighup()
    net.up(since)


def test_an_address_of_the_kernels_without_ports(net):
    net.write()
    reeved = net.start_reeved()
    reeved.wait_log('the kernel has an address of eth1, too: the config.s .x22ports.x22 must say')
    reeved.wait_log("the message stack ended.*exit status 1")
    wait_until(lambda: not net.leases())


def test_it_logs_as_reeved_does(net):
    reeved = net.start_reeved(args=["--log-format", "json"])
    reeved.wait_log(r'"ready"')
    net.up()
    assert [entry for entry in reeved.entries() if entry.get("event") == "address"
            or "address" in entry.values()], reeved.log()


def test_no_config(net):
    net.machnet.unlink()
    reeved = net.start_reeved()
    reeved.wait_log("can't start the message stack.*can't open .*machnet.json")


def test_by_hand_without_a_reeved(net):
    done = net.house.run("/run/stage/usr/sbin/reeve-netd", "--config_json", net.machnet,
                         "--runtime_dir", RUN, "--reeve", "/run/none.sock", "--logtostderr")
    assert done.returncode == 1
    assert "no reeved answers at /run/none.sock" in done.stderr
