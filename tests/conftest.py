"""Hypothesis profiles: ``quick`` is the default, ``--hypothesis-profile=thorough`` looks longer.

Daemons run on Python's own event loop, as where nobody asked for another; what is tested on both
says so.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest
from hypothesis import settings

from support.fake_resolver import Asked

pytest.register_assert_rewrite("support.data_rules", "support.directory_rules")
pytest.register_assert_rewrite("support.identity_rules")

settings.register_profile("quick", deadline=None, max_examples=100)
settings.register_profile("thorough", deadline=None, max_examples=2000)
settings.load_profile("quick")

os.environ.setdefault("PORTMAP_LOOP", "asyncio")


@pytest.fixture
def no_name_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Asked]:
    """A host whose name servers are silent."""
    asked = Asked()
    monkeypatch.setattr(socket, "getaddrinfo", asked.getaddrinfo)
    yield asked
    asked.answers()
