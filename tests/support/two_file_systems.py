"""Two file systems that are used in the same way, and must behave in the same way.

A file is known by its ids in both. After each call the outcomes are compared: the ids that it
returns, its data, or its refusal. ``compare`` looks at all that is known, and at the whole tree.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeVar

from oncrpc.nfs.filesystem import Attributes
from oncrpc.nfs.status import status_of
from oncrpc.programs.nfs3 import ftype3, nfsstat3
from support.file_user import FileUser

R = TypeVar("R")
RECENT = 10**18
"""Times after this one, in 2001, are those of a clock: the two differ."""


class Pair(NamedTuple):
    """A file: its ids in the two file systems."""

    ours: bytes
    theirs: bytes


class Users(NamedTuple):
    """One user in both."""

    ours: FileUser
    theirs: FileUser


class TwoFileSystems:
    """Calls both, and compares. ``known`` are all files that were ever seen, removed ones too."""

    def __init__(self, root: Users) -> None:
        self.root = root
        top = Pair(root.ours.files.root, root.theirs.files.root)
        self.known, self.directories = [top], [top]

    def call(self, users: Users, what: str, *arguments: object) -> None:
        """Call one method of both; a ``Pair`` among the arguments becomes the id of each."""
        ours = outcome(lambda: getattr(users.ours, what)(*_those(arguments, 0)))
        theirs = outcome(lambda: getattr(users.theirs, what)(*_those(arguments, 1)))
        said = f"{what} by {users.ours.who.uid}"
        if what in RETURNS_FILE and isinstance(ours, bytes) and isinstance(theirs, bytes):
            self._learn(Pair(ours, theirs), said)
        else:
            ours, theirs = self._shown(what, ours), self._shown(what, theirs)
            assert ours == theirs, f"{said}: {ours!r}, not {theirs!r}"

    def compare(self) -> None:
        """All files that are known have the same attributes, and directories the same names."""
        for pair in self.known:
            self.call(self.root, "getattr", pair)
            self.call(self.root, "get_acl", pair)
            self.call(self.root, "raw_names", pair)

    def _shown(self, what: str, found: object) -> object:
        every = (user.files.features.counts_directories for user in self.root)
        if isinstance(found, Attributes) and found.kind is ftype3.NF3DIR and not all(every):
            found = found._replace(nlink=1)
        return shown(what, found)

    def _learn(self, pair: Pair, said: str) -> None:
        for known in self.known:
            same = known.ours == pair.ours, known.theirs == pair.theirs
            assert same in ((True, True), (False, False)), f"{said}: another file in one of both"
            if same == (True, True):
                return
        self.known.append(pair)
        if self.root.ours.getattr(pair.ours).kind is ftype3.NF3DIR:
            self.directories.append(pair)


RETURNS_FILE = {"lookup", "parent", "create", "mkdir", "symlink", "mknod"}


def outcome(call: Callable[[], R]) -> R | nfsstat3:
    """What a call returns, or how it is refused."""
    try:
        return call()
    except OSError as error:
        return status_of(error)


def shown(what: str, found: object) -> object:
    """What must agree of a result."""
    if isinstance(found, Attributes):
        return shown_attributes(found)
    if what == "raw_names" and isinstance(found, list):
        return sorted(found)
    return None if isinstance(found, bytes) and what in RETURNS_FILE else found


def shown_attributes(found: Attributes) -> dict[str, object]:
    """The attributes that must agree: not the time of access, which mounts treat differently."""
    directory = found.kind is ftype3.NF3DIR
    return {
        "kind": found.kind,
        "mode": oct(found.mode),
        "nlink": found.nlink,
        "owner": (found.uid, found.gid),
        "size": None if directory else found.size,
        "device": found.device,
        "mtime": found.mtime if found.mtime < RECENT else "recent",
    }


def _those(arguments: tuple[object, ...], which: int) -> list[object]:
    return [each[which] if isinstance(each, Pair) else each for each in arguments]
