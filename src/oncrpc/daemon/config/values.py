"""The values of a configuration: texts that are checked once and stored in one form.

Each kind is a subclass of ``str`` with a function that makes it from any value, and raises a
``ValueError`` that says what to write instead. ``HOOKS`` lists the functions by kind.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Self

from oncrpc.addr import family_of
from oncrpc.errors import AddressError

FAMILIES = {"ipv4": "inet", "ipv6": "inet6"}
"""The address families that can be served: the name in a configuration, the name in netconfig."""

LOG_FORMATS = ("text", "json")

Hook = Callable[[object], object]


class StartError(Exception):
    """The daemon cannot start; the text names the cause and the next step."""


class ConfigError(StartError):
    """The configuration cannot be read or is invalid; the text names the file and the place."""


class Address(str):
    """A numeric IPv4 or IPv6 address in its canonical form, so that duplicates are equal."""

    __slots__ = ()


class FilePath(str):
    """An absolute path."""

    __slots__ = ()


class FilePathOrUrl(FilePath):
    """An absolute path, or a URL."""

    __slots__ = ()


class UserName(str):
    """A user, by name or number."""

    __slots__ = ()


class Family(str):
    """One of ``FAMILIES``."""

    __slots__ = ()


class LogFormat(str):
    """One of ``LOG_FORMATS``."""

    __slots__ = ()


class WebAddress(str):
    """An address and a port, ``127.0.0.1:9111`` or ``[::1]:9111``."""

    __slots__ = ("address", "port")
    address: IPv4Address | IPv6Address
    port: int

    def __new__(cls, address: IPv4Address | IPv6Address, port: int) -> Self:
        host = f"[{address}]" if address.version == 6 else str(address)
        made = super().__new__(cls, f"{host}:{port}")
        made.address, made.port = address, port
        return made

    def __getnewargs_ex__(self) -> tuple[tuple[IPv4Address | IPv6Address, int], dict[str, object]]:
        """For ``pickle``."""
        return (self.address, self.port), {}


class HostName(str):
    """A host name in small letters, without a port."""

    __slots__ = ()


def address_of(value: object) -> Address:
    """A numeric address.

    Raises:
        ValueError: the value is not an address.
    """
    try:
        family_of(value if isinstance(value, str) else "")
    except AddressError:
        raise ValueError(f"{value!r} is not an IPv4 or IPv6 address") from None
    return Address(ip_address(str(value)))


def file_path_of(value: object) -> FilePath:
    """An absolute path: it does not depend on the directory in which the daemon is started.

    Raises:
        ValueError: the path is relative, or cannot be a path.
    """
    if not _is_name(value) or not str(value).startswith("/"):
        raise ValueError(f"{value!r} is not an absolute path; write one that begins with /")
    return FilePath(value)


def is_url(text: str) -> bool:
    """Whether a text is a URL, such as ``s3://bucket``."""
    return re.match(r"[A-Za-z][A-Za-z0-9+.:-]*://", text) is not None


def without_passwords(text: str) -> str:
    """The text without users and passwords of URLs: ``http://user:pw@host`` is ``http://host``."""
    return re.sub(r"[^/\s:@]*:[^/\s]*@", "", text)


def file_path_or_url_of(value: object) -> FilePathOrUrl:
    """An absolute path, or a URL.

    Raises:
        ValueError: it is neither.
    """
    if _is_name(value) and is_url(str(value)):
        return FilePathOrUrl(value)
    return FilePathOrUrl(file_path_of(value))


def user_name_of(value: object) -> UserName:
    """A user's name or number.

    Raises:
        ValueError: the value cannot name a user.
    """
    if not _is_name(value):
        raise ValueError(f"{value!r} is not a user; write a name, or a number in quotes")
    return UserName(value)


def family_named(value: object) -> Family:
    """An address family.

    Raises:
        ValueError: there is no family of that name.
    """
    return Family(_one_of(FAMILIES, value))


def log_format_of(value: object) -> LogFormat:
    """A log format.

    Raises:
        ValueError: there is no format of that name.
    """
    return LogFormat(_one_of(LOG_FORMATS, value))


def web_address_of(value: object) -> WebAddress:
    """The place that a text names; port 0 means any free port.

    Raises:
        ValueError: the text is not an address with a port.
    """
    text = value if isinstance(value, str) else ""
    host, _, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    number = int(port) if port.isascii() and port.isdigit() and len(port) <= 5 else -1
    try:
        address = ip_address(host[1:-1] if bracketed else host)
        if bracketed is not (address.version == 6) or not 0 <= number <= 65535 or "%" in host:
            raise ValueError
    except ValueError:
        form = "write ADDRESS:PORT, such as 127.0.0.1:9111 or [::1]:9111"
        raise ValueError(f"{value!r} is not an address with a port; {form}") from None
    return WebAddress(address, number)


def host_name_of(value: object) -> HostName:
    """A name under which browsers reach a host.

    Raises:
        ValueError: the value is not a host name.
    """
    text = value.lower().rstrip(".") if isinstance(value, str) else ""
    labels = text.split(".")
    if not all(label.replace("-", "").isalnum() and label.isascii() for label in labels):
        raise ValueError(f"{value!r} is not a host name; write one without a port")
    return HostName(text)


HOOKS: dict[type, Hook] = {
    Address: address_of,
    FilePath: file_path_of,
    FilePathOrUrl: file_path_or_url_of,
    UserName: user_name_of,
    Family: family_named,
    LogFormat: log_format_of,
    WebAddress: web_address_of,
    HostName: host_name_of,
}
"""How each kind is made from a value of the file or of an option."""


def _is_name(value: object) -> bool:
    """Whether the value can be passed to the system as a name."""
    try:
        return isinstance(value, str) and value != "" and b"\0" not in os.fsencode(value)
    except UnicodeEncodeError:
        return False


def _one_of(known: Mapping[str, str] | tuple[str, ...], value: object) -> str:
    if not isinstance(value, str) or value not in known:
        quoted = " or ".join(f'"{each}"' for each in known)
        raise ValueError(f"is {value!r}; write {quoted}")
    return value
