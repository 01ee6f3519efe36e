# SPDX-License-Identifier: BSD-3-Clause
"""The core is killed, and nobody notices."""
import os
import random
import select
import signal
import threading
import time

import mtl
import pytest
import varlink

BARE = range(16, 120)  # lcore ids that are no CPU of a small host


def kill_core(reeved):
    since = reeved.mark()
    os.kill(reeved.core_pid(), signal.SIGKILL)
    reeved.wait_log("ready again", since)


@pytest.fixture
def mortal(house):
    reeved = house.start(conf='tenant "default" { quota { lcore = 1000 } }')
    reeved.core_may_die = True
    return reeved


def test_a_client_goes_on_as_if_nothing_had_been(mortal):
    client = mortal.connect_mtl()
    client.register()
    assert client.get(50) == 0
    kill_core(mortal)
    assert client.get(50) == -1, "it is held still, by this very client"
    assert client.get(51) == 0
    with mortal.connect_mtl() as other:
        other.register()
        assert other.get(50) == -1
        assert other.get(52) == 0
    assert client.put(50) == 0
    assert client.put(51) == 0


def test_half_a_request_is_kept(mortal):
    client = mortal.connect_mtl()
    client.register()
    whole = mtl.get_lcore(60)
    client.send(whole[:50])
    kill_core(mortal)
    client.send(whole[50:])
    assert client.reply()[1] == 0


def test_who_ends_while_there_is_no_core_holds_nothing_afterwards(mortal):
    client = mortal.connect_mtl()
    client.register()
    assert client.get(70) == 0
    core = mortal.core_pid()
    os.kill(core, signal.SIGSTOP)
    client.close()
    os.kill(core, signal.SIGKILL)
    mortal.wait_log("ready again")
    mortal.wait_log("instance-end")
    with mortal.connect_mtl() as other:
        other.register()
        assert other.get(70) == 0


@pytest.mark.parametrize("doing", ["a stream", "half a call", "a plane"])
def test_a_process_that_ends_while_there_is_no_core(house, mortal, doing):
    """Its socket lives, in this process; whatever it was about is taken down."""
    peer = house.peer()
    client, watched = mortal.connect_native(peer), mortal.connect_native(peer)
    if doing == "a stream":
        client.stream()
        client.reply()
    elif doing == "a plane":
        client.call("HoldPlane", plane="mtl")
    else:
        client.sock.sendall(b'{"method": "io.reeve.Sta')
        watched.call("Status")
    core = mortal.core_pid()
    os.kill(core, signal.SIGSTOP)
    peer.kill()
    os.kill(core, signal.SIGKILL)
    mortal.wait_log("ready again")
    for one in client, watched:
        with pytest.raises(varlink.Closed):
            while True:
                one.reply()
    with mortal.connect_native() as other:
        assert other.call("Status")["clients"] == 1
        assert other.call("HoldPlane", plane="mtl")["already"]


def test_who_connects_while_there_is_no_core_is_served(mortal):
    core = mortal.core_pid()
    os.kill(core, signal.SIGSTOP)
    client = mortal.connect_mtl()
    client.send(mtl.register())
    os.kill(core, signal.SIGKILL)
    assert client.reply()[1] == 0


def test_a_stream_of_events_has_no_gap(mortal):
    stream = mortal.connect_native()
    stream.stream()
    client = mortal.connect_mtl()
    client.register()
    seen = []
    for lcore in range(16, 26):
        assert client.get(lcore) == 0
        if lcore % 3 == 0:
            kill_core(mortal)
    while not any(e["type"] == "grant" and e.get("resource") == "lcore 25" for e in seen):
        reply = stream.reply()
        assert reply["lost"] == 0
        seen.append(reply["event"])
    numbers = [e["seq"] for e in seen]
    assert numbers == list(range(1, len(numbers) + 1))


class Load(threading.Thread):
    """A client that takes and gives back, and keeps what it was told, with the times
    between which that must have happened."""

    def __init__(self, reeved, number, stop):
        super().__init__(daemon=True)
        self.client = reeved.connect_mtl()
        assert self.client.register() == 0
        self.random = random.Random(number)
        self.stop, self.held, self.spans, self.count, self.fault = stop, {}, [], 0, None

    def turn(self):
        lcore = self.random.choice(BARE)
        before = time.monotonic()
        if lcore in self.held:
            since = self.held.pop(lcore)
            self.spans.append((lcore, since, before))
            answer = self.client.put(lcore)
            assert answer == 0, f"put of {lcore}, which is held: {answer}"
        elif self.client.get(lcore) == 0:
            self.held[lcore] = time.monotonic()
        self.count += 1

    def run(self):
        try:
            while not self.stop.is_set():
                self.turn()
        except BaseException as fault:  # told by the test
            self.fault = fault


def overlaps(spans):
    """Pairs that held one lcore at one time."""
    last = {}
    for lcore, since, until in sorted(spans, key=lambda span: (span[0], span[1])):
        if lcore in last and since < last[lcore]:
            yield lcore, since, last[lcore]
        last[lcore] = max(until, last.get(lcore, 0))


def test_many_kills_under_load(mortal):
    stop = threading.Event()
    load = [Load(mortal, number, stop) for number in range(50)]
    for client in load:
        client.start()
    for _ in range(int(os.environ.get("KILLS", 30))):
        counts = [client.count for client in load]
        kill_core(mortal)
        # Everybody is served again before the next one.
        deadline = time.monotonic() + 20
        while any(c.count == n and not c.fault for c, n in zip(load, counts)):
            assert time.monotonic() < deadline, [c.count - n for c, n in zip(load, counts)]
            select.select([], [], [], 0.002)
    stop.set()
    for client in load:
        client.join(20)
    assert not [client.fault for client in load if client.fault]
    now = time.monotonic()
    spans = [span for client in load for span in client.spans]
    spans += [(lcore, since, now) for client in load for lcore, since in client.held.items()]
    assert not list(overlaps(spans))
    with mortal.connect_native() as native:
        held = sorted(int(name.split()[1]) for name in native.lcores())
    assert held == sorted(lcore for client in load for lcore in client.held)


# --- damage ---

JOURNAL = "/run/reeve/state/lease.journal"
HELD = range(40, 60)


def leave_a_journal(house):
    """A reeved that is killed while this process holds some lcores."""
    reeved = house.start(conf='tenant "default" { quota { lcore = 1000 } }')
    client = reeved.connect_mtl()
    client.register()
    for lcore in HELD:
        assert client.get(lcore) == 0
    reeved.kill()
    return open(house.path(JOURNAL), "r+b")


def pages_in_use(journal):
    journal.seek(0)
    return [at for at in range(0, 30 << 20, 4096) if journal.read(4096).strip(b"\0")]


def lcores_of(reeved):
    with reeved.connect_native() as native:
        return {int(name.split()[1]) for name in native.lcores()}


def test_an_undamaged_journal_is_taken_over_whole(house):
    with leave_a_journal(house):
        pass
    reeved = house.start()
    assert lcores_of(reeved) == set(HELD)
    with reeved.connect_mtl() as other:
        other.register()
        assert other.get(HELD[0]) == -1


@pytest.mark.parametrize("seed", range(8))
def test_bits_that_flipped(house, seed):
    """What is provably held is held on, and nothing else is taken for held."""
    chance = random.Random(seed)
    with leave_a_journal(house) as journal:
        pages = pages_in_use(journal)
        for _ in range(4 ** (seed // 2)):
            at = chance.choice(pages) + chance.randrange(4096)
            journal.seek(at)
            byte = journal.read(1)[0] ^ 1 << chance.randrange(8)
            journal.seek(at)
            journal.write(bytes([byte]))
    reeved = house.start()
    held = lcores_of(reeved)
    assert held <= set(HELD)
    reeved.wait_log(r"\bready\b")  # what was found is said before
    log = "\n".join(reeved.log())
    assert held == set(HELD) or "the journal was damaged" in log or "is not known" in log, log
    with reeved.connect_mtl() as other:
        other.register()
        for lcore in HELD:
            assert (other.get(lcore) == 0) == (lcore not in held)


def test_a_journal_that_was_cut_off(house):
    with leave_a_journal(house) as journal:
        journal.truncate(pages_in_use(journal)[-1] // 2)
    reeved = house.start()
    reeved.wait_log("the journal was damaged")
    assert lcores_of(reeved) <= set(HELD)


@pytest.mark.parametrize("at", [0, 8], ids=["magic", "version"])
def test_a_journal_of_another_kind(house, at):
    with leave_a_journal(house) as journal:
        journal.seek(at)
        byte = journal.read(1)[0]
        journal.seek(at)
        journal.write(bytes([byte ^ 64]))
    reeved = house.start()
    reeved.wait_log("what was leased before is not known")
    assert lcores_of(reeved) == set()
