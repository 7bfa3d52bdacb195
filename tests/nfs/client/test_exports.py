"""``oncrpc.nfs.client.exports``: which exports of a server are used."""

from __future__ import annotations

import pytest

from oncrpc.nfs.client.exports import usable


@pytest.mark.parametrize("export", ["/", "/srv", "/srv/data/", "/srv/..data", "/\udcff"])
def test_absolute_paths_are_used(export: str) -> None:
    assert usable(export)


@pytest.mark.parametrize(
    "export", ["", "srv", "/..", "/srv/../../etc", "/srv/./data", "/srv//data", "/srv\0"]
)
def test_misleading_paths_are_left_out(export: str) -> None:
    assert not usable(export)
