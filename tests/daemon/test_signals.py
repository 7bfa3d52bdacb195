"""Signals to a serving daemon, with a fake image for restarts in place."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NoReturn

import msgspec
import pytest

from oncrpc.daemon import lockfile as pidfile
from oncrpc.daemon.handover import Handover
from oncrpc.daemon.listeners import Listeners
from oncrpc.daemon.lockfile import SERVING
from oncrpc.daemon.notify import Notifier
from oncrpc.daemon.reexec import Image
from oncrpc.daemon.signals import Signals
from oncrpc.portmap.app import HandoverState
from portmap.test_daemon import ask, register
from support.daemons import listening, local
from support.loops import run, until


class FakeImage:
    """A fake program that has a fault, or cannot be executed."""

    folder = "/srv"

    def __init__(self, fault: str = "", error: Exception | None = None) -> None:
        self._fault = fault
        self.error = error or OSError(errno.ENOEXEC, "Exec format error")
        self.left: list[Handover] = []

    async def fault(self) -> str:
        await asyncio.sleep(0)
        return self._fault

    def replace(self, handover: Handover) -> NoReturn:
        self.left.append(handover)
        raise self.error


class FakeNotifier(Notifier):
    """A fake service manager that records notifications."""

    def __init__(self) -> None:
        super().__init__({"NOTIFY_SOCKET": "/run/systemd/notify"})
        self.told: list[str] = []

    def _send(self, *fields: str, control: object = None) -> None:
        self.told.append(fields[0] if control is None else fields[1])


class Living:
    """A daemon and the task that serves it."""

    def __init__(self, tmp_path: Path, listeners: Listeners, image: FakeImage) -> None:
        self.lock = os.open(tmp_path / "pid", os.O_RDWR | os.O_CREAT)
        self.path, self.image, self.notifier = str(tmp_path / "pid"), image, FakeNotifier()
        self.daemon = local(tmp_path).daemon(listeners)
        self.signals = Signals(
            self.daemon,
            image=image,  # type: ignore[arg-type]  # it is like one
            locks=[self.lock],
            notifier=self.notifier,
        )

    async def run(self) -> None:
        """Serve as ``daemon.run.serve`` does."""
        self.signals.install_end_handlers()
        self.daemon.start()
        self.signals.install_handlers()
        await self.daemon.ended.wait()
        self.signals.end()
        await self.daemon.close()

    @property
    def said(self) -> tuple[int, str]:
        holder = pidfile.read(self.path)
        return (holder.events, holder.said) if holder else (-1, "")


@asynccontextmanager
async def living(tmp_path: Path, image: FakeImage) -> AsyncIterator[Living]:
    """A daemon that serves, until the test has ended."""
    with listening(local(tmp_path)) as listeners:
        made = Living(tmp_path, listeners, image)
        running = asyncio.ensure_future(made.run())
        await until(lambda: made.said[0] == 0)
        yield made
        made.daemon.ended.set()
        await running
        os.close(made.lock)


@pytest.fixture(autouse=True)
def signals() -> object:
    """Restore the previous state after the test."""
    numbers = (signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP, signal.SIGPIPE)
    kept = {number: signal.getsignal(number) for number in numbers}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


def test_serving_daemon_notifies_and_stores_its_sockets(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with living(tmp_path, FakeImage()) as made:
            stored = ["local", "local", "udp", "tcp", "udp6", "tcp6"]
            names = [f"FDNAME=portmap-{netid}" for netid in stored]
            assert made.notifier.told == [*names, "READY=1"]
            assert made.said == (0, SERVING)
        assert made.notifier.told[-1] == "STOPPING=1"
        assert os.path.exists(local(tmp_path).sockets[0])

    run(scenario())


def test_sighup_is_a_reload_in_the_managers_eyes(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with living(tmp_path, FakeImage()) as made:
            os.kill(os.getpid(), signal.SIGHUP)
            await until(lambda: made.said == (1, SERVING))
            assert made.notifier.told[-2:] == ["RELOADING=1", "READY=1"]

    run(scenario())


def test_faulty_new_image_is_reported_and_ignored(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        async with living(tmp_path, FakeImage("no such interpreter")) as made:
            os.kill(os.getpid(), signal.SIGUSR2)
            line = "restart failed: no such interpreter; continuing"
            await until(lambda: made.said == (1, line))
            assert made.image.left == []
            assert caplog.messages.count(line) == 1
            assert await ask(made.daemon)

    run(scenario())


def test_failed_execution_leaves_the_daemon_serving(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with living(tmp_path, FakeImage()) as made:
            await register(local(tmp_path).sockets[0], 400001)
            os.kill(os.getpid(), signal.SIGUSR2)
            line = "restart failed: exec format error; continuing"
            await until(lambda: made.said == (1, line))
            (left,) = made.image.left
            assert (left.pid, left.image, left.folder) == (os.getpid(), 1, "/srv")
            assert msgspec.json.decode(left.left, type=HandoverState).registrations[-1][:3] == (
                400001,
                1,
                b"tcp",
            )
            assert len(left.sockets) == 6
            assert await ask(made.daemon)
            assert made.notifier.told[-2:] == ["RELOADING=1", "READY=1"]

    run(scenario())


def test_any_failure_thaws_the_daemon(tmp_path: Path) -> None:
    async def scenario() -> None:
        told: list[BaseException] = []
        loop = asyncio.get_running_loop()
        before = loop.get_exception_handler()
        loop.set_exception_handler(lambda _, context: told.append(context["exception"]))
        image = FakeImage(error=ZeroDivisionError())
        async with living(tmp_path, image) as made:
            os.kill(os.getpid(), signal.SIGUSR2)
            await until(lambda: told)
            assert await ask(made.daemon)
        loop.set_exception_handler(before)
        assert told == [image.error]

    run(scenario())


def test_daemon_can_be_ended_during_restart(tmp_path: Path) -> None:
    async def scenario() -> None:
        image = FakeImage()
        async with living(tmp_path, image) as made:
            os.kill(os.getpid(), signal.SIGUSR2)
            os.kill(os.getpid(), signal.SIGTERM)
            await until(made.daemon.ended.is_set)
        assert image.left == []

    run(scenario())


def test_the_next_image_counts_on(tmp_path: Path) -> None:
    async def scenario() -> None:
        with listening(local(tmp_path)) as listeners:
            former = Handover(pid=os.getpid(), image=4, events=9)
            daemon = local(tmp_path).daemon(listeners, former=former)
            image = Image(("/bin/false",), "/")
            made = Signals(daemon, image=image, locks=[], notifier=Notifier({}))
            assert (made.number, made.events) == (5, 10)

    run(scenario())
