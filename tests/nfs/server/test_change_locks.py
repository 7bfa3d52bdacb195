"""``oncrpc.nfs.server.change_locks``: changes of one file follow one another."""

from __future__ import annotations

import asyncio

from oncrpc.nfs.server.change_locks import ChangeLocks
from oncrpc.rpc.eager import eager


def test_free_lock_needs_no_event_loop() -> None:
    locks = ChangeLocks()

    async def change() -> int:
        async with locks.hold(b"a", b"b", b"a"):
            return len(locks)

    assert eager(change()) == 2
    assert len(locks) == 0


def test_changes_of_one_file_do_not_overlap() -> None:
    locks, inside, most = ChangeLocks(), 0, 0

    async def change() -> None:
        nonlocal inside, most
        async with locks.hold(b"a"):
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0)
            inside -= 1

    async def main() -> None:
        await asyncio.gather(*(change() for _ in range(5)))

    asyncio.run(main())
    assert most == 1
    assert len(locks) == 0


def test_changes_of_different_files_overlap() -> None:
    locks = ChangeLocks()

    async def main() -> None:
        async with locks.hold(b"a"), asyncio.timeout(10), locks.hold(b"b"):
            pass

    asyncio.run(main())


def test_opposite_renames_do_not_wait_for_each_other() -> None:
    locks = ChangeLocks()

    async def rename(*directories: bytes) -> None:
        async with locks.hold(*directories):
            await asyncio.sleep(0)

    async def main() -> None:
        async with asyncio.timeout(10):
            await asyncio.gather(*(rename(b"a", b"b") for _ in range(5)), rename(b"b", b"a"))

    asyncio.run(main())
    assert len(locks) == 0


def test_cancelled_call_does_not_keep_the_lock() -> None:
    locks = ChangeLocks()

    async def change(*keys: bytes) -> None:
        async with locks.hold(*keys):
            pass

    async def main() -> None:
        async with asyncio.timeout(10):
            async with locks.hold(b"b"):
                waiting = [asyncio.ensure_future(change(b"a", b"b")) for _ in range(3)]
                await asyncio.sleep(0)
                waiting[0].cancel()
                await asyncio.sleep(0)
            waiting[1].cancel()  # it has been handed the lock, and has not run yet
            await asyncio.wait(waiting)
            assert [each.cancelled() for each in waiting] == [True, True, False]

    asyncio.run(main())
    assert len(locks) == 0
