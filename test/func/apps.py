# SPDX-License-Identifier: BSD-3-Clause
"""Programs of Machnet's: the library that is staged, and those of test/fake."""
import os
import re
import signal
import subprocess
import threading

PATIENCE = 30.0
LINE = re.compile(r"^TX/RX \(msg/sec, Gbps\): \(([\d.]+)K/([\d.]+)K, (\d+\.\d{3})/(\d+\.\d{3})\)\. "
                  r"RTT \(p50/99/99\.9 us\): (?:N/A|(\d+)/(\d+)/(\d+))(?:, TX drops: (\d+))?$")
TOTAL = re.compile(r"Application Statistics \(TOTAL\) - \[TX\] Sent: (\d+) \((\d+) Bytes\), "
                   r"Drops: (\d+), \[RX\] Received: (\d+) \((\d+) Bytes\)$")


class Program:
    """A program under way, its lines as they come; it is killed if it takes too long."""

    def __init__(self, command, env=None, stdin=subprocess.DEVNULL):
        self.process = subprocess.Popen(list(map(str, command)), stdin=stdin, text=True,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        env={**os.environ, **(env or {})}, bufsize=1,
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
        raise AssertionError(f"no line /{pattern}/ in {self.lines}")

    def wait_err(self, pattern):
        return self.wait_line(pattern, self.process.stderr)

    def end(self, number=signal.SIGINT):
        self.process.send_signal(number)
        return self.finish()

    def finish(self):
        """Exit status, and lines of stdout and stderr since the last wait."""
        out, err = self.process.communicate()
        return self.process.returncode, out.splitlines(), err.splitlines()

    def close(self):
        self.watchdog.cancel()
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


class App(Program):
    """test/fake/machnet_app: a line of its answer for each line."""

    def say(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()

    def answer(self):
        return self.process.stdout.readline().rstrip("\n")

    def tell(self, *words):
        self.say(*words)
        return self.answer()

    def do(self, *words):
        answer = self.tell(*words)
        assert answer == "ok" or answer.startswith("ok "), f"{words}: {answer}"
        return answer[3:]


class Host:
    """Applications of one daemon, whose control socket is `socket`. `inside`: words that
    go before a command, to run it where the daemon is."""

    def __init__(self, stage, build, socket, inside=()):
        self.stage, self.build, self.socket, self.inside = stage, build, socket, list(inside)
        library, = (stage / "usr/lib").rglob("libmachnet_shim.so")
        self.env = {"REEVE_MACHNET_SOCKET": str(socket), "LD_LIBRARY_PATH": str(library.parent)}
        self.programs = []

    def start(self, *command, env=None):
        return self._keep(Program([*self.inside, *command], {**self.env, **(env or {})}))

    def _keep(self, program):
        self.programs.append(program)
        return program

    def hello(self, *args):
        return self.start(self.build / "src/shim/hello_world", *args)

    def msg_gen(self, *args):
        return self.start(self.stage / "usr/bin/msg_gen", *args)

    def msg_gen_server(self, ip, *args):
        server = self.msg_gen("--local_ip", ip, *args)
        server.wait_err(re.escape(f"[LISTENING] [{ip}:"))
        return server

    def app(self, attached=True):
        app = self._keep(App([*self.inside, self.build / "test/fake/machnet_app", self.socket],
                             self.env, subprocess.PIPE))
        if attached:
            app.do("register")
            app.do("attach")
        return app

    def close(self):
        for program in self.programs:
            program.close()


def total(err):
    """Numbers of the line at the end: sent, bytes, drops, received, bytes."""
    found, = (TOTAL.search(line) for line in err if TOTAL.search(line))
    return tuple(map(int, found.groups()))
