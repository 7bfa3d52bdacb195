"""The files of a COMPOUND of NFS 4."""

from __future__ import annotations

from typing import Any

import pytest

from oncrpc.programs import nfs4
from oncrpc.programs.nfs4 import NFS_V4, nfs_opnum4, nfsstat4
from oncrpc.snoop.messages import RpcMessage
from oncrpc.snoop.words.file_names import FileNames
from support.wire_messages import answered, cut_message, seen_call

COMPOUND = NFS_V4.NFSPROC4_COMPOUND
OK = nfsstat4.NFS4_OK
FILE = b"file"
KNOWN = "/srv/notes"


def op(name: str, body: Any = None) -> nfs4.nfs_argop4:
    return nfs4.nfs_argop4(nfs_opnum4[f"OP_{name}"], body)


def put(handle: bytes) -> nfs4.nfs_argop4:
    return op("PUTFH", nfs4.PUTFH4args(handle))


def to(name: bytes) -> nfs4.nfs_argop4:
    return op("LOOKUP", nfs4.LOOKUP4args(name))


def opened(claim: nfs4.open_claim4) -> nfs4.nfs_argop4:
    how = nfs4.openflag4(nfs4.opentype4.OPEN4_NOCREATE, None)
    owner = nfs4.state_owner4(1, b"me")
    return op("OPEN", nfs4.OPEN4args(0, 1, 0, owner, how, claim))


def compound(*operations: nfs4.nfs_argop4) -> RpcMessage:
    return seen_call(COMPOUND, nfs4.COMPOUND4args(b"tag", 1, list(operations)))


WALK = compound(op("PUTROOTFH"), to(b"srv"), to(b"notes"), op("GETFH"))
BY_NAME = nfs4.open_claim4(nfs4.open_claim_type4.CLAIM_NULL, b"new")
BY_HANDLE = nfs4.open_claim4(nfs4.open_claim_type4.CLAIM_FH, None)


def learned(call: RpcMessage = WALK) -> FileNames:
    """Names of files after a LOOKUP from the root."""
    found = nfs4.GETFH4res(OK, nfs4.GETFH4resok(FILE))
    results = [
        nfs4.nfs_resop4(nfs_opnum4.OP_PUTROOTFH, nfs4.PUTROOTFH4res(OK)),
        nfs4.nfs_resop4(nfs_opnum4.OP_LOOKUP, nfs4.LOOKUP4res(OK)),
        nfs4.nfs_resop4(nfs_opnum4.OP_LOOKUP, nfs4.LOOKUP4res(OK)),
        nfs4.nfs_resop4(nfs_opnum4.OP_GETFH, found),
    ]
    files = FileNames()
    files.learn(answered(call, COMPOUND, nfs4.COMPOUND4res(OK, b"", results)))
    return files


@pytest.mark.parametrize(
    ("operations", "expected"),
    [
        ([put(FILE)], (KNOWN,)),
        ([put(FILE), opened(BY_NAME), op("GETFH")], (f"{KNOWN}/new",)),
        ([put(FILE), opened(BY_HANDLE)], (KNOWN,)),
        ([put(FILE), op("REMOVE", nfs4.REMOVE4args(b"a"))], (f"{KNOWN}/a",)),
        (
            [
                put(FILE),
                op("SAVEFH"),
                op("PUTROOTFH"),
                op("RENAME", nfs4.RENAME4args(b"a", b"b")),
            ],
            (f"{KNOWN}/a", "/b"),
        ),
        (
            [put(FILE), op("SAVEFH"), op("PUTROOTFH"), op("LINK", nfs4.LINK4args(b"b"))],
            (KNOWN, "/b"),
        ),
        ([put(FILE), op("SAVEFH"), op("PUTROOTFH"), op("RESTOREFH")], (KNOWN,)),
        ([put(FILE), op("LOOKUPP")], ()),
        ([op("PUTROOTFH"), op("GETATTR", nfs4.GETATTR4args([]))], ("/",)),
        ([put(b"else")], ("FH=058D",)),
        ([], ()),
    ],
)
def test_operations_name_their_files(
    operations: list[nfs4.nfs_argop4], expected: tuple[str, ...]
) -> None:
    assert learned().files_of(compound(*operations)) == expected


def test_cut_compound_has_its_captured_files() -> None:
    call = compound(put(FILE), to(b"a-long-name-of-a-file"))

    assert learned().files_of(cut_message(call, call.length - 8)) == (KNOWN,)
    assert learned(cut_message(WALK, 45)).files_of(compound(put(FILE))) == ("FH=05B5",)
