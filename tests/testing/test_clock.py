"""The clock that only the test moves."""

from __future__ import annotations

import pytest

from oncrpc.testing import ManualClock


def test_the_clock_stands_still_until_it_is_advanced() -> None:
    clock = ManualClock(5.0)

    before = [clock(), clock()]
    clock.advance(2.5)

    assert before == [5.0, 5.0]
    assert clock() == 7.5


def test_the_clock_does_not_go_back() -> None:
    with pytest.raises(ValueError, match=r"does not go back 1\.0 s"):
        ManualClock().advance(-1.0)
