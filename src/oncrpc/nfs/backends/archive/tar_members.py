"""The members of a tar archive, and unpacking a compressed one."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from stat import S_IMODE
from tarfile import TarInfo
from typing import Any, BinaryIO, cast

from oncrpc.nfs.archive_kinds import BZIP2, GZIP, XZ
from oncrpc.nfs.backends.archive.members import (
    ArchiveError,
    ArchiveMember,
    MemberContent,
    SparseContent,
    StoredContent,
)
from oncrpc.nfs.backends.archive.spool import DAMAGE, PIECE
from oncrpc.programs.nfs3 import ftype3

KINDS = {
    tarfile.REGTYPE: ftype3.NF3REG,
    tarfile.AREGTYPE: ftype3.NF3REG,
    tarfile.CONTTYPE: ftype3.NF3REG,
    tarfile.GNUTYPE_SPARSE: ftype3.NF3REG,
    tarfile.LNKTYPE: ftype3.NF3REG,
    tarfile.SYMTYPE: ftype3.NF3LNK,
    tarfile.DIRTYPE: ftype3.NF3DIR,
    tarfile.FIFOTYPE: ftype3.NF3FIFO,
    tarfile.CHRTYPE: ftype3.NF3CHR,
    tarfile.BLKTYPE: ftype3.NF3BLK,
}
COMPRESSIONS: dict[bytes, Callable[[BinaryIO], BinaryIO]] = {
    GZIP: lambda file: cast(BinaryIO, gzip.GzipFile(fileobj=file)),
    BZIP2: lambda file: cast(BinaryIO, bz2.BZ2File(file)),
    XZ: lambda file: cast(BinaryIO, lzma.LZMAFile(file)),  # noqa: SIM115
}
"""By the first bytes of a compressed file: how to open it for its unpacked data."""

MAX_HEADERS = 4 << 20
"""Bytes of the headers of one member of a tar archive: long names, pax, the map of a sparse file.
Other archives are damaged."""

MALFORMED = (ValueError, OverflowError, IndexError, KeyError, RecursionError)
"""What ``tarfile`` raises for some headers that are not valid."""

SECOND = 1_000_000_000


def unpacked_tar(file: BinaryIO, *, most: int, directory: str | None) -> BinaryIO:
    """Unpack a compressed tar file into a temporary file in ``directory``; return others as is.

    Raises:
        ArchiveError: it is damaged, or larger than ``most`` bytes.
    """
    file.seek(0)
    begin = os.pread(file.fileno(), max(map(len, COMPRESSIONS)), 0)
    opens = next((opens for magic, opens in COMPRESSIONS.items() if begin.startswith(magic)), None)
    if opens is None:
        return file
    target = tempfile.TemporaryFile(dir=directory)  # noqa: SIM115
    size = 0
    try:
        with opens(file) as source:
            while data := source.read(PIECE):
                size += len(data)
                if size > most:
                    raise ArchiveError(f"the archive has more than {most} bytes unpacked")
                target.write(data)
    except (*DAMAGE, OSError) as damage:
        target.close()
        raise ArchiveError(f"the compressed data are damaged: {damage}") from damage
    except ArchiveError:
        target.close()
        raise
    target.seek(0)
    return cast(BinaryIO, target)


def tar_members(file: BinaryIO) -> Iterator[ArchiveMember]:
    """The members of an open archive that is not compressed.

    Raises:
        ArchiveError: it is damaged, or not a tar archive.
    """
    headers = HeaderReader(file)
    try:
        archive = tarfile.open(  # noqa: SIM115
            fileobj=cast(BinaryIO, headers), mode="r:", encoding="utf-8", errors="surrogateescape"
        )
    except tarfile.TarError as error:
        raise ArchiveError("not a zip or tar archive") from error
    except MALFORMED as error:
        raise _damaged(error) from error
    try:
        while (info := archive.next()) is not None:
            cast(Any, archive).members.clear()  # else it keeps all of them
            headers.left = MAX_HEADERS
            if info.size < 0:
                raise ArchiveError("a negative size")
            if info.type in KINDS:
                yield _member(file, info)
    except (tarfile.TarError, EOFError, *MALFORMED) as error:
        raise _damaged(error) from error


def _damaged(error: Exception) -> ArchiveError:
    return ArchiveError(f"the tar archive is damaged: {error}")


class HeaderReader:
    """A file of which at most ``left`` bytes are read: ``tarfile`` reads headers of any size."""

    def __init__(self, file: BinaryIO) -> None:
        self.left = MAX_HEADERS
        self._file = file
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int) -> bytes:
        """Read.

        Raises:
            ArchiveError: this is too much.
        """
        if not 0 <= size <= self.left:
            raise ArchiveError("the headers of a member are too long")
        self.left -= size
        return self._file.read(size)


def _member(file: BinaryIO, info: TarInfo) -> ArchiveMember:
    kind = KINDS[info.type]
    target = os.fsencode(info.linkname)
    symbolic, linked = info.issym(), info.islnk()
    regular = kind is ftype3.NF3REG and not linked
    return ArchiveMember(
        os.fsencode(info.name), kind, S_IMODE(info.mode),
        size=len(target) if symbolic else info.size if regular else 0,
        mtime=int(info.mtime * SECOND), uid=info.uid, gid=info.gid,
        device=(info.devmajor, info.devminor) if info.ischr() or info.isblk() else (0, 0),
        content=_content(file, info) if regular else None,
        target=target if symbolic else b"", same_as=target if linked else None,
    )  # fmt: skip


def _content(file: BinaryIO, info: TarInfo) -> MemberContent:
    pieces = getattr(info, "sparse", None)
    if pieces is not None:
        return SparseContent(file.fileno(), info.offset_data, pieces, info.size)
    return StoredContent(file.fileno(), info.offset_data, info.size)
