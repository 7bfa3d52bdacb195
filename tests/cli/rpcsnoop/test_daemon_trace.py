"""The commands portmap trace and nfsd trace."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from oncrpc.cli import nfsd, portmap
from oncrpc.cli.nfsd import trace as nfsd_word
from oncrpc.cli.portmap import trace as portmap_word
from oncrpc.daemon.control.protocol import TRACE, TracedMessage, TraceNote, answer_line, error_line
from support.fake_control import FakeControl
from support.words import words

CALL = TracedMessage(
    call=1, is_call=True, time=1_700_000_000_000_000_000, netid="udp",
    source=("192.0.2.1", 700), target=("192.0.2.2", 111), uid=None, pid=None, length=56,
    body=words(7, 0, 2, 100000, 2, 3, 0, 0, 0, 0, 100003, 3, 6, 0),
)  # fmt: skip
REPLY = replace(
    CALL, is_call=False, time=CALL.time + 1_000_000, length=28, body=words(7, 1, 0, 0, 0, 0, 2049)
)
SENT = answer_line(TraceNote(dropped=0), TRACE) + b"".join(
    msgspec.json.encode(each) + b"\n" for each in (CALL, REPLY, TraceNote(dropped=2))
)
LINES = """\
  1   0.00000    192.0.2.1 -> 192.0.2.2    PORTMAP C GETPORT prog=100003 (NFS) vers=3 proto=TCP
  2   0.00100    192.0.2.2 -> 192.0.2.1    PORTMAP R GETPORT port=2049
"""


def outcome(
    capsys: pytest.CaptureFixture[str], folder: Path, *options: str
) -> tuple[int, str, str]:
    status = portmap.main(["trace", "--state-dir", str(folder), *options])
    said = capsys.readouterr()
    return status, said.out, said.err


def test_lines_are_those_of_rpcsnoop(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with FakeControl(tmp_path, SENT):
        status, lines, errors = outcome(capsys, tmp_path)

    assert (status, lines) == (1, LINES)
    assert errors.splitlines() == [
        "portmap trace: following the port mapper; Ctrl-C ends it",
        "portmap trace: 2 messages, 2 dropped",
        "portmap: the daemon has ended, or restarts",
    ]


@pytest.mark.parametrize(
    ("options", "asked"),
    [((), 8192), (("--stats",), 8192), (("-v",), 1 << 20), (("-s", "100"), 100)],
)
def test_only_needed_bytes_are_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], asked: int
) -> None:
    with FakeControl(tmp_path, SENT) as daemon:
        outcome(capsys, tmp_path, *options)

    assert [json.loads(each)["about"] for each in daemon.asked] == [str(asked)]


def test_count_ends_it_well(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with FakeControl(tmp_path, SENT):
        status, lines, _ = outcome(capsys, tmp_path, "-c", "1", "--prog", "portmapper", "-ta")

    assert (status, len(lines.splitlines())) == (0, 1)


def test_figures_tell_what_was_dropped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with FakeControl(tmp_path, SENT):
        _, lines, _ = outcome(capsys, tmp_path, "--stats")

    assert lines.splitlines()[1].split()[:5] == ["PMAP", "2", "GETPORT", "1", "1"]
    assert lines.splitlines()[-1] == "2 messages that came faster than they were read"


def test_unseen_calls_are_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with FakeControl(tmp_path, answer_line(TraceNote(dropped=0, unseen="calls of \x1b"), TRACE)):
        _, _, errors = outcome(capsys, tmp_path)

    assert errors.splitlines()[1] == "portmap trace: not shown: calls of \\x1b"


def test_refusal_of_the_daemon_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with FakeControl(tmp_path, error_line("4 follow already")):
        found = outcome(capsys, tmp_path)

    assert found == (4, "", "portmap: the daemon reports: 4 follow already\n")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["-v", "--json"], "portmap trace: only one of -v, --json or --stats is allowed"),
        (["--prog", "none"], "portmap trace: --prog: unknown program 'none'"),
        (["-c", "0"], "portmap trace: --count: invalid number '0'"),
        (["--spec", "none.x"], "portmap trace: "),
    ],
)
def test_wrong_options_are_one_line(
    capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    assert portmap.main(["trace", *options]) == 2

    assert capsys.readouterr().err.startswith(message)


@pytest.mark.parametrize("options", [["-s", "9"], ["-V", "-i", "lo"], ["--write", "f"]])
def test_options_of_captures_are_refused(
    capsys: pytest.CaptureFixture[str], options: list[str]
) -> None:
    with pytest.raises(SystemExit):
        nfsd.main(["trace", *options])


def test_help_names_the_command() -> None:
    assert portmap_word.parser().format_usage().startswith("usage: portmap trace ")
    assert nfsd_word.parser().format_usage().startswith("usage: nfsd trace ")
