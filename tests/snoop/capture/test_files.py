"""Capture files: plain, compressed, through a pipe; truncated and damaged."""

from __future__ import annotations

import gzip
import os
import threading
from pathlib import Path

import pytest

from oncrpc.snoop.capture import files
from oncrpc.snoop.capture.files import frames_of, frames_of_file
from oncrpc.snoop.capture.frames import CaptureDamaged, CapturedFrame
from support.captured import pcap, pcapng

FRAMES = [(1_700_000_000_000_000_000 + 1000 * n, bytes([n % 256]) * (n % 97)) for n in range(500)]
CONTENTS = [data for _, data in FRAMES]
FORMATS = {"pcap": pcap(FRAMES), "pcapng": pcapng(FRAMES)}


def read(path: Path) -> tuple[list[bytes], str]:
    """The frames of a file, and the damage."""
    found: list[CapturedFrame] = []
    try:
        for frame in frames_of_file(path):
            found.append(frame)
    except CaptureDamaged as error:
        return [frame.data for frame in found], str(error)
    assert [frame.number for frame in found] == list(range(1, len(found) + 1))
    return [frame.data for frame in found], ""


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("piece", [7, 1000, 1 << 18])
def test_file_is_read_piece_by_piece(
    kind: str, piece: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_bytes(FORMATS[kind])
    monkeypatch.setattr(files, "PIECE", piece)

    assert read(path) == (CONTENTS, "")


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("piece", [7, 1000, 1 << 18])
def test_compressed_file_is_read(
    kind: str, piece: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file.gz"
    half = len(FORMATS[kind]) // 2
    path.write_bytes(gzip.compress(FORMATS[kind][:half]) + gzip.compress(FORMATS[kind][half:]))
    monkeypatch.setattr(files, "PIECE", piece)

    assert read(path) == (CONTENTS, "")


@pytest.mark.parametrize("compress", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_pipe_is_read(compress: type[bytes]) -> None:
    reading, writing = os.pipe()
    data = compress(FORMATS["pcap"])

    def write() -> None:
        with open(writing, "wb") as pipe:
            pipe.write(data)

    writer = threading.Thread(target=write)
    writer.start()
    with open(reading, "rb") as pipe:
        found = [frame.data for frame in frames_of(pipe)]
    writer.join()

    assert found == CONTENTS


@pytest.mark.parametrize("kind", FORMATS)
def test_truncated_file_gives_whole_frames_first(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(FORMATS[kind][:-1])

    found, damage = read(path)

    assert found == CONTENTS[:-1]
    assert damage.endswith("the file ends within a frame")


@pytest.mark.parametrize("kind", FORMATS)
def test_file_cut_anywhere_gives_a_beginning(kind: str, tmp_path: Path) -> None:
    whole, path = FORMATS[kind][:600], tmp_path / "file"

    for size in range(0, len(whole), 7):
        path.write_bytes(whole[:size])
        found, _ = read(path)
        assert found == CONTENTS[: len(found)]


def test_truncated_compressed_file_gives_frames_first(tmp_path: Path) -> None:
    path = tmp_path / "file.gz"
    path.write_bytes(gzip.compress(FORMATS["pcap"])[:-200])

    found, damage = read(path)

    assert 0 < len(found) < len(CONTENTS)
    assert found == CONTENTS[: len(found)]
    assert damage.endswith("the compressed data end early")


def test_damaged_compressed_data_are_reported(tmp_path: Path) -> None:
    data = bytearray(gzip.compress(FORMATS["pcap"]))
    data[len(data) // 2] ^= 0xFF
    path = tmp_path / "file.gz"
    path.write_bytes(data)

    found, damage = read(path)

    assert len(found) <= len(CONTENTS)
    assert damage


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty"),
        (b"\xd4\xc3", "not a capture file"),
        (b"#!/bin/sh\necho these are not frames\n", "not a capture file"),
        (gzip.compress(b""), "the file is empty"),
        (gzip.compress(b"text"), "not a capture file"),
    ],
)
def test_other_files_are_refused(content: bytes, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)

    assert read(path) == ([], f"byte 0: {reason}")


def test_file_that_shrinks_ends_as_truncated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_bytes(FORMATS["pcap"])
    monkeypatch.setattr(files, "PIECE", 4096)
    frames = frames_of_file(path)
    next(frames)

    path.write_bytes(b"")

    with pytest.raises(CaptureDamaged, match="the file ends within a frame"):
        list(frames)


def test_missing_file_is_a_system_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        list(frames_of_file(tmp_path / "missing"))
