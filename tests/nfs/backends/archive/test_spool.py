"""``oncrpc.nfs.backends.archive.spool``: data are unpacked as far as they are read, bounded."""

from __future__ import annotations

import gzip
import io
from pathlib import Path
from typing import BinaryIO, cast

from oncrpc.nfs.backends.archive.spool import MAX_SPOOLS, PIECE, CompressedContent, Spools

DATA = bytes(range(256)) * (3 * PIECE // 256)


def content(spools: Spools, opened: list[int]) -> CompressedContent:
    packed = gzip.compress(DATA)

    def opens() -> BinaryIO:
        opened.append(1)
        return cast(BinaryIO, gzip.GzipFile(fileobj=io.BytesIO(packed)))

    return CompressedContent(spools, opens, len(DATA), used=len(packed))


def test_data_beyond_a_read_stay_packed(tmp_path: Path) -> None:
    spools, opened = Spools(len(DATA), str(tmp_path)), list[int]()
    found = content(spools, opened)

    assert found.read(10, 10) == DATA[10:20]
    assert spools.kept == PIECE
    assert found.read(5, 5) == DATA[5:10]
    assert len(opened) == 1
    spools.close()


def test_least_recently_used_file_is_emptied(tmp_path: Path) -> None:
    spools, opened = Spools(len(DATA), str(tmp_path)), list[int]()
    first, second = content(spools, opened), content(spools, opened)

    for found in (first, second, first):
        assert found.read(0, len(DATA)) == DATA
        assert spools.kept <= len(DATA)

    assert len(opened) == 3
    spools.close()


def test_number_of_open_files_is_bounded(tmp_path: Path) -> None:
    spools, files = Spools(1 << 20, str(tmp_path)), list[BinaryIO]()

    def opens() -> BinaryIO:
        files.append(io.BytesIO(b"data"))
        return files[-1]

    for _ in range(MAX_SPOOLS + 3):
        assert CompressedContent(spools, opens, 4, used=4).read(0, 4) == b"data"

    assert [file.closed for file in files] == [True] * 3 + [False] * MAX_SPOOLS
    spools.close()
