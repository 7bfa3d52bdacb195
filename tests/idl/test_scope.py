"""Names that a file does not declare, and where they are found."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from oncrpc.errors import IdlError
from oncrpc.idl import CompileOptions, compile_file, compile_text
from oncrpc.xdr import encode
from support.compiled import body_of, module_of
from support.words import words


def test_a_constant_of_c_code_is_found() -> None:
    body = body_of("%#define SIZE 8\n%#define MORE SIZE+1\ntypedef opaque t<MORE>;")

    assert body.startswith("SIZE = 8\nMORE = SIZE + 1\n")


def test_the_last_define_of_a_name_counts() -> None:
    assert body_of("%#define A 1\n%#define A 2\ntypedef opaque t<A>;").startswith("A = 2\n")


@pytest.mark.parametrize(
    "define",
    ["%#define A ((x)->y + 1\n%#define B (1 +", "%#define A B", "%#define A B\n%#define B A"],
)
def test_a_define_without_a_value_is_passed_over(define: str) -> None:
    with pytest.raises(IdlError, match="unknown constant 'A'; -D A=VALUE defines it") as caught:
        body_of(f"{define}\ntypedef opaque t<A>;")

    assert caught.value.text == "typedef opaque t<A>;"


@pytest.mark.parametrize(
    ("written", "python"),
    [
        ("%#define amount uint64_t", "amount = UHyper"),
        ("%#define amount unsigned long long", "amount = UHyper"),
        ("%#define amount struct other", "amount = other"),
        (
            "%#define amount total /* bytes */\n%#define total hyper",
            "total = Hyper\namount = total",
        ),
        ("%typedef unsigned int amount;", "amount = UInt"),
        ("%typedef  uint64_t  amount ;  /* bytes */", "amount = UHyper"),
    ],
)
def test_c_code_names_a_type(written: str, python: str) -> None:
    text = "struct other { int b; }; struct s { amount a; };"

    body = body_of(f"{written}\n{text}")

    assert python in body
    assert "    a: amount" in body


@pytest.mark.parametrize(
    "written",
    ["#define amount 5", "#define amount nothing", "#define amount int *", "typedef char *amount;"],
)
def test_c_code_that_is_not_a_type(written: str) -> None:
    with pytest.raises(IdlError) as caught:
        body_of(f"%{written}\n\nstruct s {{ amount a; }};")

    assert str(caught.value) == (
        "test.x:3:12: unknown type 'amount'\n    struct s { amount a; };\n               ^"
    )


def test_one_define_is_a_constant_or_a_type() -> None:
    body = body_of("%#define A B\nconst B = 3;\ntypedef opaque t<A>;")

    assert "A = B" in body


@pytest.mark.parametrize(
    ("define", "python"),
    [
        ("uint64_t", "amount = UHyper"),
        ("unsigned long long", "amount = UHyper"),
        ("B", "amount = B"),
    ],
)
def test_an_option_names_a_type(define: str, python: str) -> None:
    settings = CompileOptions(define={"amount": define})

    made = compile_text("typedef int B; struct s { amount a; };", "test.x", settings=settings)

    assert python in made


def test_an_option_names_a_constant() -> None:
    settings = CompileOptions(define={"SIZE": "BASE * 2"})

    made = compile_text("const BASE = 4; typedef opaque t<SIZE>;", "test.x", settings=settings)

    assert "SIZE = BASE * 2" in made


def test_a_pass_through_include_names_the_interface_beside(tmp_path: Path) -> None:
    (tmp_path / "inner.x").write_text(
        "struct used { deep d; };\nenum deep { X = 1 };\nstruct unused { int a; };\n"
    )
    (tmp_path / "outer.x").write_text("%#include <sub/inner.h>\nstruct s { used a; };\n")

    text = compile_file(tmp_path / "outer.x")

    assert "class used:" in text
    assert "class deep(" in text
    assert "unused" not in text


def test_an_enumerator_of_another_interface_is_found(tmp_path: Path) -> None:
    (tmp_path / "inner.x").write_text("enum sizes { BIG = 9 };\n")
    (tmp_path / "outer.x").write_text('%#include "inner.h"\ntypedef opaque t<BIG>;\n')

    assert "t = Annotated[bytes, xdr.opaque(9)]" in compile_file(tmp_path / "outer.x")


def test_a_broken_interface_beside_the_file_is_ignored(tmp_path: Path) -> None:
    (tmp_path / "inner.x").write_text("what\n")
    (tmp_path / "outer.x").write_text('%#include "inner.h"\nstruct s { used a; };\n')

    with pytest.raises(IdlError, match="unknown type 'used'"):
        compile_file(tmp_path / "outer.x")


@pytest.mark.parametrize("header", ["h" * 5000, "h" * 5000 + "/inner"])
def test_an_impossible_header_name_is_ignored(header: str, tmp_path: Path) -> None:
    (tmp_path / "outer.x").write_text(f'%#include "{header}.h"\nstruct s {{ used a; }};\n')

    with pytest.raises(IdlError, match="unknown type 'used'"):
        compile_file(tmp_path / "outer.x")


def test_an_unreadable_header_is_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> str:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    (tmp_path / "inner.x").write_text("struct used { int a; };\n")
    monkeypatch.setattr("oncrpc.idl.compile.read_interface", refuse)
    text = '%#include "inner.h"\nstruct s { used a; };\n'

    with pytest.raises(IdlError, match="unknown type 'used'"):
        compile_text(text, str(tmp_path / "outer.x"))


def test_a_file_may_include_its_own_header(tmp_path: Path) -> None:
    (tmp_path / "own.x").write_text('%#include "own.h"\nstruct s { int a; };\n')

    assert "class s:" in compile_file(tmp_path / "own.x")


def test_an_old_file_may_be_of_latin_1(tmp_path: Path) -> None:
    (tmp_path / "old.x").write_bytes(b"/* gr\xfc\xdfe */\nstruct s { int a; };\n")

    assert '"""grüße"""' in compile_file(tmp_path / "old.x")


@pytest.mark.parametrize("name", ["rpcprog_t", "netbuf", "des_block", "opaque_auth", "netobj"])
def test_a_type_of_the_c_headers_is_declared(name: str) -> None:
    assert f"a: {name}" in body_of(f"struct s {{ {name} a; }};")


FLAVORS = {
    "AUTH_NONE": 0, "AUTH_NULL": 0, "AUTH_SYS": 1, "AUTH_UNIX": 1, "AUTH_SHORT": 2, "AUTH_DH": 3,
    "AUTH_DES": 3, "AUTH_KERB": 4, "RPCSEC_GSS": 6, "AUTH_TLS": 7,
}  # fmt: skip


@pytest.mark.parametrize("name", FLAVORS)
def test_a_flavor_of_auth_h_is_a_constant(name: str) -> None:
    made = module_of(f"union u switch (unsigned int f) {{ case {name}: int a; default: void; }};")

    assert encode(made.u, made.u(FLAVORS[name], 5)) == words(FLAVORS[name], 5)


def test_nfs41_callback_credentials_compile() -> None:
    """RFC 5662 and RFC 7863 leave these names to <rpc/auth.h>."""
    made = module_of(
        """union callback_sec_parms4 switch (unsigned int cb_secflavor) {
            case AUTH_NONE: void;
            case AUTH_SYS: authsys_parms cbsp_sys_cred;
            case RPCSEC_GSS: opaque cbsp_gss_handles<>;
        };"""
    )
    user = made.authsys_parms(1, b"host", 0, 0, [5])

    sent = encode(made.callback_sec_parms4, made.callback_sec_parms4(1, user))

    assert sent == words(
        1,                   # AUTH_SYS
        1, 4, b"host", 0, 0,  # stamp, machinename, uid, gid
        1, 5,                # gids
    )  # fmt: skip


def test_a_flavor_declared_by_the_file_wins() -> None:
    text = "enum f { AUTH_NONE = 9 }; union u switch (f k) { case AUTH_NONE: void; };"

    assert "f.AUTH_NONE: None" in body_of(text)
