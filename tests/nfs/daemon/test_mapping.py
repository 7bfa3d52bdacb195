"""The port mapper that lists the programs of the server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from oncrpc.addr import split_uaddr, transport
from oncrpc.aio.server import Server
from oncrpc.net.sockets import listen
from oncrpc.nfs.daemon.status import MapperState
from oncrpc.portmap.procedures import Mapper
from oncrpc.portmap.registry import Registry
from oncrpc.programs.nlm import NLM_PROG
from oncrpc.rpc.dispatch import Dispatcher
from oncrpc.testing import ManualClock
from support.loops import in_loop, until
from support.nfs_daemons import nfsd_setup, serving_nfsd

LOCALHOST = "127.0.0.1"


@asynccontextmanager
async def host_mapper(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Registry]:
    """A port mapper that stands for that of this host."""
    registry = Registry()
    server = Server(Dispatcher(Mapper(registry).services(), clock=ManualClock()))
    server.add(listen(transport("tcp"), LOCALHOST, 0), "tcp")
    server.start()
    port = split_uaddr(server.addresses["tcp"])[1]
    monkeypatch.setenv("ONCRPC_MAPPER", f"{LOCALHOST}:{port}")
    try:
        yield registry
    finally:
        await server.close()


@in_loop
async def test_programs_are_registered_while_they_are_served(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = nfsd_setup(state, exports=state / "none", port_mapper="host")
    async with host_mapper(monkeypatch) as registry:
        async with serving_nfsd(made) as daemon:
            mapping = daemon.app.mapping
            assert mapping.report() == MapperState("host", 111, None)
            await until(lambda: mapping.report().fault == "")
            found = {(entry.r_prog, entry.r_vers) for entry in registry}
            assert {vers for prog, vers in found if prog == NLM_PROG} == {1, 3, 4}
            assert mapping.at_usual_port
        assert len(registry) == 0


@in_loop
async def test_invalid_port_mapper_leaves_the_server_alone(
    state: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("ONCRPC_MAPPER", "nonsense:70000")
    made = nfsd_setup(state, exports=state / "none", port_mapper="host")
    async with serving_nfsd(made) as daemon:
        assert daemon.app.mapping.report() == MapperState("none", 0, "")

    assert "not registered: " in caplog.text


@pytest.mark.parametrize("mapper", ["own", "none"])
@in_loop
async def test_server_without_port_mapper_of_the_host(state: Path, mapper: str) -> None:
    made = nfsd_setup(state, exports=state / "none", port_mapper=mapper)
    async with serving_nfsd(made) as daemon:
        daemon.app.interfaces_changed()
        found = daemon.app.mapping.report()
        assert (found.kind, bool(found.port), found.fault) == (mapper, mapper == "own", "")
