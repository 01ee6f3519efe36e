# SPDX-License-Identifier: BSD-3-Clause
"""The native socket of reeve-netd: what it tells, whom it drops, traces, and `reeve net`."""
import json
import os
import re
import socket
import struct
import subprocess
import time
from pathlib import Path

import pytest

import varlink
from netd import MAC, OURS, OURS6, PATIENCE, RUN, THEIRS, NetLab, config, pcapng
from nic import network_of

INTERFACE = Path(__file__).resolve().parents[2] / "api/io.reeve.net.varlink"
CONNECTIONS = 16


@pytest.fixture
def net(house):
    lab = NetLab(house)
    yield lab
    lab.close()


def members(name):
    """Of a type in the interface's text."""
    body = re.search(rf"^type {name} \((.*?)^\)", INTERFACE.read_text(), re.M | re.S).group(1)
    return {line.split(":")[0].strip() for line in body.splitlines() if ":" in line}


# --- what it tells ----------------------------------------------------------------------------


def test_status(net):
    netd = net.start(config(gateway=THEIRS, engine_threads=2))
    net.wire.ping(OURS, 7)
    status = netd.call("Status")
    assert status["pid"] > 0 and 0 < status["uptime_ms"] < 60000
    iface, = status["interfaces"]
    assert set(iface) == members("Interface")
    assert (iface["name"], iface["mac"], iface["mtu"], iface["state"], iface["mode"]) == \
        ("eth1", MAC, 1500, "up", "generic")
    assert iface["addresses"] == [{"address": OURS, "prefix": 24, "shared": False},
                                  {"address": OURS6, "prefix": 64, "shared": False}]
    assert iface["gateways"] == [THEIRS]
    assert [e["engine"] for e in iface["engines"]] == [0, 1]
    for engine in iface["engines"]:
        assert set(engine) == members("Engine")
        for part, name in (("stack", "Stack"), ("port", "Port"), ("socket", "Socket")):
            assert set(engine[part]) == members(name)
    assert sum(e["stack"]["echoes"] for e in iface["engines"]) == 7


def test_neighbours(net):
    netd = net.start()
    net.wire.ping(OURS)
    net.outside.run("ip", "neigh", "flush", "all")
    net.wire.ping(OURS)
    found, = [n for n in netd.call("ListNeighbours")["neighbours"] if n["address"] == THEIRS]
    assert set(found) == members("Neighbour")
    assert found["state"] == "known" and found["interface"] == "eth1"
    assert netd.call("ListFlows") == {"flows": []}


def test_pages(net):
    """More neighbours than a page has: each is told once."""
    netd = net.start()
    mac = bytes.fromhex("020000000909")
    with network_of(net.outside.pid):
        raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    raw.bind(("far1", 0))
    for i in range(800):
        sender = socket.inet_aton(f"10.5.{i // 200 + 1}.{i % 200 + 1}")
        raw.send(b"\xff" * 6 + mac + struct.pack(">HHHBBH", 0x0806, 1, 0x0800, 6, 4, 1) + mac + sender +
                 bytes(6) + socket.inet_aton(OURS))
    raw.close()
    net.wire.ping(OURS)
    count = netd.status()["engines"][0]["stack"]["neighbours"]
    assert count > 500
    with netd.connect() as client:
        rows, after = [], {}
        while True:
            page = client.call("io.reeve.net.ListNeighbours", **after)
            assert len(page["neighbours"]) <= 500
            rows += [n["address"] for n in page["neighbours"]]
            if page.get("next") is None:
                break
            after = {"after": page["next"]}
    assert len(rows) == len(set(rows)) == count
    shown = json.loads(net.reeve("net", "neighbours", "--json").stdout)["neighbours"]
    assert sorted(n["address"] for n in shown) == sorted(rows)


def test_it_describes_itself(net):
    netd = net.start()
    with netd.connect() as client:
        info = client.call("org.varlink.service.GetInfo")
        assert info["interfaces"] == ["io.reeve.net", "org.varlink.service"]
        for name in info["interfaces"]:
            text = client.call("org.varlink.service.GetInterfaceDescription", interface=name)
            assert f"interface {name}\n" in text["description"]
        assert client.call("org.varlink.service.GetInterfaceDescription",
                           interface="io.reeve.net")["description"] == INTERFACE.read_text()


# --- what it refuses --------------------------------------------------------------------------


@pytest.mark.parametrize("method, parameters, error", [
    ("io.reeve.net.Nothing", {}, "MethodNotFound"),
    ("io.reeve.Status", {}, "InterfaceNotFound"),
    ("nothing.at.All", {}, "InterfaceNotFound"),
    ("io.reeve.net.Status", {"more": 1}, "InvalidParameter"),
    ("io.reeve.net.ListFlows", {"after": -1}, "InvalidParameter"),
    ("io.reeve.net.ListFlows", {"after": "0"}, "InvalidParameter"),
    ("io.reeve.net.ListFlows", {"interface": "eth9"}, "NoSuchInterface"),
    ("io.reeve.net.Trace", {}, "InvalidParameter"),
    ("io.reeve.net.Trace", {"interface": "eth9"}, "NoSuchInterface"),
    ("io.reeve.net.Trace", {"interface": "eth1", "engine": 1}, "NoSuchEngine"),
    ("io.reeve.net.Trace", {"interface": "eth1", "engine": 99}, "InvalidParameter"),
    ("org.varlink.service.GetInterfaceDescription", {"interface": "x.y"}, "InterfaceNotFound"),
])
def test_refusals(net, method, parameters, error):
    netd = net.start()
    with netd.connect() as client:
        assert client.refused(method, **parameters).short == error
        client.call("io.reeve.net.Status")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"method": 1}', '{"parameters": {}}', b"\xff\xfe",
                                  '{"method": "io.reeve.net.Status"} x'])
def test_what_is_no_varlink_ends_the_connection(net, text):
    netd = net.start()
    with netd.connect() as client:
        client.send_text(text)
        with pytest.raises(varlink.Closed):
            client.reply()
    assert netd.status()["name"] == "eth1"


def test_a_call_without_an_end(net):
    netd = net.start()
    with netd.connect() as client:
        with pytest.raises((varlink.Closed, BrokenPipeError, ConnectionResetError)):
            client.sock.sendall(b" " * 70000)
            client.reply()
    assert netd.status()["name"] == "eth1"


def test_only_root_may_open_it(net):
    net.start()
    assert os.stat(net.house.path(f"{RUN}/netd.sock")).st_mode & 0o777 == 0o600
    done = net.house.run("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                         "/run/stage/usr/bin/reeve", "-s", f"{RUN}/netd.sock", "net", "status")
    assert done.returncode != 0 and "only root" in done.stderr


# --- how it listens ----------------------------------------------------------------------------


def test_a_call_in_pieces_and_many_at_once(net):
    netd = net.start()
    call = b'{"method":"io.reeve.net.ListFlows"}\0'
    with netd.connect() as client:
        for byte in call:
            client.sock.sendall(bytes([byte]))
        assert client.reply() == {"flows": []}
        client.sock.sendall(call * 50)
        for _ in range(50):
            assert client.reply() == {"flows": []}
        client.sock.sendall(b'{"method":"io.reeve.net.Status","oneway":true}\0' + call)
        assert client.reply() == {"flows": []}


def fill(client):
    """Asks, and does not read, until nothing more can be sent."""
    call = b'{"method":"org.varlink.service.GetInterfaceDescription",' \
           b'"parameters":{"interface":"io.reeve.net"}}\0'
    client.sock.setblocking(False)
    try:
        while True:
            client.sock.sendall(call * 10)
    except BlockingIOError:
        pass


def test_who_does_not_read_holds_nobody_up(net):
    netd = net.start()
    slow = netd.connect()
    fill(slow)
    net.wire.ping(OURS)
    assert netd.status()["name"] == "eth1"
    rss = int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{netd.pid}/status").read_text())[1])
    assert rss < 200000
    slow.close()


def test_who_does_not_read_makes_room(net):
    netd = net.start()
    crowd = [netd.connect() for _ in range(CONNECTIONS)]
    for client in crowd:
        client.call("io.reeve.net.ListFlows")
    with netd.connect() as late:  # all are taken, and read what they are told
        with pytest.raises((varlink.Closed, BrokenPipeError, ConnectionResetError)):
            late.call("io.reeve.net.ListFlows")
    fill(crowd[5])
    deadline = time.monotonic() + PATIENCE
    while True:  # until its answers fill all buffers on the way
        try:
            assert netd.status()["name"] == "eth1"
            break
        except (varlink.Closed, BrokenPipeError, ConnectionResetError):
            assert time.monotonic() < deadline
    for i, client in enumerate(crowd):
        if i != 5:
            client.call("io.reeve.net.ListFlows")
        client.close()


# --- traces ----------------------------------------------------------------------------------------


def trace(netd, **which):
    with netd.connect() as client:
        client.call("io.reeve.net.Trace", interface="eth1", **which)
        fd, = client.take_fds()
    return fd


def read_all(fd):
    data = b""
    while piece := os.read(fd, 1 << 20):
        data += piece
    os.close(fd)
    return data


def wait_untraced(netd):
    deadline = time.monotonic() + PATIENCE
    while any(e["traced"] for e in netd.status()["engines"]):
        assert time.monotonic() < deadline, "still traced"


@pytest.mark.parametrize("engines", [1, 2])
def test_a_trace_has_what_passed(net, engines):
    netd = net.start(config(engine_threads=engines))
    fd = trace(netd)
    net.wire.ping(OURS, 20)
    assert netd.stop() == 0
    names, packets, drops = pcapng(read_all(fd))
    assert names == (["eth1"] if engines == 1 else ["eth1:0", "eth1:1"])
    echoes = [(out, frame) for _, frame, out in packets if frame[12:14] == b"\x08\0" and frame[23] == 1]
    assert [out for out, _ in echoes] == [False, True] * 20
    assert [frame[34] for _, frame in echoes] == [8, 0] * 20
    assert drops == dict.fromkeys(range(engines), 0)


def test_a_trace_ends_with_its_reader(net):
    netd = net.start()
    fd = trace(netd)
    with netd.connect() as client:
        assert client.refused("io.reeve.net.Trace", interface="eth1").short == "Busy"
    os.close(fd)
    wait_untraced(netd)
    for _ in range(20):
        os.close(trace(netd, engine=0))
        wait_untraced(netd)
    net.wire.ping(OURS)


def test_a_trace_that_nobody_reads_holds_nothing_up(net):
    netd = net.start()
    fd = trace(netd)
    done = subprocess.run(net.wire.outside_command("ping", "-q", "-n", "-f", "-c", 3000, "-s", 1400, OURS),
                          capture_output=True, text=True)
    assert " 0% packet loss" in done.stdout, done.stdout
    echoes = netd.status()["engines"][0]["stack"]["echoes"]
    assert echoes == 3000
    os.set_blocking(fd, False)
    data = b""
    try:
        while piece := os.read(fd, 1 << 20):
            data += piece
    except BlockingIOError:
        pass
    net.wire.ping(OURS, 1)
    os.set_blocking(fd, True)
    assert netd.stop() == 0
    _, packets, drops = pcapng(data + read_all(fd))
    assert drops[0] > 0 and len(packets) + drops[0] >= 2 * 3001


@pytest.mark.parametrize("engines, end", [(1, "stop"), (2, "stop"), (2, "delete")])
def test_a_trace_that_is_full_tells_at_its_end_what_is_missing(net, engines, end):
    netd = net.start(config(engine_threads=engines))
    fd = trace(netd)
    done = subprocess.run(net.wire.outside_command("ping", "-q", "-n", "-f", "-c", 1000, "-s", 1400, OURS),
                          capture_output=True, text=True)
    assert " 0% packet loss" in done.stdout, done.stdout
    if end == "stop":
        assert netd.stop() == 0
    else:
        net.wire.delete()
        netd.wait_log("interface gone")
    _, packets, drops = pcapng(read_all(fd))
    assert sorted(drops) == list(range(engines))
    assert sum(drops.values()) > 0
    assert len(packets) + sum(drops.values()) >= 2 * 1000


def test_a_trace_ends_with_its_interface(net):
    netd = net.start()
    fd = trace(netd)
    net.wire.ping(OURS, 3)
    net.wire.delete()
    _, packets, drops = pcapng(read_all(fd))
    assert len(packets) >= 6 and drops == {0: 0}
    netd.wait_log("interface gone")
    with netd.connect() as client:
        assert client.refused("io.reeve.net.Trace", interface="eth1").short == "Busy"


# --- the command line -------------------------------------------------------------------------------


def test_the_command_line(net):
    net.start()
    net.wire.ping(OURS)
    shown = net.reeve("net", "status")
    assert shown.returncode == 0, shown.stderr
    for word in ("eth1", MAC, OURS, OURS6, "generic", "ENGINE"):
        assert word in shown.stdout
    assert json.loads(net.reeve("net", "status", "--json").stdout)["interfaces"][0]["name"] == "eth1"
    assert net.reeve("net", "flows").stdout == "none\n"
    assert json.loads(net.reeve("net", "flows", "-j").stdout) == {"flows": []}
    refused = net.reeve("net", "neighbours", "-i", "eth9", "--json")
    assert refused.returncode == 1 and json.loads(refused.stdout)["error"].endswith("NoSuchInterface")
    assert "netd has no interface eth9" in refused.stderr


def test_the_command_line_without_a_netd(net):
    done = net.reeve("net", "status")
    assert done.returncode == 69 and "no netd answers" in done.stderr


def test_the_command_line_traces(net):
    netd = net.start()
    process = subprocess.Popen(net.house.command("/run/stage/usr/bin/reeve", "-s", f"{RUN}/netd.sock",
                                                 "net", "trace", "-w", "-"), stdout=subprocess.PIPE)
    data = os.read(process.stdout.fileno(), 65536)  # it has begun
    net.wire.ping(OURS, 5)
    process.send_signal(2)
    data += process.stdout.read()
    process.stdout.close()
    assert process.wait(PATIENCE) == 0
    names, packets, _ = pcapng(data)
    assert names == ["eth1"] and len(packets) >= 10
    wait_untraced(netd)


def test_a_trace_is_not_for_a_terminal(net):
    net.start()
    done = net.house.run("script", "-qec", f"/run/stage/usr/bin/reeve -s {RUN}/netd.sock net trace",
                         "/dev/null")
    assert done.returncode == 1 and "not for a terminal" in done.stdout
