"""Frames of capture files: pcap and pcapng, also compressed with gzip.

A file is read in pieces, not mapped: to touch a mapped page of a file that became shorter ends the
process, and ``tcpdump`` empties the file it writes when it starts again. The copy costs nothing
that can be measured beside the headers, and memory does not grow with the file.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import BinaryIO, cast

from oncrpc.snoop.capture.frames import (
    CaptureDamaged,
    CapturedFrame,
    FramePlace,
    FrameReader,
    frames_at,
)
from oncrpc.snoop.capture.pcap import HEADER, MAGICS, PcapReader
from oncrpc.snoop.capture.pcapng import SECTION, PcapngReader

PIECE = 1 << 16
"""Bytes that are read at once."""

GZIP = b"\x1f\x8b"


def frames_of_file(path: str | os.PathLike[str]) -> Iterator[CapturedFrame]:
    """The frames of a capture file, in its order.

    Raises:
        CaptureDamaged: this is not a capture, or it is truncated or damaged. All frames before the
            damage were returned.
        OSError: the file cannot be read.
    """
    with open(path, "rb", buffering=0) as file:
        yield from frames_of(cast(BinaryIO, file))


def frames_of(file: BinaryIO) -> Iterator[CapturedFrame]:
    """The frames of an open file or pipe; see ``frames_of_file``."""
    for data, places in batches_of(file):
        yield from frames_at(data, places)


def batches_of(file: BinaryIO) -> Iterator[tuple[bytes, Iterator[FramePlace]]]:
    """The pieces of an open file or pipe, each with the places of its frames.

    The places must be used up before the next piece is taken. Errors are those of
    ``frames_of_file``, also while the places are read.
    """
    reader, data, damage = None, b"", None
    pieces = _pieces(file)
    while damage is None:
        try:
            piece = next(pieces, None)
        except CaptureDamaged as error:
            piece, damage = None, error
        if piece is None:
            break
        data += piece
        if reader is None:
            if len(data) < HEADER:
                continue
            reader = _reader_for(data)
        yield data, reader.places(data, reader.at, len(data))
        data = data[reader.at :]
        reader.base, reader.at = reader.base + reader.at, 0
    if damage is not None:
        raise damage
    if reader is None:
        raise CaptureDamaged(0, "not a capture file" if data else "the file is empty")
    if data:
        raise CaptureDamaged(reader.base, "the file ends within a frame")


def _reader_for(header: bytes) -> FrameReader:
    """The reader of a file that begins so."""
    if header[:4] == SECTION.to_bytes(4, "big"):
        return PcapngReader()
    if header[:4] in MAGICS:
        return PcapReader(header)
    raise CaptureDamaged(0, "not a capture file")


class _ReadAgain:
    """A file whose first bytes were read, and are read again."""

    def __init__(self, begin: bytes, file: BinaryIO) -> None:
        self._begin, self._file = begin, file

    def read(self, size: int) -> bytes:
        begin, self._begin = self._begin, b""
        return begin or self._file.read(size)


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    """The pieces of a file, decompressed if it begins as gzip does."""
    begin = b""
    while len(begin) < len(GZIP) and (piece := file.read(len(GZIP) - len(begin))):
        begin += piece
    rest = _ReadAgain(begin, file)
    return _unzipped(rest) if begin == GZIP else iter(lambda: rest.read(PIECE), b"")


def _unzipped(file: _ReadAgain) -> Iterator[bytes]:
    """The decompressed pieces of a gzip file of any number of members."""
    import gzip  # most captures are not compressed
    import zlib

    unzipped, at = gzip.GzipFile(fileobj=cast(BinaryIO, file), mode="rb"), 0
    while True:
        try:
            piece = unzipped.read1(PIECE)
        except EOFError:
            raise CaptureDamaged(at, "the compressed data end early") from None
        except (gzip.BadGzipFile, zlib.error) as error:
            raise CaptureDamaged(at, f"the compressed data are damaged: {error}") from None
        if not piece:
            return
        at += len(piece)
        yield piece
