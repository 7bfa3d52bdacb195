"""Paths of the files in calls, from names and from learned handles."""

from __future__ import annotations

import pytest

from oncrpc.programs.mount import MOUNT_V3, MOUNTVERS
from oncrpc.programs.nfs2 import NFS_VERSION
from oncrpc.programs.nfs3 import NFS_V3
from oncrpc.programs.nlm import NLM4_VERS
from oncrpc.rpc.program import AnyProcedure
from oncrpc.snoop.messages import RpcMessage
from oncrpc.snoop.words.cursor import LONGEST_HANDLE, handle_hash
from oncrpc.snoop.words.file_names import MAX_PATH, MAX_PATHS, FileNames
from oncrpc.snoop.words.file_shapes import CALLS, REPLIES
from oncrpc.snoop.words.programs import KnownPrograms
from support.wire_messages import cut_message, seen_bytes, seen_reply
from support.words import words

ROOT, DIRECTORY, FILE = b"root", b"dire", b"file"
OLD = b"o" * 32
STALE = 70


def handle(data: bytes) -> bytes:
    return words(len(data), data)


def name(data: bytes) -> bytes:
    return words(len(data), data + b"\0" * (-len(data) % 4))


def taught(procedure: AnyProcedure, arguments: bytes, *results: int | bytes) -> FileNames:
    """Names of files after a mount and one more exchange."""
    files = FileNames()
    mount = seen_bytes(MOUNT_V3.MOUNTPROC3_MNT, name(b"/srv/"))
    files.learn(seen_reply(mount, 0, 0, 0, 0, 0, handle(ROOT), 0))
    files.learn(seen_reply(seen_bytes(procedure, arguments), 0, 0, 0, 0, *results))
    return files


def read(data: bytes) -> RpcMessage:
    return seen_bytes(NFS_V3.NFSPROC3_READ, handle(data) + words(0, 0, 9))


def shown(data: bytes) -> str:
    """A handle whose file is not known."""
    return f"FH={handle_hash(data):04X}"


LOOKUP = (NFS_V3.NFSPROC3_LOOKUP, handle(ROOT) + name(b"notes"))


def test_lookup_names_the_handle_of_its_reply() -> None:
    files = taught(*LOOKUP, 0, handle(FILE))

    assert files.files_of(read(FILE)) == ("/srv/notes",)
    assert files.files_of(seen_reply(read(FILE), 0, 0, 0, 0, 0)) == ("/srv/notes",)
    assert files.files_of(read(b"else")) == (shown(b"else"),)


@pytest.mark.parametrize(
    "results", [(STALE, handle(FILE)), (0,), ()], ids=["error", "cut", "empty"]
)
def test_failed_lookup_names_nothing(results: tuple[int | bytes, ...]) -> None:
    assert taught(*LOOKUP, *results).files_of(read(FILE))[0].startswith("FH=")


@pytest.mark.parametrize(("follows", "known"), [(1, True), (0, False)])
def test_create_may_leave_out_the_handle(follows: int, known: bool) -> None:
    arguments = handle(DIRECTORY) + name(b"new")

    files = taught(NFS_V3.NFSPROC3_CREATE, arguments, 0, follows, handle(FILE))

    assert (files.files_of(read(FILE)) == (f"{shown(DIRECTORY)}/new",)) is known


def test_readdirplus_names_its_entries() -> None:
    def entry(named: bytes, data: bytes | None) -> bytes:
        found = words(0) if data is None else words(1) + handle(data)
        return words(1, 0, 7) + name(named) + words(0, 1, 1, bytes(84)) + found

    listing = entry(b".", DIRECTORY) + entry(b"plain", None) + entry(b"notes", FILE)
    files = taught(NFS_V3.NFSPROC3_READDIRPLUS, handle(ROOT), 0, 0, bytes(8), listing + words(0, 1))

    assert files.files_of(read(FILE)) == ("/srv/notes",)
    assert files.files_of(read(DIRECTORY)) == (shown(DIRECTORY),)


def test_version_2_has_fixed_handles() -> None:
    arguments = b"r" * 32 + name(b"notes")
    lookup = seen_bytes(NFS_VERSION.NFSPROC_LOOKUP, arguments)
    files = FileNames()
    mount = seen_bytes(MOUNTVERS.MOUNTPROC_MNT, name(b"/old"))
    files.learn(seen_reply(mount, 0, 0, 0, 0, 0, b"r" * 32))
    files.learn(seen_reply(lookup, 0, 0, 0, 0, 0, OLD))

    assert files.files_of(seen_bytes(NFS_VERSION.NFSPROC_GETATTR, OLD)) == ("/old/notes",)


@pytest.mark.parametrize(
    ("procedure", "arguments", "expected"),
    [
        (
            NFS_V3.NFSPROC3_RENAME,
            handle(ROOT) + name(b"old") + handle(DIRECTORY) + name(b"new"),
            ("/srv/old", f"{shown(DIRECTORY)}/new"),
        ),
        (
            NFS_V3.NFSPROC3_LINK,
            handle(FILE) + handle(ROOT) + name(b"new"),
            ("/srv/notes", "/srv/new"),
        ),
        (MOUNT_V3.MOUNTPROC3_UMNT, name(b"/srv"), ("/srv",)),
        (
            NLM4_VERS.NLMPROC4_LOCK,
            name(b"cookie") + words(0, 1) + name(b"host") + handle(FILE),
            ("/srv/notes",),
        ),
        (NFS_V3.NFSPROC3_NULL, b"", ()),
    ],
    ids=lambda each: getattr(each, "name", None),
)
def test_calls_name_their_files(
    procedure: AnyProcedure, arguments: bytes, expected: tuple[str, ...]
) -> None:
    files = taught(*LOOKUP, 0, handle(FILE))

    assert files.files_of(seen_bytes(procedure, arguments)) == expected


def test_cut_call_has_its_captured_files() -> None:
    arguments = handle(ROOT) + name(b"old") + handle(DIRECTORY) + name(b"new")
    call = seen_bytes(NFS_V3.NFSPROC3_RENAME, arguments)

    assert FileNames().files_of(cut_message(call, call.length - 3))[0].endswith("/old")
    assert FileNames().files_of(cut_message(call, 30)) == ()


def test_number_of_paths_is_bounded() -> None:
    files = taught(*LOOKUP, 0, handle(FILE))
    for number in range(MAX_PATHS):
        files.learn(seen_reply(seen_bytes(*LOOKUP), 0, 0, 0, 0, 0, handle(words(number))))

    assert files.files_of(read(FILE))[0].startswith("FH=")


def test_length_of_a_path_is_bounded() -> None:
    files = taught(NFS_V3.NFSPROC3_LOOKUP, handle(ROOT) + name(b"n" * 300), 0, handle(FILE))

    (path,) = files.files_of(read(FILE))

    assert path.startswith("...n")
    assert len(path) == MAX_PATH


@pytest.mark.parametrize("key", sorted(CALLS.keys() | REPLIES.keys()))
def test_shapes_are_of_declared_procedures(key: tuple[int, int, int]) -> None:
    assert KnownPrograms().procedure(*key) is not None


@pytest.mark.parametrize(("size", "known"), [(LONGEST_HANDLE, True), (LONGEST_HANDLE + 4, False)])
def test_overlong_handles_are_not_remembered(size: int, known: bool) -> None:
    long = b"x" * size

    files = taught(*LOOKUP, 0, handle(long))

    assert files.files_of(read(long)) == ("/srv/notes" if known else shown(long),)
