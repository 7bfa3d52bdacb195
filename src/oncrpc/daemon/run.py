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
import socket
from collections.abc import Callable, Iterable, Iterator, Sequence

from msgspec.structs import replace

from oncrpc.daemon import lock as pidfile
from oncrpc.daemon import loop, privileges
from oncrpc.daemon.config import read as policyfile
from oncrpc.daemon.config.values import WARM_START, Config, StartError
from oncrpc.daemon.handover import Handover
from oncrpc.daemon.listeners import Listeners, open_listeners
from oncrpc.daemon.notify import Notifier
from oncrpc.daemon.origin import Origin, begun
from oncrpc.daemon.signals import Life
from oncrpc.daemon.state import directory as statedir
from oncrpc.daemon.web import open as web
from oncrpc.daemon.web.address import Place
from oncrpc.portmap.daemon import ENDING, OBEYED, WEB_MODULES, Daemon

log = logging.getLogger("oncrpc.portmap")

LOCK_FLAGS = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
ADVICE = {
    errno.EACCES: "run as root, or",
    errno.EPERM: "run as root, or",
    errno.ENOENT: "make that directory, or run",
}
"""What to do about a lock that cannot be opened, before the remedy; else there is another thing."""

DESCRIPTORS = 8192
Ready = Callable[[dict[str, str]], None]


def run(config: Config, ready: Ready | None = None, origin: Origin | None = None) -> None:
    """Open, lock, drop privileges, and serve until told to end.

    ``ready`` is called with the addresses by netid once we answer. What a former image did is not
    done again: it could not be, as the user that we are.

    Raises:
        StartError: with one line for the person who started us.
    """
    with contextlib.ExitStack() as held:
        origin = origin or begun({})
        former = origin.former
        policy = policyfile.load(config.policy)  # before anything is bound
        if former is None:
            _check_warm_start(config)
            locks = [take_lock(path, remedy) for path, remedy in _locks(config)]
        else:
            locks = former.locks
        held.callback(_let_go, locks)
        _raise_descriptors()
        make_loop = loop.factory()
        listeners = open_listeners(config, origin.passed, lenient=former is not None)
        held.callback(listeners.close)
        listeners.web = _open_web(config.web or policy.web.listen, former)
        if former is None:
            config = _as_user(config)
            _check_writable(config)
        else:
            asked_in = former.control or former.state
            config = replace(config, state_dir=former.state, control_dir=asked_in)
        try:
            with asyncio.Runner(loop_factory=make_loop) as runner:
                runner.run(_serve(config, listeners, origin, locks, ready))
        except OSError as error:
            raise StartError(f"cannot serve: {error.strerror}; see 'ulimit -a'") from None
        for number in (*ENDING, *OBEYED):
            signal.signal(number, signal.SIG_IGN)  # we are ending already


def _locks(config: Config) -> Iterator[tuple[str, str]]:
    """The files to lock, and what to do without them."""
    if config.local:
        yield config.lock, "with --no-local"
    if config.pid_file is not None:
        yield config.pid_file, "with another --pid-file"


def _let_go(locks: Iterable[int]) -> None:
    pidfile.clear(locks)
    for descriptor in locks:
        os.close(descriptor)


def take_lock(path: str, remedy: str = "with --no-local") -> int:
    """Hold the lock that the C daemon takes too: one port mapper for the local sockets.

    Raises:
        StartError: another one holds it.
    """
    try:
        descriptor = _open_lock(path)
    except OSError as error:
        advice = ADVICE.get(error.errno or 0, "remove what is there, or run")
        raise StartError(
            f"cannot open {path}: {(error.strerror or '').lower()}; {advice} {remedy}"
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


def _open_lock(path: str) -> int:
    """Open it to write; the C daemon leaves one that even its owner may only read.

    Root may write to that too, but not without CAP_DAC_OVERRIDE, as in a unit of systemd.
    """
    try:
        return os.open(path, LOCK_FLAGS, 0o600)
    except PermissionError:
        if not os.path.lexists(path):
            raise
        descriptor = os.open(path, os.O_RDONLY | LOCK_FLAGS & ~(os.O_RDWR | os.O_CREAT))
        try:
            os.fchmod(descriptor, 0o600)
        finally:
            os.close(descriptor)
        return os.open(path, LOCK_FLAGS, 0o600)


def _open_web(place: Place | None, former: Handover | None) -> socket.socket | None:
    """The socket of the web pages; a new image goes on without one that it cannot have."""
    try:
        return web.opened(place, None if former is None else former.web, WEB_MODULES)
    except StartError as error:
        if former is None:
            raise
        log.error("%s; going on without them", error)
        return None


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
    config: Config,
    listeners: Listeners,
    origin: Origin,
    locks: Sequence[int],
    ready: Ready | None,
) -> None:
    daemon = Daemon(config, listeners, former=origin.former)
    life = Life(
        daemon,
        listeners,
        image=origin.image,
        locks=locks,
        notifier=Notifier(),
        former=origin.former,
    )

    def serving() -> None:
        life.begin()
        loop.report()
        if ready is not None:
            ready(daemon.server.addresses)

    async with web.shown(listeners.web, daemon.content):
        await daemon.run(serving, life.end)


def _raise_descriptors() -> None:
    """Have room for every connection that the limits allow."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(DESCRIPTORS, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _as_user(config: Config) -> Config:
    """Leave root, once the directory is made that the registry is kept in, and that root can make.

    Others make their own after it is clear that they may start at all.
    """
    if os.geteuid() != 0:
        _leave_root(config)
        return statedir.prepared(config)
    config = statedir.prepared(config)
    _leave_root(config)
    return config


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
