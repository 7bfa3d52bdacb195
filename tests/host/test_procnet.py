"""The files of /proc/net, as a kernel wrote them."""

from __future__ import annotations

import socket
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oncrpc.host.procnet import parse_inet, parse_unix, whole_lines
from oncrpc.host.sockdiag import BoundSocket

TCP = b"""\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:006F 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 9 1 0
   1: 0100007F:0801 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 9 1 0
   2: 0100007F:0801 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 9 1 0
 100: 0100007F:9C40 0100007F:0801 06 00000000:00000000 00:00000000 00000000     0        0 9 1 0
"""
UDP = b"""\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
 1175: 0200007F:0044 00000000:0000 07 00000000:00000000 00:00000000 00000000  0        0 9 2 0 0
 2001: 0100007F:8000 0100007F:0035 01 00000000:00000000 00:00000000 00000000  0        0 9 2 0 0
"""
TCP6 = b"""\
  sl  local_address                         remote_address                        st tx_queue
   0: 00000000000000000000000000000000:006F 00000000000000000000000000000000:0000 0A 00000000:0
   1: 00000000000000000000000001000000:0801 00000000000000000000000000000000:0000 0A 00000000:0
   2: 0000000000000000FFFF00000100007F:0802 00000000000000000000000000000000:0000 0A 00000000:0
"""
UNIX = b"""\
Num       RefCount Protocol Flags    Type St Inode Path
0000000000000000: 00000002 00000000 00010000 0001 01 14722 /run/served.sock
0000000000000000: 00000003 00000000 00000000 0001 03 14723 /run/accepted.sock
0000000000000000: 00000002 00000000 00000000 0002 01 14724 /run/datagrams
00000000e1f2a3b4: 00000002 00000000 00010000 0005 01 9 @/run/an abstract name
0000000000000000: 00000003 00000000 00000000 0001 03 14725
"""
LOCALHOST, LOCALHOST6 = socket.inet_aton("127.0.0.1"), bytes(15) + b"\1"

little_endian = pytest.mark.skipif(sys.byteorder != "little", reason="as little-endian ones write")


@little_endian
def test_only_listening_sockets_of_tcp_serve() -> None:
    assert list(parse_inet(TCP, listening=True)) == [
        BoundSocket(111, bytes(4), dual=False),
        BoundSocket(2049, LOCALHOST, dual=False),
    ]


@little_endian
def test_every_socket_of_udp_counts() -> None:
    assert list(parse_inet(UDP, listening=False)) == [
        BoundSocket(68, socket.inet_aton("127.0.0.2"), dual=False),
        BoundSocket(32768, LOCALHOST, dual=False),
    ]


@little_endian
def test_ipv6_wildcard_counts_for_ipv4() -> None:
    assert list(parse_inet(TCP6, listening=True)) == [
        BoundSocket(111, bytes(16), dual=True),
        BoundSocket(2049, LOCALHOST6, dual=False),
        BoundSocket(2050, bytes(10) + b"\xff\xff" + LOCALHOST, dual=False),
    ]


def test_local_sockets_serve_that_listen_or_take_datagrams() -> None:
    assert list(parse_unix(UNIX)) == [
        b"/run/served.sock",
        b"/run/datagrams",
        b"@/run/an abstract name",
    ]


@given(st.data())
def test_lines_are_the_same_however_they_are_cut(data: st.DataObject) -> None:
    places = sorted(data.draw(st.lists(st.integers(0, len(UNIX)), max_size=8)))
    pieces = [UNIX[a:b] for a, b in zip([0, *places], [*places, len(UNIX)], strict=True)]

    found = [name for lines in whole_lines(pieces) for name in parse_unix(lines)]

    assert found == list(parse_unix(UNIX))


@given(st.binary())
def test_any_bytes_have_sockets_or_none(lines: bytes) -> None:
    for found in parse_inet(lines, listening=False):
        assert found.port < 65536

    list(parse_unix(lines))
