"""URLs of exported directories: ``nfs://host[:port]/path?option=value`` (RFC 2224)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote_to_bytes, urlsplit

from oncrpc.errors import AddressError
from oncrpc.net.credentials import auth_sys
from oncrpc.net.targets import PORTS
from oncrpc.rpc.prot import opaque_auth

SCHEME = "nfs"
VERSIONS = (3, 2)
"""The versions of NFS of the client, the preferred one first."""

LARGEST_ID = 0xFFFFFFFF


class NfsUrl(NamedTuple):
    """A directory of a server. None means that the URL does not have the option.

    ``port``, ``mount_port`` and ``lock_port`` are the ports of NFS, MOUNT and NLM. ``version`` is
    the version of NFS.
    """

    host: str
    path: bytes
    port: int | None = None
    mount_port: int | None = None
    version: int | None = None
    uid: int | None = None
    gid: int | None = None
    lock_port: int | None = None


def _number(values: range) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not text.isascii() or not text.isdigit() or int(text) not in values:
            raise ValueError(f"must be {values[0]} to {values[-1]}")
        return int(text)

    return parse


_OPTIONS = {
    "port": ("port", _number(PORTS[1:])),
    "nfsport": ("port", _number(PORTS[1:])),
    "mountport": ("mount_port", _number(PORTS[1:])),
    "lockport": ("lock_port", _number(PORTS[1:])),
    "version": ("version", _number(range(2, 4))),
    "uid": ("uid", _number(range(LARGEST_ID + 1))),
    "gid": ("gid", _number(range(LARGEST_ID + 1))),
}
"""The field and the parser of each option. libnfs calls the port of NFS ``nfsport``."""


def parse_url(url: str) -> NfsUrl:
    """Parse the URL of a directory.

    Raises:
        AddressError: it is not an NFS URL, or an option is unknown or invalid.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise AddressError(f"invalid URL {url!r}: {error}") from None
    if parts.fragment and parts.scheme == SCHEME:
        raise AddressError(f"invalid URL {url!r}: write # in the path as %23")
    if parts.scheme != SCHEME or not host or parts.username is not None:
        raise AddressError(f"invalid URL {url!r}: write nfs://HOST[:PORT]/PATH")
    path = unquote_to_bytes(parts.path) or b"/"
    if b"\0" in path:
        raise AddressError(f"invalid URL {url!r}: NUL in the path")
    fields: dict[str, Any] = {"port": port} if port else {}
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        if name not in _OPTIONS:
            known = ", ".join(_OPTIONS)
            raise AddressError(f"invalid URL {url!r}: unknown option {name!r}, not one of {known}")
        field, parse = _OPTIONS[name]
        try:
            fields[field] = parse(value)
        except ValueError as error:
            raise AddressError(f"invalid URL {url!r}: {name}={value}: {error}") from None
    return NfsUrl(host, path, **fields)


def credential_of(url: NfsUrl) -> opaque_auth:
    """AUTH_SYS with the ids of the URL, or those of this process where the URL has none."""
    groups = None if url.uid is None and url.gid is None else ()
    return auth_sys(uid=url.uid, gid=url.gid, gids=groups)
