"""The resolved tree of a declaration."""

from __future__ import annotations

from typing import Annotated, Any, Union

import pytest

from oncrpc import xdr
from oncrpc.xdr import Hyper, Int, String
from oncrpc.xdr.nodes import (
    BytesNode,
    CallNode,
    EnumNode,
    ItemsNode,
    LinkedNode,
    OptionalNode,
    ScalarNode,
    StructNode,
    UnionNode,
    VoidNode,
    node_of,
    padded,
)
from support.sample_types import (
    chain,
    colour,
    empty,
    link,
    lists,
    numbered,
    painted,
    point,
    points,
    twig,
)


@pytest.mark.parametrize(
    ("declared", "kind", "least"),
    [
        (None, VoidNode, 0),
        (type(None), VoidNode, 0),
        (Int, ScalarNode, 4),
        (Hyper, ScalarNode, 8),
        (colour, EnumNode, 4),
        (String, BytesNode, 4),
        (Annotated[bytes, xdr.fixed(5)], BytesNode, 8),
        (points, ItemsNode, 4),
        (Annotated[list[point], xdr.vector(3)], ItemsNode, 24),
        (Annotated[list[point], xdr.linked], LinkedNode, 4),
        (point | None, OptionalNode, 4),
        (point, StructNode, 8),
        (numbered, UnionNode, 4),
        (empty, StructNode, 0),
        (lists, StructNode, 12 + 4 * 3 + 8 + 4 + 8 + 4 * 3),
    ],
)
def test_a_declaration_has_kind_and_least_size(declared: Any, kind: type, least: int) -> None:
    node = node_of(declared)

    assert type(node) is kind
    assert node.least == least


def test_a_type_within_itself_is_a_call() -> None:
    node = node_of(chain)

    assert isinstance(node, StructNode)
    name, after = node.fields[0]
    assert name == "next"
    assert isinstance(after, OptionalNode)
    assert after.element == CallNode(4, chain)


def test_a_list_leaves_out_the_rest_of_elements() -> None:
    node = node_of(Annotated[list[link], xdr.linked])

    assert isinstance(node, LinkedNode)
    assert isinstance(node.element, StructNode)
    assert [name for name, _ in node.element.fields] == ["value"]
    assert node.element.rest == "next"


def test_a_list_within_its_element_is_called() -> None:
    twigs = Annotated[list[twig], xdr.linked]

    node = node_of(twig)

    assert isinstance(node, StructNode)
    assert node.fields[1] == ("twigs", CallNode(4, twigs))


def test_node_of_union_without_default_has_none() -> None:
    node = node_of(painted)

    assert isinstance(node, UnionNode)
    assert node.default is None
    assert set(node.cases) == {colour.RED, colour.GREEN}


@pytest.mark.parametrize(
    ("declared", "reason"),
    [
        (int, "is not an XDR type"),
        ("point", "is not an XDR type"),
        (list[point], "is not an XDR type"),
        (Annotated[int, "small"], "is not an XDR marker"),
        (point | colour, "a union is a class"),
        (Union[point, colour, None], "a union is a class"),  # noqa: UP007  # the old spelling too
        (Annotated[list[empty], xdr.array()], "elements of no size"),
        (Annotated[list[empty], xdr.vector(3)], "elements of no size"),
    ],
)
def test_an_invalid_declaration_is_a_type_error(declared: Any, reason: str) -> None:
    with pytest.raises(TypeError, match=reason):
        node_of(declared)


def test_sizes_are_padded_to_four_bytes() -> None:
    assert [padded(size) for size in range(6)] == [0, 4, 4, 4, 4, 8]
