"""What the NFS client does with every server: each claim uses a directory of its own.

``CLAIMS`` has them by name. Those in ``VERSION_3`` need version 3 of NFS.
"""

from __future__ import annotations

import os
import stat as modes
from collections.abc import Callable

import pytest

from oncrpc.nfs import FileHandle, NfsStatusError, SyncRemoteFileSystem
from support.hosts import until

DATA = bytes(range(256)) * 10_001
NAMES = 500
"""Entries of a directory that needs several pages."""

Claim = Callable[[SyncRemoteFileSystem, str], None]
CLAIMS: dict[str, Claim] = {}
VERSION_3 = {"locks", "special", "limits", "append_twice"}


def claim(function: Claim) -> Claim:
    """Add a claim to the table."""
    CLAIMS[function.__name__] = function
    return function


@claim
def whole_files(fs: SyncRemoteFileSystem, top: str) -> None:
    """``write_bytes`` replaces a file, ``read_bytes`` returns it."""
    for content in (DATA, b"short", b""):
        assert fs.write_bytes(f"{top}/file", content) == len(content)
        assert fs.read_bytes(f"{top}/file") == content
        assert fs.stat(f"{top}/file").size == len(content)


@claim
def pieces(fs: SyncRemoteFileSystem, top: str) -> None:
    """A file is written and read in pieces, at the position and elsewhere."""
    with fs.open(f"{top}/file", "xb", permissions=0o640) as file:
        for at in range(0, len(DATA), 100_000):
            file.write(DATA[at : at + 100_000])
        file.pwrite(b"changed", 5)
    buffer = bytearray(30)
    with fs.open(f"{top}/file") as file:
        assert file.read(20) == DATA[:5] + b"changed" + DATA[12:20]
        assert file.readinto(buffer) == 30
        assert buffer == DATA[20:50]
        assert file.pread(100, len(DATA) - 50) == DATA[-50:]
        assert file.seek(-10, os.SEEK_END) == len(DATA) - 10
        assert file.read() == DATA[-10:]
        assert file.read(1) == b""


@claim
def exclusive_creation(fs: SyncRemoteFileSystem, top: str) -> None:
    """The mode ``x`` creates once, with the permissions asked for."""
    fs.open(f"{top}/file", "xb", permissions=0o640).close()
    assert modes.S_IMODE(fs.stat(f"{top}/file").mode) == 0o640
    with pytest.raises(FileExistsError):
        fs.open(f"{top}/file", "xb")


@claim
def append_twice(fs: SyncRemoteFileSystem, top: str) -> None:
    """The mode ``a`` starts at the end."""
    for line in (b"one\n", b"two\n"):
        with fs.open(f"{top}/log", "ab") as file:
            file.write(line)
    assert fs.read_bytes(f"{top}/log") == b"one\ntwo\n"


@claim
def holes(fs: SyncRemoteFileSystem, top: str) -> None:
    """A file may be extended, cut, and written beyond its end."""
    with fs.open(f"{top}/file", "w+b") as file:
        file.pwrite(b"end", 50_000)
        file.flush()
        assert file.pread(5, 49_998) == b"\0\0end"
        assert file.truncate(60_000) == 60_000
    fs.truncate(f"{top}/file", 10)
    assert fs.read_bytes(f"{top}/file") == bytes(10)


@claim
def links(fs: SyncRemoteFileSystem, top: str) -> None:
    """Hard and symbolic links lead to the same file; a loop is an error."""
    fs.mkdir(f"{top}/folder")
    fs.write_bytes(f"{top}/file", b"content")
    fs.link(f"{top}/file", f"{top}/folder/linked")
    fs.symlink("../file", f"{top}/folder/pointer")
    fs.symlink("loop", f"{top}/loop")
    assert fs.read_bytes(f"{top}/folder/pointer") == b"content"
    assert fs.readlink(f"{top}/folder/pointer") == "../file"
    assert fs.lstat(f"{top}/folder/pointer").is_symlink()
    assert fs.stat(f"{top}/file").nlink == 2
    assert fs.stat(f"{top}/folder/linked").fileid == fs.stat(f"{top}/file").fileid
    with pytest.raises(OSError, match="levels of symbolic links"):
        fs.stat(f"{top}/loop")


@claim
def listings(fs: SyncRemoteFileSystem, top: str) -> None:
    """A directory of several pages is listed whole, with attributes."""
    expected = {f"a file with the number {number:04}" for number in range(NAMES)}
    fs.write_bytes(f"{top}/first", b"content")
    first, folder = fs.handle(f"{top}/first"), fs.handle(top)
    for name in expected:
        fs.link(first, folder / name)
    names = fs.listdir(top)
    assert (len(names), set(names)) == (NAMES + 1, expected | {"first"})
    assert {(entry.name, entry.size) for entry in fs.scandir(top)} == {(n, 7) for n in names}


@claim
def directories(fs: SyncRemoteFileSystem, top: str) -> None:
    """Directories are created with their parents, and removed when empty."""
    fs.mkdir(f"{top}/a/b/c", parents=True)
    fs.mkdir(f"{top}/a/b", exist_ok=True)
    with pytest.raises(FileExistsError):
        fs.mkdir(f"{top}/a")
    with pytest.raises(OSError, match="NOTEMPTY"):
        fs.rmdir(f"{top}/a")
    for path in ("a/b/c", "a/b", "a"):
        fs.rmdir(f"{top}/{path}")
    assert not fs.exists(f"{top}/a")


@claim
def renames(fs: SyncRemoteFileSystem, top: str) -> None:
    """A rename replaces a file, and moves a directory with its files."""
    fs.mkdir(f"{top}/from")
    fs.write_bytes(f"{top}/from/file", b"new")
    fs.write_bytes(f"{top}/file", b"old")
    fs.rename(f"{top}/from/file", f"{top}/file")
    assert fs.read_bytes(f"{top}/file") == b"new"
    fs.write_bytes(f"{top}/from/other", b"x")
    fs.rename(f"{top}/from", f"{top}/to")
    assert fs.read_bytes(f"{top}/to/other") == b"x"


@claim
def attributes(fs: SyncRemoteFileSystem, top: str) -> None:
    """Permissions, owner and times are set."""
    fs.write_bytes(f"{top}/file", b"content")
    fs.chmod(f"{top}/file", 0o600)
    fs.chown(f"{top}/file", 1000, 100)
    fs.utime(f"{top}/file", ns=(10**18, 10**18 + 1000))
    found = fs.stat(f"{top}/file")
    assert modes.filemode(found.mode) == "-rw-------"
    assert (found.uid, found.gid, found.size) == (1000, 100, 7)
    assert (found.atime_ns, found.mtime_ns) == (10**18, 10**18 + 1000)


def _is_stale(fs: SyncRemoteFileSystem, file: FileHandle) -> bool:
    """Whether a file is gone. Linux keeps it open for some seconds after a READ."""
    try:
        fs.stat(file)
    except NfsStatusError as error:
        return "STALE" in str(error)
    return False


@claim
def handles(fs: SyncRemoteFileSystem, top: str) -> None:
    """A handle is a path that survives a rename, until the file is removed."""
    fs.mkdir(f"{top}/folder")
    folder = fs.handle(f"{top}/folder")
    fs.write_bytes(folder / "file", b"content")
    file = fs.handle(folder / "file")
    fs.rename(f"{top}/folder", f"{top}/moved")
    assert fs.listdir(folder) == ["file"]
    assert fs.read_bytes(file) == b"content"
    fs.unlink(f"{top}/moved/file")
    until(lambda: _is_stale(fs, file), "the handle is stale")


@claim
def missing_files(fs: SyncRemoteFileSystem, top: str) -> None:
    """Refusals are the exceptions of Python, with the path."""
    fs.write_bytes(f"{top}/file", b"")
    errors: list[tuple[type[OSError], Callable[[], object]]] = [
        (FileNotFoundError, lambda: fs.stat(f"{top}/missing")),
        (FileNotFoundError, lambda: fs.unlink(f"{top}/missing")),
        (NotADirectoryError, lambda: fs.stat(f"{top}/file/below")),
        (NotADirectoryError, lambda: fs.listdir(f"{top}/file")),
        (IsADirectoryError, lambda: fs.open(top)),
    ]
    for kind, call in errors:
        with pytest.raises(kind, match=top):
            call()
    assert fs.unlink(f"{top}/missing", missing_ok=True) is None  # type: ignore[func-returns-value]


@claim
def open_files(fs: SyncRemoteFileSystem, top: str) -> None:
    """An open file is renamed and stays usable; two open files see each other's stored data."""
    with fs.open(f"{top}/file", "w+b") as one:
        one.write(b"0123456789")
        one.flush()
        fs.rename(f"{top}/file", f"{top}/moved")
        with fs.open(f"{top}/moved", "r+b") as two:
            two.pwrite(b"xy", 3)
            two.flush()
            assert one.pread(10, 0) == b"012xy56789"
            assert one.stat().size == 10


@claim
def limits(fs: SyncRemoteFileSystem, top: str) -> None:
    """The server tells its limits, and which access it grants."""
    assert fs.fsstat(top).total_bytes > 0
    assert fs.fsinfo(top).read_max >= 8192
    assert fs.pathconf(top).name_max >= 255
    fs.write_bytes(f"{top}/file", b"")
    fs.chmod(f"{top}/file", 0o644)
    assert fs.access(f"{top}/file", os.R_OK | os.W_OK)
    with pytest.raises(OSError, match="File name too long"):
        fs.write_bytes(f"{top}/{'n' * 256}", b"")


@claim
def special(fs: SyncRemoteFileSystem, top: str) -> None:
    """Special files are created."""
    fs.mknod(f"{top}/pipe", modes.S_IFIFO | 0o600)
    fs.mknod(f"{top}/device", modes.S_IFCHR | 0o600, os.makedev(1, 3))
    assert modes.S_ISFIFO(fs.stat(f"{top}/pipe").mode)
    assert fs.stat(f"{top}/device").device == (1, 3)


@claim
def locks(fs: SyncRemoteFileSystem, top: str) -> None:
    """Two owners exclude each other, by ranges; shared locks do not conflict."""
    path = f"{top}/file"
    fs.write_bytes(path, b"content")
    with fs.lock(path, length=10):
        found = fs.lock_holder(path, exclusive=False, offset=5)
        assert found is not None
        assert (found.exclusive, found.offset, found.length) == (True, 0, 10)
        with pytest.raises(BlockingIOError), fs.lock(path, timeout=0):
            pass
        with fs.lock(path, offset=10, timeout=0):
            pass
    with fs.lock(path, exclusive=False), fs.lock(path, exclusive=False, timeout=0):
        pass
    assert fs.lock_holder(path) is None
