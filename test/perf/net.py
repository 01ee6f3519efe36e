# SPDX-License-Identifier: BSD-3-Clause
"""Figures of the message stack: between two network namespaces with a wire, an end on
each of two CPUs, against bare frames of the same length over the same ports; of netd
when nothing happens; and of two stacks on a simulated network."""
import contextlib
import json
import os
import select
import statistics
import subprocess
import time

from server import Failed, Server, field

ROUNDS = 9
STARTS = 9
IDLE_S = 3.0
PATIENCE_S = 10.0
MACS = "02:00:00:00:00:01", "02:00:00:00:00:02"
# /sys shows the interfaces of whoever mounted it.
HOLDER = "mount -t sysfs sysfs /sys; echo ready; exec cat"


class Netd(Server):
    """reeve-netd on one end of a veth, in namespaces of its own."""

    processes = ("reeve-netd",)

    def __init__(self, scratch, program, log):
        config = os.path.join(scratch, "machnet.json")
        with open(config, "w", encoding="ascii") as file:
            json.dump({"machnet_config": {MACS[0]: {"ip": "10.8.0.1/24"}}}, file)
        with open(log, "ab") as file:
            super().__init__(scratch, "reeve-netd",
                             [program, f"--config_json={config}", "--logtostderr"], file,
                             isolate=True)

    def prepare(self):
        for line in ("mount -t sysfs sysfs /sys",
                     f"ip link add wire address {MACS[0]} type veth peer name far",
                     "ip link set wire addrgenmode none", "ip link set far addrgenmode none",
                     "ip link set wire up", "ip link set far up"):
            subprocess.run(line.split(), check=True, stdout=subprocess.DEVNULL)

    def rss(self):
        return field(f"/proc/{self.pid}/smaps_rollup", "Rss") * 1024


def alone_on(cpu):
    """Before everybody else there, too: a window of 32 packets makes up for no time slice
    that a neighbour gets, as the two thousand frames that wait in a ring do."""
    os.sched_setaffinity(0, {cpu})
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))


class Wire:
    """Two namespaces, each with an interface `wire`; an end runs on a CPU of its own."""

    def __init__(self, program):
        self.program = program
        self.holders = []
        cpus = sorted(os.sched_getaffinity(0))
        self.cpus = cpus[0], cpus[min(1, len(cpus) - 1)]

    def __enter__(self):
        for _ in MACS:
            holder = subprocess.Popen(["unshare", "--net", "--mount", "sh", "-c", HOLDER],
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            self.holders.append(holder)
            if holder.stdout.readline() != b"ready\n":
                raise Failed("no namespaces")
        self.run(0, "ip", "link", "add", "wire", "address", MACS[0], "type", "veth",
                 "peer", "name", "wire", "address", MACS[1], "netns", self.holders[1].pid)
        for end in 0, 1:
            # A link-local address would make the kernel send frames of its own.
            self.run(end, "ip", "link", "set", "wire", "addrgenmode", "none")
            self.run(end, "ip", "link", "set", "wire", "up")
        return self

    def __exit__(self, *_):
        for holder in self.holders:
            holder.stdin.close()
            holder.wait()
            holder.stdout.close()

    def command(self, end, *words):
        pid = self.holders[end].pid
        return ["nsenter", f"--mount=/proc/{pid}/ns/mnt", f"--net=/proc/{pid}/ns/net", "--",
                *map(str, words)]

    def run(self, end, *words):
        subprocess.run(self.command(end, *words), check=True, stdout=subprocess.DEVNULL)

    def start(self, end, *words):
        return subprocess.Popen(self.command(end, self.program, *words), text=True,
                                stdout=subprocess.PIPE,
                                preexec_fn=lambda: alone_on(self.cpus[end]))

    def measure(self, what):
        """What both ends print, once."""
        with contextlib.ExitStack() as stack:
            server = self.start(1, "server", what)
            stack.callback(server.kill)
            if not select.select([server.stdout], [], [], PATIENCE_S)[0] or \
                    server.stdout.readline() != "ready\n":
                raise Failed(f"no server of {what}")
            client = self.start(0, "client", what)
            stack.callback(client.kill)
            out, _ = client.communicate(timeout=PATIENCE_S)
            server.terminate()
            out += server.communicate(timeout=PATIENCE_S)[0]
        if client.returncode or server.returncode:
            raise Failed(f"{what}: status {client.returncode} and {server.returncode}")
        return {name: float(value) for name, value in map(str.split, out.splitlines())}


def interleave(wire, kinds):
    runs = {kind: [] for kind in kinds}
    for number in range(ROUNDS):
        for kind in reversed(kinds) if number % 2 else kinds:
            runs[kind].append(wire.measure(kind))
    return lambda kind, name: statistics.median(run[name] for run in runs[kind])


def row(bench, *args, **kwargs):
    bench.row(*args, **kwargs)
    bench.rows[-1]["plane"] = "stack"


def wire_rows(bench):
    with Wire(os.path.join(os.path.dirname(bench.load), "stack")) as wire:
        median = interleave(wire, ["raw", "flow", "raw-rate", "flow-rate"])
    rtt = median("flow", "rtt") / 1e3
    row(bench, "64-byte message there and back", rtt, "us", ("<=", 2),
        ("bare frames", median("raw", "rtt") / 1e3))
    row(bench, "64-byte messages one way", median("flow-rate", "rate"), "messages/s", (">=", 0.8),
        ("bare frames", median("raw-rate", "rate")))
    row(bench, "connect, neighbour unknown", median("flow", "connect") / 1e3, "us",
        ("<", round(2 * rtt + 2000)))


def sim_rows(bench):
    program = os.path.join(os.path.dirname(bench.load), "sim")
    rates = []
    for _ in range(ROUNDS):
        done = subprocess.run([program], text=True, capture_output=True, check=False,
                              preexec_fn=lambda: os.sched_setaffinity(0, {bench.cpu}))
        if done.returncode != 0:
            raise Failed(f"sim: {done.stderr.strip()}")
        rates.append(float(done.stdout.split()[1]))
    row(bench, "two stacks, simulated network", statistics.median(rates), "packets/s",
        (">=", 1000000))


def netd_rows(bench):
    program = os.path.join(os.path.dirname(bench.reeved), "reeve-netd")
    took = []
    for number in range(STARTS):
        with bench.running(Netd, program, bench.log) as netd:
            took.append(netd.ready_ms)
            if number:
                continue
            rss, ticks = netd.rss(), netd.cpu_ticks()
            time.sleep(IDLE_S)      # the figure is that nothing happens
            row(bench, "reeve-netd: idle CPU", netd.cpu_ticks() - ticks,
                f"ticks in {IDLE_S:g} s", ("=", 0))
            row(bench, "reeve-netd: RSS", rss / 1e6, "MB", ("<", 30))
    row(bench, "reeve-netd: start to ready", statistics.median(took), "ms", ("<", 150))


def measure(bench):
    for part in wire_rows, netd_rows, sim_rows:
        part(bench)
