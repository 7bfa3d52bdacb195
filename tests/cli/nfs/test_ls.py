"""``nfs ls``: directories and exports of a server in this process."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from oncrpc import nfs
from support.nfs_commands import CommandOutcome, ServedTree, run_nfs, served_tree
from support.remote_files import served_in_thread


def fill(fs: nfs.SyncRemoteFileSystem) -> None:
    fs.mkdir("dir")
    fs.mkdir("dir/sub", 0o700)
    for name, size in (("dir/small", 1), ("dir/large", 2000), ("dir/.hidden", 0), ("a\nb", 3)):
        fs.write_bytes(name, bytes(size))
    fs.utime("dir/small", ns=(0, 1_000_000_000))
    fs.chmod("dir/large", 0o755)
    fs.symlink("sub", "dir/link")
    fs.write_bytes("dir/sub/deep", b"")


@pytest.fixture(scope="module")
def tree() -> Iterator[ServedTree]:
    with served_tree(fill) as served:
        yield served


@pytest.mark.parametrize(
    ("options", "listed"),
    [
        ("", "large link small sub"),
        ("-a", ".hidden large link small sub"),
        ("-r", "sub small link large"),
        ("-F", "large* link@ small sub/"),
    ],
)
def test_names_are_sorted(tree: ServedTree, options: str, listed: str) -> None:
    assert tree.run(f"ls {options}", "/dir").lines == listed.split()


@pytest.mark.parametrize("options", ["-S", "-t -r"])
def test_order_is_chosen(tree: ServedTree, options: str) -> None:
    names = tree.run(f"ls {options}", "/dir").lines

    assert (names.index("small") < names.index("large")) == ("t" in options)


def test_unsorted_listing_has_all_names(tree: ServedTree) -> None:
    assert sorted(tree.run("ls -U", "/dir").lines) == ["large", "link", "small", "sub"]


def test_long_form_is_that_of_ls(tree: ServedTree) -> None:
    lines = tree.run("ls -ln", "/dir").lines

    assert re.fullmatch(r"total \d+", lines[0])
    assert re.fullmatch(r"-rwxr-xr-x 1 \d+ \d+ +2000 \w{3} [ \d]\d \d\d:\d\d large", lines[1])
    assert re.fullmatch(r"lrwxrwxrwx 1 \d+ \d+ +3 \w{3} [ \d]\d \d\d:\d\d link -> sub", lines[2])
    assert re.fullmatch(r"-rw-r--r-- 1 \d+ \d+ +1 \w{3} [ \d]\d  19(70|69) small", lines[3])
    assert re.match(r"drwx------ \d ", lines[4])


def test_human_sizes_are_short(tree: ServedTree) -> None:
    assert "2.0K" in tree.run("ls -lh", "/dir").lines[1].split()


def test_recursive_listing_has_headings(tree: ServedTree) -> None:
    assert tree.run("ls -R", "/dir").lines == [
        "/dir:", "large", "link", "small", "sub", "", "/dir/sub:", "deep",
    ]  # fmt: skip


def test_files_come_before_directories(tree: ServedTree) -> None:
    assert tree.run("ls", "/dir/sub", "/dir/small").lines == [
        "/dir/small", "", "/dir/sub:", "deep",
    ]  # fmt: skip


def test_directory_itself_is_listed(tree: ServedTree) -> None:
    assert tree.run("ls -d", "/dir").lines == ["/dir"]


def test_link_to_directory_is_followed(tree: ServedTree) -> None:
    assert tree.run("ls", "/dir/link").lines == ["deep"]
    assert tree.run("ls -l", "/dir/link").lines[0].endswith("/dir/link -> sub")


def test_version_2_lists_the_same(tree: ServedTree) -> None:
    listed = tree.run("ls -ln --nfs-version 2", "/dir")

    assert listed.lines[1:] == tree.run("ls -ln", "/dir").lines[1:]


def test_control_characters_are_quoted(tree: ServedTree) -> None:
    assert tree.run("ls", "/").lines == ["'a'$'\\n''b'", "dir"]


def test_zero_prints_names_as_they_are(tree: ServedTree) -> None:
    assert tree.run("ls -0", "/").data == b"a\nb\0dir\0"


def test_terminal_shows_columns(tree: ServedTree) -> None:
    listed = tree.run("ls", "/dir", terminal=True)

    assert listed.out.split() == ["large", "link", "small", "sub"]
    assert len(listed.lines) == 1


def test_json_has_the_url_of_each_file(tree: ServedTree) -> None:
    objects = [json.loads(line) for line in tree.run("ls --json", "/dir").lines]

    assert [(each["name"], each["type"]) for each in objects] == [
        ("large", "file"), ("link", "symlink"), ("small", "file"), ("sub", "directory"),
    ]  # fmt: skip
    assert objects[1]["target"] == "sub"
    assert objects[0]["url"] == tree.url("/dir/large")
    assert (objects[0]["mode"], objects[0]["size"], objects[2]["mtime"]) == ("0755", 2000, 1.0)


def test_server_without_path_lists_exports(tree: ServedTree) -> None:
    assert tree.run("ls", "").lines == ["/ (everyone)"]
    assert json.loads(tree.run("ls --json", "").out) == {
        "path": "/", "url": tree.url("/"), "clients": [],
    }  # fmt: skip
    assert tree.run("ls -0", "").data == b"/\0"


def test_directories_above_exports_are_listed() -> None:
    with served_in_thread(path="/deep/export") as url:
        tree = ServedTree(url.replace("/deep/export", ""))

        assert tree.run("ls", "/").lines == ["deep"]
        assert json.loads(tree.run("ls --json", "/").out)["url"] == tree.url("/deep")
        assert tree.run("ls -0", "/deep").data == b"export\0"
        assert tree.run("find", "/deep").err == (
            "nfs find: /deep: not in an export: name one, such as /deep/export\n"
        )


def test_refused_export_names_the_next_step() -> None:
    with served_in_thread(path="/deep/export") as url:
        refused = url.replace("/deep/export", "/other")
        ended = run_nfs("ls", refused)

    assert ended.err.endswith(f"; 'nfs ping {refused}' shows which layer fails\n")


def test_missing_file_does_not_end_the_others(tree: ServedTree) -> None:
    listed = tree.run("ls", "/none", "/dir/sub")

    assert listed.status == 1
    assert listed.err == "nfs ls: /none: No such file or directory (NFS3ERR_NOENT)\n"
    assert listed.lines == ["/dir/sub:", "deep"]


def test_wrong_operand_is_reported_first(tree: ServedTree) -> None:
    listed = run_nfs("ls", tree.url("/dir"), "/tmp")

    assert listed == CommandOutcome(
        2, b"", "nfs ls: invalid URL '/tmp': write nfs://HOST[:PORT]/PATH\n"
    )


def test_unreachable_server_is_one_line() -> None:
    listed = run_nfs("ls", "nfs://127.0.0.1/x?mountport=1&nfsport=1")

    assert listed.status == 1
    assert listed.err.startswith("nfs ls: /x: ")
    assert listed.err.count("\n") == 1
