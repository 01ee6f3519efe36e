# SPDX-License-Identifier: BSD-3-Clause
"""Replays what was recorded from the real MTL Manager and expects its answers, except
where docs/mtl-compat.md says that ours differ. Section 1 of the file needs no
interface; section 2 was recorded on one with 4 queues and the number 2."""
import os
import re
import stat
from pathlib import Path

import pytest

import mtl

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "test/data/mtl-golden.txt"
COMPAT = ROOT / "docs/mtl-compat.md"


class Step:
    def __init__(self, number, starred, note):
        self.number = number
        self.starred = starred
        self.note = note
        self.request = b""
        self.answers = []
        # "A: ...", "client A: ..."; the first three steps name nobody.
        named = re.match(r"(?:client )?([A-Z])(?: \(\w+\))?: ", note)
        self.client = named[1] if named else "unregistered"


def unhex(text):
    """Hex with runs of zero bytes as 00*N, and a remark in brackets."""
    data = b""
    for word in text.split("(")[0].split():
        run = re.fullmatch(r"00\*(\d+)", word)
        data += bytes(int(run[1])) if run else bytes.fromhex(word)
    said = re.search(r"\((\d+) bytes\)", text)
    assert len(data) == int(said[1]), text
    return data


def read_golden(section):
    """The steps of section 1, which need no interface, or of 2, for one with four queues."""
    steps = []
    for line in GOLDEN.read_text().split("# Section 2")[section - 1].splitlines():
        head = re.match(r"## (\d\d)(\*?) (.*)", line)
        answer = re.match(r"< [0-9a-f]{32} .*type=(\d+) response=(-?\d+)", line)
        if head:
            steps.append(Step(int(head[1]), bool(head[2]), head[3]))
        elif line.startswith("> "):
            steps[-1].request = unhex(line[2:])
        elif answer:
            steps[-1].answers.append(f"{answer[1]} {answer[2]}")
        elif line.startswith("< 20 "):
            steps[-1].answers.append("map")
    return steps


def read_table():
    """{step: (original, ours)} as lists of answers."""
    table = {}
    for line in COMPAT.read_text().splitlines():
        row = re.match(r"\| (\d\d) \|[^|]*\| ([^|]*) \| ([^|]*) \|", line)
        if row:
            original, ours = ([] if cell == "none" else cell.split(", ")
                              for cell in (row[2], row[3]))
            table[int(row[1])] = (original, ours)
    return table


STEPS = read_golden(1)
WITH_INTERFACE = read_golden(2)
DIFFERENT = read_table()
# Steps whose bytes end in the middle of a frame: nothing may be sent to look
# whether they stay silent, for it would become part of that frame.
UNFINISHED = {29, 30, 32}


def expect(client, answer):
    file = {"fd": "/dev/null", "map": "anon_inode:bpf-map"}.get(answer)
    if file:
        assert client.read_descriptor() == (b"\x20", file)
    else:
        kind, value = client.reply()
        assert f"{kind} {value}" == answer


def test_table_names_only_real_differences():
    by_number = {step.number: step for step in STEPS + read_golden(2)}
    assert len(STEPS) == 49 and len(by_number) == 64
    for number, (original, ours) in DIFFERENT.items():
        assert by_number[number].answers == original, f"step {number}: not what was recorded"
        assert original != ours, f"step {number}: no difference"
    follows = {12, 35, 42}
    assert {n for n in DIFFERENT if not by_number[n].starred} == follows


def replay(reeved, steps):
    clients = {}
    for step in steps:
        if step.client not in clients:
            clients[step.client] = reeved.connect_mtl()
        client = clients[step.client]
        client.send(step.request)
        client.wait_taken()
        try:
            for answer in DIFFERENT.get(step.number, (None, step.answers))[1]:
                expect(client, answer)
            if step.number not in UNFINISHED:
                client.assert_silent()
        except (AssertionError, TimeoutError) as error:
            raise AssertionError(f"step {step.number} {step.note}: {error}") from error
    for client in clients.values():
        client.close()


def test_replay(reeved):
    if os.cpu_count() > 128:
        pytest.skip("the recording host had fewer than 129 CPUs: id 128 is a CPU here")
    replay(reeved, STEPS)


def test_replay_with_an_interface(lab):
    reeved, nic = lab.start(), lab.nic(queues=4)
    if nic.ifindex != 2:
        pytest.skip(f"the recorded requests name interface 2, ours is {nic.ifindex}")
    replay(reeved, WITH_INTERFACE)


def test_socket_is_open_to_all(reeved, house):
    info = os.stat(house.path(mtl.PATH))
    assert stat.S_ISSOCK(info.st_mode) and info.st_mode & 0o666 == 0o666
    assert (info.st_uid, info.st_gid) == (0, 0)
    assert os.stat(os.path.dirname(house.path(mtl.PATH))).st_mode & 0o777 == 0o755
