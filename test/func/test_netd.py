# SPDX-License-Identifier: BSD-3-Clause
"""reeve-netd on a real interface: the kernel at the other end pings it, and things are
done to the interface while it runs."""
import json
import os
import signal
import subprocess
import time

import pytest

from daemon import status_of
from netd import MAC, OURS, OURS6, PATIENCE, THEIRS, Netd, NetLab, Wire, config
from nic import Foreign, Outside


@pytest.fixture
def net(house):
    lab = NetLab(house)
    yield lab
    lab.close()


# --- it answers -----------------------------------------------------------------------------


@pytest.mark.parametrize("to", [OURS, OURS6])
def test_ping(net, to):
    net.start()
    assert " 0% packet loss" in net.wire.ping(to, 50)


@pytest.mark.parametrize("engines", [1, 2])
def test_ping_of_every_size(net, engines):
    net.start(config(engine_threads=engines))
    for size in (0, 1, 17, 1000, 1472):
        done = subprocess.run(net.wire.outside_command("ping", "-n", "-c", 3, "-i", 0.01, "-W", 5, "-s",
                                                       size, OURS), capture_output=True, text=True)
        assert " 0% packet loss" in done.stdout, done.stdout


def test_it_has_given_up_what_it_does_not_need(net):
    """NET_ADMIN, NET_RAW, IPC_LOCK, SYS_RESOURCE, PERFMON, BPF at most; no way to get more."""
    daemon = net.start()
    for task in os.listdir(f"/proc/{daemon.pid}/task"):
        status = status_of(f"{daemon.pid}/task/{task}")
        assert status["NoNewPrivs"] == "1"
        for kind in "CapPrm", "CapEff", "CapBnd":
            assert int(status[kind], 16) & ~0xc001007000 == 0, (kind, status[kind])


def test_fping_right_after_the_start_loses_nothing(net):
    net.start()
    done = subprocess.run(net.wire.outside_command("fping", "-q", "-c", 200, "-p", 10, "-t", 2000, OURS),
                          capture_output=True, text=True)
    assert "200/200/0%" in done.stderr, done.stderr


def test_ping_through_a_router(net):
    """Who pings is on another network; what netd answers goes by its gateway."""
    beyond = Outside()
    try:
        out = net.outside.run
        out("ip", "link", "add", "to2", "type", "veth", "peer", "name", "far2", "netns", beyond.pid)
        out("ip", "address", "add", "10.6.0.1/24", "dev", "to2")
        out("ip", "link", "set", "to2", "up")
        out("sysctl", "-qw", "net.ipv4.ip_forward=1")
        for words in (("address", "add", "10.6.0.2/24", "dev", "far2"), ("link", "set", "far2", "up"),
                      ("route", "add", "default", "via", "10.6.0.1")):
            beyond.run("ip", *words)
        net.start(config(gateway=THEIRS))
        done = subprocess.run(["nsenter", f"--net=/proc/{beyond.pid}/ns/net", "--", "fping", "-q", "-c",
                               "20", "-p", "10", "-t", "2000", OURS], capture_output=True, text=True)
        assert "20/20/0%" in done.stderr, done.stderr
    finally:
        beyond.close()


def test_an_address_of_the_kernels_is_left_to_it(net):
    net.wire.ip("address", "add", f"{OURS}/24", "dev", "eth1")
    netd = net.start(config(ip=[f"{OURS}/24"]))
    assert "the kernel has it, too" in netd.text
    assert " 0% packet loss" in net.wire.ping(OURS)
    iface = netd.status()
    assert iface["addresses"] == [{"address": OURS, "prefix": 24, "shared": True}]
    assert iface["engines"][0]["stack"]["echoes"] == 0
    assert net.house.run("ping", "-n", "-c", 3, "-i", 0.01, "-W", 5, THEIRS).returncode == 0


def test_groups_of_solicitations_are_let_in(net):
    netd = net.start()
    assert "33:33:ff:00:00:02" in net.wire.ip("maddress", "show", "dev", "eth1")
    assert netd.stop() == 0
    assert "33:33:ff:00:00:02" not in net.wire.ip("maddress", "show", "dev", "eth1")


def test_the_hosts_sysfs_is_not_asked(net):
    """/sys in a network namespace may be another's."""
    net.house.run("umount", "-R", "-l", "/sys")
    net.start()
    net.wire.ping(OURS)


# --- it starts, or says why not ------------------------------------------------------------------


@pytest.mark.parametrize("conf, sentence", [
    ("{", "machnet"),
    ({MAC: {}}, "ip"),
    ({MAC: {"ip": "10.5.0.300"}}, "10.5.0.300"),
    ({MAC: {"ip": OURS, "color": 1}}, "color"),
    ({"nonsense": {"ip": OURS}}, "nonsense"),
])
def test_a_bad_config(net, conf, sentence):
    netd = net.start(conf, ready=False)
    assert netd.finish() == 2
    assert netd.text.startswith("machnet: ") and sentence in netd.text


def test_no_such_interface(net):
    netd = net.start({"02:00:00:00:00:99": {"ip": OURS}}, ready=False)
    assert netd.finish() == 1
    assert "no interface has the MAC address 02:00:00:00:00:99" in netd.text


def test_two_on_one_interface(net):
    first = net.start()
    second = net.start(run="/run/netd2", ready=False,
                       args=("--logtostderr", "--ctrl_socket", "/run/netd2.sock"))
    assert second.finish() == 1
    assert "eth1" in second.text
    net.wire.ping(OURS)
    assert first.status()["engines"][0]["socket"]["gone"] is False


def test_two_on_one_socket(net):
    net.start()
    second = net.start(ready=False)
    assert second.finish() == 1
    assert "another netd serves /run/netd/netd.sock" in second.text
    assert net.netds[0].status()["name"] == "eth1"


def test_another_program_is_there(net):
    class Place:
        ifindex = json.loads(net.wire.ip("-j", "link", "show", "eth1"))[0]["ifindex"]

    with Foreign(net.house, Place) as foreign:
        assert foreign.attach()
        netd = net.start(ready=False)
        assert netd.finish() == 1
        assert "eth1" in netd.text and "program" in netd.text
        assert net.wire.xdp() == foreign.program


def test_it_logs_to_a_file(net):
    netd = net.start(args=["--log_dir", "/run"], ready=False)
    link = net.house.path("/run/machnet.INFO")
    deadline = time.monotonic() + PATIENCE
    while not (os.path.lexists(link) and "ready" in
               open(os.path.join(os.path.dirname(link), os.readlink(link))).read()):
        assert time.monotonic() < deadline and netd.process.poll() is None
        os.sched_yield()
    target = os.path.join(os.path.dirname(link), os.readlink(link))
    assert os.stat(target).st_mode & 0o777 == 0o600
    assert netd.stop() == 0
    assert netd.text == ""
    assert "stopping" in open(target).read()


# --- it ends ------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_cleanly(net, number):
    netd = net.start()
    assert net.wire.xdp()
    assert netd.stop(number) == 0
    assert net.wire.xdp() is None
    assert not os.path.exists(net.house.path("/run/netd/netd.sock"))


def test_killed_it_leaves_nothing_in_the_way(net):
    netd = net.start()
    assert netd.stop(signal.SIGKILL) == -signal.SIGKILL
    assert os.path.exists(net.house.path("/run/netd/netd.sock"))
    net.start()
    net.wire.ping(OURS)


def test_idle_it_takes_no_time(net):
    netd = net.start()
    net.wire.ping(OURS)
    before, end = netd.ticks(), time.monotonic() + 1
    while (left := end - time.monotonic()) > 0:
        signal.sigtimedwait([], left)
    assert netd.ticks() - before <= 1


# --- the interface changes --------------------------------------------------------------------------


def test_an_interface_that_is_deleted_and_comes_again(net):
    netd = net.start()
    net.wire.ping(OURS)
    fds = netd.fds()
    for _ in range(3):
        at = netd.mark()
        net.wire.delete()
        at = netd.wait_log("interface gone", at)
        assert netd.status()["state"] == "gone"
        net.wire.create()
        netd.wait_log("interface back", at)
        net.wire.ping(OURS)
        net.wire.ping(OURS6)
    assert netd.fds() == fds
    assert netd.status()["state"] == "up"


def test_an_interface_that_can_not_be_taken_again_yet(net):
    """Somebody else's program is on it when it comes; later it is not."""
    netd = net.start()
    net.wire.delete()
    at = netd.wait_log("interface gone")
    net.wire.mac = "02:00:00:00:01:77"
    net.wire.create()

    class Place:
        ifindex = json.loads(net.wire.ip("-j", "link", "show", "eth1"))[0]["ifindex"]

    with Foreign(net.house, Place) as foreign:
        assert foreign.attach()
        net.wire.ip("link", "set", "eth1", "address", MAC)
        netd.wait_log("can't take the interface again", at)
        ticks = netd.ticks()
        foreign.detach()
        netd.wait_log("interface back", at)
    assert netd.ticks() - ticks < 50
    assert netd.text.count("can't take") == 1
    net.wire.ping(OURS)


def test_a_new_mac(net):
    netd = net.start()
    net.wire.ping(OURS)
    net.wire.ip("link", "set", "eth1", "address", "02:00:00:00:01:55")
    netd.wait_log("new MAC address")
    deadline = time.monotonic() + PATIENCE
    while "02:00:00:00:01:55" not in net.outside.run("ip", "neigh", "show", OURS).stdout:
        assert time.monotonic() < deadline, "not announced"
    assert " 0% packet loss" in net.wire.ping(OURS)
    assert netd.status()["mac"] == "02:00:00:00:01:55"


def test_down_and_up_are_said_once(net):
    netd = net.start()
    net.wire.ip("link", "set", "eth1", "down")
    at = netd.wait_log("interface down")
    assert netd.status()["state"] == "down"
    net.wire.ip("link", "set", "eth1", "up")
    netd.wait_log("interface up", at)
    net.wire.ping(OURS)
    assert netd.text.count("interface down") == 1 and netd.text.count("interface up") == 1


def test_two_interfaces_one_of_which_goes(net):
    second = Wire.__new__(Wire)
    second.house, second.outside = net.house, net.outside
    second.name, second.far, second.mac = "eth2", "far2", "02:00:00:00:02:01"
    net.wire.ip("link", "add", "eth2", "address", second.mac, "type", "veth", "peer", "name", "far2",
                "netns", net.outside.pid)
    net.wire.ip("link", "set", "eth2", "up")
    net.outside.run("ip", "link", "set", "far2", "up")
    netd = net.start({**config(), second.mac: {"ifname": "eth2", "ip": "10.7.0.2/24"}})
    second.delete()
    netd.wait_log("interface gone")
    net.wire.ping(OURS)
    assert [(i["name"], i["state"]) for i in netd.call("Status")["interfaces"]] == \
        [("eth1", "up"), ("eth2", "gone")]


def test_machnet_is_the_same_program(net):
    netd = Netd(net.house, config(), program="/run/stage/usr/sbin/machnet")
    net.netds.append(netd)
    net.wire.ping(OURS)
