"""The lock manager on the wire: the bytes of each procedure, and what becomes of messages.

Versions 1 and 3 are laid out as X/Open XNFS draws them, version 4 as RFC 1813 §6.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from oncrpc.nfs.nlm.program import NlmProgram
from oncrpc.programs.nlm import NLM4_VERS, NLM_VERS, NLM_VERS2, NLM_VERSX
from oncrpc.rpc import AUTH_NONE, Caller
from oncrpc.rpc.calls import call_header
from support.exported import ROOT_CRED
from support.loops import in_loop, settle, until
from support.nlm_site import ONE, ONE_UDP, OTHER, NlmSite
from support.words import words

DONE = words(1, 0, 0, 0, 0)  # MSG_ACCEPTED, verf AUTH_NONE, SUCCESS
COOKIE = words(5, b"cooki\0\0\0")
GRANTED, DENIED, BLOCKED, STALE = 0, 1, 3, 7
VERSIONS = (1, 3, 4)
XID = 0x11223344

versions = pytest.mark.parametrize("vers", VERSIONS)


class Wire:
    """Calls of one version, as bytes."""

    def __init__(self, vers: int) -> None:
        self.vers, self.site, self.xid = vers, NlmSite(), XID
        self.handle = self.site.handle_for(vers)

    def size(self, number: int) -> bytes:
        """An offset or a length."""
        return words(0, number) if self.vers == 4 else words(number)

    def alock(
        self, name: bytes = b"one", svid: int = 77, *, start: int = 10, length: int = 5
    ) -> bytes:
        return words(
            3, name + b"\0",               # caller_name
            len(self.handle), self.handle,  # fh
            6, b"77@one\0\0",               # oh
            svid,
            self.size(start),               # l_offset
            self.size(length),              # l_len
        )  # fmt: skip

    def share(self, name: bytes = b"one") -> bytes:
        return words(
            3, name + b"\0",                # caller_name
            len(self.handle), self.handle,  # fh
            6, b"77@one\0\0",               # oh
            3, 1,                           # fsm_DRW, fsa_R
        )  # fmt: skip

    def lockargs(self, *owner: Any, block: int = 0, **range_: Any) -> bytes:
        """Exclusive; state 9."""
        return COOKIE + words(block, 1) + self.alock(*owner, **range_) + words(0, 9)

    def message(self, number: int, arguments: bytes) -> bytes:
        self.xid += 1
        return call_header(self.xid, (100021, self.vers, number), cred=ROOT_CRED) + arguments

    async def call(self, number: int, arguments: bytes, caller: Caller = ONE) -> bytes:
        """The bytes of the result."""
        reply = await self.site.reply(self.message(number, arguments), caller)
        assert reply is not None
        assert reply[:24] == words(self.xid) + DONE
        return reply[24:]


@versions
@in_loop
async def test_bytes_of_test(vers: int) -> None:
    wire = Wire(vers)
    arguments = COOKIE + words(1) + wire.alock(b"two", 5)

    assert await wire.call(1, arguments, OTHER) == COOKIE + words(GRANTED)

    await wire.call(2, wire.lockargs())
    assert await wire.call(1, arguments, OTHER) == COOKIE + words(
        DENIED,
        1, 77,                        # exclusive, svid
        6, b"77@one\0\0",             # oh
        wire.size(10), wire.size(5),  # l_offset, l_len
    )  # fmt: skip


@versions
@in_loop
async def test_bytes_of_lock(vers: int) -> None:
    wire = Wire(vers)

    assert await wire.call(2, wire.lockargs()) == COOKIE + words(GRANTED)
    assert await wire.call(2, wire.lockargs(b"two", 5), OTHER) == COOKIE + words(DENIED)
    waiting = wire.lockargs(b"two", 5, block=1)
    assert await wire.call(2, waiting, OTHER) == COOKIE + words(BLOCKED)


@versions
@in_loop
async def test_bytes_of_cancel(vers: int) -> None:
    wire = Wire(vers)
    await wire.call(2, wire.lockargs())
    await wire.call(2, wire.lockargs(b"two", 5, block=1), OTHER)
    arguments = COOKIE + words(1, 1) + wire.alock(b"two", 5)

    assert await wire.call(3, arguments, OTHER) == COOKIE + words(GRANTED)
    assert await wire.call(3, arguments, OTHER) == COOKIE + words(DENIED)


@versions
@in_loop
async def test_bytes_of_unlock(vers: int) -> None:
    wire = Wire(vers)
    await wire.call(2, wire.lockargs())

    assert await wire.call(4, COOKIE + wire.alock()) == COOKIE + words(GRANTED)
    assert wire.site.held == []


@versions
@in_loop
async def test_bytes_of_granted(vers: int) -> None:
    """We wait for no lock."""
    wire = Wire(vers)

    assert await wire.call(5, COOKIE + words(1) + wire.alock()) == COOKIE + words(DENIED)


@pytest.mark.parametrize("vers", [3, 4])
@in_loop
async def test_bytes_of_share_and_unshare(vers: int) -> None:
    wire = Wire(vers)
    granted, denied = (COOKIE + words(stat, 0) for stat in (GRANTED, DENIED))

    assert await wire.call(20, COOKIE + wire.share() + words(0)) == granted
    assert await wire.call(20, COOKIE + wire.share(b"two") + words(0), OTHER) == denied
    assert await wire.call(21, COOKIE + wire.share() + words(0)) == granted


@pytest.mark.parametrize("vers", [3, 4])
@in_loop
async def test_bytes_of_nm_lock(vers: int) -> None:
    wire = Wire(vers)

    assert await wire.call(22, wire.lockargs()) == COOKIE + words(GRANTED)
    assert len(wire.site.held) == 1


@pytest.mark.parametrize("vers", [3, 4])
@in_loop
async def test_bytes_of_free_all(vers: int) -> None:
    wire = Wire(vers)
    await wire.call(2, wire.lockargs())

    assert await wire.call(23, words(3, b"one\0", 9)) == b""
    assert wire.site.held == []


@versions
@in_loop
async def test_bytes_of_null(vers: int) -> None:
    assert await Wire(vers).call(0, b"") == b""


@versions
@in_loop
async def test_bytes_of_refusal_fit_the_version(vers: int) -> None:
    wire = Wire(vers)
    wire.handle = bytes(28)
    expected = COOKIE + words(STALE if vers == 4 else 2)  # nlm_denied_nolocks

    assert await wire.call(2, wire.lockargs()) == expected
    assert await wire.call(3, COOKIE + words(1, 1) + wire.alock()) == expected
    assert await wire.call(4, COOKIE + wire.alock()) == expected


@in_loop
async def test_version_2_is_version_1() -> None:
    wire = Wire(2)

    assert await wire.call(2, wire.lockargs()) == COOKIE + words(GRANTED)
    assert NLM_VERS2.procedures.keys() == NLM_VERS.procedures.keys()


@pytest.mark.parametrize("version", [NLM_VERS, NLM_VERS2, NLM_VERSX, NLM4_VERS])
def test_every_procedure_is_served(version: Any) -> None:
    (service,) = [each for each in NlmSite().program.services() if each.version is version]

    assert service.handlers().keys() == version.procedures.keys()


# Messages


def message_arguments(wire: Wire, number: int) -> bytes:
    """The arguments of a message."""
    return {
        6: COOKIE + words(1) + wire.alock(),
        7: wire.lockargs(),
        8: COOKIE + words(1, 1) + wire.alock(),
        9: COOKIE + wire.alock(),
    }[number]


def sent(wire: Wire) -> list[tuple[str, bytes]]:
    """The calls to clients: the procedure, and the bytes of its arguments."""
    version = {1: NLM_VERS, 3: NLM_VERSX, 4: NLM4_VERS}[wire.vers]
    named = {each.name: each for each in version.procedures.values()}
    return [
        (each.procedure.partition("_")[2], named[each.procedure].encode_arguments((each.argument,)))
        for each in wire.site.clients.calls
    ]


@versions
@pytest.mark.parametrize(
    ("number", "name", "stat"),
    [
        (6, "TEST_RES", GRANTED),
        (7, "LOCK_RES", GRANTED),
        (8, "CANCEL_RES", DENIED),
        (9, "UNLOCK_RES", GRANTED),
    ],
)
@in_loop
async def test_result_of_a_message_is_a_call(vers: int, number: int, name: str, stat: int) -> None:
    wire = Wire(vers)

    assert await wire.call(number, message_arguments(wire, number)) == b""
    await until(lambda: wire.site.clients.calls and not wire.site.program.sender)

    assert sent(wire) == [(name, COOKIE + words(stat))]
    (called,) = wire.site.clients.calls
    assert called.place == ("192.0.2.9", "192.0.2.1", "tcp", vers)


@versions
@in_loop
async def test_lock_message_is_granted_by_message(vers: int) -> None:
    wire = Wire(vers)
    site = wire.site
    await wire.call(2, wire.lockargs())
    await wire.call(7, wire.lockargs(b"two", 5, block=1), OTHER)
    await until(lambda: not site.program.sender)
    site.clients.answer = lambda _: None
    await wire.call(4, COOKIE + wire.alock())
    await until(lambda: len(site.clients.calls) == 2)

    (_, blocked), (name, granted) = sent(wire)
    assert blocked == COOKIE + words(BLOCKED)
    assert name == "GRANTED_MSG"
    assert granted[:4] == words(8)
    assert granted[12:] == words(1) + wire.alock(b"two", 5)

    assert await wire.call(15, granted[:12] + words(GRANTED), OTHER) == b""
    await until(lambda: not site.program.callbacks)
    assert site.held == [("192.0.2.8", 5, 10, 15)]


@in_loop
async def test_answer_of_another_host_is_not_believed() -> None:
    wire = Wire(4)
    site = wire.site
    site.clients.answer = lambda _: None
    await wire.call(2, wire.lockargs())
    await wire.call(7, wire.lockargs(b"two", 5, block=1), OTHER)
    await wire.call(4, COOKIE + wire.alock())
    await until(lambda: len(site.clients.calls) == 2)
    cookie = sent(wire)[1][1][:12]

    await wire.call(15, cookie + words(DENIED), ONE)
    await settle()
    assert len(site.program.callbacks) == 1

    await wire.call(15, cookie + words(DENIED), OTHER)
    await until(lambda: not site.program.callbacks)
    assert site.held == []


@pytest.mark.parametrize("caller", [ONE, ONE_UDP], ids=["tcp", "udp"])
@in_loop
async def test_repeated_message_gets_its_result_again(caller: Caller) -> None:
    wire = Wire(4)
    message = wire.message(7, wire.lockargs())

    await wire.site.reply(message, caller)
    await wire.call(4, COOKIE + wire.alock())
    await wire.site.reply(message, caller)
    await until(lambda: len(wire.site.clients.calls) == 2)

    assert sent(wire) == 2 * [("LOCK_RES", COOKIE + words(GRANTED))]
    assert wire.site.held == []


@in_loop
async def test_repeated_message_in_progress_is_dropped() -> None:
    wire = Wire(4)
    go = asyncio.Event()
    served = wire.site.files.getattr

    async def later(*arguments: Any) -> Any:
        await go.wait()
        return served(*arguments)

    wire.site.files.getattr = later  # type: ignore[method-assign,assignment]
    message = wire.message(7, wire.lockargs())
    first = asyncio.ensure_future(wire.site.reply(message))
    await settle()

    await wire.site.reply(message)
    go.set()
    await first
    await until(lambda: wire.site.clients.calls and not wire.site.program.sender)

    assert len(wire.site.clients.calls) == 1


@in_loop
async def test_message_with_refused_flavor_gets_no_result() -> None:
    wire = Wire(4)
    arguments = wire.lockargs()
    message = call_header(XID, (100021, 4, 7), cred=AUTH_NONE) + arguments

    for _ in range(2):
        reply = await wire.site.reply(message)
        assert reply is not None
        assert reply[8:12] == words(1)  # MSG_DENIED
    await settle()

    assert wire.site.clients.calls == []


@pytest.mark.parametrize("number", [6, 7, 8, 9])
@in_loop
async def test_stranger_makes_us_call_nobody(number: int) -> None:
    wire = Wire(4)
    wire.site.rules.options = None

    assert await wire.call(number, message_arguments(wire, number)) == b""
    wire.handle = bytes(28)
    assert await wire.call(number, message_arguments(wire, number)) == b""
    await settle()

    assert wire.site.clients.calls == []


@in_loop
async def test_message_from_a_local_socket_works() -> None:
    wire = Wire(4)

    assert await wire.call(7, wire.lockargs(), Caller("local", uid=0)) == b""
    await settle()

    assert len(wire.site.held) == 1
    assert wire.site.clients.calls == []


@pytest.mark.parametrize("number", [10, 11, 12, 13, 14, 15])
@versions
@in_loop
async def test_unexpected_message_does_nothing(vers: int, number: int) -> None:
    wire = Wire(vers)
    tested = COOKIE + words(1) + wire.alock()

    assert await wire.call(number, tested if number == 10 else COOKIE + words(GRANTED)) == b""
    await settle()

    assert wire.site.clients.calls == []


# The life of the program


@in_loop
async def test_closed_program_calls_nobody() -> None:
    wire = Wire(4)
    site = wire.site
    await wire.call(2, wire.lockargs())
    await wire.call(2, wire.lockargs(b"two", 5, block=1), OTHER)

    site.program.close()
    await wire.call(4, COOKIE + wire.alock())
    await settle()

    assert site.clients.closed
    assert site.clients.calls == []


@in_loop
async def test_waiting_client_is_told_by_the_next_image() -> None:
    wire = Wire(4)
    site = wire.site
    await wire.call(2, wire.lockargs())
    await wire.call(2, wire.lockargs(b"two", 5, block=1), OTHER)
    left = site.program.leave()

    site.program.close()
    site.program = NlmProgram(site.shares, site.locks, links=site.clients)
    site.program.resume(left)
    await wire.call(4, COOKIE + wire.alock())
    await until(lambda: site.clients.calls and not site.program.callbacks)

    assert site.held == [("192.0.2.8", 5, 10, 15)]
