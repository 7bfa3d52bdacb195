"""Servers whose answers a scenario chooses, and a client that mounts in the usual way."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from struct import pack, unpack_from
from typing import cast

from oncrpc.addr import join_uaddr
from oncrpc.portmap.procedures import Mapper
from oncrpc.portmap.registry import Registry
from oncrpc.programs.rpcb import rpcb
from oncrpc.rpc import Caller
from oncrpc.rpc.dispatch import Dispatcher
from support.mount_client import MOUNT, NFS, MountClient, MountFailed, opaque
from support.mount_lab import MountLab, Site
from support.scripted_server import Handle

MOUNT_PORT, NLM_PORT = 20048, 32803
HANDLE = bytes(range(32))
FLAVOR_UNIX = pack(">II", 1, 1)
OK = bytes(4)
ROOT_OK = OK + bytes(100)
FSINFO, GETATTR, READDIRPLUS = 19, 1, 17
STALE, JUKEBOX = 70, 10008
SILENCE = None

Answer = bytes | None | Callable[[], bytes | None]
"""What follows the xid of a reply; None is silence."""

Programs = Mapping[tuple[int, int], Answer]


def accepted(results: bytes = b"", *, stat: int = 0) -> bytes:
    """An accepted reply without its xid."""
    return pack(">IIIII", 1, 0, 0, 0, stat) + results


def rejected(why: int) -> bytes:
    """A reply that rejects the credential."""
    return pack(">IIII", 1, 1, 1, why)


HEALTHY: dict[tuple[int, int], Answer] = {
    (MOUNT, 1): accepted(OK + opaque(HANDLE) + FLAVOR_UNIX),
    (NFS, FSINFO): accepted(ROOT_OK),
    (NFS, GETATTR): accepted(ROOT_OK),
}
"""The answers of MOUNT and NFS that are not NULL."""


def programs(answers: Programs) -> Handle:
    """A server with these answers by program and procedure; NULL is always answered."""

    def handle(message: bytes) -> bytes | None:
        prog, _, proc = unpack_from(">III", message, 12)
        answer = answers.get((prog, proc), accepted() if proc == 0 else SILENCE)
        answer = answer() if callable(answer) else answer
        return message[:4] + answer if answer else answer

    return handle


def port_mapper(site: Site, *entries: tuple[int, int, str, int]) -> Handle:
    """Our port mapper with registrations: program, version, netid, port."""
    registry = Registry(limit=100)
    for prog, vers, netid, port in entries:
        uaddr = join_uaddr(site.server, port).encode()
        assert registry.set(rpcb(prog, vers, netid.encode(), uaddr, b"superuser"))
    mapper = Mapper(registry, is_ours=lambda host: host == site.server)
    dispatcher = Dispatcher(mapper.services(), clock=time.monotonic)
    caller = Caller("udp", (site.client, 700, 0), (site.server, 111, 0), datagram=True)
    return lambda message: cast(bytes | None, dispatcher.handle(message, caller))


USUAL = (
    (MOUNT, 3, "udp", MOUNT_PORT), (MOUNT, 3, "tcp", MOUNT_PORT), (NFS, 3, "tcp", 2049),
    (NFS, 3, "udp", 2049),
)  # fmt: skip


def without(*progs: int) -> tuple[tuple[int, int, str, int], ...]:
    """The usual registrations, but not those of some programs."""
    return tuple(entry for entry in USUAL if entry[0] not in progs)


def rule(site: Site, what: str) -> None:
    """Let the server's kernel do that with packets: ``ipproto tcp dport 2049 blackhole``."""
    site.host.sh(f"ip rule add pref 10 to {site.server} {what}")


def mounts(lab: MountLab, site: Site, **options: object) -> Site:
    """A client mounts in the usual way, as far as it gets."""
    reserved = bool(options.pop("reserved", True))
    with (
        MountClient(lab.client, site.server, reserved=reserved) as client,
        suppress(MountFailed),
    ):
        client.mount(**options)  # type: ignore[arg-type]  # options of that method
    return site


def scripted(lab: MountLab, answers: Programs, *entries: tuple[int, int, str, int]) -> Site:
    """A site with our port mapper, and MOUNT and NFS whose answers differ from healthy ones."""
    site = lab.site()
    lab.serve(site, port_mapper(site, *(entries or USUAL)), 111)
    lab.serve(site, programs(HEALTHY | dict(answers)), MOUNT_PORT, 2049)
    return site
