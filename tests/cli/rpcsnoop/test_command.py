"""``rpcsnoop``: which module runs a command line."""

from __future__ import annotations

import pytest

from oncrpc.cli.rpcsnoop import main
from oncrpc.cli.rpcsnoop.words import TRACE, USUAL, module_of


@pytest.mark.parametrize("line", ["", "file", "./top", "-v file"])
def test_other_words_are_files_or_options(line: str) -> None:
    assert module_of(line.split()) in (TRACE, USUAL)


def test_help_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0

    assert capsys.readouterr().out.startswith("Usage: rpcsnoop ")
