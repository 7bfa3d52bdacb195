"""``oncrpc.nfs.nsm.outgoing``: notices and callbacks, over restarts and silent hosts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from oncrpc.errors import CallTimeout
from oncrpc.nfs.locks.peers import Peer
from oncrpc.nfs.locks.terms import LockClient
from oncrpc.nfs.nsm.entries import RestartNotice, RpcMonitor, StateNumber
from oncrpc.nfs.nsm.kept import KeptList
from oncrpc.nfs.nsm.monitor import StatusMonitor
from oncrpc.nfs.nsm.outgoing import OutgoingCalls
from oncrpc.testing import ManualClock
from support.loops import run_by, settle

MONITOR = RpcMonitor(b"192.0.2.5", b"host", 100021, 3, 16, bytes(range(16)), 9, 7)


def notice(number: int) -> RestartNotice:
    return RestartNotice(f"192.0.2.{number}", "192.0.2.9", b"", 1000)


class Network:
    """Calls that are recorded; hosts in ``down`` do not answer."""

    def __init__(self) -> None:
        self.down: set[str] = set()
        self.notified: list[tuple[str, int]] = []
        self.called_back: list[RpcMonitor] = []
        self.clock = ManualClock()

    async def notify(self, notice: RestartNotice, state: int, attempt: int) -> None:
        if notice.host in self.down:
            raise CallTimeout
        self.notified.append((notice.host, state))

    async def call_back(self, monitor: RpcMonitor) -> None:
        if "localhost" in self.down:
            raise CallTimeout
        self.called_back.append(monitor)

    async def pass_time(self, seconds: int) -> None:
        for _ in range(seconds):
            await settle()
            self.clock.advance(1)
        await settle()

    def run(self, scenario: Callable[[KeptList, OutgoingCalls], Awaitable[None]]) -> None:
        """Run it over a list in memory with state 7."""

        async def whole() -> None:
            kept = KeptList(None)
            kept.put(StateNumber(7, 7, b"boot"))
            outgoing = OutgoingCalls(kept, self)
            await scenario(kept, outgoing)
            await outgoing.close()

        run_by(self.clock, whole())


def test_answered_notices_are_kept_no_longer() -> None:
    network = Network()
    network.down = {"192.0.2.2"}

    async def scenario(kept: KeptList, outgoing: OutgoingCalls) -> None:
        kept.put(notice(1))
        kept.put(notice(2))
        outgoing.start()
        await network.pass_time(60)
        assert [each.host for each in kept.notices.values()] == ["192.0.2.2"]
        assert len(outgoing) == 1
        assert outgoing.counts.sent == 1

    network.run(scenario)

    assert network.notified == [("192.0.2.1", 7)]


def test_silent_host_is_told_when_it_calls(caplog: pytest.LogCaptureFixture) -> None:
    network = Network()
    network.down = {"192.0.2.1"}

    async def scenario(kept: KeptList, outgoing: OutgoingCalls) -> None:
        kept.put(notice(1))
        outgoing.start()
        await network.pass_time(1000)
        assert len(outgoing) == 0
        assert len(kept.notices) == 1
        assert outgoing.counts.unanswered == 1
        network.down.clear()
        outgoing.can_reach("192.0.2.3")
        outgoing.can_reach("192.0.2.1")
        await network.pass_time(1)
        assert not kept.notices

    network.run(scenario)

    assert network.notified == [("192.0.2.1", 7)]
    assert "no answer to the notice of the restart from 192.0.2.1" in caplog.text


def test_silent_host_loses_no_lock() -> None:
    network = Network()
    network.down = {"192.0.2.1"}
    freed: list[LockClient] = []

    async def scenario() -> int:
        monitor = StatusMonitor(boot=b"boot", calls=network)
        monitor.restarted = lambda client, _: freed.append(client)
        monitor.load()
        await monitor.watch(Peer(LockClient("192.0.2.1", b"client"), "192.0.2.9"), 7)
        monitor.kept.put(notice(1))
        monitor.start()
        await network.pass_time(1000)
        await monitor.stop()
        return len(monitor.kept.peers)

    assert run_by(network.clock, scenario()) == 1
    assert freed == []


def test_program_is_called_back_until_it_answers() -> None:
    network = Network()
    network.down = {"localhost"}

    async def scenario(kept: KeptList, outgoing: OutgoingCalls) -> None:
        kept.put(MONITOR)
        outgoing.call_back(MONITOR.key)
        await network.pass_time(10)
        network.down.clear()
        await network.pass_time(10)
        assert kept.monitors[MONITOR.key].told == 9
        assert outgoing.counts.called_back == 1

    network.run(scenario)

    assert network.called_back == [MONITOR]


def test_callback_continues_after_a_restart() -> None:
    network = Network()

    async def scenario(kept: KeptList, outgoing: OutgoingCalls) -> None:
        kept.put(MONITOR)
        kept.put(MONITOR._replace(mon_name=b"192.0.2.6", told=9))
        outgoing.start()
        await network.pass_time(1)

    network.run(scenario)

    assert network.called_back == [MONITOR]


def test_silent_program_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    network = Network()
    network.down = {"localhost"}

    async def scenario(kept: KeptList, outgoing: OutgoingCalls) -> None:
        kept.put(MONITOR)
        outgoing.call_back(MONITOR.key)
        await network.pass_time(1000)

    network.run(scenario)

    assert "program 100021 version 3 of this host was not notified that 192.0.2.5" in caplog.text


def test_program_that_ended_watching_is_not_called() -> None:
    network = Network()

    async def scenario(kept: KeptList, outgoing: OutgoingCalls) -> None:
        outgoing.call_back(MONITOR.key)
        outgoing.notify(notice(1))
        await network.pass_time(1)

    network.run(scenario)

    assert network.called_back == []
    assert network.notified == []
