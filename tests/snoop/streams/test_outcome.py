"""The status in a reply."""

from __future__ import annotations

from struct import pack

import pytest

from oncrpc.rpc.prot import accept_stat, auth_stat
from oncrpc.snoop.streams.outcome import ACCEPTED, AUTH, outcome_of
from support.conversations import denied, reply

VERIFIER = pack(">IIIII", 1, 1, 0, 6, 5) + b"token\0\0\0"


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (reply(1), "SUCCESS"),
        (reply(1, stat=1), "PROG_UNAVAIL"),
        (reply(1, stat=4), "GARBAGE_ARGS"),
        (reply(1, stat=77), "INVALID"),
        (VERIFIER + pack(">I", 0), "SUCCESS"),
        (VERIFIER, "CUT"),
        (reply(1)[:16], "CUT"),
        (reply(1)[:20], "CUT"),
        (reply(1)[:16] + pack(">I", 401) + bytes(500), "INVALID"),
        (denied(1, 5), "AUTH_TOOWEAK"),
        (denied(1, 99), "INVALID"),
        (pack(">IIIIII", 1, 1, 1, 0, 2, 2), "RPC_MISMATCH"),
        (pack(">IIIIII", 1, 1, 1, 9, 2, 2), "INVALID"),
    ],
)
def test_status_has_its_name(body: bytes, name: str) -> None:
    assert outcome_of(body) == name


def test_names_are_those_of_the_declarations() -> None:
    assert {each.value: each.name for each in accept_stat} == ACCEPTED
    assert {each.value: each.name for each in auth_stat} == AUTH
