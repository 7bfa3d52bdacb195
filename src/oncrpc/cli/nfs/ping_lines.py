"""The output of ``nfs ping``: a line for each layer, a line for each further round, a summary."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import fmean, pstdev
from typing import Any

from oncrpc.cli.command import safe_text
from oncrpc.cli.nfs.ping_layers import LayerResult

MILLISECONDS = 1000.0
INDENT = " " * 6
Key = tuple[str, str, str]
"""A layer, its question and its transport."""


def layer_lines(result: LayerResult) -> Iterator[str]:
    """The line of a layer; after a problem also its cause and the next step."""
    time = "failed" if result.seconds is None else f"{result.seconds * MILLISECONDS:.3f} ms"
    place = f"{result.transport} {result.port}" if result.port else result.transport
    text = f"{result.question}: {result.answer}" if result.answer else result.question
    mark = " failed" if result.problem is not None and result.seconds is not None else ""
    yield f"{result.layer:<12} {place:<10} {time:>11}  {safe_text(text)}{mark}"
    if result.problem is not None:
        yield INDENT + safe_line(result.problem.sentence)
        yield INDENT + safe_line(result.problem.remedy)


def safe_line(text: str) -> str:
    """A sentence for a terminal. Names in it are from the server or the command line."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


class PingFigures:
    """The times of all rounds. A layer that appears later has fewer times than there are rounds."""

    def __init__(self) -> None:
        self.rounds = self.asked = self.failed = 0
        self._times: dict[Key, list[float]] = {}

    def take(self, results: Sequence[LayerResult]) -> None:
        """Add a round."""
        self.rounds += 1
        for result in results:
            self.asked += 1
            self.failed += result.problem is not None
            times = self._times.setdefault(key_of(result), [])
            if result.seconds is not None:
                times.append(result.seconds)

    def round_line(self, results: Sequence[LayerResult]) -> str:
        """A further round in one line: its number, the layers that work, and the time of all."""
        working = sum(result.problem is None for result in results)
        total = sum(result.seconds or 0.0 for result in results) * MILLISECONDS
        return f"round {self.rounds}: {working} of {len(results)} work, {total:.3f} ms"

    def summary(self, host: str) -> Iterator[str]:
        """The lines at the end, as of ping(8)."""
        yield f"--- {safe_text(host)} ---"
        rounds = "1 round" if self.rounds == 1 else f"{self.rounds} rounds"
        yield f"{rounds}, {self.asked} questions, {self.failed} failed"
        if any(self._times.values()):
            yield f"{'':<40} min/avg/max/mdev in ms"
        for (layer, question, transport), times in self._times.items():
            name = safe_text(f"{layer} {transport} {question}")
            yield f"{name:<40} {spread(times) if times else 'no answer'}"


def key_of(result: LayerResult) -> Key:
    """What identifies a line from round to round."""
    return result.layer, result.question, result.transport


def spread(times: Sequence[float]) -> str:
    """Smallest, mean and largest time, and the standard deviation, in milliseconds."""
    figures = (min(times), fmean(times), max(times), pstdev(times))
    return "/".join(f"{each * MILLISECONDS:.3f}" for each in figures)


def round_item(host: str, number: int, results: Sequence[LayerResult]) -> dict[str, Any]:
    """A round for JSON; times are in seconds."""
    return {
        "host": host,
        "round": number,
        "works": all(result.problem is None for result in results),
        "layers": [layer_item(result) for result in results],
    }


def layer_item(result: LayerResult) -> dict[str, Any]:
    """A layer for JSON."""
    item = result._asdict()
    problem = item.pop("problem")
    return item | {"problem": problem._asdict() if problem is not None else None}
