"""One traversal of a message along its declaration: every field with its place and value.

The tree of ``-v`` and the objects of JSON are made from it. It goes as far as the message, which
may be cut or damaged, and never deeper or longer than the limits.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

from oncrpc.xdr import codec
from oncrpc.xdr.nodes import (
    BytesNode,
    CallNode,
    EnumNode,
    ItemsNode,
    LinkedNode,
    Node,
    OptionalNode,
    ScalarNode,
    StructNode,
    UnionNode,
    VoidNode,
)

MAX_FIELDS = 20_000
"""Fields of a message that are shown; those that follow are left out."""

MAX_DEPTH = 64
"""Types within one another that are shown."""

UINT = struct.Struct(">I")
SCALARS = {letter: struct.Struct(f">{letter}") for letter in "iIqQfd"}
NO_PARTS = cast("list[Any]", ())
"""The shared value of fields that cannot have parts; it saves a list for each of them."""


@dataclass(slots=True)
class WireField:
    """A field at ``at``, up to ``end``.

    ``value`` is a number, a truth value, a text, bytes, or None where nothing is; the fields of a
    structure and the elements of a list are ``parts``. ``listed`` says that they are elements.
    """

    name: str
    at: int
    end: int = 0
    value: int | float | bool | str | bytes | None = None
    parts: list[WireField] = NO_PARTS
    listed: bool = False
    compound: bool = False


class Incomplete(Exception):  # an outcome: what was found so far is kept
    """The traversal ends here; the text says why."""


class Traversal:
    """Reads fields one after the other. Invariant: ``at`` is behind the last whole field.

    ``problem`` is why the traversal ended before the end of a declaration, else empty.
    """

    def __init__(self, data: bytes, at: int = 0) -> None:
        self.data, self.at = data, at
        self.count, self.problem = 0, ""

    def read(self, declared: Any, name: str) -> WireField:
        """The next field. After a problem its parts are those that were read before it."""
        made = WireField(name, self.at)
        try:
            self._fill(made, codec(declared).node, MAX_DEPTH)
        except Incomplete as reason:
            self.problem = str(reason)
        made.end = self.at
        return made

    def _fill(self, made: WireField, node: Node, depth: int) -> None:
        self.count += 1
        if self.count > MAX_FIELDS:
            raise Incomplete("too many fields")
        if depth == 0:
            raise Incomplete("nested too deeply")
        match node:
            case ScalarNode(scalar=scalar):
                made.value = self._scalar(scalar.format, scalar.name)
            case EnumNode(cls=cls):
                made.value = _member(cls, self._number())
            case BytesNode(limit=limit, fixed=fixed):
                made.value = self._bytes(limit, fixed)
            case StructNode(fields=fields):
                self._parts(made, fields, depth)
            case UnionNode():
                self._union(made, node, depth)
            case OptionalNode(element=element):
                if self._bool():
                    self._fill(made, element, depth - 1)
            case ItemsNode() | LinkedNode():
                self._elements(made, node, depth)
            case CallNode(declared=declared):
                self._fill(made, codec(declared).node, depth - 1)
            case VoidNode():
                pass
        made.end = self.at

    def _take(self, size: int) -> bytes:
        found = self.data[self.at : self.at + size]
        if len(found) < size:
            raise Incomplete("cut")
        self.at += size
        return found

    def _number(self) -> int:
        try:
            number: int = UINT.unpack_from(self.data, self.at)[0]
        except struct.error:
            raise Incomplete("cut") from None
        self.at += 4
        return number

    def _bool(self) -> bool:
        number = self._number()
        if number > 1:
            raise Incomplete(f"{number} is not a bool")
        return bool(number)

    def _scalar(self, letter: str, name: str) -> int | float | bool:
        if name == "bool":
            return self._bool()
        kind = SCALARS[letter]
        at = self.at
        try:
            value: int | float = kind.unpack_from(self.data, at)[0]
        except struct.error:
            raise Incomplete("cut") from None
        self.at = at + kind.size
        return value

    def _bytes(self, limit: int, fixed: bool) -> bytes:
        size = limit if fixed else self._number()
        if size > limit:
            raise Incomplete(f"{size} bytes, the limit is {limit}")
        found = self._take(size)
        self.at += -size % 4
        return found

    def _parts(self, made: WireField, fields: list[tuple[str, Node]], depth: int) -> None:
        made.compound, made.parts = True, []
        for name, node in fields:
            self._part(made, name, node, depth)

    def _part(self, made: WireField, name: str, node: Node, depth: int) -> None:
        part = WireField(name, self.at, self.at)
        made.parts.append(part)
        try:
            self._fill(part, node, depth - 1)
        except Incomplete:
            if part.value is None and not part.parts:
                made.parts.pop()
            raise

    def _union(self, made: WireField, node: UnionNode, depth: int) -> None:
        name, switch = node.switch
        made.compound, made.parts = True, []
        start = self.at
        self._part(made, name, switch, depth)
        tag = _signed(self.data, start, switch)
        arm = node.cases.get(tag, node.default)
        if arm is None:
            raise Incomplete(f"no arm for {tag}")
        if not isinstance(arm, VoidNode):
            self._part(made, node.body, arm, depth)

    def _elements(self, made: WireField, node: ItemsNode | LinkedNode, depth: int) -> None:
        made.listed, made.parts = True, []
        for index in self._indexes(node):
            self._part(made, f"[{index}]", node.element, depth)

    def _indexes(self, node: ItemsNode | LinkedNode) -> Iterator[int]:
        if isinstance(node, LinkedNode):
            index = 0
            while self._bool():
                yield index
                index += 1
            return
        size = node.limit if node.fixed else self._number()
        if size > node.limit:
            raise Incomplete(f"{size} elements, the limit is {node.limit}")
        yield from range(size)


def _signed(data: bytes, at: int, switch: Node) -> int:
    """A discriminant: enumerations may have negative members."""
    unsigned = isinstance(switch, ScalarNode) and switch.scalar.format == "I"
    return int.from_bytes(data[at : at + 4], "big", signed=not unsigned)


def _member(cls: Any, number: int) -> str | int:
    """The name of a member, or the number if none has it."""
    signed = number - (1 << 32) if number >> 31 else number
    try:
        return str(cls(signed))
    except ValueError:
        return signed
