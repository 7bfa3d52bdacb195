"""hosts.allow, hosts.deny and the files that they name: what is read, and what is a change."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from oncrpc.access.hosts import files as hosts_files
from oncrpc.access.hosts.files import MAX_FILE, Files, Tables, read
from oncrpc.portmap.vocabulary import hosts_daemon


class Folder:
    """Both files, in a directory of their own."""

    def __init__(self, path: Path) -> None:
        self.allow, self.deny, self.list = path / "hosts.allow", path / "hosts.deny", path / "list"

    def read(self) -> Tables:
        return read(hosts_daemon(), allow=str(self.allow), deny=str(self.deny))


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_files_that_are_not_there_have_no_rules(folder: Folder) -> None:
    tables = folder.read()

    assert tables.empty
    assert tables.plain
    assert tables.warnings == []
    assert tables.texts() == ("", "")
    assert not tables.files.have_changed()


def test_files_are_read_with_their_lists(folder: Folder) -> None:
    folder.allow.write_text("portmap@10.0.0.1: @group\n")
    folder.deny.write_text(f"portmap: {folder.list}\n")
    folder.list.write_text("10.0.0.1\n")

    tables = folder.read()

    assert tables.files.texts == {
        str(folder.allow): "portmap@10.0.0.1: @group\n",
        str(folder.deny): f"portmap: {folder.list}\n",
        str(folder.list): "10.0.0.1\n",
    }
    assert tables.by_local
    assert not tables.plain
    assert len(tables.netgroups) == 1


def test_libwrap_is_given_the_texts(folder: Folder) -> None:
    folder.allow.write_bytes(b"# \xff\nALL: 10.\n")

    assert folder.read().texts() == ("# \udcff\nALL: 10.\n", "")


@pytest.mark.parametrize("name", ["allow", "deny", "list"])
def test_a_change_of_any_of_them_is_seen(folder: Folder, name: str) -> None:
    folder.deny.write_text(f"portmap: {folder.list}\n")
    tables = folder.read()
    assert not tables.files.have_changed()

    getattr(folder, name).write_text("portmap: ALL\n")

    assert tables.files.have_changed()
    assert not tables.files.say_the_same(folder.read().files)


def test_replaced_file_of_equal_size_is_a_change(folder: Folder) -> None:
    folder.deny.write_text("portmap: 10.\n")
    was, tables = folder.deny.stat(), folder.read()
    folder.list.write_text("portmap: 11.\n")
    os.utime(folder.list, ns=(was.st_atime_ns, was.st_mtime_ns))

    folder.list.replace(folder.deny)

    assert tables.files.have_changed()


def test_a_file_that_is_touched_says_the_same(folder: Folder) -> None:
    folder.deny.write_text("portmap: 10.\n")
    tables = folder.read()

    os.utime(folder.deny, ns=(0, 0))

    assert tables.files.have_changed()
    assert tables.files.say_the_same(folder.read().files)


def test_unreadable_file_denies_and_is_tried_again(folder: Folder) -> None:
    folder.deny.mkdir()

    tables = folder.read()

    assert tables.deny.cut == "hosts.deny cannot be read (is a directory)"
    assert not tables.plain
    assert tables.files.have_changed()
    assert tables.files.say_the_same(folder.read().files)
    assert tables.texts() == ("", "")


def test_a_pipe_does_not_keep_us_waiting(folder: Folder) -> None:
    os.mkfifo(folder.deny)

    assert folder.read().empty


def test_a_file_may_be_only_so_large(folder: Folder) -> None:
    folder.allow.write_bytes(b"#" * (MAX_FILE - 1) + b"\n")
    assert folder.read().allow.cut.endswith("line 1 is longer than 2046 characters")

    folder.allow.write_bytes(b"#" * MAX_FILE + b"\n")
    assert folder.read().allow.cut.endswith(f"(it has more than {MAX_FILE} bytes)")


def test_number_of_read_files_is_bounded(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosts_files, "MAX_FILES", 2)
    folder.list.write_text("10.\n")
    folder.deny.write_text(f"portmap: {folder.list}\n")

    tables = folder.read()

    assert tables.warnings[0].endswith("(there are more than 2 files); the rule denies everybody")


def test_impossible_path_counts_as_unreadable(folder: Folder) -> None:
    folder.deny.write_text(f"portmap: /{'x' * 300}\nALL: {folder.deny}/x\n")

    warnings = folder.read().warnings

    assert "file name too long" in warnings[0]
    assert "not a directory" in warnings[1]


def test_a_reason_is_compared_by_its_number() -> None:
    first = Files({"a": OSError(errno.EACCES, "one")})

    assert first.say_the_same(Files({"a": OSError(errno.EACCES, "other")}))
    assert not first.say_the_same(Files({"a": OSError(errno.EMFILE, "one")}))
    assert not first.say_the_same(Files({"a": ""}))
