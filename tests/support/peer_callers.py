"""The same call made by a C client, our blocking client and our asyncio client.

What comes back is a list of outcomes: of the call, and of NULL after it over the same connection.
"""

from __future__ import annotations

import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import ModuleType, new_class
from typing import Annotated, Any, NamedTuple

from oncrpc import connect, rpc, sync, xdr
from oncrpc.addr import split_uaddr
from oncrpc.errors import (
    AuthError,
    CallError,
    GarbageArguments,
    ProcedureUnavailable,
    ProgramMismatch,
    ProgramUnavailable,
    RpcMismatch,
    SystemFailure,
)
from oncrpc.rpc import AUTH_NONE, AnyProcedure, Procedure, Version
from oncrpc.rpc.prot import opaque_auth
from support.compiled import module_of
from support.hosts import Host, compiled
from support.loops import run
from support.namespace import DEADLINE, PYTHON, need
from support.refusing_server import FOLDER, OURS, TEXT, THEIRS, numbers_of, refuse

ADDRESSES = {
    "udp": "127.0.0.1", "tcp": "10.9.0.1", "udp6": "::1", "tcp6": "::1", "local": "localhost"
}  # fmt: skip
STATUSES: dict[str, type[CallError] | None] = {
    "RPC_SUCCESS": None,
    "RPC_VERSMISMATCH": RpcMismatch,
    "RPC_AUTHERROR": AuthError,
    "RPC_PROGUNAVAIL": ProgramUnavailable,
    "RPC_PROGVERSMISMATCH": ProgramMismatch,
    "RPC_PROCUNAVAIL": ProcedureUnavailable,
    "RPC_CANTDECODEARGS": GarbageArguments,
    "RPC_SYSTEMERROR": SystemFailure,
}
"""``clnt_stat`` and our exception for the same reply."""

Outcome = tuple[type[CallError] | None, tuple[int, ...]]
"""How a call ended: refused, with which numbers, or None and no numbers."""

SERVERS = ("C server", "our server")
DATAGRAMS = ("udp", "udp6")
SUCCESS: Outcome = (None, ())


class Attempt(NamedTuple):
    """A call without results; of program ``beside`` numbers after the one that is served."""

    proc: int = 0
    arguments: bytes = b""
    beside: int = 0
    vers: int = 3
    cred: opaque_auth = AUTH_NONE


class Peer(NamedTuple):
    """A server that runs on a host: its program, the interface with that number, its local socket.

    ``client`` is the compiled C client.
    """

    host: Host
    prog: int
    interface: ModuleType
    path: str
    client: Path

    def by_c(self, netid: str, command: str) -> list[str]:
        """The output lines of the C client, which must succeed."""
        done = self.host.run(self.c_command(netid, command))
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    def c_command(self, netid: str, command: str) -> list[str]:
        """The command line of the C client for this program."""
        return [str(self.client), netid, ADDRESSES[netid], str(self.prog), *command.split()]

    def where(self, netid: str) -> str:
        """The host or path that our clients are given."""
        return self.host.path(self.path) if netid == "local" else ADDRESSES[netid]

    def address(self, netid: str) -> Any:
        """The socket address that is registered, for raw sockets."""
        if netid == "local":
            return self.path
        found = {entry.r_netid.decode(): entry for entry in self.host.registered(self.prog)}
        _, port = split_uaddr(found[netid].r_addr.decode())
        return ADDRESSES[netid], port


Talk = Callable[[rpc.Client], Awaitable[Any]]


def blocking(peer: Peer, netid: str, talk: Talk) -> Any:
    """Run a conversation over a blocking link."""
    client = peer.interface.REFUSE_3.Client
    with (
        peer.host.network(),
        sync.connect(peer.where(netid), client, transport=netid, timeout=DEADLINE) as calling,
    ):
        return sync.run(talk(calling.client))  # type: ignore[arg-type]  # a coroutine


def asynchronous(peer: Peer, netid: str, talk: Talk) -> Any:
    """Run a conversation over asyncio."""

    async def scenario() -> Any:
        client = peer.interface.REFUSE_3.Client
        async with connect(peer.where(netid), client, transport=netid) as calling:
            return await talk(calling)

    with peer.host.network():
        return run(scenario())


OUR_CLIENTS = {"blocking client": blocking, "asyncio client": asynchronous}
CLIENTS = ("C client", *OUR_CLIENTS)


def outcomes(caller: str, peer: Peer, netid: str, attempt: Attempt) -> list[Outcome]:
    """The outcomes of the attempt and of NULL after it."""
    if caller in OUR_CLIENTS:
        return list(OUR_CLIENTS[caller](peer, netid, lambda client: _both(client, attempt)))
    flavor, body = attempt.cred.flavor, attempt.cred.body
    numbers = f"{peer.prog + attempt.beside} {attempt.vers} {attempt.proc} {flavor:d}"
    command = f"call {numbers} {body.hex() or '-'} {attempt.arguments.hex() or '-'}"
    return [outcome_of(line) for line in peer.by_c(netid, command)]


def outcome_of(line: str) -> Outcome:
    """The outcome printed by the C client."""
    name, *numbers = line.split()
    return STATUSES[name], tuple(map(int, numbers))


def seen(refusal: CallError) -> Outcome:
    """The outcome of a call that is refused so."""
    return type(refusal), numbers_of(refusal)


async def _both(client: rpc.Client, attempt: Attempt) -> list[Outcome]:
    return [await _outcome(client, attempt), await _outcome(client, Attempt())]


async def _outcome(client: rpc.Client, attempt: Attempt) -> Outcome:
    procedure = _procedure(client.version, attempt)
    arguments = [attempt.arguments] * len(procedure.arguments)
    try:
        await client.with_options(auth=attempt.cred).call(procedure, *arguments)
    except CallError as refusal:
        return seen(refusal)
    return SUCCESS


def _procedure(version: type[Version], attempt: Attempt) -> AnyProcedure:
    """A procedure whose arguments are bytes as they are."""
    raw = [Annotated[bytes, xdr.fixed(len(attempt.arguments))]] if attempt.arguments else []
    made = {"CALLED": Procedure[None](attempt.proc, *raw)}
    place = {"prog": version.prog + attempt.beside, "vers": attempt.vers}
    new_class("Attempted", (Version,), place, lambda body: body.update(made))
    return made["CALLED"]


def built(folder: Path) -> Path:
    """Compile the C client and the C server there."""
    need("rpcgen", "gcc", "/usr/include/tirpc/rpc/rpc.h")
    for source in FOLDER.iterdir():
        shutil.copy(source, folder)
    for option, name in (("-h", "refuse.h"), ("-c", "refuse_xdr.c")):
        compiled(["rpcgen", "-C", "-N", option, "-o", name, "refuse.x"], folder)
    flags = ["-w", "-D_GNU_SOURCE", "-I.", "-I/usr/include/tirpc"]
    for name in ("refuse_client", "refuse_server"):
        compiled(["gcc", *flags, "-o", name, f"{name}.c", "refuse_xdr.c", "-ltirpc"], folder)
    return folder


def peers(host: Host, folder: Path) -> dict[str, Peer]:
    """Both servers, started on a host with a port mapper."""
    theirs = module_of(TEXT.replace(str(OURS), str(THEIRS)), "refuse.x")
    commands = {
        "C server": ((str(folder / "refuse_server"), str(THEIRS)), THEIRS, theirs),
        "our server": ((PYTHON, "-m", "support.refusing_server"), OURS, refuse),
    }
    made = {}
    for name, (command, prog, interface) in commands.items():
        path = f"/run/refuse_{prog}.sock"
        started = host.popen([*command, path])
        assert started.stdout is not None
        assert started.stdout.readline() == "ready\n", name
        made[name] = Peer(host, prog, interface, path, folder / "refuse_client")
    return made
