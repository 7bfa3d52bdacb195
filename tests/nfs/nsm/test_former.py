"""``oncrpc.nfs.nsm.former``: what rpc.statd has left, and how a monitor goes on with it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from oncrpc.daemon.state.directory import Directory
from oncrpc.nfs.nsm.entries import RpcMonitor
from oncrpc.nfs.nsm.former import booted_at, monitor_of, read_former
from support.status_calls import StatusSite

PRIV = bytes(range(16))
MONITOR = RpcMonitor(b"192.0.2.1", b"server", 100021, 3, 16, PRIV)
LINE = b"0100007f 000186b5 00000003 00000010 000102030405060708090a0b0c0d0e0f 192.0.2.1 server"


@pytest.fixture
def statd(tmp_path: Path) -> Path:
    """The files of an rpc.statd that watches one host, and has still to notify another."""
    folder = tmp_path / "nfs"
    for name, host in (("sm", "one.example"), ("sm.bak", "two.example")):
        (folder / name).mkdir(parents=True)
        line = LINE if name == "sm" else LINE.replace(b"192.0.2.1", b"::ffff:192.0.2.2")
        (folder / name / host).write_bytes(line + b"\n")
    (folder / "state").write_bytes((57).to_bytes(4, sys.byteorder))
    return folder


@pytest.fixture
def own(tmp_path: Path) -> Directory:
    folder = tmp_path / "own"
    folder.mkdir(0o700)
    return Directory(str(folder))


def test_files_of_statd_are_read(statd: Path) -> None:
    found = read_former(str(statd))

    assert found.state == 57
    assert found.this_boot
    assert found.watched == [MONITOR]
    assert found.notices == [MONITOR._replace(mon_name=b"::ffff:192.0.2.2")]


def test_state_of_an_earlier_boot_is_old(statd: Path) -> None:
    os.utime(statd / "state", (booted_at() - 100, booted_at() - 100))

    assert not read_former(str(statd)).this_boot


def test_missing_files_are_nothing(tmp_path: Path) -> None:
    assert read_former(str(tmp_path)) == (None, False, [], [])


def test_odd_files_are_left_out(statd: Path) -> None:
    (statd / "state").write_bytes(b"57\n")
    (statd / "sm" / "folder").mkdir()
    (statd / "sm" / "link").symlink_to(statd / "sm" / "one.example")
    (statd / "sm" / ".one.example.new").write_bytes(LINE)
    os.mkfifo(statd / "sm" / "pipe")
    (statd / "sm" / "garbage").write_bytes(b"\xff\n" + LINE[:-20] + b"\n")

    found = read_former(str(statd))

    assert found.state is None
    assert found.watched == [MONITOR]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"192.0.2.1", b"../etc"),
        (b"000186b5", b"000186a3"),
        (b"00000010", b"00000017"),
        (b" server", b""),
        (b"000102", b"0001"),
    ],
)
def test_line_that_we_would_refuse_is_left_out(old: bytes, new: bytes) -> None:
    assert monitor_of(LINE.replace(old, new)) is None


def test_kernel_keeps_its_monitors_at_migration(
    statd: Path, own: Directory, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")

    site = StatusSite(directory=own, former=str(statd))

    assert site.monitor.number == (57, 57, b"boot")
    assert [*site.monitor.kept.monitors.values()] == [MONITOR]
    assert [*site.monitor.kept.notices] == [("192.0.2.2", "", b"server")]
    assert "1 watched hosts, 1 notices" in caplog.text
    own.close()


def test_first_start_after_a_boot_notifies_all(statd: Path, own: Directory) -> None:
    os.utime(statd / "state", (1, 1))

    site = StatusSite(directory=own, former=str(statd))

    assert site.monitor.number == (59, 59, b"boot")
    assert not site.monitor.kept.monitors
    hosts = {notice.host for notice in site.monitor.kept.notices.values()}
    assert hosts == {"192.0.2.1", "192.0.2.2"}
    own.close()


def test_second_start_does_not_read_statd(statd: Path, own: Directory) -> None:
    StatusSite(directory=own, former=str(statd))
    (statd / "sm" / "one.example").unlink()

    site = StatusSite(directory=own, former=str(statd))

    assert len(site.monitor.kept.monitors) == 1
    own.close()
