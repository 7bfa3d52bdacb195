"""READDIRPLUS at once, and the pages that are kept."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oncrpc.programs.nfs3 import (
    NFS_V3,
    READDIRPLUS3args,
    READDIRPLUS3res,
    SETATTR3args,
    WRITE3args,
    stable_how,
)
from oncrpc.xdr import codec
from support.exported import NO_GUARD, sattr
from support.two_paths import ANN, BOB, TwoPaths

RESULT = 24


def list_of(
    both: TwoPaths,
    name: str = "",
    cookie: int = 0,
    dircount: int = 8192,
    maxcount: int = 32768,
    cred: Any = ANN,
) -> bytes:
    arguments = READDIRPLUS3args(both.handle(name), cookie, bytes(8), dircount, maxcount)
    return both.message(NFS_V3.NFSPROC3_READDIRPLUS, arguments, cred=cred)


def cookies(reply: bytes) -> list[int]:
    found: Any = codec(READDIRPLUS3res).decode(reply[RESULT:])
    return [entry.cookie for entry in found.body.reply.entries]


def cookies_after(both: TwoPaths, reply: bytes) -> list[int]:
    """The cookies of the entries that follow those of a reply."""
    if reply[RESULT : RESULT + 4] != bytes(4) or not (found := cookies(reply)):
        return [0]
    return cookies(both.generic(list_of(both, "open", found[-1])))


@pytest.fixture
def many(both: TwoPaths) -> TwoPaths:
    for number in range(300):
        (both.path / "open" / f"{number:0{number % 60 + 3}}").touch()
    both.generic(list_of(both, "open"))  # which renews the time of access
    return both


@pytest.mark.parametrize("name", ["", "open", "closed"])
def test_both_paths_list_the_same(both: TwoPaths, name: str) -> None:
    message = list_of(both, name)
    both.generic(message)  # which renews the time of access

    assert both.quick(message) == both.generic(message)


@settings(deadline=None, max_examples=40, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 20_000), st.integers(100, 40_000))
def test_any_sizes_give_the_same_pages(many: TwoPaths, dircount: int, maxcount: int) -> None:
    cookie = 0
    for _ in range(3):
        message = list_of(many, "open", cookie, dircount, maxcount)
        expected = many.generic(message)
        # Both are right: the generic path need not know yet that this was the last entry.
        known = expected[:-4] + b"\0\0\0\1" if not cookies_after(many, expected) else expected
        assert many.quick(message) in (None, expected, known)
        if maxcount < 1000 or not (found := cookies(expected)):
            break
        assert many.quick(message) is not None
        cookie = found[-1]


@pytest.mark.parametrize(("name", "cred"), [("closed", BOB), ("file", ANN)])
def test_refusals_are_left_to_the_generic_path(both: TwoPaths, name: str, cred: Any) -> None:
    assert both.quick(list_of(both, name, cred=cred)) is None


def test_wrong_cookie_is_left_to_the_generic_path(both: TwoPaths) -> None:
    assert both.quick(list_of(both, cookie=(1 << 64) - 1)) is None


def test_kept_page_shows_changes_of_local_processes(both: TwoPaths) -> None:
    message = list_of(both, "open")
    both.generic(message)
    inner = both.path / "open" / "inner"
    former = both.quick(message)
    changes: list[Callable[[], object]] = [
        lambda: inner.write_bytes(b"longer than before"),
        lambda: inner.chmod(0o600),
        lambda: (both.path / "open" / "another").touch(),
        lambda: os.rename(inner, both.path / "open" / "renamed"),
        lambda: (both.path / "open" / "renamed").unlink(),
    ]

    for change in changes:
        assert both.quick(message) == former
        change()
        found = both.quick(message)
        assert found == both.generic(message) != former
        former = found


def test_kept_page_shows_changes_by_calls(both: TwoPaths) -> None:
    message, file = list_of(both, "open"), both.handle("open/inner")
    os.chown(both.path / "open" / "inner", 1000, 1001)
    former = both.quick(message)
    write = WRITE3args(file, 0, 20, stable_how.UNSTABLE, bytes(20))
    calls = [
        both.message(NFS_V3.NFSPROC3_WRITE, write),
        both.message(NFS_V3.NFSPROC3_SETATTR, SETATTR3args(file, sattr(mode=0o640), NO_GUARD)),
    ]

    for call in calls:
        assert both.quick(call) is not None or both.generic(call)
        found = both.quick(message)
        assert found == both.generic(message) != former
        former = found


def test_kept_page_is_used_for_a_second(both: TwoPaths, tmp_path: Path) -> None:
    message, inner = list_of(both, "open"), both.path / "open" / "inner"
    former = both.quick(message)
    # A change by another name, outside of the directory, is not told.
    os.link(inner, both.path / "other name")
    message_after = list_of(both, "open")
    both.quick(message_after)
    (both.path / "other name").write_bytes(b"changed by another name")

    both.now += 1.1

    assert both.quick(message) == both.generic(message) != former


def test_removed_file_is_listed_without_attributes(
    both: TwoPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = list_of(both, "open")
    stat = os.stat

    def gone(name: Any, *arguments: Any, **options: Any) -> Any:
        if name == b"inner":
            raise FileNotFoundError
        return stat(name, *arguments, **options)

    monkeypatch.setattr(os, "stat", gone)

    reply = both.quick(message)
    assert reply is not None
    found: Any = codec(READDIRPLUS3res).decode(reply[RESULT:])
    entry = next(each for each in found.body.reply.entries if each.name == b"inner")
    assert not entry.name_attributes.attributes_follow
    assert not entry.name_handle.handle_follows
