# SPDX-License-Identifier: BSD-3-Clause
"""libmachnet_shim as it is installed: what it exports, what is built with it, what bindings
of other languages do. The daemon is test/fake/machnet_original, which is no reeve."""
import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from apps import LINE, Host, Program, total

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
ORIGINAL = {"machnet_init", "machnet_bind", "machnet_attach", "machnet_listen", "machnet_connect",
            "machnet_send", "machnet_sendmsg", "machnet_sendmmsg", "machnet_recv",
            "machnet_recvmsg", "machnet_detach", "g_ctrl_socket", "g_app_uuid", "g_app_uuid_str"}


def output(*command):
    return subprocess.run(list(map(str, command)), check=True, capture_output=True, text=True).stdout


@pytest.fixture
def library(stage):
    path, = (stage / "usr/lib").rglob("libmachnet_shim.so")
    return path


class Daemon:
    def __init__(self, build, socket):
        self.program = Program([build / "test/fake/machnet_original", socket],
                               stdin=subprocess.PIPE)
        self.program.wait_line("ready")

    def kill(self):
        self.program.process.kill()
        self.program.process.wait()

    def close(self):
        self.program.close()


@pytest.fixture
def host(stage, build, tmp_path):
    """The applications of one daemon, of the kind of the reference's."""
    socket = tmp_path / "sock"
    daemon = Daemon(build, socket)
    host = Host(stage, build, socket)
    host.daemon = daemon
    yield host
    host.close()
    host.daemon.close()


# --- what is installed ----------------------------------------------------------


def declared():
    text = re.sub(r"/\*.*?\*/", "", (ROOT / "include/machnet.h").read_text(), flags=re.S)
    return set(re.findall(r"\b(machnet_\w+|g_\w+)\s*[(;\[]", text)) 


def test_exports_what_is_declared_and_no_more(library):
    exported = {line.split()[-1] for line in output("nm", "-D", "--defined-only", library)
                .splitlines()}
    assert exported == declared()
    assert ORIGINAL <= exported


def test_data_has_the_originals_sizes(library):
    sizes = {fields[7]: int(fields[2]) for line in
             output("readelf", "-W", "--dyn-syms", library).splitlines()
             if len(fields := line.split()) == 8 and fields[3] == "OBJECT"}
    assert sizes == {"g_ctrl_socket": 4, "g_app_uuid": 16, "g_app_uuid_str": 37}


def test_needs_nothing_but_libc(library):
    dynamic = output("readelf", "-d", library)
    assert re.findall(r"NEEDED.*\[(.*)\]", dynamic) == ["libc.so.6"]
    assert re.findall(r"SONAME.*\[(.*)\]", dynamic) == ["libmachnet_shim.so.0"]
    names = {path.name for path in library.parent.glob("libmachnet_shim.so*")}
    assert names == {"libmachnet_shim.so", "libmachnet_shim.so.0", "libmachnet_shim.so.0.0.1"}


def test_pkg_config(stage, library):
    words = output("env", f"PKG_CONFIG_SYSROOT_DIR={stage}",
                   f"PKG_CONFIG_LIBDIR={library.parent / 'pkgconfig'}",
                   "pkg-config", "--cflags", "--libs", "machnet_shim").split()
    assert "-lmachnet_shim" in words


@pytest.mark.parametrize("compiler, standard", [("g++", "c++11"), ("g++", "c++20"),
                                                ("clang++", "c++17")])
def test_header_in_cc(stage, compiler, standard):
    output(compiler, "-fsyntax-only", f"-std={standard}", "-Wall", "-Wextra", "-Werror",
           f"-I{stage}/usr/include", HERE / "machnet_header.cc")


@pytest.mark.parametrize("standard", ["c99", "c17"])
def test_a_user_compiles_hello_world(host, library, tmp_path, standard):
    """As its first line says, with nothing of this tree but the header and the library."""
    program = tmp_path / "hello_world"
    output("cc", f"-std=gnu{standard[1:]}", "-Wall", "-Wextra", "-Werror",
           ROOT / "examples/hello_world.c", f"-I{host.stage}/usr/include",
           f"-L{library.parent}", "-lmachnet_shim", "-o", program)
    server = host.start(program, "--local=10.0.0.1")
    server.wait_line("Waiting for messages")
    assert host.start(program, "--local=10.0.0.2", "--remote=10.0.0.1").finish()[0] == 0
    server.wait_line(r"^Received message: Hello World!, count = 1$")


# --- other languages -----------------------------------------------------------------

BINDING = """
import ctypes, sys
class Flow(ctypes.Structure):
    _fields_ = [("src_ip", ctypes.c_uint32), ("dst_ip", ctypes.c_uint32),
                ("src_port", ctypes.c_uint16), ("dst_port", ctypes.c_uint16)]
lib = ctypes.CDLL("libmachnet_shim.so.0", use_errno=True)
lib.machnet_attach.restype = ctypes.c_void_p
lib.machnet_listen.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_uint16]
lib.machnet_connect.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_uint16,
                                ctypes.POINTER(Flow)]
lib.machnet_send.argtypes = [ctypes.c_void_p, Flow, ctypes.c_void_p, ctypes.c_size_t]
lib.machnet_recv.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.POINTER(Flow)]
lib.machnet_recv.restype = ctypes.c_ssize_t
assert ctypes.sizeof(Flow) == 12
assert lib.machnet_init() == 0
a, b = lib.machnet_attach(), lib.machnet_attach()
assert a and b
assert lib.machnet_listen(a, b"10.0.0.1", 888) == 0
assert lib.machnet_listen(a, b"nowhere", 888) == -22
flow, got = Flow(), Flow()
assert lib.machnet_connect(b, b"10.0.0.2", b"10.0.0.1", 888, ctypes.byref(flow)) == 0
assert (flow.src_ip, flow.dst_ip, flow.dst_port) == (0x0a000002, 0x0a000001, 888)
room = ctypes.create_string_buffer(100)
assert lib.machnet_recv(a, room, 100, ctypes.byref(got)) == 0
assert lib.machnet_send(b, flow, b"Hello World!", 12) == 0
while (n := lib.machnet_recv(a, room, 100, ctypes.byref(got))) == 0:
    pass
assert room.raw[:n] == b"Hello World!"
assert bytes(got) == bytes(flow)
back = Flow(got.dst_ip, got.src_ip, got.dst_port, got.src_port)
assert lib.machnet_send(a, back, b"?", 1) == 0
while (n := lib.machnet_recv(b, room, 100, None)) == 0:
    pass
assert n == 1
"""


def test_what_bindings_call(host):
    """The six functions that the C# and JavaScript bindings have, with flows by value."""
    assert host.start(sys.executable, "-c", BINDING).finish() == (0, [], [])


# --- with the reference's kind of daemon -----------------------------------------------


@pytest.mark.parametrize("args", [[], ["--msg_size=9"], ["--msg_size=1418", "--busy_poll"],
                                  ["--msg_size=60000", "--msg_window=3"],
                                  ["--msg_size=2000000", "--msg_window=1", "--msg_nr=20"],
                                  ["--tx_msg_size=1000", "--msg_window=200"]])
def test_msg_gen(host, args):
    nr = 500 if "--msg_nr=20" not in args else 20
    server = host.msg_gen_server("10.0.0.1", *(a for a in args if "size" in a))
    client = host.msg_gen("--local_ip=10.0.0.2", "--remote_ip", "10.0.0.1", f"--msg_nr={nr}",
                          "--verify", *args)
    status, _, err = client.finish()
    assert status == 0, err
    sent, sent_bytes, drops, received, received_bytes = total(err)
    assert sent == received == nr
    assert sent_bytes == received_bytes
    assert not any("not what they should be" in line for line in err)
    status, _, err = server.end()
    assert status == 0
    assert total(err)[0] == total(err)[3] == nr


def test_msg_gen_tells_each_second(host):
    server = host.msg_gen_server("10.0.0.1")
    client = host.msg_gen("--local_ip=10.0.0.2", "--remote_ip=10.0.0.1")
    for program, timed in ((client, True), (server, False)):
        line = program.wait_line("^TX/RX ")
        found = LINE.match(line.string)
        assert found, line.string
        assert float(found[1]) > 0 and float(found[2]) > 0
        assert (found[5] is not None) == timed
        assert not timed or int(found[5]) <= int(found[6]) <= int(found[7])
    for program in client, server:
        status, _, err = program.end()
        assert status == 0
        assert total(err)[0] > 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_idle_msg_gen_ends_at_once(host, number):
    server = host.msg_gen_server("10.0.0.1")
    server.wait_err("Server Loop")
    status, out, err = server.end(number)
    assert (status, out) == (0, [])
    assert total(err) == (0, 0, 0, 0, 0)


def test_msg_gen_as_json(host, tmp_path):
    host.msg_gen_server("10.0.0.1")
    histogram = tmp_path / "histogram"
    client = host.msg_gen("--local_ip=10.0.0.2", "--remote_ip=10.0.0.1", "--json", "--msg_nr=300",
                          f"--rtt_histogram={histogram}")
    status, out, _ = client.finish()
    assert status == 0
    last = json.loads(out[-1])
    rtt = last["rtt_us"]
    assert last["kind"] == "total" and rtt["count"] == 300
    assert rtt["min"] <= rtt["p50"] <= rtt["p99"] <= rtt["p99.9"] <= rtt["max"]
    bars = [line.split() for line in histogram.read_text().splitlines()]
    assert sum(int(count) for _, count in bars) == 300
    assert [float(us) for us, _ in bars] == sorted({float(us) for us, _ in bars})
    assert float(bars[0][0]) == pytest.approx(rtt["min"], rel=0.02)
    assert float(bars[-1][0]) == pytest.approx(rtt["max"], rel=0.02)


def test_msg_gen_ends_by_its_duration(host):
    host.msg_gen_server("10.0.0.1")
    status, out, err = host.msg_gen("--local_ip=10.0.0.2", "--remote_ip=10.0.0.1",
                                    "--duration=1").finish()
    assert status == 0 and total(err)[3] > 0


@pytest.mark.parametrize("args, said", [
    ([], "flag '--local_ip' is missing: an address of machnet's"),
    (["--local_ip=10.0.0.1", "--msg_size=8"], "flag '--msg_size' is 9 at least"),
    (["--local_ip=10.0.0.1", "--msg_size=8388609"],
     "flag '--msg_size' is a whole number up to 8388608, not '8388609'"),
    (["--local_ip=10.0.0.1", "--msg_window=0"], "flag '--msg_window' is 1 at least"),
    (["--nonsense"], "unknown command line flag 'nonsense'"),
    (["--local_ip=here"], "can't listen on here port 888: Invalid argument"),
    (["--local_ip=10.0.0.1", "--remote_ip=there"],
     "can't connect to there port 888: Invalid argument"),
    (["--local_ip=10.0.0.1", "--msg_nr=0", "--rtt_histogram=/none/x"],
     "can't write to /none/x: No such file or directory"),
])
def test_a_wrong_flag_is_a_sentence(host, args, said):
    status, _, err = host.msg_gen(*args).finish()
    assert (status, err[-1]) == (1, f"msg_gen: {said}")


def test_no_daemon_is_a_sentence(host):
    host.daemon.kill()
    status, _, err = host.msg_gen("--local_ip=10.0.0.1").finish()
    assert (status, err) == (1, ["msg_gen: can't reach machnet: Connection refused"])


def test_a_daemon_that_dies_is_noticed(host):
    server = host.msg_gen_server("10.0.0.1")
    host.daemon.kill()
    status, _, err = server.finish()
    assert status == 1
    assert err[-1] == "msg_gen: can't receive: Transport endpoint is not connected"


def test_the_library_and_a_program_without_it(host):
    """What the library sends, a program that was written without it understands, and back."""
    app = host.app()
    app.do("listen", "10.0.0.3", 888)
    client = host.msg_gen("--local_ip=10.0.0.2", "--remote_ip=10.0.0.3", "--msg_nr=1", "--verify")
    client.wait_err("Client Loop")
    answer = app.tell("recv", 1)
    assert answer.startswith("error byte ")  # it is msg_gen's pattern, not the app's
    app.do("connect", "10.0.0.4", "10.0.0.3", 888)
    app.do("send", 300000, 3)
    assert app.do("recv", 3) == "300000 bytes"
    assert app.do("count").startswith("free 4095 ")
