from __future__ import annotations

import socket

import pytest

from oncrpc import rpc
from oncrpc.cli.rpcinfo import broadcast, main
from oncrpc.cli.rpcinfo.broadcast import name_of
from oncrpc.errors import ProgramUnavailable
from oncrpc.net.broadcast import Destination
from oncrpc.programs.portmap import PMAP_VERS, call_args, call_result
from oncrpc.programs.rpcb import RPCBVERS, rpcb_rmtcallargs, rpcb_rmtcallres
from oncrpc.rpc.dispatch import refuse
from support.descriptors import no_descriptors
from support.scripted_server import Server, serving


class Forwarding3(RPCBVERS.Service):
    """Answers CALLIT for every program."""

    def RPCBPROC_CALLIT(self, call: rpc.Call, arg: rpcb_rmtcallargs) -> rpcb_rmtcallres:
        return rpcb_rmtcallres(b"127.0.0.1.8.1", b"")


class Forwarding2(PMAP_VERS.Service):
    """The same in version 2."""

    def PMAPPROC_CALLIT(self, call: rpc.Call, arg: call_args) -> call_result:
        return call_result(2049, b"")


HANDLE = serving(Forwarding2(), Forwarding3())
PATIENCE = 5.0


@pytest.mark.parametrize("uaddr", [b"nonsense", b"\xff.8.1", b""])
def test_no_address_has_no_name(uaddr: bytes) -> None:
    assert name_of(uaddr) == "unknown"


def test_a_failed_reverse_lookup_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise socket.gaierror(socket.EAI_AGAIN, "no")

    monkeypatch.setattr(socket, "getnameinfo", fail)

    assert name_of(b"127.0.0.1.8.1") == "unknown"


@pytest.fixture
def loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everybody is this host."""
    places = [Destination(socket.AF_INET, "127.0.0.1")]
    monkeypatch.setattr(broadcast, "destinations", lambda _: places)
    monkeypatch.setattr(broadcast, "name_of", lambda uaddr: "name")
    monkeypatch.setattr(broadcast, "ROUNDS", (0.02, 0.02))


@pytest.fixture
def patient(loopback: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A round lasts until both replies of it have come."""
    now = [0.0]
    receive = broadcast.Asking.receive

    def received(asking: broadcast.Asking, sock: socket.socket) -> None:
        receive(asking, sock)
        now[0] += PATIENCE / 2

    monkeypatch.setattr(broadcast, "ROUNDS", (PATIENCE, PATIENCE))
    monkeypatch.setattr(broadcast.time, "monotonic", lambda: now[0])  # type: ignore[attr-defined]  # time
    monkeypatch.setattr(broadcast.Asking, "receive", received)


@pytest.mark.usefixtures("patient")
def test_each_reply_of_each_round_has_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    server = Server(HANDLE)
    port = server.udp()

    with server:
        assert main(f"-b 100003 3 --rpcbind-port {port}".split()) == 0

    assert capsys.readouterr().out == "127.0.0.1.8.1\tname\n" * 4


@pytest.mark.usefixtures("patient")
def test_a_flood_of_replies_ends_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(broadcast, "MOST_REPLIES", 1)
    server = Server(HANDLE)
    port = server.udp()

    with server:
        assert main(f"-b 100003 3 --rpcbind-port {port}".split()) == 1

    assert capsys.readouterr().err == "rpcinfo: more than 1 replies\n"


@pytest.mark.usefixtures("patient")
def test_a_timeout_ends_before_the_second_round(capsys: pytest.CaptureFixture[str]) -> None:
    server = Server(HANDLE)
    port = server.udp()

    with server:
        assert main(f"-b 100003 3 --timeout {PATIENCE} --rpcbind-port {port}".split()) == 0

    assert capsys.readouterr().out == "127.0.0.1.8.1\tname\n" * 2


@pytest.mark.usefixtures("loopback")
def test_invalid_reply_has_no_line(capsys: pytest.CaptureFixture[str]) -> None:
    server = Server(lambda message: refuse(message[:4], ProgramUnavailable()))
    port = server.udp()

    with server:
        assert main(f"-b 100003 3 --rpcbind-port {port}".split()) == 0

    assert capsys.readouterr().out == ""


@pytest.mark.usefixtures("loopback")
def test_broadcast_without_replies_succeeds(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.bind(("127.0.0.1", 0))

        assert main(f"-b 100003 3 --rpcbind-port {deaf.getsockname()[1]}".split()) == 0

    assert capsys.readouterr() == ("", "")


def test_no_network_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(broadcast, "destinations", lambda _: [])

    assert main(["-b", "100003", "3"]) == 1
    assert capsys.readouterr().err == (
        "rpcinfo: broadcast failed: RPC: Unknown protocol; no interface that broadcasts is up\n"
    )


def test_a_network_that_takes_nothing_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    places = [Destination(socket.AF_INET, "not an address")]
    monkeypatch.setattr(broadcast, "destinations", lambda _: places)

    assert main(["-b", "100003", "3"]) == 1
    assert capsys.readouterr().err == "rpcinfo: broadcast failed: RPC: Unable to send\n"


UNABLE = "rpcinfo: broadcast failed: RPC: Unable to send; errno = Too many open files\n"


@pytest.mark.usefixtures("loopback")
@pytest.mark.parametrize("but", [0, 1])
def test_missing_descriptors_for_sockets_are_named(
    but: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with no_descriptors(but=but):
        assert main(["-b", "100003", "3"]) == 1

    assert capsys.readouterr() == ("", UNABLE)


def test_missing_descriptors_for_interfaces_are_named(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with no_descriptors():
        assert main(["-b", "100003", "3"]) == 1

    assert capsys.readouterr() == ("", UNABLE)
