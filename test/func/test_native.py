# SPDX-License-Identifier: BSD-3-Clause
"""Every method of io.reeve, as an independent client meets it."""
import json
import os
import re
import time
from pathlib import Path

import pytest

import varlink
from mtl import poll_until
from varlink import VarlinkError

INTERFACE = Path(__file__).resolve().parents[2] / "api/io.reeve.varlink"
NOBODY = 65534
TENANTS = """
tenant "alpha" {{
	uids = {{ "1001" }}
	quota {{ lcore = 1 }}
}}
tenant "beta" {{
	uids = {{ "1002" }}
	cpus = "{last}"
	time-limit = "1s"
}}
"""

ADMINS = 'admin-group = "daemon"'
OWN_TENANT = 'tenant "alpha" { uids = { "1001" } }'


@pytest.fixture
def native(reeved):
    with reeved.connect_native() as client:
        yield client


@pytest.fixture
def two_tenants(house, cpus):
    """A daemon with tenants alpha (uid 1001) and beta (uid 1002, the last CPU is its)."""
    if len(cpus) < 2:
        pytest.skip("needs two CPUs")
    return house.start(conf=TENANTS.format(last=cpus[-1]))


def client_of(reeved, uid):
    return reeved.connect_native(reeved.house.peer(uid=uid, gid=uid))


# --- introspection and versions ---------------------------------------------


def test_get_info(native):
    info = native.call("org.varlink.service.GetInfo")
    assert set(info) == {"vendor", "product", "version", "url", "interfaces"}
    assert set(info["interfaces"]) == {"org.varlink.service", "io.reeve"}
    assert "reeve" in info["product"]


def test_description_is_the_published_one(native):
    got = native.call("org.varlink.service.GetInterfaceDescription", interface="io.reeve")
    assert got["description"] == INTERFACE.read_text()
    own = native.call("org.varlink.service.GetInterfaceDescription",
                      interface="org.varlink.service")
    assert "method GetInfo()" in own["description"]


def test_every_described_method_exists(native):
    for method in re.findall(r"^method (\w+)", INTERFACE.read_text(), re.M):
        try:
            native.call(method)
        except VarlinkError as error:
            assert error.short not in ("MethodNotFound", "MethodNotImplemented"), method


def test_unknown_names(native):
    unknown = native.refused("org.varlink.service.GetInterfaceDescription", interface="io.other")
    assert unknown.short == "InterfaceNotFound"
    assert unknown.parameters == {"interface": "io.other"}
    assert native.refused("io.other.Thing").short == "InterfaceNotFound"
    nothing = native.refused("io.reeve.Nothing")
    assert nothing.name == "org.varlink.service.MethodNotFound"
    assert nothing.parameters == {"method": "io.reeve.Nothing"}


def test_hello(reeved, native):
    got = native.call("Hello", lowest=1, highest=7)
    assert got["api"] == 1 and got["pid"] == reeved.pid
    assert re.fullmatch(r"\d+\.\d+\.\d+.*", got["version"])


@pytest.mark.parametrize("lowest,highest", [(2, 9), (0, 0)])
def test_hello_with_versions_too_far_apart(native, lowest, highest):
    error = native.refused("Hello", lowest=lowest, highest=highest)
    assert error.name == "io.reeve.VersionMismatch"
    assert error.parameters == {"lowest": 1, "highest": 1}


# --- leases ----------------------------------------------------------------


def test_describe_host(native, cpus):
    host = native.call("DescribeHost")
    online = [cpu for cpu in host["cpus"] if cpu["state"] != "offline"]
    assert {cpu["cpu"] for cpu in online} >= set(cpus)
    for cpu in host["cpus"]:
        assert {"cpu", "node", "package", "core", "isolated", "state"} <= set(cpu)
    (lease,), got = native.acquire(1)
    state, = [cpu for cpu in native.call("DescribeHost")["cpus"] if str(cpu["cpu"]) == got]
    assert (state["state"], state["lease"], state["tenant"]) == ("leased", lease, "system")


def test_acquire_list_release(native):
    (lease,), cpu = native.acquire(1, name="encoder")
    held, = native.leases()
    assert held["lease"] == lease and held["resource"] == f"lcore {cpu}"
    assert (held["kind"], held["tenant"], held["enforced"]) == ("lcore", "system", "advisory")
    assert held["whole_core"] is False and held.get("expires") is None
    instance, = [i for i in native.all("ListInstances")
                 if i["instance"] == held["instance"]]
    assert (instance["name"], instance["pid"], instance["uid"]) == ("encoder", os.getpid(), 0)
    assert instance["leases"] == 1 and instance["kind"] == "native"
    assert native.call("Release", lease=lease) == {}
    assert native.leases() == []
    again = native.refused("Release", lease=lease)
    assert again.short == "NoSuchLease" and again.parameters == {"lease": lease}


def test_the_same_request_gets_the_same_cpus(native):
    (lease,), first = native.acquire(1)
    native.call("Release", lease=lease)
    assert native.acquire(1)[1] == first


def test_exact_cpus(native, cpus):
    _, got = native.acquire(cpus=str(cpus[-1]))
    assert got == str(cpus[-1])
    taken = native.refused("Acquire", kind="lcore", cpus=str(cpus[-1]))
    assert taken.short == "Taken" and taken.parameters["why"]


def test_all_or_nothing(native, cpus):
    native.acquire(cpus=str(cpus[0]))
    assert native.refused("Acquire", kind="lcore", count=len(cpus)).short == "NotEnough"
    both = ",".join(map(str, cpus))
    assert native.refused("Acquire", kind="lcore", cpus=both).short == "Taken"
    assert len(native.leases()) == 1


def test_no_such_things(native):
    assert native.refused("Acquire", kind="lcore", cpus="1000").short == "NoSuchResource"
    assert native.refused("Acquire", kind="lcore", count=1, near="nosuch0").short == \
        "NoSuchResource"
    assert native.refused("Acquire", kind="lcore", count=1, node=999).short == "NoSuchResource"
    assert native.refused("Acquire", kind="queue", count=1).short == "Unsupported"


def test_node_and_whole_core(native):
    node = native.call("DescribeHost")["cpus"][0]["node"]
    where = {"node": node} if node >= 0 else {}
    (lease, *_), _ = native.acquire(1, whole_core=True, **where)
    held, = native.leases()
    assert held["whole_core"] is True and held["lease"] == lease


def test_explain_changes_nothing(native, cpus):
    would = native.call("Explain", kind="lcore", count=1)
    assert would["granted"] is True and would["why"]
    assert {cpu["cpu"] for cpu in would["candidates"]} >= set(cpus)
    assert native.leases() == []
    assert native.acquire(1)[1] == would["cpus"]
    no = native.call("Explain", kind="lcore", cpus=would["cpus"])
    assert no["granted"] is False and no["error"] == "taken" and no["why"]
    too_many = native.call("Explain", kind="lcore", count=len(cpus) + 1)
    assert too_many["granted"] is False and too_many["error"] == "not-enough"


def test_leases_end_with_the_connection(reeved, native):
    native.stream()
    with reeved.connect_native() as other:
        (lease,), cpu = other.acquire(1)
    native.wait_event(lambda e: e["type"] == "release" and e["lease"] == lease)
    with reeved.connect_native() as other:
        assert other.acquire(cpus=cpu)[1] == cpu


def test_time_limit(reeved, native):
    with reeved.connect_native() as watcher:
        watcher.stream()
        begun = time.monotonic()
        (lease,), _ = native.acquire(1, ttl_ms=150)
        assert native.leases()[0]["expires"]
        watcher.wait_event(lambda e: e["type"] == "expire" and e["lease"] == lease)
        assert 0.14 < time.monotonic() - begun < 1.2
    assert native.leases() == []
    assert native.refused("Release", lease=lease).short == "NoSuchLease"


def test_native_and_mtl_share_one_ledger(reeved, native, cpus):
    with reeved.connect_mtl() as client:
        assert client.register(hostname=b"media-host", pid=4711) == 0
        assert client.get(cpus[0]) == 0
        assert native.refused("Acquire", kind="lcore", cpus=str(cpus[0])).short == "Taken"
        held = native.lcores()[f"lcore {cpus[0]}"]
        instance, = [i for i in native.all("ListInstances")
                     if i["instance"] == held["instance"]]
        assert (instance["kind"], instance["name"]) == ("mtl", "media-host")
        assert instance["claimed_pid"] == 4711 and instance["pid"] == os.getpid()
        native.acquire(cpus=str(cpus[-1]))
        assert client.get(cpus[-1]) == -1


# --- tenants -----------------------------------------------------------------


def test_tenants_see_their_own(two_tenants):
    alpha, beta = client_of(two_tenants, 1001), client_of(two_tenants, 1002)
    alpha.acquire(1, name="secret")
    beta.acquire(1)
    assert [lease["tenant"] for lease in alpha.leases()] == ["alpha"]
    assert [lease["tenant"] for lease in beta.leases()] == ["beta"]
    assert "secret" not in json.dumps(beta.call("ListInstances"))
    assert [t["name"] for t in beta.call("ListTenants")["tenants"]] == ["beta"]
    for cpu in beta.call("DescribeHost")["cpus"]:
        assert cpu.get("tenant") in (None, "beta")
    with two_tenants.connect_native() as admin:
        assert {lease["tenant"] for lease in admin.leases()} == {"alpha", "beta"}
        assert [lease["tenant"] for lease in admin.leases(tenant="alpha")] == ["alpha"]
        names = {t["name"] for t in admin.call("ListTenants")["tenants"]}
        assert names == {"default", "system", "alpha", "beta"}


def test_others_lists_are_denied_or_empty(two_tenants):
    alpha, beta = client_of(two_tenants, 1001), client_of(two_tenants, 1002)
    alpha.acquire(1)
    for method in ("ListLeases", "ListInstances"):
        try:
            assert not any(beta.call(method, tenant="alpha").values())
        except VarlinkError as error:
            assert error.short in ("Denied", "NoSuchResource")


def test_quota_and_reservation(two_tenants, cpus):
    alpha, beta = client_of(two_tenants, 1001), client_of(two_tenants, 1002)
    last = str(cpus[-1])
    assert alpha.refused("Acquire", kind="lcore", cpus=last).short in ("Denied", "Taken")
    alpha.acquire(1)
    assert alpha.refused("Acquire", kind="lcore", count=1).short == "QuotaExceeded"
    assert beta.acquire(1)[1] == last, "its own CPU comes first"
    tenant, = [t for t in alpha.call("ListTenants")["tenants"]]
    assert (tenant["quota"]["lcore"], tenant["used"]["lcore"]) == (1, 1)
    assert tenant["granted"] == 1 and tenant["refused"] == 2


def test_the_tenants_time_limit_caps(two_tenants):
    beta = client_of(two_tenants, 1002)
    with two_tenants.connect_native() as admin:
        admin.stream()
        (lease, *_), _ = beta.acquire(1)
        admin.wait_event(lambda e: e["type"] == "expire" and e["lease"] == lease)


def test_an_administrator_may_release_any(two_tenants):
    alpha = client_of(two_tenants, 1001)
    (lease,), _ = alpha.acquire(1)
    with two_tenants.connect_native() as admin:
        admin.call("Release", lease=lease)
    assert alpha.leases() == []


def test_members_of_a_tenant_do_not_release_each_others(two_tenants):
    one, two = client_of(two_tenants, 1001), client_of(two_tenants, 1001)
    (lease,), _ = one.acquire(1)
    error = two.refused("Release", lease=lease)
    assert error.short == "NotYours" and error.parameters == {"lease": lease}


def test_status(reeved, native, house):
    native.acquire(1)
    status = native.call("Status")
    assert status["pid"] == reeved.pid and status["planes"] == ["mtl"]
    assert (status["tenant"], status["admin"]) == ("system", True)
    assert status["leases"] == 1 and status["clients"] >= 1 and status["seq"] > 0
    stranger = reeved.connect_native(house.peer(uid=NOBODY)).call("Status")
    assert (stranger["tenant"], stranger["admin"]) == ("default", False)


# --- events --------------------------------------------------------------------


def test_events_since(reeved, native):
    with reeved.connect_native() as other:
        leases = [other.acquire(1)[0][0]]
        other.call("Release", lease=leases[0])
        leases.append(other.acquire(1)[0][0])
        end = native.call("Status")["seq"]
        native.stream()
        seen = []
        while not seen or seen[-1]["seq"] < end:
            reply = native.reply()
            assert reply["lost"] == 0
            seen.append(reply["event"])
        assert [e["seq"] for e in seen] == sorted({e["seq"] for e in seen})
        assert [e["lease"] for e in seen if e["type"] == "grant"] == leases
        assert [e["lease"] for e in seen if e["type"] == "release"] == leases[:1]
        grant = next(e for e in seen if e["type"] == "grant")
        assert (grant["tenant"], grant["uid"], grant["pid"]) == ("system", 0, os.getpid())
        assert grant["kind"] == "lcore" and grant["resource"].startswith("lcore ")

        with reeved.connect_native() as later:
            later.stream(since=grant["seq"])
            assert later.reply()["event"]["seq"] > grant["seq"]


def test_events_without_more(native):
    native.acquire(1)
    newest = native.call("Status")["seq"]
    assert native.call("Events", since=newest - 1)["event"]["seq"] == newest
    assert native.refused("Events", since=newest).short == "NoEvent"


def test_a_refusal_is_an_event(reeved, native, cpus):
    native.acquire(cpus=str(cpus[0]))
    with reeved.connect_mtl() as client:
        client.register()
        assert client.get(cpus[0]) == -1
        native.stream()
        event = native.wait_event(lambda e: e["type"] == "refuse")
    assert event["error"] == "taken" and event["resource"] == f"lcore {cpus[0]}"
    assert event["why"]


def test_tenants_do_not_see_others_events(two_tenants):
    alpha, beta = client_of(two_tenants, 1001), client_of(two_tenants, 1002)
    alpha.acquire(1, name="secret")
    beta.acquire(1)
    beta.stream()
    event = beta.wait_event(lambda e: e["type"] == "grant")
    assert event["tenant"] == "beta"
    assert beta.buffer.count(b'"alpha"') == 0


def test_overwritten_events_are_counted(reeved, native):
    with reeved.connect_mtl() as client:
        client.register()
        for _ in range(600):
            assert [client.get(80), client.put(80)] == [0, 0]
    first = native.call("Events", since=0)
    assert first["lost"] > 0 and first["event"]["seq"] > 1


@pytest.mark.parametrize("conf", [ADMINS, OWN_TENANT])
def test_a_reload_that_takes_rights_away_ends_the_stream(house, conf):
    reeved = house.start(conf=conf)
    client = reeved.connect_native(house.peer(uid=1001, gid=1))
    other = client_of(reeved, 1002)
    assert client.refused("Acquire", kind="lcore", cpus="1023").short == "NoSuchResource"
    assert other.refused("Acquire", kind="lcore", cpus="1023").short == "NoSuchResource"
    client.stream()
    other.stream()
    client.reply(), other.reply()
    reeved.sighup(conf="")
    with pytest.raises(varlink.Closed):
        while True:
            client.reply()
    third = client_of(reeved, 1003)
    third.refused("Acquire", kind="lcore", cpus="1023")
    other.wait_event(lambda e: e["uid"] == 1003)


def test_a_reload_narrows_the_stream_of_who_holds_a_lease(house):
    reeved = house.start(conf=f"{ADMINS}\n{OWN_TENANT}")
    client = reeved.connect_native(house.peer(uid=1001, gid=1))
    assert client.call("Status")["admin"]
    lease = client.acquire(1)[0][0]
    client.stream(since=client.call("Status")["seq"] - 1)
    assert client.reply()["event"]["type"] == "grant"
    reeved.sighup(conf=OWN_TENANT)
    with reeved.connect_native() as root:
        root.refused("Acquire", kind="lcore", cpus="1023")
        client_of(reeved, 1001).refused("Acquire", kind="lcore", cpus="1023")
        assert client.reply()["event"]["tenant"] == "alpha"
        assert [held["lease"] for held in root.leases()] == [lease]


def streaming(reeved, uid):
    """A client with a stream that is under way; Busy is raised."""
    client = client_of(reeved, uid)
    client.stream()
    client.reply()
    return client


def test_streams_are_few(reeved):
    client_of(reeved, 1000).refused("Acquire", kind="lcore", cpus="1023")
    streams = [streaming(reeved, 1000 + i // 8) for i in range(8)]
    with pytest.raises(VarlinkError, match="Busy.*uid"):
        streaming(reeved, 1000)
    streams += [streaming(reeved, 1001 + i // 8) for i in range(24)]
    with pytest.raises(VarlinkError, match="Busy.*tenant"):
        streaming(reeved, 1004)
    with reeved.connect_native() as root:
        root.stream()
        root.reply()

    def room():
        try:
            return streaming(reeved, 1004)
        except VarlinkError:
            return None

    streams.pop().close()
    poll_until(room, "a stream that ended leaves room for another")


def test_a_stream_that_nobody_wants_answers_to(native):
    native.send("Events", {"since": 0}, more=True, oneway=True)
    assert "seq" in native.call("Status")


# --- planes --------------------------------------------------------------------


def test_hold_plane(house):
    reeved = house.start(conf="planes = {}\n")
    assert not os.path.exists(house.path("/run/imtl/mtl_manager.sock"))
    admin = reeved.connect_native()
    assert admin.call("Status")["planes"] == []
    stranger = reeved.connect_native(house.peer(uid=NOBODY))
    assert stranger.refused("HoldPlane", plane="mtl").short == "Denied"
    assert admin.refused("HoldPlane", plane="warp").short in ("NoSuchResource", "Unsupported")
    assert admin.call("HoldPlane", plane="mtl") == {"already": False}
    assert admin.call("Status")["planes"] == ["mtl"]
    with reeved.connect_mtl() as client:
        assert client.register() == 0
    second = reeved.connect_native()
    assert second.call("HoldPlane", plane="mtl") == {"already": True}
    admin.close()
    with reeved.connect_mtl() as client:
        assert client.register() == 0, "the second holder still wants it"
    second.close()
    third = reeved.connect_native()
    poll_until(lambda: not os.path.exists(house.path("/run/imtl/mtl_manager.sock")),
               "the plane is closed after its last holder")
    poll_until(lambda: third.call("Status")["planes"] == [], "Status says so")


def test_a_closed_plane_stays_closed(house):
    reeved = house.start(conf="mtl {\n\tclosed = true\n}\n")
    with reeved.connect_native() as admin:
        assert admin.refused("HoldPlane", plane="mtl").short == "Denied"
    assert not os.path.exists(house.path("/run/imtl/mtl_manager.sock"))


# --- grammar -------------------------------------------------------------------


@pytest.mark.parametrize("text", [
    "", "nonsense", "[]", "42", '"io.reeve.Status"', "{", '{"method":}',
    '{"method":42}', '{"parameters":{}}', '{"method":"io.reeve.Status","parameters":[]}',
    '{"method":"io.reeve.Status"} x', '{"method":"io.reeve.Status","method":"io.reeve.Status"}',
    '{"method":"io.reeve.Status","more":1}', b'{"method":"\xff\xfe"}',
])
def test_what_is_no_call_ends_the_connection(reeved, native, text):
    with reeved.connect_native() as bad:
        bad.send_text(text)
        with pytest.raises((varlink.Closed, VarlinkError)):
            bad.reply()
            raise AssertionError("it was taken for a call")
    native.call("Status")


@pytest.mark.parametrize("method,parameters,member", [
    ("Acquire", {"kind": "lcore", "count": 1, "colour": "red"}, "colour"),
    ("Acquire", {"kind": "lcore"}, "count"),
    ("Acquire", {"count": 1}, "kind"),
    ("Acquire", {"kind": "warp", "count": 1}, "kind"),
    ("Acquire", {"kind": "lcore", "count": 0}, "count"),
    ("Acquire", {"kind": "lcore", "count": -1}, "count"),
    ("Acquire", {"kind": "lcore", "count": 1.5}, "count"),
    ("Acquire", {"kind": "lcore", "count": 10**30}, None),
    ("Acquire", {"kind": "lcore", "count": 1, "cpus": "0"}, "cpus"),
    ("Acquire", {"kind": "lcore", "cpus": "3-1"}, "cpus"),
    ("Acquire", {"kind": "lcore", "cpus": "0-99999999"}, "cpus"),
    ("Acquire", {"kind": "lcore", "count": 1, "node": 0, "near": "lo"}, "near"),
    ("Acquire", {"kind": "lcore", "count": 1, "name": "x" * 64}, "name"),
    ("Acquire", {"kind": "lcore", "count": 1, "ttl_ms": -1}, "ttl_ms"),
    ("Acquire", {"kind": "lcore", "count": 1, "whole_core": 1}, "whole_core"),
    ("Release", {}, "lease"),
    ("Release", {"lease": "1"}, "lease"),
    ("Events", {"since": -1}, "since"),
    ("Status", {"verbose": True}, "verbose"),
])
def test_bad_parameters_name_the_member(reeved, native, method, parameters, member):
    try:
        error = native.refused(method, **parameters)
    except varlink.Closed:
        # What no JSON number can hold is no JSON for us.
        assert member is None
        return
    assert error.name == "org.varlink.service.InvalidParameter"
    assert member is None or error.parameters == {"parameter": member}
    assert native.leases() == []


def test_the_largest_call_and_one_byte_more(reeved):
    """65536 bytes, of which the last is the NUL."""
    def call_of(size):
        text = '{"method":"io.reeve.Status"'
        return text + " " * (size - len(text) - 1) + "}"

    with reeved.connect_native() as client:
        client.send_text(call_of(65535))
        assert client.reply()["tenant"] == "system"
    with reeved.connect_native() as client:
        client.send_text(call_of(65536))
        with pytest.raises(varlink.Closed):
            client.read()


def test_calls_in_one_write_are_answered_in_order(native):
    native.sock.sendall(b"".join(
        json.dumps({"method": f"io.reeve.{name}"}).encode() + b"\0"
        for name in ("Status", "ListTenants", "ListLeases") * 50))
    for _ in range(50):
        assert "planes" in native.reply()
        assert "tenants" in native.reply()
        assert "leases" in native.reply()


def test_a_call_byte_by_byte(native):
    for byte in b'{"method":"io.reeve.Status"}\0':
        native.sock.sendall(bytes([byte]))
    assert native.reply()["tenant"] == "system"


def test_oneway_calls_get_no_reply(native):
    native.send("Acquire", {"kind": "lcore", "count": 1}, oneway=True)
    native.send("Acquire", {"kind": "lcore", "count": 0}, oneway=True)
    assert len(native.leases()) == 1


def test_names_come_back_printable(native):
    """Quotes, other alphabets and control bytes in a name are a client's right."""
    try:
        native.acquire(1, name='a"b\\c \u00e4')
    except VarlinkError as error:
        assert error.parameters == {"parameter": "name"}
        return
    instance, = [i for i in native.all("ListInstances") if i["leases"]]
    assert instance["name"].isprintable()
