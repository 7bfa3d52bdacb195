"""Fast lines for ordinary messages: the text of ``line_of``, without a message or a cursor.

A plan is compiled from the templates of a procedure at its first call or reply. It reads messages
that were captured whole, with a status of success. For other messages it gives up, and ``line_of``
makes the line.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import lru_cache

from oncrpc.snoop.streams.matching import RPCSEC_GSS, KnownCall, KnownReply
from oncrpc.snoop.streams.recognition import OPAQUE_AUTH
from oncrpc.snoop.streams.statistics import PLAIN_SUCCESS
from oncrpc.snoop.words.cursor import HYPER, UINT, Cursor, CutShort, handle_hash
from oncrpc.snoop.words.header import AUTH_TLS
from oncrpc.snoop.words.line import line_of
from oncrpc.snoop.words.programs import KnownPrograms
from oncrpc.snoop.words.templates import (
    Complete,
    LineTemplate,
    Reader,
    Skipped,
    SkippedOptionals,
    StatusReader,
    Wording,
    file_handle,
)
from oncrpc.snoop.words.text import shortened

MAX_TEXTS = 4096
"""Names and handles whose text is cached."""

LONGEST = 128
"""Bytes of the longest name or handle whose text is cached."""

CREDENTIAL, RESULTS = 24, 24
"""Offsets of the credential in a call, and of the results in a reply without a verifier."""

GSS, TLS = int.from_bytes(RPCSEC_GSS, "big"), AUTH_TLS
GAVE_UP = (struct.error, CutShort, Complete)

PlaceReader = Callable[[bytes, int], tuple[str, int]]
"""Reads a field at an offset; returns its text and the offset of the next field."""

Plan = Callable[[bytes, int], str]
"""Makes the line of a message whose arguments or results are at an offset."""

PlanTable = dict[tuple[int, int], tuple[Plan, ...]]
"""The plans of each program and version, by procedure."""


class SummaryPlans:
    """The plans of all programs. Cache: compiled once for each version, never dropped."""

    def __init__(self, programs: KnownPrograms) -> None:
        self._programs = programs
        self._calls: PlanTable = {}
        self._replies: PlanTable = {}

    def call(self, call: KnownCall) -> str:
        """The line of a call."""
        plan = self._plan(self._calls, call)
        if plan is not None:
            body = call.body
            try:
                flavor, size = OPAQUE_AUTH.unpack_from(body, CREDENTIAL)
                at = CREDENTIAL + 8 + (size + 3 & ~3)
                _, size = OPAQUE_AUTH.unpack_from(body, at)
                if flavor not in (GSS, TLS):
                    return plan(body, at + 8 + (size + 3 & ~3))
            except GAVE_UP:
                pass
        return line_of(call.call, self._programs)

    def reply(self, reply: KnownReply) -> str:
        """The line of a reply."""
        call, body = reply.call, reply.body
        plan = self._plan(self._replies, call)
        if plan is not None and body[8:24] == PLAIN_SUCCESS and call.body[24:28] != RPCSEC_GSS:
            try:
                return plan(body, RESULTS)
            except GAVE_UP:
                pass
        return line_of(reply.message, self._programs)

    def _plan(self, plans: PlanTable, call: KnownCall) -> Plan | None:
        made = plans.get((call.prog, call.vers))
        if made is None:
            made = self._load(plans, call)
        if call.proc >= len(made) or self._programs.is_callback(call.prog):
            return None
        return made[call.proc]

    def _load(self, plans: PlanTable, call: KnownCall) -> tuple[Plan, ...]:
        words = self._programs.words(call.prog, call.vers)
        if not isinstance(words, Wording):
            return ()
        key = call.prog, call.vers
        self._calls[key] = _plans("C", words.label, words.names, words.calls.get)
        self._replies[key] = _plans("R", words.label, words.names, words.replies.get)
        return plans[key]


def _plans(
    letter: str,
    label: str,
    names: tuple[str, ...],
    template_of: Callable[[int], LineTemplate | None],
) -> tuple[Plan, ...]:
    return tuple(
        _plan(f"{label} {letter} {name} ", template_of(number)) for number, name in enumerate(names)
    )


def _plan(begin: str, template: LineTemplate | None) -> Plan:
    """The plan of a template; ``begin`` is the text before it."""
    if template is None:
        line = begin.rstrip()
        return lambda _body, _at: line
    steps = [
        (before, _place_reader(reader), shown)
        for before, reader, shown in template.parts
        if reader is not None
    ]
    end = template.parts[-1].before

    def line_at(body: bytes, at: int) -> str:
        line = begin
        for before, read, shown in steps:
            text, at = read(body, at)
            line += before + text if shown else before
        return (line + end).rstrip()

    return line_at


def _place_reader(reader: Reader) -> PlaceReader:
    """A function that reads the same field as a reader, at an offset."""
    if isinstance(reader, Skipped):
        return _skipped(reader.size)
    if isinstance(reader, SkippedOptionals):
        return _optionals(reader.sizes)
    if isinstance(reader, StatusReader) and reader.ok == 0 and 0 in reader.words:
        return _success(reader.words[0])
    return QUICK.get(reader) or _by_cursor(reader)


def _success(text: str) -> PlaceReader:
    """A reader of a status; gives up if it is not 0."""

    def read(body: bytes, at: int) -> tuple[str, int]:
        if body[at : at + 4] != b"\0\0\0\0":
            raise CutShort
        return text, at + 4

    return read


def _skipped(size: int) -> PlaceReader:
    return lambda _, at: ("", at + size)


def _optionals(sizes: tuple[int, ...]) -> PlaceReader:
    def read(body: bytes, at: int) -> tuple[str, int]:
        for size in sizes:
            at += 4 + size if UINT.unpack_from(body, at)[0] else 4
        return "", at

    return read


def _by_cursor(reader: Reader) -> PlaceReader:
    def read(body: bytes, at: int) -> tuple[str, int]:
        cursor = Cursor(body, at)
        text = str(reader(cursor))
        return text, cursor.at

    return read


def _opaque(body: bytes, at: int) -> tuple[bytes, int]:
    """Opaque data with its size before it."""
    (size,) = UINT.unpack_from(body, at)
    at += 4
    data = body[at : at + size]
    if len(data) != size:
        raise CutShort
    return data, at + (size + 3 & ~3)


@lru_cache(MAX_TEXTS)
def _known_handle(handle: bytes) -> str:
    return f"{handle_hash(handle):04X}"


_known_text = lru_cache(MAX_TEXTS)(shortened)
"""Caches: text by the bytes of handles and names, at most ``MAX_TEXTS``, least recently used."""


def _handle(body: bytes, at: int) -> tuple[str, int]:
    data, at = _opaque(body, at)
    return _known_handle(data) if len(data) <= LONGEST else f"{handle_hash(data):04X}", at


def _text(body: bytes, at: int) -> tuple[str, int]:
    data, at = _opaque(body, at)
    return _known_text(data) if len(data) <= LONGEST else shortened(data), at


def _uint(body: bytes, at: int) -> tuple[str, int]:
    return str(UINT.unpack_from(body, at)[0]), at + 4


def _hyper(body: bytes, at: int) -> tuple[str, int]:
    return str(HYPER.unpack_from(body, at)[0]), at + 8


QUICK: dict[Reader, PlaceReader] = {
    Cursor.uint: _uint,
    Cursor.hyper: _hyper,
    Cursor.text: _text,
    file_handle: _handle,
}
"""Readers of templates, with functions that read the same field at an offset."""
