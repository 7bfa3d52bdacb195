"""Running an application as a daemon: its lock, its descriptors, its user, its loop.

The order matters. The configuration is read once, as root. Then the locks are taken and everything
is bound; then privileges are dropped; then the loop starts.

A new image after a restart in place reads the configuration again, but takes over the locks, the
sockets and the directories of the former image. It skips ``check``, ``check_as_user`` and dropping
privileges: these steps are for root, and the process is no longer root.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from typing import Any, TypeVar

from oncrpc.daemon import lockfile, loop, privileges, signals
from oncrpc.daemon.app import Application
from oncrpc.daemon.capabilities import limit_to
from oncrpc.daemon.config.source import ConfigSettings, ConfigSource
from oncrpc.daemon.config.tables import Config, DaemonTable
from oncrpc.daemon.config.values import StartError, WebAddress
from oncrpc.daemon.handover import Handover
from oncrpc.daemon.limits import raise_descriptors
from oncrpc.daemon.listeners import Wanted, open_listeners
from oncrpc.daemon.notify import Notifier
from oncrpc.daemon.reexec import Start, begun
from oncrpc.daemon.runtime import Runtime
from oncrpc.daemon.signals import Signals
from oncrpc.daemon.state.directory import Owner, prepared
from oncrpc.daemon.state.folders import Folders
from oncrpc.daemon.web import open as web

log = logging.getLogger("oncrpc.daemon")

C = TypeVar("C", bound=Config)
Ready = Callable[[dict[str, str]], None]


def run(
    app: Application[C],
    source: ConfigSource[C],
    settings: ConfigSettings[C] | None = None,
    *,
    ready: Ready | None = None,
    origin: Start | None = None,
) -> None:
    """Open, lock, drop privileges, and serve until a signal ends it.

    ``settings``: the configuration already read from ``source``, or None. ``ready`` is called with
    the addresses by netid when the daemon answers calls.

    Raises:
        StartError: the daemon cannot start; the message is one line for the user.
    """
    settings = source.read() if settings is None else settings
    origin = origin or begun(app.name, {})
    with contextlib.ExitStack() as held:
        locks = _locks(app, settings.config, origin.former)
        held.callback(_release, locks, settings.config.daemon.pid_file)
        raise_descriptors(app.max_descriptors)
        make_loop = loop.factory(app.name)
        table = settings.config.daemon
        extra = app.ports(settings.config, {one.role for one in origin.passed})
        port = app.main_port(settings.config)
        wanted = Wanted(table, app.sockets, app.title, extra, port)
        listeners = open_listeners(wanted, origin.passed, lenient=origin.former is not None)
        held.callback(listeners.close)
        listeners.web = _open_web(app, settings.config.web.listen, origin.former)
        folders = _folders(app, settings.config, origin.former)

        def daemon() -> Runtime[C]:
            former = origin.former
            return Runtime(
                app, source, listeners, settings=settings, folders=folders, former=former
            )

        try:
            with asyncio.Runner(loop_factory=make_loop) as runner:
                runner.run(serve(daemon, origin=origin, locks=locks, ready=ready))
        except OSError as error:
            raise StartError(f"cannot serve: {error.strerror}; see 'ulimit -a'") from None
        signals.finish()


def _locks(app: Application[C], config: C, former: Handover | None) -> list[int]:
    """Take the locks, or take over those of the former image of this process."""
    if former is not None:
        return former.locks
    app.check(config)
    return [
        lockfile.take(path, app.title, remedy) for path, remedy in _lock_paths(app, config.daemon)
    ]


def _lock_paths(app: Application[Any], table: DaemonTable) -> Iterator[tuple[str, str]]:
    """The files to lock, and the option that avoids each."""
    if table.local:
        yield app.lock, "with --no-local"
    if table.pid_file is not None:
        yield table.pid_file, "with another --pid-file"


def _release(locks: Sequence[int], pid_file: str | None) -> None:
    """Empty the files and remove the pid file, before others can lock them."""
    lockfile.clear(locks)
    if pid_file is not None:
        lockfile.remove(pid_file, locks)
    for descriptor in locks:
        os.close(descriptor)


def _open_web(
    app: Application[Any], place: WebAddress | None, former: Handover | None
) -> socket.socket | None:
    """The socket of the web pages; a new image continues without it if it cannot be opened."""
    try:
        return web.opened(place, None if former is None else former.web, app.web_modules)
    except StartError as error:
        if former is None:
            raise
        log.error("%s; continuing without the web pages", error)
        return None


def _folders(app: Application[C], config: C, former: Handover | None) -> Folders:
    """Make the directories and drop privileges, or take over those of the former image."""
    if former is not None:
        return Folders(former.state, former.control or former.state)
    folders = _as_user(app, config)
    app.check_as_user(config)
    return folders


def _as_user(app: Application[C], config: C) -> Folders:
    """As root, create the directories, then drop root. Otherwise validate ``user`` first."""
    table = config.daemon
    if os.geteuid() != 0:
        become_user(app, config)
        _limit(app, config)
        return prepared(owner_of(app, table), table)
    folders = prepared(owner_of(app, table), table)
    become_user(app, config)
    _limit(app, config)
    return folders


def _limit(app: Application[C], config: C) -> None:
    """Give up the capabilities that the application does not need."""
    kept = app.capabilities(os.geteuid(), config)
    if kept is not None:
        try:
            limit_to(kept)
        except OSError as error:
            raise StartError(f"cannot give up capabilities: {error.strerror}") from None


def owner_of(app: Application[Any], table: DaemonTable) -> Owner:
    """The owner of the daemon's directories."""
    user = None
    if os.geteuid() == 0:
        with contextlib.suppress(KeyError):  # reported later by become_user
            user = privileges.user_of(table.user, app.users)
    return Owner(app.name, app.port, user, app.lasting, app.lost)


def become_user(app: Application[C], config: C) -> None:
    """Become the configured user. If not root, check that this is the configured user.

    Raises:
        StartError: the user does not exist, or the process cannot become that user.
    """
    name = config.daemon.user
    try:
        user = privileges.user_of(name, app.users)
    except KeyError:
        raise StartError(f"unknown user {name!r}; see --user") from None
    if os.geteuid() != 0:
        if name is not None and user is not None and user.pw_uid != os.geteuid():
            raise StartError(f"only root can become user {name!r}")
        return
    if user is None:
        if app.users:
            log.warning("none of the users %s exists; continuing as root", ", ".join(app.users))
    elif user.pw_uid != 0:
        for module in app.seldom_modules:
            import_module(module)
        try:
            privileges.drop(user, app.capabilities(user.pw_uid, config) or ())
        except OSError as error:
            raise StartError(
                f"cannot become user {user.pw_name}: {error.strerror};"
                " in a user namespace without other users, use --user root"
            ) from None


async def serve(
    make: Callable[[], Runtime[Any]],
    *,
    origin: Start,
    locks: Sequence[int] = (),
    ready: Ready | None = None,
) -> None:
    """Run the daemon that ``make`` returns until a signal ends it."""
    daemon = make()
    handlers = Signals(daemon, image=origin.image, locks=locks, notifier=Notifier())
    async with web.web_server(daemon.listeners.web, daemon.content):
        handlers.install_end_handlers()
        daemon.start()
        handlers.install_handlers()
        loop.report()
        if ready is not None:
            ready(daemon.server.addresses)
        await daemon.ended.wait()
        handlers.end()
        await daemon.close()
