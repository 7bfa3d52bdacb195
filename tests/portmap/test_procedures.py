"""Every procedure of versions 2, 3 and 4 but calls for others, called by callers of each kind."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from oncrpc.errors import AuthError, GarbageArguments
from oncrpc.portmap.app import own_registrations
from oncrpc.programs.portmap import PMAP_VERS, mapping
from oncrpc.programs.rpcb import RPCBVERS, RPCBVERS4, netbuf, rpcb, rpcb_entry, rpcbs_addrlist
from oncrpc.rpc import Caller, auth_sys
from support.callers import (
    FORGED,
    LOCAL_UDP,
    LOOPBACK6,
    NOW,
    REMOTE,
    REMOTE6,
    REMOTE_UDP,
    RESERVED,
    ROOT,
    STATD,
    UNRESERVED,
    PortMapper,
    registered,
    triples,
)

LOCAL_CALLERS = {
    "uid 0": (ROOT, b"superuser"),
    "uid 103": (STATD, b"103"),
    "low port": (RESERVED, b"superuser"),
    "high port": (UNRESERVED, b"unknown"),
    "high port over IPv6": (LOOPBACK6, b"unknown"),
    "high port over UDP": (LOCAL_UDP, b"unknown"),
}
EVERYONE = [*(caller for caller, _ in LOCAL_CALLERS.values()), REMOTE, REMOTE_UDP, REMOTE6]
NFS = mapping(100003, 3, 6, 2049)
NFS_UDP = mapping(100003, 3, 17, 2049)
RPCB_VERSIONS: list[Any] = [RPCBVERS, RPCBVERS4]
both = pytest.mark.parametrize("version", RPCB_VERSIONS, ids=["v3", "v4"])
ADDRESSES = {
    "local": "/run/rpcbind.sock",
    "udp": "0.0.0.0.0.111",
    "tcp": "0.0.0.0.0.111",
    "udp6": "::.0.111",
    "tcp6": "::.0.111",
}


def asked(prog: int, vers: int, hint: bytes = b"") -> rpcb:
    """The argument of a lookup; its netid is for nothing."""
    return rpcb(prog, vers, b"nonsense", hint, b"")


def uaddrs(mapper: PortMapper) -> list[tuple[bytes, bytes]]:
    """Addresses and owners, in order."""
    return [(entry.r_addr, entry.r_owner) for entry in mapper.registry]


@pytest.mark.parametrize("caller", EVERYONE)
def test_null_is_answered_to_everyone_in_every_version(mapper: PortMapper, caller: Caller) -> None:
    for version in (PMAP_VERS.PMAPPROC_NULL, RPCBVERS.RPCBPROC_NULL, RPCBVERS4.RPCBPROC_NULL):
        assert mapper.reply(caller, mapper.message(version)) is not None


@pytest.mark.parametrize("kind", LOCAL_CALLERS)
def test_local_caller_sets_under_its_own_name(mapper: PortMapper, kind: str) -> None:
    caller, owner = LOCAL_CALLERS[kind]

    assert mapper.call(caller, PMAP_VERS.PMAPPROC_SET, NFS)
    assert mapper.call(caller, RPCBVERS.RPCBPROC_SET, registered(1, 1, "udp", owner="root"))

    assert uaddrs(mapper) == [(b"0.0.0.0.8.1", owner), (b"0.0.0.0.8.1", owner)]
    assert mapper.call(caller, PMAP_VERS.PMAPPROC_UNSET, NFS)
    assert mapper.call(caller, RPCBVERS4.RPCBPROC_UNSET, registered(1, 1, ""))
    assert uaddrs(mapper) == []


@pytest.mark.parametrize("caller", [REMOTE, REMOTE_UDP, REMOTE6, FORGED])
@pytest.mark.parametrize(
    ("procedure", "argument"),
    [
        (PMAP_VERS.PMAPPROC_SET, NFS),
        (PMAP_VERS.PMAPPROC_UNSET, NFS),
        (RPCBVERS.RPCBPROC_SET, registered(1, 1)),
        (RPCBVERS.RPCBPROC_UNSET, registered(1, 1)),
        (RPCBVERS4.RPCBPROC_SET, registered(1, 1)),
        (RPCBVERS4.RPCBPROC_UNSET, registered(1, 1)),
    ],
    ids=repr,
)
def test_a_remote_caller_is_too_weak_to_register(
    mapper: PortMapper, caller: Caller, procedure: Any, argument: Any
) -> None:
    mapper.registry.set(registered(1, 1))

    with pytest.raises(AuthError, match="AUTH_TOOWEAK"):
        mapper.call(caller, procedure, argument)

    assert len(mapper.registry) == 1


def test_a_credential_of_root_does_not_help(mapper: PortMapper) -> None:
    cred = auth_sys(b"there", 0, 0)
    message = mapper.message(PMAP_VERS.PMAPPROC_SET, NFS, cred=cred)

    assert mapper.reply(REMOTE, message) == message[:4] + bytes.fromhex(
        "00000001 00000001 00000001 00000005"  # REPLY, MSG_DENIED, AUTH_ERROR, AUTH_TOOWEAK
    )


def test_insecure_remote_caller_is_unknown() -> None:
    mapper = PortMapper(insecure=True)

    assert mapper.call(REMOTE, PMAP_VERS.PMAPPROC_SET, NFS)

    assert uaddrs(mapper) == [(b"0.0.0.0.8.1", b"unknown")]


def test_a_caller_without_arguments_sent_garbage(mapper: PortMapper) -> None:
    for version in (2, 3, 4):
        for proc in (1, 2, 3):
            header = mapper.message(PMAP_VERS.PMAPPROC_NULL)
            call = header[:16] + bytes((0, 0, 0, version, 0, 0, 0, proc)) + header[24:]
            assert mapper.reply(REMOTE, call) == call[:4] + bytes.fromhex(
                "00000001 00000000 00000000 00000000 00000004"  # ... GARBAGE_ARGS
            )


def test_unknown_version_gets_range_2_to_4(mapper: PortMapper) -> None:
    header = mapper.message(PMAP_VERS.PMAPPROC_NULL)

    reply = mapper.reply(REMOTE, header[:16] + bytes((0, 0, 0, 5)) + header[20:])

    assert reply is not None
    assert reply[20:] == bytes.fromhex("00000002 00000002 00000004")


@pytest.mark.parametrize(("port", "kept"), [(65541, 5), (0xFFFFFFFF, 65535), (0, 0), (111, 111)])
def test_version_2_ports_have_16_bits(mapper: PortMapper, port: int, kept: int) -> None:
    assert mapper.call(ROOT, PMAP_VERS.PMAPPROC_SET, mapping(1, 1, 17, port))

    assert mapper.call(REMOTE, PMAP_VERS.PMAPPROC_GETPORT, mapping(1, 1, 17, 0)) == kept


@pytest.mark.parametrize("prot", [0, 1, 132, 0xFFFFFFFF])
def test_version_2_knows_tcp_and_udp_only(mapper: PortMapper, prot: int) -> None:
    assert not mapper.call(ROOT, PMAP_VERS.PMAPPROC_SET, mapping(1, 1, prot, 7))
    assert mapper.call(REMOTE, PMAP_VERS.PMAPPROC_GETPORT, mapping(1, 1, prot, 0)) == 0


def test_version_2_unsets_both_protocols(mapper: PortMapper) -> None:
    for netid, uaddr in (("tcp", "0.0.0.0.8.1"), ("udp", "0.0.0.0.8.1"), ("tcp6", "::.8.1")):
        mapper.registry.set(registered(1, 1, netid, uaddr))

    assert mapper.call(ROOT, PMAP_VERS.PMAPPROC_UNSET, mapping(1, 1, 99, 99))

    assert triples(list(mapper.registry)) == [(1, 1, "tcp6")]


def test_version_2_unset_fails_for_foreign_owners(mapper: PortMapper) -> None:
    mapper.registry.set(registered(1, 1, "tcp"))
    assert mapper.call(STATD, PMAP_VERS.PMAPPROC_UNSET, mapping(1, 1, 6, 0))

    mapper.registry.set(registered(1, 1, "udp"))
    assert not mapper.call(STATD, PMAP_VERS.PMAPPROC_UNSET, mapping(1, 1, 6, 0))


def test_getport_falls_back_to_another_version(mapper: PortMapper) -> None:
    mapper.call(ROOT, PMAP_VERS.PMAPPROC_SET, NFS_UDP)

    assert mapper.call(REMOTE, PMAP_VERS.PMAPPROC_GETPORT, mapping(100003, 2, 17, 0)) == 2049
    assert mapper.call(REMOTE, PMAP_VERS.PMAPPROC_GETPORT, mapping(100003, 2, 6, 0)) == 0


def test_version_2_dump_is_laid_out_as_specified(mapper: PortMapper) -> None:
    mapper.call(ROOT, PMAP_VERS.PMAPPROC_SET, NFS)
    reply = mapper.reply(REMOTE, mapper.message(PMAP_VERS.PMAPPROC_DUMP))

    assert reply is not None
    assert reply[24:] == bytes.fromhex(
        "00000001"  # an element follows
        "000186a3 00000003 00000006 00000801"  # NFS version 3, TCP, port 2049
        "00000000"  # no more
    )


@both
def test_transport_of_the_call_decides(mapper: PortMapper, version: Any) -> None:
    mapper.registry.set(registered(1, 1, "tcp"))

    assert mapper.call(REMOTE, version.RPCBPROC_GETADDR, asked(1, 1)) == b"192.0.2.1.8.1"
    assert mapper.call(REMOTE_UDP, version.RPCBPROC_GETADDR, asked(1, 1)) == b""
    assert mapper.call(ROOT, version.RPCBPROC_GETADDR, asked(1, 1)) == b""


@both
def test_getaddr_gives_the_address_that_the_client_contacted(
    mapper: PortMapper, version: Any
) -> None:
    mapper.registry.set(registered(1, 1, "tcp6", "::.8.1"))

    hinted = asked(1, 1, b"2001:db8::1.0.111")

    assert mapper.call(REMOTE6, version.RPCBPROC_GETADDR, hinted) == b"2001:db8::1.8.1"
    assert mapper.call(LOOPBACK6, version.RPCBPROC_GETADDR, asked(1, 1)) == b"::1.8.1"


@both
def test_local_caller_gets_the_registered_address(mapper: PortMapper, version: Any) -> None:
    mapper.registry.set(registered(1, 1, "local", "/run/one.sock"))

    assert mapper.call(STATD, version.RPCBPROC_GETADDR, asked(1, 9)) == b"/run/one.sock"


def test_invalid_hint_gives_the_registered_address(mapper: PortMapper) -> None:
    mapper.registry.set(registered(1, 1, "tcp"))

    found = mapper.call(REMOTE, RPCBVERS4.RPCBPROC_GETADDR, asked(1, 1, b"nonsense"))

    assert found == b"0.0.0.0.8.1"


def test_getversaddr_gives_no_other_version(mapper: PortMapper) -> None:
    mapper.registry.set(registered(1, 1, "tcp"))

    assert mapper.call(REMOTE, RPCBVERS4.RPCBPROC_GETVERSADDR, asked(1, 2)) == b""
    assert mapper.call(REMOTE, RPCBVERS4.RPCBPROC_GETVERSADDR, asked(1, 1)) == b"192.0.2.1.8.1"


@both
def test_dump_gives_addresses_and_owners_as_registered(mapper: PortMapper, version: Any) -> None:
    mapper.call(STATD, version.RPCBPROC_SET, registered(1, 1, "udp6", "::.8.1"))

    nodes = mapper.call(REMOTE, version.RPCBPROC_DUMP)

    assert [node.rpcb_map for node in nodes] == [registered(1, 1, "udp6", "::.8.1", "103")]


@both
def test_gettime_is_the_time_in_seconds(mapper: PortMapper, version: Any) -> None:
    assert mapper.call(REMOTE, version.RPCBPROC_GETTIME) == int(NOW)


@both
def test_addresses_are_converted_for_the_callers_transport(
    mapper: PortMapper, version: Any
) -> None:
    made = mapper.call(REMOTE, version.RPCBPROC_UADDR2TADDR, b"10.9.0.1.0.111")

    assert (made.maxlen, made.buf[2:8]) == (16, bytes.fromhex("006f 0a090001"))
    assert mapper.call(REMOTE, version.RPCBPROC_TADDR2UADDR, made) == b"10.9.0.1.0.111"


@both
def test_overlong_socket_address_is_garbage(mapper: PortMapper, version: Any) -> None:
    with pytest.raises(GarbageArguments):
        mapper.call(REMOTE, version.RPCBPROC_TADDR2UADDR, netbuf(15, bytes(16)))


def test_getaddrlist_lists_the_transports_of_the_callers_family(mapper: PortMapper) -> None:
    for netid, uaddr in (
        ("tcp", "0.0.0.0.8.1"), ("udp", "0.0.0.0.8.1"), ("tcp6", "::.8.1"), ("sctp", "0.0.0.0.8.1"),
    ):  # fmt: skip
        mapper.registry.set(registered(1, 1, netid, uaddr))

    listed = mapper.call(REMOTE, RPCBVERS4.RPCBPROC_GETADDRLIST, asked(1, 1))
    listed6 = mapper.call(REMOTE6, RPCBVERS4.RPCBPROC_GETADDRLIST, asked(1, 1))

    assert [node.rpcb_entry_map for node in listed] == [
        rpcb_entry(b"192.0.2.1.8.1", b"tcp", 3, b"inet", b"tcp"),
        rpcb_entry(b"192.0.2.1.8.1", b"udp", 1, b"inet", b"udp"),
    ]
    assert [node.rpcb_entry_map for node in listed6] == [
        rpcb_entry(b"2001:db8::1.8.1", b"tcp6", 3, b"inet6", b"tcp")
    ]


@pytest.mark.parametrize(("caller", "hint"), [(ROOT, b""), (REMOTE, b"nonsense")])
def test_getaddrlist_omits_addresses_it_cannot_merge(
    mapper: PortMapper, caller: Caller, hint: bytes
) -> None:
    mapper.registry.set(registered(1, 1, "tcp"))
    mapper.registry.set(registered(1, 1, "local", "/run/one.sock"))

    assert mapper.call(caller, RPCBVERS4.RPCBPROC_GETADDRLIST, asked(1, 1, hint)) == []


def test_getstat_counts_calls_registrations_and_lookups(mapper: PortMapper) -> None:
    mapper.call(ROOT, PMAP_VERS.PMAPPROC_SET, NFS)
    mapper.call(ROOT, PMAP_VERS.PMAPPROC_SET, mapping(100003, 3, 6, 1))
    mapper.call(ROOT, PMAP_VERS.PMAPPROC_UNSET, mapping(1, 1, 6, 1))
    mapper.call(REMOTE, PMAP_VERS.PMAPPROC_GETPORT, NFS)
    mapper.call(REMOTE, PMAP_VERS.PMAPPROC_GETPORT, NFS_UDP)
    mapper.call(REMOTE, RPCBVERS4.RPCBPROC_GETADDR, asked(100003, 4))

    version_2, _, version_4 = mapper.call(REMOTE, RPCBVERS4.RPCBPROC_GETSTAT)

    assert version_2.info[:6] == [0, 2, 1, 2, 0, 0]
    assert (version_2.setinfo, version_2.unsetinfo) == (1, 1)
    assert version_2.addrinfo == [
        rpcbs_addrlist(100003, 3, 0, 1, b"udp"),
        rpcbs_addrlist(100003, 3, 1, 0, b"tcp"),
    ]
    assert version_4.addrinfo == [rpcbs_addrlist(100003, 4, 1, 0, b"tcp")]


def test_repeated_set_is_not_a_change() -> None:
    changes: list[None] = []
    mapper = PortMapper(changed=lambda: changes.append(None))

    for _ in range(2):
        mapper.call(ROOT, PMAP_VERS.PMAPPROC_SET, NFS)
    for _ in range(2):
        mapper.call(ROOT, RPCBVERS.RPCBPROC_UNSET, registered(100003, 3, ""))

    assert len(changes) == 2


def test_calls_are_logged_if_that_is_wanted(
    mapper: PortMapper, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "oncrpc.calls"):
        mapper.call(REMOTE, PMAP_VERS.PMAPPROC_NULL)
        mapper.call(STATD, PMAP_VERS.PMAPPROC_NULL)

    assert caplog.messages == [
        "connect from 192.0.2.9 to null()",
        "connect from local uid 103 to null()",
    ]


def test_own_registrations_are_in_c_order(mapper: PortMapper) -> None:
    for entry in own_registrations(ADDRESSES):
        assert mapper.registry.set(entry)

    expected = "tcp6 4, tcp6 3, udp6 4, udp6 3, tcp 4, tcp 3, tcp 2, udp 4, udp 3, udp 2, "
    expected += "local 4, local 3"
    listed = [f"{entry.r_netid.decode()} {entry.r_vers}" for entry in mapper.registry]
    assert ", ".join(listed) == expected
    assert {entry.r_owner for entry in mapper.registry} == {b"superuser"}
    assert list(mapper.registry.mappings()) == [
        mapping(100000, vers, prot, 111) for prot in (6, 17) for vers in (4, 3, 2)
    ]


def test_only_served_transports_are_registered() -> None:
    entries = list(own_registrations({"udp": "0.0.0.0.0.111"}))

    assert triples(entries) == [(100000, 4, "udp"), (100000, 3, "udp"), (100000, 2, "udp")]


def test_a_retransmitted_set_gets_its_first_answer_again(mapper: PortMapper) -> None:
    message = mapper.message(PMAP_VERS.PMAPPROC_SET, NFS_UDP)
    first = mapper.reply(LOCAL_UDP, message)
    mapper.registry.unset(100003, 3, (b"udp",), owner=b"superuser")
    mapper.registry.set(registered(100003, 3, "udp", "0.0.0.0.9.9"))

    assert mapper.reply(LOCAL_UDP, message) == first


def test_only_unchanged_registrations_are_dropped() -> None:
    changes: list[None] = []
    mapper = PortMapper(changed=lambda: changes.append(None))
    present = registered(1, 1)
    mapper.registry.set(present)

    mapper.mapper.drop(registered(1, 1, uaddr="0.0.0.0.8.2"))
    mapper.mapper.drop(registered(1, 1, owner="103"))
    mapper.mapper.drop(registered(2, 1))
    assert (list(mapper.registry), changes) == ([present], [])

    generation = mapper.registry.generation
    mapper.mapper.drop(present)
    assert (list(mapper.registry), changes) == ([], [None])
    assert mapper.registry.generation > generation


def test_observers_see_each_registration(mapper: PortMapper) -> None:
    told: list[tuple[Caller, rpcb]] = []
    mapper.mapper.registered = lambda caller, entry: told.append((caller, entry))

    for caller, uaddr in ((STATD, "0.0.0.0.8.1"), (ROOT, "0.0.0.0.8.1"), (ROOT, "0.0.0.0.8.2")):
        mapper.call(caller, RPCBVERS4.RPCBPROC_SET, registered(100024, 1, "tcp", uaddr))

    assert [(caller, entry.r_addr) for caller, entry in told] == [
        (STATD, b"0.0.0.0.8.1"),
        (ROOT, b"0.0.0.0.8.1"),
    ]
