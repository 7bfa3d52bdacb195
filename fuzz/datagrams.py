"""Datagrams: sequences of calls by callers of every kind, each answered as the daemon does.

A reply is one to its call. Given again it is what the dispatcher answers at that moment, too.
"""

from __future__ import annotations

from collections.abc import Awaitable
from random import Random

from fuzz.calls import CALLERS, counting, mapper, message
from fuzz.driver import Target
from fuzz.mutation import joined, parted
from oncrpc import sync
from oncrpc.errors import ProtocolError
from oncrpc.rpc import Caller
from oncrpc.rpc.dispatch import Dispatcher
from oncrpc.rpc.prot import rpc_msg
from oncrpc.rpc.reply_cache import CacheableReply
from oncrpc.xdr import codec

MOST_CALLS = 6
REPLY = b"\0\0\0\1"


def make(source: Random) -> bytes:
    """A few calls, each preceded by the number of its caller."""
    calls = [
        bytes([source.randrange(len(CALLERS))]) + message(source)
        for _ in range(source.randrange(1, MOST_CALLS + 1))
    ]
    return joined(*calls)


def run(data: bytes) -> None:
    """Have them answered, one after the other."""
    port_mapper = mapper()
    dispatcher = Dispatcher(
        port_mapper.services(),
        clock=lambda: 0.0,
        before=counting(port_mapper),
        reply_cache=port_mapper.reply_cache,
    )
    for part in parted(data, MOST_CALLS):
        number, call = (part or b"\0")[0], part[1:]
        caller = CALLERS[number % len(CALLERS)]
        reply = answer(dispatcher, call, caller)
        check(call, reply)
        if isinstance(reply, CacheableReply):
            assert answer(dispatcher, call, caller) == reply
    port_mapper.reply_cache.settle()


def answer(dispatcher: Dispatcher, call: bytes, caller: Caller) -> bytes | None:
    """The reply; None to what is no call, too."""
    try:
        reply = dispatcher.handle(call, caller)
        return reply if isinstance(reply, bytes | None) else sync.run(_awaited(reply))
    except ProtocolError:
        return None


async def _awaited(reply: Awaitable[bytes | None]) -> bytes | None:
    return await reply


def check(call: bytes, reply: bytes | None) -> None:
    """A reply has the call's xid, and is one."""
    if reply is not None:
        head, _ = codec(rpc_msg).decode_from(reply)
        assert head.xid == int.from_bytes(call[:4], "big")
        assert reply[4:8] == REPLY


TARGET = Target("datagrams", make, run)
