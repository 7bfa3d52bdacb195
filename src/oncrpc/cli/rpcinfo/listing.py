"""Lists the registrations of a port mapper in four ways, or deletes one."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Any

from oncrpc.addr import NC_TPI_CLTS, NC_TPI_COTS, transports
from oncrpc.cli.bounded_lists import GETADDRLIST, PMAP_DUMP, RPCB_DUMP_3, RPCB_DUMP_4
from oncrpc.cli.command import Failure, complain, printable
from oncrpc.cli.rpcinfo.options import PROGRAM, RpcinfoRequest, program, version
from oncrpc.cli.rpcinfo.reach import Reach, ask
from oncrpc.cli.rpcinfo.trouble import (
    after,
    of_call,
    of_lookup,
)
from oncrpc.errors import OncRpcError, ProgramMismatch
from oncrpc.numbers import getrpcbynumber
from oncrpc.programs.portmap import IPPROTO_TCP, IPPROTO_UDP, PMAP_VERS, mapping
from oncrpc.programs.rpcb import RPCBVERS4, rpcb, rpcb_entry
from oncrpc.sync import SocketLink

TIMEOUT = 60.0
"""Seconds for the reply to a list."""

NO_CONTACT = f"{PROGRAM}: can't contact rpcbind"
NO_PORT_MAPPER = f"{PROGRAM}: can't contact portmapper"
NOTHING = "No remote programs registered."
PROTOCOLS = {IPPROTO_TCP: "tcp", IPPROTO_UDP: "udp"}
SEMANTICS = {NC_TPI_CLTS: "clts", NC_TPI_COTS: "cots"}
NETIDS_SHOWN = 255


async def mappings(request: RpcinfoRequest) -> int:
    """``-p``: the mappings of version 2."""
    with await _port_mapper_2(request) as link:
        try:
            found = await link.call(PMAP_DUMP)
        except OncRpcError as error:
            raise _no_mappings(error, request.host) from None
    show(request, mappings_text(found), map(mapping_item, found))
    return 0


async def _port_mapper_2(request: RpcinfoRequest) -> SocketLink:
    reach = Reach(request, timeout=TIMEOUT)
    if request.host is None:
        with after(NO_PORT_MAPPER):
            return await reach.local()
    with after(request.host):
        return await reach.port_by("tcp", request.host, reach.port)


def _no_mappings(error: OncRpcError, host: str | None) -> Failure:
    """The error for a failed dump of version 2; for a host without details, as in the C tool."""
    if isinstance(error, ProgramMismatch) and error.low > PMAP_VERS.vers:
        name, other = (host, f"{PROGRAM} {host}") if host else ("This host", PROGRAM)
        return Failure(f"{name} does not support portmapper.  Try {other} instead")
    if host is None:
        return Failure(f"{NO_PORT_MAPPER}: {of_call(error)}")
    return Failure(f"{host}: {of_lookup(error)}")


async def dump(request: RpcinfoRequest) -> int:
    """No option: all registrations."""
    found = await registrations(request)
    show(request, registrations_text(found), map(registration_item, found))
    return 0


async def summarize(request: RpcinfoRequest) -> int:
    """``-s``: a line for each program."""
    found = summaries(await registrations(request))
    show(request, summaries_text(found), map(summary_item, found))
    return 0


async def registrations(request: RpcinfoRequest, *, timeout: float = TIMEOUT) -> list[rpcb]:
    """A dump of version 3, or of version 4 or 2 if the port mapper lacks version 3."""
    with await _rpcbind(request, timeout=timeout) as link, after(f"{NO_CONTACT}: "):
        try:
            return await link.call(RPCB_DUMP_3)
        except ProgramMismatch as mismatch:
            if mismatch.low == RPCBVERS4.vers:
                return await ask(link, RPCB_DUMP_4)
            if mismatch.high == PMAP_VERS.vers:
                return [widened(entry) for entry in await ask(link, PMAP_DUMP)]
            raise of_call(mismatch) from None
        except OncRpcError as error:
            raise of_call(error) from None


async def _rpcbind(request: RpcinfoRequest, *, timeout: float = TIMEOUT) -> SocketLink:
    """A link to the port mapper of the operands and ``-T``; without a host, to the local one."""
    reach = Reach(request, timeout=timeout)
    with after(NO_CONTACT):
        if request.host is None:
            return await reach.local()
        if request.netid is None:
            return await reach.port_mapper(request.host)
        check_netid(request)
        return await reach.port_mapper_over(request.netid, request.host)


def check_netid(request: RpcinfoRequest) -> None:
    """End the command if the transport is unknown."""
    if request.netid is not None and request.netid not in transports():
        unknown = "Netid not found in netconfig database"
        raise Failure(f"{PROGRAM}: invalid transport: {unknown}")


def widened(found: mapping) -> rpcb:
    """A mapping of version 2 as the C tool shows it among registrations."""
    netid = PROTOCOLS.get(found.prot) or f"{found.prot:6}"
    uaddr = f"0.0.0.0.{found.port >> 8 & 255}.{found.port & 255}"
    return rpcb(found.prog, found.vers, netid.encode(), uaddr.encode(), b"unknown")


async def addresses(request: RpcinfoRequest) -> int:
    """``-l``: the addresses of one version of a program."""
    with await _rpcbind(request) as link, after(f"{NO_CONTACT}: "):
        prog, vers = program(request.operands[1]), version(request.operands[2])
        netid = request.netid or _netid_of(link)
        asked = rpcb(prog, vers, netid.encode(), link.peer.encode(), b"")
        found = await ask(link, GETADDRLIST, asked)
    items = [address_item(prog, vers, entry) for entry in found]
    show(request, addresses_text(prog, vers, found), items)
    return 0


def _netid_of(link: SocketLink) -> str:
    proto = "udp" if link.datagram else "tcp"
    return proto + ("6" if ":" in link.peer else "")


async def delete(request: RpcinfoRequest) -> int:
    """``-d``: delete a registration of this host; root may delete those of other users."""
    if request.netid is not None and request.netid not in transports():
        raise Failure(f"{PROGRAM}: netid {request.netid} not supported")
    vers = version(request.operands[1])
    prog = program(request.operands[0])
    mapper = Reach(request, timeout=TIMEOUT).mapper
    try:
        deleted = await mapper.unset(prog, vers, request.netid or "")
    except OncRpcError:
        deleted = False
    if not deleted:
        name, number = request.operands
        complain(f"{PROGRAM}: Could not delete registration for prog {name} version {number}")
    return 0 if deleted else 1


def show(request: RpcinfoRequest, lines: Iterable[str], items: Iterable[Any]) -> None:
    """Write the result, as text or as one JSON document."""
    if request.json:
        write_json(list(items))
    else:
        sys.stdout.writelines(f"{line}\n" for line in lines)


def write_json(document: Any) -> None:
    """Write the document and end the line."""
    import json

    sys.stdout.write(json.dumps(document, indent=2) + "\n")


def mappings_text(found: list[mapping]) -> Iterator[str]:
    """The lines of ``-p``."""
    yield "   program vers proto   port  service" if found else NOTHING
    for entry in found:
        name = getrpcbynumber(entry.prog)
        proto = PROTOCOLS.get(entry.prot, entry.prot)
        row = f"{entry.prog:10}{entry.vers:5}{proto:>6}{entry.port:7}"
        yield f"{row}  {name}" if name else row


def mapping_item(entry: mapping) -> dict[str, Any]:
    """A mapping as JSON has it."""
    return {
        "program": entry.prog,
        "version": entry.vers,
        "protocol": PROTOCOLS.get(entry.prot, entry.prot),
        "port": entry.port,
        "service": getrpcbynumber(entry.prog),
    }


def registrations_text(found: list[rpcb]) -> Iterator[str]:
    """The lines of no option."""
    title = "   program version netid     address                service    owner"
    yield title if found else NOTHING
    for entry in found:
        netid, uaddr, owner = map(printable, (entry.r_netid, entry.r_addr, entry.r_owner))
        service = getrpcbynumber(entry.r_prog) or "-"
        yield f"{entry.r_prog:10}{entry.r_vers:5}    {netid:<9} {uaddr:<22} {service:<10} {owner}"


def registration_item(entry: rpcb) -> dict[str, Any]:
    """A registration as JSON has it."""
    return {
        "program": entry.r_prog,
        "version": entry.r_vers,
        "netid": printable(entry.r_netid),
        "address": printable(entry.r_addr),
        "service": getrpcbynumber(entry.r_prog),
        "owner": printable(entry.r_owner),
    }


def summaries(found: list[rpcb]) -> list[dict[str, Any]]:
    """A summary of each program: versions and netids newest first.

    As in the C tool ``owner`` is that of the oldest entry, whoever registered the other versions;
    ``owners`` has them all, each with its versions.
    """
    programs: dict[int, dict[str, Any]] = {}
    for entry in found:
        new = {
            "program": entry.r_prog,
            "versions": {},
            "netids": {},
            "service": getrpcbynumber(entry.r_prog),
            "owner": printable(entry.r_owner),
            "owners": {},
        }
        known = programs.setdefault(entry.r_prog, new)
        known["versions"][entry.r_vers] = None
        known["netids"][printable(entry.r_netid)] = None
        known["owners"].setdefault(printable(entry.r_owner), {})[entry.r_vers] = None
    for known in programs.values():
        known["versions"] = list(reversed(known["versions"]))
        known["netids"] = list(reversed(known["netids"]))
        known["owners"] = {
            owner: list(reversed(versions)) for owner, versions in known["owners"].items()
        }
    return list(programs.values())


def summary_item(summary: dict[str, Any]) -> dict[str, Any]:
    """A summary for JSON: it has all owners instead of the oldest one."""
    return {name: value for name, value in summary.items() if name != "owner"}


def summaries_text(found: list[dict[str, Any]]) -> Iterator[str]:
    """The lines of ``-s``."""
    title = "   program version(s) netid(s)                         service     owner"
    yield title if found else NOTHING
    for each in found:
        versions = ",".join(map(str, each["versions"])) + " "
        netids = ",".join(each["netids"])[:NETIDS_SHOWN]
        service = each["service"] or "-"
        row = f"{each['program']:10}  {versions:<10}{netids:<32} {service:<11}"
        yield f"{row} {each['owner']}"


def addresses_text(prog: int, vers: int, found: list[rpcb_entry]) -> Iterator[str]:
    """The lines of ``-l``."""
    title = "   program vers  tp_family/name/class    address\t\t  service"
    yield title if found else NOTHING
    for entry in found:
        family, proto = printable(entry.r_nc_protofmly), printable(entry.r_nc_proto)
        kind = f"{family}/{proto}/{SEMANTICS.get(entry.r_nc_semantics, 'cots_ord')} "
        uaddr, service = printable(entry.r_maddr), getrpcbynumber(prog) or "-"
        yield f"{prog:10}{vers:3}    {kind:<24}{uaddr:<24} {service:<13}"


def address_item(prog: int, vers: int, entry: rpcb_entry) -> dict[str, Any]:
    """An address as JSON has it."""
    return {
        "program": prog,
        "version": vers,
        "netid": printable(entry.r_nc_netid),
        "family": printable(entry.r_nc_protofmly),
        "protocol": printable(entry.r_nc_proto),
        "semantics": SEMANTICS.get(entry.r_nc_semantics, "cots_ord"),
        "address": printable(entry.r_maddr),
        "service": getrpcbynumber(prog),
    }
