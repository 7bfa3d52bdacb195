"""From the exports of the files to the shares of the server."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from oncrpc.nfs.backends.memory import MemoryFileSystem
from oncrpc.nfs.daemon import exported
from oncrpc.nfs.daemon.backends import OpenedRoot
from oncrpc.nfs.daemon.exported import Exported, check_command, fixed_identity, fsid_of
from oncrpc.nfs.daemon.local_roots import KERNEL, RootOptions
from oncrpc.nfs.exports.parse import parse_exports
from oncrpc.nfs.exports.sources import ExportSources
from oncrpc.nfs.exports.table import Exports
from oncrpc.nfs.filesystem import FileSystem
from oncrpc.nfs.handles import KEY_SIZE, Handles
from oncrpc.nfs.server.keys import Tags
from oncrpc.nfs.server.shares import Share, Shares
from support.loops import run, until


class Files(MemoryFileSystem):
    """A file system that knows how it was opened, and whether it is closed."""

    def __init__(self, options: RootOptions) -> None:
        super().__init__()
        self.options, self.closed = options, False

    def close(self) -> None:
        self.closed = True


class Site:
    """A file of exports, and what becomes of it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.file = folder, folder / "exports"
        self.opened: list[Files] = []
        self.forgotten = 0
        self.shares = Shares(Handles(bytes(KEY_SIZE)))
        exports = Exports(ExportSources(files=[str(self.file)], folders=()))
        self.exported = Exported(exports, self.shares, Tags({}), self.open_root)

    def open_root(self, path: bytes, options: RootOptions) -> OpenedRoot:
        """Open a directory: a file system in memory."""

        def serve(_tag: int) -> FileSystem:
            self.opened.append(Files(options))
            return self.opened[-1]

        def forget() -> None:
            self.forgotten += 1

        return OpenedRoot(f"volume root={os.stat(path).st_ino}", KERNEL, serve, forget)

    def write(self, *lines: str) -> list[Share]:
        """Write the file and let it be read; returns the shares."""
        self.file.write_text("".join(f"{line}\n" for line in lines))
        self.exported.configure(self.exported.exports.sources)
        return list(self.shares)

    def directory(self, name: str) -> Path:
        """A directory to export."""
        made = self.folder / name
        made.mkdir()
        return made


def within(folder: Path, check: Callable[[Site], None]) -> None:
    """Run a check in an event loop."""

    async def scenario() -> None:
        site = Site(folder)
        check(site)
        site.exported.close()
        assert all(each.closed for each in site.opened)

    run(scenario())


def entries(options: str) -> list[object]:
    return list(parse_exports(f"/a *({options})\n".encode(), "exports").entries)


@pytest.mark.parametrize(
    ("options", "identity", "fsid"),
    [
        ("rw,fsid=7", "fsid=7", 7),
        ("rw,fsid=root", "fsid=0", 0),
        (
            "rw,fsid=00000000-0000-0001-0000-000000000003",
            "fsid=00000000-0000-0001-0000-000000000003",
            2,
        ),
    ],
)
def test_fsid_of_the_options_is_taken(options: str, identity: str, fsid: int) -> None:
    found = entries(options)

    assert fixed_identity(found) == identity  # type: ignore[arg-type]  # entries
    assert fsid_of(found, "volume") == fsid  # type: ignore[arg-type]  # entries


def test_fsid_otherwise_follows_from_the_volume() -> None:
    one, again, other = (fsid_of([], name) for name in ("uuid=1", "uuid=1", "uuid=2"))

    assert one == again != other
    assert 0 <= one < 1 << 64


def test_share_keeps_its_file_system(tmp_path: Path) -> None:
    def check(site: Site) -> None:
        data = site.directory("data")
        (before,) = site.write(f"{data} *(rw)")
        (after,) = site.write(f"{data} 192.0.2.1(ro)")
        assert after is before
        assert len(site.opened) == 1

    within(tmp_path, check)


@pytest.mark.parametrize(
    "changed", ["rw,async", "rw,crossmnt", "rw,fsid=9"], ids=["async", "crossmnt", "fsid"]
)
def test_option_of_the_file_system_opens_it_again(tmp_path: Path, changed: str) -> None:
    def check(site: Site) -> None:
        data = site.directory("data")
        (before,) = site.write(f"{data} *(rw)")
        (after,) = site.write(f"{data} *({changed})")
        assert after is not before
        assert [each.closed for each in site.opened] == [True, False]
        assert (after.tag == before.tag) is ("fsid" not in changed)

    within(tmp_path, check)


def test_options_of_all_clients_decide_about_sync(tmp_path: Path) -> None:
    def check(site: Site) -> None:
        data = site.directory("data")
        site.write(f"{data} 192.0.2.1(rw,async) *(ro,sync)")
        site.write(f"{data} 192.0.2.1(rw,async) *(ro,async)")
        assert [each.options.sync for each in site.opened] == [True, False]

    within(tmp_path, check)


def test_export_enters_mount_points_that_are_not_hidden(tmp_path: Path) -> None:
    def check(site: Site) -> None:
        data = site.directory("data")
        below, hidden = site.directory("data/below"), site.directory("data/hidden")
        site.write(f"{data} *(rw)", f"{below} *(rw,nohide)", f"{hidden} *(rw)")
        crosses = site.opened[0].options.crosses
        assert crosses is not None
        assert [crosses(bytes(path)) for path in (below, hidden, data)] == [True, False, False]
        site.write(f"{data} *(rw)", f"{hidden} *(rw,nohide)")
        crosses = site.opened[-1].options.crosses
        assert crosses is not None
        assert crosses(bytes(hidden))

    within(tmp_path, check)


def test_fsid_of_another_export_is_not_opened(tmp_path: Path) -> None:
    def check(site: Site) -> None:
        one, two = site.directory("one"), site.directory("two")
        (share,) = site.write(f"{one} *(rw,fsid=7)", f"{two} *(rw,fsid=7)")
        assert share.path == bytes(one)
        assert site.exported.failed == {bytes(two): f"it has the fsid of {one}"}
        assert (len(site.opened), site.forgotten) == (1, 1)

    within(tmp_path, check)


def test_missing_mount_point_is_not_exported(tmp_path: Path) -> None:
    def check(site: Site) -> None:
        data = site.directory("data")
        assert site.write(f"{data} *(rw,mountpoint)") == []
        assert site.exported.failed == {bytes(data): f"{data} is not a mount point"}
        (share,) = site.write(f"{data} *(rw,mountpoint=/proc)")
        assert share.path == bytes(data)

    within(tmp_path, check)


def test_unmounted_mount_point_is_no_longer_exported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounted = True
    monkeypatch.setattr(os.path, "ismount", lambda _: mounted)
    monkeypatch.setattr(exported, "RETRY", 0.001)

    async def scenario() -> None:
        nonlocal mounted
        site = Site(tmp_path)
        (share,) = site.write(f"{site.directory('data')} *(rw,mountpoint)")
        mounted = False
        await until(lambda: not list(site.shares))
        mounted = True
        await until(lambda: bool(list(site.shares)))
        assert [each.path for each in site.shares] == [share.path]
        site.exported.close()

    run(scenario())


def test_directory_that_becomes_a_link_is_not_followed(tmp_path: Path) -> None:
    def check(site: Site) -> None:
        data, other = site.directory("data"), site.directory("other")
        site.write(f"{data} *(rw)")
        data.rmdir()
        data.symlink_to(other)
        site.exported.settle()
        assert list(site.shares) == []
        assert site.exported.failed == {
            bytes(data): "it is a symbolic link now; 'nfsd reload' exports what it leads to"
        }

    within(tmp_path, check)


def test_reload_that_follows_a_new_link_warns(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def check(site: Site) -> None:
        data, other = site.directory("data"), site.directory("other")
        site.write(f"{data} *(rw)")
        data.rmdir()
        data.symlink_to(other)
        (share,) = site.write(f"{data} *(rw)")
        assert share.path == bytes(other)
        assert caplog.messages == [f"{data} is a symbolic link now: {other} is exported"]
        site.write(f"{data} *(ro)")
        assert len(caplog.messages) == 1

    within(tmp_path, check)


def test_exports_are_counted(tmp_path: Path) -> None:
    def check(site: Site) -> None:
        site.write(f"{site.directory('data')} *(rw)")
        assert site.exported.counted() == "exports: 1"
        site.write(f"{tmp_path}/data *(rw)", f"{tmp_path}/missing *(rw)")
        assert site.exported.counted() == "exports: 1, not exported: 1"

    within(tmp_path, check)


def test_usual_files_are_checked_without_options() -> None:
    assert check_command(ExportSources()) == "nfsd exports check"


def test_retry_changes_nothing_that_is_served(tmp_path: Path) -> None:
    def check(site: Site) -> None:
        data = site.directory("data")
        site.write(f"{data} *(rw)", f"{tmp_path}/missing *(rw)")
        generation = site.shares.generation
        site.exported.settle()
        assert site.shares.generation == generation

    within(tmp_path, check)


def test_changed_rules_are_a_new_generation(tmp_path: Path) -> None:
    def check(site: Site) -> None:
        data = site.directory("data")
        (before,) = site.write(f"{data} *(rw)")
        generation = site.shares.generation
        (after,) = site.write(f"{data} *(ro)")
        assert after is before
        assert site.shares.generation > generation

    within(tmp_path, check)


def test_further_path_of_a_share_is_found(tmp_path: Path) -> None:
    def check(site: Site) -> None:
        data, link = site.directory("data"), tmp_path / "link"
        link.symlink_to(data)
        (share,) = site.write(f"{data} *(rw)")
        site.write(f"{data} *(rw)", f"{link} 192.0.2.1(ro)")
        assert [found for found, _ in site.shares.around(bytes(link))] == [share]

    within(tmp_path, check)


def test_exporting_nothing_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def check(site: Site) -> None:
        shared = site.directory("shared")
        site.write(f"{shared} *(rw)")
        assert caplog.messages == []
        site.write()
        assert caplog.messages == [
            f"nothing is exported; see 'nfsd exports check --exports {tmp_path}/exports'"
        ]

    within(tmp_path, check)
