"""The lists of the mount protocol: EXPORT and DUMP (RFC 1813 §5.2.2 and §5.2.5).

Any host may ask for them, and they may be long. So they are bounded, encoded once until something
changes, and not sent over UDP to addresses that may be forged.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from typing import Protocol, TypeVar, runtime_checkable

from oncrpc.access.line_limit import LineLimit
from oncrpc.errors import SystemFailure
from oncrpc.nfs.server.mount_list import MountList
from oncrpc.nfs.server.shares import Share, Shares
from oncrpc.nfs.status import NfsError
from oncrpc.programs.mount import (
    MNTNAMLEN,
    MNTPATHLEN,
    exportnode,
    groupnode,
    mountbody,
)
from oncrpc.rpc import Call, NoReply
from oncrpc.rpc.program import Encoded
from oncrpc.xdr.nodes import padded

log = logging.getLogger("oncrpc.nfs")
T = TypeVar("T")

MAX_LIST = 1 << 20
"""Bytes of the reply of EXPORT; exports that have no room are left out."""

MAX_UDP_LIST = 9000
"""Bytes of a list over UDP, as C clients have room for; a longer one is refused."""

REPLY_HEADER = 24
"""Bytes of a reply before the list."""

WAIT, WAITS = 0.1, 50
"""Seconds between two questions to rules that look up a name, and how many there are."""


@runtime_checkable
class GroupLists(Protocol):
    """Rules of an export that can be listed by EXPORT."""

    def groups(self) -> Sequence[str] | None:
        """The hosts, networks and netgroups that may mount it; an empty list means everybody.

        None if nobody may: the export is not listed.
        """


class MountLists:
    """Makes the lists.

    ``only_allowed`` makes EXPORT list only what the caller may mount. ``_lists`` caches encoded
    lists. Its key is the declared result, which all versions share, so it has two entries: DUMP
    and EXPORT. An entry is valid for one generation of the mount list or of the shares.
    """

    def __init__(
        self,
        shares: Shares,
        mounts: MountList,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.shares, self.mounts, self.only_allowed = shares, mounts, False
        self._sleep, self.warnings = sleep, LineLimit()
        self._lists: dict[object, tuple[int, Encoded]] = {}

    def dump(self, call: Call) -> list[mountbody]:
        """DUMP: the mount list."""
        self.mounts.drop_old()
        return self._list(call, self.mounts.generation, self._mounts)

    def _mounts(self) -> list[mountbody]:
        return [mountbody(host.encode(), directory) for host, directory in self.mounts]

    async def exports(self, call: Call) -> list[exportnode]:
        """EXPORT: the exports with their groups."""
        if self.only_allowed:
            allowed = await self._allowed(call.caller.host)
            return self._list(call, None, lambda: self._nodes(allowed))
        return self._list(call, self.shares.generation, lambda: self._nodes(self.shares))

    async def _allowed(self, host: str) -> list[Share]:
        """The shares that a host may use; waits while names are looked up."""
        verdicts: dict[int, bool] = {}
        for _ in range(WAITS):
            undecided = [share for share in self.shares if share.tag not in verdicts]
            for share in undecided:
                with suppress(NfsError):
                    verdicts[share.tag] = share.rules.options_for(host) is not None
            if all(share.tag in verdicts for share in undecided):
                break
            await self._sleep(WAIT)
        return [share for share in self.shares if verdicts.get(share.tag)]

    def _nodes(self, shares: Iterable[Share]) -> list[exportnode]:
        nodes = [node for node in map(_node, shares) if node is not None]
        kept = bounded(nodes)
        if len(kept) < len(nodes):
            left_out = self.warnings.left_out("list")
            if left_out is not None:
                count = len(nodes) - len(kept)
                log.warning("%d exports have no room in the list of exports%s", count, left_out)
        return kept

    def _list(self, call: Call, generation: int | None, nodes: Callable[[], list[T]]) -> list[T]:
        """A list, encoded once for each generation; with None it is encoded for this call.

        A broadcast call is ignored. Over UDP a list that C clients have no room for is refused, and
        any list that is longer than the call if the caller's address may be forged: a MNT in its
        name may have made its host trusted.
        """
        caller = call.caller
        if caller.to_group:
            raise NoReply
        kept, encoded = self._lists.get(call.procedure.result, (None, Encoded()))
        if generation is None or kept != generation:
            encoded = Encoded(call.procedure.encode_result(nodes()))
        if generation is not None:
            self._lists[call.procedure.result] = generation, encoded
        if caller.datagram and len(encoded) > self._room(call):
            raise SystemFailure
        return encoded.standing_for(list[T])

    def _room(self, call: Call) -> int:
        """The bytes that a list over UDP may have."""
        caller = call.caller
        if caller.loopback or self.mounts.proved(caller.host) or not self.mounts.has(caller.host):
            return MAX_UDP_LIST
        return len(call.message) - REPLY_HEADER


def _node(share: Share) -> exportnode | None:
    rules = share.rules
    groups = rules.groups() if isinstance(rules, GroupLists) else ()
    if groups is None:
        return None
    named = [group.encode("utf-8", "surrogateescape") for group in groups]
    return exportnode(share.path, [groupnode(each[:MNTNAMLEN]) for each in named])


def bounded(nodes: Iterable[exportnode]) -> list[exportnode]:
    """The exports that have room in ``MAX_LIST`` bytes."""
    kept, size = list[exportnode](), 4
    for node in nodes:
        takes = 12 + padded(len(node.ex_dir))
        takes += sum(8 + padded(len(group.gr_name)) for group in node.ex_groups)
        if len(node.ex_dir) <= MNTPATHLEN and size + takes <= MAX_LIST:
            kept.append(node)
            size += takes
    return kept
