"""Interface files: any text is compiled to a module that imports, or is refused at a place in it.

The texts have the shape of the grammar; names are few, so that they meet, and many of them are
special to Python. A type of the module that can be coded decodes any bytes or refuses them.
"""

from __future__ import annotations

import enum
import sys
from random import Random
from types import ModuleType

from fuzz.driver import Target
from fuzz.mutation import mutated_text
from oncrpc.errors import IdlError, XdrError
from oncrpc.idl import compile_text
from oncrpc.xdr import codec

FILE = "fuzzed.x"
MODULE = "fuzzed_interface"
SAMPLES = (b"", bytes(4), bytes(64), b"\0\0\0\1" * 16, b"\0\0\0\2abcd" * 8, b"\xff" * 32)
NAMES = (
    "a", "b", "c", "d", "e", "_e__a", "_ignore_", "__x", "__init__", "_", "__", "from", "self",
    "name", "mro", "value", "type", "list", "bytes", "enum_", "xdr", "Client", "next", "body",
    "rpc", "int32_t", "opaque_auth", "AUTH_SYS", "TRUE",
)  # fmt: skip
TYPES = ("int", "unsigned", "hyper", "unsigned hyper", "float", "double", "bool", "u_int", "long")
TOKENS = (
    "struct", "union", "enum", "typedef", "const", "program", "version", "switch", "case",
    "default",
    "void", "opaque", "string", "quadruple", "*", "<", ">", "<<", "[", "]", "{", "}", "(", ")", "=",
    ";", ",", ":", '"x"', "'x'", "/*", "*/", "//", "\n%", "%#define a b", "\n#define a 1\n",
    "#ifdef a\n", "\n#endif\n", "0x7fffffff", "0xffffffff", "4294967296", "-1", "08",
    "9" * 30, *NAMES,
)  # fmt: skip


class Grammar:
    """Writes definitions; ``left`` bounds how deeply declarations are within one another."""

    def __init__(self, source: Random) -> None:
        self.source = source
        self.unused = source.sample(NAMES, len(NAMES))
        self.types: list[str] = []

    def text(self) -> str:
        """A whole file."""
        kinds = (self.const, self.enum, self.struct, self.union, self.typedef, self.program)
        count = self.source.randrange(1, 9)
        return "\n".join(self.source.choice(kinds)() for _ in range(count))

    def name(self) -> str:
        return self.source.choice(NAMES)

    def new_name(self) -> str:
        """A name that no definition has; seldom one that has another."""
        return self.unused.pop() if self.unused and self.source.random() < 0.97 else self.name()

    def type_name(self) -> str:
        """The name of a definition that is a type, as far as there is one."""
        self.types.append(self.new_name())
        return self.types[-1]

    def value(self) -> str:
        words = ("0", "1", "2", "0x10", "-1", self.name(), f"{self.name()} + 1", "(1 << 3)")
        return self.source.choice(words)

    def kind(self, left: int) -> str:
        if left and self.source.random() < 0.15:
            return self.source.choice((self.enum_body, self.struct_body, self.union_body))(left - 1)
        return self.source.choice((*TYPES, *self.types[-4:], *self.types[-4:]))

    def declaration(self, left: int = 2) -> str:
        name = self.name()
        kind = self.source.choice((self.kind(left), "opaque", "string"))
        if kind == "string":
            return f"string {name}<{self.source.choice(('', self.value()))}>"
        forms = [f"[{self.value()}]", f"<{self.value()}>", "<>"]
        if kind != "opaque" and self.source.random() < 0.7:
            return f"{kind} {self.source.choice(('', '*'))}{name}"
        return f"{kind} {name}{self.source.choice(forms)}"

    def const(self) -> str:
        return f"const {self.new_name()} = {self.value()};"

    def enum(self) -> str:
        return f"{self.enum_body(0).replace('enum', f'enum {self.type_name()}', 1)};"

    def enum_body(self, _: int) -> str:
        members = (
            self.new_name() + self.source.choice(("", f" = {self.value()}"))
            for _ in range(self.source.randrange(1, 4))
        )
        return f"enum {{ {', '.join(members)} }}"

    def struct(self) -> str:
        star = self.source.choice(("", "", "*"))
        return self.struct_body(2).replace("struct", f"struct {star}{self.type_name()}", 1) + ";"

    def struct_body(self, left: int) -> str:
        fields = (f"{self.declaration(left)};" for _ in range(self.source.randrange(1, 4)))
        return f"struct {{ {' '.join(fields)} }}"

    def union(self) -> str:
        return self.union_body(2).replace("union", f"union {self.type_name()}", 1) + ";"

    def union_body(self, left: int) -> str:
        arms = (
            f"case {self.value()}: {self.source.choice(('void', self.declaration(left)))};"
            for _ in range(self.source.randrange(1, 4))
        )
        kinds = ("int", "unsigned", "bool", *self.types[-3:])
        switch = f"{self.source.choice(kinds)} {self.name()}"
        default = self.source.choice(("", "default: void;"))
        return f"union switch ({switch}) {{ {' '.join(arms)} {default} }}"

    def typedef(self) -> str:
        made = self.declaration()
        self.types.append(made.split("[")[0].split("<")[0].split()[-1].lstrip("*"))
        return f"typedef {made};"

    def program(self) -> str:
        procedures = " ".join(self.procedure(n) for n in range(self.source.randrange(1, 4)))
        version = f"version {self.new_name()} {{ {procedures} }} = 1;"
        return f"program {self.new_name()} {{ {version} }} = 7;"

    def procedure(self, number: int) -> str:
        parameters = ("void", self.kind(0), f"{self.kind(0)} {self.name()}")
        result = self.source.choice(("void", self.kind(0)))
        return f"{result} {self.new_name()}({self.source.choice(parameters)}) = {number};"


def make(source: Random) -> bytes:
    """A file of the grammar, half of the time changed a little."""
    text = Grammar(source).text()
    if source.random() < 0.5:
        text = mutated_text(text, source, TOKENS)
    return text.encode("utf-8", "replace")


def run(data: bytes) -> None:
    """Compile it, import it, use its types."""
    text = data.decode("utf-8", "replace")
    try:
        made = compile_text(text, FILE)
    except IdlError as mistake:
        _check_place(mistake)
        return
    module = sys.modules[MODULE] = ModuleType(MODULE)
    try:
        exec(compile(made, MODULE, "exec"), module.__dict__)
        for item in vars(module).values():
            if hasattr(item, "__xdr_fields__") or _is_enum(item):
                _use(item)
    finally:
        del sys.modules[MODULE]


def _check_place(mistake: IdlError) -> None:
    assert mistake.line >= 1, mistake
    assert mistake.column >= 1, mistake


def _is_enum(item: object) -> bool:
    return isinstance(item, type) and issubclass(item, enum.IntEnum) and item.__module__ == MODULE


def _use(declared: type) -> None:
    coder = codec(declared)
    for sample in SAMPLES:
        try:
            value = coder.decode(sample)
        except XdrError:
            continue
        assert coder.encode(value) == sample


TARGET = Target("interfaces", make, run)
