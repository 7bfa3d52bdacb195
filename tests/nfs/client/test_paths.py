"""Paths are followed name by name, and never lead out of the mounted directory."""

from __future__ import annotations

import errno

import pytest

from oncrpc.errors import ProtocolError
from oncrpc.nfs import RemoteFileSystem
from oncrpc.nfs.client.paths import MAX_LINKS, parent_of
from oncrpc.nfs.client.results import FileHandle
from oncrpc.programs.nfs3 import (
    LOOKUP3res,
    LOOKUP3resok,
    READLINK3res,
    READLINK3resok,
    ftype3,
    nfs_fh3,
)
from oncrpc.rpc import Call
from support.remote_files import (
    NO_ATTRIBUTES,
    OK,
    ScriptedNfs,
    attributes,
    use_files,
    use_scripted,
    with_attributes,
)


async def tree(fs: RemoteFileSystem) -> None:
    """Files ``a/b/f`` and ``f``."""
    await fs.mkdir("a/b", parents=True)
    await fs.write_bytes("a/b/f", b"deep")
    await fs.write_bytes("f", b"top")


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("a/b/f", b"deep"),
        ("/a//./b/f", b"deep"),
        (b"a/b/../../f", b"top"),
        ("../../f", b"top"),
        ("a/b/../../../../a/b/f", b"deep"),
    ],
)
def test_path_leads_to_its_file(path: str | bytes, content: bytes) -> None:
    async def use(fs: RemoteFileSystem) -> None:
        await tree(fs)

        assert await fs.read_bytes(path) == content

    use_files(use)


@pytest.mark.parametrize(
    ("text", "content"),
    [("b/f", b"deep"), ("../f", b"top"), ("/f", b"top"), ("/../../f", b"top"), ("l2", b"deep")],
)
def test_link_is_followed_inside_the_mount(text: str, content: bytes) -> None:
    async def use(fs: RemoteFileSystem) -> None:
        await tree(fs)
        await fs.symlink(text, "a/l")
        await fs.symlink("b", "a/l3")
        await fs.symlink("l3/f", "a/l2")

        assert await fs.read_bytes("a/l") == content
        assert (await fs.lstat("a/l")).is_symlink()

    use_files(use)


def test_loop_of_links_is_an_error() -> None:
    async def use(fs: RemoteFileSystem) -> None:
        await fs.symlink("b", "a")
        await fs.symlink("a", "b")

        with pytest.raises(OSError, match="a") as raised:
            await fs.stat("a")
        assert raised.value.errno == errno.ELOOP

    use_files(use)


def test_as_many_links_as_allowed_are_followed() -> None:
    async def use(fs: RemoteFileSystem) -> None:
        await fs.write_bytes("0", b"x")
        for number in range(1, MAX_LINKS + 2):
            await fs.symlink(str(number - 1), str(number))

        assert await fs.read_bytes(str(MAX_LINKS)) == b"x"
        with pytest.raises(OSError, match="symbolic links"):
            await fs.read_bytes(str(MAX_LINKS + 1))

    use_files(use)


def test_handles_are_taken_in_place_of_paths() -> None:
    async def use(fs: RemoteFileSystem) -> None:
        await tree(fs)
        directory, file = await fs.handle("a"), await fs.handle("a/b/f")

        assert await fs.read_bytes(file) == b"deep"
        assert await fs.read_bytes(directory / "b" / "f") == b"deep"
        assert await fs.listdir(directory / ".." / "..") == ["b"]
        await fs.rename(directory / "b", fs.root / "c")
        assert await fs.listdir(directory) == []

    use_files(use)


@pytest.mark.parametrize(("path", "reason"), [("", "empty"), ("a\0b", "null byte")])
def test_invalid_path_is_refused(path: str, reason: str) -> None:
    async def use(fs: RemoteFileSystem) -> None:
        with pytest.raises(ValueError, match=reason):
            await fs.stat(path)

    use_files(use)


class Links(ScriptedNfs):
    """Every name is a symbolic link with the same text."""

    def __init__(self, text: bytes) -> None:
        super().__init__()
        self.text = text

    def NFSPROC3_LOOKUP(self, call: Call, arg: object) -> LOOKUP3res:
        found = with_attributes(attributes(ftype3.NF3LNK))
        return LOOKUP3res(OK, LOOKUP3resok(nfs_fh3(b"link"), found, NO_ATTRIBUTES))

    def NFSPROC3_READLINK(self, call: Call, arg: object) -> READLINK3res:
        return READLINK3res(OK, READLINK3resok(NO_ATTRIBUTES, self.text))


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (b"a\0b", ProtocolError),
        (b"", FileNotFoundError),
        (bytes(5000).replace(b"\0", b"x"), OSError),
        (b"x/" * 100, OSError),
    ],
    ids=["NUL", "empty", "long", "expanding"],
)
def test_hostile_link_is_refused(text: bytes, error: type[Exception]) -> None:
    async def use(fs: RemoteFileSystem) -> None:
        with pytest.raises(error):
            await fs.stat("a")

    use_scripted(Links(text), use)


def test_parent_of_a_path_stops_at_its_start() -> None:
    handle = FileHandle(b"h")

    assert parent_of("a/b/") == b"a"
    assert parent_of("/a") is None
    assert parent_of(handle) is None
    assert parent_of(handle / "a/b") == handle / "a"
