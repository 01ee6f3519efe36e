# SPDX-License-Identifier: BSD-3-Clause
"""usage: guest.py BUILD WORK
Figures from a guest whose clock counts its instructions, so that they are the same
in every run: for what the host's kernel refuses, and for what its load would hide.
WORK keeps the guest's kernel and console."""
import json
import re
import subprocess
import sys
from pathlib import Path

VM = Path(__file__).resolve().parents[1] / "vm"


def frames(build, work, flavour="amd64"):
    """{name: ns a frame} of what test/perf/xdp measures. None where no guest runs."""
    done = subprocess.run([VM / "boot", "--icount", "--flavour", flavour, "--work", work,
                           "--build", build, VM / "cost"],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.stderr.write(done.stdout)
        return None
    lines = re.findall(r"^# cost: # (\{.*\})$", done.stdout, re.M)
    return {line["name"]: line["ns"] for line in map(json.loads, lines)}


if __name__ == "__main__":
    print(json.dumps(frames(*sys.argv[1:])))
