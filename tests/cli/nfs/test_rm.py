"""``nfs rm``: files, and directories with all that is in them."""

from __future__ import annotations

import pytest

from oncrpc import nfs
from oncrpc.cli.nfs import rm
from support.nfs_commands import CommandOutcome, served_tree

FINE = CommandOutcome(0, b"", "")


def fill(fs: nfs.SyncRemoteFileSystem) -> None:
    fs.mkdir("dir/sub", parents=True)
    fs.mkdir("outside")
    fs.write_bytes("outside/kept", b"")
    fs.symlink("../outside", "dir/link")
    for number in range(6):
        fs.write_bytes(f"dir/f{number}", b"")
        fs.write_bytes(f"dir/sub/f{number}", b"")


def left(url: str, path: str = "/") -> list[str]:
    with nfs.sync_connect(url) as fs:
        return sorted(fs.listdir(path))


def test_tree_is_removed_without_following_links(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rm, "TOGETHER", 3)
    with served_tree(fill) as tree:
        assert tree.run("rm -r", "/dir") == FINE

        assert left(tree.url()) == ["outside"]
        assert left(tree.url(), "outside") == ["kept"]


def test_link_is_removed_instead_of_its_target() -> None:
    with served_tree(fill) as tree:
        assert tree.run("rm -r", "/dir/link") == FINE

        assert left(tree.url(), "outside") == ["kept"]


def test_directory_is_kept_without_recursion() -> None:
    with served_tree(fill) as tree:
        ended = tree.run("rm", "/dir", "/dir/f1", "/none")

        assert ended.status == 1
        assert ended.err.splitlines() == [
            "nfs rm: /dir: Is a directory: add -r to remove it",
            "nfs rm: /none: No such file or directory (NFS3ERR_NOENT)",
        ]
        assert "f1" not in left(tree.url(), "dir")


def test_empty_directory_is_removed_on_request() -> None:
    with served_tree(lambda fs: fs.mkdir("empty")) as tree:
        assert tree.run("rm -dv", "/empty").lines == ["removed /empty"]


def test_missing_file_is_fine_with_force() -> None:
    with served_tree() as tree:
        assert tree.run("rm -f", "/none", "/none/none") == FINE


def test_export_itself_is_never_removed() -> None:
    with served_tree(fill) as tree:
        ended = tree.run("rm -rf", "/")

        assert ended.status == 1
        assert ended.err == "nfs rm: /: an export itself is not removed: name what is in it\n"
        assert left(tree.url()) == ["dir", "outside"]


def protect(fs: nfs.SyncRemoteFileSystem) -> None:
    fill(fs)
    fs.chmod("dir/sub", 0o555)


@pytest.mark.parametrize(("most", "reported"), [(3, 4), (1000, 6)])
def test_each_refused_removal_is_reported(
    most: int, reported: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rm, "TOGETHER", 2)
    monkeypatch.setattr(rm, "MAX_FAILURES", most)
    with served_tree(protect) as tree:
        ended = tree.run("rm -r", "/dir")

        refused = [line for line in ended.err.splitlines() if "NFS3ERR_ACCES" in line]
        assert (ended.status, len(refused)) == (1, reported)
        assert ("files in it cannot be removed" in ended.err) == (most == 3)
        assert left(tree.url(), "dir") == ["sub"]
        assert len(left(tree.url(), "dir/sub")) == 6
