"""The compiler's command line."""

from __future__ import annotations

import errno
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

import oncrpc
from oncrpc.cli.xdrc import HELP, USAGE, main
from oncrpc.idl import compile_file

HELLO = "/* A word. */\nstruct greeting { string word<MOST>; };\n"


@pytest.fixture
def hello(tmp_path: Path) -> Path:
    path = tmp_path / "hello.x"
    path.write_text("const MOST = 8;\n" + HELLO)
    return path


def test_the_module_goes_to_standard_output(
    hello: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(hello)]) == 0
    assert capsys.readouterr() == (compile_file(hello), "")


def test_the_module_goes_to_a_file(hello: Path, tmp_path: Path) -> None:
    target = tmp_path / "made.py"

    assert main(["-o", str(target), str(hello)]) == 0
    assert target.read_text() == compile_file(hello)


def test_several_modules_go_to_a_folder(hello: Path, tmp_path: Path) -> None:
    (tmp_path / "good-bye.x").write_text("const A = 1;\n")

    assert main(["-o", f"{tmp_path}/", str(hello), str(tmp_path / "good-bye.x")]) == 0
    assert (tmp_path / "hello.py").exists()
    assert (tmp_path / "good_bye.py").exists()


def test_several_modules_need_a_folder(hello: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(hello), str(hello)]) == 2
    assert capsys.readouterr().err == "xdrc: several files need a directory for -o\n"


def test_standard_input_is_read(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("const A = 1;"))

    assert main(["-"]) == 0
    assert "A = 1\n" in capsys.readouterr().out


def test_check_of_a_current_module_is_silent(
    hello: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "made.py"
    main(["-o", str(target), str(hello)])

    assert main(["--check", "-o", str(target), str(hello)]) == 0
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("text", ["stale\n", None])
def test_check_of_a_stale_module_fails(
    text: str | None, hello: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "made.py"
    if text:
        target.write_text(text)

    assert main(["--check", "-o", str(target), str(hello)]) == 1
    assert capsys.readouterr() == ("", f"xdrc: {target} is stale\n")
    assert target.exists() is (text is not None)


def test_the_tree_is_written_as_json(hello: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--json", str(hello)]) == 0

    tree = json.loads(capsys.readouterr().out)
    assert tree["constants"][0]["value"] == 8
    [greeting] = tree["types"]
    assert (greeting["kind"], greeting["name"], greeting["comment"]) == (
        "Struct", "greeting", "A word.",
    )  # fmt: skip
    assert greeting["fields"][0]["type"] == {
        "kind": "Bytes", "marker": "string", "size": {"kind": "Size", "value": 8, "text": "MOST"},
    }  # fmt: skip


def test_several_trees_are_a_list(hello: Path, tmp_path: Path) -> None:
    target, other = tmp_path / "trees.json", tmp_path / "other.x"
    other.write_text("const A = 1;\n")

    assert main(["--json", "-o", str(target), str(hello), str(other)]) == 0
    assert len(json.loads(target.read_text())) == 2


def test_names_are_defined_and_folders_searched(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "most.x").write_text("#ifdef WIDE\nconst MOST = 9;\n#endif\n")
    (tmp_path / "hello.x").write_text("%#include <most.h>\n" + HELLO)
    (tmp_path / "inner").mkdir()

    arguments = ["-DWIDE", "-D", "N=7", "-I", str(tmp_path / "inner"), str(tmp_path / "hello.x")]
    assert main(arguments) == 0

    printed = capsys.readouterr().out
    assert "MOST = 9\n" in printed
    assert "N = 7\n" in printed


def test_declarations_are_imported_from_a_module(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "most.x").write_text("struct most { int a; };\n")
    (tmp_path / "outer.x").write_text('%#include "most.h"\nstruct s { most m; };\n')

    assert main(["--import", "most.x=.sizes.most", str(tmp_path / "outer.x")]) == 0

    assert "from .sizes.most import most\n" in capsys.readouterr().out


@pytest.mark.parametrize("value", ["most", "most=", "most=.", "most=a b", "most=a\nb", "most=a..b"])
def test_module_to_import_has_a_name(
    value: str, hello: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--import", value, str(hello)]) == 2
    assert "for --import: write NAME=MODULE\n" in capsys.readouterr().err


def test_a_wrong_text_is_shown_with_its_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bad.x"
    path.write_text("struct foo {\n    strng word;\n};\n")

    assert main([str(path)]) == 1
    assert capsys.readouterr().err == (
        f"{path}:2:5: unknown type 'strng'\n        strng word;\n        ^\n"
    )


def test_a_missing_file_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["nowhere.x"]) == 1
    assert capsys.readouterr().err == "xdrc: nowhere.x: No such file or directory\n"


def test_an_output_that_cannot_be_written_is_named(
    hello: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["-o", "/nowhere/made.py", str(hello)]) == 1
    assert capsys.readouterr().err == "xdrc: /nowhere: No such file or directory\n"


@pytest.mark.parametrize(
    "words", ["", "--check a.x", "--check --json -o b a.x", "--what a.x", "-o"]
)
def test_a_wrong_command_line_gets_the_usage(
    words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words.split()) == 2
    assert capsys.readouterr().err.endswith(USAGE + "\n")


@pytest.mark.parametrize(
    ("words", "reason"),
    [("--check a.x", "needs -o"), ("--check --json -o b a.x", "does not go with --json")],
)
def test_check_names_what_is_wrong(
    words: str, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words.split()) == 2
    assert capsys.readouterr().err.startswith(f"xdrc: --check {reason}\n")


@pytest.mark.parametrize(
    ("definition", "shown"),
    [("A\nB=1", r"'A\nB'"), ("=1", "''"), ("", "''"), ("9a", "'9a'"), ("f(x)=x", "'f(x)'"),
     ("é", "'é'"), ("A ", "'A '")],
)  # fmt: skip
def test_a_defined_name_is_an_identifier(
    definition: str, shown: str, hello: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["-D", definition, str(hello)]) == 2
    assert capsys.readouterr().err == (
        f"xdrc: invalid name {shown} for -D: must be an identifier of C\n"
    )


@pytest.mark.parametrize("value", ["1\n+2", "1\r+2", "1\x0c", "1\0"])
def test_a_defined_value_is_one_line(
    value: str, hello: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["-D", f"A={value}", str(hello)]) == 2
    assert capsys.readouterr().err == (
        f"xdrc: invalid value {value!r} for -D: must be printable characters\n"
    )


def test_the_help_names_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    assert capsys.readouterr().out == HELP + "\n"
    assert all(
        option in HELP
        for option in ("--check", "--json", "-I", "-D", "-o", "--import", "--version")
    )


def test_the_version_is_the_package_s(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"xdrc (oncrpc) {oncrpc.__version__}\n"


FULL = Path("/dev/full")
"""Where nothing can be written."""

needs_full = pytest.mark.skipif(not FULL.exists(), reason="needs /dev/full")


@needs_full
@pytest.mark.parametrize("options", [[], ["--json"]])
def test_an_output_error_names_the_file(
    options: list[str], hello: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*options, "-o", str(FULL), str(hello)]) == 1
    assert capsys.readouterr().err == "xdrc: /dev/full: No space left on device\n"


@pytest.mark.slow
@needs_full
@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_full_standard_output_is_reported(options: list[str], hello: Path) -> None:
    command = [sys.executable, "-m", "oncrpc.cli.xdrc", *options, str(hello)]
    with FULL.open("w") as full:
        made = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)

    assert (made.returncode, made.stderr) == (1, "xdrc: cannot write: No space left on device\n")


class Unreadable(io.StringIO):
    """A standard input that fails."""

    def read(self, size: int | None = -1) -> str:
        raise OSError(errno.EIO, "Input/output error")


def test_a_standard_input_that_fails_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", Unreadable())

    assert main(["-"]) == 1
    assert capsys.readouterr().err == "xdrc: standard input: Input/output error\n"


def test_an_output_of_other_bytes_is_stale(
    hello: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "made.py"
    target.write_bytes(b"\xff")

    assert main(["--check", "-o", str(target), str(hello)]) == 1
    assert capsys.readouterr().err == f"xdrc: {target} is stale\n"
