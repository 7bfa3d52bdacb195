"""The chart of measured ratios is drawn from its summary; losses have their own colour."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parent.parent
sys.path.append(str(ROOT / "bench"))


def row(case: str, per_cpu: float, unit: str = "calls/s") -> dict[str, Any]:
    return {"case": case, "unit": unit, "per cpu": per_cpu, "ratio": per_cpu, "target": ">= 1x"}


REPORT = {
    "machine": "a machine", "system": "Linux", "python": "3.11", "values": {},
    "rows": [row("GETPORT udp, 64 outstanding, 30 entries", 2.0), row("memory", 0.1, "MiB"),
             row("SET+UNSET local, one at a time, 30 entries", 0.5)],
}  # fmt: skip


def drawing() -> Any:
    return importlib.import_module("chart")


def test_committed_chart_is_current(capsys: pytest.CaptureFixture[str]) -> None:
    status = drawing().main(["--check"])

    assert (capsys.readouterr().err, status) == ("", 0)


def test_bars_are_as_long_as_ratios() -> None:
    tree = ElementTree.fromstring(drawing().chart(REPORT))

    bars = [each for each in tree.findall(".//{*}rect") if each.get("x")]
    assert [float(bar.get("width", "")) for bar in bars] == [400.0, 100.0]
    assert len({bar.get("fill") for bar in bars}) == 2


def test_labels_are_words_of_a_reader() -> None:
    assert drawing().label_of("GETPORT connect, 64 outstanding, 30 entries") == (
        "GETPORT tcp, new connections, 64 in flight"
    )


def test_summary_leaves_out_single_rounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SUMMARY", "CHART"):
        monkeypatch.setattr(drawing(), name, tmp_path / name)
    values = tmp_path / "bench.json"
    values.write_text(json.dumps(REPORT))

    drawing().main([str(values)])

    kept = json.loads((tmp_path / "SUMMARY").read_text())
    assert set(kept) == {"machine", "system", "python", "rows"}
    assert "</svg>" in (tmp_path / "CHART").read_text()
