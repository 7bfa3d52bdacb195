"""The page of xdrc shows how a type checker follows the body of a union."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reference" / "xdrc.md"


@pytest.mark.slow
def test_the_match_on_a_union_is_type_checked(tmp_path: Path) -> None:
    (shown,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (tmp_path / "right.py").write_text(shown)
    (tmp_path / "missing.py").write_text(shown.replace("case None", "case 5"))
    (tmp_path / "wrong.py").write_text(shown.replace("attributes.size", "int(attributes.length)"))
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--no-error-summary"]

    done = subprocess.run(
        [*command, f"--cache-dir={tmp_path / 'cache'}", *map(str, tmp_path.glob("*.py"))],
        capture_output=True,
        text=True,
        env=os.environ | {"MYPYPATH": str(ROOT / "src")},
        check=False,
    )

    found = re.findall(r"(\w+)\.py:\d+: error: .*\[([\w-]+)\]", done.stdout)
    assert sorted(found) == [("missing", "arg-type"), ("wrong", "attr-defined")], done.stdout
