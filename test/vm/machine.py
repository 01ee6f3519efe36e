# SPDX-License-Identifier: BSD-3-Clause
"""The guest as QEMU's command line: CPUs in nodes, the host's files, two NICs.

The NICs are taps with a bridge between them, in a network namespace that QEMU is
started in and that ends with it: the host's own network sees nothing of it. Only
a tap has several queues; without /dev/net/tun a hub in QEMU connects the NICs, and
they have one queue each."""
import os
import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent
QUEUES = 4
# What a NIC may do for its receiver keeps XDP from running in the driver.
PLAIN = ",".join(f"{name}=off" for name in
                 ("guest_csum", "guest_tso4", "guest_tso6", "guest_ecn", "guest_ufo"))


def kvm_is_fast(probe):
    """Whether the probe says so: there are hosts where KVM is there and crawls."""
    if not probe or not probe.exists():
        return False
    try:
        done = subprocess.run([probe], stdout=subprocess.PIPE, text=True, timeout=10)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0 and done.stdout.startswith("ok")


def has_taps():
    return os.geteuid() == 0 and os.access("/dev/net/tun", os.R_OK | os.W_OK)


def topology_options(topology, memory):
    """SOCKETSxCORESxTHREADS, each socket a NUMA node with its share of the memory."""
    sockets, cores, threads = (int(n) for n in topology.split("x"))
    each = cores * threads
    options = ["-smp", f"{sockets * each},sockets={sockets},cores={cores},threads={threads}",
               "-m", f"{memory}M"]
    for node in range(sockets):
        options += ["-object", f"memory-backend-ram,id=m{node},size={memory // sockets}M",
                    "-numa", f"node,memdev=m{node},cpus={node * each}-{node * each + each - 1}"]
    return options


def share_options(tag, path, more=""):
    """A folder of the host. The bus is named, or it might land on the NICs'."""
    return ["-fsdev", f"local,id={tag},path={path},security_model=none,multidevs=remap{more}",
            "-device", f"virtio-9p-pci,bus=pcie.0,fsdev={tag},mount_tag={tag}"]


def nic_options(topology, taps):
    """eth0 and eth1, in this order on the bus, on the last NUMA node."""
    node = int(topology.split("x")[0]) - 1
    options = ["-device", f"pxb-pcie,id=nics,bus=pcie.0,bus_nr=64,numa_node={node}"]
    for number in range(2):
        backend = (f"tap,ifname=tap{number},script=no,downscript=no,queues={QUEUES}" if taps else
                   "hubport,hubid=0")
        many = f",mq=on,vectors={2 * QUEUES + 2}" if taps else ""
        options += [
            "-device", f"pcie-root-port,id=port{number},bus=nics,chassis={number + 1}",
            "-netdev", f"{backend},id=net{number}",
            "-device", f"virtio-net-pci,bus=port{number},netdev=net{number},romfile=,"
                       f"mac=52:54:00:00:00:0{number},{PLAIN}{many}"]
    return options


# With instructions for a clock, time repeats to a part in a thousand whatever the
# host does, as long as everything lies at the same addresses.
REPEATABLE = "nokaslr norandmaps"


def accelerator(args):
    if args.icount:
        return ["-accel", "tcg,thread=single", "-icount", "shift=1,sleep=off", "-cpu", "max"]
    if args.accel == "kvm":
        return ["-accel", "kvm", "-cpu", "host"]
    # TCG shows threads of one core only in the form that Intel's have.
    return ["-accel", "tcg,thread=multi", "-cpu", "max,vendor=GenuineIntel"]


def command(args, kernel, initramfs, work):
    taps = has_taps() and not args.icount
    words = f"{REPEATABLE} {args.append}" if args.icount else args.append
    before = ["unshare", "--net", str(HERE / "net")] if taps else []
    return [
        # Should we be killed, QEMU goes too.
        *before, "setpriv", "--pdeathsig", "KILL",
        "qemu-system-x86_64", "-machine", "q35", *accelerator(args),
        *topology_options(args.topology, args.memory), *nic_options(args.topology, taps),
        "-nodefaults", "-no-reboot", "-display", "none", "-monitor", "none",
        "-serial", f"file:{work / 'console.log'}",
        *share_options("root", "/", ",readonly=on"), *share_options("out", work / "out"),
        "-kernel", str(kernel.file), "-initrd", str(initramfs),
        "-append", f"console=ttyS0 panic=-1 guest={HERE / 'guest'} {words}",
    ]
