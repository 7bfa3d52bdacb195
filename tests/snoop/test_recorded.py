"""Captures of programs of others, recorded by the tests in ``interop``, read without them."""

from __future__ import annotations

from pathlib import Path

import pytest

from oncrpc.snoop.capture.files import frames_of_file
from oncrpc.snoop.streams.tracer import Tracer
from oncrpc.snoop.words.line import line_of
from oncrpc.snoop.words.programs import KnownPrograms
from support.tshark import Counts, by_us

FOLDER = Path(__file__).resolve().parents[1] / "captures/peers"
ANSWERED: dict[str, Counts] = {
    "NIS": {(100000, 4): 2, (100004, 2): 4},
    "bootparam": {(100026, 1): 1},
    "broadcast": {(100000, 2): 2, (100000, 3): 2, (100008, 1): 4},
    "ganesha-and-libnfs": {(100000, 2): 8, (100003, 3): 12, (100005, 3): 6},
    "ganesha-and-showmount": {(100000, 4): 1, (100005, 3): 1},
    "kernel-locks": {
        (100000, 2): 4,
        (100000, 4): 1,
        (100003, 3): 8,
        (100005, 3): 3,
        (100021, 4): 4,
        (100227, 3): 1,
    },
    "kernel-mount": {(100000, 2): 2, (100003, 3): 5, (100005, 3): 2},
    "kernel-notice": {
        (100000, 2): 5,
        (100003, 3): 8,
        (100005, 3): 3,
        (100021, 4): 2,
        (100024, 1): 1,
        (100227, 3): 2,
    },
    "kernel-repeats": {(100000, 2): 3, (100003, 3): 6, (100005, 3): 3, (100227, 3): 1},
    "libnfs": {(100000, 2): 12, (100003, 3): 21, (100005, 3): 9},
    "pyNfsClient": {(100000, 2): 2, (100003, 3): 5, (100005, 3): 2},
    "rpcinfo": {
        (100000, 2): 1,
        (100000, 3): 1,
        (100000, 4): 6,
        (100004, 1): 1,
        (100004, 2): 2,
    },
    "rstat-rusers-rwall": {
        (100000, 2): 1,
        (100000, 4): 2,
        (100001, 5): 1,
        (100002, 2): 1,
        (100008, 1): 1,
    },
    "showmount": {(100000, 4): 3, (100005, 3): 3},
}
"""Answered calls by program and version; tshark counts the same or less, but for kernel-repeats."""


def test_every_kept_capture_is_judged() -> None:
    assert {path.stem for path in FOLDER.iterdir()} == set(ANSWERED)


@pytest.mark.parametrize("name", ANSWERED)
def test_answered_calls_of_peers_are_counted(name: str) -> None:
    assert by_us(FOLDER / f"{name}.pcap") == ANSWERED[name]


# rpcinfo calls version 0 of programs, to be refused with those that there are.
@pytest.mark.parametrize("name", sorted(ANSWERED.keys() - {"rpcinfo"}))
def test_messages_of_peers_have_their_own_words(name: str) -> None:
    programs = KnownPrograms()
    found = Tracer().messages(frames_of_file(FOLDER / f"{name}.pcap"))

    lines = [line_of(message, programs) for message in found]

    assert [line for line in lines if line.startswith("RPC ")] == []
