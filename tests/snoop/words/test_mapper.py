"""Lines of the port mapper."""

from __future__ import annotations

from oncrpc.programs import portmap, rpcb
from oncrpc.programs.portmap import PMAP_VERS
from oncrpc.programs.rpcb import RPCBVERS, RPCBVERS4
from oncrpc.snoop.words.line import line_of
from oncrpc.snoop.words.programs import KnownPrograms
from support.wire_messages import answered, call_line, cut_message, reply_line, seen_bytes

UDP = 17
REGISTRATION = rpcb.rpcb(100021, 4, b"tcp6", b"::.8.1", b"superuser")


def test_set_shows_the_mapping() -> None:
    mapping = portmap.mapping(100024, 1, UDP, 1023)

    line = call_line(PMAP_VERS.PMAPPROC_SET, mapping)

    assert line == "PORTMAP C SET prog=100024 (STATMON2) vers=1 proto=UDP port=1023"
    assert reply_line(PMAP_VERS.PMAPPROC_SET, False) == "PORTMAP R SET Failed"


def test_transient_program_is_called_so() -> None:
    mapping = portmap.mapping(0x40000001, 1, 99, 0)

    line = call_line(PMAP_VERS.PMAPPROC_GETPORT, mapping)

    assert line == "PORTMAP C GETPORT prog=1073741825 (transient) vers=1 proto=99"


def test_dump_counts_the_mappings() -> None:
    maps = [portmap.pmaplist(portmap.mapping(100000, 2, UDP, 111))] * 3

    assert reply_line(PMAP_VERS.PMAPPROC_DUMP, maps) == "PORTMAP R DUMP 3 map(s) found"


def test_cut_dump_says_that_there_are_more() -> None:
    dump = PMAP_VERS.PMAPPROC_DUMP
    maps = [portmap.pmaplist(portmap.mapping(100000, 2, UDP, 111))] * 3
    reply = answered(seen_bytes(dump, b""), dump, maps)

    line = line_of(cut_message(reply, reply.length - 8), KnownPrograms())

    assert line == "PORTMAP R DUMP 2+ map(s) found"


def test_remote_call_names_the_program() -> None:
    inner = portmap.call_args(100005, 3, 0, b"abcd")

    line = call_line(PMAP_VERS.PMAPPROC_CALLIT, inner)

    assert line == "PORTMAP C CALLIT prog=MOUNT vers=3 proc=0"
    answer = portmap.call_result(33492, b"abcd")
    assert reply_line(PMAP_VERS.PMAPPROC_CALLIT, answer) == "PORTMAP R CALLIT port=33492 len=4"


def test_rpcbind_shows_program_and_address() -> None:
    line = call_line(RPCBVERS4.RPCBPROC_GETVERSADDR, REGISTRATION)

    assert line == "RPCBIND C GETVERSADDR prog=100021 (NLM) vers=4"
    answer = reply_line(RPCBVERS.RPCBPROC_GETADDR, b"192.0.2.1.8.1")
    assert answer == "RPCBIND R GETADDR Uaddr=192.0.2.1.8.1"


def test_rpcbind_counts_registrations() -> None:
    line = reply_line(RPCBVERS.RPCBPROC_DUMP, [rpcb.rp__list(REGISTRATION)] * 2)

    assert line == "RPCBIND R DUMP 2 map(s) found"


def test_rpcbind_counts_addresses() -> None:
    entry = rpcb.rpcb_entry(b"192.0.2.1.0.111", b"udp", 1, b"inet", b"udp")

    line = reply_line(RPCBVERS4.RPCBPROC_GETADDRLIST, [rpcb.rpcb_entry_list(entry)])

    assert line == "RPCBIND R GETADDRLIST 1 map(s) found"


def test_statistics_count_calls_of_each_version() -> None:
    asked = rpcb.rpcbs_addrlist(100003, 3, 9, 1, b"udp")
    forwarded = rpcb.rpcbs_rmtcalllist(100003, 3, 0, 9, 1, 0, b"udp")
    counts = [rpcb.rpcb_stat([number] * 13, 7, 8, [asked], [forwarded]) for number in (1, 2, 3)]

    line = reply_line(RPCBVERS4.RPCBPROC_GETSTAT, counts)

    assert line == "RPCBIND R GETSTAT calls: v2 13, v3 26, v4 39"


def test_time_is_that_of_greenwich() -> None:
    line = reply_line(RPCBVERS.RPCBPROC_GETTIME, 825_940_800)

    assert line == "RPCBIND R GETTIME 04-Mar-96 12:00:00 GMT"


def test_indirect_call_names_the_program() -> None:
    inner = rpcb.rpcb_rmtcallargs(100003, 3, 0, b"")
    answer = rpcb.rpcb_rmtcallres(b"::.8.1", b"12345")

    indirect = RPCBVERS4.RPCBPROC_INDIRECT
    assert call_line(indirect, inner) == "RPCBIND C INDIRECT prog=NFS vers=3 proc=0"
    assert reply_line(indirect, answer) == "RPCBIND R INDIRECT Uaddr=::.8.1 len=5"


def test_transport_address_is_shown_by_its_size() -> None:
    line = call_line(RPCBVERS.RPCBPROC_TADDR2UADDR, rpcb.netbuf(16, b"\0" * 16))

    assert line == "RPCBIND C TADDR2UADDR Taddr=16 bytes"
