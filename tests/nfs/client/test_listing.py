"""Directories are listed page by page; a server cannot make that endless."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import count
from typing import Any

import pytest

from oncrpc.errors import LimitExceeded, ProtocolError
from oncrpc.nfs import RemoteFileSystem
from oncrpc.nfs.client import listing
from oncrpc.programs.nfs3 import (
    READDIR3args,
    READDIR3res,
    READDIR3resok,
    READDIRPLUS3res,
    READDIRPLUS3resfail,
    dirlist3,
    entry3,
    nfsstat3,
)
from oncrpc.rpc import Call
from support.remote_files import NO_ATTRIBUTES, OK, ScriptedNfs, use_files, use_scripted

NAMES = [f"file {number}" for number in range(400)]


@pytest.mark.slow
@pytest.mark.parametrize("version", [3, 2])
def test_long_directory_is_listed_once(version: int) -> None:
    async def use(fs: RemoteFileSystem) -> None:
        for name in NAMES:
            async with await fs.open(name, "wb"):
                pass

        assert sorted(await fs.listdir()) == sorted(NAMES)
        found = [entry async for entry in fs.scandir()]
        assert sorted(entry.name for entry in found) == sorted(NAMES)
        assert all(entry.is_file() and entry.size == 0 for entry in found)

    use_files(use, version=version)


class Directory(ScriptedNfs):
    """A directory of the pages that a test makes; without READDIRPLUS."""

    def __init__(self, pages: Iterable[list[tuple[bytes, int]]]) -> None:
        super().__init__()
        self.pages = iter(pages)

    def NFSPROC3_READDIRPLUS(self, call: Call, arg: Any) -> READDIRPLUS3res:
        return READDIRPLUS3res(nfsstat3.NFS3ERR_NOTSUPP, READDIRPLUS3resfail(NO_ATTRIBUTES))

    def NFSPROC3_READDIR(self, call: Call, arg: READDIR3args) -> READDIR3res:
        page = next(self.pages, None)
        entries = [entry3(1, name, cookie) for name, cookie in page or ()]
        listed = dirlist3(entries, page is None)
        return READDIR3res(OK, READDIR3resok(NO_ATTRIBUTES, bytes(8), listed))


def test_server_without_readdirplus_is_asked_for_names() -> None:
    async def use(fs: RemoteFileSystem) -> None:
        found = [entry async for entry in fs.scandir()]

        assert [(entry.name, entry.size) for entry in found] == [("a", 0), ("b", 0)]

    use_scripted(Directory([[(b".", 1), (b"..", 2), (b"a", 3)], [(b"b", 4)]]), use)


@pytest.mark.parametrize("name", [b"", b"a/b", b"/etc/passwd", b"a\0", b"../x"])
def test_invalid_name_is_refused(name: bytes) -> None:
    async def use(fs: RemoteFileSystem) -> None:
        with pytest.raises(ProtocolError, match="invalid name"):
            await fs.listdir()

    use_scripted(Directory([[(name, 1)]]), use)


@pytest.mark.parametrize("page", [[(b"n" * 17000, 1)], [(b"n", cookie) for cookie in range(700)]])
def test_larger_page_than_requested_is_refused(page: list[tuple[bytes, int]]) -> None:
    async def use(fs: RemoteFileSystem) -> None:
        with pytest.raises(ProtocolError, match="a page of a directory of over 16384 bytes"):
            await fs.listdir()

    use_scripted(Directory([page]), use)


def same_page() -> Iterator[list[tuple[bytes, int]]]:
    while True:
        yield [(b"a", 1), (b"b", 2)]


def empty_page() -> Iterator[list[tuple[bytes, int]]]:
    while True:
        yield []


def new_names() -> Iterator[list[tuple[bytes, int]]]:
    for number in count(1):
        yield [(b"a", number)]


@pytest.mark.parametrize(
    ("pages", "error"),
    [(same_page, ProtocolError), (empty_page, ProtocolError), (new_names, LimitExceeded)],
)
def test_endless_directory_is_refused(
    pages: Callable[[], Iterator[list[tuple[bytes, int]]]],
    error: type[Exception],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(listing, "MAX_ENTRIES", 20)

    async def use(fs: RemoteFileSystem) -> None:
        with pytest.raises(error):
            await fs.listdir()

    use_scripted(Directory(pages()), use)


def test_short_pages_count_as_longer_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "MAX_ENTRIES", 10 * listing.LEAST_PAGE)
    server = Directory(new_names())

    async def use(fs: RemoteFileSystem) -> None:
        with pytest.raises(LimitExceeded):
            await fs.listdir()

    use_scripted(server, use)
    assert next(server.pages) == [(b"a", 12)]
