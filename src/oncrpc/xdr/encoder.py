"""Writes the encoding half of a codec (RFC 4506).

For the declaration that ``decoder`` shows it writes ::

    def encode(v, out):
        v1 = v.name
        v2 = len(v1)
        if not (v2 <= 8):
            bad(f'item.name', None, f'{v2} bytes, limit 8')
        out.append(C9(v.number, 1 if v.new else 0, v2))
        out.append(v1)
        if v2 & 3:
            out.append(PADDING[v2 & 3])

``C9`` is the ``pack`` of a ``struct.Struct``. Only limits are checked here; what does not fit
otherwise makes an exception, and ``misfit`` finds the field.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, assert_never

from oncrpc.xdr import nodes
from oncrpc.xdr.compile import Writer, define
from oncrpc.xdr.nodes import Node
from oncrpc.xdr.types import UNLIMITED, OpenEnumeration

Encode = Callable[[Any, list[bytes]], None]


class EncodeWriter(Writer):
    """Writes ``encode(v, out)``, which appends the value's bytes, in pieces, to the list ``out``.

    The pieces are joined at the end, so that long opaque data is copied only once.
    """

    def __init__(self, codec: Callable[[Any], Any]) -> None:
        super().__init__(codec)
        self.run: list[str] = []

    def function(self, node: Node, root: str) -> Encode:
        """The function that encodes the node; ``root`` is the first word of paths in errors."""
        self.value(node, "v", root)
        self.flush()
        lines = ["def encode(v, out):", *(self.lines or ["    pass"])]
        made: Encode = define("encode", lines, self.namespace)
        return made

    def value(self, node: Node, expression: str, path: str) -> None:
        """Write what appends the value of the expression."""
        match node:
            case nodes.VoidNode():
                self.require(f"{expression} is None", path, "void has no value")
            case nodes.ScalarNode():
                self._scalar(node, expression)
            case nodes.EnumNode():
                self._enum(node, expression, path)
            case nodes.BytesNode():
                self._bytes(node, expression, path)
            case nodes.ItemsNode():
                self._items(node, expression, path)
            case nodes.LinkedNode():
                self._linked(node, expression, path)
            case nodes.OptionalNode():
                self._optional(node, expression, path)
            case nodes.StructNode():
                self._struct(node, expression, path)
            case nodes.UnionNode():
                self._union(node, expression, path)
            case nodes.CallNode():
                self._call(node, expression, path)
            case _:
                assert_never(node)

    def fixed(self, letter: str, expression: str) -> None:
        """Add a value of fixed size to the run."""
        self.format += letter
        self.run.append(expression)

    def flush(self) -> None:
        """End the run: one pack for all its values."""
        if self.run:
            self.emit(f"out.append({self.struct('pack')}({', '.join(self.run)}))")
        self.run, self.format = [], ""

    def require(self, condition: str, path: str, reason: str) -> None:
        """Refuse the value unless the condition holds."""
        self.emit(f"if not ({condition}):")
        self.emit(f"    bad(f{path!r}, None, f{reason!r})")

    def _scalar(self, node: nodes.ScalarNode, expression: str) -> None:
        if node.scalar.name == "bool":
            expression = f"1 if {expression} else 0"
        self.fixed(node.scalar.format, expression)

    def _enum(self, node: nodes.EnumNode, expression: str, path: str) -> None:
        if not issubclass(node.cls, OpenEnumeration):
            members = self.constant(node.cls._value2member_map_)
            self.require(
                f"{expression} in {members}",
                path,
                f"{{{expression}}} is not a value of {node.cls.__name__}",
            )
        self.fixed("i", expression)

    def _bytes(self, node: nodes.BytesNode, expression: str, path: str) -> None:
        name, size = self.name(), self.name()
        self.emit(f"{name} = {expression}")
        self.emit(f"{size} = len({name})")
        relation = "==" if node.fixed else "<="
        if node.fixed or node.limit < UNLIMITED:
            self.require(
                f"{size} {relation} {node.limit}", path, f"{{{size}}} bytes, limit {node.limit}"
            )
        if not node.fixed:
            self.fixed("I", size)
        self.flush()
        self.emit(f"out.append({name})")
        self.emit(f"if {size} & 3:")
        self.emit(f"    out.append(PADDING[{size} & 3])")

    def _items(self, node: nodes.ItemsNode, expression: str, path: str) -> None:
        name, size = self.name(), self.name()
        self.emit(f"{name} = {expression}")
        self.emit(f"{size} = len({name})")
        relation = "==" if node.fixed else "<="
        if node.fixed or node.limit < UNLIMITED:
            self.require(
                f"{size} {relation} {node.limit}", path, f"{{{size}}} elements, limit {node.limit}"
            )
        if not node.fixed:
            self.fixed("I", size)
        self.flush()
        element = node.element
        if isinstance(element, nodes.ScalarNode) and element.scalar.name != "bool":
            self.emit(f"out.append(pack(f'>{{{size}}}{element.scalar.format}', *{name}))")
            return
        self._loop(name, element, path, chained=False)

    def _loop(self, name: str, element: Node, path: str, *, chained: bool) -> None:
        item, index, head = self.name(), self.name(), len(self.lines)
        self.depth += 1
        if chained:
            self.fixed("I", "1")
        self.value(element, item, f"{path}[{{{index}}}]")
        self.flush()
        self.depth -= 1
        # Only a check needs the index; without one the loop is faster.
        counts = any(f"{{{index}}}" in line for line in self.lines[head:])
        self.emit(
            f"for {index}, {item} in enumerate({name}):" if counts else f"for {item} in {name}:"
        )
        self.lines.insert(head, self.lines.pop())

    def _linked(self, node: nodes.LinkedNode, expression: str, path: str) -> None:
        self.flush()
        items = f"({expression} or ())" if node.rest else expression
        self._loop(items, node.element, path, chained=True)
        self.fixed("I", "0")

    def _optional(self, node: nodes.OptionalNode, expression: str, path: str) -> None:
        self.flush()
        name = self.name()
        self.emit(f"{name} = {expression}")
        self.emit(f"if {name} is None:")
        self.emit("    out.append(b'\\0\\0\\0\\0')")
        self.emit("else:")
        self.depth += 1
        self.fixed("I", "1")
        self.value(node.element, name, path)
        self.flush()
        self.depth -= 1

    def _struct(self, node: nodes.StructNode, expression: str, path: str) -> None:
        name = expression
        if "." in expression:
            name = self.name()
            self.emit(f"{name} = {expression}")
        if node.rest:
            self.emit(f"if {name}.{node.rest} is not None:")
            self.emit("    raise TypeError")
        for field, child in node.fields:
            self.value(child, f"{name}.{field}", f"{path}.{field}")

    def _union(self, node: nodes.UnionNode, expression: str, path: str) -> None:
        name, tag = self.name(), self.name()
        self.emit(f"{name} = {expression}")
        self.emit(f"{tag} = {name}.{node.switch[0]}")
        self.value(node.switch[1], tag, f"{path}.{node.switch[0]}")
        self.flush()
        word = "if"
        for number, arm in node.cases.items():
            self.emit(f"{word} {tag} == {number}:")
            self._branch(arm, f"{name}.{node.body}", f"{path}.{node.body}")
            word = "elif"
        self.emit("else:")
        if node.default is None:
            self.emit(f"    bad(f{path!r}, None, f'{{{tag}}} has no arm')")
        else:
            self._branch(node.default, f"{name}.{node.body}", f"{path}.{node.body}")

    def _branch(self, node: Node, expression: str, path: str) -> None:
        self.depth += 1
        self.emit("pass")
        self.value(node, expression, path)
        self.flush()
        self.depth -= 1

    def _call(self, node: nodes.CallNode, expression: str, path: str) -> None:
        self.flush()
        codec = self.constant(self.codec(node.declared))
        self.emit(f"{codec}.encode_nested({expression}, out, f{path!r})")
