"""What a daemon starts with, as the file, the environment and the command line each say it.

Each of them is a layer. What one of them says about a matter hides what those below say about it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Annotated

from msgspec import Meta, Struct
from msgspec.structs import asdict, fields

from oncrpc.addr import LOOPBACKS, family_of
from oncrpc.errors import AddressError

FAMILIES = {"ipv4": "inet", "ipv6": "inet6"}
"""The families that may be served, as people and as transports call them."""

TOGETHER = (("bind", "loopback"), ("state_dir", "state"))
"""Keys about one matter: who says one of them has decided the other."""


class Address(str):
    """A numeric address in its one form, so that one named twice is bound once."""

    __slots__ = ()


class FilePath(str):
    """A file or directory, named from the root."""

    __slots__ = ()


class UserName(str):
    """A user, by name or number."""

    __slots__ = ()


class Family(str):
    """One of ``FAMILIES``."""

    __slots__ = ()


class LogFormat(str):
    """How lines of the log are written."""

    __slots__ = ()


LOG_FORMATS = ("text", "json")


class Startup(Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True):
    """The table ``daemon`` of the file, and any other layer; None is what a layer leaves open."""

    port: Annotated[int, Meta(ge=0, le=65535)] | None = None
    bind: tuple[Address, ...] | None = None
    loopback: bool | None = None
    families: tuple[Family, ...] | None = None
    local: bool | None = None
    insecure: bool | None = None
    remote_calls: bool | None = None
    user: UserName | None = None
    warm_start: FilePath | None = None
    state_dir: FilePath | None = None
    state: bool | None = None
    pid_file: FilePath | None = None
    verbose: bool | None = None
    log_format: LogFormat | None = None

    def __post_init__(self) -> None:
        """Refuse what says two things."""
        if self.loopback and self.bind:
            raise ValueError("bind and loopback = true are two answers; leave one out")
        if self.state is False and self.state_dir is not None:
            raise ValueError("state-dir and state = false are two answers; leave one out")
        if self.families == ():
            raise ValueError("families is empty, and nothing would be served; leave it out")

    @property
    def hosts(self) -> tuple[str, ...]:
        """The addresses to bind; none for every one."""
        return tuple(LOOPBACKS.values()) if self.loopback else self.bind or ()


def deciding(name: str, layers: Mapping[str, Startup]) -> str | None:
    """The layer that decides a field, of those from the top; None if it is left open."""
    matter = next((each for each in TOGETHER if name in each), (name,))
    for layer, said in layers.items():
        if any(getattr(said, each) is not None for each in matter):
            return layer
    return None


def settled(layers: Mapping[str, Startup]) -> Startup:
    """What all layers together say."""
    found = {}
    for field in fields(Startup):
        layer = deciding(field.name, layers)
        if layer is not None:
            found[field.name] = getattr(layers[layer], field.name)
    return Startup(**found)


def changed(before: Startup, after: Startup) -> list[str]:
    """The keys that a file says differently now."""
    said, now = asdict(before), asdict(after)
    return [f"daemon.{f.encode_name}" for f in fields(Startup) if said[f.name] != now[f.name]]


def address_of(value: object) -> Address:
    """An address to bind.

    Raises:
        ValueError: it is none.
    """
    try:
        family_of(value if isinstance(value, str) else "")
    except AddressError:
        raise ValueError(f"{value!r} is no IPv4 or IPv6 address") from None
    return Address(ip_address(str(value)))


def file_path_of(value: object) -> FilePath:
    """A path that does not depend on where the daemon is started.

    Raises:
        ValueError: it is none.
    """
    if not _is_name(value) or not str(value).startswith("/"):
        raise ValueError(f"{value!r} is no whole path; write one that begins with /")
    return FilePath(value)


def user_name_of(value: object) -> UserName:
    """A user's name.

    Raises:
        ValueError: no user can be called that.
    """
    if not _is_name(value):
        raise ValueError(f"{value!r} is no user; write a name, or a number in quotes")
    return UserName(value)


def family_named(value: object) -> Family:
    """A family.

    Raises:
        ValueError: there is none of that name.
    """
    return Family(_one_of(FAMILIES, value))


def log_format_of(value: object) -> LogFormat:
    """A form of the log's lines.

    Raises:
        ValueError: there is none of that name.
    """
    return LogFormat(_one_of(LOG_FORMATS, value))


def _is_name(value: object) -> bool:
    """What the system can be asked about."""
    try:
        return isinstance(value, str) and value != "" and b"\0" not in os.fsencode(value)
    except UnicodeEncodeError:
        return False


def _one_of(known: Mapping[str, str] | tuple[str, ...], value: object) -> str:
    if not isinstance(value, str) or value not in known:
        quoted = " or ".join(f'"{each}"' for each in known)
        raise ValueError(f"is {value!r}; write {quoted}")
    return value
