"""The programs that clients of NFS 4 choose for callbacks."""

from __future__ import annotations

from oncrpc.errors import XdrError
from oncrpc.programs.nfs4 import (
    CREATE_SESSION4args,
    SETCLIENTID4args,
    nfs_argop4,
    nfs_opnum4,
)
from oncrpc.snoop.messages import RpcMessage
from oncrpc.snoop.words.cursor import UINT, Cursor, CutShort
from oncrpc.snoop.words.nfs4 import MAX_OPERATIONS
from oncrpc.snoop.words.programs import KnownPrograms
from oncrpc.xdr import codec

CHOOSING = (UINT.pack(nfs_opnum4.OP_SETCLIENTID), UINT.pack(nfs_opnum4.OP_CREATE_SESSION))


def learn_callbacks(message: RpcMessage, at: int, programs: KnownPrograms) -> None:
    """Tell ``programs`` of the program that a COMPOUND chooses; its arguments begin at ``at``."""
    if any(word in message.body for word in CHOOSING):
        for prog in callback_programs(Cursor(message.body, at)):
            programs.add_callback(prog)


def callback_programs(cursor: Cursor) -> list[int]:
    """The programs of SETCLIENTID and CREATE_SESSION in the arguments of COMPOUND."""
    found: list[int] = []
    try:
        cursor.skip_opaque()
        cursor.skip(4)
        for _ in range(min(cursor.uint(), MAX_OPERATIONS)):
            operation, cursor.at = codec(nfs_argop4).decode_from(cursor.data, cursor.at)
            match operation.body:
                case SETCLIENTID4args(callback=callback):
                    found.append(callback.cb_program)
                case CREATE_SESSION4args(csa_cb_program=prog):
                    found.append(prog)
    except (CutShort, XdrError):
        return found
    return found
