"""Shares of DOS and Windows clients: what an open file allows its opener, and denies to others.

They are enforced among themselves, not against locks or NFS calls (XNFS, SHARE and UNSHARE).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from oncrpc.nfs.locks.terms import LockClient, LockedFile, LockOwner

MAY_READ, MAY_WRITE = 1, 2
"""Bits of ``mode`` and ``access``: the numbers of ``fsh_mode`` and ``fsh_access``."""

MAX_DOS_SHARES = 1 << 14
"""DOS shares of all clients."""

MAX_CLIENT_DOS_SHARES = 1 << 12
"""DOS shares of one client."""


class DosShare(NamedTuple):
    """A share: the access that it denies to others (``mode``), and the access that it allows."""

    mode: int
    access: int
    since: int = 0

    def conflicts(self, other: DosShare) -> bool:
        """Whether one of them denies what the other one allows."""
        return bool(self.mode & other.access or self.access & other.mode)


class HeldShare(NamedTuple):
    """A share, its file and its owner."""

    file: LockedFile
    owner: LockOwner
    share: DosShare


class DosShares:
    """The shares of all files, at most ``most``, and at most ``most_of_client`` of one client.

    The clients of one address have at most half of all.
    """

    def __init__(
        self, *, most: int = MAX_DOS_SHARES, most_of_client: int = MAX_CLIENT_DOS_SHARES
    ) -> None:
        self.most, self.most_of_client = most, most_of_client
        self._files: dict[LockedFile, dict[LockOwner, DosShare]] = {}
        self._clients: dict[LockClient, dict[tuple[LockedFile, LockOwner], None]] = {}
        self._hosts = Counter[str]()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[HeldShare]:
        for file, shares in self._files.items():
            for owner, share in shares.items():
                yield HeldShare(file, owner, share)

    @property
    def clients(self) -> frozenset[LockClient]:
        """The clients that have shares."""
        return frozenset(self._clients)

    def get(self, file: LockedFile, owner: LockOwner) -> DosShare | None:
        """The share of an owner."""
        return self._files.get(file, {}).get(owner)

    def conflicts(self, file: LockedFile, owner: LockOwner, share: DosShare) -> bool:
        """Whether a share of another owner is in the way."""
        others = self._files.get(file, {}).items()
        return any(other != owner and share.conflicts(held) for other, held in others)

    def set(self, file: LockedFile, owner: LockOwner, share: DosShare) -> bool:
        """Keep a share that has no conflict, in place of the owner's.

        Returns False if there are too many.
        """
        key, client = (file, owner), owner.client
        if self.get(file, owner) is None:
            if not self._has_room(client):
                return False
            self._count += 1
            self._hosts[client.host] += 1
        self._files.setdefault(file, {})[owner] = share
        self._clients.setdefault(client, {})[key] = None
        return True

    def _has_room(self, client: LockClient) -> bool:
        return (
            self._count < self.most
            and self.count_of(client) < self.most_of_client
            and self._hosts[client.host] < max(self.most // 2, self.most_of_client)
        )

    def clear(self, file: LockedFile, owner: LockOwner) -> bool:
        """Remove the share of an owner; False if there is none."""
        if self.get(file, owner) is None:
            return False
        self._count -= 1
        self._hosts[owner.client.host] -= 1
        if not self._hosts[owner.client.host]:
            del self._hosts[owner.client.host]
        del self._files[file][owner], self._clients[owner.client][file, owner]
        if not self._files[file]:
            del self._files[file]
        if not self._clients[owner.client]:
            del self._clients[owner.client]
        return True

    def free(self, client: LockClient) -> list[tuple[LockedFile, LockOwner]]:
        """Remove the shares of a client; returns what was removed."""
        removed = list(self._clients.get(client, ()))
        for file, owner in removed:
            self.clear(file, owner)
        return removed

    def count_of(self, client: LockClient) -> int:
        """How many shares a client has."""
        return len(self._clients.get(client, ()))
