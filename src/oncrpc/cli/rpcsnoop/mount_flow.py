"""Choose the messages of mounts (``--follow mount``).

A mount begins with a call to the port mapper for MOUNT or NFS, with a call of MOUNT, or with NULL,
EXCHANGE_ID or SETCLIENTID of NFS. Its calls of NFS are those that clients make before the first
use: it ends with another call, with the reply OK to GETATTR, or with UMNT.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from oncrpc.programs.nfs4 import nfs_opnum4
from oncrpc.snoop.messages import RpcMessage
from oncrpc.snoop.words.bodies import body_of
from oncrpc.snoop.words.compound_files import operations_of_call
from oncrpc.snoop.words.cursor import Cursor, CutShort
from oncrpc.snoop.words.outcomes import status_of
from oncrpc.snoop.words.programs import KnownPrograms

MAX_CLIENTS = 10_000
"""Clients whose mounts are followed; then the oldest mount is forgotten."""

MOUNT_FLOW = "mount"
PORTMAP, NFS, MOUNT = 100000, 100003, 100005
ASKING = {(2, 3), (3, 3), (4, 3), (4, 9), (4, 11)}
"""Versions and procedures that ask for a program: GETPORT, GETADDR, GETVERSADDR, GETADDRLIST."""

UNMOUNTING = (3, 4)
"""UMNT and UMNTALL."""

NULL, GETATTR, COMPOUND = 0, 1, 1
BEFORE_USE = {2: {0, 1, 17}, 3: {0, 1, 4, 18, 19, 20}}
"""Procedures of NFS 2 and 3 in a mount: NULL, GETATTR, ACCESS, and those about the file system."""

BEGINNING = {nfs_opnum4.OP_EXCHANGE_ID, nfs_opnum4.OP_SETCLIENTID}
BEFORE_USE_4 = BEGINNING | {
    nfs_opnum4.OP_SETCLIENTID_CONFIRM, nfs_opnum4.OP_CREATE_SESSION, nfs_opnum4.OP_SEQUENCE,
    nfs_opnum4.OP_RECLAIM_COMPLETE, nfs_opnum4.OP_BIND_CONN_TO_SESSION, nfs_opnum4.OP_PUTROOTFH,
    nfs_opnum4.OP_PUTFH, nfs_opnum4.OP_GETFH, nfs_opnum4.OP_GETATTR, nfs_opnum4.OP_LOOKUP,
    nfs_opnum4.OP_SECINFO, nfs_opnum4.OP_SECINFO_NO_NAME,
}  # fmt: skip
"""Operations of NFS 4 in a mount."""


class MountFlowFilter:
    """Chooses the messages of the mounts of all clients.

    ``_mounting`` has the clients whose mount has begun and has not ended, the oldest first.
    """

    def __init__(self, values: Sequence[str]) -> None:
        if any(value.lower() != MOUNT_FLOW for value in values):
            raise ValueError(f"invalid flow {values[-1]!r}: must be {MOUNT_FLOW}")
        self._mounting: OrderedDict[str, None] = OrderedDict()

    def __call__(self, message: RpcMessage, programs: KnownPrograms) -> bool:
        """True if the message is shown."""
        call = message if message.is_call else message.call
        if call is None or call.prog not in (PORTMAP, NFS, MOUNT):
            return False
        client = call.source.host
        if call.prog != NFS:
            return self._before_nfs(client, call)
        if message.is_call:
            return self._nfs_call(client, call)
        return self._nfs_reply(client, message, programs)

    def _before_nfs(self, client: str, call: RpcMessage) -> bool:
        if call.prog == MOUNT and call.proc in UNMOUNTING:
            self._mounting.pop(client, None)
            return True
        belongs = call.prog == MOUNT or _asks_for_mount(call)
        if belongs:
            self._begin(client)
        return belongs

    def _nfs_call(self, client: str, call: RpcMessage) -> bool:
        if call.vers == 4 and call.proc == COMPOUND:
            begins, belongs = _compound(call)
        else:
            begins = call.proc == NULL
            belongs = begins or call.proc in BEFORE_USE.get(call.vers or 0, ())
        if begins:
            self._begin(client)
        elif not belongs:
            self._mounting.pop(client, None)
        return client in self._mounting

    def _nfs_reply(self, client: str, reply: RpcMessage, programs: KnownPrograms) -> bool:
        shown = client in self._mounting
        if reply.vers in BEFORE_USE and reply.proc == GETATTR:
            status = status_of(reply, programs)
            if status is not None and status.ok:
                self._mounting.pop(client, None)
        return shown

    def _begin(self, client: str) -> None:
        self._mounting[client] = None
        if len(self._mounting) > MAX_CLIENTS:
            self._mounting.popitem(last=False)


def _asks_for_mount(call: RpcMessage) -> bool:
    """True if a call asks the port mapper where MOUNT or NFS is."""
    arguments = body_of(call)
    if (call.vers, call.proc) not in ASKING or arguments is None:
        return False
    try:
        return arguments.uint() in (MOUNT, NFS)
    except CutShort:
        return False


def _compound(call: RpcMessage) -> tuple[bool, bool]:
    """Whether a COMPOUND begins a mount, and whether it may be part of one."""
    arguments: Cursor | None = body_of(call)
    found = {operation.argop for operation in operations_of_call(arguments)}
    return bool(found & BEGINNING), bool(found) and found <= BEFORE_USE_4
