"""An RPC message seen on the wire: the value between streams and words.

Times are nanoseconds since 1970. It is a named tuple because that needs no other package: to load
``msgspec`` takes as long as to read some thousand messages.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

TransportName = Literal["udp", "tcp", "local"]


class Party(NamedTuple):
    """A sender or receiver of messages."""

    host: str
    port: int


class RpcMessage(NamedTuple):
    """A call or a reply (RFC 5531 §9), with where and when it was seen."""

    number: int
    """The number of the frame that completes the message; the first frame of a capture is 1."""

    time: int
    """When the last byte was seen."""

    began: int
    """When the first byte was seen."""

    source: Party
    target: Party
    transport: TransportName
    xid: int
    is_call: bool

    body: bytes
    """The message from the xid on, without record marks. Lost or unwanted bytes are at its end."""

    length: int
    """Bytes of the message on the wire."""

    prog: int | None = None
    """The program; of a reply that of its call, None if the call was not seen."""

    vers: int | None = None
    proc: int | None = None

    cut: bool = False
    """True if ``body`` is shorter than the message."""

    call: RpcMessage | None = None
    """The call that a reply answers, None if it was not seen."""

    retransmission: bool = False
    """True for a call that repeats an earlier one."""

    duplicate: bool = False
    """True for a reply to a call that the same server has answered before."""

    @property
    def transfer_time(self) -> int:
        """Nanoseconds from the first to the last byte of the message."""
        return self.time - self.began

    @property
    def service_time(self) -> int | None:
        """Nanoseconds from the last byte of the call to the first byte of this reply.

        Negative if the capture has the reply first. None if the call was not seen.
        """
        return None if self.call is None else self.began - self.call.time
