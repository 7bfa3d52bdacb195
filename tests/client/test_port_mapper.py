"""Talking to port mappers (RFC 1833), over links in memory."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Sequence
from typing import Any

import pytest

from oncrpc import sync
from oncrpc.client.mapper_address import MapperAddress
from oncrpc.client.port_mapper import RPCB_ABSTRACT, RPCB_SOCKET, MapperClient
from oncrpc.errors import (
    AddressError,
    AuthError,
    CallError,
    CallTimeout,
    GarbageArguments,
    NotRegistered,
    ProcedureUnavailable,
    ProgramUnavailable,
    TransportError,
)
from oncrpc.numbers import TRANSIENT, Range, range_of
from oncrpc.portmap.procedures import Mapper
from oncrpc.portmap.registry import Registry
from oncrpc.programs.portmap import PMAP_VERS, mapping, pmaplist
from oncrpc.programs.rpcb import RPCBVERS, RPCBVERS4, rp__list, rpcb
from oncrpc.rpc import Call, Caller, NoReply, Service
from oncrpc.rpc.prot import auth_stat
from oncrpc.testing import MemoryLink

HOST = "192.0.2.1"
Place = tuple[str, str, int]


class Hosts:
    """Dials port mappers that are in memory; ``dialed`` are the places asked, ``links`` opened."""

    def __init__(self, places: dict[Place, Sequence[Service]]) -> None:
        self.places = places
        self.dialed: list[Place] = []
        self.links: list[MemoryLink] = []

    async def __call__(self, netid: str, host: str, port: int) -> MemoryLink:
        self.dialed.append((netid, host, port))
        if (netid, host, port) not in self.places:
            raise TransportError.number(errno.ECONNREFUSED)
        link = MemoryLink(self.places[netid, host, port], peer=f"{host}.{port >> 8}.{port & 255}")
        self.links.append(link)
        return link


class Rpcb4(RPCBVERS4.Service):
    """Version 4, which gives one answer to every GETADDR."""

    def __init__(self, answer: bytes | CallError) -> None:
        self.answer = answer
        self.asked: list[rpcb] = []

    def RPCBPROC_GETADDR(self, call: Call, arg: rpcb) -> bytes:
        self.asked.append(arg)
        if isinstance(self.answer, CallError):
            raise self.answer
        return self.answer

    def RPCBPROC_DUMP(self, call: Call) -> list[rp__list]:
        return [rp__list(rpcb(4, 1, b"tcp", b"::.0.4", b"root"))]


class Rpcb3(RPCBVERS.Service):
    """Version 3, the same; it remembers what is set and unset."""

    def __init__(self, answer: bytes = b"192.0.2.9.3.3") -> None:
        self.answer = answer
        self.changed: list[tuple[str, rpcb]] = []

    def RPCBPROC_GETADDR(self, call: Call, arg: rpcb) -> bytes:
        return self.answer

    def RPCBPROC_DUMP(self, call: Call) -> list[rp__list]:
        return [rp__list(rpcb(3, 1, b"udp", b"::.0.3", b"superuser"))]

    def RPCBPROC_SET(self, call: Call, arg: rpcb) -> bool:
        self.changed.append(("set", arg))
        return len(self.changed) == 1

    def RPCBPROC_UNSET(self, call: Call, arg: rpcb) -> bool:
        self.changed.append(("unset", arg))
        return True


class Pmap(PMAP_VERS.Service):
    """Version 2."""

    def __init__(self, port: int = 2049) -> None:
        self.port = port
        self.asked: list[mapping] = []

    def PMAPPROC_GETPORT(self, call: Call, arg: mapping) -> int:
        self.asked.append(arg)
        return self.port

    def PMAPPROC_DUMP(self, call: Call) -> list[pmaplist]:
        return [
            pmaplist(mapping(100003, 3, 6, 2049)),
            pmaplist(mapping(100003, 3, 17, 0x10000 + 2049)),
            pmaplist(mapping(1, 2, 132, 3)),
        ]


def at_host(*services: Service, netid: str = "tcp", port: int = 111) -> Hosts:
    return Hosts({(netid, HOST, port): services})


def getaddr(hosts: Hosts, netid: str = "tcp") -> str:
    return sync.run(MapperClient(hosts).getaddr(HOST, 100003, 3, netid))


def test_an_address_is_asked_of_version_4() -> None:
    newest = Rpcb4(b"192.0.2.9.4.4")

    assert getaddr(at_host(newest, Rpcb3(), Pmap())) == "192.0.2.9.4.4"

    assert newest.asked == [rpcb(100003, 3, b"tcp", b"192.0.2.1.0.111", b"")]


@pytest.mark.parametrize(
    "answer", [ProgramUnavailable(), ProcedureUnavailable(), GarbageArguments()]
)
def test_refused_version_4_is_followed_by_version_3(answer: CallError) -> None:
    assert getaddr(at_host(Rpcb4(answer), Rpcb3())) == "192.0.2.9.3.3"


def test_missing_version_4_is_followed_by_version_3() -> None:
    assert getaddr(at_host(Rpcb3(), Pmap())) == "192.0.2.9.3.3"


@pytest.mark.parametrize(("netid", "prot"), [("tcp", 6), ("udp", 17)])
def test_missing_versions_are_followed_by_version_2(netid: str, prot: int) -> None:
    oldest = Pmap()

    assert getaddr(at_host(oldest, netid=netid), netid) == "192.0.2.1.8.1"

    assert oldest.asked == [mapping(100003, 3, prot, 0)]


def test_unavailable_getaddr_is_followed_by_getport() -> None:
    """PROC_UNAVAIL of versions 4 and 3, as from a port mapper that has them in name only."""
    hosts = at_host(RPCBVERS4.Service(), RPCBVERS.Service(), Pmap())

    assert getaddr(hosts) == "192.0.2.1.8.1"


def test_unavailable_dump_is_followed_by_version_2() -> None:
    hosts = at_host(RPCBVERS4.Service(), RPCBVERS.Service(), Pmap())

    assert len(sync.run(MapperClient(hosts).dump(HOST))) == 3


class Silent4(RPCBVERS4.Service):
    """Version 4 that sends no replies."""

    def RPCBPROC_GETADDR(self, call: Call, arg: rpcb) -> bytes:
        raise NoReply


def test_silent_version_4_is_followed_by_version_2() -> None:
    hosts = at_host(Silent4(), Pmap(), netid="udp")

    assert getaddr(hosts, "udp") == "192.0.2.1.8.1"
    (link,) = hosts.links
    assert link.clock() == link.timeout / 2


def test_silence_of_all_versions_ends_within_the_timeout() -> None:
    class Silent2(PMAP_VERS.Service):
        def PMAPPROC_GETPORT(self, call: Call, arg: mapping) -> int:
            raise NoReply

    hosts = at_host(Silent4(), Silent2(), netid="udp")

    with pytest.raises(CallTimeout):
        getaddr(hosts, "udp")
    assert hosts.links[0].clock() == hosts.links[0].timeout


@pytest.mark.parametrize("netid", ["tcp", "udp6"])
def test_silence_is_final_where_version_2_cannot_help(netid: str) -> None:
    hosts = at_host(Silent4(), Pmap(), netid=netid)

    with pytest.raises(CallTimeout):
        getaddr(hosts, netid)


def test_version_2_cannot_map_other_transports() -> None:
    with pytest.raises(NotRegistered, match="cannot map netid tcp6"):
        getaddr(at_host(Pmap(), netid="tcp6"), "tcp6")


@pytest.mark.parametrize("mapper", [Rpcb4(b""), Rpcb3(b""), Pmap(0)])
def test_a_program_without_an_address_is_not_registered(mapper: Service) -> None:
    with pytest.raises(NotRegistered, match=f"version 3 is not registered for tcp on {HOST}"):
        getaddr(at_host(mapper))


def test_other_refusals_are_final() -> None:
    with pytest.raises(AuthError):
        getaddr(at_host(Rpcb4(AuthError(auth_stat.AUTH_TOOWEAK)), Rpcb3()))


def test_a_port_is_that_of_the_address() -> None:
    hosts = at_host(Rpcb4(b"192.0.2.9.4.4"))

    assert sync.run(MapperClient(hosts).getport(HOST, 1, 1, "tcp")) == 0x404


def test_invalid_address_has_no_port() -> None:
    with pytest.raises(AddressError):
        sync.run(MapperClient(at_host(Rpcb4(b"\xff\xfe"))).getport(HOST, 1, 1, "tcp"))


def test_large_port_is_cut_to_16_bits() -> None:
    hosts = at_host(Pmap(0x10000 + 2049))

    assert sync.run(MapperClient(hosts).getport(HOST, 1, 1, "tcp")) == 2049


def test_the_port_mapper_may_be_at_another_port() -> None:
    hosts = at_host(Rpcb4(b"192.0.2.9.4.4"), port=10111)

    assert sync.run(MapperClient(hosts, port=10111).getaddr(HOST, 1, 1, "tcp")) == "192.0.2.9.4.4"


@pytest.mark.parametrize(("host", "path"), [("", RPCB_SOCKET), ("/tmp/it", "/tmp/it")])
def test_host_of_local_transport_is_a_path(host: str, path: str) -> None:
    hosts = Hosts({("local", path, 0): [Rpcb4(b"/run/service")]})

    assert sync.run(MapperClient(hosts).getaddr(host, 1, 1, "local")) == "/run/service"


def test_link_is_closed_on_success_and_failure() -> None:
    hosts = at_host(Rpcb4(b""))

    with pytest.raises(NotRegistered):
        getaddr(hosts)

    assert [link.closed for link in hosts.links] == [True]


LOCAL: list[Place] = [
    ("local", RPCB_ABSTRACT, 0),
    ("local", RPCB_SOCKET, 0),
    ("tcp6", "::1", 111),
    ("tcp", "127.0.0.1", 111),
]


@pytest.mark.parametrize("reached", range(4))
def test_this_host_is_asked_over_local_sockets_first(reached: int) -> None:
    hosts = Hosts({place: [Rpcb4(b"")] for place in LOCAL[reached:]})

    sync.run(MapperClient(hosts).dump())

    assert hosts.dialed == LOCAL[: reached + 1]
    assert [link.closed for link in hosts.links] == [True]


def test_last_failure_to_reach_this_host_is_raised() -> None:
    hosts = Hosts({})

    with pytest.raises(TransportError) as caught:
        sync.run(MapperClient(hosts).dump())

    assert caught.value.errno == errno.ECONNREFUSED
    assert hosts.dialed == LOCAL


def test_without_hosts_only_sockets_are_asked() -> None:
    hosts = Hosts({place: [Rpcb4(b"")] for place in LOCAL})

    with pytest.raises(TransportError):
        sync.run(MapperClient(hosts, sockets=["/tmp/it"], hosts=()).unset(9, 1))

    assert hosts.dialed == [("local", "/tmp/it", 0)]


def test_neither_sockets_nor_hosts_is_an_error() -> None:
    with pytest.raises(ValueError, match="neither sockets nor hosts"):
        MapperClient(Hosts({}), sockets=(), hosts=())


def test_missing_transport_of_this_host_is_skipped() -> None:
    hosts = Hosts({LOCAL[3]: [Rpcb4(b"")]})

    async def without_tcp6(netid: str, host: str, port: int) -> MemoryLink:
        if netid == "tcp6":
            raise AddressError("unknown netid 'tcp6'")
        return await hosts(netid, host, port)

    assert len(sync.run(MapperClient(without_tcp6).dump())) == 1


def test_failure_within_a_conversation_is_final() -> None:
    hosts = Hosts({place: [] for place in LOCAL})

    with pytest.raises(ProgramUnavailable):
        sync.run(MapperClient(hosts).dump())

    assert hosts.dialed == LOCAL[:1]
    assert [link.closed for link in hosts.links] == [True]


@pytest.mark.parametrize(
    ("services", "dumped"),
    [
        ([Rpcb4(b""), Rpcb3(), Pmap()], [rpcb(4, 1, b"tcp", b"::.0.4", b"root")]),
        ([Rpcb3(), Pmap()], [rpcb(3, 1, b"udp", b"::.0.3", b"superuser")]),
        (
            [Pmap()],
            [
                rpcb(100003, 3, b"tcp", b"0.0.0.0.8.1", b""),
                rpcb(100003, 3, b"udp", b"0.0.0.0.8.1", b""),
                rpcb(1, 2, b"132", b"0.0.0.0.0.3", b""),
            ],
        ),
    ],
    ids=["version 4", "version 3", "version 2, widened"],
)
def test_a_dump_has_one_form_whatever_the_version(services: list[Service], dumped: Any) -> None:
    assert sync.run(MapperClient(at_host(*services)).dump(HOST)) == dumped


def test_ipv6_host_is_asked_over_tcp6() -> None:
    hosts = Hosts({("tcp6", "2001:db8::1", 111): [Rpcb4(b"")]})

    assert len(sync.run(MapperClient(hosts).dump("2001:db8::1"))) == 1


def test_registering_names_the_owner_and_tells_the_answer() -> None:
    service = Rpcb3()
    mapper = MapperClient(Hosts({LOCAL[0]: [service]}))
    owner = str(os.geteuid()).encode()

    results = [sync.run(mapper.set(9, 1, "tcp", "::.8.1")) for _ in range(2)]

    assert results == [True, False]
    assert service.changed == [("set", rpcb(9, 1, b"tcp", b"::.8.1", owner))] * 2


@pytest.mark.parametrize("netid", ["", "tcp"])
def test_unset_is_for_one_transport_or_all(netid: str) -> None:
    service = Rpcb3()
    mapper = MapperClient(Hosts({("local", "/tmp/it", 0): [service]}), sockets=["/tmp/it"])
    owner = str(os.geteuid()).encode()

    assert sync.run(mapper.unset(9, 1, netid) if netid else mapper.unset(9, 1))

    assert service.changed == [("unset", rpcb(9, 1, netid.encode(), b"", owner))]


def test_mapper_without_set_raises() -> None:
    with pytest.raises(ProcedureUnavailable):
        sync.run(MapperClient(Hosts({LOCAL[0]: [RPCBVERS.Service()]})).set(9, 1, "tcp", "::.8.1"))


def test_version_is_found_at_its_registered_port() -> None:
    mapper = MapperClient(at_host(Rpcb4(b"192.0.2.9.4.4")))

    assert sync.run(mapper.find(HOST, PMAP_VERS, "tcp")) == (HOST, 1028)


def test_local_socket_needs_no_port_mapper() -> None:
    mapper = MapperClient(Hosts({}))

    assert sync.run(mapper.find("/run/other.sock", PMAP_VERS, "local")) == ("/run/other.sock", 0)
    assert sync.run(mapper.find("", PMAP_VERS, "local")) == (RPCB_SOCKET, 0)


def registry_with(*entries: rpcb) -> tuple[Registry, MapperClient]:
    """Our own port mapper in memory, asked as root."""
    registry = Registry()
    for entry in entries:
        registry.set(entry)
    services = Mapper(registry).services()

    async def dial(netid: str, host: str, port: int) -> MemoryLink:
        return MemoryLink(services, caller=Caller("local", uid=0, loopback=True))

    return registry, MapperClient(dial, sockets=["/sock"])


def test_a_transient_number_is_picked_by_registering_it() -> None:
    registry, mapper = registry_with()
    addresses = {"tcp": "0.0.0.0.8.1", "udp": "0.0.0.0.8.2"}

    prog = sync.run(mapper.set_transient(1, addresses))

    assert range_of(prog) is Range.TRANSIENT
    assert [(e.r_prog, e.r_vers, e.r_netid.decode()) for e in registry] == [
        (prog, 1, netid) for netid in addresses
    ]


def numbers_are(monkeypatch: pytest.MonkeyPatch, *numbers: int) -> None:
    monkeypatch.setattr("random.sample", lambda among, count: [among[n] for n in numbers])


def test_a_number_with_another_version_is_not_free(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = rpcb(TRANSIENT[0], 7, b"tcp", b"0.0.0.0.0.7", b"root")
    _, mapper = registry_with(taken)
    numbers_are(monkeypatch, 0, 1)

    assert sync.run(mapper.set_transient(1, {"tcp": "0.0.0.0.8.1"})) == TRANSIENT[1]


def test_taken_transient_number_is_skipped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    theirs = rpcb(TRANSIENT[0], 1, b"udp", b"0.0.0.0.0.7", b"root")
    registry, mapper = registry_with(theirs)
    numbers_are(monkeypatch, 0, 1)

    async def seen_before() -> list[rpcb]:
        return []

    monkeypatch.setattr(mapper, "dump", seen_before)
    prog = sync.run(mapper.set_transient(1, {"tcp": "0.0.0.0.8.1", "udp": "0.0.0.0.8.1"}))

    assert prog == TRANSIENT[1]
    assert [(e.r_prog, e.r_netid) for e in registry] == [
        (TRANSIENT[0], b"udp"), (prog, b"tcp"), (prog, b"udp"),
    ]  # fmt: skip


def test_refused_transient_numbers_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    _, mapper = registry_with(rpcb(TRANSIENT[0], 1, b"tcp", b"0.0.0.0.0.7", b"root"))
    numbers_are(monkeypatch, 0)

    with pytest.raises(NotRegistered, match="transient program numbers were refused"):
        sync.run(mapper.set_transient(1, {"tcp": "0.0.0.0.8.1"}))


class Listing(RPCBVERS4.Service):
    """Lists a program in two versions over TCP and TCP over IPv6."""

    def RPCBPROC_DUMP(self, call: Call) -> list[rp__list]:
        return [
            rp__list(rpcb(9, vers, netid, uaddr, b"root"))
            for netid, uaddr in ((b"tcp", b"0.0.0.0.8.1"), (b"tcp6", b"::.8.2"))
            for vers in (1, 2)
        ]


def elsewhere(*services: Service) -> tuple[Hosts, MapperClient]:
    """A port mapper at an IPv4 address and port, and its client."""
    hosts = at_host(*services, port=10111)
    return hosts, MapperClient(hosts, only=MapperAddress(HOST, 10111))


def test_only_mapper_is_asked_about_every_host() -> None:
    hosts, mapper = elsewhere(Rpcb4(b"192.0.2.9.4.4"))

    assert sync.run(mapper.getport("files.example", 9, 1, "tcp")) == 0x404
    assert hosts.dialed == [("tcp", HOST, 10111)]


@pytest.mark.parametrize("vers", [1, 7])
def test_unreachable_netid_is_looked_up_in_dump(vers: int) -> None:
    """GETADDR answers for the netid of its own transport, and IPv4 cannot reach tcp6."""
    hosts, mapper = elsewhere(Listing())

    assert sync.run(mapper.getport("files.example", 9, vers, "tcp6")) == 2050
    assert hosts.dialed == [("tcp", HOST, 10111)]


def test_program_missing_from_the_list_is_not_registered() -> None:
    _, mapper = elsewhere(Listing())
    why = f"program 10 version 1 is not registered for tcp6 with the port mapper at {HOST} port"

    with pytest.raises(NotRegistered, match=re.escape(why)):
        sync.run(mapper.getaddr("", 10, 1, "tcp6"))


def test_only_local_socket_is_asked_for_local_addresses() -> None:
    hosts = Hosts({("local", "/tmp/it", 0): [Rpcb4(b"/run/service")]})
    mapper = MapperClient(hosts, only=MapperAddress("/tmp/it", 0))

    assert sync.run(mapper.getaddr("", 9, 1, "local")) == "/run/service"


def test_mapper_client_shows_its_port_mapper() -> None:
    assert repr(elsewhere()[1]) == "<MapperClient at 192.0.2.1 port 10111>"
    assert repr(MapperClient(Hosts({}))).startswith("<MapperClient at port 111, for this host @")
    local = MapperClient(Hosts({}), only=MapperAddress("/tmp/it", 0))
    assert repr(local) == "<MapperClient at /tmp/it>"
