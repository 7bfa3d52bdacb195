"""The programs that can be read: their declarations, and the words for those that have some."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from importlib import import_module
from importlib.util import module_from_spec, spec_from_loader
from itertools import count
from types import ModuleType
from typing import TYPE_CHECKING, NamedTuple, Protocol

from oncrpc.snoop.words.declared import OPEN, PROCEDURES, STATUSES

if TYPE_CHECKING:
    from oncrpc.rpc import Version
    from oncrpc.rpc.program import AnyProcedure
    from oncrpc.snoop.words.cursor import Cursor

Key = tuple[int, int]
"""A program and its version."""


class StatusPlan(NamedTuple):
    """How to find the status of a result: bytes and opaque values before it, and its type.

    ``names`` are those of the numbers. A number without a name is invalid unless the type is open.
    """

    before: tuple[int | None, ...]
    type_name: str
    names: Mapping[int, str]
    is_open: bool


class DescribedProcedure(NamedTuple):
    """The name of a procedure, and the plan of its status, None if it has none."""

    name: str
    plan: StatusPlan | None


class Words(Protocol):
    """The words for a version of a program: a ``Wording``, or what reads more than templates."""

    def call(self, number: int, cursor: Cursor) -> str | None:
        """The line of a call, whose arguments are at the cursor."""

    def reply(self, number: int, cursor: Cursor) -> str | None:
        """The line of a reply, whose results are at the cursor."""


WORDS: dict[Key, str] = {
    (100000, 2): "mapper.PORTMAP",
    (100000, 3): "mapper.RPCBIND_3",
    (100000, 4): "mapper.RPCBIND_4",
    (100001, 1): "small_programs.RSTAT_1",
    (100001, 2): "small_programs.RSTAT",
    (100001, 3): "small_programs.RSTAT",
    (100001, 4): "small_programs.RSTAT_4",
    (100001, 5): "small_programs.RSTAT",
    (100002, 2): "small_programs.RUSERS",
    (100002, 3): "small_programs.RUSERS",
    (100003, 2): "nfs2.NFS_2",
    (100003, 3): "nfs3.NFS_3",
    (100003, 4): "nfs4.NFS_4",
    (100004, 2): "nis.NIS",
    (100005, 1): "mount.MOUNT_1",
    (100005, 2): "mount.MOUNT_2",
    (100005, 3): "mount.MOUNT_3",
    (100007, 2): "nis.NISBIND",
    (100008, 1): "small_programs.RWALL",
    (100011, 1): "rquota.RQUOTA_1",
    (100011, 2): "rquota.RQUOTA_2",
    (100012, 1): "small_programs.SPRAY",
    (100021, 1): "locks.NLM_1",
    (100021, 2): "locks.NLM_2",
    (100021, 3): "locks.NLM_3",
    (100021, 4): "locks.NLM_4",
    (100024, 1): "locks.STATMON",
    (100026, 1): "small_programs.BOOTPARAM",
    (100227, 2): "nfsacl.NFSACL_2",
    (100227, 3): "nfsacl.NFSACL_3",
    (0x40000000, 1): "nfs4.NFS_4_CALLBACK",
}
"""The words for each version: a module of this package, and a name in it.

A module is loaded for the first message that needs it.
"""

DECLARED = {
    100000: ("portmap", "rpcb"),
    100001: ("rstat",),
    100002: ("rusers",),
    100003: ("nfs3", "nfs2", "nfs4"),
    100004: ("yp",),
    100005: ("mount",),
    100007: ("yp",),
    100008: ("rwall",),
    100011: ("rquota",),
    100012: ("spray",),
    100021: ("nlm",),
    100024: ("sm_inter",),
    100026: ("bootparam",),
    100227: ("nfsacl",),
    395183: ("vxi11",),
    395184: ("vxi11",),
    395185: ("vxi11",),
    0x40000000: ("nfs4",),
}
"""The modules of ``oncrpc.programs`` that declare a program.

They are loaded in this order until one declares the version of a message.
"""

LOADED_ON_DEMAND = (
    "oncrpc.snoop.words.attributes4",
    "oncrpc.snoop.words.bodies",
    "oncrpc.snoop.words.callbacks",
    "oncrpc.snoop.words.outcomes",
)
"""Other modules that are loaded for the first message that needs them."""

UNIX_NAMES = "stat"
"""The type of NFS 2 with the names of Unix, which MOUNT 1 and 2 use as numbers (RFC 1094 §A.5)."""

MAX_CALLBACK_PROGRAMS = 1024
"""Program numbers of NFS 4 callbacks that are remembered; later ones are ignored."""


class KnownPrograms:
    """The programs that rpcsnoop knows. Cache: loaded declarations and words, never dropped."""

    def __init__(self) -> None:
        self._versions: dict[Key, type[Version]] = {}
        self._words: dict[Key, Words | None] = {}
        self._loaded: set[str] = set()
        self._callbacks: set[int] = set()
        self._added: set[Key] = set()

    def add_interface(self, path: str) -> None:
        """Take the programs of an interface file too; they come before those of the package.

        Raises:
            ImportError: it cannot be read or compiled; the text says why.
        """
        for version in versions_of(_interface(path)):
            self.version(version.prog, version.vers)
            self._versions[version.prog, version.vers] = version
            self._words[version.prog, version.vers] = None
            self._added.add((version.prog, version.vers))

    def add_callback(self, prog: int) -> None:
        """Add a program number that an NFS 4 client has chosen for callbacks."""
        if len(self._callbacks) < MAX_CALLBACK_PROGRAMS:
            self._callbacks.add(prog)

    def is_callback(self, prog: int) -> bool:
        """True for a number that an NFS 4 client has chosen for callbacks."""
        return prog in self._callbacks

    def version(self, prog: int, vers: int) -> type[Version] | None:
        """The declaration of a version, None if it is not known."""
        prog = self._declared(prog)
        found = self._versions.get((prog, vers))
        return found if found is not None else self._load(prog, vers)

    def _load(self, prog: int, vers: int) -> type[Version] | None:
        """Load modules of a program until a version is found."""
        for name in DECLARED.get(prog, ()):
            if (prog, vers) in self._versions:
                break
            if name not in self._loaded:
                self._loaded.add(name)
                for found in versions_of(import_module(f"oncrpc.programs.{name}")):
                    self._versions.setdefault((found.prog, found.vers), found)
        return self._versions.get((prog, vers))

    def load(self) -> None:
        """Load all declarations and words now, instead of each at its first message."""
        for prog in DECLARED:
            self._load(prog, 0)
        for prog, vers in WORDS:
            self.words(prog, vers)
        for name in LOADED_ON_DEMAND:
            import_module(name)

    def procedure(self, prog: int, vers: int, proc: int) -> AnyProcedure | None:
        """The declaration of a procedure, None if it is not known."""
        version = self.version(prog, vers)
        return version.procedures.get(proc) if version else None

    def described(self, prog: int, vers: int, proc: int) -> DescribedProcedure | None:
        """The description of a procedure, None if it is not known; loads no declaration."""
        key = self._declared(prog), vers
        if key in self._added:
            from oncrpc.snoop.words.declarations import described  # only for interface files

            procedure = self._versions[key].procedures.get(proc)
            return None if procedure is None else described(procedure)
        found = PROCEDURES.get(key, {}).get(proc)
        return None if found is None else _described(*found)

    def words(self, prog: int, vers: int) -> Words | None:
        """The words for a version, None if it has none of its own."""
        key = (self._declared(prog), vers)
        if key not in self._words and key in WORDS:
            self._words[key] = words_of(key)
        return self._words.get(key)

    def _declared(self, prog: int) -> int:
        return 0x40000000 if prog in self._callbacks else prog


def unix_plan(before: tuple[int | None, ...]) -> StatusPlan:
    """The plan of a status that is a number of Unix, with the names of NFS 2."""
    return StatusPlan(before, "", STATUSES[UNIX_NAMES], is_open=False)


def _described(
    name: str, before: tuple[int | None, ...], type_name: str | None
) -> DescribedProcedure:
    """The description from the values of the table; a status without a type is of Unix."""
    if type_name is None:
        return DescribedProcedure(name, None)
    if not type_name:
        return DescribedProcedure(name, unix_plan(before))
    plan = StatusPlan(before, type_name, STATUSES[type_name], type_name in OPEN)
    return DescribedProcedure(name, plan)


def words_of(key: Key) -> Words:
    """The words for a version that is in ``WORDS``."""
    module, _, name = WORDS[key].partition(".")
    words: Words = getattr(import_module(f"oncrpc.snoop.words.{module}"), name)
    return words


_numbers = count()


def _interface(path: str) -> ModuleType:
    """The module of an interface file, under a name that no other module has."""
    from oncrpc.importer import InterfaceLoader  # its import changes how modules are found

    name = f"_interface_{next(_numbers)}"
    spec = spec_from_loader(name, InterfaceLoader(path), origin=path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = module_from_spec(spec)  # annotations are looked up there
    try:
        spec.loader.exec_module(module)
    except ImportError:
        del sys.modules[name]
        raise
    return module


def versions_of(module: ModuleType) -> Iterator[type[Version]]:
    """The versions that a generated module declares."""
    from oncrpc.rpc import Version  # loads the codec, which only declarations need

    for item in vars(module).values():
        if isinstance(item, type) and issubclass(item, Version) and item is not Version:
            yield item
