"""``oncrpc.nfs.server.nfsacl``: the bytes of every procedure, and of every arm for a failure.

No RFC draws them: the layout is that of Sun's ``nfs_acl.x``, and the order of entries that of
Linux.
"""

from __future__ import annotations

import errno
from collections.abc import Callable

import pytest

from oncrpc.errors import ProcedureUnavailable
from oncrpc.nfs.acls import AclEntry, Acls
from oncrpc.nfs.backends.memory import MemoryFileSystem
from oncrpc.nfs.filesystem import FileSystem, Identity, NewAttributes
from oncrpc.nfs.options import ExportOptions
from oncrpc.nfs.server.duplicates import CHANGES
from oncrpc.nfs.status import NfsError
from oncrpc.programs.nfs3 import nfsstat3
from oncrpc.programs.nfsacl import NFS_ACL_V2, NFS_ACL_V3, GETXATTRDIR2args, GETXATTRDIR3args
from support.access_list_rules import acl, user
from support.exported import FSID, OPTIONS, READ_ONLY, ROOT, TCP, failing
from support.exported2 import TIME, still
from support.exported_acls import ExportedAcls, acl_call
from support.words import words

OWNER, GROUP, BOB = 1000, 100, 1007
ALL = 0xF
MODE_ENTRIES = words(
    1, OWNER, 6,                  # USER_OBJ, uid, rw-
    4, GROUP, 4,                  # GROUP_OBJ, gid, r--
    16, 0, 4,                     # MASK: that of the group
    32, 0, 0,                     # OTHER
)  # fmt: skip
BOB_ENTRIES = words(
    1, OWNER, 7,
    2, BOB, 6,                    # USER
    4, GROUP, 0,
    16, 0, 6,
    32, 0, 1,
)  # fmt: skip
BOB_LIST = acl(user(BOB, 6), mask=6, other=1)
DEFAULT = 0x1000
DEFAULT_ENTRIES = words(
    DEFAULT | 1, OWNER, 7,
    DEFAULT | 4, GROUP, 5,
    DEFAULT | 16, 0, 5,
    DEFAULT | 32, 0, 0,
)  # fmt: skip
DEFAULT_LIST = acl(group=5)
NONE = words(0, 0)  # no entries, and their number


class NoLists(MemoryFileSystem):
    """A file system that has only modes."""

    def get_acl(self, who: Identity, file: bytes) -> Acls:
        return Acls()

    def set_acl(self, who: Identity, file: bytes, new: Acls) -> None:
        raise OSError(errno.EOPNOTSUPP, "no lists")


class Site:
    """A file and a directory of a user's, exported."""

    def __init__(self, files: FileSystem | None = None, options: ExportOptions = OPTIONS) -> None:
        self.memory = files if isinstance(files, MemoryFileSystem) else still()
        made = NewAttributes(mode=0o640, uid=OWNER, gid=GROUP)
        self.file = self.memory.create(ROOT, self.memory.root, b"f", made)
        self.folder = self.memory.mkdir(ROOT, self.memory.root, b"d", made)
        self.exported = ExportedAcls(self.memory, options=options)
        self.errors: dict[str, Exception] = {}

    def fail(self, name: str, error: Exception) -> None:
        """Let an operation of the file system fail."""
        self.errors[name] = error
        self.exported.share.filesystem = failing(self.memory, self.errors)

    def fh3(self, file: bytes) -> bytes:
        data = self.exported.handle(file).data
        return words(len(data), data)

    def fh2(self, file: bytes) -> bytes:
        return self.exported.handle2(file)

    def lists(self, file: bytes) -> Acls:
        return self.memory.get_acl(ROOT, file)

    def attr3(self, file: bytes) -> bytes:
        """The post_op_attr of the file or the directory."""
        found = self.memory.getattr(ROOT, file)
        return words(
            1, found.kind, found.mode, found.nlink, OWNER, GROUP,
            0, found.size, 0, found.used, 0, 0, 0, FSID, 0, found.fileid,
            *((1000, 7_000) * 3),
        )  # fmt: skip

    def attr2(self, file: bytes) -> bytes:
        """The fattr of the file or the directory."""
        found = self.memory.getattr(ROOT, file)
        kind, bits = (2, 0o40000) if file == self.folder else (1, 0o100000)
        return words(
            kind, bits | found.mode, found.nlink, OWNER, GROUP, found.size, 8192, 0,
            -(-found.used // 512), FSID, found.fileid, TIME * 3,
        )  # fmt: skip

    def call3(self, proc: int, *arguments: int | bytes, uid: int = 0) -> bytes:
        return self.exported.acl_results(3, proc, *arguments, uid=uid)

    def call2(self, proc: int, *arguments: int | bytes, uid: int = 0) -> bytes:
        return self.exported.acl_results(2, proc, *arguments, uid=uid)


@pytest.fixture
def site() -> Site:
    return Site()


def test_null_does_no_work(site: Site) -> None:
    assert site.call3(0) == site.call2(0) == b""


# GETACL: 4 entries, for a list without a mask is sent with one

GETACL: dict[str, tuple[int, bytes]] = {
    "all": (ALL, words(4, 4, MODE_ENTRIES, NONE)),
    "entries": (0x1, words(4, 4, MODE_ENTRIES, NONE)),
    "their number": (0x2, words(4, 0, NONE)),
    "entries of the default": (0x4, words(NONE, NONE)),
    "nothing": (0, words(NONE, NONE)),
}


@pytest.mark.parametrize("name", GETACL)
def test_getacl_of_a_mode_is_drawn(site: Site, name: str) -> None:
    mask, lists = GETACL[name]

    assert site.call3(1, site.fh3(site.file), mask) == words(0, site.attr3(site.file), mask, lists)
    assert site.call2(1, site.fh2(site.file), mask) == words(0, site.attr2(site.file), mask, lists)


GETACL_OF_LISTS: dict[str, tuple[int, bytes]] = {
    "all": (ALL, words(5, 5, BOB_ENTRIES, 4, 4, DEFAULT_ENTRIES)),
    "access": (0x3, words(5, 5, BOB_ENTRIES, NONE)),
    "default": (0xC, words(NONE, 4, 4, DEFAULT_ENTRIES)),
    "numbers": (0xA, words(5, 0, 4, 0)),
}


@pytest.mark.parametrize("name", GETACL_OF_LISTS)
def test_getacl_of_both_lists_is_drawn(site: Site, name: str) -> None:
    mask, lists = GETACL_OF_LISTS[name]
    site.memory.set_acl(ROOT, site.folder, Acls(BOB_LIST, DEFAULT_LIST))

    assert site.call3(1, site.fh3(site.folder), mask, uid=BOB) == words(
        0, site.attr3(site.folder), mask, lists
    )
    assert site.call2(1, site.fh2(site.folder), mask, uid=BOB) == words(
        0, site.attr2(site.folder), mask, lists
    )


# SETACL


def test_setacl_sets_both_lists(site: Site) -> None:
    lists = words(ALL, 5, 5, BOB_ENTRIES, 4, 4, DEFAULT_ENTRIES)

    for version in (3, 2):
        site.memory.set_acl(ROOT, site.folder, Acls(acl(), ()))
        if version == 3:
            assert site.call3(2, site.fh3(site.folder), lists, uid=OWNER) == words(
                0, site.attr3(site.folder)
            )
        else:
            assert site.call2(2, site.fh2(site.folder), lists, uid=OWNER) == words(
                0, site.attr2(site.folder)
            )
        assert site.lists(site.folder) == Acls(BOB_LIST, DEFAULT_LIST)
        assert site.memory.getattr(ROOT, site.folder).mode == 0o761


def test_setacl_leaves_what_mask_does_not_name(site: Site) -> None:
    site.memory.set_acl(ROOT, site.folder, Acls(default=DEFAULT_LIST))

    site.call3(2, site.fh3(site.folder), words(3, 5, 5, BOB_ENTRIES, NONE))
    site.call3(2, site.fh3(site.folder), words(0xA, 9, 0, 9, 0))

    assert site.lists(site.folder) == Acls(BOB_LIST, DEFAULT_LIST)


def test_setacl_without_entries_removes_a_list(site: Site) -> None:
    site.memory.set_acl(ROOT, site.folder, Acls(BOB_LIST, DEFAULT_LIST))

    assert site.call3(2, site.fh3(site.folder), words(ALL, NONE, NONE))[:4] == words(0)

    assert site.lists(site.folder) == Acls()


def test_list_of_a_mode_comes_back_as_mode(site: Site) -> None:
    site.call3(2, site.fh3(site.file), words(3, 4, 4, MODE_ENTRIES, NONE))

    assert site.lists(site.file) == Acls()
    assert site.memory.getattr(ROOT, site.file).mode == 0o640


def test_reply_to_setacl_is_kept() -> None:
    assert {NFS_ACL_V2.ACLPROC2_SETACL, NFS_ACL_V3.ACLPROC3_SETACL} <= CHANGES


INVALID: dict[str, bytes] = {
    "another number": words(3, 4, 5, BOB_ENTRIES, NONE),
    "a bit without a meaning": words(0x13, 5, 5, BOB_ENTRIES, NONE),
    "a type without a meaning": words(3, 4, 4, words(1, 0, 7, 4, 0, 7, 32, 0, 7, 64, 0, 7), NONE),
    "a permission without a meaning": words(3, 3, 3, words(1, 0, 8, 4, 0, 7, 32, 0, 7), NONE),
    "two owners": words(3, 3, 3, words(1, 0, 7, 1, 0, 7, 32, 0, 7), NONE),
    "a user without a mask": words(3, 4, 4, words(1, 0, 7, 2, 5, 7, 4, 0, 7, 32, 0, 7), NONE),
    "no user": words(3, 5, 5, BOB_ENTRIES.replace(words(BOB), words(-1)), NONE),
}


@pytest.mark.parametrize("name", INVALID)
def test_invalid_list_is_refused(site: Site, name: str) -> None:
    before = site.memory.getattr(ROOT, site.file)

    assert site.call3(2, site.fh3(site.file), INVALID[name]) == words(22, site.attr3(site.file))
    assert site.call2(2, site.fh2(site.file), INVALID[name]) == words(5)  # NFSERR_IO

    assert site.memory.getattr(ROOT, site.file) == before


def test_getacl_of_unknown_bits_is_refused(site: Site) -> None:
    assert site.call3(1, site.fh3(site.file), 0x1F) == words(22, site.attr3(site.file))


def test_mask_may_have_more_bits(site: Site) -> None:
    entries = BOB_ENTRIES.replace(words(16, 0, 6), words(16, 0, 0xFE))

    site.call3(2, site.fh3(site.file), words(3, 5, 5, entries, NONE))

    assert site.lists(site.file).access == BOB_LIST


def test_more_than_1024_entries_are_garbage(site: Site) -> None:
    entries = words(2, 1, 7) * 1025
    arguments = words(3, 1025, 1025, entries, NONE)

    reply = site.exported.reply(acl_call(3, 2, site.fh3(site.file), arguments))

    assert reply == words(0x11223344, 1, 0, 0, 0, 4)  # GARBAGE_ARGS


def test_1024_entries_are_stored(site: Site) -> None:
    named = b"".join(words(2, number, 7) for number in range(1020))
    entries = words(1, 0, 7, 4, 0, 7, 16, 0, 7, 32, 0, 7, named)

    assert site.call3(2, site.fh3(site.file), words(3, 1024, 1024, entries, NONE))[:4] == words(0)

    assert len(site.lists(site.file).access or ()) == 1024


def test_longer_local_list_is_refused(site: Site) -> None:
    named: list[AclEntry] = [user(number, 7) for number in range(1021)]
    site.memory.set_acl(ROOT, site.file, Acls(acl(*named)))

    assert site.call3(1, site.fh3(site.file), ALL)[:4] == words(22)


# GETATTR and ACCESS of version 2


def test_getattr_returns_the_attributes(site: Site) -> None:
    assert site.call2(3, site.fh2(site.file)) == words(0, site.attr2(site.file))


def test_access_is_that_of_the_list(site: Site) -> None:
    site.memory.set_acl(ROOT, site.file, Acls(BOB_LIST))

    assert site.call2(4, site.fh2(site.file), 0x3F, uid=BOB) == words(
        0,
        site.attr2(site.file),
        0x01 | 0x04 | 0x08,  # READ, MODIFY, EXTEND
    )


# Refusals

NO_ATTRIBUTES = words(0)


@pytest.mark.parametrize("status", [each for each in nfsstat3 if each])
def test_failure_of_version_3_has_attributes(site: Site, status: nfsstat3) -> None:
    site.fail("get_acl", NfsError(status))
    site.fail("set_acl", NfsError(status))
    failure = words(status, site.attr3(site.file))

    assert site.call3(1, site.fh3(site.file), ALL) == failure
    assert site.call3(2, site.fh3(site.file), words(3, 5, 5, BOB_ENTRIES, NONE)) == failure


def calls2(site: Site) -> dict[str, Callable[[], bytes]]:
    """A call of each procedure of version 2 on a file."""
    file = site.fh2(site.file)
    lists = words(3, 5, 5, BOB_ENTRIES, NONE)
    return {
        "get_acl": lambda: site.call2(1, file, ALL),
        "set_acl": lambda: site.call2(2, file, lists),
        "getattr": lambda: site.call2(3, file),
        "access": lambda: site.call2(4, file, 0x3F),
    }


@pytest.mark.parametrize("name", ["get_acl", "set_acl", "getattr", "access"])
def test_failure_of_version_2_is_a_status(site: Site, name: str) -> None:
    site.fail(name, OSError(errno.ENOSPC, "no space"))

    assert calls2(site)[name]() == words(28)


def test_version_2_does_not_answer_try_later(site: Site) -> None:
    site.fail("get_acl", NfsError(nfsstat3.NFS3ERR_JUKEBOX))
    call = acl_call(2, 1, site.fh2(site.file), ALL)

    assert site.exported.dispatcher.handle(call, TCP) is None


def test_stale_handle_has_no_attributes(site: Site) -> None:
    site.memory.remove(ROOT, site.memory.root, b"f")
    lists = words(3, 5, 5, BOB_ENTRIES, NONE)

    assert site.call3(1, site.fh3(site.file), ALL) == words(70, NO_ATTRIBUTES)
    assert site.call3(2, site.fh3(site.file), lists) == words(70, NO_ATTRIBUTES)
    assert {call() for call in calls2(site).values()} == {words(70)}


def test_forged_handle_is_refused(site: Site) -> None:
    handle = bytearray(site.fh3(site.file))
    handle[-1] ^= 1

    assert site.call3(1, bytes(handle), ALL) == words(70, NO_ATTRIBUTES)


def test_only_the_owner_sets_lists(site: Site) -> None:
    lists = words(3, 5, 5, BOB_ENTRIES, NONE)

    assert site.call3(2, site.fh3(site.file), lists, uid=BOB) == words(1, site.attr3(site.file))
    assert site.call2(2, site.fh2(site.file), lists, uid=BOB) == words(1)


def test_squashed_root_sets_no_lists() -> None:
    site = Site(options=OPTIONS._replace(root_squash=True))
    lists = words(3, 5, 5, BOB_ENTRIES, NONE)

    assert site.call3(2, site.fh3(site.file), lists) == words(1, site.attr3(site.file))


def test_read_only_export_refuses_setacl() -> None:
    site = Site(options=READ_ONLY)
    lists = words(3, 5, 5, BOB_ENTRIES, NONE)

    assert site.call3(2, site.fh3(site.file), lists) == words(30, site.attr3(site.file))
    assert site.call2(2, site.fh2(site.file), lists) == words(30)
    assert site.call3(1, site.fh3(site.file), ALL)[:4] == words(0)


def test_no_acl_hides_the_lists() -> None:
    site = Site(options=OPTIONS._replace(acl=False))
    site.memory.set_acl(ROOT, site.file, Acls(BOB_LIST))
    lists = words(3, 4, 4, MODE_ENTRIES, NONE)

    assert site.call3(1, site.fh3(site.file), ALL) == words(10004, site.attr3(site.file))
    assert site.call3(2, site.fh3(site.file), lists) == words(10004, site.attr3(site.file))
    assert site.call2(1, site.fh2(site.file), ALL) == words(5)
    assert site.call2(4, site.fh2(site.file), 0x3F, uid=BOB)[-4:] == words(13)


def test_getxattrdir_is_not_served(site: Site) -> None:
    with pytest.raises(ProcedureUnavailable):
        site.exported.call(
            NFS_ACL_V3.ACLPROC3_GETXATTRDIR,
            GETXATTRDIR3args(site.exported.acl_handle(site.file), False),
        )
    with pytest.raises(ProcedureUnavailable):
        site.exported.call(
            NFS_ACL_V2.ACLPROC2_GETXATTRDIR, GETXATTRDIR2args(site.fh2(site.file), True)
        )


# File systems without lists


def test_mode_stands_for_a_list_of_modes() -> None:
    site = Site(NoLists(clock=lambda: 1000_000_007_000))
    site.memory.setattr(ROOT, site.file, NewAttributes(mode=0o6640))
    entries = words(1, 5, 7, 4, 5, 5, 16, 0, 5, 32, 0, 0)

    assert site.call3(1, site.fh3(site.file), ALL) == words(
        0, site.attr3(site.file), ALL, 4, 4, MODE_ENTRIES, NONE
    )
    assert site.call3(2, site.fh3(site.file), words(3, 4, 4, entries, NONE)) == words(
        0, site.attr3(site.file)
    )

    assert site.memory.getattr(ROOT, site.file).mode == 0o6750


@pytest.mark.parametrize(
    "lists",
    [words(3, 5, 5, BOB_ENTRIES, NONE), words(0xC, NONE, 4, 4, DEFAULT_ENTRIES)],
)
def test_more_than_a_mode_is_not_supported(lists: bytes) -> None:
    site = Site(NoLists(clock=lambda: 1000_000_007_000))

    assert site.call3(2, site.fh3(site.folder), lists) == words(10004, site.attr3(site.folder))


def test_removing_lists_needs_no_lists() -> None:
    site = Site(NoLists(clock=lambda: 1000_000_007_000))

    assert site.call3(2, site.fh3(site.folder), words(ALL, NONE, NONE)) == words(
        0, site.attr3(site.folder)
    )

    assert site.memory.getattr(ROOT, site.folder).mode == 0o640


def test_symbolic_link_has_the_list_of_its_mode(site: Site) -> None:
    link = site.memory.symlink(ROOT, site.memory.root, b"l", b"f", NewAttributes())
    lists = words(3, 4, 4, MODE_ENTRIES, NONE)

    assert site.call3(1, site.fh3(link), 3)[:4] == words(0)
    assert site.call3(2, site.fh3(link), lists)[:4] == words(10004)
