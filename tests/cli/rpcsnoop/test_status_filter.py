"""``oncrpc.cli.rpcsnoop.status_filter``: which statuses of replies are chosen."""

from __future__ import annotations

from pathlib import Path

import pytest

from oncrpc.cli.rpcsnoop.status_filter import StatusFilter
from oncrpc.programs.mount import MOUNTVERS
from oncrpc.programs.nfs3 import NFS_V3
from oncrpc.snoop.messages import RpcMessage
from oncrpc.snoop.words.programs import KnownPrograms
from support.wire_messages import seen_bytes, seen_reply

CALL = seen_bytes(NFS_V3.NFSPROC3_GETATTR, b"")
MOUNT = seen_bytes(MOUNTVERS.MOUNTPROC_MNT, b"")
STALE, PERM = 70, 1
REPLIES = {
    "fine": seen_reply(CALL, 0, 0, 0, 0, 0),
    "stale": seen_reply(CALL, 0, 0, 0, 0, STALE),
    "perm": seen_reply(CALL, 0, 0, 0, 0, PERM),
    "mount": seen_reply(MOUNT, 0, 0, 0, 0, PERM),
    "mismatch": seen_reply(CALL, 0, 0, 0, 2, 2, 4),
    "weak": seen_reply(CALL, 1, 1, 5),
    "cut": seen_reply(CALL, 0),
}
ERRORS = {"stale", "perm", "mount", "mismatch", "weak"}


def chosen(*values: str) -> set[str]:
    status = StatusFilter(values)
    return {name for name, reply in REPLIES.items() if shown(status, reply)}


def shown(status: StatusFilter, reply: RpcMessage) -> bool:
    return status(reply, KnownPrograms())


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("OK", {"fine"}),
        ("ok", {"fine"}),
        ("!OK", ERRORS),
        ("NFS3ERR_STALE", {"stale"}),
        ("stale", {"stale"}),
        ("PERM", {"perm", "mount"}),
        ("NFSERR_PERM", {"mount"}),
        ("PROG_MISMATCH", {"mismatch"}),
        ("AUTH_TOOWEAK", {"weak"}),
        ("TOOWEAK STALE", {"weak", "stale"}),
        ("!OK !PERM", ERRORS - {"perm", "mount"}),
        ("unanswered", set()),
        ("NOSUCHSTATUS", set()),
    ],
)
def test_status_is_chosen_by_its_name(line: str, names: set[str]) -> None:
    assert chosen(*line.split()) == names


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("unanswered", True),
        ("OK unanswered", True),
        ("!OK", True),
        ("OK", False),
        ("!unanswered", False),
    ],
)
def test_unanswered_calls_have_a_name(line: str, expected: bool) -> None:
    assert StatusFilter(line.split()).unanswered is expected


def test_status_without_a_name_is_an_error() -> None:
    with pytest.raises(ValueError, match="missing status"):
        StatusFilter(["!"])


@pytest.mark.parametrize(
    "name", ["OK", "noent", "!NFS3ERR_NOENT", "AUTH_TOOWEAK", "unanswered", "granted", "10063"]
)
def test_known_status_needs_no_remark(name: str) -> None:
    assert StatusFilter([name]).unknown == []


def test_status_without_program_or_reply_is_unknown() -> None:
    status = StatusFilter(["NOSUCH", "!BOGUS"])

    for reply in REPLIES.values():
        shown(status, reply)

    assert status.unknown == ["BOGUS", "NOSUCH"]


def test_reply_makes_a_status_known(tmp_path: Path) -> None:
    path, programs = tmp_path / "sky.x", KnownPrograms()
    path.write_text(
        "enum sky { SKY_BLUE = 0, SKY_GREY = 1 };"
        "program P { version V { sky LOOK(void) = 1; } = 1; } = 0x20000099;"
    )
    programs.add_interface(str(path))
    call = CALL._replace(prog=0x20000099, vers=1, proc=1)
    reply = seen_reply(call, 0, 0, 0, 0, 1)
    status = StatusFilter(["grey"])
    assert status.unknown == ["GREY"]

    assert status(reply, programs)

    assert status.unknown == []
