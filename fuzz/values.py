"""Values of declared types, most of them small and often at a limit."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from fuzz.mutation import WORDS
from oncrpc.xdr import nodes
from oncrpc.xdr.nodes import Node, node_of

MOST_BYTES, MOST_ITEMS = 40, 3
Bytes = Callable[[Random, int, bool], bytes]
"""Makes the bytes of a field, by its limit, and whether it has exactly that many."""


def value_of(declared: Any, source: Random, made: Bytes) -> Any:
    """A value of a declared type, whose bytes ``made`` makes."""
    return _value(node_of(declared), source, made)


def _value(node: Node, source: Random, made: Bytes) -> Any:
    match node:
        case nodes.VoidNode():
            return None
        case nodes.ScalarNode():
            return _scalar(node, source)
        case nodes.EnumNode(cls=cls):
            return source.choice(list(cls))
        case nodes.BytesNode(limit=limit, fixed=fixed):
            return made(source, limit, fixed)
        case nodes.ItemsNode(element=element, limit=limit, fixed=fixed):
            count = limit if fixed else source.randrange(min(limit, MOST_ITEMS) + 1)
            return [_value(element, source, made) for _ in range(count)]
        case nodes.OptionalNode(element=element):
            return _value(element, source, made) if source.random() < 0.5 else None
        case nodes.StructNode(cls=cls, fields=fields):
            return cls(*(_value(part, source, made) for _, part in fields))
        case nodes.UnionNode():
            return _union(node, source, made)
    raise AssertionError(f"{node!r} is in no argument")


def _scalar(node: nodes.ScalarNode, source: Random) -> int:
    if node.scalar.name == "bool":
        return source.random() < 0.5
    number = source.choice(WORDS)
    if node.scalar.size == 8:
        number |= source.choice((0, 0, 0, 1, 0x7FFFFFFF, 0xFFFFFFFF)) << 32
    top = 1 << 8 * node.scalar.size
    return number if node.scalar.format.isupper() or number < top // 2 else number - top


def _union(node: nodes.UnionNode, source: Random, made: Bytes) -> Any:
    switch = node.switch[1]
    if isinstance(switch, nodes.EnumNode):
        tags: list[Any] = list(switch.cls)
    elif isinstance(switch, nodes.ScalarNode) and switch.scalar.name == "bool":
        tags = [False, True]
    else:
        tags = [*node.cases, *WORDS]
    if node.default is None:
        tags = [tag for tag in tags if tag in node.cases]
    tag = source.choice(tags)
    arm = node.cases.get(tag, node.default)
    assert arm is not None
    return node.cls(tag, _value(arm, source, made))
