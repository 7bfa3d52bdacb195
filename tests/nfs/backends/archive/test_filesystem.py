"""``oncrpc.nfs.backends.archive``: what was packed is shown, and nothing else."""

from __future__ import annotations

import asyncio
import io
import os
import shutil
import subprocess
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from oncrpc.nfs.backends.archive import ArchiveError, ArchiveFileSystem
from oncrpc.nfs.filesystem import FileSystem
from oncrpc.programs.nfs3 import ftype3, nfsstat3
from support.file_user import FileUser, refused
from support.reading_rules import SUPER_USER, ReadingRules, write_source

MIB = 1 << 20


def zipped(source: Path, target: Path, *options: str) -> None:
    """Pack by Info-ZIP, which keeps links, modes and times in UTC."""
    if shutil.which("zip") is None:
        pytest.skip("not installed: zip")
    subprocess.run(["zip", "-qry", *options, str(target), "."], cwd=source, check=True)


def tarred(source: Path, target: Path, mode: str) -> None:
    """Pack by the standard library."""
    with tarfile.open(target, mode) as archive:  # type: ignore[call-overload]
        archive.add(source, ".")


def sparse(source: Path, target: Path) -> None:
    """Pack by GNU tar, which finds holes."""
    subprocess.run(["tar", "--sparse", "-cf", str(target), "-C", str(source), "."], check=True)


PACKERS: dict[str, Callable[[Path, Path], None]] = {
    "zip": zipped,
    "zip, stored": lambda source, target: zipped(source, target, "-0"),
    "tar": lambda source, target: tarred(source, target, "w:"),
    "tar and gzip": lambda source, target: tarred(source, target, "w:gz"),
    "tar and bzip2": lambda source, target: tarred(source, target, "w:bz2"),
    "tar and xz": lambda source, target: tarred(source, target, "w:xz"),
    "sparse tar": sparse,
}


@pytest.fixture(params=PACKERS)
def archive(request: pytest.FixtureRequest, source: Path, tmp_path: Path) -> Path:
    """The source, packed in each way."""
    path = tmp_path / ("packed.zip" if "zip" in request.param[:3] else "packed")
    PACKERS[request.param](source, path)
    return path


class TestArchive(ReadingRules):
    """The rules of reading, for each kind of archive."""

    @pytest.fixture
    def files(self, archive: Path) -> FileSystem:
        return ArchiveFileSystem(archive)

    def test_ids_are_valid_after_a_restart(self, me: FileUser, archive: Path) -> None:
        file = me.lookup(me.files.root, b"hello.txt")

        again = ArchiveFileSystem(archive)

        assert again.getattr(SUPER_USER, file) == me.getattr(file)
        again.close()

    def test_archive_that_is_written_to_is_stale(self, me: FileUser, archive: Path) -> None:
        file = me.lookup(me.files.root, b"hello.txt")
        with archive.open("ab") as written:
            written.write(b"x")

        with refused(nfsstat3.NFS3ERR_STALE):
            me.read(file)


@pytest.fixture
def opened() -> Iterator[Callable[[ArchiveFileSystem], FileUser]]:
    """The super-user of an archive."""
    with asyncio.Runner() as runner:
        made = list[ArchiveFileSystem]()

        def user(files: ArchiveFileSystem) -> FileUser:
            made.append(files)
            return FileUser(files, SUPER_USER, runner=runner)

        yield user
        for files in made:
            files.close()


Opened = Callable[[ArchiveFileSystem], FileUser]


def tar_of(path: Path, *members: tarfile.TarInfo, data: bytes = b"data") -> Path:
    """A tar archive of these members."""
    with tarfile.open(path, "w:") as archive:
        for member in members:
            member.size = len(data) if member.isreg() else 0
            archive.addfile(member, io.BytesIO(data))
    return path


def member(name: str, kind: bytes = tarfile.REGTYPE, **known: object) -> tarfile.TarInfo:
    """A member of a tar archive."""
    made = tarfile.TarInfo(name)
    made.type = kind
    for field, value in known.items():
        setattr(made, field, value)
    return made


def test_hard_links_of_tar_are_one_file(opened: Opened, tmp_path: Path) -> None:
    source = write_source(tmp_path / "source")
    os.link(source / "hello.txt", source / "many/again")
    tarred(source, tmp_path / "a.tar", "w:")
    me = opened(ArchiveFileSystem(tmp_path / "a.tar"))

    file = me.lookup(me.files.root, b"hello.txt")

    assert me.lookup(me.lookup(me.files.root, b"many"), b"again") == file
    assert me.getattr(file).nlink == 2


def test_holes_of_tar_use_no_space(opened: Opened, tmp_path: Path) -> None:
    with (tmp_path / "holes").open("wb") as file:
        file.truncate(64 * MIB)
        file.seek(32 * MIB)
        file.write(b"middle")
    subprocess.run(["tar", "-ScC", tmp_path, "-f", tmp_path / "a.tar", "holes"], check=True)
    me = opened(ArchiveFileSystem(tmp_path / "a.tar"))

    found = me.lookup(me.files.root, b"holes")

    assert me.getattr(found).size == 64 * MIB
    assert me.getattr(found).used < MIB
    assert me.read(found, 32 * MIB - 2, 10) == b"\0\0middle\0\0"


def test_special_files_are_shown(opened: Opened, tmp_path: Path) -> None:
    path = tar_of(
        tmp_path / "a.tar",
        member("null", tarfile.CHRTYPE, devmajor=1, devminor=3),
        member("pipe", tarfile.FIFOTYPE),
    )
    me = opened(ArchiveFileSystem(path))

    null = me.getattr(me.lookup(me.files.root, b"null"))

    assert (null.kind, null.device) == (ftype3.NF3CHR, (1, 3))
    assert me.getattr(me.lookup(me.files.root, b"pipe")).kind is ftype3.NF3FIFO


def test_unsafe_members_are_left_out(opened: Opened, tmp_path: Path) -> None:
    files = ArchiveFileSystem(
        tar_of(
            tmp_path / "a.tar",
            member("../outside"),
            member("good/../../outside"),
            member("/rooted"),
            member("n" * 256),
            member("good"),
            member("good/below a file"),
            member("lost", tarfile.LNKTYPE, linkname="missing"),
        )
    )
    me = opened(files)

    assert me.names(me.files.root) == [b"rooted", b"good"]
    assert files.left_out == 5


def test_later_member_replaces_earlier_one(opened: Opened, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w:") as archive:
        for text in (b"old", b"newer"):
            made = member("file", size=len(text))
            archive.addfile(made, io.BytesIO(text))
    me = opened(ArchiveFileSystem(tmp_path / "a.tar"))

    assert me.read(me.lookup(me.files.root, b"file")) == b"newer"
    assert me.names(me.files.root) == [b"file"]


def zip_of(path: Path, data: bytes, method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("folder/file", data)
    return path


def test_missing_directories_are_added(opened: Opened, tmp_path: Path) -> None:
    me = opened(ArchiveFileSystem(zip_of(tmp_path / "a.zip", b"data")))

    folder = me.lookup(me.files.root, b"folder")

    assert me.getattr(folder).kind is ftype3.NF3DIR
    assert me.read(me.lookup(folder, b"file")) == b"data"


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_damaged_data_are_an_error(opened: Opened, tmp_path: Path, method: int) -> None:
    path = zip_of(tmp_path / "a.zip", bytes(range(256)) * 1000, method)
    data = bytearray(path.read_bytes())
    data[100] ^= 255
    path.write_bytes(data)
    me = opened(ArchiveFileSystem(path))
    file = me.lookup(me.lookup(me.files.root, b"folder"), b"file")

    with refused(nfsstat3.NFS3ERR_IO):
        me.read(file, 0, MIB)


def test_file_larger_than_temporary_space_is_refused(opened: Opened, tmp_path: Path) -> None:
    path = zip_of(tmp_path / "a.zip", bytes(2 * MIB))
    me = opened(ArchiveFileSystem(path, spool_bytes=MIB))
    file = me.lookup(me.lookup(me.files.root, b"folder"), b"file")

    with refused(nfsstat3.NFS3ERR_FBIG):
        me.read(file)


def test_encrypted_file_is_shown_but_not_read(opened: Opened, tmp_path: Path) -> None:
    path = zip_of(tmp_path / "a.zip", b"data")
    data = bytearray(path.read_bytes())
    for magic, flags in ((b"PK\1\2", 8), (b"PK\3\4", 6)):
        data[data.index(magic) + flags] |= 1
    path.write_bytes(data)
    me = opened(ArchiveFileSystem(path))
    file = me.lookup(me.lookup(me.files.root, b"folder"), b"file")

    assert me.getattr(file).size == 4
    with refused(nfsstat3.NFS3ERR_ACCES):
        me.read(file)


@pytest.mark.parametrize("kind", ["w:", "w:gz", "w:xz"])
def test_truncated_archive_is_refused(tmp_path: Path, kind: str) -> None:
    source = write_source(tmp_path / "source")
    tarred(source, tmp_path / "a.tar", kind)
    os.truncate(tmp_path / "a.tar", (tmp_path / "a.tar").stat().st_size // 2)

    with pytest.raises(ArchiveError, match="damaged"):
        ArchiveFileSystem(tmp_path / "a.tar")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not a zip or tar archive"),
        (b"text\n" * 1000, "not a zip or tar archive"),
        (b"\x1f\x8bnot gzip", "the compressed data are damaged"),
        (b"PK\3\4", "the zip archive is damaged: its end is missing"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, data: bytes, reason: str) -> None:
    path = tmp_path / "a"
    path.write_bytes(data)

    with pytest.raises(ArchiveError, match=reason):
        ArchiveFileSystem(path)


def test_link_of_a_zip_takes_little_memory(tmp_path: Path) -> None:
    info = zipfile.ZipInfo("link")
    info.create_system, info.external_attr = 3, 0o120777 << 16
    info.compress_type = zipfile.ZIP_DEFLATED
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(info, bytes(8 * MIB))
        info.file_size = 100
    tracemalloc.start()
    try:
        with pytest.raises(ArchiveError, match="CRC"):
            ArchiveFileSystem(tmp_path / "a.zip")
        assert tracemalloc.get_traced_memory()[1] < 2 * MIB
    finally:
        tracemalloc.stop()


def pax_header(size: int) -> bytes:
    """The header of a pax header of that size."""
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.XHDTYPE, size
    return info.tobuf(tarfile.GNU_FORMAT)


@pytest.mark.parametrize(
    "data",
    [
        pax_header(1 << 33),
        (pax_header(9) + b"9 a=bcde\n".ljust(512, b"\0")) * 1100,
        pax_header(-1024),
    ],
)
def test_hostile_headers_of_tar_are_refused(tmp_path: Path, data: bytes) -> None:
    file = tarfile.TarInfo("file").tobuf()
    (tmp_path / "a.tar").write_bytes(file + data + file)

    with pytest.raises(ArchiveError, match="tar archive"):
        ArchiveFileSystem(tmp_path / "a.tar")


def test_numbers_beyond_nfs_are_replaced(opened: Opened, tmp_path: Path) -> None:
    info = tarfile.TarInfo("file")
    info.uid, info.gid, info.mtime = 1 << 40, -1, 1 << 60
    (tmp_path / "a.tar").write_bytes(info.tobuf(tarfile.GNU_FORMAT) + bytes(1024))
    me = opened(ArchiveFileSystem(tmp_path / "a.tar"))

    found = me.getattr(me.lookup(me.files.root, b"file"))

    assert (found.uid, found.gid, found.mtime // 1_000_000_000) == (0, 0, 0xFFFFFFFF)


def test_bounds_of_archives_are_kept(tmp_path: Path) -> None:
    source = write_source(tmp_path / "source")
    tarred(source, tmp_path / "a.tar", "w:gz")

    with pytest.raises(ArchiveError, match="more than 10 files"):
        ArchiveFileSystem(tmp_path / "a.tar", max_files=10)
    with pytest.raises(ArchiveError, match="unpacked"):
        ArchiveFileSystem(tmp_path / "a.tar", max_unpacked=MIB)
