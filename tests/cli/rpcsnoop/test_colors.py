"""``oncrpc.cli.rpcsnoop.colors``: colours on a terminal."""

from __future__ import annotations

import io

import pytest

from oncrpc.cli.rpcsnoop.colors import (
    CALL,
    ERROR,
    REPEATED,
    REPLY,
    painter,
    plain,
    wants_color,
)
from oncrpc.programs.nfs3 import NFS_V3
from oncrpc.snoop.messages import RpcMessage
from oncrpc.snoop.words.programs import KnownPrograms
from support.wire_messages import seen_bytes, seen_reply

CALLED = seen_bytes(NFS_V3.NFSPROC3_GETATTR, b"")
AGAIN = seen_bytes(NFS_V3.NFSPROC3_GETATTR, b"", retransmission=True)


class Terminal(io.StringIO):
    """A terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (CALLED, CALL),
        (AGAIN, REPEATED),
        (seen_reply(CALLED, 0, 0, 0, 0, 0), REPLY),
        (seen_reply(CALLED, 0), REPLY),
        (seen_reply(CALLED, 0, 0, 0, 0, 70), ERROR),
        (seen_reply(CALLED, 0, 0, 0, 4), ERROR),
        (seen_reply(CALLED, 0, 0, 0, 0, 0, duplicate=True), REPEATED),
    ],
)
def test_kinds_of_messages_have_colors(message: RpcMessage, code: str) -> None:
    assert painter(KnownPrograms())(message, "words") == f"\x1b[{code}mwords\x1b[0m"
    assert plain(message, "words") == "words"


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"TERM": "xterm"}, True),
        ({"TERM": "xterm", "NO_COLOR": ""}, True),
        ({"TERM": "xterm", "NO_COLOR": "1"}, False),
        ({"TERM": "dumb"}, False),
        ({}, False),
    ],
)
def test_terminal_has_colors_unless_refused(environment: dict[str, str], expected: bool) -> None:
    assert wants_color("auto", Terminal(), environment) is expected
    assert not wants_color("auto", io.StringIO(), environment)


def test_colors_may_be_forced() -> None:
    assert wants_color("always", io.StringIO(), {"NO_COLOR": "1"})
    assert not wants_color("never", Terminal(), {"TERM": "xterm"})
