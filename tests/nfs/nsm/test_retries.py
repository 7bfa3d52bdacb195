"""``oncrpc.nfs.nsm.retries``: attempts with growing pauses, few at a time."""

from __future__ import annotations

import asyncio
from collections import Counter

from oncrpc.errors import CallTimeout
from oncrpc.nfs.nsm.retries import Retries
from oncrpc.testing import ManualClock
from support.loops import run_by, settle


class Hosts:
    """Hosts that answer the attempt of that number; None never."""

    def __init__(self, **answers: int | None) -> None:
        self.answers = answers
        self.clock = ManualClock()
        self.attempts: list[tuple[float, str]] = []
        self.given_up: list[str] = []
        self.busy = self.busiest = 0
        self.slow = False

    def retries(self, most: int = 10) -> Retries[str]:
        return Retries(self.attempt, most=most, given_up=self.given_up.append)

    async def attempt(self, host: str, number: int) -> None:
        self.attempts.append((self.clock(), host))
        self.busy += 1
        self.busiest = max(self.busiest, self.busy)
        try:
            await asyncio.sleep(1000 if self.slow else 0)
        finally:
            self.busy -= 1
        if self.answers[host] != number:
            raise CallTimeout

    async def pass_time(self, seconds: int) -> None:
        """Let seconds pass, one after the other."""
        for _ in range(seconds):
            await settle()
            self.clock.advance(1)
        await settle()


def test_answered_host_is_asked_once() -> None:
    hosts = Hosts(a=0)

    async def scenario() -> None:
        retries = hosts.retries()
        retries.add("a")
        assert "a" in retries
        await hosts.pass_time(300)
        assert len(retries) == 0

    run_by(hosts.clock, scenario())

    assert hosts.attempts == [(0, "a")]


def test_pauses_grow() -> None:
    hosts = Hosts(a=8)

    async def scenario() -> None:
        hosts.retries().add("a")
        await hosts.pass_time(600)

    run_by(hosts.clock, scenario())

    assert [at for at, _ in hosts.attempts] == [0, 2, 6, 14, 30, 62, 126, 246, 366]


def test_silent_host_is_given_up() -> None:
    hosts = Hosts(a=None)

    async def scenario() -> int:
        retries = hosts.retries()
        retries.add("a")
        await hosts.pass_time(1800)
        return len(retries)

    assert run_by(hosts.clock, scenario()) == 0
    assert hosts.given_up == ["a"]
    assert hosts.attempts[-1][0] < 900


def test_few_attempts_run_at_the_same_time() -> None:
    names = [f"h{number}" for number in range(100)]
    hosts = Hosts(**dict.fromkeys(names, 1))

    async def scenario() -> None:
        retries = hosts.retries(most=7)
        for name in names:
            retries.add(name)
        await hosts.pass_time(30)
        assert len(retries) == 0

    run_by(hosts.clock, scenario())

    assert hosts.busiest == 7
    assert set(Counter(host for _, host in hosts.attempts).values()) == {2}


def test_dropped_host_is_not_asked_again() -> None:
    hosts = Hosts(a=None, b=0)

    async def scenario() -> None:
        retries = hosts.retries()
        retries.add("a")
        await hosts.pass_time(1)
        retries.drop("a")
        retries.drop("unknown")
        await hosts.pass_time(300)
        retries.add("b")
        await hosts.pass_time(1)

    run_by(hosts.clock, scenario())

    assert [host for _, host in hosts.attempts] == ["a", "b"]


def test_added_host_begins_again() -> None:
    hosts = Hosts(a=None)

    async def scenario() -> None:
        retries = hosts.retries()
        retries.add("a")
        await hosts.pass_time(100)
        retries.add("a")
        await hosts.pass_time(7)

    run_by(hosts.clock, scenario())

    assert [at for at, _ in hosts.attempts][-3:] == [100, 102, 106]


def test_attempts_in_progress_end_when_closed() -> None:
    hosts = Hosts(a=None)
    hosts.slow = True

    async def scenario() -> None:
        retries = hosts.retries()
        retries.add("a")
        await hosts.pass_time(1)
        assert hosts.busy == 1
        await retries.close()
        assert hosts.busy == 0
        await hosts.pass_time(300)

    run_by(hosts.clock, scenario())

    assert len(hosts.attempts) == 1
    assert hosts.given_up == []
