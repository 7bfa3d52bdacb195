"""Hooks around the calls of a client."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from oncrpc import sync
from oncrpc.aio.client import connect
from oncrpc.client.hooks import HookedLink, OutgoingCall, awaited
from oncrpc.errors import SystemFailure
from oncrpc.rpc.blocking import run
from oncrpc.testing import MemoryLink
from support.echo import ECHO_V1
from support.loopback_peers import LOCALHOST, echoing
from support.loops import run as run_loop
from support.service import COUNTER_V3, Counter
from support.threaded_servers import answering, behaving

Proceed = Callable[[OutgoingCall], Awaitable[Any]]


class Noted:
    """A hook that notes what passes it."""

    def __init__(self, name: str, notes: list[str]) -> None:
        self.name, self.notes = name, notes

    async def __call__(self, call: OutgoingCall, proceed: Proceed) -> Any:
        self.notes.append(f"{self.name} {call.procedure!r}{call.arguments} at {call.host}")
        result = await proceed(call)
        self.notes.append(f"{self.name} {result}")
        return result


def counter(*hooks: Any) -> COUNTER_V3.Client:
    return COUNTER_V3.Client(HookedLink(MemoryLink([Counter()]), hooks, host="files"))


def test_first_hook_is_outermost() -> None:
    notes: list[str] = []

    assert run(counter(Noted("a", notes), Noted("b", notes)).ADD(5)) == 5

    assert notes == [
        "a COUNTER_V3.ADD(5,) at files", "b COUNTER_V3.ADD(5,) at files", "b 5", "a 5",
    ]  # fmt: skip


def test_hook_sees_and_replaces_options() -> None:
    seen: list[float | None] = []

    async def seeing(call: OutgoingCall, proceed: Proceed) -> Any:
        seen.append(call.timeout)
        return await proceed(call)

    async def hastening(call: OutgoingCall, proceed: Proceed) -> Any:
        return await proceed(call._replace(timeout=1.0))

    client = counter(seeing, hastening, seeing).with_options(timeout=3.0)

    run(client.READ())

    assert seen == [3.0, 1.0]


def test_hook_answers_without_a_call() -> None:
    async def answering(call: OutgoingCall, proceed: Proceed) -> Any:
        return 42

    assert run(counter(answering).READ()) == 42


class Flaky(Counter):
    """Fails twice."""

    failures = 2

    def ADD(self, call: Any, amount: int) -> int:
        if self.failures:
            self.failures -= 1
            raise SystemFailure
        return super().ADD(call, amount)


def retried(call: OutgoingCall, proceed: Callable[[OutgoingCall], Any]) -> Any:
    """A hook of a blocking client that makes a call up to three times."""
    for _ in range(2):
        try:
            return proceed(call)
        except SystemFailure:
            continue
    return proceed(call)


def test_blocking_hook_makes_the_call_again() -> None:
    link = HookedLink(MemoryLink([Flaky()]), [awaited(retried)], host="files")

    assert run(COUNTER_V3.Client(link).ADD(5)) == 5


def test_error_passes_through_the_hook() -> None:
    seen: list[object] = []

    def noting(call: OutgoingCall, proceed: Callable[[OutgoingCall], Any]) -> Any:
        try:
            return proceed(call)
        except SystemFailure as error:
            seen.append(error.procedure)
            raise

    link = HookedLink(MemoryLink([Flaky()]), [awaited(noting)], host="files")

    with pytest.raises(SystemFailure):
        run(COUNTER_V3.Client(link).ADD(5))
    assert seen == [COUNTER_V3.ADD]


def test_connected_blocking_client_has_hooks() -> None:
    notes: list[str] = []

    def noting(call: OutgoingCall, proceed: Callable[[OutgoingCall], Any]) -> Any:
        notes.append(f"{call.procedure!r} at {call.host}")
        return proceed(call)

    with (
        behaving("tcp", answering(Counter(), datagrams=False)) as (host, port),
        sync.connect(host, COUNTER_V3.Client, port=port, hooks=[noting]) as client,
    ):
        assert client.ADD(5) == 5

    assert notes == [f"COUNTER_V3.ADD at {host}"]


def test_connected_asyncio_client_has_hooks() -> None:
    notes: list[str] = []

    async def scenario() -> None:
        async with (
            echoing() as (_, port),
            connect(LOCALHOST, ECHO_V1.Client, port=port, hooks=[Noted("a", notes)]) as echo,
        ):
            assert await echo.ECHO(b"hello") == b"hello"

    run_loop(scenario())
    assert notes == ["a ECHO_V1.ECHO(b'hello',) at 127.0.0.1", "a b'hello'"]


@pytest.mark.parametrize(
    ("hooks", "why"),
    [
        (len, "hooks is of type Sequence, not <built-in function len>"),
        ([7], "hooks are callables that stand around a call, not 7"),
    ],
)
def test_hook_that_cannot_be_called_is_refused(hooks: Any, why: str) -> None:
    with (
        pytest.raises(TypeError) as raised,
        sync.connect(LOCALHOST, COUNTER_V3.Client, port=1, hooks=hooks),
    ):
        pass

    assert str(raised.value) == why


def test_client_shows_its_link() -> None:
    assert repr(counter()).startswith("<COUNTER_V3.Client over <0 hooks around <oncrpc.testing")
