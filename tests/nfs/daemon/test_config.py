"""The configuration of the server: what is bound, and what contradicts itself."""

from __future__ import annotations

import pytest

from oncrpc.daemon.config.source import as_started, changed
from oncrpc.daemon.config.values import Address, ConfigError, FilePathOrUrl
from oncrpc.nfs.daemon.config import SCHEMA, LocksTable, NfsdConfig, NfsdDaemonTable, QuotaTable
from oncrpc.nfs.daemon.config_values import ExportClient, ProgramChoice, nfs_version_of
from oncrpc.nfs.daemon.vocabulary import versions_of
from oncrpc.programs.mount import MOUNT_V3, MOUNTVERS, MOUNTVERS_POSIX
from oncrpc.programs.nfs2 import NFS_VERSION
from oncrpc.programs.nfs3 import NFS_V3

LOOPBACKS = ("127.0.0.1", "::1")
DIRECTORY = {"directories": (FilePathOrUrl("/srv"),)}


@pytest.mark.parametrize(
    ("uid", "table", "hosts"),
    [
        (0, NfsdDaemonTable(), ()),
        (0, NfsdDaemonTable(loopback=True), LOOPBACKS),
        (1000, NfsdDaemonTable(), LOOPBACKS),
        (1000, NfsdDaemonTable(bind=(Address("0.0.0.0"),)), ("0.0.0.0",)),
        (1000, NfsdDaemonTable(to=(ExportClient("*"),), directories=(FilePathOrUrl("/srv"),)), ()),
    ],
)
def test_ordinary_user_binds_loopback_by_default(
    uid: int, table: NfsdDaemonTable, hosts: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: uid)

    assert table.hosts == hosts


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[daemon]\nlocal = true", "local: nfsd has no local sockets"),
        ('[daemon]\nto = ["*"]', "to is for directories; name one"),
        ('[daemon]\noverlay = "/up"', "overlay is for one directory; name one"),
        ('[daemon]\ndirectories = ["s3://b"]', "/b is a URL; add --backend fsspec"),
        ('[daemon]\ndirectories = ["/b"]\nbackend = "fsspec"', "/b is not a URL"),
        ('[daemon]\ndirectories = ["/b:C"]\nbackend = "fuse"', "/b:C is not FILE.py:CLASS"),
        (
            '[daemon]\ndirectories = ["/b.py:C"]\nbackend = "fuse"\noverlay = "/o"',
            "overlay is for local and fsspec",
        ),
        ('[daemon]\nbackend = "overlay"', "is not a back end for DIR; write local, fsspec or fuse"),
        (
            '[daemon]\ndirectories = ["s3://b"]\nbackend = "fsspec"\nworkers = 2',
            "workers are for directories of this host",
        ),
        ('[daemon]\nloopback = true\nbind = ["::"]', "contradict each other"),
        ('[daemon]\nonly = ["acl", "status"]', "acl needs the handles of nfs; add nfs to only"),
        ("[daemon]\nnfs-versions = [4]", "4 is not a version that is served"),
        ("[daemon]\nnfs-versions = [true]", "is not a version that is served"),
        ('[daemon]\nport-mapper = "c"', "write auto, host, own or none"),
        ("[daemon]\nonly = []", "is empty"),
        ('[daemon]\nonly = ["nfs"]\nnlm-port = 5', "nlm-port is for nlm; add nlm to only"),
        ('[daemon]\nonly = ["nfs"]\nmount-port = 5', "mount-port is for mount; add mount to only"),
        (
            '[daemon]\nonly = ["status"]\ndirectories = ["/srv"]',
            "status exports no directories; add nfs to only",
        ),
        ("[locks]\nper-client = 9\nmost = 8", "per-client is 9, more than most, 8; lower it"),
    ],
)
def test_contradictions_and_wrong_values_are_named(text: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason.replace("(", r"\(")):
        SCHEMA.parse(text, "nfsd.toml")


def test_lock_manager_implies_status_monitor() -> None:
    only = (ProgramChoice("nlm"), ProgramChoice("nfs"))

    assert NfsdDaemonTable(only=only).programs == ("nfs", "nlm", "status")


def test_implied_status_monitor_may_have_a_port() -> None:
    text = '[daemon]\nonly = ["nlm", "nfs"]\nstatus-port = 5'

    assert SCHEMA.parse(text, "nfsd.toml").daemon.port_for("status") == 5


def test_fewer_locks_of_all_clients_are_allowed() -> None:
    assert SCHEMA.parse("[locks]\nmost = 8", "nfsd.toml").locks.most == 8


def test_version_may_be_a_number_or_text() -> None:
    assert [nfs_version_of(value) for value in (3, "2")] == [3, 2]


def test_mount_versions_follow_those_of_nfs() -> None:
    assert versions_of(["nfs", "mount"], [2, 3]) == [
        NFS_V3, MOUNT_V3, NFS_VERSION, MOUNTVERS_POSIX, MOUNTVERS,
    ]  # fmt: skip
    assert versions_of(["mount"], [2]) == [MOUNTVERS_POSIX, MOUNTVERS]
    assert versions_of(["nfs"], [3]) == [NFS_V3]


def test_grace_and_quotas_wait_for_the_next_start() -> None:
    before = NfsdConfig(locks=LocksTable(grace=90))
    after = NfsdConfig(locks=LocksTable(grace=30, most=7), quota=QuotaTable(set=True))

    assert changed(before, after) == ["locks.grace", "quota.set"]
    assert as_started(before, after).locks == LocksTable(grace=90, most=7)
    assert as_started(before, after).quota == QuotaTable()
