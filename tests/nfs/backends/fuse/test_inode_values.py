"""``oncrpc.nfs.backends.fuse.inode_values``."""

from __future__ import annotations

import stat
import sys
from typing import Any

import pytest

pytest.importorskip("pyfuse3", reason="not installed: pyfuse3")

import pyfuse3

from oncrpc.nfs.backends.fuse.changes import NO_CHANGES
from oncrpc.nfs.backends.fuse.inode_values import (
    ChangedFields,
    EntryToken,
    InodeContext,
    attributes_of_entry,
    changed_entry,
    replace_readdir_reply,
    space_of_data,
)
from oncrpc.nfs.backends.fuse.listings import MAX_ENTRIES
from oncrpc.nfs.filesystem import Identity
from oncrpc.programs.nfs3 import ftype3

FIELDS = ("size", "uid", "gid", "mode", "atime", "mtime")


def readdir_reply(token: Any, name: bytes, attr: Any, next_id: int) -> bool:
    """The function, as a module has it that imported it by name."""
    return False


class Imported:
    """An object of this module."""


@pytest.fixture
def reply(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The function of pyfuse3, replaced."""
    monkeypatch.setattr(pyfuse3, "readdir_reply", readdir_reply)
    monkeypatch.setattr(sys.modules[__name__], "readdir_reply", readdir_reply)
    replace_readdir_reply(Imported())
    return pyfuse3.readdir_reply


def test_context_has_the_user() -> None:
    context = InodeContext(Identity(10, 20))

    assert isinstance(context, pyfuse3.RequestContext)
    assert (context.uid, context.gid, context.pid, context.umask) == (10, 20, 0, 0)


@pytest.mark.parametrize("name", FIELDS)
def test_fields_name_what_changes(name: str) -> None:
    fields = ChangedFields(NO_CHANGES._replace(**{name: 5}))

    assert isinstance(fields, pyfuse3.SetattrFields)
    set_fields = [each for each in FIELDS if getattr(fields, f"update_{each}")]
    assert set_fields == [name]
    assert not fields.update_ctime


def test_new_mode_has_the_type_of_the_file() -> None:
    entry = changed_entry(NO_CHANGES._replace(mode=0o4755, size=9), type_bits=stat.S_IFREG)

    assert (entry.st_mode, entry.st_size) == (stat.S_IFREG | 0o4755, 9)


def test_entry_becomes_attributes() -> None:
    entry = pyfuse3.EntryAttributes()
    entry.st_mode, entry.st_nlink, entry.st_size = stat.S_IFREG | 0o644, 2, 7
    entry.st_mtime_ns = 1_234_567_890_123_456_789

    found = attributes_of_entry(entry, fileid=5)

    assert (found.kind, found.mode, found.nlink, found.size) == (ftype3.NF3REG, 0o644, 2, 7)
    assert (found.mtime, found.fileid) == (1_234_567_890_123_456_789, 5)


def test_space_is_that_of_the_object() -> None:
    data = pyfuse3.StatvfsData()
    data.f_frsize, data.f_blocks, data.f_bfree, data.f_bavail = 512, 4, 3, 2

    assert space_of_data(data)[:3] == (2048, 1536, 1024)


def test_token_collects_entries(reply: Any) -> None:
    token, entry = EntryToken(), pyfuse3.EntryAttributes()
    entry.st_ino = 9

    assert reply(token, b"a", entry, 1)

    assert token.entries == [(b"a", 9, 1)]
    assert reply is readdir_reply, "modules that have imported it have the new one"


def test_token_of_a_mount_is_not_ours(reply: Any) -> None:
    assert not reply(object(), b"a", pyfuse3.EntryAttributes(), 1)


def test_token_is_full_at_the_limit(reply: Any) -> None:
    token = EntryToken()
    token.entries = [(b"a", 9, 1)] * (MAX_ENTRIES + 1)

    assert not reply(token, b"a", pyfuse3.EntryAttributes(), 1)

    assert token.full
