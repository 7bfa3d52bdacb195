"""Our codecs and those of rpcgen give the same bytes for the types of Debian's interfaces."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from idl.test_interfaces import DEBIAN, present
from oncrpc import xdr
from oncrpc.errors import XdrError
from oncrpc.testing import values_of
from support.c_decoder import LAXER, LOSSY, STRICTER, Reading, Refused, reading
from support.c_types import Answer, Driver, drivers
from support.matrix_types import Subject, interface, subjects_of
from support.namespace import need

pytestmark = [pytest.mark.interop, pytest.mark.slow]

VALUES = 20
"""Number of values of each type."""

MUTATIONS = 20
"""Number of mutations of each value."""

EXAMPLES = {
    "bool": ("mount", "groups", "00000002 00000001 61000000 00000000",
             "00000001 00000001 61000000 00000000"),
    "enum": ("nfs_prot", "ftype", "00000063", "00000063"),
    "padding": ("mount", "name", "00000001 61000001", "00000001 61000000"),
    "trailing": ("nfs_prot", "ftype", "00000001 00000000", "00000001"),
    "nul": ("mount", "name", "00000003 61006200", "00000001 61000000"),
    "narrow": ("bootparam_prot", "ip_addr_t", "00000001 00000002 00000003 00000104",
               "00000001 00000002 00000003 00000004"),
    "netbuf": ("rpcb_prot", "netbuf", "00000000 00000001 61000000", ""),
}  # fmt: skip
"""One example for each difference from C: interface, type, bytes, and the result of C."""

WORDS = (0, 1, 2, 3, 0xFF, 0x100, 0x7FFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
"""Words that replace lengths, discriminants and bools."""


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Driver]:
    need("rpcgen", "gcc", "/usr/include/tirpc/rpc/rpc.h")
    paths = [path for path in DEBIAN if os.path.exists(path)]
    return drivers(paths, tmp_path_factory.mktemp("c_types"))


@cache
def values(path: str, name: str) -> Sequence[bytes]:
    """Encoded values of a type, the same in every run."""
    declared = next(subject.declared for subject in subjects_of(path) if subject.name == name)
    encoded: dict[bytes, None] = {}

    @settings(
        derandomize=True, max_examples=VALUES, database=None, deadline=None,
        phases=[Phase.generate], suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(values_of(declared))
    def draw(value: object) -> None:
        encoded[xdr.encode(declared, value)] = None

    draw()
    return list(encoded)


def ours(subject: Subject, wire: bytes) -> bytes | None:
    """Decode and encode again with our codec; None if it refuses the bytes."""
    try:
        return xdr.encode(subject.declared, xdr.decode(subject.declared, wire))
    except XdrError:
        return None


def theirs(path: str, subject: Subject, wire: bytes) -> Reading | None:
    """The expected result of the C codec."""
    try:
        return reading(interface(path), subject.name, wire)
    except Refused:
        return None


@pytest.mark.parametrize("path", DEBIAN, ids=lambda path: Path(path).stem)
def test_c_gives_our_bytes_back(path: str, programs: dict[str, Driver]) -> None:
    """The bytes are identical, except where the C type cannot hold the value."""
    driver = programs[present(path)]

    for subject in subjects_of(path):
        wires = values(path, subject.name)
        for wire, answer in zip(wires, driver.ask(subject.name, wires), strict=True):
            expected = theirs(path, subject, wire)
            assert expected is not None, (subject.name, wire.hex())
            assert expected.notes <= LOSSY.keys() | STRICTER.keys(), (subject.name, wire.hex())
            if not expected.notes:
                assert answer == Answer(True, wire), (subject.name, wire.hex())
            assert agree(path, subject, expected, answer), (subject.name, wire.hex(), expected)


@pytest.mark.parametrize("path", DEBIAN, ids=lambda path: Path(path).stem)
def test_mutated_bytes_are_accepted_by_both_or_neither(
    path: str, programs: dict[str, Driver]
) -> None:
    driver = programs[present(path)]

    for subject in subjects_of(path):
        wires = mutations(path, subject.name)
        for wire, answer in zip(wires, driver.ask(subject.name, wires), strict=True):
            expected = theirs(path, subject, wire)
            found = ours(subject, wire)
            accepted = expected is not None and not expected.notes & LAXER.keys()
            where = (subject.name, wire.hex(), expected, answer)
            assert found == (wire if accepted else None), where
            assert agree(path, subject, expected, answer), where


@pytest.mark.parametrize("way", [*LAXER, *LOSSY, *STRICTER])
def test_c_differs_in_each_way_that_is_listed(way: str, programs: dict[str, Driver]) -> None:
    stem, name, given_, made = EXAMPLES[way]
    path = present(next(path for path in DEBIAN if Path(path).stem == stem))
    subject = next(subject for subject in subjects_of(path) if subject.name == name)
    wire = bytes.fromhex(given_)

    answer = programs[path].ask(name, [wire])

    expected = theirs(path, subject, wire)
    assert expected is not None
    assert expected.notes == {way}
    assert answer == [Answer(way not in STRICTER, bytes.fromhex(made))]
    assert ours(subject, wire) == (None if way in LAXER else wire)


def agree(path: str, subject: Subject, expected: Reading | None, answer: Answer) -> bool:
    """Check that C gives the expected result.

    A bool or a char that C keeps as it was, or extends with its sign, is read again as the same.
    """
    if expected is None or expected.notes & STRICTER.keys():
        return not answer.accepted
    if not answer.accepted:
        return False
    if expected.notes & {"bool", "narrow"}:
        kept = theirs(path, subject, answer.again)
        return kept is not None and kept.again == expected.again
    return answer.again == expected.again


@cache
def mutations(path: str, name: str) -> Sequence[bytes]:
    """The values of a type, each with several mutations."""
    choice = random.Random(f"{Path(path).name} {name}")
    changed = {
        choice.choice(WAYS)(wire, choice): None
        for wire in values(path, name)
        for _ in range(MUTATIONS)
    }
    return list(changed)


def _flipped(wire: bytes, choice: random.Random) -> bytes:
    if not wire:
        return wire
    at = choice.randrange(len(wire))
    return wire[:at] + bytes([wire[at] ^ 1 << choice.randrange(8)]) + wire[at + 1 :]


def _truncated(wire: bytes, choice: random.Random) -> bytes:
    return wire[: choice.randrange(len(wire) + 1)]


def _extended(wire: bytes, choice: random.Random) -> bytes:
    return wire + choice.randbytes(choice.choice((1, 3, 4, 8)))


def _replaced(wire: bytes, choice: random.Random) -> bytes:
    """Replace one word."""
    at = 4 * choice.randrange(len(wire) // 4 + 1)
    word = int.from_bytes(wire[at : at + 4])
    other = choice.choice((*WORDS, word + 1, word - 1, word ^ 0x01010101)) & 0xFFFFFFFF
    return wire[:at] + other.to_bytes(4) + wire[at + 4 :]


WAYS: Sequence[Callable[[bytes, random.Random], bytes]] = (
    _flipped, _truncated, _extended, _replaced, _replaced,
)  # fmt: skip
