"""``nfs mount``: mounts a directory of a server by FUSE, in the background once it works."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

from oncrpc.cli.command import Failure, Option, complain, run
from oncrpc.cli.nfs.command_line import NfsCommand, NfsRequest, parse_command
from oncrpc.cli.nfs.names import plain
from oncrpc.cli.nfs.output import SERVER_ERRORS, error_text
from oncrpc.nfs.client.url import NfsUrl
from oncrpc.nfs.fusemount.libfuse import MountUnavailable, check_library
from oncrpc.nfs.fusemount.mount_table import SUBTYPE, absolute, mount_at

COMMAND = NfsCommand(
    "mount",
    "URL DIRECTORY",
    "mount a directory of a server by FUSE, without root",
    (
        Option("options", "o", "OPTIONS", "ro, allow_other, vers=2 and others, with commas"),
        Option("foreground", "f", "", "stay in the foreground"),
    ),
    least=2,
    most=2,
)
FLAGS = (
    "ro", "rw", "allow_other", "allow_root", "default_permissions", "suid", "nosuid", "dev",
    "nodev", "exec", "noexec", "atime", "noatime",
)  # fmt: skip
"""The options without a value, which libfuse knows."""

SAFE = {"nosuid": "suid", "nodev": "dev"}
"""Options that are added unless the other one of the pair is given: the server is not trusted."""

SHARED = {"allow_other", "allow_root"}
OF_URL = {"vers": "version", "nfsvers": "version", "port": "port", "mountport": "mountport"}
"""The options of the connection, and their names in a URL."""


class MountPlan(NamedTuple):
    """What a command line asks for; ``options`` are those of libfuse."""

    url: NfsUrl
    text: str
    directory: str
    options: dict[str, Any]
    timeout: float


def main(arguments: Sequence[str]) -> int:
    """Run it; returns the exit status."""
    return run(COMMAND.program, lambda: _mount(parse_command(COMMAND, arguments)))


def _mount(request: NfsRequest) -> int:
    plan = plan_of(request)
    _check(plan)
    if request.has("foreground"):
        return _serve(plan, lambda: complain(_mounted(plan)))
    from oncrpc.nfs.fusemount.process import in_background

    return in_background(lambda ready: run(COMMAND.program, partial(_serve, plan, ready)))


def plan_of(request: NfsRequest) -> MountPlan:
    """What the command line asks for.

    Raises:
        UsageError: an option is unknown, or the first operand is not a URL.
    """
    text, directory = request.operands
    options: dict[str, Any] = {}
    for word in filter(None, request.options.get("options", "").split(",")):
        name, equals, value = word.partition("=")
        if not equals and name in FLAGS:
            options[name] = True
        elif equals and name in OF_URL:
            text += f"{'&' if '?' in text else '?'}{OF_URL[name]}={value}"
        else:
            known = ", ".join((*FLAGS, *(f"{each}=" for each in OF_URL)))
            raise request.wrong(f"unknown mount option {word!r}: must be one of {known}")
    url = request.url(text)
    options |= {safe: True for safe, other in SAFE.items() if other not in options}
    if not SHARED.isdisjoint(options):
        options["default_permissions"] = True  # else all users would have the rights of this one
    source = f"{url.host}:{os.fsdecode(url.path)}"
    options |= {"fsname": _escaped(source), "subtype": SUBTYPE}
    timeout = request.connection.timeout
    return MountPlan(url, request.operands[0], absolute(directory), options, timeout)


def _escaped(value: str) -> str:
    """A value among options with commas."""
    return value.replace("\\", "\\\\").replace(",", "\\,")


def _check(plan: MountPlan) -> None:
    """Check what can be checked before the server is asked."""
    try:
        if not os.path.isdir(plan.directory):
            os.listdir(plan.directory)  # raises the reason
    except OSError as error:
        dead = f"end the dead mount with 'nfs umount {plain(plan.directory)}'"
        hint = dead if error.errno == errno.ENOTCONN else "give a directory to mount at"
        reason = f"{plain(plan.directory)}: {error.strerror}"
        raise Failure(f"{COMMAND.program}: {reason}; {hint}") from None
    if mount_at(plan.directory) is not None:
        hint = f"'nfs umount {plain(plan.directory)}' unmounts it"
        raise Failure(f"{COMMAND.program}: {plain(plan.directory)}: already mounted; {hint}")
    try:
        check_library()
    except MountUnavailable as error:
        raise Failure(f"{COMMAND.program}: {error}") from None


def _serve(plan: MountPlan, ready: Callable[[], None]) -> int:
    """Serve the mount until it is unmounted; returns the exit status."""
    from oncrpc.nfs.fusemount.process import serve_mount

    try:
        serve_mount(plan.url, plan.directory, plan.options, timeout=plan.timeout, ready=ready)
    except MountUnavailable as error:
        raise Failure(f"{COMMAND.program}: {plain(plan.directory)}: {error}") from None
    except SERVER_ERRORS as error:
        reason = error_text(os.fsdecode(plan.url.path), error)
        hint = f"'nfs ping {plain(plan.text)}' shows which layer fails"
        raise Failure(f"{COMMAND.program}: {reason}; {hint}") from None
    return 0


def _mounted(plan: MountPlan) -> str:
    directory = plain(plan.directory)
    end = f"end with Ctrl-C or 'nfs umount {directory}'"
    return f"{COMMAND.program}: {plain(plan.text)} is mounted at {directory}; {end}"
