"""Random operations have the same results on an overlay and on one file system."""

from __future__ import annotations

import asyncio
from random import Random

from hypothesis import settings

from nfs.backends.test_same_as_local import PHASES, SameAsLocal
from nfs.backends.test_same_as_local import pytestmark as OF_LOCAL
from oncrpc.nfs.backends.memory import MemoryFileSystem
from oncrpc.nfs.backends.overlay import OverlayFileSystem
from oncrpc.nfs.filesystem import NewAttributes
from oncrpc.programs.nfs3 import ftype3
from support.file_system_rules import SUPER_USER
from support.file_user import FileUser
from support.identity_rules import ALICE, BOB
from support.two_file_systems import TwoFileSystems

pytestmark = OF_LOCAL
NAMES = [b"a", b"b", b"c", b"d"]


def filled(runner: asyncio.Runner) -> MemoryFileSystem:
    """A file system with the names that the operations use, the same each time."""
    chance, files = Random(1), MemoryFileSystem(mode=0o777)
    me = FileUser(files, SUPER_USER, runner=runner)
    directories = [files.root]
    for number in range(12):
        above, name = directories[number // 4], NAMES[number % 4]
        owner = chance.choice([0, ALICE.uid, BOB.uid])
        new = NewAttributes(mode=chance.choice([0o777, 0o755, 0o640]), uid=owner, mtime=number + 1)
        kind = number % 3
        if kind == 0:
            directories.append(me.mkdir(above, name, new))
        elif kind == 1:
            me.write(me.create(above, name, new), b"text %d" % number)
        elif number % 2:
            me.symlink(above, name, b"../a")
        else:
            me.mknod(above, name, ftype3.NF3FIFO, new, device=(0, 0))
    return files


class SameAsMemory(SameAsLocal):
    """An overlay of a filled lower layer, and a file system that is filled in the same way."""

    def __init__(self) -> None:
        super().__init__()
        self.theirs.close()
        self.ours = OverlayFileSystem(filled(self.runner), MemoryFileSystem())
        self.theirs = filled(self.runner)
        self.both = TwoFileSystems(self.users(SUPER_USER))

    def teardown(self) -> None:
        self.ours.close()
        super().teardown()


SameAsMemoryTest = SameAsMemory.TestCase
SameAsMemoryTest.settings = settings(
    max_examples=settings().max_examples // 4,
    stateful_step_count=40,
    report_multiple_bugs=False,
    phases=PHASES,
)
