# SPDX-License-Identifier: BSD-3-Clause
"""ping and pktgen, each with an interface of its own: against the kernel, against
machnet, against one another. Nothing here sleeps: what is waited for is a line, or the end."""
import json
import os
import re
import signal
import subprocess
import threading

import pytest

BIN = "/run/stage/usr/bin"
LIBEXEC = "/run/stage/usr/libexec/reeve"
PATIENCE = 20.0
ANSWER = re.compile(r"^64 bytes from (\S+): icmp_seq=(\d+) ttl=(\d+) time=([\d.]+) us$")
RATES = re.compile(r"^\[TX PPS: ([\d.]+) \(([\d.]+) Gbps\), RX PPS: ([\d.]+) \(([\d.]+) Gbps\), "
                   r"TX_DROP PPS: ([\d.]+)\]$")
RTT_NS = re.compile(r"^RTT \(ns\) mean=(\d+), stddev=(\d+), p50=(\d+), p99=(\d+), p999=(\d+), "
                    r"min=(\d+), max=(\d+)$")


class Program:
    """A program under way; its lines as they come."""

    def __init__(self, command, env=None):
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, text=True,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        env={**os.environ, **(env or {})},
                                        start_new_session=True)
        self.watchdog = threading.Timer(PATIENCE, self.process.kill)
        self.watchdog.start()
        self.lines = []

    def wait_line(self, pattern, stream=None):
        for line in stream or self.process.stdout:
            self.lines.append(line.rstrip("\n"))
            found = re.search(pattern, self.lines[-1])
            if found:
                return found
        raise AssertionError(f"no line /{pattern}/ in {self.lines}, {self.process.stderr.read()}")

    def end(self, number=signal.SIGINT):
        """Exit status, and the lines since the last wait."""
        self.process.send_signal(number)
        out, self.err = self.process.communicate()
        return self.process.returncode, out.splitlines()

    def close(self):
        self.watchdog.cancel()
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


class Net:
    """Two networks of their own with a wire between them: `near` is the house."""

    def __init__(self, house):
        self.house = house
        self.programs = []
        self.namespaces = []
        self.near = house.holder.pid
        self.far = self.namespace()
        self.wire(self.near, "near0", self.far, "far0")
        self.ip(self.near, "link", "set", "lo", "up")

    def namespace(self):
        holder = subprocess.Popen(["unshare", "--net", "sh", "-c", "echo ready; exec cat"],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                  start_new_session=True)
        assert holder.stdout.readline() == b"ready\n"
        self.namespaces.append(holder)
        return holder.pid

    def inside(self, pid, *words):
        return ["nsenter", f"--mount=/proc/{self.near}/ns/mnt", f"--net=/proc/{pid}/ns/net", "--",
                *map(str, words)]

    def run(self, pid, *words):
        return subprocess.run(self.inside(pid, *words), check=True, text=True,
                              capture_output=True, timeout=PATIENCE).stdout

    def ip(self, pid, *words):
        return self.run(pid, "ip", *words)

    def wire(self, a, a_name, b, b_name):
        self.ip(a, "link", "add", a_name, "type", "veth", "peer", "name", b_name, "netns", b)
        for pid, name in ((a, a_name), (b, b_name)):
            # A link-local address would make the kernel send frames of its own.
            self.ip(pid, "link", "set", name, "addrgenmode", "none")
            self.ip(pid, "link", "set", name, "up")

    def address(self, pid, name, text):
        extra = ["nodad"] if ":" in text else []
        self.ip(pid, "addr", "add", text, "dev", name, *extra)

    def config(self, pid, name, **keys):
        """The path of a config for the interface."""
        link, = json.loads(self.ip(pid, "-j", "link", "show", name))
        path = self.house.dir / f"{name}.json"
        path.write_text(json.dumps({"machnet_config": {link["address"]: keys}}))
        return path

    def start(self, pid, program, *args, env=None):
        program = Program(self.inside(pid, program, *args), env)
        self.programs.append(program)
        return program

    def close(self):
        for program in self.programs:
            program.close()
        for holder in self.namespaces:
            holder.stdin.close()
            holder.wait(PATIENCE)
            holder.stdout.close()


@pytest.fixture
def net(house):
    net = Net(house)
    yield net
    net.close()


def ping(net, config, remote, *args):
    """Runs to its end: exit status, lines, errors."""
    program = net.start(net.near, f"{BIN}/machnet-ping", f"--config_json={config}",
                        f"--remote_ip={remote}", *args)
    out, err = program.process.communicate()
    return program.process.returncode, out.splitlines(), err


def answers(lines):
    return [found.groups() for found in map(ANSWER.match, lines) if found]


# --- ping -----------------------------------------------------------------


@pytest.mark.parametrize("ours, far, theirs", [
    ("10.8.0.1/24", "10.8.0.2/24", "10.8.0.2"), ("fd08::1/64", "fd08::2/64", "fd08::2")])
def test_ping_is_answered_by_the_kernel(net, ours, far, theirs):
    net.address(net.far, "far0", far)
    config = net.config(net.near, "near0", ip=ours)
    log = net.house.dir / "rtts"
    status, lines, err = ping(net, config, theirs, "--count=3", "--interval=1", f"--rtt_log={log}")
    assert (status, err) == (0, "")
    assert [(who, number, ttl) for who, number, ttl, _ in answers(lines)] == \
        [(theirs, str(number), "64") for number in (1, 2, 3)]
    assert "3 packets transmitted, 3 received, 0.0% packet loss" in lines
    logged = [float(line) for line in log.read_text().splitlines()]
    assert [round(took, 1) for took in logged] == \
        pytest.approx([float(took) for *_, took in answers(lines)], abs=0.11)
    summary, = (line for line in lines if line.startswith("RTT (us) "))
    parts = {name: float(value) for name, value in re.findall(r"(\w+)=([\d.]+)", summary)}
    assert parts["min"] == pytest.approx(min(logged), abs=0.1)
    assert parts["max"] == pytest.approx(max(logged), abs=0.1)
    assert parts["mean"] == pytest.approx(sum(logged) / 3, abs=0.1)
    assert parts["min"] <= parts["p50"] <= parts["p99"] <= parts["p999"] <= parts["max"]
    assert not any("no answer" in line for line in lines)


def test_ping_is_answered_by_machnet(net):
    config = net.config(net.far, "far0", ip="10.8.0.2/24")
    daemon = net.start(net.far, "/run/stage/usr/sbin/machnet", f"--config_json={config}",
                       "--logtostderr")
    daemon.wait_line("ready", daemon.process.stderr)
    config = net.config(net.near, "near0", ip="10.8.0.1/24")
    status, lines, _ = ping(net, config, "10.8.0.2", "--count=2", "--interval=1")
    assert status == 0
    assert len(answers(lines)) == 2
    assert daemon.end(signal.SIGTERM)[0] == 0


@pytest.mark.parametrize("version", [4, 6])
def test_ping_goes_through_a_gateway(net, version):
    """near - far, which routes - third"""
    third = net.namespace()
    net.wire(net.far, "far1", third, "third0")
    if version == 4:
        ours, gateway, theirs, key = "10.8.0.1/24", "10.8.0.2", "10.9.0.2", "gateway"
        places = (net.far, "far0", "10.8.0.2/24"), (net.far, "far1", "10.9.0.1/24"), \
            (third, "third0", "10.9.0.2/24")
        net.run(net.far, "sysctl", "-qw", "net.ipv4.ip_forward=1")
    else:
        ours, gateway, theirs, key = "fd08::1/64", "fd08::2", "fd09::2", "gateway6"
        places = (net.far, "far0", "fd08::2/64"), (net.far, "far1", "fd09::1/64"), \
            (third, "third0", "fd09::2/64"), \
            (net.far, "far0", "fe80::1/64"), (net.far, "far1", "fe80::1/64")  # to ask from
        net.run(net.far, "sysctl", "-qw", "net.ipv6.conf.all.forwarding=1")
    for place in places:
        net.address(*place)
    net.ip(third, f"-{version}", "route", "add", "default", "via",
           "10.9.0.1" if version == 4 else "fd09::1")
    config = net.config(net.near, "near0", ip=ours, **{key: gateway})
    status, lines, err = ping(net, config, theirs, "--count=2", "--interval=1")
    assert (status, err) == (0, "")
    assert [(who, ttl) for who, _, ttl, _ in answers(lines)] == 2 * [(theirs, "63")]


def test_ping_tells_who_does_not_answer(net):
    config = net.config(net.near, "near0", ip="10.8.0.1/24")
    status, lines, err = ping(net, config, "10.8.0.99", "--count=2", "--interval=1")
    assert (status, err) == (1, "")
    assert "2 packets transmitted, 0 received, 100.0% packet loss" in lines
    assert lines[-1] == "no answer to icmp_seq=1-2"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ping_ends_on_a_signal_with_a_summary(net, number):
    net.address(net.far, "far0", "10.8.0.2/24")
    config = net.config(net.near, "near0", ip="10.8.0.1/24")
    program = net.start(net.near, f"{LIBEXEC}/ping", f"--config_json={config}",
                        "--remote_ip", "10.8.0.2")
    program.wait_line("icmp_seq=1 ")
    status, lines = program.end(number)
    assert status == 0
    assert any(re.match(r"\d+ packets transmitted, \d+ received, ", line) for line in lines)
    assert any(line.startswith("RTT (us) mean=") for line in lines)
    assert "xdp" not in net.ip(net.near, "link", "show", "near0")


def test_two_can_not_have_an_interface(net):
    config = net.config(net.near, "near0", ip="10.8.0.1/24")
    daemon = net.start(net.near, "/run/stage/usr/sbin/machnet", f"--config_json={config}",
                       "--logtostderr")
    daemon.wait_line("ready", daemon.process.stderr)
    for program, *args in (["machnet-ping", "--remote_ip=10.8.0.2"], ["machnet-pktgen"]):
        done = net.house.run(f"{BIN}/{program}", f"--config_json={config}", *args)
        assert done.returncode == 1
        assert re.fullmatch(r"(ping|pktgen): near0 is taken, by a running machnet, it may be: .*\n",
                            done.stderr)
    assert daemon.end(signal.SIGTERM)[0] == 0


def test_an_address_that_the_kernel_has_is_refused(net):
    net.address(net.near, "near0", "10.8.0.1/24")
    config = net.config(net.near, "near0", ip="10.8.0.1/24")
    status, _, err = ping(net, config, "10.8.0.2", "--count=1")
    assert status == 1
    assert err == "ping: the kernel has 10.8.0.1, too, and would get what comes for it\n"


# --- what is wrong before anything begins ---------------------------------


@pytest.mark.parametrize("program, args, said", [
    ("ping", [], "flag '--remote_ip' is missing: whom to ask"),
    ("ping", ["--remote_ip=10.8.0.2", "--interval=0"], "flag '--interval' is 1 at least"),
    ("ping", ["--remote_ip=10.8.0.2", "--icmp_id=65536"],
     "flag '--icmp_id' is a whole number up to 65535, not '65536'"),
    ("ping", ["--nonsense"], "unknown command line flag 'nonsense'"),
    ("ping", ["--remote_ip=here"], "flag '--remote_ip' is an address, not 'here'"),
    ("ping", ["--remote_ip=10.8.0.1"], "10.8.0.1 is our own address"),
    ("ping", ["--remote_ip=fd08::1"], "the config has no address to speak to fd08::1 from"),
    ("ping", ["--remote_ip=192.0.2.1"], "can't ask 192.0.2.1: Network is unreachable"),
    ("pktgen", ["--active_generator"], "flag '--remote_ip' is missing: whom to send to"),
    ("pktgen", ["--ping", "--active_generator", "--remote_ip=10.8.0.2"],
     "--ping and --active_generator are two modes; one can be had"),
    ("pktgen", ["--tx_batch_size=0"], "flag '--tx_batch_size' is 1 at least"),
    ("pktgen", ["--pkt_size=big"], "flag '--pkt_size' is a whole number up to 4294967295, not 'big'"),
    ("pktgen", ["--ping", "--remote_ip=192.0.2.1"],
     "can't send to 192.0.2.1: Network is unreachable"),
    ("pktgen", ["--ping", "--remote_ip=10.8.0.2", "--rtt_log=/none/x"],
     "can't write to /none/x: No such file or directory"),
])
def test_a_wrong_flag_is_a_sentence(net, program, args, said):
    config = net.config(net.near, "near0", ip="10.8.0.1/24")
    done = net.house.run(f"{BIN}/machnet-{program}", f"--config_json={config}", *args)
    assert (done.returncode, done.stderr) == (1, f"{program}: {said}\n")


@pytest.mark.parametrize("program", ["ping", "pktgen"])
def test_the_config_has_one_interface(house, program):
    path = house.dir / "two.json"
    path.write_text(json.dumps({"machnet_config": {
        "02:00:00:00:00:01": {"ip": "10.8.0.1"}, "02:00:00:00:00:02": {"ip": "10.8.0.2"}}}))
    done = house.run(f"{BIN}/machnet-{program}", f"--config_json={path}", "--remote_ip=10.8.0.3")
    assert done.returncode == 2
    assert done.stderr == f"{program}: {path} has 2 interfaces; exactly one is needed\n"


@pytest.mark.parametrize("program", ["ping", "pktgen"])
def test_help_and_version(house, program):
    done = house.run(f"{BIN}/machnet-{program}", "--help")
    assert done.returncode == 0
    assert f"usage: machnet-{program} " in done.stdout and "--rtt_log" in done.stdout
    done = house.run(f"{LIBEXEC}/{program}", "--version")
    assert done.returncode == 0
    assert re.fullmatch(program + r" \S+\n", done.stdout)


# --- pktgen ---------------------------------------------------------------


def start_bouncer(net):
    config = net.config(net.far, "far0", ip="10.8.0.2/24")
    bouncer = net.start(net.far, f"{BIN}/machnet-pktgen", f"--config_json={config}")
    bouncer.wait_line("passive")
    return bouncer


def start_pktgen(net, *args):
    config = net.config(net.near, "near0", ip="10.8.0.1/24")
    return net.start(net.near, f"{BIN}/machnet-pktgen", f"--config_json={config}",
                     "--remote_ip=10.8.0.2", *args)


@pytest.mark.parametrize("args, size", [
    ([], 64), (["--pkt_size=1"], 64), (["--pkt_size=9000", "--nozerocopy"], 1500),
    (["--pkt_size=512", "--tx_batch_size=7"], 512)])
def test_pktgen_floods_and_gets_back(net, args, size):
    bouncer = start_bouncer(net)
    program = start_pktgen(net, "--active_generator", *args)
    program.wait_line(f"active 10.8.0.2, frames of {size} bytes")
    rates = program.wait_line(RATES)
    sent, sent_gbps, got, got_gbps, _ = map(float, rates.groups())
    assert sent > 0 and got > 0
    assert sent_gbps == pytest.approx(sent * size * 8 / 1e9, rel=0.01)
    assert got_gbps == pytest.approx(got * size * 8 / 1e9, rel=0.01)
    assert program.end()[0] == 0
    back = bouncer.wait_line(RATES)
    assert float(back[1]) > 0 and float(back[3]) > 0
    assert bouncer.end(signal.SIGTERM)[0] == 0


def test_pktgen_times_round_trips(net):
    bouncer = start_bouncer(net)
    log = net.house.dir / "rtts"
    program = start_pktgen(net, "--ping", f"--rtt_log={log}")
    program.wait_line(RATES)
    status, lines = program.end()
    assert status == 0
    mean, _, p50, p99, p999, least, most = map(int, RTT_NS.match(lines[-1]).groups())
    logged = [int(line) for line in log.read_text().splitlines()]
    assert (least, most) == (min(logged), max(logged))
    assert mean == pytest.approx(sum(logged) / len(logged), abs=1)
    assert p50 == pytest.approx(sorted(logged)[(len(logged) - 1) // 2], rel=0.02)
    assert least <= p50 <= p99 <= p999 <= most
    assert bouncer.end()[0] == 0


def test_the_bouncer_answers_who_asks_for_it(net):
    """The kernel finds its MAC, and has its echo back."""
    start_bouncer(net)
    net.address(net.near, "near0", "10.8.0.1/24")
    net.run(net.near, "ping", "-c1", "-W5", "10.8.0.2")


def test_pktgen_says_that_nobody_is_there(net):
    program = start_pktgen(net, "--active_generator")
    _, err = program.process.communicate()
    assert program.process.returncode == 1
    assert err == "pktgen: nobody says that 10.8.0.2 is there, in 5 s\n"
