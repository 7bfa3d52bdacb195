"""A dispatcher of COUNTER under test: calls as bytes, handlers, and the replies."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from oncrpc import sync
from oncrpc.rpc import Call, Caller, NoReply, Service
from oncrpc.rpc.dispatch import Dispatcher
from oncrpc.testing import ManualClock
from support.service import COUNTER, COUNTER_V3
from support.words import words

XID = 0x11223344
NO_AUTH = words(0, 0, 0, 0)  # cred AUTH_NONE, verf AUTH_NONE
ACCEPTED = words(XID, 1, 0, 0, 0)  # REPLY, MSG_ACCEPTED, verf AUTH_NONE
DENIED = words(XID, 1, 1)  # REPLY, MSG_DENIED
TCP = Caller("tcp", ("192.0.2.1", 700, 0))
UDP = Caller("udp", ("192.0.2.1", 700, 0), datagram=True)


def called(
    proc: int, arguments: bytes = b"", *, prog: int = COUNTER, vers: int = 3, auth: bytes = NO_AUTH
) -> bytes:
    return words(
        XID,
        0, 2,              # CALL, rpcvers
        prog, vers, proc,
        auth, arguments,
    )  # fmt: skip


def serving(*services: Service) -> Dispatcher:
    return Dispatcher(services, clock=ManualClock())


def answer(dispatcher: Dispatcher, message: bytes, caller: Caller = TCP) -> bytes | None:
    """The reply, of a coroutine too."""
    reply = dispatcher.handle(message, caller)
    if isinstance(reply, Coroutine):
        done: bytes | None = sync.run(reply)
        return done
    assert reply is None or isinstance(reply, bytes)
    return reply


class Odd(COUNTER_V3.Service):
    """ADD does what it is made with."""

    def __init__(self, does: Any) -> None:
        self.does, self.calls = does, 0

    def ADD(self, call: Call, arg: int) -> Any:
        self.calls += 1
        return self.does(call, arg)

    def READ(self, call: Call) -> Any:
        raise NoReply


def raising(error: Exception) -> Odd:
    def raise_(*_: object) -> None:
        raise error

    return Odd(raise_)


async def later(call: Call, arg: int) -> int:
    return arg + 1


async def later_broken(call: Call, arg: int) -> int:
    raise ZeroDivisionError


ADD_5 = called(1, words(5))
