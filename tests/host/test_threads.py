"""Blocking calls beside the event loop."""

from __future__ import annotations

import asyncio
import queue
import threading

import pytest

from oncrpc.host.threads import Threads
from support.loops import DEADLINE, run, until


def test_a_call_is_made_in_another_thread() -> None:
    async def main() -> None:
        answer = Threads[threading.Thread](1).start(threading.current_thread)
        assert answer is not None

        assert await answer is not threading.current_thread()

    run(main())


def test_there_are_only_so_many_at_a_time() -> None:
    goes_on = threading.Event()

    async def main() -> None:
        aside = Threads[bool](2)
        answers = [aside.start(goes_on.wait) for _ in range(3)]
        first, second, third = answers
        assert first is not None
        assert second is not None
        assert third is None

        goes_on.set()

        assert await first
        assert await second
        assert aside.running == 0

    run(main())


def test_unawaited_result_is_dropped() -> None:
    goes_on = threading.Event()

    async def main() -> None:
        aside = Threads[bool](1)
        answer = aside.start(goes_on.wait)
        assert answer is not None
        answer.cancel()
        goes_on.set()

        await until(lambda: aside.running == 0)

    run(main())


def test_a_call_that_fails_is_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    raised: queue.Queue[object] = queue.Queue()
    monkeypatch.setattr(threading, "excepthook", raised.put)

    async def main() -> None:
        aside = Threads[float](1)
        answer = aside.start(lambda: 1 / 0)
        assert answer is not None

        await asyncio.wait({answer})

        assert answer.cancelled()
        assert aside.running == 0

    run(main())
    assert raised.get(timeout=DEADLINE)


def test_a_call_may_outlive_the_loop() -> None:
    goes_on = threading.Event()

    async def main() -> None:
        assert Threads[bool](1).start(goes_on.wait) is not None

    run(main())
    [thread] = [thread for thread in threading.enumerate() if thread.name.endswith("(_run)")]
    assert thread.daemon
    goes_on.set()
    thread.join()


def test_failed_thread_counts_as_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)

    async def main() -> None:
        aside = Threads[bool](1)

        assert aside.start(bool) is None
        assert aside.running == 0

    run(main())
