"""The verdicts of the generic path that are kept for a moment."""

from __future__ import annotations

import os

import pytest

from oncrpc.nfs.fast import uses
from oncrpc.nfs.fast.uses import ASKED, LIFETIME
from oncrpc.programs.nfs3 import NFS_V3, ACCESS3args, GETATTR3args
from oncrpc.rpc import Caller
from support.exported import TCP
from support.two_paths import INSECURE, TwoPaths

LOW = Caller("tcp", ("192.0.2.9", 1023, 0), TCP.local)
HIGH = Caller("tcp", ("192.0.2.9", 1024, 0), TCP.local)


def test_ports_of_one_kind_share_their_uses(both: TwoPaths) -> None:
    low, high, usual = (both.fast.uses.table_of(each) for each in (LOW, HIGH, TCP))

    assert low is usual
    assert low is not high


def test_secure_export_refuses_a_high_port(both: TwoPaths) -> None:
    message = both.message(NFS_V3.NFSPROC3_GETATTR, GETATTR3args(both.handle("file")))
    both.exported.rules.options = INSECURE._replace(secure=True)

    both.connection = both.connected(HIGH)
    assert both.quick(message) is None
    both.connection = both.connected(LOW)
    assert both.quick(message) is not None


def test_use_is_made_again_after_its_lifetime(both: TwoPaths) -> None:
    message = both.message(NFS_V3.NFSPROC3_GETATTR, GETATTR3args(both.handle("file")))
    both.quick(message)
    (use,) = both.connection.uses.values()
    until = use.until

    both.now += LIFETIME + 0.1
    both.quick(message)

    assert list(both.connection.uses.values()) == [use]
    assert use.until > until


def test_permissions_outlive_no_change_of_owner(both: TwoPaths) -> None:
    message = both.message(NFS_V3.NFSPROC3_GETATTR, GETATTR3args(both.handle("small")))
    both.quick(message)
    (use,) = both.connection.uses.values()
    use.may_read = True

    os.chown(both.path / "small", 3000, 3000)
    both.quick(message)

    assert not use.may_read


def test_kernel_is_asked_again_after_a_while(both: TwoPaths) -> None:
    message = both.message(NFS_V3.NFSPROC3_ACCESS, ACCESS3args(both.handle("small"), 63))
    both.quick(message)
    (use,) = both.connection.uses.values()
    both.now += LIFETIME + 0.1
    both.quick(message)
    assert use.allowed >= 0

    both.now += ASKED + LIFETIME
    both.quick(both.message(NFS_V3.NFSPROC3_GETATTR, GETATTR3args(both.handle("small"))))

    assert use.allowed == -1


def test_uses_of_all_clients_are_bounded(both: TwoPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uses, "MAX_USES_OF_ALL", 3)
    messages = [
        both.message(NFS_V3.NFSPROC3_GETATTR, GETATTR3args(both.handle(name)))
        for name in ("", "file", "small", "secret")
    ]

    sizes = []
    for message in messages:
        assert both.quick(message) is not None
        sizes.append(len(both.connection.uses))

    assert sizes == [1, 2, 3, 1]


def test_tables_of_clients_are_bounded(both: TwoPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uses, "MAX_TABLES", 1)
    first = both.fast.uses.table_of(LOW)

    both.fast.uses.table_of(HIGH)

    assert both.fast.uses.table_of(LOW) is not first
