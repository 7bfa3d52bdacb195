from __future__ import annotations

import socket
from pathlib import Path

import pytest

from oncrpc.cli.pmap_dump import USAGE, lines, main
from oncrpc.errors import AuthError
from oncrpc.programs.portmap import mapping
from oncrpc.rpc.dispatch import refuse
from support.fake_mapper import port_mapper
from support.scripted_server import Server

NFS = "    100003    3   tcp   2049  nfs\n"


def test_mapping_line_ends_with_the_name() -> None:
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


def test_port_mapper_is_dumped_over_its_socket(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server = Server(port_mapper())
    path = server.local(str(tmp_path / "socket"))

    with server:
        assert main(["--socket", path]) == 0

    assert capsys.readouterr().out == NFS


def test_a_port_mapper_that_refuses_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    server = Server(lambda message: refuse(message[:4], AuthError(5)))
    port = server.tcp()

    with server:
        assert main(["--rpcbind-port", str(port)]) == 1

    assert capsys.readouterr().err.startswith(
        "pmap_dump: the port mapper does not answer as it should: "
        f"PMAP_VERS.PMAPPROC_DUMP at 127.0.0.1 port {port} over tcp: authentication refused"
    )


def test_only_the_named_socket_is_asked(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "none"

    assert main([f"--socket={path}"]) == 1

    assert capsys.readouterr().err == (
        f"pmap_dump: cannot reach the port mapper at {path}: No such file or directory\n"
    )


def test_unreachable_port_mapper_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = "Connection refused; is it running?\n"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

        main(["--port", str(port)])
        monkeypatch.setenv("ONCRPC_MAPPER", f"127.0.0.1:{port}")
        main([])

    place = f"pmap_dump: cannot reach the port mapper at 127.0.0.1 port {port}"
    assert capsys.readouterr().err == f"{place}: {refused}{place} (ONCRPC_MAPPER): {refused}"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--socket=", "--socket is empty"),
        ("--host=", "--host is empty"),
        ("--host=h --socket=/s", "--socket does not go with --host"),
        ("--rpcbind-port=1 --socket=/s", "--socket does not go with --port"),
    ],
)
def test_contradicting_options_are_refused(
    line: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(line.split()) == 1
    assert capsys.readouterr().err == f"pmap_dump: {message}\n"


@pytest.mark.parametrize("line", ["operand", "-p", "--host"])
def test_a_wrong_command_line_gets_the_usage(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([line]) == 1
    assert capsys.readouterr().err.endswith(USAGE + "\n")


def test_a_wrong_port_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--rpcbind-port", "0"]) == 1
    assert capsys.readouterr().err == "pmap_dump: invalid port 0: must be 1 to 65535\n"


def test_an_unknown_host_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--host", "127.0.0.1..x"]) == 1
    assert capsys.readouterr().err.startswith("pmap_dump: ")


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_end_with_0(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([option]) == 0
    assert "pmap_dump" in capsys.readouterr().out


@pytest.mark.parametrize("form", ["--host=127.0.0.1:{}", "--host=127.0.0.1 --port={}", "--port={}"])
def test_a_port_can_be_named_in_each_form(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    server = Server(port_mapper())
    port = server.tcp()

    with server:
        assert main(form.format(port).split()) == 0

    assert capsys.readouterr() == (NFS, "")


def test_the_environment_names_the_port_mapper(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    server = Server(port_mapper())
    monkeypatch.setenv("ONCRPC_MAPPER", f"127.0.0.1:{server.tcp()}")

    with server:
        assert main([]) == 0

    assert capsys.readouterr() == (NFS, "")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--host=h:99999", "--host: invalid port '99999': must be 0 to 65535"),
        ("--host=h:1 --port=2", "--port 2 contradicts the port of h:1"),
    ],
)
def test_a_wrong_host_is_named(line: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(line.split()) == 1
    assert capsys.readouterr().err == f"pmap_dump: {message}\n"
