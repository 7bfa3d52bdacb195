"""The benchmark of attacks runs; its measurements are not checked."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from support.namespace import PYTHON, need

pytestmark = pytest.mark.interop

BENCH = Path(__file__).resolve().parents[2] / "bench" / "abuse.py"


@pytest.mark.slow
def test_the_honest_are_answered_while_all_others_attack(tmp_path: Path) -> None:
    need("cc", "taskset", "nice", "ip")
    result = tmp_path / "result.json"
    options = ["--server", "ours", "--rounds", "1", "--seconds", "0.3", "--json", str(result)]

    done = subprocess.run(
        [PYTHON, str(BENCH), *options], capture_output=True, text=True, timeout=60, check=False
    )

    assert "promise" in done.stdout, done.stderr
    rows = json.loads(result.read_text())["rows"]
    assert {(row["phase"], row["transport"]) for row in rows} == {
        (phase, transport)
        for phase in ("idle", "all attacks", "flood without limit")
        for transport in ("udp", "connect")
    }
    assert all(row["calls"] and not row["failed"] for row in rows if "flood" not in row["phase"])
