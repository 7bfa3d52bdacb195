"""The protocol ``nfs`` of fsspec: its own tests, and paths, exports and threads."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from pkgutil import resolve_name
from typing import Any
from urllib.parse import urlsplit

import pytest

from oncrpc.nfs.backends.memory import MemoryFileSystem
from oncrpc.nfs.client.fsspec_protocol import NfsProtocol
from support.remote_files import served_in_thread

fsspec = pytest.importorskip("fsspec")
abstract = pytest.importorskip("fsspec.tests.abstract")

ROOT = Path(__file__).parents[3]

pytestmark = [
    pytest.mark.slow,
    # fsspec's own fixtures
    pytest.mark.filterwarnings("ignore:Class-scoped fixtures defined as instance methods"),
]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The URL of an empty file system that exports /srv/data."""
    backend = MemoryFileSystem(mode=0o777)
    with served_in_thread(backend, path="/srv/data") as url:
        yield url


def protocol_of(url: str, **options: Any) -> NfsProtocol:
    """A new instance for the server at a URL."""
    parts = urlsplit(url)
    port = int(parts.query.partition("nfsport=")[2].partition("&")[0])
    made: NfsProtocol = NfsProtocol(
        "127.0.0.1", port, mountport=port, uid=1000, gid=100, skip_instance_cache=True, **options
    )
    return made


@pytest.fixture(scope="module")
def files(server: str) -> Iterator[NfsProtocol]:
    made = protocol_of(server, auto_mkdir=True)
    yield made
    made.close()


class NfsFixtures(abstract.AbstractFixtures):  # type: ignore[name-defined]  # at run time
    """What fsspec's tests use."""

    @pytest.fixture(scope="class")
    @classmethod
    def fs(cls, server: str) -> Iterator[NfsProtocol]:
        made = protocol_of(server, auto_mkdir=True)
        yield made
        made.close()

    @pytest.fixture
    def fs_path(self) -> str:
        return "/srv/data"

    @pytest.fixture(scope="class")
    @classmethod
    def fs_join(cls) -> Callable[..., str]:
        return lambda *parts: "/".join([*(part.rstrip("/") for part in parts[:-1]), parts[-1]])


class TestCopy(abstract.AbstractCopyTests, NfsFixtures):  # type: ignore[name-defined]
    """Copies on the server."""

    test_copy_glob_edge_cases = None  # a hundred tests of how fsspec expands a pattern


class TestGet(abstract.AbstractGetTests, NfsFixtures):  # type: ignore[name-defined]
    """Copies from the server."""

    test_get_glob_edge_cases = None  # a hundred tests of how fsspec expands a pattern


class TestPut(abstract.AbstractPutTests, NfsFixtures):  # type: ignore[name-defined]
    """Copies to the server."""

    test_put_glob_edge_cases = None  # a hundred tests of how fsspec expands a pattern


class TestOpen(abstract.AbstractOpenTests, NfsFixtures):  # type: ignore[name-defined]
    """Modes of open."""


class TestPipe(abstract.AbstractPipeTests, NfsFixtures):  # type: ignore[name-defined]
    """Writing whole files."""


def test_entry_point_names_the_class() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert resolve_name(project["entry-points"]["fsspec.specs"]["nfs"]) is NfsProtocol


@pytest.mark.parametrize(
    ("url", "host", "port", "path"),
    [
        ("nfs://host/export/a", "host", None, "/export/a"),
        ("nfs://host:99/export/a/", "host", 99, "/export/a"),
        ("nfs://[fd98:0:0:0:0:0:0:1]:99/*.csv", "fd98:0:0:0:0:0:0:1", 99, "/*.csv"),
        ("nfs://host", "host", None, "/"),
    ],
)
def test_url_gives_host_and_path(url: str, host: str, port: int | None, path: str) -> None:
    fsspec.register_implementation("nfs", NfsProtocol, clobber=True)

    made, found = fsspec.url_to_fs(url)

    assert (made.host, made.exports.server.port, found) == (host, port, path)


def test_exports_are_found_from_the_root(files: NfsProtocol) -> None:
    assert files.ls("/", detail=False) == ["/srv"]
    assert files.ls("/srv", detail=False) == ["/srv/data"]
    assert files.isdir("/srv")
    assert files.unstrip_protocol("/srv/data") == "nfs://127.0.0.1/srv/data"


def test_file_is_used_as_python_uses_files(files: NfsProtocol) -> None:
    path = "/srv/data/folder/text"
    with files.open(path, "w", encoding="utf-8") as text:
        text.write("one\ntwo\n")
    with files.open(path, "r", encoding="utf-8") as text:
        assert list(text) == ["one\n", "two\n"]
    with files.open(path, "r+b") as file:
        file.seek(4)
        file.write(b"TWO")
        file.seek(0)
        assert file.read() == b"one\nTWO\n"
        file.truncate(3)

    assert files.cat_file(path, 1, 3) == b"ne"
    assert files.info(path)["size"] == 3
    assert (datetime.now(tz=UTC) - files.modified(path)).days == 0
    files.touch(path, truncate=False)
    files.touch(path)
    assert files.size(path) == 0
    assert files.ls(path, detail=False) == [path]


def test_files_move_and_disappear(files: NfsProtocol) -> None:
    files.pipe_file("/srv/data/from/a", b"x")
    files.mv("/srv/data/from", "/srv/data/to")
    files.mkdir("/srv/data/into")
    files.mv("/srv/data/to/a", "/srv/data/into")
    assert files.find("/srv/data/into") == ["/srv/data/into/a"]

    files.rm("/srv/data/into", recursive=True)
    files.rmdir("/srv/data/to")
    assert not files.exists("/srv/data/into")
    with pytest.raises(FileNotFoundError):
        files.info("/srv/data/to")


def test_path_below_no_export_is_named(files: NfsProtocol) -> None:
    with pytest.raises(OSError, match="'/other/folder/file'"):
        files.info("/other/folder/file")


def test_unknown_storage_option_is_refused() -> None:
    with pytest.raises(TypeError, match=r"unknown storage option for nfs://: user$"):
        NfsProtocol("127.0.0.1", user="root", use_listings_cache=False)


def test_threads_take_turns(files: NfsProtocol) -> None:
    def use(number: int) -> bytes:
        path = f"/srv/data/threads/{number}"
        files.pipe_file(path, b"%d" % number * 1000)
        content: bytes = files.cat_file(path)
        return content

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(use, range(30)))

    assert found == [b"%d" % number * 1000 for number in range(30)]
