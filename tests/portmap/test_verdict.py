"""What is said of a registration, of what is bound."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oncrpc.addr import join_uaddr
from oncrpc.host.bound_sockets import TABLES, Bound
from oncrpc.host.sockdiag import BoundSocket
from oncrpc.portmap import verdict as verdict_module
from oncrpc.portmap.verdict import Verdict, judge, kernel_programs
from support.callers import registered

OURS = frozenset({"192.0.2.1", "127.0.0.1", "2001:db8::1", "::1"})
PORT = 2049
PROGRAM = 400100
BOUND, GONE, UNKNOWN = Verdict.BOUND, Verdict.GONE, Verdict.UNKNOWN


def bound(*hosts: str, dual: bool = False, netid: str = "tcp") -> Bound:
    """A host on which the port is bound at these addresses."""
    made = Bound({netid: set() for netid in TABLES}, paths=set())
    for host in hosts:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        name = netid + ("6" if ":" in host else "")
        made.add(name, BoundSocket(PORT, socket.inet_pton(family, host), dual))
    return made


def verdict(netid: str, host: str, known: Bound, *, port: int = PORT) -> Verdict:
    entry = registered(PROGRAM, 1, netid, join_uaddr(host, port))
    return judge(entry, known, is_ours=OURS.__contains__)


@pytest.mark.parametrize(
    ("registered_at", "bound_at", "expected"),
    [
        ("0.0.0.0", "0.0.0.0", BOUND),
        ("0.0.0.0", "127.0.0.1", BOUND),
        ("0.0.0.0", "::ffff:127.0.0.1", BOUND),
        ("0.0.0.0", "::1", GONE),
        ("127.0.0.1", "127.0.0.1", BOUND),
        ("127.0.0.1", "0.0.0.0", BOUND),
        ("127.0.0.1", "::ffff:127.0.0.1", BOUND),
        ("127.0.0.1", "192.0.2.1", GONE),
        ("198.51.100.7", "0.0.0.0", BOUND),
        ("198.51.100.7", "192.0.2.1", UNKNOWN),
        ("255.255.255.255", "192.0.2.1", UNKNOWN),
    ],
)
def test_ipv4(registered_at: str, bound_at: str, expected: Verdict) -> None:
    assert verdict("tcp", registered_at, bound(bound_at)) is expected


@pytest.mark.parametrize(
    ("registered_at", "bound_at", "expected"),
    [
        ("::", "::", BOUND),
        ("::", "2001:db8::1", BOUND),
        ("::", "0.0.0.0", GONE),
        ("::1", "::", BOUND),
        ("::1", "2001:db8::1", GONE),
        ("::ffff:127.0.0.1", "127.0.0.1", UNKNOWN),
        ("fe80::1", "::1", UNKNOWN),
        ("2001:db8::9", "::1", UNKNOWN),
    ],
)
def test_ipv6(registered_at: str, bound_at: str, expected: Verdict) -> None:
    assert verdict("tcp6", registered_at, bound(bound_at)) is expected


@pytest.mark.parametrize(("dual", "expected"), [(True, BOUND), (False, GONE)])
@pytest.mark.parametrize("host", ["0.0.0.0", "127.0.0.1"])
def test_an_ipv6_socket_may_serve_ipv4_too(host: str, dual: bool, expected: Verdict) -> None:
    assert verdict("tcp", host, bound("::", dual=dual)) is expected


def test_udp_and_tcp_are_not_confused() -> None:
    assert verdict("udp", "0.0.0.0", bound("0.0.0.0", netid="udp")) is BOUND
    assert verdict("udp", "0.0.0.0", bound("0.0.0.0", netid="tcp")) is GONE


def test_netids_are_compared_without_case() -> None:
    assert verdict("TCP", "0.0.0.0", bound()) is GONE


@pytest.mark.parametrize("netid", ["sctp", "rdma", "dccp", "sctp6", "rdma6"])
def test_other_transports_cannot_be_judged(netid: str) -> None:
    host = "::" if netid.endswith("6") else "0.0.0.0"

    assert verdict(netid, host, bound()) is UNKNOWN


def test_port_0_cannot_be_judged() -> None:
    assert verdict("tcp", "0.0.0.0", bound(), port=0) is UNKNOWN


def test_unreadable_table_is_not_empty() -> None:
    assert verdict("tcp", "0.0.0.0", Bound()) is UNKNOWN
    local = registered(PROGRAM, 1, "local", "/run/x.sock")
    assert judge(local, Bound(), is_ours=OURS.__contains__) is UNKNOWN


@pytest.mark.parametrize("uaddr", ["", "nonsense", "1.2.3.4", "/run/x"])
def test_invalid_address_is_unverifiable(uaddr: str) -> None:
    entry = registered(PROGRAM, 1, "tcp", uaddr)

    assert judge(entry, bound(), is_ours=OURS.__contains__) is UNKNOWN


def test_the_port_mappers_own_are_never_gone() -> None:
    entry = registered(100000, 4, "tcp", "0.0.0.0.0.111")

    assert judge(entry, bound(), is_ours=OURS.__contains__) is UNKNOWN


def test_kernel_programs_are_not_judged() -> None:
    nfs = registered(100003, 3, "tcp", "0.0.0.0.8.1")

    assert judge(nfs, bound(), is_ours=OURS.__contains__, kernel={100003}) is UNKNOWN
    assert judge(nfs, bound(), is_ours=OURS.__contains__) is GONE


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/run/served.sock", BOUND),
        ("@abstract", BOUND),
        ("/run/other.sock", Verdict.UNLISTED),
        ("@other", Verdict.UNLISTED),
        ("relative.sock", UNKNOWN),
    ],
)
@pytest.mark.parametrize("netid", ["local", "unix"])
def test_local_sockets(netid: str, path: str, expected: Verdict) -> None:
    known = Bound(paths={b"/run/served.sock", b"@abstract"})
    entry = registered(PROGRAM, 1, netid, path)

    assert judge(entry, known, is_ours=OURS.__contains__) is expected


hosts = st.sampled_from([*sorted(OURS), "0.0.0.0", "::", "198.51.100.7", "2001:db8::9"])


@given(st.sampled_from(["tcp", "udp"]), hosts, st.sets(hosts), st.booleans())
def test_bound_address_is_never_gone(netid: str, host: str, others: set[str], dual: bool) -> None:
    known = bound(host, *others, dual=dual, netid=netid)

    assert verdict(netid + ("6" if ":" in host else ""), host, known) is BOUND


@given(st.binary(max_size=20), st.binary(max_size=40), st.integers(0, 2**32 - 1))
def test_any_registration_has_a_verdict(netid: bytes, uaddr: bytes, prog: int) -> None:
    entry = registered(prog, 1)
    entry = type(entry)(prog, 1, netid, uaddr, b"")

    assert judge(entry, bound("0.0.0.0"), is_ours=OURS.__contains__) in Verdict


def test_kernel_programs_depend_on_its_services(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    here, gone = str(tmp_path), str(tmp_path / "gone")
    monkeypatch.setattr(verdict_module, "KERNEL_PROGRAMS", {100003: here, 100021: gone})

    assert kernel_programs() == {100003}
