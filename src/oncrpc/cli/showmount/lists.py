"""The lists of a mount program that may be hostile: bounded in bytes and in entries.

A list within the limit in bytes could still be a million empty entries, each of which takes more
memory than its bytes: entries are decoded one at a time, and decoding stops at the limit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeVar

from oncrpc.cli.bounded_lists import MAX_ENTRIES
from oncrpc.errors import LimitExceeded, XdrError
from oncrpc.programs.mount import MOUNT_V3, MOUNTVERS, MOUNTVERS_POSIX, dirpath, name
from oncrpc.rpc import Procedure
from oncrpc.rpc.program import AnyProcedure
from oncrpc.xdr import Bool, codec

E = TypeVar("E")
Decode = Callable[[bytes, int], tuple[E, int]]
"""Decodes a value at an offset; returns it, and where it ends."""


class ListedExport(NamedTuple):
    """An exported directory, and who may mount it; everybody if the list is empty."""

    directory: bytes
    groups: list[bytes]


class ShownMount(NamedTuple):
    """A client, and a directory that it has mounted."""

    host: bytes
    directory: bytes


class _Reader:
    """Decodes linked lists (RFC 4506 §4.19), with one limit for all entries of a reply."""

    def __init__(self) -> None:
        self.left = MAX_ENTRIES

    def chain(self, decode: Decode[E], message: bytes, offset: int) -> tuple[list[E], int]:
        """The entries, without the links between them."""
        entries: list[E] = []
        more, offset = _follows(message, offset)
        while more:
            if not self.left:
                raise LimitExceeded(f"a list of over {MAX_ENTRIES} entries")
            self.left -= 1
            entry, offset = decode(message, offset)
            entries.append(entry)
            more, offset = _follows(message, offset)
        return entries, offset

    def export(self, message: bytes, offset: int) -> tuple[ListedExport, int]:
        directory, offset = _path(message, offset)
        groups, offset = self.chain(_name, message, offset)
        return ListedExport(directory, groups), offset

    def mount(self, message: bytes, offset: int) -> tuple[ShownMount, int]:
        host, offset = _name(message, offset)
        directory, offset = _path(message, offset)
        return ShownMount(host, directory), offset


_follows: Decode[bool] = codec(Bool).decode_from
_path: Decode[bytes] = codec(dirpath).decode_from
_name: Decode[bytes] = codec(name).decode_from


class MountProcedure(Procedure[list[E]]):
    """EXPORT or DUMP; the entries are decoded by ``decode``, a method of ``_Reader``."""

    def __init__(self, procedure: AnyProcedure, decode: Callable[[_Reader], Decode[E]]) -> None:
        super().__init__(procedure.number)
        self.version, self.name, self.decode = procedure.version, procedure.name, decode

    def decode_result(self, message: bytes, offset: int) -> list[E]:
        """The entries."""
        reader = _Reader()
        entries, offset = reader.chain(self.decode(reader), message, offset)
        if offset != len(message):
            raise XdrError(self.name, offset, f"{len(message) - offset} bytes left over")
        return entries


EXPORTS = [
    MountProcedure(procedure, lambda reader: reader.export)
    for procedure in (
        MOUNT_V3.MOUNTPROC3_EXPORT, MOUNTVERS_POSIX.MOUNTPROC_EXPORT, MOUNTVERS.MOUNTPROC_EXPORT,
    )
]  # fmt: skip
MOUNTS = [
    MountProcedure(procedure, lambda reader: reader.mount)
    for procedure in (
        MOUNT_V3.MOUNTPROC3_DUMP, MOUNTVERS_POSIX.MOUNTPROC_DUMP, MOUNTVERS.MOUNTPROC_DUMP,
    )
]  # fmt: skip
"""The procedures by version, in the order in which they are called."""
