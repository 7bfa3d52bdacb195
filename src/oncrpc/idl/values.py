"""Values: constants, enumerators, numbers of programs, and expressions of them (RFC 4506 §6.3)."""

from __future__ import annotations

import operator
from collections.abc import Callable

from oncrpc.idl import tree
from oncrpc.idl.scope import BOOLEANS, Scope

BINARY: dict[str, Callable[[int, int], int]] = {
    "|": operator.or_, "^": operator.xor, "&": operator.and_,
    "<<": operator.lshift, ">>": operator.rshift,
    "+": operator.add, "-": operator.sub, "*": operator.mul,
}  # fmt: skip
UNARY: dict[str, Callable[[int], int]] = {"-": operator.neg, "~": operator.invert}
WIDEST_SHIFT = 64
LARGEST_SIZE = 0xFFFFFFFF


class Values:
    """Evaluates the values of one scope."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.known: dict[str, int | str] = dict(BOOLEANS)
        self.busy: list[str] = []
        self.members: dict[int, list[int]] = {}
        self.named: dict[str, tree.Value] = {}
        for definition in scope.all:
            if isinstance(definition, tree.Program):
                self._take_program(definition)

    def _take_program(self, program: tree.Program) -> None:
        for version in program.versions:
            self.named.setdefault(version.name, version.number)
            for procedure in version.procedures:
                self.named.setdefault(procedure.name, procedure.number)

    def number(self, value: tree.Value) -> int:
        """The number that an expression is.

        Raises:
            IdlError: an unknown name, a circle, a text, a division by zero.
        """
        if isinstance(value, tree.Number):
            try:
                return literal(value.text)
            except ValueError:
                raise value.place.error(f"'{value.text}' is not an octal number") from None
        if isinstance(value, tree.Operation):
            return self._operation(value)
        found = self.value_of(value.name, value.place)
        if isinstance(found, str):
            raise value.place.error(f"'{value.name}' is a text, not a number")
        return found

    def size(self, value: tree.Value) -> int:
        """A number that can be a length (RFC 4506 §6.4 (2))."""
        size = self.number(value)
        if not 0 <= size <= LARGEST_SIZE:
            raise value.place.error(f"a size is from 0 to 2**32 - 1, not {size}")
        return size

    def value_of(self, name: str, place: tree.Place) -> int | str:
        """The value of a name, however it was declared."""
        if name in self.known:
            return self.known[name]
        if name in self.busy:
            circle = " -> ".join([*self.busy[self.busy.index(name) :], name])
            raise place.error(f"the value of '{name}' depends on itself: {circle}")
        self.busy.append(name)
        found = self.known[name] = self._find(name, place)
        self.busy.pop()
        return found

    def _find(self, name: str, place: tree.Place) -> int | str:
        definition = self.scope.definitions.get(name)
        if isinstance(definition, tree.Constant):
            value = definition.value
            return value if isinstance(value, str) else self.number(value)
        if isinstance(definition, tree.Program):
            return self.number(definition.number)
        enum = self.scope.enumerators.get(name)
        if enum is not None:
            index = next(i for i, member in enumerate(enum.members) if member.name == name)
            return self._enumerator(enum, index)
        if name in self.named:
            return self.number(self.named[name])
        if definition is not None:
            raise place.error(f"'{name}' is a type, not a value")
        raise place.error(f"unknown constant '{name}'; -D {name}=VALUE defines it")

    def _enumerator(self, enum: tree.Enum, index: int) -> int:
        """As in C: a member without a value is one more than the member before it."""
        above = 0
        while index >= 0 and enum.members[index].value is None:
            index, above = index - 1, above + 1
        if index < 0:
            return above - 1
        value = enum.members[index].value
        assert value is not None
        return self.number(value) + above

    def _operation(self, value: tree.Operation) -> int:
        numbers = [self.number(operand) for operand in value.operands]
        if len(numbers) == 1:
            return UNARY[value.operator](numbers[0])
        left, right = numbers
        if value.operator in ("<<", ">>") and not 0 <= right <= WIDEST_SHIFT:
            raise value.place.error(f"cannot shift by {right}")
        if value.operator in BINARY:
            return BINARY[value.operator](left, right)
        if right == 0:
            raise value.place.error("division by zero")
        quotient = abs(left) // abs(right) * (1 if (left < 0) is (right < 0) else -1)
        return quotient if value.operator == "/" else left - quotient * right

    def text(self, value: tree.Value) -> str:
        """The value as Python: the name of a constant, a number as written, or the number."""
        if isinstance(value, tree.Number):
            return written(value.text)
        if isinstance(value, tree.Name) and self._is_constant(value):
            return self.scope.shown[value.name]
        if isinstance(value, tree.Operation) and len(value.operands) == 2:
            simple = all(
                isinstance(part, tree.Number) or self._is_constant(part) for part in value.operands
            )
            if simple and value.operator in BINARY:
                left, right = (self.text(operand) for operand in value.operands)
                return f"{left} {value.operator} {right}"
        return str(self.number(value))

    def _is_constant(self, value: tree.Value) -> bool:
        if not isinstance(value, tree.Name):
            return False
        return isinstance(self.scope.definitions.get(value.name), tree.Constant)


def literal(text: str) -> int:
    """A decimal, hexadecimal or octal number (RFC 4506 §6.2), or C's ``'x'``.

    Raises:
        ValueError: 8 or 9 in an octal number.
    """
    if text.startswith("'"):
        return ord(text[1])
    digits = text.rstrip("uUlL")
    if digits[:2] in ("0x", "0X"):
        return int(digits, 16)
    return int(digits, 8 if digits.startswith("0") else 10)


def written(text: str) -> str:
    """The same number in Python's notation."""
    if text.startswith("'"):
        return str(ord(text[1]))
    digits = text.rstrip("uUlL")
    if digits[:2] in ("0x", "0X"):
        return "0x" + digits[2:].upper()
    if digits.startswith("0") and digits.strip("0"):
        return "0o" + digits[1:]
    return str(int(digits))
