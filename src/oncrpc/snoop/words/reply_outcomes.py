"""The outcome of a reply in statistics: an error of RPC, or the status of the program."""

from __future__ import annotations

from oncrpc.snoop.messages import RpcMessage
from oncrpc.snoop.streams.outcome import SUCCESS, outcome_of
from oncrpc.snoop.streams.statistics import PLAIN_SUCCESS
from oncrpc.snoop.words.programs import KnownPrograms

STATUS_FIRST = frozenset({100003, 100005, 100227})
"""Programs whose results, if they have a status, begin with it, and 0 is success."""

ZERO = bytes(4)


def outcome_with_status(reply: RpcMessage, programs: KnownPrograms) -> str:
    """``SUCCESS``, or the name of the error.

    A status that cannot be read, because it is encrypted or was not captured, counts as success.
    The first bytes are enough for most replies: the declaration of the procedure is not loaded.
    """
    body = reply.body
    if body[8:24] == PLAIN_SUCCESS and reply.prog in STATUS_FIRST and body[24:28] in (ZERO, b""):
        return SUCCESS
    outcome = outcome_of(body)
    if outcome != SUCCESS:
        return outcome
    from oncrpc.snoop.words.outcomes import status_of  # loads declarations

    status = status_of(reply, programs)
    return SUCCESS if status is None or status.ok else status.name
