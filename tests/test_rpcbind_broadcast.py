"""CALLIT in both versions: the calls sent, and the replies accepted."""

from __future__ import annotations

import socket

from oncrpc import rpc
from oncrpc.errors import ProgramUnavailable
from oncrpc.net.broadcast import Destination, broadcast_socket
from oncrpc.programs.portmap import PMAP_VERS, call_args, call_result
from oncrpc.programs.rpcb import RPCBVERS, rpcb_rmtcallargs, rpcb_rmtcallres
from oncrpc.rpc import Caller
from oncrpc.rpc.dispatch import Dispatcher, refuse
from oncrpc.rpcbind_broadcast import BroadcastCalls
from oncrpc.testing import ManualClock
from support.words import words


class Forwarding3(RPCBVERS.Service):
    """Answers CALLIT for every program."""

    def RPCBPROC_CALLIT(self, call: rpc.Call, arg: rpcb_rmtcallargs) -> rpcb_rmtcallres:
        return rpcb_rmtcallres(b"127.0.0.1.8.1", b"three")


class Forwarding2(PMAP_VERS.Service):
    """The same in version 2."""

    def PMAPPROC_CALLIT(self, call: rpc.Call, arg: call_args) -> call_result:
        return call_result(2049, b"two!")


def asked_of(prog: int, vers: int) -> BroadcastCalls:
    """Both questions, with an AUTH_SYS credential."""
    return BroadcastCalls.of((prog, vers, 0), b"", auth=rpc.auth_sys(b"host", 0, 0))


def answer(message: bytes) -> bytes:
    """The replies of a port mapper that forwards."""
    dispatcher = Dispatcher([Forwarding2(), Forwarding3()], clock=ManualClock())
    reply = dispatcher.handle(message, Caller("udp"))
    assert isinstance(reply, bytes)
    return reply


def test_both_versions_are_asked_with_a_credential() -> None:
    asked = asked_of(100003, 3)

    assert asked.version_2.xid == (asked.version_3.xid + 1) & 0xFFFFFFFF
    for message, version in zip(asked.messages, (3, 2), strict=True):
        assert message[12:28] == b"\0\1\x86\xa0" + bytes([0, 0, 0, version, 0, 0, 0, 5, 0, 0, 0, 1])
        assert message.endswith(b"\0\1\x86\xa3\0\0\0\3" + bytes(8))


def test_reply_has_address_or_port_by_version() -> None:
    asked = asked_of(100003, 3)
    replies = [answer(message) for message in asked.messages]

    found = [asked.answer(reply, "192.0.2.1") for reply in replies]

    assert found == [(b"127.0.0.1.8.1", b"three"), (b"192.0.2.1.8.1", b"two!")]


def test_foreign_and_refused_replies_are_ignored() -> None:
    asked = asked_of(100003, 3)
    xid = asked.version_3.message[:4]

    assert asked.answer(b"", "h") is None
    assert asked.answer(b"\0" * 40, "h") is None
    assert asked.answer(xid + b"\0\0\0\1\0\0\0\7", "h") is None
    assert asked.answer(refuse(xid, ProgramUnavailable()), "h") is None
    assert asked.answer(asked.version_3.message, "h") is None


def test_the_arguments_are_carried_along() -> None:
    asked = BroadcastCalls.of((1, 2, 3), b"args", auth=rpc.AUTH_NONE)

    for message in asked.messages:
        assert message[40:] == words(1, 2, 3, 4, b"args")


def test_one_unreachable_network_is_not_a_failure() -> None:
    asked = asked_of(100003, 3)
    places = [Destination(socket.AF_INET, host) for host in ("not an address", "127.0.0.1")]

    with broadcast_socket(socket.AF_INET) as sock:
        assert asked.send({socket.AF_INET: sock}, places, 9) == 2
        assert asked.send({socket.AF_INET: sock}, places[:1], 9) == 0
