# SPDX-License-Identifier: BSD-3-Clause
"""The staged reeve-netd in a house, at one end of a wire whose other end is the kernel's."""
import json
import os
import select
import signal
import struct
import subprocess
import time

import varlink
from mtl import links, poll_until
from nic import Outside

PATIENCE = 10.0
MAC = "02:00:00:00:01:01"
OURS, OURS6 = "10.5.0.2", "fd05::2"
THEIRS, THEIRS6 = "10.5.0.1", "fd05::1"
RUN = "/run/netd"
READY = 1  # the channels whose memory is made ahead (stock.h)


class Wire:
    """eth1 in the house, far1 outside."""

    def __init__(self, house, outside, name="eth1", far="far1", mac=MAC):
        self.house, self.outside, self.name, self.far, self.mac = house, outside, name, far, mac
        self.create()

    def ip(self, *words):
        done = self.house.run("ip", *words)
        assert done.returncode == 0, f"ip {words}: {done.stderr}"
        return done.stdout

    def create(self, up=True):
        self.ip("link", "add", self.name, "address", self.mac, "numrxqueues", 4, "numtxqueues", 4,
                "type", "veth", "peer", "name", self.far, "numrxqueues", 4, "numtxqueues", 4,
                "netns", self.outside.pid)
        self.ip("link", "set", self.name, "addrgenmode", "none")
        out = self.outside.run
        out("ip", "link", "set", self.far, "addrgenmode", "none")
        out("ip", "address", "add", f"{THEIRS}/24", "dev", self.far)
        out("ip", "address", "add", f"{THEIRS6}/64", "dev", self.far, "nodad")
        out("ip", "link", "set", self.far, "up")
        if up:
            self.ip("link", "set", self.name, "up")

    def delete(self):
        self.ip("link", "delete", self.name)

    def xdp(self):
        link, = json.loads(self.ip("-j", "-d", "link", "show", self.name))
        attached = link.get("xdp")
        return attached["prog"]["id"] if attached and attached.get("prog") else None

    def ping(self, to, count=5, interval=0.01, ok=True):
        """By iputils, from outside."""
        done = subprocess.run(self.outside_command("ping", "-n", "-c", count, "-i", interval, "-W", 5,
                                                   to), capture_output=True, text=True)
        assert (done.returncode == 0) == ok, done.stdout + done.stderr
        return done.stdout

    def outside_command(self, *words):
        return ["nsenter", f"--net=/proc/{self.outside.pid}/ns/net", "--", *map(str, words)]


class Netd:
    """One netd; its log is stderr, whose lines are waited for."""

    PROGRAM = "/run/stage/usr/sbin/reeve-netd"

    def __init__(self, house, conf=None, args=("--logtostderr",), run=RUN, ready=True, env=None,
                 program=PROGRAM):
        self.house, self.run, self.text = house, run, ""
        self.conf_path = house.dir / f"machnet{id(self)}.json"
        self.conf_path.write_text(conf if isinstance(conf, str) else
                                  json.dumps({"machnet_config": conf}))
        self.process = subprocess.Popen(
            house.command(program, "--config_json", self.conf_path, "--runtime_dir", run, *args),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            env={"PATH": os.environ["PATH"], **(env or {})})
        self.pid = self.process.pid
        if ready:
            self.wait_log("ready")

    def wait_log(self, word, since=0):
        """Reads on until a line has the word; its place behind is returned."""
        deadline = time.monotonic() + PATIENCE
        while word not in self.text[since:]:
            left = deadline - time.monotonic()
            readable, _, _ = select.select([self.process.stderr], [], [], max(0, left))
            data = os.read(self.process.stderr.fileno(), 65536) if readable else b""
            assert data, f"no {word!r} in:\n{self.text[since:]}"
            self.text += data.decode(errors="backslashreplace")
        return self.text.index(word, since) + len(word)

    def mark(self):
        return len(self.text)

    def connect(self):
        return varlink.Client(self.house.connect(f"{self.run}/netd.sock"))

    def call(self, method, **parameters):
        with self.connect() as client:
            return client.call(f"io.reeve.net.{method}", **parameters)

    def status(self):
        """Its only interface."""
        iface, = self.call("Status")["interfaces"]
        return iface

    def stop(self, number=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.finish()

    def finish(self):
        """Exit status; the text is whole then."""
        _, rest = self.process.communicate(timeout=PATIENCE)
        self.text += rest.decode(errors="backslashreplace")
        return self.process.returncode

    def ticks(self):
        """CPU time that it has used, of all threads."""
        with open(f"/proc/{self.pid}/stat") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return int(fields[11]) + int(fields[12])

    def fds(self):
        """How many, while the memory of the channel that it keeps ready is among them: it is
        made anew some time after one was taken."""
        found = []

        def all_ready():
            found[:] = links(f"/proc/{self.pid}/fd")
            return len([fd for fd in found if "memfd:" in fd]) == READY
        poll_until(all_ready, f"{READY} channel is ready", PATIENCE)
        return len(found)


class NetLab:
    """A house with a wire."""

    def __init__(self, house):
        self.house, self.outside = house, Outside()
        self.wire = Wire(house, self.outside)
        self.netds = []

    def start(self, conf=None, **more):
        self.netds.append(Netd(self.house, conf if conf is not None else config(), **more))
        return self.netds[-1]

    def reeve(self, *words, **more):
        """The command line, in the house."""
        return self.house.run("/run/stage/usr/bin/reeve", "--socket", f"{RUN}/netd.sock", *words,
                              **more)

    def close(self):
        try:
            for netd in self.netds:
                if netd.process.poll() is None:
                    assert netd.stop() == 0, netd.text
        finally:
            for netd in self.netds:
                if netd.process.poll() is None:
                    netd.process.kill()
                    netd.finish()
                netd.process.stderr.close()
            self.outside.close()


def config(mac=MAC, **more):
    return {mac: {"ifname": "eth1", "ip": [f"{OURS}/24", f"{OURS6}/64"], **more}}


def pcapng(data):
    """Names of interfaces, [(interface, frame, outbound)], and {interface: drops} of what a
    trace has. A block that is cut is an error."""
    names, packets, drops, at = [], [], {}, 0
    while at < len(data):
        kind, length = struct.unpack_from("=II", data, at)
        assert struct.unpack_from("=I", data, at + length - 4)[0] == length
        body = data[at + 8:at + length - 4]
        if kind == 0x0A0D0D0A:
            assert struct.unpack_from("=I", body)[0] == 0x1A2B3C4D
        elif kind == 1:
            names.append(options(body[8:])[2].decode())
        elif kind == 6:
            interface, _, _, kept, whole = struct.unpack_from("=IIIII", body)
            assert kept == whole
            flags = options(body[20 + (kept + 3) // 4 * 4:])[2]
            packets.append((interface, body[20:20 + kept], struct.unpack("=I", flags)[0] == 2))
        elif kind == 5:
            drops[struct.unpack_from("=I", body)[0]] = struct.unpack("=Q", options(body[12:])[5])[0]
        at += length
    return names, packets, drops


def options(data):
    found, at = {}, 0
    while at < len(data):
        code, length = struct.unpack_from("=HH", data, at)
        if not code:
            break
        found[code] = data[at + 4:at + 4 + length]
        at += 4 + (length + 3) // 4 * 4
    return found
