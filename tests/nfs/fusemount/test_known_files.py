"""The cache of handles and attributes of a mount: lifetime and bounds."""

from __future__ import annotations

import pytest

from oncrpc.nfs.client.results import FileHandle, FileStat
from oncrpc.nfs.fusemount import known_files
from oncrpc.nfs.fusemount.known_files import RememberedFiles, name_of, parent_of
from oncrpc.testing import ManualClock

HANDLE = FileHandle(b"handle")
STAT = FileStat(0o100644, 1, 0, 0, 5, 5, (0, 0), 1, 2, 0, 0, 0)


def test_file_is_known_for_its_lifetime() -> None:
    clock = ManualClock()
    known = RememberedFiles(lifetime=1.0, clock=clock)
    known.add(b"a/b", HANDLE, STAT)

    clock.advance(0.9)
    found = known.get(b"a/b")
    clock.advance(0.1)

    assert found is not None
    assert (found.handle, found.stat) == (HANDLE, STAT)
    assert known.get(b"a/b") is None
    assert len(known) == 0


def test_changed_file_and_its_directory_are_forgotten() -> None:
    known = RememberedFiles(lifetime=1.0, clock=ManualClock())
    for path in (b"", b"a", b"a/b", b"a/c"):
        known.add(path, HANDLE, STAT)

    known.forget(b"a/b")

    assert [known.get(path) is None for path in (b"", b"a", b"a/b", b"a/c")] == [
        False,
        True,
        True,
        False,
    ]


def test_number_of_files_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_files, "MAX_KNOWN", 3)
    known = RememberedFiles(lifetime=1.0, clock=ManualClock())

    for number in range(10):
        known.add(b"%d" % number, HANDLE, STAT)

    assert len(known) == 1
    assert known.get(b"9") is not None


def test_paths_are_split_at_the_last_name() -> None:
    assert (parent_of(b"a/b/c"), name_of(b"a/b/c")) == (b"a/b", b"c")
    assert (parent_of(b"a"), name_of(b"a")) == (b"", b"a")
