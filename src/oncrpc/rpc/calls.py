"""The client side: calls in progress, retransmission, and the meaning of replies (RFC 5531 §9).

There is no socket and no clock here. The driver sends ``Pending.message``, passes what arrives to
``feed``, and asks ``due`` which calls have timed out or must be sent again. A reply that belongs to
no call is dropped by its xid. A call that ``feed`` returns and that is not done must be sent again:
its credential was refused, and it has a new one.
"""

from __future__ import annotations

import heapq
from typing import Any

from oncrpc.errors import (
    AuthError,
    CallError,
    CallTimeout,
    GarbageArguments,
    OncRpcError,
    ProcedureUnavailable,
    ProgramMismatch,
    ProgramUnavailable,
    ProtocolError,
    RpcMismatch,
    SystemFailure,
    XdrError,
)
from oncrpc.rpc.auth import AUTH_NONE, Auth, Flavor, flavor_of
from oncrpc.rpc.program import AnyProcedure
from oncrpc.rpc.prot import (
    RPC_VERSION,
    accept_stat,
    accepted_reply,
    accepted_reply_data,
    auth_stat,
    call_body,
    mismatch_info,
    msg_type,
    opaque_auth,
    rejected_reply,
    rpc_msg,
    rpc_msg_body,
)
from oncrpc.xdr import codec

DEFAULT_TIMEOUT = 10.0
"""Seconds for a call, unless it is given another time."""

FIRST_RETRY = 0.5
"""Seconds before a call over UDP is sent again; doubled each time."""

LAST_RETRY = 8.0
"""Seconds between two sendings of a call over UDP, at most."""

FEW = 64
"""Times of ended calls that may stay in the heap however few calls are in progress."""

EMPTY_VERIFIER = 8
"""Bytes of AUTH_NONE at the end of a header."""

REPLY = msg_type.REPLY.to_bytes(4, "big")
"""The second word of a reply."""

_REFUSALS: dict[accept_stat, type[CallError]] = {
    accept_stat.PROG_UNAVAIL: ProgramUnavailable,
    accept_stat.PROC_UNAVAIL: ProcedureUnavailable,
    accept_stat.GARBAGE_ARGS: GarbageArguments,
    accept_stat.SYSTEM_ERR: SystemFailure,
}


class Pending:
    """A call in progress. When it is ``done``, ``result`` or ``error`` is set.

    At ``due_at``, the earlier of ``deadline`` and ``retry_at``, it has timed out or must be sent
    again. ``message`` is the call to send; its arguments begin at ``arguments_at``. ``waiter``
    belongs to the driver.
    """

    __slots__ = (
        "arguments_at", "cred", "deadline", "done", "due_at", "error", "flavor", "had_new_cred",
        "message", "procedure", "result", "retry_after", "retry_at", "waiter", "xid",
    )  # fmt: skip

    def __init__(
        self,
        xid: int,
        procedure: AnyProcedure,
        message: bytes,
        *,
        deadline: float,
        retry_at: float,
        retry_after: float,
        flavor: Flavor,
        cred: opaque_auth,
        arguments_at: int,
    ) -> None:
        self.xid, self.procedure, self.message = xid, procedure, message
        self.deadline, self.retry_at, self.retry_after = deadline, retry_at, retry_after
        self.flavor, self.cred, self.arguments_at = flavor, cred, arguments_at
        self.due_at, self.had_new_cred, self.done = 0.0, False, False
        self.result: Any = None
        self.error: Exception | None = None
        self.waiter: Any = None

    def finish(self, result: Any = None, *, error: Exception | None = None) -> None:
        """Set the outcome."""
        self.done, self.result, self.error = True, result, error


class Calls:
    """The calls in progress on one socket. ``retransmit`` is for datagrams.

    ``place`` is the peer, for the text of errors.
    """

    def __init__(
        self, *, first_xid: int, retransmit: bool, auth: Auth = AUTH_NONE, place: str = ""
    ) -> None:
        self.flavor, self.retransmit, self.place = flavor_of(auth), retransmit, place
        self.last_xid = first_xid & 0xFFFFFFFF
        self._pending: dict[int, Pending] = {}
        self._times: list[tuple[float, int]] = []

    def __len__(self) -> int:
        return len(self._pending)

    @property
    def noted_times(self) -> int:
        """How many times are in the heap, those of ended calls included."""
        return len(self._times)

    def start(
        self,
        procedure: AnyProcedure,
        arguments: tuple[Any, ...],
        *,
        now: float,
        timeout: float,
        auth: Auth | None = None,
    ) -> Pending:
        """Begin a call whose message must be sent now; times are in seconds.

        Raises:
            XdrError: the arguments are not of the declared types.
        """
        flavor = self.flavor if auth is None else flavor_of(auth)
        encoded = procedure.encode_arguments(arguments)
        xid, cred, header = self._header(procedure, flavor)
        retry = FIRST_RETRY if self.retransmit else timeout
        call = Pending(
            xid, procedure, header + encoded,
            deadline=now + timeout, retry_at=now + retry, retry_after=retry,
            flavor=flavor, cred=cred, arguments_at=len(header),
        )  # fmt: skip
        self._pending[xid] = call
        self._time(call)
        return call

    def _header(self, procedure: AnyProcedure, flavor: Flavor) -> tuple[int, opaque_auth, bytes]:
        """A new xid, the credential, and the call up to its arguments."""
        self.last_xid = (self.last_xid + 1) & 0xFFFFFFFF
        while self.last_xid in self._pending:
            self.last_xid = (self.last_xid + 1) & 0xFFFFFFFF
        version, cred = procedure.version, flavor.credential()
        header = call_header(
            self.last_xid, (version.prog, version.vers, procedure.number), cred=cred
        )
        verf = flavor.verifier(header[:-EMPTY_VERIFIER])
        if verf is not AUTH_NONE:
            header = header[:-EMPTY_VERIFIER] + codec(opaque_auth).encode(verf)
        return self.last_xid, cred, header

    def feed(self, message: bytes) -> Pending | None:
        """Take a reply. Returns its call, or None if it belongs to no call."""
        call = self._pending.get(int.from_bytes(message[:4], "big"))
        if call is None or message[4:8] != REPLY:
            return None
        del self._pending[call.xid]
        try:
            reply, offset = _reply(message)
            if isinstance(reply, accepted_reply):
                call.flavor.accepted(call.cred, reply.verf)
            elif isinstance(reply.body, auth_stat) and self._begin_again(call, reply.body):
                return call
            _check(reply)
            call.finish(call.procedure.decode_result(message, offset))
        except (CallError, ProtocolError) as error:
            call.finish(error=self._of(call, error))
        except XdrError as error:
            call.finish(error=self._of(call, ProtocolError(f"a malformed reply: {error}")))
        except Exception as bug:  # of a flavor, foreign code: else the caller would wait for ever
            call.finish(error=bug)
        return call

    def _of(self, call: Pending, error: OncRpcError) -> OncRpcError:
        """Add to an error what was called and where."""
        error.procedure, error.place = call.procedure, self.place
        return error

    def _begin_again(self, call: Pending, stat: auth_stat) -> bool:
        """After a refused credential: the flavor may once ask for a call with another one."""
        if call.had_new_cred or not call.flavor.rejected(call.cred, stat):
            return False
        arguments = call.message[call.arguments_at :]
        call.xid, call.cred, header = self._header(call.procedure, call.flavor)
        call.message, call.arguments_at = header + arguments, len(header)
        call.had_new_cred = True
        self._pending[call.xid] = call
        self._time(call)
        return True

    def forget(self, call: Pending) -> None:
        """Forget a call; a late reply will be dropped."""
        self._pending.pop(call.xid, None)

    def fail(self, error: OncRpcError) -> list[Pending]:
        """End every call in progress with an error, because the connection is gone."""
        calls = list(self._pending.values())
        self._pending.clear()
        self._times.clear()
        for call in calls:
            call.finish(error=error)
        return calls

    def next_deadline(self) -> float | None:
        """When to call ``due`` next; None while no call is in progress."""
        times = self._times
        while times and not self._holds(times[0]):
            heapq.heappop(times)
        return times[0][0] if times else None

    def due(self, now: float) -> list[Pending]:
        """Calls that are due: those that are ``done`` have timed out, resend the others."""
        due: list[Pending] = []
        while (at := self.next_deadline()) is not None and at <= now:
            call = self._pending[heapq.heappop(self._times)[1]]
            due.append(call)
            if call.deadline <= now:
                del self._pending[call.xid]
                call.finish(error=self._timeout(call))
            else:
                call.retry_after = min(call.retry_after * 2, LAST_RETRY)
                call.retry_at = now + call.retry_after
                self._time(call)
        return due

    def _timeout(self, call: Pending) -> CallTimeout:
        source = f" from {self.place}" if self.place else ""
        return CallTimeout(f"no reply to {call.procedure!r}{source}")

    def _time(self, call: Pending) -> None:
        """Note when the call is due.

        The time of an ended call stays in the heap until it comes first, or until most times there
        are of ended calls: removing it at once would take a search.
        """
        times = self._times
        if len(times) > FEW + 2 * len(self._pending):
            times[:] = [noted for noted in times if self._holds(noted)]
            heapq.heapify(times)
        call.due_at = min(call.deadline, call.retry_at)
        heapq.heappush(times, (call.due_at, call.xid))

    def _holds(self, noted: tuple[float, int]) -> bool:
        """Whether the noted call is in progress, and due at the noted time."""
        call = self._pending.get(noted[1])
        return call is not None and call.due_at == noted[0]


def call_header(xid: int, called: tuple[int, int, int], *, cred: opaque_auth) -> bytes:
    """A call of (program, version, procedure) up to its arguments."""
    body = call_body(RPC_VERSION, *called, cred, AUTH_NONE)
    return codec(rpc_msg).encode(rpc_msg(xid, rpc_msg_body(msg_type.CALL, body)))


def results_at(message: bytes) -> int:
    """Where the results begin in a reply; raises a refusal.

    Raises:
        CallError: the peer refused. XdrError, ProtocolError: the bytes are not a reply.
    """
    if message[4:8] != REPLY:
        raise ProtocolError("a message that is not a reply")
    reply, offset = _reply(message)
    _check(reply)
    return offset


def _reply(message: bytes) -> tuple[accepted_reply | rejected_reply, int]:
    """A reply, and where its results begin."""
    found, offset = codec(rpc_msg).decode_from(message)
    reply: accepted_reply | rejected_reply = found.body.body.body  # type: ignore[union-attr]  # the message type is REPLY
    return reply, offset


def _check(reply: accepted_reply | rejected_reply) -> None:
    """Raise the refusal in a reply."""
    match reply:
        case rejected_reply(_, mismatch_info(low, high)):
            raise RpcMismatch(low, high)
        case rejected_reply(_, auth_stat() as stat):
            raise AuthError(stat)
        case accepted_reply(_, accepted_reply_data(_, mismatch_info(low, high))):
            raise ProgramMismatch(low, high)
        case accepted_reply(_, accepted_reply_data(stat, _)):
            if stat != accept_stat.SUCCESS:
                raise _REFUSALS[stat]
