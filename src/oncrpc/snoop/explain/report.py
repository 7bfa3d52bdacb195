"""Attempts as text for people, and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import groupby

from oncrpc.snoop.explain.steps import MountAttempt, MountStep
from oncrpc.snoop.explain.verdicts import SECOND, JudgedAttempt

ALSO = "Also"


def text_lines(each: JudgedAttempt, begin: int) -> Iterator[str]:
    """The lines of an attempt; times are seconds since ``begin``."""
    attempt, verdict = each.attempt, each.verdict
    path = f" {attempt.path}" if attempt.path else ""
    state = verdict.cause.name if verdict.healthy else "failed"
    yield f"{attempt.client} -> {attempt.server}{path}: {state}{_repeats(each.repeats)}"
    yield ""
    yield f"{'frame':>11} {'seconds':>11}  step"
    yield from _step_lines(attempt, begin)
    yield ""
    yield verdict.sentence if verdict.healthy else f"Why: {verdict.sentence}"
    for sentence in verdict.others:
        yield f"{ALSO}: {sentence}"
    if verdict.remedy:
        yield f"What to do: {verdict.remedy}"


def _repeats(count: int) -> str:
    return f" ({count + 1} attempts, the first is shown)" if count else ""


def _step_lines(attempt: MountAttempt, begin: int) -> Iterator[str]:
    """A line for each step; equal consecutive steps share a line."""
    runs = [list(run) for _, run in groupby(attempt.steps, key=_line_of)]
    for number, run in enumerate(runs, 1):
        step = run[0]
        times = f" ({len(run)} times)" if len(run) > 1 else ""
        seconds = (step.time - begin) / SECOND
        yield f"{number:4}. {step.number:5} {seconds:11.6f}  {_line_of(step)}{times}"
    if attempt.dropped:
        yield f"{'':24}{attempt.dropped} steps before the last one are left out"


def _line_of(step: MountStep) -> str:
    tries = f", {step.tries} tries" if step.tries > 1 else ""
    source = f", from {step.reply_source}" if step.reply_source else ""
    late = f", after {step.duration / SECOND:.1f} s" if step.duration >= SECOND else ""
    return f"{step.question.text}: {step.result.words}{tries}{late}{source}"


def json_of(each: JudgedAttempt) -> str:
    """An attempt as a JSON object on one line; times are seconds since 1970."""
    attempt, verdict = each.attempt, each.verdict
    text = json.dumps(
        {
            "client": attempt.client,
            "server": attempt.server,
            "path": attempt.path,
            "healthy": verdict.healthy,
            "cause": verdict.cause.name,
            "why": verdict.sentence,
            "also": list(verdict.others),
            "what_to_do": verdict.remedy,
            "attempts": each.repeats + 1,
            "steps": [_step(step) for step in attempt.steps],
        }
    )
    return text.replace("\x7f", "\\u007f")


def _step(step: MountStep) -> dict[str, object]:
    return {
        "frame": step.number,
        "time": step.time / SECOND,
        "step": step.question.text,
        "end": step.result.end.name,
        "result": step.result.words,
        "tries": step.tries,
        "transport": step.transport,
        "port": step.server.port,
        "client_port": step.client.port,
    }
