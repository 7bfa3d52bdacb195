"""``nfs stat``: attributes in the layout of stat(1)."""

from __future__ import annotations

import json
import re
import stat as modes
from collections.abc import Iterator

import pytest

from oncrpc import nfs
from oncrpc.cli.nfs.stat import stat_lines
from oncrpc.nfs.client.results import FileStat
from support.nfs_commands import ServedTree, served_tree

DEVICE = FileStat(modes.S_IFCHR | 0o620, 1, 0, 0, 0, 0, (5, 1), 255, 7, 0, 1 << 100, 1)


def fill(fs: nfs.SyncRemoteFileSystem) -> None:
    fs.write_bytes("file", bytes(1000))
    fs.chmod("file", 0o640)
    fs.utime("file", ns=(0, 1_000_000_007))
    fs.symlink("file", "link")


@pytest.fixture(scope="module")
def tree() -> Iterator[ServedTree]:
    with served_tree(fill) as served:
        yield served


def test_lines_are_those_of_stat(tree: ServedTree) -> None:
    lines = tree.run("stat", "/file").lines

    assert lines[0] == "  File: /file"
    assert re.fullmatch(r"  Size: 1000 +Blocks: 8 +regular file", lines[1])
    assert re.fullmatch(r"Device: [\da-f]+h  Inode: \d+ +Links: 1", lines[2])
    assert re.fullmatch(r"Access: \(0640/-rw-r-----\)  Uid: \( *\d+/.+\)   Gid: .*", lines[3])
    assert re.fullmatch(r"Modify: [\d-]+ [\d:]+\.000000007 [+-]\d{4}", lines[5])


def test_link_itself_is_shown(tree: ServedTree) -> None:
    lines = tree.run("stat", "/link").lines

    assert lines[0] == "  File: /link -> file"
    assert lines[1].endswith(" symbolic link")


def test_link_is_followed_on_request(tree: ServedTree) -> None:
    followed = json.loads(tree.run("stat -L --json", "/link").out)

    assert (followed["type"], followed["size"], followed["mode"]) == ("file", 1000, "0640")


def test_device_has_its_numbers() -> None:
    lines = list(stat_lines("x", DEVICE))

    assert lines[1].endswith(" character special file")
    assert lines[2].endswith("Device type: 5,1")


def test_impossible_time_is_a_number() -> None:
    assert (
        list(stat_lines("x", DEVICE))[5] == f"Modify: {(1 << 100) // 10**9}.{(1 << 100) % 10**9:09}"
    )
