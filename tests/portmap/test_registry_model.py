"""Any order of changes leaves the table as a simple model of it, and so do the services over it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from oncrpc.portmap.registry import Registry
from oncrpc.programs.portmap import PMAP_VERS, mapping
from oncrpc.programs.rpcb import RPCBVERS, RPCBVERS4, rpcb
from oncrpc.rpc import Caller
from support.callers import REMOTE, ROOT, STATD, UNRESERVED, PortMapper

SUPERUSER, STATD_OWNER, OTHER = b"superuser", b"103", b"65534"


class Model:
    """The rules once more: a list, searched from end to end."""

    def __init__(self) -> None:
        self.rows: list[rpcb] = []

    def set(self, new: rpcb) -> bool:
        for row in self.rows:
            if (row.r_prog, row.r_vers) == (new.r_prog, new.r_vers) and same(row, new.r_netid):
                return row.r_addr == new.r_addr
        self.rows.append(new)
        return True

    def unset(self, prog: int, vers: int, netid: bytes, owner: bytes) -> bool:
        found = [
            row
            for row in self.rows
            if (row.r_prog, row.r_vers) == (prog, vers) and (not netid or same(row, netid))
        ]
        for row in found:
            if owner not in (SUPERUSER, row.r_owner):
                return False
        self.rows = [row for row in self.rows if row not in found]
        return True

    def exactly(self, prog: int, vers: int, netid: bytes) -> rpcb | None:
        for row in self.rows:
            if (row.r_prog, row.r_vers) == (prog, vers) and same(row, netid):
                return row
        return None

    def find(self, prog: int, vers: int, netid: bytes) -> rpcb | None:
        last = None
        for row in self.rows:
            if row.r_prog == prog and same(row, netid):
                if row.r_vers == vers:
                    return row
                last = row
        return last

    def mappings(self) -> list[mapping]:
        numbers = {b"tcp": 6, b"udp": 17}
        return [
            mapping(row.r_prog, row.r_vers, numbers[row.r_netid.lower()], port(row))
            for row in self.rows
            if row.r_netid.lower() in numbers
        ]


def same(row: rpcb, netid: bytes) -> bool:
    return row.r_netid.lower() == netid.lower()


def port(row: rpcb) -> int:
    *_, high, low = row.r_addr.split(b".")
    return int(high) * 256 + int(low)


PROGRAMS = st.integers(1, 2)
VERSIONS = st.integers(0, 2)
NETIDS = st.sampled_from([b"tcp", b"udp", b"TCP", b"tcp6", b"local"])
OWNERS = st.sampled_from([SUPERUSER, STATD_OWNER, OTHER])
PORTS = st.integers(1, 2)
SOCKETS = {b"tcp6": b"::.0.%d", b"local": b"/run/%d"}


def uaddr(netid: bytes, number: int) -> bytes:
    """One of the addresses that a netid's programs use here."""
    return SOCKETS.get(netid, b"0.0.0.0.0.%d") % number


class RegistryMachine(RuleBasedStateMachine):
    """The registry does what the model does."""

    def __init__(self) -> None:
        super().__init__()
        self.model, self.registry = Model(), Registry()

    @rule(prog=PROGRAMS, vers=VERSIONS, netid=NETIDS, number=PORTS, owner=OWNERS)
    def set(self, prog: int, vers: int, netid: bytes, number: int, owner: bytes) -> None:
        entry = rpcb(prog, vers, netid, uaddr(netid, number), owner)
        assert self.registry.set(entry) == self.model.set(entry)

    @rule(prog=PROGRAMS, vers=VERSIONS, netid=NETIDS | st.just(b""), owner=OWNERS)
    def unset(self, prog: int, vers: int, netid: bytes, owner: bytes) -> None:
        expected = self.model.unset(prog, vers, netid, owner)
        assert self.registry.unset(prog, vers, (netid,), owner=owner) == expected

    @rule(prog=PROGRAMS, vers=VERSIONS, netid=NETIDS)
    def find(self, prog: int, vers: int, netid: bytes) -> None:
        assert self.registry.find(prog, vers, netid) == self.model.find(prog, vers, netid)
        exactly = self.registry.find_exactly(prog, vers, netid)
        assert exactly == self.model.exactly(prog, vers, netid)

    @invariant()
    def the_lists_are_the_same(self) -> None:
        assert list(self.registry) == self.model.rows
        assert list(self.registry.mappings()) == self.model.mappings()
        assert len(self.registry) == len(self.model.rows)
        for prog in {row.r_prog for row in self.model.rows} | {0}:
            owners = {row.r_owner for row in self.model.rows if row.r_prog == prog}
            assert set(self.registry.owners(prog)) == owners


CALLERS = {SUPERUSER: ROOT, STATD_OWNER: STATD, b"unknown": UNRESERVED}
BY_NETID = {
    b"tcp": REMOTE,
    b"udp": Caller("udp", ("192.0.2.9", 700, 0), ("192.0.2.1", 111, 0), datagram=True),
    b"local": ROOT,
}
PROTS = {b"tcp": 6, b"udp": 17}
OWNER_NAMES = st.sampled_from(list(CALLERS))


class ServiceMachine(RuleBasedStateMachine):
    """The services do what the model does, called in any version by anyone."""

    def __init__(self) -> None:
        super().__init__()
        self.model, self.mapper = Model(), PortMapper()

    def ask(self, caller: Caller, procedure: Any, *arguments: Any) -> Any:
        return self.mapper.call(caller, procedure, *arguments)

    @rule(
        prog=PROGRAMS,
        vers=VERSIONS,
        netid=NETIDS,
        number=PORTS,
        owner=OWNER_NAMES,
        version=st.sampled_from([RPCBVERS, RPCBVERS4]),
    )
    def set(
        self, prog: int, vers: int, netid: bytes, number: int, owner: bytes, version: Any
    ) -> None:
        claimed = rpcb(prog, vers, netid, uaddr(netid, number), b"somebody")
        entry = rpcb(prog, vers, netid, claimed.r_addr, owner)
        done = self.ask(CALLERS[owner], version.RPCBPROC_SET, claimed)
        assert done == self.model.set(entry)

    @rule(
        prog=PROGRAMS, vers=VERSIONS, netid=st.sampled_from([b"tcp", b"udp"]), number=PORTS,
        owner=OWNER_NAMES,
    )  # fmt: skip
    def pmap_set(self, prog: int, vers: int, netid: bytes, number: int, owner: bytes) -> None:
        entry = rpcb(prog, vers, netid, uaddr(netid, number), owner)
        asked = mapping(prog, vers, PROTS[netid], number)
        assert self.ask(CALLERS[owner], PMAP_VERS.PMAPPROC_SET, asked) == self.model.set(entry)

    @rule(
        prog=PROGRAMS,
        vers=VERSIONS,
        netid=NETIDS | st.just(b""),
        owner=OWNER_NAMES,
        version=st.sampled_from([RPCBVERS, RPCBVERS4]),
    )
    def unset(self, prog: int, vers: int, netid: bytes, owner: bytes, version: Any) -> None:
        asked = rpcb(prog, vers, netid, b"", b"")
        done = self.ask(CALLERS[owner], version.RPCBPROC_UNSET, asked)
        assert done == self.model.unset(prog, vers, netid, owner)

    @rule(prog=PROGRAMS, vers=VERSIONS, prot=st.integers(0, 20), owner=OWNER_NAMES)
    def pmap_unset(self, prog: int, vers: int, prot: int, owner: bytes) -> None:
        tcp = self.model.unset(prog, vers, b"tcp", owner)
        udp = self.model.unset(prog, vers, b"udp", owner)
        asked = mapping(prog, vers, prot, 0)
        assert self.ask(CALLERS[owner], PMAP_VERS.PMAPPROC_UNSET, asked) == (tcp or udp)

    @rule(prog=PROGRAMS, vers=VERSIONS, netid=st.sampled_from([b"tcp", b"udp"]))
    def getport(self, prog: int, vers: int, netid: bytes) -> None:
        found = self.model.find(prog, vers, netid)
        asked = mapping(prog, vers, PROTS[netid], 0)
        answer = self.ask(REMOTE, PMAP_VERS.PMAPPROC_GETPORT, asked)
        assert answer == (port(found) if found else 0)

    @rule(prog=PROGRAMS, vers=VERSIONS, netid=st.sampled_from(list(BY_NETID)))
    def getaddr(self, prog: int, vers: int, netid: bytes) -> None:
        caller, asked = BY_NETID[netid], rpcb(prog, vers, b"ignored", b"", b"")
        answer = self.ask(caller, RPCBVERS4.RPCBPROC_GETADDR, asked)
        assert answer == self.address(self.model.find(prog, vers, netid), caller)
        answer = self.ask(caller, RPCBVERS4.RPCBPROC_GETVERSADDR, asked)
        assert answer == self.address(self.model.exactly(prog, vers, netid), caller)

    def address(self, found: rpcb | None, caller: Caller) -> bytes:
        if found is None:
            return b""
        return found.r_addr if caller.local is None else b"192.0.2.1.0.%d" % port(found)

    @invariant()
    def the_dumps_are_the_models_rows(self) -> None:
        dumped = self.ask(REMOTE, RPCBVERS4.RPCBPROC_DUMP)
        assert [node.rpcb_map for node in dumped] == self.model.rows
        version_2 = self.ask(REMOTE, PMAP_VERS.PMAPPROC_DUMP)
        assert [node.map for node in version_2] == self.model.mappings()


TestRegistryMachine = pytest.mark.slow(RegistryMachine.TestCase)
TestRegistryMachine.settings = settings(max_examples=50, stateful_step_count=30, deadline=None)
TestServiceMachine = pytest.mark.slow(ServiceMachine.TestCase)
ServiceMachine.TestCase.settings = settings(max_examples=30, stateful_step_count=25, deadline=None)
