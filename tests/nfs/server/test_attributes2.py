"""``oncrpc.nfs.server.attributes2``: ``fattr`` and ``sattr`` (RFC 1094 §2.3.5, §2.3.6)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oncrpc.nfs.filesystem import NOW, Attributes, Identity, NewAttributes, Now
from oncrpc.nfs.server.attributes import MAX32
from oncrpc.nfs.server.attributes2 import (
    SERVER_TIME,
    UNSET,
    UNSET_MODE,
    Created,
    created,
    fattr_of,
    fold,
    initial_attributes2,
    join_device,
    new_attributes2,
    split_device,
)
from oncrpc.nfs.status import NfsError
from oncrpc.programs.nfs2 import fattr, ftype, timeval
from oncrpc.programs.nfs3 import ftype3, nfsstat3
from oncrpc.xdr import codec
from support.exported import ROOT, SECOND, USER
from support.exported2 import sattr2

DAY = 86_400 * SECOND


@pytest.mark.parametrize(
    ("kind", "type_", "mode", "rdev"),
    [
        (ftype3.NF3REG, ftype.NFREG, 0o100644, 0),
        (ftype3.NF3DIR, ftype.NFDIR, 0o40644, 0),
        (ftype3.NF3BLK, ftype.NFBLK, 0o60644, 0x0801),
        (ftype3.NF3CHR, ftype.NFCHR, 0o20644, 0x0801),
        (ftype3.NF3LNK, ftype.NFLNK, 0o120644, 0),
        (ftype3.NF3SOCK, ftype.NFNON, 0o140644, 0),
        (ftype3.NF3FIFO, ftype.NFCHR, 0o10644, MAX32),
    ],
)
def test_type_is_in_type_and_in_mode(kind: ftype3, type_: ftype, mode: int, rdev: int) -> None:
    """§2.3.5: The file type is specified both in the mode bits and in the file type."""
    shown = fattr_of(Attributes(kind, mode=0o644, device=(8, 1)), 1)

    assert (shown.type, shown.mode, shown.rdev) == (type_, mode, rdev)


@given(
    st.builds(
        Attributes,
        kind=st.sampled_from(ftype3),
        mode=st.integers(0, MAX32),
        nlink=st.integers(0, 1 << 64),
        uid=st.integers(0, 1 << 40),
        gid=st.integers(0, 1 << 40),
        size=st.integers(0, 1 << 64),
        used=st.integers(0, 1 << 64),
        device=st.tuples(st.integers(0, MAX32), st.integers(0, MAX32)),
        fileid=st.integers(0, (1 << 64) - 1),
        atime=st.integers(-DAY, 1 << 80),
        mtime=st.integers(-DAY, 1 << 80),
        ctime=st.integers(-DAY, 1 << 80),
        fsid=st.integers(0, (1 << 64) - 1),
    ),
    st.integers(0, (1 << 64) - 1),
)
def test_any_attributes_can_be_encoded(attributes: Attributes, fsid: int) -> None:
    shown = fattr_of(attributes, fsid)

    assert codec(fattr).decode(codec(fattr).encode(shown)) == shown


def test_large_numbers_are_the_largest_that_fit() -> None:
    shown = fattr_of(Attributes(ftype3.NF3REG, size=5 << 30, used=1 << 50, nlink=1 << 40), 1)

    assert (shown.size, shown.blocks, shown.nlink) == (MAX32, MAX32, MAX32)


@pytest.mark.parametrize(("used", "blocks"), [(0, 0), (1, 1), (512, 1), (513, 2)])
def test_blocks_have_512_bytes(used: int, blocks: int) -> None:
    assert fattr_of(Attributes(ftype3.NF3REG, used=used), 1).blocks == blocks


@pytest.mark.parametrize(
    ("number", "folded"),
    [(0, 1), (5, 5), (MAX32, MAX32), (1 << 32 | 5, 4), (7 << 32, 7), (0xFF_FFFF_FFFF, 0xFFFFFF00)],
)
def test_both_halves_of_a_number_are_combined(number: int, folded: int) -> None:
    assert fold(number) == folded


def test_fsid_below_a_mount_point_is_its_own() -> None:
    assert fattr_of(Attributes(ftype3.NF3REG, fsid=9), 1).fsid == 9
    assert fattr_of(Attributes(ftype3.NF3REG), 1 << 32).fsid == 1


@pytest.mark.parametrize(
    ("time", "shown"),
    [
        (-1, timeval(0, 0)),
        (1_999_999, timeval(0, 1999)),
        (3 * SECOND, timeval(3, 0)),
        (MAX32 * SECOND, timeval(MAX32, 0)),
        ((MAX32 + 1) * SECOND, timeval(MAX32, 999_999)),
    ],
)
def test_times_are_seconds_and_microseconds(time: int, shown: timeval) -> None:
    attributes = Attributes(ftype3.NF3REG, atime=time)

    assert fattr_of(attributes, 1).atime == shown


def test_minus_one_changes_nothing() -> None:
    """§2.3.6: A value of -1 indicates a field that should be ignored."""
    assert new_attributes2(sattr2()) == NewAttributes()


def test_mode_of_16_ones_changes_nothing() -> None:
    assert new_attributes2(sattr2(mode=UNSET_MODE)) == NewAttributes()


def test_everything_else_is_set() -> None:
    new = sattr2(
        mode=0o106755, uid=0, gid=5, size=0, atime=timeval(1, 2), mtime=timeval(3, 999_999)
    )

    assert new_attributes2(new) == NewAttributes(
        0o6755, 0, 5, 0, SECOND + 2000, 3 * SECOND + 999_999_000
    )


@pytest.mark.parametrize(
    ("atime", "mtime", "set_to"),
    [
        (timeval(1, 0), timeval(2, SERVER_TIME), (NOW, NOW)),
        (timeval(1, SERVER_TIME), timeval(2, 0), (NOW, 2 * SECOND)),
        (timeval(UNSET, UNSET), timeval(UNSET, SERVER_TIME), (NOW, NOW)),
        (timeval(UNSET, 5), timeval(UNSET, UNSET), (None, None)),
        (timeval(1, UNSET), timeval(2, SERVER_TIME + 1), (SECOND, 2 * SECOND)),
    ],
)
def test_a_million_microseconds_are_the_servers_time(
    atime: timeval, mtime: timeval, set_to: tuple[int | Now | None, int | Now | None]
) -> None:
    new = new_attributes2(sattr2(atime=atime, mtime=mtime))

    assert (new.atime, new.mtime) == set_to


@pytest.mark.parametrize(("who", "owner"), [(ROOT, (5, 6)), (USER, (None, None))])
def test_only_root_chooses_the_owner(who: Identity, owner: tuple[int | None, int | None]) -> None:
    new = initial_attributes2(sattr2(uid=5, gid=6), who)

    assert (new.uid, new.gid) == owner


PERMISSIONS = NewAttributes(mode=0o644)


@pytest.mark.parametrize(
    ("mode", "size", "expected"),
    [
        (UNSET, 3, Created(None, new=NewAttributes(size=3))),
        (0o644, UNSET, Created(None, new=PERMISSIONS)),
        (0o100644, 3, Created(ftype3.NF3REG, new=PERMISSIONS._replace(size=3))),
        (0o20644, 0x0801, Created(ftype3.NF3CHR, (8, 1), PERMISSIONS)),
        (0o60644, 0x12300456 & MAX32, Created(ftype3.NF3BLK, (4, 0x12356), PERMISSIONS)),
        (0o20644, UNSET, Created(ftype3.NF3FIFO, new=PERMISSIONS)),
        (0o10644, 0, Created(ftype3.NF3FIFO, new=PERMISSIONS)),
        (0o140644, 0, Created(ftype3.NF3SOCK, new=PERMISSIONS)),
    ],
)
def test_create_takes_type_and_device_from_sattr(mode: int, size: int, expected: Created) -> None:
    assert created(sattr2(mode=mode, size=size), ROOT) == expected


@pytest.mark.parametrize("mode", [0o40755, 0o120777, 0o60644, 0o170644, 0o30644])
def test_create_of_another_type_is_refused(mode: int) -> None:
    with pytest.raises(NfsError) as caught:
        created(sattr2(mode=mode), ROOT)

    assert caught.value.status is nfsstat3.NFS3ERR_INVAL


@given(st.integers(0, 0xFFF), st.integers(0, 0xFFFFF))
def test_devices_survive_the_way_there_and_back(major: int, minor: int) -> None:
    assert split_device(join_device(major, minor)) == (major, minor)


@given(st.integers(0, 0xFF), st.integers(0, 0xFF))
def test_small_devices_are_those_of_16_bits(major: int, minor: int) -> None:
    assert join_device(major, minor) == major << 8 | minor
