from __future__ import annotations

from pathlib import Path

import pytest

from cli.fake_mapper import port_mapper
from cli.fakes import Server
from oncrpc.cli.pmap_dump import USAGE, lines, main
from oncrpc.programs.portmap import mapping

NFS = "    100003    3   tcp   2049  nfs\n"


def test_a_mapping_has_a_line_that_ends_in_two_spaces_and_the_name() -> None:
    found = [mapping(100003, 3, 6, 2049), mapping(400100, 1, 17, 5), mapping(1, 2, 132, 70000)]

    assert list(lines(found)) == [
        "    100003    3   tcp   2049  nfs",
        "    400100    1   udp      5  ",
        "         1    2   132  70000  ",
    ]


@pytest.mark.parametrize("option", ["--host=127.0.0.1", "--host=localhost", ""])
def test_a_port_mapper_is_dumped_over_tcp(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    server = Server(port_mapper())
    port = server.tcp()

    with server:
        assert main(f"{option} --rpcbind-port {port}".split()) == 0

    assert capsys.readouterr() == (NFS, "")


def test_a_port_mapper_is_dumped_by_its_local_socket(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server = Server(port_mapper())
    path = server.local(str(tmp_path / "socket"))

    with server:
        assert main(["--socket", path]) == 0

    assert capsys.readouterr().out == NFS


@pytest.mark.parametrize("line", ["operand", "-p", "--host"])
def test_a_wrong_command_line_gets_the_usage(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([line]) == 1
    assert capsys.readouterr().err.endswith(USAGE + "\n")


def test_a_wrong_port_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--rpcbind-port", "0"]) == 1
    assert capsys.readouterr().err == "pmap_dump: 0 is illegal port number\n"


def test_an_unknown_host_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--host", "127.0.0.1..x"]) == 1
    assert capsys.readouterr().err.startswith("pmap_dump: ")


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_end_with_0(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([option]) == 0
    assert "pmap_dump" in capsys.readouterr().out
