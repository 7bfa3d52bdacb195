"""``oncrpc.nfs.client.exports``: which exports of a server are used."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from oncrpc.nfs.client.exports import ServerExports, usable
from oncrpc.nfs.client.url import parse_url
from oncrpc.programs.mount import MOUNTVERS, exportnode, groupnode
from oncrpc.rpc import Call
from support.remote_files import ScriptedNfs, programs_in_thread, served_in_thread


class HiddenList(ServerExports):
    """The exports of a server that does not list them."""

    @property
    def names(self) -> list[str]:
        return []


@contextmanager
def exports_at(url: str, made: type[ServerExports] = ServerExports) -> Iterator[ServerExports]:
    with closing(made(parse_url(url)._replace(path=b"/"), timeout=10.0)) as exports:
        yield exports


@pytest.mark.parametrize("export", ["/", "/srv", "/srv/data/", "/srv/..data", "/\udcff"])
def test_absolute_paths_are_used(export: str) -> None:
    assert usable(export)


@pytest.mark.parametrize(
    "export", ["", "srv", "/..", "/srv/../../etc", "/srv/./data", "/srv//data", "/srv\0"]
)
def test_misleading_paths_are_left_out(export: str) -> None:
    assert not usable(export)


@pytest.mark.parametrize("made", [ServerExports, HiddenList])
def test_export_itself_is_found(made: type[ServerExports]) -> None:
    with served_in_thread(path="/deep/export") as url, exports_at(url, made) as exports:
        found = exports.find("/deep/export")

        assert found.fs.listdir(found.path) == []


def test_path_outside_of_exports_is_refused() -> None:
    with (
        served_in_thread(path="/deep/export") as url,
        exports_at(url, HiddenList) as exports,
        pytest.raises(PermissionError, match="/deep/none"),
    ):
        exports.find("/deep/none")


class Mount1Only(MOUNTVERS.Service):
    """MOUNT 1 with one export."""

    def MOUNTPROC_EXPORT(self, call: Call) -> list[exportnode]:
        return [exportnode(b"/old", [groupnode(b"host")])]


def test_exports_are_read_by_mount_1_too() -> None:
    with programs_in_thread(Mount1Only()) as url, exports_at(url) as exports:
        assert exports.names == ["/old"]


def test_refused_list_is_empty() -> None:
    with programs_in_thread(ScriptedNfs()) as url, exports_at(url) as exports:
        assert exports.names == []
