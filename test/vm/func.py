#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The whole-program tests about NICs, of test/func, under the guest's kernel: here
they meet libxdp's dispatcher, which the build machine's kernel refuses. Needs root,
$STAGE and $BUILD; prints TAP."""
import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

FUNC = Path(__file__).resolve().parents[1] / "func"
TESTS = ["test_nic.py", "test_bugs_nic.py"]
REPORT = "report.xml"


def outcome(case):
    """("not ", why), ("", " # SKIP why") or ("", "")."""
    for kind in "failure", "error":
        if (found := case.find(kind)) is not None:
            return "not ", (found.text or "").strip()
    if (found := case.find("skipped")) is not None:
        return "", f" # SKIP {found.get('message')}"
    return "", ""


def main():
    subprocess.run([sys.executable, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider",
                    f"--junitxml={REPORT}", f"--stage={os.environ['STAGE']}",
                    f"--build={os.environ['BUILD']}", *sys.argv[1:],
                    *(FUNC / name for name in TESTS)], stdout=sys.stderr, check=False)
    cases = list(ElementTree.parse(REPORT).iter("testcase"))
    print(f"1..{len(cases)}")
    for number, case in enumerate(cases, 1):
        bad, why = outcome(case)
        print(f"{bad}ok {number} - {case.get('name')}{'' if bad else why}")
        for line in why.splitlines()[-6:] if bad else []:
            print(f"# {line}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
