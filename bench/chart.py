"""Draw the measured ratios as a chart: bench/results.json and docs/images/ratios.svg.

The bars are calls a second of processor time, divided by those of the C rpcbind in the same round.

    .venv/bin/python bench/chart.py build/bench.json    keep a summary of new values, and draw it
    .venv/bin/python bench/chart.py                     draw the summary again
    .venv/bin/python bench/chart.py --check             report whether the chart is stale
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
SUMMARY = ROOT / "bench" / "results.json"
CHART = ROOT / "docs" / "images" / "ratios.svg"
KEPT = ("case", "unit", "C rpcbind", "ours", "ratio", "spread", "per cpu", "of ceiling")
ABOUT = ("machine", "system", "python")

LABELS, BARS, ROW, HEAD, FOOT = 330, 400, 24, 46, 44
WIDTH = LABELS + BARS + 70
BETTER, WORSE = "#2f6f9f", "#b0622d"
STYLE = "font: 13px system-ui, sans-serif"


class Bar(NamedTuple):
    """A case and its ratio."""

    label: str
    ratio: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw, or check; the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("values", nargs="?", help="what bench/portmap.py --json wrote")
    parser.add_argument("--check", action="store_true", help="only report whether it is stale")
    options = parser.parse_args(arguments)
    if options.values:
        report = summary(json.loads(Path(options.values).read_text(encoding="utf-8")))
        SUMMARY.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    drawn = chart(json.loads(SUMMARY.read_text(encoding="utf-8")))
    if options.check:
        stale = not CHART.exists() or CHART.read_text(encoding="utf-8") != drawn
        if stale:
            sys.stderr.write("chart.py: stale: docs/images/ratios.svg; run bench/chart.py\n")
        return int(stale)
    CHART.parent.mkdir(exist_ok=True)
    CHART.write_text(drawn, encoding="utf-8")
    return 0


def summary(report: dict[str, Any]) -> dict[str, Any]:
    """The report without the values of single rounds."""
    rows = [{key: row[key] for key in KEPT if row.get(key) is not None} for row in report["rows"]]
    return {**{key: report[key] for key in ABOUT}, "rows": rows}


def chart(report: dict[str, Any]) -> str:
    """The bars as SVG."""
    bars = list(bars_of(report["rows"]))
    scale = BARS / max(bar.ratio for bar in bars)
    height = HEAD + ROW * len(bars) + FOOT
    one = LABELS + scale
    title = "Calls for each second of processor time, as a multiple of the C rpcbind"
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img"'
        f' width="{WIDTH}" height="{height}" style="{STYLE}">',
        f"<title>{title}</title>",
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        text(16, 26, title, weight="600"),
        *(
            line
            for number, bar in enumerate(bars)
            for line in drawn(bar, HEAD + ROW * number, scale)
        ),
        f'<line x1="{one:.1f}" y1="{HEAD - 6}" x2="{one:.1f}" y2="{height - FOOT + 2}"'
        ' stroke="#222222" stroke-dasharray="3 3"/>',
        text(one, height - FOOT + 16, "C rpcbind = 1", anchor="middle"),
        text(16, height - 10, footer(report), colour="#666666"),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def bars_of(rows: list[dict[str, Any]]) -> Iterator[Bar]:
    """The cases that are measured in calls a second, largest ratio first."""
    rates = [row for row in rows if row["unit"] == "calls/s" and row.get("per cpu")]
    for row in sorted(rates, key=lambda row: -row["per cpu"]):
        yield Bar(label_of(row["case"]), row["per cpu"])


def label_of(case: str) -> str:
    """The case as a reader knows it."""
    return (
        case.replace(" outstanding", " in flight")
        .replace("connect,", "tcp, new connections,")
        .replace(", 30 entries", "")
    )


def drawn(bar: Bar, top: int, scale: float) -> Iterator[str]:
    """The label, the bar and its number."""
    length = bar.ratio * scale
    colour = BETTER if bar.ratio >= 1 else WORSE
    yield text(LABELS - 10, top + 14, bar.label, anchor="end")
    yield (
        f'<rect x="{LABELS}" y="{top + 2}" width="{length:.1f}" height="{ROW - 7}"'
        f' fill="{colour}"/>'
    )
    yield text(LABELS + length + 6, top + 14, f"{bar.ratio:.1f}x")


def footer(report: dict[str, Any]) -> str:
    """The machine, system and Python of the measurement."""
    return "; ".join([report["machine"], report["system"], f"Python {report['python']}"])


def text(
    x: float,
    y: float,
    content: str,
    *,
    anchor: str = "start",
    weight: str = "400",
    colour: str = "#222222",
) -> str:
    """A line of text."""
    return (
        f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" font-weight="{weight}"'
        f' fill="{colour}">{escape(content)}</text>'
    )


if __name__ == "__main__":
    sys.exit(main())
