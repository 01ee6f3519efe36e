# SPDX-License-Identifier: BSD-3-Clause
"""What the suites that run the installed daemons share: a daemon, processes in
cgroups that connect to it, and a runner that prints TAP. A test is a function
test_NAME(scene); what it made through the scene is undone after it."""
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "func"))
import mtl  # noqa: E402
import varlink  # noqa: E402
from peer import Peer  # noqa: E402

CPUS = set(range(8))
ROOT = Path("/sys/fs/cgroup")
STAGE = Path("/run/stage")  # bound there, for processes that may not walk to $STAGE
REEVED = STAGE / "usr/sbin/reeved"
REEVE = STAGE / "usr/bin/reeve"
BUILD = Path(os.environ.get("BUILD", "/nowhere"))
CONF, NOTIFY, LOG = Path("reeve.conf"), Path("notify").resolve(), Path("reeved.log")
PATIENCE = 10.0
# A lease ends with its client, at once; a guest without KVM on a busy host is slow at that. The
# second that is promised is looked at on the host.
PROMPT = 5.0
USER = 1001  # whoever is nobody special


class Skip(Exception):
    """Why a test can't run here."""


def parse_list(text):
    """{2, 3, 5} of "2-3,5"."""
    ends = (item.split("-") for item in text.split(",") if item)
    return {cpu for end in ends for cpu in range(int(end[0]), int(end[-1]) + 1)}


def state_of(pid):
    """Fields of /proc/PID/stat from the third on."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def stop(pid):
    os.kill(pid, signal.SIGSTOP)
    mtl.poll_until(lambda: state_of(pid)[0] == "T", f"{pid} stops")


def children(pid):
    return [int(child) for child in
            Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


class Cgroup:
    def __init__(self, path):
        self.path = ROOT / path
        self.path.mkdir(exist_ok=True)

    def put(self, file, text):
        (self.path / file).write_text(text)

    def line(self, file):
        return (self.path / file).read_text().rstrip("\n")

    @property
    def cpus(self):
        return self.line("cpuset.cpus")

    @property
    def partition(self):
        return self.line("cpuset.cpus.partition")

    def wait_cpus(self, wanted, limit=PROMPT):
        mtl.poll_until(lambda: self.cpus == wanted, f"{self.path} has {wanted}", limit)


class Task:
    """A process that wants to run everywhere."""

    def __init__(self, cgroup):
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.pid = os.fork()
        if self.pid == 0:
            self.control.close()
            try:
                (cgroup.path / "cgroup.procs").write_text("0")
                os.sched_setaffinity(0, CPUS)
                theirs.send(b"!")
                while theirs.recv(1):
                    theirs.send(json.dumps(self._go_everywhere()).encode())
            finally:
                os._exit(0)
        theirs.close()
        assert self.control.recv(1) == b"!", "a task could not start"

    @staticmethod
    def _go_everywhere():
        """The CPUs it ran on, by the kernel's word, after trying each of them."""
        ran = []
        for cpu in CPUS:
            with contextlib.suppress(OSError):  # none of the cgroup's
                os.sched_setaffinity(0, {cpu})
                ran.append(int(state_of("self")[36]))
        os.sched_setaffinity(0, CPUS)
        return ran

    def runs_on(self):
        """Where it may run; tried anew if that changes meanwhile."""
        while True:
            may = os.sched_getaffinity(self.pid)
            self.control.send(b"?")
            ran = set(json.loads(self.control.recv(4096)))
            if may == os.sched_getaffinity(self.pid):
                assert ran == may, (ran, may)
                return ran

    def kill(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        self.control.close()


class Daemon:
    """A running reeved; `before` is a command that starts it."""

    def __init__(self, conf, *before):
        self.conf(conf)
        NOTIFY.unlink(missing_ok=True)
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(str(NOTIFY))
        with LOG.open("ab") as log:
            self.process = subprocess.Popen([*before, REEVED, "--config", CONF],
                                            env={"NOTIFY_SOCKET": str(NOTIFY)},
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.pid = self.process.pid
        self.pidfd = os.pidfd_open(self.pid)
        self.wait("READY=1")
        if before:
            self.pid, = children(self.pid)

    @staticmethod
    def conf(text):
        CONF.write_text(text)
        CONF.chmod(0o644)

    def wait(self, state):
        """Reads what it tells the service manager until that is among it."""
        while True:
            readable, _ = mtl.wait_io([self.notify.fileno(), self.pidfd])
            assert self.notify.fileno() in readable, f"no {state}"
            if state in self.notify.recv(4096).decode().split("\n"):
                return

    def reload(self, conf):
        self.conf(conf)
        os.kill(self.pid, signal.SIGHUP)
        self.wait("RELOADING=1")
        self.wait("READY=1")

    def core(self):
        """The core's pid; waits while it is being restarted."""
        found = []

        def look():
            found[:] = [pid for pid in children(self.pid)
                        if Path(f"/proc/{pid}/comm").read_text() == "reeve-core\n"]
            return found
        mtl.poll_until(look, "a core")
        return found[0]

    def end(self, number=signal.SIGTERM):
        """Exit status."""
        if self.process.poll() is None:
            os.kill(self.pid, number)
            os.kill(self.pid, signal.SIGCONT)
        try:
            return self.process.wait(PATIENCE)
        finally:
            self.process.kill()
            self.process.wait()
            self.notify.close()
            os.close(self.pidfd)


class Scene:
    """What a test has made, to be undone after it."""

    def __init__(self):
        self.peers, self.daemons, self.cgroups = [], [], []
        # What ends before the daemons do, and what can be told once they have ended.
        self.open, self.after = contextlib.ExitStack(), contextlib.ExitStack()

    def daemon(self, conf, *before):
        self.daemons.append(Daemon(conf, *before))
        return self.daemons[-1]

    def cgroup(self, path):
        self.cgroups.append(Cgroup(path))
        return self.cgroups[-1]

    def task(self, cgroup):
        self.peers.append(Task(cgroup))
        return self.peers[-1]

    def peer(self, cgroup=None, uid=USER):
        """A process that connects, of no rights unless its uid has some."""
        self.peers.append(Peer(os.getpid(), uid=uid, gid=uid, cgroup=cgroup and cgroup.path))
        return self.peers[-1]

    def client(self, of=None, path=varlink.PATH):
        """A connection of that process or, as root, of this one."""
        if of:
            sock = of.connect(path)
        else:
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            sock.connect(path)
        kind = varlink.Client if path == varlink.PATH else mtl.Client
        return self.open.enter_context(contextlib.closing(kind(sock)))

    def end(self):
        self.open.close()
        for peer in self.peers:
            if peer.pid:
                peer.kill()
        statuses = [daemon.end() for daemon in self.daemons if daemon.process.returncode is None]
        for cgroup in reversed(self.cgroups):
            # A task that was reaped a moment ago can still be on its way out.
            mtl.poll_until(lambda: "populated 0" in cgroup.line("cgroup.events"), "it is empty")
            cgroup.path.rmdir()
        self.after.close()
        assert not any(statuses), f"reeved ended with {statuses}"


def reeve(*words):
    done = subprocess.run([REEVE, "--json", *words], capture_output=True, text=True,
                          timeout=PATIENCE)
    assert done.returncode == 0 and not done.stderr, done
    return json.loads(done.stdout)


def run(number, test):
    name = re.sub("^test_", "", test.__name__).replace("_", " ")
    scene = Scene()
    began, troubles, skip = time.monotonic(), [], ""
    for step in (lambda: test(scene)), scene.end:
        try:
            step()
        except Skip as why:
            skip = f" # SKIP {why}"
        except Exception:
            troubles.append(traceback.format_exc())
    print(f"{'not ok' if troubles else 'ok'} {number} - {name}{skip}", flush=True)
    print(f"{time.monotonic() - began:6.2f} s {name}", *troubles, sep="\n", file=sys.stderr,
          flush=True)
    for trouble in troubles:
        for line in trouble.splitlines()[-6:]:
            print(f"# {line}", flush=True)
    return not troubles


def main(module):
    """All tests of a suite, or those that the command line's pattern matches."""
    if not STAGE.exists():
        STAGE.mkdir()
        subprocess.run(["mount", "--bind", os.environ["STAGE"], STAGE], check=True)
    only = re.compile(sys.argv[1] if len(sys.argv) > 1 else "")
    tests = [test for name, test in module.items()
             if name.startswith("test_") and only.search(name)]
    print(f"1..{len(tests)}")
    passed = [run(number, test) for number, test in enumerate(tests, 1)]
    return 0 if all(passed) else 1
