"""Text to tree: the grammar applied, places and comments attached (RFC 4506 §6, RFC 5531 §12)."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from importlib.resources import files
from typing import Any

from lark import Lark, Token, Tree, v_args
from lark.exceptions import UnexpectedInput, UnexpectedToken, VisitError
from lark.tree import Meta
from lark.visitors import Transformer_NonRecursive

from oncrpc.errors import IdlError
from oncrpc.idl import tree
from oncrpc.idl.comments import Comments
from oncrpc.idl.source import SourceText
from oncrpc.idl.threads import PARSING
from oncrpc.idl.words import INTEGERS, OTHERS

COMMENT = re.compile(r'("[^"\n]*")|/\*.*?\*/|//[^\n]*', re.DOTALL)

TERMINALS = {
    "ID": "a name", "NUMBER": "a value", "STRING": "a text", "INTEGER": "a type",
    "WORD": "a type", "OPAQUE": "a type", "TEXT": "a type", "STAR": "'*'", "$END": "the end",
    "VOID": "'void'", "CHARACTER": "a value", "MINUS": "a value", "TILDE": "a value",
}  # fmt: skip
OPERATORS = {"VBAR", "CIRCUMFLEX", "AMPERSAND", "PLUS", "SLASH", "PERCENT"}
REPEATED = {"LPAR": "NUMBER", "ID": "NUMBER", "STAR": "SLASH", "$END": "TYPEDEF"}
"""Not worth a word where the other one could stand too."""

PRINTABLE = re.compile(r"[\t -~]*")
NESTED = {
    "inline_struct", "inline_union", "or", "xor", "and", "left", "right", "add", "subtract",
    "multiply", "divide", "remainder", "negative", "complement",
}  # fmt: skip
LONGEST_WORD = 40
DEEPEST = 50
"""How many of those may be within one another."""

DEFINITIONS = {"CONST", "ENUM", "STRUCT", "UNION", "TYPEDEF", "PROGRAM"}


At = tuple[tree.SourcePlace, tuple[str, ...], bool]


def parse_interface(source: SourceText) -> tree.Specification:
    """The tree of a preprocessed text.

    Raises:
        IdlError: the text is not of the grammar.
    """
    text = source.text
    try:
        parsed = _parser().parse(text)
        _check_depth(source, parsed)
        made = Builder(source, text).transform(parsed)
    except UnexpectedInput as error:
        raise _unexpected(source, text, error) from None
    except VisitError as error:
        raise error.orig_exc from None
    assert isinstance(made, tree.Specification)
    return made


def _check_depth(source: SourceText, parsed: Tree[Token]) -> None:
    """Refuse nesting that is too deep for the later steps, which are recursive."""
    waiting = [(parsed, 0)]
    while waiting:
        node, depth = waiting.pop()
        depth += node.data in NESTED
        if depth > DEEPEST:
            raise _place(source, node.meta.line, node.meta.column).error(
                f"over {DEEPEST} levels of declarations or operations"
            )
        waiting += [(child, depth) for child in node.children if isinstance(child, Tree)]


def _place(source: SourceText, line: int, column: int) -> tree.SourcePlace:
    """A place of the preprocessed text."""
    file, number = source.places[line - 1]
    return tree.SourcePlace(file, number, column, source.lines[line - 1])


@cache
def _parser() -> Lark:
    grammar = files("oncrpc.idl").joinpath("grammar.lark").read_text(encoding="utf-8")
    with PARSING:
        return Lark(grammar, parser="lalr", propagate_positions=True, maybe_placeholders=True)


def _unexpected(source: SourceText, text: str, error: UnexpectedInput) -> IdlError:
    if isinstance(error, UnexpectedToken) and error.token.type == "$END":
        return _ended(source, _described(error.accepts))
    file, line = source.places[error.line - 1]
    shown = source.lines[error.line - 1]
    at, names = error.pos_in_stream or 0, tuple[str, ...]()
    if text.startswith("/*", at):
        reason = "a comment without an end"
    elif isinstance(error, UnexpectedToken):
        names = _described(error.accepts)
        reason = f"expected {' or '.join(names)}, found {_short(str(error.token))!r}"
    else:
        reason = f"unexpected character {text[at]!r}"
    return IdlError(file, line, error.column, reason=reason, text=shown, expected=names)


def _short(word: str) -> str:
    return word if len(word) <= LONGEST_WORD else word[:LONGEST_WORD] + "..."


def _ended(source: SourceText, names: tuple[str, ...]) -> IdlError:
    lines = [index for index, line in enumerate(source.lines) if line.strip()]
    file, line = source.places[lines[-1]]
    shown = source.lines[lines[-1]]
    reason = f"expected {' or '.join(names)}, found the end of the file"
    return IdlError(file, line, len(shown) + 1, reason=reason, text=shown, expected=names)


def _described(terminals: set[str]) -> tuple[str, ...]:
    """Words for what the grammar would take; of several operators or types none is named."""
    names = {_word(terminal, terminals) for terminal in terminals - OPERATORS}
    return tuple(sorted(names - {""}, key=lambda name: (name.startswith("'"), name)))


def _word(terminal: str, terminals: set[str]) -> str:
    """A terminal among others in words; "" if another one says enough."""
    if terminal.startswith("__") or REPEATED.get(terminal) in terminals:
        return ""
    if "INTEGER" in terminals and terminal in ("STRUCT", "ENUM", "UNION", "ID"):
        return "a type"
    if "TYPEDEF" in terminals and terminal in DEFINITIONS:
        return "a definition"
    pattern = _parser().get_terminal(terminal).pattern.value if terminal != "$END" else ""
    return TERMINALS.get(terminal, f"'{pattern}'")


def _operation(operator: str) -> Any:
    def build(self: Builder, meta: Meta, items: list[Any]) -> tree.Arithmetic:
        operands = tuple(item for item in items if not isinstance(item, Token))
        return tree.Arithmetic(*self.at(meta), operator=operator, operands=operands)

    return build


@v_args(meta=True)
class Builder(Transformer_NonRecursive[Token, Any]):
    """Makes our tree of lark's, from the leaves up; a method a rule of the grammar."""

    def __init__(self, source: SourceText, text: str) -> None:
        super().__init__()
        self.source = source
        found = COMMENT.finditer(text)
        self.comments = Comments(text, [m.span() for m in found if not m[1]])

    def at(self, meta: Meta) -> At:
        """The first fields of every node."""
        comment = self.comments.of(meta.start_pos, meta.end_pos)
        return self.place(meta), comment, self.comments.above(meta.start_pos)

    def plain_at(self, meta: Meta) -> At:
        """The same for a node that has no comment of its own."""
        return self.place(meta), (), False

    def place(self, meta: Meta) -> tree.SourcePlace:
        return _place(self.source, meta.line, meta.column)

    def token_place(self, token: Token) -> tree.SourcePlace:
        """The place of a token, which has no comment of its own."""
        return _place(self.source, token.line or 1, token.column or 1)

    def start(self, meta: Meta, items: list[Any]) -> tree.Specification:
        return tree.Specification(self.comments.heading(), tuple(items))

    def constant(self, meta: Meta, items: list[Any]) -> tree.ConstantDefinition:
        name, value = items
        if isinstance(value, Token):
            if not PRINTABLE.fullmatch(value):
                raise self.token_place(value).error("a text has printable ASCII characters only")
            value = str(value)[1:-1]
        return tree.ConstantDefinition(*self.at(meta), name=str(name), value=value)

    def enum(self, meta: Meta, items: list[Any]) -> tree.EnumDefinition:
        return tree.EnumDefinition(*self.at(meta), name=str(items[0]), members=items[1])

    def struct(self, meta: Meta, items: list[Any]) -> tree.StructDefinition:
        star, name, fields, _ = items
        return tree.StructDefinition(
            *self.at(meta), name=str(name), fields=fields, pointer=star is not None
        )

    def union(self, meta: Meta, items: list[Any]) -> tree.UnionDefinition:
        switch, arms = items[1]
        return tree.UnionDefinition(*self.at(meta), name=str(items[0]), switch=switch, arms=arms)

    def typedef(self, meta: Meta, items: list[Any]) -> tree.Definition:
        declared = items[0]
        named = isinstance(
            declared.type, (tree.EnumDefinition, tree.StructDefinition, tree.UnionDefinition)
        )
        if named and declared.form == "plain":
            return _renamed(declared.type, declared.name, self.at(meta))
        return tree.Typedef(*self.at(meta), name=declared.name, declaration=declared)

    def enum_body(self, meta: Meta, items: list[Any]) -> tuple[tree.Enumerator, ...]:
        return tuple(item for item in items if item is not None)

    def enumerator(self, meta: Meta, items: list[Any]) -> tree.Enumerator:
        return tree.Enumerator(*self.at(meta), name=str(items[0]), value=items[1])

    def struct_body(self, meta: Meta, items: list[Any]) -> tuple[tree.Declaration, ...]:
        return tuple(items)

    def field(self, meta: Meta, items: list[Any]) -> tree.Declaration:
        made: tree.Declaration = items[0]
        _, comment, above = self.at(meta)
        return replace(made, comment=comment, above=above)

    def union_body(self, meta: Meta, items: list[Any]) -> tuple[Any, tuple[tree.Arm, ...]]:
        switch, *arms = items
        return switch, tuple(arm for arm in arms if arm is not None)

    def arm(self, meta: Meta, items: list[Any]) -> tree.Arm:
        return tree.Arm(*self.at(meta), cases=tuple(items[:-1]), body=items[-1])

    def case(self, meta: Meta, items: list[Any]) -> tree.Value:
        value: tree.Value = items[0]
        return value

    def default(self, meta: Meta, items: list[Any]) -> tree.Arm:
        return tree.Arm(*self.at(meta), cases=(), body=items[0])

    def void(self, meta: Meta, items: list[Any]) -> tree.Declaration:
        return tree.Declaration(*self.plain_at(meta), name="", type=None, form="void")

    def plain(self, meta: Meta, items: list[Any]) -> tree.Declaration:
        return self._declared(meta, items[0], items[1] if len(items) > 1 else None, "plain")

    def pointer(self, meta: Meta, items: list[Any]) -> tree.Declaration:
        return self._declared(meta, items[0], items[2], "pointer")

    def fixed(self, meta: Meta, items: list[Any]) -> tree.Declaration:
        return self._declared(meta, items[0], items[1], "fixed", items[2])

    def variable(self, meta: Meta, items: list[Any]) -> tree.Declaration:
        return self._declared(meta, items[0], items[1], "variable", items[2])

    plain_result = plain_parameter = plain
    pointer_parameter = pointer
    fixed_parameter = fixed
    variable_parameter = text_parameter = variable

    def variable_result(self, meta: Meta, items: list[Any]) -> tree.Declaration:
        return self._declared(meta, items[0], None, "variable", items[1])

    def _declared(
        self, meta: Meta, kind: Any, name: Any, form: str, size: Any = None
    ) -> tree.Declaration:
        made = self._bytes(kind) if isinstance(kind, Token) else kind
        return tree.Declaration(*self.plain_at(meta), str(name or ""), made, form, size)

    def _bytes(self, token: Token) -> tree.Primitive:
        return tree.Primitive(self.token_place(token), (), False, str(token))

    def integer(self, meta: Meta, items: list[Any]) -> tree.Primitive:
        words = " ".join(items)
        if words not in INTEGERS:
            raise self.place(meta).error(f"'{words}' is not a type")
        return tree.Primitive(*self.plain_at(meta), INTEGERS[words])

    def word(self, meta: Meta, items: list[Any]) -> tree.Primitive:
        return tree.Primitive(*self.plain_at(meta), OTHERS[items[0]])

    def named(self, meta: Meta, items: list[Any]) -> tree.Named:
        return tree.Named(*self.plain_at(meta), str(items[0]))

    def inline_enum(self, meta: Meta, items: list[Any]) -> tree.EnumDefinition:
        return tree.EnumDefinition(*self.at(meta), name="", members=items[0])

    def inline_struct(self, meta: Meta, items: list[Any]) -> tree.StructDefinition:
        return tree.StructDefinition(*self.at(meta), name="", fields=items[0])

    def inline_union(self, meta: Meta, items: list[Any]) -> tree.UnionDefinition:
        return tree.UnionDefinition(*self.at(meta), name="", switch=items[0][0], arms=items[0][1])

    def program(self, meta: Meta, items: list[Any]) -> tree.ProgramDefinition:
        name, *versions, number = items
        return tree.ProgramDefinition(*self.at(meta), str(name), number, tuple(versions))

    def version(self, meta: Meta, items: list[Any]) -> tree.VersionDefinition:
        name, *procedures, number = items
        return tree.VersionDefinition(*self.at(meta), str(name), number, tuple(procedures))

    def procedure(self, meta: Meta, items: list[Any]) -> tree.ProcedureDefinition:
        result, name, parameters, number = items
        return tree.ProcedureDefinition(*self.at(meta), str(name), number, result, parameters or ())

    def parameters(self, meta: Meta, items: list[Any]) -> tuple[tree.Declaration, ...]:
        return tuple(item for item in items if item.form != "void")

    def number(self, meta: Meta, items: list[Any]) -> tree.Number:
        return tree.Number(*self.plain_at(meta), str(items[0]))

    def name(self, meta: Meta, items: list[Any]) -> tree.Name:
        return tree.Name(*self.plain_at(meta), str(items[0]))

    locals().update(
        {
            "or": _operation("|"), "xor": _operation("^"), "and": _operation("&"),
            "left": _operation("<<"), "right": _operation(">>"), "add": _operation("+"),
            "subtract": _operation("-"), "multiply": _operation("*"),
            "divide": _operation("/"), "remainder": _operation("%"),
            "negative": _operation("-"), "complement": _operation("~"),
        }
    )  # fmt: skip


def _renamed(made: Any, name: str, at: At) -> tree.Definition:
    """``typedef struct {...} name`` is ``struct name {...}`` (RFC 4506 §4.18)."""
    if isinstance(made, tree.EnumDefinition):
        return tree.EnumDefinition(*at, name, made.members)
    if isinstance(made, tree.StructDefinition):
        return tree.StructDefinition(*at, name, made.fields)
    return tree.UnionDefinition(*at, name, made.switch, made.arms)
