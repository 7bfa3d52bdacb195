from __future__ import annotations

import pytest

from oncrpc.cli.rpcinfo.changes import GONE_SHOWN, MAX_GONE, History, age_text
from oncrpc.programs.rpcb import rpcb

NFS = rpcb(100003, 3, b"tcp", b"0.0.0.0.8.1", b"superuser")
MOVED = rpcb(100003, 3, b"tcp", b"0.0.0.0.8.2", b"superuser")
MOUNT = rpcb(100005, 3, b"tcp", b"0.0.0.0.78.80", b"superuser")


def states(history: History) -> list[tuple[int, str, float]]:
    return [(row.entry.r_prog, row.state, row.since) for row in history.rows]


def history_of(*lists: list[rpcb]) -> History:
    """A history of lists that were taken a second apart."""
    history = History()
    for now, found in enumerate(lists):
        history.take(found, now)
    return history


def test_entries_of_the_first_list_are_not_new() -> None:
    assert states(history_of([NFS, MOUNT])) == [(100003, "", 0), (100005, "", 0)]


def test_registration_of_a_later_list_is_new() -> None:
    assert states(history_of([NFS], [NFS, MOUNT], [NFS, MOUNT]))[1] == (100005, "new", 1)


def test_missing_registration_is_gone_and_comes_last() -> None:
    assert states(history_of([NFS, MOUNT], [MOUNT], [MOUNT])) == [
        (100005, "", 0), (100003, "gone", 1),
    ]  # fmt: skip


def test_another_address_is_a_change() -> None:
    history = history_of([NFS], [MOVED], [MOVED])

    assert states(history) == [(100003, "changed", 1)]
    assert history.rows[0].entry == MOVED


def test_returning_registration_is_new() -> None:
    assert states(history_of([NFS], [], [NFS])) == [(100003, "new", 2)]


def test_gone_registrations_are_forgotten_after_a_while() -> None:
    history = history_of([NFS], [])

    history.take([], 1 + GONE_SHOWN)

    assert history.rows == []


def test_number_of_gone_registrations_is_bounded() -> None:
    found = [rpcb(400000 + number, 1, b"tcp", b"", b"") for number in range(MAX_GONE + 10)]

    history = history_of([NFS, *found], found, [])

    assert history.count("gone") == MAX_GONE
    assert NFS not in [row.entry for row in history.rows]


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.9, "0s"), (59, "59s"), (61, "1m"), (7300, "2h"), (200000, "2d")]
)
def test_an_age_has_one_unit(seconds: float, text: str) -> None:
    assert age_text(seconds) == text
