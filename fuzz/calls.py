"""Calls of the port mapper: recorded ones, and ones that are made from its declarations."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from fuzz.mutation import WORDS, mutated
from oncrpc.portmap.procedures import Mapper
from oncrpc.portmap.registry import Registry
from oncrpc.programs.portmap import PMAP_VERS, call_args, mapping
from oncrpc.programs.rpcb import RPCBVERS, RPCBVERS4, netbuf, rpcb, rpcb_rmtcallargs
from oncrpc.rpc import AUTH_NONE, Call, Caller, auth_sys
from oncrpc.rpc.calls import call_header
from oncrpc.xdr import codec

GOLDEN = Path(__file__).resolve().parents[1] / "tests" / "support" / "golden.jsonl"
CALLERS = (
    Caller("udp", ("192.0.2.1", 700, 0), ("192.0.2.2", 111, 0), datagram=True),
    Caller("udp6", ("2001:db8::1", 700, 0), ("2001:db8::2", 111, 0), datagram=True, to_group=True),
    Caller("udp", ("127.0.0.1", 700, 0), ("127.0.0.1", 111, 0), datagram=True, loopback=True),
    Caller("tcp6", ("::1", 40000, 0), ("::1", 111, 0), loopback=True),
    Caller("tcp", ("192.0.2.1", 700, 0), ("192.0.2.2", 111, 0)),
    Caller("local", uid=1000, loopback=True),
    Caller("local", uid=0, loopback=True),
)
VERSIONS = {version.vers: version for version in (PMAP_VERS, RPCBVERS, RPCBVERS4)}
CREDENTIALS = (AUTH_NONE, AUTH_NONE, auth_sys(b"host", 1000, 100, [4, 24], stamp=1))
STRINGS = (
    b"", b"udp", b"tcp", b"UDP6", b"local", b"foonet", b"0.0.0.0.8.1", b"::.0.111", b"1.2.3.4.5.6",
    b"fe80::1%lo.0.1", b"300.0.0.1.999.999", b"/run/x.sock", b"@x", b"\0", b"\xff" * 4, b"." * 300,
    b"::ffff:1.2.3.4.0.1", b"1.1", b"\x02\x00\x00\x6f\x7f\x00\x00\x01" + bytes(8),
    b"\x0a\x00\x00\x6f" + bytes(24), b"\x01\x00/run/x", b"9" * 5000 + b".1.1",
)  # fmt: skip
PROGRAMS = (100000, 100003, 100005, 400001, 400001, 400002)


@cache
def recorded() -> list[bytes]:
    """What real clients sent to the C daemon."""
    lines = GOLDEN.read_text().splitlines()
    return sorted({bytes.fromhex(json.loads(line)["request"]) for line in lines} - {b""})


def number(source: Random) -> int:
    return source.choice(WORDS) if source.random() < 0.3 else source.randrange(1, 8)


def _string(source: Random) -> bytes:
    return source.choice(STRINGS)


MAKERS: dict[Any, Any] = {
    mapping: lambda s: mapping(s.choice(PROGRAMS), number(s), s.choice((6, 17, 0)), number(s)),
    call_args: lambda s: call_args(s.choice(PROGRAMS), number(s), number(s), _string(s)),
    rpcb: lambda s: rpcb(s.choice(PROGRAMS), number(s), _string(s), _string(s), _string(s)),
    rpcb_rmtcallargs: lambda s: rpcb_rmtcallargs(
        s.choice(PROGRAMS), number(s), number(s), _string(s)
    ),
    netbuf: lambda s: netbuf(number(s), _string(s)),
}


def call(source: Random) -> bytes:
    """A call that can be decoded, of any procedure."""
    version = source.choice(list(VERSIONS.values()))
    procedure = source.choice(list(version.procedures.values()))
    place = version.prog, version.vers, procedure.number
    message = call_header(source.randrange(1 << 32), place, cred=source.choice(CREDENTIALS))
    for declared in procedure.arguments:
        make = MAKERS.get(declared, _string)
        message += codec(declared).encode(make(source))
    return message


def message(source: Random) -> bytes:
    """A call, as a rule a wrong one."""
    valid = source.choice(recorded()) if source.random() < 0.5 else call(source)
    return mutated(valid, source, recorded())


def counting(of: Mapper) -> Callable[[Call], None]:
    """The dispatcher's ``before``: it counts the call, as a daemon does."""

    def before(call: Call) -> None:
        version = call.procedure.version.vers
        call.count(of.statistics.calls_of(version, call.procedure.number))

    return before


def mapper() -> Mapper:
    """A port mapper with something to be asked for; nobody's addresses are its own."""
    registry = Registry()
    for netid, uaddr in ((b"tcp", b"0.0.0.0.8.1"), (b"udp6", b"::.8.1"), (b"local", b"/run/x")):
        assert registry.set(rpcb(400001, 2, netid, uaddr, b"superuser"))
        assert registry.set(rpcb(400001, 3, netid, uaddr, b"1000"))
    return Mapper(registry, now=lambda: 1.0, is_ours=lambda host: host.startswith("192.0.2."))
