"""The event loop of a daemon: uvloop's if it is installed, else asyncio's.

With either, our sockets are watched by an epoll of our own, and read and written by our code;
uvloop only makes an iteration of the loop cheaper.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Mapping

log = logging.getLogger("oncrpc.daemon")

STANDARD, FAST = "asyncio", "uvloop"


def factory(
    name: str, environ: Mapping[str, str] = os.environ
) -> Callable[[], asyncio.AbstractEventLoop]:
    """The event loop factory; ``NAME_LOOP`` in the environment chooses one.

    Call it as root: the daemon's user may not be able to read uvloop. Nothing here keeps the daemon
    from starting: a new image that took over could not go back.
    """
    variable = f"{name.upper()}_LOOP"
    wanted = environ.get(variable, "")
    if wanted not in ("", STANDARD, FAST):
        log.warning("%s is %r; write %s or %s", variable, wanted, STANDARD, FAST)
    if wanted == STANDARD:
        return asyncio.new_event_loop
    try:
        from uvloop import new_event_loop
    except ImportError as error:
        if wanted == FAST:
            why = "%s; continuing with %s, or pip install 'oncrpc[speed]'"
            log.warning(why, str(error).lower(), STANDARD)
        return asyncio.new_event_loop
    return new_event_loop


def report() -> None:
    """Log which loop is running."""
    name = type(asyncio.get_running_loop()).__module__.partition(".")[0]
    log.debug("the event loop is %s's", name)
