"""Requests that wait for a lock: who is first, and who would wait for ever.

A request waits for the owners that hold what it asks for, and for earlier requests for the same
bytes: so a writer gets its turn while new readers come. There is one exception. If the earlier
request itself waits for the owner of the later one, say for a lock on another file, the later one
goes first.

A deadlock is a circle of owners that wait for what the next one holds. A request that would close
one is refused. The search follows at most ``MAX_CIRCLE_STEPS`` locks; a circle beyond is not found.
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

MAX_CIRCLE_STEPS = 10_000
"""Locks that a search for a deadlock looks at."""


class LockRequest(NamedTuple):
    """A lock that a client asks for.

    ``wait``: until it can be granted. ``reclaim``: it held the lock before the server restarted.
    """

    file: LockedFile
    lock: Lock
    wait: bool = False
    reclaim: bool = False


@dataclass(slots=True, eq=False)
class WaitingRequest:
    """A request that waits, since a time in seconds.

    ``behind``: when it was last looked at, only earlier requests were in its way.
    """

    request: LockRequest
    since: int
    behind: bool = False

    @property
    def lock(self) -> Lock:
        """The lock that it waits for."""
        return self.request.lock


class WaitingRequests:
    """The requests that wait for locks of a table, in the order in which they came.

    A request that is ``behind`` others need not be looked at when locks are released. It is again
    when one of those is removed, or begins to wait for it (``freed_by``).
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
        self._queues: dict[LockedFile, list[WaitingRequest]] = {}
        self._by_owner: dict[LockOwner, list[WaitingRequest]] = {}
        self._by_client = Counter[LockClient]()

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

    def add(self, request: LockRequest, *, now: int) -> bool:
        """Let a request wait; False if there are too many."""
        client = request.lock.owner.client
        if len(self) >= self.most or self._by_client[client] >= self.most_of_client:
            return False
        waiting = WaitingRequest(request, now)
        self._queues.setdefault(request.file, []).append(waiting)
        self._by_owner.setdefault(request.lock.owner, []).append(waiting)
        self._by_client[client] += 1
        return True

    def remove(self, waiting: WaitingRequest) -> None:
        """Let a request wait no more."""
        file, owner = waiting.request.file, waiting.lock.owner
        for each in self._queues[file]:
            each.behind = each.behind and not each.lock.range.overlaps(waiting.lock.range)
        _remove(self._queues, file, waiting)
        _remove(self._by_owner, owner, waiting)
        self._by_client[owner.client] -= 1
        if not self._by_client[owner.client]:
            del self._by_client[owner.client]

    def ready(self, file: LockedFile, range_: ByteRange) -> Iterator[WaitingRequest]:
        """Yield the requests for bytes of a range that can be granted now, the first one first.

        The table and the queue may change between two of them.
        """
        for each in self.of_file(file):
            if (
                not each.behind
                and each.lock.range.overlaps(range_)
                and self._table.conflict(file, each.lock) is None
                and each in self._queues.get(file, ())
            ):
                each.behind = self.comes_later(each.request)
                if not each.behind:
                    yield each

    def comes_later(self, request: LockRequest) -> bool:
        """Whether an earlier request for the same bytes goes first."""
        steps = _Steps()
        return any(
            not self._waits_for(each, request.lock.owner, steps) for each in self._earlier(request)
        )

    def would_deadlock(self, request: LockRequest) -> bool:
        """Whether an owner that holds what is asked for waits, in the end, for the asking one."""
        return self._leads_to(request, request.lock.owner, _Steps(), queued=False)

    def freed_by(self, request: LockRequest) -> list[WaitingRequest]:
        """The requests that may go first now, because this one waits for their owner."""
        reached = list[WaitingRequest]()
        self._leads_to(request, None, _Steps(), queued=True, reached=reached)
        for each in reached:
            each.behind = False
        return reached

    def _earlier(self, request: LockRequest) -> Iterator[WaitingRequest]:
        """Yield the earlier requests of others for the same bytes."""
        for each in self._queues.get(request.file, ()):
            if each.request == request:
                return
            if each.lock.conflicts(request.lock):
                yield each

    def _waits_for(self, waiting: WaitingRequest, owner: LockOwner, steps: _Steps) -> bool:
        return self._leads_to(waiting.request, owner, steps, queued=True)

    def _leads_to(
        self,
        request: LockRequest,
        owner: LockOwner | None,
        steps: _Steps,
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
        self, request: LockRequest, target: LockOwner | None, steps: _Steps, *, queued: bool
    ) -> Iterator[LockOwner]:
        """Yield the owners that hold what is asked for, and those that have asked before.

        Of the holders only those that wait themselves and the target matter.
        """
        yield from self._holders(request, target, steps)
        if queued:
            for waiting in self._earlier(request):
                if steps.end():
                    return
                yield waiting.lock.owner

    def _holders(
        self, request: LockRequest, target: LockOwner | None, steps: _Steps
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


class _Steps:
    """The locks that a search may still look at."""

    def __init__(self) -> None:
        self._left = MAX_CIRCLE_STEPS

    def end(self) -> bool:
        """Count one; whether there were too many."""
        self._left -= 1
        return self._left < 0


def _remove(index: dict[K, list[WaitingRequest]], key: K, waiting: WaitingRequest) -> None:
    queue = index[key]
    queue.remove(waiting)
    if not queue:
        del index[key]
