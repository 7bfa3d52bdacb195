"""Bounded mappings and epochs."""

from __future__ import annotations

from oncrpc.caching import Bounded, Epoch


def test_the_entry_written_first_makes_room() -> None:
    bounded = Bounded[str, int](2)

    made_room = [bounded.keep(key, number) for number, key in enumerate("abc")]

    assert dict(bounded) == {"b": 1, "c": 2}
    assert made_room == [False, False, True]


def test_a_replaced_entry_needs_no_room() -> None:
    bounded = Bounded[str, int](2)
    for number, key in enumerate("aba"):
        assert not bounded.keep(key, number)

    assert dict(bounded) == {"a": 2, "b": 1}


def test_an_entry_that_is_kept_again_stays() -> None:
    bounded = Bounded[str, int](2)
    for key in "abac":
        bounded.keep(key, 1)

    assert list(bounded) == ["a", "c"]


class Changing:
    """A subject."""

    generation = 0


def test_epoch_ends_when_its_subject_changes() -> None:
    subject = Changing()
    epoch = Epoch(subject)

    ended = [epoch.has_ended(0.0), epoch.has_ended(0.0)]
    subject.generation += 1

    assert [*ended, epoch.has_ended(0.0), epoch.has_ended(0.0)] == [True, False, True, False]


def test_an_epoch_ends_after_its_lifetime() -> None:
    epoch = Epoch(Changing(), lifetime=5.0)

    assert [epoch.has_ended(now) for now in (0.0, 4.9, 5.0, 9.9)] == [True, False, True, False]


def test_an_epoch_can_be_ended() -> None:
    epoch = Epoch(Changing())
    epoch.has_ended(0.0)

    epoch.end()

    assert [epoch.has_ended(0.0), epoch.has_ended(0.0)] == [True, False]
