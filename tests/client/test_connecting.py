"""Checking, looking up and dialing: the part of ``connect`` that both drivers share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar, TypeVarTuple

from oncrpc.client.connecting import SHORTEST, ConnectTarget, LimitedLink, TimeLimit
from oncrpc.programs.rpcb import RPCBVERS4, rpcb
from oncrpc.rpc import AUTH_NONE, Call, Procedure
from oncrpc.rpc.auth import Auth
from oncrpc.rpc.blocking import run
from oncrpc.testing import ManualClock, MemoryLink
from support.service import COUNTER_V3

R = TypeVar("R")
A = TypeVarTuple("A")
HOST = "192.0.2.1"


class Rpcb4(RPCBVERS4.Service):
    """A port mapper that takes two seconds to say port 2049."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock

    def RPCBPROC_GETADDR(self, call: Call, arg: rpcb) -> bytes:
        self.clock.advance(2.0)
        return b"192.0.2.1.8.1"


class Dialer:
    """Dials services in memory; each dial takes a second. ``dialed`` are ports and timeouts."""

    def __init__(self, clock: ManualClock, services: Sequence[Any]) -> None:
        self.clock, self.services = clock, services
        self.dialed: list[tuple[str, str, int, float]] = []
        self.options: list[dict[str, Any]] = []

    async def __call__(
        self, netid: str, host: str, port: int, *, timeout: float = 10.0, **options: Any
    ) -> MemoryLink:
        self.dialed.append((netid, host, port, timeout))
        self.options.append(options)
        self.clock.advance(1.0)
        return MemoryLink(self.services, clock=self.clock, peer=f"{host}.0.111", timeout=timeout)


def target(dialer: Dialer, **options: Any) -> ConnectTarget[MemoryLink]:
    given: dict[str, Any] = {
        "transport": "tcp", "port": None, "auth": AUTH_NONE, "timeout": 5.0,
        "reserved_port": False, "mapper": None,
    }  # fmt: skip
    return ConnectTarget(
        HOST, COUNTER_V3.Client, dial=dialer, clock=dialer.clock, **given | options
    )


def test_timeout_covers_asking_the_port_mapper() -> None:
    clock = ManualClock()
    dialer = Dialer(clock, [Rpcb4(clock)])

    link = run(target(dialer).open(5.0))

    assert [(port, timeout) for _, _, port, timeout in dialer.dialed] == [(111, 5.0), (2049, 2.0)]
    assert link.timeout == 5.0


def test_known_port_is_dialed_without_a_port_mapper() -> None:
    dialer = Dialer(ManualClock(), [])

    run(target(dialer, port=2049, reserved_port=True).open(5.0))

    assert dialer.dialed == [("tcp", HOST, 2049, 5.0)]
    assert dialer.options == [{"auth": AUTH_NONE, "reserved_port": True}]


def test_mapper_elsewhere_tells_the_port_to_dial() -> None:
    clock = ManualClock()
    dialer = Dialer(clock, [Rpcb4(clock)])

    run(target(dialer, mapper="192.0.2.9:10111").open(9.0))

    assert [place[:3] for place in dialer.dialed] == [
        ("tcp", "192.0.2.9", 10111), ("tcp", HOST, 2049)
    ]  # fmt: skip


class Noting(MemoryLink):
    """Notes the timeout of each call."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__([Rpcb4(clock)], clock=clock)
        self.timeouts: list[float | None] = []

    async def call(
        self,
        procedure: Procedure[R, *A],
        *arguments: *A,
        timeout: float | None = None,
        auth: Auth | None = None,
    ) -> R:
        self.timeouts.append(timeout)
        return await super().call(procedure, *arguments, timeout=timeout, auth=auth)


def test_calls_of_a_limited_link_share_its_time() -> None:
    clock = ManualClock()
    link = Noting(clock)
    client = RPCBVERS4.Client(LimitedLink(link, TimeLimit(5.0, clock)))
    wanted = rpcb(1, 1, b"tcp", b"", b"")

    for timeout in (None, None, 0.5, None):
        run(client.with_options(timeout=timeout).RPCBPROC_GETADDR(wanted))

    assert link.timeouts == [5.0, 3.0, 0.5, SHORTEST]
