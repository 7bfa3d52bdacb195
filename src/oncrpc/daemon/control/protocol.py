"""What is said over the control socket, and where that is: JSON, one object a line.

Whoever connects sends ``{"protocol": 1, "ask": "status"}`` and is sent
``{"protocol": 1, "status": {...}}``, or ``{"protocol": 1, "error": "..."}``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
from msgspec import Struct

from oncrpc.portmap.status import Status

NAME = "control"
PROTOCOL = 1
MAX_PATH = 107
"""Bytes of a path that a socket's address has room for."""


class Request(Struct):
    """What is asked."""

    ask: str
    protocol: int = 0


class Reply(Struct, omit_defaults=True):
    """The answer: what was asked for, or what is wrong."""

    protocol: int
    status: Status | None = None
    error: str | None = None


@contextmanager
def address_in(folder: str) -> Iterator[str]:
    """How the socket in a directory can be named, however long the directory's name is.

    Raises:
        OSError: there is no such directory.
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


def encoded(message: Request | Reply) -> bytes:
    """A message as a line."""
    return msgspec.json.encode(message) + b"\n"
