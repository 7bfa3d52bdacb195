"""The command nfsd status: what it shows, and its exit status."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from oncrpc.cli import nfsd
from oncrpc.cli.nfsd.status import status_lines
from oncrpc.daemon.control.status import RulesRead
from oncrpc.nfs.daemon.status import MapperState, WorkerStatus
from support.fake_control import FakeControl, reply
from support.sample_nfsd_status import (
    CLIENT,
    EXPORT,
    LOCKED,
    LOCKS,
    MONITOR,
    OPEN,
    some_nfsd_status,
)

TEXT = """\
nfsd 0.1.0, process 4242, up 3 d 4 h
mode          root: works as the user of each call, with the kernel's handles
programs      nfs 2 and 3, mountd 1, 2 and 3
tcp           0.0.0.0:2049  0.0.0.0:111 (port mapper)
tcp6          [::]:2049
connections   tcp 3
calls         1004 in 1 h 30 min, 12.5 a second lately
refused       12 unauthorized, 1 indirect
dropped       7 over their rate, 2 replies too long
other ports   mount 20048
port mapper   of this host, registered
policy        /etc/portmap.toml, 3 rules
state         /var/lib/nfsd
mounts        2
replies kept  5
open files    1, and 7 for a moment
locks         2 held, 1 waiting; 2 files, 2 clients
grace         at most 41 s more, for one.example.com (192.0.2.7)
monitor       state 7, watches 1 client, and 1 host for other programs
notices to    192.0.2.8 and 2 more; no answer from 2

procedure       calls  a second  ms each
nfs GETATTR v3   1000      12.5     0.50
mountd MNT v3       4       0.0    25.00

export     ids     mounts  clients
/srv/data  kernel       2  192.0.2.0/24

client     calls  connections  last call
192.0.2.7    990            1  3 s ago

open file      client     open for  idle  unsynced
/srv/data/log  192.0.2.7     1 min   2 s   4.0 KiB

file                          client                       process  bytes  lock             since
/srv/data/log                 one.example.com (192.0.2.7)     4711  0-99   exclusive        3 min 2 s
                              192.0.2.8                         92  50-    shared, waiting  8 s
export that is gone, file 0c  one.example.com (192.0.2.7)        1  all    shared           1 s
warning: /etc/exports:3:1: odd
"""  # noqa: E501  # a line of a wide table


NOTHING: dict[str, Any] = {
    "exports": [], "clients": [], "faults": [], "files": [], "locks": None,
}  # fmt: skip


def test_status_is_one_screen() -> None:
    assert list(status_lines(some_nfsd_status())) == TEXT.splitlines()


def test_open_files_beyond_ten_are_counted() -> None:
    files = [replace(OPEN, path=f"/srv/{n}") for n in range(20)]

    lines = list(status_lines(some_nfsd_status(files=files, open_files=300)))

    assert "/srv/9" in "\n".join(lines)
    assert "/srv/10" not in "\n".join(lines)
    assert "and 290 more" in lines


def test_missing_exports_are_said() -> None:
    lines = list(status_lines(some_nfsd_status(**NOTHING)))

    assert lines[-2:] == ["", "nothing is exported"]


def test_missing_policy_file_is_named() -> None:
    status = some_nfsd_status(policy=RulesRead("/etc/nfsd.toml", 0, missing=True))

    assert "policy        /etc/nfsd.toml, missing" in status_lines(status)


def test_status_monitor_alone_misses_no_exports() -> None:
    alone = some_nfsd_status(exports=[], clients=[], faults=[], locks=None, programs=["status 1"])

    lines = list(status_lines(alone))
    assert "nothing is exported" not in lines
    assert lines[1] == "user          root"
    assert not [line for line in lines if line.startswith(("mode", "on this host", "mounts"))]


@pytest.mark.parametrize(
    ("mode", "text"),
    [
        ("plain", "no capability: all work as al, with handles of a table"),
        ("handles", "CAP_DAC_READ_SEARCH only: all work as al, with the kernel's handles"),
    ],
)
def test_mode_says_as_whom_callers_work(mode: str, text: str) -> None:
    lines = list(status_lines(some_nfsd_status(mode=mode, user="al")))

    assert lines[1] == f"mode          {text}"


@pytest.mark.parametrize(("user", "who"), [("al", "root and al"), ("root", "root")])
def test_limit_to_own_users_is_shown(user: str, who: str) -> None:
    lines = list(status_lines(some_nfsd_status(mode="plain", user=user, local_users=False)))

    assert lines[2] == f"on this host  served over TCP, to {who} only"


def test_check_of_local_users_is_shown() -> None:
    lines = list(status_lines(some_nfsd_status(peer_uid=True)))

    assert lines[2] == "on this host  served over TCP, to each user as itself (peer-uid)"


@pytest.mark.parametrize(
    ("mapper", "text"),
    [
        (MapperState("own", 40111, ""), "our own, on port 40111"),
        (MapperState("none", 0, ""), "none"),
        (MapperState("host", 111, None), "of this host, not asked yet"),
        (MapperState("host", 111, "it is gone"), "of this host, it is gone"),
    ],
)
def test_port_mapper_is_described(mapper: MapperState, text: str) -> None:
    assert f"port mapper   {text}" in status_lines(some_nfsd_status(mapper=mapper))


def test_names_of_others_are_escaped() -> None:
    export = EXPORT.__class__("/a\x1b[2J", 1, "kernel", 1, ["\x07(rw)"], 0)
    client, file = replace(CLIENT, host="\x1b]"), replace(OPEN, path="/\x1b[2J\n")

    status = some_nfsd_status(exports=[export], clients=[client], files=[file])
    text = "\n".join(status_lines(status))

    assert text.replace("\n", "").isprintable()


def test_notices_that_are_being_sent_are_listed() -> None:
    sending = replace(MONITOR, notices=["192.0.2.8"], pending=1, unreachable=0)

    assert "notices to    192.0.2.8" in list(status_lines(some_nfsd_status(monitor=sending)))


def test_many_locks_are_for_another_command() -> None:
    many = replace(LOCKS, listed=[LOCKED] * 6)

    lines = list(status_lines(some_nfsd_status(locks=many, faults=[])))

    assert lines[-1] == "and more; see 'nfsd locks'"
    assert sum(line.startswith("/srv/data/log  one") for line in lines) == 5


def test_programs_that_are_not_served_have_no_lines() -> None:
    lines = list(status_lines(some_nfsd_status(locks=None, monitor=None)))

    assert not [line for line in lines if line.startswith(("locks", "grace", "monitor", "notices"))]


def test_json_is_the_whole_status(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with FakeControl(tmp_path, reply(some_nfsd_status())):
        assert nfsd.main(["status", "--json", "--state-dir", str(tmp_path)]) == 0

    found = json.loads(capsys.readouterr().out)
    assert (found["mode"], found["exports"][0]["path"]) == ("root", "/srv/data")


def test_daemon_is_found_by_its_state_directory(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with FakeControl(tmp_path, reply(some_nfsd_status())):
        assert nfsd.main(["status", "--state-dir", str(tmp_path)]) == 0

    assert capsys.readouterr().out == TEXT


def test_missing_daemon_has_status_3(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert nfsd.main(["status", "--state-dir", str(tmp_path)]) == 3
    assert capsys.readouterr().err == f"nfsd: not running: nobody answers at {tmp_path}/control\n"


def test_worker_processes_are_listed() -> None:
    workers = [WorkerStatus(1, 4243, 1, 1), WorkerStatus(2, 4244, 3, 2), WorkerStatus(3, 0, 0, 1)]
    lines = list(status_lines(some_nfsd_status(workers=workers)))

    assert (
        "workers       process 4243 (1 connection), process 4244 (3 connections, started 2 times),"
        " 3 does not run"
    ) in lines
