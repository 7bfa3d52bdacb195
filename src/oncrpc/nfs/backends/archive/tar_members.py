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
from typing import BinaryIO, cast

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
    try:
        archive = tarfile.open(  # noqa: SIM115
            fileobj=file, mode="r:", encoding="utf-8", errors="surrogateescape"
        )
    except tarfile.TarError as error:
        raise ArchiveError("not a zip or tar archive") from error
    try:
        for info in archive:
            if info.type in KINDS:
                yield _member(file, info)
    except (tarfile.TarError, EOFError) as damage:
        raise ArchiveError(f"the tar archive is damaged: {damage}") from damage


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
