"""``oncrpc.nfs.server.outcomes2``: every error arm of version 2, in bytes (RFC 1094 §2.2, §2.3)."""

from __future__ import annotations

import asyncio
import errno
import inspect
from typing import Any

import pytest

from oncrpc.nfs.filesystem import Attributes, FileSystem, Identity, NewAttributes
from oncrpc.nfs.server.change_locks import ChangeLocks
from oncrpc.nfs.status import NfsError
from oncrpc.programs.nfs2 import NFS_VERSION, createargs, diropargs, linkargs, renameargs, stat
from oncrpc.programs.nfs3 import ftype3, nfsstat3
from support.exported import OPTIONS, READ_ONLY, ROOT, answering_later, failing
from support.exported2 import Exported2, call_of, sattr2, still, string
from support.words import words

NO_CHANGE = words(0xFFFFFFFF) * 8

PROCEDURES: dict[int, tuple[str, str, tuple[Any, ...]]] = {
    1: ("getattr", "file", ("file",)),
    2: ("setattr", "file", ("file", words(0o600), words(0xFFFFFFFF) * 7)),
    4: ("lookup", "dir", ("dir", string(b"file"))),
    5: ("readlink", "link", ("link",)),
    6: ("read", "file", ("file", 0, 10, 0)),
    8: ("write", "file", ("file", 0, 0, 0, string(b"data"))),
    9: ("create", "dir", ("dir", string(b"new"), NO_CHANGE)),
    10: ("remove", "dir", ("dir", string(b"file"))),
    11: ("rename", "dir", ("dir", string(b"file"), "dir", string(b"new"))),
    12: ("link", "file", ("file", "dir", string(b"new"))),
    13: ("symlink", "dir", ("dir", string(b"new"), string(b"to"), NO_CHANGE)),
    14: ("mkdir", "dir", ("dir", string(b"new"), NO_CHANGE)),
    15: ("rmdir", "dir", ("dir", string(b"sub"))),
    16: ("readdir", "dir", ("dir", 0, 512)),
    17: ("statfs", "file", ("file",)),
}
"""Of each procedure: the operation of the back end, its first object, and the arguments."""

CHANGING = {2, 8, 9, 10, 11, 12, 13, 14, 15}
STATUSES = {
    errno.EPERM: 1, errno.ENOENT: 2, errno.EIO: 5, errno.ENXIO: 6, errno.EACCES: 13,
    errno.EEXIST: 17, errno.ENODEV: 19, errno.ENOTDIR: 20, errno.EISDIR: 21, errno.EFBIG: 27,
    errno.ENOSPC: 28, errno.EROFS: 30, errno.ENAMETOOLONG: 63, errno.ENOTEMPTY: 66,
    errno.EDQUOT: 69, errno.ESTALE: 70,
    errno.EXDEV: 5, errno.EINVAL: 5, errno.EMLINK: 5, errno.EOPNOTSUPP: 5, errno.EPROTO: 5,
}  # fmt: skip


class Site:
    """A directory with a file, a link and a subdirectory, whose operations may fail."""

    def __init__(self, *, options: Any = OPTIONS, other: FileSystem | None = None) -> None:
        files = still()
        new = NewAttributes(mode=0o755)
        self.ids = {
            "dir": files.root,
            "file": files.create(ROOT, files.root, b"file", new),
            "link": files.symlink(ROOT, files.root, b"link", b"to", new),
            "sub": files.mkdir(ROOT, files.root, b"sub", new),
        }
        self.errors: dict[str, Exception] = {}
        served = failing(files, self.errors)
        self.exported = Exported2(served, *([other] if other else []), options=options)

    def arguments(self, number: int, **handles: bytes) -> list[int | bytes]:
        """The arguments of a procedure, with these handles in place of the right ones."""
        made = {name: self.exported.handle2(file) for name, file in self.ids.items()}
        return [
            (made | handles)[each] if isinstance(each, str) else each
            for each in PROCEDURES[number][2]
        ]

    def results(self, number: int, **handles: bytes) -> bytes:
        """The bytes of a procedure's results."""
        return self.exported.results(number, *self.arguments(number, **handles))

    def reply(self, number: int) -> bytes | None:
        """The reply to a call, None if it is not answered."""

        async def handled() -> bytes | None:
            message = call_of(number, *self.arguments(number))
            found = self.exported.dispatcher.handle(message, self.exported.caller)
            return await found if inspect.isawaitable(found) else found

        return asyncio.run(handled())


@pytest.fixture
def site() -> Site:
    return Site()


def refusal(status: int) -> bytes:
    """The results that say no. All arms for a failure are void."""
    return words(status)


@pytest.mark.parametrize("number", PROCEDURES)
def test_every_procedure_succeeds(site: Site, number: int) -> None:
    assert site.results(number)[:4] == words(stat.NFS_OK)


@pytest.mark.parametrize("number", PROCEDURES)
@pytest.mark.parametrize(("error", "status"), STATUSES.items(), ids=map(str, STATUSES))
def test_system_error_has_its_status(site: Site, number: int, error: int, status: int) -> None:
    """§2.3.1: The error values are derived from UNIX error numbers."""
    if (number, error) == (9, errno.EEXIST):
        pytest.skip("CREATE accepts a file that exists")
    site.errors[PROCEDURES[number][0]] = OSError(error, "")

    assert site.results(number) == refusal(status)


@pytest.mark.parametrize("number", PROCEDURES)
@pytest.mark.parametrize("error", [errno.EAGAIN, errno.EMFILE])
def test_call_to_be_repeated_is_not_answered(site: Site, number: int, error: int) -> None:
    site.errors[PROCEDURES[number][0]] = OSError(error, "")

    assert site.reply(number) is None


@pytest.mark.parametrize("number", PROCEDURES)
def test_call_while_names_are_resolved_is_unanswered(site: Site, number: int) -> None:
    site.exported.rules.pending = NfsError(nfsstat3.NFS3ERR_JUKEBOX)

    assert site.reply(number) is None


@pytest.mark.parametrize("number", PROCEDURES)
@pytest.mark.parametrize(
    "edit",
    [
        lambda handle: bytes(32),
        lambda handle: b"\xff" * 32,
        lambda handle: handle[:8] + bytes([handle[8] ^ 1]) + handle[9:],
        lambda handle: handle[:31] + b"\1",
    ],
    ids=["zeros", "ones", "edited", "longer"],
)
def test_forged_handle_is_stale(site: Site, number: int, edit: Any) -> None:
    """§2.3.1: NFSERR_STALE: The "fhandle" given in the arguments was invalid."""
    name = PROCEDURES[number][1]
    forged = edit(site.exported.handle2(site.ids[name]))

    assert site.results(number, **{name: forged}) == refusal(70)


@pytest.mark.parametrize("number", PROCEDURES)
def test_unknown_host_is_refused(site: Site, number: int) -> None:
    site.exported.rules.options = None

    assert site.results(number) == refusal(13)


@pytest.mark.parametrize("number", PROCEDURES)
def test_unreserved_port_is_refused(site: Site, number: int) -> None:
    caller = site.exported.caller
    site.exported.caller = type(caller)("tcp", ("192.0.2.9", 1024, 0), caller.local)

    assert site.results(number) == refusal(1)


@pytest.mark.parametrize("number", PROCEDURES)
def test_other_flavor_is_too_weak(site: Site, number: int) -> None:
    reply = site.exported.reply(
        words(0x11223344, 0, 2, 100003, 2, number, 0, 0, 0, 0, *site.arguments(number))
    )

    assert reply == words(0x11223344, 1, 1, 1, 5)  # MSG_DENIED, AUTH_ERROR, AUTH_TOOWEAK


@pytest.mark.parametrize("number", PROCEDURES)
def test_read_only_export_is_not_changed(number: int) -> None:
    results = Site(options=READ_ONLY).results(number)

    assert results[:4] == words(30 if number in CHANGING else 0)


@pytest.mark.parametrize("number", [11, 12])
def test_two_exports_are_two_file_systems(number: int) -> None:
    other = still()
    site = Site(other=other)
    shares = list(site.exported.shares)
    elsewhere = site.exported.handle2(other.root, shares[1])
    arguments = site.arguments(number)
    arguments[2 if number == 11 else 1] = elsewhere

    assert site.exported.results(number, *arguments) == words(5)


@pytest.mark.parametrize("number", [4, 9, 10, 11, 12, 13, 14, 15])
def test_file_is_not_a_directory(site: Site, number: int) -> None:
    file = site.exported.handle2(site.ids["file"])

    assert site.results(number, dir=file) == refusal(20)


def test_readdir_of_a_file_is_refused(site: Site) -> None:
    file = site.exported.handle2(site.ids["file"])

    assert site.results(16, dir=file) == refusal(20)


@pytest.mark.parametrize(
    ("number", "name", "status"),
    [
        (9, b".", 17), (9, b"..", 17), (9, b"", 13), (9, b"a/b", 13), (9, b"a\0b", 13),
        (10, b".", 13), (10, b"..", 13), (10, b"a/b", 13), (10, b"missing", 2), (10, b"sub", 21),
        (14, b".", 17), (14, b"..", 17), (14, b"file", 17), (14, b"", 13),
        (15, b".", 5), (15, b"..", 17), (15, b"file", 20), (15, b"missing", 2),
        (4, b"missing", 2), (4, b"", 13), (4, b"file/", 13), (4, b"a\0", 13),
    ],
)  # fmt: skip
def test_names_are_checked(site: Site, number: int, name: bytes, status: int) -> None:
    arguments = [
        string(name) if each == string(b"new") else each for each in site.arguments(number)
    ]
    arguments[1] = string(name)

    assert site.exported.results(number, *arguments) == refusal(status)


@pytest.mark.parametrize("name", [b".", b"..", b"a/b", b""])
def test_names_of_links_and_targets_are_checked(site: Site, name: bytes) -> None:
    root, file = site.exported.root2, site.exported.handle2(site.ids["file"])
    expected = words(13) if name in (b"", b"a/b") else words(5)

    assert site.exported.results(12, file, root, string(name)) == expected
    assert site.exported.results(11, root, string(b"file"), root, string(name)) == expected
    assert site.exported.results(11, root, string(name), root, string(b"x")) == expected


def test_directory_has_no_second_name(site: Site) -> None:
    sub, root = site.exported.handle2(site.ids["sub"]), site.exported.root2

    assert site.exported.results(12, sub, root, string(b"x")) == words(21)


@pytest.mark.parametrize("text", [b"", b"a\0b"])
def test_symlink_needs_a_text(site: Site, text: bytes) -> None:
    arguments = site.exported.root2, string(b"new"), string(text), NO_CHANGE

    assert site.exported.results(13, *arguments) == words(5)


def test_size_of_a_directory_is_not_set(site: Site) -> None:
    new = words(0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0) + words(0xFFFFFFFF) * 4

    assert site.exported.results(2, site.exported.root2, new) == words(21)


def test_readlink_of_a_file_is_refused(site: Site) -> None:
    assert site.results(5, link=site.exported.handle2(site.ids["file"])) == words(5)


@pytest.mark.parametrize(
    ("number", "arguments"),
    [
        (1, [bytes(28)]),
        (4, [bytes(32), string(b"n" * 256)]),
        (8, [bytes(32), 0, 0, 0, string(bytes(8193))]),
        (13, [bytes(32), string(b"n"), string(b"t" * 1025), NO_CHANGE]),
        (16, [bytes(32), 0]),
    ],
)
def test_arguments_beyond_the_limits_are_garbage(
    site: Site, number: int, arguments: list[int | bytes]
) -> None:
    reply = site.exported.reply(call_of(number, *arguments))

    assert reply == words(0x11223344, 1, 0, 0, 0, 4)  # GARBAGE_ARGS


def test_answers_may_come_later() -> None:
    files = still()
    exported = Exported2(answering_later(files))
    file = exported.ok2(
        NFS_VERSION.NFSPROC_CREATE, createargs(exported.named(b"a"), sattr2(mode=0o644))
    ).file

    to = diropargs(exported.root2, b"b")
    exported.ok2(NFS_VERSION.NFSPROC_LINK, linkargs(file, to))
    exported.ok2(NFS_VERSION.NFSPROC_RENAME, renameargs(exported.named(b"a"), exported.named(b"c")))

    assert exported.listed() == [b".", b"..", b"b", b"c"]


def test_no_lock_is_held_after_a_call(site: Site) -> None:
    for number in PROCEDURES:
        site.results(number)

    locks: ChangeLocks = site.exported.share.locks
    assert len(locks) == 0


class Watching(FileSystem):
    """Sees how many changes of its root are in progress at once."""

    root, inside, most = b"/", 0, 0

    async def remove(self, who: Identity, directory: bytes, name: bytes) -> None:
        self.inside += 1
        self.most = max(self.most, self.inside)
        await asyncio.sleep(0)
        self.inside -= 1

    def getattr(self, who: Identity, file: bytes) -> Attributes:
        return Attributes(ftype3.NF3DIR)


def test_changes_of_a_directory_do_not_overlap() -> None:
    files = Watching()
    exported = Exported2(files)

    async def many() -> None:
        messages = [call_of(10, exported.root2, string(b"%d" % n)) for n in range(4)]
        replies: list[Any] = [
            exported.dispatcher.handle(words(n) + message[4:], exported.caller)
            for n, message in enumerate(messages)
        ]
        await asyncio.gather(*(reply for reply in replies if inspect.isawaitable(reply)))

    asyncio.run(many())
    assert files.most == 1
