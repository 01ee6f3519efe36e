# SPDX-License-Identifier: BSD-3-Clause
"""Every step of every transaction is where the core is killed, where a process stands
still, or where it meets each error that can be met there. Clients of all kinds then have
what they were told that they have, and at the end nothing is left. Needs a build
with -Dfaults=true; more of the places where a step is reached: FAULTS=all."""
import contextlib
import errno
import os
import re
import signal
import socket
import threading
import time

import fault
import history
import mtl
import pytest
import varlink
from actors import FRAMES_PORT, PAUSE_S, Gone, MtlActor, NativeActor, Stream
from daemon import House, children, comm
from nic import Lab
from soak import Soak

POINTS = fault.points()
PLACES = 3      # so many of the times that a point is reached
IDLE_PROCESSES = 64  # PROCESS_IDLE_MAX of the core
# Reached only when the interface is opened and closed for this session.
OPENING = {"REEVED_OPEN", "REEVED_OPENED", "REEVED_DETACH"}
CRASHES = ["none", "core"]


class Rig(Soak):
    """One daemon for many sessions, whose clients are driven one after the other."""

    def __init__(self, lab):
        super().__init__(lab, 1)
        self.page = fault.Page(lab.house)
        self.sockets_linger = False
        self.paused = True      # who would wait for kills does not
        self.streams = [Stream(self)]
        self.streams[0].start()
        self.receiver, self.failure, self.crash = None, None, "none"
        self.reached = {crash: self.count_hits(crash) for crash in CRASHES}

    # --- the session ---

    def life(self, kind, number, tenant):
        """One that is hung up on comes again, if a fault may be the reason."""
        actor = kind(self, number, tenant)
        for _ in range(3):
            try:
                actor.begin_life()
                self.actors.append(actor)
                return actor
            except (Gone, varlink.Closed, ConnectionError):
                assert self.may_hang_up, "hung up on"
                begin = time.monotonic()
                actor.process.kill()
                actor.history.ended(begin, time.monotonic())
        raise Gone("three times")

    def take(self, libmtl, native):
        libmtl.ask([libmtl.get_queue()])
        for name in libmtl.held("queue"):
            libmtl.ask([libmtl.add_flow(name), libmtl.add_port(FRAMES_PORT)])
        libmtl.ask_map()
        libmtl.ask([libmtl.get_lcore(20), libmtl.get_lcore(21), libmtl.put_of_anothers(22)])
        native.acquire(cpu=self.cpus[0])
        native.acquire_queues()
        for name in native.held("queue"):
            native.open_socket(name)
        for port in 6000, 6000, 6001:
            native.add_port(port)
        for address in "10.9.1.9", "fd09:1::9":
            native.acquire_address(address)

    def take_for_a_moment(self, held):
        """Under a cpuset, and until a time limit ends it."""
        held.acquire(ttl=0.03, cpu=self.cpus[-1])
        for name in held.held("lcore"):
            wait_until = held.history.held[name].until
            mtl.poll_until(lambda: time.monotonic() > wait_until, "the time limit is over")
            mtl.poll_until(lambda: not self.is_listed(held, name), "its lease has ended")

    def is_listed(self, actor, name):
        with self.reeved.connect_native() as native:
            return (actor.history.holder, name) in set(self.listed(native))

    def give_back(self, libmtl, native):
        for port in sorted(native.uses):
            native.remove_port(port)
        for name in [name for name in native.leases if name in native.history.held]:
            native.release(name)
        for name in libmtl.held("flow"):
            libmtl.ask([libmtl.remove_flow(name)])
        for name in libmtl.held("queue"):
            libmtl.ask([libmtl.put_queue(name)])
        for port in sorted(libmtl.uses):
            libmtl.ask([libmtl.remove_port(port)])
        libmtl.ask([libmtl.put_lcore(name) for name in libmtl.held("lcore")[:1]])

    def middle(self):
        if self.crash == "core":
            since = self.reeved.mark()
            self.kill_core()
            self.wait_ready(since)
        self.compare()

    def compare(self):
        """What each was told that it has is what is listed, if nobody is in the middle."""
        if self.may_hang_up:  # who was, and came again, left something for a moment
            self.look_after_receiver()
            self.look_for_hang_ups()
            mtl.poll_until(lambda: not self.wrong(), "lists and clients agree")
        wrong = self.wrong()
        assert not wrong, wrong

    def wrong(self):
        begin = time.monotonic()
        with self.reeved.connect_native() as native:
            listed = set(self.listed(native))
        return list(history.disagreements(self.spans(), listed, begin, time.monotonic()))

    def session(self):
        libmtl = self.life(MtlActor, 0, "media")
        native = self.life(NativeActor, 2, "video")
        held = self.life(NativeActor, 5, "held")
        self.take(libmtl, native)
        self.middle()
        self.take_for_a_moment(held)
        self.give_back(libmtl, native)
        self.compare()
        libmtl.be_killed()
        native.end_life()

    def run_session(self):
        """To its very end, so that whatever is reached in it is met."""
        try:
            self.session()
        except (Gone, varlink.Closed, ConnectionError) as gone:
            if not self.may_hang_up:
                self.failure = AssertionError(f"hung up on: {gone!r}")
        except BaseException as failure:  # told by go()
            self.failure = failure
        try:
            self.end_session()
            self.rest()
        except BaseException as failure:
            self.failure = self.failure or failure

    def end_session(self):
        for actor in self.actors:
            if actor.client:
                actor.end_life()
        self.actors = []

    # --- around it ---

    def have_timer(self):
        """reeved keeps the one by which it waits when there is no descriptor."""
        self.page.arm("REEVED_ACCEPT", 1, errno.EMFILE)
        with self.reeved.connect_native() as native:
            native.call("Status")

    def hold_nic(self, wanted):
        """Opening and closing the interface for each session takes its time."""
        if wanted and not self.receiver:
            self.begin_frames()
        elif not wanted and self.receiver:
            self.end_receiver()
            mtl.poll_until(lambda: self.lab.bare(self.nic), "the interface is as it was")

    def end_receiver(self):
        begin = time.monotonic()
        self.receiver.kill()
        self.receiver = None
        for own in self.histories:
            if own.tenant == "system":
                own.ended(begin, time.monotonic())

    def fds(self):
        """Of both daemons, but for what a core makes when it first needs it and then keeps: its
        timers, and the pidfds of processes that may come again, which are few."""
        core = mtl.links(f"/proc/{self.reeved.core_pid()}/fd")
        assert len([fd for fd in core if "pidfd" in fd]) <= IDLE_PROCESSES + 3, core
        return [len(os.listdir(f"/proc/{self.reeved.pid}/fd")),
                len([fd for fd in core if "pidfd" not in fd and "timerfd" not in fd])]

    def rest(self):
        """As it is between sessions: only who holds the interface is there."""
        self.look_after_receiver()
        held = 3 if self.receiver else 0
        with self.reeved.connect_native() as native:
            mtl.poll_until(lambda: len(native.leases()) == held, "nothing is left")
            mtl.poll_until(lambda: native.call("Status")["clients"] == 2 + bool(self.receiver),
                           "nobody is left")
        if not self.receiver:
            mtl.poll_until(lambda: self.lab.bare(self.nic), "the interface is as it was")

    def look_after_receiver(self):
        """It is one of the clients that may have been hung up on."""
        if self.receiver and self.may_hang_up:
            with self.reeved.connect_native() as native:
                if self.receiver.pid not in [i["pid"] for i in native.all("ListInstances")]:
                    self.end_receiver()

    def look_for_hang_ups(self):
        for actor in self.actors:
            sock = actor.client.sock
            if mtl.wait_io([sock.fileno()], limit=0)[0] and not sock.recv(1, socket.MSG_PEEK):
                raise Gone(f"client {actor.number}")

    def count_hits(self, crash):
        """How often each point is reached by a session, with and without a kill in it."""
        self.crash = crash
        self.hold_nic(False)
        before = self.page.hits()
        self.go()
        after = self.page.hits()
        return {name: after[name] - before[name] for name in after}

    def go(self, on_fire=None):
        """One session, and what is to be done when the point is reached."""
        self.histories = [h for h in self.histories if h.tenant == "system" and self.receiver]
        self.failure = None
        thread = threading.Thread(target=self.run_session, daemon=True)
        thread.start()
        if on_fire:
            mtl.poll_until(lambda: self.page.fired() or not thread.is_alive(), "it ends")
            if self.page.fired():
                on_fire()
        thread.join(PAUSE_S)
        assert not thread.is_alive(), "the session hangs"
        self.page.disarm()
        if self.failure:
            raise AssertionError(self.sentence(self.failure)) from self.failure

    # --- what happens at a point ---

    def kill(self):
        """The core, wherever it is; if it is reeved that stands still, it goes on then. Where
        there is no core, the next one."""
        stands = self.page.fired()
        cores = [pid for pid in children(self.reeved.pid) if comm(pid) == "reeve-core"]
        for core in cores:
            os.kill(core, signal.SIGKILL)
        if stands == self.reeved.pid:
            self.page.let_go()
        if not cores:
            os.kill(self.reeved.core_pid(), signal.SIGKILL)

    def stall(self):
        """Somebody comes meanwhile, and is served afterwards."""
        with self.reeved.connect_mtl() as client:
            client.send(mtl.register())
            self.page.let_go()
            assert client.reply() == (mtl.RESPONSE, 0)

    def places(self, point):
        """(crash, nth): where it is reached, spread over all."""
        for crash in CRASHES:
            count = self.reached[crash][point]
            if crash == "core" and self.reached["none"][point]:
                continue
            most = count if os.environ.get("FAULTS") == "all" else min(count, PLACES)
            for number in range(most):
                yield crash, 1 + number * (count - 1) // max(1, most - 1)

    def meet(self, point, action, error=0):
        fired = 0
        before = self.fds()
        self.may_refuse = self.may_hang_up = error != 0
        for crash, nth in self.places(point):
            self.crash = crash
            self.hold_nic(point not in OPENING)
            self.page.arm(point, nth, error)
            self.go(action)
            fired += self.page.fired() != 0
        assert fired, f"{point} was never reached"
        self.hold_nic(True)
        mtl.poll_until(lambda: self.fds() == before, f"no descriptor is left: {before}")

    def meet_error(self):
        """It was met; nothing is to be done about it."""


class Rigs:
    """One for all tests, until one fails."""

    def __init__(self, stage, program):
        self.stage, self.program, self.rig = stage, program, None

    def get(self):
        if not self.rig:
            self.house = House(self.stage)
            self.lab = Lab(self.house, self.program)
            self.rig = Rig(self.lab)
            self.rig.have_timer()
            self.rig.hold_nic(True)
        return self.rig

    def drop(self):
        rig, self.rig = self.rig, None
        if not rig:
            return
        try:
            rig.hold_nic(False)
            rig.close()
            assert not list(history.gaps(rig.streams[0].events)), "the stream has gaps"
            self.check_log(rig.reeved.log())
            self.lab.close()
        finally:
            self.house.close()


    @staticmethod
    def check_log(lines):
        """Nothing was damaged; what is told twice is the same both times, and nothing is left
        out unless a uid had too many lines."""
        assert not [line for line in lines if "damaged" in line]
        told = {}
        for line in lines:
            seq = re.search(r"\bseq=(\d+)", line)
            if seq:
                text = line.split(maxsplit=1)[1]
                assert told.setdefault(int(seq[1]), text) == text, (told[int(seq[1])], text)
        missing = set(range(1, max(told))) - set(told)
        assert not missing or any("held_back=" in text for text in told.values()), missing


@pytest.fixture(scope="module")
def rigs(stage, build):
    rigs = Rigs(stage, build / "test/fake/xsk_client")
    yield rigs
    rigs.drop()


def meet(rigs, point, action, error=0):
    try:
        rig = rigs.get()
        rig.meet(point, getattr(rig, action), error)
    except BaseException:
        with contextlib.suppress(BaseException):
            rigs.drop()
        raise


@pytest.mark.parametrize("point", POINTS)
def test_the_core_is_killed(rigs, point):
    meet(rigs, point, "kill")


@pytest.mark.parametrize("point", POINTS)
def test_it_stands_still(rigs, point):
    meet(rigs, point, "stall")


@pytest.mark.parametrize("point, error", [
    pytest.param(point, error, id=f"{point}-{errno.errorcode[error]}")
    for point, errors in POINTS.items() for error in errors])
def test_an_error_is_met(rigs, point, error):
    meet(rigs, point, "meet_error", error)
