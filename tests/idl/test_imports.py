"""``oncrpc.idl.imports``: what a module imports from the modules of other interfaces."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from oncrpc import xdr
from oncrpc.errors import IdlError
from oncrpc.idl import CompileOptions, compile_file

INNER = """
const LENGTH = 8;
const UNUSED = 9;
enum kind { PLAIN = 1, ODD = 2 };
typedef opaque key<LENGTH>;
struct node { key name; kind is; node *next; };
struct class { int a; };
"""
OUTER = """
%#include "inner.h"
struct table { node *first; kind is; key other; class from; };
union choice switch (kind is) { case PLAIN: node one; default: void; };
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where interfaces and modules are."""
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def made(folder: Path, outer: str = OUTER, **inner: str) -> str:
    """The module of a file that includes others, whose modules it imports."""
    for name, text in (inner or {"inner": INNER}).items():
        (folder / f"{name}.x").write_text(text)
    (folder / "outer.x").write_text(outer)
    imports = {name: name for name in (inner or ["inner"])}
    return compile_file(folder / "outer.x", settings=CompileOptions(imports=imports))


def imported(text: str) -> list[str]:
    """The import statements of other modules."""
    return [line for line in text.splitlines() if line.startswith("from inner")]


def test_used_declarations_are_imported(folder: Path) -> None:
    text = made(folder)

    assert imported(text) == ["from inner import class_, key, kind, node, node_ptr"]
    assert "class node" not in text
    assert "LENGTH" not in text


def test_imported_class_is_that_of_its_module(folder: Path) -> None:
    text = made(folder)
    (folder / "inner_imports.py").write_text(compile_file(folder / "inner.x"))
    (folder / "outer_imports.py").write_text(text.replace("from inner", "from inner_imports"))

    inner = importlib.import_module("inner_imports")
    outer = importlib.import_module("outer_imports")

    assert outer.node is inner.node
    nodes, other = [inner.node(b"k", inner.kind.ODD, None)], inner.class_(1)
    value = outer.table(nodes, inner.kind.PLAIN, b"", other)
    assert xdr.decode(outer.table, xdr.encode(outer.table, value)) == value


def test_own_declaration_is_never_imported(folder: Path) -> None:
    text = made(
        folder, '%#include "inner.h"\nenum kind { PLAIN = 1, ODD = 2 };\nstruct s { kind k; };'
    )

    assert imported(text) == []
    assert "class kind(" in text


def test_type_of_another_meaning_is_repeated(folder: Path) -> None:
    text = made(
        folder, '%#include "inner.h"\ntypedef string key<3>;\nstruct s { node n; kind k; };'
    )

    assert imported(text) == ["from inner import kind"]
    assert "class node:" in text


def test_first_included_file_is_imported_from(folder: Path) -> None:
    text = made(
        folder,
        '%#include "inner.h"\n%#include "inner2.h"\nstruct s { kind k; more m; };',
        inner=INNER,
        inner2="enum kind { PLAIN = 1, ODD = 2 };\nstruct more { kind k; };",
    )

    assert imported(text) == ["from inner import kind", "from inner2 import more"]


def test_borrowed_names_of_the_other_are_repeated(folder: Path) -> None:
    text = made(
        folder,
        '%#include "inner2.h"\n%#include "inner.h"\nstruct s { more m; kind k; };',
        inner2='%#include "inner.h"\nstruct more { kind k; };',
        inner=INNER,
    )

    assert imported(text) == ["from inner import kind", "from inner2 import more"]


def test_file_that_is_not_included_changes_nothing(folder: Path) -> None:
    assert imported(made(folder, "enum kind { PLAIN = 1 };\nstruct s { kind k; };")) == []


@pytest.mark.parametrize(
    "text",
    ['%#include "gone.h"\nstruct s { int a; };', '%#include "outer.h"\nstruct s { int a; };'],
)
def test_missing_or_own_file_is_not_imported(folder: Path, text: str) -> None:
    (folder / "outer.x").write_text(text)
    settings = CompileOptions(imports={"gone": "gone", "outer": "outer"})

    assert compile_file(folder / "outer.x", settings=settings) == compile_file(folder / "outer.x")


def test_broken_file_to_import_is_an_error(folder: Path) -> None:
    with pytest.raises(IdlError, match=r"inner\.x:1"):
        made(folder, '%#include "inner.h"\nstruct s { int a; };', inner="what\n")


def test_many_names_are_imported_a_line_each(folder: Path) -> None:
    names = [f"a_rather_long_name_{number}" for number in range(6)]
    inner = "".join(f"struct {name} {{ int a; }};\n" for name in names)
    fields = "".join(f"{name} f{number};" for number, name in enumerate(names))

    text = made(folder, f'%#include "inner.h"\nstruct s {{ {fields} }};', inner=inner)

    assert "from inner import (\n    a_rather_long_name_0,\n" in text
