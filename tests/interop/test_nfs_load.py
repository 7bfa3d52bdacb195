"""Two Linux kernels write, sync, compare, rename, remove, list and lock on ``nfsd`` for a time.

ONCRPC_LOAD_SECONDS is the time; see ``guest/load.c`` for what a guest does.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from support.hosts import status_of
from support.lan_guests import CLIENT, Lan
from support.lock_site import LOG, LOGGED
from support.nfs_host import NfsHost
from support.printed_lines import PrintedLines

pytestmark = [pytest.mark.interop, pytest.mark.slow]

SECONDS = int(os.environ.get("ONCRPC_LOAD_SECONDS", "20"))
PARTS = 10
GROWTH = 2048 if SECONDS >= 600 else 8192
"""KiB by which memory may grow in the second half: the caches are full after some minutes."""

EXPORTS = "/srv/ext4  *(rw,no_root_squash,insecure)\n"
MOUNT = "mount.nfs {server}:/srv/ext4 /mnt -o vers=3,proto={proto}"
OPTIONS = ("--log-format", "json")


class GuestLoad(NamedTuple):
    """What a guest has done."""

    rounds: int
    mebibytes: int
    others: int


class LoadRun(NamedTuple):
    """What came of the load: of each guest, of the number both count up, and of ``nfsd``."""

    guests: list[GuestLoad]
    counter: int
    memory: list[int]
    log: str


def loaded(printed: PrintedLines) -> GuestLoad:
    """Wait for the end of a guest's load."""
    assert printed.status() == 0, printed.text
    found = re.search(r"^done (\d+) (\d+) (\d+)$", printed.text, re.MULTILINE)
    assert found is not None, printed.text
    return GuestLoad(*map(int, found.groups()))


def memory_by_part(printed: PrintedLines, pid: int) -> Iterator[int]:
    """The resident memory of a process, in KiB, at the end of each part of the load."""
    for part in range(1, PARTS + 1):
        printed.line(f"^(part {part}|exit .*)$", timeout=SECONDS / PARTS + 30)
        yield int(status_of(pid)["VmRSS"].split()[0])


@pytest.fixture(scope="module")
def run(guest_image: Path, tmp_path_factory: pytest.TempPathFactory) -> LoadRun:
    """Both guests, one of them over IPv6, at the same time."""
    folder = tmp_path_factory.mktemp("load")
    with NfsHost(EXPORTS, *OPTIONS, around=LOGGED) as host, Lan(host, guest_image, folder) as lan:
        one, two = lan.boot("one", "two")
        for guest, server, proto in ((one, "server", "tcp"), (two, "server6", "tcp6")):
            guest.run(f"{CLIENT} && {MOUNT.format(server=server, proto=proto)}")
        begun = [one.begin(f"load /mnt 1 2 {SECONDS}"), two.begin(f"load /mnt 2 1 {SECONDS}")]
        memory = list(memory_by_part(begun[0], host.nfsd.pid))
        guests = [loaded(printed) for printed in begun]
        counter = int(Path(host.path("/srv/ext4/counter")).read_text())
        made = LoadRun(guests, counter, memory, Path(host.path(LOG)).read_text())
        print(f"{SECONDS} s: {guests}, counter {counter}, memory {memory} KiB")
        return made


def test_guests_read_what_either_wrote(run: LoadRun) -> None:
    assert all(guest.rounds > PARTS and guest.others > 0 for guest in run.guests)


def test_count_under_lock_loses_no_round(run: LoadRun) -> None:
    assert run.counter == sum(guest.rounds for guest in run.guests)


def test_memory_is_flat_after_warm_up(run: LoadRun) -> None:
    warm, *later = run.memory[PARTS // 2 - 1 :]

    assert max(later) - warm < GROWTH, run.memory


def test_load_leaves_no_error_in_log(run: LoadRun) -> None:
    lines = [json.loads(line) for line in run.log.splitlines()]

    assert lines
    assert [line for line in lines if line["level"] != "info"] == []
