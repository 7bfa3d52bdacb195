"""Other servers of this host that have registered our programs: whether they answer, what to do."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

from oncrpc.addr import LOOPBACKS, WILDCARDS, family_of, split_uaddr
from oncrpc.aio.link import dial
from oncrpc.errors import AddressError, OncRpcError
from oncrpc.numbers import program_name
from oncrpc.programs.mount import MOUNTPROG
from oncrpc.programs.nfs3 import NFS_PROGRAM
from oncrpc.programs.nlm import NLM_PROG
from oncrpc.programs.rquota import RQUOTAPROG
from oncrpc.programs.sm_inter import SM_PROG
from oncrpc.rpc import Procedure, Version

PATIENCE = 1.0
"""Seconds for another server to answer."""

ADVICE: Mapping[int, str] = {
    NFS_PROGRAM: "'systemctl disable --now nfs-server' stops the kernel's",
    MOUNTPROG: "'systemctl disable --now nfs-server' stops rpc.mountd",
    NLM_PROG: "the kernel's, if this host mounts NFS 2 or 3 itself: unmount, or mount with nolock"
    " or vers=4",
    SM_PROG: "it gets the notices of other hosts; 'systemctl disable --now rpc-statd' stops"
    " rpc.statd",
    RQUOTAPROG: "'systemctl disable --now rpc-rquotad' stops rpc.rquotad",
}
"""What to do about another server of a program."""


class ProgramPlace(NamedTuple):
    """A version of a program on a transport, and its universal address."""

    prog: int
    vers: int
    netid: str
    uaddr: str


Answers = Callable[[ProgramPlace], Awaitable[bool]]


def foreign_text(prog: int, uaddr: str) -> str:
    """The text about another server of a program, with the next step."""
    name = program_name(prog) or f"program {prog}"
    text = f"{name} is registered at {_shown_place(uaddr)}, by another server"
    return f"{text} ({ADVICE[prog]})" if prog in ADVICE else text


def _shown_place(uaddr: str) -> str:
    """The port of a universal address, and the host; the address itself if it is not one."""
    try:
        host, port = split_uaddr(uaddr)
    except AddressError:
        return uaddr
    return f"port {port} of {host}"


async def answers_call(place: ProgramPlace) -> bool:
    """Whether a server of this host answers NULL there."""
    declared = {"NULL": Procedure[None](0)}
    version: Any = type("Asked", (Version,), declared, prog=place.prog, vers=place.vers)
    try:
        async with asyncio.timeout(PATIENCE):
            host, port = split_uaddr(place.uaddr)
            if host in WILDCARDS.values():
                host = LOOPBACKS[family_of(host)]
            link = await dial(place.netid, host, port, timeout=PATIENCE)
            try:
                await link.call(version.NULL)
            finally:
                link.close()
    except (OncRpcError, OSError, ValueError):
        return False
    return True
