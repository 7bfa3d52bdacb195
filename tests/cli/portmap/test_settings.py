"""What is asked for, as the daemon gets it."""

from __future__ import annotations

import msgspec
import pytest

from oncrpc.cli.portmap.options import asked
from oncrpc.cli.portmap.settings import configuration
from oncrpc.daemon.config.layers import Startup


@pytest.mark.parametrize("option", ["--state-dir", "--pid-file", "--warm-start", "--user"])
def test_the_daemon_can_tell_of_what_it_was_given_in_json(option: str) -> None:
    """It does so to 'portmap status', and to the image that takes its place."""
    config = configuration(asked([f"{option}=/a"], {}), Startup())

    assert b'"/a"' in msgspec.json.encode(config)
