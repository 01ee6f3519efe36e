# SPDX-License-Identifier: BSD-3-Clause
"""A kernel of Debian's to boot: fetched by apt and unpacked once, with an initramfs
that can mount a root of virtio-9p. Everything else it loads from there by itself."""
import lzma
import re
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
# What a root on 9p needs of the kernel; modprobe finds what these need.
MODULES = ["virtio_pci", "9pnet_virtio", "9p", "overlay"]
XZ_MAGIC = b"\xfd7zXZ\0"


def run(*command, **options):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, **options).stdout


def update():
    """Lists of packages may be missing, or name files that are gone."""
    run("apt-get", "-qq", "update")


def find_package(flavour):
    shown = subprocess.run(["apt-cache", "depends", f"linux-image-{flavour}"], check=False,
                           stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return re.search(r"Depends: (linux-image-\d\S*)", shown.stdout)


def package_of(flavour):
    """The package that Debian's `linux-image-FLAVOUR` stands for today."""
    package = find_package(flavour)
    if not package:
        update()
        package = find_package(flavour)
    if not package:
        sys.exit(f"boot: apt knows no linux-image-{flavour}")
    return package.group(1)


def download(package, folder):
    command = ["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", package]
    try:
        run(*command, cwd=folder)
    except subprocess.CalledProcessError:
        update()
        run(*command, cwd=folder)


def decompress(image, kernel):
    """The kernel proper out of a bzImage: QEMU starts it as it is, and the host
    decompresses it once, in a second, where the guest takes four at every boot."""
    packed = image.read_bytes()
    start = packed.find(XZ_MAGIC)
    if start < 0:
        shutil.copy(image, kernel)
        return
    kernel.write_bytes(lzma.LZMADecompressor().decompress(packed[start:]))


class Kernel:
    """`file` is what QEMU boots, `root` where the package was unpacked."""

    def __init__(self, flavour, cache):
        package = package_of(flavour)
        self.version = package.removeprefix("linux-image-")
        self.root = cache / package
        self.file = self.root / "boot" / "vmlinux"
        if not self.file.exists():
            self._fetch(package)

    def _fetch(self, package):
        unpacked = self.root.with_suffix(".new")
        shutil.rmtree(unpacked, ignore_errors=True)
        shutil.rmtree(self.root, ignore_errors=True)
        unpacked.mkdir(parents=True)
        download(package, unpacked)
        deb = next(unpacked.glob("*.deb"))
        run("dpkg", "-x", deb, unpacked)
        deb.unlink()
        run("/sbin/depmod", "-b", unpacked, self.version)
        boot = unpacked / "boot"
        decompress(boot / f"vmlinuz-{self.version}", boot / "vmlinux")
        unpacked.rename(self.root)

    def modules(self):
        return self.root / "lib/modules" / self.version

    def _module_files(self):
        """Every module of MODULES and what it needs, in the order of loading."""
        files = []
        for name in MODULES:
            shown = run("/sbin/modprobe", "-d", self.root, "-S", self.version,
                        "--show-depends", name)
            for line in shown.splitlines():
                word = line.split()
                if word[0] == "insmod" and word[1] not in files:
                    files.append(word[1])
        return files

    def pack_initramfs(self, work):
        tree = work / "initramfs"
        shutil.rmtree(tree, ignore_errors=True)
        (tree / "modules").mkdir(parents=True)
        shutil.copy("/bin/busybox", tree / "busybox")
        shutil.copy(HERE / "init", tree / "init")
        # The names keep the order.
        for number, path in enumerate(self._module_files()):
            shutil.copy(path, tree / "modules" / f"{number:02}-{Path(path).name}")
        names = "\n".join(str(path.relative_to(tree)) for path in sorted(tree.rglob("*")))
        image = work / "initramfs.cpio"
        with image.open("wb") as out:
            subprocess.run(["cpio", "-o", "-H", "newc", "--quiet"], cwd=tree, check=True,
                           input=names.encode(), stdout=out)
        return image
