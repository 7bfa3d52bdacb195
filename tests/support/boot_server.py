"""MOUNT and NFS with a file to boot from, for a boot loader over UDP.

Run within a namespace, ``python -m support.boot_server 2 3`` serves these versions of NFS,
registers them, and prints ``ready``. When its standard input ends it prints the procedures that
were called, by version and name, as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from oncrpc.aio.serve import serve
from oncrpc.nfs.backends.memory import MemoryFileSystem
from oncrpc.nfs.filesystem import NewAttributes
from oncrpc.nfs.handles import Handles
from oncrpc.nfs.server.duplicates import NfsDuplicates
from oncrpc.nfs.server.mount import MountProgram
from oncrpc.nfs.server.mount_list import MountList
from oncrpc.nfs.server.nfs2 import Nfs2
from oncrpc.nfs.server.nfs3 import Nfs3
from oncrpc.nfs.server.shares import Share, Shares
from oncrpc.programs.nfs3 import stable_how
from oncrpc.rpc import Call, Service
from support.exported import OPTIONS, ROOT, SameRules

IMAGE = bytes(range(251)) * 1201
"""300 KB, whose length is no multiple of a READ."""

SERVED = {2: Nfs2, 3: Nfs3}


def exported(*, padded: bool = False) -> Shares:
    """``/srv/boot/image``, and ``/srv/boot/current``, a link to it."""
    files, readable = MemoryFileSystem(), NewAttributes(mode=0o644)
    boot = files.mkdir(ROOT, files.root, b"boot", NewAttributes(mode=0o755))
    image = files.create(ROOT, boot, b"image", readable)
    files.write(ROOT, image, 0, IMAGE, stable=stable_how.FILE_SYNC)
    files.symlink(ROOT, boot, b"current", b"image", readable)
    shares = Shares(Handles(bytes(range(32)), padded=padded))
    rules = SameRules(OPTIONS._replace(secure=False, sec=("sys", "none")))
    shares.replace([Share(1, b"/srv", files, rules, fsid=1)])
    return shares


async def main(versions: list[int]) -> None:
    """Serve until the standard input ends."""
    shares, called = exported(padded=2 not in versions), Counter[str]()

    @contextmanager
    def count(call: Call) -> Iterator[None]:
        called[f"{call.procedure.version.vers} {call.procedure.name}"] += 1
        yield

    services: list[Service] = [SERVED[version](shares) for version in versions]
    services += MountProgram(shares, MountList()).services()
    async with serve(
        *services, transports=["udp"], host="0.0.0.0", port=2049, register=True,
        duplicates=NfsDuplicates(), hooks=[count],
    ):  # fmt: skip
        print("ready", flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    print(json.dumps(called), flush=True)


if __name__ == "__main__":
    asyncio.run(main([int(version) for version in sys.argv[1:]]))
