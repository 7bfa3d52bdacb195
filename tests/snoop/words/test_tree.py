"""Messages as trees."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oncrpc.programs.mount import MOUNT_V3, mountres3, mountres3_ok, mountstat3
from oncrpc.programs.nfs4 import NFS_V4
from oncrpc.rpc import AnyProcedure, auth_sys
from oncrpc.rpc.prot import auth_flavor, opaque_auth
from oncrpc.snoop.messages import RpcMessage
from oncrpc.snoop.words.line import line_of
from oncrpc.snoop.words.objects import json_line
from oncrpc.snoop.words.programs import KnownPrograms
from oncrpc.snoop.words.tree import tree_lines
from support.wire_messages import answered, cut_message, seen_bytes, seen_call, seen_reply
from support.words import words

MNT = MOUNT_V3.MOUNTPROC3_MNT
CALL = seen_call(MNT, b"/home", cred=auth_sys(b"client", 1000, 100, [4]))


def tree(message: RpcMessage) -> str:
    return "\n".join(tree_lines(message, KnownPrograms()))


def test_call_shows_header_credential_and_arguments() -> None:
    assert tree(CALL) == "\n".join(
        [
            "     0  rpc:",
            "     0    xid = 7",
            "     4    body:",
            "     4      mtype = CALL",
            "     8      body:",
            "     8        rpcvers = 2",
            "    12        prog = 100005",
            "    16        vers = 3",
            "    20        proc = 1",
            "    24        cred:",
            "    24          flavor = AUTH_SYS",
            "    28          body = "
            "0000000000000006636c69656e740000000003e8000000640000000100000004 (32 bytes)",
            "    64        verf:",
            "    64          flavor = AUTH_NONE",
            "    68          body =  (0 bytes)",
            "    32  AUTH_SYS:",
            "    32    stamp = 0",
            '    36    machinename = "client"',
            "    48    uid = 1000",
            "    52    gid = 100",
            "    56    gids: (1)",
            "    60      [0] = 4",
            '    72  arguments = "/home"',
        ]
    )


def test_reply_shows_results() -> None:
    result = mountres3(mountstat3.MNT3_OK, mountres3_ok(b"\x90\0\0\0", [1]))

    lines = tree(answered(CALL, MNT, result)).splitlines()

    assert lines[-6:] == [
        "    24  result:",
        "    24    fhs_status = MNT3_OK",
        "    28    body:",
        "    28      fhandle = 90000000 (4 bytes)",
        "    36      auth_flavors: (1)",
        "    40        [0] = 1",
    ]


def test_missing_bytes_are_counted() -> None:
    lines = tree(cut_message(CALL, CALL.length - 4)).splitlines()

    assert lines[-1] == "    76  (4 bytes were not captured)"


def test_short_message_is_called_short() -> None:
    short = seen_bytes(MNT, words(9, b"/ho\0"))

    assert tree(short).splitlines()[-1] == "    44  (the message ends too early)"


def test_bytes_left_over_are_counted() -> None:
    more = seen_bytes(MNT, words(1, b"/\0\0\0", 5))

    assert tree(more).splitlines()[-1] == "    48  (4 more bytes)"


def test_encrypted_arguments_are_called_so() -> None:
    credential = opaque_auth(auth_flavor.RPCSEC_GSS, words(1, 0, 1, 3, 0))
    call = seen_bytes(MNT, words(8, b"secret!!"), cred=credential)

    assert tree(call).splitlines()[-1] == "    60  (12 bytes, encrypted)"


def test_credential_and_checksum_of_gss_are_shown() -> None:
    credential = opaque_auth(auth_flavor.RPCSEC_GSS, words(1, 0, 44, 2, 3, b"ctx\0"))
    body = words(16, 44, 5, b"/home\0\0\0", 3, b"\1\2\3\0")

    lines = tree(seen_bytes(MNT, body, cred=credential)).splitlines()

    assert lines[15:] == [
        "    32  RPCSEC_GSS:",
        "    32    rgc_version = 1",
        "    36    body:",
        "    36      gss_proc = RPCSEC_GSS_DATA",
        "    40      seq_num = 44",
        "    44      service = rpc_gss_svc_integrity",
        '    48      handle = "ctx"',
        "    68  seq_num = 44",
        '    72  arguments = "/home"',
        "    84  checksum = 010203 (3 bytes)",
    ]


def test_context_of_gss_is_shown() -> None:
    credential = opaque_auth(auth_flavor.RPCSEC_GSS, words(1, 1, 0, 1, 0))
    call = seen_bytes(MOUNT_V3.MOUNTPROC3_NULL, words(3, b"\1\2\3\0"), cred=credential)
    reply = seen_reply(call, 0, 6, 0, 0, 0, 0, 5, 128, 0)

    assert tree(call).splitlines()[-2:] == [
        "    60  arguments:",
        "    60    gss_token = 010203 (3 bytes)",
    ]
    assert "    32    gss_minor = 5" in tree(reply).splitlines()


def harmless(text: str) -> bool:
    return all(unicodedata.category(each)[0] != "C" for each in text)


def look_at(message: RpcMessage) -> None:
    """All that is said of the message: no error, and no control character."""
    programs = KnownPrograms()
    lines = [line_of(message, programs), *tree_lines(message, programs)]
    assert all(map(harmless, lines))
    assert json_line(message, programs).isascii()
    assert harmless(json_line(message, programs))


@pytest.mark.slow
@pytest.mark.parametrize("procedure", [MNT, NFS_V4.NFSPROC4_COMPOUND], ids=repr)
@given(arguments=st.binary(max_size=200), size=st.integers(0, 240), flavor=st.integers(0, 7))
def test_any_call_is_shown_without_control_characters(
    procedure: AnyProcedure, arguments: bytes, size: int, flavor: int
) -> None:
    credential = opaque_auth(auth_flavor(flavor), arguments[:20])

    call = seen_bytes(procedure, arguments, cred=credential)

    look_at(cut_message(call, size))


@pytest.mark.slow
@given(st.binary(max_size=100))
def test_any_reply_is_shown_without_control_characters(data: bytes) -> None:
    for procedure in (MNT, NFS_V4.NFSPROC4_COMPOUND):
        call = seen_bytes(procedure, b"")
        reply = answered(call, MOUNT_V3.MOUNTPROC3_NULL, None)
        for body in (reply.body + data, reply.body[:8] + data, data):
            look_at(reply._replace(body=body, length=len(body)))
