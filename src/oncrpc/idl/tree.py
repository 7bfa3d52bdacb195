"""The tree of a ``.x`` as it is written (RFC 4506 §6.3, RFC 5531 §12.2), with places."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from oncrpc.errors import IdlError


@dataclass(frozen=True, slots=True)
class SourcePlace:
    """Where a node begins; ``text`` is the whole line."""

    file: str
    line: int
    column: int
    text: str

    def error(self, reason: str) -> IdlError:
        """An error at this place."""
        return IdlError(self.file, self.line, self.column, reason=reason, text=self.text)


@dataclass(frozen=True, slots=True)
class Node:
    """``comment`` has the lines of the comment ``above`` the node, or behind it on its line."""

    place: SourcePlace = field(compare=False, repr=False)
    comment: tuple[str, ...] = field(compare=False, repr=False)
    above: bool = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Number(Node):
    text: str


@dataclass(frozen=True, slots=True)
class Name(Node):
    name: str


@dataclass(frozen=True, slots=True)
class Arithmetic(Node):
    """``operator`` is C's; one operand if it is a sign or ``~``."""

    operator: str
    operands: tuple[Value, ...]


Value = Number | Name | Arithmetic


@dataclass(frozen=True, slots=True)
class Primitive(Node):
    """``name`` is that of our type (``UInt``), or opaque, string or quadruple."""

    name: str


@dataclass(frozen=True, slots=True)
class Named(Node):
    name: str


@dataclass(frozen=True, slots=True)
class Declaration(Node):
    """A name and its type; ``form`` is void, plain, fixed, variable or pointer.

    ``name`` is empty where none is written; the type is None only if the form is void.
    """

    name: str
    type: Type | None
    form: str
    size: Value | None = None


@dataclass(frozen=True, slots=True)
class ConstantDefinition(Node):
    name: str
    value: Value | str


@dataclass(frozen=True, slots=True)
class Enumerator(Node):
    name: str
    value: Value | None


@dataclass(frozen=True, slots=True)
class EnumDefinition(Node):
    """``name`` is empty if the type is declared in line."""

    name: str
    members: tuple[Enumerator, ...]


@dataclass(frozen=True, slots=True)
class StructDefinition(Node):
    """``pointer`` marks the form ``struct *x`` of RFC 1833: the name is that of an optional."""

    name: str
    fields: tuple[Declaration, ...]
    pointer: bool = False


@dataclass(frozen=True, slots=True)
class Arm(Node):
    """The arm of some cases; of none if it is the default."""

    cases: tuple[Value, ...]
    body: Declaration


@dataclass(frozen=True, slots=True)
class UnionDefinition(Node):
    name: str
    switch: Declaration
    arms: tuple[Arm, ...]


Type = Primitive | Named | EnumDefinition | StructDefinition | UnionDefinition


@dataclass(frozen=True, slots=True)
class Typedef(Node):
    name: str
    declaration: Declaration


@dataclass(frozen=True, slots=True)
class ProcedureDefinition(Node):
    name: str
    number: Value
    result: Declaration
    parameters: tuple[Declaration, ...]


@dataclass(frozen=True, slots=True)
class VersionDefinition(Node):
    name: str
    number: Value
    procedures: tuple[ProcedureDefinition, ...]


@dataclass(frozen=True, slots=True)
class ProgramDefinition(Node):
    name: str
    number: Value
    versions: tuple[VersionDefinition, ...]


Definition = (
    ConstantDefinition | EnumDefinition | StructDefinition | UnionDefinition | Typedef
    | ProgramDefinition
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Specification:
    """A whole file; ``comment`` is the one above the first definition, apart from it."""

    comment: tuple[str, ...]
    definitions: tuple[Definition, ...]


def names_in(node: object) -> Iterator[Name | Named]:
    """The uses of names within a node."""
    if isinstance(node, (Name, Named)):
        yield node
    else:
        for part in _parts(node):
            yield from names_in(part)


def declarations_in(node: object) -> Iterator[Declaration]:
    """The declarations within a node, to any depth."""
    if isinstance(node, Declaration):
        yield node
    for part in _parts(node):
        yield from declarations_in(part)


def enums_in(definition: Definition) -> Iterator[EnumDefinition]:
    """The enumeration that a definition is, and those declared in line within it."""
    if isinstance(definition, EnumDefinition):
        yield definition
    for declared in declarations_in(definition):
        if isinstance(declared.type, EnumDefinition):
            yield declared.type


def _parts(node: object) -> Iterator[object]:
    """The parts of a node or a tuple of nodes; other values have no parts."""
    if isinstance(node, tuple):
        yield from node
    elif isinstance(node, Node):
        slots = (slot for slot in node.__dataclass_fields__ if slot not in ("place", "comment"))
        yield from (getattr(node, slot) for slot in slots)
