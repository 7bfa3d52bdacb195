"""A cause of a failed mount: the steps that it explains, and its sentences."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from oncrpc.snoop.explain.steps import MountAttempt, MountStep, ServerPart, StepEnd, StepKind

Condition = Callable[[MountAttempt, MountStep], bool]
SERVING = (ServerPart.MOUNT, ServerPart.NFS)


def always(_: MountAttempt, __: MountStep) -> bool:
    """The default condition of a cause."""
    return True


class Cause(NamedTuple):
    """A row of the table of causes; an empty column matches every step.

    ``asked`` is the program that receives the question, ``about`` the program that the client
    needs. ``sentence`` and ``remedy`` have the place holders of ``verdicts.facts_of``.
    """

    name: str
    sentence: str
    remedy: str
    ends: tuple[StepEnd, ...] = ()
    asked: tuple[ServerPart, ...] = ()
    about: tuple[ServerPart, ...] = ()
    kinds: tuple[StepKind, ...] = ()
    statuses: tuple[str, ...] = ()
    condition: Condition = always

    def fits(self, attempt: MountAttempt, step: MountStep) -> bool:
        """Whether all columns match the step."""
        question, result = step.question, step.result
        columns = (
            (self.ends, result.end),
            (self.asked, question.part),
            (self.about, question.about),
            (self.kinds, question.kind),
            (self.statuses, result.status),
        )
        return all(not row or value in row for row, value in columns) and self.condition(
            attempt, step
        )
