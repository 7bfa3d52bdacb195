"""Lines of programs that have no words of their own."""

from __future__ import annotations

from oncrpc.programs import rwall, vxi11, yp
from oncrpc.programs.vxi11 import DEVICE_CORE_VERSION
from oncrpc.programs.yp import YPBINDVERS, YPVERS
from support.wire_messages import call_line, reply_line


def test_fields_are_shown_by_their_names() -> None:
    asked = yp.ypreq_key(b"example", b"passwd.byname", b"root")

    line = call_line(YPVERS.YPPROC_MATCH, asked)

    assert line == "NIS C YPPROC_MATCH domain=example map=passwd.byname key=root"


def test_statuses_are_shown_by_their_names() -> None:
    line = reply_line(YPVERS.YPPROC_MATCH, yp.ypresp_val(yp.ypstat.YP_NOKEY, b""))

    assert line == "NIS R YPPROC_MATCH stat=YP_NOKEY val="


def test_opaque_fields_are_in_hexadecimal() -> None:
    binding = yp.ypbind_binding(bytes([192, 0, 2, 1]), bytes([3, 9]))
    answer = yp.ypbind_resp(yp.ypbind_resptype.YPBIND_SUCC_VAL, binding)

    line = reply_line(YPBINDVERS.YPBINDPROC_DOMAIN, answer)

    assert line == (
        "NISBIND R YPBINDPROC_DOMAIN ypbind_status=YPBIND_SUCC_VAL"
        " ypbind_binding_addr=c0000201 ypbind_binding_port=0309"
    )


def test_lists_are_shown_by_their_length() -> None:
    maps = [yp.ypmaplist(b"a"), yp.ypmaplist(b"b")]

    line = reply_line(YPVERS.YPPROC_MAPLIST, yp.ypresp_maplist(yp.ypstat.YP_TRUE, maps))

    assert line == "NIS R YPPROC_MAPLIST stat=YP_TRUE maps=(2)"


def test_argument_without_name_is_shown_alone() -> None:
    assert call_line(rwall.WALLVERS.WALLPROC_WALL, b"tea\n") == r"WALL C WALLPROC_WALL tea\x0a"


def test_instrument_is_shown_by_its_fields() -> None:
    link = vxi11.Create_LinkParms(1, False, 0, b"gpib0,3")

    line = call_line(DEVICE_CORE_VERSION.create_link, link)

    assert line.endswith(" C create_link clientId=1 lockDevice=false lock_timeout=0 device=gpib0,3")
