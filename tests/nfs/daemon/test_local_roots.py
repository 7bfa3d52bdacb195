"""Opening exported directories."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from oncrpc.nfs.answers import settled
from oncrpc.nfs.backends.local.kernel_handles import NoKernelHandles
from oncrpc.nfs.daemon import local_roots
from oncrpc.nfs.daemon.local_roots import TABLE, LocalRoots, RootOptions
from oncrpc.nfs.filesystem import FileSystem, Identity
from support.loops import run

ROOT = Identity(0, 0)


async def found_in(files: FileSystem) -> bytes:
    """The id of the file in the directory."""
    return await settled(files.lookup(ROOT, files.root, b"hello"))


@pytest.fixture
def no_handles(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel that gives no handles."""

    def refuses(*_: object, **__: object) -> None:
        raise NoKernelHandles(95, "Operation not supported")

    monkeypatch.setattr(local_roots, "kernel_objects", refuses)


def test_identity_is_that_of_the_directory(share: Path) -> None:
    moved = share.with_name("moved")
    roots = LocalRoots(None)

    before = roots(bytes(share), RootOptions())
    before.forget()
    share.rename(moved)
    after = roots(bytes(moved), RootOptions())
    after.forget()

    assert before.identity == after.identity
    assert f"root={moved.stat().st_ino:x}" in after.identity


def test_missing_directory_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        LocalRoots(None)(bytes(tmp_path / "none"), RootOptions())


@pytest.mark.usefixtures("no_handles")
def test_table_is_in_the_state_directory(share: Path, state: Path) -> None:
    async def scenario() -> None:
        for _ in range(2):
            opened = LocalRoots(str(state))(bytes(share), RootOptions())
            files = opened.serve(5)
            found.append(await found_in(files))
            files.close()
            assert opened.ids == TABLE

    found: list[bytes] = []
    run(scenario())

    assert (state / "handles-5").exists()
    assert found[0] == found[1]


@pytest.mark.usefixtures("no_handles")
def test_table_without_state_is_in_memory(share: Path, tmp_path: Path) -> None:
    async def scenario() -> None:
        opened = LocalRoots(None)(bytes(share), RootOptions())
        files = opened.serve(1)
        await found_in(files)
        opened.forget()
        files.close()

    run(scenario())

    assert list(tmp_path.glob("**/handles-*")) == []


@pytest.mark.parametrize("path", [b"/proc", b"/proc/self", b"/sys"])
def test_files_of_the_kernel_are_refused(path: bytes) -> None:
    """Those of /proc are the memory of the server, too, and the key that is in it."""
    with pytest.raises(OSError, match="of the kernel") as caught:
        LocalRoots(None)(path, RootOptions())

    assert caught.value.errno == errno.EOPNOTSUPP


@pytest.mark.usefixtures("no_handles")
def test_without_tables_kernel_handles_are_needed(share: Path) -> None:
    with pytest.raises(OSError, match="set workers = 1"):
        LocalRoots(None, processes=2)(bytes(share), RootOptions())
