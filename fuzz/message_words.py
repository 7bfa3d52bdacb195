"""What is said of messages: any bytes of any program, cut anywhere.

No error comes out, and no control character: the bytes are from the network, the words go to a
terminal.
"""

from __future__ import annotations

import json
import unicodedata
from importlib import import_module
from pkgutil import iter_modules
from random import Random
from struct import pack

from fuzz.driver import Target
from fuzz.mutation import word
from oncrpc import programs as package
from oncrpc.snoop.messages import Party, RpcMessage
from oncrpc.snoop.streams.matching import KnownReply, known_call
from oncrpc.snoop.words.layers import lines_of
from oncrpc.snoop.words.line import line_of
from oncrpc.snoop.words.objects import json_line
from oncrpc.snoop.words.programs import KnownPrograms, versions_of
from oncrpc.snoop.words.summary import SummaryPlans
from oncrpc.snoop.words.tree import tree_lines

PROCEDURES = [
    procedure
    for each in iter_modules(package.__path__)
    for version in versions_of(import_module(f"oncrpc.programs.{each.name}"))
    for procedure in version.procedures.values()
]
PROGRAMS = KnownPrograms()
PLANS = SummaryPlans(PROGRAMS)
FLOW = bytes(12)
NAMES = (
    b"",
    b"a",
    b"notes",
    b"/export",
    b"\x1b[2J",
    b"\xff\xfe",
    "\u202e\x9b".encode(),
    b"n" * 400,
)
CREDENTIALS = (b"", b"", bytes(20), pack(">IIIII", 1, 0, 7, 2, 0), pack(">IIIII", 1, 1, 7, 3, 0))
HEAD = 4
"""Bytes of input before the arguments: procedure, flavor, and how much was captured."""

LONGEST_LINE = 20_000


def make(source: Random) -> bytes:
    """A procedure, and arguments or results of words and names."""
    body = b"".join(_piece(source) for _ in range(source.randrange(40)))
    number = source.randrange(len(PROCEDURES))
    return pack(">HBB", number, source.randrange(8), source.choice((0, 0, 40, 255))) + body


def _piece(source: Random) -> bytes:
    if source.random() < 0.7:
        return source.choice((word(source), bytes(4), b"\0\0\0\1"))
    name = source.choice(NAMES)
    return pack(">I", len(name)) + name + bytes(-len(name) % 4)


def run(data: bytes) -> None:
    """Say all that can be said of it, as a call and as a reply."""
    head, body = data[:HEAD].ljust(HEAD, b"\0"), data[HEAD:]
    procedure = PROCEDURES[int.from_bytes(head[:2], "big") % len(PROCEDURES)]
    version, credential = procedure.version, CREDENTIALS[head[3] % len(CREDENTIALS)]
    header = pack(
        ">IIIIIIII", 7, 0, 2, version.prog, version.vers, procedure.number, head[2],
        len(credential),
    )  # fmt: skip
    call = _seen(header + credential + bytes(8) + body, head[3])
    for reply in (pack(">IIIIII", 7, 1, 0, 0, 0, 0) + body, pack(">III", 7, 1, 0) + body, body):
        _judge(_seen(reply, head[3], call))
    _judge(call)
    _compare(call, pack(">IIIIII", 7, 1, 0, 0, 0, 0) + body)


def _compare(call: RpcMessage, body: bytes) -> None:
    """Plans must say what ``line_of`` says."""
    known = known_call(call)
    assert PLANS.call(known) == line_of(call, PROGRAMS)
    reply = KnownReply(known, 2, 1, 0, FLOW, body, len(body))
    assert PLANS.reply(reply) == line_of(reply.message, PROGRAMS)


def _seen(body: bytes, cut: int, call: RpcMessage | None = None) -> RpcMessage:
    """A message of which the last bytes were not captured."""
    kept = body[: len(body) - cut] if cut < len(body) else body
    prog, vers, proc = _target(call.body if call is not None else body)
    return RpcMessage(
        number=2 if call else 1, time=1, began=0, source=Party("192.0.2.1", 700),
        target=Party("192.0.2.2", 2049), transport="udp", xid=7, is_call=call is None, prog=prog,
        vers=vers, proc=proc, body=kept, length=len(body), cut=len(kept) < len(body), call=call,
    )  # fmt: skip


def _target(call: bytes) -> tuple[int, int, int]:
    numbers = [int.from_bytes(call[at : at + 4], "big") for at in (12, 16, 20)]
    return numbers[0], numbers[1], numbers[2]


def _judge(message: RpcMessage) -> None:
    lines = lines_of(message, PROGRAMS)
    assert all(len(line) <= LONGEST_LINE for line in lines)
    for line in (*lines, *tree_lines(message, PROGRAMS)):
        assert not any(unicodedata.category(each)[0] == "C" for each in line), repr(line)
    text = json_line(message, PROGRAMS)
    assert text.isascii()
    assert text.isprintable()
    json.loads(text)


TARGET = Target("message_words", make, run)
