"""The module's functions are those of a binder that dials over asyncio."""

from __future__ import annotations

import pytest

from oncrpc.addr import split_uaddr, transport
from oncrpc.aio import binding
from oncrpc.aio.link import dial
from oncrpc.aio.server import Server
from oncrpc.errors import NotRegistered
from oncrpc.net.sockets import listen
from oncrpc.portmap.procedures import Mapper
from oncrpc.portmap.registry import Registry
from oncrpc.rpc.dispatch import Dispatcher
from oncrpc.testing import ManualClock
from support.loops import run


def test_the_modules_binder_dials_over_asyncio_and_its_methods_are_the_functions() -> None:
    assert binding.binder.dial is dial
    assert (binding.getaddr, binding.set) == (binding.binder.getaddr, binding.binder.set)


def test_what_is_set_is_found_dumped_and_taken_back() -> None:
    async def scenario() -> None:
        mapper = Mapper(Registry())
        server = Server(Dispatcher(mapper.services(), clock=ManualClock(), before=mapper.before))
        server.add(listen(transport("tcp"), "127.0.0.1", 0), "tcp")
        server.start()
        port = split_uaddr(server.addresses["tcp"])[1]
        binder = binding.Binder(dial, port=port, sockets=())
        try:
            assert await binder.set(400001, 1, "tcp", "0.0.0.0.8.1")
            assert await binder.getaddr("127.0.0.1", 400001, 1, "tcp") == "127.0.0.1.8.1"
            assert await binder.getport("127.0.0.1", 400001, 1, "tcp") == 2049
            assert [entry.r_prog for entry in await binder.dump("127.0.0.1")] == [400001]
            assert await binder.unset(400001, 1)
            with pytest.raises(NotRegistered):
                await binder.getaddr("127.0.0.1", 400001, 1, "tcp")
        finally:
            await server.close()

    run(scenario())
