"""A hostile server cannot make a copy write outside its target, grow, or go on for ever."""

from __future__ import annotations

import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from oncrpc import nfs
from oncrpc.nfs import RemoteFileSystem
from oncrpc.nfs.client import copying, listing
from oncrpc.nfs.client.copy_report import CopyFailure, CopyOptions, CopyReport
from oncrpc.programs.nfs3 import (
    GETATTR3res,
    GETATTR3resok,
    LOOKUP3res,
    LOOKUP3resok,
    READ3res,
    READ3resok,
    READDIRPLUS3res,
    READDIRPLUS3resok,
    READLINK3res,
    READLINK3resok,
    dirlistplus3,
    entryplus3,
    ftype3,
    nfs_fh3,
    post_op_fh3,
)
from oncrpc.rpc import Call
from support.loops import run
from support.remote_files import (
    NO_ATTRIBUTES,
    OK,
    ScriptedMount,
    ScriptedNfs,
    attributes,
    url_at,
    use_scripted,
    with_attributes,
)
from support.scripted_server import Handle, Server, serving

TREE = CopyOptions(recursive=True, preserve=True, resume=True, jobs=3)
FILE, FOLDER, LINK = ftype3.NF3REG, ftype3.NF3DIR, ftype3.NF3LNK
MIB = 1 << 20


class Claimed(NamedTuple):
    """What a hostile server says that a directory has."""

    name: bytes
    kind: ftype3 = FILE
    size: int = 4
    handle: bytes = b"file"
    fileid: int = 7


class Hostile(ScriptedNfs):
    """Lists the same entries in each directory; a file has ``data``, a link ``text``."""

    transfer = MIB
    data, text = b"evil", b"/"

    def __init__(self, *claimed: Claimed) -> None:
        super().__init__()
        self.claimed = claimed
        self.eof = True

    def NFSPROC3_GETATTR(self, call: Call, arg: Any) -> GETATTR3res:
        kind = FOLDER if arg.object.data == ScriptedMount.handle else FILE
        return GETATTR3res(OK, GETATTR3resok(attributes(kind)))

    def NFSPROC3_LOOKUP(self, call: Call, arg: Any) -> LOOKUP3res:
        found = with_attributes(attributes(FOLDER))
        return LOOKUP3res(OK, LOOKUP3resok(nfs_fh3(b"folder"), found, NO_ATTRIBUTES))

    def NFSPROC3_READDIRPLUS(self, call: Call, arg: Any) -> READDIRPLUS3res:
        entries = [
            entryplus3(
                each.fileid,
                each.name,
                arg.cookie + number,
                with_attributes(attributes(each.kind, size=each.size, fileid=each.fileid)),
                post_op_fh3(True, nfs_fh3(each.handle)),
            )
            for number, each in enumerate(self.claimed, 1)
        ]
        listed = dirlistplus3(entries, self.eof)
        return READDIRPLUS3res(OK, READDIRPLUS3resok(NO_ATTRIBUTES, bytes(8), listed))

    def NFSPROC3_READ(self, call: Call, arg: Any) -> READ3res:
        data = self.data[arg.offset : arg.offset + arg.count]
        return READ3res(OK, READ3resok(NO_ATTRIBUTES, len(data), True, data))

    def NFSPROC3_READLINK(self, call: Call, arg: Any) -> READLINK3res:
        return READLINK3res(OK, READLINK3resok(NO_ATTRIBUTES, self.text))


def copy_of(server: ScriptedNfs, target: Path, options: CopyOptions = TREE) -> list[CopyFailure]:
    """Copy the directory of a server; returns the errors."""
    failures = list[CopyFailure]()

    async def use(fs: RemoteFileSystem) -> None:
        report = CopyReport()
        report.on_failure = failures.append
        await fs.copy_out("top", target, options, report)

    use_scripted(server, use)
    return failures


@pytest.mark.parametrize("name", [b"../x", b"/etc/x", b"a\0b", b"", b"a/b"])
def test_invalid_names_are_not_copied(tmp_path: Path, name: bytes) -> None:
    failures = copy_of(Hostile(Claimed(name)), tmp_path / "target")

    assert "invalid name" in str(failures[0])
    assert os.listdir(tmp_path) == ["target"]
    assert os.listdir(tmp_path / "target") == []


def test_received_link_is_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    server = Hostile(Claimed(b"x", LINK), Claimed(b"x", FOLDER, handle=b"f2", fileid=9))
    server.text = os.fsencode(outside)

    failures = copy_of(server, tmp_path / "target", TREE._replace(jobs=1))

    assert [failure.filename for failure in failures] == [str(tmp_path / "target" / "x")]
    assert os.readlink(tmp_path / "target" / "x") == str(outside)
    assert os.listdir(outside) == []


def test_link_that_is_in_the_way_is_replaced(tmp_path: Path) -> None:
    outside, target = tmp_path / "outside", tmp_path / "target"
    outside.write_bytes(b"precious")
    (target / "top").mkdir(parents=True)
    (target / "top" / "file").symlink_to(outside)

    assert copy_of(Hostile(Claimed(b"file")), target) == []
    assert (target / "top" / "file").read_bytes() == b"evil"
    assert outside.read_bytes() == b"precious"


def test_link_with_nul_is_refused(tmp_path: Path) -> None:
    server = Hostile(Claimed(b"link", LINK))
    server.text = b"a\0b"

    (failure,) = copy_of(server, tmp_path / "target")
    assert "NUL" in str(failure)


@pytest.mark.parametrize("size", [5, 1 << 40, (1 << 64) - 1])
def test_claimed_size_needs_data(tmp_path: Path, size: int) -> None:
    tracemalloc.start()
    (failure,) = copy_of(Hostile(Claimed(b"file", size=size)), tmp_path / "target")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert f"it ended after 4 of {size} bytes" in str(failure)
    assert os.listdir(tmp_path / "target") == []
    assert peak < 64 * MIB


def test_directory_that_contains_itself_is_refused(tmp_path: Path) -> None:
    server = Hostile(Claimed(b"again", FOLDER, handle=b"again"))

    failures = copy_of(server, tmp_path / "target")

    assert "contains itself" in str(failures[0])
    assert sum(1 for _ in tmp_path.rglob("*")) == 2


class Deeper(Hostile):
    """Has a new directory in each directory."""

    def NFSPROC3_READDIRPLUS(self, call: Call, arg: Any) -> READDIRPLUS3res:
        depth = int(arg.dir.data[1:]) if arg.dir.data[:1] == b"d" else 1000
        self.claimed = (Claimed(b"d", FOLDER, handle=b"d%d" % (depth + 1), fileid=depth + 1),)
        return super().NFSPROC3_READDIRPLUS(call, arg)


def test_endless_depth_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copying, "MAX_DEPTH", 5)

    (failure,) = copy_of(Deeper(), tmp_path / "target")

    assert "more than 5 directories" in str(failure)


def test_endless_listing_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "MAX_ENTRIES", 20)
    server = Hostile(Claimed(b"link", LINK))
    server.eof = False

    failures = copy_of(server, tmp_path / "target")

    assert "over 20 entries" in str(failures[-1])


def oversized(server: Hostile) -> None:
    server.NFSPROC3_READ = lambda call, arg: READ3res(  # type: ignore[method-assign]
        OK, READ3resok(NO_ATTRIBUTES, arg.count + 1, False, bytes(arg.count + 1))
    )


def without_progress(server: Hostile) -> None:
    server.NFSPROC3_READ = lambda call, arg: READ3res(  # type: ignore[method-assign]
        OK, READ3resok(NO_ATTRIBUTES, 0, False, b"")
    )


@pytest.mark.parametrize("spoil", [oversized, without_progress])
def test_invalid_data_are_an_error(tmp_path: Path, spoil: Callable[[Hostile], None]) -> None:
    server = Hostile(Claimed(b"file"))
    spoil(server)

    (failure,) = copy_of(server, tmp_path / "target")

    assert failure.filename == "top/file"
    assert os.listdir(tmp_path / "target") == []


def wrong_xid(handle: Handle) -> Handle:
    """Answer READs of a file with the xid of another call."""

    def answer(message: bytes) -> bytes | None:
        reply = handle(message)
        if b"file" not in message or reply is None:
            return reply
        return bytes(4) + reply[4:]

    return answer


def test_replies_to_other_calls_end_the_copy(tmp_path: Path) -> None:
    handle = wrong_xid(serving(Hostile(Claimed(b"file")), ScriptedMount()))

    async def scenario(port: int) -> None:
        async with nfs.connect(url_at(port)) as fs:
            fs.tree.operations.pipeline.timeout = 0.05
            with pytest.raises(CopyFailure) as raised:
                await fs.copy_out("top", tmp_path / "target", TREE)
            assert raised.value.lost

    with Server(handle) as server:
        run(scenario(server.tcp()))
    assert not any(path.name == "file" for path in tmp_path.rglob("*"))


class Flooding(Hostile):
    """Sends a reply of over 4 MiB to each READ."""

    def NFSPROC3_READ(self, call: Call, arg: Any) -> READ3res:
        size = 5 * MIB
        return READ3res(OK, READ3resok(NO_ATTRIBUTES, size, False, bytes(size)))


def test_oversized_replies_are_errors(tmp_path: Path) -> None:
    failures = copy_of(Flooding(*(Claimed(b"f%d" % number) for number in range(4))), tmp_path)

    assert len(failures) == 4
    assert all("over 4194304 bytes" in str(failure) for failure in failures)
    assert os.listdir(tmp_path / "top") == []
