"""The daemon's process: its lock, its descriptors, its user, and the loop that it runs."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import logging
import os
import pwd
import resource
import signal
from collections.abc import Callable

from oncrpc.portmap import privileges
from oncrpc.portmap.daemon import ENDING, Daemon
from oncrpc.portmap.listeners import Listeners, open_listeners
from oncrpc.portmap.settings import WARM_START, Config, StartError

log = logging.getLogger("oncrpc.portmap")

LOCK_FLAGS = os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
DESCRIPTORS = 8192


def run(config: Config, ready: Callable[[dict[str, str]], None]) -> None:
    """Open, lock, drop privileges, and serve until told to end.

    ``ready`` is called with the addresses by netid once we answer.

    Raises:
        StartError: with one line for the person who started us.
    """
    with contextlib.ExitStack() as held:
        _check_warm_start(config)
        if config.local:
            held.callback(os.close, take_lock(config.lock))
        _raise_descriptors()
        listeners = open_listeners(config)
        held.callback(listeners.close)
        _leave_root(config)
        _check_writable(config)
        try:
            asyncio.run(_serve(config, listeners, ready))
        except OSError as error:
            raise StartError(f"cannot serve: {error.strerror}; see 'ulimit -a'") from None
        for number in ENDING:
            signal.signal(number, signal.SIG_IGN)  # we are ending already


def take_lock(path: str) -> int:
    """Hold the lock that the C daemon takes too: one port mapper for the local sockets.

    Raises:
        StartError: another one holds it.
    """
    try:
        descriptor = os.open(path, LOCK_FLAGS, 0o600)
    except OSError as error:
        refused = error.errno in (errno.EACCES, errno.EPERM)
        remedy = "run as root, or" if refused else "remove what is there, or run"
        raise StartError(
            f"cannot open {path}: {(error.strerror or '').lower()}; {remedy} with --no-local"
        ) from None
    with contextlib.suppress(OSError):
        os.fchmod(descriptor, 0o600)  # whoever can open it can hold it against us
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise StartError(
            f"another port mapper is already running (it holds {path}); stop it first"
        ) from None
    return descriptor


def _check_warm_start(config: Config) -> None:
    """Refuse a place that cannot be written later: the first change would be too late to learn."""
    if config.warm_start is None or os.path.isdir(config.warm_start):
        return
    folder = os.path.dirname(config.warm_start)
    if config.warm_start == WARM_START or not os.path.isdir(folder):
        missing = WARM_START if config.warm_start == WARM_START else folder
        raise StartError(
            f"there is no directory {missing} to keep registrations in; create it"
            " for the user that the daemon becomes, or name another with --warm-start"
        )


def _check_writable(config: Config) -> None:
    """The same for the user that we have become."""
    place = config.warm_start
    if place is None:
        return
    folder = place if os.path.isdir(place) else os.path.dirname(place)
    if not os.access(folder, os.W_OK | os.X_OK):
        user = pwd.getpwuid(os.geteuid()).pw_name
        raise StartError(f"user {user} may not write to {folder}, where -w keeps registrations")


async def _serve(
    config: Config, listeners: Listeners, ready: Callable[[dict[str, str]], None]
) -> None:
    daemon = Daemon(config, listeners)
    await daemon.run(lambda: ready(daemon.server.addresses))


def _raise_descriptors() -> None:
    """Have room for every connection that the limits allow."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(DESCRIPTORS, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _leave_root(config: Config) -> None:
    try:
        user = privileges.user_of(config.user)
    except KeyError:
        raise StartError(f"there is no user {config.user!r}; see --user") from None
    if os.geteuid() != 0:
        if config.user is not None and user is not None and user.pw_uid != os.geteuid():
            raise StartError(f"only root can become user {config.user!r}")
        return
    if user is None:
        log.warning("none of the users %s is here; going on as root", privileges.DEFAULT_USERS)
    elif user.pw_uid != 0:
        try:
            privileges.drop(user)
        except OSError as error:
            raise StartError(
                f"cannot become user {user.pw_name}: {error.strerror};"
                " in a user namespace that has no other user, say --user root"
            ) from None
