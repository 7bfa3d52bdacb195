"""Lines of NIS."""

from __future__ import annotations

import pytest

from oncrpc.programs import yp
from oncrpc.programs.yp import YPBINDVERS, YPVERS, ypstat, ypxfrstat
from oncrpc.snoop.words.line import line_of
from oncrpc.snoop.words.parts import dissected
from oncrpc.snoop.words.programs import KnownPrograms
from support.wire_messages import call_line, cut_message, reply_line, seen_bytes, seen_reply
from support.words import words

MAP = yp.ypreq_nokey(b"example", b"hosts.byname")
ROOT = yp.ypresp_key_val(ypstat.YP_TRUE, b"root:x:0", b"root")


def test_match_shows_key_and_map() -> None:
    asked = yp.ypreq_key(b"example", b"hosts.byname", b"geneva")

    assert call_line(YPVERS.YPPROC_MATCH, asked) == "NIS C MATCH geneva in hosts.byname"
    missing = yp.ypresp_val(ypstat.YP_NOKEY, b"")
    assert reply_line(YPVERS.YPPROC_MATCH, missing) == "NIS R MATCH No such key"


def test_entries_show_their_keys() -> None:
    assert reply_line(YPVERS.YPPROC_FIRST, ROOT) == "NIS R FIRST OK key=root"


def test_all_entries_are_counted() -> None:
    assert call_line(YPVERS.YPPROC_ALL, MAP) == "NIS C ALL hosts.byname"
    call = seen_bytes(YPVERS.YPPROC_ALL, b"")
    entry = words(1, 1, 1, b"v\0\0\0", 1, b"k\0\0\0")

    whole, cut = (
        line_of(seen_reply(call, 0, 0, 0, 0, body), KnownPrograms())
        for body in (entry + entry + words(0), entry + entry)
    )

    assert (whole, cut) == ("NIS R ALL 2 entries", "NIS R ALL 2+ entries")


NO_MORE = words(1, 2, 0, 0, 0)
NO_MAP = words(1, -1 & 0xFFFFFFFF, 0, 0, 0)


@pytest.mark.parametrize(
    ("body", "said"), [(NO_MORE, "0 entries"), (NO_MAP, "No such map"), (b"", "0+ entries")]
)
def test_status_is_no_entry(body: bytes, said: str) -> None:
    reply = seen_reply(seen_bytes(YPVERS.YPPROC_ALL, b""), 0, 0, 0, 0, body)

    assert line_of(reply, KnownPrograms()) == f"NIS R ALL {said}"


def test_tree_has_all_entries() -> None:
    entry = words(1, 1, 1, b"v\0\0\0", 1, b"k\0\0\0")
    call = seen_bytes(YPVERS.YPPROC_ALL, b"")
    whole = seen_reply(call, 0, 0, 0, 0, entry * 3 + words(0))

    made = dissected(whole, KnownPrograms())
    cut = dissected(cut_message(whole, whole.length - 8), KnownPrograms())

    assert [part.name for part in made.body[0].parts] == ["[0]", "[1]", "[2]"]
    assert (made.problem, made.end) == ("", whole.length)
    assert made.body[0].parts[2].parts[2].value == b"k"
    assert (cut.problem, len(cut.body[0].parts)) == ("cut", 3)


def test_transfer_shows_map_and_outcome() -> None:
    parms = yp.ypmap_parms(b"example", b"hosts.byname", 5, b"master")
    refused = yp.ypresp_xfr(9, ypxfrstat.YPXFR_REFUSED)

    line = call_line(YPVERS.YPPROC_XFR, yp.ypreq_xfr(parms, 9, 0x40000000, 700))
    assert line == "NIS C XFR map hosts.byname in example"
    line = reply_line(YPVERS.YPPROC_XFR, refused)
    assert line == "NIS R XFR transid=9 Transfer request refused"


def test_maps_are_counted() -> None:
    maps = yp.ypresp_maplist(ypstat.YP_TRUE, [yp.ypmaplist(b"a"), yp.ypmaplist(b"b")])

    assert reply_line(YPVERS.YPPROC_MAPLIST, maps) == "NIS R MAPLIST OK 2 maps"


def test_binding_shows_address_and_port() -> None:
    place = yp.ypbind_binding(bytes([192, 0, 2, 1]), bytes([3, 9]))
    bound = yp.ypbind_resp(yp.ypbind_resptype.YPBIND_SUCC_VAL, place)
    unbound = yp.ypbind_resp(yp.ypbind_resptype.YPBIND_FAIL_VAL, yp.YPBIND_ERR_NOSERV)

    assert call_line(YPBINDVERS.YPBINDPROC_DOMAIN, b"example") == "NISBIND C DOMAIN example"
    line = reply_line(YPBINDVERS.YPBINDPROC_DOMAIN, bound)
    assert line == "NISBIND R DOMAIN OK Addr=192.0.2.1 Port=777"
    line = reply_line(YPBINDVERS.YPBINDPROC_DOMAIN, unbound)
    assert line == "NISBIND R DOMAIN Fail (No server)"
