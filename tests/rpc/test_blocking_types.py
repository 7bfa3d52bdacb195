"""What a type checker makes of clients: right calls pass, wrong calls are refused."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src"
CALLER = """
import oncrpc
from oncrpc import sync
from oncrpc.programs.portmap import PMAP_VERS, mapping, pmaplist

with sync.connect("files.example", PMAP_VERS.Client) as mapper:
    port: int = mapper.PMAPPROC_GETPORT(mapping(100000, 2, 6, 0))
    dump: list[pmaplist] = mapper.PMAPPROC_DUMP()
    found: bool = mapper.call(PMAP_VERS.PMAPPROC_SET, mapping(1, 2, 3, 4))
    port = sync.run(mapper.client.PMAPPROC_GETPORT(mapping(100000, 2, 6, 0)))
    quick: PMAP_VERS.SyncClient = mapper.with_options(timeout=1.0)
    {}

async def concurrent() -> int:
    async with oncrpc.connect("files.example", PMAP_VERS.Client) as mapper:
        await mapper.PMAPPROC_DUMP()
        return await mapper.call(PMAP_VERS.PMAPPROC_GETPORT, mapping(100000, 2, 6, 0))
"""
WRONG = {
    "mapper.PMAPPROC_GETPORT(100000)": "arg-type",
    "mapper.PMAPPROC_GETPORT()": "call-arg",
    "mapper.PMAPPROC_GETADDR()": "attr-defined",
    "text: str = mapper.PMAPPROC_GETPORT(mapping(1, 2, 3, 4))": "assignment",
    "mapper.PMAPPROC_DUMP()[0].port": "attr-defined",
    "mapper.call(PMAP_VERS.PMAPPROC_GETPORT, 5)": "misc",
    "mapper.call(PMAP_VERS.PMAPPROC_DUMP, 5)": "misc",
    "mapper.port": "attr-defined",
}


@pytest.mark.slow
def test_wrong_calls_of_blocking_clients_are_refused(tmp_path: Path) -> None:
    (tmp_path / "right.py").write_text(CALLER.format("pass"))
    for number, line in enumerate(WRONG):
        (tmp_path / f"wrong{number}.py").write_text(CALLER.format(line))
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--no-error-summary"]

    done = subprocess.run(
        [*command, f"--cache-dir={tmp_path / 'cache'}", *map(str, sorted(tmp_path.glob("*.py")))],
        capture_output=True,
        text=True,
        env=os.environ | {"MYPYPATH": str(SOURCE)},
        check=False,
    )

    found = re.findall(r"(\w+)\.py:(\d+): error: .*\[([\w-]+)\]", done.stdout)
    line = str(CALLER.splitlines().index("    {}") + 1)
    expected = [(f"wrong{number}", line, code) for number, code in enumerate(WRONG.values())]
    assert sorted(found) == expected, done.stdout
