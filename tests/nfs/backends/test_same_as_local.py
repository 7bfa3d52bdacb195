"""``memory`` does what the kernel does: random operations of several users on both, compared.

``local`` works in a temporary directory, and takes the identity of each user, so this needs root.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from oncrpc.nfs.acls import AclEntry, Acls, AclTag, valid_entries
from oncrpc.nfs.backends.local.local import LocalFileSystem
from oncrpc.nfs.backends.memory import MemoryFileSystem
from oncrpc.nfs.filesystem import NOW, FileSystem, Identity, NewAttributes, Now
from oncrpc.programs.nfs3 import ftype3
from support.file_system_rules import SUPER_USER
from support.file_user import FileUser
from support.identity_rules import ALICE, BOB
from support.two_file_systems import Pair, TwoFileSystems, Users

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to work as several users"),
]
WHO = (SUPER_USER, ALICE, BOB)
PHASES = [Phase.generate, Phase.shrink]
SECOND = 1_000_000_000
PROTECTED = Path("/proc/sys/fs/protected_hardlinks")
TOO_LONG = b"n" * 256
GROUPS = (0, ALICE.gid, *ALICE.groups, BOB.gid)
TARGETS = [b"a", b"../b", b"t" * 4095, b"t" * 4096, b""]
SPECIAL = [ftype3.NF3FIFO, ftype3.NF3SOCK, ftype3.NF3CHR, ftype3.NF3BLK]

names = st.sampled_from([b"a", b"b", b"c", b"d", b"n" * 255, TOO_LONG])
modes = st.sampled_from([0o777, 0o1777, 0o2777, 0o755, 0o700, 0o2770, 0o644]) | st.integers(
    0, 0o7777
)
sizes = st.sampled_from([0, 1, 4095, 4097, 1 << 33])
times: st.SearchStrategy[int | Now] = st.just(NOW) | st.integers(1, SECOND * SECOND - 1)
owners = st.sampled_from([who.uid for who in WHO])
groups = st.sampled_from(GROUPS)
people, numbers = st.sampled_from(WHO), st.integers(0, 63)
data = st.binary(min_size=1, max_size=20)


def setting(**strategies: st.SearchStrategy[Any]) -> st.SearchStrategy[NewAttributes]:
    """Any of these attributes, or all."""
    chosen = st.fixed_dictionaries({}, optional=strategies)
    return chosen.map(lambda values: NewAttributes(**values))


changes = st.one_of(
    setting(mode=modes),
    setting(uid=owners),
    setting(gid=groups),
    setting(size=sizes),
    setting(atime=times, mtime=times),
    setting(mode=modes, uid=owners, gid=groups, size=sizes, mtime=times),
)
births = setting(mode=modes) | changes


tags = st.sampled_from([AclTag.USER, AclTag.GROUP])
ids = st.sampled_from([*(who.uid for who in WHO), *GROUPS])
permissions = st.sampled_from([0, 1, 3, 4, 5, 6, 7])
named = st.lists(st.builds(AclEntry, tags, ids, permissions), max_size=4)


@st.composite
def valid_lists(draw: st.DrawFn) -> tuple[AclEntry, ...]:
    """A valid list, with a mask if it needs one, and sometimes without need."""
    entries = draw(named)
    entries += [
        AclEntry(tag, 0, draw(permissions))
        for tag in (AclTag.USER_OBJ, AclTag.GROUP_OBJ, AclTag.OTHER)
    ]
    if len(entries) > 3 or not draw(numbers) % 4:
        entries.append(AclEntry(AclTag.MASK, 0, draw(permissions)))
    return valid_entries(entries)


either = st.none() | st.just(()) | valid_lists()
lists = st.builds(Acls, valid_lists(), st.none()) | st.builds(Acls, either, either)


class SameAsLocal(RuleBasedStateMachine):
    """Files are drawn from all that were ever seen, so that many are stale."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="same-as-local-"))
        self.folder.chmod(0o777)
        self.runner = asyncio.Runner()
        self.ours: FileSystem = MemoryFileSystem(
            mode=0o777, protected_hardlinks=PROTECTED.read_text() == "1\n"
        )
        self.theirs: FileSystem = LocalFileSystem(str(self.folder), sync=False)
        self.both = TwoFileSystems(self.users(SUPER_USER))

    def users(self, who: Identity) -> Users:
        return Users(
            FileUser(self.ours, who, runner=self.runner),
            FileUser(self.theirs, who, runner=self.runner),
        )

    def teardown(self) -> None:
        self.theirs.close()
        self.runner.close()
        shutil.rmtree(self.folder)

    def call(self, who: Identity, what: str, *arguments: object) -> None:
        self.both.call(self.users(who), what, *arguments)

    def file(self, number: int) -> Pair:
        return self.both.known[number % len(self.both.known)]

    def place(self, number: int) -> Pair:
        """Mostly a directory."""
        found = self.both.directories
        return found[number % len(found)] if number % 8 else self.file(number)

    @rule(who=people, place=numbers, name=names, new=births)
    def create(self, who: Identity, place: int, name: bytes, new: NewAttributes) -> None:
        self.call(who, "create", self.place(place), name, new)

    @rule(who=people, place=numbers, name=names, new=births)
    def mkdir(self, who: Identity, place: int, name: bytes, new: NewAttributes) -> None:
        self.call(who, "mkdir", self.place(place), name, new._replace(size=None))

    @rule(who=people, place=numbers, name=names, text=st.sampled_from(TARGETS))
    def symlink(self, who: Identity, place: int, name: bytes, text: bytes) -> None:
        self.call(who, "symlink", self.place(place), name, text)

    @rule(who=people, place=numbers, name=names, kind=st.sampled_from(SPECIAL), mode=modes)
    def mknod(self, who: Identity, place: int, name: bytes, kind: ftype3, mode: int) -> None:
        self.call(who, "mknod", self.place(place), name, kind, NewAttributes(mode=mode))

    @rule(who=people, number=numbers, place=numbers, name=names)
    def link(self, who: Identity, number: int, place: int, name: bytes) -> None:
        self.call(who, "link", self.file(number), self.place(place), name)

    @rule(who=people, place=numbers, name=names)
    def remove(self, who: Identity, place: int, name: bytes) -> None:
        self.call(who, "remove", self.place(place), name)

    @rule(who=people, place=numbers, name=names)
    def rmdir(self, who: Identity, place: int, name: bytes) -> None:
        self.call(who, "rmdir", self.place(place), name)

    @rule(who=people, place=numbers, name=names, to_place=numbers, to_name=names)
    def rename(self, who: Identity, place: int, name: bytes, to_place: int, to_name: bytes) -> None:
        self.call(who, "rename", self.place(place), name, self.place(to_place), to_name)

    @rule(who=people, number=numbers, new=changes)
    def setattr(self, who: Identity, number: int, new: NewAttributes) -> None:
        self.call(who, "setattr", self.file(number), new)

    @rule(who=people, number=numbers, new=lists)
    def set_acl(self, who: Identity, number: int, new: Acls) -> None:
        self.call(who, "set_acl", self.file(number), new)

    @rule(who=people, number=numbers, written=data, offset=sizes)
    def write(self, who: Identity, number: int, written: bytes, offset: int) -> None:
        self.call(who, "write", self.file(number), written, offset)

    @rule(who=people, number=numbers, offset=sizes, count=st.sampled_from([1, 5000]))
    def read(self, who: Identity, number: int, offset: int, count: int) -> None:
        self.call(who, "read", self.file(number), offset, count)

    @rule(who=people, number=numbers, what=st.sampled_from(["readlink", "access", "raw_names"]))
    def look(self, who: Identity, number: int, what: str) -> None:
        self.call(who, what, self.file(number))

    @rule(who=people, place=numbers, name=names)
    def lookup(self, who: Identity, place: int, name: bytes) -> None:
        self.call(who, "lookup", self.place(place), name)

    @rule(who=people, number=numbers)
    def parent(self, who: Identity, number: int) -> None:
        """The server never asks for the directory above the root."""
        if (file := self.file(number)) != self.both.known[0]:
            self.call(who, "parent", file)

    @invariant()
    def same_tree(self) -> None:
        self.both.compare()


SameAsLocalTest = SameAsLocal.TestCase
SameAsLocalTest.settings = settings(
    stateful_step_count=40, report_multiple_bugs=False, phases=PHASES
)
