# SPDX-License-Identifier: BSD-3-Clause
"""usage: bench.py BUILD REEVED
Figures of the host plane, as a table and in BUILD/bench/results.json.

Everything that is timed runs on ONE CPU, server and client alike: a message
then costs the work of both and nothing else. Spread over two, the time is
mostly how long the machine takes to wake an idle CPU, which varies more than
everything measured here and would hide what a server does meanwhile.

reeve and its peers take turns within one run, in an order that is reversed
each round, so that a neighbour's load falls on all. Values are medians over
the rounds; a ratio is of medians. A missed goal is a figure like any other;
the exit status only tells whether there are figures.
"""
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

import apps
import crash
import net
import nic
from server import Failed, Floor, Reeve

ROUNDS = 9
RUN_MS = 300
STARTS = 15
FEW, CROWD = 10, 10000
HOLDERS = 4     # processes that hold the crowd: descriptors are limited
IDLE_S = 3.0


def median_of(runs, name):
    return statistics.median(run[name] for run in runs)


class Bench:
    def __init__(self, build, reeved):
        self.build = build
        self.load = os.path.join(build, "test/perf/load")
        self.floor = os.path.join(build, "test/perf/floor")
        self.reeved = reeved
        self.out = os.path.join(build, "bench")
        self.log = os.path.join(self.out, "reeved.log")
        self.rows = []
        self.neighbours = os.getloadavg()[0]
        # The first CPU takes most interrupts.
        cpus = sorted(os.sched_getaffinity(0))
        self.cpu = cpus[min(1, len(cpus) - 1)]

    @contextlib.contextmanager
    def running(self, make, *args, **kwargs):
        server = make(self.scratch, *args, **kwargs)
        try:
            yield server
        except BaseException:
            server.kill()
            raise
        server.stop()

    def reeve(self, **kwargs):
        return self.running(Reeve, self.reeved, self.log, **kwargs)

    def command(self, server, *what):
        echo = ["-e"] if isinstance(server, Floor) else []
        return [self.load, *echo, server.path, *map(str, what)]

    def run(self, server, *what):
        """One run of `load`; what it printed, and the server's CPU time."""
        before = server.cpu_ns()
        done = subprocess.run(self.command(server, *what), text=True, capture_output=True,
                              preexec_fn=lambda: os.sched_setaffinity(0, {self.cpu}), check=False)
        if done.returncode != 0:
            raise Failed(f"{server.name}: {' '.join(map(str, what))}: {done.stderr.strip()}")
        figures = {name: float(value) for name, value in map(str.split, done.stdout.splitlines())}
        if "cycles" in figures:
            figures["cpu"] = (server.cpu_ns() - before) / 1e3 / figures["cycles"]
        return figures

    def interleave(self, servers, *what):
        """The figures of each run, for each server."""
        runs = [[] for _ in servers]
        for server in servers:
            server.pin(self.cpu)
        for number in range(ROUNDS):
            turn = list(zip(servers, runs))
            for server, mine in reversed(turn) if number % 2 else turn:
                mine.append(self.run(server, *what, RUN_MS))
        return runs

    def row(self, name, value, unit, goal=None, peer=None):
        """goal: (sign, limit), of the ratio if there is a peer: (name, value)."""
        measured = value / peer[1] if peer else value
        met = {">=": measured >= goal[1], "<=": measured <= goal[1], "<": measured < goal[1],
               "=": measured == goal[1]}[goal[0]] if goal else None
        self.rows.append({
            "plane": "host", "name": name, "value": round(value, 3), "unit": unit,
            "peer": peer[0] if peer else None, "peer_value": round(peer[1], 3) if peer else None,
            "goal": f"{goal[0]} {goal[1]:g}{'x' if peer else ''}" if goal else None, "ok": met})

    def rates(self):
        with contextlib.ExitStack() as stack:
            reeve = stack.enter_context(self.reeve())
            epoll = stack.enter_context(self.running(Floor, self.floor))
            one = stack.enter_context(self.running(Floor, self.floor, blocking=True))
            self.rate("get+put, 1 client", (reeve, epoll, one), "getput", 1)
            self.rate("get+put, 8 clients", (reeve, epoll), "getput", 8)
            self.rate("connect to close", (reeve, epoll, one), "cycle")

    def rate(self, name, servers, *what):
        """The peer is the faster of the floors that can serve so many."""
        mine, *floors = self.interleave(servers, *what)
        peers = [(median_of(runs, "rate"), server.name, median_of(runs, "cpu"))
                 for server, runs in zip(servers[1:], floors)]
        rate, peer, cpu = max(peers)
        self.row(name, median_of(mine, "rate"), "cycles/s", (">=", 0.8), (peer, rate))
        self.row(f"{name}: server's CPU", median_of(mine, "cpu"), "us/cycle", None, (peer, cpu))

    @contextlib.contextmanager
    def holding(self, server, count):
        """`count` registered connections, from several processes."""
        share = -(-count // HOLDERS)
        holders = []
        try:
            for start in range(0, count, share):
                what = self.command(server, "hold", min(share, count - start))
                holders.append(subprocess.Popen(what, text=True, stdin=subprocess.PIPE,
                                                stdout=subprocess.PIPE))
            for holder in holders:
                if not holder.stdout.readline().startswith("held"):
                    raise Failed(f"{server.name}: {count} clients could not connect")
            yield
        finally:
            for holder in holders:
                holder.communicate()

    def crowd(self):
        """Two instances side by side, so that both kinds of run can take turns."""
        with contextlib.ExitStack() as stack:
            few = stack.enter_context(self.reeve(name="reeve with few"))
            crowd = stack.enter_context(self.reeve(name="reeve with a crowd"))
            empty = crowd.rss()
            # One less: the client that measures is one of them.
            stack.enter_context(self.holding(few, FEW - 1))
            stack.enter_context(self.holding(crowd, CROWD - 1))
            full = crowd.rss()
            runs_crowd, runs_few = self.interleave((crowd, few), "latency")
            for point, goal in ("p50", None), ("p99", ("<=", 2)):
                self.row(f"request, {CROWD} clients: {point}", median_of(runs_crowd, point) / 1e3,
                         "us", goal, (f"{FEW} clients", median_of(runs_few, point) / 1e3))
            self.row("reeve-core RSS for each client", (full[1] - empty[1]) / (CROWD - 1), "bytes",
                     ("<", 2048))
            self.row("reeved RSS for each client", (full[0] - empty[0]) / (CROWD - 1), "bytes",
                     ("<", 200))
            self.row("reeved RSS, idle", empty[0] / 1e6, "MB", ("<", 4))
            self.row("reeve-core RSS, idle", empty[1] / 1e6, "MB", ("<", 8))
            self.idle((few, crowd))

    def idle(self, servers):
        """Both daemons of all servers, with their clients still connected."""
        ticks = sum(server.cpu_ticks() for server in servers)
        wakeups = sum(server.wakeups() for server in servers)
        time.sleep(IDLE_S)      # the figure is that nothing happens
        ticks = sum(server.cpu_ticks() for server in servers) - ticks
        wakeups = sum(server.wakeups() for server in servers) - wakeups
        self.row("idle CPU", ticks, f"ticks in {IDLE_S:g} s", ("=", 0))
        self.row("idle wake-ups", wakeups, f"in {IDLE_S:g} s", ("=", 0))

    def starts(self):
        took = []
        for _ in range(STARTS):
            with self.reeve() as server:
                took.append(server.ready_ms)
        self.row("start to ready", statistics.median(took), "ms", ("<", 50))

    def measure(self):
        os.makedirs(self.out, exist_ok=True)
        with open(self.log, "wb"):
            pass
        with tempfile.TemporaryDirectory(prefix="reeve-bench.") as self.scratch:
            for part in self.starts, self.rates, self.crowd:
                part()
            nic.measure(self)
            crash.measure(self)
            net.measure(self)
            apps.measure(self)
        with open(os.path.join(self.out, "results.json"), "w", encoding="ascii") as file:
            json.dump(self.rows, file, indent=1)
            file.write("\n")


def number(value):
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 1000 or value == int(value) else f"{value:.2f}"


def cells(row):
    ratio = f"{row['value'] / row['peer_value']:.2f}x" if row["peer_value"] else ""
    met = {None: "", True: "yes", False: "MISSED"}[row["ok"]]
    return [row["name"], number(row["value"]), row["unit"], row["peer"] or "",
            number(row["peer_value"]), ratio, row["goal"] or "", met]


def table(rows):
    heads = ["what", "value", "unit", "peer", "value", "ratio", "goal", "ok"]
    lines = [heads, *map(cells, rows)]
    widths = [max(map(len, column)) for column in zip(*lines)]
    rights = {1, 4, 5}
    for line in lines:
        text = (cell.rjust(width) if i in rights else cell.ljust(width)
                for i, (cell, width) in enumerate(zip(line, widths)))
        print("  ".join(text).rstrip())


def record(bench, path):
    """Puts the table into SPEC.md, between its two marks."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    head, begin, rest = text.partition("<!-- recorded by: make bench RECORD=1 -->\n")
    _, end, tail = rest.partition("<!-- end -->")
    if not begin or not end:
        raise Failed(f"{path} has no place for figures")
    heads = ["what", "value", "unit", "peer", "value", "ratio", "goal", "ok"]
    rows = [heads, ["---"] * len(heads), *map(cells, bench.rows)]
    lines = [f"| {' | '.join(row)} |" for row in rows]
    lines += ["", f"{time.strftime('%Y-%m-%d')}, Linux {os.uname().release}, load average "
              f"{bench.neighbours:.1f}; medians of {ROUNDS} interleaved runs on one CPU. Only the "
              "ratios mean anything on another machine."]
    with open(path, "w", encoding="utf-8") as file:
        file.write(head + begin + "\n".join(lines) + "\n" + end + tail)


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__.splitlines()[0])
    bench = Bench(*map(os.path.abspath, sys.argv[1:]))
    try:
        bench.measure()
    except (Failed, OSError) as error:
        sys.exit(f"bench: {error}; reeve's log is {bench.log}")
    table(bench.rows)
    if os.environ.get("RECORD"):
        here = os.path.dirname(os.path.abspath(__file__))
        record(bench, os.path.join(here, "../../SPEC.md"))
    print(f"\nOne CPU ({bench.cpu}) for server and client; medians of {ROUNDS} interleaved runs of "
          f"{RUN_MS} ms;\nload average before: {bench.neighbours:.2f}; "
          f"reeve logs to a file, as a service does: {bench.log}")


if __name__ == "__main__":
    main()
