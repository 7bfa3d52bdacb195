"""``rpcsnoop top``: its command line, and what it needs; test_rpcsnoop_live.py runs it."""

from __future__ import annotations

import pytest

from oncrpc.cli.command import Done, UsageError
from oncrpc.cli.rpcsnoop import main
from oncrpc.cli.rpcsnoop.top import HELP, parse_top


def test_filters_are_those_of_the_tracer() -> None:
    request = parse_top(
        ["-i", "lo", "--prog", "nfs", "--status", "!OK", "--interval", "0.5", "--json"]
    )

    assert (request.capture.interface, request.interval, request.json) == ("lo", 0.5, True)
    assert len(request.filters) == 1
    assert request.status is not None


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("", "needs -i and the name of an interface, no file"),
        ("-i lo file", "needs -i and the name of an interface, no file"),
        ("-i lo --interval 0.01", "invalid interval '0.01': must be 0.1 to 3600 seconds"),
        ("-i lo --interval x", "invalid interval 'x'"),
        ("-i lo --uid", "--uid needs a value"),
        ("-i lo --prog nosuchprogram", "--prog: unknown program"),
        ("--nonsense", "Usage: rpcsnoop top"),
    ],
)
def test_wrong_command_lines_are_explained(line: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_top(line.split())


def test_help_and_version_end_the_command() -> None:
    with pytest.raises(Done) as shown:
        parse_top(["--help"])
    with pytest.raises(Done, match="rpcsnoop"):
        parse_top(["--version"])

    assert str(shown.value) == HELP


def test_terminal_is_needed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["top", "-i", "lo"]) == 1

    assert capsys.readouterr().err == (
        "rpcsnoop top needs a terminal that is not dumb; see --json\n"
    )
