"""The event loop that the daemon runs: uvloop's where that is installed, else Python's own.

Whichever it is, what we serve is watched by an epoll of our own, and read and written by ourselves.
With uvloop it only costs less that the loop turns.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Mapping

log = logging.getLogger("oncrpc.portmap")

VARIABLE = "PORTMAP_LOOP"
"""The variable that names the loop, for whoever does not want the one that would be taken."""

STANDARD, FAST = "asyncio", "uvloop"


def factory(environ: Mapping[str, str] = os.environ) -> Callable[[], asyncio.AbstractEventLoop]:
    """What makes the loop; to be called before root is left, who may be alone in reading uvloop.

    Nothing here keeps the daemon from starting: a new image that took over could not go back.
    """
    wanted = environ.get(VARIABLE, "")
    if wanted not in ("", STANDARD, FAST):
        log.warning("%s is %r; write %s or %s", VARIABLE, wanted, STANDARD, FAST)
    if wanted == STANDARD:
        return asyncio.new_event_loop
    try:
        from uvloop import new_event_loop
    except ImportError as error:
        if wanted == FAST:
            why = "%s; going on with %s, or pip install 'oncrpc[speed]'"
            log.warning(why, str(error).lower(), STANDARD)
        return asyncio.new_event_loop
    return new_event_loop


def report() -> None:
    """Say in the log which loop is running."""
    name = type(asyncio.get_running_loop()).__module__.partition(".")[0]
    log.debug("the event loop is %s's", name)
