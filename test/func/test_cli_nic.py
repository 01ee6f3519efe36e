# SPDX-License-Identifier: BSD-3-Clause
"""The reeve command about network interfaces, and its doctor."""
import json
import os
import re
import signal

import pytest

import mtl
from test_cli import REEVE, TIME, Running, ask, reeve, table

PORT = 5000
CONF = 'nic "eth1" {\n\tsoft-flows = true\n\txdp = "single"\n}\n'


@pytest.fixture
def wired(lab):
    """(house, interface eth1 with four queues), a daemon running."""
    nic = lab.nic()
    return lab.start(CONF).house, nic


# --- how it is called -----------------------------------------------------------


@pytest.mark.parametrize("words", [
    ["nic"], ["nic", "warp"], ["queue", "acquire"], ["queue", "acquire", "eth1", "--count", "0"],
    ["queue", "acquire", "eth1", "--queues", "1-"], ["queue", "list", "x"],
    ["queue", "acquire", "eth1", "--count", "1", "--queues", "1"], ["port", "add", "eth1"],
    ["port", "add", "eth1", "0"], ["port", "add", "eth1", "65536"], ["flow", "add", "eth1"],
    ["flow", "add", "eth1", "--queue", "1"], ["flow", "add", "--queue", "1", "--dport", "1"],
    ["flow", "add", "eth1", "--queue", "1", "--dport", "0"], ["xdp", "x"], ["doctor", "x"],
], ids=" ".join)
def test_usage(house, words):
    done = house.run(REEVE, *words)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("reeve")


# --- looking ----------------------------------------------------------------------


def test_nics(wired):
    house, nic = wired
    for words in (["nic", "list"], ["host", "--nics"]):
        row, = table(reeve(house, *words))
        assert row["NIC"] == nic.name and row["IFINDEX"] == str(nic.ifindex)
        assert (row["KIND"], row["NODE"], row["UP"]) == ("veth", "-", "yes")
        assert (row["QUEUES"], row["LEASABLE"], row["FREE"]) == ("4", "1-3", "1-3")
        assert (row["FORM"], row["MODE"], row["FLOWS"]) == ("none", "none", "software")
    listed, = ask(house, "nic", "list")["nics"]
    assert ask(house, "host")["nics"] == [listed]


def test_why_not(lab):
    lab.nic()
    house = lab.start('nics = { "ens*" }\n').house
    nic, = ask(house, "nic", "list")["nics"]
    assert nic["usable"] is False
    assert nic["why"] in reeve(house, "nic", "list")


def test_nothing_yet(wired):
    house, _ = wired
    for words in (["queue", "list"], ["port", "list"], ["flow", "list"]):
        assert reeve(house, *words) == "none\n"
    assert reeve(house, "xdp") == "none\n\nOwners:\nnone\n\nPorts:\nnone\n"
    assert ask(house, "xdp") == {"nics": [], "owners": [], "queues": [], "ports": []}


# --- holding ----------------------------------------------------------------------


def test_hold_queues(wired):
    house, nic = wired
    with Running(house, REEVE, "queue", "acquire", nic.name, "--count", "2", "--name", "holder",
                 "--ttl", "1h") as held:
        for queue in (1, 2):
            assert re.fullmatch(rf"lease \d+: queue {queue} of if {nic.ifindex} until {TIME}\n",
                                held.line())
        assert held.line() == f"Holding queue 1-2 of {nic.name}. Ctrl-C gives it back.\n"
        first, second = table(reeve(house, "queue", "list"))
        assert (first["NIC"], first["QUEUE"], second["QUEUE"]) == (nic.name, "1", "2")
        assert "holder" in reeve(house, "instance", "list")
        assert table(reeve(house, "nic", "list"))[0]["FREE"] == "3"
        assert held.end(signal.SIGINT) == (0, "", "")
    assert reeve(house, "queue", "list") == "none\n"
    mtl.poll_until(lambda: nic.xdp() is None, "the program is detached")


def test_hold_while_a_command_runs(wired):
    house, nic = wired
    out = reeve(house, "queue", "acquire", nic.name, "--queues", "3", "--", "sh", "-c",
                f"{REEVE} --json queue list; exit 7", status=7)
    lease, = json.loads(out)["leases"]
    assert lease["resource"] == f"queue 3 of if {nic.ifindex}"
    assert reeve(house, "queue", "list") == "none\n"


def test_refused(wired):
    house, nic = wired
    told = json.loads(reeve(house, "--json", "queue", "acquire", nic.name, "--queues", "0",
                            status=1))
    assert told["error"].startswith("io.reeve.") and told["why"]
    assert "no network interface" in house.run(REEVE, "queue", "acquire", "eth9").stderr
    assert reeve(house, "instance", "list") == "none\n"


def test_ports_and_their_counters(wired):
    house, nic = wired
    with Running(house, REEVE, "port", "add", nic.name, PORT) as held:
        assert re.fullmatch(rf"lease \d+: udp_port {PORT} of if {nic.ifindex}\n", held.line())
        assert held.line() == f"Holding port {PORT} of {nic.name}. Ctrl-C gives it back.\n"
        row, = table(reeve(house, "port", "list"))
        assert (row["NIC"], row["PORT"], row["TENANT"]) == (nic.name, str(PORT), "system")
        assert (row["PACKETS"], row["USES"]) == ("0", "1")
        assert held.end(signal.SIGTERM) == (0, "", "")
    assert reeve(house, "port", "list") == "none\n"


def test_more_ports_than_one_answer_has(wired):
    house, nic = wired
    reeved = house.daemons[-1]
    with reeved.connect_native() as many, reeved.connect_native() as few:
        for port in range(1000, 1150):
            many.call("AddPort", nic=nic.name, port=port)
            if port % 10 == 0:
                few.call("AddPort", nic=nic.name, port=port)
        rows = ask(house, "port", "list")["ports"]
        assert sorted(row["port"] for row in rows) == sorted([*range(1000, 1150),
                                                              *range(1000, 1150, 10)])
        assert all(row["packets"] == 0 and row["nic"] == nic.name for row in rows)
        assert len({row["lease"] for row in rows}) == len(rows) == 165


def test_flows(wired):
    house, nic = wired
    with Running(house, REEVE, "flow", "add", nic.name, "--queue", "2", "--dst", nic.ours,
                 "--dport", PORT) as held:
        assert re.fullmatch(rf"lease \d+: queue 2 of if {nic.ifindex}\n", held.line())
        assert "flow" in held.line()
        assert held.line() == (f"Holding the flow to queue 2 of {nic.name}, by software. "
                               "Ctrl-C gives it back.\n")
        row, = table(reeve(house, "flow", "list"))
        assert (row["SOURCE"], row["DESTINATION"]) == ("*", f"{nic.ours}:{PORT}")
        assert (row["QUEUE"], row["BY"], row["TENANT"]) == ("2", "software", "system")
        assert held.end(signal.SIGINT) == (0, "", "")
    assert reeve(house, "flow", "list") == "none\n"
    assert reeve(house, "queue", "list") == "none\n"


def test_xdp(wired):
    house, nic = wired
    with Running(house, REEVE, "queue", "acquire", nic.name, "--count", "2") as held, \
            Running(house, REEVE, "port", "add", nic.name, PORT) as port:
        held.line()
        port.line()
        nics, owners, ports = reeve(house, "xdp").split("\n\n")
        row, = table(nics)
        mode, program = nic.xdp()
        assert (row["NIC"], row["FORM"], row["MODE"]) == (nic.name, "single", mode)
        assert (row["PROGRAM"], row["FOREIGN"], row["USERS"]) == (str(program), "no", "2")
        queues = {row["QUEUES"] for row in table(owners.split("\n", 1)[1])}
        assert queues == {"1-2", "-"}
        row, = table(ports.split("\n", 1)[1])
        assert row["PORT"] == str(PORT)
        assert {owner["kind"] for owner in ask(house, "xdp")["owners"]} == {"xdp"}


# --- the doctor --------------------------------------------------------------------


def findings(house, *words, status):
    done = house.run(REEVE, "--json", "doctor", *words)
    assert done.returncode == status, done
    told = json.loads(done.stdout)
    assert bool(told["missing"]) == bool(status)
    assert {finding["verdict"] for finding in told["findings"]} <= \
        {"ok", "limited", "missing", "unknown"}
    return {finding["check"]: finding for finding in told["findings"]}


def test_doctor_without_a_daemon(house):
    found = findings(house, status=1)
    assert found["reeved"]["verdict"] == "missing"
    assert "systemctl start reeved" in house.run(REEVE, "doctor").stdout


def test_doctor_with_a_daemon(wired):
    house, _ = wired
    found = house.run(REEVE, "--json", "doctor")
    told = {f["check"]: f for f in json.loads(found.stdout)["findings"]}
    assert told["reeved"]["verdict"] == "ok"
    assert told["XDP"]["verdict"] == told["XDP links"]["verdict"] == "ok"
    assert {"kernel", "dispatcher", "bpffs", "native XDP", "hugepages", "KVM"} <= set(told)
    listed = table(reeve(house, "doctor", status=found.returncode).split("\n\n")[0])
    assert len(listed) == len(json.loads(found.stdout)["findings"])


def test_doctor_as_nobody(house):
    done = house.run("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", REEVE,
                     "--json", "doctor")
    told = {f["check"]: f for f in json.loads(done.stdout)["findings"]}
    assert told["XDP"]["verdict"] == "unknown"


def test_doctor_on_azure(house):
    uuid = "000d3a2b-1c2d-000d-3a2b-1c2d000d3a2b"
    tree = house.dir / "azure"
    (tree / "sys/class/net/eth1/queues/rx-0").mkdir(parents=True)
    (tree / f"sys/devices/{uuid}").mkdir(parents=True)
    os.symlink("/sys/bus/vmbus/drivers/hv_netvsc", tree / f"sys/devices/{uuid}/driver")
    os.symlink(f"../../../devices/{uuid}", tree / "sys/class/net/eth1/device")
    found = findings(house, "--root", tree, status=1)
    assert found["eth1 azure"]["mend"] == \
        f"driverctl -b vmbus set-override {uuid} uio_hv_generic"
    assert "modprobe uio_hv_generic" in house.run(REEVE, "doctor", "--root", tree).stdout
