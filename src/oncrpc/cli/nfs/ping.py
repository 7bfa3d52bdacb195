"""``nfs ping``: asks each layer of a server, and says which one fails and why."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress

from oncrpc.cli.command import Option, run
from oncrpc.cli.nfs.command_line import NfsCommand, NfsRequest, parse_command
from oncrpc.cli.nfs.output import Output, OutputError
from oncrpc.cli.nfs.ping_layers import LayerResult, ServerPing
from oncrpc.cli.nfs.ping_lines import PingFigures, key_of, layer_lines, round_item

TIMEOUT = 5.0
"""Seconds for each answer, without ``--timeout``."""

LONGEST_INTERVAL = 86400.0
COMMAND = NfsCommand(
    "ping",
    "URL",
    "ask each layer of a server, and say which one fails and why",
    (
        Option("count", "c", "NUMBER", "rounds; 1 by default, 0 until Ctrl-C"),
        Option("interval", "i", "SECONDS", "time between two rounds; 1 by default"),
        Option("json", "", "", "print a JSON object for each round, one on a line"),
    ),
    most=1,
)


def main(arguments: Sequence[str]) -> int:
    """Run it; returns the exit status: 1 if a layer fails."""

    def body() -> int:
        try:
            return Pinging(parse_command(COMMAND, arguments)).run()
        except OutputError as failed:
            raise failed.error from None

    return run(COMMAND.program, body)


class Pinging:
    """The rounds of a command line, and their output.

    All layers of the first round are shown. A further round is one line, and the layers that did
    not fail in the round before and do now.
    """

    def __init__(self, request: NfsRequest) -> None:
        (operand,) = request.operands
        self.url = request.url(operand)
        count = request.number("count", range(1 << 31))
        self.count = 1 if count is None else count
        self.interval = _interval(request)
        self.json = request.has("json")
        timeout = request.connection.timeout if request.has("timeout") else TIMEOUT
        has_path = operand.partition("?")[0].count("/") > 2
        self.ping = ServerPing(self.url, mount=has_path, timeout=timeout)
        self.output, self.figures = Output(), PingFigures()
        self._failing: set[tuple[str, str, str]] = set()

    def run(self) -> int:
        """Run all rounds; Ctrl-C ends them early. Returns the exit status."""
        interrupted = False
        try:
            for _ in self._rounds():
                self._round()
        except KeyboardInterrupt:
            interrupted = True
        finally:
            self.ping.close()
        if not self.json and (interrupted or self.figures.rounds > 1):
            self._lines([""] * interrupted)  # after the ^C of the terminal
            self._lines(self.figures.summary(self.url.host))
        return 1 if self.figures.failed else 0

    def _rounds(self) -> Iterator[int]:
        number = 0
        while not self.count or number < self.count:
            if number:
                time.sleep(self.interval)
            number += 1
            yield number

    def _round(self) -> None:
        results = list[LayerResult]()
        try:
            for result in self.ping.round():
                results.append(result)
                if not self.json and self._is_new(result):
                    self._lines(layer_lines(result))
        finally:  # what was asked before Ctrl-C counts, too
            self.figures.take(results)
        self._failing = {key_of(result) for result in results if result.problem is not None}
        if self.json:
            self.output.json(round_item(self.url.host, self.figures.rounds, results))
        elif self.figures.rounds > 1:
            self._lines([self.figures.round_line(results)])

    def _is_new(self, result: LayerResult) -> bool:
        if not self.figures.rounds:
            return True
        return result.problem is not None and key_of(result) not in self._failing

    def _lines(self, lines: Sequence[str] | Iterator[str]) -> None:
        for line in lines:
            self.output.line(line)
        sys.stdout.flush()


def _interval(request: NfsRequest) -> float:
    text = request.options.get("interval", "1")
    with suppress(ValueError):
        seconds = float(text)
        if 0.0 <= seconds <= LONGEST_INTERVAL:
            return seconds
    raise request.wrong(f"invalid interval {text}: must be 0 to {LONGEST_INTERVAL:g}")
