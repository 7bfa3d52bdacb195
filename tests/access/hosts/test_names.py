"""Names of hosts: believed if they lead back, remembered, and not waited for."""

from __future__ import annotations

import asyncio
import queue
import socket
import threading
from collections.abc import Collection

import pytest

from oncrpc.access.hosts import names
from oncrpc.access.hosts.names import LIFETIME, MAX_RUNNING, Names, resolve
from oncrpc.access.hosts.patterns import PARANOID, UNKNOWN
from oncrpc.testing import ManualClock
from support.loops import DEADLINE, run, until

ADDRESSES = {
    "a.example.com": ("10.0.0.5", "2001:db8::5"),
    "six.example.com": ("2001:DB8:0::6",),
    "link.example.com": ("fe80::1",),
}


class Resolver:
    """Answers when it may."""

    def __init__(self, name: str = "a.example.com") -> None:
        self.name, self.asked = name, list[str]()
        self.may = threading.Event()

    def __call__(self, address: str) -> str:
        self.asked.append(address)
        self.may.wait()
        return self.name


def forward(name: str) -> Collection[str]:
    return ADDRESSES.get(name, ())


@pytest.mark.parametrize(
    ("address", "found", "name"),
    [
        ("10.0.0.5", "a.example.com", "a.example.com"),
        ("2001:db8::5", "a.example.com", "a.example.com"),
        ("2001:db8::6", "six.example.com", "six.example.com"),
        ("fe80::1%eth0", "link.example.com", "link.example.com"),
        ("10.0.0.6", "a.example.com", PARANOID),
        ("10.0.0.6", "missing.example.com", PARANOID),
        ("10.0.0.5", "10.0.0.5", PARANOID),
        ("2001:db8::5", "2001:db8::5", PARANOID),
        ("10.0.0.5", None, UNKNOWN),
        ("10.0.0.5", "", UNKNOWN),
    ],
)
def test_a_name_counts_if_it_has_the_address(address: str, found: str | None, name: str) -> None:
    assert resolve(address, reverse=lambda _: found, forward=forward) == name


def test_the_name_service_is_asked_both_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def getaddrinfo(host: bytes, *_: object, **options: object) -> list[object]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.5", 0))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(socket, "getnameinfo", lambda *_: ("a.example.com", "0"))

    assert resolve("10.0.0.5") == "a.example.com"
    assert asked == [b"10.0.0.5", b"a.example.com"]


def test_a_name_service_that_fails_knows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **options: object) -> object:
        raise socket.gaierror(socket.EAI_AGAIN, "temporary failure")

    monkeypatch.setattr(socket, "getaddrinfo", fail)

    assert names.reverse("10.0.0.5") is None
    assert names.forward("a.example.com") == ()
    assert names.forward("\ud800") == ()


def test_a_name_is_remembered_for_a_while() -> None:
    clock, resolver = ManualClock(), Resolver()
    resolver.may.set()

    async def main() -> None:
        known = Names(resolver, clock=clock)
        assert known.known("10.0.0.5") is None
        assert await known.name_of("10.0.0.5") == "a.example.com"
        clock.advance(LIFETIME - 1)
        assert await known.name_of("10.0.0.5") == "a.example.com"
        assert known.known("10.0.0.5") == "a.example.com"
        assert resolver.asked == ["10.0.0.5"]

        clock.advance(1)

        assert known.known("10.0.0.5") is None
        resolver.name = UNKNOWN
        assert await known.name_of("10.0.0.5") == UNKNOWN

    run(main())


def test_late_name_is_cached() -> None:
    resolver = Resolver()

    async def main() -> None:
        known = Names(resolver, deadline=0.001)
        assert await known.name_of("10.0.0.5") is None

        resolver.may.set()
        await until(lambda: known.known("10.0.0.5") is not None)

        assert await known.name_of("10.0.0.5") == "a.example.com"
        assert resolver.asked == ["10.0.0.5"]

    run(main())


def test_waiting_callers_share_one_lookup() -> None:
    resolver = Resolver()

    async def main() -> None:
        known = Names(resolver)
        waiting = [asyncio.ensure_future(known.name_of("10.0.0.5")) for _ in range(5)]
        await until(lambda: resolver.asked)
        waiting[0].cancel()

        resolver.may.set()

        assert await asyncio.gather(*waiting[1:]) == ["a.example.com"] * 4
        assert resolver.asked == ["10.0.0.5"]

    run(main())


def test_number_of_running_lookups_is_bounded() -> None:
    resolver = Resolver()

    async def main() -> None:
        known = Names(resolver)
        hosts = [f"10.0.0.{number}" for number in range(MAX_RUNNING)]
        waiting = [asyncio.ensure_future(known.name_of(host)) for host in hosts]
        await until(lambda: len(resolver.asked) == MAX_RUNNING)

        assert await known.name_of("10.0.1.0") is None

        resolver.may.set()
        assert await asyncio.gather(*waiting) == ["a.example.com"] * MAX_RUNNING
        assert await known.name_of("10.0.1.0") == "a.example.com"

    run(main())


def test_number_of_cached_names_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "MAX_NAMES", 2)
    resolver = Resolver()
    resolver.may.set()

    async def main() -> None:
        known = Names(resolver)
        for host in ("10.0.0.1", "10.0.0.2", "10.0.0.3"):
            await known.name_of(host)

        assert known.known("10.0.0.1") is None
        assert known.known("10.0.0.2") == "a.example.com"

    run(main())


def test_a_resolver_that_fails_knows_no_name(monkeypatch: pytest.MonkeyPatch) -> None:
    raised: queue.Queue[object] = queue.Queue()
    monkeypatch.setattr(threading, "excepthook", raised.put)

    def fail(address: str) -> str:
        raise KeyError(address)

    async def main() -> None:
        known = Names(fail)

        assert await known.name_of("10.0.0.5") is None
        assert await known.name_of("10.0.0.5") is None

    run(main())
    assert raised.get(timeout=DEADLINE)
    assert raised.get(timeout=DEADLINE)
