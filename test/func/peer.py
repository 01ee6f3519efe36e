# SPDX-License-Identifier: BSD-3-Clause
"""A process of its own that connects: the kernel stamps a socket with who
called connect(), so a client of another uid, group, cgroup, or one that can be
killed, has to be another process."""
import ctypes
import os
import signal
import socket

CLONE_NEWNS = 0x00020000
LIBC = ctypes.CDLL(None, use_errno=True)


def enter_mounts(pid):
    fd = os.open(f"/proc/{pid}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    try:
        if LIBC.setns(fd, CLONE_NEWNS):
            raise OSError(ctypes.get_errno(), "setns")
    finally:
        os.close(fd)


def keep_only(fd):
    """A fork has every socket of the tests; it must not keep one open."""
    os.closerange(3, fd)
    os.closerange(fd + 1, os.sysconf("SC_OPEN_MAX"))


class Peer:
    """Lives until killed. What it connected belongs to the caller; the process
    itself keeps no copy."""

    def __init__(self, inside, uid=0, gid=0, groups=(), cgroup=None, cpus=None):
        """inside: pid of a process whose mounts to use."""
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.pid = os.fork()
        if self.pid == 0:
            status = 1
            try:
                keep_only(theirs.fileno())
                self._become(inside, uid, gid, groups, cgroup, cpus)
                self._serve(theirs)
                status = 0
            finally:
                os._exit(status)
        theirs.close()

    @staticmethod
    def _become(inside, uid, gid, groups, cgroup, cpus):
        if cgroup:
            with open(os.path.join(cgroup, "cgroup.procs"), "w") as procs:
                procs.write(str(os.getpid()))
        if cpus:
            os.sched_setaffinity(0, cpus)
        enter_mounts(inside)
        os.chdir("/")
        os.setgroups(list(groups))
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)

    @staticmethod
    def _serve(control):
        while path := control.recv(4096).decode():
            try:
                sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                sock.connect(path)
                socket.send_fds(control, [b"ok"], [sock.fileno()])
                sock.close()
            except OSError as error:
                control.send(str(error.errno).encode())

    def connect(self, path):
        self.control.send(path.encode())
        answer, fds, _, _ = socket.recv_fds(self.control, 64, 1)
        if answer != b"ok":
            assert answer, "the peer process is gone"
            raise OSError(int(answer), os.strerror(int(answer)), path)
        return socket.socket(fileno=fds[0])

    def kill(self):
        """kill -9 and reap; may be called again."""
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            self.pid = 0
            self.control.close()
