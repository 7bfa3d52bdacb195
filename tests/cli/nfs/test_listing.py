"""``oncrpc.cli.nfs.listing``: sizes, owners and times as ls prints them."""

from __future__ import annotations

import time

import pytest

from oncrpc.cli.nfs.listing import HALF_A_YEAR, group_name, human_size, time_text, user_name

NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0"),
        (1023, "1023"),
        (1024, "1.0K"),
        (1025, "1.1K"),
        (10137, "9.9K"),
        (10138, "10K"),
        (1023 * 1024, "1023K"),
        (1023 * 1024 + 1, "1.0M"),
        (5 << 30, "5.0G"),
        (2**64 - 1, "16E"),
    ],
)
def test_human_sizes_are_rounded_up(size: int, text: str) -> None:
    assert human_size(size) == text


def test_recent_time_has_its_hour() -> None:
    seconds = NOW - 3600

    assert time_text(seconds, NOW) == time.strftime("%b %e %H:%M", time.localtime(seconds))


@pytest.mark.parametrize("seconds", [NOW - HALF_A_YEAR - 1, NOW + 60])
def test_old_or_future_time_has_its_year(seconds: float) -> None:
    assert time_text(seconds, NOW) == time.strftime("%b %e  %Y", time.localtime(seconds))


def test_impossible_time_is_a_number() -> None:
    assert time_text(1e18, NOW) == "1000000000000000000"


def test_known_ids_have_names() -> None:
    assert (user_name(0), group_name(0)) == ("root", "root")


def test_unknown_ids_are_numbers() -> None:
    assert (user_name(4294967295), group_name(4000000000)) == ("4294967295", "4000000000")
