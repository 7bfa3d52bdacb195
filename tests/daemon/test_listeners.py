"""The daemon's listeners: the bound addresses, and the errors that prevent a start."""

from __future__ import annotations

import errno
import logging
import os
import socket
from contextlib import closing
from pathlib import Path

import pytest
from msgspec.structs import replace

from oncrpc.addr import transport
from oncrpc.daemon import listeners as binding
from oncrpc.daemon.activation import Passed
from oncrpc.daemon.config.values import StartError
from oncrpc.daemon.listeners import ExtraPort, Listeners, PortInUse, open_listeners
from oncrpc.net.sockets import listen
from support.daemons import LOCALHOST, Setup, listening, local, setup

NETWORK_ONLY = setup(port=0, local=False)
LOOPBACK = setup(port=0, local=False, bind=(LOCALHOST, "::1"))


def places(listeners: Listeners) -> list[tuple[str, str]]:
    """Netids and hosts, in order."""
    return [
        (netid, "local" if sock.family == socket.AF_UNIX else sock.getsockname()[0])
        for sock, netid in listeners.sockets
    ]


WILDCARD = [("udp", "0.0.0.0"), ("tcp", "0.0.0.0"), ("udp6", "::"), ("tcp6", "::")]


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (NETWORK_ONLY, WILDCARD),
        (setup(port=0, local=False, families=("ipv4",)), WILDCARD[:2]),
        (setup(port=0, local=False, families=("ipv6",)), WILDCARD[2:]),
        (
            LOOPBACK,
            [("udp", LOCALHOST), ("tcp", LOCALHOST), ("udp6", "::1"), ("tcp6", "::1")],
        ),
        (
            setup(port=0, local=False, bind=("127.0.0.2",), families=("ipv4",)),
            [(netid, host) for netid in ("udp", "tcp") for host in (LOCALHOST, "127.0.0.2")],
        ),
        (
            setup(port=0, local=False, bind=("0.0.0.0",)),
            [*WILDCARD[:2], ("udp6", "::1"), ("tcp6", "::1")],
        ),
    ],
    ids=["all", "ipv4", "ipv6", "loopback", "named", "wildcard-named"],
)
def test_options_decide_the_bound_addresses(config: Setup, expected: list[tuple[str, str]]) -> None:
    with listening(config) as listeners:
        assert places(listeners) == expected
        assert len({sock.getsockname()[1] for sock, _ in listeners.sockets}) == 1


def test_local_sockets_are_served_first(tmp_path: Path) -> None:
    with listening(local(tmp_path)) as listeners:
        assert places(listeners)[:2] == [("local", "local")] * 2
        assert places(listeners)[2] == ("udp", LOCALHOST)


def test_error_names_the_used_port_and_remedy() -> None:
    with listen(transport("tcp"), LOCALHOST, 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortInUse) as raised:
            open_listeners(setup(port=port, local=False, bind=(LOCALHOST,)).wanted())

    assert str(raised.value) == (
        f"cannot bind tcp port {port} of 127.0.0.1: in use; stop the port mapper that has it,"
        " or choose --port"
    )


def test_used_port_leaves_foreign_local_socket_alone(tmp_path: Path) -> None:
    config = local(tmp_path)
    with socket.socket(socket.AF_UNIX) as other, listen(transport("tcp"), LOCALHOST, 0) as taken:
        other.bind(config.sockets[0])
        other.listen()
        port = taken.getsockname()[1]
        with pytest.raises(PortInUse):
            open_listeners(setup(port=port, bind=(LOCALHOST,), sockets=config.sockets).wanted())
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(config.sockets[0])


def test_an_address_that_is_not_ours_is_named() -> None:
    with pytest.raises(StartError, match=r"of 203\.0\.113\.7: this host has no such address"):
        open_listeners(setup(port=0, local=False, bind=("203.0.113.7",)).wanted())


class Refusing:
    """A fake ``listen`` that fails for some hosts and counts its calls."""

    def __init__(self, number: int, *hosts: str) -> None:
        self.number, self.hosts = number, hosts
        self.calls = 0

    def __call__(self, entry: object, host: str, port: int) -> socket.socket:
        self.calls += 1
        if host in self.hosts:
            raise OSError(self.number, os.strerror(self.number))
        return listen(entry, host, port)  # type: ignore[arg-type]  # a transport


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (errno.EACCES, r"permission denied; run as root, or choose --port above 1023"),
        (errno.ENOBUFS, r"No buffer space available"),
    ],
)
def test_other_reasons_are_named(monkeypatch: pytest.MonkeyPatch, number: int, text: str) -> None:
    refusing = Refusing(number, LOCALHOST)
    monkeypatch.setattr(binding, "listen", refusing)

    with pytest.raises(StartError, match=text):
        open_listeners(setup(port=0, local=False, bind=(LOCALHOST,)).wanted())

    assert refusing.calls == 1


@pytest.mark.parametrize("hosts", [(), (LOCALHOST, "::1")])
@pytest.mark.parametrize("number", [errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL])
def test_a_host_without_ipv6_is_served_over_ipv4(
    monkeypatch: pytest.MonkeyPatch, hosts: tuple[str, ...], number: int
) -> None:
    monkeypatch.setattr(binding, "listen", Refusing(number, "::", "::1"))

    with listening(setup(port=0, local=False, bind=hosts)) as listeners:
        assert [netid for _, netid in listeners.sockets] == ["udp", "tcp"]


def test_without_any_transport_there_is_nothing_to_serve(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binding, "listen", Refusing(errno.EAFNOSUPPORT, "::", "0.0.0.0"))

    with pytest.raises(StartError, match="no transport to serve"):
        open_listeners(NETWORK_ONLY.wanted())


def test_search_for_a_common_free_port_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    refusing = Refusing(errno.EADDRINUSE, "::")
    monkeypatch.setattr(binding, "listen", refusing)

    with pytest.raises(StartError, match="no port is free on all transports"):
        open_listeners(NETWORK_ONLY.wanted())

    assert refusing.calls > 2 * binding.PORT_TRIES


def test_taken_abstract_name_does_not_prevent_serving(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = local(tmp_path)
    with listening(config), caplog.at_level(logging.WARNING):
        listeners = open_listeners(config.wanted())

    assert [netid for _, netid in listeners.sockets].count("local") == 1
    assert f"{config.sockets[1]} is not served: address already in use" in caplog.text
    listeners.close()


def test_foreign_file_at_local_socket_is_named(tmp_path: Path) -> None:
    path = tmp_path / "rpcbind.sock"
    path.mkdir()

    with pytest.raises(StartError, match="a file that is not a socket is there; remove it"):
        open_listeners(
            setup(port=0, bind=(LOCALHOST,), families=("ipv4",), sockets=(str(path),)).wanted()
        )


@pytest.mark.parametrize(
    ("path", "number", "text"),
    [
        ("/nowhere/at/all/sock", 0, "cannot create /nowhere/at/all/sock: No such file"),
        ("/run/sock", errno.EACCES, "permission denied; run as root, or with --no-local"),
        ("/run/sock", errno.EPERM, "permission denied; run as root, or with --no-local"),
    ],
)
def test_failure_to_create_local_socket_names_it(
    monkeypatch: pytest.MonkeyPatch, path: str, number: int, text: str
) -> None:
    def fails(_: str) -> socket.socket:
        raise OSError(number, os.strerror(number))

    if number:
        monkeypatch.setattr(binding, "listen_local", fails)

    with pytest.raises(StartError, match=text):
        open_listeners(
            setup(port=0, bind=(LOCALHOST,), families=("ipv4",), sockets=(path,)).wanted()
        )


def test_addresses_all_of_another_family_are_refused() -> None:
    with pytest.raises(StartError, match="none of the addresses"):
        open_listeners(setup(port=0, bind=("::1",), families=("ipv4",), local=False).wanted())


def ports_of(found: list[tuple[socket.socket, str]]) -> set[int]:
    return {sock.getsockname()[1] for sock, _ in found}


def test_application_may_choose_the_main_port() -> None:
    with listen(transport("tcp"), LOCALHOST, 0) as free:
        port = free.getsockname()[1]

    listeners = open_listeners(replace(LOOPBACK.wanted(), port=port))

    with closing(listeners):
        assert ports_of(listeners.sockets) == {port}


def test_extra_port_is_bound_on_the_same_transports() -> None:
    wanted = replace(LOOPBACK.wanted(), extra=[ExtraPort("mount", 0)])

    listeners = open_listeners(wanted)

    with closing(listeners):
        extra = listeners.extra["mount"]
        assert [netid for _, netid in extra] == [netid for _, netid in listeners.sockets]
        assert len(ports_of(extra)) == 1
        assert ports_of(extra) != ports_of(listeners.sockets)
        assert {listeners.of(sock).role for sock, _ in extra} == {"mount"}


def test_used_extra_port_is_replaced_only_if_allowed(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "oncrpc.daemon")
    with listen(transport("tcp"), LOCALHOST, 0) as taken:
        port = taken.getsockname()[1]
        wanted = replace(LOOPBACK.wanted(), extra=[ExtraPort("mapper", port, or_any=True)])
        with closing(open_listeners(wanted)) as listeners:
            (other,) = ports_of(listeners.extra["mapper"])
            assert other not in {0, port}
            assert f"in use; using port {other} instead" in caplog.text

        with pytest.raises(PortInUse, match=r"stop the program .* or choose --nlm-port$"):
            open_listeners(replace(LOOPBACK.wanted(), extra=[ExtraPort("nlm", port)]))


def test_passed_sockets_go_to_their_extra_port() -> None:
    wanted = replace(LOOPBACK.wanted(), extra=[ExtraPort("mapper", 111, or_any=True)])
    theirs = listen(transport("tcp"), LOCALHOST, 0)
    port = theirs.getsockname()[1]

    with closing(open_listeners(wanted, [Passed(theirs.detach(), role="mapper")])) as listeners:
        assert ports_of(listeners.extra["mapper"]) == {port}
        assert port not in ports_of(listeners.sockets)


def test_passed_sockets_of_a_dropped_role_are_closed() -> None:
    theirs = listen(transport("tcp"), LOCALHOST, 0)
    place = theirs.getsockname()

    listeners = open_listeners(LOOPBACK.wanted(), [Passed(theirs.detach(), role="mount")])

    with closing(listeners), socket.socket() as client:
        assert client.connect_ex(place) == errno.ECONNREFUSED
