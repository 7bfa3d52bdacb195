from __future__ import annotations

import asyncio
import errno
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from oncrpc import rpc
from oncrpc.cli.command import Failure
from oncrpc.cli.rpcinfo import probe as module
from oncrpc.cli.rpcinfo.probe import MAX_REPLY, HostResult, probe
from oncrpc.errors import AuthError, SystemFailure, TransportError
from oncrpc.programs.rpcb import RPCBVERS4, rp__list, rpcb
from oncrpc.rpc.dispatch import refuse
from oncrpc.testing import ManualClock
from support.fake_mapper import Mapper2, Mapper3, Mapper4, both_ports
from support.loops import DEADLINE, run_by, until
from support.scripted_server import HANG_UP, Handle, Server, serving

HOST = "127.0.0.1"
VERSION_AT = 16
PATIENCE = 5.0


def probed(handle: Handle, *, listen: Callable[[Server], int] = both_ports) -> HostResult:
    """What is found of a server, over TCP and UDP."""
    server = Server(handle)
    port = listen(server)
    with server:
        return asyncio.run(probe(HOST, port=port, timeout=PATIENCE))


def probed_in_time(handle: Handle, *silences: int) -> tuple[HostResult, float]:
    """The same by a clock that stands still but for waiting, and how long it took by that.

    A silence is how many calls have come by then; each is waited for as long as it may take.
    """
    server, clock = Server(handle), ManualClock()
    port = both_ports(server)

    async def main() -> HostResult:
        asking = asyncio.ensure_future(probe(HOST, port=port, timeout=PATIENCE))
        for calls in silences:
            await until(lambda: len(server.calls) >= calls)  # noqa: B023  # awaited here
            clock.advance(PATIENCE)
        return await asking

    with server:
        return run_by(clock, main()), clock()


def version_of(message: bytes) -> int:
    """The version that a call is of."""
    return int.from_bytes(message[VERSION_AT : VERSION_AT + 4], "big")


def only_version(vers: int, handle: Handle, otherwise: bytes | None = None) -> Handle:
    return lambda message: handle(message) if version_of(message) == vers else otherwise


class Refusing4(RPCBVERS4.Service):
    """Has version 4, and no list."""

    def RPCBPROC_DUMP(self, call: rpc.Call) -> list[rp__list]:
        raise SystemFailure


def test_newest_version_gives_the_list() -> None:
    found = probed(serving(Mapper2(), Mapper3(), Mapper4()))

    assert found.versions == [2, 3, 4]
    assert found.registrations == [rpcb(100003, 4, b"tcp", b"0.0.0.0.8.1", b"superuser")]
    assert found.error == ""
    assert found.answered


def test_version_2_alone_gives_its_mappings() -> None:
    found = probed(serving(Mapper2()))

    assert found.versions == [2]
    assert found.registrations == [rpcb(100003, 3, b"tcp", b"0.0.0.0.8.1", b"unknown")]
    assert found.error == ""


@pytest.mark.parametrize("unknown", [None, HANG_UP], ids=["silence", "hang up"])
def test_silent_device_is_asked_over_udp(
    unknown: bytes | None,
) -> None:
    handle = only_version(2, serving(Mapper2()), unknown)

    found, _ = probed_in_time(handle, *((1, 3) if unknown is None else (3,)))

    assert found.versions == [2]
    assert found.registrations is not None
    assert found.error == ""


def test_refused_list_is_reported_with_its_version() -> None:
    found = probed(serving(Refusing4()))

    assert found.versions == [4]
    assert found.registrations is None
    assert found.error == "RPC: Remote system error"


def test_denied_host_has_answered_without_a_version() -> None:
    found = probed(lambda message: refuse(message[:4], AuthError(5)))

    assert found.answered
    assert found.versions == []
    assert found.error == "RPC: Authentication error; why = Client credential too weak"


def test_refusal_over_udp_outranks_silence_over_tcp() -> None:
    calls = list[bytes]()

    def denied(message: bytes) -> bytes | None:
        calls.append(message)
        return refuse(message[:4], AuthError(5)) if calls[1:] else None

    found, _ = probed_in_time(denied, 1)

    assert found.error.startswith("RPC: Authentication error")


def test_port_without_server_refuses() -> None:
    with socket.socket() as probing:
        probing.bind((HOST, 0))
        port = probing.getsockname()[1]

    found = asyncio.run(probe(HOST, port=port, timeout=5.0))

    assert (found.answered, found.versions, found.registrations) == (False, [], None)
    assert found.error == "RPC: Remote system error - Connection refused"


def test_silent_host_costs_twice_the_timeout() -> None:
    found, seconds = probed_in_time(lambda message: None, 1, 2)

    assert found.error == "RPC: Timed out"
    assert not found.answered
    assert seconds == 2 * PATIENCE


def test_a_name_that_is_unknown_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "no")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)

    assert asyncio.run(probe("nosuch.invalid", port=1, timeout=5.0)).error == "RPC: Unknown host"


def failing(number: int, asked: list[str]) -> Callable[..., object]:
    async def dial(netid: str, *_: object, **__: object) -> object:
        asked.append(netid)
        raise TransportError.number(number)

    return dial


def test_unreachable_host_is_not_asked_over_udp(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(module, "dial", failing(errno.EHOSTUNREACH, asked))

    found = asyncio.run(probe(HOST, port=1, timeout=5.0))

    assert asked == ["tcp"]
    assert found.error.endswith("No route to host")


def test_lack_of_sockets_ends_the_scan(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "dial", failing(errno.EMFILE, []))

    with pytest.raises(Failure, match="too many files are open; take fewer --jobs"):
        asyncio.run(probe(HOST, port=1, timeout=5.0))


def test_invalid_reply_is_an_error() -> None:
    found = probed(lambda message: message[:4] + b"\0\0\0\1\0\0\0\7")

    assert not found.answered
    assert found.error == "RPC: Can't decode result"


@contextmanager
def streaming(data: bytes) -> Iterator[int]:
    """The port of a server that sends that over and over to its first caller."""
    listening = socket.create_server((HOST, 0))
    stop = threading.Event()

    def send() -> None:
        with listening, listening.accept()[0] as sock, suppress(OSError):
            while not stop.wait(0.005):
                sock.send(data)

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield listening.getsockname()[1]
    finally:
        stop.set()
        thread.join()


def test_too_long_a_list_is_an_error() -> None:
    with streaming((0x80000000 | MAX_REPLY + 1).to_bytes(4, "big")) as port:
        found = asyncio.run(probe(HOST, port=port, timeout=5.0))

    assert found.registrations is None
    assert found.error == f"RPC: Can't decode result: a record of over {MAX_REPLY} bytes"


def test_a_server_that_never_ends_is_timed_out() -> None:
    fragment_of_many = b"\0\0\0\1x"
    begun = time.monotonic()

    with streaming(fragment_of_many) as port:
        found = asyncio.run(probe(HOST, port=port, timeout=0.05))

    assert found.error == "RPC: Timed out"
    assert time.monotonic() - begun < DEADLINE
