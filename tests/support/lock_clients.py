"""Clients of the lock manager on the loopback interface: their own lock managers and port mappers.

Each client has an address of 127.0.0.0/8, from which it calls, and at which it is called. So the
port mappers of all clients have the same port, which is chosen once.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

from oncrpc.addr import join_uaddr
from oncrpc.aio.link import AioLink, dial
from oncrpc.aio.serve import serve
from oncrpc.aio.server import Server
from oncrpc.programs.nlm import (
    NLM4_VERS,
    NLM_PROG,
    NLM_VERS,
    NLM_VERSX,
    nlm4_res,
    nlm4_stat,
    nlm4_stats,
    nlm_res,
    nlm_stat,
    nlm_stats,
)
from oncrpc.programs.portmap import PMAP_VERS, mapping
from oncrpc.programs.rpcb import RPCBVERS4, rpcb
from oncrpc.rpc import Call, Service, auth_sys
from oncrpc.rpc.program import NoReply
from support.loopback_peers import port_of

PROTOCOLS = {6: "tcp", 17: "udp"}


class ClientMapper(PMAP_VERS.Service):
    """A client's port mapper in version 2: it knows the lock manager, as long as that runs."""

    def __init__(self, ports: Mapping[str, int]) -> None:
        self.ports = ports
        self.asked: list[mapping] = []

    def PMAPPROC_GETPORT(self, call: Call, arg: mapping) -> int:
        self.asked.append(arg)
        return self.ports.get(PROTOCOLS[arg.prot], 0) if arg.prog == NLM_PROG else 0


class ClientMapper4(RPCBVERS4.Service):
    """The same in version 4, which knows IPv6 as well."""

    def __init__(self, mapper: ClientMapper) -> None:
        self.mapper = mapper

    def RPCBPROC_GETADDR(self, call: Call, arg: rpcb) -> bytes:
        protocol = {"tcp": 6, "udp": 17}[call.caller.netid.removesuffix("6")]
        asked = mapping(arg.r_prog, arg.r_vers, protocol, 0)
        port = self.mapper.PMAPPROC_GETPORT(call, asked)
        return join_uaddr(call.caller.local_host, port).encode() if port else b""


class _ClientService(Service):
    """One version of a client's lock manager."""

    def __init__(self, client: LockClientHost) -> None:
        self.client = client

    def handlers(self) -> dict[int, Callable[..., Any]]:
        numbers = self.version.procedures
        return {0: self.NULL} | {each: partial(self._called, each) for each in numbers if each}

    async def _called(self, number: int, call: Call, arg: Any) -> Any:
        client, name = self.client, call.procedure.name.partition("_")[2]
        client.calls.append((name, arg, call))
        client.arrived.set()
        await client.go.wait()
        if number != 5:
            if client.silent_to_messages:
                raise NoReply
            return None
        if self.version is NLM4_VERS:
            return nlm4_res(arg.cookie, nlm4_stat(client.answer))
        return nlm_res(arg.cookie, nlm_stat(nlm_stats(client.answer.value)))


class _Service1(_ClientService):
    version = NLM_VERS


class _Service3(_ClientService):
    version = NLM_VERSX


class _Service4(_ClientService):
    version = NLM4_VERS


class LockClientHost:
    """A client: ``answer`` is what it says to GRANTED, ``go`` is cleared while it hangs.

    ``calls`` are those of the server: name, arguments, call.
    """

    def __init__(self, host: str, mapper_port: int) -> None:
        self.host, self.mapper_port = host, mapper_port
        self.answer = nlm4_stats.NLM4_GRANTED
        self.silent_to_messages = False
        self.calls: list[tuple[str, Any, Call]] = []
        self.arrived, self.go = asyncio.Event(), asyncio.Event()
        self.go.set()
        self.ports: dict[str, int] = {}
        self.mapper = ClientMapper(self.ports)
        self.netids = ("tcp6", "udp6") if ":" in host else ("tcp", "udp")
        self._ending, self._serving = AsyncExitStack(), AsyncExitStack()

    async def start(self) -> None:
        """Listen: the port mapper and the lock manager."""
        services: list[Service] = [self.mapper]
        if ":" in self.host:
            services = [ClientMapper4(self.mapper)]
        serving = serve(*services, transports=self.netids, host=self.host, port=self.mapper_port)
        await self._ending.enter_async_context(serving)
        await self.start_lock_manager()

    async def start_lock_manager(self) -> None:
        """Start the lock manager, after ``stop_lock_manager`` at other ports."""
        services = _Service1(self), _Service3(self), _Service4(self)
        serving = serve(*services, transports=self.netids, host=self.host, drain=0.0)
        server = await self._serving.enter_async_context(serving)
        ports = {netid.removesuffix("6"): port_of(server, netid) for netid in self.netids}
        self.ports.update(ports)

    async def stop_lock_manager(self) -> None:
        """Stop it, and forget its ports."""
        self.ports.clear()
        self.go.set()
        await self._serving.aclose()

    async def dial(self, netid: str, server: Server) -> AioLink:
        """A link to a server, from the address of this client."""
        auth = auth_sys(self.host.encode(), 0, 0)
        port = port_of(server, netid)
        host = "::1" if ":" in self.host else "127.0.0.1"
        link = await dial(netid, host, port, own_host=self.host, auth=auth)
        self._ending.callback(link.close)
        return link

    async def stop(self) -> None:
        """End it."""
        await self.stop_lock_manager()
        await self._ending.aclose()


@asynccontextmanager
async def lock_clients(*hosts: str) -> AsyncIterator[list[LockClientHost]]:
    """Clients at these addresses. All their port mappers have the same port."""
    async with AsyncExitStack() as ending:
        while True:
            async with AsyncExitStack() as trying:
                port = _free_port(hosts[0])
                made = [LockClientHost(host, port) for host in hosts]
                try:
                    for client in made:
                        trying.push_async_callback(client.stop)
                        await client.start()
                except OSError:  # the port is in use at one of the addresses: another one
                    continue
                await ending.enter_async_context(trying.pop_all())
            yield made
            return


def _free_port(host: str) -> int:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.bind((host, 0))
        port: int = sock.getsockname()[1]
        return port
