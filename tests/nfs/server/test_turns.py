"""``oncrpc.nfs.server.turns``: changes of one file follow one another."""

from __future__ import annotations

import asyncio

from oncrpc.nfs.server.turns import Turns
from oncrpc.rpc.eager import eager


def test_free_turn_needs_no_event_loop() -> None:
    turns = Turns()

    async def change() -> int:
        async with turns.of(b"a", b"b", b"a"):
            return len(turns)

    assert eager(change()) == 2
    assert len(turns) == 0


def test_changes_of_one_file_do_not_overlap() -> None:
    turns, inside, most = Turns(), 0, 0

    async def change() -> None:
        nonlocal inside, most
        async with turns.of(b"a"):
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0)
            inside -= 1

    async def main() -> None:
        await asyncio.gather(*(change() for _ in range(5)))

    asyncio.run(main())
    assert most == 1
    assert len(turns) == 0


def test_changes_of_different_files_overlap() -> None:
    turns = Turns()

    async def main() -> None:
        async with turns.of(b"a"), asyncio.timeout(10), turns.of(b"b"):
            pass

    asyncio.run(main())


def test_opposite_renames_do_not_wait_for_each_other() -> None:
    turns = Turns()

    async def rename(*directories: bytes) -> None:
        async with turns.of(*directories):
            await asyncio.sleep(0)

    async def main() -> None:
        async with asyncio.timeout(10):
            await asyncio.gather(*(rename(b"a", b"b") for _ in range(5)), rename(b"b", b"a"))

    asyncio.run(main())
    assert len(turns) == 0
