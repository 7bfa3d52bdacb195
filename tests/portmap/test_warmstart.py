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
    """The registrations that a daemon restores from the path."""
    table = Registry()
    WarmStart(str(path)).load(table)
    return list(table)


def test_the_files_are_those_of_the_c_daemon(tmp_path: Path) -> None:
    WarmStart(str(tmp_path)).save(registry(NFS, STATD))

    assert (tmp_path / PORTMAP).read_bytes() == PORTMAP_FILE
    assert (tmp_path / RPCBIND).read_bytes() == RPCBIND_FILE


def test_saved_registrations_load_in_order(tmp_path: Path) -> None:
    WarmStart(str(tmp_path)).save(registry(STATD, LOCAL, NFS))

    assert loaded(tmp_path) == [STATD, LOCAL, NFS]
    assert loaded(tmp_path) == [STATD, LOCAL, NFS]


@pytest.mark.parametrize("name", [PORTMAP, RPCBIND])
def test_either_file_name_writes_both_files(tmp_path: Path, name: str) -> None:
    WarmStart(str(tmp_path / name)).save(registry(NFS))

    assert sorted(os.listdir(tmp_path)) == [PORTMAP, RPCBIND]


def test_other_name_has_version_3_format(tmp_path: Path) -> None:
    path = tmp_path / "registry"
    WarmStart(str(path)).save(registry(NFS, STATD))

    assert path.read_bytes() == RPCBIND_FILE
    assert loaded(path) == [NFS, STATD]


def test_other_name_may_have_version_2_format(tmp_path: Path) -> None:
    path = tmp_path / "portmap.file"
    path.write_bytes(PORTMAP_FILE)

    assert [entry.r_addr for entry in loaded(path)] == [b"0.0.0.0.8.1", b"0.0.0.0.216.137"]


def test_the_port_mapper_itself_is_not_restored(tmp_path: Path) -> None:
    WarmStart(str(tmp_path)).save(registry(OURS, NFS))

    assert loaded(tmp_path) == [NFS]


def test_without_files_nothing_is_restored(tmp_path: Path) -> None:
    assert loaded(tmp_path) == []


def test_version_2_mappings_belong_to_the_superuser(tmp_path: Path) -> None:
    (tmp_path / PORTMAP).write_bytes(PORTMAP_FILE)

    assert loaded(tmp_path) == [NFS, registered(100024, 1, "udp", "0.0.0.0.216.137")]


def test_mappings_of_other_protocols_are_skipped(tmp_path: Path) -> None:
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


def test_unreadable_files_are_renamed(tmp_path: Path) -> None:
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


def test_fifo_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / RPCBIND, 0o600)

    refused(tmp_path / RPCBIND)


def test_a_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / RPCBIND).mkdir(0o700)

    refused(tmp_path)


def test_oversized_file_is_corrupt(tmp_path: Path) -> None:
    path = tmp_path / RPCBIND
    path.touch(0o600)
    os.truncate(path, MAX_SIZE + 1)

    with pytest.raises(XdrError, match="the file is too long"):
        WarmStart(str(tmp_path)).load(Registry())


def test_largest_registry_can_be_read_again() -> None:
    largest = rpcb(0xFFFFFFFF, 0xFFFFFFFF, b"ticotsord", b"a" * MAX_PATH, b"o" * MAX_OWNER)
    node = codec(rpcblist_ptr).encode([rp__list(largest)])

    assert len(node) * MAX_REGISTRATIONS < MAX_SIZE


def test_unusable_registrations_are_counted(
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


def test_failed_save_leaves_no_new_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", full)

    assert not WarmStart(str(tmp_path)).save(registry(NFS))
    assert list(tmp_path.iterdir()) == []


def test_the_new_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    WarmStart(str(tmp_path)).save(registry(NFS))

    assert (tmp_path / RPCBIND).stat().st_mode & 0o777 == 0o600


def test_failed_save_leaves_the_old_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "gone" / RPCBIND
    WarmStart(str(path)).save(registry(NFS))

    assert "cannot write" in caplog.text


def test_half_written_save_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    warm = WarmStart(str(tmp_path))
    warm.save(registry(NFS))

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    warm.save(registry(STATD))
    assert loaded(tmp_path) == [NFS]

    monkeypatch.undo()
    warm.save(registry(STATD))
    assert loaded(tmp_path) == [STATD]
    assert sorted(os.listdir(tmp_path)) == [PORTMAP, RPCBIND]


def test_leftover_new_file_does_not_stop_saving(tmp_path: Path) -> None:
    for name in (RPCBIND, PORTMAP):
        (tmp_path / f"{name}.new").write_bytes(b"half")
        (tmp_path / f"{name}.{os.getpid()}").write_bytes(b"half")

    WarmStart(str(tmp_path)).save(registry(NFS))

    assert loaded(tmp_path) == [NFS]


def test_save_does_not_follow_a_link(tmp_path: Path) -> None:
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
