"""Files that the registry is kept in: the store's snapshot and journal, and those of ``-w``.

Whatever is in them, the daemon starts with what can be used of it, and what it writes then is read
again as it was. A file of ``-w`` that is malformed registers nothing.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from random import Random
from zlib import crc32

from fuzz.calls import MAKERS
from fuzz.driver import Target
from fuzz.mutation import joined, mutated, parted, word
from oncrpc.daemon.state.journal import JOURNAL, SNAPSHOT, Store
from oncrpc.daemon.state.records import TableOperation, header
from oncrpc.errors import XdrError
from oncrpc.portmap.registry import Registry, key_of
from oncrpc.portmap.store import FORM
from oncrpc.portmap.warmstart import PORTMAP, RPCBIND, WarmStart
from oncrpc.programs.portmap import mapping, pmaplist, pmaplist_ptr
from oncrpc.programs.rpcb import rp__list, rpcb, rpcblist_ptr
from oncrpc.xdr import codec

BOOT = b"boot"
USABLE = (
    (b"tcp", b"0.0.0.0.8.1"), (b"udp", b"0.0.0.0.8.1"), (b"tcp6", b"::.8.1"), (b"local", b"/run/x"),
)  # fmt: skip
OWNERS = (b"superuser", b"unknown", b"1000")
FRAME = 12


def make(source: Random) -> bytes:
    """A snapshot and a journal, and the two files of ``-w``."""
    others = _journal(source), _warm(source)
    parts = (_snapshot(source), _journal(source), _warm(source), _warm_v2(source))
    return joined(*(_spoiled(part, source, others) for part in parts))


def entry(source: Random) -> rpcb:
    """A registration, usable as a rule."""
    if source.random() < 0.2:
        made: rpcb = MAKERS[rpcb](source)
        return made
    netid, uaddr = source.choice(USABLE)
    return rpcb(source.randrange(400000, 400004), 1, netid, uaddr, source.choice(OWNERS))


def entries(source: Random) -> list[rpcb]:
    return [
        entry(source)
        for _ in range(source.choice((0, 1, 2, 5) if source.random() < 0.97 else (300,)))
    ]


def _snapshot(source: Random) -> bytes:
    return b"".join(FORM.snapshot(_boot(source), source.randrange(4), entries(source)))


def _journal(source: Random) -> bytes:
    first = source.randrange(4)
    changes = [
        FORM.change(
            first + n + source.choice((1, 1, 1, 0, 7)), source.choice(list(TableOperation)), each
        )
        for n, each in enumerate(entries(source)[:3] for _ in range(source.randrange(6)))
    ]
    return header(_boot(source), first) + b"".join(changes)


def _boot(source: Random) -> bytes:
    return BOOT if source.random() < 0.95 else b"another"


def _warm(source: Random) -> bytes:
    return codec(rpcblist_ptr).encode([rp__list(each) for each in entries(source)])


def _warm_v2(source: Random) -> bytes:
    found = [MAKERS[mapping](source) for _ in range(source.randrange(5))]
    return codec(pmaplist_ptr).encode([pmaplist(each) for each in found])


def _spoiled(data: bytes, source: Random, others: Sequence[bytes]) -> bytes:
    """Wrong bytes, which the checksums show; or wrong records, whose checksums are right."""
    match source.randrange(4):
        case 0:
            return mutated(data, source, others)
        case 1:
            return b"".join(framed(mutated(each, source, others)) for each in records(data))
        case 2:
            found = [framed(each) for each in records(data)]
            source.shuffle(found)
            return b"".join(found[: source.randrange(len(found) + 1)]) + word(source)
        case _:
            return data


def records(data: bytes) -> list[bytes]:
    """What the records of a file hold; as one, what is no such file."""
    found = []
    while len(data) >= FRAME:
        end = FRAME + int.from_bytes(data[:4], "big")
        found.append(data[FRAME:end])
        data = data[end:]
    return found


def framed(payload: bytes) -> bytes:
    """A record, as the format has it."""
    sums = len(payload).to_bytes(4, "big") + crc32(payload).to_bytes(4, "big")
    return sums + crc32(sums).to_bytes(4, "big") + payload


def run(data: bytes) -> None:
    """Start from these files, in a directory of their own."""
    kept, changes, warm, warm_v2 = parted(data, 4)
    with tempfile.TemporaryDirectory(dir=_memory()) as folder:
        _store(Path(folder), {SNAPSHOT: kept, JOURNAL: changes})
        _warm_start(Path(folder, "w"), {RPCBIND: warm, PORTMAP: warm_v2})


def _memory() -> str | None:
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def _write(folder: Path, files: dict[str, bytes]) -> None:
    folder.mkdir(mode=0o700, exist_ok=True)
    for name, data in files.items():
        if data:
            path = folder / name
            path.write_bytes(data)
            path.chmod(0o600)


def _store(folder: Path, files: dict[str, bytes]) -> None:
    _write(folder, files)
    registry = Registry()
    store = Store(str(folder), lambda: iter(registry), form=FORM, key=key_of, boot=BOOT)
    for found in store.load() or ():
        registry.set(found)
    store.begin()
    store.append(TableOperation.SET, [])
    store.close()
    again = Store(str(folder), lambda: iter(()), form=FORM, key=key_of, boot=BOOT)
    assert again.load() == list(registry)
    again.close()


def _warm_start(folder: Path, files: dict[str, bytes]) -> None:
    _write(folder, files)
    warm, registry = WarmStart(str(folder)), Registry()
    try:
        warm.load(registry)
    except XdrError:
        assert not len(registry)
        warm.set_aside()
    assert warm.save(registry)
    again = Registry()
    warm.load(again)
    assert sorted(map(repr, again)) == sorted(map(repr, registry))


TARGET = Target("state_files", make, run)
