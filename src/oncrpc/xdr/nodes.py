"""The resolved tree of a declaration, from which the codec is compiled (RFC 4506 §4)."""

from __future__ import annotations

import enum
import types
import typing
from typing import Annotated, Any, NamedTuple, TypeAlias, get_args, get_origin

from oncrpc.xdr.types import REFUSED, Arms, Bytes, Items, Linked, Rest, Scalar


class VoidNode(NamedTuple):
    least: int


class ScalarNode(NamedTuple):
    least: int
    scalar: Scalar


class EnumNode(NamedTuple):
    least: int
    cls: type[enum.IntEnum]


class BytesNode(NamedTuple):
    least: int
    limit: int
    fixed: bool


class ItemsNode(NamedTuple):
    least: int
    element: Node
    limit: int
    fixed: bool


class LinkedNode(NamedTuple):
    """A linked list, or the rest of one: then an empty one is None."""

    least: int
    element: Node
    rest: bool = False


class OptionalNode(NamedTuple):
    least: int
    element: Node


class StructNode(NamedTuple):
    """``rest`` is the field that an element of a list leaves to the list, else empty."""

    least: int
    cls: type
    fields: list[tuple[str, Node]]
    rest: str = ""


class UnionNode(NamedTuple):
    least: int
    cls: type
    switch: tuple[str, Node]
    body: str
    cases: dict[int, Node]
    default: Node | None


class CallNode(NamedTuple):
    """A type within itself, or nested deeply: coded by a call of its own codec, not in line.

    Where types are within themselves there is an optional, an array, a list or a union between, so
    that they have four bytes at least.
    """

    least: int
    declared: Any


Node: TypeAlias = (
    VoidNode | ScalarNode | EnumNode | BytesNode | ItemsNode | LinkedNode | OptionalNode
    | StructNode | UnionNode | CallNode
)  # fmt: skip
"""``least`` is the fewest bytes that a value of the type can have."""


class Within(NamedTuple):
    """Where a declaration stands: the structures around it, and how many blocks of code."""

    structs: tuple[type, ...] = ()
    blocks: int = 0

    def struct(self, cls: type) -> Within:
        """Within a structure too."""
        return Within((*self.structs, cls), self.blocks)

    def block(self) -> Within:
        """Within a loop or a branch too."""
        return Within(self.structs, self.blocks + 1)


OUTSIDE = Within()
MOST_BLOCKS = 12
"""Deeper declarations are coded by calls: Python takes 20 loops within one another."""


def node_of(declared: Any, within: Within = OUTSIDE) -> Node:
    """The tree of a declared type.

    Raises:
        TypeError: the annotation is not one of those in ``oncrpc.xdr.types``.
    """
    if declared is None or declared is types.NoneType:
        return VoidNode(0)
    if get_origin(declared) is Annotated:
        return _marked(declared, within)
    if get_origin(declared) in (typing.Union, types.UnionType):
        return _optional(declared, within)
    if isinstance(declared, type) and issubclass(declared, enum.IntEnum):
        return EnumNode(4, declared)
    if isinstance(declared, type) and hasattr(declared, "__xdr_fields__"):
        if declared in within.structs:
            return CallNode(4, declared)
        if hasattr(declared, "__xdr_arms__"):
            return _union(declared, within)
        return _struct(declared, within)
    raise TypeError(f"{declared!r} is not an XDR type")


def _marked(declared: Any, within: Within) -> Node:
    base, *_, marker = get_args(declared)
    match marker:
        case Scalar():
            return ScalarNode(marker.size, marker)
        case Bytes(limit, fixed):
            return BytesNode(padded(limit) if fixed else 4, limit, fixed)
        case Items(_, fixed) if within.blocks >= MOST_BLOCKS:
            return CallNode(node_of(declared).least if fixed else 4, declared)
        case Items(limit, fixed):
            element = node_of(get_args(base)[0], within.block())
            if element.least == 0:
                raise TypeError(f"{base!r}: elements of no size have no bounds")
            return ItemsNode(limit * element.least if fixed else 4, element, limit, fixed)
        case Linked():
            element = get_args(base)[0]
            within_itself = element in within.structs and element.__xdr_rest__
            if within_itself or within.blocks >= MOST_BLOCKS:
                return CallNode(4, declared)
            return LinkedNode(4, _element(element, within.block()))
        case Rest():
            listed = next(part for part in get_args(base) if part is not types.NoneType)
            return LinkedNode(4, _element(get_args(listed)[0], within.block()), rest=True)
    raise TypeError(f"{marker!r} is not an XDR marker")


def _element(cls: Any, within: Within) -> Node:
    """An element of a list: without the field that says what follows, which the list does."""
    if not getattr(cls, "__xdr_rest__", ""):
        return node_of(cls, within)
    return _struct(cls, within, rest=cls.__xdr_rest__)


def _optional(declared: Any, within: Within) -> Node:
    rest = [part for part in get_args(declared) if part is not types.NoneType]
    if len(rest) != 1 or len(rest) == len(get_args(declared)):
        raise TypeError(f"{declared!r}: only T | None is an XDR type; a union is a class")
    if within.blocks >= MOST_BLOCKS:
        return CallNode(4, declared)
    return OptionalNode(4, node_of(rest[0], within.block()))


def _struct(cls: Any, within: Within, *, rest: str = "") -> Node:
    hints = typing.get_type_hints(cls, include_extras=True)
    inner = within.struct(cls)
    names = [name for name in cls.__xdr_fields__ if name != rest]
    fields = [(name, node_of(hints[name], inner)) for name in names]
    return StructNode(sum(node.least for _, node in fields), cls, fields, rest)


def _union(cls: Any, within: Within) -> Node:
    if within.blocks >= MOST_BLOCKS:
        return CallNode(4, cls)
    hints = typing.get_type_hints(cls, include_extras=True)
    arms: Arms = cls.__xdr_arms__
    switch, body = cls.__xdr_fields__
    inner = within.struct(cls)
    cases = {int(key): node_of(_arm(cls, arm), inner.block()) for key, arm in arms.cases.items()}
    default = None if arms.default is REFUSED else node_of(_arm(cls, arms.default), inner.block())
    return UnionNode(4, cls, (switch, node_of(hints[switch], inner)), body, cases, default)


def _arm(cls: type, arm: Any) -> Any:
    """An arm's declaration; texts in it are read where the union is declared, as annotations."""
    holder = type(cls.__name__, (), {"__annotations__": {"arm": arm}, "__module__": cls.__module__})
    return typing.get_type_hints(holder, include_extras=True)["arm"]


def padded(size: int) -> int:
    """``size`` rounded up to a whole number of XDR units of four bytes (§3)."""
    return (size + 3) & ~3
