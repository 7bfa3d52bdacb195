"""Where the web pages are served: ``127.0.0.1:9111`` or ``[::1]:9111``."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Self

FORM = "write ADDRESS:PORT, such as 127.0.0.1:9111 or [::1]:9111"


class Place(str):
    """An address and a port; as text in its one form."""

    __slots__ = ("address", "port")
    address: IPv4Address | IPv6Address
    port: int

    def __new__(cls, address: IPv4Address | IPv6Address, port: int) -> Self:
        host = f"[{address}]" if address.version == 6 else str(address)
        made = super().__new__(cls, f"{host}:{port}")
        made.address, made.port = address, port
        return made


class HostName(str):
    """A name under which browsers may ask for the pages, in small letters."""

    __slots__ = ()


def place_of(value: object) -> Place:
    """The place that a text says; a port of 0 is any that is free.

    Raises:
        ValueError: it says none.
    """
    text = value if isinstance(value, str) else ""
    host, _, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    try:
        address = ip_address(host[1:-1] if bracketed else host)
    except ValueError:
        raise ValueError(f"{value!r} is no address with a port; {FORM}") from None
    number = int(port) if port.isascii() and port.isdigit() and len(port) <= 5 else -1
    if bracketed is not (address.version == 6) or not 0 <= number <= 65535 or "%" in host:
        raise ValueError(f"{value!r} is no address with a port; {FORM}")
    return Place(address, number)


def host_name_of(value: object) -> HostName:
    """A name of a host, without a port.

    Raises:
        ValueError: it is none.
    """
    text = value.lower().rstrip(".") if isinstance(value, str) else ""
    labels = text.split(".")
    if not all(label.replace("-", "").isalnum() and label.isascii() for label in labels):
        raise ValueError(f"{value!r} is no name of a host; write one without a port")
    return HostName(text)
