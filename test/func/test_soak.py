# SPDX-License-Identifier: BSD-3-Clause
"""A long random test, here a short one: see soak.py. More of it: make soak."""
import os
import random

import pytest
from soak import Soak

KILLS, SECONDS = (int(os.environ.get(name) or 0) for name in ("KILLS", "SECONDS"))


@pytest.fixture
def soak(lab):
    seed = int(os.environ.get("SEED") or random.randrange(1 << 32))
    print(f"repeat by SEED={seed}")
    soak = Soak(lab, seed)
    yield soak
    soak.close()


@pytest.mark.timeout(0 if KILLS or SECONDS else 60)
def test_kills_under_random_clients(soak):
    if KILLS or not SECONDS:
        soak.run(os.environ.get("VICTIM") or "core", kills=KILLS or 100)
    else:
        soak.run(os.environ.get("VICTIM") or "core", seconds=SECONDS)
    print(soak.report())
