"""The programs that clients of NFS 4 choose for callbacks."""

from __future__ import annotations

from oncrpc.programs import nfs4
from oncrpc.programs.nfs4 import NFS_CB, NFS_V4, nfs_opnum4
from oncrpc.snoop.messages import RpcMessage
from oncrpc.snoop.words.callbacks import callback_programs
from oncrpc.snoop.words.cursor import Cursor
from oncrpc.snoop.words.line import line_of
from oncrpc.snoop.words.programs import KnownPrograms
from support.wire_messages import seen_call

CHOSEN = 0x40001234
COMPOUND = NFS_V4.NFSPROC4_COMPOUND


def introduction() -> nfs4.COMPOUND4args:
    """A client makes itself known, and says where it takes callbacks."""
    callback = nfs4.cb_client4(CHOSEN, nfs4.netaddr4(b"tcp", b"192.0.2.1.3.9"))
    args = nfs4.SETCLIENTID4args(nfs4.nfs_client_id4(b"v" * 8, b"client"), callback, 1)
    return nfs4.COMPOUND4args(b"", 0, [nfs4.nfs_argop4(nfs_opnum4.OP_SETCLIENTID, args)])


def callback() -> RpcMessage:
    call = seen_call(NFS_CB.CB_NULL)
    return call._replace(prog=CHOSEN)


def test_chosen_program_is_read_as_callbacks() -> None:
    programs = KnownPrograms()

    assert line_of(callback(), programs).startswith("RPC C XID=7 PROG=1073746484 (transient)")
    line = line_of(seen_call(COMPOUND, introduction()), programs)
    assert line == ("NFS C 4 () SETCLIENTID Prog=1073746484 ID=tcp Addr=192.0.2.1.3.9 CBID=1")
    assert line_of(callback(), programs) == "NFS C CB_NULL"


def test_session_names_the_program_too() -> None:
    limits = nfs4.channel_attrs4(0, 1, 1, 1, 1, 1, [])
    args = nfs4.CREATE_SESSION4args(1, 1, 0, limits, limits, CHOSEN, [])
    operations = [nfs4.nfs_argop4(nfs_opnum4.OP_CREATE_SESSION, args)]
    wire = COMPOUND.encode_arguments((nfs4.COMPOUND4args(b"", 1, operations),))

    assert callback_programs(Cursor(wire)) == [CHOSEN]


def test_cut_call_names_no_program() -> None:
    wire = COMPOUND.encode_arguments((introduction(),))

    assert [callback_programs(Cursor(wire[:size])) for size in range(len(wire))] == [[]] * len(wire)
