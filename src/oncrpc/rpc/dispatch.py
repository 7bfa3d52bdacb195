"""The server side: from the bytes of a call to the bytes of its reply (RFC 5531 §9).

Checks are made in the order of the C servers: RPC version, credential, program, version, procedure,
arguments. Each refusal has one cause. A reply is bytes, or None if nothing is sent: for example
when a procedure is silent about its failures.
"""

from __future__ import annotations

import inspect
import logging
import struct
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from functools import partial
from typing import Any

from oncrpc.errors import (
    AuthError,
    CallError,
    GarbageArguments,
    ProcedureUnavailable,
    ProgramMismatch,
    ProgramUnavailable,
    ProtocolError,
    RpcMismatch,
    SystemFailure,
    XdrError,
)
from oncrpc.rpc.auth import AUTH_NONE, Judge
from oncrpc.rpc.duplicates import CachedCall, DuplicateCache
from oncrpc.rpc.program import (
    AnyProcedure,
    Call,
    Caller,
    Hook,
    NoReply,
    Service,
    is_idempotent,
    is_pure,
    is_silent,
)
from oncrpc.rpc.prot import (
    RPC_VERSION,
    accept_stat,
    accepted_reply,
    accepted_reply_data,
    auth_flavor,
    auth_stat,
    call_body,
    mismatch_info,
    msg_type,
    opaque_auth,
    reject_stat,
    rejected_reply,
    reply_body,
    reply_stat,
    rpc_msg,
    rpc_msg_body,
)
from oncrpc.rpc.quick import MakeQuickCalls
from oncrpc.rpc.reply_cache import MAX_REPLY_BYTES, CacheableReply, ReplyCache
from oncrpc.rpc.workers import Workers, is_in_worker, order_of
from oncrpc.xdr import codec

log = logging.getLogger("oncrpc.rpc")

Reply = bytes | None
Before = Callable[[Call], Awaitable[None] | None]
NULL = 0
"""The procedure that does nothing (§12.1). It may run twice, so its calls are not cached."""

LARGEST_DATAGRAM = 65507
"""Bytes of UDP's payload over IPv4."""

_NO_HOOKS = nullcontext()
SUCCEEDED = struct.pack(
    ">5I",
    *(msg_type.REPLY, reply_stat.MSG_ACCEPTED),
    *(auth_flavor.AUTH_NONE, 0),  # the verifier
    accept_stat.SUCCESS,
)
"""The bytes between the xid and the results, with no verifier; packed once, without a codec."""

_ACCEPT_STATS: dict[type[CallError], accept_stat] = {
    ProgramUnavailable: accept_stat.PROG_UNAVAIL,
    ProcedureUnavailable: accept_stat.PROC_UNAVAIL,
    GarbageArguments: accept_stat.GARBAGE_ARGS,
    SystemFailure: accept_stat.SYSTEM_ERR,
}


class Dispatcher:
    """Serves any number of programs and versions; ``handle`` takes one whole call.

    ``before`` is called with every call that has a procedure, before its arguments are decoded. It
    may refuse the call by raising a ``CallError`` or ``NoReply``, and may return an awaitable. The
    ``hooks`` run around every call that runs, the first one outermost; hooks do not run for
    retransmissions answered from the cache. ``auth`` judges the credentials. ``reply_cache`` has
    the replies that endpoints may send without calling the dispatcher, ``duplicates`` those to
    retransmissions. Handlers marked ``in_worker`` run in ``workers``, or inline if there are none.
    ``quick`` makes what answers calls of a stream without the dispatcher.
    """

    def __init__(
        self,
        services: Iterable[Service],
        *,
        clock: Callable[[], float],
        before: Before | None = None,
        hooks: Sequence[Hook] = (),
        auth: Judge | None = None,
        reply_cache: ReplyCache | None = None,
        duplicates: DuplicateCache | None = None,
        workers: Workers | None = None,
    ) -> None:
        self.clock, self.before, self.reply_cache = clock, before, reply_cache
        self.hooks, self.auth = tuple(hooks), Judge() if auth is None else auth
        self.duplicates = DuplicateCache() if duplicates is None else duplicates
        self.workers = workers
        self.quick: MakeQuickCalls | None = None
        self._programs: dict[int, dict[int, dict[int, tuple[AnyProcedure, Any]]]] = {}
        for service in services:
            self.add(service)

    def add(self, service: Service, *, prog: int | None = None) -> None:
        """Serve one more version, under its program's number or ``prog``, say a transient number.

        Raises:
            ValueError: the version is served already. TypeError: it is not a service.
        """
        if not isinstance(service, Service):
            raise TypeError(f"{service!r} is not an instance of a Service")
        version = service.version
        number = version.prog if prog is None else prog
        versions = self._programs.setdefault(number, {})
        if version.vers in versions:
            raise ValueError(f"program {number} version {version.vers} is served twice")
        versions[version.vers] = {
            procedure: (version.procedures[procedure], handler)
            for procedure, handler in service.handlers().items()
        }

    def handle(self, message: bytes, caller: Caller) -> Reply | Awaitable[Reply]:
        """The reply to one call, or an awaitable of it.

        Raises:
            ProtocolError: the bytes are not a call; close the stream, or drop the datagram.
        """
        try:
            call, handler = self._admit(message, caller)
            asked = self.before(call) if self.before is not None else None
        except CallError as refusal:
            return refuse(message[:4], refusal)
        except NoReply:
            return None
        except ProtocolError:
            raise
        except Exception as bug:  # of the program's judge or ``before``: not the caller's fault
            return _not_admitted(message, caller, bug)
        if asked is not None:
            return self._run_after(asked, call, handler)
        return self._proceed(call, handler)

    async def _run_after(
        self, asked: Awaitable[None], call: Call, handler: Callable[..., Any]
    ) -> Reply:
        try:
            await asked
        except CallError as refusal:
            return refuse(call.message[:4], refusal)
        except NoReply:
            return None
        except Exception as bug:  # of ``before``
            return _not_admitted(call.message, call.caller, bug)
        reply = self._proceed(call, handler)
        return reply if isinstance(reply, bytes | None) else await reply

    def _proceed(self, call: Call, handler: Callable[..., Any]) -> Reply | Awaitable[Reply]:
        workers = self.workers
        if workers is not None and is_in_worker(handler) and workers.full_for(call.caller.origin):
            return self._overloaded(workers, call, handler)
        unrepeatable = call.procedure.number != NULL and not is_idempotent(handler)
        if unrepeatable and self.duplicates.covers(call):
            return self._run_once(call, handler)
        return self._run(call, handler)

    def _overloaded(self, workers: Workers, call: Call, handler: Callable[..., Any]) -> Reply:
        """A datagram is dropped, since its client sends it again; nobody repeats a stream's."""
        if call.caller.datagram:
            workers.dropped += 1
            return None
        workers.refused += 1
        return self._refused(call, handler, SystemFailure())

    def _admit(self, message: bytes, caller: Caller) -> tuple[Call, Callable[..., Any]]:
        """Make all checks before the arguments. Returns the call and its handler."""
        body, offset = _call_body(message)
        judged = self.auth.judge(body, message)
        if not isinstance(judged, tuple):
            raise AuthError(auth_stat(judged))
        versions = self._programs.get(body.prog)
        if versions is None:
            raise ProgramUnavailable
        procedures = versions.get(body.vers)
        if procedures is None:
            raise ProgramMismatch(min(versions), max(versions))
        found = procedures.get(body.proc)
        if found is None:
            raise ProcedureUnavailable
        procedure, handler = found
        credential, verf = judged
        call = Call(
            int.from_bytes(message[:4], "big"), procedure, credential, verf,
            caller=caller, message=message, arguments_at=offset,
        )  # fmt: skip
        return call, handler

    def _run_once(self, call: Call, handler: Callable[..., Any]) -> Reply | Awaitable[Reply]:
        """Run a call that must not run twice; a retransmission gets the first reply."""
        duplicates = self.duplicates
        found = duplicates.find(call.caller, call.message, self.clock())
        if found is not None:
            return found.reply if found.done else duplicates.repeated(found, call.caller)
        entry = duplicates.begin(call.caller, call.message)
        reply = self._run(call, handler)
        if inspect.isawaitable(reply):
            return duplicates.carry_out(entry, self._finish_once(call, entry, reply))
        duplicates.finish(entry, _kept(call, reply), self.clock())
        return reply

    async def _finish_once(self, call: Call, entry: CachedCall, reply: Awaitable[Reply]) -> Reply:
        try:
            found = await reply
        except BaseException:  # cancelled: abandon it, so that a retransmission runs it again
            self.duplicates.abandon(entry)
            raise
        self.duplicates.finish(entry, _kept(call, found), self.clock())
        return found

    def _run(self, call: Call, handler: Callable[..., Any]) -> Reply | Awaitable[Reply]:
        """Decode, call, encode. A bug in the handler becomes SYSTEM_ERR and a log entry."""
        try:
            if self.hooks:
                return self._run_within(call, handler)
            result = self._begin(call, handler)
            if inspect.isawaitable(result):
                return self._await(call, handler, result)
            reply = success(call, call.procedure.encode_result(result))
            return _cacheable(call, reply) if self.reply_cache and is_pure(handler) else reply
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # also CancelledError: nothing was awaited, so a bug
            return self._refused(call, handler, error)

    def _run_within(self, call: Call, handler: Callable[..., Any]) -> Reply | Awaitable[Reply]:
        """The same within the hooks; an error that a hook suppresses is still a failure."""
        with ExitStack() as entered:
            for hook in self.hooks:
                entered.enter_context(hook(call))
            result = self._begin(call, handler)
            if inspect.isawaitable(result):
                return self._await(call, handler, result, entered.pop_all())
            return success(call, call.procedure.encode_result(result))
        raise SystemFailure  # a hook suppressed the exception

    def _begin(self, call: Call, handler: Callable[..., Any]) -> Any:
        """Call the handler. Returns the result, or an awaitable of it."""
        try:
            arguments = call.procedure.decode_arguments(call.message, call.arguments_at)
        except XdrError as error:
            log.debug("%r: garbage arguments: %s", call.procedure, error)
            raise GarbageArguments from None
        if self.workers is None or not is_in_worker(handler):
            return handler(call, *arguments)
        order = order_of(handler, call, arguments)
        function = partial(handler, call, *arguments)
        return self.workers.run(function, order, source=call.caller.origin)

    async def _await(
        self,
        call: Call,
        handler: Callable[..., Any],
        result: Awaitable[Any],
        entered: AbstractContextManager[object] = _NO_HOOKS,
    ) -> Reply:
        try:
            with entered:
                return success(call, call.procedure.encode_result(await result))
            raise SystemFailure  # a hook suppressed the exception
        except Exception as error:  # a refusal, or a bug of the handler or of a hook
            return self._refused(call, handler, error)

    def _refused(self, call: Call, handler: Callable[..., Any], error: BaseException) -> Reply:
        if isinstance(error, NoReply):
            return None
        if not isinstance(error, CallError):
            log.error("%r failed", call.procedure, exc_info=error)
            error = SystemFailure()
        if is_silent(handler) and not isinstance(error, AuthError):
            return None
        try:
            return refuse(call.message[:4], error, call.verf)
        except ValueError as bug:  # a refusal with numbers that cannot be encoded
            log.error("%r failed", call.procedure, exc_info=bug)
            return refuse(call.message[:4], SystemFailure(), call.verf)


def _call_body(message: bytes) -> tuple[call_body, int]:
    if len(message) < 12:
        raise ProtocolError(f"a message of {len(message)} bytes is not a call")
    if int.from_bytes(message[4:8], "big") != msg_type.CALL:
        raise ProtocolError("a message that is not a call")
    if int.from_bytes(message[8:12], "big") != RPC_VERSION:
        raise RpcMismatch(RPC_VERSION, RPC_VERSION)
    try:
        return codec(call_body).decode_from(message, 8)
    except XdrError as error:
        raise ProtocolError(f"a malformed call: {error}") from None


def _not_admitted(message: bytes, caller: Caller, bug: Exception) -> bytes:
    log.error("a call of %s was not admitted", caller, exc_info=bug)
    return refuse(message[:4], SystemFailure())


def success(call: Call, results: bytes) -> bytes:
    """The reply to a call that succeeded."""
    if call.verf is AUTH_NONE:
        return call.message[:4] + SUCCEEDED + results
    data = accepted_reply_data(accept_stat.SUCCESS, None)
    return _accepted(call.message[:4], call.verf, data) + results


def _kept(call: Call, reply: Reply) -> Reply:
    """The reply to cache. A reply too long for UDP is replaced by SYSTEM_ERR."""
    if reply is None or not call.caller.datagram or len(reply) <= LARGEST_DATAGRAM:
        return reply
    return refuse(reply[:4], SystemFailure())


def _cacheable(call: Call, reply: bytes) -> bytes:
    """The reply, marked as cacheable unless the caller sent a credential or it is too long."""
    if call.credential is not None or call.verf is not AUTH_NONE or len(reply) > MAX_REPLY_BYTES:
        return reply
    cacheable = CacheableReply(reply)
    cacheable.counters = call.counters
    return cacheable


def refuse(xid: bytes, refusal: CallError, verf: opaque_auth = AUTH_NONE) -> bytes:
    """The reply that says why a call was refused (RFC 5531 §9)."""
    match refusal:
        case RpcMismatch(low=low, high=high):
            return _denied(xid, reject_stat.RPC_MISMATCH, mismatch_info(low, high))
        case AuthError(stat=stat):
            return _denied(xid, reject_stat.AUTH_ERROR, auth_stat(stat))
        case ProgramMismatch(low=low, high=high):
            found = mismatch_info(low, high)
            data = accepted_reply_data(accept_stat.PROG_MISMATCH, found)
        case _:
            data = accepted_reply_data(_accept_stat(refusal), None)
    return _accepted(xid, verf, data)


def _accept_stat(refusal: CallError) -> accept_stat:
    found = (stat for cls, stat in _ACCEPT_STATS.items() if isinstance(refusal, cls))
    return next(found, accept_stat.SYSTEM_ERR)


def _accepted(xid: bytes, verf: opaque_auth, data: accepted_reply_data) -> bytes:
    return _reply(xid, reply_body(reply_stat.MSG_ACCEPTED, accepted_reply(verf, data)))


def _denied(xid: bytes, stat: reject_stat, body: mismatch_info | auth_stat) -> bytes:
    return _reply(xid, reply_body(reply_stat.MSG_DENIED, rejected_reply(stat, body)))


def _reply(xid: bytes, body: reply_body) -> bytes:
    number = int.from_bytes(xid, "big")
    return codec(rpc_msg).encode(rpc_msg(number, rpc_msg_body(msg_type.REPLY, body)))
