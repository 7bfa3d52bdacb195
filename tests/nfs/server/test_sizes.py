"""``oncrpc.nfs.server.sizes``: what fits into a record and into a datagram."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oncrpc.aio.limits import Limits
from oncrpc.nfs.server.sizes import AROUND, TransferSizes, with_room


def test_tcp_has_1_mib_and_udp_32_kib() -> None:
    sizes = TransferSizes()

    assert (sizes.of(datagram=False), sizes.of(datagram=True)) == (1 << 20, 32 << 10)


@pytest.mark.parametrize(
    ("record", "datagram", "expected"),
    [
        ((1 << 20) + AROUND, 65507, (1 << 20, 32 << 10)),
        (1 << 20, 9000, ((1 << 20) - 4096, 4096)),
        (1 << 30, 3000, (1 << 20, 1536)),
        (1 << 20, 100, ((1 << 20) - 4096, 512)),
    ],
)
def test_sizes_fit_the_limits_of_the_server(
    record: int, datagram: int, expected: tuple[int, int]
) -> None:
    assert TransferSizes.within(record=record, datagram=datagram) == expected


@given(st.integers(2048, 1 << 31), st.integers(2048, 65507))
def test_data_leaves_room_for_the_header(record: int, datagram: int) -> None:
    sizes = TransferSizes.within(record=record, datagram=datagram)

    assert 512 <= sizes.stream <= record - AROUND
    assert 512 <= sizes.datagram <= datagram - AROUND


def test_uncounted_replies_stay_within_the_common_bound() -> None:
    limits = with_room(Limits())

    assert limits.connections * limits.unread <= limits.unread_by_all
