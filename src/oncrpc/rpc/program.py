"""The declarations of a generated module: versions, procedures, client and service.

::

    class PMAP_VERS(Version, prog=100000, vers=2):
        PMAPPROC_NULL = Procedure[None](0)
        PMAPPROC_GETPORT = Procedure[int, mapping](3, mapping, result=UInt)

        class Client(rpc.Client):
            blocking: ClassVar[type[PMAP_VERS.SyncClient]]

            async def PMAPPROC_GETPORT(self, arg: mapping) -> int:
                return await self.call(PMAP_VERS.PMAPPROC_GETPORT, arg)

        class SyncClient(rpc.SyncClient):
            client: PMAP_VERS.Client

            def PMAPPROC_GETPORT(self, arg: mapping) -> int:
                return self.call(PMAP_VERS.PMAPPROC_GETPORT, arg)

        class Service(rpc.Service):
            def PMAPPROC_GETPORT(self, call: Call, arg: mapping) -> Answer[int]:
                raise ProcedureUnavailable

A service overrides the procedures that it has; the others are answered PROC_UNAVAIL. A client is
given a link, any object that carries calls: over asyncio, blocking, or in memory.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from copy import copy
from ipaddress import IPv6Address
from typing import Any, ClassVar, Generic, Protocol, Self, TypeAlias, TypeVar, TypeVarTuple, cast

from oncrpc.checks import check_timeout
from oncrpc.errors import XdrError
from oncrpc.rpc.auth import Auth, Credential, flavor_of
from oncrpc.rpc.blocking import run
from oncrpc.rpc.prot import opaque_auth
from oncrpc.rpc.reply_cache import Repeatable
from oncrpc.xdr import codec

R = TypeVar("R")
A = TypeVarTuple("A")
F = TypeVar("F", bound=Callable[..., Any])
NULLPROC = 0
Answer: TypeAlias = R | Awaitable[R]
"""The return value of a handler: the result, or an awaitable of it."""


class Procedure(Generic[R, *A]):
    """A procedure: its number, the declarations of its arguments and of its result.

    ``Procedure[bool, mapping]`` returns a ``bool`` and takes one argument, a ``mapping``.
    """

    def __init__(self, number: int, *arguments: Any, result: Any = None) -> None:
        self.number, self.arguments, self.result = number, arguments, result

    def __set_name__(self, owner: type[Version], name: str) -> None:
        self.version, self.name = owner, name

    def __repr__(self) -> str:
        return f"{self.version.__name__}.{self.name}"

    def encode_arguments(self, arguments: tuple[Any, ...]) -> bytes:
        """The arguments' bytes, one after the other.

        Raises:
            TypeError: another number of them. XdrError: one does not fit its declaration; the
                error says which procedure's and which argument.
        """
        if len(arguments) != len(self.arguments):
            takes = f"{len(self.arguments)} argument{'s' * (len(self.arguments) != 1)}"
            raise TypeError(f"{self!r} takes {takes}, not {len(arguments)}")
        out = bytearray()
        try:
            for declared, argument in zip(self.arguments, arguments, strict=True):
                codec(declared).encode_onto(out, argument)
        except XdrError as error:
            raise self._misfit(arguments) or error from None
        return bytes(out)

    def _misfit(self, arguments: tuple[Any, ...]) -> XdrError | None:
        """The error of the first argument that cannot be encoded, by the argument's name."""
        for index, (declared, argument) in enumerate(zip(self.arguments, arguments, strict=True)):
            coder = codec(declared)
            try:
                coder.encode(argument)
            except XdrError as error:
                path = self._parameter(index) + error.path.removeprefix(coder.name)
                named = XdrError(path, None, error.reason)
                named.procedure = self
                return named
        return None

    def _parameter(self, index: int) -> str:
        """The name of an argument in the generated client."""
        method = getattr(getattr(self.version, "Client", None), self.name, None)
        code = getattr(method, "__code__", None)
        names = code.co_varnames[1 : code.co_argcount] if code is not None else ()
        return names[index] if index < len(names) else f"arg{index + 1}"

    def decode_arguments(self, message: bytes, offset: int) -> list[Any]:
        """The arguments from ``offset`` on. What follows them is ignored: real clients send it."""
        values = []
        for declared in self.arguments:
            value, offset = codec(declared).decode_from(message, offset)
            values.append(value)
        return values

    def encode_result(self, result: R) -> bytes:
        """The result's bytes."""
        if isinstance(result, Encoded):
            return result
        return codec(self.result).encode(result)

    def decode_result(self, message: bytes, offset: int) -> R:
        """The result from ``offset`` to the end of the message."""
        value, end = codec(self.result).decode_from(message, offset)
        if end != len(message):
            raise XdrError(self.name, end, f"{len(message) - end} bytes left over")
        result: R = value
        return result


AnyProcedure: TypeAlias = Procedure[Any, *tuple[Any, ...]]
"""A procedure whose types are not known until run time."""


class Encoded(bytes):
    """An encoded result. A handler may return it in place of the result."""

    def standing_for(self, _: type[R]) -> R:
        """The same object; the type checker takes it for the result."""
        return cast(R, self)


class Version:
    """A version of a program; its subclasses are declarations, never instantiated.

    Procedure 0 does nothing, by convention of all programs (RFC 5531 §12.1); one that is not
    declared is there all the same.
    """

    prog: ClassVar[int]
    vers: ClassVar[int]
    procedures: ClassVar[dict[int, AnyProcedure]]

    def __init_subclass__(cls, *, prog: int, vers: int) -> None:
        cls.prog, cls.vers = prog, vers
        declared = (item for item in vars(cls).values() if isinstance(item, Procedure))
        cls.procedures = {procedure.number: procedure for procedure in declared}
        if NULLPROC not in cls.procedures:
            null = cls.procedures[NULLPROC] = Procedure[None](NULLPROC)
            null.__set_name__(cls, "NULL")
        nested = [item for item in vars(cls).values() if isinstance(item, type)]
        for item in nested:
            if issubclass(item, (Client, SyncClient, Service)):
                item.version = cls
        written = next((item for item in nested if issubclass(item, SyncClient)), None)
        for item in nested:
            if issubclass(item, Client):
                item.blocking = written or _blocking(item)


Origin = str | bytes | int | None
"""Where calls come from: an IPv4 address, an IPv6 network, or the uid of a local user."""

UNSHOWN = ("connected", "pidfd")
"""Functions of a caller, which its text leaves out."""


def _connected() -> bool:
    return True


class Caller:
    """Where a call came from and where it arrived.

    ``source`` and ``local`` are (host, port, scope id) of the caller and of the address that it
    asked; over a local socket they are None and ``uid`` is the peer's effective user. ``loopback``
    says that the call came over the loopback interface, which cannot be forged from outside;
    ``to_group`` that it was sent to many, by broadcast or multicast. Of a local caller ``pid`` is
    the process that connected, and ``pidfd`` makes a descriptor of it, which is yours to close.
    ``connected`` tells whether the connection is still in use; each has one caller object.
    As text it is ``192.0.2.1 port 700 over tcp``, or ``uid 1000 over local``. Not to be changed.
    """

    # No dataclass: making one takes as long as loading a small module.
    __slots__ = (
        "connected", "datagram", "local", "loopback", "netid", "pid", "pidfd", "source", "to_group",
        "uid",
    )  # fmt: skip

    def __init__(
        self,
        netid: str,
        source: tuple[str, int, int] | None = None,
        local: tuple[str, int, int] | None = None,
        *,
        uid: int | None = None,
        loopback: bool = False,
        datagram: bool = False,
        to_group: bool = False,
        pid: int | None = None,
        pidfd: Callable[[], int] | None = None,
    ) -> None:
        self.netid, self.source, self.local, self.uid = netid, source, local, uid
        self.loopback, self.datagram, self.to_group = loopback, datagram, to_group
        self.pid, self.pidfd = pid, pidfd
        self.connected: Callable[[], bool] = _connected  # set by the connection

    def _compared(self) -> tuple[object, ...]:
        """Everything but the process: it is the same caller from another process."""
        place = (self.netid, self.source, self.local, self.uid)
        return (*place, self.loopback, self.datagram, self.to_group)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Caller) and self._compared() == other._compared()

    def __hash__(self) -> int:
        return hash(self._compared())

    def __repr__(self) -> str:
        shown = (
            f"{name}={getattr(self, name)!r}" for name in self.__slots__ if name not in UNSHOWN
        )
        return f"Caller({', '.join(shown)})"

    @property
    def origin(self) -> Origin:
        """The key that limits per source use: an IPv4 address, an IPv6 /64, or a local user."""
        if self.source is None:
            return self.uid
        host = self.source[0]
        return IPv6Address(host).packed[:8] if ":" in host and not self.loopback else host

    @property
    def host(self) -> str:
        """The caller's address, empty over a local socket."""
        return self.source[0] if self.source else ""

    @property
    def port(self) -> int:
        """The caller's port, 0 over a local socket."""
        return self.source[1] if self.source else 0

    @property
    def local_host(self) -> str:
        """The address that was called, empty over a local socket."""
        return self.local[0] if self.local else ""

    @property
    def local_port(self) -> int:
        """The port that was called, 0 over a local socket."""
        return self.local[1] if self.local else 0

    def __str__(self) -> str:
        who = f"{self.host} port {self.port}" if self.source else f"uid {self.uid}"
        return f"{who} over {self.netid}"


class Call:
    """A call as its handler sees it, besides the arguments.

    ``credential`` is None for AUTH_NONE and an ``authsys_parms`` for AUTH_SYS.
    """

    __slots__ = (
        "arguments_at", "caller", "counters", "credential", "message", "procedure", "verf", "xid",
    )  # fmt: skip

    def __init__(
        self,
        xid: int,
        procedure: AnyProcedure,
        credential: Credential,
        verf: opaque_auth,
        caller: Caller,
        message: bytes,
        arguments_at: int,
    ) -> None:
        self.xid, self.procedure, self.credential, self.verf = xid, procedure, credential, verf
        self.caller, self.message, self.arguments_at = caller, message, arguments_at
        self.counters: list[Repeatable] = []

    def count(self, counter: Repeatable) -> None:
        """Raise a counter by one, and again each time the reply cache repeats this call's reply."""
        counter.again()
        self.counters.append(counter)


Hook = Callable[[Call], AbstractContextManager[object]]
"""Makes a context around a call, from before its arguments are decoded until it has an outcome.

It refuses the call by raising a ``CallError``. A refusal, ``NoReply`` or a bug of the handler
passes through it as an exception.
"""


class NoReply(Exception):  # an outcome, not an error
    """Raised by a handler whose procedure stays silent, such as CALLIT of RFC 1833 §2.2.1."""


class Link(Protocol):
    """The link of a client."""

    async def call(
        self,
        procedure: Procedure[R, *A],
        *arguments: *A,
        timeout: float | None = None,
        auth: Auth | None = None,
    ) -> R:
        """Make the call and return its result; a refusal is raised (``oncrpc.errors``).

        Without a timeout, in seconds, or a credential those of the link hold.
        """


class Client:
    """The base of every generated client: its methods are the version's procedures.

    ``blocking`` is the class of the same client with methods that block.
    """

    version: ClassVar[type[Version]]
    blocking: ClassVar[type[SyncClient]]

    def __init__(self, link: Link) -> None:
        self.link = link
        self.options: dict[str, Any] = {}

    def __repr__(self) -> str:
        return f"<{type(self).__qualname__} over {self.link!r}>"

    async def call(self, procedure: Procedure[R, *A], *arguments: *A) -> R:
        """Call a procedure over the link."""
        return await self.link.call(procedure, *arguments, **self.options)

    def with_options(self, *, timeout: float | None = None, auth: Auth | None = None) -> Self:
        """The same client on the same link, whose calls have another timeout or credential.

        ::

            await hello.with_options(timeout=1.0).GREET(b"world")
        """
        if timeout is not None:
            check_timeout(timeout)
        given = {"timeout": timeout, "auth": flavor_of(auth) if auth is not None else None}
        other = copy(self)
        other.options = self.options | {name: v for name, v in given.items() if v is not None}
        return other


class SyncClient:
    """The base of every generated blocking client: its methods return results, one call at a time.

    ``client`` is the client whose coroutines it runs; its link must block, as those of
    ``oncrpc.sync`` and ``oncrpc.testing`` do.
    """

    version: ClassVar[type[Version]]

    def __init__(self, client: Client) -> None:
        self.client = client

    def __repr__(self) -> str:
        return f"<{type(self).__qualname__} over {self.client.link!r}>"

    def call(self, procedure: Procedure[R, *A], *arguments: *A) -> R:
        """Call a procedure and return its result; a refusal is raised."""
        return run(self.client.call(procedure, *arguments))

    def with_options(self, *, timeout: float | None = None, auth: Auth | None = None) -> Self:
        """The same client on the same link, whose calls have another timeout or credential."""
        return type(self)(self.client.with_options(timeout=timeout, auth=auth))


def _blocking(client: type[Client]) -> type[SyncClient]:
    """The blocking client of a version that was written by hand, without one."""

    def blocking(method: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(method)
        def call(self: SyncClient, *arguments: Any) -> Any:
            return run(method(self.client, *arguments))

        return call

    coroutines = {name: m for name, m in vars(client).items() if inspect.iscoroutinefunction(m)}
    body = {name: blocking(method) for name, method in coroutines.items()}
    return type("SyncClient", (SyncClient,), {"version": client.version, **body})


S_co = TypeVar("S_co", bound=SyncClient, covariant=True)


class ClientType(Protocol[S_co]):
    """The class of a client, such as ``HELLO_V1.Client``, to the type checker."""

    @property
    def blocking(self) -> type[S_co]: ...
    @property
    def version(self) -> type[Version]: ...
    def __call__(self, link: Link, /) -> Client: ...


def check_client(client: object) -> None:
    """Refuse a value that is not a client of a version.

    Raises:
        TypeError: it is something else, such as the version.
    """
    if not (isinstance(client, type) and issubclass(client, Client) and hasattr(client, "version")):
        raise TypeError(f"{client!r} is not a client, such as HELLO_V1.Client")


def silent(handler: F) -> F:
    """Mark a handler that replies to success only; of its errors only AUTH_ERROR is sent."""
    handler.__silent__ = True  # type: ignore[attr-defined]  # read by is_silent
    return handler


def is_silent(handler: Callable[..., Any]) -> bool:
    """Whether ``silent`` marked the handler."""
    return getattr(handler, "__silent__", False)


def idempotent(handler: F) -> F:
    """Mark a handler that may run twice for one call; the duplicate cache leaves it out."""
    handler.__idempotent__ = True  # type: ignore[attr-defined]  # read by is_idempotent
    return handler


def is_idempotent(handler: Callable[..., Any]) -> bool:
    """Whether ``idempotent`` marked the handler."""
    return getattr(handler, "__idempotent__", False)


def pure(handler: F) -> F:
    """Mark a handler whose result follows from its arguments and the subject of the reply cache.

    It is idempotent; its replies may be given from the reply cache (``rpc.reply_cache``).
    """
    handler.__pure__ = True  # type: ignore[attr-defined]  # read by is_pure
    return idempotent(handler)


def is_pure(handler: Callable[..., Any]) -> bool:
    """Whether ``pure`` marked the handler."""
    return getattr(handler, "__pure__", False)


class Service:
    """The base of every generated service."""

    version: ClassVar[type[Version]]

    def handlers(self) -> dict[int, Callable[..., Any]]:
        """The procedures that this object has: those that its class overrides, and NULL."""
        declared = self.version.procedures.items()
        found = {number: getattr(self, item.name) for number, item in declared if self._has(item)}
        return {NULLPROC: self.NULL} | found

    def _has(self, procedure: AnyProcedure) -> bool:
        """Whether the class overrides the procedure of the generated class."""
        generated = next(cls for cls in type(self).__mro__ if "version" in vars(cls))
        ours = getattr(type(self), procedure.name, None)
        return ours is not getattr(generated, procedure.name, None)

    @pure
    def NULL(self, call: Call) -> Answer[None]:  # noqa: N802  # the name of the convention
        """Do nothing."""
