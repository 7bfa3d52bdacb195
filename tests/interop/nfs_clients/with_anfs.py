"""Reads and writes through anfs: ``with_anfs.py HOST EXPORT``."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from anfs.protocol.nfs3.common.factory import NFS3ConnectionFactory

HOST, EXPORT = sys.argv[1:]
ROOT, UNCHECKED, FILE_SYNC = 0, 0, 2


def checked(answer: tuple[Any, Exception | None]) -> Any:
    """The result of a call; an error is raised."""
    result, error = answer
    if error is not None:
        raise error
    return result


async def main() -> None:
    factory = NFS3ConnectionFactory.from_url(f"nfs://{HOST}")
    mount = factory.get_mount()
    checked(await mount.connect())
    handle = checked(await mount.mount(EXPORT))
    nfs = factory.get_client(handle)
    checked(await nfs.connect())
    found = checked(await nfs.lookup(ROOT, "hello.txt"))
    read = checked(await nfs.read(found.handle, 0, 100))
    sys.stdout.write(f"read {read.decode()}")
    made = checked(await nfs.create(ROOT, "by-anfs", UNCHECKED, mode=0o644))
    wrote = checked(await nfs.write(made.handle, 0, 4, b"anfs", FILE_SYNC))
    assert wrote["status"] == 0, wrote
    names = [checked((entry.name, error)) async for entry, error in nfs.readdir(ROOT)]
    print("listed", sorted(set(names) - {".", ".."}))
    await nfs.disconnect()
    await mount.disconnect()


asyncio.run(main())
