"""Requests that wait for a lock: their order, and deadlocks.

A request waits for the owners that hold what it asks for, and for earlier requests for the same
bytes. So a writer gets its lock although new readers keep coming. There is one exception. If the
earlier request itself waits for the owner of the later one, for instance for a lock on another
file, the later one goes first.

A deadlock is a circle of owners that wait for each other. A request that would close a circle is
refused. The search follows at most ``MAX_CIRCLE_STEPS`` locks; a larger circle is not found.

Nobody who lets many requests wait may delay all others. So a search for earlier requests also ends
after so many: then a request goes first that no held lock is in the way of.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from oncrpc.nfs.locks.table import LockTable
from oncrpc.nfs.locks.terms import ByteRange, Lock, LockClient, LockedFile, LockOwner

K = TypeVar("K")

MAX_WAITING_LOCKS = 8192
"""Requests for locks that wait, of all clients."""

MAX_CLIENT_WAITING_LOCKS = 1024
"""Requests for locks of one client that wait."""

MAX_OWNER_WAITING_LOCKS = 64
"""Requests for locks of one process of a client that wait."""

MAX_CIRCLE_STEPS = 10_000
"""Locks that a search for a deadlock looks at, and requests that one for earlier ones does."""


class LockRequest(NamedTuple):
    """A lock that a client asks for.

    ``wait``: wait until it can be granted. ``reclaim``: its owner held the lock before the server
    restarted.
    """

    file: LockedFile
    lock: Lock
    wait: bool = False
    reclaim: bool = False


@dataclass(slots=True, eq=False)
class WaitingRequest:
    """A request that waits, since a time in seconds."""

    request: LockRequest
    since: int

    @property
    def lock(self) -> Lock:
        """The lock that it waits for."""
        return self.request.lock


class WaitingRequests:
    """The requests that wait for locks of a table, in the order in which they came.

    ``_behind`` has the requests that had only earlier ones in their way when they were last looked
    at. They need not be looked at when locks are released. They are again when one of those is
    removed, or begins to wait for it (``freed_by``).

    The clients of one address have at most half of ``most``, as in the table.
    """

    def __init__(
        self,
        table: LockTable,
        *,
        most: int = MAX_WAITING_LOCKS,
        most_of_client: int = MAX_CLIENT_WAITING_LOCKS,
    ) -> None:
        self.most, self.most_of_client = most, most_of_client
        self._table = table
        self._queues: dict[LockedFile, dict[WaitingRequest, None]] = {}
        self._behind: dict[LockedFile, dict[WaitingRequest, None]] = {}
        self._by_owner: dict[LockOwner, dict[WaitingRequest, None]] = {}
        self._by_client = Counter[LockClient]()
        self._by_host = Counter[str]()

    def __len__(self) -> int:
        return self._by_client.total()

    def __iter__(self) -> Iterator[WaitingRequest]:
        for queue in self._queues.values():
            yield from queue

    @property
    def files(self) -> Collection[LockedFile]:
        """The files for which requests wait."""
        return self._queues.keys()

    def count_of(self, client: LockClient) -> int:
        """How many requests of a client wait."""
        return self._by_client[client]

    def of_file(self, file: LockedFile) -> list[WaitingRequest]:
        """The requests that wait for a file, the first one first."""
        return list(self._queues.get(file, ()))

    def of_client(self, client: LockClient) -> list[WaitingRequest]:
        """The requests of a client."""
        if not self._by_client[client]:
            return []
        return [each for each in self if each.lock.owner.client == client]

    def of_owner(self, owner: LockOwner) -> list[WaitingRequest]:
        """The requests of an owner."""
        return list(self._by_owner.get(owner, ()))

    def find(self, file: LockedFile, lock: Lock) -> WaitingRequest | None:
        """The request for exactly this lock."""
        for each in self._by_owner.get(lock.owner, ()):
            if each.request.file == file and each.lock == lock:
                return each
        return None

    def add(self, request: LockRequest, *, now: int, behind: bool = False) -> bool:
        """Let a request wait; False if there are too many.

        ``behind``: only earlier requests are in its way.
        """
        owner = request.lock.owner
        if not self._has_room(owner):
            return False
        waiting = WaitingRequest(request, now)
        self._queues.setdefault(request.file, {})[waiting] = None
        self._by_owner.setdefault(owner, {})[waiting] = None
        if behind:
            self._behind.setdefault(request.file, {})[waiting] = None
        self._by_client[owner.client] += 1
        self._by_host[owner.client.host] += 1
        return True

    def _has_room(self, owner: LockOwner) -> bool:
        client = owner.client
        return (
            len(self) < self.most
            and self._by_client[client] < self.most_of_client
            and self._by_host[client.host] < max(self.most // 2, self.most_of_client)
            and len(self._by_owner.get(owner, ())) < MAX_OWNER_WAITING_LOCKS
        )

    def remove(self, waiting: WaitingRequest) -> None:
        """Remove a request that waits."""
        file, owner = waiting.request.file, waiting.lock.owner
        self.look_again(waiting)
        for each in [*self._behind.get(file, ())]:
            if each.lock.range.overlaps(waiting.lock.range):
                self.look_again(each)
        _remove(self._queues, file, waiting)
        _remove(self._by_owner, owner, waiting)
        _uncount(self._by_client, owner.client)
        _uncount(self._by_host, owner.client.host)

    def look_again(self, waiting: WaitingRequest) -> None:
        """What was in the way of a request may have changed."""
        file = waiting.request.file
        if waiting in self._behind.get(file, ()):
            _remove(self._behind, file, waiting)

    def ready(
        self, file: LockedFile, range_: ByteRange, steps: Steps | None = None
    ) -> Iterator[WaitingRequest]:
        """Yield the requests for bytes of a range that can be granted now, the first one first.

        The table and the queue may change between two of them.
        """
        steps = Steps() if steps is None else steps
        for each in self.of_file(file):
            if (
                each not in self._behind.get(file, ())
                and each.lock.range.overlaps(range_)
                and self._table.conflict(file, each.lock) is None
                and each in self._queues.get(file, ())
            ):
                if self.comes_later(each.request, steps):
                    self._behind.setdefault(file, {})[each] = None
                else:
                    yield each

    def comes_later(self, request: LockRequest, steps: Steps | None = None) -> bool:
        """Whether an earlier request for the same bytes goes first."""
        steps = Steps() if steps is None else steps
        return any(
            not self._waits_for(each, request.lock.owner, steps)
            for each in self._earlier(request, steps)
        )

    def would_deadlock(self, request: LockRequest) -> bool:
        """Whether an owner that holds what is asked for waits, in the end, for the asking one."""
        return self._leads_to(request, request.lock.owner, Steps(), queued=False)

    def freed_by(
        self, request: LockRequest, steps: Steps | None = None
    ) -> dict[LockedFile, list[WaitingRequest]]:
        """The requests that may go first now, because this one waits for their owner; by file.

        They are ``behind`` others.
        """
        if not self._behind:
            return {}
        reached = list[WaitingRequest]()
        steps = Steps() if steps is None else steps
        self._leads_to(request, None, steps, queued=True, reached=reached)
        found: dict[LockedFile, list[WaitingRequest]] = {}
        for each in reached:
            self.look_again(each)
            found.setdefault(each.request.file, []).append(each)
        return found

    def _earlier(self, request: LockRequest, steps: Steps) -> Iterator[WaitingRequest]:
        """Yield the earlier requests of others for the same bytes."""
        for each in self._queues.get(request.file, ()):
            if each.request == request or steps.end():
                return
            if each.lock.conflicts(request.lock):
                yield each

    def _waits_for(self, waiting: WaitingRequest, owner: LockOwner, steps: Steps) -> bool:
        return self._leads_to(waiting.request, owner, steps, queued=True)

    def _leads_to(
        self,
        request: LockRequest,
        owner: LockOwner | None,
        steps: Steps,
        *,
        queued: bool,
        reached: list[WaitingRequest] | None = None,
    ) -> bool:
        """Whether a request waits for an owner, also over others that wait.

        ``queued``: it waits also for earlier requests.
        """
        seen, next_ = set[LockOwner](), [request]
        while next_:
            for other in self._waited_for(next_.pop(), owner, steps, queued=queued):
                if other == owner:
                    return True
                if other in seen or other not in self._by_owner:
                    continue
                seen.add(other)
                next_ += [each.request for each in self._by_owner[other]]
                if reached is not None:
                    reached += self._by_owner[other]
        return False

    def _waited_for(
        self, request: LockRequest, target: LockOwner | None, steps: Steps, *, queued: bool
    ) -> Iterator[LockOwner]:
        """Yield the owners that hold what is asked for, and those that have asked before.

        Of the holders only those that wait themselves and the target matter.
        """
        yield from self._holders(request, target, steps)
        if queued:
            for waiting in self._earlier(request, steps):
                yield waiting.lock.owner

    def _holders(
        self, request: LockRequest, target: LockOwner | None, steps: Steps
    ) -> Iterator[LockOwner]:
        file, lock = request.file, request.lock
        if self._table.count_in(file) <= len(self._by_owner):
            for each in self._table.conflicts(file, lock):
                if steps.end():
                    return
                yield each.owner
            return
        for owner in (*self._by_owner, *filter(None, [target])):
            if steps.end():
                return
            held = self._table.own(file, owner, lock.range)
            if any(each.conflicts(lock) for each in held):
                yield owner


class Steps:
    """The locks and requests that a search may still look at."""

    def __init__(self, most: int = MAX_CIRCLE_STEPS) -> None:
        self._left = most

    def end(self) -> bool:
        """Count one; whether there were too many."""
        self._left -= 1
        return self._left < 0


def _remove(index: dict[K, dict[WaitingRequest, None]], key: K, waiting: WaitingRequest) -> None:
    queue = index[key]
    del queue[waiting]
    if not queue:
        del index[key]


def _uncount(counter: Counter[K], key: K) -> None:
    counter[key] -= 1
    if not counter[key]:
        del counter[key]
