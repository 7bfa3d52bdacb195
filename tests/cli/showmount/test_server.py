"""``oncrpc.cli.showmount.server``: how the mount program is found, and what is said if not."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from oncrpc import rpc
from oncrpc.cli.showmount import main
from oncrpc.errors import GarbageArguments
from oncrpc.programs.mount import MOUNTPROG
from oncrpc.programs.rpcb import RPCBVERS4, rp__list, rpcb
from oncrpc.rpc.dispatch import refuse
from support.fake_mapper import Mapper4, both_ports
from support.mount_programs import KINDS, Listed2, Listed3
from support.scripted_server import Handle, Server, serving

HOST = "127.0.0.1"


@contextmanager
def mount_server(handle: Handle, *, udp: bool = False) -> Iterator[int]:
    """A mount program; yields the port of the port mapper that knows it."""
    program = Server(handle)
    port = program.udp(HOST) if udp else program.tcp(HOST)
    mapper = Server(serving(Mapper4(port)))
    mapper_port = both_ports(mapper)
    with ExitStack() as stack:
        stack.enter_context(program)
        stack.enter_context(mapper)
        yield mapper_port


class Registered(RPCBVERS4.Service):
    """Version 4 of a port mapper, which has the mount program in its dump."""

    def __init__(self, port: int) -> None:
        self.uaddr = f"0.0.0.0.{port >> 8}.{port & 255}".encode()

    def RPCBPROC_DUMP(self, call: rpc.Call) -> list[rp__list]:
        return [rp__list(rpcb(MOUNTPROG, 3, b"tcp", self.uaddr, b"superuser"))]


def run(handle: Handle, line: str = "-e", *, udp: bool = False) -> int:
    with mount_server(handle, udp=udp) as port:
        return main([*line.split(), f"{HOST}:{port}"])


def exporting(*listed: tuple[bytes, list[bytes]]) -> Handle:
    return serving(Listed3(list(listed), []))


@pytest.mark.parametrize("udp", [False, True])
def test_exports_are_listed(capsys: pytest.CaptureFixture[str], udp: bool) -> None:
    assert run(exporting((b"/srv", [b"a", b"b"]), (b"/all", [])), udp=udp) == 0

    assert capsys.readouterr() == (
        "Export list for 127.0.0.1:\n/srv a,b\n/all (everyone)\n",
        "",
    )


def test_columns_are_aligned_by_bytes(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(exporting((b"/long", [b"a"]), (b"/", [b"b"]), (b"/\xc3\xbc", [b"c"]))) == 0

    assert capsys.readouterr().out.splitlines()[1:] == ["/long a", "/     b", "/ü   c"]


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ("", "Hosts on 127.0.0.1:\na\nb\n"),
        ("-a", "All mount points on 127.0.0.1:\na:/x\na:/y\nb:/x\n"),
        ("-d", "Directories on 127.0.0.1:\n/x\n/y\n"),
        ("-d --no-headers", "/x\n/y\n"),
    ],
)
def test_clients_are_sorted_and_listed_once(
    capsys: pytest.CaptureFixture[str], option: str, expected: str
) -> None:
    mounts = [(b"b", b"/x"), (b"a", b"/y"), (b"a", b"/x"), (b"b", b"/x")]

    assert run(serving(Listed3([], mounts)), option) == 0

    assert capsys.readouterr().out == expected


def test_control_characters_are_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(exporting((b"/\x1b[2J\n", [b"\xff\x07"]))) == 0

    assert capsys.readouterr().out.splitlines()[1:] == [r"/\x1b[2J\n \xff\x07"]


def test_older_version_is_asked_after_a_mismatch(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(serving(Listed2([(b"/old", [])], []))) == 0

    assert "/old (everyone)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("auth", "RPC: Authentication error; why = Client credential too weak"),
        ("unavailable", "RPC: Program unavailable"),
        ("mismatch", "RPC: Program/version mismatch; low version = 5, high version = 6"),
        ("null", "RPC: Procedure unavailable"),
        ("malformed", "RPC: Can't decode result"),
    ],
)
def test_refusal_is_reported_as_by_c(
    capsys: pytest.CaptureFixture[str], kind: str, message: str
) -> None:
    assert run(KINDS[kind]) == 1
    assert run(KINDS[kind], "-a") == 1

    assert capsys.readouterr() == (
        "",
        f"rpc mount export: {message}\nrpc mount dump: {message}\n",
    )


def test_silent_program_is_reported_in_time(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(lambda _: None, "--timeout=0.05 -e") == 1

    assert capsys.readouterr().err == "rpc mount export: RPC: Timed out\n"


def test_unregistered_program_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    with Server(serving(Mapper4(0))) as mapper:
        port = both_ports(mapper)
        assert main(["-e", f"{HOST}:{port}"]) == 1

    assert capsys.readouterr().err == "clnt_create: RPC: Program not registered\n"


def test_unknown_host_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["-e", "nosuch.invalid"]) == 1

    assert capsys.readouterr().err == "clnt_create: RPC: Unknown host\n"


def test_port_mapper_that_refuses_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    mapper = Server(lambda message: refuse(message[:4], GarbageArguments()))
    port = both_ports(mapper)

    with mapper:
        assert main(["-e", f"{HOST}:{port}"]) == 1

    assert capsys.readouterr().err == (
        "clnt_create: RPC: Port mapper failure - Server can't decode arguments\n"
    )


def test_environment_names_the_port_mapper(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with mount_server(exporting((b"/srv", []))) as port:
        monkeypatch.setenv("ONCRPC_MAPPER", f"{HOST}:{port}")
        assert main(["-e"]) == 0

    assert capsys.readouterr().out.startswith("Export list for 127.0.0.1:\n/srv ")


def test_local_socket_of_the_environment_is_asked(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = Server(exporting((b"/srv", [])))
    port = program.tcp(HOST)
    mapper = Server(serving(Registered(port)))
    monkeypatch.setenv("ONCRPC_MAPPER", mapper.local(str(tmp_path / "socket")))

    with program, mapper:
        assert main(["-e"]) == 0

    heading = f"Export list for {socket.gethostname()}:"
    assert capsys.readouterr().out.splitlines() == [heading, "/srv (everyone)"]


def test_missing_port_mapper_of_the_environment_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        place = f"{HOST}:{probe.getsockname()[1]}"
        monkeypatch.setenv("ONCRPC_MAPPER", place)
        assert main(["-e"]) == 1

    named = place.replace(":", " port ")
    assert capsys.readouterr().err == (
        f"showmount: cannot reach the port mapper at {named} (ONCRPC_MAPPER): Connection refused\n"
    )
