"""The calls of ``os`` by path, in both versions; refusals, stale handles and busy servers."""

from __future__ import annotations

import errno
import os
import stat as modes
from typing import Any

import pytest

from oncrpc.errors import GarbageArguments
from oncrpc.nfs import NfsStatusError, RemoteFileSystem
from oncrpc.nfs.backends.memory import MemoryFileSystem
from oncrpc.nfs.client import operations
from oncrpc.nfs.filesystem import Identity
from oncrpc.programs.nfs3 import (
    CREATE3res,
    CREATE3resok,
    GETATTR3res,
    GETATTR3resok,
    LOOKUP3res,
    LOOKUP3resfail,
    LOOKUP3resok,
    SETATTR3res,
    SETATTR3resok,
    ftype3,
    nfs_fh3,
    nfsstat3,
    post_op_fh3,
)
from oncrpc.rpc import Call
from support.remote_files import (
    NO_ATTRIBUTES,
    NO_WCC,
    OK,
    ScriptedMount,
    ScriptedNfs,
    attributes,
    use_files,
    use_scripted,
)

both = pytest.mark.parametrize("version", [3, 2])


@both
def test_errors_name_the_paths(version: int) -> None:
    async def use(fs: RemoteFileSystem) -> None:
        await fs.write_bytes("file", b"")
        with pytest.raises(FileNotFoundError, match="'none' -> 'new'"):
            await fs.rename("none", "new")
        with pytest.raises(FileExistsError, match="'file' -> 'file'"):
            await fs.link("file", "file")
        with pytest.raises(FileNotFoundError, match="'none/new'"):
            await fs.rename("file", "none/new")
        with pytest.raises(NotADirectoryError, match="'file'"):
            await fs.listdir("file")
        with pytest.raises(NotADirectoryError, match="'file'"):
            [entry async for entry in fs.scandir("file")]

    use_files(use, version=version)


@both
def test_directories_are_made_and_removed(version: int) -> None:
    async def use(fs: RemoteFileSystem) -> None:
        await fs.mkdir("a/b/c", parents=True)
        await fs.mkdir("a/b", exist_ok=True)
        await fs.mkdir("/", exist_ok=True)
        with pytest.raises(FileExistsError):
            await fs.mkdir("a/b")
        with pytest.raises(FileNotFoundError):
            await fs.mkdir("x/y")
        with pytest.raises(OSError, match="NOTEMPTY"):
            await fs.rmdir("a/b")
        await fs.rmdir("a/b/c")

        assert await fs.listdir("a/b") == []
        assert fs.version == version

    use_files(use, version=version)


@both
def test_files_are_linked_renamed_and_removed(version: int) -> None:
    async def use(fs: RemoteFileSystem) -> None:
        await fs.write_bytes("a", b"data")
        await fs.link("a", "b")
        await fs.rename("a", "c")
        await fs.symlink("c", "l")
        assert (await fs.stat("b")).nlink == 2
        assert await fs.readlink("l") == "c"
        assert await fs.exists("l")

        await fs.unlink("c")
        assert not await fs.exists("l")
        assert not await fs.exists("b/x")
        await fs.unlink("c", missing_ok=True)
        with pytest.raises(FileNotFoundError):
            await fs.unlink("c")
        assert sorted(await fs.listdir()) == ["b", "l"]

    use_files(use, version=version)


@pytest.mark.parametrize(
    ("version", "size", "reason"),
    [(3, -1, errno.EINVAL), (3, 1 << 64, errno.EFBIG), (2, 1 << 32, errno.EFBIG)],
)
def test_impossible_size_is_refused(version: int, size: int, reason: int) -> None:
    async def use(fs: RemoteFileSystem) -> None:
        await fs.write_bytes("a", b"data")
        with pytest.raises(OSError, match="'a'") as caught:
            await fs.truncate("a", size)
        assert (caught.value.errno, caught.value.filename) == (reason, "a")

    use_files(use, version=version)


@both
def test_attributes_are_set(version: int) -> None:
    async def use(fs: RemoteFileSystem) -> None:
        await fs.write_bytes("a", b"data")
        await fs.chmod("a", 0o600)
        await fs.truncate("a", 2)
        await fs.utime("a", ns=(1_000_000_000, 2_000_001_000))
        await fs.chown("a", -1, -1)
        found = await fs.stat("a")
        assert modes.filemode(found.mode) == "-rw-------"
        assert (found.size, found.atime, found.mtime_ns) == (2, 1.0, 2_000_001_000)

        await fs.utime("a", (3.0, 4.0))
        assert (await fs.stat("a")).mtime == 4.0
        await fs.utime("a")
        assert (await fs.stat("a")).mtime > 1e9

    use_files(use, version=version)


@both
def test_space_and_limits_are_reported(version: int) -> None:
    async def use(fs: RemoteFileSystem) -> None:
        assert (await fs.fsstat()).total_bytes >= 0
        assert (await fs.fsinfo()).read_max == (1 << 20 if version == 3 else 8192)

    use_files(use, version=version)


def test_version3_has_access_mknod_and_pathconf() -> None:
    async def use(fs: RemoteFileSystem) -> None:
        await fs.mknod("p", modes.S_IFIFO | 0o600)
        await fs.write_bytes("a", b"")
        await fs.chmod("a", 0o400)

        assert modes.S_ISFIFO((await fs.stat("p")).mode)
        assert await fs.access("a", os.R_OK)
        assert not await fs.access("a", os.X_OK)
        assert await fs.access("/", os.W_OK | os.X_OK)
        assert (await fs.pathconf()).name_max == 255
        with pytest.raises(ValueError, match="special"):
            await fs.mknod("q", modes.S_IFREG)

    use_files(use)


def test_version2_refuses_operations_of_version3() -> None:
    async def use(fs: RemoteFileSystem) -> None:
        for call in (fs.mknod("p"), fs.access("/", os.R_OK), fs.pathconf()):
            with pytest.raises(NfsStatusError) as raised:
                await call
            assert raised.value.errno == errno.EOPNOTSUPP
        with pytest.raises(OSError, match="FBIG"):
            async with await fs.open("a", "wb") as file:
                await file.pwrite(b"x", 1 << 32)

    use_files(use, version=2)


@both
def test_name_that_is_too_long_is_refused(version: int) -> None:
    async def use(fs: RemoteFileSystem) -> None:
        for call in (fs.stat("n" * 300), fs.mkdir("n" * 300), fs.symlink("t" * 5000, "l")):
            with pytest.raises(OSError, match="NAMETOOLONG"):
                await call

    use_files(use, version=version)


def test_error_names_errno_status_and_path() -> None:
    async def use(fs: RemoteFileSystem) -> None:
        with pytest.raises(FileNotFoundError) as raised:
            await fs.read_bytes("no/such")

        assert raised.value.filename == "no/such"
        assert "NFS3ERR_NOENT" in str(raised.value)

    use_files(use)


@pytest.mark.parametrize("use_of", ["unlink", "rmdir"])
def test_mounted_directory_cannot_be_removed(use_of: str) -> None:
    async def use(fs: RemoteFileSystem) -> None:
        with pytest.raises(OSError, match="busy"):
            await getattr(fs, use_of)("/")

    use_files(use)


def test_identity_of_the_credential_is_used() -> None:
    async def use(fs: RemoteFileSystem) -> None:
        await fs.write_bytes("a", b"")

        assert (await fs.stat("a")).uid == 1000

    use_files(use)


class Forgetful(ScriptedNfs):
    """Knows only the newest handle of the root; each look-up renews it."""

    def __init__(self, mount: ScriptedMount, times: int) -> None:
        super().__init__()
        self.mount, self.times = mount, times

    def NFSPROC3_LOOKUP(self, call: Call, arg: Any) -> LOOKUP3res:
        if self.times:
            self.times -= 1
            self.mount.handle = b"root%d" % self.times
        if arg.what.dir.data != self.mount.handle:
            return LOOKUP3res(nfsstat3.NFS3ERR_STALE, LOOKUP3resfail(NO_ATTRIBUTES))
        return super().NFSPROC3_LOOKUP(call, arg)

    def NFSPROC3_GETATTR(self, call: Call, arg: Any) -> GETATTR3res:
        known = arg.object.data in (self.mount.handle, b"file")
        if not known:
            return GETATTR3res(nfsstat3.NFS3ERR_BADHANDLE, None)
        return GETATTR3res(OK, GETATTR3resok(attributes(ftype3.NF3DIR)))


@pytest.mark.parametrize(("times", "found"), [(1, True), (2, False)])
def test_stale_root_is_mounted_again_once(times: int, found: bool) -> None:
    mount = ScriptedMount()
    server = Forgetful(mount, 0)

    async def use(fs: RemoteFileSystem) -> None:
        server.times = times
        if found:
            assert (await fs.stat("a")).is_file()
            return
        with pytest.raises(OSError, match="STALE") as raised:
            await fs.stat("a")
        assert raised.value.errno == errno.ESTALE

    use_scripted(server, use, mount=mount)


class Busy(ScriptedNfs):
    """Answers some look-ups "try later"."""

    busy = 2

    def NFSPROC3_LOOKUP(self, call: Call, arg: Any) -> LOOKUP3res:
        if self.busy:
            self.busy -= 1
            return LOOKUP3res(nfsstat3.NFS3ERR_JUKEBOX, LOOKUP3resfail(NO_ATTRIBUTES))
        return super().NFSPROC3_LOOKUP(call, arg)


@pytest.mark.parametrize(("limit", "found"), [(60.0, True), (0.01, False)])
def test_busy_server_is_asked_again(
    limit: float, found: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operations, "FIRST_BUSY", 0.01)
    monkeypatch.setattr(operations, "BUSY_LIMIT", limit)

    async def use(fs: RemoteFileSystem) -> None:
        if found:
            await fs.stat("a")
            return
        with pytest.raises(OSError, match="JUKEBOX"):
            await fs.stat("a")

    use_scripted(Busy(), use)


def test_empty_handle_is_refused() -> None:
    class Empty(ScriptedNfs):
        def NFSPROC3_LOOKUP(self, call: Call, arg: Any) -> LOOKUP3res:
            return LOOKUP3res(OK, LOOKUP3resok(nfs_fh3(b""), NO_ATTRIBUTES, NO_ATTRIBUTES))

    async def use(fs: RemoteFileSystem) -> None:
        with pytest.raises(Exception, match="file handle of 0 bytes"):
            await fs.stat("a")

    use_scripted(Empty(), use)


@pytest.mark.parametrize(("size", "error"), [(256, OSError), (255, GarbageArguments)])
def test_long_name_that_linux_cannot_decode(size: int, error: type[Exception]) -> None:
    class Linux(ScriptedNfs):
        def NFSPROC3_LOOKUP(self, call: Call, arg: Any) -> LOOKUP3res:
            raise GarbageArguments

    async def use(fs: RemoteFileSystem) -> None:
        with pytest.raises(error) as caught:
            await fs.stat("a" * size)
        assert getattr(caught.value, "errno", None) == {256: errno.ENAMETOOLONG}.get(size)

    use_scripted(Linux(), use)


def test_server_may_leave_out_new_handles() -> None:
    class Sparse(ScriptedNfs):
        def NFSPROC3_CREATE(self, call: Call, arg: Any) -> CREATE3res:
            made = CREATE3resok(post_op_fh3(False, None), NO_ATTRIBUTES, NO_WCC)
            return CREATE3res(OK, made)

        def NFSPROC3_SETATTR(self, call: Call, arg: Any) -> SETATTR3res:
            return SETATTR3res(OK, SETATTR3resok(NO_WCC))

    async def use(fs: RemoteFileSystem) -> None:
        async with await fs.open("a", "xb") as file:
            assert file.handle == b"file"

    use_scripted(Sparse(), use)


class Hidden(MemoryFileSystem):
    """Refuses to look up a name."""

    def lookup(self, who: Identity, directory: bytes, name: bytes) -> Any:
        if name == b"hidden":
            raise PermissionError
        return super().lookup(who, directory, name)


def test_denied_file_does_not_count_as_missing() -> None:
    async def use(fs: RemoteFileSystem) -> None:
        with pytest.raises(PermissionError):
            await fs.exists("hidden")

    use_files(use, Hidden(mode=0o777))
