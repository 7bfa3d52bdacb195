"""``nfs mount``: its options, and errors before anything is mounted."""

from __future__ import annotations

from pathlib import Path

import pytest

from oncrpc.cli.nfs.command_line import parse_command
from oncrpc.cli.nfs.mount import COMMAND, MountPlan, plan_of
from support.nfs_commands import run_nfs

URL = "nfs://files.example/srv/a,b"


def planned(*words: str) -> MountPlan:
    return plan_of(parse_command(COMMAND, [*words, URL, "/mnt"]))


def test_source_is_shown_in_the_table() -> None:
    plan = planned()

    assert (plan.directory, plan.timeout) == ("/mnt", 60.0)
    assert plan.options == {
        "nosuid": True,
        "nodev": True,
        "fsname": "files.example:/srv/a\\,b",
        "subtype": "nfs",
    }


def test_options_of_libfuse_are_passed() -> None:
    options = planned("-o", "ro,suid,noexec").options

    assert {"ro", "suid", "nodev", "noexec"} <= options.keys()
    assert "nosuid" not in options


@pytest.mark.parametrize("shared", ["allow_other", "allow_root"])
def test_shared_mount_checks_permissions(shared: str) -> None:
    assert planned("-o", shared).options["default_permissions"] is True


def test_connection_options_are_those_of_urls() -> None:
    url = planned("-o", "vers=2,port=2050", "-o", "nfsvers=2,port=2050,mountport=7").url

    assert (url.version, url.port, url.mount_port) == (2, 2050, 7)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("soft", "unknown mount option 'soft': must be one of ro, rw,"),
        ("ro=1", "unknown mount option 'ro=1'"),
        ("vers=4", "version=4: must be 2 to 3"),
    ],
)
def test_wrong_options_are_usage_errors(option: str, message: str) -> None:
    ended = run_nfs("mount", "-o", option, URL, "/mnt")

    assert ended.status == 2
    assert message in ended.err


def test_missing_directory_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    missing = run_nfs("mount", URL, f"{tmp_path}/no")
    no_directory = run_nfs("mount", URL, f"{tmp_path}/file")

    assert missing.status == no_directory.status == 1
    assert missing.err.startswith(f"nfs mount: {tmp_path}/no: No such file or directory; give")
    assert "Not a directory" in no_directory.err
