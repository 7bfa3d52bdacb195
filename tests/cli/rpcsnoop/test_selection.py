"""``oncrpc.cli.rpcsnoop.selection``: the messages that are shown, and when."""

from __future__ import annotations

from oncrpc.cli.rpcsnoop.file_filter import FileFilter
from oncrpc.cli.rpcsnoop.filters import MessageFilter, ProcedureFilter
from oncrpc.cli.rpcsnoop.selection import Selection
from oncrpc.cli.rpcsnoop.status_filter import StatusFilter
from oncrpc.programs.nfs3 import NFS_V3
from oncrpc.snoop.messages import RpcMessage
from oncrpc.snoop.words.programs import KnownPrograms
from support.wire_messages import seen_bytes, seen_reply
from support.words import words

GETATTR = seen_bytes(NFS_V3.NFSPROC3_GETATTR, b"", number=1)
REMOVE = seen_bytes(NFS_V3.NFSPROC3_REMOVE, b"", number=2)
FINE = seen_reply(GETATTR, 0, 0, 0, 0, 0, number=3)
FAILED = seen_reply(REMOVE, 0, 0, 0, 0, 2, number=4)


def selected(selection: Selection, *messages: RpcMessage) -> list[int]:
    return [each.number for message in messages for each in selection.chosen(message)]


def test_without_a_status_order_is_kept() -> None:
    selection = Selection([ProcedureFilter(["REMOVE"])], None, KnownPrograms())

    assert selected(selection, GETATTR, REMOVE, FINE, FAILED) == [2, 4]


def test_with_a_status_calls_come_with_replies() -> None:
    selection = Selection([], StatusFilter(["!OK"]), KnownPrograms())

    assert selected(selection, GETATTR, REMOVE, FINE, FAILED) == [2, 4]
    assert list(selection.rest([GETATTR])) == []


def test_second_reply_comes_without_its_call() -> None:
    again = seen_reply(REMOVE, 0, 0, 0, 0, 2, number=5, duplicate=True)
    selection = Selection([], StatusFilter(["NOENT"]), KnownPrograms())

    assert selected(selection, REMOVE, FAILED, again) == [2, 4, 5]


def test_unanswered_calls_come_at_the_end() -> None:
    again = seen_bytes(NFS_V3.NFSPROC3_REMOVE, b"", number=9, retransmission=True)
    filters = [ProcedureFilter(["REMOVE"])]
    selection = Selection(filters, StatusFilter(["unanswered"]), KnownPrograms())

    assert selected(selection, GETATTR, REMOVE, again, FINE) == []
    assert [each.number for each in selection.rest([GETATTR, REMOVE])] == [2]


def test_filters_hold_for_failed_calls_too() -> None:
    filters = [ProcedureFilter(["GETATTR"])]
    selection = Selection(filters, StatusFilter(["!OK"]), KnownPrograms())

    assert selected(selection, REMOVE, FAILED) == []


def test_names_are_learned_from_all_messages() -> None:
    lookup = seen_bytes(NFS_V3.NFSPROC3_LOOKUP, words(4, b"root", 4, b"file"))
    read = seen_bytes(NFS_V3.NFSPROC3_READ, words(4, b"hand", 0, 0, 0), number=9)
    file = FileFilter(["file"])
    filters: list[MessageFilter] = [ProcedureFilter(["READ"]), file]
    selection = Selection(filters, None, KnownPrograms(), files=file.files)

    assert selected(selection, read, seen_reply(lookup, 0, 0, 0, 0, 0, 4, b"hand"), read) == [9]
