"""Where exports come from."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from oncrpc.daemon.config.values import FilePathOrUrl
from oncrpc.nfs.daemon.config import ExportsTable, NfsdConfig, NfsdDaemonTable
from oncrpc.nfs.daemon.config_values import ExportClient
from oncrpc.nfs.daemon.modes import Mode
from oncrpc.nfs.daemon.sources import sources_of
from oncrpc.nfs.exports.sources import ExportConfig, read_exports
from oncrpc.nfs.options import ExportOptions


def options_of(config: NfsdConfig, mode: Mode) -> dict[str, ExportOptions | None]:
    """The options of each client."""
    found = read_exports(sources_of(config, mode))
    assert found.problems == []
    return {entry.client.text: entry.options for entry in found.entries}


def of_directories(*clients: str) -> NfsdConfig:
    """A configuration with a directory on the command line."""
    table = NfsdDaemonTable(
        directories=(FilePathOrUrl("/srv"),), to=tuple(map(ExportClient, clients))
    )
    return NfsdConfig(daemon=table)


def test_directory_is_for_this_host_only() -> None:
    found = options_of(of_directories(), Mode.ROOT)

    assert found.keys() == {"127.0.0.1", "::1"}
    options = found["127.0.0.1"]
    assert options is not None
    assert (options.ro, options.sync, options.secure, options.root_squash) == (
        False, True, True, True,
    )  # fmt: skip


@pytest.mark.parametrize("mode", [Mode.PLAIN, Mode.HANDLES])
def test_without_identities_all_are_the_servers_user(mode: Mode) -> None:
    options = options_of(of_directories(), mode)["::1"]

    assert options is not None
    assert (options.secure, options.all_squash) == (False, True)
    assert (options.anonuid, options.anongid) == (os.geteuid(), os.getegid())


def test_clients_of_the_command_line_have_their_options() -> None:
    found = options_of(of_directories("192.0.2.0/24(ro)", "*"), Mode.ROOT)

    assert {name: options and options.ro for name, options in found.items()} == {
        "192.0.2.0/24": True,
        "*": False,
    }


def test_files_folder_and_tables_are_read(tmp_path: Path) -> None:
    file, folder = tmp_path / "exports", tmp_path / "exports.d"
    folder.mkdir()
    file.write_text("/a *(ro)\n")
    (folder / "b.exports").write_text("/b *(ro)\n")
    config = NfsdConfig(
        exports=ExportsTable(files=(FilePathOrUrl(str(file)), FilePathOrUrl(str(folder)))),
        export=(ExportConfig("/c", ["*(ro)"]),),
    )

    found = read_exports(sources_of(config, Mode.ROOT))

    assert [entry.path for entry in found.entries] == [b"/a", b"/b", b"/c"]


def test_every_directory_of_files_is_read(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "some.exports").write_text(f"/srv/{name} *(ro)\n")
    files = tuple(FilePathOrUrl(str(tmp_path / name)) for name in ("one", "two", "none"))

    sources = sources_of(NfsdConfig(exports=ExportsTable(files=files)), Mode.ROOT)

    assert [each.path for each in read_exports(sources).entries] == [b"/srv/one", b"/srv/two"]
