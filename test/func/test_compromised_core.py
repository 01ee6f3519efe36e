# SPDX-License-Identifier: BSD-3-Clause
"""The core is somebody else's: what it tries from within its sandbox, and what it tells
reeved, changes nothing."""
import os
import re
import shutil
import subprocess

import mtl
import pytest
from daemon import House, status_of
from nic import Lab, datagrams

KILLED = "signal 31"
ON_THE_KERNEL = {
    "shadow": "EACCES", "write-proc": "EPERM", "reeved-memory": "EACCES",
    "reeved-environment": "EACCES", "create": "EPERM", "unlink": "EPERM", "rename": "EPERM",
    "inet": "EPERM", "packet": "EPERM", "netlink": "EPERM", "unix": "EPERM",
    "connect": KILLED, "bpf": KILLED, "exec": KILLED, "fork": KILLED, "kill-reeved": "EPERM",
    "kill-all": "EPERM", "pidfd-signal": "EPERM", "ptrace": KILLED, "setuid": KILLED,
    "mount": KILLED, "unshare": KILLED, "truncate": "EPERM", "fallocate": "EPERM",
    "executable-memory": "EPERM", "io-uring": KILLED, "keyring": KILLED, "userfaultfd": KILLED,
    "perf": KILLED, "other-option": "EPERM", "overwrite-log": "EPERM",
}
NO_MESSAGE = {"wrong-size": "no message of the protocol", "wrong-side": "no message of the protocol",
              "too-long": "more bytes than any message has"}


@pytest.fixture
def attacked(stage, build, tmp_path):
    """A daemon whose core makes this attack."""
    houses = []

    def start(attack, conf=None, prepare=lambda house: None):
        copy = tmp_path / "stage"
        subprocess.run(["cp", "-a", stage, copy], check=True)
        core = next(copy.rglob("libexec/reeve/reeve-core"))
        core.unlink()
        shutil.copy(build / "test/fake/compromised_core", core)
        (core.parent / "attack").write_text(attack)
        houses.append(House(copy))
        prepare(houses[-1])
        reeved = houses[-1].start(conf=conf)
        reeved.core_may_die = True
        return reeved

    yield start
    for house in houses:
        house.close()


def host(reeved):
    """What it could have changed."""
    house = reeved.house
    return (house.run("ip", "-d", "link").stdout, house.run("ls", "-R", "/sys/fs/bpf").stdout,
            sorted(os.listdir(house.path("/run/reeve"))))


@pytest.mark.parametrize("attack", ON_THE_KERNEL)
def test_on_the_kernel(attacked, attack):
    reeved = attacked(attack)
    before = host(reeved)
    wanted = ON_THE_KERNEL[attack]
    if wanted == KILLED:
        assert "a system call that nothing here makes" in reeved.wait_log("the core ended.*31")
    else:
        assert f"{attack}: {wanted}" in reeved.wait_log("attack why=")
    assert host(reeved) == before
    assert reeved.stop() == 0


@pytest.mark.parametrize("attack", NO_MESSAGE)
def test_what_is_no_message_ends_the_core(attacked, attack):
    reeved = attacked(attack)
    reeved.wait_log(f"the core is killed.*{NO_MESSAGE[attack]}")
    assert reeved.stop() == 0


def test_a_descriptor_never_comes_to_root(attacked):
    """The last closer of a foreign socket waits for as long as its owner likes."""
    reeved = attacked("descriptor")
    reeved.wait_log("attack why=.descriptor: EPERM|the core is killed.*it sent a descriptor")
    assert reeved.stop() == 0


def test_lies_in_every_field(attacked):
    conf = 'mtl {\n\tclosed = true\n}\ntenant "t" { uids = {"1001"} }\n'
    reeved = attacked("lies", conf)
    before = host(reeved)
    assert "lies: done" in reeved.wait_log("attack why=")
    reeved.wait_log("the core asked for what the config does not allow")
    assert host(reeved) == before
    assert int(status_of(reeved.pid)["VmRSS"].split()[0]) < 16000
    assert not os.path.exists(reeved.house.path(mtl.PATH)), "the plane that is off stayed off"
    assert reeved.stop() == 0


ADDRESSES = {
    "open": "done", "red": "done", "blue": "done", "own": "done",
    "kernels": "EBUSY", "kernels6": "EBUSY", "broadcast": "EBUSY",
    "other-network": "EPERM", "another-tenants": "EPERM", "owned": "EBUSY", "twice": "EBUSY",
    "take-away": "ENOENT", "no-owner": "ENOENT", "closed-interface": "ENODEV",
    "open-other": "EPERM", "red-other": "ENODEV", "other-interface": "ENODEV",
}


def test_addresses_that_nobody_may_have(attacked, build):
    """What the kernel has, what another owner has, what none of the tenant's networks has, and
    all of an interface that the config keeps from reeve."""
    conf = '''
nics = {"eth1"}
tenant "red" {
	uids = {"1001"}
	nics = {"eth1"}
	addresses = {"10.9.1.0/24", "fd09:1::/64"}
}
tenant "blue" {
	uids = {"1002"}
	nics = {"eth1"}
	addresses = {"10.9.1.0/24", "192.0.2.1"}
}
'''
    labs = []

    def wire(house):
        labs.append(Lab(house, build / "test/fake/xsk_client"))
        for name in "eth1", "eth2":
            labs[0].nic(name)

    reeved = attacked("addresses", conf, wire)
    reeved.wait_log("attack why=.addresses: done")
    told = re.findall(r"attack why=.([a-z0-9-]+): (\w+)", "\n".join(reeved.log()))
    assert dict(told) == ADDRESSES | {"addresses": "done"}
    nic = labs[0].nics[0]
    kernel = nic.listen(5000)
    nic.send(1, nic.udp(5000))
    datagrams(kernel, 1)
    labs[0].close()


def test_a_flood_that_never_reads(attacked):
    reeved = attacked("flood")
    assert "flood: done" in reeved.wait_log("attack why=")
    assert int(status_of(reeved.pid)["VmRSS"].split()[0]) < 16000
    assert reeved.stop() == 0
