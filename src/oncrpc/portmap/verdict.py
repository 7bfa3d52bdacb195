"""Whether the endpoint of a registration is there, judged by the sockets of this host."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Collection, Set
from enum import Enum, auto

from oncrpc.addr import split_uaddr
from oncrpc.errors import AddressError
from oncrpc.host.bound_sockets import LOCAL, MAPPED, Bound
from oncrpc.programs.portmap import PMAP_PROG
from oncrpc.programs.rpcb import rpcb

NFSD, LOCKD = "/proc/fs/nfsd/threads", "/proc/fs/lockd"
KERNEL_PROGRAMS = {100003: NFSD, 100227: NFSD, 100021: LOCKD}
"""Programs that the kernel may serve (nfs, nfs_acl, nlockmgr), and a path that exists then."""

IsOurs = Callable[[str], bool]


class Verdict(Enum):
    """The state of the endpoint of a registration, as far as it is known."""

    BOUND = auto()
    GONE = auto()
    UNLISTED = auto()
    """A local socket that the kernel does not list; a connection has to be tried."""

    UNKNOWN = auto()


def judge(entry: rpcb, bound: Bound, *, is_ours: IsOurs, kernel: Collection[int] = ()) -> Verdict:
    """Whether a socket is bound to the address of a registration.

    UNKNOWN are the programs in ``kernel``, which the kernel may be serving; the port mapper's own;
    addresses of other hosts; port 0; and transports other than UDP, TCP and local sockets.
    """
    if entry.r_prog == PMAP_PROG or entry.r_prog in kernel:
        return Verdict.UNKNOWN
    netid = entry.r_netid.decode("ascii", "replace").lower()
    if netid in LOCAL:
        return _judge_path(entry.r_addr, bound)
    places = bound.places.get(netid)
    try:
        host, port = split_uaddr(entry.r_addr.decode("ascii", "replace"))
    except AddressError:
        return Verdict.UNKNOWN
    if places is None or port == 0:
        return Verdict.UNKNOWN
    return _judge_port(host, port.to_bytes(2, "big"), places, is_ours)


def _judge_path(path: bytes, bound: Bound) -> Verdict:
    if bound.paths is None or not path.startswith((b"/", b"@")):
        return Verdict.UNKNOWN
    return Verdict.BOUND if path in bound.paths else Verdict.UNLISTED


def _judge_port(host: str, port: bytes, places: Set[bytes], is_ours: IsOurs) -> Verdict:
    packed = socket.inet_pton(socket.AF_INET6 if ":" in host else socket.AF_INET, host)
    everywhere = bytes(len(packed))
    if packed == everywhere:
        return Verdict.BOUND if port in places else Verdict.GONE
    if port + packed in places or port + everywhere in places:
        return Verdict.BOUND
    if packed.startswith(MAPPED) or not is_ours(host):
        return Verdict.UNKNOWN
    return Verdict.GONE


def kernel_programs() -> frozenset[int]:
    """The programs that the kernel may be serving now: its sockets say nothing about those."""
    return frozenset(prog for prog, path in KERNEL_PROGRAMS.items() if os.path.exists(path))
