"""Rules of access control lists, with several users; skipped where there are only modes."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from oncrpc.nfs.acls import AclEntry, Acls, AclTag
from oncrpc.nfs.filesystem import MAY_EXECUTE, MAY_READ, MAY_WRITE, NewAttributes
from oncrpc.programs.nfs3 import nfsstat3
from support.file_user import FileUser, refused
from support.identity_rules import ALICE, BOB, FOREIGN_GROUP, SHARED_GROUP, IdentityRules

PERM, ACCES = nfsstat3.NFS3ERR_PERM, nfsstat3.NFS3ERR_ACCES
NO_LISTS = Acls()
READ_WRITE = MAY_READ | MAY_WRITE


def acl(
    *named: AclEntry, owner: int = 7, group: int = 0, mask: int | None = None, other: int = 0
) -> tuple[AclEntry, ...]:
    """A valid list in order; with a mask of everything if named entries need one."""
    if mask is None and named:
        mask = 7
    entries = [
        AclEntry(AclTag.USER_OBJ, 0, owner),
        AclEntry(AclTag.GROUP_OBJ, 0, group),
        AclEntry(AclTag.OTHER, 0, other),
        *([] if mask is None else [AclEntry(AclTag.MASK, 0, mask)]),
        *named,
    ]
    return tuple(sorted(entries))


def user(uid: int, permissions: int) -> AclEntry:
    return AclEntry(AclTag.USER, uid, permissions)


def group(gid: int, permissions: int) -> AclEntry:
    return AclEntry(AclTag.GROUP, gid, permissions)


@contextmanager
def supported() -> Iterator[None]:
    """The test is skipped if the block is refused since there are no lists."""
    try:
        yield
    except OSError as error:
        if error.errno != errno.EOPNOTSUPP:
            raise
        pytest.skip("this file system has no access control lists")


class AccessListRules(IdentityRules):
    """What lists do."""

    @pytest.fixture
    def file(self, alice: FileUser, work: bytes) -> bytes:
        """A file of Alice's, if files have lists here."""
        made = alice.create(work, b"acl", NewAttributes(mode=0o600))
        with supported():
            alice.set_acl(made, Acls(acl(owner=6)))
        return made

    @pytest.fixture
    def folder(self, alice: FileUser, work: bytes, file: bytes) -> bytes:
        """A directory of Alice's."""
        return alice.mkdir(work, b"folder", NewAttributes(mode=0o777))

    def test_own_list_comes_back_as_it_was(self, me: FileUser, work: bytes) -> None:
        folder = me.mkdir(work, b"own")
        lists = Acls(acl(user(4711, 5), group(4712, 1), mask=5), acl(user(4711, 6), other=1))

        with supported():
            me.set_acl(folder, lists)

        assert me.get_acl(folder) == lists
        file = me.create(folder, b"f", NewAttributes(mode=0o666))
        assert me.get_acl(file).access == acl(user(4711, 6), owner=6, mask=6)

    def test_mode_alone_is_not_a_list(self, alice: FileUser, file: bytes) -> None:
        assert alice.get_acl(file) == NO_LISTS

    def test_list_comes_back_as_it_was(self, bob: FileUser, alice: FileUser, file: bytes) -> None:
        entries = acl(user(BOB.uid, 5), group(SHARED_GROUP, 1), group=4, mask=5, other=1)

        alice.set_acl(file, Acls(entries))

        assert bob.get_acl(file) == Acls(entries)
        assert alice.getattr(file).mode == 0o751

    def test_short_list_is_the_mode(self, alice: FileUser, file: bytes) -> None:
        alice.set_acl(file, Acls(acl(user(BOB.uid, 7))))

        alice.set_acl(file, Acls(acl(owner=6, group=4, other=2)))

        assert alice.get_acl(file) == NO_LISTS
        assert alice.getattr(file).mode == 0o642

    def test_list_decides_what_a_user_may(
        self, bob: FileUser, alice: FileUser, file: bytes
    ) -> None:
        alice.write(file, b"hello")
        with refused(ACCES):
            bob.read(file)

        alice.set_acl(file, Acls(acl(user(BOB.uid, MAY_READ))))

        assert bob.read(file) == b"hello"
        assert bob.access(file) == MAY_READ
        with refused(ACCES):
            bob.write(file, b"x")

    def test_mask_limits_users_and_groups(
        self, bob: FileUser, alice: FileUser, file: bytes
    ) -> None:
        for entry in (user(BOB.uid, 7), group(SHARED_GROUP, 7)):
            alice.set_acl(file, Acls(acl(entry, mask=MAY_WRITE)))

            assert bob.access(file) == MAY_WRITE

    def test_entry_of_user_outweighs_groups(
        self, bob: FileUser, alice: FileUser, file: bytes
    ) -> None:
        alice.set_acl(file, Acls(acl(user(BOB.uid, 0), group(SHARED_GROUP, 7), other=7)))

        assert bob.access(file) == 0

    def test_two_groups_are_not_added(self, alice: FileUser, me: FileUser, work: bytes) -> None:
        first, second = ALICE.groups
        folder = me.mkdir(work, b"of root", NewAttributes(mode=0o700))
        me.create(folder, b"f")
        entries = acl(group(first, MAY_WRITE), group(second, MAY_EXECUTE), other=7)
        with supported():
            me.set_acl(folder, Acls(entries))

        assert alice.access(folder) == MAY_WRITE | MAY_EXECUTE
        with refused(ACCES):
            alice.remove(folder, b"f")

    def test_group_with_entry_is_not_other(
        self, bob: FileUser, alice: FileUser, file: bytes
    ) -> None:
        alice.set_acl(file, Acls(acl(group(SHARED_GROUP, MAY_EXECUTE), other=READ_WRITE)))

        assert bob.access(file) == MAY_EXECUTE

    def test_chmod_changes_the_mask(self, bob: FileUser, alice: FileUser, file: bytes) -> None:
        alice.set_acl(file, Acls(acl(user(BOB.uid, 7), group=3)))

        alice.setattr(file, NewAttributes(mode=0o640))

        assert alice.get_acl(file).access == acl(user(BOB.uid, 7), owner=6, group=3, mask=4)
        assert bob.access(file) == MAY_READ

    def test_empty_list_removes_the_entries(
        self, bob: FileUser, alice: FileUser, file: bytes
    ) -> None:
        alice.set_acl(file, Acls(acl(user(BOB.uid, 7))))

        alice.set_acl(file, Acls(access=()))

        assert alice.get_acl(file) == NO_LISTS
        assert bob.access(file) == 0
        assert alice.getattr(file).mode == 0o770

    def test_only_the_owner_sets_lists(
        self, bob: FileUser, me: FileUser, alice: FileUser, file: bytes
    ) -> None:
        alice.set_acl(file, Acls(acl(user(BOB.uid, 7))))

        with refused(PERM):
            bob.set_acl(file, Acls(acl(user(BOB.uid, 7), other=7)))
        me.set_acl(file, Acls(acl(user(BOB.uid, 1))))

        assert bob.access(file) == MAY_EXECUTE

    def test_setgid_of_foreign_group_is_lost(
        self, alice: FileUser, me: FileUser, file: bytes
    ) -> None:
        me.setattr(file, NewAttributes(gid=FOREIGN_GROUP))
        me.setattr(file, NewAttributes(mode=0o2770))

        alice.set_acl(file, Acls(acl(user(BOB.uid, 7), group=7)))

        assert alice.getattr(file).mode == 0o770

    def test_new_files_get_the_default_list(
        self, bob: FileUser, alice: FileUser, folder: bytes
    ) -> None:
        default = acl(user(BOB.uid, READ_WRITE), group=5, other=5)
        alice.set_acl(folder, Acls(default=default))

        file = alice.create(folder, b"f", NewAttributes(mode=0o666))

        expected = acl(user(BOB.uid, READ_WRITE), owner=6, group=5, mask=6, other=4)
        assert alice.get_acl(file) == Acls(expected)
        assert alice.getattr(file).mode == 0o664
        assert alice.get_acl(folder) == Acls(default=default)

    def test_given_away_file_gets_the_default(
        self, bob: FileUser, me: FileUser, alice: FileUser, folder: bytes
    ) -> None:
        alice.set_acl(folder, Acls(default=acl(user(BOB.uid, 7), other=4)))

        new = NewAttributes(mode=0o4777, uid=BOB.uid, gid=BOB.gid, mtime=1_000_000_000)
        file = me.create(folder, b"f", new)

        assert me.getattr(file)[1:5] == (0o4774, 1, BOB.uid, BOB.gid)
        assert me.get_acl(file).access == acl(user(BOB.uid, 7), mask=7, other=4)

    def test_new_directories_get_both_lists(
        self, bob: FileUser, alice: FileUser, folder: bytes
    ) -> None:
        default = acl(user(BOB.uid, 7), group=7, other=7)
        alice.set_acl(folder, Acls(default=default))

        made = alice.mkdir(folder, b"d", NewAttributes(mode=0o750))

        assert alice.get_acl(made) == Acls(acl(user(BOB.uid, 7), group=7, mask=5), default)

    def test_short_default_list_makes_modes(self, alice: FileUser, folder: bytes) -> None:
        alice.set_acl(folder, Acls(default=acl(owner=6, group=4)))

        file = alice.create(folder, b"f", NewAttributes(mode=0o777))

        assert alice.getattr(file).mode == 0o640
        assert alice.get_acl(file) == NO_LISTS

    def test_empty_default_list_removes_it(self, alice: FileUser, folder: bytes) -> None:
        alice.set_acl(folder, Acls(default=acl(owner=6, group=4)))

        alice.set_acl(folder, Acls(default=()))

        assert alice.get_acl(folder) == NO_LISTS

    def test_file_has_no_default_list(self, alice: FileUser, file: bytes) -> None:
        with refused(ACCES):
            alice.set_acl(file, Acls(default=acl(owner=6)))

        alice.set_acl(file, Acls(default=()))
        assert alice.get_acl(file) == NO_LISTS

    def test_symbolic_link_has_no_lists(self, alice: FileUser, work: bytes, file: bytes) -> None:
        link = alice.symlink(work, b"link", b"acl")

        with refused(nfsstat3.NFS3ERR_NOTSUPP):
            alice.set_acl(link, Acls(acl(owner=6)))

        assert alice.get_acl(link) == NO_LISTS

    def test_refused_list_changes_nothing(self, alice: FileUser, file: bytes) -> None:
        before = alice.getattr(file)

        with refused(ACCES):
            alice.set_acl(file, Acls(acl(user(BOB.uid, 7)), acl(owner=6)))

        assert alice.get_acl(file) == NO_LISTS
        assert alice.getattr(file).mode == before.mode
