"""Errors of a hostile server are one line each, without control characters."""

from __future__ import annotations

import json
from typing import Any

import pytest

from oncrpc.cli.nfs import walk
from oncrpc.nfs.client import listing
from oncrpc.programs.nfs3 import (
    LOOKUP3res,
    LOOKUP3resok,
    READDIRPLUS3res,
    READDIRPLUS3resok,
    READLINK3res,
    READLINK3resok,
    dirlistplus3,
    entryplus3,
    ftype3,
    nfs_fh3,
    post_op_fh3,
)
from oncrpc.rpc import Call
from support.nfs_commands import CommandOutcome, run_nfs
from support.remote_files import (
    NO_ATTRIBUTES,
    OK,
    ScriptedMount,
    ScriptedNfs,
    attributes,
    programs_in_thread,
    with_attributes,
)

CURSES = b"\x1b]0;owned\x07\n\xc2\x9b31m"
DIRECTORY, LINK, FILE = ftype3.NF3DIR, ftype3.NF3LNK, ftype3.NF3REG


class HostileListing(ScriptedNfs):
    """Each directory has one entry. A new directory has a new handle."""

    def __init__(self, name: bytes, kind: ftype3 = FILE, *, eof: bool = True) -> None:
        super().__init__()
        self.name, self.kind, self.eof = name, kind, eof
        self.listed = 0

    def NFSPROC3_LOOKUP(self, call: Call, arg: Any) -> LOOKUP3res:
        found = with_attributes(attributes(DIRECTORY))
        return LOOKUP3res(OK, LOOKUP3resok(nfs_fh3(b"top"), found, NO_ATTRIBUTES))

    def NFSPROC3_READDIRPLUS(self, call: Call, arg: Any) -> READDIRPLUS3res:
        self.listed += 1
        handle = post_op_fh3(True, nfs_fh3(b"%d" % self.listed))
        found = with_attributes(attributes(self.kind))
        entry = entryplus3(self.listed, self.name, self.listed, found, handle)
        listed = dirlistplus3([entry], self.eof)
        return READDIRPLUS3res(OK, READDIRPLUS3resok(NO_ATTRIBUTES, bytes(8), listed))

    def NFSPROC3_READLINK(self, call: Call, arg: Any) -> READLINK3res:
        return READLINK3res(OK, READLINK3resok(NO_ATTRIBUTES, CURSES))


def outcome(line: str, server: ScriptedNfs, *, terminal: bool = False) -> CommandOutcome:
    with programs_in_thread(server, ScriptedMount()) as url:
        return run_nfs(*line.split(), url, terminal=terminal)


@pytest.mark.parametrize("line", ["ls", "ls -lR", "find", "tree", "rm -r"])
@pytest.mark.parametrize("name", [b"../x", b"/etc/passwd", b"a\0b", b""])
def test_invalid_name_is_one_error(line: str, name: bytes) -> None:
    ended = outcome(line, HostileListing(name))

    assert ended.status == 1
    assert ended.err.count("\n") == 1
    assert ": /export: the server sent the invalid name " in ended.err


@pytest.mark.parametrize("line", ["ls -U", "find", "tree", "rm -r"])
def test_endless_listing_ends(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "MAX_ENTRIES", 50)
    server = HostileListing(b"x", eof=False)

    ended = outcome(line, server)

    assert ended.status == 1
    assert f"nfs {line.split()[0]}: /export: a directory of over 50 entries" in ended.err
    assert server.listed <= 51


@pytest.mark.parametrize("line", ["ls -R", "find", "tree", "rm -r"])
def test_endless_depth_ends(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walk, "MAX_DEPTH", 5)
    server = HostileListing(b"d", DIRECTORY)

    ended = outcome(line, server)

    assert ended.err.splitlines()[0].endswith("/d/d/d/d/d/d: over 5 directories deep")
    assert (ended.status, server.listed) == (1, 6)


@pytest.mark.parametrize("line", ["ls", "ls -l", "ls --json", "find", "find --json", "tree"])
@pytest.mark.parametrize("terminal", [False, True])
def test_terminal_gets_no_control_characters(line: str, terminal: bool) -> None:
    ended = outcome(line, HostileListing(CURSES, LINK), terminal=terminal)

    assert ended.status == 0
    assert [text for text in ended.lines if not text.isprintable()] == []
    if "json" in line:
        assert json.loads(ended.lines[-1])["target"] == CURSES.decode()
