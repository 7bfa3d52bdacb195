"""``oncrpc.nfs.background``: cached answers of threads."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest

from oncrpc.nfs.background import LIFETIME, OLDEST, RETRY, BackgroundAnswers, NotNow, next_answer
from oncrpc.testing import ManualClock
from support.loops import run


def answers_of(
    ask: Callable[[str], str], clock: ManualClock, running: int = 1
) -> BackgroundAnswers[str, str]:
    return BackgroundAnswers(ask, without="", clock=clock, running=running, most=4)


async def arrived(answers: BackgroundAnswers[str, str]) -> None:
    while answers.asking:
        await asyncio.wait(answers.asking)
        await asyncio.sleep(0)


def test_old_answer_holds_until_the_new_one_comes() -> None:
    clock, given = ManualClock(), iter(["old", "new", "newest"])

    async def main() -> list[str | None]:
        answers, found = answers_of(lambda _: next(given), clock), list[str | None]()
        for pause in (0, 0, LIFETIME - 1, 1, 0, OLDEST):
            clock.advance(pause)
            found.append(answers.get("q"))
            await arrived(answers)
        return found

    assert run(main()) == [None, "old", "old", "old", "new", None]


def test_answer_survives_a_failure_of_the_name_service() -> None:
    clock, fails = ManualClock(), list[bool]()

    def ask(_: str) -> str:
        if fails:
            raise NotNow
        return "value"

    async def main() -> list[str | None]:
        answers, found = answers_of(ask, clock), list[str | None]()
        for pause in (0, LIFETIME, RETRY, OLDEST - LIFETIME - RETRY, 0):
            clock.advance(pause)
            found.append(answers.get("q"))
            await arrived(answers)
            fails.append(True)
        return found

    assert run(main()) == [None, "value", "value", None, ""]


def test_failure_is_tried_again_soon() -> None:
    clock, fails = ManualClock(), [True]

    def ask(_: str) -> str:
        if fails:
            raise NotNow
        return "value"

    async def main() -> list[str | None]:
        answers, found = answers_of(ask, clock), list[str | None]()
        for pause in (0, RETRY - 1, 1, 0):
            clock.advance(pause)
            found.append(answers.get("q"))
            await arrived(answers)
            if pause == RETRY - 1:
                fails.clear()
        return found

    assert run(main()) == [None, "", "", "value"]


def test_questions_wait_for_a_thread() -> None:
    asked = list[str]()

    def ask(question: str) -> str:
        asked.append(question)
        return ""

    async def main() -> None:
        answers = answers_of(ask, ManualClock())
        for question in "abab":
            assert answers.get(question) is None
        assert len(answers.asking) == 1
        await arrived(answers)

    run(main())
    assert asked == ["a", "b"]


def test_least_recent_answers_are_removed() -> None:
    asked = list[str]()

    def ask(question: str) -> str:
        asked.append(question)
        return question

    async def main() -> None:
        answers = answers_of(ask, ManualClock(), running=8)
        for question in "abcdea":
            answers.get(question)
            await arrived(answers)

    run(main())
    assert asked == list("abcdea")


def test_waiting_returns_with_the_first_answer() -> None:
    async def main() -> None:
        answers = answers_of(lambda _: "x", ManualClock())
        assert answers.get("q") is None
        await answers.wait()
        assert answers.get("q") == "x"
        await next_answer(answers)

    run(main())


def test_call_that_fails_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    threads = list[threading.Thread]()

    def ask(_: str) -> str:
        threads.append(threading.current_thread())
        raise ZeroDivisionError

    async def main() -> None:
        answers = answers_of(ask, ManualClock())
        answers.get("q")
        await arrived(answers)
        assert answers.get("q") == ""

    run(main())
    threads[0].join()


def test_system_without_threads_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> None:
        raise RuntimeError("can't start new thread")

    async def main() -> None:
        answers = answers_of(lambda _: "x", ManualClock())
        with monkeypatch.context() as patched:
            patched.setattr("threading.Thread.start", fail)
            assert answers.get("q") is None
            await answers.wait()
        assert answers.get("q") is None
        await answers.wait()
        assert answers.get("q") == "x"

    run(main())
