"""The protocol of the control socket: JSON, one object a line.

The client sends ``{"protocol": 1, "ask": "status"}`` and receives
``{"protocol": 1, "status": {...}}``, or ``{"protocol": 1, "error": "..."}``. The answer to another
request has that name too; ``about`` says what the request is about.

After the answer to ``trace`` further lines follow until the client closes the connection: each is a
``TracedMessage``, or a ``TraceNote``, which has the field ``dropped``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import msgspec
from msgspec import Struct

A = TypeVar("A", bound=Struct)

NAME = "control"
STATUS = "status"
TRACE = "trace"
PROTOCOL = 1
MAX_PATH = 107
"""Bytes of a path in a socket address."""


class Request(Struct, omit_defaults=True):
    """A request of a client."""

    ask: str
    protocol: int = 0
    about: str = ""


class TracedMessage(Struct, frozen=True, kw_only=True):
    """A call, or the reply to it; the number ``call`` is the same.

    ``time`` is in nanoseconds since 1970. ``source`` is the address and port of the caller,
    ``target`` those that it called. Over a local socket both are None, and ``uid`` and ``pid`` are
    those of the caller. ``length`` is that of the message; ``body`` has its first bytes, from the
    xid on.
    """

    call: int
    is_call: bool
    time: int
    netid: str
    source: tuple[str, int] | None
    target: tuple[str, int] | None
    uid: int | None
    pid: int | None
    length: int
    body: bytes


class TraceNote(Struct, omit_defaults=True, kw_only=True):
    """The number of messages that were dropped so far, because the client read too slowly.

    ``unseen`` is text: the calls that the trace does not see. Only the first note has it.
    """

    dropped: int
    unseen: str = ""


class ErrorReply(Struct):
    """A reply without an answer."""

    protocol: int
    error: str = "nothing"


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


def answer_line(answer: Struct, ask: str = STATUS) -> bytes:
    """The reply to a request, as one line."""
    return msgspec.json.encode({"protocol": PROTOCOL, ask: answer}) + b"\n"


def error_line(error: str) -> bytes:
    """The reply with an error, as one line."""
    return msgspec.json.encode({"protocol": PROTOCOL, "error": error}) + b"\n"


def answer_in(line: bytes, ask: str, form: type[A]) -> A | str:
    """The answer in a reply, or the error.

    Raises:
        ValueError: it is not a reply to this request.
    """
    fields = msgspec.json.decode(line, type=dict[str, msgspec.Raw])
    if ask in fields:
        return msgspec.json.decode(fields[ask], type=form)
    return msgspec.json.decode(line, type=ErrorReply).error
