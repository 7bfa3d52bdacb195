"""A simulated VXI-11 instrument (revision 1.0, §B.6): links, locks, timeouts, aborts.

Run within a namespace, ``python -m support.instrument`` registers it with the port mapper there,
writes a line when that is done, and serves until it is terminated. It answers ``*IDN?``; ``ECHO``
with what follows it; ``COUNT?`` with how often it was triggered; and any other message not at all.

Each link has an answer of its own. What VXI-11 ties to a connection outlives it here: services are
not told that one has ended.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable

import oncrpc
from oncrpc.programs import vxi11
from oncrpc.rpc import Call

NO_ERROR, NOT_ACCESSIBLE, INVALID_LINK, PARAMETER_ERROR, NOT_SUPPORTED = 0, 3, 4, 5, 8
LOCKED, NO_LOCK, IO_TIMEOUT, ABORTED = 11, 12, 15, 23
WAITLOCK, END_FLAG, TERMCHRSET = 1, 8, 128
REQCNT, CHR, END = 1, 2, 4
MESSAGE_AVAILABLE = 16
"""A bit of the status byte (IEEE 488.2)."""

IDENTITY = b"Test,Simulated instrument,1,1.0\n"
MAX_RECV_SIZE = 1024
"""The smallest size that VXI-11 allows (§B.6.3)."""


class Link:
    """The message written so far, and the unread rest of the answer."""

    def __init__(self) -> None:
        self.message = self.answer = b""
        self.aborted = False


class Instrument(vxi11.DEVICE_CORE_VERSION.Service):
    """The core channel; ``holder`` is the link that has the lock."""

    def __init__(self) -> None:
        self.links: dict[int, Link] = {}
        self.holder: int | None = None
        self.triggered = 0
        self.numbers = itertools.count(1)
        self.changed = asyncio.Condition()

    async def create_link(self, call: Call, arg: vxi11.Create_LinkParms) -> vxi11.Create_LinkResp:
        if arg.device != b"inst0":
            return vxi11.Create_LinkResp(NOT_ACCESSIBLE, 0, 0, 0)
        lid = next(self.numbers)
        self.links[lid] = Link()
        if arg.lockDevice:
            error = await self._lock(lid, WAITLOCK, arg.lock_timeout)
            if error:
                del self.links[lid]
                return vxi11.Create_LinkResp(error, 0, 0, 0)
        return vxi11.Create_LinkResp(NO_ERROR, lid, call.caller.local_port, MAX_RECV_SIZE)

    async def destroy_link(self, call: Call, lid: int) -> vxi11.Device_Error:
        link = self.links.pop(lid, None)
        if link is None:
            return vxi11.Device_Error(INVALID_LINK)
        link.aborted = True
        if self.holder == lid:
            self.holder = None
        await self._tell()
        return vxi11.Device_Error(NO_ERROR)

    async def device_write(
        self, call: Call, arg: vxi11.Device_WriteParms
    ) -> vxi11.Device_WriteResp:
        error = await self._admit(arg.lid, arg.flags, arg.lock_timeout)
        if not error and len(arg.data) > MAX_RECV_SIZE:
            error = PARAMETER_ERROR
        if error:
            return vxi11.Device_WriteResp(error, 0)
        link = self.links[arg.lid]
        link.message += arg.data
        if arg.flags & END_FLAG:
            link.message, link.answer = b"", self._answer(link.message)
            await self._tell()
        return vxi11.Device_WriteResp(NO_ERROR, len(arg.data))

    async def device_read(self, call: Call, arg: vxi11.Device_ReadParms) -> vxi11.Device_ReadResp:
        error = await self._admit(arg.lid, arg.flags, arg.lock_timeout)
        if error:
            return vxi11.Device_ReadResp(error, 0, b"")
        link = self.links[arg.lid]
        error = await self._until(
            link, lambda: bool(link.answer) or arg.requestSize == 0, arg.io_timeout
        )
        if error:
            return vxi11.Device_ReadResp(error, 0, b"")
        data, reason = portion(link.answer, arg)
        link.answer = link.answer[len(data) :]
        return vxi11.Device_ReadResp(NO_ERROR, reason, data)

    async def device_readstb(
        self, call: Call, arg: vxi11.Device_GenericParms
    ) -> vxi11.Device_ReadStbResp:
        error = await self._admit(arg.lid, arg.flags, arg.lock_timeout)
        waiting = not error and self.links[arg.lid].answer
        return vxi11.Device_ReadStbResp(error, MESSAGE_AVAILABLE if waiting else 0)

    async def device_trigger(
        self, call: Call, arg: vxi11.Device_GenericParms
    ) -> vxi11.Device_Error:
        error = await self._admit(arg.lid, arg.flags, arg.lock_timeout)
        self.triggered += not error
        return vxi11.Device_Error(error)

    async def device_clear(self, call: Call, arg: vxi11.Device_GenericParms) -> vxi11.Device_Error:
        error = await self._admit(arg.lid, arg.flags, arg.lock_timeout)
        if not error:
            link = self.links[arg.lid]
            link.message = link.answer = b""
        return vxi11.Device_Error(error)

    async def device_remote(self, call: Call, arg: vxi11.Device_GenericParms) -> vxi11.Device_Error:
        return vxi11.Device_Error(await self._admit(arg.lid, arg.flags, arg.lock_timeout))

    device_local = device_remote

    async def device_lock(self, call: Call, arg: vxi11.Device_LockParms) -> vxi11.Device_Error:
        return vxi11.Device_Error(await self._lock(arg.lid, arg.flags, arg.lock_timeout))

    async def device_unlock(self, call: Call, lid: int) -> vxi11.Device_Error:
        if lid not in self.links:
            return vxi11.Device_Error(INVALID_LINK)
        if self.holder != lid:
            return vxi11.Device_Error(NO_LOCK)
        self.holder = None
        await self._tell()
        return vxi11.Device_Error(NO_ERROR)

    def device_enable_srq(self, call: Call, arg: vxi11.Device_EnableSrqParms) -> vxi11.Device_Error:
        return vxi11.Device_Error(NOT_SUPPORTED)

    def device_docmd(self, call: Call, arg: vxi11.Device_DocmdParms) -> vxi11.Device_DocmdResp:
        return vxi11.Device_DocmdResp(NOT_SUPPORTED, b"")

    def create_intr_chan(self, call: Call, arg: vxi11.Device_RemoteFunc) -> vxi11.Device_Error:
        return vxi11.Device_Error(NOT_SUPPORTED)

    def destroy_intr_chan(self, call: Call) -> vxi11.Device_Error:
        return vxi11.Device_Error(NOT_SUPPORTED)

    async def abort(self, lid: int) -> int:
        """End what the link waits for, if it does."""
        if lid not in self.links:
            return INVALID_LINK
        self.links[lid].aborted = True
        await self._tell()
        return NO_ERROR

    def _answer(self, message: bytes) -> bytes:
        command, _, rest = message.rstrip(b"\n").partition(b" ")
        answers = {b"*IDN?": IDENTITY, b"ECHO": rest + b"\n", b"COUNT?": b"%d\n" % self.triggered}
        return answers.get(command.upper(), b"")

    async def _lock(self, lid: int, flags: int, lock_timeout: int) -> int:
        """Take the lock; a link that has it already is refused, as others are."""
        if self.holder == lid:
            return LOCKED
        error = await self._admit(lid, flags, lock_timeout)
        if not error:
            self.holder = lid
        return error

    async def _admit(self, lid: int, flags: int, lock_timeout: int) -> int:
        """Check that a link may work: it exists, and no other link has the lock."""
        link = self.links.get(lid)
        if link is None:
            return INVALID_LINK
        wait = lock_timeout if flags & WAITLOCK else 0
        error = await self._until(link, lambda: self.holder in (None, lid), wait)
        return LOCKED if error == IO_TIMEOUT else error

    async def _until(self, link: Link, true: Callable[[], bool], milliseconds: int) -> int:
        """Wait until it is true, the time has passed, or the link is aborted."""
        link.aborted = False
        async with self.changed:
            try:
                async with asyncio.timeout(milliseconds / 1000):
                    await self.changed.wait_for(lambda: link.aborted or true())
            except TimeoutError:
                return IO_TIMEOUT
        return ABORTED if link.aborted else NO_ERROR

    async def _tell(self) -> None:
        async with self.changed:
            self.changed.notify_all()


def portion(answer: bytes, arg: vxi11.Device_ReadParms) -> tuple[bytes, int]:
    """The part of an answer that one read returns, and all reasons why it ends there."""
    found = answer.find(arg.termChar & 0xFF) + 1 if arg.flags & TERMCHRSET else 0
    data = answer[: min(arg.requestSize, found or len(answer))]
    reasons = {
        REQCNT: len(data) == arg.requestSize,
        CHR: 0 < len(data) == found,
        END: 0 < len(data) == len(answer),
    }
    return data, sum(reason for reason, holds in reasons.items() if holds)


class AbortChannel(vxi11.DEVICE_ASYNC_VERSION.Service):
    """The abort channel, at the port of the core channel."""

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument

    async def device_abort(self, call: Call, lid: int) -> vxi11.Device_Error:
        return vxi11.Device_Error(await self.instrument.abort(lid))


async def main() -> None:
    """Serve, and say when clients can come."""
    instrument = Instrument()
    channels = (instrument, AbortChannel(instrument))
    async with oncrpc.serve(*channels, transports=["tcp"], register=True) as server:
        print("ready", flush=True)
        await server.wait()


if __name__ == "__main__":
    asyncio.run(main())
