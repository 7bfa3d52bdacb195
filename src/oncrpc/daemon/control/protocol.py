"""The protocol of the control socket: JSON, one object a line.

The client sends ``{"protocol": 1, "ask": "status"}`` and receives
``{"protocol": 1, "status": {...}}``, or ``{"protocol": 1, "error": "..."}``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
from msgspec import Struct

NAME = "control"
PROTOCOL = 1
MAX_PATH = 107
"""Bytes of a path in a socket address."""


class Request(Struct):
    """A request of a client."""

    ask: str
    protocol: int = 0


class Reply(Struct):
    """A reply as a client reads it: the status, whose type depends on the daemon, or an error."""

    protocol: int
    status: msgspec.Raw = msgspec.Raw()
    error: str | None = None


@contextmanager
def address_in(folder: str) -> Iterator[str]:
    """A path of the socket in a directory that fits into a socket address.

    Raises:
        OSError: the directory does not exist.
    """
    path = os.path.join(folder, NAME)
    if len(os.fsencode(path)) <= MAX_PATH:
        yield path
        return
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}/{NAME}"
    finally:
        os.close(descriptor)


def request_line(request: Request) -> bytes:
    """A request as one line."""
    return msgspec.json.encode(request) + b"\n"


def status_line(status: Struct) -> bytes:
    """The reply with a status, as one line."""
    return msgspec.json.encode({"protocol": PROTOCOL, "status": status}) + b"\n"


def error_line(error: str) -> bytes:
    """The reply with an error, as one line."""
    return msgspec.json.encode({"protocol": PROTOCOL, "error": error}) + b"\n"
