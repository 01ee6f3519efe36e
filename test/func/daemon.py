# SPDX-License-Identifier: BSD-3-Clause
"""The staged reeved in a house of its own: private mounts (so that /run/reeve
and /var/run/imtl are nobody else's) and a private network."""
import json
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import mtl
import varlink
from peer import LIBC, Peer

PATIENCE = 10.0
PR_SET_PDEATHSIG = 1

# The staged tree is bound into /run so that users without rights on the way to
# the source tree can still run what is in it. /sys is mounted anew because it
# shows the interfaces of whoever mounted it.
SETUP = """
set -e
mount -t tmpfs -o mode=755 tmpfs /run
[ "$(readlink -f /var/run)" = /run ] || mount --bind /run /var/run
[ ! -d /etc/reeve ] || mount -t tmpfs -o mode=755 tmpfs /etc/reeve
mount -t tmpfs -o mode=755 tmpfs /var/lib
mkdir /run/stage /run/cgroup
mount --rbind /sys/fs/cgroup /run/cgroup
mount -t sysfs sysfs /sys
mount --rbind /run/cgroup /sys/fs/cgroup
umount -R -l /run/cgroup
mount -t bpf bpf /sys/fs/bpf
mount --bind "$1" /run/stage
echo ready
exec cat
"""


class House:
    """Namespaces that outlive the daemons in them, and a directory for files."""

    def __init__(self, stage):
        self.dir = Path(tempfile.mkdtemp(prefix="reeve-"))
        self.holder = subprocess.Popen(
            ["unshare", "--mount", "--net", "--propagation", "private", "--",
             "sh", "-c", SETUP, "sh", str(stage)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
        assert self.holder.stdout.readline() == b"ready\n", "no namespaces"
        self.daemons = []
        self.peers = []

    def path(self, inside):
        """Where this process finds a file of the house."""
        inside = inside.replace("/var/run/", "/run/")
        return f"/proc/{self.holder.pid}/root{inside}"

    def command(self, *words):
        pid = self.holder.pid
        return ["nsenter", f"--mount=/proc/{pid}/ns/mnt", f"--net=/proc/{pid}/ns/net",
                "--", *map(str, words)]

    def run(self, *words, **options):
        """Runs a program inside to its end."""
        options.setdefault("timeout", 20)
        return subprocess.run(self.command(*words), capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, **options)

    def start(self, **options):
        return Reeved(self, **options)

    def connect(self, path):
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.connect(self.path(path))
        return sock

    def peer(self, **identity):
        """A process that connects as somebody; see peer.Peer."""
        peer = Peer(self.holder.pid, **identity)
        self.peers.append(peer)
        return peer

    def finish(self):
        """Ends everybody in it; the daemons must have lived, and end cleanly."""
        for peer in self.peers:
            peer.kill()
        for daemon in reversed(self.daemons):
            daemon.finish()

    def close(self):
        try:
            self.finish()
        finally:
            for daemon in self.daemons:
                daemon.kill()
            self.holder.stdin.close()
            self.holder.wait(PATIENCE)
            shutil.rmtree(self.dir)


class Reeved:
    PROGRAM = "/run/stage/usr/sbin/reeved"

    def __init__(self, house, conf=None, args=(), ready=True, stdout=None, env=None, nofile=None):
        """conf: text of the config, None for none. ready: wait until it says so.
        stdout: a file descriptor instead of the collected log. nofile: hard limit."""
        self.house = house
        self.core_may_die = False
        self.lines = []
        self.notified = []
        self.changed = threading.Condition()
        number = len(house.daemons)
        self.conf_path = house.dir / f"reeve{number}.conf"
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(str(house.dir / f"notify{number}"))
        command = [self.PROGRAM]
        if conf is not None:
            self.conf(conf)
            command += ["--config", self.conf_path]
        environment = {"PATH": os.environ["PATH"], "NOTIFY_SOCKET": self.notify.getsockname(),
                       **(env or {})}

        def limit():
            LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            if nofile:
                resource.setrlimit(resource.RLIMIT_NOFILE, (nofile, nofile))

        self.process = subprocess.Popen(
            house.command(*command, *args), stdin=subprocess.DEVNULL, env=environment,
            stdout=subprocess.PIPE if stdout is None else stdout, stderr=subprocess.PIPE,
            preexec_fn=limit, start_new_session=True)
        house.daemons.append(self)  # from here on it is ended with the house
        self.pid = self.process.pid
        self.pidfd = os.pidfd_open(self.pid)
        self.reader = None
        if stdout is None:
            self.reader = threading.Thread(target=self._collect, daemon=True)
            self.reader.start()
        if ready:
            self.wait_notify("READY=1")

    def conf(self, text):
        self.conf_path.write_text(text)
        self.conf_path.chmod(0o644)

    # --- what it says ---

    def _collect(self):
        for line in self.process.stdout:
            with self.changed:
                self.lines.append(line.decode(errors="backslashreplace").rstrip("\n"))
                self.changed.notify_all()
        with self.changed:
            self.lines.append(None)
            self.changed.notify_all()

    def log(self):
        """The lines so far."""
        with self.changed:
            return [line for line in self.lines if line is not None]

    def mark(self):
        """A place in the log, for wait_log(since=)."""
        return len(self.lines)

    def wait_log(self, pattern, since=0):
        """The first line that matches; waits for it."""
        wanted = re.compile(pattern)
        deadline = time.monotonic() + PATIENCE
        with self.changed:
            while True:
                for line in self.lines[since:]:
                    if line is not None and wanted.search(line):
                        return line
                ended = self.lines[-1:] == [None]
                left = deadline - time.monotonic()
                assert left > 0 and not ended, \
                    f"no line /{pattern}/ in:\n" + "\n".join(map(str, self.lines[since:]))
                self.changed.wait(left)

    def entries(self):
        """The log of a daemon with --log-format json."""
        return [json.loads(line) for line in self.log()]

    def wait_notify(self, state):
        """Reads the service manager's socket until a message has this line."""
        deadline = time.monotonic() + PATIENCE
        while True:
            left = max(0, deadline - time.monotonic())
            readable, _ = mtl.wait_io([self.notify.fileno(), self.pidfd], limit=left)
            if self.notify.fileno() in readable:
                message = self.notify.recv(4096).decode()
                self.notified.append(message)
                if state in message.split("\n"):
                    return message
                continue
            raise AssertionError(f"no {state}: " + self.epitaph())

    def epitaph(self):
        status = self.process.poll()
        text = "still running" if status is None else \
            f"exit status {status}, stderr: {self.process.stderr.read().decode()}"
        return "\n".join([text, *self.log()])

    # --- who it is ---

    def core_pid(self):
        """The core that runs now; waits while it is being restarted."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            for child in children(self.pid):
                if comm(child) == "reeve-core":
                    return child
            mtl.wait_io(limit=0.002)
        raise AssertionError("no core: " + self.epitaph())

    # --- clients; `of` is a Peer, None for this very process ---

    def connect_mtl(self, of=None):
        return mtl.Client(of.connect(mtl.PATH) if of else self.house.connect(mtl.PATH))

    def connect_native(self, of=None):
        return varlink.Client(of.connect(varlink.PATH) if of else
                              self.house.connect(varlink.PATH))

    # --- signals and the end ---

    def send_signal(self, number):
        self.process.send_signal(number)

    def sighup(self, conf=None):
        """Reloads, and returns when the daemon says that it is done."""
        if conf is not None:
            self.conf(conf)
        self.send_signal(signal.SIGHUP)
        self.wait_notify("RELOADING=1")
        self.wait_notify("READY=1")

    def wait(self):
        """Exit status, once it has ended by itself."""
        status = self.process.wait(PATIENCE)
        if self.reader:
            self.reader.join(PATIENCE)
        return status

    def stop(self, number=signal.SIGTERM):
        self.send_signal(number)
        return self.wait()

    def stderr(self):
        """All of it; after the end."""
        return self.process.stderr.read().decode()

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.reader:
            self.reader.join(PATIENCE)
        for stream in (self.process.stdout, self.process.stderr):
            if stream:
                stream.close()
        self.notify.close()
        if self.pidfd >= 0:
            os.close(self.pidfd)
            self.pidfd = -1

    def finish(self):
        """What every test promises at its end: the daemon lived and ends cleanly. May
        be called again."""
        if self.process.poll() is None:
            assert self.stop() == 0, self.epitaph()
        if not self.core_may_die:
            assert not [line for line in self.log() if "the core ended" in line], self.log()


def children(pid):
    try:
        return [int(child) for child in
                Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


def comm(pid):
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def status_of(pid):
    """/proc/PID/status as a dict."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}
