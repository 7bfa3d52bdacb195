"""Directories are read by their own positions, while others change them."""

from __future__ import annotations

import asyncio
import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from oncrpc.nfs.backends.local.local import LocalFileSystem
from oncrpc.nfs.filesystem import Identity, NewAttributes
from oncrpc.programs.nfs3 import nfsstat3
from support.errnos import fails_with
from support.file_user import FileUser, refused

STABLE = 5000


RESTLESS = """
import os, random, sys
chance = random.Random(1)
print("begun", flush=True)
while True:
    name = f"other{chance.randrange(2000)}"
    try:
        os.close(os.open(name, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        os.unlink(name)
"""


@contextmanager
def restless(place: Path) -> Iterator[None]:
    """Files are created and removed by another process."""
    command = [sys.executable, "-c", RESTLESS]
    with subprocess.Popen(command, cwd=place, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        try:
            yield
        finally:
            other.kill()


@pytest.mark.slow
@pytest.mark.parametrize("count", [50, 2000])
def test_restless_directory_lists_stable_names_once(
    root: FileUser, place: Path, count: int
) -> None:
    """Claims 1 to 4: no name is missing or twice, no cookie is bad, and the listing ends."""
    stable = {b"stable%d" % number for number in range(STABLE)}
    for name in stable:
        (place / os.fsdecode(name)).touch()

    with restless(place):
        found = root.raw_names(root.files.root, count=count)

    kept = [name for name in found if name in stable]
    assert len(kept) == len(stable) == len(set(kept))
    assert found.count(b".") == found.count(b"..") == 1


@pytest.mark.slow
def test_removing_while_listing_empties_a_directory(root: FileUser, place: Path) -> None:
    """Claim 4: rm -rf ends with an empty directory."""
    top = root.files.root
    for number in range(1000):
        (place / f"file{number}").touch()
    cookie, eof, rounds = 0, False, 0

    while not eof:
        listing = root.readdir(top, cookie, 100)
        for entry in listing.entries:
            if entry.name not in (b".", b".."):
                root.remove(top, entry.name)
        eof, rounds = listing.eof, rounds + 1
        cookie = listing.entries[-1].cookie if listing.entries else cookie
        assert rounds < 100

    assert os.listdir(place) == []


def test_hard_links_are_entries_of_their_own(root: FileUser, place: Path) -> None:
    """Claim 2: cookies are positions, not inode numbers."""
    file = root.create(root.files.root, b"file")
    for number in range(50):
        root.link(file, root.files.root, b"link%d" % number)

    found = [sorted(root.names(root.files.root, count=count)) for count in (1, 3, 100)]

    assert found == [sorted(os.fsencode(name) for name in os.listdir(place))] * 3


def test_every_cookie_resumes_after_its_entry(root: FileUser, place: Path) -> None:
    for number in range(30):
        (place / f"file{number}").touch()
    entries = list(root.readdir(root.files.root).entries)

    for at, entry in enumerate(entries):
        assert entry.cookie != 0
        assert list(root.readdir(root.files.root, entry.cookie).entries) == entries[at + 1 :]


def test_cookie_of_a_removed_entry_resumes(root: FileUser, place: Path) -> None:
    for number in range(30):
        (place / f"file{number}").touch()
    first = root.readdir(root.files.root, count=10)
    rest = [entry.name for entry in root.readdir(root.files.root).entries][10:]

    for entry in first.entries:
        if entry.name not in (b".", b".."):
            root.remove(root.files.root, entry.name)

    resumed = root.readdir(root.files.root, first.entries[-1].cookie)
    assert [entry.name for entry in resumed.entries] == rest


def test_cookies_are_valid_after_a_restart(root: FileUser, place: Path) -> None:
    for number in range(30):
        (place / f"file{number}").touch()
    entries = list(root.readdir(root.files.root).entries)
    again = LocalFileSystem(str(place), sync=False)

    with asyncio.Runner() as runner:
        user = FileUser(again, root.who, runner=runner)
        rest = list(user.readdir(again.root, entries[9].cookie).entries)
    again.close()

    assert rest == entries[10:]


@pytest.mark.parametrize("cookie", [1 << 63, (1 << 64) - 1])
def test_impossible_cookie_is_bad(root: FileUser, cookie: int) -> None:
    with refused(nfsstat3.NFS3ERR_BAD_COOKIE):
        root.readdir(root.files.root, cookie)


def test_long_names_are_read_one_at_a_time(root: FileUser, place: Path) -> None:
    names = [bytes([97 + number]) * 255 for number in range(20)]
    for name in names:
        (place / os.fsdecode(name)).touch()

    assert sorted(root.names(root.files.root, count=1)) == names


def test_plus_gives_ids_and_attributes(root: FileUser, place: Path) -> None:
    (place / "file").write_bytes(b"data")
    (place / "link").symlink_to("/etc/passwd")
    for number in range(100):  # more than descriptors are open at once
        (place / f"d{number}").mkdir()

    for entry in root.readdir(root.files.root, plus=True).entries:
        if entry.name not in (b".", b".."):
            assert entry.file == root.lookup(root.files.root, entry.name)
            assert entry.attributes == root.getattr(entry.file)
            assert entry.fileid == entry.attributes.fileid


def test_plus_without_search_permission_gives_names(root: FileUser, ann: FileUser) -> None:
    directory = root.mkdir(root.files.root, b"d", NewAttributes(mode=0o744))
    root.create(directory, b"file")

    (entry,) = (e for e in ann.readdir(directory, plus=True).entries if e.name == b"file")

    assert (entry.file, entry.attributes) == (None, None)


def test_plus_leaves_no_descriptor_open(root: FileUser, place: Path) -> None:
    for number in range(100):
        (place / f"file{number}").touch()
    before = os.listdir("/proc/self/fd")

    root.readdir(root.files.root, plus=True)

    assert set(os.listdir("/proc/self/fd")) <= set(before)


def test_nothing_above_the_root_is_shown(root: FileUser, place: Path) -> None:
    entries = {entry.name: entry for entry in root.readdir(root.files.root, plus=True).entries}

    assert entries[b".."].fileid == entries[b"."].fileid == place.stat().st_ino
    assert entries[b".."].file is None


def test_dots_of_other_directories_are_their_own(root: FileUser, place: Path) -> None:
    directory = root.mkdir(root.files.root, b"d")

    entries = {entry.name: entry.fileid for entry in root.readdir(directory).entries}

    assert entries == {b".": (place / "d").stat().st_ino, b"..": place.stat().st_ino}


def test_removed_directory_is_stale(root: FileUser) -> None:
    directory = root.mkdir(root.files.root, b"d")
    root.rmdir(root.files.root, b"d")

    with fails_with(errno.ESTALE):
        root.readdir(directory)


def test_symlink_is_found_and_never_followed(root: FileUser, place: Path) -> None:
    (place / "link").symlink_to("/etc")
    link = root.lookup(root.files.root, b"link")

    assert root.readlink(link) == b"/etc"
    for refusal in (
        lambda: root.lookup(link, b"passwd"),
        lambda: root.create(link, b"new"),
        lambda: root.readdir(link),
        lambda: root.parent(link),
        lambda: root.remove(link, b"passwd"),
    ):
        with fails_with(errno.ENOTDIR):
            refusal()


def test_only_symlinks_have_a_text(root: FileUser) -> None:
    with fails_with(errno.EINVAL):
        root.readlink(root.files.root)


def test_parent_needs_search_permission(root: FileUser, ann: FileUser) -> None:
    directory = root.mkdir(root.files.root, b"d", NewAttributes(mode=0o700))

    with fails_with(errno.EACCES):
        ann.parent(directory)
    assert root.parent(directory) == root.files.root


def test_names_may_have_any_other_bytes(root: FileUser) -> None:
    names = [bytes([byte]) * 3 for byte in range(1, 256) if byte not in b"/."]
    for name in names:
        root.create(root.files.root, name)

    assert sorted(root.names(root.files.root)) == names


def test_handle_reaches_below_closed_directories(root: FileUser, ann: FileUser) -> None:
    """NFS checks the directory of a name, not those above it: clients checked them before."""
    closed = root.mkdir(root.files.root, b"closed", NewAttributes(mode=0o700))
    directory = root.mkdir(closed, b"d", NewAttributes(mode=0o777))

    file = ann.create(directory, b"file")

    assert ann.lookup(directory, b"file") == file
    with fails_with(errno.EACCES):
        ann.lookup(closed, b"d")
    assert ann.like(Identity(0, 0)).getattr(file).uid == 1000
