"""SET and UNSET that are refused, by the rules, by the registry or by the disk."""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Sequence

import pytest

from oncrpc.access.call_lines import CallLog
from oncrpc.daemon.state.records import TableOperation
from oncrpc.errors import AuthError, SystemFailure
from oncrpc.portmap.ownership import Rules
from oncrpc.portmap.vocabulary import VOCABULARY
from oncrpc.programs.portmap import PMAP_VERS, mapping
from oncrpc.programs.rpcb import RPCBVERS, RPCBVERS4, rpcb
from oncrpc.testing import ManualClock
from support.callers import RESERVED, ROOT, STATD, PortMapper, registered


def test_refusal_by_rules_is_false_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "oncrpc.access")
    clock = ManualClock()
    mapper = PortMapper(
        rules=Rules(reserved_ports=True, foreign_versions=False),
        call_log=CallLog(VOCABULARY, now=clock),
    )
    mapper.registry.set(registered(1, 1))

    for entry in (registered(2, 1, uaddr="0.0.0.0.0.111"), registered(1, 2)):
        for version in (RPCBVERS, RPCBVERS4):
            assert mapper.call(STATD, version.RPCBPROC_SET, entry) is False
            clock.advance(1)
        assert mapper.call(ROOT, RPCBVERS4.RPCBPROC_SET, entry) is True

    connect = "connect from local uid 103 to set"
    assert caplog.messages[::2] == [
        f"{connect}(2) declined (port 111 is reserved for root)",
        f"{connect}(1) declined (another owner has the program)",
    ]


@pytest.mark.parametrize(
    ("procedure", "entry", "reason"),
    [
        ("SET", registered(1, 1, uaddr="0.0.0.0.1.1"), "it has another address already"),
        ("SET", registered(2, 1, uaddr="nowhere"), "the transport has no such address"),
        ("SET", registered(3, 1), "too many registrations"),
        ("UNSET", registered(1, 1), "another owner has it"),
    ],
)
def test_impossible_change_is_false_and_logged(
    caplog: pytest.LogCaptureFixture, procedure: str, entry: rpcb, reason: str
) -> None:
    caplog.set_level(logging.INFO)
    mapper = PortMapper()
    mapper.registry.set(registered(1, 1))
    mapper.registry.owner_limit = 0

    assert mapper.call(STATD, getattr(RPCBVERS4, f"RPCBPROC_{procedure}"), entry) is False

    source = "connect from local uid 103"
    assert caplog.messages == [
        f"{source} to {procedure.lower()}({entry.r_prog}) declined ({reason})"
    ]


def test_local_only_answers_others_auth_tooweak(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "oncrpc.access")
    mapper = PortMapper(rules=Rules(local_only=True))
    entry = registered(1, 1)

    for procedure in (RPCBVERS4.RPCBPROC_SET, RPCBVERS4.RPCBPROC_UNSET):
        with pytest.raises(AuthError, match="AUTH_TOOWEAK"):
            mapper.call(RESERVED, procedure, entry)
        assert mapper.call(STATD, procedure, entry)

    end = "declined (not over the local socket)"
    assert caplog.messages == [f"connect from 127.0.0.1 to set(1) {end}"]


class FullDisk:
    """A journal that cannot be written while ``full``."""

    def __init__(self) -> None:
        self.full = True
        self.kept: list[tuple[TableOperation, list[rpcb]]] = []

    def changing(self, operation: TableOperation, entries: Sequence[rpcb]) -> None:
        if self.full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.kept.append((operation, list(entries)))


def test_unkept_change_is_a_system_error() -> None:
    changes: list[None] = []
    mapper, disk = PortMapper(changed=lambda: changes.append(None)), FullDisk()
    present, more = registered(1, 1), registered(2, 1)
    mapper.registry.set(present)
    mapper.registry.observers.append(disk)

    for procedure, argument in (
        (RPCBVERS4.RPCBPROC_SET, more),
        (RPCBVERS4.RPCBPROC_UNSET, present),
        (PMAP_VERS.PMAPPROC_SET, mapping(2, 1, 6, 1)),
        (PMAP_VERS.PMAPPROC_UNSET, mapping(1, 1, 6, 1)),
    ):
        with pytest.raises(SystemFailure):
            mapper.call(ROOT, procedure, argument)
    mapper.mapper.drop(present)

    assert (list(mapper.registry), changes) == ([present], [])
    disk.full = False
    assert mapper.call(ROOT, RPCBVERS4.RPCBPROC_SET, more)
    assert mapper.call(ROOT, RPCBVERS4.RPCBPROC_SET, more)
    assert disk.kept == [(TableOperation.SET, [more])]
    assert changes == [None]


def test_version_2_unset_is_kept_as_one_change(mapper: PortMapper) -> None:
    both = [registered(1, 1, netid, owner="103") for netid in ("udp", "tcp")]
    disk = FullDisk()
    disk.full = False
    for entry in both:
        mapper.registry.set(entry)
    mapper.registry.observers.append(disk)

    assert mapper.call(STATD, PMAP_VERS.PMAPPROC_UNSET, mapping(1, 1, 6, 0))

    assert [(operation, len(entries)) for operation, entries in disk.kept] == [
        (TableOperation.UNSET, 2)
    ]
