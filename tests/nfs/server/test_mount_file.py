"""``oncrpc.nfs.server.mount_file``: the mount list over restarts, and that of rpc.mountd."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oncrpc.daemon.state.directory import Directory
from oncrpc.nfs.server.mount_file import (
    MAX_RMTAB,
    MountFile,
    decoded_mounts,
    encoded_mounts,
    read_rmtab,
)
from oncrpc.nfs.server.mount_list import MAX_AGE, Mount, MountList
from oncrpc.testing import ManualClock

NOW = 1_764_000_000.0


def clock_at(now: float = NOW) -> ManualClock:
    clock = ManualClock()
    clock.now = now
    return clock


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Directory]:
    tmp_path.chmod(0o700)
    opened = Directory(str(tmp_path))
    yield opened
    opened.close()


def loaded(directory: Directory, now: float = NOW) -> MountList:
    mounts = MountList(clock=clock_at(now))
    MountFile(mounts, directory).load()
    return mounts


def test_list_is_kept_over_a_restart(directory: Directory) -> None:
    async def first_life() -> None:
        mounts = MountList(clock=clock_at())
        file = MountFile(mounts, directory)
        file.load()
        mounts.add("192.0.2.1", b"/srv/with space", proven=True)
        mounts.add("2001:db8::1", b"/srv/%41\n", proven=False)
        mounts.add("192.0.2.3", b"/srv", proven=True)
        mounts.remove_all("192.0.2.3")
        await file.close()

    asyncio.run(first_life())

    mounts = loaded(directory, NOW + 10)
    assert list(mounts) == [
        Mount("192.0.2.1", b"/srv/with space"),
        Mount("2001:db8::1", b"/srv/%41\n"),
    ]
    assert mounts.has("192.0.2.3")
    assert [mounts.proved(each) for each in ("192.0.2.1", "2001:db8::1")] == [True, False]


def test_file_begins_with_a_version(directory: Directory) -> None:
    mounts = MountList(clock=clock_at())
    mounts.add("192.0.2.1", b"/srv/a b", proven=True)

    MountFile(mounts, directory).save()

    text = (Path(directory.path) / "mounts").read_text()
    assert text == "nfsd mounts 1\n1764000000 tcp 192.0.2.1 /srv/a%20b\n"


def test_changes_are_written_after_a_delay(directory: Directory) -> None:
    async def scenario() -> bytes | None:
        mounts = MountList(clock=clock_at())
        file = MountFile(mounts, directory, delay=0)
        file.load()
        mounts.add("192.0.2.1", b"/a", proven=True)
        mounts.add("192.0.2.1", b"/b", proven=True)
        assert directory.read("mounts") is None
        while (written := directory.read("mounts")) is None:
            await asyncio.sleep(0)
        await file.close()
        return written

    written = asyncio.run(scenario())

    assert written == b"nfsd mounts 1\n1764000000 tcp 192.0.2.1 /a /b\n"


def test_change_during_a_write_is_written_too(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    mounts = MountList(clock=clock_at())
    writes: list[bytes] = []
    loops: list[asyncio.AbstractEventLoop] = []
    add_other = partial(mounts.add, "192.0.2.2", b"/b", proven=True)

    def write(descriptor: int, data: bytes) -> int:
        if not writes:
            loops[0].call_soon_threadsafe(add_other)
        writes.append(data)
        return os.write(descriptor, data)

    directory = Directory(str(tmp_path), write=write)

    async def scenario() -> None:
        loops.append(asyncio.get_running_loop())
        file = MountFile(mounts, directory, delay=0)
        file.load()
        mounts.add("192.0.2.1", b"/a", proven=True)
        while len(writes) < 2:
            await asyncio.sleep(0)
        await file.close()

    asyncio.run(scenario())

    assert b"192.0.2.2" not in writes[0]
    assert b"192.0.2.2" in writes[-1]
    directory.close()


def test_old_hosts_are_not_loaded(directory: Directory) -> None:
    mounts = MountList(clock=clock_at())
    mounts.add("192.0.2.1", b"/srv", proven=True)
    MountFile(mounts, directory).save()

    later = loaded(directory, NOW + MAX_AGE + 1)

    assert list(later) == []
    assert not later.has("192.0.2.1")


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"", "not a mount list of this version"),
        (b"nfsd mounts 2\n", "not a mount list of this version"),
        (b"nfsd mounts 1", "not a mount list of this version"),
        (b"nfsd mounts 1\n1 tcp", "not a mount list of this version"),
        (b"nfsd mounts 1\n1 tcp\n", "line 2 is not a host"),
        (b"nfsd mounts 1\n1 tcp h /a\nx\n", "line 3 is not a host"),
        (b"nfsd mounts 1\n1 rdma h /a\n", "line 2 is not a host"),
        (b"nfsd mounts 1\n1 tcp h  /a\n", "line 2 is not a host"),
        (b"nfsd mounts 1\n-1 tcp h /a\n", "line 2 is not a host"),
        (b"nfsd mounts 1\n1 tcp h /" + b"a" * 1024 + b"\n", "line 2 has a path of more than 1024"),
    ],
)
def test_damaged_file_is_set_aside(
    directory: Directory, caplog: pytest.LogCaptureFixture, data: bytes, fault: str
) -> None:
    path = Path(directory.path) / "mounts"
    path.write_bytes(data)
    path.chmod(0o600)

    with caplog.at_level(logging.WARNING, "oncrpc.nfs"):
        mounts = loaded(directory)

    assert list(mounts) == []
    assert f"the mount list is damaged: {fault}" in caplog.text
    assert "set aside as mounts.corrupt" in caplog.text
    assert path.with_name("mounts.corrupt").read_bytes() == data


def test_file_open_to_others_is_set_aside(
    directory: Directory, caplog: pytest.LogCaptureFixture
) -> None:
    path = Path(directory.path) / "mounts"
    path.write_bytes(b"nfsd mounts 1\n1764000000 tcp 192.0.2.1 /srv\n")
    path.chmod(0o666)

    mounts = loaded(directory)

    assert not mounts.has("192.0.2.1")
    assert "it is open to others" in caplog.text


def test_full_disk_is_logged_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    tmp_path.chmod(0o700)
    full = True

    def write(descriptor: int, data: bytes) -> int:
        if full:
            raise OSError(28, "No space left on device")
        return os.write(descriptor, data)

    directory = Directory(str(tmp_path), write=write)
    file = MountFile(MountList(), directory)
    file.save()
    file.save()
    assert caplog.messages == ["the mount list cannot be written: No space left on device"]

    full = False
    file.save()
    full = True
    file.save()

    assert len(caplog.messages) == 2
    directory.close()


HOSTS = st.dictionaries(
    st.ip_addresses().map(str),
    st.tuples(
        st.integers(0, 10**10),
        st.booleans(),
        st.lists(st.binary(min_size=1, max_size=40).map(lambda rest: b"/" + rest), max_size=4),
    ),
    max_size=8,
)


@given(HOSTS)
def test_every_list_is_read_as_it_was_written(
    hosts: dict[str, tuple[int, bool, list[bytes]]],
) -> None:
    mounts = MountList()
    for host, (seen, proven, directories) in hosts.items():
        mounts.restore(host, directories, proven=proven, seen=seen)

    again = MountList()
    for host, known in decoded_mounts(encoded_mounts(mounts)):
        again.restore(host, known.directories, proven=known.proven, seen=known.seen)

    assert encoded_mounts(again) == encoded_mounts(mounts)
    assert list(again) == list(mounts)


@given(st.binary(max_size=200).map(lambda rest: b"nfsd mounts 1\n" + rest))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        found = list(decoded_mounts(data))
    except ValueError:
        return
    assert all(host for host, _ in found)


def test_list_of_rpc_mountd_is_read(tmp_path: Path) -> None:
    path = tmp_path / "rmtab"
    path.write_bytes(
        b"192.0.2.1:/srv:0x00000001\n"
        b"2001:db8::1:/srv/a b:0x00000002\n"
        b"files.example:/home:x:0x00000001\n"
        b"junk\n"
        b":/srv:0x00000001\n"
        b"192.0.2.9:relative:0x00000001\n"
        b"192.0.2.9:/" + b"x" * 1024 + b":0x00000001\n"
        b"192.0.2.3:/cut"
    )

    assert read_rmtab(str(path)) == [
        Mount("192.0.2.1", b"/srv"),
        Mount("2001:db8::1", b"/srv/a b"),
        Mount("files.example", b"/home:x"),
    ]


def test_long_rmtab_is_read_in_part(tmp_path: Path) -> None:
    path = tmp_path / "rmtab"
    with path.open("wb") as file:
        file.write(b"192.0.2.1:/srv:0x00000001\n")
        file.truncate(4 * MAX_RMTAB)

    assert read_rmtab(str(path)) == [Mount("192.0.2.1", b"/srv")]


@pytest.mark.parametrize("known", [False, True])
def test_rmtab_is_taken_over_once(directory: Directory, tmp_path: Path, known: bool) -> None:
    rmtab = tmp_path / "rmtab"
    rmtab.write_bytes(b"192.0.2.1:/srv:0x00000001\n")
    if known:
        MountFile(MountList(), directory).save()
    mounts = MountList()

    MountFile(mounts, directory, former=str(rmtab)).load()

    assert mounts.has("192.0.2.1") is not known
    assert not mounts.proved("192.0.2.1")


def test_missing_rmtab_is_no_error(directory: Directory, tmp_path: Path) -> None:
    mounts = MountList()

    MountFile(mounts, directory, former=str(tmp_path / "none")).load()

    assert list(mounts) == []
