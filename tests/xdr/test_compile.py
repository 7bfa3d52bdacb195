"""What both directions of the compiler share."""

from __future__ import annotations

import textwrap
from types import ModuleType
from typing import Annotated

import pytest

from oncrpc import xdr
from oncrpc.errors import XdrError
from oncrpc.xdr import Bool, UInt, codec, decoder, encoder
from oncrpc.xdr.compile import Writer, bad, define, short, short_run
from support.sample_types import holder, lists, nested, point


def test_a_defined_function_carries_its_source() -> None:
    twice = define("twice", ["def twice(x):", "    return 2 * x"], {})

    assert twice(4) == 8
    assert twice.__xdr_source__ == "def twice(x):\n    return 2 * x\n"


def test_a_short_run_names_the_incomplete_field() -> None:
    fields = ((4, "a"), (8, "b"), (4, "c"))

    with pytest.raises(XdrError) as caught:
        short_run(fields, "", 100, 107)

    assert str(caught.value) == "b, byte 104: need 8 bytes, have 3"


def test_a_complete_run_is_not_reported_short() -> None:
    with pytest.raises(AssertionError):
        short_run(((4, "a"),), "", 0, 4)


def test_errors_carry_place_and_reason() -> None:
    with pytest.raises(XdrError) as missing:
        short("x", 8, 4, 10)
    with pytest.raises(XdrError) as wrong:
        bad("y", None, "no good")

    assert (missing.value.path, missing.value.offset) == ("x", 8)
    assert missing.value.reason == "need 4 bytes, have 2"
    assert str(wrong.value) == "y: no good"


def test_a_constant_is_named_once() -> None:
    writer = Writer(codec)

    assert writer.constant(point) == writer.constant(point)
    assert writer.constant(point) != writer.constant(nested)
    assert writer.namespace[writer.constant(point)] is point


def test_fixed_fields_are_one_run_across_structures() -> None:
    assert codec(point).source.count("unpack_from") == 0  # bound to the layout beforehand
    assert codec(point).source.count("(data, i)") == 1
    assert codec(holder).source.count("(data, i)") == 1


def test_the_source_of_a_codec_is_both_directions() -> None:
    source = codec(lists).source

    assert source.index("def encode(v, out):") < source.index("def decode(data, i, end):")


@xdr.struct
class item:
    """The declaration that the modules show."""

    number: UInt
    new: Bool
    name: Annotated[bytes, xdr.string(8)]


@pytest.mark.parametrize(("module", "first"), [(encoder, 0), (decoder, 1)])
def test_a_module_shows_the_function_it_writes(module: ModuleType, first: int) -> None:
    written = codec(item).source.split("\n\n")[first].strip()

    assert textwrap.indent(written, "    ") in (module.__doc__ or "")
