"""``oncrpc.nfs.server.handle_refusals``: what is logged about refused handles, and how often."""

from __future__ import annotations

import pytest

from oncrpc.errors import AuthError
from oncrpc.nfs.server.handle_refusals import AGAIN, HandleRefusals
from oncrpc.nfs.status import NfsError
from oncrpc.programs.nfs3 import nfsstat3
from oncrpc.rpc.program import Caller
from oncrpc.rpc.prot import auth_stat

STALE = NfsError(nfsstat3.NFS3ERR_STALE, "no such export")
REFUSED = NfsError(nfsstat3.NFS3ERR_ACCES, "not you")


def caller(host: str = "192.0.2.1", port: int = 700) -> Caller:
    return Caller("tcp", (host, port, 0), ("192.0.2.9", 2049, 0))


def test_host_port_and_reason_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    HandleRefusals().note(caller(), STALE)

    assert caplog.messages == ["refused a file handle from 192.0.2.1:700: no such export"]


def test_other_hosts_and_reasons_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    refusals = HandleRefusals()

    refusals.note(caller(), STALE)
    refusals.note(caller(), REFUSED)
    refusals.note(caller(), AuthError(auth_stat.AUTH_TOOWEAK))
    refusals.note(caller("192.0.2.2"), STALE)

    assert len(caplog.messages) == 4
    assert caplog.messages[2].endswith("authentication refused: AUTH_TOOWEAK")


def test_same_refusal_is_logged_again_later(caplog: pytest.LogCaptureFixture) -> None:
    times = iter([0.0, 1.0, AGAIN - 1, AGAIN])
    refusals = HandleRefusals(now=lambda: next(times))

    for port in range(700, 704):
        refusals.note(caller(port=port), STALE)

    assert [message.split()[5] for message in caplog.messages] == [
        "192.0.2.1:700:",
        "192.0.2.1:703:",
    ]


def test_caller_that_has_to_wait_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    HandleRefusals().note(caller(), NfsError(nfsstat3.NFS3ERR_JUKEBOX))

    assert caplog.messages == []
