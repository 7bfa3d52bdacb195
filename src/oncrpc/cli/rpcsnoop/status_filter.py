"""Choose calls by the status of their replies (``--status``)."""

from __future__ import annotations

from collections.abc import Sequence

from oncrpc.snoop.messages import RpcMessage
from oncrpc.snoop.words.outcomes import status_of
from oncrpc.snoop.words.programs import KnownPrograms

UNANSWERED = "UNANSWERED"
NOT = "!"


class StatusFilter:
    """Chooses replies by status: ``OK``, ``NFS3ERR_NOENT`` or ``NOENT``; ``!OK`` is any other.

    ``unanswered`` is True if calls without a reply are chosen.
    """

    def __init__(self, values: Sequence[str]) -> None:
        names = [value.upper() for value in values]
        if not all(name.removeprefix(NOT) for name in names):
            raise ValueError("missing status")
        wanted = {name for name in names if not name.startswith(NOT)}
        refused = {name[1:] for name in names if name.startswith(NOT)}
        self.unanswered = UNANSWERED in (wanted or {UNANSWERED} - refused)
        self._any = not wanted
        self._wanted, self._refused = _endings(wanted), _endings(refused)

    def __call__(self, reply: RpcMessage, programs: KnownPrograms) -> bool:
        """True if the reply is chosen; one whose status was not captured never is."""
        status = status_of(reply, programs)
        if status is None:
            return False
        name = f"_{status.name.upper()}"
        return (self._any or name.endswith(self._wanted)) and not name.endswith(self._refused)


def _endings(names: set[str]) -> tuple[str, ...]:
    """Endings of status names: ``NFS3ERR_NOENT`` ends with ``_NOENT``."""
    return tuple(f"_{name}" for name in names)
