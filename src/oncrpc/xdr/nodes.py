"""A declaration, resolved: the tree that the codec is compiled from (RFC 4506 §4)."""

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
    """A type that contains itself: coded by a call of its own codec, not in line.

    What breaks the circle, an optional, a list or a union, has four bytes at the least.
    """

    least: int
    declared: Any


Node: TypeAlias = (
    VoidNode | ScalarNode | EnumNode | BytesNode | ItemsNode | LinkedNode | OptionalNode
    | StructNode | UnionNode | CallNode
)  # fmt: skip
"""``least`` is the fewest bytes that a value of the type can have."""


def resolve(declared: Any, inside: tuple[type, ...] = ()) -> Node:
    """The tree of a declared type; ``inside`` are the structures that we are within.

    Raises:
        TypeError: the annotation is none of those in ``oncrpc.xdr.types``.
    """
    if declared is None or declared is types.NoneType:
        return VoidNode(0)
    if get_origin(declared) is Annotated:
        return _marked(get_args(declared), inside)
    if get_origin(declared) in (typing.Union, types.UnionType):
        return _optional(declared, inside)
    if isinstance(declared, type) and issubclass(declared, enum.IntEnum):
        return EnumNode(4, declared)
    if isinstance(declared, type) and hasattr(declared, "__xdr_fields__"):
        return CallNode(4, declared) if declared in inside else _fields(declared, inside)
    raise TypeError(f"{declared!r} is not an XDR type")


def _marked(parts: tuple[Any, ...], inside: tuple[type, ...]) -> Node:
    base, marker = parts[0], parts[-1]
    match marker:
        case Scalar():
            return ScalarNode(marker.size, marker)
        case Bytes(limit, fixed):
            return BytesNode(padded(limit) if fixed else 4, limit, fixed)
        case Items(limit, fixed):
            element = resolve(get_args(base)[0], inside)
            if element.least == 0:
                raise TypeError(f"{base!r}: elements of no size have no bounds")
            return ItemsNode(limit * element.least if fixed else 4, element, limit, fixed)
        case Linked():
            element = get_args(base)[0]
            if element in inside and element.__xdr_rest__:
                return CallNode(4, Annotated[parts])
            return LinkedNode(4, _element(element, inside))
        case Rest():
            listed = next(part for part in get_args(base) if part is not types.NoneType)
            return LinkedNode(4, _element(get_args(listed)[0], inside), rest=True)
    raise TypeError(f"{marker!r} is not an XDR marker")


def _element(cls: Any, inside: tuple[type, ...]) -> Node:
    """An element of a list: without the field that says what follows, which the list does."""
    if not getattr(cls, "__xdr_rest__", ""):
        return resolve(cls, inside)
    hints = typing.get_type_hints(cls, include_extras=True)
    names = [name for name in cls.__xdr_fields__ if name != cls.__xdr_rest__]
    fields = [(name, resolve(hints[name], (*inside, cls))) for name in names]
    return StructNode(sum(node.least for _, node in fields), cls, fields, cls.__xdr_rest__)


def _optional(declared: Any, inside: tuple[type, ...]) -> Node:
    rest = [part for part in get_args(declared) if part is not types.NoneType]
    if len(rest) != 1 or len(rest) == len(get_args(declared)):
        raise TypeError(f"{declared!r}: only T | None is an XDR type; a union is a class")
    return OptionalNode(4, resolve(rest[0], inside))


def _fields(cls: type, inside: tuple[type, ...]) -> Node:
    hints = typing.get_type_hints(cls, include_extras=True)
    within = (*inside, cls)
    names: tuple[str, ...] = cls.__xdr_fields__  # type: ignore[attr-defined]  # set by struct
    arms: Arms | None = getattr(cls, "__xdr_arms__", None)
    if arms is None:
        fields = [(name, resolve(hints[name], within)) for name in names]
        return StructNode(sum(node.least for _, node in fields), cls, fields)
    switch, body = names
    cases = {int(key): resolve(_arm(cls, arm), within) for key, arm in arms.cases.items()}
    default = None if arms.default is REFUSED else resolve(_arm(cls, arms.default), within)
    return UnionNode(4, cls, (switch, resolve(hints[switch], within)), body, cases, default)


def _arm(cls: type, arm: Any) -> Any:
    """An arm's declaration; texts in it are read where the union is declared, as annotations."""
    holder = type(cls.__name__, (), {"__annotations__": {"arm": arm}, "__module__": cls.__module__})
    return typing.get_type_hints(holder, include_extras=True)["arm"]


def padded(size: int) -> int:
    """``size`` rounded up to a whole number of XDR units of four bytes (§3)."""
    return (size + 3) & ~3
