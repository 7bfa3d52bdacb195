"""Attempts as text and as JSON."""

from __future__ import annotations

import json
from struct import pack

from oncrpc.snoop.explain.report import json_of, text_lines
from oncrpc.snoop.explain.steps import MAX_STEPS
from oncrpc.snoop.explain.verdicts import JudgedAttempt, judged_attempts
from snoop.explain.test_follower import Wire
from support.conversations import START
from support.mount_client import MOUNT, NFS, opaque

DENIED = """\
192.0.2.1 -> 192.0.2.2 /srv: failed (2 attempts, the first is shown)

      frame     seconds  step
   1.     1    0.001000  GETPORT of MOUNT version 3, udp: port 20048
   2.     3    0.003000  MNT /srv: MNT3ERR_ACCES

Why: Mountd on 192.0.2.2 denies /srv to 192.0.2.1 (MNT3ERR_ACCES): no export names it.
What to do: Add 192.0.2.1 to the line of /srv in /etc/exports of 192.0.2.2, and run 'exportfs -ra'\
 ('nfsd reload'). 'showmount -e 192.0.2.2' lists the exports.
"""


def denied(path: bytes = b"/srv", *, times: int = 1) -> JudgedAttempt:
    wire = Wire()
    for _ in range(times):
        wire.port(MOUNT, 3, 20048)
        wire.mnt(path, pack(">I", 13))
    (one,) = judged_attempts(wire.attempts())
    return one


def test_text_has_steps_reason_and_remedy() -> None:
    assert "\n".join(text_lines(denied(times=2), START)) + "\n" == DENIED


def test_equal_steps_share_a_line() -> None:
    wire = Wire()
    for _ in range(4):
        wire.ask((NFS, 3, 19), opaque(bytes(32)), pack(">II", 10008, 0))
    (one,) = judged_attempts(wire.attempts())

    lines = list(text_lines(one, START))

    assert lines[3].endswith("FSINFO: NFS3ERR_JUKEBOX (4 times)")
    assert "4 times" in lines[5]


def test_other_failures_are_reported_too() -> None:
    wire = Wire()
    wire.port(NFS, 3, 0)
    wire.mnt(b"/srv", pack(">I", 13))
    (one,) = judged_attempts(wire.attempts())

    assert [line.partition(":")[0] for line in list(text_lines(one, START))[-3:]] == [
        "Why", "Also", "What to do",
    ]  # fmt: skip


def test_dropped_steps_are_counted() -> None:
    wire = Wire()
    for _ in range(MAX_STEPS + 3):
        wire.ask((NFS, 3, 19), opaque(bytes(32)), pack(">II", 10008, 0))
    (one,) = judged_attempts(wire.attempts())

    assert any("3 steps before the last one" in line for line in text_lines(one, START))


def test_control_characters_are_escaped() -> None:
    path = "/\x1b[2J\x9b\u202e{client}".encode()

    shown = "\n".join(text_lines(denied(path), START)) + json_of(denied(path))

    assert all(character == "\n" or character.isprintable() for character in shown)
    assert "{client}" in shown


def test_json_has_the_verdict_and_steps() -> None:
    found = json.loads(json_of(denied()))

    assert (found["client"], found["server"], found["path"]) == ("192.0.2.1", "192.0.2.2", "/srv")
    assert (found["cause"], found["healthy"]) == ("mount-denied", False)
    assert [step["end"] for step in found["steps"]] == ["DONE", "FAILED"]
    assert found["steps"][0]["time"] == START / 1e9 + 0.001
