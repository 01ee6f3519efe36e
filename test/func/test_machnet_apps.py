# SPDX-License-Identifier: BSD-3-Clause
"""Applications on two hosts, each with a netd of its own, and a wire between: those that use
libmachnet_shim, those that have Machnet's layouts from elsewhere, and both together."""
import signal
import sys

import pytest

from apps import LINE, Host, total
from test_net_tools import Net

NEAR, FAR = "10.8.0.1", "10.8.0.2"
PORT = 888


class Side(Host):
    """A host with its netd."""

    def __init__(self, net, pid, name, ip, stage, build):
        self.net, self.pid, self.name, self.ip = net, pid, name, ip
        self.config = net.config(pid, name, ip=f"{ip}/24")
        socket = net.house.dir / f"{name}.sock"
        super().__init__(stage, build, socket, net.inside(pid))
        self.start_netd()

    def start_netd(self):
        self.netd = self.net.start(
            self.pid, "/run/stage/usr/sbin/machnet", f"--config_json={self.config}",
            f"--ctrl_socket={self.socket}", f"--runtime_dir={self.net.house.dir}/{self.name}",
            "--logtostderr")
        self.netd.wait_line("ready", self.netd.process.stderr)


@pytest.fixture
def sides(house, stage, build):
    net = Net(house)
    both = [Side(net, net.near, "near0", NEAR, stage, build),
            Side(net, net.far, "far0", FAR, stage, build)]
    yield both
    for side in both:
        side.close()
    net.close()


@pytest.fixture(params=["near to far", "far to near"])
def ways(request, sides):
    """Who asks, and who is asked."""
    return sides if request.param == "near to far" else sides[::-1]


def test_hello_world(ways):
    client, server = ways
    listener = server.hello("--local", server.ip)
    listener.wait_line("Waiting for messages")
    for count in range(1, 4):
        status, out, err = client.hello("--local", client.ip, "--remote", server.ip).finish()
        assert (status, out, err) == (0, ["Sending message"], [])
        listener.wait_line(f"^Received message: Hello World!, count = {count}$")


@pytest.mark.parametrize("args", [
    ["--msg_nr=3000"], ["--msg_nr=3000", "--msg_size=1418", "--msg_window=64"],
    ["--msg_nr=300", "--msg_size=65536"], ["--msg_nr=2000", "--busy_poll", "--msg_window=1"],
    ["--msg_nr=5", "--msg_size=8388608", "--msg_window=1"]])
def test_msg_gen(ways, args):
    client, server = ways
    answers = server.msg_gen_server(server.ip, *(a for a in args if "size" in a))
    asks = client.msg_gen("--local_ip", client.ip, "--remote_ip", server.ip, "--verify", *args)
    status, _, err = asks.finish()
    assert status == 0, err
    nr = int(args[0].partition("=")[2])
    assert total(err)[0] == total(err)[3] == nr
    status, _, err = answers.end()
    assert status == 0
    assert total(err)[3] == nr


def test_msg_gen_tells_each_second(sides):
    client, server = sides
    answers = server.msg_gen_server(server.ip)
    asks = client.msg_gen("--local_ip", client.ip, "--remote_ip", server.ip)
    for program in asks, answers:
        assert LINE.match(program.wait_line("^TX/RX ").string)
    assert asks.end()[0] == 0
    assert answers.end()[0] == 0


def connected(a, b):
    ours, theirs = a.app(), b.app()
    theirs.do("listen", b.ip, PORT)
    ours.do("connect", a.ip, b.ip, PORT)
    return ours, theirs


@pytest.mark.parametrize("size, count", [(1, 5), (1418, 100), (1419, 100), (100000, 10),
                                         (2000000, 2)])
def test_applications_without_the_library(ways, size, count):
    ours, theirs = connected(*ways)
    for _ in range(2):
        ours.do("send", size, count)
        assert theirs.do("recv", count) == f"{size} bytes"
        theirs.do("send", size, count)
        assert ours.do("recv", count) == f"{size} bytes"


@pytest.mark.parametrize("size", [64, 1000, 5000])
def test_all_buffers_are_on_their_way_at_both_ends(sides, size):
    """There is none to receive with but those that come back of what was sent."""
    ours, theirs = connected(*sides)
    theirs.say("echo", 20000)
    ours.do("stream", size, 20000)
    assert theirs.answer() == f"ok {size} bytes"


def test_one_with_and_one_without_the_library(ways):
    """The bytes that msg_gen sends are not the pattern that the app looks for: so it came."""
    client, server = ways
    app = server.app()
    app.do("listen", server.ip, PORT)
    asks = client.msg_gen("--local_ip", client.ip, "--remote_ip", server.ip, "--msg_nr=1")
    assert app.tell("recv", 1).startswith("error byte ")
    assert asks.end()[0] == 0
    answers = client.msg_gen_server(client.ip, "--local_port=889", "--msg_size=100")
    app.do("connect", server.ip, client.ip, 889)
    app.do("send", 5000, 1)
    assert app.tell("recv", 1).startswith("error byte ")
    assert answers.end()[0] == 0


BEYOND = """
import ctypes, errno, sys
from ctypes import c_char_p, c_int, c_size_t, c_uint16, c_uint32, c_void_p, byref
class Flow(ctypes.Structure):
    _fields_ = [("src_ip", c_uint32), ("dst_ip", c_uint32), ("src_port", c_uint16), ("dst_port", c_uint16)]
lib = ctypes.CDLL("libmachnet_shim.so.0", use_errno=True)
lib.machnet_attach.restype = c_void_p
lib.machnet_recv_wait.restype = ctypes.c_ssize_t
lib.machnet_recv_wait.argtypes = [c_void_p, c_void_p, c_size_t, ctypes.POINTER(Flow), c_int]
lib.machnet_send.argtypes = [c_void_p, Flow, c_char_p, c_size_t]
lib.machnet_close.argtypes = [c_void_p, Flow]
lib.machnet_connect.argtypes = [c_void_p, c_char_p, c_char_p, c_uint16, ctypes.POINTER(Flow)]
for name in "machnet_listen", "machnet_unlisten":
    getattr(lib, name).argtypes = [c_void_p, c_char_p, c_uint16]
lib.machnet_detach.argtypes = [c_void_p]
lib.machnet_detach.restype = None
def fails(error, r):
    assert (r, errno.errorcode[ctypes.get_errno()]) == (-1, error), (r, ctypes.get_errno())
ours, theirs = (ip.encode() for ip in sys.argv[1:])
assert lib.machnet_init() == 0
a, b = lib.machnet_attach(), lib.machnet_attach()
fails("ENOENT", lib.machnet_unlisten(a, ours, 700))
assert lib.machnet_listen(a, ours, 700) == 0
fails("EADDRINUSE", lib.machnet_listen(b, ours, 700))
assert lib.machnet_unlisten(a, ours, 700) == 0
assert lib.machnet_listen(b, ours, 700) == 0
flow, room = Flow(), ctypes.create_string_buffer(100)
assert lib.machnet_connect(a, ours, theirs, 888, byref(flow)) == 0
assert lib.machnet_send(a, flow, b"x" * 64, 64) == 0
assert lib.machnet_recv_wait(a, room, 100, None, -1) == 64
assert lib.machnet_recv_wait(a, room, 100, None, 1) == 0
assert lib.machnet_close(a, flow) == 0
fails("ENOENT", lib.machnet_close(a, flow))
lib.machnet_detach(b)
while lib.machnet_listen(a, ours, 700) != 0:  # until netd has seen the end
    assert ctypes.get_errno() == errno.EADDRINUSE
"""


def test_what_is_beyond_the_reference(sides):
    """Ends of listeners, flows and channels."""
    client, server = sides
    server.msg_gen_server(server.ip)
    assert client.start(sys.executable, "-c", BEYOND, client.ip, server.ip).finish() == (0, [], [])


def test_nobody_listens(sides):
    client, server = sides
    status, _, err = client.msg_gen("--local_ip", client.ip, "--remote_ip", server.ip).finish()
    assert (status, err[-1]) == (
        1, f"msg_gen: can't connect to {server.ip} port 888: Connection refused")


def test_an_address_of_another_host(sides):
    client, server = sides
    for args in ([], ["--remote_ip", client.ip]):
        status, _, err = client.msg_gen("--local_ip", server.ip, *args).finish()
        assert status == 1
        assert err[-1].startswith("msg_gen: can't ")


def test_two_can_not_listen_on_a_port(sides):
    server = sides[0]
    server.msg_gen_server(server.ip)
    status, _, err = server.msg_gen("--local_ip", server.ip).finish()
    assert (status, err[-1]) == (
        1, f"msg_gen: can't listen on {server.ip} port 888: Address already in use")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_netd_that_ends_is_noticed(sides, number):
    client, server = sides
    answers = server.msg_gen_server(server.ip)
    asks = client.msg_gen("--local_ip", client.ip, "--remote_ip", server.ip)
    asks.wait_line("^TX/RX ")
    server.netd.process.send_signal(number)
    status, _, err = answers.finish()
    assert status == 1
    assert err[-1].endswith("Transport endpoint is not connected")
    server.netd.process.wait()
    server.start_netd()
    server.msg_gen_server(server.ip)
    again = client.msg_gen("--local_ip", client.ip, "--remote_ip", server.ip, "--msg_nr=10")
    assert again.finish()[0] == 0
    assert asks.end()[0] == 0


def test_who_dies_with_a_full_ring(sides):
    """What it held is netd's again, and the next ones are served."""
    client, server = sides
    for _ in range(3):
        ours, theirs = connected(client, server)
        ours.do("flood", 50000)
        ours.say("crash")
        ours.process.wait()
        theirs.process.kill()
        theirs.process.wait()
        # The port is free once netd has seen the end.
        while (other := server.app()).tell("listen", server.ip, PORT) != "ok":
            other.process.kill()
        other.process.kill()
        other.process.wait()
    server.msg_gen_server(server.ip, "--local_port=900")
    again = client.msg_gen("--local_ip", client.ip, "--remote_ip", server.ip, "--remote_port=900",
                           "--msg_nr=100")
    assert again.finish()[0] == 0


@pytest.mark.parametrize("wrong", [
    ["garbage ctx 1"], ["garbage rings 2"], ["garbage bufs 3", "flood 3000"],
    ["index 0 100", "index 4294967295"], ["twice 5000"], ["chain 2 5000"], ["request 77"],
    ["poke 440 ffffffffffffff7f", "flood 100"], ["flood 1000", "garbage rings 9"]])
def test_who_does_wrong_harms_nobody_else(sides, wrong):
    client, server = sides
    server.msg_gen_server(server.ip, "--local_port=900")
    asks = client.msg_gen("--local_ip", client.ip, "--remote_ip", server.ip, "--remote_port=900",
                          "--verify")
    asks.wait_line("^TX/RX ")
    bad, _ = connected(client, server)
    for line in wrong:
        bad.say(line)
    for _ in range(2):
        asks.wait_line("^TX/RX ")
    status, _, err = asks.end()
    assert status == 0, err
    assert client.netd.process.poll() is None and server.netd.process.poll() is None


def test_who_stands_still_stops_its_own_peer(sides):
    """And it, too, has all that was sent when it goes on."""
    client, server = sides
    ours, theirs = connected(client, server)
    theirs.process.send_signal(signal.SIGSTOP)
    ours.do("send", 2000, 200)
    server.msg_gen_server(server.ip, "--local_port=900")
    asks = client.msg_gen("--local_ip", client.ip, "--remote_ip", server.ip, "--remote_port=900",
                          "--verify", "--msg_nr=500")
    assert asks.finish()[0] == 0
    theirs.process.send_signal(signal.SIGCONT)
    assert theirs.do("recv", 200) == "2000 bytes"
