"""The init of this host: systemd, or the scripts of System V's init."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from glob import glob
from typing import NamedTuple

from oncrpc.daemon.install.product import SYSTEMD, SYSV, Product

SYSTEMD_RUNS = "/run/systemd/system"
SYSTEMD_IS_THERE = ("/lib/systemd/systemd", "/usr/lib/systemd/systemd")
PACKAGED = ("/usr/lib/systemd/system", "/lib/systemd/system")
"""Directories of units that packages install."""

UPDATE_RC, CHKCONFIG = "update-rc.d", "chkconfig"

NOT_RUN = 127
"""The status that a shell gives for a command that it cannot run."""

Command = Sequence[str]

WORDS = ("start", "stop", "restart", "condrestart", "reload", "status")


def driven(product: Product, init: str, word: str) -> Command:
    """The command for one of ``WORDS``."""
    if init == SYSV:
        return (product.script, word)
    units = product.units if word in ("start", "stop") else (product.service,)
    verbs = {"condrestart": ("try-restart",), "status": ("--no-pager", "status")}
    return ("systemctl", *verbs.get(word, (word,)), *units)


class Conflict(NamedTuple):
    """A service that is in the way, and the commands to stop it."""

    what: str
    commands: tuple[str, ...]


@dataclass(frozen=True)
class Host:
    """A host, and the product to install on it; tests have hosts of their own."""

    product: Product
    run: Callable[[Command], subprocess.CompletedProcess[str]]
    which: Callable[[str], str | None] = shutil.which
    root: str = ""

    def there(self, path: str) -> bool:
        """Whether a file exists."""
        return os.path.exists(self.root + path)


def this_machine(product: Product) -> Host:
    """The machine that this process runs on."""
    return Host(product, _run)


def _run(command: Command) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        reason = (error.strerror or "").lower()
        return subprocess.CompletedProcess(command, NOT_RUN, "", f"{command[0]}: {reason}\n")


def init_of(host: Host, *, running: bool = True) -> str:
    """The kind of init that runs, or that a root folder has."""
    places = (SYSTEMD_RUNS,) if running else SYSTEMD_IS_THERE
    return SYSTEMD if any(map(host.there, places)) else SYSV


def after_writing(host: Host, init: str) -> list[Command]:
    """The commands to run after the files were written; they start nothing."""
    if init == SYSV:
        return []
    made: list[Command] = [
        ("systemd-sysusers", host.product.users),
        ("systemd-tmpfiles", "--create", host.product.folders),
    ]
    return [*(made if host.product.activated else ()), ("systemctl", "daemon-reload")]


def enable(host: Host, init: str) -> Command | None:
    """The command that enables the service at boot; None if the host has none."""
    if init == SYSTEMD:
        return ("systemctl", "enable", *host.product.units)
    if host.which(UPDATE_RC):
        return (UPDATE_RC, host.product.name, "defaults")
    return (CHKCONFIG, "--add", host.product.name) if host.which(CHKCONFIG) else None


def before_removal(host: Host, init: str) -> list[Command]:
    """The commands to run before the files are removed: stop and disable the service."""
    if init == SYSTEMD:
        return [("systemctl", "disable", "--now", *host.product.units)]
    chkconfig = [(CHKCONFIG, "--del", host.product.name)] if host.which(CHKCONFIG) else []
    script = host.product.script
    return [(script, "stop"), *chkconfig] if host.there(script) else []


def after_removal(host: Host, init: str) -> list[Command]:
    """The commands to run after the files were removed."""
    if init == SYSTEMD:
        return [("systemctl", "daemon-reload")]
    return [(UPDATE_RC, host.product.name, "remove")] if host.which(UPDATE_RC) else []


def conflict(host: Host, init: str, *, now: bool = False) -> Conflict | None:
    """A rival service that runs or, unless only ``now`` counts, is enabled at boot."""
    found = _other_units(host, now=now) if init == SYSTEMD else _other_script(host, now=now)
    if not found:
        return None
    commands: tuple[str, ...]
    if init == SYSTEMD:
        commands = (f"systemctl disable --now {' '.join(host.product.rival_units)}",)
    else:
        off = f"{UPDATE_RC} {host.product.rival} disable"
        if not host.which(UPDATE_RC):
            off = f"{CHKCONFIG} {host.product.rival} off"
        commands = (f"service {host.product.rival} stop", off)
    return Conflict(", ".join(found), commands)


def _other_units(host: Host, *, now: bool) -> list[str]:
    """The rival's units; once ours are enabled, their names are aliases of ours."""
    said = host.run(
        ("systemctl", "show", "--property=Id,ActiveState,UnitFileState", *host.product.rival_units)
    ).stdout
    units = [dict(_properties(block)) for block in said.split("\n\n")]
    return [
        f"{unit['Id']} is {' and '.join(states)}"
        for unit in units
        if unit.get("Id") in host.product.rival_units and (states := _states(unit, now=now))
    ]


def _properties(block: str) -> list[tuple[str, str]]:
    lines = (line.partition("=") for line in block.splitlines())
    return [(name, value) for name, equals, value in lines if equals]


def _states(unit: Mapping[str, str], *, now: bool) -> list[str]:
    told = (unit.get("ActiveState", ""), "" if now else unit.get("UnitFileState", ""))
    return [state for state in told if state in ("active", "activating", "enabled")]


def _other_script(host: Host, *, now: bool) -> list[str]:
    found = []
    process_name = host.product.rival_process or host.product.rival
    if any(_is_process_of(process_name, process) for process in glob(f"{host.root}/proc/[0-9]*")):
        found.append(f"{host.product.rival} is running")
    if not now and glob(f"{host.root}/etc/rc*.d/S??{host.product.rival}"):
        found.append(f"{host.product.rival} starts with this host")
    return found


def _is_process_of(rival: str, process: str) -> bool:
    """Whether a process has that name and our network namespace."""
    network = f"{os.path.dirname(process)}/self/ns/net"
    try:
        with open(f"{process}/comm", encoding="utf-8", errors="replace") as file:
            name = file.read().strip()
        return name == rival and os.readlink(f"{process}/ns/net") == os.readlink(network)
    except OSError:  # it has ended
        return False
