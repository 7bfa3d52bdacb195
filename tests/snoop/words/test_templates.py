"""Templates of lines, and the programs that have them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oncrpc.rpc.program import AnyProcedure
from oncrpc.snoop.words.cursor import Cursor
from oncrpc.snoop.words.line import line_of
from oncrpc.snoop.words.programs import WORDS, KnownPrograms, words_of
from oncrpc.snoop.words.templates import COMMON, LineTemplate, Wording
from oncrpc.testing import values_of
from oncrpc.xdr import encode
from support.wire_messages import answered, seen_bytes
from support.words import words

WITH_TEMPLATES = [
    procedure
    for prog, vers in WORDS
    if isinstance(each := words_of((prog, vers)), Wording)
    for procedure in getattr(KnownPrograms().version(prog, vers), "procedures", {}).values()
    if procedure.number < len(each.names)
]


def rendered(template: str, *parts: int | bytes) -> str:
    return LineTemplate(template, COMMON).render(Cursor(words(*parts)))


def test_fields_are_read_in_their_order() -> None:
    line = rendered("at {hyper} for {uint}", 1, 2, 3)

    assert line == "at 4294967298 for 3"


def test_hidden_field_is_read_but_not_shown() -> None:
    assert rendered("a={-word}{uint}", 1, 2) == "a=2"


def test_line_ends_where_the_message_ends() -> None:
    assert rendered("a={uint} b={uint} c={uint}", 1) == "a=1 b=..."


def test_cut_text_is_shown_in_part() -> None:
    assert rendered("name={text}", 9, b"abcd") == "name=abcd..."


@pytest.mark.slow
@pytest.mark.parametrize("procedure", WITH_TEMPLATES, ids=repr)
def test_templates_read_what_is_declared(procedure: AnyProcedure) -> None:
    """A template that reads fields in another order than they are ends too early."""

    @settings(max_examples=5)
    @given(st.data())
    def check(data: st.DataObject) -> None:
        wire = b"".join(encode(each, data.draw(values_of(each))) for each in procedure.arguments)
        call = seen_bytes(procedure, wire)
        reply = answered(call, procedure, data.draw(values_of(procedure.result)))

        for message in (call, reply):
            line = line_of(message, KnownPrograms())
            assert not line.endswith(("...", "(incomplete)")), line
            assert not line.startswith("RPC "), line

    check()
