from __future__ import annotations

import socket

import pytest

from cli.fakes import Server, serving
from oncrpc import rpc
from oncrpc.cli.rpcinfo import broadcast, main
from oncrpc.cli.rpcinfo.broadcast import answered, name_of, questions
from oncrpc.cli.rpcinfo.interfaces import (
    IFF_BROADCAST,
    IFF_LOOPBACK,
    IFF_MULTICAST,
    IFF_UP,
    Destination,
    Interface,
    destinations,
    interfaces,
)
from oncrpc.errors import ProgramUnavailable
from oncrpc.programs.portmap import PMAP_VERS, call_args, call_result
from oncrpc.programs.rpcb import RPCBVERS, rpcb_rmtcallargs, rpcb_rmtcallres
from oncrpc.rpc.dispatch import refuse


class Forwarding3(RPCBVERS.Service):
    """Answers CALLIT for every program."""

    def RPCBPROC_CALLIT(self, call: rpc.Call, arg: rpcb_rmtcallargs) -> rpcb_rmtcallres:
        return rpcb_rmtcallres(b"127.0.0.1.8.1", b"")


class Forwarding2(PMAP_VERS.Service):
    """The same in version 2."""

    def PMAPPROC_CALLIT(self, call: rpc.Call, arg: call_args) -> call_result:
        return call_result(2049, b"")


HANDLE = serving(Forwarding2(), Forwarding3())


def test_both_versions_are_asked_with_a_credential() -> None:
    asked = questions(100003, 3)

    assert asked.version_2.xid == (asked.version_3.xid + 1) & 0xFFFFFFFF
    for message, version in zip(asked.messages, (3, 2), strict=True):
        assert message[12:28] == b"\0\1\x86\xa0" + bytes([0, 0, 0, version, 0, 0, 0, 5, 0, 0, 0, 1])
        assert message.endswith(b"\0\1\x86\xa3\0\0\0\3" + bytes(8))


def test_version_3_tells_the_address_and_version_2_the_port() -> None:
    asked = questions(100003, 3)
    replies = [HANDLE(message) or b"" for message in asked.messages]

    found = [answered(asked, reply, "192.0.2.1") for reply in replies]

    assert found == [b"127.0.0.1.8.1", b"192.0.2.1.8.1"]


def test_a_stranger_and_a_refusal_are_no_answers() -> None:
    asked = questions(100003, 3)
    xid = asked.version_3.message[:4]

    assert answered(asked, b"", "h") is None
    assert answered(asked, b"\0" * 40, "h") is None
    assert answered(asked, xid + b"\0\0\0\1\0\0\0\7", "h") is None
    assert answered(asked, refuse(xid, ProgramUnavailable()), "h") is None
    assert answered(asked, asked.version_3.message, "h") is None


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
    monkeypatch.setattr(broadcast, "destinations", lambda: places)
    monkeypatch.setattr(broadcast, "name_of", lambda uaddr: "name")
    monkeypatch.setattr(broadcast, "ROUNDS", (0.02, 0.02))


@pytest.mark.usefixtures("loopback")
def test_each_reply_of_each_round_has_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    server = Server(HANDLE)
    port = server.udp()

    with server:
        assert main(f"-b 100003 3 --rpcbind-port {port}".split()) == 0

    assert capsys.readouterr().out == "127.0.0.1.8.1\tname\n" * 4


@pytest.mark.usefixtures("loopback")
def test_a_flood_of_replies_ends_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(broadcast, "MOST_REPLIES", 1)
    server = Server(HANDLE)
    port = server.udp()

    with server:
        assert main(f"-b 100003 3 --rpcbind-port {port}".split()) == 1

    assert capsys.readouterr().err == "rpcinfo: more than 1 replies\n"


@pytest.mark.usefixtures("loopback")
def test_a_timeout_ends_before_the_second_round(capsys: pytest.CaptureFixture[str]) -> None:
    server = Server(HANDLE)
    port = server.udp()

    with server:
        assert main(f"-b 100003 3 --timeout 0.02 --rpcbind-port {port}".split()) == 0

    assert capsys.readouterr().out == "127.0.0.1.8.1\tname\n" * 2


@pytest.mark.usefixtures("loopback")
def test_an_answer_that_is_none_has_no_line(capsys: pytest.CaptureFixture[str]) -> None:
    server = Server(lambda message: refuse(message[:4], ProgramUnavailable()))
    port = server.udp()

    with server:
        assert main(f"-b 100003 3 --rpcbind-port {port}".split()) == 0

    assert capsys.readouterr().out == ""


@pytest.mark.usefixtures("loopback")
def test_nobody_is_no_failure(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.bind(("127.0.0.1", 0))

        assert main(f"-b 100003 3 --rpcbind-port {deaf.getsockname()[1]}".split()) == 0

    assert capsys.readouterr() == ("", "")


def test_no_network_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(broadcast, "destinations", list)

    assert main(["-b", "100003", "3"]) == 1
    assert capsys.readouterr().err == "rpcinfo: broadcast failed: RPC: Unknown protocol\n"


def test_a_network_that_takes_nothing_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    places = [Destination(socket.AF_INET, "not an address")]
    monkeypatch.setattr(broadcast, "destinations", lambda: places)

    assert main(["-b", "100003", "3"]) == 1
    assert capsys.readouterr().err == "rpcinfo: broadcast failed: RPC: Unable to send\n"


def test_the_loopback_interface_is_found() -> None:
    found = [entry for entry in interfaces() if entry.flags & IFF_LOOPBACK]

    assert any(entry.family == socket.AF_INET for entry in found)


def test_broadcasts_go_to_the_networks_that_are_up_and_not_the_loopback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lan = IFF_UP | IFF_BROADCAST | IFF_MULTICAST
    found = [
        Interface("lo", lan | IFF_LOOPBACK, socket.AF_INET, "127.255.255.255"),
        Interface("lan", lan, socket.AF_INET, "192.0.2.255"),
        Interface("lan", lan, socket.AF_INET6, None),
        Interface("lan", lan, socket.AF_INET6, None),
        Interface("lan", lan, socket.AF_PACKET, None),
        Interface("down", IFF_BROADCAST, socket.AF_INET, "198.51.100.255"),
        Interface("tunnel", IFF_UP, socket.AF_INET6, None),
    ]
    module = "oncrpc.cli.rpcinfo.interfaces"
    monkeypatch.setattr(f"{module}.interfaces", lambda: iter(found))
    monkeypatch.setattr(f"{module}.socket.if_nametoindex", lambda name: 7)

    assert [place.sockaddr(111) for place in destinations()] == [
        ("192.0.2.255", 111),
        ("ff02::202", 111, 0, 7),
    ]
