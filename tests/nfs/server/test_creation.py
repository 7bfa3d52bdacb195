"""``oncrpc.nfs.server.creation``: CREATE, in the words of RFC 1813 §3.3.8."""

from __future__ import annotations

import errno
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oncrpc.nfs.backends.memory import MemoryFileSystem
from oncrpc.nfs.filesystem import Features
from oncrpc.programs.nfs3 import (
    NFS_V3,
    CREATE3args,
    GETATTR3args,
    SETATTR3args,
    createhow3,
    createmode3,
    ftype3,
    nfsstat3,
    sattr3,
)
from support.exported import (
    NO_GUARD,
    USER_CRED,
    Exported,
    failing,
    made_directory,
    made_file,
    made_link,
    memory,
    sattr,
    wrapped,
)

CREATE = NFS_V3.NFSPROC3_CREATE
ERR = nfsstat3
VERIFIER, OTHER = b"\xff" * 8, b"\x7f" + b"\xff" * 7


def unchecked(exported: Exported, name: bytes, new: sattr3) -> CREATE3args:
    return CREATE3args(exported.at(name), createhow3(createmode3.UNCHECKED, new))


def guarded(exported: Exported, name: bytes, new: sattr3) -> CREATE3args:
    return CREATE3args(exported.at(name), createhow3(createmode3.GUARDED, new))


def exclusive(exported: Exported, name: bytes, verifier: bytes) -> CREATE3args:
    return CREATE3args(exported.at(name), createhow3(createmode3.EXCLUSIVE, verifier))


def attributes(exported: Exported, name: bytes) -> Any:
    found = exported.ok(CREATE, unchecked(exported, name, sattr()))
    arg = GETATTR3args(found.obj.body)
    return exported.ok(NFS_V3.NFSPROC3_GETATTR, arg).obj_attributes


@pytest.mark.parametrize("how", [unchecked, guarded])
class TestNewFile:
    def test_attributes_are_the_initial_ones(self, exported: Exported, how: Any) -> None:
        made = exported.ok(CREATE, how(exported, b"f", sattr(mode=0o640, uid=5, gid=6, size=9)))

        found = made.obj_attributes.body
        assert (found.type, found.mode, found.size) == (ftype3.NF3REG, 0o640, 9)
        assert (found.uid, found.gid) == (5, 6)
        assert made.dir_wcc.before.body.ctime != made.dir_wcc.after.body.ctime

    def test_size_beyond_63_bits(self, exported: Exported, how: Any) -> None:
        exported.refused(ERR.NFS3ERR_FBIG, CREATE, how(exported, b"f", sattr(size=1 << 63)))

    def test_no_permission(self, exported: Exported, how: Any) -> None:
        exported.cred = USER_CRED

        body = exported.refused(ERR.NFS3ERR_ACCES, CREATE, how(exported, b"f", sattr()))

        assert body.dir_wcc.before.attributes_follow


@pytest.mark.parametrize(
    ("name", "status"),
    [
        (b"", ERR.NFS3ERR_ACCES),
        (b"../../x", ERR.NFS3ERR_ACCES),
        (b".", ERR.NFS3ERR_EXIST),
        (b"..", ERR.NFS3ERR_EXIST),
        (b"a" * 256, ERR.NFS3ERR_NAMETOOLONG),
    ],
)
@pytest.mark.parametrize("how", createmode3)
def test_names_that_are_refused(
    exported: Exported, how: createmode3, name: bytes, status: nfsstat3
) -> None:
    body = VERIFIER if how is createmode3.EXCLUSIVE else sattr()
    arg = CREATE3args(exported.at(name), createhow3(how, body))

    refused = exported.refused(status, CREATE, arg)

    assert refused.dir_wcc.before.body.ctime == refused.dir_wcc.after.body.ctime


class TestUnchecked:
    def test_existing_file_is_accepted(self, exported: Exported) -> None:
        """§3.3.8: created without checking for the existence of a duplicate file."""
        file = made_file(exported, b"f", b"data")

        found = exported.ok(CREATE, unchecked(exported, b"f", sattr(mode=0o777, uid=5)))

        assert found.obj.body == file
        assert (found.obj_attributes.body.mode, found.obj_attributes.body.size) == (0o644, 4)

    @pytest.mark.parametrize("size", [0, 2, 7])
    def test_existing_file_gets_the_size(self, exported: Exported, size: int) -> None:
        made_file(exported, b"f", b"data")

        found = exported.ok(CREATE, unchecked(exported, b"f", sattr(mode=0o777, size=size)))

        assert (found.obj_attributes.body.mode, found.obj_attributes.body.size) == (0o644, size)

    def test_existing_directory_is_returned(self, exported: Exported) -> None:
        directory = made_directory(exported, b"d")

        found = exported.ok(CREATE, unchecked(exported, b"d", sattr(size=0)))

        assert found.obj.body == directory

    def test_existing_link_is_returned(self, exported: Exported) -> None:
        link = made_link(exported, b"l", b"f")

        assert exported.ok(CREATE, unchecked(exported, b"l", sattr(size=0))).obj.body == link

    def test_truncation_needs_permission(self, exported: Exported) -> None:
        made_file(exported, b"f", b"data")
        exported.cred = USER_CRED

        exported.ok(CREATE, unchecked(exported, b"f", sattr()))
        exported.refused(ERR.NFS3ERR_ACCES, CREATE, unchecked(exported, b"f", sattr(size=0)))


class TestGuarded:
    def test_duplicate_is_refused(self, exported: Exported) -> None:
        """§3.3.8: should fail the request with NFS3ERR_EXIST if a duplicate file exists."""
        made_file(exported, b"f", b"data")

        body = exported.refused(ERR.NFS3ERR_EXIST, CREATE, guarded(exported, b"f", sattr(size=0)))

        assert body.dir_wcc.before.body.ctime == body.dir_wcc.after.body.ctime
        assert attributes(exported, b"f").size == 4


class TestExclusive:
    def test_same_verifier_is_a_success(self, exported: Exported) -> None:
        """§3.3.8: if they match, the server treats the request as a success."""
        made = exported.ok(CREATE, exclusive(exported, b"f", VERIFIER))

        again = exported.ok(CREATE, exclusive(exported, b"f", VERIFIER))

        assert again.obj == made.obj
        assert again.dir_wcc.before.body.ctime == again.dir_wcc.after.body.ctime

    def test_same_verifier_after_a_restart(self) -> None:
        files = memory()
        made = Exported(files)
        first = made.ok(CREATE, exclusive(made, b"f", VERIFIER))

        restarted = Exported(files)

        again = restarted.ok(CREATE, exclusive(restarted, b"f", VERIFIER))
        assert again.obj == first.obj

    def test_other_verifier_is_exist(self, exported: Exported) -> None:
        """§3.3.8: if the verifiers do not match, the request is rejected, NFS3ERR_EXIST."""
        exported.ok(CREATE, exclusive(exported, b"f", VERIFIER))

        body = exported.refused(ERR.NFS3ERR_EXIST, CREATE, exclusive(exported, b"f", OTHER))

        assert body.dir_wcc.before.body.ctime == body.dir_wcc.after.body.ctime

    @given(st.binary(min_size=8, max_size=8))
    def test_any_verifier_is_stored(self, verifier: bytes) -> None:
        exported = Exported()
        exported.ok(CREATE, exclusive(exported, b"f", verifier))

        exported.ok(CREATE, exclusive(exported, b"f", verifier))
        other = bytes([verifier[0] ^ 0x80]) + verifier[1:]
        exported.refused(ERR.NFS3ERR_EXIST, CREATE, exclusive(exported, b"f", other))

    def test_owner_completes_the_file(self, exported: Exported) -> None:
        """§3.3.8: it must issue a SETATTR to set the correct file attributes."""
        exported.ok(
            NFS_V3.NFSPROC3_SETATTR, SETATTR3args(exported.root, sattr(mode=0o777), NO_GUARD)
        )
        exported.cred = USER_CRED
        made = exported.ok(CREATE, exclusive(exported, b"f", VERIFIER))

        arg = SETATTR3args(made.obj.body, sattr(mode=0o644, size=0), NO_GUARD)
        exported.ok(NFS_V3.NFSPROC3_SETATTR, arg)

        assert made.obj_attributes.body.mode == 0
        found = attributes(exported, b"f")
        assert (found.mode, found.uid) == (0o644, 1000)

    @pytest.mark.parametrize("make", [made_directory, made_file])
    def test_other_objects_are_exist(self, exported: Exported, make: Any) -> None:
        make(exported, b"f")

        exported.refused(ERR.NFS3ERR_EXIST, CREATE, exclusive(exported, b"f", VERIFIER))

    def test_times_that_cannot_be_set(self) -> None:
        """§3.3.8: if the server can not support these semantics, it should fail with NOTSUPP."""
        exported = Exported(MemoryFileSystem(features=Features(settable_times=False)))

        exported.refused(ERR.NFS3ERR_NOTSUPP, CREATE, exclusive(exported, b"f", VERIFIER))


def test_file_that_another_process_creates_meanwhile() -> None:
    """The name is missing, then it exists, then it is found."""
    exists = [FileNotFoundError(errno.ENOENT, "")]

    def around(name: str, operation: Any) -> Any:
        if name == "lookup" and exists:
            raise exists.pop()
        return operation()

    files = memory()
    exported = Exported(wrapped(files, around))
    file = made_file(Exported(files), b"f", b"data")

    assert exported.ok(CREATE, unchecked(exported, b"f", sattr())).obj.body == file


def test_file_that_comes_and_goes() -> None:
    errors: dict[str, Exception] = {
        "lookup": FileNotFoundError(errno.ENOENT, ""),
        "create": FileExistsError(errno.EEXIST, ""),
    }
    exported = Exported(failing(memory(), errors))

    exported.refused(ERR.NFS3ERR_JUKEBOX, CREATE, unchecked(exported, b"f", sattr()))


@pytest.mark.parametrize("name", ["lookup", "create"])
def test_other_errors_are_passed_on(name: str) -> None:
    exported = Exported(failing(memory(), {name: OSError(errno.ENOSPC, "")}))

    exported.refused(ERR.NFS3ERR_NOSPC, CREATE, unchecked(exported, b"f", sattr()))
