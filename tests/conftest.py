"""Hypothesis profiles: ``quick`` is the default, ``--hypothesis-profile=thorough`` looks longer."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from hypothesis import settings

from asked import Asked

settings.register_profile("quick", deadline=None, max_examples=100)
settings.register_profile("thorough", deadline=None, max_examples=2000)
settings.load_profile("quick")


@pytest.fixture
def no_name_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Asked]:
    """A host whose name servers are silent."""
    asked = Asked()
    monkeypatch.setattr(socket, "getaddrinfo", asked.getaddrinfo)
    yield asked
    asked.answers()
