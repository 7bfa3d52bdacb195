"""Writes the decoding half of a codec: one length check a run, bounds before memory (RFC 4506).

For this declaration of a number, a flag and a string ::

    @xdr.struct
    class item:
        number: UInt
        new: Bool
        name: Annotated[bytes, xdr.string(8)]

it writes this function, in which the number, the flag and the string's length are one run ::

    def decode(data, i, end):
        if end - i < 12:
            short_run(((4, f'item.number'), (4, f'item.new'), (4, f'item.name')), '', i, end)
        v1, v2, v4, = C9(data, i)
        if v2 > 1:
            bad(f'item.new', i + 4, f'{v2} is not a bool')
        if v4 > 8:
            bad(f'item.name', i + 8, f'{v4} bytes, limit 8')
        i += 12
        v5 = v4 + 3 & -4
        if end - i < v5:
            short(f'item.name', i, v5, end)
        v6 = i + v4
        v3 = data[i:v6]
        i += v5
        if v6 != i and data[v6:i] != PADDING[v4 & 3]:
            bad(f'item.name', v6, 'padding is not zero')
        v7 = new(C10)
        v7.number = v1
        v7.new = (v2 == 1)
        v7.name = v3
        return v7, i

``C9`` is the ``unpack_from`` of a ``struct.Struct``, ``C10`` the class. The checks of a run stand
before ``i`` is moved past it, so that ``i`` and a field's offset in the run are its place in an
error. In a loop, ``end - i`` is replaced by a bound that is found once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, assert_never

from oncrpc.xdr import nodes
from oncrpc.xdr.compile import Writer, define
from oncrpc.xdr.nodes import Node, padded
from oncrpc.xdr.types import UNLIMITED, OpenEnumeration

Decode = Callable[[bytes, int, int], tuple[Any, int]]


class RunField(NamedTuple):
    """A value of fixed size in a run: its variable, its size in bytes, its path for errors."""

    name: str
    size: int
    path: str


class DecodeWriter(Writer):
    """Writes ``decode(data, i, end) -> (value, i)``.

    ``run`` are the fields that the next flush unpacks, ``after`` the lines that wait for their
    values. ``loop`` is the index of the line that opens the innermost loop, as long as no run of
    its body is written, else 0: the first run finds its bound above the loop. ``chained`` says that
    the next run begins with the flag of a list element.
    """

    def __init__(self, codec: Callable[[Any], Any]) -> None:
        super().__init__(codec)
        self.run: list[RunField] = []
        self.after: list[str] = []
        self.loop = 0
        self.chained = False

    def function(self, node: Node, root: str) -> Decode:
        """The function that decodes the node; ``root`` is the first word of paths in errors."""
        value = self.value(node, root)
        self.flush()
        self.emit(f"return {value}, i")
        made: Decode = define("decode", ["def decode(data, i, end):", *self.lines], self.namespace)
        return made

    def value(self, node: Node, path: str) -> str:
        """Write what reads the node; returns the expression of its value."""
        match node:
            case nodes.VoidNode():
                return "None"
            case nodes.ScalarNode():
                return self._scalar(node, path)
            case nodes.EnumNode():
                return self._enum(node, path)
            case nodes.BytesNode():
                return self._bytes(node, path)
            case nodes.ItemsNode():
                return self._items(node, path)
            case nodes.LinkedNode():
                return self._linked(node, path)
            case nodes.OptionalNode():
                return self._optional(node, path)
            case nodes.StructNode():
                return self._struct(node, path)
            case nodes.UnionNode():
                return self._union(node, path)
            case nodes.CallNode():
                return self._call(node, path)
            case _:
                assert_never(node)

    def fixed(self, letter: str, size: int, path: str) -> str:
        """Add a value of fixed size to the run; returns its variable."""
        name = self.name()
        self.format += letter
        self.run.append(RunField(name, size, path))
        return name

    def flush(self) -> None:
        """End the run: one length check, one unpack, then what waited for the values."""
        if not self.run:
            return
        total = sum(field.size for field in self.run)
        names = ", ".join(field.name for field in self.run)
        self._check_length(total)
        self.emit(f"{names}, = {self.struct('unpack_from')}(data, i)")
        if self.chained:
            self.emit(f"if {self.run[0].name} != 1:")
            self.emit("    break")
        for line in self.after:
            self.emit(line)
        self.emit(f"i += {total}")
        self.run, self.after, self.format, self.chained = [], [], "", False

    def _check_length(self, total: int) -> None:
        """Write what leaves the function, or the loop, if the run is not there."""
        if self.loop:
            # Comparing with a bound that is found once saves a subtraction for each element.
            last = self.name()
            self.lines.insert(self.loop, self.indented(f"{last} = end - {total}", self.depth - 1))
            self.loop = 0
            self.emit(f"if i > {last}:")
        else:
            self.emit(f"if end - i < {total}:")
        if self.chained:
            self.emit("    if data[i:i + 4] != TRUE:")
            self.emit("        break")
        if len(self.run) == 1:
            self.emit(f"    short(f{self.run[0].path!r}, i, {total}, end)")
        else:
            fields = ", ".join(f"({field.size}, f{field.path!r})" for field in self.run)
            self.emit(f"    short_run(({fields}), '', i, end)")

    def later(self, *lines: str) -> None:
        """Write lines that need the values of the run, behind it."""
        if self.run:
            self.after.extend(lines)
        else:
            for line in lines:
                self.emit(line)

    def check(self, path: str, condition: str, reason: str) -> None:
        """Refuse the field that was just added to the run if the condition holds."""
        offset = sum(field.size for field in self.run[:-1])
        at = f"i + {offset}" if offset else "i"
        self.after.append(f"if {condition}:")
        self.after.append(f"    bad(f{path!r}, {at}, f{reason!r})")

    def _scalar(self, node: nodes.ScalarNode, path: str) -> str:
        name = self.fixed(node.scalar.format, node.scalar.size, path)
        if node.scalar.name == "bool":
            self.check(path, f"{name} > 1", f"{{{name}}} is not a bool")
            return f"({name} == 1)"
        return name

    def _enum(self, node: nodes.EnumNode, path: str) -> str:
        raw = self.fixed("i", 4, path)
        if issubclass(node.cls, OpenEnumeration):
            return f"{self.constant(node.cls)}({raw})"
        name = self.name()
        self.after.append(f"{name} = {self.constant(node.cls._value2member_map_)}.get({raw})")
        self.check(path, f"{name} is None", f"{{{raw}}} is not a value of {node.cls.__name__}")
        return name

    def _bytes(self, node: nodes.BytesNode, path: str) -> str:
        name = self.name()
        if node.fixed:
            self.flush()
            self._take(name, str(node.limit), str(padded(node.limit)), path, node.limit & 3)
            return name
        size = self.fixed("I", 4, path)
        if node.limit < UNLIMITED:
            self.check(path, f"{size} > {node.limit}", f"{{{size}}} bytes, limit {node.limit}")
        self.flush()
        whole = self.name()
        self.emit(f"{whole} = {size} + 3 & -4")
        self._take(name, size, whole, path, 1)
        return name

    def _take(self, name: str, size: str, whole: str, path: str, padding: int) -> None:
        """Slice ``size`` bytes out and check that the padding is there and zero (§4.9, §4.10)."""
        self.emit(f"if end - i < {whole}:")
        self.emit(f"    short(f{path!r}, i, {whole}, end)")
        if not padding:
            self.emit(f"{name} = data[i:i + {size}]")
            self.emit(f"i += {whole}")
            return
        last = self.name()
        self.emit(f"{last} = i + {size}")
        self.emit(f"{name} = data[i:{last}]")
        self.emit(f"i += {whole}")
        self.emit(f"if {last} != i and data[{last}:i] != PADDING[{size} & 3]:")
        self.emit(f"    bad(f{path!r}, {last}, 'padding is not zero')")

    def _items(self, node: nodes.ItemsNode, path: str) -> str:
        if node.fixed:
            self.flush()
            size = str(node.limit)
        else:
            size = self.fixed("I", 4, path)
            if node.limit < UNLIMITED:
                reason = f"{{{size}}} elements, limit {node.limit}"
                self.check(path, f"{size} > {node.limit}", reason)
            self.flush()
        name = self.name()
        least = node.element.least
        self.emit(f"if end - i < {size} * {least}:")
        self.emit(f"    short(f{path!r}, i, {size} * {least}, end)")
        element = node.element
        if isinstance(element, nodes.ScalarNode) and element.scalar.name != "bool":
            letter, width = element.scalar.format, element.scalar.size
            self.emit(f"{name} = list(unpack_from(f'>{{{size}}}{letter}', data, i))")
            self.emit(f"i += {size} * {width}")
            return name
        self._loop(name, size, element, path)
        return name

    def _loop(self, name: str, size: str | None, element: Node, path: str) -> None:
        """Read ``size`` elements, or those of a chain: each after a TRUE, until a FALSE.

        That TRUE is read in one run with what follows it; whatever else is there ends the loop.
        """
        path = f"{path}[{{len({name})}}]"
        self.emit(f"{name} = []")
        self.loop = len(self.lines)
        self.emit("while True:" if size is None else f"for _ in range({size}):")
        self.depth += 1
        if size is None:
            self.fixed("I", 4, path)
            self.chained = True
        value = self.value(element, path)
        self.flush()
        self.emit(f"{name}.append({value})")
        self.loop = 0
        self.depth -= 1
        if size is None:
            self._flag(path)

    def _flag(self, path: str) -> str:
        """Write what reads the flag of an optional; returns its variable."""
        flag = self.fixed("I", 4, path)
        self.check(path, f"{flag} > 1", f"{{{flag}}} is not a bool")
        self.flush()
        return flag

    def _linked(self, node: nodes.LinkedNode, path: str) -> str:
        self.flush()
        name = self.name()
        self._loop(name, None, node.element, path)
        return f"({name} or None)" if node.rest else name

    def _optional(self, node: nodes.OptionalNode, path: str) -> str:
        flag = self._flag(path)
        name = self.name()
        self.emit(f"{name} = None")
        self.emit(f"if {flag}:")
        self._branch(name, node.element, path)
        return name

    def _branch(self, name: str, node: Node, path: str) -> None:
        self.depth += 1
        value = self.value(node, path)
        self.flush()
        self.emit(f"{name} = {value}")
        self.depth -= 1

    def _struct(self, node: nodes.StructNode, path: str) -> str:
        values = {name: self.value(child, f"{path}.{name}") for name, child in node.fields}
        return self._made(node.cls, values | ({node.rest: "None"} if node.rest else {}))

    def _made(self, cls: type, fields: dict[str, str]) -> str:
        """Write what makes an instance: its fields are stored here, to save a call of __init__."""
        name = self.name()
        self.later(
            f"{name} = new({self.constant(cls)})",
            *(f"{name}.{field} = {value}" for field, value in fields.items()),
        )
        return name

    def _union(self, node: nodes.UnionNode, path: str) -> str:
        tag = self.value(node.switch[1], f"{path}.{node.switch[0]}")
        self.flush()
        name, word = self.name(), "if"
        for number, arm in node.cases.items():
            self.emit(f"{word} {tag} == {number}:")
            self._branch(name, arm, f"{path}.{node.body}")
            word = "elif"
        self.emit("else:")
        if node.default is None:
            self.emit(f"    bad(f{path!r}, i - 4, f'{{{tag}}} has no arm')")
        else:
            self._branch(name, node.default, f"{path}.{node.body}")
        return self._made(node.cls, {node.switch[0]: tag, node.body: name})

    def _call(self, node: nodes.CallNode, path: str) -> str:
        self.flush()
        name, codec = self.name(), self.constant(self.codec(node.declared))
        self.emit(f"{name}, i = {codec}.decode_nested(data, i, end, f{path!r})")
        return name
