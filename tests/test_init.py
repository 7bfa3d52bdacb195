"""The names of the package ``oncrpc``: they exist, and are loaded on first use."""

from __future__ import annotations

import subprocess
import sys

import pytest

import oncrpc


@pytest.mark.parametrize("name", oncrpc.__all__)
def test_a_public_name_is_there_and_listed(name: str) -> None:
    assert getattr(oncrpc, name) is not None
    assert name in dir(oncrpc)


def test_unknown_attribute_is_an_error() -> None:
    with pytest.raises(AttributeError, match="module 'oncrpc' has no attribute 'nothing'"):
        _ = oncrpc.nothing  # type: ignore[attr-defined]  # that is the point


def test_blocking_client_never_loads_asyncio() -> None:
    program = "import oncrpc, sys; oncrpc.sync; sys.exit('asyncio' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
