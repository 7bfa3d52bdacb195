"""Where the daemon's messages go, and that one cause does not fill the log."""

from __future__ import annotations

import logging
import sys
import syslog
import time

PRIORITIES = {
    logging.DEBUG: syslog.LOG_DEBUG,
    logging.INFO: syslog.LOG_INFO,
    logging.WARNING: syslog.LOG_WARNING,
    logging.ERROR: syslog.LOG_ERR,
    logging.CRITICAL: syslog.LOG_CRIT,
}
MAX_CAUSES = 256


class OncePerSecond(logging.Filter):
    """Lets a cause through once a second; what was held back is counted with the next.

    A cause is a logger and the message before its arguments are put in.
    """

    def __init__(self) -> None:
        super().__init__()
        self._causes: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is written."""
        cause = (record.name, str(record.msg))
        now = time.monotonic()
        at, held = self._causes.get(cause, (now - 2.0, 0))
        if now - at < 1.0:
            self._causes[cause] = (at, held + 1)
            return False
        if len(self._causes) >= MAX_CAUSES:
            self._causes.clear()
        self._causes[cause] = (now, 0)
        if held:
            record.msg = f"{record.getMessage()} ({held} more like it)"
            record.args = ()
        return True


class SyslogHandler(logging.Handler):
    """Writes to syslog(3)."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        syslog.syslog(PRIORITIES.get(record.levelno, syslog.LOG_INFO), self.format(record))


def set_up(*, to_syslog: bool, verbose: bool, debug: bool) -> None:
    """Send our messages to syslog or to stderr; ``verbose`` adds a line for each call."""
    logging.raiseExceptions = False  # a log that cannot be written does not end the daemon
    handler: logging.Handler
    if to_syslog:
        syslog.openlog("portmap", syslog.LOG_PID, syslog.LOG_DAEMON)
        handler = SyslogHandler()
    else:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("portmap: %(message)s"))
    root = logging.getLogger("oncrpc")
    root.handlers[:] = [handler]
    root.setLevel(logging.DEBUG if debug else logging.INFO)
    root.propagate = False
    for name in ("oncrpc.aio", "oncrpc.rpc", "oncrpc.portmap"):
        logging.getLogger(name).addFilter(OncePerSecond())
    logging.getLogger("oncrpc.calls").setLevel(logging.INFO if verbose else logging.WARNING)
