"""The files of the registry, byte by byte, and the records read from damaged ones."""

from __future__ import annotations

from typing import Any
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oncrpc.daemon.state.records import ENTRIES, FRAME_SIZE, FormatError, TableOperation, header
from oncrpc.portmap.store import FORM
from oncrpc.portmap.store import RegistryChange as Change
from oncrpc.programs.rpcb import rpcb
from support.callers import registered
from support.words import words

BOOT = b"a boot"
FIRST = registered(400001, 1)
SECOND = registered(400002, 1, "udp", "0.0.0.0.8.2", "103")
HISTORY: list[Any] = [
    Change(1, TableOperation.SET, [FIRST]),
    Change(2, TableOperation.SET, [SECOND]),
    Change(3, TableOperation.UNSET, [FIRST]),
    Change(4, TableOperation.SET, [FIRST]),
]


def pieces() -> list[bytes]:
    """The records of a journal."""
    changes = [FORM.change(c.number, c.operation, c.entries) for c in HISTORY]
    return [header(BOOT, 0), *changes]


JOURNAL = b"".join(pieces())
PIECES = pieces()


def framed(payload: bytes) -> bytes:
    """A record as the documentation draws it."""
    sums = len(payload).to_bytes(4, "big") + crc32(payload).to_bytes(4, "big")
    return sums + crc32(sums).to_bytes(4, "big") + payload


def test_header_has_mark_boot_and_two_numbers() -> None:
    payload = b"oncrpc\0S" + words(1, 6, b"a boot\0\0", 0, 7, 2)

    assert header(BOOT, 7, 2) == framed(payload)


def test_change_has_number_operation_and_registrations() -> None:
    payload = words(
        0, 9, 2, 1,
        400001, 1, 3, b"tcp\0", 11, b"0.0.0.0.8.1\0", 9, b"superuser\0\0\0",
    )  # fmt: skip

    assert FORM.change(9, TableOperation.UNSET, [FIRST]) == framed(payload)


def test_written_records_are_read_back() -> None:
    found = FORM.read(JOURNAL)

    assert (found.header.boot, found.header.number) == (BOOT, 0)
    assert found.changes == HISTORY
    assert (found.torn, found.damage) == (False, "")


def test_a_snapshot_has_all_registrations_in_order() -> None:
    entries = [registered(400000 + number, 1) for number in range(2 * ENTRIES + 1)]

    found = FORM.read(b"".join(FORM.snapshot(BOOT, 9, entries)))

    assert [entry for change in found.changes for entry in change.entries] == entries
    assert [len(change.entries) for change in found.changes] == [ENTRIES, ENTRIES, 1]
    assert (found.header.number, found.header.count) == (9, len(entries))


@pytest.mark.parametrize("size", range(len(JOURNAL)))
def test_truncated_file_yields_every_whole_record(size: int) -> None:
    ends = [sum(map(len, PIECES[: count + 1])) for count in range(len(PIECES))]
    whole = sum(end <= size for end in ends)
    if not whole:
        with pytest.raises(FormatError, match="it has no header"):
            FORM.read(JOURNAL[:size])
        return

    found = FORM.read(JOURNAL[:size])

    assert found.changes == HISTORY[: whole - 1]
    assert found.torn is (size not in ends)
    assert found.damage == ""


@given(st.integers(0, len(JOURNAL) - 1), st.integers(1, 255))
def test_damaged_byte_never_looks_like_truncation(at: int, bits: int) -> None:
    damaged = bytearray(JOURNAL)
    damaged[at] ^= bits
    if at < len(PIECES[0]):
        with pytest.raises(FormatError):
            FORM.read(bytes(damaged))
        return

    found = FORM.read(bytes(damaged))

    assert found.damage.endswith("is damaged")
    assert not found.torn
    assert found.changes == HISTORY[: len(found.changes)]


@given(st.binary())
def test_any_bytes_are_records_or_format_error(data: bytes) -> None:
    for junk in (data, PIECES[0] + data, framed(data), PIECES[0] + framed(data)):
        try:
            found = FORM.read(junk)
        except FormatError:
            continue
        assert found.header.boot == BOOT


def test_a_snapshot_that_lacks_registrations_is_damaged() -> None:
    entries = [registered(400000 + number, 1) for number in range(ENTRIES + 1)]
    made = list(FORM.snapshot(BOOT, 9, entries))

    assert FORM.read(b"".join(made[:-1])).damage == f"{ENTRIES} registrations of {ENTRIES + 1}"


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"oncrpc\0S" + words(2, 99), "format has version 2, and this program reads only 1"),
        (b"another " + words(1, 0, 0, 0, 0), "not a state file"),
        (b"oncrpc\0S" + words(1, 0), "header is malformed"),
        (b"", "header is malformed"),
    ],
)
def test_foreign_header_is_refused_with_the_reason(payload: bytes, reason: str) -> None:
    with pytest.raises(FormatError, match=reason):
        FORM.read(framed(payload))


def test_an_operation_that_does_not_exist_is_damage() -> None:
    found = FORM.read(PIECES[0] + framed(words(0, 1, 3, 0)))

    assert found.changes == []
    assert "operation" in found.damage


def test_empty_frame_has_the_declared_size() -> None:
    assert len(framed(b"")) == FRAME_SIZE


def test_registration_is_written_unchanged() -> None:
    entry = rpcb(1, 2, b"TCP", b"\xff", b"")

    assert FORM.read(PIECES[0] + FORM.change(1, TableOperation.SET, [entry])).changes[
        0
    ].entries == [entry]
