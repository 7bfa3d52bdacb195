"""Lines of small programs."""

from __future__ import annotations

import pytest

from oncrpc.programs import bootparam, rusers, rwall, spray
from oncrpc.programs.bootparam import BOOTPARAMVERS
from oncrpc.programs.rstat import RSTATVERS_TIME
from oncrpc.snoop.words.line import line_of
from oncrpc.snoop.words.programs import KnownPrograms
from support.wire_messages import call_line, reply_line, seen_bytes, seen_reply
from support.words import words

ADDRESS = bootparam.bp_address(1, bootparam.ip_addr_t(-64, 0, 2, 1))


def test_booting_host_asks_who_it_is() -> None:
    line = call_line(BOOTPARAMVERS.BOOTPARAMPROC_WHOAMI, bootparam.bp_whoami_arg(ADDRESS))
    assert line == "BPARAM C WHOAMI? 192.0.2.1"

    answer = bootparam.bp_whoami_res(b"client", b"example", ADDRESS)
    line = reply_line(BOOTPARAMVERS.BOOTPARAMPROC_WHOAMI, answer)
    assert line == "BPARAM R WHOAMI? client in example"


def test_booting_host_asks_for_files() -> None:
    line = call_line(
        BOOTPARAMVERS.BOOTPARAMPROC_GETFILE, bootparam.bp_getfile_arg(b"client", b"root")
    )
    assert line == "BPARAM C GETFILE root"

    answer = bootparam.bp_getfile_res(b"server", ADDRESS, b"/export/root")
    line = reply_line(BOOTPARAMVERS.BOOTPARAMPROC_GETFILE, answer)
    assert line == "BPARAM R GETFILE File=/export/root"


def test_statistics_are_asked_for() -> None:
    assert call_line(RSTATVERS_TIME.RSTATPROC_STATS) == "RSTAT C Get Statistics"


LOADS = words(26, 512, 0)


@pytest.mark.parametrize(
    ("version", "before"),
    [(2, bytes(72)), (3, bytes(72)), (5, bytes(72)), (4, words(2, 1, 1, 1, 7, bytes(44)))],
)
def test_statistics_show_the_loads(version: int, before: bytes) -> None:
    call = seen_bytes(RSTATVERS_TIME.RSTATPROC_STATS, b"", vers=version)
    reply = seen_reply(call, 0, 0, 0, 0, before + LOADS)

    assert line_of(reply, KnownPrograms()) == "RSTAT R Get Statistics load=0.10 2.00 0.00"


def test_users_are_counted() -> None:
    user = rusers.rusers_utmp(b"root", b"tty1", b"", 7, 0, 0)

    line = reply_line(rusers.RUSERSVERS_3.RUSERSPROC_NAMES, [user, user])

    assert line == "RUSERS R NAMES 2 users"


def test_message_to_users_is_shown() -> None:
    assert call_line(rwall.WALLVERS.WALLPROC_WALL, b"tea\n") == r"WALL C WALL tea\x0a"


def test_spray_shows_size_and_count() -> None:
    counted = spray.spraycumul(9, spray.spraytimeval(1, 0))

    assert call_line(spray.SPRAYVERS.SPRAYPROC_SPRAY, b"abc") == "SPRAY C SPRAY (3 bytes)"
    assert reply_line(spray.SPRAYVERS.SPRAYPROC_GET, counted) == "SPRAY R GET 9 calls"
