"""``oncrpc.cli.rpcsnoop.mount_flow``: the messages of mounts."""

from __future__ import annotations

from typing import Any

import pytest

from oncrpc.cli.rpcsnoop.mount_flow import MAX_CLIENTS, MountFlowFilter
from oncrpc.programs import nfs4
from oncrpc.programs.mount import MOUNT_V3
from oncrpc.programs.nfs3 import NFS_V3
from oncrpc.programs.nfs4 import NFS_V4, nfs_opnum4
from oncrpc.programs.portmap import PMAP_VERS, mapping
from oncrpc.programs.rstat import RSTATVERS_TIME
from oncrpc.rpc.program import AnyProcedure
from oncrpc.snoop.messages import Party, RpcMessage
from oncrpc.snoop.words.programs import KnownPrograms
from snoop.words.test_line import mount_flow
from support.wire_messages import seen_bytes, seen_call, seen_reply

OTHER = Party("other", 800)


def shown(flow: MountFlowFilter, *messages: RpcMessage) -> list[bool]:
    return [flow(each, KnownPrograms()) for each in messages]


def mounted(*, answered: bool = True) -> MountFlowFilter:
    """A filter that has seen a mount, perhaps without its last reply."""
    flow = MountFlowFilter(["mount"])
    messages = mount_flow() if answered else mount_flow()[:-1]
    assert all(shown(flow, *messages))
    return flow


def nfs(procedure: AnyProcedure) -> RpcMessage:
    return seen_bytes(procedure, b"")


def asked(prog: int) -> RpcMessage:
    return seen_call(PMAP_VERS.PMAPPROC_GETPORT, mapping(prog, 3, 17, 0))


def of_client(message: RpcMessage, client: Party) -> RpcMessage:
    return message._replace(source=client)


@pytest.mark.parametrize("procedure", [NFS_V3.NFSPROC3_READ, NFS_V3.NFSPROC3_GETATTR])
def test_calls_after_a_mount_are_not_shown(procedure: AnyProcedure) -> None:
    assert shown(mounted(), nfs(procedure)) == [False]


def test_other_call_ends_a_mount() -> None:
    flow = mounted(answered=False)

    found = shown(
        flow, nfs(NFS_V3.NFSPROC3_FSSTAT), nfs(NFS_V3.NFSPROC3_READ), nfs(NFS_V3.NFSPROC3_FSSTAT)
    )

    assert found == [True, False, False]


def test_failed_getattr_does_not_end_a_mount() -> None:
    flow = mounted(answered=False)
    getattr_call = nfs(NFS_V3.NFSPROC3_GETATTR)

    found = shown(flow, seen_reply(getattr_call, 0, 0, 0, 0, 13), getattr_call)

    assert found == [True, True]


def test_unmount_begins_no_mount() -> None:
    flow = MountFlowFilter(["MOUNT"])

    found = shown(flow, asked(100005), nfs(MOUNT_V3.MOUNTPROC3_UMNT), nfs(NFS_V3.NFSPROC3_ACCESS))

    assert found == [True, True, False]


def test_clients_mount_for_themselves() -> None:
    call = of_client(nfs(NFS_V3.NFSPROC3_GETATTR), OTHER)

    assert shown(mounted(answered=False), call) == [False]


@pytest.mark.parametrize("message", [asked(100021), nfs(RSTATVERS_TIME.RSTATPROC_STATS)])
def test_other_programs_are_not_shown(message: RpcMessage) -> None:
    assert shown(mounted(), message, seen_reply(message, 0, 0, 0, 0)) == [False, False]


def compound(*operations: nfs_opnum4) -> RpcMessage:
    bodies: dict[nfs_opnum4, Any] = {
        nfs_opnum4.OP_LOOKUP: nfs4.LOOKUP4args(b"srv"),
        nfs_opnum4.OP_REMOVE: nfs4.REMOVE4args(b"x"),
        nfs_opnum4.OP_EXCHANGE_ID: nfs4.EXCHANGE_ID4args(
            nfs4.client_owner4(bytes(8), b"me"),
            0,
            nfs4.state_protect4_a(nfs4.state_protect_how4.SP4_NONE, None),
            [],
        ),
    }
    made = [nfs4.nfs_argop4(each, bodies.get(each)) for each in operations]
    return seen_call(NFS_V4.NFSPROC4_COMPOUND, nfs4.COMPOUND4args(b"", 1, made))


def test_version_4_mounts_without_other_programs() -> None:
    walk = compound(nfs_opnum4.OP_PUTROOTFH, nfs_opnum4.OP_LOOKUP, nfs_opnum4.OP_GETFH)
    remove = compound(nfs_opnum4.OP_PUTROOTFH, nfs_opnum4.OP_REMOVE)
    begin = compound(nfs_opnum4.OP_EXCHANGE_ID)

    found = shown(MountFlowFilter(["mount"]), walk, begin, walk, remove, walk)

    assert found == [False, True, True, False, False]


def test_number_of_clients_is_bounded() -> None:
    flow = mounted(answered=False)
    null = nfs(NFS_V3.NFSPROC3_NULL)
    for number in range(MAX_CLIENTS):
        flow(of_client(null, Party(str(number), 1)), KnownPrograms())

    assert shown(flow, nfs(NFS_V3.NFSPROC3_GETATTR)) == [False]


def test_other_flows_are_not_known() -> None:
    with pytest.raises(ValueError, match="invalid flow 'lock': must be mount"):
        MountFlowFilter(["lock"])
