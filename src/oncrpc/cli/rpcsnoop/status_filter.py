"""Choose calls by the status of their replies (``--status``)."""

from __future__ import annotations

from collections.abc import Sequence

from oncrpc.snoop.messages import RpcMessage
from oncrpc.snoop.streams.outcome import ACCEPTED, AUTH, INVALID, RPC_MISMATCH_NAME
from oncrpc.snoop.words.declared import STATUSES
from oncrpc.snoop.words.outcomes import OK, status_of
from oncrpc.snoop.words.programs import KnownPrograms

UNANSWERED = "UNANSWERED"
NOT = "!"


class StatusFilter:
    """Chooses replies by status: ``OK``, ``NFS3ERR_NOENT`` or ``NOENT``; ``!OK`` is any other.

    ``unanswered`` is True if calls without a reply are chosen. ``unknown`` are the given statuses
    that no built-in program has, and no reply had until now.
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
        self.unknown = sorted(name for name in wanted | refused if not _is_known(name))

    def __call__(self, reply: RpcMessage, programs: KnownPrograms) -> bool:
        """True if the reply is chosen; one whose status was not captured never is."""
        status = status_of(reply, programs)
        if status is None:
            return False
        name = f"_{status.name.upper()}"
        if self.unknown:  # an interface file may declare more
            self.unknown = [each for each in self.unknown if not name.endswith(f"_{each}")]
        return (self._any or name.endswith(self._wanted)) and not name.endswith(self._refused)


def _is_known(name: str) -> bool:
    """True for a number, and for the name of a status, or its end."""
    names = (OK, UNANSWERED, INVALID, RPC_MISMATCH_NAME, *ACCEPTED.values(), *AUTH.values())
    declared = (each for values in STATUSES.values() for each in values.values())
    return name.isdecimal() or any(
        f"_{each.upper()}".endswith(f"_{name}") for each in (*names, *declared)
    )


def _endings(names: set[str]) -> tuple[str, ...]:
    """Endings of status names: ``NFS3ERR_NOENT`` ends with ``_NOENT``."""
    return tuple(f"_{name}" for name in names)
