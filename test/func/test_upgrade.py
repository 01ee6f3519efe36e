# SPDX-License-Identifier: BSD-3-Clause
"""reeved is replaced, ended with all left as it is, or killed; and the next one."""
import os
import signal
import threading

import mtl
import pytest
from test_crash import Load, overlaps

CONF = 'tenant "default" { quota { lcore = 1000 } }'


def upgrade(native):
    return native.call("Upgrade")["version"]


def test_nobody_notices_an_upgrade(house):
    reeved = house.start(conf=CONF)
    client, other, admin = reeved.connect_mtl(), reeved.connect_mtl(), reeved.connect_native()
    stream = reeved.connect_native()
    stream.stream()
    for each in (client, other):
        each.register()
    assert client.get(50) == 0
    core, since = reeved.core_pid(), reeved.mark()
    assert upgrade(admin) == varlink_version(admin)
    reeved.wait_log("being replaced", since)
    assert reeved.core_pid() != core
    assert client.get(50) == -1 and other.get(50) == -1
    assert other.get(51) == 0 and client.put(50) == 0
    event = stream.wait_event(lambda e: e["type"] == "release" and e["resource"] == "lcore 50")
    assert event["pid"] == os.getpid()
    with reeved.connect_mtl() as late:
        late.register()
        assert late.get(51) == -1 and late.get(50) == 0
    assert reeved.process.poll() is None


def varlink_version(native):
    return native.call("Status")["version"]


def test_upgrades_under_load(house):
    reeved = house.start(conf=CONF)
    stop = threading.Event()
    load = [Load(reeved, number, stop) for number in range(20)]
    for client in load:
        client.start()
    with reeved.connect_native() as admin:
        for _ in range(10):
            upgrade(admin)
    stop.set()
    for client in load:
        client.join(20)
    assert not [client.fault for client in load if client.fault]
    assert not list(overlaps([span for client in load for span in client.spans]))


def test_an_upgrade_that_would_fail_is_refused_before_anything_ends(house):
    reeved = house.start(conf=CONF)
    client, admin = reeved.connect_mtl(), reeved.connect_native()
    client.register()
    core = reeved.core_pid()
    reeved.conf("nonsense {")
    refusal = admin.refused("Upgrade")
    assert refusal.name == "io.reeve.Busy"
    assert "can't take over" in refusal.parameters["why"]
    assert "line 1" in refusal.parameters["why"] or ":1:" in refusal.parameters["why"]
    reeved.conf(CONF)
    program = house.dir / "other"
    program.write_text("#!/bin/sh\necho 'it is of another make' >&2\nexit 1\n")
    program.chmod(0o755)
    house.run("mount", "--bind", program, reeved.PROGRAM, check=True)
    assert "it is of another make" in admin.refused("Upgrade").parameters["why"]
    house.run("umount", reeved.PROGRAM, check=True)
    assert client.get(50) == 0
    assert reeved.core_pid() == core
    upgrade(admin)
    assert client.get(50) == -1


def test_only_administrators_may(house):
    reeved = house.start(conf=CONF)
    stranger = reeved.connect_native(of=house.peer(uid=1001))
    for method, parameters in (("Upgrade", {}), ("Stop", {}), ("Stop", {"keep": True})):
        assert stranger.refused(method, **parameters).name == "io.reeve.Denied"


def test_the_lock_is_never_free(house):
    reeved = house.start(conf=CONF)
    with reeved.connect_native() as admin:
        upgrade(admin)
    second = house.start(ready=False)
    assert second.wait() == 1
    assert "another reeved" in second.stderr()


def test_stop(house):
    reeved = house.start(conf=CONF)
    client, admin = reeved.connect_mtl(), reeved.connect_native()
    client.register()
    assert client.get(50) == 0
    assert admin.call("Stop") == {}
    assert reeved.wait() == 0
    again = house.start(conf=CONF)
    with again.connect_native() as native:
        assert native.lcores() == {}


def test_stop_and_keep(house):
    reeved = house.start(conf=CONF)
    client, admin = reeved.connect_mtl(), reeved.connect_native()
    client.register()
    assert client.get(50) == 0
    assert admin.call("Stop", keep=True) == {}
    assert reeved.wait() == 0
    assert client.read() == b""
    again = house.start(conf=CONF)
    again.wait_log("orphan")
    with again.connect_native() as native, again.connect_mtl() as other:
        assert list(native.lcores()) == ["lcore 50"]
        other.register()
        assert other.get(50) == -1


# --- reeved is killed ---


def orphans(reeved):
    with reeved.connect_native() as native:
        return {i["pid"]: i["leases"] for i in native.all("ListInstances") if i["orphan"]}


def killed_while_held(house):
    """A reeved is killed; returned is who held lcore 50, and lives."""
    reeved, peer = house.start(conf=CONF), house.peer(uid=1001)
    client = reeved.connect_mtl(of=peer)
    client.register()
    assert client.get(50) == 0
    reeved.kill()
    return peer


def test_leases_are_held_until_their_processes_end(house):
    first = house.start(conf=CONF)
    peer = house.peer(uid=1001)
    client = first.connect_mtl(of=peer)
    client.register()
    assert client.get(50) == 0 and client.get(51) == 0
    first.kill()
    assert client.read() == b""
    second = house.start(conf=CONF)
    since = second.mark()
    second.wait_log('2 leases of 1 clients are held until their processes end')
    assert orphans(second) == {peer.pid: 2}
    with second.connect_mtl() as other:
        other.register()
        assert other.get(50) == -1
        peer.kill()
        second.wait_log("instance-end", since)
        assert other.get(50) == 0
    assert orphans(second) == {}


def test_an_administrator_may_end_what_an_orphan_holds(house):
    first = house.start(conf=CONF)
    client = first.connect_mtl()
    client.register()
    assert client.get(50) == 0
    first.kill()
    second = house.start(conf=CONF)
    with second.connect_native() as admin:
        lease = admin.lcores()["lcore 50"]["lease"]
        admin.call("Release", lease=lease)
        assert admin.lcores() == {}


def test_orphans_outlive_further_cores_and_reeveds(house):
    peer = killed_while_held(house)
    second = house.start(conf=CONF)
    second.core_may_die = True
    os.kill(second.core_pid(), signal.SIGKILL)
    second.wait_log("ready again")
    assert orphans(second) == {peer.pid: 1}
    second.kill()
    third = house.start(conf=CONF)
    assert orphans(third) == {peer.pid: 1}
    since = third.mark()
    peer.kill()
    third.wait_log("instance-end", since)
    assert orphans(third) == {}


def test_a_core_that_can_not_be_started_loses_nothing(house):
    """A reeved with nobody's leases would end; this one tries again, and asks for the time."""
    peer = killed_while_held(house)
    core = "/run/stage/usr/libexec/reeve/reeve-core"
    house.run("mount", "--bind", "/bin/false", core, check=True)
    second = house.start(conf=CONF, ready=False)
    second.core_may_die = True
    for _ in range(2):
        second.wait_notify("EXTEND_TIMEOUT_USEC=30000000")
    house.run("umount", core, check=True)
    second.wait_notify("READY=1")
    assert orphans(second) == {peer.pid: 1}


def test_many_kills_of_the_first_core(house):
    peer = killed_while_held(house)
    for _ in range(int(os.environ.get("KILLS", 5))):
        reeved = house.start(conf=CONF, ready=False)
        reeved.core_may_die = True
        os.kill(reeved.core_pid(), signal.SIGKILL)
        reeved.wait_notify("READY=1")
        assert orphans(reeved) == {peer.pid: 1}
        reeved.kill()


def test_who_ended_meanwhile_holds_nothing(house):
    peer = killed_while_held(house)
    peer.kill()
    second = house.start(conf=CONF)
    assert orphans(second) == {}
    with second.connect_mtl() as other:
        other.register()
        assert other.get(50) == 0


def test_many_kills_of_reeved(house):
    """Clients come back after each; nobody's lcore is somebody else's."""
    held, clients = {}, []
    for turn in range(int(os.environ.get("KILLS", 10))):
        reeved = house.start(conf=CONF)
        assert orphans(reeved) == {peer.pid: 1 for peer in held.values()}
        for number in range(5):
            lcore = 16 + (turn * 5 + number) % 100
            peer = house.peer(uid=1000 + number)
            client = reeved.connect_mtl(of=peer)
            clients.append(client)
            client.register()
            assert (client.get(lcore) == 0) == (lcore not in held)
            held.setdefault(lcore, peer)
        reeved.kill()
    last = house.start(conf=CONF)
    with last.connect_native() as native:
        assert {int(name.split()[1]) for name in native.lcores()} == set(held)


# --- interfaces ---

PORT, OTHER = 5000, 5001


def frames(nic, client, queue, port, count=3):
    nic.send(queue, nic.udp(port), count)
    return client.ports(count) == {port: count}


def replace_by_kill(lab, reeved):
    reeved.kill()
    return lab.start()


def replace_by_upgrade(_lab, reeved):
    with reeved.connect_native() as admin:
        upgrade(admin)
    return reeved


def replace_by_stop(lab, reeved):
    with reeved.connect_native() as admin:
        admin.call("Stop", keep=True)
    assert reeved.wait() == 0
    return lab.start()


REPLACED = pytest.mark.parametrize(
    "replaced", [replace_by_kill, replace_by_upgrade, replace_by_stop])


@REPLACED
def test_frames_go_on(lab, replaced):
    reeved, nic, client = lab.start(), lab.nic(), lab.client()
    queue = client.attach(nic, [PORT])
    program = nic.xdp()
    assert frames(nic, client, queue, PORT)
    reeved = replaced(lab, reeved)
    assert nic.xdp() == program, "it was never taken off"
    assert frames(nic, client, queue, PORT)
    fresh = lab.client()
    other = fresh.attach(nic, [OTHER])
    assert other != queue
    assert frames(nic, fresh, other, OTHER)
    assert frames(nic, client, queue, PORT)
    since = reeved.mark()
    client.kill()
    reeved.wait_log("instance-end", since)
    third = lab.client()
    assert third.attach(nic, [PORT]) == queue, "it was given back when its process ended"
    assert frames(nic, third, queue, PORT)
    third.kill()
    fresh.kill()
    mtl.poll_until(lambda: lab.bare(nic), "the program is detached")


def test_a_client_adds_a_port_after_an_upgrade(lab):
    reeved, nic, client = lab.start(), lab.nic(), lab.client()
    queue = client.attach(nic, [PORT])
    replace_by_upgrade(lab, reeved)
    assert client.order("port", nic.name, OTHER) == 0
    assert frames(nic, client, queue, OTHER)
    assert client.order("unport", nic.name, PORT) == 0
    kernel = nic.listen(PORT)
    nic.send(queue, nic.udp(PORT), 2)
    for _ in range(2):
        kernel.recv(100)


@REPLACED
def test_flows_and_counters_go_on(lab, replaced):
    soft = 'nic "eth1" {\n\tsoft-flows = true\n}\n'
    reeved, nic, client = lab.start(soft), lab.nic(), lab.client()
    queue = client.attach(nic)
    assert client.order("flow", nic.name, queue, "-", nic.ours, PORT) > 0
    assert client.order("port", nic.name, PORT) == 0
    assert frames(nic, client, queue, PORT)

    def counted(daemon):
        with daemon.connect_native() as native:
            return [(p["port"], p["packets"]) for p in native.all("ListPorts")], \
                len(native.all("ListFlows"))

    before = counted(reeved)
    assert before == ([(PORT, 3)], 1)
    if replaced is not replace_by_upgrade:
        lab.house.daemons[-1].kill() if replaced is replace_by_kill else \
            reeved.connect_native().call("Stop", keep=True)
        reeved.process.wait(10)
        reeved = lab.start(soft)
    else:
        replaced(lab, reeved)
    assert counted(reeved) == before
    assert frames(nic, client, queue, PORT)
    assert counted(reeved) == ([(PORT, 6)], 1)


def test_what_nobody_claims_is_taken_off(lab):
    """The journal is gone, the pins are not."""
    reeved, nic, client = lab.start(), lab.nic(), lab.client()
    client.attach(nic, [PORT])
    reeved.kill()
    os.truncate(lab.house.path("/run/reeve/state/lease.journal"), 0)
    lab.start()
    mtl.poll_until(lambda: lab.bare(nic), "the program is detached")


def test_an_interface_that_can_not_be_gone_on_with(lab):
    """Somebody removed a pin: what is left is undone, and its leases end."""
    reeved, nic, client = lab.start(), lab.nic(), lab.client()
    client.attach(nic, [PORT])
    reeved.kill()
    lab.house.run("sh", "-c", "rm /sys/fs/bpf/reeve/*/*/map_owners", check=True)
    reeved = lab.start()
    reeved.wait_log("an interface can't be gone on with.*map_owners")
    client.kill()
    mtl.poll_until(lambda: lab.bare(nic), "the program is detached")
    fresh = lab.client()
    queue = fresh.attach(nic, [OTHER])
    assert frames(nic, fresh, queue, OTHER)


def test_many_kills_of_reeved_under_frames(lab):
    reeved, nic, client = lab.start(), lab.nic(), lab.client()
    queue = client.attach(nic, [PORT])
    program = nic.xdp()
    for _ in range(int(os.environ.get("KILLS", 5))):
        reeved.kill()
        assert frames(nic, client, queue, PORT)
        reeved = lab.start()
        assert frames(nic, client, queue, PORT)
    assert nic.xdp() == program
