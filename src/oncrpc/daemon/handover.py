"""What one image of the daemon leaves to the next one in the same process, and how it gets there.

It is written into a memory file whose descriptor the environment names; the sockets, connections
and locks stay open under their numbers. Fields that the reader does not know are passed over, and
those that the writer did not know have defaults, so that an upgrade or its reverse can take over.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, MutableMapping, Sequence

import msgspec

from oncrpc.daemon.activation import Passed
from oncrpc.daemon.config.values import StartError
from oncrpc.portmap.registry import Registry
from oncrpc.programs.rpcb import rpcb

VARIABLE = "ONCRPC_HANDOVER"
CHECK = "check"
"""What the variable says to an image that is to tell whether it could take over."""

UNDERSTOOD = "oncrpc handover 1"
"""What such an image writes then: it reads what this module writes."""


Registration = tuple[int, int, bytes, bytes, bytes]


class Kept(msgspec.Struct, frozen=True):
    """An open connection, as ``Carried`` has it, by the names of its fields."""

    descriptor: int
    netid: str
    unread: bytes
    unsent: bytes
    heard_at: float
    record_at: float


class Handover(msgspec.Struct, frozen=True):
    """The state of a daemon. ``image`` counts the images, ``events`` what was asked of them."""

    pid: int
    image: int = 1
    events: int = 0
    folder: str = "/"
    locks: list[int] = []
    sockets: list[Passed] = []
    connections: list[Kept] = []
    registrations: list[Registration] = []
    since: list[float] = []
    warm: bool = True
    state: str | None = None
    control: str | None = None
    web: int | None = None

    def descriptors(self) -> Iterator[int]:
        """All that have to stay open."""
        yield from self.locks
        yield from (one.descriptor for one in self.sockets)
        yield from (one.descriptor for one in self.connections)
        if self.web is not None:
            yield self.web

    def restore(self, registry: Registry) -> int:
        """Register what was registered, in the same order; how many that were.

        It was within the limits when it was acknowledged: what they are now does not matter.
        """
        with registry.without_limits():
            return sum(registry.set(rpcb(*fields)) for fields in self.registrations)


def registrations_of(registry: Registry) -> list[Registration]:
    """The registry as it is handed over."""
    return [(e.r_prog, e.r_vers, e.r_netid, e.r_addr, e.r_owner) for e in registry]


def write(handover: Handover) -> int:
    """A memory file that holds it; the descriptor is the caller's to close."""
    descriptor = os.memfd_create("oncrpc-handover")
    with open(descriptor, "wb", closefd=False) as file:
        file.write(msgspec.json.encode(handover))
    return descriptor


def received(environ: MutableMapping[str, str]) -> Handover | None:
    """What a former image has left to this process; the environment says so once.

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
        raise StartError(f"what the former image left cannot be read: {error}") from None
    if handover.pid != os.getpid():
        return None
    keep_private(handover.descriptors())
    return handover


def keep_private(descriptors: Iterator[int] | Sequence[int]) -> None:
    """Have them closed in any other program that is run."""
    for descriptor in descriptors:
        os.set_inheritable(descriptor, False)
