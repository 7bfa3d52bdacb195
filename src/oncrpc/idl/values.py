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
DEEPEST_VALUE = 150
"""How many operations and names may be needed for one value."""

MOST_DIGITS = 100
LARGEST_SIZE = 0xFFFFFFFF


class Values:
    """Evaluates the values of one scope."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        own = scope.definitions.keys() | scope.enumerators.keys()
        self.known: dict[str, int | str] = {n: v for n, v in BOOLEANS.items() if n not in own}
        self.depth = 0
        self.places_in: dict[int, dict[str, int]] = {}
        """For each enumeration the indices of its members."""

        self.busy: list[str] = []
        self.named: dict[str, tree.Value] = {}
        for definition in scope.all:
            if isinstance(definition, tree.ProgramDefinition):
                self._take_program(definition)

    def _take_program(self, program: tree.ProgramDefinition) -> None:
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
            return in_range(_literal(value), value.place)
        if self.depth >= DEEPEST_VALUE:
            raise value.place.error(f"over {DEEPEST_VALUE} values depend on one another")
        self.depth += 1
        if isinstance(value, tree.Arithmetic):
            found: int | str = in_range(self._operation(value), value.place)
        else:
            found = self.value_of(value.name, value.place)
        self.depth -= 1
        if isinstance(found, str):
            raise value.place.error(f"{_shown(value)} is a text, not a number")
        return found

    def size(self, value: tree.Value) -> int:
        """A number that can be a length (RFC 4506 §6.4 (2))."""
        size = self.number(value)
        if not 0 <= size <= LARGEST_SIZE:
            raise value.place.error(f"a size is from 0 to 2**32 - 1, not {size}")
        return size

    def value_of(self, name: str, place: tree.SourcePlace) -> int | str:
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

    def _find(self, name: str, place: tree.SourcePlace) -> int | str:
        definition = self.scope.definitions.get(name)
        if isinstance(definition, tree.ConstantDefinition):
            value = definition.value
            return value if isinstance(value, str) else self.number(value)
        if isinstance(definition, tree.ProgramDefinition):
            return self.number(definition.number)
        if name in self.scope.enumerators:
            return self._enumerator(self.scope.enumerators[name], name)
        if name in self.named:
            return self.number(self.named[name])
        if definition is not None:
            raise place.error(f"'{name}' is a type, not a value")
        raise place.error(f"unknown constant '{name}'; -D {name}=VALUE defines it")

    def _enumerator(self, enum: tree.EnumDefinition, name: str) -> int:
        """As in C: a member without a value is one more than the member before it.

        Of all such members before it the values are found and kept, from the first one on.
        """
        if id(enum) not in self.places_in:
            self.places_in[id(enum)] = {m.name: i for i, m in enumerate(enum.members)}
        first = last = self.places_in[id(enum)][name]
        while first > 0 and enum.members[first].value is None:
            first -= 1
            if enum.members[first].name in self.known:
                break
        value = enum.members[first].value
        found = self.known.get(enum.members[first].name)
        if found is None:
            found = 0 if value is None else self.number(value)
        assert isinstance(found, int)
        for number, member in enumerate(enum.members[first:last], start=found):
            self.known[member.name] = number
        return in_range(found + last - first, enum.members[last].place)

    def _operation(self, value: tree.Arithmetic) -> int:
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
        if isinstance(value, tree.Arithmetic) and len(value.operands) == 2:
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
        return isinstance(self.scope.definitions.get(value.name), tree.ConstantDefinition)


def _shown(value: tree.Value) -> str:
    return f"'{value.name}'" if isinstance(value, tree.Name) else "the value"


def in_range(number: int, place: tree.SourcePlace) -> int:
    """The number, if C has it.

    Raises:
        IdlError: it does not fit in 64 bits.
    """
    if -(2**63) <= number < 2**64:
        return number
    raise place.error("the number does not fit in 64 bits")


def _literal(value: tree.Number) -> int:
    if len(value.text) > MOST_DIGITS:
        raise value.place.error("the number does not fit in 64 bits")
    try:
        return literal(value.text)
    except ValueError:
        raise value.place.error(f"'{value.text}' is not an octal number") from None


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
