"""``oncrpc.nfs.nsm.kept``: the file of watched hosts, over restarts, crashes and full disks."""

from __future__ import annotations

import asyncio
import errno
import os
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oncrpc.daemon.state.directory import Directory
from oncrpc.nfs.locks.terms import LockClient
from oncrpc.nfs.nsm import kept as kept_module
from oncrpc.nfs.nsm.entries import (
    RestartNotice,
    RpcMonitor,
    StateNumber,
    WatchedPeer,
    added_line,
    removed_line,
)
from oncrpc.nfs.nsm.kept import MONITOR_FILE, RETRY, KeptList
from oncrpc.testing import ManualClock
from support.loops import run_by

STATE = StateNumber(7, 5, b"boot")
MONITOR = RpcMonitor(b"client", b"host", 100021, 3, 16, bytes(range(16)), 9, 9)
NOTICE = RestartNotice("client", "192.0.2.9", b"", 1_764_000_000)


def peer(number: int) -> WatchedPeer:
    return WatchedPeer(LockClient(f"192.0.2.{number}", b"client"), "192.0.2.9", 7)


def file_of(directory: Directory) -> Path:
    return Path(directory.path) / MONITOR_FILE


def opened(directory: Directory) -> KeptList:
    """A list that has read the file, and writes."""
    kept = KeptList(directory)
    kept.load()
    kept.flush()
    return kept


class Disk:
    """A state directory whose disk can be full."""

    def __init__(self, path: Path) -> None:
        path.chmod(0o700)
        self.full = False
        self.writes: list[bytes] = []
        self.directory = Directory(str(path), write=self.write)

    def write(self, descriptor: int, data: bytes) -> int:
        if self.full:
            os.write(descriptor, data[:5])
            raise OSError(errno.ENOSPC, "No space left on device")
        self.writes.append(data)
        return os.write(descriptor, data)


def test_entries_are_kept_over_a_restart(directory: Directory) -> None:
    async def first_life() -> None:
        kept = opened(directory)
        for entry in (STATE, peer(1), peer(2), MONITOR, NOTICE):
            kept.put(entry)
        kept.remove(peer(1))
        await kept.close()

    asyncio.run(first_life())

    kept = KeptList(directory)
    assert kept.load()
    assert kept.state == STATE
    assert [*kept.peers.values()] == [peer(2)]
    assert [*kept.monitors.values()] == [MONITOR]
    assert [*kept.notices.values()] == [NOTICE]


def test_synced_entries_survive_a_kill(directory: Directory) -> None:
    async def killed() -> bytes:
        kept = opened(directory)
        kept.put(peer(1))
        await kept.synced()
        data = file_of(directory).read_bytes()
        await kept.close()
        return data

    assert asyncio.run(killed()) == b"nfsd monitor 1\n" + added_line(peer(1))


def test_changes_at_once_share_one_sync(tmp_path: Path) -> None:
    disk = Disk(tmp_path)

    async def scenario() -> None:
        kept = opened(disk.directory)
        disk.writes.clear()

        async def watch(number: int) -> None:
            kept.put(peer(number))
            await kept.synced()

        await asyncio.gather(*map(watch, range(100)))
        await kept.close()

    asyncio.run(scenario())

    assert len(disk.writes) <= 2
    assert b"".join(disk.writes).count(b"\n") == 100


def test_full_disk_fails_the_waiters_only(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    disk = Disk(tmp_path)

    async def scenario() -> None:
        kept = opened(disk.directory)
        disk.full = True
        for number in (1, 2):
            kept.put(peer(number))
            with pytest.raises(OSError, match="No space"):
                await kept.synced()
        disk.full = False
        kept.put(peer(3))
        await kept.synced()
        await kept.close()

    asyncio.run(scenario())

    read = KeptList(disk.directory)
    read.load()
    assert [*read.peers.values()] == [peer(1), peer(2), peer(3)]
    assert caplog.text.count("cannot be written: No space left on device") == 1


def test_failed_write_is_repeated(tmp_path: Path) -> None:
    disk, clock = Disk(tmp_path), ManualClock()

    async def scenario() -> None:
        kept = opened(disk.directory)
        disk.full = True
        kept.put(peer(1))
        with pytest.raises(OSError, match="No space"):
            await kept.synced()
        disk.full = False
        assert "No space left on device" in kept.fault
        clock.advance(RETRY)
        while kept.fault:
            await asyncio.sleep(0)
        await kept.close()

    run_by(clock, scenario())

    assert added_line(peer(1)) in file_of(disk.directory).read_bytes()


def test_synced_list_has_nothing_to_wait_for(directory: Directory) -> None:
    async def scenario() -> None:
        kept = opened(directory)
        await kept.synced()
        await kept.close()

    asyncio.run(scenario())


def test_file_is_written_anew_when_outgrown(
    directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_module, "LEAST_LINES", 10)

    async def scenario() -> int:
        kept = opened(directory)
        longest = 0
        for _ in range(20):
            kept.put(peer(1))
            kept.remove(peer(1))
            await kept.synced()
            longest = max(longest, file_of(directory).read_bytes().count(b"\n"))
        await kept.close()
        return longest

    assert asyncio.run(scenario()) <= 12


def test_torn_line_is_left_out(directory: Directory, caplog: pytest.LogCaptureFixture) -> None:
    data = b"nfsd monitor 1\n" + added_line(STATE) + added_line(peer(1))[:-5]
    file_of(directory).write_bytes(data)
    file_of(directory).chmod(0o600)

    kept = opened(directory)

    assert kept.state == STATE
    assert not kept.peers
    assert "damaged" not in caplog.text
    assert file_of(directory).read_bytes() == b"nfsd monitor 1\n" + added_line(STATE)


def test_intact_lines_of_damaged_file_count(
    directory: Directory, caplog: pytest.LogCaptureFixture
) -> None:
    damaged = added_line(peer(1)).replace(b"192.0.2.1", b"192.0.2.3")
    data = b"nfsd monitor 1\n" + added_line(STATE) + damaged + added_line(peer(2))
    file_of(directory).write_bytes(data)
    file_of(directory).chmod(0o600)

    kept = opened(directory)

    assert [*kept.peers.values()] == [peer(2)]
    assert "damaged: line 3: the checksum is wrong; set aside as monitor.corrupt" in caplog.text
    assert file_of(directory).with_name("monitor.corrupt").read_bytes() == data


@pytest.mark.parametrize("data", [b"", b"nfsd monitor 2\n", b"garbage"])
def test_foreign_file_is_set_aside(
    directory: Directory, caplog: pytest.LogCaptureFixture, data: bytes
) -> None:
    file_of(directory).write_bytes(data)
    file_of(directory).chmod(0o600)

    assert not KeptList(directory).load()
    assert "not a list of this version; set aside" in caplog.text


def test_file_open_to_others_is_not_believed(
    directory: Directory, caplog: pytest.LogCaptureFixture
) -> None:
    file_of(directory).write_bytes(b"nfsd monitor 1\n" + added_line(STATE))
    file_of(directory).chmod(0o666)

    assert not KeptList(directory).load()
    assert "it is open to others" in caplog.text


def test_full_disk_at_the_start_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    disk = Disk(tmp_path)
    disk.full = True
    kept = KeptList(disk.directory)

    assert not kept.flush()
    assert "cannot be written" in caplog.text


def test_list_without_directory_is_handed_over() -> None:
    kept = KeptList(None)
    assert not kept.load()
    assert kept.flush()
    kept.put(STATE)
    kept.put(peer(1))

    other = KeptList(None)
    other.resume(kept.leave())

    assert other.state == STATE
    assert [*other.peers.values()] == [peer(1)]


def test_settled_changes_are_in_the_file(directory: Directory) -> None:
    async def scenario() -> bytes:
        kept = opened(directory)
        kept.put(peer(1))
        kept.put(peer(2))
        kept.flush()
        data = file_of(directory).read_bytes()
        await kept.close()
        return data

    assert asyncio.run(scenario()).count(b"\n") == 3


@pytest.mark.parametrize(
    "left", [b"null", b'""', b"7", b"{", b'"nfsd monitor 2\\n"', b'"\xc3\xbc"']
)
def test_what_another_version_left_is_not_used(left: bytes) -> None:
    kept = KeptList(None)

    assert not kept.resume(left)
    assert kept.state is None


def test_damage_of_what_was_left_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    kept = KeptList(None)
    kept.put(STATE)
    kept.put(peer(1))
    other = KeptList(None)

    assert other.resume(kept.leave().replace(b"192.0.2.1", b"192.0.2.2"))

    assert other.state == STATE
    assert not other.peers
    assert "is not understood: line 3: the checksum is wrong" in caplog.text


HOSTS = st.integers(1, 4)
CHANGES = st.lists(st.tuples(st.booleans(), HOSTS, st.sampled_from([7, 9])), max_size=12)


@given(CHANGES, st.data())
def test_cut_file_has_the_changes_before(
    changes: list[tuple[bool, int, int]], data: st.DataObject
) -> None:
    """A crash may cut the file anywhere: what was synced before is there, in whole changes."""
    text, model = b"nfsd monitor 1\n", dict[int, WatchedPeer]()
    states = [(len(text), dict(model))]
    for is_added, number, state in changes:
        entry = peer(number)._replace(state=state)
        text += added_line(entry) if is_added else removed_line(entry)
        model.pop(number, None)
        if is_added:
            model[number] = entry
        states.append((len(text), dict(model)))
    cut = data.draw(st.integers(len("nfsd monitor 1\n"), len(text)))

    kept = KeptList(None)
    kept.resume(msgspec.json.encode(text[:cut].decode()))

    expected = [wanted for size, wanted in states if size <= cut][-1]
    assert [*kept.peers.values()] == [*expected.values()]
