"""A server's life with a table of handles, in a process of its own, as any user.

``begin TOP TABLE`` creates files below TOP and prints their ids; ``look TOP TABLE PATH...`` prints
those of files that exist. Then the process ends without closing the table. ``check TOP TABLE``
starts again, reads such an output, and prints what each id leads to. All print JSON.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys

from oncrpc.nfs.answers import settled
from oncrpc.nfs.backends.local.chosen import chosen_objects
from oncrpc.nfs.backends.local.local import LocalFileSystem
from oncrpc.nfs.filesystem import Identity, NewAttributes
from oncrpc.programs.nfs3 import stable_how


class Life:
    """A file system of this process, used as the user that it runs as."""

    def __init__(self, top: str, table: str) -> None:
        objects, self.reason = chosen_objects(top, table)
        self.files = LocalFileSystem(top, objects=objects, sync=False)
        self.who = Identity(os.getuid(), os.getgid())

    async def begin(self) -> dict[str, object]:
        """Create ``d/f``, write to it, and rename it and its directory."""
        root, new = self.files.root, NewAttributes(mode=0o700)
        directory = await settled(self.files.mkdir(self.who, root, b"d", new))
        file = await settled(self.files.create(self.who, directory, b"f", new))
        await settled(self.files.write(self.who, file, 0, b"written", stable=stable_how.UNSTABLE))
        await settled(self.files.rename(self.who, directory, b"f", directory, b"renamed"))
        await settled(self.files.rename(self.who, root, b"d", root, b"moved"))
        return self._report({".": root, "moved": directory, "moved/renamed": file})

    async def look(self, *paths: str) -> dict[str, object]:
        """Look files up."""
        return self._report({path: self._id_of(path) for path in paths})

    def _id_of(self, path: str) -> bytes:
        here = self.files.root
        for name in path.split("/"):
            here = self.files.lookup(self.who, here, os.fsencode(name))
        return here

    def _report(self, ids: dict[str, bytes]) -> dict[str, object]:
        return {"reason": self.reason, "ids": {path: id_.hex() for path, id_ in ids.items()}}

    async def check(self) -> dict[str, object]:
        """The inode number of each file, or the error."""
        ids = json.load(sys.stdin)["ids"]
        return {path: self._opened(bytes.fromhex(id_)) for path, id_ in ids.items()}

    def _opened(self, file: bytes) -> int | str:
        try:
            return self.files.getattr(self.who, file).fileid
        except OSError as error:
            return os.strerror(error.errno or 0)


def main(command: str, top: str, table: str, *paths: str) -> None:
    async def live() -> None:
        life = Life(top, table)
        print(json.dumps(await getattr(life, command)(*paths)), flush=True)
        os._exit(0)  # as if it were killed

    asyncio.run(live())


if __name__ == "__main__":
    main(*sys.argv[1:])
