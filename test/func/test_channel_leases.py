# SPDX-License-Identifier: BSD-3-Clause
"""Channels of the message stack as leases of the tenants whose applications they are."""
import os
import re
import signal
import time

import pytest

import channel
import varlink
from netd import MAC, OURS
from test_netd_leased import FAR, NEAR, Tenant, wait_until
from test_netd_leased import hosts, net  # noqa: F401

PATH = channel.DEFAULT_PATH
MEDIA, MEDIA_TOO, OTHER, GROUP = 1000, 1001, 2000, 3000
MEDIA_GID = 50
SMALL = 256  # buffers, the fewest there are
PORT = 888
TENANTS = """
tenant media { uids = {"1000", "1001"} gids = "50" quota { channel = 3 } %s }
"""


class Applications:
    """Of several users, at reeved's netd."""

    def __init__(self, lab, more=""):
        self.lab, self.house, self.open = lab, lab.house, []
        self.tenants = TENANTS % more
        self.peers = {}

    def conf(self, quota=3):
        return self.lab.conf() + self.tenants.replace("channel = 3", f"channel = {quota}")

    def start(self, quota=3):
        reeved = self.house.start(conf=self.conf(quota))
        self.lab.reeved = reeved
        return reeved

    def connect(self, uid, groups=()):
        if uid not in self.peers:
            self.peers[uid] = self.house.peer(uid=uid, gid=uid, groups=groups)
        return lambda: self.peers[uid].connect(PATH)

    def app(self, uid, name=b"test", groups=()):
        app = channel.App(self.connect(uid, groups), name)
        self.open.append(app)
        return app

    def channels(self):
        with varlink.Client(self.house.connect("/run/reeve/netd.sock")) as client:
            rows, after = [], {}
            while True:
                page = client.call("io.reeve.net.ListChannels", **after)
                rows += page["channels"]
                if "next" not in page:
                    return rows
                after = {"after": page["next"]}

    def leases(self):
        with self.lab.reeved.connect_native() as native:
            return [lease for lease in native.all("ListLeases") if lease["kind"] == "channel"]

    def used(self, tenant):
        with self.lab.reeved.connect_native() as native:
            row, = (t for t in native.call("ListTenants")["tenants"] if t["name"] == tenant)
        return row["used"]["channel"]

    def agree(self):
        """Each channel is one lease, and there is no other."""
        leases = {lease["lease"]: lease for lease in self.leases()}
        rows = {row.get("lease"): row for row in self.channels() if row["state"] == "open"}
        return leases.keys() == rows.keys() and all(
            (leases[n]["tenant"], leases[n]["uid"], leases[n]["pid"], leases[n]["name"]) ==
            (rows[n]["tenant"], rows[n]["uid"], rows[n]["pid"], rows[n]["name"]) for n in leases)

    def close(self):
        for app in self.open:
            app.close()


@pytest.fixture
def apps(net):  # noqa: F811
    some = Applications(net)
    yield some
    some.close()


@pytest.fixture
def up(apps):
    reeved = apps.start()
    apps.lab.up()
    apps.reeved = reeved
    return apps


def refused(app):
    with pytest.raises(channel.Refused):
        app.attach(rings=True, buffers=SMALL)
    return True


def test_what_is_shown(up):
    app = up.app(MEDIA, b"camera")
    app.attach(rings=True, buffers=SMALL)
    lease, = up.leases()
    row, = up.channels()
    assert (lease["tenant"], lease["uid"], lease["pid"], lease["name"]) == \
        ("media", MEDIA, up.peers[MEDIA].pid, "camera")
    assert "expires" not in lease
    assert (row["tenant"], row["lease"], row["uid"]) == ("media", lease["lease"], MEDIA)
    assert row["bytes"] > 2 ** 18 and "rate" not in row and not row["paused"]
    out = up.house.run("/run/stage/usr/bin/reeve", "lease", "list").stdout
    assert re.search(rf"{lease['resource']} .*media .* {MEDIA} +{lease['pid']} +camera", out)
    out = up.house.run("/run/stage/usr/bin/reeve", "instance", "list").stdout
    assert re.search(rf"stack +camera +media +{lease['pid']} +{MEDIA} ", out)
    assert re.search(r"^media .* 1 of 3 ", up.house.run(
        "/run/stage/usr/bin/reeve", "tenant", "list").stdout, re.MULTILINE)
    out = up.house.run("/run/stage/usr/bin/reeve", "net", "channels").stdout
    assert re.search(rf"camera +media +{MEDIA} .* {row['bytes']} ", out)
    up.reeved.wait_log("grant.*resource.*channel 1")


def test_a_tenants_quota(up):
    first, second, other = up.app(MEDIA), up.app(MEDIA_TOO), up.app(OTHER)
    mine = first.attach(rings=True, buffers=SMALL)
    first.attach(rings=True, buffers=SMALL)
    second.attach(rings=True, buffers=SMALL)
    assert refused(first) and refused(second)
    up.reeved.wait_log(f"channel refused.*uid.*{MEDIA_TOO}.*tenant.*media.*quota of channels")
    for _ in range(5):
        other.attach(rings=True, buffers=SMALL)
    assert up.used("media") == 3 and up.used("default") == 5 and up.agree()
    first.channels.remove(mine)
    mine.close()
    wait_until(lambda: up.used("media") == 2)
    second.attach(rings=True, buffers=SMALL)
    assert refused(first) and up.agree()


def test_groups(up):
    up.app(GROUP, groups=(7, MEDIA_GID)).attach(rings=True, buffers=SMALL)
    assert [lease["tenant"] for lease in up.leases()] == ["media"]


def test_the_end_of_an_application(up):
    app, other = up.app(MEDIA), up.app(MEDIA_TOO)
    app.attach(rings=True, buffers=SMALL)
    app.attach(rings=False)
    other.attach(rings=True, buffers=SMALL)
    app.control.close()
    wait_until(lambda: [lease["uid"] for lease in up.leases()] == [MEDIA_TOO])
    app.close()


def test_an_application_that_is_killed(net, hosts):  # noqa: F811
    net.start_reeved()
    net.up()
    apps = Applications(net)
    app = hosts[0].app()
    assert [lease["pid"] for lease in apps.leases()] == [app.process.pid]
    app.process.kill()
    wait_until(lambda: not apps.leases())


def test_memory_of_a_tenant(apps):
    apps.tenants = apps.tenants.replace("}\n", "channel { memory = 1M } }\n")
    apps.start()
    apps.lab.up()
    app, too, other = apps.app(MEDIA), apps.app(MEDIA_TOO), apps.app(OTHER)
    app.attach(rings=True, buffers=SMALL)
    size, = (row["bytes"] for row in apps.channels())
    assert 2 ** 19 < size < 2 ** 20
    assert refused_with(too, buffers=SMALL)
    apps.lab.reeved.wait_log(f"channel refused.*uid.*{MEDIA_TOO}.*media.*memory")
    assert refused_with(too, buffers=4096)
    other.attach(rings=True, buffers=SMALL)
    other.attach(rings=True, buffers=SMALL)
    assert apps.used("media") == 1 and apps.agree()


def refused_with(app, buffers):
    with pytest.raises(channel.Refused):
        app.attach(rings=True, buffers=buffers)
    return True


@pytest.mark.parametrize("uid", [None, MEDIA, 65534])
def test_who_may_not_act_for_others(up, uid):
    of = up.house.peer(uid=uid, gid=uid) if uid else None
    with up.reeved.connect_native(of) as native:
        for method, parameters in (("ActFor", {"uid": MEDIA, "gid": MEDIA}),
                                   ("AcquireChannel", {"number": 1, "bytes": 1}),
                                   ("ReleaseLost", {})):
            assert native.refused(method, **parameters).name == "io.reeve.Denied"
    assert not up.leases()


def test_a_netd_that_is_not_the_hosts(apps):
    """Somebody's own, in his tenant: reeved does not believe it, and it goes by its own limits."""
    lab = apps.lab
    lab.reeved = lab.house.start(conf=lab.conf(planes="") + apps.tenants)
    netd = lab.start(conf={MAC: {"ifname": "eth1", "ip": f"{OURS}/24", "ports": ["888"]}},
                     args=("--reeve", varlink.PATH, "--ctrl_socket", "/run/own.sock",
                           "--logtostderr"))
    app = channel.App(lambda: lab.house.connect("/run/own.sock"))
    for _ in range(4):
        app.attach(rings=True, buffers=SMALL)
    assert not apps.leases()
    assert not [row for row in netd.call("ListChannels")["channels"] if "lease" in row]
    app.close()


def test_an_administrator_ends_no_channel(up):
    up.app(MEDIA).attach(rings=True, buffers=SMALL)
    lease, = up.leases()
    with up.reeved.connect_native() as root:
        assert root.refused("Release", lease=lease["lease"]).name == "io.reeve.Unsupported"
    assert up.agree()


def test_the_core_is_killed(up):
    up.reeved.core_may_die = True
    app = up.app(MEDIA)
    app.attach(rings=True, buffers=SMALL)
    before, since = up.leases(), up.reeved.mark()
    os.kill(up.reeved.core_pid(), signal.SIGKILL)
    up.reeved.wait_log("ready again", since)
    assert up.leases() == before
    app.attach(rings=True, buffers=SMALL)
    app.attach(rings=True, buffers=SMALL)
    assert refused(app) and up.agree()


def reeved_is_killed(up):
    up.reeved.process.kill()
    up.reeved.process.wait()
    wait_until(lambda: not any("lease" in row for row in up.channels()))


def test_reeved_is_killed(up):
    app, ends, other = up.app(MEDIA), up.app(MEDIA_TOO), up.app(OTHER)
    app.attach(rings=True, buffers=SMALL)
    ends.attach(rings=True, buffers=SMALL)
    other.attach(rings=True, buffers=SMALL)
    reeved_is_killed(up)
    ends.close()
    up.app(OTHER).attach(rings=True, buffers=SMALL)  # within netd's own limits
    app.attach(rings=True, buffers=SMALL)
    assert len([row for row in up.channels() if row["state"] == "open"]) == 4
    up.reeved = up.start()
    wait_until(up.agree)
    assert len(up.leases()) == 4
    wait_until(lambda: up.used("media") == 2)
    assert up.used("default") == 2
    with up.reeved.connect_native() as native:
        wait_until(lambda: not [i for i in native.all("ListInstances")
                                if i["kind"] == "stack" and i["orphan"]])
    app.attach(rings=True, buffers=SMALL)
    assert refused(app)


def test_what_a_new_reeved_refuses(up):
    """The latest has to end, and its application is told."""
    app, too = up.app(MEDIA), up.app(MEDIA_TOO)
    app.attach(rings=True, buffers=SMALL)
    too.attach(rings=True, buffers=SMALL)
    reeved_is_killed(up)
    up.reeved = up.start(quota=1)
    up.reeved.wait_log(f"refuse.*media.*uid.*{MEDIA_TOO}.*channel 2.*quota of channels")
    assert too.channels[0].control.sock.recv(1) == b""
    wait_until(up.agree)
    assert up.used("media") == 1


def test_a_thousand(up):
    """And their end."""
    held = []
    for _ in range(100):
        app = up.app(OTHER)
        for _ in range(10):
            control = channel.Control(up.connect(OTHER)())
            answer = control.ask(channel.req_channel(app.id, os.urandom(16), channel.RINGS, SMALL))
            assert answer.status == 0
            os.close(answer.fds[0])
            held.append(control)
    assert up.used("default") == 1000 and up.agree()
    for app in up.open:
        app.close()
    wait_until(lambda: up.used("default") == 0)
    for control in held:
        control.close()


def test_a_rate(net, hosts):  # noqa: F811
    """100 kB a second, and another one that has no limit."""
    near, far = hosts
    apps = Applications(net)
    net.conf = lambda: Tenant.conf(net) + 'tenant slow { uids = "1000" channel { rate = 800k } }'
    net.start_reeved()
    net.up()
    server = far.app()
    server.do("listen", FAR, PORT)
    near.inside += ["setpriv", "--reuid=1000", "--regid=1000", "--clear-groups"]
    slow = near.app()
    near.inside = near.inside[:-4]
    fast = near.app()
    begun = time.monotonic()
    for app in slow, fast:
        app.do("connect", NEAR, FAR, PORT)
    slow.say("send", 30000, 10)
    fast.do("send", 30000, 10)
    wait_until(lambda: sent(apps, 0) == 300000)
    assert sent(apps, 1000) < 200000
    row = row_of(apps, 1000)
    assert (row["tenant"], row["rate"]) == ("slow", 800000)
    wait_until(lambda: row_of(apps, 1000)["paused"])
    wait_until(lambda: sent(apps, 1000) == 300000)
    assert time.monotonic() - begun > 2.5
    assert row_of(apps, 1000)["dropped"] == 0
    assert slow.answer().startswith("ok")


def row_of(apps, uid):
    row, = (row for row in apps.channels() if row["uid"] == uid)
    return row


def sent(apps, uid):
    return row_of(apps, uid)["sent_bytes"]
