"""Where the programs are, and the port mapper that tells it: the host's, our own, or none."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from oncrpc.aio.link import dial
from oncrpc.client.port_mapper import port_mapper
from oncrpc.daemon.runtime import Runtime
from oncrpc.errors import AddressError
from oncrpc.nfs.daemon.config import NfsdConfig
from oncrpc.nfs.daemon.config_values import AUTO, HOST
from oncrpc.nfs.daemon.mapper import EmbeddedMapper, MakeMapper
from oncrpc.nfs.daemon.ports import addresses_of, roles
from oncrpc.nfs.daemon.registration import Registrar, places_of
from oncrpc.nfs.daemon.rivals import ProgramPlace
from oncrpc.nfs.daemon.status import MapperState
from oncrpc.nfs.daemon.vocabulary import MAPPER_VERSIONS, versions_of
from oncrpc.programs.portmap import PMAP_PORT
from oncrpc.rpc import Service

log = logging.getLogger("oncrpc.nfs")

MAPPER_PORT = "mapper"
"""The role of the port of the embedded port mapper."""

MAPPER_TIME = 3.0
"""Seconds for the port mapper to answer."""


class PortMapping:
    """Registers the programs, from ``start`` to ``stop``."""

    def __init__(self, daemon: Runtime[NfsdConfig], make_mapper: MakeMapper) -> None:
        self.daemon, self._extra = daemon, daemon.listeners.extra
        embeds = MAPPER_PORT in self._extra
        self.own: EmbeddedMapper | None = make_mapper(daemon.call_log) if embeds else None
        self.registrar: Registrar | None = None

    def services(self) -> Sequence[Service]:
        """Those of the embedded port mapper."""
        return () if self.own is None else self.own.services()

    def start(self, then: Callable[[], None]) -> None:
        """Begin to register. ``then`` is called when that is done, as far as it can be."""
        places = list(self.places())
        if self.own is not None:
            self.own.register(places)
        elif self.daemon.config.daemon.port_mapper in (AUTO, HOST):
            try:
                client = port_mapper(None, partial(dial, timeout=MAPPER_TIME))
            except AddressError as error:
                log.error("not registered: %s", error)
            else:
                self.registrar = Registrar(client, places, then=then)
                self.registrar.start()
                return
        then()

    def places(self) -> Iterator[ProgramPlace]:
        """Where the programs are; the port mapper's own, too, if it is embedded."""
        table = self.daemon.config.daemon
        addresses = {role: addresses_of(found) for role, found in self._extra.items()}
        if MAPPER_PORT in addresses:
            yield from places_of(MAPPER_VERSIONS, addresses[MAPPER_PORT])
        for name, role in roles(table).items():
            versions = versions_of([name], table.nfs_versions)
            yield from places_of(versions, addresses.get(role, self.daemon.server.addresses))

    def port_of(self, role: str) -> int:
        """The port of a role; 0 if it has none of its own."""
        found = self._extra.get(role)
        port: int = found[0][0].getsockname()[1] if found else 0
        return port

    @property
    def at_usual_port(self) -> bool:
        """Whether clients find the port mapper, which they look for at port 111."""
        return self.registrar is not None or self.port_of(MAPPER_PORT) == PMAP_PORT

    def report(self) -> MapperState:
        """Which port mapper it is, and why the programs are not registered there."""
        if self.own is not None:
            return MapperState("own", self.port_of(MAPPER_PORT), "")
        if self.registrar is not None:
            return MapperState("host", PMAP_PORT, self.registrar.fault)
        return MapperState("none", 0, "")

    def interfaces_changed(self) -> None:
        """Tell the embedded port mapper that the addresses of this host have changed."""
        if self.own is not None:
            self.own.interfaces_changed()

    async def stop(self) -> None:
        """Remove the registrations."""
        if self.registrar is not None:
            await self.registrar.stop()
