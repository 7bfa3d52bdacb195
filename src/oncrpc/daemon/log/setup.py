"""Where the daemon's messages go, in which format, and a limit for repeated ones."""

from __future__ import annotations

import logging
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from oncrpc.access import call_lines
from oncrpc.daemon.log.syslog import PLACE, Lines, Syslog, severity_of

MAX_CAUSES = 256
"""Causes whose log lines are limited to one a second."""

MAX_TEXT = 2000
"""Characters of a message; the rest is cut off."""

PRIVATE = (call_lines.log.name, call_lines.calls_log.name)
"""Loggers whose lines name callers: facility auth, as in the C daemon."""

FILTERED = ("aio", "rpc", "host", "access.hosts", "daemon", "daemon.web")
"""Loggers below ``oncrpc`` whose repeated messages are suppressed, as are the application's."""

LEVELS = {2: "critical", 3: "error", 4: "warning", 6: "info", 7: "debug"}
"""Severities in JSON."""


class OncePerSecond(logging.Filter):
    """Passes a cause once a second; the next line says how many were suppressed.

    A cause is a logger and a message before its arguments are inserted.
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


class Stderr(logging.Handler):
    """Writes to the standard error; for the journal each line starts with its severity."""

    def __init__(self, lines: Lines, *, journal: bool) -> None:
        super().__init__()
        self.lines, self.journal = lines, journal

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record; failures are ignored."""
        prefix = f"<{severity_of(record.levelno)}>" if self.journal else ""
        try:
            sys.stderr.write("".join(f"{prefix}{line}\n" for line in self.lines(record)))
            sys.stderr.flush()
        except (OSError, ValueError):
            self.handleError(record)


def text_lines(record: logging.LogRecord) -> Iterator[str]:
    """The message, and the lines of the traceback if there is one."""
    yield _shown(record.getMessage())
    yield from map(_shown, _traceback(record))


def named_lines(name: str) -> Lines:
    """The lines of ``text_lines`` after the daemon's name, for a terminal."""
    return lambda record: (f"{name}: {line}" for line in text_lines(record))


def json_lines(record: logging.LogRecord) -> Iterator[str]:
    """The record as one object; a line about a call has the call's parts."""
    found: dict[str, Any] = {
        "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
        "level": LEVELS[severity_of(record.levelno)],
        "event": _shown(record.getMessage()),
    }
    call = getattr(record, "call", None)
    if call is not None:
        found |= call
    if hasattr(record, "refused"):
        found["refused"] = record.refused
    if record.exc_info:
        found["traceback"] = [_shown(line) for line in _traceback(record)]
    yield msgspec.json.encode(found).decode()


FORMS: dict[str, Lines] = {"text": text_lines, "json": json_lines}


def _traceback(record: logging.LogRecord) -> list[str]:
    if not record.exc_info or record.exc_info[0] is None:
        return []
    return "".join(traceback.format_exception(*record.exc_info)).splitlines()


def _shown(text: str) -> str:
    """The text with control characters escaped, so that it stays one harmless line."""
    if len(text) > MAX_TEXT:
        text = text[:MAX_TEXT] + "..."
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def to_journal(environ: Mapping[str, str] = os.environ, descriptor: int = 2) -> bool:
    """Whether the standard error is the stream to the journal named by the environment."""
    try:
        status = os.fstat(descriptor)
    except OSError:
        return False
    return environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


def set_up(
    name: str,
    *,
    to_syslog: bool,
    verbose: bool,
    debug: bool,
    form: str = "text",
    place: str = PLACE,
    journal: Callable[[], bool] = to_journal,
) -> None:
    """Send messages to syslog or stderr, tagged ``name``; ``verbose`` adds a line for each call."""
    logging.raiseExceptions = False  # a log that cannot be written does not end the daemon
    lines = FORMS[form]
    if to_syslog:
        handler: logging.Handler = Syslog(lines, tag=name, private=PRIVATE, place=place)
    else:
        tagged = journal()  # the journal adds the name itself
        named = form == "text" and not tagged
        handler = Stderr(named_lines(name) if named else lines, journal=tagged)
    root = logging.getLogger("oncrpc")
    root.handlers[:] = [handler]
    root.setLevel(logging.DEBUG if debug else logging.INFO)
    root.propagate = False
    for logger in (*FILTERED, name):
        logging.getLogger(f"oncrpc.{logger}").addFilter(OncePerSecond())
    call_lines.calls_log.setLevel(logging.INFO if verbose else logging.WARNING)
