"""Each construct of the language by example: its Python, and a value's bytes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from oncrpc import xdr
from oncrpc.errors import XdrError
from oncrpc.idl import compile_text
from support.compiled import body_of, module_of
from support.words import words


class Example(NamedTuple):
    """``value`` is Python, read in the compiled module."""

    idl: str
    python: str
    declared: str
    value: str
    wire: bytes


REST = "    next: Annotated[list[s] | None, xdr.rest] = None\n\n\n"
STRUCT = "@xdr.struct\nclass s:\n    "
EXAMPLES = {
    "int": Example("struct s { int a; };", STRUCT + "a: Int", "s", "s(-1)", words(-1)),
    "unsigned": Example("struct s { unsigned a; };", STRUCT + "a: UInt", "s", "s(1)", words(1)),
    "unsigned int": Example(
        "struct s { unsigned int a; };", STRUCT + "a: UInt", "s", "s(1)", words(1)
    ),
    "long": Example("struct s { long a; };", STRUCT + "a: Int", "s", "s(2)", words(2)),
    "unsigned long": Example(
        "struct s { unsigned long a; };", STRUCT + "a: UInt", "s", "s(2)", words(2)
    ),
    "short": Example("struct s { short a; };", STRUCT + "a: Int", "s", "s(-3)", words(-3)),
    "char": Example("struct s { char a; };", STRUCT + "a: Int", "s", "s(4)", words(4)),
    "u_int": Example("struct s { u_int a; };", STRUCT + "a: UInt", "s", "s(4)", words(4)),
    "uint64_t": Example(
        "struct s { uint64_t a; };", STRUCT + "a: UHyper", "s", "s(1 << 32)", words(1, 0)
    ),
    "hyper": Example("struct s { hyper a; };", STRUCT + "a: Hyper", "s", "s(5)", words(0, 5)),
    "unsigned hyper": Example(
        "struct s { unsigned hyper a; };", STRUCT + "a: UHyper", "s", "s(5)", words(0, 5)
    ),
    "float": Example(
        "struct s { float a; };", STRUCT + "a: Float", "s", "s(1.0)", words(0x3F800000)
    ),
    "double": Example(
        "struct s { double a; };", STRUCT + "a: Double", "s", "s(1.0)", words(0x3FF00000, 0)
    ),
    "bool": Example("struct s { bool a; };", STRUCT + "a: Bool", "s", "s(True)", words(1)),
    "void": Example("struct s { void; int a; };", STRUCT + "a: Int", "s", "s(1)", words(1)),
    "opaque of fixed length": Example(
        "struct s { opaque a[3]; };",
        STRUCT + "a: Annotated[bytes, xdr.fixed(3)]", "s", "s(b'abc')", words(b"abc\0"),
    ),
    "opaque with a limit": Example(
        "const MOST = 4;\nstruct s { opaque a<MOST>; };",
        STRUCT + "a: Annotated[bytes, xdr.opaque(MOST)]", "s", "s(b'ab')", words(2, b"ab\0\0"),
    ),
    "opaque": Example("struct s { opaque a<>; };", STRUCT + "a: Opaque", "s", "s(b'')", words(0)),
    "string with a limit": Example(
        "struct s { string a<0x10>; };",
        STRUCT + "a: Annotated[bytes, xdr.string(0x10)]", "s", "s(b'ab')", words(2, b"ab\0\0"),
    ),
    "string": Example("struct s { string a<>; };", STRUCT + "a: String", "s", "s(b'')", words(0)),
    "array of fixed length": Example(
        "struct s { int a[2]; };",
        STRUCT + "a: Annotated[list[Int], xdr.vector(2)]", "s", "s([1, 2])", words(1, 2),
    ),
    "array with a limit": Example(
        "struct s { int a<2>; };",
        STRUCT + "a: Annotated[list[Int], xdr.array(2)]", "s", "s([7])", words(1, 7),
    ),
    "array": Example(
        "struct s { int a<>; };",
        STRUCT + "a: Annotated[list[Int], xdr.array()]", "s", "s([])", words(0),
    ),
    "array of strings, by a typedef": Example(
        "typedef string name<>;\nstruct s { name a<>; };",
        STRUCT + "a: Annotated[list[name], xdr.array()]", "s", "s([b'x'])", words(1, 1, b"x\0\0\0"),
    ),
    "optional": Example(
        "struct s { int *a; };", STRUCT + "a: Int | None", "s", "s(None)", words(0)
    ),
    "optional of an optional": Example(
        "typedef int *p;\nstruct s { p *a; };",
        STRUCT + "a: Annotated[list[p], xdr.array(1)]", "s", "s([None])", words(1, 0),
    ),
    "optional in an array": Example(
        "typedef int *p;\nstruct s { p a<>; };",
        STRUCT + "a: Annotated[list[p], xdr.array()]", "s", "s([None, 1])", words(2, 0, 1, 1),
    ),
    "enum": Example(
        "enum e { A, B = 4, C, D = -1 };",
        "class e(xdr.Enumeration):\n    A = 0\n    B = 4\n    C = 5\n    D = -1",
        "e", "e.C", words(5),
    ),
    "enum that ends with a comma": Example(
        "enum e { A = 1, };", "class e(xdr.Enumeration):\n    A = 1", "e", "e.A", words(1)
    ),
    "enum of a registry": Example(
        "/* xdrc: registry */\nenum e { A = 1 };",
        "class e(xdr.OpenEnumeration):\n    A = 1", "e", "e(9)", words(9),
    ),
    "enum with a negative value as C writes it": Example(
        "enum e { A = 0xffffffff };", "A = -1", "e", "e.A", words(-1)
    ),
    "struct, enum and union before a name": Example(
        "enum e { A };\nstruct s { enum e a; struct t b; };\nstruct t { int c; };",
        STRUCT + "a: e\n    b: t", "s", "s(e.A, t(1))", words(0, 1),
    ),
    "struct in line": Example(
        "struct s { struct { int x; } a; };", STRUCT + "a: s_a", "s", "s(s_a(1))", words(1)
    ),
    "enum in line": Example(
        "struct s { enum { X = 3 } a; };", STRUCT + "a: s_a", "s", "s(s_a.X)", words(3)
    ),
    "union in line": Example(
        "struct s { union switch (int k) { case 1: void; } a; };",
        STRUCT + "a: s_a", "s", "s(s_a(1, None))", words(1),
    ),
    "typedef of a struct in line": Example(
        "typedef struct { int a; } s;", STRUCT + "a: Int", "s", "s(1)", words(1)
    ),
    "typedef of an enum in line": Example(
        "typedef enum { A = 2 } e;", "class e(xdr.Enumeration):\n    A = 2", "e", "e.A", words(2)
    ),
    "typedef of a union in line": Example(
        "typedef union switch (bool b) { case TRUE: int a; case FALSE: void; } u;",
        "@xdr.union({True: Int, False: None})", "u", "u(True, 3)", words(1, 3),
    ),
    "typedef of its own name, as C needs": Example(
        "struct s { int a; };\ntypedef struct s s;", STRUCT + "a: Int", "s", "s(1)", words(1)
    ),
    "union with several cases an arm": Example(
        "union u switch (int k) { case 1: case 2: int a; case 3: void; default: hyper b; };",
        "@xdr.union({1: Int, 2: Int, 3: None}, default=Hyper)\nclass u:\n"
        "    k: Int\n    body: int | None", "u", "u(2, 9)", words(2, 9),
    ),
    "union by an enum": Example(
        "enum e { A, B };\nunion u switch (e k) { case A: int a; case 1: void; };",
        "@xdr.union({e.A: Int, e.B: None})\nclass u:\n    k: e\n    body: int | None",
        "u", "u(e.B, None)", words(1),
    ),
    "union by an enum that is declared below": Example(
        "union u switch (e k) { case A: int a; };\ntypedef f e;\nenum f { A = 6 };",
        "@xdr.union({f.A: Int})\nclass u:\n    k: e\n    body: int", "u", "u(f.A, 1)", words(6, 1),
    ),
    "union by a registry's number without a name": Example(
        "/* xdrc: registry */\nenum e { A };\nunion u switch (e k) { case 7: int a; };",
        "@xdr.union({7: Int})", "u", "u(e(7), 1)", words(7, 1),
    ),
    "union within itself": Example(
        "union u switch (bool more) { case TRUE: u *next; case FALSE: void; };",
        '@xdr.union({True: "u | None", False: None})\nclass u:\n    more: Bool\n'
        "    body: u | None", "u", "u(True, u(False, None))", words(1, 1, 0),
    ),
    "union that has a list of itself": Example(
        "union u switch (bool b) { case TRUE: u inner<3>; case FALSE: void; };",
        '@xdr.union({True: Annotated[list["u"], xdr.array(3)], False: None})',
        "u", "u(True, [u(False, None)])", words(1, 1, 0),
    ),
    "union and typedef within one another": Example(
        "typedef u *p;\nunion u switch (bool b) { case TRUE: p inner<>; case FALSE: void; };",
        '@xdr.union({True: Annotated[list["p"], xdr.array()], False: None})',
        "u", "u(True, [None, u(False, None)])", words(1, 2, 0, 1, 0),
    ),
    "union within a list within itself": Example(
        "struct n { u item; n *next; };\n"
        "union u switch (bool b) { case TRUE: n *inner; case FALSE: void; };",
        "@xdr.union({True: n_ptr, False: None})\nclass u:\n    b: Bool\n    body: list[n] | None",
        "u", "u(True, [n(u(False, None))])", words(1, 1, 0, 0),
    ),
    "union whose default is within itself": Example(
        "union u switch (bool end) { case TRUE: void; default: u inner; };",
        '@xdr.union({True: None}, default="u")', "u", "u(False, u(True, None))", words(0, 1),
    ),
    "union whose discriminant is named body": Example(
        "union u switch (int body) { case 0: int a; };",
        "class u:\n    body: Int\n    body_: int", "u", "u(0, 1)", words(0, 1),
    ),
    "list by a pointer to itself": Example(
        "struct s { int a; s *next; };", "s_ptr = Annotated[list[s], xdr.linked]",
        "s_ptr", "[s(1), s(2)]", words(1, 1, 1, 2, 0),
    ),
    "list by struct and typedef": Example(
        "struct s { int a; struct s *next; };\ntypedef s *list_of_s;\nstruct t { list_of_s l; };",
        STRUCT + "a: Int\n" + REST + "list_of_s = Annotated[list[s], xdr.linked]\n\n\n"
        "@xdr.struct\nclass t:\n    l: list_of_s", "t", "t([s(1)])", words(1, 1, 0),
    ),
    "list by a typedef that comes first": Example(
        "typedef struct s *chain;\nstruct s { int a; chain next; };",
        STRUCT + "a: Int\n" + REST + "chain = Annotated[list[s], xdr.linked]",
        "chain", "[s(1)]", words(1, 1, 0),
    ),
    "list by RFC 1833's struct *": Example(
        "struct *s { int a; s next; };\nstruct t { s l; };",
        "s_ptr = Annotated[list[s], xdr.linked]\n\n\n@xdr.struct\nclass t:\n    l: s_ptr",
        "t", "t([s(1)])", words(1, 1, 0),
    ),
    "struct * that is no list": Example(
        "struct *s { int a; };\nstruct t { s o; };",
        "s_ptr = s | None", "t", "t(s(1))", words(1, 1),
    ),
    "list of nothing": Example(
        "struct s { s *next; };", "class s:\n" + REST, "s_ptr", "[s(), s()]", words(1, 1, 0)
    ),
    "tree": Example(
        "struct s { int a; s *left; s *right; };",
        STRUCT + "a: Int\n    left: s | None\n    right: s | None",
        "s", "s(1, None, s(2, None, None))", words(1, 0, 1, 2, 0, 0),
    ),
    "element of a list that is not in a list": Example(
        "struct s { int a; s *next; };\nstruct t { s one; };",
        REST + "s_ptr = Annotated[list[s], xdr.linked]\n\n\n@xdr.struct\nclass t:\n    one: s",
        "t", "t(s(1))", words(1, 0),
    ),
    "element of a list and those that follow it": Example(
        "struct s { int a; s *next; };",
        REST, "s", "s(1, [s(2), s(3)])", words(1, 1, 2, 1, 3, 0),
    ),
    "type that is declared below": Example(
        "typedef s t;\nstruct s { int a; };", "t = s", "t", "s(1)", words(1)
    ),
    "field that is named like its type": Example(
        "struct s { int a; };\nstruct t { s s; int bytes; opaque x[1]; };",
        "_bytes = bytes\n_s = s\n\n\n@xdr.struct\nclass t:\n    s: _s\n    bytes: Int\n"
        "    x: Annotated[_bytes, xdr.fixed(1)]", "t", "t(s(1), 2, b'a')", words(1, 2, b"a\0\0\0"),
    ),
    "field that is named like the type that it is within": Example(
        "struct s { s *s; int last; };",
        STRUCT + "s: _s | None\n    last: Int\n\n\n_s = s", "s", "s(None, 1)", words(0, 1),
    ),
    "field that is named like a type that follows": Example(
        "struct s { t t; };\nstruct t { int a; };",
        STRUCT + "t: _t\n\n\n@xdr.struct\nclass t:\n    a: Int\n\n\n_t = t",
        "s", "s(t(1))", words(1),
    ),
    "names that Python has taken": Example(
        "struct None { int def; int self; };\nenum e { class = 1, name };\ntypedef int String;",
        "@xdr.struct\nclass None_:\n    def_: Int\n    self_: Int\n\n\n"
        "class e(xdr.Enumeration):\n    class_ = 1\n    name_ = 2\n\n\nString_ = Int",
        "None_", "None_(1, 2)", words(1, 2),
    ),
    "name that a file does not declare": Example(
        "struct s { netobj a; };",
        "netobj = Annotated[bytes, xdr.opaque(MAX_NETOBJ_SZ)]  # an opaque of at most 1024 bytes",
        "s", "s(b'')", words(0),
    ),
    "C's type that the file declares itself": Example(
        "typedef hyper u_int;\nstruct s { u_int a; };", "u_int = Hyper", "s", "s(1)", words(0, 1)
    ),
    "a name behind a definition, as RFC 5531 §9 has it": Example(
        "struct s { int a; } name;", STRUCT + "a: Int", "s", "s(1)", words(1)
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_construct_becomes_readable_python(name: str) -> None:
    example = EXAMPLES[name]

    assert example.python in body_of(example.idl)


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_value_of_a_construct_has_its_bytes(name: str) -> None:
    example = EXAMPLES[name]
    names = vars(module_of(example.idl))
    declared, value = names[example.declared], eval(example.value, names)

    assert xdr.encode(declared, value) == example.wire
    assert xdr.decode(declared, example.wire) == value


CONSTANTS = {
    "const A = 10;": "A = 10",
    "const A = 0xfF;": "A = 0xFF",
    "const A = 0170;": "A = 0o170",
    "const A = 000;": "A = 0",
    "const A = -5;": "A = -5",
    "const A = 10UL;": "A = 10",
    'const A = "d4a0";': 'A = b"d4a0"',
    "const A = B;\nconst B = 2;": "B = 2\nA = B",
    "const A = 2;\nconst B = A + 1;": "A = 2\nB = A + 1",
    "const A = 2;\nconst B = (A + 1) * 2;": "A = 2\nB = 6",
    "const A = 7 / 2;": "A = 3",
    "const A = -7 / 2;": "A = -3",
    "const A = -7 % 2;": "A = -1",
    "const A = ~0;": "A = -1",
    "const A = 1 << 4 | 3 & 2 ^ 1;": "A = 19",
    "const A = 8 >> 1;": "A = 8 >> 1",
    "const A = 1;\nconst A = 1;": "A = 1",
    "enum e { X = 3 };\nconst A = X;": "A = 3",
    "const A = F;\nprogram P { version V { void F(void) = 4; } = 1; } = 7;": "A = 4",
    "const A = V;\nprogram P { version V { void F(void) = 4; } = 3; } = 7;": "A = 3",
    "const A = P;\nprogram P { version V { void F(void) = 4; } = 3; } = 0x7;": "A = 7",
    "#define A 12": "A = 12",
    "const A = TRUE;": "A = 1",
    "const A = 'a';": "A = 97",
}


@pytest.mark.parametrize("idl", CONSTANTS)
def test_a_constant_is_written_as_in_the_file(idl: str) -> None:
    body = compile_text(idl, "test.x").partition("annotations\n\n")[2]

    assert CONSTANTS[idl] in body


@pytest.mark.parametrize("other", ["", "struct holder { link one; };", "typedef link many<>;"])
def test_a_list_element_has_the_bytes_of_c(other: str) -> None:
    made = module_of("struct link { int value; link *next; };" + other)

    assert xdr.encode(made.link, made.link(7)) == words(7, 0)
    assert xdr.encode(made.link_ptr, [made.link(7)]) == words(1, 7, 0)
    assert repr(made.link(7)) == "link(value=7)"


def test_a_limit_that_is_exceeded_is_an_error() -> None:
    module = module_of("struct s { opaque a<2>; };")

    with pytest.raises(XdrError, match=r"s\.a: 3 bytes, limit 2"):
        xdr.encode(module.s, module.s(b"abc"))


def test_the_heading_becomes_the_docstring_of_the_module() -> None:
    text = compile_text("/*\n * Hello.\n *\n * More.\n */\n\nconst A = 1;\n", "some/hello.x")

    assert text.startswith(
        '"""Hello.\n\nMore.\n\nGenerated by xdrc from hello.x; do not edit.\n"""\n'
    )


def test_a_file_without_a_heading_is_named() -> None:
    text = compile_text("const A = 1;", "hello.x")

    assert text.startswith('"""The interface of hello.x.\n')


def test_an_empty_file_is_an_empty_module() -> None:
    assert compile_text("", "hello.x").endswith('"""\n\nfrom __future__ import annotations\n')


LONG = "long_" * 15


@pytest.mark.parametrize(
    ("idl", "python"),
    [
        (
            f"struct s {{ opaque {LONG}<{LONG}x>; }};\nconst {LONG}x = 1;",
            f"    {LONG}: Annotated[\n        bytes,\n        xdr.opaque({LONG}x),\n    ]",
        ),
        (
            f"struct {LONG} {{ int a; }};\ntypedef {LONG} *x{LONG};",
            f"x{LONG} = (\n    {LONG} | None\n)",
        ),
        (f"enum x{LONG}y{LONG[:10]} {{ A }};", "(\n    xdr.Enumeration,\n):\n    A = 0"),
        (
            f"struct {LONG} {{ int a; }};\nstruct x{LONG} {{ int a; }};\n"
            f"union u switch (bool b) {{ case TRUE: {LONG} a; default: x{LONG} b; }};",
            f"@xdr.union(\n    {{True: {LONG}}},\n    default=x{LONG},\n)\nclass u:\n    b: Bool\n"
            f"    body: (\n        {LONG}\n        | x{LONG}\n    )",
        ),
        (
            f"struct {LONG} {{ int a; }};\nstruct x{LONG} {{ int a; }};\n"
            f"union u switch (bool b) {{ case TRUE: {LONG} a; case FALSE: x{LONG} b; }};",
            f"@xdr.union(\n    {{\n        True: {LONG},\n        False: x{LONG},\n    }},\n)",
        ),
    ],
)
def test_long_lines_are_broken_as_by_ruff(idl: str, python: str, tmp_path: Path) -> None:
    (tmp_path / "made.py").write_text(compile_text(idl, "test.x"))
    ruff = [f"{Path(sys.executable).parent}/ruff", "format", "--isolated", "--line-length", "100"]

    assert python in body_of(idl)
    assert subprocess.run([*ruff, "--check", str(tmp_path)], check=False).returncode == 0


def test_only_used_names_are_imported() -> None:
    text = compile_text("/* A Version of Call and Bool. */\nstruct s { int a; };", "hello.x")

    assert [line for line in text.splitlines() if line.startswith("from oncrpc")] == [
        "from oncrpc import xdr",
        "from oncrpc.xdr import Int",
    ]


COMMENTS = """
/* What it is.
 * And more.
 */
struct s {   /* in brief */
	int a;	/* the first */
	/* above the second */
	int b;
	int c;	// the third
};

/* alone */
typedef int t;
const A = 1; /* one */
enum e {
	X,	/* x */
	Y	/* y */
};
"""


def test_comments_stay_with_their_declarations() -> None:
    assert (
        body_of(COMMENTS)
        == '''A = 1  # one


@xdr.struct
class s:
    """What it is.
    And more.
    in brief
    """

    a: Int  # the first
    # above the second
    b: Int
    c: Int  # the third


# alone
t = Int


class e(xdr.Enumeration):
    X = 0  # x
    Y = 1  # y'''
    )


def test_a_long_comment_stands_above() -> None:
    body = body_of(f"struct s {{ int a; /* {'long ' * 30}*/ }};")

    above = f"    # {'long ' * 18}long\n    # {'long ' * 10}long\n    a: Int"
    assert above in body


@pytest.mark.parametrize(
    ("comment", "docstring"),
    [
        ("a \\ b", 'r"""a \\ b"""'),
        ('say "no"', '"""say "no"\n    """'),
        ('"""', '"""\'\'\'"""'),
        ("word " * 30, '"""' + "word " * 17 + "word\n    " + "word " * 11 + 'word\n    """'),
    ],
)
def test_a_comment_is_a_docstring_that_python_reads(comment: str, docstring: str) -> None:
    assert docstring in body_of(f"/* {comment} */\nstruct s {{ int a; }};")
