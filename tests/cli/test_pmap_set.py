from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from oncrpc.cli.command import Failure
from oncrpc.cli.pmap_dump import lines
from oncrpc.cli.pmap_set import USAGE, main, parse_line
from oncrpc.programs.portmap import mapping
from support.fake_mapper import Mapper2
from support.scripted_server import Server, serving

Set = Callable[[str, Mapper2], int]


@pytest.fixture
def pmap_set(monkeypatch: pytest.MonkeyPatch) -> Set:
    """Runs the command with that input against that port mapper."""

    def run(text: str, mapper: Mapper2) -> int:
        given = io.TextIOWrapper(io.BytesIO(text.encode("utf-8", "surrogateescape")))
        monkeypatch.setattr("sys.stdin", given)
        server = Server(serving(mapper))
        port = server.tcp()
        with server:
            return main(["--rpcbind-port", str(port)])

    return run


def test_dumped_mappings_are_registered_in_order(
    pmap_set: Set, capsys: pytest.CaptureFixture[str]
) -> None:
    mapper = Mapper2()
    found = [mapping(100000, 2, 6, 111), mapping(400100, 1, 17, 5), mapping(1, 2, 132, 7)]
    text = "".join(f"{line}\n" for line in lines(found))

    assert pmap_set(text, mapper) == 0

    assert mapper.mappings[1:] == found
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("line", "entry"),
    [
        ("100003 3 tcp 2049 nfs", mapping(100003, 3, 6, 2049)),
        ("  100003\t3 udp 2049", mapping(100003, 3, 17, 2049)),
        ("100003 3 132 2049 and the rest", mapping(100003, 3, 132, 2049)),
        ("100003 3tcp 2049x", mapping(100003, 3, 6, 2049)),
        ("100003 3 tcp 65541", mapping(100003, 3, 6, 5)),
    ],
)
def test_a_line_is_read_as_sscanf_reads_it(line: str, entry: mapping) -> None:
    assert parse_line(line) == entry


@pytest.mark.parametrize(
    "line",
    ["", "nfs 3 tcp 2049", "100003 3 tcp", "100003 25 111", "100003 3 sctp 5", "1 2 tcp x",
     "4294967296 1 tcp 5", "1 4294967296 tcp 5", "1 1 4294967296 5"],
)  # fmt: skip
def test_invalid_mapping_is_malformed(line: str) -> None:
    with pytest.raises(Failure, match=f"^pmap_set: malformed line: {line}$"):
        parse_line(line + "\n")


def test_a_malformed_line_ends_the_command_at_once(
    pmap_set: Set, capsys: pytest.CaptureFixture[str]
) -> None:
    mapper = Mapper2()

    assert pmap_set("1 1 tcp 5\n\udcff\n2 2 tcp 5\n", mapper) == 1

    assert mapper.mappings[1:] == [mapping(1, 1, 6, 5)]
    assert capsys.readouterr().err == "pmap_set: malformed line: \\xff\n"


def test_refused_line_does_not_end_the_command(
    pmap_set: Set, capsys: pytest.CaptureFixture[str]
) -> None:
    mapper = Mapper2()

    assert pmap_set("666 1 tcp 5  evil\n2 2 tcp 5\n", mapper) == 0

    assert mapper.mappings[1:] == [mapping(2, 2, 6, 5)]
    assert capsys.readouterr().err == "not registered: 666 1 tcp 5  evil\n"


def test_a_line_that_was_not_set_is_reported(
    pmap_set: Set, capsys: pytest.CaptureFixture[str]
) -> None:
    assert pmap_set("2 2 tcp 5\n", Mapper2(full=True)) == 0
    assert capsys.readouterr().err == "not registered: 2 2 tcp 5\n"


def test_only_the_named_socket_is_asked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"9 9 tcp 9\n")))
    path = tmp_path / "none"

    assert main([f"--socket={path}"]) == 1

    assert capsys.readouterr().err == (
        f"pmap_set: cannot reach the port mapper at {path}: No such file or directory\n"
    )


def test_socket_and_port_contradict_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--socket=/s", "--rpcbind-port=1"]) == 1
    assert capsys.readouterr().err == "pmap_set: --socket does not go with --port\n"


def test_an_input_that_cannot_be_read_is_reported(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    server = Server(serving(Mapper2()))
    port = server.tcp()
    descriptor = os.open(tmp_path / "new", os.O_WRONLY | os.O_CREAT)

    with server, open(descriptor, encoding="utf-8") as unreadable:
        monkeypatch.setattr("sys.stdin", unreadable)
        assert main(["--rpcbind-port", str(port)]) == 1

    assert capsys.readouterr().err == "pmap_set: cannot read: Bad file descriptor\n"


@pytest.mark.parametrize("line", ["operand", "-p", "--host"])
def test_a_wrong_command_line_gets_the_usage(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([line]) == 1
    assert capsys.readouterr().err.endswith(USAGE + "\n")


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_end_with_0(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([option]) == 0
    assert "pmap_set" in capsys.readouterr().out
