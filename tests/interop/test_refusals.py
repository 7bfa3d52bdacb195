"""Every refusal of RFC 5531 §9, both ways and over every transport.

Each call is made by a C client, our blocking client and our asyncio client, to a C server and to
ours; the pair that is C on both ends shows that the test asks for what C does. Where one side
cannot say something by itself, something else stands for it:

==========================  ============================================  ========================
what                        why not by itself                             shown by
==========================  ============================================  ========================
RPC_MISMATCH of a C server  its decoder takes a call of another RPC       the reply, sent by hand
                            version for garbage: no reply over UDP, and   through SVC_REPLY; and by
                            the end of the connection over a stream       raw bytes, what it does
another RPC version of a C  no clnt_control sets it                       its header, changed in
client                                                                    the client handle
another RPC version of our  RPC_VERSION is a constant                     the C client; raw bytes
client
AUTH_BADVERF,               the flavors that both serve have no verifier  svcerr_auth; AuthError
AUTH_REJECTEDVERF,          that could be wrong, and need no privilege    raised in the handler
AUTH_TOOWEAK
AUTH_INVALIDRESP            is found by clients, not said by servers      the same
AUTH_KERB_GENERIC and up    are of flavors that neither serves here       the same
AUTH_OK                     is no refusal                                 nothing
SYSTEM_ERR of a C server    it is for the program to say                  svcerr_systemerr
GARBAGE_ARGS of a C server  it decodes on into what an earlier datagram   a string and an array
over UDP, for arguments     left in its buffer                            that are too long
that end early
==========================  ============================================  ========================
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import pytest

from oncrpc.addr import transport
from oncrpc.errors import (
    AuthError,
    CallError,
    GarbageArguments,
    ProcedureUnavailable,
    ProgramMismatch,
    ProgramUnavailable,
    RpcMismatch,
    SystemFailure,
)
from oncrpc.rpc.prot import auth_flavor, auth_stat, opaque_auth
from support.peer_callers import (
    CLIENTS,
    DATAGRAMS,
    SERVERS,
    SUCCESS,
    Attempt,
    Peer,
    outcome_of,
    outcomes,
    seen,
)
from support.refusing_server import NETIDS, asked_for
from support.wire import AUTH_NONE, datagrams, record, stream, success
from support.words import words

pytestmark = pytest.mark.interop

NEXT, REFUSE, FAIL = 1, 3, 4
STALE = {("C server", netid) for netid in DATAGRAMS}


class Cause(NamedTuple):
    """A call that a server refuses, and the expected refusal."""

    attempt: Attempt
    refusal: CallError


def _credential(flavor: int, body: bytes, stat: auth_stat) -> Cause:
    cred = opaque_auth(auth_flavor(flavor), body)
    return Cause(Attempt(cred=cred), AuthError(stat))


def _said(refusal: CallError) -> Cause:
    return Cause(Attempt(REFUSE, asked_for(refusal)), refusal)


LONG_UNIT = words(33, bytes(36))
NINE_MARKS = words(0, bytes(8), bytes(8), 9, bytes(36))
SEVENTEEN_GROUPS = words(0, 0, 0, 0, 17, bytes(17 * 4))
OF_ITSELF: Mapping[str, Cause] = {
    "program": Cause(Attempt(beside=1), ProgramUnavailable()),
    "version between": Cause(Attempt(vers=4), ProgramMismatch(3, 5)),
    "version above": Cause(Attempt(vers=9), ProgramMismatch(3, 5)),
    "procedure": Cause(Attempt(99), ProcedureUnavailable()),
    "procedure of another version": Cause(Attempt(NEXT, vers=5), ProcedureUnavailable()),
    "string over its limit": Cause(Attempt(NEXT, LONG_UNIT), GarbageArguments()),
    "array over its limit": Cause(Attempt(NEXT, NINE_MARKS), GarbageArguments()),
    "failure": Cause(Attempt(FAIL), SystemFailure()),
    "too many groups": _credential(1, SEVENTEEN_GROUPS, auth_stat.AUTH_BADCRED),
    "empty GSS": _credential(6, b"", auth_stat.AUTH_BADCRED),
    "shorthand of nobody": _credential(2, bytes(8), auth_stat.AUTH_REJECTEDCRED),
    "unknown flavor": _credential(77, b"", auth_stat.AUTH_REJECTEDCRED),
    "flavor not served": _credential(3, bytes(8), auth_stat.AUTH_FAILED),
}
"""Refusals before a handler runs, and the failure of a handler."""

SAID: Mapping[str, Cause] = {
    "RPC_MISMATCH": _said(RpcMismatch(3, 4)),
    "PROG_UNAVAIL": _said(ProgramUnavailable()),
    "PROG_MISMATCH": _said(ProgramMismatch(7, 0xFFFFFFFF)),
    "PROC_UNAVAIL": _said(ProcedureUnavailable()),
    "GARBAGE_ARGS": _said(GarbageArguments()),
    "SYSTEM_ERR": _said(SystemFailure()),
    **{stat.name: _said(AuthError(stat)) for stat in auth_stat if stat != auth_stat.AUTH_OK},
}
"""Refusals that a handler raises on request."""


@pytest.mark.parametrize("netid", NETIDS)
@pytest.mark.parametrize("caller", CLIENTS)
@pytest.mark.parametrize("cause", [*OF_ITSELF.values(), *SAID.values()], ids=[*OF_ITSELF, *SAID])
def test_each_side_recognizes_every_refusal(
    peer: Peer, caller: str, netid: str, cause: Cause
) -> None:
    found = outcomes(caller, peer, netid, cause.attempt)

    assert found == [seen(cause.refusal), SUCCESS]


@pytest.mark.parametrize("netid", NETIDS)
def test_c_client_learns_our_rpc_version(served: Mapping[str, Peer], netid: str) -> None:
    printed = served["our server"].by_c(netid, "rpc 3")

    assert [outcome_of(line) for line in printed] == [seen(RpcMismatch(2, 2)), SUCCESS]


@pytest.mark.parametrize("netid", NETIDS)
def test_c_server_ignores_other_rpc_versions(served: Mapping[str, Peer], netid: str) -> None:
    """The following NULL gets a reply, or the connection ends."""
    server = served["C server"]
    foreign, null = _null(1, server.prog, rpcvers=3), _null(2, server.prog, rpcvers=2)

    if netid in DATAGRAMS:
        with datagrams(server.host, transport(netid).family) as sock:
            sock.sendto(foreign, server.address(netid))
            sock.sendto(null, server.address(netid))
            assert sock.recv(9000) == success(2)
    else:
        with stream(server.host, server.address(netid)) as connection:
            connection.send(record(foreign))
            assert connection.sock.recv(1) == b""


def _null(xid: int, prog: int, *, rpcvers: int) -> bytes:
    return words(xid, 0, rpcvers, prog, 3, 0, AUTH_NONE, AUTH_NONE)


@pytest.mark.parametrize("caller", CLIENTS)
@pytest.mark.parametrize(
    ("server", "netid"),
    [(server, netid) for server in SERVERS for netid in NETIDS if (server, netid) not in STALE],
)
def test_arguments_that_end_early_are_garbage(
    served: Mapping[str, Peer], server: str, netid: str, caller: str
) -> None:
    found = outcomes(caller, served[server], netid, Attempt(NEXT, words(32)))

    assert found == [seen(GarbageArguments()), SUCCESS]
