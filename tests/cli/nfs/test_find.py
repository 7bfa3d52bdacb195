"""``nfs find``: tests of names, types, sizes and times, and the URLs that are printed."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from oncrpc import nfs
from support.nfs_commands import ServedTree, run_nfs, served_tree

DAY = 86400


def fill(fs: nfs.SyncRemoteFileSystem) -> None:
    fs.mkdir("logs/old", parents=True)
    for path, size, days in (("logs/a.log", 5, 0), ("logs/old/B.LOG", 3 << 20, 10)):
        fs.write_bytes(path, bytes(size))
        then = time.time() - days * DAY - 60
        fs.utime(path, (then, then))
    fs.write_bytes("logs/50% of 'a'\n?", b"")
    fs.symlink("a.log", "logs/link")


@pytest.fixture(scope="module")
def tree() -> Iterator[ServedTree]:
    with served_tree(fill) as served:
        yield served


def found(tree: ServedTree, options: str, path: str = "/logs") -> set[str]:
    """The paths of the URLs that are printed, as they are there."""
    ended = tree.run(f"find {options}", path)
    assert (ended.status, ended.err) == (0, "")
    return {line.removeprefix(tree.base).removesuffix(tree.query) for line in ended.lines}


STRANGE = "/logs/50%25%20of%20%27a%27%0A%3F"
ALL = {"/logs", "/logs/a.log", "/logs/old", "/logs/old/B.LOG", "/logs/link", STRANGE}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("", ALL),
        ("-name *.log", {"/logs/a.log"}),
        ("-iname *.log", {"/logs/a.log", "/logs/old/B.LOG"}),
        ("-path */old/*", {"/logs/old/B.LOG"}),
        ("-type d", {"/logs", "/logs/old"}),
        ("-type l,d -name l*", {"/logs", "/logs/link"}),
        ("-size +1M", {"/logs/old/B.LOG"}),
        ("-size 5c -type f", {"/logs/a.log"}),
        ("-size 1 -type f", {"/logs/a.log"}),
        ("-size -1k -type f", {STRANGE}),
        ("-mtime +5", {"/logs/old/B.LOG"}),
        ("-mtime 10", {"/logs/old/B.LOG"}),
        ("-mmin -30 -type f -size +0", {"/logs/a.log"}),
        ("-maxdepth 0", {"/logs"}),
        ("-maxdepth 1 -type d", {"/logs", "/logs/old"}),
        ("-mindepth 2", {"/logs/old/B.LOG"}),
        ("--name a.log", {"/logs/a.log"}),
    ],
)
def test_files_that_pass_all_tests_are_found(
    tree: ServedTree, options: str, expected: set[str]
) -> None:
    assert found(tree, options) == expected


def test_newer_compares_with_a_file_here(tree: ServedTree, tmp_path: Path) -> None:
    file = tmp_path / "since"
    file.touch()
    os.utime(file, (0, time.time() - DAY))

    assert "/logs/old/B.LOG" not in found(tree, f"-newer {file}")
    assert "/logs/a.log" in found(tree, f"-newer {file}")


def test_newer_compares_with_a_file_there(tree: ServedTree) -> None:
    assert "/logs/a.log" in found(tree, f"-newer {tree.url('/logs/old/B.LOG')}")
    assert found(tree, f"-newer {tree.url('/logs/old/B.LOG')} -name B.LOG") == set()


def test_other_commands_take_the_urls(tree: ServedTree) -> None:
    (url,) = tree.run("find -print0 -name 50*", "/logs").data.rstrip(b"\0").split(b"\0")

    assert run_nfs("ls", "-0", os.fsdecode(url)).data == b"/logs/50% of 'a'\n?\0"


def test_json_has_attributes_and_targets(tree: ServedTree) -> None:
    objects = [json.loads(line) for line in tree.run("find --json", "/logs").lines]

    assert {each["name"]: each.get("target") for each in objects}["link"] == "a.log"
    assert {each["url"] for each in objects} == {tree.url(path) for path in ALL}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("-type x", "invalid -type x: must be of f, d, l, p, s, b, c"),
        ("-size 1T", "invalid -size 1T: must be a number with one of the units c, w, b, k, M, G"),
        ("-mtime yesterday", "invalid -mtime yesterday: must be a number, +NUMBER or -NUMBER"),
        ("-mmin 1h", "invalid -mmin 1h: must be a number"),
        ("-newer /none", "invalid -newer /none: No such file or directory"),
        ("-foo", "unrecognized option '--foo'\nTry 'nfs find --help' for more information."),
        ("-maxdepth -1", "invalid maxdepth -1: must be 0 to 256"),
    ],
)
def test_wrong_argument_is_a_usage_error(tree: ServedTree, options: str, message: str) -> None:
    ended = tree.run(f"find {options}", "/logs")

    assert (ended.status, ended.out) == (2, "")
    assert ended.err == f"nfs find: {message}\n"
