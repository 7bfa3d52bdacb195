"""Names that a file does not declare, and where they are found."""

from __future__ import annotations

from pathlib import Path

import pytest

from oncrpc.errors import IdlError
from oncrpc.idl import compile_file
from support.compiled import body_of


def test_a_constant_of_a_pass_through_line_is_found() -> None:
    body = body_of("%#define SIZE 8\n%#define MORE SIZE+1\ntypedef opaque t<MORE>;")

    assert body.startswith("SIZE = 8\nMORE = SIZE + 1\n")


def test_the_last_define_of_a_name_counts() -> None:
    assert body_of("%#define A 1\n%#define A 2\ntypedef opaque t<A>;").startswith("A = 2\n")


def test_what_only_looks_like_a_constant_is_passed_over() -> None:
    with pytest.raises(IdlError, match="unknown constant 'A'"):
        body_of("%#define A ((x)->y + 1\n%#define B (1 +\ntypedef opaque t<A>;")


def test_a_pass_through_include_names_the_interface_beside(tmp_path: Path) -> None:
    (tmp_path / "inner.x").write_text(
        "struct used { deep d; };\nenum deep { X = 1 };\nstruct unused { int a; };\n"
    )
    (tmp_path / "outer.x").write_text("%#include <sub/inner.h>\nstruct s { used a; };\n")

    text = compile_file(tmp_path / "outer.x")

    assert "class used:" in text
    assert "class deep(" in text
    assert "unused" not in text


def test_a_member_of_another_interface_s_enum_is_found(tmp_path: Path) -> None:
    (tmp_path / "inner.x").write_text("enum sizes { BIG = 9 };\n")
    (tmp_path / "outer.x").write_text('%#include "inner.h"\ntypedef opaque t<BIG>;\n')

    assert "t = Annotated[bytes, xdr.opaque(9)]" in compile_file(tmp_path / "outer.x")


def test_an_interface_beside_that_does_not_compile_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "inner.x").write_text("what\n")
    (tmp_path / "outer.x").write_text('%#include "inner.h"\nstruct s { used a; };\n')

    with pytest.raises(IdlError, match="unknown type 'used'"):
        compile_file(tmp_path / "outer.x")


def test_a_file_that_includes_its_own_header_is_no_circle(tmp_path: Path) -> None:
    (tmp_path / "own.x").write_text('%#include "own.h"\nstruct s { int a; };\n')

    assert "class s:" in compile_file(tmp_path / "own.x")


def test_an_old_file_may_be_of_latin_1(tmp_path: Path) -> None:
    (tmp_path / "old.x").write_bytes(b"/* gr\xfc\xdfe */\nstruct s { int a; };\n")

    assert '"""grüße"""' in compile_file(tmp_path / "old.x")


@pytest.mark.parametrize("name", ["rpcprog_t", "netbuf", "des_block", "opaque_auth", "netobj"])
def test_a_type_of_the_c_headers_is_declared(name: str) -> None:
    assert f"a: {name}" in body_of(f"struct s {{ {name} a; }};")
