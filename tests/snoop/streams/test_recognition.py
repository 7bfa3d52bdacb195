"""What is taken for the header of a message, and what is not."""

from __future__ import annotations

from struct import pack

import pytest

from oncrpc.snoop.streams.recognition import is_certain_message, is_message
from support.conversations import call, denied, reply

SYS = pack(">II", 1, 24) + bytes(24)
MESSAGES = {
    "call": call(1, b"args"),
    "call with AUTH_SYS": call(1, b"args", credential=SYS),
    "call to a high program": call(1, prog=0x4000_0000),
    "reply": reply(1, b"results"),
    "reply with a status": reply(1, stat=3),
    "refusal": denied(1, 5),
    "mismatch": pack(">IIIIII", 1, 1, 1, 0, 2, 2),
}


def certain(message: bytes) -> bool | None:
    return is_certain_message(message, 0, len(message))


@pytest.mark.parametrize("message", MESSAGES.values(), ids=MESSAGES)
def test_messages_are_recognised(message: bytes) -> None:
    assert is_message(message)
    assert certain(message) is True
    assert is_certain_message(b"before" + message, 6, len(message)) is True


@pytest.mark.parametrize("message", MESSAGES.values(), ids=MESSAGES)
def test_begin_of_a_message_is_never_refused(message: bytes) -> None:
    results = [is_certain_message(message[:size], 0, len(message)) for size in range(len(message))]

    assert False not in results
    assert results[0] is None


@pytest.mark.parametrize(
    "data",
    [
        bytes(64),
        pack(">III", 1, 2, 0) + bytes(64),
        pack(">III", 1, 0, 3) + bytes(64),
        pack(">III", 1, 1, 2) + bytes(64),
        call(1)[:36],
        call(1, prog=0),
        call(1, prog=0x8000_0000),
        call(1, vers=0x1_0000),
        call(1, proc=0x1_0000),
        call(1, credential=pack(">II", 4711, 0)),
        call(1, bytes(800), credential=pack(">II", 1, 404)),
        call(1, bytes(80), credential=pack(">II", 1, 23) + bytes(24)),
        call(1, credential=pack(">II", 1, 8)),
        call(1)[:32] + pack(">II", 4711, 0),
        reply(1)[:16],
        reply(1, stat=6),
        reply(1)[:12] + pack(">II", 4711, 0) + bytes(4),
        reply(1)[:12] + pack(">II", 0, 8) + bytes(4),
        denied(1, 1000),
        denied(1, 1) + bytes(8),
    ],
)
def test_other_bytes_are_not_certain(data: bytes) -> None:
    assert certain(data) is False


def test_unusual_messages_may_still_be_messages() -> None:
    assert is_message(call(1, credential=pack(">II", 4711, 0)))
    assert is_message(pack(">III", 1, 0, 3))
    assert not is_message(pack(">III", 1, 0, 16))
    assert not is_message(pack(">III", 1, 1, 2))
    assert not is_message(pack(">III", 1, 2, 0))
