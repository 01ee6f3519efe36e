# SPDX-License-Identifier: BSD-3-Clause
"""Native clients on an interface: an AF_XDP socket without a privilege, ready for
frames; and libreeve's example, which does it in one call."""
import contextlib
import mmap
import os
import socket
import struct
import subprocess

import pytest

import mtl
import varlink
from peer import LIBC
from nic import AF_XDP, SOL_XDP, XDP_MMAP_OFFSETS, Ring, datagrams

NOBODY = 65534
PORT, OTHER = 5000, 5001
CONF = f"""
tenant "media" {{
	uids = {{ "{NOBODY}" }}
	nics = {{ "eth1" }}
}}
"""
RX_PLACE, FILL_PLACE = 0, 0x100000000


class Socket:
    """What OpenSocket gave, used as a client does: gives frames and takes frames."""

    def __init__(self, native, lease, **wanted):
        self.about = native.call("OpenSocket", lease=lease, **wanted)
        self.fd, memory = native.take_fds()
        size, ring = self.about["frame_size"], self.about["ring"]
        self.memory = mmap.mmap(memory, self.about["frames"] * size)
        os.close(memory)
        self.sock = socket.socket(AF_XDP, socket.SOCK_RAW, 0, fileno=self.fd)
        places = struct.unpack("16Q", self.sock.getsockopt(SOL_XDP, XDP_MMAP_OFFSETS, 128))
        self.size, self.ring = size, ring
        self.rx = Ring(self.sock, places[0:4], 16 * ring, RX_PLACE)
        self.fill = Ring(self.sock, places[8:12], 8 * ring, FILL_PLACE)
        assert self.about["bound"], "this kernel wants the client to bind it"
        for slot in range(ring):
            self._give(slot * size)

    def _give(self, address):
        at = self.fill.producer
        struct.pack_into("Q", self.fill.map, self.fill.entries + 8 * (at % self.ring), address)
        self.fill.producer = at + 1

    def receive(self, count):
        """So many frames, as bytes."""
        frames = []
        while len(frames) < count:
            while self.rx.consumer == self.rx.producer:
                ready, _ = mtl.wait_io([self.sock.fileno()])
                assert ready, f"{len(frames)} frames instead of {count}"
            at = self.rx.consumer
            address, length, _ = struct.unpack_from("QII", self.rx.map, self.rx.entries +
                                                    16 * (at % self.ring))
            frames.append(self.memory[address:address + length])
            self.rx.consumer = at + 1
            self._give(address - address % self.size)
        return frames

    def waiting(self):
        return self.rx.producer - self.rx.consumer

    def close(self):
        for ring in (self.rx, self.fill):
            ring.map.close()  # a mapping keeps the socket
        self.sock.close()


@pytest.fixture
def media(lab):
    """(reeved, interface, connection of a user without any privilege)"""
    reeved, nic = lab.start(CONF), lab.nic()
    native = reeved.connect_native(lab.house.peer(uid=NOBODY, gid=NOBODY))
    yield reeved, nic, native
    native.close()


def acquire(native, nic, **more):
    return [lease["lease"] for lease in
            native.call("AcquireQueues", nic=nic.name, **more)["leases"]]


def test_a_socket_without_a_privilege(media):
    _, nic, native = media
    lease, = acquire(native, nic)
    added = native.call("AddPort", nic=nic.name, port=PORT)
    assert added["uses"] == 1 and added["lease"]["kind"] == "udp_port"
    sock = Socket(native, lease)
    assert (sock.about["queue"], sock.about["ifindex"]) == (1, nic.ifindex)
    assert (sock.about["frames"], sock.about["frame_size"], sock.about["ring"]) == \
        (2048, 2048, 1024)
    kernel = nic.listen(OTHER)
    frame = nic.udp(PORT, b"over the wire")
    nic.send(1, frame, 100)
    nic.send(1, nic.udp(OTHER), 2)
    assert sock.receive(100) == [frame] * 100
    datagrams(kernel, 2)
    assert sock.waiting() == 0
    port, = native.all("ListPorts")
    assert (port["packets"], port["bytes"], port["uses"]) == (100, 100 * len(frame), 1)
    sock.close()


@pytest.mark.parametrize("wanted", [
    {"frames": 64, "frame_size": 4096, "ring": 64}, {"frames": 16384, "ring": 4096}])
def test_sizes_of_a_socket(media, wanted):
    _, nic, native = media
    lease, = acquire(native, nic, queues="2")
    native.call("AddPort", nic=nic.name, port=PORT)
    sock = Socket(native, lease, **wanted)
    nic.send(2, nic.udp(PORT, b"m" * 1472), 10)
    assert [len(frame) for frame in sock.receive(10)] == [1514] * 10
    sock.close()


@pytest.mark.parametrize("wanted", [
    {"frames": 0}, {"frames": 1000}, {"frames": 32768}, {"frame_size": 1024}, {"frame_size": 8192},
    {"ring": 0}, {"ring": 3}, {"ring": 8192}, {"frames": -1}, {"ring": 1 << 40}])
def test_bad_sizes_are_refused(media, wanted):
    _, nic, native = media
    lease, = acquire(native, nic)
    assert native.refused("OpenSocket", lease=lease, **wanted).short == "InvalidParameter"
    assert native.take_fds() == []


def test_whose_lease_it_is(media, lab):
    reeved, nic, native = media
    lease, = acquire(native, nic)
    port = native.call("AddPort", nic=nic.name, port=PORT)["lease"]["lease"]
    assert native.refused("OpenSocket", lease=port).short == "Unsupported"
    assert native.refused("OpenSocket", lease=1 << 40).short == "NoSuchLease"
    same = reeved.connect_native(lab.house.peer(uid=NOBODY, gid=NOBODY))
    assert same.refused("OpenSocket", lease=lease).short == "NotYours"
    stranger = reeved.connect_native(lab.house.peer(uid=1234, gid=1234))
    assert stranger.refused("OpenSocket", lease=lease).short == "NoSuchLease"
    for call in ("AcquireQueues", "AddPort", "AddFlow"):
        more = {"AddPort": {"port": PORT}, "AddFlow": {"queue": 1, "destination_port": 1}}
        assert stranger.refused(call, nic=nic.name, **more.get(call, {})).short == "Denied"
    assert [*native.fds, *same.fds, *stranger.fds] == []


def test_a_second_socket_of_the_same_queue(media):
    _, nic, native = media
    lease, = acquire(native, nic)
    first = Socket(native, lease)
    assert native.refused("OpenSocket", lease=lease).short == "Taken"
    first.close()
    native.call("AddPort", nic=nic.name, port=PORT)
    second = until_opened(native, lease)
    nic.send(1, nic.udp(PORT), 3)
    assert len(second.receive(3)) == 3
    second.close()


def until_opened(native, lease):
    """The kernel lets go of a queue some time after its socket was closed."""
    opened = []

    def attempt():
        with contextlib.suppress(varlink.VarlinkError):
            opened.append(Socket(native, lease))
        return opened

    mtl.poll_until(attempt, "the queue takes a socket again")
    return opened[0]


def test_uses_of_a_port(media):
    _, nic, native = media
    acquire(native, nic)
    assert [native.call("AddPort", nic=nic.name, port=PORT)["uses"] for _ in range(3)] == [1, 2, 3]
    assert [native.call("RemovePort", nic=nic.name, port=PORT)["uses"] for _ in range(3)] == \
        [2, 1, 0]
    assert native.refused("RemovePort", nic=nic.name, port=PORT).short == "NoSuchResource"
    native.call("AddPort", nic=nic.name, port=PORT)
    lease = native.call("AddPort", nic=nic.name, port=PORT)["lease"]["lease"]
    native.call("Release", lease=lease)
    assert native.all("ListPorts") == [], "a release ends all uses"
    for bad in (0, 65536, -1, "5000"):
        assert native.refused("AddPort", nic=nic.name, port=bad).short == "InvalidParameter"


def test_release_of_a_queue_ends_its_frames(media):
    _, nic, native = media
    one, two = acquire(native, nic, count=2)
    native.call("AddPort", nic=nic.name, port=PORT)
    sock = Socket(native, two)
    kernel = nic.listen(PORT)
    native.call("Release", lease=one)
    nic.send(1, nic.udp(PORT), 2)
    datagrams(kernel, 2)
    nic.send(2, nic.udp(PORT), 2)
    assert len(sock.receive(2)) == 2
    native.call("Release", lease=two)
    nic.send(2, nic.udp(PORT), 2)
    datagrams(kernel, 2)
    assert sock.waiting() == 0
    sock.close()


def test_a_time_limit_ends_the_frames(media):
    _, nic, native = media
    lease, = acquire(native, nic, ttl_ms=200)
    native.call("AddPort", nic=nic.name, port=PORT)
    sock = Socket(native, lease)
    nic.send(1, nic.udp(PORT))
    assert len(sock.receive(1)) == 1
    mtl.poll_until(lambda: not [x for x in native.leases() if x["kind"] == "queue"], "it ended")
    kernel = nic.listen(PORT)
    nic.send(1, nic.udp(PORT), 2)
    datagrams(kernel, 2)
    sock.close()


def test_the_end_of_the_connection_ends_the_frames(media, lab):
    """Though the socket lives on in the client."""
    reeved, nic, native = media
    lease, = acquire(native, nic)
    native.call("AddPort", nic=nic.name, port=PORT)
    sock = Socket(native, lease)
    native.close()
    mtl.poll_until(lambda: lab.bare(nic), "the program is detached")
    kernel = nic.listen(PORT)
    nic.send(1, nic.udp(PORT), 2)
    datagrams(kernel, 2)
    assert sock.waiting() == 0
    sock.close()


def test_a_socket_reaches_no_other_queue(media, lab):
    """The client has it in hand, but it is bound to its queue; another's map or queue is
    out of reach."""
    reeved, nic, native = media
    lease, = acquire(native, nic)
    native.call("AddPort", nic=nic.name, port=PORT)
    sock = Socket(native, lease)
    other = lab.client()
    queue = other.attach(nic, [PORT])
    nic.send(queue, nic.udp(PORT), 5)
    nic.send(1, nic.udp(PORT), 6)
    assert other.ports(5) == {PORT: 5}
    assert len(sock.receive(6)) == 6
    again = struct.pack("HHIII", AF_XDP, 0, nic.ifindex, queue, 0)
    assert LIBC.bind(sock.sock.fileno(), again, len(again)) < 0
    sock.close()


def test_what_lists_say(media):
    reeved, nic, native = media

    def shown():
        return [n for n in native.call("ListNics")["nics"] if n["name"] == nic.name][0]

    before = shown()
    assert before == {**before, "ifindex": nic.ifindex, "kind": "veth", "up": True, "usable": True,
                      "why": "", "queues": 4, "leasable": "1-3", "free": "1-3", "form": "none",
                      "mode": "none", "program": 0, "foreign": False, "users": 0, "flows": "none"}
    leases = acquire(native, nic, queues="1,3")
    native.call("AddPort", nic=nic.name, port=PORT)
    mtl.poll_until(lambda: shown()["program"] == nic.xdp()[1], "the program is known")
    assert shown() == {**before, "free": "2", "form": "single", "mode": "native", "users": 1,
                       "program": nic.xdp()[1]}
    resources = sorted(lease["resource"] for lease in native.leases())
    assert resources == sorted([f"queue 1 of if {nic.ifindex}", f"queue 3 of if {nic.ifindex}",
                                f"udp_port {PORT} of if {nic.ifindex}", f"xdp of if {nic.ifindex}"])
    with reeved.connect_native() as admin:
        media_tenant, = [t for t in admin.call("ListTenants")["tenants"] if t["name"] == "media"]
    used = media_tenant["used"]
    assert (used["queue"], used["udp_port"], used["xdp"]) == (2, 1, 1)
    for lease in leases:
        native.call("Release", lease=lease)


def test_events(media):
    _, nic, native = media
    acquire(native, nic)
    native.call("AddPort", nic=nic.name, port=PORT)
    native.call("RemovePort", nic=nic.name, port=PORT)
    native.stream()
    seen = []
    native.wait_event(lambda e: seen.append((e["type"], e.get("kind"))) or
                      seen[-1] == ("release", "udp_port"))
    assert ("grant", "xdp") in seen and ("grant", "queue") in seen and ("grant", "udp_port") in seen


def example(build):
    found = [path for path in build.rglob("xsk") if path.is_file() and os.access(path, os.X_OK)]
    if not found:
        pytest.skip("examples/xsk is not built")
    return found[0]


def test_the_example_receives_frames_as_nobody(media, lab, build):
    """libreeve's one call, as a user without any capability."""
    _, nic, _ = media
    inside = lab.house.path("/run/xsk_example")
    with open(inside, "wb") as copy:
        copy.write(example(build).read_bytes())
    os.chmod(inside, 0o755)
    program = subprocess.Popen(
        lab.house.command("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups",
                          "--bounding-set=-all", "--no-new-privs", "env",
                          "LD_LIBRARY_PATH=/run/stage/usr/lib/x86_64-linux-gnu:/run/stage/usr/lib",
                          "/run/xsk_example", nic.name, PORT, 5),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        first = program.stdout.readline()
        assert f"queue 1 of {nic.name}" in first, first + program.stdout.read()
        nic.send(1, nic.udp(PORT, src_port=1234), 5)
        assert program.wait(10) == 0
        lines = program.stdout.read().splitlines()
    finally:
        program.kill()
        program.wait()
        program.stdout.close()
    assert lines == [f"{nic.theirs}:1234 to port {PORT}, 47 bytes"] * 5
