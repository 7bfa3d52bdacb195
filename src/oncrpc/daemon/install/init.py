"""What starts and stops the services of this host: systemd, or the scripts of System V's init."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from glob import glob
from typing import NamedTuple

from oncrpc.daemon.install.files import SOURCES

SYSTEMD, SYSV = "systemd", "sysv"
SYSTEMD_RUNS = "/run/systemd/system"
SYSTEMD_IS_THERE = ("/lib/systemd/systemd", "/usr/lib/systemd/systemd")
SERVICE, SOCKET = "portmap.service", "portmap.socket"
PACKAGED = ("/usr/lib/systemd/system", "/lib/systemd/system")
"""Where packages have their units."""

OTHERS = ("rpcbind.socket", "rpcbind.service")
OTHER = "rpcbind"
"""What serves the same ports, under other names."""

SCRIPT = SOURCES[SYSV][0].path
UPDATE_RC, CHKCONFIG = "update-rc.d", "chkconfig"

NOT_RUN = 127
"""The status that a shell has for a command that it cannot run."""

Command = Sequence[str]

DRIVEN: dict[str, dict[str, Command]] = {
    SYSTEMD: {
        "start": ("systemctl", "start", SOCKET, SERVICE),
        "stop": ("systemctl", "stop", SOCKET, SERVICE),
        "restart": ("systemctl", "restart", SERVICE),
        "condrestart": ("systemctl", "try-restart", SERVICE),
        "reload": ("systemctl", "reload", SERVICE),
        "status": ("systemctl", "--no-pager", "status", SERVICE),
    },
    SYSV: {
        word: (SCRIPT, word)
        for word in ("start", "stop", "restart", "condrestart", "reload", "status")
    },
}
"""What is run for a word."""


class Conflict(NamedTuple):
    """What is in the way, and the commands that an administrator may want to run."""

    what: str
    commands: tuple[str, ...]


@dataclass(frozen=True)
class Host:
    """How a host is asked and told; what is not here is this machine's, or a test's."""

    run: Callable[[Command], subprocess.CompletedProcess[str]]
    which: Callable[[str], str | None] = shutil.which
    root: str = ""

    def there(self, path: str) -> bool:
        """Whether there is such a file."""
        return os.path.exists(self.root + path)


def this_host() -> Host:
    """The machine that we run on."""
    return Host(_run)


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


def prepare(init: str) -> list[Command]:
    """The commands after the files were written, which start nothing."""
    if init == SYSV:
        return []
    users, folders = (source.path for source in SOURCES[SYSTEMD][2:])
    return [
        ("systemd-sysusers", users),
        ("systemd-tmpfiles", "--create", folders),
        ("systemctl", "daemon-reload"),
    ]


def enable(host: Host, init: str) -> Command | None:
    """The command that has the service start with the host; None where there is none for it."""
    if init == SYSTEMD:
        return ("systemctl", "enable", SOCKET, SERVICE)
    if host.which(UPDATE_RC):
        return (UPDATE_RC, "portmap", "defaults")
    return (CHKCONFIG, "--add", "portmap") if host.which(CHKCONFIG) else None


def before_removal(host: Host, init: str) -> list[Command]:
    """The commands before the files are removed: stop the service, and have it start no more."""
    if init == SYSTEMD:
        return [("systemctl", "disable", "--now", SOCKET, SERVICE)]
    chkconfig = [(CHKCONFIG, "--del", "portmap")] if host.which(CHKCONFIG) else []
    return [(SCRIPT, "stop"), *chkconfig] if host.there(SCRIPT) else []


def after_removal(host: Host, init: str) -> list[Command]:
    """The commands once the files are gone."""
    if init == SYSTEMD:
        return [("systemctl", "daemon-reload")]
    return [(UPDATE_RC, "portmap", "remove")] if host.which(UPDATE_RC) else []


def conflict(host: Host, init: str, *, now: bool = False) -> Conflict | None:
    """Another port mapper that runs, or, unless it is about ``now``, that starts with the host."""
    found = _other_units(host, now=now) if init == SYSTEMD else _other_script(host, now=now)
    if not found:
        return None
    commands: tuple[str, ...]
    if init == SYSTEMD:
        commands = (f"systemctl disable --now {' '.join(OTHERS)}",)
    else:
        off = f"{UPDATE_RC} {OTHER} disable"
        if not host.which(UPDATE_RC):
            off = f"{CHKCONFIG} {OTHER} off"
        commands = (f"service {OTHER} stop", off)
    return Conflict(", ".join(found), commands)


def _other_units(host: Host, *, now: bool) -> list[str]:
    """Once ours are enabled, theirs are other names of ours."""
    said = host.run(
        ("systemctl", "show", "--property=Id,ActiveState,UnitFileState", *OTHERS)
    ).stdout
    units = [dict(_properties(block)) for block in said.split("\n\n")]
    return [
        f"{unit['Id']} is {' and '.join(states)}"
        for unit in units
        if unit.get("Id") in OTHERS and (states := _states(unit, now=now))
    ]


def _properties(block: str) -> list[tuple[str, str]]:
    lines = (line.partition("=") for line in block.splitlines())
    return [(name, value) for name, equals, value in lines if equals]


def _states(unit: Mapping[str, str], *, now: bool) -> list[str]:
    told = (unit.get("ActiveState", ""), "" if now else unit.get("UnitFileState", ""))
    return [state for state in told if state in ("active", "activating", "enabled")]


def _other_script(host: Host, *, now: bool) -> list[str]:
    found = []
    if any(_is_other(process) for process in glob(f"{host.root}/proc/[0-9]*")):
        found.append(f"{OTHER} is running")
    if not now and glob(f"{host.root}/etc/rc*.d/S??{OTHER}"):
        found.append(f"{OTHER} starts with this host")
    return found


def _is_other(process: str) -> bool:
    """A process of that name that has the same network as we."""
    network = f"{os.path.dirname(process)}/self/ns/net"
    try:
        with open(f"{process}/comm", encoding="utf-8", errors="replace") as file:
            name = file.read().strip()
        return name == OTHER and os.readlink(f"{process}/ns/net") == os.readlink(network)
    except OSError:  # it has ended
        return False
