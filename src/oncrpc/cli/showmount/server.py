"""The mount program of a host: found and called as the C tool does it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from oncrpc.addr import LOOPBACKS, transport
from oncrpc.cli.bounded_lists import dial_bounded
from oncrpc.cli.command import Failure
from oncrpc.cli.mapper_options import unreachable
from oncrpc.cli.rpcinfo.reach import LibtirpcLookup, split_address
from oncrpc.cli.rpcinfo.trouble import HostTrouble, Trouble, of_call, of_dial, of_lookup
from oncrpc.cli.showmount.lists import MountProcedure
from oncrpc.cli.showmount.options import PROGRAM, ShowmountRequest, mapper_port
from oncrpc.errors import OncRpcError, ProgramMismatch, TransportError
from oncrpc.net.credentials import auth_sys
from oncrpc.sync import SocketLink

E = TypeVar("E")
CLASSES = (("tcp", "tcp6"), ("udp", "udp6"))
"""The transports: those of the second row if none of the first leads to the program."""


async def listed(
    request: ShowmountRequest, procedures: Sequence[MountProcedure[E]], what: str
) -> list[E]:
    """A list of the mount program, by the first of the procedures whose version it has.

    Raises:
        Failure: the list cannot be had; the text is that of the C tool.
    """
    server = MountServer(request)
    *newer, oldest = procedures
    try:
        for procedure in newer:
            try:
                return await server.call(procedure)
            except ProgramMismatch:
                continue
        return await server.call(oldest)
    except OncRpcError as error:
        raise Failure(f"rpc mount {what}: {of_call(error)}") from None
    except Trouble as trouble:
        raise Failure(f"clnt_create: {trouble}") from None


class MountServer:
    """Opens links to the mount program; methods raise ``Trouble`` if there is no way to it."""

    def __init__(self, request: ShowmountRequest) -> None:
        self.request = request
        port = mapper_port(request)
        self.lookup = LibtirpcLookup(self._dial, only=request.mapper, port=port)

    async def call(self, procedure: MountProcedure[E]) -> list[E]:
        """Call a procedure without arguments, as this process's user.

        Raises:
            OncRpcError: the call failed.
        """
        with await self._link(procedure) as link:
            return await link.call(procedure, auth=auth_sys())

    async def _link(self, procedure: MountProcedure[E]) -> SocketLink:
        """A link over the first transport that leads to the program."""
        for netids in CLASSES:
            trouble: Trouble = HostTrouble()
            for netid in netids:
                try:
                    return await self._link_over(netid, procedure)
                except Trouble as found:
                    # "Unknown host" says least: a host has addresses of one family, as a rule.
                    if isinstance(trouble, HostTrouble) or not isinstance(found, HostTrouble):
                        trouble = found
        raise trouble

    async def _link_over(self, netid: str, procedure: MountProcedure[E]) -> SocketLink:
        version, host = procedure.version, self.request.host
        try:
            uaddr = await self.lookup.getaddr(host, version.prog, version.vers, netid)
            place, port = split_address(netid, uaddr)
        except OncRpcError as error:
            raise of_lookup(error) from None
        return await self._dial(netid, self._reached(netid, place), port)

    def _reached(self, netid: str, place: str) -> str:
        """The host to dial, for the host of a universal address."""
        host, mapper = self.request.host, self.request.mapper
        if mapper is not None:
            # A port mapper that is asked over another transport does not fill in its own address.
            return LOOPBACKS[transport(netid).family] if mapper.local else host
        zone = host.partition("%")[2]
        return f"{place}%{zone}" if zone and place.lower().startswith("fe80:") else place

    async def _dial(self, netid: str, host: str, port: int) -> SocketLink:
        """A link to the port mapper, or to the program.

        Raises:
            Trouble: it cannot be made. Failure: nobody listens where the environment says.
        """
        try:
            return await dial_bounded(netid, host, port, timeout=self.request.timeout)
        except OncRpcError as error:
            mapper = self.request.mapper
            if mapper is not None and isinstance(error, TransportError) and mapper == (host, port):
                where = host if mapper.local else f"{host} port {port}"
                raise unreachable(PROGRAM, where, error, by_variable=True) from None
            raise of_dial(error) from None
