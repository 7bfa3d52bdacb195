"""Trees are copied to a server, back, and between servers, with the result of cp(1)."""

from __future__ import annotations

import errno
import os
import stat as modes
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oncrpc import nfs
from oncrpc.nfs import RemoteFileSystem
from oncrpc.nfs.backends.memory import MemoryFileSystem
from oncrpc.nfs.client import copy_tree
from oncrpc.nfs.client.copy_local import LocalTree
from oncrpc.nfs.client.copy_places import CopySource, CopyTarget
from oncrpc.nfs.client.copy_report import CopyFailure, CopyOptions, CopyReport, is_complete
from oncrpc.nfs.client.copy_tree import CopyEntry, partial_name
from oncrpc.nfs.client.copying import copy_trees
from oncrpc.nfs.filesystem import Identity, NewAttributes, Written
from oncrpc.programs.nfs3 import ftype3, stable_how
from oncrpc.rpc.blocking import run as run_blocking
from support.loops import run
from support.remote_files import mounted, served_in_thread, use_files

TREE = CopyOptions(recursive=True)
EXACT = CopyOptions(recursive=True, preserve=True)
RESUME = CopyOptions(recursive=True, resume=True)
TIME = 1_700_000_000_123_456_789


def fill(top: Path) -> Path:
    """A small tree with files, links, an empty directory and odd names."""
    (top / "a" / "deep").mkdir(parents=True)
    (top / "empty").mkdir()
    (top / "a" / "small").write_bytes(b"small")
    (top / "a" / "deep" / "none").write_bytes(b"")
    (top / os.fsdecode(b"odd \xff\nname")).write_bytes(b"odd")
    (top / "large").write_bytes(bytes(range(256)) * 1_000)
    (top / "pointer").symlink_to("a/small")
    (top / "broken").symlink_to("/no/such/file")
    os.utime(top / "a" / "small", ns=(TIME, TIME))
    (top / "a" / "small").chmod(0o751)
    return top


def content(top: Path) -> dict[str, object]:
    """What a tree has, by path."""
    found: dict[str, object] = {}
    for path in top.rglob("*"):
        name = str(path.relative_to(top))
        if path.is_symlink():
            found[name] = ("link", os.readlink(path))
        elif path.is_dir():
            found[name] = "directory"
        else:
            found[name] = path.read_bytes()
    return found


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return fill(tmp_path / "tree")


@pytest.mark.parametrize("version", [3, 2])
@pytest.mark.parametrize("jobs", [1, 5])
def test_tree_is_the_same_after_both_ways(
    tree: Path, tmp_path: Path, version: int, jobs: int
) -> None:
    options = TREE._replace(jobs=jobs)

    async def use(fs: RemoteFileSystem) -> None:
        there = await fs.copy_in(tree, "copy", options)
        back = await fs.copy_out("copy", tmp_path / "back", options)

        assert there.files == back.files == 6
        assert there.bytes == back.bytes == 256_008

    use_files(use, version=version)
    assert content(tmp_path / "back") == content(tree)


def test_blocking_client_copies_too(tree: Path, tmp_path: Path) -> None:
    with served_in_thread() as url, nfs.sync_connect(url) as fs:
        fs.copy_in(tree, "/", TREE)
        fs.copy_out("tree/a/small", tmp_path)

    assert (tmp_path / "small").read_bytes() == b"small"


def test_tree_is_copied_between_servers(tree: Path) -> None:
    async def scenario() -> None:
        async with mounted() as first, mounted() as second:
            await first.copy_in(tree, "/", TREE)
            source, target = CopySource.of(first.tree, "tree"), CopyTarget.of(second.tree, "new")
            await copy_trees([source], target, TREE, CopyReport())

            assert await second.read_bytes("new/pointer") == b"small"
            assert sorted(await second.listdir("new")) == sorted(await first.listdir("tree"))

    run(scenario())


names = st.binary(min_size=1, max_size=12).filter(
    lambda name: not {0, ord("/")} & {*name} and name not in (b".", b"..")
)
trees = st.recursive(
    st.binary(max_size=3000), lambda below: st.dictionaries(names, below, max_size=4), max_leaves=9
).filter(lambda made: isinstance(made, dict))


def build(path: bytes, made: object) -> None:
    if isinstance(made, dict):
        os.mkdir(path)
        for name, below in made.items():
            build(os.path.join(path, name), below)
    else:
        assert isinstance(made, bytes)
        Path(os.fsdecode(path)).write_bytes(made)


@pytest.mark.slow
@settings(max_examples=30, deadline=None)
@given(trees, st.integers(1, 20))
def test_any_tree_is_the_same_after_both_ways(made: object, jobs: int) -> None:
    with TemporaryDirectory() as place:
        source, back = Path(place, "source"), Path(place, "back")
        build(os.fsencode(source), made)
        options = EXACT._replace(jobs=jobs)

        async def use(fs: RemoteFileSystem) -> None:
            await fs.copy_in(source, "copy", options)
            await fs.copy_out("copy", back, options)

        use_files(use, MemoryFileSystem(mode=0o777))
        assert content(back) == content(source)


def test_copy_into_directory_keeps_the_name(tree: Path) -> None:
    async def use(fs: RemoteFileSystem) -> None:
        await fs.mkdir("here")
        await fs.copy_in(tree / "a" / "small", "here")
        await fs.copy_in(f"{tree}/.", "here", TREE)

        assert await fs.exists("here/small")
        assert await fs.exists("here/a/small")

    use_files(use)


def test_directory_needs_recursion(tree: Path) -> None:
    async def use(fs: RemoteFileSystem) -> None:
        with pytest.raises(OSError, match="-r copies"):
            await fs.copy_in(tree, "copy")

    use_files(use)


def test_several_sources_need_a_directory(tree: Path) -> None:
    async def use(fs: RemoteFileSystem) -> None:
        sources = [CopySource.of(LocalTree(), tree / name) for name in ("large", "pointer")]
        with pytest.raises(CopyFailure) as raised:
            await copy_trees(sources, CopyTarget.of(fs.tree, "no"), TREE, CopyReport())
        assert raised.value.errno == errno.ENOTDIR

    use_files(use)


def test_link_of_the_command_line_is_followed(tree: Path, tmp_path: Path) -> None:
    async def use(fs: RemoteFileSystem) -> None:
        await fs.copy_in(tree / "pointer", "copy")
        await fs.symlink("copy", "link")
        await fs.copy_out("link", tmp_path / "back")

        assert not (await fs.lstat("copy")).is_symlink()

    use_files(use)
    assert (tmp_path / "back").read_bytes() == b"small"


def test_preserved_attributes_are_the_same(tree: Path, tmp_path: Path) -> None:
    (tree / "a").chmod(0o550)
    os.utime(tree / "a", ns=(TIME, TIME + 1))

    async def use(fs: RemoteFileSystem) -> None:
        await fs.copy_in(tree, "copy", EXACT)
        await fs.copy_out("copy", tmp_path / "back", EXACT)

    use_files(use)
    for name, mode, time in (("a", 0o550, TIME + 1), ("a/small", 0o751, TIME)):
        found = (tmp_path / "back" / name).stat()
        assert (modes.S_IMODE(found.st_mode), found.st_mtime_ns) == (mode, time)


def test_set_id_bits_need_preservation(tree: Path, tmp_path: Path) -> None:
    async def use(fs: RemoteFileSystem) -> None:
        await fs.write_bytes("tool", b"")
        await fs.chmod("tool", 0o6755)
        await fs.copy_out("tool", tmp_path / "plain")

    use_files(use)
    assert modes.S_IMODE((tmp_path / "plain").stat().st_mode) & 0o7000 == 0


def test_replaced_file_keeps_its_permissions(tree: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_bytes(b"old")
    target.chmod(0o600)

    async def use(fs: RemoteFileSystem) -> None:
        await fs.write_bytes("new", b"new")
        await fs.copy_out("new", target)

    use_files(use)
    assert target.read_bytes() == b"new"
    assert modes.S_IMODE(target.stat().st_mode) == 0o600


def test_no_clobber_leaves_existing_files(tree: Path) -> None:
    async def use(fs: RemoteFileSystem) -> None:
        await fs.write_bytes("small", b"other")
        report = await fs.copy_in(tree / "a" / "small", "/", CopyOptions(no_clobber=True))

        assert await fs.read_bytes("small") == b"other"
        assert (report.files, report.skipped) == (0, 1)

    use_files(use)


def test_special_files_need_preservation(tree: Path, tmp_path: Path) -> None:
    os.mkfifo(tree / "pipe")

    async def use(fs: RemoteFileSystem) -> None:
        with pytest.raises(OSError, match="special file"):
            await fs.copy_in(tree, "copy", TREE)
        await fs.copy_in(tree, "exact", EXACT)
        await fs.copy_out("exact", tmp_path / "back", EXACT)

        assert not await fs.exists("copy/pipe")

    use_files(use)
    assert (tmp_path / "back" / "pipe").is_fifo()


def test_directory_is_not_copied_into_itself(tree: Path) -> None:
    async def use(fs: RemoteFileSystem) -> None:
        await fs.copy_in(tree, "/", TREE)
        source, target = CopySource.of(fs.tree, "tree"), CopyTarget.of(fs.tree, "tree/empty")
        report, failures = CopyReport(), list[CopyFailure]()
        report.on_failure = failures.append
        await copy_trees([source], target, TREE, report)

        assert [failure.errno for failure in failures] == [errno.ELOOP]
        assert await fs.exists("tree/empty/tree/a/small")

    use_files(use)


def test_file_does_not_replace_itself(tree: Path) -> None:
    async def use(fs: RemoteFileSystem) -> None:
        await fs.write_bytes("a", b"data")
        report = CopyReport()
        source, target = CopySource.of(fs.tree, "a"), CopyTarget.of(fs.tree, "a")
        await copy_trees([source], target, CopyOptions(), report)

        assert report.failed == 1
        assert await fs.read_bytes("a") == b"data"

    use_files(use)


def test_file_does_not_replace_a_directory(tree: Path) -> None:
    async def use(fs: RemoteFileSystem) -> None:
        await fs.mkdir("to/large", parents=True)
        await fs.write_bytes("to/empty", b"")
        report, failures = CopyReport(), list[CopyFailure]()
        report.on_failure = failures.append
        await fs.copy_in(f"{tree}/.", "to", TREE, report)

        assert {failure.filename for failure in failures} == {"to/large", "to/empty"}
        assert (await fs.stat("to/large")).is_dir()

    use_files(use)


def test_resumed_copy_skips_complete_files(tree: Path) -> None:
    async def use(fs: RemoteFileSystem) -> None:
        await fs.copy_in(tree, "copy", TREE)
        (tree / "large").write_bytes(b"shorter")
        os.utime(tree / "a" / "small", ns=(TIME, TIME + 1))
        report = await fs.copy_in(f"{tree}/.", "copy", RESUME)

        assert report.skipped == 2
        assert await fs.read_bytes("copy/large") == b"shorter"

    use_files(use)


def entry_of(path: Path) -> CopyEntry:
    async def found() -> CopyEntry:
        tree = LocalTree()
        operand = await tree.operand(os.fsencode(path), follow=False)
        tree.leave(operand.directory)
        return operand.entry

    return run_blocking(found())


@pytest.mark.parametrize("way", ["in", "out"])
def test_partial_copy_is_continued(
    tree: Path, tmp_path: Path, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copy_tree, "UNCERTAIN", 1000)
    part = (tree / "large").read_bytes()[:50_000]

    async def use(fs: RemoteFileSystem) -> None:
        await fs.copy_in(tree / "large", "large")
        if way == "in":
            name = partial_name(entry_of(tree / "large"), b"copy")
            await fs.write_bytes(name, part)
            report = await fs.copy_in(tree / "large", "copy", RESUME)
            assert await fs.read_bytes("copy") == (tree / "large").read_bytes()
            assert not await fs.exists(name)
        else:
            remote = (await fs.tree.operand(b"large", follow=False)).entry
            name = partial_name(remote, b"copy")
            (tmp_path / os.fsdecode(name)).write_bytes(part)
            report = await fs.copy_out("large", tmp_path / "copy", RESUME)
            assert (tmp_path / "copy").read_bytes() == (tree / "large").read_bytes()
        assert report.bytes == 256_000 - 50_000 + 1000

    use_files(use)


def test_partial_name_changes_with_the_source(tree: Path) -> None:
    before = entry_of(tree / "large")
    after = before._replace(stat=before.stat._replace(mtime_ns=1))

    found = {partial_name(before, b"n"), partial_name(after, b"n"), partial_name(before, b"m")}
    assert len(found) == 3
    assert max(map(len, found)) < 40
    assert len(partial_name(before, b"n" * 255)) == 255


@pytest.mark.parametrize(
    ("time", "complete"),
    [(TIME, True), (TIME // 1000 * 1000, True), (TIME // 10**9 * 10**9, True), (TIME + 1, False)],
)
def test_times_are_compared_as_they_are_stored(tree: Path, time: int, complete: bool) -> None:
    stat = entry_of(tree / "a" / "small").stat

    assert is_complete(stat, stat._replace(mtime_ns=time)) is complete
    assert not is_complete(stat, stat._replace(mtime_ns=time, size=1))


class Denying(MemoryFileSystem):
    """Stores data only at a COMMIT, and refuses to change directories."""

    def write(self, *arguments: Any, **options: Any) -> Written:
        return super().write(*arguments, **options)._replace(committed=stable_how.UNSTABLE)

    def setattr(self, who: Identity, file: bytes, new: NewAttributes) -> None:
        if self.getattr(who, file).kind is ftype3.NF3DIR:
            raise PermissionError
        super().setattr(who, file, new)


def test_refused_attributes_of_directories_are_reported(tree: Path) -> None:
    async def use(fs: RemoteFileSystem) -> None:
        report, failures = CopyReport(), list[CopyFailure]()
        report.on_failure = failures.append
        await fs.copy_in(tree, "copy", EXACT, report)

        names = {failure.filename for failure in failures}
        assert names == {"copy", "copy/a", "copy/a/deep", "copy/empty"}
        assert await fs.read_bytes("copy/a/small") == b"small"

    use_files(use, Denying(mode=0o777))


def test_file_of_several_pieces_is_whole(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(range(256)) * 10_000)

    async def use(fs: RemoteFileSystem) -> None:
        await fs.copy_in(tmp_path / "file", "file")
        await fs.copy_out("file", tmp_path / "back")

    use_files(use)
    assert (tmp_path / "back").read_bytes() == (tmp_path / "file").read_bytes()


def test_link_replaces_a_file_at_once(tree: Path) -> None:
    async def use(fs: RemoteFileSystem) -> None:
        await fs.write_bytes("pointer", b"old")
        await fs.mkdir("broken")
        report, failures = CopyReport(), list[CopyFailure]()
        report.on_failure = failures.append
        await fs.copy_in(f"{tree}/.", "/", TREE, report)

        assert await fs.readlink("pointer") == "a/small"
        assert [failure.filename for failure in failures] == ["/broken"]
        assert not [name for name in await fs.listdir() if "nfs-cp" in name]

    use_files(use)


@pytest.mark.parametrize("jobs", [1, 4])
def test_error_of_a_hook_ends_the_copy(tree: Path, jobs: int) -> None:
    def fail(source: str, target: str) -> None:
        raise ZeroDivisionError

    async def use(fs: RemoteFileSystem) -> None:
        report = CopyReport()
        report.on_copied = fail
        with pytest.raises(ZeroDivisionError):
            await fs.copy_in(tree, "copy", TREE._replace(jobs=jobs), report)

    use_files(use)


class Full(MemoryFileSystem):
    """Has no space for data."""

    def write(self, *arguments: object, **options: object) -> object:  # type: ignore[override]
        raise OSError(errno.ENOSPC, "full")


@pytest.mark.parametrize("jobs", [1, 4])
def test_full_server_ends_the_copy(tree: Path, jobs: int) -> None:
    async def use(fs: RemoteFileSystem) -> None:
        report = CopyReport()
        with pytest.raises(CopyFailure) as raised:
            await fs.copy_in(tree, "copy", TREE._replace(jobs=jobs), report)

        assert raised.value.errno == errno.ENOSPC
        assert report.failed == 0

    use_files(use, Full(mode=0o777))


@pytest.mark.parametrize("jobs", [1, 4])
def test_lost_server_ends_the_copy(tree: Path, tmp_path: Path, jobs: int) -> None:
    async def use(fs: RemoteFileSystem) -> None:
        await fs.copy_in(tree, "tree", TREE)
        report = CopyReport()
        report.on_copied = lambda *_: fs.close()
        with pytest.raises(CopyFailure) as raised:
            await fs.copy_out("tree", tmp_path / "back", TREE._replace(jobs=jobs), report)

        assert raised.value.lost

    use_files(use)


def test_missing_source_is_reported(tmp_path: Path) -> None:
    async def use(fs: RemoteFileSystem) -> None:
        with pytest.raises(OSError, match="No such file") as raised:
            await fs.copy_in(tmp_path / "no", "/")
        assert raised.value.filename == str(tmp_path / "no")
        with pytest.raises(OSError, match="NOENT"):
            await fs.copy_out("no", tmp_path)

    use_files(use)
