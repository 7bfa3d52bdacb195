"""``AttributeChanges``: the attributes that a FUSE object is asked to set."""

from __future__ import annotations

from typing import NamedTuple

from oncrpc.nfs.filesystem import Attributes, NewAttributes
from oncrpc.programs.nfs3 import ftype3


class AttributeChanges(NamedTuple):
    """New values; None leaves an attribute alone. Times are nanoseconds; both are set, or none."""

    size: int | None = None
    uid: int | None = None
    gid: int | None = None
    mode: int | None = None
    atime: int | None = None
    mtime: int | None = None


NO_CHANGES = AttributeChanges()


def changes_to(found: Attributes, wanted: Attributes, new: NewAttributes) -> AttributeChanges:
    """The changes that give a file the wanted attributes.

    ``found`` are its present attributes. What ``new`` names is set also if it has that value
    already, since another change may have reset it.
    """
    owner = (found.uid, found.gid) != (wanted.uid, wanted.gid)
    mode = found.mode != wanted.mode or (new.mode is not None and wanted.kind is not ftype3.NF3LNK)
    times = new.atime is not None or new.mtime is not None
    return AttributeChanges(
        size=new.size,
        uid=wanted.uid if owner else None, gid=wanted.gid if owner else None,
        mode=wanted.mode if mode else None,
        atime=wanted.atime if times else None, mtime=wanted.mtime if times else None,
    )  # fmt: skip
