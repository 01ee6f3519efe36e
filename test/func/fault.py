# SPDX-License-Identifier: BSD-3-Clause
"""Fault points of a build that has them; see src/base/fault.h."""
import errno
import mmap
import re
import struct
from pathlib import Path

import mtl

TABLE = Path(__file__).resolve().parents[2] / "src/base/fault_points.h"
JOURNAL, JOURNAL_BYTES, PAGE = "/run/reeve/state/lease.journal", 120 << 20, 4096
ARMED, NTH, ERROR, FIRED, GO, HITS = range(6)


def points():
    """{name: errnos that can be met there}, in the table's order."""
    found = re.findall(r'POINT\((\w+), "([^"]*)"\)', TABLE.read_text())
    return {name: [getattr(errno, word) for word in words.split()] for name, words in found}


class Page:
    """The words that a test and the daemons share."""

    def __init__(self, house):
        with open(house.path(JOURNAL), "r+b") as file:
            self.map = mmap.mmap(file.fileno(), PAGE, offset=JOURNAL_BYTES - PAGE)
        self.names = list(points())

    def _get(self, word):
        return struct.unpack_from("I", self.map, 4 * word)[0]

    def _set(self, word, value):
        struct.pack_into("I", self.map, 4 * word, value)

    def arm(self, name, nth, error=0):
        for word in ARMED, FIRED, GO:
            self._set(word, 0)
        self._set(NTH, nth)
        self._set(ERROR, error)
        self._set(ARMED, self.names.index(name) + 1)

    def disarm(self):
        self._set(ARMED, 0)

    def fired(self):
        """The pid of who stands there or met the error; 0: nobody yet."""
        return self._get(FIRED)

    def let_go(self):
        self._set(GO, 1)
        mtl.poll_until(lambda: not self._get(GO), "who stood still goes on")

    def hits(self):
        return {name: self._get(HITS + at) for at, name in enumerate(self.names)}

    def close(self):
        self.map.close()
