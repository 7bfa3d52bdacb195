"""The number of calls in progress follows from where the server is."""

from __future__ import annotations

import pytest

from oncrpc.nfs.client.window import (
    FAST,
    LEAST_CALLS,
    MAX_LOCAL_WINDOW,
    MAX_WINDOW,
    MOST_CALLS,
    SAMPLE,
    TransferWindow,
)

MIB = 1 << 20


def local_after(*durations: float) -> TransferWindow:
    window = TransferWindow(local=True)
    for seconds in durations:
        window.note(seconds)
    return window


def test_distant_window_is_bounded_in_bytes_and_calls() -> None:
    window = TransferWindow(local=False)

    assert window.calls(MIB) * MIB == MAX_WINDOW
    assert window.calls(8192) == MOST_CALLS
    assert window.calls(1 << 30) == LEAST_CALLS


def test_local_server_gets_few_calls_at_once() -> None:
    window = TransferWindow(local=True)

    assert window.calls(MIB) == 1
    assert window.calls(8192) * 8192 == MAX_LOCAL_WINDOW


def test_slow_local_address_gets_many_calls() -> None:
    assert local_after(*[FAST * 2] * SAMPLE).calls(MIB) == LEAST_CALLS


def test_one_fast_call_keeps_few_in_progress() -> None:
    assert local_after(*[FAST * 2] * (SAMPLE - 1), FAST).calls(MIB) == 1


def test_first_calls_do_not_change_the_window() -> None:
    assert local_after(*[FAST * 2] * (SAMPLE - 1)).calls(MIB) == 1


@pytest.mark.parametrize(("local", "calls"), [(True, 1), (False, LEAST_CALLS)])
def test_fast_calls_restore_only_a_local_window(local: bool, calls: int) -> None:
    window = TransferWindow(local=local)

    for seconds in [FAST * 2] * SAMPLE + [FAST] * SAMPLE:
        window.note(seconds)

    assert window.calls(MIB) == calls
