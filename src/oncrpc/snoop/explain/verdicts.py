"""The verdict on a mount attempt: which step failed, why, and what to do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from oncrpc.snoop.explain.causes import Cause
from oncrpc.snoop.explain.network_causes import NETWORK_CAUSES
from oncrpc.snoop.explain.program_causes import PROGRAM_CAUSES
from oncrpc.snoop.explain.steps import (
    LOCKING,
    NETWORK_ENDS,
    MountAttempt,
    MountStep,
    ServerPart,
    StepEnd,
    StepKind,
)
from oncrpc.snoop.words.names import FLAVORS

CAUSES = (*NETWORK_CAUSES, *PROGRAM_CAUSES)
"""All causes; the first one that fits a step explains it."""

HEALTHY = Cause(
    "healthy",
    "The mount is healthy: {client} uses {path} of {server}.",
    "",
)
IN_USE = Cause(
    "in use",
    "NFS of {server} answers; the mount itself is not in the capture.",
    "",
)
ANSWERED = Cause(
    "answered",
    "Every question of {client} was answered; it does not use a directory of {server} here.",
    "",
)
SUCCESSES = (HEALTHY, IN_USE, ANSWERED)
HOST_SILENT = "host-silent"
CAUSES_WITH_ANSWER = (
    "flavor-not-offered",
    "reply-from-other-address",
    "replies-lost",
    "server-slow",
)
"""Causes that explain a step with an answer: the answer is late, lost or unusable."""

SECOND = 1_000_000_000


class MountVerdict(NamedTuple):
    """The cause and its sentences; ``others`` are the sentences of further problems."""

    cause: Cause
    sentence: str
    remedy: str
    step: MountStep | None = None
    others: tuple[str, ...] = ()

    @property
    def healthy(self) -> bool:
        """True if nothing failed."""
        return self.cause in SUCCESSES


def verdict_of(attempt: MountAttempt) -> MountVerdict:
    """The verdict on an attempt."""
    problems = list(_problems(attempt))
    if not problems:
        return explained(_success_of(attempt), attempt, None)
    step, cause = max(problems, key=lambda each: _weight(each[0]))
    others = {found.name: _filled(found.sentence, attempt, each) for each, found in problems}
    others.pop(cause.name)
    return explained(cause, attempt, step)._replace(others=tuple(others.values()))


def _weight(step: MountStep) -> tuple[bool, bool, int]:
    """The rank of a problem: the last one wins, except that locks and waiting steps rank lower."""
    return not step.waits, step.question.about not in LOCKING, step.number


def explained(cause: Cause, attempt: MountAttempt, step: MountStep | None) -> MountVerdict:
    """A cause with its sentences filled in."""
    sentence, remedy = (_filled(text, attempt, step) for text in (cause.sentence, cause.remedy))
    return MountVerdict(cause, sentence, remedy, step)


def _success_of(attempt: MountAttempt) -> Cause:
    if not attempt.used:
        return ANSWERED
    return HEALTHY if attempt.path else IN_USE


def _problems(attempt: MountAttempt) -> Iterator[tuple[MountStep, Cause]]:
    """The steps that failed and were not overcome later, with their causes."""
    for step in attempt.steps:
        if _is_overcome(step, attempt):
            continue
        cause = cause_of(attempt, step)
        if cause is not None:
            yield step, cause


def cause_of(attempt: MountAttempt, step: MountStep) -> Cause | None:
    """The first cause that fits a step; None for a step that did not fail."""
    cause = next((cause for cause in CAUSES if cause.fits(attempt, step)), None)
    if step.result.end is StepEnd.DONE and cause and cause.name not in CAUSES_WITH_ANSWER:
        return None
    return cause


def _is_overcome(step: MountStep, attempt: MountAttempt) -> bool:
    """Whether the client succeeded later although the step failed."""
    question = step.question
    if step.usual:
        return attempt.used > step.number and not step.lost
    if question.kind is StepKind.ROOT:
        return any(
            each.result.end is StepEnd.DONE and each.question.text == question.text
            for each in _later(step, attempt)
        )
    if attempt.used > step.number and question.about not in LOCKING:
        return not _is_slow(step)
    return any(_overcomes(each, step) for each in _later(step, attempt))


def _is_slow(step: MountStep) -> bool:
    return step.result.end is StepEnd.DONE and not step.reply_source and step.duration >= SECOND


def _later(step: MountStep, attempt: MountAttempt) -> Iterator[MountStep]:
    return (each for each in attempt.steps if each.number > step.number)


def _overcomes(later: MountStep, step: MountStep) -> bool:
    """Whether the success of a later step shows that the failure of a step was harmless."""
    if later.result.end is not StepEnd.DONE or later.reply_source:
        return False
    if later.question.about is step.question.about:
        return later.question.kind >= step.question.kind
    by_network = step.result.end in NETWORK_ENDS or bool(step.reply_source)
    return by_network and later.question.part is step.question.part


def _filled(text: str, attempt: MountAttempt, step: MountStep | None) -> str:
    """A sentence with its place holders filled, and a capital at its beginning."""
    sentence = text.format_map(facts_of(attempt, step))
    return sentence[:1].upper() + sentence[1:]


def facts_of(attempt: MountAttempt, step: MountStep | None) -> dict[str, object]:
    """The values of the place holders in sentences; those of a step only if there is one."""
    facts: dict[str, object] = {
        "client": attempt.client,
        "server": attempt.server,
        "path": attempt.path or "the directory",
        "mtu": attempt.mtu,
    }
    if step is None:
        return facts
    question, result = step.question, step.result
    return facts | {
        "program": _program(question.about),
        "version": question.vers,
        "wanted_transport": question.transport.upper(),
        "question": question.text,
        "path": question.path or facts["path"],
        "port": step.server.port,
        "client_port": step.client.port,
        "transport": step.transport.upper(),
        "status": result.status or result.end.value,
        "result": result.words,
        "low": result.low,
        "high": result.high,
        "flavors": ", ".join(FLAVORS.get(each, str(each)) for each in result.flavors),
        "reply_source": step.reply_source,
        "tries": step.tries,
        "seconds": f"{step.duration / SECOND:.1f}",
        "count": sum(_same(each, step) for each in attempt.steps),
    }


def _program(part: ServerPart) -> str:
    return "the NFS server" if part is ServerPart.NFS else part.value


def _same(one: MountStep, other: MountStep) -> bool:
    return one.question.text == other.question.text and one.result.words == other.result.words


class JudgedAttempt(NamedTuple):
    """An attempt and its verdict; ``repeats`` counts later attempts with the same verdict."""

    attempt: MountAttempt
    verdict: MountVerdict
    repeats: int


def judged_attempts(
    attempts: Sequence[MountAttempt], *, client: str | None = None
) -> list[JudgedAttempt]:
    """The attempts to mount, in order; consecutive ones with equal verdicts are joined.

    Hosts often send ARP requests for addresses that do not exist. Those are reported only for a
    chosen client, or if there is nothing else to report.
    """
    judged = [(each, verdict_of(each)) for each in attempts if client in (None, each.client)]
    shown = [(each, verdict) for each, verdict in judged if each.is_mount or not verdict.healthy]
    talking = [(each, verdict) for each, verdict in shown if verdict.cause.name != HOST_SILENT]
    chosen = shown if client is not None else talking or shown
    found: list[JudgedAttempt] = []
    last: dict[tuple[str, str], int] = {}
    for attempt, verdict in sorted(chosen, key=lambda each: each[0].steps[0].number):
        pair = (attempt.client, attempt.server)
        at = last.get(pair)
        if at is not None and found[at].verdict.sentence == verdict.sentence:
            found[at] = found[at]._replace(repeats=found[at].repeats + 1)
            continue
        last[pair] = len(found)
        found.append(JudgedAttempt(attempt, verdict, 0))
    return found
