#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""reeve on a NIC with four queues, under a kernel that has libxdp's dispatcher: what
was recorded from the original manager on such a NIC, frames end to end in every
form and mode, and other users of XDP. Needs root, $STAGE, $BUILD and the guest's
network. Runs in an empty directory; prints TAP."""
import signal
import subprocess
import sys
from pathlib import Path

sys.dont_write_bytecode = True
import wire  # noqa: E402
from scene import BUILD, PATIENCE, PROMPT, STAGE, USER, main, mtl, reeve  # noqa: E402
from wire import FOREIGN, SOURCES, everybody_got, run  # noqa: E402

import test_golden as golden  # noqa: E402

PORT, OTHER = 5000, 5001
MORE = USER + 1
FILTER = FOREIGN / "xdpfilt_alw_udp.o"  # passes on what nobody told it to drop
CHAIN = [("xdp_dispatcher", None, "native", None),
         ("mtl_dp_filter", 19, None, "XDP_DROP"), ("xsk_def_prog", 20, None, "XDP_PASS")]


def conf(form="auto", mode="auto", more=""):
    return f'nic "eth0" {{\n\txdp = "{form}"\n\tmode = "{mode}"\n\t{more}\n}}\n'


def tenants(*uids):
    return "".join(f'tenant t{uid} {{\n\tuids = {{"{uid}"}}\n\tnics = {{"eth0"}}\n}}\n'
                   for uid in uids)


def in_each_form(test):
    for form in "single", "dispatcher":
        for mode in "native", "generic":
            def case(scene, form=form, mode=mode):
                test(scene, form, mode)
            case.__name__ = f"test_{test.__name__}_{form}_{mode}"
            globals()[case.__name__] = case
    return test


def gone(eth0, limit=PROMPT):
    mtl.poll_until(lambda: eth0.xdp() is None and not wire.pins(), "eth0 is bare", limit)


# --- what was recorded ---

def test_golden_section_2(scene):
    """Byte for byte, on an interface of the number that was recorded."""
    eth0 = wire.set_up(scene)
    eth0.need_queues()
    assert eth0.ifindex == 2
    scene.daemon("")
    clients = {}
    for step in golden.read_golden(2):
        if step.client not in clients:
            clients[step.client] = scene.client(path=mtl.PATH)
        client = clients[step.client]
        client.send(step.request)
        for answer in golden.DIFFERENT.get(step.number, (None, step.answers))[1]:
            if answer == "map":
                assert client.read_descriptor() == (b"\x20", "anon_inode:bpf-map")
            else:
                kind, value = client.reply()
                assert f"{kind} {value}" == answer, f"step {step.number}: {kind} {value}"
    adds = [mtl.udp_filter(mtl.ADD_UDP_FILTER, 2, port) for port in range(10000, 10300)]
    assert [client.response(add) for add in adds] == [0] * 300


def test_xdp_loader_shows_the_chain(scene):
    """With the built-in config, and as the reference's documents show it."""
    eth0 = wire.set_up(scene)
    scene.daemon("")
    first, second = (scene.client(path=mtl.PATH) for _ in range(2))
    assert first.register(ifindexes=[eth0.ifindex]) == 0
    assert eth0.chain() == CHAIN
    assert second.register(ifindexes=[eth0.ifindex]) == 0
    first.close()
    second.get(5)
    assert eth0.chain() == CHAIN
    second.close()
    gone(eth0)
    assert eth0.chain() == []


# --- frames ---

@in_each_form
def frames(scene, form, mode):
    eth0 = wire.set_up(scene)
    eth0.need_queues()
    scene.daemon(conf(form, mode))
    client = wire.client(scene)
    kernel, other = eth0.listen(PORT), eth0.listen(OTHER)
    assert client.attach(eth0, [PORT], queues=3) == [1, 2, 3]
    assert eth0.xdp()[0] == mode
    assert (len(eth0.chain()) == 3) == (form == "dispatcher"), eth0.chain()
    eth0.send(PORT)
    got, rest = everybody_got(PORT, [client], kernel)
    assert set(got) == {0, 1, 2} and rest, "each queue has flows, the system's among them"
    eth0.send(OTHER)
    assert everybody_got(OTHER, [], other) == (set(SOURCES),)
    eth0.send(PORT)
    assert everybody_got(PORT, [client], kernel) == (got, rest), "flows keep their queue"
    client.kill()
    gone(eth0)
    eth0.send(PORT)
    assert everybody_got(PORT, [], kernel) == (set(SOURCES),)


def test_frames_for_a_client_without_privilege(scene):
    """libreeve's example, as somebody who may use the NIC and nothing else."""
    eth0 = wire.set_up(scene)
    eth0.need_queues()
    scene.daemon(tenants(USER))
    kernel = eth0.listen(PORT)
    program = Path("/run/xsk")  # where that somebody can walk to
    program.write_bytes((BUILD / "src/client/xsk").read_bytes())
    program.chmod(0o755)
    libraries = ":".join(map(str, {so.parent for so in STAGE.rglob("libreeve.so*")}))
    example = subprocess.Popen(
        ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "--no-new-privs",
         "env", f"LD_LIBRARY_PATH={libraries}", program, "eth0", str(PORT)],
        stdout=subprocess.PIPE, bufsize=0, cwd="/")
    scene.open.callback(example.wait)
    scene.open.callback(example.kill)
    assert b"queue" in example.stdout.readline()
    eth0.send(PORT)
    got, rest = everybody_got(PORT, [wire.Reader(example.stdout)], kernel)
    assert got[0] and rest
    lease = next(one for one in reeve("lease", "list")["leases"] if one["kind"] == "queue")
    assert lease["tenant"] == f"t{USER}"


def test_two_tenants_on_one_nic(scene):
    """They want the same port; each gets what comes to its own queue."""
    eth0 = wire.set_up(scene)
    eth0.need_queues()
    scene.daemon(tenants(USER, MORE))
    kernel = eth0.listen(PORT)
    one, two = (wire.client(scene, uid=uid) for uid in (USER, MORE))
    assert one.attach(eth0, [PORT]) == 1
    assert two.attach(eth0, [PORT]) == 2
    assert len(eth0.chain()) == 1, "one program alone can tell them apart"
    eth0.send(PORT)
    first, second, rest = everybody_got(PORT, [one, two], kernel)
    assert first[0] and second[0] and rest
    assert two.order("unport", eth0.name, PORT) == 0
    eth0.send(PORT)
    assert everybody_got(PORT, [one, two], kernel) == (first, {}, rest | second[0])
    # Its map is its own: what it does there is nothing to the other one.
    two.order("delete", 0, 1)
    eth0.send(PORT)
    assert everybody_got(PORT, [one, two], kernel) == (first, {}, rest | second[0])
    one.kill()
    mtl.poll_until(lambda: "queue 1" not in queues(), "its queue is back", PROMPT)
    eth0.send(PORT)
    assert everybody_got(PORT, [two], kernel) == ({}, set(SOURCES))


def queues():
    leases = reeve("lease", "list")["leases"]
    return {one["resource"].split(" of ")[0] for one in leases if one["kind"] == "queue"}


# --- others who use XDP ---

def test_installed_filter_is_loaded_by_xdp_loader(scene):
    eth0 = wire.set_up(scene)
    run("xdp-loader", "load", "eth0", next(STAGE.rglob("bpf/mtl.xdp.o")))
    try:
        assert eth0.chain() == CHAIN[:2]
        kernel = eth0.listen(PORT)
        eth0.send(PORT)
        assert everybody_got(PORT, [], kernel) == (set(SOURCES),)
    finally:
        run("xdp-loader", "unload", "eth0", "--all")


def test_foreign_program_is_named_and_left_alone(scene):
    """One that is attached without a dispatcher leaves no room for another one."""
    eth0 = wire.set_up(scene)
    pin = "/sys/fs/bpf/foreign"
    run("bpftool", "prog", "load", FOREIGN / "xsk_def_xdp_prog.o", pin, "type", "xdp")
    try:
        run("bpftool", "net", "attach", "xdp", "pinned", pin, "dev", "eth0")
        before = eth0.xdp()
        scene.daemon("")
        assert wire.client(scene).order("register", "x", "eth0") == -1
        error = scene.client().refused("AcquireQueues", nic="eth0", count=1)
        assert "xsk_def_prog" in error.parameters["why"], error
        nic, = reeve("host")["nics"]
        assert (nic["foreign"], nic["program"], nic["form"]) == (True, before[1], "none")
        assert eth0.xdp() == before
    finally:
        run("bpftool", "net", "detach", "xdp", "dev", "eth0")
        Path(pin).unlink()


def test_foreign_program_in_a_dispatcher_goes_on(scene):
    eth0 = wire.set_up(scene)
    eth0.need_queues()
    run("xdp-loader", "load", "eth0", FILTER)
    try:
        (_, theirs), = foreign = [row[:2] for row in eth0.chain()[1:]]
        scene.daemon("")
        client, kernel = wire.client(scene), eth0.listen(PORT)
        assert client.attach(eth0, [PORT], queues=3) == [1, 2, 3]
        rows = [row[:2] for row in eth0.chain()[1:]]
        assert rows == sorted([*foreign, ("mtl_dp_filter", 19), ("xsk_def_prog", 20)],
                              key=lambda row: row[1]), theirs
        eth0.send(PORT)
        got, rest = everybody_got(PORT, [client], kernel)
        assert set(got) == {0, 1, 2} and rest
        client.kill()
        # As long as libxdp takes for a dispatcher of its own, on an emulated CPU.
        mtl.poll_until(lambda: [row[:2] for row in eth0.chain()[1:]] == foreign,
                       "the foreign program is there alone")
    finally:
        run("xdp-loader", "unload", "eth0", "--all")


# --- what goes wrong ---

@in_each_form
def manager_is_killed(scene, form, mode):
    """After kill -9 with a client attached its frames go on, and the next manager's
    clients get theirs, on a new port and on queues that are nobody's."""
    eth0 = wire.set_up(scene)
    eth0.need_queues()
    daemon = scene.daemon(conf(form, mode))
    orphan = wire.client(scene)
    kernel, other = eth0.listen(PORT), eth0.listen(OTHER)
    assert orphan.attach(eth0, [PORT]) == 1
    eth0.send(PORT)
    before = everybody_got(PORT, [orphan], kernel)
    assert before[0][0] and before[1]
    program, chain = eth0.xdp(), eth0.chain()
    for _ in range(2):
        assert daemon.end(signal.SIGKILL) == -signal.SIGKILL
        eth0.send(PORT)
        assert everybody_got(PORT, [orphan], kernel) == before
        daemon = scene.daemon(conf(form, mode))
        assert (eth0.xdp(), eth0.chain()) == (program, chain)
    client = wire.client(scene)
    assert client.attach(eth0, [OTHER], queues=2) == [2, 3]
    eth0.send(OTHER)
    got, theirs, _ = everybody_got(OTHER, [client, orphan], other)
    assert set(got) == {0, 1} and (not theirs or form == "dispatcher")
    eth0.send(PORT)
    assert everybody_got(PORT, [orphan, client], kernel)[0] == before[0]
    orphan.kill()
    mtl.poll_until(lambda: queues() == {"queue 2", "queue 3"}, "its queue is back", PROMPT)
    client.kill()
    gone(eth0)


def test_channels_of_the_config(scene):
    """Set before the program is attached, for virtio-net allows it only then."""
    eth0 = wire.set_up(scene)
    eth0.need_queues()
    scene.daemon(conf(more="channels = 2"))
    client, kernel = wire.client(scene), eth0.listen(PORT)
    assert client.attach(eth0, [PORT]) == 1
    assert eth0.channels() == 2 and eth0.xdp()[0] == "native"
    assert client.order("queue", "eth0") == -1
    eth0.send(PORT)
    got, rest = everybody_got(PORT, [client], kernel)
    assert got[0] and rest
    client.kill()
    gone(eth0)
    assert eth0.channels() == 4


def test_channels_are_changed_by_somebody(scene):
    eth0 = wire.set_up(scene)
    eth0.need_queues()
    scene.daemon(conf(mode="generic"))
    scene.after.callback(eth0.channels, 4)
    client, kernel = wire.client(scene), eth0.listen(PORT)
    assert client.attach(eth0, [PORT]) == 1
    # Without sockets: the kernel keeps a queue that has one.
    assert [client.order("queue", "eth0") for _ in range(2)] == [2, 3]
    eth0.channels(2)
    mtl.poll_until(lambda: queues() == {"queue 1"}, "queues that are gone are not leased", PROMPT)
    assert client.order("queue", "eth0") == -1
    eth0.send(PORT)
    got, rest = everybody_got(PORT, [client], kernel)
    assert set(got) == {0} and rest
    eth0.channels(4)
    mtl.poll_until(lambda: client.order("queue", "eth0") > 0, "a queue that is back is leased")


def test_interface_is_removed(scene):
    """Its driver lets it go; what comes back has another number."""
    eth0 = wire.set_up(scene)
    device = Path("/sys/class/net/eth0/device").resolve().name
    driver = Path("/sys/bus/virtio/drivers/virtio_net")
    daemon = scene.daemon("")
    client = wire.client(scene)
    client.attach(eth0, [PORT])
    core, before = daemon.core(), eth0.ifindex
    (driver / "unbind").write_text(device)
    try:
        mtl.poll_until(lambda: not reeve("lease", "list")["leases"], "its leases end", PROMPT)
        assert not reeve("host")["nics"]
        assert client.order("queue", before) == -1
        mtl.poll_until(lambda: not wire.pins(), "nothing is pinned", PROMPT)
    finally:
        (driver / "bind").write_text(device)
    eth0.up()
    assert daemon.core() == core
    fresh, kernel = wire.client(scene), eth0.listen(PORT)
    fresh.attach(eth0, [PORT])
    eth0.send(PORT)
    got, rest = everybody_got(PORT, [fresh], kernel)
    assert eth0.channels() == 1 or got[0] and rest


if __name__ == "__main__":
    sys.exit(main(globals()))
