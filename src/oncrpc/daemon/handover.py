"""The state that one image of a daemon leaves to the next image in the same process.

It is JSON in a memory file whose descriptor the environment names; the sockets, connections and
locks stay open under their numbers. Unknown fields are ignored and missing ones have defaults, so
that an upgrade or a downgrade can take over.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, MutableMapping, Sequence

import msgspec
from msgspec.structs import astuple

from oncrpc.aio.connections import Carried
from oncrpc.daemon.activation import Passed
from oncrpc.daemon.config.values import StartError

VARIABLE = "ONCRPC_HANDOVER"
CHECK = "check"
"""The value of the variable for an image that only reports whether it could take over."""

UNDERSTOOD = "oncrpc handover 2"
"""The line that such an image prints: it can read a handover."""


class KeptConnection(msgspec.Struct, frozen=True):
    """An open connection, with the fields of ``Carried``."""

    descriptor: int
    netid: str
    unread: bytes
    unsent: bytes
    heard_at: float
    record_at: float


class Handover(msgspec.Struct, frozen=True):
    """The state of a daemon.

    ``image`` counts the images, ``events`` the signals handled; ``left`` is the application's part,
    and ``kept`` are its descriptors.
    """

    pid: int
    image: int = 1
    events: int = 0
    folder: str = "/"
    locks: list[int] = []
    sockets: list[Passed] = []
    connections: list[KeptConnection] = []
    left: msgspec.Raw = msgspec.Raw(b"null")
    state: str | None = None
    control: str | None = None
    web: int | None = None
    kept: list[int] = []

    def descriptors(self) -> Iterator[int]:
        """The descriptors that must stay open."""
        yield from self.locks
        yield from (one.descriptor for one in self.sockets)
        yield from (one.descriptor for one in self.connections)
        yield from self.kept
        if self.web is not None:
            yield self.web

    def carried(self) -> Iterator[Carried]:
        """The open connections, for ``Server.adopt``."""
        return (Carried(*astuple(each)) for each in self.connections)


def write(handover: Handover) -> int:
    """Returns a memory file that contains it; the caller closes the descriptor."""
    descriptor = os.memfd_create("oncrpc-handover")
    with open(descriptor, "wb", closefd=False) as file:
        file.write(msgspec.json.encode(handover))
    return descriptor


def received(environ: MutableMapping[str, str]) -> Handover | None:
    """The handover of a former image of this process; the variable is removed.

    Raises:
        StartError: it cannot be read.
    """
    place = environ.get(VARIABLE, "")
    if not place.isdecimal():
        return None
    del environ[VARIABLE]
    try:
        with open(int(place), "rb") as file:
            file.seek(0)
            handover = msgspec.json.decode(file.read(), type=Handover)
    except (OSError, ValueError) as error:
        raise StartError(f"cannot read what the former image left: {error}") from None
    if handover.pid != os.getpid():
        return None
    keep_private(handover.descriptors())
    return handover


def close_unused(handover: Handover, used: Collection[int]) -> None:
    """Close the descriptors of the application that it does not use any more."""
    for descriptor in set(handover.kept).difference(used):
        os.close(descriptor)


def keep_private(descriptors: Iterator[int] | Sequence[int]) -> None:
    """Do not pass the descriptors to other programs that are run."""
    for descriptor in descriptors:
        os.set_inheritable(descriptor, False)
