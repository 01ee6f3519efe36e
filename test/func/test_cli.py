# SPDX-License-Identifier: BSD-3-Clause
"""The reeve command, MtlManager and the example, as people use them."""
import json
import os
import re
import select
import signal
import socket
import subprocess
from pathlib import Path

import pytest

import mtl
from daemon import PATIENCE, children, comm, status_of

ROOT = Path(__file__).resolve().parents[2]
REEVE = "/run/stage/usr/bin/reeve"
MTL_MANAGER = "/run/stage/usr/sbin/MtlManager"
TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"


class Running:
    """A program in the house that has not ended yet."""

    def __init__(self, house, *words):
        self.process = subprocess.Popen(house.command(*words), stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0)
        self.pid = self.process.pid
        self.held = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def line(self):
        """The next line with its newline; "" at the end."""
        while b"\n" not in self.held:
            readable, _, _ = select.select([self.process.stdout], [], [], PATIENCE)
            assert readable, "it says nothing"
            data = self.process.stdout.read(4096)
            if not data:
                return ""
            self.held += data
        line, self.held = self.held.split(b"\n", 1)
        return line.decode() + "\n"

    def end(self, number=None):
        """Exit status, rest of stdout, stderr."""
        if number is not None:
            self.process.send_signal(number)
        out, err = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, (self.held + out).decode(), err.decode()


def reeve(house, *words, status=0):
    """stdout of a command that ends; stderr has one sentence when it failed, else nothing."""
    done = house.run(REEVE, *words)
    assert done.returncode == status, done
    if status in (1, 69):
        assert re.fullmatch(r"reeve: [^\n]+\n", done.stderr), done.stderr
    elif status == 0:
        assert done.stderr == "", done.stderr
    return done.stdout


def ask(house, *words):
    return json.loads(reeve(house, "--json", *words))


def table(text):
    """Rows as dicts; only the last cell may hold blanks."""
    titles, *rows = text.splitlines()
    names = titles.split()
    return [dict(zip(names, row.split(None, len(names) - 1))) for row in rows]


# --- how it is called ---------------------------------------------------------


def test_no_daemon(house):
    done = house.run(REEVE, "status")
    assert done.returncode == 69
    assert "/run/reeve/reeve.sock" in done.stderr and "sudo reeved" in done.stderr
    done = house.run(REEVE, "--socket", "/run/elsewhere", "--json", "lease", "list")
    assert done.returncode == 69 and done.stdout == ""
    assert "/run/elsewhere" in done.stderr


@pytest.mark.parametrize("words", [
    [], ["warp"], ["--warp"], ["lease"], ["lease", "warp"], ["status", "twice"],
    ["lease", "release"], ["lease", "release", "x"], ["lease", "release", "1", "2"],
    ["lease", "acquire", "--count", "0"], ["lease", "acquire", "--count", "-1"],
    ["lease", "acquire", "--cpus", "4-"], ["lease", "acquire", "--cpus", ""],
    ["lease", "acquire", "--count", "1", "--cpus", "1"],
    ["lease", "explain", "--node", "0", "--near", "lo"],
    ["lease", "acquire", "--ttl", "5x"], ["lease", "acquire", "--ttl", "0"],
    ["lease", "explain", "more"], ["events", "--since", "-1"], ["host", "--cpu", "1"],
], ids=" ".join)
def test_usage(reeved, words):
    done = reeved.house.run(REEVE, *words)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("reeve")


@pytest.mark.parametrize("words", [[], ["lease"], ["lease", "acquire"], ["events"]], ids=" ".join)
def test_help(house, words):
    done = house.run(REEVE, *words, "--help")
    assert done.returncode == 0 and "--json" in done.stdout and done.stderr == ""


def test_json_before_or_after(reeved):
    house = reeved.house
    before, after = ask(house, "tenant", "list"), json.loads(
        reeve(house, "tenant", "list", "--json"))
    assert before == after and before["tenants"]


def test_full_disk(reeved):
    with open("/dev/full", "w") as full:
        done = subprocess.run(reeved.house.command(REEVE, "status"), stdout=full,
                              stderr=subprocess.PIPE, text=True, timeout=PATIENCE)
    assert done.returncode == 1 and "No space left" in done.stderr


def test_a_daemon_that_hangs_up(house):
    path = house.dir / "fake.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(1)
        with Running(house, REEVE, "--socket", path, "status") as waiting:
            accepted, _ = listener.accept()
            accepted.recv(4096)
            accepted.close()
            assert waiting.end() == (1, "", "reeve: the daemon closed the connection\n")


# --- looking ------------------------------------------------------------------


def test_status(reeved):
    assert re.fullmatch(
        rf"Daemon:      reeved \S+, pid {reeved.pid}\n"
        rf"Since:       {TIME}\n"
        r"Planes:      mtl\n"
        r"Clients:     1\n"
        r"Instances:   0\n"
        r"Leases:      0\n"
        r"Last event:  \d+\n"
        r"Your tenant: system \(administrator\)\n", reeve(reeved.house, "status"))
    assert ask(reeved.house, "status")["pid"] == reeved.pid


def test_host(reeved, cpus):
    rows = table(reeve(reeved.house, "host", "--cpus"))
    assert {int(row["CPU"]) for row in rows if row["STATE"] == "free"} == set(cpus)
    assert "Leasable: " in reeve(reeved.house, "host")
    assert set(ask(reeved.house, "host")) == {"cpus", "nics", "leasable"}


def test_empty_lists(reeved):
    assert reeve(reeved.house, "lease", "list") == "none\n"
    assert reeve(reeved.house, "instance", "list") == "none\n"
    assert ask(reeved.house, "lease", "list") == {"leases": []}


def test_tenants(reeved):
    rows = table(reeve(reeved.house, "tenant", "list"))
    assert [row["TENANT"] for row in rows] == ["default", "system"]
    assert "0 of 16" in reeve(reeved.house, "tenant", "list")


def test_a_client_cannot_write_on_the_terminal(reeved):
    with reeved.connect_mtl() as client:
        client.send(mtl.register(hostname=b"\x1b[2J\xc2\x9bmad\nlease"))
        client.reply()
        listed = reeve(reeved.house, "instance", "list")
        assert len(listed.splitlines()) == 2 and "mad" in listed
        assert all(c == "\n" or c.isprintable() for c in listed)
        assert reeve(reeved.house, "--json", "instance", "list").isascii()


# --- leasing ------------------------------------------------------------------


def test_run_a_command(reeved, cpus):
    house, cpu = reeved.house, cpus[-1]
    script = f"grep Cpus_allowed_list /proc/self/status; {REEVE} --json lease list; exit 7"
    out = reeve(house, "lease", "acquire", "--cpus", cpu, "--name", "seven", "--",
                "sh", "-c", script, status=7)
    allowed, leases = out.split("\n", 1)
    assert allowed.split() == ["Cpus_allowed_list:", str(cpu)]
    assert [lease["resource"] for lease in json.loads(leases)["leases"]] == [f"lcore {cpu}"]
    assert reeve(house, "lease", "list") == "none\n"


def test_a_command_that_cannot_run(reeved):
    assert reeved.house.run(REEVE, "lease", "acquire", "/nonexistent").returncode == 127
    assert reeved.house.run(REEVE, "lease", "acquire", "/etc").returncode == 126
    assert reeved.house.run(REEVE, "lease", "acquire", "--", "sh", "-c",
                            "kill -9 $$").returncode == 128 + 9
    assert reeve(reeved.house, "lease", "list") == "none\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_hold(reeved, number):
    house = reeved.house
    with Running(house, REEVE, "lease", "acquire", "--name", "holder", "--ttl", "1h") as held:
        assert re.fullmatch(rf"lease \d+: lcore \d+ until {TIME}\n", held.line())
        assert re.fullmatch(r"Holding CPU \d+\. Ctrl-C gives it back\.\n", held.line())
        assert "holder" in reeve(house, "instance", "list")
        assert re.search(rf"\n *\d+ lcore \d+ +system +\d+ +0 +\d+ holder +{TIME} {TIME} no +"
                         r"advisory *\n", reeve(house, "lease", "list"))
        assert held.end(number) == (0, "", "")
    assert reeve(house, "lease", "list") == "none\n"


def test_a_signal_reaches_the_command(reeved):
    words = ["sh", "-c", "trap 'exit 5' TERM; echo up; while :; do sleep 0.01; done"]
    with Running(reeved.house, REEVE, "lease", "acquire", "--", *words) as held:
        assert held.line() == "up\n"
        assert held.end(signal.SIGTERM)[0] == 5


def test_no_command_outlives_its_lease(reeved):
    with Running(reeved.house, REEVE, "lease", "acquire", "--", "sh", "-c",
                 "echo up; exec sleep 1000") as held:
        assert held.line() == "up\n"
        child, = children(held.pid)
        pidfd = os.pidfd_open(child)
        held.process.kill()
        readable, _, _ = select.select([pidfd], [], [], PATIENCE)
        os.close(pidfd)
        assert readable, "the command still runs"


def test_the_command_has_the_usual_signals(reeved):
    with Running(reeved.house, REEVE, "lease", "acquire", "--", "sh", "-c",
                 "grep SigBlk /proc/self/status") as held:
        assert held.line() == "SigBlk:\t0000000000000000\n"


def test_time_limit(reeved):
    done = reeved.house.run(REEVE, "lease", "acquire", "--ttl", "200ms")
    assert done.returncode == 0
    assert done.stderr == "reeve: the time limit ended the lease\n"


def test_the_end_of_the_daemon(reeved):
    with Running(reeved.house, REEVE, "lease", "acquire") as idle, \
            Running(reeved.house, REEVE, "lease", "acquire", "--", "sh", "-c",
                    "echo up; trap 'exit 4' TERM; while :; do sleep 0.01; done") as busy:
        idle.line()
        busy.line()
        assert reeved.stop() == 0
        status, _, err = idle.end()
        assert status == 1 and err == "reeve: the daemon closed the connection\n"
        assert busy.process.poll() is None
        status, _, err = busy.end(signal.SIGTERM)
        assert status == 4 and "goes on without its leases" in err


def test_refused(reeved):
    house = reeved.house
    done = house.run(REEVE, "lease", "acquire", "--cpus", "8000")
    assert done.returncode == 1 and "8000" in done.stderr and done.stdout == ""
    told = json.loads(reeve(house, "--json", "lease", "acquire", "--cpus", "8000", status=1))
    assert told["error"] == "io.reeve.NoSuchResource" and told["why"] in done.stderr
    assert "lease 99" in house.run(REEVE, "lease", "release", "99").stderr


def test_release_by_an_administrator(reeved):
    house = reeved.house
    with Running(house, REEVE, "--json", "lease", "acquire", "--ttl", "1h") as held:
        lines = []
        while not lines or lines[-1] != "}\n":
            lines.append(held.line())
        lease = json.loads("".join(lines))["leases"][0]["lease"]
        assert reeve(house, "lease", "release", lease) == ""
        assert reeve(house, "lease", "list") == "none\n"


def test_explain(reeved, cpus):
    house, cpu = reeved.house, cpus[0]
    out = reeve(house, "lease", "explain", "--cpus", cpu)
    assert out.startswith(f"Would be granted: CPU {cpu} (")
    row, = (row for row in table(out.split("\n\n", 1)[1]) if row["CPU"] == str(cpu))
    assert row["GRANT"] == "yes" and row["STATE"] == "free" and row["WHY"] == "could be yours"
    with Running(house, REEVE, "lease", "acquire", "--cpus", cpu) as held:
        held.line()
        out = house.run(REEVE, "lease", "explain", "--cpus", cpu)
        assert out.returncode == 1 and out.stdout.startswith("Would be refused (taken): ")
        row, = (row for row in table(out.stdout.split("\n\n", 1)[1]) if row["CPU"] == str(cpu))
        assert row["GRANT"] == "-" and row["STATE"] == "leased"
        assert row["TENANT"] == "system" and row["WHY"] == "somebody holds it"
        told = json.loads(house.run(REEVE, "--json", "lease", "explain", "--cpus", cpu).stdout)
        assert told["granted"] is False and told["error"] == "taken"


# --- events -------------------------------------------------------------------


def test_events(reeved):
    house = reeved.house
    reeve(house, "lease", "acquire", "--", "true")
    events = [json.loads(line)["event"]
              for line in reeve(house, "--json", "events").splitlines()]
    assert [event["type"] for event in events] == \
        ["start", "instance-start", "grant", "release", "instance-end"]
    since = events[1]["seq"]
    rest = reeve(house, "events", "--since", since).splitlines()
    assert len(rest) == 1 + 3 and re.match(rf"{TIME} +{since + 1} grant ", rest[1])
    assert reeve(house, "events", "--tenant", "nobody").count("\n") == 1


def test_follow(reeved):
    house = reeved.house
    with Running(house, REEVE, "--json", "events", "--follow", "--since", "1") as watch:
        reeve(house, "lease", "acquire", "--", "true")
        types = [json.loads(watch.line())["event"]["type"] for _ in range(4)]
        assert types == ["instance-start", "grant", "release", "instance-end"]
        assert reeved.stop() == 0
        status, _, err = watch.end()
        assert status == 1 and err == "reeve: the daemon closed the connection\n"


# --- the alias ----------------------------------------------------------------


def test_alias_help(house):
    assert "Usage: MtlManager" in house.run(MTL_MANAGER, "--help").stdout
    assert house.run(MTL_MANAGER, "--version").stdout.startswith("MtlManager (reeve) ")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_alias_holds_the_plane(house, number):
    reeved = house.start(conf="planes = {}\n")
    with Running(house, MTL_MANAGER, "--anything") as alias:
        assert alias.line() == "MtlManager: the running reeved serves MTL clients\n"
        assert ask(house, "status")["planes"] == ["mtl"]
        with reeved.connect_mtl() as client:
            client.send(mtl.register())
            assert client.reply() == (mtl.RESPONSE, 0)
        assert alias.end(number) == (0, "", "")


def test_alias_and_the_end_of_the_daemon(reeved):
    with Running(reeved.house, MTL_MANAGER) as alias:
        alias.line()
        assert reeved.stop() == 0
        assert alias.end() == (1, "", "MtlManager: the MTL plane: reeved has ended\n")


def test_alias_without_rights(house):
    reeved = house.start(conf="mtl {\n\tclosed = true\n}\n")
    done = reeved.house.run(MTL_MANAGER)
    assert done.returncode == 1 and done.stderr.startswith("MtlManager: the MTL plane: ")


def test_alias_becomes_reeved(house):
    with Running(house, MTL_MANAGER) as alias:
        said = ""
        while "ready" not in said:
            said = alias.line()
            assert said, alias.end()
        assert comm(alias.pid) == "reeved"
        assert set(status_of(alias.pid)["SigBlk"]) <= set("0123456789abcdef")
        client = mtl.Client(house.connect(mtl.PATH))
        client.send(mtl.register())
        assert client.reply() == (mtl.RESPONSE, 0)
        client.close()
        assert ask(house, "status")["planes"] == ["mtl"]
        assert alias.end(signal.SIGINT)[0] == 0


# --- the library --------------------------------------------------------------


def test_example(reeved, build, cpus):
    if len(cpus) < 2:
        pytest.skip("needs two CPUs")
    done = reeved.house.run(build / "src/client/lease")
    assert done.returncode in (0, 1), done
    if done.returncode == 1:  # a host whose two CPUs share a core
        assert done.stderr.strip()
    else:
        assert re.fullmatch(r"(lease \d+: cpu \d+\n){2}", done.stdout)
    assert reeve(reeved.house, "lease", "list") == "none\n"


def test_example_is_the_documented_one():
    source = (ROOT / "examples/lease.c").read_text().split("\n", 1)[1]
    assert f"```c\n{source}```\n" in (ROOT / "docs/library.md").read_text()


def test_admin(reeved):
    house = reeved.house
    core = reeved.core_pid()
    assert ask(house, "admin", "upgrade") == {"version": ask(house, "status")["version"]}
    assert reeved.core_pid() != core
    assert re.fullmatch(r"reeved \S+ has taken over\n", reeve(house, "admin", "upgrade"))
    reeve(house, "admin", status=2)
    assert "leases and interfaces stay" in reeve(house, "admin", "stop", "--keep")
    assert reeved.wait() == 0
    reeve(house, "admin", "upgrade", status=69)


def test_orphans_are_shown(reeved):
    house = reeved.house
    client = reeved.connect_mtl()
    client.register()
    assert client.get(100) == 0
    reeved.kill()
    house.start()
    row, = table(reeve(house, "instance", "list"))
    assert (row["LEASES"], row["ORPHAN"]) == ("1", "yes")
