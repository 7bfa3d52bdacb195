"""Files are read by many calls at once, in pieces of any size."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from oncrpc.errors import ProtocolError
from oncrpc.nfs import RemoteFileSystem
from oncrpc.nfs.client import reading
from oncrpc.programs.nfs3 import READ3res, READ3resok
from oncrpc.rpc import Call
from support.remote_files import NO_ATTRIBUTES, OK, ScriptedNfs, use_files, use_scripted

DATA = bytes(range(256)) * 12


class Content(ScriptedNfs):
    """A file of ``DATA`` that is read in answers of at most ``most`` bytes."""

    def __init__(self, most: int = 64, *, size: int | None = None) -> None:
        super().__init__()
        self.most = most
        self.unstable = bytearray(len(DATA) if size is None else size)
        self.reads: list[tuple[int, int]] = []

    def NFSPROC3_READ(self, call: Call, arg: Any) -> READ3res:
        data = DATA[arg.offset : arg.offset + min(arg.count, self.most)]
        self.reads.append((arg.offset, arg.count))
        eof = arg.offset + len(data) >= len(DATA)
        return READ3res(OK, READ3resok(NO_ATTRIBUTES, len(data), eof, data))


@pytest.mark.parametrize("most", [64, 19])
@pytest.mark.parametrize("size", [None, 0, 100], ids=["size", "zero", "less"])
def test_whole_file_is_read_despite_wrong_size(
    most: int, size: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "SEGMENT", 500)

    async def use(fs: RemoteFileSystem) -> None:
        assert await fs.read_bytes("a") == DATA

    use_scripted(Content(most, size=size), use)


@pytest.mark.parametrize("piece", [1000, 64, 63])
def test_file_is_read_in_pieces(piece: int) -> None:
    async def use(fs: RemoteFileSystem) -> None:
        parts = list[bytes]()
        async with await fs.open("a") as file:
            while part := await file.read(piece):
                parts.append(part)

        assert b"".join(parts) == DATA
        assert all(len(part) == piece for part in parts[:-1])

    server = Content(most=50)
    use_scripted(server, use)
    offsets = [offset for offset, _ in server.reads if offset < len(DATA)]
    assert sorted(set(offsets)) == sorted(offsets)  # nothing is read twice


def test_short_read_asks_for_little() -> None:
    server = Content()

    async def use(fs: RemoteFileSystem) -> None:
        async with await fs.open("a") as file:
            assert await file.read(10) == DATA[:10]
            assert await file.read(10) == DATA[10:20]
        assert len(server.reads) == 1

    use_scripted(server, use)


def test_large_read_has_many_calls_in_progress() -> None:
    server = Content()

    async def use(fs: RemoteFileSystem) -> None:
        buffer = bytearray(len(DATA))
        async with await fs.open("a") as file:
            assert await file.preadinto(buffer, 0) == len(DATA)
        assert buffer == DATA

    use_scripted(server, use)
    assert len(server.reads) == len(DATA) // server.transfer


class Hostile(Content):
    """Answers a READ with ``answer``."""

    answer = READ3resok(NO_ATTRIBUTES, 0, False, b"")

    def NFSPROC3_READ(self, call: Call, arg: Any) -> READ3res:
        return READ3res(OK, self.answer)


@pytest.mark.parametrize(
    "answer",
    [
        READ3resok(NO_ATTRIBUTES, 0, False, b""),
        READ3resok(NO_ATTRIBUTES, 3, False, b"1234"),
        READ3resok(NO_ATTRIBUTES, 70, False, bytes(70)),
    ],
    ids=["nothing", "another count", "more than asked"],
)
def test_impossible_answers_are_refused(answer: READ3resok) -> None:
    server = Hostile()
    server.answer = answer

    async def use(fs: RemoteFileSystem) -> None:
        with pytest.raises(ProtocolError, match="READ"):
            await fs.read_bytes("a")

    use_scripted(server, use)


def test_wrong_size_of_file_takes_no_memory() -> None:
    async def use(fs: RemoteFileSystem) -> None:
        assert await fs.read_bytes("a") == DATA

    server = Content()
    server.NFSPROC3_LOOKUP = huge(server.NFSPROC3_LOOKUP)  # type: ignore[method-assign]
    use_scripted(server, use)


def huge(look_up: Callable[..., Any]) -> Callable[..., Any]:
    def looked_up(call: Call, arg: Any) -> Any:
        found = look_up(call, arg)
        found.body.obj_attributes.body.size = 1 << 60
        return found

    return looked_up


@pytest.mark.parametrize("version", [3, 2])
def test_file_of_many_transfers_is_read(version: int) -> None:
    data = DATA * 300

    async def use(fs: RemoteFileSystem) -> None:
        await fs.write_bytes("a", data)

        assert await fs.read_bytes("a") == data

    use_files(use, version=version)
