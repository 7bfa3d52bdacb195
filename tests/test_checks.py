"""Arguments that are refused by their names."""

from __future__ import annotations

import pytest

from oncrpc.checks import check_kind, check_seconds, check_timeout


def test_value_of_a_kind_is_accepted() -> None:
    check_kind("host", None, str, type(None))
    check_kind("host", "", str, type(None))


def test_value_of_another_kind_is_refused() -> None:
    with pytest.raises(TypeError, match=r"^size is of type int or float, not 'big'$"):
        check_kind("size", "big", int, float, type(None))


@pytest.mark.parametrize("seconds", [0, -1, 2.5, float("inf")])
def test_any_number_of_seconds_is_accepted(seconds: float) -> None:
    check_seconds("timeout", seconds)


@pytest.mark.parametrize("seconds", [None, "5", True, float("nan")])
def test_invalid_number_of_seconds_is_refused(seconds: object) -> None:
    with pytest.raises((TypeError, ValueError), match=f"^timeout is .* seconds, not {seconds!r}$"):
        check_seconds("timeout", seconds)


@pytest.mark.parametrize("seconds", [0, -1, 0.0, float("-inf")])
def test_timeout_of_zero_or_less_is_refused(seconds: float) -> None:
    with pytest.raises(
        ValueError, match=f"^timeout is a number of seconds above 0, not {seconds!r}$"
    ):
        check_timeout(seconds)


def test_timeout_may_be_short_or_infinite() -> None:
    check_timeout(1e-9)
    check_timeout(float("inf"))
