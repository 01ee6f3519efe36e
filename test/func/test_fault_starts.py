# SPDX-License-Identifier: BSD-3-Clause
"""A reeved that takes another's place, and whose first core is killed at each step before
it is ready, or can't be started at first: what is held stays held. See test_faults.py."""
import os
import signal
import threading

import fault
import mtl
import pytest
from daemon import children, comm
from nic import PATIENCE

CONF = 'tenant "default" { quota { lcore = 1000 } }\n'
NAMES = list(fault.points())
PORT, OTHER = 5000, 5001


def between(first, last):
    return NAMES[NAMES.index(first):NAMES.index(last) + 1]


# Nothing is undone, nor is anybody's socket left, in the place of a reeved that was killed.
AFTER_UPGRADE = between("CORE_TAKE_OVER", "CORE_READY") + between("REEVED_SPAWN", "REEVED_READY")
AFTER_KILL = [name for name in AFTER_UPGRADE if name not in ("CORE_RESUME", "REEVED_RESUME")]


class Kill:
    """The next one is started by somebody else."""

    def __init__(self, lab, reeved):
        reeved.kill()
        self.lab = lab

    def begin(self):
        self.reeved = self.lab.start(CONF, ready=False)

    def end(self):
        self.reeved.wait_notify("READY=1")


class Upgrade:
    """It is asked for, and answered by the core that is there at last."""

    def __init__(self, _lab, reeved):
        self.reeved = reeved
        self.admin = reeved.connect_native()

    def ask(self):
        self.answer = self.admin.call("Upgrade")

    def begin(self):
        self.answer = None
        self.thread = threading.Thread(target=self.ask, daemon=True)
        self.thread.start()

    def end(self):
        self.thread.join(PATIENCE)
        assert self.answer, "nobody answered"


def kill_core(reeved):
    os.kill(reeved.core_pid(), signal.SIGKILL)


def kill(page, reeved):
    """The core, be it there by now or not."""
    there = "reeve-core" in map(comm, children(reeved.pid))
    if there:
        kill_core(reeved)
    if page.fired() == reeved.pid:
        page.let_go()
    if not there:
        kill_core(reeved)


class Held:
    """What is held while reeved is replaced, and that it still is."""

    def __init__(self, lab):
        self.lab, self.reeved = lab, lab.start(CONF)
        self.nic, self.receiver, self.peer = lab.nic(), lab.client(), lab.house.peer(uid=1001)
        self.queue = self.receiver.attach(self.nic, [PORT])
        self.program = self.nic.xdp()
        self.client = self.reeved.connect_mtl(of=self.peer)
        self.client.register()
        assert self.client.get(50) == 0

    def frames(self, client, queue, port):
        self.nic.send(queue, self.nic.udp(port), 3)
        assert client.ports(3) == {port: 3}

    def check(self, reeved):
        assert self.nic.xdp() == self.program, "it was never taken off"
        self.frames(self.receiver, self.queue, PORT)
        fresh = self.lab.client()
        other = fresh.attach(self.nic, [OTHER])
        assert other != self.queue
        self.frames(fresh, other, OTHER)
        with reeved.connect_mtl() as late:
            late.register()
            assert late.get(50) == -1
            self.peer.kill()
            mtl.poll_until(lambda: late.get(50) == 0, "it ends with its process")
        fresh.kill()
        self.receiver.kill()
        mtl.poll_until(lambda: self.lab.bare(self.nic), "nothing is left")


def replace(lab, replacement, point, action, error=0):
    held = Held(lab)
    page = fault.Page(lab.house)
    step = replacement(lab, held.reeved)
    page.arm(point, 1, error)
    step.begin()
    step.reeved.core_may_die = True
    mtl.poll_until(page.fired, f"{point} is reached")
    action(page, step.reeved)
    step.end()
    held.check(step.reeved)
    page.close()


@pytest.mark.parametrize("point", AFTER_KILL)
def test_the_first_core_is_killed_after_reeved_was(lab, point):
    replace(lab, Kill, point, kill)


@pytest.mark.parametrize("point", AFTER_UPGRADE)
def test_the_first_core_is_killed_after_an_upgrade(lab, point):
    replace(lab, Upgrade, point, kill)


@pytest.mark.parametrize("replacement", [Kill, Upgrade])
@pytest.mark.parametrize("point, error", [
    pytest.param(point, error, id=f"{point}-{os.strerror(error)}")
    for point in between("REEVED_SPAWN", "REEVED_HELLO")
    for error in fault.points()[point]])
def test_the_first_core_can_not_be_started_at_once(lab, replacement, point, error):
    replace(lab, replacement, point, lambda _page, _reeved: None, error)
