"""The lines of a message, one for each layer."""

from __future__ import annotations

from oncrpc.programs.mount import MOUNT_V3
from oncrpc.programs.portmap import PMAP_VERS, call_args, call_result
from oncrpc.programs.rpcb import RPCBVERS4, rpcb_rmtcallargs, rpcb_rmtcallres
from oncrpc.snoop.messages import RpcMessage
from oncrpc.snoop.words.layers import lines_of
from oncrpc.snoop.words.programs import KnownPrograms
from support.wire_messages import answered, cut_message, seen_call
from support.words import words

PATH = words(5, b"/home\0\0\0")
UMNT = (100005, 3, 3)


def said(message: RpcMessage) -> list[str]:
    return lines_of(message, KnownPrograms())


def test_call_has_a_line_for_rpc() -> None:
    call = seen_call(MOUNT_V3.MOUNTPROC3_MNT, b"/home")

    assert said(call) == [
        "RPC C XID=7 PROG=100005 (MOUNT) VERS=3 PROC=1",
        "MOUNT3 C Mount /home",
    ]


def test_forwarded_call_has_a_line() -> None:
    callit = PMAP_VERS.PMAPPROC_CALLIT
    call = seen_call(callit, call_args(*UMNT, PATH))

    assert said(call)[1:] == [
        "PORTMAP C CALLIT prog=MOUNT vers=3 proc=3",
        "MOUNT3 C Unmount /home",
    ]
    assert said(answered(call, callit, call_result(700, b"")))[1:] == [
        "PORTMAP R CALLIT port=700 len=0",
        "MOUNT3 R Unmount reply",
    ]


def test_indirect_reply_has_a_line() -> None:
    indirect = RPCBVERS4.RPCBPROC_INDIRECT
    call = seen_call(indirect, rpcb_rmtcallargs(*UMNT, PATH))

    lines = said(answered(call, indirect, rpcb_rmtcallres(b"::.8.1", b"")))

    assert lines[0] == "RPC R (#1) XID=7 Success"
    assert lines[2] == "MOUNT3 R Unmount reply"


def test_cut_forwarded_call_is_left_out() -> None:
    call = seen_call(PMAP_VERS.PMAPPROC_CALLIT, call_args(*UMNT, PATH))

    assert len(said(cut_message(call, 50))) == 2
