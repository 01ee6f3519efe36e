#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""A process that is really DPDK: starts the EAL of Debian's librte-eal23 and shows
what threads it has, as one line of JSON. With --mtl it then asks the MTL socket
for lcores, as a libmtl process would, prints the answers as a second line, and
holds them until its standard input ends. Needs no hugepages and no privilege.
"""
import argparse
import ctypes
import json
import os
import socket
import sys
from pathlib import Path

import mtl

LIBRARY = "librte_eal.so.23"
PACKAGE = "librte-eal23"
NO_LIBRARY = 77  # exit status

# --in-memory would want hugepages and is refused together with --no-huge.
OPTIONS = ["--no-huge", "-m", "16", "--no-pci", "--no-telemetry", "--no-shconf",
           "--log-level", "error"]


def start_eal(lcores):
    """Makes this thread the main lcore, and a pinned thread for each other one."""
    try:
        eal = ctypes.CDLL(LIBRARY, mode=ctypes.RTLD_GLOBAL)
    except OSError as error:
        print(f"no {LIBRARY}, install {PACKAGE}: {error}", file=sys.stderr)
        sys.exit(NO_LIBRARY)
    words = [b"dpdk_lcore", *(word.encode() for word in [*OPTIONS, "--lcores", lcores])]
    argv = (ctypes.c_char_p * (len(words) + 1))(*words, None)
    if eal.rte_eal_init(len(words), argv) < 0:
        sys.exit("rte_eal_init failed")
    return eal


def threads():
    """What every thread of this process is called and where it may run."""
    return [{"tid": tid, "name": Path(f"/proc/self/task/{tid}/comm").read_text().strip(),
             "cpus": sorted(os.sched_getaffinity(tid))}
            for tid in sorted(map(int, os.listdir("/proc/self/task")))]


def main():
    usable = sorted(os.sched_getaffinity(0))
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--lcores", default=f"5@{usable[0]},6@{usable[-1]}",
                        help="as EAL takes it; %(default)s unless said otherwise")
    parser.add_argument("--mtl", metavar="PATH", help="the socket to ask")
    parser.add_argument("--ask", type=int, nargs="+", default=[6], metavar="LCORE")
    args = parser.parse_args()

    start_eal(args.lcores)
    print(json.dumps({"pid": os.getpid(), "threads": threads()}), flush=True)
    if not args.mtl:
        return
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.connect(args.mtl)
    with mtl.Client(sock) as client:
        client.register(pid=os.getpid(), uid=os.getuid())
        print(json.dumps({str(lcore): client.get(lcore) for lcore in args.ask}), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
