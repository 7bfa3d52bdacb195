"""``oncrpc.nfs.server.call_objects``: the objects of a call, and their attributes."""

from __future__ import annotations

import errno

import pytest

from oncrpc import sync
from oncrpc.nfs.filesystem import MAY_EXECUTE, MAY_READ, MAY_WRITE, Identity, NewAttributes
from oncrpc.nfs.server.call_objects import CallObject, locked_for_change
from oncrpc.nfs.server.shares import Opened
from oncrpc.nfs.status import NfsError
from oncrpc.programs.nfs3 import ftype3, nfsstat3
from support.exported import OPTIONS, ROOT, USER, Exported, failing, memory

ERR = nfsstat3


def unread(exported: Exported) -> CallObject:
    """The root, as it is before its attributes were read."""
    opened = Opened(exported.share, exported.files.root, ROOT, OPTIONS)
    return CallObject(exported.shares, opened)


def test_change_is_seen_in_wcc_data() -> None:
    exported = Exported()
    root = exported.object()
    exported.files.setattr(ROOT, root.file, NewAttributes(mode=0o700))

    wcc = sync.run(root.wcc())

    assert wcc.before.body is not None
    assert wcc.after.body is not None
    assert wcc.before.body.ctime != wcc.after.body.ctime
    assert wcc.after.body.mode == 0o700


def test_change_that_never_began_made_no_difference() -> None:
    wcc = sync.run(unread(Exported()).wcc())

    assert wcc.before.body is not None
    assert wcc.after.body is not None
    assert wcc.before.body.ctime == wcc.after.body.ctime


def test_attributes_after_are_read_once() -> None:
    exported = Exported()
    root = exported.object()
    first = sync.run(root.wcc())
    exported.files.setattr(ROOT, root.file, NewAttributes(mode=0o700))

    assert sync.run(root.wcc()) == first


def test_gone_object_has_no_attributes() -> None:
    exported = Exported(failing(memory(), errors := dict[str, Exception]()))
    root = exported.object()
    errors["getattr"] = OSError(errno.ESTALE, "")

    assert not sync.run(root.post_op_now()).attributes_follow
    assert sync.run(root.wcc()).before.attributes_follow
    assert not sync.run(root.wcc()).after.attributes_follow


def test_failed_change_ends_while_locked() -> None:
    exported = Exported()
    root = unread(exported)

    async def change() -> None:
        async with locked_for_change(root):
            exported.files.setattr(ROOT, root.file, NewAttributes(mode=0o700))
            raise OSError(errno.EIO, "")

    with pytest.raises(OSError, match="5"):
        sync.run(change())

    assert root.ended
    assert root.attributes.mode == 0o700
    assert len(exported.share.locks) == 0


def test_object_that_is_gone_releases_its_lock() -> None:
    exported = Exported(failing(memory(), {"getattr": OSError(errno.ESTALE, "")}))

    async def change() -> None:
        async with locked_for_change(unread(exported)):
            raise AssertionError

    with pytest.raises(OSError, match="116"):
        sync.run(change())

    assert len(exported.share.locks) == 0


def test_only_the_root_is_the_root() -> None:
    exported = Exported()
    root = exported.object()

    assert root.is_root
    assert not root.beside(b"other").is_root


@pytest.mark.parametrize(
    ("name", "status"),
    [
        (b".", ERR.NFS3ERR_INVAL),
        (b"..", ERR.NFS3ERR_BADTYPE),
        (b"", ERR.NFS3ERR_ACCES),
        (b"a" * 256, ERR.NFS3ERR_NAMETOOLONG),
    ],
)
def test_names_are_refused_as_the_procedure_says(name: bytes, status: nfsstat3) -> None:
    root = Exported().object()

    with pytest.raises(NfsError) as caught:
        root.name(name, here=ERR.NFS3ERR_INVAL, above=ERR.NFS3ERR_BADTYPE)
    assert caught.value.status is status


def test_longest_name_is_accepted() -> None:
    assert Exported().object().name(b"a" * 255) == b"a" * 255


@pytest.mark.parametrize(
    ("who", "expected"),
    [(ROOT, MAY_READ | MAY_WRITE | MAY_EXECUTE), (USER, MAY_READ | MAY_EXECUTE)],
)
def test_access_is_the_judgement_of_the_back_end(who: Identity, expected: int) -> None:
    assert sync.run(Exported().object(who=who).access()) == expected


@pytest.mark.parametrize(
    ("kind", "status"),
    [(ftype3.NF3DIR, ERR.NFS3ERR_ISDIR), (ftype3.NF3FIFO, ERR.NFS3ERR_INVAL)],
)
def test_only_files_have_a_size(kind: ftype3, status: nfsstat3) -> None:
    root = Exported().object()
    root.latest = root.attributes._replace(kind=kind)

    with pytest.raises(NfsError) as caught:
        root.must_have_size(0)
    assert caught.value.status is status


def test_other_objects_have_the_same_caller() -> None:
    root = Exported().object(who=USER)

    beside = root.beside(b"other")

    assert (beside.file, beside.who, beside.share) == (b"other", USER, root.share)
    assert root.handle(b"other") == beside.handle(b"other")
