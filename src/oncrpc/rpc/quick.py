"""Calls that are answered without the dispatcher: the interface between a server and a program.

A program whose calls are many and short can answer some of them itself, from the bytes of the call
to those of the reply. The dispatcher remains the definition of every reply: such an answer is what
the dispatcher would have answered, or None, which leaves the call to the dispatcher.

The rules of the server still apply. It asks only on connections whose calls the guard never
refuses (``oncrpc.aio.guard.Guard.open_to``), in turn with the calls that the dispatcher answers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, TypeAlias

from oncrpc.rpc.program import Caller


class FileReply(NamedTuple):
    """A reply with a part of a file in it: ``head``, the part, and ``tail``.

    ``head`` begins with the record mark. The descriptor belongs to the program, and is valid until
    the next call is answered. A file that is too short by now is filled up with zeros.
    """

    head: bytes
    descriptor: int
    offset: int
    length: int
    tail: bytes


class LaterReply(NamedTuple):
    """A reply that has to wait: ``reply`` makes it, without record mark, once ``done``,
    a future of asyncio, is done.
    """

    done: Any
    reply: Callable[[Any], bytes]


QuickAnswer: TypeAlias = int | FileReply | LaterReply | None
"""The number of bytes that were added to the replies; or a reply; or None: ask the dispatcher."""


class QuickCalls(Protocol):
    """Answers the calls of one connection."""

    def begin(self, now: float) -> bool:
        """Called before some calls are answered, at this time; whether any may be."""

    def answer(self, message: bytes, replies: list[bytes]) -> QuickAnswer:
        """Answer a call. Replies are added with their record marks."""

    def answer_long(self, message: memoryview, replies: list[bytes]) -> QuickAnswer:
        """The same for a long call, whose bytes are valid until this returns."""

    def end(self) -> None:
        """Called after some calls were answered, before anything else runs."""

    def close(self) -> None:
        """Called once, when the connection has ended."""


MakeQuickCalls: TypeAlias = Callable[[Caller], QuickCalls | None]
