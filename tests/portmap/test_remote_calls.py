"""Which procedures may be called for others, and that the documentation says the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from oncrpc.portmap.remote_calls import RESTRICTED, RemoteCallRules, Restricted
from oncrpc.programs.sm_inter import SM_VERS

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "security.md"
LOCAL = RemoteCallRules()


@pytest.mark.parametrize("prog", [each.prog for each in RESTRICTED if not each.allowed])
def test_programs_that_judge_by_address_are_denied(prog: int) -> None:
    assert not any(LOCAL.allow(prog, proc) for proc in (*range(1, 64), 0xFFFFFFFF))


@pytest.mark.parametrize(
    ("prog", "allowed"), [(100004, {0, 1, 2}), (100007, {0, 1}), (100024, {0, 6})]
)
def test_harmless_procedures_of_restricted_programs_pass(prog: int, allowed: set[int]) -> None:
    assert {proc for proc in range(64) if LOCAL.allow(prog, proc)} == allowed


def test_status_monitor_gets_nothing_but_notifications() -> None:
    passed = {
        each.name for number, each in SM_VERS.procedures.items() if LOCAL.allow(100024, number)
    }

    assert passed == {"SM_NULL", "SM_NOTIFY"}


@pytest.mark.parametrize("prog", [each.prog for each in RESTRICTED])
def test_null_may_always_be_called(prog: int) -> None:
    assert RemoteCallRules(denied=[prog]).allow(prog, 0)


@pytest.mark.parametrize("prog", [0, 100001, 100002, 400001, 0xFFFFFFFF])
def test_other_programs_may_be_called(prog: int) -> None:
    assert LOCAL.allow(prog, 1)


def test_configuration_denies_further_programs() -> None:
    rules = RemoteCallRules(denied=[400001, 100024, 100000], insecure=True)

    assert not rules.allow(400001, 1)
    assert not rules.allow(100024, 6), "also what the table allows"
    assert not rules.allow(100000, 4), "also the port mapper, with --insecure"
    assert rules.allow(400002, 1)


def test_insecure_allows_only_the_port_mapper() -> None:
    rules = RemoteCallRules(insecure=True)

    assert rules.allow(100000, 4)
    assert not rules.allow(100003, 1)


def shown(row: Restricted) -> tuple[str, str, str, str]:
    """A row of the documentation."""
    allowed = ", ".join(map(str, sorted(row.allowed))) or "none"
    return str(row.prog), f"`{row.name}`", allowed, row.reason


def test_page_has_the_table_of_the_code() -> None:
    rows = re.findall(
        r"^\| (\d{6,}) \| (.*?) \| (.*?) \| (.*?) \|$", PAGE.read_text(), re.MULTILINE
    )

    assert rows == [shown(row) for row in RESTRICTED]
