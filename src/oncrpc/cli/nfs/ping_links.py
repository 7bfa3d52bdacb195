"""The connections of ``nfs ping``: to the port mapper, and to the programs over TCP and UDP."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager

from oncrpc import sync
from oncrpc.cli.bounded_lists import dial_bounded
from oncrpc.cli.nfs.ping_problems import Ends
from oncrpc.client.port_mapper import OpenLink, port_mapper
from oncrpc.net.peers import hung_up
from oncrpc.net.targets import first_of, netids_for
from oncrpc.nfs.client.blocking import blocking_target
from oncrpc.nfs.client.pipeline import Pipeline
from oncrpc.nfs.client.url import NfsUrl
from oncrpc.rpc import Procedure
from oncrpc.rpc.program import Client
from oncrpc.snoop.messages import Party
from oncrpc.sync import SocketLink

OpenedLink = AbstractAsyncContextManager[OpenLink]
UNKNOWN = Party("this host", 0)


class PingLinks:
    """Opens connections, and keeps those to programs until ``close``.

    Each connection to a program uses one of the few ports below 1024, if this process may use
    them. So they are kept from round to round.
    """

    def __init__(self, url: NfsUrl, *, timeout: float, mapper: str | None = None) -> None:
        self.url, self.timeout = url, timeout
        self._target = blocking_target(url, timeout=timeout, mapper=mapper)
        self._mapper = port_mapper(mapper, self._dial)
        self._pipelines: dict[int, Pipeline] = {}
        self._client = UNKNOWN

    @property
    def mapper_port(self) -> int:
        """The port of the port mapper."""
        return self._mapper.port

    def ends(self, port: int = 0) -> Ends:
        """The two ends of the connection to a port of the server; for the texts of problems."""
        pipeline = self._pipelines.get(port)
        if pipeline is not None and pipeline.sock is not None:
            return Ends(Party(*pipeline.sock.getsockname()[:2]), self.url.host)
        return Ends(self._client, self.url.host)

    def close(self) -> None:
        """Close all connections."""
        while self._pipelines:
            self._pipelines.popitem()[1].close()

    @contextmanager
    def mapper(self) -> Iterator[tuple[OpenLink, str]]:
        """A link to the port mapper, and its netid.

        Raises:
            OncRpcError: it cannot be reached.
        """
        host = self.url.host
        link, netid, opened = sync.run(first_of(netids_for("tcp", host), self._open_mapper))
        try:
            yield link, netid
        finally:
            sync.run(opened.__aexit__(None, None, None))

    async def _open_mapper(self, netid: str) -> tuple[OpenLink, str, OpenedLink]:
        opened = self._mapper.open(netid, self.url.host)
        return await opened.__aenter__(), netid, opened

    def tcp(self, client: type[Client], port: int) -> Pipeline:
        """A connection to a program at a port; the one of the last round if it still works.

        Raises:
            OncRpcError: it cannot be opened.
        """
        known = self._pipelines.get(port)
        if known is not None:
            if known.sock is not None and not hung_up(known.sock.fileno()):
                return known
            self._pipelines.pop(port).close()
        pipeline = sync.run(self._target.program(client, port).open(self.timeout))
        self._pipelines[port] = pipeline
        return pipeline

    def null_over_udp(self, procedure: Procedure[None], port: int) -> None:
        """Call a procedure 0 over UDP.

        Raises:
            OncRpcError: there is no reply, or it is not a success.
        """

        async def over(netid: str) -> None:
            link = await self._dial(netid, self.url.host, port)
            try:
                await link.call(procedure)
            finally:
                link.close()

        sync.run(first_of(netids_for("udp", self.url.host), over))

    async def _dial(self, netid: str, host: str, port: int) -> SocketLink:
        link = await dial_bounded(netid, host, port, timeout=self.timeout)
        if link.sock.family != link.sock.family.AF_UNIX:
            self._client = Party(*link.sock.getsockname()[:2])
        return link
