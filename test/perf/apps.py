# SPDX-License-Identifier: BSD-3-Clause
"""Figures of applications on the message stack, each end of a wire with its netd on a CPU of
its own: how long they wait for a channel, a port and a flow; messages there and back and one
way, against programs that do the same through the kernel's TCP over a wire of the same kind
(sockperf, which waits or polls, and UCX) and against two engines without applications; and
what a greedy channel leaves the others."""
import contextlib
import json
import os
import re
import select
import statistics
import subprocess

import net
from server import Failed

ROUNDS = 7
MS = 500
PATIENCE_S = 20.0
ADDRESSES = "10.8.0.1", "10.8.0.2"  # netd's
KERNELS = "10.9.0.1", "10.9.0.2"    # TCP's
PORT = 888
CHANNELS, GREEDY_FLOWS = 8, 32
SMALL, PACKET, BULK = 64, 1400, 65536


def settle(cpu):
    """Neighbours get little of that CPU, and the kernel's own threads as much as they need."""
    os.sched_setaffinity(0, {cpu})
    os.setpriority(os.PRIO_PROCESS, 0, -12)


class Pair(net.Wire):
    """Two namespaces with a wire for netd, and one for the kernel; a netd in each."""

    def __init__(self, bench):
        self.programs = os.path.dirname(bench.load)
        super().__init__(os.path.join(self.programs, "stack"))
        prefix = os.path.dirname(os.path.dirname(bench.reeved))
        self.netd = os.path.join(prefix, "sbin/reeve-netd")
        self.msg_gen = os.path.join(prefix, "bin/msg_gen")
        self.scratch = bench.scratch
        self.netds = []

    def __enter__(self):
        super().__enter__()
        try:
            self.set_up()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def set_up(self):
        self.run(0, "ip", "link", "add", "tcp", "type", "veth", "peer", "name", "tcp", "netns",
                 self.holders[1].pid)
        for end in 0, 1:
            self.run(end, "ip", "link", "set", "lo", "up")
            self.run(end, "ip", "address", "add", f"{KERNELS[end]}/24", "dev", "tcp")
            self.run(end, "ip", "link", "set", "tcp", "up")
            self.start_netd(end)

    def __exit__(self, *what):
        for netd in self.netds:
            netd.terminate()
            netd.wait(PATIENCE_S)
            netd.stderr.close()
        super().__exit__(*what)

    def socket(self, end):
        return os.path.join(self.scratch, f"machnet{end}.sock")

    def start_netd(self, end):
        config = os.path.join(self.scratch, f"apps{end}.json")
        with open(config, "w", encoding="ascii") as file:
            json.dump({"machnet_config": {net.MACS[end]: {"ip": f"{ADDRESSES[end]}/24"}}}, file)
        netd = self.popen(end, self.netd, "--config_json", config, "--runtime_dir",
                          os.path.join(self.scratch, f"apps{end}"), "--ctrl_socket",
                          self.socket(end), "--logtostderr", stderr=subprocess.PIPE)
        self.netds.append(netd)
        wait_for(netd.stderr, "ready")

    def path(self, name):
        return os.path.join(self.programs, name)

    def popen(self, end, *words, **how):
        how.setdefault("stderr", subprocess.DEVNULL)
        return subprocess.Popen(self.command(end, *words), text=True, stdin=subprocess.DEVNULL,
                                preexec_fn=lambda: settle(self.cpus[end]),
                                env={**os.environ, "REEVE_MACHNET_SOCKET": self.socket(end)}, **how)

    @contextlib.contextmanager
    def server(self, word, *words, stream="stdout"):
        """Ended at the end; goes on when it says `word`."""
        process = self.popen(1, *words, **{stream: subprocess.PIPE})
        try:
            wait_for(getattr(process, stream), word)
            yield process
        finally:
            process.kill()
            process.wait()
            getattr(process, stream).close()

    def client(self, *words):
        process = self.popen(0, *words, stdout=subprocess.PIPE)
        out, _ = process.communicate(timeout=PATIENCE_S)
        if process.returncode:
            raise Failed(f"{words[0]}: status {process.returncode}: {out}")
        return out


def wait_for(stream, word):
    """What is said has the word; what comes behind it nobody reads."""
    said = b""
    while word.encode() not in said:
        ready, _, _ = select.select([stream], [], [], PATIENCE_S)
        more = os.read(stream.fileno(), 65536) if ready else b""
        if not more:
            raise Failed(f"no {word!r} in: {said.decode(errors='replace')}")
        said += more


def fields(text):
    return {name: float(value) for name, value in map(str.split, text.splitlines())}


# --- there and back ---------------------------------------------------------------------------

def answering(pair, port=PORT):
    return pair.server("LISTENING", pair.msg_gen, "--local_ip", ADDRESSES[1], "--local_port", port,
                       "--msg_size", SMALL, stream="stderr")


def asking(pair, size, window, port=PORT):
    return (pair.msg_gen, "--local_ip", ADDRESSES[0], "--remote_ip", ADDRESSES[1], "--remote_port",
            port, "--msg_size", size, "--msg_window", window, "--duration", 1, "--json")


def total(text):
    return json.loads(text.splitlines()[-1])


def rtt(pair):
    with answering(pair):
        return total(pair.client(*asking(pair, SMALL, 1)))["rtt_us"]["p50"]


def tcp_rtt(pair, *how):
    """sockperf's median there and back, in us. When it was disturbed it has none."""
    for _ in range(3):
        with pair.server("Warmup", "sockperf", "server", "--tcp", "-i", KERNELS[1], *how):
            text = pair.client("sockperf", "ping-pong", "--tcp", "-i", KERNELS[1], "-m", SMALL,
                               "-t", 1, "--full-rtt", *how)
        found = re.search(r"percentile 50\.000 = +([0-9.]+)", text)
        if found:
            return float(found.group(1))
    raise Failed(f"sockperf: {text}")


# --- one way ----------------------------------------------------------------------------------

def taking(pair, port=PORT):
    return pair.server("ready", pair.path("stream"), "receive", ADDRESSES[1], port)


def giving(pair, size, flows=1, port=PORT):
    return (pair.path("stream"), "send", *ADDRESSES, port, size, MS, flows)


def taken(server):
    server.terminate()
    return fields(server.communicate(timeout=PATIENCE_S)[0])


def stream(pair, size):
    with taking(pair) as server:
        pair.client(*giving(pair, size))
        return taken(server)


def ucx_rate(pair):
    """Messages a second of its tag_bw."""
    how = ["env", "UCX_TLS=tcp", "UCX_NET_DEVICES=tcp", "ucx_perftest"]
    with pair.server("Waiting for connection", "stdbuf", "-oL", *how, "-p", 13337):
        text = pair.client(*how, KERNELS[1], "-p", 13337, "-t", "tag_bw", "-s", SMALL, "-n", 100000,
                           "-w", 1000, "-f", "-v")
    return float(text.strip().splitlines()[-1].split(",")[-1])


def engine_bytes(wire):
    return wire.measure("flow-bulk")["bytes"]


# --- many channels ----------------------------------------------------------------------------

def shares(pair):
    """Eight channels send as fast as they can, the first of them over many flows: messages a
    second of the least of the others, and an eighth of all."""
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(taking(pair, PORT + n)) for n in range(CHANNELS)]
        clients = [pair.popen(0, *giving(pair, PACKET, 1 if n else GREEDY_FLOWS, PORT + n))
                   for n in range(CHANNELS)]
        for client in clients:
            if client.wait(PATIENCE_S):
                raise Failed("a channel could not send")
        rates = [taken(server)["rate"] for server in servers]
    return min(rates[1:]), sum(rates) / CHANNELS


# --- waiting for the daemon -------------------------------------------------------------------

def control(pair, *what):
    return fields(pair.client(pair.path("control"), *what))["median"] / 1e3


def connecting(pair):
    with answering(pair):
        return control(pair, "connect", *ADDRESSES, PORT)


# --- all of it --------------------------------------------------------------------------------

def interleave(kinds):
    """The median of each; `kinds`: {name: function}."""
    runs = {name: [] for name in kinds}
    for number in range(ROUNDS):
        for name in list(kinds)[::-1 if number % 2 else 1]:
            runs[name].append(kinds[name]())
    return {name: statistics.median(values) for name, values in runs.items()}


def message_rows(bench, pair):
    with net.Wire(pair.path("stack")) as wire:
        of = interleave({"rtt": lambda: rtt(pair), "tcp": lambda: tcp_rtt(pair),
                         "spinning": lambda: tcp_rtt(pair, "--nonblocked"),
                         "small": lambda: stream(pair, SMALL)["rate"],
                         "ucx": lambda: ucx_rate(pair),
                         "bulk": lambda: stream(pair, BULK)["bytes"],
                         "engines": lambda: engine_bytes(wire)})
    net.row(bench, "64 bytes app to app and back", of["rtt"], "us", ("<=", 0.5),
            ("TCP, waiting", of["tcp"]))
    net.row(bench, "64 bytes app to app and back", of["rtt"], "us", None,
            ("TCP, polling", of["spinning"]))
    net.row(bench, "64-byte messages app to app", of["small"], "messages/s", (">=", 2),
            ("UCX tag_bw", of["ucx"]))
    net.row(bench, "64 KiB messages app to app", of["bulk"] * 8e-9, "Gbit/s", (">=", 0.8),
            ("two engines", of["engines"] * 8e-9))


def sharing_rows(bench, pair):
    runs = sorted((shares(pair) for _ in range(ROUNDS)), key=lambda run: run[0] / run[1])
    least, fair = runs[ROUNDS // 2]
    net.row(bench, "the least of 7 channels beside a greedy one", least, "messages/s",
            (">=", 0.9), ("an eighth of all", fair))


def control_rows(bench, pair):
    of = interleave({"ours": lambda: control(pair, "attach"),
                     "reference": lambda: control(pair, "reference"),
                     "listen": lambda: control(pair, "listen", ADDRESSES[0]),
                     "connect": lambda: connecting(pair)})
    net.row(bench, "attach", of["ours"], "us", ("<", 2000))
    net.row(bench, "attach, as Machnet's library does", of["reference"], "us", ("<", 10000))
    net.row(bench, "listen", of["listen"], "us", ("<", 2000))
    net.row(bench, "connect, app to app", of["connect"], "us", ("<", 2000))


def measure(bench):
    with Pair(bench) as pair:
        for part in message_rows, sharing_rows, control_rows:
            part(bench, pair)
