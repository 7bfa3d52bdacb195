"""``nfsd`` in this process: on the loopback interface, with a state directory of the test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

from oncrpc.addr import split_uaddr
from oncrpc.aio.link import AioLink, dial
from oncrpc.cli.nfsd.own_mapper import OwnMapper
from oncrpc.daemon.config.source import OPTION, ConfigSource, Layer
from oncrpc.daemon.handover import Handover
from oncrpc.daemon.listeners import Listeners, Wanted, open_listeners
from oncrpc.daemon.run import owner_of
from oncrpc.daemon.runtime import Runtime
from oncrpc.daemon.state.directory import prepared
from oncrpc.nfs.daemon.app import Nfsd
from oncrpc.nfs.daemon.config import SCHEMA, NfsdConfig
from oncrpc.programs.mount import MOUNT_V3, mountres3_ok
from oncrpc.programs.nfs3 import NFS_V3, LOOKUP3args, LOOKUP3resok, diropargs3, nfs_fh3
from oncrpc.rpc import auth_sys

LOCALHOST = "127.0.0.1"
RW = "rw,insecure,no_root_squash,no_subtree_check"


class NfsdSetup(NamedTuple):
    """The settings of a daemon; each ``daemon()`` makes a new one."""

    source: ConfigSource[NfsdConfig]

    def app(self) -> Nfsd:
        """A new application."""
        return Nfsd(make_mapper=OwnMapper)

    def listeners(self, passed: Sequence[str] = ()) -> Listeners:
        """The sockets."""
        config = self.source.read().config
        app = self.app()
        extra, port = app.ports(config, passed), app.main_port(config)
        return open_listeners(Wanted(config.daemon, (), app.title, extra, port))

    def daemon(self, listeners: Listeners, former: Handover | None = None) -> RunningNfsd:
        """A daemon on listeners."""
        app, table = self.app(), self.source.read().config.daemon
        folders = prepared(owner_of(app, table), table)
        return RunningNfsd(app, self.source, listeners, folders=folders, former=former)


class RunningNfsd(Runtime[NfsdConfig]):
    """``nfsd`` in this process; ``links`` are those of its clients."""

    app: Nfsd

    def __init__(self, app: Nfsd, *arguments: Any, **options: Any) -> None:
        super().__init__(app, *arguments, **options)
        self.links: list[AioLink] = []

    @property
    def port(self) -> int:
        """The port of NFS."""
        return split_uaddr(self.server.addresses["tcp"])[1]

    def port_of(self, role: str) -> int:
        """The port of a role."""
        port: int = self.listeners.extra[role][0][0].getsockname()[1]
        return port

    async def link(self, netid: str = "tcp", *, port: int = 0) -> AioLink:
        """A link of a client, which is root there; it is closed with the daemon."""
        to = port or self.port
        made = await dial(netid, LOCALHOST, to, timeout=5.0, auth=auth_sys(b"client", 0, 0))
        self.links.append(made)
        return made

    async def mount(self, path: Path | str) -> bytes:
        """The handle of an exported directory."""
        found = await MOUNT_V3.Client(await self.link()).MOUNTPROC3_MNT(str(path).encode())
        assert isinstance(found.body, mountres3_ok), found
        return found.body.fhandle

    async def file(self, path: Path) -> bytes:
        """The handle of a file in the root of an export."""
        arg = LOOKUP3args(diropargs3(nfs_fh3(await self.mount(path.parent)), path.name.encode()))
        found = await (await self.nfs()).NFSPROC3_LOOKUP(arg)
        assert isinstance(found.body, LOOKUP3resok), found
        return found.body.object.data

    async def nfs(self) -> NFS_V3.Client:
        """A client of version 3."""
        return NFS_V3.Client(await self.link())


def nfsd_setup(state: Path | None, *, file: str | None = None, **options: Any) -> NfsdSetup:
    """A daemon with options: the keys of ``[daemon]`` with underscores, and ``exports``."""
    exports = options.pop("exports", None)
    values = {f"daemon.{name.replace('_', '-')}": value for name, value in options.items()}
    values = {"daemon.port": 0, "daemon.bind": (LOCALHOST, "::1"), **values}
    values.setdefault("daemon.port-mapper", "none")
    if state is None:
        values["daemon.state"] = False
    else:
        values["daemon.state-dir"] = str(state)
    if exports is not None:
        values["exports.files"] = [str(exports)]
    return NfsdSetup(ConfigSource(SCHEMA, [Layer(OPTION, values)], path=file))


@asynccontextmanager
async def serving_nfsd(
    made: NfsdSetup, former: Handover | None = None
) -> AsyncIterator[RunningNfsd]:
    """The daemon, started; it is ended with the context."""
    listeners = made.listeners()
    try:
        daemon = made.daemon(listeners, former)
        daemon.start()
        try:
            yield daemon
        finally:
            for link in daemon.links:
                link.close()
            await daemon.close()
    finally:
        listeners.close()


def exports_file(folder: Path, *lines: str) -> Path:
    """A file of exports(5)."""
    path = folder / "exports"
    path.write_text("".join(f"{line}\n" for line in lines))
    return path
