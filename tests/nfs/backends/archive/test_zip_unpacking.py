"""``oncrpc.nfs.backends.archive.zip_unpacking``: a member takes no more memory than is read."""

from __future__ import annotations

import tracemalloc
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from oncrpc.nfs.backends.archive.zip_unpacking import LZMA_HEADER, BoundedMember

MIB = 1 << 20
START = 34
"""Bytes before the data of a member named ``file``."""


@contextmanager
def packed(path: Path, data: bytes, method: int) -> Iterator[tuple[int, zipfile.ZipInfo]]:
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("file", data)
    with path.open("rb") as file:
        yield file.fileno(), archive.getinfo("file")


def whole(member: BoundedMember) -> bytes:
    found = bytearray()
    while data := member.read(1000):
        assert len(data) <= 1000
        found += data
    return bytes(found)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_data_are_unpacked_in_pieces(tmp_path: Path, method: int) -> None:
    data = bytes(range(256)) * 100

    with packed(tmp_path / "a.zip", data, method) as (descriptor, info):
        assert whole(BoundedMember(descriptor, START, info)) == data
        info.CRC ^= 1
        with pytest.raises(zipfile.BadZipFile, match="checksum"):
            whole(BoundedMember(descriptor, START, info))
        info.compress_size //= 2
        with pytest.raises(EOFError):
            whole(BoundedMember(descriptor, START, info))


@pytest.mark.slow
@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_first_bytes_take_little_memory(tmp_path: Path, method: int) -> None:
    with packed(tmp_path / "a.zip", bytes(16 * MIB), method) as (descriptor, info):
        tracemalloc.start()
        try:
            assert BoundedMember(descriptor, START, info).read(9) == bytes(9)
            assert tracemalloc.get_traced_memory()[1] < 9 * MIB, "a dictionary of LZMA is 8 MiB"
        finally:
            tracemalloc.stop()


def test_large_dictionary_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with packed(path, b"data", zipfile.ZIP_LZMA) as (descriptor, info):
        data = bytearray(path.read_bytes())
        data[START + LZMA_HEADER.size - 1] = 0xFF
        path.write_bytes(data)

        with pytest.raises(zipfile.BadZipFile, match="settings of LZMA"):
            BoundedMember(descriptor, START, info)
