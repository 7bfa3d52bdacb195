"""GRANTED: callbacks to clients that waited for a lock and have got it (X/Open XNFS, chapter 10).

The lock manager grants the lock first. Then the client is called, and accepts or refuses it. If the
client sent LOCK, the call is GRANTED, and its reply is the answer. If it sent LOCK_MSG, the call is
GRANTED_MSG, and the client answers by calling GRANTED_RES with the same cookie.

A client that answers DENIED does not wait any more: the lock is given back. It is also given back
if the client does not answer for ``PATIENCE`` seconds, although the call is repeated. A client that
still wants the lock sends its LOCK again after a while. Once the owner does that, or unlocks, it
has accepted the lock, and a late answer to GRANTED is ignored.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Protocol

import msgspec

from oncrpc.access.line_limit import LineLimit
from oncrpc.errors import OncRpcError
from oncrpc.nfs.locks.terms import (
    ByteRange,
    Lock,
    LockClient,
    LockedFile,
    LockOwner,
)
from oncrpc.nfs.locks.waiting import LockRequest
from oncrpc.nfs.nlm.client_links import CallsClients
from oncrpc.nfs.nlm.dialects import DIALECTS
from oncrpc.nfs.nlm.ways_back import WayBack, WaysBack
from oncrpc.programs.nlm import NLM4_VERS, NLM_VERS, NLM_VERS2, NLM_VERSX, nlm4_stats, nlm_stats

log = logging.getLogger("oncrpc.nfs")

PATIENCE = 90.0
"""Seconds for a client to accept a lock for which it has waited."""

ATTEMPT = 10.0
"""Seconds after which a client is asked again whether it accepts a lock."""

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 15.0
"""Seconds between two attempts: twice as long each time."""

MAX_TELLING = 8192
"""Locks that clients are being told of; others are given back, and the clients ask again."""

MAX_TELLING_TO_ONE = 1024
"""Locks that one host is being told of."""

COOKIE_SIZE = 8
"""Bytes of a cookie of GRANTED: some clients have room for no more."""

GRANTED, GRANTED_MSG = 5, 10
"""The procedures, by their numbers in all versions."""

VERSIONS = {each.vers: each for each in (NLM_VERS, NLM_VERS2, NLM_VERSX, NLM4_VERS)}

AGAIN = nlm4_stats.NLM4_DENIED_GRACE_PERIOD
"""The client has restarted, and cannot say yet."""

NOT_ACCEPTED = "%s did not accept a lock for which it waited within %g s%s"

Sleep = Callable[[float], Awaitable[object]]


class GrantedLocks(Protocol):
    """The part of the lock manager that is told what becomes of a granted lock."""

    def acknowledge(self, request: LockRequest) -> None: ...
    def give_back(self, request: LockRequest) -> None: ...


class Granting:
    """A granted lock that the client has not accepted yet. ``answer`` is that by GRANTED_RES."""

    __slots__ = ("answer", "cookie", "request", "task", "way")

    task: asyncio.Task[None]

    def __init__(self, request: LockRequest, way: WayBack) -> None:
        self.request, self.way = request, way
        self.cookie = secrets.token_bytes(COOKIE_SIZE)
        self.answer: asyncio.Future[nlm4_stats] = asyncio.get_running_loop().create_future()


class LeftWay(msgspec.Struct, array_like=True, frozen=True):
    """A lock and the way back, for the next image of the process.

    ``last`` is the last byte of the range: JSON has no larger numbers. ``is_told``: the client has
    been granted the lock, and is being told.
    """

    file: LockedFile
    owner: LockOwner
    start: int
    last: int
    exclusive: bool
    way: WayBack
    is_told: bool

    @property
    def lock(self) -> Lock:
        """The lock."""
        return Lock(self.owner, ByteRange(self.start, self.last + 1), self.exclusive)


ACCEPTED, REFUSED, UNANSWERED = "accepted", "refused", "unanswered"
"""What becomes of a lock that was granted to a request that waited."""


class Callbacks:
    """Calls clients back whose waiting requests were granted.

    ``_ways`` has the ways back of requests that wait. Without one a granted lock is given back.
    ``_granting`` has what is being told, by file and lock, and ``_cookies`` the same by cookie: an
    entry is in both or in none, and its task runs. ``_hosts`` counts them by the client's address.
    ``outcomes`` counts how clients took what they were granted.
    """

    def __init__(
        self, locks: GrantedLocks, links: CallsClients, *, sleep: Sleep = asyncio.sleep
    ) -> None:
        self.locks, self.links, self._sleep = locks, links, sleep
        self._ways = WaysBack()
        self._granting: dict[LockedFile, dict[Lock, Granting]] = {}
        self._cookies: dict[bytes, Granting] = {}
        self._hosts = Counter[str]()
        self._lines = LineLimit()
        self.outcomes = Counter[str]()

    def __len__(self) -> int:
        """How many locks clients have not accepted yet."""
        return len(self._cookies)

    def expect(self, request: LockRequest, way: WayBack) -> bool:
        """Remember the way back for a request that may have to wait. False if it waits already."""
        return self._ways.keep(request.file, request.lock, way)

    def waits(self, request: LockRequest, way: WayBack) -> None:
        """The request has to wait. Its client is connected to, so that it is told without delay."""
        if request.lock not in self._granting.get(request.file, ()):
            self.expect(request, way)  # ``freed`` may have forgotten it meanwhile
            self.links.prepare(way.place)

    def forget(self, request: LockRequest) -> None:
        """Forget a request that does not wait."""
        self._ways.pop(request.file, request.lock)

    def withdraw(self, request: LockRequest) -> bool:
        """Forget a request, and stop to tell its client. Returns whether it was being told."""
        self.forget(request)
        found = self._granting.get(request.file, {}).get(request.lock)
        if found is not None:
            self._remove(found)
        return found is not None

    def unlocked(self, file: LockedFile, owner: LockOwner, range_: ByteRange) -> None:
        """The owner gives up a range: it knows of all its locks there."""
        for found in list(self._granting.get(file, {}).values()):
            lock = found.request.lock
            if lock.owner == owner and lock.range.overlaps(range_):
                self._remove(found)
                self.locks.acknowledge(found.request)

    def forget_unless(
        self, file: LockedFile, owner: LockOwner, waits: Callable[[Lock], bool]
    ) -> None:
        """Forget the requests of an owner that do not wait any more."""
        self._ways.forget_unless(file, owner, waits)

    def freed(self, client: LockClient) -> None:
        """A client has lost all its locks and requests."""
        self._ways.forget_client(client)
        for found in list(self._cookies.values()):
            if found.request.lock.owner.client == client:
                self._remove(found)

    def granted(self, request: LockRequest) -> None:
        """Begin to tell a client that it has the lock for which it waited."""
        if request.lock in self._granting.get(request.file, ()):
            return  # a former image has begun, and this one goes on
        way = self._ways.pop(request.file, request.lock)
        if way is None or not self._has_room(request):
            # Later, since this is called while the lock manager grants locks: to the next now.
            asyncio.get_running_loop().call_soon(self.locks.give_back, request)
        else:
            self._begin(request, way)

    def answered(self, host: str, cookie: bytes, stat: nlm_stats | nlm4_stats) -> None:
        """GRANTED_RES: the answer of a client to GRANTED_MSG. It must come from that client."""
        found = self._cookies.get(cookie)
        if found is None or found.request.lock.owner.client.host != host or found.answer.done():
            return
        found.answer.set_result(nlm4_stats(stat.value))

    def close(self) -> None:
        """Tell nobody any more; the locks stay as they are."""
        for found in list(self._cookies.values()):
            self._remove(found)
        self._ways.clear()

    def leave(self) -> bytes:
        """The ways back, and which clients are being told, for the next image: JSON."""
        left = [_left(file, lock, way, is_told=False) for file, lock, way in self._ways]
        left += [
            _left(each.request.file, each.request.lock, each.way, is_told=True)
            for each in self._cookies.values()
        ]
        return msgspec.json.encode(left)

    def resume(self, left: bytes) -> None:
        """Continue with what a former image left, unless it is of another version."""
        try:
            found = msgspec.json.decode(left, type=list[LeftWay])
        except msgspec.DecodeError as error:
            log.warning("the waiting clients of the former program are not understood: %s", error)
            return
        for each in found:
            request = LockRequest(each.file, each.lock, wait=True)
            if each.is_told:
                self._begin(request, each.way)
            else:
                self.expect(request, each.way)

    def _has_room(self, request: LockRequest) -> bool:
        to_one = self._hosts[request.lock.owner.client.host]
        return len(self._cookies) < MAX_TELLING and to_one < MAX_TELLING_TO_ONE

    def _begin(self, request: LockRequest, way: WayBack) -> None:
        found = Granting(request, way)
        self._granting.setdefault(request.file, {})[request.lock] = found
        self._cookies[found.cookie] = found
        self._hosts[request.lock.owner.client.host] += 1
        found.task = asyncio.ensure_future(self._tell(found))

    async def _tell(self, found: Granting) -> None:
        """Ask the client to take the lock until it answers, or too long."""
        until, pause = _now() + PATIENCE, FIRST_PAUSE
        while True:
            answer = await self._answer(found, until=until)
            if answer is not None and answer is not AGAIN:
                accepted = answer is nlm4_stats.NLM4_GRANTED
                self.outcomes[ACCEPTED if accepted else REFUSED] += 1
                self._end(found, accepted=accepted)
                return
            if _now() + pause >= until:
                self._log_silence(found)
                self.outcomes[UNANSWERED] += 1
                self._end(found, accepted=False)
                return
            await self._sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _answer(self, found: Granting, *, until: float) -> nlm4_stats | None:
        """The client's answer; None if it has not given one."""
        try:
            async with asyncio.timeout_at(min(_now() + ATTEMPT, until)):
                return await self._ask(found)
        except (OncRpcError, TimeoutError) as error:
            log.debug("%s was not told of its lock: %s", found.way.place.host, error)
            return None

    async def _ask(self, found: Granting) -> nlm4_stats:
        place, handle, by_message = found.way
        argument = DIALECTS[place.vers].granted(found.cookie, found.request.lock, handle)
        procedures = VERSIONS[place.vers].procedures
        if not by_message:
            result = await self.links.call(place, procedures[GRANTED], argument, timeout=ATTEMPT)
            return nlm4_stats(result.stat.stat)
        if found.answer.done():
            found.answer = asyncio.get_running_loop().create_future()
        message = self.links.call(place, procedures[GRANTED_MSG], argument, timeout=ATTEMPT)
        sending = asyncio.ensure_future(message)
        try:
            # The answer may come before the reply to the message, which need not come at all.
            await asyncio.wait([sending, found.answer], return_when=asyncio.FIRST_COMPLETED)
            if not found.answer.done():
                await sending
            return await asyncio.shield(found.answer)
        finally:
            await _ended(sending)

    def _end(self, found: Granting, *, accepted: bool) -> None:
        self._remove(found)
        if accepted:
            self.locks.acknowledge(found.request)
        else:
            self.locks.give_back(found.request)

    def _remove(self, found: Granting) -> None:
        """Stop telling. The task may be the one that runs."""
        del self._cookies[found.cookie]
        host = found.request.lock.owner.client.host
        self._hosts[host] -= 1
        if not self._hosts[host]:
            del self._hosts[host]
        file, lock = found.request.file, found.request.lock
        of_file = self._granting[file]
        del of_file[lock]
        if not of_file:
            del self._granting[file]
        if found.task is not asyncio.current_task():
            found.task.cancel()

    def _log_silence(self, found: Granting) -> None:
        host = found.way.place.host
        left_out = self._lines.left_out(host)
        if left_out is not None:
            log.warning(NOT_ACCEPTED, host, PATIENCE, left_out)


def _left(file: LockedFile, lock: Lock, way: WayBack, *, is_told: bool) -> LeftWay:
    start, end = lock.range
    return LeftWay(file, lock.owner, start, end - 1, lock.exclusive, way, is_told)


async def _ended(sending: asyncio.Task[object]) -> None:
    """Give up a call, whatever became of it."""
    sending.cancel()
    with suppress(OncRpcError, asyncio.CancelledError):
        await sending


def _now() -> float:
    return asyncio.get_running_loop().time()
