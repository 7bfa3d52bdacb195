"""Where a port mapper listens, as a caller or the environment gives it."""

from __future__ import annotations

import os
from typing import NamedTuple

from oncrpc.addr import is_numeric, split_host_port
from oncrpc.errors import AddressError
from oncrpc.programs.portmap import PMAP_PORT

MAPPER_VARIABLE = "ONCRPC_MAPPER"
"""The environment variable that names a port mapper where the caller names none."""


class MapperAddress(NamedTuple):
    """A host and port, or the path of a local socket (``@name`` if abstract) and port 0."""

    host: str
    port: int

    @property
    def local(self) -> bool:
        """Whether it is a local socket."""
        return self.host.startswith(("/", "@"))

    @classmethod
    def parse(cls, text: str) -> MapperAddress:
        """Parse ``host``, ``host:port``, ``[IPv6 address]:port`` or the path of a local socket.

        Raises:
            AddressError: the text has none of these forms, or an invalid port.
        """
        if text.startswith(("/", "@")):
            return cls(text, 0)
        try:
            host, port = split_host_port(text, PMAP_PORT)
            if "/" in host or any(map(str.isspace, host)) or (":" in host and not is_numeric(host)):
                raise AddressError("write HOST:PORT, [::1]:10111 for IPv6, or a path")
        except AddressError as error:
            raise AddressError(f"invalid port mapper {text!r}: {error}") from None
        if not port:
            raise AddressError(f"invalid port mapper {text!r}: invalid port 0: must be 1 to 65535")
        return cls(host, port)


def mapper_from_environment() -> MapperAddress | None:
    """The port mapper that ``ONCRPC_MAPPER`` names.

    Raises:
        AddressError: the variable is not an address; the text names the variable.
    """
    text = os.environ.get(MAPPER_VARIABLE, "")
    try:
        return MapperAddress.parse(text) if text else None
    except AddressError as error:
        raise AddressError(f"{MAPPER_VARIABLE}: {error}") from None
