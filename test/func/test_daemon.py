# SPDX-License-Identifier: BSD-3-Clause
"""reeved as a daemon: start, config, signals, its core, its end."""
import json
import os
import re
import signal
import socket
import stat
import time
from pathlib import Path

import pytest

import mtl
import varlink
from daemon import Reeved, children, comm, status_of

SOCKETS = (mtl.PATH, varlink.PATH)
NOBODY = 65534


def check(house, text, mode=0o644):
    path = house.dir / "check.conf"
    path.write_text(text)
    path.chmod(mode)
    return house.run(Reeved.PROGRAM, "--check", "--config", path)


# --- start -----------------------------------------------------------------


def test_starts_without_a_config(reeved):
    with reeved.connect_native() as native:
        status = native.call("Status")
    assert status["planes"] == ["mtl"] and status["pid"] == reeved.pid
    assert reeved.wait_log(r"\bready\b")


def test_ready_means_both_sockets_serve(house):
    reeved = house.start()
    with reeved.connect_mtl() as client, reeved.connect_native() as native:
        assert client.register() == 0
        native.call("Status")


def test_help_and_version(house):
    usage = house.run(Reeved.PROGRAM, "--help")
    assert usage.returncode == 0
    for option in ("--config", "--check", "--runtime-dir", "--state-dir", "--log-level",
                   "--log-format"):
        assert option in usage.stdout
    version = house.run(Reeved.PROGRAM, "--version")
    root = Path(__file__).resolve().parents[2]
    assert version.stdout == f"reeved {(root / 'VERSION').read_text()}"


@pytest.mark.parametrize("arguments", [
    ["--nonsense"], ["surplus"], ["--log-level", "loud"], ["--log-format", "xml"],
    ["--plane", "warp"],
])
def test_bad_command_line(house, arguments):
    done = house.run(Reeved.PROGRAM, *arguments)
    assert done.returncode == 2 and done.stdout == ""
    assert "reeved: " in done.stderr and arguments[-1] in done.stderr


def test_needs_root(house):
    done = house.run("setpriv", "--reuid=65534", "--clear-groups", Reeved.PROGRAM)
    assert done.returncode != 0
    assert len(done.stderr.splitlines()) == 1 and "root" in done.stderr


def test_runtime_dir(house):
    reeved = house.start(args=["--runtime-dir", "/run/elsewhere"])
    with varlink.Client(house.connect("/run/elsewhere/reeve.sock")) as native:
        assert native.call("Status")["pid"] == reeved.pid
    assert not os.path.exists(house.path("/run/reeve"))


def test_plane_switch_on_the_command_line(house):
    reeved = house.start(conf="planes = {}\n", args=["--plane", "mtl"])
    with reeved.connect_mtl() as client:
        assert client.register() == 0


def test_the_mtl_socket_can_be_moved_or_closed(house):
    house.start(conf='mtl {\n\tsocket = "/run/imtl/other.sock"\n}\n')
    with mtl.Client(house.connect("/run/imtl/other.sock")) as client:
        assert client.register() == 0
    assert not os.path.exists(house.path(mtl.PATH))


# --- config ------------------------------------------------------------------


def test_check(house):
    assert check(house, "").returncode == 0
    good = check(house, 'tenant "a" {\n\tuids = { "1000" }\n}\n')
    assert good.returncode == 0 and good.stderr == ""
    assert not os.path.exists(house.path("/run/reeve")), "--check leaves no trace"


BAD = {
    "unknown key": ('colour = "red"\n', 1),
    "unclosed brace": ('log {\n\tlevel = "info"\n', 1),
    "unclosed string": ('cpus = "0\n', 1),
    "truncated tenant": ('tenant "a" {\n\tuids = { "10', 2),
    "bad cpu list": ('\n\ncpus = "1-x"\n', 3),
    "bad level": ('log {\n\tlevel = "loud"\n}\n', 2),
    "nobody's tenant": ('tenant "a" {\n}\n', None),
    "same uid twice": ('tenant "a" {\n\tuids = { "7" }\n}\n'
                       'tenant "b" {\n\tuids = { "5-9" }\n}\n', 5),
    "same cpu twice": ('tenant "a" {\n\tuids = { "7" }\n\tcpus = "1"\n}\n'
                       'tenant "b" {\n\tuids = { "8" }\n\tcpus = "1"\n}\n', 7),
    "reserved but never": ('never = "1"\ntenant "a" {\n\tuids = { "7" }\n\tcpus = "1"\n}\n', None),
    "enforced without a cgroup": ('tenant "a" {\n\tuids = { "7" }\n\tenforce = "cpuset"\n}\n', 3),
    "no such user": ('tenant "a" {\n\tusers = { "no-such-user" }\n}\n', 2),
    "binary": ("\0\1\2", 1),
    "not a number": ('tenant "a" {\n\tuids = { "7" }\n\tquota {\n\t\tlcore = "many"\n\t}\n}\n', 4),
    "a closed plane asked for": ('planes = { "mtl" }\nmtl {\n\tclosed = true\n}\n', None),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_config_is_one_sentence(house, name):
    text, line = BAD[name]
    for words in (["--check"], []):
        (house.dir / "check.conf").write_text(text)
        done = house.run(Reeved.PROGRAM, *words, "--config", house.dir / "check.conf")
        assert done.returncode == 2
        assert len(done.stderr.splitlines()) == 1, done.stderr
        assert done.stderr.startswith("reeved: ")
        where = re.search(r"reeve\.conf:(\d+):", done.stderr)
        assert where and (line is None or int(where[1]) == line), done.stderr
    assert not os.path.exists(house.path("/run/reeve")), "it did not start"


def test_config_that_others_may_write(house):
    done = check(house, "", mode=0o666)
    assert done.returncode == 2 and "root" in done.stderr


def test_config_that_is_not_there_or_no_file(house):
    for path in ("/run/no-such-file", "/run", "/dev/zero"):
        done = house.run(Reeved.PROGRAM, "--check", "--config", path)
        assert done.returncode == 2 and path in done.stderr


def test_endless_config(house):
    done = check(house, "# " + "x" * 5_000_000)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1


# --- the end -------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_ends_cleanly(house, number):
    reeved = house.start()
    client, native = reeved.connect_mtl(), reeved.connect_native()
    client.register()
    assert client.get(5) == 0
    core = reeved.core_pid()
    assert reeved.stop(number) == 0
    assert client.read() == b""
    with pytest.raises(varlink.Closed):
        native.read()
    for path in SOCKETS:
        assert not os.path.exists(house.path(path))
        assert os.path.isdir(os.path.dirname(house.path(path))), "containers bind-mount it"
    assert not os.path.exists(f"/proc/{core}")
    assert any("STOPPING=1" in message for message in drain(reeved))


def drain(reeved):
    reeved.notify.setblocking(False)
    try:
        while True:
            reeved.notified.append(reeved.notify.recv(4096).decode())
    except BlockingIOError:
        return reeved.notified


def test_service_manager_is_told(house):
    reeved = house.start(conf="")
    assert any("READY=1" in message for message in reeved.notified)
    reeved.sighup()
    reloading, = [m for m in reeved.notified if "RELOADING=1" in m]
    usec = int(re.search(r"MONOTONIC_USEC=(\d+)", reloading)[1])
    assert abs(usec / 1e6 - time.monotonic()) < 10
    reeved.stop()
    assert any("STOPPING=1" in message for message in drain(reeved))


def test_nothing_is_left_after_the_end(house):
    reeved = house.start()
    assert reeved.stop() == 0
    left = {path.name for path in Path(house.path("/run/reeve")).iterdir()}
    assert left <= {"state", "reeved.lock"}
    assert os.listdir(house.path("/run/imtl")) == []


def test_restarts_in_the_same_place(house):
    for _ in range(3):
        reeved = house.start()
        with reeved.connect_mtl() as client:
            assert client.register() == 0
            assert client.get(5) == 0
        assert reeved.stop() == 0


# --- reload ----------------------------------------------------------------------


QUOTA = 'tenant "default" {{\n\tquota {{\n\t\tlcore = {}\n\t}}\n}}\n'


def test_reload_applies_and_says_what_changed(house):
    reeved = house.start(conf=QUOTA.format(2))
    client = reeved.connect_mtl(house.peer(uid=NOBODY))
    assert client.register() == 0
    assert [client.get(n) for n in (80, 81, 82)] == [0, 0, -1]
    since = reeved.mark()
    reeved.sighup(QUOTA.format(3))
    line = reeved.wait_log(r"reload", since)
    assert re.search(r'what="quota lcore" tenant=default from=2 to=3', " ".join(reeved.log()[since:])), line
    assert [client.get(n) for n in (82, 83)] == [0, -1], "the connection and its leases stay"
    reeved.sighup(QUOTA.format(1))
    assert client.get(84) == -1
    assert [client.put(n) for n in (80, 81, 82)] == [0, 0, 0], "nothing was taken away"
    assert [client.get(n) for n in (80, 81)] == [0, -1]


def test_reload_with_a_bad_config_keeps_the_old_one(house):
    reeved = house.start(conf=QUOTA.format(2))
    since = reeved.mark()
    reeved.sighup("nonsense {")
    reeved.wait_log(r"reeve\.conf:1", since)
    client = reeved.connect_mtl(house.peer(uid=NOBODY))
    client.register()
    assert [client.get(n) for n in (80, 81, 82)] == [0, 0, -1]


def test_reload_names_what_changed(house):
    reeved = house.start(conf="")
    first = since = reeved.mark()
    reeved.sighup('planes = {}\nlog { level = "debug" }\ntenant "a" { uids = { "7-9" } }\n')
    reeved.wait_log(r"reload", since)
    since = reeved.mark()
    reeved.sighup('tenant "a" { uids = { "7", "9" } cpus = "0" }\n')
    reeved.wait_log(r"reload", since)
    for change in ("what=planes from=mtl to=none", "what=planes from=none to=mtl",
                   'what="log level" from=info to=debug', "what=tenant tenant=a",
                   "what=uids tenant=a from=7-9 to=7,9", "what=cpus tenant=a"):
        reeved.wait_log(change, first)


def many_tenants(letter):
    return "".join(f'tenant "{letter}{n}" {{ uids = {{ "{2000 + n}" }} }}\n' for n in range(62))


def test_a_reload_the_ledger_has_no_room_for_changes_nothing(house):
    reeved = house.start(conf=many_tenants("a"))
    clients = [reeved.connect_mtl(house.peer(uid=2000 + n)) for n in range(62)]
    assert all(client.register() == 0 for client in clients)
    since = reeved.mark()
    reeved.conf(many_tenants("b") + "planes = {}\n")
    reeved.send_signal(signal.SIGHUP)
    reeved.wait_log(r"not reloaded.*no longer in the config", since)
    assert os.path.exists(house.path(mtl.PATH)), "the socket of the old config is there"
    assert reeved.connect_native().call("Status")["planes"] == ["mtl"]
    assert clients[0].get(80) == 0
    since = reeved.mark()
    reeved.sighup(many_tenants("a"))
    reeved.wait_log(r"reload", since)


def test_reload_moves_the_mtl_socket(house):
    reeved = house.start(conf="")
    client = reeved.connect_mtl()
    client.register()
    reeved.sighup('mtl {\n\tsocket = "/run/imtl/other.sock"\n}\n')
    assert not os.path.exists(house.path(mtl.PATH))
    with mtl.Client(house.connect("/run/imtl/other.sock")) as moved:
        assert moved.register() == 0
    assert client.get(80) == 0, "who is connected stays connected"
    reeved.sighup("")
    with reeved.connect_mtl() as back:
        assert back.register() == 0


def test_reload_reaches_the_log(house):
    reeved = house.start(conf="")
    since = reeved.mark()
    reeved.sighup('log {\n\tformat = "json"\n}\n')
    with reeved.connect_mtl() as client:
        client.register()
        client.get(80)
    line = reeved.wait_log(r"lcore 80", since)
    assert json.loads(line)


def test_many_reloads_under_load(house):
    reeved = house.start(conf="")
    client = reeved.connect_mtl()
    client.register()
    for n in range(20):
        reeved.send_signal(signal.SIGHUP)
        assert [client.get(80 + n % 3), client.put(80 + n % 3)] == [0, 0]
    reeved.sighup()


# --- one of it ---------------------------------------------------------------------


def test_a_second_daemon_is_refused(reeved, house):
    second = house.start(ready=False)
    assert second.wait() == 1
    said = second.stderr()
    assert f"another reeved (pid {reeved.pid})" in said and len(said.splitlines()) == 1
    with reeved.connect_mtl() as client:
        assert client.register() == 0


def test_a_socket_that_another_program_serves_is_not_stolen(house):
    os.makedirs(house.path("/run/imtl"))
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as foreign:
        foreign.bind(house.path(mtl.PATH))
        foreign.listen()
        before = os.stat(house.path(mtl.PATH))
        reeved = house.start(ready=False)
        assert reeved.wait() == 1
        said = reeved.stderr()
        assert len(said.splitlines()) == 1 and mtl.PATH in said
        after = os.stat(house.path(mtl.PATH))
        assert (before.st_ino, before.st_mode) == (after.st_ino, after.st_mode)


def test_a_stale_socket_is_replaced(house):
    os.makedirs(house.path("/run/imtl"))
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
        dead.bind(house.path(mtl.PATH))
    reeved = house.start()
    with reeved.connect_mtl() as client:
        assert client.register() == 0
    assert os.listdir(house.path("/run/imtl")) == [os.path.basename(mtl.PATH)]


@pytest.mark.parametrize("make", [Path.mkdir, Path.touch])
def test_what_is_no_socket_is_left_alone(house, make):
    path = Path(house.path(mtl.PATH))
    path.parent.mkdir()
    make(path)
    reeved = house.start(ready=False)
    assert reeved.wait() == 1
    assert mtl.PATH in reeved.stderr()
    assert path.exists() and not stat.S_ISSOCK(path.stat().st_mode)


def test_a_socket_that_replaced_ours_is_not_removed(house):
    reeved = house.start()
    path = house.path(mtl.PATH)
    os.unlink(path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other:
        other.bind(path)
        assert reeved.stop() == 0
        assert os.path.exists(path)


def test_starts_after_kill_9(house):
    first = house.start()
    first.kill()
    second = house.start()
    with second.connect_mtl() as client:
        assert client.register() == 0
    house.daemons.remove(first)


# --- the core ------------------------------------------------------------------------


def test_a_core_that_dies_again_and_again(house):
    reeved = house.start()
    reeved.core_may_die = True
    for _ in range(4):
        since = reeved.mark()
        os.kill(reeved.core_pid(), signal.SIGKILL)
        reeved.wait_log("ready again", since)
        with reeved.connect_mtl() as client:
            assert client.register() == 0
    assert reeved.stop() == 0


def test_a_stopped_core_does_not_hold_up_the_end(house):
    reeved = house.start()
    reeved.core_may_die = True
    os.kill(reeved.core_pid(), signal.SIGSTOP)
    assert reeved.stop() in (0, 1)
    assert not os.path.exists(house.path(mtl.PATH))


def test_killed_reeved_takes_the_core_along(house):
    reeved = house.start()
    core = reeved.core_pid()
    pidfd = os.pidfd_open(core)
    client = reeved.connect_mtl()
    reeved.kill()
    house.daemons.remove(reeved)
    assert client.read() == b""
    mtl.poll_until(lambda: comm(core) != "reeve-core" or status_of(core)["State"][0] == "Z",
                   "the core ended with its parent")
    os.close(pidfd)


@pytest.mark.parametrize("program", ["sbin/reeved", "libexec/reeve/reeve-core"])
def test_there_are_no_fault_points_in_what_is_installed(stage, program):
    """The function, its page and the points' names: see src/base/fault.h."""
    data = (stage / "usr" / program).read_bytes()
    for trace in b"fault_at", b"fault_map", b"fault_page", b"FAULT_CORE", b"FAULT_REEVED":
        assert trace not in data


def test_the_core_is_sandboxed(reeved):
    core = status_of(reeved.core_pid())
    assert core["NoNewPrivs"] == "1"
    assert core["Seccomp"] == "2"
    for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(core[kind], 16) == 0, kind
    assert "0" not in core["Uid"].split() and "0" not in core["Gid"].split()
    assert core["Groups"] == ""
    assert core["Threads"] == "1"


def test_the_core_has_no_environment_and_few_files(reeved):
    core = reeved.core_pid()
    assert Path(f"/proc/{core}/environ").read_bytes() == b""
    files = [os.readlink(f"/proc/{core}/fd/{fd}") for fd in os.listdir(f"/proc/{core}/fd")]
    assert len(files) < 20
    allowed = re.compile(r"socket:|pipe:|anon_inode:|/dev/null|/memfd:|/proc|/sys|.*/state/")
    assert [name for name in files if not allowed.match(name)] == []


def test_reeved_itself(reeved):
    """One thread, one child, umask and signals as a daemon has them."""
    own = status_of(reeved.pid)
    assert own["Threads"] == "1"
    assert [comm(child) for child in children(reeved.pid)] == ["reeve-core"]
    assert int(own["CapEff"], 16) != 0


def test_runtime_files_are_private(reeved, house):
    assert stat.S_IMODE(os.stat(house.path("/run/reeve")).st_mode) == 0o755
    assert stat.S_IMODE(os.stat(house.path("/run/reeve/state")).st_mode) == 0o700
    for path in Path(house.path("/run/reeve/state")).iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    assert stat.S_IMODE(os.stat(house.path(varlink.PATH)).st_mode) == 0o666


def test_started_with_closed_standard_files(house):
    """A closed stdin or stdout must not become the first socket."""
    done = house.run("sh", "-c", f"exec {Reeved.PROGRAM} --check <&- >&-")
    assert done.returncode == 0


def test_idle_costs_nothing(reeved):
    """No timer ticks: while somebody else works, neither process gets the CPU."""
    clients = [reeved.connect_mtl() for _ in range(50)]
    assert all(client.register() == 0 for client in clients)
    pids = reeved.pid, reeved.core_pid()

    def switches():
        return [int(status_of(pid)["voluntary_ctxt_switches"]) for pid in pids]

    while (before := switches()) != switches():
        pass
    deadline = time.monotonic() + 0.5
    while time.monotonic() < deadline:
        pass
    after = switches()
    assert all(b - a <= 1 for a, b in zip(before, after)), (before, after)
    for client in clients:
        client.close()


# --- the log -----------------------------------------------------------------------


def test_text_lines(house):
    reeved = house.start()
    with reeved.connect_mtl() as client:
        client.register(hostname=b"studio-1")
        client.get(80)
        client.get(80)
        client.put(80)
    assert reeved.stop() == 0
    for line in reeved.log():
        assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (error|warn|info|debug) ", line)
    grant, = [line for line in reeved.log() if re.search(r"\bgrant\b", line)]
    assert 'resource="lcore 80"' in grant and "tenant=system" in grant and "uid=0" in grant
    refuse, = [line for line in reeved.log() if re.search(r"\brefuse\b", line)]
    assert "error=taken" in refuse and "why=" in refuse


def test_json_lines(house):
    reeved = house.start(args=["--log-format", "json"])
    with reeved.connect_mtl() as client:
        client.register(hostname=b'"quoted"\n')
        client.get(80)
    assert reeved.stop() == 0
    entries = reeved.entries()
    for entry in entries:
        assert {"time", "level", "msg"} <= set(entry)
    grant, = [entry for entry in entries if entry["msg"] == "grant"]
    assert grant["resource"] == "lcore 80" and grant["tenant"] == "system"


def test_log_level(house):
    reeved = house.start(args=["--log-level", "error"])
    with reeved.connect_mtl() as client:
        client.register()
        client.get(80)
    assert reeved.stop() == 0
    assert reeved.log() == []
