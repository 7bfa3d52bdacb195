"""The command nfsd top."""

from __future__ import annotations

import pytest

from oncrpc.cli import nfsd
from oncrpc.cli.nfsd.top import VIEW, parser


def test_help_names_the_command() -> None:
    assert parser().format_usage().startswith("usage: nfsd top ")
    assert VIEW.kind.name == "nfsd"


def test_terminal_is_needed(capsys: pytest.CaptureFixture[str]) -> None:
    assert nfsd.main(["top"]) == 1
    assert "see 'nfsd status'" in capsys.readouterr().err
