"""The resolved tree: every name found, every value known, names as Python has them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class ScalarType:
    """``name`` is that of our type: Int, UInt, Hyper, UHyper, Float, Double, Bool."""

    name: str


@dataclass(frozen=True, slots=True)
class Reference:
    """The name of a declared type."""

    name: str


@dataclass(frozen=True, slots=True)
class Size:
    """``text`` is the value as Python: a constant's name, or the number as it was written."""

    value: int
    text: str


@dataclass(frozen=True, slots=True)
class BytesType:
    """``marker`` is opaque, string or fixed; without a size there is no limit."""

    marker: str
    size: Size | None


@dataclass(frozen=True, slots=True)
class ItemsType:
    """``marker`` is array or vector."""

    marker: str
    element: Type
    size: Size | None


@dataclass(frozen=True, slots=True)
class Optional:
    element: Type


@dataclass(frozen=True, slots=True)
class LinkedType:
    """A list chained by the last field of its elements."""

    element: Reference


@dataclass(frozen=True, slots=True)
class RestType:
    """That last field: what follows an element that is not in a list."""

    element: Reference


Type = ScalarType | Reference | BytesType | ItemsType | Optional | LinkedType | RestType


@dataclass(frozen=True, slots=True)
class Constant:
    """``above`` says that the comment is above the constant, not behind it."""

    name: str
    value: int | str
    text: str
    comment: tuple[str, ...] = ()
    above: bool = False


@dataclass(frozen=True, slots=True)
class Member:
    name: str
    value: int
    text: str
    comment: tuple[str, ...] = ()
    above: bool = False


@dataclass(frozen=True, slots=True)
class Enum:
    """``registry``: numbers without a name are values too."""

    name: str
    members: tuple[Member, ...]
    registry: bool
    comment: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Field:
    name: str
    type: Type
    comment: tuple[str, ...] = ()
    above: bool = False


@dataclass(frozen=True, slots=True)
class Struct:
    name: str
    fields: tuple[Field, ...]
    comment: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Case:
    """``text`` is the discriminant as Python; the type is None if the arm is void."""

    value: int
    text: str
    type: Type | None


@dataclass(frozen=True, slots=True)
class Union:
    """``default`` is a list of the default arm's type, empty if there is none."""

    name: str
    switch: Field
    body: str
    cases: tuple[Case, ...]
    default: tuple[Type | None, ...]
    comment: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Alias:
    name: str
    type: Type
    comment: tuple[str, ...] = ()
    above: bool = False


@dataclass(frozen=True, slots=True)
class DeclaredProcedure:
    name: str
    number: int
    parameters: tuple[Field, ...]
    result: Type | None
    comment: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DeclaredVersion:
    name: str
    number: int
    procedures: tuple[DeclaredProcedure, ...]
    comment: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Program:
    name: str
    number: int
    versions: tuple[DeclaredVersion, ...]
    comment: tuple[str, ...] = ()


Declared = Enum | Struct | Union | Alias


@dataclass(slots=True)
class Interface:
    """All that a file declares, in its order; programs' numbers are among the constants.

    ``borrowed`` are the names of what other files declare, and this one uses.
    """

    comment: tuple[str, ...] = ()
    constants: list[Constant] = field(default_factory=list)
    types: list[Declared] = field(default_factory=list)
    programs: list[Program] = field(default_factory=list)
    borrowed: tuple[str, ...] = ()


def plain(node: Any) -> Any:
    """The node as JSON has it: ``kind`` is from the class's name, comments are texts."""
    if isinstance(node, (list, tuple)):
        return [plain(item) for item in node]
    if node is None or isinstance(node, (bool, int, str)):
        return node
    name = type(node).__name__
    shown: dict[str, Any] = {"kind": name.removesuffix("Type").removeprefix("Declared")}
    for name in node.__dataclass_fields__:
        value = getattr(node, name)
        shown[name] = "\n".join(value) if name == "comment" else plain(value)
    return shown
