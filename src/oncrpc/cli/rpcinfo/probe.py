"""Asking one host of a scan: which versions of the port mapper it has, and what is registered.

Version 4 is asked for its list over TCP, then 3 and 2, until one gives it; the rest only for a sign
of life. A host that gives none over TCP is asked over UDP, version 2 first: that is what small
devices have. Whatever the host does, each of the two ways ends after the timeout.
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
"""Bytes of a list of registrations; a longer one is an error. There is one for each job."""

WAYS = (("tcp", (4, 3, 2)), ("udp", (2, 3, 4)))
"""The transports, and the versions in the order in which they are asked."""

NOWHERE = (errno.EHOSTUNREACH, errno.ENETUNREACH)
"""There is no way to the host: over the other transport neither."""

THERE = (ProcedureUnavailable, GarbageArguments, SystemFailure)
"""Refusals by which a version shows that it is there."""


class Version(NamedTuple):
    """What is asked of a version of the port mapper: a sign of life, and its list."""

    null: Procedure[None]
    dump: Procedure[Any]


VERSIONS = {
    4: Version(RPCBVERS4.RPCBPROC_NULL, RPCB_DUMP_4),
    3: Version(RPCBVERS.RPCBPROC_NULL, RPCB_DUMP_3),
    2: Version(PMAP_VERS.PMAPPROC_NULL, PMAP_DUMP),
}


class Way(NamedTuple):
    """How a host is asked."""

    proto: str
    versions: tuple[int, ...]
    port: int
    timeout: float

    async def dial(self, host: str, netid: str) -> AioLink:
        """A link whose own patience is longer than that of the whole."""
        return await dial(netid, host, self.port, timeout=2 * self.timeout)


class Found:
    """What is known of a host. ``answered`` says that it replied to a call, be it with a refusal.

    ``milliseconds`` passed from the first step, which is to connect, to the first reply.
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
        """Whether there is a port mapper."""
        return self.milliseconds is not None

    def reply(self, begun: float) -> None:
        """A reply has come; the time of the first one counts."""
        if self.milliseconds is None:
            self.milliseconds = 1000 * (time.monotonic() - begun)

    def fail(self, error: OncRpcError, text: Trouble) -> None:
        """Why there is no list; of several reasons the first of those that say most is kept."""
        if self.trouble is None or _weight(error) > _weight(self.trouble):
            self.trouble, self.error = error, str(text)


async def probe(host: str, *, port: int, timeout: float) -> Found:
    """Ask a host; takes at most twice the timeout, in seconds.

    Raises:
        Failure: no more sockets can be opened.
    """
    found = Found(host)
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
    """How much an error says of a host: a refusal more than no such version, that than silence."""
    if isinstance(error, (ProgramMismatch, ProgramUnavailable, ProtocolError)):
        return 1
    return 2 if isinstance(error, CallError) else 0


def _errno_of(error: OncRpcError | None) -> int | None:
    return error.errno if isinstance(error, TransportError) else None


async def _by(way: Way, found: Found) -> None:
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


async def _ask(link: AioLink, vers: int, found: Found, begun: float) -> None:
    """Ask one version: for its list if there is none yet."""
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


def _has(found: Found, vers: int) -> None:
    if vers not in found.versions:
        found.versions.append(vers)


def _entry(listed: mapping | rpcb) -> rpcb:
    return widened(listed) if isinstance(listed, mapping) else listed
