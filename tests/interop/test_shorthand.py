"""A C client uses our server's AUTH_SHORT shorthands, and recovers from flushed ones."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from oncrpc.addr import split_uaddr
from oncrpc.aio.serve import serve
from oncrpc.rpc import Call, Shorthands
from oncrpc.rpc.prot import authsys_parms
from support.hosts import compiled
from support.loops import run
from support.namespace import need
from support.service import COUNTER_V3, Counter

pytestmark = pytest.mark.interop

AUTH_SYS, AUTH_SHORT = 1, 2


class Forgetful(Counter):
    """Flushes every shorthand before the third call; ``seen`` are flavors and users."""

    def __init__(self, judge: Shorthands) -> None:
        super().__init__()
        self.judge = judge
        self.seen: list[tuple[int, int]] = []

    def NULL(self, call: Call) -> None:
        assert isinstance(call.credential, authsys_parms)
        self.seen.append((call.message[27], call.credential.uid))
        if len(self.seen) == 2:
            self.judge.flush()


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compiled client."""
    need("gcc", "/usr/include/tirpc/rpc/rpc.h")
    source, made = Path(__file__).parent / "shorthand.c", tmp_path_factory.mktemp("c") / "client"
    compiled(["gcc", "-I/usr/include/tirpc", str(source), "-o", str(made), "-ltirpc"], made.parent)
    return made


@pytest.mark.slow
def test_a_c_client_uses_shorthands_and_falls_back(client: Path) -> None:
    judge = Shorthands(random=os.urandom)
    service = Forgetful(judge)

    async def scenario() -> bytes:
        async with serve(service, transports=["tcp"], host="127.0.0.1", auth=judge) as server:
            _, port = split_uaddr(server.addresses["tcp"])
            numbers = (port, COUNTER_V3.prog, COUNTER_V3.vers)
            process = await asyncio.create_subprocess_exec(
                client, *map(str, numbers), stdout=asyncio.subprocess.PIPE
            )
            printed, _ = await process.communicate()
            assert process.returncode == 0
            return printed

    assert run(scenario()).split() == [b"2"] * 4
    flavors = [flavor for flavor, _ in service.seen]
    assert flavors == [AUTH_SYS, AUTH_SHORT, AUTH_SYS, AUTH_SHORT]
    assert {uid for _, uid in service.seen} == {os.geteuid()}
