"""Asks one host of a scan for the versions of its port mapper and for its registrations.

Over TCP, version 4 is asked for the list, then 3 and 2 until one returns it; the other versions
are sent a NULL call only. A host that returns no list over TCP is asked over UDP, version 2 first,
which is what small devices have. Each of the two transports ends after the timeout.
"""

from __future__ import annotations

import asyncio
import errno
import time
from functools import partial
from typing import Any, NamedTuple

from oncrpc.aio.link import AioLink, StreamLink, dial
from oncrpc.cli.bounded_lists import PMAP_DUMP, RPCB_DUMP_3, RPCB_DUMP_4
from oncrpc.cli.command import NO_DESCRIPTORS, Failure
from oncrpc.cli.rpcinfo.listing import widened
from oncrpc.cli.rpcinfo.options import PROGRAM
from oncrpc.cli.rpcinfo.trouble import Trouble, of_call, of_dial
from oncrpc.errors import (
    CallError,
    CallTimeout,
    GarbageArguments,
    HostUnknown,
    OncRpcError,
    ProcedureUnavailable,
    ProgramMismatch,
    ProgramUnavailable,
    ProtocolError,
    SystemFailure,
    TransportError,
)
from oncrpc.net.targets import first_of, netids_for
from oncrpc.programs.portmap import PMAP_VERS, mapping
from oncrpc.programs.rpcb import RPCBVERS, RPCBVERS4, rpcb
from oncrpc.rpc import Procedure
from oncrpc.rpc.record import RecordReader

MAX_REPLY = 1 << 20
"""Bytes of a reply; each job of a scan may hold one."""

WAYS = (("tcp", (4, 3, 2)), ("udp", (2, 3, 4)))
"""The transports, each with the versions in the order in which they are asked."""

NOWHERE = (errno.EHOSTUNREACH, errno.ENETUNREACH)
"""No route to the host: it is not asked over the other transport."""

THERE = (ProcedureUnavailable, GarbageArguments, SystemFailure)
"""Refusals that only a version that exists sends."""


class MapperVersion(NamedTuple):
    """The procedures that are called in a version of the port mapper."""

    null: Procedure[None]
    dump: Procedure[Any]


VERSIONS = {
    4: MapperVersion(RPCBVERS4.RPCBPROC_NULL, RPCB_DUMP_4),
    3: MapperVersion(RPCBVERS.RPCBPROC_NULL, RPCB_DUMP_3),
    2: MapperVersion(PMAP_VERS.PMAPPROC_NULL, PMAP_DUMP),
}


class Way(NamedTuple):
    """A transport by which a host is asked."""

    proto: str
    versions: tuple[int, ...]
    port: int
    timeout: float

    async def dial(self, host: str, netid: str) -> AioLink:
        """A link whose timeout is longer than that of the whole attempt, which ends first."""
        return await dial(netid, host, self.port, timeout=2 * self.timeout)


class HostResult:
    """The results for a host. ``answered`` is true after any reply, also a refusal.

    ``milliseconds`` is the time from the start of the connection to the first reply.
    """

    def __init__(self, host: str) -> None:
        self.host = host
        self.versions: list[int] = []
        self.registrations: list[rpcb] | None = None
        self.milliseconds: float | None = None
        self.trouble: OncRpcError | None = None
        self.error = ""

    @property
    def answered(self) -> bool:
        """Whether the host has a port mapper."""
        return self.milliseconds is not None

    def reply(self, begun: float) -> None:
        """Note a reply; the time of the first one is kept."""
        if self.milliseconds is None:
            self.milliseconds = 1000 * (time.monotonic() - begun)

    def fail(self, error: OncRpcError, text: Trouble) -> None:
        """Note why the list is missing; the first of the most telling reasons is kept."""
        if self.trouble is None or _weight(error) > _weight(self.trouble):
            self.trouble, self.error = error, str(text)


async def probe(host: str, *, port: int, timeout: float) -> HostResult:
    """Ask a host; takes at most twice the timeout, in seconds.

    Raises:
        Failure: no more sockets can be opened.
    """
    found = HostResult(host)
    for proto, versions in WAYS:
        way = Way(proto, versions, port, timeout)
        try:
            async with asyncio.timeout(timeout):
                await _by(way, found)
        except TimeoutError:
            silent = CallTimeout()
            found.fail(silent, of_call(silent))
        if found.registrations is not None:
            found.error = ""
            break
        if isinstance(found.trouble, HostUnknown) or _errno_of(found.trouble) in NOWHERE:
            break
    found.versions.sort()
    return found


def _weight(error: OncRpcError) -> int:
    """Rank errors: a refusal tells more than a missing version, and that more than silence."""
    if isinstance(error, (ProgramMismatch, ProgramUnavailable, ProtocolError)):
        return 1
    return 2 if isinstance(error, CallError) else 0


def _errno_of(error: OncRpcError | None) -> int | None:
    return error.errno if isinstance(error, TransportError) else None


async def _by(way: Way, found: HostResult) -> None:
    begun = time.monotonic()
    try:
        link = await first_of(netids_for(way.proto, found.host), partial(way.dial, found.host))
    except OncRpcError as error:
        if _errno_of(error) in NO_DESCRIPTORS:
            reason = "too many files are open; take fewer --jobs, or see 'ulimit -n'"
            raise Failure(f"{PROGRAM}: {reason}") from None
        found.fail(error, of_dial(error))
        return
    if isinstance(link, StreamLink):
        link.reader = RecordReader(max_record=MAX_REPLY)
    try:
        for vers in way.versions:
            await _ask(link, vers, found, begun)
    except OncRpcError as error:
        found.fail(error, of_call(error))
    finally:
        link.close()


async def _ask(link: AioLink, vers: int, found: HostResult, begun: float) -> None:
    """Ask one version, for the list if it is still missing."""
    listing = found.registrations is None
    procedure = VERSIONS[vers].dump if listing else VERSIONS[vers].null
    try:
        reply = await link.call(procedure)
    except CallError as error:
        found.reply(begun)
        found.fail(error, of_call(error))
        if isinstance(error, THERE):
            _has(found, vers)
        return
    found.reply(begun)
    _has(found, vers)
    if listing:
        found.registrations = [_entry(each) for each in reply]


def _has(found: HostResult, vers: int) -> None:
    if vers not in found.versions:
        found.versions.append(vers)


def _entry(listed: mapping | rpcb) -> rpcb:
    return widened(listed) if isinstance(listed, mapping) else listed
