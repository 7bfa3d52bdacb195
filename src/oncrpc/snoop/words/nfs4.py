"""The words for NFS, version 4, and its callbacks: COMPOUND operation by operation (RFC 7531)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from oncrpc.errors import XdrError
from oncrpc.programs import nfs4
from oncrpc.snoop.words.cursor import Cursor, CutShort
from oncrpc.snoop.words.nfs4_arguments import ARGUMENTS, CALLBACK_ARGUMENTS
from oncrpc.snoop.words.nfs4_results import said_of_result
from oncrpc.snoop.words.nfs4_values import STABLE, at, state, word_of
from oncrpc.snoop.words.templates import MORE
from oncrpc.xdr import codec

MAX_OPERATIONS = 32
"""Operations of a COMPOUND that a line shows."""

MAX_TAG = 20
"""Characters of a tag that a line shows."""


class Compound(NamedTuple):
    """COMPOUND of one direction: the words before it, its operations, and the words for one."""

    label: str
    declared: Any
    numbers: Any
    say: Callable[[int, Any], str]


def _said_of(table: Any) -> Callable[[int, Any], str]:
    def say(operation: int, args: Any) -> str:
        words = table.get(operation)
        return words(args) if words and args is not None else ""

    return say


def _said_of_results(*, callback: bool) -> Callable[[int, Any], str]:
    return lambda operation, result: said_of_result(operation, result, callback=callback)


CALL = Compound("NFS C 4", nfs4.nfs_argop4, nfs4.nfs_opnum4, _said_of(ARGUMENTS))
REPLY = Compound("NFS R 4", nfs4.nfs_resop4, nfs4.nfs_opnum4, _said_of_results(callback=False))
CALLBACK = Compound(
    "NFS C CB4", nfs4.nfs_cb_argop4, nfs4.nfs_cb_opnum4, _said_of(CALLBACK_ARGUMENTS)
)
CALLBACK_REPLY = Compound(
    "NFS R CB4", nfs4.nfs_cb_resop4, nfs4.nfs_cb_opnum4, _said_of_results(callback=True)
)


class CompoundWords:
    """The words for a version of NFS 4 or of its callbacks; it stands for a ``Wording``."""

    def __init__(self, null: str, call: Compound, reply: Compound, *, ident: bool) -> None:
        self.null, self._call, self._reply, self.ident = null, call, reply, ident

    def call(self, number: int, cursor: Cursor) -> str | None:
        """The line of a call, None if the procedure is not known."""
        if number > 1:
            return None
        if not number:
            return f"NFS C {self.null}"
        try:
            words = [self._call.label, f"({_tag(cursor)})"]
            cursor.skip(4)  # the minor version
            if self.ident:
                words.append(f"CBID={cursor.uint()}")
        except CutShort:
            return f"{self._call.label} {MORE}"
        return " ".join([*words, *_operations(self._call, cursor)])

    def reply(self, number: int, cursor: Cursor) -> str | None:
        """The line of a reply: the status, and the result of each operation."""
        if number > 1:
            return None
        if not number:
            return f"NFS R {self.null}"
        try:
            status = nfs4.nfsstat4(cursor.signed())
            words = [self._reply.label, f"({_tag(cursor)})", str(status)]
        except CutShort:
            return f"{self._reply.label} {MORE}"
        return " ".join([*words, *_operations(self._reply, cursor)])


def _tag(cursor: Cursor) -> str:
    return cursor.text()[:MAX_TAG]


def _operations(compound: Compound, cursor: Cursor) -> list[str]:
    """The words for each operation, as far as the message goes."""
    words: list[str] = []
    try:
        count = cursor.uint()
        for _ in range(min(count, MAX_OPERATIONS)):
            said, whole = _operation(compound, cursor)
            words.append(said)
            if not whole:
                return [*words, MORE]
    except CutShort:
        return [*words, MORE]
    return words if count <= MAX_OPERATIONS else [*words, MORE]


def _operation(compound: Compound, cursor: Cursor) -> tuple[str, bool]:
    """The words for the next operation, and whether it was captured whole."""
    start = cursor.at
    number = cursor.signed()
    shown = name_of_operation(compound.numbers, number)
    try:
        operation, cursor.at = codec(compound.declared).decode_from(cursor.data, start)
    except XdrError:
        return f"{shown} {_head(compound, number, cursor)}".rstrip(), False
    return f"{shown} {compound.say(number, operation.body)}".rstrip(), True


def name_of_operation(numbers: Any, number: int) -> str:
    """The name of an operation without ``OP_``."""
    try:
        return str(numbers(number)).removeprefix("OP_")
    except ValueError:
        return f"op {number}"


def _head(compound: Compound, number: int, cursor: Cursor) -> str:
    """What is said of an operation whose data was not captured whole."""
    try:
        if compound is CALL and number == nfs4.nfs_opnum4.OP_WRITE:
            return _write_head(cursor)
        if compound is REPLY and number == nfs4.nfs_opnum4.OP_READ:
            return _read_head(cursor)
        if compound in (REPLY, CALLBACK_REPLY):
            return str(nfs4.nfsstat4(cursor.signed()))
    except CutShort:
        pass
    return ""


def _write_head(cursor: Cursor) -> str:
    stateid = nfs4.stateid4(cursor.uint(), cursor.fixed(nfs4.NFS4_OTHER_SIZE))
    offset, stable = cursor.hyper(), cursor.uint()
    count = cursor.uint()
    return f"{state(stateid)} {at(offset, count)} ({word_of(STABLE, stable)})"


def _read_head(cursor: Cursor) -> str:
    status = nfs4.nfsstat4(cursor.signed())
    end = cursor.uint()
    return f"{status} ({cursor.uint()} bytes){' EOF' if end else ''}"


NFS_4 = CompoundWords("NULL4", CALL, REPLY, ident=False)
NFS_4_CALLBACK = CompoundWords("CB_NULL", CALLBACK, CALLBACK_REPLY, ident=True)
