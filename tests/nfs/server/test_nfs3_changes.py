"""Procedures of version 3 that change something, in the words of RFC 1813 §3.3."""

from __future__ import annotations

from typing import Any

import pytest

from oncrpc.nfs.filesystem import Attributes, FileSystem, Identity
from oncrpc.programs.nfs3 import (
    NFS_V3,
    GETATTR3args,
    LINK3args,
    LOOKUP3args,
    MKDIR3args,
    MKNOD3args,
    READLINK3args,
    REMOVE3args,
    RENAME3args,
    RMDIR3args,
    SETATTR3args,
    SYMLINK3args,
    devicedata3,
    ftype3,
    mknoddata3,
    nfs_fh3,
    nfsstat3,
    nfstime3,
    sattr3,
    sattrguard3,
    specdata3,
    symlinkdata3,
    time_how,
    wcc_data,
)
from oncrpc.rpc import AnyProcedure
from support.exported import (
    NO_GUARD,
    USER_CRED,
    Exported,
    made_directory,
    made_file,
    made_link,
    sattr,
)

ERR = nfsstat3


def attributes(exported: Exported, file: nfs_fh3) -> Any:
    return exported.ok(NFS_V3.NFSPROC3_GETATTR, GETATTR3args(file)).obj_attributes


def set_attributes(
    exported: Exported, file: nfs_fh3, new: sattr3, guard: sattrguard3 = NO_GUARD
) -> wcc_data:
    found: wcc_data = exported.ok(NFS_V3.NFSPROC3_SETATTR, SETATTR3args(file, new, guard)).obj_wcc
    return found


def changed(wcc: wcc_data) -> bool:
    """Whether the attributes before and after tell of a change."""
    assert wcc.before.body is not None
    assert wcc.after.body is not None
    return wcc.before.body.ctime != wcc.after.body.ctime


class TestSetattr:
    def test_attributes_are_set(self, exported: Exported) -> None:
        file = made_file(exported, b"f", b"data")

        wcc = set_attributes(exported, file, sattr(mode=0o600, uid=5, gid=6, mtime=nfstime3(7, 8)))

        found = attributes(exported, file)
        assert (found.mode, found.uid, found.gid, found.mtime) == (0o600, 5, 6, nfstime3(7, 8))
        assert wcc.after.body == found
        assert changed(wcc)

    @pytest.mark.parametrize("size", [0, 3, 9])
    def test_size_cuts_or_adds_zeros(self, exported: Exported, size: int) -> None:
        file = made_file(exported, b"f", b"data")

        wcc = set_attributes(exported, file, sattr(size=size))

        assert (wcc.before.body.size, wcc.after.body.size) == (4, size)  # type: ignore[union-attr]  # there

    def test_guard_that_matches_sets(self, exported: Exported) -> None:
        file = made_file(exported, b"f")
        guard = sattrguard3(True, attributes(exported, file).ctime)

        assert changed(set_attributes(exported, file, sattr(mode=0o600), guard))

    def test_guard_that_differs_is_not_sync(self, exported: Exported) -> None:
        """§3.3.2: the server must preserve the attributes and must return NFS3ERR_NOT_SYNC."""
        file = made_file(exported, b"f")
        arg = SETATTR3args(file, sattr(mode=0o600), sattrguard3(True, nfstime3(1, 1)))

        body = exported.refused(ERR.NFS3ERR_NOT_SYNC, NFS_V3.NFSPROC3_SETATTR, arg)

        assert not changed(body.obj_wcc)
        assert attributes(exported, file).mode == 0o644

    def test_server_time_is_that_of_the_server(self, exported: Exported) -> None:
        file = made_file(exported, b"f")

        set_attributes(exported, file, sattr(atime=time_how.SET_TO_SERVER_TIME))

        assert attributes(exported, file).atime.seconds > 1000

    def test_nothing_set_changes_nothing(self, exported: Exported) -> None:
        assert not changed(set_attributes(exported, exported.root, sattr()))

    @pytest.mark.parametrize(
        ("size", "status"), [(1 << 63, ERR.NFS3ERR_FBIG), ((1 << 64) - 1, ERR.NFS3ERR_FBIG)]
    )
    def test_size_beyond_63_bits(self, exported: Exported, size: int, status: nfsstat3) -> None:
        file = made_file(exported, b"f")
        arg = SETATTR3args(file, sattr(size=size), NO_GUARD)

        exported.refused(status, NFS_V3.NFSPROC3_SETATTR, arg)

    def test_size_of_a_directory(self, exported: Exported) -> None:
        arg = SETATTR3args(exported.root, sattr(size=0), NO_GUARD)

        exported.refused(ERR.NFS3ERR_ISDIR, NFS_V3.NFSPROC3_SETATTR, arg)

    def test_size_of_a_symbolic_link(self, exported: Exported) -> None:
        arg = SETATTR3args(made_link(exported, b"l", b"t"), sattr(size=0), NO_GUARD)

        exported.refused(ERR.NFS3ERR_INVAL, NFS_V3.NFSPROC3_SETATTR, arg)

    def test_not_the_owner(self, exported: Exported) -> None:
        file = made_file(exported, b"f")
        exported.cred = USER_CRED
        arg = SETATTR3args(file, sattr(mode=0o777), NO_GUARD)

        body = exported.refused(ERR.NFS3ERR_PERM, NFS_V3.NFSPROC3_SETATTR, arg)

        assert not changed(body.obj_wcc)

    def test_owner_that_cannot_be_stored(self, exported: Exported) -> None:
        """§3.3.2: NFS3ERR_INVAL may be returned if the server can not store a uid or gid."""
        arg = SETATTR3args(exported.root, sattr(uid=0xFFFFFFFF), NO_GUARD)

        exported.refused(ERR.NFS3ERR_INVAL, NFS_V3.NFSPROC3_SETATTR, arg)


def making(kind: str, exported: Exported, name: bytes, new: sattr3) -> tuple[AnyProcedure, Any]:
    """A procedure that creates an entry, and its arguments."""
    where = exported.at(name)
    if kind == "directory":
        return NFS_V3.NFSPROC3_MKDIR, MKDIR3args(where, new)
    if kind == "link":
        return NFS_V3.NFSPROC3_SYMLINK, SYMLINK3args(where, symlinkdata3(new, b"target"))
    what = mknoddata3(ftype3.NF3FIFO, new)
    return NFS_V3.NFSPROC3_MKNOD, MKNOD3args(where, what)


KINDS = {"directory": ftype3.NF3DIR, "link": ftype3.NF3LNK, "pipe": ftype3.NF3FIFO}


@pytest.mark.parametrize("kind", KINDS)
class TestNewEntries:
    def test_handle_and_attributes_are_returned(self, exported: Exported, kind: str) -> None:
        made = exported.ok(*making(kind, exported, b"new", sattr(mode=0o711, size=7)))

        found = attributes(exported, made.obj.body)
        assert made.obj_attributes.body == found
        assert found.type is KINDS[kind]
        assert found.mode == (0o777 if kind == "link" else 0o711)
        assert changed(made.dir_wcc)

    def test_owner_is_the_caller(self, exported: Exported, kind: str) -> None:
        set_attributes(exported, exported.root, sattr(mode=0o777))
        exported.cred = USER_CRED

        made = exported.ok(*making(kind, exported, b"new", sattr(uid=5, gid=6)))

        found = made.obj_attributes.body
        assert (found.uid, found.gid) == (1000, 100)

    def test_name_that_exists(self, exported: Exported, kind: str) -> None:
        made_file(exported, b"new")

        body = exported.refused(ERR.NFS3ERR_EXIST, *making(kind, exported, b"new", sattr()))

        assert not changed(body.dir_wcc)

    @pytest.mark.parametrize(
        ("name", "status"),
        [
            (b"", ERR.NFS3ERR_ACCES),
            (b"../a", ERR.NFS3ERR_ACCES),
            (b"a\0", ERR.NFS3ERR_ACCES),
            (b".", ERR.NFS3ERR_EXIST),
            (b"..", ERR.NFS3ERR_EXIST),
            (b"a" * 256, ERR.NFS3ERR_NAMETOOLONG),
        ],
    )
    def test_names_that_are_refused(
        self, exported: Exported, kind: str, name: bytes, status: nfsstat3
    ) -> None:
        body = exported.refused(status, *making(kind, exported, name, sattr()))

        assert not changed(body.dir_wcc)

    def test_name_of_any_bytes(self, exported: Exported, kind: str) -> None:
        made = exported.ok(*making(kind, exported, b"\xff\xfe\x01", sattr()))

        found = exported.ok(NFS_V3.NFSPROC3_LOOKUP, LOOKUP3args(exported.at(b"\xff\xfe\x01")))
        assert found.object == made.obj.body

    def test_no_permission(self, exported: Exported, kind: str) -> None:
        exported.cred = USER_CRED

        exported.refused(ERR.NFS3ERR_ACCES, *making(kind, exported, b"new", sattr()))

    def test_directory_that_is_a_file(self, exported: Exported, kind: str) -> None:
        exported.root = made_file(exported, b"f")

        exported.refused(ERR.NFS3ERR_NOTDIR, *making(kind, exported, b"new", sattr()))


class TestSymlink:
    @pytest.mark.parametrize(
        ("text", "status"),
        [
            (b"", ERR.NFS3ERR_INVAL),
            (b"a\0b", ERR.NFS3ERR_INVAL),
            (b"a" * 4096, ERR.NFS3ERR_NAMETOOLONG),
        ],
    )
    def test_text_that_is_refused(self, exported: Exported, text: bytes, status: nfsstat3) -> None:
        arg = SYMLINK3args(exported.at(b"l"), symlinkdata3(sattr(), text))

        exported.refused(status, NFS_V3.NFSPROC3_SYMLINK, arg)

    def test_longest_text(self, exported: Exported) -> None:
        link = made_link(exported, b"l", b"a" * 4095)

        found = exported.ok(NFS_V3.NFSPROC3_READLINK, READLINK3args(link))

        assert found.data == b"a" * 4095


class TestMknod:
    @pytest.mark.parametrize("kind", [ftype3.NF3CHR, ftype3.NF3BLK])
    def test_device_has_its_numbers(self, exported: Exported, kind: ftype3) -> None:
        what = mknoddata3(kind, devicedata3(sattr(mode=0o600), specdata3(10, 200)))

        made = exported.ok(NFS_V3.NFSPROC3_MKNOD, MKNOD3args(exported.at(b"d"), what))

        found = made.obj_attributes.body
        assert (found.type, found.rdev, found.mode) == (kind, specdata3(10, 200), 0o600)

    def test_socket_is_created(self, exported: Exported) -> None:
        what = mknoddata3(ftype3.NF3SOCK, sattr())

        made = exported.ok(NFS_V3.NFSPROC3_MKNOD, MKNOD3args(exported.at(b"s"), what))

        assert made.obj_attributes.body.type is ftype3.NF3SOCK

    @pytest.mark.parametrize("kind", [ftype3.NF3REG, ftype3.NF3DIR, ftype3.NF3LNK])
    def test_other_types_are_illegal(self, exported: Exported, kind: ftype3) -> None:
        """§3.3.11: NF3REG, NF3DIR, and NF3LNK are illegal types for MKNOD."""
        arg = MKNOD3args(exported.at(b"x"), mknoddata3(kind, None))

        exported.refused(ERR.NFS3ERR_BADTYPE, NFS_V3.NFSPROC3_MKNOD, arg)


class Plain(FileSystem):
    """A file system that has a root and nothing else."""

    root = b"/"

    def getattr(self, who: Identity, file: bytes) -> Attributes:
        return Attributes(ftype3.NF3DIR if file == b"/" else ftype3.NF3REG)


@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_kinds_that_a_file_system_lacks(kind: str) -> None:
    exported = Exported(Plain())

    exported.refused(ERR.NFS3ERR_NOTSUPP, *making(kind, exported, b"new", sattr()))


def test_links_that_a_file_system_lacks() -> None:
    exported = Exported(Plain())
    arg = LINK3args(exported.handle(b"file"), exported.at(b"a"))

    exported.refused(ERR.NFS3ERR_NOTSUPP, NFS_V3.NFSPROC3_LINK, arg)


class TestRemove:
    def test_file_is_removed(self, exported: Exported) -> None:
        file = made_file(exported, b"f")

        removed = exported.ok(NFS_V3.NFSPROC3_REMOVE, REMOVE3args(exported.at(b"f")))

        assert changed(removed.dir_wcc)
        exported.refused(ERR.NFS3ERR_STALE, NFS_V3.NFSPROC3_GETATTR, GETATTR3args(file))

    @pytest.mark.parametrize(
        ("name", "status"),
        [
            (b"missing", ERR.NFS3ERR_NOENT),
            (b"d", ERR.NFS3ERR_ISDIR),
            (b".", ERR.NFS3ERR_ACCES),
            (b"..", ERR.NFS3ERR_ACCES),
            (b"", ERR.NFS3ERR_ACCES),
            (b"d/f", ERR.NFS3ERR_ACCES),
            (b"a" * 256, ERR.NFS3ERR_NAMETOOLONG),
        ],
    )
    def test_names_that_are_refused(
        self, exported: Exported, name: bytes, status: nfsstat3
    ) -> None:
        made_directory(exported, b"d")

        body = exported.refused(status, NFS_V3.NFSPROC3_REMOVE, REMOVE3args(exported.at(name)))

        assert not changed(body.dir_wcc)


class TestRmdir:
    def test_directory_is_removed(self, exported: Exported) -> None:
        made_directory(exported, b"d")

        removed = exported.ok(NFS_V3.NFSPROC3_RMDIR, RMDIR3args(exported.at(b"d")))

        assert changed(removed.dir_wcc)

    @pytest.mark.parametrize(
        ("name", "status"),
        [
            (b"missing", ERR.NFS3ERR_NOENT),
            (b"f", ERR.NFS3ERR_NOTDIR),
            (b"full", ERR.NFS3ERR_NOTEMPTY),
            (b".", ERR.NFS3ERR_INVAL),
            (b"..", ERR.NFS3ERR_EXIST),
            (b"", ERR.NFS3ERR_ACCES),
            (b"full/d", ERR.NFS3ERR_ACCES),
            (b"a" * 256, ERR.NFS3ERR_NAMETOOLONG),
        ],
    )
    def test_names_that_are_refused(
        self, exported: Exported, name: bytes, status: nfsstat3
    ) -> None:
        made_file(exported, b"f")
        made_directory(exported, b"d", made_directory(exported, b"full"))

        body = exported.refused(status, NFS_V3.NFSPROC3_RMDIR, RMDIR3args(exported.at(name)))

        assert not changed(body.dir_wcc)


class TestRename:
    def test_file_has_the_new_name(self, exported: Exported) -> None:
        file, directory = made_file(exported, b"f"), made_directory(exported, b"d")
        there = exported.at(b"g", directory)

        renamed = exported.ok(NFS_V3.NFSPROC3_RENAME, RENAME3args(exported.at(b"f"), there))

        assert changed(renamed.fromdir_wcc)
        assert changed(renamed.todir_wcc)
        assert exported.ok(NFS_V3.NFSPROC3_LOOKUP, LOOKUP3args(there)).object == file

    def test_existing_target_is_removed(self, exported: Exported) -> None:
        """§3.3.14: if compatible, the existing target is removed before the rename occurs."""
        file, other = made_file(exported, b"f"), made_file(exported, b"g")

        exported.ok(NFS_V3.NFSPROC3_RENAME, RENAME3args(exported.at(b"f"), exported.at(b"g")))

        assert exported.ok(NFS_V3.NFSPROC3_LOOKUP, LOOKUP3args(exported.at(b"g"))).object == file
        exported.refused(ERR.NFS3ERR_STALE, NFS_V3.NFSPROC3_GETATTR, GETATTR3args(other))

    def test_same_file_is_left_alone(self, exported: Exported) -> None:
        """§3.3.14: if from and to both refer to the same file, RENAME should perform no action."""
        file = made_file(exported, b"f")
        exported.ok(NFS_V3.NFSPROC3_LINK, LINK3args(file, exported.at(b"g")))

        for to in (b"f", b"g"):
            renamed = exported.ok(
                NFS_V3.NFSPROC3_RENAME, RENAME3args(exported.at(b"f"), exported.at(to))
            )
            assert not changed(renamed.todir_wcc)

        assert attributes(exported, file).nlink == 2

    @pytest.mark.parametrize(
        ("name", "to_name", "status"),
        [
            (b"missing", b"g", ERR.NFS3ERR_NOENT),
            (b"f", b"d", ERR.NFS3ERR_ISDIR),
            (b"d", b"f", ERR.NFS3ERR_NOTDIR),
            (b"d", b"full", ERR.NFS3ERR_NOTEMPTY),
            (b".", b"g", ERR.NFS3ERR_INVAL),
            (b"..", b"g", ERR.NFS3ERR_INVAL),
            (b"f", b".", ERR.NFS3ERR_INVAL),
            (b"f", b"..", ERR.NFS3ERR_INVAL),
            (b"", b"g", ERR.NFS3ERR_ACCES),
            (b"f", b"d/g", ERR.NFS3ERR_ACCES),
            (b"f", b"a" * 256, ERR.NFS3ERR_NAMETOOLONG),
        ],
    )
    def test_names_that_are_refused(
        self, exported: Exported, name: bytes, to_name: bytes, status: nfsstat3
    ) -> None:
        made_file(exported, b"f")
        made_directory(exported, b"d")
        made_directory(exported, b"e", made_directory(exported, b"full"))
        arg = RENAME3args(exported.at(name), exported.at(to_name))

        body = exported.refused(status, NFS_V3.NFSPROC3_RENAME, arg)

        assert not changed(body.fromdir_wcc)
        assert not changed(body.todir_wcc)

    def test_directory_into_itself(self, exported: Exported) -> None:
        directory = made_directory(exported, b"d")
        arg = RENAME3args(exported.at(b"d"), exported.at(b"e", directory))

        exported.refused(ERR.NFS3ERR_INVAL, NFS_V3.NFSPROC3_RENAME, arg)

    def test_handle_survives(self, exported: Exported) -> None:
        """§3.3.14: attempt to keep file handles from becoming stale in this fashion."""
        directory = made_directory(exported, b"d")
        inner = made_directory(exported, b"e", directory)

        exported.ok(NFS_V3.NFSPROC3_RENAME, RENAME3args(exported.at(b"d"), exported.at(b"x")))

        assert attributes(exported, inner).type is ftype3.NF3DIR


class TestLink:
    def test_file_has_one_more_link(self, exported: Exported) -> None:
        """§3.3.15: a value for nlink that is one greater than the value before the LINK."""
        file = made_file(exported, b"f")

        linked = exported.ok(NFS_V3.NFSPROC3_LINK, LINK3args(file, exported.at(b"g")))

        assert linked.file_attributes.body.nlink == 2
        assert changed(linked.linkdir_wcc)

    @pytest.mark.parametrize(
        ("name", "status"),
        [
            (b"f", ERR.NFS3ERR_EXIST),
            (b".", ERR.NFS3ERR_INVAL),
            (b"..", ERR.NFS3ERR_INVAL),
            (b"", ERR.NFS3ERR_ACCES),
            (b"d/g", ERR.NFS3ERR_ACCES),
            (b"a" * 256, ERR.NFS3ERR_NAMETOOLONG),
        ],
    )
    def test_names_that_are_refused(
        self, exported: Exported, name: bytes, status: nfsstat3
    ) -> None:
        file = made_file(exported, b"f")

        body = exported.refused(status, NFS_V3.NFSPROC3_LINK, LINK3args(file, exported.at(name)))

        assert body.file_attributes.body.nlink == 1
        assert not changed(body.linkdir_wcc)

    def test_directory_cannot_be_linked(self, exported: Exported) -> None:
        directory = made_directory(exported, b"d")

        for where in (exported.root, directory):
            arg = LINK3args(directory, exported.at(b"x", where))
            exported.refused(ERR.NFS3ERR_ISDIR, NFS_V3.NFSPROC3_LINK, arg)

    def test_link_in_a_file_is_notdir(self, exported: Exported) -> None:
        file = made_file(exported, b"f")

        exported.refused(
            ERR.NFS3ERR_NOTDIR, NFS_V3.NFSPROC3_LINK, LINK3args(file, exported.at(b"x", file))
        )
