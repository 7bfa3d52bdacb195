"""Rules of permissions, with several users: modes, owners, setuid, setgid, sticky bits, times."""

from __future__ import annotations

import pytest

from oncrpc.nfs.filesystem import (
    MAY_EXECUTE,
    MAY_READ,
    MAY_WRITE,
    NOW,
    Identity,
    NewAttributes,
)
from oncrpc.programs.nfs3 import ftype3, nfsstat3
from support.directory_rules import need
from support.file_user import FileUser, refused

ALICE = Identity(10001, 20001, (20003, 20004))
BOB = Identity(10002, 20002, (20003,))
SHARED_GROUP, FOREIGN_GROUP = 20003, 20009
ACCES, PERM = nfsstat3.NFS3ERR_ACCES, nfsstat3.NFS3ERR_PERM


class IdentityRules:
    """What users may do. A file system that works as one user sets ``several_users``."""

    several_users = True

    @pytest.fixture
    def alice(self, me: FileUser) -> FileUser:
        """An ordinary user."""
        if not self.several_users:
            pytest.skip("this file system works as one user")
        return me.like(ALICE)

    @pytest.fixture
    def bob(self, alice: FileUser) -> FileUser:
        """Another one, with one group in common."""
        return alice.like(BOB)

    def test_new_file_belongs_to_its_maker(self, alice: FileUser, work: bytes) -> None:
        for file in (alice.create(work, b"a"), alice.mkdir(work, b"d")):
            found = alice.getattr(file)
            assert (found.uid, found.gid) == (ALICE.uid, ALICE.gid)

    @pytest.mark.parametrize(
        ("mode", "gid", "expected"),
        [
            (0o604, ALICE.gid, MAY_READ),
            (0o602, ALICE.gid, MAY_WRITE),
            (0o601, ALICE.gid, MAY_EXECUTE),
            (0o640, SHARED_GROUP, MAY_READ),
            (0o607, SHARED_GROUP, 0),
            (0o666, FOREIGN_GROUP, MAY_READ | MAY_WRITE),
        ],
    )
    def test_access_is_that_of_the_mode(
        self, me: FileUser, bob: FileUser, work: bytes, mode: int, gid: int, expected: int
    ) -> None:
        file = me.create(work, b"a", NewAttributes(mode=mode, uid=ALICE.uid, gid=gid))

        assert bob.access(file) == expected

    def test_data_need_permission(self, alice: FileUser, bob: FileUser, work: bytes) -> None:
        file = alice.create(work, b"a", NewAttributes(mode=0o600))

        with refused(ACCES):
            bob.read(file)
        with refused(ACCES):
            bob.write(file, b"x")
        with refused(ACCES):
            bob.setattr(file, NewAttributes(size=0))

    def test_owner_uses_data_whatever_the_mode(self, alice: FileUser, work: bytes) -> None:
        """The server should allow the owner access (RFC 1813 §4.4)."""
        file = alice.create(work, b"a", NewAttributes(mode=0))

        alice.write(file, b"data")
        alice.setattr(file, NewAttributes(size=3))

        assert alice.read(file) == b"dat"

    def test_program_is_read_to_be_run(self, alice: FileUser, bob: FileUser, work: bytes) -> None:
        """Execute permission is enough for READ (RFC 1813 §4.4)."""
        file = alice.create(work, b"a", NewAttributes(mode=0o711))
        alice.write(file, b"#!")

        assert bob.read(file) == b"#!"

    def test_super_user_uses_all_data(self, me: FileUser, alice: FileUser, work: bytes) -> None:
        directory = alice.mkdir(work, b"d", NewAttributes(mode=0))
        me.write(me.create(directory, b"a", NewAttributes(mode=0)), b"x")

        assert me.read(me.lookup(directory, b"a")) == b"x"
        assert me.names(directory) == [b"a"]

    def test_directory_needs_execution_for_its_names(
        self, alice: FileUser, bob: FileUser, work: bytes
    ) -> None:
        directory = alice.mkdir(work, b"d", NewAttributes(mode=0o777))
        alice.create(directory, b"a")
        alice.setattr(directory, NewAttributes(mode=0o706))

        assert bob.names(directory) == [b"a"]
        for call in (bob.lookup, bob.create, bob.mkdir, bob.remove, bob.rmdir):
            with refused(ACCES):
                call(directory, b"a")
        with refused(ACCES):
            bob.parent(directory)
        with refused(ACCES):
            bob.rename(directory, b"a", work, b"a")

    def test_directory_needs_reading_for_its_listing(
        self, alice: FileUser, bob: FileUser, work: bytes
    ) -> None:
        directory = alice.mkdir(work, b"d", NewAttributes(mode=0o711))
        file = alice.create(directory, b"a")

        assert bob.lookup(directory, b"a") == file
        with refused(ACCES):
            bob.readdir(directory)

    def test_directory_needs_writing_for_changes(
        self, alice: FileUser, bob: FileUser, work: bytes
    ) -> None:
        directory = alice.mkdir(work, b"d", NewAttributes(mode=0o755))
        alice.create(directory, b"a")
        bob.create(work, b"b")

        for call in (bob.create, bob.mkdir):
            with refused(ACCES):
                call(directory, b"b")
            with refused(nfsstat3.NFS3ERR_EXIST):
                call(directory, b"a")
        with refused(ACCES):
            bob.remove(directory, b"a")
        with refused(ACCES):
            bob.rename(directory, b"a", work, b"a")
        with refused(ACCES):
            bob.rename(work, b"b", directory, b"b")

    def test_sticky_directory_protects_files_of_others(
        self, me: FileUser, alice: FileUser, bob: FileUser, work: bytes
    ) -> None:
        me.setattr(work, NewAttributes(mode=0o1777))
        alice.create(work, b"a")
        bob.create(work, b"b")

        with refused(PERM, ACCES):
            bob.remove(work, b"a")
        with refused(PERM, ACCES):
            bob.rename(work, b"a", work, b"c")
        with refused(PERM, ACCES):
            bob.rename(work, b"b", work, b"a")
        alice.remove(work, b"a")

    def test_owner_of_sticky_directory_removes_all(
        self, alice: FileUser, bob: FileUser, work: bytes
    ) -> None:
        directory = alice.mkdir(work, b"d")
        alice.setattr(directory, NewAttributes(mode=0o1777))
        bob.create(directory, b"b")

        alice.remove(directory, b"b")

        assert alice.names(directory) == []

    def test_setgid_directory_gives_its_group(
        self, me: FileUser, bob: FileUser, work: bytes
    ) -> None:
        me.setattr(work, NewAttributes(gid=FOREIGN_GROUP, mode=0o2777))

        assert bob.getattr(bob.create(work, b"a")).gid == FOREIGN_GROUP
        for name, mode in ((b"d", 0o755), (b"e", 0o6755)):
            found = bob.getattr(bob.mkdir(work, name, NewAttributes(mode=mode)))
            assert (found.gid, found.mode) == (FOREIGN_GROUP, 0o2755)

    def test_only_the_owner_sets_the_mode(
        self, alice: FileUser, bob: FileUser, work: bytes
    ) -> None:
        file = alice.create(work, b"a", NewAttributes(mode=0o666))

        with refused(PERM):
            bob.setattr(file, NewAttributes(mode=0o777))
        alice.setattr(file, NewAttributes(mode=0o640))

        assert alice.getattr(file).mode == 0o640

    def test_setgid_is_for_members_of_the_group(
        self, me: FileUser, alice: FileUser, work: bytes
    ) -> None:
        file = me.create(work, b"a", NewAttributes(mode=0o755, uid=ALICE.uid, gid=FOREIGN_GROUP))

        alice.setattr(file, NewAttributes(mode=0o6755))

        assert alice.getattr(file).mode == 0o4755

    def test_empty_size_of_new_files_keeps_setgid(self, alice: FileUser, work: bytes) -> None:
        file = alice.create(work, b"a", NewAttributes(mode=0o2777, size=0))

        assert alice.getattr(file).mode == 0o2777

    def test_only_the_super_user_gives_files_away(
        self, me: FileUser, alice: FileUser, work: bytes
    ) -> None:
        need(me.files.features.chown_restricted, "restriction of chown")
        file = alice.create(work, b"a")

        with refused(PERM):
            alice.setattr(file, NewAttributes(uid=BOB.uid))
        me.setattr(file, NewAttributes(uid=BOB.uid))

        assert me.getattr(file).uid == BOB.uid

    def test_owner_chooses_among_own_groups(
        self, alice: FileUser, bob: FileUser, work: bytes
    ) -> None:
        file = alice.create(work, b"a")

        with refused(PERM):
            alice.setattr(file, NewAttributes(gid=FOREIGN_GROUP))
        with refused(PERM):
            bob.setattr(file, NewAttributes(gid=SHARED_GROUP))
        alice.setattr(file, NewAttributes(gid=SHARED_GROUP))

        assert alice.getattr(file).gid == SHARED_GROUP

    def test_refused_change_changes_nothing(self, alice: FileUser, work: bytes) -> None:
        file = alice.create(work, b"a", NewAttributes(mode=0o644))
        alice.write(file, b"data")
        before = alice.getattr(file)

        with refused(PERM):
            alice.setattr(file, NewAttributes(mode=0o600, size=0, gid=FOREIGN_GROUP, mtime=5))

        assert alice.getattr(file) == before

    def test_new_owner_loses_setuid(self, me: FileUser, alice: FileUser, work: bytes) -> None:
        file = alice.create(work, b"a", NewAttributes(mode=0o6755))

        me.setattr(file, NewAttributes(uid=BOB.uid))

        assert me.getattr(file).mode == 0o755

    @pytest.mark.parametrize("change", ["write", "size"])
    def test_changed_data_lose_setuid(
        self, alice: FileUser, bob: FileUser, work: bytes, change: str
    ) -> None:
        file = alice.create(work, b"a", NewAttributes(mode=0o6777))

        if change == "write":
            bob.write(file, b"x")
        else:
            bob.setattr(file, NewAttributes(size=1))

        assert alice.getattr(file).mode == 0o777

    def test_super_user_writes_without_losing_setuid(
        self, me: FileUser, alice: FileUser, work: bytes
    ) -> None:
        file = alice.create(work, b"a", NewAttributes(mode=0o4755))

        me.write(file, b"x")

        assert me.getattr(file).mode == 0o4755

    def test_now_needs_writing_and_other_times_ownership(
        self, alice: FileUser, bob: FileUser, work: bytes
    ) -> None:
        file = alice.create(work, b"a", NewAttributes(mode=0o666, mtime=5))

        with refused(PERM):
            bob.setattr(file, NewAttributes(mtime=7))
        bob.setattr(file, NewAttributes(atime=NOW, mtime=NOW))
        assert alice.getattr(file).mtime > 7
        bob.setattr(file, NewAttributes(mtime=NOW))
        alice.setattr(file, NewAttributes(mode=0o600))
        for new in (NewAttributes(atime=NOW, mtime=NOW), NewAttributes(mtime=NOW)):
            with refused(ACCES):
                bob.setattr(file, new)

    @pytest.mark.parametrize("kind", [ftype3.NF3CHR, ftype3.NF3BLK])
    def test_only_the_super_user_makes_devices(
        self, alice: FileUser, work: bytes, kind: ftype3
    ) -> None:
        need(alice.files.features.special_files, "special files")

        with refused(PERM):
            alice.mknod(work, b"s", kind, device=(1, 3))
        alice.mknod(work, b"s", ftype3.NF3FIFO)

        assert alice.names(work) == [b"s"]

    def test_moved_directory_needs_writing(
        self, me: FileUser, alice: FileUser, bob: FileUser, work: bytes
    ) -> None:
        alice.mkdir(work, b"d", NewAttributes(mode=0o755))
        other = bob.mkdir(work, b"e")

        bob.rename(work, b"d", work, b"f")
        with refused(ACCES):
            bob.rename(work, b"f", other, b"f")
        me.rename(work, b"f", other, b"f")

        assert bob.names(other) == [b"f"]
