"""Builds a small Linux guest: Debian's cloud kernel, busybox, nfs-utils, and programs of our own.

Everything comes from packages of this host or from its package archive; nothing is kept in the
repository. The guest has no disk: it runs from its initramfs, which boots in about 2 seconds.
"""

from __future__ import annotations

import gzip
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from support.nfs_utils import program

HERE = Path(__file__).resolve().parents[1] / "interop" / "guest"
TOOLS = (
    "mount.nfs", "umount.nfs", "showmount", "rpcinfo", "rpcbind", "rpc.statd", "sm-notify",
    "quota", "repquota", "setquota", "getfacl", "setfacl", "tc",
)  # fmt: skip
"""Programs of this host that the guest gets, with their libraries."""

SERVER_TOOLS = ("rpc.nfsd", "rpc.mountd", "exportfs")
"""The same of nfs-kernel-server, which may be unpacked instead of installed."""

NEEDED = (
    "qemu-system-x86_64", "busybox", "modprobe", "depmod", "cpio", "gcc", "apt-get", *TOOLS,
    *map(program, SERVER_TOOLS),
)  # fmt: skip
"""Programs that must be installed, besides libc's static library."""

MODULES = (
    "virtio_pci", "virtio_net", "virtio_blk", "nfsv3", "nfsv2", "nfsd", "quota_v2", "sch_netem",
)  # fmt: skip
PROGRAMS = ("posix", "locks", "load")
"""Our own, in C."""

FOLDERS = (
    "bin", "sbin", "usr/bin", "usr/sbin", "etc", "proc", "sys", "dev", "run", "tmp", "mnt",
    "modules", "var/lib/nfs", "python",
)  # fmt: skip
FILES = {
    "etc/passwd": "root:x:0:0:root:/:/bin/sh\n"
    "_rpc:x:101:65534::/run/rpcbind:/bin/false\nstatd:x:103:65534::/var/lib/nfs:/bin/false\n",
    "etc/group": "root:x:0:\nnogroup:x:65534:\n",
    "etc/hosts": "127.0.0.1 localhost\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\nrpc: files\n",
}
KERNEL_PACKAGE = "linux-image-cloud-amd64"


def command(*argv: str | Path, folder: Path | None = None) -> str:
    """The output of a command that has to succeed."""
    done = subprocess.run(
        [str(word) for word in argv], cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, argv))}: {done.stderr.strip()}")
    return done.stdout


def build(folder: Path) -> tuple[Path, Path]:
    """The kernel and the initramfs, made in ``folder`` unless they are there."""
    kernel, initramfs = folder / "vmlinuz", folder / "initramfs.gz"
    if not initramfs.exists():
        modules = _kernel(folder, kernel)
        root = folder / "root"
        shutil.rmtree(root, ignore_errors=True)
        for name in FOLDERS:
            (root / name).mkdir(parents=True, exist_ok=True)
        for name, text in FILES.items():
            (root / name).write_text(text)
        for name in ("netconfig", "protocols", "services", "rpc"):
            if os.path.exists(f"/etc/{name}"):
                shutil.copy(f"/etc/{name}", root / "etc")
        _busybox(root)
        _modules(root, modules)
        for tool in (*TOOLS, *map(program, SERVER_TOOLS)):
            add_program(root, tool)
        for name in PROGRAMS:
            compile_program(name, root / "bin" / name)
        for name in ("init", "agent"):
            shutil.copy(HERE / name, root / name)
            (root / name).chmod(0o755)
        (root / "var/run").symlink_to("/run")
        _pack(root, initramfs)
    return kernel, initramfs


def compile_program(name: str, target: Path) -> None:
    """A program of ``PROGRAMS``, without libraries: it runs in the guest and on this host."""
    flags = ("-O1", "-Wall", "-Wextra", "-Werror", "-static")
    command("gcc", *flags, "-o", target, HERE / f"{name}.c")


def _kernel(folder: Path, kernel: Path) -> Path:
    """Unpack Debian's cloud kernel. Returns the folder that has ``lib/modules``."""
    depends = command("apt-cache", "depends", KERNEL_PACKAGE)
    found = re.search(r"Depends: (linux-image-\S+)", depends)
    if found is None:
        raise RuntimeError(f"{KERNEL_PACKAGE}: not in the package archive")
    command("apt-get", "-qq", "download", found[1], folder=folder)
    package = next(folder.glob("linux-image-*.deb"))
    unpacked = folder / "kernel"
    command("dpkg", "-x", package, unpacked)
    package.unlink()
    shutil.copy(next((unpacked / "boot").glob("vmlinuz-*")), kernel)
    return unpacked


def _busybox(root: Path) -> None:
    found = shutil.which("busybox")
    assert found is not None, "checked before"
    shutil.copy(os.path.realpath(found), root / "bin/busybox")
    for applet in command("busybox", "--list").split():
        if applet != "busybox":
            (root / "bin" / applet).symlink_to("busybox")


def _modules(root: Path, unpacked: Path) -> None:
    """The modules, uncompressed, and the order in which they can be loaded."""
    release = next((unpacked / "lib/modules").iterdir()).name
    command("depmod", "-b", unpacked, release)
    order: list[str] = []
    for module in MODULES:
        shown = command("modprobe", "-d", unpacked, "-S", release, "--show-depends", module)
        for path in re.findall(r"^insmod (\S+)", shown, re.MULTILINE):
            name = Path(path).name.removesuffix(".xz")
            if name in order:
                continue
            order.append(name)
            if path.endswith(".xz"):
                command("sh", "-c", 'xz -dc "$1" > "$2"', "sh", path, root / "modules" / name)
            else:
                shutil.copy(path, root / "modules" / name)
    (root / "modules/order").write_text("".join(f"{name}\n" for name in order))


def add_program(root: Path, tool: str) -> None:
    """Copy a program, found by name or path, and its libraries to a guest's root folder."""
    found = shutil.which(tool, path="/sbin:/usr/sbin:/bin:/usr/bin")
    if found is None:
        raise RuntimeError(f"{tool}: not installed")
    (root / "bin" / os.path.basename(tool)).unlink(missing_ok=True)  # busybox may have one too
    shutil.copy(os.path.realpath(found), root / "usr/sbin" / os.path.basename(tool))
    add_libraries(root, found)


def add_libraries(root: Path, found: str) -> None:
    """Copy the libraries of a program or of a library."""
    for library in _libraries(found):
        target = root / library.lstrip("/")
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(os.path.realpath(library), target)


def _libraries(program: str) -> Iterator[str]:
    yield from re.findall(r"(/\S+) \(0x", command("ldd", program))


def _pack(root: Path, initramfs: Path) -> None:
    names = command("find", ".", folder=root)
    packed = subprocess.run(
        ["cpio", "-o", "-H", "newc", "--quiet"],
        input=names.encode(), cwd=root, stdout=subprocess.PIPE, check=True,
    ).stdout  # fmt: skip
    partial = initramfs.with_suffix(".partial")
    partial.write_bytes(gzip.compress(packed, 1))
    partial.rename(initramfs)  # whole, or not there


def with_script(initramfs: Path, script: str, target: Path) -> Path:
    """An initramfs that runs this script: a second archive, which the kernel unpacks over it."""
    folder = target.with_suffix(".files")
    folder.mkdir(exist_ok=True)
    (folder / "script").write_text(script)
    packed = subprocess.run(
        ["cpio", "-o", "-H", "newc", "--quiet"],
        input=b"script\n", cwd=folder, stdout=subprocess.PIPE, check=True,
    ).stdout  # fmt: skip
    target.write_bytes(initramfs.read_bytes() + gzip.compress(packed, 1))
    return target


QEMU = (
    "qemu-system-x86_64", "-accel", "tcg", "-cpu", "max", "-smp", "1",
    "-nographic", "-no-reboot", "-nodefaults",
)  # fmt: skip
COMMAND_LINE = "console=ttyS0 quiet panic=-1 no_timer_check"
"""On a busy host the check of the timer fails, which is a panic of the guest."""


def qemu(kernel: Path, initramfs: Path) -> Sequence[str]:
    """The command that boots the guest; 10.0.2.2 and fec0::2 in it are this host's loopback."""
    return [
        *QEMU, "-m", "512", "-serial", "stdio",
        "-kernel", str(kernel), "-initrd", str(initramfs), "-append", COMMAND_LINE,
        "-netdev", "user,id=n0,ipv4=on,ipv6=on", "-device", "virtio-net-pci,netdev=n0,romfile=",
    ]  # fmt: skip
