"""SIGKILL at any moment: acknowledged changes are there after the next start, in order.

In every round eight clients set and unset registrations at once, each waiting for its answers,
until the daemon is killed at a moment drawn at random. The next one has to have all that they were
told. A call that was under way then may have been made or not; one that was refused was not.
"""

from __future__ import annotations

import asyncio
import os
import random
import resource
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from oncrpc import sync
from oncrpc.aio.link import dial
from oncrpc.errors import OncRpcError, SystemFailure
from oncrpc.programs.rpcb import RPCBVERS4, rpcb
from support.daemon_process import DEADLINE, RunningDaemon

CLIENTS = 8
PROGRAMS = 40
FIRST_PROGRAM = 400000
EVERYTHING = bool(os.environ.get("ONCRPC_REQUIRE_PEERS"))
ROUNDS, OPERATIONS = (100, 10_000) if EVERYTHING else (4, 600)
"""The number of kills, and of calls before each."""

Key = tuple[int, bytes]


@dataclass
class Known:
    """The acknowledged registrations of one client: addresses, in order of registration."""

    first: int
    entries: dict[Key, bytes] = field(default_factory=dict)
    under_way: tuple[Key, bytes] | None = None
    """The call without a reply; its address is empty for an UNSET."""

    def draw(self, dice: random.Random) -> tuple[Key, bytes]:
        """The next call: for the client's own program, with one of two addresses or none."""
        key = self.first + dice.randrange(PROGRAMS), dice.choice([b"tcp", b"udp"])
        return key, dice.choice([b"192.0.2.1.8.1", b"192.0.2.1.8.2", b""])

    def told(self, key: Key, uaddr: bytes, done: bool) -> None:
        """Note the reply: a SET is refused if another address is registered."""
        self.under_way = None
        present = self.entries.get(key)
        assert done is (not uaddr or present in (None, uaddr))
        self._change(self.entries, key, uaddr)

    @staticmethod
    def _change(entries: dict[Key, bytes], key: Key, uaddr: bytes) -> None:
        if uaddr:
            entries.setdefault(key, uaddr)
        else:
            entries.pop(key, None)

    def possible(self) -> Iterator[dict[Key, bytes]]:
        """The registries that are valid after a kill."""
        yield dict(self.entries)
        if self.under_way is not None:
            made = dict(self.entries)
            self._change(made, *self.under_way)
            yield made

    def find(self, dump: list[rpcb]) -> None:
        """Continue from the restored registrations; checks that they are valid and in order."""
        mine = range(self.first, self.first + PROGRAMS)
        found = {(e.r_prog, e.r_netid): e.r_addr for e in dump if e.r_prog in mine}
        assert list(found.items()) in [list(entries.items()) for entries in self.possible()]
        self.entries, self.under_way = found, None


class Killing:
    """One round: the clients, and the number of calls after which the daemon is killed."""

    def __init__(self, daemon: RunningDaemon, calls: int) -> None:
        self.daemon, self.left, self.answered = daemon, calls, 0

    async def run(self, clients: list[Known], seed: int) -> int:
        """Call until the daemon is dead; returns the number of replies."""
        seeds = random.Random(seed)
        async with asyncio.timeout(DEADLINE * 3):
            await asyncio.gather(
                *(self._client(known, random.Random(seeds.random())) for known in clients)
            )
        return self.answered

    async def _client(self, known: Known, dice: random.Random) -> None:
        link = await dial("tcp", "127.0.0.1", self.daemon.port)
        client = RPCBVERS4.Client(link)
        try:
            while True:
                key, uaddr = known.draw(dice)
                known.under_way = key, uaddr
                entry = rpcb(key[0], 1, key[1], uaddr, b"")
                call = client.RPCBPROC_SET if uaddr else client.RPCBPROC_UNSET
                known.told(key, uaddr, await call(entry))
                self._count()
        except OncRpcError:
            assert self.left <= 0, "the daemon hung up"
        finally:
            link.close()

    def _count(self) -> None:
        self.answered += 1
        self.left -= 1
        if self.left == 0:
            self.daemon.process.kill()


def registered(daemon: RunningDaemon) -> list[rpcb]:
    """The registrations of the daemon."""
    with sync.run(sync.dial("tcp", "127.0.0.1", daemon.port, timeout=DEADLINE)) as link:
        return [each.rpcb_map for each in sync.run(RPCBVERS4.Client(link).RPCBPROC_DUMP())]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that the daemon's user can reach."""
    with tempfile.TemporaryDirectory() as made:
        Path(made).chmod(0o711)
        yield Path(made)


def running(folder: Path, *options: str) -> RunningDaemon:
    """A daemon with its state in that folder."""
    state = str(folder / "state")
    return RunningDaemon("-4", "-l", "--state-dir", state, *options, measured=False)


def limit_files(pid: int, most: int) -> None:
    """Limit the file size of a child process; longer writes are cut short."""
    _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard if most < 0 else most, hard))


@pytest.mark.slow
def test_acknowledged_changes_survive_sigkill_at_any_moment(folder: Path) -> None:
    seed = random.randrange(2**32)
    dice = random.Random(seed)
    clients = [Known(FIRST_PROGRAM + 1000 * number) for number in range(CLIENTS)]
    answered = 0

    for _ in range(ROUNDS):
        with running(folder) as daemon:
            dump = registered(daemon)
            for known in clients:
                known.find(dump)
            killing = Killing(daemon, dice.randint(1, OPERATIONS))
            answered += asyncio.run(killing.run(clients, dice.randrange(2**32)))

    with running(folder) as daemon:
        dump = registered(daemon)
        for known in clients:
            known.find(dump)
    assert answered > ROUNDS, f"seed {seed}"


@pytest.mark.slow
def test_full_disk_refuses_changes_until_room(folder: Path) -> None:
    entries = [rpcb(FIRST_PROGRAM + number, 1, b"tcp", b"192.0.2.1.8.1", b"") for number in (1, 2)]
    same_user = ("-u", str(os.geteuid()))
    with running(folder, *same_user) as daemon:
        link = sync.run(sync.dial("tcp", "127.0.0.1", daemon.port, timeout=DEADLINE))
        with link:
            client = RPCBVERS4.Client(link)
            assert sync.run(client.RPCBPROC_SET(entries[0]))
            size = (folder / "state" / "journal").stat().st_size
            limit_files(daemon.process.pid, size + 9)

            for call in (client.RPCBPROC_SET(entries[1]), client.RPCBPROC_UNSET(entries[0])):
                with pytest.raises(SystemFailure):
                    sync.run(call)

            assert (folder / "state" / "journal").stat().st_size == size
            limit_files(daemon.process.pid, -1)
            assert sync.run(client.RPCBPROC_SET(entries[1]))
        before = registered(daemon)[-2:]
        daemon.process.kill()

    with running(folder, *same_user) as daemon:
        assert registered(daemon)[-2:] == before
        assert [entry.r_prog - FIRST_PROGRAM for entry in before] == [1, 2]
    said = [line for line in daemon.lines if "restored 2 registrations" in line]
    assert len(said) == 1
