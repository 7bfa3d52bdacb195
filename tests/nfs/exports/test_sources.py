"""``oncrpc.nfs.exports.sources``: files and tables."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from oncrpc.nfs.exports.backend_choice import BackendChoice
from oncrpc.nfs.exports.places import Severity
from oncrpc.nfs.exports.sources import (
    MAX_FILE,
    MAX_FILES,
    ExportConfig,
    ExportSources,
    ReadExports,
    fault_of_client,
    read_exports,
)
from oncrpc.nfs.options import ExportOptions

RW = ExportOptions(ro=False)


def read(tmp_path: Path, /, *, main: str | None = None, **extra: str) -> ReadExports:
    folder = tmp_path / "exports.d"
    folder.mkdir()
    for name, text in extra.items():
        (folder / name.replace("_", ".")).write_text(text)
    if main is not None:
        (tmp_path / "exports").write_text(main)
    return read_exports(ExportSources((str(tmp_path / "exports"),), (str(folder),)))


def test_fault_of_a_client_is_found() -> None:
    fault = fault_of_client("192.0.2.0/24(rw,nonsense)")

    assert fault is not None
    assert fault.text == 'unknown option "nonsense"'
    assert fault_of_client("192.0.2.0/24(rw)") is None


def paths(found: ReadExports) -> list[bytes]:
    return [entry.path for entry in found.entries]


def texts(found: ReadExports, severity: Severity = Severity.ERROR) -> list[str]:
    return [each.text for each in found.problems if each.severity is severity]


def test_files_are_read_in_order(tmp_path: Path) -> None:
    extra = {"b_exports": "/b *", "a_exports": "/a *", "10_exports": "/10 *", "9_exports": "/9 *"}

    found = read(tmp_path, main="/first *", **extra)

    assert paths(found) == [b"/first", b"/9", b"/10", b"/a", b"/b"]
    assert [os.path.basename(file) for file in found.files] == [
        "exports", "9.exports", "10.exports", "a.exports", "b.exports",
    ]  # fmt: skip


def test_other_files_are_ignored(tmp_path: Path) -> None:
    names = (".a_exports", "b_exports~", "exports", "_exports", "c_export")
    found = read(tmp_path, main="/first *", **dict.fromkeys(names, "/no *"))
    (tmp_path / "exports.d" / "d.exports").mkdir()

    assert paths(found) == [b"/first"]


def test_links_to_files_are_read(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("/linked *")
    (tmp_path / "exports").symlink_to("target")

    assert paths(read(tmp_path)) == [b"/linked"]


def test_missing_files_export_nothing(tmp_path: Path) -> None:
    found = read_exports(ExportSources((str(tmp_path / "no"),), (str(tmp_path / "none"),)))

    assert (found.entries, found.problems, found.files) == ([], [], [])


def test_large_file_is_an_error(tmp_path: Path) -> None:
    found = read(tmp_path, main="#" * (MAX_FILE + 1))

    assert texts(found) == [f"it has more than {MAX_FILE} bytes"]
    assert found.entries == []


def test_many_files_are_an_error(tmp_path: Path) -> None:
    found = read(tmp_path, **{f"{number}_exports": "/a *" for number in range(MAX_FILES + 1)})

    assert texts(found) == [f"it has more than {MAX_FILES} files"]
    assert len(found.files) == MAX_FILES


def test_pipe_is_an_error_and_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "exports")

    assert texts(read(tmp_path)) == ["cannot read it: it is not a regular file"]


def test_directory_that_is_a_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "exports").write_text("/a *")
    path = str(tmp_path / "exports")

    assert texts(read_exports(ExportSources((path,), (path,)))) == [
        "cannot read it: Not a directory"
    ]


def test_file_that_all_can_write_is_warned_about(tmp_path: Path) -> None:
    (tmp_path / "exports").write_text("/a *")
    (tmp_path / "exports").chmod(0o666)

    assert texts(read(tmp_path), Severity.WARNING) == ["every user of this host can write to it"]


def tabled(*tables: str) -> ReadExports:
    class File(msgspec.Struct):
        export: list[ExportConfig]

    document = msgspec.toml.decode("\n".join(tables), type=File)
    return read_exports(ExportSources((), (), document.export, config="nfsd.toml: [[export]]"))


@pytest.mark.parametrize(
    "clients",
    [
        'clients = {"192.0.2.0/24" = "rw", "@trusted" = ""}',
        'clients = ["192.0.2.0/24(rw)", "@trusted"]',
        'clients = ["192.0.2.0/24(rw)", "@trusted()"]',
    ],
)
def test_tables_give_the_same_entries(clients: str) -> None:
    found = tabled('[[export]]\npath = "/srv/a b"\noptions = "async"', clients)

    assert [(each.path, each.client.text, each.options) for each in found.entries] == [
        (b"/srv/a b", "192.0.2.0/24", RW._replace(sync=False)),
        (b"/srv/a b", "@trusted", ExportOptions(sync=False)),
    ]
    assert found.problems == []


@pytest.mark.parametrize(
    ("table", "text"),
    [
        ('path = "srv"\nclients = ["*"]', '"srv" is not an absolute path'),
        ('path = "/srv"\nclients = []', "it has no clients"),
        ('path = "/srv"\nclients = {"*" = "rwx"}', 'unknown option "rwx"'),
        ('path = "/srv"\nclients = ["*(rw"]', '"*(rw" is not a client'),
        ('path = "/srv"\nclients = ["*"]\noptions = "anonuid=joe"', 'bad anonuid "joe"'),
        ('path = "/srv"\nclients = {"10.4" = "rw"}', '"10.4" is not an address'),
        ('path = "/srv"\nclients = {"*" = "rw,,ro"}', 'unknown option ""'),
    ],
)
def test_mistake_in_a_table_names_the_table(table: str, text: str) -> None:
    first = '[[export]]\npath = "/a"\nclients = ["*"]\n'
    found = tabled(first, f"[[export]]\n{table}")

    assert texts(found) == [text]
    assert str(found.problems[0].place) == "nfsd.toml: [[export]] 2"
    assert all(each.options is None for each in found.entries[1:])


def test_table_needs_path_and_clients() -> None:
    with pytest.raises(msgspec.ValidationError, match="clients"):
        tabled('[[export]]\npath = "/srv"')
    with pytest.raises(msgspec.ValidationError, match="client"):
        tabled('[[export]]\npath = "/srv"\nclient = ["*"]\nclients = ["*"]')


def test_default_sources_are_those_of_exportfs() -> None:
    assert ExportSources().files == ("/etc/exports",)
    assert ExportSources().folders == ("/etc/exports.d",)


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ({"backend": "s3"}, '"s3" is not a back end'),
        ({"url": "s3://b"}, "url is not for the back end local"),
        ({"backend": "fsspec"}, "the back end fsspec needs url"),
        ({"backend": "fsspec", "url": "s3://b", "upper": "/u"}, "upper is not for the back end"),
        ({"backend": "overlay"}, "the back end overlay needs upper"),
        ({"backend": "fuse"}, "the back end fuse needs operations"),
        ({"backend": "fuse", "operations": "a.py:B"}, '"a.py:B" is not an absolute path'),
        ({"backend": "overlay", "upper": "u"}, '"u" is not an absolute path'),
        ({"backend": "fsspec", "url": "s3://b", "uid": -1}, "uid or gid is not a number of a user"),
    ],
)
def test_mistake_in_a_back_end_is_named(keys: dict[str, Any], text: str) -> None:
    table = ExportConfig("/made", ["*"], **keys)

    (problem,) = read_exports(ExportSources((), (), [table])).problems

    assert problem.text.startswith(text)
    assert problem.advice


def test_back_end_is_kept_by_path() -> None:
    store = ExportConfig("/a/", ["*"], backend="fsspec", url="s3://b", storage={"key": "x"})
    over = ExportConfig("/b.zip", ["*"], backend="overlay", upper="/u")

    found = read_exports(ExportSources((), (), [store, over])).backends

    assert found == {
        b"/a": BackendChoice(name="fsspec", url="s3://b", storage={"key": "x"}, lower="/a/"),
        b"/b.zip": BackendChoice(name="overlay", lower="/b.zip", upper="/u"),
    }
