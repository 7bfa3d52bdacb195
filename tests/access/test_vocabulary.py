"""The short names of procedures, for any daemon's programs."""

from __future__ import annotations

import pytest

from oncrpc.access.vocabulary import Vocabulary
from oncrpc.programs.portmap import PMAP_VERS
from oncrpc.programs.rpcb import RPCBVERS4
from oncrpc.rpc import Call, Procedure, Version
from support.callers import REMOTE, PortMapper


class ECHO_VERS(Version, prog=400001, vers=1):
    """A program that is not the port mapper's."""

    ECHOPROC_NULL = Procedure[None](0)
    ECHOPROC_ECHO = Procedure[bytes](1)
    ECHOPROC_FORGET = Procedure[None](2)
    ECHOPROC_FORGET_ALL = Procedure[None](3)


ECHO = Vocabulary([ECHO_VERS], with_program=["FORGET"], logged_as={"ECHO": "say again"})


def test_short_name_lacks_the_first_word() -> None:
    assert ECHO.name(ECHO_VERS.ECHOPROC_FORGET) == "FORGET"
    assert ECHO.name(ECHO_VERS.ECHOPROC_FORGET_ALL) == "FORGET_ALL"


def test_log_name_is_lower_case_unless_given() -> None:
    assert ECHO.log_name(ECHO_VERS.ECHOPROC_FORGET) == "forget"
    assert ECHO.log_name(ECHO_VERS.ECHOPROC_ECHO) == "say again"


def test_versions_share_short_names() -> None:
    both = Vocabulary([PMAP_VERS, RPCBVERS4])

    assert both.name(PMAP_VERS.PMAPPROC_SET) == both.name(RPCBVERS4.RPCBPROC_SET) == "SET"


def test_rules_may_name_all_but_null() -> None:
    assert ECHO.in_rules == {"ECHO", "FORGET", "FORGET_ALL"}


def test_names_in_rules_know_their_arguments() -> None:
    assert ECHO.procedure_named("FORGET").has_program
    assert not ECHO.procedure_named("ECHO").has_program


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("NULL", "everybody may call it"),
        ("GETPORT", "one of ECHO, FORGET, FORGET_ALL"),
        (1, "1 is not"),
    ],
)
def test_rules_may_not_name_others(value: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ECHO.procedure_named(value)


def test_unknown_names_are_rejected() -> None:
    with pytest.raises(ValueError, match="unknown procedures: SAY"):
        Vocabulary([ECHO_VERS], with_program=["SAY"])


def call_of(procedure: Procedure[None], arguments: bytes) -> Call:
    mapper, seen = PortMapper(), list[Call]()
    mapper.dispatcher.before = lambda call: seen.append(call)
    mapper.reply(REMOTE, mapper.message(PMAP_VERS.PMAPPROC_NULL) + arguments)
    seen[0].procedure = procedure
    return seen[0]


@pytest.mark.parametrize(
    ("procedure", "arguments", "program"),
    [
        (ECHO_VERS.ECHOPROC_FORGET, b"\0\1\x86\xa3", 100003),
        (ECHO_VERS.ECHOPROC_FORGET, b"\0\1\x86\xa3more", 100003),
        (ECHO_VERS.ECHOPROC_FORGET, b"\0\1\x86", None),
        (ECHO_VERS.ECHOPROC_NULL, b"\0\1\x86\xa3", None),
    ],
)
def test_program_is_the_first_argument(
    procedure: Procedure[None], arguments: bytes, program: int | None
) -> None:
    assert ECHO.program_of(call_of(procedure, arguments)) == program
