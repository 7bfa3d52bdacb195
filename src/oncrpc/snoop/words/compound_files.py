"""The files of an NFS 4 COMPOUND, and the handles of these files in its reply."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from oncrpc.errors import XdrError
from oncrpc.programs import nfs4
from oncrpc.programs.nfs4 import nfs_opnum4
from oncrpc.snoop.words.cursor import Cursor, CutShort
from oncrpc.snoop.words.nfs4 import MAX_OPERATIONS
from oncrpc.snoop.words.nfs4_arguments import claimed_name
from oncrpc.snoop.words.nfs4_values import name
from oncrpc.xdr import codec

Operation = TypeVar("Operation", nfs4.nfs_argop4, nfs4.nfs_resop4)


class CompoundFiles:
    """Follows the current and the saved file through the operations of a call.

    ``files`` are the paths that are removed, renamed or linked; without any, the last current file.
    ``_steps`` has the current file after each operation, None if it is not known.
    """

    def __init__(self, arguments: Cursor | None, path_of: Callable[[bytes], str]) -> None:
        self._path_of = path_of
        self._current: str | None = None
        self._saved: str | None = None
        self._named: list[str] = []
        self._steps: list[str | None] = []
        for operation in operations_of_call(arguments):
            self._follow(operation)
            self._steps.append(self._current)
        last = () if self._current is None else (self._current,)
        self.files = tuple(self._named) or last

    def handles(self, results: Cursor | None) -> Iterator[tuple[bytes, str]]:
        """The handles that GETFH returns, with the paths of their files."""
        for operation, path in zip(_operations_of_reply(results), self._steps, strict=False):
            match operation.body:
                case nfs4.GETFH4res(body=nfs4.GETFH4resok(object=handle)) if path is not None:
                    yield handle, path

    def _follow(self, operation: nfs4.nfs_argop4) -> None:
        match operation.argop:
            case nfs_opnum4.OP_PUTROOTFH:
                self._current = "/"
            case nfs_opnum4.OP_LOOKUPP | nfs_opnum4.OP_PUTPUBFH | nfs_opnum4.OP_OPENATTR:
                self._current = None
            case nfs_opnum4.OP_SAVEFH:
                self._saved = self._current
            case nfs_opnum4.OP_RESTOREFH:
                self._current = self._saved
        self._take_names(operation.body)

    def _take_names(self, arguments: object) -> None:
        match arguments:
            case nfs4.PUTFH4args(object=handle):
                self._current = self._path_of(handle)
            case nfs4.LOOKUP4args(objname=component) | nfs4.CREATE4args(objname=component):
                self._current = self._in_current(name(component))
            case nfs4.OPEN4args(claim=claim) if claimed_name(claim):
                self._current = self._in_current(claimed_name(claim))
            case nfs4.REMOVE4args(target=component):
                self._named.append(self._in_current(name(component)))
            case nfs4.RENAME4args(oldname=old, newname=new):
                self._named += [joined(self._saved, name(old)), self._in_current(name(new))]
            case nfs4.LINK4args(newname=new):
                saved = [] if self._saved is None else [self._saved]
                self._named += [*saved, self._in_current(name(new))]

    def _in_current(self, component: str) -> str:
        return joined(self._current, component)


def operations_of_call(arguments: Cursor | None) -> Iterator[nfs4.nfs_argop4]:
    """The operations of a call, as far as they were captured whole."""
    if arguments is None:
        return
    try:
        arguments.skip_opaque()  # the tag
        arguments.skip(4)  # the minor version
        yield from _operations(arguments, nfs4.nfs_argop4)
    except CutShort:
        return


def _operations_of_reply(results: Cursor | None) -> Iterator[nfs4.nfs_resop4]:
    if results is None:
        return
    try:
        results.skip(4)  # the status
        results.skip_opaque()  # the tag
        yield from _operations(results, nfs4.nfs_resop4)
    except CutShort:
        return


def _operations(cursor: Cursor, declared: type[Operation]) -> Iterator[Operation]:
    for _ in range(min(cursor.uint(), MAX_OPERATIONS)):
        try:
            operation, cursor.at = codec(declared).decode_from(cursor.data, cursor.at)
        except XdrError:
            return
        yield operation


def joined(directory: str | None, component: str) -> str:
    """The path of a name in a directory."""
    return component if directory is None else f"{directory.rstrip('/')}/{component}"
