# SPDX-License-Identifier: BSD-3-Clause
"""Lists too long for one answer: pages, none of which keeps the others waiting."""
import contextlib

import pytest

from test_cli import ask, reeve, table

ROWS = 500  # of a page at most
LOOKS = 16384  # leases that one page passes over at most
MANY = 1300
BATCH = 100
CONF = 'nic "eth1" {\n\tsoft-flows = true\n\txdp = "single"\n}\n'


class Many:
    """A daemon with an interface, and clients that have a lot there."""

    def __init__(self, lab):
        self.nic = lab.nic()
        self.reeved = lab.start(CONF)
        self.house = self.reeved.house
        self.open = contextlib.ExitStack()

    def client(self):
        return self.open.enter_context(self.reeved.connect_native())

    def ports(self, client, count, first=1000):
        """Lease numbers."""
        return [got["lease"]["lease"] for got in each(client, "AddPort", (
            {"nic": self.nic.name, "port": port} for port in range(first, first + count)))]

    def flows(self, client, count):
        queue = int(client.call("AcquireQueues", nic=self.nic.name)["queues"])
        return [got["lease"]["lease"] for got in each(client, "AddFlow", (
            {"nic": self.nic.name, "queue": queue, "destination_port": 1000 + n}
            for n in range(count)))]


def each(client, method, calls):
    """Replies to many calls, some of them under way at a time."""
    calls, replies = list(calls), []
    for at in range(0, len(calls), BATCH):
        for parameters in calls[at:at + BATCH]:
            client.send(method, parameters)
        replies += [client.reply() for _ in calls[at:at + BATCH]]
    return replies


@pytest.fixture
def many(lab):
    many = Many(lab)
    with many.open:
        yield many


def whole(client, method, **which):
    """All rows, of pages as they have to be: full but for the last, nothing twice."""
    pages = list(client.pages(method, **which))
    assert [len(page) for page in pages[:-1]] == [ROWS] * (len(pages) - 1)
    assert len(pages[-1]) <= ROWS
    rows = sum(pages, [])
    key = "instance" if method == "ListInstances" else "lease"
    assert len({row[key] for row in rows}) == len(rows)
    return rows


def test_ports_and_their_leases(many):
    one, other, watcher = many.client(), many.client(), many.client()
    mine = many.ports(one, MANY)
    theirs = many.ports(other, 20)
    rows = whole(watcher, "ListPorts")
    assert {row["lease"] for row in rows} == {*mine, *theirs}
    assert all(row["packets"] == 0 and row["nic"] == many.nic.name for row in rows)
    assert {row["lease"] for row in whole(watcher, "ListLeases") if row["kind"] != "xdp"} == {
        *mine, *theirs}
    assert len(whole(watcher, "ListPorts", tenant="system")) == len(rows)
    assert whole(watcher, "ListPorts", tenant="default") == []


def test_owners_take_turns(many):
    """The ports of one page belong to two, who are asked about one after the other."""
    one, other = many.client(), many.client()
    leases = []
    for first in range(1000, 1000 + MANY // 2, 50):
        leases += many.ports(one, 50, first) + many.ports(other, 50, first)
    assert sorted(row["lease"] for row in whole(one, "ListPorts")) == sorted(leases)


def test_flows(many):
    client = many.client()
    flows = many.flows(client, MANY)
    rows = whole(many.client(), "ListFlows")
    assert {row["lease"]: row["destination_port"] for row in rows} == {
        lease: 1000 + n for n, lease in enumerate(flows)}


def test_instances(many):
    names = set()
    for n in range(MANY):
        client = many.open.enter_context(many.reeved.connect_mtl())
        names.add(f"number {n}")
        assert client.register(hostname=f"number {n}".encode()) == 0
    assert {row["name"] for row in whole(many.client(), "ListInstances")} == names


def test_the_one_a_page_ended_with_is_gone(many):
    client, watcher = many.client(), many.client()
    leases = many.ports(client, MANY)
    first = watcher.call("ListLeases")
    seen = {row["lease"] for row in first["leases"]}
    assert first["next"] in seen
    client.call("Release", lease=first["next"])
    rest = whole(watcher, "ListLeases", after=first["next"])
    assert {row["lease"] for row in rest if row["kind"] != "xdp"} == {*leases} - seen


def test_after_the_last(many):
    client = many.client()
    leases = many.ports(client, 10)
    for after in (leases[-1], 2 ** 53, 2 ** 63 - 1):
        assert client.call("ListPorts", after=after) == {"ports": []}
    assert client.call("ListInstances", after=2 ** 63 - 1) == {"instances": []}
    assert len(client.call("ListPorts", after=0)["ports"]) == 10


def test_a_page_without_rows(many):
    """What does not belong into a list is not passed over in one go."""
    client, watcher = many.client(), many.client()
    many.ports(client, LOOKS + BATCH)
    flow, = many.flows(client, 1)
    first = watcher.call("ListFlows")
    assert first["flows"] == [] and first["next"]
    assert [len(page) for page in watcher.pages("ListFlows")] == [0, 1]
    assert [row["lease"] for row in watcher.all("ListFlows")] == [flow]
    assert [page for page in watcher.pages("ListPorts", tenant="default")] == [[], []]


def test_who_lists_for_ever(many):
    """Nobody waits for more than the pages that are being made."""
    client, greedy, other = many.client(), many.client(), many.client()
    many.ports(client, MANY)
    greedy.sock.sendall(b'{"method":"io.reeve.ListPorts"}\0'
                        b'{"method":"io.reeve.ListLeases"}\0' * BATCH)
    assert other.call("Status")["leases"] == MANY + 1
    for _ in range(BATCH):
        assert len(greedy.reply()["ports"]) == ROWS
        assert len(greedy.reply()["leases"]) == ROWS


@pytest.mark.parametrize("words", [["port"], ["lease"], ["xdp"]], ids=" ".join)
def test_people_see_one_list(many, words):
    ports = many.ports(many.client(), MANY)
    words = words if words == ["xdp"] else [*words, "list"]
    shown = ask(many.house, *words)
    assert "next" not in shown
    rows = shown["leases" if words[0] == "lease" else "ports"]
    assert {row["lease"] for row in rows if row.get("kind") != "xdp"} == {*ports}
    text = reeve(many.house, *words).split("Ports:\n")[-1]
    assert {int(row["LEASE"]) for row in table(text)} >= {*ports}


def test_people_see_one_tenants_list(many):
    many.ports(many.client(), MANY)
    assert len(ask(many.house, "port", "list", "--tenant", "system")["ports"]) == MANY
    assert ask(many.house, "port", "list", "--tenant", "default") == {"ports": []}
