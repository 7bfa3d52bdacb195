"""The calls of a connection that a program answers itself (``oncrpc.rpc.quick``).

Replies that have to wait for something else are gathered: those that become ready in one iteration
of the loop are sent together.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from oncrpc.errors import SystemFailure
from oncrpc.rpc.dispatch import refuse
from oncrpc.rpc.quick import FileReply, LaterReply, QuickAnswer, QuickCalls
from oncrpc.rpc.record import record_mark

if TYPE_CHECKING:
    from oncrpc.aio.stream import Connection


class QuickReplies:
    """Answers the calls of a connection for which ``calls`` has a quick answer."""

    def __init__(self, connection: Connection, calls: QuickCalls) -> None:
        self.connection, self.calls = connection, calls
        self._ready: list[bytes] = []

    def answer(self, message: bytes | memoryview, replies: list[bytes]) -> int | None:
        """Answer a call. Returns the bytes of its reply, None if the dispatcher must answer."""
        if isinstance(message, bytes):
            answer = self.calls.answer(message, replies)
        else:
            answer = self.calls.answer_long(message, replies)
        if answer is None or answer.__class__ is int:
            return answer
        return self._special(answer, message, replies)

    def _special(
        self, answer: QuickAnswer, message: bytes | memoryview, replies: list[bytes]
    ) -> int:
        if isinstance(answer, FileReply):
            replies.append(answer.head)
            self.connection.stream.write_file(replies, answer)
            replies.clear()
            return answer.length
        assert isinstance(answer, LaterReply)
        connection, done = self.connection, answer.done
        connection.calls.add(done)
        connection.call_bytes += len(message)
        done.add_done_callback(partial(self._done, bytes(message[:4]), len(message), answer))
        return 0

    def _done(
        self, xid: bytes, size: int, answer: LaterReply, done: asyncio.Future[object]
    ) -> None:
        connection = self.connection
        connection.calls.discard(done)
        connection.call_bytes -= size
        if not done.cancelled():
            reply = answer.reply(done)
        elif not connection.stream.closing:
            reply = refuse(xid, SystemFailure())
        else:
            return
        if not self._ready:
            connection.listener.loop.call_soon(self._send)
        self._ready += record_mark(len(reply)), reply

    def _send(self) -> None:
        ready, self._ready = self._ready, []
        self.connection.send(ready)
        self.connection.go_on()
