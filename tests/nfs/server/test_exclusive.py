"""``oncrpc.nfs.server.exclusive``: verifiers in the times of a file."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oncrpc.nfs.filesystem import Attributes
from oncrpc.nfs.server.exclusive import attributes_for, is_created_by, times_of
from oncrpc.programs.nfs3 import ftype3
from support.exported import SECOND

verifiers = st.binary(min_size=8, max_size=8) | st.sampled_from(
    [bytes(8), b"\xff" * 8, b"\x80" + bytes(7), bytes(4) + b"\x80\0\0\0", b"\x7f\xff\xff\xff" * 2]
)


def created(verifier: bytes, *, stored_in: int = 1) -> Attributes:
    """The file that an exclusive CREATE makes, whose times are stored in such units."""
    atime, mtime = times_of(verifier)
    kept = atime // stored_in * stored_in, mtime // stored_in * stored_in
    return Attributes(ftype3.NF3REG, atime=kept[0], mtime=kept[1])


@pytest.mark.parametrize(
    ("verifier", "times"),
    [
        (bytes(8), (0, 0)),
        (bytes.fromhex("00000001 00000002"), (SECOND, 2 * SECOND)),
        (bytes.fromhex("80000001 00000002"), (SECOND + SECOND // 2, 2 * SECOND)),
        (b"\xff" * 8, ((2**31 - 1) * SECOND + SECOND // 2,) * 2),
    ],
)
def test_verifier_is_kept_in_the_times(verifier: bytes, times: tuple[int, int]) -> None:
    assert times_of(verifier) == times
    assert attributes_for(verifier)[-2:] == times


@given(verifiers, verifiers)
def test_all_verifiers_are_told_apart(one: bytes, other: bytes) -> None:
    """Claim 10; §3.3.8: the server reconstructs the file's verifier and compares it."""
    assert is_created_by(one, created(one), time_delta=1)
    assert is_created_by(other, created(one), time_delta=1) == (one == other)


@given(verifiers, st.sampled_from([1, 100, 1000, SECOND // 2]))
def test_verifier_survives_coarse_times(verifier: bytes, unit: int) -> None:
    other = bytes([verifier[0] ^ 0x80]) + verifier[1:]

    assert is_created_by(verifier, created(verifier, stored_in=unit), time_delta=unit)
    assert not is_created_by(other, created(verifier, stored_in=unit), time_delta=unit)


@given(verifiers)
def test_whole_seconds_match_62_bits(verifier: bytes) -> None:
    found = created(verifier, stored_in=SECOND)

    assert is_created_by(verifier, found, time_delta=SECOND)
    assert not is_created_by(verifier[:7] + bytes([verifier[7] ^ 1]), found, time_delta=SECOND)


@pytest.mark.parametrize(
    "found",
    [created(bytes(8))._replace(size=1), created(bytes(8))._replace(kind=ftype3.NF3DIR)],
)
def test_file_with_data_was_created_before(found: Attributes) -> None:
    assert not is_created_by(bytes(8), found, time_delta=1)


def test_others_cannot_open_the_new_file() -> None:
    assert attributes_for(bytes(8)).mode == 0
