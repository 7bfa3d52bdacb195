from __future__ import annotations

import os
import shlex
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oncrpc.cli.command import (
    BROKEN_PIPE,
    INTERRUPTED,
    LONGEST,
    OPERAND,
    WRONG,
    Done,
    Failure,
    Option,
    described,
    integer,
    printable,
    read_options,
    run,
    safe_text,
    version_of,
)
from support.descriptors import no_descriptors

OPTIONS = (
    Option("list", "l", "", "list"),
    Option("listen", "", "", "listen"),
    Option("netid", "T", "NETID", "transport"),
    Option("tcp", "t", "", "tcp"),
)


def scanned(*words: str) -> list[tuple[str, str]]:
    return list(read_options("tool", OPTIONS, words))


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["-l", "host"], [("list", ""), (OPERAND, "host")]),
        (["host", "-l"], [(OPERAND, "host"), ("list", "")]),
        (["-ltT", "udp"], [("list", ""), ("tcp", ""), ("netid", "udp")]),
        (["-Tudp"], [("netid", "udp")]),
        (["-T", "-l"], [("netid", "-l")]),
        (["-", "-l"], [(OPERAND, "-"), ("list", "")]),
        (["--", "-l", "--"], [(OPERAND, "-l"), (OPERAND, "--")]),
        (["--netid=udp"], [("netid", "udp")]),
        (["--netid="], [("netid", "")]),
        (["--netid", "udp"], [("netid", "udp")]),
        (["--net", "udp"], [("netid", "udp")]),
        (["--list"], [("list", "")]),
    ],
)
def test_options_are_read_as_getopt_reads_them(
    words: list[str], found: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("POSIXLY_CORRECT", raising=False)

    assert scanned(*words) == found


def test_posixly_correct_ends_options_at_an_operand(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("POSIXLY_CORRECT", "1")

    assert scanned("-l", "host", "-t") == [("list", ""), (OPERAND, "host"), (OPERAND, "-t")]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-Z"], "tool: invalid option -- 'Z'"),
        (["-T"], "tool: option requires an argument -- 'T'"),
        (["--nothing"], "tool: unrecognized option '--nothing'"),
        (["--li"], "tool: option '--li' is ambiguous; possibilities: '--list' '--listen'"),
        (["--list=x"], "tool: option '--list' doesn't allow an argument"),
        (["--netid"], "tool: option '--netid' requires an argument"),
    ],
)
def test_a_wrong_option_is_reported_in_getopts_words(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert scanned(*words) == [(WRONG, "")]
    assert capsys.readouterr().err == message + "\n"


def test_every_wrong_letter_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    assert scanned("-ZlY") == [(WRONG, ""), ("list", ""), (WRONG, "")]
    assert capsys.readouterr().err.count("invalid option") == 2


@pytest.mark.parametrize(
    ("text", "number"),
    [("5", 5), (" 5", 5), ("+5", 5), ("-5", -5), ("0005", 5), ("", None), ("5x", None),
     ("x", None), ("--5", None), ("\u0665", None), ("9" * 21, None), ("5 ", None)],
)  # fmt: skip
def test_a_number_is_read_as_strtol_reads_it(text: str, number: int | None) -> None:
    assert integer(text) == number


@given(st.binary(max_size=2 * LONGEST))
def test_server_string_is_bounded_and_printable(text: bytes) -> None:
    shown = printable(text)

    assert shown.isascii()
    assert shown.isprintable()
    assert len(shown) <= 4 * LONGEST + 3


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (b"tcp", "tcp"),
        (b"", ""),
        (b"\x1b[31m", "\\x1b[31m"),
        (b"a\x00b\x7f\n", "a\\x00b\\x7f\\x0a"),
        ("é".encode(), "\\xc3\\xa9"),
        (b"x" * LONGEST, "x" * LONGEST),
        (b"x" * (LONGEST + 1), "x" * LONGEST + "..."),
    ],
)
def test_a_servers_string_is_escaped(text: bytes, shown: str) -> None:
    assert printable(text) == shown


def test_a_failure_ends_with_1_and_its_message(capsys: pytest.CaptureFixture[str]) -> None:
    def body() -> int:
        print("so far")
        raise Failure("no further")

    assert run("tool", body) == 1
    assert capsys.readouterr() == ("so far\n", "no further\n")


def test_a_failure_without_a_message_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    def body() -> int:
        raise Failure

    assert run("tool", body) == 1
    assert capsys.readouterr() == ("", "")


def test_done_ends_with_0_and_its_text(capsys: pytest.CaptureFixture[str]) -> None:
    def body() -> int:
        raise Done("help")

    assert run("tool", body) == 0
    assert capsys.readouterr() == ("help\n", "")


def test_ctrl_c_leaves_no_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    def body() -> int:
        raise KeyboardInterrupt

    assert run("tool", body) == INTERRUPTED
    assert capsys.readouterr() == ("", "")


@pytest.mark.slow
def test_a_reader_that_leaves_ends_the_command_quietly() -> None:
    script = (
        "import sys; from oncrpc.cli.command import run\n"
        "sys.exit(run('tool', lambda: sys.stdout.writelines(['x' * 99] * 9999) or 0))"
    )
    readable, writable = os.pipe()
    os.close(readable)

    ended = subprocess.run(
        [sys.executable, "-c", script], stdout=writable, stderr=subprocess.PIPE, check=False
    )

    os.close(writable)
    assert (ended.returncode, ended.stderr) == (BROKEN_PIPE, b"")


COMMANDS = ["oncrpc.cli.rpcinfo", "oncrpc.cli.pmap_dump", "oncrpc.cli.pmap_set", "oncrpc.cli.xdrc"]


def shell(line: str, module: str) -> tuple[int, str, str]:
    """Status, output and errors of a line of shell in which ``tool`` is the command."""
    script = f'tool() {{ {shlex.quote(sys.executable)} -m {module} "$@"; }}; {line}'
    ended = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False)
    return ended.returncode, ended.stdout, ended.stderr


@pytest.mark.slow
@pytest.mark.parametrize("module", COMMANDS)
@pytest.mark.parametrize(
    ("where", "why"),
    [(">/dev/full", "No space left on device"), (">&-", "Bad file descriptor")],
)
def test_what_cannot_be_written_is_one_line(module: str, where: str, why: str) -> None:
    name = module.rpartition(".")[2]

    assert shell(f"tool --help {where}", module) == (1, "", f"{name}: cannot write: {why}\n")


@pytest.mark.slow
@pytest.mark.parametrize("word", ["", " status", " explain", " service"])
@pytest.mark.parametrize("where", [">/dev/full", ">&-"])
def test_daemon_commands_end_the_same_way(word: str, where: str) -> None:
    status, _, said = shell(f"tool{word} --help {where}", "oncrpc.cli.portmap")

    assert status == 1
    assert said.startswith(f"portmap{word}: cannot write: ")
    assert said.count("\n") == 1


@pytest.mark.slow
def test_unneeded_closed_output_is_not_a_failure() -> None:
    done = shell("tool --socket= >&-", "oncrpc.cli.pmap_set")

    assert done == (1, "", "pmap_set: --socket is empty\n")


@pytest.mark.slow
@pytest.mark.parametrize("where", ["2>&-", "2>/dev/full"])
def test_unwritable_message_is_not_in_the_output(where: str) -> None:
    assert shell(f"tool --socket= {where}", "oncrpc.cli.pmap_set") == (1, "", "")


@pytest.mark.slow
def test_help_into_a_closed_pipe_is_quiet() -> None:
    readable, writable = os.pipe()
    os.close(readable)

    ended = subprocess.run(
        [sys.executable, "-m", "oncrpc.cli.rpcinfo", "--help"],
        stdout=writable,
        stderr=subprocess.PIPE,
        check=False,
    )

    os.close(writable)
    assert (ended.returncode, ended.stderr) == (BROKEN_PIPE, b"")


def test_help_aligns_the_options() -> None:
    assert described(OPTIONS[1:3]).splitlines() == [
        "      --listen                 listen",
        "  -T, --netid=NETID            transport",
    ]


def test_the_version_names_the_tool_and_the_project() -> None:
    assert version_of("tool").startswith("tool (oncrpc) ")


def test_lack_of_descriptors_has_its_own_message(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def opening() -> int:
        print("before")
        os.close(os.open(os.devnull, os.O_RDONLY))
        return 0

    with no_descriptors():
        assert run("tool", opening) == 1

    assert capsys.readouterr() == ("before\n", "tool: Too many open files; see 'ulimit -n'\n")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/var/lib/Größe", "/var/lib/Größe"),
        ("\x1b[2J\n", "\\x1b[2J\\n"),
        ("\u202e", "\\u202e"),
        ("x" * 300, "x" * 256 + "..."),
    ],
)
def test_text_of_a_daemon_is_safe(text: str, shown: str) -> None:
    assert safe_text(text) == shown
