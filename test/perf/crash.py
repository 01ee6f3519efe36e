# SPDX-License-Identifier: BSD-3-Clause
"""Figures about the death of the core: from the kill to the answer of a request that
was sent right after it."""
import os
import shutil
import signal
import statistics

from nic import ADD_PORT, REGISTER, Client, NicReeve, request
from server import Failed, Reeve

KILLS = 40
CLIENTS, PORTS = 1000, 9    # with the interface that each is on: 10,000 leases
CROWD = 10000
HEARTBEAT = 102


def core_of(reeved):
    with open(f"/proc/{reeved}/task/{reeved}/children", encoding="ascii") as file:
        for child in file.read().split():
            with open(f"/proc/{child}/comm", encoding="ascii") as comm:
                if comm.read() == "reeve-core\n":
                    return int(child)
    raise Failed("there is no core")


def recoveries(reeved, clients):
    """Milliseconds each."""
    took = []
    for number in range(KILLS):
        client = clients[number * 37 % len(clients)]
        core = core_of(reeved)
        client.ask(request(HEARTBEAT))  # the core before is done with taking over
        os.kill(core, signal.SIGKILL)
        took.append(client.ask(request(HEARTBEAT)) / 1e3)
    return sorted(took)


def join(server):
    client = Client(server.path)
    client.ask(request(REGISTER, (84, "H", 1), (86, "I", 2)))
    for port in range(PORTS):
        client.ask(request(ADD_PORT, (12, "I", 2), (16, "H", 5000 + port)))
    return client


def forgetful(bench):
    """A tree like the staged one, but for its core: that of forgetful.c."""
    stage = os.path.dirname(os.path.dirname(bench.reeved))
    tree = os.path.join(bench.scratch, "forgetful")
    shutil.copytree(stage, tree)
    os.chmod(bench.scratch, 0o711)  # the core is another user
    shutil.copy(os.path.join(bench.build, "test/perf/forgetful-core"),
                os.path.join(tree, "libexec/reeve/reeve-core"))
    return os.path.join(tree, "sbin/reeved")


def journal_cost(bench):
    """What it costs that nothing is lost: beside a core that keeps nothing."""
    with bench.reeve() as mine, bench.running(Reeve, forgetful(bench), bench.log,
                                              name="no journal") as other:
        for clients in 1, 8:
            runs, bare = bench.interleave((mine, other), "getput", clients)
            bench.row(f"get+put with the journal, {clients} client{'s' * (clients > 1)}",
                      median_of(runs, "rate"), "cycles/s", (">=", 0.9),
                      (other.name, median_of(bare, "rate")))


def median_of(runs, name):
    return statistics.median(run[name] for run in runs)


def measure(bench):
    journal_cost(bench)
    with bench.running(NicReeve, bench.reeved, bench.log) as server:
        took = recoveries(server.pid, [join(server) for _ in range(CLIENTS)])
    what = f"core recovery, {CLIENTS} clients, {CLIENTS * (PORTS + 1)} leases"
    bench.row(f"{what}: median", statistics.median(took), "ms", ("<", 100))
    bench.row(f"{what}: p99", took[int(len(took) * 0.99)], "ms", ("<", 150))
    with bench.running(Reeve, bench.reeved, bench.log) as server, bench.holding(server, CROWD - 1):
        client = Client(server.path)
        client.ask(request(REGISTER))
        took = recoveries(server.pid, [client])
    bench.row(f"core recovery, {CROWD} sockets handed back", statistics.median(took), "ms",
              ("<", 200))
