# SPDX-License-Identifier: BSD-3-Clause
"""The servers under measurement: reeve in namespaces of its own, and the floor.
Readiness is what the server says on $NOTIFY_SOCKET; nothing here sleeps."""
import ctypes
import os
import select
import signal
import socket
import struct
import subprocess
import time

READY_S = 10.0
CLONE_NEWNS, CLONE_NEWNET = 0x00020000, 0x40000000
MS_REC, MS_PRIVATE = 0x4000, 0x40000
LIBC = ctypes.CDLL(None, use_errno=True)


class Failed(Exception):
    """The measurement, not the figure, went wrong."""


def must(result, what):
    if result != 0:
        raise OSError(ctypes.get_errno(), what)


def enter_namespaces():
    """A /run and a /var/lib that nobody else sees, and a network without anything."""
    must(LIBC.unshare(CLONE_NEWNS | CLONE_NEWNET), "unshare")
    must(LIBC.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None), "mount /")
    for directory in (b"/run", b"/var/lib"):
        must(LIBC.mount(b"tmpfs", directory, b"tmpfs", 0, None), "mount tmpfs")


class Server:
    """One running server: pid, `pids` of all its processes, `path` of its socket,
    `ready_ms` from exec to READY=1."""

    def __init__(self, scratch, name, argv, log, isolate=False):
        self.name = name
        notify_path = os.path.join(scratch, f"{name}.notify")
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(notify_path)
        read_end, write_end = os.pipe()

        def before_exec():
            if isolate:
                enter_namespaces()
                self.prepare()
            os.write(write_end, struct.pack("q", time.monotonic_ns()))

        try:
            self.process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "NOTIFY_SOCKET": notify_path},
                preexec_fn=before_exec)
            started_ns, = struct.unpack("q", os.read(read_end, 8))
        finally:
            os.close(read_end)
            os.close(write_end)
        self.pid = self.process.pid
        try:
            self.ready_ms = (self._wait_ready() - started_ns) / 1e6
            self.pids = [self.pid, *map(int, read(f"/proc/{self.pid}/task/{self.pid}/children")
                                        .split())]
            comms = [read(f"/proc/{pid}/comm").strip() for pid in self.pids]
            if comms != list(self.processes):
                raise Failed(f"{name} runs as {', '.join(comms)}")
        except BaseException:
            self.kill()
            raise
        finally:
            os.unlink(notify_path)

    def prepare(self):
        """What the server's namespaces have beside the server; called in them."""

    def _wait_ready(self):
        exited = os.pidfd_open(self.pid)
        try:
            while True:
                ready, _, _ = select.select([self.notify, exited], [], [], READY_S)
                now = time.monotonic_ns()
                if self.notify in ready and b"READY=1" in self.notify.recv(4096).split(b"\n"):
                    return now
                if exited in ready:
                    raise Failed(f"{self.name} ended before it was ready")
                if not ready:
                    raise Failed(f"{self.name} is not ready after {READY_S:.0f} s")
        finally:
            os.close(exited)

    def pin(self, cpu):
        for pid in self.pids:
            os.sched_setaffinity(pid, {cpu})

    def cpu_ns(self):
        """What the scheduler charged: finer than the ticks of /proc/<pid>/stat."""
        return sum(int(read(f"/proc/{pid}/schedstat").split()[0]) for pid in self.pids)

    def cpu_ticks(self):
        """utime and stime."""
        stats = (read(f"/proc/{pid}/stat").rsplit(")", 1)[1].split() for pid in self.pids)
        return sum(int(fields[11]) + int(fields[12]) for fields in stats)

    def wakeups(self):
        return sum(field(f"/proc/{pid}/status", "voluntary_ctxt_switches") for pid in self.pids)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(READY_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Failed(f"{self.name} does not end on SIGTERM") from None
        if status not in (0, -signal.SIGTERM):
            raise Failed(f"{self.name} ended with status {status}")


class Floor(Server):
    """The echo server of floor.c."""

    processes = ("floor",)

    def __init__(self, scratch, program, blocking=False):
        name = "floor, blocking" if blocking else "floor, epoll"
        self.path = os.path.join(scratch, name)
        super().__init__(scratch, name, [program] + ["-b"] * blocking + [self.path],
                         subprocess.DEVNULL)


class Reeve(Server):
    """A staged reeved with an empty config. Its socket is reached from outside
    by way of /proc/<pid>/root."""

    processes = ("reeved", "reeve-core")

    def __init__(self, scratch, program, log, name="reeve"):
        with open(log, "ab") as file:
            super().__init__(scratch, name, [program], file, isolate=True)
        self.path = f"/proc/{self.pid}/root/run/imtl/mtl_manager.sock"

    def rss(self):
        """Bytes of reeved and of reeve-core, shared pages included."""
        return [field(f"/proc/{pid}/smaps_rollup", "Rss") * 1024 for pid in self.pids]


def read(path):
    with open(path, encoding="ascii", errors="replace") as file:
        return file.read()


def field(path, name):
    for line in read(path).splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1])
    raise Failed(f"{path} has no {name}")
