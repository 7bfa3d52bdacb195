"""The outcome of a reply for figures: of RPC, or else the status of the program."""

from __future__ import annotations

from oncrpc.snoop.messages import RpcMessage
from oncrpc.snoop.streams.matching import KnownReply
from oncrpc.snoop.streams.outcome import outcome_of
from oncrpc.snoop.streams.statistics import PLAIN_SUCCESS, SUCCESS
from oncrpc.snoop.words.programs import KnownPrograms

STATUS_FIRST = frozenset({100003, 100005, 100227})
"""Programs whose results begin with a status of which 0 is success, if they have a status."""

FINE = bytes(4)
PLAIN_STATUS = PLAIN_SUCCESS + FINE


def outcome_with_status(reply: RpcMessage, programs: KnownPrograms) -> str:
    """``SUCCESS``, or the name of the error.

    An error that cannot be read, because it is encrypted or was not captured, counts as success
    of RPC. Most replies are told by their first bytes, without the declaration of the procedure.
    """
    body = reply.body
    if body[8:24] == PLAIN_SUCCESS and reply.prog in STATUS_FIRST and body[24:28] in (FINE, b""):
        return SUCCESS
    outcome = outcome_of(body)
    if outcome != SUCCESS:
        return outcome
    from oncrpc.snoop.words.outcomes import status_of  # loads declarations

    status = status_of(reply, programs)
    return SUCCESS if status is None or status.ok else status.name


def is_plain_success(reply: KnownReply) -> bool:
    """True for most of the replies of which ``outcome_with_status`` says ``SUCCESS``."""
    return reply.body[8:28] == PLAIN_STATUS and reply.call.prog in STATUS_FIRST
