"""Which back end serves an export, if it is not a directory or an archive of this host."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

LOCAL, FSSPEC, OVERLAY, FUSE = "local", "fsspec", "overlay", "fuse"
BACKENDS = (LOCAL, FSSPEC, OVERLAY, FUSE)
"""The back ends that an export may name; ``local`` serves directories and archives."""

MAX_ID = (1 << 32) - 2
"""The largest user and group number; the next one means that there is none."""


class BackendChoice(Struct, frozen=True, kw_only=True):
    """A back end and its settings.

    ``url`` is the store of ``fsspec``, ``storage`` the settings for fsspec. ``lower`` of
    ``overlay`` is a directory, an archive or such a URL, ``upper`` the directory for changes.
    ``uid`` and ``gid`` own the files of a store that no client has created; None is the server.
    ``operations`` is the class of ``fuse``, ``module:class``, and ``arguments`` what it is given.
    """

    name: str
    url: str = ""
    storage: Mapping[str, Any] = {}
    lower: str = ""
    upper: str = ""
    uid: int | None = None
    gid: int | None = None
    operations: str = ""
    arguments: Mapping[str, Any] = {}

    def __repr__(self) -> str:
        """Without the settings of the store, which may have a password."""
        return f"BackendChoice({self.name!r})"


def path_of_url(url: str) -> str:
    """The path under which a store is exported: its place without a user and a password.

    ``s3://bucket/photos`` is ``/bucket/photos``, ``memory://`` is ``/memory``.
    """
    scheme, _, place = url.rpartition("://")
    place = place.partition("?")[0].partition("#")[0]
    host, slash, below = place.partition("/")
    names = (host.rpartition("@")[2] + slash + below).split("/")
    kept = [name for name in names if name not in ("", ".", "..")]
    return "/" + ("/".join(kept) or scheme.rpartition(":")[2])
