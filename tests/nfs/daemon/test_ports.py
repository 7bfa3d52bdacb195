"""The ports of the programs."""

from __future__ import annotations

from typing import Any

import pytest

from oncrpc.nfs.daemon.config import NfsdDaemonTable
from oncrpc.nfs.daemon.config_values import ProgramChoice
from oncrpc.nfs.daemon.ports import main_port, roles


def table(*only: str, **ports: Any) -> NfsdDaemonTable:
    """A table with these programs, and ports."""
    chosen = tuple(map(ProgramChoice, only)) or NfsdDaemonTable().only
    return NfsdDaemonTable(only=chosen, **ports)


@pytest.mark.parametrize(
    ("made", "port"),
    [
        (table(), 2049),
        (table(port=0), 0),
        (table("nfs"), 2049),
        (table("mount"), 0),
        (table("mount", mount_port=20048), 20048),
        (table("mount", port=4000, mount_port=20048), 4000),
    ],
)
def test_main_port_is_that_of_nfs(made: NfsdDaemonTable, port: int) -> None:
    assert main_port(made) == port


@pytest.mark.parametrize(
    ("made", "role"),
    [
        (table(), ""),
        (table(mount_port=2049), ""),
        (table(mount_port=20048), "mount"),
        (table("mount", mount_port=20048), ""),
    ],
)
def test_program_is_registered_at_its_port(made: NfsdDaemonTable, role: str) -> None:
    assert roles(made)["mount"] == role


def test_programs_may_share_a_port() -> None:
    found = roles(table(mount_port=4000, nlm_port=4000, status_port=4001, rquota_port=2049))

    assert found == {
        "mount": "mount", "nfs": "", "acl": "", "nlm": "mount", "status": "status", "rquota": "",
    }  # fmt: skip


def test_status_monitor_alone_has_a_port() -> None:
    assert main_port(table("status", status_port=662)) == 662
    assert main_port(table("status")) == 0
