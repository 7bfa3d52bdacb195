"""Lines of messages, in the words of snoop."""

from __future__ import annotations

from typing import Any

from oncrpc.programs.mount import MOUNT_V3, mountres3, mountres3_ok, mountstat3
from oncrpc.programs.nfs3 import (
    NFS_V3,
    FSINFO3args,
    FSINFO3res,
    FSINFO3resok,
    GETATTR3args,
    GETATTR3res,
    GETATTR3resok,
    fattr3,
    ftype3,
    nfs_fh3,
    nfsstat3,
    nfstime3,
    post_op_attr,
    specdata3,
)
from oncrpc.programs.portmap import PMAP_VERS, mapping
from oncrpc.rpc.prot import auth_flavor, opaque_auth
from oncrpc.snoop.messages import RpcMessage
from oncrpc.snoop.words.line import line_of
from oncrpc.snoop.words.programs import KnownPrograms
from support.wire_messages import answered, cut_message, exchange, seen_bytes, seen_call, seen_reply
from support.words import words

NFS, MOUNT, UDP, TCP = 100003, 100005, 17, 6
HANDLE = bytes.fromhex("90000000")
"""The file handle whose number is 9000."""

TIME = nfstime3(1, 2)
ATTRIBUTES = fattr3(
    ftype3.NF3DIR, 0o755, 2, 0, 0, 4096, 4096, specdata3(0, 0), 1, 2, TIME, TIME, TIME
)
GETATTR = NFS_V3.NFSPROC3_GETATTR
MOUNT_FLOW = """\
client -> server PORTMAP C GETPORT prog=100005 (MOUNT) vers=3 proto=UDP
server -> client PORTMAP R GETPORT port=33492
client -> server MOUNT3 C Null
server -> client MOUNT3 R Null
client -> server MOUNT3 C Mount /export/home9/terry
server -> client MOUNT3 R Mount OK FH=9000 Auth=unix
client -> server PORTMAP C GETPORT prog=100003 (NFS) vers=3 proto=TCP
server -> client PORTMAP R GETPORT port=2049
client -> server NFS C NULL3
server -> client NFS R NULL3
client -> server NFS C FSINFO3 FH=9000
server -> client NFS R FSINFO3 OK
client -> server NFS C GETATTR3 FH=9000
server -> client NFS R GETATTR3 OK
"""


def said(message: RpcMessage) -> str:
    return line_of(message, KnownPrograms())


def mount_flow() -> list[RpcMessage]:
    """What a client and a server say when version 3 is mounted."""
    handle = nfs_fh3(HANDLE)
    mounted = mountres3(mountstat3.MNT3_OK, mountres3_ok(HANDLE, [auth_flavor.AUTH_SYS]))
    limits = FSINFO3resok(
        post_op_attr(True, ATTRIBUTES), 8, 8, 8, 8, 8, 8, 8, 2**40, nfstime3(0, 1), 27
    )
    getport = PMAP_VERS.PMAPPROC_GETPORT
    return [
        *exchange(getport, [mapping(MOUNT, 3, UDP, 0)], 33492),
        *exchange(MOUNT_V3.MOUNTPROC3_NULL, [], None),
        *exchange(MOUNT_V3.MOUNTPROC3_MNT, [b"/export/home9/terry"], mounted),
        *exchange(getport, [mapping(NFS, 3, TCP, 0)], 2049),
        *exchange(NFS_V3.NFSPROC3_NULL, [], None),
        *exchange(
            NFS_V3.NFSPROC3_FSINFO, [FSINFO3args(handle)], FSINFO3res(nfsstat3.NFS3_OK, limits)
        ),
        *exchange(
            GETATTR,
            [GETATTR3args(handle)],
            GETATTR3res(nfsstat3.NFS3_OK, GETATTR3resok(ATTRIBUTES)),
        ),
    ]


def getattr_call(**known: Any) -> RpcMessage:
    return seen_call(GETATTR, GETATTR3args(nfs_fh3(HANDLE)), **known)


def test_mount_flow_is_that_of_snoop() -> None:
    lines = [f"{each.source.host} -> {each.target.host} {said(each)}\n" for each in mount_flow()]

    assert "".join(lines) == MOUNT_FLOW


def test_retransmitted_call_is_marked() -> None:
    assert said(getattr_call(retransmission=True)) == "NFS C GETATTR3 FH=9000 (retransmit)"


def test_second_reply_is_marked() -> None:
    result = GETATTR3res(nfsstat3.NFS3ERR_STALE, None)

    reply = answered(getattr_call(), GETATTR, result, duplicate=True)

    assert said(reply) == "NFS R GETATTR3 Stale NFS file handle (duplicate)"


def test_unknown_program_is_shown_by_numbers() -> None:
    call = seen_bytes(GETATTR, b"")
    unknown = call._replace(prog=0x20001234, vers=9, proc=5)

    assert said(unknown) == "RPC C XID=7 PROG=536875572 (?) VERS=9 PROC=5"


def test_unknown_procedure_is_shown_by_numbers() -> None:
    call = getattr_call()._replace(proc=99)

    assert said(call) == "RPC C XID=7 PROG=100003 (NFS) VERS=3 PROC=99"
    assert said(seen_reply(call, 0, 0, 0, 0)) == "RPC R (#1) XID=7 Success"


def test_reply_without_call_shows_outcome() -> None:
    reply = seen_reply(getattr_call(), 0, 0, 0, 0)
    alone = reply._replace(call=None, prog=None, vers=None, proc=None)

    assert said(alone) == "RPC R XID=7 Success"


def test_refusals_are_in_words() -> None:
    call = getattr_call(number=12)
    refusals = {
        (0, 0, 0, 1): "Program unavailable",
        (0, 0, 0, 2, 2, 4): "Program number mismatch (low=2, high=4)",
        (0, 0, 0, 3): "Procedure unavailable",
        (0, 0, 0, 4): "Garbage arguments",
        (0, 0, 0, 5): "System error",
        (1, 0, 2, 2): "Vers mismatch (low=2, high=2)",
        (1, 1, 5): "Can't authenticate (too weak)",
        (1, 1, 13): "Can't authenticate (no credentials for user)",
    }

    for parts, outcome in refusals.items():
        assert said(seen_reply(call, *parts)) == f"RPC R (#12) XID=7 {outcome}"


def test_tls_probe_and_its_answer_are_marked() -> None:
    probe = seen_call(NFS_V3.NFSPROC3_NULL, cred=opaque_auth(auth_flavor.AUTH_TLS, b""))

    assert said(probe) == "NFS C NULL3 (AUTH_TLS)"
    assert said(seen_reply(probe, 0, 0, 8, b"STARTTLS", 0)) == "NFS R NULL3 (STARTTLS)"


def gss(procedure: int, service: int) -> opaque_auth:
    """A credential of RPCSEC_GSS with the context ``ctx``."""
    body = words(1, procedure, 44, service, 3, b"ctx\0")
    return opaque_auth(auth_flavor.RPCSEC_GSS, body)


def test_gss_context_is_made_in_words() -> None:
    call = seen_bytes(GETATTR, words(3, b"tok\0"), cred=gss(1, 1))
    reply = seen_reply(call, 0, 6, 0, 0, 3, b"ctx\0", 0, 0, 128, 0)

    assert said(call) == "RPC RPCSEC_GSS C 1 (RPCSEC_GSS_INIT)"
    assert said(reply) == "RPC RPCSEC_GSS R 1 (RPCSEC_GSS_INIT) major=0 minor=0 window=128"


def test_gss_without_protection_is_read() -> None:
    call = getattr_call(cred=gss(0, 1))

    assert said(call) == "NFS C GETATTR3 FH=9000"


def test_gss_with_integrity_is_read() -> None:
    arguments = words(4, HANDLE)
    call = seen_bytes(
        GETATTR, words(4 + len(arguments), 44, arguments, 3, b"mic\0"), cred=gss(0, 2)
    )
    reply = seen_reply(call, 0, 6, 0, 0, 8, 44, 70, 3, b"mic\0")

    assert said(call) == "NFS C GETATTR3 FH=9000"
    assert said(reply) == "NFS R GETATTR3 Stale NFS file handle"


def test_gss_with_privacy_is_called_encrypted() -> None:
    call = seen_bytes(GETATTR, words(4, b"\1\2\3\4"), cred=gss(0, 3))
    reply = seen_reply(call, 0, 6, 0, 0, 4, b"\1\2\3\4")

    assert said(call) == "RPC RPCSEC_GSS C NFS ver(3) proc(1) (data encrypted)"
    assert said(reply) == "RPC RPCSEC_GSS R NFS ver(3) proc(1) (data encrypted)"


def test_cut_messages_are_shown_to_their_end() -> None:
    for message in mount_flow():
        whole = said(message)
        for size in range(message.length):
            line = said(cut_message(message, size))
            assert line.endswith("...") or whole.startswith(line) or line.startswith("RPC ")


def test_control_characters_do_not_reach_the_line() -> None:
    call = seen_call(MOUNT_V3.MOUNTPROC3_MNT, b"/a\x1b]0;x\x07\r\nb\xc2\x9b\xff")

    assert said(call) == r"MOUNT3 C Mount /a\x1b]0;x\x07\x0d\x0ab\x9b\xff"
