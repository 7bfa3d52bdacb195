"""The functions of ``oncrpc.rpcbind`` and their blocking twins, with a port mapper elsewhere."""

from __future__ import annotations

import asyncio
import inspect
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from oncrpc import rpcbind, sync
from oncrpc.addr import split_uaddr, transport
from oncrpc.aio.server import Server
from oncrpc.errors import AddressError, NotRegistered, PortMapperUnreachable
from oncrpc.net.sockets import listen, listen_local
from oncrpc.portmap.procedures import Mapper
from oncrpc.portmap.registry import Registry
from oncrpc.rpc.dispatch import Dispatcher
from oncrpc.testing import ManualClock
from support.loops import run

LOCALHOST = "127.0.0.1"
FUNCTIONS = ["dump", "getaddr", "getport", "set", "set_transient", "unset"]


@asynccontextmanager
async def port_mapper(path: str = "") -> AsyncIterator[str]:
    """Our port mapper, in memory, on a free port or at a path; how to name it."""
    mapper = Mapper(Registry())
    server = Server(Dispatcher(mapper.services(), clock=ManualClock()))
    if path:
        server.add(listen_local(path), "local")
    else:
        server.add(listen(transport("tcp"), LOCALHOST, 0), "tcp")
    server.start()
    try:
        yield path or f"{LOCALHOST}:{split_uaddr(server.addresses['tcp'])[1]}"
    finally:
        await server.close()


@pytest.mark.parametrize(
    "statement", ["import oncrpc.rpcbind", "from oncrpc.rpcbind import getaddr"]
)
def test_rpcbind_is_an_importable_module(statement: str) -> None:
    subprocess.run([sys.executable, "-c", statement], check=True)


def test_registration_is_found_dumped_and_removed() -> None:
    async def scenario() -> None:
        async with port_mapper() as at:
            assert await rpcbind.set(400001, 1, "tcp", "0.0.0.0.8.1", mapper=at)
            assert await rpcbind.getaddr(LOCALHOST, 400001, 1, "tcp", mapper=at) == (
                "127.0.0.1.8.1"
            )
            assert await rpcbind.getport(LOCALHOST, 400001, 1, "tcp", mapper=at) == 2049
            assert [entry.r_prog for entry in await rpcbind.dump(mapper=at)] == [400001]
            assert await rpcbind.unset(400001, 1, mapper=at)
            with pytest.raises(NotRegistered, match="with the port mapper at 127"):
                await rpcbind.getaddr(LOCALHOST, 400001, 1, "tcp", mapper=at)

    run(scenario())


def test_transient_number_is_registered() -> None:
    async def scenario() -> None:
        async with port_mapper() as at:
            number = await rpcbind.set_transient(1, {"tcp": "0.0.0.0.8.1"}, mapper=at)
            assert await rpcbind.getport(LOCALHOST, number, 1, "tcp", mapper=at) == 2049

    run(scenario())


def test_port_mapper_at_a_local_socket_tells_ports(tmp_path: str) -> None:
    async def scenario() -> None:
        async with port_mapper(f"{tmp_path}/mapper.sock") as at:
            assert await rpcbind.set(400001, 1, "udp", "0.0.0.0.8.1", mapper=at)
            assert await rpcbind.getport("files.example", 400001, 1, "udp", mapper=at) == 2049

    run(scenario())


def test_environment_names_the_port_mapper(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        async with port_mapper() as at:
            monkeypatch.setenv("ONCRPC_MAPPER", at)
            assert await rpcbind.set(400001, 1, "tcp", "0.0.0.0.8.1")
            assert await rpcbind.getport(LOCALHOST, 400001, 1, "tcp") == 2049

    run(scenario())


def test_invalid_environment_is_an_error_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONCRPC_MAPPER", "host:http")

    with pytest.raises(AddressError, match=r"^ONCRPC_MAPPER: invalid port mapper 'host:http': "):
        sync.rpcbind.dump()


def test_blocking_functions_do_the_same() -> None:
    async def scenario() -> list[object]:
        async with port_mapper() as at:
            return await asyncio.to_thread(asked, at)

    def asked(at: str) -> list[object]:
        return [
            sync.rpcbind.set(400001, 1, "tcp", "0.0.0.0.8.1", mapper=at),
            sync.rpcbind.getaddr(LOCALHOST, 400001, 1, "tcp", mapper=at),
            sync.rpcbind.getport(LOCALHOST, 400001, 1, "tcp", mapper=at),
            len(sync.rpcbind.dump(mapper=at)),
            sync.rpcbind.set_transient(1, {"tcp": "0.0.0.0.8.1"}, mapper=at) >= 0x40000000,
            sync.rpcbind.unset(400001, 1, mapper=at),
        ]

    assert run(scenario()) == [True, "127.0.0.1.8.1", 2049, 1, True, True]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_blocking_twin_has_the_same_signature(name: str) -> None:
    ours, twin = getattr(rpcbind, name), getattr(sync.rpcbind, name)

    assert inspect.signature(ours) == inspect.signature(twin)
    assert ours.__doc__ == twin.__doc__


def test_refused_connection_says_it_is_the_port_mapper() -> None:
    with listen(transport("tcp"), LOCALHOST, 0) as sock:
        port = sock.getsockname()[1]

    with pytest.raises(PortMapperUnreachable) as raised:
        sync.rpcbind.dump(mapper=f"{LOCALHOST}:{port}")

    assert str(raised.value) == (
        f"127.0.0.1 port {port} over tcp: Connection refused"
        " (this is the port mapper: start one there, or name another with mapper="
        " or ONCRPC_MAPPER)"
    )


def test_timeout_below_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="timeout is a number of seconds above 0, not -1"):
        sync.rpcbind.dump(timeout=-1)


def test_timeout_that_is_not_a_number_is_refused() -> None:
    timeout: Any = "5"

    with pytest.raises(TypeError, match="timeout is a number of seconds, not '5'"):
        sync.rpcbind.dump(timeout=timeout)
