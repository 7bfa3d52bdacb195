"""Telling clients of their locks: answers, patience, and what ends it."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from oncrpc.errors import CallTimeout, NotRegistered
from oncrpc.nfs.locks.terms import ByteRange, Lock, LockClient, LockedFile, LockOwner
from oncrpc.nfs.locks.waiting import LockRequest
from oncrpc.nfs.nlm.callbacks import (
    ATTEMPT,
    LONGEST_PAUSE,
    MAX_TELLING,
    MAX_TELLING_TO_ONE,
    PATIENCE,
    Callbacks,
)
from oncrpc.nfs.nlm.client_links import ClientPlace
from oncrpc.nfs.nlm.ways_back import WayBack
from oncrpc.programs.nlm import nlm4_stats, nlm_stats
from oncrpc.testing import ManualClock
from support.loops import in_loop, run_by, settle, until
from support.nlm_site import CalledClient, FakeClients, accepting, answered

HOST = "192.0.2.9"
PLACE = ClientPlace(HOST, "192.0.2.1", "tcp", 4)
WAY = WayBack(PLACE, b"handle", by_message=False)
BY_MESSAGE = WAY._replace(by_message=True)
CLIENT = LockClient(HOST, b"one")
FILE = LockedFile(1, b"file")
GRANTED, DENIED = nlm4_stats.NLM4_GRANTED, nlm4_stats.NLM4_DENIED
GRACE = nlm4_stats.NLM4_DENIED_GRACE_PERIOD


def request(
    start: int = 0, end: int = 10, *, svid: int = 77, client: LockClient = CLIENT
) -> LockRequest:
    owner = LockOwner(client, svid, b"oh")
    return LockRequest(FILE, Lock(owner, ByteRange(start, end), exclusive=True), wait=True)


class Granting:
    """Callbacks over fake clients, and what the lock manager hears."""

    def __init__(self) -> None:
        self.clients = FakeClients()
        self.heard: list[tuple[str, LockRequest]] = []
        self.callbacks = Callbacks(self, self.clients, sleep=self._sleep)
        self.slept: list[float] = []
        self.clock: ManualClock | None = None

    def acknowledge(self, request: LockRequest) -> None:
        self.heard.append(("acknowledge", request))

    def give_back(self, request: LockRequest) -> None:
        self.heard.append(("give back", request))

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        if self.clock is not None:
            self.clock.advance(seconds)
        await asyncio.sleep(0)

    def grant(self, asked: LockRequest | None = None, way: WayBack = WAY) -> LockRequest:
        """Grant a lock to a request that waited."""
        wanted = asked or request()
        self.callbacks.expect(wanted, way)
        self.callbacks.granted(wanted)
        return wanted

    async def ended(self) -> None:
        await until(lambda: not self.callbacks)


@pytest.fixture
def hanging() -> Granting:
    """Clients that do not answer."""
    granting = Granting()
    granting.clients.answer = lambda _: asyncio.get_running_loop().create_future()
    return granting


@pytest.mark.parametrize(
    ("stat", "heard"),
    [
        (GRANTED, "acknowledge"),
        (DENIED, "give back"),
        (nlm4_stats.NLM4_FAILED, "give back"),
        (nlm4_stats.NLM4_DENIED_NOLOCKS, "give back"),
    ],
)
@in_loop
async def test_answer_decides_about_the_lock(stat: nlm4_stats, heard: str) -> None:
    granting = Granting()
    granting.clients.answer = lambda called: answered(called, stat)

    wanted = granting.grant()
    await granting.ended()

    assert granting.heard == [(heard, wanted)]
    assert len(granting.clients.calls) == 1


@in_loop
async def test_request_of_unknown_way_is_given_back() -> None:
    granting = Granting()

    granting.callbacks.granted(request())
    assert granting.heard == []  # the lock manager may be granting others
    await settle()

    assert granting.heard == [("give back", request())]


@in_loop
async def test_forgotten_request_is_not_told() -> None:
    granting = Granting()
    assert granting.callbacks.expect(request(), WAY)
    assert not granting.callbacks.expect(request(), WAY)

    granting.callbacks.forget(request())
    granting.callbacks.granted(request())
    await settle()

    assert granting.heard == [("give back", request())]
    assert granting.clients.calls == []


@in_loop
async def test_restarting_client_is_asked_again() -> None:
    granting = Granting()
    answers = [GRACE, GRACE, GRANTED]
    granting.clients.answer = lambda called: answered(called, answers.pop(0))

    granting.grant()
    await granting.ended()

    assert [heard for heard, _ in granting.heard] == ["acknowledge"]
    assert granting.slept == [1.0, 2.0]


@in_loop
async def test_unreachable_client_is_tried_again() -> None:
    granting = Granting()
    failures = [NotRegistered("not registered"), CallTimeout("no reply")]

    def answer(called: CalledClient) -> Any:
        if failures:
            raise failures.pop()
        return accepting(called)

    granting.clients.answer = answer
    granting.grant()
    await granting.ended()

    assert [heard for heard, _ in granting.heard] == ["acknowledge"]
    assert len({each.argument.cookie for each in granting.clients.calls}) == 1


def test_lock_of_silent_client_is_given_back(caplog: pytest.LogCaptureFixture) -> None:
    clock, granting = ManualClock(), Granting()
    granting.clock = clock

    def answer(_: CalledClient) -> None:
        clock.advance(1)
        raise NotRegistered("not registered")

    granting.clients.answer = answer

    async def scenario() -> None:
        granting.grant()
        await granting.ended()

    with caplog.at_level(logging.WARNING):
        run_by(clock, scenario())

    assert [heard for heard, _ in granting.heard] == ["give back"]
    assert PATIENCE - LONGEST_PAUSE - 1 <= clock() <= PATIENCE
    assert granting.slept[:6] == [1, 2, 4, 8, 15, 15]
    assert f"{HOST} did not accept a lock for which it waited within 90 s" in caplog.text


def test_hung_client_is_asked_again() -> None:
    clock, granting = ManualClock(), Granting()

    async def scenario() -> None:
        granting.clients.answer = lambda _: asyncio.get_running_loop().create_future()
        granting.grant()
        await settle()
        clock.advance(ATTEMPT)
        await until(lambda: len(granting.clients.calls) == 2)
        granting.callbacks.close()

    run_by(clock, scenario())


@in_loop
async def test_clients_are_told_side_by_side() -> None:
    granting, go = Granting(), asyncio.Event()

    async def answer(called: CalledClient) -> Any:
        if called.argument.alock.svid == 77:
            await go.wait()
        return accepting(called)

    granting.clients.answer = answer
    granting.grant()
    granting.grant(request(svid=5))
    await until(lambda: granting.heard)

    assert [each.lock.owner.svid for _, each in granting.heard] == [5]
    go.set()
    await granting.ended()


@in_loop
async def test_locks_told_to_one_host_are_bounded(hanging: Granting) -> None:
    for number in range(MAX_TELLING_TO_ONE + 1):
        hanging.grant(request(svid=number))
    hanging.grant(request(client=LockClient("192.0.2.8", b"one")))
    await settle()

    assert hanging.heard == [("give back", request(svid=MAX_TELLING_TO_ONE))]
    assert len(hanging.callbacks) == MAX_TELLING_TO_ONE + 1
    hanging.callbacks.close()


@in_loop
async def test_all_locks_that_are_told_are_bounded(hanging: Granting) -> None:
    for number in range(MAX_TELLING + 1):
        host = f"192.0.2.{number % 100}"
        hanging.grant(request(svid=number, client=LockClient(host, b"one")))
    hanging.callbacks.close()
    await settle()

    assert len(hanging.heard) == 1
    hanging.grant()
    assert len(hanging.callbacks) == 1
    hanging.callbacks.close()


# GRANTED_MSG


@in_loop
async def test_message_is_answered_by_its_cookie() -> None:
    granting = Granting()
    granting.clients.answer = lambda _: None
    granting.grant(way=BY_MESSAGE)
    await until(lambda: granting.clients.calls)
    (called,) = granting.clients.calls
    await settle()

    granting.callbacks.answered(HOST, b"other", GRANTED)
    granting.callbacks.answered("192.0.2.8", called.argument.cookie, GRANTED)
    await settle()
    assert granting.heard == []

    granting.callbacks.answered(HOST, called.argument.cookie, DENIED)
    granting.callbacks.answered(HOST, called.argument.cookie, GRANTED)
    await granting.ended()
    assert called.procedure == "NLMPROC4_GRANTED_MSG"
    assert [heard for heard, _ in granting.heard] == ["give back"]


@in_loop
async def test_answer_may_come_before_the_reply() -> None:
    granting = Granting()
    granting.clients.answer = lambda _: asyncio.get_running_loop().create_future()
    granting.grant(way=BY_MESSAGE)
    await until(lambda: granting.clients.calls)

    granting.callbacks.answered(HOST, granting.clients.calls[0].argument.cookie, GRANTED)
    await granting.ended()

    assert [heard for heard, _ in granting.heard] == ["acknowledge"]


@in_loop
async def test_message_is_sent_again_to_restarting_client() -> None:
    granting = Granting()
    answers = [GRACE, GRANTED]

    def answer(called: CalledClient) -> None:
        granting.callbacks.answered(HOST, called.argument.cookie, answers.pop(0))

    granting.clients.answer = answer
    granting.grant(way=BY_MESSAGE._replace(place=PLACE._replace(vers=3)))
    await granting.ended()

    assert [each.procedure for each in granting.clients.calls] == 2 * ["NLM_GRANTED_MSG"]
    assert [heard for heard, _ in granting.heard] == ["acknowledge"]


@in_loop
async def test_message_not_sent_is_tried_again() -> None:
    granting = Granting()
    failures = [NotRegistered("not registered")]

    def answer(called: CalledClient) -> None:
        if failures:
            raise failures.pop()
        granting.callbacks.answered(HOST, called.argument.cookie, nlm_stats.nlm_granted)

    granting.clients.answer = answer
    granting.grant(way=BY_MESSAGE)
    await granting.ended()

    assert [heard for heard, _ in granting.heard] == ["acknowledge"]


# What ends it


@in_loop
async def test_withdrawn_lock_is_told_no_more(hanging: Granting) -> None:
    wanted = hanging.grant()
    await settle()

    assert hanging.callbacks.withdraw(wanted)
    assert not hanging.callbacks.withdraw(wanted)
    assert len(hanging.callbacks) == 0
    assert hanging.heard == []


@in_loop
async def test_unlock_accepts_all_within(hanging: Granting) -> None:
    inside = hanging.grant()
    outside, other = hanging.grant(request(10, 20)), hanging.grant(request(svid=5))

    hanging.callbacks.unlocked(FILE, inside.lock.owner, ByteRange(9, 10))

    assert hanging.heard == [("acknowledge", inside)]
    assert len(hanging.callbacks) == 2
    assert hanging.callbacks.withdraw(outside)
    assert hanging.callbacks.withdraw(other)


@in_loop
async def test_freed_client_is_told_no_more(hanging: Granting) -> None:
    other = request(client=LockClient(HOST, b"two"))
    hanging.grant()
    hanging.callbacks.expect(request(20, 30), WAY)
    hanging.grant(other)

    hanging.callbacks.freed(CLIENT)

    assert hanging.heard == []
    assert len(hanging.callbacks) == 1
    assert hanging.callbacks.withdraw(other)
    assert hanging.callbacks.leave() == b"[]"


@in_loop
async def test_closed_callbacks_leave_the_locks(hanging: Granting) -> None:
    hanging.grant()
    await settle()

    hanging.callbacks.close()

    assert hanging.heard == []
    assert len(hanging.callbacks) == 0


@in_loop
async def test_next_image_tells_what_is_left(hanging: Granting) -> None:
    told, waiting = request(), request(1 << 40, 1 << 64)
    hanging.grant(told)
    hanging.callbacks.expect(waiting, BY_MESSAGE)
    await settle()
    left = hanging.callbacks.leave()
    hanging.callbacks.close()
    granting = Granting()

    granting.callbacks.resume(left)
    assert len(granting.callbacks) == 1
    granting.callbacks.granted(told)
    await granting.ended()
    granting.callbacks.granted(waiting)
    await until(lambda: len(granting.clients.calls) == 2)

    assert granting.heard == [("acknowledge", told)]
    assert [each.procedure for each in granting.clients.calls] == [
        "NLMPROC4_GRANTED",
        "NLMPROC4_GRANTED_MSG",
    ]
    granting.callbacks.close()


@in_loop
async def test_what_was_not_left_is_ignored(caplog: pytest.LogCaptureFixture) -> None:
    granting = Granting()

    with caplog.at_level(logging.WARNING):
        granting.callbacks.resume(b"[7]")

    assert "are not understood" in caplog.text
    assert len(granting.callbacks) == 0
