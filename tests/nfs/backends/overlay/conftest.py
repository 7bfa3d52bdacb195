"""Layers for the tests of overlays."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.overlay_layers import LayersInTest


@pytest.fixture
def layers(tmp_path: Path) -> Iterator[LayersInTest]:
    """An overlay of two layers in memory."""
    with asyncio.Runner() as runner:
        layers = LayersInTest(tmp_path, runner)
        yield layers
        layers.close()
