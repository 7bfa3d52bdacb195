"""Names that Python, or the module, has taken; and such names beside one another."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oncrpc import sync
from oncrpc.errors import IdlError
from oncrpc.idl.names import field_name, free, in_scope, parameter_name, synonym
from oncrpc.testing import MemoryLink
from oncrpc.xdr import encode
from support.compiled import body_of, module_of
from support.words import words

needs_rpcgen = pytest.mark.skipif(shutil.which("rpcgen") is None, reason="no rpcgen")


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("plain", "plain"), ("from", "from_"), ("self", "self_"), ("_x", "_x"),
        ("__x", "__x__"), ("__x_", "__x___"), ("__x__", "__x__"), ("__", "__"),
    ],
)  # fmt: skip
def test_a_name_that_is_taken_gets_underscores(written: str, shown: str) -> None:
    assert field_name(written) == shown


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        (["from", "from_"], ["from__", "from_"]),
        (["from_", "from", "from__"], ["from_", "from___", "from__"]),
        (["__x", "__x__"], ["__x___", "__x__"]),
        (["a", "b"], ["a", "b"]),
    ],
)
def test_of_two_names_the_unchanged_one_stays(written: list[str], shown: list[str]) -> None:
    assert list(in_scope(written, field_name).values()) == shown


@pytest.mark.slow
@given(st.lists(st.from_regex(r"(from|self|__x|a)_{0,4}", fullmatch=True), unique=True))
def test_names_of_a_scope_stay_apart(written: list[str]) -> None:
    shown = in_scope(written, field_name)

    assert list(shown) == written
    assert len(set(shown.values())) == len(written)


def test_a_free_name_differs_from_taken_ones() -> None:
    assert free("a", {"a", "a_"}) == "a__"


def test_a_synonym_is_not_mangled_within_a_class() -> None:
    assert synonym("t", {"_t"}) == "_t_"
    assert synonym("_t", ()) == "__t__"


def test_a_parameter_gives_way_to_its_version() -> None:
    assert parameter_name("V", version="V") == "V_"


STRUCT = "struct s { int from; int from_; };"
ENUM = (
    "enum e { name = 1, name_ = 2 }; union u switch (e k) { case name: int a; case name_: void; };"
)
PROCEDURES = "program P { version V { int from(int) = 1; int from_(int) = 2; } = 1; } = 1;"
PARAMETER = "program P { version V { int F(int V) = 1; } = 1; } = 1;"
TYPES = "typedef int Call; typedef hyper Call_; struct s { Call a; Call_ b; };"
HIDDEN = "struct t { int a; }; struct _t { hyper b; }; struct u { t t; _t other; };"
MANGLED = "typedef int _x; program P { version V { _x _x(_x) = 1; } = 1; } = 1;"
LIST = "struct n { int a; n *next; }; typedef int n_ptr; struct h { n *l; n_ptr i; };"
NOTHING = "typedef opaque z[0]; struct s { z a; int b; };"
COMMENT = "/* a\n%#define B 3\n% c \\\n*/\nconst A = 1;\n"


@needs_rpcgen
@pytest.mark.parametrize(
    "text",
    [STRUCT, ENUM, PROCEDURES, PARAMETER, TYPES, HIDDEN, MANGLED, LIST, NOTHING, COMMENT],
)
def test_texts_that_rpcgen_reads_compile(text: str, tmp_path: Path) -> None:
    file = tmp_path / "test.x"
    file.write_text(text)

    subprocess.run(["rpcgen", "-h", file.name], cwd=tmp_path, check=True, capture_output=True)
    assert module_of(text)


def test_fields_that_would_have_one_name_have_two() -> None:
    s = module_of(STRUCT).s

    assert encode(s, s(1, 2)) == words(1, 2)
    assert (s(1, 2).from__, s(1, 2).from_) == (1, 2)


def test_enumerators_of_one_name_keep_their_arms() -> None:
    made = module_of(ENUM)

    assert (made.e.name__, made.e.name_) == (1, 2)
    assert encode(made.u, made.u(made.e.name__, 5)) == words(1, 5)
    assert encode(made.u, made.u(made.e.name_, None)) == words(2)


def test_procedures_that_would_have_one_name_have_two() -> None:
    made = module_of(PROCEDURES)

    assert {p.number: p.name for p in made.V.procedures.values()} == {
        0: "NULL", 1: "from__", 2: "from_",
    }  # fmt: skip


def test_types_that_would_have_one_name_have_two() -> None:
    made = module_of(TYPES)

    assert encode(made.s, made.s(1, 2)) == words(1, 0, 2)


def test_a_parameter_named_like_its_version_is_sent() -> None:
    made = module_of(PARAMETER)

    class Double(made.V.Service):  # type: ignore[name-defined,misc]  # compiled here
        """Doubles."""

        def F(self, call: object, V: int) -> int:
            return 2 * V

    assert sync.run(made.V.Client(MemoryLink([Double()])).F(21)) == 42


def test_a_parameter_does_not_hide_the_raised_error() -> None:
    text = "program P { version V { int F(int ProcedureUnavailable) = 1; } = 1; } = 1;"

    assert "def F(self, call: Call, ProcedureUnavailable_: int)" in body_of(text)


def test_unnamed_parameters_avoid_the_names_of_others() -> None:
    text = "program P { version V { int F(int, int arg1) = 1; } = 1; } = 1;"

    assert "async def F(self, arg1_: int, arg1: int)" in body_of(text)


def test_two_parameters_of_one_name_are_an_error() -> None:
    with pytest.raises(IdlError, match="two parameters are named 'a'"):
        module_of("program P { version V { int F(int a, int a) = 1; } = 1; } = 1;")


def test_the_synonym_of_a_hidden_type_is_unique() -> None:
    made = module_of(HIDDEN)

    assert encode(made.u, made.u(made.t(1), made._t(2))) == words(1, 0, 2)


def test_the_synonym_is_found_within_a_class() -> None:
    made = module_of(MANGLED)

    assert made.V._x.encode_arguments((5,)) == words(5)


def test_the_name_made_for_a_list_is_unique() -> None:
    made = module_of(LIST)

    assert encode(made.h, made.h([made.n(7)], 9)) == words(1, 7, 0, 9)


def test_the_name_made_for_a_pointer_is_unique() -> None:
    made = module_of("struct *x { int a; }; struct x_ptr { hyper b; };")

    assert encode(made.x_ptr, made.x_ptr(1)) == words(0, 1)
    assert encode(made.x_ptr_, made.x(1)) == words(1, 1)


def test_an_empty_field_is_kept() -> None:
    made = module_of(NOTHING)

    assert encode(made.s, made.s(b"", 5)) == words(5)


@pytest.mark.parametrize(
    "text",
    [
        "typedef opaque z[0]; typedef z zz<>;",
        "typedef opaque z[0]; struct s { z a; void; }; struct t { s many[5]; };",
        "typedef int z[0]; typedef z y[4]; typedef y x<3>;",
        "struct s { struct { opaque a[0]; } b<>; };",
    ],
)
def test_an_array_of_empty_elements_is_refused(text: str) -> None:
    with pytest.raises(IdlError, match="the elements of an array have no size"):
        module_of(text)


@pytest.mark.parametrize("element", ["int", "e", "u", "n *", "p", "z *"], ids=lambda name: name)
def test_an_array_of_other_elements_compiles(element: str) -> None:
    text = (
        "enum e { A = 1 }; union u switch (int k) { case 1: void; }; typedef opaque z[0];"
        "struct n { z nothing; n *next; }; struct *p { int a; };"
    )

    name, star, _ = element.partition(" *")
    assert module_of(f"{text} typedef {name} {star and '*'}one; typedef one many<>;")
