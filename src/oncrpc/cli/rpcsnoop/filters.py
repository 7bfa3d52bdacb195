"""Choose messages by host, program, procedure and user; a reply is chosen with its call."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address
from typing import Protocol

from oncrpc.numbers import program_number
from oncrpc.snoop.messages import RpcMessage
from oncrpc.snoop.words.header import uid_of
from oncrpc.snoop.words.names import PROGRAM_NAMES
from oncrpc.snoop.words.programs import KnownPrograms

HIGHEST = 0xFFFFFFFF
MAX_KNOWN = 4096
"""Procedures for which the decision is remembered."""

NUMBERS = {
    **{name: number for number, name in PROGRAM_NAMES.items()},
    "PORTMAP": 100000,
    "PORTMAPPER": 100000,
    "RPCBIND": 100000,
    "STAT": 100024,
    "STATUS": 100024,
    "NFSACL": 100227,
}
"""Programs by their names in snoop; further names are those of rpc(5)."""


class MessageFilter(Protocol):
    """Decides which messages are shown."""

    def __call__(self, message: RpcMessage, programs: KnownPrograms, /) -> bool:
        """True if the message is shown."""
        ...


class HostFilter:
    """Chooses messages from or to one of these addresses."""

    def __init__(self, values: Sequence[str]) -> None:
        self._hosts = {str(ip_address(value)) for value in values}

    def __call__(self, message: RpcMessage, _: KnownPrograms) -> bool:
        """True if the message is shown."""
        return message.source.host in self._hosts or message.target.host in self._hosts


class ProgramFilter:
    """Chooses messages of these programs or versions: ``nfs``, ``100003`` or ``nfs,3``."""

    def __init__(self, values: Sequence[str]) -> None:
        self._programs = [_program(value) for value in values]

    def __call__(self, message: RpcMessage, _: KnownPrograms) -> bool:
        """True if the message is shown."""
        return any(
            message.prog == prog and vers in (None, message.vers) for prog, vers in self._programs
        )


class ProcedureFilter:
    """Chooses messages of these procedures: ``WRITE``, ``NFSPROC3_WRITE`` or ``7``.

    Cache: whether procedures are chosen, at most ``MAX_KNOWN``; then it is emptied.
    """

    def __init__(self, values: Sequence[str]) -> None:
        self._numbers = {int(value) for value in values if value.isdecimal()}
        self._names = tuple(value.upper() for value in values if not value.isdecimal())
        self._endings = tuple(f"_{name}" for name in self._names)
        self._known: dict[tuple[int, int, int], bool] = {}

    def __call__(self, message: RpcMessage, programs: KnownPrograms) -> bool:
        """True if the message is shown."""
        if message.prog is None or message.vers is None or message.proc is None:
            return False
        key = (message.prog, message.vers, message.proc)
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= MAX_KNOWN:
                self._known.clear()
            known = self._known[key] = self._chosen(key, programs)
        return known

    def _chosen(self, key: tuple[int, int, int], programs: KnownPrograms) -> bool:
        if key[2] in self._numbers:
            return True
        if not self._names:
            return False
        procedure = programs.procedure(*key)
        name = procedure.name.upper() if procedure else "NULL" if key[2] == 0 else ""
        return name in self._names or name.endswith(self._endings)


class UserFilter:
    """Chooses AUTH_SYS calls of these users, and their replies."""

    def __init__(self, values: Sequence[str]) -> None:
        self._users = {_number(value) for value in values}

    def __call__(self, message: RpcMessage, _: KnownPrograms) -> bool:
        """True if the message is shown."""
        return uid_of(message) in self._users


def _program(value: str) -> tuple[int, int | None]:
    name, comma, version = value.partition(",")
    number = _number(name) if name.isdecimal() else NUMBERS.get(name.upper())
    if number is None:
        number = program_number(name.lower())
    if number is None:
        raise ValueError(f"unknown program {name!r}")
    return number, _number(version) if comma else None


def _number(text: str) -> int:
    number = int(text) if text.isdecimal() and text.isascii() and len(text) <= 10 else -1
    if not 0 <= number <= HIGHEST:
        raise ValueError(f"invalid number {text!r}")
    return number
