"""Figures by procedure: counts, outcomes, and times."""

from __future__ import annotations

import math
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oncrpc.snoop.messages import Party, RpcMessage
from oncrpc.snoop.streams import statistics
from oncrpc.snoop.streams.statistics import OTHER_PROCEDURES, CallStatistics, Durations
from support.conversations import reply

A, B = Party("192.0.2.1", 700), Party("192.0.2.2", 2049)


def called(
    *, proc: int = 1, began: int = 0, time: int = 0, retransmission: bool = False
) -> RpcMessage:
    return RpcMessage(
        number=1, time=time, began=began, source=A, target=B, transport="tcp", xid=1,
        is_call=True, prog=100003, vers=3, proc=proc, body=b"", length=100,
        retransmission=retransmission,
    )  # fmt: skip


def replied(
    call: RpcMessage | None, *, began: int = 0, stat: int = 0, duplicate: bool = False
) -> RpcMessage:
    return RpcMessage(
        number=1, time=began, began=began, source=B, target=A, transport="tcp", xid=1,
        is_call=False, body=reply(1, stat=stat), length=30, call=call, duplicate=duplicate,
    )  # fmt: skip


def figures_of(*messages: RpcMessage) -> statistics.ProcedureFigures:
    counted = CallStatistics()
    for message in messages:
        counted.add(message)
    ((key, figures),) = counted.figures()
    assert key == (100003, 3, 1)
    return figures


def test_calls_and_replies_are_counted() -> None:
    call = called()
    figures = figures_of(call, replied(call), call, replied(call, stat=5), call)

    assert (figures.calls, figures.replies, figures.unanswered) == (3, 2, 1)
    assert figures.outcomes == {"SUCCESS": 1, "SYSTEM_ERR": 1}
    assert (figures.succeeded, figures.call_bytes, figures.reply_bytes) == (1, 300, 60)


def test_repetitions_count_apart() -> None:
    call = called()
    figures = figures_of(
        call, called(retransmission=True), replied(call), replied(call, duplicate=True)
    )

    assert (figures.calls, figures.retransmissions) == (1, 1)
    assert (figures.replies, figures.duplicates) == (1, 1)
    assert figures.outcomes == {"SUCCESS": 1}
    assert figures.service.count == figures.transfer.count == 1


def test_both_times_are_measured() -> None:
    call = called(began=100, time=150)

    figures = figures_of(call, replied(call, began=175))

    assert (figures.transfer.minimum, figures.service.minimum) == (50, 25)


def test_reply_without_call_is_counted_apart() -> None:
    counted = CallStatistics()

    counted.add(replied(None))

    assert counted.unmatched == (1, 30)
    assert counted.figures() == []


def test_matched_calls_have_successful_replies() -> None:
    counted, one, two = CallStatistics(), called(proc=1), called(proc=2)
    for message in (one, replied(one), two, replied(two), two, replied(two, stat=1), called()):
        counted.add(message)

    assert counted.matched() == {(100003, 3): 2}


def test_outcome_may_be_that_of_the_program() -> None:
    counted, call = CallStatistics(outcome=lambda reply: "NFS3ERR_STALE"), called()
    counted.add(replied(call))

    assert counted.figures()[0][1].outcomes == {"NFS3ERR_STALE": 1}


def test_procedures_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "MAX_PROCEDURES", 5)
    counted = CallStatistics()

    for proc in range(50):
        counted.add(called(proc=proc))

    found = dict(counted.figures())
    assert len(found) == 6
    assert found[OTHER_PROCEDURES].calls == 45


def test_outcomes_are_bounded() -> None:
    names = iter(range(1000))
    counted, call = CallStatistics(outcome=lambda _: str(next(names))), called()

    for _ in range(500):
        counted.add(replied(call))

    outcomes = counted.figures()[0][1].outcomes
    assert len(outcomes) == statistics.MAX_OUTCOMES + 1
    assert outcomes["OTHER"] == 500 - statistics.MAX_OUTCOMES


def durations(*values: int) -> Durations:
    made = Durations()
    for value in values:
        made.add(value)
    return made


def test_no_durations_are_zero() -> None:
    made = durations()

    assert (made.minimum, made.mean, made.maximum, made.quantile(0.5)) == (0, 0.0, 0, 0)


def test_zero_is_a_duration() -> None:
    made = durations(0, 20)

    assert (made.minimum, made.mean, made.maximum, made.quantile(0.5)) == (0, 10.0, 20, 0)


def test_negative_durations_count_as_zero() -> None:
    assert durations(-5).minimum == 0


@given(
    st.lists(st.integers(0, 10**13), min_size=1, max_size=200),
    st.sampled_from([0.01, 0.5, 0.9, 0.99, 1.0]),
)
def test_quantiles_are_right_to_three_percent(values: list[int], part: float) -> None:
    made = durations(*values)
    exact = sorted(values)[max(0, math.ceil(part * len(values)) - 1)]

    assert exact <= made.quantile(part) <= exact * 1.032
    assert (made.minimum, made.maximum) == (min(values), max(values))
    assert math.isclose(made.mean, fmean(values), abs_tol=1e-6)
