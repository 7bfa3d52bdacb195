"""Requests between their first step and the change of the table, which others may take back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

from oncrpc.nfs.locks.terms import LockClient, LockedFile
from oncrpc.nfs.locks.waiting import LockRequest


class EnteringRequest:
    """A request on its way. ``state`` is that of the client's monitor, 0 if it is not known.

    ``dropped``: the client has taken it back, or has lost all its locks.
    """

    __slots__ = ("dropped", "request", "state")

    def __init__(self, request: LockRequest, state: int) -> None:
        self.request, self.state, self.dropped = request, state, False


class EnteringRequests:
    """The requests on their way, by client, and the number of them for each file."""

    def __init__(self) -> None:
        self._clients: dict[LockClient, list[EnteringRequest]] = {}
        self._files = Counter[LockedFile]()

    @contextmanager
    def enter(self, request: LockRequest, state: int) -> Iterator[EnteringRequest]:
        """A request is on its way within the block."""
        client, entering = request.lock.owner.client, EnteringRequest(request, state)
        self._clients.setdefault(client, []).append(entering)
        self._files[request.file] += 1
        try:
            yield entering
        finally:
            self._clients[client].remove(entering)
            if not self._clients[client]:
                del self._clients[client]
            self._files[request.file] -= 1
            if not self._files[request.file]:
                del self._files[request.file]

    def of_client(self, client: LockClient) -> Collection[EnteringRequest]:
        """The requests of a client."""
        return self._clients.get(client, ())

    def has_file(self, file: LockedFile) -> bool:
        """Whether there are requests for a file."""
        return file in self._files

    def drop(self, client: LockClient, which: Callable[[LockRequest], bool]) -> bool:
        """Take back some requests of a client; returns whether there were any."""
        dropped = [each for each in self.of_client(client) if which(each.request)]
        for each in dropped:
            each.dropped = True
        return bool(dropped)
