"""The number of calls in progress follows from their duration."""

from __future__ import annotations

import pytest

from oncrpc.nfs.client.window import (
    AT_ONCE,
    FAR,
    LEAST_CALLS,
    MOST_CALLS,
    NEAR,
    SAMPLE,
    TransferWindow,
)


def after(*durations: float) -> TransferWindow:
    window = TransferWindow()
    for seconds in durations:
        window.note(seconds)
    return window


def test_window_is_bounded_in_bytes_and_calls() -> None:
    window = TransferWindow()

    assert window.calls(256 << 10) * (256 << 10) == NEAR
    assert window.calls(8192) == MOST_CALLS
    assert window.calls(1 << 30) == LEAST_CALLS


def test_slow_server_gets_more_calls() -> None:
    assert after(*[AT_ONCE * 2] * SAMPLE).size == FAR


def test_one_fast_call_keeps_few_in_progress() -> None:
    assert after(*[AT_ONCE * 2] * (SAMPLE - 1), AT_ONCE).size == NEAR


@pytest.mark.parametrize("count", [0, SAMPLE - 1])
def test_few_calls_do_not_change_the_window(count: int) -> None:
    assert after(*[AT_ONCE * 2] * count).size == NEAR


def test_server_that_becomes_fast_gets_fewer_calls() -> None:
    assert after(*[AT_ONCE * 2] * SAMPLE, *[AT_ONCE] * SAMPLE).size == NEAR
