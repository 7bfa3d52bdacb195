"""Mount programs in one process: a list to show, an empty one, and one for each kind of fault.

Run within a namespace, ``python -m support.mount_programs KIND`` registers the program of that kind
with the port mapper, writes a line when that is done, and serves until its standard input ends.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping

from oncrpc import rpc, sync
from oncrpc.nfs.handles import Handles
from oncrpc.nfs.server.mount import MountProgram
from oncrpc.nfs.server.mount_list import MountList
from oncrpc.nfs.server.shares import Shares
from oncrpc.programs.mount import (
    MOUNT_V3,
    MOUNTPROG,
    MOUNTVERS,
    MOUNTVERS_POSIX,
    exportnode,
    groupnode,
    mountbody,
)
from support.faulty_programs import BEHAVIOURS, WILDCARDS
from support.mount_site import share
from support.scripted_server import Handle, Server, serving

EXPORTS: list[tuple[bytes, list[bytes]]] = [
    (b"/srv/with space", [b"*"]),
    (b"/srv", [b"192.0.2.0/24", b"*.example.com", b"@group"]),
    (b"/everyone", []),
    (b"/" + b"long" * 30, [b"2001:db8::/32"]),
    (b"/srv", [b"again"]),
    (b"/\xc3\xbc", [b"b", b"a"]),
]
MOUNTS = [
    (b"b.example", b"/srv"), (b"a.example", b"/z"), (b"a.example", b"/b"), (b"b.example", b"/a"),
    (b"a.example", b"/b"), (b"2001:db8::1", b"/srv"), (b"192.0.2.10", b"/srv"),
    (b"192.0.2.9", b"/srv"), (b"a", b"/x"), (b"a.b", b"/a:b"), (b"\xc3\xbc", b"/\xc3\xbc"),
    (b"a", b"/"), (b"a-b", b"/srv"), (b"B", b"/A"),
]  # fmt: skip


class Listed:
    """EXPORT and DUMP of some lists."""

    def __init__(
        self,
        exports: list[tuple[bytes, list[bytes]]] = EXPORTS,
        mounts: list[tuple[bytes, bytes]] = MOUNTS,
    ) -> None:
        self.listed = [exportnode(path, [*map(groupnode, names)]) for path, names in exports]
        self.mounted = [mountbody(host, directory) for host, directory in mounts]

    def MOUNTPROC_EXPORT(self, call: rpc.Call) -> list[exportnode]:
        return self.listed

    def MOUNTPROC_DUMP(self, call: rpc.Call) -> list[mountbody]:
        return self.mounted

    MOUNTPROC3_EXPORT, MOUNTPROC3_DUMP = MOUNTPROC_EXPORT, MOUNTPROC_DUMP


class Listed1(Listed, MOUNTVERS.Service):
    """Version 1."""


class Listed2(Listed, MOUNTVERS_POSIX.Service):
    """Version 2."""


class Listed3(Listed, MOUNT_V3.Service):
    """Version 3."""


def ours() -> Handle:
    """Our mount program, with two exports and some mounts."""
    shares, mounts = Shares(Handles(bytes(32))), MountList()
    shares.replace(
        [share(b"/srv", groups=["192.0.2.0/24", "@staff"]), share(b"/srv/all", tag=8, groups=[])]
    )
    for host, directory in MOUNTS:
        if host.isascii():
            mounts.add(host.decode(), directory, proven=True)
    return serving(*MountProgram(shares, mounts).services())


KINDS: Mapping[str, Handle] = {
    **BEHAVIOURS,
    "lists": serving(Listed1(), Listed2(), Listed3()),
    "empty": serving(Listed3([], [])),
    "old": serving(Listed1(), Listed2()),
    "oldest": serving(Listed1()),
    "ours": ours(),
    "null": serving(MOUNT_V3.Service()),
}
"""The handle of each kind of program; those of ``faulty_programs`` have no list."""


def serve(kind: str, netids: list[str]) -> Server:
    """A server of the program on some transports, registered in all versions."""
    server = Server(KINDS[kind])
    for netid in netids:
        host = WILDCARDS[netid]
        port = server.tcp(host) if netid.startswith("tcp") else server.udp(host)
        for vers in (1, 2, 3):
            uaddr = f"{host}.{port >> 8}.{port & 255}"
            assert sync.rpcbind.set(MOUNTPROG, vers, netid, uaddr)
    return server


if __name__ == "__main__":
    with serve(sys.argv[1], sys.argv[2:] or list(WILDCARDS)):
        print("ready", flush=True)
        sys.stdin.read()
