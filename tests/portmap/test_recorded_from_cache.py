"""Every recorded call gets the same reply with and without a reply cache."""

from __future__ import annotations

from pathlib import Path

import pytest

from oncrpc.programs.rpcb import rpcb
from oncrpc.rpc.dispatch import Dispatcher
from support.golden import Exchange, exchanges, outcome, port_mapper
from support.loops import run

TIMES = 3
"""The first call is dispatched; the second and the third may be answered from the cache."""

REGISTERED = [
    rpcb(100005, 3, b"udp", b"0.0.0.0.3.3", b"superuser"),
    rpcb(100005, 3, b"tcp", b"0.0.0.0.3.3", b"superuser"),
    rpcb(100003, 3, b"udp6", b"::.8.1", b"superuser"),
    rpcb(100003, 3, b"tcp6", b"::.8.1", b"superuser"),
]
RECORDED = exchanges("S1", "S6a", "S8")
Seen = list[tuple[str, list[tuple[str, bytes]]]]


async def replies(path: Path, recorded: list[Exchange], *, caching: bool) -> tuple[Seen, bytes]:
    """The outcome of each call, sent several times, and the statistics after all of them."""
    registered = {"registered": REGISTERED, "now": lambda: 1_700_000_000.0}
    async with port_mapper(path, caching=caching, **registered) as mapper:  # type: ignore[arg-type]  # a table of options
        seen = [
            (exchange.key, [await outcome(mapper, exchange) for _ in range(TIMES)])
            for exchange in recorded
        ]
        return seen, repr(mapper.mapper.statistics.report()).encode()


@pytest.mark.slow
def test_cached_replies_equal_recorded_ones(tmp_path: Path) -> None:
    async def scenario() -> None:
        slow, counted = await replies(tmp_path / "slow", RECORDED, caching=False)
        fast, remembered = await replies(tmp_path / "fast", RECORDED, caching=True)
        assert fast == slow
        assert remembered == counted

    run(scenario())


def test_recorded_calls_use_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the test above would compare the slow path with itself."""
    handled, handle = [0], Dispatcher.handle

    def counted(self: Dispatcher, message: bytes, caller: object) -> object:
        handled[0] += 1
        return handle(self, message, caller)  # type: ignore[arg-type]  # handed on

    monkeypatch.setattr(Dispatcher, "handle", counted)

    async def scenario() -> None:
        asked = [e for e in RECORDED if e.transport == "udp" and e.outcome == "reply"]
        counts = []
        for caching in (False, True):
            handled[0] = 0
            path = tmp_path / str(caching)
            await replies(path, asked, caching=caching)
            counts.append(handled[0])
        assert counts[1] <= counts[0] - 40  # refusals and probes are dispatched each time

    run(scenario())
