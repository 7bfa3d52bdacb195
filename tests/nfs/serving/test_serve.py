"""``oncrpc.nfs.serve``: a file system is mounted, used, protected and closed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest

import oncrpc
from oncrpc import nfs, rpcbind
from oncrpc.aio.link import AioLink, dial
from oncrpc.nfs.backends.memory import MemoryFileSystem
from oncrpc.nfs.serving.serve import ListedClients
from oncrpc.programs.mount import MOUNT_V3, MOUNTVERS, mountstat3
from oncrpc.programs.nfs2 import NFS_VERSION
from oncrpc.programs.nfs3 import (
    NFS_V3,
    CREATE3args,
    FSINFO3args,
    GETATTR3args,
    WRITE3args,
    createhow3,
    createmode3,
    diropargs3,
    nfs_fh3,
    nfsstat3,
    stable_how,
)
from oncrpc.rpc import Call, auth_sys
from support.daemon_process import RunningDaemon
from support.exported import OPTIONS, sattr
from support.loops import run

KEY = bytes(range(32))
MIB = 1 << 20
USER, ROOT = auth_sys(b"client", 1000, 100), auth_sys(b"client", 0, 0)


class Kept(MemoryFileSystem):
    """A file system whose ids are the same after a restart, at least that of the root."""

    features = MemoryFileSystem().features._replace(stable_ids=True)

    def __init__(self) -> None:
        super().__init__(features=self.features, mode=0o777)
        self.closed = 0

    def close(self) -> None:
        self.closed += 1


class Client:
    """A user of a served file system, over one connection."""

    def __init__(self, link: AioLink, auth: Any = USER) -> None:
        self.mount = MOUNT_V3.Client(link).with_options(auth=auth)
        self.nfs = NFS_V3.Client(link).with_options(auth=auth)

    async def root(self, path: bytes = b"/") -> nfs_fh3:
        """The handle of the export."""
        result = await self.mount.MOUNTPROC3_MNT(path)
        assert result.body is not None, result
        return nfs_fh3(result.body.fhandle)

    async def created(self, name: bytes) -> Any:
        """The result of CREATE in the export."""
        how = createhow3(createmode3.GUARDED, sattr(mode=0o644))
        return await self.nfs.NFSPROC3_CREATE(CREATE3args(diropargs3(await self.root(), name), how))


@asynccontextmanager
async def client_of(server: nfs.NfsServer, auth: Any = USER) -> AsyncIterator[Client]:
    link = await dial("tcp", server.host, server.port)
    try:
        yield Client(link, auth)
    finally:
        link.close()


def with_client(
    use: Callable[[Client], Awaitable[None]], *, auth: Any = USER, **options: Any
) -> None:
    """Serve a file system in which everybody may write, and use it."""

    async def scenario() -> None:
        async with (
            nfs.serve(MemoryFileSystem(mode=0o777), **options) as server,
            client_of(server, auth) as client,
        ):
            await use(client)

    run(scenario())


def test_served_file_system_is_mounted_and_written() -> None:
    data = bytes(MIB)

    async def use(client: Client) -> None:
        file = (await client.created(b"a")).body.obj.body
        info: Any = await client.nfs.NFSPROC3_FSINFO(FSINFO3args(file))
        assert info.body.wtmax == MIB

        call = WRITE3args(file, 0, len(data), stable_how.FILE_SYNC, data)
        written: Any = await client.nfs.NFSPROC3_WRITE(call)
        assert written.body.count == MIB

    with_client(use)


def test_super_user_is_squashed_unless_told() -> None:
    async def owner(client: Client) -> None:
        owners.append((await client.created(b"a")).body.obj_attributes.body.uid)

    owners = list[int]()
    with_client(owner, auth=ROOT)
    with_client(owner, auth=ROOT, root_squash=False)

    assert owners == [65534, 0]


def test_read_only_server_refuses_changes() -> None:
    async def use(client: Client) -> None:
        assert (await client.created(b"a")).status is nfsstat3.NFS3ERR_ROFS

    with_client(use, ro=True)


def test_clients_that_are_not_listed_are_refused() -> None:
    async def use(client: Client) -> None:
        result = await client.mount.MOUNTPROC3_MNT(b"/")
        assert result.fhs_status is mountstat3.MNT3ERR_ACCES

    with_client(use, clients=["192.0.2.0/24"])


def test_path_is_what_clients_mount() -> None:
    async def use(client: Client) -> None:
        result = await client.mount.MOUNTPROC3_MNT(b"/")
        assert result.fhs_status is mountstat3.MNT3ERR_ACCES
        assert await client.root(b"/data/new")

    with_client(use, path="/data/new")


def test_hooks_see_the_calls() -> None:
    seen = list[str]()

    @contextmanager
    def hook(call: Call) -> Iterator[None]:
        seen.append(call.procedure.name)
        yield

    async def use(client: Client) -> None:
        await client.root()

    with_client(use, hooks=[hook])

    assert seen == ["MOUNTPROC3_MNT"]


def test_handles_outlive_a_restart_with_a_key() -> None:
    kept = Kept()

    async def opened(key: bytes | None, handle: nfs_fh3 | None) -> tuple[nfs_fh3, nfsstat3, int]:
        async with nfs.serve(kept, key=key) as server, client_of(server) as client:
            handle = handle or await client.root()
            found = await client.nfs.NFSPROC3_GETATTR(GETATTR3args(handle))
            fsid = found.body.obj_attributes.fsid if found.body else 0
            return handle, found.status, fsid

    handle, _, fsid = run(opened(KEY, None))
    _, status, same = run(opened(KEY, handle))
    _, other, _ = run(opened(None, handle))

    assert (status, same) == (nfsstat3.NFS3_OK, fsid)
    assert other is nfsstat3.NFS3ERR_STALE
    assert kept.closed == 3


def test_back_end_is_closed_once_at_the_end() -> None:
    kept = Kept()

    async def scenario() -> None:
        async with nfs.serve(kept):
            assert kept.closed == 0
        with pytest.raises(OSError, match="cannot serve"):
            async with nfs.serve(kept, host="192.0.2.1"):
                pass

    run(scenario())

    assert kept.closed == 2


def test_registered_programs_are_found() -> None:
    async def scenario(mapper: str) -> None:
        async with nfs.serve(MemoryFileSystem(), register=mapper) as server:
            for version in (NFS_V3, NFS_VERSION, MOUNT_V3, MOUNTVERS):
                found = await rpcbind.getaddr(
                    "127.0.0.1", version.prog, version.vers, "tcp", mapper=mapper
                )
                assert found == f"127.0.0.1.{server.port >> 8}.{server.port & 255}"

    with RunningDaemon("-4") as daemon:
        run(scenario(f"127.0.0.1:{daemon.port}"))


def test_places_are_for_clients() -> None:
    async def scenario() -> None:
        async with nfs.serve(MemoryFileSystem(), host="::1", path="/srv") as server:
            ports = f"nfsport={server.port}&mountport={server.port}"
            assert (server.host, server.path) == ("::1", "/srv")
            assert server.url == f"nfs://[::1]/srv?{ports}"
            assert server.url_of("d/a") == f"nfs://[::1]/srv/d/a?{ports}"
            assert server.mount_command == server.commands["Linux"]
            assert f"proto=tcp6,port={server.port}," in server.mount_command
        async with nfs.serve(MemoryFileSystem()) as server:
            assert server.url_of("a").startswith("nfs://127.0.0.1//a?")
            assert server.url.startswith("nfs://127.0.0.1/?")

    run(scenario())


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"clients": ["name.example"]}, "clients are addresses"),
        ({"clients": ["10.*"]}, "clients are addresses"),
        ({"clients": ["gss/krb5"]}, "clients are addresses"),
        ({"clients": [""]}, "clients are addresses"),
        ({"clients": ["10.0.0.0/33"]}, "clients are addresses"),
        ({"path": "srv"}, "path is absolute"),
        ({"path": "/srv/../x"}, "path is absolute"),
        ({"path": "/srv/"}, "path is absolute"),
        ({"path": "/a\n"}, "path is absolute"),
        ({"key": b"short"}, "32 bytes"),
        ({"key": KEY}, "stable_ids"),
        ({"port": 70000}, "invalid port"),
    ],
)
def test_invalid_option_is_refused(options: dict[str, Any], text: str) -> None:
    async def scenario() -> None:
        async with nfs.serve(MemoryFileSystem(), **options):
            pass

    with pytest.raises(ValueError, match=text):
        run(scenario())


@pytest.mark.parametrize("root", [None, "text", b"", bytes(45)])
def test_back_end_needs_a_root(root: Any) -> None:
    files = nfs.FileSystem()
    if root is not None:
        files.root = root

    async def scenario() -> None:
        async with nfs.serve(files):
            pass

    with pytest.raises(ValueError, match="the root of a back end"):
        run(scenario())


def test_other_kinds_are_type_errors() -> None:
    async def scenario(backend: Any, **options: Any) -> None:
        async with nfs.serve(backend, **options):
            pass

    for backend, options in (("files", {}), (Kept(), {"clients": "*"}), (Kept(), {"host": None})):
        with pytest.raises(TypeError):
            run(scenario(backend, **options))


@pytest.mark.parametrize(
    ("clients", "host", "expected"),
    [
        (["192.0.2.1"], "192.0.2.1", True),
        (["192.0.2.1"], "::ffff:192.0.2.1", True),
        (["192.0.2.1"], "192.0.2.2", False),
        (["192.0.2.0/255.255.255.0", "2001:db8::/32"], "2001:db8::7", True),
        (["2001:db8::/32"], "2001:db9::7", False),
        (["fe80::/10"], "fe80::1%lo", True),
        (["*"], "198.51.100.1", True),
        (["*"], "", True),
        (["0.0.0.0/0"], "", False),
        ([], "127.0.0.1", False),
    ],
)
def test_only_listed_clients_have_options(clients: list[str], host: str, expected: bool) -> None:
    found = ListedClients(clients, OPTIONS).options_for(host)

    assert found == (OPTIONS if expected else None)


@pytest.mark.parametrize("name", nfs.__all__)
def test_public_name_is_there_and_listed(name: str) -> None:
    assert getattr(oncrpc.nfs, name) is not None
    assert name in dir(oncrpc.nfs)


def test_unknown_name_is_an_error() -> None:
    with pytest.raises(AttributeError, match=r"module 'oncrpc.nfs' has no attribute 'nothing'"):
        _ = nfs.nothing  # type: ignore[attr-defined]  # that is the point
