"""Everything that can go wrong, each leaf something a caller does differently.

::

    OncRpcError
    ├── XdrError             bytes that are no value of a type, or a value that has no bytes
    ├── ProtocolError        bytes that are no record, no call or no reply
    │   └── LimitExceeded    more bytes, fragments or replies than the reader takes
    ├── AddressError         no universal address, or an unknown netid
    ├── IdlError             an interface file that cannot be compiled
    ├── TransportError       no connection, or it broke; ``errno`` says why
    │   ├── HostUnknown      the host's name has no address
    │   ├── PortMapperUnreachable
    │   │                    no connection to the port mapper, which knows where the program is
    │   └── ClientClosed     we closed it
    ├── CallTimeout          no reply before the deadline
    ├── NotRegistered        the port mapper does not know the program
    └── CallError            the peer answered, and the answer is no (RFC 5531 §9)
        ├── RpcMismatch      it speaks other versions of RPC
        ├── AuthError        it refuses the credential
        ├── ProgramUnavailable
        ├── ProgramMismatch  the program is there, in other versions
        ├── ProcedureUnavailable
        ├── GarbageArguments it could not decode the arguments
        └── SystemFailure    it had an internal error
"""

from __future__ import annotations

import errno as _errno
import os


class OncRpcError(Exception):
    """The root of the tree.

    What became of a call says of which one: ``procedure`` is what was called, and ``place`` where,
    such as ``192.0.2.1 port 2049 over tcp``. The text begins with what is known of them.
    """

    procedure: object = None
    place = ""

    def __str__(self) -> str:
        called = "" if self.procedure is None else repr(self.procedure)
        before = " at ".join(filter(None, (called, self.place)))
        return f"{before}: {super().__str__()}" if before else super().__str__()


class XdrError(OncRpcError, ValueError):
    """Bytes that are no value of the type, or a value that does not fit it (RFC 4506).

    ``path`` names the field from the outermost type, or the argument of the ``procedure``, on;
    ``offset`` is the byte at which decoding stopped, None when encoding.
    """

    def __init__(self, path: str, offset: int | None, reason: str) -> None:
        super().__init__(path, offset, reason)
        self.path, self.offset, self.reason = path, offset, reason

    def __str__(self) -> str:
        field = self.path if self.procedure is None else f"{self.procedure!r}({self.path})"
        return f"{field if self.offset is None else f'{field}, byte {self.offset}'}: {self.reason}"


class ProtocolError(OncRpcError):
    """Bytes that break record marking or the message protocol (RFC 5531 §9, §11)."""


class LimitExceeded(ProtocolError):
    """The peer sent more than the reader's limit; the text says which limit."""


class AddressError(OncRpcError, ValueError):
    """A text that is no universal address, or a netid that nobody declared (RFC 5665)."""


class IdlError(OncRpcError, ValueError):
    """An interface text that cannot be compiled (RFC 4506 §6, RFC 5531 §12).

    ``line`` and ``column`` count from 1; ``text`` is the line, ``expected`` what could stand there.
    """

    def __init__(
        self,
        file: str,
        line: int,
        column: int,
        *,
        reason: str,
        text: str = "",
        expected: tuple[str, ...] = (),
    ) -> None:
        super().__init__(file, line, column, reason)
        self.file, self.line, self.column = file, line, column
        self.reason, self.text, self.expected = reason, text, expected

    def __str__(self) -> str:
        before = "".join(c if c == "\t" else " " for c in self.text[: self.column - 1])
        shown = f"\n    {self.text}\n    {before}^" if self.text.strip() else ""
        return f"{self.file}:{self.line}:{self.column}: {self.reason}{shown}"


class TransportError(OncRpcError, OSError):
    """The peer could not be reached, or the connection ended before the reply."""

    @classmethod
    def of(cls, error: OSError, *, place: str = "") -> TransportError:
        """The same failure in our tree, with its ``errno``."""
        number = error.errno if error.errno is not None else _errno.EIO
        made = cls(number, error.strerror or str(error) or os.strerror(number))
        made.place = getattr(error, "place", "") or place
        return made

    @classmethod
    def number(cls, number: int, *, place: str = "") -> TransportError:
        """The failure of that ``errno``."""
        return cls.of(OSError(number, os.strerror(number)), place=place)

    def __str__(self) -> str:
        return f"{self.place}: {self.strerror}" if self.place else super().__str__()


class HostUnknown(TransportError):
    """The host's name has no address of the family that was asked for."""


class PortMapperUnreachable(TransportError):
    """The port mapper, which was asked where the program is, could not be reached."""

    def __str__(self) -> str:
        remedy = "start one there, or name another with mapper= or ONCRPC_MAPPER"
        return f"{super().__str__()} (this is the port mapper: {remedy})"


class ClientClosed(TransportError):
    """The client was closed, by us: no call can be made with it, and those under way have ended."""

    @classmethod
    def at(cls, place: str) -> ClientClosed:
        """The failure of a client that was connected there."""
        made = cls(_errno.ECONNABORTED, "the client is closed")
        made.place = place
        return made


class CallTimeout(OncRpcError, TimeoutError):
    """No reply came before the call's deadline."""


class NotRegistered(OncRpcError):
    """The port mapper answered that the program has no address on this transport."""


class CallError(OncRpcError):
    """The peer answered, and the answer is no (RFC 5531 §9)."""


class RpcMismatch(CallError):
    """The peer speaks RPC versions ``low`` to ``high``, and not ours."""

    def __init__(self, low: int, high: int) -> None:
        super().__init__(f"server supports RPC versions {low} to {high} (RPC_MISMATCH)")
        self.low, self.high = low, high


class AuthError(CallError):
    """The peer refuses the credential or verifier; ``stat`` is an ``auth_stat``."""

    def __init__(self, stat: int) -> None:
        super().__init__(f"authentication refused: {getattr(stat, 'name', None) or stat}")
        self.stat = stat


class ProgramUnavailable(CallError):
    """Nobody serves the program at that address."""

    def __init__(self) -> None:
        super().__init__("program unavailable (PROG_UNAVAIL)")


class ProgramMismatch(CallError):
    """The program is there, but not in this version; ``low`` and ``high`` are."""

    def __init__(self, low: int, high: int) -> None:
        super().__init__(f"server supports versions {low} to {high} (PROG_MISMATCH)")
        self.low, self.high = low, high


class ProcedureUnavailable(CallError):
    """The program has no such procedure."""

    def __init__(self) -> None:
        super().__init__("procedure unavailable (PROC_UNAVAIL)")


class GarbageArguments(CallError):
    """The peer could not decode the arguments."""

    def __init__(self) -> None:
        super().__init__("server cannot decode the arguments (GARBAGE_ARGS)")


class SystemFailure(CallError):
    """The peer had an internal error, such as no memory."""

    def __init__(self) -> None:
        super().__init__("server had an internal error (SYSTEM_ERR)")
