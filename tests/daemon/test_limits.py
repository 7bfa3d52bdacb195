"""The limits of connections follow from the limit of open files."""

from __future__ import annotations

import resource

import pytest

from oncrpc.aio.limits import Limits
from oncrpc.daemon import limits as capacity
from oncrpc.daemon.limits import SOURCES, connections, limits
from support.descriptors import Descriptors

MOST = Limits().connections


def may_open(monkeypatch: pytest.MonkeyPatch, soft: int) -> None:
    monkeypatch.setattr(capacity, "resource", Descriptors(soft, soft))


@pytest.mark.parametrize(
    ("soft", "most"),
    [(resource.RLIM_INFINITY, MOST), (8192, MOST), (264, 100), (8, 2)],
)
def test_network_connections_leave_descriptors_for_local_ones(
    monkeypatch: pytest.MonkeyPatch, soft: int, most: int
) -> None:
    may_open(monkeypatch, soft)

    assert connections() == most
    assert soft in (8, resource.RLIM_INFINITY) or 2 * most <= soft


def test_reserved_descriptors_leave_fewer(monkeypatch: pytest.MonkeyPatch) -> None:
    may_open(monkeypatch, 1024)

    assert connections(reserved=256) == connections() - 128


def test_a_source_has_a_share_of_each_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    may_open(monkeypatch, 264)

    network, local = limits(9000)

    assert {network.connections, local.connections} == {100}
    assert {network.per_source, local.per_source} == {100 // SOURCES}


def test_source_always_gets_one_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    may_open(monkeypatch, 2)

    assert [each.per_source for each in limits(9000)] == [1, 1]


def test_only_local_connections_may_be_silent_for_ever() -> None:
    network, local = limits(9000)

    assert network.idle_time is not None
    assert local.idle_time is None


@pytest.mark.parametrize(
    ("soft", "hard", "raised"),
    [
        (1024, 524288, 8192),
        (1024, 4096, 4096),
        (1024, resource.RLIM_INFINITY, 8192),
        (20000, 20000, 20000),
        (resource.RLIM_INFINITY, resource.RLIM_INFINITY, resource.RLIM_INFINITY),
    ],
)
def test_descriptors_are_raised_as_far_as_that_goes(
    monkeypatch: pytest.MonkeyPatch, soft: int, hard: int, raised: int
) -> None:
    limit = Descriptors(soft, hard)
    monkeypatch.setattr(capacity, "resource", limit)

    capacity.raise_descriptors()

    assert limit.limits == (raised, hard)


def test_application_may_ask_for_more_descriptors(monkeypatch: pytest.MonkeyPatch) -> None:
    limit = Descriptors(1024, 524288)
    monkeypatch.setattr(capacity, "resource", limit)

    capacity.raise_descriptors(65536)

    assert limit.limits == (65536, 524288)
