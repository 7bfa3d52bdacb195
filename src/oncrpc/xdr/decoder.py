"""Writes the decoding half of a codec: one check a run, bounds before memory (RFC 4506)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from oncrpc.xdr import nodes
from oncrpc.xdr.compile import Writer, define
from oncrpc.xdr.nodes import Node, padded
from oncrpc.xdr.types import UNLIMITED, Registry

Decode = Callable[[bytes, int, int], tuple[Any, int]]


class DecodeWriter(Writer):
    """Writes ``decode(data, i, end) -> (value, i)``."""

    def __init__(self, codec: Callable[[type], Any]) -> None:
        super().__init__(codec)
        self.run: list[tuple[str, int, str]] = []
        self.after: list[str] = []
        self.chained = False

    def function(self, node: Node, root: str) -> Decode:
        value = self.value(node, root)
        self.flush()
        self.emit(f"return {value}, i")
        made: Decode = define("decode", ["def decode(data, i, end):", *self.lines], self.namespace)
        return made

    def value(self, node: Node, path: str) -> str:
        """Write what reads the node; the result is the expression of its value."""
        method: Callable[[Any, str], str] = getattr(self, "_" + type(node).__name__)
        return method(node, path)

    def fixed(self, letter: str, size: int, path: str) -> str:
        name = self.name()
        self.format += letter
        self.run.append((name, size, path))
        return name

    def flush(self) -> None:
        """End the run: one length check, one unpack, then what waited for the values."""
        if self.run:
            total = sum(size for _, size, _ in self.run)
            self.emit(f"if end - i < {total}:")
            if self.chained:
                self.emit("    if data[i:i + 4] != TRUE:")
                self.emit("        break")
            if len(self.run) == 1:
                self.emit(f"    short(f{self.run[0][2]!r}, i, {total}, end)")
            else:
                self._blame_run()
            names = ", ".join(name for name, _, _ in self.run)
            self.emit(f"{names}, = {self.struct('unpack_from')}(data, i)")
            if self.chained:
                self.emit(f"if {self.run[0][0]} != 1:")
                self.emit("    break")
            self.emit(f"i += {total}")
            self.chained = False
        sizes = [size for _, size, _ in self.run]
        lines, self.run, self.after, self.format = self.after, [], [], ""
        for line in lines:
            self.emit(re.sub(r"@(\d+)@", lambda at: str(sum(sizes[int(at[1]) :])), line))

    def _blame_run(self) -> None:
        fields = ", ".join(f"({size}, f{path!r})" for _, size, path in self.run)
        self.emit(f"    short_run(({fields}), '', i, end)")

    def later(self, *lines: str) -> None:
        """Lines that need the values of the run so far."""
        if self.run:
            self.after.extend(lines)
        else:
            for line in lines:
                self.emit(line)

    def check(self, path: str, condition: str, reason: str) -> None:
        """Queue a check of the four bytes just added to the run; a failure gives their offset."""
        self.after.append(f"if {condition}:")
        self.after.append(f"    bad(f{path!r}, i - @{len(self.run) - 1}@, f{reason!r})")

    def _VoidNode(self, node: nodes.VoidNode, path: str) -> str:
        return "None"

    def _ScalarNode(self, node: nodes.ScalarNode, path: str) -> str:
        name = self.fixed(node.scalar.format, node.scalar.size, path)
        if node.scalar.name == "bool":
            self.check(path, f"{name} > 1", f"{{{name}}} is not a bool")
            return f"({name} == 1)"
        return name

    def _EnumNode(self, node: nodes.EnumNode, path: str) -> str:
        raw = self.fixed("i", 4, path)
        if issubclass(node.cls, Registry):
            return f"{self.constant(node.cls)}({raw})"
        name = self.name()
        self.after.append(f"{name} = {self.constant(node.cls._value2member_map_)}.get({raw})")
        self.check(path, f"{name} is None", f"{{{raw}}} is not a value of {node.cls.__name__}")
        return name

    def _BytesNode(self, node: nodes.BytesNode, path: str) -> str:
        name = self.name()
        if node.fixed:
            self.flush()
            self.take(name, str(node.limit), str(padded(node.limit)), path, node.limit & 3)
            return name
        size = self.fixed("I", 4, path)
        if node.limit < UNLIMITED:
            self.check(path, f"{size} > {node.limit}", f"{{{size}}} bytes, limit {node.limit}")
        self.flush()
        whole = self.name()
        self.emit(f"{whole} = {size} + 3 & -4")
        self.take(name, size, whole, path, 1)
        return name

    def take(self, name: str, size: str, whole: str, path: str, padding: int) -> None:
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

    def _ItemsNode(self, node: nodes.ItemsNode, path: str) -> str:
        if node.fixed:
            self.flush()
            size = str(node.limit)
        else:
            size = self.fixed("I", 4, path)
            if node.limit < UNLIMITED:
                self.check(
                    path, f"{size} > {node.limit}", f"{{{size}}} elements, limit {node.limit}"
                )
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
        self.emit("while True:" if size is None else f"for _ in range({size}):")
        self.depth += 1
        if size is None:
            self.fixed("I", 4, path)
            self.chained = True
        value = self.value(element, path)
        self.flush()
        self.emit(f"{name}.append({value})")
        self.depth -= 1
        if size is None:
            self._flag(path)

    def _flag(self, path: str) -> str:
        flag = self.fixed("I", 4, path)
        self.check(path, f"{flag} > 1", f"{{{flag}}} is not a bool")
        self.flush()
        return flag

    def _LinkedNode(self, node: nodes.LinkedNode, path: str) -> str:
        self.flush()
        name = self.name()
        self._loop(name, None, node.element, path)
        return name

    def _OptionalNode(self, node: nodes.OptionalNode, path: str) -> str:
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

    def _StructNode(self, node: nodes.StructNode, path: str) -> str:
        values = [self.value(child, f"{path}.{name}") for name, child in node.fields]
        return self.made(
            node.cls, dict(zip((name for name, _ in node.fields), values, strict=True))
        )

    def made(self, cls: type, fields: dict[str, str]) -> str:
        """Write what makes an instance: its fields are stored here, to save a call of __init__."""
        name = self.name()
        self.later(
            f"{name} = new({self.constant(cls)})",
            *(f"{name}.{field} = {value}" for field, value in fields.items()),
        )
        return name

    def _UnionNode(self, node: nodes.UnionNode, path: str) -> str:
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
        return self.made(node.cls, {node.switch[0]: tag, node.body: name})

    def _CallNode(self, node: nodes.CallNode, path: str) -> str:
        self.flush()
        name, codec = self.name(), self.constant(self.codec(node.cls))
        self.emit(f"{name}, i = {codec}.decode_nested(data, i, end, f{path!r})")
        return name
