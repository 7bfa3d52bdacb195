"""``oncrpc.nfs.server.creation2``: CREATE of files, of devices, and of what exists already."""

from __future__ import annotations

from typing import Any

import pytest

from oncrpc.nfs.filesystem import Attributes, NewAttributes
from oncrpc.nfs.server.attributes2 import UNSET
from oncrpc.programs.nfs2 import NFS_VERSION, createargs, diropok, readargs, sattr, stat
from oncrpc.programs.nfs3 import ftype3, stable_how
from support.exported import ROOT, USER_CRED
from support.exported2 import Exported2, sattr2, still

CREATE, CHR, BLK, FIFO, SOCK = NFS_VERSION.NFSPROC_CREATE, 0o20000, 0o60000, 0o10000, 0o140000


@pytest.fixture
def exported() -> Exported2:
    return Exported2()


def asked(exported: Exported2, name: bytes, new: sattr) -> createargs:
    return createargs(exported.named(name), new)


def created(exported: Exported2, name: bytes, new: sattr) -> diropok:
    found: diropok = exported.ok2(CREATE, asked(exported, name, new))
    return found


def attributes(exported: Exported2, name: bytes) -> Attributes:
    files: Any = exported.files
    found: Attributes = files.getattr(ROOT, files.lookup(ROOT, files.root, name))
    return found


def existing(exported: Exported2, kind: ftype3, device: tuple[int, int] = (0, 0)) -> None:
    """A file ``f`` of that type, with five bytes if it may have data."""
    files: Any = exported.files
    new = NewAttributes(mode=0o604)
    match kind:
        case ftype3.NF3REG:
            files.write(
                ROOT, files.create(ROOT, files.root, b"f", new), 0, b"hello",
                stable=stable_how.FILE_SYNC,
            )  # fmt: skip
        case ftype3.NF3DIR:
            files.mkdir(ROOT, files.root, b"f", new)
        case ftype3.NF3LNK:
            files.symlink(ROOT, files.root, b"f", b"to", new)
        case _:
            files.mknod(ROOT, files.root, b"f", kind, device=device, new=new)


def test_initial_attributes_are_those_given(exported: Exported2) -> None:
    """§2.2.10: The initial attributes of the new file are given by "attributes"."""
    created(exported, b"f", sattr2(mode=0o100640, uid=5, gid=6, size=7))

    found = attributes(exported, b"f")
    assert (found.kind, found.mode, found.size) == (ftype3.NF3REG, 0o640, 7)
    assert (found.uid, found.gid) == (5, 6)


def test_user_owns_what_it_creates() -> None:
    exported = Exported2(still())
    exported.files.setattr(ROOT, exported.files.root, NewAttributes(mode=0o777))
    exported.cred = USER_CRED

    found = created(exported, b"f", sattr2(mode=0o644, uid=0, gid=0))

    assert (found.attributes.uid, found.attributes.gid) == (1000, 100)


@pytest.mark.parametrize(("size", "left"), [(0, 0), (2, 2), (UNSET, 5)])
def test_create_of_a_file_sets_its_size_only(exported: Exported2, size: int, left: int) -> None:
    existing(exported, ftype3.NF3REG)

    found = created(exported, b"f", sattr2(mode=0o100777, uid=9, size=size))

    assert found.attributes.size == left
    assert attributes(exported, b"f").mode == 0o604
    assert attributes(exported, b"f").uid == 0


@pytest.mark.parametrize(
    ("mode", "size", "kind", "device"),
    [
        (CHR | 0o600, 0x0103, ftype3.NF3CHR, (1, 3)),
        (BLK | 0o600, 0x0801, ftype3.NF3BLK, (8, 1)),
        (CHR | 0o600, UNSET, ftype3.NF3FIFO, (0, 0)),
        (FIFO | 0o600, 0, ftype3.NF3FIFO, (0, 0)),
        (SOCK | 0o600, UNSET, ftype3.NF3SOCK, (0, 0)),
    ],
)
def test_mode_makes_devices_pipes_and_sockets(
    exported: Exported2, mode: int, size: int, kind: ftype3, device: tuple[int, int]
) -> None:
    created(exported, b"f", sattr2(mode=mode, size=size))

    found = attributes(exported, b"f")
    assert (found.kind, found.device, found.mode, found.size) == (kind, device, 0o600, 0)


@pytest.mark.parametrize(
    ("kind", "device", "mode", "size"),
    [
        (ftype3.NF3CHR, (1, 3), CHR, 0x0103),
        (ftype3.NF3CHR, (1, 3), 0o644, 0),
        (ftype3.NF3FIFO, (0, 0), FIFO, UNSET),
        (ftype3.NF3FIFO, (0, 0), CHR, UNSET),
        (ftype3.NF3SOCK, (0, 0), UNSET, 0),
        (ftype3.NF3LNK, (0, 0), 0o644, 0),
    ],
)
def test_special_file_that_exists_is_accepted(
    exported: Exported2, kind: ftype3, device: tuple[int, int], mode: int, size: int
) -> None:
    """Some clients send CREATE to open a device, with a size that means nothing to it."""
    existing(exported, kind, device)
    before = attributes(exported, b"f")

    created(exported, b"f", sattr2(mode=mode, size=size))

    assert attributes(exported, b"f") == before


@pytest.mark.parametrize(
    ("kind", "mode", "size", "status"),
    [
        (ftype3.NF3DIR, 0o644, 0, stat.NFSERR_ISDIR),
        (ftype3.NF3DIR, 0o100644, UNSET, stat.NFSERR_ISDIR),
        (ftype3.NF3LNK, 0o100644, 0, stat.NFSERR_EXIST),
        (ftype3.NF3REG, CHR, 0x0103, stat.NFSERR_EXIST),
        (ftype3.NF3CHR, CHR, 0x0104, stat.NFSERR_EXIST),
        (ftype3.NF3CHR, BLK, 0x0103, stat.NFSERR_EXIST),
        (ftype3.NF3FIFO, 0o100644, 0, stat.NFSERR_EXIST),
    ],
)
def test_file_of_another_type_is_refused(
    exported: Exported2, kind: ftype3, mode: int, size: int, status: stat
) -> None:
    existing(exported, kind, (1, 3) if kind is ftype3.NF3CHR else (0, 0))

    assert exported.status2(CREATE, asked(exported, b"f", sattr2(mode=mode, size=size))) is status


def test_size_beyond_the_file_systems_limit_is_refused() -> None:
    files = still()
    files.features = files.features._replace(max_file_size=100)
    exported = Exported2(files)

    status = exported.status2(CREATE, asked(exported, b"f", sattr2(mode=0o644, size=101)))

    assert status is stat.NFSERR_FBIG
    assert exported.listed() == [b".", b".."]


def test_devices_need_a_file_system_with_devices() -> None:
    files = still()
    files.features = files.features._replace(special_files=False)
    exported = Exported2(files)

    assert exported.status2(CREATE, asked(exported, b"f", sattr2(mode=FIFO))) is stat.NFSERR_IO


def test_no_data_is_lost_without_a_size(exported: Exported2) -> None:
    existing(exported, ftype3.NF3REG)

    found = created(exported, b"f", sattr2(mode=0o644))

    result = exported.ok2(NFS_VERSION.NFSPROC_READ, readargs(found.file, 0, 99, 0))
    assert result.data == b"hello"
