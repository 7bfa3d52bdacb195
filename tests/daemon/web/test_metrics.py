"""Metrics that every daemon has, and labels with text from clients."""

from __future__ import annotations

from itertools import count

from prometheus_client.parser import text_string_to_metric_families

from oncrpc.daemon.control.outcomes import Outcomes, ProcedureId
from oncrpc.daemon.web.metrics import Families, MetricsText, ProcedureCount
from oncrpc.testing import ManualClock

HOSTILE = 'tcp"} 1\nprocess_open_fds 0\n# HELP \\ {x="\r\x00\u2028'


def test_names_begin_with_the_daemon() -> None:
    families = Families("echod")
    counted = [ProcedureCount(ProcedureId(7, 1, 0), "NULL", 3)]

    found = [
        families.build("1.0"),
        families.count("starts", "Starts.", 1),
        families.reloads({"success": 1}),
        *families.calls(counted, Outcomes()),
        *families.traffic(refusals={}, drops={}, connections={"tcp": 2}),
    ]

    assert {each.name.partition("_")[0] for each in found} == {"echod"}


def test_hostile_label_stays_one_label() -> None:
    made = Families("echod").gauges("entries", "Entries.", "netid", {HOSTILE: 1})

    text = MetricsText(lambda: [made]).text().decode()

    (family,) = [
        each for each in text_string_to_metric_families(text) if each.name == "echod_entries"
    ]
    assert [(sample.labels, sample.value) for sample in family.samples] == [({"netid": HOSTILE}, 1)]


def test_text_is_kept_for_a_second() -> None:
    families, clock, starts = Families("echod"), ManualClock(), count(1)
    text = MetricsText(
        lambda: [families.count("starts", "Starts.", next(starts))], clock=clock
    ).text

    first = text()
    clock.advance(0.9)
    again = text()
    clock.advance(0.1)
    later = text()

    assert b"\nechod_starts_total 1.0\n" in first
    assert again is first
    assert b"\nechod_starts_total 2.0\n" in later


def test_successes_are_calls_without_failures() -> None:
    outcomes = Outcomes()
    outcomes.note(ProcedureId(7, 1, 0), "auth_error", took=0.1)
    counted = [ProcedureCount(ProcedureId(7, 1, 0), "NULL", 3)]

    (calls, *_) = Families("echod").calls(counted, outcomes)

    assert {each.labels["outcome"]: each.value for each in calls.samples} == {
        "success": 2, "auth_error": 1,
    }  # fmt: skip
