"""The blocking form has the same methods, and they block."""

from __future__ import annotations

import inspect
import subprocess
import sys
from typing import Any

import pytest

from oncrpc import nfs
from oncrpc.errors import ClientClosed
from oncrpc.nfs import (
    RemoteFile,
    RemoteFileSystem,
    SyncRemoteFile,
    SyncRemoteFileSystem,
    sync_connect,
)
from support.remote_files import USER, served_in_thread

PAIRS: list[tuple[type[Any], type[Any]]] = [
    (RemoteFileSystem, SyncRemoteFileSystem),
    (RemoteFile, SyncRemoteFile),
]


@pytest.mark.parametrize(("coroutines", "blocking"), PAIRS)
def test_both_forms_take_the_same_arguments(coroutines: type[Any], blocking: type[Any]) -> None:
    names = {name for name in vars(coroutines) if name[0] != "_"}
    assert names == {name for name in vars(blocking) if name[0] != "_"}

    for name in names:
        found = [vars(each)[name] for each in (coroutines, blocking)]
        if callable(found[0]):
            first, second = (inspect.signature(each).parameters for each in found)
            assert list(first.values()) == list(second.values()), name


def test_blocking_methods_return_results() -> None:
    data = bytes(range(256)) * 10_000
    with served_in_thread() as url, sync_connect(url, auth=USER) as fs:
        fs.mkdir("a/b", parents=True)
        assert fs.write_bytes("a/b/f", data) == len(data)
        assert fs.read_bytes("a/b/f") == data
        with fs.open("a/b/f", "r+b") as file:
            file.seek(5)
            file.write(b"xyz")
            file.flush()
            assert file.pread(5, 4) == b"\4xyz\10"
            assert file.tell() == 8
        assert [(entry.name, entry.size) for entry in fs.scandir("a/b")] == [("f", len(data))]
        fs.rename("a/b/f", "g")
        fs.symlink("g", "l")
        assert fs.readlink("l") == "g"
        with pytest.raises(FileNotFoundError):
            fs.stat("a/b/f")
        assert sorted(fs.listdir()) == ["a", "g", "l"]
        assert "NFS 3" in repr(fs)


def test_file_system_works_without_a_context() -> None:
    with served_in_thread() as url:
        fs = sync_connect(url, auth=USER)
        fs.mkdir("a")
        fs.close()
        with pytest.raises(ClientClosed):
            fs.listdir()


def test_version2_is_used_by_blocking_calls() -> None:
    with served_in_thread() as url, nfs.sync_connect(f"{url}&version=2", auth=USER) as fs:
        assert (fs.version, fs.exists("a")) == (2, False)
        assert fs.handle("/") == fs.root


def test_listing_may_end_early() -> None:
    with served_in_thread() as url, nfs.sync_connect(url, auth=USER) as fs:
        for name in ("a", "b"):
            fs.mkdir(name)
        for entry in fs.scandir():
            fs.rmdir(entry.name)
            break

        assert len(fs.listdir()) == 1


@pytest.mark.slow
def test_blocking_client_never_loads_asyncio() -> None:
    program = "import oncrpc, sys; oncrpc.nfs.sync_connect; sys.exit('asyncio' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
