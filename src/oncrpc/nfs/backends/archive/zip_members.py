"""The members of a zip archive."""

from __future__ import annotations

import errno
import stat
import struct
import time
from collections.abc import Iterator
from typing import BinaryIO, cast
from zipfile import ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from oncrpc.nfs.backends.archive.members import (
    ArchiveError,
    ArchiveMember,
    MemberContent,
    StoredContent,
)
from oncrpc.nfs.backends.archive.spool import DAMAGE, CompressedContent, Opener, Spools, Unpacked
from oncrpc.nfs.backends.archive.zip_unpacking import BOUNDED, BoundedMember
from oncrpc.nfs.posix import refusal
from oncrpc.programs.nfs3 import ftype3

UNIX = 3
"""The ``create_system`` of Unix: the upper half of the external attributes is the mode."""

ENCRYPTED, UTF8 = 1, 0x800
LOCAL_HEADER, LOCAL_MAGIC = struct.Struct("<4s22xHH"), b"PK\3\4"
TIMES, MODIFIED = 0x5455, 1
"""The extra field with times in UTC, and its flag for the time of modification."""

MAX_TARGET = 4095
"""Bytes of a symbolic link in a zip archive, as in Linux; a longer one is left out."""

SECOND = 1_000_000_000
DIRECTORY_MODE, FILE_MODE = 0o755, 0o644
"""The permissions of members from systems without permissions."""


class EncryptedContent:
    """The data of an encrypted member, which cannot be read."""

    used = 0

    def read(self, offset: int, count: int) -> bytes:
        raise refusal(errno.EACCES)


def zip_members(file: BinaryIO, spools: Spools) -> Iterator[ArchiveMember]:
    """The members of an open archive, which stays open.

    Raises:
        ArchiveError: it is damaged, or not a zip archive.
    """
    try:
        archive = ZipFile(file)
        for info in archive.infolist():
            member = _member(archive, file, info, spools)
            if member is not None:
                yield member
    except (*DAMAGE, BadZipFile, struct.error) as damage:
        raise ArchiveError(f"the zip archive is damaged: {damage}") from damage


def _member(
    archive: ZipFile, file: BinaryIO, info: ZipInfo, spools: Spools
) -> ArchiveMember | None:
    """The member; None if it is a special file, or a link that cannot be read."""
    name = _name(info)
    mode = info.external_attr >> 16 if info.create_system == UNIX else 0
    bits, mtime = stat.S_IMODE(mode), _modified(info)
    if info.is_dir():
        return ArchiveMember(name, ftype3.NF3DIR, bits or DIRECTORY_MODE, mtime=mtime)
    if stat.S_ISLNK(mode):
        if info.file_size > MAX_TARGET or info.flag_bits & ENCRYPTED:
            return None
        target = _target(_opener(archive, file, info)(), info.file_size)
        return ArchiveMember(
            name, ftype3.NF3LNK, 0o777, size=len(target), mtime=mtime, target=target
        )
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        return None
    content = _content(archive, file, info, spools)
    return ArchiveMember(
        name, ftype3.NF3REG, bits or FILE_MODE, info.file_size, mtime, content=content
    )


def _name(info: ZipInfo) -> bytes:
    """The bytes of a name: the original ones from Unix, UTF-8 from other systems."""
    if info.create_system == UNIX and not info.flag_bits & UTF8:
        return info.orig_filename.encode("cp437")  # undo the decoding of zipfile
    return info.filename.encode("utf-8", "surrogateescape")


def _content(archive: ZipFile, file: BinaryIO, info: ZipInfo, spools: Spools) -> MemberContent:
    if info.flag_bits & ENCRYPTED:
        return EncryptedContent()
    if info.compress_type == ZIP_STORED:
        return StoredContent(file.fileno(), _begin(file, info), info.file_size)

    return CompressedContent(
        spools, _opener(archive, file, info), info.file_size, used=info.compress_size
    )


def _opener(archive: ZipFile, file: BinaryIO, info: ZipInfo) -> Opener:
    """What opens the unpacked data of a member."""
    if info.compress_type in BOUNDED:
        begin = _begin(file, info)
        return lambda: BoundedMember(file.fileno(), begin, info)
    return lambda: cast(Unpacked, archive.open(info))


def _target(source: Unpacked, size: int) -> bytes:
    """The text of a symbolic link, of which no more is unpacked than it is long."""
    found = b""
    while len(found) < size and (data := source.read(size - len(found))):
        found += data
    source.read(1)  # the end: here a checksum is compared
    source.close()
    return found


def _begin(file: BinaryIO, info: ZipInfo) -> int:
    """The offset of the data of a member."""
    file.seek(info.header_offset)
    magic, name, extra = LOCAL_HEADER.unpack(file.read(LOCAL_HEADER.size))
    if magic != LOCAL_MAGIC:
        raise BadZipFile("a member has no header")
    return info.header_offset + LOCAL_HEADER.size + int(name) + int(extra)


def _modified(info: ZipInfo) -> int:
    """The time of modification: from the field in UTC if present, else from the local time."""
    extra = info.extra
    while len(extra) >= 4:
        kind, size = struct.unpack_from("<HH", extra)
        if kind == TIMES and size >= 5 and len(extra) >= 9 and extra[4] & MODIFIED:
            return int.from_bytes(extra[5:9], "little", signed=True) * SECOND
        extra = extra[4 + size :]
    try:
        return int(time.mktime((*info.date_time, 0, 0, -1))) * SECOND
    except (ValueError, OverflowError):
        return 0
