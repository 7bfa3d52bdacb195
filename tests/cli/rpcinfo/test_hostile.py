"""Servers that want to break who asks them: rpcinfo, and the blocking client."""

from __future__ import annotations

import socket

import pytest

from oncrpc import rpc, sync
from oncrpc.cli.rpcinfo import main
from oncrpc.errors import OncRpcError
from oncrpc.programs.portmap import PMAP_VERS
from oncrpc.programs.rpcb import RPCBVERS, rp__list, rpcb, rpcb_entry, rpcb_entry_list
from support.commands import Server, serving
from support.fake_mapper import Mapper4


class Hostile4(Mapper4):
    """Answers with strings that are as long as they may be."""

    def RPCBPROC_GETADDRLIST(self, call: rpc.Call, arg: rpcb) -> list[rpcb_entry_list]:
        text = b"\x1b[2J" + b"A" * 9000
        return [rpcb_entry_list(rpcb_entry(text, text, 3, text, text))] * 10


class Hostile3(RPCBVERS.Service):
    """Lists a program with very many versions."""

    def RPCBPROC_DUMP(self, call: rpc.Call) -> list[rp__list]:
        return [rp__list(rpcb(400001, vers, b"tcp", b"", b"")) for vers in range(20_000)]


def rpcinfo(line: str, *services: rpc.Service) -> int:
    """The status of rpcinfo, asking these."""
    server = Server(serving(*services))
    port = server.tcp("127.0.0.1")
    with server:
        return main(f"{line} --rpcbind-port {port}".split())


def test_long_strings_of_a_server_are_shown_cut_and_printable(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert rpcinfo("-l 127.0.0.1 400001 1", Hostile4()) == 0

    _, *lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 10
    assert all(line.isprintable() and len(line) < 2000 for line in lines)


@pytest.mark.slow
def test_very_many_versions_of_a_server_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert rpcinfo("-s 127.0.0.1", Hostile3()) == 0

    _, line = capsys.readouterr().out.splitlines()
    assert line.split()[1].count(",") == 19_999


def test_calls_to_a_port_where_nobody_is_end_as_declared() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]

    for _ in range(20):
        link = sync.run(sync.dial("udp", "127.0.0.1", port, timeout=0.05))
        with link, pytest.raises(OncRpcError):
            sync.run(PMAP_VERS.Client(link).PMAPPROC_NULL())
