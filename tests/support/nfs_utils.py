"""exportfs and rpc.mountd of nfs-utils on a host with files of its own, without the kernel's nfsd.

The programs are those that are installed, or unpacked into ``build/nfs-kernel-server``.
"""

from __future__ import annotations

import shutil
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, Self

from support.hosts import Host
from support.namespace import DEADLINE, PATH, need
from support.words import words

BUILD = Path(__file__).resolve().parents[2] / "build/nfs-kernel-server/usr/sbin"
SERVER = "198.51.100.100"
MOUNTD_PORT = 2222
FEATURES = "0x3ffff 0xf"
"""What the kernel's nfsd says about itself; /proc has no such file without it."""

FILES = """
mount -t tmpfs tmpfs /var/lib/nfs
touch /var/lib/nfs/etab /var/lib/nfs/rmtab
mount -t tmpfs tmpfs /proc/fs
mkdir /proc/fs/nfsd
echo {features} > /proc/fs/nfsd/export_features
mkdir /run/etc
mount -t tmpfs tmpfs /run/etc
mkdir /run/etc/exports.d
cp /etc/netconfig /etc/protocols /etc/services /etc/passwd /etc/group /run/etc
echo hosts: files > /run/etc/nsswitch.conf
echo netgroup: files >> /run/etc/nsswitch.conf
mount --move /run/etc /etc
ip address add {server}/32 dev lo
"""
MNT, AUTH_SYS = 1, 1


class ExportfsOutput(NamedTuple):
    """What exportfs prints with ``-s``, with ``-v`` and without an option, and its complaints."""

    s: str
    v: str
    plain: str
    complaints: str


def program(name: str) -> str:
    """The path of a program of nfs-kernel-server, as it is or as unpacked."""
    return shutil.which(name, path=f"{PATH}:{BUILD}") or name


class ExportsHost(Host):
    """A host with /etc/exports, /etc/hosts and /etc/netgroup."""

    def __enter__(self) -> Self:
        if not BUILD.exists():
            need("exportfs", "rpc.mountd")
        super().__enter__()
        self.sh(FILES.format(features=FEATURES, server=SERVER))
        return self

    def write(self, path: str, text: str) -> None:
        """Write a file of the host."""
        Path(self.path(path)).write_text(text)

    def set_names(
        self, addresses: Mapping[str, str], netgroups: Mapping[str, str] | None = None
    ) -> None:
        """Give names to addresses that the host gets, and members to netgroups."""
        lines = ["127.0.0.1 localhost", *(f"{each} {name}" for each, name in addresses.items())]
        self.write("/etc/hosts", "\n".join(lines) + "\n")
        groups = [f"{name} ({member},,)\n" for name, member in (netgroups or {}).items()]
        self.write("/etc/netgroup", "".join(groups))
        for address in addresses:
            self.sh(f"ip address add {address}/32 dev lo")

    def exportfs(self, exports: str) -> ExportfsOutput:
        """What exportfs makes of a file."""
        self.write("/etc/exports", exports)
        exportfs = program("exportfs")
        complaints = self.run([exportfs, "-ra"]).stderr
        s, v, plain = (self.run([exportfs, *option]).stdout for option in (["-s"], ["-v"], []))
        return ExportfsOutput(s, v, plain, complaints)

    def start_mountd(self) -> None:
        """Start rpc.mountd, and wait until it answers."""
        self.popen([program("rpc.mountd"), "-F", "-p", str(MOUNTD_PORT)])
        deadline = time.monotonic() + DEADLINE
        while not self.serves("tcp", SERVER, MOUNTD_PORT):
            assert time.monotonic() < deadline, "rpc.mountd does not listen"

    def mnt(self, source: str, path: bytes) -> int:
        """What MNT of a path gives a client at an address, from a port that is not reserved."""
        padded = path + bytes(-len(path) % 4)
        call = words(
            0x11223344,                 # xid
            0, 2, 100005, 3, MNT,       # CALL, rpcvers, MOUNT, version 3
            AUTH_SYS, 20, 0, 0, 0, 0, 0,
            0, 0,                       # verf AUTH_NONE
            len(path),
        ) + padded  # fmt: skip
        with self.network(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind((source, 0))
            sock.settimeout(DEADLINE)
            sock.sendto(call, (SERVER, MOUNTD_PORT))
            reply = sock.recv(4096)
        assert reply[20:24] == bytes(4), "the call was not accepted"
        return int.from_bytes(reply[24:28], "big")
