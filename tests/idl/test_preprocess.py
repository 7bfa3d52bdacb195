"""What rpcgen does to a text first: conditions, pass-through lines, ``cpp``."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from oncrpc.bounded_process import ProcessLimits
from oncrpc.errors import IdlError
from oncrpc.idl import CompileOptions, compile_file, compile_text
from oncrpc.idl.cpp import LIMITS
from oncrpc.idl.preprocess import preprocess

cpp = pytest.mark.skipif(shutil.which("cpp") is None, reason="no cpp")


def kept(text: str, **define: str) -> list[str]:
    """The lines that are left, without their indentation."""
    source = preprocess(text, "test.x", settings=CompileOptions(define=dict(define)))
    return [line.strip() for line in source.lines if line.strip()]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("#ifdef RPC_HDR\na\n#else\nb\n#endif", ["a"]),
        ("#ifdef RPC_XDR\na\n#else\nb\n#endif", ["b"]),
        ("#ifndef RPC_SVC\na\n#endif\nc", ["a", "c"]),
        ("#ifdef RPC_CLNT\n#ifdef RPC_HDR\na\n#endif\nb\n#endif\nc", ["c"]),
        ("#ifdef RPC_TBL /* never */\na\n#endif /* RPC_TBL */", []),
        ("#define X\n#ifdef X\na\n#endif", ["a"]),
        ("#define X\n#undef X\n#ifdef X\na\n#endif", []),
        ("#ifdef RPC_XDR\n#define X 1\n#undef RPC_HDR\n#endif\n#ifdef RPC_HDR\na\n#endif", ["a"]),
        ("#pragma once\n#ident \"x\"\na", ["a"]),
        ("#define X 12 /* why */\n#define Y (X + 1)", ["const X = 12; /* why */",
                                                         "const Y = (X + 1);"]),
        ("/*\n#ifdef RPC_XDR\n*/\na", ["/*", "#ifdef RPC_XDR", "*/", "a"]),
        ("/* b */ /* c\n#ifdef RPC_XDR\n*/", ["/* b */ /* c", "#ifdef RPC_XDR", "*/"]),
        ("%#include <stdio.h>\n%int x;\na", ["a"]),
        ("%/*\n% * kept\n% */\na", ["/*", "* kept", "*/", "a"]),
        ("%#define X(a) \\\n  (a) + \\\n  1\nb", ["b"]),
        ("/* a\n%#define B 3\n*/\nc", ["/* a", "%#define B 3", "*/", "c"]),
        ("a /* b\n% c \\\n  d */\ne", ["a /* b", "% c \\", "d */", "e"]),
        ("/* a\n% b */\n% c\nd", ["/* a", "% b */", "d"]),
        ('const A = "/*";\n#define B 1\n%c', ['const A = "/*";', "const B = 1;"]),
        ("#\na", ["a"]),
    ],
)  # fmt: skip
def test_lines_that_rpcgen_skips_are_left_out(text: str, expected: list[str]) -> None:
    assert kept(text) == expected


def test_c_code_within_a_comment_defines_nothing() -> None:
    source = preprocess("/*\n%#define B 3\n%#include <x.h>\n*/\n%#define C 4", "test.x")

    assert [(found.text, found.line) for found in source.hidden] == [("const C = 4;", 5)]
    assert source.headers == []


@cpp
def test_cpp_keeps_c_code_within_a_comment(tmp_path: Path) -> None:
    (tmp_path / "other.x").write_text("const O = 1;\n")
    text = '#include "other.x"\n/* a\n%#define B 3\n% c \\\n*/\nconst D = O;'

    made = compile_text(text, str(tmp_path / "test.x"))

    assert "D = O\n" in made


def test_a_number_of_the_options_is_a_constant() -> None:
    assert kept("#ifdef X\na\n#endif", X="5") == ["a", "const X = 5;"]


def test_other_values_of_the_options_only_define() -> None:
    assert kept("#ifdef X\na\n#endif", X="struct y") == ["a"]


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("a\n#endif", 2, "#endif without #ifdef"),
        ("#else", 1, "#else without #ifdef"),
        ("a\n#ifdef X\nb", 2, "no #endif for this condition"),
        ("#foo", 1, "unknown directive '#foo'"),
        ("#ifdef", 1, "#ifdef without a name"),
        ("a\n#undef 5", 2, "#undef without a name"),
    ],
)
def test_a_wrong_directive_is_an_error(text: str, line: int, reason: str) -> None:
    with pytest.raises(IdlError) as caught:
        preprocess(text, "test.x")

    assert (caught.value.line, caught.value.reason) == (line, reason)


def test_a_byte_order_mark_is_left_out() -> None:
    assert kept("\ufeffstruct s { int a; };") == ["struct s { int a; };"]


@cpp
def test_cpp_reads_files_with_byte_order_marks(tmp_path: Path) -> None:
    (tmp_path / "inner.x").write_text("\ufeffconst SIZE = 4;\n", encoding="utf-8")
    (tmp_path / "outer.x").write_text('\ufeff#include "inner.x"\ntypedef opaque t<SIZE>;\n')

    assert "SIZE = 4" in compile_file(tmp_path / "outer.x")


@cpp
def test_an_included_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "inner.x").write_text("/* A size. */\nconst SIZE = 4;\n#define LONG 9\n")
    (tmp_path / "outer.x").write_text('#include "inner.x"\ntypedef opaque t<SIZE>;\n')

    text = compile_file(tmp_path / "outer.x")

    assert "# A size.\nSIZE = 4\n\nLONG = 9\n\n\nt = Annotated" in text.replace("LONG", "\nLONG")


@cpp
def test_an_included_file_is_found_by_the_options(tmp_path: Path) -> None:
    (tmp_path / "inner.x").write_text("const SIZE = 4;\n")

    text = compile_text(
        "#include <inner.x>\n", "test.x", settings=CompileOptions(include=[str(tmp_path)])
    )

    assert "SIZE = 4" in text


@cpp
def test_an_error_names_the_included_file(tmp_path: Path) -> None:
    (tmp_path / "inner.x").write_text("const SIZE = 4;\nstruct s { strng a; };\n")
    (tmp_path / "outer.x").write_text('\n\n#include "inner.x"\n')

    with pytest.raises(IdlError) as caught:
        compile_file(tmp_path / "outer.x")

    error = caught.value
    assert (error.file, error.line, error.column) == (f"{tmp_path}/inner.x", 2, 12)
    assert error.text == "struct s { strng a; };"


@cpp
def test_an_error_below_an_include_keeps_its_line(tmp_path: Path) -> None:
    (tmp_path / "inner.x").write_text("const SIZE = 4;\n")
    (tmp_path / "outer.x").write_text('#include "inner.x"\n\n\nstruct s { strng a; };\n')

    with pytest.raises(IdlError) as caught:
        compile_file(tmp_path / "outer.x")

    assert (caught.value.file, caught.value.line) == (f"{tmp_path}/outer.x", 4)


@cpp
def test_a_missing_include_is_reported_at_its_line() -> None:
    with pytest.raises(IdlError) as caught:
        compile_text('\n#include "nowhere.x"\n', "test.x")

    assert str(caught.value) == (
        "test.x:2:10: cpp: nowhere.x: No such file or directory\n"
        '    #include "nowhere.x"\n             ^'
    )


@cpp
@pytest.mark.parametrize(
    "text",
    [
        "#if RPC_HDR\nstruct s { int a; };\n#endif",
        "#if RPC_XDR\nx\n#elif defined(RPC_HDR)\nstruct s { int a; };\n#endif",
        "#define FIELD(x) int x\nstruct s { FIELD(a); };",
        "#define S struct s\nS { int a; };",
        "#define S \\\n  struct s\nS { int a; };",
        "#if RPC_HDR\n%#define OWNER ((A +\\\n  B) << 16)\nstruct s { int a; };\n#endif",
    ],
)
def test_more_than_simple_conditions_are_left_to_cpp(text: str) -> None:
    assert "class s:\n    a: Int" in compile_text(text, "test.x")


@cpp
def test_a_number_of_the_options_reaches_cpp_texts() -> None:
    text = compile_text(
        "#if RPC_HDR\ntypedef opaque t<X>;\n#endif",
        "t.x",
        settings=CompileOptions(define={"X": "5"}),
    )

    assert "X = 5\n\n\nt = Annotated[bytes, xdr.opaque(5)]" in text


def test_without_cpp_the_error_names_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")

    with pytest.raises(IdlError) as caught:
        compile_text('const A = 1;\n#include "b.x"\n', "test.x")

    assert str(caught.value) == (
        "test.x:2:1: '#include \"b.x\"' needs the C preprocessor, and there is no 'cpp'\n"
        '    #include "b.x"\n    ^'
    )


DOUBLING = "#if X\n#endif\n#define A0 1\n" + "".join(
    f"#define A{n + 1} A{n} + A{n}\n" for n in range(24)
)
ITSELF = '#if X\n#endif\n#include "self.x"\n#include "self.x"\n'


@cpp
@pytest.mark.parametrize(
    ("text", "limits", "exceeded"),
    [
        (ITSELF, replace(LIMITS, seconds=0.2, output=1 << 30), "0.2 seconds"),
        (
            DOUBLING + "const C = A24;\n",
            replace(LIMITS, seconds=60, memory=128 << 20, output=1 << 30),
            "128 MiB of memory",
        ),
        (
            DOUBLING + "const C = A18;\n",
            replace(LIMITS, seconds=60),
            "1 MiB of output",
        ),
    ],
)
def test_cpp_is_stopped_at_its_limits(
    text: str,
    limits: ProcessLimits,
    exceeded: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("oncrpc.idl.cpp.LIMITS", limits)
    path = tmp_path / "self.x"
    path.write_text(text)

    with pytest.raises(IdlError) as caught:
        compile_file(path)

    assert caught.value.file == str(path)
    assert caught.value.reason == (
        f"cpp exceeded {exceeded}: include each file once, and use smaller macros"
    )
