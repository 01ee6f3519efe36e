# SPDX-License-Identifier: BSD-3-Clause
"""Fixtures of the whole-program tests. They need root: for namespaces, and to
be other users. A test gets a running daemon as `reeved`; one that wants it
started in another way takes `house` and calls house.start()."""
import os
import resource
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from daemon import House  # noqa: E402
from nic import Lab  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]


def pytest_addoption(parser):
    parser.addoption("--stage", default=ROOT / "build-test/stage", type=Path,
                     help="the tree that meson install --destdir made, with prefix /usr")
    parser.addoption("--build", default=ROOT / "build-test/gcc", type=Path,
                     help="the tree it was built in")


def has_fault_points(stage):
    return b"fault_at" in (stage / "usr/libexec/reeve/reeve-core").read_bytes()


def pytest_ignore_collect(collection_path, config):
    """A build without fault points has nothing for them to do, and a test that it has none."""
    if collection_path.name.startswith("test_fault"):
        return not has_fault_points(config.getoption("--stage"))
    return None


@pytest.fixture(scope="session")
def stage(request):
    path = request.config.getoption("--stage").resolve()
    assert (path / "usr/sbin/reeved").exists(), f"nothing is staged in {path}"
    assert os.getuid() == 0, "these tests need root"
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return path


@pytest.fixture(scope="session")
def build(request):
    return request.config.getoption("--build").resolve()


@pytest.fixture
def house(stage):
    house = House(stage)
    yield house
    house.close()


@pytest.fixture
def lab(house, build):
    """Interfaces, and clients that have AF_XDP sockets; see nic.Lab."""
    lab = Lab(house, build / "test/fake/xsk_client")
    yield lab
    lab.close()


@pytest.fixture
def reeved(house):
    return house.start()


@pytest.fixture
def cpus():
    """CPUs this host lets a process have; most tests need two."""
    return sorted(os.sched_getaffinity(0))
