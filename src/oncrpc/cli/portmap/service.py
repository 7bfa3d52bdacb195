"""The command ``portmap service``: have this host run the port mapper, and start and stop it."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from oncrpc.cli.command import run
from oncrpc.cli.portmap.options import CommandParser
from oncrpc.daemon.install import files as hostfiles
from oncrpc.daemon.install import init as hostinit
from oncrpc.daemon.install.files import SOURCES, FilesError
from oncrpc.daemon.install.init import DRIVEN, SYSTEMD, SYSV, UPDATE_RC, Command, Host

DESCRIPTION = """\
Writes what this host needs to run the port mapper (install), removes it again (uninstall), and has
the host's init start it, stop it, and so on: systemd where that runs, else a script of System V's
init in /etc/init.d."""

WRITTEN = ("install", "uninstall")
NOT_INSTALLED = 5
"""The exit status that init scripts have for it."""

SAFE = re.compile(r"/[A-Za-z0-9_./+@:,~-]*")
"""What a unit and a shell script can have unquoted."""

HIDDEN = ("/home/", "/root/", "/run/user/")
"""Where a unit with ProtectHome= cannot look."""


def parser() -> argparse.ArgumentParser:
    """The options and the operand."""
    made = CommandParser(prog="portmap service", description=DESCRIPTION, add_help=False)
    add = made.add_argument
    words = (*WRITTEN, *DRIVEN[SYSTEMD])
    add("action", metavar="ACTION", choices=words, help=f"one of {', '.join(words)}")
    add("--root", metavar="DIR", help="install, uninstall: only write below this folder")
    add(
        "--init", choices=tuple(SOURCES),
        help="install, uninstall: for this init, instead of the one that runs",
    )  # fmt: skip
    add(
        "--program", metavar="PATH",
        help="install: the portmap command that the service runs, instead of this one",
    )  # fmt: skip
    made.add_common()
    return made


def main(arguments: Sequence[str] | None = None, host: Host | None = None) -> int:
    """Do it; the exit status."""
    made = parser()
    options = made.parse_args(arguments)
    host = host or hostinit.this_host()
    if options.action not in WRITTEN and (options.root or options.init or options.program):
        made.error(f"--root, --init and --program are for {' and '.join(WRITTEN)}")
    if options.root is not None:
        host = replace(host, root=os.path.abspath(options.root).rstrip("/"))
    return run("portmap service", partial(_execute, options, host))


def _execute(options: argparse.Namespace, host: Host) -> int:
    try:
        if options.action == "install":
            return _install(host, options)
        if options.action == "uninstall":
            return _uninstall(host, options)
        return _drive(host, options.action)
    except FilesError as error:
        for line in str(error).splitlines():
            _complain(line)
        return 1


def _install(host: Host, options: argparse.Namespace) -> int:
    """Write the files; on a host that runs, have the service start with it.

    Raises:
        FilesError: it cannot be, with a line for each reason.
    """
    driven = options.root is None
    init = options.init or hostinit.init_of(host, running=driven)
    program = _program(options, init)
    packaged = _packaged(host) if driven else None
    if packaged is not None:
        raise FilesError(f"a package has made it a service already: {packaged} is there")
    files = list(
        hostfiles.rendered(init, program, boot_level=_is_debian(host, driven=driven))
        if init == SYSV
        else hostfiles.rendered(init, program)
    )
    hostfiles.install(host.root, files)
    for file in files:
        print(f"portmap: wrote {host.root}{file.path}")
    if not driven:
        return 0
    _run_all(host, hostinit.prepare(init))
    return _enable(host, init)


def _is_debian(host: Host, *, driven: bool) -> bool:
    """Whether scripts are put in the order of Debian."""
    return bool(host.which(UPDATE_RC)) if driven else host.there(f"/usr/sbin/{UPDATE_RC}")


def _enable(host: Host, init: str) -> int:
    """Unless something is in the way: that is for the administrator to remove."""
    command, conflict = hostinit.enable(host, init), hostinit.conflict(host, init)
    if conflict is not None:
        after = (" ".join(command),) if command else ()
        _explain(f"not enabled, since {conflict.what}", (*conflict.commands, *after, START))
        return 0
    if command is None:
        _explain("it does not start with this host: there is no update-rc.d or chkconfig", (START,))
        return 0
    _run_all(host, [command])
    print(f"portmap: it starts with this host from now on; for now, run '{START}'")
    return 0


START = "portmap service start"


def _explain(what: str, commands: Sequence[str]) -> None:
    _complain(f"{what}; to have it run:")
    for command in commands:
        sys.stderr.write(f"    {command}\n")


def _program(options: argparse.Namespace, init: str) -> str:
    """The command that the service runs.

    Raises:
        FilesError: there is none, or the service could not run it.
    """
    path = os.path.abspath(options.program or _own_command())
    if not SAFE.fullmatch(path):
        raise FilesError(f"the name {path!r} does not fit into the files; see --program")
    if options.root is not None:
        return path
    if not os.access(path, os.X_OK) or os.path.isdir(path):
        raise FilesError(f"there is no command {path}; see --program")
    for used in (path, os.path.realpath(path), os.path.realpath(sys.executable)):
        if init == SYSTEMD and used.startswith(HIDDEN):
            raise FilesError(
                f"the service could not read {used}: homes are hidden from it;"
                " install the package elsewhere, such as in /opt, or see --program"
            )
    return path


def _own_command() -> str:
    """The command that was given, or the one beside the interpreter."""
    given = sys.argv[0]
    if os.path.basename(given) == "portmap" and os.path.isfile(given):
        return given
    return os.path.join(os.path.dirname(sys.executable), "portmap")


def _uninstall(host: Host, options: argparse.Namespace) -> int:
    """Stop it, and remove what was written.

    Raises:
        FilesError: it cannot be removed.
    """
    paths = hostfiles.read_record(host.root).files
    if not paths:
        raise FilesError(f"there is nothing to remove: no {host.root}{hostfiles.RECORD}")
    inits = [init for init, sources in SOURCES.items() if sources[0].path in paths]
    driven = options.root is None
    for init in inits if driven else ():
        _run_all(host, hostinit.before_removal(host, init))
    gone, changed = hostfiles.uninstall(host.root)
    for path in gone:
        print(f"portmap: removed {host.root}{path}")
    for path in changed:
        _complain(f"{host.root}{path} was changed since, and stays")
    for init in inits if driven else ():
        _run_all(host, hostinit.after_removal(host, init))
    return 0


def _drive(host: Host, word: str) -> int:
    """Have the init do it; what it says, and its exit status."""
    init = hostinit.init_of(host)
    if not _is_installed(host, init):
        _complain("it is no service of this host; run 'portmap service install'")
        return NOT_INSTALLED
    done = host.run(DRIVEN[init][word])
    sys.stdout.write(done.stdout)
    sys.stdout.flush()
    sys.stderr.write(done.stderr)
    if done.returncode and word in ("start", "restart"):
        conflict = hostinit.conflict(host, init, now=True)
        if conflict is not None:
            _explain(conflict.what, (*conflict.commands, START))
    return done.returncode


def _is_installed(host: Host, init: str) -> bool:
    """By us, or by a package."""
    if init == SYSV:
        return host.there(hostinit.SCRIPT)
    return host.there(SOURCES[SYSTEMD][0].path) or _packaged(host) is not None


def _packaged(host: Host) -> str | None:
    """The unit of a package; what rpcbind has under the name of the service is another's."""
    places = (f"{folder}/{hostinit.SOCKET}" for folder in hostinit.PACKAGED)
    return next(filter(host.there, places), None)


def _run_all(host: Host, commands: Sequence[Command]) -> None:
    """Run commands in turn; what one says that fails is passed on, and the others run."""
    for command in commands:
        done = host.run(command)
        if done.returncode:
            said = (done.stderr or done.stdout).strip() or f"status {done.returncode}"
            _complain(f"'{' '.join(command)}' failed: {said}")


def _complain(text: str) -> None:
    sys.stdout.flush()
    sys.stderr.write(f"portmap: {text}\n")


if __name__ == "__main__":
    sys.exit(main())
