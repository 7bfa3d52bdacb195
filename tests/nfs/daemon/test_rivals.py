"""Other servers of this host that have registered our programs."""

from __future__ import annotations

import pytest

from oncrpc.addr import transport
from oncrpc.aio.server import Server
from oncrpc.net.sockets import listen
from oncrpc.nfs.daemon.rivals import ProgramPlace, answers_call, foreign_text
from oncrpc.rpc.dispatch import Dispatcher
from oncrpc.testing import ManualClock
from support.echo import ECHO_V1, Echo
from support.loops import run


@pytest.mark.parametrize("netid", ["tcp", "udp"])
def test_server_that_answers_is_seen(netid: str) -> None:
    async def scenario() -> None:
        server = Server(Dispatcher([Echo()], clock=ManualClock()))
        server.add(listen(transport(netid), "0.0.0.0", 0), netid)
        server.start()
        place = ProgramPlace(ECHO_V1.prog, ECHO_V1.vers, netid, server.addresses[netid])
        try:
            assert await answers_call(place)
            assert not await answers_call(place._replace(prog=100003))
        finally:
            await server.close()
        if netid == "tcp":
            assert not await answers_call(place)

    run(scenario())


@pytest.mark.parametrize("uaddr", ["", "nonsense", "127.0.0.1.0"])
def test_address_that_is_none_answers_nothing(uaddr: str) -> None:
    assert not run(answers_call(ProgramPlace(100003, 3, "tcp", uaddr)))


def test_text_has_the_next_step() -> None:
    assert foreign_text(100003, "0.0.0.0.8.1") == (
        "nfs is registered at port 2049 of 0.0.0.0, by another server"
        " ('systemctl disable --now nfs-server' stops the kernel's)"
    )
    assert foreign_text(400001, "a") == "program 400001 is registered at a, by another server"
