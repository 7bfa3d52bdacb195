"""``oncrpc.nfs.exports.lookup``: names are looked up beside the callers, and have to lead back."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import TypeVar

import pytest

from oncrpc.nfs.background import MAX_RUNNING, MAX_WAITING, NotNow
from oncrpc.nfs.exports.lookup import MAX_NAMES, HostLookups, SystemNames
from support.fake_name_service import FakeNames, host
from support.loops import run

ONE = host("192.0.2.1")


def names() -> FakeNames:
    return FakeNames(
        addresses={
            "one.example.org": ["192.0.2.1"],
            "alias": ["192.0.2.1"],
            "one": ["192.0.2.1"],
            "six.example.org": ["2001:db8::6"],
            "192.0.2.1": ["192.0.2.1"],
        },
        names={
            "192.0.2.1": ["one.example.org", "alias", "false.example.org", "192.0.2.1"],
            "192.0.2.2": ["one.example.org"],
            "2001:db8::6": ["six.example.org."],
            "192.0.2.3": [f"h{number}" for number in range(100)],
        },
        netgroups={"full": ["one.example.org"], "short": ["one", "six"], "number": ["192.0.2.3"]},
    )


T = TypeVar("T")


def answer(lookups: HostLookups, ask: Callable[[], T | None]) -> T:
    """Ask until there is an answer."""

    async def main() -> T:
        while (found := ask()) is None:
            await lookups.wait()
        return found

    return run(main())


def test_no_caller_waits_for_a_name() -> None:
    service = names()
    service.may.clear()

    async def main() -> tuple[bool | None, bool | None]:
        lookups = HostLookups(service)
        first = lookups.has_address("one.example.org", ONE)
        service.may.set()
        await lookups.wait()
        return first, lookups.has_address("ONE.example.org", ONE)

    assert run(main()) == (None, True)


@pytest.mark.parametrize(
    ("name", "address", "has"),
    [
        ("one.example.org", "192.0.2.1", True),
        ("one.example.org", "192.0.2.2", False),
        ("six.example.org", "2001:db8::6", True),
        ("missing.example.org", "192.0.2.1", False),
    ],
)
def test_name_has_the_addresses_it_resolves_to(name: str, address: str, has: bool) -> None:
    lookups = HostLookups(names())

    assert answer(lookups, lambda: lookups.has_address(name, host(address))) is has


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("192.0.2.1", ("one.example.org", "alias")),
        ("192.0.2.2", ()),
        ("2001:db8::6", ("six.example.org",)),
        ("192.0.2.9", ()),
    ],
)
def test_names_count_if_they_lead_back(address: str, found: tuple[str, ...]) -> None:
    lookups = HostLookups(names())

    assert answer(lookups, lambda: lookups.names_of(host(address))) == found


def test_host_with_many_names_costs_few_questions() -> None:
    service = names()
    lookups = HostLookups(service)

    assert answer(lookups, lambda: lookups.names_of(host("192.0.2.3"))) == ()
    assert len(service.asked) == 1 + MAX_NAMES


@pytest.mark.parametrize(
    ("group", "address", "has"),
    [
        ("full", "192.0.2.1", True),
        ("full", "192.0.2.2", False),
        ("short", "192.0.2.1", True),
        ("short", "2001:db8::6", False),  # "six" does not resolve to it
        ("number", "192.0.2.3", True),
        ("missing", "192.0.2.1", False),
    ],
)
def test_netgroup_has_names_that_lead_back(group: str, address: str, has: bool) -> None:
    lookups = HostLookups(names())

    assert answer(lookups, lambda: lookups.in_netgroup(group, host(address))) is has


def test_flood_of_questions_is_bounded() -> None:
    service = names()
    service.may.clear()

    async def main() -> None:
        lookups = HostLookups(service)
        for number in range(MAX_RUNNING + MAX_WAITING + 50):
            assert lookups.names_of(host(f"10.0.{number // 256}.{number % 256}")) is None
        # The names of the configuration have threads of their own.
        assert lookups.has_address("one.example.org", ONE) is None
        service.may.set()
        while lookups.has_address("one.example.org", ONE) is None:
            await lookups.wait()
        while lookups.names_of(host("10.0.0.0")) is None:
            await lookups.wait()
        while len(service.asked) < MAX_RUNNING + MAX_WAITING + 1:
            await lookups.wait()

    run(main())
    assert len(service.asked) == MAX_RUNNING + MAX_WAITING + 1


def test_wait_without_a_question_returns() -> None:
    run(HostLookups(names()).wait())


def test_name_services_of_the_host_know_this_host() -> None:
    service = SystemNames()

    assert host("127.0.0.1") in service.forward("localhost")
    assert not service.forward("no-such-host.invalid." + "x" * 300)
    assert not service.forward("a..b")


def failing(error: OSError) -> Callable[..., object]:
    def fail(*_: object, **__: object) -> object:
        raise error

    return fail


@pytest.mark.parametrize("number", [socket.EAI_AGAIN, socket.EAI_SYSTEM])
def test_failure_to_ask_is_not_an_answer(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", failing(socket.gaierror(number, "")))
    monkeypatch.setattr(socket, "gethostbyaddr", failing(socket.herror(2, "")))

    with pytest.raises(NotNow):
        SystemNames().forward("one.example.org")
    with pytest.raises(NotNow):
        SystemNames().reverse(ONE)


def test_missing_name_is_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    missing = socket.gaierror(socket.EAI_NONAME, "")
    monkeypatch.setattr(socket, "getaddrinfo", failing(missing))
    monkeypatch.setattr(socket, "gethostbyaddr", failing(socket.herror(1, "")))

    assert SystemNames().forward("one.example.org") == frozenset()
    assert SystemNames().reverse(ONE) == ()
    monkeypatch.setattr(socket, "gethostbyaddr", failing(OSError()))
    assert SystemNames().reverse(ONE) == ()


def test_names_of_the_host_come_with_aliases(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostbyaddr", lambda address: ("one", ["uno", "un"], [address]))

    assert SystemNames().reverse(ONE) == ("one", "uno", "un")


def test_unknown_netgroup_has_nobody() -> None:
    assert not SystemNames().in_netgroup("no-such-group", "localhost")
    assert not SystemNames(object()).in_netgroup("no-such-group", "localhost")


def test_name_that_is_no_text_has_no_address() -> None:
    assert SystemNames().forward("\udcff.example.org") == frozenset()
