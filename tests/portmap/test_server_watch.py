"""Processes that registered are watched until they end."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from itertools import count

import pytest

from oncrpc.portmap import server_watch as watch
from oncrpc.portmap.registry import Registry
from oncrpc.portmap.server_watch import FEW, MAX_WATCHED, RegistrantWatch
from oncrpc.programs.rpcb import rpcb
from oncrpc.rpc import Caller
from support.callers import LOCAL_UDP, registered
from support.loops import run, settle, until


class Process:
    """A fake process: a pipe that becomes readable when its other end is closed."""

    def __init__(self, pid: int) -> None:
        self.pidfd, self._alive = os.pipe()
        self.asked = 0
        self.caller = Caller("local", uid=0, loopback=True, pid=pid, pidfd=self.open)

    def open(self) -> int:
        self.asked += 1
        return os.dup(self.pidfd)

    def end(self) -> None:
        os.close(self._alive)
        self._alive = -1

    def close(self) -> None:
        os.close(self.pidfd)
        if self._alive >= 0:
            self.end()


class Watched:
    """A registry and a watch of it, which counts how often it called."""

    def __init__(self) -> None:
        self.registry, self.ended = Registry(), 0
        self.watch = RegistrantWatch(self.registry, self._ended)

    def _ended(self) -> None:
        self.ended += 1

    def register(self, caller: Caller, prog: int, netid: str = "tcp") -> rpcb:
        entry = registered(prog, 1, netid)
        assert self.registry.set(entry)
        present = self.registry.find_exactly(prog, 1, netid.encode())
        assert present is not None
        self.watch.add(caller, present)
        return present


def scenario(play: Callable[[Watched, Process], Awaitable[None]]) -> Callable[[], None]:
    """A test of one process; the coroutine function gets it and the watch."""

    def test() -> None:
        process = Process(7)

        async def main() -> None:
            watched = Watched()
            try:
                await play(watched, process)
            finally:
                watched.watch.close()

        try:
            run(main())
        finally:
            process.close()

    test.__name__ = play.__name__
    return test


@scenario
async def test_ended_process_reports_its_registrations(watched: Watched, process: Process) -> None:
    first, second = (watched.register(process.caller, prog) for prog in (400100, 400101))
    watched.register(LOCAL_UDP, 400102)
    assert watched.watch.take() == []

    process.end()
    await until(lambda: watched.ended)

    assert watched.watch.take() == [first, second]
    assert watched.watch.take() == []
    assert len(watched.watch) == 0


@scenario
async def test_process_is_opened_once(watched: Watched, process: Process) -> None:
    for prog in range(400100, 400110):
        watched.register(process.caller, prog)
        watched.register(process.caller, prog)

    process.end()
    await until(lambda: watched.ended)

    assert process.asked == 1
    assert len(watched.watch.take()) == 10


@scenario
async def test_unset_registration_is_not_reported(watched: Watched, process: Process) -> None:
    entry = watched.register(process.caller, 400100)
    watched.registry.drop(entry)
    again = registered(400100, 1)
    watched.registry.set(again)

    process.end()
    await until(lambda: watched.ended)

    assert watched.watch.take() == []


@scenario
async def test_unset_registrations_are_not_kept(watched: Watched, process: Process) -> None:
    kept = watched.register(process.caller, 400100)
    for prog in range(400200, 400200 + 20 * FEW):
        watched.registry.drop(watched.register(process.caller, prog))

    assert watched.watch.kept <= 2 * FEW + 2
    process.end()
    await until(lambda: watched.ended)
    assert watched.watch.take() == [kept]


@scenario
async def test_already_ended_process_causes_a_look(watched: Watched, process: Process) -> None:
    def ended() -> int:
        raise ProcessLookupError(3, "No such process")

    entry = watched.register(Caller("local", uid=0, pid=8, pidfd=ended), 400100)

    assert watched.ended == 1
    assert watched.watch.take() == [entry]


@scenario
async def test_a_process_that_cannot_be_watched_is_not(watched: Watched, process: Process) -> None:
    def refused() -> int:
        raise OSError(24, "Too many open files")

    watched.register(Caller("local", uid=0, pid=8, pidfd=refused), 400100)
    watched.register(Caller("local", uid=0, pid=0, pidfd=process.open), 400101)
    watched.register(Caller("local", uid=0), 400102)

    assert (len(watched.watch), watched.ended, process.asked) == (0, 0, 0)


@scenario
async def test_closed_watch_reports_nothing(watched: Watched, process: Process) -> None:
    watched.register(process.caller, 400100)

    watched.watch.close()
    process.end()
    await settle()

    assert (watched.ended, watched.watch.take()) == (0, [])


def test_no_more_processes_are_watched_than_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "MAX_WATCHED", 3)
    processes = [Process(pid) for pid in range(1, 6)]

    async def main() -> None:
        watched = Watched()
        for process, prog in zip(processes, count(400100), strict=False):
            watched.register(process.caller, prog)
        assert len(watched.watch) == 3
        watched.watch.close()

    try:
        run(main())
    finally:
        for process in processes:
            process.close()

    assert [process.asked for process in processes] == [1, 1, 1, 0, 0]
    assert MAX_WATCHED > 3
