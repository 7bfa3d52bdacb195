"""``rpcsnoop explain``: why the mounts in a capture fail."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import ip_address

from oncrpc.cli import command
from oncrpc.cli.command import (
    OPERAND,
    Failure,
    Option,
    UsageError,
    described,
)
from oncrpc.cli.rpcsnoop.capture_options import CAPTURE_OPTIONS, CaptureChoice, read_command_line
from oncrpc.cli.rpcsnoop.shown import write_lines
from oncrpc.cli.rpcsnoop.source import opened
from oncrpc.snoop.explain.reading import MountHistory, mount_history
from oncrpc.snoop.explain.report import json_of, text_lines
from oncrpc.snoop.explain.verdicts import JudgedAttempt, judged_attempts

PROGRAM = "rpcsnoop explain"
USAGE = "Usage: rpcsnoop explain [--client=ADDRESS] [--json] FILE | -i NAME"
CAPTURING = ("interface", "write", "promiscuous", "relinquish")
OPTIONS = (
    Option("client", "", "ADDRESS", "only the attempts of this client"),
    Option("json", "", "", "write each attempt as a JSON object on a line"),
    *(option for option in CAPTURE_OPTIONS if option.name in CAPTURING),
    Option("help", "h", "", "print this help"),
    Option("version", "", "", "print the version"),
)
HELP = f"""{USAGE}

Show each attempt to mount a directory that is in a capture file: its steps, which one failed, why,
and what to do. The FILE - is standard input. With -i the attempts are shown when Ctrl-C ends the
capture. The exit status is 0 if every attempt is healthy.

{described(OPTIONS)}"""
NONE = "no attempt to mount a directory is in the capture"


class ExplainRequest:
    """A parsed command line."""

    def __init__(self) -> None:
        self.capture = CaptureChoice(PROGRAM)
        self.client: str | None = None
        self.json = False


def main(arguments: Sequence[str]) -> int:
    """Run the command; returns its exit status."""
    return command.run(PROGRAM, lambda: _execute(parse_request(arguments)))


def parse_request(arguments: Sequence[str]) -> ExplainRequest:
    """Parse the command line.

    Raises:
        UsageError: it is wrong. Done: ``--help`` or ``--version``.
    """
    request, operands = ExplainRequest(), list[str]()
    for name, value in read_command_line(PROGRAM, OPTIONS, arguments, usage=USAGE, help_=HELP):
        match name:
            case "json":
                request.json = True
            case "client":
                request.client = _address(value)
            case _ if name == OPERAND:
                operands.append(value)
            case _:
                request.capture.take(name, value)
    request.capture.finish(operands, USAGE)
    return request


def _address(value: str) -> str:
    try:
        return str(ip_address(value))
    except ValueError:
        raise UsageError(f"{PROGRAM}: --client: {value!r} is not an address") from None


def _execute(request: ExplainRequest) -> int:
    hosts = () if request.client is None else (request.client,)
    with opened(PROGRAM, request.capture, hosts, errors=True) as source:
        history = mount_history(source.frames)
        remarks = list(source.remarks())
    found = judged_attempts(history.attempts, client=request.client)
    write_lines((*_lines(request, history, found), *remarks))
    if history.damage is not None:
        raise Failure(f"{PROGRAM}: {source.name}: {history.damage}")
    return 0 if all(each.verdict.healthy for each in found) else 1


def _lines(
    request: ExplainRequest, history: MountHistory, found: list[JudgedAttempt]
) -> Iterator[str]:
    if request.json:
        yield from map(json_of, found)
        return
    for number, each in enumerate(found):
        if number:
            yield ""
        yield from text_lines(each, history.begin)
    if not found and history.damage is None:
        yield NONE
    if history.forgotten:
        yield f"\n{history.forgotten} attempts before these are not shown"
