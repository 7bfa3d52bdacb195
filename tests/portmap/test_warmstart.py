"""The C daemon's files: read once, rewritten in one step, and never read from the wrong hands."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oncrpc.errors import XdrError
from oncrpc.portmap.config import MAX_REGISTRATIONS
from oncrpc.portmap.registry import MAX_PATH, Registry
from oncrpc.portmap.warmstart import MAX_OWNER, MAX_SIZE, PORTMAP, RPCBIND, WarmStart
from oncrpc.programs.rpcb import rp__list, rpcb, rpcblist_ptr
from oncrpc.xdr import codec
from support.callers import registered
from support.words import words

NFS = registered(100003, 3, "tcp", "0.0.0.0.8.1")
STATD = registered(100024, 1, "udp", "0.0.0.0.216.137", "103")
LOCAL = registered(400001, 1, "local", "/run/one.sock", "103")
OURS = registered(100000, 4, "tcp", "0.0.0.0.0.111")
PORTMAP_FILE = words(
    1, 100003, 3, 6, 2049,
    1, 100024, 1, 17, 55433,
    0,
)  # fmt: skip
RPCBIND_FILE = words(
    1, 100003, 3, 3, b"tcp\0", 11, b"0.0.0.0.8.1\0", 9, b"superuser\0\0\0",
    1, 100024, 1, 3, b"udp\0", 15, b"0.0.0.0.216.137\0", 3, b"103\0",
    0,
)  # fmt: skip


def registry(*entries: rpcb) -> Registry:
    """A registry of these."""
    made = Registry()
    for entry in entries:
        assert made.set(entry)
    return made


def loaded(path: Path) -> list[rpcb]:
    """What a daemon that starts with the path takes from it."""
    table = Registry()
    WarmStart(str(path)).load(table)
    return list(table)


def test_the_files_are_those_of_the_c_daemon(tmp_path: Path) -> None:
    WarmStart(str(tmp_path)).save(registry(NFS, STATD))

    assert (tmp_path / PORTMAP).read_bytes() == PORTMAP_FILE
    assert (tmp_path / RPCBIND).read_bytes() == RPCBIND_FILE


def test_what_was_saved_is_loaded_in_order_and_with_its_owners(tmp_path: Path) -> None:
    WarmStart(str(tmp_path)).save(registry(STATD, LOCAL, NFS))

    assert loaded(tmp_path) == [STATD, LOCAL, NFS]
    assert loaded(tmp_path) == [STATD, LOCAL, NFS]


@pytest.mark.parametrize("name", [PORTMAP, RPCBIND])
def test_one_of_the_two_names_stands_for_both(tmp_path: Path, name: str) -> None:
    WarmStart(str(tmp_path / name)).save(registry(NFS))

    assert sorted(os.listdir(tmp_path)) == [PORTMAP, RPCBIND]


def test_another_name_is_one_file_in_the_format_of_version_3(tmp_path: Path) -> None:
    path = tmp_path / "registry"
    WarmStart(str(path)).save(registry(NFS, STATD))

    assert path.read_bytes() == RPCBIND_FILE
    assert loaded(path) == [NFS, STATD]


def test_another_name_may_hold_the_format_of_version_2(tmp_path: Path) -> None:
    path = tmp_path / "portmap.file"
    path.write_bytes(PORTMAP_FILE)

    assert [entry.r_addr for entry in loaded(path)] == [b"0.0.0.0.8.1", b"0.0.0.0.216.137"]


def test_the_port_mapper_itself_is_not_restored(tmp_path: Path) -> None:
    WarmStart(str(tmp_path)).save(registry(OURS, NFS))

    assert loaded(tmp_path) == [NFS]


def test_where_there_is_no_file_nothing_is_restored(tmp_path: Path) -> None:
    assert loaded(tmp_path) == []


def test_the_file_of_version_2_alone_gives_its_mappings_to_the_superuser(tmp_path: Path) -> None:
    (tmp_path / PORTMAP).write_bytes(PORTMAP_FILE)

    assert loaded(tmp_path) == [NFS, registered(100024, 1, "udp", "0.0.0.0.216.137")]


def test_mappings_of_other_protocols_are_left_out_and_ports_cut(tmp_path: Path) -> None:
    (tmp_path / PORTMAP).write_bytes(words(1, 1, 1, 132, 5, 1, 1, 1, 6, 65541, 0))

    assert loaded(tmp_path) == [registered(1, 1, "tcp", "0.0.0.0.0.5")]


@pytest.mark.parametrize("bad", [PORTMAP, RPCBIND])
@pytest.mark.parametrize("content", [b"", words(1), PORTMAP_FILE[:-1], RPCBIND_FILE + b"\0\0\0\0"])
def test_of_two_files_both_are_taken_or_neither(tmp_path: Path, bad: str, content: bytes) -> None:
    WarmStart(str(tmp_path)).save(registry(NFS))
    (tmp_path / bad).write_bytes(content)
    table = Registry()

    with pytest.raises(XdrError):
        WarmStart(str(tmp_path)).load(table)

    assert len(table) == 0


def test_files_that_cannot_be_read_are_kept_under_another_name(tmp_path: Path) -> None:
    (tmp_path / RPCBIND).write_bytes(b"junk")

    WarmStart(str(tmp_path)).set_aside()

    assert os.listdir(tmp_path) == [RPCBIND + ".corrupt"]
    assert (tmp_path / (RPCBIND + ".corrupt")).read_bytes() == b"junk"


def test_registrations_that_are_not_usable_are_left_out(tmp_path: Path) -> None:
    (tmp_path / RPCBIND).write_bytes(
        words(1, 1, 1, 6, b"foonet\0\0", 3, b"abc\0", 0, 0)
    )  # fmt: skip

    assert loaded(tmp_path) == []


def refused(path: Path) -> None:
    """The path is not to be read."""
    with pytest.raises(OSError, match=r"."):
        loaded(path)


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_may_write_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / RPCBIND
    path.write_bytes(RPCBIND_FILE)
    path.chmod(mode)

    refused(path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_somebody_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / RPCBIND
    path.write_bytes(RPCBIND_FILE)
    path.chmod(0o600)
    os.chown(path, 12345, 12345)

    refused(path)


def test_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(RPCBIND_FILE)
    (tmp_path / RPCBIND).symlink_to(tmp_path / "elsewhere")

    refused(tmp_path / RPCBIND)


def test_a_link_to_nothing_is_refused(tmp_path: Path) -> None:
    (tmp_path / RPCBIND).symlink_to(tmp_path / "nowhere")

    refused(tmp_path / RPCBIND)


def test_a_fifo_is_refused_without_waiting_for_its_writer(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / RPCBIND, 0o600)

    refused(tmp_path / RPCBIND)


def test_a_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / RPCBIND).mkdir(0o700)

    refused(tmp_path)


def test_a_file_beyond_all_measure_is_refused_as_a_corrupt_one(tmp_path: Path) -> None:
    path = tmp_path / RPCBIND
    path.touch(0o600)
    os.truncate(path, MAX_SIZE + 1)

    with pytest.raises(XdrError, match="the file is too long"):
        WarmStart(str(tmp_path)).load(Registry())


def test_the_largest_registry_makes_a_file_that_can_be_read() -> None:
    largest = rpcb(0xFFFFFFFF, 0xFFFFFFFF, b"ticotsord", b"a" * MAX_PATH, b"o" * MAX_OWNER)
    node = codec(rpcblist_ptr).encode([rp__list(largest)])

    assert len(node) * MAX_REGISTRATIONS < MAX_SIZE


def test_what_cannot_be_registered_is_left_out_and_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    odd = [
        rpcb(400001, 1, b"nosuchnetid", b"0.0.0.0.8.1", b"superuser"),
        rpcb(400002, 1, b"tcp", b"0.0.0.0.8.1", b"\x1b[31m"),
        rpcb(400003, 1, b"tcp", b"0.0.0.0.8.1", b"superuser"),
    ]
    path = tmp_path / RPCBIND
    path.write_bytes(codec(rpcblist_ptr).encode([rp__list(entry) for entry in odd]))
    path.chmod(0o600)

    assert WarmStart(str(tmp_path)).load(Registry()) == 1
    assert "2 registrations could not be restored" in caplog.text


def test_a_save_that_failed_leaves_nothing_beside_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", full)

    assert not WarmStart(str(tmp_path)).save(registry(NFS))
    assert list(tmp_path.iterdir()) == []


def test_the_new_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    WarmStart(str(tmp_path)).save(registry(NFS))

    assert (tmp_path / RPCBIND).stat().st_mode & 0o777 == 0o600


def test_a_save_that_fails_leaves_the_old_file_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "gone" / RPCBIND
    WarmStart(str(path)).save(registry(NFS))

    assert "cannot write" in caplog.text


def test_a_save_that_fails_halfway_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    warm = WarmStart(str(tmp_path))
    warm.save(registry(NFS))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    warm.save(registry(STATD))
    assert loaded(tmp_path) == [NFS]

    monkeypatch.undo()
    warm.save(registry(STATD))
    assert loaded(tmp_path) == [STATD]
    assert sorted(os.listdir(tmp_path)) == [PORTMAP, RPCBIND]


def test_what_a_crash_left_behind_does_not_stop_the_next_save(tmp_path: Path) -> None:
    for name in (RPCBIND, PORTMAP):
        (tmp_path / f"{name}.new").write_bytes(b"half")
        (tmp_path / f"{name}.{os.getpid()}").write_bytes(b"half")

    WarmStart(str(tmp_path)).save(registry(NFS))

    assert loaded(tmp_path) == [NFS]


def test_a_link_in_the_way_of_a_save_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    (tmp_path / f"{RPCBIND}.new").symlink_to(victim)

    WarmStart(str(tmp_path)).save(registry(NFS))

    assert victim.read_bytes() == b"precious"


@given(st.binary(max_size=200))
def test_any_bytes_are_registrations_or_an_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.mktemp("warm") / "any"
    path.write_bytes(content)
    with contextlib.suppress(XdrError):
        loaded(path)
