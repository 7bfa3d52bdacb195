"""The choice of the event loop."""

from __future__ import annotations

import asyncio
import logging
import sys
from types import SimpleNamespace

import pytest

from oncrpc.daemon import loop
from support.loops import LOOPS, run_on

VARIABLE = "PORTMAP_LOOP"


@pytest.fixture
def uvloop(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A fake uvloop module."""
    installed = SimpleNamespace(new_event_loop=object())
    monkeypatch.setitem(sys.modules, "uvloop", installed)
    return installed


@pytest.fixture
def no_uvloop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvloop", None)


@pytest.mark.parametrize("named", [{}, {VARIABLE: ""}, {VARIABLE: "uvloop"}])
def test_uvloop_is_taken_where_it_is_installed(
    uvloop: SimpleNamespace, named: dict[str, str]
) -> None:
    assert loop.factory("portmap", named) is uvloop.new_event_loop


def test_named_asyncio_loop_is_used(uvloop: SimpleNamespace) -> None:
    assert loop.factory("portmap", {VARIABLE: "asyncio"}) is asyncio.new_event_loop


def test_without_uvloop_asyncio_is_used_silently(
    no_uvloop: None, caplog: pytest.LogCaptureFixture
) -> None:
    assert loop.factory("portmap", {}) is asyncio.new_event_loop
    assert caplog.messages == []


def test_missing_named_uvloop_warns_and_uses_asyncio(
    no_uvloop: None, caplog: pytest.LogCaptureFixture
) -> None:
    assert loop.factory("portmap", {VARIABLE: "uvloop"}) is asyncio.new_event_loop
    assert "continuing with asyncio, or pip install 'oncrpc[speed]'" in caplog.text


def test_unknown_loop_warns_and_uses_the_default(
    uvloop: SimpleNamespace, caplog: pytest.LogCaptureFixture
) -> None:
    assert loop.factory("portmap", {VARIABLE: "trio"}) is uvloop.new_event_loop
    assert caplog.messages == ["PORTMAP_LOOP is 'trio'; write asyncio or uvloop"]


@pytest.mark.parametrize("name", LOOPS)
def test_debug_log_names_the_loop(name: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "oncrpc.daemon")

    async def said() -> None:
        loop.report()

    run_on(name, said())

    assert caplog.messages == [f"the event loop is {name}'s"]
