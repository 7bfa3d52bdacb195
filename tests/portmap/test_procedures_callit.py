"""Calls for others: CALLIT, BCAST and INDIRECT, called by callers of each kind."""

from __future__ import annotations

from typing import Any

import pytest

from oncrpc.errors import AuthError, ProgramMismatch, ProgramUnavailable, SystemFailure
from oncrpc.programs.portmap import PMAP_VERS, call_args
from oncrpc.programs.rpcb import RPCBVERS, RPCBVERS4, rpcb_rmtcallargs, rpcbs_rmtcalllist
from oncrpc.rpc import Caller
from support.callers import (
    LOOPBACK6,
    REMOTE,
    REMOTE6,
    REMOTE_UDP,
    ROOT,
    PortMapper,
    changed,
    registered,
)

PROC = 7
CALLS_FOR_OTHERS: dict[str, Any] = {
    "v2 CALLIT": PMAP_VERS.PMAPPROC_CALLIT,
    "v3 CALLIT": RPCBVERS.RPCBPROC_CALLIT,
    "v4 BCAST": RPCBVERS4.RPCBPROC_BCAST,
}
silent_ones = pytest.mark.parametrize("name", CALLS_FOR_OTHERS)


def forwarding(procedure: Any, prog: int, vers: int, proc: int = PROC) -> Any:
    """The argument of a call to be forwarded."""
    make = call_args if procedure is PMAP_VERS.PMAPPROC_CALLIT else rpcb_rmtcallargs
    return make(prog, vers, proc, b"")


@silent_ones
@pytest.mark.parametrize(("prog", "vers"), [(400001, 1), (400001, 2), (400002, 1)])
def test_callit_is_silent_about_failures(
    mapper: PortMapper, name: str, prog: int, vers: int
) -> None:
    mapper.registry.set(registered(400001, 1, "udp"))
    procedure = CALLS_FOR_OTHERS[name]

    assert mapper.call(REMOTE_UDP, procedure, forwarding(procedure, prog, vers)) is None


@silent_ones
def test_a_call_for_others_is_silent_about_garbage(mapper: PortMapper, name: str) -> None:
    message = mapper.message(CALLS_FOR_OTHERS[name], forwarding(CALLS_FOR_OTHERS[name], 1, 1))

    assert mapper.reply(REMOTE_UDP, message[:-4]) is None


@silent_ones
def test_a_forbidden_call_for_others_is_refused_aloud(mapper: PortMapper, name: str) -> None:
    procedure = CALLS_FOR_OTHERS[name]

    with pytest.raises(AuthError, match="AUTH_TOOWEAK"):
        mapper.call(REMOTE_UDP, procedure, forwarding(procedure, 100003, 3, 1))


@pytest.mark.parametrize("name", [*CALLS_FOR_OTHERS, "v4 INDIRECT"])
@pytest.mark.parametrize("caller", [REMOTE, ROOT, LOOPBACK6])
def test_over_streams_nothing_is_called_for_others(
    mapper: PortMapper, name: str, caller: Caller
) -> None:
    procedure = CALLS_FOR_OTHERS.get(name, RPCBVERS4.RPCBPROC_INDIRECT)
    mapper.registry.set(registered(400001, 1, caller.netid, "/run/one"))

    assert mapper.call(caller, procedure, forwarding(procedure, 400001, 1)) is None


@pytest.mark.parametrize(
    ("prog", "vers", "refusal"),
    [
        (400002, 1, ProgramUnavailable),
        (400001, 2, ProgramMismatch),
        (400001, 1, SystemFailure),
        (100003, 3, AuthError),
    ],
)
def test_indirect_raises_the_refusal(
    mapper: PortMapper, prog: int, vers: int, refusal: type[Exception]
) -> None:
    mapper.registry.set(registered(400001, 1, "udp"))

    with pytest.raises(refusal):
        mapper.call(
            REMOTE_UDP, RPCBVERS4.RPCBPROC_INDIRECT, rpcb_rmtcallargs(prog, vers, PROC, b"")
        )


def test_indirect_refuses_garbage(mapper: PortMapper) -> None:
    message = mapper.message(RPCBVERS4.RPCBPROC_INDIRECT, rpcb_rmtcallargs(1, 1, 1, b""))

    reply = mapper.reply(REMOTE_UDP, message[:-4])

    assert reply is not None
    assert reply[-4:] == b"\0\0\0\4"


def test_calls_for_others_are_counted(mapper: PortMapper) -> None:
    mapper.registry.set(registered(400001, 1, "udp"))
    mapper.call(REMOTE_UDP, RPCBVERS4.RPCBPROC_BCAST, rpcb_rmtcallargs(400001, 1, PROC, b""))
    with pytest.raises(ProgramUnavailable):
        mapper.call(REMOTE_UDP, RPCBVERS4.RPCBPROC_INDIRECT, rpcb_rmtcallargs(4, 1, PROC, b""))

    report = mapper.call(REMOTE, RPCBVERS4.RPCBPROC_GETSTAT)

    assert report[2].rmtinfo == [
        rpcbs_rmtcalllist(4, 1, PROC, 0, 1, 1, b"udp"),
        rpcbs_rmtcalllist(400001, 1, PROC, 1, 0, 0, b"udp"),
    ]


class Elsewhere:
    """A forwarder whose targets all give the same results."""

    async def call(self, *_: object) -> bytes:
        return b"\0\0\0\1"


def test_results_come_with_the_address_of_the_program() -> None:
    mapper = PortMapper(forwarder=Elsewhere())
    mapper.registry.set(registered(400001, 1, "udp"))

    by_port = mapper.call(REMOTE_UDP, PMAP_VERS.PMAPPROC_CALLIT, call_args(400001, 1, PROC, b""))
    by_addr = mapper.call(
        REMOTE_UDP, RPCBVERS.RPCBPROC_CALLIT, rpcb_rmtcallargs(400001, 1, PROC, b"")
    )

    assert (by_port.port, by_port.res) == (2049, b"\0\0\0\1")
    assert (by_addr.addr, by_addr.results) == (b"192.0.2.1.8.1", b"\0\0\0\1")


def test_version_2_has_no_results_over_ipv6() -> None:
    mapper = PortMapper(forwarder=Elsewhere())
    mapper.registry.set(registered(400001, 1, "udp6", "::.8.1"))
    caller = changed(REMOTE6, netid="udp6", datagram=True)

    args = call_args(400001, 1, PROC, b"")

    assert mapper.call(caller, PMAP_VERS.PMAPPROC_CALLIT, args) is None
