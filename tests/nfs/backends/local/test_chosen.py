"""The choice between the kernel's handles and a table."""

from __future__ import annotations

import errno
import logging
import os
from pathlib import Path

import pytest

from oncrpc.nfs.backends.local import kernel_handles
from oncrpc.nfs.backends.local.chosen import ChosenObjects, chosen_objects, table_objects
from oncrpc.nfs.backends.local.kernel_handles import KernelHandles, NoKernelHandles
from oncrpc.nfs.backends.local.objects import Objects, OpenObject, looked_at
from oncrpc.nfs.backends.local.syscalls import open_by_handle_at
from oncrpc.nfs.backends.local.table import HandleTable
from support.errnos import fails_with

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture
def top(tmp_path: Path) -> Path:
    """A directory with a file, a directory and a link."""
    top = tmp_path / "top"
    (top / "d").mkdir(parents=True)
    (top / "f").touch()
    (top / "link").symlink_to("nowhere")
    return top


def chosen(top: Path, table: Path | None) -> ChosenObjects:
    return chosen_objects(str(top), None if table is None else str(table))


def refusing(number: int, after: int = 0) -> object:
    """``open_by_handle_at``, refused after some calls."""
    calls = 0

    def refuse(*arguments: object) -> int:
        nonlocal calls
        calls += 1
        if calls > after:
            raise OSError(number, os.strerror(number))
        return open_by_handle_at(*arguments)  # type: ignore[arg-type]  # passed on as they came

    return refuse


def id_of(objects: Objects, top: Path, name: str) -> bytes:
    found: OpenObject = looked_at(os.open(top / name, os.O_PATH))
    try:
        file = objects.id_of(found, directory=objects.root, name=name.encode())
        objects.keep()
        return file
    finally:
        os.close(found.descriptor)


@needs_root
def test_kernel_handles_are_preferred(top: Path, tmp_path: Path) -> None:
    objects, reason = chosen(top, tmp_path / "table")

    assert isinstance(objects, KernelHandles)
    assert reason == "file handles are the kernel's"
    assert not (tmp_path / "table").exists()
    objects.close()


@needs_root
@pytest.mark.parametrize(
    ("number", "why"),
    [
        (errno.EPERM, "the server has no CAP_DAC_READ_SEARCH"),
        (errno.EOPNOTSUPP, "the file system gives no handles"),
        (errno.ESTALE, "the file system does not find files by its handles"),
    ],
)
@pytest.mark.parametrize("after", [0, 1, 3], ids=["root", "first", "third"])
def test_table_is_chosen_with_a_reason(
    top: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, number: int, why: str, after: int
) -> None:
    monkeypatch.setattr(kernel_handles, "open_by_handle_at", refusing(number, after))

    objects, reason = chosen(top, tmp_path / "table")

    assert isinstance(objects, HandleTable)
    assert reason == f"file handles are kept in a table in {tmp_path}/table: {why}" + (
        f" ({os.strerror(number)})"
    )
    objects.close()


def without_handles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel_handles, "open_by_handle_at", refusing(errno.EPERM))


def test_table_in_memory_is_named_so(top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_handles(monkeypatch)

    objects, reason = chosen(top, None)

    assert "in memory, and end with the server" in reason
    objects.close()


def test_weak_file_system_is_named_so(monkeypatch: pytest.MonkeyPatch) -> None:
    without_handles(monkeypatch)

    objects, reason = chosen(Path("/proc"), None)

    assert "does not tell when a file was created" in reason
    objects.close()


def test_damaged_table_is_set_aside(
    top: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    without_handles(monkeypatch)
    objects, _ = chosen(top, tmp_path / "table")
    file = id_of(objects, top, "f")
    objects.close()
    (tmp_path / "table").write_bytes(b"damaged" * 1000)

    with caplog.at_level(logging.ERROR):
        objects, _ = chosen(top, tmp_path / "table")

    assert (tmp_path / "table.corrupt").read_bytes() == b"damaged" * 1000
    assert "have to mount again" in caplog.text
    with fails_with(errno.ESTALE):
        objects.open(file)
    assert id_of(objects, top, "f") != file
    objects.close()


def test_table_in_use_is_not_set_aside(
    top: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_handles(monkeypatch)
    objects, _ = chosen(top, tmp_path / "table")

    with fails_with(errno.EBUSY):
        chosen(top, tmp_path / "table")
    objects.close()


def test_table_is_usable_after_a_failed_start(
    top: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    why, table = NoKernelHandles(errno.EPERM, "not permitted"), str(tmp_path / "table")
    with fails_with(errno.ENOENT):
        table_objects(str(tmp_path / "none"), table, why=why)

    table_objects(str(top), table, why=why).objects.close()


def test_missing_directory_is_an_error(tmp_path: Path) -> None:
    with fails_with(errno.ENOENT):
        chosen(tmp_path / "none", tmp_path / "table")
