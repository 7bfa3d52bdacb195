"""The three modes of the server, by the capabilities that it has.

=============  ===================================  ==========================  ===================
mode           needs                                handles                     callers work as
=============  ===================================  ==========================  ===================
``root``       the capabilities ``IDENTITIES``      the kernel's                themselves
``handles``    CAP_DAC_READ_SEARCH                  the kernel's                the server's user
``plain``      nothing                              of a table on disk          the server's user
=============  ===================================  ==========================  ===================

CAP_SYS_RESOURCE is never kept: with it the server could exceed quotas and the reserve of root.
CAP_SYS_ADMIN is kept only where clients may set quotas.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum

from oncrpc.daemon.capabilities import Capability, held
from oncrpc.nfs.daemon.vocabulary import CALLING, EXPORTING, RQUOTA

IDENTITIES = frozenset({
    Capability.CHOWN, Capability.DAC_OVERRIDE, Capability.DAC_READ_SEARCH, Capability.FOWNER,
    Capability.FSETID, Capability.MKNOD, Capability.SETUID, Capability.SETGID,
})  # fmt: skip
HANDLES = frozenset({Capability.DAC_READ_SEARCH})
QUOTAS = frozenset({Capability.SYS_ADMIN})
"""To set quotas. To tell them, a thread becomes the user."""

CALLBACKS = frozenset({Capability.NET_BIND_SERVICE})
"""For calls to other hosts: they believe only ports below 1024."""


class Mode(StrEnum):
    """How much the server may do."""

    ROOT = "root"
    HANDLES = "handles"
    PLAIN = "plain"

    @property
    def one_user(self) -> bool:
        """Whether all callers work as the server's user."""
        return self is not Mode.ROOT


def mode_of(uid: int, capabilities: Collection[Capability] | None = None) -> Mode:
    """The mode of a process of this user with these capabilities, by default those it has."""
    has = held() if capabilities is None else frozenset(capabilities)
    if uid == 0 and has >= IDENTITIES:
        return Mode.ROOT
    return Mode.HANDLES if has >= HANDLES else Mode.PLAIN


def kept_by(
    uid: int, programs: Collection[str], *, sets_quotas: bool = False
) -> frozenset[Capability]:
    """The capabilities that the server keeps as this user, to serve some programs."""
    files = IDENTITIES if uid == 0 else HANDLES
    return (
        (files if EXPORTING & set(programs) else frozenset())
        | (CALLBACKS if CALLING & set(programs) else frozenset())
        | (QUOTAS if sets_quotas and RQUOTA in programs else frozenset())
    )
