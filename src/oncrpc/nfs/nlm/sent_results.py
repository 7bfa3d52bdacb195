"""Results of _MSG procedures, sent by calling the _RES procedure of the client's lock manager."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter

from oncrpc.caching import Bounded
from oncrpc.errors import OncRpcError
from oncrpc.nfs.nlm.client_links import CallsClients, ClientPlace
from oncrpc.rpc import Call
from oncrpc.rpc.duplicates import checksum
from oncrpc.rpc.program import AnyProcedure

log = logging.getLogger("oncrpc.nfs")

MAX_MESSAGES = 2048
"""Messages of lock managers whose repetitions are recognised."""

LIFETIME = 60.0
"""Seconds for which a repeated message of a lock manager is recognised."""

MAX_SENDING = 4096
"""Results of locking that are being sent to clients. Clients repeat what gets no result."""

MAX_SENDING_TO_ONE = 256
"""Results of locking that are being sent to one client."""

TRIES = 2
"""The port that is remembered may be that of a former start of the client."""

SEND_TIME = 2.0
"""Seconds for a client to acknowledge the result of a lock message."""

MessageKey = tuple[object, ...]
NUMBERS = slice(16, 24)
"""Version and procedure in a call."""


class ReceivedMessage:
    """A message that was received, and its result once there is one."""

    __slots__ = ("at", "digest", "result")

    def __init__(self, digest: bytes, at: float) -> None:
        self.digest, self.at = digest, at
        self.result: object = None


class ReceivedMessages:
    """The last messages, so that a repeated one gets its result again and does nothing.

    The reply to a message says nothing, so the duplicate-request cache is of no use here. Key: the
    xid, and where the call came from. A message is the same if procedure and arguments are, by a
    checksum. Bound: ``MAX_MESSAGES``, the oldest goes first; and each is valid for ``LIFETIME``.
    """

    def __init__(self) -> None:
        self._messages = Bounded[MessageKey, ReceivedMessage](MAX_MESSAGES)

    def find(self, call: Call) -> ReceivedMessage | None:
        """The same message, if it was received before."""
        found = self._messages.get(_key_of(call))
        if found is None or found.digest != _digest_of(call) or _now() > found.at + LIFETIME:
            return None
        return found

    def begin(self, call: Call) -> ReceivedMessage:
        """Register a message that is carried out now."""
        message = ReceivedMessage(_digest_of(call), _now())
        self._messages.keep(_key_of(call), message)
        return message

    def abandon(self, call: Call) -> None:
        """Forget a message that was not carried out."""
        self._messages.pop(_key_of(call), None)


class ResultSender:
    """Sends results, each in a task of its own: a client that hangs does not delay others."""

    def __init__(self, links: CallsClients) -> None:
        self.links = links
        self._tasks: set[asyncio.Task[None]] = set()
        self._sending = Counter[ClientPlace]()

    def __len__(self) -> int:
        return len(self._tasks)

    def send(self, place: ClientPlace, procedure: AnyProcedure, result: object) -> None:
        """Begin to send a result, unless too many are on their way."""
        if len(self._tasks) >= MAX_SENDING or self._sending[place] >= MAX_SENDING_TO_ONE:
            return
        task = asyncio.ensure_future(self._send(place, procedure, result))
        self._tasks.add(task)
        self._sending[place] += 1
        task.add_done_callback(lambda done: self._sent(place, done))

    def close(self) -> None:
        """Give up."""
        for task in self._tasks:
            task.cancel()

    async def _send(self, place: ClientPlace, procedure: AnyProcedure, result: object) -> None:
        for left in reversed(range(TRIES)):
            try:
                await self.links.call(place, procedure, result, timeout=SEND_TIME)
                return
            except OncRpcError as error:
                if not left:
                    log.debug("%s got no %r: %s", place.host, procedure, error)

    def _sent(self, place: ClientPlace, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._sending[place] -= 1
        if not self._sending[place]:
            del self._sending[place]


def _key_of(call: Call) -> MessageKey:
    caller = call.caller
    return call.xid, caller.source, caller.local, caller.netid


def _digest_of(call: Call) -> bytes:
    return checksum(call.message[NUMBERS] + call.message[call.arguments_at :])


def _now() -> float:
    return asyncio.get_running_loop().time()
