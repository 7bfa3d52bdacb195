"""The same targets, guided by the code that an input reaches: needs atheris, see PyPI.

    python -m fuzz.guided TARGET [SECONDS]

It starts from inputs that are made as otherwise; finds are written to tests/corpus.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import atheris  # type: ignore[import-not-found, unused-ignore]

with atheris.instrument_imports():
    from fuzz.__main__ import TARGETS
    from fuzz.driver import attempt, keep, made

STARTING = 300
"""Inputs to start from."""


def main(name: str, seconds: str = "60") -> None:
    """Run a target; does not return."""
    target = TARGETS[name]

    def one(data: bytes) -> None:
        found = attempt(target, data)
        if found is not None:
            print(f"the input is in {keep(found)}")
            raise found.error

    folder = tempfile.mkdtemp()
    for number in range(STARTING):
        Path(folder, format(number)).write_bytes(made(target, 0, number))
    atheris.Setup([sys.argv[0], folder, f"-max_total_time={seconds}", "-max_len=20000"], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])
