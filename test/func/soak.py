# SPDX-License-Identifier: BSD-3-Clause
"""Random clients of both protocols, of several tenants, while the core is killed again
and again. What each was told goes into its history; history.py judges them all.

A run is repeated by its seed: what each client does and who is killed how follows from
it. When things happen does not, since the machine's own timing is a part of the test.
"""
import contextlib
import os
import random
import select
import signal
import threading
import time

import history
import mtl
from actors import (FRAMES_PORT, LIMIT, NIC, PAUSE_S, TENANTS, MtlActor, NativeActor, Nursery,
                    Stream, StreamActor)
from history import History

QUEUES = 8
KILLS_A_QUIET = 12          # so many between two looks at everything

CONF = f"""
nic "{NIC}" {{ soft-flows = true }}
tenant "default" {{ quota {{ lcore = 40 }} }}
tenant "media" {{
	uids = {{ "4002" }}
	nics = {{ "{NIC}" }}
	addresses = {{ "10.9.1.0/24", "fd09:1::/64" }}
	quota {{
		lcore = 12
		queue = 2
	}}
}}
tenant "video" {{
	uids = {{ "4003" }}
	nics = {{ "{NIC}" }}
	addresses = {{ "10.9.1.0/24", "fd09:1::/64" }}
}}
tenant "brief" {{
	uids = {{ "4004" }}
	time-limit = "{int(LIMIT * 1000)}ms"
}}
tenant "held" {{
	uids = {{ "4005" }}
	cgroup = "/reeve-soak.slice"
	enforce = "cpuset"
}}
tenant "nobody" {{
	uids = {{ "4999" }}
	quota {{ lcore = %d }}
}}
"""  # the last number changes with a reload


class Soak:
    """A house, a reeved, an interface, clients; and who kills."""

    def __init__(self, lab, seed, actors=40):
        self.lab, self.seed = lab, seed
        self.random = random.Random(f"{seed}/kills")
        self.may_hang_up = self.may_refuse = self.over = self.silent = self.paused = False
        self.changed = threading.Condition()
        self.kills = self.faults_of_its_own = self.reloads = self.quiets = self.frames = 0
        self.histories, self.actors, self.streams, self.killed_at, self.last = [], [], [], [], 0
        self.nursery = Nursery(lab.house.holder.pid)
        self.nic = lab.nic(NIC, queues=QUEUES)
        self.reeved = self.start()
        self.count, self.sockets_linger = actors, True

    def start(self):
        reeved = self.lab.start(CONF % 1)
        reeved.core_may_die = True
        return reeved

    # --- names, as the daemon has them ---

    @property
    def xdp(self):
        return f"xdp of if {self.nic.ifindex}"

    @property
    def queues(self):
        return [self.queue(n) for n in range(1, QUEUES)]

    @property
    def cpus(self):
        return [f"lcore {cpu}" for cpu in sorted(os.sched_getaffinity(0))]

    def queue(self, number):
        return f"queue {number} of if {self.nic.ifindex}"

    def port(self, number):
        return f"udp_port {number} of if {self.nic.ifindex}"

    def flow(self, number):
        return f"soft flow {number} of if {self.nic.ifindex}"

    # --- threads ---

    def go_on(self, actor):
        """Between two requests; false: it is over."""
        if not self.paused:
            return not self.over
        with self.changed:
            actor.parked = True
            self.changed.notify_all()
            self.changed.wait_for(lambda: not self.paused)
            actor.parked = False
        return not self.over

    def woke(self, actor):
        with self.changed:
            self.changed.notify_all()

    def await_kills(self, count):
        """So many more kills, but not longer than there is something going on."""
        with self.changed:
            wanted = self.kills + count
            self.changed.wait_for(lambda: self.kills >= wanted or self.paused or self.over, 0.3)

    def pause(self):
        with self.changed:
            self.paused = True
            self.changed.notify_all()
            still = self.changed.wait_for(
                lambda: all(a.parked or not a.is_alive() for a in self.actors), PAUSE_S)
        assert still, f"who waits for an answer: {[a.number for a in self.actors if not a.parked]}"
        self.tell_failures()

    def resume(self):
        with self.changed:
            self.paused = False
            self.changed.notify_all()

    def tell_failures(self):
        for one in (*self.actors, *self.streams):
            if one.failure:
                raise AssertionError(self.sentence(one.failure)) from one.failure

    # --- clients ---

    def begin(self):
        self.streams = [Stream(self), Stream(self, slow=True)]
        self.begin_frames()
        tenants = sorted(TENANTS)
        for number in range(self.count):
            kind = StreamActor if number % 10 == 9 else NativeActor if number % 3 == 2 else MtlActor
            self.actors.append(kind(self, number, tenants[number // 3 % len(tenants)]))
        for one in (*self.actors, *self.streams):
            one.start()

    def begin_frames(self):
        """A client that holds a queue and a port all the time, with a socket."""
        self.receiver = self.lab.client()
        asked = time.monotonic()
        self.receiver.queue = self.receiver.attach(self.nic, ports=[FRAMES_PORT])
        own = History(str(self.receiver.pid), "system")
        now = time.monotonic()
        own.granted(self.queue(self.receiver.queue), asked, now)
        for resource in self.xdp, self.port(FRAMES_PORT):
            own.granted(f"{resource} of {own.holder}", asked, now)
        self.histories.append(own)

    def send_frames(self, count):
        self.nic.send(self.receiver.queue, self.nic.udp(FRAMES_PORT), count)
        self.frames += count

    # --- kills ---

    def wait_ready(self, since):
        self.reeved.wait_log("ready again", since)

    def nap(self, most):
        select.select([], [], [], self.random.uniform(0, most))

    def killed(self):
        with self.changed:
            self.kills += 1
            self.killed_at.append(time.monotonic())
            self.changed.notify_all()

    def kill_core(self, number=signal.SIGKILL):
        """One that was not killed before: it may be a moment until reeved has seen its end."""
        while (pid := self.reeved.core_pid()) == self.last:
            select.select([], [], [], 0.001)
        os.kill(pid, number)
        self.last = pid
        self.killed()

    def kill_once(self):
        since = self.reeved.mark()
        self.kill_core()
        if self.random.random() < 0.2:
            self.send_frames(2)
        self.wait_ready(since)

    def kill_while_it_recovers(self):
        self.kill_core()
        for _ in range(self.random.randrange(1, 4)):
            self.nap(0.012)
            with contextlib.suppress(ProcessLookupError):
                self.kill_core()
        # The last of them; one before may have been ready, too.
        while not self.reeved_is_ready():
            self.nap(0.005)

    def reeved_is_ready(self):
        """A core that is asked something answers."""
        with self.reeved.connect_native() as native:
            return native.call("Status")["pid"] > 0

    def end_of_its_own(self):
        """After each the next core waits longer."""
        if self.faults_of_its_own == 3:
            self.kill_once()
            return
        self.faults_of_its_own += 1
        since = self.reeved.mark()
        self.kill_core(signal.SIGSEGV)
        self.wait_ready(since)

    def reload(self):
        self.reloads += 1
        self.reeved.conf(CONF % self.random.randrange(1, 9))
        self.reeved.send_signal(signal.SIGHUP)

    def kill_reeved(self):
        """Nobody starts it again but we; sockets are lost, leases stay with living processes."""
        self.may_hang_up = True
        self.reeved.kill()
        self.killed()
        self.reeved = self.start()

    def reconnect(self, since):
        """The stream again, once there is a reeved."""
        deadline = time.monotonic() + PAUSE_S
        while True:
            with contextlib.suppress(OSError):
                client = self.reeved.connect_native()
                client.stream(since=since)
                return client
            assert time.monotonic() < deadline, "no reeved"
            select.select([], [], [], 0.01)

    def kill_one(self, victim):
        roll = self.random.random()
        if victim == "reeved":
            self.kill_reeved()
        elif roll < 0.12:
            self.kill_while_it_recovers()
        elif roll < 0.15:
            self.end_of_its_own()
        else:
            self.kill_once()
        if self.random.random() < 0.1:
            self.reload()
        self.nap(self.random.choice([0.002, 0.01, 0.04, 0.1]))

    def run(self, victim="core", kills=None, seconds=None):
        until = time.monotonic() + seconds if seconds else None
        at = self.kills + KILLS_A_QUIET
        self.begin()
        while (kills is None or self.kills < kills) and (not until or time.monotonic() < until):
            self.kill_one(victim)
            self.tell_failures()
            if self.kills >= at:
                self.look()
                at = self.kills + KILLS_A_QUIET
        self.look()
        self.finish()

    # --- looking ---

    def look(self):
        self.pause()
        self.quiets += 1
        for actor in self.actors:
            if actor.extra():
                self.fault(f"client {actor.number} was told something that it did not ask")
        with self.reeved.connect_native() as native:
            self.look_at_lists(native)
            self.look_at_nic(native)
        self.look_at_frames()
        self.resume()

    def fault(self, text):
        raise AssertionError(self.sentence(text))

    def sentence(self, text):
        """With what the daemons had to say about it, beside who got what."""
        said = [line for line in self.reeved.log() if "seq=" not in line]
        return "\n".join([f"seed {self.seed}, after {self.kills} kills: {text}", *said[-12:]])

    def spans(self):
        return [span for h in self.histories for span in h.spans]

    def holder_of(self, native):
        """Which process is behind which instance."""
        return {i["instance"]: str(i["pid"]) for i in native.all("ListInstances")}

    def listed(self, native):
        leases = native.leases()
        holders = self.holder_of(native)
        for lease in leases:
            holder = holders.get(lease["instance"], "?")
            own = lease["kind"] in ("xdp", "udp_port")
            yield holder, lease["resource"] + (f" of {holder}" if own else "")

    def look_at_lists(self, native):
        begin = time.monotonic()
        listed = list(self.listed(native))
        twice = {pair for pair in listed if listed.count(pair) > 1}
        if twice:
            self.fault(f"listed twice: {twice}")
        wrong = list(history.disagreements(self.spans(), set(listed), begin, time.monotonic()))
        if wrong:
            self.fault("; ".join(wrong))
        self.look_at_uses(native)

    def look_at_uses(self, native):
        holders = self.holder_of(native)
        listed = {(holders.get(p["instance"]), p["port"]): p["uses"]
                  for p in native.all("ListPorts")}
        for actor in self.actors:
            for port, uses in actor.uses.items() if actor.client else ():
                if listed.get((actor.history.holder, port)) != uses:
                    self.fault(f"port {port} has {listed.get((actor.history.holder, port))} uses "
                               f"and not {uses}")

    def look_at_nic(self, native):
        nic, = (n for n in native.call("ListNics")["nics"] if n["name"] == NIC)
        now = time.monotonic()
        queues = {s.resource for s in self.spans()
                  if s.resource in self.queues and s.certain(now)}
        free = {self.queue(n) for n in parse_list(nic["free"])}
        if free & queues:
            self.fault(f"free and held: {free & queues}")
        if nic["form"] != "single" or not self.nic.xdp() or nic["program"] != self.nic.xdp()[1]:
            self.fault(f"the interface has {self.nic.xdp()}, listed is {nic}")

    def look_at_frames(self):
        """All that came meanwhile, and some more."""
        self.send_frames(3)
        came = self.receiver.ports(self.frames)
        if came != {FRAMES_PORT: self.frames}:
            self.fault(f"{came} frames came, {self.frames} were sent")
        self.frames = 0

    # --- the end ---

    def finish(self):
        self.end_actors()
        begin = time.monotonic()
        self.receiver.kill()
        self.histories[0].ended(begin, time.monotonic())
        with self.reeved.connect_native() as native:
            mtl.poll_until(lambda: not native.leases(), "nothing is left")
            mtl.poll_until(lambda: not native.all("ListInstances"), "nobody is left")
            seq = native.call("Status")["seq"]
        self.end_streams(seq)
        mtl.poll_until(lambda: self.lab.bare(self.nic), "the interface is as it was")
        self.tell_failures()
        wrong = history.check(self.histories, self.killed_at)
        if wrong:
            self.fault(f"{len(wrong)} faults, the first of them: {wrong[:5]}")

    def end_actors(self):
        self.over = True
        self.resume()
        for actor in self.actors:
            actor.join(PAUSE_S)

    def end_streams(self, seq):
        fast, slow = self.streams
        mtl.poll_until(lambda: fast.seen >= seq or fast.failure, f"event {seq} comes")
        self.silent = True
        for one in (fast, slow):
            one.join(PAUSE_S)
            one.client.close()
        wrong = list(history.gaps(fast.events))
        if wrong:
            self.fault(f"the stream: {wrong[:5]}")

    def close(self):
        """However it went: threads end, and processes."""
        self.over = self.silent = True
        self.resume()
        for actor in self.actors:
            if actor.client:
                actor.client.sock.close()
        self.nursery.close()

    def report(self):
        answers = sum(actor.answers for actor in self.actors)
        spans, refusals = len(self.spans()), sum(len(h.refusals) for h in self.histories)
        return (f"{self.kills} kills, {self.faults_of_its_own} of them as if of itself, "
                f"{self.reloads} reloads, {self.quiets} looks at everything; {answers} answers to "
                f"{len(self.histories)} clients, {spans} holdings, {refusals} refusals, "
                f"{len(self.streams[0].events)} events")


def parse_list(text):
    """"1-3,7" """
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        yield from range(int(first), int(last or first) + 1)
