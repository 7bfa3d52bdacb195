"""Archives are recognised by their first bytes."""

from __future__ import annotations

import io
import os
import tarfile
import zipfile
from pathlib import Path

import pytest

from oncrpc.nfs.archive_kinds import is_archive


@pytest.mark.parametrize("mode", ["w:", "w:gz", "w:bz2", "w:xz"])
@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT])
def test_tar_is_an_archive(tmp_path: Path, mode: str, form: int) -> None:
    with tarfile.open(tmp_path / "a", mode, format=form) as archive:  # type: ignore[call-overload]
        archive.addfile(tarfile.TarInfo("name"), io.BytesIO())

    assert is_archive(os.fsencode(tmp_path / "a"))


@pytest.mark.parametrize("names", [(), ("name",)])
def test_zip_is_an_archive(tmp_path: Path, names: tuple[str, ...]) -> None:
    with zipfile.ZipFile(tmp_path / "a", "w") as archive:
        for name in names:
            archive.writestr(name, b"data")

    assert is_archive(str(tmp_path / "a"))


def test_other_files_are_not_archives(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("PKZIP " * 100)
    os.mkfifo(tmp_path / "pipe")

    for name in ("text", "pipe", "."):
        assert not is_archive(str(tmp_path / name))
    with pytest.raises(FileNotFoundError):
        is_archive(str(tmp_path / "none"))
