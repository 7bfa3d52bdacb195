"""Names that Python treats specially, wherever an interface may have a name."""

from __future__ import annotations

import pytest

from oncrpc import sync
from oncrpc.idl.names import PROCEDURES, SPECIAL, member_name
from oncrpc.rpc import Client, Service, SyncClient, Version
from oncrpc.testing import MemoryLink
from oncrpc.xdr import codec, decode, encode
from support.compiled import module_of
from support.words import words

NAMES = [
    "_ignore_", "_missing_", "_generate_next_value_", "_order_", "_name_", "_value_", "_sunder_",
    "_e__private", "__e", "_e__private_", "mro", "name", "value", "real", "to_bytes", "_", "__",
    "___", "____", "_____", "_x", "x_", "_a_b", "__x", "__x_", "__x__", "__x___", "__init__",
    "__new__", "__class__", "__doc__", "__module__", "__slots__", "__dict__", "__weakref__",
    "__eq__", "__hash__", "__repr__", "__len__", "__bool__", "__iter__", "__call__", "__get__",
    "__set_name__", "__getattr__", "__getattribute__", "__setattr__", "__init_subclass__",
    "__annotations__", "__match_args__", "__members__", "__xdr_fields__", "__xdr_rest__",
    "__name__", "__qualname__", "__file__", "__spec__", "__builtins__", "__debug__", "__all__",
    "__path__", "__init", "__class", "__new", "self", "cls", "type", "object", "list",
    "bytes", "property", "super", "None", "class", "match", "print",
    "xdr", "rpc", "version", "client", "call", "link", "options", "blocking", "_has", "NULL",
    "prog", "vers", "procedures", "handlers", "Client", "SyncClient", "Service", "ClassVar",
    "Annotated", "Call", "Procedure", "Version", "Answer", "annotations", "body",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_an_enumerator_of_any_name_is_a_member(name: str) -> None:
    made = module_of(f"enum e {{ FIRST = 3, {name} = 7, LAST = 9 }}; struct s {{ e a; }};")

    assert [int(member) for member in made.e] == [3, 7, 9]
    assert encode(made.s, made.s(list(made.e)[1])) == words(7)
    assert decode(made.s, words(7)).a.name == member_name(name, enum="e")


@pytest.mark.parametrize("name", NAMES)
def test_a_field_of_any_name_is_kept(name: str) -> None:
    made = module_of(f"struct s {{ int first; {name} *{name}; }}; typedef int {name};")
    value = made.s(1, 2)

    assert encode(made.s, value) == words(1, 1, 2)
    assert decode(made.s, words(1, 1, 2)) == value
    assert hash(value) == hash(made.s(1, 2))
    assert bool(value)
    assert repr(value).startswith("s(first=1, ")


@pytest.mark.parametrize("name", NAMES)
def test_a_type_of_any_name_is_declared(name: str) -> None:
    made = module_of(
        f"struct {name} {{ int a; }}; union u switch (int k) {{ case 1: {name} b<>; }};"
        f"program P {{ version V {{ u F({name}) = 1; }} = 1; }} = 1;"
    )
    declared = made.V.F.arguments[0]

    assert encode(made.u, made.u(1, [declared(5)])) == words(1, 1, 5)


@pytest.mark.parametrize("name", NAMES)
def test_a_constant_of_any_name_is_declared(name: str) -> None:
    made = module_of(f"const {name} = 4; struct s {{ opaque a<{name}>; string b<>; }};")

    assert decode(made.s, words(0, 0)) == made.s(b"", b"")


@pytest.mark.parametrize("name", NAMES)
def test_a_procedure_of_any_name_is_called(name: str) -> None:
    made = module_of(f"program P {{ version V {{ int {name}(int {name}) = 1; }} = 1; }} = 1;")
    procedure = made.V.procedures[1]
    server = type("Server", (made.V.Service,), {procedure.name: lambda self, call, arg: arg * 2})

    link = MemoryLink([server()])

    assert sync.run(getattr(made.V.Client(link), procedure.name)(21)) == 42
    assert getattr(made.V.SyncClient(made.V.Client(link)), procedure.name)(21) == 42


@pytest.mark.parametrize("name", NAMES)
def test_a_version_of_any_name_is_declared(name: str) -> None:
    made = module_of(f"program P {{ version {name} {{ int F(int) = 1; }} = 1; }} = 1;")

    assert [
        kind for kind in vars(made).values() if isinstance(kind, type) and Version in kind.mro()
    ]


def test_attributes_of_classes_are_not_procedure_names() -> None:
    ours = {name for kind in (Client, SyncClient, Service, Version) for name in dir(kind)}
    ours |= {"NULL"} | set(vars(Client(None))) | set(vars(SyncClient(None)))  # type: ignore[arg-type]

    assert ours - {"NULL"} - PROCEDURES - SPECIAL == set()


def test_an_enumerator_may_not_be_a_constant_too() -> None:
    with pytest.raises(ValueError, match="'A' is already declared in line 1"):
        module_of("const A = 1;\nenum e { A = 2, B = A };")


def test_a_codec_of_special_names_compiles() -> None:
    made = module_of("struct s { int i; int data; int end; int v; int out; int new; int bad; };")

    assert codec(made.s).decode(words(1, 2, 3, 4, 5, 6, 7)) == made.s(1, 2, 3, 4, 5, 6, 7)
