# SPDX-License-Identifier: BSD-3-Clause
"""Clients that do at random what clients may do, and write down what they were told: see
history.py. Who lets them (`soak`) knows names and says whether it goes on; see soak.py."""
import contextlib
import os
import random
import select
import signal
import socket
import threading
import time

import history
import mtl
import varlink
from history import History
from peer import Peer, keep_only

NIC, FRAMES_PORT = "eth1", 5000
LCORES = range(16, 64)      # ids that are no CPU of a small host
PORTS = range(6000, 6040)
LIMIT = 0.4                 # seconds, of the tenant that has one
PAUSE_S = 20.0

# name: (uid, quota of lcores, quota of queues); None: no limit, 0 queues: not on the NIC.
TENANTS = {"default": (4001, 40, 0), "media": (4002, 12, 2), "video": (4003, None, None),
           "brief": (4004, None, 0), "held": (4005, None, 0)}


class Gone(Exception):
    """The daemon hung up."""


class Nursery:
    """Makes processes that connect. A process without threads has to fork them."""

    def __init__(self, inside):
        self.lock = threading.Lock()
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.pid = os.fork()
        if self.pid == 0:
            try:
                keep_only(theirs.fileno())
                signal.signal(signal.SIGCHLD, signal.SIG_IGN)
                self._serve(theirs, inside)
            finally:
                os._exit(0)
        theirs.close()

    @staticmethod
    def _serve(control, inside):
        while uid := control.recv(64):
            peer = Peer(inside, uid=int(uid), gid=int(uid))
            socket.send_fds(control, [str(peer.pid).encode()], [peer.control.fileno()])
            peer.control.close()

    def make(self, uid):
        with self.lock:
            self.control.send(str(uid).encode())
            pid, fds, _, _ = socket.recv_fds(self.control, 64, 1)
        return Born(int(pid), socket.socket(fileno=fds[0]))

    def close(self):
        self.control.close()
        os.waitpid(self.pid, 0)


class Born:
    """A process made by the nursery."""

    connect = Peer.connect

    def __init__(self, pid, control):
        self.pid, self.control = pid, control
        self.pidfd = os.pidfd_open(pid)

    def kill(self):
        """Returns when it is gone."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
        select.select([self.pidfd], [], [], PAUSE_S)
        os.close(self.pidfd)
        self.control.close()


class Actor(threading.Thread):
    """One client after the other, of one tenant."""

    def __init__(self, soak, number, tenant):
        super().__init__(daemon=True)
        self.soak, self.number, self.tenant = soak, number, tenant
        self.uid, self.lcore_quota, self.queue_quota = TENANTS[tenant]
        self.random = random.Random(f"{soak.seed}/{number}")
        self.parked, self.failure, self.lives, self.answers = False, None, 0, 0
        self.history = self.client = None

    def run(self):
        try:
            while self.soak.go_on(self):
                self.turn()
            self.end_life()
        except BaseException as failure:  # told by the soak
            self.failure = failure
            self.soak.woke(self)

    def turn(self):
        try:
            if not self.client:
                self.begin_life()
            elif self.random.random() < 0.02:
                self.random.choice([self.end_life, self.end_in_the_middle, self.be_killed])()
            else:
                self.step()
        except (Gone, varlink.Closed, OSError) as gone:
            if not self.soak.may_hang_up:
                raise AssertionError(f"client {self.number}, {self.history.holder}, was hung up "
                                     f"on: {gone!r}") from gone
            self.be_killed()

    # --- life ---

    def begin_life(self):
        self.process = self.soak.nursery.make(self.uid)
        self.history = History(str(self.process.pid), self.tenant)
        self.soak.histories.append(self.history)
        self.limit = LIMIT if self.tenant == "brief" else None
        self.lives += 1
        self.born = time.monotonic()
        self.client = self.connect()

    def forget(self, begin):
        self.history.ended(begin, time.monotonic())
        self.client = None

    def end_life(self):
        if not self.client:
            return
        begin = time.monotonic()
        self.client.close()
        self.process.kill()
        self.forget(begin)

    def be_killed(self):
        begin = time.monotonic()
        self.process.kill()
        if self.client:
            self.client.close()
        self.forget(begin)

    def end_in_the_middle(self):
        asked = time.monotonic()
        self.history.unanswered(self.send_and_leave(), asked)
        self.end_life()

    def no(self, what):
        """A refusal for which there is no reason but a fault that a test makes."""
        assert self.soak.may_refuse, what
        self.history.unanswered({self.own(self.soak.xdp)}, self.born)

    # --- names ---

    def own(self, resource):
        """Of what many may have at once, each its own."""
        return f"{resource} of {self.history.holder}"

    def held(self, kind):
        return [name for name in self.history.held if history.kind_of(name) == kind]

    def on_nic(self, asked, told):
        """The use of the interface comes with the first request about it."""
        name = self.own(self.soak.xdp)
        if name not in self.history.held:
            self.history.granted(name, asked, told)


class MtlActor(Actor):
    """Speaks libmtl's protocol; on the interface if its tenant may."""

    def __init__(self, *args):
        super().__init__(*args)
        self.nic = self.queue_quota != 0 and self.number % 2 == 0

    def connect(self):
        client = mtl.Client(self.process.connect(mtl.PATH))
        self.uses = {}
        asked = time.monotonic()
        client.send(mtl.register(ifindexes=[self.soak.nic.ifindex] if self.nic else []))
        reply = client.read()
        if not reply:
            raise Gone("at REGISTER")
        if mtl.decode(reply) != (mtl.RESPONSE, 0):
            self.no("REGISTER was refused")
        elif self.nic:
            self.on_nic(asked, time.monotonic())
        return client

    def send_and_leave(self):
        """A request, or a part of one, that nobody waits for; what it may have got."""
        lcore = self.random.choice(LCORES)
        data = mtl.get_lcore(lcore)
        with contextlib.suppress(OSError):
            self.client.send(data[:self.random.choice([1, 60, len(data)])])
        return {f"lcore {lcore}"}

    # --- requests: bytes, kind of answer, what the answer means ---

    def get_lcore(self, lcore):
        name = f"lcore {lcore}"

        def told(asked, now, value):
            if value == 0:
                self.history.granted(name, asked, now, self.limit)
            else:
                self.history.refused({name}, asked, now, quota=self.lcore_quota)
        return mtl.get_lcore(lcore), mtl.RESPONSE, told

    def give_back(self, name, data, value, asked, now):
        if value == 0:
            self.history.given_back(name, now)
        else:
            self.history.not_given_back(name, asked)

    def put_lcore(self, name):
        def told(asked, now, value):
            self.give_back(name, None, value, asked, now)
        return mtl.put_lcore(int(name.split()[1])), mtl.RESPONSE, told

    def put_of_anothers(self, lcore):
        """Always no: it does not have it."""
        def told(asked, now, value):
            assert value == -1, "what another holds was given back"
        return mtl.put_lcore(lcore), mtl.RESPONSE, told

    def get_queue(self):
        def told(asked, now, value):
            if value >= 0:
                self.on_nic(asked, now)
                self.history.granted(self.soak.queue(value), asked, now)
            else:
                self.history.refused(self.soak.queues, asked, now, quota=self.queue_quota)
        return (mtl.interface(mtl.GET_QUEUE, self.soak.nic.ifindex), mtl.QUEUE_ID, told)

    def put_queue(self, name):
        def told(asked, now, value):
            self.give_back(name, None, value, asked, now)
        return (mtl.interface(mtl.PUT_QUEUE, self.soak.nic.ifindex, queue=int(name.split()[1])),
                mtl.RESPONSE, told)

    def add_port(self, port):
        name = self.own(self.soak.port(port))

        def told(asked, now, value):
            if value != 0:
                self.no("a port was refused")
                return
            self.on_nic(asked, now)
            self.uses[port] = self.uses.get(port, 0) + 1
            if self.uses[port] == 1:
                self.history.granted(name, asked, now)
        return (mtl.udp_filter(mtl.ADD_UDP_FILTER, self.soak.nic.ifindex, port),
                mtl.RESPONSE, told)

    def remove_port(self, port):
        name = self.own(self.soak.port(port))

        def told(asked, now, value):
            assert value == 0, "a port could not be removed"
            self.uses[port] -= 1
            if not self.uses[port]:
                del self.uses[port]
                self.history.given_back(name, now)
        return (mtl.udp_filter(mtl.DEL_UDP_FILTER, self.soak.nic.ifindex, port),
                mtl.RESPONSE, told)

    def add_flow(self, queue):
        address = f"239.{self.number}.{self.random.randrange(250)}.{self.random.randrange(250)}"
        number = int(queue.split()[1])

        def told(asked, now, value):
            if value > 0:
                self.history.granted(self.soak.flow(value), asked, now)
            elif address not in self.flows:
                self.no("a flow was refused")
            self.flows.add(address)
        return (mtl.flow(self.soak.nic.ifindex, number, dst=address, port=FRAMES_PORT),
                mtl.FLOW_ID, told)

    def remove_flow(self, name):
        def told(asked, now, value):
            self.give_back(name, None, value, asked, now)
        return (mtl.interface(mtl.DEL_FLOW, self.soak.nic.ifindex, flow_id=int(name.split()[2])),
                mtl.RESPONSE, told)

    def heartbeat(self):
        def told(asked, now, value):
            assert value == 0, "a heartbeat was refused"
        return mtl.heartbeat(), mtl.RESPONSE, told

    # --- what to ask ---

    def about_lcores(self, taken):
        roll = self.random.random()
        mine = [name for name in self.held("lcore") if name not in taken]
        if roll < 0.05:
            return self.heartbeat(), None
        if mine and roll < 0.55:
            name = self.random.choice(mine)
            return self.put_lcore(name), name
        lcore = self.random.choice(LCORES)
        name = f"lcore {lcore}"
        if name in taken or name in self.history.held:
            return self.heartbeat(), None
        if roll < 0.6:
            return self.put_of_anothers(lcore), name
        return self.get_lcore(lcore), name

    def about_nic(self, taken):
        roll = self.random.random()
        queues = [name for name in self.held("queue") if name not in taken]
        flows = [name for name in self.held("flow") if name not in taken]
        port = self.random.choice(PORTS)
        if queues and roll < 0.2:
            return self.put_queue(queues[0]), queues[0]
        if roll < 0.4:
            return self.get_queue(), None
        if flows and roll < 0.55:
            return self.remove_flow(flows[0]), flows[0]
        if queues and roll < 0.7:
            return self.add_flow(queues[0]), queues[0]
        if port in taken:
            return self.heartbeat(), None
        if self.uses.get(port) and roll < 0.85 or len(self.uses) > 12:
            port = self.random.choice(sorted(self.uses))
            return (self.heartbeat(), None) if port in taken else (self.remove_port(port), port)
        return self.add_port(port), port

    def plan(self, count):
        """So many requests, none of which is about what another of them is about."""
        plans, taken = [], set()
        for _ in range(count):
            about = self.about_nic if self.nic and self.random.random() < 0.6 else self.about_lcores
            request, name = about(taken)
            taken.add(name)
            plans.append(request)
        return plans

    def step(self):
        roll = self.random.random()
        if self.nic and roll < 0.05:
            self.ask_map()
        elif roll < 0.1:
            self.ask(self.plan(24), late=True)
        else:
            self.ask(self.plan(self.random.choice([1, 1, 1, 2, 5])))

    def send(self, data):
        """Whole, or in two parts with a kill between if there is one."""
        if self.random.random() < 0.1:
            cut = self.random.randrange(1, len(data))
            self.client.send(data[:cut])
            self.soak.await_kills(1)
            data = data[cut:]
        self.client.send(data)

    def ask(self, plans, late=False):
        """All at once; `late`: and reads the answers when there has been a kill or two."""
        for data, _, _ in plans:
            self.note_asked(data)
        asked, came = time.monotonic(), []
        try:
            self.send(b"".join(data for data, _, _ in plans))
            if late:
                self.soak.await_kills(2)
            self.hear(plans, asked, came)
        except (Gone, OSError):
            self.history.unanswered(self.may_get(plans[len(came):]), asked)
            raise
        for text in history.order([kind for _, kind, _ in plans], came):
            self.history.fault(text)

    def hear(self, plans, asked, came):
        for _, _, told in plans:
            reply = self.client.read()
            if not reply:
                raise Gone(f"{len(came)} of {len(plans)} were answered")
            kind, value = mtl.decode(reply)
            came.append(kind)
            told(asked, time.monotonic(), value)
            self.answers += 1

    def may_get(self, plans):
        """What requests ask for to which there is no answer."""
        for data, _, _ in plans:
            kind = int.from_bytes(data[4:8], "big")
            if kind == mtl.GET_LCORE:
                yield f"lcore {int.from_bytes(data[12:14], 'big')}"
            elif kind == mtl.GET_QUEUE:
                yield from self.soak.queues

    def note_asked(self, data):
        """What is asked back is certain no more from now on."""
        kind = int.from_bytes(data[4:8], "big")
        number = int.from_bytes(data[12:14], "big")
        names = {mtl.PUT_LCORE: lambda: f"lcore {number}",
                 mtl.PUT_QUEUE: lambda: self.soak.queue(int.from_bytes(data[16:18], "big")),
                 mtl.DEL_FLOW: lambda: self.soak.flow(int.from_bytes(data[18:22], "big")),
                 mtl.DEL_UDP_FILTER: lambda: self.own(
                     self.soak.port(int.from_bytes(data[16:18], "big")))}
        if kind not in names:
            return
        name = names[kind]()
        last = kind != mtl.DEL_UDP_FILTER or self.uses[int.from_bytes(data[16:18], "big")] == 1
        if name in self.history.held and last:
            self.history.asked_back(name, time.monotonic())

    def ask_map(self):
        asked = time.monotonic()
        self.client.send(mtl.interface(mtl.XSK_MAP_FD, self.soak.nic.ifindex))
        try:
            byte, file = self.client.read_descriptor()
        except (AssertionError, ConnectionError) as error:
            raise Gone(f"instead of a descriptor: {error}") from error
        self.answers += 1
        if file != "anon_inode:bpf-map":
            self.no(f"{byte} came with {file}")
            return
        self.on_nic(asked, time.monotonic())

    def begin_life(self):
        self.flows = set()
        super().begin_life()

    def extra(self):
        """Bytes that came without a question; that it was hung up on are none."""
        if not self.client or not mtl.wait_io([self.client.sock.fileno()], limit=0)[0]:
            return self.client and self.client.buffer
        return not self.soak.may_hang_up or self.client.sock.recv(1, socket.MSG_PEEK)


class NativeActor(Actor):
    """Speaks Varlink."""

    def connect(self):
        self.leases, self.uses, self.sockets = {}, {}, set()
        return varlink.Client(self.process.connect(varlink.PATH))

    def send_and_leave(self):
        with contextlib.suppress(OSError):
            if self.random.random() < 0.5:
                self.client.send("Acquire", {"kind": "lcore", "count": 1})
            else:
                self.client.sock.sendall(b'{"method": "io.reeve.Acquire", "param')
        return set(self.soak.cpus)

    def call(self, method, told, **parameters):
        """told(asked, now, parameters of the reply, None) or told(.., error)."""
        asked = time.monotonic()
        self.client.send(method, parameters)
        try:
            reply, error = self.client.reply(), None
        except varlink.VarlinkError as no:
            reply, error = None, no
        except (varlink.Closed, OSError):
            pools = {"Acquire": self.soak.cpus, "AcquireQueues": self.soak.queues}
            self.history.unanswered(pools.get(method, ()), asked)
            raise
        self.answers += 1
        told(asked, time.monotonic(), reply, error)

    def took(self, leases, asked, now, limit):
        for lease in leases:
            self.leases[lease["resource"]] = lease["lease"]
            self.history.granted(lease["resource"], asked, now, limit)

    def acquire(self, ttl=None, cpu=None):
        """cpu: the name of one, None: any."""
        limits = [limit for limit in (ttl, self.limit) if limit]
        more = {"ttl_ms": int(ttl * 1000)} if ttl else {}
        pool = [cpu] if cpu else self.soak.cpus
        more.update({"cpus": cpu.split()[1]} if cpu else {"count": 1})

        def told(asked, now, reply, error):
            if not error:
                self.took(reply["leases"], asked, now, min(limits, default=None))
                return
            if error.short not in ("Taken", "NotEnough", "QuotaExceeded"):
                self.no(error)
            self.history.refused(pool, asked, now, quota=self.lcore_quota)
        self.call("Acquire", told, kind="lcore", **more)

    def acquire_queues(self):
        def told(asked, now, reply, error):
            if not error:
                self.on_nic(asked, now)
                self.took(reply["leases"], asked, now, None)
                return
            if error.short not in ("NotEnough", "QuotaExceeded"):
                self.no(error)
            # It came onto the interface before it was refused.
            if not self.soak.may_refuse:
                self.on_nic(asked, now)
            self.history.refused(self.soak.queues, asked, now, quota=self.queue_quota)
        self.call("AcquireQueues", told, nic=NIC, count=1)

    def acquire_address(self, address):
        def told(asked, now, reply, error):
            if error:
                self.no(error)
                return
            self.on_nic(asked, now)
            self.took([reply["lease"]], asked, now, None)
        self.call("AcquireAddress", told, nic=NIC, address=address)

    def release(self, name):
        self.history.asked_back(name, time.monotonic())

        def told(asked, now, reply, error):
            if not error:
                self.history.given_back(name, now)
            else:
                assert error.short == "NoSuchLease", error
                self.history.not_given_back(name, asked)
        self.sockets.discard(name)
        self.call("Release", told, lease=self.leases.pop(name))

    def add_port(self, port):
        def told(asked, now, reply, error):
            if error:
                self.no(error)
                return
            self.on_nic(asked, now)
            self.uses[port] = self.uses.get(port, 0) + 1
            assert reply["uses"] == self.uses[port], reply
            if self.uses[port] == 1:
                self.history.granted(self.own(self.soak.port(port)), asked, now)
        self.call("AddPort", told, nic=NIC, port=port)

    def remove_port(self, port):
        name = self.own(self.soak.port(port))
        if self.uses[port] == 1:
            self.history.asked_back(name, time.monotonic())

        def told(asked, now, reply, error):
            assert not error, error
            self.uses[port] -= 1
            assert reply["uses"] == self.uses[port], reply
            if not self.uses[port]:
                del self.uses[port]
                self.history.given_back(name, now)
        self.call("RemovePort", told, nic=NIC, port=port)

    def open_socket(self, name):
        """Once for each: the kernel can't take one back."""
        def told(asked, now, reply, error):
            fds = self.client.take_fds()
            for fd in fds:
                os.close(fd)
            if error:
                # One that an ended client had may live for a moment more.
                if not self.soak.sockets_linger or error.short not in ("Taken", "Busy"):
                    self.no(error)
                self.sockets.discard(name)
            else:
                assert len(fds) == 2, f"{len(fds)} descriptors"
        self.sockets.add(name)
        self.call("OpenSocket", told, lease=self.leases[name], frames=64, ring=64)

    def look(self):
        def told(asked, now, reply, error):
            assert not error, error
        self.call(self.random.choice(["ListLeases", "ListNics", "Status", "ListTenants"]), told)

    def step(self):
        roll = self.random.random()
        mine = [name for name in self.leases if name in self.history.held]
        fresh = [name for name in mine if name.startswith("queue") and name not in self.sockets]
        if mine and roll < 0.3:
            self.release(self.random.choice(mine))
        elif roll < 0.35 or self.queue_quota == 0 and roll > 0.7:
            self.look()
        elif roll < 0.7:
            self.acquire(self.random.choice([None, None, 0.05, 0.3]),
                         self.random.choice([None, *self.soak.cpus]))
        elif fresh and roll < 0.75:
            self.open_socket(fresh[0])
        elif roll < 0.85:
            self.acquire_queues()
        elif self.uses and roll < 0.92:
            self.remove_port(self.random.choice(sorted(self.uses)))
        else:
            self.add_port(self.random.choice(PORTS))

    extra = MtlActor.extra


class StreamActor(Actor):
    """Reads the events of its tenant, from now on."""

    def connect(self):
        self.uses, self.seen = {}, 0
        client = varlink.Client(self.process.connect(varlink.PATH))
        seq = client.call("Status")["seq"]
        client.stream(since=seq)
        return client

    def send_and_leave(self):
        return set()

    def step(self):
        readable, _ = mtl.wait_io([self.client.sock.fileno()], limit=0.02)
        while readable and self.client.fill():
            readable = b"\0" not in self.client.buffer
        while b"\0" in self.client.buffer:
            event = self.client.reply()["event"]
            assert event["seq"] > self.seen, f"event {event['seq']} after {self.seen}"
            assert event["tenant"] == self.tenant, f"an event of {event['tenant']}"
            self.seen = event["seq"]
            self.answers += 1

    def extra(self):
        return False


class Stream(threading.Thread):
    """An administrator's event stream from the first event on. `slow`: reads once, and
    never again."""

    def __init__(self, soak, slow=False):
        super().__init__(daemon=True)
        self.soak, self.slow, self.failure = soak, slow, None
        self.events, self.seen = [], 0
        self.client = soak.reeved.connect_native()
        self.client.stream()

    def run(self):
        try:
            while not self.soak.silent and not (self.slow and self.events):
                self.read()
        except BaseException as failure:
            self.failure = failure

    def read(self):
        readable, _ = mtl.wait_io([self.client.sock.fileno()], limit=0.05)
        if not readable and b"\0" not in self.client.buffer:
            return
        try:
            reply = self.client.reply()
        except (varlink.Closed, ConnectionError):
            if not self.soak.may_hang_up:
                raise
            self.client = self.soak.reconnect(self.seen)
            return
        self.seen = reply["event"]["seq"]
        self.events.append((self.seen, reply["lost"]))
