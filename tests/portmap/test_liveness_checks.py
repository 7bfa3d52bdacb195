"""When registrations are checked, and which are dropped, on a host that the test makes up."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Awaitable, Callable, Collection

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oncrpc.addr import join_uaddr
from oncrpc.errors import SystemFailure
from oncrpc.host.bound_sockets import TABLES, Bound
from oncrpc.host.sockdiag import BoundSocket
from oncrpc.portmap.liveness_checks import AGAIN, FIRST_CHECK, LOOK_AGAIN, Evidence, Liveness
from oncrpc.portmap.registry import Registry
from oncrpc.portmap.verdict import Verdict
from oncrpc.programs.rpcb import rpcb
from oncrpc.rpc import Caller
from oncrpc.testing import ManualClock
from support.callers import ROOT, registered
from support.loops import run_by, settle, until

NFS_PORT, STATUS_PORT = 2049, 32765
NFS = registered(100003, 3, "tcp", "0.0.0.0.8.1")
STATUS = registered(100024, 1, "tcp", "0.0.0.0.127.253")
STATUS_UDP = registered(100024, 1, "udp", "0.0.0.0.127.253", "103")
OWN = registered(100000, 4, "tcp", "0.0.0.0.0.111")
LOCAL = registered(400100, 1, "local", "/run/greet.sock")
INTERVAL = 60.0


class MadeUpHost:
    """A fake host: its bound sockets, its refused local sockets, and the number of looks."""

    def __init__(self) -> None:
        self.ports, self.paths, self.gone = {NFS_PORT, STATUS_PORT}, set[bytes](), set[str]()
        self.kernel = set[int]()
        self.asked: list[set[str]] = []
        self.tried: list[str] = []
        self.prepared = 0
        self.evidence = Evidence(
            self.read, self.refused, lambda: lambda host: True, lambda: self.kernel, self.prepare
        )

    def prepare(self) -> None:
        self.prepared += 1

    async def read(self, netids: Collection[str]) -> Bound:
        self.asked.append(set(netids))
        bound = Bound({netid: set() for netid in TABLES}, self.paths)
        for netid in ("tcp", "udp"):
            for port in self.ports:
                bound.add(netid, BoundSocket(port, bytes(4), dual=False))
        return bound

    async def refused(self, paths: Collection[str]) -> Collection[str]:
        self.tried += paths
        return self.gone


class Checked:
    """A registry that is checked, and the clock of the checks."""

    def __init__(self, *entries: rpcb) -> None:
        self.clock, self.host, self.registry = ManualClock(), MadeUpHost(), Registry()
        self.broken = False
        for entry in entries:
            assert self.registry.set(entry)
        self.liveness = Liveness(self.registry, self._drop, evidence=self.host.evidence)

    def _drop(self, entry: rpcb) -> None:
        if self.broken:
            raise SystemFailure
        assert self.registry.drop(entry)

    async def wait(self, seconds: float) -> None:
        """Let the time pass, and what is due then be done."""
        await settle()
        self.clock.advance(seconds)
        await settle(20)

    def by(self, *netids: str) -> list[int]:
        """The programs that are registered, in order."""
        return [entry.r_prog for entry in self.registry]


Play = Callable[[Checked], Awaitable[None]]


def checked(*entries: rpcb, interval: float = INTERVAL, watch: bool = False) -> Callable[
    [Play], Callable[[], None]
]:  # fmt: skip
    """A test of a registry with these entries, whose checks have started."""

    def decorate(play: Play) -> Callable[[], None]:
        def test() -> None:
            made = Checked(*entries)

            async def main() -> None:
                made.liveness.configure(interval=interval, watch=watch)
                made.liveness.start()
                await play(made)
                await made.liveness.close()

            run_by(made.clock, main())

        test.__name__ = play.__name__
        return test

    return decorate


@checked(OWN, NFS, STATUS, STATUS_UDP)
async def test_killed_server_is_dropped_after_start(made: Checked) -> None:
    made.host.ports.remove(STATUS_PORT)

    await made.wait(FIRST_CHECK)
    assert len(made.registry) == 4

    await made.wait(AGAIN)
    assert list(made.registry) == [OWN, NFS]


@checked(NFS, STATUS)
async def test_later_it_goes_at_the_interval(made: Checked) -> None:
    await made.wait(FIRST_CHECK)
    made.host.ports.remove(STATUS_PORT)

    await made.wait(INTERVAL - 1)
    assert len(made.host.asked) == 1

    await made.wait(1)
    await made.wait(AGAIN)
    assert list(made.registry) == [NFS]


@checked(NFS, STATUS)
async def test_checks_go_on_after_something_was_dropped(made: Checked) -> None:
    for port in (STATUS_PORT, NFS_PORT):
        made.host.ports.remove(port)
        await made.wait(INTERVAL)
        await made.wait(AGAIN)

    assert list(made.registry) == []


@checked(NFS, STATUS, interval=0)
async def test_interval_of_0_disables_checks(made: Checked) -> None:
    made.host.ports.clear()

    await made.wait(1000)
    await made.wait(1000)

    assert (made.host.asked, made.host.prepared) == ([], 0)


@checked(STATUS)
async def test_server_that_binds_between_checks_stays(made: Checked) -> None:
    made.host.ports.remove(STATUS_PORT)
    await made.wait(FIRST_CHECK)

    made.host.ports.add(STATUS_PORT)
    await made.wait(AGAIN)

    assert list(made.registry) == [STATUS]


@checked(STATUS)
async def test_a_server_that_registers_again_between_them_stays(made: Checked) -> None:
    """Before it binds: it will be looked at again."""
    made.host.ports.remove(STATUS_PORT)
    await made.wait(FIRST_CHECK)

    assert made.registry.set(STATUS)
    made.liveness.registered(ROOT, STATUS)
    await made.wait(AGAIN)

    assert list(made.registry) == [STATUS]


@checked(STATUS)
async def test_one_that_another_user_registers_again_does_not(made: Checked) -> None:
    made.host.ports.remove(STATUS_PORT)
    await made.wait(FIRST_CHECK)
    made.liveness.registered(ROOT, registered(100024, 1, "tcp", "0.0.0.0.127.253", "1000"))
    await made.wait(AGAIN)

    assert list(made.registry) == []


@checked(STATUS)
async def test_registration_made_again_stays(made: Checked) -> None:
    made.host.ports.remove(STATUS_PORT)
    await made.wait(FIRST_CHECK)

    again = registered(100024, 1, "tcp", "0.0.0.0.127.253")
    made.registry.drop(STATUS)
    made.registry.set(again)
    await made.wait(AGAIN)

    assert list(made.registry) == [again]


@checked(STATUS)
async def test_unset_registration_is_not_dropped(made: Checked) -> None:
    made.host.ports.clear()
    await made.wait(FIRST_CHECK)

    made.registry.drop(STATUS)
    await made.wait(AGAIN)

    assert list(made.registry) == []


@checked(registered(100003, 3, "tcp", "0.0.0.0.8.9"), registered(100024, 1, "tcp", "0.0.0.0.8.9"))
async def test_possible_kernel_services_stay(made: Checked) -> None:
    made.host.kernel = {100003}

    await made.wait(FIRST_CHECK)
    await made.wait(AGAIN)

    assert made.by() == [100003]


@checked(LOCAL, registered(400101, 1, "local", "/run/there.sock"))
async def test_listed_local_socket_is_not_tried(made: Checked) -> None:
    made.host.paths = {b"/run/there.sock"}
    made.host.gone = {"/run/greet.sock"}

    await made.wait(FIRST_CHECK)
    await made.wait(AGAIN)

    assert made.by() == [400101]
    assert set(made.host.tried) == {"/run/greet.sock"}


@checked(OWN, NFS, STATUS, LOCAL)
async def test_look_drops_nothing(made: Checked) -> None:
    made.host.ports.remove(STATUS_PORT)
    made.host.gone = {"/run/greet.sock"}

    await made.liveness.refresh()

    assert [made.liveness.seen(entry) for entry in made.registry] == [
        Verdict.UNKNOWN,
        Verdict.BOUND,
        Verdict.GONE,
        Verdict.GONE,
    ]
    assert made.liveness.seen(STATUS_UDP) is Verdict.UNKNOWN
    assert made.by() == [100000, 100003, 100024, 400100]


@checked(NFS)
async def test_second_look_reuses_the_first(made: Checked) -> None:
    await made.liveness.refresh()
    made.host.ports.clear()

    await made.liveness.refresh()
    assert made.liveness.seen(NFS) is Verdict.BOUND
    made.clock.advance(LOOK_AGAIN)
    await made.liveness.refresh()

    assert made.liveness.seen(NFS) is Verdict.GONE
    assert len(made.host.asked) == 2


@checked(NFS, interval=0.0)
async def test_without_checks_sockets_are_not_read(made: Checked) -> None:
    await made.liveness.refresh()

    assert made.liveness.seen(NFS) is Verdict.UNKNOWN
    assert made.host.asked == []


@checked(NFS, STATUS)
async def test_checks_and_drops_are_counted(made: Checked) -> None:
    made.host.ports.remove(STATUS_PORT)
    assert made.liveness.checked_at is None

    await made.wait(FIRST_CHECK)
    await made.wait(AGAIN)

    assert made.liveness.checked_at == FIRST_CHECK + AGAIN
    assert made.liveness.dropped == 1


def test_every_drop_has_a_line(caplog: pytest.LogCaptureFixture) -> None:
    unnamed = registered(400100, 2, "udp6", "::1.4.1")

    @checked(STATUS, STATUS_UDP, LOCAL, unnamed)
    async def play(made: Checked) -> None:
        made.host.ports.clear()
        made.host.gone = {"/run/greet.sock"}
        await made.wait(FIRST_CHECK)
        await made.wait(AGAIN)

    with caplog.at_level(logging.INFO, "oncrpc"):
        play()

    assert [record.getMessage() for record in caplog.records] == [
        "dropped program 100024 (status) version 1 on tcp at 0.0.0.0.127.253: nobody listens there",
        "dropped program 100024 (status) version 1 on udp at 0.0.0.0.127.253:"
        " nobody is bound there",
        "dropped program 400100 version 1 on local at /run/greet.sock: nobody serves that socket",
        "dropped program 400100 version 2 on udp6 at ::1.4.1: nobody is bound there",
    ]


def test_failed_drop_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    @checked(STATUS, STATUS_UDP)
    async def play(made: Checked) -> None:
        made.host.ports.clear()
        made.broken = True
        await made.wait(FIRST_CHECK)
        await made.wait(AGAIN)
        assert len(made.registry) == 2

        made.broken = False
        await made.wait(INTERVAL)
        await made.wait(AGAIN)
        assert len(made.registry) == 0

    with caplog.at_level(logging.ERROR, "oncrpc"):
        play()

    assert [record.getMessage() for record in caplog.records] == [
        "program 100024 (status) version 1 on tcp at 0.0.0.0.127.253: nobody listens there,"
        " but its registration cannot be dropped now"
    ]


def ended() -> int:
    raise ProcessLookupError(3, "No such process")


ENDED = Caller("local", uid=0, loopback=True, pid=4242, pidfd=ended)


@checked(NFS, STATUS, interval=0, watch=True)
async def test_registrations_of_ended_process_are_checked(made: Checked) -> None:
    made.host.ports.clear()

    made.liveness.registered(ENDED, STATUS)
    await made.wait(0)
    await made.wait(AGAIN)

    assert list(made.registry) == [NFS]


@checked(STATUS, interval=0, watch=True)
async def test_server_stays_when_its_parent_ends(made: Checked) -> None:
    made.liveness.registered(ENDED, STATUS)
    await made.wait(0)
    await made.wait(AGAIN)

    assert list(made.registry) == [STATUS]
    assert made.host.asked == [{"tcp"}]


@checked(STATUS, interval=0)
async def test_servers_are_watched_only_if_configured(made: Checked) -> None:
    made.host.ports.clear()

    made.liveness.registered(ENDED, STATUS)
    await made.wait(1000)

    assert made.host.asked == []


@checked(STATUS, interval=0)
async def test_unset_registration_is_not_watched(made: Checked) -> None:
    made.liveness.configure(interval=0, watch=True)
    made.registry.drop(STATUS)

    made.liveness.registered(ENDED, STATUS)
    await made.wait(AGAIN)

    assert made.host.asked == []


@checked(STATUS, interval=0)
async def test_checks_are_switched_while_serving(made: Checked) -> None:
    made.liveness.configure(interval=10, watch=False)
    await made.wait(FIRST_CHECK)
    assert (len(made.host.asked), made.host.prepared) == (1, 1)

    made.liveness.configure(interval=5, watch=False)
    await made.wait(5)
    assert (len(made.host.asked), made.host.prepared) == (2, 1)

    made.liveness.configure(interval=0, watch=False)
    await made.wait(1000)
    assert len(made.host.asked) == 2


def test_it_may_be_closed_before_it_was_started() -> None:
    made = Checked()

    run_by(made.clock, made.liveness.close())


def test_default_evidence_is_this_host() -> None:
    clock, registry = ManualClock(), Registry()
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        there = registered(400100, 1, "tcp", join_uaddr("127.0.0.1", port))
        gone = registered(400101, 1, "local", f"@oncrpc-test-liveness-{os.getpid()}")
        assert registry.set(there)
        assert registry.set(gone)

        async def main() -> None:
            liveness = Liveness(registry, dropped.append)
            task = asyncio.ensure_future(liveness.check(registry))
            await until(lambda: liveness.suspected)
            clock.advance(AGAIN)
            await task

        dropped = list[rpcb]()
        run_by(clock, main())

    assert dropped == [gone]


entries = st.lists(
    st.builds(
        registered,
        st.integers(400000, 400010),
        st.integers(1, 2),
        st.sampled_from(["tcp", "udp"]),
        st.sampled_from([f"0.0.0.0.{port >> 8}.{port & 255}" for port in (0, 111, 2049, 4096)]),
    ),
    max_size=8,
)
PORTS = st.sets(st.sampled_from([111, 2049, 4096]))


@settings(max_examples=50)
@given(entries, PORTS, PORTS)
def test_endpoint_bound_at_either_check_stays(
    registrations: list[rpcb], first: set[int], second: set[int]
) -> None:
    made = Checked()
    for entry in registrations:
        made.registry.set(entry)
    before = list(made.registry)

    async def main() -> None:
        made.host.ports = first
        task = asyncio.ensure_future(made.liveness.check(made.registry))
        await made.wait(0)
        made.host.ports = second
        await made.wait(AGAIN)
        await task

    run_by(made.clock, main())

    def port(entry: rpcb) -> int:
        high, low = entry.r_addr.split(b".")[-2:]
        return int(high) << 8 | int(low)

    assert list(made.registry) == [
        entry for entry in before if port(entry) in first | second | {0}
    ]  # fmt: skip
