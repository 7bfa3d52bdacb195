"""The layers below a mount, asked one after the other: port mapper, MOUNT, NFS, lock manager.

A layer that fails does not end the round: the layers that do not need it are still asked.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from functools import partial
from stat import filemode
from typing import NamedTuple

from oncrpc import sync
from oncrpc.addr import split_uaddr
from oncrpc.cli.nfs.ping_links import PingLinks
from oncrpc.cli.nfs.ping_problems import LayerProblem, Probe, problem_of, result_of_error
from oncrpc.client.port_mapper import OpenLink
from oncrpc.errors import CallError, OncRpcError, ProtocolError
from oncrpc.nfs.client.errors import NfsStatusError
from oncrpc.nfs.client.mounting import candidates
from oncrpc.nfs.client.operations import Operations
from oncrpc.nfs.client.results import FileHandle
from oncrpc.nfs.client.url import NfsUrl
from oncrpc.nfs.client.version2 import Version2
from oncrpc.nfs.client.version3 import Version3
from oncrpc.programs.mount import MOUNT_V3, MOUNTVERS, mountstat3
from oncrpc.programs.nfs2 import NFS_VERSION
from oncrpc.programs.nfs3 import NFS_V3
from oncrpc.programs.nlm import NLM4_VERS
from oncrpc.programs.portmap import IPPROTO_TCP, IPPROTO_UDP, PMAP_VERS, mapping
from oncrpc.programs.rpcb import RPCBVERS4, rpcb
from oncrpc.rpc import Procedure
from oncrpc.rpc.auth import AUTH_NONE
from oncrpc.rpc.program import Client
from oncrpc.snoop.explain.steps import ServerPart, StepEnd, StepKind, StepResult
from oncrpc.snoop.words.names import FLAVORS

PROTOCOLS = {"tcp": IPPROTO_TCP, "udp": IPPROTO_UDP}
NFS_PORT = 2049
DONE = StepResult(StepEnd.DONE)
MAPPER = "port mapper"
MAX_FLAVORS = 16
"""Flavors in a reply to MNT that ``nfs ping`` shows."""

MOUNT_1_STATUSES = {each.value: each.name for each in mountstat3}
"""The status of version 1 is a number of UNIX; version 3 has the same for those in its list."""

MISSING = ("mountd-not-registered", "nfs-not-registered", "lockd-not-registered", "udp-not-served")
OTHER_VERSION = ("mount-version", "nfs-version", "other-version")
REFUSALS = (
    "mount-denied",
    "mount-denied-unreserved",
    "path-missing",
    "path-not-directory",
    "mount-error",
)
"""Causes after which the directory above is mounted, as the client does."""


class PingedVersion(NamedTuple):
    """A version of a program; ``nfs`` is the version of NFS to which it belongs."""

    name: str
    part: ServerPart
    client: type[Client]
    null: Procedure[None]
    nfs: int

    @property
    def label(self) -> str:
        """Such as ``MOUNT 3``."""
        return f"{self.name} {self.client.version.vers}"


MOUNTS = (
    PingedVersion("MOUNT", ServerPart.MOUNT, MOUNT_V3.Client, MOUNT_V3.MOUNTPROC3_NULL, 3),
    PingedVersion("MOUNT", ServerPart.MOUNT, MOUNTVERS.Client, MOUNTVERS.MOUNTPROC_NULL, 2),
)
FILES = (
    PingedVersion("NFS", ServerPart.NFS, NFS_V3.Client, NFS_V3.NFSPROC3_NULL, 3),
    PingedVersion("NFS", ServerPart.NFS, NFS_VERSION.Client, NFS_VERSION.NFSPROC_NULL, 2),
)
LOCKS = (PingedVersion("NLM", ServerPart.LOCK, NLM4_VERS.Client, NLM4_VERS.NLMPROC4_NULL, 3),)
OPERATIONS: dict[int, type[Operations]] = {3: Version3, 2: Version2}


class LayerResult(NamedTuple):
    """The answer of a layer to one question.

    ``seconds`` is the time of the answer, None without one. ``answer`` is its text. ``problem`` is
    why the layer fails, None if it does not.
    """

    layer: str
    question: str
    transport: str
    port: int
    seconds: float | None
    answer: str
    problem: LayerProblem | None


class ServerPing:
    """Asks the layers of a server, a round at a time; ``close`` ends the connections.

    ``mount``: also mount the path of the URL, and use it.

    ``_ports`` has the ports of the present round, by version and transport. Those in
    ``_registered`` are from the port mapper.
    """

    def __init__(
        self, url: NfsUrl, *, timeout: float, mount: bool = True, mapper: str | None = None
    ) -> None:
        self.url, self.mount = url, mount
        self.links = PingLinks(url, timeout=timeout, mapper=mapper)
        self._ports: dict[tuple[PingedVersion, str], int] = {}
        self._registered: set[tuple[PingedVersion, str]] = set()
        self._mapped = not (url.port and url.mount_port)

    def close(self) -> None:
        """Close the connections."""
        self.links.close()

    def round(self) -> Iterator[LayerResult]:
        """Ask all layers once."""
        self._ports = {}
        if self._mapped:
            yield from self._lookups()
        self._registered = set(self._ports)
        self._add_given_ports()
        mount = yield from self._pinged(MOUNTS)
        root = None
        if mount is not None and self.mount:
            root = yield from self._mounted(mount)
        yield from self._pinged(FILES)
        if mount is not None and root is not None:
            yield from self._used(FILES[MOUNTS.index(mount)], *root)
        yield from self._pinged(LOCKS)

    def _wanted(self, versions: Sequence[PingedVersion]) -> list[PingedVersion]:
        return [each for each in versions if self.url.version in (None, each.nfs)]

    def _add_given_ports(self) -> None:
        """Add the ports that the URL has. Without a port mapper, NFS is tried at its usual port."""
        given = (MOUNTS, self.url.mount_port), (FILES, self.url.port), (LOCKS, self.url.lock_port)
        for versions, port in given:
            for version in versions if port else ():
                self._ports.pop((version, "udp"), None)
                self._ports[version, "tcp"] = port or 0
                self._registered.discard((version, "tcp"))
        if not any((version, "tcp") in self._ports for version in FILES):
            self._ports[self._wanted(FILES)[0], "tcp"] = NFS_PORT

    def _lookups(self) -> Iterator[LayerResult]:
        """Ask the port mapper for the ports of all programs."""
        probe = Probe(ServerPart.MAPPER, StepKind.CONNECT, "NULL", 2, port=self.links.mapper_port)
        try:
            with self.links.mapper() as (link, netid):
                answered = self._asked(MAPPER, probe, lambda: _mapper_null(link))
                yield answered
                if answered.problem is None:
                    for versions in filter(None, map(self._wanted, (MOUNTS, FILES, LOCKS))):
                        yield self._looked_up(versions, link, netid)
        except OncRpcError as error:
            yield self._failed(MAPPER, probe, error)

    def _looked_up(
        self, versions: Sequence[PingedVersion], link: OpenLink, netid: str
    ) -> LayerResult:
        """The ports of the versions of a program; the time is that of the first question."""
        name, first = versions[0].name, None
        found = list[str]()
        for version in versions:
            for transport in PROTOCOLS if netid != "tcp6" else ("tcp",):
                result = self._asked(
                    MAPPER, _lookup_of(version, transport), _finding(version, transport, link)
                )
                first = first or result
                if result.port and not result.problem:
                    self._ports[version, transport] = result.port
                    found.append(f"{version.client.version.vers} {transport} {result.port}")
                elif result.problem is not None and result.problem.cause not in MISSING:
                    return result
        assert first is not None, "there is a version"
        first = first._replace(question=f"GETPORT {name}", port=self.links.mapper_port)
        if found:
            return first._replace(answer=", ".join(found), problem=None)
        if versions[0].part is ServerPart.LOCK:
            return first._replace(answer="not registered: locks fail", problem=None)
        return first

    def _pinged(
        self, versions: Sequence[PingedVersion]
    ) -> Generator[LayerResult, None, PingedVersion | None]:
        """Call the NULL of each version over each transport; returns the first that works."""
        working: PingedVersion | None = None
        for version in self._wanted(versions):
            for transport in PROTOCOLS:
                port = self._ports.get((version, transport))
                if port is None:
                    continue
                result = self._null(version, transport, port)
                if result.problem and result.problem.cause in OTHER_VERSION and working:
                    continue  # the port mapper names the port of another version
                yield result
                if transport == "tcp" and result.problem is None:
                    working = working or version
        return working

    def _null(self, version: PingedVersion, transport: str, port: int) -> LayerResult:
        probe = self._probe(version, StepKind.PING, "NULL", transport=transport, port=port)
        if transport == "udp":
            return self._asked(
                version.label, probe, lambda: self.links.null_over_udp(version.null, port)
            )
        try:
            pipeline = self.links.tcp(version.client, port)
        except OncRpcError as error:
            return self._failed(version.label, probe._replace(kind=StepKind.CONNECT), error)
        return self._asked(
            version.label, probe, lambda: sync.run(pipeline.call(version.null, auth=AUTH_NONE))
        )

    def _mounted(
        self, mount: PingedVersion
    ) -> Generator[LayerResult, None, tuple[FileHandle, list[bytes]] | None]:
        """Mount the path, or a directory above it; returns the handle and the names below it."""
        refused: LayerResult | None = None
        for directory, rest in candidates(self.url.path):
            handles = list[FileHandle]()
            result = self._asked(
                mount.label,
                self._probe(mount, StepKind.MOUNT, "MNT", path=os.fsdecode(directory)),
                self._mounting(mount, directory, handles),
            )
            if handles:
                yield result
                return handles[0], rest
            refused = refused or result
            if result.problem is None or result.problem.cause not in REFUSALS:
                break
        if refused is not None:
            yield refused
        return None

    def _mounting(
        self, mount: PingedVersion, directory: bytes, handles: list[FileHandle]
    ) -> Callable[[], StepResult]:
        open_again = partial(self.links.tcp, mount.client, self._ports[mount, "tcp"])

        def mount3() -> StepResult:
            result = sync.run(open_again().call(MOUNT_V3.MOUNTPROC3_MNT, directory))
            if result.body is None:
                return StepResult(StepEnd.FAILED, result.fhs_status.name)
            if not result.body.fhandle:
                raise ProtocolError("the server sent an empty file handle")
            handles.append(FileHandle(result.body.fhandle))
            flavors = tuple(result.body.auth_flavors[:MAX_FLAVORS])
            names = ", ".join(FLAVORS.get(each, str(each)) for each in flavors)
            return DONE._replace(shown=f"OK, flavors {names or 'none'}", flavors=flavors)

        def mount1() -> StepResult:
            result = sync.run(open_again().call(MOUNTVERS.MOUNTPROC_MNT, directory))
            if result.body is None:
                status = MOUNT_1_STATUSES.get(result.status, f"status {result.status}")
                return StepResult(StepEnd.FAILED, status)
            handles.append(FileHandle(result.body))
            return DONE._replace(shown="OK")

        return mount3 if mount.nfs == 3 else mount1

    def _used(
        self, files: PingedVersion, handle: FileHandle, names: list[bytes]
    ) -> Iterator[LayerResult]:
        """Use the mounted directory: look up the rest of the path, FSINFO, GETATTR."""
        port = self._ports.get((files, "tcp"))
        if port is None:
            return
        try:
            operations = OPERATIONS[files.nfs](self.links.tcp(files.client, port))
        except OncRpcError:
            return  # the NULL before has shown it
        at = [handle]

        def look_up(name: bytes) -> StepResult:
            at.append(sync.run(operations.lookup(at[-1], name)).handle)
            return DONE

        questions: list[tuple[str, Callable[[], StepResult]]] = [
            (f"LOOKUP {os.fsdecode(name)}", partial(look_up, name)) for name in names
        ]
        questions.append(("FSINFO", lambda: _limits(operations, at[-1])))
        questions.append(("GETATTR", lambda: _attributes(operations, at[-1])))
        for text, ask in questions:
            probe = self._probe(files, StepKind.ROOT, text, port=port)
            result = self._asked(files.label, probe, ask)
            yield result
            if result.problem is not None:
                return

    def _probe(
        self,
        version: PingedVersion,
        kind: StepKind,
        text: str,
        *,
        transport: str = "tcp",
        port: int | None = None,
        path: str = "",
    ) -> Probe:
        at = self._ports[version, transport] if port is None else port
        vers = version.client.version.vers
        whole = path or os.fsdecode(self.url.path)
        known = (version, transport) in self._registered
        return Probe(version.part, kind, text, vers, transport, at, path=whole, registered=known)

    def _asked(self, layer: str, probe: Probe, ask: Callable[[], StepResult | None]) -> LayerResult:
        """Ask a question, and take the time."""
        started = time.perf_counter()
        try:
            result = ask() or DONE
        except (OncRpcError, NfsStatusError) as error:
            failed = self._failed(layer, probe, error)
            answered = isinstance(error, (CallError, NfsStatusError))
            return failed._replace(seconds=time.perf_counter() - started if answered else None)
        seconds = time.perf_counter() - started
        problem = problem_of(probe, result, self.links.ends(probe.port))
        port = result.port or probe.port
        path = f" {probe.path}" if probe.kind is StepKind.MOUNT else ""
        return LayerResult(
            layer, probe.text + path, probe.transport, port, seconds, result.shown, problem
        )

    def _failed(self, layer: str, probe: Probe, error: Exception) -> LayerResult:
        result, ends = result_of_error(error), self.links.ends(probe.port)
        problem = problem_of(probe, result, ends, error=error) or LayerProblem(
            "other", f"{probe.text} fails: {error}", "See the log of the server."
        )
        return LayerResult(layer, probe.text, probe.transport, probe.port, None, "", problem)


def _mapper_null(link: OpenLink) -> None:
    sync.run(link.call(PMAP_VERS.PMAPPROC_NULL))


def _lookup_of(version: PingedVersion, transport: str) -> Probe:
    return Probe(
        ServerPart.MAPPER,
        StepKind.LOOKUP,
        f"GETPORT {version.name}",
        version.client.version.vers,
        transport,
        about=version.part,
    )


def _finding(version: PingedVersion, transport: str, link: OpenLink) -> Callable[[], StepResult]:
    """Ask for a port: over IPv6 with GETADDR, for version 2 has no netids (RFC 1833 §3)."""
    prog, vers = version.client.version.prog, version.client.version.vers

    def by_getport() -> StepResult:
        asked = mapping(prog, vers, PROTOCOLS[transport], 0)
        return _found(sync.run(link.call(PMAP_VERS.PMAPPROC_GETPORT, asked)))

    def by_getaddr() -> StepResult:
        asked = rpcb(prog, vers, b"tcp6", link.peer.encode(), b"")
        uaddr = sync.run(link.call(RPCBVERS4.RPCBPROC_GETADDR, asked)).decode("ascii", "replace")
        return _found(split_uaddr(uaddr)[1] if uaddr else 0)

    return by_getaddr if ":" in link.peer else by_getport


def _found(port: int) -> StepResult:
    if not 0 < port < 1 << 16:
        return StepResult(StepEnd.MISSING)
    return DONE._replace(port=port)


def _limits(operations: Operations, handle: FileHandle) -> StepResult:
    limits = sync.run(operations.fsinfo(handle))
    sizes = f"reads up to {size_text(limits.read_max)}, writes up to {size_text(limits.write_max)}"
    return DONE._replace(shown=sizes)


def _attributes(operations: Operations, handle: FileHandle) -> StepResult:
    stat = sync.run(operations.getattr(handle))
    return DONE._replace(shown=f"{filemode(stat.mode)}, owner {stat.uid}, group {stat.gid}")


def size_text(size: int) -> str:
    """A size in the largest binary unit that divides it."""
    for power, unit in ((30, "GiB"), (20, "MiB"), (10, "KiB")):
        if size and not size % (1 << power):
            return f"{size >> power} {unit}"
    return f"{size} bytes"
