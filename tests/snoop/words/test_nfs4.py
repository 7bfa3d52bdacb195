"""Lines of NFS, version 4: operation by operation."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings

from oncrpc.programs import nfs4
from oncrpc.programs.nfs4 import NFS_CB, NFS_V4, nfs_cb_opnum4, nfs_opnum4, nfsstat4
from oncrpc.snoop.words.line import line_of
from oncrpc.snoop.words.programs import KnownPrograms
from oncrpc.testing import values_of
from support.wire_messages import (
    answered,
    call_line,
    cut_message,
    reply_line,
    seen_bytes,
    seen_call,
)

COMPOUND = NFS_V4.NFSPROC4_COMPOUND
HANDLE = bytes.fromhex("12340000")
STATE = nfs4.stateid4(3, bytes.fromhex("56780000") + b"\0" * 8)
OWNER = nfs4.state_owner4(9, bytes.fromhex("00000042"))
NO_ATTRIBUTES = nfs4.fattr4([], b"")
CHANGE = nfs4.change_info4(True, 1, 2)
OK = nfsstat4.NFS4_OK


def arg(operation: nfs_opnum4, body: Any = None) -> nfs4.nfs_argop4:
    return nfs4.nfs_argop4(operation, body)


def compound(*operations: nfs4.nfs_argop4, tag: bytes = b"") -> str:
    return call_line(COMPOUND, nfs4.COMPOUND4args(tag, 0, list(operations)))


def results(*operations: tuple[nfs_opnum4, Any], status: nfsstat4 = OK) -> str:
    made = [nfs4.nfs_resop4(operation, result) for operation, result in operations]
    return reply_line(COMPOUND, nfs4.COMPOUND4res(status, b"", made))


def test_compound_shows_each_operation() -> None:
    line = compound(
        arg(nfs_opnum4.OP_PUTFH, nfs4.PUTFH4args(HANDLE)),
        arg(nfs_opnum4.OP_LOOKUP, nfs4.LOOKUP4args(b"notes")),
        arg(nfs_opnum4.OP_GETFH),
        arg(nfs_opnum4.OP_GETATTR, nfs4.GETATTR4args([0x10011A, 0xB0A23A])),
        tag=b"lookup",
    )

    assert line == "NFS C 4 (lookup) PUTFH FH=00AF LOOKUP notes GETFH GETATTR 10011a b0a23a"


def test_open_shows_name_share_and_owner() -> None:
    how = nfs4.openflag4(
        nfs4.opentype4.OPEN4_CREATE,
        nfs4.createhow4(nfs4.createmode4.GUARDED4, NO_ATTRIBUTES),
    )
    claim = nfs4.open_claim4(nfs4.open_claim_type4.CLAIM_NULL, b"notes")

    line = compound(arg(nfs_opnum4.OP_OPEN, nfs4.OPEN4args(7, 3, 0, OWNER, how, claim)))

    assert line == "NFS C 4 () OPEN notes OT=CR(G) SQ=7 CT=N AC=RW DN=N OO=0005"


def test_read_and_write_show_state_and_place() -> None:
    read = nfs4.READ4args(STATE, 2**40, 4096)
    every = nfs4.stateid4(0, b"\0" * 12)
    write = nfs4.WRITE4args(every, 5, nfs4.stable_how4.FILE_SYNC4, b"abc")

    line = compound(arg(nfs_opnum4.OP_READ, read), arg(nfs_opnum4.OP_WRITE, write))

    assert line == (
        "NFS C 4 () READ ST=09F3:3 at 1099511627776 for 4096 WRITE ST=SPC0 at 5 for 3 (FSYNC)"
    )


def test_lock_shows_range_and_owner() -> None:
    first = nfs4.locker4(True, nfs4.open_to_lock_owner4(1, STATE, 2, OWNER))
    lock = nfs4.LOCK4args(nfs4.nfs_lock_type4.WRITE_LT, False, 0, 10, first)

    line = compound(arg(nfs_opnum4.OP_LOCK, lock))

    assert line == "NFS C 4 () LOCK WR 0:10 OSQ=1 OST=09F3:3 LSQ=2 LO=0005"


def test_session_and_slot_are_shown() -> None:
    sequence = nfs4.SEQUENCE4args(b"\0\0\0\7" + b"\0" * 12, 5, 1, 2, False)

    line = compound(arg(nfs_opnum4.OP_SEQUENCE, sequence), arg(nfs_opnum4.OP_PUTROOTFH))

    assert line == "NFS C 4 () SEQUENCE SE=0063 SQ=5 Slot=1 PUTROOTFH"


def test_results_have_a_status_each() -> None:
    line = results(
        (nfs_opnum4.OP_PUTFH, nfs4.PUTFH4res(OK)),
        (nfs_opnum4.OP_READ, nfs4.READ4res(OK, nfs4.READ4resok(True, b"abc"))),
        (nfs_opnum4.OP_GETFH, nfs4.GETFH4res(OK, nfs4.GETFH4resok(HANDLE))),
        (nfs_opnum4.OP_LOOKUP, nfs4.LOOKUP4res(nfsstat4.NFS4ERR_NOENT)),
        status=nfsstat4.NFS4ERR_NOENT,
    )

    assert line == (
        "NFS R 4 () NFS4ERR_NOENT PUTFH NFS4_OK READ NFS4_OK (3 bytes) EOF"
        " GETFH NFS4_OK FH=00AF LOOKUP NFS4ERR_NOENT"
    )


def test_denied_lock_shows_the_holder() -> None:
    denied = nfs4.LOCK4denied(0, 10, nfs4.nfs_lock_type4.WRITE_LT, OWNER)

    line = results((nfs_opnum4.OP_LOCK, nfs4.LOCK4res(nfsstat4.NFS4ERR_DENIED, denied)))

    assert line == "NFS R 4 () NFS4_OK LOCK NFS4ERR_DENIED WR 0:10 LO=0005"


def test_open_result_shows_state_and_delegation() -> None:
    none = nfs4.open_delegation4(nfs4.open_delegation_type4.OPEN_DELEGATE_NONE, None)
    opened = nfs4.OPEN4resok(STATE, CHANGE, 2, [], none)

    line = results((nfs_opnum4.OP_OPEN, nfs4.OPEN4res(OK, opened)))

    assert line == "NFS R 4 () NFS4_OK OPEN NFS4_OK ST=09F3:3 Flags=2 DT=N"


def test_delegation_shows_state_and_limit() -> None:
    limit = nfs4.nfs_space_limit4(nfs4.limit_by4.NFS_LIMIT_SIZE, 4096)
    everyone = nfs4.nfsace4(0, 0, 0, b"")
    body = nfs4.open_write_delegation4(STATE, False, limit, everyone)
    write = nfs4.open_delegation4(nfs4.open_delegation_type4.OPEN_DELEGATE_WRITE, body)
    opened = nfs4.OPEN4resok(STATE, CHANGE, 0, [], write)

    line = results((nfs_opnum4.OP_OPEN, nfs4.OPEN4res(OK, opened)))

    assert line == "NFS R 4 () NFS4_OK OPEN NFS4_OK ST=09F3:3 DT=W DST=09F3:3 LB=SZ(4096)"


def test_reclaimed_open_shows_its_delegation() -> None:
    how = nfs4.openflag4(nfs4.opentype4.OPEN4_NOCREATE, None)
    read = nfs4.open_delegation_type4.OPEN_DELEGATE_READ
    claim = nfs4.open_claim4(nfs4.open_claim_type4.CLAIM_PREVIOUS, read)

    line = compound(arg(nfs_opnum4.OP_OPEN, nfs4.OPEN4args(7, 1, 0, OWNER, how, claim)))

    assert line == "NFS C 4 () OPEN OT=NC SQ=7 CT=P DT=R AC=R DN=N OO=0005"


def test_unknown_status_is_shown_by_its_number() -> None:
    line = results((nfs_opnum4.OP_PUTFH, nfs4.PUTFH4res(nfsstat4(20000))))

    assert line == "NFS R 4 () NFS4_OK PUTFH nfsstat4_20000"


def test_unknown_operation_ends_the_line() -> None:
    known = arg(nfs_opnum4.OP_PUTROOTFH)
    wire = bytearray(COMPOUND.encode_arguments((nfs4.COMPOUND4args(b"", 0, [known, known]),)))
    wire[-4:] = (99).to_bytes(4, "big")

    line = line_of(seen_bytes(COMPOUND, bytes(wire)), KnownPrograms())

    assert line == "NFS C 4 () PUTROOTFH op 99 ..."


def test_write_without_its_data_shows_its_size() -> None:
    write = nfs4.WRITE4args(STATE, 5, nfs4.stable_how4.UNSTABLE4, b"a" * 4000)
    operations = [arg(nfs_opnum4.OP_WRITE, write), arg(nfs_opnum4.OP_GETFH)]
    call = seen_call(COMPOUND, nfs4.COMPOUND4args(b"", 0, operations))

    line = line_of(cut_message(call, 128), KnownPrograms())

    assert line == "NFS C 4 () WRITE ST=09F3:3 at 5 for 4000 (ASYNC) ..."


def test_read_without_its_data_shows_its_size() -> None:
    read = nfs4.READ4res(OK, nfs4.READ4resok(False, b"a" * 4000))
    result = nfs4.COMPOUND4res(OK, b"", [nfs4.nfs_resop4(nfs_opnum4.OP_READ, read)])
    reply = answered(seen_bytes(COMPOUND, b""), COMPOUND, result)

    line = line_of(cut_message(reply, 128), KnownPrograms())

    assert line == "NFS R 4 () NFS4_OK READ NFS4_OK (4000 bytes) ..."


def test_null_procedures_have_names() -> None:
    assert call_line(NFS_V4.NFSPROC4_NULL) == "NFS C NULL4"
    assert reply_line(NFS_V4.NFSPROC4_NULL, None) == "NFS R NULL4"
    assert call_line(NFS_CB.CB_NULL) == "NFS C CB_NULL"


def test_callback_shows_each_operation() -> None:
    recall = nfs4.nfs_cb_argop4(
        nfs_cb_opnum4.OP_CB_RECALL, nfs4.CB_RECALL4args(STATE, False, HANDLE)
    )
    done = nfs4.nfs_cb_resop4(nfs_cb_opnum4.OP_CB_RECALL, nfs4.CB_RECALL4res(OK))

    line = call_line(NFS_CB.CB_COMPOUND, nfs4.CB_COMPOUND4args(b"", 0, 5, [recall]))
    assert line == "NFS C CB4 () CBID=5 CB_RECALL FH=00AF ST=09F3:3 TR=F"
    answer = reply_line(NFS_CB.CB_COMPOUND, nfs4.CB_COMPOUND4res(OK, b"", [done]))
    assert answer == "NFS R CB4 () NFS4_OK CB_RECALL NFS4_OK"


@pytest.mark.slow
@settings(max_examples=200)
@given(values_of(nfs4.nfs_argop4), values_of(nfs4.nfs_resop4))
def test_every_operation_has_a_line(args: nfs4.nfs_argop4, result: nfs4.nfs_resop4) -> None:
    name = str(args.argop).removeprefix("OP_")

    line = compound(args)
    assert line.startswith(f"NFS C 4 () {name}")
    line = results((result.resop, result.body))
    assert line.startswith(f"NFS R 4 () NFS4_OK {str(result.resop).removeprefix('OP_')} ")
