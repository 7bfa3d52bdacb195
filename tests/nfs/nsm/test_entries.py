"""``oncrpc.nfs.nsm.entries``: entries as lines of text."""

from __future__ import annotations

from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oncrpc.nfs.locks.terms import LockClient
from oncrpc.nfs.nsm.entries import (
    Entry,
    KeptChange,
    RestartNotice,
    RpcMonitor,
    StateNumber,
    WatchedPeer,
    added_line,
    change_of,
    removed_line,
)

HOSTS = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=40)
NUMBERS = st.integers(0, 0xFFFFFFFF)
NAMES = st.binary(max_size=40)
INTS = st.integers(-0x80000000, 0x7FFFFFFF)
ENTRIES: st.SearchStrategy[Entry] = st.one_of(
    st.builds(StateNumber, NUMBERS, NUMBERS, NAMES),
    st.builds(WatchedPeer, st.builds(LockClient, HOSTS, NAMES), HOSTS, NUMBERS),
    st.builds(
        RpcMonitor, NAMES, NAMES, INTS, INTS, INTS, st.binary(min_size=16, max_size=16), NUMBERS,
        NUMBERS,
    ),
    st.builds(RestartNotice, HOSTS, HOSTS, NAMES, NUMBERS),
)  # fmt: skip
PEER = WatchedPeer(LockClient("192.0.2.1", b"client one"), "192.0.2.9", 7)


def line(text: bytes) -> bytes:
    return b"%08x %s" % (crc32(text), text)


@given(ENTRIES)
def test_line_of_an_entry_is_read_back(entry: Entry) -> None:
    written = added_line(entry)

    assert written.endswith(b"\n")
    assert change_of(written[:-1]) == KeptChange(type(entry), entry.key, entry)


@given(ENTRIES)
def test_removal_is_read_back(entry: Entry) -> None:
    assert change_of(removed_line(entry)[:-1]) == KeptChange(type(entry), entry.key, None)


def test_line_is_text() -> None:
    assert added_line(PEER) == line(b"+ peer 192.0.2.1 client%20one 192.0.2.9 7") + b"\n"


def test_monitor_has_one_key_in_any_case() -> None:
    first = RpcMonitor(b"Client", b"Host", 100021, 3, 16, bytes(16))
    second = RpcMonitor(b"client", b"HOST", 100021, 3, 16, bytes(16))

    assert first.key == second.key


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (added_line(PEER)[:-2], "checksum"),
        (b"", "checksum"),
        (line(b"+ host 192.0.2.1"), "unknown kind"),
        (line(b"* peer 192.0.2.1 a b 7"), "unknown kind"),
        (line(b"+ peer 192.0.2.1"), "unpack"),
        (line(b"+ peer 192.0.2.1 a b seven"), "invalid literal"),
        (line(b"+ peer %FF a b 7"), "ascii"),
        (line(b"- monitor a b 1 2"), "unpack"),
        (line(b"+ monitor a b 1 2 3 short 0 0"), "5 bytes of private data"),
    ],
)
def test_damaged_line_is_refused(text: bytes, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        change_of(text)
