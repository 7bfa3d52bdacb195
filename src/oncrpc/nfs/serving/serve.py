"""``oncrpc.nfs.serve``: a file system of a Python program, served over NFS."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, closing, suppress
from hashlib import blake2b

from oncrpc.addr import family_of, is_numeric
from oncrpc.aio.limits import Limits
from oncrpc.aio.serve import serve as serve_programs
from oncrpc.aio.server import Server
from oncrpc.checks import check_kind
from oncrpc.client.port_mapper import MapperClient
from oncrpc.nfs.exports.clients import ClientPattern, PatternClass, address_of, client_of
from oncrpc.nfs.exports.places import BadExport
from oncrpc.nfs.filesystem import MAX_ID, FileSystem
from oncrpc.nfs.handles import KEY_SIZE, Handles
from oncrpc.nfs.options import ExportOptions
from oncrpc.nfs.server.duplicates import NfsDuplicates
from oncrpc.nfs.server.mount import MountProgram
from oncrpc.nfs.server.mount_list import MountList
from oncrpc.nfs.server.mount_walk import normalised
from oncrpc.nfs.server.nfs2 import Nfs2
from oncrpc.nfs.server.nfs3 import Nfs3
from oncrpc.nfs.server.nfsacl import NfsAcl2, NfsAcl3
from oncrpc.nfs.server.shares import Share, Shares
from oncrpc.nfs.server.sizes import with_room
from oncrpc.nfs.serving.mount_commands import ServerPlace, commands, reached_by, url_of
from oncrpc.rpc.program import Hook, Service

TAG = 1
LOOPBACK = ("127.0.0.0/8", "::1")


class NfsServer:
    """A file system that is served; made by ``serve``.

    ``host`` and ``port`` are where clients reach NFS and MOUNT, ``path`` is what they mount.
    """

    def __init__(self, server: Server, path: str) -> None:
        bound, self.port = next(iter(server.endpoints.values()))
        self._server, self.host, self.path = server, reached_by(bound), path
        self._place = ServerPlace(self.host, self.port, self.port)

    @property
    def url(self) -> str:
        """The URL of the exported directory, for libnfs and what is built on it."""
        return self.url_of("")

    def url_of(self, file: str) -> str:
        """The URL of a file, by its path below the exported directory: ``"folder/name"``."""
        # libnfs mounts what is before the last slash, and that must not be empty.
        return url_of(self._place, f"{self.path}/{file}" if file else self.path)

    @property
    def mount_command(self) -> str:
        """The command that mounts it on ``/mnt`` of a Linux client, as root."""
        return self.commands["Linux"]

    @property
    def commands(self) -> dict[str, str]:
        """The command for each kind of client: ``"Linux"``, ``"macOS"`` and ``"libnfs"``."""
        return dict(commands(self._place, self.path))

    async def wait(self) -> None:
        """Wait until SIGTERM or SIGINT, or until cancelled."""
        await self._server.wait()


@asynccontextmanager
async def serve(
    backend: FileSystem,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    path: str = "/",
    clients: Sequence[str] = LOOPBACK,
    ro: bool = False,
    root_squash: bool = True,
    key: bytes | None = None,
    register: bool | str | MapperClient = False,
    hooks: Sequence[Hook] = (),
) -> AsyncIterator[NfsServer]:
    """Serve a file system by NFS 2 and 3, MOUNT and NFSACL over TCP, while the context lasts.

    ::

        async with oncrpc.nfs.serve(MyFileSystem()) as server:
            print(server.mount_command)
            await server.wait()

    Only this host can use it, unless you say where to listen and who may come:
    ``host="0.0.0.0", clients=["192.0.2.0/24"]``. Clients are addresses, networks, or ``"*"``.
    A call says which user makes it, and nothing proves that. ``ro`` and ``root_squash`` are the
    options of exports(5), ``register`` and ``hooks`` those of ``oncrpc.serve``. ``path`` is what
    clients mount, whatever the back end is. The back end is closed when the context ends.

    There is no lock manager: the commands mount with ``nolock``.

    Handles are signed with a random key: after a restart clients have to mount again. If ids are
    valid longer (``features.stable_ids``), give 32 secret bytes as the ``key``, and the same port.

    Raises:
        OSError: an address cannot be bound. NotRegistered: the port mapper refused.
        ValueError, TypeError: an argument, or the root of the back end, is not valid.
    """
    options = ExportOptions(ro=ro, secure=False, root_squash=root_squash)
    services = services_of(backend, path, ListedClients(clients, options), key=key)
    with closing(backend):
        async with serve_programs(
            *services,
            transports=[_netid(host)],
            host=host,
            port=port,
            register=register,
            hooks=hooks,
            duplicates=NfsDuplicates(),
            limits=with_room(Limits()),
        ) as server:
            yield NfsServer(server, path)


def services_of(
    backend: FileSystem, path: str, rules: ListedClients, *, key: bytes | None = None
) -> list[Service]:
    """The programs that serve one file system. Without a key it is a random one.

    Raises:
        ValueError, TypeError: as ``serve``.
    """
    _check_backend(backend, key)
    _check_path(path)
    key = key or secrets.token_bytes(KEY_SIZE)
    # Clients tell file systems apart by this number, also after a restart.
    fsid = int.from_bytes(blake2b(key, digest_size=8, person=b"fsid").digest(), "big")
    shares = Shares(Handles(key))
    shares.replace([Share(TAG, path.encode(), backend, rules, fsid=fsid)])
    mount = MountProgram(shares, MountList())
    return [Nfs3(shares), Nfs2(shares), NfsAcl3(shares), NfsAcl2(shares), *mount.services()]


class ListedClients:
    """The rules of an export with the same options for all clients that are listed.

    Raises:
        ValueError: a client is not an address, a network or ``*``.
    """

    def __init__(self, clients: Iterable[str], options: ExportOptions) -> None:
        if isinstance(clients, str):
            raise TypeError(f"clients are a sequence, such as [{clients!r}], not {clients!r}")
        self.options, self.patterns = options, [_pattern(each) for each in clients]

    def options_for(self, host: str) -> ExportOptions | None:
        """The options for a client's address; None if it is not listed."""
        address = address_of(host)
        for pattern in self.patterns:
            if pattern.kind is PatternClass.ANONYMOUS:
                return self.options
            if address is not None and pattern.covers(address):
                return self.options
        return None


def _pattern(client: str) -> ClientPattern:
    with suppress(BadExport):
        found = client_of(client)
        if client and not found.needs_names and found.kind is not PatternClass.GSS:
            return found
    raise ValueError(f"clients are addresses, networks or '*', not {client!r}")


def _check_backend(backend: FileSystem, key: bytes | None) -> None:
    """Refuse what could not be served, before anything is bound."""
    check_kind("backend", backend, FileSystem)
    check_kind("key", key, bytes, type(None))
    root = getattr(backend, "root", None)
    if not isinstance(root, bytes) or not 1 <= len(root) <= MAX_ID:
        raise ValueError(f"the root of a back end is an id of 1 to {MAX_ID} bytes, not {root!r}")
    if key is not None and len(key) != KEY_SIZE:
        raise ValueError(f"the key has {KEY_SIZE} bytes, not {len(key)}")
    if key is not None and not backend.features.stable_ids:
        raise ValueError("a key is for back ends whose ids outlive a restart (stable_ids)")


def _check_path(path: str) -> None:
    check_kind("path", path, str)
    valid = path.startswith("/") and path.isprintable()
    if not valid or normalised(path.encode()) != path.encode():
        raise ValueError(f"path is absolute, without '.', '..' and needless slashes, not {path!r}")


def _netid(host: str) -> str:
    check_kind("host", host, str)
    numeric = is_numeric(host)
    return "tcp6" if numeric and family_of(host.partition("%")[0]) == "inet6" else "tcp"
