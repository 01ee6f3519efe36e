#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The installed daemons under a kernel of Debian's, which gives a peer no pidfd:
tenants' cgroups under a cpuset, processes that end, identity, the host's shape.
Needs root, cgroup v2, a guest of 2 sockets x 2 cores x 2 threads with a NIC on
the second node, and $STAGE. Runs in an empty directory; prints TAP."""
import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

sys.dont_write_bytecode = True
from scene import (CPUS, PATIENCE, PROMPT, REEVE, STAGE, USER, Cgroup, children,  # noqa: E402
                   main, mtl, parse_list, reeve, stop, varlink)
from machnet import (REGISTER, REQ_CHANNEL, SIZE, Connection, channel_body, message,  # noqa: E402
                     new_id)
from stream import lingering  # noqa: E402


def enforced(leases):
    """{"lcore 5": "cpuset"} of a list of leases."""
    return {lease["resource"]: lease["enforced"] for lease in leases}


def enforce_events(admin):
    """[(tenant, sentence)] of what has happened so far."""
    seq, found = 0, []
    try:
        while True:
            event = admin.call("Events", since=seq)["event"]
            seq = event["seq"]
            if event["type"] == "enforce":
                found.append((event["tenant"], event["why"]))
    except varlink.VarlinkError as error:
        assert error.short == "NoEvent", error
    return found


def held(admin):
    return sorted(admin.lcores(), key=lambda name: int(name.split()[1]))


def wait_held(admin, wanted, limit=PROMPT):
    mtl.poll_until(lambda: held(admin) == wanted, f"{wanted} and nothing else is leased", limit)


def is_silent(client):
    return not select.select([client.sock], [], [], 0)[0]


CHANNELS = "/var/run/machnet/machnet_ctrl.sock"
MEDIA = """
tenant media {
	cgroup = "/media"
	cpus = "2-3"
	enforce = cpuset
}
"""
PLAIN = MEDIA.replace('cpus = "2-3"', "")  # nothing is kept for it
ISOLATED = """
tenant iso {
	cgroup = "/iso"
	enforce = isolated
}
"""


# --- a cpuset ---

def test_cpuset_is_what_is_held_and_kept(scene):
    media = scene.cgroup("media")
    inside, outside = scene.task(media), scene.task(Cgroup(""))
    scene.daemon(MEDIA)
    admin, client = scene.client(), scene.client(scene.peer(media))
    assert media.cpus == "2-3"
    assert enforce_events(admin) == [("media", "leases are cpuset")]
    five, _ = client.acquire(cpus="5")
    assert media.cpus == "2-3,5"
    assert client.acquire(2)[1] == "2-3"
    assert inside.runs_on() == {2, 3, 5}
    assert outside.runs_on() == CPUS
    listed = reeve("lease", "list")["leases"]
    assert enforced(listed) == {"lcore 2": "cpuset", "lcore 3": "cpuset", "lcore 5": "cpuset"}
    client.call("Release", lease=five[0])
    media.wait_cpus("2-3")
    assert inside.runs_on() == {2, 3}
    assert enforce_events(admin) == [("media", "leases are cpuset")]


def test_cpuset_shrinks_by_itself(scene):
    media = scene.cgroup("media")
    scene.daemon(MEDIA)
    peer = scene.peer(media)
    client, task = scene.client(peer), scene.task(media)
    client.acquire(cpus="4-6")
    assert task.runs_on() == {2, 3, 4, 5, 6}
    peer.kill()
    media.wait_cpus("2-3")
    assert task.runs_on() == {2, 3}
    scene.client(scene.peer(media)).acquire(cpus="4", ttl_ms=100)
    media.wait_cpus("2-3")


def test_cpuset_of_an_mtl_client(scene):
    media = scene.cgroup("media")
    scene.daemon(MEDIA)
    client = scene.client(scene.peer(media), mtl.PATH)
    assert client.register() == 0
    assert client.get(6) == 0
    assert media.cpus == "2-3,6"
    assert client.put(6) == 0
    media.wait_cpus("2-3")


def test_grant_waits_for_the_kernel(scene):
    media = scene.cgroup("media")
    daemon = scene.daemon(MEDIA)
    admin = scene.client()
    peers = [scene.peer(media) for _ in range(3)]
    clients = [scene.client(peer) for peer in peers]
    assert all(client.call("Status")["tenant"] == "media" for client in clients)
    stop(daemon.pid)
    for client, cpu in zip(clients, "456"):
        client.send("Acquire", {"kind": "lcore", "cpus": cpu})
        mtl.poll_until(lambda: mtl.unread(client.sock) == 0, "the core has read the call")
    assert held(admin) == []
    assert all(map(is_silent, clients))
    assert media.cpus == "2-3"
    peers[2].kill()
    mtl.poll_until(lambda: len(admin.call("ListInstances")["instances"]) == 2, "one is gone")
    os.kill(daemon.pid, signal.SIGCONT)
    assert clients[0].reply()["cpus"] == "4"
    assert 4 in parse_list(media.cpus)
    assert clients[1].reply()["cpus"] == "5"
    assert media.cpus == "2-5"
    assert held(admin) == ["lcore 4", "lcore 5"]


def test_grant_meets_a_reload(scene):
    media = scene.cgroup("media")
    daemon = scene.daemon(MEDIA)
    client = scene.client(scene.peer(media))
    client.call("Status")
    stop(daemon.pid)
    daemon.conf(MEDIA + "log { level = debug }\n")
    os.kill(daemon.pid, signal.SIGHUP)  # seen before what the core asks for now
    client.send("Acquire", {"kind": "lcore", "cpus": "4"})
    mtl.poll_until(lambda: mtl.unread(client.sock) == 0, "the core has read the call")
    os.kill(daemon.pid, signal.SIGCONT)
    assert client.reply()["cpus"] == "4"
    assert media.cpus == "2-4"


# --- where there is none ---

def test_cgroup_that_is_not_there(scene):
    scene.daemon(MEDIA + f'tenant more {{ uids = "{USER}"  cgroup = "/none"  enforce = cpuset }}\n')
    admin, client = scene.client(), scene.client(scene.peer())
    assert client.call("Status")["tenant"] == "more"
    client.acquire(cpus="5")
    assert enforced(client.leases()) == {"lcore 5": "advisory"}
    told = dict(enforce_events(admin))
    assert "/none" in told["more"] and "advisory" in told["more"], told
    none = scene.cgroup("none")
    client.acquire(cpus="6")
    assert none.cpus == "5-6"
    assert enforced(client.leases()) == {"lcore 5": "cpuset", "lcore 6": "cpuset"}


def test_cgroup_that_is_removed(scene):
    media = scene.cgroup("media")
    scene.daemon(MEDIA.replace("cgroup", f'uids = "{USER}"\n\tcgroup'))
    client = scene.client(scene.peer())
    five, _ = client.acquire(cpus="5")
    media.path.rmdir()
    client.acquire(cpus="6")
    assert set(enforced(client.leases()).values()) == {"advisory"}
    media.path.mkdir()
    client.call("Release", lease=five[0])
    media.wait_cpus("2-3,6")
    assert enforced(client.leases()) == {"lcore 6": "cpuset"}


def test_cpuset_that_is_not_delegated(scene):
    scene.cgroup("media")
    below = scene.cgroup("media/below")
    scene.daemon(MEDIA.replace('"/media"', '"/media/below"'))
    admin, client = scene.client(), scene.client(scene.peer(below))
    client.acquire(cpus="5")
    assert enforced(client.leases()) == {"lcore 5": "advisory"}
    assert enforce_events(admin) == [
        ("media", "leases are advisory: the cpuset controller is not given to /media/below")]


def test_parent_without_these_cpus(scene):
    tenants = scene.cgroup("tenants")
    tenants.put("cgroup.subtree_control", "+cpuset")
    tenants.put("cpuset.cpus", "0-3")
    media = scene.cgroup("tenants/media")
    scene.daemon(PLAIN.replace('"/media"', '"/tenants/media"'))
    client = scene.client(scene.peer(media))
    error = client.refused("Acquire", kind="lcore", cpus="5")
    assert "its parent has none of these CPUs" in error.parameters["why"], error
    assert media.cpus == "0-3"  # nearest to none while the client is in it
    client.acquire(cpus="3")
    assert media.cpus == "3"


# --- isolated ---

def test_isolated(scene):
    iso = scene.cgroup("iso")
    outside, inside = scene.task(Cgroup("")), scene.task(iso)
    scene.daemon(ISOLATED)
    assert iso.partition == "member"
    admin, client = scene.client(), scene.client(scene.peer(iso))
    client.acquire(cpus="5-6")
    assert (iso.cpus, iso.partition) == ("5-6", "isolated")
    assert inside.runs_on() == {5, 6}
    assert outside.runs_on() == CPUS - {5, 6}
    assert set(enforced(client.leases()).values()) == {"isolated"}
    seven, _ = client.acquire(cpus="7")
    assert outside.runs_on() == CPUS - {5, 6, 7}
    client.call("Release", lease=seven[0])
    iso.wait_cpus("5-6")
    assert iso.partition == "isolated"
    client.close()
    mtl.poll_until(lambda: iso.partition == "member", "it is no partition any more", PROMPT)
    mtl.poll_until(lambda: outside.runs_on() == CPUS, "others run everywhere again", PROMPT)
    assert inside.runs_on() == CPUS
    assert ("iso", "leases are isolated") in enforce_events(admin)


def test_isolation_that_the_kernel_refuses(scene):
    tenants = scene.cgroup("tenants")
    tenants.put("cgroup.subtree_control", "+cpuset")
    iso = scene.cgroup("tenants/iso")
    scene.daemon(ISOLATED.replace('"/iso"', '"/tenants/iso"'))
    admin, client = scene.client(), scene.client(scene.peer(iso))
    client.acquire(cpus="5")
    assert (iso.cpus, iso.partition) == ("5", "member")
    assert enforced(client.leases()) == {"lcore 5": "cpuset"}
    assert enforce_events(admin)[-1][1].startswith("leases are cpuset: /tenants/iso: ")


def test_isolated_beside_a_cpuset(scene):
    """A partition is void for the kernel as soon as a list beside it overlaps. With a
    task in it the other cgroup, which had no list, must go on with one."""
    iso, media = scene.cgroup("iso"), scene.cgroup("media")
    scene.task(iso), scene.task(media)
    scene.daemon(PLAIN + ISOLATED)
    client, other = scene.client(scene.peer(iso)), scene.client(scene.peer(media))
    four, _ = other.acquire(cpus="4")
    client.acquire(cpus="5")
    assert iso.partition == "isolated"
    other.call("Release", lease=four[0])
    media.wait_cpus("0-4,6-7")
    assert iso.partition == "isolated"
    client.acquire(cpus="6")
    assert (media.cpus, iso.cpus, iso.partition) == ("0-4,7", "5-6", "isolated")
    other.acquire(cpus="7")
    assert (media.cpus, iso.partition) == ("7", "isolated")
    other.close()
    media.wait_cpus("0-4,7")
    client.close()
    media.wait_cpus("0-7")
    assert iso.partition == "member"


# --- putting back ---

def test_stop_puts_back(scene):
    iso, media = scene.cgroup("iso"), scene.cgroup("media")
    media.put("cpuset.cpus", "1-5")
    task = scene.task(media)
    daemon = scene.daemon(MEDIA + ISOLATED)
    scene.client(scene.peer(media)).acquire(cpus="6")
    scene.client(scene.peer(iso)).acquire(cpus="7")
    assert (media.cpus, iso.cpus, iso.partition) == ("2-3,6", "7", "isolated")
    assert daemon.end() == 0
    assert (media.cpus, iso.partition) == ("1-5", "member")
    assert task.runs_on() == {1, 2, 3, 4, 5}


def test_dead_core_changes_no_cpuset(scene):
    iso, media = scene.cgroup("iso"), scene.cgroup("media")
    iso.put("cpuset.cpus", "6-7")
    daemon = scene.daemon(MEDIA + ISOLATED)
    first, alone = scene.client(scene.peer(media)), scene.client(scene.peer(iso))
    first.acquire(cpus="5")
    alone.acquire(cpus="7")
    for _ in range(3):
        assert (media.cpus, iso.cpus, iso.partition) == ("2-3,5", "7", "isolated")
        os.kill(daemon.core(), signal.SIGKILL)
        daemon.wait("READY=1")
    assert (media.cpus, iso.cpus, iso.partition) == ("2-3,5", "7", "isolated")
    assert scene.client(scene.peer(media)).acquire(cpus="4")[1] == "4"
    assert media.cpus == "2-5"
    first.close()
    alone.close()
    media.wait_cpus("2-4")
    mtl.poll_until(lambda: (iso.cpus, iso.partition) == ("6-7", "member"), "iso is as it was",
                   PROMPT)


def test_reload_puts_back(scene):
    media = scene.cgroup("media")
    media.put("cpuset.cpus", "1-5")
    daemon = scene.daemon(MEDIA)
    client = scene.client(scene.peer(media))
    client.acquire(cpus="6")
    daemon.reload(MEDIA.replace("enforce = cpuset", ""))
    assert media.cpus == "1-5"
    assert enforced(client.leases()) == {"lcore 6": "advisory"}
    client.acquire(cpus="7")
    assert media.cpus == "1-5"
    daemon.reload(MEDIA)
    media.wait_cpus("2-3,6-7")
    mtl.poll_until(lambda: set(enforced(client.leases()).values()) == {"cpuset"},
                   "the leases are enforced again", PROMPT)


def test_what_a_killed_reeved_enforced_goes_on(scene):
    """As far as the next one's config names it, and processes live that hold it."""
    iso, media = scene.cgroup("iso"), scene.cgroup("media")
    media.put("cpuset.cpus", "1-5")
    daemon = scene.daemon(MEDIA + ISOLATED)
    core = os.pidfd_open(daemon.core())
    holder = scene.peer(media)
    scene.client(holder).acquire(cpus="6")
    scene.client(scene.peer(iso)).acquire(cpus="7")
    assert daemon.end(signal.SIGKILL) == -signal.SIGKILL
    assert select.select([core], [], [], PROMPT)[0], "the core outlived reeved"
    os.close(core)
    assert (media.cpus, iso.cpus, iso.partition) == ("2-3,6", "7", "isolated")
    daemon = scene.daemon(MEDIA)
    assert (media.cpus, iso.partition) == ("2-3,6", "member")
    assert scene.client().refused("Acquire", kind="lcore", cpus="7").name == "io.reeve.Taken"
    scene.client(scene.peer(media)).acquire(cpus="5")
    assert media.cpus == "2-3,5-6"
    holder.kill()
    media.wait_cpus("2-3,5")
    assert daemon.end() == 0
    assert media.cpus == "1-5"


# --- who is who ---

def test_tenant_by_cgroup(scene):
    names = ["media", "media/deep", "media/deep/er", "mediate", "iso"]
    cgroups = {name: scene.cgroup(name) for name in names}
    scene.daemon(MEDIA + 'tenant deep { cgroup = "/media/deep" }\n')
    admin, tenants = scene.client(), {}
    for name, cgroup in cgroups.items():
        client = scene.client(scene.peer(cgroup))
        tenants[name] = client.call("Status")["tenant"]
        client.acquire(name=name)
    assert tenants == {"media": "media", "media/deep": "deep", "media/deep/er": "deep",
                       "mediate": "default", "iso": "default"}
    ids = {row["name"]: row["cgroup_id"] for row in reeve("instance", "list")["instances"]}
    assert ids == {name: cgroup.path.stat().st_ino for name, cgroup in cgroups.items()}
    assert admin.call("Status")["tenant"] == "system"


def test_tenant_after_a_move(scene):
    media, other = scene.cgroup("media"), scene.cgroup("other")
    scene.daemon(MEDIA)
    peer = scene.peer(media)
    client = scene.client(peer)
    client.acquire(cpus="5")
    other.put("cgroup.procs", str(peer.pid))
    assert client.call("Status")["tenant"] == "media"
    client.acquire(cpus="6")
    assert media.cpus == "2-3,5-6"
    assert scene.client(peer).call("Status")["tenant"] == "default"


def gets_channel(scene, peer):
    """Whether an application of that process does; it lasts as long as the scene."""
    app = new_id()

    def ask(kind, body=b""):
        sock = scene.open.enter_context(peer.connect(CHANNELS))
        return Connection(sock).ask(message(kind, app, body=body))

    assert ask(REGISTER) == (0, [])
    status, fds = ask(REQ_CHANNEL, channel_body(new_id()))
    for fd in fds:
        os.close(fd)
    assert bool(fds) == (status == 0)
    return status == 0


def test_channels_of_a_tenant_by_cgroup(scene):
    conf = wire_to_nowhere(scene)
    media, other = scene.peer(scene.cgroup("media")), scene.peer(scene.cgroup("other"))
    scene.daemon(f"""
        planes = {{"stack"}}
        nic "*" {{ channels = 1 system-queues = 0 }}
        stack {{ config = "{conf}" }}
        tenant media {{ cgroup = "/media" quota {{ channel = 1 }} }}
    """)
    mtl.poll_until(Path(CHANNELS).exists, "there is a stack", PATIENCE)
    assert gets_channel(scene, media)
    assert not gets_channel(scene, media), "it has as many as it may"
    assert gets_channel(scene, other)
    leases = reeve("lease", "list")["leases"]
    assert sorted(lease["tenant"] for lease in leases if lease["kind"] == "channel") == \
        ["default", "media"]


# --- processes ---

def test_child_that_keeps_the_socket(scene):
    """This process has a copy of every socket, as a child would have."""
    scene.daemon("")
    admin, peer, other = scene.client(), scene.peer(), scene.peer()
    clients = [scene.client(peer) for _ in range(3)]
    for client in clients[:2]:
        client.acquire()
    _, stays = scene.client(other).acquire()
    rows = admin.call("ListInstances")["instances"]
    assert [row["pid"] for row in rows] == [peer.pid, peer.pid, other.pid]
    peer.kill()
    wait_held(admin, [f"lcore {stays}"])
    for client in clients:
        with contextlib.suppress(varlink.Closed):
            raise AssertionError(f"not closed: {client.read()}")


def test_lingering_socket_makes_nobody_wait(scene):
    """This kernel can't forbid clients to pass descriptors. One is sent to the
    core while it reads, one is left unread, so that reeved throws it away."""
    daemon = scene.daemon("")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for unread in (False, True):
        sender, receiver = lingering()
        client = scene.client(scene.peer(), mtl.PATH)
        if unread:
            stop(daemon.core())
        socket.send_fds(client.sock, [mtl.heartbeat()], [sender.fileno()])
        os.close(sender.detach())
        if unread:
            client.close()
            os.kill(daemon.core(), signal.SIGCONT)
        else:
            assert client.sock.recv(1) == b"", "who passes a descriptor is shown the door"
            client.close()
        begun = time.monotonic()
        for _ in range(2):
            assert scene.client(scene.peer(), mtl.PATH).register() == 0
        assert time.monotonic() - begun < PATIENCE / 2
        receiver.close()


def wire_to_nowhere(scene):
    """A config of the message stack for its near end."""
    mac, conf = "02:00:00:00:07:01", Path("netd.json").resolve()
    for words in (f"add n0 address {mac} type veth peer name n1", "set n0 up", "set n1 up"):
        subprocess.run(["ip", "link", *words.split()], check=True)
    scene.after.callback(subprocess.run, ["ip", "link", "delete", "n0"], check=True)
    conf.write_text(json.dumps({"machnet_config": {mac: {"ifname": "n0", "ip": ["10.7.0.2/24"]}}}))
    return conf


def run_netd(scene):
    """The message stack, by itself; the path of its control socket."""
    path, conf = "ctrl.sock", wire_to_nowhere(scene)
    netd = subprocess.Popen([STAGE / "usr/sbin/reeve-netd", "--config_json", conf, "--logtostderr",
                             "--runtime_dir", ".", "--ctrl_socket", path], stderr=subprocess.PIPE)
    scene.open.callback(netd.wait, PATIENCE)
    scene.open.callback(netd.terminate)
    for line in netd.stderr:
        if b"ready" in line:
            return netd.pid, path
    raise AssertionError("netd ended")


def sockets(pid):
    return len([fd for fd in mtl.links(f"/proc/{pid}/fd") if "socket:" in fd])


def test_lingering_socket_makes_netd_wait_for_nobody(scene):
    """Another process closes it, which netd has before it gives up the right to make any."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    pid, path = run_netd(scene)
    closer, = children(pid)
    assert Path(f"/proc/{closer}/comm").read_text() == "reeve-closer\n"
    before = sockets(pid)
    for _ in range(3):
        sender, receiver = lingering()
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(path)
            socket.send_fds(client, [b"x"], [sender.fileno()])
            os.close(sender.detach())
            client.settimeout(PATIENCE)
            with contextlib.suppress(ConnectionResetError):  # once another has closed it
                assert client.recv(1) == b"", "who passes a descriptor is shown the door"
        receiver.close()
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(PATIENCE)
        client.connect(path)
        client.sendall(message(REGISTER, new_id()))
        assert len(client.recv(SIZE)) == SIZE
    mtl.poll_until(lambda: sockets(pid) == before, "nothing is left", PATIENCE)
    assert children(pid) == [closer]


def test_connections_of_one_process(scene):
    scene.daemon("")
    admin, peer = scene.client(), scene.peer()
    first, second = scene.client(peer), scene.client(peer, mtl.PATH)
    first.acquire(cpus="4")
    assert second.register() == 0 and second.get(5) == 0
    first.close()
    wait_held(admin, ["lcore 5"])
    assert second.get(6) == 0
    peer.kill()
    wait_held(admin, [])


def reuse_pid(scene, pid):
    """A peer with the pid of one that has ended."""
    for _ in range(20):
        Path("/proc/sys/kernel/ns_last_pid").write_text(str(pid - 1))
        peer = scene.peer()
        if peer.pid == pid:
            return peer
    raise AssertionError(f"nobody gets pid {pid}")


def test_pid_that_is_used_again(scene):
    """The core sees the end of the one after the coming of the other."""
    daemon = scene.daemon("")
    admin, peer = scene.client(), scene.peer()
    gone = scene.client(peer)
    gone.acquire(cpus="4")
    pid, core = peer.pid, daemon.core()
    stop(core)
    scene.client()  # now reeved's messages are what the core looks at first
    peer.kill()
    client = scene.client(reuse_pid(scene, pid))
    client.send("Acquire", {"kind": "lcore", "cpus": "5"})
    os.kill(core, signal.SIGCONT)
    assert client.reply()["cpus"] == "5"
    wait_held(admin, ["lcore 5"])
    row, = admin.call("ListInstances")["instances"]
    assert row["pid"] == pid
    assert client.acquire(cpus="4")[1] == "4"


# --- the host ---

def test_host(scene):
    scene.daemon("")
    host = reeve("host")
    isolated = parse_list(Path("/sys/devices/system/cpu/isolated").read_text().strip())
    assert host["leasable"] == "0-7"
    assert [{**cpu, "state": ""} for cpu in host["cpus"]] == [
        {"cpu": cpu, "node": cpu // 4, "package": cpu // 4, "core": cpu & ~1,
         "isolated": cpu in isolated, "state": ""} for cpu in range(8)]
    nic, = host["nics"]
    assert (nic["name"], nic["node"], nic["ifindex"]) == ("eth0", 1, socket.if_nametoindex("eth0"))
    if isolated:
        assert parse_list(scene.client().acquire(len(isolated))[1]) == isolated


def test_acquire_by_place(scene):
    scene.daemon("")
    nic = reeve("host")["nics"][0]["name"]
    client = scene.client(scene.peer())
    assert parse_list(client.acquire(node=1)[1]) <= {4, 5, 6, 7}
    near = parse_list(client.acquire(2, near=nic)[1])
    assert len(near) == 2 and near <= {4, 5, 6, 7}
    assert client.refused("Acquire", kind="lcore", count=2, node=1).short == "NotEnough"
    assert parse_list(client.acquire(4, node=0)[1]) == {0, 1, 2, 3}


def test_whole_core(scene):
    scene.daemon('never = "7"\n')
    client, other = scene.client(scene.peer()), scene.client(scene.peer())
    other.acquire(cpus="1")
    cpus = parse_list(client.acquire(2, whole_core=True)[1])
    assert cpus < {2, 3, 4, 5, 6}, cpus
    cores = {cpu // 2 for cpu in cpus}
    assert 0 not in cores
    taken = {cpu for core in cores for cpu in (2 * core, 2 * core + 1)} - cpus
    for cpu in taken:
        assert other.refused("Acquire", kind="lcore", cpus=str(cpu)).short == "Taken", cpu
    states = {cpu["cpu"]: cpu["state"] for cpu in other.call("DescribeHost")["cpus"]}
    assert {cpu for cpu, state in states.items() if state == "sibling"} == taken


# --- pid namespaces ---

def test_client_in_a_namespace_below(scene):
    scene.daemon("")
    admin = scene.client()
    unshare = subprocess.Popen(["unshare", "--pid", "--fork", "--kill-child", "--mount-proc",
                                REEVE, "lease", "acquire", "--cpus", "5"],
                               stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
    try:
        assert unshare.stdout.readline().startswith(b"lease ")
        row, = admin.call("ListInstances")["instances"]
        assert [row["pid"]] == children(unshare.pid)
        os.kill(row["pid"], signal.SIGKILL)
        wait_held(admin, [])
    finally:
        unshare.kill()
        unshare.communicate()


def test_client_outside_of_the_namespace(scene):
    """Its pid is 0 and there is no pidfd: only the hang-up tells of its end."""
    media = scene.cgroup("media")
    scene.daemon(f'tenant more {{ uids = "{USER}" }}\n' + MEDIA,
                 "unshare", "--pid", "--fork", "--kill-child", "--mount-proc")
    admin, peer = scene.client(), scene.peer(media)
    native, classic = scene.client(peer), scene.client(peer, mtl.PATH)
    assert native.call("Status")["tenant"] == "more"  # there is no pid to find its cgroup by
    native.acquire(cpus="4")
    assert classic.register(pid=peer.pid) == 0 and classic.get(5) == 0
    rows = admin.call("ListInstances")["instances"]
    assert [(row["pid"], row["uid"], row["cgroup_id"]) for row in rows] == [(0, USER, 0)] * 2
    native.close()
    wait_held(admin, ["lcore 5"])
    quick = subprocess.run([REEVE, "lease", "acquire", "--cpus", "4", "--", "true"])
    assert quick.returncode == 0
    classic.close()
    wait_held(admin, [])


if __name__ == "__main__":
    sys.exit(main(globals()))
