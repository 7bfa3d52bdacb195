"""Hypothesis strategies from declarations: any value of a declared type (RFC 4506)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, TypeVar, overload

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from oncrpc.xdr import OpenEnumeration, nodes
from oncrpc.xdr.nodes import Node, node_of

T = TypeVar("T")
MAX_BYTES = 40
MAX_ITEMS = 4
MAX_DEPTH = 3


@overload
def values_of(declared: type[T]) -> SearchStrategy[T]: ...
@overload
def values_of(declared: object) -> SearchStrategy[Any]: ...
def values_of(declared: Any) -> SearchStrategy[Any]:
    """Values of a declared type.

    They are small: at most ``MAX_BYTES`` bytes or ``MAX_ITEMS`` elements where the declaration
    leaves the length open, and at most ``MAX_DEPTH`` values of a type within one another. NaN is
    left out: it is not equal to itself.
    """
    return _Strategies().of(node_of(declared), MAX_DEPTH)


class _Strategies:
    """One strategy for each node; ``depth`` is how often a type may still occur within itself."""

    def __init__(self) -> None:
        self._known: dict[tuple[Any, int], SearchStrategy[Any]] = {}

    def of(self, node: Node, depth: int) -> SearchStrategy[Any]:
        match node:
            case nodes.VoidNode():
                return st.none()
            case nodes.ScalarNode():
                return _scalars(node)
            case nodes.EnumNode(cls=cls):
                return _members(cls)
            case nodes.BytesNode(limit=limit, fixed=fixed):
                most = limit if fixed else min(limit, MAX_BYTES)
                return st.binary(min_size=limit if fixed else 0, max_size=most)
            case nodes.ItemsNode(element=element, limit=limit, fixed=fixed):
                most = limit if fixed else min(limit, MAX_ITEMS)
                least = limit if fixed else 0
                return _lists(self.of(element, depth), least, most)
            case nodes.LinkedNode(element=element, rest=True):
                return st.none() | _lists(self.of(element, depth), 1, MAX_ITEMS)
            case nodes.LinkedNode(element=element):
                return _lists(self.of(element, depth), 0, MAX_ITEMS)
            case nodes.OptionalNode(element=element):
                return st.none() | self.of(element, depth)
            case nodes.StructNode(cls=cls, fields=fields):
                parts = [self.of(part, depth) for _, part in fields]
                return st.tuples(*parts).map(partial(_made, cls))
            case nodes.UnionNode():
                return self._unions(node, depth)
            case nodes.CallNode(declared=declared):
                return self._nested(declared, depth)
        raise AssertionError(f"{node!r} has no strategy")

    def _nested(self, declared: Any, depth: int) -> SearchStrategy[Any]:
        """A type within itself; below the depth only values without it are left."""
        if depth == 0:
            return st.nothing()
        key = (declared, depth)
        if key not in self._known:
            self._known[key] = self.of(node_of(declared), depth - 1)
        return self._known[key]

    def _unions(self, node: nodes.UnionNode, depth: int) -> SearchStrategy[Any]:
        tag = node.switch[1]
        arms = [
            st.tuples(st.just(_discriminant(tag, number)), self.of(arm, depth))
            for number, arm in node.cases.items()
        ]
        if node.default is not None:
            arms.append(st.tuples(_others(tag, node.cases), self.of(node.default, depth)))
        return st.one_of(arms).map(partial(_made, node.cls))


def _made(cls: type, parts: tuple[Any, ...]) -> Any:
    return cls(*parts)


def _lists(elements: SearchStrategy[Any], least: int, most: int) -> SearchStrategy[Any]:
    if elements.is_empty:
        return st.builds(list) if least == 0 else st.nothing()
    return st.lists(elements, min_size=least, max_size=most)


def _scalars(node: nodes.ScalarNode) -> SearchStrategy[Any]:
    letter, size = node.scalar.format, node.scalar.size
    if node.scalar.name == "bool":
        return st.booleans()
    if letter in "fd":
        return st.floats(width=32 if letter == "f" else 64, allow_nan=False)
    half = 1 << (8 * size - 1)
    return st.integers(0, 2 * half - 1) if letter.isupper() else st.integers(-half, half - 1)


def _members(cls: Any) -> SearchStrategy[Any]:
    named = st.sampled_from(list(cls))
    if issubclass(cls, OpenEnumeration):
        return named | st.integers(-(2**31), 2**31 - 1).map(cls)
    return named


def _discriminant(node: Node, number: int) -> Any:
    match node:
        case nodes.EnumNode(cls=cls):
            return cls(number)
        case nodes.ScalarNode(scalar=scalar) if scalar.name == "bool":
            return bool(number)
    return number


def _others(node: Node, cases: Mapping[int, Node]) -> SearchStrategy[Any]:
    """Discriminants that have no arm of their own."""
    match node:
        case nodes.EnumNode(cls=cls) if not issubclass(cls, OpenEnumeration):
            return _one_of([member for member in cls if member not in cases])
        case nodes.ScalarNode(scalar=scalar) if scalar.name == "bool":
            return _one_of([flag for flag in (False, True) if flag not in cases])
    return _Strategies().of(node, 0).filter(lambda number: number not in cases)


def _one_of(values: list[Any]) -> SearchStrategy[Any]:
    return st.sampled_from(values) if values else st.nothing()
