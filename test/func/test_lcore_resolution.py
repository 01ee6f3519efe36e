# SPDX-License-Identifier: BSD-3-Clause
"""What CPU an lcore id is taken for. A DPDK program names lcores, the ledger
leases CPUs, and only the process itself shows how the two belong together."""
import json
import subprocess
import sys
from pathlib import Path

import pytest

import dpdk_lcore
import mtl

HELPER = Path(__file__).with_name("dpdk_lcore.py")


class Dpdk:
    """A DPDK process with lcore 5 as its main lcore on the first CPU, and lcore 6
    on the last; `mtl_path`: where to ask for the lcores `ask`."""

    def __init__(self, cpus, mtl_path=None, ask=()):
        command = [sys.executable, HELPER, "--lcores", f"5@{cpus[0]},6@{cpus[-1]}"]
        if mtl_path:
            command += ["--mtl", mtl_path, "--ask", *map(str, ask)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        shown = self.process.stdout.readline()
        if not shown and self.process.wait() == dpdk_lcore.NO_LIBRARY:
            pytest.skip(f"no {dpdk_lcore.LIBRARY} here: install {dpdk_lcore.PACKAGE}")
        self.threads = json.loads(shown)["threads"]
        self.pid = self.process.pid

    def answers(self):
        """{lcore: value} of what it asked for."""
        return {int(lcore): value for lcore, value in
                json.loads(self.process.stdout.readline()).items()}

    def end(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


@pytest.fixture
def dpdk(cpus):
    """Starts a Dpdk; it is ended with the test."""
    started = []

    def start(**options):
        started.append(Dpdk(cpus, **options))
        return started[-1]

    if len(cpus) < 2:
        pytest.skip("needs two CPUs")
    yield start
    for process in started:
        process.end()


def mtl_path(reeved):
    return reeved.house.path(mtl.PATH)


def registered(reeved, cpus):
    """A client that is no DPDK, in a process that may run on `cpus` only."""
    client = reeved.connect_mtl(reeved.house.peer(cpus=set(cpus)))
    assert client.register() == 0
    return client


def test_names_and_pins_of_a_real_dpdk(dpdk, cpus):
    """What mech/lcore.c counts on: workers are named and pinned, the main lcore is
    the main thread, pinned too, under the program's own name."""
    process = dpdk()
    by_name = {thread["name"]: thread for thread in process.threads}
    assert by_name["rte-worker-6"]["cpus"] == [cpus[-1]]
    assert process.threads[0]["tid"] == process.pid
    assert process.threads[0]["cpus"] == [cpus[0]]
    assert not [name for name in by_name if name.endswith("worker-5")]


def test_lease_is_over_the_cpu_of_the_worker(reeved, dpdk, cpus):
    process = dpdk(mtl_path=mtl_path(reeved), ask=[6])
    assert process.answers() == {6: 0}
    with reeved.connect_native() as native:
        assert list(native.lcores()) == [f"lcore {cpus[-1]}"]
        lease = native.lcores()[f"lcore {cpus[-1]}"]
        holders = {instance["instance"]: instance
                   for instance in native.all("ListInstances")}
        assert holders[lease["instance"]]["pid"] == process.pid
    line = reeved.wait_log(r"lcore id resolved")
    assert f"lcore=6 cpu={cpus[-1]}" in line and "thread name" in line


def test_worker_and_cpu_number_are_one_resource(reeved, dpdk, cpus):
    """Whoever names the CPU itself asks for what the worker has."""
    process = dpdk(mtl_path=mtl_path(reeved), ask=[6])
    assert process.answers() == {6: 0}
    assert registered(reeved, cpus).get(cpus[-1]) == -1


def test_lease_of_a_worker_ends_with_its_process(reeved, dpdk, cpus):
    process = dpdk(mtl_path=mtl_path(reeved), ask=[6])
    assert process.answers() == {6: 0}
    with reeved.connect_native() as native:
        native.stream()
        process.end()
        native.wait_event(lambda event: event["type"] == "instance-end"
                          and event["pid"] == process.pid)
    assert registered(reeved, cpus).get(cpus[-1]) == 0


def test_remapped_ids(reeved, cpus):
    """--remap-lcore-ids: on the last CPU alone, id 0 can only mean that one."""
    if cpus[-1] == 0:
        pytest.skip("needs a CPU that is not 0")
    client = registered(reeved, [cpus[-1]])
    assert client.get(0) == 0
    with reeved.connect_native() as native:
        assert list(native.lcores()) == [f"lcore {cpus[-1]}"]
    line = reeved.wait_log(r"lcore id resolved")
    assert f"lcore=0 cpu={cpus[-1]}" in line and "remapped ids" in line
    assert client.put(0) == 0


def test_cpu_numbers(reeved, cpus):
    """An id that is a CPU the process may use is that CPU."""
    client = registered(reeved, cpus)
    assert client.get(cpus[-1]) == 0
    with reeved.connect_native() as native:
        assert list(native.lcores()) == [f"lcore {cpus[-1]}"]
