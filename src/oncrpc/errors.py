"""The exceptions of this package; a caller handles each leaf in a different way.

::

    OncRpcError
    ├── XdrError             bytes or values that do not fit a declared type
    ├── ProtocolError        bytes that are not a record, a call or a reply
    │   └── LimitExceeded    more bytes, fragments or replies than the reader accepts
    ├── AddressError         an invalid address or port, or an unknown netid
    ├── IdlError             an interface file that cannot be compiled
    ├── TransportError       no connection, or it broke; ``errno`` says why
    │   ├── HostUnknown      the host's name has no address
    │   ├── PortMapperUnreachable
    │   │                    no connection to the port mapper, which knows where the program is
    │   └── ClientClosed     the client was closed by this program
    ├── CallTimeout          no reply before the deadline
    ├── NotRegistered        the port mapper does not know the program
    └── CallError            the peer refused the call (RFC 5531 §9)
        ├── RpcMismatch      it has other versions of RPC
        ├── AuthError        it rejects the credential
        ├── ProgramUnavailable
        ├── ProgramMismatch  it has other versions of the program
        ├── ProcedureUnavailable
        ├── GarbageArguments it could not decode the arguments
        └── SystemFailure    it had an internal error
"""

from __future__ import annotations

import errno as _errno
import os


class OncRpcError(Exception):
    """The root of the tree.

    The error of a call has the ``procedure`` that was called and the ``place``, such as
    ``192.0.2.1 port 2049 over tcp``. The text begins with those of them that are known.
    """

    procedure: object = None
    place = ""

    def __str__(self) -> str:
        called = "" if self.procedure is None else repr(self.procedure)
        before = " at ".join(filter(None, (called, self.place)))
        return f"{before}: {super().__str__()}" if before else super().__str__()


class XdrError(OncRpcError, ValueError):
    """Bytes that do not decode as the type, or a value that does not fit it (RFC 4506).

    ``path`` names the field, from the outermost type or the argument of the ``procedure`` on;
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
    """An invalid address or port, or an unknown netid (RFC 5665)."""


LONGEST_EXCERPT = 200
"""How many characters of a line an ``IdlError`` shows, around the column."""


class IdlError(OncRpcError, ValueError):
    """An interface file that cannot be compiled (RFC 4506 §6, RFC 5531 §12).

    ``line`` and ``column`` count from 1; ``text`` is the line, ``expected`` the tokens that fit.
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
        first = max(0, self.column - LONGEST_EXCERPT // 2)
        text = self.text[first : first + LONGEST_EXCERPT]
        before = "".join(c if c == "\t" else " " for c in text[: self.column - 1 - first])
        shown = f"\n    {text}\n    {before}^" if text.strip() else ""
        return f"{self.file}:{self.line}:{self.column}: {self.reason}{shown}"


class TransportError(OncRpcError, OSError):
    """The peer could not be reached, or the connection ended before the reply."""

    @classmethod
    def of(cls, error: OSError, *, place: str = "") -> TransportError:
        """A system error as an exception of this tree, with its ``errno``."""
        number = error.errno if error.errno is not None else _errno.EIO
        made = cls(number, error.strerror or str(error) or os.strerror(number))
        made.place = getattr(error, "place", "") or place
        return made

    @classmethod
    def number(cls, number: int, *, place: str = "") -> TransportError:
        """The error with that ``errno``."""
        return cls.of(OSError(number, os.strerror(number)), place=place)

    def __str__(self) -> str:
        return f"{self.place}: {self.strerror}" if self.place else super().__str__()


class HostUnknown(TransportError):
    """The host's name has no address of the requested family."""


class PortMapperUnreachable(TransportError):
    """The port mapper, which was asked where the program is, could not be reached."""

    def __str__(self) -> str:
        remedy = "start one there, or name another with mapper= or ONCRPC_MAPPER"
        return f"{super().__str__()} (this is the port mapper: {remedy})"


class ClientClosed(TransportError):
    """This program closed the client: its calls in progress failed, and no call can be made."""

    @classmethod
    def at(cls, place: str) -> ClientClosed:
        """The error of a client that was connected to that place."""
        made = cls(_errno.ECONNABORTED, "the client is closed")
        made.place = place
        return made


class CallTimeout(OncRpcError, TimeoutError):
    """No reply came before the call's deadline."""


class NotRegistered(OncRpcError):
    """The port mapper has no address of the program for this transport."""


class CallError(OncRpcError):
    """The peer refused the call (RFC 5531 §9)."""


class RpcMismatch(CallError):
    """The peer has RPC versions ``low`` to ``high`` only."""

    def __init__(self, low: int, high: int) -> None:
        super().__init__(f"server supports RPC versions {low} to {high} (RPC_MISMATCH)")
        self.low, self.high = low, high


class AuthError(CallError):
    """The peer rejects the credential or verifier; ``stat`` is an ``auth_stat``."""

    def __init__(self, stat: int) -> None:
        super().__init__(f"authentication refused: {getattr(stat, 'name', None) or stat}")
        self.stat = stat


class ProgramUnavailable(CallError):
    """The server does not have the program."""

    def __init__(self) -> None:
        super().__init__("program unavailable (PROG_UNAVAIL)")


class ProgramMismatch(CallError):
    """The server has versions ``low`` to ``high`` of the program, but not this one."""

    def __init__(self, low: int, high: int) -> None:
        super().__init__(f"server supports versions {low} to {high} (PROG_MISMATCH)")
        self.low, self.high = low, high


class ProcedureUnavailable(CallError):
    """The server does not have the procedure."""

    def __init__(self) -> None:
        super().__init__("procedure unavailable (PROC_UNAVAIL)")


class GarbageArguments(CallError):
    """The server could not decode the arguments."""

    def __init__(self) -> None:
        super().__init__("server cannot decode the arguments (GARBAGE_ARGS)")


class SystemFailure(CallError):
    """The server had an internal error, such as no memory."""

    def __init__(self) -> None:
        super().__init__("server had an internal error (SYSTEM_ERR)")
