"""The table of causes, and verdicts on attempts with several failures."""

from __future__ import annotations

import re
from struct import pack

import pytest

from oncrpc.snoop.explain.causes import Cause
from oncrpc.snoop.explain.network_causes import NETWORK_CAUSES
from oncrpc.snoop.explain.program_causes import PROGRAM_CAUSES
from oncrpc.snoop.explain.steps import MountAttempt
from oncrpc.snoop.explain.verdicts import CAUSES, SUCCESSES, facts_of, judged_attempts
from snoop.explain.test_follower import SECOND, TO_MAPPER, Wire
from support.conversations import datagram
from support.mount_client import MOUNT, NFS, NLM
from support.mount_failures import SCENARIOS, cause_of

UNIT_TESTED = {
    "packet-too-big", "firewall-rejects-port", "capture-ends", "mapper-denies", "other-version",
    "locks-not-served", "mapper-silent",
}  # fmt: skip
"""Causes that have a test with made frames; one of them has a scenario too."""


def test_each_cause_is_shown_by_a_test() -> None:
    shown = {cause_of(each) for each in SCENARIOS} | UNIT_TESTED

    assert {cause.name for cause in CAUSES} == shown - {cause.name for cause in SUCCESSES}


def test_there_are_more_than_twenty_causes() -> None:
    assert len(NETWORK_CAUSES) + len(PROGRAM_CAUSES) == len({each.name for each in CAUSES}) > 20


@pytest.mark.parametrize("cause", CAUSES, ids=lambda cause: cause.name)
def test_cause_has_sentences_and_a_remedy(cause: Cause) -> None:
    assert cause.sentence.endswith(".")
    assert cause.remedy.endswith(".")


def test_sentences_have_known_place_holders() -> None:
    wire = Wire()
    wire.mount()
    (attempt,) = wire.attempts()
    known = set(facts_of(attempt, attempt.steps[0]))

    used = {name for each in CAUSES for name in re.findall(r"{(\w+)}", each.sentence + each.remedy)}

    assert used <= known


def test_facts_of_an_attempt_need_no_step() -> None:
    assert facts_of(MountAttempt("a", "b"), None)["path"] == "the directory"


def test_failure_before_success_does_not_count() -> None:
    wire = Wire()
    wire.port(MOUNT, 1, 0)
    wire.mount()

    assert wire.causes() == ["healthy"]


def test_second_failure_is_reported_too() -> None:
    wire = Wire()
    wire.port(NFS, 3, 0)
    wire.mnt(b"/srv", pack(">I", 13))

    (one,) = judged_attempts(wire.attempts())

    assert one.verdict.cause.name == "mount-denied"
    assert len(one.verdict.others) == 1
    assert "NFS version 3 is not registered" in one.verdict.others[0]


def test_export_list_alone_is_answered() -> None:
    wire = Wire()
    wire.ask((MOUNT, 3, 5), results=bytes(4))

    assert wire.causes() == ["answered"]


def test_calls_without_a_mount_are_in_use() -> None:
    wire = Wire()
    wire.ask((NFS, 3, 1), bytes(4), bytes(100))

    assert wire.causes() == ["in use"]


def test_rejected_lookup_is_mapper_denies() -> None:
    wire = Wire()
    wire.ask((100000, 2, 3), pack(">IIII", MOUNT, 3, 17, 0), None, TO_MAPPER)
    wire.send(datagram(pack(">IIIII", 1, 1, 1, 1, 5), TO_MAPPER.back()))

    assert wire.causes() == ["mapper-denies"]


@pytest.mark.parametrize(
    ("stat", "cause"), [(2, "other-version"), (1, "locks-not-served"), (5, "locks-not-served")]
)
def test_rejected_lock_call_has_its_cause(stat: int, cause: str) -> None:
    wire = Wire()
    wire.mount()
    wire.ask((NLM, 4, 2), bytes(4), None)
    wire.send(datagram(pack(">IIIIIIII", wire.xid, 1, 0, 0, 0, stat, 1, 3), TO_NLM))

    assert wire.causes() == [cause]


TO_NLM = TO_MAPPER.back()._replace(source_port=2049)


def test_slow_answer_is_reported_with_its_time() -> None:
    wire = Wire()
    wire.ask((MOUNT, 3, 5), results=None)
    reply = pack(">IIIIIII", wire.xid, 1, 0, 0, 0, 0, 0)
    wire.send(datagram(reply, TO_NLM), after=4 * SECOND)

    (one,) = judged_attempts(wire.attempts())

    assert one.verdict.cause.name == "server-slow"
    assert "takes 4.0 s" in one.verdict.sentence
