from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from oncrpc.cli.rpcinfo import main, ping
from oncrpc.errors import AuthError, ProgramMismatch, ProgramUnavailable
from oncrpc.rpc.dispatch import refuse
from support.fake_mapper import Mapper2, Mapper3, Mapper4, port_mapper
from support.scripted_server import Server, serving

HOST = "127.0.0.1"
NFS = "    100003    3    tcp       0.0.0.0.8.1            nfs        superuser\n"


@pytest.fixture
def mapper() -> Iterator[str]:
    """The options that lead to a port mapper, which has itself as every program's address."""
    server = Server(lambda message: answer(message))
    port = server.tcp()
    while not _udp_too(server, port):
        port = server.tcp()
    answer = port_mapper(port=port)
    with server:
        yield f"--rpcbind-port {port}"


def _udp_too(server: Server, port: int) -> bool:
    try:
        return server.udp(port=port) == port
    except OSError:
        return False


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("-p", "    100003    3   tcp   2049  nfs\n"),
        (f"-p {HOST}", "    100003    3   tcp   2049  nfs\n"),
        ("", NFS),
        (HOST, NFS),
        (f"-T udp {HOST}", NFS),
        ("-s", "    100003  3         tcp                              nfs         superuser\n"),
        ("-m", "NULL    SET     UNSET   GETPORT DUMP    CALLIT  \n"),
        (f"-m {HOST}", "RPCBIND (version 4) statistics\n"),
        (f"-l {HOST} nfs 3", "    100003  3    inet/tcp/cots_ord       127.0.0.1.8.1"),
        (f"-t {HOST} 100000", "program 100000 version 4 ready and waiting\n"),
        (f"-u {HOST} 100000 3", "program 100000 version 3 ready and waiting\n"),
        (f"-T tcp {HOST} 100000 2", "program 100000 version 2 ready and waiting\n"),
    ],
)
def test_a_form_writes_what_the_port_mapper_says(
    mapper: str, line: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(f"{line} {mapper}".split()) == 0

    written = capsys.readouterr()
    assert says in written.out
    assert written.err == ""


@pytest.mark.parametrize(
    "line",
    ["-p", "", "-s", "-m", f"-l {HOST} nfs 3", f"-t {HOST} 100000", f"-u {HOST} 100000 3"],
)
def test_json_is_one_document(mapper: str, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(f"{line} --json {mapper}".split()) == 0

    assert json.loads(capsys.readouterr().out)


def test_json_has_the_reason_for_a_missing_version(
    mapper: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(f"-t {HOST} 100000 9 --json {mapper}".split()) == 1

    written = capsys.readouterr()
    (version,) = json.loads(written.out)["versions"]
    assert not version["available"]
    assert version["error"].endswith("low version = 2, high version = 4")
    assert written.err == ""


def test_a_version_that_is_missing_is_reported(
    mapper: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(f"-t {HOST} 100000 9 {mapper}".split()) == 1

    written = capsys.readouterr()
    assert written.out == "program 100000 version 9 is not available\n"
    assert written.err.endswith("low version = 2, high version = 4\n")


def test_a_deletion_is_silent(mapper: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(f"-d 100003 3 {mapper}".split()) == 0
    assert capsys.readouterr() == ("", "")


def test_a_deletion_without_a_port_mapper_is_reported(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(f"-d 100005 3 --rpcbind-port {closed_port()}".split()) == 1
    assert capsys.readouterr().err.startswith("rpcinfo: Could not delete registration for prog")


def test_program_refusing_version_0_is_pinged_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    server = Server(lambda message: refuse(message[:4], ProgramUnavailable()))
    port = server.tcp()

    with server:
        assert main(f"-n {port} -t {HOST} 400100".split()) == 1

    assert capsys.readouterr().out == "program 400100 version 0 is not available\n"


def test_program_serving_every_version_has_them_all(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(ping, "MOST_VERSIONS", 2)
    server = Server(lambda message: message[:4] + b"\0\0\0\1" + bytes(16))
    port = server.tcp()

    with server:
        assert main(f"-n {port} -t {HOST} 400100".split()) == 0

    written = capsys.readouterr()
    assert written.out.count("ready and waiting") == 2
    assert written.err == "rpcinfo: versions 2 to 4294967295 were not pinged\n"


def test_a_refused_deletion_is_reported(mapper: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(f"-d 100005 3 {mapper}".split()) == 1
    assert capsys.readouterr().err == (
        "rpcinfo: Could not delete registration for prog 100005 version 3\n"
    )


def test_the_local_socket_can_be_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    server = Server(port_mapper())
    path = server.local(str(tmp_path / "socket"))

    with server:
        assert main(["--socket", path]) == 0
        assert main(["-T", "local", "-a", path, "100000", "4"]) == 0

    assert NFS in capsys.readouterr().out


@pytest.mark.parametrize("line", ["", "-p", "-s", "-m", "-d 9 9", "-T local ignored 100000"])
def test_only_the_named_socket_is_asked(
    line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "none"

    assert main([*line.split(), "--socket", str(path)]) == 1

    assert capsys.readouterr() == (
        "",
        f"rpcinfo: cannot reach the port mapper at {path}: No such file or directory\n",
    )


@pytest.mark.parametrize("line", ["", "-p", "-s", "-m", "-d 9 9", "-T tcp", "-T udp"])
def test_unreachable_port_mapper_of_environment_is_named(
    line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    port = closed_port()
    monkeypatch.setenv("ONCRPC_MAPPER", f"{HOST}:{port}")

    assert main(line.split()) == 1

    assert capsys.readouterr() == (
        "",
        f"rpcinfo: cannot reach the port mapper at {HOST} port {port} (ONCRPC_MAPPER): "
        "Connection refused\n",
    )


@pytest.mark.parametrize("line", ["", "-p", "-m", "-T tcp"])
def test_unknown_host_of_environment_is_named(
    line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ONCRPC_MAPPER", "127.0.0.1..x:7")

    assert main(line.split()) == 1

    assert capsys.readouterr().err == (
        "rpcinfo: cannot reach the port mapper at 127.0.0.1..x port 7 (ONCRPC_MAPPER): "
        "unknown host '127.0.0.1..x'\n"
    )


def test_environment_may_name_a_udp_port_mapper(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    server = Server(port_mapper())
    monkeypatch.setenv("ONCRPC_MAPPER", f"{HOST}:{server.udp()}")

    with server:
        assert main([]) == 0

    assert NFS in capsys.readouterr().out


@pytest.mark.parametrize(
    ("services", "says"),
    [
        ([Mapper4()], "    100003    4    tcp       0.0.0.0.8.1            nfs        superuser\n"),
        ([Mapper2()], "    100003    3    tcp       0.0.0.0.8.1            nfs        unknown\n"),
        ([Mapper3()], NFS),
    ],
)
def test_port_mapper_of_one_version_is_listed(
    services: list[Mapper2 | Mapper3 | Mapper4], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    server = Server(serving(*services))
    port = server.tcp()

    with server:
        assert main(["--rpcbind-port", str(port), HOST]) == 0

    assert says in capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "refusal", "says"),
    [
        ("", ProgramMismatch(5, 6), "can't contact rpcbind: : RPC: Program/version mismatch"),
        ("", AuthError(5), "can't contact rpcbind: : RPC: Authentication error; why = Client"),
        ("-p", AuthError(5), "can't contact portmapper: RPC: Authentication error; why = Client"),
        ("-p", ProgramMismatch(3, 4), "This host does not support portmapper.  Try rpcinfo inst"),
        (f"-p {HOST}", ProgramMismatch(3, 4), f"{HOST} does not support portmapper.  Try rpcinfo"),
        (f"-p {HOST}", AuthError(5), f"{HOST}: RPC: Authentication error\n"),
        (f"-t {HOST} 1 1", ProgramUnavailable(), "Port mapper failure - Program unavailable\n"),
    ],
)
def test_refusal_is_not_an_empty_registry(
    line: str,
    refusal: ProgramMismatch | AuthError | ProgramUnavailable,
    says: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    server = Server(lambda message: refuse(message[:4], refusal))
    port = server.tcp()

    with server:
        assert main(f"{line} --rpcbind-port {port}".split()) == 1

    written = capsys.readouterr()
    assert written.out == ""
    assert says in written.err


def test_number_of_pinged_versions_is_bounded(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(ping, "MOST_VERSIONS", 3)
    server = Server(lambda message: refuse(message[:4], ProgramMismatch(1, 0xFFFFFFFF)))
    port = server.tcp()

    with server:
        assert main(f"-n {port} -t {HOST} 400100".split()) == 1

    written = capsys.readouterr()
    assert written.out.count("is not available") == 3
    assert written.err.endswith("rpcinfo: versions 4 to 4294967295 were not pinged\n")


def test_program_without_versions_is_not_available(
    capsys: pytest.CaptureFixture[str],
) -> None:
    server = Server(lambda message: refuse(message[:4], ProgramMismatch(9, 1)))
    port = server.udp()

    with server:
        assert main(f"-n {port} -u {HOST} 400100".split()) == 1

    assert capsys.readouterr() == (
        "program 400100 version 0 is not available\n",
        "rpcinfo: RPC: Program/version mismatch; low version = 9, high version = 1\n",
    )


def test_program_serving_version_0_is_asked_again(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def handle(message: bytes) -> bytes:
        vers = int.from_bytes(message[16:20], "big")
        if vers < 3:
            return message[:4] + b"\0\0\0\1" + bytes(16)
        return refuse(message[:4], ProgramMismatch(0, 2))

    server = Server(handle)
    port = server.tcp()

    with server:
        assert main(f"-n {port} -t {HOST} 400100".split()) == 0

    assert capsys.readouterr().out.count("ready and waiting") == 3


def test_an_unregistered_program_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    server = Server(port_mapper(port=0))
    port = server.tcp()

    with server:
        assert main(f"-t {HOST} 499999 --rpcbind-port {port}".split()) == 1

    assert capsys.readouterr().err == f"{HOST}: RPC: Program not registered\n"


@pytest.mark.slow
def test_silence_is_a_timeout(capsys: pytest.CaptureFixture[str]) -> None:
    server = Server(lambda message: None)
    port = server.udp()

    with server:
        assert main(f"--timeout 0.05 -n {port} -u {HOST} 400100 1".split()) == 1

    assert capsys.readouterr() == (
        "program 400100 version 1 is not available\n",
        "rpcinfo: RPC: Timed out\n",
    )


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("-a garbage -T tcp 1", "rpcinfo: rpcinfo: no address for client handle"),
        ("-a ::1.0.111 -T tcp 1", "rpcinfo: rpcinfo: no address for client handle"),
        ("-a name -T local 1", "rpcinfo: rpcinfo: no address for client handle"),
        ("-a x -T nosuch 1", "rpcinfo: Could not find nosuch"),
        (f"-T nosuch {HOST} 1", "rpcinfo: Could not find nosuch"),
        (
            f"-T nosuch {HOST}",
            "rpcinfo: invalid transport: Netid not found in netconfig database",
        ),
        ("-d -T nosuch 1 1", "rpcinfo: netid nosuch not supported"),
        (f"-T tcp6 {HOST}", "rpcinfo: can't contact rpcbind: RPC: Unknown host"),
        (f"-T rawip {HOST} 1", "rpcinfo: RPC: Unknown protocol"),
        (f"-n 1 -t {HOST}..x 1", f"{HOST}..x: RPC: Unknown host"),
    ],
)
def test_unreachable_host_is_named(
    line: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(line.split()) == 1
    assert capsys.readouterr().err == message + "\n"


def test_a_refused_connection_is_the_systems_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(f"-n {closed_port()} -t {HOST} 1".split()) == 1
    assert capsys.readouterr().err == (f"{HOST}: RPC: Remote system error - Connection refused\n")


@pytest.mark.slow
@pytest.mark.parametrize("form", ["-p", "-s", "-m"])
def test_list_loads_neither_asyncio_argparse_nor_json(form: str, tmp_path: Path) -> None:
    script = (
        "import sys; before = set(sys.modules)\n"
        "from oncrpc.cli.rpcinfo import main; main(sys.argv[1:])\n"
        "heavy = {'asyncio', 'argparse', 'json', 'subprocess', 'logging'}\n"
        "print(sorted(heavy & (set(sys.modules) - before)))"
    )
    command = [sys.executable, "-c", script, form, "--socket", str(tmp_path / "socket")]
    server = Server(port_mapper())
    server.local(str(tmp_path / "socket"))

    with server:
        ended = subprocess.run(command, capture_output=True, text=True, check=True)

    assert ended.stdout.splitlines()[-1] == "[]"
    assert len(ended.stdout.splitlines()) > 1
