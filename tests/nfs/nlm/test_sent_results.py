"""Results of messages: sent by calls, and again for a repeated message."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from oncrpc.errors import NotRegistered
from oncrpc.nfs.nlm.client_links import ClientPlace
from oncrpc.nfs.nlm.sent_results import (
    LIFETIME,
    MAX_MESSAGES,
    MAX_SENDING,
    MAX_SENDING_TO_ONE,
    ReceivedMessages,
    ResultSender,
)
from oncrpc.programs.nlm import NLM4_VERS, nlm4_res, nlm4_stat, nlm4_stats
from oncrpc.rpc import AUTH_NONE, Call, Caller
from oncrpc.testing import ManualClock
from support.loops import in_loop, run_by, settle, until
from support.nlm_site import CalledClient, FakeClients

PLACE = ClientPlace("192.0.2.9", "192.0.2.1", "udp", 4)
RESULT = nlm4_res(b"ck", nlm4_stat(nlm4_stats.NLM4_GRANTED))
PROCEDURE = NLM4_VERS.NLMPROC4_LOCK_RES


def a_call(
    xid: int = 7, *, port: int = 700, head: bytes = bytes(24), body: bytes = b"args"
) -> Call:
    caller = Caller("udp", ("192.0.2.9", port, 0), ("192.0.2.1", 2049, 0), datagram=True)
    procedure = NLM4_VERS.NLMPROC4_LOCK_MSG
    return Call(xid, procedure, None, AUTH_NONE, caller, head + body, len(head))


@in_loop
async def test_repeated_message_is_found() -> None:
    received = ReceivedMessages()
    message = received.begin(a_call())

    assert received.find(a_call()) is message
    assert received.find(a_call(head=b"later time stamp" + bytes(8))) is message


@pytest.mark.parametrize(
    "other",
    [a_call(8), a_call(port=701), a_call(body=b"more"), a_call(head=bytes(23) + b"\1")],
    ids=["xid", "port", "arguments", "procedure"],
)
@in_loop
async def test_other_message_is_not_the_same(other: Call) -> None:
    received = ReceivedMessages()
    received.begin(a_call())

    assert received.find(other) is None


@in_loop
async def test_other_message_with_the_xid_replaces() -> None:
    received = ReceivedMessages()
    received.begin(a_call())
    received.begin(a_call(body=b"more"))

    assert received.find(a_call()) is None


@in_loop
async def test_abandoned_message_runs_again() -> None:
    received = ReceivedMessages()
    received.begin(a_call())
    received.abandon(a_call())

    assert received.find(a_call()) is None


@in_loop
async def test_number_of_known_messages_is_bounded() -> None:
    received = ReceivedMessages()
    for xid in range(MAX_MESSAGES + 1):
        received.begin(a_call(xid))

    assert received.find(a_call(0)) is None
    assert received.find(a_call(1)) is not None


@pytest.mark.parametrize(("age", "known"), [(LIFETIME, True), (LIFETIME + 1, False)])
def test_message_is_known_for_a_while(age: float, known: bool) -> None:
    clock = ManualClock()

    async def scenario() -> None:
        received = ReceivedMessages()
        received.begin(a_call())
        clock.advance(age)
        assert (received.find(a_call()) is not None) is known

    run_by(clock, scenario())


@in_loop
async def test_failed_result_is_sent_once_more() -> None:
    clients, failures = FakeClients(), 1

    def answer(_: CalledClient) -> None:
        nonlocal failures
        failures -= 1
        if failures >= 0:
            raise NotRegistered("not registered")

    clients.answer = answer
    sender = ResultSender(clients)
    sender.send(PLACE, PROCEDURE, RESULT)
    await until(lambda: not sender)

    assert clients.calls == 2 * [CalledClient(PLACE, "NLMPROC4_LOCK_RES", RESULT)]


@in_loop
async def test_unreachable_client_gets_no_result() -> None:
    clients = FakeClients()

    def answer(_: CalledClient) -> None:
        raise NotRegistered("not registered")

    clients.answer = answer
    sender = ResultSender(clients)
    sender.send(PLACE, PROCEDURE, RESULT)
    await until(lambda: not sender)

    assert len(clients.calls) == 2


def hanging() -> tuple[FakeClients, Callable[[], None]]:
    """Clients that do not answer until they are told to."""
    clients, go = FakeClients(), asyncio.Event()
    clients.answer = lambda _: go.wait()
    return clients, go.set


@in_loop
async def test_results_for_one_client_are_bounded() -> None:
    clients, go = hanging()
    sender = ResultSender(clients)
    for _ in range(2 * MAX_SENDING_TO_ONE):
        sender.send(PLACE, PROCEDURE, RESULT)
    sender.send(PLACE._replace(host="192.0.2.8"), PROCEDURE, RESULT)

    assert len(sender) == MAX_SENDING_TO_ONE + 1
    go()
    await until(lambda: not sender)
    sender.send(PLACE, PROCEDURE, RESULT)
    assert len(sender) == 1
    await until(lambda: not sender)


@in_loop
async def test_all_results_are_bounded() -> None:
    clients, go = hanging()
    sender = ResultSender(clients)
    for number in range(MAX_SENDING + 5):
        sender.send(PLACE._replace(host=str(number)), PROCEDURE, RESULT)

    assert len(sender) == MAX_SENDING
    go()
    await until(lambda: not sender)


@in_loop
async def test_closed_sender_gives_up() -> None:
    clients, _ = hanging()
    sender = ResultSender(clients)
    sender.send(PLACE, PROCEDURE, RESULT)
    await settle()

    sender.close()
    await until(lambda: not sender)
