"""A client that is used without its context."""

from __future__ import annotations

from typing import Any

import pytest

import oncrpc
from oncrpc import sync
from support.echo import ECHO_V1


@pytest.mark.parametrize(
    ("connect", "usage"),
    [
        (sync.connect, "with sync.connect(...) as client"),
        (oncrpc.connect, "async with oncrpc.connect(...) as client"),
    ],
)
def test_client_without_context_names_the_statement(connect: Any, usage: str) -> None:
    opened = connect("127.0.0.1", ECHO_V1.Client, port=1)

    with pytest.raises(AttributeError) as raised:
        opened.ECHO(b"")

    assert str(raised.value) == f"no attribute 'ECHO'; use: {usage}"


def test_decorated_function_keeps_its_docstring() -> None:
    assert (sync.connect.__doc__ or "").startswith("A blocking client")
    assert (oncrpc.connect.__doc__ or "").startswith("A client")
