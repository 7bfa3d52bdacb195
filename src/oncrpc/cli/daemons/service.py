"""The word ``service``: installs a daemon as a service, starts and stops it."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from oncrpc.cli.command import run
from oncrpc.cli.daemons.kind import CommandParser
from oncrpc.daemon.install import files as host_files
from oncrpc.daemon.install import init as host_init
from oncrpc.daemon.install.files import FilesError
from oncrpc.daemon.install.init import UPDATE_RC, WORDS, Command, Host
from oncrpc.daemon.install.product import SYSTEMD, SYSV, Product

DESCRIPTION = """\
Installs {name} as a service of this host (install), removes it (uninstall), and has the
init of the host start it, stop it, and so on: systemd if that runs, otherwise a System V init
script in /etc/init.d."""

WRITTEN = ("install", "uninstall")
NOT_INSTALLED = 5
"""The exit status of init scripts for a program that is not installed."""

SAFE = re.compile(r"/[A-Za-z0-9_./+@:,~-]*")
"""A path that needs no quotes in a unit or a shell script."""

HIDDEN = ("/home/", "/root/", "/run/user/")
"""Directories that are hidden from a unit with ProtectHome=."""


def parser(product: Product) -> argparse.ArgumentParser:
    """The options and the operand."""
    name = product.name
    description = DESCRIPTION.format(name=name)
    made = CommandParser(prog=f"{name} service", description=description, add_help=False)
    add = made.add_argument
    words = (*WRITTEN, *WORDS)
    add("action", metavar="ACTION", choices=words, help=f"one of {', '.join(words)}")
    add("--root", metavar="DIR", help="install, uninstall: only write below this folder")
    add(
        "--init", choices=(SYSTEMD, SYSV),
        help="install, uninstall: for this init, instead of the one that runs",
    )  # fmt: skip
    add(
        "--program", metavar="PATH",
        help=f"install: the {name} command that the service runs, instead of this one",
    )  # fmt: skip
    made.add_common()
    return made


def main(product: Product, arguments: Sequence[str] | None = None, host: Host | None = None) -> int:
    """Run the action; returns the exit status."""
    made = parser(product)
    options = made.parse_args(arguments)
    host = host or host_init.this_machine(product)
    if options.action not in WRITTEN and (options.root or options.init or options.program):
        made.error(f"--root, --init and --program are for {' and '.join(WRITTEN)}")
    if options.root is not None:
        host = replace(host, root=os.path.abspath(options.root).rstrip("/"))
    return run(f"{product.name} service", partial(_execute, options, host))


def _execute(options: argparse.Namespace, host: Host) -> int:
    try:
        if options.action == "install":
            return _install(host, options)
        if options.action == "uninstall":
            return _uninstall(host, options)
        return _drive(host, options.action)
    except FilesError as error:
        for line in str(error).splitlines():
            _complain(host, line)
        return 1


def _install(host: Host, options: argparse.Namespace) -> int:
    """Write the files and, without ``--root``, enable the service.

    Raises:
        FilesError: it cannot be installed; a line for each reason.
    """
    driven = options.root is None
    init = options.init or host_init.init_of(host, running=driven)
    program = _program(options, init, host.product)
    packaged = _packaged(host) if driven else None
    if packaged is not None:
        raise FilesError(f"a package has already installed the service: {packaged} exists")
    files = list(
        host_files.rendered(host.product, init, program, boot_level=_is_debian(host, driven=driven))
        if init == SYSV
        else host_files.rendered(host.product, init, program)
    )
    host_files.write_files(host.root, files)
    for file in files:
        print(f"{host.product.name}: wrote {host.root}{file.path}")
    if not driven:
        return 0
    _run_all(host, host_init.after_writing(host, init))
    return _enable(host, init)


def _is_debian(host: Host, *, driven: bool) -> bool:
    """Whether init scripts are ordered as on Debian."""
    return bool(host.which(UPDATE_RC)) if driven else host.there(f"/usr/sbin/{UPDATE_RC}")


def _enable(host: Host, init: str) -> int:
    """Enable the service, unless something conflicts, which the administrator has to remove."""
    command, conflict = host_init.enable(host, init), host_init.conflict(host, init)
    start = _start(host)
    if conflict is not None:
        after = (" ".join(command),) if command else ()
        what = f"not enabled, since {conflict.what}"
        _explain(host, what, (*conflict.commands, *after, start))
        return 0
    if command is None:
        _explain(host, "not started at boot: neither update-rc.d nor chkconfig exists", (start,))
        return 0
    _run_all(host, [command])
    print(f"{host.product.name}: it starts with this host from now on; for now, run '{start}'")
    return 0


def _start(host: Host) -> str:
    return f"{host.product.name} service start"


def _explain(host: Host, what: str, commands: Sequence[str]) -> None:
    _complain(host, f"{what}; to have it run:")
    for command in commands:
        sys.stderr.write(f"    {command}\n")


def _program(options: argparse.Namespace, init: str, product: Product) -> str:
    """The command that the service runs.

    Raises:
        FilesError: the command is missing, or the service could not run it.
    """
    path = os.path.abspath(options.program or _own_command(product.name))
    if not SAFE.fullmatch(path):
        raise FilesError(f"invalid path {path!r}: it would need quotes; see --program")
    if options.root is not None:
        return path
    if not os.access(path, os.X_OK) or os.path.isdir(path):
        raise FilesError(f"missing command {path}; see --program")
    hidden = HIDDEN if init == SYSTEMD and host_files.hides_homes(product) else ()
    for used in (path, os.path.realpath(path), os.path.realpath(sys.executable)):
        if used.startswith(hidden):
            raise FilesError(
                f"the service could not read {used}: homes are hidden from it;"
                " install the package elsewhere, such as in /opt, or see --program"
            )
    return path


def _own_command(name: str) -> str:
    """The running command, or the one beside the interpreter."""
    given = sys.argv[0]
    if os.path.basename(given) == name and os.path.isfile(given):
        return given
    return os.path.join(os.path.dirname(sys.executable), name)


def _uninstall(host: Host, options: argparse.Namespace) -> int:
    """Stop the service and remove its files.

    Raises:
        FilesError: a file cannot be removed.
    """
    ours, record = host.product.paths, host.root + host_files.RECORD
    paths = ours.intersection(host_files.read_record(host.root).files)
    if not paths:
        raise FilesError(f"nothing to remove: {record} {_lacking(record)}")
    inits = [init for init, sources in host.product.templates.items() if sources[0].path in paths]
    driven = options.root is None
    for init in inits if driven else ():
        _run_all(host, host_init.before_removal(host, init))
    gone, changed = host_files.remove_files(host.root, ours)
    for path in gone:
        print(f"{host.product.name}: removed {host.root}{path}")
    for path in changed:
        _complain(host, f"{host.root}{path} was changed since, and stays")
    for init in inits if driven else ():
        _run_all(host, host_init.after_removal(host, init))
    return 0


def _lacking(record: str) -> str:
    return "has no file of it" if os.path.exists(record) else "does not exist"


def _drive(host: Host, word: str) -> int:
    """Have the init run the action; prints its output and returns its exit status."""
    init = host_init.init_of(host)
    if not _is_installed(host, init):
        _complain(host, f"the service is not installed; run '{host.product.name} service install'")
        return NOT_INSTALLED
    done = host.run(host_init.driven(host.product, init, word))
    sys.stdout.write(done.stdout)
    sys.stdout.flush()
    sys.stderr.write(done.stderr)
    if done.returncode and word in ("start", "restart"):
        conflict = host_init.conflict(host, init, now=True)
        if conflict is not None:
            _explain(host, conflict.what, (*conflict.commands, _start(host)))
    return done.returncode


def _is_installed(host: Host, init: str) -> bool:
    """Whether this command or a package has installed the service."""
    if init == SYSV:
        return host.there(host.product.script)
    return host.there(host.product.templates[SYSTEMD][0].path) or _packaged(host) is not None


def _packaged(host: Host) -> str | None:
    """The unit of a package; rpcbind's alias of the same name is not ours."""
    places = (f"{folder}/{host.product.units[0]}" for folder in host_init.PACKAGED)
    return next(filter(host.there, places), None)


def _run_all(host: Host, commands: Sequence[Command]) -> None:
    """Run all commands in turn, and report those that fail."""
    for command in commands:
        done = host.run(command)
        if done.returncode:
            said = (done.stderr or done.stdout).strip() or f"status {done.returncode}"
            _complain(host, f"'{' '.join(command)}' failed: {said}")


def _complain(host: Host, text: str) -> None:
    sys.stdout.flush()
    sys.stderr.write(f"{host.product.name}: {text}\n")
