"""Changes of one file by several processes."""

from __future__ import annotations

import pytest

from oncrpc.nfs.server.other_changes import ROW, OtherChanges


@pytest.fixture
def processes() -> list[OtherChanges]:
    """Three processes with the same memory."""
    memory = memoryview(bytearray(3 * ROW * 4)).cast("I")
    return [OtherChanges(memory, own=each) for each in range(3)]


def test_changes_one_after_the_other_do_not_overlap(processes: list[OtherChanges]) -> None:
    for each in processes:
        seen = each.begin(b"file")
        assert not each.overlaps(seen)
        each.end(seen)


def test_change_that_was_running_overlaps(processes: list[OtherChanges]) -> None:
    one, two, _ = processes
    running = one.begin(b"file")
    seen = two.begin(b"file")
    one.end(running)

    assert two.overlaps(seen)


def test_change_within_another_one_overlaps(processes: list[OtherChanges]) -> None:
    one, two, _ = processes
    seen = one.begin(b"file")
    two.end(two.begin(b"file"))

    assert one.overlaps(seen)


def test_other_files_do_not_overlap(processes: list[OtherChanges]) -> None:
    one, two, _ = processes
    one.begin(b"file")

    assert not two.overlaps(two.begin(b"another"))


def test_changes_of_one_process_do_not_overlap(processes: list[OtherChanges]) -> None:
    one = processes[0]
    first, second = one.begin(b"file"), one.begin(b"file")

    assert not one.overlaps(first)
    assert not one.overlaps(second)


def test_change_that_failed_is_ended_by_the_next(processes: list[OtherChanges]) -> None:
    one, two, _ = processes
    one.begin_now(b"file")
    one.begin_now(b"another")
    assert not one.end_now()

    assert not two.overlaps(two.begin(b"file"))


def test_dead_process_changes_nothing(processes: list[OtherChanges]) -> None:
    one, two, three = processes
    two.begin(b"file")
    one.forget(1)

    assert not three.overlaps(three.begin(b"file"))
